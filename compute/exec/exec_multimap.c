/* Rows of two inputs by a common key. */
#include "compute/exec/exec_multimap.h"

#include "core/base/check.h"

STATIC_CHECK(sizeof(struct exec_match) % 16 == 0);

bool exec_multimap_init(struct exec_multimap *map, struct exec_operator *op, const struct exec_layout *key,
                        const struct exec_layout *left, const struct exec_layout *right)
{
    *map = (struct exec_multimap){.heap = exec_heap_create(op), .rows = {left, right}};
    if (map->heap != NULL) {
        map->table = exec_table_create(map->heap, key, sizeof(struct exec_multimap_key));
    }
    return map->table != NULL;
}

void exec_multimap_deinit(struct exec_multimap *map)
{
    exec_heap_destroy(map->heap);
    *map = (struct exec_multimap){0};
}

struct exec_match *exec_multimap_append(struct exec_multimap *map, void *entry, uint32_t side, const void *loaded,
                                        int64_t time)
{
    const struct exec_layout *layout = map->rows[side];
    struct exec_matches      *matches = exec_multimap_matches(map, entry, side);
    struct exec_match        *match = exec_heap_take(map->heap, sizeof(*match) + layout->row_bytes);

    if (match == NULL) {
        return NULL;
    }
    memcpy(exec_match_row(match), loaded, layout->row_bytes);
    if (layout->text_count > 0 && !exec_row_keep(layout, map->heap, exec_match_row(match))) {
        exec_heap_give(map->heap, match, sizeof(*match) + layout->row_bytes);
        return NULL;
    }
    match->next = NULL;
    match->time = time;
    *(matches->last == NULL ? &matches->first : &matches->last->next) = match;
    matches->last = match;
    return match;
}

bool exec_multimap_next(const struct exec_multimap *map, struct exec_multimap_place *place)
{
    struct exec_match *next =
        place->match == NULL ? exec_multimap_matches(map, place->entry, place->side)->first : place->match->next;

    if (next == NULL && place->side == 0) {
        place->side = 1;
        next = exec_multimap_matches(map, place->entry, 1)->first;
    }
    place->match = next;
    return next != NULL;
}

/* The oldest row of a side goes; the entry stays. */
static void free_first(struct exec_multimap *map, struct exec_matches *matches, const struct exec_layout *layout)
{
    struct exec_match *match = matches->first;

    CHECK(match != NULL);
    matches->first = match->next;
    if (matches->first == NULL) {
        matches->last = NULL;
    }
    exec_row_drop(layout, map->heap, exec_match_row(match));
    exec_heap_give(map->heap, match, sizeof(*match) + layout->row_bytes);
}

void exec_multimap_remove(struct exec_multimap *map, void *entry)
{
    for (uint32_t side = 0; side < 2; side++) {
        struct exec_matches *matches = exec_multimap_matches(map, entry, side);

        while (matches->first != NULL) {
            free_first(map, matches, map->rows[side]);
        }
    }
    exec_table_remove(map->table, entry);
}

void exec_multimap_drop_first(struct exec_multimap *map, void *entry, uint32_t side)
{
    struct exec_matches *matches = exec_multimap_matches(map, entry, side);

    free_first(map, matches, map->rows[side]);
    if (matches->first == NULL && exec_multimap_matches(map, entry, 1 - side)->first == NULL) {
        exec_table_remove(map->table, entry);
    }
}
