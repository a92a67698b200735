/*
 * One run of a mapper at a time on all machines: a lock in the source, which all of them have in
 * common. CouchDB cannot give one: nothing there is compared and set, and released by a death.
 *
 * A run that lost the lock for a moment goes on once it has it again: where another run closed in
 * between, the targets hold its session, and the checkpoint is refused; where it died, its writes
 * are followed by the next run as anybody's would.
 */
#include "ingest/pipeline/lock.h"

#include <xxhash.h>

#include "ingest/base/buf.h"

#define LOCK_WAIT_MS  30000 /* the server may notice only after seconds that a holder was killed */
#define LOCK_NAME_MAX 1024

/* The same mapper, writing to the same CouchDB. */
static int lock_key(const struct lock_remote *what, uint64_t *out, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(LOCK_NAME_MAX);
        const char *const parts[] = {
                "erp2couch", what->couch_uuid, what->control_database, what->mapper};

        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                buf_put_str(&name, (struct str){parts[i], strlen(parts[i]) + 1});
        int rc = buf_check(&name, "the name of a lock", e);
        if (!rc)
                *out = XXH3_64bits(name.data, name.len);
        return rc;
}

int lock_remote_take(struct source *s, const struct lock_remote *what, struct err *e)
{
        uint64_t key;
        int rc = lock_key(what, &key, e);

        if (!rc)
                rc = source_lock(s, key, LOCK_WAIT_MS, e);
        return rc == SOURCE_NO_LOCK ? 0 : rc;
}
