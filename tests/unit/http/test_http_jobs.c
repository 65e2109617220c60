/* Jobs in Flink's JSON: the fields that its clients read are there and say what the facts say. */
#include "tests/support/unit.h"

#include "net/http/http_internal.h"
#include "tests/unit/http/http_fake_job.h"

#define NOW_MS 9000
#define SHARDS 2

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static int64_t number_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_lists(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *job = http__job_json(HTTP_ROUTE_JOBS, &facts, NOW_MS, SHARDS);

    assert_string_equal(text_at(job, "id"), FAKE_JOB_ID);
    assert_string_equal(text_at(job, "status"), "RUNNING");
    json_decref(job);
    job = http__job_json(HTTP_ROUTE_JOBS_OVERVIEW, &facts, NOW_MS, SHARDS);
    assert_string_equal(text_at(job, "jid"), FAKE_JOB_ID);
    assert_string_equal(text_at(job, "state"), "RUNNING");
    assert_int_equal(number_at(job, "start-time"), 1000);
    assert_int_equal(number_at(job, "end-time"), -1);
    assert_int_equal(number_at(job, "duration"), 8000);
    assert_int_equal(number_at(job, "last-modification"), 5000);
    assert_int_equal(number_at(json_object_get(job, "tasks"), "running"), SHARDS);
    assert_int_equal(number_at(json_object_get(job, "tasks"), "total"), SHARDS);
    assert_int_equal(number_at(json_object_get(job, "tasks"), "failed"), 0);
    json_decref(job);
    facts = fake_failed();
    job = http__job_json(HTTP_ROUTE_JOBS_OVERVIEW, &facts, NOW_MS, SHARDS);
    assert_int_equal(number_at(job, "duration"), 2000);
    assert_int_equal(number_at(json_object_get(job, "tasks"), "failed"), SHARDS);
    json_decref(job);
}

static void test_details(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *job = http__job_json(HTTP_ROUTE_JOB, &facts, NOW_MS, SHARDS);
    const json_t    *vertex = json_array_get(json_object_get(job, "vertices"), 0);
    const json_t    *metrics = json_object_get(vertex, "metrics");

    assert_string_equal(text_at(job, "jid"), FAKE_JOB_ID);
    assert_string_equal(text_at(job, "name"), "insert-into_default_catalog.default_database.\"sink\"");
    assert_string_equal(text_at(job, "job-type"), "STREAMING");
    assert_true(json_is_true(json_object_get(job, "isStoppable")));
    assert_int_equal(number_at(job, "now"), NOW_MS);
    assert_int_equal(number_at(json_object_get(job, "status-counts"), "RUNNING"), SHARDS);
    assert_int_equal(number_at(metrics, "read-records"), 123456);
    assert_int_equal(number_at(metrics, "write-records"), 654);
    assert_int_equal(number_at(metrics, "read-bytes"), 9999);
    assert_int_equal(number_at(metrics, "accumulated-busy-time"), 700);
    assert_int_equal(number_at(metrics, "accumulated-idle-time"), 200);
    assert_int_equal(number_at(metrics, "accumulated-backpressured-time"), 100);
    assert_int_equal(number_at(vertex, "parallelism"), SHARDS);
    assert_int_equal(number_at(job, "watermark"), 1700000000123);
    assert_int_equal(number_at(job, "cpu-ms"), 2500);
    assert_string_equal(text_at(job, "statement"), "INSERT INTO sink SELECT 1");
    json_decref(job);
    facts = fake_failed();
    job = http__job_json(HTTP_ROUTE_JOB, &facts, NOW_MS, SHARDS);
    assert_true(json_is_null(json_object_get(job, "watermark")));
    assert_false(json_is_true(json_object_get(job, "isStoppable")));
    assert_int_equal(number_at(json_object_get(job, "timestamps"), "FAILED"), 3000);
    json_decref(job);
}

static void test_plan_and_status(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *document = http__job_json(HTTP_ROUTE_JOB_PLAN, &facts, NOW_MS, SHARDS);
    const json_t *plan = json_object_get(document, "plan"), *node = json_array_get(json_object_get(plan, "nodes"), 0);

    assert_string_equal(text_at(plan, "jid"), FAKE_JOB_ID);
    assert_string_equal(text_at(node, "description"), "Sink(table=[sink])\n");
    assert_int_equal(number_at(node, "parallelism"), SHARDS);
    json_decref(document);
    document = http__job_json(HTTP_ROUTE_JOB_STATUS, &facts, NOW_MS, SHARDS);
    assert_string_equal(text_at(document, "status"), "RUNNING");
    json_decref(document);
    facts = fake_failed();
    document = http__job_json(HTTP_ROUTE_JOB_PLAN, &facts, NOW_MS, SHARDS);
    assert_int_equal(json_array_size(json_object_get(json_object_get(document, "plan"), "nodes")), 0);
    json_decref(document);
}

