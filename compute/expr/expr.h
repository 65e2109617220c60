/* expr.h: typed expressions over chunks.
 *
 * A tree of struct expr is made by the expr_* constructors below, which check types, choose overloads and insert the
 * casts that Flink would; a program evaluates a set of trees over chunks. Trees are immutable and live in the plan's
 * arena; a program belongs to one worker and holds result vectors, compiled patterns and memory for computed texts.
 *
 * Evaluation. A step works on a list of rows. AND, OR, CASE, COALESCE and IF evaluate an argument only on the rows that
 * reach it, so that a guard really guards: `CASE WHEN d <> 0 THEN n / d END` never divides by zero. Three-valued logic
 * is SQL's. A sub-expression that occurs twice in a program is computed once where its rows are already known.
 *
 * Errors are Flink's in kind: what fails a job there ends expr_program_run() with an error that names row and
 * expression; what gives NULL there gives NULL. expr_func.def says for each function which; docs/sql shows it.
 *
 * Results. A vector that run() returns is valid until the next run() of the program, or as long as the input where it
 * shows the input's memory. It is defined at the selected rows only.
 *
 * Threading: none here. Time: the program is told (expr_program_set_now_ms), it has no clock. */
#ifndef MILLRACE_EXPR_H
#define MILLRACE_EXPR_H

#include "compute/vec/vec.h"

#define EXPR_MESSAGE_BYTES 320
#define EXPR_ARGUMENTS_MAX 1024

struct expr_function;

enum expr_kind {
    EXPR_COLUMN,   /* index: of the chunk */
    EXPR_FIELD,    /* index: of the row that arguments[0] is */
    EXPR_CONSTANT, /* constant */
    EXPR_CALL,     /* function over arguments */
    EXPR_CAST,     /* arguments[0] to type; try_cast */
    EXPR_AND,      /* arguments: two or more */
    EXPR_OR,
    EXPR_CASE, /* arguments: condition, value, ..., else */
    EXPR_COALESCE,
};

/* Where it stands in the script: for messages. */
struct expr_place {
    uint32_t offset, len;
};

struct expr {
    enum expr_kind              kind;
    struct vec_type             type;
    struct expr_place           place;
    uint32_t                    index; /* CALL, CAST: the maker's zone_seconds */
    bool                        try_cast;
    struct vec                  constant; /* CONSTANT form */
    const struct expr_function *function;
    uint32_t                    argument_count;
    struct expr               **arguments;
};

/* --- making ----------------------------------------------------------------------------------------------------------
 */

/* NULL results of constructors come with a message: what is wrong with the types, and what would be right. Some
 * expressions hold more than arena memory (compiled patterns): expr_maker_release() gives it back when no program uses
 * them any more. */
struct expr_maker {
    struct arena        *arena;
    char                 message[EXPR_MESSAGE_BYTES];
    struct expr_cleanup *cleanups_;
    int32_t              zone_seconds; /* of the session, east of UTC: what TIMESTAMP_LTZ shows; fixed for a maker */
};

void expr_maker_release(struct expr_maker *maker);

struct expr *expr_column(struct expr_maker *maker, uint32_t index, struct vec_type type);
struct expr *expr_field(struct expr_maker *maker, struct expr *row, uint32_t index);
struct expr *expr_constant(struct expr_maker *maker, const struct vec *source, size_t row);
struct expr *expr_null(struct expr_maker *maker, struct vec_type type);
struct expr *expr_bool(struct expr_maker *maker, bool value);
struct expr *expr_int(struct expr_maker *maker, enum vec_kind kind,
                      int64_t value);                               /* integers, DATE, TIME, intervals */
struct expr *expr_text(struct expr_maker *maker, struct view text); /* CHAR(n) NOT NULL, as literals are */
struct expr *expr_decimal(struct expr_maker *maker, vec_int128 value, uint8_t precision, uint8_t scale);
struct expr *expr_double(struct expr_maker *maker, double value);
struct expr *expr_timestamp(struct expr_maker *maker, enum vec_kind kind, uint8_t precision, vec_int128 value);

