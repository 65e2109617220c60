/* The hash table of keyed state: extendible hashing over segments of linear probing.
 *
 * The top bits of a hash choose a segment through a directory, the low bits a slot in it. A slot is a word: 16 more
 * bits of the hash (the salt) above the entry's address, so that a probe touches an entry only when it is almost surely
 * the right one. A small table is one segment that doubles from 64 to 4,096 slots; a full segment of 4,096 splits in
 * two, and the directory (a word per segment) doubles when needed: growing stops nobody for longer than one segment
 * takes, and never moves entries, which keep their hash for it.
 *
 * A lookup of many keys runs in three steps that trail each other by PREFETCH_AHEAD rows: fetch the slot, read it and
 * fetch the entry that it names, find. So a table far larger than the caches costs what memory's bandwidth allows, not
 * its latency, and still inserts strictly in the rows' order. */
#include "compute/exec/exec_row.h"

#include "core/base/check.h"
#include "core/base/list.h"

#define SLOT_EMPTY        UINT64_C(0)
#define SLOT_REMOVED      UINT64_C(1) /* no address, and no salt */
#define SALT_SHIFT        48
#define ADDRESS_MASK      ((UINT64_C(1) << SALT_SHIFT) - 1)
#define SEGMENT_SLOTS_MIN 64
#define SEGMENT_SLOTS_MAX 4096
#define DEPTH_MAX         24
#define LINE              64
#define TOUCHED_MAX       ((size_t)192)
#define DIRECTORY_SHARE   256 /* keys per place of the directory before it doubles */
#define PREFETCH_AHEAD    16

/* Stands before the address that others know. */
struct entry {
    struct entry *prev, *next; /* in order of insertion */
    uint64_t      hash;
    struct entry *next_changed; /* in order of the first change since the last save; LAST at the end, NULL: unchanged */
    uint8_t       row[];
};

STATIC_CHECK(sizeof(struct entry) % 16 == 0);

#define LAST    ((struct entry *)(uintptr_t)1)
#define REMOVED ((struct entry *)(uintptr_t)1) /* in place of `prev`: only the next save looks at it */

struct segment {
    uint64_t *slots;
    uint32_t  mask;
    uint32_t  live, removed;
    uint32_t  depth; /* how many top bits all its keys share */
};

struct exec_table {
    struct exec_heap         *heap;
    struct exec_operator     *op;
    const struct exec_layout *key;
    size_t                    payload_bytes;
    size_t                    touched_bytes; /* of an entry, by whoever looks it up: fetched ahead */
    uint64_t                  count;
    struct entry             *first, *last;
    bool                      tracks;
    struct entry             *changed_first, *changed_last;
    struct entry             *removed_first, *removed_last; /* by `next`; their keys are kept for the next save */
    uint32_t                  depth;
    struct segment          **directory; /* 2^depth */
};

static size_t entry_bytes(const struct exec_table *table)
{
    return sizeof(struct entry) + table->key->row_bytes + table->payload_bytes;
}

static struct entry *entry_of(void *row)
{
    return CONTAINER_OF(row, struct entry, row);
}

static uint64_t salt_of(uint64_t hash)
{
    return (hash >> 16) & 0xffff;
}

static size_t directory_at(const struct exec_table *table, uint64_t hash)
{
    return table->depth == 0 ? 0 : (size_t)(hash >> (64 - table->depth));
}

static struct segment *segment_of(const struct exec_table *table, uint64_t hash)
{
    return table->directory[directory_at(table, hash)];
}

/* --- growing -------------------------------------------------------------------------------------------------------
 */

static uint64_t *slots_make(struct exec_heap *heap, uint32_t count)
{
    uint64_t *slots = exec_heap_take(heap, count * sizeof(*slots));

    if (slots != NULL) {
        memset(slots, 0, count * sizeof(*slots));
    }
    return slots;
}

static struct segment *segment_make(struct exec_heap *heap, uint32_t slot_count, uint32_t depth)
{
    struct segment *segment = exec_heap_take(heap, sizeof(*segment));
    uint64_t       *slots = segment == NULL ? NULL : slots_make(heap, slot_count);

    if (slots == NULL) {
        if (segment != NULL) {
            exec_heap_give(heap, segment, sizeof(*segment));
        }
        return NULL;
    }
    *segment = (struct segment){.slots = slots, .mask = slot_count - 1, .depth = depth};
    return segment;
}

