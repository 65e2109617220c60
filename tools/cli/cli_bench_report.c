/* cli_bench_report.c: what is printed at the end of a run. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

#include <errno.h>

#define BENCH_BUSY      0.85 /* of one core: then this program may be what holds things up */
#define BENCH_BEHIND    20   /* of the measured time, one part of so many */
#define BENCH_BEHIND_NS (200 * NS_PER_MS)

static void report_times(struct cli_section *section, const char *what, const struct cli_histogram *histogram)
{
    static const struct {
        const char *name;
        double      share;
    } rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}, {"max", 1}};

    cli_row(section);
    cli_put_text(section, "time", what);
    cli_put_number(section, "count", (int64_t)histogram->total);
    cli_put_number(section, "mean_us", (int64_t)(cli_histogram_mean_ns(histogram) / 1000));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static char names[COUNT_OF(rows)][16];

        (void)snprintf(names[i], sizeof(names[i]), "%s_us", rows[i].name);
        cli_put_number(section, names[i], cli_histogram_at(histogram, rows[i].share) / 1000);
    }
}

/* The broker, or this program, did not keep up with the rate: answers came long after the last request was due. */
static bool report_behind(const struct bench *bench)
{
    int64_t late_ns = bench->last_ns - bench->end_ns;

    return late_ns > MAX((bench->end_ns - bench->measure_ns) / BENCH_BEHIND, BENCH_BEHIND_NS);
}

/* What was due in the measured time counts, so the time is longer when that took longer. */
double bench_seconds(const struct bench *bench)
{
    bool    open_loop = bench->plan.requests_per_s > 0;
    int64_t end_ns = open_loop && report_behind(bench) ? bench->last_ns : bench->end_ns;

    return (double)MAX(end_ns - bench->measure_ns, INT64_C(1)) / 1e9;
}

/* Who held things up, as far as this side can tell. */
const char *bench_limited_by(const struct bench *bench)
{
    if (bench->plan.requests_per_s > 0 && !report_behind(bench)) {
        return "rate"; /* as was asked */
    }
    return bench->own_cpu_s / bench_seconds(bench) >= BENCH_BUSY ? "generator" : "broker";
}

int64_t bench_cpu_ms_per_gib(const struct bench *bench)
{
    return bench->counts.bytes == 0 ? 0
                                    : (int64_t)(1000 * bench->broker_cpu_s * (double)GIB / (double)bench->counts.bytes);
}

static void report_counts(struct bench *bench, int32_t conn_count, double seconds)
{
    struct cli_section        *section = cli_record(bench->cli, "run");
    const struct bench_counts *counts = &bench->counts;
    const char                *limit = bench_limited_by(bench);

    cli_put_text(section, "topic", bench->plan.topic);
    cli_put_number(section, "partitions", bench->place_count);
    cli_put_number(section, "connections", conn_count);
    if (bench->mode != BENCH_CONSUME) {
        cli_put_number(section, "in_flight", bench->plan.in_flight);
        cli_put_number(section, "acks", bench->plan.acks);
        cli_put_text(section, "codec", rec_codec_name(bench->plan.codec));
        cli_put_bool(section, "idempotent", bench->plan.idempotent);
        cli_put_number(section, "asked_requests_per_s", (int64_t)bench->plan.requests_per_s);
    }
    cli_put_duration(section, "measured", (int64_t)(seconds * 1000));
    cli_put_number(section, "requests", (int64_t)counts->requests);
    cli_put_number(section, "records", (int64_t)counts->records);
    cli_put_bytes(section, "bytes", (int64_t)counts->bytes);
    cli_put_bytes(section, "bytes_per_s", (int64_t)((double)counts->bytes / seconds));
    cli_put_number(section, "records_per_s", (int64_t)((double)counts->records / seconds));
    cli_put_number(section, "requests_per_s", (int64_t)((double)counts->requests / seconds));
    cli_put_number(section, "errors", (int64_t)counts->errors);
    cli_put_error(section, "first_error", counts->errors > 0 ? kp_error_name(bench->first_error) : NULL, "-");
    if (bench->mode != BENCH_CONSUME) {
        cli_put_number(section, "sent_late", (int64_t)bench->late);
    }
    cli_put_number(section, "own_cpu_percent", (int64_t)(100 * bench->own_cpu_s / seconds));
    if (bench->watched != 0) {
        cli_put_number(section, "broker_cpu_percent", (int64_t)(100 * bench->broker_cpu_s / seconds));
        cli_put_number(section, "broker_cpu_ms_per_gib", bench_cpu_ms_per_gib(bench));
    }
    cli_put_text(section, "limited_by", limit);
    if (strcmp(limit, "generator") == 0) {
        cli_say(bench->cli, "this program used %.0f %% of one core: it, not the broker, may be the limit",
                100 * bench->own_cpu_s / seconds);
    }
}

