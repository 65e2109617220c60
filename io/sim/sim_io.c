/* One core's back end: the table of io.h over the world. Operations are wrapped at submit, results queued by the models
 * and delivered here.
 *
 * Invariants
 *  1. A callback runs from sim_run() only, and only those that were queued when sim_run() began: what a callback
 * submits waits for the next turn.
 *  2. A struct sim_pending lives until its last callback; its op is not touched afterwards, it may be gone.
 *  3. A dead back end delivers nothing; a reaped one delivers ERR_IO and reaches neither disk nor network. */
#include "io/sim/sim_internal.h"

#include "core/base/crc32c.h"
#include "core/base/hash.h"

#include <stdio.h>

struct sim_io *sim__io(struct io *io)
{
    CHECK(io->backend == &sim__backend);
    return CONTAINER_OF(io, struct sim_io, io);
}

/* --- handles ---------------------------------------------------------------------------------- */

int sim__handle_open(struct sim_io *io, enum sim_handle_kind kind, struct sim_handle **out_handle)
{
    struct sim_handle *handle;

    if (io->handles_open >= io->sim->options.descriptors_max) {
        return ERR_DESCRIPTORS;
    }
    if (io->handle_count == io->handle_capacity) {
        io->handle_capacity = MAX(64u, io->handle_capacity * 2);
        io->handles = mem_realloc(MEM_TEST, io->handles, io->handle_capacity * sizeof(struct sim_handle *));
    }
    handle = mem_alloc(MEM_TEST, sizeof(*handle));
    handle->kind = kind;
    io->handles[io->handle_count] = handle;
    io->handles_open++;
    *out_handle = handle;
    return (int)io->handle_count++;
}

struct sim_handle *sim__handle(struct sim_io *io, struct io_handle handle)
{
    CHECK(handle.id >= 0 && (uint32_t)handle.id < io->handle_count);
    CHECK(io->handles[handle.id] != NULL); /* closed before */
    return io->handles[handle.id];
}

static void handle_release(struct sim_io *io, struct sim_handle *handle, bool died)
{
    if (handle->inode != NULL) {
        handle->inode->handles--;
        sim__inode_settle_space(handle->inode);
        sim__inode_unref(handle->inode);
    }
    if (handle->kind == SIM_HANDLE_SOCKET || handle->kind == SIM_HANDLE_LISTENER) {
        sim__net_close(io, handle, died);
    }
    mem_free(MEM_TEST, handle);
    io->handles_open--;
}

void sim__handle_free(struct sim_io *io, struct io_handle id)
{
    struct sim_handle *handle = sim__handle(io, id);

    io->handles[id.id] = NULL;
    LIST_EACH(&io->pending, node) {
        struct sim_pending *pending = LIST_ENTRY(node, struct sim_pending, link);

        if (pending->handle == handle) {
            pending->handle = NULL;
        }
    }
    handle_release(io, handle, false);
}

/* --- results ---------------------------------------------------------------------------------- */

void sim__ready(struct sim_pending *pending, int32_t result, bool more, struct span received)
{
    struct sim_ready *ready = mem_alloc(MEM_TEST, sizeof(*ready));

    CHECK(!pending->finished);
    pending->finished = !more;
    ready->pending = pending;
    ready->result = result;
    ready->more = more;
    ready->received = received;
    list_push_back(&pending->io->ready, &ready->link);
}

void sim__finish(struct sim_pending *pending, int32_t result)
{
    sim__ready(pending, result, false, (struct span){0});
}

uint32_t sim__op_checksum(const struct io_op *op)
{
    uint32_t crc = 0;

    if (op->kind == IO_WRITE) {
        return crc32c_update(0, op->view.base, op->view.len);
    }
    if (op->kind == IO_SEND) {
        for (uint32_t i = 0; i < op->send.count; i++) {
            crc = crc32c_update(crc, op->send.parts[i].base, op->send.parts[i].len);
        }
    }
    return crc;
}

static void pending_free(struct sim_pending *pending)
{
    sim__unschedule(pending->io->sim, &pending->event);
    list_remove(&pending->wait);
    list_remove(&pending->link);
    mem_free(MEM_TEST, pending);
}

static void io_trace(struct sim_io *io, const struct io_op *op, int32_t result)
{
    uint64_t who = ((uint64_t)io->host->index << 48) | ((uint64_t)io->core << 40) | ((uint64_t)op->kind << 32);
    uint64_t what = hash_u64((who | (uint32_t)result) ^ hash_u64((uint64_t)io->sim->now_ns));

    io->sim->trace_hash = hash_u64(io->sim->trace_hash ^ what);
}

static int32_t reaped_result(enum io_kind kind)
{
    return kind == IO_CLOSE || kind == IO_POST || kind == IO_CANCEL ? 0 : ERR_IO;
}

