/* operator_support.h: one operator in a job of its own, for tests: rows and watermarks go straight into its inputs,
 * what it emits is collected.
 *
 * Values are numbers or null in every column: a text column holds a text of the number, short for even numbers, longer
 * than what a view holds inline for odd ones, and is read back as the number. */
#ifndef MILLRACE_OPERATOR_SUPPORT_H
#define MILLRACE_OPERATOR_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "compute/exec/exec_hold.h"
#include "core/base/prng.h"

#define RIG_COLUMNS_MAX 16
#define RIG_NULL        INT64_MIN

struct rig_row {
    enum vec_change change;
    int64_t         cells[RIG_COLUMNS_MAX];
};

struct rig_rows {
    struct rig_row *items;
    size_t          count, capacity;
};

/* A record of saved state, as it would stand in a log. */
struct rig_record {
    uint32_t node, table;
    uint8_t *key, *value; /* value NULL: the key is gone */
    size_t   key_len, value_len;
};

struct rig {
    struct arena        arena;
    struct exec_plan    plan;
    struct exec_node    nodes[4]; /* one or two scans, the operator, the sink */
    struct exec_node   *list[4];
    struct exec_node   *inputs[3];
    struct exec_job    *job;
    struct exec_worker *worker;
    struct exec_options run;
    uint32_t            input_count;
    struct rig_rows     out;
    struct rig_record  *records; /* rig_restart() */
    size_t              record_count, record_capacity;
    uint64_t            late_before; /* of runs that are over */
};

static inline void rows_add(struct rig_rows *rows, const struct rig_row *row)
{
    if (rows->count == rows->capacity) {
        rows->capacity = MAX((size_t)64, rows->capacity * 2);
        rows->items = mem_realloc(MEM_TEST, rows->items, rows->capacity * sizeof(*rows->items));
    }
    rows->items[rows->count++] = *row;
}

static inline void rows_free(struct rig_rows *rows)
{
    mem_free(MEM_TEST, rows->items);
    *rows = (struct rig_rows){0};
}

static inline int rows_compare(const void *a, const void *b)
{
    return memcmp(((const struct rig_row *)a)->cells, ((const struct rig_row *)b)->cells,
                  sizeof(((const struct rig_row *)a)->cells));
}

/* Kinds of change do not count. */
static inline void rows_assert_same(struct rig_rows *a, struct rig_rows *b)
{
    assert_int_equal(a->count, b->count);
    if (a->count > 0) {
        qsort(a->items, a->count, sizeof(*a->items), rows_compare);
        qsort(b->items, b->count, sizeof(*b->items), rows_compare);
    }
    for (size_t i = 0; i < a->count; i++) {
        assert_memory_equal(a->items[i].cells, b->items[i].cells, sizeof(a->items[i].cells));
    }
}

/* What a changelog leaves: the row that a DELETE or UPDATE_BEFORE names must be there. */
static inline void rows_fold(struct rig_rows *table, const struct rig_row *change)
{
    if (change->change == VEC_INSERT || change->change == VEC_UPDATE_AFTER) {
        rows_add(table, change);
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        if (rows_compare(&table->items[i], change) == 0) {
            table->items[i] = table->items[--table->count];
            return;
        }
    }
    fail_msg("a row is taken back that is not there");
}

/* --- schemas -------------------------------------------------------------------------------------------------------
 */

static inline struct vec_field rig_field(const char *name, struct vec_type type)
{
    return (struct vec_field){.name = view_text(name), .type = type};
}

#define RIG_NUMBER rig_field("n", vec_type_of(VEC_BIGINT))
#define RIG_TEXT   rig_field("t", vec_type_of(VEC_VARCHAR))
#define RIG_TIME   rig_field("ts", vec_type_timestamp(VEC_TIMESTAMP, 3))

static inline void rig_text(int64_t number, char text[64])
{
    snprintf(text, 64, "%s%" PRId64, number % 2 == 0 ? "" : "a text that is too long to stand inline ", number);
}

