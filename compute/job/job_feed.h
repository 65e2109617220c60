/* job_feed.h: one decode serves all jobs on a partition; private to compute/job.
 *
 * Inputs of a shard, of whatever job, that read the same partition through tables with the same formats and fields
 * share a *feed*. Whoever needs records that nobody has decoded yet makes a *chunk*: records gathered by a *reader*,
 * decoded into the columns that any of the inputs near it wants. The chunk is kept while another input is about to
 * need it; that one takes it, picks its own columns and never reads, inflates or decodes.
 *
 *   job_feed.c         feeds, chunks, who takes what; what is kept
 *   job_feed_shape.c   formats, and sets of columns
 *   job_feed_read.c    a reader: batches to records
 *   job_feed_decode.c  records to a chunk
 *
 * Nobody waits for anybody: an input that is further behind than the chunks that are kept reads with a reader of its
 * own, and meets the others again where it finds their chunks or stands where their reader stands; at the end of a
 * partition all do. Kept chunks are bounded in bytes (JOB_FEED_BYTES a shard, the records they point at included), in
 * time and in distance.
 *
 * A chunk is immutable once made. What is wrong with a record is found by each job for itself: a chunk that cannot be
 * decoded is nobody's, and its reader is not used again.
 *
 * Threading: a shard's own. Errors: False, and the input's job has failed. */
#ifndef MILLRACE_JOB_FEED_H
#define MILLRACE_JOB_FEED_H

#include "compute/job/job_internal.h"

#define JOB_READ_BYTES       ((size_t)MIB)        /* of one read of a partition */
#define JOB_READS_MAX        8                    /* of one worker under way or held: memory that others need, too */
#define JOB_INFLATE_BYTES    ((size_t)(64 * MIB)) /* of one batch */
#define JOB_GATHER_BYTES     ((size_t)(4 * MIB))  /* inflated for one chunk; passed by one batch at most */
#define JOB_FEED_BYTES       ((size_t)(16 * MIB)) /* of a shard's chunks that wait for somebody */
#define JOB_FEED_KEEP_NS     (250 * NS_PER_MS)    /* for so long at most */
#define JOB_FEED_AHEAD       65536                /* offsets: nobody who is further behind is waited for */
#define JOB_FEED_NODES_MAX   256                  /* fields of a table, with those of ROWs: else it shares nothing */
#define JOB_FEED_CHUNKS_IDLE 4                    /* of a shape, to be used again */

struct job_input;
struct job_feeds;

/* --- formats and shapes (job_feed_shape.c) --------------------------------------------------------------------------
 */

/* How records are read: two tables with equal ones differ in which columns are wanted at most. */
struct job_format {
    struct list_node        link;
    struct job_feeds       *feeds;
    uint32_t                refs;
    bool                    alone; /* more than JOB_FEED_NODES_MAX nodes */
    bool                    has_key;
    struct format_options   value_options, key_options;
    uint32_t                value_count, key_count;
    const struct vec_field *value_fields, *key_fields;
    struct list_node        shapes, partitions;
    struct arena            arena;
};

/* Fields of value and key in their order, those of a ROW behind it: a bit for each that is wanted. */
struct job_nodes {
    uint64_t bits[JOB_FEED_NODES_MAX / 64];
};

/* Columns of a format, in the order of its fields. */
struct job_shape {
    struct list_node     link;
    struct job_format   *format;
    uint32_t             refs;
    struct job_nodes     nodes;
    struct format_schema values, keys;
    size_t               row_bytes; /* of the columns, about */
    struct list_node     idle;      /* chunks */
    uint32_t             idle_count;
    struct arena         arena;
};

/* The shape of exactly what the source's plan reads. NULL: no memory. */
MUST_USE struct job_shape *job__shape_open(struct job_shard *jobs, const struct sql_source_plan *plan);
/* All columns of the nodes; refs is 1 more. */
struct job_shape *job__shape_of(struct job_format *format, const struct job_nodes *nodes);
void              job__shape_release(struct job_shape *shape); /* NULL is allowed */
/* Everything that `wanted` has is in `shape`. */
bool job__shape_covers(const struct job_shape *shape, const struct job_shape *wanted);

/* --- chunks ---------------------------------------------------------------------------------------------------------
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

/* Slices of a partition; records point into them. */
struct job_read {
    uint32_t           refs;
    bool               under_way; /* or waits for its turn */
    bool               opening;   /* nobody waits yet */
    struct job_reader *reader;    /* that waits for it */
    struct job_pace_io pace;
    struct part_read   read;
    struct arena       arena; /* of the aborted list */
};

/* Inflated batches; records point into them. */
struct job_text {
    uint32_t          refs;
    struct job_feeds *feeds;
    struct list_node  idle;
    struct arena      arena;
};

