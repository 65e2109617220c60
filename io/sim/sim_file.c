/* File operations: what each does when its event fires, and the power cut over a whole disk.
 *
 * An operation takes effect at one instant between submission and callback. Until then it is in flight: a cut decides
 * whether it happened, and a sync does not cover it. */
#include "io/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SIM_SLOW_FACTOR 20

/* --- submission checks ------------------------------------------------------------------------ */

static void check_alignment(const struct sim_pending *pending)
{
    const struct io_op *op = pending->op;
    uint64_t            align_bytes = pending->io->sim->options.direct_align_bytes;
    const void         *memory = op->kind == IO_WRITE ? (const void *)op->view.base : (const void *)op->span.base;

    if (op->kind == IO_READ && op->offset >= pending->handle->inode->visible_size) {
        return; /* the kernel looks at the end of the file first: 0 bytes */
    }
    if ((pending->handle->flags & IO_OPEN_DIRECT) != 0) {
        CHECK(op->offset % align_bytes == 0);
        CHECK(op->length % align_bytes == 0);
        CHECK((uintptr_t)memory % align_bytes == 0);
    }
}

/* Two writes of one range in flight have no order: whoever does that does not know what is on the disk. */
static void check_no_overlap(const struct sim_pending *pending)
{
    const struct sim_host *host = pending->io->host;
    const struct io_op    *op = pending->op;

    for (size_t i = 0; i < SIM_CORES_MAX; i++) {
        if (host->cores[i] == NULL) {
            continue;
        }
        LIST_EACH(&host->cores[i]->pending, node) {
            const struct sim_pending *other = LIST_ENTRY(node, struct sim_pending, link);

            if (other != pending && other->event.index != 0 && other->op->kind == IO_WRITE &&
                other->handle->inode == pending->handle->inode) {
                CHECK(other->op->offset >= op->offset + op->length ||
                      op->offset >= other->op->offset + other->op->length);
            }
        }
    }
}

static bool op_changes_disk(const struct io_op *op)
{
    switch (op->kind) {
    case IO_OPEN:
        return (op->flags & (IO_OPEN_CREATE | IO_OPEN_TRUNCATE)) != 0;
    case IO_WRITE:
    case IO_SYNC:
    case IO_ALLOCATE:
    case IO_RENAME:
    case IO_UNLINK:
    case IO_MKDIR:
        return true;
    default:
        return false;
    }
}

static struct sim_range op_latency(const struct sim_options *options, enum io_kind kind)
{
    switch (kind) {
    case IO_READ:
        return options->read_latency;
    case IO_WRITE:
        return options->write_latency;
    case IO_SYNC:
        return options->sync_latency;
    default:
        return options->name_latency;
    }
}

/* --- effects ---------------------------------------------------------------------------------- */

static int open_inode(struct sim_disk *disk, const struct io_op *op, struct sim_inode **out_inode)
{
    bool is_directory = (op->flags & IO_OPEN_DIRECTORY) != 0;
    int  result = sim__fs_find(disk, op->name.path, out_inode);

    if (result == 0 && (op->flags & IO_OPEN_EXCLUSIVE) != 0) {
        return ERR_EXISTS;
    }
    if (result == ERR_NOT_FOUND && (op->flags & IO_OPEN_CREATE) != 0) {
        return sim__fs_create(disk, op->name.path, false, out_inode);
    }
    if (result < 0) {
        return result;
    }
    if ((*out_inode)->is_directory != is_directory) {
        return is_directory ? ERR_NOT_FOUND : ERR_INVALID;
    }
    if ((op->flags & IO_OPEN_TRUNCATE) != 0) {
        sim__inode_truncate(*out_inode);
    }
    return 0;
}

