/*
 * The layout below is that of LMDB's data version 1 (all of LMDB 0.9; mdb.c has it as MDB_page,
 * MDB_node, MDB_db and MDB_meta). Pages are read with pread(), never through the map, so that a
 * file that is too short is a short read and not a signal.
 *
 * A page passes where LMDB's own code could walk it: its number is its place, it is of the kind
 * its parent expects, every node lies inside it, no page is reached twice or both used and free.
 * What the nodes hold is for state_check_values().
 */
#include "ingest/state/state_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "ingest/base/bitmap.h"

#define LMDB_MAGIC   0xBEEFC0DE
#define LMDB_VERSION 1
#define NO_PAGE      (~(size_t)0) /* the root of an empty tree */
#define MAX_DEPTH    32           /* of a tree: LMDB's cursors go no deeper */
#define MAX_TABLES   (STATE_TABLES + 2)
#define MAX_SHORT    ((size_t)1 << 30) /* bytes: a transaction may take and give back so much */
#define MAX_RETRIES  20                /* snapshots lost to a writer */

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };

struct tree {
        uint32_t page_size; /* in the first tree of a meta page; else unused */
        uint16_t flags, depth;
        size_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
        uint32_t magic, version;
        void *address;
        size_t map_size;
        struct tree free_pages, main;
        size_t last_page, transaction;
};

struct page {
        size_t number;
        uint16_t unused, flags;
        union {
                struct {
                        uint16_t lower, upper; /* of the free space between offsets and nodes */
                };
                uint32_t pages; /* of an overflow page */
        };
        uint16_t offsets[];
};

struct node {
        uint16_t size[2]; /* of the value, two halves; of a branch: page number, with flags */
        uint16_t flags, key_size;
        uint8_t key[];
};

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct check {
        int fd;
        size_t page_size, last_page;
        char *levels; /* owned: a page for each level of a tree */
        struct bitmap seen;
        enum tree_kind kind; /* of the tree being walked */
        size_t entries;      /* found in it */
        struct tree tables[MAX_TABLES];
        size_t table_count;
};

/* ---- the header ---- */

static int read_at(int fd, void *to, size_t n, size_t at)
{
        ssize_t got = pread(fd, to, n, (off_t)at);

        if (got < 0)
                return errno;
        return (size_t)got == n ? 0 : MDB_CORRUPTED;
}

static int read_meta(int fd, size_t at, struct meta *m)
{
        return read_at(fd, m, sizeof(*m), at + sizeof(struct page));
}

