/* exec_worker.h: jobs and workers from within: what exec.c, exec_worker.c, exec_emit.c and exec_exchange.c share. */
#ifndef MILLRACE_EXEC_WORKER_H
#define MILLRACE_EXEC_WORKER_H

#include "compute/exec/exec_internal.h"
#include "compute/exec/exec_ring.h"
#include "compute/exec/exec_state.h"
#include "core/base/check.h"

enum exec_failed { EXEC_NOT_FAILED, EXEC_FAILING, EXEC_HAS_FAILED };

struct exec_job {
    const struct exec_plan *plan;
    struct exec_options     options;      /* defaults filled in */
    uint64_t                memory_bytes; /* atomic */
    uint32_t                failed;       /* atomic, enum exec_failed: the first to move it writes the failure */
    struct exec_failure     failure;
    struct exec_worker    **workers;
    struct exec_ring      **rings; /* by node, sender, receiver; NULL where there is no exchange, or one worker */
};

/* A partition that is being read. */
struct exec_opening {
    uint32_t scan, partition;
    bool     ended;
};

struct exec_worker {
    struct exec_job           *job;
    uint32_t                   index;
    struct arena               arena;
    struct exec_operator     **ops; /* by node; NULL: an exchange that one worker does not need */
    uint32_t                   op_count, finished_count;
    int64_t                    now_ms;
    bool                       has_pushed;
    bool                       is_opened;  /* all partitions of this worker are known */
    bool                       has_loaded; /* records of saved state */
    struct arena              *loading;    /* of one record */
    bool                       is_saving;  /* exec_worker_save_some() has not come to its end */
    uint32_t                   saving_node;
    struct exec_save           saving;
    uint32_t                   flush_left;    /* pieces, of the flush that is under way */
    uint32_t                   flush_node;    /* where exec_worker_flush_some() goes on */
    uint32_t                   owing_barrier; /* operators */
    uint32_t                   fire_left;     /* rows that operators may fire in this call: exec_hold.h */
    uint32_t                   holding_count; /* operators */
    bool                       in_barrier;
    int64_t                    barrier_epoch;
    uint32_t                   barrier_count; /* operators that have seen it */
    uint64_t                   sent;          /* to whom, since the driver asked */
    struct exec_opening       *openings;
    uint32_t                   opening_count, opening_capacity;
    const struct exec_opening *pushing; /* whose chunk is on its way */
    uint64_t                   verify_count;
    uint16_t                   identity[VEC_ROWS_MAX];
};

static inline struct exec_ring *exec__ring(const struct exec_job *job, uint32_t node, uint32_t sender,
                                           uint32_t receiver)
{
    uint32_t count = job->options.worker_count;

    return job->rings[((size_t)node * count + sender) * count + receiver];
}

static inline bool exec__job_failed(const struct exec_job *job)
{
    return __atomic_load_n(&job->failed, __ATOMIC_RELAXED) != EXEC_NOT_FAILED;
}

/* Adds to a counter that one worker writes and all may read. */
static inline void exec__count(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, *counter + value, __ATOMIC_RELAXED);
}

/* The failure of a job, by whoever comes first. */
void exec__job_fail(struct exec_job *job, const struct exec_failure *failure);

/* exec_worker.c: flushes an operator, in so many pieces at most; op->owes tells whether there is more. */
MUST_USE bool exec__flush(struct exec_operator *op, uint32_t pieces_max);

/* exec_emit.c: towards the users of an operator. */
MUST_USE bool exec__deliver_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us);
MUST_USE bool exec__deliver_finish(struct exec_operator *op);

/* exec_barrier.c */
/* The barrier comes through an input of the operator; behind its last one the operator is flushed, and its users see
 * it (an exchange's: when all senders' have come). */
MUST_USE bool exec__deliver_barrier(struct exec_operator *op);
/* The operator has seen it: on to its users. */
MUST_USE bool exec__pass_barrier(struct exec_operator *op);
/* A piece of what operators held back when the barrier came; true when there was something to do. */
MUST_USE bool exec__barrier_flush(struct exec_worker *worker, bool *out_did);
/* Behind a call into the worker: the driver hears that the worker is through. */
void exec__barrier_check(struct exec_worker *worker);

/* exec_state.c */
MUST_USE bool exec__worker_loaded(struct exec_worker *worker);
void          exec__state_free(struct exec_worker *worker);

/* exec_scan.c: the scan's sources are through, where they are. */
MUST_USE bool exec__scan_check_end(struct exec_operator *op);
/* exec_values.c: emits everything and finishes; true when there was something to do. */
MUST_USE bool exec__values_run(struct exec_operator *op, bool *out_did);
/* exec_watermark.c: partitions of the scan below. */
void          exec__watermark_open(struct exec_operator *op, uint32_t partition);
MUST_USE bool exec__watermark_end(struct exec_operator *op, uint32_t partition);
/* exec_exchange.c */
MUST_USE bool exec__exchange_receive(struct exec_operator *op, bool *out_did);
MUST_USE bool exec__exchange_send_held(struct exec_operator *op, bool *out_is_empty);
/* The sending half has seen the barrier. */
MUST_USE bool exec__exchange_barrier(struct exec_operator *op);
/* The epoch is over on this worker: rings may be read again. */
void exec__exchange_barrier_done(struct exec_operator *op);

#endif
