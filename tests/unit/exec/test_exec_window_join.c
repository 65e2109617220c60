/* The window join against nested loops over the rows of each window. */
#include "tests/unit/exec/join_support.h"

#define ROWS_MAX 4096

struct model {
    struct rig_rows kept[2];
    int64_t         progress_ms;
    bool            has_condition;
    struct rig_rows out;
    uint64_t        late;
};

static int64_t end_of(const struct rig_row *row, uint32_t side)
{
    return row->cells[side == EXEC_LEFT ? LEFT_END : RIGHT_END] / 1000;
}

static void model_push(struct model *model, uint32_t side, const struct rig_row *row)
{
    if (exec_window_has_fired(end_of(row, side), model->progress_ms)) {
        model->late++;
    } else {
        rows_add(&model->kept[side], row);
    }
}

static void forget_fired(struct rig_rows *rows, uint32_t side, int64_t progress_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < rows->count; i++) {
        if (!exec_window_has_fired(end_of(&rows->items[i], side), progress_ms)) {
            rows->items[kept++] = rows->items[i];
        }
    }
    rows->count = kept;
}

static void model_advance(struct model *model, int64_t progress_ms)
{
    model->progress_ms = progress_ms;
    for (size_t i = 0; i < model->kept[EXEC_LEFT].count; i++) {
        const struct rig_row *left = &model->kept[EXEC_LEFT].items[i];

        for (size_t j = 0; j < model->kept[EXEC_RIGHT].count; j++) {
            const struct rig_row *right = &model->kept[EXEC_RIGHT].items[j];

            if (exec_window_has_fired(end_of(left, EXEC_LEFT), progress_ms) && join_keys_match(left, right) &&
                left->cells[LEFT_START] == right->cells[RIGHT_START] &&
                left->cells[LEFT_END] == right->cells[RIGHT_END] &&
                (!model->has_condition || join_condition_holds(left, right))) {
                struct rig_row pair = join_pair(left, right, 7);

                rows_add(&model->out, &pair);
            }
        }
    }
    forget_fired(&model->kept[EXEC_LEFT], EXEC_LEFT, progress_ms);
    forget_fired(&model->kept[EXEC_RIGHT], EXEC_RIGHT, progress_ms);
}

/* Hopping windows of 20 by 10. */
static struct rig_row random_row(struct prng *prng, uint32_t side, int64_t time_ms)
{
    struct rig_row row = join_random_row(prng, side, time_ms);
    int64_t        start_ms = exec_window_floor(time_ms, 0, 10) - 10 * (int64_t)prng_below(prng, 2);

    row.cells[side == EXEC_LEFT ? LEFT_START : RIGHT_START] = start_ms * 1000;
    row.cells[side == EXEC_LEFT ? LEFT_END : RIGHT_END] = (start_ms + 20) * 1000;
    return row;
}

static void run(uint64_t seed, bool has_condition)
{
    static const uint32_t rows_max_choices[] = {1, 3, 50, VEC_ROWS_MAX};
    struct model          model = {.progress_ms = EXEC_PROGRESS_NONE, .has_condition = has_condition};
    struct rig_options    options;
    struct rig            rig;
    struct prng           prng;
    int64_t               time_ms = -150;
    int64_t               watermarks_us[2] = {EXEC_WATERMARK_NONE, EXEC_WATERMARK_NONE};

    prng_init(&prng, seed);
    join_options(&options, EXEC_WINDOW_JOIN, has_condition ? join_condition(7) : NULL);
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = seed % 4 < 2;
    options.piece_rows = prng_chance(&prng, 1, 2) ? 0 : 1 + (uint32_t)prng_below(&prng, 8);
    rig_start(&rig, &options);
    for (int step = 0; step < 60; step++) {
        struct rig_row rows[30];
        uint32_t       count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));
        uint32_t       side = (uint32_t)prng_below(&prng, 2);
        int64_t        behind_ms;

        for (uint32_t i = 0; i < count; i++) {
            time_ms += (int64_t)prng_below(&prng, 2);
            rows[i] = random_row(&prng, side, time_ms - (int64_t)prng_below(&prng, 30));
            model_push(&model, side, &rows[i]);
        }
        assert_true(rig_push(&rig, side, rows, count));
        assert_int_equal(rig_late(&rig), model.late);
        side = (uint32_t)prng_below(&prng, 2);
        behind_ms = (int64_t)prng_below(&prng, 30);
        watermarks_us[side] = MAX(watermarks_us[side], (time_ms - behind_ms) * 1000);
        model_advance(&model, exec_window_progress(MIN(watermarks_us[0], watermarks_us[1])));
        assert_true(rig_watermark(&rig, side, watermarks_us[side]));
        rig_perhaps_restart(&rig, &prng);
        if (step == 30 && seed == 5) {
            rig_load_damaged(&rig, &prng, 300);
        }
    }
    model_advance(&model, EXEC_PROGRESS_END);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_true(rig_watermark(&rig, 1, EXEC_WATERMARK_END));
    assert_true(rig.out.count > 0);
    for (size_t i = 1; i < rig.out.count; i++) {
        assert_true(rig.out.items[i].cells[LEFT_END] >= rig.out.items[i - 1].cells[LEFT_END]);
    }
    rows_assert_same(&rig.out, &model.out);
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
    rows_free(&model.out);
    rows_free(&model.kept[0]);
    rows_free(&model.kept[1]);
    if (has_condition) {
        join_forget_condition();
    }
}

static void test_random_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        run(seed, seed % 2 == 0);
    }
}

/* Rows of one side only give nothing, and go with their window. */
static void test_empty_side(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     row = {.cells = {1, 1, 0, 5, 1, 0, 10000}};

    (void)state;
    join_options(&options, EXEC_WINDOW_JOIN, NULL);
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, &row, 1));
    assert_int_equal(rig_state_rows(&rig), 1);
    assert_true(rig_watermark(&rig, 0, 20000));
    assert_int_equal(rig_state_rows(&rig), 1);
    assert_true(rig_watermark(&rig, 1, 9000));
    assert_int_equal(rig_state_rows(&rig), 0);
    assert_int_equal(rig.out.count, 0);
    assert_int_equal(rig_op(&rig)->watermark_us, 9000);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rows),
        cmocka_unit_test(test_empty_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
