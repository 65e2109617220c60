/* limits: what this machine gives to a program that does only what any broker must do.
 *
 *   limits receive     connections send requests; they are received, checked while copied once, written durably,
 * answered limits send        connections ask for bytes, which come out of hot memory limits disk        durable writes
 * at a queue depth limits read        direct reads at a queue depth, one behind the other in the file
 *
 * A figure of a broker means something beside these, taken in the same run. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GIB_BYTES 1073741824.0

static const char usage[] = "usage: limits receive|send|disk|read [OPTION VALUE]...\n"
                            "  --bytes 4K,16K,128K,1M    of a request or write\n"
                            "  --connections 8           receive, send\n"
                            "  --in-flight 5             receive, send: unanswered requests of a connection\n"
                            "  --depth 4                 writes or reads in flight; disk and read: a list, 1,4,16\n"
                            "  --file fresh,recycled     receive, disk; read: what was written before\n"
                            "  --file-size 2G            a fresh file that is full ends the run early\n"
                            "  --dir .                   where the file is made: the disk to measure\n"
                            "  --durable yes|no          RWF_DSYNC\n"
                            "  --seconds 3  --warm 0.5\n"
                            "  --cpu 0  --client-cpu 1   -1: not pinned\n"
                            "  -o json                   one line for each run\n";

static void NORETURN usage_end(const char *what)
{
    (void)fprintf(stderr, "limits: %s\n%s", what, usage);
    exit(2);
}

/* --- options ----------------------------------------------------------------------------------------------------- */

/* "4K" and the like; *text moves behind it and behind a comma. */
static size_t option_size(const char **text, const char *name)
{
    char  *end = NULL;
    double value = strtod(*text, &end);

    if (end == *text || value < 0) {
        usage_end(name);
    }
    value *= *end == 'K' ? 1024.0 : *end == 'M' ? 1048576.0 : *end == 'G' ? GIB_BYTES : 1.0;
    end += *end == 'K' || *end == 'M' || *end == 'G';
    if (*end != ',' && *end != '\0') {
        usage_end(name);
    }
    *text = end + (*end == ',');
    return (size_t)value;
}

static int option_int(const char *text, const char *name, int min, int max)
{
    char *end = NULL;
    long  value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < min || value > max) {
        usage_end(name);
    }
    return (int)value;
}

static double option_seconds(const char *text, const char *name)
{
    char  *end = NULL;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < 0 || value > 3600) {
        usage_end(name);
    }
    return value;
}

static void option_lists(struct limits_options *options, const char *name, const char *text)
{
    if (strcmp(name, "--bytes") == 0) {
        options->byte_count = 0;
        while (*text != '\0' && options->byte_count < LIMITS_SIZES_MAX) {
            options->bytes[options->byte_count++] = option_size(&text, name);
        }
    } else if (strcmp(name, "--depth") == 0) {
        options->depth_count = 0;
        while (*text != '\0' && options->depth_count < LIMITS_SIZES_MAX) {
            options->depths[options->depth_count++] = (int)option_size(&text, name);
        }
    } else if (strcmp(name, "--file") == 0) {
        options->fresh = strstr(text, "fresh") != NULL;
        options->recycled = strstr(text, "recycled") != NULL;
        if (!options->fresh && !options->recycled) {
            usage_end(name);
        }
    } else {
        usage_end(name);
    }
}

static void option_take(struct limits_options *options, const char *name, const char *text)
{
    if (strcmp(name, "--connections") == 0) {
        options->connections = option_int(text, name, 1, LIMITS_CONNECTIONS_MAX);
    } else if (strcmp(name, "--in-flight") == 0) {
        options->in_flight = option_int(text, name, 1, LIMITS_IN_FLIGHT_MAX);
    } else if (strcmp(name, "--file-size") == 0) {
        options->file_bytes = option_size(&text, name);
    } else if (strcmp(name, "--dir") == 0) {
        options->folder = text;
    } else if (strcmp(name, "--durable") == 0) {
        options->durable = strcmp(text, "no") != 0;
    } else if (strcmp(name, "--seconds") == 0) {
        options->seconds = option_seconds(text, name);
    } else if (strcmp(name, "--warm") == 0) {
        options->warm_s = option_seconds(text, name);
    } else if (strcmp(name, "--cpu") == 0) {
        options->cpu = option_int(text, name, -1, CPU_SETSIZE - 1);
    } else if (strcmp(name, "--client-cpu") == 0) {
        options->client_cpu = option_int(text, name, -1, CPU_SETSIZE - 1);
    } else if (strcmp(name, "-o") == 0) {
        options->json = strcmp(text, "json") == 0;
    } else {
        option_lists(options, name, text);
    }
}

