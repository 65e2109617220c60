/* job_source.h: partitions to chunks: the sources of one worker; private to compute/job.
 *
 * A *scan* is one table of the plan, an *input* one partition of it that this shard leads. Inputs with something to
 * read take turns. One pull gathers records of one input, decodes them and pushes them into the worker; records and
 * slices are let go before it returns, so positions() between two pulls is exact: everything below next_offset has been
 * pushed, nothing above.
 *
 *   job_source.c         the set: life, turns, positions
 *   job_source_start.c   which partitions, from where to where
 *   job_source_group.c   committed offsets of a group, asked on the coordinator's shard
 *   job_source_read.c    an input's batches to records
 *   job_source_decode.c  records to a chunk
 *
 * Reads stay below the durable end, and below the last stable offset where the table reads committed data. Threading:
 * the worker's shard. */
#ifndef MILLRACE_JOB_SOURCE_H
#define MILLRACE_JOB_SOURCE_H

#include "compute/job/job_internal.h"

#define JOB_READ_BYTES     ((size_t)MIB)        /* of one read of a partition */
#define JOB_READS_MAX      8                    /* of one worker under way or held: memory that others need, too */
#define JOB_INFLATE_BYTES  ((size_t)(64 * MIB)) /* of one batch */
#define JOB_GATHER_BYTES   ((size_t)(4 * MIB))  /* inflated for one pull; passed by one batch at most */
#define JOB_PARTITION_BITS 20                   /* of the numbers the engine knows inputs by */
#define JOB_STOP_NEVER     INT64_MAX

struct job_sources;

/* --- a group's committed offset (job_source_group.c) ---------------------------------------------------------------
 */

struct job_group_ask {
    struct view group, topic;
    int32_t     partition;
    void (*done)(struct job_group_ask *ask); /* on the shard that asked, from the loop */
    /* out */
    int16_t error;
    int64_t offset; /* -1: none */
    /* private */
    struct job_shard *from, *at;
    struct io_mail    mail_;
    struct coord_call call_;
    struct arena      arena_;
    void             *request_, *response_;
};
void job__group_ask(struct job_shard *jobs, struct job_group_ask *ask);

/* --- records of one pull --------------------------------------------------------------------------------------------
 */

enum job_time_kind { JOB_TIME_CREATE, JOB_TIME_APPEND };

struct job_records {
    size_t      count;
    uint64_t    bytes; /* keys and values */
    struct view values[VEC_ROWS_MAX], keys[VEC_ROWS_MAX];
    int64_t     offsets[VEC_ROWS_MAX], timestamps_ms[VEC_ROWS_MAX];
    int32_t     leader_epochs[VEC_ROWS_MAX];
    uint8_t     time_kinds[VEC_ROWS_MAX]; /* enum job_time_kind */
};

/* --- scans and inputs -----------------------------------------------------------------------------------------------
 */

struct job_scan {
    const struct sql_source_plan *plan;
    uint32_t                      index;        /* of the plan's sources */
    bool                          bounded;      /* scan.bounded.mode */
    bool                          committed;    /* properties.isolation.level */
    bool                          has_metadata; /* or keys: columns are put together here */
    bool                          has_key;
    struct format_decoder        *values, *keys;
    struct vec                   *columns;
    uint32_t                      topic_count;
    struct view                  *topics;
};

enum job_input_state {
    JOB_INPUT_STARTING,
    JOB_INPUT_READY,   /* in the list of those that take turns */
    JOB_INPUT_CROWDED, /* JOB_READS_MAX others read */
    JOB_INPUT_READING, /* from the disk */
    JOB_INPUT_WAITING, /* at the end: for more */
    JOB_INPUT_ENDED,
};

struct job_input {
    struct job_sources  *sources;
    struct job_scan     *scan;
    struct view          topic;
    struct uuid          topic_id;
    int32_t              partition;
    uint32_t             number; /* the engine's */
    enum job_input_state state;
    bool                 restored; /* its position comes from a commit */
    int64_t              next_offset, stop_offset;
    int64_t              barrier_offset; /* next_offset at the newest barrier */
    struct part_keep     keep;           /* what is not committed is not to go */
    struct list_node     link;           /* READY */
    struct part_waiter   waiter;
    struct part_read     read;
    bool                 has_read;   /* its slices are held */
    struct arena         read_arena; /* of the aborted list */
    uint32_t             slice;      /* the batch at hand stands in it */
    struct view          rest;       /* of the slice, behind the batch at hand */
    bool                 in_batch;   /* iter has more */
    struct rec_iter      iter;
    uint32_t             iter_arena; /* which of the two has the batch at hand inflated */
    struct arena         inflated[2];
    /* starting */
    bool                      finding_stop;
    struct part_offset_lookup lookup;
    struct job_group_ask      ask;
};

