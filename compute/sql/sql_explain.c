/* A plan as text: one line per operator, inputs below and to the right, in the words of Flink's EXPLAIN. An operator
 * that several others read is written out once, with a number, and named by it afterwards. */
#include <stdarg.h>

#include "compute/sql/sql_internal.h"
#include "core/base/check.h"
#include "core/base/print.h"

#define EXPR_TEXT_BYTES 4096

#define FIGURES_BYTES 256

struct explain {
    struct print           print;
    const struct sql_plan *plan;
    uint32_t               depth;
    sql_figures_fn        *figures; /* or NULL */
    void                  *figures_context;
};

static void PRINTF_LIKE(2, 3) put(struct explain *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_put_args(&out->print, format, arguments);
    va_end(arguments);
}

static void put_view(struct explain *out, struct view text)
{
    print_view(&out->print, text);
}

const char *sql__operator_name(const struct exec_node *node)
{
    static const char *const names[EXEC_NODE_KIND_COUNT] = {
        [EXEC_SCAN] = "TableSourceScan",
        [EXEC_VALUES] = "Values",
        [EXEC_CALC] = "Calc",
        [EXEC_WATERMARK] = "WatermarkAssigner",
        [EXEC_EXCHANGE] = "Exchange",
        [EXEC_GROUP] = "GroupAggregate",
        [EXEC_WINDOW_ASSIGN] = "WindowTableFunction",
        [EXEC_WINDOW_GROUP] = "WindowAggregate",
        [EXEC_JOIN] = "Join",
        [EXEC_INTERVAL_JOIN] = "IntervalJoin",
        [EXEC_WINDOW_JOIN] = "WindowJoin",
        [EXEC_RANK] = "Rank",
        [EXEC_UNION] = "Union",
        [EXEC_UNNEST] = "Unnest",
        [EXEC_LIMIT] = "Limit",
        [EXEC_SINK] = "Sink",
    };

    return node->kind == EXEC_RANK && node->rank.is_deduplication ? "Deduplicate" : names[node->kind];
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

static void put_columns(struct explain *out, const struct exec_node *row, const uint32_t *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put(out, "%s", i == 0 ? "" : ", ");
        put_view(out, row->columns[columns == NULL ? i : columns[i]].name);
    }
}

static void put_named(struct explain *out, const char *label, const struct exec_node *row, const uint32_t *columns,
                      uint32_t count)
{
    put(out, "%s=[", label);
    put_columns(out, row, columns, count);
    put(out, "]");
}

