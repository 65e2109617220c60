/* JSON_VALUE, JSON_EXISTS, IS JSON. */
#include "tests/unit/expr/expr_rig.h"

/* Names, numbers, quoted names; nothing else. */
static void test_paths(void **state)
{
    static const struct rig_row rows[] = {
        {"JSON_VALUE('{\"a\": {\"b c\": [1, \"x\"]}}', '$.a[''b c''][1]')", "STRING", "x"},
        {"JSON_VALUE('[10, 20]', '$[1]')", "STRING", "20"},
        {"JSON_VALUE('{\"a\": 1, \"a\": 2}', 'lax $.a')", "STRING", "2"},
        {"JSON_VALUE('{\"a\": {}}', '$.a')", "STRING", "NULL"},
        {"JSON_VALUE('{\"a\": null}', '$.a')", "STRING", "NULL"},
        {"JSON_VALUE('{}', 'strict $.a')", "STRING", "NULL"},
        {"JSON_VALUE('x', '$')", "STRING", "NULL"},
        {"JSON_VALUE('{}', '$..a')", NULL, "path '$..a' is not supported"},
        {"JSON_VALUE('{}', '$.a[*]')", NULL, "not supported"},
        {"JSON_VALUE('{}', 'a')", NULL, "not supported"},
        {"JSON_EXISTS('{\"a\": null}', '$.a')", "BOOLEAN", "FALSE"},
        {"JSON_EXISTS('{\"a\": []}', '$.a')", "BOOLEAN", "TRUE"},
        {"JSON_EXISTS(CAST(NULL AS STRING), '$')", "BOOLEAN", "NULL"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Escapes are undone; numbers are written as Java's BigDecimal does. */
static void test_values(void **state)
{
    static const struct rig_row rows[] = {
        {"JSON_VALUE('\"\\u00e4\\n\\\"\\ud83d\\ude00\\ud800\"', '$')", "STRING", "ä\\n\"😀?"},
        {"JSON_VALUE('1e2', '$')", "STRING", "1E+2"},
        {"JSON_VALUE('1.50', '$')", "STRING", "1.50"},
        {"JSON_VALUE('0.0000001', '$')", "STRING", "1E-7"},
        {"JSON_VALUE('0.000001', '$')", "STRING", "0.000001"},
        {"JSON_VALUE('-12.5e1', '$')", "STRING", "-125"},
        {"JSON_VALUE('-0', '$')", "STRING", "0"},
        {"JSON_VALUE('-0.0', '$')", "STRING", "0.0"},
        {"JSON_VALUE('12345678901234567890', '$')", "STRING", "12345678901234567890"},
        {"JSON_VALUE('123e-2', '$')", "STRING", "1.23"},
        {"JSON_VALUE('true', '$')", "STRING", "true"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Strict JSON to the end of the first value, what follows is not looked at. */
static void test_grammar(void **state)
{
    static const struct rig_row rows[] = {
        {"'{\"a\": 1}x' IS JSON", "BOOLEAN", "TRUE"},
        {"'{\"a\": 01}' IS JSON", "BOOLEAN", "FALSE"},
        {"'[1,]' IS JSON", "BOOLEAN", "FALSE"},
        {"'{\"a\" 1}' IS JSON", "BOOLEAN", "FALSE"},
        {"'\"\\x\"' IS JSON", "BOOLEAN", "FALSE"},
        {"'truex' IS JSON", "BOOLEAN", "FALSE"},
        {"'' IS JSON", "BOOLEAN", "FALSE"},
        {"'[1]' IS JSON ARRAY", "BOOLEAN", "TRUE"},
        {"'[1]' IS JSON OBJECT", "BOOLEAN", "FALSE"},
        {"'1' IS JSON SCALAR", "BOOLEAN", "TRUE"},
        {"'x' IS NOT JSON VALUE", "BOOLEAN", "TRUE"},
        {"CAST(NULL AS STRING) IS JSON", "BOOLEAN", "FALSE"},
        {"'\"unclosed' IS JSON", "BOOLEAN", "FALSE"},
        {"REPEAT('[', 1001) || REPEAT(']', 1001) IS JSON", "BOOLEAN", "FALSE"},
        {"REPEAT('[', 1000) || REPEAT(']', 1000) IS JSON", "BOOLEAN", "TRUE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "JSON_VALUE(j, '$.a')",  "JSON_VALUE(j, '$.b[1].c')", "JSON_VALUE(j, '$')",
        "JSON_EXISTS(j, '$.b')", "JSON_EXISTS(j, '$[0]')",    "j IS JSON",
        "j IS JSON OBJECT",      "s IS NOT JSON SCALAR",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
