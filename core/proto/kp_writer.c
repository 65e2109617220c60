#include "core/proto/kp_writer.h"

#include "core/base/check.h"

#define KP_WRITER_SEGMENTS_FIRST 8
#define KP_WRITER_RESERVE_MAX    64

void kp_writer_init_arena(struct kp_writer *writer, struct arena *arena, size_t chunk_bytes)
{
    CHECK(arena != NULL);
    *writer = (struct kp_writer){
        .kind = KP_WRITER_ARENA,
        .arena = arena,
        .chunk_bytes = MAX(chunk_bytes == 0 ? KP_WRITER_CHUNK_BYTES : chunk_bytes, (size_t)KP_WRITER_RESERVE_MAX),
    };
}

void kp_writer_init_span(struct kp_writer *writer, struct span span)
{
    *writer = (struct kp_writer){
        .kind = KP_WRITER_SPAN,
        .run = span.base,
        .at = span.base,
        .end = span.base == NULL ? NULL : span.base + span.len,
    };
}

void kp_writer_init_measure(struct kp_writer *writer)
{
    *writer = (struct kp_writer){.kind = KP_WRITER_MEASURE};
}

void kp_writer_fail(struct kp_writer *writer, int error)
{
    CHECK(error < 0);
    if (writer->error == ERR_OK) {
        writer->error = error;
    }
}

static bool kp_writer_grow_segments(struct kp_writer *writer)
{
    int32_t      capacity = writer->segments_capacity == 0 ? KP_WRITER_SEGMENTS_FIRST : writer->segments_capacity * 2;
    struct view *grown;

    if (writer->segments_capacity > INT32_MAX / 2) {
        kp_writer_fail(writer, ERR_NO_MEMORY);
        return false;
    }
    grown = arena_alloc_array(writer->arena, (size_t)capacity, sizeof(*grown));
    if (grown == NULL) {
        kp_writer_fail(writer, ERR_NO_MEMORY);
        return false;
    }
    if (writer->segments_count > 0) {
        memcpy(grown, writer->segments, (size_t)writer->segments_count * sizeof(*grown));
    }
    writer->segments = grown;
    writer->segments_capacity = capacity;
    return true;
}

static void kp_writer_add_segment(struct kp_writer *writer, struct view segment)
{
    if (writer->segments_count == writer->segments_capacity && !kp_writer_grow_segments(writer)) {
        return;
    }
    writer->segments[writer->segments_count++] = segment;
}

/* What stands between run and at becomes a segment. */
static void kp_writer_close_run(struct kp_writer *writer)
{
    if (writer->at != writer->run) {
        kp_writer_add_segment(writer, view_of(writer->run, (size_t)(writer->at - writer->run)));
        writer->run = writer->at;
    }
}

/* A fresh chunk of at least size_bytes; what is left of the old one is given up. */
static bool kp_writer_new_chunk(struct kp_writer *writer, size_t size_bytes)
{
    size_t   chunk_bytes = MAX(writer->chunk_bytes, size_bytes);
    uint8_t *chunk;

    kp_writer_close_run(writer);
    chunk = writer->error == ERR_OK ? arena_alloc(writer->arena, chunk_bytes) : NULL;
    if (chunk == NULL) {
        kp_writer_fail(writer, ERR_NO_MEMORY);
        return false;
    }
    writer->run = chunk;
    writer->at = chunk;
    writer->end = chunk + chunk_bytes;
    writer->chunk_bytes = MAX(writer->chunk_bytes, MIN(writer->chunk_bytes * 2, KP_WRITER_CHUNK_BYTES_MAX));
    return true;
}

