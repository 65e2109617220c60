/* Upper and lower case. ASCII is done in place, eight bytes at a time; texts with other letters go by the Unicode
 * table, letter by letter, as Java's String.toUpperCase and toLowerCase in a locale without rules of its own: 'ß'
 * becomes "SS", a sigma at the end of a word the final one. */
#include "compute/expr/expr_case_table.h"
#include "compute/expr/expr_text.h"

#define FINAL_SIGMA   0x3c2
#define SIGMA         0x3c3
#define CAPITAL_SIGMA 0x3a3
#define DOTTED_I      0x130
#define DOT_ABOVE     0x307

static uint32_t mapped(const struct case_range *ranges, size_t count, uint32_t code)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (code > ranges[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == count || code < ranges[low].first || (code - ranges[low].first) % ranges[low].step != 0) {
        return code;
    }
    return (uint32_t)((int32_t)code + ranges[low].distance);
}

static uint32_t to_upper(uint32_t code)
{
    if (code < 0x80) {
        return code >= 'a' && code <= 'z' ? code - 32 : code;
    }
    return mapped(upper_ranges, COUNT_OF(upper_ranges), code);
}

static uint32_t to_lower(uint32_t code)
{
    if (code < 0x80) {
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    }
    return mapped(lower_ranges, COUNT_OF(lower_ranges), code);
}

static bool is_cased(uint32_t code)
{
    return to_upper(code) != code || to_lower(code) != code;
}

static void build_code(struct expr_builder *builder, uint32_t code)
{
    char bytes[4];

    expr__build(builder, bytes, expr__encode(code, bytes));
}

static const struct case_special *special_of(uint32_t code)
{
    for (size_t i = 0; i < COUNT_OF(upper_specials); i++) {
        if (upper_specials[i].code == code) {
            return &upper_specials[i];
        }
    }
    return NULL;
}

void expr__build_upper(struct expr_builder *builder, struct view text)
{
    size_t bytes;

    for (size_t at = 0; at < text.len; at += bytes) {
        uint32_t                   code = expr__decode(text, at, &bytes);
        const struct case_special *special = code < 0x80 ? NULL : special_of(code);

        for (size_t i = 0; special != NULL && i < 3 && special->becomes[i] != 0; i++) {
            build_code(builder, special->becomes[i]);
        }
        if (special == NULL) {
            build_code(builder, to_upper(code));
        }
    }
}

/* A sigma behind a letter and not before one ends a word. */
static bool ends_word(struct view text, size_t at, size_t bytes, uint32_t before)
{
    size_t   next_bytes;
    uint32_t next = at + bytes < text.len ? expr__decode(text, at + bytes, &next_bytes) : ' ';

    return is_cased(before) && !is_cased(next);
}

void expr__build_lower(struct expr_builder *builder, struct view text)
{
    uint32_t before = ' ';
    size_t   bytes;

    for (size_t at = 0; at < text.len; at += bytes) {
        uint32_t code = expr__decode(text, at, &bytes);

        if (code == CAPITAL_SIGMA) {
            build_code(builder, ends_word(text, at, bytes, before) ? FINAL_SIGMA : SIGMA);
        } else if (code == DOTTED_I) {
            build_code(builder, 'i');
            build_code(builder, DOT_ABOVE);
        } else {
            build_code(builder, to_lower(code));
        }
        before = code;
    }
}

/* --- the functions ------------------------------------------------------------------------------------------------ */

#define EVERY(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Copies with the case of ASCII letters changed; true when there was nothing else. Eight bytes at a time: a byte below
 * 0x80 plus 0x80 - c has its highest bit where it is c at least. */
static bool change_ascii(char *out, const char *bytes, size_t len, bool upper)
{
    uint8_t  first = upper ? 'a' : 'A';
    uint64_t from = EVERY((uint64_t)(0x80 - first));
    uint64_t beyond = EVERY((uint64_t)(0x80 - first - 26));
    uint8_t  other = 0;
    uint64_t others = 0;
    size_t   i = 0;

    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        uint64_t low;
        uint64_t letters;

        memcpy(&word, bytes + i, 8);
        others |= word;
        low = word & EVERY(0x7f);
        letters = ((low + from) & ~(low + beyond)) & EVERY(0x80);
        word ^= letters >> 2;
        memcpy(out + i, &word, 8);
    }
    other = (others & EVERY(0x80)) != 0 ? 0x80 : 0;
    for (; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];

        other |= byte;
        out[i] = (char)(byte ^ ((uint8_t)(byte - first) < 26 ? 0x20 : 0));
    }
    return other < 0x80;
}

static bool case_row(struct expr_call *call, size_t row, const struct vec_string *text, bool upper)
{
    struct expr_builder builder = {.call = call, .row = row};
    char                small[VEC_STRING_INLINE_MAX];
    char               *room = small;

    if (text->len > VEC_STRING_INLINE_MAX) {
        room = expr__text_room(call, row, text->len);
        if (room == NULL) {
            return false;
        }
    }
    if (change_ascii(room, vec_string_base(text), text->len, upper)) {
        expr__put_room(call, row, room, text->len);
        return true;
    }
    if (upper) {
        expr__build_upper(&builder, vec_string_view(text));
    } else {
        expr__build_lower(&builder, vec_string_view(text));
    }
    return expr__built(&builder);
}

static bool case_rows(struct expr_call *call, bool upper)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        if (!case_row(call, row, expr__text_at(&access, row), upper)) {
            return false;
        }
    }
    return true;
}

static bool lower(struct expr_call *call)
{
    return case_rows(call, false);
}

static bool upper(struct expr_call *call)
{
    return case_rows(call, true);
}

static bool is_ascii_letter_or_digit(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (uint8_t)((byte | 0x20) - 'a') < 26;
}

/* A letter behind anything but an ASCII letter or digit becomes upper case, the others lower; letters outside of ASCII
 * stay, as in Flink. */
static bool initcap(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&access, row);
        char        small[VEC_STRING_INLINE_MAX];
        char       *room = text.len <= sizeof(small) ? small : expr__text_room(call, row, text.len);
        bool        inside = false;

        if (room == NULL) {
            return false;
        }
        for (size_t at = 0; at < text.len; at++) {
            uint8_t byte = text.base[at];
            bool    letter = (uint8_t)((byte | 0x20) - 'a') < 26;

            room[at] = (char)(!letter ? byte : inside ? byte | 0x20 : byte & ~0x20);
            inside = is_ascii_letter_or_digit(byte);
        }
        expr__put_room(call, row, room, text.len);
    }
    return true;
}

/* The type stays what it is: CHAR(n) of a CHAR(n), even where the text grows. */
static bool bind_case(struct expr_bind *bind, expr_kernel_fn *kernel)
{
    struct vec_type type;

    if (!expr__want_text(bind, 0)) {
        return false;
    }
    type = bind->arguments[0]->type;
    type.nullable = false;
    expr__result(bind, type, kernel);
    return true;
}

bool expr__bind_lower(struct expr_bind *bind)
{
    return bind_case(bind, lower);
}

bool expr__bind_upper(struct expr_bind *bind)
{
    return bind_case(bind, upper);
}

bool expr__bind_initcap(struct expr_bind *bind)
{
    return bind_case(bind, initcap);
}
