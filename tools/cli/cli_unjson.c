/* cli_unjson.c: a small JSON reader for one shape of object. */
#include "tools/cli/cli_unjson.h"

#include "tools/cli/cli_args.h"

#define NESTING_MAX 100

struct unjson {
    const uint8_t *at, *end;
    struct arena  *arena;
    const char    *why;
};

static bool unjson_fail(struct unjson *json, const char *why)
{
    if (json->why == NULL) {
        json->why = why;
    }
    return false;
}

static void unjson_blanks(struct unjson *json)
{
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\r' || *json->at == '\n')) {
        json->at++;
    }
}

/* The next byte that is no blank; 0 at the end. */
static uint8_t unjson_peek(struct unjson *json)
{
    unjson_blanks(json);
    return json->at < json->end ? *json->at : 0;
}

static bool unjson_take(struct unjson *json, uint8_t byte)
{
    if (unjson_peek(json) != byte) {
        return false;
    }
    json->at++;
    return true;
}

/* --- strings ----------------------------------------------------------------------------------------------------- */

static int unjson_hex4(struct unjson *json)
{
    int value = 0;

    if (json->end - json->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *json->at++;
        int     digit = byte >= '0' && byte <= '9'   ? byte - '0'
                        : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                        : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                     : -1;

        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static size_t unjson_utf8(uint32_t code, uint8_t *to)
{
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        to[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | code >> 18);
    to[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    to[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    to[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* Behind "\u"; writes UTF-8, joining surrogates. The text written is never longer than the escape. */
static bool unjson_code(struct unjson *json, uint8_t **to)
{
    int first = unjson_hex4(json);

    if (first < 0 || (first >= 0xdc00 && first < 0xe000)) {
        return unjson_fail(json, "a \\u escape that is none");
    }
    if (first >= 0xd800 && first < 0xdc00) {
        int second = -1;

        if (json->end - json->at >= 6 && json->at[0] == '\\' && json->at[1] == 'u') {
            json->at += 2;
            second = unjson_hex4(json);
        }
        if (second < 0xdc00 || second >= 0xe000) {
            return unjson_fail(json, "half of a surrogate pair");
        }
        first = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    }
    *to += unjson_utf8((uint32_t)first, *to);
    return true;
}

static bool unjson_escape(struct unjson *json, uint8_t **to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    const char       *name;

    if (json->at == json->end) {
        return unjson_fail(json, "a string without an end");
    }
    if (*json->at == 'u') {
        json->at++;
        return unjson_code(json, to);
    }
    name = *json->at == 0 ? NULL : strchr(names, *json->at);
    if (name == NULL) {
        return unjson_fail(json, "an escape that JSON does not know");
    }
    json->at++;
    *(*to)++ = (uint8_t)bytes[name - names];
    return true;
}

static bool unjson_string(struct unjson *json, struct view *out_text)
{
    const uint8_t *from, *close;
    uint8_t       *text, *to;

    if (!unjson_take(json, '"')) {
        return unjson_fail(json, "a string is wanted");
    }
    from = json->at;
    for (close = from; close < json->end && *close != '"' && *close != '\\'; close++) {
    }
    if (close < json->end && *close == '"') { /* most have no escapes: they stay where they are */
        json->at = close + 1;
        *out_text = view_of(from, (size_t)(close - from));
        return true;
    }
    text = to = arena_alloc(json->arena, (size_t)(json->end - from) + 1);
    if (text == NULL) {
        return unjson_fail(json, "too large");
    }
    while (json->at < json->end && *json->at != '"') {
        uint8_t byte = *json->at++;

        if (byte != '\\') {
            *to++ = byte;
        } else if (!unjson_escape(json, &to)) {
            return false;
        }
    }
    if (json->at == json->end) {
        return unjson_fail(json, "a string without an end");
    }
    json->at++;
    *out_text = view_of(text, (size_t)(to - text));
    return true;
}

/* --- any value --------------------------------------------------------------------------------------------------- */

/* Passes over one value; *out_raw is its text. */
static bool unjson_skip(struct unjson *json, struct view *out_raw)
{
    const uint8_t *from;
    int            depth = 0;
    struct view    text;

    unjson_blanks(json);
    from = json->at;
    do {
        uint8_t byte = unjson_peek(json);

        if (byte == '"') {
            if (!unjson_string(json, &text)) {
                return false;
            }
        } else if (byte == '{' || byte == '[') {
            json->at++;
            if (++depth > NESTING_MAX) {
                return unjson_fail(json, "nested too deeply");
            }
            continue;
        } else if (byte == '}' || byte == ']') {
            if (depth == 0) {
                return unjson_fail(json, "a value is missing");
            }
            json->at++;
            depth--;
        } else if (byte == 0) {
            return unjson_fail(json, "it ends too early");
        } else if (depth > 0 && (byte == ',' || byte == ':')) {
            json->at++;
            continue;
        } else {
            const uint8_t *word = json->at;

            while (json->at < json->end && strchr(" \t\r\n,:{}[]\"", *json->at) == NULL && *json->at != 0) {
                json->at++;
            }
            if (json->at == word) {
                return unjson_fail(json, "a value is missing");
            }
        }
    } while (depth > 0);
    *out_raw = view_of(from, (size_t)(json->at - from));
    return true;
}

/* A string's text, null, or other JSON as it stands. */
static bool unjson_bytes(struct unjson *json, struct view *out_bytes)
{
    if (unjson_peek(json) == '"') {
        return unjson_string(json, out_bytes);
    }
    if (!unjson_skip(json, out_bytes)) {
        return false;
    }
    if (view_equal(*out_bytes, view_text("null"))) {
        *out_bytes = (struct view){0};
    }
    return true;
}

static int unjson_base64_digit(uint8_t byte)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char       *found = byte == 0 ? NULL : strchr(letters, byte);

    return found == NULL ? -1 : (int)(found - letters);
}

static bool unjson_base64(struct unjson *json, struct view *out_bytes)
{
    struct view text;
    uint8_t    *bytes;
    size_t      len = 0;
    uint32_t    bits = 0;

    if (!unjson_string(json, &text)) {
        return false;
    }
    while (text.len > 0 && text.base[text.len - 1] == '=') {
        text.len--;
    }
    bytes = arena_alloc(json->arena, text.len + 1);
    if (bytes == NULL || text.len % 4 == 1) {
        return unjson_fail(json, "no base64");
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = unjson_base64_digit(text.base[i]);

        if (digit < 0) {
            return unjson_fail(json, "no base64");
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0) {
            bytes[len++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    *out_bytes = view_of(bytes, len);
    return true;
}

/* --- the record -------------------------------------------------------------------------------------------------- */

static bool unjson_header(struct unjson *json, struct cli_record_header *header)
{
    struct view name;

    *header = (struct cli_record_header){0};
    if (!unjson_take(json, '{')) {
        return unjson_fail(json, "a header is an object with name and value");
    }
    while (!unjson_take(json, '}')) {
        bool good = unjson_string(json, &name) && (unjson_take(json, ':') || unjson_fail(json, "a : is missing"));

        if (good && view_equal(name, view_text("name"))) {
            good = unjson_string(json, &header->name);
        } else if (good && view_equal(name, view_text("value_base64"))) {
            good = unjson_base64(json, &header->value);
        } else if (good && view_equal(name, view_text("value"))) {
            good = unjson_bytes(json, &header->value);
        } else if (good) {
            good = unjson_skip(json, &name);
        }
        if (!good) {
            return false;
        }
        (void)unjson_take(json, ',');
    }
    return header->name.base != NULL || unjson_fail(json, "a header without a name");
}

static bool unjson_headers(struct unjson *json, struct cli_record_view *record)
{
    struct cli_record_header *headers =
        arena_alloc_array(json->arena, CLI_UNJSON_HEADERS_MAX, sizeof(struct cli_record_header));
    struct view raw;

    record->header_count = 0; /* of a name that stands there twice, the last counts */
    if (unjson_peek(json) == 'n') {
        return unjson_skip(json, &raw);
    }
    if (headers == NULL || !unjson_take(json, '[')) {
        return unjson_fail(json, "headers are a list");
    }
    while (!unjson_take(json, ']')) {
        if (record->header_count == CLI_UNJSON_HEADERS_MAX) {
            return unjson_fail(json, "too many headers");
        }
        if (!unjson_header(json, &headers[record->header_count])) {
            return false;
        }
        record->header_count++;
        (void)unjson_take(json, ',');
    }
    record->headers = headers;
    return true;
}

static bool unjson_timestamp(struct unjson *json, struct cli_record_view *record)
{
    struct view raw;
    char        text[32];

    if (!unjson_skip(json, &raw)) {
        return false;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)MIN(raw.len, sizeof(text) - 1), (const char *)raw.base);
    if (strcmp(text, "null") != 0 && !cli_parse_number(text, 0, INT64_MAX, &record->timestamp_ms)) {
        return unjson_fail(json, "a timestamp is a number of milliseconds");
    }
    return true;
}

static bool unjson_member(struct unjson *json, struct cli_record_view *record)
{
    struct view name, raw;

    if (!unjson_string(json, &name) || (!unjson_take(json, ':') && !unjson_fail(json, "a : is missing"))) {
        return false;
    }
    if (view_equal(name, view_text("key"))) {
        return unjson_bytes(json, &record->key);
    }
    if (view_equal(name, view_text("value"))) {
        return unjson_bytes(json, &record->value);
    }
    if (view_equal(name, view_text("key_base64"))) {
        return unjson_base64(json, &record->key);
    }
    if (view_equal(name, view_text("value_base64"))) {
        return unjson_base64(json, &record->value);
    }
    if (view_equal(name, view_text("headers"))) {
        return unjson_headers(json, record);
    }
    return view_equal(name, view_text("timestamp")) ? unjson_timestamp(json, record) : unjson_skip(json, &raw);
}

bool cli_unjson_record(struct view line, struct arena *arena, struct cli_record_view *out_record, const char **out_why)
{
    struct unjson          json = {.at = line.base, .end = line.base + line.len, .arena = arena};
    struct cli_record_view record = {.timestamp_ms = -1};
    bool                   good = unjson_take(&json, '{') || unjson_fail(&json, "an object is wanted");

    while (good && !unjson_take(&json, '}')) {
        good = unjson_member(&json, &record);
        if (good && !unjson_take(&json, ',') && unjson_peek(&json) != '}') {
            good = unjson_fail(&json, "a , or } is missing");
        }
    }
    if (good && unjson_peek(&json) != 0) {
        good = unjson_fail(&json, "something stands behind the object");
    }
    if (!good) {
        *out_why = json.why;
        return false;
    }
    *out_record = record;
    return true;
}
