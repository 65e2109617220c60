/* Jobs on a full disk, through a whole broker: whichever append is refused first (a sink's, the job log's, that of the
 * commit record), the job says so or waits, readers and topics that can be read are as before, and when there is room
 * again everything goes on by itself: nothing doubled, nothing lost. docs/sql/jobs.md states it. */
#include "tests/unit/job/job_rig.h"

#include "core/proto/kp_messages.h"

#include <stdio.h>

#define KAFKA(name, columns, topic)                                                      \
    "CREATE TABLE " name " (" columns ") WITH ('connector' = 'kafka', 'topic' = '" topic \
    "', 'format' = 'json', 'properties.bootstrap.servers' = 'x:1', "
#define SOURCE "'properties.group.id' = 'readers', 'scan.startup.mode' = 'earliest-offset');"
#define ONCE   "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'once');"
#define BIDS   KAFKA("bids", "auction BIGINT, price BIGINT", "bids") SOURCE
#define UPSERTS                                                                                             \
    "CREATE TABLE sums (auction BIGINT, n BIGINT, PRIMARY KEY (auction) NOT ENFORCED) WITH ('connector' = " \
    "'upsert-kafka', 'topic' = 'sums', 'key.format' = 'json', 'value.format' = 'json', "                    \
    "'properties.bootstrap.servers' = 'x:1', "

/* Rows come out at once: what is refused first is the commit record, with a transaction open. */
#define COPY                                                            \
    BIDS KAFKA("copies", "auction BIGINT, price BIGINT", "copies") ONCE \
        "INSERT INTO copies SELECT auction, price FROM bids;"
/* Rows come out after two seconds: the sink's append. */
#define SUMS                                                                                                       \
    BIDS UPSERTS ONCE                                                                                              \
        "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.allow-latency' = '2 s';"         \
        "SET 'table.exec.mini-batch.size' = '1000'; INSERT INTO sums SELECT auction, COUNT(*) FROM bids GROUP BY " \
        "auction;"
/* No rows: the job log's append. */
#define STATE                                                                                \
    BIDS "CREATE TABLE nothing (auction BIGINT, n BIGINT) WITH ('connector' = 'blackhole');" \
         "INSERT INTO nothing SELECT auction, COUNT(*) FROM bids GROUP BY auction;"

#define BIDS_BEFORE 20
#define BIDS_UNREAD 30 /* with those before; come while jobs are paused */
#define BIDS_ALL    40
#define FULL_NS     (20 * NS_PER_S)

enum { A_COPY, SOME_SUMS, ONLY_STATE, JOBS };

static struct job_answers answers;
static char               jobs[JOBS][JOB_ID_TEXT_BYTES];

static void must(int job, const char *script)
{
    if (!job_rig_do(&answers, JOB_REQUEST_SCRIPT, script)) {
        fail_msg("%s", answers.request.message);
    }
    memcpy(jobs[job], answers.job_id, sizeof(jobs[job]));
}

static void bids(int first, int end)
{
    char text[64];

    for (int i = first; i < end; i++) {
        (void)snprintf(text, sizeof(text), "{\"auction\":%d,\"price\":%d}", i % 3, i);
        job_rig_value("bids", i % 2, text);
    }
}

/* Sorted as texts, as the reader's are. */
static const char *copies(int end)
{
    static char text[8192];
    size_t      len = 0;

    for (int auction = 0; auction < 3; auction++) {
        for (int i = 10; i < end; i++) { /* two digits: the order of texts is that of numbers */
            if (i % 3 == auction) {
                len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"auction\":%d,\"price\":%d}\n", auction, i);
            }
        }
    }
    return text;
}

static int set_up(void **state UNUSED)
{
    /* An epoch is longer than a look at the free space counts. */
    static const char *const settings[] = {"millrace.job.epoch.interval.ms=4000", NULL};

    job_rig_create(41, 2, settings);
    job_rig_topic("bids", 2);
    job_rig_topic("copies", 2);
    job_rig_topic("sums", 1);
    must(A_COPY, COPY);
    must(SOME_SUMS, SUMS);
    must(ONLY_STATE, STATE);
    bids(10, BIDS_BEFORE);
    job_rig_expect("copies", copies(BIDS_BEFORE));
    return 0;
}

