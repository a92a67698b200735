/*
 * A pattern becomes a list of items, each a byte, a class or a set with its repetition, or a mark.
 * Matching recurses once for each item that may match in several ways, so never deeper than the
 * list is long, and steps are charged for each item tried.
 */
#include "mappers/lua_pattern.h"

#include <ctype.h>
#include <lauxlib.h>

#define TRIES_A_STEP 4   /* items tried in the time of an instruction */
#define TRIES_CHARGE 256 /* at once */

enum item_kind {
        ITEM_MATCHED, /* the end of the list */
        ITEM_BYTE,
        ITEM_ANY,
        ITEM_CLASS, /* %a ... */
        ITEM_SET,
        ITEM_OPEN,
        ITEM_POSITION,
        ITEM_CLOSE,
        ITEM_BACK,     /* %1 ... */
        ITEM_BALANCE,  /* %bxy */
        ITEM_FRONTIER, /* %f[set] */
        ITEM_END       /* $ */
};

/* ---- classes and sets ---- */

static int is_alnum_ascii(int c)
{
        return c < 0x80 && isalnum(c);
}

static bool in_class(unsigned char c, unsigned char class)
{
        int in = 0;

        switch (class | 0x20) {
        case 'a':
                in = c < 0x80 && isalpha(c);
                break;
        case 'c':
                in = c < 0x20 || c == 0x7F;
                break;
        case 'd':
                in = c >= '0' && c <= '9';
                break;
        case 'g':
                in = c > 0x20 && c < 0x7F;
                break;
        case 'l':
                in = c >= 'a' && c <= 'z';
                break;
        case 'p':
                in = c > 0x20 && c < 0x7F && !is_alnum_ascii(c);
                break;
        case 's':
                in = c == ' ' || (c >= '\t' && c <= '\r');
                break;
        case 'u':
                in = c >= 'A' && c <= 'Z';
                break;
        case 'w':
                in = is_alnum_ascii(c);
                break;
        default: /* 'x' */
                in = c < 0x80 && isxdigit(c);
                break;
        }
        return (in != 0) != (isupper(class) != 0);
}

static bool is_class(unsigned char c)
{
        return c < 0x80 && isalpha(c) && memchr("acdglpsuwx", c | 0x20, 10);
}

static bool in_set(const struct lua_pattern_item *item, unsigned char c)
{
        return item->set[c >> 5] >> (c & 31) & 1;
}

static void add_byte(struct lua_pattern_item *item, unsigned char c)
{
        item->set[c >> 5] |= UINT32_C(1) << (c & 31);
}

static void add_range(struct lua_pattern_item *item, unsigned char first, unsigned char last)
{
        for (unsigned c = first; c <= last; c++)
                add_byte(item, (unsigned char)c);
}

static void add_class(struct lua_pattern_item *item, unsigned char class)
{
        for (unsigned c = 0; c < 256; c++)
                if (in_class((unsigned char)c, class))
                        add_byte(item, (unsigned char)c);
}

/* ---- reading ---- */

struct reader {
        lua_State *L;
        const unsigned char *p, *end;
        struct lua_pattern *out;
        unsigned char open[PATTERN_MAX_CAPTURES]; /* numbers of captures not closed yet */
        size_t open_count;
        bool closed[PATTERN_MAX_CAPTURES];
};

/* The byte behind %, taken. */
static unsigned char take_escaped(struct reader *r)
{
        if (r->p == r->end)
                luaL_error(r->L, "malformed pattern (ends with '%%')");
        return *r->p++;
}

static unsigned char take_set_byte(struct reader *r)
{
        if (r->p == r->end)
                luaL_error(r->L, "malformed pattern (missing ']')");
        return *r->p++;
}

/* r->p behind the '['. */
static void take_set(struct reader *r, struct lua_pattern_item *item)
{
        bool negated = r->p < r->end && *r->p == '^';
        bool first = true;

        r->p += negated;
        memset(item->set, 0, sizeof(item->set));
        for (;; first = false) {
                unsigned char c = take_set_byte(r);
                if (c == ']' && !first)
                        break;
                if (c == '%') {
                        c = take_set_byte(r);
                        if (is_class(c))
                                add_class(item, c);
                        else
                                add_byte(item, c);
                } else if (r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] != ']') {
                        add_range(item, c, r->p[1]);
                        r->p += 2;
                } else {
                        add_byte(item, c);
                }
        }
        for (size_t i = 0; negated && i < 8; i++)
                item->set[i] = ~item->set[i];
}

