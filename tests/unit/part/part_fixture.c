/* Set-up shared by the tests of core/part. */
#include "tests/unit/part/part_fixture.h"

static void opened(void *context, int16_t error)
{
    struct fixture *fixture = context;

    fixture->open_error = error;
}

static void closed(void *context, int16_t error)
{
    bool *done = context;

    assert_int_equal(error, 0);
    *done = true;
}

void fixture_open(struct fixture *fixture)
{
    fixture->open_error = -2;
    fixture->table = part_table_create(&fixture->io.shard, &fixture->store);
    fixture->part = part_open(fixture->table, &fixture->options, opened, fixture);
    assert_int_equal(fixture->open_error, -2);
    fake_io_settle(&fixture->io);
    assert_int_not_equal(fixture->open_error, -2);
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
}

void fixture_close(struct fixture *fixture)
{
    bool done = false;

    part_table_close(fixture->table, closed, &done);
    assert_false(done);
    fake_io_settle(&fixture->io);
    assert_true(done);
    part_table_destroy(fixture->table);
    fixture->table = NULL;
    fixture->part = NULL;
}

void fixture_restart(struct fixture *fixture, bool crash)
{
    if (crash) {
        fake_store_crash_next(fixture->log);
    }
    fixture_close(fixture);
    fixture_open(fixture);
}

int fixture_setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){0};
    fake_io_init(&fixture.io);
    fake_store_init(&fixture.store, &fixture.io);
    arena_init(&fixture.arena, MEM_TEST, 64 * KIB, 256 * MIB);
    fixture.options = (struct part_options){
        .topic_id = {{1, 2, 3}},
        .topic = view_text(FIXTURE_TOPIC),
        .leader_epoch = 3,
        .settings = {.policy = {.durable_on_append = true, .delete_enabled = true},
                     .batch_bytes_max = 1048588,
                     .timestamp_before_max_ms = INT64_MAX,
                     .timestamp_after_max_ms = 3600 * MS_PER_S,
                     .codec = -1,
                     .producer_expiry_ms = 86400 * MS_PER_S},
    };
    fixture_open(&fixture);
    assert_int_equal(fixture.open_error, 0);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->table != NULL) {
        fixture_close(fixture);
    }
    fake_store_deinit(&fixture->store);
    fake_io_deinit(&fixture->io);
    arena_deinit(&fixture->arena);
    return 0;
}

struct view fixture_batch(struct fixture *fixture, const struct batch_recipe *recipe)
{
    struct rec_builder builder;
    struct view        batch = {0};
    int32_t            records = recipe->records == 0 ? 1 : recipe->records;
    size_t             value_bytes = recipe->value_bytes == 0 ? 10 : recipe->value_bytes;
    uint8_t           *value = arena_alloc(&fixture->arena, value_bytes);

    memset(value, 'v', value_bytes);
    rec_builder_init(&builder, &fixture->arena);
    if (recipe->idempotent) {
        builder.producer_id = recipe->producer_id;
        builder.producer_epoch = recipe->producer_epoch;
        builder.base_sequence = recipe->base_sequence;
    }
    builder.attributes = recipe->attributes;
    for (int32_t i = 0; i < records; i++) {
        int64_t timestamp_ms = (recipe->timestamp_ms == 0 ? fixture->io.wall_ms : recipe->timestamp_ms) + i;

        rec_builder_add(&builder, timestamp_ms, recipe->keyless ? (struct view){0} : view_text("key"),
                        view_of(value, value_bytes), NULL, 0);
    }
    assert_int_equal(rec_builder_finish(&builder, recipe->codec, 0, &batch), ERR_OK);
    return batch;
}

struct view fixture_abort_marker(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch)
{
    struct view batch = {0};

    assert_int_equal(
        rec_build_marker(&fixture->arena, producer_id, producer_epoch, false, 0, fixture->io.wall_ms, &batch), ERR_OK);
    return batch;
}

struct view fixture_marker(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch,
                           int32_t coordinator_epoch)
{
    struct view batch = {0};

    assert_int_equal(rec_build_marker(&fixture->arena, producer_id, producer_epoch, true, coordinator_epoch,
                                      fixture->io.wall_ms, &batch),
                     ERR_OK);
    return batch;
}

static void answered(struct part_append *append)
{
    CONTAINER_OF(append, struct try, append)->answers++;
}

/* The coordinator says yes at once. */
uint64_t fixture_guard(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch, int32_t base_sequence)
{
    struct part_ticket ticket = {
        .producer_id = producer_id, .producer_epoch = producer_epoch, .base_sequence = base_sequence};
    struct list_node followers;

    list_init(&followers);
    if (part_txn_admit(fixture->part, &ticket) == PART_ADMIT_ASK) {
        part_txn_answer(fixture->part, &ticket, 0, &followers);
    }
    assert_true(list_empty(&followers));
    return ticket.guard;
}

