/* cli_produce.c: millrace produce: lines, files and messages become records. Idempotent unless told otherwise. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_kafka.h"
#include "tools/cli/cli_topic.h"
#include "tools/cli/cli_unjson.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_BYTES       (64 * KIB)
#define LINE_BYTES_MAX   (1024 * MIB)
#define SETTINGS_MAX     64
#define HEADERS_MAX      64
#define CREATION_TRIES   20
#define CREATION_WAIT_MS 50

const char cli_produce_details[] =
    "Each line of standard input, or of the files, becomes a record; the topic is created if the broker does that.\n"
    "Records are idempotent and acknowledged by all replicas. Ctrl-C sends what has been read and ends.\n";

const struct cli_option cli_produce_options[] = {
    {.letter = 'm',
     .kind = CLI_TEXT,
     .name = "message",
     .value = "TEXT",
     .help = "a value instead of input; may be repeated"},
    {.letter = 'k', .kind = CLI_TEXT, .name = "key", .value = "TEXT", .help = "the key of all records"},
    {.letter = 'K', .kind = CLI_TEXT, .name = "key-delimiter", .value = "TEXT", .help = "a line is KEY, this, VALUE"},
    {.letter = 'D', .kind = CLI_TEXT, .name = "delimiter", .value = "TEXT", .help = "between records instead of \\n"},
    {.letter = 'H',
     .kind = CLI_TEXT,
     .name = "header",
     .value = "NAME=VALUE",
     .help = "may be repeated; NAME alone: null"},
    {.letter = 'p', .kind = CLI_NUMBER, .name = "partition", .value = "N", .help = "default: by key, or any"},
    {.letter = 'z',
     .kind = CLI_TEXT,
     .name = "compress",
     .value = "CODEC",
     .choices = "none|gzip|snappy|lz4|zstd",
     .help = "none, gzip, snappy, lz4 or zstd"},
    {.letter = 'a',
     .kind = CLI_TEXT,
     .name = "acks",
     .value = "all|1|0",
     .choices = "all|-1|1|0",
     .help = "default all"},
    {.letter = 'J', .name = "json", .help = "a line is a record as consume -J prints it, with headers and timestamp"},
    {.letter = 'w', .name = "whole", .help = "the whole input, or each file, is one record"},
    {.letter = 'Z', .name = "empty-null", .help = "empty values and keys are null"},
    {.name = "tombstone", .help = "one record without a value for the key of -k; reads nothing"},
    {.letter = 'T', .name = "tee", .help = "print what is sent on standard output"},
    {.letter = 'v', .name = "verbose", .help = "print partition and offset of each record on standard error"},
    {.kind = CLI_TEXT, .name = "txn", .value = "ID", .help = "everything in one transaction of this transactional id"},
    {.letter = 'X',
     .kind = CLI_TEXT,
     .name = "property",
     .value = "NAME=VALUE",
     .help = "a setting of librdkafka; may be repeated"},
    {.letter = 'q', .name = "quiet", .help = "no progress, no summary"},
    CLI_OPTIONS_END,
};

struct producing {
    struct cli              *cli;
    struct cli_producer     *producer; /* NULL: a dry run */
    const char              *topic;
    int32_t                  partition;
    struct view              key; /* base NULL: none */
    struct view              key_delimiter, delimiter;
    bool                     empty_null, tee, json;
    bool                     wrong; /* the input is: stop */
    struct arena             line;
    struct cli_record_header headers[HEADERS_MAX];
    size_t                   header_count;
    uint64_t                 records, bytes;
    struct cli_progress      progress;
};

/* --- one record -------------------------------------------------------------------------------------------------- */

static void produce_record(struct producing *p, struct cli_record_view *record)
{
    if (p->empty_null && record->value.len == 0) {
        record->value = (struct view){0};
    }
    if (p->empty_null && record->key.len == 0) {
        record->key = (struct view){0};
    }
    p->records++;
    p->bytes += record->key.len + record->value.len;
    if (p->producer != NULL) {
        (void)cli_producer_send(p->producer, p->topic, p->partition, record);
        cli_producer_poll(p->producer);
    }
    if (cli_progress_due(&p->progress)) {
        char size[CLI_VALUE_BYTES];

        cli_format_bytes((int64_t)p->bytes, size);
        cli_progress_show(&p->progress, "%llu records, %s", (unsigned long long)p->records, size);
    }
}

static void produce_send(struct producing *p, struct view key, struct view value)
{
    struct cli_record_view record = {
        .timestamp_ms = -1, .key = key, .value = value, .headers = p->headers, .header_count = p->header_count};

    produce_record(p, &record);
}

