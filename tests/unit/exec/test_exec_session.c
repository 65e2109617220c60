/* Session windows against a model that looks at every session of a key for every row. */
#include "tests/unit/exec/window_model.h"

#define SESSIONS_MAX 1024

struct model {
    int64_t              gap_ms, progress_ms;
    struct model_window *sessions; /* `fired`: gone, fired or merged away */
    size_t               count;
    struct rig_rows      out;
    uint64_t             late;
};

static bool touches(const struct model_window *session, const struct rig_row *row, struct exec_window_span span)
{
    return !session->fired && session->key == row->cells[MODEL_KEY] && session->key2 == row->cells[MODEL_KEY2] &&
           session->span.start_ms <= span.end_ms && session->span.end_ms >= span.start_ms;
}

static void take_all(struct model_window *into, struct model_window *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        assert_true(into->count < COUNT_OF(into->values));
        into->values[into->count] = from->values[i];
        into->values2[into->count] = from->values2[i];
        into->count++;
    }
    from->fired = true;
}

static void model_push(struct model *model, const struct rig_row *row)
{
    int64_t                 time_ms = exec_floor_div(row->cells[MODEL_TIME], 1000);
    struct exec_window_span span = {time_ms, time_ms + model->gap_ms};
    struct model_window    *target = NULL;

    for (size_t i = 0; i < model->count; i++) {
        struct model_window *session = &model->sessions[i];

        if (!touches(session, row, (struct exec_window_span){time_ms, time_ms + model->gap_ms})) {
            continue;
        }
        span.start_ms = MIN(span.start_ms, session->span.start_ms);
        span.end_ms = MAX(span.end_ms, session->span.end_ms);
        if (target == NULL) {
            target = session;
        } else {
            take_all(target, session);
        }
    }
    if (target == NULL) {
        if (exec_window_has_fired(span.end_ms, model->progress_ms)) {
            model->late++;
            return;
        }
        assert_true(model->count < SESSIONS_MAX);
        target = &model->sessions[model->count++];
        target->key = row->cells[MODEL_KEY];
        target->key2 = row->cells[MODEL_KEY2];
        target->count = 0;
        target->fired = false;
    }
    target->span = span;
    model_window_add(target, row);
}

static void model_advance(struct model *model, int64_t progress_ms)
{
    model->progress_ms = progress_ms;
    for (size_t i = 0; i < model->count; i++) {
        struct model_window *session = &model->sessions[i];

        if (!session->fired && exec_window_has_fired(session->span.end_ms, progress_ms)) {
            struct rig_row row = model_window_result(session);

            rows_add(&model->out, &row);
            session->fired = true;
        }
    }
}

static void run(uint64_t seed)
{
    static const uint32_t rows_max_choices[] = {1, 3, 64, VEC_ROWS_MAX};
    struct prng           prng;
    struct rig_options    options;
    struct rig            rig;
    struct exec_window    window = {.kind = EXEC_SESSION};
    struct model          model = {.progress_ms = EXEC_PROGRESS_NONE};
    int64_t               time_ms;
    uint64_t              disorder_ms;
    int64_t               delay_ms;

    prng_init(&prng, seed);
    model.sessions = mem_alloc(MEM_TEST, SESSIONS_MAX * sizeof(*model.sessions));
    model.gap_ms = window.size_ms = 1 + (int64_t)prng_below(&prng, 12);
    disorder_ms = prng_below(&prng, 100);
    delay_ms = (int64_t)prng_below(&prng, 100);
    time_ms = prng_chance(&prng, 1, 2) ? -200 : 1000000;
    model_options(&options, &window);
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = seed % 2 == 0;
    options.piece_rows = prng_chance(&prng, 1, 2) ? 0 : 1 + (uint32_t)prng_below(&prng, 8);
    rig_start(&rig, &options);
    for (int step = 0; step < 30; step++) {
        struct rig_row rows[40];
        uint32_t       count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));

        for (uint32_t i = 0; i < count; i++) {
            time_ms += (int64_t)prng_below(&prng, 3);
            rows[i] = model_random_row(&prng, time_ms - (int64_t)prng_below(&prng, disorder_ms + 1));
            model_push(&model, &rows[i]);
        }
        assert_true(rig_push(&rig, 0, rows, count));
        assert_int_equal(rig_late(&rig), model.late);
        if (prng_chance(&prng, 1, 2)) {
            int64_t watermark_us = (time_ms - delay_ms) * 1000 + (int64_t)prng_below(&prng, 1000);

            model_advance(&model, exec_window_progress(watermark_us));
            assert_true(rig_watermark(&rig, 0, watermark_us));
        }
        rig_perhaps_restart(&rig, &prng);
        if (options.keeps_changes && step == 20 && seed % 10 == 0) {
            rig_load_damaged(&rig, &prng, 60);
        }
    }
    model_advance(&model, EXEC_PROGRESS_END);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    rows_assert_same(&rig.out, &model.out);
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
    rows_free(&model.out);
    mem_free(MEM_TEST, model.sessions);
}

static void test_random_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        run(seed);
    }
}

