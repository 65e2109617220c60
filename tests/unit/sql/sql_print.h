/* sql_print.h: a parsed expression or query as one line in prefix form, for tests. */
#ifndef MILLRACE_TESTS_SQL_PRINT_H
#define MILLRACE_TESTS_SQL_PRINT_H

#include "compute/sql/sql_ast.h"

struct sql_text {
    char   bytes[4096];
    size_t len;
};

void sql_print_expr(struct sql_text *text, const struct sql_expr *expr);
void sql_print_query(struct sql_text *text, const struct sql_query *query);

#endif
