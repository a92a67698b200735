/*
 * The scanner knows what PostgreSQL's lexer knows about where a statement ends: strings in their
 * three forms, quoted names, comments of both kinds (block comments nest) and parentheses. It
 * need not know more: the server parses the result.
 */
#include "ingest/source/postgres/sql.h"

#include <string.h>
#include <strings.h>

static void put_quoted(struct buf *sql, struct str s, char quote)
{
        buf_putc(sql, quote);
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] == quote)
                        buf_putc(sql, quote);
                buf_putc(sql, s.ptr[i]);
        }
        buf_putc(sql, quote);
}

void pg_sql_ident(struct buf *sql, struct str name)
{
        put_quoted(sql, name, '"');
}

void pg_sql_literal(struct buf *sql, struct str text)
{
        put_quoted(sql, text, '\'');
}

/* ---- table names ---- */

/* The name at *@p, which moves behind it; a quoted one into @out without its quotes. */
static bool take_name(const char **p, struct buf *out)
{
        const char *s = *p;

        if (*s != '"') {
                size_t n = strcspn(s, ".\"");
                buf_put(out, s, n);
                *p = s + n;
                return n > 0;
        }
        for (s++; *s; s++) {
                if (*s == '"' && *++s != '"') {
                        *p = s;
                        return out->len > 0;
                }
                buf_putc(out, *s);
        }
        return false;
}

int pg_sql_table(struct buf *sql, const char *name, struct err *e)
{
        cleanup_buf_ struct buf part = BUF_INIT(4096);
        const char *p = name;

        for (int i = 0; i < 2; i++) {
                buf_clear(&part);
                bool ok = take_name(&p, &part) && part.error == 0;
                if (!ok || (*p && *p != '.'))
                        break;
                pg_sql_ident(sql, buf_str(&part));
                if (!*p)
                        return 0;
                buf_putc(sql, *p++);
        }
        if (part.error == -ERR_NOMEM)
                return err_nomem(e, "a table's name");
        return err_set(e, ERR_CONFIG,
                "\"%s\" is not the name of a table: give NAME or SCHEMA.NAME, and a name with a "
                "dot "
                "in it in double quotes",
                name);
}

/* ---- one statement ---- */

struct scan {
        struct str text;
        size_t at;
        int depth;        /* of parentheses */
        const char *open; /* what has not ended at the end of the text */
        size_t open_at;
};

static char peek(const struct scan *s, size_t ahead)
{
        return s->at + ahead < s->text.len ? s->text.ptr[s->at + ahead] : '\0';
}

static bool is_name_byte(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '$' || (c & 0x80);
}

static void never_ends(struct scan *s, const char *what, size_t from)
{
        s->open = what;
        s->open_at = from;
        s->at = s->text.len;
}

/* Behind the opening quote. A doubled quote reads as an end and a new start: the same. */
static void skip_quoted(struct scan *s, char quote, bool backslashes, const char *what)
{
        size_t from = s->at++;

        for (; s->at < s->text.len; s->at++) {
                if (backslashes && peek(s, 0) == '\\')
                        s->at++;
                else if (peek(s, 0) == quote)
                        break;
        }
        if (s->at >= s->text.len)
                never_ends(s, what, from);
        else
                s->at++;
}

static void skip_block_comment(struct scan *s)
{
        size_t from = s->at;
        int depth = 0;

        while (s->at < s->text.len) {
                if (peek(s, 0) == '/' && peek(s, 1) == '*') {
                        depth++;
                        s->at += 2;
                } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
                        s->at += 2;
                        if (--depth == 0)
                                return;
                } else {
                        s->at++;
                }
        }
        never_ends(s, "comment", from);
}

static void skip_line_comment(struct scan *s)
{
        while (s->at < s->text.len && peek(s, 0) != '\n')
                s->at++;
}

/* At a '$' that begins no name: $tag$ ... $tag$, or a lone dollar. */
static void skip_dollar(struct scan *s)
{
        size_t from = s->at, n = 1;

        if (peek(s, 1) >= '0' && peek(s, 1) <= '9') {
                s->at++;
                return;
        }
        while (peek(s, n) != '$' && is_name_byte(peek(s, n)))
                n++;
        if (peek(s, n) != '$') {
                s->at++;
                return;
        }
        const char *tag = s->text.ptr + s->at;
        size_t tag_len = n + 1;
        const char *end = memmem(tag + tag_len, s->text.len - s->at - tag_len, tag, tag_len);
        if (end)
                s->at = (size_t)(end - s->text.ptr) + tag_len;
        else
                never_ends(s, "string", from);
}

