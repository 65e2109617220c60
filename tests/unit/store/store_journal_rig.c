/* store_journal_rig.c: the rig of the journal's tests. */
#include "tests/unit/store/store_journal_rig.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "io/io_file.h"

/* --- batches and items ----------------------------------------------------------------------------------- */

/* A batch of `records` offsets whose content follows from `seed`. */
size_t rig_make_batch(uint8_t *to, int64_t base_offset, int32_t records, size_t payload_bytes, uint64_t seed)
{
    struct prng prng;
    size_t      bytes = REC_HEADER_BYTES + payload_bytes;

    prng_init(&prng, seed);
    memset(to, 0, REC_HEADER_BYTES);
    prng_fill(&prng, span_of(to + REC_HEADER_BYTES, payload_bytes));
    store_be64(to, (uint64_t)base_offset);
    store_be32(to + 8, (uint32_t)(bytes - REC_LENGTH_PREFIX_BYTES));
    to[16] = 2;
    store_be32(to + 23, (uint32_t)(records - 1));
    store_be32(to + 57, (uint32_t)records);
    store_be32(to + 17, crc32c_update(0, to + REC_UNCHECKED_BYTES, bytes - REC_UNCHECKED_BYTES));
    return bytes;
}

struct journal_rig rig;

struct uuid rig_topic(int log)
{
    struct uuid id = {{0xAA, 0x55}};

    id.bytes[15] = (uint8_t)log;
    return id;
}

static void item_done(struct store_journal_entry *entry, int result)
{
    struct journal_item *item = CONTAINER_OF(entry, struct journal_item, entry);

    assert_int_equal(item->state, ITEM_APPENDED);
    assert_true(result == ERR_OK || result == ERR_OFFLINE);
    item->state = result == ERR_OK ? ITEM_ACKED : ITEM_FAILED;
    if (result == ERR_OK) {
        /* In the order of appending. */
        for (struct journal_item *before = item - 1; before >= rig.items + rig.generation_first; before--) {
            assert_int_not_equal(before->state, ITEM_APPENDED);
            if (before->state == ITEM_ACKED) {
                break;
            }
        }
    }
    item->order = rig.acks++;
}

static size_t item_bytes(const struct journal_item *item, uint8_t *to)
{
    size_t len = 0;

    for (uint32_t i = 0; i < item->batches; i++) {
        len +=
            rig_make_batch(to + len, item->entry.first_offset + 3 * (int64_t)i, 3, item->payload_bytes, item->seed + i);
    }
    return len;
}

int rig_append(int log, uint32_t batches, size_t payload_bytes)
{
    static uint8_t       bytes[256 * 1024];
    struct journal_item *item = &rig.items[rig.item_count];
    int                  result;

    assert_true(rig.item_count < ITEMS_MAX);
    *item = (struct journal_item){
        .log = log, .seed = prng_next(&rig.prng), .batches = batches, .payload_bytes = payload_bytes};
    item->entry.topic_id = rig_topic(log);
    item->entry.partition = log * 7;
    item->entry.first_offset = rig.next_offset[log];
    item->entry.last_offset = rig.next_offset[log] + 3 * (int64_t)batches - 1;
    item->entry.done = item_done;
    item->bytes = item_bytes(item, bytes);
    item->entry.bytes = view_of(bytes, item->bytes);
    result = store_journal_append(rig.journal, &item->entry);
    memset(bytes, 0xEE, item->bytes); /* they were copied */
    if (result == ERR_OK) {
        rig.next_offset[log] = item->entry.last_offset + 1;
        rig.item_count++;
    }
    return result;
}

/* --- the rig --------------------------------------------------------------------------------------------- */

static void on_done(void *context, int result)
{
    (void)context;
    rig.done = true;
    rig.done_result = result;
}

static void on_damage(void *context, const struct store_journal_damage *damage)
{
    (void)context;
    rig.damages++;
    rig.entry_damages += damage->entry_known ? 1 : 0;
    assert_true(damage->bytes > 0);
}

