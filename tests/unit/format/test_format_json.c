/* JSON in and out, against what Flink 2.2 answers for the same records. */
#include "tests/unit/format/format_rig.h"

#include <stdio.h>
#include <stdlib.h>

static void test_accepts_what_flink_accepts(void **state)
{
    struct rig *rig = rig_open("json", "ignore-parse-errors=true",
                               "i INT, l BIGINT, d DECIMAL(10,3), s STRING, ts TIMESTAMP(3), b BOOLEAN, dbl DOUBLE");

    (void)state;
    rig_expect(
        rig,
        "{\"i\":1,\"l\":\"2\",\"d\":\"1.2345\",\"s\":5,\"ts\":\"2026-01-01 00:00:00\",\"b\":\"true\",\"dbl\":\"1e3\"}",
        "{\"i\":1,\"l\":2,\"d\":1.235,\"s\":\"5\",\"ts\":\"2026-01-01 00:00:00\",\"b\":true,\"dbl\":1000.0}");
    rig_expect(rig, "{\"I\":1,\"s\":{\"a\":1, \"b\":[1,2]},\"ts\":\"2026-01-01 00:00:00.123456\",\"extra\":1}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"{\\\"a\\\":1,\\\"b\\\":[1,2]}\",\"ts\":\"2026-01-01 "
               "00:00:00.123456\",\"b\":null,\"dbl\":null}");
    rig_expect(rig, "{\"s\":[1, 2],\"i\":1.9,\"b\":1,\"dbl\":3}",
               "{\"i\":1,\"l\":null,\"d\":null,\"s\":\"[1,2]\",\"ts\":null,\"b\":false,\"dbl\":3.0}");
    rig_expect(rig, "{\"i\":99999999999,\"s\":\"x\"}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"x\",\"ts\":null,\"b\":null,\"dbl\":null}");
    rig_expect(rig, "{\"ts\":\"2026-01-01T00:00:00\",\"s\":\"iso\"}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"iso\",\"ts\":null,\"b\":null,\"dbl\":null}");
    rig_expect(rig, "{\"d\":12345678901.5,\"s\":\"overflow\"}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"overflow\",\"ts\":null,\"b\":null,\"dbl\":null}");
    rig_expect(rig, "{\"s\":1.50,\"i\":null}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"1.50\",\"ts\":null,\"b\":null,\"dbl\":null}");
    rig_expect(rig, "garbage", "");
    rig_expect(rig, "{\"s\":\"dup1\",\"s\":\"dup2\"}",
               "{\"i\":null,\"l\":null,\"d\":null,\"s\":\"dup2\",\"ts\":null,\"b\":null,\"dbl\":null}");
    rig_expect(rig, "", "");
    rig_read(rig, "s STRING, d DECIMAL(10,3)");
    rig_expect(rig, "[{\"s\":\"array\"},{\"s\":\"array2\"}]",
               "{\"s\":\"array\",\"d\":null}\n{\"s\":\"array2\",\"d\":null}");
    rig_expect(rig, "{\"s\":\"trail\"} xx", "{\"s\":\"trail\",\"d\":null}");
    rig_expect(rig, "{\"d\":1.0005,\"s\":\"round\"}", "{\"s\":\"round\",\"d\":1.001}");
    rig_expect(rig, "{\"d\":1.00049,\"s\":\"round\"}", "{\"s\":\"round\",\"d\":1}");
    rig_close(rig);
}

/* Each fails, or with ignore-parse-errors gives no row. */
static void test_malformed(void **state)
{
    static const char *const records[] = {
        " ",
        "null",
        "17",
        "\"text\"",
        "true",
        "no json",
        "{",
        "{\"i\":1",
        "{\"i\":1,",
        "{\"i\":1,}",
        "{\"i\":1,,\"s\":\"x\"}",
        "{\"i\":1 \"s\":\"x\"}",
        "{i:1}",
        "{'i':1}",
        "{\"i\" 1}",
        "{\"i\":}",
        "{\"i\":01}",
        "{\"i\":.5}",
        "{\"i\":1.}",
        "{\"i\":+1}",
        "{\"i\":-}",
        "{\"i\":1e}",
        "{\"i\":NaN}",
        "{\"i\":0x1}",
        "{\"i\":tru}",
        "{\"i\":nul}",
        "{\"i\":1,/*c*/\"s\":\"x\"}",
        "{\"s\":\"open",
        "{\"i\":1,\"s\":\"x\"",
        "{\"i\":1,\"s\":\"x\",\"z\":\"\\q\"}",
        "{\"z\":\"\xc3\"}",
        "{\"z\":\"\xff\"}",
        "{\"z\":[1,2}",
        "{\"z\":{\"a\":1]}",
        "{\"z\":}",
        "[{\"i\":1}",
    };
    struct rig *strict = rig_open("json", "", "i INT, s STRING");
    struct rig *ignoring = rig_open("json", "ignore-parse-errors=true", "i INT, s STRING");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        rig_expect_failure(strict, records[i], i == 5 ? "true, false or null" : "");
        if (strcmp(records[i], "[{\"i\":1}") == 0) {
            rig_expect(ignoring, records[i], "{\"i\":1,\"s\":null}"); /* the rows before the error */
        } else {
            rig_expect(ignoring, records[i], "");
            assert_true(ignoring->skipped >= 1);
        }
    }
    rig_close(strict);
    rig_close(ignoring);
}

