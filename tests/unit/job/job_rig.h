/* job_rig.h: a whole broker in the simulated world, and somebody who gives it statements. */
#ifndef MILLRACE_TESTS_JOB_RIG_H
#define MILLRACE_TESTS_JOB_RIG_H

#include "tests/support/unit.h"

#include "compute/job/job.h"
#include "tests/support/broker_rig.h"

#define JOB_RIG_TEXT_BYTES (64 * KIB)

struct job_rig {
    struct broker_rig  broker;
    struct rig_client *client;
    struct arena       arena;
};

/* The answers to one request, in order. */
struct job_answers {
    struct job_request request;
    bool               done;
    size_t             statements;
    char               job_id[JOB_ID_TEXT_BYTES]; /* of the newest INSERT */
    char               text[JOB_RIG_TEXT_BYTES];  /* statements' texts, columns and rows, a line each */
    size_t             text_len;
    size_t             rows_max; /* the client goes after so many calls of rows; 0: never */
    size_t             rows_calls;
    size_t             jobs;
    struct job_facts   facts; /* of the newest job; its texts are in facts_text */
    char               facts_failure[JOB_MESSAGE_BYTES], facts_name[256];
};

extern struct job_rig job_rig;

void job_rig_create(uint64_t seed, uint32_t shards, const char *const *settings);
void job_rig_destroy(void);
/* A crash and a start. */
void job_rig_restart(uint64_t seed, bool cut_power);
/* A clean one. */
void job_rig_stop_start(void);
void job_rig_topic(const char *name, int32_t partitions);
/* One record with this value. */
void job_rig_value(const char *topic, int32_t partition, const char *value);

/* Gives a request to `shard` and does not wait. */
void job_rig_begin(struct job_answers *answers, uint32_t shard, enum job_request_kind kind, const char *session,
                   const char *text);
/* Waits until it is done; true: it did not fail. */
bool job_rig_wait(struct job_answers *answers);
/* Both, on shard 0 and without a session. */
bool job_rig_do(struct job_answers *answers, enum job_request_kind kind, const char *text);
/* SHOW until the job has this status, for 60 s at most. */
bool job_rig_status(const char *job_id, enum job_status status, struct job_answers *answers);

/* All values of the topic that a read_committed reader sees, sorted, a line each; tombstones as "null". Lives until the
 * next call. */
const char *job_rig_committed(const char *topic);
/* Until that is as given, for 60 s at most; fails the test otherwise. */
void job_rig_expect(const char *topic, const char *expected);

#endif
