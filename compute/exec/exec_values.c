/* VALUES: rows that stand in the statement. Worker 0 emits them, the others have none. */
#include "compute/exec/exec_worker.h"

#define VALUES_BLOCK (64 * (size_t)KIB)

struct values {
    struct exec_operator op;
    bool                 done;
};

/* All expressions at once, over a chunk of one row without columns: output i is row i / columns, column i % columns. */
static bool emit_rows(struct exec_operator *op, struct expr_program *program, struct arena *arena)
{
    const struct exec_values *values = &op->node->values;
    uint32_t                  width = op->node->column_count;
    struct vec_chunk          nothing = {.row_count = 1, .selected_count = 1};
    struct vec               *results = arena_alloc_array(arena, (size_t)values->row_count * width, sizeof(*results));

    CHECK(results != NULL);
    expr_program_set_now_ms(program, exec__now_ms(op));
    if (!expr_program_run(program, &nothing, results)) {
        return exec__fail_expr(op, program);
    }
    for (uint32_t first = 0; first < values->row_count; first += VEC_ROWS_MAX) {
        uint32_t         count = MIN(values->row_count - first, VEC_ROWS_MAX);
        struct vec_chunk chunk = {
            .row_count = count,
            .selected_count = count,
            .column_count = width,
            .columns = arena_alloc_array(arena, width, sizeof(struct vec)),
        };

        CHECK(chunk.columns != NULL);
        for (uint32_t column = 0; column < width; column++) {
            chunk.columns[column] = vec_make_rows(arena, op->node->columns[column].type, count);
            for (uint32_t row = 0; row < count; row++) {
                vec_copy_value(arena, &chunk.columns[column], row, &results[(size_t)(first + row) * width + column], 0);
            }
        }
        if (!exec__emit(op, &chunk)) {
            return false;
        }
    }
    return true;
}

bool exec__values_run(struct exec_operator *op, bool *out_did)
{
    struct values *values = CONTAINER_OF(op, struct values, op);
    struct arena   arena;
    bool           good = true;

    if (values->done) {
        return true;
    }
    values->done = true;
    *out_did = true;
    if (op->worker->index == 0 && op->node->values.row_count > 0) {
        struct expr_program *program =
            expr_program_create(op->node->values.exprs, op->node->values.row_count * op->node->column_count);

        arena_init(&arena, MEM_COMPUTE, VALUES_BLOCK, SIZE_MAX);
        good = emit_rows(op, program, &arena);
        arena_deinit(&arena);
        expr_program_destroy(program);
    }
    return good && exec__emit_watermark(op, EXEC_WATERMARK_END) && exec__finish_users(op);
}

const struct exec_operator_class exec__values_class = {.name = "values", .bytes = sizeof(struct values)};
