/* load: a load generator for any Kafka broker. Replays pre-encoded record batches (only the correlation id changes), so
 * that one thread can saturate a broker; reports throughput, latency from the intended or actual send, its own CPU and
 * the broker's (--pid). It can read everything back and check it (verify): every CRC, offsets without gaps, the count
 * of records. */
#include "bench/load/load_client.h"
#include "core/base/prng.h"
#include "core/record/rec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define INFLIGHT_MAX   64
#define HISTOGRAM_SIZE 4096

struct load_options {
    const char *host;
    uint16_t    port;
    const char *topic;
    int32_t     partitions;
    int32_t     connections;
    int32_t     inflight;
    size_t      batch_bytes;
    size_t      record_bytes;
    double      seconds;
    double      warm_seconds;
    double      rate_mb; /* 0: as fast as it goes */
    int16_t     acks;
    int32_t     pid;
    size_t      fetch_bytes;
};

/* Log-linear: 64 steps per power of two, from 1 us; good to 1.6 %. */
struct load_histogram {
    uint64_t counts[HISTOGRAM_SIZE];
    uint64_t total;
    uint64_t max_us;
};

struct load_conn {
    int      socket;
    int32_t  node_id;
    int32_t *partitions; /* led by its broker */
    int32_t  partition_count;
    int32_t  partition_at;
    /* the request being sent */
    uint8_t *head;
    size_t   head_len;
    size_t   tail_len; /* bytes behind the batch, kept behind the head */
    size_t   sent;     /* of head + batch */
    bool     sending;
    int64_t  started_ns[INFLIGHT_MAX];
    uint32_t first, count;
    /* the answer being received */
    uint8_t *answer;
    size_t   answer_capacity;
    size_t   answer_got;
};

struct load_run {
    struct load_options   options;
    struct load_cluster   cluster;
    struct arena          arena;
    struct view           batch;
    int32_t               records_per_batch;
    struct load_conn     *conns;
    struct load_histogram latency;
    uint64_t              requests, errors, bytes;
    int64_t               next_ns, measure_from_ns, end_ns;
    int16_t               first_error;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void histogram_add(struct load_histogram *histogram, int64_t ns)
{
    uint64_t us = (uint64_t)MAX(ns / 1000, 1);
    int      power = 63 - __builtin_clzll(us);
    size_t   index = power < 6 ? (size_t)us : (size_t)((power - 5) * 64) + (size_t)((us >> (power - 6)) & 63);

    histogram->counts[MIN(index, (size_t)HISTOGRAM_SIZE - 1)]++;
    histogram->total++;
    histogram->max_us = MAX(histogram->max_us, us);
}

static uint64_t histogram_at(const struct load_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * share);
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if (seen > wanted) {
            return i < 64 ? i : (uint64_t)(64 + i % 64) << (i / 64 - 1);
        }
    }
    return histogram->max_us;
}

