/*
 * lua_lex.h: the words of a Lua source, for what is checked before it runs.
 *
 * For source that Lua has compiled: then the words are exactly Lua's. Of any other text it gives
 * some words, and always ends.
 */
#pragma once

#include "ingest/base/str.h"

enum token_kind {
        TOKEN_END,
        TOKEN_NAME,
        TOKEN_KEYWORD,
        TOKEN_NUMBER,
        TOKEN_STRING, /* of any form, with its quotes */
        TOKEN_SYMBOL  /* an operator or bracket */
};

struct token {
        enum token_kind kind;
        struct str text;
        int line; /* from 1 */
};

struct lexer {
        const char *p, *end;
        int line;
};

void lexer_init(struct lexer *x, struct str source);

/** lexer_next() - the next word; borrows from the source */
struct token lexer_next(struct lexer *x);

/** token_plain_string() - the text between the quotes of a string without escapes; .ptr NULL: @t is
 * none */
struct str token_plain_string(const struct token *t);
