/* Texts as codes: base 64 and hexadecimal digits. */
#include "compute/expr/expr_text.h"

/* --- base 64 ------------------------------------------------------------------------------------------------------ */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool to_base64(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        size_t      len = (text.len + 2) / 3 * 4;
        char        small[VEC_STRING_INLINE_MAX];
        char       *room = len <= sizeof(small) ? small : expr__text_room(call, row, len);

        if (room == NULL) {
            return false;
        }
        for (size_t at = 0, out = 0; at < text.len; at += 3, out += 4) {
            size_t   left = text.len - at;
            uint32_t bits = (uint32_t)text.base[at] << 16 | (left > 1 ? (uint32_t)text.base[at + 1] << 8 : 0) |
                            (left > 2 ? text.base[at + 2] : 0);

            for (size_t digit = 0; digit < 4; digit++) {
                room[out + digit] = digit <= left ? base64_digits[bits >> (18 - 6 * digit) & 63] : '=';
            }
        }
        expr__put_room(call, row, room, len);
    }
    return true;
}

bool expr__bind_to_base64(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), to_base64);
    return expr__want_text(bind, 0);
}

static int base64_value(uint8_t digit)
{
    const char *found = digit == 0 ? NULL : strchr(base64_digits, digit);

    return found == NULL ? -1 : (int)(found - base64_digits);
}

/* Java's basic decoder: padding may be left out; anything else wrong fails. Gives the bytes written or SIZE_MAX. */
static size_t decode_base64(struct view text, char *out)
{
    size_t   padding = 0;
    size_t   len = 0;
    uint32_t bits = 0;

    while (padding < 2 && padding < text.len && text.base[text.len - 1 - padding] == '=') {
        padding++;
    }
    if (padding > 0 && text.len % 4 != 0) {
        return SIZE_MAX;
    }
    text.len -= padding;
    if (text.len % 4 == 1) {
        return SIZE_MAX;
    }
    for (size_t at = 0; at < text.len; at++) {
        int value = base64_value(text.base[at]);

        if (value < 0) {
            return SIZE_MAX;
        }
        bits = bits << 6 | (uint32_t)value;
        if (at % 4 == 3) {
            out[len++] = (char)(bits >> 16);
            out[len++] = (char)(bits >> 8);
            out[len++] = (char)bits;
        }
    }
    if (text.len % 4 == 2) {
        out[len++] = (char)(bits >> 4);
    } else if (text.len % 4 == 3) {
        out[len++] = (char)(bits >> 10);
        out[len++] = (char)(bits >> 2);
    }
    return len;
}

/* What is no UTF-8 becomes U+FFFD, as Java's String of bytes does. */
void expr__build_utf8(struct expr_builder *builder, struct view bytes)
{
    size_t width;

    for (size_t at = 0; at < bytes.len; at += width) {
        uint32_t code = expr__decode(bytes, at, &width);

        if (code == 0xfffd && width == 1) {
            expr__build(builder, "\xef\xbf\xbd", 3);
        } else {
            expr__build(builder, bytes.base + at, width);
        }
    }
}

static bool from_base64(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t              row = expr__row(call, i);
        struct view         text = expr__view_at(&texts, row);
        struct expr_builder builder = {.call = call, .row = row};
        char               *room = expr__text_room(call, row, text.len + 4);
        size_t              len;

        if (room == NULL) {
            return false;
        }
        len = decode_base64(text, room);
        if (len == SIZE_MAX) {
            return expr__fail(call, row, "'%.*s' is not base 64", (int)MIN(text.len, (size_t)60),
                              (const char *)text.base);
        }
        expr__build_utf8(&builder, view_of(room, len));
        if (!expr__built(&builder)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_from_base64(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), from_base64);
    bind->out.result.nullable = true;
    return expr__want_text(bind, 0);
}

/* --- hexadecimal and binary digits -------------------------------------------------------------------------------- */

static bool hex_of_text(struct expr_call *call)
{
    static const char digits[] = "0123456789ABCDEF";
    struct vec_access texts = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        char        small[VEC_STRING_INLINE_MAX];
        char       *room = text.len * 2 <= sizeof(small) ? small : expr__text_room(call, row, text.len * 2);

        if (room == NULL) {
            return false;
        }
        for (size_t at = 0; at < text.len; at++) {
            room[2 * at] = digits[text.base[at] >> 4];
            room[2 * at + 1] = digits[text.base[at] & 15];
        }
        expr__put_room(call, row, room, text.len * 2);
    }
    return true;
}

/* HEX and BIN of a number: no leading zeros, negative ones as 64 bits. */
static bool digits_of_number(struct expr_call *call)
{
    struct vec_access numbers = vec_access_of(&call->arguments[0]);
    uint32_t          bits = call->expr->function->name[0] == 'H' ? 4 : 1;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t   row = expr__row(call, i);
        uint64_t number = (uint64_t)((const int64_t *)numbers.data)[vec_access_at(&numbers, row)];
        char     text[64];
        size_t   at = sizeof(text);

        do {
            text[--at] = "0123456789ABCDEF"[number & ((1U << bits) - 1)];
            number >>= bits;
        } while (number != 0);
        if (!expr__put_copy(call, row, text + at, sizeof(text) - at)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_hex(struct expr_bind *bind)
{
    if (vec_kind_is_text(bind->arguments[0]->type.kind)) {
        expr__result(bind, expr__string_type(), hex_of_text);
        return true;
    }
    return expr__bind_bin(bind);
}

bool expr__bind_bin(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), digits_of_number);
    return expr__coerce(bind, 0, vec_type_of(VEC_BIGINT));
}
