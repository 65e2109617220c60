#include "tests/unit/coord/coord_log_world.h"

#define TOPIC "__consumer_offsets"

struct world world;

static void letters_replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct letters *letters = CONTAINER_OF(machine, struct letters, machine);

    letters->replayed++;
    letters->values[record->key.base[0] - 'a'] = record->value.base == NULL ? '-' : (char)record->value.base[0];
    if (record->producer_id >= 0) {
        assert_int_equal(record->producer_id, WORLD_PRODUCER);
    }
}

static void letters_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    assert_int_equal(producer_id, WORLD_PRODUCER);
    assert_int_equal(producer_epoch, WORLD_EPOCH);
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

void world_done(void *context, int16_t error)
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
    options.settings.policy.delete_enabled = true;
    world.part = part_open(world.table, &options, world_done, NULL);
    fake_io_settle(&world.io);
}

int world_start(void **state)
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

void world_open(void)
{
    world.letters = (struct letters){.machine = world.letters.machine};
    world.closed = false;
    world.log = coord_log_open(&world.io.shard, world.part, &world.letters.machine);
}

void world_close(void)
{
    world.closed = false;
    coord_log_close(world.log, closed, &world.closed);
    fake_io_settle(&world.io);
}

int world_end(void **state)
{
    MAYBE(state == NULL);
    if (!world.closed) {
        world_close();
        assert_true(world.closed);
    }
    part_table_close(world.table, world_done, NULL);
    fake_io_settle(&world.io);
    part_table_destroy(world.table);
    fake_store_deinit(&world.store);
    fake_io_deinit(&world.io);
    return 0;
}

struct store_log *world_disk(void)
{
    return fake_store_log(&world.store, TOPIC, 0);
}

void world_durable(void)
{
    fake_store_durable(world_disk(), part_log_end(world.part));
    fake_io_settle(&world.io);
}

void world_add(char key, char value)
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

struct wait *world_wait(struct wait *wait, char name)
{
    *wait = (struct wait){.letters = &world.letters, .name = name};
    wait->write.done = ended;
    return wait;
}
