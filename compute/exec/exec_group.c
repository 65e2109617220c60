/* GROUP: keyed aggregation without end, and DISTINCT.
 *
 * Rows update the accumulators of their groups at once; what came of it is emitted at flush(), once per group that
 * changed: INSERT the first time, then UPDATE_AFTER, with the row that it replaces before it when somebody above needs
 * it. For that, and to say nothing where nothing changed, a group's first row after a flush leaves a copy of the state
 * as it was; it is spared when nobody needs the old row and a COUNT(*) makes sure that something changed.
 *
 * Without aggregates a group is its key: new keys are emitted at once and nothing ever changes.
 *
 * With a time to live, a group that had no row for that long (by the clock) is forgotten as soon as it is met or passed
 * by the sweep, and its next row makes it anew; updates are then emitted even when nothing changed, which keeps the
 * state above alive (Flink: GroupAggFunction). Flink lets values of DISTINCT expire each by itself; here they go with
 * their group. */
#include "compute/exec/exec_aggregate.h"
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_state.h"
#include "core/base/check.h"

#define RESULT_BLOCK  ((size_t)256 * KIB)
#define SWEEP_AT_ONCE 4096

/* Behind the state in an entry's payload. */
struct group {
    void *next_changed; /* in order of the first change since the flush; LAST at the end, NULL = unchanged */
    void *before;       /* NULL: not emitted yet; EMITTED; or a copy of the state as it was emitted */
};

#define LAST    ((void *)(uintptr_t)1)
#define EMITTED ((void *)(uintptr_t)1)

struct aggregation {
    struct exec_operator         op;
    struct exec_layout           key;
    struct exec_layout           result; /* of the aggregates: to compare */
    struct exec_heap            *heap;
    struct exec_aggregates      *aggregates;
    struct exec_aggregate_store *store;
    struct exec_table           *table;
    size_t                       state_bytes;
    bool                         keeps_before;
    struct arena                 arena; /* of the chunk being emitted */
    void                        *changed_first, *changed_last;
    void                        *sweep_at;
    const struct vec           **keys;
    uint64_t                    *hashes;
    void                       **entries; /* entries, then states of the chunk at hand */
    bool                        *is_new;
};

static struct aggregation *aggregation_of(struct exec_operator *op)
{
    return CONTAINER_OF(op, struct aggregation, op);
}

static struct group *group_of(const struct aggregation *aggregation, void *entry)
{
    return (struct group *)(void *)((uint8_t *)exec_table_payload(aggregation->table, entry) +
                                    aggregation->state_bytes);
}

/* When the group had a row last: behind the group, when there is a time to live. */
static int64_t *written_ms_of(const struct group *group)
{
    return (int64_t *)(uintptr_t)(group + 1);
}

static bool has_copy(const struct group *group)
{
    return group->before != NULL && group->before != EMITTED;
}

/* --- making ----------------------------------------------------------------------------------------------------------
 */

static struct exec_layout make_layout(struct exec_operator *op, uint32_t first, uint32_t count)
{
    struct vec_type *types = exec__alloc(op, count * sizeof(*types));

    for (uint32_t i = 0; i < count; i++) {
        types[i] = op->node->columns[first + i].type;
    }
    return exec_layout_make(exec__arena(op), types, count);
}

/* COUNT(*) of all rows: every row changes the result. */
static bool always_changes(const struct exec_group *plan)
{
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        if (plan->aggregates[i].kind == EXEC_COUNT_ROWS && plan->aggregates[i].filter == EXEC_NO_COLUMN) {
            return true;
        }
    }
    return false;
}

