/* A chunk to rows of a scan: its own columns of those that were decoded, and those of a record's place.
 *
 * A chunk may have more columns than the scan reads, and more rows than a turn has time for: columns are picked and
 * rows cut by pointing into the chunk. A cut lies between words of the validity; what stands before the first row then
 * is left out by a selection. */
#include "compute/job/job_source.h"

/* --- columns of a record's place ------------------------------------------------------------------------------------
 */

/* Rows of the chunk as the scan gets them. */
struct cut {
    struct arena           *arena;
    const struct job_chunk *chunk;
    uint32_t                base, row_count; /* rows base .. base + row_count - 1 */
};

/* The record of a row of the cut, among the gathered ones. */
static size_t record_of(const struct cut *cut, uint32_t row)
{
    return cut->chunk->piece + cut->chunk->rows.record[cut->base + row];
}

static struct vec constant_text(struct arena *arena, struct vec_type type, struct view text)
{
    struct vec vec = vec_make(arena, type);

    ((struct vec_string *)vec.data)[0] = vec_string_of((const char *)text.base, (uint32_t)text.len);
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec constant_int(struct arena *arena, struct vec_type type, int32_t value)
{
    struct vec vec = vec_make(arena, type);

    CHECK(vec_type_layout(type) == VEC_LAYOUT_INT32);
    ((int32_t *)vec.data)[0] = value;
    vec.form = VEC_CONSTANT;
    return vec;
}

static struct vec time_column(const struct cut *cut, struct vec_type type)
{
    const struct job_records *records = &cut->chunk->records;
    struct vec                vec = vec_make(cut->arena, type);

    for (uint32_t row = 0; row < cut->row_count; row++) {
        int64_t ms = records->timestamps_ms[record_of(cut, row)];

        if (vec_type_layout(type) == VEC_LAYOUT_INT128) {
            ((vec_int128 *)vec.data)[row] = (vec_int128)ms * NS_PER_MS;
        } else {
            ((int64_t *)vec.data)[row] = (int64_t)((uint64_t)ms * 1000);
        }
    }
    return vec;
}

static struct vec offset_column(const struct cut *cut, struct vec_type type)
{
    const struct job_records *records = &cut->chunk->records;
    struct vec                vec = vec_make(cut->arena, type);

    for (uint32_t row = 0; row < cut->row_count; row++) {
        ((int64_t *)vec.data)[row] = records->offsets[record_of(cut, row)];
    }
    return vec;
}

static struct vec epoch_column(const struct cut *cut, struct vec_type type)
{
    const struct job_records *records = &cut->chunk->records;
    struct vec                vec = vec_make(cut->arena, type);

    for (uint32_t row = 0; row < cut->row_count; row++) {
        int32_t epoch = records->leader_epochs[record_of(cut, row)];

        ((int32_t *)vec.data)[row] = MAX(epoch, 0);
        if (epoch < 0) {
            vec_bit_clear(vec_need_validity(&vec, cut->arena), row);
        }
    }
    return vec;
}

static struct vec kind_column(const struct cut *cut, struct vec_type type)
{
    const struct job_records *records = &cut->chunk->records;
    struct vec                vec = vec_make(cut->arena, type);

    for (uint32_t row = 0; row < cut->row_count; row++) {
        ((struct vec_string *)vec.data)[row] = records->time_kinds[record_of(cut, row)] == JOB_TIME_APPEND
                                                   ? vec_string_of("LogAppendTime", 13)
                                                   : vec_string_of("CreateTime", 10);
    }
    return vec;
}

static struct vec place_column(const struct job_input *input, const struct cut *cut,
                               const struct sql_source_column *column)
{
    struct vec_type type = column->field.type;

    switch (column->metadata) {
    case SQL_METADATA_TOPIC:
        return constant_text(cut->arena, type, input->topic);
    case SQL_METADATA_PARTITION:
        return constant_int(cut->arena, type, input->partition);
    case SQL_METADATA_OFFSET:
        return offset_column(cut, type);
    case SQL_METADATA_TIMESTAMP:
        return time_column(cut, type);
    case SQL_METADATA_TIMESTAMP_TYPE:
        return kind_column(cut, type);
    case SQL_METADATA_LEADER_EPOCH:
        return epoch_column(cut, type);
    default: /* headers: refused when the query was planned */
        return vec_make_null(cut->arena, type);
    }
}

/* --- columns of the record ------------------------------------------------------------------------------------------
 */

static const struct vec *child_named(const struct vec *vec, struct view name)
{
    for (uint32_t i = 0; i < vec->type.child_count; i++) {
        if (view_equal(vec->type.children[i].name, name)) {
            return &vec->children[i];
        }
    }
    return NULL;
}

/* As the type has it: a ROW may have more fields in the chunk. base: a multiple of 64; 0 below an ARRAY. */
static struct vec take_column(struct arena *arena, const struct vec *whole, struct vec_type type, uint32_t base)
{
    struct vec vec = *whole;

