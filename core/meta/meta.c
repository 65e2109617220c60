/* One shard's metadata: its life, and looking things up in its image. */
#include "core/meta/meta_internal.h"

struct meta *meta_create(struct io_shard *shard, const struct meta_host *host, struct store *store,
                         struct part_table *parts)
{
    struct meta *meta = mem_alloc(MEM_META, sizeof(*meta));

    CHECK(shard->index < host->shard_count && host->shards != NULL);
    meta->shard = shard;
    meta->host = host;
    meta->store = store;
    meta->parts = parts;
    list_init(&meta->watches);
    meta->effective = mem_alloc(MEM_META, sizeof(*meta->effective));
    meta__effective_init(meta->effective);
    meta__image_init(&meta->image, host->first_node_id, host->shard_count);
    arena_init(&meta->apply.arena, MEM_META, 16 * KIB, META_ARENA_BYTES_MAX);
    if (shard->index == META_CONTROLLER_SHARD) {
        meta->controller = meta__controller_create(meta);
    }
    host->shards[shard->index] = meta;
    return meta;
}

void meta_destroy(struct meta *meta)
{
    if (meta == NULL) {
        return;
    }
    meta__controller_destroy(meta->controller);
    mem_free(MEM_META, meta->apply.work);
    arena_deinit(&meta->apply.arena);
    meta__image_deinit(&meta->image);
    meta__effective_deinit(meta->effective);
    mem_free(MEM_META, meta->effective);
    meta->host->shards[meta->shard->index] = NULL;
    mem_free(MEM_META, meta);
}

void meta_watch_add(struct meta *meta, struct meta_watch *watch)
{
    list_init(&watch->link);
    list_push_back(&meta->watches, &watch->link);
}

/* --- start and stop ------------------------------------------------------------------------------------------ */

static void meta_open_posted(struct io_op *op)
{
    struct meta  *meta = CONTAINER_OF(op, struct meta, post);
    meta_done_fn *done = meta->open_done;

    meta->open_done = NULL;
    done(meta->open_context, meta->open_result);
}

/* Waits for the controller, which may have been here already. */
void meta_open(struct meta *meta, meta_done_fn *done, void *context)
{
    CHECK(meta->open_done == NULL && done != NULL);
    meta->open_done = done;
    meta->open_context = context;
    if (meta->opened) {
        io_post(meta->shard->io, &meta->post, meta_open_posted);
    }
    if (meta->controller != NULL) {
        meta__log_open(meta->controller);
    }
}

void meta__opened(struct meta *meta, int result)
{
    meta_done_fn *done = meta->open_done;

    meta->opened = true;
    meta->open_result = result;
    if (done != NULL) {
        meta->open_done = NULL;
        done(meta->open_context, result);
    }
}

static void meta_close_posted(struct io_op *op)
{
    struct meta *meta = CONTAINER_OF(op, struct meta, post);

    if (meta->controller == NULL || meta->controller->log == NULL) {
        meta__closed(meta, ERR_OK);
        return;
    }
    meta->controller->closing = true;
    if (meta->controller->serving) {
        meta__change_run(meta->controller); /* closes once nothing is under way */
    } else {
        meta__log_close(meta->controller);
    }
}

/* The controller finishes the change that is under way, which every shard still applies; later ones are refused. The
 * others have nothing of their own to wait for. */
void meta_close(struct meta *meta, meta_done_fn *done, void *context)
{
    CHECK(meta->close_done == NULL && done != NULL);
    meta->close_done = done;
    meta->close_context = context;
    io_post(meta->shard->io, &meta->post, meta_close_posted);
}

void meta__closed(struct meta *meta, int result)
{
    meta_done_fn *done = meta->close_done;

    meta->close_done = NULL;
    done(meta->close_context, result);
}

/* --- looking up ---------------------------------------------------------------------------------------------- */

const struct meta_image *meta_image(const struct meta *meta)
{
    return &meta->image;
}

const struct meta_host *meta_host(const struct meta *meta)
{
    return meta->host;
}

int32_t meta_node_id(const struct meta *meta)
{
    return meta->host->first_node_id + (int32_t)meta->shard->index;
}

const struct meta_topic *meta_topic(const struct meta *meta, struct view name)
{
    return meta__image_topic(&meta->image, name);
}

const struct meta_broker *meta_broker_named(const struct meta *meta, struct view name)
{
    uint32_t shard = meta__image_shard_named(&meta->image, name);

    return shard == meta->image.broker_count ? NULL : &meta->image.brokers[shard];
}

const struct meta_config_set *meta_group_configs(const struct meta *meta, struct view group)
{
    return map_get(&meta->image.group_configs, group);
}

int16_t meta_feature_level(const struct meta *meta, enum meta_feature feature)
{
    CHECK(feature < META_FEATURE_COUNT);
    return meta->image.feature_levels[feature];
}

const struct meta_topic *meta_topic_by_id(const struct meta *meta, struct uuid id)
{
    return meta__image_topic_by_id(&meta->image, id);
}
