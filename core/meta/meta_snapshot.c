/* Snapshots of the metadata: so that the log need not be read, and kept, from its first record on.
 *
 *   due (enough bytes of log behind the last one) -> image written as records -> file replaced, durably -> log trimmed
 *
 * A snapshot is a file beside the log's segments: a head, then batches of metadata records that make the image as it
 * was before offset `end_offset`. Nothing of the log is given up before the file that replaces it is durable; a stop in
 * between leaves a log that begins earlier than it need, and the start skips what the snapshot has. One snapshot is
 * enough: it is replaced as a whole or not at all. A damaged one stops the start, unless the log still has everything.
 *
 * The image is encoded between two changes, when every shard has applied all earlier ones; changes go on while the file
 * is written. docs/formats/metadata-snapshot.md. */
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/meta/meta_internal.h"

#include <stdio.h>

#define SNAPSHOT_NAME        "image.snapshot"
#define SNAPSHOT_MAGIC       0x50414e534154454dULL /* "METASNAP" */
#define SNAPSHOT_VERSION     1
#define SNAPSHOT_HEAD_BYTES  ((size_t)40)
#define SNAPSHOT_BATCH_BYTES ((size_t)(256 * KIB)) /* of records; a batch goes one record above it at most */
#define SNAPSHOT_BYTES_MAX   ((uint64_t)(1 * GIB))

/* --- image to records -------------------------------------------------------------------------------------------- */

struct snapshot_writer {
    struct arena       arena; /* of the batch in the making */
    struct rec_builder builder;
    int64_t            now_ms;
    uint8_t           *bytes; /* head and finished batches */
    size_t             len, capacity;
    int64_t            record_count; /* in finished batches */
    bool               failed;
};

static void writer_put(struct snapshot_writer *writer, struct view bytes)
{
    if (writer->len + bytes.len > writer->capacity) {
        writer->capacity = MAX(writer->capacity * 2, writer->len + bytes.len);
        writer->bytes = mem_realloc(MEM_META, writer->bytes, writer->capacity);
    }
    memcpy(writer->bytes + writer->len, bytes.base, bytes.len);
    writer->len += bytes.len;
}

static void writer_batch_end(struct snapshot_writer *writer)
{
    struct view batch;

    if (writer->builder.record_count > 0) {
        writer->record_count += writer->builder.record_count;
        if (rec_builder_finish(&writer->builder, REC_NONE, 0, &batch) == ERR_OK) {
            writer_put(writer, batch);
        } else {
            writer->failed = true;
        }
    }
    arena_reset(&writer->arena);
    rec_builder_init(&writer->builder, &writer->arena);
}

static void writer_add(void *context, const struct meta_record *record)
{
    struct snapshot_writer *writer = context;

    meta__record_add(&writer->builder, writer->now_ms, record);
    writer->failed |= writer->builder.failed;
    if (writer->builder.len >= SNAPSHOT_BATCH_BYTES) {
        writer_batch_end(writer);
    }
}

static void each_broker(const struct meta_image *image, meta_emit_fn *each, void *context)
{
    for (uint32_t i = 0; i < image->broker_count; i++) {
        struct kp_register_broker_record_end_points endpoints[META_LISTENERS_MAX];
        struct meta_record                          record;

        if (image->brokers[i].endpoint_count > 0) {
            meta__record_of_broker(&image->brokers[i], image->last_offset, endpoints, &record);
            each(context, &record);
        }
    }
}

static void each_config(const struct meta_config_set *set, int8_t resource_type, struct view resource_name,
                        meta_emit_fn *each, void *context)
{
    MAP_EACH(&set->values, entry) {
        struct meta_record record = {.key = KP_CONFIG_RECORD_KEY};

        kp_config_record_init(&record.config);
        record.config.resource_type = resource_type;
        record.config.resource_name = resource_name;
        record.config.name = view_of(entry->key, entry->key_len);
        record.config.value = view_text(entry->value);
        each(context, &record);
    }
}

