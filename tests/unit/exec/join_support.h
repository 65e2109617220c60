/* join_support.h: two inputs for the joins' tests.
 *
 * Left: key (BIGINT), key2 (VARCHAR), time, value (BIGINT), text. Right: value, time, key2, key, text: other places.
 * Window joins read further columns: start and end, of both. */
#ifndef MILLRACE_JOIN_SUPPORT_H
#define MILLRACE_JOIN_SUPPORT_H

#include "tests/unit/exec/operator_support.h"

#include "compute/exec/exec_join.h"
#include "compute/exec/exec_window.h"

enum { LEFT_KEY, LEFT_KEY2, LEFT_TIME, LEFT_VALUE, LEFT_TEXT, LEFT_START, LEFT_END };
enum { RIGHT_VALUE, RIGHT_TIME, RIGHT_KEY2, RIGHT_KEY, RIGHT_TEXT, RIGHT_START, RIGHT_END };

static const uint32_t left_keys[] = {LEFT_KEY, LEFT_KEY2, LEFT_START, LEFT_END};
static const uint32_t right_keys[] = {RIGHT_KEY, RIGHT_KEY2, RIGHT_START, RIGHT_END};

static struct expr_maker join_maker;
static struct arena      join_arena;

/* left.value < right.value */
static inline const struct expr *join_condition(uint32_t left_count)
{
    struct expr *arguments[2];
    struct expr *call;

    arena_init(&join_arena, MEM_TEST, 16 * KIB, SIZE_MAX);
    join_maker = (struct expr_maker){.arena = &join_arena};
    arguments[0] = expr_column(&join_maker, LEFT_VALUE, vec_type_of(VEC_BIGINT));
    arguments[1] = expr_column(&join_maker, left_count + RIGHT_VALUE, vec_type_of(VEC_BIGINT));
    call = expr_call(&join_maker, "<", arguments, 2);
    assert_non_null(call);
    return call;
}

static inline void join_forget_condition(void)
{
    expr_maker_release(&join_maker);
    arena_deinit(&join_arena);
}

static inline void join_options(struct rig_options *options, enum exec_node_kind kind, const struct expr *condition)
{
    static struct vec_field outputs[RIG_COLUMNS_MAX];
    struct vec_field        left[] = {RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_TIME};
    struct vec_field        right[] = {RIG_NUMBER, RIG_TIME, RIG_TEXT, RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_TIME};
    uint32_t                count = kind == EXEC_WINDOW_JOIN ? 7 : 5;

    *options = (struct rig_options){.input_count = 2, .column_counts = {count, count}};
    memcpy(options->columns[0], left, sizeof(left));
    memcpy(options->columns[1], right, sizeof(right));
    memcpy(outputs, left, count * sizeof(*outputs));
    memcpy(outputs + count, right, count * sizeof(*outputs));
    options->node = (struct exec_node){.kind = kind,
                                       .column_count = 2 * count,
                                       .columns = outputs,
                                       .changes = EXEC_APPEND_ONLY,
                                       .join = {.key_count = kind == EXEC_WINDOW_JOIN ? 4 : 2,
                                                .left_keys = left_keys,
                                                .right_keys = right_keys,
                                                .condition = condition,
                                                .left_time = LEFT_TIME,
                                                .right_time = RIGHT_TIME,
                                                .left_start = LEFT_START,
                                                .left_end = LEFT_END,
                                                .right_start = RIGHT_START,
                                                .right_end = RIGHT_END}};
}

static inline struct rig_row join_random_row(struct prng *prng, uint32_t side, int64_t time_ms)
{
    struct rig_row row = {.change = VEC_INSERT};
    int64_t        key = prng_chance(prng, 1, 8) ? RIG_NULL : (int64_t)prng_below(prng, 4);
    int64_t        key2 = prng_chance(prng, 1, 8) ? RIG_NULL : (int64_t)prng_below(prng, 2);
    int64_t        value = prng_chance(prng, 1, 8) ? RIG_NULL : (int64_t)prng_below(prng, 10);
    int64_t        text = prng_chance(prng, 1, 8) ? RIG_NULL : (int64_t)prng_below(prng, 1000);
    int64_t        time_us = time_ms * 1000 + (int64_t)prng_below(prng, 1000);

    row.cells[side == EXEC_LEFT ? LEFT_KEY : RIGHT_KEY] = key;
    row.cells[side == EXEC_LEFT ? LEFT_KEY2 : RIGHT_KEY2] = key2;
    row.cells[side == EXEC_LEFT ? LEFT_VALUE : RIGHT_VALUE] = value;
    row.cells[side == EXEC_LEFT ? LEFT_TEXT : RIGHT_TEXT] = text;
    row.cells[side == EXEC_LEFT ? LEFT_TIME : RIGHT_TIME] = time_us;
    return row;
}

static inline bool join_keys_match(const struct rig_row *left, const struct rig_row *right)
{
    return left->cells[LEFT_KEY] != RIG_NULL && left->cells[LEFT_KEY2] != RIG_NULL &&
           left->cells[LEFT_KEY] == right->cells[RIGHT_KEY] && left->cells[LEFT_KEY2] == right->cells[RIGHT_KEY2];
}

static inline bool join_condition_holds(const struct rig_row *left, const struct rig_row *right)
{
    return left->cells[LEFT_VALUE] != RIG_NULL && right->cells[RIGHT_VALUE] != RIG_NULL &&
           left->cells[LEFT_VALUE] < right->cells[RIGHT_VALUE];
}

static inline struct rig_row join_pair(const struct rig_row *left, const struct rig_row *right, uint32_t count)
{
    struct rig_row pair = {.change = VEC_INSERT};

    memcpy(pair.cells, left->cells, count * sizeof(*pair.cells));
    memcpy(pair.cells + count, right->cells, count * sizeof(*pair.cells));
    return pair;
}

#endif
