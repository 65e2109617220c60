/* Texts inside of JSON: escapes, UTF-8 as loosely as Jackson takes it, base64. */
#include "compute/format/format_json.h"

static bool fail(struct json_reader *reader, const char *problem)
{
    reader->problem = problem;
    return false;
}

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

/* --- texts -------------------------------------------------------------------------------------------------------- */

/* UTF-16 units, as Java's strings have them, to UTF-8. A surrogate without its other half is kept as three bytes: Flink
 * hands Java's strings on and writes it as it came. */
struct json__units {
    uint8_t *out; /* room for three times the units */
    size_t   len;
    size_t   count;
    uint16_t pending; /* a high surrogate, or 0 */
};

static void put_wide(struct json__units *units, uint32_t unit)
{
    units->out[units->len++] = (uint8_t)(0xe0 | unit >> 12);
    units->out[units->len++] = (uint8_t)(0x80 | (unit >> 6 & 0x3f));
    units->out[units->len++] = (uint8_t)(0x80 | (unit & 0x3f));
}

static void put_unit(struct json__units *units, uint16_t unit)
{
    uint16_t high = units->pending;

    units->count++;
    units->pending = 0;
    if (high != 0 && unit >= 0xdc00 && unit <= 0xdfff) {
        uint32_t code = 0x10000U + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(unit - 0xdc00);

        units->out[units->len++] = (uint8_t)(0xf0 | code >> 18);
        units->out[units->len++] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        units->out[units->len++] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        units->out[units->len++] = (uint8_t)(0x80 | (code & 0x3f));
        return;
    }
    if (high != 0) {
        put_wide(units, high);
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        units->pending = unit;
    } else if (unit < 0x80) {
        units->out[units->len++] = (uint8_t)unit;
    } else if (unit < 0x800) {
        units->out[units->len++] = (uint8_t)(0xc0 | unit >> 6);
        units->out[units->len++] = (uint8_t)(0x80 | (unit & 0x3f));
    } else {
        put_wide(units, unit);
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
static bool read_wide(struct json_reader *reader, uint8_t lead, struct json__units *units)
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
bool json__read_units(struct json_reader *reader, struct json__units *units)
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

bool json_loose_text(struct view text, struct arena *texts, struct view *out_text)
{
    struct json_reader reader = {.at = text.base, .end = text.base + text.len};
    struct json__units units = {.out = arena_alloc(texts, text.len * 3 + 1)};

    CHECK(units.out != NULL);
    while (reader.at < reader.end) {
        uint8_t byte = *reader.at++;

        if (byte < 0x80) {
            put_unit(&units, byte);
        } else if (!read_wide(&reader, byte, &units)) {
            return false;
        }
    }
    if (units.pending != 0) {
        put_wide(&units, units.pending);
    }
    *out_text = view_of(units.out, units.len);
    return true;
}

/* From behind the opening quote to behind the closing one. */
bool json__read_text(struct json_reader *reader, size_t chars_max, struct view *out_text)
{
    const uint8_t     *start = reader->at;
    const uint8_t     *at = start;
    struct json__units units = {.len = 0};
    bool               is_ascii = true;

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
    if (!json__read_units(reader, &units)) {
        return false;
    }
    if (units.pending != 0) {
        put_wide(&units, units.pending);
    }
    *out_text = view_of(units.out, units.len);
    return units.count <= chars_max || fail(reader, "a string is longer than 20,000,000 characters");
}

bool json_read_string(struct json_reader *reader, struct view *out_text)
{
    return json__read_text(reader, JSON_STRING_CHARS_MAX, out_text);
}

/* --- base64 ------------------------------------------------------------------------------------------------------- */

/* One character of base64 as Jackson takes it from the text: -1 for the string's end, -2 for what does not belong. */
static int next_base64(struct json_reader *reader, uint16_t *out_unit)
{
    uint8_t byte;

    if (reader->at == reader->end) {
        return -2;
    }
    byte = *reader->at++;
    *out_unit = byte;
    if (byte == '"') {
        return -1;
    }
    if (byte == '\\' && !read_escape(reader, out_unit)) {
        return -2;
    }
    return *out_unit < 0x80 ? format__base64_bits((uint8_t)*out_unit) : -2;
}

static void skip_blanks(struct json_reader *reader)
{
    while (reader->at < reader->end && *reader->at <= ' ') {
        reader->at++;
    }
}

/* Two to four characters and their padding; blanks before the first only. Length 0: the string has ended. */
static bool read_group(struct json_reader *reader, uint8_t out_bytes[3], size_t *out_len)
{
    uint32_t group = 0;
    uint16_t unit = 0;
    int      marks = 0, bits;

    *out_len = 0;
    do {
        skip_blanks(reader);
        bits = next_base64(reader, &unit);
    } while (bits == -2 && unit <= ' ' && reader->at < reader->end); /* a blank that was escaped */
    if (bits == -1) {
        return true;
    }
    for (; bits >= 0; marks++) {
        group = group << 6 | (uint32_t)bits;
        bits = marks == 3 ? -3 : next_base64(reader, &unit);
    }
    if (bits == -1) {
        reader->at -= marks >= 2;
        return false;
    }
    if (marks < 2 || (marks < 4 && unit != '=')) {
        return false;
    }
    if (marks == 2) {
        (void)next_base64(reader, &unit);
        if (unit != '=') {
            return false;
        }
    }
    group <<= 6 * (4 - marks);
    for (int i = 0; i < marks - 1; i++) {
        out_bytes[(*out_len)++] = (uint8_t)(group >> (16 - 8 * i));
    }
    return true;
}

bool json_bytes(struct json_reader *reader, struct view *out_bytes)
{
    uint8_t *bytes;
    size_t   len = 0, more = 0;

    if (reader->token != JSON_STRING) {
        return fail(reader, "base64 stands in a string");
    }
    bytes = arena_alloc(reader->texts, (size_t)(reader->end - reader->at) + 3);
    CHECK(bytes != NULL);
    do {
        /* An error leaves the string unread: Jackson then goes on inside of it. */
        if (!read_group(reader, bytes + len, &more)) {
            return fail(reader, "no base64");
        }
        len += more;
    } while (more > 0);
    reader->is_incomplete = false;
    *out_bytes = view_of(bytes, len);
    return true;
}
