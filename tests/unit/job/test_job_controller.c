/* Jobs through a whole broker in the simulated world: statements, runs, epochs, what a restart finds
 * (job.c, job_call.c, job_controller.c and its parts, job_statement.c, job_statement_catalog.c, job_sink_query.c). */
#include "tests/unit/job/job_rig.h"

#include <stdio.h>

#define TABLES                                                                                                        \
    "CREATE TABLE bids (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', "                \
    "'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');" \
    "CREATE TABLE dear (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'dear', "                \
    "'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json', 'sink.delivery-guarantee' = "              \
    "'exactly-once', 'sink.transactional-id-prefix' = 'dear');"
#define INSERT "INSERT INTO dear SELECT auction, price * 2 FROM bids WHERE price > 10;"

static struct job_answers answers;

static int set_up(void **state)
{
    (void)state;
    job_rig_create(1, 2, NULL);
    job_rig_topic("bids", 3);
    job_rig_topic("dear", 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    job_rig_destroy();
    return 0;
}

static void bid(int32_t partition, int auction, int price)
{
    char text[100];

    (void)snprintf(text, sizeof(text), "{\"auction\":%d,\"price\":%d}", auction, price);
    job_rig_value("bids", partition, text);
}

static void must(const char *script)
{
    if (!job_rig_do(&answers, JOB_REQUEST_SCRIPT, script)) {
        fail_msg("%s", answers.request.message);
    }
}

static void test_nothing_is_made_by_questions(void **state)
{
    (void)state;
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_int_equal(answers.jobs, 0);
    assert_false(job_rig_do(&answers, JOB_REQUEST_SHOW, "0123"));
    assert_int_equal(answers.request.error, ERR_NOT_FOUND);
    assert_null(strstr(job_rig_committed(JOB_TOPIC), "\n"));
}

static void test_append_exactly_once(void **state)
{
    (void)state;
    must(TABLES INSERT);
    assert_int_equal(answers.statements, 3);
    bid(0, 1, 5);
    bid(1, 2, 20);
    job_rig_expect("dear", "{\"auction\":2,\"price\":40}\n");
    bid(2, 3, 30);
    job_rig_expect("dear", "{\"auction\":2,\"price\":40}\n{\"auction\":3,\"price\":60}\n");
}

/* --- restarts ----------------------------------------------------------------------------------------------------- */

static void test_a_crash_does_not_show(void **state)
{
    char expected[4096] = "";

    (void)state;
    must(TABLES INSERT);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 3; i++) {
            bid(i, 10 + round * 3 + i, 20);
            (void)snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
                           "{\"auction\":%d,\"price\":40}\n", 10 + round * 3 + i);
            rig_run(&job_rig.broker, (int64_t)round * 17 * NS_PER_MS);
        }
        job_rig_restart((uint64_t)round + 1, round % 2 == 0);
    }
    job_rig_expect("dear", expected);
    job_rig_stop_start();
    job_rig_expect("dear", expected);
    bid(0, 99, 20);
    strcat(expected, "{\"auction\":99,\"price\":40}\n");
    job_rig_expect("dear", expected);
}

static void test_the_catalogue_stands(void **state)
{
    (void)state;
    must(TABLES "CREATE VIEW v AS SELECT auction FROM bids; CREATE TEMPORARY VIEW t AS SELECT price FROM bids;");
    must("SHOW TABLES");
    assert_string_equal(answers.text, "table name\nbids\ndear\nv\n");
    job_rig_restart(7, true);
    must("SHOW TABLES");
    assert_string_equal(answers.text, "table name\nbids\ndear\nv\n");
    must("CREATE  VIEW v\nAS SELECT auction FROM bids ;"); /* the same again */
    assert_false(job_rig_do(&answers, JOB_REQUEST_SCRIPT, "CREATE VIEW v AS SELECT price FROM bids"));
    assert_non_null(strstr(answers.request.message, "already"));
    must("DROP VIEW v; DROP TABLE IF EXISTS nothing");
    job_rig_restart(8, true);
    must("SHOW TABLES");
    assert_string_equal(answers.text, "table name\nbids\ndear\n");
    assert_false(job_rig_do(&answers, JOB_REQUEST_SCRIPT, "SHOW TABLES; SELECT nothing FROM bids"));
    assert_int_equal(answers.request.failed_statement, 1);
    assert_non_null(strstr(answers.request.message, "no column 'nothing'"));
    assert_int_equal(answers.request.error, ERR_INVALID);
}

