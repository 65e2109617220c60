/* The controller's log: partition 0 of __cluster_metadata in the controller shard's store, outside of its partition
 * table. Opened and replayed at start, appended to by changes, and what is durable goes to every shard.
 *
 *   open -> snapshot -> [read -> publish]* -> registrations appended -> publish and open -> serving -> close
 *
 * A damaged or unreadable log ends the start: topics that nobody knows of any more must not look deleted. */
#include "core/meta/meta_internal.h"

static const struct uuid log_topic_id = {{[15] = 1}}; /* Kafka's id of the metadata topic */

static void log_replay(struct meta_controller *controller);
static void log_try_append(struct meta_controller *controller);

struct meta_controller *meta__controller_create(struct meta *meta)
{
    struct meta_controller *controller = mem_alloc(MEM_META, sizeof(*controller));
    uint32_t                shard_count = meta->host->shard_count;

    controller->meta = meta;
    list_init(&controller->queue);
    arena_init(&controller->arena, MEM_META, 16 * KIB, META_ARENA_BYTES_MAX);
    controller->publication.slots = mem_alloc(MEM_META, shard_count * sizeof(*controller->publication.slots));
    controller->publication.controller = controller;
    return controller;
}

void meta__controller_destroy(struct meta_controller *controller)
{
    if (controller == NULL) {
        return;
    }
    CHECK(controller->log == NULL || !controller->serving); /* a failed start leaves the log to the store */
    CHECK(controller->current == NULL && list_empty(&controller->queue));
    arena_deinit(&controller->arena);
    mem_free(MEM_META, controller->replay_bytes);
    mem_free(MEM_META, controller->publication.slots);
    mem_free(MEM_META, controller);
}

/* --- publishing ---------------------------------------------------------------------------------------------- */

static void publish_answered(struct io_mail *mail, struct io_shard *to)
{
    struct meta_slot        *slot = CONTAINER_OF(mail, struct meta_slot, mail);
    struct meta_publication *publication = slot->publication;

    CHECK(to->index == META_CONTROLLER_SHARD && publication->missing > 0);
    if (slot->result < 0 && publication->result == ERR_OK) {
        publication->result = slot->result;
    }
    if (--publication->missing == 0) {
        publication->done(publication->controller, publication->result);
    }
}

void meta__answer(struct meta_slot *slot)
{
    io_shard_send(slot->meta->shard, META_CONTROLLER_SHARD, &slot->mail, publish_answered);
}

void meta__publish(struct meta_controller *controller, enum meta_publication_kind kind, struct view batches,
                   void (*done)(struct meta_controller *controller, int result))
{
    struct meta_publication *publication = &controller->publication;
    const struct meta_host  *host = controller->meta->host;

    CHECK(publication->missing == 0);
    publication->kind = kind;
    publication->batches = batches;
    publication->result = kind == META_PUBLISH_FAIL ? publication->result : ERR_OK;
    publication->missing = host->shard_count;
    publication->done = done;
    for (uint32_t i = 0; i < host->shard_count; i++) {
        struct meta_slot *slot = &publication->slots[i];

        slot->meta = host->shards[i];
        slot->publication = publication;
        slot->result = ERR_OK;
        io_shard_send(controller->meta->shard, i, &slot->mail, meta__apply_deliver);
    }
}

/* --- appending ----------------------------------------------------------------------------------------------- */

static void log_append_done(struct store_append *append)
{
    struct meta_controller *controller = CONTAINER_OF(append, struct meta_controller, append);

    if (append->result != ERR_OK) {
        controller->log_failed = true;
        slog_error("meta",
                   "the metadata log could not be written (%s): topics and settings cannot be changed until the "
                   "broker is restarted",
                   err_text(append->result));
    }
    controller->appended(controller, append->result == ERR_OK ? ERR_OK : ERR_OFFLINE);
}

static void log_memory_ready(struct store_memory_wait *wait)
{
    log_try_append(CONTAINER_OF(wait, struct meta_controller, memory_wait));
}

static void log_try_append(struct meta_controller *controller)
{
    struct span      place;
    struct rec_batch batch;
    size_t           batch_bytes;
    int              result = store_log_reserve(controller->log, controller->batch.len, &place);

    if (result == ERR_AGAIN) {
        controller->memory_wait.ready = log_memory_ready;
        store_wait_for_memory(controller->meta->store, &controller->memory_wait);
        return;
    }
    if (result != ERR_OK) {
        controller->appended(controller, result);
        return;
    }
    rec_stamp_offset(controller->batch.base, store_log_end_offset(controller->log), 0);
    CHECK(rec_header_parse(view_span(controller->batch), &batch, &batch_bytes) == ERR_OK);
    memcpy(place.base, controller->batch.base, controller->batch.len);
    controller->append = (struct store_append){.first_offset = batch.base_offset,
                                               .last_offset = rec_batch_last_offset(&batch),
                                               .max_timestamp_ms = batch.max_timestamp_ms,
                                               .done = log_append_done};
    controller->snapshot.log_bytes += controller->batch.len;
    store_log_commit(controller->log, &controller->append, controller->batch.len);
}

void meta__log_append(struct meta_controller *controller,
                      void (*appended)(struct meta_controller *controller, int result))
{
    controller->appended = appended;
    log_try_append(controller);
}

/* --- start-up ------------------------------------------------------------------------------------------------ */

