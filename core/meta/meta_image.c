/* The image: what the metadata records, one after the other, add up to. Pure: no I/O, no clock.
 *
 * Invariants: 1. A topic stands in all three maps or in none. 2. Its partitions are numbered without holes. 3.
 * shard_partitions adds up to partition_total. 4. A record that is refused leaves no trace. */
#include "core/meta/meta_internal.h"

void meta__image_init(struct meta_image *image, int32_t first_node_id, uint32_t shard_count)
{
    *image = (struct meta_image){.broker_count = shard_count, .last_offset = -1};
    map_init(&image->topics_by_name, MEM_META);
    map_init(&image->topics_by_id, MEM_META);
    map_init(&image->topics_by_fold, MEM_META);
    map_init(&image->group_configs, MEM_META);
    map_init(&image->quotas, MEM_META);
    image->feature_levels[META_FEATURE_KRAFT_VERSION] = meta_feature_info(META_FEATURE_KRAFT_VERSION)->initial;
    image->brokers = mem_alloc(MEM_META, shard_count * sizeof(*image->brokers));
    image->broker_configs = mem_alloc(MEM_META, shard_count * sizeof(*image->broker_configs));
    image->shard_partitions = mem_alloc(MEM_META, shard_count * sizeof(*image->shard_partitions));
    meta_config_set_init(&image->broker_default_configs);
    for (uint32_t i = 0; i < shard_count; i++) {
        image->brokers[i].node_id = first_node_id + (int32_t)i;
        image->brokers[i].shard = i;
        meta_config_set_init(&image->broker_configs[i]);
    }
}

static void image_text_free(struct view text)
{
    mem_free(MEM_META, (void *)(uintptr_t)text.base);
}

static struct view image_text(struct view text)
{
    return text.base == NULL ? text : view_of(mem_copy_text(MEM_META, text), text.len);
}

static void image_broker_clear(struct meta_broker *broker)
{
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        image_text_free(broker->endpoints[i].listener);
        image_text_free(broker->endpoints[i].host);
    }
    image_text_free(broker->rack);
    broker->endpoint_count = 0;
    broker->rack = (struct view){0};
}

static void image_topic_free(struct meta_topic *topic)
{
    meta_config_set_deinit(&topic->configs);
    mem_free(MEM_META, topic->partitions);
    image_text_free(topic->name);
    mem_free(MEM_META, topic);
}

static void image_config_set_free(struct meta_config_set *set)
{
    meta_config_set_deinit(set);
    mem_free(MEM_META, set);
}

void meta__image_deinit(struct meta_image *image)
{
    MAP_EACH(&image->group_configs, entry) {
        image_config_set_free(entry->value);
    }
    map_deinit(&image->group_configs);
    meta__quotas_deinit(image);
    MAP_EACH(&image->topics_by_id, entry) {
        image_topic_free(entry->value);
    }
    map_deinit(&image->topics_by_name);
    map_deinit(&image->topics_by_id);
    map_deinit(&image->topics_by_fold);
    for (uint32_t i = 0; i < image->broker_count; i++) {
        image_broker_clear(&image->brokers[i]);
        meta_config_set_deinit(&image->broker_configs[i]);
    }
    meta_config_set_deinit(&image->broker_default_configs);
    mem_free(MEM_META, image->brokers);
    mem_free(MEM_META, image->broker_configs);
    mem_free(MEM_META, image->shard_partitions);
}

/* --- looking up ---------------------------------------------------------------------------------------------- */

uint32_t meta__image_shard(const struct meta_image *image, int32_t node_id)
{
    int64_t shard = (int64_t)node_id - image->brokers[0].node_id;

    return shard >= 0 && shard < (int64_t)image->broker_count ? (uint32_t)shard : image->broker_count;
}

struct meta_topic *meta__image_topic(const struct meta_image *image, struct view name)
{
    return map_get(&image->topics_by_name, name);
}

struct meta_topic *meta__image_topic_by_id(const struct meta_image *image, struct uuid id)
{
    return map_get(&image->topics_by_id, view_of(id.bytes, sizeof(id.bytes)));
}

struct view meta__topic_fold(struct view name, uint8_t *out_fold)
{
    CHECK(name.len <= META_TOPIC_NAME_BYTES_MAX);
    for (size_t i = 0; i < name.len; i++) {
        out_fold[i] = name.base[i] == '.' ? '_' : name.base[i];
    }
    return view_of(out_fold, name.len);
}

static bool image_node_parse(struct view text, int32_t *out_node_id)
{
    int64_t value = 0;

    if (text.len == 0 || text.len > 10 || (text.len > 1 && text.base[0] == '0')) { /* one spelling per node */
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return false;
        }
        value = value * 10 + (text.base[i] - '0');
    }
    if (value > INT32_MAX) {
        return false;
    }
    *out_node_id = (int32_t)value;
    return true;
}

uint32_t meta__image_shard_named(const struct meta_image *image, struct view name)
{
    int32_t node_id = -1;

    return image_node_parse(name, &node_id) ? meta__image_shard(image, node_id) : image->broker_count;
}

