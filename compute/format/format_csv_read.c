/* Records of CSV to columns, as Jackson's CsvDecoder splits them and Flink's CsvToRowDataConverters reads them.
 *
 * A record is one row: what stands behind the first line feed outside of quotes is not looked at. Every value is a text
 * first; one that equals the null literal is null. ROW and ARRAY are one value, split at the array delimiter. */
#include "compute/format/format_internal.h"

#include "compute/format/format_json.h"

struct reader {
    const uint8_t               *at, *end;
    const struct format_options *options;
    struct arena                *texts;
    bool                         at_end; /* of the row */
    const char                  *problem;
};

static bool is_mark(uint8_t byte, char mark)
{
    return mark != '\0' && byte == (uint8_t)mark;
}

static uint8_t unescaped(uint8_t byte)
{
    static const char marks[] = "0nrt";
    static const char meant[] = "\0\n\r\t";
    const char       *mark = byte == 0 ? NULL : strchr(marks, byte);

    return mark == NULL ? byte : (uint8_t)meant[mark - marks];
}

/* Behind a value: its delimiter, or the row's end. */
static bool end_value(struct reader *reader)
{
    if (reader->at == reader->end || *reader->at == '\n' || *reader->at == '\r') {
        reader->at_end = true;
        return true;
    }
    if (is_mark(*reader->at, reader->options->field_delimiter)) {
        reader->at++;
        return true;
    }
    return false;
}

static uint8_t *begin_copy(struct reader *reader)
{
    uint8_t *copy = arena_alloc(reader->texts, (size_t)(reader->end - reader->at) + 1);

    CHECK(copy != NULL);
    return copy;
}

/* Behind the opening quote. */
static bool read_quoted(struct reader *reader, struct view *out_text)
{
    const struct format_options *options = reader->options;
    uint8_t                     *copy = begin_copy(reader);
    size_t                       len = 0;

    for (;;) {
        uint8_t byte;

        if (reader->at == reader->end) {
            reader->problem = "a quote is not closed";
            return false;
        }
        byte = *reader->at++;
        if (is_mark(byte, options->quote)) {
            if (reader->at == reader->end || !is_mark(*reader->at, options->quote)) {
                break;
            }
            reader->at++;
        } else if (is_mark(byte, options->escape)) {
            if (reader->at == reader->end) {
                reader->problem = "an escape character without what it escapes";
                return false;
            }
            byte = unescaped(*reader->at++);
        }
        copy[len++] = byte;
    }
    *out_text = view_of(copy, len);
    while (reader->at < reader->end && *reader->at <= ' ' && *reader->at != '\n' && *reader->at != '\r' &&
           !is_mark(*reader->at, options->field_delimiter)) {
        reader->at++;
    }
    if (!end_value(reader)) {
        reader->problem = "no delimiter behind a closing quote";
        return false;
    }
    return true;
}

static bool read_plain(struct reader *reader, struct view *out_text)
{
    const struct format_options *options = reader->options;
    const uint8_t               *start = reader->at;
    uint8_t                     *copy = NULL;
    size_t                       len = 0;

    while (!end_value(reader)) {
        uint8_t byte = *reader->at++;

        if (is_mark(byte, options->escape)) {
            if (copy == NULL) {
                copy = begin_copy(&(struct reader){.at = start, .end = reader->end, .texts = reader->texts});
                memcpy(copy, start, len);
            }
            if (reader->at == reader->end) {
                reader->problem = "an escape character without what it escapes";
                return false;
            }
            byte = unescaped(*reader->at++);
        }
        if (copy != NULL) {
            copy[len] = byte;
        }
        len++;
    }
    *out_text = view_of(copy == NULL ? start : copy, len);
    return true;
}

