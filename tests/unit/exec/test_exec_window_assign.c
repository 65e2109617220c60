/* Window table functions: rows with their windows, at once. */
#include "tests/unit/exec/operator_support.h"

#include "compute/exec/exec_window.h"

enum { NUMBER, TEXT, TIME, INPUTS };

static void make_options(struct rig_options *options, const struct exec_window *window)
{
    static struct vec_field outputs[INPUTS + 3];
    struct vec_field        columns[] = {RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_TIME, RIG_TIME, RIG_TIME};

    memcpy(outputs, columns, sizeof(columns));
    *options = (struct rig_options){.input_count = 1, .column_counts = {INPUTS}};
    memcpy(options->columns[0], columns, INPUTS * sizeof(*columns));
    options->node = (struct exec_node){.kind = EXEC_WINDOW_ASSIGN,
                                       .column_count = INPUTS + 3,
                                       .columns = outputs,
                                       .changes = EXEC_APPEND_ONLY,
                                       .window = *window};
    options->node.window.time_column = TIME;
}

static void check(const struct exec_window *window, uint64_t seed)
{
    static const uint32_t rows_max_choices[] = {1, 3, 50, VEC_ROWS_MAX};
    struct rig_options    options;
    struct rig            rig;
    struct prng           prng;
    struct rig_row        rows[200];
    size_t                at = 0;

    prng_init(&prng, seed);
    make_options(&options, window);
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    rig_start(&rig, &options);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t time_us = (int64_t)prng_below(&prng, 400000) - 200000;

        rows[i] =
            (struct rig_row){.cells = {(int64_t)i, prng_chance(&prng, 1, 5) ? RIG_NULL : (int64_t)prng_below(&prng, 99),
                                       prng_chance(&prng, 1, 10) ? RIG_NULL : time_us}};
    }
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t  time_ms = exec_floor_div(rows[i].cells[TIME], 1000);
        uint64_t count = rows[i].cells[TIME] == RIG_NULL ? 0 : exec_window_count(window, time_ms);

        for (uint64_t w = 0; w < count; w++, at++) {
            struct exec_window_span span = exec_window_at(window, time_ms, w);

            assert_true(at < rig.out.count);
            assert_memory_equal(rig.out.items[at].cells, rows[i].cells, INPUTS * sizeof(int64_t));
            assert_int_equal(rig.out.items[at].cells[INPUTS], span.start_ms * 1000);
            assert_int_equal(rig.out.items[at].cells[INPUTS + 1], span.end_ms * 1000);
            assert_int_equal(rig.out.items[at].cells[INPUTS + 2], (span.end_ms - 1) * 1000);
        }
    }
    assert_int_equal(at, rig.out.count);
    assert_int_equal(rig_late(&rig), 0);
    rig_stop(&rig);
}

static void test_rows_with_windows(void **state)
{
    struct exec_window windows[] = {
        {.kind = EXEC_TUMBLE, .size_ms = 10, .offset_ms = 3},
        {.kind = EXEC_HOP, .size_ms = 30, .slide_ms = 10, .offset_ms = -4},
        {.kind = EXEC_HOP, .size_ms = 7, .slide_ms = 10},
        {.kind = EXEC_CUMULATE, .size_ms = 40, .slide_ms = 10, .offset_ms = 5},
    };

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        for (size_t i = 0; i < COUNT_OF(windows); i++) {
            check(&windows[i], seed);
        }
    }
}

static void test_processing_time(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10, .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;
    struct rig_row     row = {.cells = {1, 2, RIG_NULL}};

    (void)state;
    make_options(&options, &window);
    rig_start(&rig, &options);
    assert_true(exec_worker_time(rig.worker, 1234));
    assert_true(rig_push(&rig, 0, &row, 1));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[INPUTS], 1230000);
    assert_int_equal(rig.out.items[0].cells[INPUTS + 1], 1240000);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_with_windows),
        cmocka_unit_test(test_processing_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
