/* cli_bench_plan.c: options, and presets named after the OpenMessaging benchmark's workloads. */
#include "tools/cli/cli_bench.h"

#include <stdlib.h>

#define PLAN_PARTITIONS      16
#define PLAN_CONNECTIONS     4
#define PLAN_IN_FLIGHT       5
#define PLAN_BATCH_BYTES     INT64_C(65536)
#define PLAN_RECORD_BYTES    INT64_C(1024)
#define PLAN_STAMPED_BYTES   INT64_C(100)
#define PLAN_STAMPED_RATE    1000
#define PLAN_FETCH_BYTES     INT64_C(1048576)
#define PLAN_BATCH_BYTES_MAX INT64_C(16777216)
#define PLAN_DURATION_MS     10000
#define PLAN_WARM_MS         2000
#define PRESET_RATE          50000 /* records a second, where the workload's name has no rate */
#define PRESET_LINGER_PER_S  1000  /* that benchmark's clients send after 1 ms */

static int64_t plan_size(struct cli *cli, const char *name, int64_t otherwise, int64_t max)
{
    const char *text = cli_option(cli, name);
    int64_t     bytes = otherwise;

    if (text != NULL && (!cli_parse_size(text, &bytes) || bytes < 1 || bytes > max)) {
        cli_die(cli, CLI_USAGE, "--%s '%s' is no size from 1 to %lld bytes, as 100, 64K or 1M", name, text,
                (long long)max);
    }
    return bytes;
}

static int32_t plan_count(struct cli *cli, const char *name, int64_t otherwise, int64_t max)
{
    int64_t count = cli_number(cli, name, otherwise);

    if (count < 1 || count > max) {
        cli_die(cli, CLI_USAGE, "--%s is 1 to %lld", name, (long long)max);
    }
    return (int32_t)count;
}

static int16_t plan_acks(struct cli *cli)
{
    const char *acks = cli_option(cli, "acks");

    return acks == NULL || strcmp(acks, "all") == 0 ? -1 : (int16_t)(acks[0] - '0');
}

/* --- presets ----------------------------------------------------------------------------------------------------- */

struct preset {
    int64_t partitions, record_bytes, producers, consumers;
    double  records_per_s; /* 0: as many as it takes */
};

/* "16-partitions", "4p", "500k", "1kb" and so on: a part of a workload's name; how long it is, 0 when it is none. */
static size_t preset_part(const char *text, struct preset *preset)
{
    static const char *const units[] = {"-partitions", "-partition", "kb", "b", "p", "c", "k", "-topic"};
    char                    *end = NULL;
    long long                value = strtoll(text, &end, 10);

    for (size_t i = 0; end != text && value > 0 && value <= 100000 && i < COUNT_OF(units); i++) {
        size_t len = strlen(units[i]);

        if (strncmp(end, units[i], len) != 0 || (end[len] != '-' && end[len] != '\0')) {
            continue;
        }
        preset->partitions = i <= 1 ? value : preset->partitions;
        preset->record_bytes = i == 2 ? value * 1024 : i == 3 ? value : preset->record_bytes;
        preset->producers = i == 4 ? value : preset->producers;
        preset->consumers = i == 5 ? value : preset->consumers;
        preset->records_per_s = i == 6 ? (double)value * 1000 : preset->records_per_s;
        return i == 7 && value != 1 ? 0 : (size_t)(end - text) + len;
    }
    return 0;
}

/* "1-topic-16-partitions-1kb", "1-topic-100-partitions-1kb-4p-4c-500k", "max-rate-1-topic-10-partitions-10p-10c-100b"
 */
static bool preset_parse(const char *name, struct preset *out_preset)
{
    bool        fastest = strncmp(name, "max-rate-", 9) == 0;
    const char *at = fastest ? name + 9 : name;

    *out_preset = (struct preset){.producers = 1, .consumers = 1, .records_per_s = PRESET_RATE};
    if (strncmp(at, "1-topic-", 8) != 0) {
        return false;
    }
    while (*at != '\0') {
        size_t len = preset_part(at, out_preset);

        if (len == 0) {
            return false;
        }
        at += len;
        at += *at == '-';
    }
    out_preset->records_per_s = fastest ? 0 : out_preset->records_per_s;
    return out_preset->partitions > 0 && out_preset->record_bytes > 0;
}

static struct preset plan_preset(const struct bench *bench)
{
    const char   *name = cli_option(bench->cli, "preset");
    struct preset preset = {.partitions = PLAN_PARTITIONS,
                            .record_bytes = PLAN_RECORD_BYTES,
                            .producers = PLAN_CONNECTIONS,
                            .consumers = PLAN_CONNECTIONS};

    if (bench->mode == BENCH_LATENCY) {
        return (struct preset){.partitions = 1, .record_bytes = PLAN_STAMPED_BYTES, .producers = 1};
    }
    if (name != NULL && !preset_parse(name, &preset)) {
        cli_die(bench->cli, CLI_USAGE,
                "--preset '%s' is no workload of one topic, as 1-topic-16-partitions-1kb, "
                "1-topic-100-partitions-1kb-4p-4c-500k or max-rate-1-topic-10-partitions-10p-10c-100b",
                name);
    }
    return preset;
}

/* What gathers in a client in the millisecond it waits. */
static int64_t plan_preset_batch(const struct preset *preset)
{
    int64_t records = (int64_t)(preset->records_per_s / (double)preset->producers / PRESET_LINGER_PER_S);

    return preset->records_per_s <= 0
               ? PLAN_BATCH_BYTES
               : MIN(MAX(records, INT64_C(1)) * (preset->record_bytes + 8) + REC_HEADER_BYTES + 24, (int64_t)MIB);
}

