#include "core/proto/kp_reader.h"

#include "core/base/check.h"

/* The smallest tagged field: one byte of tag, one byte of size. */
#define KP_TAGGED_FIELD_BYTES_MIN 2

void kp_reader_init(struct kp_reader *reader, struct view bytes, struct arena *arena)
{
    static const uint8_t nothing[1];
    const uint8_t       *base = bytes.base == NULL ? nothing : bytes.base;

    *reader = (struct kp_reader){.at = base, .end = base + bytes.len, .arena = arena};
}

void kp_reader_fail(struct kp_reader *reader, int error)
{
    CHECK(error < 0);
    if (reader->error == ERR_OK) {
        reader->error = error;
    }
}

double kp_read_float64(struct kp_reader *reader)
{
    int64_t bits = kp_read_int64(reader);
    double  value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct uuid kp_read_uuid(struct kp_reader *reader)
{
    struct uuid    id = {{0}};
    const uint8_t *from = kp_read_raw(reader, sizeof(id.bytes));

    if (from != NULL) {
        memcpy(id.bytes, from, sizeof(id.bytes));
    }
    return id;
}

uint32_t kp_read_uvarint(struct kp_reader *reader)
{
    uint32_t value = 0;
    size_t   used = reader->error == ERR_OK ? uvarint32_read(reader->at, kp_reader_remaining(reader), &value) : 0;

    if (used == 0) {
        kp_reader_fail(reader, ERR_INVALID);
        return 0;
    }
    reader->at += used;
    return value;
}

/* A compact length or count: -1 for null, else 0 and up; 0 on error. */
static int64_t kp_read_compact_length(struct kp_reader *reader)
{
    uint32_t raw = kp_read_uvarint(reader);

    return reader->error == ERR_OK ? (int64_t)raw - 1 : 0;
}

static struct view kp_read_lengthed(struct kp_reader *reader, int64_t length, bool nullable)
{
    const uint8_t *from;

    if (length < 0) {
        if (length != -1 || !nullable) {
            kp_reader_fail(reader, ERR_INVALID);
        }
        return (struct view){0};
    }
    from = kp_read_raw(reader, (size_t)length);
    return view_of(from, from == NULL ? 0 : (size_t)length);
}

struct view kp_read_string(struct kp_reader *reader, bool compact, bool nullable)
{
    int64_t length = compact ? kp_read_compact_length(reader) : kp_read_int16(reader);

    if (length > INT16_MAX) { /* compact strings keep the limit of the old form */
        kp_reader_fail(reader, ERR_INVALID);
        return (struct view){0};
    }
    return kp_read_lengthed(reader, length, nullable);
}

struct view kp_read_bytes(struct kp_reader *reader, bool compact, bool nullable)
{
    return kp_read_lengthed(reader, compact ? kp_read_compact_length(reader) : kp_read_int32(reader), nullable);
}

int32_t kp_read_count(struct kp_reader *reader, bool compact, bool nullable, size_t element_bytes_min)
{
    int64_t count = compact ? kp_read_compact_length(reader) : kp_read_int32(reader);

    CHECK(element_bytes_min > 0);
    if (count < -1 || (count == -1 && !nullable)) {
        kp_reader_fail(reader, ERR_INVALID);
    } else if (count > 0 && (uint64_t)count > kp_reader_remaining(reader) / element_bytes_min) {
        kp_reader_fail(reader, ERR_INVALID);
    } else if (count > INT32_MAX) {
        kp_reader_fail(reader, ERR_INVALID);
    }
    return reader->error == ERR_OK ? (int32_t)count : 0;
}

bool kp_read_present(struct kp_reader *reader)
{
    return kp_read_int8(reader) >= 0 && reader->error == ERR_OK;
}

void *kp_read_alloc(struct kp_reader *reader, int32_t count, size_t element_bytes)
{
    void *memory;

    if (count <= 0 || reader->error != ERR_OK) {
        return NULL;
    }
    CHECK(reader->arena != NULL);
    memory = arena_alloc_array(reader->arena, (size_t)count, element_bytes);
    if (memory == NULL) {
        kp_reader_fail(reader, ERR_NO_MEMORY);
    }
    return memory;
}

/* One array reader per scalar type; the count has been checked against what remains before memory is taken. */
#define KP_READ_SCALAR_ARRAY(name, type, wire_bytes)                                                              \
    const type *kp_read_##name##_array(struct kp_reader *reader, bool compact, bool nullable, int32_t *out_count) \
    {                                                                                                             \
        int32_t count = kp_read_count(reader, compact, nullable, (wire_bytes));                                   \
        type   *values = kp_read_alloc(reader, count, sizeof(*values));                                           \
                                                                                                                  \
        for (int32_t i = 0; values != NULL && i < count; i++) {                                                   \
            values[i] = kp_read_##name(reader);                                                                   \
        }                                                                                                         \
        *out_count = reader->error == ERR_OK ? count : 0;                                                         \
        return reader->error == ERR_OK ? values : NULL;                                                           \
    }

KP_READ_SCALAR_ARRAY(bool, bool, 1)
KP_READ_SCALAR_ARRAY(int8, int8_t, 1)
KP_READ_SCALAR_ARRAY(int16, int16_t, 2)
KP_READ_SCALAR_ARRAY(uint16, uint16_t, 2)
KP_READ_SCALAR_ARRAY(int32, int32_t, 4)
KP_READ_SCALAR_ARRAY(uint32, uint32_t, 4)
KP_READ_SCALAR_ARRAY(int64, int64_t, 8)
KP_READ_SCALAR_ARRAY(float64, double, 8)
KP_READ_SCALAR_ARRAY(uuid, struct uuid, 16)

/* Strings inside an array are never null. */
#define KP_READ_VIEW_ARRAY(name, length_bytes)                                                       \
    const struct view *kp_read_##name##_array(struct kp_reader *reader, bool compact, bool nullable, \
                                              int32_t *out_count)                                    \
    {                                                                                                \
        int32_t      count = kp_read_count(reader, compact, nullable, compact ? 1 : (length_bytes)); \
        struct view *values = kp_read_alloc(reader, count, sizeof(*values));                         \
                                                                                                     \
        for (int32_t i = 0; values != NULL && i < count && reader->error == ERR_OK; i++) {           \
            values[i] = kp_read_##name(reader, compact, false);                                      \
        }                                                                                            \
        *out_count = reader->error == ERR_OK ? count : 0;                                            \
        return reader->error == ERR_OK ? values : NULL;                                              \
    }

