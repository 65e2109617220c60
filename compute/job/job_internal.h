/* job_internal.h: what the files of compute/job share: a run, its workers, and the mail between them.
 *
 * One run is one incarnation of a job: from a start (or restart) to its end. The controller makes it, each shard runs
 * its worker, the controller frees it when every worker is gone.
 *
 *   controller                                   worker (each shard)
 *     job__worker_start(run)          --mail-->    opens sources and job log, loads state from run->from
 *                                     <--mail--    STARTED
 *     BARRIER e                       --mail-->    exec_worker_barrier(); at the callback: sinks flushed, state saved
 *                                     <--mail--    REACHED e: struct job_share (offsets, state range, sink ranges)
 *     commit record of e, durable
 *     COMMITTED e                     --mail-->    markers of e to the sink partitions
 *                                     <--mail--    MARKED e
 *     (only now BARRIER e + 1: no row of e + 2 under an id whose marker for e is not appended)
 *     STOP (abort: markers that abort what is open)
 *                                     <--mail--    GONE: the worker will not touch the run again
 *   any time:                         <--mail--    FAILED with a message; the controller stops the run
 */
#ifndef MILLRACE_JOB_INTERNAL_H
#define MILLRACE_JOB_INTERNAL_H

#include "compute/exec/exec.h"
#include "compute/job/job.h"
#include "compute/job/job_pace.h"
#include "compute/job/job_times.h"
#include "compute/sql/sql.h"

#define JOB_PRODUCERS 2 /* ids per worker: one for even epochs, one for odd ones (D10) */

struct job_controller;

/* --- a shard's own -------------------------------------------------------------------------------------------------
 */

/* Whose producer id it is: "millrace-job-<id>-<worker>-<parity>" in ListTransactions. */
struct job_producer_name {
    int64_t  producer_id;
    char     job_id[JOB_ID_TEXT_BYTES];
    uint32_t worker, parity;
};

struct job_shard {
    struct job_shard_options options;
    struct job_controller   *controller; /* on the shard that leads `__millrace_jobs`; NULL until it is needed */
    struct map               producers;  /* key: producer id, 8 bytes as they lie -> struct job_producer_name */
    bool                     open;       /* between job_shard_open() and job_shard_close() */
    struct list_node         sinks;      /* of the workers on this shard (job_sink.c) */
    struct job_feeds        *feeds;      /* what its workers read; NULL: nothing (job_feed.h) */
    struct job_pace          pace;
};

static inline struct io *job__io(const struct job_shard *jobs)
{
    return jobs->options.shard->io;
}

/* NULL: no job's. */
const struct job_producer_name *job__producer_name(const struct job_shard *jobs, int64_t producer_id);
/* On the controller's shard: every shard learns (or, with add false, forgets) the names; done when all have. */
void job__producers_tell(struct job_shard *jobs, const struct job_producer_name *names, size_t count, bool add,
                         void (*done)(void *context), void *context);

/* --- what a commit record says ------------------------------------------------------------------------------------ */

struct job_source_position {
    uint32_t    source; /* index in the plan's sources */
    struct uuid topic_id;
    int32_t     partition;
    int64_t     next_offset;
    int64_t     stop_offset; /* bounded: the end, decided when the job began; INT64_MAX: none */
    bool        ended;       /* bounded, and through */
};

/* Records of the job log that count: [first, end) of partition `worker`. After a crash what was written and never
 * committed lies between two ranges, so nothing has to be cut. A snapshot begins the list anew. */
struct job_state_range {
    uint32_t worker;
    int64_t  first, end;
};

struct job_sink_range {
    struct uuid topic_id;
    int32_t     partition;
    int64_t     producer_id;
    int16_t     producer_epoch;
    int64_t     first_offset, last_offset;
};

/* One worker's part of an epoch; the controller puts them together. Arrays belong to the share. */
struct job_share {
    uint32_t                    worker;
    int64_t                     epoch;
    bool                        finished;    /* all its sources have ended and everything is through */
    bool                        is_snapshot; /* the state range holds everything: earlier ranges of this worker go */
    size_t                      source_count, state_count, sink_count;
    struct job_source_position *sources;
    struct job_state_range     *states;
    struct job_sink_range      *sinks;
};

/* --- a run -------------------------------------------------------------------------------------------------------- */