struct meta_config_set *meta__image_configs(struct meta_image *image, int8_t resource_type, struct view resource_name)
{
    struct meta_topic *topic;
    uint32_t           shard;

    if (resource_type == META_RESOURCE_TOPIC) {
        topic = meta__image_topic(image, resource_name);
        return topic == NULL ? NULL : &topic->configs;
    }
    if (resource_type == META_RESOURCE_GROUP) {
        return map_get(&image->group_configs, resource_name);
    }
    if (resource_type != META_RESOURCE_BROKER) {
        return NULL;
    }
    if (resource_name.len == 0) {
        return &image->broker_default_configs;
    }
    shard = meta__image_shard_named(image, resource_name);
    return shard == image->broker_count ? NULL : &image->broker_configs[shard];
}

/* --- applying ------------------------------------------------------------------------------------------------ */

static bool image_is_internal(struct view name)
{
    static const struct view jobs = {(const uint8_t *)"__millrace_job", 14}; /* __millrace_jobs, and each job's log */

    return view_equal(name, view_text("__consumer_offsets")) || view_equal(name, view_text("__transaction_state")) ||
           (name.len >= jobs.len && memcmp(name.base, jobs.base, jobs.len) == 0);
}

static int image_topic_add(struct meta_image *image, const struct kp_topic_record *record)
{
    uint8_t            fold[META_TOPIC_NAME_BYTES_MAX];
    struct meta_topic *topic;
    struct view        id = view_of(record->topic_id.bytes, sizeof(record->topic_id.bytes));

    if (!meta_topic_name_valid(record->name) || meta__image_topic(image, record->name) != NULL ||
        uuid_is_zero(record->topic_id) || meta__image_topic_by_id(image, record->topic_id) != NULL) {
        return ERR_CORRUPT;
    }
    topic = mem_alloc(MEM_META, sizeof(*topic));
    topic->id = record->topic_id;
    topic->name = image_text(record->name);
    topic->internal = image_is_internal(record->name);
    meta_config_set_init(&topic->configs);
    (void)map_put(&image->topics_by_name, topic->name, topic);
    (void)map_put(&image->topics_by_id, id, topic);
    (void)map_put(&image->topics_by_fold, meta__topic_fold(topic->name, fold), topic);
    return ERR_OK;
}

static int image_topic_remove(struct meta_image *image, struct uuid id)
{
    uint8_t            fold[META_TOPIC_NAME_BYTES_MAX];
    struct meta_topic *topic = meta__image_topic_by_id(image, id);

    if (topic == NULL) {
        return ERR_CORRUPT;
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        image->shard_partitions[meta__image_shard(image, topic->partitions[i].leader)]--;
    }
    image->partition_total -= topic->partition_count;
    (void)map_remove(&image->topics_by_name, topic->name);
    (void)map_remove(&image->topics_by_id, view_of(id.bytes, sizeof(id.bytes)));
    (void)map_remove(&image->topics_by_fold, meta__topic_fold(topic->name, fold));
    image_topic_free(topic);
    return ERR_OK;
}

static int image_partition_add(struct meta_image *image, const struct kp_partition_record *record)
{
    struct meta_topic *topic = meta__image_topic_by_id(image, record->topic_id);
    uint32_t           shard = meta__image_shard(image, record->leader);
    int32_t            count;

    if (topic == NULL || record->partition_id != topic->partition_count || record->leader_epoch < 0) {
        return ERR_CORRUPT;
    }
    if (shard == image->broker_count || record->replicas_count != 1 || record->replicas[0] != record->leader) {
        return ERR_UNSUPPORTED; /* replicas elsewhere, or a leader that is none of this host's */
    }
    count = topic->partition_count;
    if ((count & (count - 1)) == 0) { /* full: capacity is the next power of two */
        topic->partitions =
            mem_realloc(MEM_META, topic->partitions, MAX((size_t)count * 2, (size_t)1) * sizeof(*topic->partitions));
    }
    topic->partitions[count] = (struct meta_partition){
        .leader = record->leader, .leader_epoch = record->leader_epoch, .partition_epoch = record->partition_epoch};
    topic->partition_count = count + 1;
    image->partition_total++;
    image->shard_partitions[shard]++;
    return ERR_OK;
}

/* Kafka counts both epochs up on each side instead of writing them: the partition's always, the leader's when the
 * record names one, even the same. */
static int image_partition_change(struct meta_image *image, const struct kp_partition_change_record *record)
{
    struct meta_topic     *topic = meta__image_topic_by_id(image, record->topic_id);
    struct meta_partition *partition;

    if (topic == NULL || record->partition_id < 0 || record->partition_id >= topic->partition_count) {
        return ERR_CORRUPT;
    }
    partition = &topic->partitions[record->partition_id];
    if (record->leader != META_SAME_LEADER) {
        if (record->leader != partition->leader) {
            return ERR_UNSUPPORTED; /* a partition stays on its shard */
        }
        partition->leader_epoch++;
    }
    partition->partition_epoch++;
    return ERR_OK;
}

