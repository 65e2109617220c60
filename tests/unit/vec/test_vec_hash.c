#include <math.h>

#include "tests/unit/vec/vec_support.h"

/* Equal values hash equally in every shape; unequal ones nearly never. */
static void test_hash_follows_equality(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);
    struct prng     prng;

    (void)state;
    prng_init(&prng, 21);
    for (size_t t = 0; t < type_count; t++) {
        for (int round = 0; round < 20; round++) {
            struct arena     arena;
            struct vec       source;
            struct vec       shaped;
            struct vec_chunk chunk = {.row_count = 60, .selected_count = 60};
            uint64_t         a[VEC_ROWS_MAX] = {0};
            uint64_t         b[VEC_ROWS_MAX] = {0};

            arena_init(&arena, MEM_TEST, 256 * KIB, 64 * MIB);
            source = random_vec(&arena, &prng, types[t], 60);
            shaped = vec_verify_reshape(&arena, &source, 60, prng_next(&prng));
            vec_hash(&source, &chunk, a, round % 2 == 1);
            vec_hash(&shaped, &chunk, b, round % 2 == 1);
            for (size_t i = 0; i < 60; i++) {
                assert_true(a[i] == b[i]);
                for (size_t j = 0; j < 60; j++) {
                    assert_int_equal(a[i] == a[j], vec_compare(&source, i, &source, j) == 0);
                }
            }
            arena_deinit(&arena);
        }
    }
}

static void test_selection_leaves_the_rest(void **state)
{
    struct arena     arena;
    struct vec       vec;
    uint16_t         selection[] = {2, 5};
    struct vec_chunk chunk = {.row_count = 8, .selected_count = 2, .selection = selection};
    uint64_t         hashes[8] = {1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    arena_init(&arena, MEM_TEST, 64 * KIB, MIB);
    vec = vec_make(&arena, vec_type_of(VEC_INT));
    vec_hash(&vec, &chunk, hashes, false);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(hashes[i] == 1, i != 2 && i != 5);
    }
    arena_deinit(&arena);
}

/* Java's order of doubles, nulls lowest, texts bytewise with prefixes first. */
static void test_order(void **state)
{
    static const double      doubles[] = {-INFINITY, -1.0, -0.0, 0.0, 1.0, INFINITY, NAN};
    static const char *const texts[] = {"", "A", "a", "aa", "exactly12byt", "exactly12bytes!", "z", "ä"};
    struct arena             arena;
    struct vec               vec;

    (void)state;
    arena_init(&arena, MEM_TEST, 256 * KIB, 16 * MIB);
    vec = vec_make(&arena, vec_type_of(VEC_DOUBLE));
    vec_bit_clear(vec_need_validity(&vec, &arena), 0);
    for (size_t i = 0; i < COUNT_OF(doubles); i++) {
        ((double *)vec.data)[i + 1] = doubles[i];
    }
    for (size_t i = 0; i <= COUNT_OF(doubles); i++) {
        for (size_t j = 0; j <= COUNT_OF(doubles); j++) {
            int order = vec_compare(&vec, i, &vec, j);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
    vec = vec_make(&arena, vec_type_of(VEC_VARCHAR));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ((struct vec_string *)vec.data)[i] = vec_string_of(texts[i], (uint32_t)strlen(texts[i]));
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            const struct vec_string *strings = vec.data;
            int                      order = vec_compare(&vec, i, &vec, j);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(vec_string_equal(&strings[i], &strings[j]), i == j);
        }
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_follows_equality),
        cmocka_unit_test(test_selection_leaves_the_rest),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
