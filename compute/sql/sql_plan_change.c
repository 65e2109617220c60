/* Changelogs: which kinds of change each relation emits, what names its rows, and which have to say what was there
 * before. Flink's rules; where Flink would take back rows and we cannot, the plan is refused. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define UPDATES  (EXEC_CHANGE(VEC_UPDATE_AFTER) | EXEC_CHANGE(VEC_UPDATE_BEFORE))
#define UPDATING (EXEC_APPEND_ONLY | EXEC_CHANGE(VEC_UPDATE_AFTER))

enum { MARK_NEW = 1, MARK_TYPED = 2, MARK_WANTED = 3 }; /* sql__share() left MARK_NEW */

/* --- keys --------------------------------------------------------------------------------------------------------- */

static bool set_key(struct sql_binder *binder, struct sql_rel *rel, const uint32_t *columns, uint32_t count)
{
    uint32_t *key = sql__alloc_array(binder, MAX(count, 1U), sizeof(*key));

    if (key == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(key, columns, count * sizeof(*key));
    }
    rel->node.has_key = true;
    rel->node.key = key;
    rel->node.key_count = count;
    return true;
}

static bool first_columns(struct sql_binder *binder, struct sql_rel *rel, uint32_t count, uint32_t extra,
                          uint32_t extra_from)
{
    uint32_t *columns = sql__alloc_array(binder, count + extra + 1, sizeof(*columns));

    for (uint32_t i = 0; columns != NULL && i < count + extra; i++) {
        columns[i] = i < count ? i : extra_from + i - count;
    }
    return columns != NULL && set_key(binder, rel, columns, count + extra);
}

/* Casts that keep different values different. */
static bool is_faithful(const struct expr *expr)
{
    struct vec_type from;

    if (expr->kind != EXPR_CAST || expr->try_cast) {
        return false;
    }
    from = expr->arguments[0]->type;
    if (vec_kind_is_integer(from.kind)) {
        return (vec_kind_is_integer(expr->type.kind) && expr->type.kind >= from.kind) ||
               (vec_kind_is_text(expr->type.kind) && expr->type.length == VEC_LENGTH_UNLIMITED);
    }
    return vec_kind_is_text(from.kind) && expr->type.kind == VEC_VARCHAR && expr->type.length >= from.length;
}

/* Where a CALC puts an input column; EXEC_NO_COLUMN: nowhere as it is. */
static uint32_t place_of(const struct sql_rel *calc, uint32_t column)
{
    for (uint32_t i = 0; i < calc->node.column_count; i++) {
        const struct expr *expr = calc->node.calc.exprs[i];

        expr = is_faithful(expr) ? expr->arguments[0] : expr;
        if (expr->kind == EXPR_COLUMN && expr->index == column) {
            return i;
        }
    }
    return EXEC_NO_COLUMN;
}

static bool carry_key(struct sql_binder *binder, struct sql_rel *rel)
{
    const struct sql_rel *input = sql__input(rel, 0);
    uint32_t             *columns = sql__alloc_array(binder, input->node.key_count + 1, sizeof(*columns));

    if (columns == NULL || !input->node.has_key) {
        return columns != NULL;
    }
    for (uint32_t i = 0; i < input->node.key_count; i++) {
        columns[i] = rel->node.kind == EXEC_CALC ? place_of(rel, input->node.key[i]) : input->node.key[i];
        if (columns[i] == EXEC_NO_COLUMN) {
            return true;
        }
    }
    return set_key(binder, rel, columns, input->node.key_count);
}

/* --- kinds of change ---------------------------------------------------------------------------------------------- */

static const char *operator_name(const struct sql_rel *rel)
{
    return sql__operator_name(&rel->node);
}

/* The input takes rows back, and rel cannot. */
static bool want_append_only(struct sql_binder *binder, const struct sql_rel *rel)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        const struct sql_rel *input = sql__input(rel, i);

        if ((input->node.changes & ~EXEC_APPEND_ONLY) != 0) {
            return sql_fail(binder->error, SQL_ERROR_PLAN, sql__node_place(rel),
                            "Flink has %s over rows that are updated or deleted, Millrace not yet: its input comes "
                            "from %s, which is no append-only stream",
                            operator_name(rel), operator_name(sql__changing(input)));
        }
    }
    return true;
}

