/* exec_row.h: rows at rest: how operators keep rows and keys, and the hash table over them.
 *
 * A stored row is a run of bytes: null bits, then one slot per leaf column (fields of ROW columns are leaves of their
 * own), fixed width by layout; texts are struct vec_string that point into the row's own heap copy. ARRAY values are
 * kept as one text in an encoding of this file. Writing copies everything, reading gathers rows into FLAT vectors whose
 * texts point at the stored bytes.
 *
 * Memory. A heap belongs to one operator of one worker, hands out and takes back rows and texts by size class, counts
 * its bytes, and refuses when the job's budget is spent (the operator's failure is then set). */
#ifndef MILLRACE_EXEC_ROW_H
#define MILLRACE_EXEC_ROW_H

#include "compute/exec/exec_internal.h"

/* --- memory --------------------------------------------------------------------------------------------------------
 */

struct exec_heap;

struct exec_heap *exec_heap_create(struct exec_operator *op);
void              exec_heap_destroy(struct exec_heap *heap);
/* 8-byte aligned (16 for rows with int128), not cleared; NULL after exec__fail(). */
void  *exec_heap_take(struct exec_heap *heap, size_t bytes);
void   exec_heap_give(struct exec_heap *heap, void *base, size_t bytes);
size_t exec_heap_bytes(const struct exec_heap *heap);

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

struct exec_layout {
    uint32_t               column_count;
    const struct vec_type *types;
    uint32_t               leaf_count;
    uint32_t               row_bytes; /* slots and null bits, without texts */
    bool                   has_texts;
    struct exec_leaf      *leaves;
};

/* types are copied into the arena. */
struct exec_layout exec_layout_make(struct arena *arena, const struct vec_type *types, uint32_t column_count);
/* The row `row` of columns into base (row_bytes of room). False: the heap is spent. */
MUST_USE bool exec_row_write(const struct exec_layout *layout, struct exec_heap *heap, void *base,
                             const struct vec *const *columns, size_t row);
/* Gives back the texts, not the row. */
void exec_row_drop(const struct exec_layout *layout, struct exec_heap *heap, void *base);
/* Columns first .. first + count - 1 of rows, into out (FLAT, from the arena, row i at i). */
void exec_rows_read(const struct exec_layout *layout, const void *const *rows, size_t row_count, uint32_t first,
                    uint32_t count, struct arena *arena, struct vec *out);
bool exec_row_equals(const struct exec_layout *layout, const void *base, const struct vec *const *columns, size_t row);
bool exec_row_is_null(const struct exec_layout *layout, const void *base, uint32_t column);
uint64_t exec_row_bytes(const struct exec_layout *layout, const void *base); /* texts included */

/* --- the table -----------------------------------------------------------------------------------------------------
 */

/* Keys to entries. An entry's address is stable until it is removed; it begins with the key's row, payload_bytes of the
 * operator's own (zeroed when new) follow at exec_table_payload(). Iteration is in order of insertion, which makes
 * output reproducible. */
struct exec_table;

struct exec_table *exec_table_create(struct exec_heap *heap, const struct exec_layout *key, size_t payload_bytes);
void               exec_table_destroy(struct exec_table *table);
/* entries[i] for the i-th selected row of the chunk (NULL where not found and not wanted); made where absent when
 * `insert`, is_new[i] then true (may be NULL). hashes by row, of the key columns. Hides memory latency by working on
 * the rows together. False: the heap is spent. */
MUST_USE bool exec_table_find(struct exec_table *table, const struct vec *const *keys, const struct vec_chunk *chunk,
                              const uint64_t *hashes, bool insert, void **entries, bool *is_new);
void          exec_table_remove(struct exec_table *table, void *entry);
uint64_t      exec_table_count(const struct exec_table *table);
void         *exec_table_payload(const struct exec_table *table, void *entry);
/* NULL: the first; NULL at the end. The entry last returned may be removed. */
void *exec_table_next(const struct exec_table *table, void *entry);

#endif
