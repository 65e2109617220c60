/* The coordinator of transactions on a whole broker of two shards: each request's answer in each state, as Kafka gives
 * it; what others are shown; what happens by the clock and over a restart. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#include <stdio.h>

#define ORDERS      "orders"
#define PARTITIONS  4
#define PATIENCE_NS (20 * NS_PER_S)
#define TIMEOUT_MS  60000

static struct broker_rig  rig;
static struct rig_client *clients[2];

static const char *const settings[] = {"transaction.state.log.num.partitions=4",
                                       "offsets.topic.num.partitions=4",
                                       "transaction.max.timeout.ms=100000",
                                       "transactional.id.expiration.ms=600000",
                                       "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
                                       "transaction.remove.expired.transaction.cleanup.interval.ms=30000",
                                       NULL};

static int set_up(void **state)
{
    (void)state;
    rig_create(&rig, 1, NULL, 2, 2, settings);
    assert_int_equal(rig_start(&rig), ERR_OK);
    clients[0] = rig_connect(&rig, 0);
    clients[1] = rig_connect(&rig, 1);
    assert_int_equal(rig_create_topic(clients[0], ORDERS, PARTITIONS, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

/* The shard that coordinates the group or the transactional id. */
static int coordinator_of(int8_t key_type, const char *id)
{
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;
    struct view                                key = view_text(id);

    kp_find_coordinator_request_init(&request);
    request.key_type = key_type;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    for (int i = 0; i < 100; i++) {
        response = rig_ask(clients[0], KP_FIND_COORDINATOR_KEY, 4, &request);
        assert_non_null(response);
        if (response->coordinators[0].error_code == 0) {
            return response->coordinators[0].node_id;
        }
        assert_true(kp_error_is_retriable(response->coordinators[0].error_code));
        rig_run(&rig, 50 * NS_PER_MS);
    }
    fail_msg("there is no coordinator");
    return -1;
}

struct producer {
    const char *id;
    int         shard;
    int64_t     producer_id;
    int16_t     epoch;
};

static struct producer producer_of(const char *id)
{
    return (struct producer){.id = id, .shard = coordinator_of(1, id), .producer_id = -1, .epoch = -1};
}

/* Once. named: with what the producer believes to be (KIP-360). */
static int16_t init_once(struct producer *producer, int16_t version, int32_t timeout_ms, bool named)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response;

    kp_init_producer_id_request_init(&request);
    request.transactional_id = view_text(producer->id);
    request.transaction_timeout_ms = timeout_ms;
    if (named) {
        request.producer_id = producer->producer_id;
        request.producer_epoch = producer->epoch;
    }
    response = rig_ask(clients[producer->shard], KP_INIT_PRODUCER_ID_KEY, version, &request);
    assert_non_null(response);
    if (response->error_code == 0) {
        producer->producer_id = response->producer_id;
        producer->epoch = response->producer_epoch;
    } else {
        assert_int_equal(response->producer_id, -1);
    }
    return response->error_code;
}

static bool comes_again(int16_t error)
{
    return error == KP_ERR_CONCURRENT_TRANSACTIONS || error == KP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           error == KP_ERR_COORDINATOR_NOT_AVAILABLE;
}

static void init(struct producer *producer)
{
    int16_t error = init_once(producer, 4, TIMEOUT_MS, false);

    for (int i = 0; i < 100 && comes_again(error); i++) {
        rig_run(&rig, 20 * NS_PER_MS);
        error = init_once(producer, 4, TIMEOUT_MS, false);
    }
    assert_int_equal(error, 0);
}