static inline int64_t rig_number(const struct vec_string *string)
{
    struct view view = vec_string_view(string);
    char        text[65] = {0};
    const char *space;

    assert_true(view.len < sizeof(text));
    memcpy(text, view.base, view.len);
    space = strrchr(text, ' ');
    return strtoll(space == NULL ? text : space + 1, NULL, 10);
}

/* --- in and out ----------------------------------------------------------------------------------------------------
 */

static inline int64_t rig_cell(const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);

    if (vec_access_null(&access, row)) {
        return RIG_NULL;
    }
    if (vec_type_layout(vec->type) == VEC_LAYOUT_STRING) {
        return rig_number((const struct vec_string *)access.data + at);
    }
    assert_int_equal(vec_type_layout(vec->type), VEC_LAYOUT_INT64);
    return ((const int64_t *)access.data)[at];
}

static bool rig_write(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                      size_t message_capacity)
{
    struct rig *rig = context;

    (void)worker;
    (void)sink;
    (void)message;
    (void)message_capacity;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t         row = vec_chunk_row(chunk, i);
        struct rig_row out = {.change = vec_chunk_change(chunk, row)};

        for (uint32_t c = 0; c < chunk->column_count; c++) {
            out.cells[c] = rig_cell(&chunk->columns[c], row);
        }
        rows_add(&rig->out, &out);
    }
    return true;
}

static inline void rig_set_cell(struct arena *arena, struct vec *vec, size_t row, int64_t value)
{
    char text[64];

    if (value == RIG_NULL) {
        vec_bit_clear(vec_need_validity(vec, arena), row);
    } else if (vec_type_layout(vec->type) == VEC_LAYOUT_STRING) {
        struct view copy;

        rig_text(value, text);
        copy = arena_copy(arena, view_text(text));
        ((struct vec_string *)vec->data)[row] = vec_string_of((const char *)copy.base, (uint32_t)copy.len);
    } else {
        ((int64_t *)vec->data)[row] = value;
    }
}

/* --- the rig -------------------------------------------------------------------------------------------------------
 */

struct rig_options {
    uint32_t         input_count;
    uint32_t         column_counts[2];
    struct vec_field columns[2][RIG_COLUMNS_MAX];
    struct exec_node node; /* kind, columns, changes and the kind's own part */
    uint32_t         rows_max;
    uint64_t         verify_seed;
    uint64_t         memory_bytes_max;
    bool             keeps_changes; /* wanted by rig_restart() */
    uint32_t         piece_rows;    /* what a watermark fires goes on with the next push, save or last watermark */
};

static inline struct exec_operator *rig_op(const struct rig *rig)
{
    return rig->worker->ops[rig->input_count];
}

static inline void rig_scan(struct rig *rig, const struct rig_options *options, uint32_t input)
{
    struct vec_field *columns = arena_alloc_array(&rig->arena, RIG_COLUMNS_MAX, sizeof(*columns));

    memcpy(columns, options->columns[input], sizeof(options->columns[input]));
    rig->nodes[input] = (struct exec_node){.kind = EXEC_SCAN,
                                           .id = input,
                                           .column_count = options->column_counts[input],
                                           .columns = columns,
                                           .changes = EXEC_APPEND_ONLY};
    rig->inputs[input] = &rig->nodes[input];
}

