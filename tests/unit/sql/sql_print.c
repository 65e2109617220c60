#include "tests/unit/sql/sql_print.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/support/unit.h"

static void PRINTF_LIKE(2, 3) print(struct sql_text *text, const char *format, ...)
{
    va_list arguments;
    int     wrote;

    va_start(arguments, format);
    wrote = vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, format, arguments);
    va_end(arguments);
    assert_true(wrote >= 0 && text->len + (size_t)wrote < sizeof(text->bytes));
    text->len += (size_t)wrote;
}

static void print_view(struct sql_text *text, struct view view)
{
    print(text, "%.*s", (int)view.len, (const char *)view.base);
}

static void print_name(struct sql_text *text, const struct sql_name *name)
{
    for (; name != NULL; name = name->next) {
        print_view(text, name->text);
        print(text, "%s", name->next == NULL ? "" : ".");
    }
}

static void print_list(struct sql_text *text, const struct sql_expr *expr)
{
    for (; expr != NULL; expr = expr->next) {
        print(text, " ");
        sql_print_expr(text, expr);
    }
}

static const char *const op_names[] = {
    [SQL_OP_OR] = "OR",
    [SQL_OP_AND] = "AND",
    [SQL_OP_NOT] = "NOT",
    [SQL_OP_EQUAL] = "=",
    [SQL_OP_NOT_EQUAL] = "<>",
    [SQL_OP_LESS] = "<",
    [SQL_OP_LESS_EQUAL] = "<=",
    [SQL_OP_GREATER] = ">",
    [SQL_OP_GREATER_EQUAL] = ">=",
    [SQL_OP_ADD] = "+",
    [SQL_OP_SUBTRACT] = "-",
    [SQL_OP_MULTIPLY] = "*",
    [SQL_OP_DIVIDE] = "/",
    [SQL_OP_MODULO] = "%",
    [SQL_OP_CONCAT] = "||",
    [SQL_OP_PLUS] = "+",
    [SQL_OP_MINUS] = "-",
    [SQL_OP_LIKE] = "LIKE",
    [SQL_OP_SIMILAR] = "SIMILAR",
    [SQL_OP_IS_NULL] = "NULL",
    [SQL_OP_IS_TRUE] = "TRUE",
    [SQL_OP_IS_FALSE] = "FALSE",
    [SQL_OP_IS_UNKNOWN] = "UNKNOWN",
    [SQL_OP_IS_DISTINCT] = "DISTINCT",
};

static void print_call(struct sql_text *text, const struct sql_expr *expr)
{
    print(text, "(");
    print_name(text, expr->name);
    print(text, "%s%s", expr->distinct ? " DISTINCT" : "", expr->star ? " *" : "");
    print_list(text, expr->arguments);
    if (expr->filter != NULL) {
        print(text, " FILTER ");
        sql_print_expr(text, expr->filter);
    }
    if (expr->over != NULL) {
        print(text, " OVER [");
        print_list(text, expr->over->partition);
        print(text, " |");
        for (const struct sql_order *order = expr->over->order; order != NULL; order = order->next) {
            print(text, " ");
            sql_print_expr(text, order->expr);
            print(text, "%s", order->descending ? " DESC" : "");
        }
        print(text, " ]");
    }
    print(text, ")");
}

static void print_leaf(struct sql_text *text, const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_NULL:
        print(text, "NULL");
        break;
    case SQL_BOOLEAN:
        print(text, "%s", expr->flag ? "TRUE" : "FALSE");
        break;
    case SQL_STRING:
    case SQL_DATE:
    case SQL_TIME:
    case SQL_TIMESTAMP:
        print(text, "%s'",
              expr->kind == SQL_STRING ? ""
              : expr->kind == SQL_DATE ? "d"
              : expr->kind == SQL_TIME ? "t"
                                       : "ts");
        print_view(text, expr->text);
        print(text, "'");
        break;
    case SQL_BYTES:
        print(text, "x%zu", expr->text.len);
        break;
    case SQL_INTERVAL:
        print(text, "(interval %s", expr->flag ? "-" : "");
        print_view(text, expr->text);
        print(text, " %d %d)", (int)expr->unit, (int)expr->unit_to);
        break;
    case SQL_REFERENCE:
        print_name(text, expr->name);
        break;
    case SQL_STAR:
        print_name(text, expr->name);
        print(text, "%s*", expr->name == NULL ? "" : ".");
        break;
    default:
        print_view(text, expr->text);
        break;
    }
}

