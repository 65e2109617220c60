/* sqlref: writes the tables of docs/sql that are made from the engine's own: functions, casts.
 *
 *     sqlref functions | casts */
#include <stdio.h>

#include "compute/expr/expr.h"

/* A note as part of a table's cell. */
static void cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)putchar('\\');
        }
        (void)putchar(*text);
    }
}

static void functions(void)
{
    struct expr_function_info info;

    (void)printf(
        "# Functions and operators\n\n"
        "Made by `tools/dev reference` from `compute/expr/expr_func.def`. What each gives is Flink's answer:\n"
        "`tests/data/sql/expr-flink.tsv` holds thousands of them, asked of Flink 2.2, and the tests compare.\n\n"
        "*NULL* says \"yes\" where the result is NULL when an argument is. *Fails* says \"yes\" where some values\n"
        "fail the job; such a function is evaluated only on rows that reach it: CASE, IF, COALESCE, AND, OR\n"
        "and WHERE guard it. The last digits of EXP, LN, SIN and their like are the C library's, which may\n"
        "differ from Java's. FLOAT and DOUBLE are written with the shortest digits, as by Java 19 and later;\n"
        "older ones sometimes write one more. What Flink has and this table has not is refused by name.\n\n"
        "| function | NULL | fails | |\n|---|---|---|---|\n");
    for (size_t i = 0; expr_function_describe(i, &info); i++) {
        (void)printf("| `");
        cell(info.shape);
        (void)printf("` | %s | %s | ", info.null_of_null ? "yes" : "", info.may_fail ? "yes" : "");
        cell(info.note);
        (void)printf(" |\n");
    }
}

static struct vec_type sample(enum vec_kind kind)
{
    struct vec_type type = vec_type_of(kind);

    type.precision = kind == VEC_DECIMAL ? 10 : 3;
    type.scale = kind == VEC_DECIMAL ? 2 : 0;
    return type;
}

static const char *kind_name(enum vec_kind kind)
{
    static char text[64];

    if (kind == VEC_DECIMAL || kind == VEC_TIME || kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ ||
        kind == VEC_CHAR || kind == VEC_BINARY) {
        (void)vec_type_format(sample(kind), text, sizeof(text));
        text[strcspn(text, "(")] = '\0';
        return text;
    }
    (void)vec_type_format(sample(kind), text, sizeof(text));
    return text;
}

static void casts(void)
{
    static const char *const marks[] = {
        [EXPR_CAST_NONE] = "", [EXPR_CAST_ALWAYS] = "yes", [EXPR_CAST_FITS] = "fits", [EXPR_CAST_READS] = "reads"};

    (void)printf(
        "# Casts\n\n"
        "Made by `tools/dev reference` from the engine's own table. From the left to the top:\n\n"
        "- *yes*: always. Integers wrap around as Java's, floating point numbers saturate, fractions are cut,\n"
        "  texts are cut to VARCHAR(n) and filled up to CHAR(n).\n"
        "- *fits*: NULL where the value does not fit the DECIMAL; rounded half away from zero.\n"
        "- *reads*: fails the job where the value cannot be read; TRY_CAST gives NULL.\n"
        "- nothing: there is no such cast.\n\n"
        "TIMESTAMP and TIMESTAMP_LTZ show and take the session's time zone (`table.local-time-zone`).\n"
        "CAST(.. AS TIME(p)) has whole seconds whatever p is, as in Flink. ROW and ARRAY are not cast.\n\n"
        "| from |");
    for (int to = VEC_BOOLEAN; to <= VEC_TIMESTAMP_LTZ; to++) {
        (void)printf(" %s |", kind_name((enum vec_kind)to));
    }
    (void)printf("\n|---|");
    for (int to = VEC_BOOLEAN; to <= VEC_TIMESTAMP_LTZ; to++) {
        (void)printf("---|");
    }
    (void)printf("\n");
    for (int from = VEC_BOOLEAN; from <= VEC_INTERVAL_DAY; from++) {
        (void)printf("| %s |", kind_name((enum vec_kind)from));
        for (int to = VEC_BOOLEAN; to <= VEC_TIMESTAMP_LTZ; to++) {
            (void)printf(" %s |", marks[expr_castable(sample((enum vec_kind)from), sample((enum vec_kind)to))]);
        }
        (void)printf("\n");
    }
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "functions") == 0) {
        functions();
        return 0;
    }
    if (count == 2 && strcmp(arguments[1], "casts") == 0) {
        casts();
        return 0;
    }
    (void)fprintf(stderr, "usage: sqlref functions | casts\n");
    return 2;
}
