/* The rows of a table: what the driver decodes, computed columns, the watermark directly above them. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static bool scannable(struct sql_binder *binder, const struct sql_table *table, struct sql_place place)
{
    if (table->connector == SQL_CONNECTOR_KAFKA) {
        return true;
    }
    if (table->connector == SQL_CONNECTOR_UPSERT_KAFKA) {
        return sql__fail_not_yet(binder, place, "'upsert-kafka' tables as sources",
                                 "read the topic with connector 'kafka'");
    }
    return sql_fail(binder->error, SQL_ERROR_PLAN, place, "'%.*s' can be written to, not read: its connector is a sink",
                    (int)table->name.len, (const char *)table->name.base);
}

static struct sql_rel *new_scan(struct sql_binder *binder, const struct sql_table *table, struct sql_place place)
{
    struct sql_rel *rel = sql__new_rel(binder, EXEC_SCAN, place, 0);
    uint32_t        count = 0;

    for (uint32_t i = 0; i < table->column_count; i++) {
        count += table->columns[i].kind != SQL_COLUMN_COMPUTED;
    }
    if (rel == NULL || !sql__make_columns(binder, rel, count)) {
        return NULL;
    }
    rel->table = table;
    rel->table_rows = sql__alloc_array(binder, count, sizeof(*rel->table_rows));
    if (rel->table_rows == NULL) {
        return NULL;
    }
    count = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct sql_table_column *column = &table->columns[i];

        if (column->kind != SQL_COLUMN_COMPUTED) {
            rel->table_rows[count] = i;
            sql__set_column(rel, count++, column->name,
                            column->kind == SQL_COLUMN_METADATA ? sql__metadata_type(column->metadata) : column->type,
                            SQL_TIME_NONE);
        }
    }
    return rel;
}

/* All columns as declared, over the scan's. */
static struct sql_rel *declared(struct sql_binder *binder, const struct sql_table *table, struct sql_rel *scan,
                                struct sql_place place)
{
    uint32_t              count = table->column_count;
    struct expr         **exprs = sql__alloc_array(binder, count, sizeof(*exprs));
    struct view          *names = sql__alloc_array(binder, count, sizeof(*names));
    struct vec_field     *fields = sql__alloc_array(binder, scan->node.column_count, sizeof(*fields));
    struct sql_scope_item item = {.count = scan->node.column_count};
    struct sql_scope      scope = {.column_count = scan->node.column_count, .item_count = 1, .items = &item};
    uint32_t              next = 0;

    if (exprs == NULL || names == NULL || fields == NULL) {
        return NULL;
    }
    scope.columns = fields;
    for (uint32_t i = 0; i < scan->node.column_count; i++) {
        fields[i] = scan->node.columns[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = table->columns[i].name;
        if (table->columns[i].kind != SQL_COLUMN_COMPUTED) {
            exprs[i] = sql__column(binder, scan, next++);
            exprs[i] = exprs[i] == NULL || table->columns[i].kind == SQL_COLUMN_PHYSICAL
                           ? exprs[i]
                           : expr_cast(binder->maker, exprs[i], table->columns[i].type, false);
        } else {
            exprs[i] = sql__bind_expr(binder, &scope, table->columns[i].expr);
        }
        if (exprs[i] == NULL) {
            sql__fail_maker(binder, place);
            return NULL;
        }
    }
    return sql__new_calc(binder, place, scan, NULL, exprs, names, count);
}

static struct sql_rel *watermark(struct sql_binder *binder, const struct sql_table *table, struct sql_rel *input,
                                 struct sql_place place)
{
    struct sql_rel       *rel = sql__new_over(binder, EXEC_WATERMARK, place, input);
    struct sql_scope_item item = {.count = input->node.column_count};
    struct sql_scope      scope = {
             .column_count = input->node.column_count, .columns = input->node.columns, .item_count = 1, .items = &item};
    struct view idle = sql_table_option(table, "scan.watermark.idle-timeout");

    if (rel == NULL) {
        return NULL;
    }
    rel->table = table;
    rel->times = sql__alloc_array(binder, input->node.column_count, sizeof(*rel->times));
    if (rel->times == NULL) {
        return NULL;
    }
    memcpy(rel->times, input->times, input->node.column_count * sizeof(*rel->times));
    rel->times[table->watermark_column] = SQL_TIME_ROW;
    rel->node.watermark.time_column = table->watermark_column;
    rel->node.watermark.expr = sql__bind_expr(binder, &scope, table->watermark);
    if (idle.base == NULL && binder->catalog != NULL) {
        idle = sql_catalog_setting(binder->catalog, "table.exec.source.idle-timeout");
    }
    if (idle.base != NULL) {
        (void)sql__duration_ms(idle, &rel->node.watermark.idle_timeout_ms);
    }
    return rel->node.watermark.expr == NULL ? NULL : rel;
}

struct sql_rel *sql__table_rel(struct sql_binder *binder, const struct sql_table *table, struct sql_place place)
{
    const struct sql_binder outer = *binder;
    struct sql_rel         *rel = NULL;

    if (!scannable(binder, table, place)) {
        return NULL;
    }
    if (!binder->in_view) { /* expressions of the table's definition are shown where it is used */
        binder->in_view = true;
        binder->view_place = place;
    }
    rel = new_scan(binder, table, place);
    if (rel != NULL) {
        rel = declared(binder, table, rel, place);
    }
    if (rel != NULL && table->watermark != NULL) {
        rel = watermark(binder, table, rel, place);
    }
    binder->in_view = outer.in_view;
    binder->view_place = outer.view_place;
    return rel;
}