enum job_guarantee { JOB_NONE, JOB_AT_LEAST_ONCE, JOB_EXACTLY_ONCE }; /* 'sink.delivery-guarantee' */

struct job_producer {
    int64_t producer_id;
    int16_t producer_epoch; /* grows with each incarnation */
};

struct job_run {
    char             id[JOB_ID_TEXT_BYTES];
    uint32_t         incarnation; /* mails of another one are dropped */
    struct sql_plan *plan;
    struct exec_job *exec;
    uint32_t         worker_count;                   /* = shards */
    struct job_producer (*producers)[JOB_PRODUCERS]; /* by worker */
    struct uuid             log_topic_id;
    bool                    keeps_state; /* some operator does: there is a job log */
    const struct job_share *from; /* positions and ranges of the newest commit, all workers together; NULL: begin as the
                                     table's options say */
    int64_t             epoch;    /* of the newest commit; -1: none */
    int64_t             flush_interval_ms; /* changelogs come out so often ('table.exec.mini-batch.allow-latency') */
    uint32_t            cpu_percent;       /* of each core at most */
    uint64_t            snapshot_bytes;    /* of increments in the job log before all is written anew; 0: 64 MiB */
    struct job_shard   *controller;
    struct job_worker **workers; /* by shard; each written by its own shard */
    /* a SELECT's rows, on the controller: NULL for jobs */
    struct job_request *query;
    struct job         *job; /* the controller's own */
};

enum job_report_kind {
    JOB_REPORT_STARTED,
    JOB_REPORT_ENDED, /* all its sources have, and everything is through: the last epoch need not wait for its time */
    JOB_REPORT_REACHED,
    JOB_REPORT_MARKED,
    JOB_REPORT_FAILED,
    JOB_REPORT_GONE,
};

/* What the controller gives exec_job_create(): the context is the struct job_run, the rest is told by `worker`. */
bool job__worker_write(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                       size_t message_capacity);
/* options.barrier */
void job__worker_passed(void *context, uint32_t worker, int64_t epoch);

/* --- workers (job_worker.c), called by the controller through mail; each runs on the worker's shard ----------------
 */

/* On the controller's shard: starts the worker on `shard`; the first call makes those of all shards. Reports come
 * through job__controller_report() on the controller's shard, in order. */
void job__worker_start(struct job_run *run, uint32_t shard);
void job__worker_barrier(struct job_run *run, uint32_t shard, int64_t epoch);
void job__worker_committed(struct job_run *run, uint32_t shard, int64_t epoch);
/* Ends the worker. abort: what is not committed is aborted (markers) first; GONE follows. */
void job__worker_stop(struct job_run *run, uint32_t shard, bool abort);
/* When all are GONE: mail from one worker to another comes home before. Then the exec job may be destroyed. */
void job__workers_free(struct job_run *run);

/* What one worker has done since its run began. */
struct job_worker_figures {
    uint64_t records_in, bytes_in; /* bytes: keys and values */
    uint64_t records_shared;       /* of those: decoded for another job */
    uint64_t rows_out, bytes_out;  /* changes given to sinks, and what was sent of them */
    uint64_t cpu_ns;               /* of its turns */
    uint64_t pending_records;      /* not yet read, as far as was seen last */
    uint64_t state_bytes;          /* written to the job log */
};
/* Any thread; values may be a moment old. */
void job__worker_figures(const struct job_run *run, uint32_t shard, struct job_worker_figures *out_figures);
/* All workers' time so far. */
struct job_times_sum job__worker_times(const struct job_run *run, int64_t now_ns);

/* share: of REACHED, the controller's from now on (job__share_free). message: of FAILED. */
void job__controller_report(struct job_run *run, uint32_t worker, enum job_report_kind kind, int64_t epoch,
                            struct job_share *share, const char *message);
void job__share_free(struct job_share *share);

/* --- the result of a query ------------------------------------------------------------------------------------------
 */

/* On the controller's shard, for runs with run->query: lines for the client. is_last: the run ends when it has them.
 * taken: from the loop, when the next may come; more false: the client has gone, the run is about to end. One at a
 * time; the lines are copied. */
void job__query_rows(struct job_run *run, struct view json_lines, bool is_last, void (*taken)(void *context, bool more),
                     void *context);
/* Rows after which nothing more can come, as its LIMIT says; UINT64_MAX: it has none. */
uint64_t job__query_limit(const struct sql_plan *plan);

