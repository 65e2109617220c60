/* cli_consume.c: millrace consume: kcat's consumer with positions that are resolved before reading begins. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_kafka.h"
#include "tools/cli/cli_topic.h"

#include <errno.h>
#include <unistd.h>

#define POLL_MS      100
#define SETTINGS_MAX 64

const char cli_consume_details[] =
    "Reads from the beginning and then waits for more; -e ends where the log ends now. -o json prints one object a "
    "line.\n"
    "\n"
    "offsets (-O): beginning, end, 1234, -10 (ten before the end), +10, @TIME, s@TIME; and where to stop: e@TIME, or\n"
    "              FROM:TO with any of them, as :end, @-2h:@-1h, 100:200\n"
    "times:        2026-11-21, 2026-11-21T16:00[:30[.125]][Z|+02:00], -2h, -7d, seconds or milliseconds since 1970\n"
    "template (-f): %s value, %k key, %t topic, %p partition, %o offset, %T timestamp, %d date, %h headers, %S %K "
    "bytes\n"
    "              of value and key (-1: null), %R the same in 4 bytes, %%; {hex} {base64} {json} behind %s and %k;\n"
    "              \\n \\t \\r \\0 \\\\ \\xHH\n";

const struct cli_option cli_consume_options[] = {
    {.letter = 'e', .name = "exit", .help = "end when the end of all partitions is reached"},
    {.letter = 'c', .kind = CLI_NUMBER, .name = "count", .value = "N", .help = "end after N records"},
    {.letter = 'O',
     .kind = CLI_TEXT,
     .name = "offset",
     .value = "OFFSET",
     .help = "where to begin and end; may be repeated"},
    {.letter = 'p', .kind = CLI_TEXT, .name = "partitions", .value = "LIST", .help = "as 0,2,5-7; default: all"},
    {.letter = 'f', .kind = CLI_TEXT, .name = "format", .value = "TEMPLATE", .help = "default '%s\\n'"},
    {.letter = 'J', .name = "json", .help = "short for -o json"},
    {.letter = 'K', .kind = CLI_TEXT, .name = "key-delimiter", .value = "TEXT", .help = "print the key and this first"},
    {.letter = 'D',
     .kind = CLI_TEXT,
     .name = "delimiter",
     .value = "TEXT",
     .help = "behind each record instead of \\n"},
    {.letter = 'H', .name = "headers", .help = "print headers first"},
    {.letter = 'Z',
     .kind = CLI_TEXT,
     .name = "null",
     .value = "TEXT",
     .help = "for null keys and values; default: nothing"},
    {.letter = 'g',
     .kind = CLI_TEXT,
     .name = "group",
     .value = "GROUP",
     .complete = "group",
     .help = "as a member of a group, which keeps the position"},
    {.letter = 'u', .name = "uncommitted", .help = "also records of open and aborted transactions"},
    {.letter = 'X',
     .kind = CLI_TEXT,
     .name = "property",
     .value = "NAME=VALUE",
     .help = "a setting of librdkafka; may be repeated"},
    {.letter = 'q', .name = "quiet", .help = "no progress, no notes"},
    CLI_OPTIONS_END,
};

/* One partition that is being read. */
struct reading {
    struct cli_place place;
    int64_t          from, to; /* to: exclusive; INT64_MAX: no end */
    int64_t          begin;    /* where the log is read from */
    bool             ended;
};

struct consuming {
    struct cli          *cli;
    struct cli_consumer *consumer;
    struct cli_template *template_;
    struct reading      *readings;
    size_t               reading_count, reading_last, open_count;
    struct cli_interval  interval;
    bool                 grouped, exit_at_end, json, down;
    int64_t              count_max, count;
    uint64_t             bytes;
    struct cli_progress  progress;
    int                  result;
};

/* --- setting up -------------------------------------------------------------------------------------------------- */

