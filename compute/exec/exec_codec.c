/* State as bytes: rows and accumulators. */
#include "compute/exec/exec_aggregate_internal.h"
#include "compute/exec/exec_list.h"
#include "compute/exec/exec_state.h"
#include "core/base/bytes.h"

/* Numbers are little-endian. A row is its fixed part (slots but for those of texts, then the null bits) and each text
 * as a varint length and bytes; a text that is null has no bytes. The layout says the rest. An accumulators' state is
 * its bytes with what only means something in this process blanked, its texts, and of each set of DISTINCT values all.
 */

/* --- texts ---------------------------------------------------------------------------------------------------------
 */

static void put_text(struct exec_bytes *out, const struct vec_string *text)
{
    struct view view = vec_string_view(text);
    uint8_t     len[VARINT32_BYTES_MAX];

    exec_bytes_put(out, len, uvarint32_write(len, (uint32_t)view.len));
    exec_bytes_put(out, view.base, view.len);
}

/* It points into the record. */
static bool take_text(struct exec_reader *reader, struct vec_string *out_text)
{
    uint32_t    len = 0;
    size_t      used = reader->is_bad ? 0 : uvarint32_read(reader->at, reader->left, &len);
    const void *base;

    if (used == 0 || exec_reader_take(reader, used) == NULL) {
        reader->is_bad = true;
        return false;
    }
    base = exec_reader_take(reader, len);
    if (base == NULL) {
        return false;
    }
    *out_text = vec_string_of(base, len);
    return true;
}

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

static uint32_t fixed_begin(const struct exec_layout *layout)
{
    return layout->text_count * (uint32_t)sizeof(struct vec_string);
}

static uint32_t fixed_bytes(const struct exec_layout *layout)
{
    return layout->null_offset + (uint32_t)div_ceil_u64(layout->leaf_count, 8) - fixed_begin(layout);
}

void exec_row_put(struct exec_bytes *bytes, const struct exec_layout *layout, const void *row)
{
    const struct vec_string *texts = row;

    exec_bytes_put(bytes, (const uint8_t *)row + fixed_begin(layout), fixed_bytes(layout));
    for (uint32_t i = 0; i < layout->text_count; i++) {
        put_text(bytes, &texts[i]);
    }
}

/* What operators rely on: nothing stands behind a null, and what stands elsewhere can be read as its type. */
static bool leaf_is_sound(const struct exec_layout *layout, const uint8_t *row, uint32_t at)
{
    static const uint8_t     zero[sizeof(struct vec_string)];
    const struct exec_leaf  *leaf = &layout->leaves[at];
    const uint8_t           *slot = row + leaf->offset;
    const struct vec_string *text = (const struct vec_string *)(const void *)slot;
    bool                     is_null = ((row[layout->null_offset + at / 8] >> (at % 8)) & 1) != 0;
    size_t bytes = leaf->layout == VEC_LAYOUT_LIST ? sizeof(struct vec_string) : vec_layout_bytes(leaf->layout);

    if (is_null) {
        return memcmp(slot, zero, bytes) == 0;
    }
    if (leaf->layout == VEC_LAYOUT_BOOL) {
        return *slot <= 1;
    }
    return leaf->layout != VEC_LAYOUT_LIST || exec_list_check(leaf->type, vec_string_view(text));
}

void *exec_row_take(struct exec_reader *reader, const struct exec_layout *layout, struct arena *arena)
{
    const void        *fixed = exec_reader_take(reader, fixed_bytes(layout));
    uint8_t           *row = fixed == NULL ? NULL : arena_alloc(arena, layout->row_bytes);
    struct vec_string *texts = (struct vec_string *)(void *)row;

    if (row == NULL) {
        reader->is_bad = true;
        return NULL;
    }
    memcpy(row + fixed_begin(layout), fixed, fixed_bytes(layout));
    for (uint32_t i = 0; i < layout->text_count; i++) {
        if (!take_text(reader, &texts[i])) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < layout->leaf_count; i++) {
        if (!leaf_is_sound(layout, row, i)) {
            reader->is_bad = true;
            return NULL;
        }
    }
    return row;
}

uint64_t exec_row_hash(const struct exec_layout *layout, const void *row, struct arena *arena)
{
    struct vec_chunk chunk = {.row_count = 1, .selected_count = 1};
    uint64_t         hash = 0;

    for (uint32_t i = 0; i < layout->column_count; i++) {
        struct vec column;

        exec_rows_read(layout, &row, 1, i, 1, arena, &column);
        vec_hash(&column, &chunk, &hash, i > 0);
    }
    return hash;
}

