/* format_text.c: values as text and as keys that sort bytewise. */
#include "compute/format/format_text.h"

#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/bytes.h"

#include <stdio.h>

#define TEXT_BYTES_MIN ((size_t)256)

void format_text_deinit(struct format_text *text)
{
    mem_free(MEM_COMPUTE, text->base);
    *text = (struct format_text){0};
}

char *format_text_room(struct format_text *text, size_t bytes)
{
    if (text->capacity - text->len < bytes) {
        text->capacity = MAX(MAX(text->capacity * 2, TEXT_BYTES_MIN), text->len + bytes);
        text->base = mem_realloc(MEM_COMPUTE, text->base, text->capacity);
    }
    return text->base + text->len;
}

void format_text_put(struct format_text *text, const void *base, size_t len)
{
    if (len > 0) {
        memcpy(format_text_room(text, len), base, len);
        text->len += len;
    }
}

void format_text_put_string(struct format_text *text, const char *string)
{
    format_text_put(text, string, strlen(string));
}

const char *format_change_name(enum vec_change change)
{
    static const char *const names[] = {"+I", "-U", "+U", "-D"};

    return names[change];
}

/* --- leaves ------------------------------------------------------------------------------------------------------ */

static int64_t text_integer(const struct vec *vec, size_t at)
{
    switch (vec_type_layout(vec->type)) {
    case VEC_LAYOUT_BOOL:
        return ((const uint8_t *)vec->data)[at];
    case VEC_LAYOUT_INT8:
        return ((const int8_t *)vec->data)[at];
    case VEC_LAYOUT_INT16:
        return ((const int16_t *)vec->data)[at];
    case VEC_LAYOUT_INT32:
        return ((const int32_t *)vec->data)[at];
    default:
        return ((const int64_t *)vec->data)[at];
    }
}

static vec_int128 text_wide(const struct vec *vec, size_t at)
{
    return vec_type_layout(vec->type) == VEC_LAYOUT_INT128 ? ((const vec_int128 *)vec->data)[at]
                                                           : ((const int64_t *)vec->data)[at];
}

static void text_put_number(struct format_text *text, int64_t value)
{
    char few[24];

    format_text_put(text, few, (size_t)snprintf(few, sizeof(few), "%lld", (long long)value));
}

/* BigDecimal.toString(): small numbers with many zeros behind the point have an exponent. */
static void text_put_decimal(struct format_text *text, const struct vec *vec, size_t at, enum format_style style)
{
    struct vec_decimal value = {.value = text_wide(vec, at), .scale = vec->type.scale};
    char               few[VEC_DECIMAL_TEXT_BYTES];
    int                digits = MAX(vec_decimal_digits(value.value), 1);
    int                exponent = digits - 1 - value.scale;
    size_t             len;

    if (style == FORMAT_STYLE_TABLE || exponent >= -6) {
        format_text_put(text, few, vec_decimal_format(value, few));
        return;
    }
    value.scale = digits - 1;
    len = vec_decimal_format(value, few);
    format_text_put(text, few, len);
    format_text_put(text, few, (size_t)snprintf(few, sizeof(few), "E%d", exponent));
}

/* Java's: seconds only where there are any (or always), a fraction of 3, 6 or 9 digits. */
static void text_put_clock(struct format_text *text, const struct vec_civil *civil, bool with_seconds)
{
    char   few[32];
    size_t len = (size_t)snprintf(few, sizeof(few), "%02d:%02d", civil->hour, civil->minute);

    format_text_put(text, few, len);
    if (!with_seconds && civil->second == 0 && civil->nanosecond == 0) {
        return;
    }
    format_text_put(text, few, (size_t)snprintf(few, sizeof(few), ":%02d", civil->second));
    if (civil->nanosecond == 0) {
        return;
    }
    len = civil->nanosecond % 1000000 == 0 ? 3 : civil->nanosecond % 1000 == 0 ? 6 : 9;
    (void)snprintf(few, sizeof(few), ".%09d", civil->nanosecond);
    format_text_put(text, few, len + 1);
}

