/* exec_aggregate_internal.h: accumulators from within: what exec_aggregate.c, exec_aggregate_kernel.c and
 * exec_distinct.c share. */
#ifndef MILLRACE_EXEC_AGGREGATE_INTERNAL_H
#define MILLRACE_EXEC_AGGREGATE_INTERNAL_H

#include "compute/exec/exec_aggregate.h"
#include "core/base/check.h"

#define EXEC_NO_FILTER UINT32_MAX
#define EXEC_NO_SET    UINT32_MAX
#define EXEC_SET_MASKS 64 /* FILTERs that share one set of DISTINCT values */

/* Rows of a chunk and the state that each goes to. rows NULL: 0 .. count - 1. */
struct exec_picks {
    const uint16_t *rows;
    void *const    *states;
    uint32_t        count;
};

struct exec_accumulator;

/* Adds argument values to states; argument NULL: COUNT(*). */
typedef bool exec_accumulate_fn(const struct exec_accumulator *accumulator, struct exec_heap *heap,
                                const struct vec *argument, struct exec_picks picks);

/* One aggregate. Its slot and its bit in the state: "a value came", for AVG of DECIMAL "the sum outgrew 38 digits". */
struct exec_accumulator {
    struct exec_aggregate aggregate;
    struct vec_type       argument_type;
    enum vec_layout       layout; /* of the argument */
    uint32_t              slot;   /* offset of the value; of the sum for AVG */
    uint32_t              count;  /* AVG: offset of the count */
    uint32_t              seen;   /* offset of a uint64_t */
    uint64_t              seen_bit;
    uint32_t              filter; /* in filters, or EXEC_NO_FILTER */
    uint32_t              set;    /* DISTINCT: in sets, or EXEC_NO_SET */
    uint32_t              set_bit;
    exec_accumulate_fn   *accumulate;
};

/* A FILTER column, and the rows that passed it in the chunk at hand. */
struct exec_filter {
    uint32_t  column;
    uint16_t *rows;
    uint16_t *places; /* in the selection */
    void    **states;
    uint32_t  count;
};

/* DISTINCT over one argument: a table from (group, value) to the filters under which the value was seen. */
struct exec_distinct_set {
    uint32_t           argument;
    struct vec_type    type;
    struct exec_layout layout; /* BIGINT, the argument */
    uint32_t           first;  /* offset in the state: the list of its entries */
    uint32_t           bit_count;
    uint32_t           filters[EXEC_SET_MASKS]; /* of each bit */
};

struct exec_aggregates {
    uint32_t                  count;
    struct exec_accumulator  *accumulators;
    uint32_t                  filter_count;
    struct exec_filter       *filters;
    uint32_t                  set_count;
    struct exec_distinct_set *sets;
    uint32_t                  group_id; /* offset in the state: a number of its own, when there are sets */
    uint32_t                  state_bytes;
    bool                      owns_texts;
    struct exec_work         *work; /* when there are sets */
};

/* Room for the rows of one chunk. */
struct exec_work {
    uint64_t hashes[VEC_ROWS_MAX], key_hashes[VEC_ROWS_MAX], fresh[VEC_ROWS_MAX];
    void    *entries[VEC_ROWS_MAX], *states[VEC_ROWS_MAX], *picked[VEC_ROWS_MAX];
    uint16_t rows[VEC_ROWS_MAX], picked_rows[VEC_ROWS_MAX];
    int64_t  ids[VEC_ROWS_MAX];
};

struct exec_aggregate_store {
    const struct exec_aggregates *aggregates;
    struct exec_heap             *heap;
    uint64_t                      last_group_id;
    struct exec_table            *tables[]; /* one per set */
};

/* exec_aggregate_kernel.c */
exec_accumulate_fn *exec__accumulate_kernel(enum exec_aggregate_kind kind, struct vec_type argument);
/* Bytes of the value's slot. */
uint32_t exec__accumulator_width(enum exec_aggregate_kind kind, struct vec_type argument);
bool     exec__accumulator_owns_text(const struct exec_accumulator *accumulator);
bool     exec__accumulator_merge(const struct exec_accumulator *accumulator, struct exec_heap *heap, void *into,
                                 const void *from);
void     exec__accumulator_result(const struct exec_accumulator *accumulator, const void *const *states, size_t count,
                                  struct arena *arena, struct vec *out);

/* exec_distinct.c */
bool exec__distinct_update(struct exec_aggregate_store *store, uint32_t set, const struct vec_chunk *chunk,
                           void *const *states);
bool exec__distinct_merge(struct exec_aggregate_store *store, uint32_t set, void *into,
                          const struct exec_aggregate_store *from_store, const void *from);
void exec__distinct_drop(struct exec_aggregate_store *store, uint32_t set, void *state);

static inline bool exec__seen(const struct exec_accumulator *accumulator, const void *state)
{
    const uint64_t *word = (const uint64_t *)(const void *)((const uint8_t *)state + accumulator->seen);

    return (*word & accumulator->seen_bit) != 0;
}

static inline void exec__set_seen(const struct exec_accumulator *accumulator, void *state, bool seen)
{
    uint64_t *word = (uint64_t *)(void *)((uint8_t *)state + accumulator->seen);

    *word = seen ? *word | accumulator->seen_bit : *word & ~accumulator->seen_bit;
}

#endif
