/* job_state.h: one worker's state in its partition of the job log; private to compute/job.
 *
 * What exec_worker_save() hands out becomes records in lz4 batches. A record's key: version 1, node and table (u32,
 * little-endian), the engine's key; its value is the engine's, null when the key is gone. Nobody else writes to the
 * partition, so the batches of one epoch are a range of offsets; what an incarnation wrote that was never committed
 * stays between two ranges and is passed over.
 *
 * Increments grow until they outweigh what they change; then the next save writes everything, and once that is
 * committed the log is cut below it. */
#ifndef MILLRACE_JOB_STATE_H
#define MILLRACE_JOB_STATE_H

#include "compute/job/job_internal.h"

#define JOB_STATE_BATCH_BYTES    ((size_t)(64 * KIB)) /* before compression: 0.2 ms; a record may be longer */
#define JOB_STATE_READ_BYTES     ((size_t)MIB)
#define JOB_STATE_SNAPSHOT_BYTES (64 * MIB) /* of increments, at least, before a snapshot */
#define JOB_STATE_PIECE_RECORDS  250        /* taken from the engine at a time */
#define JOB_STATE_APPENDS_MAX    64         /* batches under way */

enum job_state_more {
    JOB_STATE_MORE, /* call again */
    JOB_STATE_FULL, /* when ready() is called */
    JOB_STATE_ALL,  /* the engine may go on */
};

struct job_state;

/* done: from the loop. After good == false: job__state_failure(). */
typedef void job_state_done_fn(void *context, bool good);

/* ready, from the loop: job__state_save_more() may go on, or, while stopping, all has come home. */
struct job_state *job__state_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                    void (*ready)(void *context), void *context);
void              job__state_destroy(struct job_state *state); /* idle; NULL is allowed */
bool              job__state_idle(const struct job_state *state);
/* Reads what run->from names into the engine. */
void job__state_load(struct job_state *state, job_state_done_fn *done);
/* From the barrier on, until job__state_save_more() says that it is over, the engine's worker is not touched otherwise.
 * done when all is durable; then the share names it. */
void                job__state_save(struct job_state *state, struct job_share *share, job_state_done_fn *done);
enum job_state_more job__state_save_more(struct job_state *state);
/* The newest save is committed. */
void        job__state_committed(struct job_state *state);
const char *job__state_failure(const struct job_state *state); /* NULL: all well */
uint64_t    job__state_bytes(const struct job_state *state);   /* written so far */
/* What is under way comes home; then ready() is called. */
void job__state_stop(struct job_state *state);

#endif