static bool open(struct exec_operator *op)
{
    struct aggregation      *aggregation = aggregation_of(op);
    const struct exec_group *plan = &op->node->group;

    arena_init(&aggregation->arena, MEM_COMPUTE, RESULT_BLOCK, SIZE_MAX);
    aggregation->key = make_layout(op, 0, plan->key_count);
    aggregation->result = make_layout(op, plan->key_count, plan->aggregate_count);
    aggregation->aggregates =
        exec_aggregates_make(exec__arena(op), plan->aggregates, plan->aggregate_count, op->node->inputs[0]->columns);
    aggregation->state_bytes = exec_aggregates_bytes(aggregation->aggregates);
    aggregation->keeps_before = op->node->wants_before || (plan->state_ttl_ms == 0 && !always_changes(plan));
    aggregation->keys = exec__alloc(op, MAX(plan->key_count, 1) * sizeof(*aggregation->keys));
    aggregation->hashes = exec__alloc(op, VEC_ROWS_MAX * sizeof(*aggregation->hashes));
    aggregation->entries = exec__alloc(op, VEC_ROWS_MAX * sizeof(*aggregation->entries));
    aggregation->is_new = exec__alloc(op, VEC_ROWS_MAX * sizeof(*aggregation->is_new));
    aggregation->heap = exec_heap_create(op);
    if (aggregation->heap == NULL) {
        return false;
    }
    aggregation->store = exec_aggregate_store_create(aggregation->aggregates, aggregation->heap);
    aggregation->table = aggregation->store == NULL
                             ? NULL
                             : exec_table_create(aggregation->heap, &aggregation->key,
                                                 aggregation->state_bytes + sizeof(struct group) +
                                                     (plan->state_ttl_ms > 0 ? sizeof(int64_t) : 0));
    if (aggregation->table == NULL) {
        return false;
    }
    if (exec__keeps_changes(op)) {
        exec_table_track(aggregation->table);
        exec_aggregate_store_track(aggregation->store);
    }
    return true;
}

static void close(struct exec_operator *op)
{
    struct aggregation *aggregation = aggregation_of(op);

    exec_heap_destroy(aggregation->heap);
    if (aggregation->hashes != NULL) {
        arena_deinit(&aggregation->arena);
    }
}

/* --- time to live ----------------------------------------------------------------------------------------------------
 */

static bool is_expired(const struct aggregation *aggregation, const struct group *group)
{
    int64_t ttl_ms = aggregation->op.node->group.state_ttl_ms;

    return ttl_ms > 0 && group->next_changed == NULL &&
           *written_ms_of(group) <= exec__now_ms(&aggregation->op) - ttl_ms;
}

/* Looks at some entries and forgets those whose time is over. */
static void sweep(struct aggregation *aggregation)
{
    for (uint32_t i = 0; i < SWEEP_AT_ONCE; i++) {
        void *entry = aggregation->sweep_at;

        if (entry == NULL) {
            entry = exec_table_next(aggregation->table, NULL);
            if (entry == NULL) {
                return;
            }
        }
        aggregation->sweep_at = exec_table_next(aggregation->table, entry);
        if (is_expired(aggregation, group_of(aggregation, entry))) {
            exec_aggregates_drop(aggregation->store, exec_table_payload(aggregation->table, entry));
            exec_table_remove(aggregation->table, entry);
        }
        if (aggregation->sweep_at == NULL) {
            return;
        }
    }
}

static bool time_passed(struct exec_operator *op, int64_t now_ms UNUSED)
{
    if (op->node->group.state_ttl_ms > 0) {
        sweep(aggregation_of(op));
    }
    return true;
}

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

static bool find_groups(struct aggregation *aggregation, const struct vec_chunk *chunk)
{
    const struct exec_group *plan = &aggregation->op.node->group;

    for (uint32_t i = 0; i < plan->key_count; i++) {
        aggregation->keys[i] = &chunk->columns[plan->keys[i]];
        vec_hash(aggregation->keys[i], chunk, aggregation->hashes, i > 0);
    }
    if (plan->key_count == 0) {
        struct vec_chunk one = {.row_count = 1, .selected_count = 1};

        aggregation->hashes[0] = 0;
        if (!exec_table_find(aggregation->table, aggregation->keys, &one, aggregation->hashes, true,
                             aggregation->entries, aggregation->is_new)) {
            return false;
        }
        for (uint32_t i = 1; i < chunk->selected_count; i++) {
            aggregation->entries[i] = aggregation->entries[0];
            aggregation->is_new[i] = false;
        }
        return true;
    }
    return exec_table_find(aggregation->table, aggregation->keys, chunk, aggregation->hashes, true,
                           aggregation->entries, aggregation->is_new);
}

