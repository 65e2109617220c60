/* State as records: bytes, rows, tables, and the frame around the operators. */
#include "compute/exec/exec_state.h"

#include <stdio.h>

#include "compute/exec/exec_worker.h"

#define NODE_WORKER    UINT32_MAX /* records of the worker */
#define STATE_VERSION  1
#define TABLE_SCALARS  0
#define CAPACITY_FIRST 256
#define SCRATCH_BLOCK  ((size_t)16 * KIB)

/* --- bytes ---------------------------------------------------------------------------------------------------------
 */

void exec_bytes_put(struct exec_bytes *bytes, const void *base, size_t len)
{
    if (bytes->capacity - bytes->len < len) {
        bytes->capacity = MAX(MAX(CAPACITY_FIRST, bytes->capacity * 2), bytes->len + len);
        bytes->base = mem_realloc(MEM_COMPUTE, bytes->base, bytes->capacity);
    }
    if (len > 0) {
        memcpy(bytes->base + bytes->len, base, len);
        bytes->len += len;
    }
}

void exec_bytes_free(struct exec_bytes *bytes)
{
    mem_free(MEM_COMPUTE, bytes->base);
    *bytes = (struct exec_bytes){0};
}

const void *exec_reader_take(struct exec_reader *reader, size_t len)
{
    const uint8_t *at = reader->at;

    if (reader->is_bad || len > reader->left) {
        reader->is_bad = true;
        return NULL;
    }
    reader->at += len;
    reader->left -= len;
    return at;
}

static void read_fixed(struct exec_reader *reader, void *out_value, size_t len)
{
    const void *at = exec_reader_take(reader, len);

    if (at == NULL) {
        memset(out_value, 0, len);
    } else {
        memcpy(out_value, at, len);
    }
}

uint8_t exec_reader_u8(struct exec_reader *reader)
{
    uint8_t value;

    read_fixed(reader, &value, sizeof(value));
    return value;
}

uint32_t exec_reader_u32(struct exec_reader *reader)
{
    uint32_t value;

    read_fixed(reader, &value, sizeof(value));
    return value;
}

uint64_t exec_reader_u64(struct exec_reader *reader)
{
    uint64_t value;

    read_fixed(reader, &value, sizeof(value));
    return value;
}

int64_t exec_reader_i64(struct exec_reader *reader)
{
    int64_t value;

    read_fixed(reader, &value, sizeof(value));
    return value;
}

/* --- records -------------------------------------------------------------------------------------------------------
 */

static bool hand_out(struct exec_save *save, uint32_t table, struct view value)
{
    struct view key = save->key.len == 0 ? view_text("") : view_of(save->key.base, save->key.len);

    save->records_left -= MIN(save->records_left, 1);
    if (save->saver->write(save->saver->context, save->op->node->id, table, key, value)) {
        return true;
    }
    /* The driver's own failure stands, if it said one. */
    return exec__fail(save->op, "its state could not be written");
}

bool exec_save_write(struct exec_save *save, uint32_t table)
{
    return hand_out(save, table, save->value.len == 0 ? view_text("") : view_of(save->value.base, save->value.len));
}

bool exec_save_remove(struct exec_save *save, uint32_t table)
{
    return hand_out(save, table, (struct view){0});
}

