/* Expiry: committed offsets that nobody has use for any more, and groups that have nothing left.
 *
 *   a group of consumers, empty     retention counts from when it became empty (unknown: from each commit)
 *   a group of consumers, stable    the same for topics it does not read, from each commit
 *   a simple group                  from each commit
 *   any other                       nothing expires
 *
 * Never: topics the group is subscribed to, partitions with an offset in an open transaction. An expiry time that the
 * client gave with its commit (OffsetCommit 2 to 4) takes the place of all this.
 *
 * A round looks at some groups a turn, those first that were looked at longest ago: with 100,000 groups the members of
 * the others do not wait for it. */
#include "core/coord/group.h"

#define EXPIRE_BATCH  256 /* tombstones per event */
#define EXPIRE_GROUPS 256 /* looked at in one turn */

static bool expire_due(const struct group *group, const struct offset_entry *entry, int64_t retention_ms,
                       int64_t now_ms)
{
    int64_t since_ms = entry->commit_ms;

    if (group->type == GROUP_CLASSIC && group->state == GROUP_EMPTY && group->protocol_type.base != NULL &&
        group->state_ms >= 0) {
        since_ms = group->state_ms;
    }
    return entry->expire_ms >= 0 ? now_ms >= entry->expire_ms : now_ms - since_ms >= retention_ms;
}

/* Whether anything of the group can expire now. */
static bool expire_applies(const struct group *group)
{
    if (group->type == GROUP_CONSUMER || group->protocol_type.base == NULL || group->state == GROUP_EMPTY) {
        return true;
    }
    return group->state == GROUP_STABLE && view_equal(group->protocol_type, view_text("consumer"));
}

static bool expire_subscribed(const struct group *group, struct view topic)
{
    bool known = false;

    if (group->type == GROUP_CONSUMER) {
        return group_modern__subscribed(group, topic);
    }
    if (group->member_count == 0) {
        return false;
    }
    return group__classic_subscribed(group, topic, &known) || !known;
}

static uint32_t expire_topic(struct group *group, const struct offset_topic *topic, int64_t retention_ms,
                             int64_t now_ms)
{
    int32_t     due[EXPIRE_BATCH];
    uint32_t    count = 0;
    uint8_t     name_bytes[META_TOPIC_NAME_BYTES_MAX + 1] = {0};
    struct view name = view_of(name_bytes, MIN(topic->name.len, sizeof(name_bytes)));

    memcpy(name_bytes, topic->name.base, name.len);
    for (uint32_t i = 0; i < topic->count && count < EXPIRE_BATCH; i++) {
        const struct offset_entry *entry = &topic->entries[i];

        if (expire_due(group, entry, retention_ms, now_ms) &&
            !group__offset_is_pending(group, name, entry->partition)) {
            due[count++] = entry->partition;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        group__offset_add_tombstone(group, name, due[i]);
        group__offset_remove(group, name, due[i]);
    }
    return count;
}

/* False: a topic has more than an event takes, and the group is to be looked at again. */
static bool expire_group(struct group *group, int64_t retention_ms, int64_t now_ms)
{
    struct coord_log *log = group__log(group);

    MAP_EACH(&group->offsets, entry) {
        const struct offset_topic *topic = entry->value;

        if (expire_applies(group) && !expire_subscribed(group, topic->name)) {
            uint32_t expired = expire_topic(group, topic, retention_ms, now_ms);

            coord_log_commit(log, NULL);
            if (expired == EXPIRE_BATCH) {
                return false;
            }
        }
    }
    if (group__is_empty(group) && map_count(&group->offsets) == 0 && list_empty(&group->pending_offsets) &&
        group->pending_count == 0) {
        group__add_tombstones(group);
        coord_log_commit(log, NULL);
        group__destroy(group);
    }
    return true;
}

bool group__offset_expire(struct groups *groups, int64_t now_ms)
{
    int64_t retention_ms = coord__settings(groups->coord)->offsets_retention_ms;

    if (groups->expiry_left == 0) {
        groups->expiry_left = map_count(&groups->by_id);
    }
    for (int i = 0; i < EXPIRE_GROUPS && groups->expiry_left > 0 && !list_empty(&groups->walk); i++) {
        struct group *group = LIST_ENTRY(list_first(&groups->walk), struct group, walk_link);

        list_remove(&group->walk_link);
        list_push_back(&groups->walk, &group->walk_link);
        if (expire_group(group, retention_ms, now_ms)) {
            groups->expiry_left--;
        } else {
            list_remove(&group->walk_link);
            list_push_front(&groups->walk, &group->walk_link);
            break;
        }
    }
    if (list_empty(&groups->walk)) {
        groups->expiry_left = 0;
    }
    return groups->expiry_left == 0;
}
