/* The broker's life: start, serve, stop, start again; on one shard and on several. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define PRODUCED 20

static void test_starts_serves_and_stops(void **state)
{
    struct broker_rig rig;

    (void)state;
    for (uint32_t shards = 1; shards <= 4; shards *= 2) {
        struct rig_client *client;
        int64_t            offset = -1;

        rig_create(&rig, shards, NULL, shards, MIN(shards, 2U), NULL);
        assert_int_equal(rig_start(&rig), ERR_OK);
        client = rig_connect(&rig, 0);
        assert_non_null(client);
        assert_int_equal(rig_create_topic(client, "orders", (int32_t)shards, NULL), 0);
        assert_int_equal(rig_create_topic(client, "orders", 1, NULL), KP_ERR_TOPIC_ALREADY_EXISTS);
        for (int32_t i = 0; i < PRODUCED; i++) {
            struct view batch = rig_batch(&client->scratch, "value", 2, -1, -1, -1);
            int16_t     error = rig_produce(client, "orders", 0, batch, &offset);

            if (error == KP_ERR_NOT_LEADER_OR_FOLLOWER) {
                break; /* another shard leads it */
            }
            assert_int_equal(error, 0);
            assert_int_equal(offset, i * 2);
        }
        assert_int_equal(rig_stop(&rig), ERR_OK);
        assert_int_equal(rig_start(&rig), ERR_OK);
        rig_client_free(client);
        client = rig_connect(&rig, shards - 1);
        assert_int_equal(rig_create_topic(client, "orders", 1, NULL), KP_ERR_TOPIC_ALREADY_EXISTS);
        assert_int_equal(rig_delete_topic(client, "orders"), 0);
        rig_cut(&rig, 1, SIM_CRASH_DROP);
        rig_client_free(client);
        assert_int_equal(rig_start(&rig), ERR_OK);
        client = rig_connect(&rig, 0);
        assert_int_equal(rig_create_topic(client, "orders", 1, NULL), 0);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_starts_serves_and_stops)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
