/* What goes wrong around a job, through a whole broker: the job says so by name and goes on when it can; another job
 * and all clients do not notice. docs/sql/jobs.md states each behaviour. */
#include "tests/unit/job/job_rig.h"

#include "compute/job/job_record.h"
#include "core/proto/kp_messages.h"

#include <stdio.h>

#define BIDS                                                                                                      \
    "CREATE TABLE bids (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', 'format' = " \
    "'json', 'properties.bootstrap.servers' = 'x:1', 'scan.startup.mode' = 'earliest-offset');"
#define SINK(name)                                                                                               \
    "CREATE TABLE " name " (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = '" name         \
    "', 'format' = 'json', 'properties.bootstrap.servers' = 'x:1', 'sink.delivery-guarantee' = 'exactly-once', " \
    "'sink.transactional-id-prefix' = '" name "');"
#define CALM                                                                                                        \
    "CREATE TABLE other (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'other', 'format' = " \
    "'json', 'properties.bootstrap.servers' = 'x:1', 'scan.startup.mode' = 'earliest-offset');" SINK(               \
        "calm") "INSERT INTO calm SELECT auction, price FROM other;"

static struct job_answers answers;
static char               job[JOB_ID_TEXT_BYTES];
static int                calm_count;

static void must(const char *script)
{
    if (!job_rig_do(&answers, JOB_REQUEST_SCRIPT, script)) {
        fail_msg("%s", answers.request.message);
    }
}

static void create(const char *const *settings)
{
    job_rig_create(31, 2, settings);
    job_rig_topic("bids", 2);
    job_rig_topic("other", 1);
    job_rig_topic("dear", 1);
    job_rig_topic("calm", 1);
    calm_count = 0;
    must(CALM);
    must(BIDS SINK("dear") "INSERT INTO dear SELECT auction, price FROM bids;");
    memcpy(job, answers.job_id, sizeof(job));
}

static int set_up(void **state UNUSED)
{
    create(NULL);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    job_rig_destroy();
    return 0;
}

static void value(const char *topic, int32_t partition, int auction)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"auction\":%d,\"price\":1}", auction);
    job_rig_value(topic, partition, text);
}

/* The other job and a client still work. */
static void assert_calm(void)
{
    static char expected[1024];
    size_t      len = 0;

    value("other", 0, ++calm_count);
    for (int i = 1; i <= calm_count; i++) {
        len += (size_t)snprintf(expected + len, sizeof(expected) - len, "{\"auction\":%d,\"price\":1}\n", i);
    }
    job_rig_expect("calm", expected);
}

static void assert_failure(const char *wanted)
{
    assert_true(job_rig_status(job, JOB_RESTARTING, &answers));
    if (strstr(answers.facts_failure, wanted) == NULL) {
        fail_msg("%s", answers.facts_failure);
    }
}

static void a_source_topic_is_deleted(void **state UNUSED)
{
    value("bids", 0, 1);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n");
    assert_int_equal(rig_delete_topic(job_rig.client, "bids"), 0);
    assert_failure("topic");
    assert_calm();
    rig_run(&job_rig.broker, 2 * NS_PER_S);
    assert_failure("topic 'bids' of table 'bids' does not exist");
    job_rig_topic("bids", 2); /* another topic: what was read of the old one means nothing for it */
    rig_run(&job_rig.broker, 10 * NS_PER_S);
    assert_failure("was deleted and made anew since the last commit");
    assert_calm();
}

static void a_sink_topic_is_deleted(void **state UNUSED)
{
    value("bids", 0, 1);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n");
    assert_int_equal(rig_delete_topic(job_rig.client, "dear"), 0);
    value("bids", 0, 2);
    rig_run(&job_rig.broker, 5 * NS_PER_S);
    assert_calm();
    assert_true(job_rig_do(&answers, JOB_REQUEST_SHOW, job));
    assert_non_null(strstr(answers.facts_failure, "dear"));
}

static void a_poisoned_record(void **state UNUSED)
{
    value("bids", 0, 1);
    job_rig_value("bids", 1, "{\"auction\":\"nobody\"");
    assert_failure("topic bids, partition 1, offset 0: ");
    assert_calm();
    rig_run(&job_rig.broker, 5 * NS_PER_S);
    assert_failure("topic bids, partition 1, offset 0: ");
}

static void partitions_are_added(void **state UNUSED)
{
    struct kp_create_partitions_request        request;
    struct kp_create_partitions_request_topics topic;

    value("bids", 0, 1);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n");
    kp_create_partitions_request_init(&request);
    kp_create_partitions_request_topics_init(&topic);
    topic.name = view_text("bids");
    topic.count = 5;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    assert_non_null(rig_ask(job_rig.client, KP_CREATE_PARTITIONS_KEY, 2, &request));
    value("bids", 3, 2);
    value("bids", 4, 3);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n{\"auction\":2,\"price\":1}\n{\"auction\":3,\"price\":1}\n");
    assert_calm();
}