void sql_print_expr(struct sql_text *text, const struct sql_expr *expr)
{
    char type[128];

    switch (expr->kind) {
    case SQL_UNARY:
    case SQL_BINARY:
        print(text, "(%s", op_names[expr->op]);
        break;
    case SQL_LIKE:
    case SQL_IS:
        print(text, "(%s%s", expr->kind == SQL_IS ? (expr->flag ? "IS NOT " : "IS ") : (expr->flag ? "NOT " : ""),
              op_names[expr->op]);
        break;
    case SQL_BETWEEN:
        print(text, "(%sBETWEEN", expr->flag ? "NOT " : "");
        break;
    case SQL_IN:
        print(text, "(%sIN", expr->flag ? "NOT " : "");
        break;
    case SQL_CASE:
        print(text, "(CASE%s%s", expr->has_operand ? " OF" : "", expr->has_else ? " ELSE" : "");
        break;
    case SQL_CAST:
        vec_type_format(expr->type.type, type, sizeof(type));
        print(text, "(%s %s", expr->flag ? "TRY_CAST" : "CAST", type);
        break;
    case SQL_ROW:
        print(text, "(ROW");
        break;
    case SQL_ARRAY:
        print(text, "(ARRAY");
        break;
    case SQL_FIELD:
        print(text, "(.");
        print_name(text, expr->name);
        break;
    case SQL_ELEMENT:
        print(text, "([]");
        break;
    case SQL_CALL:
        print_call(text, expr);
        return;
    default:
        print_leaf(text, expr);
        return;
    }
    print_list(text, expr->arguments);
    print(text, ")");
}

/* --- queries ------------------------------------------------------------------------------------------------------ */

static void print_source(struct sql_text *text, const struct sql_source *source)
{
    static const char *const joins[] = {"INNER", "LEFT", "RIGHT", "FULL", "CROSS"};
    static const char *const windows[] = {"TUMBLE", "HOP", "CUMULATE", "SESSION"};

    switch (source->kind) {
    case SQL_SOURCE_TABLE:
        print_name(text, source->name);
        break;
    case SQL_SOURCE_QUERY:
        sql_print_query(text, source->query);
        break;
    case SQL_SOURCE_WINDOW:
        print(text, "(%s ", windows[source->window]);
        print_name(text, source->name);
        print(text, " ");
        print_name(text, source->window_time);
        print(text, source->window_keys == NULL ? "" : " BY ");
        print_name(text, source->window_keys);
        print_list(text, source->window_arguments);
        print(text, ")");
        break;
    case SQL_SOURCE_JOIN:
        print(text, "(%s ", joins[source->join]);
        print_source(text, source->left);
        print(text, " ");
        print_source(text, source->right);
        if (source->on != NULL) {
            print(text, " ON ");
            sql_print_expr(text, source->on);
        }
        print(text, ")");
        break;
    case SQL_SOURCE_UNNEST:
        print(text, "(UNNEST ");
        sql_print_expr(text, source->unnest);
        print(text, ")");
        break;
    }
    if (source->alias != NULL) {
        print(text, ":");
        print_view(text, source->alias->text);
    }
}

static void print_select(struct sql_text *text, const struct sql_select *select)
{
    print(text, "(SELECT%s", select->distinct ? " DISTINCT" : "");
    for (const struct sql_item *item = select->items; item != NULL; item = item->next) {
        print(text, " ");
        sql_print_expr(text, item->expr);
        if (item->alias != NULL) {
            print(text, ":");
            print_view(text, item->alias->text);
        }
    }
    if (select->from != NULL) {
        print(text, " FROM ");
        print_source(text, select->from);
    }
    if (select->where != NULL) {
        print(text, " WHERE ");
        sql_print_expr(text, select->where);
    }
    if (select->has_group_by) {
        print(text, " GROUP");
        print_list(text, select->group_by);
    }
    if (select->having != NULL) {
        print(text, " HAVING ");
        sql_print_expr(text, select->having);
    }
    print(text, ")");
}

void sql_print_query(struct sql_text *text, const struct sql_query *query)
{
    for (const struct sql_with *with = query->with; with != NULL; with = with->next) {
        print(text, "with ");
        print_view(text, with->name->text);
        print(text, "=");
        sql_print_query(text, with->query);
        print(text, " ");
    }
    if (query->set != SQL_SET_NONE) {
        print(text, "(%s ", query->set == SQL_SET_UNION ? "UNION" : "UNION ALL");
        sql_print_query(text, query->left);
        print(text, " ");
        sql_print_query(text, query->right);
        print(text, ")");
    } else if (query->select != NULL) {
        print_select(text, query->select);
    } else {
        print(text, "(VALUES");
        print_list(text, query->values);
        print(text, ")");
    }
    if (query->limit != NULL) {
        print(text, " LIMIT ");
        sql_print_expr(text, query->limit);
    }
}
