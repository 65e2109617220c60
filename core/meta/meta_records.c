/* Metadata records to bytes and back. A record is the value of an ordinary log record without key: frame version 1,
 * type and version as unsigned varints, then the message in its flexible form; nothing may follow it. */
#include "core/meta/meta_internal.h"

#define RECORD_FRAME_VERSION 1
#define RECORD_BYTES_USUAL   512 /* larger ones are measured first */

static void record_message_write(struct kp_writer *writer, const struct meta_record *record)
{
    switch (record->key) {
    case KP_REGISTER_BROKER_RECORD_KEY:
        kp_register_broker_record_encode(writer, record->version, &record->register_broker);
        break;
    case KP_UNREGISTER_BROKER_RECORD_KEY:
        kp_unregister_broker_record_encode(writer, record->version, &record->unregister_broker);
        break;
    case KP_TOPIC_RECORD_KEY:
        kp_topic_record_encode(writer, record->version, &record->topic);
        break;
    case KP_PARTITION_RECORD_KEY:
        kp_partition_record_encode(writer, record->version, &record->partition);
        break;
    case KP_CONFIG_RECORD_KEY:
        kp_config_record_encode(writer, record->version, &record->config);
        break;
    case KP_PARTITION_CHANGE_RECORD_KEY:
        kp_partition_change_record_encode(writer, record->version, &record->partition_change);
        break;
    case KP_REMOVE_TOPIC_RECORD_KEY:
        kp_remove_topic_record_encode(writer, record->version, &record->remove_topic);
        break;
    case KP_FEATURE_LEVEL_RECORD_KEY:
        kp_feature_level_record_encode(writer, record->version, &record->feature_level);
        break;
    case KP_PRODUCER_IDS_RECORD_KEY:
        kp_producer_ids_record_encode(writer, record->version, &record->producer_ids);
        break;
    case KP_BROKER_REGISTRATION_CHANGE_RECORD_KEY:
        kp_broker_registration_change_record_encode(writer, record->version, &record->broker_registration_change);
        break;
    case KP_CLIENT_QUOTA_RECORD_KEY:
        kp_client_quota_record_encode(writer, record->version, &record->client_quota);
        break;
    case KP_NO_OP_RECORD_KEY:
        kp_no_op_record_encode(writer, record->version, &(struct kp_no_op_record){0});
        break;
    default:
        CHECK(false);
    }
}

static void record_write(struct kp_writer *writer, const struct meta_record *record)
{
    kp_write_uvarint(writer, RECORD_FRAME_VERSION);
    kp_write_uvarint(writer, (uint32_t)record->key);
    kp_write_uvarint(writer, (uint32_t)record->version);
    record_message_write(writer, record);
}

void meta__record_add(struct rec_builder *builder, int64_t now_ms, const struct meta_record *record)
{
    uint8_t          usual[RECORD_BYTES_USUAL];
    struct span      place = span_of(usual, sizeof(usual));
    struct kp_writer writer;

    kp_writer_init_span(&writer, place);
    record_write(&writer, record);
    if (writer.error == ERR_NO_SPACE) {
        kp_writer_init_measure(&writer);
        record_write(&writer, record);
        place = span_of(arena_alloc(builder->arena, writer.bytes_total), writer.bytes_total);
        if (place.base == NULL) {
            builder->failed = true;
            return;
        }
        kp_writer_init_span(&writer, place);
        record_write(&writer, record);
    }
    if (writer.error != ERR_OK) { /* a text longer than the encoding allows */
        builder->failed = true;
        return;
    }
    rec_builder_add(builder, now_ms, (struct view){0}, view_of(place.base, writer.bytes_total), NULL, 0);
}

