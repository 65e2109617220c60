/* cli_group.c: millrace group list and delete, and what the others need. */
#include "tools/cli/cli_group.h"

#include "core/proto/kp_error.h"

#include <stdlib.h>

/* From version 10 on topics go by id; names are what people have. */
#define OFFSETS_BY_NAME_VERSION 9

void cli_group_fail(struct cli *cli, const char *verb, const char *group, int16_t code, struct view message)
{
    switch (code) {
    case KP_ERR_GROUP_ID_NOT_FOUND:
        cli_fail(cli, CLI_NOT_FOUND, "there is no group '%s'; millrace group list shows those there are", group);
        return;
    case KP_ERR_NON_EMPTY_GROUP:
        cli_fail(cli, CLI_REFUSED, "cannot %s group '%s': it has members; stop them first (%s)", verb, group,
                 kp_error_name(code));
        return;
    case KP_ERR_UNKNOWN_MEMBER_ID: /* what a commit from outside gets while there are members */
    case KP_ERR_ILLEGAL_GENERATION:
    case KP_ERR_STALE_MEMBER_EPOCH:
        cli_fail(cli, CLI_REFUSED, "cannot %s group '%s': it has members, who own its positions; stop them first (%s)",
                 verb, group, kp_error_name(code));
        return;
    case KP_ERR_GROUP_SUBSCRIBED_TO_TOPIC:
        cli_fail(cli, CLI_REFUSED, "cannot %s group '%s': members subscribe to that topic; stop them first (%s)", verb,
                 group, kp_error_name(code));
        return;
    default:
        cli_fail_kafka(cli, code, message, cli_format(cli, "cannot %s group '%s'", verb, group));
        return;
    }
}

void cli_split_topic(struct cli *cli, const char *text, const char **out_topic, const char **out_partitions)
{
    const char *colon = strrchr(text, ':');

    *out_topic = text;
    *out_partitions = NULL;
    if (colon != NULL) {
        *out_topic = cli_text_copy(cli, view_of(text, (size_t)(colon - text)));
        *out_partitions = colon + 1;
    }
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static int committed_compare(const void *a, const void *b)
{
    const struct cli_committed *left = a, *right = b;
    int                         order = strcmp(left->topic, right->topic);

    return order != 0 ? order : (left->partition > right->partition) - (left->partition < right->partition);
}

static struct cli_committed *positions_old(struct cli *cli, const struct kp_offset_fetch_response *response,
                                           size_t *out_count)
{
    struct cli_committed *rows;
    size_t                count = 0;

    for (int32_t t = 0; t < response->topics_count; t++) {
        count += (size_t)MAX(response->topics[t].partitions_count, 0);
    }
    rows = cli_alloc_array(cli, count + 1, sizeof(*rows));
    count = 0;
    for (int32_t t = 0; t < response->topics_count; t++) {
        const char *topic = cli_text_copy(cli, response->topics[t].name);

        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            rows[count++] = (struct cli_committed){
                .topic = topic,
                .partition = response->topics[t].partitions[p].partition_index,
                .offset = response->topics[t].partitions[p].committed_offset,
                .epoch = response->topics[t].partitions[p].committed_leader_epoch,
                .metadata = response->topics[t].partitions[p].metadata,
            };
        }
    }
    *out_count = count;
    return rows;
}

static struct cli_committed *positions_new(struct cli *cli, const struct kp_offset_fetch_response_groups *group,
                                           size_t *out_count)
{
    struct cli_committed *rows;
    size_t                count = 0;

    for (int32_t t = 0; t < group->topics_count; t++) {
        count += (size_t)MAX(group->topics[t].partitions_count, 0);
    }
    rows = cli_alloc_array(cli, count + 1, sizeof(*rows));
    count = 0;
    for (int32_t t = 0; t < group->topics_count; t++) {
        const char *topic = cli_text_copy(cli, group->topics[t].name);

        for (int32_t p = 0; p < group->topics[t].partitions_count; p++) {
            rows[count++] = (struct cli_committed){
                .topic = topic,
                .partition = group->topics[t].partitions[p].partition_index,
                .offset = group->topics[t].partitions[p].committed_offset,
                .epoch = group->topics[t].partitions[p].committed_leader_epoch,
                .metadata = group->topics[t].partitions[p].metadata,
            };
        }
    }
    *out_count = count;
    return rows;
}

