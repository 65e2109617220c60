/* vec_support.h: vectors for tests. */
#ifndef MILLRACE_TESTS_VEC_SUPPORT_H
#define MILLRACE_TESTS_VEC_SUPPORT_H

#include "compute/vec/vec.h"
#include "core/base/prng.h"
#include "tests/support/unit.h"

/* A random value of `type` at `row`: small ranges so that equal values occur; nulls when the type is nullable. */
static inline void random_value(struct arena *arena, struct prng *prng, struct vec *target, size_t row)
{
    static const char *const texts[] = {"", "a", "exactly12byt", "exactly13byte", "a longer text than inline", "ä€"};
    size_t                   bytes = vec_layout_bytes(vec_type_layout(target->type));

    if (target->type.nullable && prng_chance(prng, 1, 5)) {
        vec_bit_clear(vec_need_validity(target, arena), row);
        for (uint32_t i = 0; target->type.kind == VEC_ROW && i < target->type.child_count; i++) {
            vec_bit_clear(vec_need_validity(&target->children[i], arena), row);
        }
        return;
    }
    switch (vec_type_layout(target->type)) {
    case VEC_LAYOUT_STRING: {
        const char *text = texts[prng_below(prng, COUNT_OF(texts))];

        ((struct vec_string *)target->data)[row] = vec_string_of(text, (uint32_t)strlen(text));
        break;
    }
    case VEC_LAYOUT_FLOAT:
        ((float *)target->data)[row] = (float)prng_below(prng, 4) - 1.5F;
        break;
    case VEC_LAYOUT_DOUBLE:
        ((double *)target->data)[row] = (double)prng_below(prng, 4) - 1.5;
        break;
    case VEC_LAYOUT_LIST: {
        struct vec      *elements = &target->children[0];
        struct vec_list *list = (struct vec_list *)target->data + row;

        if (elements->capacity == 0) {
            *elements = vec_make(arena, elements->type);
        }
        *list = (struct vec_list){.offset = target->child_rows, .len = (uint32_t)prng_below(prng, 3)};
        for (uint32_t i = 0; i < list->len; i++) {
            random_value(arena, prng, elements, list->offset + i);
        }
        target->child_rows += list->len;
        break;
    }
    case VEC_LAYOUT_NONE:
        break;
    default:
        memset((uint8_t *)target->data + row * bytes, (int)prng_below(prng, 2), bytes);
        break;
    }
    for (uint32_t i = 0; target->type.kind == VEC_ROW && i < target->type.child_count; i++) {
        random_value(arena, prng, &target->children[i], row);
    }
}

static inline struct vec random_vec(struct arena *arena, struct prng *prng, struct vec_type type, size_t row_count)
{
    struct vec vec = vec_make(arena, type);

    for (size_t row = 0; row < row_count; row++) {
        random_value(arena, prng, &vec, row);
    }
    return vec;
}

/* One type of each layout. */
static inline size_t sample_types(struct vec_type *out_types)
{
    static struct vec_field fields[2];
    static struct vec_field element;
    size_t                  count = 0;

    for (int kind = VEC_BOOLEAN; kind <= VEC_INTERVAL_DAY; kind++) {
        out_types[count] = vec_type_of((enum vec_kind)kind);
        out_types[count].precision = kind == VEC_DECIMAL ? 10 : 3;
        count++;
    }
    out_types[count++] = vec_type_decimal(38, 3);
    out_types[count++] = vec_type_timestamp(VEC_TIMESTAMP, 9);
    fields[0] = (struct vec_field){view_text("x"), vec_type_of(VEC_INT)};
    fields[1] = (struct vec_field){view_text("y"), vec_type_of(VEC_VARCHAR)};
    out_types[count++] = (struct vec_type){.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = fields};
    element = (struct vec_field){view_text("element"), vec_type_of(VEC_BIGINT)};
    out_types[count++] = (struct vec_type){.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = &element};
    return count;
}

#define SAMPLE_TYPES_MAX 32

#endif