static struct lua_pattern_item *add_item(struct reader *r, enum item_kind kind)
{
        struct lua_pattern *p = r->out;

        if (p->count == PATTERN_MAX_ITEMS - 1) /* one is the end */
                luaL_error(r->L, "pattern too complex: more than %d items", PATTERN_MAX_ITEMS);
        struct lua_pattern_item *item = &p->items[p->count++];
        item->kind = (unsigned char)kind;
        item->repeat = 0;
        return item;
}

static void take_repeat(struct reader *r, struct lua_pattern_item *item)
{
        if (r->p < r->end && memchr("*+-?", *r->p, 4))
                item->repeat = *r->p++;
}

static void take_open(struct reader *r)
{
        struct lua_pattern *p = r->out;

        if (p->captures == PATTERN_MAX_CAPTURES)
                luaL_error(r->L, "too many captures");
        if (r->p < r->end && *r->p == ')') {
                r->p++;
                add_item(r, ITEM_POSITION);
                r->closed[p->captures++] = true;
                return;
        }
        add_item(r, ITEM_OPEN);
        r->open[r->open_count++] = (unsigned char)p->captures++;
}

static void take_close(struct reader *r)
{
        if (r->open_count == 0)
                luaL_error(r->L, "invalid pattern capture");
        struct lua_pattern_item *item = add_item(r, ITEM_CLOSE);
        item->a = r->open[--r->open_count];
        r->closed[item->a] = true;
}

static void take_back(struct reader *r, unsigned char digit)
{
        unsigned number = (unsigned)(digit - '1');

        if (digit == '0' || number >= r->out->captures || !r->closed[number])
                luaL_error(r->L, "invalid capture index %%%d", digit - '0');
        add_item(r, ITEM_BACK)->a = (unsigned char)number;
}

static void take_percent(struct reader *r)
{
        unsigned char c = take_escaped(r);

        if (c == 'b') {
                if (r->end - r->p < 2)
                        luaL_error(r->L, "malformed pattern (missing arguments to '%%b')");
                struct lua_pattern_item *item = add_item(r, ITEM_BALANCE);
                item->a = *r->p++;
                item->b = *r->p++;
        } else if (c == 'f') {
                if (r->p == r->end || *r->p++ != '[')
                        luaL_error(r->L, "missing '[' after '%%f' in pattern");
                take_set(r, add_item(r, ITEM_FRONTIER));
        } else if (c >= '0' && c <= '9') {
                take_back(r, c);
        } else {
                struct lua_pattern_item *item = add_item(r, is_class(c) ? ITEM_CLASS : ITEM_BYTE);
                item->a = c;
                take_repeat(r, item);
        }
}

static void take_item(struct reader *r)
{
        unsigned char c = *r->p++;
        struct lua_pattern_item *item;

        switch (c) {
        case '(':
                take_open(r);
                break;
        case ')':
                take_close(r);
                break;
        case '%':
                take_percent(r);
                break;
        case '[':
                item = add_item(r, ITEM_SET);
                take_set(r, item);
                take_repeat(r, item);
                break;
        default:
                if (c == '$' && r->p == r->end) {
                        add_item(r, ITEM_END);
                        break;
                }
                item = add_item(r, c == '.' ? ITEM_ANY : ITEM_BYTE);
                item->a = c;
                take_repeat(r, item);
                break;
        }
}

void lua_pattern_compile(lua_State *L, struct str text, bool anchors, struct lua_pattern *out)
{
        struct reader r = {.L = L, .p = (const unsigned char *)text.ptr, .out = out};

        r.end = r.p + text.len;
        out->count = out->captures = 0;
        out->anchored = anchors && text.len > 0 && *r.p == '^';
        r.p += out->anchored;
        while (r.p < r.end)
                take_item(&r);
        if (r.open_count)
                luaL_error(L, "unfinished capture");
        out->items[out->count].kind = ITEM_MATCHED;
        out->items[out->count++].repeat = 0;
}

/* ---- matching ---- */

struct matcher {
        lua_State *L;
        const struct lua_pattern_item *items;
        const char *begin, *end;
        struct lua_pattern_match *out;
        unsigned tries;
};

static void count_try(struct matcher *m)
{
        if (++m->tries < TRIES_CHARGE)
                return;
        m->tries = 0;
        sandbox_charge(m->L, TRIES_CHARGE / TRIES_A_STEP);
}