static void text_put_timestamp(struct format_text *text, const struct vec *vec, size_t at, enum format_style style)
{
    struct vec_civil civil = vec_civil_of_timestamp(text_wide(vec, at), vec_timestamp_units(vec->type));
    char             few[VEC_TIME_TEXT_BYTES];
    bool             zoned = vec->type.kind == VEC_TIMESTAMP_LTZ;

    if (style == FORMAT_STYLE_TABLE) {
        format_text_put(text, few, vec_timestamp_format(civil, ' ', vec->type.precision, few));
        return;
    }
    format_text_put(text, few, vec_date_format(vec_days_from_civil(civil.year, civil.month, civil.day), few));
    format_text_put(text, "T", 1);
    text_put_clock(text, &civil, zoned);
    if (zoned) {
        format_text_put(text, "Z", 1);
    }
}

static void text_put_time(struct format_text *text, int32_t ms, int precision, enum format_style style)
{
    char few[VEC_TIME_TEXT_BYTES];

    if (style == FORMAT_STYLE_TABLE) {
        format_text_put(text, few, vec_time_format_ms(ms, precision, few));
    } else {
        struct vec_civil civil = {.hour = ms / 3600000,
                                  .minute = ms / 60000 % 60,
                                  .second = ms / 1000 % 60,
                                  .nanosecond = ms % 1000 * 1000000};

        text_put_clock(text, &civil, false);
    }
}

static void text_put_bytes(struct format_text *text, struct view bytes, enum format_style style)
{
    char few[8];

    format_text_put_string(text, style == FORMAT_STYLE_TABLE ? "x'" : "[");
    for (size_t i = 0; i < bytes.len; i++) {
        int len = style == FORMAT_STYLE_TABLE
                      ? snprintf(few, sizeof(few), "%02x", bytes.base[i])
                      : snprintf(few, sizeof(few), "%s%d", i > 0 ? ", " : "", (int)(int8_t)bytes.base[i]);

        format_text_put(text, few, (size_t)len);
    }
    format_text_put_string(text, style == FORMAT_STYLE_TABLE ? "'" : "]");
}

/* INTERVAL: +1-02, +3 04:05:06.789. */
static void text_put_interval(struct format_text *text, const struct vec *vec, size_t at)
{
    char     few[64];
    int64_t  value = text_integer(vec, at);
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char     sign = value < 0 ? '-' : '+';
    int      len;

    if (vec->type.kind == VEC_INTERVAL_MONTH) {
        len = snprintf(few, sizeof(few), "%c%llu-%02llu", sign, (unsigned long long)(size / 12),
                       (unsigned long long)(size % 12));
    } else {
        len = snprintf(few, sizeof(few), "%c%llu %02llu:%02llu:%02llu.%03llu", sign,
                       (unsigned long long)(size / 86400000), (unsigned long long)(size / 3600000 % 24),
                       (unsigned long long)(size / 60000 % 60), (unsigned long long)(size / 1000 % 60),
                       (unsigned long long)(size % 1000));
    }
    format_text_put(text, few, (size_t)len);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void text_put_list(struct format_text *text, const struct vec *vec, size_t at, enum format_style style)
{
    struct vec_list list = ((const struct vec_list *)vec->data)[at];

    format_text_put(text, "[", 1);
    for (uint32_t i = 0; i < list.len; i++) {
        format_text_put(text, ", ", i > 0 ? 2 : 0);
        format_text_put_value(text, vec->children, list.offset + i, style);
    }
    format_text_put(text, "]", 1);
}

static void text_put_row(struct format_text *text, const struct vec *vec, size_t at, enum format_style style)
{
    format_text_put_string(text, style == FORMAT_STYLE_TABLE ? "(" : "+I[");
    for (uint32_t i = 0; i < vec->type.child_count; i++) {
        format_text_put(text, ", ", i > 0 ? 2 : 0);
        format_text_put_value(text, &vec->children[i], at, style);
    }
    format_text_put_string(text, style == FORMAT_STYLE_TABLE ? ")" : "]");
}

static void text_put_leaf(struct format_text *text, const struct vec *vec, size_t at, enum format_style style)
{
    char        few[VEC_TIME_TEXT_BYTES];
    struct view bytes;

    switch (vec->type.kind) {
    case VEC_BOOLEAN:
        format_text_put_string(text, text_integer(vec, at) != 0 ? (style == FORMAT_STYLE_TABLE ? "TRUE" : "true")
                                                                : (style == FORMAT_STYLE_TABLE ? "FALSE" : "false"));
        return;
    case VEC_FLOAT:
        format_text_put(text, few, vec_float_format(((const float *)vec->data)[at], few));
        return;
    case VEC_DOUBLE:
        format_text_put(text, few, vec_double_format(((const double *)vec->data)[at], few));
        return;
    case VEC_DECIMAL:
        text_put_decimal(text, vec, at, style);
        return;
    case VEC_CHAR:
    case VEC_VARCHAR:
        bytes = vec_string_view(&((const struct vec_string *)vec->data)[at]);
        format_text_put(text, bytes.base, bytes.len);
        return;
    case VEC_BINARY:
    case VEC_VARBINARY:
        text_put_bytes(text, vec_string_view(&((const struct vec_string *)vec->data)[at]), style);
        return;
    case VEC_DATE:
        format_text_put(text, few, vec_date_format(text_integer(vec, at), few));
        return;
    case VEC_TIME:
        text_put_time(text, (int32_t)text_integer(vec, at), vec->type.precision, style);
        return;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        text_put_timestamp(text, vec, at, style);
        return;
    case VEC_INTERVAL_MONTH:
    case VEC_INTERVAL_DAY:
        text_put_interval(text, vec, at);
        return;
    default:
        text_put_number(text, text_integer(vec, at));
        return;
    }
}

void format_text_put_value(struct format_text *text, const struct vec *vec, size_t row, enum format_style style)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);

    if (vec_is_null(vec, row) || vec->type.kind == VEC_NULL) {
        format_text_put_string(text, style == FORMAT_STYLE_TABLE ? "<NULL>" : "null");
    } else if (vec->type.kind == VEC_ROW) {
        text_put_row(text, vec, at, style);
    } else if (vec->type.kind == VEC_ARRAY) {
        text_put_list(text, vec, at, style);
    } else {
        text_put_leaf(text, vec, at, style);
    }
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