/* --- the plan ---------------------------------------------------------------------------------------------------- */

static double plan_skew(struct cli *cli)
{
    const char *text = cli_option(cli, "skew");
    char       *end = NULL;
    double      skew = 0;

    if (text == NULL || strcmp(text, "even") == 0) {
        return 0;
    }
    if (strncmp(text, "zipf:", 5) == 0) {
        skew = strtod(text + 5, &end);
    }
    if (end == NULL || *end != '\0' || skew <= 0 || skew > 10) {
        cli_die(cli, CLI_USAGE, "--skew '%s' is neither even nor zipf:S with S above 0, as zipf:0.99", text);
    }
    if (cli_number(cli, "keys", 0) == 0) {
        cli_die(cli, CLI_USAGE, "--skew says how often keys come: it goes with --keys");
    }
    return skew;
}

static void plan_records(struct bench *bench, const struct preset *preset)
{
    struct cli        *cli = bench->cli;
    struct bench_plan *plan = &bench->plan;
    const char        *codec = cli_option(cli, "codec");

    plan->record_bytes = (size_t)plan_size(cli, "record-size", preset->record_bytes, PLAN_BATCH_BYTES_MAX);
    plan->batch_bytes = (size_t)plan_size(
        cli, "batch-size", cli_option(cli, "preset") != NULL ? plan_preset_batch(preset) : PLAN_BATCH_BYTES,
        PLAN_BATCH_BYTES_MAX);
    plan->keys = cli_number(cli, "keys", 0);
    plan->skew = plan_skew(cli);
    plan->codec = REC_NONE;
    for (int i = 0; i < REC_CODEC_COUNT; i++) {
        plan->codec =
            codec != NULL && strcmp(codec, rec_codec_name((enum rec_codec)i)) == 0 ? (enum rec_codec)i : plan->codec;
    }
}

static void plan_producers(struct bench *bench, const struct preset *preset)
{
    struct cli        *cli = bench->cli;
    struct bench_plan *plan = &bench->plan;

    plan->partitions = plan_count(cli, "partitions", preset->partitions, 100000);
    plan->in_flight = plan_count(cli, "in-flight", PLAN_IN_FLIGHT, BENCH_IN_FLIGHT_MAX);
    plan->acks = plan_acks(cli);
    plan->fresh = cli_flag(cli, "fresh");
    plan->stamped = bench->mode == BENCH_LATENCY;
    plan->poisson = cli_option(cli, "arrivals") == NULL || strcmp(cli_option(cli, "arrivals"), "poisson") == 0;
    plan->idempotent = cli_flag(cli, "idempotent");
    plan->records_per_s =
        cli_option(cli, "rate") == NULL && cli_option(cli, "preset") != NULL ? preset->records_per_s : 0;
    if (plan->idempotent && plan->acks != -1) {
        cli_die(cli, CLI_USAGE, "--idempotent goes with --acks all only");
    }
    if (bench->mode == BENCH_MIXED) {
        plan->consumers = plan_count(cli, "consumers", preset->consumers, 4096);
        plan->rereaders = (int32_t)MIN(cli_number(cli, "rereaders", 0), 64);
    }
}

void bench_plan_fill(struct bench *bench)
{
    struct cli        *cli = bench->cli;
    struct bench_plan *plan = &bench->plan;
    struct preset      preset = plan_preset(bench);

    plan->topic = cli_operand_count(cli) > 0 ? cli_operand(cli, 0) : BENCH_TOPIC;
    plan->connections = plan_count(cli, "connections", preset.producers, 4096);
    plan->duration_ms = MAX(cli_duration_ms(cli, "duration", PLAN_DURATION_MS), 1);
    plan->warm_ms = cli_duration_ms(cli, "warm-up", PLAN_WARM_MS);
    plan->verify = cli_flag(cli, "verify");
    plan->progress = !cli_flag(cli, "quiet");
    plan->fetch_bytes = (size_t)plan_size(cli, "fetch-size", PLAN_FETCH_BYTES, (int64_t)(64 * MIB));
    plan->passes = bench->mode == BENCH_CONSUME ? plan_count(cli, "passes", 1, 1000000) : 1;
    bench->watched = (pid_t)cli_number(cli, "broker-pid", 0);
    if (bench->mode != BENCH_CONSUME) {
        plan_records(bench, &preset);
        plan_producers(bench, &preset);
    }
}

void bench_plan_rate(struct bench *bench)
{
    const char *rate = cli_option(bench->cli, "rate");
    double      batch_bytes = 0, batch_records = 0;

    for (int i = 0; i < BENCH_SLOTS; i++) {
        batch_bytes += (double)bench->slots[i].len / BENCH_SLOTS;
        batch_records += (double)bench->slot_records[i] / BENCH_SLOTS;
    }
    if (bench->mode == BENCH_LATENCY) {
        bench->plan.requests_per_s = (double)plan_count(bench->cli, "rate", PLAN_STAMPED_RATE, 10000000);
    } else if (rate != NULL) {
        bench->plan.requests_per_s = (double)plan_size(bench->cli, "rate", 0, INT64_C(1) << 40) / batch_bytes;
    } else {
        bench->plan.requests_per_s = bench->plan.records_per_s / batch_records;
    }
}
