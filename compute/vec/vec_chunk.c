/* Chunks: copies that own what they show. */
#include "compute/vec/vec.h"

#include "core/base/check.h"

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

#define COPY_EACH(type_)                                                  \
    do {                                                                  \
        const type_ *from = access->data;                                 \
        type_       *to = target->data;                                   \
        for (uint32_t i = 0; i < chunk->selected_count; i++) {            \
            to[i] = from[vec_access_at(access, vec_chunk_row(chunk, i))]; \
        }                                                                 \
    } while (0)

static void copy_fixed(struct vec *target, const struct vec_access *access, const struct vec_chunk *chunk,
                       size_t value_bytes)
{
    switch (value_bytes) {
    case 1:
        COPY_EACH(uint8_t);
        break;
    case 2:
        COPY_EACH(uint16_t);
        break;
    case 4:
        COPY_EACH(uint32_t);
        break;
    case 8:
        COPY_EACH(uint64_t);
        break;
    default:
        CHECK(value_bytes == 16);
        COPY_EACH(vec_uint128);
        break;
    }
}

static void copy_validity(struct arena *arena, struct vec *target, const struct vec_access *access,
                          const struct vec_chunk *chunk)
{
    for (uint32_t i = 0; access->validity != NULL && i < chunk->selected_count; i++) {
        if (!vec_bit_get(access->validity, vec_access_at(access, vec_chunk_row(chunk, i)))) {
            vec_bit_clear(vec_need_validity(target, arena), i);
        }
    }
}

/* The long texts of a column in one piece. What stands behind a null is no text. */
static void copy_texts(struct arena *arena, struct vec *target, uint32_t count)
{
    struct vec_string *texts = target->data;
    size_t             bytes = 0;
    char              *at;

    for (uint32_t i = 0; i < count; i++) {
        if (target->validity != NULL && !vec_bit_get(target->validity, i)) {
            texts[i] = (struct vec_string){0};
        }
        bytes += texts[i].len > VEC_STRING_INLINE_MAX ? texts[i].len : 0;
    }
    at = need(arena_alloc(arena, bytes));
    for (uint32_t i = 0; i < count; i++) {
        if (texts[i].len > VEC_STRING_INLINE_MAX) {
            memcpy(at, texts[i].ref.base, texts[i].len);
            texts[i].ref.base = at;
            at += texts[i].len;
        }
    }
}

static struct vec copy_column(struct arena *arena, const struct vec *source, const struct vec_chunk *chunk)
{
    struct vec_access access = vec_access_of(source);
    enum vec_layout   layout = vec_type_layout(source->type);
    struct vec        target;

    if (source->form == VEC_CONSTANT && chunk->selected_count > 0) {
        return vec_make_constant(arena, source, 0);
    }
    target = vec_make_rows(arena, source->type, MAX(chunk->selected_count, 1));
    if (layout == VEC_LAYOUT_NONE || layout == VEC_LAYOUT_LIST) {
        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            vec_copy_value(arena, &target, i, source, vec_chunk_row(chunk, i));
        }
        return target;
    }
    copy_fixed(&target, &access, chunk, vec_layout_bytes(layout));
    copy_validity(arena, &target, &access, chunk);
    if (layout == VEC_LAYOUT_STRING) {
        copy_texts(arena, &target, chunk->selected_count);
    }
    return target;
}

struct vec_chunk vec_chunk_copy(struct arena *arena, const struct vec_chunk *chunk)
{
    struct vec_chunk copy = {
        .row_count = chunk->selected_count,
        .selected_count = chunk->selected_count,
        .column_count = chunk->column_count,
        .columns = need(arena_alloc_array(arena, chunk->column_count, sizeof(*copy.columns))),
    };

    for (uint32_t column = 0; column < chunk->column_count; column++) {
        copy.columns[column] = copy_column(arena, &chunk->columns[column], chunk);
    }
    if (chunk->changes != NULL) {
        uint8_t *changes = need(arena_alloc(arena, MAX(chunk->selected_count, 1)));

        for (uint32_t i = 0; i < chunk->selected_count; i++) {
            changes[i] = chunk->changes[vec_chunk_row(chunk, i)];
        }
        copy.changes = changes;
    }
    return copy;
}
