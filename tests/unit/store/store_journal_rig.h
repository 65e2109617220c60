/* store_journal_rig.h: one journal in a simulated world, with a model of what was appended, acknowledged and released.
 * One rig per process. */
#ifndef MILLRACE_TESTS_STORE_JOURNAL_RIG_H
#define MILLRACE_TESTS_STORE_JOURNAL_RIG_H

#include "tests/support/unit.h"

#include "core/store/store_journal_format.h"
#include "io/sim/sim.h"

#define BLOCK      4096
#define DIRECTORY  "shard-0"
#define RING_PATH  DIRECTORY "/" STORE_JOURNAL_FILE_NAME
#define HEADERS    (128 * 1024) /* where the ring begins in the file */
#define LOGS       5
#define ITEMS_MAX  4000
#define RING_BYTES STORE_JOURNAL_BYTES_MIN

enum item_state { ITEM_APPENDED, ITEM_ACKED, ITEM_FAILED };

struct journal_item {
    struct store_journal_entry entry;
    int                        log;
    uint64_t                   seed;
    uint32_t                   batches;
    size_t                     payload_bytes;
    size_t                     bytes;
    enum item_state            state;
    bool                       drained; /* released before the crash: may or may not come back */
    bool                       replayed;
    uint64_t                   order; /* of acknowledgement */
};

struct journal_rig {
    struct sim           *sim;
    struct io            *io;
    struct buf_pool      *bufs;
    struct timer_heap     timers;
    struct io_shard       shard;
    struct io_volume      volume;
    struct store_journal *journal;
    struct prng           prng;
    struct journal_item   items[ITEMS_MAX];
    size_t                item_count;
    size_t                generation_first; /* items before belong to earlier generations: they must not come back */
    int64_t               next_offset[LOGS];
    uint64_t              acks;
    int                   done_result;
    bool                  done;
    uint32_t              damages, entry_damages, spaces, replays;
    uint64_t              last_replay_lsn;
    uint64_t              chosen_bytes;
};

extern struct journal_rig rig;

/* A batch of `records` offsets whose content follows from `seed`; its length. */
size_t      rig_make_batch(uint8_t *to, int64_t base_offset, int32_t records, size_t payload_bytes, uint64_t seed);
struct uuid rig_topic(int log);
/* Appends the next item of a log; the result of store_journal_append(). */
int rig_append(int log, uint32_t batches, size_t payload_bytes);
/* Turns the loop until the condition holds. */
void rig_run_until(bool (*condition)(void *context));
bool rig_is_idle(void *context);
/* Every append of this generation, or the power is off. */
bool rig_all_answered(void *context);
void rig_start(const struct sim_options *options);
void rig_end(void);
/* Opens; the result, or ERR_CLOSED when the power went. So the next two. */
int rig_journal_open(uint64_t bytes);
int rig_journal_reset(void);
int rig_journal_close(void);
/* Opens and resets. */
void rig_journal_start(uint64_t bytes);
/* The old process ends, the machine starts again. */
void rig_reboot(void);
/* Power cut, then reboot. */
void rig_crash(uint64_t seed, enum sim_crash_style style);
/* Drains: everything acknowledged up to item `end` is durable in segments now. */
void rig_release_items(size_t end);
/* Everything acknowledged and not drained came back. */
void rig_expect_recovered(void);
void rig_options(struct sim_options *options, uint64_t seed);
/* Random appends, submitted in groups, released at random, for `turns` turns of the loop. */
void rig_work(uint32_t turns, size_t payload_max);

#endif
