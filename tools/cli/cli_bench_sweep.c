/* cli_bench_sweep.c: millrace bench partitions and connections: the same load again and again, with more of something
 * else each time; one row for each. */
#include "tools/cli/cli_bench.h"

#include <stdio.h>
#include <sys/resource.h>

#define SWEEP_COUNTS_MAX 64
#define SWEEP_FILES      64 /* beside idle connections */

struct sweep {
    struct bench       *bench;
    struct cli_section *table;
    int32_t             counts[SWEEP_COUNTS_MAX];
    int                 count;
    struct cli_socket  *idle;
    int32_t             idle_count;
};

static void sweep_count(void *context, int64_t value)
{
    struct sweep *sweep = context;

    if (sweep->count == SWEEP_COUNTS_MAX) {
        cli_die(sweep->bench->cli, CLI_USAGE, "--counts are %d at most", SWEEP_COUNTS_MAX);
    }
    sweep->counts[sweep->count++] = (int32_t)value;
}

static void sweep_begin(struct sweep *sweep, struct cli *cli, enum bench_mode mode, const char *counts)
{
    const char *text = cli_option(cli, "counts");

    *sweep = (struct sweep){.bench = bench_new(cli, mode)};
    if (!cli_parse_ranges(text == NULL ? counts : text, 100000, sweep_count, sweep)) {
        cli_die(cli, CLI_USAGE, "--counts '%s' are no numbers up to 100000, as 1,10,100", text);
    }
    bench_start(sweep->bench);
    sweep->table = cli_table(cli, mode == BENCH_PARTITIONS ? "partitions" : "connections", NULL);
}

/* One run on a topic of its own. */
static void sweep_run(struct sweep *sweep, const char *name, int32_t count)
{
    struct bench *bench = sweep->bench;

    bench->counts = bench->live_counts = (struct bench_counts){0};
    cli_histogram_reset(bench->latency);
    cli_histogram_reset(bench->live);
    bench->late = 0;
    cli_deadline_begin(bench->cli);
    bench_client_anew(bench); /* knows nothing of a topic that was there before */
    bench_start_topic(bench);
    bench_run_produce(bench);
    cli_row(sweep->table);
    cli_put_number(sweep->table, name, count);
    cli_put_bytes(sweep->table, "bytes_per_s", (int64_t)((double)bench->counts.bytes / bench_seconds(bench)));
    cli_put_number(sweep->table, "requests_per_s", (int64_t)((double)bench->counts.requests / bench_seconds(bench)));
    cli_put_number(sweep->table, "errors", (int64_t)bench->counts.errors);
    cli_put_number(sweep->table, "p50_us", cli_histogram_at(bench->latency, 0.5) / 1000);
    cli_put_number(sweep->table, "p99_us", cli_histogram_at(bench->latency, 0.99) / 1000);
    cli_put_number(sweep->table, "p999_us", cli_histogram_at(bench->latency, 0.999) / 1000);
    cli_put_number(sweep->table, "broker_cpu_ms_per_gib", bench->watched == 0 ? 0 : bench_cpu_ms_per_gib(bench));
    cli_put_bytes(sweep->table, "broker_memory", bench->watched == 0 ? 0 : bench_rss_bytes(bench->watched));
    cli_put_text(sweep->table, "limited_by", bench_limited_by(bench));
    bench->cli->good += bench->counts.errors == 0;
    if (bench->counts.errors > 0) {
        cli_fail(bench->cli, CLI_REFUSED, "%s %d: %llu requests were refused", name, count,
                 (unsigned long long)bench->counts.errors);
    }
    bench_conns_close(bench);
    if (!cli_flag(bench->cli, "keep")) {
        bench_topic_delete(bench);
    }
}

int bench_partitions_run(struct cli *cli)
{
    struct sweep sweep;

    sweep_begin(&sweep, cli, BENCH_PARTITIONS, "10,100,1000,10000");
    for (int i = 0; i < sweep.count && cli_stop_asked == 0; i++) {
        sweep.bench->plan.partitions = MAX(sweep.counts[i], 1);
        sweep.bench->plan.topic = cli_format(cli, "%s-%d", BENCH_TOPIC, sweep.counts[i]);
        sweep_run(&sweep, "partitions", sweep.counts[i]);
    }
    return bench_end(sweep.bench);
}

/* --- connections that do nothing --------------------------------------------------------------------------------- */

static void idle_room(struct sweep *sweep, int32_t most)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)most + SWEEP_FILES) {
        limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)most + SWEEP_FILES);
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < (rlim_t)most + SWEEP_FILES) {
            cli_die(sweep->bench->cli, CLI_FAILED, "%d connections need more open files: ulimit -n %d", most,
                    most + SWEEP_FILES);
        }
    }
    sweep->idle = cli_alloc_array(sweep->bench->cli, (size_t)most + 1, sizeof(*sweep->idle));
}

/* Up to `count` of them, over all brokers; how long one took and what it costs the broker. */
static void idle_grow(struct sweep *sweep, int32_t count, int64_t *out_us, int64_t *out_bytes)
{
    struct bench          *bench = sweep->bench;
    int32_t                node_count = 0, before = sweep->idle_count;
    const struct cli_node *nodes = cli_nodes(bench->cli, &node_count);
    int64_t                bytes = bench->watched == 0 ? 0 : bench_rss_bytes(bench->watched);
    int64_t                begin_ns = bench_now_ns();
    struct arena           arena;

    arena_init(&arena, MEM_CLI, 64 * KIB, 4 * MIB);
    while (sweep->idle_count < count) {
        const struct cli_node *node = &nodes[sweep->idle_count % node_count];
        const char            *why = NULL;

        if (!bench_hello(bench->cli, &sweep->idle[sweep->idle_count], node->host, node->port, &arena, &why)) {
            cli_die(bench->cli, CLI_UNREACHABLE, "connection %d cannot be made: %s", sweep->idle_count, why);
        }
        sweep->idle_count++;
    }
    arena_deinit(&arena);
    *out_us = sweep->idle_count == before ? 0 : (bench_now_ns() - begin_ns) / 1000 / (sweep->idle_count - before);
    *out_bytes = sweep->idle_count == before || bench->watched == 0
                     ? 0
                     : MAX(bench_rss_bytes(bench->watched) - bytes, INT64_C(0)) / (sweep->idle_count - before);
}

int bench_connections_run(struct cli *cli)
{
    struct sweep sweep;
    int32_t      most = 0;

    sweep_begin(&sweep, cli, BENCH_CONNECTIONS, "0,100,1000");
    for (int i = 0; i < sweep.count; i++) {
        most = MAX(most, sweep.counts[i]);
    }
    idle_room(&sweep, most);
    for (int i = 0; i < sweep.count && cli_stop_asked == 0; i++) {
        int64_t us, bytes;

        idle_grow(&sweep, sweep.counts[i], &us, &bytes);
        sweep_run(&sweep, "connections", sweep.counts[i]);
        cli_put_number(sweep.table, "connect_us", us);
        cli_put_bytes(sweep.table, "bytes_per_connection", bytes);
    }
    for (int32_t i = 0; i < sweep.idle_count; i++) {
        cli_net_close(&sweep.idle[i]);
    }
    return bench_end(sweep.bench);
}
