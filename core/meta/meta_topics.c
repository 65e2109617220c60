/* Topics: creating, deleting and adding partitions. Each entry of a change is checked by itself and gets its own error;
 * an entry's records are added only when all of it is fine. */
#include "core/meta/meta_internal.h"

bool meta_topic_name_valid(struct view name)
{
    if (name.len == 0 || name.len > META_TOPIC_NAME_BYTES_MAX || view_equal(name, view_text(".")) ||
        view_equal(name, view_text(".."))) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

/* --- placement ----------------------------------------------------------------------------------------------- */

/* The shard that leads the fewest: where a topic's partitions begin to go round. */
static uint32_t topics_first_shard(const struct meta_draft *draft)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < draft->meta->host->shard_count; i++) {
        if (draft->shard_partitions[i] < draft->shard_partitions[best]) {
            best = i;
        }
    }
    return best;
}

static void topics_partition_record(struct meta_draft *draft, struct uuid topic_id, int32_t partition, uint32_t shard)
{
    const struct meta_broker *broker = &draft->meta->host->brokers[shard];
    struct meta_record        record;

    meta__record_of_partition(topic_id, partition, broker, 0, 0, &record);
    meta__draft_add(draft, &record);
    draft->shard_partitions[shard]++;
    draft->partitions_added++;
}

/* assignment: leaders of the new ones, all known to exist, or NULL. */
static void topics_place(struct meta_draft *draft, struct uuid topic_id, int32_t from, int32_t count,
                         const int32_t *assignment)
{
    uint32_t shard_count = draft->meta->host->shard_count;
    uint32_t first = topics_first_shard(draft);

    for (int32_t i = 0; i < count; i++) {
        uint32_t shard = assignment != NULL ? meta__image_shard(&draft->meta->image, assignment[i])
                                            : (first + (uint32_t)i) % shard_count;

        topics_partition_record(draft, topic_id, from + i, shard);
    }
}

static int16_t topics_check_assignment(const struct meta_draft *draft, const int32_t *assignment, int32_t count,
                                       char *message, size_t message_bytes)
{
    const struct meta_image *image = &draft->meta->image;

    for (int32_t i = 0; assignment != NULL && i < count; i++) {
        if (meta__image_shard(image, assignment[i]) == image->broker_count) {
            return meta__refuse(message, message_bytes, KP_ERR_INVALID_REPLICA_ASSIGNMENT,
                                "The manual partition assignment includes broker %" PRId32
                                ", but no such broker is registered.",
                                assignment[i]);
        }
    }
    return KP_ERR_NONE;
}

static int16_t topics_check_limits(const struct meta_draft *draft, int32_t count, char *message, size_t message_bytes)
{
    int64_t host_max = meta_broker_int(draft->meta, "millrace.max.partitions");
    int64_t now = draft->meta->image.partition_total + draft->partitions_added;

    if (draft->partitions_added + count > META_CHANGE_PARTITIONS_MAX) {
        return meta__refuse(message, message_bytes, KP_ERR_POLICY_VIOLATION,
                            "Too many partitions in one request: at most %d. Split the request.",
                            META_CHANGE_PARTITIONS_MAX);
    }
    if (now + count > host_max) {
        return meta__refuse(message, message_bytes, KP_ERR_POLICY_VIOLATION,
                            "This host has %" PRId64 " partitions and may have %" PRId64 " (millrace.max.partitions).",
                            now, host_max);
    }
    return KP_ERR_NONE;
}

/* --- create -------------------------------------------------------------------------------------------------- */

static int16_t create_check_name(struct meta_draft *draft, struct meta_create_topic *topic)
{
    const struct meta_image *image = &draft->meta->image;
    const struct meta_topic *other;
    uint8_t                  fold[META_TOPIC_NAME_BYTES_MAX];
    int                      shown = (int)MIN(topic->name.len, (size_t)40);
    const char              *text = (const char *)topic->name.base;

    if (!meta_topic_name_valid(topic->name)) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_TOPIC_EXCEPTION, "%s",
                            topic->name.len == 0 ? "A topic name cannot be empty."
                            : topic->name.len > META_TOPIC_NAME_BYTES_MAX
                                ? "A topic name has at most 249 characters."
                                : "A topic name is made of ASCII letters, digits, '.', '_' "
                                  "and '-', and is neither '.' nor '..'.");
    }
    if (view_equal(topic->name, view_text(META_LOG_TOPIC))) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_REQUEST,
                            "Creation of internal topic " META_LOG_TOPIC " is prohibited.");
    }
    if (meta__image_topic(image, topic->name) != NULL) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_TOPIC_ALREADY_EXISTS,
                            "Topic '%.*s' already exists.", shown, text);
    }
    other = map_get(&image->topics_by_fold, meta__topic_fold(topic->name, fold));
    if (other != NULL) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic '%.*s' collides with existing topic: %.*s ('.' and '_' count as one).", shown, text,
                            (int)MIN(other->name.len, (size_t)40), (const char *)other->name.base);
    }
    if (!meta__draft_first(draft, 'n', topic->name)) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_REQUEST, "Duplicate topic name.");
    }
    if (!meta__draft_first(draft, 'f', meta__topic_fold(topic->name, fold))) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_TOPIC_EXCEPTION,
                            "Topic '%.*s' collides with another of this request ('.' and '_' count as one).", shown,
                            text);
    }
    return KP_ERR_NONE;
}