static int apply_open(struct sim_pending *pending)
{
    struct sim_io     *io = pending->io;
    struct io_op      *op = pending->op;
    struct sim_handle *handle = NULL;
    struct sim_inode  *inode = NULL;
    bool               is_directory = (op->flags & IO_OPEN_DIRECTORY) != 0;
    int                result;

    if ((op->flags & IO_OPEN_DIRECT) != 0 && io->sim->options.direct_align_bytes == 0) {
        return ERR_INVALID; /* open(2) says EINVAL where O_DIRECT is unknown */
    }
    result = open_inode(&io->host->disk, op, &inode);
    if (result < 0) {
        return result;
    }
    result = sim__handle_open(io, is_directory ? SIM_HANDLE_DIRECTORY : SIM_HANDLE_FILE, &handle);
    if (result >= 0) {
        handle->flags = op->flags;
        handle->inode = sim__inode_ref(inode);
        inode->handles++;
    } else {
        sim__inode_settle_space(inode);
    }
    return result;
}

/* A short count: at least one unit, never all of it. */
static size_t short_count(struct sim_pending *pending, struct sim_ratio ratio, size_t len)
{
    struct sim *sim = pending->io->sim;
    bool        direct = (pending->handle->flags & IO_OPEN_DIRECT) != 0;
    size_t      unit = direct ? sim->options.direct_align_bytes : 1;

    if (len <= unit || !sim__chance(sim, ratio)) {
        return len;
    }
    return (size_t)(1 + prng_below(&sim->prng_fault, (len - 1) / unit)) * unit;
}

static int apply_read(struct sim_pending *pending)
{
    struct io_op *op = pending->op;
    size_t        len = short_count(pending, pending->io->sim->options.short_read, op->span.len);

    CHECK((pending->handle->flags & IO_OPEN_READ) != 0);
    if (pending->handle->kind != SIM_HANDLE_FILE) {
        return ERR_INVALID;
    }
    if (sim__inode_unreadable(pending->handle->inode, op->offset, len)) {
        return ERR_IO;
    }
    return (int)sim__inode_read(pending->handle->inode, op->offset, span_of(op->span.base, len));
}

static int apply_write(struct sim_pending *pending)
{
    struct io_op     *op = pending->op;
    struct sim_inode *inode = pending->handle->inode;
    size_t            len = short_count(pending, pending->io->sim->options.short_write, op->view.len);
    bool              buffered = (pending->handle->flags & IO_OPEN_DIRECT) == 0;
    uint64_t          sequence;
    int64_t           done;

    CHECK((pending->handle->flags & IO_OPEN_WRITE) != 0);
    CHECK(pending->checksum == sim__op_checksum(op)); /* the memory was changed while the write was in flight */
    done = sim__inode_write(inode, op->offset, view_of(op->view.base, len), buffered, false);
    sequence = inode->disk->sequence;
    if (done > 0 && (op->flags & IO_WRITE_DURABLE) != 0 && !pending->io->sim->options.writes_lie) {
        sim__inode_make_durable(inode, sequence, pending->snapshot);
    }
    return (int)done;
}

/* A write that fails may have reached the disk: none of it, some sectors, all. */
static void apply_failed_write(struct sim_pending *pending)
{
    struct io_op *op = pending->op;
    struct prng  *prng = &pending->io->sim->prng_fault;
    size_t        unit = (pending->handle->flags & IO_OPEN_DIRECT) != 0 ? SIM_SECTOR_BYTES : 1;
    size_t        len = (size_t)prng_below(prng, op->view.len / unit + 1) * unit;

    if (prng_chance(prng, 1, 2) && len > 0) {
        (void)sim__inode_write(pending->handle->inode, op->offset, view_of(op->view.base, len), false, false);
    }
}

static int apply_sync(struct sim_pending *pending)
{
    struct sim_inode *inode = pending->handle->inode;
    bool              failed = pending->fault != 0;

    if (pending->io->sim->options.syncs_lie) {
        return pending->fault;
    }
    if (inode->is_directory) {
        sim__fs_sync(inode, pending->snapshot, failed);
    } else {
        sim__inode_sync(inode, pending->snapshot, failed);
    }
    return pending->fault;
}