static void each_config_of_brokers(const struct meta_image *image, meta_emit_fn *each, void *context)
{
    each_config(&image->broker_default_configs, META_RESOURCE_BROKER, view_text(""), each, context);
    for (uint32_t i = 0; i < image->broker_count; i++) {
        char name[16];
        int  len = snprintf(name, sizeof(name), "%" PRId32, image->brokers[i].node_id);

        each_config(&image->broker_configs[i], META_RESOURCE_BROKER, view_of(name, (size_t)len), each, context);
    }
    MAP_EACH(&image->group_configs, entry) {
        each_config(entry->value, META_RESOURCE_GROUP, view_of(entry->key, entry->key_len), each, context);
    }
}

static void each_topic(const struct meta_image *image, const struct meta_topic *topic, meta_emit_fn *each,
                       void *context)
{
    struct meta_record record = {.key = KP_TOPIC_RECORD_KEY};

    kp_topic_record_init(&record.topic);
    record.topic.name = topic->name;
    record.topic.topic_id = topic->id;
    each(context, &record);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct meta_partition *partition = &topic->partitions[i];
        const struct meta_broker    *broker = &image->brokers[meta__image_shard(image, partition->leader)];

        meta__record_of_partition(topic->id, i, broker, partition->leader_epoch, partition->partition_epoch, &record);
        each(context, &record);
    }
    each_config(&topic->configs, META_RESOURCE_TOPIC, topic->name, each, context);
}

static void each_producer_ids(const struct meta_image *image, meta_emit_fn *each, void *context)
{
    struct meta_record record = {.key = KP_PRODUCER_IDS_RECORD_KEY};

    if (image->next_producer_id > 0) {
        kp_producer_ids_record_init(&record.producer_ids);
        record.producer_ids.broker_id = image->brokers[META_CONTROLLER_SHARD].node_id;
        record.producer_ids.next_producer_id = image->next_producer_id;
        each(context, &record);
    }
}

