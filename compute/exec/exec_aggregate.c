/* Accumulators: the state's layout, and what is done to all aggregates of a state. */
#include "compute/exec/exec_aggregate.h"

#include "compute/exec/exec_aggregate_internal.h"

static void *need(void *pointer)
{
    CHECK(pointer != NULL);
    return pointer;
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static uint32_t find_filter(struct exec_aggregates *aggregates, struct arena *arena, uint32_t column)
{
    struct exec_filter *filter;

    if (column == EXEC_NO_COLUMN) {
        return EXEC_NO_FILTER;
    }
    for (uint32_t i = 0; i < aggregates->filter_count; i++) {
        if (aggregates->filters[i].column == column) {
            return i;
        }
    }
    filter = &aggregates->filters[aggregates->filter_count];
    filter->column = column;
    filter->rows = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*filter->rows)));
    filter->places = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*filter->places)));
    filter->states = need(arena_alloc_array(arena, VEC_ROWS_MAX, sizeof(*filter->states)));
    return aggregates->filter_count++;
}

static uint32_t set_find_bit(struct exec_distinct_set *set, uint32_t filter)
{
    for (uint32_t bit = 0; bit < set->bit_count; bit++) {
        if (set->filters[bit] == filter) {
            return bit;
        }
    }
    if (set->bit_count == EXEC_SET_MASKS) {
        return EXEC_SET_MASKS;
    }
    set->filters[set->bit_count] = filter;
    return set->bit_count++;
}

/* A set over the argument that has room for the filter. */
static void find_set(struct exec_aggregates *aggregates, struct arena *arena, struct exec_accumulator *accumulator)
{
    struct vec_type           types[2] = {vec_type_of(VEC_BIGINT), accumulator->argument_type};
    struct exec_distinct_set *set;

    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        if (aggregates->sets[i].argument == accumulator->aggregate.argument) {
            accumulator->set = i;
            accumulator->set_bit = set_find_bit(&aggregates->sets[i], accumulator->filter);
            if (accumulator->set_bit < EXEC_SET_MASKS) {
                return;
            }
        }
    }
    accumulator->set = aggregates->set_count++;
    set = &aggregates->sets[accumulator->set];
    set->argument = accumulator->aggregate.argument;
    set->type = accumulator->argument_type;
    set->layout = exec_layout_make(arena, types, COUNT_OF(types));
    accumulator->set_bit = set_find_bit(set, accumulator->filter);
}

/* DISTINCT changes nothing for MIN, MAX, FIRST_VALUE and LAST_VALUE. */
static bool needs_set(const struct exec_aggregate *aggregate)
{
    return aggregate->distinct &&
           (aggregate->kind == EXEC_COUNT || aggregate->kind == EXEC_SUM || aggregate->kind == EXEC_AVG);
}

static uint32_t take_slot(uint32_t *offset, uint32_t width)
{
    uint32_t at = *offset;

    *offset += width;
    return at;
}

/* 16 bytes wide first, then 8 and less. */
static void place_slots(struct exec_aggregates *aggregates)
{
    static const uint32_t widths[] = {16, 8, 4, 2, 1};
    uint32_t              offset = 0;
    uint32_t              words = (uint32_t)div_ceil_u64(aggregates->count, 64);

    for (size_t width = 0; width < COUNT_OF(widths); width++) {
        for (uint32_t i = 0; i < aggregates->count; i++) {
            struct exec_accumulator *accumulator = &aggregates->accumulators[i];

            if (exec__accumulator_width(accumulator->aggregate.kind, accumulator->argument_type) == widths[width]) {
                accumulator->slot = take_slot(&offset, widths[width]);
            }
            if (accumulator->aggregate.kind == EXEC_AVG && widths[width] == sizeof(int64_t)) {
                accumulator->count = take_slot(&offset, sizeof(int64_t));
            }
        }
        if (widths[width] == 8) {
            uint32_t seen = take_slot(&offset, words * (uint32_t)sizeof(uint64_t));

            for (uint32_t i = 0; i < aggregates->count; i++) {
                aggregates->accumulators[i].seen = seen + i / 64 * (uint32_t)sizeof(uint64_t);
                aggregates->accumulators[i].seen_bit = UINT64_C(1) << (i % 64);
            }
            aggregates->group_id = aggregates->set_count == 0 ? 0 : take_slot(&offset, sizeof(uint64_t));
            for (uint32_t i = 0; i < aggregates->set_count; i++) {
                aggregates->sets[i].first = take_slot(&offset, sizeof(void *));
            }
        }
    }
    aggregates->state_bytes = (uint32_t)align_up(offset, 16);
}

