/* Accumulators over every type: values at the edges, nulls, merging, copies, memory. */
#include "tests/unit/exec/holder_support.h"

#include "compute/exec/exec_aggregate.h"
#include "compute/vec/vec_decimal.h"
#include "tests/unit/vec/vec_support.h"

#define ROWS 500

struct bench {
    struct rig                   rig;
    struct exec_heap            *heap;
    struct exec_aggregates      *aggregates;
    struct exec_aggregate_store *store;
    struct vec_field             columns[2]; /* the argument, the FILTER */
    struct vec                   vecs[2];
    struct vec_chunk             chunk;
};

/* One column of `type`; the aggregates are over it and filtered by the second. */
static void bench_start(struct bench *bench, struct vec_type type, struct exec_aggregate *list, uint32_t count)
{
    memset(bench, 0, sizeof(*bench));
    bench->heap = exec_heap_create(holder_start(&bench->rig, 0));
    bench->columns[0] = rig_field("a", type);
    bench->columns[1] = rig_field("f", vec_type_of(VEC_BOOLEAN));
    bench->aggregates = exec_aggregates_make(&bench->rig.arena, list, count, bench->columns);
    assert_int_equal(exec_aggregates_bytes(bench->aggregates) % 16, 0);
    bench->store = exec_aggregate_store_create(bench->aggregates, bench->heap);
    assert_non_null(bench->store);
    bench->vecs[0] = vec_make(&bench->rig.arena, type);
    bench->vecs[1] = vec_make(&bench->rig.arena, vec_type_of(VEC_BOOLEAN));
    bench->chunk = (struct vec_chunk){.column_count = 2, .columns = bench->vecs};
}

static void bench_stop(struct bench *bench)
{
    exec_heap_destroy(bench->heap);
    assert_int_equal(exec_job_memory_bytes(bench->rig.job), 0);
    rig_stop(&bench->rig);
}

static void *bench_state(struct bench *bench)
{
    void *state = exec_heap_take(bench->heap, exec_aggregates_bytes(bench->aggregates));

    memset(state, 0, exec_aggregates_bytes(bench->aggregates));
    return state;
}

static void bench_update(struct bench *bench, void *state, uint32_t row_count)
{
    void *states[VEC_ROWS_MAX];

    for (uint32_t i = 0; i < row_count; i++) {
        states[i] = state;
    }
    bench->chunk.row_count = bench->chunk.selected_count = row_count;
    assert_true(exec_aggregates_update(bench->store, &bench->chunk, states));
}

static void bench_results(struct bench *bench, const void *state, struct vec *out)
{
    exec_aggregates_results(bench->aggregates, &state, 1, &bench->rig.arena, out);
}

static struct exec_aggregate over(enum exec_aggregate_kind kind, struct vec_type result)
{
    return (struct exec_aggregate){.kind = kind, .argument = 0, .filter = EXEC_NO_COLUMN, .type = result};
}

/* --- sums ------------------------------------------------------------------------------------------------------------
 */

