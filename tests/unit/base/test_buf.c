/* The buddy allocator against a model that knows only which bytes are taken: buffers never overlap, are aligned, are
 * counted, and when all have come back the region is whole again. */
#include "tests/support/crash.h"
#include "tests/support/unit.h"

#include "core/base/buf.h"
#include "core/base/prng.h"

#define HELD_MAX 400

static void test_sizes_are_rounded_to_powers_of_two(void **state)
{
    static const struct {
        size_t asked;
        size_t given;
    } rows[] = {
        {0, 4096},
        {1, 4096},
        {4096, 4096},
        {4097, 8192},
        {65536, 65536},
        {65537, 131072},
        {BUF_BYTES_MAX, BUF_BYTES_MAX},
    };
    struct buf_pool *pool = buf_pool_create(BUF_BYTES_MAX, BUF_BYTES_MAX);
    struct span      region = buf_pool_region(pool);

    (void)state;
    assert_int_equal(region.len, BUF_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf *buf = buf_acquire(pool, rows[i].asked);

        assert_non_null(buf);
        assert_int_equal(buf->capacity_bytes, rows[i].given);
        assert_int_equal((size_t)(buf->data - region.base) % rows[i].given, 0);
        assert_int_equal((uintptr_t)buf->data % 4096, 0);
        assert_int_equal(buf_pool_used_bytes(pool), rows[i].given);
        buf_unref(buf);
        assert_int_equal(buf_pool_used_bytes(pool), 0);
    }
    buf_pool_destroy(pool);
    buf_pool_destroy(NULL);
    assert_int_equal(mem_used_bytes(MEM_BUFFERS), 0);
}

static void test_references(void **state)
{
    struct buf_pool *pool = buf_pool_create(1, 1);
    struct buf      *buf = buf_acquire(pool, 100);

    (void)state;
    assert_ptr_equal(buf_ref(buf), buf);
    buf_unref(buf);
    assert_int_equal(buf_pool_used_bytes(pool), 4096);
    buf_unref(buf);
    assert_int_equal(buf_pool_used_bytes(pool), 0);
    buf_unref(NULL);
    buf_pool_destroy(pool);
}

static void test_freed_memory_is_used_again_first(void **state)
{
    struct buf_pool *pool = buf_pool_create(BUF_BYTES_MAX, BUF_BYTES_MAX);
    struct buf      *keeper = buf_acquire(pool, 4096);
    struct buf      *buf = buf_acquire(pool, 65536);
    uint8_t         *data = buf->data;

    (void)state;
    buf_unref(buf);
    buf = buf_acquire(pool, 65536);
    assert_ptr_equal(buf->data, data);
    buf_unref(buf);
    buf_unref(keeper);
    buf_pool_destroy(pool);
}

static void test_exhausted_region_and_budget(void **state)
{
    /* One piece of region, and room for 8 KiB beside it. */
    struct buf_pool *pool = buf_pool_create(BUF_BYTES_MAX, BUF_BYTES_MAX + 8192);
    struct span      region = buf_pool_region(pool);
    struct buf      *all = buf_acquire(pool, BUF_BYTES_MAX);
    struct buf      *outside;

    (void)state;
    assert_int_equal(buf_pool_budget_bytes(pool), BUF_BYTES_MAX + 8192);
    outside = buf_acquire(pool, 5000);
    assert_non_null(outside);
    assert_true(outside->data < region.base || outside->data >= region.base + region.len);
    assert_int_equal(outside->capacity_bytes, 8192);
    assert_int_equal(buf_pool_used_bytes(pool), BUF_BYTES_MAX + 8192);
    assert_null(buf_acquire(pool, 1));
    buf_unref(outside);
    assert_null(buf_acquire(pool, 8193));
    assert_null(buf_acquire(pool, BUF_BYTES_MAX + 1));
    assert_null(buf_acquire(pool, SIZE_MAX)); /* rounding up must not wrap around */
    assert_null(buf_acquire(pool, SIZE_MAX - 4095));
    mem_fail_after(1);
    assert_null(buf_acquire(pool, 1));
    buf_unref(all);
    buf_pool_destroy(pool);
}