/* The caller knows that the key is not there and that there is room. */
static void segment_put(struct segment *segment, uint64_t hash, uint64_t slot)
{
    size_t at = (size_t)hash & segment->mask;

    while (segment->slots[at] != SLOT_EMPTY) {
        at = (at + 1) & segment->mask;
    }
    segment->slots[at] = slot;
    segment->live++;
}

static uint64_t slot_hash(uint64_t slot)
{
    return ((const struct entry *)(uintptr_t)(slot & ADDRESS_MASK))->hash;
}

/* Deals the slots of an old segment to one or two new ones, by bit `depth` of the hash. */
static void segment_deal(const uint64_t *slots, uint32_t slot_count, uint32_t depth, struct segment *low,
                         struct segment *high)
{
    for (uint32_t i = 0; i < slot_count; i++) {
        if (i + PREFETCH_AHEAD < slot_count && slots[i + PREFETCH_AHEAD] > SLOT_REMOVED) {
            __builtin_prefetch((const void *)(uintptr_t)(slots[i + PREFETCH_AHEAD] & ADDRESS_MASK));
        }
        if (slots[i] > SLOT_REMOVED) {
            uint64_t hash = slot_hash(slots[i]);
            bool     is_high = high != NULL && ((hash >> (63 - depth)) & 1) != 0;

            segment_put(is_high ? high : low, hash, slots[i]);
        }
    }
}

static bool segment_resize(struct exec_table *table, struct segment *segment, uint32_t slot_count)
{
    uint64_t *old = segment->slots;
    uint32_t  old_count = segment->mask + 1;
    uint64_t *slots = slots_make(table->heap, slot_count);

    if (slots == NULL) {
        return false;
    }
    *segment = (struct segment){.slots = slots, .mask = slot_count - 1, .depth = segment->depth};
    segment_deal(old, old_count, 0, segment, NULL);
    exec_heap_give(table->heap, old, old_count * sizeof(*old));
    return true;
}

static bool directory_double(struct exec_table *table)
{
    size_t           count = (size_t)1 << table->depth;
    struct segment **directory = exec_heap_take(table->heap, 2 * count * sizeof(*directory));

    if (directory == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        directory[2 * i] = table->directory[i];
        directory[2 * i + 1] = table->directory[i];
    }
    exec_heap_give(table->heap, table->directory, count * sizeof(*directory));
    table->directory = directory;
    table->depth++;
    return true;
}

/* One segment becomes two that share one bit more. */
static bool segment_split(struct exec_table *table, struct segment *segment, uint64_t hash)
{
    struct segment *high;
    uint64_t       *slots;
    uint64_t       *old = segment->slots;
    uint32_t        slot_count = segment->mask + 1;
    uint32_t        depth = segment->depth;
    size_t          span, first;

    if (depth == table->depth && !directory_double(table)) {
        return false;
    }
    slots = slots_make(table->heap, slot_count);
    high = slots == NULL ? NULL : segment_make(table->heap, slot_count, depth + 1);
    if (high == NULL) {
        if (slots != NULL) {
            exec_heap_give(table->heap, slots, slot_count * sizeof(*slots));
        }
        return false;
    }
    span = (size_t)1 << (table->depth - depth); /* directory places that name the segment */
    first = directory_at(table, hash) & ~(span - 1);
    for (size_t i = span / 2; i < span; i++) {
        CHECK(table->directory[first + i] == segment);
        table->directory[first + i] = high;
    }
    *segment = (struct segment){.slots = slots, .mask = slot_count - 1, .depth = depth + 1};
    segment_deal(old, slot_count, depth, segment, high);
    exec_heap_give(table->heap, old, slot_count * sizeof(*old));
    return true;
}

/* Probes stay short up to 70 percent. */
static bool segment_is_full(const struct segment *segment)
{
    return (segment->live + segment->removed + 1) * 10 > (segment->mask + 1) * 7;
}

/* Splitting helps where hashes differ. Where many are equal it would only double the directory, again and again. */
static bool may_split(const struct exec_table *table, const struct segment *segment)
{
    return segment->depth < DEPTH_MAX &&
           (segment->depth < table->depth || (UINT64_C(1) << table->depth) <= table->count / DIRECTORY_SHARE);
}

