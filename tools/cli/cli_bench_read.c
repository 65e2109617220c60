/* cli_bench_read.c: consumers: everything a topic has, records on their way, and readers beside producers. */
#include "core/base/bytes.h"
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

#define READ_WAIT_MS 500 /* a consumer's long poll */

/* --- answers ----------------------------------------------------------------------------------------------------- */

static struct bench_place *take_place(const struct bench_conn *conn, int32_t partition)
{
    for (int32_t i = 0; i < conn->place_count; i++) {
        if (conn->places[i]->partition == partition) {
            return conn->places[i];
        }
    }
    cli_die(conn->bench->cli, CLI_REFUSED, "broker %d answers about partition %d, which nobody asked", conn->node,
            partition);
}

/* Whole batches; one that is cut off at the end comes again. */
static void take_records(struct bench_conn *conn, struct bench_place *place, struct view records, bench_batch_fn *each)
{
    while (records.len > 0) {
        struct rec_batch batch;

        if (rec_batch_parse(records, &batch) != ERR_OK) {
            return;
        }
        if (rec_batch_last_offset(&batch) >= place->next_offset) {
            if (each != NULL) {
                each(conn, place, &batch);
            }
            place->next_offset = rec_batch_last_offset(&batch) + 1;
        }
        records = view_of(records.base + batch.bytes.len, records.len - batch.bytes.len);
    }
}

void bench_take_fetch(struct bench_conn *conn, struct view frame, bench_batch_fn *each)
{
    struct kp_fetch_response response;
    struct kp_reader         reader;

    bench_answer_open(conn, KP_FETCH_KEY, frame, &reader);
    kp_fetch_response_init(&response);
    if (kp_fetch_response_decode(&reader, conn->version, &response) != ERR_OK) {
        cli_die(conn->bench->cli, CLI_REFUSED, "broker %d answers Fetch with something else", conn->node);
    }
    if (response.error_code != 0) {
        cli_die_kafka(conn->bench->cli, response.error_code, (struct view){0}, "cannot read");
    }
    for (int32_t t = 0; t < response.responses_count; t++) {
        for (int32_t p = 0; p < response.responses[t].partitions_count; p++) {
            const struct kp_fetch_response_responses_partitions *from = &response.responses[t].partitions[p];

            if (from->error_code != 0) {
                cli_die_kafka(conn->bench->cli, from->error_code, (struct view){0}, "cannot read");
            }
            take_place(conn, from->partition_index)->high = from->high_watermark;
            take_records(conn, take_place(conn, from->partition_index), from->records, each);
        }
    }
}

static bool fetch_wanted(const struct bench_conn *conn)
{
    for (int32_t i = 0; i < conn->place_count; i++) {
        if (conn->places[i]->next_offset < conn->places[i]->end_offset) {
            return true;
        }
    }
    return false;
}

void bench_fetch(struct bench_conn *conn, int32_t wait_ms)
{
    struct bench_flight flight = {.due_ns = bench_now_ns()};

    if (fetch_wanted(conn)) {
        bench_make_fetch(conn, wait_ms);
        bench_conn_send(conn, &flight);
    }
}

static void consume_batch(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch)
{
    struct bench_flight flight = {.batch_bytes = batch->bytes.len, .records = batch->record_count};
    struct bench       *bench = conn->bench;

    if (bench->plan.verify && !rec_batch_crc_ok(batch)) {
        cli_fail(bench->cli, CLI_DAMAGED, "partition %d, offset %lld: the CRC does not fit", place->partition,
                 (long long)batch->base_offset);
    }
    if (bench->plan.verify && batch->base_offset > place->next_offset) {
        cli_fail(bench->cli, CLI_DAMAGED, "partition %d: offsets %lld to %lld are missing", place->partition,
                 (long long)place->next_offset, (long long)batch->base_offset - 1);
    }
    bench_count(&bench->counts, &flight);
    bench->counts.requests--;
    bench_count(&bench->live_counts, &flight);
}

static void consume_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    struct bench *bench = conn->bench;
    int64_t       now_ns = bench_now_ns();

    bench_take_fetch(conn, frame, consume_batch);
    bench->counts.requests++;
    cli_histogram_add(bench->latency, now_ns - flight->due_ns);
    cli_histogram_add(bench->live, now_ns - flight->due_ns);
    bench->last_ns = now_ns;
    if (!fetch_wanted(conn) && ++conn->passes < bench->plan.passes) {
        for (int32_t i = 0; i < conn->place_count; i++) {
            conn->places[i]->next_offset = conn->places[i]->from_offset;
        }
    }
    if (cli_stop_asked == 0) {
        bench_fetch(conn, READ_WAIT_MS);
    }
}

static bool consume_over(const struct bench *bench)
{
    for (int32_t i = 0; i < bench->place_count; i++) {
        if (bench->places[i].next_offset < bench->places[i].end_offset) {
            return cli_stop_asked != 0;
        }
    }
    return true;
}

/* All there is, as fast as it comes: the measured time ends with the last answer. */
void bench_run_consume(struct bench *bench)
{
    bench->conns =
        cli_alloc_array(bench->cli, (size_t)(bench->plan.connections + bench->place_count), sizeof(*bench->conns));
    bench->conn_count = bench_connect(bench, bench->places, 0, bench->plan.connections, KP_FETCH_KEY, consume_answered);
    bench->plan.warm_ms = 0;
    bench->plan.duration_ms = 0;
    bench_begin(bench);
    bench->end_ns = INT64_MAX / 2; /* only the end of what there is ends it */
    for (int32_t i = 0; i < bench->conn_count; i++) {
        bench_fetch(&bench->conns[i], READ_WAIT_MS);
    }
    bench_loop(bench, "reading", consume_over);
    bench->end_ns = bench->last_ns;
}