static void on_space(void *context)
{
    (void)context;
    rig.spaces++;
}

/* What comes back must have been appended in this generation, byte for byte, in order. */
static void on_replay(void *context, const struct store_journal_record *record)
{
    static uint8_t bytes[256 * 1024];

    (void)context;
    rig.replays++;
    assert_true(record->lsn >= rig.last_replay_lsn);
    rig.last_replay_lsn = record->lsn;
    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        struct journal_item *item = &rig.items[i];

        if (uuid_equal(item->entry.topic_id, record->topic_id) && item->entry.first_offset == record->first_offset) {
            assert_false(item->replayed);
            assert_int_equal(record->partition, item->log * 7);
            assert_int_equal(record->last_offset, item->entry.last_offset);
            assert_int_equal(record->batch_count, item->batches);
            assert_int_equal(record->lsn, item->entry.lsn);
            assert_int_equal(record->bytes.len, item->bytes);
            assert_int_equal(item_bytes(item, bytes), item->bytes);
            assert_memory_equal(record->bytes.base, bytes, item->bytes);
            item->replayed = true;
            return;
        }
    }
    fail_msg("replayed an entry that this generation never appended: offset %" PRId64, record->first_offset);
}

static const struct store_journal_hooks hooks = {.replay = on_replay, .damage = on_damage, .space = on_space};

static bool is_done(void *context)
{
    (void)context;
    return rig.done || sim_is_down(rig.sim, 0);
}

void rig_run_until(bool (*condition)(void *context))
{
    while (!condition(NULL)) {
        assert_true(io_run(rig.io, INT64_MAX) >= 0);
    }
}

bool rig_is_idle(void *context)
{
    (void)context;
    return rig.io->in_flight == 0;
}

static void io_start(void)
{
    rig.io = sim_io(rig.sim, 0, 0);
    rig.shard = (struct io_shard){.io = rig.io, .timers = &rig.timers, .bufs = rig.bufs};
}

static void file_done(struct io_file_op *op)
{
    MAYBE(op->result == 0); /* io_file_wait() gives it */
}

void rig_start(const struct sim_options *options)
{
    struct io_file_op op;

    rig.item_count = 0;
    rig.generation_first = 0;
    rig.acks = 0;
    rig.spaces = 0;
    memset(rig.next_offset, 0, sizeof(rig.next_offset));
    prng_init(&rig.prng, options->seed);
    rig.sim = sim_create(options);
    if (rig.bufs == NULL) {
        rig.bufs = buf_pool_create(8 * MIB, 64 * MIB);
    }
    timer_heap_init(&rig.timers);
    io_start();
    memset(&op, 0, sizeof(op));
    io_file_make_directories(rig.io, &op, DIRECTORY, file_done);
    assert_int_equal(io_file_wait(rig.io, &op), 0);
    assert_int_equal(io_volume_probe(rig.io, DIRECTORY, &rig.volume), 0);
}

void rig_end(void)
{
    store_journal_destroy(rig.journal);
    rig.journal = NULL;
    io_destroy(rig.io);
    sim_destroy(rig.sim);
    assert_int_equal(buf_pool_used_bytes(rig.bufs), 0);
}

/* Opens; the result, or ERR_CLOSED when the power went. */
int rig_journal_open(uint64_t bytes)
{
    rig.done = false;
    rig.damages = rig.entry_damages = rig.replays = 0;
    rig.last_replay_lsn = 0;
    rig.journal = store_journal_create(&rig.shard, DIRECTORY, &rig.volume, bytes);
    for (size_t i = 0; i < rig.item_count; i++) {
        rig.items[i].replayed = false;
    }
    store_journal_open(rig.journal, &hooks, on_done, NULL);
    assert_false(rig.done);
    rig_run_until(is_done);
    return sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
}

