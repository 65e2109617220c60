/* cli_json.c: the one JSON writer. */
#include "tools/cli/cli_out.h"

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bytes of the UTF-8 sequence at the head of `rest`, 0 when it is none. Over-long forms and surrogates are none. */
static size_t cli_utf8_bytes(const uint8_t *rest, size_t len)
{
    uint8_t first = rest[0];
    size_t  bytes = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;

    if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) {
        return 0;
    }
    if (bytes > len) {
        return 0;
    }
    for (size_t i = 1; i < bytes; i++) {
        if ((rest[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((first == 0xe0 && rest[1] < 0xa0) || (first == 0xed && rest[1] > 0x9f) || (first == 0xf0 && rest[1] < 0x90) ||
        (first == 0xf4 && rest[1] > 0x8f)) {
        return 0;
    }
    return bytes;
}

bool cli_is_utf8(struct view bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        size_t used = cli_utf8_bytes(bytes.base + at, bytes.len - at);

        if (used == 0) {
            return false;
        }
        at += used;
    }
    return true;
}

static void cli_json_break(struct cli_json *json)
{
    if (json->pretty && json->depth > 0) {
        (void)fprintf(json->to, "\n%*s", 2 * json->depth, "");
    }
}

/* Before a value: nothing behind a key, else comma and line break. */
static void cli_json_next(struct cli_json *json)
{
    if (json->comma) {
        (void)fputc(',', json->to);
    }
    if (json->depth > 0) {
        cli_json_break(json);
    }
}

/* A key clears `comma` and stays on its line: its value must not break. */
static void cli_json_value(struct cli_json *json)
{
    if (json->keyed) {
        json->keyed = false;
    } else {
        cli_json_next(json);
    }
    json->comma = true;
}

void cli_json_open(struct cli_json *json, char bracket)
{
    cli_json_value(json);
    (void)fputc(bracket, json->to);
    json->depth++;
    json->comma = false;
}

void cli_json_close(struct cli_json *json, char bracket)
{
    json->depth--;
    if (json->comma) {
        if (json->pretty && json->depth == 0) {
            (void)fputc('\n', json->to);
        } else {
            cli_json_break(json);
        }
    }
    (void)fputc(bracket, json->to);
    json->comma = true;
}

static void cli_json_quoted(struct cli_json *json, struct view text)
{
    (void)fputc('"', json->to);
    for (size_t at = 0; at < text.len;) {
        uint8_t byte = text.base[at];
        size_t  used = cli_utf8_bytes(text.base + at, text.len - at);

        if (used == 0) {
            (void)fputs("\\ufffd", json->to);
            used = 1;
        } else if (byte == '"' || byte == '\\') {
            (void)fprintf(json->to, "\\%c", byte);
        } else if (byte == '\n') {
            (void)fputs("\\n", json->to);
        } else if (byte == '\t') {
            (void)fputs("\\t", json->to);
        } else if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(json->to, "\\u%04x", byte);
        } else {
            (void)fwrite(text.base + at, 1, used, json->to);
        }
        at += used;
    }
    (void)fputc('"', json->to);
}

void cli_json_key(struct cli_json *json, const char *name)
{
    cli_json_next(json);
    cli_json_quoted(json, view_text(name));
    (void)fputs(json->pretty ? ": " : ":", json->to);
    json->keyed = true;
}

void cli_json_view(struct cli_json *json, struct view text)
{
    if (text.base == NULL) {
        cli_json_null(json);
        return;
    }
    cli_json_value(json);
    cli_json_quoted(json, text);
}

void cli_json_text(struct cli_json *json, const char *text)
{
    cli_json_view(json, text == NULL ? (struct view){0} : view_text(text));
}

void cli_json_number(struct cli_json *json, int64_t value)
{
    cli_json_value(json);
    (void)fprintf(json->to, "%" PRId64, value);
}

void cli_json_float(struct cli_json *json, double value)
{
    cli_json_value(json);
    if (value - value == 0) { /* neither infinite nor no number: JSON knows none of those */
        (void)fprintf(json->to, "%.17g", value);
    } else {
        (void)fputs("null", json->to);
    }
}

void cli_json_bool(struct cli_json *json, bool value)
{
    cli_json_value(json);
    (void)fputs(value ? "true" : "false", json->to);
}

void cli_json_null(struct cli_json *json)
{
    cli_json_value(json);
    (void)fputs("null", json->to);
}

void cli_print_base64(FILE *to, struct view bytes)
{
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t   left = MIN(bytes.len - at, (size_t)3);
        uint32_t group = (uint32_t)bytes.base[at] << 16;

        group |= left > 1 ? (uint32_t)bytes.base[at + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes.base[at + 2] : 0;
        (void)fputc(base64_letters[group >> 18], to);
        (void)fputc(base64_letters[(group >> 12) & 63], to);
        (void)fputc(left > 1 ? base64_letters[(group >> 6) & 63] : '=', to);
        (void)fputc(left > 2 ? base64_letters[group & 63] : '=', to);
    }
}

static void cli_json_base64(struct cli_json *json, struct view bytes)
{
    cli_json_value(json);
    (void)fputc('"', json->to);
    cli_print_base64(json->to, bytes);
    (void)fputc('"', json->to);
}

void cli_json_bytes(struct cli_json *json, const char *name, struct view bytes)
{
    char key[64];

    if (bytes.base == NULL || cli_is_utf8(bytes)) {
        cli_json_key(json, name);
        cli_json_view(json, bytes);
        return;
    }
    (void)snprintf(key, sizeof(key), "%s_base64", name);
    cli_json_key(json, key);
    cli_json_base64(json, bytes);
}
