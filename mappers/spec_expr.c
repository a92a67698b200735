/*
 * Expressions as far as they can be checked without a source: Lua compiles them, and their words
 * are looked at: names that are neither local nor offered, and the names behind row, record and
 * doc, which the compiler proves later.
 *
 * `==` and `~=` become calls. Lua compares a decimal and a number as different without asking
 * anybody, so row.price == 0 would always be false. The operands of a comparison reach from the
 * last word of lower precedence to the next one, which the words alone tell.
 */
#include "mappers/spec_internal.h"

#include "mappers/lua_lex.h"
#include "mappers/lua_state.h"

#define EXPR_MAX_BYTES (16 << 10) /* longer is a program, and belongs into the query */

struct expr_parser {
        const struct option_context *cx;
        const struct ynode *n;
        const char *what;
        struct token *tokens; /* in words; the last one is TOKEN_END */
        size_t count;
        struct expr_spec *out;
};

static const struct token none = {.kind = TOKEN_END, .text = {"", 0}};

static const struct token *token(const struct expr_parser *x, size_t i)
{
        return i < x->count ? &x->tokens[i] : &none; /* i may be -1 of 0 */
}

static bool is(const struct token *t, const char *text)
{
        return (t->kind == TOKEN_SYMBOL || t->kind == TOKEN_KEYWORD) && str_is(t->text, text);
}

static bool is_one_of(const struct token *t, const char *const *words)
{
        for (; *words; words++)
                if (is(t, *words))
                        return true;
        return false;
}

static int refuse(
        const struct expr_parser *x, const struct token *t, struct err *e, const char *what)
{
        return ynode_error(x->cx->doc, x->n, e, "%s: line %d: %.*s%s", x->what, t->line,
                STR_ARG(t->text), what);
}

/* ---- names ---- */

static const char *const offered[] = {"row", "record", "doc", "null", "decimal", "string", "table",
        "math", "utf8", "ipairs", "pairs", "next", "select", "tonumber", "tostring", "type",
        "error", "assert", "pcall", "self"};
#define OFFERED (sizeof(offered) / sizeof(offered[0]))

static bool is_offered(struct str name)
{
        for (size_t i = 0; i < OFFERED; i++)
                if (str_is(name, offered[i]))
                        return true;
        return false;
}

/* Whether the word at @i is a name that a statement makes: in `local a, b`, `for a, b in`,
 * `function f(a, b)`, `local function f`. */
static bool is_declared(const struct expr_parser *x, size_t i)
{
        if (is(token(x, i - 1), "function"))
                return is(token(x, i - 2), "local");
        while (is(token(x, i - 1), ",") && token(x, i - 2)->kind == TOKEN_NAME)
                i -= 2;
        if (is(token(x, i - 1), ",") && is(token(x, i - 2), ">")) /* local a <const>, b */
                return true;
        if (is(token(x, i - 1), "local") || is(token(x, i - 1), "for"))
                return true;
        if (!is(token(x, i - 1), "("))
                return false;
        for (i -= 2; token(x, i)->kind == TOKEN_NAME; i -= 2) /* function t.a:f( */
                if (!is(token(x, i - 1), ".") && !is(token(x, i - 1), ":"))
                        return is(token(x, i - 1), "function");
        return is(token(x, i), "function");
}

static bool is_local(const struct expr_parser *x, struct str name)
{
        for (size_t i = 0; i < x->count; i++)
                if (x->tokens[i].kind == TOKEN_NAME && str_eq(x->tokens[i].text, name) &&
                        is_declared(x, i))
                        return true;
        return false;
}

/* Whether the name at @i stands for a variable: no member, method, label, attribute. */
static bool is_variable(const struct expr_parser *x, size_t i)
{
        const struct token *before = token(x, i - 1), *behind = token(x, i + 1);

        if (is(before, ".") || is(before, ":") || is(before, "::") || is(before, "goto"))
                return false;
        if (is(before, "<") && is(behind, ">") &&
                (str_is(x->tokens[i].text, "const") || str_is(x->tokens[i].text, "close")))
                return false;
        /* a key of a constructor; `a = 1` as a statement stands behind other words */
        return !(is(behind, "=") && (is(before, "{") || is(before, ",") || is(before, ";")));
}

