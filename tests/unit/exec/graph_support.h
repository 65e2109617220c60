/* graph_support.h: plans of several nodes, run by one or more workers in turns on one thread, for tests.
 *
 * Values are numbers or null as in operator_support.h; what sinks get is collected per worker, in order. */
#ifndef MILLRACE_GRAPH_SUPPORT_H
#define MILLRACE_GRAPH_SUPPORT_H

#include "tests/unit/exec/operator_support.h"

#define GRAPH_NODES_MAX 24

/* A partition's rows. */
struct graph_input {
    uint32_t              scan, partition, worker;
    const struct rig_row *rows;
    uint32_t              count, pushed;
    bool                  ended;
};

struct graph {
    struct arena        arena;
    struct expr_maker   maker;
    struct exec_plan    plan;
    struct exec_node   *nodes[GRAPH_NODES_MAX];
    struct exec_job    *job;
    struct exec_options options;
    struct graph_input  inputs[16];
    uint32_t            input_count;
    struct rig_rows     out[EXEC_WORKERS_MAX];
    uint32_t            chunks; /* written to sinks */
};

static inline void graph_init(struct graph *graph)
{
    memset(graph, 0, sizeof(*graph));
    arena_init(&graph->arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    graph->maker.arena = &graph->arena;
    graph->plan.nodes = graph->nodes;
}

static inline void graph_free(struct graph *graph)
{
    exec_job_destroy(graph->job);
    for (uint32_t i = 0; i < EXEC_WORKERS_MAX; i++) {
        rows_free(&graph->out[i]);
    }
    expr_maker_release(&graph->maker);
    arena_deinit(&graph->arena);
}

/* A copy of the node becomes the plan's next; columns default to the first input's. */
static inline struct exec_node *graph_add(struct graph *graph, struct exec_node node, struct exec_node *left,
                                          struct exec_node *right)
{
    struct exec_node *added = arena_alloc(&graph->arena, sizeof(*added));

    assert_true(graph->plan.node_count < GRAPH_NODES_MAX);
    *added = node;
    added->id = graph->plan.node_count;
    added->input_count = (uint32_t)(left != NULL) + (right != NULL);
    added->inputs = arena_alloc_array(&graph->arena, 2, sizeof(*added->inputs));
    added->inputs[0] = left;
    added->inputs[1] = right;
    if (added->columns == NULL && left != NULL) {
        added->columns = left->columns;
        added->column_count = left->column_count;
    }
    graph->nodes[graph->plan.node_count++] = added;
    return added;
}

static inline const struct vec_field *graph_columns(struct graph *graph, const struct vec_field *fields, uint32_t count)
{
    struct vec_field *copy = arena_alloc_array(&graph->arena, count, sizeof(*copy));

    memcpy(copy, fields, count * sizeof(*copy));
    return copy;
}

static inline struct exec_node *graph_scan(struct graph *graph, const struct vec_field *fields, uint32_t count)
{
    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_SCAN,
                                        .column_count = count,
                                        .columns = graph_columns(graph, fields, count),
                                        .changes = EXEC_APPEND_ONLY},
                     NULL, NULL);
}

static inline struct exec_node *graph_sink(struct graph *graph, struct exec_node *input)
{
    return graph_add(graph, (struct exec_node){.kind = EXEC_SINK}, input, NULL);
}

static inline struct exec_node *graph_exchange(struct graph *graph, enum exec_distribution distribution, uint32_t key,
                                               struct exec_node *input)
{
    uint32_t *keys = arena_alloc(&graph->arena, sizeof(*keys));

    *keys = key;
    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_EXCHANGE,
                                        .exchange = {.distribution = distribution, .key_count = 1, .keys = keys}},
                     input, NULL);
}

static inline struct expr *graph_column(struct graph *graph, const struct exec_node *node, uint32_t column)
{
    return expr_column(&graph->maker, column, node->columns[column].type);
}

static inline struct expr *graph_number(struct graph *graph, int64_t value)
{
    return expr_int(&graph->maker, VEC_BIGINT, value);
}

static inline struct expr *graph_call(struct graph *graph, const char *name, struct expr *a, struct expr *b)
{
    struct expr *expr = expr_call(&graph->maker, name, (struct expr *[2]){a, b}, b == NULL ? 1 : 2);

    if (expr == NULL) {
        fail_msg("%s", graph->maker.message);
    }
    return expr;
}

/* A CALC with these expressions; condition may be NULL. */
static inline struct exec_node *graph_calc(struct graph *graph, struct expr *condition, struct expr *const *exprs,
                                           uint32_t count, struct exec_node *input)
{
    struct expr     **copy = arena_alloc_array(&graph->arena, count, sizeof(struct expr *));
    struct vec_field *fields = arena_alloc_array(&graph->arena, count, sizeof(*fields));

    memcpy(copy, exprs, count * sizeof(struct expr *));
    for (uint32_t i = 0; i < count; i++) {
        fields[i] = rig_field("c", exprs[i]->type);
    }
    return graph_add(graph,
                     (struct exec_node){.kind = EXEC_CALC,
                                        .column_count = count,
                                        .columns = fields,
                                        .calc = {.condition = condition, .exprs = copy}},
                     input, NULL);
}