KP_READ_VIEW_ARRAY(string, 2)
KP_READ_VIEW_ARRAY(bytes, 4)

void kp_tags_open(struct kp_reader *reader, struct kp_tags *out_tags)
{
    uint32_t count = kp_read_uvarint(reader);

    if (count > kp_reader_remaining(reader) / KP_TAGGED_FIELD_BYTES_MIN) {
        kp_reader_fail(reader, ERR_INVALID);
    }
    *out_tags = (struct kp_tags){.left = reader->error == ERR_OK ? count : 0};
}

bool kp_tags_next(struct kp_reader *reader, struct kp_tags *tags)
{
    uint32_t size_bytes;

    if (tags->left == 0 || reader->error != ERR_OK) {
        return false;
    }
    tags->left--;
    tags->tag = kp_read_uvarint(reader);
    size_bytes = kp_read_uvarint(reader);
    if (tags->tag < tags->tag_next || tags->tag == UINT32_MAX || size_bytes > kp_reader_remaining(reader)) {
        kp_reader_fail(reader, ERR_INVALID);
    }
    if (reader->error != ERR_OK) {
        return false;
    }
    tags->tag_next = tags->tag + 1;
    tags->known = false;
    tags->outer_end = reader->end;
    tags->field_end = reader->at + size_bytes;
    reader->end = tags->field_end;
    return true;
}

void kp_tags_close(struct kp_reader *reader, struct kp_tags *tags)
{
    if (tags->known && reader->at != tags->field_end) {
        kp_reader_fail(reader, ERR_INVALID);
    }
    reader->at = tags->field_end;
    reader->end = tags->outer_end;
}

void kp_tags_skip(struct kp_reader *reader)
{
    struct kp_tags tags;

    kp_tags_open(reader, &tags);
    while (kp_tags_next(reader, &tags)) {
        kp_tags_close(reader, &tags);
    }
}