struct exec_aggregates *exec_aggregates_make(struct arena *arena, const struct exec_aggregate *list, uint32_t count,
                                             const struct vec_field *columns)
{
    struct exec_aggregates *aggregates = need(arena_alloc(arena, sizeof(*aggregates)));

    aggregates->count = count;
    aggregates->accumulators = need(arena_alloc_array(arena, count, sizeof(*aggregates->accumulators)));
    aggregates->filters = need(arena_alloc_array(arena, count, sizeof(*aggregates->filters)));
    aggregates->sets = need(arena_alloc_array(arena, count, sizeof(*aggregates->sets)));
    for (uint32_t i = 0; i < count; i++) {
        struct exec_accumulator *accumulator = &aggregates->accumulators[i];

        accumulator->aggregate = list[i];
        if (list[i].argument != EXEC_NO_COLUMN) {
            accumulator->argument_type = columns[list[i].argument].type;
        }
        accumulator->layout = vec_type_layout(accumulator->argument_type);
        accumulator->accumulate = exec__accumulate_kernel(list[i].kind, accumulator->argument_type);
        CHECK(accumulator->accumulate != NULL);
        CHECK(IMPLIES(list[i].argument == EXEC_NO_COLUMN, list[i].kind == EXEC_COUNT_ROWS));
        accumulator->filter = find_filter(aggregates, arena, list[i].filter);
        accumulator->set = EXEC_NO_SET;
        if (needs_set(&list[i])) {
            find_set(aggregates, arena, accumulator);
        }
        aggregates->owns_texts = aggregates->owns_texts || exec__accumulator_owns_text(accumulator);
    }
    if (aggregates->set_count > 0) {
        aggregates->work = need(arena_alloc(arena, sizeof(*aggregates->work)));
    }
    place_slots(aggregates);
    return aggregates;
}

size_t exec_aggregates_bytes(const struct exec_aggregates *aggregates)
{
    return aggregates->state_bytes;
}

struct exec_aggregate_store *exec_aggregate_store_create(const struct exec_aggregates *aggregates,
                                                         struct exec_heap             *heap)
{
    struct exec_aggregate_store *store =
        exec_heap_take(heap, sizeof(*store) + aggregates->set_count * sizeof(struct exec_table *));

    if (store == NULL) {
        return NULL;
    }
    *store = (struct exec_aggregate_store){.aggregates = aggregates, .heap = heap};
    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        store->tables[i] = exec_table_create(heap, &aggregates->sets[i].layout, 3 * sizeof(uint64_t));
        if (store->tables[i] == NULL) {
            return NULL; /* the job has failed: the heap will go, and what was made with it */
        }
    }
    return store;
}

/* --- updating -------------------------------------------------------------------------------------------------------
 */

/* FILTER: unknown is as good as false. */
static void run_filter(struct exec_filter *filter, const struct vec_chunk *chunk, void *const *states)
{
    struct vec_access access = vec_access_of(&chunk->columns[filter->column]);
    const uint8_t    *values = access.data;
    uint32_t          count = 0;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);
        size_t at = vec_access_at(&access, row);

        filter->rows[count] = (uint16_t)row;
        filter->places[count] = (uint16_t)i;
        filter->states[count] = states[i];
        count += (access.validity == NULL || vec_bit_get(access.validity, at)) && values[at] != 0;
    }
    filter->count = count;
}

