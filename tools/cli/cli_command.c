/* cli_command.c: the tree's top, looking up, and help. */
#include "tools/cli/cli_command.h"

#include "net/broker/broker_main.h"
#include "tools/cli/cli_client.h"

#define HELP_COLUMN 30

static const struct cli_option common_brokers[] = {
    {.letter = 'b',
     .kind = CLI_TEXT,
     .name = "brokers",
     .value = "HOST:PORT,...",
     .help = "where to begin; default $MILLRACE_BROKERS or " CLI_BROKERS_DEFAULT},
    {.kind = CLI_TEXT, .name = "bootstrap-server", .value = "HOST:PORT,..."}, /* Kafka's name for it */
    {.kind = CLI_DURATION, .name = "timeout", .value = "TIME", .help = "for everything together; default 30s"},
};
static const struct cli_option common_output = {.letter = 'o',
                                                .kind = CLI_TEXT,
                                                .name = "output",
                                                .value = "table|json",
                                                .choices = "table|json",
                                                .help = "for people or for programs; default table"};
static const struct cli_option common_dry_run = {
    .letter = 'n', .name = "dry-run", .help = "say what would happen and change nothing"};
static const struct cli_option common_help = {.letter = 'h', .name = "help", .help = "this text"};

static const char start_options_text[] = "options:\n"
                                         "  --config FILE     settings from a Java properties file, by Kafka's names\n"
                                         "  --set KEY=VALUE   one setting; stronger than the file; may be repeated\n"
                                         "\n"
                                         "environment:\n"
                                         "  MILLRACE_URING_DISABLE   io_uring features not to use, as a bit mask "
                                         "(io/uring/uring.h); for tests\n";

static int cli_reference_run(int word_count, char **words);

static const struct cli_command root_commands[] = {
    {.name = "start",
     .summary = "start a broker; without options: loopback only, data in ./millrace-data",
     .operands = "[--config FILE] [--set KEY=VALUE]...",
     .details = start_options_text,
     .examples = "millrace start\n"
                 "millrace start --config server.properties --set log.dirs=/var/lib/millrace\n"
                 "millrace start --set listeners=PLAINTEXT://:9092 --set "
                 "advertised.listeners=PLAINTEXT://db1.example:9092\n",
     .needs = CLI_RAW,
     .run_raw = broker_main_start},
    {.name = "topic",
     .alias = "t",
     .summary = "create, list, describe, offsets, alter, delete, add-partitions, trim",
     .children = cli_topic_commands},
    {.name = "produce",
     .alias = "p",
     .summary = "write records from standard input or files",
     .operands = "TOPIC [FILE...]",
     .complete = "topic",
     .details = cli_produce_details,
     .examples = "echo 'hello, mill' | millrace produce wheel\n"
                 "millrace produce orders -K: -z zstd < orders.txt\n"
                 "millrace produce wheel -m 'hello, mill'\n"
                 "millrace produce pictures -k logo -w logo.png\n"
                 "millrace produce users -k u17 --tombstone\n"
                 "tail -f app.log | millrace produce logs -T | grep ERROR\n",
     .options = cli_produce_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_DRY_RUN,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_produce_run},
    {.name = "consume",
     .alias = "c",
     .summary = "read records, as lines, templates or JSON",
     .operands = "TOPIC...",
     .complete = "topic",
     .details = cli_consume_details,
     .examples = "millrace consume wheel                        # all there is, then what comes\n"
                 "millrace consume wheel -e                     # all there is, then end\n"
                 "millrace consume wheel -O -10 -e              # the last ten of each partition\n"
                 "millrace consume wheel -O @-1h -f '%T %k=%s\\n'\n"
                 "millrace consume wheel -g clerks              # as a member of a group\n"
                 "millrace consume wheel -e -o json | jq .value\n",
     .options = cli_consume_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_consume_run},
    {.name = "group", .alias = "g", .summary = "list, describe, delete, seek", .children = cli_group_commands},
    {.name = "config",
     .summary = "get and set settings of topics, brokers and groups; alone: those of this machine's broker",
     .operands = "[--all] [--json] [--reference] [--config FILE] [--set KEY=VALUE]...",
     .details = "Without a command: the settings that `millrace start` with the same options would use, and where each "
                "comes\nfrom.\n"
                "  --all             those at their default, too\n"
                "  --json            as JSON\n"
                "  --reference       every setting with type, default and meaning, as Markdown\n"
                "  --config FILE, --set KEY=VALUE   as for start\n",
     .examples = "millrace config --set millrace.shards=2 --all\n"
                 "millrace config get topic orders\n"
                 "millrace config set topic orders retention.ms=7d\n",
     .needs = CLI_RAW,
     .children = cli_config_commands,
     .run_raw = broker_main_config},
    {.name = "cluster",
     .summary = "brokers, controller, features and log directories",
     .examples = "millrace cluster\nmillrace cluster -b db1:9092 -o json | jq -r '.brokers[].host'\n",
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .run = cli_cluster_run},
    {.name = "doctor",
     .summary = "what of this machine is in a broker's way, and how to lift it",
     .details = cli_doctor_details,
     .examples =
         "millrace doctor\nmillrace doctor --dir /var/lib/millrace -o json | jq '.[] | select(.state != \"good\")'\n",
     .options = cli_doctor_options,
     .needs = CLI_NEEDS_OUTPUT,
     .run = cli_doctor_run},
    {.name = "txn", .summary = "list, describe, abort transactions", .children = cli_txn_commands},
    {.name = "log", .summary = "dump a data directory, without a broker", .children = cli_log_commands},
    {.name = "sql",
     .summary = "Flink SQL: jobs and queries at a broker, or over files without one",
     .operands = "[--local]",
     .details = cli_sql_details,
     .examples = "millrace sql                                   # interactive\n"
                 "millrace sql -f job.sql\n"
                 "millrace sql -e \"SHOW JOBS\" -o json\n"
                 "millrace sql --server http://db1:8083 -e \"SELECT * FROM orders\" | head\n"
                 "millrace sql --local -e \"SELECT 1 + 1 AS two\"\n"
                 "millrace sql --local -f report.sql --input orders=orders.jsonl\n"
                 "millrace sql --local -f report.sql -i orders=0.jsonl -i orders=1.jsonl.gz -w 2 -o json | jq .total\n"
                 "millrace sql --local -f tables.sql -e \"SELECT COUNT(*) AS n FROM bid\" -i nexmark=events.jsonl -s\n"
                 "tail -f app.log | millrace sql --local -f errors.sql -i log=- -o changelog\n"
                 "millrace sql --local -f report.sql --explain\n",
     .options = cli_sql_options,
     .run = cli_sql_run},
    {.name = "bench",
     .summary = "load for any Kafka broker: throughput, latency, readers beside writers",
     .children = cli_bench_commands},
    {.name = "nexmark",
     .summary = "events of the Nexmark benchmark, reproducible to the byte",
     .operands = "--events N",
     .details = cli_nexmark_details,
     .examples = "millrace nexmark --events 1000 | head -3\n"
                 "millrace nexmark --events 10000000 --output nexmark.jsonl\n"
                 "millrace nexmark --events 300000 --rate 3000 --seed 7 | millrace produce nexmark\n"
                 "millrace nexmark --events 1000000 --partitions 4 --output nexmark.jsonl   # .0 to .3\n",
     .options = cli_nexmark_options,
     .run = cli_nexmark_run},
    {.name = "completion", .summary = "completion for bash and zsh", .children = cli_completion_commands},
    {.name = "reference", .needs = CLI_RAW, .run_raw = cli_reference_run}, /* docs/generated/cli.md */
    {.name = "version", .summary = "print the version", .needs = CLI_RAW, .run_raw = broker_main_version},
    CLI_COMMANDS_END,
};

