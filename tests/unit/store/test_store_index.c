/* test_store_index.c: the sparse index against a plain list of frames, and its file image against every kind of damage.
 */
#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"
#include "core/store/store_index.h"

#define BLOCK      4096
#define FRAMES_MAX 3000

struct frame {
    int64_t  first_offset;
    uint64_t position;
    uint32_t bytes;
    int64_t  max_timestamp_ms;
};

struct model {
    struct frame frames[FRAMES_MAX];
    size_t       count;
    int64_t      base_offset;
    int64_t      end_offset;
    uint64_t     end_position;
};

/* Frames of random length and record count; timestamps wander up and down. */
static void model_fill(struct model *model, struct prng *prng, size_t count, struct store_index *index)
{
    int64_t  offset = model->base_offset;
    uint64_t position = (uint64_t)2 * BLOCK;
    int64_t  time = 1000;

    model->count = count;
    for (size_t i = 0; i < count; i++) {
        struct frame *frame = &model->frames[i];

        time += (int64_t)prng_below(prng, 200) - 80;
        *frame = (struct frame){offset, position, (uint32_t)(BLOCK * (1 + prng_below(prng, 4))), time};
        store_index_add(index, frame->first_offset, frame->position, frame->bytes, frame->max_timestamp_ms);
        offset += 1 + (int64_t)prng_below(prng, 50);
        position += frame->bytes;
    }
    model->end_offset = offset;
    model->end_position = position;
}

static size_t model_at_offset(const struct model *model, int64_t offset)
{
    size_t at = 0;

    for (size_t i = 0; i < model->count && model->frames[i].first_offset <= offset; i++) {
        at = i;
    }
    return at;
}

static size_t model_at_position(const struct model *model, uint64_t position)
{
    for (size_t i = 0; i < model->count; i++) {
        if (model->frames[i].position == position) {
            return i;
        }
    }
    fail_msg("position %" PRIu64 " is not the start of a frame", position);
    return 0;
}

/* At or before the frame, and not further before it than the interval allows. */
static void expect_offsets(const struct model *model, const struct store_index *index, uint64_t interval)
{
    for (int64_t offset = model->base_offset; offset < model->end_offset; offset += 7) {
        uint64_t position = 0;
        size_t   want = model_at_offset(model, offset);

        assert_true(store_index_find_offset(index, offset, &position));
        assert_true(model_at_position(model, position) <= want);
        assert_true(model->frames[want].position - position <= interval + (uint64_t)4 * BLOCK);
    }
}

static void expect_times(const struct model *model, const struct store_index *index)
{
    int64_t largest = STORE_INDEX_NO_TIME;

    for (size_t i = 0; i < model->count; i++) {
        largest = MAX(largest, model->frames[i].max_timestamp_ms);
    }
    assert_int_equal(store_index_max_timestamp(index), largest);
    for (int64_t time = 0; time < largest + 100; time += 13) {
        uint64_t position = 0;
        int64_t  offset = -1;
        size_t   want = 0;

        while (want < model->count && model->frames[want].max_timestamp_ms < time) {
            want++;
        }
        if (want == model->count) {
            assert_false(store_index_find_time(index, time, &offset, &position));
            continue;
        }
        assert_true(store_index_find_time(index, time, &offset, &position));
        size_t got = model_at_position(model, position);
        assert_true(got <= want);
        assert_int_equal(offset, model->frames[got].first_offset);
    }
}

static struct store_index_identity identity_of(const struct model *model)
{
    return (struct store_index_identity){
        .segment_id = 0x1122334455667788,
        .generation = 3,
        .block_bytes = BLOCK,
        .base_offset = model->base_offset,
        .end_position = model->end_position,
        .end_offset = model->end_offset,
    };
}

static void test_model(void **state)
{
    (void)state;
    static struct model model;
    const uint32_t      intervals[] = {0, 4096, 65536, 1 << 20};

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct prng         prng;
        uint32_t            interval = intervals[seed % COUNT_OF(intervals)];
        struct store_index *index;
        struct store_index *again = NULL;

        prng_init(&prng, seed);
        model.base_offset = (int64_t)prng_below(&prng, 1000000);
        index = store_index_create(model.base_offset, BLOCK, interval);
        assert_non_null(index);
        model_fill(&model, &prng, 1 + prng_below(&prng, 500), index);
        expect_offsets(&model, index, interval);
        expect_times(&model, index);

        struct store_index_identity identity = identity_of(&model);
        size_t                      bytes = store_index_encoded_bytes(index);
        uint8_t                    *image = mem_alloc(MEM_TEST, bytes);
        store_index_encode(index, &identity, image);
        assert_int_equal(store_index_decode(view_of(image, bytes), &identity, &again), ERR_OK);
        assert_int_equal(store_index_entry_count(again), store_index_entry_count(index));
        expect_offsets(&model, again, interval);
        expect_times(&model, again);
        mem_free(MEM_TEST, image);
        store_index_destroy(again);
        store_index_destroy(index);
    }
}

