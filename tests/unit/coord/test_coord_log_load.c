/* Reading a partition of an internal topic: in which order, in how many turns, what is left out, what is waited for,
 * and what becomes of it when the partition cannot be read or goes away meanwhile. */
#include "tests/unit/coord/coord_log_world.h"

#include "core/base/slog.h"

static int errors_said;

static void sink(enum slog_level level, const char *room, const char *text)
{
    errors_said += level == SLOG_ERROR && strcmp(room, "coord") == 0 && text != NULL;
}

static void settle_durably(void)
{
    for (int i = 0; i < 8; i++) {
        fake_io_settle(&world.io);
        world_durable();
    }
}

static void close_log(void)
{
    world_close();
    assert_true(world.closed);
}

static void everything_comes_in_the_order_of_the_log(void **state)
{
    MAYBE(state == NULL);
    world_add('a', '1');
    world_add('b', '1');
    coord_log_commit(world.log, NULL);
    world_add('a', '2');
    world_add('b', '-');
    coord_log_commit(world.log, NULL);
    world_add('c', '1');
    coord_log_commit_txn(world.log, WORLD_PRODUCER, WORLD_EPOCH, NULL);
    coord_log_marker(world.log, WORLD_PRODUCER, WORLD_EPOCH, false, 1, 0, NULL);
    world_add('d', '1');
    coord_log_commit_txn(world.log, WORLD_PRODUCER, WORLD_EPOCH, NULL);
    coord_log_marker(world.log, WORLD_PRODUCER, WORLD_EPOCH, true, 1, 0, NULL);
    settle_durably();
    assert_int_equal(world.letters.markers, 101);
    close_log();

    world_open();
    assert_int_equal(coord_log_state(world.log), COORD_LOG_LOADING);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(world.letters.replayed, 0); /* never inside coord_log_open() */
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(coord_log_error(world.log), 0);
    assert_memory_equal(world.letters.values, "2-11\0", 5);
    assert_int_equal(world.letters.replayed, 6);
    assert_int_equal(world.letters.markers, 101); /* the machine decides what an abort undoes */
    assert_int_equal(world.letters.loads, 1);
    assert_int_equal(world.letters.unloads, 0);
    assert_int_equal(coord_log_figures(world.log).records, 6);
    assert_int_equal(coord_log_figures(world.log).bytes, store_log_size_bytes(world_disk()));
}

/* Other partitions of the shard have their turns while a large one is read. */
static void a_large_partition_takes_several_turns(void **state)
{
    static uint8_t large[100000];
    int            turns = 0;
    int            most = 0;

    MAYBE(state == NULL);
    memset(large, 'v', sizeof(large));
    for (char key = 'a'; key <= 'z'; key++) {
        coord_log_add(world.log, view_of(&key, 1), view_of(large, sizeof(large)));
        coord_log_commit(world.log, NULL);
    }
    settle_durably();
    close_log();
    world_open();
    while (coord_log_state(world.log) == COORD_LOG_LOADING) {
        int before = world.letters.replayed;

        assert_true(fake_io_turn(&world.io) > 0);
        most = MAX(most, world.letters.replayed - before);
        turns++;
    }
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(world.letters.replayed, 26);
    assert_true(turns > 5);
    assert_true(most <= 5); /* a batch of 512 KiB, no more */
}

static void appended(struct part_append *append)
{
    assert_int_equal(append->error, 0);
}

