/* Timers against an unordered list: adding, postponing and dropping in any order, ties by sequence, a spent heap. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_timers.h"

#define TIMERS_MAX 4000
#define STEPS      20000

struct model {
    struct exec_timer items[TIMERS_MAX];
    size_t            count;
};

static size_t model_first(const struct model *model)
{
    size_t first = 0;

    for (size_t i = 1; i < model->count; i++) {
        const struct exec_timer *a = &model->items[i];
        const struct exec_timer *b = &model->items[first];

        if (a->time < b->time || (a->time == b->time && a->sequence < b->sequence)) {
            first = i;
        }
    }
    return first;
}

static void check_first(const struct exec_timers *timers, const struct model *model)
{
    const struct exec_timer *first = exec_timers_first(timers);
    const struct exec_timer *wanted = &model->items[model_first(model)];

    if (model->count == 0) {
        assert_null(first);
        return;
    }
    assert_non_null(first);
    assert_int_equal(first->time, wanted->time);
    assert_int_equal(first->sequence, wanted->sequence);
    assert_ptr_equal(first->owner, wanted->owner);
}

static void step(struct exec_timers *timers, struct model *model, struct prng *prng, uint64_t *sequence)
{
    uint64_t what = prng_below(prng, 8);

    if (model->count == 0 || (what < 4 && model->count < TIMERS_MAX)) {
        int64_t time = (int64_t)prng_below(prng, 50) - 25; /* many are equal, some before 1970 */

        assert_true(exec_timers_add(timers, time, &model->items[model->count]));
        model->items[model->count] =
            (struct exec_timer){.time = time, .sequence = *sequence, .owner = &model->items[model->count]};
        model->count++;
        (*sequence)++;
    } else if (what < 6) {
        struct exec_timer *first = &model->items[model_first(model)];

        first->time += (int64_t)prng_below(prng, 10);
        exec_timers_postpone_first(timers, first->time);
    } else {
        exec_timers_drop_first(timers);
        model->items[model_first(model)] = model->items[model->count - 1];
        model->count--;
    }
}

/* New timers from what is known of the old ones, in no order. */
static void rebuild(struct exec_timers *timers, struct exec_heap *heap, const struct model *model)
{
    exec_timers_init(timers, heap);
    for (size_t i = 0; i < model->count; i++) {
        const struct exec_timer *timer = &model->items[i];

        assert_true(exec_timers_restore(timers, timer->time, timer->sequence, timer->owner));
    }
}

static void any_order_comes_out_sorted(void **state)
{
    static struct model model;
    struct rig          rig;
    struct prng         prng;
    struct exec_timers  timers;
    struct exec_heap   *heap = exec_heap_create(holder_start(&rig, 0));
    uint64_t            sequence = 0;

    (void)state;
    prng_init(&prng, 7);
    exec_timers_init(&timers, heap);
    for (int i = 0; i < STEPS; i++) {
        step(&timers, &model, &prng, &sequence);
        check_first(&timers, &model);
        if (prng_chance(&prng, 1, 2000)) {
            rebuild(&timers, heap, &model);
            sequence = timers.next_sequence;
            check_first(&timers, &model);
        }
    }
    assert_true(sequence > STEPS / 3);
    while (model.count > 0) {
        exec_timers_drop_first(&timers);
        model.items[model_first(&model)] = model.items[model.count - 1];
        model.count--;
        check_first(&timers, &model);
    }
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

static void a_spent_heap_refuses_and_keeps_what_is_there(void **state)
{
    struct rig         rig;
    struct exec_timers timers;
    struct exec_heap  *heap = exec_heap_create(holder_start(&rig, 256 * KIB));
    size_t             added = 0;

    (void)state;
    exec_timers_init(&timers, heap);
    while (added < 100000 && exec_timers_add(&timers, -(int64_t)added, NULL)) {
        added++;
    }
    assert_in_range(added, 100, 99999);
    assert_non_null(strstr(rig_failure(&rig), "budget"));
    assert_int_equal(timers.count, added);
    for (size_t i = added; i > 0; i--) {
        assert_int_equal(exec_timers_first(&timers)->time, -(int64_t)(i - 1));
        exec_timers_drop_first(&timers);
    }
    assert_null(exec_timers_first(&timers));
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_comes_out_sorted),
        cmocka_unit_test(a_spent_heap_refuses_and_keeps_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
