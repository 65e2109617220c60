/* The regular join against nested loops, with and without a condition and a time to live (exec_multimap.c,
 * exec_node.c). */
#include "tests/unit/exec/join_support.h"

#define ROWS_MAX 4096

struct kept {
    struct rig_row row;
    int64_t        came_ms;
};

struct model {
    struct kept    *kept[2];
    size_t          counts[2];
    int64_t         ttl_ms;
    bool            has_condition;
    struct rig_rows out;
};

static void model_push(struct model *model, uint32_t side, const struct rig_row *row, int64_t now_ms)
{
    for (size_t i = 0; i < model->counts[1 - side]; i++) {
        const struct kept    *other = &model->kept[1 - side][i];
        const struct rig_row *left = side == EXEC_LEFT ? row : &other->row;
        const struct rig_row *right = side == EXEC_LEFT ? &other->row : row;

        if (model->ttl_ms > 0 && other->came_ms + model->ttl_ms <= now_ms) {
            continue;
        }
        if (join_keys_match(left, right) && (!model->has_condition || join_condition_holds(left, right))) {
            struct rig_row pair = join_pair(left, right, 5);

            rows_add(&model->out, &pair);
        }
    }
    assert_true(model->counts[side] < ROWS_MAX);
    model->kept[side][model->counts[side]++] = (struct kept){.row = *row, .came_ms = now_ms};
}

static void check_exact_order(const struct rig_rows *a, const struct rig_rows *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_memory_equal(a->items[i].cells, b->items[i].cells, sizeof(a->items[i].cells));
    }
}

static void run(uint64_t seed, bool has_condition, int64_t ttl_ms)
{
    static const uint32_t rows_max_choices[] = {1, 3, 50, VEC_ROWS_MAX};
    struct model          model = {.ttl_ms = ttl_ms, .has_condition = has_condition};
    struct rig_options    options;
    struct rig            rig;
    struct prng           prng;
    int64_t               now_ms = 5000;

    prng_init(&prng, seed);
    for (uint32_t side = 0; side < 2; side++) {
        model.kept[side] = mem_alloc(MEM_TEST, ROWS_MAX * sizeof(*model.kept[side]));
    }
    join_options(&options, EXEC_JOIN, has_condition ? join_condition(5) : NULL);
    options.node.join.state_ttl_ms = ttl_ms;
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = seed % 4 < 2;
    options.piece_rows = prng_chance(&prng, 1, 2) ? 0 : 1 + (uint32_t)prng_below(&prng, 8);
    rig_start(&rig, &options);
    for (int step = 0; step < 40; step++) {
        struct rig_row rows[30];
        uint32_t       count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));
        uint32_t       side = (uint32_t)prng_below(&prng, 2);

        now_ms += (int64_t)prng_below(&prng, 40);
        assert_true(exec_worker_time(rig.worker, now_ms));
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = join_random_row(&prng, side, 1000);
            model_push(&model, side, &rows[i], now_ms);
        }
        assert_true(rig_push(&rig, side, rows, count));
        rig_perhaps_restart(&rig, &prng);
    }
    /* A row that comes meets the others in the order in which they came. */
    check_exact_order(&rig.out, &model.out);
    assert_true(rig.out.count > 0);
    if (ttl_ms > 0) {
        assert_true(exec_worker_time(rig.worker, now_ms + ttl_ms));
        assert_int_equal(rig_state_rows(&rig), 0);
    } else if (options.keeps_changes) {
        rig_load_damaged(&rig, &prng, 100);
    }
    rig_stop(&rig);
    rows_free(&model.out);
    for (uint32_t side = 0; side < 2; side++) {
        mem_free(MEM_TEST, model.kept[side]);
    }
    if (has_condition) {
        join_forget_condition();
    }
}

static void test_random_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 48; seed++) {
        run(seed, seed % 2 == 0, seed % 3 == 0 ? 120 : 0);
    }
}

