/*
 * pread() and pwrite() rather than a mapping: a full disk is then an error, not a SIGBUS. Room for
 * both copies is reserved when the file is made.
 */
#include "ingest/source/rest/budget_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "ingest/base/buf.h"
#include "ingest/source/rest/folder.h"

#define FILE_NAME "budget"
#define FILE_MODE 0600
#define MAGIC     UINT64_C(0x3174656764756265) /* another layout gets another number */
#define STRIDE    16384                        /* bytes from one copy to the other: whole pages */
#define FILE_SIZE ((off_t)(2 * STRIDE))

struct header {
        uint64_t magic, sequence, size, checksum; /* of the counts behind it: bytes, hash */
};

struct image {
        struct header header;
        struct budget_counts counts;
};
static_assert(sizeof(struct image) <= STRIDE, "a copy fits its place");

struct budget_file {
        char *path; /* owned; NULL: memory alone */
        int fd;     /* -1: memory alone */
        struct image image;
        char trouble[512]; /* "": none */
        bool told;
};

static void set_trouble(struct budget_file *f, const char *what, int errnum)
{
        snprintf(f->trouble, sizeof(f->trouble),
                "%s %s: %s; requests are counted in memory until the end of this run: other runs "
                "and programs do not see them",
                what, f->path, strerror(errnum));
        if (f->fd >= 0)
                close(f->fd);
        f->fd = -1;
        f->told = false;
}

const char *budget_file_trouble(struct budget_file *f)
{
        if (f->told || !f->trouble[0])
                return NULL;
        f->told = true;
        return f->trouble;
}

/* Room for both copies now, so that a disk that fills up later does no harm. */
static int reserve(int fd)
{
        struct stat s;

        if (fstat(fd, &s) != 0)
                return errno;
        if (s.st_size >= FILE_SIZE)
                return 0;
        return posix_fallocate(fd, 0, FILE_SIZE);
}

/* Return: 0 or an errno. */
static int open_file(struct budget_file *f)
{
        f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (f->fd < 0)
                return errno;
        return reserve(f->fd);
}

static int open_in(struct budget_file *f, const char *folder, struct err *e)
{
        int rc = rest_folder_make(folder, e);

        if (rc < 0 && rest_folder_is_full(e->code)) {
                set_trouble(f, "cannot make the folder of", e->code);
                return 0;
        }
        if (rc < 0)
                return rc;
        int errnum = open_file(f);
        if (errnum == 0)
                return 0;
        if (rest_folder_class(errnum) == ERR_SYSTEM && errnum != ENOMEM) {
                set_trouble(f, "cannot keep the counts of requests in", errnum);
                return 0;
        }
        rc = err_set_errno(e, rest_folder_class(errnum), errnum, "open %s", f->path);
        return err_hint(e, rc, "the user of erp2couch must own its state_dir");
}

int budget_file_open(const char *folder, struct budget_file **out, struct err *e)
{
        struct budget_file *f = calloc(1, sizeof(*f));
        struct err own;

        if (!f)
                return err_nomem(e, "counts of requests");
        f->fd = -1;
        if (folder) {
                if (asprintf(&f->path, "%s/%s", folder, FILE_NAME) < 0) {
                        free(f);
                        return err_nomem(e, "a path");
                }
                int rc = open_in(f, folder, e ? e : &own);
                if (rc < 0) {
                        budget_file_close(f);
                        return rc;
                }
        }
        *out = f;
        return 0;
}

struct budget_file *budget_file_close(struct budget_file *f)
{
        if (!f)
                return NULL;
        if (f->fd >= 0)
                close(f->fd);
        free(f->path);
        free(f);
        return NULL;
}

static int lock_once(struct budget_file *f)
{
        struct stat s;

        while (flock(f->fd, LOCK_EX) != 0)
                if (errno != EINTR)
                        return errno;
        return fstat(f->fd, &s) != 0 ? errno : s.st_nlink == 0 ? ENOENT : 0;
}

