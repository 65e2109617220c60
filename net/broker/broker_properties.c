#include "net/broker/broker_properties.h"

struct properties_text {
    struct view text;
    size_t      at;
    uint32_t    line;
};

static int properties_peek(const struct properties_text *in)
{
    return in->at < in->text.len ? in->text.base[in->at] : -1;
}

static void properties_skip_blank(struct properties_text *in)
{
    int c;

    while ((c = properties_peek(in)) == ' ' || c == '\t' || c == '\f') {
        in->at++;
    }
}

/* Past one line end, \r\n counting as one. */
static void properties_skip_line_end(struct properties_text *in)
{
    if (properties_peek(in) == '\r') {
        in->at++;
    }
    if (properties_peek(in) == '\n') {
        in->at++;
    }
    in->line++;
}

static bool properties_line_end(int c)
{
    return c == '\n' || c == '\r' || c == -1;
}

static int properties_hex(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        return (c | 0x20) - 'a' + 10;
    }
    return -1;
}

static size_t properties_utf8(uint32_t point, uint8_t *to)
{
    if (point < 0x80) {
        to[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (uint8_t)(0xc0 | (point >> 6));
        to[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    to[0] = (uint8_t)(0xe0 | (point >> 12));
    to[1] = (uint8_t)(0x80 | ((point >> 6) & 0x3f));
    to[2] = (uint8_t)(0x80 | (point & 0x3f));
    return 3;
}

/* Behind a backslash. False: a malformed \u. */
static bool properties_escape(struct properties_text *in, uint8_t *to, size_t *len)
{
    int      c = properties_peek(in);
    uint32_t point = 0;

    if (properties_line_end(c)) { /* continuation: the next line's indentation does not count */
        if (c != -1) {
            properties_skip_line_end(in);
            properties_skip_blank(in);
        }
        return true;
    }
    in->at++;
    switch (c) {
    case 't':
        to[(*len)++] = '\t';
        return true;
    case 'n':
        to[(*len)++] = '\n';
        return true;
    case 'r':
        to[(*len)++] = '\r';
        return true;
    case 'f':
        to[(*len)++] = '\f';
        return true;
    case 'u':
        for (int i = 0; i < 4; i++) {
            int digit = properties_hex(properties_peek(in));

            if (digit < 0) {
                return false;
            }
            point = point * 16 + (uint32_t)digit;
            in->at++;
        }
        *len += properties_utf8(point, to + *len);
        return true;
    default:
        to[(*len)++] = (uint8_t)c;
        return true;
    }
}

/* One token into `to`; a key ends at =, : or blank, a value at the line's end. */
static bool properties_token(struct properties_text *in, bool is_key, uint8_t *to, size_t *out_len)
{
    size_t len = 0;

    for (;;) {
        int c = properties_peek(in);

        if (properties_line_end(c) || (is_key && (c == '=' || c == ':' || c == ' ' || c == '\t' || c == '\f'))) {
            break;
        }
        in->at++;
        if (c != '\\') {
            to[len++] = (uint8_t)c;
        } else if (!properties_escape(in, to, &len)) {
            return false;
        }
    }
    *out_len = len;
    return true;
}

static void properties_separator(struct properties_text *in)
{
    properties_skip_blank(in);
    if (properties_peek(in) == '=' || properties_peek(in) == ':') {
        in->at++;
        properties_skip_blank(in);
    }
}

int broker_properties_parse(struct view text, struct arena *arena, broker_property_fn *each, void *context,
                            uint32_t *out_line)
{
    struct properties_text in = {.text = text, .line = 1};
    uint8_t               *key = arena_alloc(arena, text.len + 1); /* a token is never longer than the text */
    uint8_t               *value = arena_alloc(arena, text.len + 1);

    if (key == NULL || value == NULL) {
        return ERR_NO_MEMORY;
    }
    while (in.at < text.len) {
        size_t key_len = 0;
        size_t value_len = 0;
        int    c;

        properties_skip_blank(&in);
        c = properties_peek(&in);
        *out_line = in.line;
        if (c == '#' || c == '!') {
            while (!properties_line_end(properties_peek(&in))) {
                in.at++;
            }
        } else if (!properties_line_end(c)) {
            if (!properties_token(&in, true, key, &key_len)) {
                return ERR_INVALID;
            }
            properties_separator(&in);
            if (!properties_token(&in, false, value, &value_len)) {
                return ERR_INVALID;
            }
            if (!each(context, *out_line, view_of(key, key_len), view_of(value, value_len))) {
                return ERR_CANCELED;
            }
        }
        properties_skip_line_end(&in);
    }
    return ERR_OK;
}
