/* limits_receive.c: what any durable broker must do with a request, and nothing else: receive it, check its CRC while
 * it is copied once into aligned memory, have it on stable storage, answer.
 *
 * What arrives goes into the open write. That is written when it is full, or as soon as no other write is under way:
 * under load writes become large by themselves. Writes are answered in their order, since a request may begin in one
 * and end in the next. A block is written once: the rest of the last one stays empty, as in a log with frames. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"
#include "core/base/bytes.h"
#include "core/base/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLOTS_MAX (LIMITS_DEPTH_MAX + 1)

struct receive_conn {
    int      socket;
    bool     armed;         /* the multishot receive */
    uint32_t crc, expected; /* of the request that is coming */
    size_t   left;          /* of it; 0: a head comes */
    uint8_t  head[LIMITS_HEAD_BYTES];
    size_t   head_got;
    size_t   owed, sending; /* bytes of answers */
};

/* One write: filled, under way, done. */
struct receive_slot {
    uint8_t  *memory;
    size_t    len;     /* filled */
    size_t    written; /* in whole blocks */
    uint64_t  offset;
    bool      done;
    int       ended_count; /* requests that end in it */
    uint16_t *ended;       /* their connections */
};

/* What the kernel has received and nobody has looked at. */
struct receive_chunk {
    int    conn, buffer;
    size_t at, len;
};

struct receive {
    const struct limits_options *options;
    struct limits_ring           ring;
    struct limits_file          *file;
    struct limits_client         client;
    struct receive_conn          conns[LIMITS_CONNECTIONS_MAX];
    struct receive_slot          slots[SLOTS_MAX]; /* a ring: [oldest, open] */
    int                          depth;
    uint64_t                     oldest, open;
    struct receive_chunk         chunks[LIMITS_RECV_COUNT];
    uint32_t                     chunk_first, chunk_count;
    uint8_t                      answer[LIMITS_ANSWER_BYTES * LIMITS_IN_FLIGHT_MAX];
    uint64_t                     writes, device_bytes;
    bool                         full; /* a fresh file is used up */
};

