/* One SCAN per table: what all of its users read together, down to the fields of rows, and the condition under which a
 * row is worth decoding. Metadata columns stand behind the decoded ones, so that the condition's column numbers are
 * those of the format's schema. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

/* How much of a value is read. */
struct usage {
    bool          all;
    struct usage *fields; /* of a ROW; NULL: none */
};

/* A CALC over a scan, and what may stand between it and the conditions: its WATERMARK's users. */
struct scan_user {
    struct scan_user *next;
    struct sql_rel   *calc;
    struct sql_rel   *watermark; /* or NULL */
    struct sql_rel   *above;     /* the CALC over the watermark, or NULL */
    struct sql_exprs  wanted;    /* conditions over the scan's columns */
};

struct scan_group {
    struct scan_group      *next;
    const struct sql_table *table;
    struct scan_user       *users;
    struct usage           *usage; /* by table column */
    struct sql_rel         *scan;
    uint32_t               *places; /* by table column: of the scan; EXEC_NO_COLUMN */
};

struct merging {
    struct sql_binder *binder;
    struct scan_group *groups;
};

static struct scan_group *find_group(struct merging *merging, const struct sql_table *table)
{
    struct scan_group *group = merging->groups;

    while (group != NULL && group->table != table) {
        group = group->next;
    }
    if (group != NULL) {
        return group;
    }
    group = sql__alloc(merging->binder, sizeof(*group));
    if (group == NULL) {
        return NULL;
    }
    group->table = table;
    group->next = merging->groups;
    merging->groups = group;
    group->usage = sql__alloc_array(merging->binder, table->column_count, sizeof(*group->usage));
    group->places = sql__alloc_array(merging->binder, table->column_count, sizeof(*group->places));
    return group->usage == NULL || group->places == NULL ? NULL : group;
}

/* --- what is read ------------------------------------------------------------------------------------------------- */

/* The usage of what expr is, when it is a column of the scan or a field in one. */
static struct usage *usage_of(struct merging *merging, struct scan_group *group, const struct sql_rel *scan,
                              const struct expr *expr)
{
    struct usage *parent;

    if (expr->kind == EXPR_COLUMN) {
        return &group->usage[scan->table_rows[expr->index]];
    }
    if (expr->kind != EXPR_FIELD) {
        return NULL;
    }
    parent = usage_of(merging, group, scan, expr->arguments[0]);
    if (parent == NULL) {
        return NULL;
    }
    if (parent->fields == NULL) {
        parent->fields =
            sql__alloc_array(merging->binder, expr->arguments[0]->type.child_count, sizeof(*parent->fields));
    }
    return parent->fields == NULL ? NULL : &parent->fields[expr->index];
}

static void mark(struct merging *merging, struct scan_group *group, const struct sql_rel *scan, const struct expr *expr)
{
    struct usage *usage = usage_of(merging, group, scan, expr);

    if (usage != NULL) {
        usage->all = true;
        return;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        mark(merging, group, scan, expr->arguments[i]);
    }
}

/* What a CALC over the watermark reads: a row that is only passed on below is read field by field. */
static struct usage *usage_above(struct merging *merging, struct scan_group *group, const struct scan_user *user,
                                 const struct expr *expr)
{
    struct usage *parent;

    if (expr->kind == EXPR_COLUMN) {
        const struct expr *below = user->calc->node.calc.exprs[expr->index];

        return below->kind == EXPR_COLUMN ? usage_of(merging, group, sql__input(user->calc, 0), below) : NULL;
    }
    parent = expr->kind == EXPR_FIELD ? usage_above(merging, group, user, expr->arguments[0]) : NULL;
    if (parent != NULL && parent->fields == NULL) {
        parent->fields =
            sql__alloc_array(merging->binder, expr->arguments[0]->type.child_count, sizeof(*parent->fields));
    }
    return parent == NULL || parent->fields == NULL ? NULL : &parent->fields[expr->index];
}

