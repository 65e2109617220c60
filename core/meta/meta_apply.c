/* What a shard does with batches from the controller: image first, then its own partitions.
 *
 *   idle -> records applied, work gathered -> at most META_OPENS_MAX opens and deletes under way -> answered, idle
 *
 * The controller sends one publication at a time, so the image does not move while its work is under way. Settings of
 * partitions are set at once; a partition that does not open is offline (the store has said why) and stops nothing. */
#include "core/meta/meta_internal.h"

static void apply_pump(struct meta *meta);

static void apply_work_add(struct meta *meta, struct uuid topic_id, int32_t partition, bool removal)
{
    struct meta_apply *apply = &meta->apply;

    if (apply->work_count == apply->work_capacity) {
        apply->work_capacity = MAX(apply->work_capacity * 2, (size_t)16);
        apply->work = mem_realloc(MEM_META, apply->work, apply->work_capacity * sizeof(*apply->work));
    }
    apply->work[apply->work_count++] =
        (struct meta_work){.topic_id = topic_id, .partition = partition, .removal = removal};
}

static void apply_work_topic(struct meta *meta, const struct meta_topic *topic, bool removal)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].leader == meta_node_id(meta)) {
            apply_work_add(meta, topic->id, i, removal);
        }
    }
}

/* --- settings ------------------------------------------------------------------------------------------------ */

static void apply_topic_settings(struct meta *meta, const struct meta_topic *topic)
{
    struct part_settings settings;
    bool                 made = false;

    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct part *part =
            topic->partitions[i].leader == meta_node_id(meta) ? part_find_id(meta->parts, topic->id, i) : NULL;

        if (part != NULL) {
            if (!made) {
                meta_part_settings(meta, topic, &settings);
                made = true;
            }
            part_set_settings(part, &settings);
        }
    }
}

static void apply_config(struct meta *meta, const struct kp_config_record *record)
{
    if (record->resource_type == META_RESOURCE_BROKER) {
        meta->effective->plain_valid = false;
        meta->apply.all_settings = true;
    } else if (record->resource_type == META_RESOURCE_TOPIC) {
        apply_topic_settings(meta, meta__image_topic(&meta->image, record->resource_name));
    }
}

static void apply_leader_epoch(struct meta *meta, const struct kp_partition_change_record *record)
{
    struct part             *part = part_find_id(meta->parts, record->topic_id, record->partition_id);
    const struct meta_topic *topic = meta__image_topic_by_id(&meta->image, record->topic_id);

    if (part != NULL) {
        part_set_leader_epoch(part, topic->partitions[record->partition_id].leader_epoch);
    }
}

/* --- records ------------------------------------------------------------------------------------------------- */

static int apply_replayed(void *context, const struct meta_record *record)
{
    struct meta *meta = context;

    return meta__image_apply(&meta->image, record);
}

static int apply_changed(void *context, const struct meta_record *record)
{
    struct meta             *meta = context;
    const struct meta_topic *gone = record->key == KP_REMOVE_TOPIC_RECORD_KEY
                                        ? meta__image_topic_by_id(&meta->image, record->remove_topic.topic_id)
                                        : NULL;
    int                      result;

    if (gone != NULL) {
        apply_work_topic(meta, gone, true);
        LIST_EACH(&meta->watches, node) {
            struct meta_watch *watch = LIST_ENTRY(node, struct meta_watch, link);

            if (watch->topic_removed != NULL) {
                watch->topic_removed(watch, gone);
            }
        }
    }
    result = meta__image_apply(&meta->image, record);
    if (result < 0) {
        return result;
    }
    if (record->key == KP_PARTITION_RECORD_KEY && record->partition.leader == meta_node_id(meta)) {
        apply_work_add(meta, record->partition.topic_id, record->partition.partition_id, false);
    } else if (record->key == KP_PARTITION_CHANGE_RECORD_KEY) {
        apply_leader_epoch(meta, &record->partition_change);
    } else if (record->key == KP_CONFIG_RECORD_KEY) {
        apply_config(meta, &record->config);
    }
    return ERR_OK;
}

static int apply_batches(struct meta *meta, struct view batches, meta_record_fn *each)
{
    int result = meta__records_each(batches, &meta->apply.arena, each, meta, &meta->image.last_offset);

    arena_reset(&meta->apply.arena);
    if (meta->apply.all_settings) {
        meta->apply.all_settings = false;
        MAP_EACH(&meta->image.topics_by_name, entry) {
            apply_topic_settings(meta, entry->value);
        }
        LIST_EACH(&meta->watches, node) {
            struct meta_watch *watch = LIST_ENTRY(node, struct meta_watch, link);

            if (watch->settings_changed != NULL) {
                watch->settings_changed(watch);
            }
        }
    }
    return result;
}

/* --- partitions ---------------------------------------------------------------------------------------------- */

