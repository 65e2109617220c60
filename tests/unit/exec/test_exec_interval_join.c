/* The interval join against Flink's way (TimeIntervalJoin) spelled out over unsorted lists, late rows included; and
 * against nested loops where nothing is late; with crashes between (exec_interval_state.c). */
#include "tests/unit/exec/join_support.h"

#include "compute/exec/exec_hold.h"

#define KEYS_MAX 16
#define ROWS_MAX 1024

struct cached {
    struct rig_row row;
    int64_t        time_ms;
};

struct cache {
    struct cached rows[ROWS_MAX];
    size_t        count;
    bool          has_timer;
    int64_t       timer_ms;
};

struct model_key {
    int64_t      key, key2;
    struct cache caches[2];
};

struct model {
    struct model_key *keys;
    size_t            key_count;
    int64_t           reach_ms[2]; /* Flink: leftRelativeSize, rightRelativeSize */
    int64_t           expired_ms[2];
    int64_t           time_ms;
    bool              has_condition;
    struct rig_rows   out;
};

static int64_t time_of(const struct rig_row *row, uint32_t side)
{
    return exec_floor_div(row->cells[side == EXEC_LEFT ? LEFT_TIME : RIGHT_TIME], 1000);
}

static struct model_key *key_of(struct model *model, int64_t key, int64_t key2)
{
    for (size_t i = 0; i < model->key_count; i++) {
        if (model->keys[i].key == key && model->keys[i].key2 == key2) {
            return &model->keys[i];
        }
    }
    assert_true(model->key_count < KEYS_MAX);
    model->keys[model->key_count].key = key;
    model->keys[model->key_count].key2 = key2;
    return &model->keys[model->key_count++];
}

static void remove_expired(struct model *model, struct cache *cache, uint32_t side)
{
    size_t kept = 0;

    for (size_t i = 0; i < cache->count; i++) {
        if (cache->rows[i].time_ms > model->expired_ms[side]) {
            cache->rows[kept++] = cache->rows[i];
        }
    }
    cache->count = kept;
}

static int64_t expired_by_now(const struct model *model, uint32_t side)
{
    return model->time_ms == INT64_MAX ? INT64_MAX : model->time_ms - model->reach_ms[side] - 1;
}

static void pair_with(struct model *model, const struct cache *other, uint32_t side, const struct rig_row *row)
{
    int64_t time_ms = time_of(row, side);

    for (size_t i = 0; i < other->count; i++) {
        const struct rig_row *left = side == EXEC_LEFT ? row : &other->rows[i].row;
        const struct rig_row *right = side == EXEC_LEFT ? &other->rows[i].row : row;
        int64_t               other_ms = other->rows[i].time_ms;

        if (other_ms >= time_ms - model->reach_ms[1 - side] && other_ms <= time_ms + model->reach_ms[side] &&
            (!model->has_condition || join_condition_holds(left, right))) {
            struct rig_row pair = join_pair(left, right, 5);

            rows_add(&model->out, &pair);
        }
    }
}

static void model_push(struct model *model, uint32_t side, const struct rig_row *row)
{
    int64_t           key = row->cells[side == EXEC_LEFT ? LEFT_KEY : RIGHT_KEY];
    int64_t           key2 = row->cells[side == EXEC_LEFT ? LEFT_KEY2 : RIGHT_KEY2];
    int64_t           most_ms = time_of(row, side) + model->reach_ms[side];
    struct model_key *entry;
    struct cache     *own;

    if (key == RIG_NULL || key2 == RIG_NULL) {
        return;
    }
    entry = key_of(model, key, key2);
    if (model->expired_ms[1 - side] < most_ms) {
        model->expired_ms[1 - side] = expired_by_now(model, 1 - side);
        pair_with(model, &entry->caches[1 - side], side, row);
        remove_expired(model, &entry->caches[1 - side], 1 - side);
    }
    if (model->time_ms >= most_ms) {
        return;
    }
    own = &entry->caches[side];
    assert_true(own->count < ROWS_MAX);
    own->rows[own->count++] = (struct cached){.row = *row, .time_ms = time_of(row, side)};
    if (!own->has_timer) {
        own->has_timer = true;
        own->timer_ms = most_ms + 1;
    }
}

