/* job_record.h: the records of `__millrace_jobs`, to bytes and back (core/proto/schema/job); private to compute/job.
 *
 * Pure. What comes from the disk is checked: a status that is none, a negative count, a worker that is not there are
 * JOB_RECORD_DAMAGED; what a later release wrote is JOB_RECORD_OTHER. */
#ifndef MILLRACE_JOB_RECORD_H
#define MILLRACE_JOB_RECORD_H

#include "compute/job/job_internal.h"

enum job_wanted { JOB_WANTED_RUNNING, JOB_WANTED_PAUSED, JOB_WANTED_ENDED, JOB_WANTED_COUNT };

/* A job as its record has it. Texts belong to who has it: of a record read they point into the record. */
struct job_definition {
    struct view     name;
    struct view     script;    /* all that it takes: CREATE statements, SETs, then the statement */
    struct view     statement; /* as it was submitted */
    enum job_wanted wanted;
    enum job_status status; /* as of the record: of a running one RUNNING, whatever it does at the moment */
    uint32_t        worker_count;
    int64_t         first_producer_id; /* worker w, parity p: + JOB_PRODUCERS * w + p */
    int16_t         producer_epoch;
    uint32_t        incarnation;
    uint64_t        restarts;
    int64_t         created_ms, start_ms, end_ms; /* end -1: it goes on */
    struct view     failure;                      /* of the newest; empty: none */
    int64_t         failure_ms;                   /* -1: none */
    struct view     from_savepoint;               /* empty: none */
    struct view
        log_id; /* whose log has its state: its own id, that of the job it goes on from; empty: another has it */
};

struct job_commit {
    int64_t          epoch;
    uint32_t         incarnation;
    int64_t          commit_ms, duration_ms;
    bool             finished; /* nothing comes after it */
    struct job_share share;    /* of all workers together */
};

enum job_record_kind {
    JOB_RECORD_OTHER,
    JOB_RECORD_DAMAGED,
    JOB_RECORD_OBJECT,
    JOB_RECORD_DEFINITION,
    JOB_RECORD_COMMIT,
    JOB_RECORD_SAVEPOINT,
};

struct job_record {
    enum job_record_kind kind;
    bool                 tombstone;
    struct view          key; /* the object's name, the job's id, the savepoint's name */
    union {
        struct {
            int64_t     position; /* order of creation: a view stands behind its tables */
            struct view statement;
        } object;
        struct job_definition definition;
        struct job_commit     commit; /* arrays in the arena */
        struct {
            struct view id;
            int64_t     created_ms;
            struct view definition, commit; /* values of such records */
        } savepoint;
    };
};

/* Views point into key and value, arrays into the arena. */
void job__record_read(struct arena *arena, struct view key, struct view value, struct job_record *out_record);
/* A definition's or a commit's value alone (a savepoint has both). False: damaged. */
MUST_USE bool job__record_definition(struct arena *arena, struct view value, struct job_definition *out_definition);
MUST_USE bool job__record_commit(struct arena *arena, struct view value, struct job_commit *out_commit);
/* In the arena; false over its budget. tombstone: the value's base is NULL. */
MUST_USE bool job__record_write(struct arena *arena, const struct job_record *record, struct view *out_key,
                                struct view *out_value);

/* All arrays of a share are MEM_JOB's. */
struct job_share *job__share_copy(const struct job_share *share);

#endif
