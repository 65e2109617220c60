/* Windows that fire in pieces: what comes meanwhile waits and comes in order, and nothing takes longer than a piece. */
#include "tests/unit/exec/window_model.h"

#include "compute/exec/exec_hold.h"

#define KEYS       1000
#define PIECE_ROWS 100

static void start(struct rig *rig, enum exec_window_kind kind)
{
    struct exec_window window = {.kind = kind, .size_ms = 10, .slide_ms = 5};
    struct rig_options options;

    model_options(&options, &window);
    options.piece_rows = PIECE_ROWS;
    rig_start(rig, &options);
}

/* One row of each key, at a time. */
static bool push_keys(struct rig *rig, int64_t time_ms)
{
    static struct rig_row rows[KEYS];
    struct arena          arena;
    struct vec            columns[MODEL_INPUTS];
    struct vec_chunk      chunk = {
             .row_count = KEYS, .selected_count = KEYS, .column_count = MODEL_INPUTS, .columns = columns};
    bool good;

    arena_init(&arena, MEM_TEST, 256 * KIB, SIZE_MAX);
    for (uint32_t c = 0; c < MODEL_INPUTS; c++) {
        columns[c] = vec_make(&arena, rig->nodes[0].columns[c].type);
        for (int64_t i = 0; i < KEYS; i++) {
            rows[i] = (struct rig_row){.cells = {i, 2, time_ms * 1000, i, 4}};
            rig_set_cell(&arena, &columns[c], (size_t)i, rows[i].cells[c]);
        }
    }
    good = exec__emit(rig->worker->ops[0], &chunk);
    arena_deinit(&arena);
    return good;
}

static bool tell(struct rig *rig, int64_t watermark_ms)
{
    exec__fire_refill(rig->worker);
    return exec__emit_watermark(rig->worker->ops[0], watermark_ms * 1000);
}

/* Steps to the end; no step puts out more than two chunks of a piece. Returns how many there were. */
static uint32_t step_through(struct rig *rig)
{
    uint32_t steps = 0;

    for (; rig->worker->holding_count > 0; steps++) {
        size_t before = rig->out.count;

        assert_int_equal(exec_worker_step(rig->worker), EXEC_BUSY);
        assert_in_range(rig->out.count - before, 0, 2 * PIECE_ROWS);
    }
    assert_int_equal(exec_worker_step(rig->worker), EXEC_IDLE);
    return steps;
}

static void a_window_fires_in_pieces(void **state)
{
    static const enum exec_window_kind kinds[] = {EXEC_TUMBLE, EXEC_HOP, EXEC_CUMULATE, EXEC_SESSION};

    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct rig rig;

        start(&rig, kinds[k]);
        assert_true(push_keys(&rig, 1));
        assert_true(push_keys(&rig, 7));
        assert_true(tell(&rig, 1000));
        assert_int_equal(rig.worker->holding_count, 1);
        assert_in_range(rig.out.count, 0, 2 * PIECE_ROWS);
        assert_int_equal(rig_op(&rig)->watermark_us, EXEC_WATERMARK_NONE); /* behind what it fired */
        assert_true(step_through(&rig) >= KEYS / PIECE_ROWS - 1);
        assert_int_equal(rig_op(&rig)->watermark_us, 1000000);
        assert_true(rig.out.count >= KEYS);
        assert_int_equal(rig_state_rows(&rig), 0);
        rig_stop(&rig);
    }
}

/* Late is who comes behind the watermark, not behind the pieces; a watermark that waits fires in its turn. */
static void what_comes_meanwhile_waits(void **state)
{
    struct rig rig;

    (void)state;
    start(&rig, EXEC_TUMBLE);
    assert_true(push_keys(&rig, 1));
    assert_true(push_keys(&rig, 12));
    assert_true(tell(&rig, 9));
    assert_true(push_keys(&rig, 15));
    assert_true(push_keys(&rig, 3)); /* late */
    assert_true(tell(&rig, 19));
    assert_true(push_keys(&rig, 25));
    assert_true(exec__deliver_finish(rig_op(&rig)));
    assert_int_equal(rig_late(&rig), 0); /* nobody has looked so far */
    assert_int_equal(rig_op(&rig)->stats.rows_in, 5 * KEYS);
    (void)step_through(&rig);
    assert_int_equal(rig_late(&rig), KEYS);
    assert_int_equal(rig.out.count, 2 * KEYS);
    for (uint32_t i = 0; i < 2 * KEYS; i++) {
        assert_int_equal(rig.out.items[i].cells[2], i < KEYS ? 1 : 2); /* rows of the key */
        assert_int_equal(rig.out.items[i].cells[6], i < KEYS ? 0 : 10000);
    }
    assert_int_equal(rig_op(&rig)->watermark_us, 19000);
    assert_int_equal(rig_state_rows(&rig), 2 * KEYS); /* of the last window: keys, and a value of DISTINCT each */
    rig_stop(&rig);
}

/* The clock goes on while a window of the clock fires. */
static void the_clock_does_not_wait(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10, .is_processing_time = true};
    struct rig_options options;
    struct rig         rig;

    (void)state;
    model_options(&options, &window);
    options.piece_rows = PIECE_ROWS;
    rig_start(&rig, &options);
    assert_true(exec_worker_time(rig.worker, 1001));
    assert_true(push_keys(&rig, 0));
    assert_true(exec_worker_time(rig.worker, 1010));
    assert_in_range(rig.out.count, 1, PIECE_ROWS);
    assert_true(exec_worker_time(rig.worker, 1025));
    assert_true(push_keys(&rig, 0)); /* waits: into the window of 1025 */
    assert_true(step_through(&rig) >= KEYS / PIECE_ROWS - 1);
    assert_int_equal(rig.out.count, KEYS);
    assert_true(exec_worker_time(rig.worker, 1030));
    (void)step_through(&rig);
    assert_int_equal(rig.out.count, 2 * KEYS);
    assert_int_equal(rig.out.items[KEYS].cells[6], 1020000);
    rig_stop(&rig);
}

/* What waits is paid for, and gone with the job. */
static void copies_count_against_the_budget(void **state)
{
    struct exec_window window = {.kind = EXEC_TUMBLE, .size_ms = 10};
    struct rig_options options;
    struct rig         rig;
    uint32_t           pushed = 0;

    (void)state;
    model_options(&options, &window);
    options.piece_rows = PIECE_ROWS;
    options.memory_bytes_max = 4 * MIB;
    rig_start(&rig, &options);
    assert_true(push_keys(&rig, 1));
    assert_true(tell(&rig, 9));
    while (pushed < 1000 && push_keys(&rig, 12)) {
        pushed++;
    }
    assert_in_range(pushed, 2, 999);
    assert_non_null(strstr(rig_failure(&rig), "budget"));
    assert_int_equal(exec_worker_step(rig.worker), EXEC_FAILED);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_fires_in_pieces),
        cmocka_unit_test(what_comes_meanwhile_waits),
        cmocka_unit_test(the_clock_does_not_wait),
        cmocka_unit_test(copies_count_against_the_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
