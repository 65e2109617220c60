/* cli_histogram.h: how long things took: log-linear counts, as HdrHistogram has them.
 *
 * 1024 steps per power of two: a value is known to 0.1 %, from 1 ns to hours (what is longer counts as the longest).
 * Adding costs a few instructions and no memory. Pure; one thread. */
#ifndef MILLRACE_CLI_HISTOGRAM_H
#define MILLRACE_CLI_HISTOGRAM_H

#include "core/base/base.h"

#include <stdio.h>

#define CLI_HISTOGRAM_STEPS  1024
#define CLI_HISTOGRAM_SHIFTS 34 /* to 2^44 ns: almost five hours */
#define CLI_HISTOGRAM_COUNTS ((CLI_HISTOGRAM_SHIFTS + 1) * CLI_HISTOGRAM_STEPS)

struct cli_histogram {
    uint64_t counts[CLI_HISTOGRAM_COUNTS];
    uint64_t total;
    int64_t  min_ns, max_ns; /* exact */
    double   sum_ns;
};

void cli_histogram_reset(struct cli_histogram *histogram);
void cli_histogram_add(struct cli_histogram *histogram, int64_t ns);
/* The value that `share` (0 to 1) of all do not exceed, rounded up to its step; 0 when there are none. */
int64_t cli_histogram_at(const struct cli_histogram *histogram, double share);
double  cli_histogram_mean_ns(const struct cli_histogram *histogram);
/* The text that HdrHistogram's tools read (.hgrm): values in milliseconds. */
void cli_histogram_print(const struct cli_histogram *histogram, FILE *to);

#endif
