#include "tests/support/unit.h"

#include "core/base/base.h"
#include "core/base/prng.h"

static void test_known_texts(void **state)
{
    struct uuid id = {{0}};
    char        text[UUID_TEXT_BYTES];

    (void)state;
    assert_true(uuid_is_zero(id));
    uuid_format(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    memset(id.bytes, 0xff, sizeof(id.bytes));
    uuid_format(id, text);
    assert_string_equal(text, "_____________________w");
    /* Kafka's id of the metadata topic: all zero but the last bit. */
    memset(id.bytes, 0, sizeof(id.bytes));
    id.bytes[15] = 1;
    uuid_format(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
}

static void test_round_trip(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 12);
    for (int i = 0; i < 2000; i++) {
        struct uuid id;
        struct uuid back = {{0}};
        char        text[UUID_TEXT_BYTES];

        prng_fill(&prng, span_of(id.bytes, sizeof(id.bytes)));
        uuid_format(id, text);
        assert_int_equal(strlen(text), 22);
        assert_true(uuid_parse(view_text(text), &back));
        assert_true(uuid_equal(id, back));
    }
}

static void test_other_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAA+AAAAAAAAAAA",
        "AAAAAAAAAA/AAAAAAAAAAA",
        "AAAAAAAAAA AAAAAAAAAAA",
    };
    struct uuid id = {{1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(uuid_parse(view_text(texts[i]), &id));
    }
    assert_false(uuid_parse(view_of("AAAAAAAAAA\0AAAAAAAAAAA", 22), &id));
    assert_int_equal(id.bytes[0], 1); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_other_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
