/* Bytes written down by hand from the protocol's description, against what the generated code writes and reads. These
 * do not come from our encoder, so a mistake that encoder and decoder share is seen here. */
#include "tests/support/unit.h"

#include "core/proto/kp_entries.h"
#include "core/proto/kp_messages.h"
#include "core/proto/kp_records.h"
#include "tests/unit/proto/kp_hex.h"

#define LOCALHOST       "'localhost'"
#define TOPIC_ID        "00112233445566778899aabbccddeeff"
#define ARENA_BYTES_MAX ((size_t)MIB)

static struct arena  arena;
static struct kp_hex hex;
static uint8_t       written[KP_HEX_BYTES_MAX];

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 4096, ARENA_BYTES_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct kp_reader reader_of(const char *text)
{
    struct kp_reader reader;

    arena_reset(&arena);
    hex = kp_unhex(text);
    kp_reader_init(&reader, kp_hex_view(&hex), &arena);
    return reader;
}

/* Decoding `text` succeeds and uses all of it. */
#define DECODE(message, version, text, out)                                          \
    do {                                                                             \
        struct kp_reader reader_ = reader_of(text);                                  \
        assert_int_equal(kp_##message##_decode(&reader_, (version), (out)), ERR_OK); \
        assert_int_equal(kp_reader_remaining(&reader_), 0);                          \
    } while (0)

/* Encoding gives `text`. */
#define ENCODE(message, version, text, in)                                \
    do {                                                                  \
        struct kp_writer writer_;                                         \
        struct kp_hex    wanted_ = kp_unhex(text);                        \
        kp_writer_init_span(&writer_, span_of(written, sizeof(written))); \
        kp_##message##_encode(&writer_, (version), (in));                 \
        assert_int_equal(writer_.error, ERR_OK);                          \
        assert_int_equal(writer_.bytes_total, wanted_.len);               \
        assert_memory_equal(written, wanted_.bytes, wanted_.len);         \
    } while (0)

#define BOTH(message, version, text, in)    \
    do {                                    \
        DECODE(message, version, text, in); \
        ENCODE(message, version, text, in); \
    } while (0)

static bool is_text(struct view view, const char *text)
{
    return view.base != NULL && view_equal(view, view_text(text));
}

static void test_api_versions(void **state)
{
    struct kp_api_versions_request  request;
    struct kp_api_versions_response response;

    (void)state;
    BOTH(api_versions_request, 0, "", &request);
    assert_true(is_text(request.client_software_name, ""));
    BOTH(api_versions_request, 3, "08 'rdkafka' 06 '2.0.2' 00", &request);
    assert_true(is_text(request.client_software_name, "rdkafka"));
    assert_true(is_text(request.client_software_version, "2.0.2"));

    BOTH(api_versions_response, 0, "0023 00000002 0000 0000 000d 0012 0000 0004", &response);
    assert_int_equal(response.error_code, 35);
    assert_int_equal(response.api_keys_count, 2);
    assert_int_equal(response.api_keys[0].max_version, 13);
    assert_int_equal(response.api_keys[1].api_key, 18);
    assert_int_equal(response.finalized_features_epoch, -1);

    BOTH(api_versions_response, 3,
         "0000 03 0000 0000 000d 00 0012 0000 0004 00 00000000"
         "02 01 08 0000000000000005 02 1a 02 14 'transaction.version' 0002 0002 00",
         &response);
    assert_int_equal(response.finalized_features_epoch, 5);
    assert_int_equal(response.finalized_features_count, 1);
    assert_true(is_text(response.finalized_features[0].name, "transaction.version"));
    assert_int_equal(response.finalized_features[0].max_version_level, 2);
}

static void test_metadata_request(void **state)
{
    struct kp_metadata_request request;

    (void)state;
    BOTH(metadata_request, 0, "00000000", &request);
    assert_int_equal(request.topics_count, 0);
    assert_true(request.allow_auto_topic_creation);
    BOTH(metadata_request, 1, "ffffffff", &request);
    assert_int_equal(request.topics_count, -1);
    BOTH(metadata_request, 4, "00000001 0003 'abc' 00", &request);
    assert_true(is_text(request.topics[0].name, "abc"));
    assert_false(request.allow_auto_topic_creation);
    BOTH(metadata_request, 9, "02 04 'abc' 00 01 00 01 00", &request);
    assert_true(is_text(request.topics[0].name, "abc"));
    assert_true(request.include_topic_authorized_operations);
    BOTH(metadata_request, 12, "02 " TOPIC_ID " 00 00 01 00 00", &request);
    assert_null(request.topics[0].name.base);
    assert_int_equal(request.topics[0].topic_id.bytes[15], 0xff);
    BOTH(metadata_request, 12, "00 01 00 00", &request);
    assert_int_equal(request.topics_count, -1);
}

static void test_metadata_response(void **state)
{
    struct kp_metadata_response response;

    (void)state;
    BOTH(metadata_response, 1,
         "00000001 00000001 0009 " LOCALHOST " 00002384 ffff 00000001"
         "00000001 0000 0001 't' 00 00000001 0000 00000000 00000001 00000001 00000001 00000001 00000001",
         &response);
    assert_int_equal(response.brokers[0].port, 9092);
    assert_null(response.brokers[0].rack.base);
    assert_int_equal(response.topics[0].partitions[0].isr_nodes[0], 1);
    assert_int_equal(response.topics[0].partitions[0].leader_epoch, -1);

    BOTH(metadata_response, 9,
         "00000000 02 00000001 0a " LOCALHOST " 00002384 00 00 02 'c' 00000001"
         "02 0000 02 't' 00 02 0000 00000000 00000001 00000007 02 00000001 02 00000001 01 00"
         "80000000 00 80000000 00",
         &response);
    assert_true(is_text(response.cluster_id, "c"));
    assert_int_equal(response.topics[0].partitions[0].leader_epoch, 7);
    assert_int_equal(response.topics[0].partitions[0].offline_replicas_count, 0);
    assert_int_equal(response.cluster_authorized_operations, INT32_MIN);

    BOTH(metadata_response, 12,
         "00000000 02 00000001 0a " LOCALHOST " 00002384 02 'r' 00 02 'c' 00000001"
         "02 0064 00 " TOPIC_ID " 00 01 80000000 00 00",
         &response);
    assert_true(is_text(response.brokers[0].rack, "r"));
    assert_int_equal(response.topics[0].error_code, 100);
    assert_null(response.topics[0].name.base);

    BOTH(metadata_response, 13, "00000000 01 00 00000001 01 0081 00", &response);
    assert_int_equal(response.error_code, 129);
}

static void test_produce_request(void **state)
{
    struct kp_produce_request                            request;
    struct kp_produce_request_topic_data_partition_data *partition;
    static const uint8_t                                 ab[] = {0xab}, cdef[] = {0xcd, 0xef};
    const struct view                                    parts[] = {{ab, sizeof(ab)}, {cdef, sizeof(cdef)}};

    (void)state;
    BOTH(produce_request, 3, "ffff ffff 000005dc 00000001 0001 't' 00000001 00000002 00000003 abcdef", &request);
    partition = &request.topic_data[0].partition_data[0];
    assert_null(request.transactional_id.base);
    assert_int_equal(request.acks, -1);
    assert_int_equal(request.timeout_ms, 1500);
    assert_int_equal(partition->index, 2);
    assert_int_equal(partition->records.len, 3);
    assert_int_equal(partition->records.base[2], 0xef);

    /* The same from parts. */
    partition->records = (struct view){0};
    partition->records_parts = parts;
    partition->records_parts_count = 2;
    ENCODE(produce_request, 3, "ffff ffff 000005dc 00000001 0001 't' 00000001 00000002 00000003 abcdef", &request);
    ENCODE(produce_request, 9, "00 ffff 000005dc 02 02 't' 02 00000002 04 abcdef 00 00 00", &request);

    BOTH(produce_request, 9, "02 'x' 0001 000005dc 02 02 't' 02 00000002 00 00 00 00", &request);
    assert_null(request.topic_data[0].partition_data[0].records.base);
    BOTH(produce_request, 13, "00 0000 000005dc 02 " TOPIC_ID " 02 00000002 01 00 00 00", &request);
    assert_int_equal(request.topic_data[0].topic_id.bytes[1], 0x11);
    assert_non_null(request.topic_data[0].partition_data[0].records.base);
}

static void test_produce_response(void **state)
{
    struct kp_produce_response response;

    (void)state;
    BOTH(produce_response, 3, "00000001 0001 't' 00000001 00000000 0006 0000000000000009 ffffffffffffffff 00000000",
         &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code, 6);
    assert_int_equal(response.responses[0].partition_responses[0].base_offset, 9);

    BOTH(produce_response, 9,
         "02 02 't' 02 00000000 0057 ffffffffffffffff ffffffffffffffff ffffffffffffffff"
         "02 00000004 03 'no' 00 04 'bad' 00 00 00000000 00",
         &response);
    assert_int_equal(response.responses[0].partition_responses[0].record_errors[0].batch_index, 4);
    assert_true(is_text(response.responses[0].partition_responses[0].error_message, "bad"));

    BOTH(produce_response, 10,
         "02 02 't' 02 00000000 0006 ffffffffffffffff ffffffffffffffff ffffffffffffffff 01 00"
         "01 00 09 00000003 00000008 00 00 00000000"
         "01 00 15 02 00000003 0a " LOCALHOST " 00002384 00 00",
         &response);
    assert_int_equal(response.responses[0].partition_responses[0].current_leader.leader_id, 3);
    assert_int_equal(response.responses[0].partition_responses[0].current_leader.leader_epoch, 8);
    assert_int_equal(response.node_endpoints[0].port, 9092);
}

static void test_fetch_request(void **state)
{
    struct kp_fetch_request request;

    (void)state;
    BOTH(fetch_request, 4,
         "ffffffff 000001f4 00000001 03200000 01 00000001 0001 't' 00000001 00000000 000000000000000a 00100000",
         &request);
    assert_int_equal(request.replica_id, -1);
    assert_int_equal(request.max_wait_ms, 500);
    assert_int_equal(request.isolation_level, 1);
    assert_int_equal(request.session_epoch, -1);
    assert_int_equal(request.topics[0].partitions[0].fetch_offset, 10);
    assert_int_equal(request.topics[0].partitions[0].partition_max_bytes, 1048576);
    assert_int_equal(request.topics[0].partitions[0].current_leader_epoch, -1);

    BOTH(fetch_request, 12,
         "ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff"
         "02 02 't' 02 00000000 00000005 000000000000000a ffffffff ffffffffffffffff 00100000 00 00 01 02 'r'"
         "01 00 02 02 'c'",
         &request);
    assert_true(is_text(request.cluster_id, "c"));
    assert_true(is_text(request.rack_id, "r"));
    assert_int_equal(request.topics[0].partitions[0].current_leader_epoch, 5);

    BOTH(fetch_request, 13,
         "ffffffff 000001f4 00000001 03200000 00 00000007 00000001"
         "01 02 " TOPIC_ID " 03 00000001 00000002 00 01 00",
         &request);
    assert_int_equal(request.session_id, 7);
    assert_int_equal(request.forgotten_topics_data[0].partitions_count, 2);
    assert_int_equal(request.forgotten_topics_data[0].partitions[1], 2);

    BOTH(fetch_request, 18,
         "000001f4 00000001 03200000 00 00000000 ffffffff"
         "02 " TOPIC_ID " 02 00000000 ffffffff 000000000000000a ffffffff ffffffffffffffff 00100000"
         "02 00 10 " TOPIC_ID " 01 08 0000000000000063 00 01 01"
         "01 01 0d 00000004 0000000000000006 00",
         &request);
    assert_int_equal(request.topics[0].partitions[0].high_watermark, 99);
    assert_int_equal(request.replica_state.replica_id, 4);
    assert_int_equal(request.replica_state.replica_epoch, 6);
}

static void test_fetch_response(void **state)
{
    struct kp_fetch_response response;

    (void)state;
    BOTH(fetch_response, 4,
         "00000000 00000001 0001 't' 00000001 00000000 0000 0000000000000010 0000000000000010 ffffffff 00000002 beef",
         &response);
    assert_int_equal(response.responses[0].partitions[0].high_watermark, 16);
    assert_int_equal(response.responses[0].partitions[0].aborted_transactions_count, -1);
    assert_int_equal(response.responses[0].partitions[0].records.len, 2);

    BOTH(fetch_response, 12,
         "00000000 0000 00000000 02 02 't' 02 00000000 0000 0000000000000010 0000000000000010 0000000000000000"
         "00 ffffffff 03 beef 01 00 0d 00000003 0000000000000008 00 00 00",
         &response);
    assert_int_equal(response.responses[0].partitions[0].diverging_epoch.epoch, 3);
    assert_int_equal(response.responses[0].partitions[0].diverging_epoch.end_offset, 8);
    assert_int_equal(response.responses[0].partitions[0].current_leader.leader_id, -1);

    BOTH(fetch_response, 13,
         "00000000 0000 00000000 02 " TOPIC_ID " 02 00000000 0000 0000000000000010 0000000000000010 0000000000000000"
         "02 0000000000000fa0 0000000000000004 00 ffffffff 01 00 00 00",
         &response);
    assert_int_equal(response.responses[0].partitions[0].aborted_transactions[0].producer_id, 4000);
    assert_int_equal(response.responses[0].partitions[0].aborted_transactions[0].first_offset, 4);
}

static void test_nullable_struct(void **state)
{
    struct kp_describe_topic_partitions_request request;

    (void)state;
    BOTH(describe_topic_partitions_request, 0, "02 02 't' 00 000007d0 ff 00", &request);
    assert_null(request.cursor);
    BOTH(describe_topic_partitions_request, 0, "01 000007d0 01 02 't' 00000005 00 00", &request);
    assert_non_null(request.cursor);
    assert_int_equal(request.cursor->partition_index, 5);
}

static void test_metadata_records(void **state)
{
    struct kp_topic_record     topic;
    struct kp_partition_record partition;

    (void)state;
    BOTH(topic_record, 0, "02 't' " TOPIC_ID " 00", &topic);
    assert_true(is_text(topic.name, "t"));
    BOTH(partition_record, 1,
         "00000000 " TOPIC_ID " 02 00000001 02 00000001 01 01 00000001 00000002 00000003 02 " TOPIC_ID " 00",
         &partition);
    assert_int_equal(partition.leader_epoch, 2);
    assert_int_equal(partition.partition_epoch, 3);
    assert_int_equal(partition.directories_count, 1);
    assert_int_equal(partition.eligible_leader_replicas_count, -1);
    BOTH(partition_record, 2,
         "00000000 " TOPIC_ID " 01 01 01 01 ffffffff 00000002 00000003 01 02 00 01 01 01 05 02 00000007", &partition);
    assert_int_equal(partition.leader_recovery_state, 1);
    assert_int_equal(partition.eligible_leader_replicas_count, 1);
    assert_int_equal(partition.eligible_leader_replicas[0], 7);
}

/* Keys and values as they stand in the internal topics: type or version first; keys are never flexible. */
#define WRITTEN(text)                                                    \
    do {                                                                 \
        struct kp_hex wanted_ = kp_unhex(text);                          \
        assert_int_equal(writer.error, ERR_OK);                          \
        assert_int_equal(writer.bytes_total, wanted_.len);               \
        assert_memory_equal(written, wanted_.bytes, wanted_.len);        \
        kp_writer_init_span(&writer, span_of(written, sizeof(written))); \
    } while (0)

static void test_entries(void **state)
{
    struct kp_offset_commit_key     key = {.group = view_text("g"), .topic = view_text("t"), .partition = 1};
    struct kp_offset_commit_value   value;
    struct kp_transaction_log_key   transaction = {.transactional_id = view_text("x")};
    struct kp_transaction_log_value status;
    struct kp_writer                writer;
    struct kp_reader                reader;

    (void)state;
    kp_writer_init_span(&writer, span_of(written, sizeof(written)));
    kp_offset_commit_key_write(&writer, &key);
    WRITTEN("0001 0001 'g' 0001 't' 00000001");

    kp_offset_commit_value_init(&value);
    value.offset = 5;
    value.commit_timestamp = 6;
    kp_offset_commit_value_write(&writer, 3, &value);
    WRITTEN("0003 0000000000000005 ffffffff 0000 0000000000000006");
    kp_offset_commit_value_write(&writer, 4, &value);
    WRITTEN("0004 0000000000000005 ffffffff 01 0000000000000006 00");
    reader = reader_of("0001 0000000000000005 0001 'm' 0000000000000006 0000000000000007");
    assert_int_equal(kp_offset_commit_value_read(&reader, &value), ERR_OK);
    assert_int_equal(kp_reader_remaining(&reader), 0);
    assert_int_equal(value.expire_timestamp, 7);
    assert_int_equal(value.leader_epoch, -1);

    kp_transaction_log_key_write(&writer, &transaction);
    WRITTEN("0000 0001 'x'");
    kp_transaction_log_value_init(&status);
    status.producer_id = 9;
    status.producer_epoch = 1;
    status.transaction_timeout_ms = 1000;
    status.transaction_partitions_count = -1;
    status.client_transaction_version = 2;
    kp_transaction_log_value_write(&writer, 1, &status);
    WRITTEN("0001 0000000000000009 0001 000003e8 00 00 0000000000000000 0000000000000000 01 02 02 0002");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_api_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metadata_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metadata_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_produce_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_produce_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nullable_struct, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metadata_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entries, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
