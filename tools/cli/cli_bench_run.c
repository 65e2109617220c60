/* cli_bench_run.c: who sends when, and what is counted.
 *
 * Nothing is counted before the warm-up is over nor after the end; what is due within the measured time counts even
 * when its answer comes later, as the latest moment that --timeout allows. */
#include "core/base/bytes.h"
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

#include <math.h>

#define RUN_LIVE_NS NS_PER_S
#define RUN_LATE_NS NS_PER_MS
#define RUN_CUT_NS                                                                                          \
    (25 * NS_PER_MS)       /* before the end, more than a turn waits: then requests are still being started \
                            */
#define RUN_BURST_MAX 1000 /* requests started between two looks at the sockets */

/* --- connections ------------------------------------------------------------------------------------------------- */

/* The leaders, each once; ascending places of a leader go round robin to its connections. */
int32_t bench_connect(struct bench *bench, struct bench_place *places, int32_t first, int32_t count, int16_t api_key,
                      bench_answer_fn *answered)
{
    int32_t  leader_count = 0;
    int32_t *leaders = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(*leaders));
    int32_t  opened = 0;

    for (int32_t i = 0; i < bench->place_count; i++) {
        int32_t at = 0;

        while (at < leader_count && leaders[at] != places[i].leader) {
            at++;
        }
        leaders[at] = places[i].leader;
        leader_count = MAX(leader_count, at + 1);
    }
    for (int32_t c = 0; c < MAX(count, leader_count); c++) {
        struct bench_conn *conn = &bench->conns[first + opened];
        int32_t            mine = c / leader_count; /* the how-maniest of its leader */
        int32_t            peers = (MAX(count, leader_count) - c % leader_count + leader_count - 1) / leader_count;
        int32_t            seen = 0;

        conn->places = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(struct bench_place *));
        for (int32_t i = 0; i < bench->place_count; i++) {
            if (places[i].leader == leaders[c % leader_count] && seen++ % peers == mine) {
                conn->places[conn->place_count++] = &places[i];
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

bool bench_measures(const struct bench *bench, int64_t due_ns)
{
    return due_ns >= bench->measure_ns && due_ns < bench->end_ns;
}

static void run_error(struct bench *bench, int16_t error)
{
    bench->first_error = bench->counts.errors == 0 ? error : bench->first_error;
    bench->counts.errors++;
    bench->live_counts.errors++;
}

void bench_count(struct bench_counts *counts, const struct bench_flight *flight)
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
        if (bench_measures(bench, flight->due_ns)) {
            run_error(bench, error);
        }
        return;
    }
    place->acked++;
    place->acked_records += (uint64_t)flight->records;
    if (bench_measures(bench, flight->due_ns)) {
        cli_histogram_add(bench->latency, now_ns - flight->due_ns);
        bench_count(&bench->counts, flight);
        bench->last_ns = now_ns;
    }
    cli_histogram_add(bench->live, now_ns - flight->due_ns);
    bench_count(&bench->live_counts, flight);
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
    bench_plot_add(bench, now_ns, seconds);
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

static bool run_may_send(const struct bench *bench, const struct bench_conn *conn)
{
    return !bench_conn_sending(conn) && (int32_t)conn->flight_count < bench->plan.in_flight;
}

/* The next connection in turn that may send, or NULL. Where keys say which partition is next, nothing overtakes it: a
 * partition that many records go to holds up the others, as it does in a client whose buffer is full. */
static struct bench_conn *run_free(struct bench *bench, struct bench_place **out_place)
{
    struct bench_conn *owner;

    if (bench->weights != NULL) {
        bench->picked = bench->picked == NULL ? bench_keys_place(bench) : bench->picked;
        owner = &bench->conns[bench->picked->producer];
        if (!run_may_send(bench, owner)) {
            return NULL;
        }
        *out_place = bench->picked;
        bench->picked = NULL;
        return owner;
    }
    for (int32_t tried = 0; tried < bench->producer_count; tried++) {
        struct bench_conn *conn = &bench->conns[bench->conn_at];

        bench->conn_at = (bench->conn_at + 1) % bench->producer_count;
        if (run_may_send(bench, conn)) {
            *out_place = conn->places[conn->place_at];
            conn->place_at = (conn->place_at + 1) % conn->place_count;
            return conn;
        }
    }
    return NULL;
}

static void run_send(struct bench *bench, struct bench_conn *conn, struct bench_place *place, int64_t due_ns)
{
    struct bench_flight flight;

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
        int64_t             now_ns = bench_now_ns();
        struct bench_place *place = NULL;
        struct bench_conn  *conn;

        if (now_ns >= bench->end_ns && (!open_loop || bench->next_ns >= bench->end_ns)) {
            return now_ns + NS_PER_MS;
        }
        if (open_loop && bench->next_ns > now_ns) {
            return bench->next_ns;
        }
        conn = run_free(bench, &place);
        if (conn == NULL) {
            return now_ns + NS_PER_S; /* an answer comes first */
        }
        run_send(bench, conn, place, open_loop ? bench->next_ns : now_ns);
        if (open_loop) {
            bench->late += now_ns - bench->next_ns >= RUN_LATE_NS && bench_measures(bench, bench->next_ns);
            bench->next_ns = run_next(bench, bench->next_ns);
        }
    }
    return 0;
}

