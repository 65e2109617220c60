/* group_modern_replay.c: records of the KIP-848 kinds become a group's state, at start as after a decision.
 *
 * Compaction keeps the newest record of each key only, so that records of one member may come in any order and some of
 * them twice. A member is made by whatever names it first; one whose metadata never comes is dropped when all has been
 * read. */
#include "core/base/check.h"
#include "core/coord/group_modern.h"
#include "core/proto/kp_header.h"

struct keyed {
    int16_t     type;
    struct view group_id;
    struct view second;
};

/* False: not one of ours. */
static bool read_key(struct view key, struct keyed *out_keyed)
{
    struct kp_reader reader;

    kp_reader_init(&reader, key, NULL);
    out_keyed->type = kp_read_int16(&reader);
    out_keyed->second = (struct view){0};
    switch (out_keyed->type) {
    case KP_ENTRY_CONSUMER_GROUP_METADATA:
    case KP_ENTRY_CONSUMER_GROUP_PARTITION_METADATA:
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA:
        out_keyed->group_id = kp_read_string(&reader, false, false);
        break;
    case KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA:
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER:
    case KP_ENTRY_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT:
    case KP_ENTRY_CONSUMER_GROUP_REGULAR_EXPRESSION:
        out_keyed->group_id = kp_read_string(&reader, false, false);
        out_keyed->second = kp_read_string(&reader, false, false);
        break;
    default:
        return false;
    }
    return reader.error == ERR_OK && kp_reader_remaining(&reader) == 0;
}

bool modern_key_group(struct view key, struct view *out_group_id)
{
    struct keyed keyed;

    if (!read_key(key, &keyed)) {
        return false;
    }
    *out_group_id = keyed.group_id;
    return true;
}

/* --- the group ---------------------------------------------------------------------------------------------------- */

static int apply_group(struct modern_group *group, struct kp_reader *reader)
{
    struct kp_consumer_group_metadata_value value;
    int                                     result = kp_consumer_group_metadata_value_read(reader, &value);

    if (result == ERR_OK) {
        group->epoch = value.epoch;
        group->metadata_hash = value.metadata_hash;
        group->persisted = true;
    }
    return result;
}

static int apply_target_epoch(struct modern_group *group, struct kp_reader *reader)
{
    struct kp_consumer_group_target_assignment_metadata_value value;
    int result = kp_consumer_group_target_assignment_metadata_value_read(reader, &value);

    if (result == ERR_OK) {
        group->target_epoch = value.assignment_epoch;
        group->target_ms = value.assignment_timestamp;
    }
    return result;
}

static void names_set(struct view **names, uint32_t *count, const struct view *values, uint32_t value_count)
{
    for (uint32_t i = 0; i < *count; i++) {
        modern__text_set(&(*names)[i], (struct view){0});
    }
    mem_free(MEM_COORD, *names);
    *names = value_count == 0 ? NULL : mem_alloc(MEM_COORD, value_count * sizeof((*names)[0]));
    *count = value_count;
    for (uint32_t i = 0; i < value_count; i++) {
        modern__text_set(&(*names)[i], values[i]);
    }
}

static int apply_regex(struct modern_group *group, struct view text, struct kp_reader *reader)
{
    struct kp_consumer_group_regular_expression_value value;
    uint32_t                                          count = 0;
    int result = kp_consumer_group_regular_expression_value_read(reader, &value);

    if (result != ERR_OK) {
        return result;
    }
    struct view *topics =
        modern__names_sorted(&group->host->replay_arena, value.topics, (uint32_t)value.topics_count, &count);
    if (topics == NULL) {
        return ERR_NO_MEMORY;
    }
    struct modern_regex *regex = map_get(&group->regexes, text);
    if (regex == NULL) {
        regex = mem_alloc(MEM_COORD, sizeof(*regex));
        (void)map_put(&group->regexes, text, regex);
    }
    regex->resolved = true;
    names_set(&regex->topics, &regex->topic_count, topics, count);
    return ERR_OK;
}