static void mark_above(struct merging *merging, struct scan_group *group, const struct scan_user *user,
                       const struct expr *expr)
{
    struct usage *usage = usage_above(merging, group, user, expr);

    if (usage != NULL) {
        usage->all = true;
        return;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        mark_above(merging, group, user, expr->arguments[i]);
    }
}

static void mark_user(struct merging *merging, struct scan_group *group, const struct scan_user *user)
{
    const struct sql_rel *scan = sql__input(user->calc, 0);
    const struct sql_rel *above = user->above;

    for (uint32_t i = 0; i < user->calc->node.column_count; i++) {
        const struct expr *expr = user->calc->node.calc.exprs[i];

        if (above == NULL || expr->kind != EXPR_COLUMN || expr->type.kind != VEC_ROW) {
            mark(merging, group, scan, expr);
        }
    }
    if (user->calc->node.calc.condition != NULL) {
        mark(merging, group, scan, user->calc->node.calc.condition);
    }
    for (uint32_t i = 0; above != NULL && i < above->node.column_count; i++) {
        mark_above(merging, group, user, above->node.calc.exprs[i]);
    }
    if (above != NULL && above->node.calc.condition != NULL) {
        mark_above(merging, group, user, above->node.calc.condition);
    }
    if (user->watermark != NULL && above != NULL) {
        mark_above(merging, group, user, user->watermark->node.watermark.expr);
    }
}

static bool is_read(const struct usage *usage)
{
    return usage->all || usage->fields != NULL;
}

/* The type with the fields that are read. */
static bool narrow(struct merging *merging, const struct usage *usage, struct vec_type *type)
{
    struct vec_field *fields;
    uint32_t          count = 0;

    if (usage->all || usage->fields == NULL || type->kind != VEC_ROW) {
        return true;
    }
    fields = sql__alloc_array(merging->binder, type->child_count, sizeof(*fields));
    if (fields == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < type->child_count; i++) {
        if (is_read(&usage->fields[i])) {
            fields[count] = type->children[i];
            if (!narrow(merging, &usage->fields[i], &fields[count++].type)) {
                return false;
            }
        }
    }
    type->children = fields;
    type->child_count = count;
    return true;
}

/* --- the conditions ------------------------------------------------------------------------------------------------
 */

/* Whether the condition's column is one that the format gives. */
static bool is_decoded(const struct sql_rel *scan, const struct expr *condition)
{
    const struct expr *column = condition->arguments[0];

    column = condition->kind == EXPR_OR ? column->arguments[0] : column;
    return scan->table->columns[scan->table_rows[column->index]].kind == SQL_COLUMN_PHYSICAL;
}

/* Conjuncts of condition that are checkable, with their columns replaced by map (NULL: as they are). */
static bool add_wanted(struct merging *merging, const struct sql_rel *scan, const struct expr *condition,
                       struct expr *const *map, struct sql_exprs *wanted)
{
    struct sql_exprs conjuncts = {0};

    if (!sql__conjuncts(merging->binder, condition, &conjuncts)) {
        return false;
    }
    for (uint32_t i = 0; i < conjuncts.count; i++) {
        struct expr *part = conjuncts.exprs[i];

        part = map == NULL ? part : sql__replace_columns(merging->binder, part, map);
        part = part == NULL ? NULL : sql__checkable(merging->binder, part);
        if (part != NULL && is_decoded(scan, part) && !sql__add_expr(merging->binder, wanted, part)) {
            return false;
        }
    }
    return merging->binder->error->kind == SQL_OK;
}

/* --- finding users ------------------------------------------------------------------------------------------------ */

