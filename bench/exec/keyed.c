/* Keyed aggregation alone: rows per second of CPU time, from a column of keys in memory to a sink that counts.
 *
 *   keyed [ROWS] [GROUPS]      16,000,000 rows by default, after as many that fill the table; all cases, or those of
 *                              one number of groups
 *
 * Keys are uniform, the worst case for the caches. Beside it the memory per group and the longest push of one chunk
 * while the table grows: what a client of the same core would wait. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compute/exec/exec_worker.h"
#include "core/base/prng.h"

enum { KEY, VALUE, TEXT, PASSES, COLUMNS };

#define CHUNKS 1024 /* prepared, pushed again and again */

struct bench {
    struct arena     arena;
    struct vec_chunk chunks[CHUNKS];
    uint64_t         row_count;
    uint64_t         rows_out;
    uint64_t         only; /* groups; 0: all */
};

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

static struct vec_field columns[COLUMNS];

static void make_columns(void)
{
    columns[KEY] = (struct vec_field){view_text("key"), vec_type_of(VEC_BIGINT)};
    columns[VALUE] = (struct vec_field){view_text("value"), vec_type_of(VEC_BIGINT)};
    columns[TEXT] = (struct vec_field){view_text("text"), vec_type_of(VEC_VARCHAR)};
    columns[PASSES] = (struct vec_field){view_text("passes"), vec_type_of(VEC_BOOLEAN)};
}

/* Texts are the keys as texts of 16 bytes: none stands inline. */
static void make_rows(struct bench *bench)
{
    struct prng prng;

    prng_init(&prng, 1);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct vec *vecs = need(arena_alloc_array(&bench->arena, COLUMNS, sizeof(*vecs)));
        char       *texts = need(arena_alloc_array(&bench->arena, VEC_ROWS_MAX, 17));

        for (uint32_t c = 0; c < COLUMNS; c++) {
            vecs[c] = vec_make(&bench->arena, columns[c].type);
        }
        for (uint32_t row = 0; row < VEC_ROWS_MAX; row++) {
            ((int64_t *)vecs[VALUE].data)[row] = (int64_t)prng_below(&prng, 1000000);
            ((uint8_t *)vecs[PASSES].data)[row] = (uint8_t)prng_below(&prng, 2);
            ((struct vec_string *)vecs[TEXT].data)[row] = vec_string_of(texts + (size_t)row * 17, 16);
        }
        bench->chunks[i] = (struct vec_chunk){
            .row_count = VEC_ROWS_MAX, .selected_count = VEC_ROWS_MAX, .column_count = COLUMNS, .columns = vecs};
    }
}

static void spread_keys(struct vec_chunk *chunk, struct prng *prng, uint64_t groups)
{
    struct vec_string *texts = chunk->columns[TEXT].data;

    for (uint32_t row = 0; row < VEC_ROWS_MAX; row++) {
        uint64_t key = prng_below(prng, groups);
        char     text[17];

        ((int64_t *)chunk->columns[KEY].data)[row] = (int64_t)key;
        (void)snprintf(text, sizeof(text), "%016" PRIx64, key);
        memcpy((char *)(uintptr_t)texts[row].ref.base, text, 16);
        memcpy(texts[row].ref.prefix, text, 4);
    }
}

