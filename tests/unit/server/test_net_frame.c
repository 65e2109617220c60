/* Frames: however they arrive, they are taken whole, in order, within bounds. */
#include "tests/unit/server/server_rig.h"

#define PIPELINED      500
#define STREAM_CALLS   120
#define FLOOD_FRAMES   200000
#define HOGS           16
#define HOG_BYTES      ((size_t)(1000 * KIB))
#define HOG_ROUNDS_MAX 400

static void *blank(size_t len)
{
    return arena_alloc(&rig.arena, len);
}

static void test_frames_split_at_every_byte(void **state)
{
    uint8_t frames[256];
    size_t  len = 0;
    size_t  answer_len = 0;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    for (int32_t i = 0; i < 3; i++) {
        len += server_rig_frame(frames + len, i);
    }
    for (size_t split = 1; split <= len; split++) {
        struct rig_client *client = rig_connect(&rig.world, 0);

        assert_non_null(client);
        rig_raw(client, frames, split);
        rig_run(&rig.world, 5 * NS_PER_MS);
        rig_raw(client, frames + split, len - split);
        rig_run(&rig.world, 20 * NS_PER_MS);
        answer_len = answer_len == 0 ? client->in_len : answer_len;
        assert_true(answer_len > 0 && answer_len % 3 == 0);
        assert_int_equal(client->in_len, answer_len);
        for (size_t i = 0; i < 3; i++) { /* correlation ids behind each length */
            assert_int_equal(load_be32(client->in + i * answer_len / 3 + 4), i);
        }
        rig_client_free(client);
    }
    assert_int_equal(server_rig_stats().requests, 3 * len);
    server_rig_close();
}

static void test_answers_keep_the_order_of_requests(void **state)
{
    static struct rig_call     calls[PIPELINED];
    struct kp_metadata_request request;
    struct sim_options         world;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct rig_client *client;

        server_rig_init();
        sim_options_swarm(&world, seed, false);
        server_rig_open(seed, &world);
        client = rig_connect(&rig.world, 0);
        kp_metadata_request_init(&request);
        for (size_t i = 0; i < PIPELINED; i++) {
            rig_call_init(&calls[i]);
            rig_call_start(client, &calls[i], KP_METADATA_KEY, 9, &request);
        }
        for (size_t i = 0; i < PIPELINED; i++) { /* a wrong order would not match the correlation ids */
            assert_true(rig_call_wait(&calls[i]));
            assert_int_equal(((struct kp_metadata_response *)calls[i].response)->controller_id,
                             calls[i].correlation_id);
            rig_call_deinit(&calls[i]);
        }
        server_rig_close();
    }
}

/* Small and large requests mixed: receiving changes between the back end's buffers and the frame's own, and back. */
static void test_large_and_small_requests_mix(void **state)
{
    static const size_t    sizes[] = {10, 500, 17000, 40000, 150000, 300000, 1100000};
    static struct rig_call calls[STREAM_CALLS];
    static struct view     sent[STREAM_CALLS];

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_options world;
        struct prng        prng;
        struct rig_client *client;

        server_rig_init();
        sim_options_swarm(&world, seed, false);
        world.recv_no_buffers = (struct sim_ratio){1, 20};
        server_rig_open(seed, &world);
        prng_init(&prng, seed);
        client = rig_connect(&rig.world, 0);
        for (size_t i = 0; i < STREAM_CALLS; i++) {
            size_t   len = sizes[prng_below(&prng, i % 30 < 15 ? 3 : 7)];
            uint8_t *bytes = blank(len);

            prng_fill(&prng, span_of(bytes, len));
            sent[i] = view_of(bytes, len);
            rig_call_init(&calls[i]);
            rig_call_start(client, &calls[i], KP_PRODUCE_KEY, 9, rig_produce_request(&rig.arena, "t", 0, 1, sent[i]));
            if (prng_chance(&prng, 1, 4)) {
                rig_run(&rig.world, (int64_t)prng_below(&prng, 5 * NS_PER_S));
            }
        }
        for (size_t i = 0; i < STREAM_CALLS; i++) {
            const struct kp_produce_response *response;

            assert_true(rig_call_wait(&calls[i]));
            response = calls[i].response;
            assert_int_equal(response->responses[0].partition_responses[0].base_offset, server_rig_sum(sent[i]));
            rig_call_deinit(&calls[i]);
        }
        assert_true(server_rig_stats().in_place > server_rig_stats().lent && server_rig_stats().lent > 0);
        server_rig_close();
    }
}

/* Behind a call that waits, no more is read than the limits allow, however much is sent. */
static void test_a_flood_behind_a_waiting_call_is_not_read(void **state)
{
    struct kp_find_coordinator_request request;
    static uint8_t                     frames[FLOOD_FRAMES * 32];
    static struct rig_call             call;
    size_t                             len = 0;
    struct rig_client                 *client;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_connect(&rig.world, 0);
    kp_find_coordinator_request_init(&request);
    rig_call_init(&call);
    rig_call_start(client, &call, KP_FIND_COORDINATOR_KEY, 3, &request);
    rig_run(&rig.world, 10 * NS_PER_MS);
    assert_int_equal(rig.waiting, 1);
    for (int32_t i = 0; i < FLOOD_FRAMES; i++) {
        len += server_rig_frame(frames + len, i);
    }
    client->raw = true;
    rig_raw(client, frames, len); /* does not get rid of all: gives up after a while */
    assert_true(server_rig_stats().requests <= NET_CALLS_MAX);
    assert_true(server_rig_stats().received_bytes < 512 * KIB); /* a socket buffer and a piece, not the 4 MB sent */
    rig_client_free(client);
    rig_call_deinit(&call);
    server_rig_close();
    assert_int_equal(rig.canceled, 1);
}

