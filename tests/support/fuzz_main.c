/* A bounded driver for fuzz targets, for machines without libFuzzer: runs every file of the corpus, then seeded
 * mutations of them until the time is over. The seed is printed, so that a failure can be repeated:
 *
 *   fuzz_x [--seed N] [--seconds N] [--runs N] CORPUS-DIRECTORY-OR-FILE...
 *
 * With FUZZ_KEEP set, each input is written to ./crash-<seed>-<run> before it is run and removed afterwards: what
 * crashes stays. */
#include "tests/support/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define FUZZ_CORPUS_MAX      4096
#define FUZZ_SECONDS_DEFAULT 5
#define FUZZ_SEEDS           256

struct corpus {
    struct span files[FUZZ_CORPUS_MAX];
    size_t      count;
};

static struct corpus corpus;

static void corpus_add(const uint8_t *bytes, size_t len)
{
    uint8_t *copy;

    if (corpus.count == FUZZ_CORPUS_MAX) {
        return;
    }
    copy = malloc(len + 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, len);
    corpus.files[corpus.count++] = span_of(copy, len);
}

static void corpus_add_file(const char *path)
{
    static uint8_t bytes[FUZZ_INPUT_BYTES_MAX];
    FILE          *file = fopen(path, "rb");

    if (file == NULL) {
        return;
    }
    corpus_add(bytes, fread(bytes, 1, sizeof(bytes), file));
    (void)fclose(file);
}

