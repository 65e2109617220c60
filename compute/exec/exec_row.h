/* exec_row.h: rows at rest: how operators keep rows and keys, and the hash table over them.
 *
 * A stored row is a run of row_bytes bytes, 16-byte aligned: one slot per leaf column (a ROW column's fields are leaves
 * of their own; the ROW itself is a leaf without a slot), texts first, then fixed widths from wide to narrow, then a
 * bit per leaf that says null. Slots of nulls and padding are zero and every NaN is one NaN, so that equal rows have
 * equal bytes but for long texts. Texts are struct vec_string; ARRAY values are texts in the encoding of exec_list.h.
 *
 * A row is *loaded* when it is in this form but its long texts still stand where they came from, and *kept* when they
 * are the heap's. Reading gathers rows into FLAT vectors whose texts point at the stored bytes.
 *
 * Memory. A heap belongs to one operator of one worker, hands out and takes back rows and texts by size class, counts
 * the bytes it has from the allocator, and refuses when the job's budget is spent (the operator's failure is then set).
 * An operator may have several heaps: dropping one is the cheap way to forget all rows and tables of a window. */
#ifndef MILLRACE_EXEC_ROW_H
#define MILLRACE_EXEC_ROW_H

#include "compute/exec/exec_internal.h"

/* --- memory --------------------------------------------------------------------------------------------------------
 */

struct exec_heap;

/* NULL after exec__fail(). */
struct exec_heap *exec_heap_create(struct exec_operator *op);
/* Everything taken from it dies with it, tables included. NULL is allowed. */
void exec_heap_destroy(struct exec_heap *heap);
/* 16-byte aligned, not cleared; NULL after exec__fail(). */
void *exec_heap_take(struct exec_heap *heap, size_t bytes);
void  exec_heap_give(struct exec_heap *heap, void *base, size_t bytes);
/* What it has from the allocator, free lists included. */
size_t exec_heap_bytes(const struct exec_heap *heap);
/* For what is needed during one call only: reset at the start of exec_table_find() and by whoever else uses it. */
struct arena         *exec_heap_scratch(struct exec_heap *heap);
struct exec_operator *exec__heap_operator(const struct exec_heap *heap);
/* Rows that the operator's statistics count as state; those of a heap go with it. Tables count their entries. */
void exec__heap_count_rows(struct exec_heap *heap, int64_t rows);

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

struct exec_leaf {
    struct vec_type type;
    enum vec_layout layout;
    uint32_t        offset; /* of the slot; a ROW has none */
    uint32_t        end;    /* the leaf behind this one and what is below it */
};

struct exec_layout {
    uint32_t          column_count;
    const uint32_t   *column_leaf; /* the first leaf of a column */
    uint32_t          leaf_count;
    struct exec_leaf *leaves;     /* depth first */
    uint32_t          text_count; /* their slots stand at 0, 16, .. */
    uint32_t          null_offset;
    uint32_t          row_bytes; /* a multiple of 16 */
};

/* types are copied into the arena. A layout without columns has rows of 16 bytes, all equal. */
struct exec_layout exec_layout_make(struct arena *arena, const struct vec_type *types, uint32_t column_count);
/* Columns of the chunk, the i-th selected row into base + i * row_bytes: loaded. The arena holds encoded lists. */
void exec_rows_load(const struct exec_layout *layout, const struct vec *const *columns, const struct vec_chunk *chunk,
                    struct arena *arena, void *base);