static bool add_user(struct merging *merging, struct sql_rel *above, struct sql_rel *calc, struct sql_rel *watermark)
{
    struct sql_rel    *scan = sql__input(calc, 0);
    struct scan_group *group = find_group(merging, scan->table);
    struct scan_user  *user = sql__alloc(merging->binder, sizeof(*user));

    if (group == NULL || user == NULL) {
        return false;
    }
    user->calc = calc;
    user->watermark = watermark;
    user->next = group->users;
    group->users = user;
    user->above = watermark != NULL && above->node.kind == EXEC_CALC ? above : NULL;
    mark_user(merging, group, user);
    if (watermark == NULL) {
        return add_wanted(merging, scan, calc->node.calc.condition, NULL, &user->wanted);
    }
    return above->node.kind != EXEC_CALC ||
           add_wanted(merging, scan, above->node.calc.condition, calc->node.calc.exprs, &user->wanted);
}

/* A CALC between the scan and anything else, for what follows to be found in one place. */
static bool wrap(struct merging *merging, struct sql_rel *rel, uint32_t input)
{
    struct sql_rel *calc = sql__new_filter(merging->binder, sql__node_place(rel), sql__input(rel, input), NULL);

    if (calc == NULL) {
        return false;
    }
    rel->node.inputs[input] = &calc->node;
    return true;
}

static bool visit(struct merging *merging, struct sql_rel *rel)
{
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        struct sql_rel *input = sql__input(rel, i);

        if (input->node.kind == EXEC_SCAN && rel->node.kind != EXEC_CALC) {
            if (!wrap(merging, rel, i)) {
                return false;
            }
            input = sql__input(rel, i);
        }
        if (input->node.kind == EXEC_CALC && sql__input(input, 0)->node.kind == EXEC_SCAN) {
            if (rel->node.kind != EXEC_WATERMARK && !add_user(merging, rel, input, NULL)) {
                return false;
            }
            continue;
        }
        if (!visit(merging, input)) {
            return false;
        }
        if (input->node.kind == EXEC_WATERMARK && !add_user(merging, rel, sql__input(input, 0), input)) {
            return false;
        }
    }
    return true;
}

/* --- the new scan ------------------------------------------------------------------------------------------------- */

/* At least one column, a short one: rows have to be counted. */
static void read_something(struct scan_group *group)
{
    uint32_t best = EXEC_NO_COLUMN;

    for (uint32_t i = 0; i < group->table->column_count; i++) {
        const struct sql_table_column *column = &group->table->columns[i];

        if (column->kind != SQL_COLUMN_COMPUTED && is_read(&group->usage[i])) {
            return;
        }
        if (column->kind == SQL_COLUMN_PHYSICAL &&
            (best == EXEC_NO_COLUMN ||
             (vec_kind_is_integer(column->type.kind) && !vec_kind_is_integer(group->table->columns[best].type.kind)))) {
            best = i;
        }
    }
    if (best != EXEC_NO_COLUMN) {
        group->usage[best].all = true;
    }
}

static bool make_scan(struct merging *merging, struct scan_group *group)
{
    const struct sql_table *table = group->table;
    struct sql_rel         *model = sql__input(group->users->calc, 0);
    struct sql_rel         *scan = sql__new_rel(merging->binder, EXEC_SCAN, sql__node_place(model), 0);
    uint32_t                count = 0;

    read_something(group);
    for (uint32_t i = 0; i < table->column_count; i++) {
        count += table->columns[i].kind != SQL_COLUMN_COMPUTED && is_read(&group->usage[i]);
    }
    if (scan == NULL || !sql__make_columns(merging->binder, scan, count)) {
        return false;
    }
    scan->node.place = model->node.place;
    scan->table = table;
    scan->table_rows = sql__alloc_array(merging->binder, count + 1, sizeof(*scan->table_rows));
    if (scan->table_rows == NULL) {
        return false;
    }
    count = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < table->column_count; i++) {
            const struct sql_table_column *column = &table->columns[i];
            struct vec_type                type = column->type;

            if (column->kind != (pass == 0 ? SQL_COLUMN_PHYSICAL : SQL_COLUMN_METADATA) || !is_read(&group->usage[i])) {
                continue;
            }
            if (!narrow(merging, &group->usage[i], &type)) {
                return false;
            }
            group->places[i] = count;
            scan->table_rows[count] = i;
            sql__set_column(scan, count++, column->name, pass == 0 ? type : sql__metadata_type(column->metadata),
                            SQL_TIME_NONE);
        }
    }
    group->scan = scan;
    return true;
}

