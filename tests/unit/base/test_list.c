#include "tests/support/unit.h"

#include "core/base/list.h"

struct item {
    int              number;
    struct list_node link;
};

static void list_is(const struct list_node *head, const int *expected, size_t count)
{
    size_t at = 0;

    LIST_EACH(head, node) {
        assert_true(at < count);
        assert_int_equal(LIST_ENTRY(node, struct item, link)->number, expected[at]);
        at++;
    }
    assert_int_equal(at, count);
}

static void test_order_and_removal(void **state)
{
    struct item      items[4];
    struct list_node head;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    assert_null(list_last(&head));
    assert_null(list_pop_front(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        assert_false(list_linked(&items[i].link));
    }
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_front(&head, &items[0].link);
    list_push_back(&head, &items[3].link);
    list_is(&head, (int[]){0, 1, 2, 3}, 4);
    assert_ptr_equal(list_last(&head), &items[3].link);

    list_remove(&items[2].link);
    assert_false(list_linked(&items[2].link));
    list_is(&head, (int[]){0, 1, 3}, 3);
    list_remove(&items[2].link); /* harmless when unlinked */
    list_is(&head, (int[]){0, 1, 3}, 3);

    assert_ptr_equal(list_pop_front(&head), &items[0].link);
    list_is(&head, (int[]){1, 3}, 2);
}

static void test_removal_while_visiting(void **state)
{
    struct item      items[6];
    struct list_node head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        list_push_back(&head, &items[i].link);
    }
    LIST_EACH(&head, node) {
        if (LIST_ENTRY(node, struct item, link)->number % 2 == 0) {
            list_remove(node);
        }
    }
    list_is(&head, (int[]){1, 3, 5}, 3);
}

static void test_splice(void **state)
{
    struct item      items[4];
    struct list_node left;
    struct list_node right;

    (void)state;
    list_init(&left);
    list_init(&right);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        list_push_back(i < 2 ? &left : &right, &items[i].link);
    }
    list_splice_back(&left, &right);
    list_is(&left, (int[]){0, 1, 2, 3}, 4);
    assert_true(list_empty(&right));
    list_splice_back(&left, &right); /* nothing to move */
    list_is(&left, (int[]){0, 1, 2, 3}, 4);
    list_splice_back(&right, &left);
    list_is(&right, (int[]){0, 1, 2, 3}, 4);
    assert_true(list_empty(&left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_removal),
        cmocka_unit_test(test_removal_while_visiting),
        cmocka_unit_test(test_splice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
