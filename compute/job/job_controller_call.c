/* Requests that the controller deals with itself: lists, and verbs about one job. See job_controller.h. */
#include "compute/job/job_controller.h"

struct verb_call {
    struct job_waiter      waiter;
    struct job_controller *controller;
    struct job_call       *call;
};

static void verb_done(struct job_waiter *waiter, struct job *job, const char *failure)
{
    struct verb_call *verb = CONTAINER_OF(waiter, struct verb_call, waiter);

    job__answer_done(verb->call, 0, failure == NULL ? ERR_OK : job == NULL ? ERR_NOT_FOUND : ERR_BUSY, failure);
    mem_free(MEM_JOB, verb);
}

static void call_verb(struct job_controller *controller, struct job_call *call)
{
    struct verb_call *verb = mem_alloc(MEM_JOB, sizeof(*verb));

    verb->waiter.done = verb_done;
    verb->controller = controller;
    verb->call = call;
    list_init(&verb->waiter.link);
    job__verb(controller, call->request->kind, call->request->text, call->request->savepoint, &verb->waiter);
}

#define PLAN_BYTES ((size_t)(64 * KIB))

static void call_show_job(struct job_call *call, struct job *job)
{
    struct job_facts facts;
    char            *plan = NULL;

    job__facts(job, &facts);
    if (call->request->kind == JOB_REQUEST_SHOW && job->run != NULL && job->run->exec != NULL) {
        plan = mem_alloc(MEM_JOB, PLAN_BYTES);
        facts.plan = view_of(plan, MIN(job__explain(job, plan, PLAN_BYTES), PLAN_BYTES - 1));
    }
    job__answer_job(call, &facts);
    mem_free(MEM_JOB, plan);
}

/* Shown is what is durable: an empty commit waits for all that came before. */
static void call_show_now(void *context, int16_t error)
{
    struct job_call       *call = context;
    struct job_controller *controller = call->work;
    bool                   found = call->request->kind == JOB_REQUEST_LIST;

    if (error != 0) {
        job__answer_done(call, 0, ERR_IO, "the log of jobs cannot be read at the moment");
        return;
    }
    LIST_EACH(&controller->list, node) {
        struct job *job = LIST_ENTRY(node, struct job, link);

        if (call->request->kind == JOB_REQUEST_LIST || view_equal(call->request->text, view_text(job->id))) {
            call_show_job(call, job);
            found = true;
        }
    }
    job__answer_done(call, 0, found ? ERR_OK : ERR_NOT_FOUND, found ? NULL : "there is no such job");
}

void job__call_begin(struct job_controller *controller, struct job_call *call)
{
    switch (call->request->kind) {
    case JOB_REQUEST_SCRIPT:
        job__script_begin(controller, call);
        break;
    case JOB_REQUEST_LIST:
    case JOB_REQUEST_SHOW:
        call->work = controller;
        job__controller_commit(controller, call_show_now, call);
        break;
    default:
        call_verb(controller, call);
        break;
    }
}

/* There has never been a statement: nothing is made for those that only ask. */
void job__call_begin_empty(struct job_call *call)
{
    if (call->request->kind == JOB_REQUEST_LIST) {
        job__answer_done(call, 0, ERR_OK, NULL);
    } else {
        job__answer_done(call, 0, ERR_NOT_FOUND, "there is no such job");
    }
}