/* expr over other columns: column i is now columns[i] of `input`, and fields are found by name. */
static struct expr *rewrite(struct merging *merging, const struct sql_rel *input, const uint32_t *columns,
                            struct expr *expr)
{
    struct expr **arguments;
    struct expr  *made;

    if (expr->kind == EXPR_COLUMN) {
        made = sql__column(merging->binder, input, columns[expr->index]);
        if (made != NULL) {
            made->place = expr->place;
        }
        return made;
    }
    if (expr->argument_count == 0) {
        return expr;
    }
    arguments = sql__alloc_array(merging->binder, expr->argument_count, sizeof(*arguments));
    for (uint32_t i = 0; arguments != NULL && i < expr->argument_count; i++) {
        arguments[i] = rewrite(merging, input, columns, expr->arguments[i]);
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    made = arguments == NULL ? NULL : expr_rebuild(merging->binder->maker, expr, arguments);
    if (made == NULL) {
        sql__fail_maker(merging->binder, (struct sql_place){0});
        return NULL;
    }
    if (expr->kind == EXPR_FIELD) {
        struct view name = expr->arguments[0]->type.children[expr->index].name;
        uint32_t    at = 0;

        while (!view_equal(arguments[0]->type.children[at].name, name)) {
            at++;
            CHECK(at < arguments[0]->type.child_count);
        }
        made->index = at;
        made->type = arguments[0]->type.children[at].type;
        made->type.nullable = made->type.nullable || arguments[0]->type.nullable;
    }
    return made;
}

/* All expressions of a CALC, and its columns' types with them. */
static bool rewrite_calc(struct merging *merging, const struct sql_rel *input, const uint32_t *columns,
                         struct sql_rel *calc)
{
    for (uint32_t i = 0; i < calc->node.column_count; i++) {
        struct expr **expr = (struct expr **)(uintptr_t)&calc->node.calc.exprs[i];

        *expr = rewrite(merging, input, columns, *expr);
        if (*expr == NULL) {
            return false;
        }
        sql__set_column(calc, i, calc->node.columns[i].name, (*expr)->type, calc->times[i]);
    }
    if (calc->node.calc.condition != NULL) {
        calc->node.calc.condition =
            rewrite(merging, input, columns, (struct expr *)(uintptr_t)calc->node.calc.condition);
    }
    return merging->binder->error->kind == SQL_OK;
}

static bool rewrite_above(struct merging *merging, struct scan_user *user)
{
    uint32_t  count = user->calc->node.column_count;
    uint32_t *same = sql__alloc_array(merging->binder, MAX(count, 1U), sizeof(*same));

    for (uint32_t i = 0; same != NULL && i < count; i++) {
        same[i] = i;
    }
    user->watermark->node.columns = user->calc->node.columns;
    if (same == NULL) {
        return false;
    }
    user->watermark->node.watermark.expr =
        rewrite(merging, user->calc, same, (struct expr *)(uintptr_t)user->watermark->node.watermark.expr);
    return user->watermark->node.watermark.expr != NULL &&
           (user->above == NULL || rewrite_calc(merging, user->watermark, same, user->above));
}

static bool rewrite_user(struct merging *merging, const struct scan_group *group, struct scan_user *user)
{
    struct sql_rel *calc = user->calc;
    struct sql_rel *old = sql__input(calc, 0);
    uint32_t       *columns = sql__alloc_array(merging->binder, MAX(old->node.column_count, 1U), sizeof(*columns));

    for (uint32_t i = 0; columns != NULL && i < old->node.column_count; i++) {
        columns[i] = group->places[old->table_rows[i]];
    }
    if (columns == NULL || !rewrite_calc(merging, group->scan, columns, calc)) {
        return false;
    }
    for (uint32_t i = 0; i < user->wanted.count; i++) {
        user->wanted.exprs[i] = rewrite(merging, group->scan, columns, user->wanted.exprs[i]);
        if (user->wanted.exprs[i] == NULL) {
            return false;
        }
    }
    calc->node.inputs[0] = &group->scan->node;
    return user->watermark == NULL || rewrite_above(merging, user);
}

/* --- needed and always -------------------------------------------------------------------------------------------- */

/* All users want `column = constant` of one column: column IN (constants). */
static struct expr *as_list(struct merging *merging, const struct scan_group *group)
{
    struct sql_exprs   values = {0};
    const struct expr *column = NULL;