const struct cli_command cli_root = {
    .summary = "millrace: a Kafka-protocol broker on io_uring, and a client for any Kafka broker",
    .children = root_commands,
};

/* --- looking up -------------------------------------------------------------------------------------------------- */

const struct cli_command *cli_command_find(const struct cli_command *among, const char *word, bool *out_many)
{
    const struct cli_command *found = NULL;
    size_t                    len = strlen(word);

    *out_many = false;
    for (const struct cli_command *at = among; at->name != NULL; at++) {
        if (strcmp(at->name, word) == 0 || (at->alias != NULL && strcmp(at->alias, word) == 0)) {
            *out_many = false;
            return at;
        }
        if (len > 0 && strncmp(at->name, word, len) == 0) {
            *out_many = found != NULL;
            found = at;
        }
    }
    return *out_many ? NULL : found;
}

const struct cli_option *cli_command_option(const struct cli_command *command, int index)
{
    if (command->options != NULL) {
        const struct cli_option *at = command->options;

        for (; at->name != NULL && index > 0; index--) {
            at++;
        }
        if (at->name != NULL) {
            return at;
        }
    }
    if ((command->needs & CLI_NEEDS_DRY_RUN) != 0 && index-- == 0) {
        return &common_dry_run;
    }
    if ((command->needs & CLI_NEEDS_OUTPUT) != 0 && index-- == 0) {
        return &common_output;
    }
    if ((command->needs & CLI_NEEDS_BROKERS) != 0) {
        if (index < (int)COUNT_OF(common_brokers)) {
            return &common_brokers[index];
        }
        index -= (int)COUNT_OF(common_brokers);
    }
    return index == 0 ? &common_help : NULL;
}

/* --- help -------------------------------------------------------------------------------------------------------- */

