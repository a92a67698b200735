/*
 * replay: a fuzzer's function over files, without clang.
 *
 *     fuzz_NAME FOLDER [MUTATIONS]
 *
 * Runs each file of FOLDER, and MUTATIONS changed copies of each. The changes come from a fixed
 * seed, so that a failure comes again; the mutant under way is printed when one crashes.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/base/file.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX (1 << 16) /* of a corpus file: larger ones belong to the fuzzer's own folder */

static struct buf input; /* for the handler below */

static void print_input(int signal_number)
{
        ssize_t n = write(STDERR_FILENO, input.data, input.len);

        _exit(n < 0 ? 1 : 128 + signal_number);
}

/* xorshift64: the same mutants on every machine */
static uint64_t random_below(uint64_t *state, uint64_t limit)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return limit ? *state % limit : 0;
}

/* What parsers of YAML and of our small languages stumble over. */
static const char *const words[] = {"\n", "  ", "\t", ": ", "- ", "{", "}", "[", "]", "'", "\"",
        "#", "&a ", "*a", "!!str ", "? ", "|", ">", "<<", "---\n", "${", "$$", "${env:HOME}",
        "${row.a}", "null", "~", "true", "0x1F", ".inf", "99999999999999999999", "\\0", "\xff",
        "\xed\xa0\x80", "\xf0\x9f\x98\x80", "from", "each", "fields", "object", "type", "decimal"};

static void insert(struct buf *b, size_t at, const char *text, size_t n)
{
        if (!buf_room(b, n))
                return;
        memmove(b->data + at + n, b->data + at, b->len - at);
        memcpy(b->data + at, text, n);
        b->len += n;
}

static void erase(struct buf *b, size_t at, size_t n)
{
        n = n < b->len - at ? n : b->len - at;
        memmove(b->data + at, b->data + at + n, b->len - at - n);
        b->len -= n;
}

static void mutate_once(struct buf *b, uint64_t *state)
{
        size_t at = random_below(state, b->len + 1);
        const char *word = words[random_below(state, sizeof(words) / sizeof(words[0]))];
        char piece[64];
        size_t n = random_below(state, sizeof(piece));

        switch (random_below(state, 4)) {
        case 0:
                insert(b, at, word, strlen(word));
                break;
        case 1:
                erase(b, at, n);
                break;
        case 2: /* a piece of the file, somewhere else */
                n = n < b->len - at ? n : b->len - at;
                memcpy(piece, b->data + at, n);
                insert(b, random_below(state, b->len + 1), piece, n);
                break;
        default:
                if (at < b->len)
                        b->data[at] = (char)random_below(state, 256);
        }
}

static void run(void)
{
        /* A copy of exactly this size: reading past the end is then seen. */
        uint8_t *copy = malloc(input.len ? input.len : 1);

        if (!copy)
                exit(70);
        if (input.len)
                memcpy(copy, input.data, input.len);
        LLVMFuzzerTestOneInput(copy, input.len);
        free(copy);
}

static long replay(const char *path, long mutations, uint64_t *state)
{
        cleanup_buf_ struct buf original;
        struct err e = {0};

        buf_init(&original, FILE_MAX);
        if (file_read(path, &original, &e)) {
                fprintf(stderr, "%s\n", e.text);
                exit(70);
        }
        for (long i = 0; i <= mutations; i++) {
                buf_clear(&input);
                buf_put_str(&input, buf_str(&original));
                for (uint64_t k = 0; i > 0 && k <= random_below(state, 6); k++)
                        mutate_once(&input, state);
                run();
        }
        return mutations + 1;
}

int main(int argc, char **argv)
{
        DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
        long mutations = argc > 2 ? strtol(argv[2], NULL, 10) : 0, runs = 0;
        uint64_t state = 88172645463325252;

        if (!folder) {
                fprintf(stderr, "usage: %s FOLDER [MUTATIONS]\n", argv[0]);
                return 64;
        }
        buf_init(&input, 2 * FILE_MAX);
        signal(SIGABRT, print_input);
        for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
                char path[4096];
                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
                runs += replay(path, mutations, &state);
        }
        closedir(folder);
        buf_deinit(&input);
        printf("%ld inputs\n", runs);
        return runs > 0 ? 0 : 1;
}
