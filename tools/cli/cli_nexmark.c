/* cli_nexmark.c: millrace nexmark: events of the Nexmark benchmark, as lines of JSON. */
#include "core/base/check.h"
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_nexmark_event.h"
#include "tools/cli/cli_out.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RATE_DEFAULT  100000
#define RATE_MAX      INT64_C(1000000000)
#define SEED_DEFAULT  1
#define EVENTS_MAX    INT64_C(1000000000000)
#define PARTITION_MAX 1000
#define WRITE_BYTES   (256 * KIB)
#define LOOK_EVENTS   1024 /* between two looks at the clock and at signals */

const char cli_nexmark_details[] =
    "One JSON object a line: a person, an auction or a bid (1, 3 and 46 of every 50), in the order of event time, "
    "which\n"
    "begins at 2026-01-01 00:00:00. The same seed and rate give the same bytes, on every machine; event n depends on\n"
    "seed, rate and n only. Ten million events are 3.3 GB. docs/sql has the queries.\n";

const struct cli_option cli_nexmark_options[] = {
    {.letter = 'N', .kind = CLI_NUMBER, .name = "events", .value = "N", .help = "how many; must be given"},
    {.letter = 'r',
     .kind = CLI_NUMBER,
     .name = "rate",
     .value = "N",
     .help = "events in a second of event time; default 100000"},
    {.letter = 's', .kind = CLI_NUMBER, .name = "seed", .value = "N", .help = "default 1"},
    {.kind = CLI_NUMBER, .name = "first", .value = "N", .help = "number of the first event; default 0"},
    {.letter = 'o',
     .kind = CLI_TEXT,
     .name = "output",
     .value = "FILE",
     .complete = "file",
     .help = "instead of standard output; with --partitions alone: FILE.0, FILE.1, ..."},
    {.letter = 'P',
     .kind = CLI_NUMBER,
     .name = "partitions",
     .value = "N",
     .help = "event n belongs to partition n modulo this"},
    {.letter = 'p', .kind = CLI_NUMBER, .name = "partition", .value = "N", .help = "only the events of this one"},
    {.letter = 'q', .name = "quiet", .help = "no progress, no summary"},
    CLI_OPTIONS_END,
};

/* One stream of bytes to one file. */
struct nexmark_writer {
    const char *path; /* NULL: standard output */
    int         fd;
    bool        closed; /* the reader of a pipe has had enough */
    size_t      used;
    uint8_t     bytes[WRITE_BYTES + NEXMARK_EVENT_BYTES_MAX];
};

struct nexmark_run {
    struct cli            *cli;
    struct nexmark        *events;
    struct nexmark_writer *writer;
    struct cli_progress    progress;
    uint64_t               first, end, step; /* event numbers of this file */
    uint64_t               done, wanted;     /* over all files */
    uint64_t               bytes;
    int64_t                begin_ms;
};

static void nexmark_write(struct cli *cli, struct nexmark_writer *writer)
{
    for (size_t at = 0; at < writer->used && !writer->closed;) {
        ssize_t wrote = write(writer->fd, writer->bytes + at, writer->used - at);

        if (wrote >= 0) {
            at += (size_t)wrote;
        } else if (errno == EPIPE) {
            writer->closed = true;
        } else if (errno != EINTR) {
            cli_die(cli, CLI_FAILED, "cannot write %s: %s", writer->path == NULL ? "the output" : writer->path,
                    strerror(errno));
        }
    }
    writer->used = 0;
}

static void nexmark_show(struct nexmark_run *run)
{
    int64_t passed_ms = MAX(cli_clock_ms() - run->begin_ms, 1);
    char    size[CLI_VALUE_BYTES];

    cli_format_bytes((int64_t)run->bytes, size);
    cli_progress_show(&run->progress, "%3d %%  %llu of %llu events, %s, %.2f M events/s",
                      (int)(100 * (double)run->done / (double)run->wanted), (unsigned long long)run->done,
                      (unsigned long long)run->wanted, size, (double)run->done / (double)passed_ms / 1000);
}

/* The events first, first + step, ... below end. */
static void nexmark_make(struct nexmark_run *run)
{
    struct nexmark_writer *writer = run->writer;

    for (uint64_t n = run->first; n < run->end && !writer->closed && cli_stop_asked == 0; n += run->step) {
        writer->used += nexmark_event(run->events, n, writer->bytes + writer->used);
        run->done++;
        if (writer->used >= WRITE_BYTES) {
            run->bytes += writer->used;
            nexmark_write(run->cli, writer);
        }
        if (run->done % LOOK_EVENTS == 0 && cli_progress_due(&run->progress)) {
            nexmark_show(run);
        }
    }
    run->bytes += writer->used;
    nexmark_write(run->cli, writer);
}

