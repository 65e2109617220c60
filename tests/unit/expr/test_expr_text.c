/* Functions over texts. */
#include "tests/unit/expr/expr_rig.h"

/* Positions count characters, some functions UTF-16 units. */
static void test_parts(void **state)
{
    static const struct rig_row rows[] = {
        {"SUBSTRING('äöü', 2, 1)", "VARCHAR(3)", "ö"},
        {"SUBSTRING('abc', -2)", "VARCHAR(3)", "bc"},
        {"SUBSTRING('abc', 1, -1)", "VARCHAR(3)", "NULL"},
        {"LEFT('日本語', 2)", "VARCHAR(3)", "日本"},
        {"RIGHT('abc', 0)", "VARCHAR(3)", ""},
        {"SPLIT_INDEX('a,b,,c', ',', 2)", "STRING", ""},
        {"SPLIT_INDEX('a,b', ',', 5)", "STRING", "NULL"},
        {"SPLIT_INDEX('a b', '', 1)", "STRING", "b"},
        {"SPLIT_INDEX('a,b', 44, 1)", "STRING", "b"},
        {"SPLIT_INDEX('', ',', 0)", "STRING", "NULL"},
        {"POSITION('b' IN 'äb')", "INT", "2"},
        {"LOCATE('a', 'banana', 3)", "INT", "4"},
        {"CHAR_LENGTH('日本')", "INT", "2"},
        {"LPAD('😀', 3, 'x')", "STRING", "x😀"},
        {"LPAD('😀', 1, 'x')", "STRING", "?"},
        {"RPAD('ab', 5, 'xyz')", "STRING", "abxyz"},
        {"LPAD('a', -1, 'x')", "STRING", "NULL"},
        {"OVERLAY('abcdef' PLACING 'XX' FROM 2 FOR 3)", "VARCHAR(8)", "aXXef"},
        {"REVERSE('aß日')", "STRING", "日ßa"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* All of Unicode; ASCII only in INITCAP. */
static void test_case(void **state)
{
    static const struct rig_row rows[] = {
        {"UPPER('straße')", "CHAR(6)", "STRASSE"},
        {"LOWER('ΑΣ ΑΣΑ')", "CHAR(6)", "ας ασα"},
        {"UPPER('ǆ')", "CHAR(1)", "Ǆ"},
        {"LOWER('ŁÓDŹ')", "CHAR(4)", "łódź"},
        {"INITCAP('ab-cd ÉF')", "CHAR(8)", "Ab-Cd ÉF"},
        {"UPPER('a text of more than twelve bytes')", "CHAR(32)", "A TEXT OF MORE THAN TWELVE BYTES"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Joining, replacing, trimming. */
static void test_making(void **state)
{
    static const struct rig_row rows[] = {
        {"'a' || CAST(NULL AS STRING)", "STRING", "NULL"},
        {"CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'b')", "STRING", "a-b"},
        {"CONCAT('a', 1)", NULL, "STRING is needed"},
        {"TRIM(BOTH 'xy' FROM 'yxaxy')", "VARCHAR(5)", "a"},
        {"TRIM(LEADING FROM '  a ')", "VARCHAR(4)", "a "},
        {"RTRIM('abä', 'ä')", "VARCHAR(3)", "ab"},
        {"REPLACE('aXbX', 'X', '--')", "STRING", "a--b--"},
        {"TRANSLATE('hello', 'el', 'ip')", "STRING", "hippo"},
        {"TRANSLATE('abc', 'bc', 'X')", "STRING", "aX"},
        {"REPEAT('ab', 3)", "STRING", "ababab"},
        {"CHR(228)", "STRING", "ä"},
        {"CHR(-1)", "STRING", ""},
        {"ASCII('ä')", "INT", "-61"},
        {"STARTSWITH('abc', 'ab')", "BOOLEAN", "TRUE"},
        {"ENDSWITH('abc', 'ab')", "BOOLEAN", "FALSE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* '_' is one character and no line's end. */
static void test_like(void **state)
{
    static const struct rig_row rows[] = {
        {"'日本' LIKE '_本'", "BOOLEAN", "TRUE"},
        {"'a%c' LIKE 'a!%c' ESCAPE '!'", "BOOLEAN", "TRUE"},
        {"'abc' LIKE 'a!%c' ESCAPE '!'", "BOOLEAN", "FALSE"},
        {"'a' || CHR(10) LIKE 'a_'", "BOOLEAN", "FALSE"},
        {"'a' || CHR(10) || 'b' LIKE 'a%b'", "BOOLEAN", "TRUE"},
        {"'x' LIKE ''", "BOOLEAN", "TRUE"},
        {"'aXbXc' LIKE '%X%X_'", "BOOLEAN", "TRUE"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Digests, base 64, hexadecimal. */
static void test_codes(void **state)
{
    static const struct rig_row rows[] = {
        {"MD5('abc')", "CHAR(32)", "900150983cd24fb0d6963f7d28e17f72"},
        {"SHA1('')", "CHAR(40)", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"SHA2('a', 224)", "VARCHAR(128)", "abd37534c7d9a2efb9465de931cd7055ffdb8879563ae98078d6d6d5"},
        {"SHA2('a', 1)", NULL, "SHA2 wants"},
        {"TO_BASE64('abcd')", "STRING", "YWJjZA=="},
        {"FROM_BASE64('YWJjZA')", "STRING", "abcd"},
        {"FROM_BASE64('a b')", "STRING", "!is not base 64"},
        {"HEX(-1)", "STRING", "FFFFFFFFFFFFFFFF"},
        {"BIN(5)", "STRING", "101"},
        {"HEX('aß')", "STRING", "61C39F"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "LOWER(s)",
        "UPPER(s)",
        "INITCAP(s)",
        "UPPER(c)",
        "s || c",
        "CONCAT(s, c, s)",
        "CONCAT_WS(c, s, c)",
        "CHAR_LENGTH(s)",
        "SUBSTRING(s, i)",
        "SUBSTRING(s, 2, 15)",
        "LEFT(s, i)",
        "RIGHT(s, 14)",
        "TRIM(s)",
        "LTRIM(s, 'H ')",
        "RTRIM(s, 'e2')",
        "BTRIM(s, 'a')",
        "POSITION('a' IN s)",
        "LOCATE(c, s)",
        "INSTR(s, 'l')",
        "STARTSWITH(s, 'a')",
        "ENDSWITH(s, c)",
        "REPLACE(s, 'l', 'LL')",
        "TRANSLATE(s, 'abcäö', 'xy')",
        "OVERLAY(s PLACING c FROM 2)",
        "LPAD(s, 20, c)",
        "RPAD(s, i, 'xy')",
        "REPEAT(s, y)",
        "REVERSE(s)",
        "ASCII(s)",
        "CHR(l)",
        "SPLIT_INDEX(s, ',', i)",
        "SPLIT_INDEX(s, ' ', 1)",
        "s LIKE '%a%'",
        "s LIKE c",
        "TO_BASE64(s)",
        "MD5(s)",
        "SHA256(c)",
        "COUNT_CHAR(s, 'l')",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts), cmocka_unit_test(test_case),  cmocka_unit_test(test_making),
        cmocka_unit_test(test_like),  cmocka_unit_test(test_codes), cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