static inline void rig_start(struct rig *rig, const struct rig_options *options)
{
    uint32_t n = options->input_count;

    memset(rig, 0, sizeof(*rig));
    rig->run = (struct exec_options){.worker_count = 1,
                                     .rows_max = options->rows_max,
                                     .verify_seed = options->verify_seed,
                                     .memory_bytes_max = options->memory_bytes_max,
                                     .keeps_changes = options->keeps_changes,
                                     .piece_rows = options->piece_rows,
                                     .sink = {.write = rig_write, .context = rig}};
    arena_init(&rig->arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    rig->input_count = n;
    for (uint32_t i = 0; i < n; i++) {
        rig_scan(rig, options, i);
    }
    rig->nodes[n] = options->node;
    rig->nodes[n].id = n;
    rig->nodes[n].input_count = n;
    rig->nodes[n].inputs = rig->inputs;
    rig->inputs[2] = &rig->nodes[n];
    rig->nodes[n + 1] = (struct exec_node){.kind = EXEC_SINK,
                                           .id = n + 1,
                                           .input_count = 1,
                                           .inputs = &rig->inputs[2],
                                           .column_count = options->node.column_count,
                                           .columns = options->node.columns,
                                           .changes = options->node.changes};
    for (uint32_t i = 0; i < n + 2; i++) {
        rig->list[i] = &rig->nodes[i];
    }
    rig->plan = (struct exec_plan){
        .node_count = n + 2, .nodes = rig->list, .source_count = n, .sink_count = 1, .scan_count = n};
    rig->job = exec_job_create(&rig->plan, &rig->run);
    assert_non_null(rig->job);
    rig->worker = exec_job_worker(rig->job, 0);
}

static inline void rig_forget_records(struct rig *rig)
{
    for (size_t i = 0; i < rig->record_count; i++) {
        free(rig->records[i].key);
        free(rig->records[i].value);
    }
    rig->record_count = 0;
}

static inline void rig_stop(struct rig *rig)
{
    exec_job_destroy(rig->job);
    rig_forget_records(rig);
    mem_free(MEM_TEST, rig->records);
    rows_free(&rig->out);
    arena_deinit(&rig->arena);
}

/* The error, or NULL. */
static inline const char *rig_failure(const struct rig *rig)
{
    const struct exec_failure *failure = exec_job_failure(rig->job);

    return failure == NULL ? NULL : failure->message;
}

/* Steps until nothing fires any more. */
static inline bool rig_settle(struct rig *rig)
{
    while (rig->worker->holding_count > 0) {
        if (exec_worker_step(rig->worker) == EXEC_FAILED) {
            return false;
        }
    }
    return true;
}

/* count rows of as many cells as the input has columns. */
static inline bool rig_push(struct rig *rig, uint32_t input, const struct rig_row *rows, uint32_t count)
{
    const struct exec_node *node = &rig->nodes[input];
    struct arena            arena;
    struct vec              columns[RIG_COLUMNS_MAX];
    struct vec_chunk        chunk = {
               .row_count = count, .selected_count = count, .column_count = node->column_count, .columns = columns};
    bool fine;

    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < node->column_count; c++) {
        columns[c] = vec_make(&arena, node->columns[c].type);
        for (uint32_t i = 0; i < count; i++) {
            rig_set_cell(&arena, &columns[c], i, rows[i].cells[c]);
        }
    }
    fine = exec__emit(rig->worker->ops[input], &chunk);
    arena_deinit(&arena);
    return fine && rig_settle(rig);
}

static inline bool rig_watermark(struct rig *rig, uint32_t input, int64_t watermark_us)
{
    exec__fire_refill(rig->worker);
    return exec__emit_watermark(rig->worker->ops[input], watermark_us) &&
           (watermark_us != EXEC_WATERMARK_END || rig_settle(rig));
}

static inline uint64_t rig_late(const struct rig *rig)
{
    struct exec_stats stats;

    exec_job_stats(rig->job, rig->input_count, &stats);
    return rig->late_before + stats.late_rows;
}

static inline uint64_t rig_state_rows(const struct rig *rig)
{
    struct exec_stats stats;

    exec_job_stats(rig->job, rig->input_count, &stats);
    return stats.state_rows;
}

/* --- crash and come back -------------------------------------------------------------------------------------------
 */

/* Bytes in memory of their own, so that reading past them is found. */
static inline uint8_t *rig_bytes(struct view bytes)
{
    uint8_t *copy = malloc(MAX(bytes.len, (size_t)1));

    assert_non_null(copy);
    if (bytes.len > 0) {
        memcpy(copy, bytes.base, bytes.len);
    }
    return copy;
}

