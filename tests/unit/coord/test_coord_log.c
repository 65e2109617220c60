/* One partition of an internal topic under a machine, with the durable end moved by hand: what shares a batch, what
 * waits for what, and that a failed write leaves nothing speculative behind. */
#include "tests/support/unit.h"

#include "tests/support/fake_store.h"

#include "core/coord/coord_log.h"
#include "core/proto/kp_error.h"

#include <stdio.h>

#define TOPIC "__consumer_offsets"

/* Remembers the newest value of each one-letter key. */
struct letters {
    struct coord_machine machine;
    char                 values[26];
    int                  loads, unloads, markers, replayed;
    int16_t              unload_error;
    char                 order[64]; /* of writes that ended */
};

struct wait {
    struct coord_write write;
    struct letters    *letters;
    char               name;
    int                ended;
    int16_t            error;
};

struct world {
    struct fake_io     io;
    struct store       store;
    struct part_table *table;
    struct part       *part;
    struct letters     letters;
    struct coord_log  *log;
    bool               closed;
};

static struct world world;

static void letters_replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct letters *letters = CONTAINER_OF(machine, struct letters, machine);

    letters->replayed++;
    letters->values[record->key.base[0] - 'a'] = record->value.base == NULL ? '-' : (char)record->value.base[0];
    if (record->producer_id >= 0) {
        assert_int_equal(record->producer_id, 77);
    }
}

static void letters_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    assert_int_equal(producer_id, 77);
    assert_int_equal(producer_epoch, 3);
    CONTAINER_OF(machine, struct letters, machine)->markers += commit ? 1 : 100;
}

static void letters_loaded(struct coord_machine *machine)
{
    CONTAINER_OF(machine, struct letters, machine)->loads++;
}

static void letters_unload(struct coord_machine *machine, int16_t error)
{
    struct letters *letters = CONTAINER_OF(machine, struct letters, machine);

    memset(letters->values, 0, sizeof(letters->values));
    letters->unloads++;
    letters->unload_error = error;
}

static void opened(void *context, int16_t error)
{
    MAYBE(context == NULL);
    assert_int_equal(error, 0);
}

static void closed(void *context)
{
    *(bool *)context = true;
}

static void part_start(void)
{
    struct part_options options = {
        .topic_id = {{1, 2, 3}}, .topic = view_text(TOPIC), .partition = 0, .internal = true};

    options.settings.batch_bytes_max = 1048588;
    options.settings.codec = -1;
    options.settings.keys_required = true;
    options.settings.timestamp_before_max_ms = INT64_MAX;
    options.settings.timestamp_after_max_ms = INT64_MAX;
    options.settings.producer_expiry_ms = 86400000;
    options.settings.policy.segment_bytes = 1 << 30;
    world.part = part_open(world.table, &options, opened, NULL);
    fake_io_settle(&world.io);
}

static int start(void **state)
{
    MAYBE(state == NULL);
    memset(&world, 0, sizeof(world));
    fake_io_init(&world.io);
    fake_store_init(&world.store, &world.io);
    world.table = part_table_create(&world.io.shard, &world.store);
    world.letters.machine = (struct coord_machine){
        .replay = letters_replay, .marker = letters_marker, .loaded = letters_loaded, .unload = letters_unload};
    part_start();
    world.log = coord_log_open(&world.io.shard, world.part, &world.letters.machine);
    return 0;
}

static void log_end(void)
{
    world.closed = false;
    coord_log_close(world.log, closed, &world.closed);
    fake_io_settle(&world.io);
}

static int end(void **state)
{
    MAYBE(state == NULL);
    if (!world.closed) {
        log_end();
        assert_true(world.closed);
    }
    part_table_close(world.table, opened, NULL);
    fake_io_settle(&world.io);
    part_table_destroy(world.table);
    fake_store_deinit(&world.store);
    fake_io_deinit(&world.io);
    return 0;
}

static struct store_log *disk(void)
{
    return fake_store_log(&world.store, TOPIC, 0);
}

static void durable(void)
{
    fake_store_durable(disk(), part_log_end(world.part));
    fake_io_settle(&world.io);
}

static void add(char key, char value)
{
    coord_log_add(world.log, view_of(&key, 1), value == '-' ? (struct view){0} : view_of(&value, 1));
    world.letters.values[key - 'a'] = value; /* the machine applies at once */
}

