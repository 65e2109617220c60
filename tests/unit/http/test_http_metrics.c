/* The Prometheus text: every sample belongs to a metric whose type was said just before, labels are escaped. */
#include "tests/support/unit.h"

#include "net/http/http_internal.h"
#include "tests/unit/http/http_fake_job.h"

#include <stdio.h>
#include <stdlib.h>

static char *text_of(struct http_text *text)
{
    http__text_put(text, "", 1);
    return text->base;
}

static void test_broker(void **state UNUSED)
{
    static const struct http_figure figures[] = {{"requests_total", "Requests.", true}, {"connections", "Now.", false}};
    static const uint64_t           values[] = {10, 1, 20, 2};
    struct http_options             options = {.figures = figures, .figure_count = 2};
    struct http_text                text = {0};

    http__metrics_broker(&text, &options, values, 2);
    assert_string_equal(text_of(&text), "# HELP millrace_requests_total Requests.\n"
                                        "# TYPE millrace_requests_total counter\n"
                                        "millrace_requests_total{shard=\"0\"} 10\n"
                                        "millrace_requests_total{shard=\"1\"} 20\n"
                                        "# HELP millrace_connections Now.\n"
                                        "# TYPE millrace_connections gauge\n"
                                        "millrace_connections{shard=\"0\"} 1\n"
                                        "millrace_connections{shard=\"1\"} 2\n");
    http__text_deinit(&text);
}

/* All samples of a metric stand behind its TYPE line. */
static void check_grouped(char *text)
{
    char  current[128] = "";
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            assert_int_equal(sscanf(line, "# TYPE %127s", current), 1);
        } else {
            assert_int_equal(strncmp(line, current, strlen(current)), 0);
            assert_int_equal(line[strlen(current)], '{');
        }
    }
}

static void test_jobs(void **state UNUSED)
{
    struct http_job_metrics *metrics = http__metrics_jobs_create();
    struct job_facts         running = fake_running(), failed = fake_failed();
    struct http_text         text = {0};

    http__metrics_jobs_finish(metrics, &text);
    assert_int_equal(text.len, 0); /* no job, no metric */
    failed.name = view_text("a\\b\n");
    http__metrics_jobs_add(metrics, &running);
    http__metrics_jobs_add(metrics, &failed);
    http__metrics_jobs_finish(metrics, &text);
    http__metrics_jobs_destroy(metrics);
    assert_non_null(strstr(text_of(&text), "flink_taskmanager_job_task_numRecordsIn{job_id=\"" FAKE_JOB_ID
                                           "\",job_name=\"insert-into_default_catalog.default_database.\\\"sink\\\"\"} "
                                           "123456\n"));
    assert_non_null(strstr(text.base, "job_name=\"a\\\\b\\n\"} "));
    assert_non_null(strstr(text.base, "_currentInputWatermark{job_id=\"" FAKE_FAILED_ID));
    assert_non_null(strstr(text.base, "} -9223372036854775808\n"));
    assert_non_null(strstr(text.base, "} 2.500\n"));
    assert_non_null(strstr(text.base, "_busyTimeMsPerSecond{job_id=\"" FAKE_JOB_ID));
    assert_non_null(strstr(text.base, "} 650\n"));
    check_grouped(text.base);
    http__text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_broker), cmocka_unit_test(test_jobs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
