/* One partition of an internal topic under a machine, with the durable end moved by hand: what shares a batch, what
 * waits for what, and that a failed write leaves nothing speculative behind. Loading is in test_coord_log_load.c. */
#include "tests/unit/coord/coord_log_world.h"

static void one_batch_at_a_time(void **state)
{
    struct wait a, b, c, read;

    MAYBE(state == NULL);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE); /* empty: at once */
    assert_int_equal(world.letters.loads, 1);
    world_add('a', '1');
    coord_log_commit(world.log, &world_wait(&a, 'a')->write);
    world_add('b', '1');
    world_add('c', '1');
    coord_log_commit(world.log, &world_wait(&b, 'b')->write);
    coord_log_commit(world.log, &world_wait(&read, 'r')->write);
    assert_int_equal(a.ended, 0);
    fake_io_settle(&world.io);
    assert_int_equal(part_log_end(world.part), 3); /* two events and what waits for them: one batch */
    assert_int_equal(fake_store_disk(world_disk())->batch_count, 1);
    world_add('a', '2');
    coord_log_commit(world.log, &world_wait(&c, 'c')->write);
    fake_io_settle(&world.io);
    assert_int_equal(part_log_end(world.part), 3); /* gathers behind the one on its way */
    assert_int_equal(a.ended + b.ended + c.ended + read.ended, 0);
    world_durable();
    assert_string_equal(world.letters.order, "abr");
    assert_int_equal(part_log_end(world.part), 4);
    world_durable();
    assert_string_equal(world.letters.order, "abrc");
    assert_int_equal(a.error + b.error + c.error + read.error, 0);
    coord_log_commit(world.log, &world_wait(&read, 'r')->write);
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
    coord_log_commit(world.log, &world_wait(&wait, 'w')->write); /* alone in its batch */
    for (; events < 20; events++) {
        coord_log_add(world.log, view_text("k"), view_of(large, 100000));
        coord_log_commit(world.log, NULL);
    }
    for (int i = 0; i < 10; i++) {
        fake_io_settle(&world.io);
        world_durable();
    }
    assert_int_equal(wait.error, 0);
    assert_int_equal(part_log_end(world.part), 1 + events);
    assert_int_equal(fake_store_disk(world_disk())->batch_count, 5); /* 5 x 100,000 bytes fit into one of 512 KiB */
}

static void a_failed_write_leaves_nothing_speculative(void **state)
{
    struct wait a, b, c, late;

    MAYBE(state == NULL);
    world_add('a', '1');
    coord_log_commit(world.log, &world_wait(&a, 'a')->write);
    fake_io_settle(&world.io);
    world_durable();
    world_add('a', '2');
    coord_log_commit(world.log, &world_wait(&b, 'b')->write);
    fake_io_settle(&world.io);
    world_add('a', '3');
    coord_log_commit(world.log, &world_wait(&c, 'c')->write);
    fake_store_offline(world_disk());
    fake_io_settle(&world.io);
    assert_string_equal(world.letters.order, "abc");
    assert_int_equal(a.error, 0);
    assert_int_equal(b.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(c.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(world.letters.unloads, 1);
    assert_int_equal(world.letters.values[0], 0);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_NOT_AVAILABLE);
    coord_log_add(world.log, view_text("a"), view_text("9"));
    coord_log_commit(world.log, &world_wait(&late, 'l')->write);
    fake_io_settle(&world.io);
    assert_int_equal(late.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    for (int i = 0; i < 20 && coord_log_state(world.log) != COORD_LOG_ACTIVE; i++) {
        fake_io_advance(&world.io, 1000);
        fake_io_settle(&world.io);
        world_durable();
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
    world_add('a', '1');
    coord_log_commit(world.log, &world_wait(&a, 'a')->write);
    fake_io_settle(&world.io);
    assert_int_equal(a.error, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(world.letters.unloads, 1);
    world.store.space_low = false;
    fake_io_advance(&world.io, 10000);
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(world.letters.values[0], 0);
    world_add('b', '1');
    coord_log_commit(world.log, &world_wait(&b, 'b')->write);
    fake_io_settle(&world.io);
    world_durable();
    assert_int_equal(b.error, 0);
}

static void transactions_have_batches_of_their_own(void **state)
{
    struct wait a, b, marker;

    MAYBE(state == NULL);
    world_add('a', '1');
    coord_log_commit(world.log, NULL);
    world_add('b', '1');
    coord_log_commit_txn(world.log, 77, 3, &world_wait(&a, 'a')->write);
    world_add('c', '1');
    coord_log_commit_txn(world.log, 77, 3, &world_wait(&b, 'b')->write);
    coord_log_marker(world.log, 77, 3, true, 5, 0, &world_wait(&marker, 'm')->write);
    for (int i = 0; i < 4; i++) {
        fake_io_settle(&world.io);
        world_durable();
    }
    assert_string_equal(world.letters.order, "abm");
    assert_int_equal(a.error + b.error + marker.error, 0);
    assert_int_equal(world.letters.markers, 1);
    assert_int_equal(fake_store_disk(world_disk())->batch_count, 3);
    assert_int_equal(part_last_stable_offset(world.part), part_log_end(world.part));
    coord_log_marker(world.log, 77, 2, true, 5, 0, &world_wait(&marker, 'o')->write); /* of an older epoch */
    world_add('d', '1');
    coord_log_commit(world.log, &world_wait(&a, 'd')->write);
    for (int i = 0; i < 4; i++) {
        fake_io_settle(&world.io);
        world_durable();
    }
    assert_int_equal(marker.error, KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(a.error, 0); /* the others go on */
    assert_int_equal(world.letters.unloads, 0);
    /* the same again from the log */
    world_close();
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
    world_add('a', '1');
    coord_log_commit(world.log, &world_wait(&a, 'a')->write);
    fake_io_settle(&world.io);
    part_delete(world.part, world_done, NULL);
    fake_io_settle(&world.io);
    assert_int_equal(a.error, KP_ERR_NOT_COORDINATOR);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_CLOSED);
    assert_int_equal(world.letters.unload_error, KP_ERR_NOT_COORDINATOR);
    coord_log_commit(world.log, &world_wait(&b, 'b')->write);
    fake_io_settle(&world.io);
    assert_int_equal(b.error, KP_ERR_NOT_COORDINATOR);
}

static void closing_writes_what_is_decided(void **state)
{
    struct wait a, b;

    MAYBE(state == NULL);
    world_add('a', '1');
    coord_log_commit(world.log, &world_wait(&a, 'a')->write);
    fake_io_settle(&world.io);
    world_add('b', '1');
    coord_log_commit(world.log, &world_wait(&b, 'b')->write);
    world_close();
    assert_false(world.closed);
    world_durable();
    assert_false(world.closed);
    world_durable();
    assert_true(world.closed);
    assert_string_equal(world.letters.order, "ab");
    assert_int_equal(a.error + b.error, 0);
    assert_int_equal(world.letters.unload_error, KP_ERR_NOT_COORDINATOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_ROW(one_batch_at_a_time),
        WORLD_ROW(what_does_not_fit_is_dropped),
        WORLD_ROW(a_failed_write_leaves_nothing_speculative),
        WORLD_ROW(a_full_disk_refuses_and_comes_back),
        WORLD_ROW(transactions_have_batches_of_their_own),
        WORLD_ROW(a_deleted_partition_closes_its_log),
        WORLD_ROW(closing_writes_what_is_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
