/* The coordinators of one shard: their partitions, and how calls begin and end. See coord.h and coord_internal.h. */
#include "core/base/hash.h"
#include "core/coord/txn_machine.h"

struct coord_kind_row {
    const char *topic;
    struct coord_machine *(*create)(struct coord_slot *slot);
    void (*destroy)(struct coord_machine *machine);
};

static const struct coord_kind_row coord_kinds[COORD_KIND_COUNT] = {
    [COORD_GROUPS] = {COORD_OFFSETS_TOPIC, group__machine_create, group__machine_destroy},
    [COORD_TXNS] = {COORD_TXN_TOPIC, txn__machine_create, txn__machine_destroy},
};

static void coord_topic_removed(struct meta_watch *watch, const struct meta_topic *topic);

/* --- life -------------------------------------------------------------------------------------------------------- */

struct coord *coord_create(struct io_shard *shard, struct meta *meta, struct part_table *parts, struct coord **by_shard)
{
    struct coord *coord = mem_alloc(MEM_COORD, sizeof(*coord));

    coord->shard = shard;
    coord->meta = meta;
    coord->parts = parts;
    coord->by_shard = by_shard;
    coord->settings.image_offset = INT64_MIN;
    list_init(&coord->finished);
    coord->watch.topic_removed = coord_topic_removed;
    meta_watch_add(meta, &coord->watch);
    coord->txns = txn__shard_create(coord);
    by_shard[shard->index] = coord;
    return coord;
}

void coord_destroy(struct coord *coord)
{
    if (coord == NULL) {
        return;
    }
    CHECK(list_empty(&coord->finished) && coord->logs_open == 0);
    txn__shard_destroy(coord->txns);
    coord->by_shard[coord->shard->index] = NULL;
    for (int kind = 0; kind < COORD_KIND_COUNT; kind++) {
        mem_free(MEM_COORD, coord->slots[kind]);
    }
    for (size_t i = 0; i < COUNT_OF(coord->scratch); i++) {
        mem_free(MEM_COORD, coord->scratch[i].base);
    }
    mem_free(MEM_COORD, coord);
}

/* Room for every partition of the topic; NULL when it does not exist. */
static const struct meta_topic *coord_topic(struct coord *coord, enum coord_kind kind)
{
    const struct meta_topic *topic = meta_topic(coord->meta, view_text(coord_kinds[kind].topic));
    int32_t                  had = coord->slot_count[kind];

    if (topic != NULL && topic->partition_count > had) {
        coord->slots[kind] =
            mem_realloc(MEM_COORD, coord->slots[kind], (size_t)topic->partition_count * sizeof(struct coord_slot *));
        for (int32_t i = had; i < topic->partition_count; i++) {
            coord->slots[kind][i] = NULL;
        }
        coord->slot_count[kind] = topic->partition_count;
    }
    return topic;
}

static void coord_slot_closed(void *context)
{
    struct coord_slot *slot = context;
    struct coord      *coord = slot->coord;

    coord_kinds[slot->kind].destroy(slot->machine);
    mem_free(MEM_COORD, slot);
    coord->logs_open--;
    if (coord->closing && coord->logs_open == 0) {
        coord__post(coord);
    }
}

/* Takes the slot out of the table; it ends by itself. */
static void coord_slot_close(struct coord_slot *slot)
{
    struct coord_slot **place = &slot->coord->slots[slot->kind][slot->partition];

    if (*place == slot) {
        *place = NULL;
    }
    if (!slot->closing) {
        slot->closing = true;
        coord_log_close(slot->log, coord_slot_closed, slot);
    }
}

static struct coord_slot *coord_slot_open(struct coord *coord, enum coord_kind kind, struct part *part)
{
    struct coord_slot *slot = mem_alloc(MEM_COORD, sizeof(*slot));

    slot->coord = coord;
    slot->kind = kind;
    slot->partition = part_index(part);
    slot->topic_id = part_topic_id(part);
    slot->machine = coord_kinds[kind].create(slot);
    coord->slots[kind][slot->partition] = slot;
    coord->logs_open++;
    slot->log = coord_log_open(coord->shard, part, slot->machine);
    return slot;
}

void coord_open(struct coord *coord)
{
    for (int kind = 0; kind < COORD_KIND_COUNT; kind++) {
        const struct meta_topic *topic = coord_topic(coord, (enum coord_kind)kind);

        for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++) {
            int16_t error;

            if (topic->partitions[i].leader == meta_node_id(coord->meta)) {
                MAYBE(coord__slot_at(coord, (enum coord_kind)kind, i, &error) == NULL);
            }
        }
    }
    txn__shard_open(coord->txns);
}

