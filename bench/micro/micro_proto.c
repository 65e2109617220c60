/* micro_proto.c: Produce and Fetch, as requests come in and answers go out. `size` is how many partitions they name;
 * `kind` is the API. Records are spliced, not copied: their length does not matter. */
#include "bench/micro/micro.h"
#include "core/base/check.h"
#include "core/proto/kp_header.h"
#include "core/proto/kp_table.h"

#define PRODUCE_VERSION 9
#define FETCH_VERSION   12
#define RECORD_BYTES    4096
#define ARENA_BYTES     ((size_t)(64 * MIB))

struct proto_state {
    int16_t              key, version;
    const struct kp_api *api;
    struct arena         made, scratch;
    uint8_t             *records;
    struct view          request_bytes;
    void                *request, *response;
};

static void produce_make(struct proto_state *state, int32_t count)
{
    struct kp_produce_request                                *request = arena_alloc(&state->made, sizeof(*request));
    struct kp_produce_request_topic_data                     *topic = arena_alloc(&state->made, sizeof(*topic));
    struct kp_produce_request_topic_data_partition_data      *parts;
    struct kp_produce_response                               *response = arena_alloc(&state->made, sizeof(*response));
    struct kp_produce_response_responses                     *answer = arena_alloc(&state->made, sizeof(*answer));
    struct kp_produce_response_responses_partition_responses *results;

    parts = arena_alloc_array(&state->made, (size_t)count, sizeof(*parts));
    results = arena_alloc_array(&state->made, (size_t)count, sizeof(*results));
    CHECK(request != NULL && topic != NULL && parts != NULL && response != NULL && answer != NULL && results != NULL);
    kp_produce_request_init(request);
    kp_produce_request_topic_data_init(topic);
    kp_produce_response_init(response);
    kp_produce_response_responses_init(answer);
    for (int32_t i = 0; i < count; i++) {
        kp_produce_request_topic_data_partition_data_init(&parts[i]);
        kp_produce_response_responses_partition_responses_init(&results[i]);
        parts[i].index = results[i].index = i;
        parts[i].records = view_of(state->records, RECORD_BYTES);
        results[i].base_offset = 1000 + i;
    }
    topic->name = answer->name = view_text("orders");
    topic->partition_data = parts;
    answer->partition_responses = results;
    topic->partition_data_count = answer->partition_responses_count = count;
    request->acks = -1;
    request->topic_data = topic;
    response->responses = answer;
    request->topic_data_count = response->responses_count = 1;
    state->request = request;
    state->response = response;
}

static void fetch_make(struct proto_state *state, int32_t count)
{
    struct kp_fetch_request                       *request = arena_alloc(&state->made, sizeof(*request));
    struct kp_fetch_request_topics                *topic = arena_alloc(&state->made, sizeof(*topic));
    struct kp_fetch_request_topics_partitions     *parts;
    struct kp_fetch_response                      *response = arena_alloc(&state->made, sizeof(*response));
    struct kp_fetch_response_responses            *answer = arena_alloc(&state->made, sizeof(*answer));
    struct kp_fetch_response_responses_partitions *results;

    parts = arena_alloc_array(&state->made, (size_t)count, sizeof(*parts));
    results = arena_alloc_array(&state->made, (size_t)count, sizeof(*results));
    CHECK(request != NULL && topic != NULL && parts != NULL && response != NULL && answer != NULL && results != NULL);
    kp_fetch_request_init(request);
    kp_fetch_request_topics_init(topic);
    kp_fetch_response_init(response);
    kp_fetch_response_responses_init(answer);
    for (int32_t i = 0; i < count; i++) {
        kp_fetch_request_topics_partitions_init(&parts[i]);
        kp_fetch_response_responses_partitions_init(&results[i]);
        parts[i].partition = results[i].partition_index = i;
        parts[i].fetch_offset = results[i].high_watermark = 1000 + i;
        results[i].records = view_of(state->records, RECORD_BYTES);
    }
    topic->topic = answer->topic = view_text("orders");
    topic->partitions = parts;
    answer->partitions = results;
    topic->partitions_count = answer->partitions_count = count;
    request->topics = topic;
    response->responses = answer;
    request->topics_count = response->responses_count = 1;
    state->request = request;
    state->response = response;
}