struct cli_committed *cli_group_positions(struct cli *cli, const char *group, size_t *out_count)
{
    struct kp_offset_fetch_request  *request = CLI_NEW(cli, kp_offset_fetch_request, kp_offset_fetch_request_init);
    struct kp_offset_fetch_response *response;
    struct cli_committed            *rows;
    int16_t                          code;

    cli_version_limit(cli, KP_OFFSET_FETCH_KEY, OFFSETS_BY_NAME_VERSION);
    request->group_id = view_text(group);
    request->topics_count = -1;
    request->groups = cli_alloc(cli, sizeof(*request->groups));
    request->groups_count = 1;
    kp_offset_fetch_request_groups_init(request->groups);
    request->groups->group_id = view_text(group);
    request->groups->topics_count = -1;
    do {
        response = cli_call(cli, cli_coordinator(cli, CLI_GROUP, group), KP_OFFSET_FETCH_KEY, request);
        code = response->groups_count > 0 ? response->groups->error_code : response->error_code;
    } while (cli_again(cli, code));
    if (code == KP_ERR_GROUP_ID_NOT_FOUND) {
        *out_count = 0;
        return cli_alloc(cli, sizeof(struct cli_committed));
    }
    if (code != KP_ERR_NONE) {
        cli_die_kafka(cli, code, (struct view){0}, cli_format(cli, "cannot read positions of group '%s'", group));
    }
    rows = response->groups_count > 0 ? positions_new(cli, response->groups, out_count)
                                      : positions_old(cli, response, out_count);
    qsort(rows, *out_count, sizeof(*rows), committed_compare);
    return rows;
}

/* --- list -------------------------------------------------------------------------------------------------------- */

static bool group_matches(const struct cli *cli, const char *name)
{
    for (int i = 0; i < cli_operand_count(cli); i++) {
        if (cli_glob(cli_operand(cli, i), name)) {
            return true;
        }
    }
    return cli_operand_count(cli) == 0;
}

static int group_list_run(struct cli *cli)
{
    struct cli_section            *table = cli_table(cli, NULL, "no groups");
    struct kp_list_groups_request *request = CLI_NEW(cli, kp_list_groups_request, kp_list_groups_request_init);
    const char                    *state = cli_option(cli, "state");
    struct view                    wanted = state == NULL ? (struct view){0} : view_text(state);
    int32_t                        count = 0;
    const struct cli_node         *nodes = cli_nodes(cli, &count);

    request->states_filter = &wanted;
    request->states_filter_count = state == NULL ? 0 : 1;
    for (int32_t i = 0; i < count; i++) {
        const struct kp_list_groups_response *response;

        do {
            response = cli_call(cli, nodes[i].id, KP_LIST_GROUPS_KEY, request);
        } while (cli_again(cli, response->error_code));
        if (response->error_code != KP_ERR_NONE) {
            cli_fail_kafka(cli, response->error_code, (struct view){0},
                           cli_format(cli, "broker %d does not list its groups", nodes[i].id));
            continue;
        }
        cli->good++;
        for (int32_t g = 0; g < response->groups_count; g++) {
            const struct kp_list_groups_response_groups *group = &response->groups[g];
            const char                                  *name = cli_text_copy(cli, group->group_id);

            if (!group_matches(cli, name)) {
                continue;
            }
            cli_row(table);
            cli_put_text(table, "group", name);
            cli_put_view(table, "state", group->group_state);
            cli_put_view(table, "type", group->group_type);
            cli_put_view(table, "protocol_type", group->protocol_type);
            cli_put_number(table, "coordinator", nodes[i].id);
        }
    }
    cli_sort(table);
    if (cli_flag(cli, "names") && !cli_out_is_json(cli)) {
        cli_out_print_bare(cli);
    } else {
        cli_out_print(cli);
    }
    return (int)cli_result(cli);
}

