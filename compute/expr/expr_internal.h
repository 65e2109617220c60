/* expr_internal.h: what the files of compute/expr share: functions, kernels and their calls. */
#ifndef MILLRACE_EXPR_INTERNAL_H
#define MILLRACE_EXPR_INTERNAL_H

#include "compute/expr/expr.h"

struct expr_call;

/* What expr_maker_release() calls. */
struct expr_cleanup {
    struct expr_cleanup *next;
    void (*release)(void *object);
    void *object;
};

/* A kernel computes result at call->rows. Strict functions are called on rows where no argument is null, and set no
 * nulls unless they mean it. False: it called expr__fail(). */
typedef bool expr_kernel_fn(struct expr_call *call);

enum expr_flags {
    EXPR_STRICT = 1,   /* null in, null out: the engine does it */
    EXPR_MAY_FAIL = 2, /* only called on rows that need it */
    EXPR_VOLATILE = 4, /* the same arguments may give another result: never folded, never shared */
};

/* One overload as bound: what binding found out. */
struct expr_binding {
    struct vec_type result;
    expr_kernel_fn *kernel;
    void           *state; /* the kernel's constants, in the plan's arena */
};

struct expr_bind {
    struct expr_maker  *maker;
    const char         *name;
    struct expr       **arguments; /* may be replaced by casts of themselves */
    uint32_t            count;
    struct expr_binding out;
};

/* False with maker->message. result.nullable is set by the engine for strict functions. */
typedef bool expr_bind_fn(struct expr_bind *bind);

struct expr_function {
    const char   *name;
    uint32_t      count_min, count_max;
    uint32_t      flags;
    expr_bind_fn *bind;
    const char   *shape; /* "SUBSTRING(text, from [, length])", for messages and documentation */
    const char   *note;  /* what is particular: errors, nulls */
};

/* A call's expr has its binding behind it. */
struct expr_bound {
    struct expr         expr;
    struct expr_binding binding;
    /* As written, where the binder took constants out of the arguments (patterns, units): they belong to what the call
     * is. Else NULL. */
    uint32_t      written_count;
    struct expr **written;
};

static inline const struct expr_binding *expr__binding(const struct expr *expr)
{
    return &((const struct expr_bound *)(const void *)expr)->binding;
}

/* What a kernel keeps between runs; made by the kernel when object is NULL. */
struct expr_scratch {
    void *object;
    void (*release)(void *object);
};

struct expr_call {
    const struct expr   *expr;
    const struct vec    *arguments;
    struct vec          *result; /* FLAT, room for VEC_ROWS_MAX; validity NULL */
    const uint16_t      *rows;   /* NULL: 0 .. row_count - 1 */
    uint32_t             row_count;
    void                *state;   /* of the plan: shared by the programs of all workers, read only */
    struct expr_scratch *scratch; /* of this step of this program */
    struct arena        *arena;   /* for texts; lives as long as the results */
    struct expr_program *program;
};

static inline size_t expr__row(const struct expr_call *call, uint32_t i)
{
    return call->rows == NULL ? i : call->rows[i];
}

/* Fails the run at a row; false. */
bool expr__fail(struct expr_call *call, size_t row, const char *format, ...) PRINTF_LIKE(3, 4);
void expr__set_null(struct expr_call *call, size_t row);
/* Room for len bytes of a computed text; NULL after a failure. */
char   *expr__text_room(struct expr_call *call, size_t row, size_t len);
int64_t expr__now_ms(const struct expr_call *call);

/* Making. */
bool         expr__on_release(struct expr_maker *maker, void (*release)(void *object), void *object);
bool         expr__refuse(struct expr_maker *maker, const char *format, ...) PRINTF_LIKE(2, 3);
struct expr *expr__new(struct expr_maker *maker, enum expr_kind kind, struct vec_type type, size_t bytes);
const struct expr_function *expr__find_function(const char *name);
bool expr__set_arguments(struct expr_maker *maker, struct expr *expr, struct expr *const *arguments, uint32_t count);
bool expr__any_nullable(struct expr *const *arguments, uint32_t count);
/* expr_form.c */
struct expr *expr__make_logic(struct expr_maker *maker, enum expr_kind kind, const char *name,
                              struct expr *const *arguments, uint32_t count);