/* A name; an E in front of a quote makes its string one with backslash escapes. */
static void skip_name(struct scan *s)
{
        size_t from = s->at;

        while (s->at < s->text.len && is_name_byte(peek(s, 0)))
                s->at++;
        if (s->at - from == 1 && (s->text.ptr[from] == 'e' || s->text.ptr[from] == 'E') &&
                peek(s, 0) == '\'')
                skip_quoted(s, '\'', true, "string");
}

/* Moves over white space and comments. */
static void skip_blank(struct scan *s)
{
        for (;;) {
                char c = peek(s, 0);

                if (c == '-' && peek(s, 1) == '-')
                        skip_line_comment(s);
                else if (c == '/' && peek(s, 1) == '*')
                        skip_block_comment(s);
                else if (c == ' ' || (c >= '\t' && c <= '\r'))
                        s->at++;
                else
                        return;
        }
}

/* Moves over one token that is not blank. */
static void skip_token(struct scan *s)
{
        char c = peek(s, 0);

        if (c == '\'')
                skip_quoted(s, '\'', false, "string");
        else if (c == '"')
                skip_quoted(s, '"', false, "quoted name");
        else if (c == '$')
                skip_dollar(s);
        else if (is_name_byte(c))
                skip_name(s);
        else {
                if (c == '(' && s->depth++ == 0)
                        s->open_at = s->at;
                s->depth -= c == ')';
                s->at++;
        }
}

bool pg_sql_token(struct str text, size_t *at, struct str *token)
{
        struct scan s = {.text = text, .at = *at};

        skip_blank(&s);
        size_t from = s.at;
        if (from >= text.len || s.open)
                return false;
        skip_token(&s);
        *at = s.at;
        *token = (struct str){text.ptr + from, s.at - from};
        return !s.open;
}

static int line_of(struct str text, size_t at)
{
        int line = 1;

        for (size_t i = 0; i < at && i < text.len; i++)
                line += text.ptr[i] == '\n';
        return line;
}

static int check_end(const struct scan *s, struct str statement, struct err *e)
{
        if (s->open)
                return err_set(e, ERR_CONFIG,
                        "the %s that begins in line %d of the query does not end", s->open,
                        line_of(s->text, s->open_at));
        if (s->depth != 0)
                return err_set(e, ERR_CONFIG,
                        s->depth > 0 ? "a parenthesis opened in line %d of the query is not closed"
                                     : "a closing parenthesis in line %d of the query has no "
                                       "opening one",
                        line_of(s->text, s->depth > 0 ? s->open_at : s->at));
        if (statement.len == 0)
                return err_set(e, ERR_CONFIG, "the query is empty");
        return 0;
}

int pg_sql_single(struct str query, struct str *out, struct err *e)
{
        struct scan s = {.text = query};
        size_t end = 0; /* behind the last token of the statement */

        for (skip_blank(&s); s.at < query.len && s.depth >= 0; skip_blank(&s)) {
                if (peek(&s, 0) == ';' && s.depth == 0)
                        break;
                skip_token(&s);
                end = s.at;
        }
        struct str statement = {query.ptr, end};
        int rc = check_end(&s, statement, e);
        if (rc)
                return rc;
        while (s.at < query.len && peek(&s, 0) == ';') {
                s.at++;
                skip_blank(&s);
        }
        if (s.open)
                return check_end(&s, statement, e);
        if (s.at < query.len)
                return err_set(e, ERR_CONFIG,
                        "the query is more than one statement: the second one begins in line %d of "
                        "it; keep one",
                        line_of(query, s.at));
        *out = statement;
        return 0;
}

bool pg_sql_reads(struct str query, struct str *first)
{
        static const char *const words[] = {"select", "with", "values", "table"};
        struct scan s = {.text = query};
        size_t n = 0;

        for (skip_blank(&s); peek(&s, 0) == '('; skip_blank(&s))
                s.at++;
        while (is_name_byte(peek(&s, n)))
                n++;
        *first = (struct str){query.ptr + s.at, n};
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (n == strlen(words[i]) && strncasecmp(first->ptr, words[i], n) == 0)
                        return true;
        return false;
}