static int unknown_name(const struct expr_parser *x, const struct token *t, struct err *e)
{
        const char *near = str_nearest(t->text, offered, OFFERED - 1);
        int rc = refuse(x, t, e, " is no variable here");

        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return err_hint(e, rc,
                "a column is row.%.*s, a field doc.%.*s, a variable local %.*s = ...",
                STR_ARG(t->text), STR_ARG(t->text), STR_ARG(t->text));
}

static int check_name(const struct expr_parser *x, size_t i, struct err *e)
{
        const struct token *t = &x->tokens[i];
        bool own = str_is(t->text, "row") || str_is(t->text, "record") || str_is(t->text, "doc");

        if (str_is(t->text, "_ENV") || str_starts(t->text, STR("__")))
                return refuse(x, t, e, " is not for expressions: choose another name");
        if (own && is_declared(x, i))
                return refuse(x, t, e, " belongs to the mapper: choose another name");
        if (own && is(token(x, i + 1), "="))
                return refuse(x, t, e, " cannot be changed");
        if (is_offered(t->text) || is_local(x, t->text))
                return 0;
        return unknown_name(x, t, e);
}

static int check_names(const struct expr_parser *x, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < x->count && !rc; i++)
                if (x->tokens[i].kind == TOKEN_NAME && is_variable(x, i))
                        rc = check_name(x, i, e);
        return rc;
}

/* ---- paths ---- */

/* The member named at @i: .name, or ["name"]. Return: words taken; 0: none. */
static size_t take_member(const struct expr_parser *x, size_t i, struct str *name)
{
        if (is(token(x, i), ".") && token(x, i + 1)->kind == TOKEN_NAME) {
                *name = x->tokens[i + 1].text;
                return 2;
        }
        *name = token_plain_string(token(x, i + 1));
        return is(token(x, i), "[") && name->ptr && is(token(x, i + 2), "]") ? 3 : 0;
}

static int take_path(struct expr_parser *x, size_t i, enum expr_scope scope, struct err *e)
{
        struct expr_name *name = &x->out->names[x->out->name_count];
        const struct token *t = &x->tokens[i++];
        struct str step;
        size_t taken;

        *name = (struct expr_name){.scope = scope, .line = t->line};
        while (name->count < EXPR_MAX_STEPS && (taken = take_member(x, i, &step)) > 0) {
                i += taken;
                name->steps[name->count] = arena_dup(x->cx->arena, step);
                if (!name->steps[name->count++].ptr)
                        return options_nomem(x->cx, e);
        }
        if (name->count == 0 && scope == EXPR_DOC)
                return refuse(x, t, e, " needs the name of a field: doc.NAME");
        x->out->name_count += name->count > 0;
        return 0;
}

static int take_paths(struct expr_parser *x, struct err *e)
{
        static const char *const scopes[] = {
                [EXPR_ROW] = "row", [EXPR_RECORD] = "record", [EXPR_DOC] = "doc"};
        int rc = 0;

        x->out->names = arena_array(x->cx->arena, x->count, sizeof(*x->out->names));
        if (!x->out->names)
                return options_nomem(x->cx, e);
        for (size_t i = 0; i < x->count && !rc; i++) {
                if (x->tokens[i].kind != TOKEN_NAME || !is_variable(x, i))
                        continue;
                for (size_t s = 0; s < 3 && !rc; s++)
                        if (str_is(x->tokens[i].text, scopes[s]))
                                rc = take_path(x, i, (enum expr_scope)s, e);
        }
        return rc;
}

/* ---- == and ~= ---- */

static int depth_of(const struct token *t)
{
        if (is(t, "(") || is(t, "[") || is(t, "{"))
                return 1;
        return is(t, ")") || is(t, "]") || is(t, "}") ? -1 : 0;
}

/* The first word of the left operand of the comparison at @i; SIZE_MAX where it is no plain one.
 * Comparisons group to the left: one before it belongs to the operand. */
static size_t left_operand(const struct expr_parser *x, size_t i)
{
        static const char *const before[] = {"and", "or", ",", ";", "=", "return", "if", "elseif",
                "while", "until", "in", "then", "do", "else", NULL};
        int depth = 0;

        while (i > 0) {
                const struct token *t = token(x, i - 1);
                depth -= depth_of(t);
                if (depth < 0 || (depth == 0 && is_one_of(t, before)))
                        return i;
                if (depth == 0 && (is(t, "end") || is(t, "function")))
                        return SIZE_MAX;
                i--;
        }
        return i;
}