/* Oldest is 0 for all of them. -1: no such type. */
static int record_version_max(int16_t key)
{
    switch (key) {
    case KP_REGISTER_BROKER_RECORD_KEY:
        return KP_REGISTER_BROKER_RECORD_VERSION_MAX;
    case KP_UNREGISTER_BROKER_RECORD_KEY:
        return KP_UNREGISTER_BROKER_RECORD_VERSION_MAX;
    case KP_TOPIC_RECORD_KEY:
        return KP_TOPIC_RECORD_VERSION_MAX;
    case KP_PARTITION_RECORD_KEY:
        return KP_PARTITION_RECORD_VERSION_MAX;
    case KP_CONFIG_RECORD_KEY:
        return KP_CONFIG_RECORD_VERSION_MAX;
    case KP_PARTITION_CHANGE_RECORD_KEY:
        return KP_PARTITION_CHANGE_RECORD_VERSION_MAX;
    case KP_REMOVE_TOPIC_RECORD_KEY:
        return KP_REMOVE_TOPIC_RECORD_VERSION_MAX;
    case KP_FEATURE_LEVEL_RECORD_KEY:
        return KP_FEATURE_LEVEL_RECORD_VERSION_MAX;
    case KP_PRODUCER_IDS_RECORD_KEY:
        return KP_PRODUCER_IDS_RECORD_VERSION_MAX;
    case KP_BROKER_REGISTRATION_CHANGE_RECORD_KEY:
        return KP_BROKER_REGISTRATION_CHANGE_RECORD_VERSION_MAX;
    case KP_CLIENT_QUOTA_RECORD_KEY:
        return KP_CLIENT_QUOTA_RECORD_VERSION_MAX;
    case KP_NO_OP_RECORD_KEY:
        return KP_NO_OP_RECORD_VERSION_MAX;
    default:
        return -1;
    }
}

static int record_message_read(struct kp_reader *reader, struct meta_record *out)
{
    struct kp_no_op_record nothing;

    switch (out->key) {
    case KP_REGISTER_BROKER_RECORD_KEY:
        return kp_register_broker_record_decode(reader, out->version, &out->register_broker);
    case KP_UNREGISTER_BROKER_RECORD_KEY:
        return kp_unregister_broker_record_decode(reader, out->version, &out->unregister_broker);
    case KP_TOPIC_RECORD_KEY:
        return kp_topic_record_decode(reader, out->version, &out->topic);
    case KP_PARTITION_RECORD_KEY:
        return kp_partition_record_decode(reader, out->version, &out->partition);
    case KP_CONFIG_RECORD_KEY:
        return kp_config_record_decode(reader, out->version, &out->config);
    case KP_PARTITION_CHANGE_RECORD_KEY:
        return kp_partition_change_record_decode(reader, out->version, &out->partition_change);
    case KP_REMOVE_TOPIC_RECORD_KEY:
        return kp_remove_topic_record_decode(reader, out->version, &out->remove_topic);
    case KP_FEATURE_LEVEL_RECORD_KEY:
        return kp_feature_level_record_decode(reader, out->version, &out->feature_level);
    case KP_PRODUCER_IDS_RECORD_KEY:
        return kp_producer_ids_record_decode(reader, out->version, &out->producer_ids);
    case KP_BROKER_REGISTRATION_CHANGE_RECORD_KEY:
        return kp_broker_registration_change_record_decode(reader, out->version, &out->broker_registration_change);
    case KP_CLIENT_QUOTA_RECORD_KEY:
        return kp_client_quota_record_decode(reader, out->version, &out->client_quota);
    default:
        return kp_no_op_record_decode(reader, out->version, &nothing);
    }
}

int meta__record_decode(struct view value, struct arena *arena, struct meta_record *out_record)
{
    struct kp_reader reader;
    uint32_t         frame_version;
    uint32_t         key;
    uint32_t         version;
    int              result;

    if (value.base == NULL) {
        return ERR_CORRUPT;
    }
    kp_reader_init(&reader, value, arena);
    frame_version = kp_read_uvarint(&reader);
    key = kp_read_uvarint(&reader);
    version = kp_read_uvarint(&reader);
    if (reader.error != ERR_OK) {
        return ERR_CORRUPT;
    }
    if (frame_version != RECORD_FRAME_VERSION || key >= KP_RECORD_KEY_COUNT ||
        (int64_t)version > record_version_max((int16_t)key)) {
        slog_error("meta", "metadata record of type %u, version %u (frame %u) is not known to this release", key,
                   version, frame_version);
        return ERR_UNSUPPORTED;
    }
    *out_record = (struct meta_record){.key = (int16_t)key, .version = (int16_t)version};
    result = record_message_read(&reader, out_record);
    if (result == ERR_NO_MEMORY) {
        return result;
    }
    return result == ERR_OK && kp_reader_remaining(&reader) == 0 ? ERR_OK : ERR_CORRUPT;
}

