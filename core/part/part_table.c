/* The shard's partitions by name and by id, and the timer that forgets idle producers.
 *
 * Both maps hold the same parts; by_id gives the order of opening. A part that is going away leaves both at once, its
 * memory follows. */
#include "core/part/part_internal.h"

#include "core/base/bytes.h"

#define PART_KEY_BYTES_MAX (PART_TOPIC_BYTES_MAX + 4)

STATIC_CHECK(PART_TOPIC_BYTES_MAX >= sizeof(struct uuid));

static void part_table_expire(struct timer *timer);

struct part_table *part_table_create(struct io_shard *shard, struct store *store)
{
    struct part_table *table = mem_alloc(MEM_PART, sizeof(*table));

    table->shard = shard;
    table->store = store;
    map_init(&table->by_name, MEM_PART);
    map_init(&table->by_id, MEM_PART);
    map_init(&table->reserved, MEM_PART);
    list_init(&table->free_appends);
    timer_arm(shard->timers, &table->expiry, io_now_ns(shard->io) + PART_EXPIRY_CHECK_MS * NS_PER_MS,
              part_table_expire);
    return table;
}

void part_table_destroy(struct part_table *table)
{
    struct list_node *node;

    if (table == NULL) {
        return;
    }
    CHECK(table->part_count == 0);
    while ((node = list_pop_front(&table->free_appends)) != NULL) {
        mem_free(MEM_PART, LIST_ENTRY(node, struct part_detached, link));
    }
    timer_disarm(table->shard->timers, &table->expiry);
    map_deinit(&table->by_name);
    map_deinit(&table->by_id);
    map_deinit(&table->reserved);
    mem_free(MEM_PART, table);
}

static struct view part_key(uint8_t key[PART_KEY_BYTES_MAX], struct view name, int32_t partition)
{
    memcpy(key, name.base, name.len);
    store_le32(key + name.len, (uint32_t)partition);
    return view_of(key, name.len + 4);
}

size_t part_table_count(const struct part_table *table)
{
    return map_count(&table->by_id);
}

struct part_urgent part_table_urgent(const struct part_table *table)
{
    return table->urgent;
}

struct part *part_find(struct part_table *table, struct view topic, int32_t partition)
{
    uint8_t key[PART_KEY_BYTES_MAX];

    if (topic.len == 0 || topic.len > PART_TOPIC_BYTES_MAX) {
        return NULL;
    }
    return map_get(&table->by_name, part_key(key, topic, partition));
}

struct part *part_find_id(struct part_table *table, struct uuid topic_id, int32_t partition)
{
    uint8_t key[PART_KEY_BYTES_MAX];

    return map_get(&table->by_id, part_key(key, view_of(topic_id.bytes, sizeof(topic_id.bytes)), partition));
}

struct part *part_table_next(struct part_table *table, size_t *position)
{
    struct map_entry *entry = map_next(&table->by_id, position);

    return entry == NULL ? NULL : entry->value;
}

void part__table_add(struct part *part)
{
    struct part_table *table = part->table;
    uint8_t            key[PART_KEY_BYTES_MAX];
    struct view        id = view_of(part->topic_id.bytes, sizeof(part->topic_id.bytes));

    CHECK(part_find(table, part_topic(part), part->partition) == NULL);
    CHECK(part_find_id(table, part->topic_id, part->partition) == NULL);
    map_put(&table->by_name, part_key(key, part_topic(part), part->partition), part);
    map_put(&table->by_id, part_key(key, id, part->partition), part);
    table->part_count++;
}

void part__table_remove(struct part *part)
{
    struct part_table *table = part->table;
    uint8_t            key[PART_KEY_BYTES_MAX];
    struct view        id = view_of(part->topic_id.bytes, sizeof(part->topic_id.bytes));

    CHECK(map_remove(&table->by_name, part_key(key, part_topic(part), part->partition)) == part);
    CHECK(map_remove(&table->by_id, part_key(key, id, part->partition)) == part);
}

/* The last part's memory is gone: the table may be destroyed by `done`. */
static void part_table_closed(struct part_table *table)
{
    if (table->part_count == 0 && table->closing && !table->close_posted) {
        table->closing = false;
        table->close_done(table->close_context, KP_ERR_NONE);
    }
}

static void part_table_close_turn(struct io_op *op)
{
    struct part_table *table = CONTAINER_OF(op, struct part_table, close_post);

    table->close_posted = false;
    part_table_closed(table);
}

void part_table_close(struct part_table *table, part_done_fn *done, void *context)
{
    struct part *part;
    size_t       position = 0;

    CHECK(!table->closing && done != NULL);
    table->closing = true;
    table->close_posted = true;
    table->close_done = done;
    table->close_context = context;
    while ((part = part_table_next(table, &position)) != NULL) {
        part__close(part);
    }
    io_post(table->shard->io, &table->close_post, part_table_close_turn);
}

void part__table_part_freed(struct part_table *table)
{
    CHECK(table->part_count > 0);
    table->part_count--;
    part_table_closed(table);
}

/* Idle producers stand first in each part's list, so that a turn costs what it forgets, not what it keeps. */
static void part_table_expire(struct timer *timer)
{
    struct part_table *table = CONTAINER_OF(timer, struct part_table, expiry);
    int64_t            now_ns = io_now_ns(table->shard->io);
    struct part       *part;
    size_t             position = 0;

    while ((part = part_table_next(table, &position)) != NULL) {
        part__producers_expire(part, now_ns);
    }
    timer_arm(table->shard->timers, timer, now_ns + PART_EXPIRY_CHECK_MS * NS_PER_MS, part_table_expire);
}

/* --- reserved producer ids --------------------------------------------------------------------------------------- */

void part_table_reserve(struct part_table *table, int64_t producer_id)
{
    (void)map_put(&table->reserved, view_of(&producer_id, sizeof(producer_id)), table);
}

void part_table_release(struct part_table *table, int64_t producer_id)
{
    (void)map_remove(&table->reserved, view_of(&producer_id, sizeof(producer_id)));
}

bool part_table_reserved(const struct part_table *table, int64_t producer_id)
{
    return map_count(&table->reserved) > 0 &&
           map_get(&table->reserved, view_of(&producer_id, sizeof(producer_id))) != NULL;
}
