/* cli_topic.c: millrace topic: create, list, describe, delete. What changes topics that exist is in cli_topic_change.c.
 */
#include "tools/cli/cli_topic.h"

#include "core/proto/kp_error.h"

#include <fnmatch.h>

/* --- shared ------------------------------------------------------------------------------------------------------ */

const char *const *cli_operands(struct cli *cli, int from, int *out_count)
{
    int          count = MAX(cli_operand_count(cli) - from, 0);
    const char **names = cli_alloc_array(cli, (size_t)count + 1, sizeof(*names));

    for (int i = 0; i < count; i++) {
        names[i] = cli_operand(cli, from + i);
    }
    *out_count = count;
    return names;
}

bool cli_glob(const char *pattern, const char *text)
{
    return fnmatch(pattern, text, 0) == 0;
}

/* "NAME=VALUE" into its two halves; ends the process when it is none. */
void cli_split_setting(struct cli *cli, const char *text, struct view *out_name, struct view *out_value)
{
    const char *equals = strchr(text, '=');
    char       *name;

    if (equals == NULL || equals == text) {
        cli_die(cli, CLI_USAGE, "'%s' is no setting: NAME=VALUE is wanted", text);
    }
    name = cli_text_copy(cli, view_of(text, (size_t)(equals - text)));
    *out_name = view_text(name);
    *out_value = view_text(cli_setting_value(cli, name, equals + 1));
}

void cli_topic_fail(struct cli *cli, const char *verb, struct view name, int16_t code, struct view message)
{
    if (code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        cli_fail(cli, CLI_NOT_FOUND, "there is no topic '%.*s'; millrace topic list shows those there are",
                 (int)name.len, (const char *)name.base);
        return;
    }
    if (code == KP_ERR_TOPIC_ALREADY_EXISTS) {
        cli_fail(cli, CLI_EXISTS, "topic '%.*s' exists already; --if-not-exists makes this no failure", (int)name.len,
                 (const char *)name.base);
        return;
    }
    cli_fail_kafka(cli, code, message,
                   cli_format(cli, "cannot %s topic '%.*s'", verb, (int)name.len, (const char *)name.base));
}

/* --- create ------------------------------------------------------------------------------------------------------ */

static void topic_create_fill(struct cli *cli, struct kp_create_topics_request *request)
{
    int                                    setting_count = 0;
    struct kp_create_topics_request_topics model;

    while (cli_option_at(cli, "config", setting_count) != NULL) {
        setting_count++;
    }
    kp_create_topics_request_topics_init(&model);
    model.num_partitions = (int32_t)MIN(cli_number(cli, "partitions", -1), INT32_MAX);
    model.replication_factor = (int16_t)MIN(cli_number(cli, "replicas", -1), INT16_MAX);
    model.configs = cli_alloc_array(cli, (size_t)setting_count + 1, sizeof(*model.configs));
    model.configs_count = setting_count;
    for (int i = 0; i < setting_count; i++) {
        cli_split_setting(cli, cli_option_at(cli, "config", i), &model.configs[i].name, &model.configs[i].value);
    }
    request->topics_count = cli_operand_count(cli);
    request->topics = cli_alloc_array(cli, (size_t)request->topics_count, sizeof(*request->topics));
    for (int i = 0; i < request->topics_count; i++) {
        request->topics[i] = model;
        request->topics[i].name = view_text(cli_operand(cli, i));
    }
    request->validate_only = cli_flag(cli, "dry-run");
    request->timeout_ms = cli_time_left_ms(cli);
}

static void topic_create_row(struct cli *cli, struct cli_section *table,
                             const struct kp_create_topics_response_topics *topic)
{
    bool        tolerated = topic->error_code == KP_ERR_TOPIC_ALREADY_EXISTS && cli_flag(cli, "if-not-exists");
    bool        failed = topic->error_code != KP_ERR_NONE && !tolerated;
    const char *fine = tolerated ? "exists" : cli_flag(cli, "dry-run") ? "would be created" : "created";

    cli_row(table);
    cli_put_view(table, "topic", topic->name);
    if (topic->error_code != KP_ERR_NONE || topic->num_partitions < 0) {
        cli_put_none(table, "partitions");
        cli_put_none(table, "replicas");
    } else {
        cli_put_number(table, "partitions", topic->num_partitions);
        cli_put_number(table, "replicas", topic->replication_factor);
    }
    cli_put_error(table, "error", failed ? kp_error_name(topic->error_code) : NULL, fine);
    if (failed) {
        cli_topic_fail(cli, "create", topic->name, topic->error_code, topic->error_message);
    } else {
        cli->good++;
    }
}

