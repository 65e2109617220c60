/* The probes run for a moment on a small file: they count what they did, and what they counted fits together. */
#define _GNU_SOURCE 1
#include "tests/support/unit.h"

#include "bench/limits/limits_probe.h"

#include <fcntl.h>
#include <unistd.h>

static struct limits_result  result;
static struct limits_options options;

static bool machine_can(void)
{
    struct io_uring ring;
    int             fd = open(".", O_TMPFILE | O_RDWR | O_DIRECT, 0600);

    if (fd >= 0) {
        (void)close(fd);
    }
    if (fd < 0 || io_uring_queue_init(4, &ring, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER) != 0) {
        return false;
    }
    io_uring_queue_exit(&ring);
    return true;
}

static int prepare(void **state)
{
    (void)state;
    options = (struct limits_options){.connections = 3,
                                      .in_flight = 2,
                                      .seconds = 0.2,
                                      .warm_s = 0.02,
                                      .folder = ".",
                                      .file_bytes = (size_t)256 << 20,
                                      .durable = true,
                                      .cpu = -1,
                                      .client_cpu = -1};
    result = (struct limits_result){0};
    return 0;
}

static void check_times(void)
{
    double seconds = (double)(result.end.ns - result.begin.ns) / 1e9;

    assert_true(seconds > 0.01 && seconds < 5);
    assert_true(result.requests > 0);
    assert_int_equal(result.latency.total, result.requests);
    assert_true(result.end.own_s > result.begin.own_s);
    assert_true(result.end.own_s - result.begin.own_s < 2 * seconds);
}

static void test_receive_writes_all_it_answers(void **state)
{
    static const size_t sizes[] = {256, 4096, 100003, 3 << 20};
    struct limits_file  file;

    (void)state;
    if (!machine_can()) {
        skip();
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t in_memory = (size_t)options.connections * (size_t)options.in_flight * sizes[i];

        (void)prepare(NULL);
        limits_file_open(&file, &options, false);
        limits_receive(&options, sizes[i], 1 + (int)i, &file, &result);
        limits_file_close(&file);
        check_times();
        assert_true(result.end.client_s > result.begin.client_s);
        assert_int_equal(result.device_bytes % LIMITS_BLOCK_BYTES, 0);
        assert_true(result.device_bytes + in_memory + LIMITS_WRITE_BYTES >=
                    result.requests * (sizes[i] - LIMITS_HEAD_BYTES));
        assert_true(result.writes > 0 && result.device_bytes <= result.writes * LIMITS_WRITE_BYTES);
    }
}

static void test_send_answers_in_full(void **state)
{
    (void)state;
    if (!machine_can()) {
        skip();
    }
    limits_send(&options, 4096, &result);
    check_times();
    result = (struct limits_result){0};
    limits_send(&options, 1500003, &result);
    check_times();
}

static void test_disk_keeps_its_depth(void **state)
{
    struct limits_file file;

    (void)state;
    if (!machine_can()) {
        skip();
    }
    limits_file_open(&file, &options, false);
    limits_disk(&options, 65536, 8, &file, &result);
    limits_file_close(&file);
    check_times();
    assert_int_equal(result.writes, result.requests);
    assert_int_equal(result.device_bytes, result.writes * 65536);
}

static void test_a_file_is_used_up_or_used_again(void **state)
{
    struct limits_file file;
    uint64_t           offset = 0;
    uint8_t           *noise = limits_noise(LIMITS_BLOCK_BYTES);

    (void)state;
    if (!machine_can()) {
        skip();
    }
    options.file_bytes = 4 * LIMITS_WRITE_BYTES;
    for (int recycled = 0; recycled < 2; recycled++) {
        limits_file_open(&file, &options, recycled == 1);
        for (uint64_t i = 0; i < 4; i++) {
            assert_true(limits_file_take(&file, LIMITS_WRITE_BYTES, &offset));
            assert_int_equal(offset, i * LIMITS_WRITE_BYTES);
        }
        assert_int_equal(limits_file_take(&file, LIMITS_BLOCK_BYTES, &offset), recycled);
        if (recycled) {
            assert_int_equal(offset, 0);
            limits_file_check(&file, noise, LIMITS_BLOCK_BYTES, 0); /* it was filled with the same */
        }
        limits_file_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_receive_writes_all_it_answers, prepare),
        cmocka_unit_test_setup(test_send_answers_in_full, prepare),
        cmocka_unit_test_setup(test_disk_keeps_its_depth, prepare),
        cmocka_unit_test_setup(test_a_file_is_used_up_or_used_again, prepare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
