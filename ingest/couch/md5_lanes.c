/*
 * RFC 1321 over vectors: the compiler's vector type stands for eight 32-bit words, one of each
 * message, in whatever registers the machine has. One step depends on the step before, so that a
 * single MD5 leaves most of a processor idle; eight take little longer than one.
 */
#include "ingest/couch/md5_lanes.h"

#include <endian.h>
#include <string.h>

#define BLOCK 64 /* bytes */
#define WORDS 16 /* of a block */
#define TAIL  8  /* bytes of the length behind the padding */

typedef uint32_t lanes __attribute__((vector_size(4 * MD5_LANES)));

struct state {
        lanes a, b, c, d;
};

#define F(x, y, z) (z ^ (x & (y ^ z)))
#define G(x, y, z) (y ^ (z & (x ^ y)))
#define H(x, y, z) (x ^ y ^ z)
#define I(x, y, z) (y ^ (x | ~z))

#define STEP(f, a, b, c, d, word, shift, sine)                                                     \
        a += f(b, c, d) + (word) + (uint32_t)(sine);                                               \
        a = (a << (shift)) | (a >> (32 - (shift)));                                                \
        a += b;

/* clang-format off: one step a line, as the RFC lists them */
static inline void round_f(struct state *s, const lanes w[WORDS])
{
        STEP(F, s->a, s->b, s->c, s->d, w[0], 7, 0xd76aa478)
        STEP(F, s->d, s->a, s->b, s->c, w[1], 12, 0xe8c7b756)
        STEP(F, s->c, s->d, s->a, s->b, w[2], 17, 0x242070db)
        STEP(F, s->b, s->c, s->d, s->a, w[3], 22, 0xc1bdceee)
        STEP(F, s->a, s->b, s->c, s->d, w[4], 7, 0xf57c0faf)
        STEP(F, s->d, s->a, s->b, s->c, w[5], 12, 0x4787c62a)
        STEP(F, s->c, s->d, s->a, s->b, w[6], 17, 0xa8304613)
        STEP(F, s->b, s->c, s->d, s->a, w[7], 22, 0xfd469501)
        STEP(F, s->a, s->b, s->c, s->d, w[8], 7, 0x698098d8)
        STEP(F, s->d, s->a, s->b, s->c, w[9], 12, 0x8b44f7af)
        STEP(F, s->c, s->d, s->a, s->b, w[10], 17, 0xffff5bb1)
        STEP(F, s->b, s->c, s->d, s->a, w[11], 22, 0x895cd7be)
        STEP(F, s->a, s->b, s->c, s->d, w[12], 7, 0x6b901122)
        STEP(F, s->d, s->a, s->b, s->c, w[13], 12, 0xfd987193)
        STEP(F, s->c, s->d, s->a, s->b, w[14], 17, 0xa679438e)
        STEP(F, s->b, s->c, s->d, s->a, w[15], 22, 0x49b40821)
}

static inline void round_g(struct state *s, const lanes w[WORDS])
{
        STEP(G, s->a, s->b, s->c, s->d, w[1], 5, 0xf61e2562)
        STEP(G, s->d, s->a, s->b, s->c, w[6], 9, 0xc040b340)
        STEP(G, s->c, s->d, s->a, s->b, w[11], 14, 0x265e5a51)
        STEP(G, s->b, s->c, s->d, s->a, w[0], 20, 0xe9b6c7aa)
        STEP(G, s->a, s->b, s->c, s->d, w[5], 5, 0xd62f105d)
        STEP(G, s->d, s->a, s->b, s->c, w[10], 9, 0x02441453)
        STEP(G, s->c, s->d, s->a, s->b, w[15], 14, 0xd8a1e681)
        STEP(G, s->b, s->c, s->d, s->a, w[4], 20, 0xe7d3fbc8)
        STEP(G, s->a, s->b, s->c, s->d, w[9], 5, 0x21e1cde6)
        STEP(G, s->d, s->a, s->b, s->c, w[14], 9, 0xc33707d6)
        STEP(G, s->c, s->d, s->a, s->b, w[3], 14, 0xf4d50d87)
        STEP(G, s->b, s->c, s->d, s->a, w[8], 20, 0x455a14ed)
        STEP(G, s->a, s->b, s->c, s->d, w[13], 5, 0xa9e3e905)
        STEP(G, s->d, s->a, s->b, s->c, w[2], 9, 0xfcefa3f8)
        STEP(G, s->c, s->d, s->a, s->b, w[7], 14, 0x676f02d9)
        STEP(G, s->b, s->c, s->d, s->a, w[12], 20, 0x8d2a4c8a)
}

static inline void round_h(struct state *s, const lanes w[WORDS])
{
        STEP(H, s->a, s->b, s->c, s->d, w[5], 4, 0xfffa3942)
        STEP(H, s->d, s->a, s->b, s->c, w[8], 11, 0x8771f681)
        STEP(H, s->c, s->d, s->a, s->b, w[11], 16, 0x6d9d6122)
        STEP(H, s->b, s->c, s->d, s->a, w[14], 23, 0xfde5380c)
        STEP(H, s->a, s->b, s->c, s->d, w[1], 4, 0xa4beea44)
        STEP(H, s->d, s->a, s->b, s->c, w[4], 11, 0x4bdecfa9)
        STEP(H, s->c, s->d, s->a, s->b, w[7], 16, 0xf6bb4b60)
        STEP(H, s->b, s->c, s->d, s->a, w[10], 23, 0xbebfbc70)
        STEP(H, s->a, s->b, s->c, s->d, w[13], 4, 0x289b7ec6)
        STEP(H, s->d, s->a, s->b, s->c, w[0], 11, 0xeaa127fa)
        STEP(H, s->c, s->d, s->a, s->b, w[3], 16, 0xd4ef3085)
        STEP(H, s->b, s->c, s->d, s->a, w[6], 23, 0x04881d05)
        STEP(H, s->a, s->b, s->c, s->d, w[9], 4, 0xd9d4d039)
        STEP(H, s->d, s->a, s->b, s->c, w[12], 11, 0xe6db99e5)
        STEP(H, s->c, s->d, s->a, s->b, w[15], 16, 0x1fa27cf8)
        STEP(H, s->b, s->c, s->d, s->a, w[2], 23, 0xc4ac5665)
}

