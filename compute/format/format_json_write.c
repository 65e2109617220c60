/* Rows to JSON as Flink's JsonRowDataSerializationSchema writes it. */
#include "compute/format/format_json.h"
#include "compute/format/format_scan.h"
#include "compute/format/format_write.h"
#include "compute/vec/vec_number.h"

static void write_value(struct format_encoder *encoder, const struct format__target *target, const struct vec *vec,
                        size_t position);

static size_t put_unit_escape(char *out, uint32_t unit)
{
    static const char hex[] = "0123456789ABCDEF";

    out[0] = '\\';
    out[1] = 'u';
    for (int i = 0; i < 4; i++) {
        out[2 + i] = hex[unit >> (12 - 4 * i) & 15];
    }
    return 6;
}

/* What scan_plain() stopped at; returns the bytes of the text that it was. */
static size_t write_escape(struct format_encoder *encoder, const uint8_t *at, size_t len)
{
    char *out = format__room(encoder, 12);

    if (at[0] == 0xed && len >= 3) {
        if (at[1] >= 0xa0) {
            encoder->len += put_unit_escape(out, 0xd000U | (at[1] & 0x3fU) << 6 | (at[2] & 0x3fU));
        } else {
            format__put(encoder, at, 3);
        }
        return 3;
    }
    if (at[0] >= 0xf0 && len >= 4) {
        uint32_t code =
            ((at[0] & 7U) << 18 | (at[1] & 0x3fU) << 12 | (at[2] & 0x3fU) << 6 | (at[3] & 0x3fU)) - 0x10000U;

        encoder->len += put_unit_escape(out, 0xd800U | (code >> 10 & 0x3ff));
        encoder->len += put_unit_escape(out + 6, 0xdc00U | (code & 0x3ff));
        return 4;
    }
    if (at[0] >= 0x80) { /* no UTF-8: only a function can make such texts */
        format__put(encoder, at, 1);
        return 1;
    }
    encoder->len += json_escape(at[0], out);
    return 1;
}

/* Copies what stands in JSON as it is, 16 bytes at a time; returns how much that was. There is room for 16 bytes more
 * than the text has. */
static inline size_t copy_plain(char *out, const uint8_t *at, size_t len)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; len - i >= 16; i += 16) {
        memcpy(out + i, at + i, 16);
        if (scan_plain(at + i, 16) < 16) {
            return i + scan_plain(at + i, 16);
        }
    }
#endif
    for (; i < len && at[i] >= ' ' && at[i] != '"' && at[i] != '\\' && at[i] < 0xed; i++) {
        out[i] = (char)at[i];
    }
    return i;
}

static void write_string(struct format_encoder *encoder, struct view text)
{
    format__put_mark(encoder, '"');
    for (size_t at = 0; at < text.len;) {
        char  *out = format__room(encoder, text.len - at + 16);
        size_t plain = copy_plain(out, text.base + at, text.len - at);

        encoder->len += plain;
        at += plain;
        if (at < text.len) {
            at += write_escape(encoder, text.base + at, text.len - at);
        }
    }
    format__put_mark(encoder, '"');
}

void format__json_key(struct format_encoder *encoder, struct format__target *target)
{
    size_t start = encoder->len;
    char  *key;

    /* Composed in the output, which is empty as long as the encoder is being made. */
    write_string(encoder, target->name);
    format__put_mark(encoder, ':');
    target->key_len = encoder->len - start;
    key = arena_alloc(&encoder->plan, target->key_len + 16);
    CHECK(key != NULL);
    memcpy(key, encoder->bytes + start, target->key_len);
    target->key = key;
    encoder->len = start;
}

static void write_quoted(struct format_encoder *encoder, const char *text, size_t len)
{
    char *out = format__room(encoder, len + 2);

    out[0] = '"';
    memcpy(out + 1, text, len);
    out[len + 1] = '"';
    encoder->len += len + 2;
}

static void write_decimal(struct format_encoder *encoder, const struct vec *vec, size_t position)
{
    char               text[VEC_DECIMAL_TEXT_BYTES];
    struct vec_decimal decimal = format__decimal_at(vec, position);

    if (encoder->options.decimal_as_plain) {
        format__put(encoder, text, vec_decimal_format(decimal, text));
        return;
    }
    format__put(encoder, text, vec_decimal_format_stripped(decimal, text));
}