/* A group need not exist to have overrides; without any it is forgotten here. */
static int image_group_config(struct meta_image *image, const struct kp_config_record *record)
{
    struct meta_config_set *set = map_get(&image->group_configs, record->resource_name);

    if (record->resource_name.len == 0) {
        return ERR_CORRUPT;
    }
    if (record->value.base != NULL) {
        if (set == NULL) {
            set = mem_alloc(MEM_META, sizeof(*set));
            meta_config_set_init(set);
            (void)map_put(&image->group_configs, record->resource_name, set);
        }
        meta_config_set_put(set, record->name, record->value);
    } else if (set != NULL) {
        meta_config_set_remove(set, record->name);
        if (map_count(&set->values) == 0) {
            image_config_set_free(map_remove(&image->group_configs, record->resource_name));
        }
    }
    return ERR_OK;
}

static int image_config(struct meta_image *image, const struct kp_config_record *record)
{
    struct meta_config_set *set = meta__image_configs(image, record->resource_type, record->resource_name);

    if (record->resource_type == META_RESOURCE_GROUP) {
        return image_group_config(image, record);
    }
    if (set == NULL) {
        return record->resource_type == META_RESOURCE_TOPIC || record->resource_type == META_RESOURCE_BROKER
                   ? ERR_CORRUPT
                   : ERR_UNSUPPORTED;
    }
    if (record->value.base == NULL) {
        meta_config_set_remove(set, record->name);
    } else {
        meta_config_set_put(set, record->name, record->value);
    }
    return ERR_OK;
}

static int image_broker_register(struct meta_image *image, const struct kp_register_broker_record *record)
{
    uint32_t            shard = meta__image_shard(image, record->broker_id);
    struct meta_broker *broker;

    if (shard == image->broker_count || record->end_points_count > META_LISTENERS_MAX) {
        return ERR_UNSUPPORTED;
    }
    broker = &image->brokers[shard];
    image_broker_clear(broker);
    broker->incarnation_id = record->incarnation_id;
    broker->directory_id = record->log_dirs_count > 0 ? record->log_dirs[0] : (struct uuid){{0}};
    broker->rack = image_text(record->rack);
    for (int32_t i = 0; i < record->end_points_count; i++) {
        broker->endpoints[i] = (struct meta_endpoint){.listener = image_text(record->end_points[i].name),
                                                      .host = image_text(record->end_points[i].host),
                                                      .port = record->end_points[i].port};
        broker->endpoint_count++;
    }
    return ERR_OK;
}

static int image_broker_unregister(struct meta_image *image, int32_t node_id)
{
    uint32_t shard = meta__image_shard(image, node_id);

    if (shard == image->broker_count) {
        return ERR_UNSUPPORTED;
    }
    image_broker_clear(&image->brokers[shard]);
    image->brokers[shard].incarnation_id = (struct uuid){{0}};
    image->brokers[shard].directory_id = (struct uuid){{0}};
    return ERR_OK;
}

static int image_broker_change(struct meta_image *image, const struct kp_broker_registration_change_record *record)
{
    uint32_t shard = meta__image_shard(image, record->broker_id);

    if (shard == image->broker_count) {
        return ERR_UNSUPPORTED;
    }
    if (record->log_dirs_count > 0) {
        image->brokers[shard].directory_id = record->log_dirs[0];
    }
    return ERR_OK;
}

static int image_producer_ids(struct meta_image *image, const struct kp_producer_ids_record *record)
{
    if (record->next_producer_id < image->next_producer_id) {
        return ERR_CORRUPT; /* ids would be given twice */
    }
    image->next_producer_id = record->next_producer_id;
    return ERR_OK;
}

int meta__image_apply(struct meta_image *image, const struct meta_record *record)
{
    switch (record->key) {
    case KP_REGISTER_BROKER_RECORD_KEY:
        return image_broker_register(image, &record->register_broker);
    case KP_UNREGISTER_BROKER_RECORD_KEY:
        return image_broker_unregister(image, record->unregister_broker.broker_id);
    case KP_BROKER_REGISTRATION_CHANGE_RECORD_KEY:
        return image_broker_change(image, &record->broker_registration_change);
    case KP_TOPIC_RECORD_KEY:
        image->topic_changes++;
        return image_topic_add(image, &record->topic);
    case KP_REMOVE_TOPIC_RECORD_KEY:
        image->topic_changes++;
        return image_topic_remove(image, record->remove_topic.topic_id);
    case KP_PARTITION_RECORD_KEY:
        image->topic_changes++;
        return image_partition_add(image, &record->partition);
    case KP_PARTITION_CHANGE_RECORD_KEY:
        return image_partition_change(image, &record->partition_change);
    case KP_CONFIG_RECORD_KEY:
        return image_config(image, &record->config);
    case KP_PRODUCER_IDS_RECORD_KEY:
        return image_producer_ids(image, &record->producer_ids);
    case KP_FEATURE_LEVEL_RECORD_KEY:
        return meta__feature_apply(image, &record->feature_level);
    case KP_CLIENT_QUOTA_RECORD_KEY:
        return meta__quota_apply(image, &record->client_quota);
    case KP_NO_OP_RECORD_KEY:
        return ERR_OK;
    default:
        return ERR_UNSUPPORTED;
    }
}
