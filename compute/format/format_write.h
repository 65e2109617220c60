/* format_write.h: what encoders share: the growing output and the walk into nested values. */
#ifndef MILLRACE_FORMAT_WRITE_H
#define MILLRACE_FORMAT_WRITE_H

#include "compute/format/format_internal.h"

/* A column, ROW field or ARRAY element with what is written before its value. */
struct format__target {
    struct view            name;
    const char            *key; /* JSON: "name": */
    size_t                 key_len;
    struct vec_type        type;
    uint32_t               child_count;
    struct format__target *children;
};

struct format_encoder {
    struct format_options  options;
    struct arena           plan;
    uint32_t               column_count;
    struct format__target *columns;
    char                  *bytes;
    size_t                 len, capacity;
    uint32_t               ends[VEC_ROWS_MAX];
    struct format_failure  failure;
    /* The day written last. */
    int64_t      day;
    size_t       day_len;
    char         day_text[VEC_TIME_TEXT_BYTES];
    struct arena row; /* CSV: pieces of the row that is written */
};

/* Room for `more` bytes behind those written; the place of the first. */
char *format__grow(struct format_encoder *encoder, size_t more);

static inline char *format__room(struct format_encoder *encoder, size_t more)
{
    return LIKELY(encoder->capacity - encoder->len >= more) ? encoder->bytes + encoder->len
                                                            : format__grow(encoder, more);
}

static inline void format__put(struct format_encoder *encoder, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(format__room(encoder, len), bytes, len);
        encoder->len += len;
    }
}

static inline void format__put_mark(struct format_encoder *encoder, char mark)
{
    *format__room(encoder, 1) = mark;
    encoder->len++;
}

/* The position that a vector's row stands at. */
static inline size_t format__position(const struct vec *vec, size_t row)
{
    return vec->form == VEC_FLAT ? row : vec->form == VEC_CONSTANT ? 0 : vec->indices[row];
}

static inline bool format__is_null(const struct vec *vec, size_t position)
{
    return vec->type.kind == VEC_NULL || (vec->validity != NULL && !vec_bit_get(vec->validity, position));
}

/* Of the layouts up to INT64. */
int64_t            format__integer_at(const struct vec *vec, size_t position);
struct vec_decimal format__decimal_at(const struct vec *vec, size_t position);
struct vec_civil   format__civil_at(const struct vec *vec, size_t position);
struct view        format__string_at(const struct vec *vec, size_t position);
/* Decimal digits; out has room for 20. Returns the length. */
size_t format__digits(int64_t value, char out_text[20]);

/* One row; false: failure.message is set. */
bool format__json_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row);
bool format__csv_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row);
bool format__raw_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row);
/* `"name":` */
void format__json_key(struct format_encoder *encoder, struct format__target *target);

#endif