static inline void round_i(struct state *s, const lanes w[WORDS])
{
        STEP(I, s->a, s->b, s->c, s->d, w[0], 6, 0xf4292244)
        STEP(I, s->d, s->a, s->b, s->c, w[7], 10, 0x432aff97)
        STEP(I, s->c, s->d, s->a, s->b, w[14], 15, 0xab9423a7)
        STEP(I, s->b, s->c, s->d, s->a, w[5], 21, 0xfc93a039)
        STEP(I, s->a, s->b, s->c, s->d, w[12], 6, 0x655b59c3)
        STEP(I, s->d, s->a, s->b, s->c, w[3], 10, 0x8f0ccc92)
        STEP(I, s->c, s->d, s->a, s->b, w[10], 15, 0xffeff47d)
        STEP(I, s->b, s->c, s->d, s->a, w[1], 21, 0x85845dd1)
        STEP(I, s->a, s->b, s->c, s->d, w[8], 6, 0x6fa87e4f)
        STEP(I, s->d, s->a, s->b, s->c, w[15], 10, 0xfe2ce6e0)
        STEP(I, s->c, s->d, s->a, s->b, w[6], 15, 0xa3014314)
        STEP(I, s->b, s->c, s->d, s->a, w[13], 21, 0x4e0811a1)
        STEP(I, s->a, s->b, s->c, s->d, w[4], 6, 0xf7537e82)
        STEP(I, s->d, s->a, s->b, s->c, w[11], 10, 0xbd3af235)
        STEP(I, s->c, s->d, s->a, s->b, w[2], 15, 0x2ad7d2bb)
        STEP(I, s->b, s->c, s->d, s->a, w[9], 21, 0xeb86d391)
}

/* clang-format on */

/* Word i of every message's block. */
static void load(const unsigned char *const at[MD5_LANES], lanes w[WORDS])
{
        for (size_t lane = 0; lane < MD5_LANES; lane++) {
                uint32_t words[WORDS];
                memcpy(words, at[lane], sizeof(words));
                for (size_t i = 0; i < WORDS; i++)
                        w[i][lane] = le32toh(words[i]);
        }
}

/* @now where @active has ones, else @before: a message that has ended keeps its state. */
#define CHOOSE(active, now, before) (((now) & (active)) | ((before) & ~(active)))

static void add_block(struct state *s, const lanes w[WORDS], const lanes *active)
{
        struct state t = *s;

        round_f(&t, w);
        round_g(&t, w);
        round_h(&t, w);
        round_i(&t, w);
        s->a = CHOOSE(*active, s->a + t.a, s->a);
        s->b = CHOOSE(*active, s->b + t.b, s->b);
        s->c = CHOOSE(*active, s->c + t.c, s->c);
        s->d = CHOOSE(*active, s->d + t.d, s->d);
}

size_t md5_lanes_pad(unsigned char *message, size_t len)
{
        size_t blocks = (len + 1 + TAIL + BLOCK - 1) / BLOCK;
        uint64_t bits = htole64((uint64_t)len * 8);

        message[len] = 0x80;
        memset(message + len + 1, 0, blocks * BLOCK - TAIL - len - 1);
        memcpy(message + blocks * BLOCK - TAIL, &bits, sizeof(bits));
        return blocks;
}

static void put_words(const struct state *s, size_t lane, uint8_t out[MD5_LANES_BYTES])
{
        const uint32_t words[4] = {
                htole32(s->a[lane]), htole32(s->b[lane]), htole32(s->c[lane]), htole32(s->d[lane])};

        memcpy(out, words, sizeof(words));
}

void md5_lanes(const unsigned char *const messages[MD5_LANES], const size_t blocks[MD5_LANES],
        uint8_t out[MD5_LANES][MD5_LANES_BYTES])
{
        static const unsigned char nothing[BLOCK];
        const lanes zero = {0};
        struct state s = {
                zero + 0x67452301, zero + 0xefcdab89, zero + 0x98badcfe, zero + 0x10325476};
        size_t most = 0;

        for (size_t lane = 0; lane < MD5_LANES; lane++)
                most = blocks[lane] > most ? blocks[lane] : most;
        for (size_t n = 0; n < most; n++) {
                const unsigned char *at[MD5_LANES];
                lanes w[WORDS], active;
                for (size_t lane = 0; lane < MD5_LANES; lane++) {
                        at[lane] = n < blocks[lane] ? messages[lane] + n * BLOCK : nothing;
                        active[lane] = n < blocks[lane] ? UINT32_MAX : 0;
                }
                load(at, w);
                add_block(&s, w, &active);
        }
        for (size_t lane = 0; lane < MD5_LANES; lane++)
                put_words(&s, lane, out[lane]);
}
