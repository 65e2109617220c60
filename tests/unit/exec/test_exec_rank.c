/* Top-N and deduplication against sorting everything: after each flush the folded changelog is the table that the rows
 * so far give. */
#include "tests/unit/exec/operator_support.h"

#include "compute/exec/exec_rank.h"
#include "compute/exec/exec_window.h"

/* Columns: key (BIGINT), order (BIGINT), order2 (VARCHAR), time, tag (BIGINT: the number of the row). */
enum { KEY, ORDER, ORDER2, TIME, TAG, INPUTS };

static void make_options(struct rig_options *options, const struct exec_rank *rank, uint32_t changes)
{
    static struct vec_field outputs[INPUTS + 1];
    static const uint32_t   keys[] = {KEY};
    struct vec_field        inputs[] = {RIG_NUMBER, RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_NUMBER};

    memcpy(outputs, inputs, sizeof(inputs));
    outputs[INPUTS] = RIG_NUMBER;
    *options = (struct rig_options){.input_count = 1, .column_counts = {INPUTS}};
    memcpy(options->columns[0], inputs, sizeof(inputs));
    options->node = (struct exec_node){.kind = EXEC_RANK,
                                       .column_count = INPUTS + rank->with_number,
                                       .columns = outputs,
                                       .changes = changes,
                                       .wants_before = true,
                                       .rank = *rank};
    options->node.rank.key_count = 1;
    options->node.rank.keys = keys;
}

#define ALL_CHANGES \
    (EXEC_CHANGE(VEC_INSERT) | EXEC_CHANGE(VEC_UPDATE_BEFORE) | EXEC_CHANGE(VEC_UPDATE_AFTER) | EXEC_CHANGE(VEC_DELETE))

/* --- Top-N ---------------------------------------------------------------------------------------------------------
 */

static int compare_cell(int64_t a, int64_t b, const struct exec_order *order)
{
    char a_text[64];
    char b_text[64];
    int  difference;

    if (a == RIG_NULL || b == RIG_NULL) {
        difference = (b == RIG_NULL) - (a == RIG_NULL);
        return order->nulls_last ? -difference : difference;
    }
    if (order->column == ORDER2) {
        rig_text(a, a_text);
        rig_text(b, b_text);
        difference = strcmp(a_text, b_text);
    } else {
        difference = (a > b) - (a < b);
    }
    return order->descending ? -difference : difference;
}

/* Does a rank before b, which came later? */
static bool ranks_before(const struct exec_rank *rank, const struct rig_row *a, const struct rig_row *b)
{
    for (uint32_t i = 0; i < rank->order_count; i++) {
        const struct exec_order *order = &rank->orders[i];
        int                      difference = compare_cell(a->cells[order->column], b->cells[order->column], order);

        if (difference != 0) {
            return difference < 0;
        }
    }
    return !(rank->is_deduplication && rank->orders[0].descending);
}

/* Every row's number among all that came. */
static void expected_table(const struct exec_rank *rank, const struct rig_rows *rows, struct rig_rows *table)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct rig_row out = rows->items[i];
        uint64_t       number = 1;

        for (size_t j = 0; j < rows->count; j++) {
            if (j != i && rows->items[j].cells[KEY] == out.cells[KEY]) {
                number +=
                    j < i ? ranks_before(rank, &rows->items[j], &out) : !ranks_before(rank, &out, &rows->items[j]);
            }
        }
        if (number >= rank->first && number <= rank->last) {
            out.change = VEC_INSERT;
            if (rank->with_number) {
                out.cells[INPUTS] = (int64_t)number;
            }
            rows_add(table, &out);
        }
    }
}

static void fold_new(struct rig *rig, struct rig_rows *table)
{
    for (size_t i = 0; i < rig->out.count; i++) {
        const struct rig_row *row = &rig->out.items[i];

        rows_fold(table, row);
        if (row->change == VEC_UPDATE_BEFORE) {
            assert_true(i + 1 < rig->out.count && rig->out.items[i + 1].change == VEC_UPDATE_AFTER);
        }
    }
    rig->out.count = 0;
}

static struct rig_row random_row(struct prng *prng, int64_t tag)
{
    struct rig_row row = {.cells = {prng_chance(prng, 1, 6) ? RIG_NULL : (int64_t)prng_below(prng, 5),
                                    prng_chance(prng, 1, 10) ? RIG_NULL : (int64_t)prng_below(prng, 20),
                                    prng_chance(prng, 1, 10) ? RIG_NULL : (int64_t)prng_below(prng, 6),
                                    (int64_t)prng_below(prng, 50) * 1000, tag}};

    return row;
}

