/* Transactions on the data path of a whole broker: Produce before, in and after a transaction, what Fetch, ListOffsets
 * and DescribeProducers show of it. The coordinator itself has tests of its own. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define ORDERS        "orders"
#define ID            "mover"
#define FETCH_VERSION 12
#define PATIENCE_NS   (20 * NS_PER_S)

static struct broker_rig  rig;
static struct rig_client *clients[2];
static struct rig_client *leader;      /* of ORDERS-0 */
static struct rig_client *coordinator; /* of ID */
static int64_t            pid;
static int16_t            epoch;

static const char *const settings[] = {"transaction.state.log.num.partitions=4", NULL};

static void find_coordinator(void)
{
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;
    struct view                                key = view_text(ID);

    kp_find_coordinator_request_init(&request);
    request.key_type = 1;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    for (int i = 0; i < 100; i++) {
        response = rig_ask(clients[0], KP_FIND_COORDINATOR_KEY, 4, &request);
        assert_non_null(response);
        assert_int_equal(response->coordinators_count, 1);
        if (response->coordinators[0].error_code == 0) {
            coordinator = clients[response->coordinators[0].node_id];
            return;
        }
        assert_true(kp_error_is_retriable(response->coordinators[0].error_code));
        rig_run(&rig, 50 * NS_PER_MS);
    }
    fail_msg("there is no coordinator");
}

/* As a client does: again while the one before is being ended. */
static void init_producer(void)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response = NULL;

    kp_init_producer_id_request_init(&request);
    request.transactional_id = view_text(ID);
    request.transaction_timeout_ms = 60000;
    for (int i = 0; i < 100; i++) {
        response = rig_ask(coordinator, KP_INIT_PRODUCER_ID_KEY, 4, &request);
        assert_non_null(response);
        if (response->error_code == 0) {
            pid = response->producer_id;
            epoch = response->producer_epoch;
            return;
        }
        assert_true(kp_error_is_retriable(response->error_code));
        rig_run(&rig, 50 * NS_PER_MS);
    }
    fail_msg("no producer id");
}

static int16_t add_partition(int32_t partition)
{
    struct kp_add_partitions_to_txn_request                             request;
    struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic topic;
    const struct kp_add_partitions_to_txn_response                     *response;

    kp_add_partitions_to_txn_request_init(&request);
    kp_add_partitions_to_txn_request_add_partitions_to_txn_topic_init(&topic);
    topic.name = view_text(ORDERS);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.v3_and_below_transactional_id = view_text(ID);
    request.v3_and_below_producer_id = pid;
    request.v3_and_below_producer_epoch = epoch;
    request.v3_and_below_topics = &topic;
    request.v3_and_below_topics_count = 1;
    for (int i = 0; i < 100; i++) {
        int16_t error;

        response = rig_ask(coordinator, KP_ADD_PARTITIONS_TO_TXN_KEY, 3, &request);
        assert_non_null(response);
        error = response->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
        if (error != KP_ERR_CONCURRENT_TRANSACTIONS) {
            return error;
        }
        rig_run(&rig, 20 * NS_PER_MS);
    }
    return KP_ERR_CONCURRENT_TRANSACTIONS;
}

static int16_t end_transaction(int16_t version, bool commit)
{
    struct kp_end_txn_request         request;
    const struct kp_end_txn_response *response;

    kp_end_txn_request_init(&request);
    request.transactional_id = view_text(ID);
    request.producer_id = pid;
    request.producer_epoch = epoch;
    request.committed = commit;
    response = rig_ask(coordinator, KP_END_TXN_KEY, version, &request);
    assert_non_null(response);
    if (response->error_code == 0 && version >= 5) {
        pid = response->producer_id;
        epoch = response->producer_epoch;
    }
    return response->error_code;
}

static struct view batch_of(int64_t producer_id, int16_t producer_epoch, int32_t sequence, bool transactional)
{
    struct rec_builder builder;
    struct view        bytes = {0};

    rec_builder_init(&builder, &leader->scratch);
    builder.attributes = transactional ? REC_ATTR_TRANSACTIONAL : 0;
    builder.producer_id = producer_id;
    builder.producer_epoch = producer_epoch;
    builder.base_sequence = sequence;
    rec_builder_add(&builder, 1000, (struct view){0}, view_text("value"), NULL, 0);
    assert_int_equal(rec_builder_finish(&builder, REC_NONE, 0, &bytes), ERR_OK);
    return bytes;
}

static struct kp_produce_request *produce_request(struct view batch)
{
    struct kp_produce_request *request = rig_produce_request(&leader->scratch, ORDERS, 0, -1, batch);

    request->transactional_id = view_text(ID);
    return request;
}

