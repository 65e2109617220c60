/* rec.h: Kafka record batches, format v2 (magic 2): parse, check, walk, stamp, build, recompress.
 *
 * Source of facts: KIP-98, clients DefaultRecordBatch.java / DefaultRecord.java, LogValidator.java; the layout
 * stands in docs/formats/record-batch.md. All functions are pure: no I/O, no clock, no global state but per-thread
 * codec contexts.
 *
 * A batch is looked at in place: struct rec_batch is the decoded 61-byte header plus a view of the whole batch.
 * Nothing read from a view is trusted before rec_batch_parse() has checked the lengths. */
#ifndef MILLRACE_REC_H
#define MILLRACE_REC_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

#define REC_HEADER_BYTES        61 /* up to the first record */
#define REC_UNCHECKED_BYTES     21 /* base offset .. crc: what Kafka's CRC does not cover (attributes on are covered) */
#define REC_LENGTH_PREFIX_BYTES 12 /* base offset and batch length: a batch is this plus its length field */
#define REC_NO_TIMESTAMP        INT64_C(-1) /* a record without one: exempt from the limits */

enum rec_codec { REC_NONE = 0, REC_GZIP = 1, REC_SNAPPY = 2, REC_LZ4 = 3, REC_ZSTD = 4, REC_CODEC_COUNT = 5 };

enum rec_attributes {
    REC_ATTR_CODEC_MASK = 0x07,
    REC_ATTR_LOG_APPEND_TIME = 1 << 3,
    REC_ATTR_TRANSACTIONAL = 1 << 4,
    REC_ATTR_CONTROL = 1 << 5,
    REC_ATTR_DELETE_HORIZON = 1 << 6,
};

struct rec_batch {
    int64_t        base_offset;
    int32_t        leader_epoch;
    uint32_t       crc;
    uint16_t       attributes;
    int32_t        last_offset_delta;
    int64_t        base_timestamp_ms;
    int64_t        max_timestamp_ms;
    int64_t        producer_id;    /* -1 none */
    int16_t        producer_epoch; /* -1 none */
    int32_t        base_sequence;  /* -1 none */
    int32_t        record_count;
    enum rec_codec codec;
    struct view    bytes; /* the whole batch, header included */
};

static inline int64_t rec_batch_last_offset(const struct rec_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}

/* Why a batch is refused; net/api maps it to Kafka's codes (named beside each). */
enum rec_verdict {
    REC_OK,
    REC_CORRUPT,           /* CORRUPT_MESSAGE: CRC or structure */
    REC_INVALID_RECORD,    /* INVALID_RECORD: counts, deltas, control bit, sequence without id, missing key, ... */
    REC_INVALID_TIMESTAMP, /* INVALID_TIMESTAMP */
    REC_TOO_LARGE,         /* MESSAGE_TOO_LARGE */
    REC_UNSUPPORTED_COMPRESSION, /* UNSUPPORTED_COMPRESSION_TYPE */
    REC_UNSUPPORTED_FORMAT,      /* UNSUPPORTED_FOR_MESSAGE_FORMAT: magic 0 or 1 */
};

/* The first batch at the head of `bytes`: length within what remains, magic 2, codec known, at least a whole header,
 * offsets and counts not negative and without overflow. ERR_AGAIN when `bytes` ends inside the batch, ERR_CORRUPT
 * when it cannot be one, ERR_UNSUPPORTED for a message set of magic 0 or 1. Does not check the CRC. */
MUST_USE int rec_batch_parse(struct view bytes, struct rec_batch *out_batch);
/* Only the header: `bytes` holds at least REC_HEADER_BYTES; out_batch->bytes is left empty and *out_total_bytes says
 * how long the batch is. */
MUST_USE int  rec_header_parse(struct view bytes, struct rec_batch *out_batch, size_t *out_total_bytes);
MUST_USE bool rec_batch_crc_ok(const struct rec_batch *batch);

/* --- checking a produced batch ------------------------------------------------------------------------------------ */

