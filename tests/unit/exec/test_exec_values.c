/* VALUES, LIMIT and UNION, with one worker and several (exec_limit.c, exec_union.c). */
#include "tests/unit/exec/graph_support.h"

static struct exec_node *make_values(struct graph *graph, int64_t first, uint32_t count)
{
    struct expr     **exprs = arena_alloc_array(&graph->arena, 2 * (size_t)count, sizeof(struct expr *));
    struct vec_field *fields = arena_alloc_array(&graph->arena, 2, sizeof(*fields));

    fields[0] = fields[1] = RIG_NUMBER;
    for (uint32_t i = 0; i < count; i++) {
        exprs[2 * i] = graph_number(graph, first + i);
        exprs[2 * i + 1] = i % 4 == 3 ? expr_null(&graph->maker, vec_type_of(VEC_BIGINT))
                                      : graph_call(graph, "*", graph_number(graph, first + i), graph_number(graph, 2));
    }
    return graph_add(
        graph,
        (struct exec_node){
            .kind = EXEC_VALUES, .column_count = 2, .columns = fields, .values = {.row_count = count, .exprs = exprs}},
        NULL, NULL);
}

static void check_row(const struct rig_row *row, int64_t number, bool is_null)
{
    assert_int_equal(row->change, VEC_INSERT);
    assert_int_equal(row->cells[0], number);
    assert_int_equal(row->cells[1], is_null ? RIG_NULL : 2 * number);
}

static void values_come_once(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct graph graph;

        graph_init(&graph);
        graph_sink(&graph, make_values(&graph, 10, 3000)); /* more than one chunk */
        graph_start(&graph, (struct exec_options){.worker_count = workers, .verify_seed = workers});
        assert_true(graph_run(&graph, 1, 1));
        assert_int_equal(graph.out[0].count, 3000);
        for (int64_t i = 0; i < 3000; i++) {
            check_row(&graph.out[0].items[i], 10 + i, i % 4 == 3);
        }
        graph_free(&graph);
    }
}

static void no_values_at_all(void **state)
{
    struct graph graph;

    (void)state;
    graph_init(&graph);
    graph_sink(&graph, make_values(&graph, 0, 0));
    graph_start(&graph, (struct exec_options){0});
    assert_true(graph_run(&graph, 1, 1));
    assert_int_equal(graph.out[0].count, 0);
    graph_free(&graph);
}

static void a_value_that_cannot_be_computed_ends_the_job(void **state)
{
    struct graph      graph;
    struct exec_node *values;

    (void)state;
    graph_init(&graph);
    values = make_values(&graph, 0, 1);
    ((struct expr **)(uintptr_t)values->values.exprs)[0] =
        graph_call(&graph, "/", graph_number(&graph, 1), graph_number(&graph, 0));
    graph_sink(&graph, values);
    graph_start(&graph, (struct exec_options){0});
    assert_false(graph_run(&graph, 1, 1));
    assert_int_equal(exec_job_failure(graph.job)->node, 0);
    assert_false(exec_job_failure(graph.job)->has_row);
    graph_free(&graph);
}

static void limits_cut_where_they_must(void **state)
{
    static const uint64_t limits[] = {0, 1, 7, 2048, 2999, 3000, 9999};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (uint32_t workers = 1; workers <= 2; workers++) {
            struct graph      graph;
            struct exec_node *values;
            size_t            expected = (size_t)MIN(limits[i], (uint64_t)3000);

            graph_init(&graph);
            values = graph_exchange(&graph, EXEC_SINGLE, 0, make_values(&graph, 0, 3000));
            graph_sink(&graph,
                       graph_add(&graph, (struct exec_node){.kind = EXEC_LIMIT, .limit = {.row_count = limits[i]}},
                                 values, NULL));
            graph_start(&graph, (struct exec_options){.worker_count = workers, .rows_max = i % 2 == 0 ? 0 : 3});
            assert_true(graph_run(&graph, i, 1));
            assert_int_equal(graph.out[0].count, expected);
            for (size_t row = 0; row < expected; row++) {
                check_row(&graph.out[0].items[row], (int64_t)row, row % 4 == 3);
            }
            graph_free(&graph);
        }
    }
}

static void a_union_has_the_rows_of_both(void **state)
{
    struct graph      graph;
    struct exec_node *left, *right;

    (void)state;
    graph_init(&graph);
    left = make_values(&graph, 0, 4);
    right = make_values(&graph, 100, 5);
    graph_sink(&graph, graph_add(&graph, (struct exec_node){.kind = EXEC_UNION}, left, right));
    graph_start(&graph, (struct exec_options){0});
    assert_true(graph_run(&graph, 1, 1));
    assert_int_equal(graph.out[0].count, 9);
    for (int64_t i = 0; i < 9; i++) {
        check_row(&graph.out[0].items[i], i < 4 ? i : 96 + i, i == 3 || i == 7);
    }
    graph_free(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_once),
        cmocka_unit_test(no_values_at_all),
        cmocka_unit_test(a_value_that_cannot_be_computed_ends_the_job),
        cmocka_unit_test(limits_cut_where_they_must),
        cmocka_unit_test(a_union_has_the_rows_of_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
