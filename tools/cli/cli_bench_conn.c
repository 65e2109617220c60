/* cli_bench_conn.c: connections that neither wait for each other nor for their answers. */
#include "core/base/bytes.h"
#include "tools/cli/cli_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CONN_IN_BYTES     ((size_t)(64 * KIB))
#define CONN_ARENA_BYTES  ((size_t)(64 * MIB))
#define CONN_PARTS        64               /* that one send takes */
#define CONN_PAUSE_NS_MAX (20 * NS_PER_MS) /* so that a signal and the live line are seen */

int64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static double cpu_of_process(pid_t pid)
{
    char               path[64];
    char               text[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    FILE              *file;
    const char        *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    at = strrchr(text, ')');
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) {
        return 0;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

int64_t bench_rss_bytes(pid_t pid)
{
    char      path[64];
    long long pages = 0;
    FILE     *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    pages = fscanf(file, "%*d %lld", &pages) == 1 ? pages : 0;
    (void)fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

double bench_cpu_s(pid_t pid)
{
    struct rusage usage;

    if (pid != 0) {
        return cpu_of_process(pid);
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static const struct cli_node *conn_node(struct cli *cli, int32_t id)
{
    int32_t                count = 0;
    const struct cli_node *nodes = cli_nodes(cli, &count);

    for (int32_t i = 0; i < count; i++) {
        if (nodes[i].id == id) {
            return &nodes[i];
        }
    }
    cli_die(cli, CLI_UNREACHABLE, "broker %d leads a partition, and nobody knows its address", id);
}

void bench_conn_open(struct bench_conn *conn, struct bench *bench, int32_t node, int16_t api_key,
                     bench_answer_fn *answered)
{
    const struct cli_node *at = conn_node(bench->cli, node);
    const char            *why = NULL;

    conn->bench = bench;
    conn->node = node;
    conn->answered = answered;
    conn->version = cli_version(bench->cli, node, api_key);
    if (conn->version < 0) {
        cli_die(bench->cli, CLI_REFUSED, "broker %d does not speak %s", node, kp_api_known(api_key)->name);
    }
    arena_init(&conn->arena, MEM_CLI, CONN_IN_BYTES, CONN_ARENA_BYTES);
    arena_init(&conn->answer_arena, MEM_CLI, CONN_IN_BYTES, CONN_ARENA_BYTES);
    conn->in_capacity = CONN_IN_BYTES;
    conn->in = mem_alloc(MEM_CLI, conn->in_capacity);
    if (cli_net_connect(&conn->socket, at->host, at->port, cli_clock_ms() + cli_timeout_ms(bench->cli), &why) !=
        ERR_OK) {
        cli_die(bench->cli, CLI_UNREACHABLE, "cannot connect to %s:%d: %s", at->host, at->port, why);
    }
    if (fcntl(conn->socket.fd, F_SETFL, O_NONBLOCK) != 0) {
        cli_die(bench->cli, CLI_FAILED, "%s", strerror(errno));
    }
}

bool bench_hello(struct cli *cli, struct cli_socket *socket, const char *host, int32_t port, struct arena *arena,
                 const char **out_why)
{
    struct kp_request_header header = {.api_key = KP_API_VERSIONS_KEY, .client_id = view_text("hello")};
    struct kp_writer         writer;
    uint8_t                  frame[128];
    uint8_t                 *length;
    struct view              part;
    struct span              answer;
    int64_t                  deadline_ms = cli_clock_ms() + cli_timeout_ms(cli);

    kp_writer_init_span(&writer, span_of(frame, sizeof(frame)));
    length = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    CHECK(writer.error == ERR_OK && length != NULL);
    store_be32(length, (uint32_t)(writer.bytes_total - 4));
    part = view_of(frame, writer.bytes_total);
    if (cli_net_connect(socket, host, port, deadline_ms, out_why) != ERR_OK) {
        return false;
    }
    if (cli_net_send(socket, &part, 1, deadline_ms) != ERR_OK ||
        cli_net_receive(socket, arena, deadline_ms, &answer) != ERR_OK) {
        cli_net_close(socket);
        *out_why = "it gives no answer";
        return false;
    }
    arena_reset(arena);
    return true;
}

void bench_conns_close(struct bench *bench)
{
    for (int32_t i = 0; i < bench->conn_count; i++) {
        struct bench_conn *conn = &bench->conns[i];

        cli_net_close(&conn->socket);
        arena_deinit(&conn->arena);
        arena_deinit(&conn->answer_arena);
        mem_free(MEM_CLI, conn->in);
    }
    bench->conn_count = 0;
}

static void NORETURN conn_lost(const struct bench_conn *conn)
{
    cli_die(conn->bench->cli, CLI_UNREACHABLE, "broker %d closed a connection with %u requests unanswered", conn->node,
            conn->flight_count);
}

/* --- out --------------------------------------------------------------------------------------------------------- */

bool bench_conn_sending(const struct bench_conn *conn)
{
    return conn->part_at < conn->part_count;
}

static void conn_flush(struct bench_conn *conn)
{
    while (bench_conn_sending(conn)) {
        struct iovec  parts[CONN_PARTS];
        struct msghdr message = {.msg_iov = parts};
        ssize_t       sent;
        size_t        skip = conn->part_sent;

        for (int32_t i = conn->part_at; i < conn->part_count && message.msg_iovlen < CONN_PARTS; i++, skip = 0) {
            parts[message.msg_iovlen++] =
                (struct iovec){(void *)(uintptr_t)(conn->parts[i].base + skip), conn->parts[i].len - skip};
        }
        sent = sendmsg(conn->socket.fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            return;
        }
        if (sent < 0) {
            conn_lost(conn);
        }
        conn->part_sent += (size_t)sent;
        while (bench_conn_sending(conn) && conn->part_sent >= conn->parts[conn->part_at].len) {
            conn->part_sent -= conn->parts[conn->part_at++].len;
        }
    }
}

void bench_conn_send(struct bench_conn *conn, const struct bench_flight *flight)
{
    CHECK(!bench_conn_sending(conn) || conn->part_sent == 0);
    if (flight != NULL) {
        CHECK(conn->flight_count < BENCH_IN_FLIGHT_MAX);
        conn->flights[(conn->flight_first + conn->flight_count++) % BENCH_IN_FLIGHT_MAX] = *flight;
    }
    conn_flush(conn);
}

/* --- in ---------------------------------------------------------------------------------------------------------- */

static void conn_grow(struct bench_conn *conn, size_t bytes)
{
    if (bytes > CLI_FRAME_BYTES_MAX) {
        cli_die(conn->bench->cli, CLI_REFUSED, "broker %d announces an answer of %zu bytes", conn->node, bytes);
    }
    while (conn->in_capacity < bytes) {
        conn->in_capacity *= 2;
    }
    conn->in = mem_realloc(MEM_CLI, conn->in, conn->in_capacity);
}

/* Whole answers, in the order of their requests. What is behind them moves to the front. */
static void conn_take(struct bench_conn *conn)
{
    size_t at = 0;

    while (conn->in_got - at >= 4) {
        size_t              len = load_be32(conn->in + at);
        struct bench_flight flight;

        if (conn->in_got - at < len + 4) {
            if (len + 4 > conn->in_capacity) {
                conn_grow(conn, len + 4);
            }
            break;
        }
        if (conn->flight_count == 0) {
            cli_die(conn->bench->cli, CLI_REFUSED, "broker %d answers what nobody asked", conn->node);
        }
        flight = conn->flights[conn->flight_first];
        conn->flight_first = (conn->flight_first + 1) % BENCH_IN_FLIGHT_MAX;
        conn->flight_count--;
        conn->answered(conn, &flight, view_of(conn->in + at + 4, len));
        arena_reset(&conn->answer_arena);
        at += len + 4;
    }
    memmove(conn->in, conn->in + at, conn->in_got - at);
    conn->in_got -= at;
}

static void conn_receive(struct bench_conn *conn)
{
    for (;;) {
        ssize_t got = recv(conn->socket.fd, conn->in + conn->in_got, conn->in_capacity - conn->in_got, 0);
        bool    full = got > 0 && (size_t)got == conn->in_capacity - conn->in_got;

        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            conn_lost(conn);
        }
        conn->in_got += (size_t)got;
        conn_take(conn);
        if (!full) {
            return;
        }
    }
}

void bench_answer_open(struct bench_conn *conn, int16_t api_key, struct view frame, struct kp_reader *out_reader)
{
    int32_t correlation_id = 0;

    kp_reader_init(out_reader, frame, &conn->answer_arena);
    if (kp_response_header_decode(out_reader, api_key, conn->version, &correlation_id) != ERR_OK) {
        cli_die(conn->bench->cli, CLI_REFUSED, "broker %d sends something that is no answer to %s", conn->node,
                kp_api_known(api_key)->name);
    }
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

uint32_t bench_waiting(const struct bench *bench)
{
    uint32_t waiting = 0;

    for (int32_t i = 0; i < bench->conn_count; i++) {
        waiting += bench->conns[i].flight_count;
    }
    return waiting;
}

void bench_turn(struct bench *bench, int64_t due_ns)
{
    struct pollfd  *polls = mem_alloc(MEM_CLI, (size_t)bench->conn_count * sizeof(*polls));
    int64_t         wait_ns = due_ns == 0 ? 0 : MIN(MAX(due_ns - bench_now_ns(), INT64_C(0)), CONN_PAUSE_NS_MAX);
    struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)wait_ns};
    int             ready;

    for (int32_t i = 0; i < bench->conn_count; i++) {
        polls[i] = (struct pollfd){.fd = bench->conns[i].socket.fd,
                                   .events = (short)(POLLIN | (bench_conn_sending(&bench->conns[i]) ? POLLOUT : 0))};
    }
    ready = ppoll(polls, (nfds_t)bench->conn_count, &wait, NULL);
    for (int32_t i = 0; i < bench->conn_count && ready > 0; i++) {
        if ((polls[i].revents & POLLOUT) != 0) {
            conn_flush(&bench->conns[i]);
        }
        if ((polls[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
            conn_receive(&bench->conns[i]);
        }
    }
    mem_free(MEM_CLI, polls);
}
