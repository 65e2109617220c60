/* What a name refers to: Calcite's rule. The longest beginning of a.b.c that is a table's alias wins, the next part is
 * its column and the rest are fields; only when no beginning is an alias, a is a column of any table. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define CANDIDATES_MAX 256

int sql__find_item(const struct sql_scope *scope, struct view alias)
{
    for (uint32_t i = 0; i < scope->item_count; i++) {
        if (scope->items[i].alias.base != NULL && view_equal(scope->items[i].alias, alias)) {
            return (int)i;
        }
    }
    return -1;
}

static bool no_column(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_scope_item *item,
                      const struct sql_name *name)
{
    struct view candidates[CANDIDATES_MAX];
    size_t      count = 0;
    struct view near;
    bool        named = item != NULL && item->alias.base != NULL;

    for (uint32_t i = 0; i < scope->item_count; i++) {
        if (item != NULL && item != &scope->items[i]) {
            continue;
        }
        for (uint32_t k = 0; k < scope->items[i].count && count < CANDIDATES_MAX; k++) {
            candidates[count++] = scope->columns[scope->items[i].first + k].name;
        }
    }
    near = sql_nearest(name->text, candidates, count);
    return sql_fail(binder->error, SQL_ERROR_NAME, name->place, "there is no column '%.*s'%s%.*s%s%s%.*s%s",
                    (int)name->text.len, (const char *)name->text.base, named ? " in '" : "",
                    named ? (int)item->alias.len : 0, named ? (const char *)item->alias.base : "", named ? "'" : "",
                    near.base == NULL ? "" : "; did you mean '", near.base == NULL ? 0 : (int)near.len,
                    near.base == NULL ? "" : (const char *)near.base, near.base == NULL ? "" : "'?");
}

/* A column of one item (NULL: of any). */
static bool find_in(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_scope_item *only,
                    const struct sql_name *name, uint32_t *out_column)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < scope->item_count; i++) {
        const struct sql_scope_item *item = &scope->items[i];

        for (uint32_t k = 0; k < item->count && (only == NULL || only == item); k++) {
            if (view_equal(scope->columns[item->first + k].name, name->text)) {
                *out_column = item->first + k;
                found++;
            }
        }
    }
    if (found == 0) {
        return no_column(binder, scope, only, name);
    }
    if (found > 1) {
        return sql_fail(binder->error, SQL_ERROR_NAME, name->place,
                        "column '%.*s' is ambiguous: there are %" PRIu32 " of that name", (int)name->text.len,
                        (const char *)name->text.base, found);
    }
    return true;
}

bool sql__find_column(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_name *name,
                      uint32_t *out_column)
{
    return find_in(binder, scope, NULL, name, out_column);
}

struct expr *sql__bind_field(struct sql_binder *binder, struct expr *row, const struct sql_name *name)
{
    struct view candidates[CANDIDATES_MAX];
    size_t      count = 0;
    struct view near;
    char        type[64];

    if (row->type.kind != VEC_ROW) {
        (void)vec_type_format(row->type, type, sizeof(type));
        sql_fail(binder->error, SQL_ERROR_TYPE, name->place, "'%.*s' is asked of a %s, which has no fields",
                 (int)name->text.len, (const char *)name->text.base, type);
        return NULL;
    }
    for (uint32_t i = 0; i < row->type.child_count; i++) {
        if (view_equal(row->type.children[i].name, name->text)) {
            return expr_field(binder->maker, row, i);
        }
        if (count < CANDIDATES_MAX) {
            candidates[count++] = row->type.children[i].name;
        }
    }
    near = sql_nearest(name->text, candidates, count);
    sql_fail(binder->error, SQL_ERROR_NAME, name->place, "the row has no field '%.*s'%s%.*s%s", (int)name->text.len,
             (const char *)name->text.base, near.base == NULL ? "" : "; did you mean '",
             near.base == NULL ? 0 : (int)near.len, near.base == NULL ? "" : (const char *)near.base,
             near.base == NULL ? "" : "'?");
    return NULL;
}

struct expr *sql__bind_reference(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr)
{
    const struct sql_name *name = expr->name;
    uint32_t               column = 0;
    struct expr           *value;
    int                    item = name->next == NULL ? -1 : sql__find_item(scope, name->text);

    if (item >= 0) {
        name = name->next;
        if (!find_in(binder, scope, &scope->items[item], name, &column)) {
            return NULL;
        }
    } else if (!find_in(binder, scope, NULL, name, &column)) {
        return NULL;
    }
    value = expr_column(binder->maker, column, scope->columns[column].type);
    for (name = name->next; value != NULL && name != NULL; name = name->next) {
        value = sql__bind_field(binder, value, name);
    }
    return value;
}
