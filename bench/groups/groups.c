/* groups: what coordinators cost. Against any Kafka broker whose groups all have the same coordinator (one shard).
 *
 *   groups commit --groups 1000 --offsets 10     committed offsets per second
 *   groups beat --groups 10000 --members 10      heartbeats per second; joins all members first
 *   groups wait                                  milliseconds until the coordinator of a group answers
 *
 * Requests are encoded once and sent again and again, a window of them on each connection; every answer is read and its
 * error code checked. --pid names the broker: its CPU time and memory are reported, too. */
#include "bench/groups/groups_client.h"
#include "core/proto/kp_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOPIC            "bench-groups"
#define TOPIC_PARTITIONS 64 /* whatever step comes first makes it, all find room in it */
#define MEMBERS_MAX      64
#define WINDOW_MAX       64
#define ANSWER_BYTES     (64 * 1024)
#define SESSION_MS       1800000
#define MEMBER_ID_BYTES  80

struct options {
    const char *mode;
    const char *host;
    uint16_t    port;
    int32_t     groups, members, offsets, connections, window, pid;
    double      seconds;
};

struct member {
    char    id[MEMBER_ID_BYTES];
    int32_t generation;
    bool    leads;
};

struct run {
    struct options options;
    struct arena   arena;
    int            sockets[MEMBERS_MAX];
    struct member *members; /* by group, then member */
    uint8_t       *answer;
};

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "groups: %s\n", what);
    exit(1);
}

static void die_of_error(int16_t error_code)
{
    (void)fprintf(stderr, "groups: an answer shows %s\n", kp_error_name(error_code));
    exit(1);
}

/* CPU seconds and resident bytes of the broker. */
static void broker_use(int32_t pid, double *out_cpu_s, double *out_bytes)
{
    char   path[64];
    char   text[1024] = "";
    FILE  *file;
    char  *at;
    double user = 0, system = 0;
    long   pages = 0;

    *out_cpu_s = 0;
    *out_bytes = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "r");
    if (pid <= 0 || file == NULL) {
        return;
    }
    if (fgets(text, sizeof(text), file) != NULL && (at = strrchr(text, ')')) != NULL &&
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf %*d %*d %*d %*d %*d %*d %*u %*u %ld", &user,
               &system, &pages) == 3) {
        *out_cpu_s = (user + system) / (double)sysconf(_SC_CLK_TCK);
        *out_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    }
    (void)fclose(file);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static struct view frame_of(struct run *run, int16_t key, int16_t version, const void *request)
{
    struct kp_request_header header = {
        .api_key = key, .api_version = version, .correlation_id = 1, .client_id = view_text("bench")};
    struct kp_writer writer;
    uint8_t          place[16384];
    uint8_t         *slot;
    struct view      frame;

    kp_writer_init_span(&writer, span_of(place, sizeof(place)));
    slot = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    kp_api_known(key)->request.encode(&writer, version, request);
    if (writer.error != ERR_OK || slot == NULL) {
        die("a request is too large");
    }
    store_be32(slot, (uint32_t)(writer.bytes_total - 4));
    frame = arena_copy(&run->arena, view_of(place, writer.bytes_total));
    if (frame.base == NULL) {
        die("no memory");
    }
    return frame;
}

static void send_frame(int socket, struct view frame)
{
    while (frame.len > 0) {
        ssize_t sent = send(socket, frame.base, frame.len, MSG_NOSIGNAL);

        if (sent <= 0) {
            die("the connection broke");
        }
        frame = view_of(frame.base + sent, frame.len - (size_t)sent);
    }
}

static void receive(int socket, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t got = recv(socket, to, len, 0);

        if (got <= 0) {
            die("the connection broke");
        }
        to += got;
        len -= (size_t)got;
    }
}

static struct view receive_answer(struct run *run, int socket)
{
    uint8_t  prefix[4];
    uint32_t len;

    receive(socket, prefix, sizeof(prefix));
    len = load_be32(prefix);
    if (len > ANSWER_BYTES) {
        die("an answer is too large");
    }
    receive(socket, run->answer, len);
    return view_of(run->answer, len);
}

static void decode_answer(struct view answer, int16_t key, int16_t version, void *response, struct arena *arena)
{
    struct kp_reader reader;
    int32_t          correlation_id;

    kp_reader_init(&reader, answer, arena);
    kp_api_known(key)->response.init(response);
    if (kp_response_header_decode(&reader, key, version, &correlation_id) != ERR_OK ||
        kp_api_known(key)->response.decode(&reader, version, response) != ERR_OK) {
        die("an answer cannot be read");
    }
}

