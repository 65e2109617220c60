/* JSON records to columns, token by token: the loops of Flink's JsonParserToRowDataConverters.
 *
 * A converter may stop anywhere among the tokens and the loop around it goes on from there; that is why values are not
 * skipped to their end after an error. With ignore-parse-errors each value, ROW and element that throws becomes null.
 */
#include "compute/format/format_json_read.h"

#include <math.h>

static enum format__result read_value(struct format_decoder *decoder, struct json_reader *reader,
                                      const struct format__field *field, uint32_t position);

static enum format__result malformed(struct format_decoder *decoder, const struct json_reader *reader,
                                     struct view field)
{
    return format__bad(decoder, field, "malformed JSON: %s (byte %zu)",
                       reader->problem == NULL ? "it ends early" : reader->problem,
                       (size_t)(reader->at - reader->start));
}

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

static enum format__result read_integer(struct format_decoder *decoder, struct json_reader *reader,
                                        const struct format__field *field, union format__value *out_value)
{
    bool        from_fraction = field->type.kind != VEC_TINYINT && field->type.kind != VEC_SMALLINT;
    int64_t     low, high;
    struct view text;
    double      real;

    CHECK(format__integer_range(field->type.kind, &low, &high));
    if (!json_text(reader, &text)) {
        return malformed(decoder, reader, field->name);
    }
    if (reader->token == JSON_FLOAT && from_fraction) {
        /* Through double and then towards zero; a double at the edge of BIGINT saturates. */
        if (!format__parse_real(text, &real) || real < (double)low || real > (double)high) {
            return unfit(decoder, field, text);
        }
        out_value->integer = real >= 9223372036854775808.0 ? INT64_MAX : (int64_t)real;
        return FORMAT_OK;
    }
    if (!format__parse_integer(format__trim(text), low, high, &out_value->integer)) {
        return unfit(decoder, field, text);
    }
    return FORMAT_OK;
}

static enum format__result read_real(struct format_decoder *decoder, struct json_reader *reader,
                                     const struct format__field *field, union format__value *out_value)
{
    struct view text;
    bool        ok;

    if (!json_text(reader, &text)) {
        return malformed(decoder, reader, field->name);
    }
    ok = field->type.kind == VEC_DOUBLE ? format__parse_real(format__trim(text), &out_value->real)
                                        : format__parse_single(format__trim(text), &out_value->single);
    return ok ? FORMAT_OK : unfit(decoder, field, text);
}

static enum format__result read_decimal(struct format_decoder *decoder, struct json_reader *reader,
                                        const struct format__field *field, union format__value *out_value)
{
    struct view text;

    if (!json_text(reader, &text)) {
        return malformed(decoder, reader, field->name);
    }
    if (reader->token != JSON_STRING && reader->token != JSON_INT && reader->token != JSON_FLOAT) {
        return unfit(decoder, field, text);
    }
    return format__decimal_value(decoder, field->name, field->type, format__trim(text), out_value);
}

static enum format__result read_time(struct format_decoder *decoder, struct json_reader *reader,
                                     const struct format__field *field, union format__value *out_value)
{
    enum format__time_style style = decoder->options.iso_8601 ? FORMAT_TIME_ISO : FORMAT_TIME_SQL;
    struct view             text;
    struct vec_civil        civil;
    int64_t                 nanoseconds;
    int32_t                 days;

    if (!json_text(reader, &text)) {
        return malformed(decoder, reader, field->name);
    }
    switch (field->type.kind) {
    case VEC_DATE:
        if (!format__parse_date(text, &days)) {
            return unfit(decoder, field, text);
        }
        out_value->integer = days;
        return FORMAT_OK;
    case VEC_TIME: /* whole seconds: Flink drops the fraction whatever the precision */
        if (!format__parse_time(text, FORMAT_TIME_SQL, &nanoseconds)) {
            return unfit(decoder, field, text);
        }
        out_value->integer = nanoseconds / NS_PER_S * MS_PER_S;
        return FORMAT_OK;
    default:
        if (!format__parse_timestamp(text, style, field->type.kind == VEC_TIMESTAMP_LTZ, &civil)) {
            return unfit(decoder, field, text);
        }
        return format__timestamp_value(decoder, field->name, field->type, civil, out_value);
    }
}

static enum format__result read_text(struct format_decoder *decoder, struct json_reader *reader,
                                     const struct format__field *field, union format__value *out_value)
{
    bool        is_tree = reader->token == JSON_START_OBJECT || reader->token == JSON_START_ARRAY;
    struct view text;

    if (is_tree ? !json_tree_text(reader, decoder->has_decimal, &text) : !json_text(reader, &text)) {
        return malformed(decoder, reader, field->name);
    }
    if (text.len > UINT32_MAX) {
        return unfit(decoder, field, text);
    }
    out_value->string = vec_string_of((const char *)text.base, (uint32_t)text.len);
    return FORMAT_OK;
}

static enum format__result read_bytes(struct format_decoder *decoder, struct json_reader *reader,
                                      const struct format__field *field, union format__value *out_value)
{
    struct view bytes;

    if (!json_bytes(reader, &bytes)) {
        return malformed(decoder, reader, field->name);
    }
    out_value->string = vec_string_of((const char *)bytes.base, (uint32_t)bytes.len);
    return FORMAT_OK;
}

