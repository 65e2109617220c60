/* sql_rig.h: statements and what comes of them, as text: the plan as EXPLAIN shows it, an answer, or an error with its
 * place. Every case begins with the same few tables (sql_rig.c). */
#ifndef MILLRACE_TESTS_SQL_RIG_H
#define MILLRACE_TESTS_SQL_RIG_H

#include "compute/sql/sql.h"
#include "tests/support/unit.h"

struct sql_case {
    const char *script, *expected;
};

void sql_rig_check(const struct sql_case *cases, size_t count);
/* What the statements of a script answer, one after the other, into out_text; without tables. */
void sql_rig_run(struct sql_catalog *catalog, struct view script, char *out_text, size_t capacity);

#endif
