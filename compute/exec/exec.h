/* exec.h: runs a plan: workers, sources pushed in, sinks called back.
 *
 * A *job* is one run of a plan. It has one or more *workers*; each holds an instance of every operator and runs on the
 * thread that calls it, one thread at a time per worker. Workers exchange chunks through bounded rings (exec_ring.h);
 * nothing else is shared but the immutable plan and a few counters. The driver (millrace sql, compute/job, a test) owns
 * threads, clocks, files and topics:
 *
 *     for each worker, in a loop:
 *         exec_worker_push() what its sources have, chunk by chunk, each from one partition, in the partition's order
 *         exec_worker_flush() now and then: changelogs come out (Flink's mini-batch)
 *         exec_worker_step() until it is not EXEC_BUSY: takes what other workers sent
 *         exec_worker_end() when a bounded partition is through
 *     until every worker says EXEC_FINISHED, or one EXEC_FAILED
 *
 * No call ever waits for another worker: what does not fit a full ring is kept aside, counted against the budget, and
 * step() says EXEC_BLOCKED until it is gone. So workers may run on threads, on stacks of their own or in turns on one
 * thread, and cannot lock each other up.
 *
 * Memory. A pushed chunk may be reused when the call returns. State lives in the workers' own heaps, counted against
 * memory_bytes_max of the job; past it the job fails with a message that names the operator.
 *
 * Errors. False or EXEC_FAILED: the job failed, exec_job_failure() says where and why; nothing more may be pushed.
 *
 * Barriers. To save the state of a running job at one moment of its input, the driver calls exec_worker_barrier() on
 * every worker, each when it likes, with the same epoch. What was pushed on any worker before its barrier is before the
 * epoch's end, everything else behind it: barriers travel through the exchanges in the order of rows, and what comes
 * behind one waits in the rings. Changelogs are flushed on the way. options.barrier is called when the last operator of
 * a worker has seen the barrier: its sinks have got all rows of the epoch and none of the next, and until the driver
 * pushes or steps again exec_worker_save() shows the state as it is there. Between exec_worker_barrier() and the
 * callback the driver only steps. Workers need not wait for each other: the next epoch may begin on one while another
 * still steps towards its callback.
 *
 * State. exec_worker_save() hands out records: a key and a value (none: forget the key) in a table of a node; either
 * what changed since the last call (options.keeps_changes), or everything. Records of epochs one after the other,
 * given to exec_worker_load() of the same worker of a new job over an equal plan with as many workers, make the state
 * again; the output then goes on as if nothing had happened. Each record says what it belongs to
 * (exec_node_fingerprint()) or depends on one of its node that does: records of another plan are refused by name, and
 * damaged ones, too. The bytes are versioned, little-endian, and private to this room.
 *
 * Pausing. A long emission (a window with many keys) calls options.pause between chunks, if given, from inside push or
 * step: a driver that runs workers on stacks of their own may switch away there and come back. Nothing else of the same
 * worker may be called meanwhile. */
#ifndef MILLRACE_EXEC_H
#define MILLRACE_EXEC_H

#include "compute/exec/exec_plan.h"

#define EXEC_WORKERS_MAX        64
#define EXEC_MESSAGE_BYTES      512
#define EXEC_MEMORY_DEFAULT     (UINT64_C(4) << 30)
#define EXEC_WATERMARK_NONE     INT64_MIN
#define EXEC_WATERMARK_END      INT64_MAX
#define EXEC_RING_SLOTS_DEFAULT 64

struct exec_job;
struct exec_worker;

/* Where rows leave. Called on the worker's thread; the chunk is valid during the call. All changes of one key arrive in
 * order and at one worker. False: the job fails with `message`, which the callee fills in. */
struct exec_sink_ops {
    bool (*write)(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                  size_t message_capacity);
    void *context;
};

struct exec_options {
    uint32_t             worker_count;     /* 1 .. EXEC_WORKERS_MAX */
    uint64_t             memory_bytes_max; /* of state, all workers together */
    uint32_t             ring_slots;       /* chunks in flight from one worker to another; 0: the default */
    uint32_t             rows_max;         /* rows per chunk that operators emit, 1 .. VEC_ROWS_MAX; 0: VEC_ROWS_MAX */
    struct exec_sink_ops sink;
    void (*pause)(void *context); /* or NULL */
    void *pause_context;
    /* All operators of the worker have seen the barrier: from exec_worker_barrier() or exec_worker_step(), at their
     * very end, so that everything may be called. NULL: no barriers. */
    void (*barrier)(void *context, uint32_t worker, int64_t epoch);
    void    *barrier_context;
    uint32_t piece_rows;    /* windows that fire, and changelogs, go on in later steps after about so many keys; 0: all
                               inside the call */
    bool     keeps_changes; /* notes what changes, for exec_worker_save(all = false) */
    uint64_t verify_seed;   /* not 0: every chunk between operators is reshaped (vec_verify_reshape): tests */
};

struct exec_failure {
    uint32_t node; /* EXEC_NO_COLUMN: the driver's own */
    /* Which pushed row it was, where that is known: between a scan and the first operator that keeps rows. */
    bool     has_row;
    uint32_t scan, partition, row; /* row: of the pushed chunk */
    char     message[EXEC_MESSAGE_BYTES];
};