static void run(const struct exec_rank *rank, uint64_t seed)
{
    static const uint32_t rows_max_choices[] = {1, 2, 3, 50, VEC_ROWS_MAX};
    struct rig_options    options;
    struct rig            rig;
    struct prng           prng;
    struct rig_rows       all = {0};
    struct rig_rows       folded = {0};
    int64_t               tag = 0;

    prng_init(&prng, seed);
    make_options(&options, rank, ALL_CHANGES);
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = seed % 3 != 0;
    rig_start(&rig, &options);
    for (int step = 0; step < 25; step++) {
        struct rig_row  rows[24];
        struct rig_rows expected = {0};
        uint32_t        count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));

        for (uint32_t i = 0; i < count; i++) {
            rows[i] = random_row(&prng, tag++);
            rows_add(&all, &rows[i]);
        }
        assert_true(rig_push(&rig, 0, rows, count));
        if (prng_chance(&prng, 1, 2)) {
            continue;
        }
        assert_int_equal(rig.out.count, 0);
        assert_true(exec_worker_flush(rig.worker));
        fold_new(&rig, &folded);
        expected_table(rank, &all, &expected);
        rows_assert_same(&folded, &expected);
        rows_free(&expected);
        assert_true(exec_worker_flush(rig.worker));
        assert_int_equal(rig.out.count, 0);
        rig_perhaps_restart(&rig, &prng);
    }
    assert_true(all.count > 50 && folded.count > 0);
    if (options.keeps_changes && seed % 10 == 0) {
        assert_true(exec_worker_flush(rig.worker));
        rig_load_damaged(&rig, &prng, 60);
    }
    rows_free(&all);
    rows_free(&folded);
    rig_stop(&rig);
}

static void test_top_n(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 3);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct exec_order orders[] = {
            {.column = ORDER, .descending = prng_chance(&prng, 1, 2), .nulls_last = prng_chance(&prng, 1, 2)},
            {.column = ORDER2, .descending = prng_chance(&prng, 1, 2), .nulls_last = prng_chance(&prng, 1, 2)}};
        struct exec_rank rank = {.orders = orders, .order_count = 1 + (uint32_t)prng_below(&prng, 2)};

        rank.first = prng_chance(&prng, 1, 2) ? 1 : 1 + prng_below(&prng, 4);
        rank.last = rank.first + prng_below(&prng, 8);
        rank.with_number = prng_chance(&prng, 1, 2);
        run(&rank, seed);
    }
}

/* The last of equally late rows stays. */
static void test_keep_last_by_time(void **state)
{
    struct exec_order order = {.column = TIME, .descending = true};
    struct exec_rank  rank = {.order_count = 1, .orders = &order, .first = 1, .last = 1, .is_deduplication = true};

    (void)state;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        run(&rank, seed);
    }
}

/* With updates (mini-batch in Flink) the first by time is replaced by an earlier one, not by an equal one. */
static void test_keep_first_by_time_with_updates(void **state)
{
    struct exec_order order = {.column = TIME};
    struct exec_rank  rank = {.order_count = 1, .orders = &order, .first = 1, .last = 1, .is_deduplication = true};

    (void)state;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        run(&rank, seed);
    }
}

/* --- what comes first is final -------------------------------------------------------------------------------------
 */

static void push(struct rig *rig, int64_t key, int64_t order, int64_t time_ms, int64_t tag)
{
    struct rig_row row = {.cells = {key, order, 4, time_ms * 1000, tag}};

    assert_true(rig_push(rig, 0, &row, 1));
}

static void test_keep_first_by_arrival(void **state)
{
    struct exec_order  order = {.column = TIME};
    struct exec_rank   rank = {.order_count = 1,
                               .orders = &order,
                               .first = 1,
                               .last = 1,
                               .is_deduplication = true,
                               .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[] = {{.cells = {1, 0, 0, 0, 10}},
                                 {.cells = {RIG_NULL, 0, 0, 0, 11}},
                                 {.cells = {1, 0, 0, 0, 12}},
                                 {.cells = {RIG_NULL, 0, 0, 0, 13}}};

    (void)state;
    make_options(&options, &rank, EXEC_APPEND_ONLY);
    rig_start(&rig, &options);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[0].cells[TAG], 10);
    assert_int_equal(rig.out.items[1].cells[TAG], 11);
    assert_true(rig_push(&rig, 0, rows, COUNT_OF(rows)));
    assert_int_equal(rig.out.count, 2);
    rig_stop(&rig);
}