/* Room for one more key of this hash. */
static bool make_room(struct exec_table *table, uint64_t hash)
{
    struct segment *segment = segment_of(table, hash);

    while (UNLIKELY(segment_is_full(segment))) {
        uint32_t slot_count = segment->mask + 1;
        bool     done;

        if (segment->removed >= segment->live) {
            done = segment_resize(table, segment, slot_count);
        } else if (slot_count < SEGMENT_SLOTS_MAX || !may_split(table, segment)) {
            done = segment_resize(table, segment, slot_count * 2);
        } else {
            done = segment_split(table, segment, hash);
        }
        if (!done) {
            return false;
        }
        segment = segment_of(table, hash);
    }
    return true;
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

struct exec_table *exec_table_create(struct exec_heap *heap, const struct exec_layout *key, size_t payload_bytes)
{
    struct exec_table *table = exec_heap_take(heap, sizeof(*table));

    if (table == NULL) {
        return NULL;
    }
    *table = (struct exec_table){
        .heap = heap,
        .op = exec__heap_operator(heap),
        .key = key,
        .payload_bytes = payload_bytes,
        .touched_bytes = MIN(key->row_bytes + payload_bytes, TOUCHED_MAX),
        .directory = exec_heap_take(heap, sizeof(struct segment *)),
    };
    if (table->directory == NULL) {
        exec_heap_give(heap, table, sizeof(*table));
        return NULL;
    }
    table->directory[0] = segment_make(heap, SEGMENT_SLOTS_MIN, 0);
    if (table->directory[0] == NULL) {
        exec_heap_give(heap, table->directory, sizeof(struct segment *));
        exec_heap_give(heap, table, sizeof(*table));
        return NULL;
    }
    return table;
}

static void entry_free(struct exec_table *table, struct entry *entry)
{
    exec_row_drop(table->key, table->heap, entry->row);
    exec_heap_give(table->heap, entry, entry_bytes(table));
}

void exec_table_destroy(struct exec_table *table)
{
    struct exec_heap *heap = table->heap;
    size_t            count = (size_t)1 << table->depth;

    exec__heap_count_rows(heap, -(int64_t)table->count);
    exec_table_saved(table);
    for (struct entry *entry = table->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        entry_free(table, entry);
    }
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = table->directory[i];

        if (i + 1 == count || table->directory[i + 1] != segment) {
            exec_heap_give(heap, segment->slots, ((size_t)segment->mask + 1) * sizeof(uint64_t));
            exec_heap_give(heap, segment, sizeof(*segment));
        }
    }
    exec_heap_give(heap, table->directory, count * sizeof(struct segment *));
    exec_heap_give(heap, table, sizeof(*table));
}

/* --- finding -------------------------------------------------------------------------------------------------------
 */

/* Keys are mostly one fixed-width column or two: a row of 16 bytes. */
static inline bool same_key(const struct exec_layout *key, const void *a, const void *b)
{
    if (key->row_bytes == 16 && key->text_count == 0) {
        vec_uint128 left, right;

        memcpy(&left, a, sizeof(left));
        memcpy(&right, b, sizeof(right));
        return left == right;
    }
    return exec_row_same(key, a, b);
}

static void *insert_entry(struct exec_table *table, const void *row, uint64_t hash)
{
    struct entry *entry;

    if (!make_room(table, hash)) {
        return NULL;
    }
    entry = exec_heap_take(table->heap, entry_bytes(table));
    if (entry == NULL) {
        return NULL;
    }
    memcpy(entry->row, row, table->key->row_bytes);
    if (table->key->text_count > 0 && !exec_row_keep(table->key, table->heap, entry->row)) {
        exec_heap_give(table->heap, entry, entry_bytes(table));
        return NULL;
    }
    memset(entry->row + table->key->row_bytes, 0, table->payload_bytes);
    entry->hash = hash;
    entry->next_changed = NULL;
    entry->next = NULL;
    entry->prev = table->last;
    *(table->last == NULL ? &table->first : &table->last->next) = entry;
    table->last = entry;
    table->count++;
    CHECK(((uintptr_t)entry & ~ADDRESS_MASK) == 0);
    segment_put(segment_of(table, hash), hash, salt_of(hash) << SALT_SHIFT | (uintptr_t)entry);
    return entry->row;
}

