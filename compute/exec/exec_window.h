/* exec_window.h: windows of time: which ones a row belongs to, when they fire, and how their results go out.
 *
 * All arithmetic is in milliseconds, as Flink's (TimeWindow, SliceAssigners): microseconds of a time column and of
 * watermarks are floored first. Windows are [start, end); windows of a kind are aligned to offset_ms since the epoch,
 * also before 1970.
 *
 * *Progress* is how far time got: floor(watermark) in event time, one millisecond before the driver's clock in
 * processing time (a row that arrives at `end` is not in the window any more, one at end - 1 is). A window has fired
 * when end - 1 <= progress. */
#ifndef MILLRACE_EXEC_WINDOW_H
#define MILLRACE_EXEC_WINDOW_H

#include "compute/exec/exec_aggregate.h"

#define EXEC_PROGRESS_NONE INT64_MIN
#define EXEC_PROGRESS_END  INT64_MAX

struct exec_window_span {
    int64_t start_ms, end_ms;
};

/* floor(value / divisor), divisor > 0. */
static inline int64_t exec_floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* The start of the aligned span of size_ms that time_ms lies in. */
static inline int64_t exec_window_floor(int64_t time_ms, int64_t offset_ms, int64_t size_ms)
{
    int64_t rest = (time_ms - offset_ms) % size_ms;

    return time_ms - (rest < 0 ? rest + size_ms : rest);
}

/* EXEC_WATERMARK_NONE and _END keep their meaning. */
static inline int64_t exec_window_progress(int64_t watermark_us)
{
    if (watermark_us == EXEC_WATERMARK_NONE || watermark_us == EXEC_WATERMARK_END) {
        return watermark_us;
    }
    return exec_floor_div(watermark_us, 1000);
}

static inline bool exec_window_has_fired(int64_t end_ms, int64_t progress_ms)
{
    return progress_ms == EXEC_PROGRESS_END || end_ms - 1 <= progress_ms;
}

/* Progress that comes back from saved state: the end of time does not, whoever had it comes to it again. */
static inline int64_t exec_window_lasting(int64_t progress_ms)
{
    return progress_ms == EXEC_PROGRESS_END ? EXEC_PROGRESS_NONE : progress_ms;
}

/* Milliseconds as a TIMESTAMP(3) stands in a vector; out of its range: the nearest that is in it. */
int64_t exec_window_us(int64_t time_ms);

/* How many TUMBLE, HOP or CUMULATE windows have a row of this time, and which: in Flink's order, HOP from the last to
 * the first, CUMULATE from the shortest to the longest. */
uint64_t                exec_window_count(const struct exec_window *window, int64_t time_ms);
struct exec_window_span exec_window_at(const struct exec_window *window, int64_t time_ms, uint64_t index);

/* Slices: spans that windows are made of, so that a row is added to one slice and not to every window: the greatest
 * common divisor of size and slide of a HOP, the step of a CUMULATE, the size of a TUMBLE. */
int64_t exec_window_slice_ms(const struct exec_window *window);
/* The windows that have the slice: the first of them that ends at `least_ms` or later. False: there is none. */
bool exec_window_next_of_slice(const struct exec_window *window, int64_t slice_start_ms, int64_t least_ms,
                               struct exec_window_span *out_span);
/* When the last of the slice's windows ends; before the slice's own end: it is in none (HOP, slide > size). */
int64_t exec_window_last_end(const struct exec_window *window, int64_t slice_start_ms);

/* The column as microseconds by row of the chunk: times[i] of the i-th selected row, nulls[i] where it is null (then
 * 0). True when there are nulls. The column's values are int64. */
bool exec_window_times(const struct vec *column, const struct vec_chunk *chunk, int64_t *times_us, bool *nulls);

/* --- results -------------------------------------------------------------------------------------------------------
 */

