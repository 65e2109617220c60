/* Windows of time against their definition, spelled out over small ranges on both sides of 1970. */
#include "tests/unit/exec/operator_support.h"

#include "compute/exec/exec_window.h"

/* Windows of the kind that have time t, by trying every start. */
static uint32_t windows_of(const struct exec_window *window, int64_t time_ms, struct exec_window_span *spans)
{
    uint32_t count = 0;

    for (int64_t start = time_ms - window->size_ms; start <= time_ms; start++) {
        int64_t slide = window->kind == EXEC_HOP ? window->slide_ms : window->size_ms;

        if ((start - window->offset_ms) % slide != 0) {
            continue;
        }
        if (window->kind == EXEC_CUMULATE) {
            for (int64_t end = start + window->slide_ms; end <= start + window->size_ms; end += window->slide_ms) {
                if (time_ms < end && time_ms >= start) {
                    spans[count++] = (struct exec_window_span){start, end};
                }
            }
        } else if (start > time_ms - window->size_ms) {
            spans[count++] = (struct exec_window_span){start, start + window->size_ms};
        }
    }
    return count;
}

static struct exec_window random_window(struct prng *prng)
{
    struct exec_window window = {.kind = (enum exec_window_kind)prng_below(prng, 3)};

    window.slide_ms = 1 + (int64_t)prng_below(prng, 7);
    window.size_ms = window.kind == EXEC_CUMULATE ? window.slide_ms * (1 + (int64_t)prng_below(prng, 4))
                                                  : 1 + (int64_t)prng_below(prng, 20);
    window.offset_ms = (int64_t)prng_below(prng, 41) - 20;
    return window;
}

static void test_assigning(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 1);
    for (int round = 0; round < 2000; round++) {
        struct exec_window      window = random_window(&prng);
        int64_t                 time_ms = (int64_t)prng_below(&prng, 200) - 100;
        struct exec_window_span spans[64];
        uint32_t                count = windows_of(&window, time_ms, spans);

        assert_int_equal(exec_window_count(&window, time_ms), count);
        for (uint32_t i = 0; i < count; i++) {
            /* HOP goes from the last to the first. */
            uint32_t                expected = window.kind == EXEC_HOP ? count - 1 - i : i;
            struct exec_window_span span = exec_window_at(&window, time_ms, i);

            assert_int_equal(span.start_ms, spans[expected].start_ms);
            assert_int_equal(span.end_ms, spans[expected].end_ms);
        }
    }
}

/* A window has a slice or has nothing of it, and next_of_slice finds those that have it, in order. */
static void test_slices(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 2);
    for (int round = 0; round < 2000; round++) {
        struct exec_window      window = random_window(&prng);
        int64_t                 slice_ms = exec_window_slice_ms(&window);
        int64_t                 time_ms = (int64_t)prng_below(&prng, 200) - 100;
        int64_t                 start_ms = exec_window_floor(time_ms, window.offset_ms, slice_ms);
        struct exec_window_span spans[64];
        struct exec_window_span span;
        uint32_t                count = windows_of(&window, time_ms, spans);
        int64_t                 least_ms = INT64_MIN;

        assert_in_range(time_ms - start_ms, 0, slice_ms - 1);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(spans[i].start_ms <= start_ms && spans[i].end_ms >= start_ms + slice_ms);
            assert_true(exec_window_next_of_slice(&window, start_ms, least_ms, &span));
            assert_int_equal(span.start_ms, spans[i].start_ms);
            assert_int_equal(span.end_ms, spans[i].end_ms);
            least_ms = span.end_ms + 1;
        }
        assert_false(exec_window_next_of_slice(&window, start_ms, least_ms, &span));
        if (count > 0) {
            assert_int_equal(exec_window_last_end(&window, start_ms), spans[count - 1].end_ms);
        } else {
            assert_true(exec_window_last_end(&window, start_ms) < start_ms + slice_ms);
        }
    }
}

static void test_firing(void **state)
{
    (void)state;
    assert_int_equal(exec_window_progress(9999), 9);
    assert_int_equal(exec_window_progress(-1), -1);
    assert_int_equal(exec_window_progress(EXEC_WATERMARK_NONE), EXEC_PROGRESS_NONE);
    assert_int_equal(exec_window_progress(EXEC_WATERMARK_END), EXEC_PROGRESS_END);
    assert_false(exec_window_has_fired(11, 9));
    assert_true(exec_window_has_fired(10, 9));
    assert_false(exec_window_has_fired(0, -2));
    assert_true(exec_window_has_fired(0, -1));
    assert_true(exec_window_has_fired(INT64_MAX, EXEC_PROGRESS_END));
    assert_int_equal(exec_window_us(INT64_MAX), INT64_MAX);
    assert_int_equal(exec_window_us(INT64_MIN), INT64_MIN);
    assert_int_equal(exec_window_us(-3), -3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assigning),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_firing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
