/* What each aggregate does to its slot: one loop per kind and layout. */
#include "compute/exec/exec_aggregate_internal.h"
#include "compute/exec/exec_list.h"
#include "compute/vec/vec_decimal.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Over the picked rows that have a value: state, and at, the value's position. */
#define EACH_VALUE(picks, access, body)                                        \
    for (uint32_t i_ = 0; i_ < (picks).count; i_++) {                          \
        size_t   row_ = (picks).rows == NULL ? i_ : (picks).rows[i_];          \
        size_t   at = vec_access_at(&(access), row_);                          \
        uint8_t *state = (picks).states[i_];                                   \
        if ((access).validity == NULL || vec_bit_get((access).validity, at)) { \
            body                                                               \
        }                                                                      \
    }

#define SLOT(type_, state, offset)       ((type_ *)(void *)((uint8_t *)(state) + (offset)))
#define CONST_SLOT(type_, state, offset) ((const type_ *)(const void *)((const uint8_t *)(state) + (offset)))

/* --- COUNT ---------------------------------------------------------------------------------------------------------
 */

static bool count_rows(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED,
                       const struct vec *argument UNUSED, struct exec_picks picks)
{
    uint32_t slot = accumulator->slot;

    for (uint32_t i = 0; i < picks.count; i++) {
        (*SLOT(int64_t, picks.states[i], slot))++;
    }
    return true;
}

static bool count_values(const struct exec_accumulator *accumulator, struct exec_heap *heap, const struct vec *argument,
                         struct exec_picks picks)
{
    struct vec_access access = vec_access_of(argument);
    uint32_t          slot = accumulator->slot;

    if (argument->type.kind == VEC_NULL) {
        return true;
    }
    if (access.validity == NULL) {
        return count_rows(accumulator, heap, argument, picks);
    }
    EACH_VALUE(picks, access, { (*SLOT(int64_t, state, slot))++; })
    return true;
}

/* --- SUM and AVG ---------------------------------------------------------------------------------------------------
 */

/* Integers are summed in 64 bits and cut to the result's width at the end: the same as wrapping all along. */
#define SUM_KERNEL(name_, from_, to_)                                                            \
    static bool name_(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED, \
                      const struct vec *argument, struct exec_picks picks)                       \
    {                                                                                            \
        struct vec_access access = vec_access_of(argument);                                      \
        const from_      *values = access.data;                                                  \
        EACH_VALUE(picks, access, {                                                              \
            *SLOT(to_, state, accumulator->slot) += (to_)values[at];                             \
            *SLOT(uint64_t, state, accumulator->seen) |= accumulator->seen_bit;                  \
        })                                                                                       \
        return true;                                                                             \
    }

#define AVG_KERNEL(name_, from_, to_)                                                            \
    static bool name_(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED, \
                      const struct vec *argument, struct exec_picks picks)                       \
    {                                                                                            \
        struct vec_access access = vec_access_of(argument);                                      \
        const from_      *values = access.data;                                                  \
        EACH_VALUE(picks, access, {                                                              \
            *SLOT(to_, state, accumulator->slot) += (to_)values[at];                             \
            (*SLOT(int64_t, state, accumulator->count))++;                                       \
        })                                                                                       \
        return true;                                                                             \
    }

SUM_KERNEL(sum_int8, int8_t, uint64_t)
SUM_KERNEL(sum_int16, int16_t, uint64_t)
SUM_KERNEL(sum_int32, int32_t, uint64_t)
SUM_KERNEL(sum_int64, int64_t, uint64_t)
SUM_KERNEL(sum_float, float, float)
SUM_KERNEL(sum_double, double, double)
AVG_KERNEL(avg_int8, int8_t, uint64_t)
AVG_KERNEL(avg_int16, int16_t, uint64_t)
AVG_KERNEL(avg_int32, int32_t, uint64_t)
AVG_KERNEL(avg_int64, int64_t, uint64_t)
AVG_KERNEL(avg_float, float, double)
AVG_KERNEL(avg_double, double, double)

/* A sum beyond 38 digits is null; SUM then takes the next value as its first. */
static ALWAYS_INLINE void sum_decimal(const struct exec_accumulator *accumulator, void *state, vec_int128 value)
{
    vec_int128 *sum = SLOT(vec_int128, state, accumulator->slot);
    bool        fits = true;

    if (exec__seen(accumulator, state)) {
        fits = !__builtin_add_overflow(*sum, value, &value) && vec_decimal_fits(value, VEC_DECIMAL_DIGITS_MAX);
    }
    *sum = fits ? value : 0;
    exec__set_seen(accumulator, state, fits);
}

