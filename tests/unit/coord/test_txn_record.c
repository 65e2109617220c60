/* Transactional ids as records: what is written is read back, what Kafka wrote is read, damage is refused. */
#include "tests/support/unit.h"

#include "core/base/arena.h"
#include "core/base/prng.h"
#include "core/coord/txn.h"

static int setup(void **state)
{
    static struct arena arena;

    arena_init(&arena, MEM_TEST, 4096, 16 * MIB);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(*state);
    return 0;
}

static const struct txn_values sample = {.state = TXN_PREPARE_COMMIT,
                                         .timeout_ms = 60000,
                                         .producer_id = 4711,
                                         .previous_producer_id = 4711,
                                         .next_producer_id = 5000,
                                         .producer_epoch = 12,
                                         .last_epoch = TXN_EPOCH_NONE,
                                         .client_version = 2,
                                         .start_ms = 1700000000000,
                                         .update_ms = 1700000001234};

static void reads_back_what_it_wrote(void **state)
{
    struct txn_partitions set = {0}, read = {0};
    struct txn_values     values;
    struct view           key, value, id;

    txn__partitions_add(&set, view_text("orders"), 3);
    txn__partitions_add(&set, view_text("orders"), 1);
    txn__partitions_add(&set, view_text("bills"), 0);
    key = txn__record_key(*state, view_text("app-1"));
    value = txn__record_value(*state, &sample, &set);
    assert_true(key.len + value.len <= txn__record_bytes(&set, 5));
    assert_int_equal(txn__record_read(*state, key, value, &id, &values, &read), TXN_RECORD_VALUE);
    assert_true(view_equal(id, view_text("app-1")));
    assert_memory_equal(&values, &sample, sizeof(values));
    assert_int_equal(read.total, 3);
    assert_true(txn__partitions_have(&read, view_text("orders"), 1));
    assert_true(txn__partitions_have(&read, view_text("orders"), 3));
    assert_true(txn__partitions_have(&read, view_text("bills"), 0));
    assert_false(txn__partitions_have(&read, view_text("bills"), 1));
    txn__partitions_clear(&read);
    assert_int_equal(txn__record_read(*state, key, (struct view){0}, &id, &values, &read), TXN_RECORD_TOMBSTONE);
    txn__partitions_clear(&set);
}

static void names_no_partitions_while_empty(void **state)
{
    struct txn_partitions set = {0}, read = {0};
    struct txn_values     values = sample;
    struct view           id;

    values.state = TXN_EMPTY;
    assert_int_equal(txn__record_read(*state, txn__record_key(*state, view_text("x")),
                                      txn__record_value(*state, &values, &set), &id, &values, &read),
                     TXN_RECORD_VALUE);
    assert_int_equal(read.total, 0);
}

/* As Kafka 2.x wrote it: key 0, value 0, Ongoing, one partition. */
static void reads_version_0(void **state)
{
    static const uint8_t  key[] = {0, 0, 0, 1, 'a'};
    static const uint8_t  value[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 0, 0, 0x10, 0, 1, 0, 0, 0, 1, 0, 1, 't',
                                     0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,    7, 0, 0, 0, 0, 0, 0, 0, 6};
    struct txn_partitions read = {0};
    struct txn_values     values;
    struct view           id;

    assert_int_equal(
        txn__record_read(*state, view_of(key, sizeof(key)), view_of(value, sizeof(value)), &id, &values, &read),
        TXN_RECORD_VALUE);
    assert_int_equal(values.producer_id, 9);
    assert_int_equal(values.producer_epoch, 2);
    assert_int_equal(values.timeout_ms, 4096);
    assert_int_equal(values.state, TXN_ONGOING);
    assert_int_equal(values.update_ms, 7);
    assert_int_equal(values.start_ms, 6);
    assert_int_equal(values.client_version, 0);
    assert_int_equal(values.next_producer_id, TXN_ID_NONE);
    assert_true(txn__partitions_have(&read, view_text("t"), 5));
    txn__partitions_clear(&read);
}

static void refuses_damage(void **state)
{
    struct txn_partitions set = {0}, read = {0};
    struct txn_values     values = sample, out;
    struct view           key = txn__record_key(*state, view_text("app-1")), value, id;
    static const uint8_t  other[] = {0, 9, 0, 0};

    txn__partitions_add(&set, view_text("orders"), 3);
    value = txn__record_value(*state, &values, &set);
    for (size_t len = 0; len < value.len; len++) {
        assert_int_not_equal(txn__record_read(*state, key, view_of(value.base, len), &id, &out, &read),
                             TXN_RECORD_VALUE);
        assert_int_equal(read.total, 0);
    }
    for (size_t len = 0; len < key.len; len++) {
        assert_int_equal(txn__record_read(*state, view_of(key.base, len), value, &id, &out, &read), TXN_RECORD_DAMAGED);
    }
    assert_int_equal(txn__record_read(*state, view_of(other, 4), value, &id, &out, &read), TXN_RECORD_OTHER);
    assert_int_equal(txn__record_read(*state, key, view_of(other, 4), &id, &out, &read), TXN_RECORD_OTHER);
    values.producer_epoch = -3;
    assert_int_equal(txn__record_read(*state, key, txn__record_value(*state, &values, &set), &id, &out, &read),
                     TXN_RECORD_DAMAGED);
    values = sample;
    values.state = (enum txn_state)6;
    assert_int_equal(txn__record_read(*state, key, txn__record_value(*state, &values, &set), &id, &out, &read),
                     TXN_RECORD_DAMAGED);
    txn__partitions_clear(&set);
}

/* The set against a plain array of flags. */
static void is_a_set(void **state)
{
    struct txn_partitions set = {0};
    bool                  flags[8][32] = {0};
    uint32_t              total = 0;
    struct prng           prng;

    (void)state;
    prng_init(&prng, 7);
    for (int step = 0; step < 20000; step++) {
        char     name[2] = {(char)('a' + prng_below(&prng, 8)), 0};
        uint32_t partition = (uint32_t)prng_below(&prng, 32);
        bool    *flag = &flags[name[0] - 'a'][partition];

        assert_int_equal(txn__partitions_have(&set, view_text(name), (int32_t)partition), *flag);
        if (prng_below(&prng, 2) == 0) {
            total += !*flag;
            *flag = true;
            txn__partitions_add(&set, view_text(name), (int32_t)partition);
        } else {
            total -= *flag;
            *flag = false;
            txn__partitions_remove(&set, view_text(name), (int32_t)partition);
        }
        assert_int_equal(set.total, total);
    }
    assert_int_equal(set.name_bytes, set.topic_count);
    txn__partitions_clear(&set);
    assert_int_equal(set.total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_back_what_it_wrote, setup, teardown),
        cmocka_unit_test_setup_teardown(names_no_partitions_while_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_version_0, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_damage, setup, teardown),
        cmocka_unit_test(is_a_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