/* What a client put into one partition of a produce request: exactly one batch, else the verdict (and why, static
 * text). REC_OK: *out_batch is parsed and ready for rec_check_begin(). */
MUST_USE enum rec_verdict rec_produced_parse(struct view records, struct rec_batch *out_batch, const char **out_reason);

struct rec_rules {
    uint32_t batch_bytes_max;         /* max.message.bytes */
    bool     keys_required;           /* cleanup.policy has compact */
    bool     log_append_time;         /* message.timestamp.type */
    int64_t  now_ms;                  /* for the timestamp limits */
    int64_t  timestamp_before_max_ms; /* INT64_MAX: no limit */
    int64_t  timestamp_after_max_ms;
    uint64_t inflated_bytes_max; /* bound on decompression: max(64 MiB, 64 x batch_bytes_max); REC_TOO_LARGE above */
    bool     zstd_allowed;       /* Produce 7 and later */
    bool     control_allowed;    /* internal writers only */
    bool     crc_checked;        /* the caller has compared the CRC already (fused with its copy) */
};

/* What a complete check finds. */
struct rec_found {
    int64_t     max_timestamp_ms;    /* over all records */
    int32_t     max_timestamp_delta; /* offset delta of the first record that has it */
    int32_t     bad_record_index;    /* the first refused record, -1 when the batch as a whole is refused */
    uint64_t    records_bytes;       /* of the records section, inflated */
    const char *reason;              /* static text for the client, NULL when fine */
};

/* A check that can be cut into slices: decompression of large batches must not hold the event loop. Zero it, begin,
 * then step until the verdict is there. Uncompressed batches are done in the first step. Holds codec state: always
 * end with rec_check_end(). */
struct rec_check {
    struct rec_batch batch;
    struct rec_rules rules;
    struct rec_found found;
    void            *state_; /* codec stream and partial record; from mem_* */
};

/* Header rules (LogValidator): length, counts, base offset 0, lastOffsetDelta + 1 == count > 0, control bit,
 * sequence, codec, CRC. A verdict other than REC_OK is final. The batch's bytes stay the caller's and must not
 * change until rec_check_end(). */
MUST_USE enum rec_verdict rec_check_begin(struct rec_check *check, const struct rec_batch *batch,
                                          const struct rec_rules *rules);
/* Walks up to slice_bytes (> 0) of inflated records. ERR_AGAIN: call again; ERR_OK: *out_verdict is final;
 * ERR_NO_MEMORY: no room for a codec's state, nothing is known about the batch. */
MUST_USE int rec_check_step(struct rec_check *check, size_t slice_bytes, enum rec_verdict *out_verdict);
void         rec_check_end(struct rec_check *check);
/* Begin, all steps and end in one, for callers that may block: tests, tools, internal writers. */
MUST_USE int rec_check_whole(const struct rec_batch *batch, const struct rec_rules *rules, struct rec_found *out_found,
                             enum rec_verdict *out_verdict);
/* Codec contexts are kept for reuse per thread; a thread that ends gives them back here. */
void rec_thread_deinit(void);

/* --- stamping (in our copy, never in the client's frame) --------------------------------------------------------- */

/* Outside the CRC: free. */
void rec_stamp_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* LogAppendTime: sets bit 3 and maxTimestamp, patches the CRC for the changed bytes (a linear patch, not a full
 * pass). */
void rec_stamp_append_time(uint8_t *batch, size_t len, int64_t now_ms);
/* CreateTime, when the header's maxTimestamp lies: corrected with a CRC patch, and bit 3 cleared. */
void rec_stamp_max_timestamp(uint8_t *batch, size_t len, int64_t max_timestamp_ms);

/* --- walking records --------------------------------------------------------------------------------------------- */

struct rec_header_field {
    struct view key;
    struct view value; /* base NULL = null */
};

struct rec_record {
    int64_t     offset;
    int64_t     timestamp_ms;
    struct view key;   /* base NULL = null */
    struct view value; /* base NULL = null */
    int32_t     header_count;
    struct view headers; /* encoded; rec_headers_next() walks them */
};

