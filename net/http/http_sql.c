/* POST /v1/sql on the shard: a script's answers become JSON lines.
 *
 * The status waits as long as it may still be told: until the script is done, until a SELECT begins, or for a second.
 * A script that fails by then is a 400 with what was done and the error; later, the last line is the error. */
#include "io/io.h"
#include "net/http/http_internal.h"

#define TICK_NS     NS_PER_S
#define QUIET_TICKS 2 /* then an empty line shows whether the client is still there */

static void sql_put(struct http_call *call, json_t *line)
{
    struct http_text text = {0};

    http__text_put_json(&text, line);
    http__text_put(&text, "\n", 1);
    (void)http__call_put(call, http__text_view(&text));
    call->quiet_ticks = 0;
    http__text_deinit(&text);
}

static struct view sql_part(struct view *text, char mark)
{
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->base, mark, text->len);
    struct view    part = view_of(text->base, end == NULL ? text->len : (size_t)(end - text->base));
    size_t         used = part.len + (end != NULL);

    *text = view_of(text->base + used, text->len - used);
    return part;
}

static json_t *sql_cells(struct view line)
{
    json_t *cells = json_array();

    do {
        (void)json_array_append_new(cells, http__json_text(sql_part(&line, '\t')));
    } while (line.len > 0);
    return cells;
}

static void sql_statement(struct job_request *request, size_t index, bool is_table, struct view text,
                          const char *job_id)
{
    struct http_call *call = request->user;
    json_t           *line = json_pack("{s:I}", "statement", (json_int_t)index);

    if (job_id != NULL) {
        (void)json_object_set_new(line, "job", json_string(job_id));
    } else if (is_table) {
        json_t *rows = json_array();

        (void)json_object_set_new(line, "table", sql_cells(sql_part(&text, '\n')));
        while (text.len > 0) {
            (void)json_array_append_new(rows, sql_cells(sql_part(&text, '\n')));
        }
        (void)json_object_set_new(line, "rows", rows);
    } else {
        (void)json_object_set_new(line, "result", text.len == 0 ? json_string("OK") : http__json_text(text));
    }
    sql_put(call, line);
}

static void sql_columns(struct job_request *request, const char *const *names, const char *const *types, uint32_t count)
{
    struct http_call *call = request->user;
    json_t           *columns = json_array();

    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(columns, json_pack("{s:o,s:o}", "name", http__json_text(view_text(names[i])),
                                                       "type", http__json_text(view_text(types[i]))));
    }
    sql_put(call, json_pack("{s:o,s:s}", "columns", columns, "result-mode", request->result_mode));
    call->shows_rows = true;
    if (!http__call_has_begun(call)) {
        http__call_begin(call, 200, HTTP_NDJSON);
    }
}

static bool sql_rows(struct job_request *request, struct view json_lines)
{
    struct http_call *call = request->user;

    call->quiet_ticks = 0;
    if (http__call_backlog(call) > HTTP_BACKLOG_BYTES) {
        static const char message[] = "the client reads slower than the query writes: the query was ended";

        sql_put(call, http__json_errors(view_of(message, sizeof(message) - 1)));
        return false;
    }
    return http__call_put(call, json_lines);
}

static bool sql_full(struct job_request *request)
{
    return http__call_backlog(request->user) > HTTP_FULL_BYTES;
}

static void sql_tick(struct timer *timer)
{
    struct http_call         *call = CONTAINER_OF(timer, struct http_call, tick);
    struct io_shard          *shard = http__shard(call->listener);
    const struct job_request *request = &call->request;

    call->quiet_ticks++;
    if (call->body.progress) {
        json_t *progress = json_pack("{s:I}", "records-in", (json_int_t)request->records_in);

        (void)json_object_set_new(progress, "watermark",
                                  request->watermark_us == INT64_MIN
                                      ? json_null()
                                      : json_integer((json_int_t)(request->watermark_us / NS_PER_US)));
        sql_put(call, json_pack("{s:o}", "progress", progress));
    } else if (call->quiet_ticks >= QUIET_TICKS) {
        (void)http__call_put(call, view_text("\n"));
        call->quiet_ticks = 0;
    }
    if (!http__call_has_begun(call)) {
        http__call_begin(call, 200, HTTP_NDJSON);
    }
    timer_arm(shard->timers, timer, io_now_ns(shard->io) + TICK_NS, sql_tick);
}

static void sql_done(struct job_request *request)
{
    struct http_call *call = request->user;
    int               status = 200;

    timer_disarm(http__shard(call->listener)->timers, &call->tick);
    if (request->failed) {
        json_t *line = http__json_errors(view_text(request->message));

        status = http__status_of(request->error);
        (void)json_object_set_new(line, "statement", json_integer((json_int_t)request->failed_statement));
        (void)json_object_set_new(line, "status", json_integer(status));
        sql_put(call, line);
    }
    if (!http__call_has_begun(call)) {
        http__call_begin(call, status, HTTP_NDJSON);
    }
    http__call_end(call, false);
    http__call_done(call);
}

void http__sql_start(struct http_call *call)
{
    struct io_shard *shard = http__shard(call->listener);

    call->request = (struct job_request){
        .kind = JOB_REQUEST_SCRIPT,
        .session = http__text_view(&call->body.session),
        .text = http__text_view(&call->body.script),
        .statement = sql_statement,
        .columns = sql_columns,
        .rows = sql_rows,
        .full = sql_full,
        .done = sql_done,
        .user = call,
        .watermark_us = INT64_MIN,
    };
    timer_arm(shard->timers, &call->tick, io_now_ns(shard->io) + TICK_NS, sql_tick);
    job_submit(http__options(call->listener)->jobs, &call->request);
}
