/* http_fake_job.h: a compute/job that answers as its script says. The first word counts:
 *
 *   NOTHING        done
 *   OK TEXT        one statement with that text
 *   TABLE          two columns, two rows
 *   JOB            a job was submitted
 *   FAIL           refused at statement 1, after statement 0
 *   SELECT N       columns, N rows, done
 *   STREAM         columns, then rows until the client goes
 *   FLOOD          the same as fast as it takes them, heeding full()
 *   HANG           nothing until it is cancelled
 *
 * Jobs: one that runs, FAKE_JOB_ID, and one that failed. Everything on the shard that asks. */
#ifndef MILLRACE_TEST_HTTP_FAKE_JOB_H
#define MILLRACE_TEST_HTTP_FAKE_JOB_H

#include "compute/job/job.h"

#define FAKE_JOB_ID    "00112233445566778899aabbccddeeff"
#define FAKE_FAILED_ID "ffeeddccbbaa99887766554433221100"

/* What was seen last; atomics, other threads look. */
extern uint32_t fake_cancel_count, fake_done_count, fake_kind;
extern uint64_t fake_row_count;
extern char     fake_session[64], fake_savepoint[64], fake_id[64];

struct job_facts fake_running(void);
struct job_facts fake_failed(void);
/* Where requests run. */
void fake_job_init(struct io_shard *shard);

#endif
