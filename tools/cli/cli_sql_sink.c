/* cli_sql_sink.c: where rows leave: records of a topic in a file, results on standard output, print, blackhole.
 *
 * A sink either streams its rows as they come or folds them by key into the table they leave at the end. Workers have
 * encoders and buffers of their own; a folded table and a file are shared, under locks. All changes of a key come from
 * one worker in order (exec.h), so the order in which workers take the lock does not matter. */
#include "core/base/check.h"
#include "tools/cli/cli_sql.h"
#include "tools/cli/cli_sql_fold.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>

#define SINK_BYTES_AT_ONCE ((size_t)(256 * KIB))

enum sink_kind {
    SINK_COUNT,   /* takes every column of every row and forgets it */
    SINK_PRINT,   /* +I[..] */
    SINK_RECORDS, /* encoded, a line each */
    SINK_GRID,    /* cells of a table for people */
};

struct sink_worker {
    struct format_encoder *encoder;
    struct format_text     text; /* to be written */
    struct format_text     row, key;
    struct vec            *columns; /* those that are encoded */
    atomic_uint_fast64_t   rows[4]; /* by enum vec_change; others look */
    uint64_t               digest;  /* of what SINK_COUNT has taken */
};

struct sql_sink {
    const struct sql_sink_plan *plan;
    enum sink_kind              kind;
    bool                        folds, with_change;
    char                        record_end;
    uint32_t                    key_count;
    const uint32_t             *key; /* NULL: all columns */
    uint32_t                    column_count;
    uint32_t                   *columns; /* that are encoded */
    struct vec_field           *fields;
    const char                 *print_prefix;
    struct sql_out             *out;
    struct sql_grid            *grid;
    struct sink_worker         *workers;
    struct sql_fold             fold;
    pthread_mutex_t             lock;
};

struct sql_sinks {
    struct sql_session *session;
    uint32_t            count, worker_count;
    struct sql_sink    *sinks;
    bool                live;
};

/* --- making ------------------------------------------------------------------------------------------------------ */

