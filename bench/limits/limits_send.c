/* limits_send.c: what a broker must do with a fetch of what it has in memory: read a short request, send that many
 * bytes out of memory that was used a moment ago. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_POOL_BYTES ((size_t)16 << 20) /* the newest of a log */

struct send_conn {
    int    socket;
    bool   armed;
    size_t asked;   /* bytes of requests that were not answered */
    size_t sending; /* bytes under way */
    size_t at;      /* in the pool */
};

struct send {
    const struct limits_options *options;
    struct limits_ring           ring;
    struct limits_client         client;
    struct send_conn             conns[LIMITS_CONNECTIONS_MAX];
    uint8_t                     *pool;
    size_t                       bytes, pool_bytes;
};

/* One send for everything that was asked for, up to 1 MiB. */
static void send_start(struct send *send, int index)
{
    struct send_conn    *conn = &send->conns[index];
    size_t               count = conn->asked / LIMITS_HEAD_BYTES;
    struct io_uring_sqe *sqe;
    uint64_t             data;

    if (count == 0 || conn->sending != 0) {
        return;
    }
    count = MIN(count, MAX(LIMITS_WRITE_BYTES / send->bytes, (size_t)1));
    conn->asked -= count * LIMITS_HEAD_BYTES;
    conn->sending = count * send->bytes;
    conn->at = conn->at + conn->sending > send->pool_bytes ? 0 : conn->at;
    sqe = limits_ring_sqe(&send->ring, LIMITS_SEND, index);
    data = sqe->user_data;
    io_uring_prep_send(sqe, conn->socket, send->pool + conn->at, conn->sending, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, data);
    conn->at += conn->sending;
}

static void send_reap(struct send *send)
{
    struct io_uring_cqe *cqe;
    unsigned             head, count = 0;

    io_uring_for_each_cqe(&send->ring.ring, head, cqe)
    {
        struct send_conn *conn = &send->conns[limits_index_of(cqe)];

        if (limits_tag_of(cqe) == LIMITS_SEND) {
            if (cqe->res != (int)conn->sending) {
                limits_die("an answer was cut short (%d)", cqe->res);
            }
            conn->sending = 0;
        } else {
            conn->armed = (cqe->flags & IORING_CQE_F_MORE) != 0;
            if (cqe->res <= 0 && cqe->res != -ENOBUFS) {
                limits_die("the client is gone (%d)", cqe->res);
            }
            if (cqe->res > 0) {
                conn->asked += (size_t)cqe->res;
                limits_ring_give(&send->ring, (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
            }
        }
        count++;
    }
    io_uring_cq_advance(&send->ring.ring, count);
}

static void send_turn(struct send *send)
{
    limits_ring_wait(&send->ring);
    send_reap(send);
    for (int i = 0; i < send->options->connections; i++) {
        send_start(send, i);
        if (!send->conns[i].armed) {
            limits_ring_recv(&send->ring, send->conns[i].socket, i);
            send->conns[i].armed = true;
        }
    }
}

static void send_open(struct send *send)
{
    send->pool_bytes = MAX(SEND_POOL_BYTES, 2 * send->bytes);
    send->pool = limits_noise(send->pool_bytes);
    limits_ring_open(&send->ring);
    for (int i = 0; i < send->options->connections; i++) {
        send->conns[i].socket = send->client.sockets[i];
    }
    for (int i = 0; i < send->options->connections; i++) {
        limits_ring_recv(&send->ring, send->conns[i].socket, i);
        send->conns[i].armed = true;
    }
}

static void send_close(struct send *send)
{
    for (int i = 0; i < send->options->connections; i++) {
        (void)close(send->conns[i].socket);
    }
    limits_ring_close(&send->ring);
    (void)munmap(send->pool, send->pool_bytes);
}

void limits_send(const struct limits_options *options, size_t bytes, struct limits_result *out_result)
{
    struct send *send = calloc(1, sizeof(*send));
    int64_t      begin_ns, end_ns;
    bool         measuring = false;

    if (send == NULL) {
        limits_die("no memory");
    }
    send->options = options;
    send->bytes = bytes;
    limits_client_start(&send->client, options, LIMITS_ASKS_FOR_BYTES, bytes);
    send_open(send);
    begin_ns = limits_now_ns() + (int64_t)(options->warm_s * 1e9);
    end_ns = INT64_MAX;
    for (;;) {
        int64_t now_ns = limits_now_ns();

        if (!measuring && now_ns >= begin_ns) {
            measuring = true;
            end_ns = now_ns + (int64_t)(options->seconds * 1e9);
            limits_client_measure(&send->client, true);
            limits_moment(&out_result->begin, send->client.pid);
        }
        if (now_ns >= end_ns) {
            break;
        }
        send_turn(send);
    }
    limits_client_measure(&send->client, false);
    limits_moment(&out_result->end, send->client.pid);
    limits_client_end(&send->client, out_result);
    send_close(send);
    free(send);
}