static void test_larger_than_a_piece(void **state)
{
    struct buf_pool *pool = buf_pool_create(BUF_BYTES_MAX, 4 * BUF_BYTES_MAX);
    struct buf      *buf = buf_acquire(pool, BUF_BYTES_MAX + 1);

    (void)state;
    assert_int_equal(buf->capacity_bytes, BUF_BYTES_MAX + 4096);
    memset(buf->data, 0xff, buf->capacity_bytes);
    assert_int_equal((uintptr_t)buf->data % 4096, 0);
    assert_null(buf_acquire(pool, 2 * BUF_BYTES_MAX));
    buf_unref(buf);
    buf_pool_destroy(pool);
}

/* Each held buffer is filled with its own mark; an overlap would overwrite another's. */
struct held {
    struct buf *buf;
    uint32_t    mark;
};

static void mark_fill(const struct held *held)
{
    for (size_t at = 0; at < held->buf->capacity_bytes; at += 2048) {
        memcpy(held->buf->data + at, &held->mark, sizeof(held->mark));
    }
}

static void mark_check(const struct held *held)
{
    for (size_t at = 0; at < held->buf->capacity_bytes; at += 2048) {
        assert_memory_equal(held->buf->data + at, &held->mark, sizeof(held->mark));
    }
}

static void test_against_a_model(void **state)
{
    const size_t     region_bytes = 4 * BUF_BYTES_MAX;
    struct buf_pool *pool = buf_pool_create(region_bytes, region_bytes);
    struct held      held[HELD_MAX];
    size_t           count = 0;
    size_t           used_bytes = 0;
    struct prng      prng;

    (void)state;
    prng_init(&prng, 42);
    for (uint32_t step = 0; step < 6000; step++) {
        bool grow = prng_chance(&prng, step % 1000 < 600 ? 7 : 3, 10);

        if (grow && count < HELD_MAX) {
            size_t      size_bytes = 1 + (size_t)prng_below(&prng, (size_t)4096 << prng_below(&prng, 9));
            struct buf *buf = buf_acquire(pool, size_bytes);

            if (buf != NULL) {
                assert_true(buf->capacity_bytes >= size_bytes);
                held[count] = (struct held){.buf = buf, .mark = step};
                mark_fill(&held[count]);
                used_bytes += buf->capacity_bytes;
                count++;
            }
        } else if (count > 0) {
            size_t at = (size_t)prng_below(&prng, count);

            mark_check(&held[at]);
            used_bytes -= held[at].buf->capacity_bytes;
            buf_unref(held[at].buf);
            held[at] = held[--count];
        }
        assert_int_equal(buf_pool_used_bytes(pool), used_bytes);
        assert_true(used_bytes <= region_bytes);
    }
    while (count > 0) {
        mark_check(&held[--count]);
        buf_unref(held[count].buf);
    }
    /* Every pair of buddies was merged: the whole region can be taken in its largest pieces. */
    for (size_t i = 0; i < 4; i++) {
        held[i].buf = buf_acquire(pool, BUF_BYTES_MAX);
        assert_non_null(held[i].buf);
    }
    assert_null(buf_acquire(pool, 1));
    for (size_t i = 0; i < 4; i++) {
        buf_unref(held[i].buf);
    }
    buf_pool_destroy(pool);
}

static void destroy_while_held(void *argument)
{
    struct buf_pool *pool = buf_pool_create(1, 1);

    (void)argument;
    (void)buf_ref(buf_acquire(pool, 1));
    buf_pool_destroy(pool);
}

static void test_destroying_a_pool_in_use_is_a_bug(void **state)
{
    (void)state;
    assert_true(crash_aborts(destroy_while_held, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_rounded_to_powers_of_two),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_freed_memory_is_used_again_first),
        cmocka_unit_test(test_exhausted_region_and_budget),
        cmocka_unit_test(test_larger_than_a_piece),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_destroying_a_pool_in_use_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