static void key_put_u64(struct format_text *text, uint64_t value)
{
    uint8_t bytes[sizeof(value)];

    store_be64(bytes, value);
    format_text_put(text, bytes, sizeof(bytes));
}

/* Bytes end with 0 0; a 0 within is 0 1: no text is the beginning of another's encoding. */
static void key_put_bytes(struct format_text *text, struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        format_text_put(text, &bytes.base[i], 1);
        if (bytes.base[i] == 0) {
            format_text_put(text, "\1", 1);
        }
    }
    format_text_put(text, "\0\0", 2);
}

static void key_put_double(struct format_text *text, double value)
{
    uint64_t bits;

    if (__builtin_isnan(value)) {
        value = __builtin_nan("");
    }
    memcpy(&bits, &value, sizeof(bits));
    key_put_u64(text, (bits >> 63) != 0 ? ~bits : bits | UINT64_C(1) << 63);
}

static void key_put_list(struct format_text *text, const struct vec *vec, size_t at)
{
    struct vec_list list = ((const struct vec_list *)vec->data)[at];

    for (uint32_t i = 0; i < list.len; i++) {
        format_text_put(text, "\1", 1);
        format_text_put_key(text, vec->children, list.offset + i);
    }
    format_text_put(text, "\0", 1);
}

static void key_put_leaf(struct format_text *text, const struct vec *vec, size_t at)
{
    vec_int128 wide;

    switch (vec_type_layout(vec->type)) {
    case VEC_LAYOUT_STRING:
        key_put_bytes(text, vec_string_view(&((const struct vec_string *)vec->data)[at]));
        return;
    case VEC_LAYOUT_FLOAT:
        key_put_double(text, (double)((const float *)vec->data)[at]);
        return;
    case VEC_LAYOUT_DOUBLE:
        key_put_double(text, ((const double *)vec->data)[at]);
        return;
    case VEC_LAYOUT_INT128:
        wide = text_wide(vec, at);
        key_put_u64(text, (uint64_t)((vec_uint128)wide >> 64) ^ UINT64_C(1) << 63);
        key_put_u64(text, (uint64_t)wide);
        return;
    default:
        key_put_u64(text, (uint64_t)text_integer(vec, at) ^ UINT64_C(1) << 63);
        return;
    }
}

void format_text_put_key(struct format_text *text, const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);

    if (vec_is_null(vec, row) || vec->type.kind == VEC_NULL) {
        format_text_put(text, "\0", 1);
        return;
    }
    format_text_put(text, "\1", 1);
    if (vec->type.kind == VEC_ROW) {
        for (uint32_t i = 0; i < vec->type.child_count; i++) {
            format_text_put_key(text, &vec->children[i], at);
        }
    } else if (vec->type.kind == VEC_ARRAY) {
        key_put_list(text, vec, at);
    } else {
        key_put_leaf(text, vec, at);
    }
}
