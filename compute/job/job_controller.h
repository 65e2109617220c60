/* job_controller.h: the machine over `__millrace_jobs`: what its files share; private to compute/job. */
#ifndef MILLRACE_JOB_CONTROLLER_H
#define MILLRACE_JOB_CONTROLLER_H

#include "compute/job/job_call.h"

struct job_controller {
    struct job_shard *jobs;
};

/* The shard that leads `__millrace_jobs`, or will. */
uint32_t job__leader(const struct job_shard *jobs);

struct job_controller *job__controller_create(struct job_shard *jobs);
void                   job__controller_destroy(struct job_controller *controller); /* NULL is allowed */
void job__controller_resolve(struct job_controller *controller, void (*done)(void *context, int result), void *context);
void job__controller_open(struct job_controller *controller);
void job__controller_close(struct job_controller *controller, void (*done)(void *context, int result), void *context);
/* A request has come. */
void job__controller_take(struct job_shard *jobs, struct job_call *call);

#endif