static bool ends_operand(const struct token *t)
{
        return t->kind == TOKEN_NAME || t->kind == TOKEN_NUMBER || t->kind == TOKEN_STRING ||
               is(t, "nil") || is(t, "true") || is(t, "false") || is(t, "...") || is(t, ")") ||
               is(t, "]") || is(t, "}");
}

/* The word behind the right operand of the comparison at @i; SIZE_MAX as above. */
static size_t right_operand(const struct expr_parser *x, size_t i)
{
        static const char *const behind[] = {"and", "or", "==", "~=", "<", ">", "<=", ">=", ",",
                ";", "then", "do", "end", "else", "elseif", "until", "local", "return", "if",
                "while", "for", "repeat", "goto", "break", "::", NULL};
        int depth = 0;

        for (i++; i < x->count && x->tokens[i].kind != TOKEN_END; i++) {
                const struct token *t = &x->tokens[i];
                if (depth == 0 && (is_one_of(t, behind) || depth_of(t) < 0))
                        return i;
                if (depth == 0 && is(t, "function"))
                        return SIZE_MAX;
                if (depth == 0 && t->kind == TOKEN_NAME && ends_operand(token(x, i - 1)))
                        return i; /* the next statement */
                depth += depth_of(t);
        }
        return i;
}

/* A text, true, false or nil alone is equal to no decimal: Lua's own comparison will do. */
static bool is_plain(const struct expr_parser *x, size_t first, size_t end)
{
        const struct token *t = token(x, first);

        return end == first + 1 &&
               (t->kind == TOKEN_STRING || is(t, "nil") || is(t, "true") || is(t, "false"));
}

struct mark {
        unsigned opened_equal, opened_differ, closed; /* calls that begin or end before a word */
        bool comma;                                   /* instead of the operator */
};

static void mark_comparison(const struct expr_parser *x, struct mark *marks, size_t i)
{
        size_t first = left_operand(x, i), end = right_operand(x, i);

        if (first == SIZE_MAX || end == SIZE_MAX || is_plain(x, first, i) ||
                is_plain(x, i + 1, end))
                return;
        marks[i].comma = true;
        marks[end].closed++;
        if (is(token(x, i), "=="))
                marks[first].opened_equal++;
        else
                marks[first].opened_differ++;
}

static bool is_comparison(const struct token *t)
{
        return is(t, "==") || is(t, "~=");
}

static void put_code(const struct expr_parser *x, const struct mark *marks, struct buf *out)
{
        const char *at = x->n->text.ptr;

        for (size_t i = 0; i < x->count; i++) {
                const struct token *t = &x->tokens[i];
                for (unsigned k = 0; k < marks[i].closed; k++)
                        buf_puts(out, ")");
                buf_put(out, at, (size_t)(t->text.ptr - at)); /* blanks and comments */
                for (unsigned k = 0; k < marks[i].opened_equal; k++)
                        buf_puts(out, "__equal(");
                for (unsigned k = 0; k < marks[i].opened_differ; k++)
                        buf_puts(out, "__differ(");
                if (marks[i].comma)
                        buf_putc(out, ',');
                else
                        buf_put_str(out, t->text);
                at = t->text.ptr + t->text.len;
        }
}

/* `a == b ~= c`: calls of both kinds that begin at one word would need their order. */
static bool is_mixed(const struct expr_parser *x, const struct mark *marks)
{
        for (size_t i = 0; i < x->count; i++)
                if (marks[i].opened_equal && marks[i].opened_differ)
                        return true;
        return false;
}

