/*
 * ASCII is done here, eight times as fast as libunistring does it. Why that: glibc's towupper()
 * needs a locale that the machine may not have and PCRE2's \U knows letters alone, one for one;
 * libunistring has Unicode's whole rules, and libcurl brings it along anyway.
 */
#include "mappers/text_case.h"

#include <unicase.h>

#define SPARE_BYTES 32 /* room for letters that become longer: most texts then need no other */

typedef uint8_t *(*case_fn)(const uint8_t *s, size_t n, const char *language, uninorm_t form,
        uint8_t *result, size_t *length);

static bool is_ascii(struct str text)
{
        unsigned char seen = 0;

        for (size_t i = 0; i < text.len; i++)
                seen |= (unsigned char)text.ptr[i];
        return seen < 0x80;
}

/* Letters from @first on, 26 of them, change their bit 0x20. */
static void put_ascii(struct str text, char first, struct buf *out)
{
        char *to = buf_room(out, text.len);

        if (!to)
                return;
        for (size_t i = 0; i < text.len; i++) {
                unsigned char letter = (unsigned char)(text.ptr[i] - first);
                to[i] = (char)(text.ptr[i] ^ (letter < 26 ? 0x20 : 0));
        }
        out->len += text.len;
}

static void put_case(struct str text, case_fn change, struct buf *out)
{
        size_t length = text.len + SPARE_BYTES;
        char *room = buf_room(out, length);

        if (!room)
                return;
        uint8_t *changed =
                change((const uint8_t *)text.ptr, text.len, NULL, NULL, (uint8_t *)room, &length);
        if (!changed) {
                out->error = -ERR_NOMEM;
        } else if (changed == (uint8_t *)room) {
                out->len += length;
        } else {
                buf_put(out, changed, length);
                free(changed);
        }
}

void text_put_upper(struct str text, struct buf *out)
{
        if (is_ascii(text))
                put_ascii(text, 'a', out);
        else
                put_case(text, u8_toupper, out);
}

void text_put_lower(struct str text, struct buf *out)
{
        if (is_ascii(text))
                put_ascii(text, 'A', out);
        else
                put_case(text, u8_tolower, out);
}