static bool count_rows(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                       size_t message_capacity)
{
    (void)worker;
    (void)sink;
    (void)message;
    (void)message_capacity;
    ((struct bench *)context)->rows_out += chunk->selected_count;
    return true;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(bool good, const struct exec_job *job)
{
    if (!good) {
        (void)fprintf(stderr, "%s\n", exec_job_failure(job)->message);
        exit(1);
    }
}

/* Pushes rows with fresh keys; returns the CPU seconds of the pushes alone. */
static double push_rows(struct bench *bench, struct exec_job *job, struct prng *prng, uint64_t groups,
                        double *out_longest)
{
    struct exec_worker *worker = exec_job_worker(job, 0);
    double              total = 0;

    for (uint64_t i = 0; i < bench->row_count / VEC_ROWS_MAX; i++) {
        struct vec_chunk *chunk = &bench->chunks[i % CHUNKS];
        double            begin, spent;

        spread_keys(chunk, prng, groups);
        begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        must(exec__emit(worker->ops[0], chunk), job);
        spent = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
        total += spent;
        *out_longest = MAX(*out_longest, spent);
    }
    return total;
}

static void run(struct bench *bench, const char *name, uint32_t key, const struct exec_aggregate *list, uint32_t count,
                uint64_t groups)
{
    struct exec_node  nodes[3] = {{0}};
    struct exec_node *inputs[3] = {&nodes[0], &nodes[1], &nodes[2]};
    struct vec_field  results[16];
    struct exec_plan  plan = {.node_count = 3, .nodes = inputs, .sink_count = 1, .scan_count = 1};
    struct exec_job  *job;
    struct prng       prng;
    double            fill_longest = 0, longest = 0, again, begin;
    struct exec_stats stats;

    if (bench->only != 0 && bench->only != groups) {
        return;
    }
    results[0] = columns[key];
    for (uint32_t i = 0; i < count; i++) {
        results[1 + i] = (struct vec_field){view_text("r"), list[i].type};
    }
    nodes[0] = (struct exec_node){.kind = EXEC_SCAN, .column_count = COLUMNS, .columns = columns};
    nodes[1] = (struct exec_node){
        .kind = EXEC_GROUP,
        .id = 1,
        .input_count = 1,
        .inputs = &inputs[0],
        .column_count = 1 + count,
        .columns = results,
        .group = {.key_count = groups == 1 ? 0 : 1, .keys = &key, .aggregate_count = count, .aggregates = list}};
    nodes[2] = (struct exec_node){.kind = EXEC_SINK,
                                  .id = 2,
                                  .input_count = 1,
                                  .inputs = &inputs[1],
                                  .column_count = 1 + count,
                                  .columns = results};
    if (groups == 1) {
        memmove(results, results + 1, count * sizeof(*results));
        nodes[1].column_count = nodes[2].column_count = count;
    }
    job = exec_job_create(&plan, &(struct exec_options){.worker_count = 1,
                                                        .memory_bytes_max = 8 * GIB,
                                                        .sink = {.write = count_rows, .context = bench}});
    prng_init(&prng, 7);
    (void)push_rows(bench, job, &prng, groups, &fill_longest);
    exec_job_stats(job, 1, &stats);
    begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    bench->rows_out = 0;
    must(exec_worker_flush(exec_job_worker(job, 0)), job);
    begin = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
    again = push_rows(bench, job, &prng, groups, &longest);
    printf("%-34s %8" PRIu64
           " groups %7.1f M rows/s, flush %6.1f M groups/s, %4.0f bytes a group, longest push %4.1f ms\n",
           name, groups, (double)(bench->row_count / VEC_ROWS_MAX * VEC_ROWS_MAX) / again / 1e6,
           (double)bench->rows_out / begin / 1e6, (double)stats.state_bytes / (double)groups, fill_longest * 1e3);
    exec_job_destroy(job);
}

#define BIG                                  \
    {                                        \
        .kind = VEC_BIGINT, .nullable = true \
    }

int main(int argc, char **argv)
{
    static const struct exec_aggregate one[] = {
        {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN, .type = BIG}};
    static const struct exec_aggregate five[] = {
        {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN, .type = BIG},
        {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = PASSES, .type = BIG},
        {.kind = EXEC_MIN, .argument = VALUE, .filter = EXEC_NO_COLUMN, .type = BIG},
        {.kind = EXEC_MAX, .argument = VALUE, .filter = EXEC_NO_COLUMN, .type = BIG},
        {.kind = EXEC_SUM, .argument = VALUE, .filter = EXEC_NO_COLUMN, .type = BIG}};
    static const struct exec_aggregate distinct[] = {
        {.kind = EXEC_COUNT, .distinct = true, .argument = VALUE, .filter = EXEC_NO_COLUMN, .type = BIG},
        {.kind = EXEC_COUNT, .distinct = true, .argument = VALUE, .filter = PASSES, .type = BIG}};
    static struct bench   bench;
    static const uint64_t sizes[] = {10000, 1000000, 8000000};

    bench.row_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 16000000;
    bench.only = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    arena_init(&bench.arena, MEM_TEST, 4 * MIB, SIZE_MAX);
    make_columns();
    make_rows(&bench);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        run(&bench, "COUNT(*) by BIGINT", KEY, one, 1, sizes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        run(&bench, "five aggregates by BIGINT", KEY, five, 5, sizes[i]);
    }
    run(&bench, "COUNT(*) by STRING", TEXT, one, 1, 1000000);
    run(&bench, "five aggregates, no key", KEY, five, 5, 1);
    run(&bench, "COUNT(DISTINCT) of 1 M, two FILTERs", KEY, distinct, 2, 1);
    arena_deinit(&bench.arena);
    return 0;
}