/* AVG's sum stays null: the bit says so. */
static ALWAYS_INLINE void avg_decimal(const struct exec_accumulator *accumulator, void *state, vec_int128 value,
                                      int64_t count)
{
    vec_int128 *sum = SLOT(vec_int128, state, accumulator->slot);

    *SLOT(int64_t, state, accumulator->count) += count;
    if (__builtin_add_overflow(*sum, value, sum) || !vec_decimal_fits(*sum, VEC_DECIMAL_DIGITS_MAX)) {
        *sum = 0;
        exec__set_seen(accumulator, state, true);
    }
}

#define DECIMAL_KERNELS(from_)                                                                                 \
    static bool sum_decimal_##from_(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED, \
                                    const struct vec *argument, struct exec_picks picks)                       \
    {                                                                                                          \
        struct vec_access access = vec_access_of(argument);                                                    \
        const from_      *values = access.data;                                                                \
        EACH_VALUE(picks, access, { sum_decimal(accumulator, state, values[at]); })                            \
        return true;                                                                                           \
    }                                                                                                          \
    static bool avg_decimal_##from_(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED, \
                                    const struct vec *argument, struct exec_picks picks)                       \
    {                                                                                                          \
        struct vec_access access = vec_access_of(argument);                                                    \
        const from_      *values = access.data;                                                                \
        EACH_VALUE(picks, access, { avg_decimal(accumulator, state, values[at], 1); })                         \
        return true;                                                                                           \
    }

DECIMAL_KERNELS(int64_t)
DECIMAL_KERNELS(vec_int128)

/* --- MIN and MAX ---------------------------------------------------------------------------------------------------
 */

/* Java's comparison of primitives: false for NaN on either side. */
#define BEST_KERNEL(name_, type_, better_)                                                       \
    static bool name_(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED, \
                      const struct vec *argument, struct exec_picks picks)                       \
    {                                                                                            \
        struct vec_access access = vec_access_of(argument);                                      \
        const type_      *values = access.data;                                                  \
        EACH_VALUE(picks, access, {                                                              \
            type_    *best = SLOT(type_, state, accumulator->slot);                              \
            uint64_t *seen = SLOT(uint64_t, state, accumulator->seen);                           \
            if ((*seen & accumulator->seen_bit) == 0 || values[at] better_ * best) {             \
                *best = values[at];                                                              \
                *seen |= accumulator->seen_bit;                                                  \
            }                                                                                    \
        })                                                                                       \
        return true;                                                                             \
    }