/* A client's request, in one piece. */
static void proto_write_request(struct proto_state *state)
{
    struct kp_request_header header = {
        .api_key = state->key, .api_version = state->version, .client_id = view_text("micro")};
    struct kp_writer writer;
    struct span      to;

    kp_writer_init_measure(&writer);
    kp_request_header_encode(&writer, &header);
    state->api->request.encode(&writer, state->version, state->request);
    to = span_of(arena_alloc(&state->made, writer.bytes_total), writer.bytes_total);
    CHECK(to.base != NULL);
    kp_writer_init_span(&writer, to);
    kp_request_header_encode(&writer, &header);
    state->api->request.encode(&writer, state->version, state->request);
    CHECK(writer.error == ERR_OK);
    state->request_bytes = view_span(to);
}

static void proto_prepare(struct micro *micro, int64_t kind)
{
    struct proto_state *state = mem_alloc(MEM_TEST, sizeof(*state));

    state->key = (int16_t)kind;
    state->version = kind == KP_PRODUCE_KEY ? PRODUCE_VERSION : FETCH_VERSION;
    state->api = kp_api_known(state->key);
    state->records = mem_alloc(MEM_TEST, RECORD_BYTES);
    arena_init(&state->made, MEM_TEST, MIB, ARENA_BYTES);
    arena_init(&state->scratch, MEM_TEST, MIB, ARENA_BYTES);
    if (kind == KP_PRODUCE_KEY) {
        produce_make(state, (int32_t)micro->size);
    } else {
        fetch_make(state, (int32_t)micro->size);
    }
    proto_write_request(state);
    micro->items_per_turn = (uint64_t)micro->size;
    micro->state = state;
}

static void decode_run(struct micro *micro, uint64_t turns)
{
    struct proto_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct kp_request_header header;
        struct kp_reader         reader;
        void                    *request = arena_alloc(&state->scratch, state->api->request.bytes);

        CHECK(request != NULL);
        kp_reader_init(&reader, state->request_bytes, &state->scratch);
        CHECK(kp_request_header_decode(&reader, &header) == ERR_OK);
        state->api->request.init(request);
        CHECK(state->api->request.decode(&reader, header.api_version, request) == ERR_OK);
        arena_reset(&state->scratch);
    }
}

static void encode_run(struct micro *micro, uint64_t turns)
{
    struct proto_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct kp_writer writer;
        int32_t          count = 0;

        kp_writer_init_arena(&writer, &state->scratch, 0);
        kp_response_header_encode(&writer, state->key, state->version, 7);
        state->api->response.encode(&writer, state->version, state->response);
        CHECK(kp_writer_segments(&writer, &count) != NULL && count > 0 && writer.error == ERR_OK);
        arena_reset(&state->scratch);
    }
}

static void proto_finish(struct micro *micro)
{
    struct proto_state *state = micro->state;

    arena_deinit(&state->made);
    arena_deinit(&state->scratch);
    mem_free(MEM_TEST, state->records);
    mem_free(MEM_TEST, state);
}

const struct micro_row micro_proto_rows[] = {
    {"produce/decode_request", KP_PRODUCE_KEY, {1, 16, 1000}, proto_prepare, decode_run, proto_finish},
    {"produce/encode_response", KP_PRODUCE_KEY, {1, 16, 1000}, proto_prepare, encode_run, proto_finish},
    {"fetch/decode_request", KP_FETCH_KEY, {1, 16, 1000}, proto_prepare, decode_run, proto_finish},
    {"fetch/encode_response", KP_FETCH_KEY, {1, 16, 1000}, proto_prepare, encode_run, proto_finish},
    {NULL, 0, {0}, NULL, NULL, NULL},
};