static void test_first_few_by_arrival_have_numbers(void **state)
{
    struct exec_order order = {.column = TIME};
    struct exec_rank  rank = {
         .order_count = 1, .orders = &order, .first = 2, .last = 3, .with_number = true, .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    make_options(&options, &rank, EXEC_APPEND_ONLY);
    options.keeps_changes = true;
    rig_start(&rig, &options);
    for (int64_t i = 0; i < 6; i++) {
        push(&rig, 1, 0, 0, i);
        rig_save(&rig, i == 3);
        rig_restart(&rig);
    }
    assert_int_equal(rig.out.count, 2);
    assert_int_equal(rig.out.items[0].cells[TAG], 1);
    assert_int_equal(rig.out.items[0].cells[INPUTS], 2);
    assert_int_equal(rig.out.items[1].cells[TAG], 2);
    assert_int_equal(rig.out.items[1].cells[INPUTS], 3);
    rig_stop(&rig);
}

static void test_keep_last_by_arrival(void **state)
{
    struct exec_order  order = {.column = TIME, .descending = true};
    struct exec_rank   rank = {.order_count = 1,
                               .orders = &order,
                               .first = 1,
                               .last = 1,
                               .is_deduplication = true,
                               .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    make_options(&options, &rank, ALL_CHANGES);
    rig_start(&rig, &options);
    push(&rig, 1, 0, 9, 1);
    push(&rig, 1, 0, 5, 2);
    assert_true(exec_worker_flush(rig.worker));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].change, VEC_INSERT);
    assert_int_equal(rig.out.items[0].cells[TAG], 2);
    push(&rig, 1, 0, 1, 3);
    assert_true(exec_worker_flush(rig.worker));
    assert_int_equal(rig.out.count, 3);
    assert_int_equal(rig.out.items[1].change, VEC_UPDATE_BEFORE);
    assert_int_equal(rig.out.items[2].change, VEC_UPDATE_AFTER);
    assert_int_equal(rig.out.items[2].cells[TAG], 3);
    rig_stop(&rig);
}

/* Append-only keep-first: out with the watermark, once per key; what is behind the watermark is late. */
static void test_keep_first_by_watermark(void **state)
{
    struct exec_order  order = {.column = TIME};
    struct exec_rank   rank = {.order_count = 1, .orders = &order, .first = 1, .last = 1, .is_deduplication = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    make_options(&options, &rank, EXEC_APPEND_ONLY);
    options.keeps_changes = true;
    rig_start(&rig, &options);
    push(&rig, 1, 0, 100, 1);
    rig_save(&rig, false);
    push(&rig, 1, 0, 90, 2);
    push(&rig, 1, 0, 90, 3);
    rig_save(&rig, false);
    rig_restart(&rig);
    push(&rig, 2, 0, 95, 4);
    assert_true(rig_watermark(&rig, 0, 89999));
    assert_int_equal(rig.out.count, 0);
    assert_true(rig_watermark(&rig, 0, 90000));
    assert_int_equal(rig.out.count, 1);
    assert_int_equal(rig.out.items[0].cells[TAG], 2);
    rig_save(&rig, false);
    rig_restart(&rig);
    push(&rig, 3, 0, 90, 5); /* at the watermark is not behind it */
    push(&rig, 4, 0, 89, 6);
    assert_int_equal(rig_late(&rig), 1);
    push(&rig, 1, 0, 91, 7);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 3);
    assert_int_equal(rig.out.items[1].cells[TAG], 5);
    assert_int_equal(rig.out.items[2].cells[TAG], 4);
    rig_stop(&rig);
}

/* Many keys that a watermark fires: four with each step, the watermark behind the last. */
static void test_keep_first_in_pieces(void **state)
{
    struct exec_order  order = {.column = TIME};
    struct exec_rank   rank = {.order_count = 1, .orders = &order, .first = 1, .last = 1, .is_deduplication = true};
    struct rig_options options;
    struct rig         rig;
    uint32_t           steps = 0;

    (void)state;
    make_options(&options, &rank, EXEC_APPEND_ONLY);
    options.keeps_changes = true;
    options.piece_rows = 4;
    rig_start(&rig, &options);
    for (int64_t i = 0; i < 50; i++) {
        push(&rig, i, 0, 20 + i, i);
        push(&rig, i, 0, 10 + i, 100 + i); /* earlier: the timer of the one before finds nothing */
    }
    assert_true(rig_watermark(&rig, 0, 59000));
    for (; rig.worker->holding_count > 0; steps++) {
        size_t before = rig.out.count;

        assert_true(before == 50 || rig.worker->ops[2]->watermark_us == EXEC_WATERMARK_NONE); /* the sink's */
        assert_int_equal(exec_worker_step(rig.worker), EXEC_BUSY);
        assert_in_range(rig.out.count - before, 0, 4);
    }
    assert_true(steps > 20); /* a hundred timers */
    assert_int_equal(rig.out.count, 50);
    for (int64_t i = 0; i < 50; i++) {
        assert_int_equal(rig.out.items[i].cells[TAG], 100 + i);
    }
    assert_int_equal(rig.worker->ops[2]->watermark_us, 59000);
    push(&rig, 60, 0, 58, 7);
    assert_int_equal(rig_late(&rig), 1);
    rig_save(&rig, false);
    rig_restart(&rig);
    push(&rig, 61, 0, 70, 8);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_int_equal(rig.out.count, 51);
    rig_stop(&rig);
}