enum exec_progress {
    EXEC_BUSY,     /* did something: call again */
    EXEC_IDLE,     /* nothing to do until more is pushed, or another worker sends */
    EXEC_BLOCKED,  /* what it sent waits for room at other workers: push nothing, let them step, call again */
    EXEC_FINISHED, /* every source ended and everything is through */
    EXEC_FAILED,
};

/* plan must outlive the job. NULL when memory is short. */
struct exec_job    *exec_job_create(const struct exec_plan *plan, const struct exec_options *options);
void                exec_job_destroy(struct exec_job *job);
struct exec_worker *exec_job_worker(struct exec_job *job, uint32_t index);
/* The first failure of any worker; NULL while there is none. Any thread. */
const struct exec_failure *exec_job_failure(const struct exec_job *job);
/* The driver failed (a source cannot be read): all workers stop. */
void exec_job_fail(struct exec_job *job, const char *message);

/* scan: id of a SCAN node. The partition must have been opened on this worker. rows in the partition's order. */
void          exec_worker_open(struct exec_worker *worker, uint32_t scan, uint32_t partition);
MUST_USE bool exec_worker_push(struct exec_worker *worker, uint32_t scan, uint32_t partition,
                               const struct vec_chunk *chunk);
/* The partition will push nothing more. A scan ends when exec_worker_opened() was called and all its partitions are
 * through; the end of the last one carries the final watermark. */
void          exec_worker_opened(struct exec_worker *worker);
MUST_USE bool exec_worker_end(struct exec_worker *worker, uint32_t scan, uint32_t partition);
/* Changelog operators emit what changed since the last flush. */
MUST_USE bool exec_worker_flush(struct exec_worker *worker);
/* The same in pieces of a chunk or so, for a driver that may not be away for long: EXEC_BUSY: there is more, call again
 * (other calls may come between); EXEC_IDLE: everything is out; EXEC_FAILED. A barrier's flush is in pieces by itself,
 * one with each step. */
enum exec_progress exec_worker_flush_some(struct exec_worker *worker);
/* Time passed: processing-time windows, idle partitions, state TTL. ms since the epoch, never backwards. */
MUST_USE bool      exec_worker_time(struct exec_worker *worker, int64_t now_ms);
enum exec_progress exec_worker_step(struct exec_worker *worker);
/* The workers that were sent something since the last call, a bit each: those that a step is worth while on. */
uint64_t exec_worker_take_sent(struct exec_worker *worker);

/* --- barriers and state --------------------------------------------------------------------------------------------
 */

/* After exec_worker_opened(). From here to the callback nothing is pushed, ended, flushed or told the time: only steps.
 * On a worker that has finished the callback comes at once. False: the job failed, the callback does not come. */
MUST_USE bool exec_worker_barrier(struct exec_worker *worker, int64_t epoch);

struct exec_saver {
    /* Both are valid during the call. value.base NULL: the key is gone. False: the driver failed the job. */
    bool (*write)(void *context, uint32_t node, uint32_t table, struct view key, struct view value);
    void *context;
};

/* From the callback on, before anything is pushed, ended, flushed, told the time or stepped. all: everything that is
 * there, as if nothing had been written before; else what changed since the last call. False: the job failed. */
MUST_USE bool exec_worker_save(struct exec_worker *worker, bool all, const struct exec_saver *saver);
/* The same in pieces of about so many records, for a driver that may not be away for long. EXEC_BUSY: call again with
 * the same arguments before anything else is asked of this worker (step() says EXEC_IDLE and does nothing); EXEC_IDLE:
 * all is written; EXEC_FAILED. */
enum exec_progress exec_worker_save_some(struct exec_worker *worker, bool all, const struct exec_saver *saver,
                                         uint64_t records_max);
/* A record that was saved, in the order of saving, before exec_worker_opened(). value.base NULL: the key is gone.
 * False: the job failed: exec_job_failure() says what is wrong with the record. */
MUST_USE bool exec_worker_load(struct exec_worker *worker, uint32_t node, uint32_t table, struct view key,
                               struct view value);
/* Something must be saved: some operator's output depends on more than the row at hand. */
bool exec_plan_has_state(const struct exec_plan *plan);
/* False: a message names the first operator whose state cannot be saved. */
MUST_USE bool exec_plan_can_save(const struct exec_plan *plan, char *message, size_t message_capacity);
/* What the node's saved state depends on: kind, keys, aggregates, expressions, windows, orders, types of its inputs,
 * not names. The same from one release to the next unless the state's form changes. */
uint64_t exec_node_fingerprint(const struct exec_node *node);

struct exec_stats {
    uint64_t rows_in, rows_out; /* of a node, all workers */
    uint64_t late_rows;         /* dropped */
    uint64_t state_rows, state_bytes;
    int64_t  watermark_us; /* lowest of the workers */
};

/* Any thread; values of running workers may be a moment old. */
void     exec_job_stats(const struct exec_job *job, uint32_t node, struct exec_stats *out_stats);
uint64_t exec_job_memory_bytes(const struct exec_job *job);

#endif
