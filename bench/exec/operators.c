/* Windows, joins and ranks alone: rows per second of CPU time, from columns in memory to a sink that counts.
 *
 *   operators [ROWS] [CASE]     2,000,000 rows by default, all cases
 *
 * Rows are bids as Nexmark's generator makes them at 100,000 events a second: half of them for one auction in a
 * hundred, the others for the 100 latest; three quarters from one bidder in a hundred. Not the decoder, not the
 * encoder. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compute/exec/exec_join.h"
#include "compute/exec/exec_window.h"
#include "compute/exec/exec_worker.h"
#include "core/base/prng.h"

enum { AUCTION, BIDDER, PRICE, TIME, URL, COLUMNS };

#define TIME_BEGIN_MS INT64_C(1700000000000)
#define FLUSH_CHUNKS  25 /* about 50,000 rows: Flink's mini-batch in the suites */
#define DELAY_US      INT64_C(4000000)

struct bench {
    struct arena      arena;
    struct vec_chunk *chunks;
    uint32_t          chunk_count;
    uint64_t          row_count;
    uint64_t          rows_out;
};

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

static struct vec_field field(const char *name, struct vec_type type)
{
    return (struct vec_field){.name = view_text(name), .type = type};
}

static const struct vec_field *schema(struct bench *bench, uint32_t more)
{
    struct vec_field *fields = need(arena_alloc_array(&bench->arena, 2 * COLUMNS + more, sizeof(*fields)));

    for (uint32_t i = 0; i < 2 * COLUMNS; i += COLUMNS) {
        fields[i + AUCTION] = field("auction", vec_type_of(VEC_BIGINT));
        fields[i + BIDDER] = field("bidder", vec_type_of(VEC_BIGINT));
        fields[i + PRICE] = field("price", vec_type_of(VEC_BIGINT));
        fields[i + TIME] = field("dateTime", vec_type_timestamp(VEC_TIMESTAMP, 3));
        fields[i + URL] = field("url", vec_type_of(VEC_VARCHAR));
    }
    return fields;
}

static void make_row(struct bench *bench, struct vec *columns, uint32_t row, uint64_t number, struct prng *prng)
{
    uint64_t events = number * 50 / 46;
    uint64_t auctions = 1000 + events * 3 / 50;
    uint64_t bidders = 1000 + events / 50;
    char     text[80];
    int      len;
    uint64_t auction = prng_chance(prng, 1, 2) ? auctions / 100 * 100 : auctions - prng_below(prng, 100);
    uint64_t bidder = prng_chance(prng, 3, 4) ? bidders / 100 * 100 : bidders - prng_below(prng, 1000);

    ((int64_t *)columns[AUCTION].data)[row] = (int64_t)auction;
    ((int64_t *)columns[BIDDER].data)[row] = (int64_t)bidder;
    ((int64_t *)columns[PRICE].data)[row] = 100 + (int64_t)prng_below(prng, 10000000);
    ((int64_t *)columns[TIME].data)[row] = TIME_BEGIN_MS * 1000 + (int64_t)(events / 100) * 1000;
    len = snprintf(text, sizeof(text), "https://www.nexmark.com/%u/item.htm?query=1&channel_id=%u",
                   (unsigned)prng_below(prng, 100000), (unsigned)prng_below(prng, 10000));
    ((struct vec_string *)columns[URL].data)[row] =
        vec_string_of((const char *)arena_copy(&bench->arena, view_of(text, (size_t)len)).base, (uint32_t)len);
}

static void make_rows(struct bench *bench, uint64_t row_count)
{
    const struct vec_field *fields = schema(bench, 0);
    struct prng             prng;
    uint64_t                number = 0;

    prng_init(&prng, 1);
    bench->chunk_count = (uint32_t)div_ceil_u64(row_count, VEC_ROWS_MAX);
    bench->row_count = (uint64_t)bench->chunk_count * VEC_ROWS_MAX;
    bench->chunks = need(arena_alloc_array(&bench->arena, bench->chunk_count, sizeof(*bench->chunks)));
    for (uint32_t i = 0; i < bench->chunk_count; i++) {
        struct vec *columns = need(arena_alloc_array(&bench->arena, COLUMNS, sizeof(*columns)));

        for (uint32_t c = 0; c < COLUMNS; c++) {
            columns[c] = vec_make(&bench->arena, fields[c].type);
        }
        for (uint32_t row = 0; row < VEC_ROWS_MAX; row++) {
            make_row(bench, columns, row, number++, &prng);
        }
        bench->chunks[i] = (struct vec_chunk){
            .row_count = VEC_ROWS_MAX, .selected_count = VEC_ROWS_MAX, .column_count = COLUMNS, .columns = columns};
    }
}

