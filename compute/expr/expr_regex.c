/* Patterns: the query engine's door to PCRE2. Compiled once per plan, matched with JIT where the machine has it, under
 * limits, so that no pattern can hold a core. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define MATCH_LIMIT 1000000
#define GROUPS_MAX  32

struct pattern {
    pcre2_code *code;
    uint32_t    group;
    bool        jit;    /* the machine has it */
    bool        absent; /* there is no such group: nothing is ever found */
};

/* Of one step of one program. */
struct matcher {
    pcre2_match_context *context;
    pcre2_match_data    *match;
};

static void release_code(void *object)
{
    pcre2_code_free(object);
}

static void release_matcher(void *object)
{
    struct matcher *matcher = object;

    pcre2_match_data_free(matcher->match);
    pcre2_match_context_free(matcher->context);
    mem_free(MEM_COMPUTE, matcher);
}

/* Lines end as Java's do where that matters to '.': at CR and LF. */
static pcre2_compile_context *compile_context(void)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    CHECK(context != NULL);
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    return context;
}

static bool compile_pattern(struct expr_bind *bind, struct view text, uint32_t group, uint32_t options)
{
    struct pattern        *pattern = arena_alloc(bind->maker->arena, sizeof(*pattern));
    int                    error = 0;
    PCRE2_SIZE             offset = 0;
    uint32_t               groups = 0;
    pcre2_compile_context *context;

    if (pattern == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    context = compile_context();
    pattern->code =
        pcre2_compile(text.base, text.len, PCRE2_MATCH_INVALID_UTF | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options,
                      &error, &offset, context);
    pcre2_compile_context_free(context);
    if (pattern->code == NULL) {
        char message[120];

        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
        return expr__refuse(bind->maker, "%s: the pattern is wrong at character %zu: %s", bind->name,
                            (size_t)offset + 1, message);
    }
    if (!expr__on_release(bind->maker, release_code, pattern->code)) {
        return false;
    }
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups >= GROUPS_MAX) {
        return expr__refuse(bind->maker, "%s: the pattern has %u groups, %d at most are supported", bind->name, groups,
                            GROUPS_MAX - 1);
    }
    pattern->absent = group > groups;
    pattern->jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
    pattern->group = pattern->absent ? 0 : group;
    bind->out.state = pattern;
    return true;
}

static struct matcher *matcher_of(struct expr_call *call)
{
    struct matcher *matcher = call->scratch->object;

    if (matcher == NULL) {
        matcher = mem_alloc(MEM_COMPUTE, sizeof(*matcher));
        matcher->context = pcre2_match_context_create(NULL);
        matcher->match = pcre2_match_data_create(GROUPS_MAX, NULL);
        CHECK(matcher->context != NULL && matcher->match != NULL);
        (void)pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
        *call->scratch = (struct expr_scratch){.object = matcher, .release = release_matcher};
    }
    return matcher;
}

/* 1 match, 0 none, -1 failed the run. */
static int match(struct expr_call *call, struct matcher *matcher, size_t row, struct view text, size_t from)
{
    const struct pattern *pattern = call->state;
    int                   result;

    if (pattern->jit) {
        result = pcre2_jit_match(pattern->code, text.base, text.len, from, 0, matcher->match, matcher->context);
    } else {
        result =
            pcre2_match(pattern->code, text.base, text.len, from, PCRE2_NO_UTF_CHECK, matcher->match, matcher->context);
    }
    if (result > 0) {
        return 1;
    }
    if (result == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    (void)expr__fail(call, row, "matching the pattern took more than %d steps", MATCH_LIMIT);
    return -1;
}

static bool regexp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct matcher   *matcher = matcher_of(call);
    uint8_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);
        int    found = match(call, matcher, row, expr__view_at(&access, row), 0);

        if (found < 0) {
            return false;
        }
        result[row] = (uint8_t)found;
    }
    return true;
}

static bool regexp_extract(struct expr_call *call)
{
    struct vec_access     access = vec_access_of(&call->arguments[0]);
    const struct pattern *pattern = call->state;
    struct matcher       *matcher = matcher_of(call);
    const PCRE2_SIZE     *places = pcre2_get_ovector_pointer(matcher->match);
    struct vec_string    *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t                   row = expr__row(call, i);
        const struct vec_string *text = (const struct vec_string *)access.data + vec_access_at(&access, row);
        int                      found = match(call, matcher, row, vec_string_view(text), 0);
        PCRE2_SIZE               start = places[2 * pattern->group];
        char                    *room;
        size_t                   len;

        if (found < 0) {
            return false;
        }
        if (found == 0 || pattern->absent || start == PCRE2_UNSET) {
            expr__set_null(call, row);
            continue;
        }
        len = places[2 * pattern->group + 1] - start;
        if (len <= VEC_STRING_INLINE_MAX) {
            result[row] = vec_string_of(vec_string_base(text) + start, (uint32_t)len);
            continue;
        }
        room = expr__text_room(call, row, len);
        if (room == NULL) {
            return false;
        }
        memcpy(room, vec_string_base(text) + start, len);
        result[row] = vec_string_of(room, (uint32_t)len);
    }
    return true;
}

