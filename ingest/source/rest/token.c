/*
 * The new file is made and filled with blanks before a token is asked for, so that a full disk or
 * a missing right is found while the old refresh token is still good. Afterwards: write, fsync,
 * rename, fsync of the folder.
 *
 * A JSON object with a version; whatever cannot be read as one is damaged, and the caller begins
 * anew from the configuration.
 */
#include "ingest/source/rest/token.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ingest/base/buf.h"
#include "ingest/record/json.h"
#include "ingest/source/rest/folder.h"
#include "ingest/source/rest/json_at.h"

#define FILE_MODE 0600
#define FILE_MAX  (8 * REST_TOKEN_MAX) /* two tokens, escaped at worst, and the rest */
#define VERSION   "1"

struct rest_token_store {
        char *folder, *path, *fresh_path, *lock_path; /* owned */
        int lock_fd, fresh_fd;                        /* -1: not open */
};

static void forget(char **text)
{
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
}

void rest_token_clear(struct rest_token *t)
{
        forget(&t->access);
        forget(&t->refresh);
        *t = (struct rest_token){0};
}

int rest_token_set(char **field, struct str value, struct err *e)
{
        char *copy = str_dup(value);

        if (!copy)
                return err_nomem(e, "a token");
        forget(field);
        *field = copy;
        return 0;
}

void rest_token_hash(const char *const *texts, size_t count, char out[REST_TOKEN_HASH])
{
        uint8_t digest[SHA256_DIGEST_LENGTH];
        SHA2_CTX sha;

        SHA256Init(&sha);
        for (size_t i = 0; i < count; i++) {
                uint64_t len = texts[i] ? strlen(texts[i]) : UINT64_MAX;
                SHA256Update(&sha, (const uint8_t *)&len, sizeof(len));
                if (texts[i])
                        SHA256Update(&sha, (const uint8_t *)texts[i], len);
        }
        SHA256Final(digest, &sha);
        explicit_bzero(&sha, sizeof(sha));
        for (size_t i = 0; i < sizeof(digest); i++)
                snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

int rest_token_store_open(const char *folder, struct rest_token_store **out, struct err *e)
{
        cleanup_(rest_token_store_closep) struct rest_token_store *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "tokens");
        s->lock_fd = s->fresh_fd = -1;
        s->folder = str_dup(str_of(folder));
        if (!s->folder || asprintf(&s->path, "%s/token", folder) < 0)
                return err_nomem(e, "tokens");
        if (asprintf(&s->fresh_path, "%s/token.new", folder) < 0)
                return err_nomem(e, "tokens");
        if (asprintf(&s->lock_path, "%s/token.lock", folder) < 0)
                return err_nomem(e, "tokens");
        *out = TAKE(s);
        return 0;
}

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

struct rest_token_store *rest_token_store_close(struct rest_token_store *s)
{
        if (!s)
                return NULL;
        close_fd(&s->fresh_fd);
        close_fd(&s->lock_fd);
        free(s->folder);
        free(s->path);
        free(s->fresh_path);
        free(s->lock_path);
        free(s);
        return NULL;
}

const char *rest_token_path(const struct rest_token_store *s)
{
        return s->path;
}

static int failed(int errnum, const char *what, const char *path, struct err *e)
{
        int rc = err_set_errno(e, rest_folder_class(errnum), errnum, "%s %s", what, path);

        if (rest_folder_is_full(errnum))
                return err_hint(e, rc, "make room on the disk that holds state_dir");
        return rc == -ERR_CONFIG ? err_hint(e, rc, "the user of erp2couch must own its state_dir")
                                 : rc;
}

static bool is_at(int fd, const char *path)
{
        struct stat ours, there;

        return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
               ours.st_ino == there.st_ino;
}

int rest_token_lock(struct rest_token_store *s, struct err *e)
{
        if (s->lock_fd >= 0)
                return 0;
        int rc = rest_folder_make(s->folder, e);
        if (rc < 0)
                return rc;
        cleanup_(closep) int fd =
                open(s->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (fd < 0)
                return failed(errno, "open", s->lock_path, e);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
                return errno == EWOULDBLOCK ? REST_TOKEN_BUSY
                                            : failed(errno, "lock", s->lock_path, e);
        if (!is_at(fd, s->lock_path)) /* removed meanwhile: others have another one */
                return REST_TOKEN_BUSY;
        s->lock_fd = fd;
        fd = -1;
        return 0;
}

void rest_token_unlock(struct rest_token_store *s)
{
        if (s->fresh_fd >= 0)
                unlink(s->fresh_path); /* reserved, not used */
        close_fd(&s->fresh_fd);
        close_fd(&s->lock_fd);
}

/* Return: 0; REST_TOKEN_ABSENT; -class. */
static int read_file(const char *path, struct buf *out, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0 && errno == ENOENT)
                return REST_TOKEN_ABSENT;
        if (fd < 0)
                return failed(errno, "open", path, e);
        for (;;) {
                char *room = buf_room(out, 4096);
                ssize_t n = room ? read(fd, room, 4096) : 0;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(errno, "read", path, e);
                if (n == 0)
                        return out->error == -ERR_NOMEM ? err_nomem(e, "tokens") : 0;
                out->len += (size_t)n;
        }
}