static void test_interval_bounds_entries(void **state)
{
    (void)state;
    static struct model model;
    struct prng         prng;
    struct store_index *index = store_index_create(0, BLOCK, 64 * 1024);

    prng_init(&prng, 5);
    model.base_offset = 0;
    model_fill(&model, &prng, FRAMES_MAX, index);
    assert_true(store_index_entry_count(index) <= model.end_position / (64 * 1024) + 1);
    assert_true(store_index_entry_count(index) >= model.end_position / (84 * 1024) - 1);
    store_index_destroy(index);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct store_index *index = store_index_create(0, BLOCK, 0);
    uint64_t            frames = (uint64_t)STORE_INDEX_ENTRIES_MAX * 5;

    for (uint64_t i = 0; i < frames; i++) {
        store_index_add(index, (int64_t)i * 10, (i + 2) * BLOCK, BLOCK, (int64_t)i);
    }
    assert_true(store_index_entry_count(index) <= STORE_INDEX_ENTRIES_MAX);
    assert_true(store_index_entry_count(index) >= STORE_INDEX_ENTRIES_MAX / 4);
    assert_true(store_index_memory_bytes(index) <= STORE_INDEX_ENTRIES_MAX * 16 + 4096);
    for (uint64_t i = 0; i < frames; i += 1001) {
        uint64_t position = 0;
        int64_t  offset = 0;

        assert_true(store_index_find_offset(index, (int64_t)i * 10 + 9, &position));
        assert_true(position <= (i + 2) * BLOCK && (i + 2) * BLOCK - position <= 64 * BLOCK);
        assert_true(store_index_find_time(index, (int64_t)i, &offset, &position));
        assert_true(position <= (i + 2) * BLOCK && (i + 2) * BLOCK - position <= 64 * BLOCK);
        assert_int_equal(offset * BLOCK, (int64_t)(position - (uint64_t)2 * BLOCK) * 10);
    }
    store_index_destroy(index);
}

static void test_empty(void **state)
{
    (void)state;
    struct store_index         *index = store_index_create(100, BLOCK, 4096);
    struct store_index         *again = NULL;
    struct store_index_identity identity = {.segment_id = 1,
                                            .block_bytes = BLOCK,
                                            .base_offset = 100,
                                            .end_position = (uint64_t)2 * BLOCK,
                                            .end_offset = 100};
    uint8_t                     image[256];
    uint64_t                    position = 77;
    int64_t                     offset = 77;

    assert_false(store_index_find_offset(index, 100, &position));
    assert_false(store_index_find_time(index, INT64_MIN + 1, &offset, &position));
    assert_int_equal(position, 77);
    assert_int_equal(store_index_max_timestamp(index), STORE_INDEX_NO_TIME);
    assert_true(store_index_encoded_bytes(index) <= sizeof(image));
    store_index_encode(index, &identity, image);
    assert_int_equal(store_index_decode(view_of(image, store_index_encoded_bytes(index)), &identity, &again), ERR_OK);
    assert_int_equal(store_index_entry_count(again), 0);
    store_index_add(again, 100, (uint64_t)2 * BLOCK, BLOCK, 5);
    assert_true(store_index_find_offset(again, 100, &position));
    store_index_destroy(again);
    store_index_destroy(index);
}

/* Offsets of a compacted or mirrored log may leap by more than 32 bits: frames behind the leap are found from before
 * it. */
