#include "tests/unit/server/server_rig.h"

#include "core/base/hash.h"

struct server_rig rig;

struct delayed {
    struct timer     timer;
    struct api_call *call;
    struct view      topic;
    uint64_t         sum;
    bool             gone; /* the request's bytes */
};

void server_rig_init(void)
{
    memset(&rig, 0, sizeof(rig));
    rig.limits = net_limits_default();
    rig.budget_bytes = 32 * MIB;
    rig.answer_bytes = 100000;
}

/* --- handlers ----------------------------------------------------------------------------------------------------- */

static struct delayed *delay(struct api_call *call, int64_t delay_ns, void (*fire)(struct timer *timer))
{
    struct delayed *delayed = api_alloc(call, 1, sizeof(*delayed));

    delayed->call = call;
    timer_arm(rig.shard.shard->timers, &delayed->timer, io_now_ns(rig.io) + delay_ns, fire);
    return delayed;
}

static void handle_api_versions(struct api_call *call)
{
    struct kp_api_versions_response response;

    kp_api_versions_response_init(&response);
    response.error_code = call->version_unsupported ? KP_ERR_UNSUPPORTED_VERSION : 0;
    api_reply(call, &response);
}

static void metadata_fire(struct timer *timer)
{
    struct api_call            *call = CONTAINER_OF(timer, struct delayed, timer)->call;
    struct kp_metadata_response response;

    kp_metadata_response_init(&response);
    response.controller_id = call->correlation_id;
    api_reply(call, &response);
}

static void handle_metadata(struct api_call *call)
{
    (void)delay(call, (int64_t)((uint32_t)call->correlation_id * 2654435761U % 40) * NS_PER_MS, metadata_fire);
}

uint64_t server_rig_sum(struct view records)
{
    return hash_bytes(records) & INT64_MAX;
}

static void produce_fire(struct timer *timer)
{
    struct delayed                                          *delayed = CONTAINER_OF(timer, struct delayed, timer);
    struct api_call                                         *call = delayed->call;
    const struct kp_produce_request                         *request = call->request;
    struct kp_produce_response                               response;
    struct kp_produce_response_responses                     topic;
    struct kp_produce_response_responses_partition_responses part;

    kp_produce_response_init(&response);
    kp_produce_response_responses_init(&topic);
    kp_produce_response_responses_partition_responses_init(&part);
    part.base_offset =
        (int64_t)(delayed->gone ? delayed->sum : server_rig_sum(request->topic_data[0].partition_data[0].records));
    topic.name = delayed->gone ? delayed->topic : request->topic_data[0].name;
    topic.partition_responses = &part;
    topic.partition_responses_count = 1;
    response.responses = &topic;
    response.responses_count = 1;
    api_reply(call, &response);
}

static void handle_produce(struct api_call *call)
{
    const struct kp_produce_request *request = call->request;

    if (request->acks == 0) {
        api_reply_nothing(call);
    } else if (request->acks == 2) {
        api_close(call, "the test wants it");
    } else {
        struct delayed *delayed = delay(call, (int64_t)((uint32_t)call->correlation_id % 3) * NS_PER_MS, produce_fire);

        if (call->correlation_id % 2 == 0) {
            delayed->gone = true;
            delayed->sum = server_rig_sum(request->topic_data[0].partition_data[0].records);
            delayed->topic = arena_copy(call->arena, request->topic_data[0].name);
            api_let_go(call);
        }
    }
}

static void coordinator_canceled(struct api_call *call)
{
    struct kp_find_coordinator_response response;

    kp_find_coordinator_response_init(&response);
    rig.waiting--;
    rig.canceled++;
    api_reply(call, &response);
}

static void handle_find_coordinator(struct api_call *call)
{
    rig.waiting++;
    call->canceled = coordinator_canceled;
}

