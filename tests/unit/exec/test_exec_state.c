/* State that leaves and comes back: a job that crashes again and again gives what one gives that never does. */
#include "tests/unit/exec/state_support.h"

#include "compute/exec/exec_state.h"

#define PARTITIONS 4
#define ROWS       1500

/* Columns: key, text, value, time, key of the partition alone */
enum { KEY, TEXT, VALUE, TIME, OWN, INPUTS };

static struct rig_row input[PARTITIONS][ROWS];

static void make_rows(uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            int64_t key = prng_chance(&prng, 1, 10) ? RIG_NULL : (int64_t)prng_below(&prng, 60);
            int64_t text = prng_chance(&prng, 1, 10) ? RIG_NULL : (int64_t)prng_below(&prng, 300);
            int64_t unique = (int64_t)(prng_below(&prng, 100000) * 10000 + p * ROWS + i);

            input[p][i] = (struct rig_row){
                .cells = {key, text, unique, (int64_t)i * 1000000, (int64_t)(p * 40 + prng_below(&prng, 40))}};
        }
    }
}

static struct exec_node *make_scan(struct graph *graph)
{
    return graph_scan(graph, (struct vec_field[]){RIG_NUMBER, RIG_TEXT, RIG_NUMBER, RIG_TIME, RIG_NUMBER}, INPUTS);
}

static struct exec_node *add_watermark(struct graph *graph, struct exec_node *below)
{
    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_WATERMARK,
                                        .watermark = {.time_column = TIME, .expr = graph_column(graph, below, TIME)}},
                     below, NULL);
}

#define ALL_CHANGES \
    (EXEC_CHANGE(VEC_INSERT) | EXEC_CHANGE(VEC_UPDATE_BEFORE) | EXEC_CHANGE(VEC_UPDATE_AFTER) | EXEC_CHANGE(VEC_DELETE))

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

/* All aggregates; DISTINCT twice over one argument, once with a FILTER of its own. */
static struct exec_node *plan_group(struct graph *graph, struct exec_node *scan)
{
    static const uint32_t              keys[] = {KEY};
    static const struct exec_aggregate aggregates[] = {
        {EXEC_COUNT_ROWS, false, EXEC_NO_COLUMN, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}},
        {EXEC_COUNT, true, TEXT, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}},
        {EXEC_COUNT, true, OWN, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}},
        {EXEC_SUM, false, VALUE, EXEC_NO_COLUMN, {.kind = VEC_BIGINT, .nullable = true}},
        {EXEC_MIN,
         false,
         TEXT,
         EXEC_NO_COLUMN,
         {.kind = VEC_VARCHAR, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
        {EXEC_MAX,
         false,
         TEXT,
         EXEC_NO_COLUMN,
         {.kind = VEC_VARCHAR, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
        {EXEC_AVG, false, VALUE, EXEC_NO_COLUMN, {.kind = VEC_BIGINT, .nullable = true}},
        {EXEC_SUM, true, OWN, EXEC_NO_COLUMN, {.kind = VEC_BIGINT, .nullable = true}},
    };
    struct vec_field fields[] = {RIG_NUMBER, RIG_NUMBER, RIG_NUMBER, RIG_NUMBER, RIG_NUMBER,
                                 RIG_TEXT,   RIG_TEXT,   RIG_NUMBER, RIG_NUMBER};

    return graph_add(
        graph,
        (struct exec_node){
            .kind = EXEC_GROUP,
            .column_count = COUNT_OF(fields),
            .columns = graph_columns(graph, fields, COUNT_OF(fields)),
            .changes = ALL_CHANGES,
            .wants_before = true,
            .group = {.key_count = 1, .keys = keys, .aggregate_count = COUNT_OF(aggregates), .aggregates = aggregates}},
        graph_exchange(graph, EXEC_HASH, KEY, scan), NULL);
}

/* No keys: one group with many values. */
static struct exec_node *plan_total(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_aggregate aggregates[] = {
        {EXEC_COUNT, true, VALUE, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}},
        {EXEC_COUNT, true, TEXT, EXEC_NO_COLUMN, {.kind = VEC_BIGINT}},
    };
    struct vec_field fields[] = {RIG_NUMBER, RIG_NUMBER};

    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_GROUP,
                                        .column_count = COUNT_OF(fields),
                                        .columns = graph_columns(graph, fields, COUNT_OF(fields)),
                                        .changes = ALL_CHANGES,
                                        .wants_before = true,
                                        .group = {.aggregate_count = COUNT_OF(aggregates), .aggregates = aggregates}},
                     graph_exchange(graph, EXEC_SINGLE, KEY, scan), NULL);
}