static inline bool rig_write_record(void *context, uint32_t node, uint32_t table, struct view key, struct view value)
{
    struct rig *rig = context;

    if (rig->record_count == rig->record_capacity) {
        rig->record_capacity = MAX((size_t)64, rig->record_capacity * 2);
        rig->records = mem_realloc(MEM_TEST, rig->records, rig->record_capacity * sizeof(*rig->records));
    }
    rig->records[rig->record_count++] = (struct rig_record){
        .node = node,
        .table = table,
        .key = rig_bytes(key),
        .key_len = key.len,
        .value = value.base == NULL ? NULL : rig_bytes(value),
        .value_len = value.len,
    };
    return true;
}

/* An epoch ends: what changed joins the records; everything: in place of them. */
static inline void rig_save(struct rig *rig, bool all)
{
    struct exec_saver  saver = {.write = rig_write_record, .context = rig};
    enum exec_progress progress;

    assert_true(rig_settle(rig));
    if (all) {
        rig_forget_records(rig);
    }
    do {
        progress = exec_worker_save_some(rig->worker, all, &saver, 1 + rig->record_count % 7);
    } while (progress == EXEC_BUSY);
    assert_int_equal(progress, EXEC_IDLE);
}

/* False: a record was refused. */
static inline bool rig_load(struct rig *rig)
{
    for (size_t i = 0; i < rig->record_count; i++) {
        const struct rig_record *record = &rig->records[i];
        struct view              value = {0};

        if (record->value != NULL) {
            value = view_of(record->value, record->value_len);
        }
        if (!exec_worker_load(rig->worker, record->node, record->table, view_of(record->key, record->key_len), value)) {
            return false;
        }
    }
    return exec__worker_loaded(rig->worker);
}

/* The job goes on in another one, made of the records. What was emitted stays. */
static inline void rig_restart(struct rig *rig)
{
    rig->late_before = rig_late(rig);
    exec_job_destroy(rig->job);
    rig->job = exec_job_create(&rig->plan, &rig->run);
    assert_non_null(rig->job);
    rig->worker = exec_job_worker(rig->job, 0);
    if (!rig_load(rig)) {
        fail_msg("%s", rig_failure(rig));
    }
}

/* At random: an epoch ends, and perhaps the job comes back from what was saved. */
static inline void rig_perhaps_restart(struct rig *rig, struct prng *prng)
{
    if (rig->run.keeps_changes && prng_chance(prng, 1, 4)) {
        rig_save(rig, prng_chance(prng, 1, 4));
        if (prng_chance(prng, 1, 2)) {
            rig_restart(rig);
        }
    }
}

/* Records with a change in them, or cut: refused or loaded, never worse. Then the job goes on from the good ones. */
static inline void rig_load_damaged(struct rig *rig, struct prng *prng, uint32_t tries)
{
    rig_save(rig, true);
    rig->late_before = rig_late(rig);
    for (uint32_t i = 0; i < tries && rig->record_count > 0; i++) {
        struct rig_record *record = &rig->records[prng_below(prng, rig->record_count)];
        struct rig_record  good = *record;
        bool               of_key = good.value == NULL || (good.key_len > 0 && prng_chance(prng, 1, 3));
        size_t             len = of_key ? good.key_len : good.value_len;
        uint8_t           *bytes = rig_bytes(view_of(of_key ? good.key : good.value, len));

        exec_job_destroy(rig->job);
        rig->job = exec_job_create(&rig->plan, &rig->run);
        rig->worker = exec_job_worker(rig->job, 0);
        if (len > 0 && prng_chance(prng, 1, 2)) {
            bytes[prng_below(prng, len)] ^= (uint8_t)(1U << prng_below(prng, 8));
        } else {
            len = prng_below(prng, len + 1);
        }
        *(of_key ? &record->key : &record->value) = bytes;
        *(of_key ? &record->key_len : &record->value_len) = len;
        assert_true(rig_load(rig) || rig_failure(rig) != NULL);
        free(bytes);
        *record = good;
    }
    rig_restart(rig);
}

#endif