static void handle_describe_cluster(struct api_call *call)
{
    struct kp_describe_cluster_response          response;
    struct kp_describe_cluster_response_brokers *brokers = api_alloc(call, rig.answer_bytes / 1000, sizeof(*brokers));
    static uint8_t                               text[1000];

    kp_describe_cluster_response_init(&response);
    memset(text, 'c', sizeof(text));
    response.brokers = brokers;
    for (; (size_t)response.brokers_count < rig.answer_bytes / 1000; response.brokers_count++) {
        kp_describe_cluster_response_brokers_init(&brokers[response.brokers_count]);
        brokers[response.brokers_count].host = view_of(text, sizeof(text));
    }
    api_reply(call, &response);
}

api_call_fn *api_handler(int16_t api_key)
{
    switch (api_key) {
    case KP_API_VERSIONS_KEY:
        return handle_api_versions;
    case KP_METADATA_KEY:
        return handle_metadata;
    case KP_PRODUCE_KEY:
        return handle_produce;
    case KP_FIND_COORDINATOR_KEY:
        return handle_find_coordinator;
    case KP_DESCRIBE_CLUSTER_KEY:
        return handle_describe_cluster;
    default:
        fail_msg("no test asks for API %d", api_key);
        return NULL;
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int server_turn(void *context)
{
    return io_core_turn(context, INT64_MAX);
}

void server_rig_open(uint64_t seed, const struct sim_options *world)
{
    struct io_address address;
    struct io_address bound;

    rig_create(&rig.world, seed, world, 1, 1, NULL);
    rig.io = sim_io(rig.world.sim, 0, 0);
    rig.host = io_host_create(&(struct io_host_options){.core_count = 1,
                                                        .shard_count = 1,
                                                        .region_bytes_per_core = BUF_BYTES_MAX,
                                                        .budget_bytes_per_core = rig.budget_bytes},
                              &rig.io);
    rig.shard = (struct api_shard){.shard = io_host_shard(rig.host, 0)};
    rig.server = net_server_create(&rig.shard, &rig.limits);
    assert_true(io_address_parse(view_text("10.0.0.1"), RIG_PORT, &address));
    assert_int_equal(net_server_listen(rig.server, &address, view_text("PLAINTEXT"), &bound), ERR_OK);
    assert_int_equal(bound.port, RIG_PORT);
    net_server_start(rig.server);
    sim_add_turn(rig.world.sim, server_turn, io_host_core(rig.host, 0));
    arena_init(&rig.arena, MEM_TEST, 64 * KIB, 256 * MIB);
}

static void server_stopped(void *context)
{
    *(bool *)context = true;
}

static bool server_is_stopped(void *context)
{
    return *(bool *)context;
}

bool server_rig_stop(int64_t grace_ns, int64_t max_ns)
{
    net_server_stop(rig.server, grace_ns, server_stopped, &rig.stopped);
    return rig_until(&rig.world, server_is_stopped, &rig.stopped, max_ns);
}

struct net_stats server_rig_stats(void)
{
    struct net_stats stats;

    net_server_stats(rig.server, &stats);
    return stats;
}

bool server_rig_quiet(void *context)
{
    MAYBE(context != NULL);
    return server_rig_stats().connections == 0;
}

void server_rig_close(void)
{
    while (!list_empty(&rig.world.clients)) {
        rig_client_free(LIST_ENTRY(list_first(&rig.world.clients), struct rig_client, link));
    }
    if (!rig.stopped) {
        assert_true(server_rig_stop(NS_PER_S, 100 * NS_PER_S));
    }
    assert_int_equal(buf_pool_used_bytes(rig.shard.shard->bufs), 0);
    sim_remove_turn(rig.world.sim, io_host_core(rig.host, 0));
    net_server_destroy(rig.server);
    io_host_destroy(rig.host);
    io_destroy(rig.io);
    arena_deinit(&rig.arena);
    rig_destroy(&rig.world);
}

size_t server_rig_frame(uint8_t *into, int32_t correlation_id)
{
    struct kp_request_header header = {
        .api_key = KP_API_VERSIONS_KEY, .correlation_id = correlation_id, .client_id = view_text("rig")};
    struct kp_writer writer;

    kp_writer_init_span(&writer, span_of(into + 4, 60));
    kp_request_header_encode(&writer, &header);
    assert_int_equal(writer.error, ERR_OK);
    store_be32(into, (uint32_t)writer.bytes_total);
    return 4 + writer.bytes_total;
}