static uint64_t guard_of(struct fixture *fixture, struct view bytes)
{
    struct rec_batch batch;
    const char      *reason;

    if (rec_produced_parse(bytes, &batch, &reason) != REC_OK || (batch.attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return 0;
    }
    return fixture_guard(fixture, batch.producer_id, batch.producer_epoch, batch.base_sequence);
}

static void begin(struct fixture *fixture, struct try *attempt, struct view batch, bool internal, bool wait_durable)
{
    uint64_t guard = internal || fixture->unverified ? 0 : guard_of(fixture, batch);

    *attempt = (struct try){.append = {.records = batch,
                                       .zstd_allowed = true,
                                       .internal = internal,
                                       .wait_durable = wait_durable,
                                       .guard = guard,
                                       .done = answered}};
    part_append(fixture->part, &attempt->append);
    assert_int_equal(attempt->answers, 0);
}

void fixture_begin(struct fixture *fixture, struct try *attempt, struct view batch)
{
    begin(fixture, attempt, batch, false, true);
}

void fixture_begin_acks(struct fixture *fixture, struct try *attempt, struct view batch, bool wait_durable)
{
    begin(fixture, attempt, batch, false, wait_durable);
}

void fixture_begin_internal(struct fixture *fixture, struct try *attempt, struct view batch)
{
    begin(fixture, attempt, batch, true, true);
}

void fixture_flush(struct fixture *fixture)
{
    fake_io_settle(&fixture->io);
    fake_store_durable(fixture->log, store_log_end_offset(fixture->log));
    fake_io_settle(&fixture->io);
}

int16_t fixture_append(struct fixture *fixture, struct try *attempt, struct view batch)
{
    fixture_begin(fixture, attempt, batch);
    fixture_flush(fixture);
    assert_int_equal(attempt->answers, 1);
    return attempt->append.error;
}

int16_t fixture_append_recipe(struct fixture *fixture, struct try *attempt, const struct batch_recipe *recipe)
{
    return fixture_append(fixture, attempt, fixture_batch(fixture, recipe));
}

int16_t fixture_append_internal(struct fixture *fixture, struct try *attempt, struct view batch)
{
    fixture_begin_internal(fixture, attempt, batch);
    fixture_flush(fixture);
    assert_int_equal(attempt->answers, 1);
    return attempt->append.error;
}

void fixture_set(struct fixture *fixture, const struct part_settings *settings)
{
    part_set_settings(fixture->part, settings);
}

struct rec_batch fixture_stored(struct fixture *fixture, size_t index)
{
    struct fake_disk *disk = fake_store_disk(fixture->log);
    struct rec_batch  batch = {0};

    assert_true(index < disk->batch_count);
    assert_int_equal(rec_batch_parse(view_of(disk->batches[index].bytes, disk->batches[index].len), &batch), ERR_OK);
    return batch;
}

void expect_answer(const struct try *attempt, int16_t error)
{
    assert_int_equal(attempt->answers, 1);
    assert_int_equal(attempt->append.error, error);
    if (error != 0) {
        assert_int_equal(attempt->append.base_offset, -1);
        assert_int_equal(attempt->append.append_time_ms, -1);
    }
}

struct view fixture_txn_batch(struct fixture *fixture, int64_t producer_id, int16_t epoch, int32_t sequence)
{
    return fixture_batch(fixture, &(struct batch_recipe){.idempotent = true,
                                                         .producer_id = producer_id,
                                                         .producer_epoch = epoch,
                                                         .base_sequence = sequence,
                                                         .attributes = REC_ATTR_TRANSACTIONAL});
}

int16_t fixture_send(struct fixture *fixture, int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct try attempt;

    return fixture_append(fixture, &attempt, fixture_txn_batch(fixture, producer_id, epoch, sequence));
}

static void marked(struct part_marker *marker)
{
    CONTAINER_OF(marker, struct marking, marker)->answers++;
}

void fixture_begin_marker(struct fixture *fixture, struct marking *marking)
{
    marking->answers = 0;
    marking->marker.done = marked;
    part_append_marker(fixture->part, &marking->marker);
}

int16_t fixture_mark(struct fixture *fixture, const struct part_marker *what)
{
    struct marking marking = {.marker = *what};

    fixture_begin_marker(fixture, &marking);
    assert_int_equal(marking.answers, 0);
    fixture_flush(fixture);
    assert_int_equal(marking.answers, 1);
    assert_int_equal(marking.marker.error == 0, marking.marker.offset >= 0);
    return marking.marker.error;
}

int16_t fixture_end(struct fixture *fixture, int64_t producer_id, int16_t epoch, bool commit)
{
    return fixture_mark(fixture,
                        &(struct part_marker){.producer_id = producer_id, .producer_epoch = epoch, .commit = commit});
}
