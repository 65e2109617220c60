/* The handlers of the data path on a whole broker: Produce, Fetch, ListOffsets, their errors and their waits. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define FETCH_VERSION 12
#define ORDERS        "orders"
#define BATCHES       10

static struct broker_rig  rig;
static struct rig_client *client; /* of the shard that leads partition 0 of ORDERS */
static struct rig_client *other;  /* of the one that does not */
static uint32_t           leader;

static int set_up(void **state)
{
    (void)state;
    rig_create(&rig, 1, NULL, 2, 2, NULL);
    assert_int_equal(rig_start(&rig), ERR_OK);
    client = rig_connect(&rig, 0);
    other = rig_connect(&rig, 1);
    assert_int_equal(rig_create_topic(client, ORDERS, 1, NULL), 0);
    leader = 0;
    if (rig_produce(client, ORDERS, 0, rig_batch(&client->scratch, "first", 1, -1, -1, -1), NULL) != 0) {
        struct rig_client *swap = client;

        client = other;
        other = swap;
        leader = 1;
        assert_int_equal(rig_produce(client, ORDERS, 0, rig_batch(&client->scratch, "first", 1, -1, -1, -1), NULL), 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

static struct view batch(int32_t count)
{
    return rig_batch(&client->scratch, "a value of some length", count, -1, -1, -1);
}

static struct view transactional_batch(int64_t producer_id)
{
    struct rec_builder builder;
    struct view        bytes = {0};

    rec_builder_init(&builder, &client->scratch);
    builder.attributes = REC_ATTR_TRANSACTIONAL;
    builder.producer_id = producer_id;
    builder.producer_epoch = 0;
    builder.base_sequence = 0;
    rec_builder_add(&builder, 1000, (struct view){0}, view_text("value"), NULL, 0);
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &bytes), ERR_OK);
    return bytes;
}

/* --- produce ------------------------------------------------------------------------------------------------------ */

static const struct kp_produce_response_responses_partition_responses *produce(
    struct rig_client *to, int16_t version, struct kp_produce_request *request,
    const struct kp_produce_response **out_response)
{
    const struct kp_produce_response *response = rig_ask(to, KP_PRODUCE_KEY, version, request);

    assert_non_null(response);
    if (out_response != NULL) {
        *out_response = response;
    }
    return &response->responses[0].partition_responses[0];
}

static void test_produce_refusals(void **state)
{
    const struct kp_produce_response_responses_partition_responses *answer;
    const struct kp_produce_response                               *response;
    struct kp_produce_request                                      *request;

    (void)state;
    answer = produce(client, 9, rig_produce_request(&client->scratch, "nowhere", 0, -1, batch(1)), NULL);
    assert_int_equal(answer->error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(answer->base_offset, -1);
    answer = produce(client, 9, rig_produce_request(&client->scratch, ORDERS, 7, -1, batch(1)), NULL);
    assert_int_equal(answer->error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    answer = produce(client, 9, rig_produce_request(&client->scratch, ORDERS, -1, -1, batch(1)), NULL);
    assert_int_equal(answer->error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    answer = produce(client, 9, rig_produce_request(&client->scratch, ORDERS, 0, 3, batch(1)), NULL);
    assert_int_equal(answer->error_code, KP_ERR_INVALID_REQUIRED_ACKS);
    /* a transactional batch without a transactional id */
    request = rig_produce_request(&client->scratch, ORDERS, 0, -1, transactional_batch(1));
    answer = produce(client, 9, request, NULL);
    assert_int_equal(answer->error_code, KP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    request = rig_produce_request(&client->scratch, "", 0, -1, batch(1));
    request->topic_data[0].topic_id = (struct uuid){{1, 2, 3}};
    answer = produce(client, 13, request, NULL);
    assert_int_equal(answer->error_code, KP_ERR_UNKNOWN_TOPIC_ID);
    /* KIP-951: the answer of the wrong shard says who leads and where */
    answer = produce(other, 10, rig_produce_request(&other->scratch, ORDERS, 0, -1, batch(1)), &response);
    assert_int_equal(answer->error_code, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(answer->current_leader.leader_id, leader);
    assert_int_equal(response->node_endpoints_count, 1);
    assert_int_equal(response->node_endpoints[0].node_id, leader);
    assert_int_equal(response->node_endpoints[0].port, RIG_PORT + leader);
}

static void test_produce_damaged_batch(void **state)
{
    struct view good = batch(3);
    uint8_t    *bad = arena_alloc(&client->scratch, good.len);
    int64_t     offset = -1;

    (void)state;
    memcpy(bad, good.base, good.len);
    bad[good.len - 1] ^= 1;
    assert_int_equal(rig_produce(client, ORDERS, 0, view_of(bad, good.len), NULL), KP_ERR_CORRUPT_MESSAGE);
    assert_int_not_equal(rig_produce(client, ORDERS, 0, view_of(good.base, good.len - 1), NULL), 0);
    assert_int_not_equal(rig_produce(client, ORDERS, 0, (struct view){0}, NULL), 0);
    assert_int_equal(rig_produce(client, ORDERS, 0, good, &offset), 0);
    assert_int_equal(offset, 1); /* nothing of the refused ones has taken an offset */
}

/* acks=0 is not answered; when it is refused, the connection closes so that the client asks for metadata again. */
static void test_produce_acks_0(void **state)
{
    struct rig_client *lone = rig_connect(&rig, leader);
    struct rig_call    call;
    int64_t            offset = -1;

    (void)state;
    rig_call_init(&call);
    call.no_answer = true;
    rig_call_start(lone, &call, KP_PRODUCE_KEY, 9, rig_produce_request(&lone->scratch, ORDERS, 0, 0, batch(5)));
    assert_true(rig_call_wait(&call));
    assert_int_equal(rig_produce(lone, ORDERS, 0, batch(1), &offset), 0);
    assert_int_equal(offset, 6);
    rig_call_start(lone, &call, KP_PRODUCE_KEY, 9, rig_produce_request(&lone->scratch, "nowhere", 0, 0, batch(5)));
    assert_true(rig_call_wait(&call));
    rig_run(&rig, NS_PER_S);
    assert_true(lone->closed);
    rig_call_deinit(&call);
}

/* --- fetch -------------------------------------------------------------------------------------------------------- */

static const struct kp_fetch_response *fetch(struct rig_client *from, struct kp_fetch_request *request)
{
    const struct kp_fetch_response *response = rig_ask(from, KP_FETCH_KEY, FETCH_VERSION, request);

    assert_non_null(response);
    return response;
}

static int16_t fetch_error(struct rig_client *from, struct kp_fetch_request *request)
{
    const struct kp_fetch_response *response = fetch(from, request);

    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->responses_count, 1);
    return response->responses[0].partitions[0].error_code;
}

static void test_fetch_refusals(void **state)
{
    struct kp_fetch_request *request;

    (void)state;
    assert_int_equal(fetch_error(client, rig_fetch_request(&client->scratch, "nowhere", 0, 0, 9000, 1, 1000)),
                     KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch_error(client, rig_fetch_request(&client->scratch, ORDERS, 3, 0, 9000, 1, 1000)),
                     KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch_error(other, rig_fetch_request(&other->scratch, ORDERS, 0, 0, 9000, 1, 1000)),
                     KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(fetch_error(client, rig_fetch_request(&client->scratch, ORDERS, 0, 99, 9000, 1, 1000)),
                     KP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetch_error(client, rig_fetch_request(&client->scratch, ORDERS, 0, -5, 9000, 1, 1000)),
                     KP_ERR_OFFSET_OUT_OF_RANGE);
    request = rig_fetch_request(&client->scratch, ORDERS, 0, 0, 9000, 1, 1000);
    request->topics[0].partitions[0].current_leader_epoch = 9;
    assert_int_equal(fetch_error(client, request), KP_ERR_UNKNOWN_LEADER_EPOCH);
}

/* KIP-951: the answer of the wrong shard says who leads and where. */
static void test_fetch_redirects(void **state)
{
    struct kp_fetch_request           *request;
    struct kp_metadata_request         ask;
    struct kp_metadata_request_topics  topic;
    const struct kp_metadata_response *metadata;
    const struct kp_fetch_response    *response;

    (void)state;
    kp_metadata_request_init(&ask);
    kp_metadata_request_topics_init(&topic);
    topic.name = view_text(ORDERS);
    ask.topics = &topic;
    ask.topics_count = 1;
    metadata = rig_ask(other, KP_METADATA_KEY, 12, &ask);
    request = rig_fetch_request(&other->scratch, "", 0, 0, 9000, 1, 1000);
    request->topics[0].topic_id = metadata->topics[0].topic_id;
    response = rig_ask(other, KP_FETCH_KEY, 16, request);
    assert_int_equal(response->responses[0].partitions[0].error_code, KP_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(response->responses[0].partitions[0].current_leader.leader_id, leader);
    assert_int_equal(response->node_endpoints_count, 1);
    assert_int_equal(response->node_endpoints[0].port, RIG_PORT + leader);
    response = rig_ask(client, KP_FETCH_KEY, 16, request); /* the right one */
    assert_int_equal(response->responses[0].partitions[0].error_code, 0);
    assert_int_equal(response->responses[0].partitions[0].current_leader.leader_id, -1);
    assert_int_equal(response->node_endpoints_count, 0);
}

/* The first batch comes whole however small the limits are, the next ones respect them. */
static void test_fetch_limits(void **state)
{
    const struct kp_fetch_response *response;
    struct rec_batch                first;
    size_t                          one;

    (void)state;
    for (int32_t i = 0; i < BATCHES; i++) {
        assert_int_equal(rig_produce(client, ORDERS, 0, batch(4), NULL), 0);
    }
    response = fetch(client, rig_fetch_request(&client->scratch, ORDERS, 0, 1, 0, 1, 1));
    assert_int_equal(rec_batch_parse(response->responses[0].partitions[0].records, &first), ERR_OK);
    assert_int_equal(response->responses[0].partitions[0].records.len, first.bytes.len);
    assert_int_equal(first.base_offset, 1);
    assert_int_equal(response->responses[0].partitions[0].high_watermark, 1 + 4 * BATCHES);
    one = first.bytes.len;
    response = fetch(client, rig_fetch_request(&client->scratch, ORDERS, 0, 1, 0, 1, (int32_t)(one * 3)));
    assert_in_range(response->responses[0].partitions[0].records.len, one, one * 3);
    response = fetch(client, rig_fetch_request(&client->scratch, ORDERS, 0, 1, 0, 1, 1000000));
    assert_int_equal(response->responses[0].partitions[0].records.len, one * BATCHES);
}

static void test_fetch_waits_for_data(void **state)
{
    struct rig_client              *reader = rig_connect(&rig, leader);
    const struct kp_fetch_response *response;
    struct rig_call                 call;
    int64_t                         start_ns = sim_now_ns(rig.sim);

    (void)state;
    /* nothing comes: an empty answer when the time is over */
    response = fetch(reader, rig_fetch_request(&reader->scratch, ORDERS, 0, 1, 700, 1, 1000));
    assert_int_equal(response->responses[0].partitions[0].records.len, 0);
    assert_in_range(sim_now_ns(rig.sim) - start_ns, 700 * NS_PER_MS, 900 * NS_PER_MS);
    /* something comes: at once */
    rig_call_init(&call);
    rig_call_start(reader, &call, KP_FETCH_KEY, FETCH_VERSION,
                   rig_fetch_request(&reader->scratch, ORDERS, 0, 1, 60000, 1, 1000));
    rig_run(&rig, 2 * NS_PER_S);
    assert_false(call.done);
    start_ns = sim_now_ns(rig.sim);
    assert_int_equal(rig_produce(client, ORDERS, 0, batch(2), NULL), 0);
    assert_true(rig_call_wait(&call));
    assert_true(sim_now_ns(rig.sim) - start_ns < NS_PER_S);
    response = call.response;
    assert_true(response->responses[0].partitions[0].records.len > 0);
    /* less than min_bytes does not end it */
    rig_call_start(reader, &call, KP_FETCH_KEY, FETCH_VERSION,
                   rig_fetch_request(&reader->scratch, ORDERS, 0, 3, 5000, 100000, 1000000));
    assert_int_equal(rig_produce(client, ORDERS, 0, batch(2), NULL), 0);
    rig_run(&rig, NS_PER_S);
    assert_false(call.done);
    assert_true(rig_call_wait(&call));
    /* the topic goes away under a waiting fetch */
    rig_call_start(reader, &call, KP_FETCH_KEY, FETCH_VERSION,
                   rig_fetch_request(&reader->scratch, ORDERS, 0, 5, 60000, 1, 1000));
    rig_run(&rig, NS_PER_S);
    assert_int_equal(rig_delete_topic(client, ORDERS), 0);
    assert_true(rig_call_wait(&call));
    response = call.response;
    assert_int_equal(response->responses[0].partitions[0].error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_call_deinit(&call);
}

/* The topic goes away while a fetch of several partitions reads from the disk: whatever is answered, it is answered. */
static void test_fetch_while_its_topic_is_deleted(void **state)
{
    static char                               value[60000];
    struct kp_fetch_request                  *request;
    struct kp_fetch_request_topics_partitions partitions[4];
    struct rig_client                        *reader = rig_connect(&rig, leader);
    struct rig_call                           call;
    uint32_t                                  gone = 0;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    rig_call_init(&call);
    sim_settings(rig.sim)->read_latency = (struct sim_range){5 * NS_PER_MS, 20 * NS_PER_MS};
    for (int64_t delay = 0; delay < 24; delay++) {
        rig_client_reset(client);
        rig_client_reset(reader);
        assert_int_equal(rig_create_topic(client, "cold", 8, NULL), 0); /* four of them on this shard */
        request = rig_fetch_request(&reader->scratch, "cold", 0, 0, 0, 1, 1 << 20);
        request->topics[0].partitions = partitions;
        request->topics[0].partitions_count = 0;
        for (int32_t i = 0; i < 8; i++) {
            struct view records = rig_batch(&client->scratch, value, 9, -1, -1, -1);

            if (rig_produce(client, "cold", i, records, NULL) == 0) { /* more than the cache holds of all */
                kp_fetch_request_topics_partitions_init(&partitions[request->topics[0].partitions_count]);
                partitions[request->topics[0].partitions_count].partition = i;
                partitions[request->topics[0].partitions_count++].partition_max_bytes = 1 << 20;
            }
        }
        assert_int_equal(request->topics[0].partitions_count, 4);
        request->max_bytes = 8 << 20;
        rig_call_start(reader, &call, KP_FETCH_KEY, FETCH_VERSION, request);
        rig_run(&rig, 1 + delay * NS_PER_MS);
        assert_int_equal(rig_delete_topic(other, "cold"), 0);
        assert_true(rig_call_wait(&call));
        for (int32_t i = 0; i < 4; i++) {
            const struct kp_fetch_response *response = call.response;

            gone += response->responses[0].partitions[i].error_code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
        arena_reset(&call.arena);
    }
    assert_true(gone > 0); /* the race was met */
    rig_call_deinit(&call);
}

/* A clean stop answers those who wait. */
static void test_stop_answers_a_waiting_fetch(void **state)
{
    struct rig_call call;

    (void)state;
    rig_call_init(&call);
    rig_call_start(client, &call, KP_FETCH_KEY, FETCH_VERSION,
                   rig_fetch_request(&client->scratch, ORDERS, 0, 1, 600000, 1, 1000));
    rig_run(&rig, NS_PER_S);
    assert_int_equal(rig_stop(&rig), ERR_OK);
    assert_true(rig_call_wait(&call));
    rig_call_deinit(&call);
}

/* --- sessions (KIP-227) ------------------------------------------------------------------------------------------- */

static struct kp_fetch_request *session_request(int32_t id, int32_t epoch, bool named, int64_t offset)
{
    struct kp_fetch_request *request = rig_fetch_request(&client->scratch, ORDERS, 0, offset, 0, 1, 100000);

    request->session_id = id;
    request->session_epoch = epoch;
    if (!named) {
        request->topics_count = 0;
    }
    return request;
}

static void test_sessions(void **state)
{
    const struct kp_fetch_response               *response;
    struct kp_fetch_request                      *request;
    struct kp_fetch_request_forgotten_topics_data forgotten;
    int32_t                                       zero = 0;
    int32_t                                       id;

    (void)state;
    response = fetch(client, session_request(0, 0, true, 0));
    id = response->session_id;
    assert_int_not_equal(id, 0);
    assert_int_equal(response->responses_count, 1); /* a full fetch shows everything */
    response = fetch(client, session_request(id, 1, true, 1));
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->responses_count, 0); /* nothing new at the end of the log */
    assert_int_equal(rig_produce(client, ORDERS, 0, batch(1), NULL), 0);
    response = fetch(client, session_request(id, 2, false, 0)); /* the session remembers what is asked */
    assert_int_equal(response->responses_count, 1);
    assert_true(response->responses[0].partitions[0].records.len > 0);
    assert_int_equal(fetch(client, session_request(id, 9, false, 0))->error_code, KP_ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(fetch(client, session_request(id + 1, 1, false, 0))->error_code,
                     KP_ERR_FETCH_SESSION_ID_NOT_FOUND);
    request = session_request(id, 3, false, 0);
    kp_fetch_request_forgotten_topics_data_init(&forgotten);
    forgotten.topic = view_text(ORDERS);
    forgotten.partitions = &zero;
    forgotten.partitions_count = 1;
    request->forgotten_topics_data = &forgotten;
    request->forgotten_topics_data_count = 1;
    response = fetch(client, request);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->responses_count, 0);
    response = fetch(client, session_request(id, -1, true, 0)); /* closes it */
    assert_int_equal(response->session_id, 0);
    assert_int_equal(fetch(client, session_request(id, 4, false, 0))->error_code, KP_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

/* --- list offsets ------------------------------------------------------------------------------------------------- */

static struct kp_list_offsets_response_topics_partitions list_offset(int16_t version, int64_t timestamp, int32_t index,
                                                                     int32_t count)
{
    struct kp_list_offsets_request                   request;
    struct kp_list_offsets_request_topics            topic;
    struct kp_list_offsets_request_topics_partitions partitions[2];
    const struct kp_list_offsets_response           *response;

    kp_list_offsets_request_init(&request);
    kp_list_offsets_request_topics_init(&topic);
    for (int32_t i = 0; i < count; i++) {
        kp_list_offsets_request_topics_partitions_init(&partitions[i]);
        partitions[i].partition_index = index;
        partitions[i].timestamp = timestamp;
    }
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = view_text(ORDERS);
    topic.partitions = partitions;
    topic.partitions_count = count;
    response = rig_ask(client, KP_LIST_OFFSETS_KEY, version, &request);
    assert_non_null(response);
    assert_int_equal(response->topics[0].partitions_count, count);
    return response->topics[0].partitions[count - 1];
}

static void test_list_offsets(void **state)
{
    (void)state;
    assert_int_equal(rig_produce(client, ORDERS, 0, batch(4), NULL), 0); /* times T .. T + 3 at offsets 1 .. 4 */
    assert_int_equal(list_offset(5, -1, 0, 1).offset, 5);
    assert_int_equal(list_offset(5, -2, 0, 1).offset, 0);
    assert_int_equal(list_offset(5, -3, 0, 1).error_code, KP_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(list_offset(7, -3, 0, 1).offset, 4);
    assert_int_equal(list_offset(7, -4, 0, 1).error_code, KP_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(list_offset(8, -4, 0, 1).offset, 0);
    assert_int_equal(list_offset(11, -7, 0, 1).error_code, KP_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(list_offset(5, INT64_C(1700000000002), 0, 1).offset, 3);
    assert_int_equal(list_offset(5, INT64_C(1800000000000), 0, 1).offset, -1);
    assert_int_equal(list_offset(5, -1, 3, 1).error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(list_offset(5, -1, 0, 2).error_code, KP_ERR_INVALID_REQUEST); /* asked for twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_produce_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_produce_damaged_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_produce_acks_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_redirects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_waits_for_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_while_its_topic_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_answers_a_waiting_fetch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_offsets, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