/* One batch of another writer; not durable yet. */
static void append(enum rec_codec codec, const char *keys)
{
    struct part_append sent;
    struct arena       arena;
    struct rec_builder builder;
    struct view        bytes;

    arena_init(&arena, MEM_TEST, 4096, 1 << 20);
    rec_builder_init(&builder, &arena);
    for (; *keys != '\0'; keys++) {
        rec_builder_add(&builder, 1000, view_of((const uint8_t *)keys, 1), view_text("xxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
                        NULL, 0);
    }
    assert_int_equal(rec_builder_finish(&builder, codec, 0, &bytes), ERR_OK);
    sent = (struct part_append){.records = bytes, .zstd_allowed = true, .internal = true, .done = appended};
    part_append(world.part, &sent);
    fake_io_settle(&world.io);
    arena_deinit(&arena);
}

/* A batch whose bytes do not inflate is left out, loudly; what stands around it counts. */
static void a_batch_that_does_not_inflate_is_left_out(void **state)
{
    struct fake_batch *batch;

    MAYBE(state == NULL);
    close_log();
    append(REC_LZ4, "ab");
    append(REC_LZ4, "cd");
    append(REC_ZSTD, "ef");
    world_durable();
    batch = &fake_store_disk(world_disk())->batches[1];
    memset(batch->bytes + REC_HEADER_BYTES, 0xee, batch->len - REC_HEADER_BYTES);
    errors_said = 0;
    slog_set_sink(sink);
    world_open();
    fake_io_settle(&world.io);
    slog_set_sink(NULL);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_memory_equal(world.letters.values, "xx\0\0xx\0", 7);
    assert_int_equal(world.letters.replayed, 4);
    assert_int_equal(errors_said, 1);
}

static void what_lies_below_the_logs_start_is_not_told(void **state)
{
    MAYBE(state == NULL);
    close_log();
    append(REC_NONE, "abc");
    world_durable();
    part_delete_records(world.part, 1, world_done, NULL);
    fake_io_settle(&world.io);
    assert_int_equal(part_log_start(world.part), 1);
    world_open();
    fake_io_settle(&world.io);
    assert_memory_equal(world.letters.values, "\0xx\0", 4); /* although it stands in the same batch */
    assert_int_equal(coord_log_figures(world.log).records, 2);
}

/* What somebody appended before, and the disk has not confirmed, may still vanish: nobody is told of it. */
static void what_is_not_durable_is_waited_for(void **state)
{
    MAYBE(state == NULL);
    close_log();
    append(REC_NONE, "a");
    world_durable();
    append(REC_NONE, "b");
    world_open();
    fake_io_settle(&world.io);
    assert_int_not_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_NOT_AVAILABLE);
    fake_io_advance(&world.io, 1000);
    fake_io_settle(&world.io);
    assert_int_not_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_int_equal(world.letters.loads, 0);
    world_durable();
    fake_io_advance(&world.io, 5000);
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE);
    assert_memory_equal(world.letters.values, "xx\0", 3);
    assert_int_equal(world.letters.loads, 1);
    assert_true(world.letters.unloads > 0);                    /* what it knew of the first attempt went */
    assert_int_equal(coord_log_figures(world.log).records, 2); /* of the last attempt alone */
}

static void a_partition_that_cannot_be_read_is_tried_again(void **state)
{
    int64_t waited_ms = 0;

    MAYBE(state == NULL);
    close_log();
    append(REC_NONE, "ab");
    world_durable();
    fake_store_offline(world_disk());
    world.store.open_result = ERR_IO; /* and opening it again does not help, for a while */
    slog_set_sink(sink);
    world_open();
    fake_io_settle(&world.io);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_FAILED);
    assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_NOT_AVAILABLE);
    for (int i = 0; i < 100; i++) { /* ten seconds */
        fake_io_advance(&world.io, 100);
        fake_io_settle(&world.io);
        assert_int_equal(coord_log_error(world.log), KP_ERR_COORDINATOR_NOT_AVAILABLE);
        assert_int_equal(world.letters.loads, 0);
    }
    world.store.open_result = ERR_OK;
    for (; coord_log_state(world.log) != COORD_LOG_ACTIVE && waited_ms <= 5000; waited_ms += 100) {
        fake_io_advance(&world.io, 100);
        fake_io_settle(&world.io);
    }
    slog_set_sink(NULL);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_ACTIVE); /* the pauses do not grow above five seconds */
    assert_true(waited_ms > 400);                                   /* but they have grown */
    assert_memory_equal(world.letters.values, "xx\0", 3);
    assert_int_equal(world.letters.loads, 1);
}

static void a_log_is_closed_while_it_is_read(void **state)
{
    MAYBE(state == NULL);
    close_log();
    append(REC_NONE, "ab");
    world_durable();
    world.store.reads_later = true;
    world_open();
    assert_true(fake_io_turn(&world.io) > 0);
    assert_int_equal(world.store.reads_out, 0); /* asked for, not answered */
    close_log();
    assert_int_equal(world.letters.loads, 0);
    assert_int_equal(world.letters.replayed, 0);
    assert_int_equal(world.store.reads_out, 0);
}

static void a_partition_is_deleted_while_it_is_read(void **state)
{
    MAYBE(state == NULL);
    close_log();
    append(REC_NONE, "ab");
    world_durable();
    world.store.reads_later = true;
    world_open();
    assert_true(fake_io_turn(&world.io) > 0);
    slog_set_sink(sink);
    part_delete(world.part, world_done, NULL);
    fake_io_settle(&world.io);
    slog_set_sink(NULL);
    assert_int_equal(coord_log_state(world.log), COORD_LOG_CLOSED);
    assert_int_equal(coord_log_error(world.log), KP_ERR_NOT_COORDINATOR);
    assert_int_equal(world.letters.unloads, 1); /* told once */
    assert_int_equal(world.letters.loads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_ROW(everything_comes_in_the_order_of_the_log),  WORLD_ROW(a_large_partition_takes_several_turns),
        WORLD_ROW(a_batch_that_does_not_inflate_is_left_out), WORLD_ROW(what_lies_below_the_logs_start_is_not_told),
        WORLD_ROW(what_is_not_durable_is_waited_for),         WORLD_ROW(a_partition_that_cannot_be_read_is_tried_again),
        WORLD_ROW(a_log_is_closed_while_it_is_read),          WORLD_ROW(a_partition_is_deleted_while_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