static void integers_wrap_in_their_own_width(void **state)
{
    static const struct {
        enum vec_kind kind;
        int64_t       highest, sum;
    } rows[] = {
        {VEC_TINYINT, INT8_MAX, -2},
        {VEC_SMALLINT, INT16_MAX, -2},
        {VEC_INT, INT32_MAX, -2},
        {VEC_BIGINT, INT64_MAX, -2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct vec_type       type = vec_type_of(rows[i].kind);
        struct exec_aggregate list[2] = {over(EXEC_SUM, type), over(EXEC_AVG, type)};
        struct bench          bench;
        struct vec            out[2];
        void                 *sum;

        bench_start(&bench, type, list, 2);
        sum = bench_state(&bench);
        bench_results(&bench, sum, out);
        assert_true(vec_is_null(&out[0], 0) && vec_is_null(&out[1], 0));
        memcpy(bench.vecs[0].data, &rows[i].highest, 8);
        memcpy((uint8_t *)bench.vecs[0].data + vec_layout_bytes(vec_type_layout(type)), &rows[i].highest, 8);
        bench_update(&bench, sum, 2);
        bench_results(&bench, sum, out);
        switch (rows[i].kind) {
        case VEC_TINYINT:
            assert_int_equal(*(int8_t *)out[0].data, rows[i].sum);
            assert_int_equal(*(int8_t *)out[1].data, INT8_MAX); /* summed as BIGINT */
            break;
        case VEC_SMALLINT:
            assert_int_equal(*(int16_t *)out[0].data, rows[i].sum);
            assert_int_equal(*(int16_t *)out[1].data, INT16_MAX);
            break;
        case VEC_INT:
            assert_int_equal(*(int32_t *)out[0].data, rows[i].sum);
            assert_int_equal(*(int32_t *)out[1].data, INT32_MAX);
            break;
        default:
            assert_int_equal(*(int64_t *)out[0].data, rows[i].sum);
            assert_int_equal(*(int64_t *)out[1].data, -1);
            break;
        }
        bench_stop(&bench);
    }
}

static void integer_averages_are_cut(void **state)
{
    struct vec_type       type = vec_type_of(VEC_INT);
    struct exec_aggregate list[1] = {over(EXEC_AVG, type)};
    struct bench          bench;
    struct vec            out[1];
    void                 *avg;

    (void)state;
    bench_start(&bench, type, list, 1);
    avg = bench_state(&bench);
    memcpy(bench.vecs[0].data, (int32_t[]){-1, -2, -2, 0, 100}, 20);
    vec_bit_clear(vec_need_validity(&bench.vecs[0], &bench.rig.arena), 4);
    bench_update(&bench, avg, 5);
    bench_results(&bench, avg, out);
    assert_int_equal(*(int32_t *)out[0].data, -1); /* -5 / 4 */
    bench_stop(&bench);
}

static vec_int128 nines(void)
{
    return (vec_int128)vec_power_of_ten(38) - 1;
}

/* A sum past 38 digits: SUM starts anew with the next value, AVG stays null. */
static void decimals_that_outgrow_38_digits(void **state)
{
    struct vec_type       type = vec_type_decimal(38, 2);
    struct exec_aggregate list[2] = {over(EXEC_SUM, type), over(EXEC_AVG, vec_type_decimal(38, 6))};
    struct bench          bench;
    struct vec            out[2];
    void                 *sum, *other;

    (void)state;
    bench_start(&bench, type, list, 2);
    sum = bench_state(&bench);
    ((vec_int128 *)bench.vecs[0].data)[0] = nines();
    ((vec_int128 *)bench.vecs[0].data)[1] = 1;
    bench_update(&bench, sum, 2);
    bench_results(&bench, sum, out);
    assert_true(vec_is_null(&out[0], 0) && vec_is_null(&out[1], 0));
    ((vec_int128 *)bench.vecs[0].data)[0] = 500;
    bench_update(&bench, sum, 1);
    bench_results(&bench, sum, out);
    assert_true(*(vec_int128 *)out[0].data == 500);
    assert_true(vec_is_null(&out[1], 0));
    other = bench_state(&bench);
    ((vec_int128 *)bench.vecs[0].data)[0] = nines();
    bench_update(&bench, other, 1);
    assert_true(exec_aggregates_merge(bench.store, other, bench.store, sum));
    bench_results(&bench, other, out);
    assert_true(vec_is_null(&out[0], 0) && vec_is_null(&out[1], 0));
    bench_stop(&bench);
}

static void decimal_averages_round_half_up(void **state)
{
    struct vec_type       type = vec_type_decimal(10, 2);
    struct exec_aggregate list[2] = {over(EXEC_SUM, vec_type_decimal(38, 2)), over(EXEC_AVG, vec_type_decimal(38, 6))};
    struct bench          bench;
    struct vec            out[2];
    void                 *sum;

    (void)state;
    bench_start(&bench, type, list, 2);
    sum = bench_state(&bench);
    memcpy(bench.vecs[0].data, (int64_t[]){100, 100, -7}, 24);
    bench_update(&bench, sum, 3);
    bench_results(&bench, sum, out);
    assert_true(*(vec_int128 *)out[0].data == 193);
    assert_true(*(vec_int128 *)out[1].data == 643333); /* 1.93 / 3 */
    bench_stop(&bench);
}

static void nan_is_neither_less_nor_greater(void **state)
{
    struct vec_type       type = vec_type_of(VEC_DOUBLE);
    struct exec_aggregate list[3] = {over(EXEC_MIN, type), over(EXEC_MAX, type), over(EXEC_SUM, type)};
    struct bench          bench;
    struct vec            out[3];
    void                 *first, *later;

    (void)state;
    bench_start(&bench, type, list, 3);
    first = bench_state(&bench);
    later = bench_state(&bench);
    memcpy(bench.vecs[0].data, (double[]){__builtin_nan(""), 1, 2}, 24);
    bench_update(&bench, first, 3);
    memcpy(bench.vecs[0].data, (double[]){1, __builtin_nan(""), 2}, 24);
    bench_update(&bench, later, 3);
    bench_results(&bench, first, out);
    assert_true(*(double *)out[0].data != *(double *)out[0].data && *(double *)out[1].data != *(double *)out[1].data);
    bench_results(&bench, later, out);
    assert_true(*(double *)out[0].data == 1 && *(double *)out[1].data == 2);
    assert_true(*(double *)out[2].data != *(double *)out[2].data);
    bench_stop(&bench);
}

/* --- all types -------------------------------------------------------------------------------------------------------
 */

#define LIST_MAX 12

/* What is defined over a type, plain, filtered and DISTINCT. */
static uint32_t make_list(struct vec_type type, struct exec_aggregate *list)
{
    static const enum exec_aggregate_kind kinds[] = {EXEC_COUNT,       EXEC_MIN,        EXEC_MAX,
                                                     EXEC_FIRST_VALUE, EXEC_LAST_VALUE, EXEC_SUM};
    uint32_t                              count = 0;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct vec_type result = kinds[i] == EXEC_COUNT                             ? vec_type_of(VEC_BIGINT)
                                 : kinds[i] == EXEC_SUM && type.kind == VEC_DECIMAL ? vec_type_decimal(38, type.scale)
                                                                                    : type;

        if (!exec_aggregate_supported(kinds[i], type)) {
            continue;
        }
        list[count++] = over(kinds[i], result);
        list[count] = over(kinds[i], result);
        list[count].filter = i % 2 == 0 ? 1 : EXEC_NO_COLUMN;
        list[count++].distinct = kinds[i] == EXEC_COUNT || kinds[i] == EXEC_SUM;
    }
    return count;
}