static struct exec_node *plan_distinct(struct graph *graph, struct exec_node *scan)
{
    static const uint32_t keys[] = {TEXT, KEY};
    struct vec_field      fields[] = {RIG_TEXT, RIG_NUMBER};

    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_GROUP,
                                        .column_count = COUNT_OF(fields),
                                        .columns = graph_columns(graph, fields, COUNT_OF(fields)),
                                        .changes = EXEC_APPEND_ONLY,
                                        .group = {.key_count = 2, .keys = keys}},
                     graph_exchange(graph, EXEC_HASH, TEXT, scan), NULL);
}

static struct exec_node *add_rank(struct graph *graph, struct exec_node *below, uint32_t key, struct exec_rank rank,
                                  uint32_t changes)
{
    struct vec_field fields[] = {RIG_NUMBER, RIG_TEXT, RIG_NUMBER, RIG_TIME, RIG_NUMBER, RIG_NUMBER};
    uint32_t        *keys = arena_alloc(&graph->arena, sizeof(*keys));

    *keys = key;
    rank.key_count = 1;
    rank.keys = keys;
    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_RANK,
                                        .column_count = INPUTS + rank.with_number,
                                        .columns = graph_columns(graph, fields, COUNT_OF(fields)),
                                        .changes = changes,
                                        .wants_before = true,
                                        .rank = rank},
                     graph_exchange(graph, EXEC_HASH, key, below), NULL);
}

static struct exec_node *plan_best(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_order by_value[] = {{VALUE, true, false}};

    return add_rank(
        graph, scan, KEY,
        (struct exec_rank){.order_count = 1, .orders = by_value, .first = 1, .last = 7, .with_number = true},
        ALL_CHANGES);
}

static struct exec_node *plan_best_set(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_order by_value[] = {{VALUE, false, false}};

    return add_rank(graph, scan, KEY, (struct exec_rank){.order_count = 1, .orders = by_value, .first = 2, .last = 5},
                    ALL_CHANGES);
}

static struct exec_node *plan_last_row(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_order by_time[] = {{TIME, true, false}};

    return add_rank(
        graph, scan, OWN,
        (struct exec_rank){.order_count = 1, .orders = by_time, .first = 1, .last = 1, .is_deduplication = true},
        ALL_CHANGES);
}

static struct exec_node *plan_first_come(struct graph *graph, struct exec_node *scan)
{
    return add_rank(graph, scan, OWN,
                    (struct exec_rank){.first = 1, .last = 3, .with_number = true, .is_processing_time = true},
                    EXEC_APPEND_ONLY);
}

static struct exec_node *plan_first_in_time(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_order by_time[] = {{TIME, false, false}};

    return add_rank(
        graph, add_watermark(graph, scan), OWN,
        (struct exec_rank){.order_count = 1, .orders = by_time, .first = 1, .last = 1, .is_deduplication = true},
        EXEC_APPEND_ONLY);
}

/* A changelog over a changelog's keys: the best groups' rows, deduplicated first. */
static struct exec_node *plan_chain(struct graph *graph, struct exec_node *scan)
{
    static const struct exec_order by_value[] = {{VALUE, true, false}};

    return add_rank(graph, plan_first_in_time(graph, scan), KEY,
                    (struct exec_rank){.order_count = 1, .orders = by_value, .first = 1, .last = 4}, ALL_CHANGES);
}

struct plan {
    struct exec_node *(*make)(struct graph *graph, struct exec_node *scan);
};

static const struct plan plans[] = {{plan_group},      {plan_total},         {plan_distinct},
                                    {plan_best},       {plan_best_set},      {plan_last_row},
                                    {plan_first_come}, {plan_first_in_time}, {plan_chain}};

/* --- runs ----------------------------------------------------------------------------------------------------------
 */

static void init_graph(struct graph *graph, const struct plan *plan, struct exec_node **out_scan)
{
    graph_init(graph);
    *out_scan = make_scan(graph);
    graph_sink(graph, plan->make(graph, *out_scan));
}

