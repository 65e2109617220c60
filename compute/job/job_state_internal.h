/* job_state_internal.h: what job_state.c and job_state_load.c share. */
#ifndef MILLRACE_JOB_STATE_INTERNAL_H
#define MILLRACE_JOB_STATE_INTERNAL_H

#include "compute/job/job_state.h"
#include "core/base/bytes.h"

#define JOB_STATE_VERSION   1
#define JOB_STATE_KEY_BYTES 9 /* version, node, table */

struct state_batch;

struct job_state {
    struct job_shard   *jobs;
    struct job_run     *run;
    uint32_t            worker;
    struct exec_worker *exec;
    void               *context;
    job_state_done_fn  *done;
    void (*ready)(void *context);
    bool         stopping;
    size_t       under_way; /* appends, reads, posts, cuts */
    struct io_op posted;
    /* saving */
    struct job_share      *share;
    struct list_node       batches;
    struct state_batch    *building;
    struct arena           scratch; /* while saving */
    struct job_state_range range;   /* of the newest save */
    size_t                 appends;
    int64_t                now_ms;
    bool                   saving; /* the engine has more */
    bool                   is_snapshot, cutting;
    uint64_t               saved_bytes;     /* of the save at hand */
    uint64_t               increment_bytes; /* since the newest snapshot */
    uint64_t               snapshot_bytes;
    uint64_t               written_bytes; /* atomic */
    /* loading */
    size_t           range_at; /* in run->from->states */
    int64_t          next_offset;
    struct part_read read;
    char             failure[JOB_MESSAGE_BYTES];
};

bool         job__state_fail(struct job_state *state, const char *format, ...) PRINTF_LIKE(2, 3);
void         job__state_home(struct job_state *state);
struct part *job__state_part(struct job_state *state);

#endif
