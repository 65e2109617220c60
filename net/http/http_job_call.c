/* Everything but scripts on the shard: jobs shown, stopped, counted, and the figures of all shards. One document is
 * built while jobs are shown and sent when the request is done. */
#include "core/base/mem.h"
#include "io/io.h"
#include "net/http/http_internal.h"

#include <stdio.h>

static const enum job_request_kind job_request_kinds[] = {
    [HTTP_ROUTE_JOBS] = JOB_REQUEST_LIST,
    [HTTP_ROUTE_JOBS_OVERVIEW] = JOB_REQUEST_LIST,
    [HTTP_ROUTE_OVERVIEW] = JOB_REQUEST_LIST,
    [HTTP_ROUTE_METRICS] = JOB_REQUEST_LIST,
    [HTTP_ROUTE_JOB] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_JOB_METRICS] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_JOB_CHECKPOINTS] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_JOB_EXCEPTIONS] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_JOB_PLAN] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_JOB_STATUS] = JOB_REQUEST_SHOW,
    [HTTP_ROUTE_DISPOSAL] = JOB_REQUEST_DISPOSE,
    [HTTP_ROUTE_JOB_CANCEL] = JOB_REQUEST_CANCEL,
    [HTTP_ROUTE_JOB_STOP] = JOB_REQUEST_STOP,
    [HTTP_ROUTE_JOB_SAVEPOINT] = JOB_REQUEST_SAVEPOINT,
    [HTTP_ROUTE_JOB_PAUSE] = JOB_REQUEST_PAUSE,
    [HTTP_ROUTE_JOB_RESUME] = JOB_REQUEST_RESUME,
    [HTTP_ROUTE_JOB_DELETE] = JOB_REQUEST_DELETE,
};

static void job_shown(struct job_request *request, const struct job_facts *facts)
{
    struct http_call *call = request->user;
    struct io_shard  *shard = http__shard(call->listener);
    int64_t           now_ms = io_wall_ms(shard->io);
    uint32_t          shards = http__shard_count(call->listener);

    call->found = true;
    switch (call->route.kind) {
    case HTTP_ROUTE_JOBS:
    case HTTP_ROUTE_JOBS_OVERVIEW:
        (void)json_array_append_new(json_object_get(call->document, "jobs"),
                                    http__job_json(call->route.kind, facts, now_ms, shards));
        break;
    case HTTP_ROUTE_OVERVIEW:
        http__job_count(&call->counts, facts->status);
        break;
    case HTTP_ROUTE_METRICS:
        http__metrics_jobs_add(call->job_metrics, facts);
        break;
    case HTTP_ROUTE_JOB_METRICS:
        json_decref(call->document);
        call->document = http__job_metrics_json(facts, now_ms, call->wanted[0] == '\0' ? NULL : call->wanted);
        break;
    default:
        json_decref(call->document);
        call->document = http__job_json(call->route.kind, facts, now_ms, shards);
        break;
    }
}

static void job_answer(struct http_call *call, int status, const char *content_type, struct http_text *text)
{
    (void)http__call_put(call, http__text_view(text));
    http__text_deinit(text);
    http__call_begin(call, status, content_type);
    http__call_end(call, false);
    http__call_done(call);
}

/* A savepoint that the client has not named gets a name like Flink's. */
static void job_name_savepoint(struct http_call *call)
{
    uint8_t  random[6];
    uint64_t number = 0;

    io_random(http__shard(call->listener)->io, span_of(random, sizeof(random)));
    for (size_t i = 0; i < sizeof(random); i++) {
        number = number << 8 | random[i];
    }
    http__text_print(&call->body.savepoint, "savepoint-%.6s-%012" PRIx64, call->route.id, number);
}

/* What Flink's clients ask after is done when it is answered; the id lets them ask. */
static void job_answer_trigger(struct http_call *call, struct http_text *text)
{
    struct http_trigger trigger = {0};
    uint64_t            halves[2];
    struct view         location = http__text_view(&call->body.savepoint);

    io_random(http__shard(call->listener)->io, span_of(halves, sizeof(halves)));
    (void)snprintf(trigger.id, sizeof(trigger.id), "%016" PRIx64 "%016" PRIx64, halves[0], halves[1]);
    (void)snprintf(trigger.job, sizeof(trigger.job), "%s", call->route.id);
    (void)snprintf(trigger.location, sizeof(trigger.location), "%.*s", (int)location.len, (const char *)location.base);
    http__trigger_add(call->listener, &trigger);
    http__text_put_json(text, json_pack("{s:s}", "request-id", trigger.id));
}