/* Decimals stay small: the order of adding matters to sums that outgrow 38 digits. */
static void random_rows(struct bench *bench, struct prng *prng, struct vec_type type)
{
    for (int c = 0; c < 2; c++) {
        bench->vecs[c] = random_vec(&bench->rig.arena, prng, c == 0 ? type : vec_type_of(VEC_BOOLEAN), ROWS);
        for (int i = 0; c == 0 && type.kind == VEC_DECIMAL && type.precision > 18 && i < ROWS; i++) {
            ((vec_int128 *)bench->vecs[c].data)[i] >>= 20;
        }
        bench->vecs[c] = vec_verify_reshape(&bench->rig.arena, &bench->vecs[c], ROWS, prng_next(prng));
    }
}

static void assert_same_results(struct bench *bench, const void *a, const void *b, uint32_t count)
{
    struct vec left[LIST_MAX], right[LIST_MAX];

    bench_results(bench, a, left);
    bench_results(bench, b, right);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(vec_compare(&left[i], 0, &right[i], 0), 0);
    }
}

/* Rows given in one go, in small pieces, and to two states that are then merged: the same. */
static void merging_is_as_good_as_adding(void **state)
{
    struct vec_type types[SAMPLE_TYPES_MAX];
    size_t          type_count = sample_types(types);

    (void)state;
    for (size_t t = 0; t < type_count; t++) {
        struct exec_aggregate list[LIST_MAX];
        uint32_t              count = make_list(types[t], list);
        struct bench          bench;
        struct prng           prng;
        void                 *whole, *merged, *part, *copy;
        void                 *states[ROWS];
        size_t                spent;

        prng_init(&prng, t + 1);
        assert_true(count >= 2 && count <= LIST_MAX);
        bench_start(&bench, types[t], list, count);
        whole = bench_state(&bench);
        merged = bench_state(&bench);
        part = bench_state(&bench);
        copy = bench_state(&bench);
        for (int round = 0; round < 4; round++) {
            random_rows(&bench, &prng, types[t]);
            bench_update(&bench, whole, ROWS);
            for (int i = 0; i < ROWS; i++) {
                states[i] = i < ROWS / 3 ? merged : part;
            }
            assert_true(exec_aggregates_update(bench.store, &bench.chunk, states));
            assert_true(exec_aggregates_merge(bench.store, merged, bench.store, part));
            assert_same_results(&bench, whole, merged, count);
            exec_aggregates_drop(bench.store, part);
            for (size_t i = 0; i < exec_aggregates_bytes(bench.aggregates); i++) {
                assert_int_equal(((uint8_t *)part)[i], 0);
            }
        }
        assert_true(exec_aggregates_copy(bench.store, copy, whole));
        assert_same_results(&bench, whole, copy, count);
        exec_aggregates_drop(bench.store, copy);
        exec_aggregates_drop(bench.store, merged);
        exec_aggregates_drop(bench.store, whole);
        assert_int_equal(rig_state_rows(&bench.rig), 0); /* no value of DISTINCT is left */
        spent = 0;
        for (int round = 0; round < 200; round++) { /* and all memory is used again */
            bench_update(&bench, whole, ROWS);
            exec_aggregates_drop(bench.store, whole);
            spent = round == 99 ? exec_heap_bytes(bench.heap) : spent;
        }
        assert_int_equal(exec_heap_bytes(bench.heap), spent);
        bench_stop(&bench);
    }
}

