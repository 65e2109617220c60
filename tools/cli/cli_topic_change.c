/* cli_topic_change.c: millrace topic alter, add-partitions, trim. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

int cli_topic_alter_run(struct cli *cli)
{
    struct cli_change *changes = NULL;
    int                count = cli_collect_changes(cli, 1, &changes);

    return cli_change_settings(cli, CLI_RESOURCE_TOPIC, cli_operand(cli, 0), changes, count);
}

/* --- add-partitions ---------------------------------------------------------------------------------------------- */

static int64_t add_wanted(struct cli *cli, int32_t have)
{
    const char *more = cli_operand(cli, 1);
    int64_t     value = 0;

    if ((more == NULL) == (cli_option(cli, "to") == NULL)) {
        cli_die(cli, CLI_USAGE, "how many? usage: millrace %s TOPIC N, or TOPIC --to N", cli->path);
    }
    if (more == NULL) {
        return cli_number(cli, "to", 0);
    }
    if (!cli_parse_number(more, 1, INT32_MAX, &value)) {
        cli_die(cli, CLI_USAGE, "'%s' is no number of partitions", more);
    }
    return have + value;
}

int cli_topic_add_run(struct cli *cli)
{
    const char                           *name = cli_operand(cli, 0);
    const struct kp_metadata_response    *topics = cli_topics(cli, &name, 1);
    struct kp_create_partitions_request  *request;
    struct kp_create_partitions_response *response;
    struct cli_section                   *table = cli_table(cli, NULL, NULL);
    int32_t                               have;
    bool                                  dry = cli_flag(cli, "dry-run");

    if (topics->topics_count < 1 || topics->topics[0].error_code != KP_ERR_NONE) {
        cli_topic_fail(cli, "look at", view_text(name),
                       topics->topics_count < 1 ? (int16_t)KP_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                : topics->topics[0].error_code,
                       (struct view){0});
        return (int)cli_result(cli);
    }
    have = topics->topics[0].partitions_count;
    request = CLI_NEW(cli, kp_create_partitions_request, kp_create_partitions_request_init);
    request->topics = cli_alloc(cli, sizeof(*request->topics));
    request->topics_count = 1;
    kp_create_partitions_request_topics_init(request->topics);
    request->topics->name = view_text(name);
    request->topics->count = (int32_t)MIN(add_wanted(cli, have), INT32_MAX);
    request->topics->assignments_count = -1;
    request->timeout_ms = cli_time_left_ms(cli);
    request->validate_only = dry;
    do {
        response = cli_call(cli, cli_controller(cli), KP_CREATE_PARTITIONS_KEY, request);
    } while (response->results_count > 0 && cli_again(cli, response->results[0].error_code));
    for (int32_t i = 0; i < response->results_count; i++) {
        int16_t code = response->results[i].error_code;

        cli_row(table);
        cli_put_text(table, "topic", name);
        cli_put_number(table, "before", have);
        cli_put_number(table, "partitions", code == KP_ERR_NONE ? request->topics->count : have);
        cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code),
                      dry ? "would be added" : "added");
        if (code != KP_ERR_NONE) {
            cli_topic_fail(cli, "add partitions to", view_text(name), code, response->results[i].error_message);
        } else {
            cli->good++;
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- trim -------------------------------------------------------------------------------------------------------- */

static int16_t trim_send(struct cli *cli, struct cli_place *place)
{
    struct kp_delete_records_request *request = CLI_NEW(cli, kp_delete_records_request, kp_delete_records_request_init);
    struct kp_delete_records_response                         *response;
    const struct kp_delete_records_response_topics_partitions *row;

    request->topics = cli_alloc(cli, sizeof(*request->topics));
    request->topics_count = 1;
    kp_delete_records_request_topics_init(request->topics);
    request->topics->name = view_text(place->topic);
    request->topics->partitions = cli_alloc(cli, sizeof(*request->topics->partitions));
    request->topics->partitions_count = 1;
    request->topics->partitions->partition_index = place->partition;
    request->topics->partitions->offset = place->offset;
    request->timeout_ms = cli_time_left_ms(cli);
    response = cli_call(cli, place->leader, KP_DELETE_RECORDS_KEY, request);
    if (response->topics_count < 1 || response->topics->partitions_count < 1) {
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    row = response->topics->partitions;
    place->offset = row->error_code == KP_ERR_NONE ? row->low_watermark : place->offset;
    return row->error_code;
}

static void trim_one(struct cli *cli, struct cli_place *place, int64_t before, int64_t end, struct cli_section *table)
{
    bool    dry = cli_flag(cli, "dry-run");
    int64_t target = place->offset;
    int16_t code = KP_ERR_NONE;

    if (target > end) {
        code = KP_ERR_OFFSET_OUT_OF_RANGE;
    } else if (target > before && !dry) {
        do {
            code = trim_send(cli, place);
        } while (cli_again(cli, code));
    }
    cli_row(table);
    cli_put_text(table, "topic", place->topic);
    cli_put_number(table, "partition", place->partition);
    cli_put_number(table, "before", before);
    cli_put_number(table, "start", code != KP_ERR_NONE || place->offset < before ? before : place->offset);
    cli_put_number(table, "end", end);
    cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code),
                  target <= before ? "nothing to do"
                  : dry            ? "would be trimmed"
                                   : "trimmed");
    if (code == KP_ERR_OFFSET_OUT_OF_RANGE) {
        cli_fail(cli, CLI_REFUSED, "%s [%d]: offset %lld lies behind the end, %lld", place->topic, place->partition,
                 (long long)target, (long long)end);
    } else if (code != KP_ERR_NONE) {
        cli_fail_kafka(cli, code, (struct view){0},
                       cli_format(cli, "cannot trim %s [%d]", place->topic, place->partition));
    } else {
        cli->good++;
    }
}

int cli_topic_trim_run(struct cli *cli)
{
    const char         *topic = cli_operand(cli, 0);
    const char         *offset = cli_option(cli, "offset");
    struct cli_section *table = cli_table(cli, NULL, NULL);
    struct cli_position position = {0};
    struct cli_place   *places, *begins, *ends;
    size_t              count = 0;

    if (offset == NULL) {
        cli_die(cli, CLI_USAGE, "up to where? -O OFFSET; -O end deletes all records");
    }
    if (!cli_parse_position(offset, cli_now_ms(), &position)) {
        cli_die(cli, CLI_USAGE, "'%s' is no offset: a number, end, -N or @TIME", offset);
    }
    places = cli_places(cli, &topic, 1, cli_option(cli, "partitions"), &count);
    if (cli->failed > 0) {
        return (int)cli_result(cli);
    }
    begins = cli_alloc_array(cli, count + 1, sizeof(*begins));
    ends = cli_alloc_array(cli, count + 1, sizeof(*ends));
    memcpy(begins, places, count * sizeof(*begins));
    memcpy(ends, places, count * sizeof(*ends));
    cli_resolve(cli, &position, places, count);
    cli_resolve(cli, &(struct cli_position){.kind = CLI_AT_BEGINNING}, begins, count);
    cli_resolve(cli, &(struct cli_position){.kind = CLI_AT_END}, ends, count);
    for (size_t i = 0; i < count && cli->failed == 0; i++) {
        trim_one(cli, &places[i], begins[i].offset, ends[i].offset, table);
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}
