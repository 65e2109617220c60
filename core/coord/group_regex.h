/* group_regex.h: regular expressions of subscriptions; the only door to PCRE2.
 *
 * The language is what Kafka's coordinator takes (RE2/J): no backreferences, no lookaround, no possessive or atomic
 * matching, repeat counts up to 1,000. A pattern outside of it is refused even where PCRE2 could run it, so that a
 * subscription means the same here and there. A topic matches when its whole name does.
 *
 * Patterns come from clients. Matching follows all alternatives at once instead of backtracking (pcre2_dfa_match), so
 * the work grows with the length of name and pattern only; a limit on its steps stands behind that, and a name that
 * needs more does not match. Memory of the compiled form is bounded by GROUP_REGEX_BYTES_MAX of pattern and by what
 * PCRE2 takes for one pattern (64 KiB of code), tag MEM_COORD.
 *
 * Threading: one shard. Source: KIP-848 and RE2's syntax page. */
#ifndef MILLRACE_GROUP_REGEX_H
#define MILLRACE_GROUP_REGEX_H

#include "core/base/mem.h"

#define GROUP_REGEX_BYTES_MAX ((size_t)(8 * KIB))

struct group_regex;

/* ERR_OK, or ERR_INVALID with a NUL-terminated clause in out_reason. */
MUST_USE int group_regex_compile(struct view pattern, struct group_regex **out_regex, struct span out_reason);
void         group_regex_destroy(struct group_regex *regex); /* NULL is allowed */
bool         group_regex_match(const struct group_regex *regex, struct view name);

#endif
