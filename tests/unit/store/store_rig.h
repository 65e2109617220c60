/* store_rig.h: one store on a simulated machine, and logs whose content is known, for the unit tests of core/store. */
#ifndef MILLRACE_TESTS_STORE_RIG_H
#define MILLRACE_TESTS_STORE_RIG_H

#include "tests/support/unit.h"

#include "core/store/store_internal.h"
#include "io/sim/sim.h"

#define RIG_APPENDS_MAX 20000

struct rig_append {
    struct store_append append;
    struct rig_log     *log;
    uint64_t            seed;
    size_t              payload_bytes;
    int32_t             records;
    int64_t             timestamp_ms;
    bool                done;
};

struct rig_log {
    struct store_log  *log;
    const char        *topic;
    int                open_result;
    bool               opened;
    struct rig_append *appends; /* in offset order; what is in the log from 0 */
    size_t             append_count;
    size_t             appends_max;
    size_t             acked;
    uint8_t            id_salt;     /* another topic of the same name has another one */
    bool               append_time; /* batches say LogAppendTime */
    int64_t            hook_durable, hook_start;
    int                offline_reason;
    /* what the partition above would know */
    int64_t             state_end; /* replayed or restored up to here */
    uint64_t            replayed, snapshots_read, snapshots_written;
    struct store_policy policy;
};

struct store_rig {
    struct sim          *sim;
    struct io           *io;
    struct io_host      *host;
    struct io_core      *core;
    struct io_shard     *shard;
    struct store        *store;
    struct store_options options;
    bool                 done;
    int                  result;
};

extern struct store_rig rig;

/* A machine; the store is opened by rig_start(). */
void rig_create(uint64_t seed);
void rig_create_with(const struct sim_options *options);
void rig_destroy(void);
/* The process: back end, host, store. Returns store_open's result. */
int  rig_start(void);
void rig_stop_clean(void);
/* Power cut, or kill -9 (the disk's caches survive); then the process is buried. */
void rig_crash(uint64_t seed, enum sim_crash_style style);
void rig_kill(uint64_t seed);
/* The process after its store was closed. */
void rig_bury(void);
/* After a cut that came by itself (sim_cut_at). */
void rig_abandon(void);

void rig_log_init(struct rig_log *log, const char *topic);
/* With room for so many appends only. */
void rig_log_init_small(struct rig_log *log, const char *topic, size_t appends_max);
void rig_log_free(struct rig_log *log);
int  rig_log_open(struct rig_log *log);
void rig_log_close(struct rig_log *log);
/* reserve + commit of one batch; the result of reserve. */
int rig_append(struct rig_log *log, int32_t records, size_t payload_bytes);
/* Until everything appended is acknowledged. */
void rig_settle(struct rig_log *log);
void rig_run_for(int64_t duration_ns);
void rig_until(bool (*condition)(void *context), void *context);
bool rig_flag(void *context);             /* *(bool *)context */
void rig_done(void *context, int result); /* a store_done_fn that sets rig.done and rig.result */
void rig_wait_done(void);

size_t rig_batch_bytes(size_t payload_bytes);
void   rig_batch_make(uint8_t *to, const struct rig_append *append);
/* Reads [from, end) and compares byte for byte with what was appended; bytes_max per read. Returns reads done. */
size_t rig_verify(struct rig_log *log, int64_t from, int64_t end, size_t bytes_max);
int    rig_read_result(struct rig_log *log, int64_t offset);

#endif
