/* Text that grows, and JSON in and out of it. */
#include "core/base/mem.h"
#include "net/http/http_internal.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES_MIN ((size_t)256)

void http__text_deinit(struct http_text *text)
{
    mem_free(MEM_NET, text->base);
    *text = (struct http_text){0};
}

static char *text_room(struct http_text *text, size_t bytes)
{
    if (text->capacity - text->len < bytes) {
        text->capacity = MAX(MAX(text->capacity * 2, text->len + bytes), TEXT_BYTES_MIN);
        text->base = mem_realloc(MEM_NET, text->base, text->capacity);
    }
    return text->base + text->len;
}

void http__text_put(struct http_text *text, const void *base, size_t len)
{
    if (len > 0) {
        memcpy(text_room(text, len), base, len);
        text->len += len;
    }
}

void http__text_print(struct http_text *text, const char *format, ...)
{
    va_list arguments, again;
    int     len;

    va_start(arguments, format);
    va_copy(again, arguments);
    len = vsnprintf(NULL, 0, format, arguments);
    CHECK(len >= 0);
    (void)vsnprintf(text_room(text, (size_t)len + 1), (size_t)len + 1, format, again);
    text->len += (size_t)len;
    va_end(again);
    va_end(arguments);
}

struct view http__text_view(const struct http_text *text)
{
    return view_of(text->base == NULL ? "" : text->base, text->len);
}

/* Bytes of the character at `base`; 0: it is none. */
static size_t utf8_length(const uint8_t *base, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t              code = base[0];
    size_t                bytes = code < 0x80 ? 1 : code >> 5 == 6 ? 2 : code >> 4 == 14 ? 3 : code >> 3 == 30 ? 4 : 0;

    if (bytes <= 1 || bytes > len) {
        return bytes == 1 ? 1 : 0;
    }
    code &= (uint32_t)0x7f >> bytes;
    for (size_t i = 1; i < bytes; i++) {
        if ((base[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (base[i] & 0x3f);
    }
    return code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : bytes;
}

json_t *http__json_text(struct view text)
{
    json_t          *value = json_stringn((const char *)(text.len == 0 ? (const uint8_t *)"" : text.base), text.len);
    struct http_text clean = {0};

    if (value != NULL) {
        return value;
    }
    for (size_t at = 0; at < text.len;) {
        size_t bytes = utf8_length(text.base + at, text.len - at);

        http__text_put(&clean, bytes == 0 ? (const uint8_t *)"\xef\xbf\xbd" : text.base + at, bytes == 0 ? 3 : bytes);
        at += MAX(bytes, (size_t)1);
    }
    value = json_stringn(clean.base, clean.len);
    http__text_deinit(&clean);
    CHECK(value != NULL);
    return value;
}

static int text_dump(const char *base, size_t len, void *context)
{
    http__text_put(context, base, len);
    return 0;
}

void http__text_put_json(struct http_text *text, json_t *document)
{
    CHECK(document != NULL);
    CHECK(json_dump_callback(document, text_dump, text, JSON_COMPACT | JSON_ENCODE_ANY) == 0);
    json_decref(document);
}

json_t *http__json_errors(struct view message)
{
    return json_pack("{s:[o]}", "errors", http__json_text(message));
}
