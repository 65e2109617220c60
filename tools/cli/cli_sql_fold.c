/* cli_sql_fold.c: a changelog folded into the table that it leaves. */
#include "tools/cli/cli_sql_fold.h"

#include <stdlib.h>

struct fold_row {
    uint64_t count; /* without a key: how often it is there */
    uint32_t len, capacity;
    uint8_t  bytes[];
};

void sql_fold_init(struct sql_fold *fold, bool has_key)
{
    map_init(&fold->rows, MEM_CLI);
    fold->has_key = has_key;
}

void sql_fold_deinit(struct sql_fold *fold)
{
    MAP_EACH(&fold->rows, entry) {
        mem_free(MEM_CLI, entry->value);
    }
    map_deinit(&fold->rows);
}

static struct fold_row *fold_set(struct sql_fold *fold, struct view key, struct view bytes)
{
    struct fold_row *row = map_get(&fold->rows, key);

    if (row == NULL || row->capacity < bytes.len) {
        row = mem_alloc(MEM_CLI, sizeof(*row) + bytes.len);
        row->capacity = (uint32_t)bytes.len;
        mem_free(MEM_CLI, map_put(&fold->rows, key, row));
    }
    if (bytes.len > 0) {
        memcpy(row->bytes, bytes.base, bytes.len);
    }
    row->len = (uint32_t)bytes.len;
    return row;
}

static void fold_count(struct sql_fold *fold, struct view key, struct view bytes, bool adds)
{
    struct fold_row *row = map_get(&fold->rows, key);

    if (adds) {
        row = row == NULL ? fold_set(fold, key, bytes) : row;
        row->count++;
    } else if (row != NULL && --row->count == 0) {
        mem_free(MEM_CLI, map_remove(&fold->rows, key));
    }
}

void sql_fold_change(struct sql_fold *fold, struct view key, struct view row, enum vec_change change)
{
    bool adds = change == VEC_INSERT || change == VEC_UPDATE_AFTER;

    if (!fold->has_key) {
        fold_count(fold, key, row, adds);
    } else if (adds) {
        fold_set(fold, key, row)->count = 1;
    } else if (change == VEC_DELETE) {
        mem_free(MEM_CLI, map_remove(&fold->rows, key));
    }
}

static int fold_compare(const void *a, const void *b)
{
    const struct map_entry *const *one = a, *const *other = b;

    return view_compare(view_of((*one)->key, (*one)->key_len), view_of((*other)->key, (*other)->key_len));
}

void sql_fold_each(const struct sql_fold *fold, void (*each)(void *context, struct view row), void *context)
{
    size_t             count = map_count(&fold->rows), at = 0;
    struct map_entry **entries = mem_alloc(MEM_CLI, (count + 1) * sizeof(*entries));

    MAP_EACH(&fold->rows, entry) {
        entries[at++] = entry;
    }
    qsort(entries, count, sizeof(struct map_entry *), fold_compare);
    for (size_t i = 0; i < count; i++) {
        const struct fold_row *row = entries[i]->value;

        for (uint64_t k = 0; k < row->count; k++) {
            each(context, view_of(row->bytes, row->len));
        }
    }
    mem_free(MEM_CLI, entries);
}