static void group_name(char *out, size_t size, int32_t group)
{
    (void)snprintf(out, size, "bench-group-%d", group);
}

/* The coordinator's endpoint, asked until it is there. */
static void find_coordinator(struct run *run, uint16_t *out_port)
{
    struct kp_find_coordinator_request  request;
    struct kp_find_coordinator_response response;

    kp_find_coordinator_request_init(&request);
    request.key = view_text("bench-group-0");
    for (int i = 0; i < 600; i++) {
        int  socket = groups_connect(run->options.host, run->options.port);
        bool good = socket >= 0 && groups_call(socket, KP_FIND_COORDINATOR_KEY, 2, &request, &response, &run->arena);

        if (socket >= 0) {
            (void)close(socket);
        }
        if (good && response.error_code == 0) {
            *out_port = (uint16_t)response.port;
            return;
        }
        (void)usleep(100000);
    }
    die("there is no coordinator");
}

/* --- a window of requests on each connection ------------------------------------------------------------------------
 */

/* Sends frames round robin until time is up; the error code of an answer stands `error_at` bytes behind its end (as a
 * negative number) or begin. Returns how many were answered. */
static uint64_t drive(struct run *run, const struct view *frames, int32_t count, int error_at)
{
    const struct options *options = &run->options;
    double                end_s = now_s() + options->seconds;
    uint64_t              answered = 0;
    int32_t               next = 0;
    bool                  first = true;

    for (;; first = false) {
        bool stop = now_s() >= end_s;

        for (int32_t c = 0; c < options->connections; c++) {
            for (int32_t i = 0; !first && i < options->window; i++) {
                struct view answer = receive_answer(run, run->sockets[c]);
                size_t      at = error_at >= 0 ? (size_t)error_at : answer.len - (size_t)-error_at;

                if ((int16_t)load_be16(answer.base + at) != 0) {
                    die_of_error((int16_t)load_be16(answer.base + at));
                }
                answered++;
            }
            for (int32_t i = 0; !stop && i < options->window; i++) {
                send_frame(run->sockets[c], frames[next]);
                next = next + 1 == count ? 0 : next + 1;
            }
        }
        if (stop) {
            break;
        }
    }
    return answered;
}

static void report(const char *what, double per_request, uint64_t answered, double cpu_s, double seconds)
{
    (void)printf("%s: %.0f/s, %.2f us of the broker's CPU each, %.0f %% of a core\n", what,
                 (double)answered * per_request / seconds, cpu_s * 1e6 / ((double)answered * per_request),
                 100 * cpu_s / seconds);
}

static void measure(struct run *run, const struct view *frames, int32_t count, int error_at, const char *what,
                    double per_request)
{
    double   before_cpu, after_cpu, bytes;
    double   begin_s = now_s();
    uint64_t answered;

    broker_use(run->options.pid, &before_cpu, &bytes);
    answered = drive(run, frames, count, error_at);
    broker_use(run->options.pid, &after_cpu, &bytes);
    report(what, per_request, answered, after_cpu - before_cpu, now_s() - begin_s);
}

/* --- commit ---------------------------------------------------------------------------------------------------------
 */

static void run_commit(struct run *run)
{
    const struct options                              *options = &run->options;
    struct view                                       *frames = calloc((size_t)options->groups, sizeof(*frames));
    struct kp_offset_commit_request_topics_partitions *places = calloc((size_t)options->offsets, sizeof(*places));
    double                                             cpu, before_bytes, after_bytes;

    for (int32_t g = 0; g < options->groups; g++) {
        struct kp_offset_commit_request        request;
        struct kp_offset_commit_request_topics topic;
        char                                   name[64];

        kp_offset_commit_request_init(&request);
        kp_offset_commit_request_topics_init(&topic);
        group_name(name, sizeof(name), g);
        for (int32_t p = 0; p < options->offsets; p++) {
            kp_offset_commit_request_topics_partitions_init(&places[p]);
            places[p].partition_index = p;
            places[p].committed_offset = 1000 + g;
            places[p].committed_metadata = view_text("");
        }
        topic.name = view_text(TOPIC);
        topic.partitions = places;
        topic.partitions_count = options->offsets;
        request.group_id = view_text(name);
        request.generation_id_or_member_epoch = -1;
        request.topics = &topic;
        request.topics_count = 1;
        frames[g] = frame_of(run, KP_OFFSET_COMMIT_KEY, 7, &request);
    }
    broker_use(options->pid, &cpu, &before_bytes);
    measure(run, frames, options->groups, -2, "committed offsets", options->offsets);
    broker_use(options->pid, &cpu, &after_bytes);
    (void)printf("%.0f bytes of memory for each of %d groups with %d offsets\n",
                 (after_bytes - before_bytes) / options->groups, options->groups, options->offsets);
    free(places);
    free(frames);
}

