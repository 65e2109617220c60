/* store_compact_map.h: which offset is the newest of each key, for one pass of compaction. Pure, private to core/store.
 *
 * Keys are kept as 128-bit hashes under a random key of this map, so that nobody can make two keys meet, and by chance
 * none ever will. 24 bytes an entry, in STORE_COMPACT_TABLES tables that grow one by one: growing never moves more than
 * one table, and the bound on memory holds also while that happens.
 *
 * A key whose insertion finds no memory is not put: the pass then ends before its record. */
#ifndef MILLRACE_STORE_COMPACT_MAP_H
#define MILLRACE_STORE_COMPACT_MAP_H

#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#define STORE_COMPACT_TABLES 256

struct store_compact_entry {
    struct hash_128 key;
    int64_t         offset_plus_one; /* 0: empty */
};

struct store_compact_table {
    struct store_compact_entry *entries;
    uint32_t                    capacity;
    uint32_t                    count;
};

struct store_compact_map {
    struct store_compact_table tables[STORE_COMPACT_TABLES];
    uint64_t                   key_low, key_high;
    uint64_t                   bytes, bytes_max;
    uint32_t                   load_percent; /* of a table that may not grow any more */
    uint64_t                   count;
};

/* bytes_max bounds the entries; load_percent 1 to 99. key_*: random. */
void store__compact_map_init(struct store_compact_map *map, uint64_t bytes_max, uint32_t load_percent, uint64_t key_low,
                             uint64_t key_high);
void store__compact_map_deinit(struct store_compact_map *map);
/* Offsets rise from call to call. ERR_LIMIT: full, and the key is not in it. */
MUST_USE int store__compact_map_put(struct store_compact_map *map, struct view key, int64_t offset);
/* -1: not in it. */
MUST_USE int64_t store__compact_map_get(const struct store_compact_map *map, struct view key);

#endif
