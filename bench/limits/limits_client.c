/* limits_client.c: the other end. As cheap as it can be made: it sends the same bytes over and over and only counts
 * what comes back. Large requests leave one in a call, from all connections in turn, as they do from clients of a
 * broker (several in a call come as one receive, and are answered by one send); short ones as many as may be in flight.
 */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"
#include "core/base/bytes.h"
#include "core/base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT_READ_BYTES ((size_t)256 << 10)
#define CLIENT_PAUSE_MS   50 /* between two looks at `stop` */

struct client_conn {
    int     socket;
    size_t  sent;                           /* of the requests in [first, first + count), the last one's included */
    size_t  got;                            /* of the answer that is coming */
    int64_t since_ns[LIMITS_IN_FLIGHT_MAX]; /* when a request was begun */
    int     first, count;
    bool    blocked;
};

struct client {
    const struct limits_options *options;
    struct limits_shared        *shared;
    size_t                       request_bytes, answer_bytes;
    bool                         one_a_call;
    uint8_t                     *requests; /* as many as may be in flight, one behind the other */
    uint8_t                     *answer;
    int                          epoll;
    struct client_conn           conns[LIMITS_CONNECTIONS_MAX];
};

/* --- both ends of a connection ----------------------------------------------------------------------------------- */

static int net_listen(struct sockaddr_in *out_address)
{
    socklen_t len = sizeof(*out_address);
    int       listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *out_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listener < 0 || bind(listener, (struct sockaddr *)out_address, len) != 0 ||
        listen(listener, LIMITS_CONNECTIONS_MAX) != 0 ||
        getsockname(listener, (struct sockaddr *)out_address, &len) != 0) {
        limits_die("cannot listen on loopback: %s", strerror(errno));
    }
    return listener;
}

static int net_connect(const struct sockaddr_in *address)
{
    int one = 1;
    int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (end < 0 || connect(end, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        limits_die("cannot connect: %s", strerror(errno));
    }
    (void)setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return end;
}

static int net_accept(int listener)
{
    int one = 1;
    int end = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (end < 0) {
        limits_die("cannot accept: %s", strerror(errno));
    }
    (void)setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return end;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* One call. False: nothing more may be in flight, or the socket is full. */
static bool client_send(struct client *client, struct client_conn *conn)
{
    size_t  part = conn->sent % client->request_bytes; /* of one that was begun */
    int     begun = conn->count - (part != 0);
    size_t  room = (size_t)(client->options->in_flight - begun) * client->request_bytes - part;
    ssize_t sent;

    if (room == 0 || conn->blocked) {
        return false;
    }
    room = client->one_a_call ? MIN(room, client->request_bytes - part) : room;
    sent = send(conn->socket, client->requests + part, room, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
        conn->blocked = true;
        return false;
    }
    if (sent <= 0) {
        limits_die("the probe closed a connection");
    }
    conn->sent = part + (size_t)sent;
    for (int begins = (int)div_ceil_u64(conn->sent, client->request_bytes) - (part != 0); begins > 0; begins--) {
        conn->since_ns[(conn->first + conn->count++) % LIMITS_IN_FLIGHT_MAX] = limits_now_ns();
    }
    return true;
}

/* As much as may be in flight and as the sockets take. */
static void client_send_all(struct client *client)
{
    bool any = true;

    while (any) {
        any = false;
        for (int i = 0; i < client->options->connections; i++) {
            any = client_send(client, &client->conns[i]) || any;
        }
    }
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

static void client_answered(struct client *client, struct client_conn *conn)
{
    int64_t now_ns = limits_now_ns();

    if (__atomic_load_n(&client->shared->measuring, __ATOMIC_RELAXED) != 0) {
        cli_histogram_add(&client->shared->latency, now_ns - conn->since_ns[conn->first]);
        client->shared->requests++;
    }
    conn->first = (conn->first + 1) % LIMITS_IN_FLIGHT_MAX;
    conn->count--;
}

static void client_counts(struct client *client, struct client_conn *conn, size_t got)
{
    conn->got += got;
    while (conn->got >= client->answer_bytes) {
        conn->got -= client->answer_bytes;
        if (conn->count == 0) {
            limits_die("an answer that nobody asked for");
        }
        client_answered(client, conn);
    }
}

/* Everything that is there: the kernel says only once that there is something. */
static void client_receive(struct client *client, struct client_conn *conn)
{
    ssize_t got;

    do {
        got = recv(conn->socket, client->answer, CLIENT_READ_BYTES, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            limits_die("the probe closed a connection");
        }
        client_counts(client, conn, (size_t)got);
    } while ((size_t)got == CLIENT_READ_BYTES);
}

/* --- the process ------------------------------------------------------------------------------------------------- */

static void client_watch(struct client *client, int index)
{
    struct client_conn *conn = &client->conns[index];
    struct epoll_event  event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)index};

    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, conn->socket, &event) != 0) {
        limits_die("epoll: %s", strerror(errno));
    }
}

