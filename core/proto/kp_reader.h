/* kp_reader.h: reads Kafka's encodings from one frame.
 *
 * A reader walks over bytes it does not own. Strings, bytes and records come out as views into those bytes, arrays from
 * the arena: both live as long as the frame and the arena, whichever dies first. The first error sticks: every later
 * read gives zero, NULL or an empty view, so generated decoders check once, at the end.
 *
 * Nothing is believed. A length must fit what remains; an array count must fit what remains when every element takes
 * its smallest size, and only then is memory asked for, so that a frame can make us allocate a small multiple of its
 * own size at most (the arena's budget bounds the rest). Tags must ascend, which also refuses duplicates.
 *
 * Errors: ERR_INVALID (malformed or short), ERR_NO_MEMORY (arena over budget). One owner, one thread.
 * Source: KIP-482 for compact types and tagged fields, the message README of Kafka's clients for the rest. */
#ifndef MILLRACE_KP_READER_H
#define MILLRACE_KP_READER_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

struct kp_reader {
    const uint8_t *at;
    const uint8_t *end;
    struct arena  *arena; /* for arrays; NULL when only scalars and views are read */
    int            error; /* ERR_OK until the first failure */
};

/* The tagged fields of one struct, while they are read. */
struct kp_tags {
    uint32_t       left;      /* fields not yet read */
    uint32_t       tag;       /* of the current field */
    uint32_t       tag_next;  /* smallest tag that may follow */
    bool           known;     /* set by the decoder when it has read the current field */
    const uint8_t *field_end; /* of the current field */
    const uint8_t *outer_end; /* end of the reader outside the field */
};

void kp_reader_init(struct kp_reader *reader, struct view bytes, struct arena *arena);

static inline size_t kp_reader_remaining(const struct kp_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Makes `error` the sticky error, unless there is one. */
void kp_reader_fail(struct kp_reader *reader, int error);

/* `size_bytes` bytes, or NULL and a sticky error. */
static inline const uint8_t *kp_read_raw(struct kp_reader *reader, size_t size_bytes)
{
    const uint8_t *from = reader->at;

    if (UNLIKELY(reader->error != ERR_OK || kp_reader_remaining(reader) < size_bytes)) {
        kp_reader_fail(reader, ERR_INVALID);
        return NULL;
    }
    reader->at += size_bytes;
    return from;
}

static inline int8_t kp_read_int8(struct kp_reader *reader)
{
    const uint8_t *from = kp_read_raw(reader, 1);

    return from == NULL ? 0 : (int8_t)*from;
}

/* Any byte but zero is true. */
static inline bool kp_read_bool(struct kp_reader *reader)
{
    return kp_read_int8(reader) != 0;
}

static inline uint16_t kp_read_uint16(struct kp_reader *reader)
{
    const uint8_t *from = kp_read_raw(reader, 2);

    return from == NULL ? 0 : load_be16(from);
}

static inline int16_t kp_read_int16(struct kp_reader *reader)
{
    return (int16_t)kp_read_uint16(reader);
}

static inline uint32_t kp_read_uint32(struct kp_reader *reader)
{
    const uint8_t *from = kp_read_raw(reader, 4);

    return from == NULL ? 0 : load_be32(from);
}

static inline int32_t kp_read_int32(struct kp_reader *reader)
{
    return (int32_t)kp_read_uint32(reader);
}

static inline int64_t kp_read_int64(struct kp_reader *reader)
{
    const uint8_t *from = kp_read_raw(reader, 8);

    return from == NULL ? 0 : (int64_t)load_be64(from);
}

double      kp_read_float64(struct kp_reader *reader);
struct uuid kp_read_uuid(struct kp_reader *reader);
uint32_t    kp_read_uvarint(struct kp_reader *reader);

/* compact: the flexible form (length + 1 as an unsigned varint). A null where `nullable` is false is ERR_INVALID; where
 * it is true the view's base is NULL. Empty views have a base. */
struct view kp_read_string(struct kp_reader *reader, bool compact, bool nullable);
/* Also for records. */
struct view kp_read_bytes(struct kp_reader *reader, bool compact, bool nullable);
/* The count of an array whose elements take at least element_bytes_min each; -1 for null, 0 on error. */
int32_t kp_read_count(struct kp_reader *reader, bool compact, bool nullable, size_t element_bytes_min);
/* The marker before a nullable struct: true when a struct follows. */
bool kp_read_present(struct kp_reader *reader);
/* Zeroed memory for `count` elements; NULL when count <= 0 or on error. */
void *kp_read_alloc(struct kp_reader *reader, int32_t count, size_t element_bytes);

/* Arrays of scalars and strings, whole. *out_count as kp_read_count. */
const bool        *kp_read_bool_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const int8_t      *kp_read_int8_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const int16_t     *kp_read_int16_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const uint16_t    *kp_read_uint16_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const int32_t     *kp_read_int32_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const uint32_t    *kp_read_uint32_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const int64_t     *kp_read_int64_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const double      *kp_read_float64_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const struct uuid *kp_read_uuid_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const struct view *kp_read_string_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);
const struct view *kp_read_bytes_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count);

/* while (kp_tags_next(reader, &tags)) { switch (tags.tag) { case 0: ...; tags.known = true; } kp_tags_close(...); }
 * Between next and close the reader ends where the field ends. close skips an unknown field and refuses a known one
 * that left bytes over. */
void kp_tags_open(struct kp_reader *reader, struct kp_tags *out_tags);
bool kp_tags_next(struct kp_reader *reader, struct kp_tags *tags);
void kp_tags_close(struct kp_reader *reader, struct kp_tags *tags);
/* For structs that know no tags: checks and skips all of them. */
void kp_tags_skip(struct kp_reader *reader);

#endif
