/* cli_bench_run.c: who sends when, and what is counted.
 *
 * Nothing is counted before the warm-up is over nor after the end; what is due within the measured time counts even
 * when its answer comes later, as the latest moment that --timeout allows. */
#include "core/base/bytes.h"
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

#include <math.h>

#define RUN_WAIT_MS   500 /* a consumer's long poll */
#define RUN_LIVE_NS   NS_PER_S
#define RUN_LATE_NS   NS_PER_MS
#define RUN_BURST_MAX 1000 /* requests started between two looks at the sockets */

/* --- connections ------------------------------------------------------------------------------------------------- */

/* The leaders, each once; ascending places of a leader go round robin to its connections. */
int32_t bench_connect(struct bench *bench, int32_t first, int32_t count, int16_t api_key, bench_answer_fn *answered)
{
    int32_t  leader_count = 0;
    int32_t *leaders = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(*leaders));
    int32_t  opened = 0;

    for (int32_t i = 0; i < bench->place_count; i++) {
        int32_t at = 0;

        while (at < leader_count && leaders[at] != bench->places[i].leader) {
            at++;
        }
        leaders[at] = bench->places[i].leader;
        leader_count = MAX(leader_count, at + 1);
    }
    for (int32_t c = 0; c < MAX(count, leader_count); c++) {
        struct bench_conn *conn = &bench->conns[first + opened];
        int32_t            mine = c / leader_count; /* the how-maniest of its leader */
        int32_t            peers = (MAX(count, leader_count) - c % leader_count + leader_count - 1) / leader_count;
        int32_t            seen = 0;

        conn->places = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(struct bench_place *));
        for (int32_t i = 0; i < bench->place_count; i++) {
            if (bench->places[i].leader == leaders[c % leader_count] && seen++ % peers == mine) {
                conn->places[conn->place_count++] = &bench->places[i];
            }
        }
        if (conn->place_count > 0) {
            bench_conn_open(conn, bench, leaders[c % leader_count], api_key, answered);
            opened++;
        }
    }
    return opened;
}

/* --- counting ---------------------------------------------------------------------------------------------------- */

static bool run_measures(const struct bench *bench, int64_t due_ns)
{
    return due_ns >= bench->measure_ns && due_ns < bench->end_ns;
}

static void run_error(struct bench *bench, int16_t error)
{
    bench->first_error = bench->counts.errors == 0 ? error : bench->first_error;
    bench->counts.errors++;
    bench->live_counts.errors++;
}

static void run_count(struct bench_counts *counts, const struct bench_flight *flight)
{
    counts->requests++;
    counts->batches++;
    counts->records += (uint64_t)flight->records;
    counts->bytes += flight->batch_bytes;
}

static void run_produced(struct bench *bench, const struct bench_flight *flight, int16_t error)
{
    struct bench_place *place = &bench->places[flight->place];
    int64_t             now_ns = bench_now_ns();

    if (error != 0) {
        place->in_doubt = true;
        if (run_measures(bench, flight->due_ns)) {
            run_error(bench, error);
        }
        return;
    }
    place->acked++;
    place->acked_records += (uint64_t)flight->records;
    if (run_measures(bench, flight->due_ns)) {
        cli_histogram_add(bench->latency, now_ns - flight->due_ns);
        run_count(&bench->counts, flight);
        bench->last_ns = now_ns;
    }
    cli_histogram_add(bench->live, now_ns - flight->due_ns);
    run_count(&bench->live_counts, flight);
}

static void run_produce_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    struct kp_produce_response response;
    struct kp_reader           reader;

    bench_answer_open(conn, KP_PRODUCE_KEY, frame, &reader);
    kp_produce_response_init(&response);
    if (kp_produce_response_decode(&reader, conn->version, &response) != ERR_OK || response.responses_count != 1 ||
        response.responses[0].partition_responses_count != 1) {
        cli_die(conn->bench->cli, CLI_REFUSED, "broker %d answers Produce with something else", conn->node);
    }
    run_produced(conn->bench, flight, response.responses[0].partition_responses[0].error_code);
}

/* --- the live line ----------------------------------------------------------------------------------------------- */