struct rec_iter {
    struct rec_batch batch;
    struct view      rest;
    int32_t          index;
};

/* Uncompressed record bytes: those of the batch itself, or inflated by rec_inflate(). */
void rec_iter_init(struct rec_iter *iter, const struct rec_batch *batch, struct view records);
/* 1: *out_record is the next; 0: end; ERR_CORRUPT. */
MUST_USE int rec_iter_next(struct rec_iter *iter, struct rec_record *out_record);
MUST_USE int rec_headers_next(struct view *headers, struct rec_header_field *out_field);
/* The records section, inflated whole into the arena; that of an uncompressed batch is a view of the batch itself.
 * ERR_LIMIT above bytes_max, ERR_CORRUPT, ERR_NO_MEMORY. Growing costs the arena up to about three times the result. */
MUST_USE int rec_inflate(const struct rec_batch *batch, size_t bytes_max, struct arena *arena,
                         struct view *out_records);

/* --- building ---------------------------------------------------------------------------------------------------- */

struct rec_builder {
    struct arena *arena;
    uint8_t      *bytes;
    size_t        len;
    size_t        capacity;
    int32_t       record_count;
    int64_t       base_timestamp_ms;
    int64_t       max_timestamp_ms;
    uint16_t      attributes; /* codec is applied by finish */
    int64_t       producer_id;
    int16_t       producer_epoch;
    int32_t       base_sequence;
    bool          failed; /* over the arena's budget: sticky, finish returns ERR_NO_MEMORY */
};

void rec_builder_init(struct rec_builder *builder, struct arena *arena);
void rec_builder_add(struct rec_builder *builder, int64_t timestamp_ms, struct view key, struct view value,
                     const struct rec_header_field *headers, int32_t header_count);
/* Compresses with `codec` (level 0 = the codec's default), writes header and CRC. base_offset 0, leader epoch -1. */
MUST_USE int rec_builder_finish(struct rec_builder *builder, enum rec_codec codec, int level, struct view *out_batch);
/* Control batch with one transaction marker: type 0 abort, 1 commit (EndTransactionMarker). */
MUST_USE int rec_build_marker(struct arena *arena, int64_t producer_id, int16_t producer_epoch, bool commit,
                              int32_t coordinator_epoch, int64_t timestamp_ms, struct view *out_batch);

struct rec_marker {
    int16_t type;              /* enum rec_control_type; others exist (KRaft) and are none of ours */
    int32_t coordinator_epoch; /* -1 when the type has none */
};

enum rec_control_type { REC_CONTROL_ABORT = 0, REC_CONTROL_COMMIT = 1 };

/* Reads the one record of a control batch. ERR_INVALID when the batch is no control batch, ERR_CORRUPT. */
MUST_USE int rec_marker_parse(const struct rec_batch *batch, struct rec_marker *out_marker);

/* --- under another codec ------------------------------------------------------------------------------------------ */

/* A batch that gets another codec (compression.type of a topic): the same records, producer fields, timestamps and
 * offsets. Can be cut into slices like the check; the result does not depend on how. Zero it, begin, step until it is
 * not ERR_AGAIN. Holds codec contexts: always end with rec_recompress_end(), before the arena goes. The batch's bytes
 * stay the caller's and must not change until then. */
struct rec_recompress {
    struct rec_batch    batch;
    enum rec_codec      codec;
    size_t              records_bytes;
    size_t              batch_bytes_max;
    struct span         whole; /* the new batch and room behind it; `len` bytes of it are there */
    size_t              len;
    size_t              done_bytes; /* of the records, inflated */
    struct rec_streams *streams_;
};

/* records_bytes: of the records section, inflated, as the check found it. Memory is the arena's: the smaller of
 * batch_bytes_max and what records_bytes can become, and 256 KiB; what the codecs keep comes on top. ERR_LIMIT: would
 * be longer than batch_bytes_max; ERR_NO_MEMORY; ERR_CORRUPT. */
