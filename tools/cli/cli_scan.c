/* cli_scan.c: where JSON values begin and end. */
#include "tools/cli/cli_scan.h"

#include <stdlib.h>

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void scan_skip(struct view *at, size_t bytes)
{
    *at = view_of(at->base + bytes, at->len - bytes);
}

static void scan_blanks(struct view *at)
{
    while (at->len > 0 && is_blank(at->base[0])) {
        scan_skip(at, 1);
    }
}

/* Bytes of the string at the beginning, quotes included; 0: it does not end. */
static size_t string_length(struct view at)
{
    for (size_t i = 1; i < at.len; i++) {
        if (at.base[i] == '\\') {
            i++;
        } else if (at.base[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

static size_t nested_length(struct view at)
{
    size_t depth = 0;

    for (size_t i = 0; i < at.len; i++) {
        if (at.base[i] == '"') {
            size_t len = string_length(view_of(at.base + i, at.len - i));

            if (len == 0) {
                return 0;
            }
            i += len - 1;
        } else if (at.base[i] == '{' || at.base[i] == '[') {
            depth++;
        } else if ((at.base[i] == '}' || at.base[i] == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t word_length(struct view at)
{
    size_t len = 0;

    while (len < at.len && !is_blank(at.base[len]) && strchr(",:{}[]\"", at.base[len]) == NULL) {
        len++;
    }
    return len;
}

bool cli_scan_value(struct view *at, struct view *out_raw)
{
    size_t len;

    scan_blanks(at);
    if (at->len == 0) {
        return false;
    }
    len = at->base[0] == '"'                         ? string_length(*at)
          : at->base[0] == '{' || at->base[0] == '[' ? nested_length(*at)
                                                     : word_length(*at);
    if (len == 0) {
        return false;
    }
    *out_raw = view_of(at->base, len);
    scan_skip(at, len);
    scan_blanks(at);
    return true;
}

static bool scan_mark(struct view *at, char mark)
{
    scan_blanks(at);
    if (at->len == 0 || at->base[0] != (uint8_t)mark) {
        return false;
    }
    scan_skip(at, 1);
    return true;
}

bool cli_scan_member(struct view object, const char *name, struct view *out_raw)
{
    struct view at = object, key, value;

    if (!scan_mark(&at, '{')) {
        return false;
    }
    do {
        if (!cli_scan_value(&at, &key) || key.base[0] != '"' || !scan_mark(&at, ':') || !cli_scan_value(&at, &value)) {
            return false;
        }
        if (key.len == strlen(name) + 2 && memcmp(key.base + 1, name, key.len - 2) == 0) {
            *out_raw = value;
            return true;
        }
    } while (scan_mark(&at, ','));
    return false;
}

bool cli_scan_item(struct view array, size_t *position, struct view *out_raw)
{
    struct view at = view_of(array.base + *position, array.len - *position);

    if (!scan_mark(&at, *position == 0 ? '[' : ',') || !cli_scan_value(&at, out_raw)) {
        return false;
    }
    *position = array.len - at.len;
    return true;
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static uint32_t hex4(const uint8_t *base)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t byte = base[i];

        code = code << 4 | (uint32_t)(byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10);
    }
    return code & 0xffff;
}

static size_t put_utf8(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* An escape at base[0], the backslash; its length, its text at `to`. A \u of four digits is six bytes for three at
 * most, a pair twelve for four. */
static size_t take_escape(const uint8_t *base, size_t len, char *to, size_t *out_len)
{
    static const char from[] = "nrtbf", plain[] = "\n\r\t\b\f";
    const char       *known = len < 2 ? NULL : strchr(from, base[1]);
    uint32_t          code, low;

    *out_len = 1;
    if (len >= 6 && base[1] == 'u') {
        code = hex4(base + 2);
        if (code >= 0xd800 && code < 0xdc00 && len >= 12 && base[6] == '\\' && base[7] == 'u') {
            low = hex4(base + 8);
            *out_len = put_utf8(0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff)), to);
            return 12;
        }
        *out_len = put_utf8(code, to);
        return 6;
    }
    to[0] = known != NULL && *known != '\0' ? plain[known - from] : (char)base[len < 2 ? 0 : 1];
    return MIN(len, (size_t)2);
}

size_t cli_scan_text(struct view raw, char *to)
{
    size_t len = 0;

    if (raw.len < 2 || raw.base[0] != '"') {
        memcpy(to, raw.base, raw.len);
        return raw.len;
    }
    for (size_t i = 1; i < raw.len - 1;) {
        if (raw.base[i] == '\\') {
            size_t put = 0;

            i += take_escape(raw.base + i, raw.len - 1 - i, to + len, &put);
            len += put;
        } else {
            to[len++] = (char)raw.base[i++];
        }
    }
    return len;
}

bool cli_scan_is_null(struct view raw)
{
    return view_equal(raw, view_text("null"));
}

int64_t cli_scan_number(struct view raw, int64_t otherwise)
{
    char  text[24] = "";
    char *end = text;

    if (raw.len > 0 && raw.len < sizeof(text)) {
        int64_t value;

        memcpy(text, raw.base, raw.len);
        value = strtoll(text, &end, 10);
        return *end == '\0' ? value : otherwise;
    }
    return otherwise;
}
