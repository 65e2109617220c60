/* map.h: open-addressing hash map from a byte key to a pointer, iterated in insertion order.
 *
 * Keys are copied. Grows by doubling; lookups do not allocate. Iteration order is the order of insertion, so that what
 * a client can observe never depends on hash order; removal keeps the order of the rest. Not thread safe. Removing the
 * entry being visited inside MAP_EACH is allowed; inserting is not. */
#ifndef MILLRACE_MAP_H
#define MILLRACE_MAP_H

#include "core/base/mem.h"

struct map_entry {
    uint64_t hash;
    uint8_t *key;
    size_t   key_len;
    void    *value;
    bool     live;
};

struct map {
    struct map_entry *entries; /* insertion order, with holes until the next rebuild */
    uint32_t         *slots;   /* index + 1 into entries; 0 = empty, UINT32_MAX = removed */
    size_t            slot_count;
    size_t            entry_count; /* holes included */
    size_t            live_count;
    size_t            entry_capacity;
    enum mem_tag      tag;
};

void map_init(struct map *map, enum mem_tag tag);
void map_deinit(struct map *map); /* keys are freed, values are not */
/* NULL when absent. */
void *map_get(const struct map *map, struct view key);
/* Replaces; returns the value that stood there, or NULL. value is not NULL. */
void *map_put(struct map *map, struct view key, void *value);
/* Returns the removed value, or NULL. */
void *map_remove(struct map *map, struct view key);

static inline size_t map_count(const struct map *map)
{
    return map->live_count;
}
/* The next live entry at or after *position, advancing it; NULL at the end. */
struct map_entry *map_next(const struct map *map, size_t *position);

#define MAP_EACH(map, entry)                                                      \
    for (size_t entry##_at = 0, entry##_once = 1; entry##_once; entry##_once = 0) \
        for (struct map_entry *entry = NULL; (entry = map_next(map, &entry##_at)) != NULL;)

#endif