/* The error of the partition asked for first; two: also partition 1. */
static int16_t add_once(const struct producer *producer, int16_t version, const char *topic_name, int32_t partition,
                        bool two, int16_t *out_second)
{
    struct kp_add_partitions_to_txn_request                             request;
    struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic topic;
    const struct kp_add_partitions_to_txn_response                     *response;
    const int32_t                                                       partitions[2] = {partition, 1};

    kp_add_partitions_to_txn_request_init(&request);
    kp_add_partitions_to_txn_request_add_partitions_to_txn_topic_init(&topic);
    topic.name = view_text(topic_name);
    topic.partitions = partitions;
    topic.partitions_count = two ? 2 : 1;
    request.v3_and_below_transactional_id = view_text(producer->id);
    request.v3_and_below_producer_id = producer->producer_id;
    request.v3_and_below_producer_epoch = producer->epoch;
    request.v3_and_below_topics = &topic;
    request.v3_and_below_topics_count = 1;
    response = rig_ask(clients[producer->shard], KP_ADD_PARTITIONS_TO_TXN_KEY, version, &request);
    assert_non_null(response);
    if (out_second != NULL) {
        *out_second = response->results_by_topic_v3_and_below[0].results_by_partition[1].partition_error_code;
    }
    return response->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

static int16_t add(const struct producer *producer, int32_t partition)
{
    int16_t error = add_once(producer, 3, ORDERS, partition, false, NULL);

    for (int i = 0; i < 100 && comes_again(error); i++) {
        rig_run(&rig, 20 * NS_PER_MS);
        error = add_once(producer, 3, ORDERS, partition, false, NULL);
    }
    return error;
}

static int16_t end_once(struct producer *producer, int16_t version, bool commit)
{
    struct kp_end_txn_request         request;
    const struct kp_end_txn_response *response;

    kp_end_txn_request_init(&request);
    request.transactional_id = view_text(producer->id);
    request.producer_id = producer->producer_id;
    request.producer_epoch = producer->epoch;
    request.committed = commit;
    response = rig_ask(clients[producer->shard], KP_END_TXN_KEY, version, &request);
    assert_non_null(response);
    if (response->error_code == 0 && version >= 5) {
        producer->producer_id = response->producer_id;
        producer->epoch = response->producer_epoch;
    }
    return response->error_code;
}

static int16_t offsets_once(const struct producer *producer, int16_t version)
{
    struct kp_add_offsets_to_txn_request         request;
    const struct kp_add_offsets_to_txn_response *response;

    kp_add_offsets_to_txn_request_init(&request);
    request.transactional_id = view_text(producer->id);
    request.producer_id = producer->producer_id;
    request.producer_epoch = producer->epoch;
    request.group_id = view_text("readers");
    response = rig_ask(clients[producer->shard], KP_ADD_OFFSETS_TO_TXN_KEY, version, &request);
    assert_non_null(response);
    return response->error_code;
}

static const struct kp_describe_transactions_response_transaction_states *describe(int shard, const char *id)
{
    struct kp_describe_transactions_request         request;
    const struct kp_describe_transactions_response *response;
    struct view                                     name = view_text(id);

    kp_describe_transactions_request_init(&request);
    request.transactional_ids = &name;
    request.transactional_ids_count = 1;
    response = rig_ask(clients[shard], KP_DESCRIBE_TRANSACTIONS_KEY, 0, &request);
    assert_non_null(response);
    assert_int_equal(response->transaction_states_count, 1);
    assert_true(view_equal(response->transaction_states[0].transactional_id, name));
    return &response->transaction_states[0];
}

static bool state_is(const struct producer *producer, const char *state)
{
    return view_equal(describe(producer->shard, producer->id)->transaction_state, view_text(state));
}

static void wait_for_state(const struct producer *producer, const char *state)
{
    for (int i = 0; i < 400 && !state_is(producer, state); i++) {
        rig_run(&rig, 50 * NS_PER_MS);
    }
    assert_true(state_is(producer, state));
}

/* --- InitProducerId ------------------------------------------------------------------------------------------------
 */

static void init_answers(void **state)
{
    struct producer producer = producer_of("init"), nobody = {.id = "", .shard = 0}, stranger;

    (void)state;
    assert_int_equal(init_once(&nobody, 4, TIMEOUT_MS, false), KP_ERR_INVALID_REQUEST);
    assert_int_equal(init_once(&producer, 4, 0, false), KP_ERR_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(init_once(&producer, 4, 100001, false), KP_ERR_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(init_once(&producer, 4, 100000, false), 0);
    assert_int_equal(producer.epoch, 0);
    assert_int_equal(init_once(&producer, 4, TIMEOUT_MS, true), 0);
    assert_int_equal(producer.epoch, 1);
    stranger = producer;
    stranger.epoch = -1; /* one of the two only */
    assert_int_equal(init_once(&stranger, 4, TIMEOUT_MS, true), KP_ERR_INVALID_REQUEST);
    stranger.epoch = 7;
    assert_int_equal(init_once(&stranger, 4, TIMEOUT_MS, true), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(init_once(&stranger, 3, TIMEOUT_MS, true), KP_ERR_INVALID_PRODUCER_EPOCH);
    stranger.shard = !producer.shard;
    assert_int_equal(init_once(&stranger, 4, TIMEOUT_MS, false), KP_ERR_NOT_COORDINATOR);
}

/* --- the course of a transaction ------------------------------------------------------------------------------------
 */

static void add_answers(void **state)
{
    struct producer producer = producer_of("add"), other;
    int16_t         second = 0;

    (void)state;
    other = producer;
    other.producer_id = 5;
    other.epoch = 0;
    assert_int_equal(add_once(&other, 3, ORDERS, 0, false, NULL), KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    init(&producer);
    assert_int_equal(add_once(&producer, 3, "nowhere", 0, false, NULL), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(add_once(&producer, 3, ORDERS, PARTITIONS, true, &second), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(second, KP_ERR_OPERATION_NOT_ATTEMPTED);
    assert_int_equal(add_once(&producer, 3, "__transaction_state", 0, false, NULL), KP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_true(state_is(&producer, "Empty"));
    assert_int_equal(add_once(&producer, 3, ORDERS, 0, true, &second), 0);
    assert_int_equal(second, 0);
    assert_true(state_is(&producer, "Ongoing"));
    assert_int_equal(add_once(&producer, 0, ORDERS, 1, false, NULL), 0); /* once more */
    other = producer;
    other.epoch++;
    assert_int_equal(add_once(&other, 2, ORDERS, 0, false, NULL), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(add_once(&other, 1, ORDERS, 0, false, NULL), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(offsets_once(&other, 2), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(offsets_once(&other, 1), KP_ERR_INVALID_PRODUCER_EPOCH);
    other.producer_id++;
    assert_int_equal(add_once(&other, 3, ORDERS, 0, false, NULL), KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    other = producer;
    other.shard = !producer.shard;
    assert_int_equal(add_once(&other, 3, ORDERS, 0, false, NULL), KP_ERR_NOT_COORDINATOR);
}

/* As brokers ask each other: several transactions in one request, some only verified. */
static void add_in_batches(void **state)
{
    struct producer                                                        producer = producer_of("batched");
    struct kp_add_partitions_to_txn_request                                request;
    struct kp_add_partitions_to_txn_request_transactions                   transactions[3];
    struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic    topics[2];
    const struct kp_add_partitions_to_txn_response                        *response;
    const struct kp_add_partitions_to_txn_response_results_by_transaction *results;
    const int32_t                                                          partitions[] = {0, 1};

    (void)state;
    init(&producer);
    kp_add_partitions_to_txn_request_init(&request);
    for (int i = 0; i < 2; i++) {
        kp_add_partitions_to_txn_request_add_partitions_to_txn_topic_init(&topics[i]);
        topics[i].name = view_text(ORDERS);
        topics[i].partitions = partitions;
        topics[i].partitions_count = i + 1;
    }
    for (int i = 0; i < 3; i++) {
        kp_add_partitions_to_txn_request_transactions_init(&transactions[i]);
        transactions[i].transactional_id = i < 2 ? view_text(producer.id) : view_text("");
        transactions[i].producer_id = producer.producer_id;
        transactions[i].producer_epoch = producer.epoch;
        transactions[i].verify_only = i == 1;
        transactions[i].topics = &topics[i == 1];
        transactions[i].topics_count = 1;
    }
    request.transactions = transactions;
    request.transactions_count = 3;
    response = rig_ask(clients[producer.shard], KP_ADD_PARTITIONS_TO_TXN_KEY, 5, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->results_by_transaction_count, 3);
    results = response->results_by_transaction;
    assert_int_equal(results[0].topic_results[0].results_by_partition[0].partition_error_code, 0);
    assert_int_equal(results[1].topic_results[0].results_by_partition[0].partition_error_code, 0);
    assert_int_equal(results[1].topic_results[0].results_by_partition[1].partition_error_code,
                     KP_ERR_TRANSACTION_ABORTABLE);
    assert_int_equal(results[2].topic_results[0].results_by_partition[0].partition_error_code, KP_ERR_INVALID_REQUEST);
    assert_true(state_is(&producer, "Ongoing"));
    request.transactions_count = 0;
    response = rig_ask(clients[producer.shard], KP_ADD_PARTITIONS_TO_TXN_KEY, 4, &request);
    assert_non_null(response);
    assert_int_equal(response->results_by_transaction_count, 0);
}

static void shows_what_is_open(void **state)
{
    struct producer                                                    producer = producer_of("shown");
    const struct kp_describe_transactions_response_transaction_states *shown;

    (void)state;
    assert_int_equal(describe(producer.shard, producer.id)->error_code, KP_ERR_TRANSACTIONAL_ID_NOT_FOUND);
    assert_int_equal(describe(producer.shard, "")->error_code, KP_ERR_INVALID_REQUEST);
    assert_int_equal(describe(!producer.shard, producer.id)->error_code, KP_ERR_NOT_COORDINATOR);
    init(&producer);
    assert_int_equal(add(&producer, 2), 0);
    assert_int_equal(offsets_once(&producer, 3), 0);
    (void)coordinator_of(0, "readers"); /* makes the topic, which was not there before */
    shown = describe(producer.shard, producer.id);
    assert_int_equal(shown->error_code, 0);
    assert_int_equal(shown->producer_id, producer.producer_id);
    assert_int_equal(shown->producer_epoch, producer.epoch);
    assert_int_equal(shown->transaction_timeout_ms, TIMEOUT_MS);
    assert_true(shown->transaction_start_time_ms > 0);
    assert_int_equal(shown->topics_count, 2);
    assert_true(view_equal(shown->topics[0].topic, view_text("__consumer_offsets")));
    assert_true(view_equal(shown->topics[1].topic, view_text(ORDERS)));
    assert_int_equal(shown->topics[1].partitions_count, 1);
    assert_int_equal(shown->topics[1].partitions[0], 2);
    assert_int_equal(end_once(&producer, 3, true), 0);
    wait_for_state(&producer, "CompleteCommit");
    assert_int_equal(describe(producer.shard, producer.id)->topics_count, 0);
}

static void end_answers(void **state)
{
    struct producer producer = producer_of("end"), other;

    (void)state;
    other = producer;
    assert_int_equal(end_once(&other, 3, true), KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    init(&producer);
    assert_int_equal(end_once(&producer, 3, true), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(add(&producer, 0), 0);
    other = producer;
    other.epoch++;
    assert_int_equal(end_once(&other, 3, true), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(end_once(&other, 1, true), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_once(&producer, 3, true), 0);
    wait_for_state(&producer, "CompleteCommit");
    assert_int_equal(end_once(&producer, 3, true), 0);
    assert_int_equal(end_once(&producer, 3, false), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(add(&producer, 0), 0);
    assert_int_equal(end_once(&producer, 3, false), 0);
    wait_for_state(&producer, "CompleteAbort");
    /* Transactions v2: each has an epoch of its own, and an answer that was lost is given again. */
    assert_int_equal(add(&producer, 0), 0);
    other = producer;
    assert_int_equal(end_once(&producer, 5, true), 0);
    assert_int_equal(producer.epoch, other.epoch + 1);
    wait_for_state(&producer, "CompleteCommit");
    assert_int_equal(end_once(&other, 5, true), 0);
    assert_int_equal(other.epoch, producer.epoch);
    assert_int_equal(end_once(&producer, 5, true), KP_ERR_INVALID_TXN_STATE); /* nothing to commit */
    assert_int_equal(end_once(&producer, 5, false), 0);                       /* nothing to abort is fine */
    assert_int_equal(producer.epoch, other.epoch + 1);
    wait_for_state(&producer, "CompleteAbort");
}

/* A new producer of the same id ends what is open. */
static void a_newcomer_fences(void **state)
{
    struct producer first = producer_of("fenced"), second;

    (void)state;
    init(&first);
    assert_int_equal(add(&first, 3), 0);
    second = first;
    assert_int_equal(init_once(&second, 4, TIMEOUT_MS, false), KP_ERR_CONCURRENT_TRANSACTIONS);
    wait_for_state(&first, "CompleteAbort");
    init(&second);
    assert_int_equal(second.producer_id, first.producer_id);
    assert_int_equal(second.epoch, first.epoch + 2);
    assert_int_equal(end_once(&first, 3, true), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(init_once(&first, 4, TIMEOUT_MS, true), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(add(&second, 3), 0);
}

/* --- by the clock ----------------------------------------------------------------------------------------------------
 */

static void timeouts_and_expiry(void **state)
{
    struct producer producer = producer_of("late");

    (void)state;
    assert_int_equal(init_once(&producer, 4, 2000, false), 0);
    assert_int_equal(add(&producer, 1), 0);
    rig_run(&rig, NS_PER_S);
    assert_true(state_is(&producer, "Ongoing"));
    wait_for_state(&producer, "CompleteAbort");
    assert_int_equal(end_once(&producer, 3, true), KP_ERR_PRODUCER_FENCED);
    assert_int_equal(describe(producer.shard, producer.id)->producer_epoch, producer.epoch + 1);
    rig_run(&rig, 590 * NS_PER_S);
    assert_int_equal(describe(producer.shard, producer.id)->error_code, 0);
    rig_run(&rig, 60 * NS_PER_S);
    assert_int_equal(describe(producer.shard, producer.id)->error_code, KP_ERR_TRANSACTIONAL_ID_NOT_FOUND);
}

static void restarts_remember(void **state)
{
    struct producer open = producer_of("open"), done = producer_of("done"), decided = producer_of("decided");

    (void)state;
    init(&open);
    init(&done);
    init(&decided);
    assert_int_equal(add(&done, 0), 0);
    assert_int_equal(end_once(&done, 3, true), 0);
    wait_for_state(&done, "CompleteCommit");
    assert_int_equal(add(&open, 1), 0);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(add(&decided, i), 0);
    }
    assert_int_equal(end_once(&decided, 3, true), 0);
    rig_kill(&rig, 5); /* its markers may be anywhere */
    rig_client_free(clients[0]);
    rig_client_free(clients[1]);
    assert_int_equal(rig_start(&rig), ERR_OK);
    clients[0] = rig_connect(&rig, 0);
    clients[1] = rig_connect(&rig, 1);
    wait_for_state(&decided, "CompleteCommit");
    wait_for_state(&done, "CompleteCommit");
    wait_for_state(&open, "Ongoing");
    assert_int_equal(end_once(&open, 3, true), 0);
    wait_for_state(&open, "CompleteCommit");
    assert_int_equal(end_once(&done, 3, true), 0); /* asked again over a restart */
}

/* --- lists and markers by hand
 * ---------------------------------------------------------------------------------------- */

static const struct kp_list_transactions_response *list(int shard, const struct kp_list_transactions_request *request)
{
    const struct kp_list_transactions_response *response =
        rig_ask(clients[shard], KP_LIST_TRANSACTIONS_KEY, 2, request);

    assert_non_null(response);
    return response;
}

/* How often the id is listed. */
static int listed(const struct producer *producer, const struct kp_list_transactions_request *request)
{
    const struct kp_list_transactions_response *response = list(producer->shard, request);
    int                                         count = 0;

    assert_int_equal(response->error_code, 0);
    for (int32_t i = 0; i < response->transaction_states_count; i++) {
        count += view_equal(response->transaction_states[i].transactional_id, view_text(producer->id));
    }
    return count;
}

static void lists_by_filter(void **state)
{
    struct producer                     producer = producer_of("listed-1");
    struct kp_list_transactions_request request;
    const struct view                   ongoing[] = {view_text("Ongoing"), view_text("Sleeping"), view_text("Dead")};
    const struct view                   empty = view_text("Empty");

    (void)state;
    init(&producer);
    assert_int_equal(add(&producer, 0), 0);
    kp_list_transactions_request_init(&request);
    assert_int_equal(listed(&producer, &request), 1);
    request.state_filters = ongoing;
    request.state_filters_count = 3;
    assert_int_equal(listed(&producer, &request), 1);
    assert_int_equal(list(producer.shard, &request)->unknown_state_filters_count, 1);
    assert_true(view_equal(list(producer.shard, &request)->unknown_state_filters[0], view_text("Sleeping")));
    request.state_filters = &empty;
    request.state_filters_count = 1;
    assert_int_equal(listed(&producer, &request), 0);
    kp_list_transactions_request_init(&request);
    request.producer_id_filters = &producer.producer_id;
    request.producer_id_filters_count = 1;
    assert_int_equal(list(producer.shard, &request)->transaction_states_count, 1);
    kp_list_transactions_request_init(&request);
    request.duration_filter = 3600 * 1000;
    assert_int_equal(listed(&producer, &request), 0);
    request.duration_filter = 0;
    rig_run(&rig, NS_PER_S);
    assert_int_equal(listed(&producer, &request), 1);
    kp_list_transactions_request_init(&request);
    request.transactional_id_pattern = view_text("listed-[0-9]");
    assert_int_equal(listed(&producer, &request), 1);
    request.transactional_id_pattern = view_text("listed");
    assert_int_equal(listed(&producer, &request), 0);
    request.transactional_id_pattern = view_text("(");
    assert_int_equal(list(producer.shard, &request)->error_code, KP_ERR_INVALID_REGULAR_EXPRESSION);
}

/* What kafka-transactions.sh abort sends. */
static int16_t mark(int shard, int64_t producer_id, int16_t epoch, const char *topic_name, int32_t partition)
{
    struct kp_write_txn_markers_request                request;
    struct kp_write_txn_markers_request_markers        marker;
    struct kp_write_txn_markers_request_markers_topics topic;
    const struct kp_write_txn_markers_response        *response;

    kp_write_txn_markers_request_init(&request);
    kp_write_txn_markers_request_markers_init(&marker);
    kp_write_txn_markers_request_markers_topics_init(&topic);
    topic.name = view_text(topic_name);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    marker.producer_id = producer_id;
    marker.producer_epoch = epoch;
    marker.coordinator_epoch = -1;
    marker.topics = &topic;
    marker.topics_count = 1;
    request.markers = &marker;
    request.markers_count = 1;
    response = rig_ask(clients[shard], KP_WRITE_TXN_MARKERS_KEY, 1, &request);
    assert_non_null(response);
    assert_int_equal(response->markers[0].producer_id, producer_id);
    return response->markers[0].topics[0].partitions[0].error_code;
}

static void markers_by_hand(void **state)
{
    int16_t errors[2];

    (void)state;
    for (int shard = 0; shard < 2; shard++) {
        errors[shard] = mark(shard, 4711, 0, ORDERS, 0);
    }
    /* One leads the partition, the other does not have it. */
    assert_true((errors[0] == 0 && errors[1] == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) ||
                (errors[1] == 0 && errors[0] == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION));
    assert_int_equal(mark(0, 4711, 0, "nowhere", 0), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_answers),        cmocka_unit_test(add_answers),       cmocka_unit_test(add_in_batches),
        cmocka_unit_test(shows_what_is_open),  cmocka_unit_test(end_answers),       cmocka_unit_test(a_newcomer_fences),
        cmocka_unit_test(timeouts_and_expiry), cmocka_unit_test(restarts_remember), cmocka_unit_test(lists_by_filter),
        cmocka_unit_test(markers_by_hand),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