static void options_check(const struct limits_options *options, bool disk)
{
    for (int i = 0; i < options->byte_count; i++) {
        if (options->bytes[i] < 256 || options->bytes[i] > LIMITS_REQUEST_MAX) {
            usage_end("--bytes are 256 to 16M");
        }
        if (disk && options->bytes[i] % LIMITS_BLOCK_BYTES != 0) {
            usage_end("writes are whole blocks of 4K");
        }
    }
    for (int i = 0; i < options->depth_count; i++) {
        if (options->depths[i] < 1 || options->depths[i] > LIMITS_DEPTH_MAX) {
            usage_end("--depth is 1 to 64");
        }
    }
    if (options->byte_count == 0 || options->depth_count == 0 || options->file_bytes < (size_t)64 << 20) {
        usage_end("--bytes and --depth hold something, --file-size at least 64M");
    }
}

/* --- the report -------------------------------------------------------------------------------------------------- */

struct report {
    double seconds, user_bytes, mb_per_s, cpu_s_per_gib, client_cpu_s_per_gib, foreign_percent, stolen_percent;
};

static struct report report_of(const struct limits_result *result)
{
    const struct limits_moment *begin = &result->begin, *end = &result->end;
    double                      own_s = end->own_s - begin->own_s, client_s = end->client_s - begin->client_s;
    struct report               report = {.seconds = (double)MAX(end->ns - begin->ns, INT64_C(1)) / 1e9,
                                          .user_bytes = (double)result->requests * (double)result->bytes};

    report.mb_per_s = report.user_bytes / report.seconds / 1e6;
    report.cpu_s_per_gib = own_s / MAX(report.user_bytes, 1) * GIB_BYTES;
    report.client_cpu_s_per_gib = client_s / MAX(report.user_bytes, 1) * GIB_BYTES;
    report.foreign_percent = 100 * MAX(end->machine_s - begin->machine_s - own_s - client_s, 0) / report.seconds;
    report.stolen_percent = 100 * (end->stolen_s - begin->stolen_s) / report.seconds;
    return report;
}

static double report_us(const struct limits_result *result, double share)
{
    return (double)cli_histogram_at(&result->latency, share) / 1e3;
}

static void report_json(const struct limits_options *options, const struct limits_result *result)
{
    struct report report = report_of(result);
    bool          disk = strcmp(result->probe, "disk") == 0 || strcmp(result->probe, "read") == 0;

    (void)printf("{\"probe\":\"%s\",\"bytes\":%zu,", result->probe, result->bytes);
    if (result->file != NULL) {
        (void)printf("\"file\":\"%s\",\"durable\":%s,\"depth\":%d,\"writes\":%" PRIu64 ",\"bytes_per_write\":%.0f,"
                     "\"device_bytes_per_byte\":%.3f,",
                     result->file, options->durable ? "true" : "false", result->depth, result->writes,
                     (double)result->device_bytes / (double)MAX(result->writes, UINT64_C(1)),
                     (double)result->device_bytes / MAX(report.user_bytes, 1));
    }
    if (!disk) {
        (void)printf("\"connections\":%d,\"in_flight\":%d,\"client_cpu_s_per_gib\":%.4f,", options->connections,
                     options->in_flight, report.client_cpu_s_per_gib);
    }
    (void)printf("\"seconds\":%.3f,\"requests\":%" PRIu64 ",\"requests_per_s\":%.0f,\"mb_per_s\":%.1f,"
                 "\"cpu_s_per_gib\":%.4f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
                 "\"foreign_cpu_percent\":%.1f,\"stolen_percent\":%.1f}\n",
                 report.seconds, result->requests, (double)result->requests / report.seconds, report.mb_per_s,
                 report.cpu_s_per_gib, report_us(result, 0.5), report_us(result, 0.99), report_us(result, 0.999),
                 report_us(result, 1), report.foreign_percent, report.stolen_percent);
}