/* Delivers one callback. */
static void io_deliver(struct sim_io *io, struct sim_ready *ready)
{
    struct sim_pending *pending = ready->pending;
    struct io_op       *op = pending->op;
    struct span         received = ready->received;
    int32_t             result = ready->result;
    bool                more = ready->more;

    io_trace(io, op, result);
    mem_free(MEM_TEST, ready);
    if (!more) {
        if (pending->handle != NULL && op->kind != IO_CLOSE && !io->dead) {
            pending->handle->in_flight--;
        }
        pending_free(pending);
    }
    io->delivered++;
    op->received = received;
    op->received_keepable = received.len % 8 != 0; /* now and then there is no buffer to spare */
    io->io.received_kept = false;
    io__callback(&io->io, op, result, more);
    if (!io->io.received_kept) {
        mem_free(MEM_TEST, received.base); /* a view kept beyond the callback is now a use after free */
    }
}

static void sim_io_recv_give(struct io *base UNUSED, struct span received)
{
    mem_free(MEM_TEST, received.base);
}

/* The callback brought the power cut: what was still to come is no longer true. */
static void io_fail_queued(struct sim_io *io, struct list_node *queued)
{
    while (!list_empty(queued)) {
        struct sim_ready *ready = LIST_ENTRY(list_pop_front(queued), struct sim_ready, link);

        mem_free(MEM_TEST, ready->received.base);
        ready->received = (struct span){0};
        if (ready->more) {
            mem_free(MEM_TEST, ready); /* its op gets its last callback from sim__io_reap() */
            continue;
        }
        ready->result = reaped_result(ready->pending->op->kind);
        list_push_back(&io->ready, &ready->link);
    }
}

static int io_deliver_queued(struct sim_io *io)
{
    struct list_node queued;
    int              count = 0;

    list_init(&queued);
    list_splice_back(&queued, &io->ready);
    while (!list_empty(&queued)) {
        bool was_dead = io->dead;

        io_deliver(io, LIST_ENTRY(list_pop_front(&queued), struct sim_ready, link));
        count++;
        if (io->dead && !was_dead) {
            io_fail_queued(io, &queued);
        }
    }
    return count;
}

static int sim_run(struct io *base, int64_t deadline_ns)
{
    struct sim_io *io = sim__io(base);
    int            count;

    sim__due(io->sim);
    if (io->dead && !io->reaped) {
        CHECK(io->sim->in_step || deadline_ns != INT64_MAX); /* waiting for a process that has stopped */
        return 0;
    }
    count = io_deliver_queued(io);
    if (count == 0 && !io->woken) {
        sim__idle(io, deadline_ns);
        if (!io->sim->in_step) {
            count = io_deliver_queued(io);
        }
    }
    io->woken = false;
    return count;
}

/* --- submit ----------------------------------------------------------------------------------- */

static void submit_close(struct sim_pending *pending)
{
    struct sim_handle *handle = pending->handle;

    if (handle->kind == SIM_HANDLE_FILE || handle->kind == SIM_HANDLE_DIRECTORY) {
        CHECK(handle->in_flight == 0);
    }
    sim__handle_free(pending->io, pending->op->handle);
    pending->handle = NULL;
    sim__finish(pending, 0);
}

static struct sim_pending *pending_of(struct sim_io *io, const struct io_op *op)
{
    LIST_EACH(&io->pending, node) {
        struct sim_pending *pending = LIST_ENTRY(node, struct sim_pending, link);

        if (pending->op == op) {
            return pending;
        }
    }
    return NULL;
}

static void submit_cancel(struct sim_pending *pending)
{
    struct sim_pending *target = pending_of(pending->io, pending->op->target);

    if (target == NULL || target->finished) {
        sim__finish(pending, ERR_NOT_FOUND);
        return;
    }
    target->op->cancel_requested = true;
    if (sim__net_cancel(target)) {
        sim__finish(target, ERR_CANCELED);
    }
    sim__finish(pending, 0);
}

static bool kind_is_disk(enum io_kind kind)
{
    return kind == IO_OPEN || (kind >= IO_READ && kind <= IO_STAT);
}

static bool kind_has_handle(enum io_kind kind)
{
    return kind == IO_CLOSE || (kind >= IO_READ && kind <= IO_ALLOCATE) || kind == IO_ACCEPT ||
           (kind >= IO_RECV && kind <= IO_SHUTDOWN);
}

static void pending_start(struct sim_pending *pending)
{
    enum io_kind kind = pending->op->kind;

    if (kind_has_handle(kind)) {
        pending->handle = sim__handle(pending->io, pending->op->handle);
        pending->handle->in_flight += kind != IO_CLOSE;
    }
    if (kind == IO_POST) {
        sim__finish(pending, 0);
    } else if (kind == IO_CLOSE) {
        submit_close(pending);
    } else if (kind == IO_CANCEL) {
        submit_cancel(pending);
    } else if (kind_is_disk(kind)) {
        sim__file_submit(pending);
    } else {
        sim__net_submit(pending);
    }
}

static void sim_submit(struct io *base, struct io_op *op)
{
    struct sim_io      *io = sim__io(base);
    struct sim_pending *pending = mem_alloc(MEM_TEST, sizeof(*pending));

    CHECK(!io->dead || io->reaped); /* the process that would submit this has stopped */
    pending->io = io;
    pending->op = op;
    list_init(&pending->wait);
    list_push_back(&io->pending, &pending->link);
    pending->checksum = sim__op_checksum(op);
    if (io->reaped) {
        sim__finish(pending, reaped_result(op->kind));
        return;
    }
    pending_start(pending);
}