const struct sql_rel *sql__changing(const struct sql_rel *rel)
{
    while (rel->node.kind == EXEC_CALC || rel->node.kind == EXEC_UNION || rel->node.kind == EXEC_EXCHANGE ||
           rel->node.kind == EXEC_SINK) {
        uint32_t i = 0;

        while (i + 1 < rel->node.input_count && sql__input(rel, i)->node.changes == EXEC_APPEND_ONLY) {
            i++;
        }
        rel = sql__input(rel, i);
    }
    return rel;
}

static bool derive_group(struct sql_binder *binder, struct sql_rel *rel)
{
    rel->node.changes = rel->node.group.aggregate_count == 0 ? EXEC_APPEND_ONLY : UPDATING;
    return want_append_only(binder, rel) && first_columns(binder, rel, rel->node.group.key_count, 0, 0);
}

/* The first row by time is final when the watermark has passed it: Flink from 2.1 on waits for that, and the rank is
 * append-only (RankUtil.outputInsertOnlyInDeduplicate). With mini-batches it shows the first so far, and updates it. */
static bool shows_final_rows(const struct sql_binder *binder, const struct exec_rank *rank)
{
    struct view setting = {0};

    if (!rank->is_deduplication || rank->orders[0].descending) {
        return false;
    }
    if (binder->catalog != NULL) {
        setting = sql_catalog_setting(binder->catalog, "table.exec.mini-batch.enabled");
    }
    return rank->is_processing_time || setting.base == NULL || !view_equal(setting, view_text("true"));
}

static bool derive_rank(struct sql_binder *binder, struct sql_rel *rel)
{
    const struct exec_rank *rank = &rel->node.rank;
    bool                    keeps_first = shows_final_rows(binder, rank);

    rel->node.changes = keeps_first ? EXEC_APPEND_ONLY : UPDATING;
    if (!rank->with_number && rank->last > 1) {
        rel->node.changes |= EXEC_CHANGE(VEC_DELETE);
    }
    if (!want_append_only(binder, rel)) {
        return false;
    }
    if (rank->with_number || rank->first == rank->last) {
        uint32_t *key = sql__alloc_array(binder, rank->key_count + 1, sizeof(*key));

        if (key == NULL) {
            return false;
        }
        if (rank->key_count > 0) {
            memcpy(key, rank->keys, rank->key_count * sizeof(*key));
        }
        key[rank->key_count] = rel->node.column_count - 1;
        return set_key(binder, rel, key, rank->key_count + rank->with_number);
    }
    return true;
}

static bool derive_one(struct sql_binder *binder, struct sql_rel *rel)
{
    uint32_t changes = 0;

    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        changes |= sql__input(rel, i)->node.changes;
    }
    rel->node.changes = rel->node.input_count == 0 ? EXEC_APPEND_ONLY : changes;
    switch (rel->node.kind) {
    case EXEC_CALC:
        if (rel->node.calc.condition != NULL && (changes & UPDATES) != 0) {
            rel->node.changes |= EXEC_APPEND_ONLY | EXEC_CHANGE(VEC_DELETE);
        }
        return carry_key(binder, rel);
    case EXEC_GROUP:
        return derive_group(binder, rel);
    case EXEC_WINDOW_GROUP:
        return want_append_only(binder, rel) &&
               first_columns(binder, rel, rel->node.window_group.key_count, 2,
                             rel->node.window_group.key_count + rel->node.window_group.aggregate_count);
    case EXEC_RANK:
        return derive_rank(binder, rel);
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
    case EXEC_WINDOW_ASSIGN:
    case EXEC_UNNEST:
    case EXEC_LIMIT:
    case EXEC_WATERMARK:
        return want_append_only(binder, rel);
    case EXEC_SINK:
        return carry_key(binder, rel);
    default:
        return true;
    }
}

