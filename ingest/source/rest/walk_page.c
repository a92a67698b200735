/* Errors inside a reply, records that are not where they should be, and the facts of paging. */
#include "ingest/source/rest/walk_internal.h"

#include "ingest/source/rest/rows.h"

#define SHOWN_MAX 300 /* bytes of an error inside a reply */

static struct str fact(const struct rest_walk *w, enum fact f)
{
        return w->fact_at[f] == FACTS ? (struct str){0}
                                      : json_records_fact(w->records, w->fact_at[f]);
}

static bool is_nothing(struct str json)
{
        static const char *const nothing[] = {"null", "false", "\"\"", "0", "[]", "{}"};

        if (!json.ptr)
                return true;
        for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
                if (str_is(json, nothing[i]))
                        return true;
        return false;
}

/* A scalar without its quotes, anything else as it stands. */
static struct str plain(struct str json, struct buf *room)
{
        struct str text;
        struct err ignored;

        return rest_value_text(json, room, &text, &ignored) == 0 ? text : json;
}

static bool passes_by_itself(const struct rest_extract *x, struct str error)
{
        for (size_t i = 0; i < x->error_retry.count; i++)
                if (str_is(error, x->error_retry.items[i]))
                        return true;
        return false;
}

int walk_check_error(struct rest_walk *w, struct err *e)
{
        const struct rest_extract *x = w->plan.extract;
        cleanup_buf_ struct buf room = BUF_INIT(JSON_RECORDS_MAX_FACT);
        cleanup_buf_ struct buf shown = BUF_INIT(JSON_RECORDS_MAX_FACT);
        struct str found = fact(w, FACT_ERROR), message = fact(w, FACT_MESSAGE);

        if (!x->error_path || is_nothing(found))
                return 0;
        struct str error = plain(found, &room);
        if (x->error_equals && !str_is(error, x->error_equals))
                return 0;
        enum err_class class = passes_by_itself(x, error) ? ERR_RETRY : ERR_CONFIG;
        buf_clear(&room);
        struct str text = plain(message.ptr ? message : found, &room);
        for (size_t i = 0; i < text.len && i < SHOWN_MAX; i++)
                buf_putc(&shown, (unsigned char)text.ptr[i] < 0x20 ? ' ' : text.ptr[i]);
        const char *words = buf_cstr(&shown);
        return err_set(e, class, "the reply says that it is an error: %s%s", words ? words : "?",
                text.len > SHOWN_MAX ? "..." : "");
}

static int wrong_place(struct rest_walk *w, enum json_records_found found, struct err *e)
{
        cleanup_buf_ struct buf names = BUF_INIT(4096);
        const char *path = w->options.path;

        json_records_names(w->records, &names);
        const char *there = names.len ? buf_cstr(&names) : NULL;
        if (!path || !path[0])
                return err_set(e, ERR_CONFIG, "the reply is neither an array nor an object");
        return err_set(e, ERR_CONFIG,
                "the reply has no array of records at '%s'%s%s%s: set `records` of the mapper",
                path, found == JSON_RECORDS_OTHER ? ", but a single value" : "", there ? "; " : "",
                there ? there : "");
}

static int check_found(struct rest_walk *w, struct err *e)
{
        enum json_records_found found = json_records_found(w->records);

        if (found == JSON_RECORDS_ABSENT || found == JSON_RECORDS_OTHER)
                return wrong_place(w, found, e);
        return 0;
}

bool walk_is_accepted(const struct rest_walk *w)
{
        for (size_t i = 0; i < w->accept_count; i++)
                if (w->accept[i] == w->status)
                        return true;
        return w->status == 304 || (w->status == 204 && !w->any);
}

static struct str first_next(const struct rest_walk *w)
{
        struct str next = {0};

        for (int f = FACT_NEXT; !next.ptr && f <= FACT_NEXT_3; f++)
                next = fact(w, (enum fact)f);
        return next;
}

static void get_facts(struct rest_walk *w, struct rest_page_facts *f)
{
        *f = (struct rest_page_facts){
                .records = json_records_count(w->records),
                .hash = json_records_hash(w->records),
                .next = first_next(w),
                .total = fact(w, FACT_TOTAL),
                .pages = fact(w, FACT_PAGES),
                .more = fact(w, FACT_MORE),
        };
        if (w->link.len && !rest_link_next(buf_str(&w->link), &f->link_next))
                f->link_next = (struct str){0};
        if (w->last_field.len)
                f->last_field = buf_str(&w->last_field);
}

/* Whether what `after` comes from is a number: then it is one in a body, too. */
static void note_after(struct rest_walk *w, const struct rest_page_facts *f)
{
        struct str from = w->is_keyset ? f->last_field : f->next;

        if (from.ptr)
                w->after_is_number = from.len && from.ptr[0] != '"';
}

int walk_advance(struct rest_walk *w, bool *more, struct err *e)
{
        struct rest_page_facts facts = {0}; /* of a page that its status says is empty */
        int rc = walk_is_accepted(w) ? 0 : check_found(w, e);

        if (rc)
                return rc;
        if (!walk_is_accepted(w)) {
                get_facts(w, &facts);
                note_after(w, &facts);
        }
        return rest_pager_advance(w->pager, &facts, more, e);
}
