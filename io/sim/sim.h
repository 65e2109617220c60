/* sim.h: a deterministic world behind io.h, for tests: one seed drives time, latencies, short counts, faults and
 * scheduling.
 *
 * A *world* (struct sim) has hosts; a host has one disk and up to SIM_CORES_MAX back ends (struct io), one per core.
 * Everything runs on the caller's thread. Time is virtual: it moves only when nobody has anything to do at the present
 * instant.
 *
 * Driving it
 *  - One back end: plain io_run()/io_wait(). io_run() runs what is due and else moves the clock to the next event or
 * its deadline.
 *  - Several cores or hosts: sim_add_turn() (or sim_add_host()) registers each core's loop; sim_step() gives every core
 * one turn in a seeded order and moves the clock when all were idle. io_run() inside a turn never moves the clock, it
 * only notes its deadline. An io_wait() from outside a turn steps the other cores by itself.
 *  - A world in which nothing can ever happen any more (no event, no deadline, no turn did work) is a deadlock: CHECK.
 *
 * The disk. A completed write is visible to reads at once and lies in a list of unsynced changes until it is covered by
 * IO_WRITE_DURABLE or io_sync(); names likewise, in a list of the directory. sim_crash() decides over each unsynced and
 * each in-flight change: kept, dropped, torn at 512-byte sectors, or (data) garbled over the whole physical blocks it
 * touches. What was durable is never touched, except where such a block is shared: that is the hazard the frame format
 * exists for.
 *  - fua true: IO_WRITE_DURABLE makes its own range durable and nothing else. fua false: also all earlier completed
 * direct writes of the disk whose space was durable before. io_sync() covers the completed changes of its own file only
 * (a device flush may cover more; nobody may rely on it).
 *  - Size and reserved space are changes like any other; a durable write makes the size it needs durable with it.
 *  - A failed io_sync() of a file leaves what it should have covered lost for later syncs, too: still readable, never
 * again promised. Names are metadata: a later sync of the directory covers them.
 *
 * After a crash the host's back ends are dead: in-flight callbacks do not run. sim_reap() then lets the old process end
 * politely: everything in flight and everything new completes with ERR_IO and touches nothing, so that its close path
 * can free memory. A crash that comes by itself (sim_cut_at) reaps at once, because the caller stands somewhere inside
 * the old process's loop. New back ends for the host see the disk as it survived.
 *
 * Checked on our own code (CHECK): direct I/O alignment; memory of a write or send changed while in flight; two
 * overlapping writes of one file in flight; use of a closed handle; closing a file with operations in flight. Memory of
 * a read is scribbled over at submission. */
#ifndef MILLRACE_SIM_H
#define MILLRACE_SIM_H

#include "core/base/prng.h"
#include "io/io.h"
#include "io/io_shard.h"

#define SIM_HOSTS_MAX 16
#define SIM_CORES_MAX 16

struct sim;

struct sim_ratio {
    uint64_t numerator;
    uint64_t denominator; /* 0: never */
};

struct sim_range {
    int64_t min_ns;
    int64_t max_ns;
};

struct sim_options {
    uint64_t seed;
    int64_t  wall_start_ms;

    /* disk */
    uint32_t         direct_align_bytes;   /* 0: no direct I/O on this file system */
    uint32_t         block_bytes;          /* file-system block */
    uint32_t         physical_block_bytes; /* what the device writes at a time; garbled as a whole */
    bool             fua;
    bool             durable_writes; /* as io_volume */
    bool             writes_lie;     /* IO_WRITE_DURABLE is acknowledged and not honoured: for tests of tests */
    bool             syncs_lie;      /* the same for io_sync() */
    bool             trace;          /* each disk operation as a line on standard error */
    uint64_t         capacity_bytes;
    struct sim_range read_latency, write_latency, sync_latency, name_latency;
    struct sim_ratio slow_operation; /* this operation takes 20 times as long */
    struct sim_ratio short_read, short_write;
    struct sim_ratio read_error, write_error, sync_error, name_error; /* ERR_IO at random */