static inline void *find_entry(const struct exec_table *table, const void *row, uint64_t hash)
{
    const struct segment *segment = segment_of(table, hash);
    uint64_t              salt = salt_of(hash);
    size_t                at = (size_t)hash & segment->mask;
    uint64_t              slot;

    while ((slot = segment->slots[at]) != SLOT_EMPTY) {
        if (slot >> SALT_SHIFT == salt && slot != SLOT_REMOVED) {
            struct entry *entry = (struct entry *)(uintptr_t)(slot & ADDRESS_MASK);

            if (LIKELY(same_key(table->key, entry->row, row))) {
                return entry->row;
            }
        }
        at = (at + 1) & segment->mask;
    }
    return NULL;
}

static inline void prefetch_slot(const struct exec_table *table, uint64_t hash)
{
    const struct segment *segment = segment_of(table, hash);

    __builtin_prefetch(&segment->slots[(size_t)hash & segment->mask]);
}

/* The first entry of the probe with the right salt, which is the right one mostly, on its way into the cache with what
 * the caller will touch; NULL when there is none. */
static inline struct entry *prefetch_entry(const struct exec_table *table, uint64_t hash)
{
    const struct segment *segment = segment_of(table, hash);
    uint64_t              salt = salt_of(hash);
    size_t                at = (size_t)hash & segment->mask;
    uint64_t              slot;

    while ((slot = segment->slots[at]) != SLOT_EMPTY) {
        if (slot >> SALT_SHIFT == salt && slot != SLOT_REMOVED) {
            struct entry *entry = (struct entry *)(uintptr_t)(slot & ADDRESS_MASK);

            for (size_t ahead = 0; ahead < table->touched_bytes; ahead += LINE) {
                __builtin_prefetch(entry->row + ahead, 1);
            }
            __builtin_prefetch(entry->row + table->touched_bytes - 1, 1);
            return entry;
        }
        at = (at + 1) & segment->mask;
    }
    return NULL;
}

static inline bool is_key(const struct exec_table *table, const struct entry *entry, const void *row)
{
    return LIKELY(entry != NULL) && LIKELY(same_key(table->key, entry->row, row));
}