/* --- beat -----------------------------------------------------------------------------------------------------------
 */

static struct view join_frame(struct run *run, int32_t group)
{
    struct kp_join_group_request           request;
    struct kp_join_group_request_protocols protocol;
    char                                   name[64];

    kp_join_group_request_init(&request);
    kp_join_group_request_protocols_init(&protocol);
    group_name(name, sizeof(name), group);
    protocol.name = view_text("range");
    protocol.metadata = view_of("\0\0\0\0\0\1\0\14" TOPIC "\0\0\0\0", 24);
    request.group_id = view_text(name);
    request.member_id = view_text("");
    request.protocol_type = view_text("consumer");
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = 60000;
    request.protocols = &protocol;
    request.protocols_count = 1;
    return frame_of(run, KP_JOIN_GROUP_KEY, 3, &request);
}

static void take_join(struct run *run, int32_t group, int32_t index)
{
    struct member                *member = &run->members[group * run->options.members + index];
    struct kp_join_group_response response;

    decode_answer(receive_answer(run, run->sockets[index]), KP_JOIN_GROUP_KEY, 3, &response, &run->arena);
    if (response.error_code != 0) {
        die("a member may not join");
    }
    (void)snprintf(member->id, sizeof(member->id), "%.*s", (int)response.member_id.len,
                   (const char *)response.member_id.base);
    member->generation = response.generation_id;
    member->leads = view_equal(response.leader, response.member_id);
}

static struct view sync_frame(struct run *run, int32_t group, int32_t index)
{
    struct member                           *members = &run->members[group * run->options.members];
    struct kp_sync_group_request             request;
    struct kp_sync_group_request_assignments plans[MEMBERS_MAX];
    char                                     name[64];

    kp_sync_group_request_init(&request);
    group_name(name, sizeof(name), group);
    request.group_id = view_text(name);
    request.generation_id = members[index].generation;
    request.member_id = view_text(members[index].id);
    for (int32_t i = 0; members[index].leads && i < run->options.members; i++) {
        kp_sync_group_request_assignments_init(&plans[i]);
        plans[i].member_id = view_text(members[i].id);
        plans[i].assignment = view_text("a plan of usual length: 36 bytes, eh");
        request.assignments = plans;
        request.assignments_count = run->options.members;
    }
    return frame_of(run, KP_SYNC_GROUP_KEY, 2, &request);
}

/* All members of a window of groups at once: member i on connection i. */
static void join_window(struct run *run, int32_t first, int32_t count)
{
    for (int32_t i = 0; i < run->options.members; i++) {
        for (int32_t g = first; g < first + count; g++) {
            send_frame(run->sockets[i], join_frame(run, g));
        }
    }
    for (int32_t i = 0; i < run->options.members; i++) {
        for (int32_t g = first; g < first + count; g++) {
            take_join(run, g, i);
        }
    }
    for (int32_t i = 0; i < run->options.members; i++) {
        for (int32_t g = first; g < first + count; g++) {
            send_frame(run->sockets[i], sync_frame(run, g, i));
        }
    }
    for (int32_t i = 0; i < run->options.members; i++) {
        for (int32_t g = first; g < first + count; g++) {
            struct kp_sync_group_response response;

            decode_answer(receive_answer(run, run->sockets[i]), KP_SYNC_GROUP_KEY, 2, &response, &run->arena);
            if (response.error_code != 0) {
                die("a member may not sync");
            }
        }
    }
    arena_reset(&run->arena);
}