static int tear_down(void **state UNUSED)
{
    job_rig_destroy();
    return 0;
}

static int16_t try_to_produce(void)
{
    struct rig_client *client = rig_connect(&job_rig.broker, 0);
    int16_t            error = -1;

    for (int32_t partition = 0; partition < 2; partition++) {
        rig_client_reset(client);
        error = rig_produce(client, "bids", partition, rig_batch(&client->scratch, "{}", 1, -1, -1, -1), NULL);
        if (error != KP_ERR_NOT_LEADER_OR_FOLLOWER) {
            break;
        }
    }
    rig_client_free(client);
    return error;
}

/* They say so, each by name, and try again. */
static void jobs_wait(void)
{
    for (int job = 0; job < JOBS; job++) {
        assert_true(job_rig_do(&answers, JOB_REQUEST_SHOW, jobs[job]));
        assert_true(answers.facts.status == JOB_RESTARTING || answers.facts.status == JOB_INITIALIZING);
        if (strstr(answers.facts_failure, "disk is full") == NULL) {
            fail_msg("job %d: %s", job, answers.facts_failure);
        }
    }
}

/* The last counts of a key are the sum; the reader's list has all, sorted. */
static void assert_sums(void)
{
    const char *last = "{\"auction\":0,\"n\":10}\n";

    for (int tries = 0; tries < 600 && strstr(job_rig_committed("sums"), last) == NULL; tries++) {
        rig_run(&job_rig.broker, 100 * NS_PER_MS);
    }
    assert_non_null(strstr(job_rig_committed("sums"), last));
    assert_non_null(strstr(job_rig_committed("sums"), "{\"auction\":1,\"n\":10}\n"));
    assert_non_null(strstr(job_rig_committed("sums"), "{\"auction\":2,\"n\":10}\n"));
    assert_null(strstr(job_rig_committed("sums"), "\"n\":11}"));
}

static void fill_disk(uint64_t left_bytes)
{
    sim_set_capacity(job_rig.broker.sim, 0, sim_used_bytes(job_rig.broker.sim, 0) + left_bytes);
}

static void make_room(void)
{
    sim_set_capacity(job_rig.broker.sim, 0, sim_used_bytes(job_rig.broker.sim, 0) + 4 * GIB);
}

static void all_go_on(void)
{
    bids(BIDS_UNREAD, BIDS_ALL);
    job_rig_expect("copies", copies(BIDS_ALL));
    assert_sums();
    for (int job = 0; job < JOBS; job++) {
        assert_true(job_rig_status(jobs[job], JOB_RUNNING, &answers));
    }
}

/* Other topics can be read, and are asked for; what was committed stands. */
static void readers_do_not_notice(void)
{
    assert_string_equal(job_rig_committed("copies"), copies(BIDS_BEFORE));
}

static void fill_and_go_on(uint64_t left_bytes)
{
    bids(BIDS_BEFORE, BIDS_UNREAD);
    fill_disk(left_bytes);
    rig_run(&job_rig.broker, FULL_NS);
    assert_int_equal(try_to_produce(), KP_ERR_KAFKA_STORAGE_ERROR);
    jobs_wait();
    readers_do_not_notice();
    make_room();
    rig_run(&job_rig.broker, 2 * NS_PER_S);
    all_go_on();
}

/* Below millrace.free.bytes.min every append is refused before anything is written. */
static void appends_are_refused(void **state UNUSED)
{
    fill_and_go_on(512 * KIB);
}

/* Not a byte is left when the disk is asked. */
static void writes_fail(void **state UNUSED)
{
    fill_and_go_on(0);
}

/* The broker ends and begins again while the disk is full, cleanly or not. */
static void starts_while_full(void **state UNUSED)
{
    bids(BIDS_BEFORE, BIDS_UNREAD);
    fill_disk(512 * KIB);
    rig_run(&job_rig.broker, FULL_NS);
    job_rig_restart(5, true);
    rig_run(&job_rig.broker, FULL_NS);
    job_rig_stop_start();
    readers_do_not_notice();
    make_room();
    rig_run(&job_rig.broker, 2 * NS_PER_S);
    all_go_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(starts_while_full, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