static double cpu_of(int32_t pid)
{
    char               path[64];
    char               text[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    FILE              *file;
    const char        *at;
    size_t             len;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    (void)fclose(file);
    at = strrchr(text, ')');
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) {
        return 0;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_own(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 + (double)usage.ru_stime.tv_sec +
           (double)usage.ru_stime.tv_usec / 1e6;
}

/* --- what is sent ----------------------------------------------------------------------------------------------------
 */

static void load_batch(struct load_run *run)
{
    struct rec_builder builder;
    struct prng        prng;
    size_t             value_bytes = run->options.record_bytes > 16 ? run->options.record_bytes - 10 : 6;
    uint8_t           *value = arena_alloc(&run->arena, value_bytes);
    struct timespec    now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    prng_init(&prng, 1);
    rec_builder_init(&builder, &run->arena);
    while (builder.record_count == 0 ||
           builder.len + run->options.record_bytes + REC_HEADER_BYTES <= run->options.batch_bytes) {
        prng_fill(&prng, span_of(value, value_bytes));
        rec_builder_add(&builder, (int64_t)now.tv_sec * MS_PER_S, (struct view){0}, view_of(value, value_bytes), NULL,
                        0);
    }
    run->records_per_batch = builder.record_count;
    if (rec_builder_finish(&builder, REC_NONE, 0, &run->batch) != ERR_OK) {
        (void)fprintf(stderr, "load: the batch cannot be built\n");
        exit(1);
    }
}

/* Everything of a Produce v9 request in front of the batch; the batch and a tail of four empty tag sections follow. */
static void load_head(struct load_run *run, struct load_conn *conn)
{
    struct kp_produce_request_topic_data_partition_data partition = {.index = conn->partitions[conn->partition_at],
                                                                     .records = run->batch};
    struct kp_produce_request_topic_data                topic = {
                       .name = view_text(run->options.topic), .partition_data = &partition, .partition_data_count = 1};
    struct kp_produce_request request;
    struct kp_request_header  header = {
         .api_key = KP_PRODUCE_KEY, .api_version = 9, .correlation_id = 7, .client_id = view_text("load")};
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            count = 0;
    struct arena       arena;
    uint8_t           *slot;

    kp_produce_request_init(&request);
    request.acks = run->options.acks;
    request.timeout_ms = 30000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    arena_init(&arena, MEM_TEST, 4096, 4 * MIB);
    kp_writer_init_arena(&writer, &arena, 0);
    slot = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    kp_produce_request_encode(&writer, 9, &request);
    store_be32(slot, (uint32_t)(writer.bytes_total - 4));
    segments = kp_writer_segments(&writer, &count);
    CHECK(writer.error == ERR_OK && count == 3 && segments[2].len <= 16);
    conn->head = realloc(conn->head, segments[0].len + 16);
    memcpy(conn->head, segments[0].base, segments[0].len);
    conn->head_len = segments[0].len;
    memcpy(conn->head + conn->head_len, segments[2].base, segments[2].len); /* the tail is kept behind the head */
    conn->tail_len = segments[2].len;
    arena_deinit(&arena);
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static bool load_send(struct load_run *run, struct load_conn *conn)
{
    size_t       tail_len = conn->tail_len;
    size_t       total = conn->head_len + run->batch.len + tail_len;
    struct iovec parts[3];
    int          count = 0;
    ssize_t      sent;
    size_t       at = conn->sent;

    if (at < conn->head_len) {
        parts[count++] = (struct iovec){conn->head + at, conn->head_len - at};
        at = conn->head_len;
    }
    if (at < conn->head_len + run->batch.len) {
        size_t skip = at - conn->head_len;

        parts[count++] = (struct iovec){(void *)(uintptr_t)(run->batch.base + skip), run->batch.len - skip};
        at = conn->head_len + run->batch.len;
    }
    parts[count++] = (struct iovec){conn->head + conn->head_len + (at - conn->head_len - run->batch.len), total - at};
    sent = writev(conn->socket, parts, count);
    if (sent < 0) {
        return errno == EAGAIN;
    }
    conn->sent += (size_t)sent;
    if (conn->sent == total) {
        conn->sending = false;
        conn->sent = 0;
    }
    return true;
}

static bool load_start(struct load_run *run, struct load_conn *conn, int64_t intended_ns)
{
    conn->partition_at = (conn->partition_at + 1) % conn->partition_count;
    load_head(run, conn);
    conn->started_ns[(conn->first + conn->count) % INFLIGHT_MAX] = intended_ns;
    conn->count++;
    conn->sending = true;
    return load_send(run, conn);
}

static void load_answer(struct load_run *run, struct load_conn *conn, struct view body)
{
    struct kp_produce_response response;
    struct kp_reader           reader;
    struct arena               arena;
    int32_t                    correlation_id = 0;
    int64_t                    at_ns = now_ns();
    int16_t                    error = -1;

    arena_init(&arena, MEM_TEST, 4096, 4 * MIB);
    kp_reader_init(&reader, body, &arena);
    kp_produce_response_init(&response);
    if (kp_response_header_decode(&reader, KP_PRODUCE_KEY, 9, &correlation_id) == ERR_OK &&
        kp_produce_response_decode(&reader, 9, &response) == ERR_OK && response.responses_count == 1) {
        error = response.responses[0].partition_responses[0].error_code;
    }
    arena_deinit(&arena);
    if (error != 0 && at_ns >= run->measure_from_ns) { /* a topic just created may have no leader while it warms up */
        run->first_error = run->errors == 0 ? error : run->first_error;
        run->errors++;
    }
    if (at_ns >= run->measure_from_ns && at_ns < run->end_ns) {
        histogram_add(&run->latency, at_ns - conn->started_ns[conn->first]);
        run->requests++;
        run->bytes += error == 0 ? run->batch.len : 0;
    }
    conn->first = (conn->first + 1) % INFLIGHT_MAX;
    conn->count--;
}

static bool load_receive(struct load_run *run, struct load_conn *conn)
{
    ssize_t got = recv(conn->socket, conn->answer + conn->answer_got, conn->answer_capacity - conn->answer_got, 0);
    size_t  at = 0;

    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    conn->answer_got += (size_t)got;
    while (conn->answer_got - at >= 4) {
        size_t len = load_be32(conn->answer + at);

        CHECK(len + 4 <= conn->answer_capacity);
        if (conn->answer_got - at < len + 4) {
            break;
        }
        load_answer(run, conn, view_of(conn->answer + at + 4, len));
        at += len + 4;
    }
    memmove(conn->answer, conn->answer + at, conn->answer_got - at);
    conn->answer_got -= at;
    return true;
}

static bool load_conn_open(struct load_run *run, struct load_conn *conn, int32_t index)
{
    const struct load_broker *broker = &run->cluster.brokers[index % run->cluster.broker_count];

    conn->node_id = broker->node_id;
    conn->partitions = calloc((size_t)run->cluster.partition_count, sizeof(*conn->partitions));
    for (int32_t i = 0; i < run->cluster.partition_count; i++) {
        if (run->cluster.leaders[i] == broker->node_id) {
            conn->partitions[conn->partition_count++] = i;
        }
    }
    if (conn->partition_count == 0) {
        return false;
    }
    conn->partition_at = index / run->cluster.broker_count % conn->partition_count;
    conn->answer_capacity = 65536;
    conn->answer = malloc(conn->answer_capacity);
    conn->socket = load_connect(broker->host, broker->port);
    return conn->socket >= 0 && fcntl(conn->socket, F_SETFL, O_NONBLOCK) == 0;
}

/* Starts what is due. Returns the time until the next intended send, in ms, for poll. */
static int load_pace(struct load_run *run, int32_t *at)
{
    double  per_request_ns = run->options.rate_mb > 0 ? (double)run->batch.len / (run->options.rate_mb * 1e6) * 1e9 : 0;
    int64_t now = now_ns();

    for (int32_t tried = 0; tried < run->options.connections && now < run->end_ns; tried++) {
        struct load_conn *conn = &run->conns[*at];

        if (run->options.rate_mb > 0 && run->next_ns > now) {
            return (int)MIN((run->next_ns - now) / NS_PER_MS, 10);
        }
        *at = (*at + 1) % run->options.connections;
        if (conn->sending || (int32_t)conn->count >= run->options.inflight) {
            continue;
        }
        if (!load_start(run, conn, run->options.rate_mb > 0 ? run->next_ns : now)) {
            (void)fprintf(stderr, "load: a connection broke\n");
            exit(1);
        }
        run->next_ns += (int64_t)per_request_ns;
        tried = -1;
    }
    return 10;
}

static uint32_t load_turn(struct load_run *run, struct pollfd *polls, int timeout_ms)
{
    uint32_t waiting = 0;

    for (int32_t i = 0; i < run->options.connections; i++) {
        polls[i] = (struct pollfd){.fd = run->conns[i].socket,
                                   .events = (short)(POLLIN | (run->conns[i].sending ? POLLOUT : 0))};
        waiting += run->conns[i].count;
    }
    (void)poll(polls, (nfds_t)run->options.connections, timeout_ms);
    for (int32_t i = 0; i < run->options.connections; i++) {
        bool good = true;

        if ((polls[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
            good = load_receive(run, &run->conns[i]);
        }
        if (good && run->conns[i].sending && (polls[i].revents & POLLOUT) != 0) {
            good = load_send(run, &run->conns[i]);
        }
        if (!good) {
            (void)fprintf(stderr, "load: the broker closed a connection\n");
            exit(1);
        }
    }
    return waiting;
}

static int load_produce(struct load_run *run)
{
    struct pollfd *polls = calloc((size_t)run->options.connections, sizeof(*polls));
    int32_t        at = 0;
    double         own = 0;
    double         broker = 0;
    int64_t        start = now_ns();
    bool           warm = true;

    load_batch(run);
    run->conns = calloc((size_t)run->options.connections, sizeof(*run->conns));
    for (int32_t i = 0; i < run->options.connections; i++) {
        if (!load_conn_open(run, &run->conns[i], i)) {
            (void)fprintf(stderr, "load: connection %d has no partition to send to\n", i);
            return 1;
        }
    }
    run->next_ns = start;
    run->measure_from_ns = start + (int64_t)(run->options.warm_seconds * 1e9);
    run->end_ns = run->measure_from_ns + (int64_t)(run->options.seconds * 1e9);
    for (;;) {
        int64_t now = now_ns();

        if (warm && now >= run->measure_from_ns) {
            warm = false;
            own = cpu_own();
            broker = cpu_of(run->options.pid);
        }
        if (now >= run->end_ns) {
            break;
        }
        (void)load_turn(run, polls, run->options.rate_mb > 0 ? MIN(load_pace(run, &at), 1) : load_pace(run, &at));
    }
    own = cpu_own() - own;
    broker = cpu_of(run->options.pid) - broker;
    while (load_turn(run, polls, 100) > 0 && now_ns() < run->end_ns + 30 * NS_PER_S) {
    }
    double gib = (double)run->bytes / (double)GIB;

    (void)printf(
        "{\"mode\":\"produce\",\"mb_per_s\":%.1f,\"requests_per_s\":%.0f,\"records_per_s\":%.0f,\"errors\":%" PRIu64
        ",\"first_error\":%d,\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64
        ",\"broker_cpu_s_per_gib\":%.3f,\"broker_cpu_s\":%.2f,\"own_cpu_s\":%.2f,\"seconds\":%.1f,\"batch_bytes\":%zu,"
        "\"records_per_batch\":%d}\n",
        (double)run->bytes / run->options.seconds / 1e6, (double)run->requests / run->options.seconds,
        (double)run->requests * run->records_per_batch / run->options.seconds, run->errors, run->first_error,
        histogram_at(&run->latency, 0.5), histogram_at(&run->latency, 0.99), histogram_at(&run->latency, 0.999),
        run->latency.max_us, gib > 0 ? broker / gib : 0, broker, own, run->options.seconds, run->batch.len,
        run->records_per_batch);
    return run->errors == 0 ? 0 : 1;
}

/* --- reading back ------------------------------------------------------------------------------------------------ */

struct load_check {
    uint64_t bytes, records, batches, gaps, bad;
    int64_t  next_offset;
};

/* Walks what a fetch gave; a batch cut off at the end is left for the next fetch. */
static void load_check_records(struct load_check *check, struct view records)
{
    while (records.len > 0) {
        struct rec_batch batch;

        if (rec_batch_parse(records, &batch) != ERR_OK) {
            return;
        }
        check->bad += !rec_batch_crc_ok(&batch);
        check->gaps += batch.base_offset != check->next_offset;
        check->next_offset = rec_batch_last_offset(&batch) + 1;
        check->records += (uint64_t)batch.record_count;
        check->bytes += batch.bytes.len;
        check->batches++;
        records = view_of(records.base + batch.bytes.len, records.len - batch.bytes.len);
    }
}

static bool load_fetch(struct load_run *run, int socket, int32_t partition, int64_t offset, struct arena *arena,
                       struct view *out_records, int64_t *out_end)
{
    struct kp_fetch_request_topics_partitions item;
    struct kp_fetch_request_topics            topic = {
                   .topic = view_text(run->options.topic), .partitions = &item, .partitions_count = 1};
    struct kp_fetch_request  request;
    struct kp_fetch_response response;

    kp_fetch_request_init(&request);
    kp_fetch_request_topics_partitions_init(&item);
    item.partition = partition;
    item.fetch_offset = offset;
    item.partition_max_bytes = (int32_t)run->options.fetch_bytes;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = (int32_t)run->options.fetch_bytes;
    request.topics = &topic;
    request.topics_count = 1;
    if (!load_call(socket, KP_FETCH_KEY, 11, &request, &response, arena) || response.responses_count != 1 ||
        response.responses[0].partitions[0].error_code != 0) {
        return false;
    }
    *out_records = response.responses[0].partitions[0].records;
    *out_end = response.responses[0].partitions[0].high_watermark;
    return true;
}

static int load_verify(struct load_run *run)
{
    struct load_check total = {0};
    double            broker = cpu_of(run->options.pid);
    int64_t           start = now_ns();

    for (int32_t partition = 0; partition < run->cluster.partition_count; partition++) {
        const struct load_broker *leader = load_leader(&run->cluster, partition);
        int                       socket = load_connect(leader->host, leader->port);
        struct load_check         check = {0};
        int64_t                   end = 0;
        int64_t                   before;

        do {
            struct arena arena;
            struct view  records = {0};

            arena_init(&arena, MEM_TEST, 1 * MIB, 512 * MIB);
            before = check.next_offset;
            if (!load_fetch(run, socket, partition, check.next_offset, &arena, &records, &end)) {
                (void)fprintf(stderr, "load: partition %d: fetch at %" PRId64 " failed\n", partition,
                              check.next_offset);
                return 1;
            }
            load_check_records(&check, records);
            arena_deinit(&arena);
        } while (check.next_offset < end && check.next_offset > before);
        if (check.next_offset != end) {
            (void)fprintf(stderr, "load: partition %d: stuck at %" PRId64 " of %" PRId64 "\n", partition,
                          check.next_offset, end);
            total.bad++;
        }
        total.bytes += check.bytes;
        total.records += check.records;
        total.batches += check.batches;
        total.gaps += check.gaps;
        total.bad += check.bad;
        (void)close(socket);
    }
    double seconds = (double)(now_ns() - start) / 1e9;

    broker = cpu_of(run->options.pid) - broker;
    (void)printf("{\"mode\":\"verify\",\"records\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"gaps\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"mb_per_s\":%.1f,\"broker_cpu_s_per_gib\":%.3f}\n",
                 total.records, total.batches, total.bytes, total.gaps, total.bad, (double)total.bytes / seconds / 1e6,
                 total.bytes > 0 ? broker / ((double)total.bytes / (double)GIB) : 0);
    return total.gaps + total.bad == 0 ? 0 : 1;
}

/* --- command line ------------------------------------------------------------------------------------------------ */

static const char usage_text[] =
    "usage: load produce|verify --bootstrap HOST:PORT [--topic T] [--partitions N] [--connections N] [--inflight N]\n"
    "            [--batch-bytes N] [--record-bytes N] [--seconds S] [--warm S] [--rate MB/S] [--acks -1|0|1]\n"
    "            [--pid PID (its CPU is reported)] [--fetch-bytes N]\n";

static bool load_option(struct load_options *options, const char *name, const char *value)
{
    static char host[256];

    if (strcmp(name, "--bootstrap") == 0) {
        const char *colon = strrchr(value, ':');

        if (colon == NULL) {
            return false;
        }
        (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - value), value);
        options->host = host;
        options->port = (uint16_t)atoi(colon + 1);
    } else if (strcmp(name, "--topic") == 0) {
        options->topic = value;
    } else if (strcmp(name, "--partitions") == 0) {
        options->partitions = atoi(value);
    } else if (strcmp(name, "--connections") == 0) {
        options->connections = atoi(value);
    } else if (strcmp(name, "--inflight") == 0) {
        options->inflight = MIN(atoi(value), INFLIGHT_MAX);
    } else if (strcmp(name, "--batch-bytes") == 0) {
        options->batch_bytes = (size_t)atoll(value);
    } else if (strcmp(name, "--record-bytes") == 0) {
        options->record_bytes = (size_t)atoll(value);
    } else if (strcmp(name, "--seconds") == 0) {
        options->seconds = atof(value);
    } else if (strcmp(name, "--warm") == 0) {
        options->warm_seconds = atof(value);
    } else if (strcmp(name, "--rate") == 0) {
        options->rate_mb = atof(value);
    } else if (strcmp(name, "--acks") == 0) {
        options->acks = (int16_t)atoi(value);
    } else if (strcmp(name, "--pid") == 0) {
        options->pid = atoi(value);
    } else if (strcmp(name, "--fetch-bytes") == 0) {
        options->fetch_bytes = (size_t)atoll(value);
    } else {
        return false;
    }
    return true;
}

int main(int argument_count, char **arguments)
{
    static struct load_run run = {.options = {.topic = "load",
                                              .partitions = 16,
                                              .connections = 8,
                                              .inflight = 5,
                                              .batch_bytes = 131072,
                                              .record_bytes = 1024,
                                              .seconds = 10,
                                              .warm_seconds = 2,
                                              .acks = -1,
                                              .fetch_bytes = 1 << 20}};
    bool                   good = argument_count >= 2 && argument_count % 2 == 0;

    for (int i = 2; good && i + 1 < argument_count; i += 2) {
        good = load_option(&run.options, arguments[i], arguments[i + 1]);
    }
    if (!good || run.options.host == NULL) {
        (void)fputs(usage_text, stderr);
        return 2;
    }
    arena_init(&run.arena, MEM_TEST, 1 * MIB, 1 * GIB);
    if (!load_cluster_open(run.options.host, run.options.port, run.options.topic, run.options.partitions, &run.arena,
                           &run.cluster)) {
        return 1;
    }
    if (strcmp(arguments[1], "produce") == 0) {
        return load_produce(&run);
    }
    if (strcmp(arguments[1], "verify") == 0) {
        return load_verify(&run);
    }
    (void)fputs(usage_text, stderr);
    return 2;
}
