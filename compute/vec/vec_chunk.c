/* Chunks: copies that own what they show. */
#include "compute/vec/vec.h"

#include "core/base/check.h"

struct vec_chunk vec_chunk_copy(struct arena *arena, const struct vec_chunk *chunk)
{
    struct vec_chunk copy = {
        .row_count = chunk->selected_count,
        .selected_count = chunk->selected_count,
        .column_count = chunk->column_count,
        .columns = arena_alloc_array(arena, chunk->column_count, sizeof(*copy.columns)),
    };

    CHECK(copy.columns != NULL);
    for (uint32_t column = 0; column < chunk->column_count; column++) {
        copy.columns[column] = vec_make(arena, chunk->columns[column].type);
        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            vec_copy_value(arena, &copy.columns[column], i, &chunk->columns[column], vec_chunk_row(chunk, i));
        }
    }
    if (chunk->changes != NULL) {
        uint8_t *changes = arena_alloc(arena, MAX(chunk->selected_count, 1));

        CHECK(changes != NULL);
        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            changes[i] = chunk->changes[vec_chunk_row(chunk, i)];
        }
        copy.changes = changes;
    }
    return copy;
}