static void push_at(struct rig *rig, int64_t time_ms)
{
    struct rig_row row = {.cells = {1, 2, time_ms * 1000, 10, 4}};

    assert_true(rig_push(rig, 0, &row, 1));
}

/* A gap of exactly the gap is none; one millisecond more is one. */
static void test_gap_of_exactly_the_gap(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    push_at(&rig, 100);
    push_at(&rig, 110);
    push_at(&rig, 121);
    push_at(&rig, 90);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[0].cells[2], 3);
    assert_int_equal(rig.out.items[0].cells[6], 90000);
    assert_int_equal(rig.out.items[0].cells[7], 120000);
    assert_int_equal(rig.out.items[1].cells[6], 121000);
    assert_int_equal(rig.out.items[1].cells[7], 131000);
    rig_stop(&rig);
}

/* A row that is late by itself is not when its session is still open. */
static void test_late_by_its_session(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    push_at(&rig, 100);
    push_at(&rig, 108);
    assert_true(rig_watermark(&rig, 0, 115000));
    push_at(&rig, 95); /* [95, 105) touches [100, 118) */
    assert_int_equal(rig_late(&rig), 0);
    push_at(&rig, 84); /* [84, 94) touches nothing */
    assert_int_equal(rig_late(&rig), 1);
    assert_true(rig_watermark(&rig, 0, 116000));
    assert_int_equal(rig.out.count, 0);
    assert_true(rig_watermark(&rig, 0, 117000));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[2], 3);
    push_at(&rig, 108); /* its session has fired: on its own it ends at 118, which has passed */
    assert_int_equal(rig_late(&rig), 2);
    push_at(&rig, 109);
    assert_int_equal(rig_late(&rig), 2);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[1].cells[6], 109000);
    rig_stop(&rig);
}

/* One row that joins two sessions, within one chunk. */
static void test_bridge(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[] = {{.cells = {1, 2, 100000, 5, 3}},
                                 {.cells = {1, 2, 120000, 5, 1}},
                                 {.cells = {1, 2, 110000, 6, 7}},
                                 {.cells = {1, 2, 125000, 7, 9}}};

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[2], 4);
    assert_int_equal(rig.out.items[0].cells[3], 23);
    assert_int_equal(rig.out.items[0].cells[4], 3);
    assert_int_equal(rig.out.items[0].cells[6], 100000);
    assert_int_equal(rig.out.items[0].cells[7], 135000);
    rig_stop(&rig);
}

/* Ends in order, whatever the order of their beginnings. */
static void test_order_of_ends(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[] = {{.cells = {1, 2, 100000, 5, 3}},
                                 {.cells = {2, 2, 105000, 5, 1}},
                                 {.cells = {3, 2, 101000, 6, 7}},
                                 {.cells = {1, 2, 109000, 7, 9}}};

    (void)state;
    model_options(&options, &window);
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 3);
    assert_int_equal(rig.out.items[0].cells[0], 3);
    assert_int_equal(rig.out.items[1].cells[0], 2);
    assert_int_equal(rig.out.items[2].cells[0], 1);
    rig_stop(&rig);
}

static void test_processing_time(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10, .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    options.keeps_changes = true;
    rig_start(&rig, &options);
    assert_true(exec_worker_time(rig.worker, 1000));
    rig_save(&rig, false);
    rig_restart(&rig);
    push_at(&rig, 1);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_true(exec_worker_time(rig.worker, 1009));
    rig_save(&rig, false);
    rig_restart(&rig);
    push_at(&rig, 1);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_true(exec_worker_time(rig.worker, 1018));
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_int_equal(rig.out.count, 0);
    assert_true(exec_worker_time(rig.worker, 1019));
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[2], 2);
    assert_int_equal(rig.out.items[0].cells[7], 1019000);
    push_at(&rig, 1);
    rig_save(&rig, false);
    rig_restart(&rig);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 1);
    rig_stop(&rig);
}

static void test_budget(void **state)
{
    struct exec_window window = {.kind = EXEC_SESSION, .size_ms = 10};

    (void)state;
    for (uint64_t budget_bytes = 1000; budget_bytes < 200000; budget_bytes += 9973) {
        struct rig_options options;
        struct rig         rig;
        struct prng        prng;
        bool               fine;

        prng_init(&prng, budget_bytes);
        model_options(&options, &window);
        options.memory_bytes_max = budget_bytes;
        rig_start(&rig, &options);
        fine = rig_failure(&rig) == NULL;
        for (int64_t i = 0; i < 5000 && fine; i++) {
            struct rig_row row = model_random_row(&prng, (int64_t)prng_below(&prng, 100000));

            row.cells[MODEL_KEY] = i % 100;
            fine = rig_push(&rig, 0, &row, 1);
        }
        assert_false(fine);
        assert_non_null(strstr(rig_failure(&rig), "WindowAggregate: the state of the job outgrew its budget"));
        rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rows),
        cmocka_unit_test(test_gap_of_exactly_the_gap),
        cmocka_unit_test(test_late_by_its_session),
        cmocka_unit_test(test_bridge),
        cmocka_unit_test(test_order_of_ends),
        cmocka_unit_test(test_processing_time),
        cmocka_unit_test(test_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
