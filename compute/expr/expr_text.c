/* Functions over texts. Positions and lengths count characters (Unicode code points), as Flink's BinaryStringData. */
#include "compute/expr/expr_text.h"
#include "core/base/check.h"

/* --- joining, length, parts --------------------------------------------------------------------------------------- */

static bool concat(struct expr_call *call)
{
    struct vec_access a = vec_access_of(&call->arguments[0]);
    struct vec_access b = vec_access_of(&call->arguments[1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *left = expr__text_at(&a, row);
        const struct vec_string *right = expr__text_at(&b, row);
        size_t                   len = (size_t)left->len + right->len;
        struct vec_string       *result = (struct vec_string *)call->result->data + row;
        char                     small[VEC_STRING_INLINE_MAX];
        char                    *room = len <= sizeof(small) ? small : expr__text_room(call, row, len);

        if (len > UINT32_MAX / 2) {
            return expr__fail(call, row, "a text of %zu bytes is too long", len);
        }
        if (room == NULL) {
            return false;
        }
        memcpy(room, vec_string_base(left), left->len);
        memcpy(room + left->len, vec_string_base(right), right->len);
        *result = vec_string_of(room, (uint32_t)len);
    }
    return true;
}

/* CHAR(m) || CHAR(n) is CHAR(m + n). */
bool expr__bind_concat(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0) || !expr__want_text(bind, 1)) {
        return false;
    }
    expr__result(bind, expr__varchar_of(bind->arguments[0], bind->arguments[1]), concat);
    if (bind->arguments[0]->type.kind == VEC_CHAR && bind->arguments[1]->type.kind == VEC_CHAR) {
        bind->out.result.kind = VEC_CHAR;
    }
    return true;
}

static bool char_length(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = expr__text_at(&access, row);

        result[row] = expr__count_characters(vec_string_view(text));
    }
    return true;
}

bool expr__bind_char_length(struct expr_bind *bind)
{
    bind->out.result = vec_type_of(VEC_INT);
    bind->out.result.nullable = false;
    bind->out.kernel = char_length;
    return expr__want_text(bind, 0);
}

/* BinaryStringData.substringSQL: from counts from 1, 0 is as 1, negative from the end. */
static bool substring(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access froms = vec_access_of(&call->arguments[1]);
    bool              bounded = call->expr->argument_count == 3;
    struct vec_access lengths = vec_access_of(&call->arguments[bounded ? 2 : 1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&texts, row);
        int64_t     from = expr__int_at(&froms, row);
        int64_t     length = bounded ? expr__int_at(&lengths, row) : INT32_MAX;
        size_t      start;

        if (length < 0) {
            expr__set_null(call, row);
            continue;
        }
        from = from > 0 ? from - 1 : from == 0 ? 0 : expr__count_characters(text) + from;
        start = from < 0 ? text.len : expr__character_at(text, from);
        text = view_of(text.base + start, text.len - start);
        if (!expr__put_copy(call, row, text.base, expr__character_at(text, length))) {
            return false;
        }
    }
    return true;
}

bool expr__bind_substring(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0) || !expr__want_int(bind, 1) || (bind->count == 3 && !expr__want_int(bind, 2))) {
        return false;
    }
    expr__result(bind, expr__varchar_of(bind->arguments[0], NULL), substring);
    bind->out.result.nullable = bind->count == 3; /* a negative length gives NULL */
    return true;
}

/* Where the separator stands next, and its bytes; an empty one stands for white space. */
static const uint8_t *next_separator(const uint8_t *at, const uint8_t *end, struct view mark, size_t *out_bytes)
{
    *out_bytes = MAX(mark.len, (size_t)1);
    if (mark.len > 1) {
        return memmem(at, (size_t)(end - at), mark.base, mark.len);
    }
    while (at < end && *at != ' ' && (*at < '\t' || *at > '\r')) {
        at++;
    }
    return at == end ? NULL : at;
}

/* The high bit of each byte of the next (at most eight) that equals `byte`. */
static uint64_t marks_of(const uint8_t *at, size_t left, uint8_t byte)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), lows = ones * 0x7f;
    uint64_t       word = 0;

    memcpy(&word, at, MIN(left, sizeof(word)));
    word ^= ones * byte;
    word = ~(((word & lows) + lows) | word) & ~lows;
    return left < sizeof(word) ? word & ((UINT64_C(1) << (8 * left)) - 1) : word;
}

