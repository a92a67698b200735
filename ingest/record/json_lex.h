/*
 * json_lex.h: one scalar of JSON text - string, number, word - that may come in pieces.
 *
 * Proves it, keeps nothing of it: where it begins and ends is told, its bytes are the caller's.
 * Every byte may be the last one of a piece.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum json_lex_outcome { JSON_LEX_MORE, JSON_LEX_WHOLE, JSON_LEX_BAD };

struct json_lex {
        unsigned char state;
        unsigned char left;      /* digits of \uXXXX, bytes of a character */
        unsigned char low, high; /* between these the next byte of a character must be */
        uint32_t code;           /* of \uXXXX so far */
        bool second;             /* it must be the second half of a surrogate pair */
        const char *word;        /* what is still to come of it */
};

/** json_lex_begin() - @c: the first byte of a scalar; it is the first to be given to json_lex_run()
 * Return: false where no scalar begins with it. */
bool json_lex_begin(struct json_lex *l, char c);

/** json_lex_run() - the next bytes, from *@p to @end
 * *@p: becomes where the scalar ends, or the byte that is wrong, or @end
 * @expected: what should have stood there, or what is wrong, when BAD
 * A number is WHOLE only with the byte behind it (json_lex_end() where there is none). */
enum json_lex_outcome json_lex_run(
        struct json_lex *l, const char **p, const char *end, const char **expected);

/** json_lex_end() - nothing follows. Return: whether the scalar is whole. */
bool json_lex_end(const struct json_lex *l);