static int16_t create_check_counts(struct meta_draft *draft, struct meta_create_topic *topic)
{
    int64_t factor = topic->replication_factor == -1 && topic->assignment == NULL
                         ? meta_broker_int(draft->meta, "default.replication.factor")
                         : topic->replication_factor;
    int64_t count =
        topic->partition_count == -1 ? meta_broker_int(draft->meta, "num.partitions") : topic->partition_count;

    if (topic->assignment != NULL && factor == -1) {
        factor = 1; /* one leader per partition is all that a manual assignment can say here */
    }
    if (count <= 0) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_PARTITIONS,
                            "Number of partitions was set to an invalid non-positive value.");
    }
    if (factor <= 0) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_REPLICATION_FACTOR,
                            "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    if (factor > 1) {
        return meta__refuse(topic->message, sizeof(topic->message), KP_ERR_INVALID_REPLICATION_FACTOR,
                            "Replication factor %" PRId64 ": all %u brokers run on one host, so copies would protect "
                            "nothing; use 1.",
                            factor, draft->meta->host->shard_count);
    }
    topic->out_partition_count = (int32_t)count;
    topic->out_replication_factor = (int16_t)factor;
    return KP_ERR_NONE;
}

static int16_t create_check_configs(struct meta_create_topic *topic)
{
    for (int32_t i = 0; i < topic->config_count; i++) {
        const struct meta_config_entry *entry = &topic->configs[i];
        const struct meta_config_key   *key = meta_config_find(META_KIND_TOPIC, entry->name);
        int16_t error = meta__config_value_check(key, entry->name, entry->value, META_KIND_TOPIC, topic->message,
                                                 sizeof(topic->message));

        if (error != KP_ERR_NONE) {
            return error;
        }
    }
    return KP_ERR_NONE;
}

/* Random, not 0, and not beginning with '-' in its printed form, which tools would take for an option. */
static struct uuid create_id(const struct meta_draft *draft)
{
    struct uuid id;
    char        text[UUID_TEXT_BYTES];

    do {
        io_random(draft->meta->shard->io, span_of(id.bytes, sizeof(id.bytes)));
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40); /* version 4, as Kafka's */
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
        uuid_format(id, text);
    } while (text[0] == '-' || meta__image_topic_by_id(&draft->meta->image, id) != NULL);
    return id;
}

static void create_add(struct meta_draft *draft, struct meta_create_topic *topic)
{
    struct meta_record record = {.key = KP_TOPIC_RECORD_KEY};

    topic->id = create_id(draft);
    kp_topic_record_init(&record.topic);
    record.topic.name = topic->name;
    record.topic.topic_id = topic->id;
    meta__draft_add(draft, &record);
    for (int32_t i = 0; i < topic->config_count; i++) {
        record = (struct meta_record){.key = KP_CONFIG_RECORD_KEY};
        kp_config_record_init(&record.config);
        record.config.resource_type = META_RESOURCE_TOPIC;
        record.config.resource_name = topic->name;
        record.config.name = topic->configs[i].name;
        record.config.value = topic->configs[i].value;
        meta__draft_add(draft, &record);
    }
    topics_place(draft, topic->id, 0, topic->out_partition_count, topic->assignment);
}

static int16_t create_check(struct meta_draft *draft, struct meta_create_topic *topic)
{
    char   *message = topic->message;
    size_t  message_bytes = sizeof(topic->message);
    int16_t error = create_check_name(draft, topic);

    error = error != KP_ERR_NONE ? error : create_check_counts(draft, topic);
    error = error != KP_ERR_NONE
                ? error
                : topics_check_assignment(draft, topic->assignment, topic->out_partition_count, message, message_bytes);
    error = error != KP_ERR_NONE ? error : create_check_configs(topic);
    return error != KP_ERR_NONE ? error
                                : topics_check_limits(draft, topic->out_partition_count, message, message_bytes);
}