/* --- running one operator ------------------------------------------------------------------------------------------
 */

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

static double cpu_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(bool fine, const struct exec_job *job)
{
    if (!fine) {
        fprintf(stderr, "%s\n", exec_job_failure(job)->message);
        exit(1);
    }
}

/* The rows of the second input of a join: every auction once, when its first bid could come. */
static struct vec_chunk auctions_of(const struct vec_chunk *bids, int64_t *auction, struct vec *columns, int64_t *ids)
{
    const int64_t *of_bids = bids->columns[AUCTION].data;
    uint32_t       count = 0;

    memcpy(columns, bids->columns, COLUMNS * sizeof(*columns));
    for (; count < VEC_ROWS_MAX / 8 && *auction <= of_bids[0]; count++) {
        ids[count] = (*auction)++;
    }
    columns[AUCTION].data = ids;
    return (struct vec_chunk){.row_count = count, .selected_count = count, .column_count = COLUMNS, .columns = columns};
}

static void push_all(struct bench *bench, struct exec_job *job, uint32_t inputs)
{
    struct exec_worker *worker = exec_job_worker(job, 0);
    int64_t             auction = 1;

    for (uint32_t i = 0; i < bench->chunk_count; i++) {
        const struct vec_chunk *chunk = &bench->chunks[i];
        int64_t watermark_us = ((const int64_t *)chunk->columns[TIME].data)[VEC_ROWS_MAX - 1] - DELAY_US;

        if (inputs == 2) {
            struct vec       columns[COLUMNS];
            int64_t          ids[VEC_ROWS_MAX];
            struct vec_chunk part = auctions_of(chunk, &auction, columns, ids);

            must(exec__emit(worker->ops[1], &part), job);
            must(exec__emit_watermark(worker->ops[1], watermark_us), job);
        }
        must(exec__emit(worker->ops[0], chunk), job);
        must(exec__emit_watermark(worker->ops[0], watermark_us), job);
        if (i % FLUSH_CHUNKS == FLUSH_CHUNKS - 1) {
            must(exec_worker_flush(worker), job);
        }
    }
    must(exec_worker_flush(worker), job);
    for (uint32_t i = 0; i < inputs; i++) {
        must(exec__emit_watermark(worker->ops[i], EXEC_WATERMARK_END), job);
    }
}

static void run(struct bench *bench, const char *name, struct exec_node *node, uint32_t inputs)
{
    const struct vec_field *columns = schema(bench, 0);
    struct exec_node        nodes[4] = {0};
    struct exec_node       *list[4] = {&nodes[0], &nodes[1], &nodes[2], &nodes[3]};
    struct exec_plan        plan = {.node_count = inputs + 2, .nodes = list, .sink_count = 1, .scan_count = inputs};
    struct exec_options     options = {.worker_count = 1, .sink = {.write = count_rows, .context = bench}};
    struct exec_job        *job;
    double                  begin;
    double                  seconds;

    for (uint32_t i = 0; i < inputs; i++) {
        nodes[i] = (struct exec_node){
            .kind = EXEC_SCAN, .id = i, .column_count = COLUMNS, .columns = columns, .changes = EXEC_APPEND_ONLY};
    }
    nodes[inputs] = *node;
    nodes[inputs].id = inputs;
    nodes[inputs].inputs = list;
    nodes[inputs].input_count = inputs;
    nodes[inputs + 1] = (struct exec_node){.kind = EXEC_SINK,
                                           .id = inputs + 1,
                                           .input_count = 1,
                                           .inputs = &list[inputs],
                                           .column_count = node->column_count,
                                           .columns = node->columns,
                                           .changes = node->changes};
    job = exec_job_create(&plan, &options);
    CHECK(job != NULL && exec_job_failure(job) == NULL);
    bench->rows_out = 0;
    begin = cpu_seconds();
    push_all(bench, job, inputs);
    seconds = cpu_seconds() - begin;
    printf("%-36s %7.1f M rows/s  %9" PRIu64 " rows out  %7.1f MiB of state left\n", name,
           (double)bench->row_count / seconds / 1e6, bench->rows_out, (double)exec_job_memory_bytes(job) / (double)MIB);
    exec_job_destroy(job);
}

/* --- cases ---------------------------------------------------------------------------------------------------------
 */

static const uint32_t by_auction[] = {AUCTION};
static const uint32_t by_bidder[] = {BIDDER};
static const uint32_t by_both[] = {BIDDER, AUCTION};