static void values_of_distinct_may_be_many(void **state)
{
    struct vec_type       type = vec_type_of(VEC_BIGINT);
    struct exec_aggregate list[1] = {over(EXEC_COUNT, type)};
    struct bench          bench;
    struct vec            out[1];
    void                 *one, *two;

    (void)state;
    list[0].distinct = true;
    bench_start(&bench, type, list, 1);
    one = bench_state(&bench);
    two = bench_state(&bench);
    for (int64_t round = 0; round < 10; round++) {
        for (int64_t i = 0; i < VEC_ROWS_MAX; i++) {
            ((int64_t *)bench.vecs[0].data)[i] = round * VEC_ROWS_MAX + i / 2;
        }
        bench_update(&bench, round < 7 ? one : two, VEC_ROWS_MAX);
    }
    assert_true(exec_aggregates_merge(bench.store, two, bench.store, one)); /* more than one batch */
    bench_results(&bench, two, out);
    assert_int_equal(*(int64_t *)out[0].data, 10 * VEC_ROWS_MAX / 2);
    bench_results(&bench, one, out);
    assert_int_equal(*(int64_t *)out[0].data, 7 * VEC_ROWS_MAX / 2);
    bench_stop(&bench);
}

static void what_there_is_not(void **state)
{
    struct vec_field field = rig_field("x", vec_type_of(VEC_INT));
    struct vec_type  row = {.kind = VEC_ROW, .nullable = true, .child_count = 1, .children = &field};

    (void)state;
    assert_false(exec_aggregate_supported(EXEC_SUM, vec_type_of(VEC_VARCHAR)));
    assert_false(exec_aggregate_supported(EXEC_AVG, vec_type_of(VEC_DATE)));
    assert_false(exec_aggregate_supported(EXEC_SUM, vec_type_timestamp(VEC_TIMESTAMP, 3)));
    assert_false(exec_aggregate_supported(EXEC_MIN, row));
    assert_false(exec_aggregate_supported(EXEC_FIRST_VALUE, row));
    assert_true(exec_aggregate_supported(EXEC_COUNT, row));
    assert_true(exec_aggregate_supported(EXEC_MAX, vec_type_timestamp(VEC_TIMESTAMP, 9)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_wrap_in_their_own_width), cmocka_unit_test(integer_averages_are_cut),
        cmocka_unit_test(decimals_that_outgrow_38_digits),  cmocka_unit_test(decimal_averages_round_half_up),
        cmocka_unit_test(nan_is_neither_less_nor_greater),  cmocka_unit_test(merging_is_as_good_as_adding),
        cmocka_unit_test(values_of_distinct_may_be_many),   cmocka_unit_test(what_there_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