static void test_sessions(void **state)
{
    static struct job_answers other;

    (void)state;
    must(TABLES);
    job_rig_begin(&answers, 0, JOB_REQUEST_SCRIPT, "a", "CREATE TEMPORARY VIEW t AS SELECT price FROM bids");
    assert_true(job_rig_wait(&answers));
    job_rig_begin(&other, 1, JOB_REQUEST_SCRIPT, "b", "CREATE VIEW w AS SELECT auction FROM bids; SHOW VIEWS");
    assert_true(job_rig_wait(&other));
    assert_string_equal(other.text, "OK\nview name\nw\n");
    job_rig_begin(&answers, 1, JOB_REQUEST_SCRIPT, "a", "SHOW VIEWS; DROP VIEW w; SHOW VIEWS");
    assert_true(job_rig_wait(&answers));
    assert_string_equal(answers.text, "view name\nt\nw\nOK\nview name\nt\n");
    job_rig_begin(&other, 0, JOB_REQUEST_SCRIPT, "b", "SHOW VIEWS");
    assert_true(job_rig_wait(&other));
    assert_string_equal(other.text, "view name\n");
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

static void test_pause_resume_stop_delete(void **state)
{
    char        id[JOB_ID_TEXT_BYTES], script[128];
    const char *started;

    (void)state;
    must(TABLES "SET 'pipeline.name' = 'mine';" INSERT);
    memcpy(id, answers.job_id, sizeof(id));
    bid(0, 1, 20);
    job_rig_expect("dear", "{\"auction\":1,\"price\":40}\n");
    assert_true(job_rig_status(id, JOB_RUNNING, &answers));
    assert_string_equal(answers.facts_name, "mine");
    assert_true(answers.facts.records_in > 0);
    (void)snprintf(script, sizeof(script), "EXPLAIN JOB '%s'", id);
    must(script);
    assert_non_null(strstr(answers.text, "TableSourceScan(table=[bids]"));
    assert_non_null(strstr(answers.text, "rowsIn=1, rowsOut=1"));
    (void)snprintf(script, sizeof(script), "STOP JOB '%s' WITH DRAIN", id);
    assert_false(job_rig_do(&answers, JOB_REQUEST_SCRIPT, script));
    assert_non_null(strstr(answers.request.message, "DRAIN"));
    assert_true(job_rig_do(&answers, JOB_REQUEST_PAUSE, id));
    assert_true(job_rig_status(id, JOB_SUSPENDED, &answers));
    bid(0, 2, 20);
    rig_run(&job_rig.broker, 2 * NS_PER_S);
    job_rig_expect("dear", "{\"auction\":1,\"price\":40}\n");
    job_rig_restart(3, true);
    assert_true(job_rig_status(id, JOB_SUSPENDED, &answers));
    assert_false(job_rig_do(&answers, JOB_REQUEST_DELETE, id));
    assert_int_equal(answers.request.error, ERR_BUSY);
    assert_true(job_rig_do(&answers, JOB_REQUEST_RESUME, id));
    job_rig_expect("dear", "{\"auction\":1,\"price\":40}\n{\"auction\":2,\"price\":40}\n");
    bid(1, 3, 20);
    rig_run(&job_rig.broker, 20 * NS_PER_MS);
    assert_true(job_rig_do(&answers, JOB_REQUEST_STOP, id));
    assert_true(job_rig_status(id, JOB_FINISHED, &answers));
    assert_true(answers.facts.end_ms > 0);
    must("SHOW JOBS");
    started = strstr(answers.text, "mine\tFINISHED\t");
    assert_non_null(started); /* as Flink shows a time: 2026-11-22T01:36:32.123 */
    started += strlen("mine\tFINISHED\t");
    assert_true(started[4] == '-' && started[10] == 'T' && started[19] == '.' && started[23] == '\n');
    assert_false(job_rig_do(&answers, JOB_REQUEST_RESUME, id));
    assert_true(job_rig_do(&answers, JOB_REQUEST_DELETE, id));
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_int_equal(answers.jobs, 0);
    job_rig_restart(4, true);
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_int_equal(answers.jobs, 0);
}

static void test_cancel_and_stop_job(void **state)
{
    char id[JOB_ID_TEXT_BYTES], script[128];

    (void)state;
    must(TABLES INSERT);
    memcpy(id, answers.job_id, sizeof(id));
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, id));
    assert_true(job_rig_status(id, JOB_CANCELED, &answers));
    must(INSERT);
    (void)snprintf(script, sizeof(script), "STOP JOB '%s'", answers.job_id);
    must(script);
    must("SHOW JOBS");
    assert_non_null(strstr(answers.text, "CANCELED"));
    assert_non_null(strstr(answers.text, "FINISHED"));
    assert_false(job_rig_do(&answers, JOB_REQUEST_SCRIPT, "STOP JOB 'nobody'"));
    assert_false(job_rig_do(&answers, JOB_REQUEST_SAVEPOINT, id));
    assert_non_null(strstr(answers.request.message, "a job that goes on leaves no savepoint"));
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

