/* Connections: bytes, end of stream and resets between two ends.
 *
 * What one end sends travels as parcels, in order, and arrives after a latency; what has arrived or is under way counts
 * against the receiver's socket buffer, so a slow reader stops its sender. A reset overtakes nothing but drops what was
 * not read. An end is freed when its handle is closed; the peer's pointer to it is then NULL. */
#include "io/sim/sim_internal.h"

#define SIM_PARTITION_RETRY_NS (10 * NS_PER_MS)

enum parcel_kind { PARCEL_BYTES, PARCEL_END, PARCEL_RESET };

struct sim_parcel {
    struct list_node link;
    enum parcel_kind kind;
    int64_t          arrives_ns;
    size_t           len;
    size_t           taken;
    uint8_t          bytes[];
};

/* --- ends ------------------------------------------------------------------------------------- */

struct sim_end *sim__end_create(struct sim_host *host, const struct io_address *local, const struct io_address *remote)
{
    struct sim_end *end = mem_alloc(MEM_TEST, sizeof(*end));

    end->sim = host->sim;
    end->host = host;
    end->local = *local;
    end->remote = *remote;
    end->open = true;
    list_init(&end->queued);
    list_init(&end->under_way);
    list_init(&end->arrived);
    list_init(&end->senders);
    list_push_back(&host->sim->ends, &end->link);
    return end;
}

static void parcels_free(struct list_node *parcels)
{
    while (!list_empty(parcels)) {
        mem_free(MEM_TEST, LIST_ENTRY(list_pop_front(parcels), struct sim_parcel, link));
    }
}

void sim__end_free(struct sim_end *end)
{
    sim__unschedule(end->sim, &end->arrival);
    sim__unschedule(end->sim, &end->send_event);
    if (end->peer != NULL) {
        end->peer->peer = NULL;
    }
    parcels_free(&end->under_way);
    parcels_free(&end->arrived);
    list_remove(&end->queued);
    list_remove(&end->link);
    mem_free(MEM_TEST, end);
}

static void end_arrival(struct sim *sim, void *context);
static void end_send(struct sim *sim, void *context);

static void end_arm_arrival(struct sim_end *end)
{
    const struct sim_parcel *first;

    if (end->arrival.index != 0 || list_empty(&end->under_way)) {
        return;
    }
    first = LIST_ENTRY(list_first(&end->under_way), struct sim_parcel, link);
    sim__schedule(end->sim, &end->arrival, MAX(first->arrives_ns - end->sim->now_ns, 0), end_arrival, end);
}

/* Sends a parcel on its way to `to`. */
static void parcel_post(struct sim_end *to, struct sim_parcel *parcel)
{
    int64_t arrives_ns = to->sim->now_ns + sim__draw(to->sim, to->sim->options.net_latency);

    parcel->arrives_ns = MAX(arrives_ns, to->last_arrival_ns);
    to->last_arrival_ns = parcel->arrives_ns;
    to->buffered += parcel->len;
    list_push_back(&to->under_way, &parcel->link);
    end_arm_arrival(to);
}

static void parcel_post_sign(struct sim_end *to, enum parcel_kind kind)
{
    struct sim_parcel *parcel = mem_alloc(MEM_TEST, sizeof(*parcel));

    parcel->kind = kind;
    parcel_post(to, parcel);
}

/* The send whose turn it is. The kernel promises no order between two; here it is that of submission. */
static struct sim_pending *end_sender(const struct sim_end *end)
{
    struct list_node *first = list_first(&end->senders);

    return first == NULL ? NULL : LIST_ENTRY(first, struct sim_pending, wait);
}

