/*
 * PCRE2 with JIT where the system allows executable memory, else its interpreter. PCRE2's offset
 * limit ends a piece: the text behind it stays in sight. The interpreter would look for a byte that
 * a match must hold in all the text behind each piece, so that is turned off.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "ingest/base/pattern.h"

#include <pcre2.h>
#include <time.h>

#define JIT_STACK_FIRST (32 << 10)
#define JIT_STACK_MAX   (512 << 10)
#define CALLS_UNTIMED   64 /* searches between two looks at the clock, which costs a system call */

struct pattern {
        pcre2_code *code;
        bool jit;
};

struct pattern_room {
        pcre2_general_context *memory;
        pcre2_match_context *context;
        pcre2_match_data *data;
        pcre2_jit_stack *stack;
        unsigned calls;   /* since pattern_begin() */
        int64_t begun_ms; /* -1: not known yet */
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

static const uint32_t options[] = {
        [PATTERN_PERL] = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
        [PATTERN_ECMA] = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                         PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
};

/* Where @text has \G; text.len: nowhere. */
static size_t find_begin_assertion(struct str text)
{
        for (size_t i = 0; i + 1 < text.len; i++) {
                if (text.ptr[i] == '\\' && text.ptr[++i] == 'G')
                        return i - 1;
        }
        return text.len;
}

static pcre2_code *compile_code(struct str text, uint32_t flags, int *error, size_t *at)
{
        pcre2_general_context *memory =
                pcre2_general_context_create(take_memory, give_memory, NULL);
        pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
        pcre2_code *code = NULL;

        *error = PCRE2_ERROR_NOMEMORY;
        if (context) {
                pcre2_set_newline(context, PCRE2_NEWLINE_LF);
                code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, flags, error, at, context);
        }
        pcre2_compile_context_free(context);
        pcre2_general_context_free(memory);
        return code;
}

static bool is_nomem(int error)
{
        return error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED;
}

/* A pattern may say (*NO_JIT): compiling then succeeds, and there is no code. */
static bool make_jit(pcre2_code *code)
{
        size_t size = 0;

        return pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0 &&
               pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size) == 0 && size > 0;
}

/* Return: 0 or PCRE2's error, with the place in *@at. */
static int fill(struct pattern *p, struct str text, uint32_t flags, size_t *at)
{
        int error = 0;

        p->code = compile_code(text, flags, &error, at);
        p->jit = p->code && make_jit(p->code);
        if (p->code && !p->jit) {
                pcre2_code_free(p->code);
                p->code = compile_code(text, flags | PCRE2_NO_START_OPTIMIZE, &error, at);
        }
        return p->code ? 0 : error;
}

int pattern_compile(struct str text, enum pattern_rules rules, struct pattern **out,
        struct pattern_fault *fault, struct err *e)
{
        char why[128];
        size_t at = find_begin_assertion(text);

        if (at < text.len) {
                *fault = (struct pattern_fault){.at = at};
                return err_set(e, ERR_CONFIG, "\\G is not known here");
        }
        cleanup_(pattern_freep) struct pattern *p = calloc(1, sizeof(*p));
        if (!p)
                return err_nomem(e, "a regular expression");
        int error = fill(p, text, options[rules], &at);
        if (is_nomem(error))
                return err_nomem(e, "a regular expression");
        if (error) {
                *fault = (struct pattern_fault){
                        at, error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH};
                pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
                return err_set(e, ERR_CONFIG, "%s", why);
        }
        *out = TAKE(p);
        return 0;
}

struct pattern *pattern_free(struct pattern *p)
{
        if (p) {
                pcre2_code_free(p->code);
                free(p);
        }
        return NULL;
}

size_t pattern_group_count(const struct pattern *p)
{
        uint32_t count = 0;

        pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &count);
        return count;
}

int pattern_group_find(const struct pattern *p, struct str name)
{
        cleanup_(freep) char *z = str_dup(name);
        int number = z ? pcre2_substring_number_from_name(p->code, (PCRE2_SPTR)z) : -1;

        return number > 0 ? number : -1;
}