static bool keep_before(struct aggregation *aggregation, struct group *group, const void *state)
{
    void *copy = exec_heap_take(aggregation->heap, aggregation->state_bytes);

    if (copy == NULL) {
        return false;
    }
    if (!exec_aggregates_copy(aggregation->store, copy, state)) {
        exec_heap_give(aggregation->heap, copy, aggregation->state_bytes);
        return false;
    }
    group->before = copy;
    return true;
}

/* The group changes for the first time since the flush. */
static bool note_change(struct aggregation *aggregation, void *entry, struct group *group)
{
    if (group->before == EMITTED && aggregation->keeps_before &&
        !keep_before(aggregation, group, exec_table_payload(aggregation->table, entry))) {
        return false;
    }
    group->next_changed = LAST;
    if (aggregation->changed_last == NULL) {
        aggregation->changed_first = entry;
    } else {
        group_of(aggregation, aggregation->changed_last)->next_changed = entry;
    }
    aggregation->changed_last = entry;
    return true;
}

static bool push_aggregates(struct aggregation *aggregation, const struct vec_chunk *chunk)
{
    int64_t now_ms = exec__now_ms(&aggregation->op);
    bool    expires = aggregation->op.node->group.state_ttl_ms > 0;

    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        void         *entry = aggregation->entries[i];
        struct group *group = group_of(aggregation, entry);

        if (UNLIKELY(group->next_changed == NULL)) {
            if (is_expired(aggregation, group) && !aggregation->is_new[i]) {
                exec_aggregates_drop(aggregation->store, exec_table_payload(aggregation->table, entry));
                group->before = NULL;
            }
            if (!note_change(aggregation, entry, group)) {
                return false;
            }
        }
        if (expires) {
            *written_ms_of(group) = now_ms;
        }
        aggregation->entries[i] = exec_table_payload(aggregation->table, entry);
    }
    return exec_aggregates_update(aggregation->store, chunk, aggregation->entries);
}

/* DISTINCT: the first row of each key passes. */
static bool push_distinct(struct aggregation *aggregation, const struct vec_chunk *chunk)
{
    struct exec_operator    *op = &aggregation->op;
    const struct exec_group *plan = &op->node->group;
    struct vec_chunk         out = *chunk;
    uint16_t                *rows;

    arena_reset(&aggregation->arena);
    rows = arena_alloc_array(&aggregation->arena, chunk->selected_count, sizeof(*rows));
    out.columns = arena_alloc_array(&aggregation->arena, plan->key_count, sizeof(struct vec));
    CHECK(rows != NULL && out.columns != NULL);
    out.selection = rows;
    out.selected_count = 0;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct group *group = group_of(aggregation, aggregation->entries[i]);

        if (aggregation->is_new[i] || is_expired(aggregation, group)) {
            rows[out.selected_count++] = (uint16_t)vec_chunk_row(chunk, i);
            exec_table_touch(aggregation->table, aggregation->entries[i]);
        }
        if (plan->state_ttl_ms > 0) {
            *written_ms_of(group) = exec__now_ms(op);
            exec_table_touch(aggregation->table, aggregation->entries[i]);
        }
    }
    for (uint32_t i = 0; i < plan->key_count; i++) {
        out.columns[i] = chunk->columns[plan->keys[i]];
    }
    out.column_count = plan->key_count;
    return exec__emit(op, &out);
}

static bool push(struct exec_operator *op, uint32_t input UNUSED, const struct vec_chunk *chunk)
{
    struct aggregation *aggregation = aggregation_of(op);

    if (!find_groups(aggregation, chunk)) {
        return false;
    }
    return op->node->group.aggregate_count == 0 ? push_distinct(aggregation, chunk)
                                                : push_aggregates(aggregation, chunk);
}

/* --- flush -----------------------------------------------------------------------------------------------------------
 */