void coord_close(struct coord *coord, void (*done)(void *context, int result), void *context)
{
    CHECK(!coord->closing);
    coord->closing = true;
    coord->closed = done;
    coord->closed_context = context;
    txn__shard_close(coord->txns);
    for (int kind = 0; kind < COORD_KIND_COUNT; kind++) {
        for (int32_t i = 0; i < coord->slot_count[kind]; i++) {
            if (coord->slots[kind][i] != NULL) {
                coord_slot_close(coord->slots[kind][i]);
            }
        }
    }
    coord__post(coord);
}

static void coord_topic_removed(struct meta_watch *watch, const struct meta_topic *topic)
{
    struct coord *coord = CONTAINER_OF(watch, struct coord, watch);

    for (int kind = 0; kind < COORD_KIND_COUNT; kind++) {
        for (int32_t i = 0; i < coord->slot_count[kind]; i++) {
            struct coord_slot *slot = coord->slots[kind][i];

            if (slot != NULL && uuid_equal(slot->topic_id, topic->id)) {
                coord_slot_close(slot);
            } else if (slot != NULL && kind == COORD_GROUPS && coord_log_state(slot->log) == COORD_LOG_ACTIVE) {
                group__topic_removed(slot->machine, topic->name);
            }
        }
    }
}

/* --- slots ------------------------------------------------------------------------------------------------------- */

int32_t coord_partition_of(struct view id, int32_t partition_count)
{
    int32_t hash = hash_java_string(id);

    CHECK(partition_count > 0);
    return (hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash) % partition_count;
}

struct coord_slot *coord__slot_at(struct coord *coord, enum coord_kind kind, int32_t partition, int16_t *out_error)
{
    const struct meta_topic *topic = coord_topic(coord, kind);
    struct coord_slot       *slot;
    struct part             *part;

    *out_error = KP_ERR_NOT_COORDINATOR;
    if (topic == NULL || coord->closing || partition < 0 || partition >= topic->partition_count ||
        topic->partitions[partition].leader != meta_node_id(coord->meta)) {
        return NULL;
    }
    slot = coord->slots[kind][partition];
    if (slot != NULL && coord_log_state(slot->log) == COORD_LOG_CLOSED) {
        coord_slot_close(slot);
        slot = NULL;
    }
    if (slot == NULL) {
        part = part_find_id(coord->parts, topic->id, partition);
        if (part == NULL || !part_ready(part)) {
            *out_error = KP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
            return NULL;
        }
        slot = coord_slot_open(coord, kind, part);
    }
    *out_error = coord_log_error(slot->log);
    return *out_error == 0 ? slot : NULL;
}

struct coord_slot *coord__slot(struct coord *coord, enum coord_kind kind, struct view id, int16_t *out_error)
{
    const struct meta_topic *topic = coord_topic(coord, kind);

    if (topic == NULL) { /* nobody has asked for a coordinator yet: FindCoordinator makes the topic */
        *out_error = coord->closing ? KP_ERR_NOT_COORDINATOR : KP_ERR_COORDINATOR_NOT_AVAILABLE;
        return NULL;
    }
    return coord__slot_at(coord, kind, coord_partition_of(id, topic->partition_count), out_error);
}

struct coord_slot *coord__slot_next(struct coord *coord, enum coord_kind kind, int32_t *position)
{
    while (*position < coord->slot_count[kind]) {
        struct coord_slot *slot = coord->slots[kind][(*position)++];

        if (slot != NULL) {
            return slot;
        }
    }
    return NULL;
}

bool coord__loading(struct coord *coord, enum coord_kind kind)
{
    int32_t            position = 0;
    struct coord_slot *slot;

    while ((slot = coord__slot_next(coord, kind, &position)) != NULL) {
        if (coord_log_state(slot->log) == COORD_LOG_LOADING) {
            return true;
        }
    }
    return false;
}