/* A file that was removed meanwhile is made again: others have the new one. */
static void lock(struct budget_file *f)
{
        int errnum = lock_once(f);

        for (int tries = 0; errnum == ENOENT && tries < 3; tries++) {
                close(f->fd);
                errnum = open_file(f);
                if (errnum == 0)
                        errnum = lock_once(f);
        }
        if (errnum)
                set_trouble(f, "cannot use", errnum);
}

static uint64_t checksum(const struct image *image, uint64_t sequence, size_t size)
{
        return XXH3_64bits_withSeed(&image->counts, size, sequence);
}

static bool size_is_sane(uint64_t size)
{
        return size >= offsetof(struct budget_counts, windows) &&
               size <= sizeof(struct budget_counts) &&
               (size - offsetof(struct budget_counts, windows)) % sizeof(struct budget_window) == 0;
}

static size_t size_of(const struct budget_counts *c)
{
        return offsetof(struct budget_counts, windows) + c->window_count * sizeof(c->windows[0]);
}

/* The copy @which that @header announces into f->image. */
static bool read_copy(struct budget_file *f, int which, const struct header *header)
{
        struct image *m = &f->image;

        if (header->magic != MAGIC || !size_is_sane(header->size))
                return false;
        off_t at = (off_t)which * STRIDE + (off_t)sizeof(*header);
        if (pread(f->fd, &m->counts, header->size, at) != (ssize_t)header->size)
                return false;
        m->header = *header;
        bool ok = checksum(m, header->sequence, header->size) == header->checksum &&
                  m->counts.window_count <= BUDGET_WINDOWS && size_of(&m->counts) == header->size;
        for (uint32_t i = 0; ok && i < m->counts.window_count; i++)
                ok = budget_window_is_sane(&m->counts.windows[i]);
        return ok;
}

static void begin_anew(struct budget_file *f, bool damaged)
{
        memset(&f->image, 0, sizeof(f->image));
        f->image.header.magic = MAGIC;
        if (!damaged)
                return;
        snprintf(f->trouble, sizeof(f->trouble),
                "%s is damaged: the counts of requests begin anew, so the limits of the source may "
                "be passed once",
                f->path);
        f->told = false;
}

static bool is_blank(const struct header *h)
{
        static const struct header blank;

        return memcmp(h, &blank, sizeof(blank)) == 0;
}

struct budget_counts *budget_file_load(struct budget_file *f)
{
        struct header headers[2] = {0};

        if (f->fd >= 0)
                lock(f);
        if (f->fd < 0)
                return &f->image.counts;
        for (int i = 0; i < 2; i++)
                if (pread(f->fd, &headers[i], sizeof(headers[i]), (off_t)i * STRIDE) !=
                        sizeof(headers[i]))
                        headers[i].magic = ~MAGIC; /* cut short: room was reserved */
        int newer = headers[1].magic == MAGIC &&
                    (headers[0].magic != MAGIC || headers[1].sequence > headers[0].sequence);
        if (!read_copy(f, newer, &headers[newer]) && !read_copy(f, !newer, &headers[!newer]))
                begin_anew(f, !is_blank(&headers[0]) || !is_blank(&headers[1]));
        return &f->image.counts;
}

void budget_file_leave(struct budget_file *f)
{
        if (f->fd >= 0)
                flock(f->fd, LOCK_UN);
}

void budget_file_store(struct budget_file *f)
{
        struct image *m = &f->image;

        if (f->fd < 0)
                return;
        size_t size = size_of(&m->counts);
        m->header.sequence++;
        m->header.size = size;
        m->header.checksum = checksum(m, m->header.sequence, size);
        size_t bytes = sizeof(m->header) + size;
        off_t at = (off_t)(m->header.sequence % 2) * STRIDE;
        ssize_t n = pwrite(f->fd, m, bytes, at);
        if (n != (ssize_t)bytes)
                set_trouble(f, "cannot write", n < 0 ? errno : ENOSPC); /* closing unlocks */
        else
                flock(f->fd, LOCK_UN);
}
