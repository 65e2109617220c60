/* Tools of the kernels over texts: results, characters, texts that grow. */
#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define BUILDER_BYTES_MIN 64

/* --- binding ------------------------------------------------------------------------------------------------------ */

struct vec_type expr__string_type(void)
{
    struct vec_type type = vec_type_of(VEC_VARCHAR);

    type.nullable = false;
    return type;
}

struct vec_type expr__varchar_of(const struct expr *a, const struct expr *b)
{
    struct vec_type type = expr__string_type();
    int64_t         length = a->type.length;

    if (b != NULL) {
        length += b->type.length;
    }
    type.length = (int32_t)MIN(length, (int64_t)VEC_LENGTH_UNLIMITED);
    return type;
}

bool expr__want_text(struct expr_bind *bind, uint32_t i)
{
    return vec_kind_is_text(bind->arguments[i]->type.kind) || expr__coerce(bind, i, vec_type_of(VEC_VARCHAR));
}

bool expr__want_int(struct expr_bind *bind, uint32_t i)
{
    return expr__coerce(bind, i, vec_type_of(VEC_INT));
}

void expr__result(struct expr_bind *bind, struct vec_type type, expr_kernel_fn *kernel)
{
    bind->out.result = type;
    bind->out.kernel = kernel;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

bool expr__put_copy(struct expr_call *call, size_t row, const void *bytes, size_t len)
{
    struct vec_string *result = (struct vec_string *)call->result->data + row;
    char              *room;

    if (len <= VEC_STRING_INLINE_MAX) {
        *result = vec_string_of(bytes, (uint32_t)len);
        return true;
    }
    room = expr__text_room(call, row, len);
    if (room == NULL) {
        return false;
    }
    memcpy(room, bytes, len);
    *result = vec_string_of(room, (uint32_t)len);
    return true;
}

void expr__put_room(struct expr_call *call, size_t row, const char *room, size_t len)
{
    ((struct vec_string *)call->result->data)[row] = vec_string_of(room, (uint32_t)len);
}

/* --- characters --------------------------------------------------------------------------------------------------- */

int32_t expr__count_characters(struct view text)
{
    int32_t count = 0;
    size_t  i = 0;

    for (; i + 8 <= text.len; i += 8) { /* continuation bytes have the highest bit and not the next */
        uint64_t word;

        memcpy(&word, text.base + i, 8);
        count += 8 - __builtin_popcountll(word >> 7 & ~(word >> 6) & UINT64_C(0x0101010101010101));
    }
    for (; i < text.len; i++) {
        count += !expr__is_continuation(text.base[i]);
    }
    return count;
}

size_t expr__character_at(struct view text, int64_t characters)
{
    size_t at = 0;

    while (at < text.len && characters > 0) {
        at++;
        while (at < text.len && expr__is_continuation(text.base[at])) {
            at++;
        }
        characters--;
    }
    return at;
}

uint32_t expr__decode(struct view text, size_t at, size_t *out_bytes)
{
    static const uint8_t lead_masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint8_t              lead = text.base[at];
    size_t   bytes = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    uint32_t code;

    *out_bytes = 1;
    if (bytes == 0 || at + bytes > text.len) {
        return 0xfffd;
    }
    code = lead & lead_masks[bytes];
    for (size_t i = 1; i < bytes; i++) {
        if (!expr__is_continuation(text.base[at + i])) {
            return 0xfffd;
        }
        code = code << 6 | (text.base[at + i] & 0x3f);
    }
    *out_bytes = bytes;
    return code;
}

size_t expr__encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* --- texts that grow ---------------------------------------------------------------------------------------------- */

void expr__build(struct expr_builder *builder, const void *bytes, size_t len)
{
    if (builder->failed || len == 0) {
        return;
    }
    if (builder->len + len > UINT32_MAX / 2) {
        builder->failed = true;
        (void)expr__fail(builder->call, builder->row, "a text of more than 2 GiB");
        return;
    }
    if (builder->len + len > builder->capacity) {
        size_t capacity = MAX(MAX(builder->capacity * 2, builder->len + len), (size_t)BUILDER_BYTES_MIN);
        char  *base = expr__text_room(builder->call, builder->row, capacity);

        if (base == NULL) {
            builder->failed = true;
            return;
        }
        if (builder->len > 0) {
            memcpy(base, builder->base, builder->len);
        }
        builder->base = base;
        builder->capacity = capacity;
    }
    memcpy(builder->base + builder->len, bytes, len);
    builder->len += len;
}

bool expr__built(struct expr_builder *builder)
{
    if (!builder->failed) {
        expr__put_room(builder->call, builder->row, builder->base == NULL ? "" : builder->base, builder->len);
    }
    return !builder->failed;
}
