/* cli_topic_describe.c: millrace topic describe. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

/* Sizes of partitions on disk, by "topic\0partition". */
struct sizes {
    struct map map;
};

static struct view size_key(uint8_t key[260], struct view topic, int32_t partition)
{
    size_t len = MIN(topic.len, (size_t)250);

    memcpy(key, topic.base, len);
    memcpy(key + len, &partition, sizeof(partition));
    return view_of(key, len + sizeof(partition));
}

static void sizes_take(struct cli *cli, struct sizes *sizes, const struct kp_describe_log_dirs_response *response)
{
    uint8_t key[260];

    for (int32_t d = 0; d < response->results_count; d++) {
        for (int32_t t = 0; t < response->results[d].topics_count; t++) {
            const struct kp_describe_log_dirs_response_results_topics *topic = &response->results[d].topics[t];

            for (int32_t p = 0; p < topic->partitions_count; p++) {
                int64_t *size = cli_alloc(cli, sizeof(*size));

                *size = topic->partitions[p].partition_size;
                (void)map_put(&sizes->map, size_key(key, topic->name, topic->partitions[p].partition_index), size);
            }
        }
    }
}

/* From the leaders. */
static void sizes_ask(struct cli *cli, struct sizes *sizes)
{
    int32_t                              count = 0;
    const struct cli_node               *nodes = cli_nodes(cli, &count);
    struct kp_describe_log_dirs_request *request =
        CLI_NEW(cli, kp_describe_log_dirs_request, kp_describe_log_dirs_request_init);

    map_init(&sizes->map, MEM_CLI);
    request->topics_count = -1;
    for (int32_t i = 0; i < count; i++) {
        if (cli_version(cli, nodes[i].id, KP_DESCRIBE_LOG_DIRS_KEY) >= 0) {
            sizes_take(cli, sizes, cli_call(cli, nodes[i].id, KP_DESCRIBE_LOG_DIRS_KEY, request));
        }
    }
}

static void describe_head(struct cli_section *table, const struct kp_metadata_response_topics *topic)
{
    static char id[8][UUID_TEXT_BYTES];
    static int  at;

    at = (at + 1) % (int)COUNT_OF(id);
    uuid_format(topic->topic_id, id[at]);
    cli_row(table);
    cli_put_view(table, "topic", topic->name);
    cli_put_text(table, "id", uuid_is_zero(topic->topic_id) ? NULL : id[at]);
    cli_put_number(table, "partitions", topic->partitions_count);
    cli_put_number(table, "replicas", topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0);
    cli_put_bool(table, "internal", topic->is_internal);
}

/* Beginning and end of every partition, in the order of `response`. */
static struct cli_place *describe_offsets(struct cli *cli, const struct kp_metadata_response *response, int64_t what)
{
    size_t            count = 0;
    struct cli_place *places;

    for (int32_t t = 0; t < response->topics_count; t++) {
        count += (size_t)response->topics[t].partitions_count;
    }
    places = cli_alloc_array(cli, count + 1, sizeof(*places));
    count = 0;
    for (int32_t t = 0; t < response->topics_count; t++) {
        const char *name = cli_text_copy(cli, response->topics[t].name);

        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            places[count++] = (struct cli_place){.topic = name,
                                                 .partition = response->topics[t].partitions[p].partition_index,
                                                 .leader = response->topics[t].partitions[p].leader_id,
                                                 .asked = what,
                                                 .offset = -1};
        }
    }
    cli_ask_offsets(cli, places, count, false);
    return places;
}

static void describe_partition(struct cli_section *table, const struct kp_metadata_response_topics *topic, int32_t p,
                               const struct cli_place *begin, const struct cli_place *end, const struct sizes *sizes)
{
    const struct kp_metadata_response_topics_partitions *row = &topic->partitions[p];
    uint8_t                                              key[260];
    const int64_t *size = map_get(&sizes->map, size_key(key, topic->name, row->partition_index));
    bool           known = begin->error == KP_ERR_NONE && end->error == KP_ERR_NONE;

    cli_row(table);
    cli_put_view(table, "topic", topic->name);
    cli_put_number(table, "partition", row->partition_index);
    cli_put_number(table, "leader", row->leader_id);
    cli_put_number(table, "epoch", row->leader_epoch);
    cli_put_numbers(table, "replicas", row->replica_nodes, row->replica_nodes_count);
    cli_put_numbers(table, "isr", row->isr_nodes, row->isr_nodes_count);
    if (known) {
        cli_put_number(table, "start", begin->offset);
        cli_put_number(table, "end", end->offset);
    } else {
        cli_put_none(table, "start");
        cli_put_none(table, "end");
    }
    if (size == NULL) {
        cli_put_none(table, "bytes");
    } else {
        cli_put_bytes(table, "bytes", *size);
    }
}

/* Only what is there, errors said and counted. */
static struct kp_metadata_response *describe_present(struct cli *cli, const struct kp_metadata_response *response)
{
    struct kp_metadata_response *present = cli_alloc(cli, sizeof(*present));

    *present = *response;
    present->topics_count = 0;
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct kp_metadata_response_topics *topic = &response->topics[t];

        if (topic->error_code != KP_ERR_NONE) {
            cli_topic_fail(cli, "describe", topic->name, topic->error_code, (struct view){0});
        } else {
            present->topics[present->topics_count++] = *topic;
        }
    }
    return present;
}

int cli_topic_describe_run(struct cli *cli)
{
    int                                count = 0;
    const char *const                 *names = cli_topic_operands(cli, &count);
    const struct kp_metadata_response *response;
    struct cli_section                *topics, *partitions;
    const struct cli_place            *begins, *ends;
    struct sizes                       sizes;

    if (cli_flag(cli, "configs")) {
        cli_show_settings(cli, CLI_RESOURCE_TOPIC, names, count, cli_flag(cli, "all"));
        cli_out_print(cli);
        return (int)cli_result(cli);
    }
    response = describe_present(cli, cli_topics(cli, names, count));
    if (response->topics_count == 0) {
        return (int)cli_result(cli);
    }
    begins = describe_offsets(cli, response, CLI_ASK_EARLIEST);
    ends = describe_offsets(cli, response, CLI_ASK_LATEST);
    sizes_ask(cli, &sizes);
    topics = cli_table(cli, "topics", NULL);
    partitions = cli_table(cli, "partitions", NULL);
    for (int32_t t = 0; t < response->topics_count; t++) {
        describe_head(topics, &response->topics[t]);
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            describe_partition(partitions, &response->topics[t], p, begins++, ends++, &sizes);
        }
        cli->good++;
    }
    map_deinit(&sizes.map);
    cli_out_print(cli);
    return (int)cli_result(cli);
}
