/* Committed offsets of a group: kept by topic, those of open transactions beside them until their marker comes.
 *
 * Two commits of one partition are ordered by their place in the log: what a transaction committed counts from the
 * place of its own record, so a commit that came between it and the marker wins. */
#include "core/base/hash.h"
#include "core/coord/group.h"

/* --- entries ----------------------------------------------------------------------------------------------------- */

static void offset_metadata_free(struct offset_entry *entry)
{
    if (entry->metadata.len > 0) {
        mem_free(MEM_COORD, (void *)(uintptr_t)entry->metadata.base);
    }
    entry->metadata = view_text("");
}

static void offset_metadata_copy(struct offset_entry *entry, struct view metadata)
{
    uint8_t *copy;

    entry->metadata = view_text("");
    if (metadata.len > 0) {
        copy = mem_alloc(MEM_COORD, metadata.len);
        memcpy(copy, metadata.base, metadata.len);
        entry->metadata = view_of(copy, metadata.len);
    }
}

/* Where the partition stands or belongs. */
static uint32_t offset_place(const struct offset_topic *topic, int32_t partition)
{
    uint32_t low = 0;
    uint32_t high = topic->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (topic->entries[middle].partition < partition) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct offset_entry *group__offset_find(const struct group *group, struct view name, int32_t partition)
{
    struct offset_topic *topic = map_get(&group->offsets, name);
    uint32_t             at = topic == NULL ? 0 : offset_place(topic, partition);

    return topic == NULL || at == topic->count || topic->entries[at].partition != partition ? NULL
                                                                                            : &topic->entries[at];
}

static struct offset_topic *offset_topic_create(struct group *group, struct view name)
{
    struct offset_topic *topic = mem_alloc(MEM_COORD, sizeof(*topic) + name.len);

    memcpy(topic->name_bytes_, name.base, name.len);
    topic->name = view_of(topic->name_bytes_, name.len);
    MAYBE(map_put(&group->offsets, name, topic) == NULL);
    return topic;
}

static void offset_topic_destroy(struct group *group, struct offset_topic *topic)
{
    for (uint32_t i = 0; i < topic->count; i++) {
        offset_metadata_free(&topic->entries[i]);
    }
    mem_free(MEM_COORD, topic->entries);
    CHECK(map_remove(&group->offsets, topic->name) == topic);
    mem_free(MEM_COORD, topic);
}

static struct offset_entry *offset_insert(struct offset_topic *topic, uint32_t at, int32_t partition)
{
    if (topic->count == topic->capacity) {
        topic->capacity = MAX(topic->capacity * 2, 1);
        topic->entries = mem_realloc(MEM_COORD, topic->entries, topic->capacity * sizeof(*topic->entries));
    }
    memmove(&topic->entries[at + 1], &topic->entries[at], (topic->count - at) * sizeof(*topic->entries));
    topic->count++;
    topic->entries[at] = (struct offset_entry){.partition = partition, .metadata = view_text(""), .order = -1};
    return &topic->entries[at];
}

void group__offset_put(struct group *group, struct view name, const struct offset_entry *entry)
{
    struct offset_topic *topic = map_get(&group->offsets, name);
    struct offset_entry *place;
    uint32_t             at;

    if (topic == NULL) {
        topic = offset_topic_create(group, name);
    }
    at = offset_place(topic, entry->partition);
    place = at < topic->count && topic->entries[at].partition == entry->partition
                ? &topic->entries[at]
                : offset_insert(topic, at, entry->partition);
    if (place->order > entry->order) {
        return;
    }
    offset_metadata_free(place);
    *place = *entry;
    offset_metadata_copy(place, entry->metadata);
}

static void offset_drop(struct group *group, struct offset_topic *topic, struct offset_entry *entry)
{
    size_t at = (size_t)(entry - topic->entries);

    offset_metadata_free(entry);
    memmove(entry, entry + 1, (topic->count - at - 1) * sizeof(*entry));
    if (--topic->count == 0) {
        offset_topic_destroy(group, topic);
    }
}

/* --- open transactions ------------------------------------------------------------------------------------------- */

static uint64_t offset_hash(struct view topic, int32_t partition)
{
    return hash_bytes(topic) ^ hash_u64((uint32_t)partition);
}

static bool offset_is(const struct offset_pending *pending, uint64_t hash, struct view topic, int32_t partition)
{
    return pending->hash == hash && pending->entry.partition == partition && view_equal(pending->topic, topic);
}

static void offset_pending_free(struct offset_pending *pending)
{
    list_remove(&pending->by_producer);
    list_remove(&pending->by_group);
    offset_metadata_free(&pending->entry);
    mem_free(MEM_COORD, pending);
}

static struct view offset_producer_key(const int64_t *producer_id)
{
    return view_of(producer_id, sizeof(*producer_id));
}

static struct offset_producer *offset_producer_get(struct groups *groups, int64_t producer_id)
{
    struct offset_producer *producer = map_get(&groups->pending, offset_producer_key(&producer_id));

    if (producer == NULL) {
        producer = mem_alloc(MEM_COORD, sizeof(*producer));
        producer->producer_id = producer_id;
        list_init(&producer->pending);
        MAYBE(map_put(&groups->pending, offset_producer_key(&producer_id), producer) == NULL);
    }
    return producer;
}

static void offset_producer_free(struct groups *groups, struct offset_producer *producer)
{
    CHECK(list_empty(&producer->pending));
    CHECK(map_remove(&groups->pending, offset_producer_key(&producer->producer_id)) == producer);
    mem_free(MEM_COORD, producer);
}

void group__offset_put_pending(struct group *group, int64_t producer_id, struct view topic,
                               const struct offset_entry *entry)
{
    struct offset_producer *producer = offset_producer_get(group->groups, producer_id);
    struct offset_pending  *pending;
    uint64_t                hash = offset_hash(topic, entry->partition);

    LIST_EACH(&group->pending_offsets, node) {
        struct offset_pending *earlier = LIST_ENTRY(node, struct offset_pending, by_group);

        if (earlier->producer == producer && offset_is(earlier, hash, topic, entry->partition)) {
            offset_pending_free(earlier);
            break;
        }
    }
    pending = mem_alloc(MEM_COORD, sizeof(*pending) + topic.len);
    pending->producer = producer;
    pending->group = group;
    pending->hash = hash;
    pending->entry = *entry;
    offset_metadata_copy(&pending->entry, entry->metadata);
    memcpy(pending->topic_bytes_, topic.base, topic.len);
    pending->topic = view_of(pending->topic_bytes_, topic.len);
    list_init(&pending->by_producer);
    list_init(&pending->by_group);
    list_push_back(&producer->pending, &pending->by_producer);
    list_push_back(&group->pending_offsets, &pending->by_group);
}

bool group__offset_is_pending(const struct group *group, struct view topic, int32_t partition)
{
    uint64_t hash;

    if (list_empty(&group->pending_offsets)) {
        return false;
    }
    hash = offset_hash(topic, partition);
    LIST_EACH(&group->pending_offsets, node) {
        if (offset_is(LIST_ENTRY(node, struct offset_pending, by_group), hash, topic, partition)) {
            return true;
        }
    }
    return false;
}

void group__offset_marker(struct groups *groups, int64_t producer_id, bool commit)
{
    struct offset_producer *producer = map_get(&groups->pending, offset_producer_key(&producer_id));
    struct list_node       *node;

    if (producer == NULL) {
        return;
    }
    while ((node = list_first(&producer->pending)) != NULL) {
        struct offset_pending *pending = LIST_ENTRY(node, struct offset_pending, by_producer);

        if (commit) {
            group__offset_put(pending->group, pending->topic, &pending->entry);
        }
        offset_pending_free(pending);
    }
    offset_producer_free(groups, producer);
}

void group__offset_producers_clear(struct groups *groups)
{
    MAP_EACH(&groups->pending, entry) {
        struct offset_producer *producer = entry->value;

        while (!list_empty(&producer->pending)) {
            offset_pending_free(LIST_ENTRY(list_first(&producer->pending), struct offset_pending, by_producer));
        }
        offset_producer_free(groups, producer);
    }
}

/* --- removal ----------------------------------------------------------------------------------------------------- */

static void offset_remove_pending(struct group *group, struct view topic, int32_t partition)
{
    uint64_t hash = offset_hash(topic, partition);

    LIST_EACH(&group->pending_offsets, node) {
        struct offset_pending *pending = LIST_ENTRY(node, struct offset_pending, by_group);

        if (offset_is(pending, hash, topic, partition)) {
            offset_pending_free(pending);
        }
    }
}

void group__offset_remove(struct group *group, struct view topic, int32_t partition)
{
    struct offset_entry *entry = group__offset_find(group, topic, partition);

    if (entry != NULL) {
        offset_drop(group, map_get(&group->offsets, topic), entry);
    }
    if (!list_empty(&group->pending_offsets)) {
        offset_remove_pending(group, topic, partition);
    }
}

void group__offsets_clear(struct group *group)
{
    MAP_EACH(&group->offsets, entry) {
        offset_topic_destroy(group, entry->value);
    }
    while (!list_empty(&group->pending_offsets)) {
        offset_pending_free(LIST_ENTRY(list_first(&group->pending_offsets), struct offset_pending, by_group));
    }
}

void group__offset_topic_removed(struct group *group, struct view name)
{
    struct offset_topic *topic = map_get(&group->offsets, name);

    while (topic != NULL) {
        bool last = topic->count == 1;

        group__offset_add_tombstone(group, name, topic->entries[0].partition);
        offset_drop(group, topic, &topic->entries[0]);
        topic = last ? NULL : topic;
    }
    LIST_EACH(&group->pending_offsets, node) {
        struct offset_pending *pending = LIST_ENTRY(node, struct offset_pending, by_group);

        if (view_equal(pending->topic, name)) {
            group__offset_add_tombstone(group, name, pending->entry.partition);
            offset_pending_free(pending);
        }
    }
}

void group__offset_check_topics(struct groups *groups)
{
    MAP_EACH(&groups->by_id, entry) {
        struct group *group = entry->value;

        MAP_EACH(&group->offsets, known) {
            const struct offset_topic *topic = known->value;

            if (meta_topic(groups->coord->meta, topic->name) == NULL) {
                uint8_t     name[META_TOPIC_NAME_BYTES_MAX + 1];
                struct view copy = view_of(name, MIN(topic->name.len, sizeof(name)));

                memcpy(name, topic->name.base, copy.len);
                group__offset_topic_removed(group, copy);
            }
        }
    }
    coord_log_commit(groups->slot->log, NULL);
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static void write_offset_key(struct kp_writer *writer, const void *in)
{
    kp_offset_commit_key_write(writer, in);
}

static void write_offset_value(struct kp_writer *writer, const void *in)
{
    const struct kp_offset_commit_value *value = in;

    kp_offset_commit_value_write(writer, value->expire_timestamp >= 0 ? 1 : 3, value);
}

void group__offset_add_record(struct group *group, struct view topic, const struct offset_entry *entry)
{
    struct kp_offset_commit_key   key = {.group = group->id, .topic = topic, .partition = entry->partition};
    struct kp_offset_commit_value value;

    kp_offset_commit_value_init(&value);
    value.offset = entry->offset;
    value.leader_epoch = entry->leader_epoch;
    value.metadata = entry->metadata;
    value.commit_timestamp = entry->commit_ms;
    value.expire_timestamp = entry->expire_ms;
    coord__add(group->groups->slot, write_offset_key, &key, write_offset_value, &value);
}

void group__offset_add_tombstone(struct group *group, struct view topic, int32_t partition)
{
    struct kp_offset_commit_key key = {.group = group->id, .topic = topic, .partition = partition};

    coord__add(group->groups->slot, write_offset_key, &key, NULL, NULL);
}

void group__offset_add_tombstones(struct group *group)
{
    MAP_EACH(&group->offsets, entry) {
        const struct offset_topic *topic = entry->value;

        for (uint32_t i = 0; i < topic->count; i++) {
            group__offset_add_tombstone(group, topic->name, topic->entries[i].partition);
        }
    }
    LIST_EACH(&group->pending_offsets, node) {
        const struct offset_pending *pending = LIST_ENTRY(node, struct offset_pending, by_group);

        group__offset_add_tombstone(group, pending->topic, pending->entry.partition);
    }
}

void group__offset_replay(struct groups *groups, const struct kp_offset_commit_key *key,
                          const struct kp_offset_commit_value *value, const struct coord_record *record)
{
    struct group       *group = group__find(groups, key->group);
    struct offset_entry entry;

    if (value == NULL) {
        if (group != NULL) {
            group__offset_remove(group, key->topic, key->partition);
            if (group->type == GROUP_CLASSIC && !group->recorded && map_count(&group->offsets) == 0 &&
                list_empty(&group->pending_offsets)) {
                group__destroy(group);
            }
        }
        return;
    }
    if (group == NULL) {
        group = group__create(groups, key->group);
    }
    entry = (struct offset_entry){
        .partition = key->partition,
        .leader_epoch = value->leader_epoch,
        .offset = value->offset,
        .commit_ms = value->commit_timestamp,
        .expire_ms = value->expire_timestamp,
        .order = record->offset,
        .metadata = value->metadata,
    };
    if (record->producer_id >= 0) {
        group__offset_put_pending(group, record->producer_id, key->topic, &entry);
    } else {
        group__offset_put(group, key->topic, &entry);
    }
}