/* Room for size_bytes contiguous bytes, already counted; NULL on error and when measuring. */
static uint8_t *kp_writer_room(struct kp_writer *writer, size_t size_bytes)
{
    uint8_t *room;

    if (UNLIKELY(writer->error != ERR_OK)) {
        return NULL;
    }
    if (writer->kind == KP_WRITER_MEASURE) {
        writer->bytes_total += size_bytes;
        return NULL;
    }
    if (UNLIKELY((size_t)(writer->end - writer->at) < size_bytes)) {
        if (writer->kind == KP_WRITER_SPAN) {
            kp_writer_fail(writer, ERR_NO_SPACE);
            return NULL;
        }
        if (!kp_writer_new_chunk(writer, size_bytes)) {
            return NULL;
        }
    }
    room = writer->at;
    writer->at += size_bytes;
    writer->bytes_total += size_bytes;
    return room;
}

uint8_t *kp_writer_reserve(struct kp_writer *writer, size_t size_bytes)
{
    CHECK(size_bytes > 0 && size_bytes <= KP_WRITER_RESERVE_MAX);
    return kp_writer_room(writer, size_bytes);
}

const struct view *kp_writer_segments(struct kp_writer *writer, int32_t *out_count)
{
    CHECK(writer->kind == KP_WRITER_ARENA);
    if (writer->error == ERR_OK) {
        kp_writer_close_run(writer);
    }
    *out_count = writer->error == ERR_OK ? writer->segments_count : 0;
    return writer->error == ERR_OK ? writer->segments : NULL;
}

void kp_write_int8(struct kp_writer *writer, int8_t value)
{
    uint8_t *room = kp_writer_room(writer, 1);

    if (room != NULL) {
        *room = (uint8_t)value;
    }
}

void kp_write_bool(struct kp_writer *writer, bool value)
{
    kp_write_int8(writer, value ? 1 : 0);
}

void kp_write_uint16(struct kp_writer *writer, uint16_t value)
{
    uint8_t *room = kp_writer_room(writer, 2);

    if (room != NULL) {
        store_be16(room, value);
    }
}

void kp_write_int16(struct kp_writer *writer, int16_t value)
{
    kp_write_uint16(writer, (uint16_t)value);
}

void kp_write_uint32(struct kp_writer *writer, uint32_t value)
{
    uint8_t *room = kp_writer_room(writer, 4);

    if (room != NULL) {
        store_be32(room, value);
    }
}

void kp_write_int32(struct kp_writer *writer, int32_t value)
{
    kp_write_uint32(writer, (uint32_t)value);
}

void kp_write_int64(struct kp_writer *writer, int64_t value)
{
    uint8_t *room = kp_writer_room(writer, 8);

    if (room != NULL) {
        store_be64(room, (uint64_t)value);
    }
}

void kp_write_float64(struct kp_writer *writer, double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    kp_write_int64(writer, bits);
}

void kp_write_uuid(struct kp_writer *writer, struct uuid value)
{
    kp_write_raw(writer, view_of(value.bytes, sizeof(value.bytes)));
}

void kp_write_uvarint(struct kp_writer *writer, uint32_t value)
{
    uint8_t bytes[VARINT32_BYTES_MAX];

    kp_write_raw(writer, view_of(bytes, uvarint32_write(bytes, value)));
}

void kp_write_raw(struct kp_writer *writer, struct view bytes)
{
    uint8_t *room = bytes.len == 0 ? NULL : kp_writer_room(writer, bytes.len);

    if (room != NULL) {
        memcpy(room, bytes.base, bytes.len);
    }
}

void kp_write_splice(struct kp_writer *writer, struct view bytes)
{
    if (writer->kind != KP_WRITER_ARENA || bytes.len < KP_WRITER_SPLICE_BYTES_MIN || writer->error != ERR_OK) {
        kp_write_raw(writer, bytes);
        return;
    }
    kp_writer_close_run(writer);
    kp_writer_add_segment(writer, bytes);
    if (writer->error == ERR_OK) {
        writer->bytes_total += bytes.len;
    }
}

