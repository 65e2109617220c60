/* cli_bench_plot.c: the course of a run as an SVG picture: throughput above, latency below (logarithmic), over time.
 *
 * Plain SVG without scripts; its colours follow the reader's light or dark setting where the viewer knows it. */
#include "tools/cli/cli_bench.h"

#include <errno.h>
#include <math.h>

#define PLOT_SAMPLES_MAX 86400 /* a day of seconds */
#define PLOT_WIDTH       960
#define PLOT_HEIGHT      560
#define PLOT_LEFT        80
#define PLOT_RIGHT       830 /* names of the lines stand behind it */
#define PLOT_UP_TOP      70
#define PLOT_UP_BOTTOM   280
#define PLOT_LOW_TOP     320
#define PLOT_LOW_BOTTOM  520

void bench_plot_begin(struct bench *bench)
{
    if (cli_option(bench->cli, "plot") != NULL) {
        bench->samples = mem_alloc(MEM_CLI, PLOT_SAMPLES_MAX * sizeof(*bench->samples));
    }
}

void bench_plot_add(struct bench *bench, int64_t now_ns, double seconds)
{
    if (bench->samples == NULL || bench->sample_count == PLOT_SAMPLES_MAX) {
        return;
    }
    bench->samples[bench->sample_count++] =
        (struct bench_sample){.at_s = (double)(now_ns - bench->start_ns) / 1e9,
                              .mb_per_s = (double)bench->live_counts.bytes / seconds / 1e6,
                              .p50_ms = (double)cli_histogram_at(bench->live, 0.5) / 1e6,
                              .p99_ms = (double)cli_histogram_at(bench->live, 0.99) / 1e6,
                              .p999_ms = (double)cli_histogram_at(bench->live, 0.999) / 1e6};
}

/* --- scales ------------------------------------------------------------------------------------------------------ */

struct plot {
    FILE               *to;
    const struct bench *bench;
    double              seconds_max, rate_max;
    double              low, high; /* powers of ten, in ms */
};