/* --- the end of open transactions (job_resolve.c) -------------------------------------------------------------------
 */

/* What the records say of one job. All of it lives until done. */
struct job_verdict {
    struct view job_id;
    const struct job_producer (*producers)[JOB_PRODUCERS]; /* by worker */
    uint32_t                     worker_count;
    const struct job_sink_range *committed; /* of the newest commit record: open there means commit; all else abort */
    size_t                       committed_count;
    bool lost; /* out: a log is shorter than the commit record says. What is left of it is committed all the same */
};

/* On the controller's shard, while none of these jobs runs: on all shards, every open transaction of their producer ids
 * ends as the verdicts say. done (from the loop): 0, or the error of a partition where that could not be made durable.
 */
void job__resolve(struct job_shard *jobs, struct job_verdict *verdicts, size_t count,
                  void (*done)(void *context, int16_t error), void *context);

/* --- sources (job_source.c) -----------------------------------------------------------------------------------------
 */

/* At submit: what a source's options ask for and jobs cannot do. False with a message. */
MUST_USE bool job__source_check(const struct sql_source_plan *plan, char *message, size_t message_capacity);

/* --- sinks (job_sink.c): all sinks of one worker ------------------------------------------------------------------ */

/* Rows become record batches here, on the worker's shard; they are appended on the shard that leads the partition, in
 * the order of their mails. Exactly-once sinks write them under run->producers[worker][epoch & 1], so that one epoch
 * may be written while the one before waits for its markers. No callback runs inside the call that it was given to. */
struct job_sinks;

/* At submit: what a sink's options ask for and is not there is refused by name. */
bool job__sinks_check(const struct sql_plan *plan, char *message, size_t message_capacity);
/* Before each run, on the controller's shard: checks, and makes the topics that are missing, where
 * auto.create.topics.enable says so. plan must live until done; message: why not. */
void job__sinks_prepare(struct job_shard *jobs, const struct sql_plan                     *plan,
                        void (*done)(void *context, bool good, const char *message), void *context);

/* ready: there is room again after job__sinks_full(), or something has failed. */
struct job_sinks *job__sinks_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                    void (*ready)(void *context), void *context);
/* After job__sinks_end()'s done, or when nothing was ever written. */
void job__sinks_destroy(struct job_sinks *sinks);
/* An exec_sink_ops.write: encodes, chooses partitions, gathers. Rows belong to the epoch of the last
 * job__sinks_begin(). False with a message: a value that the format cannot write, no such topic, .. */
bool job__sinks_write(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, char *message,
                      size_t message_capacity);
/* More is on its way than should be: the worker pauses until ready(). */
bool job__sinks_full(struct job_sinks *sinks);
/* NULL: all well. Else why an append failed: the job fails. */
const char *job__sinks_failure(const struct job_sinks *sinks);
/* Rows from now on belong to this epoch: another producer id. What has gathered of the one before is sent. Before the
 * first write, and then epoch by epoch; the epoch that had the same parity must be marked. */
void job__sinks_begin(struct job_sinks *sinks, int64_t epoch);
/* Sends what has gathered (a latency limit). */
void job__sinks_flush(struct job_sinks *sinks);
/* done when everything written in `epoch` is durable in the sink partitions, also under a topic's weaker flush policy:
 * their ranges are in the share. Not good: job__sinks_failure(). */
void job__sinks_await(struct job_sinks *sinks, int64_t epoch, struct job_share *share,
                      void (*done)(void *context, bool good), void *context);
/* Markers for everything of `epoch`, committed or aborted; done when they are durable. Not good: some partition takes
 * none, job__resolve() has to. */
void job__sinks_mark(struct job_sinks *sinks, int64_t epoch, bool commit, void (*done)(void *context, bool good),
                     void *context);
/* The end: what has gathered is dropped, epochs whose fate is not "commit" are aborted (abort false: nothing is said
 * about them), and all that is on its way is waited for. Once; awaits and marks that wait are answered before. */
void job__sinks_end(struct job_sinks *sinks, bool abort, void (*done)(void *context), void *context);
/* Once per shard: the coordinator shows the transactions of jobs (job_sink_show.c). */
void job__transactions_init(struct job_shard *jobs);
/* Rows and bytes handed over so far. */
void job__sinks_counts(const struct job_sinks *sinks, uint64_t *out_rows, uint64_t *out_bytes);

#endif