struct pattern_room *pattern_room_new(void)
{
        cleanup_(pattern_room_freep) struct pattern_room *room = calloc(1, sizeof(*room));

        if (!room)
                return NULL;
        room->memory = pcre2_general_context_create(take_memory, give_memory, NULL);
        if (!room->memory)
                return NULL;
        room->context = pcre2_match_context_create(room->memory);
        room->data = pcre2_match_data_create(PATTERN_MAX_GROUPS + 1, room->memory);
        if (!room->context || !room->data)
                return NULL;
        pcre2_set_match_limit(room->context, PATTERN_MATCH_LIMIT);
        pcre2_set_depth_limit(room->context, PATTERN_DEPTH_LIMIT);
        pcre2_set_heap_limit(room->context, PATTERN_HEAP_KIB);
        /* NULL where there is no JIT: it is then not used either. */
        room->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, room->memory);
        if (room->stack)
                pcre2_jit_stack_assign(room->context, NULL, room->stack);
        return TAKE(room);
}

struct pattern_room *pattern_room_free(struct pattern_room *room)
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

static const uint32_t empty_options[] = {
        [PATTERN_EMPTY_ANYWHERE] = 0,
        [PATTERN_EMPTY_NOT_HERE] = PCRE2_NOTEMPTY_ATSTART,
        [PATTERN_EMPTY_NOWHERE] = PCRE2_NOTEMPTY,
};

static int find_in_piece(const struct pattern *p, struct pattern_room *room, struct str text,
        size_t from, size_t last, uint32_t flags)
{
        PCRE2_SPTR subject = (PCRE2_SPTR)text.ptr;

        pcre2_set_offset_limit(room->context, last);
        return p->jit ? pcre2_jit_match(
                                p->code, subject, text.len, from, flags, room->data, room->context)
                      : pcre2_match(p->code, subject, text.len, from, flags | PCRE2_NO_UTF_CHECK,
                                room->data, room->context);
}

void pattern_begin(struct pattern_room *room)
{
        room->calls = 0;
        room->begun_ms = -1;
}

static bool is_late(struct pattern_room *room)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        int64_t now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
        if (room->begun_ms < 0)
                room->begun_ms = now_ms;
        return now_ms - room->begun_ms > PATTERN_CPU_MS;
}

static size_t piece_size(size_t text_len)
{
        size_t places = PATTERN_PIECE_BYTES / (text_len + 1);

        if (places > PATTERN_PIECE_MAX)
                return PATTERN_PIECE_MAX;
        return places < PATTERN_PIECE_MIN ? PATTERN_PIECE_MIN : places;
}

/* Behind the character that @at stands in front of or inside. */
static size_t next_character(struct str text, size_t at)
{
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
                at++;
        return at;
}

enum pattern_verdict pattern_find(const struct pattern *p, struct pattern_room *room,
        struct str text, size_t from, enum pattern_empty empty)
{
        uint32_t flags = empty_options[empty];
        size_t piece = piece_size(text.len);
        bool late = ++room->calls % CALLS_UNTIMED == 0 && is_late(room);
        int rc = PCRE2_ERROR_NOMATCH;

        for (;;) {
                size_t last = text.len - from > piece ? from + piece : text.len;
                rc = late ? PCRE2_ERROR_MATCHLIMIT
                          : find_in_piece(p, room, text, from, last, flags);
                if (rc != PCRE2_ERROR_NOMATCH || last == text.len)
                        break;
                from = next_character(text, last);
                flags &= ~(uint32_t)PCRE2_NOTEMPTY_ATSTART;
                late = is_late(room);
        }
        if (rc >= 0)
                return PATTERN_YES;
        return rc == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_LIMIT;
}

struct str pattern_part(const struct pattern_room *room, struct str text, size_t number)
{
        const PCRE2_SIZE *places = pcre2_get_ovector_pointer(room->data);
        PCRE2_SIZE start = places[2 * number], end = places[2 * number + 1];

        if (start == PCRE2_UNSET || end < start)
                return (struct str){NULL, 0};
        return (struct str){text.ptr + start, end - start};
}