static int16_t produce_with(int16_t version, int16_t of_epoch, int32_t sequence)
{
    struct kp_produce_request        *request = produce_request(batch_of(pid, of_epoch, sequence, true));
    const struct kp_produce_response *response = rig_ask(leader, KP_PRODUCE_KEY, version, request);

    assert_non_null(response);
    return response->responses[0].partition_responses[0].error_code;
}

static int16_t produce(int16_t version, int32_t sequence)
{
    return produce_with(version, epoch, sequence);
}

static int64_t list_latest(int8_t isolation)
{
    struct kp_list_offsets_request                   request;
    struct kp_list_offsets_request_topics            topic;
    struct kp_list_offsets_request_topics_partitions partition;
    const struct kp_list_offsets_response           *response;

    kp_list_offsets_request_init(&request);
    kp_list_offsets_request_topics_init(&topic);
    kp_list_offsets_request_topics_partitions_init(&partition);
    partition.timestamp = -1;
    topic.name = view_text(ORDERS);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.isolation_level = isolation;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(leader, KP_LIST_OFFSETS_KEY, 5, &request);
    assert_non_null(response);
    assert_int_equal(response->topics[0].partitions[0].error_code, 0);
    return response->topics[0].partitions[0].offset;
}

/* Markers are written after the answer to EndTxn. */
static void wait_stable(void)
{
    for (int i = 0; i < 200 && list_latest(1) != list_latest(0); i++) {
        rig_run(&rig, 10 * NS_PER_MS);
    }
    assert_int_equal(list_latest(1), list_latest(0));
}

static struct kp_fetch_request *fetch_request(int64_t offset, int8_t isolation, int32_t max_wait_ms)
{
    struct kp_fetch_request *request = rig_fetch_request(&leader->scratch, ORDERS, 0, offset, max_wait_ms, 1, 1 << 20);

    request->isolation_level = isolation;
    return request;
}

static const struct kp_fetch_response_responses_partitions *fetch(int64_t offset, int8_t isolation)
{
    const struct kp_fetch_response *response =
        rig_ask(leader, KP_FETCH_KEY, FETCH_VERSION, fetch_request(offset, isolation, 0));

    assert_non_null(response);
    assert_int_equal(response->responses[0].partitions[0].error_code, 0);
    return &response->responses[0].partitions[0];
}

