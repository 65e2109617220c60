/* job_sink.h: what the files of the sinks share.
 *
 *   job_sink.c         all sinks of a worker: life, epochs, back-pressure
 *   job_sink_table.c   one sink from its table: options, encoders, which columns go where; what is refused
 *   job_sink_rows.c    chunks to records, records to partitions
 *   job_sink_batch.c   batches to the shard that leads the partition, and back
 *   job_sink_mark.c    markers, the same way
 *   job_sink_query.c   rows of a SELECT to its client
 *   job_sink_show.c    transactions, for operators
 *   job_sink_prepare.c topics that have to be made before a run
 *
 * Partitions are shared by all sinks of a worker that write to the same topic: the sequence numbers and the markers are
 * the producer's, not the sink's. */
#ifndef MILLRACE_JOB_SINK_H
#define MILLRACE_JOB_SINK_H

#include "compute/format/format_text.h"
#include "compute/job/job_internal.h"

#define SINK_BATCH_BYTES    ((size_t)(128 * KIB)) /* a batch is sent when it reaches this, before compression */
#define SINK_AWAY_BYTES_MAX ((size_t)(8 * MIB))   /* on the way, above which the worker pauses */
#define SINK_OPEN_BYTES_MAX ((size_t)(8 * MIB))   /* in batches that are being built, above which all are sent */
#define SINK_LINE_BYTES     ((size_t)(64 * KIB))  /* of a SELECT's lines in one mail */

/* --- where records go --------------------------------------------------------------------------------------------- */

/* What one epoch has in one partition. */
struct sink_span {
    bool    touched;      /* something was sent: the transaction may be open there */
    int64_t first_offset; /* -1: nothing has come back */
    int64_t last_offset;
};

struct sink_partition {
    struct sink_topic *topic;
    int32_t            index;
    uint32_t           shard; /* that leads it */
    int32_t            next_sequence[JOB_PRODUCERS];
    struct sink_span   spans[JOB_PRODUCERS]; /* by parity of the epoch */
};

struct sink_topic {
    struct list_node        link;
    struct uuid             id;
    char                    name[META_TOPIC_NAME_BYTES_MAX + 1];
    uint32_t                batch_bytes_max; /* max.message.bytes */
    int                     codec;           /* compression.type of the topic: enum rec_codec; -1: the producer's */
    int                     codec_level;
    int32_t                 partition_count;
    struct sink_partition **partitions;
};

/* --- one sink ----------------------------------------------------------------------------------------------------- */

enum sink_kind { SINK_RECORDS, SINK_COUNT, SINK_PRINT, SINK_QUERY };
enum sink_partitioner { SINK_BY_KEY, SINK_FIXED };

struct sink_columns {
    struct format_encoder *encoder;
    uint32_t               count;
    uint32_t              *indices; /* of the sink's rows */
    struct vec_field      *fields;
    struct vec            *vecs;         /* of the chunk that is encoded */
    bool                   null_is_null; /* raw: a null column is a null record, not an empty one */
};

struct job_sink {
    struct job_sinks           *sinks;
    const struct sql_sink_plan *plan;
    enum sink_kind              kind;
    struct sink_topic          *topic;
    bool                        upsert, has_key;
    enum job_guarantee          guarantee;
    enum sink_partitioner       partitioner;
    int                         codec;            /* 'properties.compression.type', enum rec_codec */
    uint32_t                    timestamp_column; /* of the rows; EXEC_NO_COLUMN: now */
    struct sink_columns         key, value;
    int32_t                     sticky;     /* where records without key go until the batch is full */
    struct sink_batch         **open;       /* by partition: being built; NULL: none */
    int32_t                     open_count; /* room in it */
    uint16_t                    picked[VEC_ROWS_MAX];
    struct view                 print_prefix;
    struct format_text          line; /* of print */
    struct sink_query          *query;
};

/* --- on the way --------------------------------------------------------------------------------------------------- */

struct sink_batch {
    struct io_mail         mail;
    struct list_node       link; /* sinks->idle while nobody has it */
    struct job_sinks      *sinks;
    struct job_sink       *sink;
    struct sink_partition *partition;
    uint32_t               parity;
    struct arena           arena;
    struct rec_builder     builder;
    size_t                 bytes; /* counted as on the way */
    uint32_t               at_shard;
    struct job_pace_io     pace;
    struct part_append     append;
};

