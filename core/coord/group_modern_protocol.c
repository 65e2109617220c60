/* group_modern_protocol.c: what consumers of the classic protocol put into JoinGroup and get from SyncGroup.
 *
 * Source: Kafka's ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json. A version in front, then
 * fields that later versions only add to; a version above what is known here is read as the newest known one. */
#include "core/base/check.h"
#include "core/coord/group_modern_serve.h"

#define VERSION_OWNED 1 /* from it on: partitions the member has */
#define VERSION_EPOCH 2
#define VERSION_RACK  3

/* An array of topics with partitions. Topics that do not exist are passed over. */
static void read_parts(struct modern_host *host, struct kp_reader *reader, struct modern_parts *out_parts)
{
    int32_t count = kp_read_count(reader, false, false, 6);

    for (int32_t t = 0; t < count && reader->error == ERR_OK; t++) {
        struct view         name = kp_read_string(reader, false, false);
        int32_t             partition_count = kp_read_count(reader, false, false, 4);
        struct modern_topic topic;
        bool                known = reader->error == ERR_OK && host->ops->topic_by_name(host, name, &topic);

        for (int32_t i = 0; i < partition_count && reader->error == ERR_OK; i++) {
            int32_t partition = kp_read_int32(reader);

            if (out_parts->count == MODERN_OWNED_MAX) {
                kp_reader_fail(reader, ERR_LIMIT);
            } else if (known && partition >= 0 && partition < topic.partition_count) {
                modern_parts_push(out_parts, topic.id, partition, 0);
            }
        }
    }
    modern_parts_sort(out_parts);
}

bool modern_subscription_read(struct modern_host *host, struct view bytes, struct arena *arena,
                              struct modern_subscription_bytes *out_subscription)
{
    struct kp_reader reader;
    int16_t          version;

    *out_subscription = (struct modern_subscription_bytes){0};
    kp_reader_init(&reader, bytes, arena);
    version = kp_read_int16(&reader);
    out_subscription->topics = kp_read_string_array(&reader, false, false, &out_subscription->topic_count);
    (void)kp_read_bytes(&reader, false, true);
    if (version >= VERSION_OWNED) {
        read_parts(host, &reader, &out_subscription->owned);
    }
    if (version >= VERSION_EPOCH) {
        (void)kp_read_int32(&reader);
    }
    if (version >= VERSION_RACK) {
        out_subscription->rack_id = kp_read_string(&reader, false, true);
    }
    if (version < 0 || reader.error != ERR_OK) {
        modern_parts_deinit(&out_subscription->owned);
        return false;
    }
    return true;
}

/* Empty bytes are what a member has before the first assignment. */
bool modern_assignment_read(struct modern_host *host, struct view bytes, struct arena *arena,
                            struct modern_parts *out_parts)
{
    struct kp_reader reader;

    if (bytes.len == 0) {
        return true;
    }
    kp_reader_init(&reader, bytes, arena);
    int16_t version = kp_read_int16(&reader);

    read_parts(host, &reader, out_parts);
    (void)kp_read_bytes(&reader, false, true);
    return version >= 0 && reader.error == ERR_OK;
}

static void write_assignment(struct modern_host *host, const struct modern_parts *parts, int16_t version,
                             struct kp_writer *writer)
{
    struct modern_run   run;
    struct modern_topic topic;
    int32_t             topics = 0;

    for (uint32_t at = 0; modern_parts_next_run(parts, &at, &run);) {
        topics += host->ops->topic_by_id(host, run.topic_id, &topic) ? 1 : 0;
    }
    kp_write_int16(writer, version);
    kp_write_count(writer, false, false, topics);
    for (uint32_t at = 0; modern_parts_next_run(parts, &at, &run);) {
        if (!host->ops->topic_by_id(host, run.topic_id, &topic)) {
            continue;
        }
        kp_write_string(writer, false, false, topic.name);
        kp_write_count(writer, false, false, (int32_t)run.count);
        for (uint32_t i = 0; i < run.count; i++) {
            kp_write_int32(writer, run.items[i].partition);
        }
    }
    kp_write_bytes(writer, false, true, (struct view){0});
}

struct view modern_assignment_write(struct modern_host *host, const struct modern_parts *parts,
                                    struct view subscription, struct arena *arena)
{
    struct kp_writer measure, writer;
    int16_t          version = subscription.len < 2 ? 0 : (int16_t)load_be16(subscription.base);

    version = version < 0 ? 0 : MIN(version, (int16_t)VERSION_RACK);
    kp_writer_init_measure(&measure);
    write_assignment(host, parts, version, &measure);
    struct span bytes = {.base = arena_alloc(arena, measure.bytes_total), .len = measure.bytes_total};
    if (bytes.base == NULL || measure.error != ERR_OK) {
        return (struct view){0};
    }
    kp_writer_init_span(&writer, bytes);
    write_assignment(host, parts, version, &writer);
    CHECK(writer.error == ERR_OK);
    return view_span(bytes);
}
