/* Sources that begin or end where a group stands: the group's coordinator is asked, on whatever shard it is. */
#include "tests/unit/job/job_rig.h"

#include "core/proto/kp_messages.h"

#include <stdio.h>

#define FIND_COORDINATOR 10
#define OFFSET_COMMIT    8

static struct job_answers answers;

static int set_up(void **state UNUSED)
{
    job_rig_create(7, 2, NULL);
    job_rig_topic("t", 2);
    job_rig_topic("o", 1);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    job_rig_destroy();
    return 0;
}

static void find_coordinator(const char *group)
{
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;

    kp_find_coordinator_request_init(&request);
    request.key = view_text(group);
    for (int i = 0; i < 100; i++) {
        response = rig_ask(job_rig.client, FIND_COORDINATOR, 3, &request);
        assert_non_null(response);
        if (response->error_code == 0) {
            return;
        }
        rig_run(&job_rig.broker, 100 * NS_PER_MS);
    }
    fail_msg("no coordinator: %d", response->error_code);
}

/* Every shard is asked: one of them leads the group's partition. */
static void commit_offset(const char *group, int32_t partition, int64_t offset)
{
    struct kp_offset_commit_request_topics_partitions entry;
    struct kp_offset_commit_request_topics            topic;
    struct kp_offset_commit_request                   request;
    bool                                              done = false;

    find_coordinator(group);
    kp_offset_commit_request_topics_partitions_init(&entry);
    kp_offset_commit_request_topics_init(&topic);
    kp_offset_commit_request_init(&request);
    entry.partition_index = partition;
    entry.committed_offset = offset;
    topic.name = view_text("t");
    topic.partitions = &entry;
    topic.partitions_count = 1;
    request.group_id = view_text(group);
    request.generation_id_or_member_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    for (int i = 0; i < 100 && !done; i++) {
        struct rig_client                      *client = rig_connect(&job_rig.broker, (uint32_t)i % 2);
        const struct kp_offset_commit_response *response = rig_ask(client, OFFSET_COMMIT, 7, &request);

        assert_non_null(response);
        done = response->topics[0].partitions[0].error_code == 0;
        rig_client_free(client);
        rig_run(&job_rig.broker, 50 * NS_PER_MS);
    }
    assert_true(done);
}

static void put(int32_t partition, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "{\"b\":%d}", i);
        job_rig_value("t", partition, text);
    }
}

static bool submit(const char *options)
{
    char script[2048];

    (void)snprintf(script, sizeof(script),
                   "CREATE TABLE s (b BIGINT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'%s);"
                   "CREATE TABLE o (b BIGINT) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json', "
                   "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'o');"
                   "INSERT INTO o SELECT b FROM s;",
                   options);
    return job_rig_do(&answers, JOB_REQUEST_SCRIPT, script);
}

static void begins_where_the_group_stands(void **state UNUSED)
{
    put(0, 0, 5);
    put(1, 10, 12);
    commit_offset("g", 0, 3);
    assert_true(submit(", 'properties.group.id' = 'g', 'properties.auto.offset.reset' = 'earliest'"));
    job_rig_expect("o", "{\"b\":10}\n{\"b\":11}\n{\"b\":3}\n{\"b\":4}\n");
}

static void begins_at_the_end_where_the_reset_says_so(void **state UNUSED)
{
    struct job_answers shown;
    char               id[JOB_ID_TEXT_BYTES];

    put(0, 0, 5);
    put(1, 10, 12);
    commit_offset("g", 0, 4);
    assert_true(submit(", 'scan.startup.mode' = 'group-offsets', 'properties.group.id' = 'g', "
                       "'properties.auto.offset.reset' = 'latest'"));
    (void)snprintf(id, sizeof(id), "%s", answers.job_id);
    assert_true(job_rig_status(id, JOB_RUNNING, &shown));
    job_rig_expect("o", "{\"b\":4}\n");
    put(1, 12, 13);
    job_rig_expect("o", "{\"b\":12}\n{\"b\":4}\n");
}

static void without_an_offset_or_a_reset_the_job_fails_by_name(void **state UNUSED)
{
    struct job_answers shown;
    char               id[JOB_ID_TEXT_BYTES];

    put(0, 0, 5);
    commit_offset("g", 0, 3);
    assert_true(submit(", 'properties.group.id' = 'g'"));
    (void)snprintf(id, sizeof(id), "%s", answers.job_id);
    rig_run(&job_rig.broker, 3 * NS_PER_S);
    assert_true(job_rig_do(&shown, JOB_REQUEST_SHOW, id));
    assert_non_null(strstr(shown.facts_failure, "group 'g' has no offset for partition 1 of topic 't'"));
}

static void ends_where_the_group_stands(void **state UNUSED)
{
    struct job_answers shown;
    char               id[JOB_ID_TEXT_BYTES];

    put(0, 0, 5);
    put(1, 10, 15);
    commit_offset("g", 0, 2);
    commit_offset("g", 1, 1);
    assert_true(submit(", 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'group-offsets', "
                       "'properties.group.id' = 'g'"));
    (void)snprintf(id, sizeof(id), "%s", answers.job_id);
    assert_true(job_rig_status(id, JOB_FINISHED, &shown));
    job_rig_expect("o", "{\"b\":0}\n{\"b\":10}\n{\"b\":1}\n");
}

static void a_group_is_required_at_submit(void **state UNUSED)
{
    assert_false(submit(""));
    assert_non_null(strstr(answers.request.message, "'properties.group.id' is required"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begins_where_the_group_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begins_at_the_end_where_the_reset_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_an_offset_or_a_reset_the_job_fails_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_where_the_group_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_is_required_at_submit, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