static void on_timer(struct model *model, struct cache *cache, uint32_t side)
{
    int64_t earliest_ms = INT64_MAX;

    model->expired_ms[side] = expired_by_now(model, side);
    remove_expired(model, cache, side);
    for (size_t i = 0; i < cache->count; i++) {
        earliest_ms = MIN(earliest_ms, cache->rows[i].time_ms);
    }
    cache->has_timer = cache->count > 0;
    cache->timer_ms = cache->has_timer ? earliest_ms + model->reach_ms[side] + 1 : 0;
}

static void model_advance(struct model *model, int64_t watermark_ms)
{
    model->time_ms = MAX(watermark_ms, 0);
    for (size_t i = 0; i < model->key_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            struct cache *cache = &model->keys[i].caches[side];

            while (cache->has_timer && cache->timer_ms <= model->time_ms) {
                on_timer(model, cache, side);
            }
        }
    }
}

struct setting {
    int64_t  lower_ms, upper_ms;
    uint64_t disorder_ms, delay_ms;
    bool     has_condition;
    uint64_t seed;
};

static void run(const struct setting *setting)
{
    static const uint32_t rows_max_choices[] = {1, 3, 50, VEC_ROWS_MAX};
    struct model model = {.reach_ms = {setting->upper_ms, -setting->lower_ms}, .has_condition = setting->has_condition};
    struct rig_options options;
    struct rig         rig;
    struct prng        prng;
    int64_t            time_ms = 500;
    int64_t            watermark_ms[2] = {0, 0};

    prng_init(&prng, setting->seed);
    model.keys = mem_alloc(MEM_TEST, KEYS_MAX * sizeof(*model.keys));
    join_options(&options, EXEC_INTERVAL_JOIN, setting->has_condition ? join_condition(5) : NULL);
    options.node.join.lower_ms = setting->lower_ms;
    options.node.join.upper_ms = setting->upper_ms;
    options.rows_max = rows_max_choices[prng_below(&prng, COUNT_OF(rows_max_choices))];
    options.verify_seed = prng_chance(&prng, 1, 2) ? 0 : 1 + prng_below(&prng, 1000);
    options.keeps_changes = setting->seed % 4 < 2;
    options.piece_rows = prng_chance(&prng, 1, 2) ? 0 : 1 + (uint32_t)prng_below(&prng, 2);
    rig_start(&rig, &options);
    for (int step = 0; step < 60; step++) {
        struct rig_row rows[20];
        uint32_t       count = 1 + (uint32_t)prng_below(&prng, COUNT_OF(rows));
        uint32_t       side = (uint32_t)prng_below(&prng, 2);
        int64_t        behind_ms = (int64_t)prng_below(&prng, setting->delay_ms + 1);

        for (uint32_t i = 0; i < count; i++) {
            time_ms += (int64_t)prng_below(&prng, 3);
            rows[i] = join_random_row(&prng, side, time_ms - (int64_t)prng_below(&prng, setting->disorder_ms + 1));
            model_push(&model, side, &rows[i]);
        }
        assert_true(rig_push(&rig, side, rows, count));
        side = (uint32_t)prng_below(&prng, 2);
        watermark_ms[side] = MAX(watermark_ms[side], time_ms - behind_ms);
        model_advance(&model, MIN(watermark_ms[0], watermark_ms[1]));
        assert_true(rig_watermark(&rig, side, watermark_ms[side] * 1000 + 999));
        assert_int_equal(rig.out.count, model.out.count);
        rig_perhaps_restart(&rig, &prng);
        if (options.keeps_changes && step == 40 && setting->seed % 5 == 0) {
            rig_load_damaged(&rig, &prng, 100);
        }
    }
    assert_true(rig.out.count > 0);
    assert_true(rig_watermark(&rig, 0, EXEC_WATERMARK_END));
    assert_true(rig_watermark(&rig, 1, EXEC_WATERMARK_END));
    rows_assert_same(&rig.out, &model.out);
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
    rows_free(&model.out);
    mem_free(MEM_TEST, model.keys);
    if (setting->has_condition) {
        join_forget_condition();
    }
}

