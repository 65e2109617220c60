/* Fields of times, rounding, the clock. */
#include "tests/unit/expr/expr_rig.h"

/* Weeks of ISO 8601; days before 1970 are taken towards 1970. */
static void test_fields(void **state)
{
    static const struct rig_row rows[] = {
        {"EXTRACT(WEEK FROM DATE '2021-01-03')", "BIGINT", "53"},
        {"EXTRACT(ISOYEAR FROM DATE '2021-01-03')", "BIGINT", "2020"},
        {"DAYOFWEEK(DATE '2021-01-03')", "BIGINT", "1"},
        {"EXTRACT(ISODOW FROM DATE '2021-01-03')", "BIGINT", "7"},
        {"DAYOFYEAR(DATE '2024-12-31')", "BIGINT", "366"},
        {"QUARTER(DATE '2024-04-01')", "BIGINT", "2"},
        {"EXTRACT(CENTURY FROM TIMESTAMP '2000-12-31 00:00:00')", "BIGINT", "20"},
        {"EXTRACT(MILLENNIUM FROM TIMESTAMP '2001-01-01 00:00:00')", "BIGINT", "3"},
        {"EXTRACT(EPOCH FROM TIMESTAMP '1970-01-02 00:00:00.5')", "BIGINT", "86400"},
        {"EXTRACT(MILLISECOND FROM TIMESTAMP '2024-01-01 00:00:01.5')", "BIGINT", "500"},
        {"YEAR(TIMESTAMP '1969-12-31 23:59:59.5')", "BIGINT", "1970"},
        {"HOUR(TIMESTAMP '1969-12-31 22:00:00')", "BIGINT", "-2"},
        {"HOUR(TIME '10:20:30')", "BIGINT", "10"},
        {"EXTRACT(HOUR FROM DATE '2024-01-01')", NULL, "there is no HOUR in a DATE"},
        {"EXTRACT(YEAR FROM TIME '10:00:00')", NULL, "there is no YEAR"},
        {"EXTRACT(MONTH FROM INTERVAL '1-2' YEAR TO MONTH)", "BIGINT", "2"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Weeks begin on Sunday; a month that has begun on its first day is not rounded up. */
static void test_rounding(void **state)
{
    static const struct rig_row rows[] = {
        {"FLOOR(TIMESTAMP '2024-05-17 12:34:56.789' TO HOUR)", "TIMESTAMP(3)", "2024-05-17 12:00:00"},
        {"CEIL(TIMESTAMP '2024-05-17 12:34:56.789' TO MINUTE)", "TIMESTAMP(3)", "2024-05-17 12:35:00"},
        {"FLOOR(DATE '2024-05-17' TO WEEK)", "DATE", "2024-05-12"},
        {"CEIL(DATE '2024-05-17' TO QUARTER)", "DATE", "2024-07-01"},
        {"CEIL(TIMESTAMP '2024-05-01 12:00:00' TO MONTH)", "TIMESTAMP(0)", "2024-05-01 00:00:00"},
        {"FLOOR(DATE '1999-12-31' TO MILLENNIUM)", "DATE", "1001-01-01"},
        {"CEIL(DATE '2024-01-01' TO CENTURY)", "DATE", "2101-01-01"},
        {"FLOOR(TIME '10:20:30' TO MINUTE)", "TIME(0)", "10:20:00"},
        {"FLOOR(TIME '10:20:30' TO DAY)", NULL, "is not supported"},
        {"FLOOR(TIMESTAMP '1969-12-31 23:59:59' TO HOUR)", "TIMESTAMP(0)", "1969-12-31 23:00:00"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Seconds and milliseconds of the years 0 to 9999. */
static void test_epoch(void **state)
{
    static const struct rig_row rows[] = {
        {"TO_TIMESTAMP_LTZ(1700000000, 0)", "TIMESTAMP_LTZ(3)", "2023-11-14 22:13:20Z"},
        {"TO_TIMESTAMP_LTZ(253402300800, 0)", "TIMESTAMP_LTZ(3)", "NULL"},
        {"TO_TIMESTAMP_LTZ(1.75, 0)", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:01Z"},
        {"TO_TIMESTAMP_LTZ(1.75e0, 0)", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:01.75Z"},
        {"TO_TIMESTAMP_LTZ(1, 6)", NULL, "wants 0"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* What the program is told: 2026-01-01. */
static void test_clock(void **state)
{
    static const struct rig_row rows[] = {
        {"CURRENT_DATE", "DATE", "2026-01-01"},
        {"LOCALTIMESTAMP", "TIMESTAMP(3)", "2026-01-01 00:00:00"},
        {"CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3)", "2026-01-01 00:00:00Z"},
        {"CURRENT_TIME", "TIME(0)", "00:00:00"},
        {"UNIX_TIMESTAMP()", "BIGINT", "1767225600"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* East of UTC by two hours: TIMESTAMP_LTZ shows and takes that time. */
static void test_zone(void **state)
{
    static const struct rig_row rows[] = {
        {"CAST(TO_TIMESTAMP_LTZ(0, 3) AS TIMESTAMP(3))", "TIMESTAMP(3)", "1970-01-01 02:00:00"},
        {"CAST(TIMESTAMP '1970-01-01 02:00:00' AS TIMESTAMP_LTZ(3))", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:00Z"},
        {"CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING)", "STRING", "1970-01-01 02:00:00.000"},
        {"CAST('1970-01-01 02:00:00' AS TIMESTAMP_LTZ(3))", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:00Z"},
        {"CAST(DATE '1970-01-01' AS TIMESTAMP_LTZ(3))", "TIMESTAMP_LTZ(3)", "1969-12-31 22:00:00Z"},
        {"CAST(TO_TIMESTAMP_LTZ(79200, 0) AS DATE)", "DATE", "1970-01-02"},
        {"HOUR(TO_TIMESTAMP_LTZ(0, 3))", "BIGINT", "2"},
        {"FLOOR(TO_TIMESTAMP_LTZ(79200, 0) TO DAY)", "TIMESTAMP_LTZ(3)", "1970-01-01 22:00:00Z"},
        {"DATE_FORMAT(TO_TIMESTAMP_LTZ(0, 3), 'HH:mm')", "STRING", "02:00"},
        {"FROM_UNIXTIME(0)", "STRING", "1970-01-01 02:00:00"},
        {"UNIX_TIMESTAMP('1970-01-01 02:00:00')", "BIGINT", "0"},
        {"LOCALTIMESTAMP", "TIMESTAMP(3)", "2026-01-01 02:00:00"},
        {"TO_TIMESTAMP_LTZ('1970-01-01 02:00:00')", "TIMESTAMP_LTZ(3)", "1970-01-01 00:00:00Z"},
    };
    static struct rig_result result;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_ask(rows[i].sql, 2 * 3600, &result);
        assert_string_equal(result.type, rows[i].type);
        assert_string_equal(result.value, rows[i].value);
    }
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "EXTRACT(YEAR FROM t)",
        "EXTRACT(WEEK FROM dt)",
        "EXTRACT(DOY FROM u)",
        "EXTRACT(EPOCH FROM z)",
        "EXTRACT(NANOSECOND FROM u)",
        "HOUR(tm)",
        "MINUTE(t)",
        "SECOND(z)",
        "DAYOFWEEK(dt)",
        "QUARTER(t)",
        "FLOOR(t TO HOUR)",
        "FLOOR(u TO MONTH)",
        "CEIL(z TO DAY)",
        "FLOOR(dt TO WEEK)",
        "CEIL(tm TO MINUTE)",
        "TO_TIMESTAMP_LTZ(l, 3)",
        "TO_TIMESTAMP_LTZ(i, 0)",
        "TO_TIMESTAMP_LTZ(d, 0)",
        "TO_TIMESTAMP_LTZ(m, 3)",
        "CURRENT_DATE",
        "UNIX_TIMESTAMP()",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_rounding), cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_clock),  cmocka_unit_test(test_zone),     cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
