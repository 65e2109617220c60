/* Connections: deadlines, limits, breaks in every state, and the stop. */
#include "tests/unit/server/server_rig.h"

#define BREAKS 200

static void test_idle_connections_are_closed(void **state)
{
    struct rig_client *client;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_connect(&rig.world, 0);
    rig_run(&rig.world, rig.limits.idle_ns - NS_PER_S);
    assert_false(client->closed);
    rig_run(&rig.world, 2 * NS_PER_S);
    assert_true(client->closed);
    assert_int_equal(server_rig_stats().closed_idle, 1);
    server_rig_close();
}

static void test_slow_headers_and_bodies_are_closed(void **state)
{
    uint8_t            bytes[64];
    struct rig_client *header;
    struct rig_client *body;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    (void)server_rig_frame(bytes, 1);
    header = rig_connect(&rig.world, 0);
    body = rig_connect(&rig.world, 0);
    rig_raw(header, bytes, 2);
    rig_raw(body, bytes, 9);
    rig_run(&rig.world, 9 * NS_PER_S);
    assert_false(header->closed || body->closed);
    rig_run(&rig.world, 2 * NS_PER_S);
    assert_true(header->closed && body->closed);
    assert_int_equal(server_rig_stats().closed_slow, 2);
    server_rig_close();
}

/* One byte now and then does not hold a frame for ever. */
static void test_a_trickle_is_closed(void **state)
{
    uint8_t            bytes[64] = {0};
    struct rig_client *client;
    int                seconds = 0;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_connect(&rig.world, 0);
    store_be32(bytes, 1000);
    rig_raw(client, bytes, 4);
    for (; !client->closed && seconds < 200; seconds += 5) {
        rig_run(&rig.world, 5 * NS_PER_S);
        rig_raw(client, bytes + 4, 1);
    }
    assert_in_range(seconds, 35, 60);
    server_rig_close();
}

static void test_a_reader_that_stalls_is_closed(void **state)
{
    struct kp_describe_cluster_request request;
    static struct rig_call             calls[30];
    struct rig_client                 *client;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_client_open(&rig.world, 0);
    client->paused = true;
    kp_describe_cluster_request_init(&request);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        rig_call_init(&calls[i]);
        rig_call_start(client, &calls[i], KP_DESCRIBE_CLUSTER_KEY, 0, &request);
    }
    rig_run(&rig.world, 50 * NS_PER_S);
    assert_int_equal(server_rig_stats().connections, 1);
    rig_run(&rig.world, 20 * NS_PER_S);
    assert_int_equal(server_rig_stats().connections, 0);
    assert_int_equal(server_rig_stats().closed_slow, 1);
    rig_client_free(client);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_int_equal(calls[i].result, ERR_CLOSED);
        rig_call_deinit(&calls[i]);
    }
    server_rig_close();
}

static void test_limits_on_connections(void **state)
{
    struct rig_client *clients[3];

    (void)state;
    server_rig_init();
    rig.limits.connections_per_ip_max = 2;
    server_rig_open(1, NULL);
    for (size_t i = 0; i < 3; i++) {
        clients[i] = rig_connect(&rig.world, 0);
        rig_run(&rig.world, 100 * NS_PER_MS);
    }
    assert_int_equal(server_rig_stats().connections, 2);
    assert_int_equal(server_rig_stats().refused, 1);
    assert_true(clients[2] == NULL || clients[2]->closed);
    rig_client_free(clients[0]); /* makes room */
    rig_run(&rig.world, 100 * NS_PER_MS);
    assert_non_null(rig_connect(&rig.world, 0));
    rig_run(&rig.world, 100 * NS_PER_MS);
    assert_int_equal(server_rig_stats().connections, 2);
    server_rig_close();
    server_rig_init();
    rig.limits.connections_max = 1;
    server_rig_open(1, NULL);
    assert_non_null(rig_connect(&rig.world, 0));
    MAYBE(rig_connect(&rig.world, 0) == NULL);
    rig_run(&rig.world, 100 * NS_PER_MS);
    assert_int_equal(server_rig_stats().connections, 1);
    server_rig_close();
}