void meta__draft_create_topics(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_create_topic *topic = &change->create_topics[i];

        topic->message[0] = '\0';
        if (topic->error == KP_ERR_NONE) {
            topic->error = create_check(draft, topic);
        }
        if (topic->error == KP_ERR_NONE) {
            create_add(draft, topic);
        }
    }
}

/* --- delete -------------------------------------------------------------------------------------------------- */

static int16_t delete_check(struct meta_draft *draft, struct meta_delete_topic *entry)
{
    const struct meta_image *image = &draft->meta->image;
    bool                     by_id = entry->name.base == NULL;
    const struct meta_topic *topic =
        by_id ? meta__image_topic_by_id(image, entry->id) : meta__image_topic(image, entry->name);

    if (topic == NULL) {
        return by_id ? KP_ERR_UNKNOWN_TOPIC_ID : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    entry->out_id = topic->id;
    memcpy(entry->out_name, topic->name.base, topic->name.len);
    entry->out_name[topic->name.len] = '\0';
    if (!meta_broker_bool(draft->meta, "delete.topic.enable")) {
        return KP_ERR_TOPIC_DELETION_DISABLED;
    }
    return meta__draft_first(draft, 'i', view_of(topic->id.bytes, sizeof(topic->id.bytes))) ? KP_ERR_NONE
                                                                                            : KP_ERR_INVALID_REQUEST;
}

void meta__draft_delete_topics(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_delete_topic *entry = &change->delete_topics[i];

        entry->out_id = entry->id;
        entry->out_name[0] = '\0';
        if (entry->error == KP_ERR_NONE) {
            entry->error = delete_check(draft, entry);
        }
        if (entry->error == KP_ERR_NONE) {
            struct meta_record record = {.key = KP_REMOVE_TOPIC_RECORD_KEY};

            kp_remove_topic_record_init(&record.remove_topic);
            record.remove_topic.topic_id = entry->out_id;
            meta__draft_add(draft, &record);
        }
    }
}

/* --- more partitions ----------------------------------------------------------------------------------------- */

static int16_t add_check(struct meta_draft *draft, struct meta_add_partitions *entry, const struct meta_topic *topic)
{
    char  *message = entry->message;
    size_t message_bytes = sizeof(entry->message);

    if (topic == NULL) {
        return meta__refuse(message, message_bytes, KP_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "This server does not host this topic-partition.");
    }
    if (!meta__draft_first(draft, 'n', topic->name)) {
        return meta__refuse(message, message_bytes, KP_ERR_INVALID_REQUEST, "Duplicate topic name.");
    }
    if (entry->total_count == topic->partition_count) {
        return meta__refuse(message, message_bytes, KP_ERR_INVALID_PARTITIONS,
                            "Topic already has %" PRId32 " partition(s).", topic->partition_count);
    }
    if (entry->total_count < topic->partition_count) {
        return meta__refuse(message, message_bytes, KP_ERR_INVALID_PARTITIONS,
                            "The topic currently has %" PRId32 " partition(s); %" PRId32 " would not be an increase.",
                            topic->partition_count, entry->total_count);
    }
    if (entry->assignment != NULL && entry->assignment_count != entry->total_count - topic->partition_count) {
        return meta__refuse(message, message_bytes, KP_ERR_INVALID_REPLICA_ASSIGNMENT,
                            "Attempted to add %" PRId32 " additional partition(s), but %" PRId32
                            " assignment(s) were specified.",
                            entry->total_count - topic->partition_count, entry->assignment_count);
    }
    return KP_ERR_NONE;
}

void meta__draft_add_partitions(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_add_partitions *entry = &change->add_partitions[i];
        const struct meta_topic    *topic = meta__image_topic(&draft->meta->image, entry->name);
        size_t                      message_bytes = sizeof(entry->message);

        entry->message[0] = '\0';
        if (entry->error == KP_ERR_NONE) {
            entry->error = add_check(draft, entry, topic);
        }
        if (entry->error == KP_ERR_NONE) {
            entry->error = topics_check_assignment(draft, entry->assignment, entry->assignment_count, entry->message,
                                                   message_bytes);
        }
        if (entry->error == KP_ERR_NONE) {
            entry->error =
                topics_check_limits(draft, entry->total_count - topic->partition_count, entry->message, message_bytes);
        }
        if (entry->error == KP_ERR_NONE) {
            topics_place(draft, topic->id, topic->partition_count, entry->total_count - topic->partition_count,
                         entry->assignment);
        }
    }
}