static void run_through(const struct plan *plan, uint32_t workers, uint64_t seed, struct rig_rows *out_table)
{
    struct graph     *graph = test_calloc(1, sizeof(*graph));
    struct exec_node *scan;

    init_graph(graph, plan, &scan);
    graph_start(graph, (struct exec_options){.worker_count = workers});
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        graph_input(graph, scan, p, input[p], ROWS);
    }
    assert_true(graph_run(graph, seed, 100));
    graph_table(graph, out_table);
    graph_free(graph);
    test_free(graph);
}

static void check_plan(const struct plan *plan, uint64_t seed, uint32_t *loaded)
{
    struct state_rig   *rig = test_calloc(1, sizeof(*rig));
    struct exec_options options = {.worker_count = 1U << (seed % 3),
                                   .ring_slots = 1 + (uint32_t)seed % 4,
                                   .rows_max = seed % 2 == 0 ? 0 : 13,
                                   .verify_seed = seed % 4 == 0 ? seed : 0};
    struct rig_rows     expected, table;
    struct exec_node   *scan;
    char                message[256];

    make_rows(seed);
    run_through(plan, options.worker_count, seed, &expected);
    init_graph(&rig->graph, plan, &scan);
    assert_true(exec_plan_has_state(&rig->graph.plan));
    assert_true(exec_plan_can_save(&rig->graph.plan, message, sizeof(message)));
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        state_input(rig, scan, p, input[p], ROWS);
    }
    state_init(rig, seed, options);
    rig->epochs.chance = 6;
    rig->snapshot_chance = seed % 3 == 0 ? 0 : 4;
    rig->epochs.push_max = 50;
    state_run(rig, 6, 60 * options.worker_count);
    *loaded += rig->load_count;
    assert_true(rig->pieces_max <= 55); /* scalars and the clock besides */
    graph_table(&rig->graph, &table);
    rows_assert_same(&expected, &table);
    rows_free(&expected);
    rows_free(&table);
    state_free(rig);
    test_free(rig);
}

static void crashes_do_not_show(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        uint32_t loaded = 0;

        for (uint64_t seed = 1; seed <= 4; seed++) {
            check_plan(&plans[i], seed * 100 + i, &loaded);
        }
        assert_true(loaded > 500);
    }
}

/* What did not change is not written. */
static void increments_are_small(void **state)
{
    struct state_rig *rig = test_calloc(1, sizeof(*rig));
    struct exec_node *scan;
    uint32_t          after;

    (void)state;
    make_rows(3);
    init_graph(&rig->graph, &(struct plan){plan_group}, &scan);
    state_input(rig, scan, 0, input[0], ROWS);
    state_init(rig, 1, (struct exec_options){.worker_count = 1});
    rig->epochs.chance = UINT32_MAX;
    assert_true(state_start(rig));
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        if (epoch < 2) {
            assert_true(graph_push(&rig->graph, &rig->graph.inputs[0], epoch == 0 ? ROWS - 1 : 1));
        }
        after = rig->save_count;
        rig->epochs.waits[0] = true;
        assert_true(exec_worker_barrier(exec_job_worker(rig->graph.job, 0), epoch));
        assert_false(rig->epochs.waits[0]);
        if (epoch == 0) {
            assert_true(rig->save_count > 1000); /* 61 groups, values of DISTINCT */
        } else {
            assert_in_range(rig->save_count - after, 1, epoch == 1 ? 5 : 1); /* the clock, the group, three values */
        }
    }
    state_free(rig);
    test_free(rig);
}

/* --- time to live, and other scalars -------------------------------------------------------------------------------
 */