static int topic_create_run(struct cli *cli)
{
    struct kp_create_topics_request  *request = CLI_NEW(cli, kp_create_topics_request, kp_create_topics_request_init);
    struct kp_create_topics_response *response;
    struct cli_section               *table = cli_table(cli, NULL, NULL);
    int16_t                           code;

    topic_create_fill(cli, request);
    do {
        response = cli_call(cli, cli_controller(cli), KP_CREATE_TOPICS_KEY, request);
        code = response->topics_count > 0 ? response->topics[0].error_code : (int16_t)KP_ERR_NONE;
    } while (cli_again(cli, code));
    for (int32_t i = 0; i < response->topics_count; i++) {
        topic_create_row(cli, table, &response->topics[i]);
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- list -------------------------------------------------------------------------------------------------------- */

struct topic_sums {
    struct map by_name; /* -> int64_t, bytes on all brokers */
};

/* Bytes on disk by topic, from every broker. A broker that does not tell counts nothing. */
static void topic_sum_sizes(struct cli *cli, struct topic_sums *sums)
{
    int32_t                              count = 0;
    const struct cli_node               *nodes = cli_nodes(cli, &count);
    struct kp_describe_log_dirs_request *request =
        CLI_NEW(cli, kp_describe_log_dirs_request, kp_describe_log_dirs_request_init);

    map_init(&sums->by_name, MEM_CLI);
    request->topics_count = -1;
    for (int32_t i = 0; i < count; i++) {
        struct kp_describe_log_dirs_response *response;

        if (cli_version(cli, nodes[i].id, KP_DESCRIBE_LOG_DIRS_KEY) < 0) {
            continue;
        }
        response = cli_call(cli, nodes[i].id, KP_DESCRIBE_LOG_DIRS_KEY, request);
        for (int32_t d = 0; d < response->results_count; d++) {
            for (int32_t t = 0; t < response->results[d].topics_count; t++) {
                const struct kp_describe_log_dirs_response_results_topics *topic = &response->results[d].topics[t];
                int64_t                                                   *sum = map_get(&sums->by_name, topic->name);

                if (sum == NULL) {
                    sum = cli_alloc(cli, sizeof(*sum));
                    (void)map_put(&sums->by_name, topic->name, sum);
                }
                for (int32_t p = 0; p < topic->partitions_count; p++) {
                    *sum += topic->partitions[p].partition_size;
                }
            }
        }
    }
}

static bool topic_matches(const struct cli *cli, struct view name)
{
    char text[512];

    if (cli_operand_count(cli) == 0) {
        return true;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.base);
    for (int i = 0; i < cli_operand_count(cli); i++) {
        if (cli_glob(cli_operand(cli, i), text)) {
            return true;
        }
    }
    return false;
}

static int topic_list_run(struct cli *cli)
{
    const struct kp_metadata_response *response = cli_topics(cli, NULL, -1);
    struct cli_section                *table = cli_table(cli, NULL, "no topics");
    bool                               names = cli_flag(cli, "names");
    struct topic_sums                  sums;

    if (!names) {
        topic_sum_sizes(cli, &sums);
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_metadata_response_topics *topic = &response->topics[i];
        const int64_t                            *sum;

        if ((topic->is_internal && !cli_flag(cli, "internal")) || !topic_matches(cli, topic->name)) {
            continue;
        }
        cli_row(table);
        cli_put_view(table, "topic", topic->name);
        if (names) {
            continue;
        }
        sum = map_get(&sums.by_name, topic->name);
        cli_put_number(table, "partitions", topic->partitions_count);
        cli_put_number(table, "replicas", topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0);
        cli_put_bytes(table, "bytes", sum == NULL ? 0 : *sum);
        if (cli_flag(cli, "internal")) {
            cli_put_bool(table, "internal", topic->is_internal);
        }
    }
    if (!names) {
        map_deinit(&sums.by_name);
    }
    cli_sort(table);
    if (names && !cli_out_is_json(cli)) {
        cli_out_print_bare(cli);
    } else {
        cli_out_print(cli);
    }
    return CLI_DONE;
}

/* --- delete ------------------------------------------------------------------------------------------------------ */

/* Deletes nothing: tells which of them are there. */
static void topic_delete_dry(struct cli *cli, const char *const *names, int count, struct cli_section *table)
{
    const struct kp_metadata_response *response = cli_topics(cli, names, count);

    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct kp_metadata_response_topics *topic = &response->topics[i];

        cli_row(table);
        cli_put_view(table, "topic", topic->name);
        cli_put_error(table, "error", topic->error_code == KP_ERR_NONE ? NULL : kp_error_name(topic->error_code),
                      "would be deleted");
        if (topic->error_code != KP_ERR_NONE) {
            cli_topic_fail(cli, "delete", topic->name, topic->error_code, (struct view){0});
        } else {
            cli->good++;
        }
    }
}

static int topic_delete_run(struct cli *cli)
{
    int                               count = 0;
    const char *const                *names = cli_operands(cli, 0, &count);
    struct kp_delete_topics_request  *request = CLI_NEW(cli, kp_delete_topics_request, kp_delete_topics_request_init);
    struct kp_delete_topics_response *response;
    struct cli_section               *table = cli_table(cli, NULL, NULL);
    struct view                      *views = cli_alloc_array(cli, (size_t)count, sizeof(*views));
    int16_t                           code;

    if (cli_flag(cli, "dry-run")) {
        topic_delete_dry(cli, names, count, table);
        cli_out_print(cli);
        return (int)cli_result(cli);
    }
    request->topics = cli_alloc_array(cli, (size_t)count, sizeof(*request->topics));
    for (int i = 0; i < count; i++) {
        kp_delete_topics_request_topics_init(&request->topics[i]);
        views[i] = request->topics[i].name = view_text(names[i]);
    }
    request->topics_count = request->topic_names_count = count; /* the first from version 6 on */
    request->topic_names = views;
    request->timeout_ms = cli_time_left_ms(cli);
    do {
        response = cli_call(cli, cli_controller(cli), KP_DELETE_TOPICS_KEY, request);
        code = response->responses_count > 0 ? response->responses[0].error_code : (int16_t)KP_ERR_NONE;
    } while (cli_again(cli, code));
    for (int32_t i = 0; i < response->responses_count; i++) {
        struct kp_delete_topics_response_responses *row = &response->responses[i];
        bool                                        failed = row->error_code != KP_ERR_NONE;

        cli_row(table);
        cli_put_view(table, "topic", row->name);
        cli_put_error(table, "error", failed ? kp_error_name(row->error_code) : NULL, "deleted");
        if (failed) {
            cli_topic_fail(cli, "delete", row->name, row->error_code, row->error_message);
        } else {
            cli->good++;
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static const struct cli_option create_options[] = {
    {.letter = 'p', .kind = CLI_NUMBER, .name = "partitions", .value = "N", .help = "default: the broker's"},
    {.letter = 'r',
     .kind = CLI_NUMBER,
     .name = "replicas",
     .value = "N",
     .help = "copies of each partition; default: the broker's"},
    {.letter = 'c',
     .kind = CLI_TEXT,
     .name = "config",
     .value = "NAME=VALUE",
     .complete = "setting",
     .help = "a setting; may be repeated; 7d and 64M are understood"},
    {.name = "if-not-exists", .help = "a topic that is there is no failure"},
    CLI_OPTIONS_END,
};
static const struct cli_option list_options[] = {
    {.letter = 'i', .name = "internal", .help = "Kafka's own topics, too"},
    {.letter = 'q', .name = "names", .help = "names only, one a line"},
    CLI_OPTIONS_END,
};
static const struct cli_option describe_options[] = {
    {.letter = 'c', .name = "configs", .help = "its settings instead of its partitions"},
    {.letter = 'a', .name = "all", .help = "with -c: settings at their default, too"},
    CLI_OPTIONS_END,
};
static const struct cli_option add_options[] = {
    {.letter = 't', .kind = CLI_NUMBER, .name = "to", .value = "N", .help = "until there are N, instead of N more"},
    CLI_OPTIONS_END,
};
static const struct cli_option offsets_options[] = {
    {.letter = 'p', .kind = CLI_TEXT, .name = "partitions", .value = "LIST", .help = "as 0,2,5-7; default: all"},
    {.letter = 'O',
     .kind = CLI_TEXT,
     .name = "offset",
     .value = "OFFSET",
     .help = "beginning, end, -N, +N or @TIME; default end"},
    CLI_OPTIONS_END,
};
static const struct cli_option trim_options[] = {
    {.letter = 'p', .kind = CLI_TEXT, .name = "partitions", .value = "LIST", .help = "as 0,2,5-7; default: all"},
    {.letter = 'O',
     .kind = CLI_TEXT,
     .name = "offset",
     .value = "OFFSET",
     .help = "where the log begins afterwards: a number, end, -N (the last N stay), @TIME"},
    CLI_OPTIONS_END,
};

#define CHANGES (CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT | CLI_NEEDS_DRY_RUN)

const struct cli_command cli_topic_commands[] = {
    {.name = "create",
     .alias = "new",
     .summary = "make topics",
     .operands = "TOPIC...",
     .examples = "millrace topic create orders\n"
                 "millrace topic create orders refunds -p 12 -c retention.ms=7d -c cleanup.policy=compact\n"
                 "millrace topic create orders --if-not-exists\n",
     .options = create_options,
     .needs = CHANGES,
     .operands_min = 1,
     .operands_max = -1,
     .run = topic_create_run},
    {.name = "list",
     .alias = "ls",
     .summary = "topics with partitions and sizes",
     .operands = "[PATTERN...]",
     .examples = "millrace topic list\nmillrace topic list 'order*' -o json\n"
                 "millrace topic list -q | xargs -n1 millrace topic describe\n",
     .options = list_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_max = -1,
     .run = topic_list_run},
    {.name = "describe",
     .alias = "d",
     .summary = "partitions, offsets, sizes, settings",
     .operands = "TOPIC...",
     .complete = "topic",
     .examples = "millrace topic describe orders\nmillrace topic describe 'order*' -ca\n",
     .options = describe_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_topic_describe_run},
    {.name = "alter",
     .summary = "change settings of a topic",
     .operands = "TOPIC [NAME=VALUE...]",
     .complete = "topic",
     .details = "Only what is named changes (IncrementalAlterConfigs).\n",
     .examples = "millrace topic alter orders retention.ms=7d segment.bytes=128M\n"
                 "millrace topic alter orders -d retention.ms\n"
                 "millrace topic alter orders -A cleanup.policy=compact -n\n",
     .options = cli_change_options,
     .needs = CHANGES,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_topic_alter_run},
    {.name = "delete",
     .alias = "rm",
     .summary = "delete topics with all they hold",
     .operands = "TOPIC...",
     .complete = "topic",
     .details = "There is no question and no way back; -n says what would go.\n",
     .examples = "millrace topic delete orders\nmillrace topic list -q 'test-*' | xargs millrace topic delete -n\n",
     .needs = CHANGES,
     .operands_min = 1,
     .operands_max = -1,
     .run = topic_delete_run},
    {.name = "add-partitions",
     .alias = "add",
     .summary = "more partitions for a topic",
     .operands = "TOPIC [N]",
     .complete = "topic",
     .details = "Records with a key go to other partitions afterwards than before.\n",
     .examples = "millrace topic add-partitions orders 4\nmillrace topic add-partitions orders --to 12\n",
     .options = add_options,
     .needs = CHANGES,
     .operands_min = 1,
     .operands_max = 2,
     .run = cli_topic_add_run},
    {.name = "offsets",
     .alias = "o",
     .summary = "offsets by place or time",
     .operands = "TOPIC...",
     .complete = "topic",
     .examples = "millrace topic offsets orders                  # where each partition ends\n"
                 "millrace topic offsets orders -O @2026-11-21T08:00\n",
     .options = offsets_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_topic_offsets_run},
    {.name = "trim",
     .summary = "delete the oldest records of a topic",
     .operands = "TOPIC -O OFFSET",
     .complete = "topic",
     .examples = "millrace topic trim orders -O end              # all records, the topic stays\n"
                 "millrace topic trim orders -O 5000 -p 0\n"
                 "millrace topic trim orders -O @-7d             # what is older than a week\n",
     .options = trim_options,
     .needs = CHANGES,
     .operands_min = 1,
     .operands_max = 1,
     .run = cli_topic_trim_run},
    CLI_COMMANDS_END,
};
