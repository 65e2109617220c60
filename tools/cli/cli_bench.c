/* cli_bench.c: millrace bench produce|consume|latency: options, the topic, the report. */
#include "tools/cli/cli_bench.h"

#include "core/proto/kp_error.h"

#include <errno.h>
#include <stdlib.h>

#define BENCH_TOPIC           "millrace-bench"
#define BENCH_VERSION_MAX     12 /* of Produce and Fetch: topics by name */
#define BENCH_PARTITIONS      16
#define BENCH_CONNECTIONS     4
#define BENCH_IN_FLIGHT       5
#define BENCH_BATCH_BYTES     INT64_C(65536)
#define BENCH_RECORD_BYTES    INT64_C(1024)
#define BENCH_STAMPED_BYTES   INT64_C(100)
#define BENCH_STAMPED_RATE    1000
#define BENCH_FETCH_BYTES     INT64_C(1048576)
#define BENCH_BATCH_BYTES_MAX INT64_C(16777216)
#define BENCH_DURATION_MS     10000
#define BENCH_WARM_MS         2000
#define BENCH_BUSY            0.85 /* of one core: then this program may be what holds things up */
#define BENCH_BEHIND          20   /* of the measured time, one part of so many */
#define BENCH_BEHIND_NS       (200 * NS_PER_MS)

enum bench_mode { BENCH_PRODUCE, BENCH_CONSUME, BENCH_LATENCY };

/* --- options ----------------------------------------------------------------------------------------------------- */

static int64_t bench_size(struct cli *cli, const char *name, int64_t otherwise, int64_t max)
{
    const char *text = cli_option(cli, name);
    int64_t     bytes = otherwise;

    if (text != NULL && (!cli_parse_size(text, &bytes) || bytes < 1 || bytes > max)) {
        cli_die(cli, CLI_USAGE, "--%s '%s' is no size from 1 to %lld bytes, as 100, 64K or 1M", name, text,
                (long long)max);
    }
    return bytes;
}

static int32_t bench_count(struct cli *cli, const char *name, int64_t otherwise, int64_t max)
{
    int64_t count = cli_number(cli, name, otherwise);

    if (count < 1 || count > max) {
        cli_die(cli, CLI_USAGE, "--%s is 1 to %lld", name, (long long)max);
    }
    return (int32_t)count;
}

static int16_t bench_acks(struct cli *cli)
{
    const char *acks = cli_option(cli, "acks");

    return acks == NULL || strcmp(acks, "all") == 0 ? -1 : (int16_t)(acks[0] - '0');
}

static void bench_plan_fill(struct bench *bench, enum bench_mode mode)
{
    struct cli        *cli = bench->cli;
    struct bench_plan *plan = &bench->plan;
    const char        *codec = cli_option(cli, "codec");

    plan->topic = cli_operand_count(cli) > 0 ? cli_operand(cli, 0) : BENCH_TOPIC;
    plan->connections = bench_count(cli, "connections", mode == BENCH_LATENCY ? 1 : BENCH_CONNECTIONS, 4096);
    plan->duration_ms = MAX(cli_duration_ms(cli, "duration", BENCH_DURATION_MS), 1);
    plan->warm_ms = cli_duration_ms(cli, "warm-up", BENCH_WARM_MS);
    plan->verify = cli_flag(cli, "verify");
    plan->progress = !cli_flag(cli, "quiet");
    plan->fetch_bytes = (size_t)bench_size(cli, "fetch-size", BENCH_FETCH_BYTES, (int64_t)(64 * MIB));
    if (mode == BENCH_CONSUME) {
        return;
    }
    plan->partitions = bench_count(cli, "partitions", mode == BENCH_LATENCY ? 1 : BENCH_PARTITIONS, 100000);
    plan->in_flight = bench_count(cli, "in-flight", BENCH_IN_FLIGHT, BENCH_IN_FLIGHT_MAX);
    plan->record_bytes = (size_t)bench_size(
        cli, "record-size", mode == BENCH_LATENCY ? BENCH_STAMPED_BYTES : BENCH_RECORD_BYTES, BENCH_BATCH_BYTES_MAX);
    plan->batch_bytes = (size_t)bench_size(cli, "batch-size", BENCH_BATCH_BYTES, BENCH_BATCH_BYTES_MAX);
    plan->keys = cli_number(cli, "keys", 0);
    plan->acks = bench_acks(cli);
    plan->fresh = cli_flag(cli, "fresh");
    plan->stamped = mode == BENCH_LATENCY;
    plan->poisson = cli_option(cli, "arrivals") == NULL || strcmp(cli_option(cli, "arrivals"), "poisson") == 0;
    plan->codec = REC_NONE;
    for (int i = 0; i < REC_CODEC_COUNT; i++) {
        plan->codec =
            codec != NULL && strcmp(codec, rec_codec_name((enum rec_codec)i)) == 0 ? (enum rec_codec)i : plan->codec;
    }
}