/* By Flink's name, any case, or an operator: "+", "=", "||", "LIKE", "IS NULL", "NOT", ... Applies the implicit casts.
 * AND, OR, COALESCE, IF, NULLIF and CASE are reached here, too ("CASE": condition, value, ..., [else]). */
struct expr *expr_call(struct expr_maker *maker, const char *name, struct expr *const *arguments, uint32_t count);
/* NULL with a message where Flink has no such cast. Casting to the same type changes nullability only. */
struct expr *expr_cast(struct expr_maker *maker, struct expr *value, struct vec_type type, bool try_cast);
/* The type that both can be cast to without asking (set operations, CASE branches); kind VEC_KIND_COUNT: none. */
struct vec_type expr_common_type(struct vec_type a, struct vec_type b);
bool            expr_is_constant(const struct expr *expr);
bool            expr_equal(const struct expr *a, const struct expr *b);
/* SQL again, for EXPLAIN: `+($2, 1)`. Returns the length needed. */
size_t expr_format(const struct expr *expr, const struct vec_field *columns, uint32_t column_count, char *out_text,
                   size_t capacity);

/* --- for planners --------------------------------------------------------------------------------------------------
 */

/* Of a CALL: its function's name as expr_func.def writes it; "" of anything else. */
const char *expr_call_name(const struct expr *expr);
/* Whether it, or something in it, may give another result for the same arguments. */
bool expr_is_volatile(const struct expr *expr);
/* The same operation over other arguments of the same number and types; NULL when memory is short. */
struct expr *expr_rebuild(struct expr_maker *maker, const struct expr *expr, struct expr *const *arguments);
/* An operation over constants as the constant it gives; itself where it is none, is volatile, or fails: an error
 * belongs to the rows that reach it. */
struct expr *expr_fold(struct expr_maker *maker, struct expr *expr);

/* Names of all functions, for "did you mean"; NULL at the end. */
const char *expr_function_name(size_t index);

/* --- tables of the documentation -------------------------------------------------------------------------------------
 */

struct expr_function_info {
    const char *name, *shape, *note;
    bool        null_of_null; /* the result is NULL where an argument is */
    bool        may_fail;     /* some values fail the job */
};

/* By the same index; false at the end. */
bool expr_function_describe(size_t index, struct expr_function_info *out_info);

enum expr_castable {
    EXPR_CAST_NONE,
    EXPR_CAST_ALWAYS,
    EXPR_CAST_FITS,  /* NULL where the value does not fit */
    EXPR_CAST_READS, /* fails the job, under TRY_CAST NULL, where the value cannot be read */
};

enum expr_castable expr_castable(struct vec_type from, struct vec_type to);

/* --- running ------------------------------------------------------------------------------------------------------ */

struct expr_program;

struct expr_failure {
    const struct expr *expr; /* which step */
    size_t             row;  /* of the chunk */
    char               message[EXPR_MESSAGE_BYTES];
};

/* exprs: the outputs, in order; they must outlive the program. */
struct expr_program *expr_program_create(struct expr *const *exprs, uint32_t count);
void                 expr_program_destroy(struct expr_program *program);
/* What CURRENT_TIMESTAMP and its like show until the next call; ms since the epoch. */
void expr_program_set_now_ms(struct expr_program *program, int64_t now_ms);
/* Evaluates every output over the chunk's selected rows. False: expr_program_failure() says why, nothing is valid. */
MUST_USE bool expr_program_run(struct expr_program *program, const struct vec_chunk *chunk, struct vec *out_vecs);
/* Output 0, a BOOLEAN, as a filter: the selected rows where it is true, into out_rows (room for VEC_ROWS_MAX). */
MUST_USE bool expr_program_filter(struct expr_program *program, const struct vec_chunk *chunk, uint16_t *out_rows,
                                  uint32_t *out_count);
const struct expr_failure *expr_program_failure(const struct expr_program *program);

#endif