/* A line of JSON; -k and -H stand in for what it does not have. */
static void produce_json(struct producing *p, struct view line)
{
    struct cli_record_view record;
    const char            *why = "";

    arena_reset(&p->line);
    if (line.len == 0) {
        return;
    }
    if (!cli_unjson_record(line, &p->line, &record, &why)) {
        cli_fail(p->cli, CLI_USAGE, "record %llu is no JSON as consume -J prints it: %s",
                 (unsigned long long)(p->records + 1), why);
        p->wrong = true;
        return;
    }
    record.key = record.key.base == NULL ? p->key : record.key;
    if (record.header_count == 0) {
        record.headers = p->headers;
        record.header_count = p->header_count;
    }
    produce_record(p, &record);
}

static void produce_line(struct producing *p, struct view line)
{
    const uint8_t *at =
        p->key_delimiter.len == 0 ? NULL : memmem(line.base, line.len, p->key_delimiter.base, p->key_delimiter.len);

    if (p->tee) {
        (void)fwrite(line.base, 1, line.len, stdout);
        (void)fwrite(p->delimiter.base, 1, p->delimiter.len, stdout);
        (void)fflush(stdout);
    }
    if (p->json) {
        produce_json(p, line);
    } else if (at == NULL) {
        produce_send(p, p->key, line);
    } else {
        size_t key_len = (size_t)(at - line.base);

        produce_send(p, view_of(line.base, key_len),
                     view_of(at + p->key_delimiter.len, line.len - key_len - p->key_delimiter.len));
    }
}

/* --- input ------------------------------------------------------------------------------------------------------- */

struct input {
    int         fd;
    const char *name;
    uint8_t    *bytes;
    size_t      begin, end, capacity; /* what has been read and not yet used */
};