static void garbage(const void *bytes, size_t len)
{
    uint64_t           before = server_rig_stats().closed_garbage;
    struct rig_client *client = rig_connect(&rig.world, 0);

    rig_raw(client, bytes, len);
    rig_run(&rig.world, 200 * NS_PER_MS);
    if (!client->closed) {
        fail_msg("not closed behind %zu bytes of garbage, %zu came back", len, client->in_len);
    }
    assert_int_equal(client->in_len, 0);
    assert_int_equal(server_rig_stats().closed_garbage, before + 1);
    rig_client_free(client);
}

static void test_garbage_closes_its_own_connection_only(void **state)
{
    struct kp_metadata_request request;
    struct rig_client         *good;
    uint8_t                    bytes[64] = {0};
    size_t                     len;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    good = rig_connect(&rig.world, 0);
    kp_metadata_request_init(&request);
    store_be32(bytes, UINT32_MAX);
    garbage(bytes, 4); /* a negative length */
    store_be32(bytes, rig.limits.request_bytes_max + 1);
    garbage(bytes, 4);
    store_be32(bytes, 0);
    garbage(bytes, 4); /* no header at all */
    garbage("GET / HTTP/1.1\r\n\r\n", 18);
    len = server_rig_frame(bytes, 1);
    store_be16(bytes + 4, 999); /* no such API */
    garbage(bytes, len);
    len = server_rig_frame(bytes, 1);
    store_be16(bytes + 4, KP_METADATA_KEY);
    store_be16(bytes + 6, 99); /* no such version */
    garbage(bytes, len);
    len = server_rig_frame(bytes, 1);
    store_be16(bytes + 4, KP_METADATA_KEY); /* its body is missing */
    garbage(bytes, len);
    assert_non_null(rig_ask(good, KP_METADATA_KEY, 9, &request));
    server_rig_close();
}

/* An ApiVersions request of a version from the future is answered in version 0. */
static void test_api_versions_of_the_future(void **state)
{
    uint8_t            bytes[64];
    size_t             len;
    struct rig_client *client;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_connect(&rig.world, 0);
    len = server_rig_frame(bytes, 77);
    store_be16(bytes + 6, 90);
    rig_raw(client, bytes, len);
    assert_true(rig_raw_wait(client, 10));
    assert_int_equal(load_be32(client->in + 4), 77);
    assert_int_equal(load_be16(client->in + 8), KP_ERR_UNSUPPORTED_VERSION);
    server_rig_close();
}

/* More half-received requests than memory: all get through in the end, some after their client has come again. */
static void test_too_little_memory_for_all(void **state)
{
    static struct rig_call calls[HOGS];
    struct rig_client     *clients[HOGS];
    struct view            bytes;
    uint32_t               answered = 0;

    (void)state;
    server_rig_init();
    rig.budget_bytes = BUF_BYTES_MAX;
    server_rig_open(1, NULL);
    bytes = view_of(blank(HOG_BYTES), HOG_BYTES);
    for (uint32_t i = 0; i < HOGS; i++) {
        clients[i] = rig_client_open(&rig.world, 0);
        rig_call_init(&calls[i]);
        rig_call_start(clients[i], &calls[i], KP_PRODUCE_KEY, 9, rig_produce_request(&rig.arena, "t", 0, 1, bytes));
    }
    for (uint32_t round = 0; round < HOG_ROUNDS_MAX && answered < HOGS; round++) {
        rig_run(&rig.world, 100 * NS_PER_MS);
        answered = 0;
        for (uint32_t i = 0; i < HOGS; i++) {
            if (calls[i].done && calls[i].result == ERR_CLOSED) {
                rig_client_free(clients[i]);
                clients[i] = rig_client_open(&rig.world, 0);
                rig_call_start(clients[i], &calls[i], KP_PRODUCE_KEY, 9,
                               rig_produce_request(&rig.arena, "t", 0, 1, bytes));
            }
            answered += calls[i].done && calls[i].result == ERR_OK;
        }
    }
    assert_int_equal(answered, HOGS);
    assert_true(server_rig_stats().paused_memory > 0);
    for (uint32_t i = 0; i < HOGS; i++) {
        rig_call_deinit(&calls[i]);
    }
    server_rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_split_at_every_byte),
        cmocka_unit_test(test_answers_keep_the_order_of_requests),
        cmocka_unit_test(test_large_and_small_requests_mix),
        cmocka_unit_test(test_a_flood_behind_a_waiting_call_is_not_read),
        cmocka_unit_test(test_garbage_closes_its_own_connection_only),
        cmocka_unit_test(test_api_versions_of_the_future),
        cmocka_unit_test(test_too_little_memory_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
