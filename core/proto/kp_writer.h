/* kp_writer.h: writes Kafka's encodings, as a list of segments that can be sent without copying.
 *
 * Three kinds of writer share one interface:
 *   arena    small fields are collected in chunks from an arena; records are *spliced*: the caller's memory becomes a
 *            segment of its own. The result is a list of views, ready for a gathering send.
 *   span     everything is copied into one given span; over its end is ERR_NO_SPACE.
 *   measure  nothing is stored, only counted.
 *
 * The first error sticks and later writes do nothing: generated encoders check nothing, callers look at `error` once.
 * Errors: ERR_NO_MEMORY (arena over budget), ERR_NO_SPACE (span full), ERR_INVALID (a string or a count too long for
 * its encoding).
 *
 * Ownership: segments point into the arena and into spliced memory; both must live until the bytes are sent. Strings
 * and `bytes` fields are always copied, `records` are spliced from KP_WRITER_SPLICE_BYTES_MIN on. One owner, one
 * thread. */
#ifndef MILLRACE_KP_WRITER_H
#define MILLRACE_KP_WRITER_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* Below this a copy is cheaper than one more segment in the send. */
#define KP_WRITER_SPLICE_BYTES_MIN ((size_t)256)
/* First chunk of an arena writer when the caller names none; later ones double up to KP_WRITER_CHUNK_BYTES_MAX. */
#define KP_WRITER_CHUNK_BYTES     ((size_t)512)
#define KP_WRITER_CHUNK_BYTES_MAX ((size_t)(64 * KIB))

enum kp_writer_kind {
    KP_WRITER_ARENA,
    KP_WRITER_SPAN,
    KP_WRITER_MEASURE,
};

struct kp_writer {
    enum kp_writer_kind kind;
    int                 error;
    uint8_t            *run;         /* start of the bytes not yet in a segment */
    uint8_t            *at;          /* next byte */
    uint8_t            *end;         /* of the chunk */
    size_t              bytes_total; /* written so far, spliced bytes included */
    struct arena       *arena;
    size_t              chunk_bytes;
    struct view        *segments;
    int32_t             segments_count;
    int32_t             segments_capacity;
};

/* chunk_bytes 0: KP_WRITER_CHUNK_BYTES. Nothing is taken from the arena before the first write. */
void kp_writer_init_arena(struct kp_writer *writer, struct arena *arena, size_t chunk_bytes);
void kp_writer_init_span(struct kp_writer *writer, struct span span);
void kp_writer_init_measure(struct kp_writer *writer);
void kp_writer_fail(struct kp_writer *writer, int error);

/* Arena writers only. Closes the last run and gives the segments written so far; more may be written afterwards and the
 * list asked for again. Zero segments on error. */
const struct view *kp_writer_segments(struct kp_writer *writer, int32_t *out_count);
/* `size_bytes` (at most 64) contiguous bytes to fill in later, for a length in front; NULL on error and in a measuring
 * writer. */
uint8_t *kp_writer_reserve(struct kp_writer *writer, size_t size_bytes);

void kp_write_bool(struct kp_writer *writer, bool value);
void kp_write_int8(struct kp_writer *writer, int8_t value);
void kp_write_int16(struct kp_writer *writer, int16_t value);
void kp_write_uint16(struct kp_writer *writer, uint16_t value);
void kp_write_int32(struct kp_writer *writer, int32_t value);
void kp_write_uint32(struct kp_writer *writer, uint32_t value);
void kp_write_int64(struct kp_writer *writer, int64_t value);
void kp_write_float64(struct kp_writer *writer, double value);
void kp_write_uuid(struct kp_writer *writer, struct uuid value);
void kp_write_uvarint(struct kp_writer *writer, uint32_t value);
/* Copies, without a length. */
void kp_write_raw(struct kp_writer *writer, struct view bytes);
/* Without a length; splices when it pays. */
void kp_write_splice(struct kp_writer *writer, struct view bytes);

/* A null view where `nullable` is false is written as empty. */
void kp_write_string(struct kp_writer *writer, bool compact, bool nullable, struct view text);
void kp_write_bytes(struct kp_writer *writer, bool compact, bool nullable, struct view bytes);
/* parts_count > 0: the parts, end to end, are the value; else `records` is. */
void kp_write_records(struct kp_writer *writer, bool compact, bool nullable, struct view records,
                      const struct view *parts, int32_t parts_count);
/* The count before an array; negative is null (empty where that is not allowed). */
void kp_write_count(struct kp_writer *writer, bool compact, bool nullable, int32_t count);
/* The marker before a nullable struct. */
void kp_write_present(struct kp_writer *writer, bool present);

/* Arrays of scalars and strings, count included. */
void kp_write_bool_array(struct kp_writer *writer, bool compact, bool nullable, const bool *values, int32_t count);
void kp_write_int8_array(struct kp_writer *writer, bool compact, bool nullable, const int8_t *values, int32_t count);
void kp_write_int16_array(struct kp_writer *writer, bool compact, bool nullable, const int16_t *values, int32_t count);
void kp_write_uint16_array(struct kp_writer *writer, bool compact, bool nullable, const uint16_t *values,
                           int32_t count);
void kp_write_int32_array(struct kp_writer *writer, bool compact, bool nullable, const int32_t *values, int32_t count);
void kp_write_uint32_array(struct kp_writer *writer, bool compact, bool nullable, const uint32_t *values,
                           int32_t count);
void kp_write_int64_array(struct kp_writer *writer, bool compact, bool nullable, const int64_t *values, int32_t count);
void kp_write_float64_array(struct kp_writer *writer, bool compact, bool nullable, const double *values, int32_t count);
void kp_write_uuid_array(struct kp_writer *writer, bool compact, bool nullable, const struct uuid *values,
                         int32_t count);
void kp_write_string_array(struct kp_writer *writer, bool compact, bool nullable, const struct view *values,
                           int32_t count);
void kp_write_bytes_array(struct kp_writer *writer, bool compact, bool nullable, const struct view *values,
                          int32_t count);

#endif