/* Nothing can be appended: the job waits or fails and begins again; with room it goes on, exactly. */
static void the_disk_is_full(void **state UNUSED)
{
    char     expected[4096] = "";
    size_t   len = 0;
    uint64_t used;

    for (int i = 10; i < 30; i++) {
        value("bids", i % 2, i);
        len += (size_t)snprintf(expected + len, sizeof(expected) - len, "{\"auction\":%d,\"price\":1}\n", i);
    }
    used = sim_used_bytes(job_rig.broker.sim, 0);
    sim_set_capacity(job_rig.broker.sim, 0, used);
    rig_run(&job_rig.broker, 10 * NS_PER_S);
    sim_set_capacity(job_rig.broker.sim, 0, used + 4 * GIB);
    rig_run(&job_rig.broker, 5 * NS_PER_S);
    job_rig_restart(3, true);
    job_rig_expect("dear", expected);
    assert_calm();
}

static void the_budget_is_spent(void **state UNUSED)
{
    char text[600], filler[400];

    must("CREATE TABLE wide (k STRING, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', 'format' = 'json', "
         "'properties.bootstrap.servers' = 'x:1', 'scan.startup.mode' = 'earliest-offset');"
         "CREATE TABLE nothing (k STRING, n BIGINT) WITH ('connector' = 'blackhole');"
         "INSERT INTO nothing SELECT k, COUNT(*) FROM wide GROUP BY k;");
    memcpy(job, answers.job_id, sizeof(job));
    memset(filler, 'f', sizeof(filler));
    for (int i = 0; i < 3000 && answers.facts_failure[0] == '\0'; i++) {
        (void)snprintf(text, sizeof(text), "{\"k\":\"%d%.*s\"}", i, (int)sizeof(filler), filler);
        job_rig_value("bids", i % 2, text);
        if (i % 500 == 499) {
            assert_true(job_rig_do(&answers, JOB_REQUEST_SHOW, job));
        }
    }
    assert_non_null(strstr(answers.facts_failure, "the state of the job outgrew its budget"));
    assert_calm();
}

static int set_up_small(void **state UNUSED)
{
    static const char *const settings[] = {"millrace.job.memory.bytes=1048576", NULL};

    create(settings);
    return 0;
}

/* --- a definition that no longer plans ------------------------------------------------------------------------------
 */

struct planted {
    struct part_append append;
    bool               done;
};

static void planted_done(struct part_append *append)
{
    CONTAINER_OF(append, struct planted, append)->done = true;
}

static bool is_planted(void *context)
{
    return ((struct planted *)context)->done;
}

static struct part *jobs_part(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct job_shard *jobs = broker_jobs(job_rig.broker.broker, i);
        struct part      *part = part_find(jobs->options.parts, view_text(JOB_TOPIC), 0);

        if (part != NULL) {
            return part;
        }
    }
    fail_msg("no %s", JOB_TOPIC);
    return NULL;
}

/* What a release that took more would have left: a job whose script is not understood. */
static void plant_definition(const char *id, const char *script)
{
    struct planted     planted = {.append = {.internal = true, .wait_durable = true, .done = planted_done}};
    struct job_record  record = {.kind = JOB_RECORD_DEFINITION,
                                 .key = view_text(id),
                                 .definition = {.name = view_text("from the future"),
                                                .script = view_text(script),
                                                .statement = view_text(script),
                                                .wanted = JOB_WANTED_RUNNING,
                                                .status = JOB_RUNNING,
                                                .worker_count = 2,
                                                .first_producer_id = 990000,
                                                .end_ms = -1,
                                                .failure_ms = -1}};
    struct arena       arena;
    struct rec_builder builder;
    struct view        key, bytes;

    arena_init(&arena, MEM_TEST, 16 * KIB, SIZE_MAX);
    assert_true(job__record_write(&arena, &record, &key, &bytes));
    rec_builder_init(&builder, &arena);
    rec_builder_add(&builder, 1, key, bytes, NULL, 0);
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &planted.append.records), ERR_OK);
    part_append(jobs_part(), &planted.append);
    assert_true(rig_until(&job_rig.broker, is_planted, &planted, 10 * NS_PER_S));
    assert_int_equal(planted.append.error, 0);
    arena_deinit(&arena);
}

static void a_definition_no_longer_plans(void **state UNUSED)
{
    static const char id[] = "00112233445566778899aabbccddeeff";

    value("bids", 0, 1);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n");
    plant_definition(id, "INSERT INTO nowhere SELECT FROBNICATE(1);");
    job_rig_stop_start();
    assert_true(job_rig_status(id, JOB_FAILED, &answers));
    assert_true(strlen(answers.facts_failure) > 0);
    value("bids", 0, 2);
    job_rig_expect("dear", "{\"auction\":1,\"price\":1}\n{\"auction\":2,\"price\":1}\n");
    assert_calm();
    assert_true(job_rig_do(&answers, JOB_REQUEST_DELETE, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_topic_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sink_topic_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_poisoned_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partitions_are_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_disk_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_budget_is_spent, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(a_definition_no_longer_plans, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
