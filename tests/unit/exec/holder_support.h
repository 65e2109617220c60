/* holder_support.h: a job whose only operator of interest does nothing: somebody for heaps and tables to belong to. */
#ifndef MILLRACE_HOLDER_SUPPORT_H
#define MILLRACE_HOLDER_SUPPORT_H

#include "tests/unit/exec/operator_support.h"

static inline struct exec_operator *holder_start(struct rig *rig, uint64_t memory_bytes_max)
{
    static const struct vec_field column = {.type = {.kind = VEC_BIGINT, .nullable = true}};
    struct rig_options            options = {
                   .input_count = 1,
                   .column_counts = {1},
                   .columns = {{{.type = {.kind = VEC_BIGINT, .nullable = true}}}},
                   .node = {.kind = EXEC_LIMIT, .column_count = 1, .columns = &column},
                   .memory_bytes_max = memory_bytes_max,
    };

    rig_start(rig, &options);
    return rig_op(rig);
}

/* rows of the vector that are selected, as a chunk without columns. */
static inline struct vec_chunk holder_rows(uint32_t row_count, const uint16_t *selection, uint32_t selected_count)
{
    return (struct vec_chunk){
        .row_count = row_count,
        .selection = selection,
        .selected_count = selection == NULL ? row_count : selected_count,
    };
}

/* Every `step`-th row. */
static inline uint32_t holder_select(uint16_t *out_rows, uint32_t row_count, uint32_t step)
{
    uint32_t count = 0;

    for (uint32_t row = 0; row < row_count; row += step) {
        out_rows[count++] = (uint16_t)row;
    }
    return count;
}

#endif