/* Rows of a WINDOW_GROUP on their way out: keys, aggregates, start, end, time. */
struct exec_window_output {
    struct exec_operator         *op;
    const struct exec_aggregates *aggregates;
    const struct exec_layout     *key;
    struct arena                  arena;
    uint32_t                      rows_max;
    uint32_t                      count;
    const void                   *keys[VEC_ROWS_MAX]; /* entries: they begin with the key's row */
    const void                   *states[VEC_ROWS_MAX];
    struct exec_window_span       spans[VEC_ROWS_MAX];
};

void exec_window_output_init(struct exec_window_output *output, struct exec_operator *op,
                             const struct exec_aggregates *aggregates, const struct exec_layout *key);
void exec_window_output_deinit(struct exec_window_output *output);
/* entry and state must stay until the output is sent. The caller sends when it is full. */
static inline void exec_window_output_add(struct exec_window_output *output, const void *entry, const void *state,
                                          struct exec_window_span span)
{
    output->keys[output->count] = entry;
    output->states[output->count] = state;
    output->spans[output->count] = span;
    output->count++;
}
static inline bool exec_window_output_is_full(const struct exec_window_output *output)
{
    return output->count == output->rows_max;
}
MUST_USE bool exec_window_output_send(struct exec_window_output *output);

/* --- the two ways to group (exec_window_group.c chooses) -----------------------------------------------------------
 */

struct exec_window_keys {
    struct exec_layout layout;
    const uint32_t    *columns;
};

/* Everything a WINDOW_GROUP shares between its forms. */
struct exec_window_group_op {
    struct exec_operator      op;
    struct arena              arena; /* as long as the operator */
    struct exec_layout        key;
    struct exec_aggregates   *aggregates;
    struct exec_window_output output;
    const struct vec        **key_vecs; /* of the chunk at hand */
    uint64_t                 *hashes;   /* by row */
    int64_t                  *times_us; /* by i */
    bool                     *nulls;
    int64_t                   progress_ms;
    int64_t                   target_ms;     /* while firing: progress behind it */
    int64_t                   passing_on_us; /* the watermark that goes on then; EXEC_WATERMARK_NONE: none */
    struct exec_slices       *slices;        /* every kind but SESSION */
    struct exec_sessions     *sessions;      /* SESSION */
};

struct exec_slices *exec_slices_create(struct exec_window_group_op *group);
void                exec_slices_destroy(struct exec_slices *slices);
MUST_USE bool       exec_slices_push(struct exec_slices *slices, const struct vec_chunk *chunk);
/* Fires what has ended by then; *out_done false: a piece of it, to be called again with the same progress. */
MUST_USE bool exec_slices_advance(struct exec_slices *slices, int64_t progress_ms, bool *out_done);
MUST_USE bool exec_slices_save(struct exec_slices *slices, struct exec_save *save);
MUST_USE bool exec_slices_load(struct exec_slices *slices, uint32_t table, struct exec_reader *key,
                               struct exec_reader *value);
/* Behind the last record. */
MUST_USE bool exec_slices_loaded(struct exec_slices *slices);

struct exec_sessions *exec_sessions_create(struct exec_window_group_op *group);
void                  exec_sessions_destroy(struct exec_sessions *sessions);
MUST_USE bool         exec_sessions_push(struct exec_sessions *sessions, const struct vec_chunk *chunk);
MUST_USE bool         exec_sessions_advance(struct exec_sessions *sessions, int64_t progress_ms, bool *out_done);
MUST_USE bool         exec_sessions_save(struct exec_sessions *sessions, struct exec_save *save);
MUST_USE bool         exec_sessions_load(struct exec_sessions *sessions, uint32_t table, struct exec_reader *key,
                                         struct exec_reader *value);
/* Behind the last record. */
MUST_USE bool exec_sessions_loaded(struct exec_sessions *sessions);

/* The chunk's keys into key_vecs and hashes, its times into times_us. False: a time is null (the operator failed). */
MUST_USE bool exec_window_group_read(struct exec_window_group_op *group, const struct vec_chunk *chunk);

#endif