static int rewrite(struct expr_parser *x, bool expression, struct err *e)
{
        cleanup_(freep) struct mark *marks = calloc(x->count, sizeof(*marks));
        cleanup_buf_ struct buf code = {.max = 16 * EXPR_MAX_BYTES};

        if (!marks)
                return err_nomem(e, "an expression");
        for (size_t i = 0; i < x->count; i++)
                if (is_comparison(&x->tokens[i]))
                        mark_comparison(x, marks, i);
        if (is_mixed(x, marks))
                return ynode_error(x->cx->doc, x->n, e,
                        "%s: a comparison of comparisons: put brackets around the inner one",
                        x->what);
        if (expression)
                buf_puts(&code, "return ");
        put_code(x, marks, &code);
        int rc = buf_check(&code, "an expression", e);
        if (rc)
                return rc;
        x->out->code = arena_dup(x->cx->arena, buf_str(&code));
        return x->out->code.ptr ? 0 : options_nomem(x->cx, e);
}

/* ---- the whole ---- */

static int take_tokens(struct expr_parser *x, struct buf *store, struct err *e)
{
        struct lexer lexer;
        struct token t;

        lexer_init(&lexer, x->n->text);
        do {
                t = lexer_next(&lexer);
                buf_put(store, &t, sizeof(t));
        } while (t.kind != TOKEN_END);
        x->tokens = (struct token *)store->data;
        x->count = store->len / sizeof(t);
        return buf_check(store, "an expression", e);
}

static bool has_word(const struct expr_parser *x, const char *word)
{
        for (size_t i = 0; i < x->count; i++)
                if (is(&x->tokens[i], word))
                        return true;
        return false;
}

/* Whether it reads like statements: then Lua's complaint about them is the one to show. */
static bool is_block(const struct expr_parser *x)
{
        static const char *const first[] = {
                "local", "if", "for", "while", "repeat", "do", "goto", "::", NULL};

        return is_one_of(token(x, 0), first) || has_word(x, "return");
}

static int syntax_error(const struct expr_parser *x, const struct err *why, struct err *e)
{
        int rc = ynode_error(x->cx->doc, x->n, e, "%s: %s", x->what, why->text);

        /* row.end: a word of Lua is no name for it */
        if (strstr(why->text, "<name> expected near"))
                return err_hint(e, rc, "a column named like a word of Lua is row[\"end\"]");
        return rc;
}

/* An expression, or else a block with `return`. */
static int check_syntax(const struct expr_parser *x, bool *expression, struct err *e)
{
        cleanup_buf_ struct buf code = {.max = 2 * EXPR_MAX_BYTES};
        struct err as_expression, as_block;

        buf_puts(&code, "return ");
        buf_put_str(&code, x->n->text);
        int rc = buf_check(&code, "an expression", e);
        if (rc)
                return rc;
        rc = sandbox_check_syntax(buf_str(&code), EXPR_CHUNK, &as_expression);
        *expression = rc == 0;
        if (rc == -ERR_CONFIG)
                rc = sandbox_check_syntax(x->n->text, EXPR_CHUNK, &as_block);
        else if (rc && e)
                *e = as_expression;
        if (rc == -ERR_CONFIG)
                return syntax_error(x, is_block(x) ? &as_block : &as_expression, e);
        if (rc == 0 && !*expression && !has_word(x, "return"))
                return ynode_error(x->cx->doc, x->n, e, "%s: statements need a return", x->what);
        return rc;
}

static int parse(struct expr_parser *x, struct buf *store, struct err *e)
{
        bool expression;
        int rc = take_tokens(x, store, e);

        if (rc)
                return rc;
        if (x->count == 1)
                return ynode_error(x->cx->doc, x->n, e, "%s is empty", x->what);
        rc = check_syntax(x, &expression, e);
        if (!rc)
                rc = check_names(x, e);
        if (!rc)
                rc = take_paths(x, e);
        return rc ? rc : rewrite(x, expression, e);
}

int spec_expr_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct expr_spec **out, struct err *e)
{
        cleanup_buf_ struct buf store = {.max = (EXPR_MAX_BYTES + 1) * sizeof(struct token)};
        struct expr_parser x = {.cx = cx, .n = n, .what = what};

        if (n->text.len > EXPR_MAX_BYTES)
                return ynode_error(cx->doc, n, e, "%s is longer than %d bytes: do it in the query",
                        what, EXPR_MAX_BYTES);
        x.out = arena_alloc(cx->arena, sizeof(*x.out));
        if (!x.out)
                return options_nomem(cx, e);
        x.out->node = n;
        x.out->what = what;
        int rc = parse(&x, &store, e);
        if (rc == 0)
                *out = x.out;
        return rc;
}
