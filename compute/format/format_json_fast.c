/* JSON rows that are what they should be, without tokens: one pass that knows which field comes next.
 *
 * Everything is checked that the exact way checks; whatever is not plain (a field twice, a value of another kind, an
 * error) makes this way give up, and the row is read again the exact way. So here no rule of Flink's is needed but one:
 * a plain value means the same in both. */
#include "compute/format/format_json_read.h"

#include "compute/format/format_scan.h"

#define FIELDS_MAX     64 /* of one row: the bits of `seen` */
#define SKIP_DEPTH_MAX 200

struct fast {
    struct format_decoder *decoder;
    const uint8_t         *start, *end;
    char                   separator; /* between date and time */
};

/* All of these take where a value begins and give where it ends, or NULL to give up. */
static const uint8_t *take_value(struct fast *fast, const struct format__field *field, uint32_t position,
                                 const uint8_t *at);
static const uint8_t *skip_value(struct fast *fast, const uint8_t *at, int depth);

static inline const uint8_t *skip_space(const struct fast *fast, const uint8_t *at)
{
    if (LIKELY(at<fast->end && * at> ' ')) {
        return at;
    }
    while (at < fast->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

/* With escapes, or with what is not quite UTF-8. */
static const uint8_t *take_odd_text(struct fast *fast, const uint8_t *at, struct view *out_text)
{
    struct json_reader reader;
    struct view        ignored;

    json_open(&reader, view_of(fast->start, (size_t)(fast->end - fast->start)), &fast->decoder->texts);
    reader.at = at;
    return json_read_string(&reader, out_text == NULL ? &ignored : out_text) ? reader.at : NULL;
}

/* From behind the opening quote to behind the closing one. out_text NULL: checked only. */
static inline const uint8_t *take_text(struct fast *fast, const uint8_t *at, struct view *out_text)
{
    bool           is_ascii = true;
    const uint8_t *close = scan_string(at, fast->end, &is_ascii);

    if (LIKELY(close < fast->end && *close == '"' && (is_ascii || json_is_utf8(at, close)))) {
        if (out_text != NULL) {
            *out_text = view_of(at, (size_t)(close - at));
        }
        return close + 1;
    }
    return take_odd_text(fast, at, out_text);
}

/* vec_string_of() for a text in the record, as two words: pieces of other sizes would be read again before they are
 * stored. Short texts take two loads where so much can be read. */
static inline void keep_string(const struct fast *fast, struct view text, struct vec_string *out_string)
{
    uint64_t words[2], low, high;

    STATIC_CHECK(sizeof(words) == sizeof(*out_string));
    if (text.len > VEC_STRING_INLINE_MAX) {
        words[0] = text.len | (uint64_t)load_le32(text.base) << 32;
        words[1] = (uint64_t)(uintptr_t)text.base;
    } else if (text.base < fast->start || text.base > fast->end || fast->end - text.base < 16) {
        *out_string = vec_string_of((const char *)text.base, (uint32_t)text.len);
        return;
    } else {
        low = load_le64(text.base) & (text.len >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * text.len)) - 1);
        high = load_le64(text.base + 8) & (text.len <= 8 ? 0 : (UINT64_C(1) << (8 * (text.len - 8))) - 1);
        words[0] = text.len | low << 32;
        words[1] = low >> 32 | high << 32;
    }
    memcpy(out_string, words, sizeof(words));
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

/* The grammar alone. */
static const uint8_t *take_number(const struct fast *fast, const uint8_t *at)
{
    const uint8_t *start, *digits;

    at += at < fast->end && *at == '-';
    digits = at;
    while (at < fast->end && *at >= '0' && *at <= '9') {
        at++;
    }
    if (at == digits || (*digits == '0' && at - digits > 1)) {
        return NULL;
    }
    if (at < fast->end && *at == '.') {
        start = ++at;
        while (at < fast->end && *at >= '0' && *at <= '9') {
            at++;
        }
        if (at == start) {
            return NULL;
        }
    }
    if (at < fast->end && (*at | 0x20) == 'e') {
        at++;
        at += at < fast->end && (*at == '+' || *at == '-');
        start = at;
        while (at < fast->end && *at >= '0' && *at <= '9') {
            at++;
        }
        if (at == start) {
            return NULL;
        }
    }
    return at - digits <= JSON_NUMBER_CHARS_MAX ? at : NULL;
}

/* An integer of up to 16 digits; others the exact way. */
static inline const uint8_t *take_integer(const struct fast *fast, const uint8_t *at, int64_t *out_value)
{
    bool           negative = *at == '-';
    const uint8_t *start = at + negative;
    uint64_t       word, value;
    unsigned       count;

    if (UNLIKELY(fast->end - start < 17)) {
        const uint8_t *stop = take_number(fast, at);

        return stop != NULL && format__parse_integer(view_of(at, (size_t)(stop - at)), INT64_MIN, INT64_MAX, out_value)
                   ? stop
                   : NULL;
    }
    word = load_le64(start);
    count = scan_digit_count(word);
    if (count == 0 || (*start == '0' && count > 1)) {
        return NULL;
    }
    value = scan_digits(word, count);
    at = start + count;
    if (count == 8) {
        word = load_le64(at);
        count = scan_digit_count(word);
        if (count > 0) {
            static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

            value = value * powers[count] + scan_digits(word, count);
            at += count;
        }
        if (count == 8) {
            return NULL;
        }
    }
    if (UNLIKELY(*at == '.' || *at == 'e' || *at == 'E')) {
        return NULL;
    }
    *out_value = negative ? -(int64_t)value : (int64_t)value;
    return at;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static const uint8_t *take_word(const struct fast *fast, const uint8_t *at, const char *word, size_t len)
{
    return (size_t)(fast->end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

static const uint8_t *take_time(struct fast *fast, const struct format__field *field, const uint8_t *at,
                                union format__value *out_value)
{
    struct format_decoder *decoder = fast->decoder;
    bool                   zulu = field->type.kind == VEC_TIMESTAMP_LTZ;
    struct view            text;
    struct vec_civil       civil;
    int32_t                days;
    const uint8_t         *stop;

    if (*at++ != '"') {
        return NULL;
    }
    stop = take_text(fast, at, &text);
    if (stop == NULL || field->type.kind == VEC_TIME) {
        return NULL;
    }
    if (field->type.kind == VEC_DATE) {
        if (!format__parse_date(text, &days)) {
            return NULL;
        }
        out_value->integer = days;
        return stop;
    }
    if (!format__parse_timestamp(text, decoder->options.iso_8601 ? FORMAT_TIME_ISO : FORMAT_TIME_SQL, zulu, &civil) ||
        format__timestamp_value(decoder, field->name, field->type, civil, out_value) != FORMAT_OK) {
        return NULL;
    }
    return stop;
}

/* Numbers other than integers. */
static const uint8_t *take_real(struct fast *fast, const struct format__field *field, const uint8_t *at,
                                union format__value *out_value)
{
    const uint8_t *stop = take_number(fast, at);
    struct view    text;
    bool           ok;

    if (stop == NULL) {
        return NULL;
    }
    text = view_of(at, (size_t)(stop - at));
    if (field->type.kind == VEC_DECIMAL) {
        ok = format__decimal_value(fast->decoder, field->name, field->type, text, out_value) == FORMAT_OK;
    } else if (field->type.kind == VEC_DOUBLE) {
        ok = format__parse_real(text, &out_value->real);
    } else {
        ok = format__parse_single(text, &out_value->single);
    }
    return ok ? stop : NULL;
}

static inline const uint8_t *take_string(struct fast *fast, const struct format__field *field, uint32_t position,
                                         const uint8_t *at)
{
    struct view text;

    if (*at == '"') {
        at = take_text(fast, at + 1, &text);
    } else {
        const uint8_t *stop = take_number(fast, at); /* a number's text as it stands */

        text = view_of(at, stop == NULL ? 0 : (size_t)(stop - at));
        at = stop;
    }
    if (at != NULL && field->column != NULL && text.len <= JSON_STRING_CHARS_MAX) {
        keep_string(fast, text, (struct vec_string *)field->column->data + position);
        format__column_mark(field->column, position);
    }
    return text.len <= JSON_STRING_CHARS_MAX ? at : NULL;
}

static const uint8_t *take_boolean(struct fast *fast, const uint8_t *at, union format__value *out_value)
{
    out_value->integer = *at == 't';
    return *at == 't' ? take_word(fast, at, "true", 4) : take_word(fast, at, "false", 5);
}

static const uint8_t *take_array(struct fast *fast, const struct format__field *field, uint32_t position,
                                 const uint8_t *at)
{
    const struct format__field *element = &field->fields[0];
    union format__value         value = {.list = {0}};

    if (*at++ != '[') {
        return NULL;
    }
    value.list.offset = element->column == NULL ? 0 : element->column->used;
    at = skip_space(fast, at);
    while (at < fast->end && (*at != ']' || value.list.len > 0)) {
        uint32_t where = element->column == NULL ? 0 : format__column_extend(element->column, 1);

        value.list.len++;
        at = take_value(fast, element, where, at);
        if (at == NULL) {
            return NULL;
        }
        at = skip_space(fast, at);
        if (at == fast->end || *at != ',') {
            break;
        }
        at = skip_space(fast, at + 1);
    }
    if (at >= fast->end || *at != ']') {
        return NULL;
    }
    if (field->column != NULL) {
        format__column_store(field->column, position, &value);
    }
    return at + 1;
}

static const uint8_t *take_simple(struct fast *fast, const struct format__field *field, uint32_t position,
                                  const uint8_t *at)
{
    union format__value value = {.wide = 0};
    int64_t             low, high;

    switch (field->type.kind) {
    case VEC_BOOLEAN:
        at = take_boolean(fast, at, &value);
        break;
    case VEC_FLOAT:
    case VEC_DOUBLE:
    case VEC_DECIMAL:
        at = take_real(fast, field, at, &value);
        break;
    case VEC_DATE:
    case VEC_TIME:
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        at = take_time(fast, field, at, &value);
        break;
    case VEC_TINYINT:
    case VEC_SMALLINT:
    case VEC_INT:
    case VEC_INTERVAL_MONTH:
        (void)format__integer_range(field->type.kind, &low, &high);
        at = take_integer(fast, at, &value.integer);
        at = at != NULL && (value.integer < low || value.integer > high) ? NULL : at;
        break;
    case VEC_BIGINT:
    case VEC_INTERVAL_DAY:
        at = take_integer(fast, at, &value.integer);
        break;
    default: /* bytes in base64 */
        return NULL;
    }
    if (at != NULL && field->column != NULL) {
        format__column_store(field->column, position, &value);
    }
    return at;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static inline bool is_key(const struct fast *fast, const struct format__field *field, const uint8_t *at)
{
    if (LIKELY(field->key_len <= 16 && fast->end - at >= 16)) {
        return ((load_le64(at) ^ field->key_words[0]) & field->key_masks[0]) == 0 &&
               ((load_le64(at + 8) ^ field->key_words[1]) & field->key_masks[1]) == 0;
    }
    return (size_t)(fast->end - at) >= field->key_len && memcmp(at, field->key, field->key_len) == 0;
}

/* A name and its colon; *out_field NULL: no field of the row. */
static const uint8_t *take_name(struct fast *fast, const struct format__field *row, const uint8_t *at,
                                const struct format__field **out_field)
{
    struct view name;

    if (at == fast->end || *at != '"') {
        return NULL;
    }
    at = take_text(fast, at + 1, &name);
    if (at == NULL || name.len > JSON_NAME_CHARS_MAX) {
        return NULL;
    }
    at = skip_space(fast, at);
    if (at == fast->end || *at != ':') {
        return NULL;
    }
    *out_field = format__json_field(row, name);
    return at + 1;
}

/* From behind the opening brace. */
static const uint8_t *take_row(struct fast *fast, const struct format__field *row, uint32_t position, const uint8_t *at)
{
    uint64_t seen = 0;
    uint32_t expected = 0, count = 0;

    at = skip_space(fast, at);
    if (at < fast->end && *at == '}') {
        return fast->decoder->options.fail_on_missing_field ? NULL : at + 1;
    }
    while (at < fast->end) {
        const struct format__field *field = &row->fields[expected];

        if (LIKELY(count < row->field_count && field->is_plain_name && is_key(fast, field, at))) {
            at += field->key_len;
        } else {
            at = take_name(fast, row, at, &field);
            if (at == NULL) {
                return NULL;
            }
        }
        /* With all its fields found a row looks at no name any more. */
        field = count < row->field_count ? field : NULL;
        at = skip_space(fast, at);
        if (at == fast->end) {
            return NULL;
        }
        if (field != NULL) {
            uint32_t index = (uint32_t)(field - row->fields);

            if (seen & (UINT64_C(1) << index)) {
                return NULL;
            }
            seen |= UINT64_C(1) << index;
            count++;
            expected = index + 1 == row->field_count ? 0 : index + 1;
            at = take_value(fast, field, position, at);
        } else {
            at = skip_value(fast, at, 0);
        }
        if (at == NULL) {
            return NULL;
        }
        at = skip_space(fast, at);
        if (at == fast->end || *at != ',') {
            break;
        }
        at = skip_space(fast, at + 1);
    }
    if (at >= fast->end || *at != '}' || (count < row->field_count && fast->decoder->options.fail_on_missing_field)) {
        return NULL;
    }
    return at + 1;
}

static inline const uint8_t *keep_long(const struct format__field *field, uint32_t position, int64_t value,
                                       const uint8_t *at)
{
    if (field->column != NULL) {
        ((int64_t *)field->column->data)[position] = value;
        format__column_mark(field->column, position);
    }
    return at;
}

static const uint8_t *take_value(struct fast *fast, const struct format__field *field, uint32_t position,
                                 const uint8_t *at)
{
    int64_t integer;

    if (at == fast->end) {
        return NULL;
    }
    if (*at == 'n') {
        return take_word(fast, at, "null", 4);
    }
    switch (field->type.kind) {
    case VEC_CHAR:
    case VEC_VARCHAR:
        return take_string(fast, field, position, at);
    case VEC_BIGINT:
        at = take_integer(fast, at, &integer);
        return at == NULL ? NULL : keep_long(field, position, integer, at);
    case VEC_TIMESTAMP:
        if (field->type.precision <= 6 && *at == '"') {
            const uint8_t *stop = scan_milliseconds(at + 1, fast->end, fast->separator, &fast->decoder->day, &integer);

            if (LIKELY(stop != NULL)) {
                return keep_long(field, position, integer, stop);
            }
        }
        return take_simple(fast, field, position, at);
    case VEC_ROW:
        if (*at != '{' || field->field_count > FIELDS_MAX || field->field_count == 0) {
            return NULL;
        }
        at = take_row(fast, field, position, at + 1);
        if (at != NULL && field->column != NULL) {
            format__column_mark(field->column, position);
        }
        return at;
    case VEC_ARRAY:
        return take_array(fast, field, position, at);
    default:
        return take_simple(fast, field, position, at);
    }
}

/* --- what nobody asked for ---------------------------------------------------------------------------------------- */

static const uint8_t *skip_items(struct fast *fast, const uint8_t *at, bool is_object, int depth)
{
    uint8_t close = is_object ? '}' : ']';

    at = skip_space(fast, at + 1);
    if (at < fast->end && *at == close) {
        return at + 1;
    }
    while (at < fast->end) {
        const struct format__field *ignored;

        if (is_object) {
            at = take_name(fast, &(struct format__field){.field_count = 0}, at, &ignored);
            if (at == NULL) {
                return NULL;
            }
            at = skip_space(fast, at);
        }
        at = skip_value(fast, at, depth);
        if (at == NULL) {
            return NULL;
        }
        at = skip_space(fast, at);
        if (at == fast->end || *at != ',') {
            break;
        }
        at = skip_space(fast, at + 1);
    }
    return at < fast->end && *at == close ? at + 1 : NULL;
}

static const uint8_t *skip_value(struct fast *fast, const uint8_t *at, int depth)
{
    if (at == fast->end || depth > SKIP_DEPTH_MAX) {
        return NULL;
    }
    switch (*at) {
    case '"':
        return take_text(fast, at + 1, NULL);
    case '{':
    case '[':
        return skip_items(fast, at, *at == '{', depth + 1);
    case 't':
        return take_word(fast, at, "true", 4);
    case 'f':
        return take_word(fast, at, "false", 5);
    case 'n':
        return take_word(fast, at, "null", 4);
    default:
        return take_number(fast, at);
    }
}

bool format__json_fast_row(struct format_decoder *decoder, struct view record)
{
    struct fast fast = {.decoder = decoder,
                        .start = record.base,
                        .end = record.base + record.len,
                        .separator = decoder->options.iso_8601 ? 'T' : ' '};

    if (record.len < 2 || record.base[0] != '{' || decoder->root.field_count > FIELDS_MAX ||
        decoder->root.field_count == 0) {
        return false;
    }
    if (take_row(&fast, &decoder->root, decoder->row_count, record.base + 1) != NULL) {
        return true;
    }
    /* The exact way says what is wrong, if something is. */
    decoder->failure.message[0] = '\0';
    for (uint32_t i = 0; i < decoder->column_count; i++) {
        format__column_clear_at(&decoder->columns[i], decoder->row_count);
    }
    return false;
}
