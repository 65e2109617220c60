/* VALUES: rows that stand in the statement. Worker 0 emits them, the others have none. */
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_worker.h"

#define VALUES_BLOCK (64 * (size_t)KIB)
#define ROWS_AT_ONCE 64U

struct values {
    struct exec_operator op;
    bool                 done;
    bool                 emitted; /* by an earlier run */
};

/* Some rows: output i of the program is row i / width, column i % width, over a chunk of one row without columns. A
 * program compares its expressions with each other, so a long list of rows is taken in pieces. */
static bool emit_rows(struct exec_operator *op, uint32_t first, uint32_t count, struct arena *arena)
{
    uint32_t             width = op->node->column_count;
    struct vec_chunk     nothing = {.row_count = 1, .selected_count = 1};
    struct vec_chunk     chunk = {.row_count = count, .selected_count = count, .column_count = width};
    struct vec          *results = arena_alloc_array(arena, (size_t)count * width, sizeof(*results));
    struct expr_program *program = expr_program_create(op->node->values.exprs + (size_t)first * width, count * width);
    bool                 good;

    chunk.columns = arena_alloc_array(arena, width, sizeof(struct vec));
    CHECK(results != NULL && chunk.columns != NULL);
    expr_program_set_now_ms(program, exec__now_ms(op));
    good = expr_program_run(program, &nothing, results) || exec__fail_expr(op, program);
    for (uint32_t column = 0; column < width && good; column++) {
        chunk.columns[column] = vec_make_rows(arena, op->node->columns[column].type, count);
        for (uint32_t row = 0; row < count; row++) {
            vec_copy_value(arena, &chunk.columns[column], row, &results[(size_t)row * width + column], 0);
        }
    }
    good = good && exec__emit(op, &chunk);
    expr_program_destroy(program);
    return good;
}

bool exec__values_run(struct exec_operator *op, bool *out_did)
{
    struct values *values = CONTAINER_OF(op, struct values, op);
    uint32_t       row_count = op->worker->index == 0 && !values->emitted ? op->node->values.row_count : 0;
    struct arena   arena;
    bool           good = true;

    if (values->done) {
        return true;
    }
    values->done = true;
    *out_did = true;
    arena_init(&arena, MEM_COMPUTE, VALUES_BLOCK, SIZE_MAX);
    for (uint32_t first = 0; first < row_count && good; first += ROWS_AT_ONCE) {
        arena_reset(&arena);
        good = emit_rows(op, first, MIN(row_count - first, ROWS_AT_ONCE), &arena);
    }
    arena_deinit(&arena);
    return good && exec__emit_watermark(op, EXEC_WATERMARK_END) && exec__finish_users(op);
}

/* Rows that were emitted before are not emitted again, but the end is. */
static void save_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    const struct values *values = CONTAINER_OF(op, struct values, op);

    exec_bytes_put_u8(bytes, values->done || values->emitted);
}

static bool load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    CONTAINER_OF(op, struct values, op)->emitted = exec_reader_u8(reader) != 0;
    return true;
}

const struct exec_operator_class exec__values_class = {
    .name = "values",
    .bytes = sizeof(struct values),
    .save_scalars = save_scalars,
    .load_scalars = load_scalars,
};
