/* DISTINCT: sets of values per group, shared by the aggregates over one argument.
 *
 * One table per argument holds (group, value) and, as a mask, under which FILTERs the value was seen: an aggregate
 * takes a row when its bit comes in new. Groups have numbers, given out when their first value comes; the entries of a
 * group hang on a list in its state, so that a group can be dropped or merged without looking at others. */
#include "compute/exec/exec_aggregate_internal.h"

#include "compute/exec/exec_state.h"
#include "core/base/hash.h"

struct value {
    uint64_t mask;
    uint64_t hash; /* of the value alone */
    void    *next; /* of the same group */
};

static uint64_t *group_id(const struct exec_aggregates *aggregates, void *state)
{
    return (uint64_t *)(void *)((uint8_t *)state + aggregates->group_id);
}

static void **first_of(const struct exec_distinct_set *set, const void *state)
{
    return (void **)(void *)((uintptr_t)state + set->first);
}

static uint64_t need_group_id(struct exec_aggregate_store *store, void *state)
{
    uint64_t *id = group_id(store->aggregates, state);

    if (*id == 0) {
        *id = ++store->last_group_id;
    }
    return *id;
}

static uint64_t key_hash(uint64_t id, uint64_t value_hash)
{
    return hash_u64(value_hash ^ (id * UINT64_C(0x9e3779b97f4a7c15)));
}

/* Adds the rows whose bit came in new to the aggregates of each bit. rows are of the argument's vector. */
static bool accumulate_fresh(struct exec_aggregate_store *store, uint32_t set_index, const struct vec *argument,
                             const uint16_t *rows, void *const *states, const uint64_t *fresh, uint32_t count)
{
    const struct exec_aggregates   *aggregates = store->aggregates;
    const struct exec_distinct_set *set = &aggregates->sets[set_index];
    struct exec_work               *work = aggregates->work;

    for (uint32_t bit = 0; bit < set->bit_count; bit++) {
        struct exec_picks picks = {.rows = work->picked_rows, .states = work->picked};

        for (uint32_t i = 0; i < count; i++) {
            work->picked_rows[picks.count] = rows[i];
            work->picked[picks.count] = states[i];
            picks.count += (uint32_t)((fresh[i] >> bit) & 1);
        }
        for (uint32_t i = 0; i < aggregates->count && picks.count > 0; i++) {
            const struct exec_accumulator *accumulator = &aggregates->accumulators[i];

            if (accumulator->set == set_index && accumulator->set_bit == bit &&
                !accumulator->accumulate(accumulator, store->heap, argument, picks)) {
                return false;
            }
        }
    }
    return true;
}

/* Finds or makes the entries of rows, links new ones to their groups and leaves in `fresh` what is new in masks. */
static bool enter(struct exec_aggregate_store *store, uint32_t set_index, const void *const *rows,
                  const uint64_t *value_hashes, const uint64_t *masks, void *const *states, uint64_t *fresh,
                  uint32_t count)
{
    const struct exec_distinct_set *set = &store->aggregates->sets[set_index];
    struct exec_table              *table = store->tables[set_index];
    struct exec_work               *work = store->aggregates->work;
    bool                            is_new[VEC_ROWS_MAX];

    for (uint32_t i = 0; i < count; i++) {
        work->key_hashes[i] = key_hash(*group_id(store->aggregates, states[i]), value_hashes[i]);
    }
    if (!exec_table_find_rows(table, rows, work->key_hashes, count, true, work->entries, is_new)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct value *value = exec_table_payload(table, work->entries[i]);

        if (is_new[i]) {
            value->hash = value_hashes[i];
            value->next = *first_of(set, states[i]);
            *first_of(set, states[i]) = work->entries[i];
        }
        fresh[i] = masks[i] & ~value->mask;
        value->mask |= masks[i];
        if (fresh[i] != 0) {
            exec_table_touch(table, work->entries[i]);
        }
    }
    return true;
}

/* --- update ---------------------------------------------------------------------------------------------------------
 */

/* The bits of the FILTERs that each selected row passed. */
static void collect_masks(const struct exec_aggregates *aggregates, const struct exec_distinct_set *set, uint32_t count,
                          uint64_t *masks)
{
    uint64_t always = 0;

    for (uint32_t bit = 0; bit < set->bit_count; bit++) {
        always |= set->filters[bit] == EXEC_NO_FILTER ? UINT64_C(1) << bit : 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        masks[i] = always;
    }
    for (uint32_t bit = 0; bit < set->bit_count; bit++) {
        if (set->filters[bit] != EXEC_NO_FILTER) {
            const struct exec_filter *filter = &aggregates->filters[set->filters[bit]];

            for (uint32_t i = 0; i < filter->count; i++) {
                masks[filter->places[i]] |= UINT64_C(1) << bit;
            }
        }
    }
}