static size_t consume_settings(struct cli *cli, struct cli_setting settings[SETTINGS_MAX])
{
    size_t count = 0;

    settings[count++] = (struct cli_setting){"client.id", "millrace-cli"};
    settings[count++] =
        (struct cli_setting){"isolation.level", cli_flag(cli, "uncommitted") ? "read_uncommitted" : "read_committed"};
    settings[count++] = (struct cli_setting){"auto.offset.reset", "earliest"};
    for (int i = 0; cli_option_at(cli, "property", i) != NULL && count < SETTINGS_MAX; i++) {
        struct view name, value;

        cli_split_setting(cli, cli_option_at(cli, "property", i), &name, &value);
        settings[count++] = (struct cli_setting){(const char *)name.base, (const char *)value.base};
    }
    return count;
}

static struct cli_template *consume_template(struct cli *cli)
{
    const char          *given = cli_option(cli, "format");
    const char          *delimiter = cli_option(cli, "delimiter");
    const char          *key = cli_option(cli, "key-delimiter");
    const char          *why = "";
    const char          *text = given;
    struct cli_template *out;

    if (given != NULL && (delimiter != NULL || key != NULL || cli_flag(cli, "headers"))) {
        cli_die(cli, CLI_USAGE, "-f says all that -K, -D and -H say: one or the other");
    }
    if (given == NULL) {
        text = cli_format(cli, "%s%s%s%%s%s", cli_flag(cli, "headers") ? "%h\\t" : "", key == NULL ? "" : "%k",
                          key == NULL ? "" : key, delimiter == NULL ? "\\n" : delimiter);
    }
    out = cli_template_parse(cli, text, cli_option(cli, "null"), &why);
    if (out == NULL) {
        cli_die(cli, CLI_USAGE, "template '%s': %s", text, why);
    }
    return out;
}

static void consume_intervals(struct consuming *c)
{
    for (int i = 0; cli_option_at(c->cli, "offset", i) != NULL; i++) {
        const char *text = cli_option_at(c->cli, "offset", i);

        if (!cli_parse_interval(text, cli_now_ms(), &c->interval)) {
            cli_die(c->cli, CLI_USAGE, "'%s' is no offset: beginning, end, 1234, -10, +10, @TIME or FROM:TO", text);
        }
    }
    if (c->interval.from.kind == CLI_AT_NONE) {
        c->interval.from.kind = CLI_AT_BEGINNING;
    }
}

/* An offset that people named may lie outside the log: reading begins where there is something, and records below it
 * are passed over. Asked beyond the end, a broker would answer OFFSET_OUT_OF_RANGE and the library begin anew. */
static void consume_clamp(struct consuming *c, struct cli_place *places)
{
    if (c->interval.from.kind != CLI_AT_OFFSET && c->interval.from.kind != CLI_AT_AFTER_BEGINNING) {
        return;
    }
    cli_resolve(c->cli, &(struct cli_position){.kind = CLI_AT_BEGINNING}, places, c->reading_count);
    for (size_t i = 0; i < c->reading_count; i++) {
        c->readings[i].begin = MAX(c->readings[i].from, places[i].offset);
    }
    cli_resolve(c->cli, &(struct cli_position){.kind = CLI_AT_END}, places, c->reading_count);
    for (size_t i = 0; i < c->reading_count; i++) {
        c->readings[i].begin = MIN(c->readings[i].begin, places[i].offset);
    }
}

/* Without a group: every partition gets numbers for its begin and end. */
static void consume_resolve(struct consuming *c)
{
    struct cli        *cli = c->cli;
    int                topic_count = 0;
    const char *const *topics = cli_topic_operands(cli, &topic_count);
    struct cli_place  *places = cli_places(cli, topics, topic_count, cli_option(cli, "partitions"), &c->reading_count);
    size_t             count = c->reading_count;

    if (cli->failed > 0) {
        return;
    }
    c->readings = cli_alloc_array(cli, count + 1, sizeof(*c->readings));
    cli_resolve(cli, &c->interval.from, places, count);
    for (size_t i = 0; i < count; i++) {
        c->readings[i] = (struct reading){.place = places[i], .from = places[i].offset, .to = INT64_MAX};
        c->readings[i].begin = places[i].offset;
    }
    consume_clamp(c, places);
    if (c->interval.to.kind != CLI_AT_NONE) {
        cli_resolve(cli, &c->interval.to, places, count);
        for (size_t i = 0; i < count; i++) {
            c->readings[i].to = places[i].offset;
        }
    }
    c->open_count = 0;
    for (size_t i = 0; i < count; i++) {
        c->readings[i].ended = c->readings[i].from >= c->readings[i].to;
        c->open_count += !c->readings[i].ended;
    }
}

