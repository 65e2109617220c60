/* exec_state.h: operators' state as records of bytes, and back: what save() and load() of operators are written with.
 *
 * A record is a key and a value in a table of a node. Table 0 is the frame's: one record per node with a version, the
 * node's fingerprint, its watermarks and the operator's scalars (save_scalars). It comes before all other records of
 * the node, so whatever is read behind it belongs to an equal node. The operator's own tables have numbers from 1.
 *
 * Everything read comes from disk: lengths are checked against what remains, texts and lists are looked at before they
 * become values. A reader that ran short stays bad, and hands out zeros. */
#ifndef MILLRACE_EXEC_STATE_H
#define MILLRACE_EXEC_STATE_H

#include "compute/exec/exec_row.h"

/* --- bytes ---------------------------------------------------------------------------------------------------------
 */

struct exec_bytes {
    uint8_t *base;
    size_t   len, capacity;
};

void exec_bytes_put(struct exec_bytes *bytes, const void *base, size_t len);
void exec_bytes_free(struct exec_bytes *bytes);

static inline void exec_bytes_put_u8(struct exec_bytes *bytes, uint8_t value)
{
    exec_bytes_put(bytes, &value, sizeof(value));
}

static inline void exec_bytes_put_u32(struct exec_bytes *bytes, uint32_t value)
{
    exec_bytes_put(bytes, &value, sizeof(value));
}

static inline void exec_bytes_put_u64(struct exec_bytes *bytes, uint64_t value)
{
    exec_bytes_put(bytes, &value, sizeof(value));
}

static inline void exec_bytes_put_i64(struct exec_bytes *bytes, int64_t value)
{
    exec_bytes_put(bytes, &value, sizeof(value));
}

struct exec_reader {
    const uint8_t *at;
    size_t         left;
    bool           is_bad;
};

/* NULL, and bad, when there are not as many. */
const void *exec_reader_take(struct exec_reader *reader, size_t len);
uint8_t     exec_reader_u8(struct exec_reader *reader);
uint32_t    exec_reader_u32(struct exec_reader *reader);
uint64_t    exec_reader_u64(struct exec_reader *reader);
int64_t     exec_reader_i64(struct exec_reader *reader);

static inline struct exec_reader exec_reader_of(struct view view)
{
    return (struct exec_reader){.at = view.base, .left = view.len};
}

/* Read to the end, and never short. */
static inline bool exec_reader_is_done(const struct exec_reader *reader)
{
    return !reader->is_bad && reader->left == 0;
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

/* A loaded or kept row. */
void exec_row_put(struct exec_bytes *bytes, const struct exec_layout *layout, const void *row);
/* A loaded row in the arena; its long texts stand in the record. NULL, and the reader bad: it is no such row. */
void *exec_row_take(struct exec_reader *reader, const struct exec_layout *layout, struct arena *arena);
/* A text behind which no pointer stands yet. False: it is none. */
bool exec_text_put(struct exec_bytes *bytes, const struct vec_string *text);
/* What vec_hash() makes of the row's columns, for a table over them. */
uint64_t exec_row_hash(const struct exec_layout *layout, const void *row, struct arena *arena);

/* --- records -------------------------------------------------------------------------------------------------------
 */

/* One save, in one call or several: a driver that may not be away for long takes some records at a time. Nothing else
 * is asked of the worker in between. */
struct exec_save {
    struct exec_operator    *op;
    const struct exec_saver *saver;
    bool                     all;
    struct exec_bytes        key, value;
    uint64_t                 records_left; /* in this call */
    bool                     is_full;      /* save() gave false because there are none, nothing has failed */
    bool                     has_scalars;  /* of this operator: written */
    uint32_t                 table_at, tables_done;
    void                    *at; /* of all: the table's entry that was written last */
};

/* Fill key and value after it. */
static inline void exec_save_begin(struct exec_save *save)
{
    save->key.len = 0;
    save->value.len = 0;
}

/* Asked before a record is written; false: save() gives false, and is called again later, from its beginning. Tables
 * that are through are skipped then; of what it writes by itself an operator knows how far it was. */
MUST_USE bool exec_save_has_room(struct exec_save *save);
MUST_USE bool exec_save_write(struct exec_save *save, uint32_t table);
/* The key is gone. */
MUST_USE bool exec_save_remove(struct exec_save *save, uint32_t table);
/* The job fails at the operator: the record is damaged. Returns false. */
bool exec_load_damaged(struct exec_operator *op);

/* --- tables --------------------------------------------------------------------------------------------------------
 */

/* Appends what an entry's payload says to `bytes`. */
typedef void exec_payload_put_fn(struct exec_operator *op, const struct exec_table *table, void *entry,
                                 struct exec_bytes *bytes);

/* All entries, or those that were touched or removed since the last call, as records of table `number`, the keys behind
 * `prefix`. */
MUST_USE bool exec_save_table(struct exec_save *save, uint32_t number, struct view prefix, struct exec_table *table,
                              exec_payload_put_fn *put);
/* The entry of a key that is read; made when `insert`, else NULL where there is none. False: damaged, or the heap is
 * spent; the job failed. */
MUST_USE bool exec_load_entry(struct exec_operator *op, struct exec_table *table, struct exec_reader *key, bool insert,
                              void **out_entry, bool *out_is_new);
/* For rows and the like while one record is loaded; exec_load_entry() begins by resetting it. */
struct arena *exec__load_arena(struct exec_operator *op);

#endif