static void end_wake_sender(struct sim_end *end)
{
    if (!list_empty(&end->senders) && end->send_event.index == 0) {
        sim__schedule(end->sim, &end->send_event, sim__draw(end->sim, end->sim->options.net_latency), end_send, end);
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

static size_t end_take(struct sim_end *end, uint8_t *into, size_t len)
{
    size_t done = 0;

    while (done < len && !list_empty(&end->arrived)) {
        struct sim_parcel *parcel = LIST_ENTRY(list_first(&end->arrived), struct sim_parcel, link);
        size_t             part = MIN(len - done, parcel->len - parcel->taken);

        if (parcel->kind != PARCEL_BYTES) {
            break;
        }
        memcpy(into + done, parcel->bytes + parcel->taken, part);
        parcel->taken += part;
        done += part;
        if (parcel->taken == parcel->len) {
            list_remove(&parcel->link);
            mem_free(MEM_TEST, parcel);
        }
    }
    end->buffered -= done;
    if (done > 0 && end->peer != NULL) {
        end_wake_sender(end->peer);
    }
    return done;
}

static size_t end_available(const struct sim_end *end)
{
    size_t available = 0;

    for (const struct list_node *node = end->arrived.next; node != &end->arrived; node = node->next) {
        const struct sim_parcel *parcel = CONTAINER_OF(node, struct sim_parcel, link);

        available += parcel->len - parcel->taken;
    }
    return available;
}

static size_t receive_len(struct sim_end *end, size_t len)
{
    if (len > 1 && sim__chance(end->sim, end->sim->options.short_recv)) {
        return 1 + (size_t)prng_below(&end->sim->prng_fault, len - 1);
    }
    return len;
}

static void receive_once(struct sim_end *end)
{
    struct sim_pending *pending = end->receiver;
    struct io_op       *op = pending->op;
    size_t              want = op->span.len - pending->moved;
    size_t              available = end_available(end);

    if ((op->flags & IO_RECV_ALL) == 0 && available > 0) {
        want = receive_len(end, MIN(want, available));
    }
    pending->moved += end_take(end, op->span.base + pending->moved, want);
    if (pending->moved == op->span.len || (pending->moved > 0 && (op->flags & IO_RECV_ALL) == 0)) {
        end->receiver = NULL;
        sim__finish(pending, (int32_t)pending->moved);
    }
}

static void receive_multi(struct sim_end *end)
{
    while (end->receiver != NULL && end_available(end) > 0) {
        struct sim_pending *pending = end->receiver;
        size_t              len = MIN(end_available(end), end->sim->options.recv_chunk_bytes);
        struct span         bytes;

        if (sim__chance(end->sim, end->sim->options.recv_no_buffers)) {
            end->receiver = NULL;
            sim__finish(pending, ERR_NO_BUFFERS);
            return;
        }
        len = receive_len(end, len);
        bytes = span_of(mem_alloc(MEM_TEST, len), len);
        CHECK(end_take(end, bytes.base, len) == len);
        sim__ready(pending, (int32_t)len, true, bytes);
    }
}

/* Gives the waiting receive what is there. */
static void end_receive(struct sim_end *end)
{
    struct sim_pending *pending = end->receiver;

    if (pending == NULL) {
        return;
    }
    if (!end->reset && end_available(end) > 0) {
        if (pending->op->kind == IO_RECV) {
            receive_once(end);
        } else {
            receive_multi(end);
        }
    }
    if (end->receiver == NULL || (!end->reset && (!end->ended || end_available(end) > 0))) {
        return;
    }
    end->receiver = NULL;
    sim__finish(pending, pending->moved > 0 ? (int32_t)pending->moved : end->reset ? ERR_CLOSED : 0);
}

void sim__end_fail_sends(struct sim_end *end)
{
    while (!list_empty(&end->senders)) {
        sim__finish(LIST_ENTRY(list_pop_front(&end->senders), struct sim_pending, wait), ERR_CLOSED);
    }
}

void sim__end_break(struct sim_end *end)
{
    end->reset = true;
    parcels_free(&end->arrived);
    parcels_free(&end->under_way);
    sim__unschedule(end->sim, &end->arrival);
    end->buffered = 0;
    end_receive(end);
    sim__end_fail_sends(end);
}

static void end_arrival(struct sim *sim, void *context)
{
    struct sim_end    *end = context;
    struct sim_parcel *parcel = LIST_ENTRY(list_first(&end->under_way), struct sim_parcel, link);

    if (end->peer != NULL && sim->partitioned[end->host->index][end->peer->host->index]) {
        sim__schedule(sim, &end->arrival, SIM_PARTITION_RETRY_NS, end_arrival, end);
        return;
    }
    list_remove(&parcel->link);
    if (parcel->kind == PARCEL_RESET) {
        mem_free(MEM_TEST, parcel);
        if (end->open) {
            sim__end_break(end);
        }
        return;
    }
    if (parcel->kind == PARCEL_END || !end->open) {
        end->ended |= parcel->kind == PARCEL_END;
        end->buffered -= parcel->len;
        mem_free(MEM_TEST, parcel);
        end_wake_sender(end); /* whom it was to wake may be gone */
    } else {
        list_push_back(&end->arrived, &parcel->link);
    }
    end_arm_arrival(end);
    end_receive(end);
}

void sim__submit_recv(struct sim_pending *pending)
{
    struct sim_end *end = pending->handle->end;

    CHECK(end->receiver == NULL); /* two receives in flight on one connection have no order */
    end->receiver = pending;
    end_receive(end);
}

/* --- sending ---------------------------------------------------------------------------------- */

static size_t send_total(const struct sim_pending *pending)
{
    const struct io_op *op = pending->op;
    size_t              total = 0;

    if (op->kind == IO_SEND_FILE) {
        return (size_t)op->length;
    }
    for (uint32_t i = 0; i < op->send.count; i++) {
        total += op->send.parts[i].len;
    }
    return total;
}

static void send_gather(const struct io_op *op, uint8_t *into, size_t len)
{
    size_t done = 0;

    for (uint32_t i = 0; i < op->send.count && done < len; i++) {
        size_t part = MIN(op->send.parts[i].len, len - done);

        if (part > 0) {
            memcpy(into + done, op->send.parts[i].base, part);
        }
        done += part;
    }
}

static size_t send_fill(struct sim_pending *pending, uint8_t *into, size_t len)
{
    struct io_op      *op = pending->op;
    struct sim_handle *file;

    if (op->kind == IO_SEND) {
        CHECK(pending->checksum == sim__op_checksum(op)); /* the memory was changed while the send was in flight */
        send_gather(op, into, len);
        return len;
    }
    file = sim__handle(pending->io, op->send_file.file);
    CHECK(file->kind == SIM_HANDLE_FILE && (file->flags & IO_OPEN_DIRECT) == 0);
    return sim__inode_read(file->inode, op->offset, span_of(into, len));
}

static void end_finish_send(struct sim_end *end, int32_t result)
{
    struct sim_pending *pending = end_sender(end);

    list_remove(&pending->wait);
    sim__finish(pending, result);
    end_wake_sender(end);
}

static void end_send(struct sim *sim, void *context)
{
    struct sim_end    *end = context;
    struct sim_parcel *parcel;
    size_t             total;
    size_t             room;

    if (list_empty(&end->senders)) {
        return;
    }
    if (end->reset || end->shut || end->peer == NULL) {
        end_finish_send(end, ERR_CLOSED);
        return;
    }
    if (sim__chance(sim, sim->options.reset)) {
        parcel_post_sign(end->peer, PARCEL_RESET);
        sim__end_break(end);
        return;
    }
    room = sim->options.socket_buffer_bytes - MIN(end->peer->buffered, (size_t)sim->options.socket_buffer_bytes);
    total = MIN(send_total(end_sender(end)), room);
    if (total == 0) {
        if (send_total(end_sender(end)) == 0) {
            end_finish_send(end, 0);
        }
        return; /* the reader wakes us */
    }
    if (total > 1 && sim__chance(sim, sim->options.short_send)) {
        total = 1 + (size_t)prng_below(&sim->prng_fault, total - 1);
    }
    parcel = mem_alloc(MEM_TEST, sizeof(*parcel) + total);
    parcel->kind = PARCEL_BYTES;
    parcel->len = send_fill(end_sender(end), parcel->bytes, total);
    end_finish_send(end, (int32_t)parcel->len);
    if (parcel->len == 0) {
        mem_free(MEM_TEST, parcel);
        return;
    }
    parcel_post(end->peer, parcel);
}

void sim__submit_send(struct sim_pending *pending)
{
    struct sim_end *end = pending->handle->end;

    list_push_back(&end->senders, &pending->wait);
    end_wake_sender(end);
}

static void end_shut(struct sim_end *end)
{
    if (!end->shut && !end->reset && end->peer != NULL) {
        parcel_post_sign(end->peer, PARCEL_END);
    }
    end->shut = true;
}

void sim__submit_shutdown(struct sim_pending *pending)
{
    struct sim_end *end = pending->handle->end;

    end_shut(end);
    end->ended = true;
    parcels_free(&end->arrived);
    end_receive(end);
    sim__end_fail_sends(end);
    sim__finish(pending, 0);
}

void sim__end_close(struct sim_end *end, bool died)
{
    bool unread = !list_empty(&end->arrived);

    end->open = false;
    if (end->peer != NULL && !end->reset) {
        if (unread || died) {
            parcel_post_sign(end->peer, PARCEL_RESET); /* as TCP does when bytes are thrown away */
        } else if (!end->shut) {
            parcel_post_sign(end->peer, PARCEL_END);
        }
    }
    sim__end_free(end);
}