/* Rows at 10,000 ms; what was saved then is loaded, and more rows come at a later time. Returns how many were shown. */
static size_t shown_after(const struct plan *plan, int64_t ttl_ms, int64_t later_ms)
{
    struct state_rig   *rig = test_calloc(1, sizeof(*rig));
    struct exec_worker *worker;
    struct exec_node   *scan;
    size_t              shown;

    make_rows(5);
    init_graph(&rig->graph, plan, &scan);
    for (uint32_t i = 0; i < rig->graph.plan.node_count; i++) {
        struct exec_node *node = rig->graph.nodes[i];

        if (node->kind == EXEC_GROUP) {
            node->group.state_ttl_ms = ttl_ms;
        } else if (node->kind == EXEC_RANK) {
            node->rank.state_ttl_ms = ttl_ms;
        }
    }
    state_input(rig, scan, 0, input[0], 10);
    input[0][0].cells[TEXT] = 7;
    for (uint32_t i = 1; i < 10; i++) {
        input[0][i] = input[0][0];
    }
    state_init(rig, 1, (struct exec_options){.worker_count = 1});
    rig->epochs.chance = UINT32_MAX;
    assert_true(state_start(rig));
    worker = exec_job_worker(rig->graph.job, 0);
    assert_true(exec_worker_time(worker, 10000));
    assert_true(graph_push(&rig->graph, &rig->graph.inputs[0], 5));
    rig->epochs.waits[0] = true;
    assert_true(exec_worker_barrier(worker, 0));
    state_crash(rig);
    assert_true(state_start(rig));
    worker = exec_job_worker(rig->graph.job, 0);
    assert_true(exec_worker_time(worker, 9000)); /* a clock that went back does not */
    assert_true(exec_worker_time(worker, later_ms));
    shown = rig->graph.out[0].count;
    assert_true(shown > 0);
    assert_true(graph_push(&rig->graph, &rig->graph.inputs[0], 5));
    assert_true(exec_worker_flush(worker));
    shown = rig->graph.out[0].count - shown;
    state_free(rig);
    test_free(rig);
    return shown;
}

static void time_to_live_goes_on(void **state)
{
    const struct plan distinct = {plan_distinct}, come = {plan_first_come};

    (void)state;
    assert_int_equal(shown_after(&distinct, 1000, 10999), 0);
    assert_int_equal(shown_after(&distinct, 1000, 11000), 1);
    assert_int_equal(shown_after(&come, 1000, 10999), 0);
    assert_int_equal(shown_after(&come, 1000, 11000), 3);
}

/* LIMIT goes on counting, VALUES says nothing twice. */
static void limits_and_values(void **state)
{
    struct state_rig   *rig = test_calloc(1, sizeof(*rig));
    struct graph       *graph = &rig->graph;
    struct exec_node   *scan, *values;
    struct exec_worker *worker;
    struct expr       **exprs;

    (void)state;
    make_rows(5);
    graph_init(graph);
    scan = make_scan(graph);
    graph_sink(graph, graph_add(graph, (struct exec_node){.kind = EXEC_LIMIT, .limit = {.row_count = 12}}, scan, NULL));
    exprs = arena_alloc_array(&graph->arena, 3, sizeof(struct expr *));
    for (int64_t i = 0; i < 3; i++) {
        exprs[i] = graph_number(graph, i);
    }
    values = graph_add(graph,
                       (struct exec_node){.kind = EXEC_VALUES,
                                          .column_count = 1,
                                          .columns = graph_columns(graph, (struct vec_field[]){RIG_NUMBER}, 1),
                                          .values = {.row_count = 3, .exprs = exprs}},
                       NULL, NULL);
    graph_sink(graph, values);
    state_input(rig, scan, 0, input[0], 100);
    state_init(rig, 1, (struct exec_options){.worker_count = 1});
    rig->epochs.chance = UINT32_MAX;
    assert_true(state_start(rig));
    for (uint32_t run = 0; run < 3; run++) {
        worker = exec_job_worker(graph->job, 0);
        assert_true(graph_push(graph, &graph->inputs[0], 5));
        assert_int_equal(exec_worker_step(worker), EXEC_BUSY);
        assert_int_equal(graph->out[0].count, 3 + MIN(12, 5 * (run + 1)));
        rig->epochs.waits[0] = true;
        assert_true(exec_worker_barrier(worker, run));
        state_crash(rig);
        assert_true(state_start(rig));
    }
    state_free(rig);
    test_free(rig);
}

/* --- damage --------------------------------------------------------------------------------------------------------
 */

