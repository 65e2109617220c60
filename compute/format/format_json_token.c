/* JSON text to tokens. */
#include "compute/format/format_json.h"

static bool fail(struct json_reader *reader, const char *problem)
{
    reader->problem = problem;
    return false;
}

/* The byte that is wrong counts as read. */
static bool fail_behind(struct json_reader *reader, const char *problem)
{
    reader->at += reader->at < reader->end;
    return fail(reader, problem);
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
            return fail(reader, "a control character between values");
        }
    }
    return true;
}

static bool in_object(const struct json_reader *reader)
{
    return reader->depth > 0 && vec_bit_get(reader->in_object, reader->depth);
}

static bool open_scope(struct json_reader *reader, enum json_token token)
{
    uint32_t depth = reader->depth + 1;

    if (depth > FORMAT_NESTING_MAX) {
        return fail(reader, "nested deeper than 1000");
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
    if (reader->depth == 0 || in_object(reader) != (token == JSON_END_OBJECT)) {
        return fail(reader, "a bracket closes that did not open");
    }
    reader->depth--;
    reader->token = token;
    return true;
}

static size_t take_digits(struct json_reader *reader)
{
    const uint8_t *start = reader->at;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return (size_t)(reader->at - start);
}

static bool take_exactly(struct json_reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0) {
        return false;
    }
    reader->at += len;
    return true;
}

static bool read_number(struct json_reader *reader, enum json_token *out_token)
{
    const uint8_t *start = reader->at;
    size_t         digits, more;

    *out_token = JSON_INT;
    reader->at += *start == '-';
    if (reader->end - reader->at >= 2 && reader->at[0] == '0' && reader->at[1] >= '0' && reader->at[1] <= '9') {
        return fail_behind(reader, "a number with leading zeros");
    }
    digits = take_digits(reader);
    if (digits == 0 && take_exactly(reader, "Infinity")) {
        return fail(reader, "a number that JSON does not have");
    }
    if (digits == 0) {
        return fail_behind(reader, "a minus without a number");
    }
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        more = take_digits(reader);
        if (more == 0) {
            return fail_behind(reader, "a number that ends at its point");
        }
        digits += more;
        *out_token = JSON_FLOAT;
    }
    if (reader->at < reader->end && (*reader->at | 0x20) == 'e') {
        reader->at++;
        reader->at += reader->at < reader->end && (*reader->at == '+' || *reader->at == '-');
        more = take_digits(reader);
        if (more == 0) {
            return fail_behind(reader, "a number without its exponent");
        }
        digits += more;
        *out_token = JSON_FLOAT;
    }
    reader->text = view_of(start, (size_t)(reader->at - start));
    return digits <= JSON_NUMBER_CHARS_MAX || fail(reader, "a number of more than 1000 digits");
}

static bool is_word_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || byte == '_' ||
           byte == '$' || byte >= 0x80;
}

/* A word that is none counts as read, with the byte behind it. */
static bool fail_word(struct json_reader *reader)
{
    for (int i = 0; i < JSON_WORD_BYTES_MAX && reader->at < reader->end; i++) {
        if (!is_word_byte(*reader->at++)) {
            break;
        }
    }
    return fail(reader, "a word that is not true, false or null");
}

static bool read_word(struct json_reader *reader, const char *word)
{
    for (; *word != '\0'; word++) {
        if (reader->at == reader->end || *reader->at != (uint8_t)*word) {
            return fail_word(reader);
        }
        reader->at++;
    }
    return reader->at == reader->end || !is_word_byte(*reader->at) || fail_word(reader);
}

/* One value's first token; `token` is set when there is one. Scopes are opened by who moves on to the token. */
static bool read_value(struct json_reader *reader, enum json_token *out_token)
{
    if (reader->at == reader->end) {
        return fail(reader, "the text ends where a value should be");
    }
    switch (*reader->at) {
    case '"':
        reader->at++;
        *out_token = JSON_STRING;
        return true;
    case '{':
        reader->at++;
        *out_token = JSON_START_OBJECT;
        return true;
    case '[':
        reader->at++;
        *out_token = JSON_START_ARRAY;
        return true;
    case 't':
        *out_token = JSON_TRUE;
        return read_word(reader, "true");
    case 'f':
        *out_token = JSON_FALSE;
        return read_word(reader, "false");
    case 'n':
        *out_token = JSON_NULL;
        return read_word(reader, "null");
    case '-':
    case '0' ... '9':
        return read_number(reader, out_token);
    case '+': /* the byte behind it counts as read, too */
        reader->at++;
        return fail_behind(reader, "a number with a plus");
    default:
        if (take_exactly(reader, "NaN") || take_exactly(reader, "Infinity")) {
            return fail(reader, "a number that JSON does not have");
        }
        return is_word_byte(*reader->at) ? fail_word(reader) : fail_behind(reader, "no value begins like this");
    }
}

