/*
 * text.h: text of others, shown to people: on a terminal, in a comment, in a file that is read.
 *
 * A character is visible here when it shows as itself on its own line: no control characters, no
 * line or paragraph separators, nothing that changes the direction of text or has no width, no
 * unassigned ends of planes. The rest could break a line, a terminal, or what a reader believes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/buf.h"

/** text_next() - the character that @s begins with
 * Return: its bytes; 0 at the end, and where @s does not begin with UTF-8. */
size_t text_next(struct str s, uint32_t *character);

/** text_char_is_visible() - one character */
bool text_char_is_visible(uint32_t character);

/** text_is_visible() - UTF-8 of visible characters only (true for "") */
bool text_is_visible(struct str s);

/** text_width() - characters of @s; a byte that is not UTF-8 counts as one */
size_t text_width(struct str s);

/** text_put_line() - @s as part of one line: runs of white space and of invisible characters
 * become one space, bytes that are not UTF-8 become U+FFFD
 * @max: characters; what is longer ends in "..." */
void text_put_line(struct buf *out, struct str s, size_t max);