static int set_up(void **state)
{
    (void)state;
    rig_create(&rig, 1, NULL, 2, 2, settings);
    assert_int_equal(rig_start(&rig), ERR_OK);
    clients[0] = rig_connect(&rig, 0);
    clients[1] = rig_connect(&rig, 1);
    assert_int_equal(rig_create_topic(clients[0], ORDERS, 1, NULL), 0);
    leader = clients[0];
    if (rig_produce(leader, ORDERS, 0, rig_batch(&leader->scratch, "first", 1, -1, -1, -1), NULL) != 0) {
        leader = clients[1];
        assert_int_equal(rig_produce(leader, ORDERS, 0, rig_batch(&leader->scratch, "first", 1, -1, -1, -1), NULL), 0);
    }
    find_coordinator();
    init_producer();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

/* --- produce ----------------------------------------------------------------------------------------------------- */

static void batches_need_a_transaction(void **state)
{
    struct kp_produce_request        *request;
    const struct kp_produce_response *response;

    (void)state;
    assert_int_equal(produce(9, 0), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(produce(10, 0), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(produce(11, 0), KP_ERR_TRANSACTION_ABORTABLE);
    assert_int_equal(add_partition(0), 0);
    assert_int_equal(produce(9, 0), 0);
    assert_int_equal(produce(11, 1), 0);
    assert_int_equal(produce(11, 1), 0); /* again: the same answer */
    assert_int_equal(produce(11, 3), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    /* While it is open, nothing else of the producer. */
    request = rig_produce_request(&leader->scratch, ORDERS, 0, -1, batch_of(pid, epoch, 2, false));
    response = rig_ask(leader, KP_PRODUCE_KEY, 9, request);
    assert_int_equal(response->responses[0].partition_responses[0].error_code, KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(list_latest(0), 3);
    assert_int_equal(list_latest(1), 1);
    assert_int_equal(end_transaction(3, true), 0);
    wait_stable();
    assert_int_equal(list_latest(0), 4);
    /* What comes late opens nothing. */
    assert_int_equal(produce(9, 2), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(produce(11, 2), KP_ERR_TRANSACTION_ABORTABLE);
    assert_int_equal(list_latest(1), 4);
}

static void refusals_are_kafkas(void **state)
{
    struct kp_produce_request                          *request;
    struct kp_produce_request                          *other;
    const struct kp_produce_response                   *response;
    struct kp_produce_request_topic_data_partition_data two[2];
    int16_t                                             old = epoch;
    int64_t                                             real = pid;

    (void)state;
    /* no transactional id */
    request = rig_produce_request(&leader->scratch, ORDERS, 0, -1, batch_of(pid, epoch, 0, true));
    response = rig_ask(leader, KP_PRODUCE_KEY, 9, request);
    assert_int_equal(response->responses[0].partition_responses[0].error_code,
                     KP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    /* a plain batch in a transactional request is a plain batch */
    request = produce_request(rig_batch(&leader->scratch, "plain", 1, -1, -1, -1));
    response = rig_ask(leader, KP_PRODUCE_KEY, 9, request);
    assert_int_equal(response->responses[0].partition_responses[0].error_code, 0);
    /* two producers in one request */
    request = produce_request(batch_of(pid, epoch, 0, true));
    other = produce_request(batch_of(pid + 1, epoch, 0, true));
    two[0] = request->topic_data[0].partition_data[0];
    two[1] = other->topic_data[0].partition_data[0];
    two[1].index = 1;
    request->topic_data[0].partition_data = two;
    request->topic_data[0].partition_data_count = 2;
    response = rig_ask(leader, KP_PRODUCE_KEY, 9, request);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(response->responses[0].partition_responses[i].error_code, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    }
    /* a producer id that is not the transactional id's */
    pid = real + 1000;
    assert_int_equal(produce(12, 0), KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    pid = real;
    /* an epoch that was fenced, before the partition has seen the newer one and after */
    init_producer();
    assert_true(epoch > old);
    assert_int_equal(produce_with(12, old, 0), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(produce(12, 0), 0);
    assert_int_equal(produce_with(12, old, 0), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_transaction(5, false), 0);
    wait_stable();
}

/* Transactions of version 2: the first batch adds the partition, the end moves the epoch on. */
static void produce_adds_partitions(void **state)
{
    int16_t old = epoch;

    (void)state;
    assert_int_equal(produce(12, 5), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER); /* each epoch begins at 0 */
    assert_int_equal(produce(12, 0), 0);
    assert_int_equal(produce(12, 1), 0);
    assert_int_equal(end_transaction(5, true), 0);
    assert_int_equal(epoch, old + 1);
    /* At once, before the markers may be written: the coordinator keeps it until they are. */
    assert_int_equal(produce(12, 0), 0);
    assert_int_equal(produce_with(12, old, 2), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_transaction(5, false), 0);
    wait_stable();
    assert_int_equal(list_latest(0), 1 + 2 + 1 + 1 + 1);
}

static void first_batches_keep_their_order(void **state)
{
    struct rig_call calls[5];

    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        rig_call_init(&calls[i]);
        rig_call_start(leader, &calls[i], KP_PRODUCE_KEY, 12, produce_request(batch_of(pid, epoch, i, true)));
    }
    for (int32_t i = 0; i < 5; i++) {
        const struct kp_produce_response *response;

        assert_true(rig_call_wait(&calls[i]));
        response = calls[i].response;
        assert_int_equal(response->responses[0].partition_responses[0].error_code, 0);
        assert_int_equal(response->responses[0].partition_responses[0].base_offset, 1 + i);
        rig_call_deinit(&calls[i]);
    }
}

static void topics_vanish_under_questions(void **state)
{
    struct rig_call calls[3];

    (void)state;
    for (int32_t i = 0; i < 3; i++) {
        rig_call_init(&calls[i]);
        rig_call_start(leader, &calls[i], KP_PRODUCE_KEY, 12, produce_request(batch_of(pid, epoch, i, true)));
    }
    assert_int_equal(rig_delete_topic(clients[leader == clients[0] ? 1 : 0], ORDERS), 0);
    for (int32_t i = 0; i < 3; i++) {
        const struct kp_produce_response *response;
        int16_t                           error;

        assert_true(rig_call_wait(&calls[i]));
        response = calls[i].response;
        error = response->responses[0].partition_responses[0].error_code;
        assert_true(error == 0 || error == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
        rig_call_deinit(&calls[i]);
    }
}

/* --- fetch ------------------------------------------------------------------------------------------------------- */

static void readers_see_what_is_decided(void **state)
{
    const struct kp_fetch_response_responses_partitions *answer;

    (void)state;
    assert_int_equal(produce(12, 0), 0);
    answer = fetch(0, 1);
    assert_int_equal(answer->high_watermark, 2);
    assert_int_equal(answer->last_stable_offset, 1);
    assert_true(answer->records.len > 0);
    assert_int_equal(answer->aborted_transactions_count, 0);
    answer = fetch(1, 1);
    assert_int_equal(answer->records.len, 0);
    assert_int_equal(answer->aborted_transactions_count, 0);
    answer = fetch(1, 0);
    assert_true(answer->records.len > 0);
    assert_int_equal(answer->aborted_transactions_count, -1); /* null: not asked for */
    assert_int_equal(end_transaction(5, false), 0);
    wait_stable();
    answer = fetch(0, 1);
    assert_int_equal(answer->last_stable_offset, 3);
    assert_int_equal(answer->aborted_transactions_count, 1);
    assert_int_equal(answer->aborted_transactions[0].producer_id, pid);
    assert_int_equal(answer->aborted_transactions[0].first_offset, 1);
    /* It is over at its marker. */
    assert_int_equal(produce(12, 0), 0);
    assert_int_equal(end_transaction(5, true), 0);
    wait_stable();
    answer = fetch(3, 1);
    assert_true(answer->records.len > 0);
    assert_int_equal(answer->aborted_transactions_count, 0);
    assert_int_equal(fetch(2, 1)->aborted_transactions_count, 1);
}

static void markers_wake_readers(void **state)
{
    struct rig_call                 call;
    struct rig_client              *reader = rig_connect(&rig, leader == clients[0] ? 0 : 1);
    const struct kp_fetch_response *response;
    int64_t                         begun_ns;

    (void)state;
    assert_int_equal(produce(12, 0), 0);
    rig_call_init(&call);
    begun_ns = io_now_ns(rig.client_io);
    rig_call_start(reader, &call, KP_FETCH_KEY, FETCH_VERSION, fetch_request(1, 1, 15000));
    rig_run(&rig, 100 * NS_PER_MS);
    assert_false(call.done);
    assert_int_equal(end_transaction(5, true), 0);
    assert_true(rig_call_wait(&call));
    assert_true(io_now_ns(rig.client_io) - begun_ns < 5 * NS_PER_S);
    response = call.response;
    assert_true(response->responses[0].partitions[0].records.len > 0);
    assert_int_equal(response->responses[0].partitions[0].last_stable_offset, 3);
    rig_call_deinit(&call);
    rig_client_free(reader);
}

/* --- DescribeProducers ------------------------------------------------------------------------------------------- */

static const struct kp_describe_producers_response_topics_partitions *describe(struct rig_client *to, const char *name,
                                                                               int32_t partition)
{
    struct kp_describe_producers_request         request;
    struct kp_describe_producers_request_topics  topic;
    const struct kp_describe_producers_response *response;

    kp_describe_producers_request_init(&request);
    kp_describe_producers_request_topics_init(&topic);
    topic.name = view_text(name);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(to, KP_DESCRIBE_PRODUCERS_KEY, 0, &request);
    assert_non_null(response);
    assert_int_equal(response->topics[0].partitions[0].partition_index, partition);
    return &response->topics[0].partitions[0];
}

static void producers_are_described(void **state)
{
    const struct kp_describe_producers_response_topics_partitions *answer;
    struct rig_client *other = leader == clients[0] ? clients[1] : clients[0];

    (void)state;
    assert_int_equal(describe(leader, ORDERS, 0)->active_producers_count, 0);
    assert_int_equal(produce(12, 0), 0);
    assert_int_equal(produce(12, 1), 0);
    answer = describe(leader, ORDERS, 0);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->active_producers_count, 1);
    assert_int_equal(answer->active_producers[0].producer_id, pid);
    assert_int_equal(answer->active_producers[0].producer_epoch, epoch);
    assert_int_equal(answer->active_producers[0].last_sequence, 1);
    assert_int_equal(answer->active_producers[0].last_timestamp, 1000);
    assert_int_equal(answer->active_producers[0].coordinator_epoch, -1);
    assert_int_equal(answer->active_producers[0].current_txn_start_offset, 1);
    assert_int_equal(end_transaction(5, true), 0);
    wait_stable();
    answer = describe(leader, ORDERS, 0);
    assert_int_equal(answer->active_producers[0].producer_epoch, epoch);
    assert_int_equal(answer->active_producers[0].last_sequence, -1);
    assert_true(answer->active_producers[0].coordinator_epoch >= 0);
    assert_int_equal(answer->active_producers[0].current_txn_start_offset, -1);
    assert_int_equal(describe(leader, "nowhere", 0)->error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(leader, ORDERS, 9)->error_code, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(leader, "a bad name", 0)->error_code, KP_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(describe(other, ORDERS, 0)->error_code, KP_ERR_NOT_LEADER_OR_FOLLOWER);
}

int main(void)
{
#define TXN_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TXN_TEST(batches_need_a_transaction),    TXN_TEST(refusals_are_kafkas),
        TXN_TEST(produce_adds_partitions),       TXN_TEST(first_batches_keep_their_order),
        TXN_TEST(topics_vanish_under_questions), TXN_TEST(readers_see_what_is_decided),
        TXN_TEST(markers_wake_readers),          TXN_TEST(producers_are_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
