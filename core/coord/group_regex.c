/* group_regex.c: subscriptions' patterns: checked for the common language, then compiled and matched by PCRE2. */
#include "core/coord/group_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "core/base/err.h"

#define REPEAT_COUNT_MAX   1000
#define NEST_MAX           100
#define MATCH_STEPS_MAX    100000
#define WORKSPACE_INTS     4096
#define PATTERN_OPTIONS    (PCRE2_UTF | PCRE2_NO_START_OPTIMIZE | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C)
#define MATCH_OPTIONS      (PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK)
#define ESCAPES_IN_TEXT    "aftnrvdDsSwWpPQEx01234567"
#define ESCAPES_OUT_OF_SET "AzbB"

struct group_regex {
    pcre2_general_context *general;
    pcre2_match_context   *context;
    pcre2_match_data      *match;
    pcre2_code            *code;
};

static void *allocate(PCRE2_SIZE bytes, void *context)
{
    (void)context;
    return mem_try_alloc(MEM_COORD, bytes);
}

static void release(void *pointer, void *context)
{
    (void)context;
    mem_free(MEM_COORD, pointer);
}

static int refuse(struct span out_reason, const char *clause)
{
    if (out_reason.len != 0) {
        (void)snprintf((char *)out_reason.base, out_reason.len, "%s", clause);
    }
    return ERR_INVALID;
}

/* --- the common language ------------------------------------------------------------------------------------- */

/* Where in the pattern; peek() is 0 at the end (a NUL inside is refused first). */
struct scan {
    const uint8_t *at;
    const uint8_t *end;
    const char    *problem;
    bool           repeatable; /* what stands before can take a quantifier */
    bool           literal;    /* between \Q and \E */
};

static int peek(const struct scan *scan, size_t ahead)
{
    return (size_t)(scan->end - scan->at) > ahead ? scan->at[ahead] : 0;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* At a backslash. */
static void scan_escape(struct scan *scan, bool in_set)
{
    int c = peek(scan, 1);

    scan->repeatable = true;
    if (c == 0) {
        scan->problem = "trailing backslash at end of expression";
    } else if (c == 'Q' && !in_set) {
        scan->literal = true;
    } else if (c >= '1' && c <= '7' && !(peek(scan, 2) >= '0' && peek(scan, 2) <= '7')) {
        scan->problem = "backreferences are not supported";
    } else if ((is_letter(c) || is_digit(c)) && strchr(ESCAPES_IN_TEXT, c) == NULL &&
               (in_set || strchr(ESCAPES_OUT_OF_SET, c) == NULL)) {
        scan->problem = "invalid escape sequence";
    }
    scan->at += c == 0 ? 1 : 2;
    if (c == 'x' && peek(scan, 0) == '{') { /* not a repeat count */
        const uint8_t *close = memchr(scan->at, '}', (size_t)(scan->end - scan->at));

        scan->at = close == NULL ? scan->end : close + 1;
    }
}

/* Behind "(?". */
static void scan_group(struct scan *scan)
{
    int c = peek(scan, 0);

    if (c == 'P' && peek(scan, 1) == '<') {
        scan->at += 2;
    } else if (c == '<' && peek(scan, 1) != '=' && peek(scan, 1) != '!') {
        scan->at += 1;
    } else if (c == ':' || c == 'i' || c == 'm' || c == 's' || c == 'U' || c == '-') {
        while (peek(scan, 0) != 0 && strchr("imsU-", peek(scan, 0)) != NULL) {
            scan->at++;
        }
        if (peek(scan, 0) != ':' && peek(scan, 0) != ')') {
            scan->problem = "invalid or unsupported flag in group";
        }
        if (peek(scan, 0) == ':') {
            scan->at++;
        }
    } else {
        scan->problem = "invalid or unsupported Perl syntax in group";
    }
}

/* "{n}", "{n,}" or "{n,m}" at scan->at: its length, or 0 when the brace is an ordinary character. */
static size_t repeat_bytes(const struct scan *scan, bool *out_too_many)
{
    size_t  at = 1;
    int64_t count = 0;
    bool    comma = false;

    *out_too_many = false;
    if (!is_digit(peek(scan, at))) {
        return 0;
    }
    for (;; at++) {
        int c = peek(scan, at);

        if (is_digit(c)) {
            count = MIN(count * 10 + (c - '0'), (int64_t)REPEAT_COUNT_MAX + 1);
            *out_too_many = *out_too_many || count > REPEAT_COUNT_MAX;
        } else if (c == ',' && !comma) {
            comma = true;
            count = 0;
        } else {
            return c == '}' ? at + 1 : 0;
        }
    }
}

static void scan_quantifier(struct scan *scan, size_t bytes)
{
    if (!scan->repeatable) {
        scan->problem = "missing argument to repetition operator";
        return;
    }
    scan->at += bytes;
    if (peek(scan, 0) == '?') {
        scan->at++;
    }
    bool too_many;
    int  c = peek(scan, 0);
    if (c == '*' || c == '+' || c == '?' || (c == '{' && repeat_bytes(scan, &too_many) != 0)) {
        scan->problem = "invalid nested repetition operator";
    }
}

/* At '['. */
static void scan_set(struct scan *scan)
{
    scan->at++;
    if (peek(scan, 0) == '^') {
        scan->at++;
    }
    if (peek(scan, 0) == ']') {
        scan->at++;
    }
    while (scan->problem == NULL && scan->at < scan->end && peek(scan, 0) != ']') {
        if (peek(scan, 0) == '[' && peek(scan, 1) == ':') {
            const uint8_t *name_end = memchr(scan->at + 2, ']', (size_t)(scan->end - scan->at - 2));

            scan->at = name_end == NULL ? scan->end : name_end + 1;
        } else if (peek(scan, 0) == '\\') {
            scan_escape(scan, true);
        } else {
            scan->at++;
        }
    }
    if (scan->problem == NULL && scan->at >= scan->end) {
        scan->problem = "missing closing ]";
    }
    scan->at += scan->at < scan->end ? 1 : 0;
    scan->repeatable = true;
}

static void scan_one(struct scan *scan)
{
    int    c = peek(scan, 0);
    bool   too_many = false;
    size_t repeat = c == '{' ? repeat_bytes(scan, &too_many) : 0;

    if (too_many && repeat != 0) {
        scan->problem = "invalid repeat count";
    } else if (c == '\\') {
        scan_escape(scan, false);
    } else if (c == '[') {
        scan_set(scan);
    } else if (c == '(') {
        scan->repeatable = false;
        scan->at++;
        if (peek(scan, 0) == '*') {
            scan->problem = "missing argument to repetition operator";
        } else if (peek(scan, 0) == '?') {
            scan->at++;
            scan_group(scan);
        }
    } else if (c == '*' || c == '+' || c == '?') {
        scan_quantifier(scan, 1);
    } else if (repeat != 0) {
        scan_quantifier(scan, repeat);
    } else {
        scan->repeatable = c != '|';
        scan->at++;
    }
}

/* NULL, or what is wrong with it. */
static const char *scan_pattern(struct view pattern)
{
    struct scan scan = {.at = pattern.base, .end = pattern.base + pattern.len};

    if (pattern.len > GROUP_REGEX_BYTES_MAX) {
        return "the expression is too long";
    }
    if (memchr(pattern.base, 0, pattern.len) != NULL) {
        return "a NUL in the expression";
    }
    while (scan.problem == NULL && scan.at < scan.end) {
        if (!scan.literal) {
            scan_one(&scan);
        } else if (peek(&scan, 0) == '\\' && peek(&scan, 1) == 'E') {
            scan.literal = false;
            scan.at += 2;
        } else {
            scan.at++;
        }
    }
    return scan.problem;
}

/* --- PCRE2 --------------------------------------------------------------------------------------------------- */

void group_regex_destroy(struct group_regex *regex)
{
    if (regex == NULL) {
        return;
    }
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->context);
    pcre2_general_context_free(regex->general);
    mem_free(MEM_COORD, regex);
}

