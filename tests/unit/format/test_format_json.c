/* JSON in and out, against what Flink 2.2 answers for the same records. */
#include "tests/unit/format/format_rig.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_what_flink_accepts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
