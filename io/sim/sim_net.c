/* Listeners, connecting, and the network's part of the operation table. How bytes travel stands in sim_stream.c.
 *
 * Addresses: 127.0.0.1 and ::1 mean the caller's own host first, then any; any other address finds a listener on it or
 * on the wildcard. */
#include "io/sim/sim_internal.h"

#define SIM_PARTITION_RETRY_NS (10 * NS_PER_MS)
#define SIM_ACCEPT_QUEUE_MAX   4096

struct sim_listener {
    struct list_node  link; /* sim.listeners */
    struct sim_io    *io;
    struct io_address address;
    uint32_t          backlog;
    uint32_t          queued;
    struct list_node  queue;   /* sim_end.queued: connections nobody has accepted yet */
    struct list_node  accepts; /* sim_pending.wait: at most one */
};

/* --- listening and connecting ----------------------------------------------------------------- */

static bool ip_wildcard(const struct io_address *address)
{
    static const uint8_t zero[16];
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(address->ip, zero, 16) == 0 || memcmp(address->ip, mapped, 16) == 0;
}

static bool ip_loopback(const struct io_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};
    static const uint8_t v4[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};

    return memcmp(address->ip, v6, 16) == 0 || memcmp(address->ip, v4, 13) == 0;
}

static bool listener_matches(const struct sim_listener *listener, const struct io_address *address)
{
    if (listener->io->dead || listener->address.port != address->port) {
        return false;
    }
    return ip_wildcard(&listener->address) || memcmp(listener->address.ip, address->ip, 16) == 0;
}

static struct sim_listener *listener_find(struct sim *sim, const struct sim_host *from,
                                          const struct io_address *address)
{
    struct sim_listener *found = NULL;

    LIST_EACH(&sim->listeners, node) {
        struct sim_listener *listener = LIST_ENTRY(node, struct sim_listener, link);

        if (listener_matches(listener, address)) {
            if (listener->io->host == from || !ip_loopback(address)) {
                return listener;
            }
            found = found == NULL ? listener : found;
        }
    }
    return found;
}

int sim__listen(struct io *base, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener)
{
    struct sim_io       *io = sim__io(base);
    struct sim          *sim = io->sim;
    struct io_address    local = *address;
    struct sim_handle   *handle = NULL;
    struct sim_listener *listener;
    int                  result;

    if (io->dead) {
        return ERR_IO;
    }
    if (local.port == 0) {
        local.port = sim->port_next++;
    }
    LIST_EACH(&sim->listeners, node) {
        listener = LIST_ENTRY(node, struct sim_listener, link);
        if (listener->io->host == io->host && listener_matches(listener, &local)) {
            return ERR_ADDRESS_IN_USE;
        }
    }
    result = sim__handle_open(io, SIM_HANDLE_LISTENER, &handle);
    if (result < 0) {
        return result;
    }
    listener = mem_alloc(MEM_TEST, sizeof(*listener));
    listener->io = io;
    listener->address = local;
    listener->backlog = MIN(backlog, (uint32_t)SIM_ACCEPT_QUEUE_MAX);
    list_init(&listener->queue);
    list_init(&listener->accepts);
    list_push_back(&sim->listeners, &listener->link);
    handle->listener = listener;
    out_listener->id = result;
    return 0;
}

/* Hands queued connections to the waiting accept. */
static void listener_serve(struct sim_listener *listener)
{
    while (!list_empty(&listener->accepts) && !list_empty(&listener->queue)) {
        struct sim_pending *pending = LIST_ENTRY(list_first(&listener->accepts), struct sim_pending, wait);
        struct sim_end     *end;
        struct sim_handle  *handle = NULL;
        int                 result = sim__handle_open(listener->io, SIM_HANDLE_SOCKET, &handle);

        if (result < 0) {
            list_remove(&pending->wait);
            sim__finish(pending, result);
            return;
        }
        end = LIST_ENTRY(list_pop_front(&listener->queue), struct sim_end, queued);
        listener->queued--;
        handle->end = end;
        sim__ready(pending, result, true, (struct span){0});
    }
}

static void submit_accept(struct sim_pending *pending)
{
    struct sim_listener *listener = pending->handle->listener;

    CHECK(list_empty(&listener->accepts));
    list_push_back(&listener->accepts, &pending->wait);
    listener_serve(listener);
}

static void connect_fire(struct sim *sim, void *context)
{
    struct sim_pending  *pending = context;
    struct sim_host     *host = pending->io->host;
    struct sim_listener *listener = listener_find(sim, host, &pending->op->address);
    struct io_address    local = pending->op->address;
    struct sim_handle   *handle = NULL;
    struct sim_end      *near;
    struct sim_end      *far;
    int                  result;

    if (listener != NULL &&
        (sim->partitioned[host->index][listener->io->host->index] || listener->queued >= listener->backlog)) {
        sim__schedule(sim, &pending->event, SIM_PARTITION_RETRY_NS, connect_fire,
                      pending); /* the request is lost; repeat */
        return;
    }
    if (listener == NULL || sim__chance(sim, sim->options.connect_error)) {
        sim__finish(pending, ERR_CLOSED);
        return;
    }
    result = sim__handle_open(pending->io, SIM_HANDLE_SOCKET, &handle);
    if (result < 0) {
        sim__finish(pending, result);
        return;
    }
    local.port = sim->port_next++;
    near = sim__end_create(host, &local, &pending->op->address);
    far = sim__end_create(listener->io->host, &pending->op->address, &local);
    near->peer = far;
    far->peer = near;
    handle->end = near;
    list_push_back(&listener->queue, &far->queued);
    listener->queued++;
    sim__finish(pending, result);
    listener_serve(listener);
}

