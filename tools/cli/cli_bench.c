/* cli_bench.c: the commands of millrace bench, and what each does in which order. */
#include "tools/cli/cli_bench.h"

#include <stdlib.h>

#define BENCH_VERSION_MAX 12 /* of Produce and Fetch: topics by name */

struct bench *bench_new(struct cli *cli, enum bench_mode mode)
{
    struct bench *bench = cli_alloc(cli, sizeof(*bench));

    bench->cli = cli;
    bench->mode = mode;
    bench->latency = cli_alloc(cli, sizeof(*bench->latency));
    bench->way = cli_alloc(cli, sizeof(*bench->way));
    bench->live = cli_alloc(cli, sizeof(*bench->live));
    prng_init(&bench->prng, (uint64_t)bench_now_ns());
    bench->run_id = prng_next(&bench->prng);
    return bench;
}

void bench_client_anew(struct bench *bench)
{
    bench->cli->client = NULL; /* what it had goes with the process */
    cli_version_limit(bench->cli, KP_PRODUCE_KEY, BENCH_VERSION_MAX);
    cli_version_limit(bench->cli, KP_FETCH_KEY, BENCH_VERSION_MAX);
}

void bench_start(struct bench *bench)
{
    struct cli *cli = bench->cli;

    bench_plan_fill(bench);
    if (bench->mode == BENCH_RECOVERY || (bench->mode != BENCH_CONSUME && cli_flag(cli, "self"))) {
        if (cli_option(cli, "brokers") != NULL || cli_option(cli, "bootstrap-server") != NULL) {
            cli_die(cli, CLI_USAGE, "a broker is started for this run: that does not go with --brokers");
        }
        (void)setenv("MILLRACE_BROKERS", bench_self_start(bench), 1);
    }
    bench_client_anew(bench);
    if (bench->mode != BENCH_CONSUME) {
        bench_make_slots(bench);
        bench_plan_rate(bench);
    }
    bench_plot_begin(bench);
}

void bench_start_topic(struct bench *bench)
{
    if (bench->mode != BENCH_CONSUME) {
        bench_topic_make(bench);
    }
    bench_topic_look(bench);
    bench_topic_places(bench, bench->mode == BENCH_CONSUME);
}

int bench_end(struct bench *bench)
{
    bench_conns_close(bench);
    bench_slots_free(bench);
    if (bench->broker != 0) {
        bench_self_stop(bench);
    }
    cli_out_print(bench->cli);
    return (int)cli_result(bench->cli);
}

static int bench_go(struct cli *cli, enum bench_mode mode)
{
    struct bench      *bench = bench_new(cli, mode);
    struct bench_check check;
    bool               made = mode != BENCH_CONSUME && cli_operand_count(cli) == 0 && !cli_flag(cli, "keep");
    bool               checks;
    int32_t            conn_count;

    bench_start(bench);
    bench_start_topic(bench);
    if (mode == BENCH_PRODUCE) {
        bench_run_produce(bench);
    } else if (mode == BENCH_LATENCY) {
        bench_run_latency(bench);
    } else if (mode == BENCH_MIXED) {
        bench_run_mixed(bench);
    } else {
        bench_run_consume(bench);
    }
    cli_stop_asked = 0; /* a run that was ended early is reported like another; the next signal ends the process */
    conn_count = bench->conn_count;
    checks = mode != BENCH_CONSUME && bench->plan.verify;
    if (checks) {
        bench_check(bench, &check);
    }
    bench_report(bench, conn_count, checks ? &check : NULL);
    if (made && bench->broker == 0) {
        bench_topic_delete(bench);
    }
    return bench_end(bench);
}

static int bench_produce_run(struct cli *cli)
{
    return bench_go(cli, BENCH_PRODUCE);
}

static int bench_consume_run(struct cli *cli)
{
    return bench_go(cli, BENCH_CONSUME);
}