static void ended(struct coord_write *write, int16_t error)
{
    struct wait *wait = CONTAINER_OF(write, struct wait, write);
    size_t       at = strlen(wait->letters->order);

    wait->ended++;
    wait->error = error;
    wait->letters->order[at] = wait->name;
}

static struct wait *wait_of(struct wait *wait, char name)
{
    *wait = (struct wait){.letters = &world.letters, .name = name};
    wait->write.done = ended;
    return wait;
}

static void one_batch_at_a_time(void **state)
{
    struct wait a, b, c, read;

    MAYBE(state == NULL);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE); /* empty: at once */
    assert_int_equal(world.letters.loads, 1);
    add('a', '1');
    coord_log_commit(world.log, &wait_of(&a, 'a')->write);
    add('b', '1');
    add('c', '1');
    coord_log_commit(world.log, &wait_of(&b, 'b')->write);
    coord_log_commit(world.log, &wait_of(&read, 'r')->write);
    assert_int_equal(a.ended, 0);
    fake_io_settle(&world.io);
    assert_int_equal(part_log_end(world.part), 3); /* two events and what waits for them: one batch */
    assert_int_equal(fake_store_disk(disk())->batch_count, 1);
    add('a', '2');
    coord_log_commit(world.log, &wait_of(&c, 'c')->write);
    fake_io_settle(&world.io);
    assert_int_equal(part_log_end(world.part), 3); /* gathers behind the one on its way */
    assert_int_equal(a.ended + b.ended + c.ended + read.ended, 0);
    durable();
    assert_string_equal(world.letters.order, "abr");
    assert_int_equal(part_log_end(world.part), 4);
    durable();
    assert_string_equal(world.letters.order, "abrc");
    assert_int_equal(a.error + b.error + c.error + read.error, 0);
    coord_log_commit(world.log, &wait_of(&read, 'r')->write);
    assert_int_equal(read.ended, 0); /* never inside */
    fake_io_settle(&world.io);
    assert_int_equal(read.ended, 1);
}

static void what_does_not_fit_is_dropped(void **state)
{
    static uint8_t large[1100000];
    struct wait    wait;
    int            events = 0;

    MAYBE(state == NULL);
    coord_log_add(world.log, view_text("k"), view_of(large, sizeof(large)));
    assert_false(coord_log_fits(world.log));
    coord_log_drop(world.log);
    coord_log_add(world.log, view_text("k"), view_of(large, 900000));
    assert_true(coord_log_fits(world.log));
    coord_log_commit(world.log, &wait_of(&wait, 'w')->write); /* alone in its batch */
    for (; events < 20; events++) {
        coord_log_add(world.log, view_text("k"), view_of(large, 100000));
        coord_log_commit(world.log, NULL);
    }
    for (int i = 0; i < 10; i++) {
        fake_io_settle(&world.io);
        durable();
    }
    assert_int_equal(wait.error, 0);
    assert_int_equal(part_log_end(world.part), 1 + events);
    assert_int_equal(fake_store_disk(disk())->batch_count, 5); /* 5 x 100,000 bytes fit into one of 512 KiB */
}

