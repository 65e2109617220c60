/* Headers, the tables and the error codes. */
#include "tests/support/unit.h"

#include "core/proto/kp_entries.h"
#include "core/proto/kp_error.h"
#include "core/proto/kp_header.h"
#include "core/proto/kp_records.h"
#include "tests/unit/proto/kp_hex.h"

static struct kp_hex hex;

static struct kp_reader reader_of(const char *text)
{
    struct kp_reader reader;

    hex = kp_unhex(text);
    kp_reader_init(&reader, kp_hex_view(&hex), NULL);
    return reader;
}

static void assert_written(const struct kp_writer *writer, const uint8_t *bytes, const char *text)
{
    struct kp_hex wanted = kp_unhex(text);

    assert_int_equal(writer->error, ERR_OK);
    assert_int_equal(writer->bytes_total, wanted.len);
    assert_memory_equal(bytes, wanted.bytes, wanted.len);
}

static void check_request_header(const char *text, int16_t key, int16_t version, const char *client_id)
{
    struct kp_reader         reader = reader_of(text);
    struct kp_request_header header = {0};
    struct kp_writer         writer;
    uint8_t                  bytes[64];

    assert_int_equal(kp_request_header_decode(&reader, &header), ERR_OK);
    assert_int_equal(kp_reader_remaining(&reader), 0);
    assert_int_equal(header.api_key, key);
    assert_int_equal(header.api_version, version);
    assert_int_equal(header.correlation_id, 7);
    assert_int_equal(header.client_id.base == NULL, client_id == NULL);
    if (client_id != NULL) {
        assert_true(view_equal(header.client_id, view_text(client_id)));
    }
    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_request_header_encode(&writer, &header);
    assert_written(&writer, bytes, text);
}

static void test_request_header(void **state)
{
    struct kp_reader         reader;
    struct kp_request_header header = {0};

    (void)state;
    check_request_header("0003 0001 00000007 0002 'me'", KP_METADATA_KEY, 1, "me");
    check_request_header("0003 0001 00000007 ffff", KP_METADATA_KEY, 1, NULL);
    check_request_header("0003 0009 00000007 0002 'me' 00", KP_METADATA_KEY, 9, "me");
    check_request_header("0012 0003 00000007 0000 00", KP_API_VERSIONS_KEY, 3, "");

    reader = reader_of("0003 0009 00000007 ffff 01 05 02 abcd ff");
    assert_int_equal(kp_request_header_decode(&reader, &header), ERR_OK);
    assert_int_equal(kp_reader_remaining(&reader), 1); /* unknown tags are skipped, the body follows */
    reader = reader_of("0003 0009 00000007 ffff");
    assert_int_equal(kp_request_header_decode(&reader, &header), ERR_INVALID);
    reader = reader_of("0003 0001 00000007 0005 'me'");
    assert_int_equal(kp_request_header_decode(&reader, &header), ERR_INVALID);
    reader = reader_of("0003 0001 000000");
    assert_int_equal(kp_request_header_decode(&reader, &header), ERR_INVALID);
}

static void test_unspoken_requests(void **state)
{
    static const char *const texts[] = {"0012 0063 00000007", "0012 ffff 00000007", "0000 0002 00000007 0002 'me'",
                                        "0004 0000 00000007", "7fff 0000 00000007", "ffff 0000 00000007"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct kp_reader         reader = reader_of(texts[i]);
        struct kp_request_header header = {0};
        struct kp_writer         writer;

        assert_int_equal(kp_request_header_decode(&reader, &header), ERR_UNSUPPORTED);
        assert_int_equal(header.correlation_id, 7);
        assert_null(header.client_id.base);
        kp_writer_init_measure(&writer);
        kp_request_header_encode(&writer, &header);
        assert_int_equal(writer.error, ERR_INVALID);
    }
}

