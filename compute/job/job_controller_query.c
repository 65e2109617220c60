/* SELECT: a run whose rows go to the client; in no log, and over when the client goes. */
#include "compute/job/job_controller.h"

#include <stdio.h>

#define TYPE_BYTES 512

struct query_rows {
    struct job *job;
    bool        is_last;
    void (*taken)(void *context, bool more);
    void *context;
};

uint64_t job__query_limit(const struct sql_plan *plan)
{
    const struct exec_node *input = plan->sinks[0].node->inputs[0];

    return input->kind == EXEC_LIMIT ? input->limit.row_count : UINT64_MAX;
}

static void query_columns(struct job *job)
{
    const struct exec_node *sink = job->run->plan->sinks[0].node;
    const char            **texts = mem_alloc(MEM_JOB, (size_t)sink->column_count * 2 * sizeof(char *));
    char                    type[TYPE_BYTES];

    for (uint32_t i = 0; i < sink->column_count; i++) {
        (void)vec_type_format(sink->columns[i].type, type, sizeof(type));
        texts[i] = mem_copy_text(MEM_JOB, sink->columns[i].name);
        texts[i + sink->column_count] = mem_copy_text(MEM_JOB, view_text(type));
    }
    job__answer_columns(job->query_call, texts, texts + sink->column_count, sink->column_count,
                        sql_catalog_setting(job->planned.catalog, "sql-client.execution.result-mode"));
    for (uint32_t i = 0; i < 2 * sink->column_count; i++) {
        mem_free(MEM_JOB, (void *)(uintptr_t)texts[i]);
    }
    mem_free(MEM_JOB, texts);
}

static void query_taken(void *context, bool more)
{
    struct query_rows *rows = context;
    struct job        *job = rows->job;
    enum job_after     after = !more ? JOB_AFTER_CANCEL : rows->is_last ? JOB_AFTER_FINISH : JOB_AFTER_NOTHING;

    job->away--;
    rows->taken(rows->context, more);
    mem_free(MEM_JOB, rows);
    if (after != JOB_AFTER_NOTHING) {
        job__stop(job, after);
    }
}

void job__query_started(struct job *job)
{
    if (!job->has_columns) {
        job->has_columns = true;
        query_columns(job);
    }
}

void job__query_rows(struct job_run *run, struct view json_lines, bool is_last, void (*taken)(void *context, bool more),
                     void *context)
{
    struct job        *job = run->job;
    struct query_rows *rows = mem_alloc(MEM_JOB, sizeof(*rows));

    *rows = (struct query_rows){job, is_last, taken, context};
    job__query_started(job);
    job->away++;
    job__answer_rows(job->query_call, json_lines, query_taken, rows);
}

void job__query_progress(struct job *job)
{
    struct job_facts facts;

    job__facts(job, &facts);
    job__answer_progress(job->query_call, facts.records_in, facts.watermark_us);
}

/* --- life ------------------------------------------------------------------------------------------------------------
 */

static void query_canceled(struct job_call *call)
{
    job__stop(call->work, JOB_AFTER_CANCEL);
}

void job__query_begin(struct job_controller *controller, struct job_call *call, struct view script,
                      void (*over)(struct job *job, const char *failure), void *context)
{
    struct job *job = mem_alloc(MEM_JOB, sizeof(*job));
    uint8_t     random[(JOB_ID_TEXT_BYTES - 1) / 2];

    io_random(job__io(controller->jobs), span_of(random, sizeof(random)));
    for (size_t i = 0; i < sizeof(random); i++) {
        (void)snprintf(job->id + 2 * i, 3, "%02x", random[i]);
    }
    job->controller = controller;
    job->is_query = true;
    job->query_call = call;
    job->query_over = over;
    job->query_context = context;
    list_init(&job->waiters);
    list_init(&job->link);
    list_push_back(&controller->queries, &job->link);
    job__set_definition(job,
                        &(struct job_definition){.script = script,
                                                 .worker_count = meta_host(controller->jobs->options.meta)->shard_count,
                                                 .end_ms = -1,
                                                 .failure_ms = -1});
    call->work = job;
    call->on_cancel = query_canceled;
    job__start(job, true);
}

void job__query_end(struct job *job, enum job_after after)
{
    const char *failure = after == JOB_AFTER_FAIL     ? (const char *)job->definition.failure.base
                          : after == JOB_AFTER_FORGET ? "the broker is stopping"
                                                      : NULL;

    job->query_call->work = NULL;
    job->query_call->on_cancel = NULL;
    job->query_over(job, failure);
    job__free(job);
}
