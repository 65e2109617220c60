/* Faults on purpose: the n-th operation, random errors, swarm settings; and the disk seen and damaged from outside. */
#include "io/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t fail_class(enum io_kind kind)
{
    switch (kind) {
    case IO_READ:
        return SIM_FAIL_READ;
    case IO_WRITE:
        return SIM_FAIL_WRITE;
    case IO_SYNC:
        return SIM_FAIL_SYNC;
    default:
        return SIM_FAIL_NAME;
    }
}

static struct sim_ratio fail_ratio(const struct sim_options *options, uint32_t class)
{
    switch (class) {
    case SIM_FAIL_READ:
        return options->read_error;
    case SIM_FAIL_WRITE:
        return options->write_error;
    case SIM_FAIL_SYNC:
        return options->sync_error;
    default:
        return options->name_error;
    }
}

int sim__fault(struct sim_host *host, enum io_kind kind)
{
    struct sim_fail *fail = &host->fail;
    uint32_t class = fail_class(kind);

    if ((fail->classes & class) != 0) {
        fail->seen++;
        if (fail->stuck) {
            return fail->error;
        }
        if (fail->countdown > 0 && --fail->countdown == 0) {
            fail->stuck = fail->sticky;
            return fail->error;
        }
    }
    return sim__chance(host->sim, fail_ratio(&host->sim->options, class)) ? ERR_IO : 0;
}

void sim_fail_nth(struct sim *sim, uint32_t host, uint64_t n, uint32_t classes, int error, bool sticky)
{
    CHECK(error < 0);
    sim__host(sim, host)->fail =
        (struct sim_fail){.countdown = n, .classes = classes, .error = error, .sticky = sticky};
}

uint64_t sim_fail_seen(const struct sim *sim, uint32_t host)
{
    return sim__host(sim, host)->fail.seen;
}

void sim_cut_at(struct sim *sim, uint32_t host, uint64_t n, enum sim_cut_when when, uint64_t seed,
                enum sim_crash_style style)
{
    struct sim_cut *cut = &sim__host(sim, host)->cut;

    *cut = (struct sim_cut){.serial = cut->serial + 1, .countdown = n, .when = when, .seed = seed, .style = style};
}

uint64_t sim_change_count(const struct sim *sim, uint32_t host)
{
    return sim__host(sim, host)->change_count;
}

uint64_t sim_operation_count(const struct sim *sim, uint32_t host)
{
    return sim__host(sim, host)->operation_count;
}

void sim_set_capacity(struct sim *sim, uint32_t host, uint64_t capacity_bytes)
{
    sim__host(sim, host)->disk.capacity_bytes = capacity_bytes;
}

uint64_t sim_used_bytes(const struct sim *sim, uint32_t host)
{
    return sim__host(sim, host)->disk.used_pages * SIM_PAGE_BYTES;
}

/* --- swarm ------------------------------------------------------------------------------------ */

static struct sim_ratio swarm_ratio(struct prng *prng, uint64_t numerator_max, uint64_t denominator)
{
    if (prng_chance(prng, 1, 2)) {
        return (struct sim_ratio){0, 0};
    }
    return (struct sim_ratio){1 + prng_below(prng, numerator_max), denominator};
}

void sim_options_swarm(struct sim_options *out_options, uint64_t seed, bool harsh)
{
    struct prng        prng;
    struct sim_options options;

    prng_init(&prng, seed ^ UINT64_C(0x5bd1e995));
    sim_options_default(&options, seed);
    options.fua = prng_chance(&prng, 2, 3);
    options.physical_block_bytes = prng_chance(&prng, 1, 4) ? 512 : 4096;
    options.direct_align_bytes = prng_chance(&prng, 1, 8) ? 0 : prng_chance(&prng, 1, 4) ? 4096 : 512;
    options.short_read = swarm_ratio(&prng, 30, 100);
    options.short_write = swarm_ratio(&prng, 30, 100);
    options.short_recv = swarm_ratio(&prng, 50, 100);
    options.short_send = swarm_ratio(&prng, 50, 100);
    options.slow_operation = swarm_ratio(&prng, 10, 100);
    options.recv_no_buffers = swarm_ratio(&prng, 10, 100);
    options.socket_buffer_bytes = 4096u << prng_below(&prng, 8);
    options.recv_chunk_bytes = 64u << prng_below(&prng, 11);
    options.write_latency.max_ns = NS_PER_US * (20 + (int64_t)prng_below(&prng, 5000));
    options.sync_latency.max_ns = NS_PER_US * (50 + (int64_t)prng_below(&prng, 20000));
    options.net_latency.max_ns = NS_PER_US * (10 + (int64_t)prng_below(&prng, 20000));
    if (harsh) {
        options.read_error = swarm_ratio(&prng, 5, 1000);
        options.write_error = swarm_ratio(&prng, 5, 1000);
        options.sync_error = swarm_ratio(&prng, 5, 1000);
        options.name_error = swarm_ratio(&prng, 5, 1000);
        options.reset = swarm_ratio(&prng, 5, 1000);
        options.connect_error = swarm_ratio(&prng, 10, 100);
    }
    *out_options = options;
}