static void test_taken_although_odd(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT, s STRING");

    (void)state;
    rig_expect(rig, "{\"i\":1}}}}", "{\"i\":1,\"s\":null}");
    rig_expect(rig, "{\"i\":1} no json", "{\"i\":1,\"s\":null}");
    rig_expect(rig, "\xef\xbb\xbf{\"i\":1}", "{\"i\":1,\"s\":null}");
    rig_expect(rig, " \n\t\r{ \"i\" : 1 , \"s\" : \"x\" } ", "{\"i\":1,\"s\":\"x\"}");
    rig_expect(rig, "{\"s\":\"a\tb\nc\"}", "{\"i\":null,\"s\":\"a\\tb\\nc\"}");
    rig_expect(rig, "[]", "");
    rig_expect(rig, "{\"\\u0069\":1,\"z\":{\"deep\":[1,{\"a\":\"b\"}]}}", "{\"i\":1,\"s\":null}");
    rig_expect(rig, "{\"s\":\"\\u00e9\\ud83d\\ude00\\/\"}", "{\"i\":null,\"s\":\"\xc3\xa9\\uD83D\\uDE00/\"}");
    rig_close(rig);
}

/* Of numbers, names and texts, at Jackson's limits and one beyond. */
static void test_limits_of_length(void **state)
{
    struct rig *rig = rig_open("json", "", "i INT, s STRING");
    char       *text = malloc(20000100);
    size_t      len;
    struct view record;

    (void)state;
    for (size_t digits = 1000; digits <= 1001; digits++) {
        len = (size_t)sprintf(text, "{\"s\":");
        memset(text + len, '7', digits);
        text[len + digits] = '}';
        record = view_of(text, len + digits + 1);
        assert_int_equal(rig_decode(rig, &record, 1), digits == 1000);
    }
    for (size_t chars = 50000; chars <= 50001; chars++) {
        text[0] = '{';
        text[1] = '"';
        memset(text + 2, 'n', chars);
        memcpy(text + 2 + chars, "\":1}", 4);
        record = view_of(text, chars + 6);
        assert_int_equal(rig_decode(rig, &record, 1), chars == 50000);
    }
    for (size_t chars = 20000000; chars <= 20000001; chars++) {
        memcpy(text, "{\"s\":\"", 6);
        memset(text + 6, 'x', chars);
        memcpy(text + 6 + chars, "\"}", 2);
        record = view_of(text, chars + 8);
        assert_int_equal(rig_decode(rig, &record, 1), chars == 20000000);
    }
    free(text);
    rig_close(rig);
}