/* --- the table's entries ---------------------------------------------------------------------- */

void sim__net_submit(struct sim_pending *pending)
{
    struct sim *sim = pending->io->sim;

    if (pending->op->kind == IO_CONNECT) {
        sim__schedule(sim, &pending->event, sim__draw(sim, sim->options.net_latency), connect_fire, pending);
        return;
    }
    CHECK(pending->handle->kind == (pending->op->kind == IO_ACCEPT ? SIM_HANDLE_LISTENER : SIM_HANDLE_SOCKET));
    switch (pending->op->kind) {
    case IO_ACCEPT:
        submit_accept(pending);
        break;
    case IO_RECV:
    case IO_RECV_MULTI:
        sim__submit_recv(pending);
        break;
    case IO_SEND:
    case IO_SEND_FILE:
        sim__submit_send(pending);
        break;
    case IO_SHUTDOWN:
        sim__submit_shutdown(pending);
        break;
    default:
        CHECK(false);
    }
}

bool sim__net_cancel(struct sim_pending *pending)
{
    struct sim_end *end = pending->handle != NULL ? pending->handle->end : NULL;

    switch (pending->op->kind) {
    case IO_CONNECT:
        sim__unschedule(pending->io->sim, &pending->event);
        return true;
    case IO_ACCEPT:
        list_remove(&pending->wait);
        return true;
    case IO_RECV:
    case IO_RECV_MULTI:
        if (end->receiver == pending && pending->moved == 0) {
            end->receiver = NULL;
            return true;
        }
        return false;
    case IO_SEND:
    case IO_SEND_FILE:
        if (list_linked(&pending->wait)) {
            list_remove(&pending->wait);
            return true;
        }
        return false;
    default:
        return false; /* files: it ends by itself */
    }
}

static void listener_close(struct sim_listener *listener)
{
    while (!list_empty(&listener->queue)) {
        struct sim_end *end = LIST_ENTRY(list_pop_front(&listener->queue), struct sim_end, queued);

        sim__end_close(end, true);
    }
    list_remove(&listener->link);
    mem_free(MEM_TEST, listener);
}

void sim__net_close(struct sim_io *io, struct sim_handle *handle, bool died)
{
    struct sim_end      *end = handle->end;
    struct sim_listener *listener = handle->listener;

    if (listener != NULL) {
        if (!died && !list_empty(&listener->accepts)) {
            struct sim_pending *pending = LIST_ENTRY(list_pop_front(&listener->accepts), struct sim_pending, wait);

            CHECK(pending->io == io);
            sim__finish(pending, ERR_CANCELED);
        }
        listener_close(listener);
    }
    if (end != NULL) {
        if (!died && end->receiver != NULL) {
            sim__finish(end->receiver, end->receiver->moved > 0 ? (int32_t)end->receiver->moved : ERR_CLOSED);
        }
        if (!died) {
            sim__end_fail_sends(end);
        }
        sim__end_close(end, died);
    }
}

int sim__local_address(struct io *base, struct io_handle socket, struct io_address *out_address)
{
    const struct sim_io *io = sim__io(base);

    if (io->dead) {
        return ERR_CLOSED;
    }
    const struct sim_handle *handle = sim__handle(sim__io(base), socket);

    CHECK(handle->kind == SIM_HANDLE_LISTENER || handle->kind == SIM_HANDLE_SOCKET);
    *out_address = handle->listener != NULL ? handle->listener->address : handle->end->local;
    return 0;
}

int sim__peer_address(struct io *base, struct io_handle socket, struct io_address *out_address)
{
    const struct sim_io *io = sim__io(base);

    if (io->dead) {
        return ERR_CLOSED;
    }
    const struct sim_handle *handle = sim__handle(sim__io(base), socket);

    CHECK(handle->kind == SIM_HANDLE_SOCKET);
    *out_address = handle->end->remote;
    return 0;
}

void sim_net_partition(struct sim *sim, uint32_t host_a, uint32_t host_b, bool cut)
{
    CHECK(host_a < SIM_HOSTS_MAX && host_b < SIM_HOSTS_MAX);
    sim->partitioned[host_a][host_b] = cut;
    sim->partitioned[host_b][host_a] = cut;
}

void sim_net_reset(struct sim *sim, uint32_t host_index)
{
    struct sim_host *host = sim__host(sim, host_index);

    LIST_EACH(&sim->ends, node) {
        struct sim_end *end = LIST_ENTRY(node, struct sim_end, link);

        if (end->host == host || (end->peer != NULL && end->peer->host == host)) {
            sim__end_break(end);
        }
    }
}

void sim__net_deinit(struct sim *sim)
{
    CHECK(list_empty(&sim->listeners));
    while (!list_empty(&sim->ends)) {
        sim__end_free(LIST_ENTRY(list_first(&sim->ends), struct sim_end, link));
    }
}
