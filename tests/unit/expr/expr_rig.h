/* expr_rig.h: SQL expressions evaluated in a line, for the tests of compute/expr. */
#ifndef MILLRACE_TESTS_EXPR_RIG_H
#define MILLRACE_TESTS_EXPR_RIG_H

#include "compute/expr/expr.h"
#include "tests/support/unit.h"

#define RIG_TYPE_BYTES  1000
#define RIG_VALUE_BYTES 16384
#define RIG_NOW_MS      INT64_C(1767225600000) /* 2026-01-01: the clock, and the century of two-digit years */

enum rig_answer { RIG_VALUE, RIG_FAILED, RIG_REFUSED };

struct rig_result {
    enum rig_answer answer;
    char            type[RIG_TYPE_BYTES];   /* as Flink's summary string, without NOT NULL */
    char            value[RIG_VALUE_BYTES]; /* as ExprProbe writes it; "!message" of what failed or was refused */
};

/* The value of a vector at a row as ExprProbe writes it: escapes \t \n \r \\, NULL, x'..', [..], (..). */
void rig_print(const struct vec *vec, size_t row, char out_text[RIG_VALUE_BYTES]);
/* One expression without columns. */
void rig_ask(const char *sql, int32_t zone_seconds, struct rig_result *out);

struct rig_row {
    const char *sql, *type, *value; /* type NULL: refused, value is a part of the message; value "!..": it fails */
};

void rig_check(const struct rig_row *rows, size_t count);

/* Expressions over the columns
 *     b BOOLEAN, y TINYINT, h SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, m DECIMAL(10, 2), n DECIMAL(30, 5),
 *     s STRING, c CHAR(4), x BYTES, dt DATE, tm TIME(0), t TIMESTAMP(3), u TIMESTAMP(9), z TIMESTAMP_LTZ(3),
 *     a ARRAY<INT>, r ROW<p INT, q STRING>, j STRING (JSON)
 * all with nulls: each is evaluated over chunks of every shape and selection, and each row must have the value that
 * the same expression has over that row alone. */
void rig_check_shapes(const char *const *expressions, size_t count);

#endif
