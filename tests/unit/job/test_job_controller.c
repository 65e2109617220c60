/* Jobs through a whole broker in the simulated world: statements, runs, epochs, what a restart finds. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_made_by_questions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_append_exactly_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
