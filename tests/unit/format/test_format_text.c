/* Values as text, and as keys that sort bytewise. */
#include "tests/support/unit.h"

#include "compute/format/format_text.h"
#include "compute/vec/vec_time.h"

#include <math.h>
#include <stdio.h>

static struct arena arena;

static struct vec one_number(struct vec_type type, int64_t value)
{
    struct vec vec = vec_make(&arena, type);

    switch (vec_layout_bytes(vec_type_layout(type))) {
    case 1:
        ((int8_t *)vec.data)[0] = (int8_t)value;
        break;
    case 2:
        ((int16_t *)vec.data)[0] = (int16_t)value;
        break;
    case 4:
        ((int32_t *)vec.data)[0] = (int32_t)value;
        break;
    case 8:
        ((int64_t *)vec.data)[0] = value;
        break;
    default:
        ((vec_int128 *)vec.data)[0] = value;
        break;
    }
    return vec;
}

static struct vec one_text(enum vec_kind kind, const char *text)
{
    struct vec vec = vec_make(&arena, vec_type_of(kind));

    ((struct vec_string *)vec.data)[0] = vec_string_of(text, (uint32_t)strlen(text));
    return vec;
}

static void check_value(struct vec vec, const char *table, const char *print)
{
    struct format_text text = {0};

    format_text_put_value(&text, &vec, 0, FORMAT_STYLE_TABLE);
    format_text_put(&text, "|", 1);
    format_text_put_value(&text, &vec, 0, FORMAT_STYLE_PRINT);
    format_text_put(&text, "", 1);
    assert_int_equal(strncmp(text.base, table, strlen(table)), 0);
    assert_string_equal(text.base + strlen(table) + 1, print);
    format_text_deinit(&text);
}

static void test_numbers_and_texts(void **state)
{
    struct vec vec = vec_make(&arena, vec_type_of(VEC_DOUBLE));

    (void)state;
    check_value(one_number(vec_type_of(VEC_INT), -42), "-42", "-42");
    check_value(one_number(vec_type_of(VEC_BIGINT), INT64_MIN), "-9223372036854775808", "-9223372036854775808");
    check_value(one_number(vec_type_of(VEC_BOOLEAN), 1), "TRUE", "true");
    check_value(one_number(vec_type_decimal(10, 2), -1230), "-12.30", "-12.30");
    check_value(one_number(vec_type_decimal(30, 10), 1), "0.0000000001", "1E-10");
    check_value(one_number(vec_type_decimal(30, 10), 123), "0.0000000123", "1.23E-8");
    check_value(one_number(vec_type_decimal(10, 6), 1), "0.000001", "0.000001");
    ((double *)vec.data)[0] = 1e10;
    check_value(vec, "1.0E10", "1.0E10");
    check_value(one_text(VEC_VARCHAR, "a text of some length"), "a text of some length", "a text of some length");
    check_value(one_text(VEC_VARBINARY, "\1\377"), "x'01ff'", "[1, -1]");
    check_value(vec_make_null(&arena, vec_type_of(VEC_INT)), "<NULL>", "null");
}

static void test_times(void **state)
{
    int64_t         noon_us = INT64_C(1605960000) * 1000000; /* 2020-11-21 12:00 */
    struct vec_type type = vec_type_timestamp(VEC_TIMESTAMP, 3);

    (void)state;
    check_value(one_number(type, noon_us), "2020-11-21 12:00:00.000", "2020-11-21T12:00");
    check_value(one_number(type, noon_us + 1000000), "2020-11-21 12:00:01.000", "2020-11-21T12:00:01");
    check_value(one_number(type, noon_us + 120000), "2020-11-21 12:00:00.120", "2020-11-21T12:00:00.120");
    type.precision = 6;
    check_value(one_number(type, noon_us + 7), "2020-11-21 12:00:00.000007", "2020-11-21T12:00:00.000007");
    type.kind = VEC_TIMESTAMP_LTZ;
    type.precision = 0;
    check_value(one_number(type, noon_us), "2020-11-21 12:00:00", "2020-11-21T12:00:00Z");
    check_value(one_number(vec_type_of(VEC_DATE), 18587), "2020-11-21", "2020-11-21");
    type = vec_type_of(VEC_TIME);
    check_value(one_number(type, 3661000), "01:01:01", "01:01:01");
    check_value(one_number(type, 3660000), "01:01:00", "01:01");
    check_value(one_number(vec_type_of(VEC_INTERVAL_MONTH), -14), "-1-02", "-1-02");
    check_value(one_number(vec_type_of(VEC_INTERVAL_DAY), 90061007), "+1 01:01:01.007", "+1 01:01:01.007");
}

