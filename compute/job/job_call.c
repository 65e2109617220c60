/* Requests to the controller and answers back; see job_call.h. */
#include "compute/job/job_controller.h"

#include <stdio.h>

#define ANSWER_PAUSE_NS NS_PER_MS

enum answer_kind { ANSWER_STATEMENT, ANSWER_COLUMNS, ANSWER_ROWS, ANSWER_JOB, ANSWER_PROGRESS, ANSWER_DONE };

struct answer {
    struct io_mail   mail;
    struct job_call *call;
    enum answer_kind kind;
    struct timer     pause; /* ROWS: the client is slow */
    size_t           index; /* STATEMENT, DONE */
    int              error;
    uint64_t         records_in; /* PROGRESS */
    int64_t          watermark_us;
    bool             is_table, has_job_id, failed, more;
    char             job_id[JOB_ID_TEXT_BYTES];
    struct job_facts facts;
    uint32_t         column_count; /* COLUMNS */
    char             result_mode[sizeof(((struct job_request *)NULL)->result_mode)];
    const char     **names; /* and types behind them; all texts stand in `text` */
    void (*taken)(void *context, bool more);
    void       *taken_context;
    struct view text; /* of this memory */
};

/* --- the asker's side ----------------------------------------------------------------------------------------------
 */

static void call_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_call *call = CONTAINER_OF(mail, struct job_call, submit);

    CHECK(to == call->at->options.shard);
    job__controller_take(call->at, call);
}

void job_submit(struct job_shard *jobs, struct job_request *request)
{
    struct job_call *call = mem_alloc(MEM_JOB, sizeof(*call));

    call->request = request;
    call->from = jobs;
    call->at = jobs->options.by_shard[job__leader(jobs)];
    list_init(&call->link);
    request->state_ = call;
    request->from_shard_ = jobs->options.shard->index;
    request->failed = false;
    request->canceled = false;
    request->message[0] = '\0';
    request->error = ERR_OK;
    request->watermark_us = INT64_MIN;
    io_shard_send(jobs->options.shard, call->at->options.shard->index, &call->submit, call_deliver);
}

static void call_cancel_back(struct io_mail *mail, struct io_shard *to)
{
    struct job_call *call = CONTAINER_OF(mail, struct job_call, cancel);

    CHECK(to == call->from->options.shard);
    call->cancel_out = false;
    if (call->over) {
        mem_free(MEM_JOB, call);
    }
}

static void call_cancel_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_call *call = CONTAINER_OF(mail, struct job_call, cancel);

    if (!call->answered) {
        call->canceled = true;
        if (call->on_cancel != NULL) {
            call->on_cancel(call);
        }
    }
    io_shard_send(to, call->from->options.shard->index, mail, call_cancel_back);
}

void job_request_cancel(struct job_shard *jobs, struct job_request *request)
{
    struct job_call *call = request->state_;

    if (call == NULL || request->canceled) {
        return;
    }
    request->canceled = true;
    call->cancel_out = true;
    io_shard_send(jobs->options.shard, call->at->options.shard->index, &call->cancel, call_cancel_deliver);
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */

static void answer_back(struct io_mail *mail, struct io_shard *to)
{
    struct answer *answer = CONTAINER_OF(mail, struct answer, mail);

    (void)to;
    answer->taken(answer->taken_context, answer->more);
    mem_free(MEM_JOB, answer);
}

static void answer_finish(struct job_call *call, const struct answer *answer)
{
    struct job_request *request = call->request;

    request->failed = answer->failed;
    request->failed_statement = answer->index;
    request->error = answer->error;
    if (answer->failed) {
        (void)snprintf(request->message, sizeof(request->message), "%.*s", (int)answer->text.len,
                       (const char *)answer->text.base);
    }
    request->state_ = NULL;
    call->over = true;
    if (!call->cancel_out) {
        mem_free(MEM_JOB, call);
    }
    request->done(request);
}

static void answer_show(struct job_request *request, struct answer *answer)
{
    switch (answer->kind) {
    case ANSWER_STATEMENT:
        if (request->statement != NULL) {
            request->statement(request, answer->index, answer->is_table, answer->text,
                               answer->has_job_id ? answer->job_id : NULL);
        }
        break;
    case ANSWER_COLUMNS:
        memcpy(request->result_mode, answer->result_mode, sizeof(request->result_mode));
        if (request->columns != NULL) {
            request->columns(request, answer->names, answer->names + answer->column_count, answer->column_count);
        }
        break;
    case ANSWER_ROWS:
        answer->more = !request->canceled && request->rows != NULL && request->rows(request, answer->text);
        break;
    case ANSWER_JOB:
        if (request->job != NULL) {
            request->job(request, &answer->facts);
        }
        break;
    case ANSWER_PROGRESS:
        request->records_in = answer->records_in;
        request->watermark_us = answer->watermark_us;
        break;
    case ANSWER_DONE:
        break;
    }
}

static void answer_send_back(struct answer *answer)
{
    struct job_call *call = answer->call;

    io_shard_send(call->from->options.shard, call->at->options.shard->index, &answer->mail, answer_back);
}

/* Until the client has room again, or is gone; done() cannot come meanwhile: the controller waits for these rows. */
static void answer_look(struct answer *answer);

static void answer_paused(struct timer *timer)
{
    answer_look(CONTAINER_OF(timer, struct answer, pause));
}

static void answer_look(struct answer *answer)
{
    struct job_shard   *from = answer->call->from;
    struct job_request *request = answer->call->request;

    if (!request->canceled && request->full(request)) {
        timer_arm(from->options.shard->timers, &answer->pause, io_now_ns(job__io(from)) + ANSWER_PAUSE_NS,
                  answer_paused);
    } else {
        answer->more = !request->canceled;
        answer_send_back(answer);
    }
}

static void answer_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct answer   *answer = CONTAINER_OF(mail, struct answer, mail);
    struct job_call *call = answer->call;

    CHECK(to == call->from->options.shard);
    if (answer->kind == ANSWER_DONE) {
        answer_finish(call, answer);
    } else {
        answer_show(call->request, answer);
    }
    if (answer->taken != NULL && answer->more && call->request->full != NULL) {
        answer_look(answer);
    } else if (answer->taken != NULL) {
        answer_send_back(answer);
    } else {
        mem_free(MEM_JOB, answer);
    }
}

