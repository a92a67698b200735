/*
 * Bytes are copied into one buffer: kept in the pieces in which they came, a byte that comes alone
 * would hold a kilobyte.
 */
#include "ingest/loop/http_server_body.h"

#include "ingest/loop/http_server_head.h"

#define LINE_MAX     1024       /* bytes of a chunk's size with its extensions, or of a trailer */
#define SIZE_DIGITS  15         /* of a chunk's size: 2^60 */
#define OVERHEAD_MAX (64 << 10) /* bytes of extensions and trailers: nobody sends any */
#define CHUNK_PLAIN  12         /* bytes of a size line and line ends that a plain chunk has */

static int refuse(struct http_body *b, int status, const char *why)
{
        b->refused = why;
        return status;
}

int http_body_init(struct http_body *b, int64_t length, size_t max)
{
        *b = (struct http_body){.bytes = BUF_INIT(max),
                .line = BUF_INIT(LINE_MAX),
                .chunked = length<0, .left = length> 0 ? (uint64_t)length : 0};
        b->state = length < 0 ? HTTP_BODY_SIZE : length > 0 ? HTTP_BODY_BYTES : HTTP_BODY_WHOLE;
        return length > 0 && (uint64_t)length > max ? refuse(b, 413, "a body that is too large")
                                                    : 0;
}

void http_body_deinit(struct http_body *b)
{
        buf_deinit(&b->bytes);
        buf_deinit(&b->line);
}

static int take_bytes(struct http_body *b, struct str *in)
{
        size_t n = in->len < b->left ? in->len : (size_t)b->left;

        buf_put(&b->bytes, in->ptr, n);
        *in = (struct str){in->ptr + n, in->len - n};
        b->left -= n;
        if (b->bytes.error)
                return refuse(b, b->bytes.error == -ERR_NOMEM ? 503 : 413, "no room for the body");
        if (b->left == 0)
                b->state = b->chunked ? HTTP_BODY_CHUNK_END : HTTP_BODY_WHOLE;
        return 0;
}

/* "1a2b", "1a2b;extension". */
static int parse_size(struct http_body *b)
{
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *line = buf_cstr(&b->line);
        size_t n = line ? strspn(line, digits) : 0;
        const char *rest = line ? line + n + strspn(line + n, " \t") : "";

        if (!line)
                return refuse(b, 503, "no memory");
        if (n == 0 || n > SIZE_DIGITS || (*rest != '\0' && *rest != ';') ||
                (*rest == '\0' && rest != line + n))
                return refuse(b, 400, "no size of a chunk");
        b->left = strtoull(line, NULL, 16);
        if (b->left > b->bytes.max - b->bytes.len)
                return refuse(b, 413, "a body that is too large");
        b->state = b->left > 0 ? HTTP_BODY_CHUNK : HTTP_BODY_TRAILERS;
        b->overhead += strlen(rest);
        return 0;
}

/* "Name: value"; the empty line is the end. */
static int parse_trailer(struct http_body *b)
{
        char *line = b->line.len > 0 ? (char *)buf_cstr(&b->line) : NULL;
        char *colon = line ? strchr(line, ':') : NULL;

        b->overhead += b->line.len + CHUNK_PLAIN;
        if (b->line.len == 0) {
                b->state = HTTP_BODY_WHOLE;
                return 0;
        }
        if (colon)
                *colon = '\0';
        if (!colon || !http_field_is_clean(line, colon + 1))
                return refuse(b, 400, "a trailer that is no header");
        return 0;
}

static int parse_line(struct http_body *b)
{
        int status;

        if (b->state == HTTP_BODY_SIZE) {
                status = parse_size(b);
        } else if (b->state == HTTP_BODY_TRAILERS) {
                status = parse_trailer(b);
        } else {
                status = b->line.len == 0 ? 0 : refuse(b, 400, "a chunk longer than its size");
                b->state = HTTP_BODY_SIZE;
        }
        buf_clear(&b->line);
        if (status == 0 && b->overhead > OVERHEAD_MAX)
                return refuse(b, 431, "too much beside the body");
        return status;
}

int http_body_take(struct http_body *b, struct str *in)
{
        int status = 0;

        while (status == 0 && b->state != HTTP_BODY_WHOLE && in->len > 0) {
                if (b->state == HTTP_BODY_BYTES || b->state == HTTP_BODY_CHUNK) {
                        status = take_bytes(b, in);
                        continue;
                }
                int rc = http_line_take(&b->line, 0, in);
                if (rc == 1)
                        status = parse_line(b);
                else if (rc != 0)
                        status = refuse(b, 400, "a line between chunks that is none");
        }
        return status == 0 && b->state == HTTP_BODY_WHOLE ? 1 : status;
}
