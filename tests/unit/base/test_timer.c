/* The heap against a list that is searched from end to end: what fires, when, and in which order. */
#include "tests/support/crash.h"
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/base/timer.h"

#define TIMERS 300

struct alarm {
    struct timer timer;
    int64_t      deadline_ns; /* the model's; INT64_MAX = not armed */
    uint64_t     armed;       /* arming order */
};

static struct alarm      alarms[TIMERS];
static struct timer_heap heap;
static size_t            fired[TIMERS];
static size_t            fired_count;

static void alarm_fired(struct timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);

    assert_false(timer_armed(timer));
    assert_true(fired_count < TIMERS);
    fired[fired_count++] = (size_t)(alarm - alarms);
}

/* The model's next alarm due at now_ns, or TIMERS. */
static size_t model_next(int64_t now_ns)
{
    size_t best = TIMERS;

    for (size_t i = 0; i < TIMERS; i++) {
        if (alarms[i].deadline_ns <= now_ns &&
            (best == TIMERS || alarms[i].deadline_ns < alarms[best].deadline_ns ||
             (alarms[i].deadline_ns == alarms[best].deadline_ns && alarms[i].armed < alarms[best].armed))) {
            best = i;
        }
    }
    return best;
}

static int64_t model_next_ns(void)
{
    int64_t next_ns = INT64_MAX;

    for (size_t i = 0; i < TIMERS; i++) {
        next_ns = MIN(next_ns, alarms[i].deadline_ns);
    }
    return next_ns;
}

static void model_run(int64_t now_ns)
{
    size_t next;
    size_t at = 0;
    size_t ran;

    fired_count = 0;
    ran = timer_heap_run(&heap, now_ns);
    assert_int_equal(ran, fired_count);
    while ((next = model_next(now_ns)) != TIMERS) {
        assert_true(at < fired_count);
        assert_int_equal(fired[at++], next);
        alarms[next].deadline_ns = INT64_MAX;
    }
    assert_int_equal(at, fired_count);
}

static void test_against_a_model(void **state)
{
    struct prng prng;
    int64_t     now_ns = 0;

    (void)state;
    prng_init(&prng, 31);
    timer_heap_init(&heap);
    for (size_t i = 0; i < TIMERS; i++) {
        alarms[i] = (struct alarm){.deadline_ns = INT64_MAX};
    }
    for (uint64_t step = 0; step < 20000; step++) {
        size_t at = (size_t)prng_below(&prng, TIMERS);

        if (prng_chance(&prng, 6, 10)) {
            alarms[at].deadline_ns = now_ns + (int64_t)prng_below(&prng, 200); /* many are equal */
            alarms[at].armed = step;
            timer_arm(&heap, &alarms[at].timer, alarms[at].deadline_ns, alarm_fired);
        } else if (prng_chance(&prng, 1, 2)) {
            timer_disarm(&heap, &alarms[at].timer);
            alarms[at].deadline_ns = INT64_MAX;
        } else {
            now_ns += (int64_t)prng_below(&prng, 20);
            model_run(now_ns);
        }
        assert_int_equal(timer_armed(&alarms[at].timer), alarms[at].deadline_ns != INT64_MAX);
        assert_true(timer_heap_next_ns(&heap) == model_next_ns());
    }
    model_run(now_ns + 1000);
    assert_true(timer_heap_next_ns(&heap) == INT64_MAX);
    timer_heap_deinit(&heap);
}

static int           repeats;
static struct timer  other;
static struct timer *to_disarm;

static void fire_and_arm_again(struct timer *timer)
{
    repeats++;
    timer_arm(&heap, timer, 0, fire_and_arm_again); /* always due */
}

static void fire_once(struct timer *timer)
{
    (void)timer;
    fired_count++;
}

static void fire_and_disarm_another(struct timer *timer)
{
    (void)timer;
    timer_disarm(&heap, to_disarm);
}

static void test_a_timer_that_is_always_due_starves_nobody(void **state)
{
    struct timer greedy = {0};

    (void)state;
    repeats = 0;
    fired_count = 0;
    timer_heap_init(&heap);
    timer_arm(&heap, &greedy, 0, fire_and_arm_again);
    timer_arm(&heap, &other, 50, fire_once);
    assert_int_equal(timer_heap_run(&heap, 100), 2);
    assert_int_equal(repeats, 1);
    assert_int_equal(fired_count, 1);
    assert_true(timer_armed(&greedy));
    assert_true(timer_heap_next_ns(&heap) == 100); /* at once, but after the loop has looked around */
    assert_int_equal(timer_heap_run(&heap, 100), 1);
    timer_disarm(&heap, &greedy);
    timer_disarm(&heap, &greedy); /* harmless */
    timer_heap_deinit(&heap);
}

static void test_a_callback_may_disarm_what_is_due(void **state)
{
    struct timer first = {0};

    (void)state;
    fired_count = 0;
    timer_heap_init(&heap);
    to_disarm = &other;
    timer_arm(&heap, &first, 1, fire_and_disarm_another);
    timer_arm(&heap, &other, 2, fire_once);
    assert_int_equal(timer_heap_run(&heap, 10), 1);
    assert_int_equal(fired_count, 0);
    assert_false(timer_armed(&other));
    timer_heap_deinit(&heap);
}

static void deinit_while_armed(void *argument)
{
    struct timer timer = {0};

    (void)argument;
    timer_heap_init(&heap);
    timer_arm(&heap, &timer, 1, fire_once);
    timer_heap_deinit(&heap);
}

static void test_forgetting_a_timer_is_a_bug(void **state)
{
    (void)state;
    assert_true(crash_aborts(deinit_while_armed, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_a_timer_that_is_always_due_starves_nobody),
        cmocka_unit_test(test_a_callback_may_disarm_what_is_due),
        cmocka_unit_test(test_forgetting_a_timer_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