/* What consumers got while producers sent, and how much later than the last answer they had everything. */
static void report_read(struct bench *bench, double seconds)
{
    struct cli_section *section = cli_record(bench->cli, "read");

    cli_put_number(section, "records", (int64_t)bench->read.records);
    cli_put_bytes(section, "bytes", (int64_t)bench->read.bytes);
    cli_put_bytes(section, "bytes_per_s", (int64_t)((double)bench->read_measured.bytes / seconds));
    cli_put_number(section, "records_per_s", (int64_t)((double)bench->read_measured.records / seconds));
    cli_put_number(section, "behind_ms", MAX(bench->last_read_ns - bench->last_ns, INT64_C(0)) / NS_PER_MS);
    cli_put_bytes(section, "reread_bytes_per_s", (int64_t)((double)bench->reread.bytes / seconds));
}

static void report_check(struct bench *bench, const struct bench_check *check)
{
    struct cli_section *section = cli_record(bench->cli, "verified");

    cli_put_bool(section, "good", check->good);
    cli_put_text(section, "checked", check->compared ? "content, order, count, CRC" : "count, offsets, CRC");
    cli_put_number(section, "batches", (int64_t)check->batches);
    cli_put_number(section, "records", (int64_t)check->records);
    cli_put_bytes(section, "bytes", (int64_t)check->bytes);
    cli_put_number(section, "damaged", (int64_t)check->damaged);
    cli_put_number(section, "gaps", (int64_t)check->gaps);
    cli_put_number(section, "strange", (int64_t)check->strange);
    cli_put_number(section, "missing", (int64_t)check->missing);
    if (!check->good) {
        cli_fail(bench->cli, CLI_DAMAGED, "what is there is not what was acknowledged");
    }
}

static void report_percentiles(struct bench *bench, const struct cli_histogram *histogram)
{
    const char *path = cli_option(bench->cli, "percentiles");
    FILE       *to = path == NULL ? NULL : fopen(path, "w");

    if (path == NULL) {
        return;
    }
    if (to == NULL) {
        cli_fail(bench->cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
        return;
    }
    cli_histogram_print(histogram, to);
    if (fclose(to) != 0) {
        cli_fail(bench->cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    }
}

void bench_report(struct bench *bench, int32_t conn_count, const struct bench_check *check)
{
    double              seconds = bench_seconds(bench);
    struct cli_section *times;

    report_counts(bench, conn_count, seconds);
    times = cli_table(bench->cli, "latency", NULL);
    report_times(times,
                 bench->mode == BENCH_CONSUME ? "fetch"
                 : bench->plan.acks == 0      ? "sent"
                                              : "acknowledged",
                 bench->latency);
    if (bench->mode == BENCH_LATENCY) {
        report_times(times, "read", bench->way);
    }
    if (bench->mode == BENCH_MIXED) {
        report_read(bench, seconds);
    }
    if (check != NULL) {
        report_check(bench, check);
    }
    report_percentiles(bench, bench->mode == BENCH_LATENCY ? bench->way : bench->latency);
    bench_plot_write(bench);
    if (bench->counts.errors > 0) {
        cli_fail(bench->cli, CLI_REFUSED, "%llu requests were refused, the first one with %s",
                 (unsigned long long)bench->counts.errors, kp_error_name(bench->first_error));
    } else if (bench->counts.requests == 0) {
        cli_fail(bench->cli, CLI_FAILED, "nothing was measured");
    } else if (bench->cli->failed == 0) {
        bench->cli->good++;
    }
}