static bool is_one(const struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        unsigned char c;

        if (s == m->end)
                return false;
        c = (unsigned char)*s;
        switch (item->kind) {
        case ITEM_BYTE:
                return c == item->a;
        case ITEM_ANY:
                return true;
        case ITEM_CLASS:
                return in_class(c, item->a);
        default:
                return in_set(item, c);
        }
}

static const char *match_items(
        struct matcher *m, const struct lua_pattern_item *item, const char *s);

/* As many as there are, then fewer. */
static const char *match_most(struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        const char *least = item->repeat == '+' ? s + 1 : s, *at = s;

        for (; is_one(m, item, at); at++)
                count_try(m);
        for (; at >= least; at--) {
                const char *end = match_items(m, item + 1, at);
                if (end)
                        return end;
        }
        return NULL;
}

/* As few as will do. */
static const char *match_least(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        for (;; s++) {
                const char *end = match_items(m, item + 1, s);
                if (end || !is_one(m, item, s))
                        return end;
        }
}

static const char *match_maybe(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        const char *end = is_one(m, item, s) ? match_items(m, item + 1, s + 1) : NULL;

        return end ? end : match_items(m, item + 1, s);
}

static const char *match_open(struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        struct lua_pattern_match *out = m->out;

        out->captures[out->count] = (struct lua_pattern_capture){
                s, item->kind == ITEM_POSITION ? CAPTURE_POSITION : CAPTURE_OPEN};
        out->count++;
        const char *end = match_items(m, item + 1, s);
        if (!end)
                out->count--;
        return end;
}

static const char *match_close(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        struct lua_pattern_capture *c = &m->out->captures[item->a];

        c->len = (size_t)(s - c->start);
        const char *end = match_items(m, item + 1, s);
        if (!end)
                c->len = CAPTURE_OPEN;
        return end;
}

/* The three below: where the item ends, NULL where it does not match. */
static const char *match_back(struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        const struct lua_pattern_capture *c = &m->out->captures[item->a];
        size_t len = c->len == CAPTURE_POSITION ? 0 : c->len;

        sandbox_charge(m->L, len / 64);
        return (size_t)(m->end - s) >= len && memcmp(c->start, s, len) == 0 ? s + len : NULL;
}

static const char *match_balance(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        size_t depth = 0;

        if (s == m->end || (unsigned char)*s != item->a)
                return NULL;
        for (; s < m->end; s++) {
                count_try(m);
                if ((unsigned char)*s == item->b && depth > 0) {
                        if (--depth == 0)
                                return s + 1;
                } else if ((unsigned char)*s == item->a) {
                        depth++;
                }
        }
        return NULL;
}

static const char *match_frontier(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        unsigned char before = s == m->begin ? 0 : (unsigned char)s[-1];
        unsigned char here = s == m->end ? 0 : (unsigned char)*s;

        return !in_set(item, before) && in_set(item, here) ? s : NULL;
}

static const char *match_repeated(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        switch (item->repeat) {
        case '?':
                return match_maybe(m, item, s);
        case '-':
                return match_least(m, item, s);
        default:
                return match_most(m, item, s);
        }
}

/* Items that match in one way only. */
static const char *match_simple(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        switch (item->kind) {
        case ITEM_BACK:
                return match_back(m, item, s);
        case ITEM_BALANCE:
                return match_balance(m, item, s);
        case ITEM_FRONTIER:
                return match_frontier(m, item, s);
        case ITEM_END:
                return s == m->end ? s : NULL;
        default:
                return is_one(m, item, s) ? s + 1 : NULL;
        }
}

static const char *match_items(
        struct matcher *m, const struct lua_pattern_item *item, const char *s)
{
        for (; s && item->kind != ITEM_MATCHED; item++) {
                count_try(m);
                if (item->repeat)
                        return match_repeated(m, item, s);
                if (item->kind == ITEM_OPEN || item->kind == ITEM_POSITION)
                        return match_open(m, item, s);
                if (item->kind == ITEM_CLOSE)
                        return match_close(m, item, s);
                s = match_simple(m, item, s);
        }
        return s;
}

bool lua_pattern_match_at(lua_State *L, const struct lua_pattern *p, struct str subject,
        const char *at, struct lua_pattern_match *out)
{
        struct matcher m = {.L = L,
                .items = p->items,
                .begin = subject.ptr,
                .end = subject.ptr + subject.len,
                .out = out};

        out->count = 0;
        out->start = at;
        out->end = match_items(&m, p->items, at);
        sandbox_charge(L, m.tries / TRIES_A_STEP + 1);
        return out->end != NULL;
}
