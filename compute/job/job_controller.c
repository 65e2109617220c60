/* The controller: its log, its life, and who deals with a request. See job_controller.h. */
#include "compute/job/job_controller.h"

struct job_controller *job__controller_create(struct job_shard *jobs)
{
    struct job_controller *controller = mem_alloc(MEM_JOB, sizeof(*controller));

    controller->jobs = jobs;
    return controller;
}

void job__controller_destroy(struct job_controller *controller)
{
    mem_free(MEM_JOB, controller);
}

void job__controller_resolve(struct job_controller *controller, void (*done)(void *context, int result), void *context)
{
    (void)controller;
    done(context, ERR_OK);
}

void job__controller_open(struct job_controller *controller)
{
    (void)controller;
}

void job__controller_close(struct job_controller *controller, void (*done)(void *context, int result), void *context)
{
    (void)controller;
    done(context, ERR_OK);
}

void job__controller_take(struct job_shard *jobs, struct job_call *call)
{
    (void)jobs;
    job__answer_done(call, 0, call->request->kind == JOB_REQUEST_LIST ? NULL : "there is no such job");
}
