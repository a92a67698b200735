/*
 * Loading writes the rule out into the table up to the year 2100, so that every usual time is
 * found by one binary search; only what is later (or, in a zone that is nothing but a rule,
 * much earlier) is computed.
 *
 * An instant u shows the local time u + offset(u). To invert that, walk the stretches of constant
 * offset that begin within a day and a bit around the local time: the first stretch that holds
 * local - offset is the answer, no stretch means that clocks skipped it.
 */
#include "ingest/base/tz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "ingest/base/tz_file.h"

#define ZONES        "/usr/share/zoneinfo"
#define MAX_BYTES    (256 << 10) /* of a file; real ones have less than 4 KiB */
#define NAME_MAX_LEN 255
#define FIRST_YEAR   1800 /* before it there was no zone time: of rules without a table */
#define LAST_YEAR    2100
#define YEAR_S       (366 * INT64_C(86400))
#define REACH_S      86400           /* clocks never went back further than a day */
#define FURTHEST_S   (INT64_MAX / 4) /* beyond any year that can be written */

struct tz {
        struct tz_table table;
        int64_t rule_before, rule_from; /* local times outside are computed from the rule */
        char name[NAME_MAX_LEN + 1];
};

/* One stretch of constant offset. */
struct stretch {
        int64_t begin, end; /* instants: begin <= u < end */
        int32_t offset_s;
};

/* --- lookup --------------------------------------------------------------------------------- */

static size_t first_after(const struct tz_table *t, int64_t utc_s)
{
        size_t low = 0, high = t->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (t->times[middle] <= utc_s)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool holds(const struct stretch *s, int64_t local_s, int64_t *utc_s)
{
        int64_t u = local_s - s->offset_s;

        if (u < s->begin || u >= s->end)
                return false;
        *utc_s = u;
        return true;
}

static enum tz_result find_in_table(const struct tz_table *t, int64_t local_s, int64_t *utc_s)
{
        for (size_t i = first_after(t, local_s - TZ_MAX_OFFSET_S); i <= t->count; i++) {
                struct stretch s = {
                        .begin = i > 0 ? t->times[i - 1] : INT64_MIN,
                        .end = i < t->count ? t->times[i] : INT64_MAX,
                        .offset_s = t->offsets[i],
                };
                if (holds(&s, local_s, utc_s))
                        return TZ_OK;
                if (s.end > local_s + TZ_MAX_OFFSET_S)
                        break;
        }
        return TZ_GAP;
}

static enum tz_result find_by_rule(const struct tz_rule *r, int64_t local_s, int64_t *utc_s)
{
        int64_t u = local_s - TZ_MAX_OFFSET_S;

        while (u <= local_s + TZ_MAX_OFFSET_S) {
                struct stretch s = {.begin = u};
                s.offset_s = tz_rule_offset(r, u, &s.end);
                if (holds(&s, local_s, utc_s))
                        return TZ_OK;
                u = s.end;
        }
        return TZ_GAP;
}

enum tz_result tz_to_utc(const struct tz *z, int64_t local_s, int64_t *utc_s)
{
        if (local_s > FURTHEST_S)
                local_s = FURTHEST_S;
        if (local_s < -FURTHEST_S)
                local_s = -FURTHEST_S;
        if (local_s < z->rule_before || local_s >= z->rule_from)
                return find_by_rule(&z->table.rule, local_s, utc_s);
        return find_in_table(&z->table, local_s, utc_s);
}

int32_t tz_offset(const struct tz *z, int64_t utc_s, int64_t *until)
{
        const struct tz_table *t = &z->table;
        size_t i = first_after(t, utc_s);

        if (i == t->count && t->has_rule)
                return tz_rule_offset(&t->rule, utc_s, until);
        *until = i < t->count ? t->times[i] : INT64_MAX;
        return t->offsets[i];
}

int64_t tz_local_floor(const struct tz *z, int64_t utc_s)
{
        int64_t least = INT64_MAX, until;

        for (int64_t u = utc_s; u <= utc_s + REACH_S; u = until) {
                int64_t shown = u + tz_offset(z, u, &until);
                if (shown < least)
                        least = shown;
        }
        return least;
}

int64_t tz_local_ceiling(const struct tz *z, int64_t utc_s)
{
        int64_t most = INT64_MIN, until;

        for (int64_t u = utc_s - REACH_S; u <= utc_s; u = until) {
                int32_t offset = tz_offset(z, u, &until);
                int64_t shown = (until <= utc_s ? until - 1 : utc_s) + offset;
                if (shown > most)
                        most = shown;
        }
        return most;
}

const char *tz_name(const struct tz *z)
{
        return z->name;
}

/* --- writing the rule out ------------------------------------------------------------------- */

/* Appends the changes of the rule in @from..@to to the table: each in its place, or with
 * @times NULL only counted. */
static size_t write_out(const struct tz_rule *r, int64_t from, int64_t to, int32_t offset,
        int64_t *times, int32_t *offsets)
{
        size_t n = 0;
        int64_t at;

        tz_rule_offset(r, from, &at);
        while (at < to) {
                int64_t next;
                int32_t now = tz_rule_offset(r, at, &next);
                if (now != offset) {
                        if (times) {
                                times[n] = at;
                                offsets[n] = now;
                        }
                        n++;
                        offset = now;
                }
                at = next;
        }
        return n;
}

static int extend_table(struct tz *z, struct err *e)
{
        struct tz_table *t = &z->table;
        bool bare = t->count == 0;

        z->rule_before = INT64_MIN;
        z->rule_from = INT64_MAX;
        if (!t->has_rule || (!bare && t->times[t->count - 1] >= FURTHEST_S))
                return 0;
        int64_t first = tz_year_start(FIRST_YEAR);
        int64_t from = bare || t->times[t->count - 1] < first ? first : t->times[t->count - 1];
        int64_t to = tz_year_start(LAST_YEAR + 1);
        if (from > to - YEAR_S)
                to = from + YEAR_S;
        int64_t unused;
        if (bare)
                t->offsets[0] = tz_rule_offset(&t->rule, from, &unused);
        int32_t last = t->offsets[t->count];
        size_t more = write_out(&t->rule, from, to, last, NULL, NULL);
        int64_t *times = calloc(t->count + more + 1, sizeof(*times));
        int32_t *offsets = calloc(t->count + more + 1, sizeof(*offsets));
        if (!times || !offsets) {
                free(times);
                free(offsets);
                return err_nomem(e, "a time zone");
        }
        memcpy(times, t->times, t->count * sizeof(*times));
        memcpy(offsets, t->offsets, (t->count + 1) * sizeof(*offsets));
        write_out(&t->rule, from, to, last, times + t->count, offsets + t->count + 1);
        free(t->times);
        free(t->offsets);
        t->times = times;
        t->offsets = offsets;
        t->count += more;
        /* Where table and rule meet, both must know the changes within reach. */
        z->rule_from = to - 2 * TZ_MAX_OFFSET_S;
        if (bare)
                z->rule_before = from + 2 * TZ_MAX_OFFSET_S;
        return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '+' || c == '-' || c == '/';
}

/* A name that cannot leave the folder of zones: no dots at all (no zone has one). */
static bool is_zone_name(const char *name)
{
        size_t n = strlen(name);

        if (n == 0 || n > NAME_MAX_LEN || name[0] == '/')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_name_char(name[i]))
                        return false;
        return true;
}

