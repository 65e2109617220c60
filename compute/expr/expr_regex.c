/* Patterns: the query engine's door to PCRE2. Compiled once per plan, matched with JIT where the machine has it, under
 * limits, so that no pattern can hold a core. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "compute/expr/expr_kernel.h"
#include "core/base/check.h"

#define MATCH_LIMIT 1000000
#define GROUPS_MAX  32

struct pattern {
    pcre2_code *code;
    uint32_t    group;
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

static bool compile_pattern(struct expr_bind *bind, struct view text, uint32_t group)
{
    struct pattern *pattern = arena_alloc(bind->maker->arena, sizeof(*pattern));
    int             error = 0;
    PCRE2_SIZE      offset = 0;
    uint32_t        groups = 0;

    if (pattern == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    pattern->code = pcre2_compile(text.base, text.len, PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C, &error,
                                  &offset, NULL);
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
    if (group > groups || groups >= GROUPS_MAX) {
        return expr__refuse(bind->maker, "%s: the pattern has %u groups, %u is asked for", bind->name, groups, group);
    }
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    pattern->group = group;
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
static int match(struct expr_call *call, struct matcher *matcher, size_t row, struct view text)
{
    const struct pattern *pattern = call->state;
    int                   result =
        pcre2_match(pattern->code, text.base, text.len, 0, PCRE2_NO_UTF_CHECK, matcher->match, matcher->context);

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
        int    found = match(call, matcher, row,
                             vec_string_view((const struct vec_string *)access.data + vec_access_at(&access, row)));

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
        int                      found = match(call, matcher, row, vec_string_view(text));
        PCRE2_SIZE               start = places[2 * pattern->group];
        char                    *room;
        size_t                   len;

        if (found < 0) {
            return false;
        }
        if (found == 0 || start == PCRE2_UNSET) {
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

static bool want_pattern(struct expr_bind *bind, uint32_t group)
{
    struct view text;

    if (!expr__constant_text(bind->arguments[1], &text)) {
        return expr__refuse(bind->maker, "%s wants its pattern as a text in quotes", bind->name);
    }
    bind->count = 1;
    return expr__coerce(bind, 0, vec_type_of(VEC_VARCHAR)) && compile_pattern(bind, text, group);
}

bool expr__bind_regexp(struct expr_bind *bind)
{
    bind->out.result = vec_type_of(VEC_BOOLEAN);
    bind->out.result.nullable = false;
    bind->out.kernel = regexp;
    return want_pattern(bind, 0);
}

bool expr__bind_regexp_extract(struct expr_bind *bind)
{
    int64_t group = 0;

    if (bind->count == 3 && (!expr__constant_int(bind->arguments[2], &group) || group < 0 || group >= GROUPS_MAX)) {
        return expr__refuse(bind->maker, "REGEXP_EXTRACT wants the group as a number from 0 to %d", GROUPS_MAX - 1);
    }
    bind->out.result = vec_type_of(VEC_VARCHAR);
    bind->out.result.nullable = true;
    bind->out.kernel = regexp_extract;
    return want_pattern(bind, (uint32_t)group);
}
