/* Evaluation: guards, three-valued logic, sharing, selections, shapes. Values of functions are tested through SQL. */
#include "compute/expr/expr.h"

#include "core/base/prng.h"
#include "tests/support/unit.h"

#define ROWS 100

struct rig {
    struct arena      arena;
    struct expr_maker maker;
    struct vec        columns[3]; /* a BIGINT, b BIGINT with nulls and zeros, t STRING */
    struct vec_chunk  chunk;
};

static void rig_make(struct rig *rig)
{
    *rig = (struct rig){.chunk = {.row_count = ROWS, .selected_count = ROWS, .column_count = 3}};
    arena_init(&rig->arena, MEM_TEST, 256 * KIB, 64 * MIB);
    rig->maker.arena = &rig->arena;
    rig->chunk.columns = rig->columns;
    rig->columns[0] = vec_make(&rig->arena, vec_type_of(VEC_BIGINT));
    rig->columns[1] = vec_make(&rig->arena, vec_type_of(VEC_BIGINT));
    rig->columns[2] = vec_make(&rig->arena, vec_type_of(VEC_VARCHAR));
    for (int64_t i = 0; i < ROWS; i++) {
        ((int64_t *)rig->columns[0].data)[i] = i;
        ((int64_t *)rig->columns[1].data)[i] = i % 3;
        ((struct vec_string *)rig->columns[2].data)[i] = vec_string_of(i % 2 == 0 ? "even" : "odd", i % 2 == 0 ? 4 : 3);
        if (i % 5 == 4) {
            vec_bit_clear(vec_need_validity(&rig->columns[1], &rig->arena), (size_t)i);
        }
    }
}

static void rig_free(struct rig *rig)
{
    expr_maker_release(&rig->maker);
    arena_deinit(&rig->arena);
}

static struct expr *column(struct rig *rig, uint32_t index)
{
    return expr_column(&rig->maker, index, rig->columns[index].type);
}

static struct expr *number(struct rig *rig, int64_t value)
{
    return expr_int(&rig->maker, VEC_BIGINT, value);
}

static struct expr *call2(struct rig *rig, const char *name, struct expr *a, struct expr *b)
{
    struct expr *expr = expr_call(&rig->maker, name, (struct expr *[2]){a, b}, 2);

    if (expr == NULL) {
        fail_msg("%s", rig->maker.message);
    }
    return expr;
}

/* a / b fails on b = 0 where it is evaluated, and only there. */
static void test_guards(void **state)
{
    struct rig           rig;
    struct expr         *divide;
    struct expr         *guarded;
    struct expr_program *program;
    struct vec           out;

    (void)state;
    rig_make(&rig);
    divide = call2(&rig, "/", column(&rig, 0), column(&rig, 1));
    program = expr_program_create(&divide, 1);
    assert_false(expr_program_run(program, &rig.chunk, &out));
    assert_string_equal(expr_program_failure(program)->message, "/ by zero");
    assert_int_equal(expr_program_failure(program)->row, 0);
    expr_program_destroy(program);
    guarded =
        expr_call(&rig.maker, "CASE",
                  (struct expr *[3]){call2(&rig, "<>", column(&rig, 1), number(&rig, 0)), divide, number(&rig, -1)}, 3);
    program = expr_program_create(&guarded, 1);
    assert_true(expr_program_run(program, &rig.chunk, &out));
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t expected = i % 5 == 4 || i % 3 == 0 ? -1 : i / (i % 3);

        assert_false(vec_is_null(&out, (size_t)i));
        assert_int_equal(((const int64_t *)out.data)[i], expected);
    }
    expr_program_destroy(program);
    rig_free(&rig);
}

/* 0 false, 1 true, 2 null */
static int truth_of(const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);

    return vec_access_null(&access, row) ? 2 : ((const uint8_t *)access.data)[vec_access_at(&access, row)];
}

static struct expr *truth(struct rig *rig, int value)
{
    return value == 2 ? expr_null(&rig->maker, vec_type_of(VEC_BOOLEAN)) : expr_bool(&rig->maker, value == 1);
}

static void test_three_values(void **state)
{
    static const int and_table[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}};
    static const int or_table[3][3] = {{0, 1, 2}, {1, 1, 1}, {2, 1, 2}};
    struct rig       rig;

    (void)state;
    rig_make(&rig);
    for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) {
            struct expr         *exprs[2] = {call2(&rig, "AND", truth(&rig, a), truth(&rig, b)),
                                             call2(&rig, "OR", truth(&rig, a), truth(&rig, b))};
            struct expr_program *program = expr_program_create(exprs, 2);
            struct vec           out[2];

            assert_true(expr_program_run(program, &rig.chunk, out));
            assert_int_equal(truth_of(&out[0], 7), and_table[a][b]);
            assert_int_equal(truth_of(&out[1], 7), or_table[a][b]);
            expr_program_destroy(program);
        }
    }
    rig_free(&rig);
}

