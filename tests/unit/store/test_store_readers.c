/* test_store_readers.c: many readers at a time, and what they may take from those who append. */
#include "tests/unit/store/store_rig.h"

static void append_some(struct rig_log *log, int count, size_t payload_bytes)
{
    for (int i = 0; i < count; i++) {
        while (rig_append(log, 10, payload_bytes) != ERR_OK) {
            rig_run_for(NS_PER_MS);
        }
    }
    rig_settle(log);
}

static bool done_flag(void *context)
{
    return *(bool *)context;
}

#define KEPT_READS 80

struct kept_read {
    struct store_read read;
    bool              done;
};

static void kept_done(struct store_read *read)
{
    CONTAINER_OF(read, struct kept_read, read)->done = true;
}

/* Readers that do not take their answers hold what was read for them: they run out of memory, appends do not. */
static void test_readers_that_keep_their_answers(void **state)
{
    static struct kept_read reads[KEPT_READS];
    struct rig_log          log;
    int                     refused = 0;

    (void)state;
    rig_create(29);
    rig.options.cache_bytes = 0;
    assert_int_equal(rig_start(), ERR_OK);
    rig_log_init(&log, "kept");
    assert_int_equal(rig_log_open(&log), ERR_OK);
    append_some(&log, 20, 100 * KIB);
    rig_run_for(10 * NS_PER_S); /* on the disk only */
    memset(reads, 0, sizeof(reads));
    for (int i = 0; i < KEPT_READS; i++) {
        reads[i].read = (struct store_read){
            .offset = 0, .end_offset = INT64_MAX, .bytes_max = 1 * MIB, .at_least_one = true, .done = kept_done};
        if (!store_log_read(log.log, &reads[i].read)) {
            rig_until(done_flag, &reads[i].done);
        }
        assert_true(reads[i].read.result == ERR_OK || reads[i].read.result == ERR_AGAIN);
        refused += reads[i].read.result == ERR_AGAIN;
    }
    assert_in_range(refused, 1, KEPT_READS - 20);
    assert_true(buf_pool_used_bytes(rig.shard->bufs) <= buf_pool_budget_bytes(rig.shard->bufs) / 4 * 3);
    append_some(&log, 5, 100 * KIB); /* and small ones */
    append_some(&log, 5, 500);
    for (int i = 0; i < KEPT_READS; i++) {
        store_read_release(&reads[i].read);
    }
    (void)rig_verify(&log, 0, 300, 1 * MIB); /* and they get on when it is given back */
    rig_stop_clean();
    rig_log_free(&log);
    rig_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_that_keep_their_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
