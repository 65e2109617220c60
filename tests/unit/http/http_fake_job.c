#include "tests/unit/http/http_fake_job.h"

#include "core/base/mem.h"
#include "core/base/timer.h"

#include <stdio.h>
#include <stdlib.h>

uint32_t fake_cancel_count, fake_done_count, fake_kind;
uint64_t fake_row_count;
char     fake_session[64], fake_savepoint[64], fake_id[64];

static struct io_shard *fake_shard;

/* A request that goes on. */
struct fake_state {
    struct job_request *request;
    struct timer        timer;
    bool                floods;
};

void fake_job_init(struct io_shard *shard)
{
    fake_shard = shard;
    fake_cancel_count = fake_done_count = 0;
    fake_row_count = 0;
}

const char *job_status_name(enum job_status status)
{
    static const char *const names[JOB_STATUS_COUNT] = {
        "INITIALIZING", "CREATED",  "RUNNING",  "FAILING",    "FAILED",
        "CANCELLING",   "CANCELED", "FINISHED", "RESTARTING", "SUSPENDED",
    };

    return names[status];
}

struct job_facts fake_running(void)
{
    struct job_facts facts = {.name = view_text("insert-into_default_catalog.default_database.\"sink\""),
                              .status = JOB_RUNNING,
                              .statement = view_text("INSERT INTO sink SELECT 1"),
                              .start_ms = 1000,
                              .end_ms = -1,
                              .epoch = 41,
                              .last_commit_ms = 5000,
                              .last_commit_duration_ms = 12,
                              .restarts = 2,
                              .records_in = 123456,
                              .records_out = 654,
                              .bytes_in = 9999,
                              .bytes_out = 8888,
                              .late_records = 3,
                              .state_rows = 77,
                              .state_bytes = 7777,
                              .cpu_ns = 2500000000,
                              .busy_ms = 700,
                              .idle_ms = 200,
                              .held_ms = 100,
                              .busy_per_s_ms = 650,
                              .idle_per_s_ms = 300,
                              .held_per_s_ms = 50,
                              .plan = view_text("Sink(table=[sink])\n"),
                              .watermark_us = 1700000000123456,
                              .pending_records = 5};

    memcpy(facts.id, FAKE_JOB_ID, sizeof(FAKE_JOB_ID));
    return facts;
}

struct job_facts fake_failed(void)
{
    struct job_facts facts = {.name = view_text("broken"),
                              .status = JOB_FAILED,
                              .statement = view_text("INSERT INTO nowhere SELECT 1"),
                              .failure = view_text("the topic 'nowhere' is gone"),
                              .start_ms = 1000,
                              .end_ms = 3000,
                              .epoch = -1,
                              .watermark_us = INT64_MIN};

    memcpy(facts.id, FAKE_FAILED_ID, sizeof(FAKE_FAILED_ID));
    return facts;
}

static void fake_finish(struct job_request *request)
{
    struct fake_state *state = request->state_;

    if (state != NULL) {
        timer_disarm(fake_shard->timers, &state->timer);
        mem_free(MEM_TEST, state);
        request->state_ = NULL;
    }
    (void)__atomic_add_fetch(&fake_done_count, 1, __ATOMIC_RELAXED);
    request->done(request);
}

static bool fake_row(struct job_request *request)
{
    char     line[64];
    uint64_t number = __atomic_fetch_add(&fake_row_count, 1, __ATOMIC_RELAXED);

    (void)snprintf(line, sizeof(line), "{\"op\":\"+I\",\"row\":[%" PRIu64 ",\"x\"]}\n", number);
    return request->rows(request, view_text(line));
}

static void fake_go_on(struct timer *timer)
{
    struct fake_state  *state = CONTAINER_OF(timer, struct fake_state, timer);
    struct job_request *request = state->request;
    int                 rows = state->floods ? 4096 : 1;

    for (int i = 0; i < rows && !request->full(request); i++) {
        request->records_in++;
        request->watermark_us = (int64_t)request->records_in * NS_PER_MS;
        if (!fake_row(request)) {
            fake_finish(request);
            return;
        }
    }
    timer_arm(fake_shard->timers, timer, io_now_ns(fake_shard->io) + NS_PER_MS, fake_go_on);
}