static bool is_page_size(size_t n)
{
        return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

static bool meta_is_sound(const struct meta *m, size_t page_size, size_t file_bytes)
{
        return m->magic == LMDB_MAGIC && m->version == LMDB_VERSION &&
               m->free_pages.page_size == page_size && m->last_page >= 1 &&
               m->last_page < (file_bytes + MAX_SHORT) / page_size;
}

static int check_metas(int fd)
{
        struct meta m[2];
        off_t bytes = lseek(fd, 0, SEEK_END);

        if (bytes <= 0)
                return bytes < 0 ? errno : 0;
        int rc = read_meta(fd, 0, &m[0]);
        if (rc || m[0].magic != LMDB_MAGIC || m[0].version != LMDB_VERSION)
                return rc == MDB_CORRUPTED ? 0 : rc; /* LMDB says so itself */
        size_t page_size = m[0].free_pages.page_size;
        if (!is_page_size(page_size))
                return MDB_CORRUPTED;
        rc = read_meta(fd, page_size, &m[1]);
        if (rc)
                return rc;
        for (int i = 0; i < 2; i++)
                if (!meta_is_sound(&m[i], page_size, (size_t)bytes))
                        return MDB_CORRUPTED;
        return 0;
}

int state_check_header(const char *path)
{
        char name[PATH_MAX];
        int n = snprintf(name, sizeof(name), "%s/data.mdb", path);

        if (n < 0 || (size_t)n >= sizeof(name))
                return ENAMETOOLONG;
        cleanup_(closep) int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : errno;
        return check_metas(fd);
}

/* ---- pages ---- */

/* Notes that @count pages from @number on are in use. */
static int take_pages(struct check *c, size_t number, size_t count)
{
        struct err e;

        if (number < 2 || number > c->last_page || count > c->last_page - number + 1)
                return MDB_CORRUPTED;
        for (size_t i = 0; i < count; i++) {
                int rc = bitmap_set(&c->seen, number + i, &e);
                if (rc)
                        return rc == BITMAP_ALREADY ? MDB_CORRUPTED : ENOMEM;
        }
        return 0;
}

static int read_page(struct check *c, size_t number, struct page *to)
{
        int rc = take_pages(c, number, 1);

        rc = rc ? rc : read_at(c->fd, to, c->page_size, number * c->page_size);
        return rc == 0 && to->number != number ? MDB_CORRUPTED : rc;
}

static size_t value_size(const struct node *n)
{
        bool swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

        return (size_t)n->size[swapped] | (size_t)n->size[!swapped] << 16;
}

static size_t child_of(const struct node *n)
{
        return (size_t)((uint64_t)value_size(n) | (uint64_t)n->flags << 32);
}

/* The list of free pages in one value: a count, and that many numbers. */
static int check_free_list(struct check *c, const uint8_t *value, size_t size)
{
        size_t count, number;
        int rc = 0;

        if (size < sizeof(count))
                return MDB_CORRUPTED;
        memcpy(&count, value, sizeof(count));
        if (count > size / sizeof(number) - 1)
                return MDB_CORRUPTED;
        for (size_t i = 1; i <= count && rc == 0; i++) {
                memcpy(&number, value + i * sizeof(number), sizeof(number));
                rc = take_pages(c, number, 1);
        }
        return rc;
}

/* A value on pages of its own; @number: the first of them. */
static int check_overflow(struct check *c, size_t number, size_t size)
{
        size_t need = (sizeof(struct page) - 1 + size) / c->page_size + 1;
        struct page head;
        int rc = read_at(c->fd, &head, sizeof(head), number * c->page_size);

        if (rc)
                return rc;
        if (head.number != number || head.flags != PAGE_OVERFLOW || head.pages < need)
                return MDB_CORRUPTED;
        rc = take_pages(c, number, head.pages);
        if (rc || c->kind != TREE_FREE)
                return rc;
        cleanup_(freep) uint8_t *value = malloc(size + 1);
        if (!value)
                return ENOMEM;
        rc = read_at(c->fd, value, size, number * c->page_size + sizeof(head));
        return rc ? rc : check_free_list(c, value, size);
}

/* The root of a table, in a value of the main tree: checked when that tree is done. */
static int note_table(struct check *c, const uint8_t *value, size_t size)
{
        if (size != sizeof(struct tree) || c->table_count == MAX_TABLES)
                return MDB_CORRUPTED;
        memcpy(&c->tables[c->table_count++], value, size);
        return 0;
}

/* @room: from the node to the end of its page. */
static int check_leaf_node(struct check *c, const struct node *n, size_t room)
{
        size_t size = value_size(n), before = sizeof(*n) + n->key_size;
        const uint8_t *value = n->key + n->key_size;
        size_t number;

        c->entries++;
        if (n->key_size == 0 || n->key_size > CODEC_KEY_MAX || before > room ||
                (n->flags & ~(NODE_BIG | NODE_TABLE)))
                return MDB_CORRUPTED;
        if (n->flags == NODE_BIG) {
                if (room - before < sizeof(number))
                        return MDB_CORRUPTED;
                memcpy(&number, value, sizeof(number));
                /* number * page_size must not overflow before take_pages() looks at it */
                return number > c->last_page ? MDB_CORRUPTED : check_overflow(c, number, size);
        }
        if (size > room - before || (n->flags == NODE_TABLE) != (c->kind == TREE_MAIN))
                return MDB_CORRUPTED;
        if (c->kind == TREE_MAIN)
                return note_table(c, value, size);
        return c->kind == TREE_FREE ? check_free_list(c, value, size) : 0;
}

static bool page_is_sound(const struct check *c, const struct page *p, bool leaf)
{
        size_t least = leaf || c->kind == TREE_FREE ? 1 : 2; /* nodes */

        return p->flags == (leaf ? PAGE_LEAF : PAGE_BRANCH) && p->lower % 2 == 0 &&
               p->lower >= sizeof(*p) + 2 * least && p->lower <= p->upper &&
               p->upper <= c->page_size;
}

static int check_page(struct check *c, size_t number, unsigned levels)
{
        struct page *p = (struct page *)(c->levels + levels * c->page_size);
        int rc = read_page(c, number, p);

        if (rc)
                return rc;
        if (!page_is_sound(c, p, levels == 1))
                return MDB_CORRUPTED;
        size_t count = (p->lower - sizeof(*p)) / 2;
        for (size_t i = 0; i < count && rc == 0; i++) {
                size_t at = p->offsets[i], room = c->page_size - at;
                const struct node *n = (const struct node *)((char *)p + at);
                if (at < p->upper || at % 2 || at + sizeof(*n) > c->page_size)
                        return MDB_CORRUPTED;
                if (levels == 1)
                        rc = check_leaf_node(c, n, room);
                else if (n->key_size > room - sizeof(*n))
                        rc = MDB_CORRUPTED;
                else
                        rc = check_page(c, child_of(n), levels - 1);
        }
        return rc;
}

static int check_tree(struct check *c, const struct tree *t, enum tree_kind kind)
{
        int rc = 0;

        c->kind = kind;
        c->entries = 0;
        if (t->root == NO_PAGE)
                return t->entries ? MDB_CORRUPTED : 0;
        if (t->depth == 0 || t->depth > MAX_DEPTH || (kind == TREE_TABLE && t->flags))
                return MDB_CORRUPTED;
        rc = check_page(c, t->root, t->depth);
        return rc == 0 && c->entries != t->entries ? MDB_CORRUPTED : rc;
}

static int check_trees(struct check *c, const struct meta *m)
{
        int rc = check_tree(c, &m->free_pages, TREE_FREE);

        rc = rc ? rc : check_tree(c, &m->main, TREE_MAIN);
        for (size_t i = 0; i < c->table_count && rc == 0; i++)
                rc = check_tree(c, &c->tables[i], TREE_TABLE);
        return rc;
}

/* ---- a snapshot ---- */

/* The meta page that @txn began from. A writer may have replaced it since. Return: 0; errno;
 * MDB_NOTFOUND. */
static int find_meta(int fd, size_t page_size, MDB_txn *txn, struct meta *m)
{
        for (size_t i = 0; i < 2; i++) {
                int rc = read_meta(fd, i * page_size, m);
                if (rc)
                        return rc;
                if (m->transaction == mdb_txn_id(txn))
                        return 0;
        }
        return MDB_NOTFOUND;
}

static int check_snapshot(MDB_env *env, int fd, size_t page_size)
{
        cleanup_(state_txn_abortp) MDB_txn *txn = NULL;
        struct check c = {.fd = fd, .page_size = page_size};
        struct meta m;
        int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

        rc = rc ? rc : find_meta(fd, page_size, txn, &m);
        if (rc)
                return rc;
        c.last_page = m.last_page;
        c.levels = malloc((MAX_DEPTH + 1) * page_size);
        bitmap_init(&c.seen, BITMAP_MAX_BYTES);
        rc = c.levels ? check_trees(&c, &m) : ENOMEM;
        free(c.levels);
        bitmap_deinit(&c.seen);
        return rc;
}

int state_check_pages(MDB_env *env)
{
        mdb_filehandle_t fd;
        MDB_stat stat;
        int rc = mdb_env_get_fd(env, &fd);

        rc = rc ? rc : mdb_env_stat(env, &stat);
        for (int i = 0; rc == 0 && i < MAX_RETRIES; i++) {
                rc = check_snapshot(env, fd, stat.ms_psize);
                if (rc != MDB_NOTFOUND)
                        return rc;
                rc = 0;
        }
        return rc; /* a writer is at work all the time, so the file is in use and sound */
}

/* ---- values ---- */

static int ignore_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        const struct state *s = ctx;

        return entry->ordinal < s->next_ordinal ? 0 : state_env_damaged(ctx, e);
}

static int ignore_unattached(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        return 0;
}

static int ignore_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        return 0;
}

static int ignore_parked(void *ctx, const struct state_parked *parked, struct err *e)
{
        return 0;
}

static int ignore_reject(
        void *ctx, struct str key, const struct state_reject *reject, struct err *e)
{
        return 0;
}

int state_check_values(struct state *s, struct err *e)
{
        int rc = state_each_record(s, ignore_record, s, e);

        rc = rc ? rc : state_each_unattached(s, ignore_unattached, s, e);
        rc = rc ? rc : state_each_owed(s, ignore_owed, s, e);
        rc = rc ? rc : state_each_parked(s, ignore_parked, s, e);
        return rc ? rc : state_each_reject(s, ignore_reject, s, e);
}
