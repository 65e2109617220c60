/* Equal relations are one: the second of two that do the same over the same inputs goes, and CALCs that change nothing
 * go altogether. Bottom up, so that inputs are equal when they are the same relation. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

struct sharing {
    struct sql_binder *binder;
    struct sql_rel   **seen;
    uint32_t           count, capacity;
};

static bool equal_lists(const uint32_t *a, const uint32_t *b, uint32_t count)
{
    return count == 0 || memcmp(a, b, count * sizeof(*a)) == 0;
}

static bool equal_or_none(const struct expr *a, const struct expr *b)
{
    return a == b || (a != NULL && b != NULL && expr_equal(a, b));
}

static bool equal_exprs(struct expr *const *a, struct expr *const *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!expr_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool equal_aggregates(const struct exec_aggregate *a, const struct exec_aggregate *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].kind != b[i].kind || a[i].distinct != b[i].distinct || a[i].argument != b[i].argument ||
            a[i].filter != b[i].filter || !vec_type_equal(a[i].type, b[i].type)) {
            return false;
        }
    }
    return true;
}

static bool equal_windows(const struct exec_window *a, const struct exec_window *b)
{
    return a->kind == b->kind && a->is_processing_time == b->is_processing_time && a->time_column == b->time_column &&
           a->size_ms == b->size_ms && a->slide_ms == b->slide_ms && a->offset_ms == b->offset_ms &&
           a->start_column == b->start_column && a->end_column == b->end_column;
}

static bool equal_joins(const struct exec_join *a, const struct exec_join *b)
{
    return a->key_count == b->key_count && equal_lists(a->left_keys, b->left_keys, a->key_count) &&
           equal_lists(a->right_keys, b->right_keys, a->key_count) && equal_or_none(a->condition, b->condition) &&
           a->left_time == b->left_time && a->right_time == b->right_time && a->lower_ms == b->lower_ms &&
           a->upper_ms == b->upper_ms && a->left_start == b->left_start && a->left_end == b->left_end &&
           a->right_start == b->right_start && a->right_end == b->right_end;
}

static bool equal_ranks(const struct exec_rank *a, const struct exec_rank *b)
{
    if (a->key_count != b->key_count || !equal_lists(a->keys, b->keys, a->key_count) ||
        a->order_count != b->order_count || a->first != b->first || a->last != b->last ||
        a->with_number != b->with_number || a->is_deduplication != b->is_deduplication ||
        a->is_processing_time != b->is_processing_time) {
        return false;
    }
    for (uint32_t i = 0; i < a->order_count; i++) {
        if (a->orders[i].column != b->orders[i].column || a->orders[i].descending != b->orders[i].descending ||
            a->orders[i].nulls_last != b->orders[i].nulls_last) {
            return false;
        }
    }
    return true;
}

static bool equal_work(const struct exec_node *a, const struct exec_node *b)
{
    switch (a->kind) {
    case EXEC_VALUES:
        return a->values.row_count == b->values.row_count &&
               equal_exprs(a->values.exprs, b->values.exprs, (size_t)a->values.row_count * a->column_count);
    case EXEC_CALC:
        return equal_or_none(a->calc.condition, b->calc.condition) &&
               equal_exprs(a->calc.exprs, b->calc.exprs, a->column_count);
    case EXEC_WATERMARK:
        return a->watermark.time_column == b->watermark.time_column &&
               a->watermark.idle_timeout_ms == b->watermark.idle_timeout_ms &&
               expr_equal(a->watermark.expr, b->watermark.expr);
    case EXEC_GROUP:
        return a->group.key_count == b->group.key_count && a->group.aggregate_count == b->group.aggregate_count &&
               equal_lists(a->group.keys, b->group.keys, a->group.key_count) &&
               equal_aggregates(a->group.aggregates, b->group.aggregates, a->group.aggregate_count);
    case EXEC_WINDOW_ASSIGN:
        return equal_windows(&a->window, &b->window);
    case EXEC_WINDOW_GROUP:
        return equal_windows(&a->window_group.window, &b->window_group.window) &&
               a->window_group.key_count == b->window_group.key_count &&
               a->window_group.aggregate_count == b->window_group.aggregate_count &&
               equal_lists(a->window_group.keys, b->window_group.keys, a->window_group.key_count) &&
               equal_aggregates(a->window_group.aggregates, b->window_group.aggregates,
                                a->window_group.aggregate_count);
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        return equal_joins(&a->join, &b->join);
    case EXEC_RANK:
        return equal_ranks(&a->rank, &b->rank);
    case EXEC_UNION:
        return true;
    case EXEC_UNNEST:
        return a->unnest.column == b->unnest.column && a->unnest.with_ordinality == b->unnest.with_ordinality &&
               a->unnest.keeps_unmatched == b->unnest.keeps_unmatched;
    default: /* SCANs are one already; LIMIT may choose differently; each SINK is its own */
        return false;
    }
}

static bool equal_nodes(const struct exec_node *a, const struct exec_node *b)
{
    if (a->kind != b->kind || a->input_count != b->input_count || a->column_count != b->column_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->input_count; i++) {
        if (a->inputs[i] != b->inputs[i]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->column_count; i++) {
        if (!vec_type_equal(a->columns[i].type, b->columns[i].type)) {
            return false;
        }
    }
    return equal_work(a, b);
}

/* Names are what people see, and the same here in almost all cases: a CALC that only renames goes, too. */
static bool is_identity(const struct sql_rel *rel)
{
    if (rel->node.kind != EXEC_CALC || rel->node.calc.condition != NULL ||
        rel->node.column_count != sql__input(rel, 0)->node.column_count) {
        return false;
    }
    for (uint32_t i = 0; i < rel->node.column_count; i++) {
        if (rel->node.calc.exprs[i]->kind != EXPR_COLUMN || rel->node.calc.exprs[i]->index != i) {
            return false;
        }
    }
    return true;
}

static bool remember(struct sharing *sharing, struct sql_rel *rel)
{
    if (sharing->count == sharing->capacity) {
        uint32_t         grown = MAX(64U, sharing->capacity * 2);
        struct sql_rel **larger = sql__alloc_array(sharing->binder, grown, sizeof(struct sql_rel *));

        if (larger == NULL) {
            return false;
        }
        if (sharing->count > 0) {
            memcpy(larger, sharing->seen, sharing->count * sizeof(*larger));
        }
        sharing->seen = larger;
        sharing->capacity = grown;
    }
    sharing->seen[sharing->count++] = rel;
    return true;
}

static struct sql_rel *share(struct sharing *sharing, struct sql_rel *rel)
{
    if (rel->mark != 0) { /* been here: SCANs have several users by now */
        return rel;
    }
    rel->mark = 1;
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        struct sql_rel *input = share(sharing, sql__input(rel, i));

        if (input == NULL) {
            return NULL;
        }
        rel->node.inputs[i] = &input->node;
    }
    if (is_identity(rel)) {
        return sql__input(rel, 0);
    }
    for (uint32_t i = 0; i < sharing->count; i++) {
        if (equal_nodes(&sharing->seen[i]->node, &rel->node)) {
            return sharing->seen[i];
        }
    }
    return remember(sharing, rel) ? rel : NULL;
}

bool sql__share(struct sql_binder *binder, struct sql_roots *roots)
{
    struct sharing sharing = {.binder = binder};

    for (uint32_t i = 0; i < roots->count; i++) {
        roots->rels[i] = share(&sharing, roots->rels[i]);
        if (roots->rels[i] == NULL) {
            return false;
        }
    }
    return true;
}