/* part_of() for separators of one byte: eight bytes at a time, as parts are short. */
static bool part_between_bytes(struct view text, uint8_t byte, int64_t index, struct view *out_part)
{
    size_t begin = 0;

    for (size_t base = 0; base < text.len; base += 8) {
        for (uint64_t marks = marks_of(text.base + base, text.len - base, byte); marks != 0; marks &= marks - 1) {
            size_t at = base + (size_t)__builtin_ctzll(marks) / 8;

            if (index-- == 0) {
                *out_part = view_of(text.base + begin, at - begin);
                return true;
            }
            begin = at + 1;
        }
    }
    *out_part = view_of(text.base + begin, text.len - begin);
    return index == 0;
}

/* SPLIT_INDEX(text, separator, index): parts between separators; an empty text has none. False: there is none. */
static bool part_of(struct view text, struct view mark, int64_t index, struct view *out_part)
{
    const uint8_t *at = text.base;
    const uint8_t *end = at + text.len;
    const uint8_t *next;
    size_t         bytes;

    if (index < 0 || text.len == 0) {
        return false;
    }
    if (mark.len == 1) {
        return part_between_bytes(text, mark.base[0], index, out_part);
    }
    for (next = next_separator(at, end, mark, &bytes); index > 0; index--) {
        if (next == NULL) {
            return false;
        }
        at = next + bytes;
        next = next_separator(at, end, mark, &bytes);
    }
    *out_part = view_of(at, (size_t)((next == NULL ? end : next) - at));
    return true;
}