/* What the group has committed of bids-0, at whichever shard coordinates it; -1: nothing. */
static int64_t group_offset(const char *group)
{
    struct kp_offset_fetch_request        request;
    struct kp_offset_fetch_request_topics topic;
    int32_t                               partition = 0;
    int64_t                               offset = -1;

    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_topics_init(&topic);
    topic.name = view_text("bids");
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    request.group_id = view_text(group);
    request.topics = &topic;
    request.topics_count = 1;
    for (uint32_t shard = 0; shard < 2; shard++) {
        struct rig_client                     *client = rig_connect(&job_rig.broker, shard);
        const struct kp_offset_fetch_response *response = rig_ask(client, KP_OFFSET_FETCH_KEY, 7, &request);

        if (response->error_code == 0) {
            offset = response->topics[0].partitions[0].committed_offset;
        }
        rig_client_free(client);
    }
    return offset;
}

static void test_positions_stand_under_the_group(void **state)
{
    (void)state;
    must(TABLES "CREATE TABLE mine (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', "
                "'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset', "
                "'properties.group.id' = 'readers', 'format' = 'json');"
                "INSERT INTO dear SELECT auction, price FROM mine");
    for (int i = 0; i < 60 && group_offset("readers") != 5; i++) {
        if (i < 5) {
            bid(0, i, 20);
        }
        rig_run(&job_rig.broker, NS_PER_S);
    }
    assert_int_equal(group_offset("readers"), 5);
}

/* --- queries and bounded jobs ------------------------------------------------------------------------------------- */

#define BOUNDED                                                                                                       \
    "CREATE TABLE part (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', "                \
    "'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', " \
    "'scan.bounded.mode' = 'latest-offset');"

static void test_bounded(void **state)
{
    char id[JOB_ID_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 9; i++) {
        bid(i % 3, i, 10 + i);
    }
    must(TABLES BOUNDED "SET 'table.dml-sync' = 'true';"
                        "INSERT INTO dear SELECT auction, price FROM part WHERE price > 16");
    assert_string_equal(job_rig_committed("dear"), "{\"auction\":7,\"price\":17}\n{\"auction\":8,\"price\":18}\n");
    memcpy(id, answers.job_id, sizeof(id));
    assert_true(job_rig_status(id, JOB_FINISHED, &answers));
    must("SELECT COUNT(*) AS n, SUM(price) AS total FROM part WHERE auction >= 0");
    assert_non_null(strstr(answers.text, "column n BIGINT"));
    assert_non_null(strstr(answers.text, "[9,126]"));
    must("SELECT auction FROM part WHERE price = 18");
    assert_string_equal(answers.text, "column auction BIGINT\n{\"op\":\"+I\",\"row\":[8]}\nOK\n");
    must("SELECT auction FROM part WHERE price = 1000");
    assert_string_equal(answers.text, "column auction BIGINT\nOK\n");
}

static void test_the_client_of_a_query_goes(void **state)
{
    (void)state;
    must(TABLES);
    bid(0, 1, 20);
    answers.rows_max = 1;
    job_rig_begin(&answers, 1, JOB_REQUEST_SCRIPT, "", "SELECT auction FROM bids");
    (void)job_rig_wait(&answers);
    assert_string_equal(answers.text, "column auction BIGINT\n{\"op\":\"+I\",\"row\":[1]}\nOK\n");
    answers.rows_max = 0;
    job_rig_begin(&answers, 1, JOB_REQUEST_SCRIPT, "", "SELECT auction FROM bids");
    rig_run(&job_rig.broker, NS_PER_S);
    assert_false(answers.done);
    assert_true(answers.request.records_in > 0);
    job_request_cancel(broker_jobs(job_rig.broker.broker, 1), &answers.request);
    (void)job_rig_wait(&answers);
    job_rig_begin(&answers, 1, JOB_REQUEST_SCRIPT, "", "SELECT auction FROM bids");
    rig_run(&job_rig.broker, NS_PER_S);
    job_rig_stop_start(); /* it is told */
    assert_true(answers.done);
    assert_true(answers.request.failed);
}

