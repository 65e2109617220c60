/* job_worker.h: one shard's share of a run: what job_worker.c and job_worker_turn.c share; private to compute/job.
 *
 *   states:   NEW -> STARTING -> RUNNING -> STOPPING -> GONE; STARTING and RUNNING may fail: FAILED waits for STOP
 *
 * The struct is made by the controller's shard, lives on the worker's between START and GONE, and is freed by the
 * controller's when all workers of the run are gone. Other workers read `asleep` and send it wakes. */
#ifndef MILLRACE_JOB_WORKER_H
#define MILLRACE_JOB_WORKER_H

#include "compute/job/job_source.h"
#include "compute/job/job_state.h"
#include "compute/job/job_times.h"

enum job_worker_state { WORKER_NEW, WORKER_STARTING, WORKER_RUNNING, WORKER_FAILED, WORKER_STOPPING, WORKER_GONE };

enum job_worker_sleep {
    WORKER_AWAKE,   /* or will wake by itself */
    WORKER_ASLEEP,  /* nothing to do until more comes */
    WORKER_BLOCKED, /* what it has sent does not fit: until others have taken some */
};

struct job_report {
    struct io_mail       mail;
    struct job_worker   *worker;
    enum job_report_kind kind;
    int64_t              epoch;
    struct job_share    *share;
};

/* Tells another worker that there is something for it. One for each pair. */
struct job_wake {
    struct io_mail     mail;
    struct job_worker *from, *to;
    bool               away, again; /* under way; once more when it is home */
};

struct job_worker {
    struct job_run       *run;
    uint32_t              index; /* = shard */
    enum job_worker_state state;
    struct job_shard     *jobs; /* the worker's shard's, from START on */
    struct exec_worker   *exec;
    struct job_sources   *sources;
    struct job_sinks     *sinks;
    struct job_state     *keeper; /* NULL: the plan keeps no state */
    /* mail from the controller, each kind once under way */
    struct io_mail start_mail, barrier_mail, committed_mail, stop_mail;
    int64_t        barrier_epoch, committed_epoch;
    bool           stop_aborts;
    /* mail to it */
    struct job_report reports[JOB_REPORT_GONE + 1];
    char              message[JOB_MESSAGE_BYTES]; /* of FAILED */
    bool              failed;
    /* mail among workers */
    struct job_wake *wakes; /* by worker */
    uint32_t         wakes_away;
    uint32_t         asleep; /* atomic, enum job_worker_sleep */
    /* turns */
    struct job_pace_worker pace;
    bool                   posted; /* has something to do */
    struct timer           timer;
    int64_t                row_ns;      /* what a row costs, smoothed; 0: not known yet */
    bool                   is_resting;  /* cpu_percent: only the timer wakes it */
    int64_t                flushed_ns;  /* changelogs came out */
    int64_t                sent_ns;     /* sinks were flushed */
    int64_t                told_ms;     /* time was told to the engine */
    bool                   wants_time;  /* also while nothing is pushed */
    bool                   has_pushed;  /* since flushed_ns */
    bool                   has_written; /* since sent_ns */
    bool                   flushing;    /* changelogs are coming out */
    bool                   finished;    /* the engine says so */
    /* the barrier */
    bool              barrier_asked, in_barrier;
    bool              saving;  /* the engine stands still until its state is taken */
    struct job_share *share;   /* being put together */
    uint32_t          missing; /* parts of it */
    bool              share_bad;
    /* the end */
    bool                      ending_sinks;
    struct job_worker_figures figures; /* atomics */
    struct job_worker_times   times;
};

/* job_worker_turn.c: a turn is posted, once. */
void job__worker_wake(struct job_worker *worker);
/* Tells the workers that sleep about what is there for them. */
void job__worker_wake_others(struct job_worker *worker);
/* job_worker.c */
void job__worker_fail(struct job_worker *worker, const char *message);
void job__worker_report(struct job_worker *worker, enum job_report_kind kind, int64_t epoch, struct job_share *share);
/* The next step of stopping, if it is time. */
void job__worker_drain(struct job_worker *worker);

static inline void job__figure_set(uint64_t *figure, uint64_t value)
{
    __atomic_store_n(figure, value, __ATOMIC_RELAXED);
}

#endif