/* --- from end to end --------------------------------------------------------------------------------------------- */

static void way_batch(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch)
{
    struct bench       *bench = conn->bench;
    int64_t             now_ns = bench_now_ns();
    struct view         records = {0};
    struct rec_iter     iter;
    struct rec_record   record;
    struct bench_flight flight = {.batch_bytes = batch->bytes.len, .records = batch->record_count};

    MAYBE(place == NULL);
    if (rec_inflate(batch, bench->plan.batch_bytes * 64 + MIB, &conn->answer_arena, &records) != ERR_OK) {
        cli_die(bench->cli, CLI_DAMAGED, "a batch cannot be inflated");
    }
    rec_iter_init(&iter, batch, records);
    while (rec_iter_next(&iter, &record) == 1) {
        if (record.value.len >= BENCH_STAMP_BYTES && load_be64(record.value.base) == bench->run_id) {
            int64_t due_ns = (int64_t)load_be64(record.value.base + 8);

            if (bench_measures(bench, due_ns)) {
                cli_histogram_add(bench->way, now_ns - due_ns);
            }
        }
    }
    bench_count(&bench->read, &flight);
}

/* All that was sent has been read; what was refused never will be. */
static bool way_over(const struct bench *bench)
{
    uint64_t sent = 0;
    bool     in_doubt = false;

    for (int32_t i = 0; i < bench->place_count; i++) {
        sent += bench->places[i].sent;
        in_doubt = in_doubt || bench->places[i].in_doubt;
    }
    return bench->read.batches >= sent || in_doubt;
}

static void way_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    struct bench *bench = conn->bench;

    MAYBE(flight->due_ns > 0);
    bench_take_fetch(conn, frame, way_batch);
    if (bench_sends_more(bench) || !way_over(bench)) {
        bench_fetch(conn, READ_WAIT_MS);
    }
}

/* Consumers wait for what is not there yet; the loop ends when they have all that was sent. */
static void way_run(struct bench *bench, const char *doing, int32_t others)
{
    bench_begin(bench);
    for (int32_t i = bench->producer_count; i < bench->conn_count; i++) {
        bench_fetch(&bench->conns[i], i < bench->conn_count - others ? READ_WAIT_MS : 0);
    }
    bench_loop(bench, doing, way_over);
}

/* A record is timed from when it was due to when a consumer that waits for it has it. */
void bench_run_latency(struct bench *bench)
{
    bench_producers_open(bench, bench->plan.connections + bench->place_count);
    bench->conn_count +=
        bench_connect(bench, bench->places, bench->producer_count, bench->plan.connections, KP_FETCH_KEY, way_answered);
    way_run(bench, "timing", 0);
}

/* --- producers and consumers at once ----------------------------------------------------------------------------- */

static void mixed_batch(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch)
{
    struct bench_flight flight = {.batch_bytes = batch->bytes.len, .records = batch->record_count};
    struct bench       *bench = conn->bench;

    MAYBE(place == NULL);
    bench->last_read_ns = bench_now_ns();
    bench_count(&bench->read, &flight);
    if (bench_measures(bench, bench->last_read_ns)) {
        bench_count(&bench->read_measured, &flight);
    }
}

static void mixed_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    MAYBE(flight->due_ns > 0);
    bench_take_fetch(conn, frame, mixed_batch);
    if (bench_sends_more(conn->bench) || !way_over(conn->bench)) {
        bench_fetch(conn, READ_WAIT_MS);
    }
}

static void again_batch(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch)
{
    struct bench_flight flight = {.batch_bytes = batch->bytes.len, .records = batch->record_count};

    MAYBE(place == NULL);
    if (bench_measures(conn->bench, bench_now_ns())) {
        bench_count(&conn->bench->reread, &flight);
    }
}

/* As fast as it comes; what has been read to its end is read again from its beginning. */
static void again_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    MAYBE(flight->due_ns > 0);
    bench_take_fetch(conn, frame, again_batch);
    for (int32_t i = 0; i < conn->place_count; i++) {
        if (conn->places[i]->next_offset >= conn->places[i]->high) {
            conn->places[i]->next_offset = conn->places[i]->from_offset;
        }
    }
    if (bench_sends_more(conn->bench)) {
        bench_fetch(conn, READ_WAIT_MS);
    }
}

void bench_run_mixed(struct bench *bench)
{
    struct bench_place *places;
    int32_t             others = 0;

    bench_producers_open(bench,
                         bench->plan.consumers + bench->plan.rereaders * (1 + bench->place_count) + bench->place_count);
    bench->conn_count +=
        bench_connect(bench, bench->places, bench->conn_count, bench->plan.consumers, KP_FETCH_KEY, mixed_answered);
    for (int32_t i = 0; i < bench->plan.rereaders; i++) { /* each reads all partitions */
        int32_t opened;

        places = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(*places));
        memcpy(places, bench->places, (size_t)bench->place_count * sizeof(*places));
        opened = bench_connect(bench, places, bench->conn_count, 1, KP_FETCH_KEY, again_answered);
        bench->conn_count += opened;
        others += opened;
    }
    way_run(bench, "mixed", others);
}
