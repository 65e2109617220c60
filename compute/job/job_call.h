/* job_call.h: a request on its way between the shard that asked and the controller; private to compute/job.
 *
 * The request belongs to who asked and is touched on that shard only, with one exception: what it was given with (kind
 * and texts) is read by the controller. Answers travel as mails of their own, in order; the last is "done", after which
 * the controller has forgotten the call. */
#ifndef MILLRACE_JOB_CALL_H
#define MILLRACE_JOB_CALL_H

#include "compute/job/job_internal.h"

struct job_call {
    struct job_request *request;
    struct job_shard   *from, *at; /* who asked, who answers */
    struct io_mail      submit, cancel;
    bool                cancel_out, over; /* on the asker's shard */
    /* on the controller's shard */
    struct list_node link;
    void            *work;     /* what deals with it; NULL: nobody any more, or not yet */
    bool             canceled; /* the asker has gone */
    bool             answered;
    void (*on_cancel)(struct job_call *call); /* or NULL */
};

/* All copy what they are given. */
void job__answer_statement(struct job_call *call, size_t index, bool is_table, struct view text, const char *job_id);
void job__answer_columns(struct job_call *call, const char *const *names, const char *const *types, uint32_t count,
                         struct view result_mode);
/* taken (or NULL): from the loop, when the client has them; more false: it wants no more. */
void job__answer_rows(struct job_call *call, struct view json_lines, void (*taken)(void *context, bool more),
                      void *context);
void job__answer_job(struct job_call *call, const struct job_facts *facts);
/* What a statement that runs has done so far: request->records_in and watermark_us. */
void job__answer_progress(struct job_call *call, uint64_t records_in, int64_t watermark_us);
/* The call is dead for the controller afterwards. message NULL: all well. */
void job__answer_done(struct job_call *call, size_t failed_statement, int error, const char *message);

#endif
