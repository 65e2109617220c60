/* From bound queries to a plan: the passes in their order, then the nodes in a list. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

enum { MARK_LISTED = 5 };

struct listing {
    struct sql_binder *binder;
    struct sql_plan   *plan;
    uint32_t           capacity;
};

static bool list_node(struct listing *listing, struct sql_rel *rel)
{
    struct exec_plan *plan = &listing->plan->exec;

    if (rel->mark == MARK_LISTED) {
        return true;
    }
    rel->mark = MARK_LISTED;
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!list_node(listing, sql__input(rel, i))) {
            return false;
        }
    }
    if (plan->node_count == listing->capacity) {
        uint32_t           grown = MAX(32U, listing->capacity * 2);
        struct exec_node **larger = sql__alloc_array(listing->binder, grown, sizeof(struct exec_node *));

        if (larger == NULL) {
            return false;
        }
        if (plan->node_count > 0) {
            memcpy(larger, plan->nodes, plan->node_count * sizeof(*larger));
        }
        plan->nodes = larger;
        listing->capacity = grown;
    }
    rel->node.id = plan->node_count;
    plan->nodes[plan->node_count++] = &rel->node;
    plan->source_count += rel->node.kind == EXEC_SCAN;
    plan->sink_count += rel->node.kind == EXEC_SINK;
    return true;
}

static bool describe_source(struct sql_binder *binder, struct sql_plan *plan, struct sql_rel *rel, uint32_t source)
{
    struct sql_source_column *columns = sql__alloc_array(binder, MAX(rel->node.column_count, 1U), sizeof(*columns));

    if (columns == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        columns[i] = (struct sql_source_column){.field = rel->node.columns[i],
                                                .metadata = rel->table->columns[rel->table_rows[i]].metadata,
                                                .table_column = rel->table_rows[i]};
    }
    rel->node.scan.source = source;
    plan->sources[source] = (struct sql_source_plan){
        .table = rel->table, .column_count = rel->node.column_count, .columns = columns, .scan = &rel->node};
    return true;
}

static int64_t ttl_of(const struct sql_binder *binder)
{
    int64_t ms = 0;

    (void)sql__duration_ms(sql_catalog_setting(binder->catalog, "table.exec.state.ttl"), &ms);
    return ms;
}

static void set_ttl(struct exec_node *node, int64_t ttl_ms)
{
    switch (node->kind) {
    case EXEC_GROUP:
        node->group.state_ttl_ms = ttl_ms;
        break;
    case EXEC_JOIN:
        node->join.state_ttl_ms = ttl_ms;
        break;
    case EXEC_RANK:
        node->rank.state_ttl_ms = ttl_ms;
        break;
    default:
        break;
    }
}

/* Whether an expression of the node asks what time it is. */
static bool asks_time(const struct exec_node *node)
{
    size_t              count = node->kind == EXEC_CALC     ? node->column_count
                                : node->kind == EXEC_VALUES ? (size_t)node->values.row_count * node->column_count
                                                            : 0;
    struct expr *const *exprs = node->kind == EXEC_CALC ? node->calc.exprs : node->values.exprs;

    for (size_t i = 0; i < count; i++) {
        if (expr_is_volatile(exprs[i])) {
            return true;
        }
    }
    return (node->kind == EXEC_CALC && node->calc.condition != NULL && expr_is_volatile(node->calc.condition)) ||
           (node->kind == EXEC_JOIN && node->join.condition != NULL && expr_is_volatile(node->join.condition));
}

static bool describe(struct sql_binder *binder, struct sql_plan *plan)
{
    uint32_t source = 0;
    uint32_t sink = 0;
    int64_t  ttl_ms = ttl_of(binder);

    plan->sources = sql__alloc_array(binder, plan->exec.source_count + 1, sizeof(*plan->sources));
    plan->sinks = sql__alloc_array(binder, plan->exec.sink_count + 1, sizeof(*plan->sinks));
    if (plan->sources == NULL || plan->sinks == NULL) {
        return false;
    }
    plan->exec.scan_count = plan->exec.source_count;
    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        struct sql_rel *rel = sql__rel(plan->exec.nodes[i]);

        set_ttl(&rel->node, ttl_ms);
        plan->exec.uses_processing_time = plan->exec.uses_processing_time || asks_time(&rel->node);
        if (rel->node.kind == EXEC_SCAN && !describe_source(binder, plan, rel, source++)) {
            return false;
        }
        if (rel->node.kind == EXEC_SINK) {
            rel->node.sink.sink = sink;
            plan->sinks[sink++] = (struct sql_sink_plan){.table = rel->table, .node = &rel->node};
        }
        if (rel->node.kind == EXEC_WATERMARK) { /* directly above the CALC of its SCAN */
            const struct sql_rel *below = sql__input(rel, 0);

            below = below->node.kind == EXEC_SCAN ? below : sql__input(below, 0);
            CHECK(below->node.kind == EXEC_SCAN);
            rel->node.watermark.source = below->node.scan.source;
        }
    }
    return true;
}

static bool rewrite(struct sql_binder *binder, struct sql_roots *roots, struct sql_plan *plan)
{
    if (!sql__push_roots(binder, roots)) {
        return false;
    }
    for (uint32_t i = 0; i < roots->count; i++) {
        if (!sql__fuse_windows(binder, roots->rels[i]) || !sql__classify_joins(binder, roots->rels[i]) ||
            !sql__check_ranks(binder, roots->rels[i])) {
            return false;
        }
    }
    return sql__drop_watermarks(binder, roots, &plan->exec.uses_event_time, &plan->exec.uses_processing_time) &&
           sql__push_roots(binder, roots) && sql__prune(binder, roots) && sql__merge_scans(binder, roots) &&
           sql__share(binder, roots) && sql__derive_changes(binder, roots) && sql__exchange(binder, roots);
}

struct sql_plan *sql__plan(struct sql_binder *binder, struct sql_roots *roots)
{
    struct sql_plan *plan = sql__alloc(binder, sizeof(*plan));
    struct listing   listing = {.binder = binder, .plan = plan};

    if (plan == NULL || !rewrite(binder, roots, plan)) {
        return NULL;
    }
    for (uint32_t i = 0; i < roots->count; i++) {
        if (!list_node(&listing, roots->rels[i])) {
            return NULL;
        }
    }
    plan->maker = binder->maker;
    return describe(binder, plan) ? plan : NULL;
}

void sql_plan_release(struct sql_plan *plan)
{
    if (plan != NULL && plan->maker != NULL) {
        expr_maker_release(plan->maker);
    }
}