/* Without a key everything meets everything: the condition alone chooses. */
static void test_without_key(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     left[] = {{.cells = {1, 1, 0, 5, 1}}, {.cells = {RIG_NULL, 1, 0, 9, 1}}};
    struct rig_row     right[] = {{.cells = {6, 0, 1, 1, 1}}, {.cells = {10, 0, 1, RIG_NULL, 1}}};

    (void)state;
    join_options(&options, EXEC_JOIN, join_condition(5));
    options.node.join.key_count = 0;
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, left, 2));
    assert_true(rig_push(&rig, 1, right, 2));
    assert_int_equal(rig.out.count, 3);
    rig_stop(&rig);
    join_forget_condition();
}

/* The watermark that goes on is the lower one. */
static void test_watermarks(void **state)
{
    struct rig_options options;
    struct rig         rig;

    (void)state;
    join_options(&options, EXEC_JOIN, NULL);
    rig_start(&rig, &options);
    assert_true(rig_watermark(&rig, 0, 7000));
    assert_int_equal(rig_op(&rig)->watermark_us, EXEC_WATERMARK_NONE);
    assert_true(rig_watermark(&rig, 1, 5000));
    assert_int_equal(rig_op(&rig)->watermark_us, 5000);
    assert_true(rig_watermark(&rig, 1, EXEC_WATERMARK_END));
    assert_int_equal(rig_op(&rig)->watermark_us, 7000);
    rig_stop(&rig);
}

/* Ten rows with 300 partners each: some pairs with each step, in order, and the watermark behind them. */
static void test_many_partners_come_in_pieces(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[300];
    struct vec         columns[RIG_COLUMNS_MAX];
    struct vec_chunk   chunk = {.row_count = 10, .selected_count = 10, .column_count = 5, .columns = columns};
    struct arena       arena;
    uint32_t           steps = 0;

    (void)state;
    join_options(&options, EXEC_JOIN, NULL);
    options.piece_rows = 20;
    rig_start(&rig, &options);
    for (int64_t i = 0; i < 300; i++) {
        rows[i] = (struct rig_row){.cells = {i, 0, 1, 7, i + 1}};
    }
    assert_true(rig_push(&rig, EXEC_RIGHT, rows, 300));
    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < 5; c++) {
        const int64_t cells[] = {7, 1, 0, 5, 3};

        columns[c] = vec_make(&arena, rig.nodes[0].columns[c].type);
        for (size_t i = 0; i < 10; i++) {
            rig_set_cell(&arena, &columns[c], i, c == LEFT_VALUE ? (int64_t)i : cells[c]);
        }
    }
    exec__fire_refill(rig.worker);
    assert_true(exec__emit(rig.worker->ops[0], &chunk));
    arena_deinit(&arena); /* the chunk is gone */
    assert_true(exec__emit_watermark(rig.worker->ops[0], 5000));
    assert_true(exec__emit_watermark(rig.worker->ops[1], 5000));
    assert_in_range(rig.out.count, 1, 9 * 20);
    for (; rig.worker->holding_count > 0; steps++) {
        size_t before = rig.out.count;

        assert_true(rig.out.count == 3000 || rig_op(&rig)->watermark_us == EXEC_WATERMARK_NONE);
        assert_int_equal(exec_worker_step(rig.worker), EXEC_BUSY);
        assert_in_range(rig.out.count - before, 0, 20);
    }
    assert_true(steps > 100);
    assert_int_equal(rig_op(&rig)->watermark_us, 5000);
    assert_int_equal(rig.out.count, 3000);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(rig.out.items[i].cells[LEFT_VALUE], i / 300);
        assert_int_equal(rig.out.items[i].cells[5 + RIGHT_VALUE], i % 300);
    }
    rig_stop(&rig);
}

static void test_keys_of_two_types_are_refused(void **state)
{
    struct rig_options options;
    struct rig         rig;

    (void)state;
    join_options(&options, EXEC_JOIN, NULL);
    options.columns[1][RIGHT_KEY] = RIG_TEXT;
    rig_start(&rig, &options);
    assert_non_null(rig_failure(&rig));
    assert_non_null(strstr(rig_failure(&rig), "different types"));
    rig_stop(&rig);
}

