/*
 * text_case.h: capital and small letters, by Unicode's rules (libunistring), the same under every
 * locale of the environment. A letter may become several: "ß" in capitals is "SS".
 */
#pragma once

#include "ingest/base/buf.h"

/** text_put_upper() - appends @text, valid UTF-8, in capital letters; failures stay in @out */
void text_put_upper(struct str text, struct buf *out);

/** text_put_lower() - the same in small letters; a sigma that ends a word takes its final form */
void text_put_lower(struct str text, struct buf *out);