static void forget_regex(struct modern_group *group, struct view text)
{
    struct modern_regex *regex = map_get(&group->regexes, text);

    if (regex == NULL) {
        return;
    }
    names_set(&regex->topics, &regex->topic_count, NULL, 0);
    regex->resolved = false;
    if (regex->subscribers == 0) {
        group_regex_destroy(regex->compiled);
        mem_free(MEM_COORD, map_remove(&group->regexes, text));
    }
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static struct modern_classic *classic_copy(
    const struct kp_consumer_group_member_metadata_value_classic_member_metadata *value)
{
    struct modern_classic *classic;

    if (value == NULL) {
        return NULL;
    }
    classic = mem_alloc(MEM_COORD, sizeof(*classic));
    classic->session_timeout_ms = value->session_timeout_ms;
    classic->protocol_count = (uint32_t)value->supported_protocols_count;
    classic->protocols = mem_alloc(MEM_COORD, classic->protocol_count * sizeof(classic->protocols[0]));
    for (uint32_t i = 0; i < classic->protocol_count; i++) {
        modern__text_set(&classic->protocols[i].name, value->supported_protocols[i].name);
        modern__text_set(&classic->protocols[i].metadata, value->supported_protocols[i].metadata);
    }
    return classic;
}

static int apply_member(struct modern_group *group, struct view id, struct kp_reader *reader)
{
    struct kp_consumer_group_member_metadata_value value;
    uint32_t                                       count = 0;
    int result = kp_consumer_group_member_metadata_value_read(reader, &value);

    if (result != ERR_OK) {
        return result;
    }
    struct view *topics = modern__names_sorted(&group->host->replay_arena, value.subscribed_topic_names,
                                               (uint32_t)value.subscribed_topic_names_count, &count);
    if (topics == NULL) {
        return ERR_NO_MEMORY;
    }
    struct modern_member *member = modern__member_get(group, id);
    modern__unsubscribe(group, member);
    modern__text_set(&member->instance_id, value.instance_id);
    modern__text_set(&member->rack_id, value.rack_id);
    modern__text_set(&member->client_id, value.client_id);
    modern__text_set(&member->client_host, value.client_host);
    modern__text_set(&member->regex, value.subscribed_topic_regex);
    modern__text_set(&member->assignor, value.server_assignor);
    names_set(&member->topics, &member->topic_count, topics, count);
    modern__classic_free(member->classic);
    member->classic = classic_copy(value.classic_member_metadata);
    member->rebalance_timeout_ms = value.rebalance_timeout_ms;
    member->described = true;
    modern__subscribe(group, member);
    return ERR_OK;
}

/* ERR_CORRUPT: epochs and partitions do not pair up. */
static int read_parts(const struct kp_consumer_group_current_member_assignment_value_topic_partitions *topics,
                      int32_t count, int32_t epoch, struct modern_parts *out_parts)
{
    for (int32_t t = 0; t < count; t++) {
        bool epochs = topics[t].assignment_epochs_count >= 0;

        if (epochs && topics[t].assignment_epochs_count != topics[t].partitions_count) {
            return ERR_CORRUPT;
        }
        for (int32_t i = 0; i < topics[t].partitions_count; i++) {
            modern_parts_push(out_parts, topics[t].topic_id, topics[t].partitions[i],
                              epochs ? topics[t].assignment_epochs[i] : epoch);
        }
    }
    modern_parts_sort(out_parts);
    return ERR_OK;
}

static void take_parts(struct modern_group *group, struct modern_member *member, struct modern_parts *assigned,
                       struct modern_parts *revoking)
{
    modern_owners_release(&group->owners, &member->assigned, member);
    modern_owners_release(&group->owners, &member->revoking, member);
    modern_parts_move(&member->assigned, assigned);
    modern_parts_move(&member->revoking, revoking);
    modern_owners_claim(&group->owners, &member->assigned, member);
    modern_owners_claim(&group->owners, &member->revoking, member);
}

static uint8_t known_state(int8_t state)
{
    switch (state) {
    case MODERN_STABLE:
    case MODERN_UNREVOKED:
    case MODERN_UNRELEASED:
        return (uint8_t)state;
    default:
        return MODERN_UNKNOWN;
    }
}

static int apply_current(struct modern_group *group, struct view id, struct kp_reader *reader)
{
    struct kp_consumer_group_current_member_assignment_value value;
    struct modern_parts                                      assigned = {0}, revoking = {0};
    int result = kp_consumer_group_current_member_assignment_value_read(reader, &value);

    if (result == ERR_OK) {
        result = read_parts(value.assigned_partitions, value.assigned_partitions_count, value.member_epoch, &assigned);
    }
    if (result == ERR_OK) {
        result = read_parts(value.partitions_pending_revocation, value.partitions_pending_revocation_count,
                            value.member_epoch, &revoking);
    }
    if (result == ERR_OK) {
        struct modern_member *member = modern__member_get(group, id);

        take_parts(group, member, &assigned, &revoking);
        member->epoch = value.member_epoch;
        member->previous_epoch = value.previous_member_epoch;
        member->state = known_state(value.state);
        member->revoke_starts = member->state == MODERN_UNREVOKED;
    }
    modern_parts_deinit(&assigned);
    modern_parts_deinit(&revoking);
    return result;
}

static int apply_target(struct modern_group *group, struct view id, struct kp_reader *reader)
{
    struct kp_consumer_group_target_assignment_member_value value;
    int result = kp_consumer_group_target_assignment_member_value_read(reader, &value);

    if (result != ERR_OK) {
        return result;
    }
    struct modern_member *member = modern__member_get(group, id);
    modern_parts_clear(&member->target);
    for (int32_t t = 0; t < value.topic_partitions_count; t++) {
        for (int32_t i = 0; i < value.topic_partitions[t].partitions_count; i++) {
            modern_parts_push(&member->target, value.topic_partitions[t].topic_id,
                              value.topic_partitions[t].partitions[i], 0);
        }
    }
    modern_parts_sort(&member->target);
    return ERR_OK;
}

/* --- tombstones --------------------------------------------------------------------------------------------------- */

static void apply_tombstone(struct modern_group *group, const struct keyed *keyed)
{
    struct modern_member *member = keyed->second.base == NULL ? NULL : modern_member_find(group, keyed->second);
    struct modern_parts   none = {0}, nothing = {0};

    switch (keyed->type) {
    case KP_ENTRY_CONSUMER_GROUP_METADATA:
        group->persisted = false;
        group->epoch = 0;
        group->metadata_hash = 0;
        break;
    case KP_ENTRY_CONSUMER_GROUP_PARTITION_METADATA:
        group->has_partition_metadata = false;
        break;
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA:
        group->target_epoch = 0;
        group->target_ms = 0;
        break;
    case KP_ENTRY_CONSUMER_GROUP_REGULAR_EXPRESSION:
        forget_regex(group, keyed->second);
        break;
    case KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA:
        if (member != NULL) {
            modern__member_remove(group, member);
        }
        break;
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER:
        if (member != NULL) {
            modern_parts_deinit(&member->target);
        }
        break;
    default:
        if (member != NULL) {
            take_parts(group, member, &none, &nothing);
            member->epoch = MODERN_EPOCH_LEAVE;
            member->state = MODERN_STABLE;
        }
        break;
    }
}

int modern_replay(struct modern_group *group, struct view key, struct view value)
{
    struct keyed     keyed;
    struct kp_reader reader;
    int              result = ERR_OK;

    if (!read_key(key, &keyed)) {
        return ERR_CORRUPT;
    }
    CHECK(view_equal(keyed.group_id, group->id));
    if (value.base == NULL) {
        apply_tombstone(group, &keyed);
        return ERR_OK;
    }
    arena_reset(&group->host->replay_arena);
    kp_reader_init(&reader, value, &group->host->replay_arena);
    switch (keyed.type) {
    case KP_ENTRY_CONSUMER_GROUP_METADATA:
        result = apply_group(group, &reader);
        break;
    case KP_ENTRY_CONSUMER_GROUP_PARTITION_METADATA:
        group->has_partition_metadata = true;
        break;
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA:
        result = apply_target_epoch(group, &reader);
        break;
    case KP_ENTRY_CONSUMER_GROUP_REGULAR_EXPRESSION:
        result = apply_regex(group, keyed.second, &reader);
        break;
    case KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA:
        result = apply_member(group, keyed.second, &reader);
        break;
    case KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER:
        result = apply_target(group, keyed.second, &reader);
        break;
    default:
        result = apply_current(group, keyed.second, &reader);
        break;
    }
    return result == ERR_INVALID ? ERR_CORRUPT : result;
}
