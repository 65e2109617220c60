#include "tests/unit/vec/vec_support.h"

static void prints(struct vec_type type, const char *expected)
{
    char   text[128];
    size_t len = vec_type_format(type, text, sizeof(text));

    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
}

static void test_names_are_flinks(void **state)
{
    struct vec_field fields[] = {{view_text("a"), vec_type_of(VEC_INT)}, {view_text("b"), vec_type_decimal(23, 3)}};
    struct vec_type  row = {.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = fields};
    struct vec_type  array = {.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = fields};
    struct vec_type  type = vec_type_of(VEC_VARCHAR);
    char             small[8];

    (void)state;
    prints(type, "STRING");
    type.length = 20;
    type.nullable = false;
    prints(type, "VARCHAR(20) NOT NULL");
    prints(vec_type_of(VEC_VARBINARY), "BYTES");
    prints(vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3), "TIMESTAMP_LTZ(3)");
    fields[0].type.nullable = false;
    prints(row, "ROW<`a` INT NOT NULL, `b` DECIMAL(23, 3)>");
    prints(array, "ARRAY<INT NOT NULL>");
    assert_int_equal(vec_type_format(row, small, sizeof(small)), 41);
    assert_string_equal(small, "ROW<`a`");
}

static void test_layouts_follow_precision(void **state)
{
    (void)state;
    assert_int_equal(vec_type_layout(vec_type_decimal(18, 2)), VEC_LAYOUT_INT64);
    assert_int_equal(vec_type_layout(vec_type_decimal(19, 2)), VEC_LAYOUT_INT128);
    assert_int_equal(vec_type_layout(vec_type_timestamp(VEC_TIMESTAMP, 6)), VEC_LAYOUT_INT64);
    assert_int_equal(vec_type_layout(vec_type_timestamp(VEC_TIMESTAMP_LTZ, 7)), VEC_LAYOUT_INT128);
    assert_int_equal(vec_timestamp_units(vec_type_timestamp(VEC_TIMESTAMP, 0)), 1000000);
    assert_int_equal(vec_timestamp_units(vec_type_timestamp(VEC_TIMESTAMP, 7)), 1000000000);
    assert_int_equal(sizeof(struct vec_string), 16);
}

static void test_equality_ignores_nullability_only(void **state)
{
    struct vec_type a = vec_type_decimal(10, 2);
    struct vec_type b = vec_type_decimal(10, 2);

    (void)state;
    b.nullable = false;
    assert_true(vec_type_equal(a, b));
    b.scale = 3;
    assert_false(vec_type_equal(a, b));
    assert_false(vec_type_equal(vec_type_of(VEC_INT), vec_type_of(VEC_BIGINT)));
    assert_false(vec_type_equal(vec_type_timestamp(VEC_TIMESTAMP, 3), vec_type_timestamp(VEC_TIMESTAMP, 6)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_flinks),
        cmocka_unit_test(test_layouts_follow_precision),
        cmocka_unit_test(test_equality_ignores_nullability_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