/* --- delete ------------------------------------------------------------------------------------------------------ */

static int16_t group_delete_one(struct cli *cli, const char *group)
{
    struct kp_delete_groups_request  *request = CLI_NEW(cli, kp_delete_groups_request, kp_delete_groups_request_init);
    struct kp_delete_groups_response *response;
    struct view                      *name = cli_alloc(cli, sizeof(*name));
    int16_t                           code;

    *name = view_text(group);
    request->groups_names = name;
    request->groups_names_count = 1;
    do {
        response = cli_call(cli, cli_coordinator(cli, CLI_GROUP, group), KP_DELETE_GROUPS_KEY, request);
        code = response->results_count > 0 ? response->results->error_code : (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR;
    } while (cli_again(cli, code));
    return code;
}

/* Would it go? It must be there and empty. */
static int16_t group_delete_dry(struct cli *cli, const char *group)
{
    struct kp_list_groups_request        *request = CLI_NEW(cli, kp_list_groups_request, kp_list_groups_request_init);
    const struct kp_list_groups_response *response;

    response = cli_call(cli, cli_coordinator(cli, CLI_GROUP, group), KP_LIST_GROUPS_KEY, request);
    for (int32_t i = 0; i < response->groups_count; i++) {
        if (view_equal(response->groups[i].group_id, view_text(group))) {
            struct view state = response->groups[i].group_state;
            bool        empty =
                state.len == 0 || view_equal(state, view_text("Empty")) || view_equal(state, view_text("Dead"));

            return empty ? KP_ERR_NONE : KP_ERR_NON_EMPTY_GROUP;
        }
    }
    return KP_ERR_GROUP_ID_NOT_FOUND;
}

/* Only the positions in some topics. */
static void group_delete_offsets(struct cli *cli, const char *group, struct cli_section *table)
{
    struct kp_offset_delete_request *request = CLI_NEW(cli, kp_offset_delete_request, kp_offset_delete_request_init);
    const struct kp_offset_delete_response *response;
    bool                                    dry = cli_flag(cli, "dry-run");

    request->group_id = view_text(group);
    request->topics = cli_alloc(cli, sizeof(*request->topics));
    for (int n = 0; cli_option_at(cli, "topic", n) != NULL; n++) {
        const char       *topic, *only;
        struct cli_place *places;
        size_t            count = 0;

        cli_split_topic(cli, cli_option_at(cli, "topic", n), &topic, &only);
        places = cli_places(cli, &topic, 1, only, &count);
        for (size_t i = 0; i < count; i++) {
            int16_t code = KP_ERR_NONE;

            request->topics_count = 1;
            request->topics->name = view_text(topic);
            request->topics->partitions = cli_alloc(cli, sizeof(*request->topics->partitions));
            request->topics->partitions_count = 1;
            request->topics->partitions->partition_index = places[i].partition;
            while (!dry) {
                response = cli_call(cli, cli_coordinator(cli, CLI_GROUP, group), KP_OFFSET_DELETE_KEY, request);
                code = response->error_code != KP_ERR_NONE || response->topics_count < 1 ||
                               response->topics->partitions_count < 1
                           ? response->error_code
                           : response->topics->partitions->error_code;
                if (!cli_again(cli, code)) {
                    break;
                }
            }
            cli_row(table);
            cli_put_text(table, "group", group);
            cli_put_text(table, "topic", topic);
            cli_put_number(table, "partition", places[i].partition);
            cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code),
                          dry ? "would be deleted" : "deleted");
            if (code != KP_ERR_NONE) {
                cli_group_fail(cli, "delete positions of", group, code, (struct view){0});
            } else {
                cli->good++;
            }
        }
    }
}