bool exec__distinct_update(struct exec_aggregate_store *store, uint32_t set_index, const struct vec_chunk *chunk,
                           void *const *states)
{
    const struct exec_distinct_set *set = &store->aggregates->sets[set_index];
    struct exec_work               *work = store->aggregates->work;
    const struct vec               *argument = &chunk->columns[set->argument];
    struct vec_access               access = vec_access_of(argument);
    struct arena                   *scratch = exec_heap_scratch(store->heap);
    uint64_t                        masks[VEC_ROWS_MAX];
    const void                     *keys[VEC_ROWS_MAX];
    struct vec_chunk                picked = {.row_count = chunk->row_count, .selection = work->rows};
    struct vec                      ids = {.type = vec_type_of(VEC_BIGINT), .form = VEC_FLAT, .data = work->ids};
    const struct vec               *columns[2] = {&ids, argument};
    uint32_t                        count = 0;
    uint8_t                        *loaded;

    collect_masks(store->aggregates, set, chunk->selected_count, masks);
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        if (masks[i] != 0 && !vec_access_null(&access, row)) {
            work->rows[count] = (uint16_t)row;
            work->states[count] = states[i];
            masks[count++] = masks[i];
            work->ids[row] = (int64_t)need_group_id(store, states[i]);
        }
    }
    if (count == 0) {
        return true;
    }
    picked.selected_count = count;
    vec_hash(argument, &picked, work->hashes, false);
    arena_reset(scratch);
    loaded = arena_alloc_array(scratch, count, set->layout.row_bytes);
    CHECK(loaded != NULL);
    exec_rows_load(&set->layout, columns, &picked, scratch, loaded);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = loaded + (size_t)i * set->layout.row_bytes;
        work->fresh[i] = work->hashes[work->rows[i]];
    }
    memcpy(work->hashes, work->fresh, count * sizeof(*work->hashes));
    return enter(store, set_index, keys, work->hashes, masks, work->states, work->fresh, count) &&
           accumulate_fresh(store, set_index, argument, work->rows, work->states, work->fresh, count);
}

/* --- merge and drop -------------------------------------------------------------------------------------------------
 */

/* Up to VEC_ROWS_MAX values from the list on; leaves the place where to go on. */
static bool merge_some(struct exec_aggregate_store *store, uint32_t set_index, void *into,
                       const struct exec_aggregate_store *from_store, void **at)
{
    const struct exec_distinct_set *set = &store->aggregates->sets[set_index];
    struct exec_work               *work = store->aggregates->work;
    struct arena                   *scratch = exec_heap_scratch(store->heap);
    uint64_t                        masks[VEC_ROWS_MAX];
    const void                     *keys[VEC_ROWS_MAX];
    uint64_t                        id = need_group_id(store, into);
    uint32_t                        count = 0;
    struct vec                      argument;

    arena_reset(scratch);
    for (; *at != NULL && count < VEC_ROWS_MAX; count++) {
        const struct value *value = exec_table_payload(from_store->tables[set_index], *at);
        uint8_t            *row = arena_alloc(scratch, set->layout.row_bytes);

        CHECK(row != NULL);
        memcpy(row, *at, set->layout.row_bytes);
        memcpy(row + set->layout.leaves[0].offset, &id, sizeof(id));
        keys[count] = row;
        masks[count] = value->mask;
        work->hashes[count] = value->hash;
        work->rows[count] = (uint16_t)count;
        work->states[count] = into;
        *at = value->next;
    }
    exec_rows_read(&set->layout, keys, count, 1, 1, scratch, &argument);
    return enter(store, set_index, keys, work->hashes, masks, work->states, work->fresh, count) &&
           accumulate_fresh(store, set_index, &argument, work->rows, work->states, work->fresh, count);
}

bool exec__distinct_merge(struct exec_aggregate_store *store, uint32_t set_index, void *into,
                          const struct exec_aggregate_store *from_store, const void *from)
{
    void *at = *first_of(&store->aggregates->sets[set_index], from);

    while (at != NULL) {
        if (!merge_some(store, set_index, into, from_store, &at)) {
            return false;
        }
    }
    return true;
}

void exec__distinct_drop(struct exec_aggregate_store *store, uint32_t set_index, void *state)
{
    struct exec_table *table = store->tables[set_index];
    void             **first = first_of(&store->aggregates->sets[set_index], state);

    while (*first != NULL) {
        void *entry = *first;

        *first = ((struct value *)exec_table_payload(table, entry))->next;
        exec_table_remove(table, entry);
    }
}

/* --- as records -----------------------------------------------------------------------------------------------------
 */

uint32_t exec_aggregate_store_tables(const struct exec_aggregate_store *store)
{
    return store->aggregates->set_count;
}

void exec_aggregate_store_track(struct exec_aggregate_store *store)
{
    for (uint32_t i = 0; i < store->aggregates->set_count; i++) {
        exec_table_track(store->tables[i]);
    }
}

static void put_mask(struct exec_operator *op UNUSED, const struct exec_table *table, void *entry,
                     struct exec_bytes *bytes)
{
    exec_bytes_put_u64(bytes, ((const struct value *)exec_table_payload(table, entry))->mask);
}