void bench_begin(struct bench *bench)
{
    bench->start_ns = bench->next_ns = bench_now_ns();
    bench->measure_ns = bench->start_ns + bench->plan.warm_ms * NS_PER_MS;
    bench->end_ns = bench->measure_ns + bench->plan.duration_ms * NS_PER_MS;
    bench->last_ns = bench->measure_ns;
    cli_catch_signals();
}

bool bench_sends_more(const struct bench *bench)
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
    broker_s = bench->watched == 0 ? 0 : bench_cpu_s(bench->watched);
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

void bench_loop(struct bench *bench, const char *doing, bool (*until_read)(const struct bench *bench))
{
    struct cli_progress progress;
    struct run_cpu      cpu = {0};
    int64_t             live_ns = bench->start_ns;
    int64_t             patience_ns = cli_timeout_ms(bench->cli) * NS_PER_MS;

    cli_progress_init(&progress, bench->plan.progress);
    while (bench_sends_more(bench) || (bench_waiting(bench) > 0 && !bench->cut) ||
           (until_read != NULL && !until_read(bench))) {
        int64_t now_ns = bench_now_ns();
        int64_t due_ns;

        run_cpu_look(bench, &cpu, now_ns, false);
        if (cli_stop_asked != 0) { /* what has been measured until now */
            bench->end_ns = MIN(bench->end_ns, now_ns);
            bench->next_ns = MAX(bench->next_ns, bench->end_ns);
        }
        if (now_ns > (bench->producer_count == 0 ? bench->last_ns : MAX(bench->end_ns, bench->last_ns)) + patience_ns) {
            run_give_up(bench);
            break;
        }
        due_ns = bench_sends_more(bench) ? run_pace(bench) : now_ns + NS_PER_MS;
        if (bench->cut && now_ns >= bench->end_ns - RUN_CUT_NS) {
            break; /* right behind a send */
        }
        bench_turn(bench, due_ns);
        run_live(bench, &progress, &live_ns, doing);
        if (until_read != NULL && cli_stop_asked != 0 && bench_waiting(bench) == 0) {
            break;
        }
    }
    run_cpu_look(bench, &cpu, bench_now_ns(), true);
    cli_progress_end(&progress);
}

/* Each connection is a producer of its own. */
static void run_identify(struct bench *bench)
{
    for (int32_t c = 0; c < bench->producer_count; c++) {
        struct kp_init_producer_id_request *request =
            CLI_NEW(bench->cli, kp_init_producer_id_request, kp_init_producer_id_request_init);
        const struct kp_init_producer_id_response *response;

        request->transactional_id = (struct view){0};
        request->transaction_timeout_ms = INT32_MAX;
        request->producer_id = -1;
        request->producer_epoch = -1;
        do {
            response = cli_call(bench->cli, bench->conns[c].node, KP_INIT_PRODUCER_ID_KEY, request);
        } while (cli_again(bench->cli, response->error_code));
        if (response->error_code != 0) {
            cli_die_kafka(bench->cli, response->error_code, (struct view){0}, "cannot get a producer id");
        }
        for (int32_t i = 0; i < bench->conns[c].place_count; i++) {
            bench->conns[c].places[i]->producer_id = response->producer_id;
            bench->conns[c].places[i]->producer_epoch = response->producer_epoch;
        }
    }
}

void bench_producers_open(struct bench *bench, int32_t more)
{
    bench->conns = cli_alloc_array(bench->cli, (size_t)(bench->plan.connections + bench->place_count + more),
                                   sizeof(*bench->conns));
    bench->producer_count = bench->conn_count =
        bench_connect(bench, bench->places, 0, bench->plan.connections, KP_PRODUCE_KEY, run_produce_answered);
    for (int32_t c = 0; c < bench->producer_count; c++) {
        for (int32_t i = 0; i < bench->conns[c].place_count; i++) {
            bench->conns[c].places[i]->producer = c;
        }
    }
    if (bench->plan.idempotent) {
        run_identify(bench);
    }
    if (bench->plan.skew > 0) {
        bench_keys_weigh(bench);
    }
}

void bench_run_produce(struct bench *bench)
{
    bench_producers_open(bench, 0);
    bench_begin(bench);
    bench_loop(bench, "producing", NULL);
}