/* --- accumulators ----------------------------------------------------------------------------------------------------
 */

static bool owns_text(const struct exec_accumulator *accumulator, const void *state)
{
    return exec__accumulator_owns_text(accumulator) && exec__seen(accumulator, state);
}

/* The state's bytes without what only means something in this process. */
static void blank(const struct exec_aggregates *aggregates, uint8_t *state)
{
    for (uint32_t i = 0; i < aggregates->count && aggregates->owns_texts; i++) {
        if (exec__accumulator_owns_text(&aggregates->accumulators[i])) {
            memset(state + aggregates->accumulators[i].slot, 0, sizeof(struct vec_string));
        }
    }
    if (aggregates->set_count > 0) {
        memset(state + aggregates->group_id, 0, sizeof(uint64_t));
    }
    for (uint32_t i = 0; i < aggregates->set_count; i++) {
        memset(state + aggregates->sets[i].first, 0, sizeof(void *));
    }
}

/* The number of the state's DISTINCT values; nothing when there are no sets. */
static void copy_id(const struct exec_aggregates *aggregates, void *to, const void *from)
{
    if (aggregates->set_count > 0) {
        memcpy((uint8_t *)to + aggregates->group_id, (const uint8_t *)from + aggregates->group_id, sizeof(uint64_t));
    }
}

void exec_aggregates_put(const struct exec_aggregate_store *store, const void *state, struct exec_bytes *out)
{
    const struct exec_aggregates *aggregates = store->aggregates;
    size_t                        at = out->len;

    exec_bytes_put(out, state, aggregates->state_bytes);
    if (aggregates->state_bytes > 0) {
        blank(aggregates, out->base + at);
        copy_id(aggregates, out->base + at, state);
    }
    for (uint32_t i = 0; i < aggregates->count && aggregates->owns_texts; i++) {
        const struct exec_accumulator *accumulator = &aggregates->accumulators[i];

        if (owns_text(accumulator, state)) {
            put_text(out, (const struct vec_string *)(const void *)((const uint8_t *)state + accumulator->slot));
        }
    }
}

/* A text of the store's own. */
static bool keep_text(struct exec_heap *heap, const struct vec_string *text, struct vec_string *out_text)
{
    char *base;

    *out_text = *text;
    if (text->len <= VEC_STRING_INLINE_MAX) {
        return true;
    }
    base = exec_heap_take(heap, text->len);
    if (base == NULL) {
        return false;
    }
    memcpy(base, text->ref.base, text->len);
    out_text->ref.base = base;
    return true;
}

static bool accumulator_take_text(const struct exec_aggregate_store *store, const struct exec_accumulator *accumulator,
                                  struct exec_reader *reader, void *state)
{
    struct vec_string *slot = (struct vec_string *)(void *)((uint8_t *)state + accumulator->slot);
    struct vec_string  text;

    if (!take_text(reader, &text)) {
        return false;
    }
    if (accumulator->layout == VEC_LAYOUT_LIST &&
        !exec_list_check(accumulator->argument_type, vec_string_view(&text))) {
        return false;
    }
    return keep_text(store->heap, &text, slot);
}

/* Results can be made of it. */
static bool accumulator_is_sound(const struct exec_accumulator *accumulator, const void *state)
{
    enum exec_aggregate_kind kind = accumulator->aggregate.kind;
    const uint8_t           *base = state;

    if (kind == EXEC_AVG) {
        return (int64_t)load_le64(base + accumulator->count) >= 0;
    }
    return accumulator->layout != VEC_LAYOUT_BOOL || kind == EXEC_COUNT || kind == EXEC_COUNT_ROWS ||
           base[accumulator->slot] <= 1;
}

bool exec_aggregates_take(struct exec_aggregate_store *store, struct exec_reader *reader, void *state)
{
    const struct exec_aggregates *aggregates = store->aggregates;
    const void                   *base = exec_reader_take(reader, aggregates->state_bytes);

    if (base == NULL) {
        return false;
    }
    if (aggregates->state_bytes > 0) {
        memcpy(state, base, aggregates->state_bytes);
        blank(aggregates, state);
        copy_id(aggregates, state, base);
    }
    for (uint32_t i = 0; i < aggregates->count; i++) {
        const struct exec_accumulator *accumulator = &aggregates->accumulators[i];

        if (!accumulator_is_sound(accumulator, state) ||
            (owns_text(accumulator, state) && !accumulator_take_text(store, accumulator, reader, state))) {
            return false;
        }
    }
    return true;
}
