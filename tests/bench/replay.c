/*
 * bench replay: how fast CouchDB takes documents from a client that does nothing else.
 *
 *   replay URL DATABASE FILE BATCH IN_FLIGHT
 *
 * FILE holds one document a line, as `erp2couch preview` prints them. All _bulk_docs bodies are
 * made before the clock starts; then they are posted IN_FLIGHT at a time on kept connections, and
 * every document of every reply must say "ok". This is the lower bound that a first load is
 * compared with. Prints one JSON object.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "ingest/base/buf.h"
#include "ingest/base/clock.h"

#define MAX_IN_FLIGHT 64
#define MAX_BYTES     ((size_t)16 << 30) /* of all bodies: they are held in memory */
#define MAX_REPLY     ((size_t)64 << 20)

static const char opening[] = "{\"docs\":[", closing[] = "]}";

struct body {
        size_t at, len, docs; /* at: in replay.bytes */
};

struct lane {
        CURL *easy;
        struct buf reply;
        const struct body *body; /* being posted; NULL: idle */
};

struct replay {
        CURLM *multi;
        struct curl_slist *headers;
        struct buf bytes;  /* all bodies */
        struct buf bodies; /* of struct body */
        size_t next, docs, done;
        char url[2048];
        struct lane lanes[MAX_IN_FLIGHT];
};

static size_t body_count(const struct replay *r)
{
        return r->bodies.len / sizeof(struct body);
}

/* ---- bodies ---- */

static int close_body(struct replay *r, struct body *b, struct err *e)
{
        buf_puts(&r->bytes, closing);
        b->len = r->bytes.len - b->at;
        buf_put(&r->bodies, b, sizeof(*b));
        r->docs += b->docs;
        int rc = buf_check(&r->bytes, "the bodies", e);
        return rc ? rc : buf_check(&r->bodies, "the list of bodies", e);
}

static int make_bodies(struct replay *r, struct str text, size_t batch, struct err *e)
{
        struct body b = {0};
        int rc = 0;

        while (text.len && rc == 0) {
                const char *end = memchr(text.ptr, '\n', text.len);
                size_t line = end ? (size_t)(end - text.ptr) : text.len;
                if (b.docs == 0) {
                        b.at = r->bytes.len;
                        buf_puts(&r->bytes, opening);
                } else {
                        buf_putc(&r->bytes, ',');
                }
                buf_put(&r->bytes, text.ptr, line);
                text.ptr += line + (end != NULL);
                text.len -= line + (end != NULL);
                if (++b.docs == batch || text.len == 0) {
                        rc = close_body(r, &b, e);
                        b.docs = 0;
                }
        }
        return rc;
}

static int load(struct replay *r, const char *path, size_t batch, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set_errno(e, ERR_CONFIG, errno, "%s", path);
        if (st.st_size == 0)
                return err_set(e, ERR_CONFIG, "%s is empty", path);
        size_t len = (size_t)st.st_size;
        char *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED)
                return err_set_errno(e, ERR_SYSTEM, errno, "%s", path);
        int rc = make_bodies(r, (struct str){text, len}, batch, e);
        munmap(text, len);
        return rc;
}

/* ---- posting ---- */

static size_t on_reply(char *bytes, size_t size, size_t n, void *ctx)
{
        struct lane *lane = ctx;

        buf_put(&lane->reply, bytes, size * n);
        return lane->reply.error ? 0 : size * n;
}

static int lane_init(struct replay *r, struct lane *lane, struct err *e)
{
        buf_init(&lane->reply, MAX_REPLY);
        lane->easy = curl_easy_init();
        if (!lane->easy)
                return err_nomem(e, "a connection");
        curl_easy_setopt(lane->easy, CURLOPT_URL, r->url);
        curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, r->headers);
        curl_easy_setopt(lane->easy, CURLOPT_WRITEFUNCTION, on_reply);
        curl_easy_setopt(lane->easy, CURLOPT_WRITEDATA, lane);
        curl_easy_setopt(lane->easy, CURLOPT_PRIVATE, lane);
        curl_easy_setopt(lane->easy, CURLOPT_TCP_NODELAY, 1L);
        curl_easy_setopt(lane->easy, CURLOPT_NOPROXY, "*");
        return 0;
}

/* One answer before the clock starts: CouchDB hashes a password it sees for the first time. */
static int warm_up(struct lane *lane, struct err *e)
{
        long status = 0;

        curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, "{\"docs\":[]}");
        CURLcode code = curl_easy_perform(lane->easy);
        curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK)
                return err_set(e, ERR_RETRY, "%s", curl_easy_strerror(code));
        if (status != 201)
                return err_set(
                        e, ERR_RETRY, "answer %ld: %.*s", status, STR_ARG(buf_str(&lane->reply)));
        return 0;
}

static void post_next(struct replay *r, struct lane *lane)
{
        lane->body = NULL;
        if (r->next == body_count(r))
                return;
        lane->body = (const struct body *)r->bodies.data + r->next++;
        buf_clear(&lane->reply);
        curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)lane->body->len);
        curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, r->bytes.data + lane->body->at);
        curl_multi_add_handle(r->multi, lane->easy);
}