static void nexmark_make_file(struct nexmark_run *run, const char *path)
{
    struct cli *cli = run->cli;

    run->writer->path = path;
    run->writer->fd = path == NULL ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (run->writer->fd < 0) {
        cli_die(cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    }
    nexmark_make(run);
    if (path != NULL && close(run->writer->fd) != 0) {
        cli_die(cli, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    }
}

/* The first event at or behind `first` that belongs to the partition. */
static uint64_t nexmark_first_of(uint64_t first, uint64_t partitions, uint64_t partition)
{
    return first + (partition + partitions - first % partitions) % partitions;
}

/* Ends the process when the numbers make no stream. */
static void nexmark_check(const struct cli *cli, uint64_t first, uint64_t events, uint64_t rate, int64_t partitions,
                          int64_t partition)
{
    if (cli_option(cli, "events") == NULL) {
        cli_die(cli, CLI_USAGE, "how many? --events N is wanted, as in millrace nexmark --events 1000");
    }
    if (rate < 1 || rate > (uint64_t)RATE_MAX) {
        cli_die(cli, CLI_USAGE, "--rate: 1 to %lld are possible", (long long)RATE_MAX);
    }
    if (events > (uint64_t)EVENTS_MAX || first > (uint64_t)EVENTS_MAX ||
        (first + events) / rate > (uint64_t)(NEXMARK_TIME_S_MAX - nexmark_time_ms(0, 1) / MS_PER_S)) {
        cli_die(cli, CLI_USAGE, "--events, --first: at most %lld, and no event after the year 8000",
                (long long)EVENTS_MAX);
    }
    if (partitions < 1 || partitions > PARTITION_MAX) {
        cli_die(cli, CLI_USAGE, "--partitions: 1 to %d are possible", PARTITION_MAX);
    }
    if (partition >= partitions) {
        cli_die(cli, CLI_USAGE, "--partition %lld: there are 0 to %lld; --partitions says how many",
                (long long)partition, (long long)partitions - 1);
    }
    if (partitions > 1 && partition < 0 && cli_option(cli, "output") == NULL) {
        cli_die(cli, CLI_USAGE, "--partitions %lld: either --partition, or --output for a file of each",
                (long long)partitions);
    }
}

static void nexmark_summary(const struct nexmark_run *run)
{
    int64_t passed_ms = MAX(cli_clock_ms() - run->begin_ms, 1);
    char    size[CLI_VALUE_BYTES];

    cli_format_bytes((int64_t)run->bytes, size);
    cli_say(run->cli, "%llu events, %s in %.1f s", (unsigned long long)run->done, size, (double)passed_ms / 1000);
}

int cli_nexmark_run(struct cli *cli)
{
    uint64_t           first = (uint64_t)cli_number(cli, "first", 0), events = (uint64_t)cli_number(cli, "events", 0);
    uint64_t           rate = (uint64_t)cli_number(cli, "rate", RATE_DEFAULT);
    int64_t            partitions = cli_number(cli, "partitions", 1), partition = cli_number(cli, "partition", -1);
    const char        *output = cli_option(cli, "output");
    struct nexmark_run run = {.cli = cli, .wanted = events, .begin_ms = cli_clock_ms()};
    bool               quiet = cli_flag(cli, "quiet");

    nexmark_check(cli, first, events, rate, partitions, partition);
    cli_catch_signals();
    cli_progress_init(&run.progress, !quiet && (output != NULL || !isatty(STDOUT_FILENO)));
    run.events = nexmark_create((uint64_t)cli_number(cli, "seed", SEED_DEFAULT), rate);
    run.writer = cli_alloc(cli, sizeof(*run.writer));
    run.end = first + events;
    run.step = (uint64_t)partitions;
    if (partition >= 0) {
        run.wanted = events / run.step + 1;
        run.first = nexmark_first_of(first, run.step, (uint64_t)partition);
        nexmark_make_file(&run, output);
    } else {
        for (uint64_t i = 0; i < run.step && cli_stop_asked == 0; i++) {
            run.first = nexmark_first_of(first, run.step, i);
            nexmark_make_file(&run,
                              partitions == 1 ? output : cli_format(cli, "%s.%llu", output, (unsigned long long)i));
        }
    }
    cli_progress_end(&run.progress);
    nexmark_destroy(run.events);
    if (!quiet && output != NULL) {
        nexmark_summary(&run);
    }
    return cli_stop_asked != 0 ? CLI_FAILED : CLI_DONE;
}