static int bench_mixed_run(struct cli *cli)
{
    return bench_go(cli, BENCH_MIXED);
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
#define BENCH_OPTIONS_BROKER                                                                                     \
    BENCH_OPTION('c', CLI_TEXT, "config", "NAME=VALUE", "a setting of the topic that is made; may be repeated"), \
        BENCH_OPTION(0, CLI_NUMBER, "shards", "N", "of the broker that is started; default 1"),                  \
        BENCH_OPTION(0, CLI_TEXT, "dir", "FOLDER", "where that broker's folder is made; default here")
#define BENCH_OPTIONS_TOPIC                                                                                    \
    BENCH_OPTION(0, CLI_FLAG, "keep", NULL, "leave the topic that was made"),                                  \
        BENCH_OPTION(0, CLI_FLAG, "self", NULL, "start a broker for this run, in a folder that goes with it"), \
        BENCH_OPTIONS_BROKER
#define BENCH_OPTIONS_END                                                                                      \
    BENCH_OPTION(0, CLI_NUMBER, "broker-pid", "PID", "a process here whose CPU time is reported"),             \
        BENCH_OPTION(0, CLI_TEXT, "percentiles", "FILE", "the distribution, as HdrHistogram's tools read it"), \
        BENCH_OPTION(0, CLI_TEXT, "plot", "FILE", "throughput and latency over time, as SVG"),                 \
        BENCH_OPTION('q', CLI_FLAG, "quiet", NULL, "no live line"), CLI_OPTIONS_END

/* What is sent, by how many, how fast. */
#define BENCH_OPTIONS_SEND                                                                                        \
    BENCH_OPTION(0, CLI_TEXT, "preset", "WORKLOAD", "of the OpenMessaging benchmark: 1-topic-16-partitions-1kb"), \
        BENCH_OPTION('p', CLI_NUMBER, "partitions", "N", "of a topic that is made; default 16"),                  \
        BENCH_OPTION('s', CLI_TEXT, "record-size", "SIZE", "of a value; default 1K"),                             \
        BENCH_OPTION('B', CLI_TEXT, "batch-size", "SIZE", "before compression; default 64K"),                     \
        {.letter = 'z',                                                                                           \
         .kind = CLI_TEXT,                                                                                        \
         .name = "codec",                                                                                         \
         .value = "CODEC",                                                                                        \
         .choices = "none|gzip|snappy|lz4|zstd",                                                                  \
         .help = "default none"},                                                                                 \
        BENCH_OPTION('k', CLI_NUMBER, "keys", "N", "so many different keys; default: records have none"),         \
        BENCH_OPTION(0, CLI_TEXT, "skew", "even|zipf:S", "how often keys come, and partitions with them"),        \
        {.letter = 'a',                                                                                           \
         .kind = CLI_TEXT,                                                                                        \
         .name = "acks",                                                                                          \
         .value = "all|1|0",                                                                                      \
         .choices = "all|1|0",                                                                                    \
         .help = "default all"},                                                                                  \
        BENCH_OPTION(0, CLI_FLAG, "idempotent", NULL, "each connection is a producer with an id and sequences"),  \
        BENCH_OPTION('r', CLI_TEXT, "rate", "SIZE", "bytes a second; default: as fast as it goes"),               \
        {.kind = CLI_TEXT,                                                                                        \
         .name = "arrivals",                                                                                      \
         .value = "poisson|even",                                                                                 \
         .choices = "poisson|even",                                                                               \
         .help = "with --rate; default poisson"},                                                                 \
        BENCH_OPTION('C', CLI_NUMBER, "connections", "N", "default 4; a partition belongs to one"),               \
        BENCH_OPTION('i', CLI_NUMBER, "in-flight", "N", "unanswered requests of a connection; default 5"),        \
        BENCH_OPTION(0, CLI_FLAG, "fresh", NULL, "make and compress every batch anew, as a client does"),         \
        BENCH_OPTION(0, CLI_FLAG, "verify", NULL, "read everything back: every record once, in order, CRCs"),     \
        BENCH_OPTION(0, CLI_TEXT, "fetch-size", "SIZE", "of an answer; default 1M")

static const struct cli_option produce_options[] = {
    BENCH_OPTIONS_SEND,
    BENCH_OPTIONS_TIME,
    BENCH_OPTIONS_TOPIC,
    BENCH_OPTIONS_END,
};
static const struct cli_option mixed_options[] = {
    BENCH_OPTIONS_SEND,
    BENCH_OPTION(0, CLI_NUMBER, "consumers", "N", "connections that read along; default 4"),
    BENCH_OPTION(0, CLI_NUMBER, "rereaders", "N", "connections that read everything again and again; default 0"),
    BENCH_OPTIONS_TIME,
    BENCH_OPTIONS_TOPIC,
    BENCH_OPTIONS_END,
};
static const struct cli_option consume_options[] = {
    BENCH_OPTION('C', CLI_NUMBER, "connections", "N", "default 4"),
    BENCH_OPTION(0, CLI_TEXT, "fetch-size", "SIZE", "of an answer; default 1M"),
    BENCH_OPTION(0, CLI_NUMBER, "passes", "N", "read it all so many times; default 1"),
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

#define BENCH_OPTIONS_SWEEP(what)                                                                                    \
    BENCH_OPTION(0, CLI_TEXT, "counts", "N,N-N", what), BENCH_OPTIONS_SEND, BENCH_OPTIONS_TIME, BENCH_OPTIONS_TOPIC, \
        BENCH_OPTION(0, CLI_NUMBER, "broker-pid", "PID", "a process here whose CPU time and memory are reported"),   \
        BENCH_OPTION('q', CLI_FLAG, "quiet", NULL, "no live line"), CLI_OPTIONS_END

static const struct cli_option partitions_options[] = {
    BENCH_OPTIONS_SWEEP("how many partitions, one run each; default 10,100,1000,10000"),
};
static const struct cli_option connections_options[] = {
    BENCH_OPTIONS_SWEEP("how many idle connections, one run each; default 0,100,1000"),
};
static const struct cli_option recovery_options[] = {
    BENCH_OPTIONS_SEND,   BENCH_OPTIONS_TIME,
    BENCH_OPTIONS_BROKER, BENCH_OPTION('q', CLI_FLAG, "quiet", NULL, "no live line"),
    CLI_OPTIONS_END,
};

static const struct cli_option groups_options[] = {
    BENCH_OPTION('g', CLI_NUMBER, "groups", "N", "default 100"),
    BENCH_OPTION('m', CLI_NUMBER, "members", "N", "of each group; default 10"),
    BENCH_OPTION(0, CLI_NUMBER, "offsets", "N", "in a commit; default 10"),
    BENCH_OPTION('i', CLI_NUMBER, "in-flight", "N", "unanswered requests of a connection; default 5"),
    BENCH_OPTION('d', CLI_DURATION, "duration", "TIME", "of heartbeats, and of commits; default 10s"),
    BENCH_OPTIONS_TOPIC,
    BENCH_OPTION(0, CLI_NUMBER, "broker-pid", "PID", "a process here whose CPU time and memory are reported"),
    CLI_OPTIONS_END,
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
    {.name = "mixed",
     .summary = "producers and consumers at once",
     .operands = "[TOPIC]",
     .complete = "topic",
     .details = "As produce, while consumers read along; the run ends when they have everything. --rereaders read it\n"
                "all again and again meanwhile, as fast as they can.\n",
     .examples = "millrace bench mixed --self --preset 1-topic-16-partitions-1kb\n"
                 "millrace bench mixed --rate 100M --consumers 1 --rereaders 1 -d 60s\n",
     .options = mixed_options,
     .needs = BENCH_NEEDS,
     .operands_max = 1,
     .run = bench_mixed_run},
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
    {.name = "partitions",
     .summary = "the same load over more and more partitions",
     .details = "For each count a topic is made, loaded as by produce, and deleted.\n",
     .examples = "millrace bench partitions --self --rate 50M\n"
                 "millrace bench partitions --counts 1,100,10000 -B 4K -C 100 -d 30s -o json\n",
     .options = partitions_options,
     .needs = BENCH_NEEDS,
     .run = bench_partitions_run},
    {.name = "connections",
     .summary = "load beside more and more connections that do nothing",
     .details =
         "Before each run idle connections are opened up to the count; each has asked for the broker's versions.\n",
     .examples = "millrace bench connections --self --rate 20M --counts 0,1000,5000\n",
     .options = connections_options,
     .needs = BENCH_NEEDS,
     .run = bench_connections_run},
    {.name = "groups",
     .summary = "what consumer groups cost: joining, heartbeats, commits",
     .details = "All members of all groups join (classic protocol); then each sends heartbeats, then commits offsets, "
                "as fast as\n"
                "answers come. Joining takes at least the broker's group.initial.rebalance.delay.ms. The groups are "
                "deleted.\n",
     .examples = "millrace bench groups --self --groups 1000 --members 10\n"
                 "millrace bench groups -g 200 -m 50 --offsets 1 -d 30s -o json\n",
     .options = groups_options,
     .needs = BENCH_NEEDS,
     .run = bench_groups_run},
    {.name = "recovery",
     .summary = "kill -9 under load, then how long until everything is there again",
     .details = "Starts a broker of its own (as --self), loads it as produce does, kills it with requests on their way "
                "and starts\n"
                "it again. Ready is when all partitions say where they end. Then everything is read: what was "
                "acknowledged must\n"
                "be there, as it was sent.\n",
     .examples =
         "millrace bench recovery -d 60s --dir /data\nmillrace bench recovery --rate 300M -p 100 --idempotent\n",
     .options = recovery_options,
     .needs = BENCH_NEEDS,
     .run = bench_recovery_run},
    CLI_COMMANDS_END,
};
