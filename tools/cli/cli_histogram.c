#include "tools/cli/cli_histogram.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TICKS_PER_HALF 5 /* lines of the text for each halving of what is left to 100 % */

/* Below 2048 the value itself; above, its 11 first bits, and how many stand behind them. */
static size_t histogram_index(uint64_t ns)
{
    unsigned shift = ns < 2 * CLI_HISTOGRAM_STEPS ? 0 : (unsigned)(63 - __builtin_clzll(ns)) - 10;

    return MIN((size_t)shift * CLI_HISTOGRAM_STEPS + (size_t)(ns >> shift), (size_t)CLI_HISTOGRAM_COUNTS - 1);
}

/* The largest value that counts there. */
static int64_t histogram_value(size_t index)
{
    size_t shift = index < (size_t)2 * CLI_HISTOGRAM_STEPS ? 0 : index / CLI_HISTOGRAM_STEPS - 1;

    return (int64_t)(((uint64_t)(index - shift * CLI_HISTOGRAM_STEPS + 1) << shift) - 1);
}

void cli_histogram_reset(struct cli_histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

void cli_histogram_add(struct cli_histogram *histogram, int64_t ns)
{
    ns = MAX(ns, INT64_C(0));
    histogram->counts[histogram_index((uint64_t)ns)]++;
    histogram->min_ns = histogram->total == 0 ? ns : MIN(histogram->min_ns, ns);
    histogram->max_ns = MAX(histogram->max_ns, ns);
    histogram->sum_ns += (double)ns;
    histogram->total++;
}

int64_t cli_histogram_at(const struct cli_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil((double)histogram->total * share);
    uint64_t seen = 0;

    for (size_t i = 0; i < CLI_HISTOGRAM_COUNTS && histogram->total > 0; i++) {
        seen += histogram->counts[i];
        if (seen >= MAX(wanted, UINT64_C(1))) {
            return MIN(histogram_value(i), histogram->max_ns);
        }
    }
    return histogram->max_ns;
}

double cli_histogram_mean_ns(const struct cli_histogram *histogram)
{
    return histogram->total == 0 ? 0 : histogram->sum_ns / (double)histogram->total;
}

static double histogram_deviation_ns(const struct cli_histogram *histogram)
{
    double mean = cli_histogram_mean_ns(histogram);
    double squares = 0;

    for (size_t i = 0; i < CLI_HISTOGRAM_COUNTS; i++) {
        double away = (double)histogram_value(i) - mean;

        squares += (double)histogram->counts[i] * away * away;
    }
    return histogram->total == 0 ? 0 : sqrt(squares / (double)histogram->total);
}

static uint64_t histogram_up_to(const struct cli_histogram *histogram, int64_t ns)
{
    size_t   end = histogram_index((uint64_t)ns);
    uint64_t seen = 0;

    for (size_t i = 0; i <= end; i++) {
        seen += histogram->counts[i];
    }
    return seen;
}

void cli_histogram_print(const struct cli_histogram *histogram, FILE *to)
{
    double share = 0;

    (void)fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    while (histogram->total > 0) {
        int64_t  value = cli_histogram_at(histogram, share);
        uint64_t seen = histogram_up_to(histogram, value);

        if (seen == histogram->total) {
            (void)fprintf(to, "%12.3f %2.12f %10" PRIu64 "\n", (double)value / 1e6, 1.0, seen);
            break;
        }
        (void)fprintf(to, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", (double)value / 1e6, share, seen, 1 / (1 - share));
        share += 1 / (TICKS_PER_HALF * exp2(floor(log2(1 / (1 - share))) + 1));
    }
    (void)fprintf(to, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", cli_histogram_mean_ns(histogram) / 1e6,
                  histogram_deviation_ns(histogram) / 1e6);
    (void)fprintf(to, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", (double)histogram->max_ns / 1e6,
                  histogram->total);
    (void)fprintf(to, "#[Buckets = %12d, SubBuckets     = %12d]\n", CLI_HISTOGRAM_SHIFTS, 2 * CLI_HISTOGRAM_STEPS);
}