/* Records that make this image out of an empty one. */
static void each_record(const struct meta_image *image, meta_emit_fn *each, void *context)
{
    each_broker(image, each, context);
    meta__features_each(image, each, context);
    each_producer_ids(image, each, context);
    each_config_of_brokers(image, each, context);
    MAP_EACH(&image->topics_by_name, entry) {
        each_topic(image, entry->value, each, context);
    }
    meta__quotas_each(image, each, context);
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* magic, version, crc over what follows, end offset, bytes of batches, records */
static void head_encode(uint8_t *bytes, size_t len, int64_t end_offset, int64_t record_count)
{
    store_le64(bytes, SNAPSHOT_MAGIC);
    store_le32(bytes + 8, SNAPSHOT_VERSION);
    store_le64(bytes + 16, (uint64_t)end_offset);
    store_le64(bytes + 24, (uint64_t)(len - SNAPSHOT_HEAD_BYTES));
    store_le64(bytes + 32, (uint64_t)record_count);
    store_le32(bytes + 12, crc32c_update(0, bytes + 16, len - 16));
}

/* The batches end where the log goes on: so whoever applies them knows how far it is. Every record stands for one of
 * the log at least, so the first offset is not negative. */
static void batches_number(struct view batches, int64_t first_offset)
{
    while (batches.len > 0) {
        struct rec_batch batch;
        uint8_t         *bytes = (uint8_t *)(uintptr_t)batches.base;

        CHECK(rec_batch_parse(batches, &batch) == ERR_OK);
        rec_stamp_offset(bytes, first_offset, 0);
        first_offset += rec_batch_last_offset(&batch) - batch.base_offset + 1;
        batches = view_of(batches.base + batch.bytes.len, batches.len - batch.bytes.len);
    }
}

bool meta__snapshot_encode(const struct meta_image *image, int64_t now_ms, uint8_t **out_bytes, size_t *out_len)
{
    static const uint8_t   nothing[SNAPSHOT_HEAD_BYTES];
    int64_t                end_offset = image->last_offset + 1;
    struct snapshot_writer writer = {.now_ms = now_ms};

    arena_init(&writer.arena, MEM_META, 64 * KIB, META_ARENA_BYTES_MAX);
    rec_builder_init(&writer.builder, &writer.arena);
    writer_put(&writer, view_of(nothing, sizeof(nothing)));
    each_record(image, writer_add, &writer);
    writer_batch_end(&writer);
    arena_deinit(&writer.arena);
    if (writer.failed || writer.record_count > end_offset) {
        mem_free(MEM_META, writer.bytes);
        return false;
    }
    batches_number(view_of(writer.bytes + SNAPSHOT_HEAD_BYTES, writer.len - SNAPSHOT_HEAD_BYTES),
                   end_offset - writer.record_count);
    head_encode(writer.bytes, writer.len, end_offset, writer.record_count);
    *out_bytes = writer.bytes;
    *out_len = writer.len;
    return true;
}

int meta__snapshot_decode(struct view file, int64_t *out_end_offset, struct view *out_batches)
{
    if (file.len < SNAPSHOT_HEAD_BYTES || load_le64(file.base) != SNAPSHOT_MAGIC ||
        load_le32(file.base + 12) != crc32c_update(0, file.base + 16, file.len - 16) ||
        load_le64(file.base + 24) != file.len - SNAPSHOT_HEAD_BYTES || load_le64(file.base + 16) > INT64_MAX) {
        return ERR_CORRUPT;
    }
    if (load_le32(file.base + 8) != SNAPSHOT_VERSION) {
        return ERR_UNSUPPORTED;
    }
    *out_end_offset = (int64_t)load_le64(file.base + 16);
    *out_batches = view_of(file.base + SNAPSHOT_HEAD_BYTES, file.len - SNAPSHOT_HEAD_BYTES);
    return ERR_OK;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static char *snapshot_path(const struct meta_controller *controller)
{
    static const char format[] = "%s/" META_LOG_TOPIC "-0/" SNAPSHOT_NAME;
    const char       *directory = store_directory(controller->meta->store);
    size_t            bytes = strlen(directory) + sizeof(format);
    char             *path = mem_alloc(MEM_META, bytes);

    (void)snprintf(path, bytes, format, directory);
    return path;
}

bool meta__snapshot_due(const struct meta_controller *controller)
{
    const struct meta_snapshot *snapshot = &controller->snapshot;
    uint64_t least = (uint64_t)meta_broker_int(controller->meta, "metadata.log.max.record.bytes.between.snapshots");

    /* As much log as the last one was long, too: then writing them costs no more than writing the log. */
    return !snapshot->busy && !controller->log_failed && snapshot->log_bytes >= MAX(least, (uint64_t)snapshot->len);
}

static void snapshot_end(struct meta_controller *controller)
{
    struct meta_snapshot *snapshot = &controller->snapshot;

    mem_free(MEM_META, snapshot->bytes);
    mem_free(MEM_META, snapshot->path);
    snapshot->bytes = NULL;
    snapshot->path = NULL;
    snapshot->busy = false;
    meta__change_run(controller); /* a close may wait for this */
}

static void snapshot_trimmed(void *context, int result)
{
    struct meta_controller *controller = context;

    if (result < 0) { /* it begins earlier than it need; the next snapshot tries again */
        slog_warn("meta", "the metadata log could not be shortened: %s", err_text(result));
    }
    snapshot_end(controller);
}

static void snapshot_written(struct io_file_op *op)
{
    struct meta_controller *controller = CONTAINER_OF(op, struct meta_controller, snapshot.file);
    struct meta_snapshot   *snapshot = &controller->snapshot;

    if (op->result < 0) {
        slog_warn("meta", "%s could not be written (%s); the metadata log is kept instead", snapshot->path,
                  err_text(op->result));
        snapshot_end(controller);
        return;
    }
    slog_info("meta", "%s: the metadata before offset %" PRId64 ", %zu bytes", snapshot->path, snapshot->end_offset,
              snapshot->len);
    store_log_trim(controller->log, snapshot->end_offset, snapshot_trimmed, controller);
}

void meta__snapshot_take(struct meta_controller *controller)
{
    struct meta_snapshot *snapshot = &controller->snapshot;
    struct meta_image    *image = &controller->meta->image;

    CHECK(!snapshot->busy && image->last_offset + 1 == store_log_end_offset(controller->log));
    snapshot->log_bytes = 0;
    if (!meta__snapshot_encode(image, io_wall_ms(controller->meta->shard->io), &snapshot->bytes, &snapshot->len)) {
        slog_warn("meta", "no snapshot of the metadata can be made; the log is kept");
        return;
    }
    snapshot->busy = true;
    snapshot->end_offset = image->last_offset + 1;
    snapshot->path = snapshot_path(controller);
    io_file_replace(controller->meta->shard->io, &snapshot->file, snapshot->path,
                    view_of(snapshot->bytes, snapshot->len), snapshot_written);
}

/* --- start-up ---------------------------------------------------------------------------------------------------- */

/* The next piece of whole batches, about META_REPLAY_BYTES long, to every shard. */
static void snapshot_publish(struct meta_controller *controller, int result)
{
    struct meta_snapshot *snapshot = &controller->snapshot;
    struct view           piece = view_of(snapshot->rest.base, 0);
    struct rec_batch      batch;

    while (result == ERR_OK && snapshot->rest.len > 0 && piece.len < META_REPLAY_BYTES) {
        result = rec_batch_parse(snapshot->rest, &batch) == ERR_OK ? ERR_OK : ERR_CORRUPT;
        if (result == ERR_OK) {
            piece.len += batch.bytes.len;
            snapshot->rest = view_of(batch.bytes.base + batch.bytes.len, snapshot->rest.len - batch.bytes.len);
        }
    }
    if (result == ERR_OK && piece.len > 0) {
        meta__publish(controller, META_PUBLISH_REPLAY, piece, snapshot_publish);
        return;
    }
    if (result == ERR_OK && controller->meta->image.last_offset + 1 != snapshot->end_offset) {
        result = ERR_CORRUPT;
    }
    buf_unref(snapshot->buf);
    snapshot->buf = NULL;
    mem_free(MEM_META, snapshot->path);
    snapshot->path = NULL;
    snapshot->loaded(controller, result);
}

/* What the file says, against what the log holds. `result`: of reading it. ERR_OK: it counts. ERR_NOT_FOUND: the log
 * has everything. Other errors: something is missing. */
static int snapshot_judge(struct meta_controller *controller, int result)
{
    struct meta_snapshot *snapshot = &controller->snapshot;
    int64_t               start = store_log_start_offset(controller->log);
    int64_t               end = store_log_durable_offset(controller->log);

    if (result == ERR_OK) {
        result =
            meta__snapshot_decode(view_of(snapshot->buf->data, snapshot->len), &snapshot->end_offset, &snapshot->rest);
    }
    if (result == ERR_OK && snapshot->end_offset >= start && snapshot->end_offset <= end) {
        return ERR_OK;
    }
    if (result == ERR_OK) {
        slog_error("meta", "%s ends before offset %" PRId64 ", the metadata log holds %" PRId64 " to %" PRId64,
                   snapshot->path, snapshot->end_offset, start, end - 1);
        return ERR_CORRUPT;
    }
    if (start > 0) {
        slog_error("meta", "%s, which holds the metadata before offset %" PRId64 ", cannot be read: %s", snapshot->path,
                   start, err_text(result));
        return result == ERR_NOT_FOUND ? ERR_CORRUPT : result;
    }
    if (result != ERR_NOT_FOUND) {
        slog_warn("meta", "%s cannot be read (%s); the metadata log has everything", snapshot->path, err_text(result));
    }
    return ERR_NOT_FOUND;
}

static void snapshot_read(struct io_file_op *op)
{
    struct meta_controller *controller = CONTAINER_OF(op, struct meta_controller, snapshot.file);
    struct meta_snapshot   *snapshot = &controller->snapshot;
    int                     result;

    if (op->result >= 0) {
        snapshot->buf = io_file_take(op);
        snapshot->len = (size_t)op->result;
    }
    result = controller->closing ? ERR_OFFLINE : snapshot_judge(controller, MIN(op->result, 0));
    if (result != ERR_OK) {
        snapshot->rest = (struct view){0};
        snapshot->end_offset = 0;
        snapshot->len = 0;
    }
    snapshot_publish(controller, result == ERR_NOT_FOUND ? ERR_OK : result);
}

void meta__snapshot_load(struct meta_controller *controller,
                         void (*loaded)(struct meta_controller *controller, int result))
{
    struct meta_snapshot *snapshot = &controller->snapshot;

    snapshot->loaded = loaded;
    snapshot->path = snapshot_path(controller);
    io_file_load(controller->meta->shard->io, &snapshot->file, controller->meta->shard->bufs, snapshot->path,
                 SNAPSHOT_BYTES_MAX, snapshot_read);
}