/* --- running -------------------------------------------------------------------------------------------------------
 */

static inline bool graph_write(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk,
                               char *message, size_t message_capacity)
{
    struct graph *graph = context;

    (void)sink;
    (void)message;
    (void)message_capacity;
    graph->chunks++;
    assert_true(chunk->selected_count > 0);
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t         row = vec_chunk_row(chunk, i);
        struct rig_row out = {.change = vec_chunk_change(chunk, row)};

        for (uint32_t c = 0; c < chunk->column_count; c++) {
            out.cells[c] = rig_cell(&chunk->columns[c], row);
        }
        rows_add(&graph->out[worker], &out);
    }
    return true;
}

static inline void graph_start(struct graph *graph, struct exec_options options)
{
    graph->options = options;
    graph->options.worker_count = MAX(options.worker_count, 1);
    if (graph->options.sink.write == NULL) {
        graph->options.sink = (struct exec_sink_ops){.write = graph_write, .context = graph};
    }
    graph->job = exec_job_create(&graph->plan, &graph->options);
    assert_non_null(graph->job);
}

static inline void graph_input(struct graph *graph, const struct exec_node *scan, uint32_t partition,
                               const struct rig_row *rows, uint32_t count)
{
    graph->inputs[graph->input_count] = (struct graph_input){
        .scan = scan->id,
        .partition = partition,
        .worker = graph->input_count % graph->options.worker_count,
        .rows = rows,
        .count = count,
    };
    exec_worker_open(exec_job_worker(graph->job, graph->inputs[graph->input_count].worker), scan->id, partition);
    graph->input_count++;
}

static inline void graph_opened(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->options.worker_count; i++) {
        exec_worker_opened(exec_job_worker(graph->job, i));
    }
}

/* The next `count` rows of a partition. */
static inline bool graph_push(struct graph *graph, struct graph_input *input, uint32_t count)
{
    const struct exec_node *node = graph->nodes[input->scan];
    struct arena            arena;
    struct vec              columns[RIG_COLUMNS_MAX];
    struct vec_chunk        chunk = {.column_count = node->column_count, .columns = columns};
    bool                    good;

    count = MIN(count, input->count - input->pushed);
    chunk.row_count = chunk.selected_count = count;
    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < node->column_count; c++) {
        columns[c] = vec_make(&arena, node->columns[c].type);
        for (uint32_t i = 0; i < count; i++) {
            rig_set_cell(&arena, &columns[c], i, input->rows[input->pushed + i].cells[c]);
        }
    }
    good = count == 0 ||
           exec_worker_push(exec_job_worker(graph->job, input->worker), input->scan, input->partition, &chunk);
    input->pushed += count;
    arena_deinit(&arena);
    return good;
}

/* Pushes, flushes and steps at random until all workers are finished or have failed. False: the job failed. */
static inline bool graph_run(struct graph *graph, uint64_t seed, uint32_t push_max)
{
    struct prng prng;
    uint32_t    finished = 0;
    bool        blocked[EXEC_WORKERS_MAX] = {0};

    prng_init(&prng, seed);
    graph_opened(graph);
    for (uint32_t rounds = 0; finished < graph->options.worker_count; rounds++) {
        uint32_t            index = (uint32_t)prng_below(&prng, graph->options.worker_count);
        struct exec_worker *worker = exec_job_worker(graph->job, index);
        struct graph_input *input =
            graph->input_count == 0 ? NULL : &graph->inputs[prng_below(&prng, graph->input_count)];
        enum exec_progress progress;

        assert_true(rounds < 4000000);
        if (input != NULL && !input->ended && !blocked[input->worker]) {
            if (!graph_push(graph, input, 1 + (uint32_t)prng_below(&prng, push_max))) {
                return false;
            }
            if (input->pushed == input->count) {
                input->ended = true;
                if (!exec_worker_end(exec_job_worker(graph->job, input->worker), input->scan, input->partition)) {
                    return false;
                }
            }
        }
        if (prng_chance(&prng, 1, 5) && !exec_worker_flush(worker)) {
            return false;
        }
        progress = exec_worker_step(worker);
        blocked[index] = progress == EXEC_BLOCKED;
        if (progress == EXEC_FAILED) {
            return false;
        }
        finished = 0;
        for (uint32_t i = 0; i < graph->options.worker_count && progress == EXEC_FINISHED; i++) {
            finished += exec_worker_step(exec_job_worker(graph->job, i)) == EXEC_FINISHED;
        }
    }
    return true;
}

/* What all workers wrote, folded into a table. */
static inline void graph_table(const struct graph *graph, struct rig_rows *table)
{
    *table = (struct rig_rows){0};
    for (uint32_t i = 0; i < EXEC_WORKERS_MAX; i++) {
        for (size_t row = 0; row < graph->out[i].count; row++) {
            rows_fold(table, &graph->out[i].items[row]);
        }
    }
}

#endif