static inline char *put_two(char *out, uint32_t value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

/* Microseconds as yyyy-MM-dd HH:mm:ss[.fraction]; the day is mostly that of the row before. */
static void write_microseconds(struct format_encoder *encoder, int64_t value, char suffix)
{
    int64_t  day = vec_floor_divide(value, VEC_US_PER_DAY);
    uint64_t rest = (uint64_t)(value - day * VEC_US_PER_DAY);
    uint32_t seconds = (uint32_t)(rest / 1000000), fraction = (uint32_t)(rest % 1000000);
    char    *start = format__room(encoder, VEC_TIME_TEXT_BYTES), *out = start;

    if (UNLIKELY(encoder->day_len == 0 || day != encoder->day)) {
        encoder->day = day;
        encoder->day_len = vec_date_format(day, encoder->day_text);
    }
    *out++ = '"';
    memcpy(out, encoder->day_text, 16); /* the usual length is 10 */
    if (UNLIKELY(encoder->day_len > 16)) {
        memcpy(out, encoder->day_text, encoder->day_len);
    }
    out += encoder->day_len;
    *out++ = encoder->options.iso_8601 ? 'T' : ' ';
    out = put_two(out, seconds / 3600);
    *out++ = ':';
    out = put_two(out, seconds / 60 % 60);
    *out++ = ':';
    out = put_two(out, seconds % 60);
    if (fraction != 0) {
        *out++ = '.';
        for (uint32_t place = 100000; fraction != 0; place /= 10) {
            *out++ = (char)('0' + fraction / place);
            fraction %= place;
        }
    }
    if (suffix != '\0') {
        *out++ = suffix;
    }
    *out++ = '"';
    encoder->len += (size_t)(out - start);
}

static void write_timestamp(struct format_encoder *encoder, const struct vec *vec, size_t position)
{
    char             text[VEC_TIME_TEXT_BYTES + 1];
    char             suffix = vec->type.kind == VEC_TIMESTAMP_LTZ ? 'Z' : '\0';
    struct vec_civil civil;
    size_t           len;

    if (vec->type.precision <= 6) {
        write_microseconds(encoder, ((const int64_t *)vec->data)[position], suffix);
        return;
    }
    civil = format__civil_at(vec, position);
    len = vec_timestamp_format(civil, encoder->options.iso_8601 ? 'T' : ' ', -1, text);
    if (suffix != '\0') {
        text[len++] = suffix;
    }
    write_quoted(encoder, text, len);
}

static void write_bytes(struct format_encoder *encoder, struct view bytes)
{
    char *out = format__room(encoder, bytes.len / 3 * 4 + 6);

    out[0] = '"';
    encoder->len += 1 + format__base64_encode(bytes, out + 1);
    format__put_mark(encoder, '"');
}

static inline void write_key(struct format_encoder *encoder, const struct format__target *field, char before)
{
    char *out = format__room(encoder, field->key_len + 17);

    out[0] = before;
    memcpy(out + 1, field->key, 16); /* keys have room for 16 bytes */
    if (UNLIKELY(field->key_len > 16)) {
        memcpy(out + 1, field->key, field->key_len);
    }
    encoder->len += field->key_len + 1;
}

static void write_row(struct format_encoder *encoder, const struct format__target *fields, uint32_t count,
                      const struct vec *columns, size_t row)
{
    char before = '{';

    for (uint32_t i = 0; i < count; i++) {
        size_t position = format__position(&columns[i], row);

        if (encoder->options.ignore_null_fields && format__is_null(&columns[i], position)) {
            continue;
        }
        write_key(encoder, &fields[i], before);
        write_value(encoder, &fields[i], &columns[i], position);
        before = ',';
    }
    format__put(encoder, before == '{' ? "{}" : "}", before == '{' ? 2 : 1);
}

static void write_array(struct format_encoder *encoder, const struct format__target *target, const struct vec *vec,
                        size_t position)
{
    struct vec_list   list = ((const struct vec_list *)vec->data)[position];
    const struct vec *elements = &vec->children[0];

    format__put_mark(encoder, '[');
    for (uint32_t i = 0; i < list.len; i++) {
        if (i > 0) {
            format__put_mark(encoder, ',');
        }
        write_value(encoder, &target->children[0], elements, format__position(elements, list.offset + i));
    }
    format__put_mark(encoder, ']');
}

/* JSON has no words for what is not finite: Jackson writes them as texts. */
static void write_real(struct format_encoder *encoder, const struct vec *vec, size_t position)
{
    char   text[VEC_NUMBER_TEXT_BYTES];
    size_t len;

    if (vec->type.kind == VEC_FLOAT) {
        len = vec_float_format(((const float *)vec->data)[position], text);
    } else {
        len = vec_double_format(((const double *)vec->data)[position], text);
    }
    if (text[len - 1] >= '0' && text[len - 1] <= '9') {
        format__put(encoder, text, len);
    } else {
        write_quoted(encoder, text, len);
    }
}

static void write_value(struct format_encoder *encoder, const struct format__target *target, const struct vec *vec,
                        size_t position)
{
    char   text[VEC_TIME_TEXT_BYTES];
    size_t len;

    if (format__is_null(vec, position)) {
        format__put(encoder, "null", 4);
        return;
    }
    switch (vec->type.kind) {
    case VEC_BOOLEAN:
        len = format__integer_at(vec, position) != 0 ? 4 : 5;
        format__put(encoder, len == 4 ? "true" : "false", len);
        break;
    case VEC_FLOAT:
    case VEC_DOUBLE:
        write_real(encoder, vec, position);
        break;
    case VEC_DECIMAL:
        write_decimal(encoder, vec, position);
        break;
    case VEC_CHAR:
    case VEC_VARCHAR:
        write_string(encoder, format__string_at(vec, position));
        break;
    case VEC_BINARY:
    case VEC_VARBINARY:
        write_bytes(encoder, format__string_at(vec, position));
        break;
    case VEC_DATE:
        write_quoted(encoder, text, vec_date_format(format__integer_at(vec, position), text));
        break;
    case VEC_TIME: /* whole seconds */
        write_quoted(encoder, text, vec_time_format_ms((int32_t)format__integer_at(vec, position), 0, text));
        break;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        write_timestamp(encoder, vec, position);
        break;
    case VEC_ROW:
        write_row(encoder, target->children, target->child_count, vec->children, position);
        break;
    case VEC_ARRAY:
        write_array(encoder, target, vec, position);
        break;
    default:
        len = format__digits(format__integer_at(vec, position), format__room(encoder, 20));
        encoder->len += len;
        break;
    }
}

bool format__json_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row)
{
    write_row(encoder, encoder->columns, encoder->column_count, columns, row);
    return true;
}
