#include "core/base/map.h"

#include "core/base/check.h"
#include "core/base/hash.h"

#define MAP_SLOTS_MIN 16
#define MAP_REMOVED   UINT32_MAX

void map_init(struct map *map, enum mem_tag tag)
{
    *map = (struct map){.tag = tag};
}

void map_deinit(struct map *map)
{
    for (size_t i = 0; i < map->entry_count; i++) {
        mem_free(map->tag, map->entries[i].key);
    }
    mem_free(map->tag, map->entries);
    mem_free(map->tag, map->slots);
    *map = (struct map){.tag = map->tag};
}

/* The slot that holds `key`, or SIZE_MAX. */
static size_t map_find(const struct map *map, struct view key, uint64_t hash)
{
    if (map->slot_count == 0) {
        return SIZE_MAX;
    }
    for (size_t slot = hash & (map->slot_count - 1);; slot = (slot + 1) & (map->slot_count - 1)) {
        uint32_t index = map->slots[slot];

        if (index == 0) {
            return SIZE_MAX;
        }
        if (index != MAP_REMOVED) {
            const struct map_entry *entry = &map->entries[index - 1];

            if (entry->hash == hash && view_equal(view_of(entry->key, entry->key_len), key)) {
                return slot;
            }
        }
    }
}

/* Drops holes and rehashes into slots at most a quarter full: as map_put rebuilds when half of them are used, at least
 * as many insertions as there are live entries go by before the next time, also when each is paired with a removal. */
static void map_rebuild(struct map *map)
{
    size_t slot_count = MAP_SLOTS_MIN;
    size_t kept = 0;

    while (slot_count < (map->live_count + 1) * 4) {
        slot_count *= 2;
    }
    for (size_t i = 0; i < map->entry_count; i++) {
        if (map->entries[i].live) {
            map->entries[kept++] = map->entries[i];
        }
    }
    map->entry_count = kept;
    if (map->entry_capacity < slot_count / 2) {
        map->entries = mem_realloc(map->tag, map->entries, slot_count / 2 * sizeof(*map->entries));
        map->entry_capacity = slot_count / 2;
    }
    mem_free(map->tag, map->slots);
    map->slots = mem_alloc(map->tag, slot_count * sizeof(*map->slots));
    map->slot_count = slot_count;
    for (size_t i = 0; i < kept; i++) {
        size_t slot = map->entries[i].hash & (slot_count - 1);

        while (map->slots[slot] != 0) {
            slot = (slot + 1) & (slot_count - 1);
        }
        map->slots[slot] = (uint32_t)(i + 1);
    }
}

void *map_get(const struct map *map, struct view key)
{
    size_t slot = map_find(map, key, hash_bytes(key));

    return slot == SIZE_MAX ? NULL : map->entries[map->slots[slot] - 1].value;
}

void *map_put(struct map *map, struct view key, void *value)
{
    uint64_t hash = hash_bytes(key);
    size_t   slot = map_find(map, key, hash);

    CHECK(value != NULL);
    if (slot != SIZE_MAX) {
        struct map_entry *entry = &map->entries[map->slots[slot] - 1];
        void             *previous = entry->value;

        entry->value = value;
        return previous;
    }
    /* entry_count bounds used slots too: a removed slot is only forgotten together with its hole. */
    if ((map->entry_count + 1) * 2 > map->slot_count) {
        map_rebuild(map);
    }
    map->entries[map->entry_count++] = (struct map_entry){
        .hash = hash, .key = (uint8_t *)mem_copy_text(map->tag, key), .key_len = key.len, .value = value, .live = true};
    map->live_count++;
    slot = hash & (map->slot_count - 1);
    while (map->slots[slot] != 0 && map->slots[slot] != MAP_REMOVED) {
        slot = (slot + 1) & (map->slot_count - 1);
    }
    map->slots[slot] = (uint32_t)map->entry_count;
    return NULL;
}

void *map_remove(struct map *map, struct view key)
{
    size_t            slot = map_find(map, key, hash_bytes(key));
    struct map_entry *entry;

    if (slot == SIZE_MAX) {
        return NULL;
    }
    entry = &map->entries[map->slots[slot] - 1];
    map->slots[slot] = MAP_REMOVED;
    mem_free(map->tag, entry->key);
    entry->key = NULL;
    entry->live = false;
    map->live_count--;
    return entry->value;
}

struct map_entry *map_next(const struct map *map, size_t *position)
{
    while (*position < map->entry_count) {
        struct map_entry *entry = &map->entries[(*position)++];

        if (entry->live) {
            return entry;
        }
    }
    return NULL;
}
