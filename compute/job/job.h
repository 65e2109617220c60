/* job.h: streaming jobs in the broker: the engine's bridge to partitions (D9, D10, docs/decisions/0011).
 *
 * A *statement* comes from a session (HTTP, a test) to the controller: the shard that leads the only partition of
 * `__millrace_jobs`. What declares tables stands there durably; INSERT and statement sets become *jobs*. A job runs as
 * one `exec` worker per shard; worker i reads the source partitions that shard i leads and keeps its state in partition
 * i of the job's own log, `__millrace_job_<id>`. An epoch ends with one commit record of the controller: source
 * offsets, what of the job log counts, and per sink partition the transaction that becomes visible with it.
 *
 *   job_controller*.c   the machine over `__millrace_jobs`: catalogue, jobs, epochs, restart with back-off
 *   job_record*.c       its records: to bytes and back
 *   job_statement*.c    scripts: what runs where, results for the session
 *   job_worker*.c       one shard's share of a job: turns, barriers, state in the job log
 *   job_source*.c       partitions to chunks
 *   job_sink*.c         chunks to batches on the shard that owns the sink partition; markers
 *   job_resolve.c       at start: open transactions of jobs end as the commit records say
 *
 * Threading: a struct job_shard belongs to its shard; shards talk by mail (io_shard.h). What several shards read
 * (struct job_run: plan, exec job, sources, sinks) is immutable while a run lives, and is the controller's to free when
 * all workers have said that they are gone.
 *
 * Nothing here is shown, and no statement is answered, before what it depends on is durable. */
#ifndef MILLRACE_JOB_H
#define MILLRACE_JOB_H

#include "core/coord/coord.h"
#include "core/meta/meta.h"

#define JOB_TOPIC            "__millrace_jobs"
#define JOB_LOG_TOPIC_PREFIX "__millrace_job_"
#define JOB_ID_TEXT_BYTES    33 /* 32 hexadecimal digits, as Flink's JobID, and NUL */
#define JOB_MESSAGE_BYTES    640

struct job_shard;

struct job_shard_options {
    struct io_shard   *shard;
    struct meta       *meta;
    struct part_table *parts;
    struct coord      *coord;
    struct job_shard **by_shard; /* room for one pointer per shard of the host, shared by all; filled by
                                    job_shard_create() before any core runs, only read afterwards */
    uint64_t memory_bytes_max;   /* of all jobs' state on this host; a job's own budget is a setting */
};

struct job_shard *job_shard_create(const struct job_shard_options *options);
void              job_shard_destroy(struct job_shard *jobs);
/* After meta_open() on every shard, before any client is served. On the shard that leads `__millrace_jobs`: reads it
 * and ends every open transaction of a job's producer ids, on all shards (D10). On the others: done at once. done: 0 or
 * ERR_. */
void job_shard_resolve(struct job_shard *jobs, void (*done)(void *context, int result), void *context);
/* Serving begins: jobs whose wanted state is RUNNING are started again from their newest commit record. */
void job_shard_open(struct job_shard *jobs);
/* Clean stop, before coord_close(): runs are stopped where they are (uncommitted output is aborted), statements are
 * answered with an error. */
void job_shard_close(struct job_shard *jobs, void (*done)(void *context, int result), void *context);

/* --- statements --------------------------------------------------------------------------------------------------- */

enum job_request_kind {
    JOB_REQUEST_SCRIPT, /* text: statements; results through `row` */
    JOB_REQUEST_LIST,   /* all jobs */
    JOB_REQUEST_SHOW,   /* one: id */
    JOB_REQUEST_PAUSE,  /* commits an epoch, then keeps no worker; may be resumed */
    JOB_REQUEST_RESUME,
    JOB_REQUEST_CANCEL, /* aborts what is uncommitted; the job ends */
    JOB_REQUEST_STOP,   /* commits an epoch, then ends; `savepoint` keeps its state under that name */
    JOB_REQUEST_DELETE, /* an ended job: its record and its log go */
    JOB_REQUEST_SAVEPOINT,
    JOB_REQUEST_DISPOSE, /* text: a savepoint, which is forgotten; the state stays with the job that left it */
};