/* Copies the texts of a loaded row into the heap, in place. False: the heap is spent; the row is then as it was. */
MUST_USE bool exec_row_keep(const struct exec_layout *layout, struct exec_heap *heap, void *row);
/* A kept copy of a row, loaded or kept; NULL: the heap is spent. */
void *exec_row_new(const struct exec_layout *layout, struct exec_heap *heap, const void *row);
/* Gives back the texts of a kept row, not the row. */
void exec_row_drop(const struct exec_layout *layout, struct exec_heap *heap, void *row);
/* Texts and row. */
void exec_row_free(const struct exec_layout *layout, struct exec_heap *heap, void *row);
bool exec_row_same(const struct exec_layout *layout, const void *a, const void *b);
bool exec_row_is_null(const struct exec_layout *layout, const void *row, uint32_t column);
/* The slot of a column that is no ROW: the value in its layout, zero when null. */
static inline const void *exec_row_slot(const struct exec_layout *layout, const void *row, uint32_t column)
{
    return (const uint8_t *)row + layout->leaves[layout->column_leaf[column]].offset;
}
/* Columns first .. first + count - 1 of row_count <= VEC_ROWS_MAX rows, into out (FLAT, from the arena, row i at i). */
void   exec_rows_read(const struct exec_layout *layout, const void *const *rows, size_t row_count, uint32_t first,
                      uint32_t count, struct arena *arena, struct vec *out);
size_t exec_row_bytes(const struct exec_layout *layout, const void *row); /* texts included */

/* --- the table -----------------------------------------------------------------------------------------------------
 */

/* Keys to entries. An entry's address is stable until it is removed; it begins with the key's row, payload_bytes of the
 * operator's own (zeroed when new, 16-byte aligned) follow at exec_table_payload(). Iteration is in order of insertion,
 * which makes output reproducible. Growing never moves more than one segment of 4,096 slots at a time. */
struct exec_table;

/* NULL: the heap is spent. The layout must outlive the table. */
struct exec_table *exec_table_create(struct exec_heap *heap, const struct exec_layout *key, size_t payload_bytes);
/* Gives everything back to the heap; not needed before exec_heap_destroy(). The payloads are the caller's to clean. */
void exec_table_destroy(struct exec_table *table);
/* entries[i] for the i-th selected row of the chunk (NULL where not found and not wanted); made where absent when
 * `insert`, is_new[i] then true (may be NULL). hashes by row, of the key columns (vec_hash). Hides memory latency by
 * working on the rows together. Rows are inserted in the chunk's order. False: the heap is spent. */
MUST_USE bool exec_table_find(struct exec_table *table, const struct vec *const *keys, const struct vec_chunk *chunk,
                              const uint64_t *hashes, bool insert, void **entries, bool *is_new);
/* The same for keys that are rows already, loaded or kept; hashes by i. */
MUST_USE bool exec_table_find_rows(struct exec_table *table, const void *const *rows, const uint64_t *hashes,
                                   size_t count, bool insert, void **entries, bool *is_new);
void          exec_table_remove(struct exec_table *table, void *entry);
uint64_t      exec_table_count(const struct exec_table *table);
const struct exec_layout *exec_table_key(const struct exec_table *table);
void                     *exec_table_payload(const struct exec_table *table, void *entry);
uint64_t                  exec_table_hash(const void *entry);
/* NULL: the first; NULL at the end. The entry last returned may be removed after asking for the one behind it. */
void *exec_table_next(const struct exec_table *table, void *entry);

/* For state that is written out increment by increment (exec_state.h): from exec_table_track() on, the entries that the
 * operator touches and the keys that are removed are remembered until exec_table_saved(). Without it a touch is
 * nothing. A removed entry keeps its key, not its payload, until then. */
void exec_table_track(struct exec_table *table);
void exec_table_touch(struct exec_table *table, void *entry);
/* In the order of removing: the row of a key; NULL: none. The key may be there again, made anew. */
void *exec_table_first_removed(const struct exec_table *table);
/* In the order of the first touch; removed ones are left out. Only when no removed key is left. */
void *exec_table_first_changed(struct exec_table *table);
/* Forgets the first; false: there is none. */
bool exec_table_pop_removed(struct exec_table *table);
bool exec_table_pop_changed(struct exec_table *table);
void exec_table_saved(struct exec_table *table); /* all of them */

#endif