/* Rows of the chunk being emitted: an old row stands right before its new one. */
struct emission {
    const void *rows[VEC_ROWS_MAX], *states[VEC_ROWS_MAX];
    uint8_t     changes[VEC_ROWS_MAX];
    uint32_t    count;
};

static void emission_add(struct emission *emission, const void *entry, const void *state, enum vec_change change)
{
    emission->rows[emission->count] = entry;
    emission->states[emission->count] = state;
    emission->changes[emission->count++] = (uint8_t)change;
}

static void collect(struct aggregation *aggregation, struct emission *emission, uint32_t rows_max)
{
    emission->count = 0;
    while (aggregation->changed_first != NULL && emission->count + 2 <= MAX(rows_max, 2)) {
        void         *entry = aggregation->changed_first;
        struct group *group = group_of(aggregation, entry);
        const void   *state = exec_table_payload(aggregation->table, entry);

        if (has_copy(group)) {
            emission_add(emission, entry, group->before, VEC_UPDATE_BEFORE);
        }
        emission_add(emission, entry, state, group->before != NULL ? VEC_UPDATE_AFTER : VEC_INSERT);
        aggregation->changed_first = group->next_changed == LAST ? NULL : group->next_changed;
        group->next_changed = NULL;
        group->before = has_copy(group) ? group->before : EMITTED;
        exec_table_touch(aggregation->table, entry); /* every change comes by here before its epoch ends */
    }
    if (aggregation->changed_first == NULL) {
        aggregation->changed_last = NULL;
    }
}

/* Leaves out old rows that nobody needs and updates that change nothing. */
static uint32_t select_rows(struct aggregation *aggregation, const struct emission *emission, struct vec_chunk *chunk,
                            uint16_t *out_rows)
{
    const struct exec_group *plan = &aggregation->op.node->group;
    size_t                   bytes = aggregation->result.row_bytes;
    const struct vec       **columns = arena_alloc_array(&aggregation->arena, plan->aggregate_count, sizeof(*columns));
    uint8_t                 *loaded = arena_alloc_array(&aggregation->arena, emission->count, bytes);
    uint32_t                 count = 0;

    CHECK(columns != NULL && loaded != NULL);
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        columns[i] = &chunk->columns[plan->key_count + i];
    }
    exec_rows_load(&aggregation->result, columns, chunk, &aggregation->arena, loaded);
    for (uint32_t i = 0; i < emission->count; i++) {
        if (emission->changes[i] != VEC_UPDATE_BEFORE) {
            out_rows[count++] = (uint16_t)i;
            continue;
        }
        if (plan->state_ttl_ms == 0 &&
            exec_row_same(&aggregation->result, loaded + i * bytes, loaded + (i + 1) * bytes)) {
            i++;
        } else if (aggregation->op.node->wants_before) {
            out_rows[count++] = (uint16_t)i;
        }
    }
    return count;
}

static bool emit_changes(struct aggregation *aggregation, const struct emission *emission)
{
    struct exec_operator    *op = &aggregation->op;
    const struct exec_group *plan = &op->node->group;
    struct vec_chunk         chunk = {
                .row_count = emission->count,
                .selected_count = emission->count,
                .changes = emission->changes,
                .column_count = op->node->column_count,
    };
    uint16_t *rows;

    arena_reset(&aggregation->arena);
    chunk.columns = arena_alloc_array(&aggregation->arena, op->node->column_count, sizeof(struct vec));
    rows = arena_alloc_array(&aggregation->arena, emission->count, sizeof(*rows));
    CHECK(chunk.columns != NULL && rows != NULL);
    exec_rows_read(&aggregation->key, emission->rows, emission->count, 0, plan->key_count, &aggregation->arena,
                   chunk.columns);
    exec_aggregates_results(aggregation->aggregates, emission->states, emission->count, &aggregation->arena,
                            chunk.columns + plan->key_count);
    if (aggregation->keeps_before) {
        chunk.selected_count = select_rows(aggregation, emission, &chunk, rows);
        chunk.selection = rows;
    }
    return exec__emit(op, &chunk);
}