/* Starts that take long show that they go on. */
static void apply_tell(struct meta *meta)
{
    struct meta_apply *apply = &meta->apply;
    int64_t            now_ns = io_now_ns(meta->shard->io);

    if (apply->told_ns == 0) {
        apply->told_ns = now_ns;
    } else if (apply->slot->publication->kind == META_PUBLISH_OPEN && now_ns - apply->told_ns >= META_PROGRESS_NS) {
        apply->told_ns = now_ns;
        slog_info("meta", "shard %u: %zu of %zu partitions opened", meta->shard->index,
                  apply->work_next - apply->in_flight, apply->work_count);
    }
}

static void apply_opened(void *context, int16_t error)
{
    struct meta *meta = context;

    meta->apply.offline += error != KP_ERR_NONE;
    meta->apply.in_flight--;
    apply_tell(meta);
    apply_pump(meta);
}

static void apply_removed(void *context, int16_t error)
{
    struct meta *meta = context;

    if (error != KP_ERR_NONE) {
        slog_warn("meta", "shard %u: the files of a deleted partition could not all be removed: %s", meta->shard->index,
                  kp_error_name(error));
    }
    meta->apply.in_flight--;
    apply_pump(meta);
}

static void apply_open(struct meta *meta, const struct meta_work *work)
{
    const struct meta_topic *topic = meta__image_topic_by_id(&meta->image, work->topic_id);
    struct part_options      options;

    if (topic == NULL || part_find_id(meta->parts, work->topic_id, work->partition) != NULL) {
        return;
    }
    options = (struct part_options){.topic_id = topic->id,
                                    .topic = topic->name,
                                    .partition = work->partition,
                                    .leader_epoch = topic->partitions[work->partition].leader_epoch,
                                    .internal = topic->internal};
    meta_part_settings(meta, topic, &options.settings);
    meta->apply.in_flight++;
    (void)part_open(meta->parts, &options, apply_opened, meta);
}

static void apply_remove(struct meta *meta, const struct meta_work *work)
{
    struct part *part = part_find_id(meta->parts, work->topic_id, work->partition);

    if (part != NULL) {
        meta->apply.in_flight++;
        part_delete(part, apply_removed, meta);
    }
}

/* What an unclean stop left in the journal for no partition that was opened belongs to deleted topics, and the store
 * may drop it: unless a partition did not open, which may need it at the next start. */
static void apply_start_over(struct meta *meta, int result)
{
    int64_t offline = meta->apply.offline;

    if (result == ERR_OK && offline == 0) {
        store_logs_opened(meta->store);
    } else if (offline > 0) {
        slog_warn("meta", "shard %u: %" PRId64 " partitions are offline; the others serve", meta->shard->index,
                  offline);
    }
    meta__opened(meta, result);
}

static void apply_answer(struct meta *meta)
{
    struct meta_apply *apply = &meta->apply;
    struct meta_slot  *slot = apply->slot;

    apply->slot = NULL;
    mem_free(MEM_META, apply->work);
    apply->work = NULL;
    apply->work_count = apply->work_capacity = apply->work_next = 0;
    if (slot->publication->kind == META_PUBLISH_OPEN) {
        apply_start_over(meta, slot->result);
    }
    apply->offline = 0;
    apply->told_ns = 0;
    meta__answer(slot);
}

/* Callbacks may come from inside a call below: only the outermost pump goes on. */
static void apply_pump(struct meta *meta)
{
    struct meta_apply *apply = &meta->apply;

    if (apply->pumping) {
        return;
    }
    apply->pumping = true;
    while (apply->in_flight < META_OPENS_MAX && apply->work_next < apply->work_count) {
        const struct meta_work *work = &apply->work[apply->work_next++];

        if (work->removal) {
            apply_remove(meta, work);
        } else {
            apply_open(meta, work);
        }
    }
    apply->pumping = false;
    if (apply->in_flight == 0 && apply->work_next == apply->work_count) {
        apply_answer(meta);
    }
}

static void apply_open_all(struct meta *meta)
{
    MAP_EACH(&meta->image.topics_by_name, entry) {
        apply_work_topic(meta, entry->value, false);
    }
}

void meta__apply_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct meta_slot              *slot = CONTAINER_OF(mail, struct meta_slot, mail);
    const struct meta_publication *publication = slot->publication;
    struct meta                   *meta = slot->meta;

    CHECK(to == meta->shard && meta->apply.slot == NULL);
    if (publication->kind == META_PUBLISH_FAIL) {
        meta__opened(meta, publication->result);
        meta__answer(slot);
        return;
    }
    meta->apply.slot = slot;
    slot->result = apply_batches(meta, publication->batches,
                                 publication->kind == META_PUBLISH_CHANGE ? apply_changed : apply_replayed);
    if (publication->kind == META_PUBLISH_OPEN && slot->result == ERR_OK) {
        apply_open_all(meta);
    }
    apply_pump(meta);
}
