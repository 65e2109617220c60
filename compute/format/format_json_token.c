/* JSON text to tokens. */
#include "compute/format/format_json.h"

/* --- bytes -------------------------------------------------------------------------------------------------------- */

bool json_is_utf8(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint8_t lead = *at++;
        uint8_t low = 0x80, high = 0xbf;
        int     more;

        if (lead < 0x80) {
            continue;
        }
        if (lead < 0xc2 || lead > 0xf4) {
            return false;
        }
        more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : low;
        high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : high;
        if (end - at < more) {
            return false;
        }
        for (; more > 0; more--, at++) {
            if (*at < low || *at > high) {
                return false;
            }
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}

static bool fail(struct json_reader *reader, const char *problem)
{
    reader->problem = problem;
    return false;
}

static bool break_off(struct json_reader *reader, const char *problem)
{
    reader->is_broken = true;
    return fail(reader, problem);
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

/* UTF-16 units, as Java's strings have them, to UTF-8; a surrogate without its other half becomes a question mark. */
struct units {
    uint8_t *out; /* room for three times the units */
    size_t   len;
    size_t   count;
    uint16_t pending; /* a high surrogate, or 0 */
};

static void put_unit(struct units *units, uint16_t unit)
{
    units->count++;
    if (units->pending != 0) {
        if (unit >= 0xdc00 && unit <= 0xdfff) {
            uint32_t code = 0x10000U + ((uint32_t)(units->pending - 0xd800) << 10) + (uint32_t)(unit - 0xdc00);

            units->out[units->len++] = (uint8_t)(0xf0 | code >> 18);
            units->out[units->len++] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
            units->out[units->len++] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
            units->out[units->len++] = (uint8_t)(0x80 | (code & 0x3f));
            units->pending = 0;
            return;
        }
        units->out[units->len++] = '?';
        units->pending = 0;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        units->pending = unit;
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
        units->out[units->len++] = '?';
    } else if (unit < 0x80) {
        units->out[units->len++] = (uint8_t)unit;
    } else if (unit < 0x800) {
        units->out[units->len++] = (uint8_t)(0xc0 | unit >> 6);
        units->out[units->len++] = (uint8_t)(0x80 | (unit & 0x3f));
    } else {
        units->out[units->len++] = (uint8_t)(0xe0 | unit >> 12);
        units->out[units->len++] = (uint8_t)(0x80 | (unit >> 6 & 0x3f));
        units->out[units->len++] = (uint8_t)(0x80 | (unit & 0x3f));
    }
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Behind a backslash. */
static bool read_escape(struct json_reader *reader, uint16_t *out_unit)
{
    static const char marks[] = "btnfr\"/\\";
    static const char meant[] = "\b\t\n\f\r\"/\\";
    const char       *mark;
    uint32_t          unit = 0;

    if (reader->at == reader->end) {
        return fail(reader, "the text ends inside a string");
    }
    mark = *reader->at == '\0' ? NULL : strchr(marks, *reader->at);
    if (mark != NULL) {
        reader->at++;
        *out_unit = (uint16_t)meant[mark - marks];
        return true;
    }
    if (*reader->at++ != 'u') {
        return fail(reader, "no such escape in a string");
    }
    for (int i = 0; i < 4; i++) {
        int digit;

        if (reader->at == reader->end) {
            return fail(reader, "the text ends inside a string");
        }
        digit = hex_digit(*reader->at++);
        if (digit < 0) {
            return fail(reader, "\\u without four hexadecimal digits");
        }
        unit = unit << 4 | (uint32_t)digit;
    }
    *out_unit = (uint16_t)unit;
    return true;
}

/* The rest of a character of several bytes, as loosely checked as Jackson does: overlong forms and surrogates pass. */
static bool read_wide(struct json_reader *reader, uint8_t lead, struct units *units)
{
    int      more = (lead & 0xe0) == 0xc0 ? 1 : (lead & 0xf0) == 0xe0 ? 2 : (lead & 0xf8) == 0xf0 ? 3 : 0;
    uint32_t code = lead & (0x3fU >> more);

    if (more == 0) {
        return fail(reader, "bytes that are no UTF-8");
    }
    for (int i = 0; i < more; i++) {
        uint8_t byte;

        if (reader->at == reader->end) {
            return fail(reader, "the text ends inside a string");
        }
        byte = *reader->at++;
        if ((byte & 0xc0) != 0x80) {
            return fail(reader, "bytes that are no UTF-8");
        }
        code = code << 6 | (byte & 0x3fU);
    }
    if (units != NULL && more < 3) {
        put_unit(units, (uint16_t)code);
    } else if (units != NULL) {
        int32_t rest = (int32_t)code - 0x10000;

        put_unit(units, (uint16_t)(0xd800 | (rest >> 10)));
        put_unit(units, (uint16_t)(0xdc00 | (rest & 0x3ff)));
    }
    return true;
}

/* To behind the closing quote; units NULL: checked only. */
static bool read_units(struct json_reader *reader, struct units *units)
{
    while (reader->at < reader->end) {
        uint8_t  byte = *reader->at++;
        uint16_t unit = byte;

        if (byte == '"') {
            return true;
        }
        if (byte == '\\' && !read_escape(reader, &unit)) {
            return false;
        }
        if (byte >= 0x80) {
            if (!read_wide(reader, byte, units)) {
                return false;
            }
        } else if (units != NULL) {
            put_unit(units, unit);
        }
    }
    return fail(reader, "the text ends inside a string");
}

/* From behind the opening quote to behind the closing one. */
static bool read_text(struct json_reader *reader, size_t chars_max, struct view *out_text)
{
    const uint8_t *start = reader->at;
    const uint8_t *at = start;
    struct units   units = {.len = 0};
    bool           is_ascii = true;

    while (at < reader->end && *at != '"' && *at != '\\') {
        is_ascii = is_ascii && *at < 0x80;
        at++;
    }
    if (at < reader->end && *at == '"' && (size_t)(at - start) <= chars_max && (is_ascii || json_is_utf8(start, at))) {
        reader->at = at + 1;
        *out_text = view_of(start, (size_t)(at - start));
        return true;
    }
    /* Where it ends: the room needed is three bytes for each of the text. */
    for (; at < reader->end && *at != '"'; at++) {
        at += *at == '\\';
    }
    units.out = arena_alloc(reader->texts, ((size_t)(MIN(at, reader->end) - start) + 1) * 3);
    CHECK(units.out != NULL);
    if (!read_units(reader, &units)) {
        return false;
    }
    if (units.pending != 0) {
        units.out[units.len++] = '?';
    }
    *out_text = view_of(units.out, units.len);
    return units.count <= chars_max || fail(reader, "a string is longer than 20,000,000 characters");
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

void json_open(struct json_reader *reader, struct view record, struct arena *texts)
{
    *reader =
        (struct json_reader){.start = record.base, .at = record.base, .end = record.base + record.len, .texts = texts};
    if (record.len >= 3 && memcmp(record.base, "\xef\xbb\xbf", 3) == 0) {
        reader->at += 3;
    }
}

const char *json_token_name(enum json_token token)
{
    static const char *const names[] = {"nothing",  "an object", "}",          "an array", "]",     "a name",
                                        "a string", "a number",  "a fraction", "true",     "false", "null"};

    return names[token];
}

static bool skip_space(struct json_reader *reader)
{
    while (reader->at < reader->end && *reader->at <= ' ') {
        uint8_t byte = *reader->at++;

        if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t') {
            return break_off(reader, "a control character between values");
        }
    }
    return true;
}

static bool open_scope(struct json_reader *reader, enum json_token token)
{
    uint32_t depth = reader->depth + 1;

    if (depth > FORMAT_NESTING_MAX) {
        return break_off(reader, "nested deeper than 1000");
    }
    reader->depth = depth;
    vec_bit_clear(reader->has_item, depth);
    if (token == JSON_START_OBJECT) {
        vec_bit_set(reader->in_object, depth);
    } else {
        vec_bit_clear(reader->in_object, depth);
    }
    reader->token = token;
    return true;
}

static bool close_scope(struct json_reader *reader, enum json_token token)
{
    bool in_object = reader->depth > 0 && vec_bit_get(reader->in_object, reader->depth);

    if (reader->depth == 0 || in_object != (token == JSON_END_OBJECT)) {
        return break_off(reader, "a bracket closes that did not open");
    }
    reader->depth--;
    reader->token = token;
    return true;
}

static size_t digits_at(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return (size_t)(at - start);
}

static bool read_number(struct json_reader *reader)
{
    const uint8_t *start = reader->at;
    const uint8_t *at = start + (*start == '-');
    size_t         whole = digits_at(at, reader->end);
    size_t         digits = whole;
    bool           is_float = false;

    if (whole == 0 || (*at == '0' && whole > 1)) {
        return break_off(reader, whole == 0 ? "a minus without a number" : "a number with leading zeros");
    }
    at += whole;
    if (at < reader->end && *at == '.') {
        size_t fraction = digits_at(++at, reader->end);

        if (fraction == 0) {
            return break_off(reader, "a number that ends at its point");
        }
        at += fraction;
        digits += fraction;
        is_float = true;
    }
    if (at < reader->end && (*at | 0x20) == 'e') {
        size_t exponent;

        at++;
        at += at < reader->end && (*at == '+' || *at == '-');
        exponent = digits_at(at, reader->end);
        if (exponent == 0) {
            return break_off(reader, "a number without its exponent");
        }
        at += exponent;
        digits += exponent;
        is_float = true;
    }
    if (digits > JSON_NUMBER_CHARS_MAX) {
        return break_off(reader, "a number of more than 1000 digits");
    }
    reader->token = is_float ? JSON_FLOAT : JSON_INT;
    reader->text = view_of(start, (size_t)(at - start));
    reader->at = at;
    return true;
}

static bool read_word(struct json_reader *reader, const char *word, enum json_token token)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0) {
        return break_off(reader, "a word that is not true, false or null");
    }
    reader->at += len;
    reader->token = token;
    return true;
}

static bool read_value(struct json_reader *reader)
{
    if (reader->at == reader->end) {
        return break_off(reader, "the text ends where a value should be");
    }
    switch (*reader->at) {
    case '"':
        reader->at++;
        reader->token = JSON_STRING;
        reader->is_incomplete = true;
        return true;
    case '{':
        reader->at++;
        return open_scope(reader, JSON_START_OBJECT);
    case '[':
        reader->at++;
        return open_scope(reader, JSON_START_ARRAY);
    case 't':
        return read_word(reader, "true", JSON_TRUE);
    case 'f':
        return read_word(reader, "false", JSON_FALSE);
    case 'n':
        return read_word(reader, "null", JSON_NULL);
    case '-':
    case '0' ... '9':
        return read_number(reader);
    default:
        return break_off(reader, "no value begins like this");
    }
}

static bool read_name(struct json_reader *reader)
{
    if (reader->at == reader->end || *reader->at != '"') {
        return break_off(reader, "a name in quotes was expected");
    }
    reader->at++;
    if (!read_text(reader, JSON_NAME_CHARS_MAX, &reader->text)) {
        return break_off(reader, reader->problem);
    }
    if (!skip_space(reader)) {
        return false;
    }
    if (reader->at == reader->end || *reader->at != ':') {
        return break_off(reader, "a colon was expected");
    }
    reader->at++;
    reader->token = JSON_FIELD_NAME;
    return skip_space(reader);
}

bool json_next(struct json_reader *reader)
{
    bool in_object = reader->depth > 0 && vec_bit_get(reader->in_object, reader->depth);

    if (reader->is_broken) {
        return false;
    }
    if (reader->token == JSON_FIELD_NAME) {
        return read_value(reader);
    }
    if (reader->is_incomplete) {
        reader->is_incomplete = false;
        if (!read_units(reader, NULL)) {
            return break_off(reader, reader->problem);
        }
    }
    if (!skip_space(reader)) {
        return false;
    }
    if (reader->at == reader->end) {
        reader->token = JSON_NONE;
        return reader->depth == 0 || break_off(reader, "the text ends before its object");
    }
    if (*reader->at == ']' || *reader->at == '}') {
        return close_scope(reader, *reader->at++ == ']' ? JSON_END_ARRAY : JSON_END_OBJECT);
    }
    if (reader->depth > 0 && vec_bit_get(reader->has_item, reader->depth)) {
        if (*reader->at != ',') {
            return break_off(reader, "a comma was expected");
        }
        reader->at++;
        if (!skip_space(reader)) {
            return false;
        }
    }
    vec_bit_set(reader->has_item, reader->depth);
    return in_object ? read_name(reader) : read_value(reader);
}

bool json_text(struct json_reader *reader, struct view *out_text)
{
    static const char *const words[] = {NULL, "{", "}", "[", "]", NULL, NULL, NULL, NULL, "true", "false", "null"};

    if (reader->token == JSON_STRING && reader->is_incomplete) {
        reader->is_incomplete = false;
        reader->text = view_of("", 0);
        if (!read_text(reader, JSON_STRING_CHARS_MAX, &reader->text)) {
            return false;
        }
    }
    if (reader->token == JSON_NONE) {
        *out_text = view_of(NULL, 0);
    } else {
        *out_text = words[reader->token] == NULL ? reader->text : view_text(words[reader->token]);
    }
    return true;
}

bool json_skip_field(struct json_reader *reader)
{
    if (reader->token == JSON_NONE) {
        return break_off(reader, "the text ends before its object");
    }
    if (reader->token == JSON_START_OBJECT || reader->token == JSON_START_ARRAY) {
        for (uint32_t open = 1; open > 0;) {
            if (!json_next(reader)) {
                return false;
            }
            if (reader->token == JSON_NONE) {
                return break_off(reader, "the text ends before its object");
            }
            open += reader->token == JSON_START_OBJECT || reader->token == JSON_START_ARRAY;
            open -= reader->token == JSON_END_OBJECT || reader->token == JSON_END_ARRAY;
        }
    }
    return json_next(reader);
}