static void drop_before(struct aggregation *aggregation, const struct emission *emission)
{
    for (uint32_t i = 0; i < emission->count; i++) {
        struct group *group = group_of(aggregation, (void *)(uintptr_t)emission->rows[i]);

        if (has_copy(group)) {
            exec_aggregates_drop(aggregation->store, group->before);
            exec_heap_give(aggregation->heap, group->before, aggregation->state_bytes);
            group->before = EMITTED;
        }
    }
}

static bool flush(struct exec_operator *op)
{
    struct aggregation *aggregation = aggregation_of(op);
    struct emission     emission;

    while (aggregation->changed_first != NULL && exec__flush_has_room(op)) {
        collect(aggregation, &emission, exec__fire_rows_max(op));
        if (!emit_changes(aggregation, &emission)) {
            return false;
        }
        drop_before(aggregation, &emission);
        if (aggregation->changed_first != NULL) {
            exec__pause(op);
        }
    }
    return true;
}

/* --- state -----------------------------------------------------------------------------------------------------------
 */

#define TABLE_GROUPS 1
#define TABLE_SETS   2 /* and on: values of DISTINCT */

/* After a flush: every group was emitted as it is. */
static void put_group(struct exec_operator *op, const struct exec_table *table, void *entry, struct exec_bytes *bytes)
{
    struct aggregation *aggregation = aggregation_of(op);
    struct group       *group = group_of(aggregation, entry);

    CHECK(group->next_changed == NULL && !has_copy(group));
    if (op->node->group.state_ttl_ms > 0) {
        exec_bytes_put_i64(bytes, *written_ms_of(group));
    }
    exec_aggregates_put(aggregation->store, exec_table_payload(table, entry), bytes);
}

static bool save(struct exec_operator *op, struct exec_save *save)
{
    struct aggregation *aggregation = aggregation_of(op);

    return exec_save_table(save, TABLE_GROUPS, view_text(""), aggregation->table, put_group) &&
           exec_aggregate_store_save(aggregation->store, save, TABLE_SETS, view_text(""));
}

/* The state's values of DISTINCT are not linked to it here: they come and go by records of their own. */
static bool load_group(struct aggregation *aggregation, struct exec_reader *key, struct exec_reader *value)
{
    struct exec_operator *op = &aggregation->op;
    void                 *entry;

    if (!exec_load_entry(op, aggregation->table, key, value != NULL, &entry, NULL)) {
        return false;
    }
    if (entry == NULL) {
        return true;
    }
    exec_aggregates_drop(aggregation->store, exec_table_payload(aggregation->table, entry));
    if (value == NULL) {
        exec_table_remove(aggregation->table, entry);
        return true;
    }
    if (op->node->group.state_ttl_ms > 0) {
        *written_ms_of(group_of(aggregation, entry)) = exec_reader_i64(value);
    }
    group_of(aggregation, entry)->before = op->node->group.aggregate_count > 0 ? EMITTED : NULL;
    if (!exec_aggregates_take(aggregation->store, value, exec_table_payload(aggregation->table, entry)) ||
        !exec_reader_is_done(value)) {
        return exec_load_damaged(op);
    }
    return true;
}

static bool load(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value)
{
    struct aggregation *aggregation = aggregation_of(op);

    if (table == TABLE_GROUPS) {
        return load_group(aggregation, key, value);
    }
    if (table >= TABLE_SETS && table - TABLE_SETS < exec_aggregate_store_tables(aggregation->store)) {
        return exec_aggregate_store_load(aggregation->store, table - TABLE_SETS, key, value);
    }
    return exec_load_damaged(op);
}

static bool loaded(struct exec_operator *op)
{
    struct aggregation    *aggregation = aggregation_of(op);
    struct exec_table_walk walk = {.table = aggregation->table};

    return exec_aggregate_store_link(aggregation->store, exec_next_state_of_table, &walk);
}

const struct exec_operator_class exec__group_class = {
    .name = "group",
    .bytes = sizeof(struct aggregation),
    .open = open,
    .push = push,
    .flush = flush,
    .time = time_passed,
    .close = close,
    .save = save,
    .load = load,
    .loaded = loaded,
};
