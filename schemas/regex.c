/* The limits, and how they are kept, are those of ingest/base/pattern.h. */
#include "schemas/regex.h"

#define TRANSLATED_MAX (REGEX_MAX_PATTERN * 128) /* \S is the longest: 120 bytes for 2 */

struct regex {
        struct pattern *pattern;
};

struct regex_room {
        struct pattern_room *room;
};

int regex_compile(struct str pattern, struct regex **out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(TRANSLATED_MAX);
        struct pattern_fault fault;
        size_t at;

        if (pattern.len > REGEX_MAX_PATTERN)
                return err_set(e, ERR_CONFIG, "it is longer than %d bytes", REGEX_MAX_PATTERN);
        const char *wrong = regex_translate(pattern, &text, &at);
        if (wrong)
                return err_set(e, ERR_CONFIG, "byte %zu: %s", at, wrong);
        int rc = buf_check(&text, "a regular expression", e);
        if (rc)
                return rc;
        cleanup_(regex_freep) struct regex *r = calloc(1, sizeof(*r));
        if (!r)
                return err_nomem(e, "a regular expression");
        rc = pattern_compile(buf_str(&text), PATTERN_ECMA, &r->pattern, &fault, e);
        if (rc)
                return rc;
        *out = TAKE(r);
        return 0;
}

struct regex *regex_free(struct regex *r)
{
        if (r) {
                pattern_free(r->pattern);
                free(r);
        }
        return NULL;
}

bool regex_is_valid(struct str pattern)
{
        cleanup_buf_ struct buf text = BUF_INIT(TRANSLATED_MAX);
        cleanup_(pattern_freep) struct pattern *compiled = NULL;
        struct pattern_fault fault = {.at = 0};
        size_t at;

        if (pattern.len > REGEX_MAX_PATTERN || regex_translate(pattern, &text, &at) || text.error)
                return false;
        int rc = pattern_compile(buf_str(&text), PATTERN_ECMA, &compiled, &fault, NULL);
        return rc == 0 || fault.variable_lookbehind;
}

struct regex_room *regex_room_new(void)
{
        cleanup_(regex_room_freep) struct regex_room *room = calloc(1, sizeof(*room));

        if (!room)
                return NULL;
        room->room = pattern_room_new();
        return room->room ? TAKE(room) : NULL;
}

struct regex_room *regex_room_free(struct regex_room *room)
{
        if (room) {
                pattern_room_free(room->room);
                free(room);
        }
        return NULL;
}

enum regex_verdict regex_match(const struct regex *r, struct regex_room *room, struct str text)
{
        static const enum regex_verdict verdicts[] = {
                [PATTERN_NO] = REGEX_NO,
                [PATTERN_YES] = REGEX_YES,
                [PATTERN_LIMIT] = REGEX_LIMIT,
        };

        pattern_begin(room->room);
        return verdicts[pattern_find(r->pattern, room->room, text, 0, PATTERN_EMPTY_ANYWHERE)];
}
