/* cli_bench_kill.c: millrace bench recovery: a broker of its own is killed with requests on their way and started
 * again.
 *
 * Each partition has got its batches in turn, so what stands there afterwards must be a beginning of what was sent: all
 * that was acknowledged, perhaps some of what was not, and nothing else. */
#include "tools/cli/cli_bench.h"

/* What had no answer may be there or not. */
static void kill_cut(struct bench *bench)
{
    for (int32_t c = 0; c < bench->conn_count; c++) {
        const struct bench_conn *conn = &bench->conns[c];

        for (uint32_t i = 0; i < conn->flight_count; i++) {
            bench->places[conn->flights[(conn->flight_first + i) % BENCH_IN_FLIGHT_MAX].place].cut = true;
        }
    }
}

/* Every partition says where it ends. */
static void kill_wait_ready(struct bench *bench)
{
    size_t            count = 0;
    struct cli_place *ends;

    bench_client_anew(bench);
    cli_deadline_begin(bench->cli);
    bench_topic_look(bench);
    ends = cli_places(bench->cli, &bench->plan.topic, 1, NULL, &count);
    for (size_t i = 0; i < count; i++) {
        ends[i].asked = CLI_ASK_LATEST;
    }
    cli_ask_offsets(bench->cli, ends, count, false);
    for (size_t i = 0; i < count; i++) {
        if (ends[i].error != 0) {
            cli_die_kafka(bench->cli, ends[i].error, (struct view){0}, "a partition did not come back");
        }
    }
}

static void kill_report(struct bench *bench, uint64_t in_flight, int64_t answers_ns, int64_t ready_ns)
{
    struct cli_section *section = cli_record(bench->cli, "recovery");
    int64_t             stored = 0;

    for (int32_t i = 0; i < bench->place_count; i++) {
        stored += (int64_t)bench->places[i].acked_records;
    }
    cli_put_number(section, "in_flight_when_killed", (int64_t)in_flight);
    cli_put_number(section, "records_acknowledged", stored);
    cli_put_number(section, "answers_ms", answers_ns / NS_PER_MS);
    cli_put_number(section, "ready_ms", ready_ns / NS_PER_MS);
}

int bench_recovery_run(struct cli *cli)
{
    struct bench      *bench = bench_new(cli, BENCH_RECOVERY);
    struct bench_check check;
    int32_t            conn_count;
    uint32_t           in_flight;
    int64_t            begin_ns, answers_ns, ready_ns;

    bench_start(bench);
    bench_start_topic(bench);
    bench->cut = true;
    bench_run_produce(bench);
    bench_self_kill(bench);
    in_flight = bench_waiting(bench);
    conn_count = bench->conn_count;
    kill_cut(bench);
    bench_conns_close(bench);
    begin_ns = bench_now_ns();
    bench_self_again(bench);
    answers_ns = bench_now_ns() - begin_ns;
    kill_wait_ready(bench);
    ready_ns = bench_now_ns() - begin_ns;
    cli_stop_asked = 0;
    bench_check(bench, &check);
    kill_report(bench, in_flight, answers_ns, ready_ns);
    bench_report(bench, conn_count, &check);
    return bench_end(bench);
}
