/* UNNEST against the arrays themselves. */
#include "tests/unit/exec/graph_support.h"

#define ROWS 300

/* What is expected of a row: -1 stands for a null element. */
struct list {
    int64_t items[400];
    int     count; /* -1: the array is null */
};

static struct list lists[ROWS];

static struct vec make_arrays(struct arena *arena, struct vec_type type, struct prng *prng, bool with_long)
{
    struct vec  vec = vec_make(arena, type);
    struct vec  elements = vec_make_rows(arena, type.children[0].type, 20000);
    bool        is_row = elements.type.kind == VEC_ROW;
    struct vec *numbers = is_row ? &elements.children[0] : &elements;
    uint32_t    at = 5; /* some that belong to nobody */

    for (size_t row = 0; row < ROWS; row++) {
        struct list *list = &lists[row];

        list->count = (int)prng_below(prng, with_long && row == 7 ? 400 : 6) - 1;
        if (list->count < 0) {
            vec_bit_clear(vec_need_validity(&vec, arena), row);
            continue;
        }
        ((struct vec_list *)vec.data)[row] = (struct vec_list){.offset = at, .len = (uint32_t)list->count};
        for (int i = 0; i < list->count; i++, at++) {
            list->items[i] = prng_chance(prng, 1, 6) ? -1 : (int64_t)prng_below(prng, 1000);
            ((int64_t *)numbers->data)[at] = list->items[i];
            if (is_row) {
                rig_set_cell(arena, &elements.children[1], at, list->items[i]);
            }
            if (list->items[i] == -1) {
                vec_bit_clear(vec_need_validity(&elements, arena), at);
                for (int c = 0; is_row && c < 2; c++) {
                    vec_bit_clear(vec_need_validity(&elements.children[c], arena), at);
                }
            }
        }
    }
    vec.children[0] = elements;
    vec.child_rows = at;
    return vec;
}

struct sample {
    struct graph      graph;
    struct exec_node *scan;
    struct vec_type   array;
    bool              is_row, with_ordinality, keeps_unmatched;
};

static bool write_rows(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                       size_t message_capacity)
{
    struct sample *sample = context;

    (void)worker;
    (void)sink;
    (void)message;
    (void)message_capacity;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        size_t            row = vec_chunk_row(chunk, i);
        struct rig_row    out = {.cells = {rig_cell(&chunk->columns[0], row), rig_cell(&chunk->columns[2], row)}};
        const struct vec *last = &chunk->columns[chunk->column_count - 1];
        struct vec_access access = vec_access_of(last);

        if (sample->is_row) {
            assert_int_equal(rig_cell(&chunk->columns[3], row), out.cells[1]);
        }
        if (sample->with_ordinality) {
            out.cells[2] =
                vec_is_null(last, row) ? RIG_NULL : ((const int32_t *)access.data)[vec_access_at(&access, row)];
        }
        rows_add(&sample->graph.out[0], &out);
    }
    return true;
}

static void check_row(const struct sample *sample, size_t at, int64_t row, int64_t value, int64_t ordinality)
{
    const struct rig_row *out = &sample->graph.out[0].items[at];

    assert_true(at < sample->graph.out[0].count);
    assert_int_equal(out->cells[0], row);
    assert_int_equal(out->cells[1], value);
    if (sample->with_ordinality) {
        assert_int_equal(out->cells[2], ordinality);
    }
}

static void check(uint64_t seed, bool is_row)
{
    struct sample    sample = {.is_row = is_row};
    struct vec_field fields[2] = {RIG_NUMBER, RIG_TEXT};
    struct vec_field element = RIG_NUMBER;
    struct vec_field columns[5];
    struct vec       vecs[2];
    struct vec_chunk chunk = {.row_count = ROWS, .selected_count = ROWS, .column_count = 2, .columns = vecs};
    struct prng      prng;
    uint32_t         count = is_row ? 4 : 3;
    size_t           at = 0;

    prng_init(&prng, seed);
    sample.with_ordinality = prng_chance(&prng, 1, 2);
    sample.keeps_unmatched = prng_chance(&prng, 1, 2);
    if (is_row) {
        element.type = (struct vec_type){.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = fields};
    }
    sample.array = (struct vec_type){.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = &element};
    columns[0] = RIG_NUMBER;
    columns[1] = rig_field("a", sample.array);
    columns[2] = RIG_NUMBER;
    columns[3] = RIG_TEXT;
    columns[count] = rig_field("o", vec_type_of(VEC_INT));
    graph_init(&sample.graph);
    sample.scan = graph_scan(&sample.graph, columns, 2);
    graph_sink(&sample.graph, graph_add(&sample.graph,
                                        (struct exec_node){.kind = EXEC_UNNEST,
                                                           .column_count = count + sample.with_ordinality,
                                                           .columns = columns,
                                                           .unnest = {.column = 1,
                                                                      .with_ordinality = sample.with_ordinality,
                                                                      .keeps_unmatched = sample.keeps_unmatched}},
                                        sample.scan, NULL));
    graph_start(&sample.graph, (struct exec_options){.rows_max = seed % 3 == 0 ? 0 : 1 + (uint32_t)seed,
                                                     .verify_seed = seed % 2 == 0 ? seed : 0,
                                                     .sink = {.write = write_rows, .context = &sample}});
    graph_input(&sample.graph, sample.scan, 0, NULL, 0);
    vecs[0] = vec_make(&sample.graph.arena, vec_type_of(VEC_BIGINT));
    for (int64_t i = 0; i < ROWS; i++) {
        ((int64_t *)vecs[0].data)[i] = i;
    }
    vecs[1] = make_arrays(&sample.graph.arena, sample.array, &prng, true);
    assert_true(exec_worker_push(exec_job_worker(sample.graph.job, 0), 0, 0, &chunk));
    for (int64_t row = 0; row < ROWS; row++) {
        bool matched = false;

        for (int i = 0; i < lists[row].count; i++) {
            int64_t value = lists[row].items[i] == -1 ? RIG_NULL : lists[row].items[i];

            /* A ROW that is null gives no row. */
            if (!is_row || value != RIG_NULL) {
                check_row(&sample, at++, row, value, i + 1);
                matched = true;
            }
        }
        if (!matched && sample.keeps_unmatched) {
            check_row(&sample, at++, row, RIG_NULL, RIG_NULL);
        }
    }
    assert_int_equal(sample.graph.out[0].count, at);
    graph_free(&sample.graph);
}

static void a_row_per_element(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        check(seed, false);
        check(seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_per_element)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
