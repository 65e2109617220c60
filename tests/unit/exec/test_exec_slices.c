/* Tumbling, hopping, cumulating and assigned windows against a model that keeps every row of every window,
 * with crashes between (exec_window_group.c, exec_slices_state.c). */
#include "tests/unit/exec/window_model.h"

#define WINDOWS_MAX 2048

struct model {
    struct exec_window   window;
    int64_t              progress_ms;
    struct model_window *windows;
    size_t               count;
    struct rig_rows      out;
    uint64_t             late;
};

static struct model_window *window_of(struct model *model, const struct rig_row *row, struct exec_window_span span)
{
    struct model_window *window;

    for (size_t i = 0; i < model->count; i++) {
        window = &model->windows[i];
        if (window->key == row->cells[MODEL_KEY] && window->key2 == row->cells[MODEL_KEY2] && !window->fired &&
            window->span.start_ms == span.start_ms && window->span.end_ms == span.end_ms) {
            return window;
        }
    }
    assert_true(model->count < WINDOWS_MAX);
    window = &model->windows[model->count++];
    window->key = row->cells[MODEL_KEY];
    window->key2 = row->cells[MODEL_KEY2];
    window->span = span;
    window->count = 0;
    window->fired = false;
    return window;
}

static void model_push(struct model *model, const struct rig_row *row)
{
    int64_t  time_ms = exec_floor_div(row->cells[MODEL_TIME], 1000);
    uint64_t count = exec_window_count(&model->window, time_ms);
    bool     taken = false;

    for (uint64_t i = 0; i < count; i++) {
        struct exec_window_span span = exec_window_at(&model->window, time_ms, i);

        if (!exec_window_has_fired(span.end_ms, model->progress_ms)) {
            model_window_add(window_of(model, row, span), row);
            taken = true;
        }
    }
    model->late += !taken;
}

static void model_advance(struct model *model, int64_t progress_ms)
{
    size_t kept = 0;

    model->progress_ms = progress_ms;
    for (size_t i = 0; i < model->count; i++) {
        struct model_window *window = &model->windows[i];

        if (exec_window_has_fired(window->span.end_ms, progress_ms)) {
            struct rig_row row = model_window_result(window);

            rows_add(&model->out, &row);
        } else {
            if (kept != i) {
                model->windows[kept] = *window;
            }
            kept++;
        }
    }
    model->count = kept;
}

static void check_order(const struct rig_rows *out)
{
    for (size_t i = 1; i < out->count; i++) {
        assert_true(out->items[i].cells[7] >= out->items[i - 1].cells[7]);
    }
}

static const uint32_t rows_max_choices[] = {1, 2, 7, 100, VEC_ROWS_MAX};

struct setting {
    struct exec_window window;
    int64_t            begin_ms; /* where time starts */
    int64_t            disorder_ms, delay_ms;
    uint64_t           seed;
};

/* Random rows in some disorder, watermarks some delay behind, through operator and model. */
static void run(const struct setting *setting)
{
    struct rig_options options;
    struct rig         rig;
    struct model       model = {.window = setting->window, .progress_ms = EXEC_PROGRESS_NONE};
    struct prng        prng;
    int64_t            time_ms = setting->begin_ms;

    prng_init(&prng, setting->seed);
    model.windows = mem_alloc(MEM_TEST, WINDOWS_MAX * sizeof(*model.windows));
    model_options(&options, &setting->window);
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = prng_chance(&prng, 1, 2);
    options.piece_rows = prng_chance(&prng, 1, 2) ? 0 : 1 + (uint32_t)prng_below(&prng, 8);
    rig_start(&rig, &options);
    for (int step = 0; step < 40; step++) {
        struct rig_row rows[64];
        uint32_t       count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));

        for (uint32_t i = 0; i < count; i++) {
            time_ms += (int64_t)prng_below(&prng, 3);
            rows[i] = model_random_row(&prng, time_ms - (int64_t)prng_below(&prng, (uint64_t)setting->disorder_ms + 1));
            model_push(&model, &rows[i]);
        }
        assert_true(rig_push(&rig, 0, rows, count));
        if (prng_chance(&prng, 2, 3)) {
            int64_t watermark_us = (time_ms - setting->delay_ms) * 1000 + (int64_t)prng_below(&prng, 1000);

            model_advance(&model, exec_window_progress(watermark_us));
            assert_true(rig_watermark(&rig, 0, watermark_us));
        }
        assert_int_equal(rig_late(&rig), model.late);
        rig_perhaps_restart(&rig, &prng);
        if (options.keeps_changes && step == 20 && prng_chance(&prng, 1, 10)) {
            rig_load_damaged(&rig, &prng, 60);
        }
    }
    model_advance(&model, EXEC_PROGRESS_END);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    check_order(&rig.out);
    assert_int_equal(rig_late(&rig), model.late);
    rows_assert_same(&rig.out, &model.out);
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
    rows_free(&model.out);
    mem_free(MEM_TEST, model.windows);
}