static void run_beat(struct run *run)
{
    const struct options *options = &run->options;
    int32_t               total = options->groups * options->members;
    struct view          *frames = calloc((size_t)total, sizeof(*frames));
    double                before_cpu, after_cpu, before_bytes, after_bytes;
    double                begin_s = now_s();

    run->members = calloc((size_t)total, sizeof(*run->members));
    broker_use(options->pid, &before_cpu, &before_bytes);
    for (int32_t g = 0; g < options->groups; g += options->window) {
        join_window(run, g, MIN(options->window, options->groups - g));
    }
    broker_use(options->pid, &after_cpu, &after_bytes);
    (void)printf("%d groups with %d members each joined in %.1f s, %.0f us of the broker's CPU and %.0f bytes of its "
                 "memory for each member\n",
                 options->groups, options->members, now_s() - begin_s, (after_cpu - before_cpu) * 1e6 / total,
                 (after_bytes - before_bytes) / total);
    for (int32_t i = 0; i < total; i++) {
        struct kp_heartbeat_request request;
        char                        name[64];

        kp_heartbeat_request_init(&request);
        group_name(name, sizeof(name), i / options->members);
        request.group_id = view_text(name);
        request.member_id = view_text(run->members[i].id);
        request.generation_id = run->members[i].generation;
        frames[i] = frame_of(run, KP_HEARTBEAT_KEY, 2, &request);
    }
    measure(run, frames, total, 8, "heartbeats", 1); /* behind correlation id and throttle time */
    free(frames);
    free(run->members);
}

/* --- wait -----------------------------------------------------------------------------------------------------------
 */

static void run_wait(struct run *run)
{
    double begin_s = now_s();

    find_coordinator(run, &run->options.port);
    for (;;) {
        struct kp_offset_fetch_request  request;
        struct kp_offset_fetch_response response;
        int                             socket = groups_connect(run->options.host, run->options.port);

        kp_offset_fetch_request_init(&request);
        request.group_id = view_text("bench-group-0");
        request.topics_count = -1;
        if (socket >= 0 && groups_call(socket, KP_OFFSET_FETCH_KEY, 5, &request, &response, &run->arena) &&
            response.error_code == 0) {
            (void)printf("answered after %.0f ms: %d topics\n", (now_s() - begin_s) * 1e3, response.topics_count);
            return;
        }
        if (socket >= 0) {
            (void)close(socket);
        }
        (void)usleep(2000);
    }
}

/* --- the program ----------------------------------------------------------------------------------------------------
 */

static bool number_option(int count, char **words, int *at, const char *name, int32_t *out_value)
{
    if (strcmp(words[*at], name) != 0 || *at + 1 >= count) {
        return false;
    }
    *out_value = (int32_t)strtol(words[++*at], NULL, 10);
    return true;
}

int main(int count, char **words)
{
    static struct run     run;
    struct options       *options = &run.options;
    int32_t               port = 9092, seconds = 5;
    struct groups_cluster cluster;

    *options = (struct options){.mode = count > 1 ? words[1] : "help",
                                .host = "127.0.0.1",
                                .groups = 1000,
                                .members = 10,
                                .offsets = 10,
                                .connections = 10,
                                .window = 32};
    for (int i = 2; i < count; i++) {
        if (!number_option(count, words, &i, "--port", &port) &&
            !number_option(count, words, &i, "--groups", &options->groups) &&
            !number_option(count, words, &i, "--members", &options->members) &&
            !number_option(count, words, &i, "--offsets", &options->offsets) &&
            !number_option(count, words, &i, "--connections", &options->connections) &&
            !number_option(count, words, &i, "--window", &options->window) &&
            !number_option(count, words, &i, "--seconds", &seconds) &&
            !number_option(count, words, &i, "--pid", &options->pid)) {
            options->mode = "help";
        }
    }
    options->port = (uint16_t)port;
    options->seconds = seconds;
    arena_init(&run.arena, MEM_TEST, 256 * KIB, 4 * GIB);
    run.answer = malloc(ANSWER_BYTES);
    if (strcmp(options->mode, "wait") == 0) {
        run_wait(&run);
        return 0;
    }
    if ((strcmp(options->mode, "commit") != 0 && strcmp(options->mode, "beat") != 0) || options->groups < 1 ||
        options->members < 1 || options->members > MEMBERS_MAX || options->window < 1 || options->window > WINDOW_MAX ||
        options->connections < 1 || options->connections > MEMBERS_MAX) {
        (void)printf("groups commit|beat|wait [--port N] [--groups N] [--members N] [--offsets N] [--connections N]"
                     " [--window N] [--seconds N] [--pid N]\n");
        return 2;
    }
    options->connections = strcmp(options->mode, "beat") == 0 ? options->members : options->connections;
    if (!groups_cluster_open(options->host, options->port, TOPIC, MAX(options->offsets, TOPIC_PARTITIONS), &run.arena,
                             &cluster)) {
        return 1;
    }
    find_coordinator(&run, &options->port);
    for (int32_t i = 0; i < options->connections; i++) {
        run.sockets[i] = groups_connect(options->host, options->port);
    }
    if (strcmp(options->mode, "commit") == 0) {
        run_commit(&run);
    } else {
        run_beat(&run);
    }
    return 0;
}