const struct coord_settings *coord__settings(struct coord *coord)
{
    struct coord_settings *settings = &coord->settings;
    int64_t                now_offset = meta_image(coord->meta)->last_offset;

    if (settings->image_offset != now_offset) {
        settings->image_offset = now_offset;
        settings->group_initial_delay_ms = (int32_t)meta_broker_int(coord->meta, "group.initial.rebalance.delay.ms");
        settings->group_min_session_ms = (int32_t)meta_broker_int(coord->meta, "group.min.session.timeout.ms");
        settings->group_max_session_ms = (int32_t)meta_broker_int(coord->meta, "group.max.session.timeout.ms");
        settings->group_max_size = (int32_t)meta_broker_int(coord->meta, "group.max.size");
        settings->offset_metadata_bytes_max = (int32_t)meta_broker_int(coord->meta, "offset.metadata.max.bytes");
        settings->offsets_retention_ms = meta_broker_int(coord->meta, "offsets.retention.minutes") * 60 * MS_PER_S;
        settings->offsets_check_ms = meta_broker_int(coord->meta, "offsets.retention.check.interval.ms");
    }
    return settings;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void coord_posted(struct io_op *op)
{
    struct coord     *coord = CONTAINER_OF(op, struct coord, post);
    struct list_node  round;
    struct list_node *node;

    list_init(&round);
    list_splice_back(&round, &coord->finished);
    while ((node = list_pop_front(&round)) != NULL) {
        struct coord_call *call = LIST_ENTRY(node, struct coord_call, link_);

        call->coord_ = NULL;
        call->done(call);
    }
    if (coord->closing && coord->closed != NULL && coord->logs_open == 0 && list_empty(&coord->finished) &&
        txn__shard_idle(coord->txns)) {
        void (*closed)(void *context, int result) = coord->closed;

        coord->closed = NULL;
        closed(coord->closed_context, ERR_OK);
    }
}

void coord__post(struct coord *coord)
{
    if (io_op_idle(&coord->post)) {
        io_post(coord->shard->io, &coord->post, coord_posted);
    }
}

void coord__finish(struct coord_call *call)
{
    struct coord *coord = call->coord_;

    CHECK(coord != NULL);
    call->waits_for_ = NULL;
    call->cancel_ = NULL;
    list_init(&call->link_);
    list_push_back(&coord->finished, &call->link_);
    coord__post(coord);
}

void coord__fail(struct coord_call *call, int16_t error)
{
    switch (call->api_key) {
    case KP_JOIN_GROUP_KEY:
    case KP_SYNC_GROUP_KEY:
    case KP_HEARTBEAT_KEY:
    case KP_LEAVE_GROUP_KEY:
    case KP_OFFSET_COMMIT_KEY:
    case KP_OFFSET_FETCH_KEY:
    case KP_OFFSET_DELETE_KEY:
    case KP_TXN_OFFSET_COMMIT_KEY:
    case KP_DESCRIBE_GROUPS_KEY:
    case KP_DELETE_GROUPS_KEY:
    case KP_LIST_GROUPS_KEY:
        group__fill_error(call, error);
        break;
    case KP_CONSUMER_GROUP_HEARTBEAT_KEY:
    case KP_CONSUMER_GROUP_DESCRIBE_KEY:
        group_modern__fill_error(call, error);
        break;
    default:
        txn__fill_error(call, error);
        break;
    }
    coord__finish(call);
}

static void coord_commit_done(struct coord_write *write, int16_t error)
{
    struct coord_call *call = CONTAINER_OF(write, struct coord_call, write_);

    if (error != 0) {
        coord__fail(call, error);
    } else {
        call->waits_for_ = NULL;
        call->coord_ = NULL;
        call->done(call);
    }
}

void coord__commit(struct coord_slot *slot, struct coord_call *call)
{
    call->write_.done = coord_commit_done;
    coord_log_commit(slot->log, &call->write_);
}

/* Into scratch memory that grows until it is large enough. */
static struct view coord_encode(struct coord_scratch *scratch, coord_write_fn *write, const void *in)
{
    for (;;) {
        struct kp_writer writer;

        kp_writer_init_span(&writer, span_of(scratch->base, scratch->capacity));
        write(&writer, in);
        if (writer.error == ERR_OK) {
            return view_of(scratch->base, writer.bytes_total);
        }
        CHECK(writer.error == ERR_NO_SPACE); /* texts came through the protocol: they are not too long for it */
        scratch->capacity = MAX(scratch->capacity * 2, (size_t)1024);
        scratch->base = mem_realloc(MEM_COORD, scratch->base, scratch->capacity);
    }
}

void coord__add(struct coord_slot *slot, coord_write_fn *key, const void *key_in, coord_write_fn *value,
                const void *value_in)
{
    struct coord_scratch *scratch = slot->coord->scratch;
    struct view           key_bytes = coord_encode(&scratch[0], key, key_in);

    coord_log_add(slot->log, key_bytes, value == NULL ? (struct view){0} : coord_encode(&scratch[1], value, value_in));
}

void *coord__alloc(struct coord_call *call, size_t count, size_t bytes)
{
    return arena_alloc_array(call->arena, count, bytes);
}

struct view coord__text(struct coord_call *call, struct view text)
{
    return text.base == NULL ? text : arena_copy(call->arena, text);
}

void coord_cancel(struct coord_call *call)
{
    call->canceled = true;
    if (call->coord_ != NULL && call->cancel_ != NULL) {
        call->cancel_(call);
    }
}