/* Every match becomes the new text as it is. Behind an empty match the next begins one character further on. */
static bool replace_matches(struct expr_call *call, struct matcher *matcher, size_t row, struct view text,
                            struct view new_text)
{
    struct expr_builder builder = {.call = call, .row = row};
    const PCRE2_SIZE   *places = pcre2_get_ovector_pointer(matcher->match);
    size_t              from = 0;   /* where to look */
    size_t              copied = 0; /* what stands in the result already */

    while (from <= text.len) {
        int    found = match(call, matcher, row, text, from);
        size_t bytes = 1;

        if (found < 0) {
            return false;
        }
        if (found == 0) {
            break;
        }
        expr__build(&builder, text.base + copied, places[0] - copied);
        expr__build(&builder, new_text.base, new_text.len);
        copied = places[1];
        from = copied;
        if (places[0] == places[1]) {
            if (from < text.len) {
                (void)expr__decode(text, from, &bytes);
            }
            from += bytes;
        }
    }
    expr__build(&builder, text.base + copied, text.len - copied);
    return expr__built(&builder);
}

static bool regexp_replace(struct expr_call *call)
{
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct vec_access news = vec_access_of(&call->arguments[1]);
    struct matcher   *matcher = matcher_of(call);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        if (!replace_matches(call, matcher, row, expr__view_at(&texts, row), expr__view_at(&news, row))) {
            return false;
        }
    }
    return true;
}

/* --- binding ------------------------------------------------------------------------------------------------------ */

/* Argument 1 is the pattern: it goes into the state, what follows moves up. */
static bool want_pattern(struct expr_bind *bind, uint32_t group)
{
    struct view text;

    if (!expr__constant_text(bind->arguments[1], &text)) {
        return expr__refuse(bind->maker, "%s wants its pattern as a text in quotes", bind->name);
    }
    bind->count = 1;
    return expr__want_text(bind, 0) && compile_pattern(bind, text, group, 0);
}

static bool nothing(struct expr_call *call)
{
    uint8_t *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = 0;
    }
    return true;
}

/* An empty pattern is found in nothing. */
bool expr__bind_regexp(struct expr_bind *bind)
{
    struct view text;

    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = expr__constant_text(bind->arguments[1], &text) && text.len == 0 ? nothing : regexp;
    return want_pattern(bind, 0);
}

bool expr__bind_regexp_extract(struct expr_bind *bind)
{
    int64_t group = 0;

    if (bind->count == 3 && !expr__constant_int(bind->arguments[2], &group)) {
        return expr__refuse(bind->maker, "REGEXP_EXTRACT wants the group as a number in the statement");
    }
    bind->out.result = vec_type_of(VEC_VARCHAR);
    bind->out.result.nullable = true;
    bind->out.kernel = regexp_extract;
    return want_pattern(bind, group < 0 || group > GROUPS_MAX ? GROUPS_MAX : (uint32_t)group);
}

bool expr__bind_regexp_replace(struct expr_bind *bind)
{
    struct expr *new_text = bind->arguments[2];

    expr__result(bind, expr__string_type(), regexp_replace);
    if (!want_pattern(bind, 0)) {
        return false;
    }
    bind->arguments[1] = new_text;
    bind->count = 2;
    return expr__want_text(bind, 1);
}

#define SIMILAR_BYTES_MAX 1000

/* SIMILAR TO's pattern as a regular expression: % and _ are wild outside of [..], the rest means the same. */
static bool translate_similar(struct expr_bind *bind, struct view text, char out[2 * SIMILAR_BYTES_MAX + 1])
{
    bool   inside = false;
    size_t len = 0;

    if (text.len > SIMILAR_BYTES_MAX) {
        return expr__refuse(bind->maker, "SIMILAR TO: the pattern is longer than %d bytes", SIMILAR_BYTES_MAX);
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.base[i];

        if (byte == '\\' || (!inside && (byte == '^' || byte == '$')) || (inside && byte == ':')) {
            return expr__refuse(bind->maker, "SIMILAR TO: '%c' in the pattern is not supported", byte);
        }
        inside = byte == '[' || (inside && byte != ']');
        if (!inside && byte == '%') {
            out[len++] = '.';
            out[len++] = '*';
        } else {
            out[len++] = !inside && byte == '_' ? '.' : (char)byte;
        }
    }
    out[len] = '\0';
    return true;
}

bool expr__bind_similar(struct expr_bind *bind)
{
    char        pattern[2 * SIMILAR_BYTES_MAX + 1];
    struct view text;

    if (bind->count == 3) {
        return expr__refuse(bind->maker, "SIMILAR TO with ESCAPE is not supported");
    }
    if (!expr__constant_text(bind->arguments[1], &text)) {
        return expr__refuse(bind->maker, "SIMILAR TO wants its pattern as a text in quotes");
    }
    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = regexp;
    bind->count = 1;
    return translate_similar(bind, text, pattern) && expr__want_text(bind, 0) &&
           compile_pattern(bind, view_text(pattern), 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}
