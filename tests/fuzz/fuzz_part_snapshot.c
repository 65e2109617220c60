/* Snapshots of a partition's producers, as a start finds them. Input: one byte of flags, then a snapshot. Unless the
 * flag says so its checksum is made right first: a snapshot that lies is more than one that is damaged.
 *
 * What was taken is written again, read again and written once more: the two are the same. */
#include "tests/support/fake_store.h"
#include "tests/support/fuzz.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/part/part_internal.h"

#define FLAG_KEEP_CHECK 1
#define CRC_BYTES       4
#define MADE_BATCHES    60
#define MADE_PRODUCERS  6

static struct fake_io     io;
static struct store       store;
static struct part_table *table;
static struct part       *part;

static void opened(void *context, int16_t error)
{
    MAYBE(context == NULL);
    CHECK(error == 0);
}

/* Once per process: a part without a log to speak of. */
static void prepare(void)
{
    struct part_options options = {
        .topic_id = {{1}}, .topic = view_text("t"), .settings = {.codec = -1, .producer_expiry_ms = 86400 * MS_PER_S}};

    if (part != NULL) {
        return;
    }
    fake_io_init(&io);
    fake_store_init(&store, &io);
    table = part_table_create(&io.shard, &store);
    part = part_open(table, &options, opened, NULL);
    fake_io_settle(&io);
}

static struct view write_again(void)
{
    uint8_t *bytes = NULL;
    size_t   len = 0;

    part__snapshot_write(part, &bytes, &len);
    CHECK(bytes != NULL && len > CRC_BYTES);
    return view_of(bytes, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint8_t    *copy;
    struct view first;
    struct view second;

    prepare();
    if (len < 1 + CRC_BYTES) {
        return 0;
    }
    copy = mem_alloc(MEM_TEST, len - 1);
    memcpy(copy, bytes + 1, len - 1);
    if ((bytes[0] & FLAG_KEEP_CHECK) == 0) {
        store_le32(copy + len - 1 - CRC_BYTES, crc32c_update(0, copy, len - 1 - CRC_BYTES));
    }
    if (part__snapshot_read(part, view_of(copy, len - 1), 0) == ERR_OK) {
        first = write_again();
        CHECK(part__snapshot_read(part, first, 0) == ERR_OK);
        second = write_again();
        CHECK(view_equal(first, second));
        mem_free(MEM_STORE, (void *)(uintptr_t)first.base);
        mem_free(MEM_STORE, (void *)(uintptr_t)second.base);
    }
    mem_free(MEM_TEST, copy);
    return 0;
}

/* --- inputs to start from ---------------------------------------------------------------------------------------- */

static void make_marker(struct prng *prng, int64_t producer_id, int64_t offset)
{
    struct arena     arena;
    struct view      bytes = {0};
    struct rec_batch batch;

    arena_init(&arena, MEM_TEST, 4 * KIB, 4 * KIB);
    CHECK(rec_build_marker(&arena, producer_id, 0, prng_below(prng, 2) == 0, 3, 1000, &bytes) == ERR_OK);
    CHECK(rec_batch_parse(bytes, &batch) == ERR_OK);
    batch.base_offset = offset;
    batch.leader_epoch = (int32_t)(offset / 20);
    part__replay_batch(part, &batch);
    arena_deinit(&arena);
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    struct view made;
    int32_t     next[MADE_PRODUCERS] = {0};
    size_t      len = 0;

    prepare();
    part__producers_clear(part);
    part__aborted_clear(part);
    part__epochs_clear(part);
    part->state_offset = 0;
    for (int64_t offset = 0; offset < (int64_t)prng_below(prng, MADE_BATCHES); offset++) {
        int64_t id = (int64_t)prng_below(prng, MADE_PRODUCERS);

        if (prng_below(prng, 3) == 0) {
            make_marker(prng, id, offset);
        } else {
            struct rec_batch batch = {.base_offset = offset,
                                      .leader_epoch = (int32_t)(offset / 20),
                                      .attributes = prng_below(prng, 3) == 0 ? 0 : REC_ATTR_TRANSACTIONAL,
                                      .producer_id = id,
                                      .base_sequence = next[id]++,
                                      .record_count = 1};

            part__replay_batch(part, &batch);
        }
    }
    made = write_again();
    if (1 + made.len <= out_bytes.len) {
        out_bytes.base[0] = 0;
        memcpy(out_bytes.base + 1, made.base, made.len);
        len = 1 + made.len;
        CHECK(part__snapshot_read(part, made, 0) == ERR_OK);
    }
    mem_free(MEM_STORE, (void *)(uintptr_t)made.base);
    return len;
}
