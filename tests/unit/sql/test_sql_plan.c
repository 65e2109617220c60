/* The plans of all Nexmark queries, as EXPLAIN shows them: tests/data/sql/explain/QUERY.txt. The folder of the data is
 * the argument. What changes here on purpose is looked at and written there:
 *
 *   SQL_EXPLAIN_WRITE=1 build/.../tests/test_sql_plan tests/data/sql */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/sql/sql_rig.h"

#define FILE_BYTES_MAX ((size_t)65536)

static const char *folder;

static void read_file(const char *kind, const char *query, const char *suffix, char *out_text)
{
    char   path[512];
    FILE  *file;
    size_t len;

    (void)snprintf(path, sizeof(path), "%s/%s/%s%s", folder, kind, query, suffix);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is not there", path);
    }
    len = fread(out_text, 1, FILE_BYTES_MAX - 1, file);
    out_text[len] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *query, const char *text)
{
    char  path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/explain/%s.txt", folder, query);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void test_nexmark(void **state UNUSED)
{
    static const char *const queries[] = {"q0",  "q1",   "q2",  "q3",  "q4",  "q5",  "q7",  "q8",  "q9",  "q10", "q11",
                                          "q12", "q12e", "q14", "q15", "q16", "q17", "q18", "q19", "q20", "q21", "q22"};
    char                    *script = malloc(FILE_BYTES_MAX);
    char                    *expected = malloc(FILE_BYTES_MAX);
    char                    *found = malloc(FILE_BYTES_MAX);

    assert_true(script != NULL && expected != NULL && found != NULL);
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct sql_catalog *catalog = sql_catalog_create();

        read_file("nexmark", queries[i], ".sql", script);
        sql_rig_run(catalog, view_text(script), found, FILE_BYTES_MAX);
        sql_catalog_destroy(catalog);
        if (getenv("SQL_EXPLAIN_WRITE") != NULL) {
            write_file(queries[i], found);
        }
        read_file("explain", queries[i], ".txt", expected);
        if (strcmp(found, expected) != 0) {
            fail_msg("%s\n--- expected\n%s--- found\n%s", queries[i], expected, found);
        }
    }
    free(script);
    free(expected);
    free(found);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nexmark),
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_sql_plan DATA-FOLDER\n");
        return 1;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
