/* sink_rig.h: a whole broker in the simulated world, and workers of a job that have only sinks: what they write, commit
 * and abort is told by the test. */
#ifndef MILLRACE_TESTS_SINK_RIG_H
#define MILLRACE_TESTS_SINK_RIG_H

#include "tests/support/unit.h"

#include "compute/job/job_internal.h"
#include "tests/support/broker_rig.h"

#define SINK_RIG_SHARDS    2
#define SINK_RIG_ROWS_MAX  20000
#define SINK_RIG_TEXT      256
#define SINK_RIG_FIRST_PID 5000

/* Scripts with one sink `snk` (k STRING, v BIGINT) to topic `out`; options begin with a comma. */
#define SINK_RIG_SOURCE \
    "CREATE TABLE src (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');\n"
#define SINK_RIG_EXACTLY "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x'"
#define SINK_RIG_APPEND(options)                                                                                      \
    SINK_RIG_SOURCE "CREATE TABLE snk (k STRING, v BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = " \
                    "'json'" options ");\nINSERT INTO snk SELECT k, v FROM src;"
#define SINK_RIG_UPSERT(options)                                                                                     \
    SINK_RIG_SOURCE "CREATE TABLE snk (k STRING, v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = "       \
                    "'upsert-kafka', 'topic' = 'out', 'key.format' = 'json', 'value.format' = 'json'" options ");\n" \
                    "INSERT INTO snk SELECT k, v FROM src;"

struct sink_worker {
    struct sink_rig  *rig;
    struct job_sinks *sinks;
    struct job_share  share;
    int               ready, awaits, marks, ends;
    bool              await_good, mark_good;
};

struct sink_rig {
    struct broker_rig   broker;
    struct rig_client  *client, *clients[SINK_RIG_SHARDS]; /* client: the first */
    struct arena        arena;                             /* the plan */
    struct sql_catalog *catalog;
    struct sql_plan    *plan;
    struct job_run      run;
    struct job_producer producers[SINK_RIG_SHARDS][JOB_PRODUCERS];
    struct sink_worker  workers[SINK_RIG_SHARDS];
    int                 resolved, prepared;
    int16_t             resolve_error;
    bool                prepare_good, lost;
    char                message[JOB_MESSAGE_BYTES];
};

/* script: CREATE TABLEs and one INSERT or statement set; sources have `k STRING, v BIGINT`. */
void sink_rig_create(struct sink_rig *rig, uint64_t seed, const char *script, const char *const *settings);
void sink_rig_destroy(struct sink_rig *rig);
/* False: the statement was refused by the SQL room, rig->message. */
void              sink_rig_plan(struct sink_rig *rig, const char *script);
struct job_shard *sink_rig_jobs(struct sink_rig *rig, uint32_t shard);
void              sink_rig_start(struct sink_rig *rig); /* broker and client */
void              sink_rig_topic(struct sink_rig *rig, const char *name, int32_t partitions, const char *config);

/* Producer ids of the next incarnation, and sinks for all workers. */
void sink_rig_open(struct sink_rig *rig);
/* job__sinks_end() for all, to its end. */
void sink_rig_end(struct sink_rig *rig, bool abort);
void sink_rig_end_begin(struct sink_rig *rig, uint32_t worker, bool abort);
/* One row (k may be NULL). False: rig->message. */
bool sink_rig_row(struct sink_rig *rig, uint32_t worker, uint32_t sink, const char *k, int64_t v,
                  enum vec_change change);
void sink_rig_begin(struct sink_rig *rig, int64_t epoch);
/* All workers; false: not good, or never. */
bool sink_rig_await(struct sink_rig *rig, int64_t epoch);
void sink_rig_await_begin(struct sink_rig *rig, int64_t epoch);
bool sink_rig_awaited(struct sink_rig *rig);
bool sink_rig_mark(struct sink_rig *rig, int64_t epoch, bool commit);
void sink_rig_mark_begin(struct sink_rig *rig, int64_t epoch, bool commit);
bool sink_rig_marked(struct sink_rig *rig);
/* The error. ranges: of the newest commit record. */
int16_t sink_rig_resolve(struct sink_rig *rig, const struct job_sink_range *ranges, size_t count);

/* One record of a topic as a reader sees it. */
struct sink_record {
    char    key[SINK_RIG_TEXT]; /* "null" for none */
    char    value[SINK_RIG_TEXT];
    int64_t offset, timestamp_ms;
    int64_t producer_id;
    int32_t sequence;
    int16_t codec;
};

struct sink_reading {
    struct sink_record *records; /* from mem_alloc(MEM_TEST) */
    size_t              count;
    int64_t             high_watermark, last_stable_offset;
};
struct sink_reading sink_rig_read(struct sink_rig *rig, const char *topic, int32_t partition, bool committed);
void                sink_rig_read_free(struct sink_reading *reading);

#endif
