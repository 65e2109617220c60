/* Readers of a topic that jobs write to exactly once: held back while a transaction is open, never by a job that is
 * paused, cancelled, stopped, failed, deleted, or that a start of the broker finds. */
#include "tests/unit/job/job_rig.h"

#include "compute/job/job_internal.h"

#include <stdio.h>

#define PARTITIONS  4
#define PATIENCE_NS (30 * NS_PER_S)

/* The first job's epochs are so long that what it has written stays open. */
#define LONG_EPOCHS "SET 'execution.checkpointing.interval' = '1 h';"
#define TABLES                                                                                         \
    "CREATE TABLE src (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json', "     \
    "'scan.startup.mode' = 'earliest-offset');"                                                        \
    "CREATE TABLE snk (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'shared', 'format' = 'json', " \
    "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x');"
#define INSERT "INSERT INTO snk SELECT n FROM src;"

static struct job_answers answers;
static char               job_id[JOB_ID_TEXT_BYTES];

/* Over the partitions that are open on some shard: whether readers of committed data see all there is. */
static bool readers_see_all(void *context)
{
    size_t seen = 0;

    MAYBE(context == NULL);
    for (uint32_t s = 0; s < job_rig.broker.shard_count; s++) {
        for (int32_t p = 0; p < PARTITIONS; p++) {
            struct part *part = part_find(broker_jobs(job_rig.broker.broker, s)->options.parts, view_text("shared"), p);

            if (part != NULL) {
                seen++;
                if (part_last_stable_offset(part) != part_high_watermark(part)) {
                    return false;
                }
            }
        }
    }
    assert_int_equal(seen, PARTITIONS);
    return true;
}

static bool readers_are_held(void *context)
{
    return !readers_see_all(context);
}

/* A job whose transaction is open. */
static void begin(uint64_t seed)
{
    job_rig_create(seed, 2, NULL);
    job_rig_topic("in", 2);
    job_rig_topic("shared", PARTITIONS);
    if (!job_rig_do(&answers, JOB_REQUEST_SCRIPT, LONG_EPOCHS TABLES INSERT)) {
        fail_msg("%s", answers.request.message);
    }
    memcpy(job_id, answers.job_id, sizeof(job_id));
    job_rig_value("in", 0, "{\"n\":1}");
    job_rig_value("in", 1, "{\"n\":2}");
    assert_true(rig_until(&job_rig.broker, readers_are_held, NULL, PATIENCE_NS));
    assert_string_equal(job_rig_committed("shared"), "");
}

static void expect_all_seen(const char *values)
{
    assert_true(rig_until(&job_rig.broker, readers_see_all, NULL, PATIENCE_NS));
    job_rig_expect("shared", values);
}

static int tear_down(void **state)
{
    (void)state;
    job_rig_destroy();
    return 0;
}

static void paused_and_stopped_jobs_commit(void **state)
{
    (void)state;
    begin(31);
    assert_true(job_rig_do(&answers, JOB_REQUEST_PAUSE, job_id));
    assert_true(job_rig_status(job_id, JOB_SUSPENDED, &answers));
    expect_all_seen("{\"n\":1}\n{\"n\":2}\n");
    assert_true(job_rig_do(&answers, JOB_REQUEST_RESUME, job_id));
    job_rig_value("in", 0, "{\"n\":3}");
    assert_true(rig_until(&job_rig.broker, readers_are_held, NULL, PATIENCE_NS));
    assert_true(job_rig_do(&answers, JOB_REQUEST_STOP, job_id));
    assert_true(job_rig_status(job_id, JOB_FINISHED, &answers));
    expect_all_seen("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

static void cancelled_and_deleted_jobs_abort(void **state)
{
    (void)state;
    begin(32);
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, job_id));
    assert_true(job_rig_status(job_id, JOB_CANCELED, &answers));
    expect_all_seen("");
    assert_true(job_rig_do(&answers, JOB_REQUEST_DELETE, job_id));
    expect_all_seen("");
}

static void failed_jobs_abort(void **state)
{
    (void)state;
    begin(33);
    job_rig_value("in", 0, "no JSON");
    assert_true(job_rig_status(job_id, JOB_RESTARTING, &answers));
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, job_id));
    assert_true(job_rig_status(job_id, JOB_CANCELED, &answers));
    expect_all_seen("");
}

/* Before anybody is served: what the crash left open is ended, whatever becomes of the job. */
static void a_start_ends_what_is_open(void **state)
{
    (void)state;
    begin(34);
    assert_true(job_rig_do(&answers, JOB_REQUEST_PAUSE, job_id));
    assert_true(job_rig_status(job_id, JOB_SUSPENDED, &answers));
    assert_true(job_rig_do(&answers, JOB_REQUEST_RESUME, job_id));
    job_rig_value("in", 0, "{\"n\":3}");
    assert_true(rig_until(&job_rig.broker, readers_are_held, NULL, PATIENCE_NS));
    job_rig_restart(7, true);
    /* The job runs again and writes the same row again; nothing of its last run is in the way. */
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, job_id));
    assert_true(job_rig_status(job_id, JOB_CANCELED, &answers));
    expect_all_seen("{\"n\":1}\n{\"n\":2}\n");
}

int main(void)
{
#define READERS_TEST(function) cmocka_unit_test_teardown(function, tear_down)
    const struct CMUnitTest tests[] = {
        READERS_TEST(paused_and_stopped_jobs_commit),
        READERS_TEST(cancelled_and_deleted_jobs_abort),
        READERS_TEST(failed_jobs_abort),
        READERS_TEST(a_start_ends_what_is_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