bool exec_table_find_rows(struct exec_table *table, const void *const *rows, const uint64_t *hashes, size_t count,
                          bool insert, void **entries, bool *is_new)
{
    struct entry *ahead[PREFETCH_AHEAD]; /* of rows i .. i + PREFETCH_AHEAD - 1 */

    for (size_t i = 0; i < MIN(count, (size_t)2 * PREFETCH_AHEAD); i++) {
        prefetch_slot(table, hashes[i]);
    }
    for (size_t i = 0; i < MIN(count, (size_t)PREFETCH_AHEAD); i++) {
        ahead[i] = prefetch_entry(table, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct entry *likely = ahead[i % PREFETCH_AHEAD];
        bool          absent;

        if (i + 2 * PREFETCH_AHEAD < count) {
            prefetch_slot(table, hashes[i + 2 * PREFETCH_AHEAD]);
        }
        if (i + PREFETCH_AHEAD < count) {
            ahead[i % PREFETCH_AHEAD] = prefetch_entry(table, hashes[i + PREFETCH_AHEAD]);
        }
        entries[i] = is_key(table, likely, rows[i]) ? likely->row : find_entry(table, rows[i], hashes[i]);
        absent = entries[i] == NULL;
        if (UNLIKELY(absent && insert)) {
            entries[i] = insert_entry(table, rows[i], hashes[i]);
            if (entries[i] == NULL) {
                return false;
            }
            exec__heap_count_rows(table->heap, 1);
        }
        if (is_new != NULL) {
            is_new[i] = absent && insert;
        }
    }
    return true;
}

bool exec_table_find(struct exec_table *table, const struct vec *const *keys, const struct vec_chunk *chunk,
                     const uint64_t *hashes, bool insert, void **entries, bool *is_new)
{
    struct arena *scratch = exec_heap_scratch(table->heap);
    size_t        count = chunk->selected_count;
    uint8_t      *loaded;
    const void   *rows[VEC_ROWS_MAX];
    uint64_t      row_hashes[VEC_ROWS_MAX];

    arena_reset(scratch);
    loaded = arena_alloc_array(scratch, count, table->key->row_bytes);
    CHECK(loaded != NULL);
    exec_rows_load(table->key, keys, chunk, scratch, loaded);
    for (size_t i = 0; i < count; i++) {
        rows[i] = loaded + i * table->key->row_bytes;
        row_hashes[i] = hashes[vec_chunk_row(chunk, i)];
    }
    return exec_table_find_rows(table, rows, row_hashes, count, insert, entries, is_new);
}

/* --- the rest ------------------------------------------------------------------------------------------------------
 */

void exec_table_remove(struct exec_table *table, void *row)
{
    struct entry   *entry = entry_of(row);
    struct segment *segment = segment_of(table, entry->hash);
    size_t          at = (size_t)entry->hash & segment->mask;
    bool            last;

    while ((segment->slots[at] & ADDRESS_MASK) != (uintptr_t)entry) {
        CHECK(segment->slots[at] != SLOT_EMPTY);
        at = (at + 1) & segment->mask;
    }
    /* Nothing probes on past it when the next slot is empty. */
    last = segment->slots[(at + 1) & segment->mask] == SLOT_EMPTY;
    segment->slots[at] = last ? SLOT_EMPTY : SLOT_REMOVED;
    segment->removed += !last;
    segment->live--;
    *(entry->prev == NULL ? &table->first : &entry->prev->next) = entry->next;
    *(entry->next == NULL ? &table->last : &entry->next->prev) = entry->prev;
    table->count--;
    exec__heap_count_rows(table->heap, -1);
    if (UNLIKELY(table->tracks)) {
        entry->prev = REMOVED;
        entry->next = NULL;
        *(table->removed_first == NULL ? &table->removed_first : &table->removed_last->next) = entry;
        table->removed_last = entry;
    } else {
        entry_free(table, entry);
    }
}

uint64_t exec_table_count(const struct exec_table *table)
{
    return table->count;
}

const struct exec_layout *exec_table_key(const struct exec_table *table)
{
    return table->key;
}

void *exec_table_payload(const struct exec_table *table, void *entry)
{
    return (uint8_t *)entry + table->key->row_bytes;
}

uint64_t exec_table_hash(const void *entry)
{
    return ((const struct entry *)(const void *)((const uint8_t *)entry - offsetof(struct entry, row)))->hash;
}

void *exec_table_next(const struct exec_table *table, void *entry)
{
    struct entry *next = entry == NULL ? table->first : entry_of(entry)->next;

    return next == NULL ? NULL : next->row;
}

/* --- changes -------------------------------------------------------------------------------------------------------
 */

void exec_table_track(struct exec_table *table)
{
    table->tracks = true;
}

void exec_table_touch(struct exec_table *table, void *row)
{
    struct entry *entry = entry_of(row);

    if (!table->tracks || entry->next_changed != NULL) {
        return;
    }
    entry->next_changed = LAST;
    *(table->changed_first == NULL ? &table->changed_first : &table->changed_last->next_changed) = entry;
    table->changed_last = entry;
}

void *exec_table_first_removed(const struct exec_table *table)
{
    return table->removed_first == NULL ? NULL : table->removed_first->row;
}

void *exec_table_first_changed(struct exec_table *table)
{
    while (table->changed_first != NULL && table->changed_first->prev == REMOVED) {
        (void)exec_table_pop_changed(table);
    }
    return table->changed_first == NULL ? NULL : table->changed_first->row;
}

bool exec_table_pop_removed(struct exec_table *table)
{
    struct entry *entry = table->removed_first;

    if (entry == NULL) {
        return false;
    }
    table->removed_first = entry->next;
    if (entry->next_changed == NULL) {
        entry_free(table, entry); /* else the list of changes frees it on its way */
    }
    return true;
}

bool exec_table_pop_changed(struct exec_table *table)
{
    struct entry *entry = table->changed_first;

    CHECK(table->removed_first == NULL);
    if (entry == NULL) {
        return false;
    }
    table->changed_first = entry->next_changed == LAST ? NULL : entry->next_changed;
    entry->next_changed = NULL;
    if (entry->prev == REMOVED) {
        entry_free(table, entry);
    }
    return true;
}

void exec_table_saved(struct exec_table *table)
{
    while (exec_table_pop_removed(table) || exec_table_pop_changed(table)) {
    }
}