/* Nothing more can come after the last row that LIMIT lets through, though the topic has no end. */
static void test_a_query_ends_at_its_limit(void **state)
{
    (void)state;
    must(TABLES);
    for (int i = 0; i < 4; i++) {
        bid(i % 2, i, 20 + i);
    }
    must("SELECT price > 0 AS dear FROM bids LIMIT 3; SHOW TABLES");
    assert_string_equal(answers.text,
                        "column dear BOOLEAN\n{\"op\":\"+I\",\"row\":[true]}\n{\"op\":\"+I\",\"row\":[true]}\n"
                        "{\"op\":\"+I\",\"row\":[true]}\nOK\ntable name\nbids\ndear\n");
    must("SELECT price FROM bids LIMIT 0");
    assert_string_equal(answers.text, "column price BIGINT\nOK\n");
    answers.text_len = 0;
    job_rig_begin(&answers, 1, JOB_REQUEST_SCRIPT, "", "SELECT price > 0 AS dear FROM bids LIMIT 5");
    rig_run(&job_rig.broker, NS_PER_S);
    assert_false(answers.done); /* four are there */
    bid(1, 9, 9);
    assert_true(job_rig_wait(&answers));
}

/* --- state -------------------------------------------------------------------------------------------------------- */

static void test_state_comes_back(void **state)
{
    (void)state;
    job_rig_topic("sums", 2);
    must(TABLES "CREATE TABLE sums (auction BIGINT, n BIGINT, total BIGINT, PRIMARY KEY (auction) NOT ENFORCED) WITH ("
                "'connector' = 'upsert-kafka', 'topic' = 'sums', 'properties.bootstrap.servers' = 'localhost:9092', "
                "'key.format' = 'json', 'value.format' = 'json', 'sink.delivery-guarantee' = 'exactly-once', "
                "'sink.transactional-id-prefix' = 'sums');"
                "INSERT INTO sums SELECT auction, COUNT(*), SUM(price) FROM bids GROUP BY auction");
    bid(0, 1, 5);
    bid(1, 2, 6);
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n{\"auction\":2,\"n\":1,\"total\":6}\n");
    job_rig_restart(11, true);
    bid(2, 1, 7);
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n{\"auction\":1,\"n\":2,\"total\":12}\n"
                           "{\"auction\":2,\"n\":1,\"total\":6}\n");
    job_rig_stop_start();
    bid(2, 2, 7);
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n{\"auction\":1,\"n\":2,\"total\":12}\n"
                           "{\"auction\":2,\"n\":1,\"total\":6}\n{\"auction\":2,\"n\":2,\"total\":13}\n");
}

#define SUMS                                                                                                \
    "CREATE TABLE sums (auction BIGINT, n BIGINT, total BIGINT, PRIMARY KEY (auction) NOT ENFORCED) WITH (" \
    "'connector' = 'upsert-kafka', 'topic' = 'sums', 'properties.bootstrap.servers' = 'localhost:9092', "   \
    "'key.format' = 'json', 'value.format' = 'json', 'sink.delivery-guarantee' = 'exactly-once', "          \
    "'sink.transactional-id-prefix' = 'sums');"

/* A job over bids and sums that goes on from the savepoint. */
static bool go_on(const char *savepoint, const char *aggregate)
{
    char script[1024];

    (void)snprintf(script, sizeof(script),
                   "SET 'execution.state-recovery.path' = '%s';"
                   "INSERT INTO sums SELECT auction, COUNT(*), %s(price) FROM bids GROUP BY auction",
                   savepoint, aggregate);
    return job_rig_do(&answers, JOB_REQUEST_SCRIPT, script);
}