static int compile(struct group_regex *regex, struct view pattern, struct span out_reason)
{
    pcre2_compile_context *context = pcre2_compile_context_create(regex->general);
    PCRE2_SIZE             error_at = 0;
    int                    error = 0;

    if (context == NULL) {
        return refuse(out_reason, "out of memory");
    }
    pcre2_set_parens_nest_limit(context, NEST_MAX);
    regex->code = pcre2_compile(pattern.base, pattern.len, PATTERN_OPTIONS, &error, &error_at, context);
    pcre2_compile_context_free(context);
    if (regex->code == NULL) {
        if (pcre2_get_error_message(error, out_reason.base, out_reason.len) < 0) {
            return refuse(out_reason, "it could not be parsed");
        }
        return ERR_INVALID;
    }
    return ERR_OK;
}

int group_regex_compile(struct view pattern, struct group_regex **out_regex, struct span out_reason)
{
    const char *problem = scan_pattern(pattern);

    if (problem != NULL) {
        return refuse(out_reason, problem);
    }
    struct group_regex *regex = mem_alloc(MEM_COORD, sizeof(*regex));
    int                 result = ERR_INVALID;

    regex->general = pcre2_general_context_create(allocate, release, NULL);
    if (regex->general != NULL) {
        regex->context = pcre2_match_context_create(regex->general);
        regex->match = pcre2_match_data_create(1, regex->general);
    }
    if (regex->context == NULL || regex->match == NULL) {
        result = refuse(out_reason, "out of memory");
    } else {
        (void)pcre2_set_match_limit(regex->context, MATCH_STEPS_MAX);
        (void)pcre2_set_depth_limit(regex->context, NEST_MAX);
        result = compile(regex, pattern, out_reason);
    }
    if (result != ERR_OK) {
        group_regex_destroy(regex);
        return result;
    }
    *out_regex = regex;
    return ERR_OK;
}

bool group_regex_match(const struct group_regex *regex, struct view name)
{
    int workspace[WORKSPACE_INTS];
    int result = pcre2_dfa_match(regex->code, name.base, name.len, 0, MATCH_OPTIONS, regex->match, regex->context,
                                 workspace, WORKSPACE_INTS);

    /* The longest match comes first. */
    return result >= 0 && pcre2_get_ovector_pointer(regex->match)[1] == name.len;
}