/* 1, 2 or 5 times a power of ten: about `parts` of them in `whole`. */
static double plot_step(double whole, int parts)
{
    double power = pow(10, floor(log10(whole / parts)));
    double ratio = whole / parts / power;

    return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

static double plot_x(const struct plot *plot, double seconds)
{
    return PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * seconds / plot->seconds_max;
}

static double plot_rate_y(const struct plot *plot, double mb_per_s)
{
    return PLOT_UP_BOTTOM - (PLOT_UP_BOTTOM - PLOT_UP_TOP) * mb_per_s / plot->rate_max;
}

static double plot_time_y(const struct plot *plot, double ms)
{
    double share = log10(MAX(ms, plot->low) / plot->low) / log10(plot->high / plot->low);

    return PLOT_LOW_BOTTOM - (PLOT_LOW_BOTTOM - PLOT_LOW_TOP) * share;
}

static void plot_scale(struct plot *plot)
{
    const struct bench *bench = plot->bench;
    double              least = 1e9, most = 1e-3;

    plot->seconds_max = 1;
    plot->rate_max = 1;
    for (int32_t i = 0; i < bench->sample_count; i++) {
        const struct bench_sample *sample = &bench->samples[i];

        plot->seconds_max = MAX(plot->seconds_max, sample->at_s);
        plot->rate_max = MAX(plot->rate_max, sample->mb_per_s);
        least = sample->p50_ms > 0 ? MIN(least, sample->p50_ms) : least;
        most = MAX(most, sample->p999_ms);
    }
    least = MIN(least, most);
    plot->rate_max = ceil(plot->rate_max / plot_step(plot->rate_max, 5)) * plot_step(plot->rate_max, 5);
    plot->low = pow(10, floor(log10(least)));
    plot->high = MAX(pow(10, ceil(log10(most))), plot->low * 10);
}

/* --- what is drawn ----------------------------------------------------------------------------------------------- */

static void plot_grid_line(const struct plot *plot, double y, const char *text)
{
    (void)fprintf(plot->to,
                  "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n"
                  "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                  PLOT_LEFT, y, PLOT_RIGHT, y, PLOT_LEFT - 8, y + 4, text);
}

static void plot_grid(const struct plot *plot)
{
    char   text[64];
    double step = plot_step(plot->rate_max, 5);

    for (double rate = 0; rate <= plot->rate_max * 1.0001; rate += step) {
        (void)snprintf(text, sizeof(text), "%g", rate);
        plot_grid_line(plot, plot_rate_y(plot, rate), text);
    }
    for (double ms = plot->low; ms <= plot->high * 1.0001; ms *= 10) {
        (void)snprintf(text, sizeof(text), "%g", ms);
        plot_grid_line(plot, plot_time_y(plot, ms), text);
    }
    step = plot_step(plot->seconds_max, 8);
    for (double seconds = 0; seconds <= plot->seconds_max * 1.0001; seconds += step) {
        (void)fprintf(plot->to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g s</text>\n", plot_x(plot, seconds),
                      PLOT_LOW_BOTTOM + 20, seconds);
    }
}

static double sample_value(const struct bench_sample *sample, int which)
{
    return which == 0 ? sample->mb_per_s : which == 1 ? sample->p50_ms : which == 2 ? sample->p99_ms : sample->p999_ms;
}

static void plot_line(const struct plot *plot, int which, const char *name)
{
    double y = 0;
    bool   draws = false;

    (void)fprintf(plot->to, "<path class=\"line c%d\" d=\"", which);
    for (int32_t i = 0; i < plot->bench->sample_count; i++) {
        const struct bench_sample *sample = &plot->bench->samples[i];
        double                     value = sample_value(sample, which);

        if (which > 0 && value <= 0) { /* nothing was answered: a gap */
            draws = false;
            continue;
        }
        y = which == 0 ? plot_rate_y(plot, value) : plot_time_y(plot, value);
        (void)fprintf(plot->to, "%s%.1f %.1f", draws ? " L" : "M", plot_x(plot, sample->at_s), y);
        draws = true;
    }
    (void)fprintf(plot->to, "\"/>\n<text class=\"c%d\" x=\"%d\" y=\"%.1f\">%s</text>\n", which, PLOT_RIGHT + 8, y + 4,
                  name);
}

static void plot_head(const struct plot *plot)
{
    const struct bench *bench = plot->bench;
    double              warm_s = MIN((double)(bench->measure_ns - bench->start_ns) / 1e9, plot->seconds_max);

    (void)fprintf(
        plot->to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n<style>\n"
        "svg { --back: #ffffff; --ink: #24292f; --grid: #d8dee4; --warm: #f0f2f4; --c0: #0969da; --c1: #1a7f37; "
        "--c2: #bc4c00; --c3: #8250df }\n"
        "@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --ink: #e6edf3; --grid: #30363d; --warm: "
        "#161b22; "
        "--c0: #58a6ff; --c1: #3fb950; --c2: #f0883e; --c3: #bc8cff } }\n"
        "text { font: 13px system-ui, sans-serif; fill: var(--ink) } .title { font-size: 16px; font-weight: 600 }\n"
        ".grid { stroke: var(--grid) } .line { fill: none; stroke-width: 2; stroke-linejoin: round }\n",
        PLOT_WIDTH, PLOT_HEIGHT);
    for (int i = 0; i < 4; i++) {
        (void)fprintf(plot->to, "path.c%d { stroke: var(--c%d) } text.c%d { fill: var(--c%d) }\n", i, i, i, i);
    }
    (void)fprintf(plot->to,
                  "</style>\n<rect width=\"%d\" height=\"%d\" fill=\"var(--back)\"/>\n"
                  "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"var(--warm)\"/>\n",
                  PLOT_WIDTH, PLOT_HEIGHT, PLOT_LEFT, PLOT_UP_TOP, plot_x(plot, warm_s) - PLOT_LEFT,
                  PLOT_LOW_BOTTOM - PLOT_UP_TOP);
}

static void plot_titles(const struct plot *plot)
{
    const struct bench *bench = plot->bench;

    (void)fprintf(
        plot->to,
        "<text class=\"title\" x=\"%d\" y=\"28\">millrace %s: %d partitions, batches of %zu bytes, %s, acks=%s"
        "</text>\n<text x=\"%d\" y=\"52\">MB/s</text>\n<text x=\"%d\" y=\"%d\">latency, ms (logarithmic)"
        "</text>\n",
        PLOT_LEFT, bench->cli->path, bench->place_count, bench->plan.batch_bytes,
        bench->plan.requests_per_s > 0 ? "at a rate" : "as fast as it goes",
        bench->plan.acks == -1  ? "all"
        : bench->plan.acks == 0 ? "0"
                                : "1",
        PLOT_LEFT, PLOT_LEFT, PLOT_LOW_TOP - 14);
}

void bench_plot_write(struct bench *bench)
{
    const char *path = cli_option(bench->cli, "plot");
    struct plot plot = {.bench = bench};

    if (bench->samples == NULL) {
        return;
    }
    plot.to = fopen(path, "w");
    if (plot.to == NULL || bench->sample_count == 0) {
        cli_fail(bench->cli, CLI_FAILED, "cannot draw %s: %s", path,
                 plot.to == NULL ? strerror(errno) : "the run was shorter than a second");
    }
    if (plot.to != NULL && bench->sample_count > 0) {
        plot_scale(&plot);
        plot_head(&plot);
        plot_titles(&plot);
        plot_grid(&plot);
        plot_line(&plot, 0, "throughput");
        plot_line(&plot, 1, "p50");
        plot_line(&plot, 2, "p99");
        plot_line(&plot, 3, "p99.9");
        (void)fputs("</svg>\n", plot.to);
    }
    if (plot.to != NULL && fclose(plot.to) != 0) {
        cli_fail(bench->cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    }
    mem_free(MEM_CLI, bench->samples);
    bench->samples = NULL;
}