enum job_pulled {
    JOB_PULLED_ROWS,
    JOB_PULLED_NOTHING, /* all wait: ready() follows */
    JOB_PULLED_ENDED,   /* all are through */
    JOB_PULLED_FAILED,  /* job__sources_failure() */
};

struct job_sources {
    struct job_shard   *jobs;
    struct job_run     *run;
    uint32_t            worker;
    struct exec_worker *exec;
    void (*ready)(void *context);
    void (*started)(void *context, bool good);
    void              *context;
    struct arena       arena; /* as long as the sources */
    struct arena       rows;  /* of one chunk */
    struct job_scan   *scans;
    uint32_t           scan_count;
    struct job_input **inputs;
    size_t             input_count, input_capacity, ended_count;
    size_t             starting_at;
    struct io_op       posted;
    size_t             under_way; /* reads, lookups and posts */
    bool               stopping, starting_inside;
    struct list_node   turns;                /* of inputs that are READY */
    struct list_node   crowded;              /* and of those that are CROWDED */
    uint32_t           reads_open;           /* under way, or their slices are held */
    uint64_t           records_in, bytes_in; /* atomic: written here, read by any */
    struct timer       flush_timer;          /* what was read is being made durable */
    int64_t            flush_end_ns;
    void (*flushed)(void *context, bool good);
    void              *flushed_context;
    char               failure[JOB_MESSAGE_BYTES];
    struct job_records records;
};

/* --- the set (job_source.c) -----------------------------------------------------------------------------------------
 */

/* ready, from the loop: there is something to pull again, or what was under way when all stopped has come home. */
struct job_sources *job__sources_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                        void (*ready)(void *context), void *context);
/* Nothing under way. NULL is allowed. */
void        job__sources_destroy(struct job_sources *sources);
const char *job__sources_failure(const struct job_sources *sources);
/* Finds this shard's partitions and where they begin; done from the loop. False: job__sources_failure(). */
void job__sources_start(struct job_sources *sources, void (*done)(void *context, bool good));
/* Opens the inputs in the engine; after its state is loaded, finishes those that were through already. */
void          job__sources_open(struct job_sources *sources);
MUST_USE bool job__sources_end_old(struct job_sources *sources);
/* At most record_max records (1 .. VEC_ROWS_MAX) of one input, into the engine. */
enum job_pulled job__sources_pull(struct job_sources *sources, size_t record_max);
void            job__sources_positions(struct job_sources *sources, struct job_share *share);
/* job_source_flush.c: a commit must not name records that a power cut may take (a topic's weaker flush policy). False:
 * all below the newest barrier is on stable storage; else done, from the loop, when it is. */
MUST_USE bool job__sources_flush(struct job_sources *sources, void (*done)(void *context, bool good), void *context);
/* The newest positions are committed: what lies below them may go. */
void     job__sources_committed(struct job_sources *sources);
uint64_t job__sources_pending(const struct job_sources *sources);
/* A source topic has more partitions than this run knows. The topic's name, or base NULL. */
struct view job__sources_grown(const struct job_sources *sources);
/* No new reads; ready() is called when the last comes home. */
void job__sources_stop(struct job_sources *sources);
bool job__sources_idle(const struct job_sources *sources);

/* --- among the files ------------------------------------------------------------------------------------------------
 */

bool         job__sources_fail(struct job_sources *sources, const char *format, ...) PRINTF_LIKE(2, 3);
void         job__input_failed(struct job_input *input, int64_t offset, const char *why);
struct part *job__input_part(const struct job_input *input);
struct view  job__table_name(const struct job_scan *scan);
void         job__sources_home(struct job_sources *sources); /* one that was under way */
void         job__input_turn(struct job_input *input);       /* it is READY */
/* job_source_read.c: records of the input into sources->records; none: the input waits, reads, or has ended. */
MUST_USE bool job__input_gather(struct job_input *input, size_t record_max);
void          job__input_let_go(struct job_input *input); /* after the records have been worked on */
void          job__input_release(struct job_input *input);
/* job_source_decode.c */
MUST_USE bool job__scan_open(struct job_sources *sources, struct job_scan *scan);
void          job__scan_close(struct job_scan *scan);
/* Records from `first` on to a chunk; *out_count of them are done. */
MUST_USE bool job__input_decode(struct job_input *input, size_t first, struct vec_chunk *out_chunk, size_t *out_count,
                                const uint32_t **out_record);

#endif
