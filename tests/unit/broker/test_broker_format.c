/* The data directories: formatted once, checked at each start, locked while in use. */
#include "tests/support/unit.h"

#include "tests/support/broker_rig.h"

#define META "data/meta.properties"

static struct broker_rig rig;

static void open_rig(uint32_t shards, const char *const *settings)
{
    rig_create(&rig, 1, NULL, shards, 1, settings);
}

static void start_and_stop(void)
{
    assert_int_equal(rig_start(&rig), ERR_OK);
    assert_int_equal(rig_stop(&rig), ERR_OK);
}

static void start_refused(int result, const char *part)
{
    assert_int_equal(rig_start(&rig), result);
    if (strstr(rig.why, part) == NULL) {
        fail_msg("'%s' does not say '%s'", rig.why, part);
    }
}

static void test_formatted_once(void **state)
{
    struct broker_facts first;
    struct broker_facts second;

    (void)state;
    open_rig(2, NULL);
    assert_int_equal(rig_start(&rig), ERR_OK);
    broker_facts(rig.broker, &first);
    assert_true(first.formatted);
    assert_int_equal(first.shard_count, 2);
    assert_int_equal(first.first_node_id, 0);
    assert_int_equal(rig_stop(&rig), ERR_OK);
    rig.shard_count = 0; /* as formatted */
    assert_int_equal(rig_start(&rig), ERR_OK);
    broker_facts(rig.broker, &second);
    assert_false(second.formatted);
    assert_int_equal(second.shard_count, 2);
    assert_true(uuid_equal(first.cluster_id, second.cluster_id));
    rig_destroy(&rig);
}

static void test_what_is_fixed_cannot_be_changed(void **state)
{
    (void)state;
    open_rig(2, NULL);
    start_and_stop();
    rig.shard_count = 3;
    start_refused(ERR_INVALID, "formatted with 2 shards");
    rig.shard_count = 2;
    rig_setting(&rig, "node.id=5");
    start_refused(ERR_INVALID, "belongs to node 0");
    rig_setting(&rig, "node.id=0");
    start_and_stop();
    rig_destroy(&rig);
}

static void test_damaged_files_are_refused(void **state)
{
    static const char *const damaged[] = {
        "",
        "cluster.id=x\nnode.id=0\nmillrace.shards=1\n",
        "version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=zero\nmillrace.shards=1\n",
        "version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=0\nmillrace.shards=0\n",
        "version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=0\nmillrace.shards=300\n",
        "version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=0\nmillrace.shards=1\n", /* no directory.id */
        "\\u00",
    };

    (void)state;
    open_rig(1, NULL);
    start_and_stop();
    for (size_t i = 0; i < COUNT_OF(damaged); i++) {
        struct view text = view_text(damaged[i]);

        assert_true(sim_disk_resize(rig.sim, 0, META, text.len));
        assert_true(text.len == 0 || sim_disk_poke(rig.sim, 0, META, 0, text));
        start_refused(ERR_CORRUPT, "is damaged");
    }
    rig_destroy(&rig);
}

static void test_several_directories_belong_together(void **state)
{
    static const char *const two[] = {"log.dirs=one,two", NULL};
    uint8_t                  bytes[4096];
    size_t                   len;

    (void)state;
    open_rig(2, two);
    start_and_stop();
    len = sim_disk_peek(rig.sim, 0, "two/meta.properties", 0, span_of(bytes, sizeof(bytes)));
    assert_true(len > 0 && len < sizeof(bytes));
    assert_true(sim_disk_remove(rig.sim, 0, "two/meta.properties")); /* a fresh disk: written again from the other */
    start_and_stop();
    assert_int_equal(sim_disk_peek(rig.sim, 0, "two/meta.properties", 0, span_of(bytes, sizeof(bytes))), len);
    rig_setting(&rig, "log.dirs=three"); /* another broker's */
    start_and_stop();
    rig_setting(&rig, "log.dirs=one,three");
    start_refused(ERR_INVALID, "belongs to another broker");
    rig_setting(&rig, "log.dirs= , ");
    start_refused(ERR_INVALID, "names no directory");
    rig_destroy(&rig);
}

static void test_a_second_broker_is_refused(void **state)
{
    struct broker        *second = NULL;
    struct broker_options options = {.statics = &rig.statics,
                                     .listeners = "PLAINTEXT://10.0.0.1:19092",
                                     .log_dirs = "data",
                                     .core_count = 1,
                                     .memory_bytes = 64 * MIB};
    struct io            *boot;
    struct io            *core;
    char                  why[BROKER_TEXT_BYTES] = "";

    (void)state;
    open_rig(1, NULL);
    assert_int_equal(rig_start(&rig), ERR_OK);
    boot = sim_io(rig.sim, 0, 10);
    core = sim_io(rig.sim, 0, 11);
    assert_int_equal(broker_create(&options, boot, &core, &second, span_of(why, sizeof(why))), ERR_BUSY);
    assert_non_null(strstr(why, "in use by another broker"));
    io_destroy(boot);
    io_destroy(core);
    rig_destroy(&rig);
}

/* Power goes off at every change that formatting makes: the next start always works. */
static void test_cut_while_formatting(void **state)
{
    (void)state;
    for (uint64_t change = 1; change <= 12; change++) {
        int result;

        open_rig(1, NULL);
        sim_cut_at(rig.sim, 0, change, SIM_CUT_DURING, change, SIM_CRASH_MIX);
        result = rig_start(&rig);
        if (sim_is_down(rig.sim, 0)) {
            if (rig.broker != NULL) {
                rig_cut(&rig, change, SIM_CRASH_MIX);
            }
            result = rig_start(&rig);
        }
        assert_int_equal(result, ERR_OK);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formatted_once),
        cmocka_unit_test(test_what_is_fixed_cannot_be_changed),
        cmocka_unit_test(test_damaged_files_are_refused),
        cmocka_unit_test(test_several_directories_belong_together),
        cmocka_unit_test(test_a_second_broker_is_refused),
        cmocka_unit_test(test_cut_while_formatting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
