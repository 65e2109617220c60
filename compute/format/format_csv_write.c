/* Rows to CSV as Jackson's CsvEncoder writes them: no line feed behind a row, quotes only where they may be needed. */
#include "compute/format/format_write.h"
#include "compute/vec/vec_number.h"

#define QUOTE_CHECK_CHARS_MAX 24 /* longer texts are quoted without looking */

/* How many of Java's chars the text has. */
static size_t chars_of(struct view text)
{
    size_t chars = 0;

    for (size_t i = 0; i < text.len; i++) {
        chars += (text.base[i] & 0xc0) != 0x80;
        chars += text.base[i] >= 0xf0;
    }
    return chars;
}

/* Everything up to the larger of delimiter, quote and line feed is suspect. */
static bool may_need_quotes(const struct format_options *options, struct view text)
{
    uint8_t escape = options->escape == '\0' ? '\\' : (uint8_t)options->escape;
    uint8_t safe_min = (uint8_t)(MAX(MAX(options->field_delimiter, options->quote), '\n') + 1);

    if (options->quote == '\0') {
        return false;
    }
    if (chars_of(text) > QUOTE_CHECK_CHARS_MAX) {
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] < safe_min || text.base[i] == escape) {
            return true;
        }
    }
    return false;
}

static bool has_lone_surrogate(struct view text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.base[i] == 0xed && text.base[i + 1] >= 0xa0) {
            return true;
        }
    }
    return false;
}

static void put_text(struct format_encoder *encoder, struct view text)
{
    const struct format_options *options = &encoder->options;
    bool                         quoted = may_need_quotes(options, text);

    if (has_lone_surrogate(text)) {
        (void)strcpy(encoder->failure.message, "half a surrogate pair cannot be written in UTF-8");
    }
    if (!quoted) {
        format__put(encoder, text.base, text.len);
        return;
    }
    format__put_mark(encoder, options->quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] == (uint8_t)options->quote) {
            format__put_mark(encoder, options->quote); /* doubled, also where there is an escape character */
        } else if (options->escape != '\0' && text.base[i] == (uint8_t)options->escape) {
            format__put_mark(encoder, options->escape);
        }
        format__put_mark(encoder, (char)text.base[i]);
    }
    format__put_mark(encoder, options->quote);
}

/* java.time's ISO_LOCAL_TIME: the fraction has 0, 3, 6 or 9 digits in the TIME type's milliseconds that is 0 or 3. */
static size_t format_time(int32_t ms, char out_text[VEC_TIME_TEXT_BYTES])
{
    return vec_time_format_ms(ms, ms % 1000 == 0 ? 0 : 3, out_text);
}

/* A simple value as a text; false: it is not one. */
static struct view scalar_text(const struct format_encoder *encoder, const struct vec *vec, size_t position,
                               char out_text[VEC_DECIMAL_TEXT_BYTES])
{
    size_t len;

    switch (vec->type.kind) {
    case VEC_BOOLEAN:
        return view_text(format__integer_at(vec, position) != 0 ? "true" : "false");
    case VEC_FLOAT:
        len = vec_float_format(((const float *)vec->data)[position], out_text);
        break;
    case VEC_DOUBLE:
        len = vec_double_format(((const double *)vec->data)[position], out_text);
        break;
    case VEC_DECIMAL:
        len = encoder->options.scientific ? vec_decimal_format_stripped(format__decimal_at(vec, position), out_text)
                                          : vec_decimal_format(format__decimal_at(vec, position), out_text);
        break;
    case VEC_DATE:
        len = vec_date_format(format__integer_at(vec, position), out_text);
        break;
    case VEC_TIME:
        len = format_time((int32_t)format__integer_at(vec, position), out_text);
        break;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        len = vec_timestamp_format(format__civil_at(vec, position), ' ', -1, out_text);
        if (vec->type.kind == VEC_TIMESTAMP_LTZ) {
            out_text[len++] = 'Z';
        }
        break;
    default:
        len = format__digits(format__integer_at(vec, position), out_text);
        break;
    }
    return view_of(out_text, len);
}

static bool is_bare(enum vec_kind kind)
{
    return kind == VEC_BOOLEAN || vec_kind_is_numeric(kind);
}

/* Texts are looked at for quotes; numbers and words are not. */
static void put_scalar(struct format_encoder *encoder, const struct vec *vec, size_t position)
{
    char        text[VEC_DECIMAL_TEXT_BYTES];
    struct view view;

    if (format__is_null(vec, position)) {
        if (encoder->options.has_null_literal) {
            format__put(encoder, encoder->options.null_literal.base, encoder->options.null_literal.len);
        }
        return;
    }
    if (vec->type.kind == VEC_BINARY || vec->type.kind == VEC_VARBINARY) {
        struct view bytes = format__string_at(vec, position);
        size_t      start = encoder->len;
        struct view copy;

        (void)format__room(encoder, bytes.len / 3 * 4 + 4);
        encoder->len += format__base64_encode(bytes, encoder->bytes + start);
        copy = arena_copy(&encoder->row, view_of(encoder->bytes + start, encoder->len - start));
        CHECK(copy.base != NULL);
        encoder->len = start;
        put_text(encoder, copy);
        return;
    }
    view =
        vec_kind_is_text(vec->type.kind) ? format__string_at(vec, position) : scalar_text(encoder, vec, position, text);
    if (is_bare(vec->type.kind)) {
        format__put(encoder, view.base, view.len);
    } else {
        put_text(encoder, view);
    }
}

/* One value of several, joined; then looked at for quotes as a whole. */
static void put_joined(struct format_encoder *encoder, const struct vec *vec, size_t position)
{
    bool            is_row = vec->type.kind == VEC_ROW;
    struct vec_list list = {0};
    size_t          start = encoder->len;
    struct view     copy;
    char            quote = encoder->options.quote;

    encoder->options.quote = '\0';
    if (!is_row) {
        list = ((const struct vec_list *)vec->data)[position];
    }
    for (uint32_t i = 0; i < (is_row ? vec->type.child_count : list.len); i++) {
        const struct vec *child = &vec->children[is_row ? i : 0];

        if (i > 0) {
            format__put_mark(encoder, encoder->options.array_delimiter);
        }
        put_scalar(encoder, child, format__position(child, is_row ? position : list.offset + i));
    }
    encoder->options.quote = quote;
    copy = arena_copy(&encoder->row, view_of(encoder->bytes + start, encoder->len - start));
    CHECK(copy.base != NULL);
    encoder->len = start;
    put_text(encoder, copy);
}

bool format__csv_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row)
{
    arena_reset(&encoder->row);
    for (uint32_t i = 0; i < encoder->column_count; i++) {
        const struct vec *vec = &columns[i];
        size_t            position = format__position(vec, row);

        if (i > 0) {
            format__put_mark(encoder, encoder->options.field_delimiter);
        }
        if ((vec->type.kind == VEC_ROW || vec->type.kind == VEC_ARRAY) && !format__is_null(vec, position)) {
            (void)format__room(encoder, 1);
            put_joined(encoder, vec, position);
        } else {
            put_scalar(encoder, vec, position);
        }
    }
    return encoder->failure.message[0] == '\0';
}