static void run_window(struct bench *bench, const char *name, struct exec_window window, const uint32_t *keys)
{
    static const struct exec_aggregate count = {
        .kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN, .type = {.kind = VEC_BIGINT}};
    struct vec_field columns[] = {field("key", vec_type_of(VEC_BIGINT)), field("n", vec_type_of(VEC_BIGINT)),
                                  field("window_start", vec_type_timestamp(VEC_TIMESTAMP, 3)),
                                  field("window_end", vec_type_timestamp(VEC_TIMESTAMP, 3)),
                                  field("window_time", vec_type_timestamp(VEC_TIMESTAMP, 3))};
    struct exec_node node = {
        .kind = EXEC_WINDOW_GROUP,
        .column_count = COUNT_OF(columns),
        .columns = columns,
        .changes = EXEC_APPEND_ONLY,
        .window_group = {.window = window, .key_count = 1, .keys = keys, .aggregate_count = 1, .aggregates = &count}};

    node.window_group.window.time_column = TIME;
    run(bench, name, &node, 1);
}

static void run_join(struct bench *bench, const char *name, enum exec_node_kind kind)
{
    struct exec_node node = {.kind = kind,
                             .column_count = 2 * COLUMNS,
                             .columns = schema(bench, 0),
                             .changes = EXEC_APPEND_ONLY,
                             .join = {.key_count = 1,
                                      .left_keys = by_auction,
                                      .right_keys = by_auction,
                                      .left_time = TIME,
                                      .right_time = TIME,
                                      .lower_ms = -10000,
                                      .upper_ms = 0}};

    run(bench, name, &node, 2);
}

static void run_rank(struct bench *bench, const char *name, const struct exec_rank *rank)
{
    struct vec_field *columns = need(arena_alloc_array(&bench->arena, COLUMNS + 1, sizeof(*columns)));
    struct exec_node  node = {.kind = EXEC_RANK,
                              .column_count = COLUMNS + rank->with_number,
                              .columns = columns,
                              .changes = EXEC_APPEND_ONLY | EXEC_CHANGE(VEC_UPDATE_AFTER) | EXEC_CHANGE(VEC_DELETE),
                              .rank = *rank};

    memcpy(columns, schema(bench, 0), COLUMNS * sizeof(*columns));
    columns[COLUMNS] = field("rank", vec_type_of(VEC_BIGINT));
    run(bench, name, &node, 1);
}

static void run_ranks(struct bench *bench, const char *only)
{
    static const struct exec_order by_price = {.column = PRICE, .descending = true};
    static const struct exec_order by_time = {.column = TIME, .descending = true};
    struct exec_rank top = {.key_count = 1, .keys = by_auction, .order_count = 1, .orders = &by_price, .first = 1};
    struct exec_rank last = {.key_count = 2, .keys = by_both, .order_count = 1, .orders = &by_time, .first = 1};

    top.last = 10;
    if (only == NULL || strcmp(only, "top") == 0) {
        run_rank(bench, "top 10 of price by auction", &top);
        top.with_number = true;
        run_rank(bench, "top 10 of price, with the number", &top);
    }
    last.last = 1;
    last.is_deduplication = true;
    if (only == NULL || strcmp(only, "last") == 0) {
        run_rank(bench, "last by bidder and auction", &last);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    const char  *only = argc > 2 ? argv[2] : NULL;

    arena_init(&bench.arena, MEM_TEST, 4 * MIB, SIZE_MAX);
    make_rows(&bench, argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000);
    if (only == NULL || strcmp(only, "tumble") == 0) {
        run_window(&bench, "tumble 10 s, count by auction", (struct exec_window){.kind = EXEC_TUMBLE, .size_ms = 10000},
                   by_auction);
    }
    if (only == NULL || strcmp(only, "hop") == 0) {
        run_window(&bench, "hop 10 s by 2 s, count by auction",
                   (struct exec_window){.kind = EXEC_HOP, .size_ms = 10000, .slide_ms = 2000}, by_auction);
    }
    if (only == NULL || strcmp(only, "session") == 0) {
        run_window(&bench, "session 10 s, count by bidder",
                   (struct exec_window){.kind = EXEC_SESSION, .size_ms = 10000}, by_bidder);
    }
    if (only == NULL || strcmp(only, "join") == 0) {
        run_join(&bench, "bids join auctions, all rows kept", EXEC_JOIN);
        run_join(&bench, "bids join auctions of the last 10 s", EXEC_INTERVAL_JOIN);
    }
    run_ranks(&bench, only);
    arena_deinit(&bench.arena);
    return 0;
}