static enum format__result read_array(struct format_decoder *decoder, struct json_reader *reader,
                                      const struct format__field *field, uint32_t position)
{
    const struct format__field *element = &field->fields[0];
    struct format__column      *elements = element->column;
    union format__value         value = {.list = {0}};

    if (reader->token != JSON_START_ARRAY) {
        return format__bad(decoder, field->name, "an array was expected, found %s", json_token_name(reader->token));
    }
    value.list.offset = elements == NULL ? 0 : elements->used;
    for (;;) {
        uint32_t            at = 0;
        enum format__result result;

        if (!json_next(reader)) {
            return malformed(decoder, reader, field->name);
        }
        if (reader->token == JSON_END_ARRAY) {
            break;
        }
        if (reader->token == JSON_NONE) {
            return malformed(decoder, reader, field->name);
        }
        if (elements != NULL) {
            at = format__column_extend(elements, 1);
        }
        value.list.len++;
        result = read_value(decoder, reader, element, at);
        if (result != FORMAT_OK && result != FORMAT_NULL) {
            return result;
        }
    }
    if (field->column != NULL) {
        format__column_store(field->column, position, &value);
    }
    return FORMAT_OK;
}

const struct format__field *format__json_field(const struct format__field *row, struct view name)
{
    for (uint32_t i = row->field_count; i > 0; i--) {
        if (view_equal(row->fields[i - 1].name, name)) {
            return &row->fields[i - 1];
        }
    }
    return NULL;
}

static void clear_fields(const struct format__field *row, uint32_t position)
{
    for (uint32_t i = 0; i < row->field_count; i++) {
        if (row->fields[i].column != NULL) {
            format__column_clear_at(row->fields[i].column, position);
        }
    }
}

/* A field that was counted; known fields beyond the row's number are not looked at: with {"a":1,"a":2,"b":3} a row of
 * two fields has no b. */
static enum format__result read_field(struct format_decoder *decoder, struct json_reader *reader,
                                      const struct format__field *row, uint32_t position, uint32_t *count)
{
    struct view                 name;
    const struct format__field *field;
    enum format__result         result;

    if (!json_text(reader, &name) || !json_next(reader)) {
        return malformed(decoder, reader, row->name);
    }
    field = name.base == NULL ? NULL : format__json_field(row, name);
    if (field == NULL) {
        return json_skip_field(reader) ? FORMAT_OK : malformed(decoder, reader, row->name);
    }
    result = read_value(decoder, reader, field, position);
    if (result != FORMAT_OK && result != FORMAT_NULL) {
        return result;
    }
    *count += 1;
    return json_next(reader) ? FORMAT_OK : malformed(decoder, reader, row->name);
}

enum format__result format__json_row(struct format_decoder *decoder, struct json_reader *reader,
                                     const struct format__field *row, uint32_t position)
{
    uint32_t            count = 0;
    enum format__result result = FORMAT_OK;

    if (reader->token != JSON_START_OBJECT) {
        return format__bad(decoder, row->name, "an object was expected, found %s", json_token_name(reader->token));
    }
    clear_fields(row, position);
    if (!json_next(reader)) {
        return malformed(decoder, reader, row->name);
    }
    while (reader->token != JSON_END_OBJECT) {
        if (count >= row->field_count) {
            if (!json_skip_field(reader)) {
                return malformed(decoder, reader, row->name);
            }
            continue;
        }
        result = read_field(decoder, reader, row, position, &count);
        if (result != FORMAT_OK) {
            return result;
        }
    }
    if (count < row->field_count && decoder->options.fail_on_missing_field) {
        return format__bad(decoder, row->name, "a field is missing (json.fail-on-missing-field)");
    }
    if (row->column != NULL) {
        format__column_mark(row->column, position);
    }
    return FORMAT_OK;
}

static enum format__result read_scalar(struct format_decoder *decoder, struct json_reader *reader,
                                       const struct format__field *field, union format__value *out_value)
{
    struct view text;

    switch (field->type.kind) {
    case VEC_NULL:
        return FORMAT_NULL;
    case VEC_BOOLEAN:
        if (!json_text(reader, &text)) {
            return malformed(decoder, reader, field->name);
        }
        text = format__trim(text);
        out_value->integer = text.len == 4 && (text.base[0] | 0x20) == 't' && (text.base[1] | 0x20) == 'r' &&
                             (text.base[2] | 0x20) == 'u' && (text.base[3] | 0x20) == 'e';
        return FORMAT_OK;
    case VEC_FLOAT:
    case VEC_DOUBLE:
        return read_real(decoder, reader, field, out_value);
    case VEC_DECIMAL:
        return read_decimal(decoder, reader, field, out_value);
    case VEC_CHAR:
    case VEC_VARCHAR:
        return read_text(decoder, reader, field, out_value);
    case VEC_BINARY:
    case VEC_VARBINARY:
        return read_bytes(decoder, reader, field, out_value);
    case VEC_DATE:
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return read_time(decoder, reader, field, out_value);
    default:
        return read_integer(decoder, reader, field, out_value);
    }
}

static enum format__result read_value(struct format_decoder *decoder, struct json_reader *reader,
                                      const struct format__field *field, uint32_t position)
{
    union format__value value = {.wide = 0};
    enum format__result result = FORMAT_NULL;

    if (reader->token != JSON_NONE && reader->token != JSON_NULL) {
        if (field->type.kind == VEC_ROW) {
            result = format__json_row(decoder, reader, field, position);
        } else if (field->type.kind == VEC_ARRAY) {
            result = read_array(decoder, reader, field, position);
        } else {
            result = read_scalar(decoder, reader, field, &value);
            if (result == FORMAT_OK && field->column != NULL) {
                format__column_store(field->column, position, &value);
            }
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
