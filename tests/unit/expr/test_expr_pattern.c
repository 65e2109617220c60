/* Patterns of dates and times: writing and reading. */
#include "tests/unit/expr/expr_rig.h"

/* DateTimeFormatter of a TIMESTAMP, SimpleDateFormat of a text and of seconds. */
static void test_writing(void **state)
{
    static const struct rig_row rows[] = {
        {"DATE_FORMAT(TIMESTAMP '2024-02-09 15:04:05.678', 'yyyy-MM-dd HH:mm:ss.SSS')", "STRING",
         "2024-02-09 15:04:05.678"},
        {"DATE_FORMAT(TIMESTAMP '2024-02-09 15:04:05', 'yy/M/d h:mm a EEE EEEE MMM MMMM D Q')", "STRING",
         "24/2/9 3:04 PM Fri Friday Feb February 40 1"},
        {"DATE_FORMAT(TIMESTAMP '2024-02-09 00:00:00', 'k K h ''o''''clock''')", "STRING", "24 0 12 o'clock"},
        {"DATE_FORMAT(TIMESTAMP '2024-02-09 00:00:00', 'YYYY')", NULL, "'YYYY' in the pattern is not supported"},
        {"DATE_FORMAT(TIMESTAMP '2024-02-09 00:00:00', '''x')", NULL, "not closed"},
        {"DATE_FORMAT('2024-02-09 15:04:05', 'dd.MM.yyyy')", "STRING", "09.02.2024"},
        {"DATE_FORMAT('x', 'dd')", "STRING", "NULL"},
        {"FROM_UNIXTIME(1700000000)", "STRING", "2023-11-14 22:13:20"},
        {"FROM_UNIXTIME(-62167219200, 'yyyy/MM/dd')", "STRING", "0001/01/03"},
        {"DATE_FORMAT(DATE '2024-01-01', 'yyyy')", NULL, "wants a TIMESTAMP"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* java.time is strict, with a second try; SimpleDateFormat is not. */
static void test_reading(void **state)
{
    static const struct rig_row rows[] = {
        {"TO_TIMESTAMP('10/Oct/2000:13:55:36 -0700', 'dd/MMM/yyyy:HH:mm:ss Z')", "TIMESTAMP(3)", "2000-10-10 13:55:36"},
        {"TO_TIMESTAMP('20240102030405', 'yyyyMMddHHmmss')", "TIMESTAMP(3)", "2024-01-02 03:04:05"},
        {"TO_TIMESTAMP('2024-01-02 11 PM', 'yyyy-MM-dd hh a')", "TIMESTAMP(3)", "2024-01-02 23:00:00"},
        {"TO_TIMESTAMP('2024-1-2', 'yyyy-MM-dd')", "TIMESTAMP(3)", "2024-01-02 00:00:00"},
        {"TO_TIMESTAMP('2024-01-02 x', 'yyyy-MM-dd')", "TIMESTAMP(3)", "NULL"},
        {"TO_TIMESTAMP('081109 203615', 'yyMMdd HHmmss')", "TIMESTAMP(3)", "2008-11-09 20:36:15"},
        {"TO_TIMESTAMP('Fri 2024-02-09', 'EEE yyyy-MM-dd')", "TIMESTAMP(3)", "2024-02-09 00:00:00"},
        {"TO_TIMESTAMP('Mon 2024-02-09', 'EEE yyyy-MM-dd')", "TIMESTAMP(3)", "NULL"},
        {"TO_TIMESTAMP('2024-060', 'yyyy-DDD')", "TIMESTAMP(3)", "2024-02-29 00:00:00"},
        {"UNIX_TIMESTAMP('2024-13-01 00:00:00')", "BIGINT", "1735689600"},
        {"UNIX_TIMESTAMP('10/Oct/2000:13:55:36 -0700', 'dd/MMM/yyyy:HH:mm:ss Z')", "BIGINT", "971211336"},
        {"UNIX_TIMESTAMP('x')", "BIGINT", "-9223372036854775808"},
        {"TO_DATE('02/01/2024 and more', 'dd/MM/yyyy')", "DATE", "2024-01-02"},
        {"TO_DATE('45-01-01', 'yy-MM-dd')", "DATE", "2045-01-01"},
        {"TO_DATE('47-01-01', 'yy-MM-dd')", "DATE", "1947-01-01"},
        {"TO_TIMESTAMP('1', 'q')", NULL, "not supported"},
        {"TO_TIMESTAMP_LTZ('x')", "TIMESTAMP_LTZ(3)", "!'x' is no timestamp"},
        {"TO_TIMESTAMP_LTZ('x', 'yyyy')", "TIMESTAMP_LTZ(3)", "NULL"},
    };

    (void)state;
    rig_check(rows, COUNT_OF(rows));
}

/* Every form, selection and null of the columns. */
static void test_shapes(void **state)
{
    static const char *const expressions[] = {
        "DATE_FORMAT(t, 'yyyy-MM-dd HH:mm')",
        "DATE_FORMAT(u, 'yyyy-MM-dd HH:mm:ss.SSSSSSSSS')",
        "DATE_FORMAT(z, 'EEEE, MMMM d')",
        "DATE_FORMAT(s, 'HH:mm')",
        "TO_TIMESTAMP(s)",
        "TO_TIMESTAMP(s, 'yyyy-MM-dd HH:mm:ss')",
        "TO_DATE(s)",
        "TO_DATE(s, 'yyyy-MM-dd')",
        "UNIX_TIMESTAMP(s)",
        "FROM_UNIXTIME(l)",
        "FROM_UNIXTIME(i, 'yyyy/MM/dd')",
        "TO_TIMESTAMP_LTZ(s, 'yyyy-MM-dd HH:mm:ss')",
    };

    (void)state;
    rig_check_shapes(expressions, COUNT_OF(expressions));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
