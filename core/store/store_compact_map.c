/* store_compact_map.c: open addressing with linear probing, in many small tables. */
#include "core/store/store_compact_map.h"

#include "core/base/check.h"

#define ENTRIES_AT_FIRST ((uint32_t)16)

static bool table_grow(struct store_compact_map *map, struct store_compact_table *table);

void store__compact_map_init(struct store_compact_map *map, uint64_t bytes_max, uint32_t load_percent, uint64_t key_low,
                             uint64_t key_high)
{
    CHECK(load_percent > 0 && load_percent < 100);
    memset(map, 0, sizeof(*map));
    map->bytes_max = bytes_max;
    map->load_percent = load_percent;
    map->key_low = key_low;
    map->key_high = key_high;
}

void store__compact_map_deinit(struct store_compact_map *map)
{
    for (size_t i = 0; i < STORE_COMPACT_TABLES; i++) {
        mem_free(MEM_STORE, map->tables[i].entries);
    }
    memset(map, 0, sizeof(*map));
}

static uint32_t table_of(struct hash_128 hash)
{
    return (uint32_t)(hash.high >> 56);
}

/* The entry of `hash`, or the empty one where it would go. Some entry is empty. */
static struct store_compact_entry *table_find(const struct store_compact_table *table, struct hash_128 hash)
{
    uint32_t at = (uint32_t)((hash.low >> 32) * table->capacity >> 32);

    while (table->entries[at].offset_plus_one != 0 &&
           (table->entries[at].key.low != hash.low || table->entries[at].key.high != hash.high)) {
        at = at + 1 == table->capacity ? 0 : at + 1;
    }
    return &table->entries[at];
}

static bool table_full(const struct store_compact_map *map, const struct store_compact_table *table)
{
    return (uint64_t)(table->count + 1) * 100 > (uint64_t)table->capacity * map->load_percent;
}

int store__compact_map_put(struct store_compact_map *map, struct view key, int64_t offset)
{
    struct hash_128             hash = hash_sip128(map->key_low, map->key_high, key);
    struct store_compact_table *table = &map->tables[table_of(hash)];
    struct store_compact_entry *entry = table->capacity == 0 ? NULL : table_find(table, hash);

    if (entry == NULL || entry->offset_plus_one == 0) {
        if (table_full(map, table)) {
            if (!table_grow(map, table)) {
                return ERR_LIMIT;
            }
            entry = table_find(table, hash);
        }
        entry->key = hash;
        table->count++;
        map->count++;
    }
    entry->offset_plus_one = offset + 1;
    return ERR_OK;
}

int64_t store__compact_map_get(const struct store_compact_map *map, struct view key)
{
    struct hash_128                   hash = hash_sip128(map->key_low, map->key_high, key);
    const struct store_compact_table *table = &map->tables[table_of(hash)];

    return table->capacity == 0 ? -1 : table_find(table, hash)->offset_plus_one - 1;
}

/* By a half, so that what the bound leaves unused stays small. */
static bool table_grow(struct store_compact_map *map, struct store_compact_table *table)
{
    struct store_compact_table larger = {.capacity = MAX(table->capacity + table->capacity / 2, ENTRIES_AT_FIRST),
                                         .count = table->count};
    uint64_t                   bytes = (uint64_t)larger.capacity * sizeof(struct store_compact_entry);
    uint64_t                   old_bytes = (uint64_t)table->capacity * sizeof(struct store_compact_entry);

    if (larger.capacity < table->capacity || map->bytes + bytes > map->bytes_max) { /* both exist for a moment */
        return false;
    }
    larger.entries = mem_try_alloc(MEM_STORE, (size_t)bytes);
    if (larger.entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].offset_plus_one != 0) {
            *table_find(&larger, table->entries[i].key) = table->entries[i];
        }
    }
    mem_free(MEM_STORE, table->entries);
    *table = larger;
    map->bytes += bytes - old_bytes;
    return true;
}