MUST_USE int rec_recompress_begin(struct rec_recompress *job, const struct rec_batch *batch, uint64_t records_bytes,
                                  enum rec_codec codec, int level, size_t batch_bytes_max, struct arena *arena);
/* Whole windows of 64 KiB of inflated records, until slice_bytes (> 0) are reached. ERR_AGAIN: call again; ERR_OK:
 * *out_batch is in the arena; ERR_LIMIT, ERR_NO_MEMORY; ERR_CORRUPT: the records are damaged or not records_bytes. */
MUST_USE int rec_recompress_step(struct rec_recompress *job, size_t slice_bytes, struct view *out_batch);
/* Harmless when not begun. */
void rec_recompress_end(struct rec_recompress *job);
/* All in one, for callers that may block: tests, tools. Inflates twice, first to see how much there is. ERR_LIMIT above
 * inflated_bytes_max. */
MUST_USE int rec_recompress_whole(const struct rec_batch *batch, enum rec_codec codec, int level,
                                  size_t inflated_bytes_max, struct arena *arena, struct view *out_batch);

/* --- taking records out ------------------------------------------------------------------------------------------- */

/* True: the record stays. */
typedef bool rec_keep_fn(void *context, const struct rec_record *record);

/* A batch on its way through compaction. Zero it, begin, step until it is ERR_OK, end. Memory is the arena's; the
 * batch's bytes stay the caller's and are not changed. */
struct rec_filter {
    struct rec_batch batch;
    struct rec_iter  iter;
    struct arena    *arena;
    struct view      records;   /* inflated */
    uint8_t         *kept_bits; /* by index of the record */
    int32_t          kept;
    int32_t          tombstones; /* of those */
    int64_t          max_timestamp_ms;
};

/* Inflates; errors of rec_inflate(). */
MUST_USE int rec_filter_begin(struct rec_filter *filter, const struct rec_batch *batch, size_t inflated_bytes_max,
                              struct arena *arena);
/* Asks about records of up to slice_bytes, inflated, and one more. ERR_AGAIN: call again; ERR_OK: all; ERR_CORRUPT. */
MUST_USE int rec_filter_step(struct rec_filter *filter, size_t slice_bytes, rec_keep_fn *keep, void *context);
/* What is left, under the same codec: base NULL when that is nothing; the batch's own bytes when nothing has changed.
 * A batch without delete horizon that keeps a tombstone, or for which horizon_wanted (a marker), gets horizon_ms.
 * ERR_NO_MEMORY, ERR_LIMIT. */
MUST_USE int rec_filter_end(struct rec_filter *filter, int64_t horizon_ms, bool horizon_wanted, struct view *out_batch);
/* The batch without its records: offsets and producer fields only. */
void rec_empty_batch(const struct rec_batch *batch, uint8_t to[REC_HEADER_BYTES]);

const char *rec_codec_name(enum rec_codec codec); /* "none" (Kafka: "uncompressed"), "gzip", ... */
/* "gzip", "snappy", "lz4", "zstd", "none" or "uncompressed"; -1 otherwise. */
MUST_USE int rec_codec_parse(struct view name);

/* --- gzip files: no batches, only the codec (rec_gunzip.c) ------------------------------------------------------- */

struct rec_gunzip;

/* file: the whole file, which stays in memory (mapped, say), up to 4 GiB. NULL: too long, or no memory. */
struct rec_gunzip *rec_gunzip_create(struct view file);
void               rec_gunzip_destroy(struct rec_gunzip *gunzip);
/* Fills `out` but at the end of the file; *out_len is always written. ERR_CORRUPT: damaged or cut short. */
MUST_USE int rec_gunzip_pull(struct rec_gunzip *gunzip, struct span out, size_t *out_len);
/* Bytes of the file that were not looked at. */
size_t rec_gunzip_left(const struct rec_gunzip *gunzip);

#endif