static void a_failed_write_leaves_nothing_speculative(void **state)
{
    struct wait a, b, c, late;

    MAYBE(state == NULL);
    add('a', '1');
    coord_log_commit(world.log, &wait_of(&a, 'a')->write);
    fake_io_settle(&world.io);
    durable();
    add('a', '2');
    coord_log_commit(world.log, &wait_of(&b, 'b')->write);
    fake_io_settle(&world.io);
    add('a', '3');
    coord_log_commit(world.log, &wait_of(&c, 'c')->write);
    fake_store_offline(disk());
    fake_io_settle(&world.io);
    assert_string_equal(world.letters.order, "abc");
    assert_int_equal(a.error, 0);
    assert_int_equal(b.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(c.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(world.letters.unloads, 1);
    assert_int_equal(world.letters.values[0], 0);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_NOT_AVAILABLE);
    coord_log_add(world.log, view_text("a"), view_text("9"));
    coord_log_commit(world.log, &wait_of(&late, 'l')->write);
    fake_io_settle(&world.io);
    assert_int_equal(late.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    for (int i = 0; i < 20 && coord_log_state(world.log) != COORD_LOG_ACTIVE; i++) {
        fake_io_advance(&world.io, 1000);
        fake_io_settle(&world.io);
        durable();
    }
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(world.letters.loads, 2);
    assert_true(world.letters.values[0] == '1' || world.letters.values[0] == '2'); /* what was in doubt */
    assert_int_equal(coord_log_figures(world.log).records, part_log_end(world.part));
}

static void a_full_disk_refuses_and_comes_back(void **state)
{
    struct wait a, b;

    MAYBE(state == NULL);
    world.store.space_low = true;
    add('a', '1');
    coord_log_commit(world.log, &wait_of(&a, 'a')->write);
    fake_io_settle(&world.io);
    assert_int_equal(a.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(world.letters.unloads, 1);
    world.store.space_low = false;
    fake_io_advance(&world.io, 10000);
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(world.letters.values[0], 0);
    add('b', '1');
    coord_log_commit(world.log, &wait_of(&b, 'b')->write);
    fake_io_settle(&world.io);
    durable();
    assert_int_equal(b.error, 0);
}

static void transactions_have_batches_of_their_own(void **state)
{
    struct wait a, b, marker;

    MAYBE(state == NULL);
    add('a', '1');
    coord_log_commit(world.log, NULL);
    add('b', '1');
    coord_log_commit_txn(world.log, 77, 3, &wait_of(&a, 'a')->write);
    add('c', '1');
    coord_log_commit_txn(world.log, 77, 3, &wait_of(&b, 'b')->write);
    coord_log_marker(world.log, 77, 3, true, 5, 0, &wait_of(&marker, 'm')->write);
    for (int i = 0; i < 4; i++) {
        fake_io_settle(&world.io);
        durable();
    }
    assert_string_equal(world.letters.order, "abm");
    assert_int_equal(a.error + b.error + marker.error, 0);
    assert_int_equal(world.letters.markers, 1);
    assert_int_equal(fake_store_disk(disk())->batch_count, 3);
    assert_int_equal(part_last_stable_offset(world.part), part_log_end(world.part));
    coord_log_marker(world.log, 77, 2, true, 5, 0, &wait_of(&marker, 'o')->write); /* of an older epoch */
    add('d', '1');
    coord_log_commit(world.log, &wait_of(&a, 'd')->write);
    for (int i = 0; i < 4; i++) {
        fake_io_settle(&world.io);
        durable();
    }
    assert_int_equal(marker.error, KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(a.error, 0); /* the others go on */
    assert_int_equal(world.letters.unloads, 0);
    /* the same again from the log */
    log_end();
    assert_true(world.closed);
    memset(&world.letters.order, 0, sizeof(world.letters.order));
    world.letters.markers = 0;
    world.log = coord_log_open(&world.io.shard, world.part, &world.letters.machine);
    world.closed = false;
    assert_int_equal(coord_log_state(world.log), COORD_LOG_LOADING);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_memory_equal(world.letters.values, "1111", 4);
    assert_int_equal(world.letters.markers, 1);
}

static void a_deleted_partition_closes_its_log(void **state)
{
    struct wait a, b;

    MAYBE(state == NULL);
    add('a', '1');
    coord_log_commit(world.log, &wait_of(&a, 'a')->write);
    fake_io_settle(&world.io);
    part_delete(world.part, opened, NULL);
    fake_io_settle(&world.io);
    assert_int_equal(a.error, KP_ERR_NOT_COORDINATOR);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_CLOSED);
    assert_int_equal(world.letters.unload_error, KP_ERR_NOT_COORDINATOR);
    coord_log_commit(world.log, &wait_of(&b, 'b')->write);
    fake_io_settle(&world.io);
    assert_int_equal(b.error, KP_ERR_NOT_COORDINATOR);
}

static void closing_writes_what_is_decided(void **state)
{
    struct wait a, b;

    MAYBE(state == NULL);
    add('a', '1');
    coord_log_commit(world.log, &wait_of(&a, 'a')->write);
    fake_io_settle(&world.io);
    add('b', '1');
    coord_log_commit(world.log, &wait_of(&b, 'b')->write);
    log_end();
    assert_false(world.closed);
    durable();
    assert_false(world.closed);
    durable();
    assert_true(world.closed);
    assert_string_equal(world.letters.order, "ab");
    assert_int_equal(a.error + b.error, 0);
    assert_int_equal(world.letters.unload_error, KP_ERR_NOT_COORDINATOR);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(one_batch_at_a_time),
        ROW(what_does_not_fit_is_dropped),
        ROW(a_failed_write_leaves_nothing_speculative),
        ROW(a_full_disk_refuses_and_comes_back),
        ROW(transactions_have_batches_of_their_own),
        ROW(a_deleted_partition_closes_its_log),
        ROW(closing_writes_what_is_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