/* Moves on to a token whose first byte is read. */
static bool move_to(struct json_reader *reader, enum json_token token)
{
    if (token == JSON_START_OBJECT || token == JSON_START_ARRAY) {
        return open_scope(reader, token);
    }
    reader->is_incomplete = token == JSON_STRING;
    reader->token = token;
    return true;
}

static bool read_name(struct json_reader *reader)
{
    enum json_token next = JSON_NONE;

    if (reader->at == reader->end || *reader->at != '"') {
        return fail_behind(reader, "a name in quotes was expected");
    }
    reader->at++;
    if (!json__read_text(reader, JSON_NAME_CHARS_MAX, &reader->name)) {
        return false;
    }
    reader->token = JSON_FIELD_NAME;
    reader->next = JSON_NONE;
    if (!skip_space(reader)) {
        return false;
    }
    if (reader->at == reader->end || *reader->at != ':') {
        return fail_behind(reader, "a colon was expected");
    }
    reader->at++;
    if (!skip_space(reader) || !read_value(reader, &next)) {
        return false;
    }
    reader->next = next;
    return true;
}

static bool read_item(struct json_reader *reader)
{
    enum json_token token = JSON_NONE;

    if (reader->depth > 0 && vec_bit_get(reader->has_item, reader->depth)) {
        if (*reader->at != ',') {
            return fail_behind(reader, "a comma was expected");
        }
        reader->at++;
        if (!skip_space(reader)) {
            return false;
        }
    }
    vec_bit_set(reader->has_item, reader->depth);
    if (in_object(reader)) {
        return read_name(reader);
    }
    return read_value(reader, &token) && move_to(reader, token);
}

bool json_next(struct json_reader *reader)
{
    if (reader->token == JSON_FIELD_NAME) {
        enum json_token next = reader->next;

        reader->next = JSON_NONE;
        return move_to(reader, next);
    }
    if (reader->is_incomplete) {
        reader->is_incomplete = false;
        if (!json__read_units(reader, NULL)) {
            return false;
        }
    }
    if (!skip_space(reader)) {
        return false;
    }
    if (reader->at == reader->end) {
        reader->token = JSON_NONE;
        return reader->depth == 0 || fail(reader, "the text ends before its object");
    }
    if (*reader->at == ']' || *reader->at == '}') {
        return close_scope(reader, *reader->at++ == ']' ? JSON_END_ARRAY : JSON_END_OBJECT);
    }
    return read_item(reader);
}

bool json_text(struct json_reader *reader, struct view *out_text)
{
    static const char *const words[] = {NULL, "{", "}", "[", "]", NULL, NULL, NULL, NULL, "true", "false", "null"};

    if (reader->token == JSON_STRING && reader->is_incomplete) {
        reader->is_incomplete = false;
        reader->text = view_of("", 0);
        if (!json__read_text(reader, JSON_STRING_CHARS_MAX, &reader->text)) {
            return false;
        }
    }
    if (reader->token == JSON_NONE) {
        *out_text = view_of(NULL, 0);
    } else if (reader->token == JSON_FIELD_NAME) {
        *out_text = reader->name;
    } else {
        *out_text = words[reader->token] == NULL ? reader->text : view_text(words[reader->token]);
    }
    return true;
}

bool json_skip_field(struct json_reader *reader)
{
    if (reader->token == JSON_NONE) {
        return fail(reader, "the text ends before its object");
    }
    if (reader->token == JSON_START_OBJECT || reader->token == JSON_START_ARRAY) {
        for (uint32_t open = 1; open > 0;) {
            if (!json_next(reader)) {
                return false;
            }
            if (reader->token == JSON_NONE) {
                return fail(reader, "the text ends before its object");
            }
            open += reader->token == JSON_START_OBJECT || reader->token == JSON_START_ARRAY;
            open -= reader->token == JSON_END_OBJECT || reader->token == JSON_END_ARRAY;
        }
    }
    return json_next(reader);
}
