/* micro.h: micro benchmarks in C under Google Benchmark, which is C++: this header is read by both.
 *
 * A row names what is measured and for which sizes. prepare() makes the state, run() does the work `turns` times in a
 * loop of its own (so the harness costs nothing per turn), finish() takes it down. All on one thread; a row may start
 * others. */
#ifndef MILLRACE_BENCH_MICRO_H
#define MILLRACE_BENCH_MICRO_H

#include <stdint.h>

#define MICRO_SIZES_MAX 8
#define MICRO_REAL_TIME 1000 /* as kind: what counts is the time that passes, not this thread's CPU */

struct micro {
    int64_t  size; /* of this run; what it counts is the row's affair */
    void    *state;
    uint64_t bytes_per_turn; /* set by prepare(): 0, or a rate is shown */
    uint64_t items_per_turn;
};

struct micro_row {
    const char *name;                   /* "room/what"; NULL ends a table */
    int64_t     kind;                   /* for rows that share functions */
    int64_t     sizes[MICRO_SIZES_MAX]; /* ended by 0 */
    void (*prepare)(struct micro *micro, int64_t kind);
    void (*run)(struct micro *micro, uint64_t turns);
    void (*finish)(struct micro *micro);
};

extern const struct micro_row micro_base_rows[];
extern const struct micro_row micro_record_rows[];
extern const struct micro_row micro_proto_rows[];
extern const struct micro_row micro_store_rows[];
extern const struct micro_row micro_io_rows[];

/* Makes the compiler believe that `value` is used. */
static inline void micro_use(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