int rig_journal_reset(void)
{
    rig.done = false;
    store_journal_reset(rig.journal, on_done, NULL);
    assert_false(rig.done);
    rig_run_until(is_done);
    return sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
}

int rig_journal_close(void)
{
    int result;

    rig.done = false;
    store_journal_close(rig.journal, on_done, NULL);
    assert_false(rig.done);
    rig_run_until(is_done);
    result = sim_is_down(rig.sim, 0) ? ERR_CLOSED : rig.done_result;
    return result;
}

void rig_journal_start(uint64_t bytes)
{
    assert_int_equal(rig_journal_open(bytes), ERR_OK);
    assert_int_equal(rig_journal_reset(), ERR_OK);
    rig.generation_first = rig.item_count;
}

/* The old process ends, the machine starts again. */
void rig_reboot(void)
{
    sim_reap(rig.sim, 0);
    rig_run_until(rig_is_idle);
    store_journal_destroy(rig.journal);
    rig.journal = NULL;
    io_destroy(rig.io);
    io_start();
}

void rig_crash(uint64_t seed, enum sim_crash_style style)
{
    sim_crash(rig.sim, 0, seed, style);
    rig_reboot();
}

bool rig_all_answered(void *context)
{
    (void)context;
    if (sim_is_down(rig.sim, 0)) {
        return true;
    }
    for (size_t i = rig.item_count; i > rig.generation_first; i--) {
        if (rig.items[i - 1].state == ITEM_APPENDED) {
            return false;
        }
    }
    return true;
}

/* Drains: everything acknowledged up to item `end` is durable in segments now. */
void rig_release_items(size_t end)
{
    for (size_t i = rig.generation_first; i < end; i++) {
        rig.items[i].drained = true;
    }
    store_journal_release(rig.journal,
                          end < rig.item_count ? rig.items[end].entry.lsn : store_journal_head(rig.journal));
}

/* Everything acknowledged and not drained came back. */
void rig_expect_recovered(void)
{
    for (size_t i = rig.generation_first; i < rig.item_count; i++) {
        const struct journal_item *item = &rig.items[i];

        if (item->state == ITEM_ACKED && !item->drained && !item->replayed) {
            fail_msg("item %zu, acknowledged at lsn %" PRIu64 ", is lost", i, item->entry.lsn);
        }
    }
}

void rig_options(struct sim_options *options, uint64_t seed)
{
    sim_options_default(options, seed);
    options->capacity_bytes = 64 * MIB;
}

/* Random appends, submitted in groups, released at random, for `turns` turns of the loop. */
void rig_work(uint32_t turns, size_t payload_max)
{
    for (uint32_t turn = 0; turn < turns && !sim_is_down(rig.sim, 0); turn++) {
        uint64_t appends = prng_below(&rig.prng, 6);

        for (uint64_t i = 0; i < appends; i++) {
            int result = rig_append((int)prng_below(&rig.prng, LOGS), 1 + (uint32_t)prng_below(&rig.prng, 3),
                                    prng_below(&rig.prng, payload_max));

            assert_true(result == ERR_OK || result == ERR_NO_SPACE || result == ERR_OFFLINE);
        }
        if (prng_chance(&rig.prng, 1, 3) || store_journal_pressure_percent(rig.journal) > 50) {
            size_t acked = rig.generation_first;

            while (acked < rig.item_count && rig.items[acked].state == ITEM_ACKED) {
                acked++;
            }
            if (acked > rig.generation_first && store_journal_online(rig.journal)) {
                size_t first = rig.generation_first;

                while (first < acked && rig.items[first].drained) {
                    first++;
                }
                rig_release_items(first + prng_below(&rig.prng, acked - first + 1));
            }
        }
        if (rig.io->in_flight > 0) {
            assert_true(io_run(rig.io, io_now_ns(rig.io) + 20 * NS_PER_US) >= 0);
        }
    }
}