static size_t count_ok(struct str reply)
{
        static const char ok[] = "{\"ok\":true,";
        const char *p = reply.ptr, *end = reply.ptr + reply.len;
        size_t count = 0;

        while ((p = memmem(p, (size_t)(end - p), ok, sizeof(ok) - 1)) != NULL) {
                count++;
                p += sizeof(ok) - 1;
        }
        return count;
}

static int finish_one(struct replay *r, const CURLMsg *message, struct err *e)
{
        CURLcode code = message->data.result;
        struct lane *lane;
        long status = 0;
        char *private;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        lane = (struct lane *)private;
        curl_multi_remove_handle(r->multi, lane->easy);
        if (code != CURLE_OK)
                return err_set(e, ERR_RETRY, "%s", curl_easy_strerror(code));
        size_t ok = count_ok(buf_str(&lane->reply));
        if (status != 201 || ok != lane->body->docs)
                return err_set(e, ERR_RETRY, "answer %ld, %zu of %zu documents written: %.*s",
                        status, ok, lane->body->docs,
                        (int)(lane->reply.len < 200 ? lane->reply.len : 200), lane->reply.data);
        r->done += ok;
        post_next(r, lane);
        return 0;
}

static int post_all(struct replay *r, size_t in_flight, struct err *e)
{
        int running = 1, left, rc = 0;

        for (size_t i = 0; i < in_flight; i++)
                post_next(r, &r->lanes[i]);
        while (r->done < r->docs && rc == 0) {
                CURLMcode code = curl_multi_perform(r->multi, &running);
                if (code == CURLM_OK && running)
                        code = curl_multi_poll(r->multi, NULL, 0, 1000, NULL);
                if (code != CURLM_OK)
                        return err_set(e, ERR_SYSTEM, "%s", curl_multi_strerror(code));
                const CURLMsg *message;
                while (rc == 0 && (message = curl_multi_info_read(r->multi, &left)) != NULL)
                        if (message->msg == CURLMSG_DONE)
                                rc = finish_one(r, message, e);
        }
        return rc;
}

static double cpu_s(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int run(struct replay *r, char **argv, struct err *e)
{
        size_t batch = strtoul(argv[4], NULL, 10), in_flight = strtoul(argv[5], NULL, 10);

        if (batch == 0 || in_flight == 0 || in_flight > MAX_IN_FLIGHT)
                return err_set(e, ERR_USAGE, "BATCH from 1, IN_FLIGHT from 1 to %d", MAX_IN_FLIGHT);
        snprintf(r->url, sizeof(r->url), "%s/%s/_bulk_docs", argv[1], argv[2]);
        int rc = load(r, argv[3], batch, e);
        if (rc)
                return rc;
        r->multi = curl_multi_init();
        r->headers = curl_slist_append(r->headers, "Content-Type: application/json");
        r->headers = curl_slist_append(r->headers, "Accept: application/json");
        r->headers = curl_slist_append(r->headers, "Expect:");
        for (size_t i = 0; i < in_flight && rc == 0; i++)
                rc = lane_init(r, &r->lanes[i], e);
        rc = rc ? rc : warm_up(&r->lanes[0], e);
        double cpu = cpu_s(), wall = (double)clock_monotonic_us();
        rc = rc ? rc : post_all(r, in_flight, e);
        if (rc)
                return err_wrap(e, rc, "POST %s/_bulk_docs", argv[2]);
        wall = ((double)clock_monotonic_us() - wall) / 1e6;
        printf("{\"docs\": %zu, \"batch\": %zu, \"in_flight\": %zu, \"seconds\": %.4f, "
               "\"cpu_seconds\": %.4f, \"bytes\": %zu}\n",
                r->docs, batch, in_flight, wall, cpu_s() - cpu, r->bytes.len);
        return 0;
}

static void replay_deinit(struct replay *r)
{
        for (size_t i = 0; i < MAX_IN_FLIGHT; i++) {
                curl_easy_cleanup(r->lanes[i].easy);
                buf_deinit(&r->lanes[i].reply);
        }
        curl_multi_cleanup(r->multi);
        curl_slist_free_all(r->headers);
        buf_deinit(&r->bytes);
        buf_deinit(&r->bodies);
}

int main(int argc, char **argv)
{
        static struct replay r;
        struct err e;

        if (argc != 6) {
                fprintf(stderr, "usage: replay URL DATABASE FILE BATCH IN_FLIGHT\n");
                return 64;
        }
        curl_global_init(CURL_GLOBAL_ALL);
        buf_init(&r.bytes, MAX_BYTES);
        buf_init(&r.bodies, (size_t)1 << 30);
        int rc = run(&r, argv, &e);
        if (rc)
                fprintf(stderr, "replay: %s\n", e.text);
        replay_deinit(&r);
        curl_global_cleanup();
        return rc ? 70 : 0;
}
