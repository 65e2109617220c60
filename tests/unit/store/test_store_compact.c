/* test_store_compact.c: what is left of a log after compaction, held against a model. */
#include "tests/unit/store/compact_rig.h"

static struct keyed_log keyed;

static void begin(uint64_t seed)
{
    rig_create(seed);
    assert_int_equal(rig_start(), ERR_OK);
    keyed_init(&keyed, "keyed", seed);
}

static void end(void)
{
    rig_stop_clean();
    keyed_free(&keyed);
    rig_destroy();
}

/* Everything is read, whatever was cached before. */
static void again(void)
{
    rig_stop_clean();
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(keyed_open(&keyed), ERR_OK);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        begin(seed);
        keyed.keys = (uint32_t)(2 + prng_below(&keyed.prng, KEYED_KEYS_MAX - 2));
        if (seed % 3 == 0) {
            keyed.settings.map_bytes_max = 100 * KIB; /* several passes */
        }
        assert_int_equal(keyed_open(&keyed), ERR_OK);
        for (int round = 0; round < 4; round++) {
            keyed_load(&keyed, 150);
            keyed_settle(&keyed);
            rig_run_for(NS_PER_S);
            keyed_verify(&keyed);
            keyed_compact(&keyed);
            keyed_verify(&keyed);
            keyed_verify_clean(&keyed);
            if (round == 2) {
                again();
                keyed_verify(&keyed);
                keyed_verify_clean(&keyed);
            }
        }
        rig_kill(seed);
        assert_int_equal(rig_start(), ERR_OK);
        assert_int_equal(keyed_open(&keyed), ERR_OK);
        assert_int_equal(store_log_end_offset(keyed.log), keyed.end);
        keyed_verify(&keyed);
        keyed_verify_clean(&keyed);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
