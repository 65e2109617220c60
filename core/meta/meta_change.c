/* The way of a change: submitted on any shard, checked and written on the controller shard, applied on every shard,
 * answered where it came from.
 *
 *   queue -> drafted against the image -> appended -> published -> answered
 *
 * One change at a time: the next is drafted when every shard has applied the one before, so it is checked against the
 * image as of all earlier ones, and the image needs no second, speculative version. */
#include "core/meta/meta_internal.h"

#include <stdarg.h>
#include <stdio.h>

static void change_deliver(struct io_mail *mail, struct io_shard *to);
static void change_answered(struct io_mail *mail, struct io_shard *to);

void meta_submit(struct meta *meta, struct meta_change *change)
{
    change->error = KP_ERR_NONE;
    change->from_shard_ = meta->shard->index;
    change->meta_ = meta->host->shards[META_CONTROLLER_SHARD];
    io_shard_send(meta->shard, META_CONTROLLER_SHARD, &change->mail_, change_deliver);
}

static void change_answer(struct meta_controller *controller, struct meta_change *change, int16_t error)
{
    if (error != KP_ERR_NONE) {
        change->error = error;
    }
    io_shard_send(controller->meta->shard, change->from_shard_, &change->mail_, change_answered);
}

static void change_answered(struct io_mail *mail, struct io_shard *to)
{
    struct meta_change *change = CONTAINER_OF(mail, struct meta_change, mail_);

    CHECK(to->index == change->from_shard_);
    change->done(change);
}

static void change_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct meta_change     *change = CONTAINER_OF(mail, struct meta_change, mail_);
    struct meta_controller *controller = change->meta_->controller;

    CHECK(to == controller->meta->shard);
    if (controller->closing) {
        change_answer(controller, change, KP_ERR_NOT_CONTROLLER);
        return;
    }
    list_init(&change->link_);
    list_push_back(&controller->queue, &change->link_);
    meta__change_run(controller);
}

void meta__change_fail_all(struct meta_controller *controller, int16_t error)
{
    struct list_node *node;

    while ((node = list_pop_front(&controller->queue)) != NULL) {
        change_answer(controller, LIST_ENTRY(node, struct meta_change, link_), error);
    }
}

/* --- drafting ------------------------------------------------------------------------------------------------ */

static bool draft_init(struct meta_draft *draft, struct meta_controller *controller)
{
    const struct meta *meta = controller->meta;
    size_t             bytes = meta->host->shard_count * sizeof(*draft->shard_partitions);

    arena_reset(&controller->arena);
    *draft = (struct meta_draft){.meta = meta, .now_ms = io_wall_ms(meta->shard->io)};
    rec_builder_init(&draft->builder, &controller->arena);
    map_init(&draft->seen, MEM_META);
    draft->shard_partitions = arena_alloc(&controller->arena, bytes);
    if (draft->shard_partitions == NULL) {
        return false;
    }
    memcpy(draft->shard_partitions, meta->image.shard_partitions, bytes);
    return true;
}

static void draft_change(struct meta_draft *draft, struct meta_change *change)
{
    switch (change->kind) {
    case META_CREATE_TOPICS:
        meta__draft_create_topics(draft, change);
        break;
    case META_DELETE_TOPICS:
        meta__draft_delete_topics(draft, change);
        break;
    case META_ADD_PARTITIONS:
        meta__draft_add_partitions(draft, change);
        break;
    case META_ALTER_CONFIGS:
        meta__draft_alter_configs(draft, change);
        break;
    case META_ALLOCATE_PRODUCER_IDS:
        meta__draft_producer_ids(draft, change);
        break;
    case META_UPDATE_FEATURES:
        meta__draft_update_features(draft, change);
        break;
    case META_ALTER_QUOTAS:
        meta__draft_alter_quotas(draft, change);
        break;
    }
}

void meta__draft_add(struct meta_draft *draft, const struct meta_record *record)
{
    meta__record_add(&draft->builder, draft->now_ms, record);
}

bool meta__draft_first(struct meta_draft *draft, char kind, struct view key)
{
    return meta__draft_seen(draft, kind, key, draft) == NULL;
}

void *meta__draft_seen(struct meta_draft *draft, char kind, struct view key, void *value)
{
    uint8_t *text = arena_alloc(draft->builder.arena, key.len + 1);

    if (text == NULL) {
        draft->builder.failed = true;
        return NULL;
    }
    text[0] = (uint8_t)kind;
    if (key.len > 0) {
        memcpy(text + 1, key.base, key.len);
    }
    return map_put(&draft->seen, view_of(text, key.len + 1), value);
}

int16_t meta__refuse(char *message, size_t message_bytes, int16_t error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, message_bytes, format, arguments);
    va_end(arguments);
    return error;
}

/* --- one change ---------------------------------------------------------------------------------------------- */

static void change_finish(struct meta_controller *controller, int16_t error)
{
    struct meta_change *change = controller->current;

    controller->current = NULL;
    arena_reset(&controller->arena);
    change_answer(controller, change, error);
    meta__change_run(controller);
}

static void change_published(struct meta_controller *controller, int result)
{
    CHECK(result == ERR_OK); /* the draft was made for this very image */
    change_finish(controller, KP_ERR_NONE);
}

static void change_appended(struct meta_controller *controller, int result)
{
    if (result == ERR_OK) {
        meta__publish(controller, META_PUBLISH_CHANGE, view_span(controller->batch), change_published);
    } else {
        change_finish(controller, result == ERR_LIMIT ? KP_ERR_POLICY_VIOLATION : KP_ERR_KAFKA_STORAGE_ERROR);
    }
}

static void change_begin(struct meta_controller *controller, struct meta_change *change)
{
    struct meta_draft draft;
    struct view       batch;

    controller->current = change;
    if (controller->log_failed) {
        change_finish(controller, KP_ERR_KAFKA_STORAGE_ERROR);
        return;
    }
    if (!draft_init(&draft, controller)) {
        change_finish(controller, KP_ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    draft_change(&draft, change);
    map_deinit(&draft.seen);
    if (draft.builder.failed || draft.builder.len > META_BATCH_BYTES_MAX) {
        change_finish(controller, KP_ERR_POLICY_VIOLATION); /* more than one batch of the log holds */
    } else if (change->validate_only || draft.builder.record_count == 0) {
        change_finish(controller, KP_ERR_NONE);
    } else {
        CHECK(rec_builder_finish(&draft.builder, REC_NONE, 0, &batch) == ERR_OK);
        controller->batch = span_of(draft.builder.bytes, batch.len);
        meta__log_append(controller, change_appended);
    }
}

/* change_finish() comes back here: `running` turns that recursion into a loop. */
void meta__change_run(struct meta_controller *controller)
{
    if (controller->running || !controller->serving) {
        return;
    }
    controller->running = true;
    while (controller->current == NULL) {
        struct list_node *node;

        if (controller->closing) {
            meta__change_fail_all(controller, KP_ERR_NOT_CONTROLLER);
            if (controller->snapshot.busy) {
                break; /* its end comes back here */
            }
            meta__log_close(controller);
            controller->serving = false;
            break;
        }
        if (meta__snapshot_due(controller)) {
            meta__snapshot_take(controller);
        }
        node = list_pop_front(&controller->queue);
        if (node == NULL) {
            break;
        }
        change_begin(controller, LIST_ENTRY(node, struct meta_change, link_));
    }
    controller->running = false;
}