struct sink_marker {
    struct io_mail         mail;
    struct list_node       link; /* sinks->again: to be tried again */
    struct job_sinks      *sinks;
    struct sink_partition *partition;
    uint32_t               parity;
    uint32_t               tries;
    uint32_t               at_shard;
    int16_t                error;
    struct part_marker     marker;
    struct io_op           post;
};

/* --- epochs ------------------------------------------------------------------------------------------------------- */

struct sink_epoch {
    bool                    used; /* from begin to the end of its marking */
    int64_t                 epoch;
    int64_t                 start_ms; /* when it began */
    uint32_t                batches_away;
    size_t                  touched_count, touched_capacity;
    struct sink_partition **touched;
    /* job__sinks_await() */
    struct job_share *share;
    void (*awaited)(void *context, bool good);
    void *await_context;
    /* job__sinks_mark() */
    bool                marking, commit, mark_good;
    uint32_t            markers_left;
    struct sink_marker *markers;
    void (*marked)(void *context, bool good);
    void *mark_context;
};

struct job_sinks {
    struct list_node  link; /* jobs->sinks */
    struct job_shard *jobs;
    struct job_run   *run;
    uint32_t          worker;
    void (*ready)(void *context);
    void             *ready_context;
    uint32_t          sink_count;
    struct job_sink  *sinks;
    struct list_node  topics;
    int64_t           topic_changes; /* of the image when the topics were looked at */
    uint32_t          parity;        /* of the epoch that is written */
    struct sink_epoch epochs[JOB_PRODUCERS];
    struct list_node  idle;  /* batches */
    struct list_node  again; /* markers that wait for again_timer */
    struct timer      again_timer;
    size_t            away_bytes, open_bytes;
    bool              told_full; /* the worker pauses until ready() */
    bool              failed;
    char              failure[JOB_MESSAGE_BYTES];
    bool              ending;
    void (*ended)(void *context);
    void        *end_context;
    struct io_op turn;
    bool         turn_posted, turning, wants_ready;
    bool         dead; /* destroyed inside a turn, or while one was posted, which frees it */
    uint64_t     rows, bytes;
    struct arena arena; /* what lives as long as the sinks */
};

/* job_sink.c */
void sink__fail(struct job_sinks *sinks, const char *format, ...) PRINTF_LIKE(2, 3); /* the first one counts */
void sink__turn(struct job_sinks *sinks); /* something has changed: callbacks on the next turn of the loop */

/* job_sink_table.c */
bool sink__init(struct job_sinks *sinks, struct job_sink *sink); /* false: sink__fail() */
void sink__deinit(struct job_sink *sink);
bool sink__topics_follow(struct job_sinks *sinks); /* new partitions; false: sink__fail() */

/* job_sink_rows.c */
bool sink__write_records(struct job_sink *sink, const struct vec_chunk *chunk); /* false: sink__fail() */
void sink__print(struct job_sink *sink, const struct vec_chunk *chunk);

/* job_sink_batch.c */
void sink__batch_add(struct job_sink *sink, int32_t partition, int64_t timestamp_ms, struct view key,
                     struct view value);
void sink__batches_send(struct job_sink *sink);
void sink__batches_drop(struct job_sink *sink);
void sink__batch_free(struct sink_batch *batch);

/* job_sink_mark.c */
void sink__mark_begin(struct job_sinks *sinks, struct sink_epoch *epoch);
void sink__mark_again(struct job_sinks *sinks);
void sink__mark_end(struct job_sinks *sinks, struct sink_epoch *epoch);

/* job_sink_query.c */
struct sink_query *sink__query_create(struct job_sink *sink);
void               sink__query_destroy(struct sink_query *query);
bool               sink__query_write(struct job_sink *sink, const struct vec_chunk *chunk);
void               sink__query_flush(struct sink_query *query);
void               sink__query_drop(struct sink_query *query);
bool               sink__query_idle(const struct sink_query *query);
bool               sink__query_full(const struct sink_query *query);

#endif
