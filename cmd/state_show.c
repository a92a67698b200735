#include "cmd/state_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/out.h"

static const char *answer_name(enum state_answer answer, const char *yes, const char *no)
{
        return answer == ANSWER_YES ? yes : answer == ANSWER_NO ? no : "unknown";
}

/* What the next run reads, as far as it can be told: its plan also knows schedules. */
static const char *next_read(const struct config_mapper *m, const struct state_look *s)
{
        if (s->trusted == ANSWER_NO || s->same_mapper == ANSWER_NO || !m->extract->cursor ||
                !s->position)
                return "everything";
        return s->trusted == ANSWER_YES && s->same_mapper == ANSWER_YES ? "changes" : "unknown";
}

static const char *why_everything(const struct config_mapper *m, const struct state_look *s)
{
        if (!m->extract->cursor)
                return "the mapper has no cursor";
        if (s->trusted == ANSWER_NO)
                return "the state is rebuilt";
        if (s->same_mapper == ANSWER_NO)
                return "the mapper or its columns changed since the last full read";
        return s->position ? NULL : "no position is stored";
}

/* ---- for people ---- */

static void print_size(uint64_t bytes)
{
        if (bytes < 10240)
                printf("%" PRIu64 " bytes", bytes);
        else if (bytes < (10 << 20))
                printf("%" PRIu64 " KiB", bytes >> 10);
        else
                printf("%" PRIu64 " MiB", bytes >> 20);
}

static void print_content(const struct state_look *s)
{
        if (s->condition != STATE_IS_SOUND)
                return;
        printf("  size       ");
        print_size(s->size_bytes);
        printf("\n  records    %" PRIu64 "\n", s->records);
        for (size_t i = 0; i < s->target_count; i++) {
                printf("  documents  %" PRIu64 " in %s", s->targets[i].documents,
                        s->targets[i].name);
                if (s->targets[i].unattached)
                        printf(", and %" PRIu64 " that no record has claimed",
                                s->targets[i].unattached);
                printf("\n");
        }
        printf("  owed       %" PRIu64 "\n  parked     %" PRIu64 "\n", s->owed, s->parked);
        printf("  runs       %" PRIu64 ", the last checkpoint by number %" PRIu64 "\n", s->run,
                s->closed);
        printf("  session    %s%s\n", s->session[0] ? s->session : "none",
                s->closing[0] ? ", another one was being closed" : "");
        if (s->position) {
                cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
                out_text(&text, str_of(s->position), 400);
                printf("  position   %s\n", buf_cstr(&text) ? text.data : "");
        }
}

static void print_next(const struct config_mapper *m, const struct state_look *s)
{
        const char *same = answer_name(
                s->same_mapper, "as at the last full read", "changed since the last full read");

        if (s->condition == STATE_IS_SOUND)
                printf("  mapper     %s\n", same);
        if (s->trusted == ANSWER_NO)
                printf("  next run   rebuilds the state from CouchDB: %s%s%s\n",
                        s->distrust_target ? s->distrust_target : "",
                        s->distrust_target ? ": " : "", s->distrust);
        else
                printf("  next run   %s\n",
                        answer_name(s->trusted, "trusts the state", "rebuilds the state"));
        const char *why = why_everything(m, s), *read = next_read(m, s);
        if (strcmp(read, "everything") == 0)
                printf("             reads everything: %s\n", why ? why : "");
        else if (strcmp(read, "changes") == 0)
                printf("             reads what changed, unless its schedule `full` is due\n");
        if (s->former[0])
                printf("  renamed?   %s, which is not configured any more, has documents of this "
                       "mapper:\n             erp2couch state rename %s %s takes its state over\n",
                        s->former, s->former, m->spec->name);
}

void state_show_text(
        const char *name, const struct config_mapper *mapper, const struct state_look *s)
{
        printf("%s%s\n  folder     %s\n  state      %s", name,
                mapper ? "" : " (not in the configuration)", s->folder,
                state_condition_name(s->condition));
        if (s->condition == STATE_IS_DAMAGED || s->condition == STATE_IS_FOREIGN)
                printf(": %s", s->why);
        printf("\n");
        if (s->busy)
                printf("  in use     by pid %ld\n", s->busy);
        print_content(s);
        printf("  rejects    %" PRIu64 "\n", s->rejects);
        if (mapper)
                print_next(mapper, s);
        else
                printf("  to do      erp2couch state rename %s NEW, if it has the name NEW now; "
                       "else "
                       "erp2couch state reset %s\n",
                        name, name);
}

/* ---- for programs ---- */

static void add_text(cJSON *json, const char *name, const char *text)
{
        if (text && text[0])
                cJSON_AddStringToObject(json, name, text);
        else
                cJSON_AddNullToObject(json, name);
}

static cJSON *targets_json(const struct state_look *s)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < s->target_count; i++) {
                cJSON *json = cJSON_CreateObject();
                cJSON_AddStringToObject(json, "database", s->targets[i].name);
                cJSON_AddNumberToObject(json, "documents", (double)s->targets[i].documents);
                cJSON_AddNumberToObject(json, "unattached", (double)s->targets[i].unattached);
                add_text(json, "distrust", s->targets[i].distrust);
                cJSON_AddItemToArray(list, json);
        }
        return list;
}

static cJSON *next_json(const struct config_mapper *m, const struct state_look *s)
{
        cJSON *json = cJSON_CreateObject();
        const char *why = s->trusted == ANSWER_NO ? s->distrust : why_everything(m, s);

        cJSON_AddStringToObject(json, "state", answer_name(s->trusted, "trust", "rebuild"));
        cJSON_AddStringToObject(json, "read", next_read(m, s));
        add_text(json, "why", why);
        add_text(json, "database", s->distrust_target);
        return json;
}

cJSON *state_show_json(
        const char *name, const struct config_mapper *mapper, const struct state_look *s)
{
        const struct {
                const char *name;
                uint64_t value;
        } numbers[] = {{"size_bytes", s->size_bytes}, {"records", s->records}, {"owed", s->owed},
                {"parked", s->parked}, {"rejects", s->rejects}, {"run", s->run},
                {"closed", s->closed}};
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "mapper", name);
        cJSON_AddBoolToObject(json, "configured", mapper != NULL);
        cJSON_AddStringToObject(json, "folder", s->folder);
        cJSON_AddStringToObject(json, "state", state_condition_name(s->condition));
        add_text(json, "why", s->why);
        if (s->busy)
                cJSON_AddNumberToObject(json, "in_use_by", (double)s->busy);
        else
                cJSON_AddNullToObject(json, "in_use_by");
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                cJSON_AddNumberToObject(json, numbers[i].name, (double)numbers[i].value);
        cJSON_AddItemToObject(json, "databases", targets_json(s));
        add_text(json, "session", s->session);
        add_text(json, "closing", s->closing);
        add_text(json, "position", s->position);
        if (!mapper)
                return json;
        cJSON_AddStringToObject(
                json, "fingerprint", answer_name(s->same_mapper, "same", "changed"));
        cJSON_AddItemToObject(json, "next", next_json(mapper, s));
        add_text(json, "former", s->former);
        return json;
}
