/* group_modern_emit.c: what a decision writes: records of the KIP-848 kinds, encoded into the host's batch. */
#include "core/base/check.h"
#include "core/coord/group_modern.h"

#define RECORDS_MIN 16u

typedef void encode_fn(struct kp_writer *writer, const void *message);

/* The bytes of a message in the batch's arena; base NULL when it is full. */
static struct view encode(struct modern_batch *batch, encode_fn *write, const void *message)
{
    struct kp_writer measure, writer;

    kp_writer_init_measure(&measure);
    write(&measure, message);
    struct span bytes = {.len = measure.bytes_total};
    bytes.base = measure.error == ERR_OK ? arena_alloc(&batch->arena, bytes.len) : NULL;
    if (bytes.base == NULL) {
        return (struct view){0};
    }
    kp_writer_init_span(&writer, bytes);
    write(&writer, message);
    CHECK(writer.error == ERR_OK && writer.bytes_total == bytes.len);
    return view_span(bytes);
}

static void push(struct modern_batch *batch, struct modern_record record)
{
    if (batch->count == batch->capacity) {
        uint32_t              capacity = MAX(RECORDS_MIN, batch->capacity * 2);
        struct modern_record *items = arena_alloc_array(&batch->arena, capacity, sizeof(items[0]));

        if (items == NULL) {
            batch->overflow = true;
            return;
        }
        if (batch->count != 0) {
            memcpy(items, batch->items, batch->count * sizeof(items[0]));
        }
        batch->items = items;
        batch->capacity = capacity;
    }
    batch->items[batch->count++] = record;
}

/* All keys of these kinds are the group and perhaps one more text. */
struct key {
    enum kp_entry_type type;
    struct view        group_id;
    struct view        second; /* base NULL: none */
};

static void write_key(struct kp_writer *writer, const void *message)
{
    const struct key *key = message;

    kp_write_int16(writer, (int16_t)key->type);
    kp_write_string(writer, false, false, key->group_id);
    if (key->second.base != NULL) {
        kp_write_string(writer, false, false, key->second);
    }
}

/* write NULL: a tombstone. */
static void emit(struct modern_group *group, enum kp_entry_type type, struct view second, encode_fn *write,
                 const void *message)
{
    struct modern_batch *batch = &group->host->batch;
    struct key           key = {.type = type, .group_id = group->id, .second = second};
    struct modern_record record = {.key = encode(batch, write_key, &key)};

    if (write != NULL) {
        record.value = encode(batch, write, message);
    }
    if (record.key.base == NULL || (write != NULL && record.value.base == NULL)) {
        batch->overflow = true;
        return;
    }
    push(batch, record);
}

static void write_group(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_metadata_value_write(writer, 0, message);
}

static void write_member(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_member_metadata_value_write(writer, 0, message);
}

static void write_current(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_current_member_assignment_value_write(writer, 0, message);
}

static void write_target(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_target_assignment_member_value_write(writer, 0, message);
}

static void write_target_epoch(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_target_assignment_metadata_value_write(writer, 0, message);
}

static void write_regex(struct kp_writer *writer, const void *message)
{
    kp_consumer_group_regular_expression_value_write(writer, 0, message);
}

void modern__emit_group(struct modern_group *group, int32_t epoch, int64_t hash)
{
    struct kp_consumer_group_metadata_value value;

    kp_consumer_group_metadata_value_init(&value);
    value.epoch = epoch;
    value.metadata_hash = hash;
    emit(group, KP_ENTRY_CONSUMER_GROUP_METADATA, (struct view){0}, write_group, &value);
}

void modern__emit_member(struct modern_group *group, const struct modern_member *member)
{
    struct kp_consumer_group_member_metadata_value                         value;
    struct kp_consumer_group_member_metadata_value_classic_member_metadata classic;

    kp_consumer_group_member_metadata_value_init(&value);
    value.instance_id = member->instance_id;
    value.rack_id = member->rack_id;
    value.client_id = member->client_id;
    value.client_host = member->client_host;
    value.subscribed_topic_names = member->topics;
    value.subscribed_topic_names_count = (int32_t)member->topic_count;
    value.subscribed_topic_regex = member->regex;
    value.rebalance_timeout_ms = member->rebalance_timeout_ms;
    value.server_assignor = member->assignor;
    if (member->classic != NULL) {
        uint32_t count = member->classic->protocol_count;

        kp_consumer_group_member_metadata_value_classic_member_metadata_init(&classic);
        classic.session_timeout_ms = member->classic->session_timeout_ms;
        classic.supported_protocols =
            arena_alloc_array(&group->host->batch.arena, count, sizeof(classic.supported_protocols[0]));
        if (classic.supported_protocols == NULL) {
            group->host->batch.overflow = true;
            return;
        }
        for (uint32_t i = 0; i < count; i++) {
            classic.supported_protocols[i].name = member->classic->protocols[i].name;
            classic.supported_protocols[i].metadata = member->classic->protocols[i].metadata;
        }
        classic.supported_protocols_count = (int32_t)count;
        value.classic_member_metadata = &classic;
    }
    emit(group, KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA, member->id, write_member, &value);
}