static bool read_text(struct reader *reader, struct view *out_text)
{
    if (reader->at < reader->end && is_mark(*reader->at, reader->options->quote)) {
        reader->at++;
        return read_quoted(reader, out_text);
    }
    return read_plain(reader, out_text);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static enum format__result convert(struct format_decoder *decoder, const struct format__field *field, struct view text,
                                   uint32_t position);

static enum format__result unfit(struct format_decoder *decoder, const struct format__field *field, struct view text)
{
    char type[96];
    char piece[FORMAT_PIECE_BYTES];

    if (decoder->options.ignore_parse_errors) {
        return FORMAT_BAD;
    }
    (void)vec_type_format(field->type, type, sizeof(type));
    return format__bad(decoder, field->name, "'%s' does not fit %s", format__piece(text, piece), type);
}

/* java.sql.Date.valueOf: four digits, one or two, one or two; a day that the month has not is counted on. */
static bool parse_date(struct view text, int32_t *out_days)
{
    int64_t parts[3] = {0};
    size_t  at = 0;

    for (size_t part = 0; part < 3; part++) {
        size_t start = at;

        for (; at < text.len && text.base[at] >= '0' && text.base[at] <= '9' && at - start < 4; at++) {
            parts[part] = parts[part] * 10 + (text.base[at] - '0');
        }
        if (part == 0 ? at - start != 4 : at == start || at - start > 2) {
            return false;
        }
        if (part < 2 && (at == text.len || text.base[at++] != '-')) {
            return false;
        }
    }
    if (at != text.len || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31) {
        return false;
    }
    *out_days = (int32_t)vec_days_from_civil(parts[0], parts[1], parts[2]);
    return true;
}

static enum format__result convert_time(struct format_decoder *decoder, const struct format__field *field,
                                        struct view text, union format__value *out_value)
{
    static const int64_t steps_ms[] = {1000, 100, 10, 1};
    struct vec_civil     civil;
    int64_t              nanoseconds;
    int32_t              days;

    switch (field->type.kind) {
    case VEC_DATE:
        if (!parse_date(text, &days)) {
            return unfit(decoder, field, text);
        }
        out_value->integer = days;
        return FORMAT_OK;
    case VEC_TIME:
        if (!format__parse_time(text, FORMAT_TIME_ISO, &nanoseconds)) {
            return unfit(decoder, field, text);
        }
        out_value->integer = nanoseconds / NS_PER_MS;
        out_value->integer -= out_value->integer % steps_ms[MIN(field->type.precision, 3)];
        return FORMAT_OK;
    default:
        text = format__trim(text);
        if (!format__parse_timestamp(text, FORMAT_TIME_SQL, field->type.kind == VEC_TIMESTAMP_LTZ, &civil)) {
            return unfit(decoder, field, text);
        }
        return format__timestamp_value(decoder, field->name, field->type, civil, out_value);
    }
}

static bool is_true(struct view text)
{
    return text.len == 4 && (text.base[0] | 0x20) == 't' && (text.base[1] | 0x20) == 'r' &&
           (text.base[2] | 0x20) == 'u' && (text.base[3] | 0x20) == 'e';
}

static enum format__result convert_number(struct format_decoder *decoder, const struct format__field *field,
                                          struct view text, union format__value *out_value)
{
    struct view trimmed = format__trim(text);
    int64_t     low, high;
    bool        ok;

    switch (field->type.kind) {
    case VEC_BOOLEAN:
        out_value->integer = is_true(trimmed);
        return FORMAT_OK;
    case VEC_FLOAT:
        ok = format__parse_single(trimmed, &out_value->single);
        break;
    case VEC_DOUBLE:
        ok = format__parse_real(trimmed, &out_value->real);
        break;
    case VEC_DECIMAL:
        return format__decimal_value(decoder, field->name, field->type, text, out_value);
    default:
        CHECK(format__integer_range(field->type.kind, &low, &high));
        ok = format__parse_integer(trimmed, low, high, &out_value->integer);
        break;
    }
    return ok ? FORMAT_OK : unfit(decoder, field, text);
}

static enum format__result convert_text(struct format_decoder *decoder, const struct format__field *field,
                                        struct view text, union format__value *out_value)
{
    uint8_t *bytes;
    size_t   len;

    if (vec_kind_is_text(field->type.kind)) {
        out_value->string = vec_string_of((const char *)text.base, (uint32_t)text.len);
        return FORMAT_OK;
    }
    bytes = format__alloc(decoder, text.len);
    if (!format__base64_decode(text, bytes, &len)) {
        return unfit(decoder, field, text);
    }
    out_value->string = vec_string_of((const char *)bytes, (uint32_t)len);
    return FORMAT_OK;
}

static enum format__result convert_scalar(struct format_decoder *decoder, const struct format__field *field,
                                          struct view text, uint32_t position)
{
    union format__value value = {.wide = 0};
    enum format__result result;

    switch (field->type.kind) {
    case VEC_NULL:
        return FORMAT_NULL;
    case VEC_CHAR:
    case VEC_VARCHAR:
    case VEC_BINARY:
    case VEC_VARBINARY:
        result = convert_text(decoder, field, text, &value);
        break;
    case VEC_DATE:
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        result = convert_time(decoder, field, text, &value);
        break;
    default:
        result = convert_number(decoder, field, text, &value);
        break;
    }
    if (result == FORMAT_OK && field->column != NULL) {
        format__column_store(field->column, position, &value);
    }
    return result;
}

/* The next piece of a value that is an array; false: there is none. An empty value has no piece. */
static bool next_piece(const struct format_options *options, struct view *rest, bool *begun, struct view *out_piece)
{
    size_t len = 0;

    if (rest->base == NULL || (!*begun && format__trim(*rest).len == 0)) {
        return false;
    }
    *begun = true;
    while (len < rest->len && rest->base[len] != (uint8_t)options->array_delimiter) {
        len++;
    }
    *out_piece = view_of(rest->base, len);
    *rest = len == rest->len ? view_of(NULL, 0) : view_of(rest->base + len + 1, rest->len - len - 1);
    return true;
}

static enum format__result convert_array(struct format_decoder *decoder, const struct format__field *field,
                                         struct view text, uint32_t position)
{
    const struct format__field *element = &field->fields[0];
    union format__value         value = {.list = {0}};
    struct view                 piece;
    bool                        begun = false;

    value.list.offset = element->column == NULL ? 0 : element->column->used;
    while (next_piece(&decoder->options, &text, &begun, &piece)) {
        uint32_t            at = element->column == NULL ? 0 : format__column_extend(element->column, 1);
        enum format__result result = convert(decoder, element, piece, at);

        value.list.len++;
        if (result != FORMAT_OK && result != FORMAT_NULL) {
            return result;
        }
    }
    if (field->column != NULL) {
        format__column_store(field->column, position, &value);
    }
    return FORMAT_OK;
}

static enum format__result convert_row(struct format_decoder *decoder, const struct format__field *field,
                                       struct view text, uint32_t position)
{
    struct view rest = text, piece;
    uint32_t    count = 0;
    bool        begun = false;

    while (next_piece(&decoder->options, &rest, &begun, &piece)) {
        count++;
    }
    if (count == 0) {
        return FORMAT_NULL;
    }
    if (count < field->field_count && !decoder->options.ignore_parse_errors) {
        return format__bad(decoder, field->name, "%u values were expected, found %u", field->field_count, count);
    }
    rest = text;
    begun = false;
    for (uint32_t i = 0; i < field->field_count && next_piece(&decoder->options, &rest, &begun, &piece); i++) {
        enum format__result result = convert(decoder, &field->fields[i], piece, position);

        if (result != FORMAT_OK && result != FORMAT_NULL) {
            return result;
        }
    }
    if (field->column != NULL) {
        format__column_mark(field->column, position);
    }
    return FORMAT_OK;
}

static enum format__result convert(struct format_decoder *decoder, const struct format__field *field, struct view text,
                                   uint32_t position)
{
    enum format__result result = FORMAT_NULL;
    bool                is_nested = field->type.kind == VEC_ROW || field->type.kind == VEC_ARRAY;

    if (is_nested || !decoder->options.has_null_literal || !view_equal(text, decoder->options.null_literal)) {
        if (field->type.kind == VEC_ROW) {
            result = convert_row(decoder, field, text, position);
        } else if (field->type.kind == VEC_ARRAY) {
            result = convert_array(decoder, field, text, position);
        } else {
            result = convert_scalar(decoder, field, text, position);
        }
    }
    if (result == FORMAT_BAD && decoder->options.ignore_parse_errors) {
        decoder->skipped++;
        result = FORMAT_NULL;
    }
    if (result == FORMAT_NULL && field->column != NULL) {
        format__column_clear_at(field->column, position);
    }
    return result;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* Where comments are allowed: lines that begin with #, empty lines and blanks in front. */
static void skip_comments(struct reader *reader)
{
    while (reader->options->allow_comments && reader->at < reader->end) {
        if (*reader->at == '#') {
            while (reader->at < reader->end && *reader->at != '\n' && *reader->at != '\r') {
                reader->at++;
            }
        } else if (*reader->at <= ' ') {
            reader->at++;
        } else {
            break;
        }
    }
}

static enum format__result read_fields(struct format_decoder *decoder, struct reader *reader)
{
    const struct format__field *fields = decoder->root.fields;
    enum format__result         failed = FORMAT_OK;
    uint32_t                    count = 0;

    /* All values are split before the first is converted: what is malformed counts more than what does not fit. */
    for (; !reader->at_end; count++) {
        enum format__result result;
        struct view         text;

        if (!read_text(reader, &text)) {
            return format__bad(decoder, view_of(NULL, 0), "malformed CSV: %s", reader->problem);
        }
        if (count == decoder->root.field_count && text.len == 0 && reader->at_end) {
            break; /* a delimiter at the end is allowed */
        }
        if (count == decoder->root.field_count) {
            return format__bad(decoder, view_of(NULL, 0), "more than %u values", decoder->root.field_count);
        }
        if (failed == FORMAT_OK) {
            result = convert(decoder, &fields[count], text, decoder->row_count);
            failed = result == FORMAT_NULL ? FORMAT_OK : result;
        }
    }
    if (count != decoder->root.field_count && !decoder->options.ignore_parse_errors) {
        return format__bad(decoder, view_of(NULL, 0), "row length mismatch: %u fields expected but was %u",
                           decoder->root.field_count, count);
    }
    return failed;
}

enum format__result format__csv_record(struct format_decoder *decoder, struct view record)
{
    struct reader       reader = {.options = &decoder->options, .texts = &decoder->texts};
    enum format__result result;

    if (record.len >= 3 && memcmp(record.base, "\xef\xbb\xbf", 3) == 0) {
        record = view_of(record.base + 3, record.len - 3);
    }
    if (!json_is_utf8(record.base, record.base + record.len) && !json_loose_text(record, &decoder->texts, &record)) {
        return format__bad(decoder, view_of(NULL, 0), "bytes that are no UTF-8");
    }
    reader.at = record.base;
    reader.end = record.base + record.len;
    skip_comments(&reader);
    if (reader.at == reader.end) {
        return format__bad(decoder, view_of(NULL, 0), "an empty record");
    }
    result = read_fields(decoder, &reader);
    if (result == FORMAT_OK) {
        format__row_add(decoder);
        return FORMAT_OK;
    }
    for (uint32_t i = 0; i < decoder->column_count; i++) {
        format__column_clear_at(&decoder->columns[i], decoder->row_count);
    }
    return result;
}