static struct receive_slot *slot_at(struct receive *receive, uint64_t sequence)
{
    return &receive->slots[sequence % (uint64_t)(receive->depth + 1)];
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static void receive_write(struct receive *receive)
{
    struct receive_slot *slot = slot_at(receive, receive->open);
    int                  index = (int)(receive->open % (uint64_t)(receive->depth + 1));
    struct io_uring_sqe *sqe;
    uint64_t             data;

    slot->written = (size_t)align_up(slot->len, LIMITS_BLOCK_BYTES);
    if (!limits_file_take(receive->file, slot->written, &slot->offset)) {
        receive->full = true;
        return;
    }
    memset(slot->memory + slot->len, 0, slot->written - slot->len);
    sqe = limits_ring_sqe(&receive->ring, LIMITS_WRITE, index);
    data = sqe->user_data;
    io_uring_prep_write_fixed(sqe, receive->file->fd, slot->memory, (unsigned)slot->written, slot->offset, 0);
    sqe->rw_flags = receive->options->durable ? RWF_DSYNC : 0;
    io_uring_sqe_set_data64(sqe, data);
    receive->writes++;
    receive->device_bytes += slot->written;
    receive->open++;
    slot = slot_at(receive, receive->open);
    slot->len = 0;
    slot->ended_count = 0;
    slot->done = false;
}

static bool receive_may_write(const struct receive *receive)
{
    return !receive->full && receive->open - receive->oldest < (uint64_t)receive->depth;
}

static void receive_written(struct receive *receive, int index, int result)
{
    struct receive_slot *slot = &receive->slots[index];

    if (result != (int)slot->written) {
        limits_die("a write ended with %d", result);
    }
    slot->done = true;
    while (receive->oldest < receive->open && slot_at(receive, receive->oldest)->done) {
        slot = slot_at(receive, receive->oldest++);
        for (int i = 0; i < slot->ended_count; i++) {
            receive->conns[slot->ended[i]].owed += LIMITS_ANSWER_BYTES;
        }
    }
}

/* --- receiving --------------------------------------------------------------------------------------------------- */

static void receive_head(struct receive_conn *conn)
{
    conn->left = load_be32(conn->head) - LIMITS_HEAD_BYTES;
    conn->expected = load_be32(conn->head + 4);
    conn->crc = 0;
    conn->head_got = 0;
}

/* Copies and checks what the open write has room for; how much that was. */
static size_t receive_take(struct receive *receive, int index, const uint8_t *from, size_t len)
{
    struct receive_conn *conn = &receive->conns[index];
    struct receive_slot *slot = slot_at(receive, receive->open);
    size_t               part;

    if (conn->left == 0) {
        part = MIN(len, LIMITS_HEAD_BYTES - conn->head_got);
        memcpy(conn->head + conn->head_got, from, part);
        conn->head_got += part;
        if (conn->head_got == LIMITS_HEAD_BYTES) {
            receive_head(conn);
        }
        return part;
    }
    part = MIN(MIN(len, conn->left), LIMITS_WRITE_BYTES - slot->len);
    conn->crc = crc32c_copy(conn->crc, slot->memory + slot->len, from, part);
    slot->len += part;
    conn->left -= part;
    if (conn->left == 0) {
        if (conn->crc != conn->expected) {
            limits_die("a request was damaged on its way");
        }
        slot->ended[slot->ended_count++] = (uint16_t)index;
    }
    return part;
}

/* Everything that has arrived into writes, as far as writes are free. */
static void receive_drain(struct receive *receive)
{
    while (receive->chunk_count > 0) {
        struct receive_chunk *chunk = &receive->chunks[receive->chunk_first];

        while (chunk->at < chunk->len) {
            if (slot_at(receive, receive->open)->len == LIMITS_WRITE_BYTES) {
                if (!receive_may_write(receive)) {
                    return;
                }
                receive_write(receive);
                if (receive->full) {
                    return;
                }
            }
            chunk->at += receive_take(receive, chunk->conn,
                                      receive->ring.recv_memory + (size_t)chunk->buffer * LIMITS_RECV_BYTES + chunk->at,
                                      chunk->len - chunk->at);
        }
        limits_ring_give(&receive->ring, chunk->buffer);
        receive->chunk_first = (receive->chunk_first + 1) % LIMITS_RECV_COUNT;
        receive->chunk_count--;
    }
    if (slot_at(receive, receive->open)->len > 0 && receive->oldest == receive->open && !receive->full) {
        receive_write(receive);
    }
}

static void receive_arrived(struct receive *receive, const struct io_uring_cqe *cqe)
{
    struct receive_conn *conn = &receive->conns[limits_index_of(cqe)];

    conn->armed = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if (cqe->res > 0) {
        receive->chunks[(receive->chunk_first + receive->chunk_count++) % LIMITS_RECV_COUNT] =
            (struct receive_chunk){.conn = limits_index_of(cqe),
                                   .buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT),
                                   .len = (size_t)cqe->res};
    } else if (cqe->res != -ENOBUFS) {
        limits_die("the client is gone (%d)", cqe->res);
    }
}

/* --- answering --------------------------------------------------------------------------------------------------- */

static void receive_answer(struct receive *receive, int index)
{
    struct receive_conn *conn = &receive->conns[index];
    struct io_uring_sqe *sqe;
    uint64_t             data;

    if (conn->owed == 0 || conn->sending != 0) {
        return;
    }
    conn->sending = conn->owed;
    conn->owed = 0;
    sqe = limits_ring_sqe(&receive->ring, LIMITS_SEND, index);
    data = sqe->user_data;
    io_uring_prep_send(sqe, conn->socket, receive->answer, conn->sending, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, data);
}

static void receive_reap(struct receive *receive)
{
    struct io_uring_cqe *cqe;
    unsigned             head, count = 0;

    io_uring_for_each_cqe(&receive->ring.ring, head, cqe)
    {
        int index = limits_index_of(cqe);

        switch (limits_tag_of(cqe)) {
        case LIMITS_RECV:
            receive_arrived(receive, cqe);
            break;
        case LIMITS_WRITE:
            receive_written(receive, index, cqe->res);
            break;
        case LIMITS_SEND:
            if (cqe->res != (int)receive->conns[index].sending) {
                limits_die("an answer was cut short (%d)", cqe->res);
            }
            receive->conns[index].sending = 0;
            break;
        }
        count++;
    }
    io_uring_cq_advance(&receive->ring.ring, count);
}

