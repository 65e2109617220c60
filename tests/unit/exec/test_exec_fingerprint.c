/* Fingerprints: names and what lies below do not matter, what the state is made of does. */
#include "tests/unit/exec/graph_support.h"

#include "compute/exec/exec_state.h"

static const struct vec_field      columns[] = {{.type = {.kind = VEC_BIGINT, .nullable = true}},
                                                {.type = {.kind = VEC_INT, .nullable = true}},
                                                {.type = {.kind = VEC_TIMESTAMP, .precision = 3}}};
static const uint32_t              first[] = {0, 1}, second[] = {1, 0};
static const struct exec_order     ascending[] = {{0, false, false}}, descending[] = {{0, true, false}};
static const struct exec_aggregate counted = {EXEC_COUNT, false, 0, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}};
static const struct exec_aggregate counted_once = {EXEC_COUNT, true, 0, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}};
static const struct exec_aggregate counted_other = {EXEC_COUNT, false, 1, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}};
static const struct exec_aggregate counted_some = {EXEC_COUNT, false, 0, 1, {.kind = VEC_BIGINT}};
static const struct exec_aggregate summed = {EXEC_SUM, false, 0, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}};

static struct exec_node *add(struct graph *graph, struct exec_node node)
{
    struct exec_node *scan = graph->plan.node_count > 0 ? graph->nodes[0] : graph_scan(graph, columns, 3);

    graph->plan.node_count = 1;
    return graph_add(graph, node, scan, node.kind == EXEC_JOIN || node.kind == EXEC_INTERVAL_JOIN ? scan : NULL);
}

static uint64_t of(struct graph *graph, struct exec_node node)
{
    return exec_node_fingerprint(add(graph, node));
}

static struct exec_node group(const struct exec_aggregate *aggregate, const uint32_t *keys, uint32_t key_count)
{
    return (struct exec_node){
        .kind = EXEC_GROUP,
        .group = {.key_count = key_count, .keys = keys, .aggregate_count = 1, .aggregates = aggregate}};
}

static struct exec_node window(enum exec_window_kind kind, int64_t size_ms, int64_t slide_ms, int64_t offset_ms)
{
    return (struct exec_node){.kind = EXEC_WINDOW_GROUP,
                              .window_group = {.window = {.kind = kind,
                                                          .time_column = 2,
                                                          .size_ms = size_ms,
                                                          .slide_ms = slide_ms,
                                                          .offset_ms = offset_ms},
                                               .key_count = 1,
                                               .keys = first,
                                               .aggregate_count = 1,
                                               .aggregates = &counted}};
}

static struct exec_node rank(const struct exec_order *orders, uint64_t last, bool with_number)
{
    return (struct exec_node){.kind = EXEC_RANK,
                              .rank = {.key_count = 1,
                                       .keys = first,
                                       .order_count = 1,
                                       .orders = orders,
                                       .first = 1,
                                       .last = last,
                                       .with_number = with_number}};
}

static struct exec_node join(enum exec_node_kind kind, const struct expr *condition, int64_t upper_ms)
{
    return (struct exec_node){.kind = kind,
                              .join = {.key_count = 1,
                                       .left_keys = first,
                                       .right_keys = second,
                                       .condition = condition,
                                       .left_time = 2,
                                       .right_time = 2,
                                       .upper_ms = upper_ms}};
}

/* No two of these can take each other's state. */
static void what_differs_differs(void **state)
{
    struct graph graph;
    uint64_t     prints[64];
    uint32_t     count = 0;
    struct expr *less, *more;

    (void)state;
    graph_init(&graph);
    (void)add(&graph, group(&counted, first, 1));
    less = graph_call(&graph, "<", graph_column(&graph, graph.nodes[0], 0), graph_number(&graph, 5));
    more = graph_call(&graph, "<", graph_column(&graph, graph.nodes[0], 0), graph_number(&graph, 6));
    const struct exec_node nodes[] = {
        group(&counted, first, 1),
        group(&counted, first, 2),
        group(&counted, second, 2),
        group(&counted_once, first, 1),
        group(&counted_other, first, 1),
        group(&counted_some, first, 1),
        group(&summed, first, 1),
        {.kind = EXEC_GROUP,
         .group = {.key_count = 1, .keys = first, .aggregate_count = 1, .aggregates = &counted, .state_ttl_ms = 5}},
        window(EXEC_TUMBLE, 1000, 0, 0),
        window(EXEC_TUMBLE, 2000, 0, 0),
        window(EXEC_TUMBLE, 1000, 0, 500),
        window(EXEC_HOP, 2000, 1000, 0),
        window(EXEC_CUMULATE, 2000, 1000, 0),
        window(EXEC_SESSION, 2000, 0, 0),
        rank(ascending, 1, false),
        rank(descending, 1, false),
        rank(ascending, 2, false),
        rank(ascending, 2, true),
        join(EXEC_JOIN, NULL, 0),
        join(EXEC_JOIN, less, 0),
        join(EXEC_JOIN, more, 0),
        join(EXEC_INTERVAL_JOIN, NULL, 1000),
        join(EXEC_INTERVAL_JOIN, NULL, 2000),
        {.kind = EXEC_LIMIT, .limit = {.row_count = 1}},
        {.kind = EXEC_LIMIT, .limit = {.row_count = 2}},
    };
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        prints[count++] = of(&graph, nodes[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(prints[i], of(&graph, nodes[i])); /* and the same each time */
        for (uint32_t k = 0; k < i; k++) {
            assert_true(prints[i] != prints[k]);
        }
    }
    graph_free(&graph);
}

static void names_do_not_matter(void **state)
{
    struct graph     graph;
    struct vec_field named[3];
    uint64_t         before;
    struct expr     *less;

    (void)state;
    graph_init(&graph);
    (void)add(&graph, group(&counted, first, 1));
    less = graph_call(&graph, "<", graph_column(&graph, graph.nodes[0], 0), graph_number(&graph, 5));
    before = of(&graph, join(EXEC_JOIN, less, 0));
    memcpy(named, columns, sizeof(named));
    named[0].name = view_text("another");
    named[1].name = view_text("name");
    graph.nodes[0]->columns = graph_columns(&graph, named, 3);
    assert_int_equal(before, of(&graph, join(EXEC_JOIN, less, 0)));
    named[1].type.kind = VEC_SMALLINT;
    graph.nodes[0]->columns = graph_columns(&graph, named, 3);
    assert_true(before != of(&graph, join(EXEC_JOIN, less, 0)));
    graph_free(&graph);
}

/* It stands on disk: this number changes only when the form of state does. */
static void it_is_the_same_in_the_next_release(void **state)
{
    struct graph graph;

    (void)state;
    graph_init(&graph);
    assert_int_equal(of(&graph, group(&counted, first, 1)), UINT64_C(0x3f734a358ef8f978));
    graph_free(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_differs),
        cmocka_unit_test(names_do_not_matter),
        cmocka_unit_test(it_is_the_same_in_the_next_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