/* A condition that fails ends the job, and names its columns, not a row of the input. */
static void test_condition_fails(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     left = {.cells = {1, 1, 0, 5, 1}};
    struct rig_row     right = {.cells = {5, 0, 1, 1, 1}};
    struct expr       *arguments[2];
    struct expr       *difference;
    struct expr       *quotient;

    (void)state;
    (void)join_condition(5);
    arguments[0] = expr_column(&join_maker, LEFT_VALUE, vec_type_of(VEC_BIGINT));
    arguments[1] = expr_column(&join_maker, 5 + RIGHT_VALUE, vec_type_of(VEC_BIGINT));
    difference = expr_call(&join_maker, "-", arguments, 2);
    arguments[1] = difference;
    quotient = expr_call(&join_maker, "/", arguments, 2);
    arguments[0] = quotient;
    arguments[1] = expr_int(&join_maker, VEC_BIGINT, 7);
    join_options(&options, EXEC_JOIN, expr_call(&join_maker, "<", arguments, 2));
    assert_non_null(options.node.join.condition);
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, &left, 1));
    assert_false(rig_push(&rig, 1, &right, 1));
    assert_non_null(strstr(rig_failure(&rig), "Join: "));
    assert_non_null(strstr(rig_failure(&rig), "zero"));
    assert_false(exec_job_failure(rig.job)->has_row);
    rig_stop(&rig);
    join_forget_condition();
}

/* Whatever the budget and wherever it ends: a failure that names the operator, and nothing lost or used again. */
static void run_out_of_memory(enum exec_node_kind kind, uint64_t budget_bytes, uint64_t seed)
{
    struct rig_options options;
    struct rig         rig;
    struct prng        prng;
    bool               fine;

    prng_init(&prng, seed);
    join_options(&options, kind, NULL);
    options.node.join.state_ttl_ms = kind == EXEC_JOIN && seed % 2 == 0 ? 1000000 : 0;
    options.node.join.lower_ms = -50;
    options.node.join.upper_ms = 50;
    options.memory_bytes_max = budget_bytes;
    rig_start(&rig, &options);
    fine = rig_failure(&rig) == NULL;
    for (int64_t step = 0; step < 400 && fine; step++) {
        struct rig_row rows[16];
        uint32_t       side = (uint32_t)prng_below(&prng, 2);

        for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
            rows[i] = join_random_row(&prng, side, 1000 + step);
            rows[i].cells[side == EXEC_LEFT ? LEFT_KEY : RIGHT_KEY] = (int64_t)prng_below(&prng, 500);
            if (kind == EXEC_WINDOW_JOIN) {
                rows[i].cells[side == EXEC_LEFT ? LEFT_START : RIGHT_START] = step / 100 * 1000;
                rows[i].cells[side == EXEC_LEFT ? LEFT_END : RIGHT_END] = (step / 100 + 1) * 1000;
            }
        }
        fine = rig_push(&rig, side, rows, COUNT_OF(rows));
    }
    assert_false(fine);
    assert_non_null(strstr(rig_failure(&rig), "budget"));
    assert_non_null(strstr(rig_failure(&rig), exec_node_kind_name(kind)));
    rig_stop(&rig);
}

static void test_budget(void **state)
{
    (void)state;
    for (uint64_t budget_bytes = 1000; budget_bytes < 200000; budget_bytes += 9973) {
        run_out_of_memory(EXEC_JOIN, budget_bytes, budget_bytes);
        run_out_of_memory(EXEC_INTERVAL_JOIN, budget_bytes, budget_bytes);
        run_out_of_memory(EXEC_WINDOW_JOIN, budget_bytes, budget_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rows),
        cmocka_unit_test(test_without_key),
        cmocka_unit_test(test_watermarks),
        cmocka_unit_test(test_keys_of_two_types_are_refused),
        cmocka_unit_test(test_condition_fails),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_many_partners_come_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