static void receive_turn(struct receive *receive)
{
    limits_ring_wait(&receive->ring);
    receive_reap(receive);
    receive_drain(receive);
    for (int i = 0; i < receive->options->connections; i++) {
        receive_answer(receive, i);
        if (!receive->conns[i].armed && receive->chunk_count < LIMITS_RECV_COUNT / 2) {
            limits_ring_recv(&receive->ring, receive->conns[i].socket, i);
            receive->conns[i].armed = true;
        }
    }
}

/* --- the run ----------------------------------------------------------------------------------------------------- */

static void receive_open(struct receive *receive, size_t bytes)
{
    size_t       all = LIMITS_WRITE_BYTES * (size_t)(receive->depth + 1);
    uint8_t     *memory = limits_memory(all);
    struct iovec registered = {memory, all};
    size_t       ended_max = LIMITS_WRITE_BYTES / (bytes - LIMITS_HEAD_BYTES) + LIMITS_CONNECTIONS_MAX;

    limits_ring_open(&receive->ring);
    if (io_uring_register_buffers(&receive->ring.ring, &registered, 1) != 0) {
        limits_die("%zu bytes cannot be registered: see ulimit -l", all);
    }
    for (int i = 0; i <= receive->depth; i++) {
        receive->slots[i].memory = memory + (size_t)i * LIMITS_WRITE_BYTES;
        receive->slots[i].ended = calloc(ended_max, sizeof(uint16_t));
        if (receive->slots[i].ended == NULL) {
            limits_die("no memory");
        }
    }
    for (int i = 0; i < receive->options->connections; i++) {
        receive->conns[i].socket = receive->client.sockets[i];
        receive->conns[i].armed = true;
        limits_ring_recv(&receive->ring, receive->conns[i].socket, i);
    }
}

/* What the newest writes hold stands in the file. */
static void receive_close(struct receive *receive)
{
    for (int i = 0; i <= receive->depth; i++) {
        if (receive->slots[i].done) {
            limits_file_check(receive->file, receive->slots[i].memory, receive->slots[i].written,
                              receive->slots[i].offset);
        }
        free(receive->slots[i].ended);
    }
    for (int i = 0; i < receive->options->connections; i++) {
        (void)close(receive->conns[i].socket);
    }
    limits_ring_close(&receive->ring);
    (void)munmap(receive->slots[0].memory, LIMITS_WRITE_BYTES * (size_t)(receive->depth + 1));
}

void limits_receive(const struct limits_options *options, size_t bytes, int depth, struct limits_file *file,
                    struct limits_result *out_result)
{
    struct receive *receive = calloc(1, sizeof(*receive));
    int64_t         begin_ns, end_ns;
    bool            measuring = false;

    if (receive == NULL) {
        limits_die("no memory");
    }
    receive->options = options;
    receive->depth = depth;
    receive->file = file;
    limits_client_start(&receive->client, options, LIMITS_SENDS_BYTES, bytes);
    receive_open(receive, bytes);
    begin_ns = limits_now_ns() + (int64_t)(options->warm_s * 1e9);
    end_ns = INT64_MAX;
    for (;;) {
        int64_t now_ns = limits_now_ns();

        if (!measuring && now_ns >= begin_ns) {
            measuring = true;
            end_ns = now_ns + (int64_t)(options->seconds * 1e9);
            receive->writes = receive->device_bytes = 0;
            limits_client_measure(&receive->client, true);
            limits_moment(&out_result->begin, receive->client.pid);
        }
        if (now_ns >= end_ns || receive->full) {
            break;
        }
        receive_turn(receive);
    }
    limits_client_measure(&receive->client, false);
    if (!measuring) {
        limits_die("the file was full before the warm-up was over: larger --file-size or shorter --warm");
    }
    limits_moment(&out_result->end, receive->client.pid);
    out_result->writes = receive->writes;
    out_result->device_bytes = receive->device_bytes;
    limits_client_end(&receive->client, out_result);
    receive_close(receive);
    free(receive);
}