static void test_savepoints(void **state)
{
    char id[JOB_ID_TEXT_BYTES], next[JOB_ID_TEXT_BYTES], script[128], name[64];

    (void)state;
    job_rig_topic("sums", 2);
    must(TABLES SUMS "INSERT INTO sums SELECT auction, COUNT(*), SUM(price) FROM bids GROUP BY auction");
    memcpy(id, answers.job_id, sizeof(id));
    bid(0, 1, 5);
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n");
    (void)snprintf(script, sizeof(script), "STOP JOB '%s' WITH SAVEPOINT", id);
    must(script);
    assert_int_equal(sscanf(answers.text, "savepoint path\n%63s", name), 1);
    assert_int_equal(strncmp(name, "savepoint-", 10), 0);
    bid(1, 1, 7);
    job_rig_restart(21, true);
    assert_false(go_on(name, "MAX"));
    assert_non_null(strstr(answers.request.message, "does not fit"));
    assert_true(go_on(name, "SUM"));
    memcpy(next, answers.job_id, sizeof(next));
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n{\"auction\":1,\"n\":2,\"total\":12}\n");
    assert_false(go_on(name, "SUM"));                          /* once */
    assert_true(job_rig_do(&answers, JOB_REQUEST_DELETE, id)); /* the log is the new job's */
    job_rig_restart(22, true);
    bid(2, 1, 1);
    job_rig_expect("sums", "{\"auction\":1,\"n\":1,\"total\":5}\n{\"auction\":1,\"n\":2,\"total\":12}\n"
                           "{\"auction\":1,\"n\":3,\"total\":13}\n");
    (void)snprintf(script, sizeof(script), "STOP JOB '%s' WITH SAVEPOINT", next);
    must(script);
    assert_int_equal(sscanf(answers.text, "savepoint path\n%63s", name), 1);
    assert_true(job_rig_do(&answers, JOB_REQUEST_DISPOSE, name));
    assert_false(job_rig_do(&answers, JOB_REQUEST_DISPOSE, name));
    assert_int_equal(answers.request.error, ERR_NOT_FOUND);
    job_rig_restart(23, true);
    assert_false(go_on(name, "SUM"));
    assert_true(job_rig_do(&answers, JOB_REQUEST_DELETE, next));
}

/* Workers that wait are idle, and that is all of their time. */
static void test_how_busy_a_job_is(void **state)
{
    char     id[JOB_ID_TEXT_BYTES];
    uint64_t idle_ms;

    (void)state;
    must(TABLES INSERT);
    memcpy(id, answers.job_id, sizeof(id));
    rig_run(&job_rig.broker, 3 * NS_PER_S);
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    idle_ms = answers.facts.idle_ms;
    rig_run(&job_rig.broker, 3 * NS_PER_S);
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_in_range(answers.facts.idle_ms - idle_ms, 5000, 6100); /* of two workers */
    assert_true(answers.facts.idle_per_s_ms > 900);
    assert_int_equal(answers.facts.busy_per_s_ms + answers.facts.idle_per_s_ms + answers.facts.held_per_s_ms, 1000);
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, id));
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_int_equal(answers.facts.idle_per_s_ms + answers.facts.busy_per_s_ms, 0); /* it does not run */
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void test_a_failure_is_told_and_tried_again(void **state)
{
    char id[JOB_ID_TEXT_BYTES];

    (void)state;
    must(TABLES INSERT);
    memcpy(id, answers.job_id, sizeof(id));
    bid(0, 1, 20);
    job_rig_expect("dear", "{\"auction\":1,\"price\":40}\n");
    job_rig_value("bids", 1, "this is no JSON");
    assert_true(job_rig_status(id, JOB_RESTARTING, &answers));
    assert_non_null(strstr(answers.facts_failure, "bids"));
    assert_true(answers.facts.restarts > 0);
    job_rig_restart(5, true);
    assert_true(job_rig_status(id, JOB_RESTARTING, &answers));
    assert_true(job_rig_do(&answers, JOB_REQUEST_CANCEL, id));
    assert_true(job_rig_status(id, JOB_CANCELED, &answers));
    job_rig_expect("dear", "{\"auction\":1,\"price\":40}\n");
}

static void test_what_cannot_run_is_refused(void **state)
{
    (void)state;
    assert_false(job_rig_do(&answers, JOB_REQUEST_SCRIPT,
                            TABLES "CREATE TABLE odd (a BIGINT) WITH ('connector' = 'kafka', 'topic' = 'odd', "
                                   "'properties.bootstrap.servers' = 'x', 'format' = 'json', "
                                   "'sink.delivery-guarantee' = 'exactly-once');"
                                   "INSERT INTO odd SELECT price FROM bids"));
    assert_int_equal(answers.request.failed_statement, 3);
    assert_non_null(strstr(answers.request.message, "sink.transactional-id-prefix"));
    assert_true(job_rig_do(&answers, JOB_REQUEST_LIST, ""));
    assert_int_equal(answers.jobs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_made_by_questions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_append_exactly_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_crash_does_not_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_catalogue_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pause_resume_stop_delete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_and_stop_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_positions_stand_under_the_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_client_of_a_query_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_query_ends_at_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_savepoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_how_busy_a_job_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_is_told_and_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_run_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