/* Requests a second, when a rate was asked for; the batches are made. */
static void bench_rate(struct bench *bench, enum bench_mode mode)
{
    const char *rate = cli_option(bench->cli, "rate");
    double      batch_bytes = 0;

    if (mode == BENCH_LATENCY) {
        bench->plan.requests_per_s = (double)bench_count(bench->cli, "rate", BENCH_STAMPED_RATE, 10000000);
    } else if (rate != NULL) {
        for (int i = 0; i < BENCH_SLOTS; i++) {
            batch_bytes += (double)bench->slots[i].len / BENCH_SLOTS;
        }
        bench->plan.requests_per_s = (double)bench_size(bench->cli, "rate", 0, INT64_C(1) << 40) / batch_bytes;
    }
}

/* --- the topic --------------------------------------------------------------------------------------------------- */

static void bench_topic_make(struct bench *bench)
{
    struct cli                      *cli = bench->cli;
    struct kp_create_topics_request *request = CLI_NEW(cli, kp_create_topics_request, kp_create_topics_request_init);
    struct kp_create_topics_request_topics *topic =
        CLI_NEW(cli, kp_create_topics_request_topics, kp_create_topics_request_topics_init);
    const struct kp_create_topics_response         *response;
    struct kp_create_topics_request_topics_configs *configs;
    int                                             count = 0;
    int16_t                                         code;

    while (cli_option_at(cli, "config", count) != NULL) {
        count++;
    }
    configs = cli_alloc_array(cli, (size_t)count + 1, sizeof(*configs));
    for (int i = 0; i < count; i++) {
        kp_create_topics_request_topics_configs_init(&configs[i]);
        cli_split_setting(cli, cli_option_at(cli, "config", i), &configs[i].name, &configs[i].value);
    }
    topic->name = view_text(bench->plan.topic);
    topic->num_partitions = bench->plan.partitions;
    topic->replication_factor = -1;
    topic->configs = configs;
    topic->configs_count = count;
    request->topics = topic;
    request->topics_count = 1;
    request->timeout_ms = cli_time_left_ms(cli);
    do {
        response = cli_call(cli, cli_controller(cli), KP_CREATE_TOPICS_KEY, request);
        code = response->topics_count == 1 ? response->topics[0].error_code : (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR;
    } while (cli_again(cli, code));
    if (code != KP_ERR_NONE && code != KP_ERR_TOPIC_ALREADY_EXISTS) {
        cli_die_kafka(cli, code, response->topics_count == 1 ? response->topics[0].error_message : (struct view){0},
                      cli_format(cli, "cannot create topic '%s'", bench->plan.topic));
    }
}

/* Every partition has a leader: a cluster may need a moment after a topic was made. */
static void bench_topic_look(struct bench *bench)
{
    const struct kp_metadata_response *response;
    int16_t                            code;

    do {
        response = cli_topics(bench->cli, &bench->plan.topic, 1);
        code =
            response->topics_count == 1 ? response->topics[0].error_code : (int16_t)KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        for (int32_t i = 0; code == 0 && i < response->topics[0].partitions_count; i++) {
            code = response->topics[0].partitions[i].leader_id < 0 ? (int16_t)KP_ERR_LEADER_NOT_AVAILABLE : code;
        }
    } while (code != 0 && cli_again(bench->cli, code));
    if (code != 0) {
        cli_die_kafka(bench->cli, code, (struct view){0},
                      cli_format(bench->cli, "cannot use topic '%s'", bench->plan.topic));
    }
}

/* Where each partition begins (reading) and ends. */
static void bench_topic_places(struct bench *bench, bool reads)
{
    size_t            count = 0;
    struct cli_place *ends = cli_places(bench->cli, &bench->plan.topic, 1, NULL, &count);
    struct cli_place *starts = cli_alloc_array(bench->cli, count, sizeof(*starts));

    for (size_t i = 0; i < count; i++) {
        ends[i].asked = CLI_ASK_LATEST;
        starts[i] = ends[i];
        starts[i].asked = CLI_ASK_EARLIEST;
    }
    cli_ask_offsets(bench->cli, ends, count, false);
    cli_ask_offsets(bench->cli, starts, count, false);
    bench->places = cli_alloc_array(bench->cli, count, sizeof(*bench->places));
    bench->place_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (ends[i].error != 0 || starts[i].error != 0) {
            cli_die_kafka(bench->cli, ends[i].error != 0 ? ends[i].error : starts[i].error, (struct view){0},
                          "cannot find out where a partition ends");
        }
        bench->places[i] = (struct bench_place){.partition = ends[i].partition,
                                                .leader = ends[i].leader,
                                                .from_offset = ends[i].offset,
                                                .next_offset = reads ? starts[i].offset : ends[i].offset,
                                                .end_offset = reads ? ends[i].offset : INT64_MAX,
                                                .high = -1,
                                                .first_slot = (uint32_t)i};
    }
}