static void run_kind(enum exec_window_kind kind, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (int round = 0; round < 25; round++) {
        struct setting setting = {.window.kind = kind, .seed = prng_next(&prng)};

        setting.window.slide_ms = 5 + (int64_t)prng_below(&prng, 30);
        setting.window.size_ms = setting.window.slide_ms * (1 + (int64_t)prng_below(&prng, 6));
        if (kind == EXEC_HOP && prng_chance(&prng, 1, 3)) {
            setting.window.size_ms = 5 + (int64_t)prng_below(&prng, 60); /* any size, gaps between windows included */
        }
        setting.window.offset_ms = (int64_t)prng_below(&prng, 9) - 4;
        setting.begin_ms = (int64_t)prng_below(&prng, 2) == 0 ? -300 : 86400000 - 100;
        setting.disorder_ms = (int64_t)prng_below(&prng, 120);
        setting.delay_ms = (int64_t)prng_below(&prng, 120);
        run(&setting);
    }
}

static void test_tumble(void **state)
{
    (void)state;
    run_kind(EXEC_TUMBLE, 1);
}

static void test_hop(void **state)
{
    (void)state;
    run_kind(EXEC_HOP, 2);
}

static void test_cumulate(void **state)
{
    (void)state;
    run_kind(EXEC_CUMULATE, 3);
}

/* --- single cases --------------------------------------------------------------------------------------------------
 */

static void push_at(struct rig *rig, int64_t time_ms)
{
    struct rig_row row = {.cells = {1, 2, time_ms * 1000, 10, 4}};

    assert_true(rig_push(rig, 0, &row, 1));
}

/* The end of a window is not in it, and the watermark that is one millisecond before it fires it. */
static void test_boundaries(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    push_at(&rig, 0);
    push_at(&rig, 9);
    push_at(&rig, 10);
    assert_true(rig_watermark(&rig, 0, 8999));
    assert_int_equal(rig.out.count, 0);
    assert_true(rig_watermark(&rig, 0, 9000));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[2], 2);
    assert_int_equal(rig.out.items[0].cells[6], 0);
    assert_int_equal(rig.out.items[0].cells[7], 10000);
    assert_int_equal(rig.out.items[0].cells[8], 9000);
    push_at(&rig, 9);
    assert_int_equal(rig_late(&rig), 1);
    push_at(&rig, 10);
    assert_int_equal(rig_late(&rig), 1);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[1].cells[2], 2);
    rig_stop(&rig);
}

/* A late row shows in the windows that are still open, not again in those that fired. */
static void test_late_row_of_open_hops(void **state)
{
    struct exec_window window = {.kind = EXEC_HOP, .size_ms = 10, .slide_ms = 5};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    push_at(&rig, 7);
    assert_true(rig_watermark(&rig, 0, 9000)); /* [0, 10) */
    assert_int_equal(rig.out.count, 1);
    push_at(&rig, 6);
    assert_int_equal(rig_late(&rig), 0);
    push_at(&rig, 4); /* [-5, 5) and [0, 10) have fired */
    assert_int_equal(rig_late(&rig), 1);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[1].cells[2], 2);
    assert_int_equal(rig.out.items[1].cells[6], 5000);
    rig_stop(&rig);
}

