/* worker_rig.h: the workers of a run over real partitions, metadata and engine in the simulator. The controller and the
 * sinks are the test's: it sees each report, moves each epoch by hand, and has every row with the epoch it came in. */
#ifndef MILLRACE_TESTS_WORKER_RIG_H
#define MILLRACE_TESTS_WORKER_RIG_H

#include "tests/unit/meta/meta_rig.h"

#include "compute/job/job_worker.h"

#define WR_EPOCHS_OPEN 4

struct wr_row {
    int64_t  epoch;
    uint32_t worker;
    bool     committed;
    char    *text; /* "sink +I a, b" */
};

struct worker_rig {
    struct job_shard    jobs[RIG_SHARDS_MAX];
    struct job_shard   *by_shard[RIG_SHARDS_MAX];
    struct job_worker  *workers[RIG_SHARDS_MAX];
    struct sql_catalog *catalog;
    struct arena        arena;
    struct sql_plan    *plan;
    struct job_run      run;
    bool                running;
    /* what workers said */
    uint32_t          started, ended, reached, marked, gone;
    bool              finished; /* all shares of the newest epoch */
    char              failure[JOB_MESSAGE_BYTES];
    struct job_share *shares[RIG_SHARDS_MAX];
    struct job_share  from; /* what is committed */
    bool              has_from;
    /* sinks */
    struct wr_row    *rows;
    size_t            row_count, row_capacity;
    bool              full;          /* sinks have no room */
    const char       *sink_failure;  /* an append failed */
    const char       *write_failure; /* a row cannot be written */
    struct job_sinks *sinks[RIG_SHARDS_MAX];
    /* of the next run */
    uint32_t cpu_percent;
    int64_t  flush_interval_ms;
    uint64_t memory_bytes_max;
    uint64_t snapshot_bytes;
};

extern struct worker_rig wr;

/* The sinks have room again. */
void wr_room(void);

/* A broker's shards, started; job log and all. */
void wr_create(uint32_t shard_count, uint64_t seed);
void wr_destroy(void);
/* The process ends and begins, cleanly: nothing is in memory any more. No run. */
void wr_restart(void);
/* Statements before the last are the catalog's, the last is an INSERT or a set of them: it is planned. */
void wr_plan(const char *script);
/* Starts the run behind what is committed; true when all workers have started, false: wr.failure. */
bool wr_start(void);
/* The same without waiting. */
void wr_start_only(void);
/* The world goes on for so long. */
void wr_pass(int64_t duration_ns);
/* Stops it, as a failure would. */
void wr_stop(void);
/* Barriers only. */
void wr_ask_barrier(void);
/* Barrier and reports only; true: all reached. */
bool wr_reach(void);
/* What was reached is committed and marked. */
void wr_commit(void);
bool wr_epoch(void); /* both */
/* Runs until no more rows come for a while, or the run failed. */
void wr_settle(void);
/* Epochs until all sources have ended and the last is committed. False: wr.failure. */
bool wr_finish(void);
void wr_until_failure(void);

/* Rows "{key}, {number}" of sink 0 in committed epochs, folded: the number in force for the key; INT64_MIN: none. */
int64_t wr_fold(const char *key);

/* Rows in committed epochs, sorted, a line each; lives until the next call. */
const char *wr_committed(void);
/* All rows there are, committed or not. */
size_t wr_row_count(void);

/* One batch; its first offset. */
struct wr_record {
    const char *key, *value; /* NULL: null */
    int64_t     timestamp_ms;
};
struct wr_batch {
    enum rec_codec codec;
    int64_t        producer_id; /* -1 */
    int16_t        producer_epoch;
    int32_t        sequence;
    bool           transactional;
};
int64_t wr_append(const char *topic, int32_t partition, const struct wr_record *records, size_t count,
                  const struct wr_batch *batch);
/* A batch of one plain record. */
int64_t wr_value(const char *topic, int32_t partition, const char *value);
void    wr_marker(const char *topic, int32_t partition, int64_t producer_id, int16_t epoch, bool commit);

#endif
