/* expr_json_scan.h: one JSON text, scanned in place, and paths into it.
 *
 * The grammar is that of Flink's parser (Jackson): strict JSON up to the end of the first value; what follows is not
 * looked at. Nothing is copied or built: a result is a span of the text. */
#ifndef MILLRACE_EXPR_JSON_SCAN_H
#define MILLRACE_EXPR_JSON_SCAN_H

#include "compute/expr/expr_text.h"

#define JSON_STEPS_MAX   32
#define JSON_NESTING_MAX 1000

enum json_kind { JSON_ABSENT, JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };

/* $.a[3]['b c'] */
struct json_step {
    bool        is_index;
    uint64_t    index;
    struct view name;
};

struct json_path {
    bool             strict;
    uint32_t         step_count;
    struct json_step steps[JSON_STEPS_MAX];
};

struct json_value {
    enum json_kind kind;
    struct view    text; /* of a string: what stands between the quotes */
};

/* False with maker->message: wildcards, slices, filters and functions are not supported. */
bool expr__json_path(struct expr_maker *maker, const char *function, struct view text, struct json_path *out_path);
/* False: the text is not JSON. ABSENT: the path leads nowhere. */
bool expr__json_find(const struct json_path *path, struct view text, struct json_value *out_value);
/* A string without its escapes; a number as Java's BigDecimal writes it. */
void expr__json_build(struct expr_builder *builder, struct json_value value);

#endif