/* Reads more; false at the end, or when it is time to stop. */
static bool input_more(struct producing *p, struct input *input)
{
    ssize_t got;

    if (input->begin > 0) {
        memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    if (input->capacity - input->end < READ_BYTES) {
        if (input->capacity >= LINE_BYTES_MAX) {
            cli_die(p->cli, CLI_REFUSED, "%s: a record of more than 1 GiB", input->name);
        }
        input->capacity = MAX(2 * input->capacity, (size_t)(2 * READ_BYTES));
        input->bytes = mem_realloc(MEM_CLI, input->bytes, input->capacity);
    }
    do {
        got = read(input->fd, input->bytes + input->end, READ_BYTES);
    } while (got < 0 && errno == EINTR && cli_stop_asked == 0);
    if (got < 0 && cli_stop_asked == 0) {
        cli_fail(p->cli, CLI_FAILED, "cannot read %s: %s", input->name, strerror(errno));
    }
    input->end += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool produce_stopped(const struct producing *p)
{
    return cli_stop_asked != 0 || p->wrong || (p->producer != NULL && cli_producer_counts(p->producer)->failed > 0);
}

static void produce_lines(struct producing *p, struct input *input)
{
    size_t looked = 0; /* bytes behind `begin` that hold no delimiter */
    bool   more = true;

    while (!produce_stopped(p)) {
        const uint8_t *from = input->bytes + input->begin;
        size_t         left = input->end - input->begin;
        const uint8_t *at =
            left > looked ? memmem(from + looked, left - looked, p->delimiter.base, p->delimiter.len) : NULL;

        if (at != NULL) {
            produce_line(p, view_of(from, (size_t)(at - from)));
            input->begin += (size_t)(at - from) + p->delimiter.len;
            looked = 0;
            continue;
        }
        if (!more) {
            break;
        }
        looked = left >= p->delimiter.len ? left - p->delimiter.len + 1 : 0;
        more = input_more(p, input);
    }
    if (input->end > input->begin && !produce_stopped(p)) {
        produce_line(p, view_of(input->bytes + input->begin, input->end - input->begin));
    }
}

static void produce_input(struct producing *p, struct input *input, bool whole)
{
    if (whole) {
        while (input_more(p, input)) {
        }
        if (!produce_stopped(p)) {
            if (p->tee) {
                (void)fwrite(input->bytes, 1, input->end, stdout);
            }
            produce_send(p, p->key, view_of(input->bytes, input->end));
        }
    } else {
        produce_lines(p, input);
    }
    mem_free(MEM_CLI, input->bytes);
}

static void produce_all(struct producing *p)
{
    struct cli *cli = p->cli;
    bool        whole = cli_flag(cli, "whole");

    if (cli_flag(cli, "tombstone")) {
        produce_send(p, p->key, (struct view){0});
        return;
    }
    for (int i = 0; cli_option_at(cli, "message", i) != NULL; i++) {
        produce_line(p, view_text(cli_option_at(cli, "message", i)));
    }
    for (int i = 1; i < cli_operand_count(cli) && !produce_stopped(p); i++) {
        struct input input = {.name = cli_operand(cli, i), .fd = STDIN_FILENO};

        if (strcmp(input.name, "-") != 0) {
            input.fd = open(input.name, O_RDONLY | O_CLOEXEC);
        }
        if (input.fd < 0) {
            cli_fail(cli, CLI_NOT_FOUND, "cannot read %s: %s", input.name, strerror(errno));
            continue;
        }
        produce_input(p, &input, whole);
        if (input.fd != STDIN_FILENO) {
            (void)close(input.fd);
        }
    }
    if (cli_operand_count(cli) == 1 && !cli_flag(cli, "message")) {
        struct input input = {.name = "standard input", .fd = STDIN_FILENO};

        produce_input(p, &input, whole);
    }
}

/* --- setting up -------------------------------------------------------------------------------------------------- */

static struct view produce_unescaped(struct cli *cli, const char *option, const char *otherwise)
{
    const char *given = cli_option(cli, option);
    char       *text;
    size_t      len = 0;

    if (given == NULL) {
        return otherwise == NULL ? (struct view){0} : view_text(otherwise);
    }
    text = cli_text_copy(cli, view_text(given));
    if (!cli_unescape(text, &len) || len == 0) {
        cli_die(cli, CLI_USAGE, "--%s takes some bytes, as ':' or '\\t' or '\\x1f', not '%s'", option, given);
    }
    return view_of(text, len);
}

static void produce_headers(struct producing *p)
{
    for (int i = 0; cli_option_at(p->cli, "header", i) != NULL; i++) {
        const char *text = cli_option_at(p->cli, "header", i);
        const char *equals = strchr(text, '=');

        if (p->header_count == HEADERS_MAX || equals == text || text[0] == '\0') {
            cli_die(p->cli, CLI_USAGE, "'%s': NAME=VALUE is wanted, %d times at most", text, HEADERS_MAX);
        }
        p->headers[p->header_count++] =
            (struct cli_record_header){.name = view_of(text, equals == NULL ? strlen(text) : (size_t)(equals - text)),
                                       .value = equals == NULL ? (struct view){0} : view_text(equals + 1)};
    }
}

static size_t produce_settings(struct cli *cli, struct cli_setting settings[SETTINGS_MAX])
{
    const char *acks = cli_option(cli, "acks");
    const char *codec = cli_option(cli, "compress");
    bool        all = acks == NULL || strcmp(acks, "all") == 0 || strcmp(acks, "-1") == 0;
    size_t      count = 0;

    settings[count++] = (struct cli_setting){"client.id", "millrace-cli"};
    settings[count++] = (struct cli_setting){"enable.idempotence", all ? "true" : "false"};
    settings[count++] = (struct cli_setting){"acks", acks == NULL ? "all" : acks};
    settings[count++] = (struct cli_setting){"compression.codec", codec == NULL ? "none" : codec};
    settings[count++] =
        (struct cli_setting){"message.timeout.ms", cli_format(cli, "%lld", (long long)cli_timeout_ms(cli))};
    if (cli_option(cli, "txn") != NULL) {
        settings[count++] = (struct cli_setting){"transactional.id", cli_option(cli, "txn")};
        settings[count++] = (struct cli_setting){"transaction.timeout.ms",
                                                 cli_format(cli, "%lld", (long long)MAX(cli_timeout_ms(cli), 60000))};
    }
    for (int i = 0; cli_option_at(cli, "property", i) != NULL && count < SETTINGS_MAX; i++) {
        struct view name, value;

        cli_split_setting(cli, cli_option_at(cli, "property", i), &name, &value);
        settings[count++] = (struct cli_setting){(const char *)name.base, (const char *)value.base};
    }
    return count;
}

/* The topic must be there, or be made by asking for it; its errors are clearer here than from a producer's queue. */
static void produce_check_topic(struct producing *p, bool create)
{
    struct kp_metadata_request        *request = CLI_NEW(p->cli, kp_metadata_request, kp_metadata_request_init);
    const struct kp_metadata_response *response = NULL;
    int16_t                            code = KP_ERR_NONE;

    request->topics = cli_alloc(p->cli, sizeof(*request->topics));
    request->topics_count = 1;
    kp_metadata_request_topics_init(request->topics);
    request->topics->name = view_text(p->topic);
    request->allow_auto_topic_creation = create;
    for (int i = 0; i < CREATION_TRIES; i++) {
        response = cli_call(p->cli, CLI_NODE_ANY, KP_METADATA_KEY, request);
        code = response->topics_count > 0 ? response->topics->error_code : (int16_t)KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        if (code == KP_ERR_NONE || !kp_error_is_retriable(code) || !create) {
            break;
        }
        cli_sleep_ms(CREATION_WAIT_MS);
    }
    if (code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        cli_die(p->cli, CLI_NOT_FOUND, "there is no topic '%s'%s: millrace topic create %s", p->topic,
                create ? " and the broker does not create it" : "", p->topic);
    }
    if (code != KP_ERR_NONE) {
        cli_die_kafka(p->cli, code, (struct view){0}, cli_format(p->cli, "cannot write to '%s'", p->topic));
    }
    if (p->partition >= response->topics->partitions_count) {
        cli_die(p->cli, CLI_NOT_FOUND, "topic '%s' has no partition %d; it has %d", p->topic, p->partition,
                response->topics->partitions_count);
    }
}

static void produce_shown(const char *topic, int32_t partition, int64_t offset)
{
    (void)fprintf(stderr, "%s [%d] %lld\n", topic, partition, (long long)offset);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static int produce_finish(struct producing *p)
{
    struct cli              *cli = p->cli;
    const struct cli_counts *counts = cli_producer_counts(p->producer);
    int                      wait_ms = (int)MIN(cli_timeout_ms(cli), INT32_MAX);
    const char              *why = NULL;
    bool                     txn = cli_option(cli, "txn") != NULL;

    cli_producer_flush(p->producer, wait_ms);
    if (txn && (counts->failed > 0 || cli->failed > 0 || cli_stop_asked != 0)) {
        (void)cli_producer_abort(p->producer, wait_ms);
        cli_fail(cli, CLI_REFUSED, "the transaction was aborted");
    } else if (txn) {
        why = cli_producer_commit(p->producer, wait_ms);
        if (why != NULL) {
            cli_fail(cli, CLI_REFUSED, "the transaction was not committed: %s", why);
        }
    }
    cli_progress_end(&p->progress);
    if (counts->failed > 0) {
        enum cli_exit code = counts->error > 0 ? cli_exit_of(counts->error) : CLI_TIMEOUT;

        cli_fail(cli, code, "%llu of %llu records were not written: %s", (unsigned long long)counts->failed,
                 (unsigned long long)counts->sent, counts->why);
    }
    cli->good += !txn && counts->delivered > 0;
    if (!cli_flag(cli, "quiet") && counts->failed == 0 && isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "%llu records written to %s\n", (unsigned long long)counts->delivered, p->topic);
    }
    cli_producer_close(p->producer);
    return (int)cli_result(cli);
}

int cli_produce_run(struct cli *cli)
{
    struct producing   p = {.cli = cli,
                            .topic = cli_operand(cli, 0),
                            .partition = (int32_t)MIN(cli_number(cli, "partition", -1), INT32_MAX),
                            .key_delimiter = produce_unescaped(cli, "key-delimiter", NULL),
                            .delimiter = produce_unescaped(cli, "delimiter", "\n"),
                            .empty_null = cli_flag(cli, "empty-null"),
                            .tee = cli_flag(cli, "tee"),
                            .json = cli_flag(cli, "json")};
    struct cli_setting settings[SETTINGS_MAX];
    size_t             setting_count = produce_settings(cli, settings);
    bool               dry = cli_flag(cli, "dry-run");

    if (cli_option(cli, "key") != NULL) {
        p.key = view_text(cli_option(cli, "key"));
    }
    if (cli_flag(cli, "tombstone") && p.key.base == NULL) {
        cli_die(cli, CLI_USAGE, "--tombstone needs the key: -k KEY");
    }
    if (p.json && (cli_flag(cli, "whole") || p.key_delimiter.len > 0)) {
        cli_die(cli, CLI_USAGE, "-J says where key and value are: neither -K nor -w");
    }
    arena_init(&p.line, MEM_CLI, 64 * KIB, 2 * LINE_BYTES_MAX);
    produce_headers(&p);
    produce_check_topic(&p, !dry);
    cli_progress_init(&p.progress, !cli_flag(cli, "quiet") && !isatty(STDIN_FILENO));
    cli_catch_signals();
    if (dry) {
        produce_all(&p);
        cli_progress_end(&p.progress);
        (void)printf("%llu records of %llu bytes would be written to %s\n", (unsigned long long)p.records,
                     (unsigned long long)p.bytes, p.topic);
        arena_deinit(&p.line);
        return (int)cli_result(cli);
    }
    p.producer = cli_producer_open(cli, settings, setting_count);
    if (cli_flag(cli, "verbose")) {
        cli_producer_tell(p.producer, produce_shown);
    }
    if (cli_option(cli, "txn") != NULL) {
        const char *why = cli_producer_begin(p.producer, (int)MIN(cli_timeout_ms(cli), INT32_MAX));

        if (why != NULL) {
            cli_die(cli, CLI_REFUSED, "cannot begin a transaction: %s", why);
        }
    }
    produce_all(&p);
    arena_deinit(&p.line);
    return produce_finish(&p);
}
