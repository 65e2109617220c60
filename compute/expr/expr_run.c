/* Programs: evaluation of expressions over chunks.
 *
 * Every occurrence of an expression is a step with its own result. Equal expressions know the first of their kind (its
 * twin): when that one has been computed over all rows of the run, the others show its result. Below a guard a step
 * works on part of the rows and keeps nothing for others. */
#include <stdarg.h>
#include <stdio.h>

#include "compute/expr/expr_run.h"
#include "core/base/check.h"

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static struct step *find_twin(struct expr_program *program, const struct expr *expr)
{
    for (uint32_t i = 0; i < program->step_count; i++) {
        if (program->steps[i]->twin == program->steps[i] && expr_equal(program->steps[i]->expr, expr)) {
            return program->steps[i];
        }
    }
    return NULL;
}

static void step_register(struct expr_program *program, struct step *step)
{
    if (program->step_count == program->step_capacity) {
        uint32_t      capacity = MAX(16, program->step_capacity * 2);
        struct step **steps = need(arena_alloc_array(&program->arena, capacity, sizeof(*steps)));

        if (program->step_count > 0) {
            memcpy(steps, program->steps, program->step_count * sizeof(*steps));
        }
        program->steps = steps;
        program->step_capacity = capacity;
    }
    program->steps[program->step_count++] = step;
}

static struct step *step_make(struct expr_program *program, const struct expr *expr)
{
    struct step *step = need(arena_alloc(&program->arena, sizeof(*step)));
    bool         may_fail = false;

    step->expr = expr;
    step->arguments = need(arena_alloc_array(&program->arena, expr->argument_count, sizeof(struct step *)));
    step->inputs = need(arena_alloc_array(&program->arena, expr->argument_count, sizeof(*step->inputs)));
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        step->arguments[i] = step_make(program, expr->arguments[i]);
    }
    if (expr->kind == EXPR_CALL) {
        step->kernel = expr__binding(expr)->kernel;
        step->state = expr__binding(expr)->state;
        step->flags = expr->function->flags;
    } else if (expr->kind == EXPR_CAST) {
        step->kernel = expr__cast_kernel(expr->arguments[0]->type, expr->type, &may_fail);
        step->flags = EXPR_STRICT | (may_fail ? EXPR_MAY_FAIL : 0);
    }
    if (expr->kind != EXPR_COLUMN && expr->kind != EXPR_FIELD && expr->kind != EXPR_CONSTANT) {
        step->result = vec_make(&program->arena, expr->type);
    }
    step->twin = (step->flags & EXPR_VOLATILE) != 0 ? NULL : find_twin(program, expr);
    step->twin = step->twin == NULL ? step : step->twin;
    step_register(program, step);
    return step;
}

struct expr_program *expr_program_create(struct expr *const *exprs, uint32_t count)
{
    struct expr_program *program = mem_alloc(MEM_COMPUTE, sizeof(*program));

    arena_init(&program->arena, MEM_COMPUTE, PROGRAM_BLOCK, PROGRAM_BYTES_MAX);
    arena_init(&program->texts, MEM_COMPUTE, PROGRAM_BLOCK, PROGRAM_BYTES_MAX);
    program->outputs = need(arena_alloc_array(&program->arena, count, sizeof(struct step *)));
    program->output_count = count;
    for (uint32_t i = 0; i < count; i++) {
        program->outputs[i] = step_make(program, exprs[i]);
    }
    return program;
}

void expr_program_destroy(struct expr_program *program)
{
    if (program != NULL) {
        for (uint32_t i = 0; i < program->step_count; i++) {
            if (program->steps[i]->scratch.object != NULL) {
                program->steps[i]->scratch.release(program->steps[i]->scratch.object);
            }
        }
        arena_deinit(&program->arena);
        arena_deinit(&program->texts);
        mem_free(MEM_COMPUTE, program);
    }
}

void expr_program_set_now_ms(struct expr_program *program, int64_t now_ms)
{
    program->now_ms = now_ms;
}

const struct expr_failure *expr_program_failure(const struct expr_program *program)
{
    return &program->failure;
}

/* --- what kernels call -------------------------------------------------------------------------------------------- */

static bool program_fail(struct expr_program *program, const struct expr *expr, size_t row, const char *format,
                         va_list arguments)
{
    if (!program->failed) {
        program->failed = true;
        program->failure.expr = expr;
        program->failure.row = row;
        (void)vsnprintf(program->failure.message, sizeof(program->failure.message), format, arguments);
    }
    return false;
}

bool expr__fail(struct expr_call *call, size_t row, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)program_fail(call->program, call->expr, row, format, arguments);
    va_end(arguments);
    return false;
}

void expr__set_null(struct expr_call *call, size_t row)
{
    set_null(CONTAINER_OF(call->result, struct step, result), row);
}

char *expr__text_room(struct expr_call *call, size_t row, size_t len)
{
    char *room = arena_alloc(call->arena, len);

    if (room == NULL) {
        (void)expr__fail(call, row, "the texts computed for one chunk need more than %zu MiB",
                         PROGRAM_BYTES_MAX / (size_t)MIB);
    }
    return room;
}

