/* Functions over texts. Positions and lengths count characters (Unicode code points), as Flink's BinaryStringData. */
#include "compute/expr/expr_kernel.h"
#include "core/base/check.h"

static const struct vec_string *text_at(const struct vec_access *access, size_t row)
{
    return (const struct vec_string *)access->data + vec_access_at(access, row);
}

static struct vec_type string_type(void)
{
    struct vec_type type = vec_type_of(VEC_VARCHAR);

    type.nullable = false;
    return type;
}

/* Argument i as STRING; numbers are not taken for texts. */
static bool want_text(struct expr_bind *bind, uint32_t i)
{
    return expr__coerce(bind, i, vec_type_of(VEC_VARCHAR));
}

static bool want_int(struct expr_bind *bind, uint32_t i)
{
    return expr__coerce(bind, i, vec_type_of(VEC_INT));
}

/* Stores bytes as a result text: inline, or in memory of the run. */
static bool put_copy(struct expr_call *call, size_t row, const char *bytes, size_t len)
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

/* A part of an argument's text: shows its bytes. */
static void put_part(struct expr_call *call, size_t row, const char *base, size_t len)
{
    ((struct vec_string *)call->result->data)[row] = vec_string_of(base, (uint32_t)len);
}

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

static int32_t count_characters(const char *base, size_t len)
{
    int32_t count = 0;

    for (size_t i = 0; i < len; i++) {
        count += !is_continuation(base[i]);
    }
    return count;
}

/* --- case --------------------------------------------------------------------------------------------------------- */

/* ASCII and the two-byte letters of Latin-1, Greek and Cyrillic; others stay as they are. */
static void fold_pair(uint8_t *pair, bool upper)
{
    uint32_t code = (uint32_t)(pair[0] & 0x1f) << 6 | (pair[1] & 0x3f);
    uint32_t folded = code;

    if (upper) {
        folded = (code >= 0xe0 && code <= 0xfe && code != 0xf7) || (code >= 0x3b1 && code <= 0x3c9 && code != 0x3c2) ||
                         (code >= 0x430 && code <= 0x44f)
                     ? code - 0x20
                 : code >= 0x450 && code <= 0x45f ? code - 0x50
                                                  : code;
    } else {
        folded = (code >= 0xc0 && code <= 0xde && code != 0xd7) || (code >= 0x391 && code <= 0x3a9 && code != 0x3a2) ||
                         (code >= 0x410 && code <= 0x42f)
                     ? code + 0x20
                 : code >= 0x400 && code <= 0x40f ? code + 0x50
                                                  : code;
    }
    pair[0] = (uint8_t)(0xc0 | folded >> 6);
    pair[1] = (uint8_t)(0x80 | (folded & 0x3f));
}

static void change_case(char *bytes, size_t len, bool upper)
{
    char first = upper ? 'a' : 'A';

    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];

        if ((uint8_t)(byte - (uint8_t)first) < 26) {
            bytes[i] = (char)(byte ^ 0x20);
        } else if (byte >= 0xc3 && byte < 0xe0 && i + 1 < len) {
            fold_pair((uint8_t *)bytes + i, upper);
            i++;
        }
    }
}