static int records_of_batch(const struct rec_batch *batch, struct arena *arena, meta_record_fn *each, void *context)
{
    struct view       records;
    struct rec_iter   iter;
    struct rec_record record;
    int               result;

    if (!rec_batch_crc_ok(batch)) {
        return ERR_CORRUPT;
    }
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        return ERR_OK;
    }
    result = rec_inflate(batch, META_ARENA_BYTES_MAX / 4, arena, &records);
    if (result < 0) {
        return result;
    }
    rec_iter_init(&iter, batch, records);
    while ((result = rec_iter_next(&iter, &record)) > 0) {
        struct meta_record decoded;

        result = meta__record_decode(record.value, arena, &decoded);
        if (result == ERR_OK) {
            result = each(context, &decoded);
        }
        if (result < 0) {
            slog_error("meta", "metadata record at offset %" PRId64 ": %s", record.offset, err_text(result));
            return result;
        }
    }
    return result;
}

int meta__records_each(struct view batches, struct arena *arena, meta_record_fn *each, void *context,
                       int64_t *out_last_offset)
{
    while (batches.len > 0) {
        struct rec_batch batch;
        int              result = rec_batch_parse(batches, &batch);

        if (result == ERR_OK) {
            arena_reset(arena);
            result = records_of_batch(&batch, arena, each, context);
        }
        if (result < 0) {
            return result == ERR_AGAIN ? ERR_CORRUPT : result;
        }
        *out_last_offset = rec_batch_last_offset(&batch);
        batches = view_of(batches.base + batch.bytes.len, batches.len - batch.bytes.len);
    }
    return ERR_OK;
}

/* --- some records ------------------------------------------------------------------------------------------------ */

void meta__record_of_partition(struct uuid topic_id, int32_t partition, const struct meta_broker *broker,
                               int32_t leader_epoch, int32_t partition_epoch, struct meta_record *out_record)
{
    struct kp_partition_record *record = &out_record->partition;

    *out_record = (struct meta_record){.key = KP_PARTITION_RECORD_KEY, .version = KP_PARTITION_RECORD_VERSION_MAX};
    kp_partition_record_init(record);
    record->partition_id = partition;
    record->topic_id = topic_id;
    record->leader = broker->node_id;
    record->leader_epoch = leader_epoch;
    record->partition_epoch = partition_epoch;
    record->replicas = &broker->node_id;
    record->replicas_count = 1;
    record->isr = &broker->node_id;
    record->isr_count = 1;
    record->directories = &broker->directory_id;
    record->directories_count = 1;
}

void meta__record_of_broker(const struct meta_broker *broker, int64_t broker_epoch,
                            struct kp_register_broker_record_end_points *endpoints, struct meta_record *out_record)
{
    struct kp_register_broker_record *record = &out_record->register_broker;

    *out_record =
        (struct meta_record){.key = KP_REGISTER_BROKER_RECORD_KEY, .version = KP_REGISTER_BROKER_RECORD_VERSION_MAX};
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        kp_register_broker_record_end_points_init(&endpoints[i]);
        endpoints[i].name = broker->endpoints[i].listener;
        endpoints[i].host = broker->endpoints[i].host;
        endpoints[i].port = broker->endpoints[i].port;
    }
    kp_register_broker_record_init(record);
    record->broker_id = broker->node_id;
    record->incarnation_id = broker->incarnation_id;
    record->broker_epoch = broker_epoch;
    record->end_points = endpoints;
    record->end_points_count = (int32_t)broker->endpoint_count;
    record->rack = broker->rack;
    record->fenced = false;
    record->log_dirs = &broker->directory_id;
    record->log_dirs_count = 1;
}