static void bench_topic_delete(struct bench *bench)
{
    struct kp_delete_topics_request *request =
        CLI_NEW(bench->cli, kp_delete_topics_request, kp_delete_topics_request_init);
    struct kp_delete_topics_request_topics *topic =
        CLI_NEW(bench->cli, kp_delete_topics_request_topics, kp_delete_topics_request_topics_init);
    struct view name = view_text(bench->plan.topic);

    cli_deadline_begin(bench->cli);
    topic->name = name;
    request->topics = topic;
    request->topics_count = 1;
    request->topic_names = &name;
    request->topic_names_count = 1;
    request->timeout_ms = cli_time_left_ms(bench->cli);
    MAYBE(cli_call(bench->cli, cli_controller(bench->cli), KP_DELETE_TOPICS_KEY, request) == NULL);
}

/* --- the report -------------------------------------------------------------------------------------------------- */

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
static double report_seconds(const struct bench *bench)
{
    bool    open_loop = bench->plan.requests_per_s > 0;
    int64_t end_ns = open_loop && report_behind(bench) ? bench->last_ns : bench->end_ns;

    return (double)MAX(end_ns - bench->measure_ns, INT64_C(1)) / 1e9;
}

/* Who held things up, as far as this side can tell. */
static const char *report_limit(const struct bench *bench, double seconds)
{
    if (bench->plan.requests_per_s > 0 && !report_behind(bench)) {
        return "rate"; /* as was asked */
    }
    return bench->own_cpu_s / seconds >= BENCH_BUSY ? "generator" : "broker";
}

