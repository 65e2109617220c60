/* Percentiles against the sorted values themselves. */
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "tools/cli/cli_histogram.h"

#include <stdlib.h>
#include <string.h>

#define VALUES 20000

static struct cli_histogram histogram;
static int64_t              values[VALUES];

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static void test_percentiles_are_those_of_the_values(void **state)
{
    static const double shares[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    struct prng         prng;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        prng_init(&prng, seed);
        cli_histogram_reset(&histogram);
        for (int i = 0; i < VALUES; i++) {
            values[i] = (int64_t)(prng_next(&prng) >> (21 + prng_below(&prng, 42))); /* of every length up to 2^43 */
            cli_histogram_add(&histogram, values[i]);
        }
        qsort(values, VALUES, sizeof(values[0]), by_size);
        for (size_t i = 0; i < COUNT_OF(shares); i++) {
            size_t  at = (size_t)(shares[i] * VALUES);
            int64_t exact = values[at == 0 ? 0 : at - 1];
            int64_t found = cli_histogram_at(&histogram, shares[i]);

            assert_true(found >= exact && found <= exact + exact / CLI_HISTOGRAM_STEPS);
        }
        assert_int_equal(histogram.min_ns, values[0]);
        assert_int_equal(histogram.max_ns, values[VALUES - 1]);
        assert_int_equal(cli_histogram_at(&histogram, 1), values[VALUES - 1]);
        assert_int_equal(histogram.total, VALUES);
    }
}

static void test_small_values_are_exact_and_endless_ones_counted(void **state)
{
    (void)state;
    cli_histogram_reset(&histogram);
    assert_int_equal(cli_histogram_at(&histogram, 0.5), 0);
    for (int64_t ns = 0; ns < 2048; ns++) {
        cli_histogram_add(&histogram, ns);
    }
    assert_int_equal(cli_histogram_at(&histogram, 0.5), 1023);
    assert_int_equal(cli_histogram_at(&histogram, 0.25), 511);
    assert_true(cli_histogram_mean_ns(&histogram) > 1023 && cli_histogram_mean_ns(&histogram) < 1024);
    cli_histogram_reset(&histogram);
    cli_histogram_add(&histogram, INT64_MAX);
    cli_histogram_add(&histogram, -5); /* a clock that went back */
    assert_int_equal(histogram.total, 2);
    assert_int_equal(histogram.min_ns, 0);
    assert_int_equal(histogram.max_ns, INT64_MAX);
    assert_true(cli_histogram_at(&histogram, 1) > INT64_C(1) << 43);
}

/* The form of HdrHistogram's own printer: head, ascending lines that end with everything, three lines of figures. */
static void test_the_text_has_hdr_histograms_form(void **state)
{
    char  *text = NULL;
    size_t len = 0;
    FILE  *to = open_memstream(&text, &len);
    double value, share, last_value = -1, last_share = -1;
    long   count = 0;
    int    lines = 0;
    char  *save = NULL;

    (void)state;
    cli_histogram_reset(&histogram);
    for (int64_t i = 1; i <= 1000; i++) {
        cli_histogram_add(&histogram, i * 1000000);
    }
    cli_histogram_print(&histogram, to);
    (void)fclose(to);
    assert_non_null(strstr(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
    for (char *line = strtok_r(strchr(text, '\n'), "\n", &save); line != NULL && line[0] != '#';
         line = strtok_r(NULL, "\n", &save)) {
        assert_int_equal(sscanf(line, "%lf %lf %ld", &value, &share, &count), 3);
        assert_true(value >= last_value && share > last_share);
        assert_true((double)count >= share * 1000 - 1e-6);
        last_value = value;
        last_share = share;
        lines++;
    }
    assert_true(lines > 20);
    assert_int_equal(count, 1000);
    assert_true(last_share > 0.999999 && last_value > 999.9 && last_value < 1000.1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_are_those_of_the_values),
        cmocka_unit_test(test_small_values_are_exact_and_endless_ones_counted),
        cmocka_unit_test(test_the_text_has_hdr_histograms_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