static void put_expr(struct explain *out, const struct expr *expr, const struct exec_node *row)
{
    char text[EXPR_TEXT_BYTES];

    (void)expr_format(expr, row->columns, row->column_count, text, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    put(out, "%s", text);
}

/* 10 s, 1 h, 1500 ms: the largest unit that fits. */
static void put_ms(struct explain *out, int64_t ms)
{
    static const struct {
        int64_t     ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;

    while (i + 1 < COUNT_OF(units) && (ms == 0 || ms % units[i].ms != 0)) {
        i++;
    }
    put(out, "%" PRId64 " %s", ms / units[i].ms, units[i].name);
}

static void put_scan(struct explain *out, const struct exec_node *node)
{
    const struct sql_table *table = sql__rel(node)->table;

    put(out, "table=[");
    put_view(out, table->name);
    put(out, "], fields=[");
    for (uint32_t i = 0; i < node->column_count; i++) {
        struct vec_type type = node->columns[i].type;

        put(out, "%s", i == 0 ? "" : ", ");
        put_view(out, node->columns[i].name);
        if (type.kind == VEC_ROW) {
            put(out, "(");
            for (uint32_t k = 0; k < type.child_count; k++) {
                put(out, "%s", k == 0 ? "" : ", ");
                put_view(out, type.children[k].name);
            }
            put(out, ")");
        }
    }
    put(out, "]");
    if (node->scan.needed != NULL) {
        put(out, ", needed=[");
        put_expr(out, node->scan.needed, node);
        put(out, "]");
        if (node->scan.keeps_all_rows) {
            put(out, ", always=[");
            for (uint32_t i = 0, wrote = 0; i < node->column_count; i++) {
                if (node->scan.always[i]) {
                    put(out, "%s", wrote++ == 0 ? "" : ", ");
                    put_view(out, node->columns[i].name);
                }
            }
            put(out, "]");
        }
    }
}

static void put_calc(struct explain *out, const struct exec_node *node)
{
    put(out, "select=[");
    for (uint32_t i = 0; i < node->column_count; i++) {
        char text[EXPR_TEXT_BYTES];

        (void)expr_format(node->calc.exprs[i], node->inputs[0]->columns, node->inputs[0]->column_count, text,
                          sizeof(text));
        text[sizeof(text) - 1] = '\0';
        put(out, "%s%s", i == 0 ? "" : ", ", text);
        if (!view_equal(view_text(text), node->columns[i].name)) {
            put(out, " AS ");
            put_view(out, node->columns[i].name);
        }
    }
    put(out, "]");
    if (node->calc.condition != NULL) {
        put(out, ", where=[");
        put_expr(out, node->calc.condition, node->inputs[0]);
        put(out, "]");
    }
}

static void put_aggregates(struct explain *out, const struct exec_node *node, const struct exec_aggregate *aggregates,
                           uint32_t count, uint32_t first)
{
    const struct exec_node *input = node->inputs[0];

    put(out, "aggregates=[");
    for (uint32_t i = 0; i < count; i++) {
        put(out, "%s%s(%s", i == 0 ? "" : ", ", sql__aggregate_name(aggregates[i].kind),
            aggregates[i].distinct ? "DISTINCT " : "");
        if (aggregates[i].argument == EXEC_NO_COLUMN) {
            put(out, "*");
        } else {
            put_view(out, input->columns[aggregates[i].argument].name);
        }
        put(out, ")");
        if (aggregates[i].filter != EXEC_NO_COLUMN) {
            put(out, " FILTER ");
            put_view(out, input->columns[aggregates[i].filter].name);
        }
        put(out, " AS ");
        put_view(out, node->columns[first + i].name);
    }
    put(out, "]");
}

static void put_window(struct explain *out, const struct exec_window *window, const struct exec_node *input)
{
    static const char *const names[] = {
        [EXEC_TUMBLE] = "TUMBLE", [EXEC_HOP] = "HOP", [EXEC_CUMULATE] = "CUMULATE", [EXEC_SESSION] = "SESSION"};

    put(out, "window=[");
    if (window->kind == EXEC_WINDOWED) {
        put_view(out, input->columns[window->start_column].name);
        put(out, ", ");
        put_view(out, input->columns[window->end_column].name);
        put(out, "]");
        return;
    }
    put(out, "%s(", names[window->kind]);
    if (window->is_processing_time) {
        put(out, "processing time");
    } else {
        put_view(out, input->columns[window->time_column].name);
    }
    put(out, window->kind == EXEC_SESSION ? ", gap " : ", size ");
    put_ms(out, window->size_ms);
    if (window->kind == EXEC_HOP || window->kind == EXEC_CUMULATE) {
        put(out, window->kind == EXEC_HOP ? ", slide " : ", step ");
        put_ms(out, window->slide_ms);
    }
    if (window->offset_ms != 0) {
        put(out, ", offset ");
        put_ms(out, window->offset_ms);
    }
    put(out, ")]");
}

static void put_join(struct explain *out, const struct exec_node *node)
{
    const struct exec_join *join = &node->join;
    const struct exec_node *left = node->inputs[0];
    const struct exec_node *right = node->inputs[1];

    put(out, "joinType=[InnerJoin]");
    if (node->kind == EXEC_WINDOW_JOIN) {
        put(out, ", window=[");
        put_view(out, left->columns[join->left_start].name);
        put(out, ", ");
        put_view(out, left->columns[join->left_end].name);
        put(out, "]");
    }
    if (node->kind == EXEC_INTERVAL_JOIN) {
        put(out, ", time=[");
        put_view(out, right->columns[join->right_time].name);
        put(out, " between ");
        put_view(out, left->columns[join->left_time].name);
        put(out, " + ");
        put_ms(out, join->lower_ms);
        put(out, " and + ");
        put_ms(out, join->upper_ms);
        put(out, "]");
    }
    put(out, ", on=[");
    for (uint32_t i = 0; i < join->key_count; i++) {
        put(out, "%s", i == 0 ? "" : ", ");
        put_view(out, left->columns[join->left_keys[i]].name);
        put(out, " = ");
        put_view(out, right->columns[join->right_keys[i]].name);
    }
    put(out, "]");
    if (join->condition != NULL) {
        put(out, ", where=[");
        put_expr(out, join->condition, node);
        put(out, "]");
    }
    put(out, ", ");
    put_named(out, "select", node, NULL, node->column_count);
}

static void put_rank(struct explain *out, const struct exec_node *node)
{
    const struct exec_rank *rank = &node->rank;

    put_named(out, "partitionBy", node, rank->keys, rank->key_count);
    put(out, ", orderBy=[");
    for (uint32_t i = 0; i < rank->order_count; i++) {
        const struct exec_order *order = &rank->orders[i];

        put(out, "%s", i == 0 ? "" : ", ");
        if (rank->is_processing_time) {
            put(out, "arrival%s", order->descending ? " DESC" : " ASC");
        } else {
            put_view(out, node->columns[order->column].name);
            put(out, "%s%s", order->descending ? " DESC" : " ASC",
                order->nulls_last == order->descending ? ""
                : order->nulls_last                    ? " NULLS LAST"
                                                       : " NULLS FIRST");
        }
    }
    put(out, "], rows=[%" PRIu64 "..%" PRIu64 "]%s", rank->first, rank->last,
        rank->with_number ? ", with the number" : "");
}

static void put_exchange(struct explain *out, const struct exec_node *node)
{
    static const char *const names[] = {[EXEC_FORWARD] = "forward",
                                        [EXEC_ROUND_ROBIN] = "round robin",
                                        [EXEC_BROADCAST] = "broadcast",
                                        [EXEC_SINGLE] = "single"};

    if (node->exchange.distribution != EXEC_HASH) {
        put(out, "distribution=[%s]", names[node->exchange.distribution]);
        return;
    }
    put(out, "distribution=[hash(");
    put_columns(out, node, node->exchange.keys, node->exchange.key_count);
    put(out, ")]");
}

static void put_values(struct explain *out, const struct exec_node *node)
{
    put(out, "tuples=[");
    for (uint32_t i = 0; i < node->values.row_count; i++) {
        put(out, "%s(", i == 0 ? "" : ", ");
        for (uint32_t k = 0; k < node->column_count; k++) {
            put(out, "%s", k == 0 ? "" : ", ");
            put_expr(out, node->values.exprs[i * node->column_count + k], node);
        }
        put(out, ")");
    }
    put(out, "]");
}

static void put_sink(struct explain *out, const struct exec_node *node)
{
    const struct sql_table *table = sql__rel(node)->table;

    put(out, "table=[");
    put_view(out, table == NULL ? view_text("the result") : table->name);
    put(out, "], ");
    put_named(out, "fields", node, NULL, node->column_count);
    if (node->sink.key_count > 0) {
        put(out, ", ");
        put_named(out, "primaryKey", node, node->sink.keys, node->sink.key_count);
    }
}

static void put_work(struct explain *out, const struct exec_node *node)
{
    switch (node->kind) {
    case EXEC_SCAN:
        put_scan(out, node);
        break;
    case EXEC_VALUES:
        put_values(out, node);
        break;
    case EXEC_CALC:
        put_calc(out, node);
        break;
    case EXEC_WATERMARK:
        put(out, "rowtime=[");
        put_view(out, node->columns[node->watermark.time_column].name);
        put(out, "], watermark=[");
        put_expr(out, node->watermark.expr, node);
        put(out, "]");
        if (node->watermark.idle_timeout_ms > 0) {
            put(out, ", idleAfter=[");
            put_ms(out, node->watermark.idle_timeout_ms);
            put(out, "]");
        }
        break;
    case EXEC_EXCHANGE:
        put_exchange(out, node);
        break;
    case EXEC_GROUP:
        put_named(out, "groupBy", node->inputs[0], node->group.keys, node->group.key_count);
        put(out, ", ");
        put_aggregates(out, node, node->group.aggregates, node->group.aggregate_count, node->group.key_count);
        break;
    case EXEC_WINDOW_ASSIGN:
        put_window(out, &node->window, node->inputs[0]);
        break;
    case EXEC_WINDOW_GROUP:
        put_named(out, "groupBy", node->inputs[0], node->window_group.keys, node->window_group.key_count);
        put(out, ", ");
        put_window(out, &node->window_group.window, node->inputs[0]);
        put(out, ", ");
        put_aggregates(out, node, node->window_group.aggregates, node->window_group.aggregate_count,
                       node->window_group.key_count);
        break;
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        put_join(out, node);
        break;
    case EXEC_RANK:
        put_rank(out, node);
        break;
    case EXEC_UNNEST:
        put_named(out, "array", node->inputs[0], &node->unnest.column, 1);
        put(out, "%s%s", node->unnest.with_ordinality ? ", with ordinality" : "",
            node->unnest.keeps_unmatched ? ", rows without elements stay" : "");
        break;
    case EXEC_LIMIT:
        put(out, "rows=[%" PRIu64 "]", node->limit.row_count);
        break;
    case EXEC_SINK:
        put_sink(out, node);
        break;
    default:
        put_named(out, "fields", node, NULL, node->column_count);
        break;
    }
}

/* --- what holds for every operator -------------------------------------------------------------------------------- */

static void put_changes(struct explain *out, const struct exec_node *node)
{
    static const struct {
        enum vec_change change;
        const char     *name;
    } names[] = {{VEC_INSERT, "I"}, {VEC_UPDATE_BEFORE, "UB"}, {VEC_UPDATE_AFTER, "UA"}, {VEC_DELETE, "D"}};
    bool first = true;

    put(out, "changelogMode=[");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if ((node->changes & EXEC_CHANGE(names[i].change)) != 0) {
            put(out, "%s%s", first ? "" : ",", names[i].name);
            first = false;
        }
    }
    put(out, "]");
    if (node->has_key && node->changes != EXEC_APPEND_ONLY) {
        put(out, ", ");
        put_named(out, "upsertKey", node, node->key, node->key_count);
    }
}

static void put_ttl(struct explain *out, const char *what, int64_t ttl_ms)
{
    put(out, ", state=[%s", what);
    if (ttl_ms > 0) {
        put(out, " for ");
        put_ms(out, ttl_ms);
    }
    put(out, "]");
}

static void put_state(struct explain *out, const struct exec_node *node)
{
    switch (node->kind) {
    case EXEC_GROUP:
        put_ttl(out, "a row per key", node->group.state_ttl_ms);
        break;
    case EXEC_WINDOW_GROUP:
        put_ttl(out, "a row per key of windows that are open", 0);
        break;
    case EXEC_JOIN:
        put_ttl(out, "the rows of both sides", node->join.state_ttl_ms);
        break;
    case EXEC_INTERVAL_JOIN:
        put_ttl(out, "the rows of both sides until their interval is over", 0);
        break;
    case EXEC_WINDOW_JOIN:
        put_ttl(out, "the rows of windows that are open", 0);
        break;
    case EXEC_RANK:
        put(out, ", state=[%" PRIu64 " row%s per key", node->rank.last, node->rank.last == 1 ? "" : "s");
        if (node->rank.state_ttl_ms > 0) {
            put(out, " for ");
            put_ms(out, node->rank.state_ttl_ms);
        }
        put(out, "]");
        break;
    default:
        break;
    }
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

static uint32_t users_of(const struct sql_plan *plan, const struct exec_node *node)
{
    uint32_t users = 0;

    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        for (uint32_t k = 0; k < plan->exec.nodes[i]->input_count; k++) {
            users += plan->exec.nodes[i]->inputs[k] == node;
        }
    }
    return users;
}

/* Whether a node was written before the one that is `user`'s k-th input: the order of writing is sinks, then inputs. */
static void put_node(struct explain *out, const struct exec_node *node, bool *written)
{
    bool shared = users_of(out->plan, node) > 1;

    for (uint32_t i = 0; i < out->depth; i++) {
        put(out, "%s", i + 1 == out->depth ? "+- " : "   ");
    }
    if (written[node->id]) {
        put(out, "Reused(#%" PRIu32 ")\n", node->id);
        return;
    }
    written[node->id] = true;
    put(out, "%s(", sql__operator_name(node));
    put_work(out, node);
    put(out, ")");
    if (shared) {
        put(out, " #%" PRIu32, node->id);
    }
    put(out, ", ");
    put_changes(out, node);
    put_state(out, node);
    if (out->figures != NULL) {
        char text[FIGURES_BYTES] = "";

        out->figures(out->figures_context, node, text, sizeof(text));
        put(out, "%s", text);
    }
    put(out, "\n");
    out->depth++;
    for (uint32_t i = 0; i < node->input_count; i++) {
        put_node(out, node->inputs[i], written);
    }
    out->depth--;
}

size_t sql_explain(const struct sql_plan *plan, char *out_text, size_t capacity)
{
    return sql_explain_run(plan, NULL, NULL, out_text, capacity);
}

size_t sql_explain_run(const struct sql_plan *plan, sql_figures_fn *figures, void *context, char *out_text,
                       size_t capacity)
{
    struct explain out = {.print = {.text = out_text, .capacity = capacity},
                          .plan = plan,
                          .figures = figures,
                          .figures_context = context};
    bool          *written = mem_alloc(MEM_COMPUTE, plan->exec.node_count + 1);

    if (capacity > 0) {
        out_text[0] = '\0';
    }
    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        if (plan->exec.nodes[i]->kind == EXEC_SINK) {
            put_node(&out, plan->exec.nodes[i], written);
        }
    }
    mem_free(MEM_COMPUTE, written);
    return out.print.len;
}