/* Clients that vanish in the middle of anything leave nothing behind (the rig checks the buffers at the end). */
static void test_breaks_in_every_state(void **state)
{
    struct kp_metadata_request         metadata;
    struct kp_find_coordinator_request coordinator;
    struct sim_options                 world;
    struct prng                        prng;
    struct view                        bytes;

    (void)state;
    server_rig_init();
    sim_options_swarm(&world, 3, false);
    server_rig_open(3, &world);
    prng_init(&prng, 3);
    kp_metadata_request_init(&metadata);
    kp_find_coordinator_request_init(&coordinator);
    bytes = view_of(arena_alloc(&rig.arena, 400000), 400000);
    for (uint32_t i = 0; i < BREAKS; i++) {
        static struct rig_call calls[12];
        struct rig_client     *client = rig_client_open(&rig.world, 0);

        for (size_t k = 0; k < COUNT_OF(calls); k++) {
            rig_call_init(&calls[k]);
            switch (prng_below(&prng, 4)) {
            case 0:
                rig_call_start(client, &calls[k], KP_FIND_COORDINATOR_KEY, 3, &coordinator);
                break;
            case 1:
                rig_call_start(client, &calls[k], KP_PRODUCE_KEY, 9,
                               rig_produce_request(&calls[k].arena, "t", 0, 1,
                                                   view_of(bytes.base, 1 + prng_below(&prng, bytes.len - 1))));
                break;
            case 2:
                rig_call_start(client, &calls[k], KP_PRODUCE_KEY, 9,
                               rig_produce_request(&calls[k].arena, "t", 0, prng_chance(&prng, 1, 3) ? 2 : -1,
                                                   view_of(bytes.base, 5)));
                break;
            default:
                rig_call_start(client, &calls[k], KP_METADATA_KEY, 9, &metadata);
            }
        }
        rig_run(&rig.world, 1 + (int64_t)prng_below(&prng, 30 * NS_PER_MS));
        rig_client_free(client);
        for (size_t k = 0; k < COUNT_OF(calls); k++) {
            rig_call_deinit(&calls[k]);
        }
    }
    assert_true(rig_until(&rig.world, server_rig_quiet, NULL, 10 * NS_PER_S));
    assert_int_equal(rig.waiting, 0);
    assert_true(rig.canceled > 0);
    server_rig_close();
}

/* acks=0 is not answered, and what follows it is. A handler that closes ends the connection behind earlier answers. */
static void test_no_answer_and_close(void **state)
{
    struct kp_metadata_request metadata;
    static struct rig_call     calls[4];
    struct rig_client         *client;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    client = rig_connect(&rig.world, 0);
    kp_metadata_request_init(&metadata);
    for (size_t i = 0; i < 4; i++) {
        rig_call_init(&calls[i]);
    }
    calls[0].no_answer = true;
    rig_call_start(client, &calls[0], KP_PRODUCE_KEY, 9, rig_produce_request(&rig.arena, "t", 0, 0, view_text("x")));
    rig_call_start(client, &calls[1], KP_METADATA_KEY, 9, &metadata);
    rig_call_start(client, &calls[2], KP_PRODUCE_KEY, 9, rig_produce_request(&rig.arena, "t", 0, 2, view_text("x")));
    rig_call_start(client, &calls[3], KP_METADATA_KEY, 9, &metadata);
    assert_true(rig_call_wait(&calls[0]));
    assert_true(rig_call_wait(&calls[1]));
    assert_false(rig_call_wait(&calls[2]));
    assert_false(rig_call_wait(&calls[3]));
    for (size_t i = 0; i < 4; i++) {
        rig_call_deinit(&calls[i]);
    }
    server_rig_close();
}

static void test_stop_answers_what_is_under_way(void **state)
{
    struct kp_metadata_request         metadata;
    struct kp_find_coordinator_request coordinator;
    static struct rig_call             quick[10];
    static struct rig_call             endless;
    struct rig_client                 *client;
    int64_t                            start_ns;

    (void)state;
    server_rig_init();
    server_rig_open(1, NULL);
    kp_metadata_request_init(&metadata);
    kp_find_coordinator_request_init(&coordinator);
    client = rig_connect(&rig.world, 0);
    for (size_t i = 0; i < COUNT_OF(quick); i++) {
        rig_call_init(&quick[i]);
        rig_call_start(client, &quick[i], KP_METADATA_KEY, 9, &metadata);
    }
    client = rig_connect(&rig.world, 0);
    rig_call_init(&endless);
    rig_call_start(client, &endless, KP_FIND_COORDINATOR_KEY, 3, &coordinator);
    rig_run(&rig.world, 5 * NS_PER_MS);
    start_ns = sim_now_ns(rig.world.sim);
    assert_true(server_rig_stop(3 * NS_PER_S, 10 * NS_PER_S));
    assert_true(sim_now_ns(rig.world.sim) - start_ns >= 3 * NS_PER_S); /* the endless one had its grace */
    assert_int_equal(rig.canceled, 1);
    for (size_t i = 0; i < COUNT_OF(quick); i++) {
        assert_true(quick[i].done && quick[i].result == ERR_OK);
        rig_call_deinit(&quick[i]);
    }
    assert_false(rig_call_wait(&endless));
    rig_call_deinit(&endless);
    server_rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connections_are_closed), cmocka_unit_test(test_slow_headers_and_bodies_are_closed),
        cmocka_unit_test(test_a_trickle_is_closed),         cmocka_unit_test(test_a_reader_that_stalls_is_closed),
        cmocka_unit_test(test_limits_on_connections),       cmocka_unit_test(test_breaks_in_every_state),
        cmocka_unit_test(test_no_answer_and_close),         cmocka_unit_test(test_stop_answers_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