static void report_table(const struct limits_result *result)
{
    static bool   head;
    struct report report = report_of(result);

    if (!head) {
        (void)printf("%-8s %-9s %8s %5s %9s %10s %11s %9s %9s %9s %9s %8s\n", "probe", "file", "bytes", "depth", "MB/s",
                     "requests/s", "CPU s/GiB", "client", "KiB/write", "p50 us", "p99 us", "foreign");
        head = true;
    }
    (void)printf("%-8s %-9s %8zu %5d %9.1f %10.0f %11.4f %9.4f %9.1f %9.1f %9.1f %7.1f%%\n", result->probe,
                 result->file == NULL ? "-" : result->file, result->bytes, result->depth, report.mb_per_s,
                 (double)result->requests / report.seconds, report.cpu_s_per_gib, report.client_cpu_s_per_gib,
                 (double)result->device_bytes / (double)MAX(result->writes, UINT64_C(1)) / 1024, report_us(result, 0.5),
                 report_us(result, 0.99), report.foreign_percent + report.stolen_percent);
}

static void report_out(const struct limits_options *options, const struct limits_result *result)
{
    if (options->json) {
        report_json(options, result);
    } else {
        report_table(result);
    }
    (void)fflush(stdout);
}

/* --- the runs ---------------------------------------------------------------------------------------------------- */

static void run_one(const struct limits_options *options, const char *probe, size_t bytes, int depth,
                    struct limits_file *file)
{
    static struct limits_result result;

    result = (struct limits_result){.probe = probe, .bytes = bytes, .depth = depth};
    if (file != NULL) {
        result.file = file->recycled ? "recycled" : "fresh";
    }
    if (strcmp(probe, "receive") == 0) {
        limits_receive(options, bytes, depth, file, &result);
    } else if (strcmp(probe, "send") == 0) {
        limits_send(options, bytes, &result);
    } else {
        limits_disk(options, bytes, depth, file, &result);
    }
    report_out(options, &result);
}

/* Each run has a fresh file of its own; the recycled one serves for all. */
static void run_on_files(const struct limits_options *options, const char *probe)
{
    struct limits_file file;

    for (int recycled = 0; recycled < 2; recycled++) {
        if (!(recycled ? options->recycled : options->fresh)) {
            continue;
        }
        if (recycled) {
            limits_file_open(&file, options, true);
        }
        for (int i = 0; i < options->byte_count; i++) {
            for (int d = 0; d < options->depth_count; d++) {
                if (!recycled) {
                    limits_file_open(&file, options, false);
                }
                run_one(options, probe, options->bytes[i], options->depths[d], &file);
                if (!recycled) {
                    limits_file_close(&file);
                }
            }
        }
        if (recycled) {
            limits_file_close(&file);
        }
    }
}

int main(int argument_count, char **arguments)
{
    struct limits_options options = {.bytes = {4096, 16384, 131072, 1048576},
                                     .byte_count = 4,
                                     .depths = {4},
                                     .depth_count = 1,
                                     .connections = 8,
                                     .in_flight = 5,
                                     .seconds = 3,
                                     .warm_s = 0.5,
                                     .folder = ".",
                                     .file_bytes = (size_t)2 << 30,
                                     .fresh = true,
                                     .recycled = true,
                                     .durable = true,
                                     .cpu = 0,
                                     .client_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0};
    const char           *probe = argument_count > 1 ? arguments[1] : "";
    bool                  reads = strcmp(probe, "read") == 0;
    bool                  disk = reads || strcmp(probe, "disk") == 0;

    if (!disk && strcmp(probe, "receive") != 0 && strcmp(probe, "send") != 0) {
        usage_end("which probe?");
    }
    for (int i = 2; i < argument_count; i += 2) {
        if (i + 1 == argument_count) {
            usage_end(arguments[i]);
        }
        option_take(&options, arguments[i], arguments[i + 1]);
    }
    options_check(&options, disk);
    options.reads = reads;
    options.fresh = options.fresh && !reads; /* where nothing was written, nothing is read */
    options.recycled = options.recycled || reads;
    limits_pin(options.cpu);
    if (strcmp(probe, "send") == 0) {
        for (int i = 0; i < options.byte_count; i++) {
            run_one(&options, probe, options.bytes[i], 0, NULL);
        }
    } else {
        run_on_files(&options, probe);
    }
    return 0;
}