static int apply_allocate(struct sim_pending *pending)
{
    struct io_op     *op = pending->op;
    struct sim_inode *inode = pending->handle->inode;

    CHECK((pending->handle->flags & IO_OPEN_WRITE) != 0);
    if ((op->flags & IO_ALLOCATE_PUNCH) != 0) {
        sim__inode_punch(inode, op->offset, op->length);
        return 0;
    }
    return sim__inode_allocate(inode, op->offset, op->length);
}

static int apply_stat(struct sim_pending *pending)
{
    struct sim_inode *inode;
    int               result = sim__fs_find(&pending->io->host->disk, pending->op->name.path, &inode);

    if (result == 0) {
        *pending->op->out_stat = (struct io_stat){
            .size_bytes = inode->visible_size,
            .allocated_bytes = inode->allocated_pages * SIM_PAGE_BYTES,
            .modified_ms = inode->modified_ms,
            .is_directory = inode->is_directory,
        };
    }
    return result;
}

static int file_apply(struct sim_pending *pending)
{
    struct io_op     *op = pending->op;
    struct sim_disk  *disk = &pending->io->host->disk;
    struct sim_inode *inode;

    if (pending->fault != 0 && op->kind != IO_SYNC) {
        if (op->kind == IO_WRITE) {
            apply_failed_write(pending);
        }
        return pending->fault;
    }
    switch (op->kind) {
    case IO_OPEN:
        return apply_open(pending);
    case IO_READ:
        return apply_read(pending);
    case IO_WRITE:
        return apply_write(pending);
    case IO_SYNC:
        return apply_sync(pending);
    case IO_ALLOCATE:
        return apply_allocate(pending);
    case IO_RENAME:
        return sim__fs_rename(disk, op->name.path, op->name.to);
    case IO_UNLINK:
        return sim__fs_unlink(disk, op->name.path, (op->flags & IO_OPEN_DIRECTORY) != 0);
    case IO_MKDIR:
        return sim__fs_create(disk, op->name.path, true, &inode);
    case IO_STAT:
        return apply_stat(pending);
    default:
        CHECK(false);
        return ERR_INVALID;
    }
}

/* --- submission ------------------------------------------------------------------------------- */

static void host_cut_now(struct sim_host *host)
{
    struct sim_cut cut = host->cut;

    host->cut.countdown = 0;
    sim_crash(host->sim, host->index, cut.seed, cut.style);
    sim_reap(host->sim, host->index);
}

static void file_trace(const struct sim_pending *pending, const char *when, int result)
{
    static const char *const names[IO_KIND_COUNT] = {
        [IO_OPEN] = "open",     [IO_READ] = "read",         [IO_WRITE] = "write",
        [IO_SYNC] = "sync",     [IO_ALLOCATE] = "allocate", [IO_RENAME] = "rename",
        [IO_UNLINK] = "unlink", [IO_MKDIR] = "mkdir",       [IO_STAT] = "stat",
    };
    const struct io_op *op = pending->op;
    const char         *subject = pending->handle != NULL ? pending->handle->inode->label : op->name.path;

    (void)fprintf(stderr, "      %" PRId64 " us %s %s %s", pending->io->sim->now_ns / NS_PER_US, when, names[op->kind],
                  subject);
    if (op->kind == IO_RENAME) {
        (void)fprintf(stderr, " to %s", op->name.to);
    } else if (op->kind == IO_READ || op->kind == IO_WRITE || op->kind == IO_ALLOCATE) {
        (void)fprintf(stderr, " %" PRIu64 "+%" PRIu64 "%s", op->offset, op->length,
                      op->kind == IO_WRITE && (op->flags & IO_WRITE_DURABLE) != 0 ? " durable" : "");
    }
    (void)fprintf(stderr, ": %d\n", result);
}