static void fake_wait(struct job_request *request, bool streams, bool floods)
{
    struct fake_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    state->request = request;
    state->floods = floods;
    request->state_ = state;
    if (streams) {
        timer_arm(fake_shard->timers, &state->timer, io_now_ns(fake_shard->io) + NS_PER_MS, fake_go_on);
    }
}

static bool fake_says(const struct job_request *request, const char *word)
{
    size_t len = strlen(word);

    return request->text.len >= len && memcmp(request->text.base, word, len) == 0;
}

static void fake_columns(struct job_request *request)
{
    static const char *const names[] = {"number", "te\"xt"};
    static const char *const types[] = {"BIGINT", "STRING"};

    request->columns(request, names, types, 2);
}

static void fake_script(struct job_request *request)
{
    (void)snprintf(fake_session, sizeof(fake_session), "%.*s", (int)request->session.len,
                   (const char *)request->session.base);
    if (fake_says(request, "OK ")) {
        request->statement(request, 0, false, view_of(request->text.base + 3, request->text.len - 3), NULL);
    } else if (fake_says(request, "TABLE")) {
        request->statement(request, 0, true, view_text("table name\tkind\nbids\tTABLE\nnew\tVIEW\n"), NULL);
    } else if (fake_says(request, "JOB")) {
        request->statement(request, 0, false, view_text(FAKE_JOB_ID), FAKE_JOB_ID);
    } else if (fake_says(request, "FAIL")) {
        request->statement(request, 0, false, view_of(NULL, 0), NULL);
        request->failed = true;
        request->error = ERR_INVALID;
        request->failed_statement = 1;
        (void)snprintf(request->message, sizeof(request->message), "line 2, column 1: no such thing");
    } else if (fake_says(request, "SELECT ")) {
        int64_t count = strtoll((const char *)request->text.base + 7, NULL, 10);

        fake_columns(request);
        for (int64_t i = 0; i < count; i++) {
            (void)fake_row(request);
        }
    } else if (fake_says(request, "STREAM") || fake_says(request, "FLOOD")) {
        fake_columns(request);
        fake_wait(request, true, fake_says(request, "FLOOD"));
        return;
    } else if (fake_says(request, "HANG")) {
        fake_wait(request, false, false);
        return;
    }
    fake_finish(request);
}

void job_submit(struct job_shard *jobs UNUSED, struct job_request *request)
{
    struct job_facts running = fake_running(), failed = fake_failed();

    __atomic_store_n(&fake_kind, (uint32_t)request->kind, __ATOMIC_RELAXED);
    if (request->kind == JOB_REQUEST_SCRIPT) {
        fake_script(request);
        return;
    }
    (void)snprintf(fake_id, sizeof(fake_id), "%.*s", (int)request->text.len, (const char *)request->text.base);
    (void)snprintf(fake_savepoint, sizeof(fake_savepoint), "%.*s", (int)request->savepoint.len,
                   (const char *)request->savepoint.base);
    if (request->kind == JOB_REQUEST_LIST) {
        request->job(request, &running);
        request->job(request, &failed);
    } else if (strcmp(fake_id, running.id) == 0 || strcmp(fake_id, failed.id) == 0) {
        if (request->kind == JOB_REQUEST_SHOW) {
            request->job(request, strcmp(fake_id, running.id) == 0 ? &running : &failed);
        }
    } else {
        request->failed = true;
        request->error = ERR_NOT_FOUND;
        (void)snprintf(request->message, sizeof(request->message), "Job %s not found", fake_id);
    }
    fake_finish(request);
}

void job_request_cancel(struct job_shard *jobs UNUSED, struct job_request *request)
{
    (void)__atomic_add_fetch(&fake_cancel_count, 1, __ATOMIC_RELAXED);
    request->canceled = true;
    request->failed = true;
    request->error = ERR_CANCELED;
    (void)snprintf(request->message, sizeof(request->message), "canceled");
    fake_finish(request);
}
