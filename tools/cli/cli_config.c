/* cli_config.c: millrace config get and set, and the settings of topics. IncrementalAlterConfigs only: what is not
 * named stays as it is. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

#define SOURCE_DEFAULT 5

static const struct {
    const char *word;
    int8_t      type;
} config_kinds[] = {{"topic", CLI_RESOURCE_TOPIC},
                    {"broker", CLI_RESOURCE_BROKER},
                    {"logger", CLI_RESOURCE_LOGGER},
                    {"group", CLI_RESOURCE_GROUP},
                    {"client-metrics", CLI_RESOURCE_CLIENT_METRICS}};

static const char *config_source(int8_t source)
{
    static const char *const names[] = {"unknown",         "topic",          "dynamic broker",
                                        "dynamic default", "static",         "default",
                                        "logger",          "client metrics", "group"};

    return source >= 0 && source < (int8_t)COUNT_OF(names) ? names[source] : "unknown";
}

/* "topic", "broker" ... as typed; a broker's name may be left out: the default of all. */
static int8_t config_kind(struct cli *cli, const char **out_resource, int *out_rest)
{
    const char *word = cli_operand(cli, 0);

    for (size_t i = 0; i < COUNT_OF(config_kinds); i++) {
        if (strcmp(word, config_kinds[i].word) == 0) {
            const char *name = cli_operand(cli, 1);
            bool        named = name != NULL && strchr(name, '=') == NULL;

            *out_rest = named ? 2 : 1;
            *out_resource = named ? name : "";
            if (named && strcmp(name, "default") == 0 && config_kinds[i].type == CLI_RESOURCE_BROKER) {
                *out_resource = "";
            }
            if (!named && config_kinds[i].type != CLI_RESOURCE_BROKER) {
                cli_die(cli, CLI_USAGE, "which %s? usage: millrace %s %s", word, cli->path, cli->command->operands);
            }
            return config_kinds[i].type;
        }
    }
    cli_die(cli, CLI_USAGE, "'%s' has no settings: topic, broker, logger, group or client-metrics", word);
}

static const char *config_kind_word(int8_t type)
{
    for (size_t i = 0; i < COUNT_OF(config_kinds); i++) {
        if (config_kinds[i].type == type) {
            return config_kinds[i].word;
        }
    }
    return "resource";
}

/* A broker and its loggers answer for themselves. */
static int32_t config_node(struct cli *cli, int8_t type, const char *resource)
{
    int64_t id = 0;

    if ((type == CLI_RESOURCE_BROKER || type == CLI_RESOURCE_LOGGER) && resource[0] != '\0') {
        if (!cli_parse_number(resource, 0, INT32_MAX, &id)) {
            cli_die(cli, CLI_USAGE, "'%s' is no broker id; millrace cluster shows them", resource);
        }
        return (int32_t)id;
    }
    return CLI_NODE_ANY;
}

static void config_fail(struct cli *cli, const char *verb, int8_t type, const char *resource, int16_t code,
                        struct view message)
{
    if (type == CLI_RESOURCE_TOPIC && code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        cli_topic_fail(cli, verb, view_text(resource), code, message);
        return;
    }
    cli_fail_kafka(cli, code, message,
                   cli_format(cli, "cannot %s settings of %s '%s'", verb, config_kind_word(type),
                              resource[0] == '\0' ? "default" : resource));
}

/* --- get --------------------------------------------------------------------------------------------------------- */

static void config_rows(struct cli_section *table, const struct kp_describe_configs_response_results *result,
                        const char *resource, bool all)
{
    for (int32_t i = 0; i < result->configs_count; i++) {
        const struct kp_describe_configs_response_results_configs *row = &result->configs[i];

        if (row->config_source == SOURCE_DEFAULT && !all) {
            continue;
        }
        cli_row(table);
        cli_put_text(table, "resource", resource[0] == '\0' ? "default" : resource);
        cli_put_view(table, "name", row->name);
        if (row->is_sensitive) {
            cli_put_none(table, "value");
        } else {
            cli_put_view(table, "value", row->value);
        }
        cli_put_text(table, "source", config_source(row->config_source));
        cli_put_bool(table, "read_only", row->read_only);
    }
}