    /* network */
    struct sim_range net_latency;
    struct sim_ratio short_recv, short_send;
    struct sim_ratio reset;               /* per send: the connection breaks */
    struct sim_ratio connect_error;       /* ERR_CLOSED, as ECONNREFUSED maps */
    uint32_t         socket_buffer_bytes; /* per direction */
    uint32_t         recv_chunk_bytes;    /* largest IO_RECV_MULTI callback */
    struct sim_ratio recv_no_buffers;     /* IO_RECV_MULTI ends with ERR_NO_BUFFERS */
    uint32_t         descriptors_max;     /* per back end; ERR_DESCRIPTORS above */
};

/* Sound defaults: latencies that reorder, 512-byte direct I/O on 4 KiB physical blocks, FUA, no faults, 64 GiB. */
void sim_options_default(struct sim_options *out_options, uint64_t seed);
/* Swarm testing: a random subset of the faults and odd settings that a correct program must survive without failing an
 * operation: short counts, latency spread, FUA or not, small receive pieces. `harsh` adds errors and resets. */
void sim_options_swarm(struct sim_options *out_options, uint64_t seed, bool harsh);

struct sim *sim_create(const struct sim_options *options);
/* Every back end must have been destroyed (checked). NULL is allowed. */
void sim_destroy(struct sim *sim);
/* A back end for one core of one host. After a crash a new one replaces the dead one (which must still be
 * io_destroy()ed). */
struct io *sim_io(struct sim *sim, uint32_t host, uint32_t core);
/* Live settings: faults, latencies and capacity may be changed while running; the geometry may not. */
struct sim_options *sim_settings(struct sim *sim);

/* --- time and turns --------------------------------------------------------------------------- */

/* Work done (>= 0), e.g. io_core_turn(core, INT64_MAX). Errors count as no work. */
typedef int sim_turn_fn(void *context);

void sim_add_turn(struct sim *sim, sim_turn_fn *turn, void *context);
/* All cores of `host`. */
void sim_add_host(struct sim *sim, struct io_host *host);
/* Removes the turns of `context` (a struct io_host * for sim_add_host). */
void sim_remove_turn(struct sim *sim, const void *context);
/* One turn of everybody; moves the clock when nobody did anything. False: nothing can happen any more. */
MUST_USE bool sim_step(struct sim *sim);
/* Steps until condition(context) holds or virtual time has moved by max_ns. True: it held. */
MUST_USE bool sim_run_until(struct sim *sim, bool (*condition)(void *context), void *context, int64_t max_ns);
/* Steps until virtual time has moved by duration_ns. */
void    sim_run_for(struct sim *sim, int64_t duration_ns);
int64_t sim_now_ns(const struct sim *sim);
/* The wall clock jumps. */
void sim_wall_jump(struct sim *sim, int64_t delta_ms);
/* Hash over every completion so far (time, back end, kind, result): equal for equal seeds. */
uint64_t sim_trace_hash(const struct sim *sim);
/* The world's own generator, for tests that want one seed for everything. */
struct prng *sim_prng(struct sim *sim);

/* --- crash and faults ------------------------------------------------------------------------- */

enum sim_crash_style {
    SIM_CRASH_MIX,    /* each change on its own: kept, dropped, torn or garbled */
    SIM_CRASH_DROP,   /* everything not durable is gone */
    SIM_CRASH_KEEP,   /* everything submitted has arrived */
    SIM_CRASH_GARBLE, /* every physical block of an unsynced or in-flight write is garbled, names by chance */
    SIM_CRASH_STYLE_COUNT,
};

/* Power cut of a host, now. Deterministic in `seed`. */
void sim_crash(struct sim *sim, uint32_t host, uint64_t seed, enum sim_crash_style style);
/* kill -9 of a host: its back ends are dead, operations in flight have or have not happened, the disk's caches survive.
 */