static bool case_rows(struct expr_call *call, bool upper)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = text_at(&access, row);
        struct vec_string       *result = (struct vec_string *)call->result->data + row;

        if (text->len <= VEC_STRING_INLINE_MAX) {
            *result = *text;
            change_case(result->inline_, text->len, upper);
        } else {
            char *room = expr__text_room(call, row, text->len);

            if (room == NULL) {
                return false;
            }
            memcpy(room, text->ref.base, text->len);
            change_case(room, text->len, upper);
            *result = vec_string_of(room, text->len);
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

static bool bind_text_to_text(struct expr_bind *bind, expr_kernel_fn *kernel)
{
    bind->out.result = string_type();
    bind->out.kernel = kernel;
    return want_text(bind, 0);
}

bool expr__bind_lower(struct expr_bind *bind)
{
    return bind_text_to_text(bind, lower);
}

bool expr__bind_upper(struct expr_bind *bind)
{
    return bind_text_to_text(bind, upper);
}

/* --- joining, length, parts --------------------------------------------------------------------------------------- */

static bool concat(struct expr_call *call)
{
    struct vec_access a = vec_access_of(&call->arguments[0]);
    struct vec_access b = vec_access_of(&call->arguments[1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *left = text_at(&a, row);
        const struct vec_string *right = text_at(&b, row);
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

bool expr__bind_concat(struct expr_bind *bind)
{
    bind->out.result = string_type();
    bind->out.kernel = concat;
    return want_text(bind, 0) && want_text(bind, 1);
}

static bool char_length(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = text_at(&access, row);

        result[row] = count_characters(vec_string_base(text), text->len);
    }
    return true;
}

bool expr__bind_char_length(struct expr_bind *bind)
{
    bind->out.result = vec_type_of(VEC_INT);
    bind->out.result.nullable = false;
    bind->out.kernel = char_length;
    return want_text(bind, 0);
}

/* Where the character number `characters` begins. */
static size_t character_at(const char *base, size_t len, int64_t characters)
{
    size_t at = 0;

    while (at < len && characters > 0) {
        at++;
        while (at < len && is_continuation(base[at])) {
            at++;
        }
        characters--;
    }
    return at;
}

/* Flink's SqlFunctionUtils.substringSQL: from counts from 1, 0 is as 1, negative from the end. */
static bool substring(struct expr_call *call)
{
    struct vec_access text_access = vec_access_of(&call->arguments[0]);
    struct vec_access from_access = vec_access_of(&call->arguments[1]);
    bool              bounded = call->expr->argument_count == 3;
    struct vec_access len_access = vec_access_of(&call->arguments[bounded ? 2 : 1]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = text_at(&text_access, row);
        const char              *base = vec_string_base(text);
        int64_t                  from = ((const int32_t *)from_access.data)[vec_access_at(&from_access, row)];
        int64_t length = bounded ? ((const int32_t *)len_access.data)[vec_access_at(&len_access, row)] : INT32_MAX;
        int64_t total = from < 0 ? count_characters(base, text->len) : 0;
        size_t  start;
        size_t  end;

        if (length < 0) {
            expr__set_null(call, row);
            continue;
        }
        from = from > 0 ? from - 1 : from == 0 ? 0 : total + from;
        if (from < 0) {
            put_part(call, row, "", 0);
            continue;
        }
        start = character_at(base, text->len, from);
        end = start + character_at(base + start, text->len - start, length);
        if (!put_copy(call, row, base + start, end - start)) {
            return false;
        }
    }
    return true;
}

bool expr__bind_substring(struct expr_bind *bind)
{
    bind->out.result = string_type();
    bind->out.result.nullable = bind->count == 3; /* a negative length gives NULL */
    bind->out.kernel = substring;
    return want_text(bind, 0) && want_int(bind, 1) && (bind->count == 2 || want_int(bind, 2));
}

/* SPLIT_INDEX(text, separator, index): parts between separators; an empty text has none. */
static bool split_index(struct expr_call *call)
{
    struct vec_access text_access = vec_access_of(&call->arguments[0]);
    struct vec_access mark_access = vec_access_of(&call->arguments[1]);
    struct vec_access index_access = vec_access_of(&call->arguments[2]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = text_at(&text_access, row);
        const struct vec_string *mark = text_at(&mark_access, row);
        int32_t                  index = ((const int32_t *)index_access.data)[vec_access_at(&index_access, row)];
        const char              *at = vec_string_base(text);
        const char              *end = at + text->len;
        const char              *next = at;

        if (index < 0 || mark->len == 0 || text->len == 0) {
            expr__set_null(call, row);
            continue;
        }
        for (; index >= 0 && at != NULL; index--) {
            next = mark->len == 1 ? memchr(at, vec_string_base(mark)[0], (size_t)(end - at))
                                  : memmem(at, (size_t)(end - at), vec_string_base(mark), mark->len);
            if (index > 0) {
                at = next == NULL ? NULL : next + mark->len;
            }
        }
        if (at == NULL) {
            expr__set_null(call, row);
        } else if (!put_copy(call, row, at, (size_t)((next == NULL ? end : next) - at))) {
            return false;
        }
    }
    return true;
}

bool expr__bind_split_index(struct expr_bind *bind)
{
    bind->out.result = string_type();
    bind->out.result.nullable = true;
    bind->out.kernel = split_index;
    return want_text(bind, 0) && want_text(bind, 1) && want_int(bind, 2);
}

static bool count_char(struct expr_call *call)
{
    struct vec_access text_access = vec_access_of(&call->arguments[0]);
    struct vec_access mark_access = vec_access_of(&call->arguments[1]);
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = text_at(&text_access, row);
        const struct vec_string *mark = text_at(&mark_access, row);
        const char              *base = vec_string_base(text);
        int64_t                  count = 0;

        for (uint32_t at = 0; mark->len > 0 && at < text->len; at++) {
            count += base[at] == vec_string_base(mark)[0];
        }
        result[row] = count;
    }
    return true;
}

bool expr__bind_count_char(struct expr_bind *bind)
{
    bind->out.result = vec_type_of(VEC_BIGINT);
    bind->out.result.nullable = false;
    bind->out.kernel = count_char;
    return want_text(bind, 0) && want_text(bind, 1);
}

/* --- LIKE --------------------------------------------------------------------------------------------------------- */

struct like {
    struct view pattern;
    char        escape;
    bool        has_escape;
};

static size_t character_bytes(struct view text, size_t at)
{
    size_t end = at + 1;

    while (end < text.len && is_continuation((char)text.base[end])) {
        end++;
    }
    return end - at;
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

            if (!escaped && wanted == '_') {
                place++;
                at += character_bytes(text, at);
                continue;
            }
            if (escaped) {
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

static bool like_rows(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_access patterns = vec_access_of(&call->arguments[1]);
    struct like       like = *(const struct like *)call->state;
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        like.pattern = vec_string_view(text_at(&patterns, row));
        result[row] = like_matches(&like, vec_string_view(text_at(&access, row)));
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
    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = like_rows;
    bind->out.state = like;
    return want_text(bind, 0) && want_text(bind, 1);
}
