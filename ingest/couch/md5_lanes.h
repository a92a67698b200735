/*
 * md5_lanes.h: the MD5 of several short messages at once.
 *
 * CouchDB's revisions are MD5s of documents, and a first load predicts one for every document: with
 * a library's MD5, one after the other, that is a third of the writer's time; eight side by side
 * take a fifth of it. Messages of similar length gain most. No use for security.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MD5_LANES       8
#define MD5_LANES_BYTES 16 /* of a hash */
#define MD5_LANES_PAD   72 /* bytes that md5_lanes_pad() may write behind a message */

/** md5_lanes_pad() - ends a message of @len bytes; it needs room for MD5_LANES_PAD more
 * Return: its length in blocks of 64 bytes. */
size_t md5_lanes_pad(unsigned char *message, size_t len);

/** md5_lanes() - of padded messages; one that is not needed has 0 blocks (and no hash) */
void md5_lanes(const unsigned char *const messages[MD5_LANES], const size_t blocks[MD5_LANES],
        uint8_t out[MD5_LANES][MD5_LANES_BYTES]);