static void check_response_header(int16_t key, int16_t version, const char *text)
{
    struct kp_reader reader = reader_of(text);
    struct kp_writer writer;
    uint8_t          bytes[16];
    int32_t          correlation_id = 0;

    assert_int_equal(kp_response_header_decode(&reader, key, version, &correlation_id), ERR_OK);
    assert_int_equal(correlation_id, 7);
    assert_int_equal(kp_reader_remaining(&reader), 0);
    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_response_header_encode(&writer, key, version, 7);
    assert_written(&writer, bytes, text);
}

static void test_response_header(void **state)
{
    struct kp_reader reader = reader_of("000000");
    int32_t          correlation_id = 5;

    (void)state;
    check_response_header(KP_METADATA_KEY, 8, "00000007");
    check_response_header(KP_METADATA_KEY, 9, "00000007 00");
    check_response_header(KP_API_VERSIONS_KEY, 0, "00000007");
    check_response_header(KP_API_VERSIONS_KEY, 4, "00000007"); /* its body is flexible, its header is not */
    assert_int_equal(kp_response_header_decode(&reader, KP_METADATA_KEY, 8, &correlation_id), ERR_INVALID);
    assert_int_equal(correlation_id, 5);
}

static void test_record_header(void **state)
{
    struct kp_reader reader = reader_of("01 02 00 ff");
    struct kp_writer writer;
    uint8_t          bytes[16];
    int16_t          key = -1, version = -1;

    (void)state;
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_OK);
    assert_int_equal(key, KP_TOPIC_RECORD_KEY);
    assert_int_equal(version, 0);
    assert_int_equal(kp_reader_remaining(&reader), 1);
    kp_writer_init_span(&writer, span_of(bytes, sizeof(bytes)));
    kp_record_header_encode(&writer, KP_TOPIC_RECORD_KEY, 0);
    assert_written(&writer, bytes, "01 02 00");

    reader = reader_of("00 02 00");
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_UNSUPPORTED);
    reader = reader_of("01 02 63");
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_UNSUPPORTED);
    assert_int_equal(version, 99);
    reader = reader_of("01 ff7f 00");
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_UNSUPPORTED);
    reader = reader_of("01 ffff7f 00");
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_INVALID);
    reader = reader_of("01 02");
    assert_int_equal(kp_record_header_decode(&reader, &key, &version), ERR_INVALID);
}

static void test_table(void **state)
{
    const struct kp_api *produce = kp_api_find(KP_PRODUCE_KEY);
    int32_t              count = 0;

    (void)state;
    assert_non_null(produce);
    assert_string_equal(produce->name, "Produce");
    assert_int_equal(produce->version_min, 3);
    assert_int_equal(produce->version_max, 13);
    assert_int_equal(produce->advertised_min, 0);
    assert_int_equal(produce->scope, KP_SCOPE_OWNER);
    assert_false(kp_api_is_flexible(produce, 8));
    assert_true(kp_api_is_flexible(produce, 9));
    assert_int_equal(kp_api_find(KP_CREATE_TOPICS_KEY)->scope, KP_SCOPE_CONTROLLER);
    assert_int_equal(kp_api_find(KP_DESCRIBE_LOG_DIRS_KEY)->scope, KP_SCOPE_OWN);
    assert_null(kp_api_find(-1));
    assert_null(kp_api_find(4));
    assert_null(kp_api_find(KP_API_KEY_COUNT));
    for (int16_t key = 0; key < KP_API_KEY_COUNT; key++) {
        const struct kp_api *api = kp_api_find(key);

        if (api != NULL) {
            count++;
            assert_int_equal(api->key, key);
            assert_true(api->advertised_min <= api->version_min);
            assert_int_equal(api->advertised_max, api->version_max);
            assert_true(api->request.bytes > 0 && api->response.bytes > 0);
        }
    }
    assert_true(count >= 18);
    assert_string_equal(kp_record_find(KP_PARTITION_RECORD_KEY)->name, "PartitionRecord");
    assert_null(kp_record_find(7)); /* FenceBrokerRecord: not used here */
    assert_null(kp_record_find(-1));
    assert_null(kp_record_find(INT16_MAX));
}