static bool derive(struct sql_binder *binder, struct sql_rel *rel)
{
    if (rel->mark == MARK_TYPED) {
        return true;
    }
    rel->mark = MARK_TYPED;
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!derive(binder, sql__input(rel, i))) {
            return false;
        }
    }
    return derive_one(binder, rel);
}

/* --- sinks -------------------------------------------------------------------------------------------------------- */

static bool same_key(const struct sql_rel *sink)
{
    uint32_t found = 0;

    if (!sink->node.has_key) {
        return false;
    }
    for (uint32_t i = 0; i < sink->node.key_count; i++) {
        for (uint32_t k = 0; k < sink->node.sink.key_count; k++) {
            found += sink->node.key[i] == sink->node.sink.keys[k];
        }
    }
    return found == sink->node.key_count && found == sink->node.sink.key_count;
}

static void list_names(const struct sql_rel *rel, const uint32_t *columns, uint32_t count, char *text, size_t capacity)
{
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        struct view name = rel->node.columns[columns[i]].name;

        if (len + name.len + 4 > capacity) {
            break;
        }
        if (i > 0) {
            text[len++] = ',';
            text[len++] = ' ';
        }
        memcpy(text + len, name.base, name.len);
        len += name.len;
        text[len] = '\0';
    }
}

static bool check_sink(struct sql_binder *binder, const struct sql_rel *sink)
{
    const struct sql_table *table = sink->table;
    char                    have[120];
    char                    want[120];

    if (table == NULL || sink->node.changes == EXEC_APPEND_ONLY || table->connector == SQL_CONNECTOR_PRINT ||
        table->connector == SQL_CONNECTOR_BLACKHOLE) {
        return true;
    }
    if (table->connector == SQL_CONNECTOR_KAFKA) {
        return sql_fail(binder->error, SQL_ERROR_PLAN, sql__node_place(sink),
                        "'%.*s' (connector 'kafka') takes inserts only, and %s updates rows; use 'upsert-kafka' with "
                        "a PRIMARY KEY",
                        (int)table->name.len, (const char *)table->name.base, operator_name(sql__changing(sink)));
    }
    if (same_key(sink)) {
        return true;
    }
    list_names(sink, sink->node.key, sink->node.has_key ? sink->node.key_count : 0, have, sizeof(have));
    list_names(sink, sink->node.sink.keys, sink->node.sink.key_count, want, sizeof(want));
    return sql__fail_not_yet(
        binder, sql__node_place(sink), "sinks whose PRIMARY KEY is not the query's upsert key",
        sink->node.has_key
            ? (const char *)sql__text(binder, "the key is (%s), and the query's rows are told apart by (%s)", want,
                                      have)
                  .base
            : (const char *)sql__text(binder, "the key is (%s), and nothing that the query gives names its rows", want)
                  .base);
}

/* --- what was there before ---------------------------------------------------------------------------------------- */

/* wanted: a user of rel needs UPDATE_BEFORE. A relation with several users serves all of them. */
static void want(struct sql_rel *rel, bool wanted)
{
    wanted = wanted && (rel->node.changes & UPDATES) != 0;
    if (rel->mark == MARK_WANTED && (!wanted || rel->node.wants_before)) {
        return;
    }
    rel->mark = MARK_WANTED;
    rel->node.wants_before = rel->node.wants_before || wanted;
    if (rel->node.wants_before) {
        rel->node.changes |= EXEC_CHANGE(VEC_UPDATE_BEFORE);
    }
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        bool filters = rel->node.kind == EXEC_CALC && rel->node.calc.condition != NULL;

        want(sql__input(rel, i), rel->node.wants_before || filters);
    }
}

bool sql__derive_changes(struct sql_binder *binder, struct sql_roots *roots)
{
    for (uint32_t i = 0; i < roots->count; i++) {
        if (!derive(binder, roots->rels[i]) || !check_sink(binder, roots->rels[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < roots->count; i++) {
        const struct sql_table *table = roots->rels[i]->table;

        want(roots->rels[i], table == NULL || table->connector == SQL_CONNECTOR_PRINT);
    }
    return true;
}