static const char *zones_folder(void)
{
        const char *dir = getenv("TZDIR");

        return dir && *dir ? dir : ZONES;
}

static int no_such_zone(const char *folder, struct err *e)
{
        if (access(folder, R_OK | X_OK) != 0)
                return err_set(e, ERR_CONFIG,
                        "the time zones are missing from %s; install the package tzdata", folder);
        return err_set(e, ERR_CONFIG,
                "no such zone in %s; write it as Europe/Dublin or America/New_York", folder);
}

static int open_zone(const char *folder, const char *name, int *out, struct err *e)
{
        cleanup_(closep) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(closep) int fd = -1;
        struct stat st;

        if (dir < 0)
                return no_such_zone(folder, e);
        /* Not blocking: somebody's TZDIR may hold anything. */
        fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return no_such_zone(folder, e);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set_errno(e, ERR_CONFIG, errno, "reading %s/%s", folder, name);
        if (!S_ISREG(st.st_mode))
                return no_such_zone(folder, e);
        *out = fd;
        fd = -1;
        return 0;
}

static int read_zone(const char *name, char *bytes, size_t *len, struct err *e)
{
        const char *folder = zones_folder();
        cleanup_(closep) int fd = -1;
        int rc = open_zone(folder, name, &fd, e);

        *len = 0;
        while (rc == 0) {
                ssize_t n = read(fd, bytes + *len, MAX_BYTES - *len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set_errno(e, ERR_SYSTEM, errno, "reading %s/%s", folder, name);
                *len += (size_t)n;
                if (n == 0 || *len == MAX_BYTES)
                        break;
        }
        return rc;
}

static int load_table(const char *name, struct tz_table *out, struct err *e)
{
        cleanup_(freep) char *bytes = malloc(MAX_BYTES);
        size_t len;

        if (!bytes)
                return err_nomem(e, "a time zone");
        int rc = read_zone(name, bytes, &len, e);
        return rc == 0 ? tz_file_parse((struct str){bytes, len}, out, e) : rc;
}

/* UTC needs no file: a small container may have none. */
static bool is_utc(const char *name)
{
        return strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0;
}

static int make_utc(struct tz_table *out, struct err *e)
{
        out->offsets = calloc(1, sizeof(*out->offsets));
        return out->offsets ? 0 : err_nomem(e, "a time zone");
}

int tz_load(const char *name, struct tz **out, struct err *e)
{
        cleanup_(tz_freep) struct tz *z = calloc(1, sizeof(*z));

        if (!z)
                return err_nomem(e, "a time zone");
        if (!is_zone_name(name))
                return err_set(e, ERR_CONFIG,
                        "time zone \"%s\": not a name of a zone; write it as Europe/Dublin or "
                        "America/New_York",
                        name);
        memcpy(z->name, name, strlen(name));
        int rc = is_utc(name) ? make_utc(&z->table, e) : load_table(name, &z->table, e);
        if (rc == 0)
                rc = extend_table(z, e);
        if (rc < 0)
                return err_wrap(e, rc, "time zone \"%s\"", name);
        *out = TAKE(z);
        return 0;
}

struct tz *tz_free(struct tz *z)
{
        if (!z)
                return NULL;
        free(z->table.times);
        free(z->table.offsets);
        free(z);
        return NULL;
}