static int group_delete_run(struct cli *cli)
{
    struct cli_section *table = cli_table(cli, NULL, NULL);
    bool                dry = cli_flag(cli, "dry-run");

    for (int i = 0; i < cli_operand_count(cli); i++) {
        const char *group = cli_operand(cli, i);
        int16_t     code;

        if (cli_flag(cli, "topic")) {
            group_delete_offsets(cli, group, table);
            continue;
        }
        code = dry ? group_delete_dry(cli, group) : group_delete_one(cli, group);
        cli_row(table);
        cli_put_text(table, "group", group);
        cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code),
                      dry ? "would be deleted" : "deleted");
        if (code != KP_ERR_NONE) {
            cli_group_fail(cli, "delete", group, code, (struct view){0});
        } else {
            cli->good++;
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static const struct cli_option list_options[] = {
    {.letter = 's', .kind = CLI_TEXT, .name = "state", .value = "STATE", .help = "only these, as Stable or Empty"},
    {.letter = 'q', .name = "names", .help = "names only, one a line"},
    CLI_OPTIONS_END,
};
static const struct cli_option describe_options[] = {
    {.letter = 's', .name = "summary", .help = "one line a group"},
    {.letter = 'm', .name = "members", .help = "members instead of positions"},
    CLI_OPTIONS_END,
};
static const struct cli_option delete_options[] = {
    {.letter = 't',
     .kind = CLI_TEXT,
     .name = "topic",
     .value = "TOPIC[:PARTITIONS]",
     .complete = "topic",
     .help = "only its positions there; may be repeated"},
    CLI_OPTIONS_END,
};
static const struct cli_option seek_options[] = {
    {.letter = 'O',
     .kind = CLI_TEXT,
     .name = "offset",
     .value = "OFFSET",
     .help = "beginning, end, a number, -N (N before the end), +N, @TIME"},
    {.letter = 's', .kind = CLI_TEXT, .name = "shift", .value = "N", .help = "N records on, or back with -N"},
    {.letter = 'g',
     .kind = CLI_TEXT,
     .name = "like",
     .value = "GROUP",
     .complete = "group",
     .help = "to the positions of another group"},
    {.letter = 'f',
     .kind = CLI_TEXT,
     .name = "from",
     .value = "FILE",
     .complete = "file",
     .help = "lines of topic,partition,offset; - is standard input"},
    {.letter = 't',
     .kind = CLI_TEXT,
     .name = "topic",
     .value = "TOPIC[:PARTITIONS]",
     .complete = "topic",
     .help = "there only; default: wherever it has a position; may be repeated"},
    CLI_OPTIONS_END,
};

const struct cli_command cli_group_commands[] = {
    {.name = "list",
     .alias = "ls",
     .summary = "groups with state and type",
     .operands = "[PATTERN...]",
     .examples = "millrace group list\nmillrace group list 'etl-*' -s Empty\n",
     .options = list_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_max = -1,
     .run = group_list_run},
    {.name = "describe",
     .alias = "d",
     .summary = "positions, lag, members",
     .operands = "GROUP...",
     .complete = "group",
     .examples = "millrace group describe clerks\nmillrace group describe clerks -m\n"
                 "millrace group describe clerks -o json | jq '[.positions[].lag] | add'\n",
     .options = describe_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = cli_group_describe_run},
    {.name = "delete",
     .alias = "rm",
     .summary = "delete groups without members, or some of their positions",
     .operands = "GROUP...",
     .complete = "group",
     .examples = "millrace group delete clerks\nmillrace group delete clerks -t orders:0-3 -n\n",
     .options = delete_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT | CLI_NEEDS_DRY_RUN,
     .operands_min = 1,
     .operands_max = -1,
     .run = group_delete_run},
    {.name = "seek",
     .summary = "move the positions of a group without members",
     .operands = "GROUP",
     .complete = "group",
     .examples = "millrace group seek clerks -O beginning\n"
                 "millrace group seek clerks -O @2026-11-20T08:00 -t orders -n\n"
                 "millrace group seek clerks -s -100\n"
                 "millrace group seek clerks -g managers\n",
     .options = seek_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT | CLI_NEEDS_DRY_RUN,
     .operands_min = 1,
     .operands_max = 1,
     .run = cli_group_seek_run},
    CLI_COMMANDS_END,
};