void sim_kill(struct sim *sim, uint32_t host, uint64_t seed);
/* See the head of this file. */
void sim_reap(struct sim *sim, uint32_t host);
/* True from a crash, kill or cut until sim_io() makes a new back end for the host. */
bool sim_is_down(const struct sim *sim, uint32_t host);

/* Disk operations are counted when they are submitted; only those that change something (writes, syncs, allocations,
 * names, creating or truncating opens) count here, so that a cut "at every operation" needs no more runs than
 * necessary. */
uint64_t sim_change_count(const struct sim *sim, uint32_t host);
uint64_t sim_operation_count(const struct sim *sim, uint32_t host); /* reads, opens, stats included */

enum sim_cut_when {
    SIM_CUT_BEFORE, /* the n-th change was never submitted */
    SIM_CUT_DURING, /* it was in flight */
    SIM_CUT_AFTER,  /* it has just completed; its callback does not run */
    SIM_CUT_WHEN_COUNT,
};

/* Power cut exactly at the n-th change from now (1 = the next one), then sim_reap(). n == 0 disarms. */
void sim_cut_at(struct sim *sim, uint32_t host, uint64_t n, enum sim_cut_when when, uint64_t seed,
                enum sim_crash_style style);

enum sim_fail_class {
    SIM_FAIL_READ = 1 << 0,
    SIM_FAIL_WRITE = 1 << 1,
    SIM_FAIL_SYNC = 1 << 2,
    SIM_FAIL_NAME = 1 << 3, /* open, rename, unlink, mkdir, stat, allocate */
    SIM_FAIL_ANY = 15,
};

/* The n-th operation of these classes from now (1 = the next) fails with `error`, and all later ones if sticky. n == 0
 * heals. */
void sim_fail_nth(struct sim *sim, uint32_t host, uint64_t n, uint32_t classes, int error, bool sticky);
/* How many operations of the armed classes were seen since sim_fail_nth(). */
uint64_t sim_fail_seen(const struct sim *sim, uint32_t host);
void     sim_set_capacity(struct sim *sim, uint32_t host, uint64_t capacity_bytes);
uint64_t sim_used_bytes(const struct sim *sim, uint32_t host);

/* --- the disk from outside: no operation, no time, durable at once ---------------------------- */

/* Called for each file (not directory) by full path, sorted. */
typedef void sim_file_fn(void *context, const char *path, uint64_t size_bytes);
void         sim_disk_each(struct sim *sim, uint32_t host, sim_file_fn *each, void *context);
/* Bytes read; 0 past the end or when there is no such file. */
size_t sim_disk_peek(struct sim *sim, uint32_t host, const char *path, uint64_t offset, struct span into);
/* False when there is no such file or the range is outside of it. */
MUST_USE bool sim_disk_poke(struct sim *sim, uint32_t host, const char *path, uint64_t offset, struct view bytes);
/* Bit rot: XORs one byte. */
MUST_USE bool sim_disk_flip(struct sim *sim, uint32_t host, const char *path, uint64_t offset, uint8_t mask);
MUST_USE bool sim_disk_resize(struct sim *sim, uint32_t host, const char *path, uint64_t size_bytes);
MUST_USE bool sim_disk_remove(struct sim *sim, uint32_t host, const char *path);
/* Reads that touch the range fail with ERR_IO until it is written again. */
MUST_USE bool sim_disk_unreadable(struct sim *sim, uint32_t host, const char *path, uint64_t offset, uint64_t length);

/* --- the network from outside ----------------------------------------------------------------- */

/* While cut, bytes and connects between the two hosts stay under way (half-open). */
void sim_net_partition(struct sim *sim, uint32_t host_a, uint32_t host_b, bool cut);
/* Breaks every connection of the host. */
void sim_net_reset(struct sim *sim, uint32_t host);

#endif
