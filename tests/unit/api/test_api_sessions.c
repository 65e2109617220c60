/* Fetch sessions when their slots are taken: those in use are left alone, one that nobody has used for two minutes
 * makes room, and a fetch without a slot is served all the same. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define TOPIC_NAME     "t"
#define FETCH_VERSION  12
#define SESSION_IDLE_S 120 /* Kafka: min.incremental.fetch.session.eviction.ms */

static struct broker_rig  rig;
static struct rig_client *client;

static int set_up(void **state)
{
    static const char *const settings[] = {"max.incremental.fetch.session.cache.slots=2", NULL};

    (void)state;
    rig_create(&rig, 1, NULL, 1, 1, settings);
    assert_int_equal(rig_start(&rig), ERR_OK);
    client = rig_connect(&rig, 0);
    assert_int_equal(rig_create_topic(client, TOPIC_NAME, 1, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_destroy(&rig);
    return 0;
}

static const struct kp_fetch_response *fetch(int32_t id, int32_t epoch)
{
    struct kp_fetch_request        *request = rig_fetch_request(&client->scratch, TOPIC_NAME, 0, 0, 0, 1, 100000);
    const struct kp_fetch_response *response;

    request->session_id = id;
    request->session_epoch = epoch;
    request->topics_count = epoch == 0; /* a full fetch names its partitions, the others rely on the session */
    response = rig_ask(client, KP_FETCH_KEY, FETCH_VERSION, request);
    assert_non_null(response);
    return response;
}

static int32_t open_session(void)
{
    const struct kp_fetch_response *response = fetch(0, 0);

    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->responses_count, 1); /* answered, with or without a session */
    return response->session_id;
}

static void test_sessions_in_use_are_kept(void **state)
{
    int32_t first = open_session();
    int32_t second = open_session();

    (void)state;
    assert_true(first != 0 && second != 0 && first != second);
    assert_int_equal(open_session(), 0);
    assert_int_equal(fetch(first, 1)->error_code, 0);
    assert_int_equal(fetch(second, 1)->error_code, 0);
}

static void test_idle_sessions_make_room(void **state)
{
    int32_t first = open_session();
    int32_t second = open_session();
    int32_t third;

    (void)state;
    rig_run(&rig, (SESSION_IDLE_S - 20) * NS_PER_S);
    assert_int_equal(fetch(first, 1)->error_code, 0); /* used: the second is the oldest now */
    assert_int_equal(open_session(), 0);
    rig_run(&rig, 21 * NS_PER_S);
    third = open_session();
    assert_true(third != 0 && third != first);
    assert_int_equal(fetch(second, 1)->error_code, KP_ERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(fetch(first, 2)->error_code, 0);
    assert_int_equal(fetch(third, 1)->error_code, 0);
    assert_int_equal(open_session(), 0); /* both are in use again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sessions_in_use_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_sessions_make_room, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