static void test_checkpoints(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *document = http__job_json(HTTP_ROUTE_JOB_CHECKPOINTS, &facts, NOW_MS, SHARDS);
    const json_t    *latest = json_object_get(json_object_get(document, "latest"), "completed");

    assert_int_equal(number_at(json_object_get(document, "counts"), "completed"), 42);
    assert_int_equal(number_at(json_object_get(document, "counts"), "restored"), 2);
    assert_int_equal(number_at(latest, "id"), 41);
    assert_int_equal(number_at(latest, "end_to_end_duration"), 12);
    assert_int_equal(number_at(latest, "trigger_timestamp"), 4988);
    assert_int_equal(json_array_size(json_object_get(document, "history")), 1);
    json_decref(document);
    facts = fake_failed(); /* never committed */
    document = http__job_json(HTTP_ROUTE_JOB_CHECKPOINTS, &facts, NOW_MS, SHARDS);
    assert_int_equal(number_at(json_object_get(document, "counts"), "completed"), 0);
    assert_true(json_is_null(json_object_get(json_object_get(document, "latest"), "completed")));
    json_decref(document);
}

static void test_exceptions(void **state UNUSED)
{
    struct job_facts facts = fake_failed();
    json_t          *document = http__job_json(HTTP_ROUTE_JOB_EXCEPTIONS, &facts, NOW_MS, SHARDS);
    const json_t    *entries = json_object_get(json_object_get(document, "exceptionHistory"), "entries");

    assert_string_equal(text_at(document, "root-exception"), "the topic 'nowhere' is gone");
    assert_int_equal(number_at(document, "timestamp"), 3000);
    assert_string_equal(text_at(json_array_get(entries, 0), "stacktrace"), "the topic 'nowhere' is gone");
    json_decref(document);
    facts = fake_running();
    document = http__job_json(HTTP_ROUTE_JOB_EXCEPTIONS, &facts, NOW_MS, SHARDS);
    assert_true(json_is_null(json_object_get(document, "root-exception")));
    entries = json_object_get(json_object_get(document, "exceptionHistory"), "entries");
    assert_int_equal(json_array_size(entries), 0);
    json_decref(document);
}

static void test_metrics(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *all = http__job_metrics_json(&facts, NOW_MS, NULL);
    json_t          *some = http__job_metrics_json(&facts, NOW_MS, "numRestarts,currentInputWatermark,numRecords");

    assert_true(json_array_size(all) > 10);
    assert_null(json_object_get(json_array_get(all, 0), "value"));
    assert_int_equal(json_array_size(some), 2); /* whole names only */
    assert_string_equal(text_at(json_array_get(some, 0), "id"), "currentInputWatermark");
    assert_string_equal(text_at(json_array_get(some, 0), "value"), "1700000000123");
    assert_string_equal(text_at(json_array_get(some, 1), "value"), "2");
    json_decref(all);
    json_decref(some);
}

static void test_overview(void **state UNUSED)
{
    struct http_job_counts counts = {0};
    json_t                *document;

    for (int status = 0; status < JOB_STATUS_COUNT; status++) {
        http__job_count(&counts, (enum job_status)status);
    }
    document = http__overview_json(&counts, SHARDS, "1.2.3");
    assert_int_equal(number_at(document, "jobs-running"), 6);
    assert_int_equal(number_at(document, "jobs-finished"), 1);
    assert_int_equal(number_at(document, "jobs-cancelled"), 1);
    assert_int_equal(number_at(document, "jobs-failed"), 1);
    assert_int_equal(number_at(document, "slots-total"), SHARDS);
    json_decref(document);
    document = http__config_json("1.2.3");
    assert_string_equal(text_at(document, "flink-version"), "1.2.3");
    json_decref(document);
}

/* Names are the users' and may be anything. */
static void test_bad_text(void **state UNUSED)
{
    struct job_facts facts = fake_running();
    json_t          *job;

    facts.name = view_of("a\xff\xc0\x80z\xed\xa0\x80", 8);
    job = http__job_json(HTTP_ROUTE_JOBS_OVERVIEW, &facts, NOW_MS, SHARDS);
    assert_string_equal(text_at(job, "name"),
                        "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),       cmocka_unit_test(test_details),    cmocka_unit_test(test_plan_and_status),
        cmocka_unit_test(test_checkpoints), cmocka_unit_test(test_exceptions), cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_overview),    cmocka_unit_test(test_bad_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
