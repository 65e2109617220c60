/* cli_bench_topic.c: the topic of a run and its partitions. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

void bench_topic_make(struct bench *bench)
{
    struct cli                      *cli = bench->cli;
    struct kp_create_topics_request *request = CLI_NEW(cli, kp_create_topics_request, kp_create_topics_request_init);
    struct kp_create_topics_request_topics *topic =
        CLI_NEW(cli, kp_create_topics_request_topics, kp_create_topics_request_topics_init);
    const struct kp_create_topics_response         *response;
    struct kp_create_topics_request_topics_configs *configs;
    int                                             count = 0;
    int16_t                                         code;

    while (cli_option_at(cli, "config", count) != NULL) {
        count++;
    }
    configs = cli_alloc_array(cli, (size_t)count + 1, sizeof(*configs));
    for (int i = 0; i < count; i++) {
        kp_create_topics_request_topics_configs_init(&configs[i]);
        cli_split_setting(cli, cli_option_at(cli, "config", i), &configs[i].name, &configs[i].value);
    }
    topic->name = view_text(bench->plan.topic);
    topic->num_partitions = bench->plan.partitions;
    topic->replication_factor = -1;
    topic->configs = configs;
    topic->configs_count = count;
    request->topics = topic;
    request->topics_count = 1;
    request->timeout_ms = cli_time_left_ms(cli);
    do {
        response = cli_call(cli, cli_controller(cli), KP_CREATE_TOPICS_KEY, request);
        code = response->topics_count == 1 ? response->topics[0].error_code : (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR;
    } while (cli_again(cli, code));
    if (code != KP_ERR_NONE && code != KP_ERR_TOPIC_ALREADY_EXISTS) {
        cli_die_kafka(cli, code, response->topics_count == 1 ? response->topics[0].error_message : (struct view){0},
                      cli_format(cli, "cannot create topic '%s'", bench->plan.topic));
    }
}

/* Every partition has a leader: a cluster may need a moment after a topic was made. */
void bench_topic_look(struct bench *bench)
{
    const struct kp_metadata_response *response;
    int16_t                            code;

    do {
        response = cli_topics(bench->cli, &bench->plan.topic, 1);
        code =
            response->topics_count == 1 ? response->topics[0].error_code : (int16_t)KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        for (int32_t i = 0; code == 0 && i < response->topics[0].partitions_count; i++) {
            code = response->topics[0].partitions[i].leader_id < 0 ? (int16_t)KP_ERR_LEADER_NOT_AVAILABLE : code;
        }
    } while (code != 0 && cli_again(bench->cli, code));
    if (code != 0) {
        cli_die_kafka(bench->cli, code, (struct view){0},
                      cli_format(bench->cli, "cannot use topic '%s'", bench->plan.topic));
    }
}

/* Where each partition begins (reading) and ends. */
void bench_topic_places(struct bench *bench, bool reads)
{
    size_t            count = 0;
    struct cli_place *ends = cli_places(bench->cli, &bench->plan.topic, 1, NULL, &count);
    struct cli_place *starts = cli_alloc_array(bench->cli, count, sizeof(*starts));

    for (size_t i = 0; i < count; i++) {
        ends[i].asked = CLI_ASK_LATEST;
        starts[i] = ends[i];
        starts[i].asked = CLI_ASK_EARLIEST;
    }
    cli_ask_offsets(bench->cli, ends, count, false);
    cli_ask_offsets(bench->cli, starts, count, false);
    bench->places = cli_alloc_array(bench->cli, count, sizeof(*bench->places));
    bench->place_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (ends[i].error != 0 || starts[i].error != 0) {
            cli_die_kafka(bench->cli, ends[i].error != 0 ? ends[i].error : starts[i].error, (struct view){0},
                          "cannot find out where a partition ends");
        }
        bench->places[i] = (struct bench_place){.partition = ends[i].partition,
                                                .leader = ends[i].leader,
                                                .from_offset = reads ? starts[i].offset : ends[i].offset,
                                                .next_offset = reads ? starts[i].offset : ends[i].offset,
                                                .end_offset = reads ? ends[i].offset : INT64_MAX,
                                                .high = -1,
                                                .producer_id = -1,
                                                .first_slot = (uint32_t)i};
    }
}

void bench_topic_delete(struct bench *bench)
{
    struct kp_delete_topics_request *request =
        CLI_NEW(bench->cli, kp_delete_topics_request, kp_delete_topics_request_init);
    struct kp_delete_topics_request_topics *topic =
        CLI_NEW(bench->cli, kp_delete_topics_request_topics, kp_delete_topics_request_topics_init);
    struct view name = view_text(bench->plan.topic);

    cli_deadline_begin(bench->cli);
    topic->name = name;
    request->topics = topic;
    request->topics_count = 1;
    request->topic_names = &name;
    request->topic_names_count = 1;
    request->timeout_ms = cli_time_left_ms(bench->cli);
    MAYBE(cli_call(bench->cli, cli_controller(bench->cli), KP_DELETE_TOPICS_KEY, request) == NULL);
}