static void test_offset_leap(void **state)
{
    (void)state;
    struct store_index *index = store_index_create(0, BLOCK, 0);
    uint64_t            position = 0;
    int64_t             offset = -1;

    store_index_add(index, 0, (uint64_t)2 * BLOCK, BLOCK, 10);
    store_index_add(index, INT64_C(1) << 40, (uint64_t)3 * BLOCK, BLOCK, 20);
    store_index_add(index, (INT64_C(1) << 40) + 1, (uint64_t)4 * BLOCK, BLOCK, 30);
    assert_int_equal(store_index_entry_count(index), 1);
    assert_true(store_index_find_offset(index, (INT64_C(1) << 40) + 1, &position));
    assert_int_equal(position, 2 * BLOCK);
    assert_true(store_index_find_time(index, 30, &offset, &position));
    assert_int_equal(position, 2 * BLOCK);
    assert_int_equal(offset, 0);
    store_index_destroy(index);
}

/* Refused memory costs precision, never a frame. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 6; nth++) {
        mem_fail_after(nth);
        struct store_index *index = store_index_create(0, BLOCK, 0);

        if (index == NULL) {
            assert_true(nth <= 2);
            continue;
        }
        for (uint64_t i = 0; i < 200; i++) {
            store_index_add(index, (int64_t)i, (i + 2) * BLOCK, BLOCK, (int64_t)i);
        }
        for (uint64_t i = 0; i < 200; i++) {
            uint64_t position = 0;
            int64_t  offset = 0;

            assert_true(store_index_find_offset(index, (int64_t)i, &position));
            assert_true(position <= (i + 2) * BLOCK);
            assert_true(store_index_find_time(index, (int64_t)i, &offset, &position));
            assert_true(position <= (i + 2) * BLOCK);
        }
        store_index_destroy(index);
    }
    mem_fail_after(0);
}

static void fix_check(uint8_t *image, size_t bytes)
{
    store_le32(image + 64, 0);
    store_le32(image + 64, crc32c_update(0, image, bytes));
}

static void expect_refused(const uint8_t *image, size_t bytes, const struct store_index_identity *identity)
{
    struct store_index *out = NULL;

    assert_int_equal(store_index_decode(view_of(image, bytes), identity, &out), ERR_CORRUPT);
    assert_null(out);
}

static void test_decode_refuses(void **state)
{
    (void)state;
    static struct model model;
    struct prng         prng;
    struct store_index *index = store_index_create(50, BLOCK, 0);

    prng_init(&prng, 9);
    model.base_offset = 50;
    model_fill(&model, &prng, 6, index);
    struct store_index_identity identity = identity_of(&model);
    size_t                      bytes = store_index_encoded_bytes(index);
    uint8_t                    *image = mem_alloc(MEM_TEST, bytes + 16);
    store_index_encode(index, &identity, image);

    for (size_t len = 0; len < bytes; len++) {
        expect_refused(image, len, &identity);
    }
    expect_refused(image, bytes + 16, &identity);
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        image[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        expect_refused(image, bytes, &identity);
        image[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }

    /* Another segment's index, or that of an earlier state of this one. */
    struct store_index_identity other = identity;
    other.segment_id++;
    expect_refused(image, bytes, &other);
    other = identity;
    other.generation++;
    expect_refused(image, bytes, &other);
    other = identity;
    other.end_position += BLOCK;
    expect_refused(image, bytes, &other);
    other = identity;
    other.end_offset++;
    expect_refused(image, bytes, &other);

    /* A right check over wrong content. */
    uint8_t *entry = image + 72 + 16 * 2;
    uint32_t delta = load_le32(entry);
    store_le32(entry, load_le32(entry - 16));
    fix_check(image, bytes);
    expect_refused(image, bytes, &identity);
    store_le32(entry, (uint32_t)(identity.end_offset - identity.base_offset));
    fix_check(image, bytes);
    expect_refused(image, bytes, &identity);
    store_le32(entry, delta);
    uint32_t block = load_le32(entry + 4);
    store_le32(entry + 4, UINT32_MAX);
    fix_check(image, bytes);
    expect_refused(image, bytes, &identity);
    store_le32(entry + 4, block);
    int64_t time = (int64_t)load_le64(entry + 8);
    store_le64(entry + 8, (uint64_t)INT64_MAX);
    fix_check(image, bytes);
    expect_refused(image, bytes, &identity);
    store_le64(entry + 8, (uint64_t)time);
    store_le64(image + 48, (uint64_t)(store_index_max_timestamp(index) + 1));
    fix_check(image, bytes);
    expect_refused(image, bytes, &identity);

    mem_free(MEM_TEST, image);
    store_index_destroy(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_interval_bounds_entries),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_offset_leap),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_decode_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