static void cli_help_lines(FILE *to, const char *text, const char *indent)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        (void)fprintf(to, "%s%.*s\n", len > 0 ? indent : "", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void cli_help_option(FILE *to, const struct cli_option *option)
{
    char   left[64];
    size_t used = 0;

    if (option->help == NULL) {
        return; /* known, but not praised */
    }
    if (option->letter != 0) {
        used = (size_t)snprintf(left, sizeof(left), "  -%c, --%s", option->letter, option->name);
    } else {
        used = (size_t)snprintf(left, sizeof(left), "      --%s", option->name);
    }
    if (option->kind != CLI_FLAG) {
        (void)snprintf(left + used, sizeof(left) - used, " %s", option->value);
    }
    (void)fprintf(to, "%-*s%s%s\n", HELP_COLUMN, left, strlen(left) >= HELP_COLUMN ? "  " : "", option->help);
}

static void cli_help_children(FILE *to, const struct cli_command *children)
{
    (void)fputs("commands:\n", to);
    for (const struct cli_command *at = children; at->name != NULL; at++) {
        char name[32];

        if (at->summary != NULL) {
            (void)snprintf(name, sizeof(name), "%s%s%s", at->name, at->alias == NULL ? "" : ", ",
                           at->alias == NULL ? "" : at->alias);
            (void)fprintf(to, "  %-21s%s\n", name, at->summary);
        }
    }
    (void)fputs("\n", to);
}

static const char root_end_text[] =
    "Each command has --help with examples. Commands may be cut where they stay unique: millrace t desc orders.\n"
    "\n"
    "examples:\n"
    "  millrace start\n"
    "  millrace topic create wheel -p 6\n"
    "  echo 'hello, mill' | millrace produce wheel\n"
    "  millrace consume wheel -e\n"
    "\n"
    "environment:\n"
    "  MILLRACE_BROKERS   where the brokers are, for all commands but start and log\n"
    "  NO_COLOR           no colours on a terminal\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 io_uring cannot be used, 4 the data directory or a\n"
    "            listener cannot be used, 5 some of several things failed, 6 not found, 7 exists already, 8 refused "
    "by\n"
    "            the broker, 9 no broker reached, 10 timed out, 11 damaged data found\n";

void cli_help(FILE *to, const struct cli_command *command, const char *path)
{
    if (command == &cli_root) {
        (void)fprintf(to, "%s\n\nusage: millrace COMMAND [options]\n\n", command->summary);
        cli_help_children(to, command->children);
        (void)fputs(root_end_text, to);
        return;
    }
    (void)fprintf(to, "millrace %s: %s\n\n", path, command->summary);
    if (command->children == NULL || command->operands != NULL) {
        (void)fprintf(to, "usage: millrace %s%s%s%s\n\n", path, command->operands == NULL ? "" : " ",
                      command->operands == NULL ? "" : command->operands,
                      (command->needs & CLI_RAW) != 0 ? "" : " [options]");
    } else {
        (void)fprintf(to, "usage: millrace %s COMMAND [options]\n\n", path);
    }
    if (command->details != NULL) {
        cli_help_lines(to, command->details, "");
        (void)fputs("\n", to);
    }
    if (command->children != NULL) {
        cli_help_children(to, command->children);
    }
    if ((command->needs & CLI_RAW) == 0 && command->run != NULL) {
        (void)fputs("options:\n", to);
        for (int i = 0; cli_command_option(command, i) != NULL; i++) {
            cli_help_option(to, cli_command_option(command, i));
        }
        (void)fputs("\n", to);
    }
    if (command->examples != NULL) {
        (void)fputs("examples:\n", to);
        cli_help_lines(to, command->examples, "  ");
    }
}

/* --- the page ---------------------------------------------------------------------------------------------------- */

static void reference_command(const struct cli_command *command, const char *path)
{
    (void)printf("\n## millrace %s\n\n```\n", path);
    cli_help(stdout, command, path);
    (void)printf("```\n");
}

/* All help texts as Markdown. */
static int cli_reference_run(int word_count, char **words)
{
    char path[64];

    (void)word_count;
    (void)words;
    (void)printf("# Commands\n\nMade by `millrace reference` from the tables of tools/cli. "
                 "[docs/cli](../cli/README.md) has the rest.\n\n```\n");
    cli_help(stdout, &cli_root, "");
    (void)printf("```\n");
    for (const struct cli_command *at = root_commands; at->name != NULL; at++) {
        if (at->summary == NULL || at->run_raw == broker_main_version) {
            continue;
        }
        reference_command(at, at->name);
        for (const struct cli_command *child = at->children; child != NULL && child->name != NULL; child++) {
            if (child->summary != NULL) {
                (void)snprintf(path, sizeof(path), "%s %s", at->name, child->name);
                reference_command(child, path);
            }
        }
    }
    return CLI_DONE;
}
