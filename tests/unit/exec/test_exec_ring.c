/* The ring between two threads: everything arrives once, in order, whole. */
#include "compute/exec/exec_ring.h"

#include <pthread.h>
#include <sched.h>

#include "tests/support/unit.h"

#define MESSAGES 20000

static void fill(struct exec_message *message, uint64_t number)
{
    size_t    len = 1 + number % 50;
    uint64_t *numbers = arena_alloc_array(&message->arena, len, sizeof(*numbers));

    for (size_t i = 0; i < len; i++) {
        numbers[i] = number * 1000 + i;
    }
    message->kind = EXEC_MESSAGE_CHUNK;
    message->watermark_us = (int64_t)number;
    message->chunk = (struct vec_chunk){.row_count = (uint32_t)len, .columns = (struct vec *)(void *)numbers};
}

static bool is_whole(const struct exec_message *message, uint64_t number)
{
    const uint64_t *numbers = (const uint64_t *)(const void *)message->chunk.columns;

    if (message->watermark_us != (int64_t)number || message->chunk.row_count != 1 + number % 50) {
        return false;
    }
    for (uint32_t i = 0; i < message->chunk.row_count; i++) {
        if (numbers[i] != number * 1000 + i) {
            return false;
        }
    }
    return true;
}

static void *send(void *context)
{
    struct exec_ring *ring = context;

    for (uint64_t number = 0; number < MESSAGES;) {
        struct exec_message *message = exec_ring_reserve(ring);

        if (message == NULL) {
            (void)sched_yield();
            continue;
        }
        fill(message, number++);
        exec_ring_publish(ring);
    }
    return NULL;
}

static void two_threads(void **state)
{
    (void)state;
    for (uint32_t slots = 1; slots <= 64; slots *= 4) {
        struct exec_ring *ring = exec_ring_create(slots);
        uint64_t          wrong = 0;
        pthread_t         thread;

        assert_int_equal(pthread_create(&thread, NULL, send, ring), 0);
        for (uint64_t number = 0; number < MESSAGES;) {
            const struct exec_message *message = exec_ring_peek(ring);

            if (message == NULL) {
                (void)sched_yield();
                continue;
            }
            wrong += !is_whole(message, number++);
            exec_ring_release(ring);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(wrong, 0);
        assert_null(exec_ring_peek(ring));
        exec_ring_destroy(ring);
    }
}

static void it_is_full_and_empty(void **state)
{
    struct exec_ring *ring = exec_ring_create(2);

    (void)state;
    assert_null(exec_ring_peek(ring));
    for (uint64_t round = 0; round < 5; round++) {
        fill(exec_ring_reserve(ring), 2 * round);
        exec_ring_publish(ring);
        assert_non_null(exec_ring_reserve(ring)); /* not published: not there */
        fill(exec_ring_reserve(ring), 2 * round + 1);
        exec_ring_publish(ring);
        assert_null(exec_ring_reserve(ring));
        assert_true(is_whole(exec_ring_peek(ring), 2 * round));
        exec_ring_release(ring);
        assert_true(is_whole(exec_ring_peek(ring), 2 * round + 1));
        exec_ring_release(ring);
        assert_null(exec_ring_peek(ring));
    }
    exec_ring_destroy(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_full_and_empty),
        cmocka_unit_test(two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