/* A member of @json as a text of its own. Return: 0, also where it is absent; -ERR_NOMEM. */
static int take_text(struct str json, const char *name, char **out, struct err *e)
{
        struct buf text = BUF_INIT(REST_TOKEN_MAX);
        int rc = rest_json_at(json, name, &text) ? rest_token_set(out, buf_str(&text), e)
                 : text.error == -ERR_NOMEM      ? err_nomem(e, "a token")
                                                 : 0;

        if (text.data)
                explicit_bzero(text.data, text.cap);
        buf_deinit(&text);
        return rc;
}

static bool take_fixed(struct str json, const char *name, char out[REST_TOKEN_HASH])
{
        cleanup_buf_ struct buf text = BUF_INIT(REST_TOKEN_HASH);

        if (!rest_json_at(json, name, &text) || text.len != REST_TOKEN_HASH - 1)
                return false;
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        return true;
}

static bool take_number(struct str json, const char *name, int64_t *out)
{
        return str_to_int64(rest_json_raw(json, name), out);
}

static int decode(struct str json, struct rest_token *out, struct err *e)
{
        int rc = rest_json_check(json, e);

        if (rc < 0)
                return rc;
        if (rc == REST_JSON_NOT || !str_is(rest_json_raw(json, "version"), VERSION) ||
                !take_fixed(json, "chain", out->chain) ||
                !take_fixed(json, "config", out->config) ||
                !take_number(json, "got_us", &out->got_us) ||
                !take_number(json, "expires_us", &out->expires_us))
                return REST_TOKEN_DAMAGED;
        rc = take_text(json, "access_token", &out->access, e);
        if (rc == 0)
                rc = take_text(json, "refresh_token", &out->refresh, e);
        return rc == 0 && !out->access ? REST_TOKEN_DAMAGED : rc;
}

int rest_token_read(struct rest_token_store *s, struct rest_token *out, struct err *e)
{
        struct buf text = BUF_INIT(FILE_MAX);

        rest_token_clear(out);
        int rc = read_file(s->path, &text, e);
        if (rc == 0)
                rc = text.error ? REST_TOKEN_DAMAGED : decode(buf_str(&text), out, e);
        if (rc != 0)
                rest_token_clear(out);
        if (text.data)
                explicit_bzero(text.data, text.cap);
        buf_deinit(&text);
        return rc;
}

int rest_token_reserve(struct rest_token_store *s, struct err *e)
{
        close_fd(&s->fresh_fd);
        if (unlink(s->fresh_path) != 0 && errno != ENOENT) /* what a killed one left */
                return failed(errno, "remove", s->fresh_path, e);
        int fd = open(s->fresh_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (fd < 0)
                return failed(errno, "create", s->fresh_path, e);
        int errnum = posix_fallocate(fd, 0, FILE_MAX);
        if (errnum == 0 && fsync(fd) != 0)
                errnum = errno;
        if (errnum) {
                close(fd);
                unlink(s->fresh_path);
                return failed(errnum, "reserve room for", s->fresh_path, e);
        }
        s->fresh_fd = fd;
        return 0;
}

static int encode(const struct rest_token *t, struct buf *out, struct err *e)
{
        buf_printf(out,
                "{\"version\":%s,\"chain\":\"%s\",\"config\":\"%s\",\"got_us\":%lld,"
                "\"expires_us\":%lld",
                VERSION, t->chain, t->config, (long long)t->got_us, (long long)t->expires_us);
        buf_puts(out, ",\"access_token\":");
        bool ok = json_put_string(out, str_of(t->access));
        if (t->refresh) {
                buf_puts(out, ",\"refresh_token\":");
                ok = ok && json_put_string(out, str_of(t->refresh));
        }
        buf_puts(out, "}\n");
        if (!ok)
                return err_set(e, ERR_CONFIG, "the server's token is not UTF-8");
        return buf_check(out, "tokens", e);
}

static int write_all(int fd, struct str text)
{
        for (size_t at = 0; at < text.len;) {
                ssize_t n = pwrite(fd, text.ptr + at, text.len - at, (off_t)at);
                if (n < 0 && errno != EINTR)
                        return errno;
                at += n > 0 ? (size_t)n : 0;
        }
        return ftruncate(fd, (off_t)text.len) != 0 || fsync(fd) != 0 ? errno : 0;
}

static int sync_folder(const char *folder)
{
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) != 0 ? errno : 0;
}

int rest_token_write(struct rest_token_store *s, const struct rest_token *t, struct err *e)
{
        struct buf text = BUF_INIT(FILE_MAX);
        int rc = encode(t, &text, e);

        if (rc == 0 && s->fresh_fd < 0)
                rc = rest_token_reserve(s, e);
        int errnum = rc == 0 ? write_all(s->fresh_fd, buf_str(&text)) : 0;
        if (text.data)
                explicit_bzero(text.data, text.cap);
        buf_deinit(&text);
        if (rc < 0)
                return rc;
        if (errnum)
                return failed(errnum, "write", s->fresh_path, e);
        if (rename(s->fresh_path, s->path) != 0)
                return failed(errno, "replace", s->path, e);
        close_fd(&s->fresh_fd);
        errnum = sync_folder(s->folder);
        return errnum ? failed(errnum, "sync", s->folder, e) : 0;
}