static void file_fire(struct sim *sim, void *context)
{
    struct sim_pending *pending = context;
    struct sim_host    *host = pending->io->host;
    bool                cut_after = pending->cut_after != 0 && pending->cut_after == host->cut.serial;
    int                 result;

    CHECK(sim == host->sim);
    result = file_apply(pending);
    if (sim->options.trace) {
        file_trace(pending, "done", result);
    }
    sim__finish(pending, result);
    if (cut_after) {
        host_cut_now(host);
    }
}

/* True when the power goes off at this operation; pending is then already answered. */
static bool cut_at(struct sim_pending *pending, bool *out_during)
{
    struct sim_host *host = pending->io->host;

    *out_during = false;
    if (host->cut.countdown == 0 || --host->cut.countdown > 0) {
        return false;
    }
    switch (host->cut.when) {
    case SIM_CUT_BEFORE:
        host_cut_now(host);
        return true;
    case SIM_CUT_DURING:
        *out_during = true;
        return false;
    case SIM_CUT_AFTER:
    case SIM_CUT_WHEN_COUNT:
        break;
    }
    pending->cut_after = host->cut.serial;
    return false;
}

void sim__file_submit(struct sim_pending *pending)
{
    struct sim_host *host = pending->io->host;
    struct sim      *sim = host->sim;
    struct io_op    *op = pending->op;
    int64_t          delay_ns = sim__draw(sim, op_latency(&sim->options, op->kind));
    bool             during = false;

    host->operation_count++;
    if (op_changes_disk(op)) {
        host->change_count++;
        if (cut_at(pending, &during)) {
            return;
        }
    }
    if (op->kind == IO_READ || op->kind == IO_WRITE) {
        CHECK(pending->handle->kind == SIM_HANDLE_FILE || op->kind == IO_READ);
        check_alignment(pending);
    }
    if (op->kind == IO_WRITE) {
        check_no_overlap(pending);
    } else if (op->kind == IO_READ) {
        memset(op->span.base, 0xDB, op->span.len); /* nobody may look before the callback */
    }
    pending->fault = sim__fault(host, op->kind);
    pending->snapshot = host->disk.sequence;
    if (sim__chance(sim, sim->options.slow_operation)) {
        delay_ns *= SIM_SLOW_FACTOR;
    }
    sim__schedule(sim, &pending->event, delay_ns, file_fire, pending);
    if (during) {
        host_cut_now(host);
    }
}

/* --- crash of a disk -------------------------------------------------------------------------- */

/* What a change in flight has done when the power goes off: as if it had just completed, unsynced. */
static void crash_in_flight(struct sim_pending *pending)
{
    struct io_op     *op = pending->op;
    struct sim_disk  *disk = &pending->io->host->disk;
    struct sim_inode *inode = NULL;

    if (disk->sim->options.trace) {
        file_trace(pending, "in flight", 0);
    }
    switch (op->kind) {
    case IO_OPEN:
        (void)open_inode(disk, op, &inode);
        break;
    case IO_WRITE:
        (void)sim__inode_write(pending->handle->inode, op->offset, op->view, false, true);
        break;
    case IO_ALLOCATE:
        (void)apply_allocate(pending);
        break;
    case IO_SYNC:
        (void)apply_sync(pending);
        break;
    default:
        (void)file_apply(pending);
        break;
    }
}

