/* exec_aggregate.h: accumulators: the aggregates of a GROUP or WINDOW_GROUP over states of fixed size.
 *
 * A *state* is exec_aggregates_bytes() bytes, 16-byte aligned, in the payload of a table's entry or wherever an
 * operator keeps it; all zero is the state of a group without rows. It must not be moved or copied but by the functions
 * here: it may own texts (MIN, MAX, FIRST_VALUE and LAST_VALUE of texts) and values of DISTINCT. Those live in a
 * *store*, which belongs to a heap: one per heap, and gone with it. States of one store must not be given to another,
 * but for exec_aggregates_merge().
 *
 * Semantics are Flink's (flink-table-planner, functions/aggfunctions): integers wrap in the type of the sum; a DECIMAL
 * sum that outgrows 38 digits becomes null, and the next value starts anew; AVG keeps BIGINT, DOUBLE or DECIMAL(38, s)
 * sums and truncates for integers; MIN and MAX take a value only when it compares less or greater, so a NaN that came
 * first stays; everything but COUNT is null until a value came; nulls and rows whose FILTER is not true are skipped.
 * Inputs are append-only: nothing is retracted. */
#ifndef MILLRACE_EXEC_AGGREGATE_H
#define MILLRACE_EXEC_AGGREGATE_H

#include "compute/exec/exec_row.h"

struct exec_aggregates;      /* what to compute: one per operator, from the worker's arena */
struct exec_aggregate_store; /* texts and DISTINCT values of the states on one heap */

/* The planner asks: is there such an aggregate over this type? */
bool exec_aggregate_supported(enum exec_aggregate_kind kind, struct vec_type argument);
/* columns: of the input. Everything made comes from the arena. */
struct exec_aggregates *exec_aggregates_make(struct arena *arena, const struct exec_aggregate *aggregates,
                                             uint32_t count, const struct vec_field *columns);
size_t                  exec_aggregates_bytes(const struct exec_aggregates *aggregates);
/* NULL: the heap is spent. */
struct exec_aggregate_store *exec_aggregate_store_create(const struct exec_aggregates *aggregates,
                                                         struct exec_heap             *heap);

/* Adds the chunk's i-th selected row to states[i]. A state may occur often. False: the heap is spent. */
MUST_USE bool exec_aggregates_update(struct exec_aggregate_store *store, const struct vec_chunk *chunk,
                                     void *const *states);
/* Adds what `from`, a state of from_store, has to `into`, which came first. `from` stays as it is. */
MUST_USE bool exec_aggregates_merge(struct exec_aggregate_store *store, void *into,
                                    const struct exec_aggregate_store *from_store, const void *from);
/* A copy that is good for exec_aggregates_results() and _drop() only (no DISTINCT values). `to` is zero before. */
MUST_USE bool exec_aggregates_copy(struct exec_aggregate_store *store, void *to, const void *from);
/* Gives back what the state owns; it is zero afterwards. */
void exec_aggregates_drop(struct exec_aggregate_store *store, void *state);
/* Results of count <= VEC_ROWS_MAX states, one vector per aggregate, row i of states[i]. Texts are the states' own. */
void exec_aggregates_results(const struct exec_aggregates *aggregates, const void *const *states, size_t count,
                             struct arena *arena, struct vec *out);

/* A state as bytes, with its texts and the number that its values of DISTINCT go by. */
void exec_aggregates_put(const struct exec_aggregate_store *store, const void *state, struct exec_bytes *out);
/* Into a state that is zero. False: damage, or the heap is spent (the job has then failed). It may be dropped in any
 * case. */
MUST_USE bool exec_aggregates_take(struct exec_aggregate_store *store, struct exec_reader *reader, void *state);

/* Values of DISTINCT are records of their own, so that a group with millions need not be written whole when one comes:
 * those of all states of the store in tables first, first + 1, .., one per set (exec_aggregate_store_tables()), their
 * keys behind a prefix. */
uint32_t exec_aggregate_store_tables(const struct exec_aggregate_store *store);
/* From now on changes of sets are noted, for _save(). */
void          exec_aggregate_store_track(struct exec_aggregate_store *store);
MUST_USE bool exec_aggregate_store_save(struct exec_aggregate_store *store, struct exec_save *save, uint32_t first,
                                        struct view prefix);
/* The key is what stands behind the prefix. */
MUST_USE bool exec_aggregate_store_load(struct exec_aggregate_store *store, uint32_t set, struct exec_reader *key,
                                        struct exec_reader *value);
/* Behind the last record: puts states and values together. next: the store's states one after the other, then NULL. */
typedef void *exec_next_state_fn(void *walk);
MUST_USE bool exec_aggregate_store_link(struct exec_aggregate_store *store, exec_next_state_fn *next, void *walk);
/* For states at the beginning of the payloads of a table's entries. */
struct exec_table_walk {
    const struct exec_table *table;
    void                    *entry; /* NULL: before the first */
};
void *exec_next_state_of_table(void *walk);

#endif
