/* job_source.h: partitions to chunks: the sources of one worker; private to compute/job.
 *
 * A *scan* is one table of the plan, an *input* one partition of it that this shard leads. Inputs with something to
 * read take turns. One pull takes a chunk of one input's feed (job_feed.h), which may have been decoded for another
 * job, and pushes it, or as much of it as fits a turn, into the worker. positions() between two pulls is exact:
 * everything below next_offset has been pushed, nothing above.
 *
 *   job_source.c         the set: life, turns, positions
 *   job_source_start.c   which partitions, from where to where
 *   job_source_group.c   committed offsets of a group, asked on the coordinator's shard
 *   job_source_decode.c  a chunk to rows of the scan
 *
 * Reads stay below the durable end, and below the last stable offset where the table reads committed data. Threading:
 * the worker's shard. */
#ifndef MILLRACE_JOB_SOURCE_H
#define MILLRACE_JOB_SOURCE_H

#include "compute/job/job_feed.h"

#define JOB_PARTITION_BITS 20 /* of the numbers the engine knows inputs by */
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

/* --- scans and inputs -----------------------------------------------------------------------------------------------
 */

struct job_scan {
    const struct sql_source_plan *plan;
    uint32_t                      index;     /* of the plan's sources */
    bool                          bounded;   /* scan.bounded.mode */
    bool                          committed; /* properties.isolation.level */
    struct job_shape             *shape;     /* of its columns */
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
    struct list_node     link;           /* READY, CROWDED, READING */
    struct part_waiter   waiter;
    struct job_feed     *feed;
    struct list_node     feed_link;
    struct job_reader   *reader; /* that it is on, or was last */
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
    uint64_t           records_shared;       /* of those: decoded for somebody else */
    int64_t            decode_ns, push_ns;   /* what a record costs, smoothed; 0: not known yet */
    struct timer       flush_timer;          /* what was read is being made durable */
    int64_t            flush_end_ns;
    void (*flushed)(void *context, bool good);
    void *flushed_context;
    char  failure[JOB_MESSAGE_BYTES];
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
/* About record_max records (1 .. VEC_ROWS_MAX) of one input, into the engine. */
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
/* job_source_decode.c: the scan's columns of rows [from, to) of the chunk; their row 0 is row *out_base of the chunk.
 */
void job__input_rows(struct job_input *input, const struct job_chunk *chunk, uint32_t from, uint32_t to,
                     struct vec_chunk *out_rows, uint32_t *out_base);

#endif
