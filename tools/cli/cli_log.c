/* cli_log.c: millrace log dump: which files, in which order. */
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_dump.h"
#include "tools/cli/cli_offset.h"
#include "tools/cli/cli_topic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_BYTES_MAX ((size_t)(1024 * MIB))
#define LEVELS_MAX        4 /* data directory, shard, log; more is no data directory of ours */

static bool log_ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static const char *log_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* What the records of a log are, by the name of its directory. */
static enum dump_log log_kind(const char *path)
{
    if (strstr(path, "__consumer_offsets-") != NULL) {
        return DUMP_OFFSETS;
    }
    if (strstr(path, "__transaction_state-") != NULL) {
        return DUMP_TRANSACTIONS;
    }
    if (strstr(path, "__millrace_jobs-") != NULL) {
        return DUMP_JOBS;
    }
    return strstr(path, "__cluster_metadata-") != NULL ? DUMP_METADATA : DUMP_PLAIN;
}

static bool log_open(struct dump *dump, const char *path, struct dump_source *out_source)
{
    struct stat facts;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &facts) < 0) {
        dump_damage(dump, 0, "cannot be opened: %s", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return false;
    }
    *out_source = (struct dump_source){.fd = fd, .size = (uint64_t)facts.st_size};
    return true;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

/* The header of the segment beside an index or a snapshot. */
static bool log_segment_beside(struct dump *dump, const char *path, struct store_segment_header *out_header)
{
    char              *segment = cli_text_copy(dump->cli, view_text(path));
    struct dump_source source;
    bool               found;

    memcpy(segment + strlen(segment) - 4, ".seg", 4);
    if (access(segment, R_OK) != 0 || !log_open(dump, segment, &source)) {
        return false;
    }
    found = dump_segment_header(&source, out_header, NULL);
    dump_source_close(&source);
    return found;
}

/* False: a file of no kind we know. */
static bool log_file(struct dump *dump, const char *path, int64_t limit)
{
    const char                 *name = log_base_name(path);
    struct store_segment_header header;
    struct dump_source          source;
    bool                        segment = log_ends_with(name, ".seg");
    bool                        index = log_ends_with(name, ".idx"), snapshot = log_ends_with(name, ".snp");
    bool                        image = strcmp(name, "image.snapshot") == 0;
    bool                        journal = strcmp(name, "journal.ring") == 0;
    bool                        beside;

    if (!segment && !index && !snapshot && !image && !journal && strcmp(name, "checkpoint") != 0) {
        return false;
    }
    dump->file = path;
    dump->log = log_kind(path);
    beside = (index || snapshot) && log_segment_beside(dump, path, &header);
    if (!log_open(dump, path, &source)) {
        return true;
    }
    if (segment) {
        dump_segment(dump, &source, limit);
    } else if (index) {
        dump_index(dump, &source, beside ? &header : NULL);
    } else if (snapshot) {
        dump_snapshot(dump, &source, beside ? &header : NULL);
    } else if (image) {
        dump->log = DUMP_METADATA;
        dump_image(dump, &source);
    } else if (journal) {
        dump->log = DUMP_PLAIN;
        dump_journal(dump, &source);
    } else {
        dump_checkpoint(dump, &source);
    }
    dump_source_close(&source);
    return true;
}

/* --- directories ------------------------------------------------------------------------------------------------- */

static int log_name_filter(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The header of each entry that is a segment. */
struct log_segment {
    bool                        known;
    struct store_segment_header header;
};

static struct log_segment *log_segments(struct dump *dump, const char *directory, struct dirent **entries, int count)
{
    struct log_segment *segments = cli_alloc_array(dump->cli, (size_t)count + 1, sizeof(*segments));

    for (int i = 0; i < count; i++) {
        struct dump_source source;

        if (log_ends_with(entries[i]->d_name, ".seg") &&
            log_open(dump, cli_format(dump->cli, "%s/%s", directory, entries[i]->d_name), &source)) {
            segments[i].known = dump_segment_header(&source, &segments[i].header, NULL);
            dump_source_close(&source);
        }
    }
    return segments;
}

/* Where the segment behind this one begins: its records count from there on. */
static int64_t log_limit(const struct log_segment *segments, int count, int at)
{
    for (int i = at + 1; i < count; i++) {
        const struct store_segment_header *header = &segments[i].header;

        if (segments[i].known && !store__segment_compacted(header) &&
            (header->state == STORE_SEGMENT_ACTIVE || header->state == STORE_SEGMENT_SEALED)) {
            return header->base_offset;
        }
    }
    return INT64_MAX;
}

/* The number of the segment that compaction made in its place, 0: none. What is replaced waits to be deleted. */
static uint32_t log_replaced_by(const struct log_segment *segments, int count, int at)
{
    const struct store_segment_header *header = &segments[at].header;

    for (int i = 0; i < count && segments[at].known; i++) {
        const struct store_segment_header *by = &segments[i].header;

        if (segments[i].known && by->number > header->number && by->state == STORE_SEGMENT_SEALED &&
            store__segment_compacted(by) && by->replaces_first <= store__segment_place(header) &&
            by->replaces_last >= store__segment_place_last(header)) {
            return by->number;
        }
    }
    return 0;
}

/* Directories of logs tell names of topic ids, for the journal. */
static void log_learn_topic(struct dump *dump, const char *path)
{
    char                       *name = cli_text_copy(dump->cli, view_text(log_base_name(path)));
    char                       *dash = strrchr(name, '-');
    struct dirent             **entries = NULL;
    int                         count = scandir(path, &entries, log_name_filter, alphasort);
    struct store_segment_header header;
    struct dump_source          source;

    for (int i = 0; i < count; i++) {
        if (dash != NULL && log_ends_with(entries[i]->d_name, ".seg") &&
            log_open(dump, cli_format(dump->cli, "%s/%s", path, entries[i]->d_name), &source)) {
            *dash = '\0';
            if (dump_segment_header(&source, &header, NULL)) {
                (void)map_put(&dump->topics, view_of(header.topic_id.bytes, sizeof(header.topic_id.bytes)), name);
            }
            dump_source_close(&source);
            dash = NULL;
        }
        free(entries[i]);
    }
    free(entries);
}

/* A log's directory is left out when --topic names others. */
static bool log_wanted(const struct cli *cli, const char *directory)
{
    const char *name = log_base_name(directory);
    bool        any = false;

    for (int n = 0; cli_option_at(cli, "topic", n) != NULL; n++) {
        const char *topic = cli_option_at(cli, "topic", n);
        const char *dash = strrchr(name, '-');
        const char *colon = strrchr(topic, ':');
        size_t      len = colon == NULL ? strlen(topic) : (size_t)(colon - topic);

        any = true;
        if (dash != NULL && (size_t)(dash - name) == len && strncmp(name, topic, len) == 0 &&
            (colon == NULL || strcmp(colon + 1, dash + 1) == 0)) {
            return true;
        }
    }
    return !any;
}

static void log_directory(struct dump *dump, const char *path, int level)
{
    struct dirent     **entries = NULL;
    int                 count = scandir(path, &entries, log_name_filter, alphasort);
    bool                filtered = cli_option(dump->cli, "topic") != NULL;
    struct log_segment *segments;

    dump->file = path;
    if (count < 0) {
        dump_damage(dump, 0, "cannot be read: %s", strerror(errno));
        return;
    }
    segments = log_segments(dump, path, entries, count);
    for (int pass = 0; pass < 3; pass++) { /* names of topics, then directories, then files */
        for (int i = 0; i < count && !dump_stopped(dump); i++) {
            const char *inner = cli_format(dump->cli, "%s/%s", path, entries[i]->d_name);
            struct stat facts;
            bool        directory = stat(inner, &facts) == 0 && S_ISDIR(facts.st_mode);

            if (pass == 0 && directory) {
                log_learn_topic(dump, inner);
            } else if (pass == 1 && directory && level < LEVELS_MAX) {
                log_directory(dump, inner, level + 1);
            } else if (pass == 2 && !directory && log_wanted(dump->cli, path) &&
                       (!filtered || log_ends_with(inner, ".seg") || log_ends_with(inner, ".idx") ||
                        log_ends_with(inner, ".snp") || log_ends_with(inner, "image.snapshot"))) {
                dump->replaced_by = log_replaced_by(segments, count, i);
                (void)log_file(dump, inner, log_limit(segments, count, i));
                dump->replaced_by = 0;
            }
        }
    }
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
}

/* --- the command ------------------------------------------------------------------------------------------------- */

static enum dump_depth log_depth(const struct cli *cli, bool directory)
{
    if (cli_flag(cli, "records")) {
        return DUMP_RECORDS;
    }
    if (cli_flag(cli, "batches")) {
        return DUMP_BATCHES;
    }
    if (cli_flag(cli, "frames")) {
        return DUMP_FRAMES;
    }
    return directory ? DUMP_FILES : DUMP_BATCHES;
}

static void log_offsets(struct dump *dump)
{
    const char         *text = cli_option(dump->cli, "offset");
    struct cli_interval interval = {0};

    dump->from = 0;
    dump->end = INT64_MAX;
    if (text == NULL) {
        return;
    }
    if (!cli_parse_interval(text, 0, &interval) ||
        (interval.from.kind != CLI_AT_OFFSET && interval.from.kind != CLI_AT_NONE) ||
        (interval.to.kind != CLI_AT_OFFSET && interval.to.kind != CLI_AT_NONE)) {
        cli_die(dump->cli, CLI_USAGE, "'%s': offsets as 100, 100:200 or :200 are wanted", text);
    }
    dump->from = interval.from.value;
    dump->end = interval.to.kind == CLI_AT_OFFSET ? interval.to.value : INT64_MAX;
}

static void log_summary(struct dump *dump)
{
    dump_begin(dump, 0, "summary");
    dump_number(dump, "files", (int64_t)dump->counts.files);
    dump_number(dump, "frames", (int64_t)dump->counts.frames);
    dump_number(dump, "batches", (int64_t)dump->counts.batches);
    dump_number(dump, "records", (int64_t)dump->counts.records);
    dump_number(dump, "damaged", (int64_t)dump->counts.damaged);
    dump_end(dump);
}

static int log_dump_run(struct cli *cli)
{
    struct dump dump = {.cli = cli, .to = stdout, .json = cli_out_is_json(cli)};

    arena_init(&dump.scratch, MEM_CLI, 64 * KIB, SCRATCH_BYTES_MAX);
    map_init(&dump.topics, MEM_CLI);
    log_offsets(&dump);
    cli_catch_signals();
    cli_progress_init(&dump.progress, !isatty(STDOUT_FILENO));
    for (int i = 0; i < cli_operand_count(cli); i++) {
        char       *path = cli_text_copy(cli, view_text(cli_operand(cli, i)));
        struct stat facts;
        bool        directory;

        for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--) {
            path[len - 1] = '\0';
        }
        if (stat(path, &facts) != 0) {
            cli_fail(cli, CLI_NOT_FOUND, "%s: %s", path, strerror(errno));
            continue;
        }
        directory = S_ISDIR(facts.st_mode);
        dump.depth = log_depth(cli, directory);
        if (directory) {
            log_directory(&dump, path, 0);
        } else if (!log_file(&dump, path, INT64_MAX)) {
            cli_fail(cli, CLI_USAGE,
                     "%s is no file of a data directory: *.seg, *.idx, *.snp, image.snapshot, journal.ring, checkpoint",
                     path);
            continue;
        }
        cli->good++;
    }
    cli_progress_end(&dump.progress);
    if (cli->good > 0) {
        log_summary(&dump);
    }
    arena_deinit(&dump.scratch);
    map_deinit(&dump.topics);
    return cli->failed == 0 && dump.counts.damaged > 0 ? CLI_DAMAGED : (int)cli_result(cli);
}

static const struct cli_option dump_options[] = {
    {.letter = 'f', .name = "frames", .help = "the frames of segments and journal; entries of indexes and snapshots"},
    {.letter = 'b', .name = "batches", .help = "and the record batches in them; what a single file shows"},
    {.letter = 'r', .name = "records", .help = "and the records; those of internal topics are decoded"},
    {.letter = 't',
     .kind = CLI_TEXT,
     .name = "topic",
     .value = "TOPIC[:PARTITION]",
     .help = "only these logs; may be repeated"},
    {.letter = 'O', .kind = CLI_TEXT, .name = "offset", .value = "FROM:TO", .help = "only what holds these offsets"},
    CLI_OPTIONS_END,
};

const struct cli_command cli_log_commands[] = {
    {.name = "dump",
     .summary = "decode and check the files of a data directory",
     .operands = "DIRECTORY|FILE...",
     .complete = "file",
     .details =
         "Reads segments, indexes, snapshots, journals and checkpoints without a broker and without changing them; "
         "a data\ndirectory, a log's directory or single files. Internal topics and the metadata log are decoded. "
         "Damage is\nreported with file and position, and the exit code is 11. Beside a running broker, the newest "
         "frames may look torn.\n",
     .examples =
         "millrace log dump millrace-data\n"
         "millrace log dump millrace-data -t orders:0 -r -O 100:200\n"
         "millrace log dump millrace-data -t __consumer_offsets -r -o json | jq -c 'select(.kind==\"record\")'\n"
         "millrace log dump millrace-data/shard-0/journal.ring -f\n",
     .options = dump_options,
     .needs = CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = log_dump_run},
    CLI_COMMANDS_END,
};