static bool sink_say(char out_message[SQL_SAY_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);

static bool sink_say(char out_message[SQL_SAY_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(out_message, SQL_SAY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* The columns of the record's value: a query's all, a table's without those of its key alone and of metadata. */
static void sink_choose_columns(struct sql_session *session, struct sql_sink *sink)
{
    const struct exec_node *node = sink->plan->node;
    const struct sql_table *table = sink->plan->table;
    uint32_t                persisted = 0;

    sink->columns = cli_alloc_array(session->cli, node->column_count + 1, sizeof(*sink->columns));
    sink->fields = cli_alloc_array(session->cli, node->column_count + 1, sizeof(*sink->fields));
    for (uint32_t i = 0; i < (table == NULL ? node->column_count : table->column_count); i++) {
        const struct sql_table_column *column = table == NULL ? NULL : &table->columns[i];

        if (column != NULL &&
            (column->kind == SQL_COLUMN_COMPUTED || (column->kind == SQL_COLUMN_METADATA && column->is_virtual))) {
            continue; /* the sink's rows do not have it */
        }
        if (column == NULL || (column->kind == SQL_COLUMN_PHYSICAL && column->is_value)) {
            sink->fields[sink->column_count] = node->columns[persisted];
            sink->columns[sink->column_count++] = persisted;
        }
        persisted++;
    }
    CHECK(persisted == node->column_count);
}

static bool sink_make_encoders(struct sql_session *session, struct sql_sink *sink, char out_message[SQL_SAY_BYTES])
{
    struct format_options *options = cli_alloc(session->cli, sizeof(*options));
    char                   why[FORMAT_MESSAGE_BYTES];

    if (sink->plan->table != NULL) {
        CHECK(sink->plan->table->has_format);
        *options = sink->plan->table->format;
    } else if (!format_options_init(options, view_text(session->output == SQL_OUTPUT_CSV ? "csv" : "json"), why)) {
        return sink_say(out_message, "%s", why);
    }
    sink_choose_columns(session, sink);
    if (!format_check_schema(options, sink->fields, sink->column_count, why)) {
        return sink_say(out_message, "%s", why);
    }
    for (uint32_t w = 0; w < session->worker_count; w++) {
        sink->workers[w].encoder = format_encoder_create(options, sink->fields, sink->column_count);
        sink->workers[w].columns =
            cli_alloc_array(session->cli, sink->column_count + 1, sizeof(*sink->workers[w].columns));
    }
    return true;
}

static struct sql_out *sink_standard_output(struct sql_session *session)
{
    if (session->standard_output == NULL) {
        session->standard_output = sql_out_open(NULL);
    }
    return session->standard_output;
}

/* The file that --output-file names for the topic, else standard output. */
static bool sink_open(struct sql_session *session, struct sql_sink *sink, char out_message[SQL_SAY_BYTES])
{
    struct view topic = sink->plan->table == NULL ? (struct view){0} : sql_table_option(sink->plan->table, "topic");

    for (size_t i = 0; topic.base != NULL && i < session->output_count; i++) {
        struct sql_file *file = &session->outputs[i];

        if (!view_equal(view_text(file->topic), topic)) {
            continue;
        }
        file->used = true;
        if (file->out == NULL) {
            file->out = sql_out_open(strcmp(file->path, "-") == 0 ? NULL : file->path);
        }
        if (file->out == NULL) {
            return sink_say(out_message, "%s: cannot be written: %s", file->path, strerror(errno));
        }
        sink->out = file->out;
        return true;
    }
    sink->out = sink_standard_output(session);
    return true;
}

/* A result: its form is what --output says; what changes is folded by its upsert key. */
static void sink_plan_query(struct sql_session *session, struct sql_sink *sink)
{
    const struct exec_node *node = sink->plan->node;
    bool                    appends = node->changes == EXEC_APPEND_ONLY;

    sink->kind = session->output == SQL_OUTPUT_TABLE ? SINK_GRID : SINK_RECORDS;
    sink->with_change = session->output == SQL_OUTPUT_CHANGELOG;
    sink->folds = !appends && !sink->with_change;
    sink->key_count = node->key_count;
    sink->key = node->has_key ? node->key : NULL;
}

static void sink_plan_table(struct sql_session *session, struct sql_sink *sink)
{
    const struct sql_table *table = sink->plan->table;
    const struct exec_sink *plan = &sink->plan->node->sink;
    struct view             prefix;

    switch (table->connector) {
    case SQL_CONNECTOR_BLACKHOLE:
        sink->kind = SINK_COUNT;
        return;
    case SQL_CONNECTOR_PRINT:
        sink->kind = SINK_PRINT;
        prefix = sql_table_option(table, "print-identifier");
        sink->print_prefix = prefix.base == NULL || prefix.len == 0
                                 ? ""
                                 : cli_format(session->cli, "%.*s> ", (int)prefix.len, (const char *)prefix.base);
        return;
    default:
        sink->kind = SINK_RECORDS;
        sink->with_change = session->output == SQL_OUTPUT_CHANGELOG;
        sink->folds = plan->is_upsert && !sink->with_change;
        sink->key_count = plan->key_count;
        sink->key = plan->keys;
        return;
    }
}

/* Names in quotes where they need them. */
static void sink_show_csv_head(struct sql_sink *sink)
{
    const struct exec_node *node = sink->plan->node;
    struct format_text     *text = &sink->workers->text;

    for (uint32_t i = 0; i < node->column_count; i++) {
        struct view name = node->columns[i].name;
        bool        quoted = memchr(name.base, ',', name.len) != NULL || memchr(name.base, '"', name.len) != NULL;

        format_text_put(text, quoted ? "\"" : "", quoted);
        for (size_t k = 0; k < name.len; k++) {
            format_text_put(text, name.base[k] == '"' ? "\"\"" : (const char *)&name.base[k],
                            name.base[k] == '"' ? 2 : 1);
        }
        format_text_put(text, quoted ? "\"" : "", quoted);
        format_text_put_string(text, i + 1 == node->column_count ? "\n" : ",");
    }
}

static bool sink_make(struct sql_sinks *sinks, struct sql_sink *sink, char out_message[SQL_SAY_BYTES])
{
    struct sql_session *session = sinks->session;

    sink->record_end = sink->plan->table == NULL ? '\n' : session->record_end;
    sink->workers = cli_alloc_array(session->cli, session->worker_count, sizeof(*sink->workers));
    CHECK(pthread_mutex_init(&sink->lock, NULL) == 0);
    if (sink->plan->table == NULL) {
        sink_plan_query(session, sink);
    } else {
        sink_plan_table(session, sink);
    }
    sql_fold_init(&sink->fold, sink->key != NULL);
    sinks->live = sinks->live || sink->with_change || sink->kind == SINK_PRINT;
    if (sink->kind == SINK_COUNT) {
        return true;
    }
    if (!sink_open(session, sink, out_message)) {
        return false;
    }
    if (sink->kind == SINK_GRID) {
        sink->grid = sql_grid_create(sink->out, sink->plan->node->columns, sink->plan->node->column_count);
    }
    if (sink->plan->table == NULL && session->output == SQL_OUTPUT_CSV) {
        sink_show_csv_head(sink);
    }
    return sink->kind != SINK_RECORDS || sink_make_encoders(session, sink, out_message);
}

struct sql_sinks *sql_sinks_create(struct sql_session *session, const struct sql_plan *plan,
                                   char out_message[SQL_SAY_BYTES])
{
    struct sql_sinks *sinks = cli_alloc(session->cli, sizeof(*sinks));

    sinks->session = session;
    sinks->worker_count = session->worker_count;
    sinks->sinks = cli_alloc_array(session->cli, plan->exec.sink_count + 1, sizeof(*sinks->sinks));
    for (uint32_t i = 0; i < plan->exec.sink_count; i++) {
        sinks->sinks[i].plan = &plan->sinks[i];
        sinks->count++;
        if (!sink_make(sinks, &sinks->sinks[i], out_message)) {
            sql_sinks_destroy(sinks);
            return NULL;
        }
    }
    return sinks;
}

static void sink_destroy(struct sql_sink *sink, uint32_t worker_count)
{
    for (uint32_t w = 0; w < worker_count; w++) {
        struct sink_worker *worker = &sink->workers[w];

        format_encoder_destroy(worker->encoder);
        format_text_deinit(&worker->text);
        format_text_deinit(&worker->row);
        format_text_deinit(&worker->key);
    }
    sql_fold_deinit(&sink->fold);
    sql_grid_destroy(sink->grid);
    (void)pthread_mutex_destroy(&sink->lock);
}

void sql_sinks_destroy(struct sql_sinks *sinks)
{
    for (uint32_t i = 0; sinks != NULL && i < sinks->count; i++) {
        sink_destroy(&sinks->sinks[i], sinks->worker_count);
    }
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static void sink_fold(struct sql_sink *sink, struct sink_worker *worker, const struct vec_chunk *chunk, size_t row,
                      struct view bytes)
{
    uint32_t count = sink->key == NULL ? chunk->column_count : sink->key_count;

    worker->key.len = 0;
    (void)format_text_room(&worker->key, 1);
    for (uint32_t i = 0; i < count; i++) {
        format_text_put_key(&worker->key, &chunk->columns[sink->key == NULL ? i : sink->key[i]], row);
    }
    sql_fold_change(&sink->fold, view_of(worker->key.base, worker->key.len), bytes, vec_chunk_change(chunk, row));
}

/* The sum of the column's values as integers of `type`, `per_value` of them to a value. What stands behind a null is
 * defined, so nulls need no question. */
#define SINK_SUM(type, per_value)                                                                                    \
    do {                                                                                                             \
        const type *values = access.data;                                                                            \
                                                                                                                     \
        for (size_t i = 0;                                                                                           \
             access.index == NULL && chunk->selection == NULL && i < (size_t)chunk->row_count * (per_value); i++) {  \
            sum += (uint64_t)values[i];                                                                              \
        }                                                                                                            \
        for (uint32_t i = 0; (access.index != NULL || chunk->selection != NULL) && i < chunk->selected_count; i++) { \
            size_t at = vec_access_at(&access, vec_chunk_row(chunk, i)) * (per_value);                               \
                                                                                                                     \
            sum += (uint64_t)values[at] + (uint64_t)values[at + (per_value)-1];                                      \
        }                                                                                                            \
    } while (0)

static void sink_take_column(struct sink_worker *worker, const struct vec *vec, const struct vec_chunk *chunk)
{
    struct vec_access access = vec_access_of(vec);
    uint64_t          sum = worker->digest;

    switch (vec_layout_bytes(vec_type_layout(vec->type))) {
    case 1:
        SINK_SUM(uint8_t, 1);
        break;
    case 2:
        SINK_SUM(uint16_t, 1);
        break;
    case 4:
        SINK_SUM(uint32_t, 1);
        break;
    case 8:
        SINK_SUM(uint64_t, 1);
        break;
    case 16:
        SINK_SUM(uint64_t, 2);
        break;
    default:
        break;
    }
    worker->digest = sum;
    for (uint32_t i = 0; vec->type.kind == VEC_ROW && vec->form == VEC_FLAT && i < vec->type.child_count; i++) {
        sink_take_column(worker, &vec->children[i], chunk); /* other forms: rows of a child are not the chunk's */
    }
}

static void sink_flush(struct sql_sink *sink, struct sink_worker *worker, size_t len_min, bool now)
{
    if (worker->text.len > 0 && worker->text.len >= len_min) {
        sql_out_write(sink->out, view_of(worker->text.base, worker->text.len), now);
        worker->text.len = 0;
    }
}

static void sink_print(struct sql_sink *sink, struct sink_worker *worker, const struct vec_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t row = vec_chunk_row(chunk, i);

        format_text_put_string(&worker->text, sink->print_prefix);
        format_text_put_string(&worker->text, format_change_name(vec_chunk_change(chunk, row)));
        format_text_put(&worker->text, "[", 1);
        for (uint32_t k = 0; k < chunk->column_count; k++) {
            format_text_put(&worker->text, ", ", k > 0 ? 2 : 0);
            format_text_put_value(&worker->text, &chunk->columns[k], row, FORMAT_STYLE_PRINT);
        }
        format_text_put(&worker->text, "]\n", 2);
    }
}

static void sink_stream_record(struct sql_sink *sink, struct sink_worker *worker, enum vec_change change,
                               struct view bytes)
{
    char *to = format_text_room(&worker->text, bytes.len + 4);

    if (sink->with_change) {
        memcpy(to, format_change_name(change), 2);
        to[2] = ' ';
        to += 3;
        worker->text.len += 3;
    }
    if (bytes.len > 0) {
        memcpy(to, bytes.base, bytes.len);
    }
    to[bytes.len] = sink->record_end;
    worker->text.len += bytes.len + 1;
}

static bool sink_records(struct sql_sink *sink, struct sink_worker *worker, const struct vec_chunk *chunk,
                         char *message, size_t message_capacity)
{
    struct format_output output;
    uint32_t             from = 0;

    for (uint32_t i = 0; i < sink->column_count; i++) {
        worker->columns[i] = chunk->columns[sink->columns[i]];
    }
    if (!format_encode(worker->encoder, worker->columns, chunk, &output)) {
        (void)snprintf(message, message_capacity, "%s", format_encoder_failure(worker->encoder)->message);
        return false;
    }
    for (uint32_t i = 0; i < output.row_count; i++) {
        size_t      row = vec_chunk_row(chunk, i);
        struct view bytes = view_of(output.bytes + from, output.ends[i] - from);

        from = output.ends[i];
        if (sink->folds) {
            sink_fold(sink, worker, chunk, row, bytes);
        } else {
            sink_stream_record(sink, worker, vec_chunk_change(chunk, row), bytes);
        }
    }
    return true;
}

static void sink_grid(struct sql_sink *sink, struct sink_worker *worker, const struct vec_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t      row = vec_chunk_row(chunk, i);
        struct view cells;

        worker->row.len = 0;
        sql_grid_cells(&worker->row, chunk, row);
        cells = view_of(worker->row.base, worker->row.len);
        if (sink->folds) {
            sink_fold(sink, worker, chunk, row, cells);
        } else {
            sql_grid_add(sink->grid, cells);
        }
    }
}

static uint64_t sink_rows(const struct sink_worker *worker, enum vec_change change)
{
    return atomic_load_explicit(&worker->rows[change], memory_order_relaxed);
}

static void sink_count(struct sink_worker *worker, const struct vec_chunk *chunk)
{
    uint64_t rows[4] = {chunk->selected_count, 0, 0, 0};

    for (uint32_t i = 0; chunk->changes != NULL && i < chunk->selected_count; i++) {
        rows[VEC_INSERT]--;
        rows[vec_chunk_change(chunk, vec_chunk_row(chunk, i))]++;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i] > 0) {
            atomic_fetch_add_explicit(&worker->rows[i], rows[i], memory_order_relaxed);
        }
    }
}

bool sql_sinks_write(void *context, uint32_t worker_index, uint32_t sink_index, const struct vec_chunk *chunk,
                     char *message, size_t message_capacity)
{
    struct sql_sinks   *sinks = context;
    struct sql_sink    *sink = &sinks->sinks[sink_index];
    struct sink_worker *worker = &sink->workers[worker_index];
    bool                good = true;

    sink_count(worker, chunk);
    if (sink->kind == SINK_COUNT) {
        for (uint32_t i = 0; i < chunk->column_count; i++) {
            sink_take_column(worker, &chunk->columns[i], chunk);
        }
        return true;
    }
    if (sink->folds) {
        CHECK(pthread_mutex_lock(&sink->lock) == 0);
    }
    if (sink->kind == SINK_PRINT) {
        sink_print(sink, worker, chunk);
    } else if (sink->kind == SINK_GRID) {
        sink_grid(sink, worker, chunk);
    } else {
        good = sink_records(sink, worker, chunk, message, message_capacity);
    }
    if (sink->folds) {
        CHECK(pthread_mutex_unlock(&sink->lock) == 0);
    } else if (sink->kind != SINK_GRID) {
        sink_flush(sink, worker, sinks->live || sql_out_is_terminal(sink->out) ? 0 : SINK_BYTES_AT_ONCE, sinks->live);
    }
    return good;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void sink_show_row(void *context, struct view row)
{
    struct sql_sink *sink = context;

    if (sink->kind == SINK_GRID) {
        sql_grid_add(sink->grid, row);
    } else {
        sink_stream_record(sink, sink->workers, VEC_INSERT, row);
        sink_flush(sink, sink->workers, SINK_BYTES_AT_ONCE, false);
    }
}

void sql_sinks_show(struct sql_sinks *sinks, uint32_t worker)
{
    for (uint32_t i = 0; i < sinks->count; i++) {
        struct sql_sink *sink = &sinks->sinks[i];

        if (sink->kind == SINK_COUNT || sink->folds || sink_rows(&sink->workers[worker], VEC_INSERT) == 0) {
            continue;
        }
        sink_flush(sink, &sink->workers[worker], 0, true);
        if (sink->grid != NULL) {
            sql_grid_show(sink->grid);
        }
    }
}

void sql_sinks_finish(struct sql_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->count; i++) {
        struct sql_sink *sink = &sinks->sinks[i];

        if (sink->kind == SINK_COUNT) {
            continue;
        }
        if (sink->folds) {
            sql_fold_each(&sink->fold, sink_show_row, sink);
        }
        for (uint32_t w = 0; w < sinks->worker_count; w++) {
            sink_flush(sink, &sink->workers[w], 0, false);
        }
        if (sink->grid != NULL) {
            sql_grid_show(sink->grid);
        }
    }
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

bool sql_sinks_are_live(const struct sql_sinks *sinks)
{
    return sinks->live;
}

bool sql_sinks_are_closed(const struct sql_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->count; i++) {
        if (sinks->sinks[i].out != NULL && sql_out_is_closed(sinks->sinks[i].out)) {
            return true;
        }
    }
    return false;
}

/* Rows that a LIMIT in front of the sink lets through; UINT64_MAX: all. */
static uint64_t sink_limit(const struct sql_sink *sink)
{
    const struct exec_node *input = sink->plan->node->inputs[0];

    return input->kind == EXEC_LIMIT && input->changes == EXEC_APPEND_ONLY ? input->limit.row_count : UINT64_MAX;
}

bool sql_sinks_are_full(const struct sql_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->count; i++) {
        const struct sql_sink *sink = &sinks->sinks[i];
        uint64_t               rows = 0;

        for (uint32_t w = 0; w < sinks->worker_count; w++) {
            rows += sink_rows(&sink->workers[w], VEC_INSERT);
        }
        if (rows < sink_limit(sink)) {
            return false;
        }
    }
    return sinks->count > 0;
}

struct sql_sink_counts sql_sinks_counts(const struct sql_sinks *sinks, uint32_t index)
{
    const struct sql_sink *sink = &sinks->sinks[index];
    struct sql_sink_counts counts = {.name = "result"};

    if (sink->plan->table != NULL) {
        counts.name = cli_text_copy(sinks->session->cli, sink->plan->table->name);
    }
    for (uint32_t w = 0; w < sinks->worker_count; w++) {
        for (size_t k = 0; k < COUNT_OF(counts.rows); k++) {
            counts.rows[k] += sink_rows(&sink->workers[w], (enum vec_change)k);
        }
    }
    return counts;
}
