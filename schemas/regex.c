/* PCRE2 with JIT where the system allows executable memory, else its interpreter: same limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "schemas/regex.h"

#include <pcre2.h>

#define TRANSLATED_MAX  (REGEX_MAX_PATTERN * 128) /* \S is the longest: 120 bytes for 2 */
#define JIT_STACK_FIRST (32 << 10)
#define JIT_STACK_MAX   (512 << 10)

struct regex {
        pcre2_code *code;
        bool jit;
};

struct regex_room {
        pcre2_general_context *memory;
        pcre2_match_context *context;
        pcre2_match_data *data;
        pcre2_jit_stack *stack;
};

/* Through functions of ours, so that tests can make them fail. */
static void *take_memory(size_t n, void *unused)
{
        return malloc(n);
}

static void give_memory(void *p, void *unused)
{
        free(p);
}

static const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                                PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C;

static pcre2_code *compile_code(struct str text, int *error, size_t *at)
{
        pcre2_general_context *memory =
                pcre2_general_context_create(take_memory, give_memory, NULL);
        pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
        pcre2_code *code = NULL;

        *error = PCRE2_ERROR_NOMEMORY;
        if (context) {
                pcre2_set_newline(context, PCRE2_NEWLINE_LF);
                code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, error, at, context);
        }
        pcre2_compile_context_free(context);
        pcre2_general_context_free(memory);
        return code;
}

static bool is_nomem(int error)
{
        return error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED;
}

int regex_compile(struct str pattern, struct regex **out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(TRANSLATED_MAX);
        char why[128];
        size_t at;
        int error;

        if (pattern.len > REGEX_MAX_PATTERN)
                return err_set(e, ERR_CONFIG, "it is longer than %d bytes", REGEX_MAX_PATTERN);
        const char *wrong = regex_translate(pattern, &text, &at);
        if (wrong)
                return err_set(e, ERR_CONFIG, "byte %zu: %s", at, wrong);
        int rc = buf_check(&text, "a regular expression", e);
        if (rc)
                return rc;
        struct regex *r = calloc(1, sizeof(*r));
        if (!r)
                return err_nomem(e, "a regular expression");
        r->code = compile_code(buf_str(&text), &error, &at);
        if (!r->code) {
                free(r);
                if (is_nomem(error))
                        return err_nomem(e, "a regular expression");
                pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
                return err_set(e, ERR_CONFIG, "%s", why);
        }
        r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
        *out = r;
        return 0;
}

struct regex *regex_free(struct regex *r)
{
        if (r) {
                pcre2_code_free(r->code);
                free(r);
        }
        return NULL;
}

bool regex_is_valid(struct str pattern)
{
        cleanup_buf_ struct buf text = BUF_INIT(TRANSLATED_MAX);
        size_t at;
        int error;

        if (pattern.len > REGEX_MAX_PATTERN || regex_translate(pattern, &text, &at) || text.error)
                return false;
        pcre2_code *code = compile_code(buf_str(&text), &error, &at);
        pcre2_code_free(code);
        return code || error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH;
}

struct regex_room *regex_room_new(void)
{
        cleanup_(regex_room_freep) struct regex_room *room = calloc(1, sizeof(*room));

        if (!room)
                return NULL;
        room->memory = pcre2_general_context_create(take_memory, give_memory, NULL);
        if (!room->memory)
                return NULL;
        room->context = pcre2_match_context_create(room->memory);
        room->data = pcre2_match_data_create(1, room->memory);
        if (!room->context || !room->data)
                return NULL;
        pcre2_set_match_limit(room->context, REGEX_MATCH_LIMIT);
        pcre2_set_heap_limit(room->context, REGEX_HEAP_KIB);
        /* NULL where there is no JIT: it is then not used either. */
        room->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, room->memory);
        if (room->stack)
                pcre2_jit_stack_assign(room->context, NULL, room->stack);
        return TAKE(room);
}

struct regex_room *regex_room_free(struct regex_room *room)
{
        if (room) {
                pcre2_jit_stack_free(room->stack);
                pcre2_match_data_free(room->data);
                pcre2_match_context_free(room->context);
                pcre2_general_context_free(room->memory);
                free(room);
        }
        return NULL;
}

enum regex_verdict regex_match(const struct regex *r, struct regex_room *room, struct str text)
{
        PCRE2_SPTR subject = (PCRE2_SPTR)text.ptr;
        int rc = r->jit ? pcre2_jit_match(
                                  r->code, subject, text.len, 0, 0, room->data, room->context)
                        : pcre2_match(r->code, subject, text.len, 0, PCRE2_NO_UTF_CHECK, room->data,
                                  room->context);

        if (rc >= 0)
                return REGEX_YES;
        return rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_LIMIT;
}