static void job_answer_good(struct http_call *call)
{
    struct http_text text = {0};
    uint32_t         shards = http__shard_count(call->listener);
    int              status = 200;

    switch (call->route.kind) {
    case HTTP_ROUTE_METRICS:
        http__metrics_broker(&text, http__options(call->listener), call->figures, shards);
        http__metrics_jobs_finish(call->job_metrics, &text);
        job_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
        return;
    case HTTP_ROUTE_OVERVIEW:
        http__text_put_json(&text, http__overview_json(&call->counts, shards, http__options(call->listener)->version));
        break;
    case HTTP_ROUTE_JOB_STOP:
    case HTTP_ROUTE_JOB_SAVEPOINT:
    case HTTP_ROUTE_DISPOSAL:
        job_answer_trigger(call, &text);
        status = 202;
        break;
    case HTTP_ROUTE_JOB_CANCEL:
        status = 202;
        http__text_put(&text, "{}", 2);
        break;
    default:
        if (call->document != NULL) {
            http__text_put_json(&text, call->document);
            call->document = NULL;
        } else {
            http__text_put(&text, "{}", 2);
        }
        break;
    }
    job_answer(call, status, HTTP_JSON, &text);
}

static void job_done(struct job_request *request)
{
    struct http_call *call = request->user;
    struct http_text  text = {0};
    bool              shows_one = job_request_kinds[call->route.kind] == JOB_REQUEST_SHOW;

    if (request->failed || (shows_one && !call->found)) {
        if (request->failed) {
            http__text_put_json(&text, http__json_errors(view_text(request->message)));
        } else {
            http__text_put_json(&text, json_pack("{s:[s++]}", "errors", "Job ", call->route.id, " not found"));
        }
        job_answer(call, request->failed ? http__status_of(request->error) : 404, HTTP_JSON, &text);
        return;
    }
    job_answer_good(call);
}

static void job_ask(struct http_call *call)
{
    struct job_shard *jobs = http__options(call->listener)->jobs;

    call->request = (struct job_request){
        .kind = job_request_kinds[call->route.kind],
        .text = call->route.kind == HTTP_ROUTE_DISPOSAL ? http__text_view(&call->body.savepoint)
                                                        : view_text(call->route.id),
        .savepoint = http__text_view(&call->body.savepoint),
        .job = job_shown,
        .done = job_done,
        .user = call,
        .watermark_us = INT64_MIN,
    };
    job_submit(jobs, &call->request);
}

static void job_round_over(struct io_mail *mail, struct io_shard *to UNUSED)
{
    job_ask(CONTAINER_OF(mail, struct http_call, round));
}

/* From shard to shard, each adds its column; back at the first the jobs follow. */
static void job_round(struct io_mail *mail, struct io_shard *to)
{
    struct http_call          *call = CONTAINER_OF(mail, struct http_call, round);
    const struct http_options *options = http__options(call->listener);
    uint32_t                   home = http__shard(call->listener)->index;
    uint32_t                   next = (to->index + 1) % http__shard_count(call->listener);

    options->read_figures(options->context, to->index, call->figures + to->index * options->figure_count);
    io_shard_send(to, next, mail, next == home ? job_round_over : job_round);
}

void http__job_start(struct http_call *call)
{
    const struct http_options *options = http__options(call->listener);
    struct io_shard           *shard = http__shard(call->listener);

    switch (call->route.kind) {
    case HTTP_ROUTE_JOBS:
    case HTTP_ROUTE_JOBS_OVERVIEW:
        call->document = json_pack("{s:[]}", "jobs");
        break;
    case HTTP_ROUTE_JOB_SAVEPOINT:
        if (call->body.savepoint.len == 0) {
            job_name_savepoint(call);
        }
        break;
    case HTTP_ROUTE_METRICS:
        call->job_metrics = http__metrics_jobs_create();
        call->figures =
            mem_alloc(MEM_NET, (options->figure_count + 1) * http__shard_count(call->listener) * sizeof(uint64_t));
        if (options->figure_count > 0) {
            job_round(&call->round, shard);
            return;
        }
        break;
    default:
        break;
    }
    job_ask(call);
}
