/* Events from a seed: the same bytes for ever. The figures are those of the generator in Java that made the goldens. */
#include "tests/support/unit.h"

#include "core/base/crc32c.h"
#include "tools/cli/cli_nexmark_event.h"

static uint8_t line[NEXMARK_EVENT_BYTES_MAX];

static uint32_t events_crc(uint64_t seed, uint64_t rate, uint64_t first, uint64_t count)
{
    struct nexmark *nexmark = nexmark_create(seed, rate);
    uint32_t        crc = 0;

    for (uint64_t n = first; n < first + count; n++) {
        crc = crc32c_update(crc, line, nexmark_event(nexmark, n, line));
    }
    nexmark_destroy(nexmark);
    return crc;
}

static void test_bytes(void **state)
{
    static const struct {
        uint64_t seed, rate, first;
        uint32_t crc;
    } rows[] = {
        {1, 100000, 0, UINT32_C(0xD9E4CE23)},    {11, 300, 0, UINT32_C(0x48980A93)},
        {7, 3000, 0, UINT32_C(0x6CE83FF7)},      {1, 100000, 9990000, UINT32_C(0x8B589D72)},
        {123456789, 1, 0, UINT32_C(0xFFF71528)}, {0, 50, 0, UINT32_C(0x33E828DA)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(events_crc(rows[i].seed, rows[i].rate, rows[i].first, 10000), rows[i].crc);
    }
}

/* Event n does not depend on what was made before it. */
static void test_any_order(void **state)
{
    struct nexmark *nexmark = nexmark_create(3, 1000);
    uint8_t         other[NEXMARK_EVENT_BYTES_MAX];

    (void)state;
    for (uint64_t n = 0; n < 200; n++) {
        size_t len = nexmark_event(nexmark, n, line);

        (void)nexmark_event(nexmark, 100000 - n, other);
        assert_int_equal(nexmark_event(nexmark, n, other), len);
        assert_memory_equal(other, line, len);
        assert_int_equal(line[len - 1], '\n');
    }
    nexmark_destroy(nexmark);
}

static void test_kinds(void **state)
{
    static const char *const heads[] = {"{\"event_type\":0,", "{\"event_type\":1,", "{\"event_type\":2,"};
    struct nexmark          *nexmark = nexmark_create(5, 1000);
    uint32_t                 counts[3] = {0};

    (void)state;
    for (uint64_t n = 0; n < 5000; n++) {
        size_t len = nexmark_event(nexmark, n, line);

        assert_true(len > 150);
        for (size_t kind = 0; kind < COUNT_OF(heads); kind++) {
            counts[kind] += memcmp(line, heads[kind], strlen(heads[kind])) == 0 ? 1 : 0;
        }
    }
    nexmark_destroy(nexmark);
    assert_int_equal(counts[0], 100);
    assert_int_equal(counts[1], 300);
    assert_int_equal(counts[2], 4600);
}

static void test_prices(void **state)
{
    (void)state;
    assert_int_equal(nexmark_price(0), 100);
    assert_int_equal(nexmark_price(UINT64_C(1) << 52), 100000); /* 10^3 */
    assert_int_equal(nexmark_price((UINT64_C(1) << 53) - 1), 100000000);
    assert_int_equal(nexmark_price(UINT64_C(1) << 51), 3162);    /* 10^1.5 = 31.6228 */
    assert_int_equal(nexmark_price(UINT64_C(3) << 51), 3162278); /* 10^4.5 = 31622.7766 */
    for (uint64_t draw = 0, before = 0; draw < UINT64_C(1) << 53; draw += UINT64_C(1) << 40) {
        uint64_t price = (uint64_t)nexmark_price(draw);

        assert_true(price >= before);
        before = price;
    }
}

static void test_times(void **state)
{
    (void)state;
    assert_int_equal(nexmark_time_ms(0, 7), INT64_C(1767225600000));
    assert_int_equal(nexmark_time_ms(299, 100), INT64_C(1767225602990));
    assert_int_equal(nexmark_time_ms(1, 3), INT64_C(1767225600333));
}

/* Leap days and turns of years, in the text of bids far away. */
static void test_dates(void **state)
{
    static const struct {
        uint64_t    day;
        const char *date;
    } rows[] = {{4, "2026-01-05"},     {58, "2026-02-28"},     {59, "2026-03-01"},  {364, "2026-12-31"},
                {365, "2027-01-01"},   {789, "2028-02-29"},    {790, "2028-03-01"}, {27086, "2100-02-28"},
                {27087, "2100-03-01"}, {136659, "2400-02-29"}, {30, "2026-01-31"},  {31, "2026-02-01"}};
    struct nexmark *nexmark = nexmark_create(1, 1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = nexmark_event(nexmark, rows[i].day * 86400 + 49 - rows[i].day * 86400 % 50, line);

        line[MIN(len, sizeof(line) - 1)] = '\0';
        if (strstr((const char *)line, rows[i].date) == NULL) {
            fail_msg("%s is not in %s", rows[i].date, (const char *)line);
        }
    }
    nexmark_destroy(nexmark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),  cmocka_unit_test(test_any_order), cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_prices), cmocka_unit_test(test_times),     cmocka_unit_test(test_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
