/* sql_bind.h: an expression bound on its own: for tests, and for options that hold one.
 *
 * What the binder asks of compute/expr (expr_call): operators and functions by their names ("+", "NEGATE", "LIKE",
 * "SIMILAR TO", "IN", "IS NULL", ...), words of special syntax as texts: EXTRACT(unit, x), FLOOR(x, unit),
 * TIMESTAMPADD(unit, n, x), TIMESTAMPDIFF(unit, a, b), TRIM(which, characters, x), POSITION(a, b), ITEM(x, index) of
 * x[index], ROW(..) and ARRAY(..). Units are upper case and singular ("DAY"). */
#ifndef MILLRACE_SQL_BIND_H
#define MILLRACE_SQL_BIND_H

#include "compute/expr/expr.h"
#include "compute/sql/sql_ast.h"

/* Names refer to `columns` (none: column_count 0). NULL: *out_error says why. Nothing is folded. */
struct expr *sql_bind_expression(const struct sql_expr *expr, const struct vec_field *columns, uint32_t column_count,
                                 struct expr_maker *maker, struct sql_error *out_error);

#endif