static void disk_crash(struct sim_disk *disk, struct prng *prng, enum sim_crash_style style)
{
    size_t             count;
    struct sim_inode **inodes = sim__inodes_hold(disk, &count);

    for (size_t i = 0; i < count; i++) {
        if (inodes[i]->space_given_back) { /* it may come back: its name was not removed durably */
            inodes[i]->space_given_back = false;
            disk->used_pages += inodes[i]->allocated_pages;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (inodes[i]->is_directory) {
            sim__fs_crash(inodes[i], prng, style);
        } else {
            sim__inode_crash(inodes[i], prng, style);
        }
    }
    for (size_t i = 0; i < count; i++) {
        sim__fs_adopt(inodes[i]);
    }
    sim__inodes_release(inodes, count);
}

/* Each disk change in flight has happened or not. */
static void host_settle_in_flight(struct sim_host *host, struct prng *prng, enum sim_crash_style style)
{
    for (size_t i = 0; i < SIM_CORES_MAX; i++) {
        if (host->cores[i] == NULL) {
            continue;
        }
        LIST_EACH(&host->cores[i]->pending, node) {
            struct sim_pending *pending = LIST_ENTRY(node, struct sim_pending, link);
            bool                happens = prng_chance(prng, 3, 4);

            if (pending->event.index == 0 || !op_changes_disk(pending->op) || pending->fault != 0) {
                continue;
            }
            /* A sync that was under way may have flushed everything: only by chance, and never in the style that drops.
             */
            if (style == SIM_CRASH_DROP || (style != SIM_CRASH_KEEP && !happens)) {
                continue;
            }
            crash_in_flight(pending);
        }
    }
}

static void host_die(struct sim_host *host)
{
    for (size_t i = 0; i < SIM_CORES_MAX; i++) {
        if (host->cores[i] != NULL) {
            sim__io_die(host->cores[i]);
        }
    }
    host->down = true;
    host->cut.countdown = 0;
}

void sim_crash(struct sim *sim, uint32_t host_index, uint64_t seed, enum sim_crash_style style)
{
    struct sim_host *host = sim__host(sim, host_index);
    struct prng      prng;

    prng_init(&prng, seed);
    host_settle_in_flight(host, &prng, style);
    host_die(host);
    disk_crash(&host->disk, &prng, style);
}

void sim_kill(struct sim *sim, uint32_t host_index, uint64_t seed)
{
    struct sim_host *host = sim__host(sim, host_index);
    struct prng      prng;

    prng_init(&prng, seed);
    host_settle_in_flight(host, &prng, SIM_CRASH_MIX);
    host_die(host);
}

void sim_reap(struct sim *sim, uint32_t host_index)
{
    struct sim_host *host = sim__host(sim, host_index);

    LIST_EACH(&sim->ios, node) {
        struct sim_io *io = LIST_ENTRY(node, struct sim_io, link);

        if (io->host == host && io->dead) {
            sim__io_reap(io);
        }
    }
}

bool sim_is_down(const struct sim *sim, uint32_t host)
{
    return sim__host(sim, host)->down;
}

/* --- volume ----------------------------------------------------------------------------------- */

static uint64_t disk_free_bytes(const struct sim_disk *disk)
{
    uint64_t used_bytes = disk->used_pages * SIM_PAGE_BYTES;

    return used_bytes < disk->capacity_bytes ? disk->capacity_bytes - used_bytes : 0;
}

int sim__volume_probe(struct io *base, const char *path, struct io_volume *out_volume)
{
    struct sim_io            *io = sim__io(base);
    const struct sim_options *options = &io->sim->options;
    struct sim_inode         *inode;
    int                       result = io->dead ? ERR_IO : sim__fs_find(&io->host->disk, path, &inode);

    if (result < 0) {
        return result;
    }
    *out_volume = (struct io_volume){
        .total_bytes = io->host->disk.capacity_bytes,
        .free_bytes = disk_free_bytes(&io->host->disk),
        .block_bytes = MAX(MAX(options->block_bytes, options->physical_block_bytes), options->direct_align_bytes),
        .direct_align_bytes = options->direct_align_bytes,
        .durable_writes = options->durable_writes,
    };
    (void)snprintf(out_volume->type_name, sizeof(out_volume->type_name), "sim");
    return 0;
}

int sim__volume_free(struct io *base, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes)
{
    struct sim_io    *io = sim__io(base);
    struct sim_inode *inode;
    int               result = io->dead ? ERR_IO : sim__fs_find(&io->host->disk, path, &inode);

    if (result < 0) {
        return result;
    }
    *out_free_bytes = disk_free_bytes(&io->host->disk);
    *out_total_bytes = io->host->disk.capacity_bytes;
    return 0;
}