static void report_counts(struct bench *bench, enum bench_mode mode, int32_t conn_count, double seconds)
{
    struct cli_section        *section = cli_record(bench->cli, "run");
    const struct bench_counts *counts = &bench->counts;
    const char                *limit = report_limit(bench, seconds);

    cli_put_text(section, "topic", bench->plan.topic);
    cli_put_number(section, "partitions", bench->place_count);
    cli_put_number(section, "connections", conn_count);
    if (mode != BENCH_CONSUME) {
        cli_put_number(section, "in_flight", bench->plan.in_flight);
        cli_put_number(section, "acks", bench->plan.acks);
        cli_put_text(section, "codec", rec_codec_name(bench->plan.codec));
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
    if (mode != BENCH_CONSUME) {
        cli_put_number(section, "sent_late", (int64_t)bench->late);
    }
    cli_put_number(section, "own_cpu_percent", (int64_t)(100 * bench->own_cpu_s / seconds));
    if (bench->broker != 0) {
        cli_put_number(section, "broker_cpu_percent", (int64_t)(100 * bench->broker_cpu_s / seconds));
        cli_put_number(
            section, "broker_cpu_ms_per_gib",
            counts->bytes == 0 ? 0 : (int64_t)(1000 * bench->broker_cpu_s * (double)GIB / (double)counts->bytes));
    }
    cli_put_text(section, "limited_by", limit);
    if (strcmp(limit, "generator") == 0) {
        cli_say(bench->cli, "this program used %.0f %% of one core: it, not the broker, may be the limit",
                100 * bench->own_cpu_s / seconds);
    }
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

static void bench_report(struct bench *bench, enum bench_mode mode, int32_t conn_count, const struct bench_check *check)
{
    double              seconds = report_seconds(bench);
    struct cli_section *times;

    report_counts(bench, mode, conn_count, seconds);
    times = cli_table(bench->cli, "latency", NULL);
    report_times(times,
                 mode == BENCH_CONSUME   ? "fetch"
                 : bench->plan.acks == 0 ? "sent"
                                         : "acknowledged",
                 bench->latency);
    if (mode == BENCH_LATENCY) {
        report_times(times, "read", bench->way);
    }
    if (check != NULL) {
        report_check(bench, check);
    }
    report_percentiles(bench, mode == BENCH_LATENCY ? bench->way : bench->latency);
    if (bench->counts.errors > 0) {
        cli_fail(bench->cli, CLI_REFUSED, "%llu requests were refused, the first one with %s",
                 (unsigned long long)bench->counts.errors, kp_error_name(bench->first_error));
    } else if (bench->counts.requests == 0) {
        cli_fail(bench->cli, CLI_FAILED, "nothing was measured");
    } else if (bench->cli->failed == 0) {
        bench->cli->good++;
    }
}

/* --- the commands ------------------------------------------------------------------------------------------------ */

static struct bench *bench_new(struct cli *cli)
{
    struct bench *bench = cli_alloc(cli, sizeof(*bench));

    bench->cli = cli;
    bench->latency = cli_alloc(cli, sizeof(*bench->latency));
    bench->way = cli_alloc(cli, sizeof(*bench->way));
    bench->live = cli_alloc(cli, sizeof(*bench->live));
    prng_init(&bench->prng, (uint64_t)bench_now_ns());
    bench->run_id = prng_next(&bench->prng);
    return bench;
}

static void bench_prepare(struct bench *bench, enum bench_mode mode)
{
    struct cli *cli = bench->cli;

    bench_plan_fill(bench, mode);
    if (mode != BENCH_CONSUME && cli_flag(cli, "self")) {
        if (cli_option(cli, "brokers") != NULL || cli_option(cli, "bootstrap-server") != NULL) {
            cli_die(cli, CLI_USAGE, "--self starts a broker: it does not go with --brokers");
        }
        (void)setenv("MILLRACE_BROKERS", bench_self_start(bench), 1);
    }
    cli_version_limit(cli, KP_PRODUCE_KEY, BENCH_VERSION_MAX);
    cli_version_limit(cli, KP_FETCH_KEY, BENCH_VERSION_MAX);
    if (mode != BENCH_CONSUME) {
        bench_topic_make(bench);
        bench_make_slots(bench);
        bench_rate(bench, mode);
    }
    bench_topic_look(bench);
    bench_topic_places(bench, mode == BENCH_CONSUME);
}

static int bench_go(struct cli *cli, enum bench_mode mode)
{
    struct bench      *bench = bench_new(cli);
    struct bench_check check;
    bool               made = mode != BENCH_CONSUME && cli_operand_count(cli) == 0 && !cli_flag(cli, "keep");
    int32_t            conn_count;

    bench_prepare(bench, mode);
    if (mode == BENCH_PRODUCE) {
        bench_run_produce(bench);
    } else if (mode == BENCH_LATENCY) {
        bench_run_latency(bench);
    } else {
        bench_run_consume(bench);
    }
    cli_stop_asked = 0; /* a run that was ended early is reported like another; the next signal ends the process */
    conn_count = bench->conn_count;
    if (mode == BENCH_PRODUCE && bench->plan.verify) {
        bench_check(bench, &check);
    }
    bench_report(bench, mode, conn_count, mode == BENCH_PRODUCE && bench->plan.verify ? &check : NULL);
    if (made && bench->broker == 0) {
        bench_topic_delete(bench);
    }
    bench_conns_close(bench);
    bench_slots_free(bench);
    if (bench->broker != 0) {
        bench_self_stop(bench);
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

static int bench_produce_run(struct cli *cli)
{
    return bench_go(cli, BENCH_PRODUCE);
}

static int bench_consume_run(struct cli *cli)
{
    return bench_go(cli, BENCH_CONSUME);
}

static int bench_latency_run(struct cli *cli)
{
    return bench_go(cli, BENCH_LATENCY);
}

#define BENCH_OPTION(letter_, kind_, name_, value_, help_)                                        \
    {                                                                                             \
        .letter = (letter_), .kind = (kind_), .name = (name_), .value = (value_), .help = (help_) \
    }
#define BENCH_OPTIONS_TIME                                                        \
    BENCH_OPTION('d', CLI_DURATION, "duration", "TIME", "measured; default 10s"), \
        BENCH_OPTION('w', CLI_DURATION, "warm-up", "TIME", "before that, not measured; default 2s")
#define BENCH_OPTIONS_TOPIC                                                                                      \
    BENCH_OPTION('c', CLI_TEXT, "config", "NAME=VALUE", "a setting of the topic that is made; may be repeated"), \
        BENCH_OPTION(0, CLI_FLAG, "keep", NULL, "leave the topic that was made"),                                \
        BENCH_OPTION(0, CLI_FLAG, "self", NULL, "start a broker for this run, in a folder that goes with it"),   \
        BENCH_OPTION(0, CLI_NUMBER, "shards", "N", "with --self: its shards; default 1"),                        \
        BENCH_OPTION(0, CLI_TEXT, "dir", "FOLDER", "with --self: where its folder is made; default here")
#define BENCH_OPTIONS_END                                                                                  \
    BENCH_OPTION(0, CLI_TEXT, "percentiles", "FILE", "the distribution, as HdrHistogram's tools read it"), \
        BENCH_OPTION('q', CLI_FLAG, "quiet", NULL, "no live line"), CLI_OPTIONS_END

static const struct cli_option produce_options[] = {
    BENCH_OPTION('p', CLI_NUMBER, "partitions", "N", "of a topic that is made; default 16"),
    BENCH_OPTION('s', CLI_TEXT, "record-size", "SIZE", "of a value; default 1K"),
    BENCH_OPTION('B', CLI_TEXT, "batch-size", "SIZE", "before compression; default 64K"),
    {.letter = 'z',
     .kind = CLI_TEXT,
     .name = "codec",
     .value = "CODEC",
     .choices = "none|gzip|snappy|lz4|zstd",
     .help = "default none"},
    BENCH_OPTION('k', CLI_NUMBER, "keys", "N", "so many different keys; default: records have none"),
    {.letter = 'a', .kind = CLI_TEXT, .name = "acks", .value = "all|1|0", .choices = "all|1|0", .help = "default all"},
    BENCH_OPTION('r', CLI_TEXT, "rate", "SIZE", "bytes a second; default: as fast as it goes"),
    {.kind = CLI_TEXT,
     .name = "arrivals",
     .value = "poisson|even",
     .choices = "poisson|even",
     .help = "with --rate; default poisson"},
    BENCH_OPTION('C', CLI_NUMBER, "connections", "N", "default 4; a partition belongs to one"),
    BENCH_OPTION('i', CLI_NUMBER, "in-flight", "N", "unanswered requests of a connection; default 5"),
    BENCH_OPTION(0, CLI_FLAG, "fresh", NULL, "make and compress every batch anew, as a client does"),
    BENCH_OPTION(0, CLI_FLAG, "verify", NULL, "read everything back: every record once, in order, CRCs"),
    BENCH_OPTION(0, CLI_TEXT, "fetch-size", "SIZE", "with --verify: of an answer; default 1M"),
    BENCH_OPTIONS_TIME,
    BENCH_OPTIONS_TOPIC,
    BENCH_OPTIONS_END,
};
static const struct cli_option consume_options[] = {
    BENCH_OPTION('C', CLI_NUMBER, "connections", "N", "default 4"),
    BENCH_OPTION(0, CLI_TEXT, "fetch-size", "SIZE", "of an answer; default 1M"),
    BENCH_OPTION(0, CLI_FLAG, "verify", NULL, "check CRCs and that no offset is missing"),
    BENCH_OPTIONS_END,
};
static const struct cli_option latency_options[] = {
    BENCH_OPTION('p', CLI_NUMBER, "partitions", "N", "of a topic that is made; default 1"),
    BENCH_OPTION('s', CLI_TEXT, "record-size", "SIZE", "of a value; default 100"),
    BENCH_OPTION('r', CLI_NUMBER, "rate", "N", "records a second; default 1000"),
    {.kind = CLI_TEXT,
     .name = "arrivals",
     .value = "poisson|even",
     .choices = "poisson|even",
     .help = "default poisson"},
    {.letter = 'a', .kind = CLI_TEXT, .name = "acks", .value = "all|1|0", .choices = "all|1|0", .help = "default all"},
    BENCH_OPTION('C', CLI_NUMBER, "connections", "N", "of producers, and of consumers; default 1"),
    BENCH_OPTION('i', CLI_NUMBER, "in-flight", "N", "unanswered requests of a connection; default 5"),
    BENCH_OPTIONS_TIME,
    BENCH_OPTIONS_TOPIC,
    BENCH_OPTIONS_END,
};

#define BENCH_NEEDS (CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT)

const struct cli_command cli_bench_commands[] = {
    {.name = "produce",
     .summary = "send batches at a rate, or as fast as the broker takes them",
     .operands = "[TOPIC]",
     .complete = "topic",
     .details =
         "With --rate, batches are due at times that do not depend on the broker, and latency counts from then: what "
         "a\n"
         "stall delays is counted as late. Without it each connection keeps --in-flight requests unanswered. Batches\n"
         "are made ahead and sent in turn, so that this program stays cheaper than any broker; --fresh makes each\n"
         "anew. Without TOPIC, '" BENCH_TOPIC "' is made for the run and deleted.\n",
     .examples = "millrace bench produce --self                   # a broker of its own, 64 KiB batches, 10 s\n"
                 "millrace bench produce --rate 50M -B 16K -d 60s --percentiles run.hgrm\n"
                 "millrace bench produce orders -s 100 -z lz4 --verify -o json\n",
     .options = produce_options,
     .needs = BENCH_NEEDS,
     .operands_max = 1,
     .run = bench_produce_run},
    {.name = "consume",
     .summary = "read everything a topic has, as fast as it comes",
     .operands = "TOPIC",
     .complete = "topic",
     .details = "Records are counted, not decoded. One Fetch at a time on each connection.\n",
     .examples = "millrace bench consume orders\nmillrace bench consume orders -C 1 --fetch-size 8M --verify\n",
     .options = consume_options,
     .needs = BENCH_NEEDS,
     .operands_min = 1,
     .operands_max = 1,
     .run = bench_consume_run},
    {.name = "latency",
     .summary = "time single records from when they are due to when a consumer has them",
     .operands = "[TOPIC]",
     .complete = "topic",
     .details =
         "A consumer waits on each partition. The two rows of times are those of the answer to the producer and of\n"
         "the consumer; both count from the moment the record was due.\n",
     .examples = "millrace bench latency --self --rate 10000\n"
                 "millrace bench latency -b db1:9092 -p 4 --arrivals even -d 60s -o json\n",
     .options = latency_options,
     .needs = BENCH_NEEDS,
     .operands_max = 1,
     .run = bench_latency_run},
    CLI_COMMANDS_END,
};