static void run_live(struct bench *bench, struct cli_progress *progress, int64_t *live_ns, const char *doing)
{
    int64_t now_ns = bench_now_ns();
    double  seconds = (double)(now_ns - *live_ns) / 1e9;

    if (now_ns - *live_ns < RUN_LIVE_NS) {
        return;
    }
    if (progress->on) {
        char text[CLI_VALUE_BYTES];

        cli_format_bytes((int64_t)((double)bench->live_counts.bytes / seconds), text);
        progress->visible = true;
        (void)fprintf(stderr, "\r\033[K%s %4.0f s  %s/s  %.0f records/s  p50 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms%s",
                      now_ns < bench->measure_ns ? "warming up" : doing, (double)(now_ns - bench->start_ns) / 1e9, text,
                      (double)bench->live_counts.records / seconds, (double)cli_histogram_at(bench->live, 0.5) / 1e6,
                      (double)cli_histogram_at(bench->live, 0.99) / 1e6,
                      (double)cli_histogram_at(bench->live, 0.999) / 1e6,
                      (double)cli_histogram_at(bench->live, 1) / 1e6, bench->counts.errors > 0 ? "  errors" : "");
        (void)fflush(stderr);
    }
    *live_ns = now_ns;
    bench->live_counts = (struct bench_counts){0};
    cli_histogram_reset(bench->live);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* When the request after the one that was due at due_ns is due. */
static int64_t run_next(struct bench *bench, int64_t due_ns)
{
    double mean_ns = 1e9 / bench->plan.requests_per_s;
    double random = ((double)(prng_next(&bench->prng) >> 11) + 1) / (double)(UINT64_C(1) << 53);

    return due_ns + (int64_t)(bench->plan.poisson ? -log(random) * mean_ns : mean_ns);
}

/* The next connection in turn that may send, or NULL. */
static struct bench_conn *run_free(struct bench *bench)
{
    for (int32_t tried = 0; tried < bench->producer_count; tried++) {
        struct bench_conn *conn = &bench->conns[bench->conn_at];

        bench->conn_at = (bench->conn_at + 1) % bench->producer_count;
        if (!bench_conn_sending(conn) && (int32_t)conn->flight_count < bench->plan.in_flight) {
            return conn;
        }
    }
    return NULL;
}

static void run_send(struct bench *bench, struct bench_conn *conn, int64_t due_ns)
{
    struct bench_place *place = conn->places[conn->place_at];
    struct bench_flight flight;

    conn->place_at = (conn->place_at + 1) % conn->place_count;
    bench_make_produce(conn, place, due_ns, &flight);
    if (bench->plan.acks == 0) { /* nobody will say anything: sent is all that can be known */
        bench_conn_send(conn, NULL);
        run_produced(bench, &flight, KP_ERR_NONE);
    } else {
        bench_conn_send(conn, &flight);
    }
}

/* Starts what is due; the time until which nothing more is. */
static int64_t run_pace(struct bench *bench)
{
    bool open_loop = bench->plan.requests_per_s > 0;

    for (int i = 0; i < RUN_BURST_MAX; i++) {
        int64_t            now_ns = bench_now_ns();
        struct bench_conn *conn;

        if (now_ns >= bench->end_ns && (!open_loop || bench->next_ns >= bench->end_ns)) {
            return now_ns + NS_PER_MS;
        }
        if (open_loop && bench->next_ns > now_ns) {
            return bench->next_ns;
        }
        conn = run_free(bench);
        if (conn == NULL) {
            return now_ns + NS_PER_S; /* an answer comes first */
        }
        run_send(bench, conn, open_loop ? bench->next_ns : now_ns);
        if (open_loop) {
            bench->late += now_ns - bench->next_ns >= RUN_LATE_NS && run_measures(bench, bench->next_ns);
            bench->next_ns = run_next(bench, bench->next_ns);
        }
    }
    return 0;
}

static void run_begin(struct bench *bench)
{
    bench->start_ns = bench->next_ns = bench_now_ns();
    bench->measure_ns = bench->start_ns + bench->plan.warm_ms * NS_PER_MS;
    bench->end_ns = bench->measure_ns + bench->plan.duration_ms * NS_PER_MS;
    bench->last_ns = bench->measure_ns;
    cli_catch_signals();
}

static bool run_sends_more(const struct bench *bench)
{
    bool open_loop = bench->plan.requests_per_s > 0;

    if (bench->producer_count == 0) {
        return false;
    }
    return bench_now_ns() < bench->end_ns || (open_loop && bench->next_ns < bench->end_ns);
}

/* What this program and the broker used while it was measured. */
struct run_cpu {
    double own_s, broker_s;
    bool   begun, ended;
};

static void run_cpu_look(struct bench *bench, struct run_cpu *cpu, int64_t now_ns, bool over)
{
    double own_s, broker_s;

    if ((cpu->begun || now_ns < bench->measure_ns) && (cpu->ended || (now_ns < bench->end_ns && !over))) {
        return;
    }
    own_s = bench_cpu_s(0);
    broker_s = bench->broker == 0 ? 0 : bench_cpu_s(bench->broker);
    if (!cpu->begun) {
        *cpu = (struct run_cpu){.own_s = own_s, .broker_s = broker_s, .begun = true};
    } else {
        cpu->ended = true;
        bench->own_cpu_s = own_s - cpu->own_s;
        bench->broker_cpu_s = broker_s - cpu->broker_s;
    }
}

/* The time is up, and something is still on its way. */
static void run_give_up(struct bench *bench)
{
    uint32_t waiting = bench_waiting(bench);

    for (int32_t i = 0; i < bench->place_count; i++) {
        bench->places[i].in_doubt = true;
    }
    if (waiting > 0) {
        cli_fail(bench->cli, CLI_TIMEOUT, "%u requests had no answer when the time was up", waiting);
    } else {
        cli_fail(bench->cli, CLI_TIMEOUT, "records that were sent had not come when the time was up");
    }
}

/* Until everything that was due is sent and answered; `until_read`: and consumers have all of it. */
static void run_loop(struct bench *bench, const char *doing, bool (*until_read)(const struct bench *bench))
{
    struct cli_progress progress;
    struct run_cpu      cpu = {0};
    int64_t             live_ns = bench->start_ns;
    int64_t             patience_ns = cli_timeout_ms(bench->cli) * NS_PER_MS;

    cli_progress_init(&progress, bench->plan.progress);
    while (run_sends_more(bench) || bench_waiting(bench) > 0 || (until_read != NULL && !until_read(bench))) {
        int64_t now_ns = bench_now_ns();

        run_cpu_look(bench, &cpu, now_ns, false);
        if (cli_stop_asked != 0) { /* what has been measured until now */
            bench->end_ns = MIN(bench->end_ns, now_ns);
            bench->next_ns = MAX(bench->next_ns, bench->end_ns);
        }
        if (now_ns > (bench->producer_count == 0 ? bench->last_ns : MAX(bench->end_ns, bench->last_ns)) + patience_ns) {
            run_give_up(bench);
            break;
        }
        bench_turn(bench, run_sends_more(bench) ? run_pace(bench) : now_ns + NS_PER_MS);
        run_live(bench, &progress, &live_ns, doing);
        if (until_read != NULL && cli_stop_asked != 0 && bench_waiting(bench) == 0) {
            break;
        }
    }
    run_cpu_look(bench, &cpu, bench_now_ns(), true);
    cli_progress_end(&progress);
}

void bench_run_produce(struct bench *bench)
{
    bench->conns =
        cli_alloc_array(bench->cli, (size_t)(bench->plan.connections + bench->place_count), sizeof(*bench->conns));
    bench->producer_count = bench->conn_count =
        bench_connect(bench, 0, bench->plan.connections, KP_PRODUCE_KEY, run_produce_answered);
    run_begin(bench);
    run_loop(bench, "producing", NULL);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

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
    run_count(&bench->counts, &flight);
    bench->counts.requests--;
    run_count(&bench->live_counts, &flight);
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
    if (cli_stop_asked == 0) {
        bench_fetch(conn, RUN_WAIT_MS);
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
    bench->conn_count = bench_connect(bench, 0, bench->plan.connections, KP_FETCH_KEY, consume_answered);
    bench->plan.warm_ms = 0;
    bench->plan.duration_ms = 0;
    run_begin(bench);
    bench->end_ns = INT64_MAX / 2; /* only the end of what there is ends it */
    for (int32_t i = 0; i < bench->conn_count; i++) {
        bench_fetch(&bench->conns[i], RUN_WAIT_MS);
    }
    run_loop(bench, "reading", consume_over);
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

            if (run_measures(bench, due_ns)) {
                cli_histogram_add(bench->way, now_ns - due_ns);
            }
        }
    }
    run_count(&bench->read, &flight);
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
    if (run_sends_more(bench) || !way_over(bench)) {
        bench_fetch(conn, RUN_WAIT_MS);
    }
}

/* A record is timed from when it was due to when a consumer that waits for it has it. */
void bench_run_latency(struct bench *bench)
{
    int32_t producers;

    bench->conns = cli_alloc_array(bench->cli, (size_t)(2 * (bench->plan.connections + bench->place_count)),
                                   sizeof(*bench->conns));
    producers = bench_connect(bench, 0, bench->plan.connections, KP_PRODUCE_KEY, run_produce_answered);
    bench->producer_count = producers;
    bench->conn_count =
        producers + bench_connect(bench, producers, bench->plan.connections, KP_FETCH_KEY, way_answered);
    run_begin(bench);
    for (int32_t i = producers; i < bench->conn_count; i++) {
        bench_fetch(&bench->conns[i], RUN_WAIT_MS);
    }
    run_loop(bench, "timing", way_over);
}