struct job_chunk {
    struct list_node       link; /* of its feed's, oldest first; or idle */
    struct list_node       kept; /* of all that are kept, oldest first */
    uint32_t               refs;
    struct job_shape      *shape;
    struct job_feed       *feed;
    struct job_reader     *reader;        /* that made it; NULL: gone */
    int64_t                first, next;   /* offsets that it stands for */
    size_t                 bytes;         /* as it counts while it is kept */
    int64_t                kept_ns;       /* since when */
    struct job_records     records;       /* point into: */
    struct job_read       *read;          /* and */
    struct job_text       *texts[2];      /* NULL: none */
    struct format_decoder *values, *keys; /* own the columns */
    size_t                 piece;         /* the columns hold records from here on, .. */
    struct format_rows     rows;          /* .. rows.record_count of them */
    struct format_rows     key_rows;      /* of the records that have rows */
    uint32_t               match_count;   /* has_key: rows that have a key */
    uint16_t               matches[VEC_ROWS_MAX], key_of_row[VEC_ROWS_MAX];
    char                   failure[FORMAT_MESSAGE_BYTES + 16];
    size_t                 failed_record;
};

/* An empty one. */
struct job_chunk *job__chunk_get(struct job_shape *shape);
void              job__chunk_release(struct job_chunk *chunk);
void              job__chunk_destroy(struct job_chunk *chunk);
/* The columns of the records from `piece` on: nearly always of all. False: chunk->failure of chunk->failed_record. */
MUST_USE bool      job__chunk_decode(struct job_chunk *chunk, size_t piece);
static inline bool job__chunk_is_whole(const struct job_chunk *chunk)
{
    return chunk->piece == 0 && chunk->rows.record_count == chunk->records.count;
}
/* Of the record that a row comes from. */
static inline int64_t job__chunk_offset(const struct job_chunk *chunk, uint32_t row)
{
    return chunk->records.offsets[chunk->piece + chunk->rows.record[row]];
}

/* --- feeds ----------------------------------------------------------------------------------------------------------
 */

struct job_reader {
    struct list_node  link;
    struct job_feed  *feed;
    uint32_t          refs;     /* inputs */
    int64_t           position; /* the next chunk begins here */
    bool              broken;   /* no chunk comes from it any more */
    struct job_shape *shape;    /* of the next chunk */
    struct job_read  *read;     /* NULL: nothing is held or under way */
    bool              arrived;  /* and was looked at */
    struct job_input *opener;   /* in whose worker's number of reads it counts */
    struct list_node  waiting;  /* inputs that are READING */
    uint32_t          slice;    /* the batch at hand stands in it */
    struct view       rest;     /* of the slice, behind the batch at hand */
    bool              in_batch; /* iter has more */
    struct rec_iter   iter;
    struct job_text  *text; /* the batch at hand, inflated */
};

/* A partition through a format. */
struct job_feed {
    struct list_node   link; /* of its format's */
    struct job_format *format;
    struct uuid        topic_id;
    int32_t            partition;
    bool               committed;
    struct list_node   inputs, readers;
    struct list_node   chunks; /* kept, oldest first */
};

/* A shard's; made by the first shape, gone with the last. */
struct job_feeds {
    struct job_shard *jobs;
    struct list_node  formats;
    struct list_node  kept; /* chunks of all feeds, oldest first */
    size_t            kept_bytes;
    struct list_node  texts_idle;
    struct timer      timer; /* lets go of what is old */
};

/* The shard's; made when there is none. */
struct job_feeds *job__feeds_of(struct job_shard *jobs);
void              job__feeds_destroy(struct job_feeds *feeds);
/* The input's scan has its shape. */
void job__feed_join(struct job_input *input);
void job__feed_leave(struct job_input *input);
/* The chunk that the input's next_offset lies in, from somebody else or of at most record_max records; NULL: the input
 * waits or reads, or there is nothing. out_own: it was made for this input. */
MUST_USE bool job__feed_take(struct job_input *input, size_t record_max, struct job_chunk **out_chunk, bool *out_own);
/* The input has moved on: what nobody needs any more goes. */
void job__feed_sweep(struct job_feed *feed);

/* --- readers (job_feed_read.c) --------------------------------------------------------------------------------------
 */

/* The input's reader gathers, as far as the input may go. False: the input has failed. The input has its records, or
 * waits, or reads. */
MUST_USE bool job__reader_gather(struct job_input *input, size_t record_max, struct job_chunk *chunk);
/* Whether there is something to gather: begins a read where that is needed, and the input waits for it. False: the
 * input has failed. */
MUST_USE bool job__reader_ready(struct job_input *input, bool *out_ready);
void          job__reader_close(struct job_reader *reader);   /* what it holds */
void          job__reader_release(struct job_reader *reader); /* one input less */
void          job__reader_uncount(struct job_reader *reader); /* its read counts for its opener no longer */
void          job__read_release(struct job_read *read);
void          job__text_release(struct job_text *text);
/* job_feed.c: the input leaves its reader, which may go. */
void job__input_release(struct job_input *input);

#endif