static void client_turn(struct client *client)
{
    struct epoll_event events[LIMITS_CONNECTIONS_MAX];
    int                count = epoll_wait(client->epoll, events, LIMITS_CONNECTIONS_MAX, CLIENT_PAUSE_MS);

    for (int i = 0; i < count; i++) {
        struct client_conn *conn = &client->conns[events[i].data.u32];

        if ((events[i].events & EPOLLOUT) != 0) {
            conn->blocked = false;
        }
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            client_receive(client, conn);
        }
    }
    client_send_all(client);
}

static void NORETURN client_run(struct client *client, const struct sockaddr_in *address)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    limits_pin(client->options->client_cpu);
    client->requests = limits_noise(client->request_bytes * (size_t)client->options->in_flight);
    client->answer = limits_memory(CLIENT_READ_BYTES);
    store_be32(client->requests, (uint32_t)client->request_bytes);
    store_be32(client->requests + 4,
               crc32c_update(0, client->requests + LIMITS_HEAD_BYTES, client->request_bytes - LIMITS_HEAD_BYTES));
    for (int i = 1; i < client->options->in_flight; i++) { /* all the same: what was cut off goes on in the first */
        memcpy(client->requests + (size_t)i * client->request_bytes, client->requests, client->request_bytes);
    }
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < client->options->connections; i++) {
        client->conns[i].socket = net_connect(address);
        client_watch(client, i);
    }
    while (__atomic_load_n(&client->shared->stop, __ATOMIC_ACQUIRE) == 0) {
        client_turn(client);
    }
    _exit(0);
}

void limits_client_start(struct limits_client *client, const struct limits_options *options, enum limits_work work,
                         size_t bytes)
{
    static struct client  child;
    struct sockaddr_in    address;
    int                   listener = net_listen(&address);
    struct limits_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED) {
        limits_die("no shared memory");
    }
    *client = (struct limits_client){.shared = shared};
    child = (struct client){.options = options,
                            .shared = shared,
                            .request_bytes = work == LIMITS_SENDS_BYTES ? bytes : LIMITS_HEAD_BYTES,
                            .one_a_call = work == LIMITS_SENDS_BYTES,
                            .answer_bytes = work == LIMITS_SENDS_BYTES ? LIMITS_ANSWER_BYTES : bytes};
    client->pid = fork();
    if (client->pid < 0) {
        limits_die("cannot fork: %s", strerror(errno));
    }
    if (client->pid == 0) {
        client_run(&child, &address);
    }
    for (int i = 0; i < options->connections; i++) {
        client->sockets[i] = net_accept(listener);
    }
    (void)close(listener);
}

void limits_client_measure(struct limits_client *client, bool on)
{
    __atomic_store_n(&client->shared->measuring, on, __ATOMIC_RELAXED);
}

void limits_client_end(struct limits_client *client, struct limits_result *result)
{
    int status = 0;

    __atomic_store_n(&client->shared->stop, 1, __ATOMIC_RELEASE);
    if (waitpid(client->pid, &status, 0) != client->pid || status != 0) {
        limits_die("the client ended with %d", status);
    }
    result->requests = client->shared->requests;
    result->latency = client->shared->latency;
    (void)munmap(client->shared, sizeof(*client->shared));
}