/* room: for texts, behind the struct. */
static struct answer *answer_new(struct job_call *call, enum answer_kind kind, size_t room)
{
    struct answer *answer = mem_alloc(MEM_JOB, sizeof(*answer) + room);

    CHECK(!call->answered);
    answer->call = call;
    answer->kind = kind;
    answer->text = view_of(answer + 1, room);
    return answer;
}

static void answer_send(struct answer *answer)
{
    struct job_call *call = answer->call;

    call->answered = answer->kind == ANSWER_DONE;
    io_shard_send(call->at->options.shard, call->from->options.shard->index, &answer->mail, answer_deliver);
}

static struct answer *answer_text(struct job_call *call, enum answer_kind kind, struct view text)
{
    struct answer *answer = answer_new(call, kind, text.len);

    if (text.len > 0) {
        memcpy(answer + 1, text.base, text.len);
    }
    return answer;
}

void job__answer_statement(struct job_call *call, size_t index, bool is_table, struct view text, const char *job_id)
{
    struct answer *answer = answer_text(call, ANSWER_STATEMENT, text);

    answer->index = index;
    answer->is_table = is_table;
    answer->has_job_id = job_id != NULL;
    if (job_id != NULL) {
        (void)snprintf(answer->job_id, sizeof(answer->job_id), "%s", job_id);
    }
    answer_send(answer);
}

void job__answer_columns(struct job_call *call, const char *const *names, const char *const *types, uint32_t count,
                         struct view result_mode)
{
    size_t         bytes = (size_t)count * 2 * sizeof(char *);
    struct answer *answer;
    char          *at;

    for (uint32_t i = 0; i < count; i++) {
        bytes += strlen(names[i]) + strlen(types[i]) + 2;
    }
    answer = answer_new(call, ANSWER_COLUMNS, bytes);
    answer->column_count = count;
    (void)snprintf(answer->result_mode, sizeof(answer->result_mode), "%.*s", (int)result_mode.len,
                   (const char *)result_mode.base);
    answer->names = (const char **)(answer + 1);
    at = (char *)(answer->names + (size_t)count * 2);
    for (uint32_t i = 0; i < 2 * count; i++) {
        const char *from = i < count ? names[i] : types[i - count];
        size_t      len = strlen(from) + 1;

        memcpy(at, from, len);
        answer->names[i] = at;
        at += len;
    }
    answer_send(answer);
}

void job__answer_rows(struct job_call *call, struct view json_lines, void (*taken)(void *context, bool more),
                      void *context)
{
    struct answer *answer = answer_text(call, ANSWER_ROWS, json_lines);

    answer->taken = taken;
    answer->taken_context = context;
    answer_send(answer);
}

void job__answer_job(struct job_call *call, const struct job_facts *facts)
{
    size_t         bytes = facts->name.len + facts->statement.len + facts->failure.len + facts->plan.len;
    struct answer *answer = answer_new(call, ANSWER_JOB, bytes);
    struct view *texts[] = {&answer->facts.name, &answer->facts.statement, &answer->facts.failure, &answer->facts.plan};
    uint8_t     *at = (uint8_t *)(answer + 1);

    answer->facts = *facts;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i]->len > 0) {
            memcpy(at, texts[i]->base, texts[i]->len);
        }
        *texts[i] = view_of(at, texts[i]->len);
        at += texts[i]->len;
    }
    answer_send(answer);
}

void job__answer_progress(struct job_call *call, uint64_t records_in, int64_t watermark_us)
{
    struct answer *answer = answer_new(call, ANSWER_PROGRESS, 0);

    answer->records_in = records_in;
    answer->watermark_us = watermark_us;
    answer_send(answer);
}

void job__answer_done(struct job_call *call, size_t failed_statement, int error, const char *message)
{
    struct answer *answer = answer_text(call, ANSWER_DONE, message == NULL ? (struct view){0} : view_text(message));

    answer->index = failed_statement;
    answer->error = error;
    answer->failed = message != NULL;
    answer_send(answer);
}
