/* Rows of a SELECT to its client: lines of JSON, `{"op":"+I","row":[1,"a",null]}`, by mail to the controller's shard,
 * one mail at a time. Values are as format json writes them: each column has an encoder of its own, whose record is
 * `{"v":value}`. */
#include "compute/job/job_sink.h"

#include <stdio.h>

#define QUERY_FRONT      5             /* {"v": */
#define QUERY_LINES_MAX  ((size_t)MIB) /* gathered, above which the worker pauses */
#define QUERY_LINE_START 24

struct sink_query {
    struct io_mail          mail;
    struct job_sink        *sink;
    uint32_t                column_count;
    struct format_encoder **encoders;
    struct format_output   *outputs;
    struct format_text      gathered, away; /* away: while the mail is */
    uint64_t                left;           /* rows that a LIMIT still lets through; UINT64_MAX: there is none */
    bool                    is_away;
    bool                    is_last; /* what is away is the end of the result */
    bool                    gone;    /* the client has: nothing is sent any more */
    bool                    wants;   /* a flush was asked for while the mail was away */
};

static void query_arrive(struct io_mail *mail, struct io_shard *to);
static void query_return(struct io_mail *mail, struct io_shard *to);

struct sink_query *sink__query_create(struct job_sink *sink)
{
    const struct exec_node *node = sink->plan->node;
    struct arena           *arena = &sink->sinks->arena;
    struct sink_query      *query = arena_alloc(arena, sizeof(*query));
    struct format_options   options;
    char                    why[FORMAT_MESSAGE_BYTES];

    CHECK(format_options_init(&options, view_text("json"), why));
    query->sink = sink;
    query->left = job__query_limit(sink->sinks->run->plan);
    query->column_count = node->column_count;
    query->encoders = arena_alloc_array(arena, MAX(node->column_count, 1), sizeof(*query->encoders));
    query->outputs = arena_alloc_array(arena, MAX(node->column_count, 1), sizeof(*query->outputs));
    for (uint32_t i = 0; i < node->column_count; i++) {
        struct vec_field field = {.name = view_text("v"), .type = node->columns[i].type};

        if (!format_check_schema(&options, &field, 1, why)) {
            sink__fail(sink->sinks, "the query's result: %s", why);
            break;
        }
        query->encoders[i] = format_encoder_create(&options, &field, 1);
    }
    return query;
}

void sink__query_destroy(struct sink_query *query)
{
    for (uint32_t i = 0; query != NULL && i < query->column_count; i++) {
        format_encoder_destroy(query->encoders[i]);
    }
    if (query != NULL) {
        CHECK(!query->is_away);
        format_text_deinit(&query->gathered);
        format_text_deinit(&query->away);
    }
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void query_line(struct sink_query *query, const struct vec_chunk *chunk, uint32_t i)
{
    struct format_text *text = &query->gathered;
    char                start[QUERY_LINE_START];
    int                 len = snprintf(start, sizeof(start), "{\"op\":\"%s\",\"row\":[",
                                       format_change_name(vec_chunk_change(chunk, vec_chunk_row(chunk, i))));

    format_text_put(text, start, (size_t)len);
    for (uint32_t k = 0; k < query->column_count; k++) {
        const struct format_output *output = &query->outputs[k];
        uint32_t                    from = (i == 0 ? 0 : output->ends[i - 1]) + QUERY_FRONT;

        format_text_put(text, ",", k > 0);
        format_text_put(text, output->bytes + from, output->ends[i] - 1 - from);
    }
    format_text_put(text, "]}\n", 3);
    query->left -= query->left == UINT64_MAX ? 0 : 1;
}

static void query_send(struct sink_query *query)
{
    struct job_sinks  *sinks = query->sink->sinks;
    struct format_text text = query->away;

    query->wants = false;
    if (query->gathered.len == 0) {
        return;
    }
    query->away = query->gathered;
    query->gathered = text;
    query->gathered.len = 0;
    query->is_away = true;
    query->is_last = query->left == 0;
    io_shard_send(sinks->jobs->options.shard, sinks->run->controller->options.shard->index, &query->mail, query_arrive);
}

bool sink__query_write(struct job_sink *sink, const struct vec_chunk *chunk)
{
    struct sink_query *query = sink->query;

    for (uint32_t i = 0; i < query->column_count; i++) {
        if (!format_encode(query->encoders[i], &chunk->columns[i], chunk, &query->outputs[i])) {
            sink__fail(sink->sinks, "the query's result: %s", format_encoder_failure(query->encoders[i])->message);
            return false;
        }
    }
    for (uint32_t i = 0; i < chunk->selected_count && !query->gone; i++) {
        query_line(query, chunk, i);
    }
    sink->sinks->bytes += query->gathered.len;
    if (query->gathered.len >= SINK_LINE_BYTES || query->left == 0) {
        sink__query_flush(query);
    }
    return true;
}

void sink__query_flush(struct sink_query *query)
{
    query->wants = true;
    if (!query->is_away) {
        query_send(query);
    }
}

void sink__query_drop(struct sink_query *query)
{
    query->gathered.len = 0;
    query->wants = false;
}

bool sink__query_idle(const struct sink_query *query)
{
    return !query->is_away && query->gathered.len == 0;
}

bool sink__query_full(const struct sink_query *query)
{
    return query->gathered.len > QUERY_LINES_MAX;
}

/* --- there and back ----------------------------------------------------------------------------------------------- */

static void query_taken(void *context, bool more)
{
    struct sink_query *query = context;
    struct job_run    *run = query->sink->sinks->run;

    query->gone = !more;
    io_shard_send(run->controller->options.shard, query->sink->sinks->jobs->options.shard->index, &query->mail,
                  query_return);
}

static void query_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct sink_query *query = CONTAINER_OF(mail, struct sink_query, mail);

    MAYBE(to->index == 0);
    job__query_rows(query->sink->sinks->run, view_of(query->away.base, query->away.len), query->is_last, query_taken,
                    query);
}

static void query_return(struct io_mail *mail, struct io_shard *to)
{
    struct sink_query *query = CONTAINER_OF(mail, struct sink_query, mail);

    CHECK(to == query->sink->sinks->jobs->options.shard);
    query->is_away = false;
    query->away.len = 0;
    if (query->gone) {
        sink__query_drop(query);
    } else if (query->wants || query->gathered.len >= SINK_LINE_BYTES) {
        query_send(query);
    }
    sink__turn(query->sink->sinks);
}