    for (const struct scan_user *user = group->users; user != NULL; user = user->next) {
        struct expr *equal = NULL;
        bool         found = false;

        for (uint32_t i = 0; i < user->wanted.count && equal == NULL; i++) {
            struct expr *part = user->wanted.exprs[i];

            if (strcmp(expr_call_name(part), "=") == 0 &&
                (column == NULL || part->arguments[0]->index == column->index)) {
                equal = part;
            }
        }
        if (equal == NULL) {
            return NULL;
        }
        if (column == NULL) {
            column = equal->arguments[0];
            (void)sql__add_expr(merging->binder, &values, equal->arguments[0]);
        }
        for (uint32_t i = 1; i < values.count && !found; i++) {
            found = expr_equal(values.exprs[i], equal->arguments[1]);
        }
        if (!found && !sql__add_expr(merging->binder, &values, equal->arguments[1])) {
            return NULL;
        }
    }
    if (values.count == 2) {
        return expr_call(merging->binder->maker, "=", values.exprs, 2);
    }
    return sql__function_exists(view_text("IN")) ? expr_call(merging->binder->maker, "IN", values.exprs, values.count)
                                                 : NULL;
}

static bool set_needed(struct merging *merging, struct scan_group *group)
{
    struct exec_scan *scan = &group->scan->node.scan;
    struct expr      *needed = NULL;
    bool *always = sql__alloc_array(merging->binder, MAX(group->scan->node.column_count, 1U), sizeof(*always));

    if (always == NULL) {
        return false;
    }
    if (group->users->next == NULL) {
        if (!sql__all_of(merging->binder, &group->users->wanted, &needed)) {
            return false;
        }
    } else {
        needed = as_list(merging, group);
    }
    for (const struct scan_user *user = group->users; user != NULL; user = user->next) {
        if (user->watermark != NULL) { /* the time of every row, and what the watermark is made of */
            bool *used = sql__alloc_array(merging->binder, user->calc->node.column_count + 1, sizeof(*used));

            if (used == NULL) {
                return false;
            }
            scan->keeps_all_rows = true;
            used[user->watermark->node.watermark.time_column] = true;
            sql__used_columns(user->watermark->node.watermark.expr, used);
            for (uint32_t i = 0; i < user->calc->node.column_count; i++) {
                if (used[i]) {
                    sql__used_columns(user->calc->node.calc.exprs[i], always);
                }
            }
        }
    }
    if (needed != NULL) {
        sql__used_columns(needed, always);
        scan->needed = needed;
        scan->always = always;
    }
    return true;
}

bool sql__merge_scans(struct sql_binder *binder, struct sql_roots *roots)
{
    struct merging merging = {.binder = binder};

    for (uint32_t i = 0; i < roots->count; i++) {
        if (!visit(&merging, roots->rels[i])) {
            return false;
        }
    }
    for (struct scan_group *group = merging.groups; group != NULL; group = group->next) {
        if (!make_scan(&merging, group)) {
            return false;
        }
        for (struct scan_user *user = group->users; user != NULL; user = user->next) {
            if (!rewrite_user(&merging, group, user)) {
                return false;
            }
        }
        if (!set_needed(&merging, group)) {
            return false;
        }
    }
    return true;
}