/* An object in a column of text: of two members of one name the last value stands where the first stood, also among
 * very many. */
static void test_trees_of_many_members(void **state)
{
    struct rig *rig = rig_open("json", "", "s STRING");
    char       *text = malloc(4 * MIB);
    size_t      len = (size_t)sprintf(text, "{\"s\":{\"first\":0");
    struct view record;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        len += (size_t)sprintf(text + len, ",\"m%d\":%d", i % 50000, i);
    }
    len += (size_t)sprintf(text + len, ",\"first\":[1.50]}}");
    record = view_of(text, len);
    assert_true(rig_decode(rig, &record, 1));
    assert_non_null(strstr(rig->out, "{\"s\":\"{\\\"first\\\":[1.5],\\\"m0\\\":50000,\\\"m1\\\":50001,"));
    assert_non_null(strstr(rig->out, ",\\\"m49999\\\":99999}\"}\n"));
    assert_null(strstr(rig->out, ":49999"));
    free(text);
    rig_close(rig);
}

/* What Flink wrote for every type (formats.sql of the baseline), read and written again. */
static void test_every_type(void **state)
{
    static const char *const rows[] = {
        "{\"b\":true,\"t\":1,\"i\":1,\"l\":1,\"d\":1.0,\"dec0\":1E+2,\"dec3\":1E+2,\"dec10\":1E+2,\"dt\":\"2026-01-"
        "02\","
        "\"tm\":\"03:04:05\",\"ts0\":\"2026-01-02 03:04:05\",\"ts3\":\"2026-01-02 03:04:05.12\",\"ts6\":\"2026-01-02 "
        "03:04:05.00012\",\"ts9\":\"2026-01-02 03:04:00\",\"ltz3\":\"2026-01-02 "
        "03:04:05.12Z\",\"by1\":\"AP8Q\",\"arr\":[1,2,3],"
        "\"r\":{\"x\":1,\"y\":\"y\"}}",
        "{\"b\":false,\"t\":-128,\"i\":-2147483647,\"l\":-9223372036854775807,\"d\":1.0E-5,\"dec0\":0,\"dec3\":0,"
        "\"dec10\":1E-10,"
        "\"dt\":\"1969-12-31\",\"tm\":\"00:00:00\",\"ts0\":\"1969-12-31 23:59:59\",\"ts3\":\"1969-12-31 "
        "23:59:59.999\",\"ts6\":"
        "\"0001-01-01 00:00:00.000001\",\"ts9\":\"9999-12-31 23:59:59.999999999\",\"ltz3\":\"1970-01-01 "
        "00:00:00Z\",\"by1\":\"\","
        "\"arr\":[null],\"r\":{\"x\":null,\"y\":\"y\"}}",
        "{\"b\":null,\"t\":null,\"i\":null,\"l\":null,\"d\":null,\"dec0\":null,\"dec3\":null,\"dec10\":null,\"dt\":"
        "null,\"tm\":null,"
        "\"ts0\":null,\"ts3\":null,\"ts6\":null,\"ts9\":null,\"ltz3\":null,\"by1\":null,\"arr\":null,\"r\":null}",
    };
    struct rig *rig =
        rig_open("json", "",
                 "b BOOLEAN, t TINYINT, i INT, l BIGINT, d DOUBLE, dec0 DECIMAL(10,0), dec3 DECIMAL(23,3), dec10 "
                 "DECIMAL(38,10), dt DATE, tm TIME(0), ts0 TIMESTAMP(0), ts3 TIMESTAMP(3), ts6 TIMESTAMP(6), ts9 "
                 "TIMESTAMP(9), ltz3 TIMESTAMP_LTZ(3), by1 BYTES, arr ARRAY<INT>, r ROW<x INT, y STRING>");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_expect(rig, rows[i], rows[i]);
    }
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_what_flink_accepts), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_taken_although_odd),         cmocka_unit_test(test_limits_of_length),
        cmocka_unit_test(test_trees_of_many_members),      cmocka_unit_test(test_every_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