static void consume_group_topics(struct consuming *c)
{
    struct cli        *cli = c->cli;
    int                topic_count = 0;
    const char *const *topics = cli_operands(cli, 0, &topic_count);

    if (cli_option(cli, "partitions") != NULL || c->interval.to.kind != CLI_AT_NONE) {
        cli_die(cli, CLI_USAGE, "a group divides partitions and keeps offsets itself: -g excludes -p and ends of -O");
    }
    if (c->interval.from.kind != CLI_AT_BEGINNING && c->interval.from.kind != CLI_AT_END) {
        cli_die(cli, CLI_USAGE,
                "with -g, -O says where a new group begins: beginning or end; others: millrace group seek");
    }
    for (int i = 0; i < topic_count; i++) {
        const struct kp_metadata_response *response;

        if (topics[i][0] == '^') {
            continue; /* a pattern */
        }
        response = cli_topics(cli, &topics[i], 1);
        if (response->topics_count > 0 && response->topics->error_code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
            cli_topic_fail(cli, "read", view_text(topics[i]), response->topics->error_code, (struct view){0});
        }
    }
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Records of a partition come in runs: look where the last one was first. */
static struct reading *consume_find(struct consuming *c, struct view topic, int32_t partition)
{
    for (size_t i = 0; i < c->reading_count; i++) {
        size_t          at = (c->reading_last + i) % c->reading_count;
        struct reading *reading = &c->readings[at];

        if (reading->place.partition == partition && view_equal(view_text(reading->place.topic), topic)) {
            c->reading_last = at;
            return reading;
        }
    }
    return NULL;
}

/* With a group, partitions come and go: those that have reached their end are remembered as they report it. */
static void consume_end(struct consuming *c, const struct cli_record_view *record)
{
    struct reading *reading = consume_find(c, record->topic, record->partition);

    if (reading == NULL) {
        struct reading *grown = cli_alloc_array(c->cli, c->reading_count + 1, sizeof(*grown));

        if (c->reading_count > 0) {
            memcpy(grown, c->readings, c->reading_count * sizeof(*grown));
        }
        c->readings = grown;
        reading = &grown[c->reading_count++];
        reading->place.topic = cli_text_copy(c->cli, record->topic);
        reading->place.partition = record->partition;
        reading->to = INT64_MAX;
        c->open_count++;
    }
    if (!reading->ended && (c->exit_at_end || record->offset >= reading->to)) {
        reading->ended = true;
        c->open_count--;
    }
}

static void consume_record(struct consuming *c, const struct cli_record_view *record)
{
    struct reading *reading = consume_find(c, record->topic, record->partition);

    if (c->grouped && reading != NULL && reading->ended) { /* there is more behind what was its end */
        reading->ended = false;
        c->open_count++;
    }
    if (reading != NULL && record->offset < reading->from) {
        return;
    }
    if (reading != NULL && record->offset >= reading->to) {
        c->open_count -= !reading->ended;
        reading->ended = true;
        return;
    }
    if (c->json) {
        cli_record_json(record, stdout);
    } else {
        cli_template_print(c->template_, record, stdout);
    }
    c->count++;
    c->bytes += record->key.len + record->value.len;
    if (reading != NULL && record->offset + 1 >= reading->to && !reading->ended) {
        reading->ended = true;
        c->open_count--;
    }
    cli_consumer_done(c->consumer);
    if (cli_progress_due(&c->progress)) {
        char size[CLI_VALUE_BYTES];

        cli_format_bytes((int64_t)c->bytes, size);
        cli_progress_show(&c->progress, "%lld records, %s", (long long)c->count, size);
    }
}

/* A group's partitions may be many or none of them ours: all that are must have said that they are at their end. */
static bool consume_group_ended(const struct consuming *c)
{
    size_t assigned = (size_t)cli_consumer_assigned(c->consumer);

    return c->exit_at_end && assigned > 0 && c->open_count == 0 && c->reading_count >= assigned;
}

static bool consume_go_on(const struct consuming *c)
{
    if (cli_stop_asked != 0 || ferror(stdout) || c->result != CLI_DONE) {
        return false;
    }
    if (c->count_max >= 0 && c->count >= c->count_max) {
        return false;
    }
    return c->grouped ? !consume_group_ended(c) : c->open_count > 0;
}

static void consume_failed(struct consuming *c, const char *why, bool fatal)
{
    if (fatal) {
        cli_say(c->cli, "%s", why);
        c->result = CLI_REFUSED;
    } else if (!cli_flag(c->cli, "quiet")) {
        cli_say(c->cli, "%s; trying on", why);
    }
}

/* With -e somebody waits for an end that may not come; without, this is one more wait. Said once an outage. */
static void consume_down(struct consuming *c)
{
    if (c->exit_at_end || c->count_max >= 0) {
        cli_say(c->cli, "no broker at %s can be reached any more", cli_brokers(c->cli));
        c->result = CLI_UNREACHABLE;
    } else if (!c->down && !cli_flag(c->cli, "quiet")) {
        cli_say(c->cli, "no broker at %s can be reached; trying on", cli_brokers(c->cli));
    }
    c->down = true;
}

static void consume_loop(struct consuming *c)
{
    struct cli_record_view record;
    const char            *why = "";
    bool                   fatal = false;

    while (consume_go_on(c)) {
        enum cli_polled polled = cli_consumer_poll(c->consumer, 0, &record, &why, &fatal);

        if (polled == CLI_POLLED_NOTHING) { /* what was read is shown before we wait */
            (void)fflush(stdout);
            polled = cli_consumer_poll(c->consumer, POLL_MS, &record, &why, &fatal);
        }
        if (polled == CLI_POLLED_RECORD) {
            c->down = false;
            consume_record(c, &record);
        } else if (polled == CLI_POLLED_END) {
            consume_end(c, &record);
        } else if (polled == CLI_POLLED_ERROR) {
            consume_failed(c, why, fatal);
        } else if (polled == CLI_POLLED_DOWN) {
            consume_down(c);
        }
    }
}

int cli_consume_run(struct cli *cli)
{
    const char        *group = cli_option(cli, "group");
    struct consuming   c = {.cli = cli,
                            .template_ = consume_template(cli),
                            .grouped = group != NULL,
                            .exit_at_end = cli_flag(cli, "exit"),
                            .json = cli_out_is_json(cli) || cli_flag(cli, "json"),
                            .count_max = cli_number(cli, "count", -1),
                            .result = CLI_DONE};
    struct cli_setting settings[SETTINGS_MAX];
    size_t             setting_count = consume_settings(cli, settings);
    int                topic_count = 0;

    consume_intervals(&c);
    if (group == NULL) {
        consume_resolve(&c);
    } else {
        consume_group_topics(&c);
    }
    if (cli->failed > 0) {
        return (int)cli_result(cli);
    }
    if (group != NULL && c.interval.from.kind == CLI_AT_END) {
        settings[2].value = "latest";
    }
    cli_progress_init(&c.progress, !cli_flag(cli, "quiet") && !isatty(STDOUT_FILENO));
    c.consumer = cli_consumer_open(cli, group, settings, setting_count);
    cli_catch_signals();
    for (size_t i = 0; group == NULL && i < c.reading_count; i++) {
        if (!c.readings[i].ended) {
            cli_consumer_add(cli, c.consumer, c.readings[i].place.topic, c.readings[i].place.partition,
                             c.readings[i].begin);
        }
    }
    if (group != NULL) {
        const char *const *topics = cli_operands(cli, 0, &topic_count);

        cli_consumer_subscribe(cli, c.consumer, topics, topic_count);
    }
    consume_loop(&c);
    cli_progress_end(&c.progress);
    (void)fflush(stdout);
    cli_consumer_close(c.consumer);
    return c.result;
}