/* --- end of life ------------------------------------------------------------------------------ */

static void io_drop_ready(struct sim_io *io)
{
    while (!list_empty(&io->ready)) {
        struct sim_ready *ready = LIST_ENTRY(list_pop_front(&io->ready), struct sim_ready, link);

        if (!ready->more) {
            ready->pending->finished = false;
        }
        mem_free(MEM_TEST, ready->received.base);
        mem_free(MEM_TEST, ready);
    }
}

void sim__io_die(struct sim_io *io)
{
    size_t position = 0;

    if (io->dead) {
        return;
    }
    io->dead = true;
    io_drop_ready(io);
    LIST_EACH(&io->pending, node) {
        struct sim_pending *pending = LIST_ENTRY(node, struct sim_pending, link);

        sim__unschedule(io->sim, &pending->event);
        list_remove(&pending->wait);
        pending->handle = NULL;
    }
    for (uint32_t i = 0; i < io->handle_count; i++) {
        if (io->handles[i] != NULL) {
            handle_release(io, io->handles[i], true);
            io->handles[i] = NULL;
        }
    }
    for (struct map_entry *entry; (entry = map_next(&io->host->locks, &position)) != NULL;) {
        if (entry->value == io) {
            (void)map_remove(&io->host->locks, view_of(entry->key, entry->key_len));
        }
    }
    if (io->host->cores[io->core] == io) {
        io->host->cores[io->core] = NULL;
    }
}

void sim__io_reap(struct sim_io *io)
{
    CHECK(io->dead);
    if (io->reaped) {
        return;
    }
    io->reaped = true;
    LIST_EACH(&io->pending, node) {
        struct sim_pending *pending = LIST_ENTRY(node, struct sim_pending, link);

        if (!pending->finished) {
            sim__finish(pending, reaped_result(pending->op->kind));
        }
    }
}

static void sim_io_destroy(struct io *base)
{
    struct sim_io *io = sim__io(base);

    sim__io_die(io);
    io_drop_ready(io);
    while (!list_empty(&io->pending)) {
        pending_free(LIST_ENTRY(list_first(&io->pending), struct sim_pending, link));
    }
    list_remove(&io->link);
    mem_free(MEM_TEST, io->handles);
    mem_free(MEM_TEST, io);
}

/* --- the rest of the table -------------------------------------------------------------------- */

static int64_t sim_io_now_ns(struct io *base)
{
    return sim__io(base)->sim->now_ns;
}

static int64_t sim_io_wall_ms(struct io *base)
{
    return sim__wall_ms(sim__io(base)->sim);
}

static void sim_io_random(struct io *base, struct span out_bytes)
{
    prng_fill(&sim__io(base)->sim->prng_program, out_bytes);
}

static void sim_io_wake(struct io *base)
{
    sim__io(base)->woken = true;
}

static int sim_io_list(struct io *base, const char *path, io_list_fn *each, void *context)
{
    struct sim_io *io = sim__io(base);

    if (io->dead) {
        return ERR_IO;
    }
    return sim__fs_list(&io->host->disk, &io->sim->prng_schedule, path, each, context);
}

static int sim_io_lock(struct io *base, const char *path)
{
    struct sim_io    *io = sim__io(base);
    struct sim_inode *inode = NULL;
    int               result;

    if (io->dead) {
        return ERR_IO;
    }
    result = sim__fs_find(&io->host->disk, path, &inode);
    if (result == ERR_NOT_FOUND) {
        result = sim__fs_create(&io->host->disk, path, false, &inode);
    }
    if (result < 0) {
        return result;
    }
    if (map_get(&io->host->locks, view_text(path)) != NULL) {
        return ERR_BUSY;
    }
    (void)map_put(&io->host->locks, view_text(path), io);
    return 0;
}

static int sim_io_register_region(struct io *base, struct span region)
{
    MAYBE(region.len);
    return sim__io(base)->dead ? ERR_IO : 0;
}

static void sim_io_describe(struct io *base, struct span out_text)
{
    const struct sim_io *io = sim__io(base);

    (void)snprintf((char *)out_text.base, out_text.len, "simulated world, seed %" PRIu64 ", host %u core %u",
                   io->sim->options.seed, io->host->index, io->core);
}

const struct io_backend sim__backend = {
    .name = "sim",
    .submit = sim_submit,
    .run = sim_run,
    .now_ns = sim_io_now_ns,
    .wall_ms = sim_io_wall_ms,
    .random = sim_io_random,
    .wake = sim_io_wake,
    .listen = sim__listen,
    .local_address = sim__local_address,
    .peer_address = sim__peer_address,
    .list = sim_io_list,
    .volume_probe = sim__volume_probe,
    .volume_free = sim__volume_free,
    .lock = sim_io_lock,
    .register_region = sim_io_register_region,
    .recv_give = sim_io_recv_give,
    .describe = sim_io_describe,
    .destroy = sim_io_destroy,
};