static void test_null_time_fails(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;
    struct rig_row     row = {.cells = {1, 2, RIG_NULL, 10, 4}};

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    assert_false(rig_push(&rig, 0, &row, 1));
    assert_non_null(strstr(rig_failure(&rig), "RowTime field should not be null"));
    assert_non_null(strstr(rig_failure(&rig), "'ts'"));
    rig_stop(&rig);
}

/* The clock assigns and fires; what is open at the end is not emitted. Whatever happens comes from saved state. */
static void test_processing_time(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10, .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    options.keeps_changes = true;
    rig_start(&rig, &options);
    assert_true(exec_worker_time(rig.worker, 1005));
    rig_save(&rig, false);
    rig_restart(&rig);
    push_at(&rig, 77);
    rig_save(&rig, false);
    rig_restart(&rig);
    push_at(&rig, RIG_NULL / 1000);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_true(exec_worker_time(rig.worker, 1009));
    rig_save(&rig, false);
    rig_restart(&rig);
    push_at(&rig, 0);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_int_equal(rig.out.count, 0);
    assert_true(rig_watermark(&rig, 0, 5000 * 1000));
    assert_int_equal(rig.out.count, 0);
    assert_true(exec_worker_time(rig.worker, 1010));
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[2], 3);
    assert_int_equal(rig.out.items[0].cells[6], 1000 * 1000);
    push_at(&rig, 3);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig_late(&rig), 0);
    rig_stop(&rig);
}

/* Windows that an operator below assigned: by their columns, two of the same end included. */
static void test_assigned(void **state)
{
    static const uint32_t              keys[] = {0};
    static const struct exec_aggregate aggregates[] = {
        {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN, .type = {.kind = VEC_BIGINT}}};
    struct vec_field   outputs[] = {RIG_NUMBER, RIG_NUMBER, RIG_TIME, RIG_TIME, RIG_TIME};
    struct rig_options options = {
        .input_count = 1,
        .column_counts = {3},
        .columns = {{RIG_NUMBER, RIG_TIME, RIG_TIME}},
        .node = {.kind = EXEC_WINDOW_GROUP,
                 .column_count = COUNT_OF(outputs),
                 .columns = outputs,
                 .changes = EXEC_APPEND_ONLY,
                 .window_group = {.window = {.kind = EXEC_WINDOWED, .start_column = 1, .end_column = 2},
                                  .key_count = 1,
                                  .keys = keys,
                                  .aggregate_count = 1,
                                  .aggregates = aggregates}},
    };
    struct rig_row rows[] = {{.cells = {1, 0, 10000}},
                             {.cells = {1, 5000, 10000}},
                             {.cells = {1, 0, 10000}},
                             {.cells = {2, 10000, 20000}},
                             {.cells = {2, 0, 10000}}};
    struct rig     rig;

    (void)state;
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_true(rig_watermark(&rig, 0, 9000));
    assert_int_equal(rig.out.count, 3);
    assert_int_equal(rig.out.items[0].cells[1], 2); /* key 1, [0, 10) */
    assert_int_equal(rig.out.items[1].cells[0], 2);
    assert_int_equal(rig.out.items[2].cells[2], 5000);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_int_equal(rig_late(&rig), 4);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 4);
    assert_int_equal(rig.out.items[3].cells[1], 2);
    rig_stop(&rig);
}

static void test_budget(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 1};
    struct rig_options options;
    struct rig         rig;
    bool               fine = true;

    (void)state;
    model_options(&options, &window);
    options.memory_bytes_max = 100000;
    rig_start(&rig, &options);
    for (int64_t t = 0; t < 1000 && fine; t++) {
        struct rig_row row = {.cells = {t, 1, t * 1000, 1, 1}};

        fine = rig_push(&rig, 0, &row, 1);
    }
    assert_false(fine);
    assert_non_null(strstr(rig_failure(&rig), "WindowAggregate"));
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tumble),
        cmocka_unit_test(test_hop),
        cmocka_unit_test(test_cumulate),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_late_row_of_open_hops),
        cmocka_unit_test(test_null_time_fails),
        cmocka_unit_test(test_processing_time),
        cmocka_unit_test(test_assigned),
        cmocka_unit_test(test_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