/* What a client of ours may ask of another broker, whether or not this one answers. */
static void test_known_is_more_than_spoken(void **state)
{
    (void)state;
    assert_non_null(kp_api_known(KP_JOIN_GROUP_KEY));
    assert_string_equal(kp_api_known(KP_LIST_CONFIG_RESOURCES_KEY)->name, "ListConfigResources");
    assert_null(kp_api_known(4)); /* LeaderAndIsr */
    assert_null(kp_api_known(-1));
    assert_null(kp_api_known(KP_API_KEY_COUNT));
    for (int16_t key = 0; key < KP_API_KEY_COUNT; key++) {
        const struct kp_api *known = kp_api_known(key);

        assert_ptr_equal(kp_api_find(key), known != NULL && known->answered ? known : NULL);
    }
}

static void test_entries(void **state)
{
    const struct kp_entry         *entry = NULL;
    struct kp_offset_commit_key    key;
    struct kp_group_metadata_value group;
    struct kp_reader               reader = reader_of("0001 0001 'g' 0001 't' 00000002");

    (void)state;
    assert_int_equal(kp_entry_header_decode(&reader, KP_ENTRY_LOG_OFFSETS, &entry), ERR_OK);
    assert_ptr_equal(entry, kp_entry_find(KP_ENTRY_LOG_OFFSETS, KP_ENTRY_OFFSET_COMMIT));
    assert_int_equal(kp_offset_commit_key_decode(&reader, 0, &key), ERR_OK);
    assert_true(view_equal(key.group, view_text("g")) && view_equal(key.topic, view_text("t")));
    assert_int_equal(key.partition, 2);

    reader = reader_of("000b 0001 'g'"); /* a kind of group that is not ours */
    assert_int_equal(kp_entry_header_decode(&reader, KP_ENTRY_LOG_OFFSETS, &entry), ERR_OK);
    assert_null(entry);
    reader = reader_of("00");
    assert_int_equal(kp_entry_header_decode(&reader, KP_ENTRY_LOG_OFFSETS, &entry), ERR_INVALID);
    /* The topics count for themselves. */
    assert_string_equal(kp_entry_find(KP_ENTRY_LOG_TRANSACTIONS, 0)->name, "TransactionLog");
    assert_string_equal(kp_entry_find(KP_ENTRY_LOG_OFFSETS, 0)->name, "LegacyOffsetCommit");
    assert_null(kp_entry_find(KP_ENTRY_LOG_TRANSACTIONS, 1));

    reader = reader_of("0005 0000");
    assert_int_equal(kp_group_metadata_value_read(&reader, &group), ERR_UNSUPPORTED);
    reader = reader_of("ffff 0000");
    assert_int_equal(kp_group_metadata_value_read(&reader, &group), ERR_UNSUPPORTED);
    reader = reader_of("00");
    assert_int_equal(kp_group_metadata_value_read(&reader, &group), ERR_INVALID);
}

static void test_errors(void **state)
{
    int16_t code = 77;

    (void)state;
    assert_string_equal(kp_error_name(KP_ERR_NOT_LEADER_OR_FOLLOWER), "NOT_LEADER_OR_FOLLOWER");
    assert_string_equal(kp_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kp_error_name(-2), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kp_error_name(30000), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kp_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    assert_true(kp_error_is_retriable(KP_ERR_KAFKA_STORAGE_ERROR));
    assert_false(kp_error_is_retriable(KP_ERR_TOPIC_ALREADY_EXISTS));
    assert_true(strlen(kp_error_text(KP_ERR_INVALID_CONFIG)) > 0);
    assert_true(kp_error_find(view_text("UNKNOWN_TOPIC_ID"), &code));
    assert_int_equal(code, 100);
    assert_false(kp_error_find(view_text("NO_SUCH_ERROR"), &code));
    assert_int_equal(code, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_header),  cmocka_unit_test(test_unspoken_requests),
        cmocka_unit_test(test_response_header), cmocka_unit_test(test_record_header),
        cmocka_unit_test(test_table),           cmocka_unit_test(test_known_is_more_than_spoken),
        cmocka_unit_test(test_entries),         cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