/* Valid inputs that the target makes itself: mutations of them get further than mutations of noise. */
static void corpus_add_made(uint64_t seed)
{
    static uint8_t bytes[FUZZ_INPUT_BYTES_MAX];
    struct prng    prng;

    if (fuzz_make_input == NULL) {
        return;
    }
    prng_init(&prng, seed);
    for (int i = 0; i < FUZZ_SEEDS; i++) {
        size_t len = fuzz_make_input(&prng, span_of(bytes, sizeof(bytes)));

        if (len > 0) {
            corpus_add(bytes, len);
        }
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files in the order of their names: the same seed must give the same run everywhere. */
static void corpus_add_path(const char *path)
{
    static char   *names[FUZZ_CORPUS_MAX];
    size_t         count = 0;
    struct stat    status;
    DIR           *directory;
    struct dirent *entry;

    if (stat(path, &status) != 0) {
        return; /* a target without a corpus starts from nothing */
    }
    if (!S_ISDIR(status.st_mode)) {
        corpus_add_file(path);
        return;
    }
    directory = opendir(path);
    while (directory != NULL && count < FUZZ_CORPUS_MAX && (entry = readdir(directory)) != NULL) {
        char full[4096];

        if (entry->d_name[0] != '.' && snprintf(full, sizeof(full), "%s/%s", path, entry->d_name) < (int)sizeof(full)) {
            names[count++] = strdup(full);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    qsort(names, count, sizeof(names[0]), compare_texts);
    for (size_t i = 0; i < count; i++) {
        corpus_add_file(names[i]);
        free(names[i]);
    }
}

static size_t mutate_splice(struct prng *prng, uint8_t *bytes, size_t len)
{
    struct span other = corpus.files[prng_below(prng, corpus.count)];
    size_t      at = (size_t)prng_below(prng, len + 1);
    size_t      from = (size_t)prng_below(prng, other.len + 1);
    size_t      count = MIN(other.len - from, FUZZ_INPUT_BYTES_MAX - at);

    memcpy(bytes + at, other.base + from, count);
    return MAX(len, at + count);
}

/* One small change; returns the new length. */
static size_t mutate_once(struct prng *prng, uint8_t *bytes, size_t len)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x10};
    size_t               at = len == 0 ? 0 : (size_t)prng_below(prng, len);
    size_t               count;

    switch (prng_below(prng, 8)) {
    case 0: /* cut */
        return (size_t)prng_below(prng, len + 1);
    case 1: /* one more byte */
        if (len < FUZZ_INPUT_BYTES_MAX) {
            memmove(bytes + at + 1, bytes + at, len - at);
            bytes[at] = (uint8_t)prng_next(prng);
            return len + 1;
        }
        return len;
    case 2: /* a piece less */
        count = (size_t)prng_below(prng, len - at + 1);
        memmove(bytes + at, bytes + at + count, len - at - count);
        return len - count;
    case 3:
        return mutate_splice(prng, bytes, len);
    default:
        break;
    }
    if (len == 0) {
        return 0;
    }
    if (prng_chance(prng, 1, 3)) { /* a length or count field that lies */
        count = (size_t)prng_below(prng, MIN(len - at, (size_t)8)) + 1;
        memset(bytes + at, edges[prng_below(prng, sizeof(edges))], MIN(count, len - at));
    } else if (prng_chance(prng, 1, 2)) {
        bytes[at] ^= (uint8_t)(1U << prng_below(prng, 8));
    } else {
        bytes[at] = (uint8_t)(bytes[at] + edges[prng_below(prng, sizeof(edges))]);
    }
    return len;
}

static void run_one(const uint8_t *bytes, size_t len, uint64_t seed, uint64_t run)
{
    /* An exact copy, so that a read one byte too far is seen by ASan. */
    uint8_t *exact = malloc(len + (len == 0));

    if (exact == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(exact, bytes, len);
    }
    if (getenv("FUZZ_KEEP") != NULL) {
        char  name[64];
        FILE *file;

        (void)snprintf(name, sizeof(name), "crash-%" PRIu64 "-%" PRIu64, seed, run);
        file = fopen(name, "wb");
        if (file != NULL) {
            (void)fwrite(exact, 1, len, file);
            (void)fclose(file);
        }
        (void)LLVMFuzzerTestOneInput(exact, len);
        (void)remove(name);
    } else {
        (void)LLVMFuzzerTestOneInput(exact, len);
    }
    free(exact);
}

static uint64_t run_mutations(uint64_t seed, time_t seconds, uint64_t runs_max)
{
    static uint8_t bytes[FUZZ_INPUT_BYTES_MAX];
    struct prng    prng;
    time_t         end = time(NULL) + seconds;
    uint64_t       run = 0;

    prng_init(&prng, seed);
    while (run < runs_max && (run % 64 != 0 || time(NULL) < end)) {
        struct span from = corpus.files[prng_below(&prng, corpus.count)];
        size_t      len = from.len;
        uint64_t    changes = 1 + prng_below(&prng, 6);

        memcpy(bytes, from.base, len);
        while (changes-- > 0) {
            len = mutate_once(&prng, bytes, len);
        }
        run_one(bytes, len, seed, ++run);
    }
    return run;
}

int main(int argc, char **argv)
{
    uint64_t    seed = (uint64_t)time(NULL);
    time_t      seconds = FUZZ_SECONDS_DEFAULT;
    uint64_t    runs_max = UINT64_MAX;
    const char *text = getenv("FUZZ_SECONDS");

    if (text != NULL) {
        seconds = (time_t)strtoll(text, NULL, 10);
    }
    text = getenv("FUZZ_SEED");
    if (text != NULL) {
        seed = strtoull(text, NULL, 10);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            seconds = (time_t)strtoll(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs_max = strtoull(argv[++i], NULL, 10);
        } else {
            corpus_add_path(argv[i]);
        }
    }
    corpus_add_made(seed);
    printf("seed %" PRIu64 ", %zu inputs to start from\n", seed, corpus.count);
    (void)fflush(stdout);
    for (size_t i = 0; i < corpus.count; i++) {
        run_one(corpus.files[i].base, corpus.files[i].len, seed, 0);
    }
    if (corpus.count == 0) {
        corpus_add((const uint8_t *)"", 0);
    }
    printf("%" PRIu64 " mutated inputs\n", run_mutations(seed, seconds, runs_max));
    for (size_t i = 0; i < corpus.count; i++) {
        free(corpus.files[i].base);
    }
    return 0;
}