static bool split_index(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access marks = vec_access_of(&call->arguments[1]);
    struct vec_access indices = vec_access_of(&call->arguments[2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view part;

        if (!part_of(expr__view_at(&texts, row), expr__view_at(&marks, row), expr__int_at(&indices, row), &part)) {
            expr__set_null(call, row);
        } else if (!expr__put_copy(call, row, part.base, part.len)) {
            return false;
        }
    }
    return true;
}

/* The separator as the number of a character: 1 to 255, Latin-1. */
static bool split_index_by_code(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access codes = vec_access_of(&call->arguments[1]);
    struct vec_access indices = vec_access_of(&call->arguments[2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        int64_t     code = expr__int_at(&codes, row);
        char        mark[4];
        struct view part;

        if (code < 1 || code > 255 ||
            !part_of(expr__view_at(&texts, row), view_of(mark, expr__encode((uint32_t)code, mark)),
                     expr__int_at(&indices, row), &part)) {
            expr__set_null(call, row);
        } else if (!expr__put_copy(call, row, part.base, part.len)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_split_index(struct expr_bind *bind)
{
    bool by_code = vec_kind_is_integer(bind->arguments[1]->type.kind);

    expr__result(bind, expr__string_type(), by_code ? split_index_by_code : split_index);
    bind->out.result.nullable = true;
    return expr__want_text(bind, 0) && (by_code ? expr__want_int(bind, 1) : expr__want_text(bind, 1)) &&
           expr__want_int(bind, 2);
}

/* How often a byte stands in a text, eight bytes at a time. */
static int64_t count_byte(struct view text, uint8_t byte)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t       wanted = UINT64_C(0x0101010101010101) * byte;
    int64_t        count = 0;
    size_t         i = 0;

    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;

        memcpy(&word, text.base + i, 8);
        word ^= wanted; /* bytes that are equal become zero */
        count += 8 - __builtin_popcountll((((word & low) + low) | word) & ~low);
    }
    for (; i < text.len; i++) {
        count += text.base[i] == byte;
    }
    return count;
}

static bool count_char(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access marks = vec_access_of(&call->arguments[1]);
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view mark = expr__view_at(&marks, row);

        result[row] = mark.len == 0 ? 0 : count_byte(expr__view_at(&texts, row), mark.base[0]);
    }
    return true;
}

bool expr__bind_count_char(struct expr_bind *bind)
{
    bind->out.result = vec_type_of(VEC_BIGINT);
    bind->out.result.nullable = false;
    bind->out.kernel = count_char;
    return expr__want_text(bind, 0) && expr__want_text(bind, 1);
}

/* --- LIKE --------------------------------------------------------------------------------------------------------- */

struct like {
    struct view pattern;
    char        escape;
    bool        has_escape;
    bool        open_start, open_end; /* of a simple pattern: % at its ends */
    struct view piece;                /* and what stands between */
    bool        anything;             /* the pattern in the statement is '': Flink takes it for '%' */
};

static size_t character_bytes(struct view text, size_t at)
{
    size_t end = at + 1;

    while (end < text.len && expr__is_continuation(text.base[end])) {
        end++;
    }
    return end - at;
}

/* '_' stands for any character but these, as Java's '.'. */
static bool is_line_end(struct view text, size_t at)
{
    size_t   bytes;
    uint32_t code =
        text.base[at] == '\n' || text.base[at] == '\r' || text.base[at] >= 0xc2 ? expr__decode(text, at, &bytes) : ' ';

    return code == '\n' || code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029;
}

/* Greedy with one place to come back to: the last '%'. */
static bool like_matches(const struct like *like, struct view text)
{
    size_t at = 0;
    size_t place = 0;
    size_t back_at = SIZE_MAX;
    size_t back_place = 0;

    for (;;) {
        if (place < like->pattern.len && like->pattern.base[place] == '%' &&
            !(like->has_escape && like->escape == '%')) {
            back_place = ++place;
            back_at = at;
            continue;
        }
        if (place == like->pattern.len && at == text.len) {
            return true;
        }
        if (place < like->pattern.len && at < text.len) {
            size_t  step = 1;
            uint8_t wanted = like->pattern.base[place];
            bool    escaped = like->has_escape && wanted == (uint8_t)like->escape && place + 1 < like->pattern.len;

            if (!escaped && wanted == '_' && !is_line_end(text, at)) {
                place++;
                at += character_bytes(text, at);
                continue;
            }
            if (!escaped && wanted == '_') {
                wanted = 0; /* a line's end: no character of a pattern is that, but a zero */
            } else if (escaped) {
                wanted = like->pattern.base[place + 1];
                step = 2;
            }
            if (wanted == text.base[at]) {
                place += step;
                at++;
                continue;
            }
        }
        if (back_at == SIZE_MAX || back_at >= text.len) {
            return false;
        }
        back_at += character_bytes(text, back_at);
        at = back_at;
        place = back_place;
    }
}

/* Patterns of one piece of text, with % at its ends or not: the usual ones. */
static bool simple_matches(const struct like *like, struct view text)
{
    struct view piece = like->piece;

    if (text.len < piece.len) {
        return false;
    }
    if (like->open_start && like->open_end) {
        return piece.len == 0 || memmem(text.base, text.len, piece.base, piece.len) != NULL;
    }
    if (!like->open_end) {
        return (like->open_start || text.len == piece.len) &&
               memcmp(text.base + (text.len - piece.len), piece.base, piece.len) == 0;
    }
    return memcmp(text.base, piece.base, piece.len) == 0;
}

static bool like_simple(struct expr_call *call)
{
    struct vec_access  access = vec_access_of(&call->arguments[0]);
    const struct like *like = call->state;
    uint8_t           *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = simple_matches(like, expr__view_at(&access, row));
    }
    return true;
}

/* False: the pattern has wild cards inside. */
static bool make_simple(struct like *like, struct view pattern)
{
    like->open_start = pattern.len > 0 && pattern.base[0] == '%';
    if (like->open_start) {
        pattern = view_of(pattern.base + 1, pattern.len - 1);
    }
    like->open_end = pattern.len > 0 && pattern.base[pattern.len - 1] == '%';
    pattern.len -= like->open_end;
    like->piece = pattern;
    return memchr(pattern.base, '%', pattern.len) == NULL && memchr(pattern.base, '_', pattern.len) == NULL;
}

static bool like_rows(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_access patterns = vec_access_of(&call->arguments[1]);
    struct like       like = *(const struct like *)call->state;
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        like.pattern = vec_string_view(expr__text_at(&patterns, row));
        result[row] = like.anything || like_matches(&like, vec_string_view(expr__text_at(&access, row)));
    }
    return true;
}

bool expr__bind_like(struct expr_bind *bind)
{
    struct like *like = arena_alloc(bind->maker->arena, sizeof(*like));
    struct view  escape;

    if (like == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (bind->count == 3) {
        if (!expr__constant_text(bind->arguments[2], &escape) || escape.len != 1) {
            return expr__refuse(bind->maker, "ESCAPE wants one character in quotes");
        }
        like->has_escape = true;
        like->escape = (char)escape.base[0];
        bind->count = 2;
    }
    like->anything = !like->has_escape && expr__constant_text(bind->arguments[1], &escape) && escape.len == 0;
    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = like_rows;
    bind->out.state = like;
    if (!like->has_escape && expr__constant_text(bind->arguments[1], &escape) && escape.len > 0 &&
        make_simple(like, arena_copy(bind->maker->arena, escape))) {
        bind->out.kernel = like_simple;
    }
    return expr__want_text(bind, 0) && expr__want_text(bind, 1);
}