static void log_open_failed(struct meta_controller *controller, int result)
{
    MAYBE(result < 0);
    controller->closing = true;
    meta__change_fail_all(controller, KP_ERR_NOT_CONTROLLER);
}

static void log_fail(struct meta_controller *controller, int result)
{
    slog_error("meta", "the metadata log cannot be used: %s", err_text(result));
    controller->publication.result = result;
    meta__publish(controller, META_PUBLISH_FAIL, (struct view){0}, log_open_failed);
}

static void log_serving(struct meta_controller *controller, int result)
{
    if (result < 0) {
        log_open_failed(controller, result);
        return;
    }
    arena_reset(&controller->arena);
    controller->serving = true;
    meta__change_run(controller);
}

static void log_registered(struct meta_controller *controller, int result)
{
    if (result < 0) {
        log_fail(controller, result);
    } else {
        meta__publish(controller, META_PUBLISH_OPEN, view_span(controller->batch), log_serving);
    }
}

static void log_register(struct meta_controller *controller)
{
    const struct meta_host *host = controller->meta->host;
    struct rec_builder      builder;
    struct view             batch;
    int                     result;

    arena_reset(&controller->arena);
    rec_builder_init(&builder, &controller->arena);
    for (uint32_t i = 0; i < host->shard_count; i++) {
        struct kp_register_broker_record_end_points endpoints[META_LISTENERS_MAX];
        struct meta_record                          record;

        /* the epoch as a KRaft controller gives it */
        meta__record_of_broker(&host->brokers[i], store_log_end_offset(controller->log), endpoints, &record);
        meta__record_add(&builder, io_wall_ms(controller->meta->shard->io), &record);
    }
    meta__feature_bootstrap(&controller->meta->image, &builder, io_wall_ms(controller->meta->shard->io));
    result = rec_builder_finish(&builder, REC_NONE, 0, &batch);
    if (result < 0) {
        log_fail(controller, result);
        return;
    }
    controller->batch = span_of(builder.bytes, batch.len);
    meta__log_append(controller, log_registered);
}

static void log_replayed(struct meta_controller *controller, int result)
{
    mem_free(MEM_META, controller->replay_bytes);
    controller->replay_bytes = NULL;
    if (result < 0) {
        log_fail(controller, result);
    } else {
        log_replay(controller);
    }
}

static void log_read_done(struct store_read *read)
{
    struct meta_controller *controller = CONTAINER_OF(read, struct meta_controller, read);
    size_t                  len = 0;
    int                     result = read->result;

    if (result == ERR_OK && (read->bytes == 0 || read->next_offset <= read->offset)) {
        result = ERR_CORRUPT; /* nothing below the durable end: the log is shorter than it says */
    }
    if (result < 0) {
        store_read_release(read);
        log_fail(controller, result);
        return;
    }
    controller->replay_bytes = mem_alloc(MEM_META, read->bytes);
    for (uint32_t i = 0; i < read->slice_count; i++) {
        memcpy(controller->replay_bytes + len, read->slices[i].base, read->slices[i].len);
        len += read->slices[i].len;
    }
    CHECK(len == read->bytes);
    controller->snapshot.log_bytes += read->bytes;
    controller->replay_offset = read->next_offset;
    store_read_release(read);
    meta__publish(controller, META_PUBLISH_REPLAY, view_of(controller->replay_bytes, len), log_replayed);
}

static void log_replay(struct meta_controller *controller)
{
    if (controller->replay_offset >= store_log_durable_offset(controller->log)) {
        log_register(controller);
        return;
    }
    controller->read = (struct store_read){.offset = controller->replay_offset,
                                           .end_offset = store_log_durable_offset(controller->log),
                                           .bytes_max = META_REPLAY_BYTES,
                                           .at_least_one = true,
                                           .done = log_read_done};
    if (store_log_read(controller->log, &controller->read)) {
        log_read_done(&controller->read);
    }
}

static void log_snapshot_loaded(struct meta_controller *controller, int result)
{
    if (result < 0) {
        log_fail(controller, result);
        return;
    }
    controller->replay_offset = controller->snapshot.end_offset;
    log_replay(controller);
}

static void log_opened(void *context, int result)
{
    struct meta_controller *controller = context;

    if (result < 0) {
        log_fail(controller, result);
        return;
    }
    meta__snapshot_load(controller, log_snapshot_loaded);
}

void meta__log_open(struct meta_controller *controller)
{
    struct store_log_options options = {.topic_id = log_topic_id,
                                        .topic = view_text(META_LOG_TOPIC),
                                        .partition = 0,
                                        .policy = {.durable_on_append = true,
                                                   .flush_messages = 1,
                                                   .flush_ms = INT64_MAX,
                                                   .segment_bytes = META_SEGMENT_BYTES,
                                                   .segment_ms = INT64_MAX,
                                                   .index_interval_bytes = 4096,
                                                   .retention_ms = -1,
                                                   .retention_bytes = -1,
                                                   .file_delete_delay_ms = 60 * MS_PER_S,
                                                   .use_reserve = true}, /* a full disk is emptied by deleting topics */
                                        .create = true};

    controller->log = store_log_open(controller->meta->store, &options, log_opened, controller);
}

/* --- close --------------------------------------------------------------------------------------------------- */

static void log_closed(void *context, int result)
{
    struct meta_controller *controller = context;

    controller->log = NULL;
    meta__closed(controller->meta, result);
}

void meta__log_close(struct meta_controller *controller)
{
    store_log_close(controller->log, log_closed, controller);
}