/* The length or count in front of a value; length -1 is null. old_bytes: width of the old-style form. */
static void kp_write_length(struct kp_writer *writer, bool compact, bool nullable, size_t old_bytes, int64_t length)
{
    int64_t length_max = old_bytes == 2 ? INT16_MAX : INT32_MAX;

    if (length < 0) {
        length = nullable ? -1 : 0;
    }
    if (length > length_max) {
        kp_writer_fail(writer, ERR_INVALID);
    } else if (compact) {
        kp_write_uvarint(writer, (uint32_t)(length + 1));
    } else if (old_bytes == 2) {
        kp_write_int16(writer, (int16_t)length);
    } else {
        kp_write_int32(writer, (int32_t)length);
    }
}

/* -1 for null; a length no encoding can hold stays too long. */
static int64_t kp_view_length(struct view bytes)
{
    if (bytes.base == NULL) {
        return -1;
    }
    return bytes.len > INT32_MAX ? (int64_t)INT32_MAX + 1 : (int64_t)bytes.len;
}

void kp_write_string(struct kp_writer *writer, bool compact, bool nullable, struct view text)
{
    kp_write_length(writer, compact, nullable, 2, kp_view_length(text));
    if (text.base != NULL) {
        kp_write_raw(writer, text);
    }
}

void kp_write_bytes(struct kp_writer *writer, bool compact, bool nullable, struct view bytes)
{
    kp_write_length(writer, compact, nullable, 4, kp_view_length(bytes));
    if (bytes.base != NULL) {
        kp_write_raw(writer, bytes);
    }
}

void kp_write_records(struct kp_writer *writer, bool compact, bool nullable, struct view records,
                      const struct view *parts, int32_t parts_count)
{
    int64_t length = 0;

    if (parts_count <= 0) {
        parts = &records;
        parts_count = records.base == NULL ? 0 : 1;
        length = kp_view_length(records);
    } else {
        for (int32_t i = 0; i < parts_count && length <= INT32_MAX; i++) {
            length += MAX(kp_view_length(parts[i]), 0);
        }
    }
    kp_write_length(writer, compact, nullable, 4, length);
    for (int32_t i = 0; i < parts_count; i++) {
        kp_write_splice(writer, parts[i]);
    }
}

void kp_write_count(struct kp_writer *writer, bool compact, bool nullable, int32_t count)
{
    kp_write_length(writer, compact, nullable, 4, count);
}

void kp_write_present(struct kp_writer *writer, bool present)
{
    kp_write_int8(writer, present ? 1 : -1);
}

#define KP_WRITE_SCALAR_ARRAY(name, type)                                                                   \
    void kp_write_##name##_array(struct kp_writer *writer, bool compact, bool nullable, const type *values, \
                                 int32_t count)                                                             \
    {                                                                                                       \
        kp_write_count(writer, compact, nullable, count);                                                   \
        for (int32_t i = 0; i < count; i++) {                                                               \
            kp_write_##name(writer, values[i]);                                                             \
        }                                                                                                   \
    }

KP_WRITE_SCALAR_ARRAY(bool, bool)
KP_WRITE_SCALAR_ARRAY(int8, int8_t)
KP_WRITE_SCALAR_ARRAY(int16, int16_t)
KP_WRITE_SCALAR_ARRAY(uint16, uint16_t)
KP_WRITE_SCALAR_ARRAY(int32, int32_t)
KP_WRITE_SCALAR_ARRAY(uint32, uint32_t)
KP_WRITE_SCALAR_ARRAY(int64, int64_t)
KP_WRITE_SCALAR_ARRAY(float64, double)
KP_WRITE_SCALAR_ARRAY(uuid, struct uuid)

#define KP_WRITE_VIEW_ARRAY(name)                                                                                  \
    void kp_write_##name##_array(struct kp_writer *writer, bool compact, bool nullable, const struct view *values, \
                                 int32_t count)                                                                    \
    {                                                                                                              \
        kp_write_count(writer, compact, nullable, count);                                                          \
        for (int32_t i = 0; i < count; i++) {                                                                      \
            kp_write_##name(writer, compact, false, values[i]);                                                    \
        }                                                                                                          \
    }

KP_WRITE_VIEW_ARRAY(string)
KP_WRITE_VIEW_ARRAY(bytes)