/* Flink's names (org.apache.flink.api.common.JobStatus). */
enum job_status {
    JOB_INITIALIZING,
    JOB_CREATED,
    JOB_RUNNING,
    JOB_FAILING,
    JOB_FAILED,
    JOB_CANCELLING,
    JOB_CANCELED,
    JOB_FINISHED,
    JOB_RESTARTING,
    JOB_SUSPENDED, /* paused */
    JOB_STATUS_COUNT,
};
const char *job_status_name(enum job_status status); /* "RUNNING" */

/* What is known of a job; texts live during the call that shows it. */
struct job_facts {
    char            id[JOB_ID_TEXT_BYTES];
    struct view     name; /* 'pipeline.name', else as Flink: "insert-into_default_catalog.default_database.sink" */
    enum job_status status;
    struct view     statement;
    struct view     failure;          /* of the newest failure; empty: none */
    struct view     plan;             /* SHOW: as EXPLAIN JOB has it; empty: it does not run */
    int64_t         start_ms, end_ms; /* end -1: it goes on */
    int64_t         epoch, last_commit_ms, last_commit_duration_ms;
    uint64_t        restarts;
    uint64_t        records_in, records_out, bytes_in, bytes_out, late_records, state_rows, state_bytes;
    uint64_t        records_shared; /* of records_in: another job decoded them */
    uint64_t        cpu_ns;
    uint64_t        busy_ms, idle_ms, held_ms; /* all workers together since the run began; held: backpressured */
    uint32_t        busy_per_s_ms, idle_per_s_ms, held_per_s_ms; /* of a second of a worker's, of late: 1,000 in all */
    int64_t         watermark_us;                                /* INT64_MIN: none */
    uint64_t        pending_records;                             /* not yet read */
};

/* One request. Owned by the caller until done. All callbacks run on the shard that the request was given to. */
struct job_request {
    /* in */
    enum job_request_kind kind;
    struct view           session; /* SCRIPT: sessions keep their SETs and temporary objects; empty: one of its own */
    struct view           text;    /* SCRIPT: the script; else the job's id */
    struct view           savepoint;
    /* SCRIPT: statement by statement, in order. text: as sql_answer.text (tables: lines, tabs), "OK", or the id of the
     * job that was submitted. */
    void (*statement)(struct job_request *request, size_t index, bool is_table, struct view text,
                      const char *job_id /* or NULL */);
    /* SCRIPT: results of a SELECT, as they come: columns once, then rows of Flink's changelog, a line each:
     * {"op":"+I","row":[1,"a",null]} and LF. False: the client has gone, the query ends. May be NULL: then a SELECT is
     * refused. full (may be NULL): the client is slow; rows are held back and the question is asked again each turn. */
    void (*columns)(struct job_request *request, const char *const *names, const char *const *types, uint32_t count);
    bool (*rows)(struct job_request *request, struct view json_lines);
    bool (*full)(struct job_request *request);
    /* LIST, SHOW: once per job. */
    void (*job)(struct job_request *request, const struct job_facts *facts);
    void (*done)(struct job_request *request);
    void *user;
    bool  canceled; /* set by the caller through job_request_cancel() */
    /* out */
    bool   failed;
    int    error; /* failed: ERR_NOT_FOUND (no such job), ERR_INVALID (the script), ERR_BUSY (the state it is in), .. */
    size_t failed_statement; /* SCRIPT: its index */
    uint64_t records_in;     /* SCRIPT: of a SELECT or of an INSERT that is waited for, while it runs */
    int64_t  watermark_us;   /* INT64_MIN: none */
    char result_mode[16];    /* before `columns`: how the session wants its rows shown: 'table', as in Flink's client */
    char message[JOB_MESSAGE_BYTES];
    /* private */
    struct io_mail   mail_;
    struct list_node link_;
    uint32_t         from_shard_;
    void            *state_;
};

/* On any shard. */
void job_submit(struct job_shard *jobs, struct job_request *request);
void job_request_cancel(struct job_shard *jobs, struct job_request *request);

/* Producer ids of jobs: foreign markers for them are refused, ListTransactions and DescribeTransactions show them.
 * Known on every shard. */
bool job_owns_producer(const struct job_shard *jobs, int64_t producer_id);

#endif