    CHECK(whole->form == VEC_FLAT && base % 64 == 0);
    vec.type = type;
    vec.capacity = whole->capacity - base;
    if (vec.data != NULL) {
        vec.data = (char *)whole->data + base * vec_layout_bytes(vec_type_layout(type));
    }
    vec.validity = whole->validity == NULL ? NULL : whole->validity + base / 64;
    if (type.child_count == 0) {
        return vec;
    }
    vec.children = arena_alloc_array(arena, type.child_count, sizeof(*vec.children));
    CHECK(vec.children != NULL);
    for (uint32_t i = 0; i < type.child_count; i++) {
        const struct vec *child =
            type.kind == VEC_ARRAY ? &whole->children[0] : child_named(whole, type.children[i].name);

        CHECK(child != NULL);
        vec.children[i] = take_column(arena, child, type.children[i].type, type.kind == VEC_ARRAY ? 0 : base);
    }
    return vec;
}

static const struct vec *column_named(const struct format_schema *schema, const struct format_rows *rows,
                                      struct view name)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (view_equal(schema->columns[i].name, name)) {
            return &rows->chunk.columns[i];
        }
    }
    return NULL;
}

static struct vec key_column(const struct cut *cut, struct view name, struct vec_type type)
{
    const struct job_chunk *chunk = cut->chunk;
    const struct vec       *whole;
    struct vec              vec;

    if (chunk->key_rows.chunk.row_count == 0) {
        return vec_make_null(cut->arena, type);
    }
    whole = column_named(&chunk->shape->keys, &chunk->key_rows, name);
    CHECK(whole != NULL);
    vec = take_column(cut->arena, whole, type, 0);
    return vec_pick(cut->arena, &vec, chunk->key_of_row + cut->base, cut->row_count);
}

static struct vec value_column(const struct cut *cut, struct view name, struct vec_type type)
{
    const struct vec *whole = column_named(&cut->chunk->shape->values, &cut->chunk->rows, name);

    CHECK(whole != NULL);
    return take_column(cut->arena, whole, type, cut->base);
}

/* --- rows -----------------------------------------------------------------------------------------------------------
 */

/* Rows in front of the first, and those without a key. */
static void select_rows(const struct cut *cut, uint32_t from, uint32_t to, struct vec_chunk *rows)
{
    const struct job_chunk *chunk = cut->chunk;
    bool                    has_key = chunk->keys != NULL;
    uint16_t               *selection;
    uint32_t                count = 0;

    if (from == cut->base && (!has_key || chunk->match_count == chunk->rows.chunk.row_count)) {
        return;
    }
    selection = arena_alloc_array(cut->arena, to - from + 1, sizeof(*selection));
    CHECK(selection != NULL);
    for (uint32_t i = 0; has_key && i < chunk->match_count; i++) {
        if (chunk->matches[i] >= from && chunk->matches[i] < to) {
            selection[count++] = (uint16_t)(chunk->matches[i] - cut->base);
        }
    }
    for (uint32_t row = from; !has_key && row < to; row++) {
        selection[count++] = (uint16_t)(row - cut->base);
    }
    rows->selection = selection;
    rows->selected_count = count;
}

void job__input_rows(struct job_input *input, const struct job_chunk *chunk, uint32_t from, uint32_t to,
                     struct vec_chunk *out_rows, uint32_t *out_base)
{
    const struct job_scan *scan = input->scan;
    struct cut             cut = {.arena = &input->sources->rows, .chunk = chunk, .base = from / 64 * 64};

    cut.row_count = to - cut.base;
    arena_reset(cut.arena);
    for (uint32_t i = 0; i < scan->plan->column_count; i++) {
        const struct sql_source_column *column = &scan->plan->columns[i];
        struct view                     name = scan->plan->table->columns[column->table_column].name;

        if (column->metadata != SQL_METADATA_NONE) {
            scan->columns[i] = place_column(input, &cut, column);
        } else if (sql_source_is_key(scan->plan, i)) {
            scan->columns[i] = key_column(&cut, name, column->field.type);
        } else {
            scan->columns[i] = value_column(&cut, name, column->field.type);
        }
    }
    *out_rows = (struct vec_chunk){.row_count = cut.row_count,
                                   .selected_count = cut.row_count,
                                   .column_count = scan->plan->column_count,
                                   .columns = scan->columns};
    select_rows(&cut, from, to, out_rows);
    *out_base = cut.base;
}