/* Nulls of arguments are nulls of strict results, at the selected rows, whatever the shape of the input. */
static void test_nulls_selections_shapes(void **state)
{
    struct rig           rig;
    struct expr         *sum;
    struct expr_program *program;
    uint16_t             selection[ROWS];
    uint16_t             passed[VEC_ROWS_MAX];

    (void)state;
    rig_make(&rig);
    sum = call2(&rig, "+", column(&rig, 0), call2(&rig, "*", column(&rig, 1), number(&rig, 1000)));
    sum = call2(&rig, ">", sum, number(&rig, 1010));
    program = expr_program_create(&sum, 1);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct vec       shaped[3];
        struct vec_chunk chunk = rig.chunk;
        struct prng      prng;
        uint32_t         count = 0;
        uint32_t         expected = 0;

        prng_init(&prng, seed);
        for (uint32_t i = 0; i < 3; i++) {
            shaped[i] = vec_verify_reshape(&rig.arena, &rig.columns[i], ROWS, prng_next(&prng));
        }
        chunk.columns = shaped;
        if (seed % 2 == 1) {
            chunk.selection = selection;
            chunk.selected_count = 0;
            for (uint16_t row = 0; row < ROWS; row++) {
                if (prng_chance(&prng, 1, 2)) {
                    selection[chunk.selected_count++] = row;
                }
            }
        }
        assert_true(expr_program_filter(program, &chunk, passed, &count));
        for (uint32_t i = 0; i < chunk.selected_count; i++) {
            int64_t row = (int64_t)vec_chunk_row(&chunk, i);

            if (row % 5 != 4 && row + row % 3 * 1000 > 1010) {
                assert_true(expected < count);
                assert_int_equal(passed[expected++], row);
            }
        }
        assert_int_equal(count, expected);
    }
    expr_program_destroy(program);
    rig_free(&rig);
}

static void test_types_are_checked(void **state)
{
    struct rig   rig;
    struct expr *decimal;

    (void)state;
    rig_make(&rig);
    assert_null(expr_call(&rig.maker, "+", (struct expr *[2]){column(&rig, 0), column(&rig, 2)}, 2));
    assert_string_equal(rig.maker.message, "+ does not go with BIGINT and STRING");
    assert_null(expr_call(&rig.maker, "=", (struct expr *[2]){column(&rig, 0), column(&rig, 2)}, 2));
    assert_string_equal(rig.maker.message, "a BIGINT and a STRING cannot be compared; cast one of them");
    assert_null(expr_call(&rig.maker, "SPLIT_INDEX", (struct expr *[1]){column(&rig, 2)}, 1));
    /* 0.908 * BIGINT is DECIMAL(23, 3), as Nexmark's q1 wants it */
    decimal = call2(&rig, "*", expr_decimal(&rig.maker, 908, 3, 3), column(&rig, 0));
    assert_int_equal(decimal->type.precision, 23);
    assert_int_equal(decimal->type.scale, 3);
    rig_free(&rig);
}

/* The same expression in two outputs and in a guard is one expression to expr_equal, and its values agree. */
static void test_sharing(void **state)
{
    struct rig           rig;
    struct expr         *exprs[2];
    struct expr_program *program;
    struct vec           out[2];
    char                 text[256];

    (void)state;
    rig_make(&rig);
    exprs[0] = call2(&rig, "||", column(&rig, 2), expr_text(&rig.maker, view_text(" and more than twelve bytes")));
    exprs[1] = expr_call(&rig.maker, "CASE",
                         (struct expr *[2]){call2(&rig, ">", column(&rig, 0), number(&rig, 50)),
                                            call2(&rig, "||", column(&rig, 2),
                                                  expr_text(&rig.maker, view_text(" and more than twelve bytes")))},
                         2);
    assert_true(expr_equal(exprs[0], exprs[1]->arguments[1]));
    expr_format(exprs[1], NULL, 0, text, sizeof(text));
    assert_string_equal(text, "CASE WHEN ($0 > 50) THEN ($2 || ' and more than twelve bytes') ELSE NULL END");
    program = expr_program_create(exprs, 2);
    assert_true(expr_program_run(program, &rig.chunk, out));
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(vec_is_null(&out[1], i), i <= 50);
        assert_true(i <= 50 || vec_compare(&out[0], i, &out[1], i) == 0);
    }
    expr_program_destroy(program);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_three_values),
        cmocka_unit_test(test_nulls_selections_shapes),
        cmocka_unit_test(test_types_are_checked),
        cmocka_unit_test(test_sharing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