struct expr *expr__make_case(struct expr_maker *maker, struct expr *const *arguments, uint32_t count);
struct expr *expr__make_coalesce(struct expr_maker *maker, struct expr *const *arguments, uint32_t count);
struct expr *expr__make_nullif(struct expr_maker *maker, struct expr *const *arguments);
/* Casts argument i implicitly; false with a message. */
bool expr__coerce(struct expr_bind *bind, uint32_t i, struct vec_type type);
/* "INT" etc. of an argument, in a static buffer per call site. */
const char *expr__type_text(struct vec_type type, char text[64]);
/* The argument's value when it is a constant that is not null. */
bool expr__constant_int(const struct expr *expr, int64_t *out_value);
bool expr__constant_text(const struct expr *expr, struct view *out_text);

/* expr_cast.c */
expr_kernel_fn expr__text_to_integer, expr__text_to_double, expr__text_to_decimal, expr__text_to_time,
    expr__text_to_text, expr__to_text, expr__bytes_to_text, expr__to_bytes, expr__nested_to_text;
size_t          expr__format_value(const struct vec_access *access, size_t row, struct vec_type from, int64_t zone_ms,
                                   char text[96]);                              /* VEC_DECIMAL_TEXT_BYTES */
bool            expr__nested_is_text(struct vec_type from, struct vec_type to); /* expr_cast_text.c */
vec_int128      expr__integer_at(const struct vec_access *access, size_t row, enum vec_layout layout);
void            expr__put_integer(struct expr_call *call, size_t row, int64_t value);
void            expr__put_int128(struct expr_call *call, size_t row, vec_int128 value);
expr_kernel_fn *expr__cast_kernel(struct vec_type from, struct vec_type to, bool *out_may_fail);
bool            expr__cast_implicit(struct vec_type from, struct vec_type to);

/* Binders: expr_func.def says which function has which. */
expr_bind_fn expr__bind_abs, expr__bind_add, expr__bind_array, expr__bind_array_contains, expr__bind_ascii,
    expr__bind_best, expr__bind_bin, expr__bind_btrim, expr__bind_cardinality, expr__bind_char_length, expr__bind_chr,
    expr__bind_compare, expr__bind_concat, expr__bind_concat_all, expr__bind_concat_ws, expr__bind_constant,
    expr__bind_count_char, expr__bind_date_format, expr__bind_digest, expr__bind_distinct, expr__bind_divide,
    expr__bind_element, expr__bind_extract, expr__bind_floor, expr__bind_from_base64, expr__bind_from_unixtime,
    expr__bind_hex, expr__bind_initcap, expr__bind_instr, expr__bind_is_json, expr__bind_is_not_null,
    expr__bind_is_null, expr__bind_is_true, expr__bind_item, expr__bind_json_exists, expr__bind_json_value,
    expr__bind_like, expr__bind_lower, expr__bind_ltrim, expr__bind_maths, expr__bind_modulo, expr__bind_multiply,
    expr__bind_negate, expr__bind_not, expr__bind_now, expr__bind_overlay, expr__bind_pad, expr__bind_plus,
    expr__bind_position, expr__bind_regexp, expr__bind_regexp_extract, expr__bind_regexp_replace, expr__bind_repeat,
    expr__bind_replace, expr__bind_reverse, expr__bind_round, expr__bind_row, expr__bind_rtrim, expr__bind_sha2,
    expr__bind_side, expr__bind_sign, expr__bind_similar, expr__bind_split_index, expr__bind_starts_with,
    expr__bind_substring, expr__bind_subtract, expr__bind_timestamp_add, expr__bind_timestamp_diff,
    expr__bind_to_base64, expr__bind_to_date, expr__bind_to_timestamp, expr__bind_to_timestamp_ltz, expr__bind_today,
    expr__bind_translate, expr__bind_trim, expr__bind_unit, expr__bind_unix_timestamp, expr__bind_upper;

/* expr_in.c */
struct expr *expr__make_in(struct expr_maker *maker, const struct expr_function *function,
                           struct expr *const *arguments, uint32_t count);
/* Beside intervals. */
bool expr__has_interval(const struct expr_bind *bind);
bool expr__bind_interval_sum(struct expr_bind *bind, bool subtract);
bool expr__bind_interval_alone(struct expr_bind *bind, bool subtract);
bool expr__bind_round_time(struct expr_bind *bind);

#endif
