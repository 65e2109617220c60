/* Busy, idle, backpressured: the three are all of a worker's time. */
#include "tests/support/unit.h"

#include "compute/job/job_times.h"

#define MS NS_PER_MS

static void test_a_worker(void **state UNUSED)
{
    struct job_worker_times times = {0};
    struct job_times_sum    sum = {0};

    job__times_add(&times, 50 * MS, &sum);
    assert_int_equal(sum.span_ns, 0); /* it has not begun */
    job__times_wait(&times, JOB_WAIT_NONE, 100 * MS);
    job__times_wait(&times, JOB_WAIT_IDLE, 130 * MS);
    job__times_wait(&times, JOB_WAIT_IDLE, 150 * MS);
    job__times_add(&times, 160 * MS, &sum); /* in the middle of it */
    assert_int_equal(sum.span_ns, 60 * MS);
    assert_int_equal(sum.idle_ns, 30 * MS);
    job__times_wait(&times, JOB_WAIT_NONE, 170 * MS);
    job__times_wait(&times, JOB_WAIT_HELD, 180 * MS);
    job__times_wait(&times, JOB_WAIT_IDLE, 200 * MS);
    sum = (struct job_times_sum){0};
    job__times_add(&times, 205 * MS, &sum);
    assert_int_equal(sum.span_ns, 105 * MS);
    assert_int_equal(sum.idle_ns, 45 * MS);
    assert_int_equal(sum.held_ns, 20 * MS);
}

static void sample(struct job_times *times, uint64_t span_ms, uint64_t idle_ms, uint64_t held_ms, int64_t now_ms)
{
    struct job_times_sum sum = {span_ms * (uint64_t)MS, idle_ms * (uint64_t)MS, held_ms * (uint64_t)MS};

    job__times_sample(times, &sum, now_ms * MS);
}

static void expect(const struct job_times *times, uint32_t busy_ms, uint32_t idle_ms, uint32_t held_ms)
{
    assert_int_equal(times->busy_ms, busy_ms);
    assert_int_equal(times->idle_ms, idle_ms);
    assert_int_equal(times->held_ms, held_ms);
}

/* Two workers: a second has 2,000 ms of them, and 1,000 are shown. */
static void test_a_second(void **state UNUSED)
{
    struct job_times times = {0};

    sample(&times, 0, 0, 0, 1);
    expect(&times, 0, 0, 0);
    sample(&times, 400, 100, 60, 200); /* the first: all the time so far */
    expect(&times, 600, 250, 150);
    sample(&times, 800, 100, 60, 400); /* too soon */
    expect(&times, 600, 250, 150);
    assert_int_equal(times.sum.span_ns, 800 * MS);
    sample(&times, 2400, 2100, 60, 1200);
    expect(&times, 0, 1000, 0);
    sample(&times, 4400, 2100, 1060, 2200);
    expect(&times, 500, 0, 500);
    sample(&times, 6400, 3600, 2060, 3200); /* more than there is: a reader between two stores */
    expect(&times, 0, 750, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_worker), cmocka_unit_test(test_a_second)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