static void test_rows_and_arrays(void **state)
{
    const struct vec_field fields[] = {{view_text("a"), vec_type_of(VEC_INT)}, {view_text("b"), vec_type_of(VEC_CHAR)}};
    struct vec_type        type = vec_type_of(VEC_ROW);
    struct vec             row, list;
    struct vec             elements = vec_make(&arena, vec_type_of(VEC_INT));

    (void)state;
    type.child_count = 2;
    type.children = fields;
    row = vec_make(&arena, type);
    row.children[0] = one_number(vec_type_of(VEC_INT), 7);
    row.children[1] = one_text(VEC_CHAR, "x");
    check_value(row, "(7, x)", "+I[7, x]");
    type = vec_type_of(VEC_ARRAY);
    type.child_count = 1;
    type.children = fields;
    list = vec_make(&arena, type);
    ((int32_t *)elements.data)[1] = 3;
    ((int32_t *)elements.data)[2] = 4;
    list.children = &elements;
    list.child_rows = 3;
    ((struct vec_list *)list.data)[0] = (struct vec_list){.offset = 1, .len = 2};
    check_value(list, "[3, 4]", "[3, 4]");
}

/* Keys of ascending values ascend. */
static void check_keys(const struct vec *vecs, size_t count)
{
    struct format_text a = {0}, b = {0};

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            int order;

            a.len = b.len = 0;
            format_text_put_key(&a, &vecs[i], 0);
            format_text_put_key(&b, &vecs[k], 0);
            order = view_compare(view_of(a.base, a.len), view_of(b.base, b.len));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    format_text_deinit(&a);
    format_text_deinit(&b);
}

static void test_keys_sort_as_values_do(void **state)
{
    static const int64_t numbers[] = {-300, -1, 0, 1, 127, 300};
    static const double  doubles[] = {-INFINITY, -1.5, -0.0, 0.0, 1e-300, 2, INFINITY, NAN};
    static const char   *texts[] = {"", "\1", "a", "a\1", "aa", "b", "bbbbbbbbbbbbbbbbbbbbbbbb"};
    struct vec           vecs[16];

    (void)state;
    vecs[0] = vec_make_null(&arena, vec_type_of(VEC_BIGINT));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        vecs[i + 1] = one_number(vec_type_of(VEC_BIGINT), numbers[i]);
    }
    check_keys(vecs, COUNT_OF(numbers) + 1);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        vecs[i] = one_number(vec_type_decimal(38, 3), numbers[i]);
    }
    check_keys(vecs, COUNT_OF(numbers));
    for (size_t i = 0; i < COUNT_OF(doubles); i++) {
        vecs[i] = vec_make(&arena, vec_type_of(VEC_DOUBLE));
        ((double *)vecs[i].data)[0] = doubles[i];
    }
    check_keys(vecs, COUNT_OF(doubles));
    vecs[0] = vec_make_null(&arena, vec_type_of(VEC_VARCHAR));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        vecs[i + 1] = one_text(VEC_VARCHAR, texts[i]);
    }
    check_keys(vecs, COUNT_OF(texts) + 1);
}

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_texts),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_rows_and_arrays),
        cmocka_unit_test(test_keys_sort_as_values_do),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
