/* The map against a plain array that keeps the order of insertion. */
#include "tests/support/unit.h"

#include "core/base/map.h"
#include "core/base/prng.h"

#include <stdio.h>

#define KEYS 500

struct model {
    int keys[KEYS];
    int values[KEYS]; /* 0 = absent */
    int order[KEYS];
    int count;
};

static struct view key_of(int number, char *text, size_t text_bytes)
{
    int len = snprintf(text, text_bytes, "key-%d", number);

    return view_of(text, (size_t)len);
}

static void model_remove(struct model *model, int key)
{
    int at = 0;

    while (model->order[at] != key) {
        at++;
    }
    model->count--;
    memmove(&model->order[at], &model->order[at + 1], (size_t)(model->count - at) * sizeof(int));
    model->values[key] = 0;
}

static void model_check_order(const struct model *model, const struct map *map)
{
    int at = 0;

    MAP_EACH(map, entry) {
        char        text[32];
        struct view key = key_of(model->order[at], text, sizeof(text));

        assert_true(at < model->count);
        assert_int_equal(entry->key_len, key.len);
        assert_memory_equal(entry->key, key.base, key.len);
        assert_int_equal((intptr_t)entry->value, model->values[model->order[at]]);
        at++;
    }
    assert_int_equal(at, model->count);
}

static void test_against_a_model(void **state)
{
    static struct model model;
    struct map          map;
    struct prng         prng;

    (void)state;
    prng_init(&prng, 21);
    map_init(&map, MEM_TEST);
    for (int step = 1; step <= 30000; step++) {
        char        text[32];
        int         key = (int)prng_below(&prng, KEYS);
        struct view view = key_of(key, text, sizeof(text));
        void       *expected = (void *)(intptr_t)model.values[key];

        assert_ptr_equal(map_get(&map, view), expected);
        if (prng_chance(&prng, step % 3000 < 1500 ? 7 : 3, 10)) {
            assert_ptr_equal(map_put(&map, view, (void *)(intptr_t)step), expected);
            if (model.values[key] == 0) {
                model.order[model.count++] = key;
            }
            model.values[key] = step;
        } else {
            assert_ptr_equal(map_remove(&map, view), expected);
            if (model.values[key] != 0) {
                model_remove(&model, key);
            }
        }
        assert_int_equal(map_count(&map), model.count);
        if (step % 500 == 0) {
            model_check_order(&model, &map);
        }
    }
    map_deinit(&map);
    assert_int_equal(mem_used_bytes(MEM_TEST), 0);
}

static void test_empty(void **state)
{
    struct map map;
    size_t     position = 0;

    (void)state;
    map_init(&map, MEM_TEST);
    assert_null(map_get(&map, view_text("a")));
    assert_null(map_remove(&map, view_text("a")));
    assert_null(map_next(&map, &position));
    map_deinit(&map);
}

static void test_keys_are_bytes_and_copied(void **state)
{
    struct map map;
    char       key[] = {'a', '\0', 'b'};
    int        first = 0;
    int        second = 0;
    int        empty = 0;

    (void)state;
    map_init(&map, MEM_TEST);
    assert_null(map_put(&map, view_of(key, 3), &first));
    assert_null(map_put(&map, view_of(key, 1), &second));
    assert_null(map_put(&map, view_of(key, 0), &empty));
    key[2] = 'c';
    assert_null(map_get(&map, view_of(key, 3)));
    key[2] = 'b';
    assert_ptr_equal(map_get(&map, view_of(key, 3)), &first);
    assert_ptr_equal(map_get(&map, view_of(key, 1)), &second);
    assert_ptr_equal(map_get(&map, view_of(NULL, 0)), &empty);
    map_deinit(&map);
}

static void test_removing_the_visited_entry(void **state)
{
    struct map map;
    int        values[100];
    int        left = 0;

    (void)state;
    map_init(&map, MEM_TEST);
    for (int i = 0; i < 100; i++) {
        char text[32];

        values[i] = i;
        assert_null(map_put(&map, key_of(i, text, sizeof(text)), &values[i]));
    }
    MAP_EACH(&map, entry) {
        if (*(int *)entry->value % 3 != 0) {
            assert_ptr_equal(map_remove(&map, view_of(entry->key, entry->key_len)), entry->value);
        }
    }
    MAP_EACH(&map, entry) {
        assert_int_equal(*(int *)entry->value, 3 * left);
        left++;
    }
    assert_int_equal(left, 34);
    assert_int_equal(map_count(&map), 34);
    map_deinit(&map);
}

static void test_break_leaves_the_loop(void **state)
{
    struct map map;
    int        value = 0;
    int        visited = 0;

    (void)state;
    map_init(&map, MEM_TEST);
    assert_null(map_put(&map, view_text("a"), &value));
    assert_null(map_put(&map, view_text("b"), &value));
    MAP_EACH(&map, entry) {
        assert_non_null(entry->value);
        visited++;
        break;
    }
    assert_int_equal(visited, 1);
    map_deinit(&map);
}

/* A full map in which one entry goes and one comes must not be rebuilt for each of them: the table stays where it is
 * for at least as many pairs as there are entries. */
static void test_churn_does_not_rebuild_each_time(void **state)
{
    struct map map;
    int        value = 0;
    char       text[32];

    (void)state;
    for (int size = 1; size < 200; size++) {
        uint32_t *slots;
        int       rebuilds = 0;

        map_init(&map, MEM_TEST);
        for (int i = 0; i < size; i++) {
            assert_null(map_put(&map, key_of(i, text, sizeof(text)), &value));
        }
        slots = map.slots;
        for (int i = 0; i < 10 * size; i++) {
            assert_non_null(map_remove(&map, key_of(i, text, sizeof(text))));
            assert_null(map_put(&map, key_of(i + size, text, sizeof(text)), &value));
            if (map.slots != slots || map.entry_count == (size_t)size) {
                rebuilds++;
                slots = map.slots;
            }
        }
        assert_true(rebuilds <= 11);
        assert_int_equal(map_count(&map), size);
        map_deinit(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),           cmocka_unit_test(test_empty),
        cmocka_unit_test(test_keys_are_bytes_and_copied), cmocka_unit_test(test_removing_the_visited_entry),
        cmocka_unit_test(test_break_leaves_the_loop),     cmocka_unit_test(test_churn_does_not_rebuild_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