static void test_random_rows(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 5);
    for (uint64_t seed = 1; seed <= 80; seed++) {
        struct setting setting = {.seed = seed, .has_condition = seed % 2 == 0};

        setting.lower_ms = (int64_t)prng_below(&prng, 80) - 40;
        setting.upper_ms = setting.lower_ms + (int64_t)prng_below(&prng, 60);
        setting.disorder_ms = prng_below(&prng, 150);
        setting.delay_ms = prng_below(&prng, 80);
        run(&setting);
    }
}

/* --- single cases --------------------------------------------------------------------------------------------------
 */

static void push_at(struct rig *rig, uint32_t side, int64_t time_ms)
{
    struct rig_row row = {.cells = {1, 1, 1, 1, 1}};

    row.cells[side == EXEC_LEFT ? LEFT_TIME : RIGHT_TIME] = time_ms * 1000;
    assert_true(rig_push(rig, side, &row, 1));
}

static void test_bounds_are_inclusive(void **state)
{
    struct rig_options options;
    struct rig         rig;

    (void)state;
    join_options(&options, EXEC_INTERVAL_JOIN, NULL);
    options.node.join.lower_ms = -10;
    options.node.join.upper_ms = 5;
    rig_start(&rig, &options);
    push_at(&rig, EXEC_LEFT, 100);
    push_at(&rig, EXEC_RIGHT, 89);
    push_at(&rig, EXEC_RIGHT, 106);
    assert_int_equal(rig.out.count, 0);
    push_at(&rig, EXEC_RIGHT, 90);
    push_at(&rig, EXEC_RIGHT, 105);
    assert_int_equal(rig.out.count, 2);
    rig_stop(&rig);
}

/* A late row meets what is still kept, but is not kept itself; the watermark goes out with the longer reach taken off.
 */
static void test_late_row(void **state)
{
    struct rig_options options;
    struct rig         rig;

    (void)state;
    join_options(&options, EXEC_INTERVAL_JOIN, NULL);
    options.node.join.lower_ms = -10;
    options.node.join.upper_ms = 5;
    rig_start(&rig, &options);
    push_at(&rig, EXEC_LEFT, 100);
    assert_true(rig_watermark(&rig, 0, 105000));
    assert_true(rig_watermark(&rig, 1, 105000));
    assert_int_equal(rig_op(&rig)->watermark_us, 95000);
    push_at(&rig, EXEC_RIGHT, 92); /* 13 behind: its lefts, 87 to 102, may be there, and one is */
    assert_int_equal(rig.out.count, 1);
    push_at(&rig, EXEC_LEFT, 93); /* the right row at 92 was not kept */
    assert_int_equal(rig.out.count, 1);
    assert_true(rig_watermark(&rig, 0, 106000));
    assert_true(rig_watermark(&rig, 1, 106000));
    assert_int_equal(rig_state_rows(&rig), 0);
    push_at(&rig, EXEC_RIGHT, 99);
    assert_int_equal(rig.out.count, 1);
    rig_stop(&rig);
}

static void test_empty_interval(void **state)
{
    struct rig_options options;
    struct rig         rig;

    (void)state;
    join_options(&options, EXEC_INTERVAL_JOIN, NULL);
    options.node.join.lower_ms = 5;
    options.node.join.upper_ms = 4;
    rig_start(&rig, &options);
    push_at(&rig, EXEC_LEFT, 100);
    push_at(&rig, EXEC_RIGHT, 105);
    assert_int_equal(rig.out.count, 0);
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
}