/* Says which of the settings that were asked for do not exist, and how many. */
static int config_missing(struct cli *cli, const struct kp_describe_configs_response_results *result,
                          const struct view *keys, int key_count)
{
    int missing = 0;

    for (int k = 0; k < key_count; k++) {
        bool found = false;

        for (int32_t i = 0; i < result->configs_count && !found; i++) {
            found = view_equal(result->configs[i].name, keys[k]);
        }
        if (!found) {
            missing++;
            cli_fail(cli, CLI_NOT_FOUND, "there is no setting '%.*s'", (int)keys[k].len, (const char *)keys[k].base);
        }
    }
    return missing;
}

static void config_show(struct cli *cli, int8_t type, const char *const *resources, int count, const struct view *keys,
                        int key_count, bool all)
{
    struct cli_section *table = cli_table(cli, NULL, key_count > 0 ? NULL : "nothing but defaults; -a shows them");
    struct kp_describe_configs_request *request =
        CLI_NEW(cli, kp_describe_configs_request, kp_describe_configs_request_init);

    request->resources = cli_alloc(cli, sizeof(*request->resources));
    request->resources_count = 1;
    for (int i = 0; i < count; i++) {
        const struct kp_describe_configs_response *response;

        request->resources->resource_type = type;
        request->resources->resource_name = view_text(resources[i]);
        request->resources->configuration_keys = keys;
        request->resources->configuration_keys_count = key_count > 0 ? key_count : -1;
        do {
            response = cli_call(cli, config_node(cli, type, resources[i]), KP_DESCRIBE_CONFIGS_KEY, request);
        } while (response->results_count > 0 && cli_again(cli, response->results->error_code));
        if (response->results_count < 1 || response->results->error_code != KP_ERR_NONE) {
            config_fail(cli, "read", type, resources[i],
                        response->results_count < 1 ? (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR
                                                    : response->results->error_code,
                        response->results_count < 1 ? (struct view){0} : response->results->error_message);
            continue;
        }
        if (config_missing(cli, response->results, keys, key_count) == key_count && key_count > 0) {
            continue;
        }
        config_rows(table, response->results, resources[i], all || key_count > 0);
        cli->good++;
    }
}

void cli_show_settings(struct cli *cli, int8_t type, const char *const *resources, int count, bool all)
{
    config_show(cli, type, resources, count, NULL, 0, all);
}

static int config_get_run(struct cli *cli)
{
    const char        *resource = "";
    int                rest = 0, key_count = 0;
    int8_t             type = config_kind(cli, &resource, &rest);
    const char *const *names = cli_operands(cli, rest, &key_count);
    struct view       *keys = cli_alloc_array(cli, (size_t)key_count + 1, sizeof(*keys));

    for (int i = 0; i < key_count; i++) {
        keys[i] = view_text(names[i]);
    }
    config_show(cli, type, &resource, 1, keys, key_count, cli_flag(cli, "all"));
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- set --------------------------------------------------------------------------------------------------------- */

int cli_collect_changes(struct cli *cli, int from, struct cli_change **out_changes)
{
    static const struct {
        const char *option;
        int8_t      operation;
    } kinds[] = {{"delete", 1}, {"append", 2}, {"subtract", 3}};
    struct cli_change *changes = cli_alloc_array(cli, 1024, sizeof(*changes));
    int                count = 0;

    for (int i = from; i < cli_operand_count(cli) && count < 1024; i++) {
        cli_split_setting(cli, cli_operand(cli, i), &changes[count].name, &changes[count].value);
        count++;
    }
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        for (int n = 0; cli_option_at(cli, kinds[k].option, n) != NULL && count < 1024; n++) {
            changes[count].operation = kinds[k].operation;
            if (kinds[k].operation == 1) {
                changes[count].name = view_text(cli_option_at(cli, kinds[k].option, n));
            } else {
                cli_split_setting(cli, cli_option_at(cli, kinds[k].option, n), &changes[count].name,
                                  &changes[count].value);
            }
            count++;
        }
    }
    if (count == 0) {
        cli_die(cli, CLI_USAGE, "what is to change? NAME=VALUE, or -d NAME; see millrace %s --help", cli->path);
    }
    *out_changes = changes;
    return count;
}

static void change_row(struct cli_section *table, const char *resource, const struct cli_change *change,
                       const char *error, bool dry)
{
    static const char *const fine[2][4] = {
        {"set", "back to the default", "appended", "taken out"},
        {"would be set", "would go back to the default", "would be appended", "would be taken out"}};

    cli_row(table);
    cli_put_text(table, "resource", resource[0] == '\0' ? "default" : resource);
    cli_put_view(table, "name", change->name);
    cli_put_view(table, "value", change->value);
    cli_put_error(table, "error", error, fine[dry ? 1 : 0][change->operation]);
}

int cli_change_settings(struct cli *cli, int8_t type, const char *resource, const struct cli_change *changes,
                        int32_t count)
{
    struct kp_incremental_alter_configs_request *request =
        CLI_NEW(cli, kp_incremental_alter_configs_request, kp_incremental_alter_configs_request_init);
    struct kp_incremental_alter_configs_response *response;
    struct cli_section                           *table = cli_table(cli, NULL, NULL);
    int32_t node = type == CLI_RESOURCE_TOPIC ? cli_controller(cli) : config_node(cli, type, resource);
    int16_t code;

    request->validate_only = cli_flag(cli, "dry-run");
    request->resources = cli_alloc(cli, sizeof(*request->resources));
    request->resources_count = 1;
    request->resources->resource_type = type;
    request->resources->resource_name = view_text(resource);
    request->resources->configs = cli_alloc_array(cli, (size_t)count, sizeof(*request->resources->configs));
    request->resources->configs_count = count;
    for (int32_t i = 0; i < count; i++) {
        request->resources->configs[i].name = changes[i].name;
        request->resources->configs[i].value = changes[i].value;
        request->resources->configs[i].config_operation = changes[i].operation;
    }
    do {
        response = cli_call(cli, node, KP_INCREMENTAL_ALTER_CONFIGS_KEY, request);
        code = response->responses_count > 0 ? response->responses->error_code : (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR;
    } while (cli_again(cli, code));
    for (int32_t i = 0; i < count; i++) {
        change_row(table, resource, &changes[i], code == KP_ERR_NONE ? NULL : kp_error_name(code),
                   request->validate_only);
    }
    if (code != KP_ERR_NONE) {
        config_fail(cli, "change", type, resource, code,
                    response->responses_count > 0 ? response->responses->error_message : (struct view){0});
    } else {
        cli->good++;
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

static int config_set_run(struct cli *cli)
{
    const char        *resource = "";
    int                rest = 0;
    int8_t             type = config_kind(cli, &resource, &rest);
    struct cli_change *changes = NULL;
    int                count = cli_collect_changes(cli, rest, &changes);

    return cli_change_settings(cli, type, resource, changes, count);
}

static const struct cli_option get_options[] = {
    {.letter = 'a', .name = "all", .help = "those at their default, too"},
    CLI_OPTIONS_END,
};
const struct cli_option cli_change_options[] = {
    {.letter = 'd',
     .kind = CLI_TEXT,
     .name = "delete",
     .value = "NAME",
     .complete = "setting",
     .help = "back to the default; may be repeated"},
    {.letter = 'A',
     .kind = CLI_TEXT,
     .name = "append",
     .value = "NAME=VALUE",
     .complete = "setting",
     .help = "adds to a list; may be repeated"},
    {.letter = 'S',
     .kind = CLI_TEXT,
     .name = "subtract",
     .value = "NAME=VALUE",
     .complete = "setting",
     .help = "takes from a list; may be repeated"},
    CLI_OPTIONS_END,
};

const struct cli_command cli_config_commands[] = {
    {.name = "get",
     .summary = "settings in force, and where each comes from",
     .operands = "topic|broker|group|logger|client-metrics NAME [SETTING...]",
     .complete = "resource",
     .examples = "millrace config get topic orders\nmillrace config get broker 1 log.retention.ms\n"
                 "millrace config get broker default\nmillrace config get group clerks -a\n",
     .options = get_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = config_get_run},
    {.name = "set",
     .summary = "change settings; what is not named stays",
     .operands = "topic|broker|group|logger|client-metrics NAME SETTING=VALUE...",
     .complete = "resource",
     .details = "'broker default' stands for all brokers. 7d and 64M are understood for *.ms and *.bytes.\n",
     .examples = "millrace config set topic orders retention.ms=7d\n"
                 "millrace config set broker default log.retention.ms=3d\n"
                 "millrace config set topic orders -d retention.ms -n\n",
     .options = cli_change_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT | CLI_NEEDS_DRY_RUN,
     .operands_min = 1,
     .operands_max = -1,
     .run = config_set_run},
    CLI_COMMANDS_END,
};
