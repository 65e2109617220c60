/* expr_run.h: programs from within: what expr_run.c and expr_guard.c share. */
#ifndef MILLRACE_EXPR_RUN_H
#define MILLRACE_EXPR_RUN_H

#include "compute/expr/expr_internal.h"
#include "core/base/check.h"

#define PROGRAM_BYTES_MAX ((size_t)256 * MIB) /* results and computed texts of one worker's program */
#define PROGRAM_BLOCK     ((size_t)64 * KIB)

struct step {
    const struct expr  *expr;
    struct step       **arguments;
    struct step        *twin; /* the first step with an equal expression; itself for the first */
    struct vec          result;
    uint64_t            validity[VEC_VALIDITY_WORDS];
    expr_kernel_fn     *kernel; /* CALL, CAST */
    void               *state;
    uint32_t            flags;
    uint64_t            computed_run; /* the run in which result covers all rows */
    struct vec          shown;        /* what that run showed */
    struct expr_scratch scratch;
    struct vec         *inputs; /* room for the arguments' vectors */
};

/* Some rows of the chunk, ascending; list NULL: 0 .. count - 1. */
struct rows {
    const uint16_t *list;
    uint32_t        count;
};

struct expr_program {
    struct arena            arena; /* steps and results */
    struct arena            texts; /* of one run */
    struct step           **outputs;
    uint32_t                output_count;
    struct step           **steps;
    uint32_t                step_count, step_capacity;
    uint64_t                run;
    int64_t                 now_ms;
    const struct vec_chunk *chunk;
    struct rows             rows;
    bool                    failed;
    struct expr_failure     failure;
};

/* Evaluates over some rows; the result is defined there. */
bool expr__eval(struct expr_program *program, struct step *step, struct rows rows, struct vec *out);
/* expr_guard.c */
bool expr__eval_logic(struct expr_program *program, struct step *step, struct rows rows, uint8_t decisive,
                      struct vec *out);
bool expr__eval_case(struct expr_program *program, struct step *step, struct rows rows, struct vec *out);
bool expr__eval_coalesce(struct expr_program *program, struct step *step, struct rows rows, struct vec *out);

static inline size_t row_at(struct rows rows, uint32_t i)
{
    return rows.list == NULL ? i : rows.list[i];
}

static inline uint16_t *row_list(struct expr_program *program)
{
    uint16_t *list = arena_alloc_array(&program->texts, VEC_ROWS_MAX, sizeof(*list));

    CHECK(list != NULL);
    return list;
}

static inline void set_null(struct step *step, size_t row)
{
    if (step->result.validity == NULL) {
        memset(step->validity, 0xff, sizeof(step->validity));
        step->result.validity = step->validity;
    }
    vec_bit_clear(step->validity, row);
}

#endif