bool exec_load_damaged(struct exec_operator *op)
{
    return exec__fail(op, "a record of its saved state is damaged");
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static void put_key(struct exec_save *save, struct view prefix, const struct exec_layout *layout, const void *row)
{
    exec_save_begin(save);
    exec_bytes_put(&save->key, prefix.base, prefix.len);
    exec_row_put(&save->key, layout, row);
}

static bool save_entry(struct exec_save *save, uint32_t number, struct view prefix, struct exec_table *table,
                       void *entry, exec_payload_put_fn *put)
{
    put_key(save, prefix, exec_table_key(table), entry);
    put(save->op, table, entry, &save->value);
    return exec_save_write(save, number);
}

/* Everything that is there. */
static bool save_entries(struct exec_save *save, uint32_t number, struct view prefix, struct exec_table *table,
                         exec_payload_put_fn *put)
{
    for (void *entry; (entry = exec_table_next(table, save->at)) != NULL; save->at = entry) {
        if (!exec_save_has_room(save) || !save_entry(save, number, prefix, table, entry, put)) {
            return false;
        }
    }
    return true;
}

/* Then what is noted is of no more use. */
static bool forget_changes(struct exec_save *save, struct exec_table *table)
{
    while (exec_table_pop_removed(table) || exec_table_pop_changed(table)) {
        if (!exec_save_has_room(save)) {
            return false;
        }
        save->records_left--;
    }
    return true;
}

/* Keys that went come first: one of them may be there again. What is written is forgotten. */
static bool save_changes(struct exec_save *save, uint32_t number, struct view prefix, struct exec_table *table,
                         exec_payload_put_fn *put)
{
    for (void *row; (row = exec_table_first_removed(table)) != NULL; (void)exec_table_pop_removed(table)) {
        if (!exec_save_has_room(save)) {
            return false;
        }
        put_key(save, prefix, exec_table_key(table), row);
        if (!exec_save_remove(save, number)) {
            return false;
        }
    }
    for (void *entry; (entry = exec_table_first_changed(table)) != NULL; (void)exec_table_pop_changed(table)) {
        if (!exec_save_has_room(save) || !save_entry(save, number, prefix, table, entry, put)) {
            return false;
        }
    }
    return true;
}

bool exec_save_table(struct exec_save *save, uint32_t number, struct view prefix, struct exec_table *table,
                     exec_payload_put_fn *put)
{
    if (save->table_at++ < save->tables_done) {
        return true;
    }
    if (save->all ? !save_entries(save, number, prefix, table, put) || !forget_changes(save, table)
                  : !save_changes(save, number, prefix, table, put)) {
        return false;
    }
    save->tables_done++;
    save->at = NULL;
    return true;
}

bool exec_save_has_room(struct exec_save *save)
{
    save->is_full = save->records_left == 0;
    return !save->is_full;
}

bool exec_load_entry(struct exec_operator *op, struct exec_table *table, struct exec_reader *key, bool insert,
                     void **out_entry, bool *out_is_new)
{
    const struct exec_layout *layout = exec_table_key(table);
    struct arena             *arena = exec__load_arena(op);
    const void               *row;
    uint64_t                  hash;

    arena_reset(arena);
    row = exec_row_take(key, layout, arena);
    if (row == NULL || !exec_reader_is_done(key)) {
        return exec_load_damaged(op);
    }
    hash = exec_row_hash(layout, row, arena);
    return exec_table_find_rows(table, &row, &hash, 1, insert, out_entry, out_is_new);
}

/* --- the frame -----------------------------------------------------------------------------------------------------
 */

static uint64_t fingerprint_of(struct exec_operator *op)
{
    if (op->fingerprint == 0) {
        op->fingerprint = exec_node_fingerprint(op->node);
    }
    return op->fingerprint;
}

/* The end of time is not kept: whoever had it comes to it again, and a partition that is new must not be late. */
static int64_t lasting(int64_t watermark_us)
{
    return watermark_us == EXEC_WATERMARK_END ? EXEC_WATERMARK_NONE : watermark_us;
}

static void put_scalars(struct exec_operator *op, struct exec_bytes *bytes)
{
    exec_bytes_put_u8(bytes, STATE_VERSION);
    exec_bytes_put_u64(bytes, fingerprint_of(op));
    exec_bytes_put_i64(bytes, lasting(op->combined_us));
    exec_bytes_put_i64(bytes, lasting(op->watermark_us));
    exec_bytes_put_u8(bytes, op->is_idle);
    exec_bytes_put_u32(bytes, op->watermark_inputs);
    for (uint32_t i = 0; i < op->watermark_inputs; i++) {
        exec_bytes_put_i64(bytes, lasting(op->input_watermarks[i]));
    }
    if (op->class->save_scalars != NULL) {
        op->class->save_scalars(op, bytes);
    }
}

/* Only when they are not those that were written last. */
static bool save_scalars(struct exec_save *save)
{
    struct exec_operator *op = save->op;
    struct exec_bytes    *last = op->saved;

    if (last == NULL) {
        last = op->saved = exec__alloc(op, sizeof(*last));
    }
    exec_save_begin(save);
    put_scalars(op, &save->value);
    if (!save->all && last->len == save->value.len && memcmp(last->base, save->value.base, last->len) == 0) {
        return true;
    }
    last->len = 0;
    exec_bytes_put(last, save->value.base, save->value.len);
    return exec_save_write(save, TABLE_SCALARS);
}

/* What no operator has. */
static bool save_worker(struct exec_worker *worker, const struct exec_saver *saver)
{
    struct exec_bytes bytes = {0};
    bool              good;

    exec_bytes_put_u8(&bytes, STATE_VERSION);
    exec_bytes_put_u32(&bytes, worker->job->options.worker_count);
    exec_bytes_put_i64(&bytes, worker->now_ms);
    good = saver->write(saver->context, NODE_WORKER, TABLE_SCALARS, view_text(""), view_of(bytes.base, bytes.len));
    exec_bytes_free(&bytes);
    if (!good) {
        exec_job_fail(worker->job, "the state of a worker could not be written");
    }
    return good;
}

/* Of one operator. False: failed, or no room. */
static bool save_operator(struct exec_save *save)
{
    struct exec_operator *op = save->op;

    if (!save->has_scalars && !save_scalars(save)) {
        return false;
    }
    save->has_scalars = true;
    save->table_at = 0;
    return op->class->save == NULL || op->class->save(op, save);
}

static enum exec_progress end_save(struct exec_worker *worker, enum exec_progress progress)
{
    exec_bytes_free(&worker->saving.key);
    exec_bytes_free(&worker->saving.value);
    worker->is_saving = false;
    return progress;
}

enum exec_progress exec_worker_save_some(struct exec_worker *worker, bool all, const struct exec_saver *saver,
                                         uint64_t records_max)
{
    struct exec_save *save = &worker->saving;

    CHECK(!worker->in_barrier && records_max > 0 && (all || worker->job->options.keeps_changes));
    if (!worker->is_saving) {
        *save = (struct exec_save){.all = all};
        worker->is_saving = true;
        worker->saving_node = 0;
        if (exec__job_failed(worker->job) || !save_worker(worker, saver)) {
            return end_save(worker, EXEC_FAILED);
        }
    }
    CHECK(save->all == all);
    save->saver = saver;
    save->records_left = records_max;
    save->is_full = false;
    for (; worker->saving_node < worker->job->plan->node_count; worker->saving_node++) {
        save->op = worker->ops[worker->saving_node];
        if (save->op != NULL && !save_operator(save)) {
            bool is_full = save->is_full && !exec__job_failed(worker->job);

            return is_full ? EXEC_BUSY : end_save(worker, EXEC_FAILED);
        }
        save->has_scalars = false;
        save->tables_done = 0;
    }
    return end_save(worker, EXEC_IDLE);
}

bool exec_worker_save(struct exec_worker *worker, bool all, const struct exec_saver *saver)
{
    return exec_worker_save_some(worker, all, saver, UINT64_MAX) == EXEC_IDLE;
}

static bool fail_load(struct exec_worker *worker, const char *message)
{
    exec_job_fail(worker->job, message);
    return false;
}

static bool load_scalars(struct exec_operator *op, struct exec_reader *reader)
{
    uint8_t  version = exec_reader_u8(reader);
    uint64_t fingerprint = exec_reader_u64(reader);

    if (version != STATE_VERSION) {
        return exec__fail(op, "its saved state has version %u, and version %d is needed", version, STATE_VERSION);
    }
    if (fingerprint != fingerprint_of(op)) {
        return exec__fail(op, "the saved state is of another operator: keys, aggregates, expressions, windows, orders "
                              "or types differ");
    }
    op->combined_us = exec_reader_i64(reader);
    op->watermark_us = exec_reader_i64(reader);
    op->stats.watermark_us = op->watermark_us;
    op->is_idle = exec_reader_u8(reader) != 0;
    if (exec_reader_u32(reader) != op->watermark_inputs) {
        return exec__fail(op, "the saved state is of a job with another number of workers");
    }
    for (uint32_t i = 0; i < op->watermark_inputs; i++) {
        op->input_watermarks[i] = exec_reader_i64(reader);
    }
    if (op->class->load_scalars != NULL && !op->class->load_scalars(op, reader)) {
        return false;
    }
    if (!exec_reader_is_done(reader)) {
        return exec_load_damaged(op);
    }
    op->is_loaded = true;
    return true;
}

static bool load_worker(struct exec_worker *worker, struct exec_reader *reader)
{
    uint8_t  version = exec_reader_u8(reader);
    uint32_t worker_count = exec_reader_u32(reader);

    worker->now_ms = exec_reader_i64(reader);
    if (!exec_reader_is_done(reader) || version != STATE_VERSION || worker->now_ms < 0) {
        return fail_load(worker, "a record of saved state is damaged, or of another version");
    }
    return worker_count == worker->job->options.worker_count ||
           fail_load(worker, "the saved state is of a job with another number of workers");
}

bool exec_worker_load(struct exec_worker *worker, uint32_t node, uint32_t table, struct view key, struct view value)
{
    struct exec_reader    key_reader = exec_reader_of(key);
    struct exec_reader    value_reader = exec_reader_of(value);
    struct exec_operator *op = node < worker->job->plan->node_count ? worker->ops[node] : NULL;

    CHECK(!worker->is_opened);
    if (exec__job_failed(worker->job)) {
        return false;
    }
    if (node == NODE_WORKER) {
        return load_worker(worker, &value_reader);
    }
    if (op == NULL) {
        return fail_load(worker, "a record of saved state is of an operator that is not there");
    }
    worker->has_loaded = true;
    if (table == TABLE_SCALARS) {
        return value.base == NULL || key.len > 0 ? exec_load_damaged(op) : load_scalars(op, &value_reader);
    }
    if (!op->is_loaded || op->class->load == NULL) {
        return exec_load_damaged(op);
    }
    return op->class->load(op, table, &key_reader, value.base == NULL ? NULL : &value_reader);
}

/* Behind the last record: what operators put together only when everything is there. */
bool exec__worker_loaded(struct exec_worker *worker)
{
    for (uint32_t i = 0; i < worker->job->plan->node_count && worker->has_loaded; i++) {
        struct exec_operator *op = worker->ops[i];

        if (op != NULL && op->class->loaded != NULL && !op->class->loaded(op)) {
            return false;
        }
    }
    return true;
}

struct arena *exec__load_arena(struct exec_operator *op)
{
    if (op->worker->loading == NULL) {
        op->worker->loading = exec__alloc(op, sizeof(*op->worker->loading));
        arena_init(op->worker->loading, MEM_COMPUTE, SCRATCH_BLOCK, SIZE_MAX);
    }
    return op->worker->loading;
}

void exec__state_free(struct exec_worker *worker)
{
    (void)end_save(worker, EXEC_IDLE);
    if (worker->loading != NULL) {
        arena_deinit(worker->loading);
    }
    for (uint32_t i = 0; i < worker->job->plan->node_count; i++) {
        if (worker->ops[i] != NULL && worker->ops[i]->saved != NULL) {
            exec_bytes_free(worker->ops[i]->saved);
        }
    }
}

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

static bool has_state(const struct exec_node *node)
{
    switch (node->kind) {
    case EXEC_VALUES: /* said, or not */
    case EXEC_GROUP:
    case EXEC_WINDOW_GROUP:
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
    case EXEC_RANK:
    case EXEC_LIMIT:
        return true;
    case EXEC_SCAN:
    case EXEC_CALC:
    case EXEC_WATERMARK: /* its marks matter to others only */
    case EXEC_EXCHANGE:
    case EXEC_WINDOW_ASSIGN:
    case EXEC_UNION:
    case EXEC_UNNEST:
    case EXEC_SINK:
    case EXEC_NODE_KIND_COUNT:
    default:
        return false;
    }
}

bool exec_plan_has_state(const struct exec_plan *plan)
{
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (has_state(plan->nodes[i])) {
            return true;
        }
    }
    return false;
}

bool exec_plan_can_save(const struct exec_plan *plan, char *message, size_t message_capacity)
{
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct exec_node *node = plan->nodes[i];
        const struct exec_operator_class *class = exec__class(node->kind);

        if (has_state(node) && class->save == NULL && class->save_scalars == NULL) {
            (void)snprintf(message, message_capacity, "%s (operator %u of the plan) cannot save its state",
                           exec_node_kind_name(node->kind), node->id);
            return false;
        }
    }
    return true;
}