/* Rows with 300 partners each, in pieces of four: no step pairs more, rows and watermarks that come meanwhile wait. */
static void test_many_partners_come_in_pieces(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[300];
    struct vec         columns[RIG_COLUMNS_MAX];
    struct vec_chunk   chunk = {.row_count = 3, .selected_count = 3, .column_count = 5, .columns = columns};
    struct arena       arena;
    uint32_t           steps = 0;

    (void)state;
    join_options(&options, EXEC_INTERVAL_JOIN, NULL);
    options.node.join.lower_ms = -10;
    options.node.join.upper_ms = 10;
    options.piece_rows = 4;
    rig_start(&rig, &options);
    for (int64_t i = 0; i < 300; i++) {
        rows[i] = (struct rig_row){.cells = {1, 1, 1, 1, 1}};
        rows[i].cells[RIGHT_TIME] = 100 * 1000;
        rows[i].cells[RIGHT_VALUE] = i;
    }
    assert_true(rig_push(&rig, EXEC_RIGHT, rows, 300));
    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < 5; c++) {
        columns[c] = vec_make(&arena, rig.nodes[0].columns[c].type);
        for (size_t i = 0; i < 3; i++) {
            rig_set_cell(&arena, &columns[c], i, c == LEFT_TIME ? 105000 : c == LEFT_VALUE ? (int64_t)i : 1);
        }
    }
    exec__fire_refill(rig.worker);
    assert_true(exec__emit(rig.worker->ops[0], &chunk));
    arena_deinit(&arena); /* the chunk is gone */
    assert_true(exec__emit_watermark(rig.worker->ops[0], 200000));
    assert_true(exec__emit_watermark(rig.worker->ops[1], 200000));
    assert_in_range(rig.out.count, 1, 9 * 4);
    for (; rig.worker->holding_count > 0; steps++) {
        size_t before = rig.out.count;

        assert_true(rig.out.count == 900 || rig_state_rows(&rig) > 0);
        assert_int_equal(exec_worker_step(rig.worker), EXEC_BUSY);
        assert_in_range(rig.out.count - before, 0, 4);
    }
    assert_true(steps > 200);
    assert_int_equal(rig_op(&rig)->watermark_us, 190000);
    assert_int_equal(rig.out.count, 900);
    for (uint32_t i = 0; i < 900; i++) {
        assert_int_equal(rig.out.items[i].cells[LEFT_VALUE], i / 300);
        assert_int_equal(rig.out.items[i].cells[5 + RIGHT_VALUE], i % 300);
    }
    assert_int_equal(rig_state_rows(&rig), 0);
    rig_stop(&rig);
}

/* A worker that ends while a row is being paired gives back what it copied. */
static void test_an_end_between_two_pieces(void **state)
{
    struct rig_options options;
    struct rig         rig;
    struct rig_row     rows[100], row = {.cells = {1, 1, 1, 1, 1}};

    (void)state;
    join_options(&options, EXEC_INTERVAL_JOIN, NULL);
    options.node.join.lower_ms = -10;
    options.node.join.upper_ms = 10;
    options.piece_rows = 4;
    rig_start(&rig, &options);
    for (int64_t i = 0; i < 100; i++) {
        rows[i] = row;
    }
    assert_true(rig_push(&rig, EXEC_RIGHT, rows, 100));
    push_at(&rig, EXEC_LEFT, 0);
    assert_int_equal(rig.out.count, 100);
    {
        struct vec       columns[RIG_COLUMNS_MAX];
        struct vec_chunk chunk = {.row_count = 1, .selected_count = 1, .column_count = 5, .columns = columns};
        struct arena     arena;

        arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
        for (uint32_t c = 0; c < 5; c++) {
            columns[c] = vec_make(&arena, rig.nodes[0].columns[c].type);
            rig_set_cell(&arena, &columns[c], 0, 1);
        }
        assert_true(exec__emit(rig.worker->ops[0], &chunk));
        arena_deinit(&arena);
    }
    assert_int_equal(rig.worker->holding_count, 1);
    assert_int_equal(exec_worker_step(rig.worker), EXEC_BUSY);
    assert_in_range(rig.out.count, 101, 199);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rows),
        cmocka_unit_test(test_bounds_are_inclusive),
        cmocka_unit_test(test_late_row),
        cmocka_unit_test(test_empty_interval),
        cmocka_unit_test(test_many_partners_come_in_pieces),
        cmocka_unit_test(test_an_end_between_two_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
