/* IN (a, b, ...): a few values are compared one after the other, many constants stand in a hash set. */
#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define SET_MIN      8 /* from so many values on a set is faster */
#define SLOTS_MAX    4096
#define PLACES_EMPTY UINT16_MAX

struct value_set {
    struct vec values;
    uint64_t   mask;
    uint16_t   places[SLOTS_MAX]; /* of values, by hash; linear probing */
};

static void set_add(struct value_set *set, uint64_t hash, uint16_t place)
{
    uint64_t slot = hash & set->mask;

    while (set->places[slot] != PLACES_EMPTY) {
        slot = (slot + 1) & set->mask;
    }
    set->places[slot] = place;
}

static bool set_has(const struct value_set *set, uint64_t hash, const struct vec *vec, size_t row)
{
    for (uint64_t slot = hash & set->mask; set->places[slot] != PLACES_EMPTY; slot = (slot + 1) & set->mask) {
        if (vec_compare(&set->values, set->places[slot], vec, row) == 0) {
            return true;
        }
    }
    return false;
}

static bool in_set(struct expr_call *call)
{
    const struct value_set *set = call->state;
    uint64_t                hashes[VEC_ROWS_MAX];
    uint8_t                *result = call->result->data;
    struct vec_chunk        chunk = {.selection = call->rows, .selected_count = call->row_count};

    chunk.row_count = call->row_count == 0 ? 0 : (uint32_t)expr__row(call, call->row_count - 1) + 1;
    vec_hash(&call->arguments[0], &chunk, hashes, false);
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = set_has(set, hashes[row], &call->arguments[0], row);
    }
    return true;
}

/* Constants of the value's own type: none needs a cast, none is null. */
static bool fits_set(struct expr *const *arguments, uint32_t count)
{
    struct vec_type type = arguments[0]->type;

    if (count - 1 < SET_MIN || count - 1 > SLOTS_MAX / 2 || type.kind == VEC_ROW || type.kind == VEC_ARRAY ||
        type.kind == VEC_FLOAT || type.kind == VEC_DOUBLE) {
        return false;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct vec_type other = arguments[i]->type;
        bool alike = vec_kind_is_text(type.kind) ? vec_kind_is_text(other.kind) : vec_type_equal(type, other);

        if (!alike || !expr_is_constant(arguments[i]) || vec_is_null(&arguments[i]->constant, 0)) {
            return false;
        }
    }
    return true;
}

static struct value_set *make_set(struct arena *arena, struct expr *const *arguments, uint32_t count)
{
    struct value_set *set = arena_alloc(arena, sizeof(*set));
    struct vec_type   type = arguments[0]->type;
    uint64_t          hashes[VEC_ROWS_MAX];
    struct vec_chunk  chunk = {.row_count = count - 1, .selected_count = count - 1};

    if (set == NULL) {
        return NULL;
    }
    type.nullable = false;
    set->values = vec_make(arena, type);
    set->mask = 4 * SET_MIN - 1;
    while (set->mask < 2 * (uint64_t)count) {
        set->mask = set->mask * 2 + 1;
    }
    CHECK(set->mask < SLOTS_MAX && count <= VEC_ROWS_MAX);
    memset(set->places, 0xff, sizeof(set->places));
    for (uint32_t i = 1; i < count; i++) {
        vec_copy_value(arena, &set->values, i - 1, &arguments[i]->constant, 0);
    }
    vec_hash(&set->values, &chunk, hashes, false);
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (!set_has(set, hashes[i], &set->values, i)) {
            set_add(set, hashes[i], (uint16_t)i);
        }
    }
    return set;
}

/* a = b OR a = c ... */
static struct expr *compare_each(struct expr_maker *maker, struct expr *const *arguments, uint32_t count)
{
    struct expr *equals[EXPR_ARGUMENTS_MAX];

    for (uint32_t i = 1; i < count; i++) {
        equals[i - 1] = expr_call(maker, "=", (struct expr *[2]){arguments[0], arguments[i]}, 2);
        if (equals[i - 1] == NULL) {
            return NULL;
        }
    }
    return count == 2 ? equals[0] : expr_call(maker, "OR", equals, count - 1);
}

struct expr *expr__make_in(struct expr_maker *maker, const struct expr_function *function,
                           struct expr *const *arguments, uint32_t count)
{
    struct expr_bound *bound;
    struct value_set  *set;
    struct vec_type    type = vec_type_of(VEC_BOOLEAN);

    if (!fits_set(arguments, count)) {
        return compare_each(maker, arguments, count);
    }
    type.nullable = arguments[0]->type.nullable;
    bound = (struct expr_bound *)(void *)expr__new(maker, EXPR_CALL, type, sizeof(*bound));
    set = make_set(maker->arena, arguments, count);
    if (bound == NULL || set == NULL) {
        (void)expr__refuse(maker, "the statement needs more memory than a plan may have");
        return NULL;
    }
    bound->expr.function = function;
    bound->binding = (struct expr_binding){.result = type, .kernel = in_set, .state = set};
    /* The list stays, so that the expression can be shown and compared; the kernel looks at the value only. */
    return expr__set_arguments(maker, &bound->expr, arguments, count) ? &bound->expr : NULL;
}
