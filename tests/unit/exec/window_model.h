/* window_model.h: windowed aggregation row by row, for tests: every row is kept, every result computed from the rows.
 *
 * Input columns: key (BIGINT), key2 (VARCHAR), time, value (BIGINT), value2 (VARCHAR). Results: key, key2, COUNT(*),
 * SUM(value), COUNT(DISTINCT value), MIN(value2), start, end, time. */
#ifndef MILLRACE_WINDOW_MODEL_H
#define MILLRACE_WINDOW_MODEL_H

#include "tests/unit/exec/operator_support.h"

#include "compute/exec/exec_window.h"

enum { MODEL_KEY, MODEL_KEY2, MODEL_TIME, MODEL_VALUE, MODEL_VALUE2, MODEL_INPUTS };
enum { MODEL_RESULTS = 9 };

/* The rows of a key in a window. */
struct model_window {
    int64_t                 key, key2;
    struct exec_window_span span;
    int64_t                 values[1024], values2[1024];
    uint32_t                count;
    bool                    fired;
};

static inline void model_window_add(struct model_window *window, const struct rig_row *row)
{
    assert_true(window->count < COUNT_OF(window->values));
    window->values[window->count] = row->cells[MODEL_VALUE];
    window->values2[window->count] = row->cells[MODEL_VALUE2];
    window->count++;
}

static inline struct rig_row model_window_result(const struct model_window *window)
{
    struct rig_row out = {.cells = {window->key, window->key2, window->count, RIG_NULL, 0, RIG_NULL}};
    char           least[64] = "";

    for (uint32_t i = 0; i < window->count; i++) {
        bool    seen = false;
        char    text[64];
        int64_t value = window->values[i];

        if (value != RIG_NULL) {
            out.cells[3] = (out.cells[3] == RIG_NULL ? 0 : out.cells[3]) + value;
            for (uint32_t j = 0; j < i; j++) {
                seen |= window->values[j] == value;
            }
            out.cells[4] += !seen;
        }
        if (window->values2[i] != RIG_NULL) {
            rig_text(window->values2[i], text);
            if (out.cells[5] == RIG_NULL || strcmp(text, least) < 0) {
                out.cells[5] = window->values2[i];
                snprintf(least, sizeof(least), "%s", text);
            }
        }
    }
    out.cells[6] = window->span.start_ms * 1000;
    out.cells[7] = window->span.end_ms * 1000;
    out.cells[8] = (window->span.end_ms - 1) * 1000;
    return out;
}

/* --- the operator's side -------------------------------------------------------------------------------------------
 */

static inline void model_options(struct rig_options *options, const struct exec_window *window)
{
    static const uint32_t              keys[] = {MODEL_KEY, MODEL_KEY2};
    static const struct exec_aggregate aggregates[] = {
        {.kind = EXEC_COUNT_ROWS, .argument = EXEC_NO_COLUMN, .filter = EXEC_NO_COLUMN, .type = {.kind = VEC_BIGINT}},
        {.kind = EXEC_SUM,
         .argument = MODEL_VALUE,
         .filter = EXEC_NO_COLUMN,
         .type = {.kind = VEC_BIGINT, .nullable = true}},
        {.kind = EXEC_COUNT,
         .distinct = true,
         .argument = MODEL_VALUE,
         .filter = EXEC_NO_COLUMN,
         .type = {.kind = VEC_BIGINT}},
        {.kind = EXEC_MIN,
         .argument = MODEL_VALUE2,
         .filter = EXEC_NO_COLUMN,
         .type = {.kind = VEC_VARCHAR, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
    };
    static struct vec_field outputs[MODEL_RESULTS];
    struct vec_field        inputs[] = {RIG_NUMBER, RIG_TEXT, RIG_TIME, RIG_NUMBER, RIG_TEXT};
    struct vec_field        results[] = {RIG_NUMBER, RIG_TEXT, RIG_NUMBER, RIG_NUMBER, RIG_NUMBER,
                                         RIG_TEXT,   RIG_TIME, RIG_TIME,   RIG_TIME};

    memcpy(outputs, results, sizeof(outputs));
    *options = (struct rig_options){.input_count = 1, .column_counts = {MODEL_INPUTS}};
    memcpy(options->columns[0], inputs, sizeof(inputs));
    options->node = (struct exec_node){.kind = EXEC_WINDOW_GROUP,
                                       .column_count = MODEL_RESULTS,
                                       .columns = outputs,
                                       .changes = EXEC_APPEND_ONLY,
                                       .window_group = {.window = *window,
                                                        .key_count = COUNT_OF(keys),
                                                        .keys = keys,
                                                        .aggregate_count = COUNT_OF(aggregates),
                                                        .aggregates = aggregates}};
    options->node.window_group.window.time_column = MODEL_TIME;
}

static inline struct rig_row model_random_row(struct prng *prng, int64_t time_ms)
{
    struct rig_row row = {.cells = {(int64_t)prng_below(prng, 5), (int64_t)prng_below(prng, 3)}};

    if (prng_chance(prng, 1, 5)) {
        row.cells[MODEL_KEY + prng_below(prng, 2)] = RIG_NULL;
    }
    /* Fractions of milliseconds belong to the millisecond they began in. */
    row.cells[MODEL_TIME] = time_ms * 1000 + (int64_t)prng_below(prng, 1000);
    row.cells[MODEL_VALUE] = prng_chance(prng, 1, 6) ? RIG_NULL : (int64_t)prng_below(prng, 6) - 2;
    row.cells[MODEL_VALUE2] = prng_chance(prng, 1, 6) ? RIG_NULL : (int64_t)prng_below(prng, 9);
    return row;
}

#endif