int64_t expr__now_ms(const struct expr_call *call)
{
    return call->program->now_ms;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* Rows where the vector has a value; the rows themselves when all have. */
static struct rows rows_with_value(struct expr_program *program, const struct vec *vec, struct rows rows)
{
    struct vec_access access = vec_access_of(vec);
    uint16_t         *list;
    uint32_t          count = 0;
    uint32_t          i = 0;

    if (access.validity == NULL) {
        return rows;
    }
    while (i < rows.count && !vec_access_null(&access, row_at(rows, i))) {
        i++;
    }
    if (i == rows.count) {
        return rows;
    }
    list = row_list(program);
    for (i = 0; i < rows.count; i++) {
        size_t row = row_at(rows, i);

        list[count] = (uint16_t)row;
        count += !vec_access_null(&access, row);
    }
    return (struct rows){.list = list, .count = count};
}

/* Nulls at the rows that the shorter list leaves out. Both are ascending. */
static void null_the_rest(struct step *step, struct rows all, struct rows some)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < all.count; i++) {
        size_t row = row_at(all, i);

        if (at < some.count && row_at(some, at) == row) {
            at++;
        } else {
            set_null(step, row);
        }
    }
}

/* --- calls and casts ---------------------------------------------------------------------------------------------- */

static bool run_kernel(struct expr_program *program, struct step *step, const struct vec *arguments, struct rows rows)
{
    struct expr_call call = {
        .expr = step->expr,
        .arguments = arguments,
        .result = &step->result,
        .rows = rows.list,
        .row_count = rows.count,
        .state = step->state,
        .scratch = &step->scratch,
        .arena = &program->texts,
        .program = program,
    };

    return rows.count == 0 || step->kernel(&call);
}

static bool eval_call(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    bool        constant = step->expr->argument_count > 0 && (step->flags & EXPR_VOLATILE) == 0;
    struct rows reached;

    for (uint32_t i = 0; i < step->expr->argument_count; i++) {
        if (!expr__eval(program, step->arguments[i], rows, &step->inputs[i])) {
            return false;
        }
        constant = constant && step->inputs[i].form == VEC_CONSTANT;
    }
    step->result.form = VEC_FLAT;
    step->result.validity = NULL;
    if (constant && rows.count > 0) {
        rows = (struct rows){.list = NULL, .count = 1};
    }
    reached = rows;
    for (uint32_t i = 0; i < step->expr->argument_count && (step->flags & EXPR_STRICT) != 0; i++) {
        reached = rows_with_value(program, &step->inputs[i], reached);
    }
    if (!run_kernel(program, step, step->inputs, reached)) {
        return false;
    }
    if (reached.count < rows.count) {
        null_the_rest(step, rows, reached);
    }
    step->result.form = constant ? VEC_CONSTANT : VEC_FLAT;
    *out = step->result;
    return true;
}

/* --- evaluation --------------------------------------------------------------------------------------------------- */

static bool eval_field(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    struct vec        row;
    struct vec_access access;

    if (!expr__eval(program, step->arguments[0], rows, &row)) {
        return false;
    }
    access = vec_access_of(&row);
    *out = row.children[step->expr->index];
    if (access.index != NULL) {
        *out = vec_pick(&program->texts, out, access.index, program->chunk->row_count);
    }
    out->type = step->expr->type;
    return true;
}

static bool eval_kind(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    switch (step->expr->kind) {
    case EXPR_COLUMN:
        CHECK(step->expr->index < program->chunk->column_count);
        *out = program->chunk->columns[step->expr->index];
        return true;
    case EXPR_FIELD:
        return eval_field(program, step, rows, out);
    case EXPR_CONSTANT:
        *out = step->expr->constant;
        return true;
    case EXPR_CALL:
    case EXPR_CAST:
        return eval_call(program, step, rows, out);
    case EXPR_AND:
        return expr__eval_logic(program, step, rows, 0, out);
    case EXPR_OR:
        return expr__eval_logic(program, step, rows, 1, out);
    case EXPR_CASE:
        return expr__eval_case(program, step, rows, out);
    case EXPR_COALESCE:
    default:
        return expr__eval_coalesce(program, step, rows, out);
    }
}

bool expr__eval(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    bool all = rows.list == program->rows.list && rows.count == program->rows.count;

    if (step->twin->computed_run == program->run) {
        *out = step->twin->shown;
        return true;
    }
    step = all ? step->twin : step;
    if (!eval_kind(program, step, rows, out)) {
        return false;
    }
    if (all) {
        step->shown = *out;
        step->computed_run = program->run;
    }
    return true;
}

static void program_begin(struct expr_program *program, const struct vec_chunk *chunk)
{
    CHECK(chunk->row_count <= VEC_ROWS_MAX && chunk->selected_count <= chunk->row_count);
    arena_reset(&program->texts);
    program->run++;
    program->failed = false;
    program->chunk = chunk;
    program->rows = (struct rows){.list = chunk->selection, .count = chunk->selected_count};
}

bool expr_program_run(struct expr_program *program, const struct vec_chunk *chunk, struct vec *out_vecs)
{
    program_begin(program, chunk);
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (!expr__eval(program, program->outputs[i], program->rows, &out_vecs[i])) {
            return false;
        }
        out_vecs[i].type = program->outputs[i]->expr->type;
    }
    return true;
}

bool expr_program_filter(struct expr_program *program, const struct vec_chunk *chunk, uint16_t *out_rows,
                         uint32_t *out_count)
{
    struct vec        value;
    struct vec_access access;
    uint32_t          count = 0;

    program_begin(program, chunk);
    if (!expr__eval(program, program->outputs[0], program->rows, &value)) {
        return false;
    }
    access = vec_access_of(&value);
    for (uint32_t i = 0; i < program->rows.count; i++) {
        size_t row = row_at(program->rows, i);
        bool   yes = !vec_access_null(&access, row) && ((const uint8_t *)access.data)[vec_access_at(&access, row)] != 0;

        out_rows[count] = (uint16_t)row;
        count += yes;
    }
    *out_count = count;
    return true;
}