/* The set by topic; false when the arena is full. */
static bool by_topic(struct arena *arena, const struct modern_parts *parts,
                     struct kp_consumer_group_current_member_assignment_value_topic_partitions **out_topics,
                     int32_t                                                                    *out_count)
{
    uint32_t                                                                   count = modern_parts_runs(parts);
    uint32_t                                                                   position = 0;
    uint32_t                                                                   at = 0;
    struct modern_run                                                          run;
    struct kp_consumer_group_current_member_assignment_value_topic_partitions *topics =
        arena_alloc_array(arena, count, sizeof(topics[0]));
    int32_t *numbers = arena_alloc_array(arena, (size_t)parts->count * 2, sizeof(numbers[0]));

    if (topics == NULL || numbers == NULL) {
        return false;
    }
    for (; modern_parts_next_run(parts, &position, &run); at++) {
        topics[at].topic_id = run.topic_id;
        topics[at].partitions = numbers;
        topics[at].partitions_count = (int32_t)run.count;
        topics[at].assignment_epochs = numbers + run.count;
        topics[at].assignment_epochs_count = (int32_t)run.count;
        for (uint32_t i = 0; i < run.count; i++) {
            numbers[i] = run.items[i].partition;
            numbers[run.count + i] = run.items[i].epoch;
        }
        numbers += (size_t)run.count * 2;
    }
    *out_topics = topics;
    *out_count = (int32_t)count;
    return true;
}

void modern__emit_current(struct modern_group *group, const struct modern_member *member)
{
    struct kp_consumer_group_current_member_assignment_value value;
    struct modern_batch                                     *batch = &group->host->batch;

    kp_consumer_group_current_member_assignment_value_init(&value);
    value.member_epoch = member->epoch;
    value.previous_member_epoch = member->previous_epoch;
    value.state = (int8_t)member->state;
    if (!by_topic(&batch->arena, &member->assigned, &value.assigned_partitions, &value.assigned_partitions_count) ||
        !by_topic(&batch->arena, &member->revoking, &value.partitions_pending_revocation,
                  &value.partitions_pending_revocation_count)) {
        batch->overflow = true;
        return;
    }
    emit(group, KP_ENTRY_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, member->id, write_current, &value);
}

void modern__emit_target(struct modern_group *group, struct view member_id, const struct modern_parts *target)
{
    struct kp_consumer_group_target_assignment_member_value value;
    struct modern_batch                                    *batch = &group->host->batch;
    uint32_t                                                position = 0;
    uint32_t                                                at = 0;
    struct modern_run                                       run;

    kp_consumer_group_target_assignment_member_value_init(&value);
    value.topic_partitions_count = (int32_t)modern_parts_runs(target);
    value.topic_partitions =
        arena_alloc_array(&batch->arena, (size_t)value.topic_partitions_count, sizeof(value.topic_partitions[0]));
    int32_t *numbers = arena_alloc_array(&batch->arena, target->count, sizeof(numbers[0]));
    if (value.topic_partitions == NULL || numbers == NULL) {
        batch->overflow = true;
        return;
    }
    for (; modern_parts_next_run(target, &position, &run); at++) {
        value.topic_partitions[at].topic_id = run.topic_id;
        value.topic_partitions[at].partitions = numbers;
        value.topic_partitions[at].partitions_count = (int32_t)run.count;
        for (uint32_t i = 0; i < run.count; i++) {
            *numbers++ = run.items[i].partition;
        }
    }
    emit(group, KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, member_id, write_target, &value);
}

void modern__emit_target_epoch(struct modern_group *group, int32_t epoch, int64_t timestamp_ms)
{
    struct kp_consumer_group_target_assignment_metadata_value value;

    kp_consumer_group_target_assignment_metadata_value_init(&value);
    value.assignment_epoch = epoch;
    value.assignment_timestamp = timestamp_ms;
    emit(group, KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, (struct view){0}, write_target_epoch, &value);
}

void modern__emit_regex(struct modern_group *group, const struct modern_regex_result *result, int64_t version)
{
    struct kp_consumer_group_regular_expression_value value;

    kp_consumer_group_regular_expression_value_init(&value);
    value.topics = result->topics;
    value.topics_count = (int32_t)result->topic_count;
    value.version = version;
    value.timestamp = group->host->ops->wall_ms(group->host);
    emit(group, KP_ENTRY_CONSUMER_GROUP_REGULAR_EXPRESSION, result->text, write_regex, &value);
}

void modern__emit_regex_gone(struct modern_group *group, struct view text)
{
    emit(group, KP_ENTRY_CONSUMER_GROUP_REGULAR_EXPRESSION, text, NULL, NULL);
}

void modern__emit_partition_metadata_gone(struct modern_group *group)
{
    emit(group, KP_ENTRY_CONSUMER_GROUP_PARTITION_METADATA, (struct view){0}, NULL, NULL);
}

/* Kafka reads them in this order: what hangs on the member goes before it. */
void modern__emit_member_gone(struct modern_group *group, struct view member_id)
{
    emit(group, KP_ENTRY_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, member_id, NULL, NULL);
    emit(group, KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, member_id, NULL, NULL);
    emit(group, KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA, member_id, NULL, NULL);
}

void modern_emit_tombstones(struct modern_group *group)
{
    struct view none = {0};

    MAP_EACH(&group->members, current) {
        emit(group, KP_ENTRY_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, view_of(current->key, current->key_len), NULL,
             NULL);
    }
    MAP_EACH(&group->members, target) {
        emit(group, KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, view_of(target->key, target->key_len), NULL,
             NULL);
    }
    emit(group, KP_ENTRY_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, none, NULL, NULL);
    MAP_EACH(&group->members, member) {
        emit(group, KP_ENTRY_CONSUMER_GROUP_MEMBER_METADATA, view_of(member->key, member->key_len), NULL, NULL);
    }
    MAP_EACH(&group->regexes, regex) {
        if (((const struct modern_regex *)regex->value)->resolved) {
            modern__emit_regex_gone(group, view_of(regex->key, regex->key_len));
        }
    }
    if (group->has_partition_metadata) {
        modern__emit_partition_metadata_gone(group);
    }
    emit(group, KP_ENTRY_CONSUMER_GROUP_METADATA, none, NULL, NULL);
}