/* --- the disk from outside -------------------------------------------------------------------- */

static struct sim_inode *outside_file(struct sim *sim, uint32_t host, const char *path)
{
    struct sim_inode *inode = NULL;

    if (sim__fs_find(&sim__host(sim, host)->disk, path, &inode) < 0 || inode->is_directory) {
        return NULL;
    }
    return inode;
}

struct outside_entry {
    char             *name;
    struct sim_inode *inode;
};

static int outside_order(const void *a, const void *b)
{
    return strcmp(((const struct outside_entry *)a)->name, ((const struct outside_entry *)b)->name);
}

static void outside_walk(struct sim_inode *directory, const char *path, sim_file_fn *each, void *context)
{
    struct outside_entry *entries = mem_alloc(MEM_TEST, (map_count(&directory->visible) + 1) * sizeof(*entries));
    char                 *full = mem_alloc(MEM_TEST, IO_PATH_BYTES_MAX);
    size_t                count = 0;
    size_t                position = 0;

    for (struct map_entry *entry; (entry = map_next(&directory->visible, &position)) != NULL; count++) {
        entries[count].name = mem_copy_text(MEM_TEST, view_of(entry->key, entry->key_len));
        entries[count].inode = entry->value;
    }
    qsort(entries, count, sizeof(*entries), outside_order);
    for (size_t i = 0; i < count; i++) {
        CHECK(snprintf(full, IO_PATH_BYTES_MAX, "%s/%s", path, entries[i].name) < IO_PATH_BYTES_MAX);
        if (entries[i].inode->is_directory) {
            outside_walk(entries[i].inode, full, each, context);
        } else {
            each(context, full, entries[i].inode->visible_size);
        }
        mem_free(MEM_TEST, entries[i].name);
    }
    mem_free(MEM_TEST, full);
    mem_free(MEM_TEST, entries);
}

void sim_disk_each(struct sim *sim, uint32_t host, sim_file_fn *each, void *context)
{
    outside_walk(sim__host(sim, host)->disk.root, "", each, context);
}

size_t sim_disk_peek(struct sim *sim, uint32_t host, const char *path, uint64_t offset, struct span into)
{
    const struct sim_inode *inode = outside_file(sim, host, path);

    return inode == NULL ? 0 : sim__inode_read(inode, offset, into);
}

bool sim_disk_poke(struct sim *sim, uint32_t host, const char *path, uint64_t offset, struct view bytes)
{
    struct sim_inode *inode = outside_file(sim, host, path);

    if (inode == NULL || bytes.len == 0 || offset + bytes.len > inode->visible_size) {
        return false;
    }
    sim__inode_poke(inode, offset, bytes);
    return true;
}

bool sim_disk_flip(struct sim *sim, uint32_t host, const char *path, uint64_t offset, uint8_t mask)
{
    uint8_t byte;

    if (sim_disk_peek(sim, host, path, offset, span_of(&byte, 1)) != 1) {
        return false;
    }
    byte ^= mask;
    return sim_disk_poke(sim, host, path, offset, view_of(&byte, 1));
}

bool sim_disk_resize(struct sim *sim, uint32_t host, const char *path, uint64_t size_bytes)
{
    struct sim_inode *inode = outside_file(sim, host, path);

    if (inode == NULL) {
        return false;
    }
    sim__inode_resize(inode, size_bytes);
    return true;
}

bool sim_disk_remove(struct sim *sim, uint32_t host_index, const char *path)
{
    struct sim_host  *host = sim__host(sim, host_index);
    struct sim_inode *parent;
    const char       *slash = strrchr(path, '/');
    char             *parent_path = mem_copy_text(MEM_TEST, view_of(path, slash == NULL ? 0 : (size_t)(slash - path)));
    bool              removed = sim__fs_unlink(&host->disk, path, false) == 0;

    if (removed) {
        CHECK(sim__fs_find(&host->disk, parent_path, &parent) == 0);
        sim__fs_sync(parent, host->disk.sequence, false);
    }
    mem_free(MEM_TEST, parent_path);
    return removed;
}

bool sim_disk_unreadable(struct sim *sim, uint32_t host, const char *path, uint64_t offset, uint64_t length)
{
    struct sim_inode *inode = outside_file(sim, host, path);

    if (inode == NULL) {
        return false;
    }
    sim__inode_bad(inode, offset, length);
    return true;
}
