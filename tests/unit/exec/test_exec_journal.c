/* Journals against a list: rows added at the end, taken or dying at the front. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_journal.h"

#define ROWS  3000
#define STEPS 50000

static void rows_leave_in_the_order_in_which_they_came(void **state)
{
    static struct exec_match rows[ROWS];
    struct rig               rig;
    struct exec_heap        *heap = exec_heap_create(holder_start(&rig, 0));
    struct exec_journal      journal = {0};
    struct prng              prng;
    uint64_t                 begin = 0;
    uint64_t                 end = 0;
    uint32_t                 side;

    (void)state;
    prng_init(&prng, 9);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = prng_below(&prng, 100);

        if (what < 50 && end - begin < ROWS) {
            assert_true(exec_journal_add(&journal, heap, &rows[end % ROWS], (uint32_t)(end % 2)));
            end++;
        } else if (what < 70 && begin < end) {
            exec_journal_drop_first(&journal);
            begin++;
        } else if (what < 90 && begin < end) {
            exec_journal_drop(&journal, &rows[(begin + 1) % ROWS]); /* not the first */
            exec_journal_drop(&journal, &rows[begin % ROWS]);
            begin++;
        } else if (what == 99 && prng_chance(&prng, 1, 20)) {
            exec_journal_clear(&journal, heap);
            begin = end;
        }
        if (begin == end) {
            assert_null(exec_journal_first(&journal, &side));
        } else {
            assert_ptr_equal(exec_journal_first(&journal, &side), &rows[begin % ROWS]);
            assert_int_equal(side, begin % 2);
        }
    }
    assert_true(end > STEPS / 3);
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

static void a_spent_heap_refuses(void **state)
{
    static struct exec_match row;
    struct rig               rig;
    struct exec_heap        *heap = exec_heap_create(holder_start(&rig, 256 * KIB));
    struct exec_journal      journal = {0};
    uint32_t                 added = 0;
    uint32_t                 side;

    (void)state;
    while (added < 1000000 && exec_journal_add(&journal, heap, &row, added % 2)) {
        added++;
    }
    assert_in_range(added, 100, 999999);
    assert_non_null(strstr(rig_failure(&rig), "budget"));
    for (; added > 0; added--) {
        assert_ptr_equal(exec_journal_first(&journal, &side), &row);
        exec_journal_drop_first(&journal);
    }
    assert_null(exec_journal_first(&journal, &side));
    exec_heap_destroy(heap);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(a_spent_heap_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