/* Loads what was saved with one record changed: refused with a message, or taken, never a crash. */
static void load_damaged(struct state_rig *rig, uint32_t which, struct prng *prng, uint32_t *refused)
{
    struct state_log    *log = &rig->logs[0];
    struct state_record *record = &log->items[which];
    struct state_record  good = *record;
    struct exec_job     *job = exec_job_create(&rig->graph.plan, &rig->graph.options);
    size_t               len = good.key_len + good.value_len;
    bool                 fine = true;

    record->bytes = test_malloc(len + 1);
    memcpy(record->bytes, good.bytes, len);
    switch (prng_below(prng, 4)) {
    case 0:
        record->bytes[prng_below(prng, len + 1)] ^= (uint8_t)(1U << prng_below(prng, 8));
        break;
    case 1:
        record->value_len = prng_below(prng, good.value_len + 1);
        break;
    case 2:
        record->key_len = prng_below(prng, good.key_len + 1);
        break;
    default:
        record->table = (uint32_t)prng_below(prng, 4);
        break;
    }
    for (size_t i = 0; i < log->count && fine; i++) {
        fine = state_load_record(exec_job_worker(job, 0), &log->items[i]);
    }
    if (fine) {
        exec_worker_open(exec_job_worker(job, 0), rig->graph.inputs[0].scan, 0);
        exec_worker_opened(exec_job_worker(job, 0));
        if (exec_job_failure(job) == NULL) {
            fine = exec_worker_end(exec_job_worker(job, 0), rig->graph.inputs[0].scan, 0);
        }
    }
    if (exec_job_failure(job) != NULL) {
        assert_true(strlen(exec_job_failure(job)->message) > 10);
        (*refused)++;
    }
    exec_job_destroy(job);
    test_free(record->bytes);
    *record = good;
}

static void damage_is_refused(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 11);
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct state_rig *rig = test_calloc(1, sizeof(*rig));
        struct exec_node *scan;
        uint32_t          refused = 0;

        make_rows(i);
        init_graph(&rig->graph, &plans[i], &scan);
        state_input(rig, scan, 0, input[0], 60);
        state_init(rig, i, (struct exec_options){.worker_count = 1});
        rig->epochs.chance = UINT32_MAX;
        assert_true(state_start(rig));
        assert_true(graph_push(&rig->graph, &rig->graph.inputs[0], 50));
        rig->epochs.waits[0] = true;
        assert_true(exec_worker_barrier(exec_job_worker(rig->graph.job, 0), 0));
        for (uint32_t round = 0; round < 100; round++) {
            load_damaged(rig, (uint32_t)prng_below(&prng, rig->logs[0].count), &prng, &refused);
        }
        assert_true(refused > 30);
        state_free(rig);
        test_free(rig);
    }
}

/* Records of another plan are refused by name. */
static void other_plans_are_refused(void **state)
{
    struct state_rig      *rig = test_calloc(1, sizeof(*rig));
    struct exec_node      *scan;
    struct exec_job       *job;
    struct exec_aggregate *other;
    bool                   good = true;

    (void)state;
    make_rows(1);
    init_graph(&rig->graph, &(struct plan){plan_total}, &scan);
    state_input(rig, scan, 0, input[0], 60);
    state_init(rig, 1, (struct exec_options){.worker_count = 1});
    rig->epochs.chance = UINT32_MAX;
    assert_true(state_start(rig));
    assert_true(graph_push(&rig->graph, &rig->graph.inputs[0], 50));
    rig->epochs.waits[0] = true;
    assert_true(exec_worker_barrier(exec_job_worker(rig->graph.job, 0), 0));
    for (uint32_t i = 0; i < rig->graph.plan.node_count; i++) {
        struct exec_node *node = rig->graph.nodes[i];

        if (node->kind == EXEC_GROUP) {
            other = arena_alloc_array(&rig->graph.arena, 2, sizeof(*other));
            memcpy(other, node->group.aggregates, 2 * sizeof(*other));
            other[0].distinct = false;
            node->group.aggregates = other;
        }
    }
    job = exec_job_create(&rig->graph.plan, &rig->graph.options);
    for (size_t i = 0; i < rig->logs[0].count && good; i++) {
        good = state_load_record(exec_job_worker(job, 0), &rig->logs[0].items[i]);
    }
    assert_false(good);
    assert_non_null(strstr(exec_job_failure(job)->message, "GroupAggregate"));
    exec_job_destroy(job);
    state_free(rig);
    test_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_do_not_show),  cmocka_unit_test(increments_are_small),
        cmocka_unit_test(time_to_live_goes_on), cmocka_unit_test(limits_and_values),
        cmocka_unit_test(damage_is_refused),    cmocka_unit_test(other_plans_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