bool exec_aggregates_update(struct exec_aggregate_store *store, const struct vec_chunk *chunk, void *const *states)
{
    const struct exec_aggregates *aggregates = store->aggregates;

    for (uint32_t i = 0; i < aggregates->filter_count; i++) {
        run_filter(&aggregates->filters[i], chunk, states);
    }
    for (uint32_t i = 0; i < aggregates->count; i++) {
        const struct exec_accumulator *accumulator = &aggregates->accumulators[i];
        uint32_t                       column = accumulator->aggregate.argument;
        struct exec_picks picks = {.rows = chunk->selection, .states = states, .count = chunk->selected_count};

        if (accumulator->set != EXEC_NO_SET) {
            continue;
        }
        if (accumulator->filter != EXEC_NO_FILTER) {
            const struct exec_filter *filter = &aggregates->filters[accumulator->filter];

            picks = (struct exec_picks){.rows = filter->rows, .states = filter->states, .count = filter->count};
        }
        if (!accumulator->accumulate(accumulator, store->heap,
                                     column == EXEC_NO_COLUMN ? NULL : &chunk->columns[column], picks)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        if (!exec__distinct_update(store, i, chunk, states)) {
            return false;
        }
    }
    return true;
}

bool exec_aggregates_merge(struct exec_aggregate_store *store, void *into,
                           const struct exec_aggregate_store *from_store, const void *from)
{
    const struct exec_aggregates *aggregates = store->aggregates;

    for (uint32_t i = 0; i < aggregates->count; i++) {
        const struct exec_accumulator *accumulator = &aggregates->accumulators[i];

        if (accumulator->set == EXEC_NO_SET && !exec__accumulator_merge(accumulator, store->heap, into, from)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        if (!exec__distinct_merge(store, i, into, from_store, from)) {
            return false;
        }
    }
    return true;
}

/* --- owning ---------------------------------------------------------------------------------------------------------
 */

static struct vec_string *slot_text(const struct exec_accumulator *accumulator, void *state)
{
    return (struct vec_string *)(void *)((uint8_t *)state + accumulator->slot);
}

static void drop_texts(struct exec_aggregate_store *store, void *state, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct exec_accumulator *accumulator = &store->aggregates->accumulators[i];

        if (exec__accumulator_owns_text(accumulator) && exec__seen(accumulator, state)) {
            struct vec_string *text = slot_text(accumulator, state);

            if (text->len > VEC_STRING_INLINE_MAX) {
                exec_heap_give(store->heap, (void *)(uintptr_t)text->ref.base, text->len);
            }
        }
    }
}

bool exec_aggregates_copy(struct exec_aggregate_store *store, void *to, const void *from)
{
    const struct exec_aggregates *aggregates = store->aggregates;

    memcpy(to, from, aggregates->state_bytes);
    if (aggregates->set_count > 0) {
        memset((uint8_t *)to + aggregates->group_id, 0, sizeof(uint64_t));
    }
    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        memset((uint8_t *)to + aggregates->sets[i].first, 0, sizeof(void *));
    }
    for (uint32_t i = 0; i < aggregates->count && aggregates->owns_texts; i++) {
        const struct exec_accumulator *accumulator = &aggregates->accumulators[i];
        struct vec_string             *text = slot_text(accumulator, to);
        char                          *base;

        if (!exec__accumulator_owns_text(accumulator) || text->len <= VEC_STRING_INLINE_MAX) {
            continue;
        }
        base = exec_heap_take(store->heap, text->len);
        if (base == NULL) {
            drop_texts(store, to, i);
            memset(to, 0, aggregates->state_bytes);
            return false;
        }
        memcpy(base, text->ref.base, text->len);
        text->ref.base = base;
    }
    return true;
}

void exec_aggregates_drop(struct exec_aggregate_store *store, void *state)
{
    const struct exec_aggregates *aggregates = store->aggregates;

    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        exec__distinct_drop(store, i, state);
    }
    if (aggregates->owns_texts) {
        drop_texts(store, state, aggregates->count);
    }
    memset(state, 0, aggregates->state_bytes);
}

void exec_aggregates_results(const struct exec_aggregates *aggregates, const void *const *states, size_t count,
                             struct arena *arena, struct vec *out)
{
    for (uint32_t i = 0; i < aggregates->count; i++) {
        exec__accumulator_result(&aggregates->accumulators[i], states, count, arena, &out[i]);
    }
}