/* --- time to live --------------------------------------------------------------------------------------------------
 */

static void test_time_to_live(void **state)
{
    struct exec_order  order = {.column = ORDER, .descending = true};
    struct exec_rank   rank = {.order_count = 1, .orders = &order, .first = 1, .last = 2, .state_ttl_ms = 100};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    make_options(&options, &rank, ALL_CHANGES);
    rig_start(&rig, &options);
    assert_true(exec_worker_time(rig.worker, 1000));
    push(&rig, 1, 50, 0, 1);
    push(&rig, 2, 50, 0, 2);
    assert_true(exec_worker_flush(rig.worker));
    assert_int_equal(rig.out.count, 2);
    assert_true(exec_worker_time(rig.worker, 1099));
    push(&rig, 1, 60, 0, 3);
    assert_true(exec_worker_flush(rig.worker));
    assert_int_equal(rig.out.count, 3);
    assert_true(exec_worker_time(rig.worker, 1100));
    push(&rig, 2, 40, 0, 4); /* the 50 is forgotten: the first of a new life */
    push(&rig, 2, 30, 0, 5);
    push(&rig, 2, 20, 0, 6);
    push(&rig, 1, 10, 0, 7); /* not better than the two that are there */
    assert_true(exec_worker_flush(rig.worker));
    assert_int_equal(rig.out.count, 5);
    assert_int_equal(rig.out.items[3].cells[TAG], 4);
    assert_int_equal(rig.out.items[4].cells[TAG], 5);
    assert_true(exec_worker_time(rig.worker, 1300));
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
}

static void test_order_by_a_row_is_refused(void **state)
{
    static const struct vec_field fields[] = {{.type = {.kind = VEC_BIGINT, .nullable = true}}};
    struct exec_order             order = {.column = ORDER};
    struct exec_rank              rank = {.order_count = 1, .orders = &order, .first = 1, .last = 2};
    struct rig_options            options;
    struct rig                    rig;

    (void)state;
    make_options(&options, &rank, ALL_CHANGES);
    options.columns[0][ORDER].type =
        (struct vec_type){.kind = VEC_ROW, .nullable = true, .child_count = 1, .children = fields};
    rig_start(&rig, &options);
    assert_non_null(rig_failure(&rig));
    assert_non_null(strstr(rig_failure(&rig), "no order"));
    rig_stop(&rig);
}

/* Wherever memory ends: a failure that names the operator, and nothing lost or used again. */
static void test_budget(void **state)
{
    struct exec_order order = {.column = TIME};
    struct exec_rank  ranks[] = {
         {.order_count = 1, .orders = &order, .first = 1, .last = 9},
         {.order_count = 1, .orders = &order, .first = 1, .last = 1, .is_deduplication = true},
    };

    (void)state;
    for (uint64_t budget_bytes = 1000; budget_bytes < 150000; budget_bytes += 9973) {
        for (size_t way = 0; way < 3; way++) {
            struct rig_options options;
            struct rig         rig;
            bool               fine;

            make_options(&options, &ranks[way / 2], way == 2 ? EXEC_APPEND_ONLY : ALL_CHANGES);
            options.memory_bytes_max = budget_bytes;
            rig_start(&rig, &options);
            fine = rig_failure(&rig) == NULL;
            for (int64_t i = 0; i < 5000 && fine; i++) {
                struct rig_row row = {.cells = {i % 1000, i, 3, (10000 - i) * 1000, i}};

                fine = rig_push(&rig, 0, &row, 1) && (i % 50 != 0 || exec_worker_flush(rig.worker));
            }
            assert_false(fine);
            assert_non_null(strstr(rig_failure(&rig), "Rank: the state of the job outgrew its budget"));
            rig_stop(&rig);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_n),
        cmocka_unit_test(test_keep_last_by_time),
        cmocka_unit_test(test_keep_first_by_time_with_updates),
        cmocka_unit_test(test_keep_first_by_arrival),
        cmocka_unit_test(test_first_few_by_arrival_have_numbers),
        cmocka_unit_test(test_keep_last_by_arrival),
        cmocka_unit_test(test_keep_first_by_watermark),
        cmocka_unit_test(test_keep_first_in_pieces),
        cmocka_unit_test(test_time_to_live),
        cmocka_unit_test(test_order_by_a_row_is_refused),
        cmocka_unit_test(test_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