bool exec_aggregate_store_save(struct exec_aggregate_store *store, struct exec_save *save, uint32_t first,
                               struct view prefix)
{
    for (uint32_t i = 0; i < store->aggregates->set_count; i++) {
        if (!exec_save_table(save, first + i, prefix, store->tables[i], put_mask)) {
            return false;
        }
    }
    return true;
}

bool exec_aggregate_store_load(struct exec_aggregate_store *store, uint32_t set_index, struct exec_reader *key,
                               struct exec_reader *value)
{
    const struct exec_distinct_set *set = &store->aggregates->sets[set_index];
    struct exec_operator           *op = exec__heap_operator(store->heap);
    struct exec_table              *table = store->tables[set_index];
    struct arena                   *arena = exec__load_arena(op);
    struct vec_chunk                one = {.row_count = 1, .selected_count = 1};
    uint64_t                        mask = value == NULL ? 0 : exec_reader_u64(value);
    const void                     *row;
    struct vec                      argument;
    uint64_t                        id, value_hash, hash;
    void                           *entry;

    arena_reset(arena);
    row = exec_row_take(key, &set->layout, arena);
    if (row == NULL || !exec_reader_is_done(key) || (value != NULL && !exec_reader_is_done(value))) {
        return exec_load_damaged(op);
    }
    memcpy(&id, (const uint8_t *)row + set->layout.leaves[0].offset, sizeof(id));
    exec_rows_read(&set->layout, &row, 1, 1, 1, arena, &argument);
    vec_hash(&argument, &one, &value_hash, false);
    hash = key_hash(id, value_hash);
    if (!exec_table_find_rows(table, &row, &hash, 1, value != NULL, &entry, NULL)) {
        return false;
    }
    if (value == NULL && entry != NULL) {
        exec_table_remove(table, entry);
    } else if (value != NULL) {
        *(struct value *)exec_table_payload(table, entry) = (struct value){.mask = mask, .hash = value_hash};
    }
    store->last_group_id = MAX(store->last_group_id, id);
    return true;
}

/* A table from groups' numbers to their states. */
static struct exec_table *number_states(struct exec_aggregate_store *store, const struct exec_layout *layout,
                                        exec_next_state_fn *next, void *walk)
{
    struct exec_table *states = exec_table_create(store->heap, layout, sizeof(void *) * 2);
    uint64_t           row[2] = {0};
    const void        *rows[1] = {row};
    void              *numbered;

    for (void *state; states != NULL && (state = next(walk)) != NULL;) {
        uint64_t hash;

        memcpy((uint8_t *)row + layout->leaves[0].offset, group_id(store->aggregates, state), sizeof(uint64_t));
        if (row[0] == 0) {
            continue;
        }
        store->last_group_id = MAX(store->last_group_id, row[0]);
        hash = hash_u64(row[0]);
        if (!exec_table_find_rows(states, rows, &hash, 1, true, &numbered, NULL)) {
            return NULL;
        }
        *(void **)exec_table_payload(states, numbered) = state;
    }
    return states;
}

static bool link_values(struct exec_aggregate_store *store, uint32_t set_index, struct exec_table *states)
{
    const struct exec_distinct_set *set = &store->aggregates->sets[set_index];
    struct exec_table              *table = store->tables[set_index];
    uint64_t                        row[2] = {0};
    const void                     *rows[1] = {row};

    for (void *entry = NULL; (entry = exec_table_next(table, entry)) != NULL;) {
        struct value *value = exec_table_payload(table, entry);
        void         *numbered;
        void        **first;
        uint64_t      hash;

        memcpy(row, (const uint8_t *)entry + set->layout.leaves[0].offset, sizeof(row[0]));
        hash = hash_u64(row[0]);
        if (!exec_table_find_rows(states, rows, &hash, 1, false, &numbered, NULL) || numbered == NULL) {
            return exec_load_damaged(exec__heap_operator(store->heap)); /* a value of no group */
        }
        first = first_of(set, *(void **)exec_table_payload(states, numbered));
        value->next = *first;
        *first = entry;
    }
    return true;
}

bool exec_aggregate_store_link(struct exec_aggregate_store *store, exec_next_state_fn *next, void *walk)
{
    struct vec_type    type = vec_type_of(VEC_BIGINT);
    struct exec_layout layout;
    struct exec_table *states;
    bool               good = true;

    if (store->aggregates->set_count == 0) {
        return true;
    }
    layout = exec_layout_make(exec__arena(exec__heap_operator(store->heap)), &type, 1);
    states = number_states(store, &layout, next, walk);
    for (uint32_t i = 0; i < store->aggregates->set_count && states != NULL && good; i++) {
        good = link_values(store, i, states);
    }
    if (states != NULL) {
        exec_table_destroy(states);
    }
    return states != NULL && good;
}

void *exec_next_state_of_table(void *walk)
{
    struct exec_table_walk *at = walk;

    at->entry = exec_table_next(at->table, at->entry);
    return at->entry == NULL ? NULL : exec_table_payload(at->table, at->entry);
}