#define BEST_KERNELS(type_, suffix_)     \
    BEST_KERNEL(min_##suffix_, type_, <) \
    BEST_KERNEL(max_##suffix_, type_, >)

BEST_KERNELS(uint8_t, bool)
BEST_KERNELS(int8_t, int8)
BEST_KERNELS(int16_t, int16)
BEST_KERNELS(int32_t, int32)
BEST_KERNELS(int64_t, int64)
BEST_KERNELS(vec_int128, int128)
BEST_KERNELS(float, float)
BEST_KERNELS(double, double)

/* The slot's text becomes a copy of another. */
static bool text_replace(const struct exec_accumulator *accumulator, struct exec_heap *heap, void *state,
                         const struct vec_string *text)
{
    struct vec_string *slot = SLOT(struct vec_string, state, accumulator->slot);
    struct vec_string  copy = *text;

    if (text->len > VEC_STRING_INLINE_MAX) {
        char *base = exec_heap_take(heap, text->len);

        if (base == NULL) {
            return false;
        }
        memcpy(base, text->ref.base, text->len);
        copy.ref.base = base;
    }
    if (slot->len > VEC_STRING_INLINE_MAX) {
        exec_heap_give(heap, (void *)(uintptr_t)slot->ref.base, slot->len);
    }
    *slot = copy;
    exec__set_seen(accumulator, state, true);
    return true;
}

static bool text_is_better(const struct exec_accumulator *accumulator, const void *state, const struct vec_string *text)
{
    const struct vec_string *slot = CONST_SLOT(struct vec_string, state, accumulator->slot);

    switch (accumulator->aggregate.kind) {
    case EXEC_MIN:
        return !exec__seen(accumulator, state) || vec_string_compare(text, slot) < 0;
    case EXEC_MAX:
        return !exec__seen(accumulator, state) || vec_string_compare(text, slot) > 0;
    case EXEC_FIRST_VALUE:
        return !exec__seen(accumulator, state);
    default:
        return true; /* LAST_VALUE */
    }
}

static bool take_text(const struct exec_accumulator *accumulator, struct exec_heap *heap, const struct vec *argument,
                      struct exec_picks picks)
{
    struct vec_access        access = vec_access_of(argument);
    const struct vec_string *values = access.data;

    EACH_VALUE(picks, access, {
        if (text_is_better(accumulator, state, &values[at]) && !text_replace(accumulator, heap, state, &values[at])) {
            return false;
        }
    })
    return true;
}

/* FIRST_VALUE and LAST_VALUE of an ARRAY, kept as its bytes. */
static bool take_list(const struct exec_accumulator *accumulator, struct exec_heap *heap, const struct vec *argument,
                      struct exec_picks picks)
{
    struct vec_access access = vec_access_of(argument);
    struct arena     *scratch = exec_heap_scratch(heap);

    arena_reset(scratch);
    EACH_VALUE(picks, access, {
        struct vec_string text;

        if (accumulator->aggregate.kind == EXEC_LAST_VALUE || !exec__seen(accumulator, state)) {
            text = exec_list_encode(scratch, argument, at);
            if (!text_replace(accumulator, heap, state, &text)) {
                return false;
            }
        }
    })
    return true;
}

/* --- FIRST_VALUE and LAST_VALUE ------------------------------------------------------------------------------------
 */

static bool take_fixed(const struct exec_accumulator *accumulator, struct exec_heap *heap UNUSED,
                       const struct vec *argument, struct exec_picks picks)
{
    struct vec_access access = vec_access_of(argument);
    const uint8_t    *values = access.data;
    size_t            width = vec_layout_bytes(accumulator->layout);
    bool              is_last = accumulator->aggregate.kind == EXEC_LAST_VALUE;

    EACH_VALUE(picks, access, {
        if (is_last || !exec__seen(accumulator, state)) {
            memcpy(state + accumulator->slot, values + at * width, width);
            exec__set_seen(accumulator, state, true);
        }
    })
    return true;
}

/* --- which ----------------------------------------------------------------------------------------------------------
 */

static exec_accumulate_fn *sum_kernel(struct vec_type type, bool is_avg)
{
    if (!vec_kind_is_numeric(type.kind)) {
        return NULL;
    }
    switch (vec_type_layout(type)) {
    case VEC_LAYOUT_INT8:
        return is_avg ? avg_int8 : sum_int8;
    case VEC_LAYOUT_INT16:
        return is_avg ? avg_int16 : sum_int16;
    case VEC_LAYOUT_INT32:
        return is_avg ? avg_int32 : sum_int32;
    case VEC_LAYOUT_INT64:
        if (type.kind == VEC_DECIMAL) {
            return is_avg ? avg_decimal_int64_t : sum_decimal_int64_t;
        }
        return is_avg ? avg_int64 : sum_int64;
    case VEC_LAYOUT_INT128:
        return is_avg ? avg_decimal_vec_int128 : sum_decimal_vec_int128;
    case VEC_LAYOUT_FLOAT:
        return is_avg ? avg_float : sum_float;
    case VEC_LAYOUT_DOUBLE:
        return is_avg ? avg_double : sum_double;
    default:
        return NULL;
    }
}

static exec_accumulate_fn *best_kernel(enum vec_layout layout, bool is_max)
{
    switch (layout) {
    case VEC_LAYOUT_BOOL:
        return is_max ? max_bool : min_bool;
    case VEC_LAYOUT_INT8:
        return is_max ? max_int8 : min_int8;
    case VEC_LAYOUT_INT16:
        return is_max ? max_int16 : min_int16;
    case VEC_LAYOUT_INT32:
        return is_max ? max_int32 : min_int32;
    case VEC_LAYOUT_INT64:
        return is_max ? max_int64 : min_int64;
    case VEC_LAYOUT_INT128:
        return is_max ? max_int128 : min_int128;
    case VEC_LAYOUT_FLOAT:
        return is_max ? max_float : min_float;
    case VEC_LAYOUT_DOUBLE:
        return is_max ? max_double : min_double;
    case VEC_LAYOUT_STRING:
        return take_text;
    default:
        return NULL;
    }
}

exec_accumulate_fn *exec__accumulate_kernel(enum exec_aggregate_kind kind, struct vec_type argument)
{
    enum vec_layout layout = vec_type_layout(argument);

    switch (kind) {
    case EXEC_COUNT_ROWS:
        return count_rows;
    case EXEC_COUNT:
        return count_values;
    case EXEC_SUM:
    case EXEC_AVG:
        return sum_kernel(argument, kind == EXEC_AVG);
    case EXEC_MIN:
    case EXEC_MAX:
        return best_kernel(layout, kind == EXEC_MAX);
    case EXEC_FIRST_VALUE:
    case EXEC_LAST_VALUE:
        if (layout == VEC_LAYOUT_LIST) {
            return take_list;
        }
        return layout == VEC_LAYOUT_NONE ? NULL : layout == VEC_LAYOUT_STRING ? take_text : take_fixed;
    case EXEC_AGGREGATE_KIND_COUNT:
        break;
    }
    return NULL;
}

uint32_t exec__accumulator_width(enum exec_aggregate_kind kind, struct vec_type argument)
{
    enum vec_layout layout = vec_type_layout(argument);

    switch (kind) {
    case EXEC_COUNT_ROWS:
    case EXEC_COUNT:
        return sizeof(int64_t);
    case EXEC_SUM:
    case EXEC_AVG:
        return argument.kind == VEC_DECIMAL ? sizeof(vec_int128) : sizeof(int64_t);
    default:
        return layout == VEC_LAYOUT_LIST ? (uint32_t)sizeof(struct vec_string) : (uint32_t)vec_layout_bytes(layout);
    }
}

bool exec_aggregate_supported(enum exec_aggregate_kind kind, struct vec_type argument)
{
    return exec__accumulate_kernel(kind, argument) != NULL;
}

bool exec__accumulator_owns_text(const struct exec_accumulator *accumulator)
{
    return accumulator->accumulate == take_text || accumulator->accumulate == take_list;
}

/* --- merging --------------------------------------------------------------------------------------------------------
 */

static void merge_sum(const struct exec_accumulator *accumulator, void *into, const void *from)
{
    uint32_t slot = accumulator->slot;

    if (!exec__seen(accumulator, from)) {
        return;
    }
    if (accumulator->argument_type.kind == VEC_DECIMAL) {
        sum_decimal(accumulator, into, *CONST_SLOT(vec_int128, from, slot));
        return;
    }
    if (accumulator->layout == VEC_LAYOUT_FLOAT) {
        *SLOT(float, into, slot) += *CONST_SLOT(float, from, slot);
    } else if (accumulator->layout == VEC_LAYOUT_DOUBLE) {
        *SLOT(double, into, slot) += *CONST_SLOT(double, from, slot);
    } else {
        *SLOT(uint64_t, into, slot) += *CONST_SLOT(uint64_t, from, slot);
    }
    exec__set_seen(accumulator, into, true);
}

static void merge_avg(const struct exec_accumulator *accumulator, void *into, const void *from)
{
    int64_t count = *CONST_SLOT(int64_t, from, accumulator->count);

    if (accumulator->argument_type.kind == VEC_DECIMAL) {
        avg_decimal(accumulator, into, *CONST_SLOT(vec_int128, from, accumulator->slot), count);
        if (exec__seen(accumulator, from)) {
            exec__set_seen(accumulator, into, true);
        }
        return;
    }
    *SLOT(int64_t, into, accumulator->count) += count;
    if (accumulator->layout == VEC_LAYOUT_FLOAT || accumulator->layout == VEC_LAYOUT_DOUBLE) {
        *SLOT(double, into, accumulator->slot) += *CONST_SLOT(double, from, accumulator->slot);
    } else {
        *SLOT(uint64_t, into, accumulator->slot) += *CONST_SLOT(uint64_t, from, accumulator->slot);
    }
}

/* The value of `from` as a vector of one, to be taken as any other. */
static bool merge_value(const struct exec_accumulator *accumulator, struct exec_heap *heap, void *into,
                        const void *from)
{
    const void *slot = (const uint8_t *)from + accumulator->slot;
    struct vec  value = {
         .type = accumulator->argument_type,
         .form = VEC_FLAT,
         .data = (void *)(uintptr_t)slot,
         .capacity = 1,
    };

    if (!exec__seen(accumulator, from)) {
        return true;
    }
    if (exec__accumulator_owns_text(accumulator)) {
        return !text_is_better(accumulator, into, slot) || text_replace(accumulator, heap, into, slot);
    }
    return accumulator->accumulate(accumulator, heap, &value, (struct exec_picks){.states = &into, .count = 1});
}

bool exec__accumulator_merge(const struct exec_accumulator *accumulator, struct exec_heap *heap, void *into,
                             const void *from)
{
    switch (accumulator->aggregate.kind) {
    case EXEC_COUNT_ROWS:
    case EXEC_COUNT:
        *SLOT(int64_t, into, accumulator->slot) += *CONST_SLOT(int64_t, from, accumulator->slot);
        return true;
    case EXEC_SUM:
        merge_sum(accumulator, into, from);
        return true;
    case EXEC_AVG:
        merge_avg(accumulator, into, from);
        return true;
    default:
        return merge_value(accumulator, heap, into, from);
    }
}

/* --- results --------------------------------------------------------------------------------------------------------
 */

static void set_null(struct vec *out, size_t row, struct arena *arena)
{
    vec_bit_clear(vec_need_validity(out, arena), row);
}

static void put_integer(struct vec *out, size_t row, int64_t value)
{
    switch (vec_type_layout(out->type)) {
    case VEC_LAYOUT_INT8:
        ((int8_t *)out->data)[row] = (int8_t)value;
        break;
    case VEC_LAYOUT_INT16:
        ((int16_t *)out->data)[row] = (int16_t)value;
        break;
    case VEC_LAYOUT_INT32:
        ((int32_t *)out->data)[row] = (int32_t)value;
        break;
    default:
        ((int64_t *)out->data)[row] = value;
        break;
    }
}

static void put_sum(const struct exec_accumulator *accumulator, const void *state, struct vec *out, size_t row)
{
    uint32_t slot = accumulator->slot;

    if (accumulator->argument_type.kind == VEC_DECIMAL) {
        ((vec_int128 *)out->data)[row] = *CONST_SLOT(vec_int128, state, slot);
    } else if (accumulator->layout == VEC_LAYOUT_FLOAT) {
        ((float *)out->data)[row] = *CONST_SLOT(float, state, slot);
    } else if (accumulator->layout == VEC_LAYOUT_DOUBLE) {
        ((double *)out->data)[row] = *CONST_SLOT(double, state, slot);
    } else {
        put_integer(out, row, *CONST_SLOT(int64_t, state, slot));
    }
}

/* False: null. */
static bool put_avg(const struct exec_accumulator *accumulator, const void *state, struct vec *out, size_t row)
{
    int64_t count = *CONST_SLOT(int64_t, state, accumulator->count);

    if (count == 0) {
        return false;
    }
    if (accumulator->argument_type.kind == VEC_DECIMAL) {
        struct vec_decimal sum = {*CONST_SLOT(vec_int128, state, accumulator->slot), accumulator->argument_type.scale};

        return !exec__seen(accumulator, state) &&
               vec_decimal_divide(sum, (struct vec_decimal){count, 0}, out->type.precision, out->type.scale,
                                  &((vec_int128 *)out->data)[row]);
    }
    if (accumulator->layout == VEC_LAYOUT_FLOAT) {
        ((float *)out->data)[row] = (float)(*CONST_SLOT(double, state, accumulator->slot) / (double)count);
    } else if (accumulator->layout == VEC_LAYOUT_DOUBLE) {
        ((double *)out->data)[row] = *CONST_SLOT(double, state, accumulator->slot) / (double)count;
    } else {
        put_integer(out, row, *CONST_SLOT(int64_t, state, accumulator->slot) / count);
    }
    return true;
}

static void put_value(const struct exec_accumulator *accumulator, const void *state, struct vec *out, size_t row,
                      struct arena *arena)
{
    size_t width = vec_layout_bytes(accumulator->layout);

    if (accumulator->layout == VEC_LAYOUT_LIST) {
        exec_list_decode(arena, out, row, CONST_SLOT(struct vec_string, state, accumulator->slot));
    } else {
        memcpy((uint8_t *)out->data + row * width, (const uint8_t *)state + accumulator->slot, width);
    }
}

void exec__accumulator_result(const struct exec_accumulator *accumulator, const void *const *states, size_t count,
                              struct arena *arena, struct vec *out)
{
    enum exec_aggregate_kind kind = accumulator->aggregate.kind;

    *out = vec_make_rows(arena, accumulator->aggregate.type, MAX(count, (size_t)1));
    if (kind == EXEC_COUNT || kind == EXEC_COUNT_ROWS) {
        for (size_t i = 0; i < count; i++) {
            ((int64_t *)out->data)[i] = *CONST_SLOT(int64_t, states[i], accumulator->slot);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (kind == EXEC_AVG) {
            if (!put_avg(accumulator, states[i], out, i)) {
                set_null(out, i, arena);
            }
        } else if (!exec__seen(accumulator, states[i])) {
            set_null(out, i, arena);
        } else if (kind == EXEC_SUM) {
            put_sum(accumulator, states[i], out, i);
        } else {
            put_value(accumulator, states[i], out, i, arena);
        }
    }
}
