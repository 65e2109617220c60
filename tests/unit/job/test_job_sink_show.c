/* Transactions of jobs as operators see them, and that nobody else ends them. */
#include "tests/unit/job/sink_rig.h"

#include <stdio.h>

static struct sink_rig rig;

static int tear_down(void **state)
{
    (void)state;
    sink_rig_destroy(&rig);
    return 0;
}

static void set_up(const char *script)
{
    sink_rig_create(&rig, 1, script, NULL);
    sink_rig_start(&rig);
}

static void write_row(uint32_t worker, const char *k, int64_t v, enum vec_change change)
{
    if (!sink_rig_row(&rig, worker, 0, k, v, change)) {
        fail_msg("%s", rig.message);
    }
}

static const char *state_of(uint32_t shard, const char *id, int64_t producer_id)
{
    struct kp_list_transactions_request         request;
    const struct kp_list_transactions_response *response;
    static char                                 state[32];

    kp_list_transactions_request_init(&request);
    request.duration_filter = -1;
    response = rig_ask(rig.clients[shard], KP_LIST_TRANSACTIONS_KEY, 1, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    for (int32_t i = 0; i < response->transaction_states_count; i++) {
        if (view_equal(response->transaction_states[i].transactional_id, view_text(id))) {
            assert_int_equal(response->transaction_states[i].producer_id, producer_id);
            (void)snprintf(state, sizeof(state), "%.*s", (int)response->transaction_states[i].transaction_state.len,
                           (const char *)response->transaction_states[i].transaction_state.base);
            return state;
        }
    }
    return "none";
}

static const struct kp_describe_transactions_response_transaction_states *describe(uint32_t shard, const char *id)
{
    struct view                                     ids[] = {view_text(id)};
    struct kp_describe_transactions_request         request;
    const struct kp_describe_transactions_response *response;

    kp_describe_transactions_request_init(&request);
    request.transactional_ids = ids;
    request.transactional_ids_count = 1;
    response = rig_ask(rig.clients[shard], KP_DESCRIBE_TRANSACTIONS_KEY, 0, &request);
    assert_non_null(response);
    assert_int_equal(response->transaction_states_count, 1);
    return &response->transaction_states[0];
}

static int16_t abort_as_a_tool(int64_t producer_id)
{
    int32_t                                            partitions[] = {0};
    struct kp_write_txn_markers_request                request;
    struct kp_write_txn_markers_request_markers        marker;
    struct kp_write_txn_markers_request_markers_topics topic;
    const struct kp_write_txn_markers_response        *response;
    struct meta                                       *meta = sink_rig_jobs(&rig, 0)->options.meta;
    int32_t shard = meta_topic(meta, view_text("out"))->partitions[0].leader - meta_host(meta)->first_node_id;

    kp_write_txn_markers_request_init(&request);
    kp_write_txn_markers_request_markers_init(&marker);
    kp_write_txn_markers_request_markers_topics_init(&topic);
    topic.name = view_text("out");
    topic.partition_indexes = partitions;
    topic.partition_indexes_count = 1;
    marker.producer_id = producer_id;
    marker.topics = &topic;
    marker.topics_count = 1;
    request.markers = &marker;
    request.markers_count = 1;
    response = rig_ask(rig.clients[shard], KP_WRITE_TXN_MARKERS_KEY, 1, &request);
    assert_non_null(response);
    return response->markers[0].topics[0].partitions[0].error_code;
}

static int16_t init_as_a_client(const char *id)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response;
    struct kp_find_coordinator_request         find;
    const struct kp_find_coordinator_response *found;
    struct view                                key = view_text(id);
    int                                        tries = 0;

    kp_find_coordinator_request_init(&find);
    find.key_type = 1;
    find.coordinator_keys = &key;
    find.coordinator_keys_count = 1;
    do {
        found = rig_ask(rig.client, KP_FIND_COORDINATOR_KEY, 4, &find);
        assert_non_null(found);
    } while (found->coordinators[0].error_code != 0 && tries++ < 100);
    kp_init_producer_id_request_init(&request);
    request.transactional_id = key;
    request.transaction_timeout_ms = 1000;
    do {
        response = rig_ask(rig.clients[found->coordinators[0].node_id -
                                       meta_host(sink_rig_jobs(&rig, 0)->options.meta)->first_node_id],
                           KP_INIT_PRODUCER_ID_KEY, 4, &request);
        assert_non_null(response);
    } while (kp_error_is_retriable(response->error_code) && tries++ < 1000);
    return response->error_code;
}

static void told(void *context)
{
    *(bool *)context = true;
}

static bool is_true(void *context)
{
    return *(bool *)context;
}

static void operators_see_transactions(void **state)
{
    static const char id[] = "millrace-job-0123456789abcdef0123456789abcdef-1-0";
    const struct kp_describe_transactions_response_transaction_states *shown;
    struct job_producer_name names[] = {{.producer_id = SINK_RIG_FIRST_PID + 2, .worker = 1}};
    struct sink_reading      reading;
    bool                     over = false;

    (void)state;
    set_up(SINK_RIG_APPEND(", " SINK_RIG_EXACTLY));
    sink_rig_topic(&rig, "out", 1, NULL);
    assert_string_equal(state_of(1, id, 0), "none");
    for (uint32_t i = 0; i < SINK_RIG_SHARDS; i++) {
        shown = describe(i, id);
        assert_int_equal(shown->error_code, KP_ERR_TRANSACTIONAL_ID_NOT_FOUND);
    }
    job__producers_tell(sink_rig_jobs(&rig, 0), names, 1, true, told, &over);
    assert_true(rig_until(&rig.broker, is_true, &over, NS_PER_S));
    sink_rig_open(&rig);
    sink_rig_begin(&rig, 0);
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Empty");
    assert_string_equal(state_of(0, id, 0), "none"); /* the worker is on shard 1 */
    write_row(1, "a", 1, VEC_INSERT);
    assert_true(sink_rig_await(&rig, 0));
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Ongoing");
    for (uint32_t i = 0; i < SINK_RIG_SHARDS; i++) { /* whoever coordinates an id of that text */
        shown = describe(i, id);
        assert_int_equal(shown->error_code, 0);
        assert_true(view_equal(shown->transaction_state, view_text("Ongoing")));
        assert_int_equal(shown->producer_id, SINK_RIG_FIRST_PID + 2);
        assert_int_equal(shown->producer_epoch, 0);
        assert_true(shown->transaction_start_time_ms > 0);
        assert_int_equal(shown->topics_count, 1);
        assert_true(view_equal(shown->topics[0].topic, view_text("out")));
        assert_int_equal(shown->topics[0].partitions_count, 1);
        assert_int_equal(shown->topics[0].partitions[0], 0);
    }
    /* Nobody else ends it. */
    assert_int_equal(abort_as_a_tool(SINK_RIG_FIRST_PID + 2), KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(init_as_a_client(id), KP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(init_as_a_client("millrace-job-mine"), 0); /* has only the same beginning */
    assert_true(sink_rig_mark(&rig, 0, true));
    reading = sink_rig_read(&rig, "out", 0, true);
    assert_int_equal(reading.count, 1);
    sink_rig_read_free(&reading);
    assert_string_equal(state_of(1, id, SINK_RIG_FIRST_PID + 2), "Empty");
    sink_rig_end(&rig, true);
    assert_string_equal(state_of(1, id, 0), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(operators_see_transactions, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
