/* Markers: from the decision to end a transaction to its completion. See txn_machine.h.
 *
 * A partition that does not exist any more needs no marker. One that cannot take it now (offline, still opening, its
 * group coordinator loading) is asked again, for ever: until then the transaction is not complete, and its producer is
 * told to wait. A partition where the producer has a newer epoch already, or a newer coordinator has written, has
 * closed the transaction itself. Markers may come twice after a restart: they change nothing then. */
#include "core/base/slog.h"
#include "core/coord/txn_machine.h"

#define FAN_BLOCK_BYTES 512

static void fan_step(struct txn_fan *fan);
static void again_arm(struct txn_shard *shard);
static void road_pump(struct txn_shard *shard, uint32_t to);

/* --- one marker, where the partition lives ----------------------------------------------------------------------- */

static void mark_posted(struct io_op *op)
{
    struct txn_mark *mark = CONTAINER_OF(op, struct txn_mark, post);

    mark->done(mark);
}

static void mark_part_done(struct part_marker *marker)
{
    struct txn_mark *mark = marker->user;

    mark->error = marker->error;
    mark->done(mark);
}

/* A group coordinator that is not ready is no reason that a transaction coordinator knows. */
static int16_t mark_group_error(int16_t error)
{
    switch (error) {
    case 0:
    case KP_ERR_INVALID_PRODUCER_EPOCH:
    case KP_ERR_TRANSACTION_COORDINATOR_FENCED:
        return error;
    default:
        return KP_ERR_NOT_LEADER_OR_FOLLOWER;
    }
}

static void mark_group_done(struct coord_write *write, int16_t error)
{
    struct txn_mark *mark = CONTAINER_OF(write, struct txn_mark, write);

    mark->error = mark_group_error(error);
    mark->done(mark);
}

static bool mark_group(struct coord *coord, struct txn_mark *mark)
{
    struct coord_slot *slot = coord__slot_at(coord, COORD_GROUPS, mark->partition, &mark->error);

    mark->error = mark_group_error(mark->error);
    if (slot == NULL) {
        return false;
    }
    mark->write.done = mark_group_done;
    coord_log_marker(slot->log, mark->producer_id, mark->producer_epoch, mark->commit, mark->coordinator_epoch,
                     mark->version, &mark->write);
    return true;
}

static bool mark_part(struct coord *coord, struct txn_mark *mark)
{
    struct part *part = part_find(coord->parts, mark->topic, mark->partition);

    if (part == NULL || !part_ready(part)) {
        mark->error = part == NULL ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION : KP_ERR_NOT_LEADER_OR_FOLLOWER;
        return false;
    }
    mark->part = (struct part_marker){.producer_id = mark->producer_id,
                                      .producer_epoch = mark->producer_epoch,
                                      .coordinator_epoch = mark->coordinator_epoch,
                                      .version = mark->version,
                                      .commit = mark->commit,
                                      .done = mark_part_done,
                                      .user = mark};
    part_append_marker(part, &mark->part);
    return true;
}

void txn__mark(struct coord *coord, struct txn_mark *mark)
{
    bool taken =
        view_equal(mark->topic, view_text(COORD_OFFSETS_TOPIC)) ? mark_group(coord, mark) : mark_part(coord, mark);

    if (!taken) {
        memset(&mark->post, 0, sizeof(mark->post));
        io_post(coord->shard->io, &mark->post, mark_posted);
    }
}

/* --- couriers ---------------------------------------------------------------------------------------------------- */

static void courier_return(struct io_mail *mail, struct io_shard *to);

static void courier_item_answered(struct txn_courier *courier, struct coord *coord)
{
    if (--courier->left == 0) {
        io_shard_send(coord->shard, courier->from->shard->index, &courier->mail, courier_return);
    }
}

static void courier_item_done(struct txn_mark *mark)
{
    struct txn_courier_item *item = CONTAINER_OF(mark, struct txn_courier_item, mark);
    struct txn_courier      *courier = item->courier;

    courier_item_answered(courier, courier->from->by_shard[courier->to_shard]);
}

/* On the shard the markers are for. */
static void courier_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct txn_courier *courier = CONTAINER_OF(mail, struct txn_courier, mail);
    struct coord       *coord = courier->from->by_shard[to->index];

    courier->left = courier->count;
    for (uint32_t i = 0; i < courier->count; i++) {
        txn__mark(coord, &courier->items[i].mark);
    }
}

/* Back home. */
static void courier_item_settle(struct txn_shard *shard, struct txn_courier_item *item)
{
    struct txn_marker *marker = item->sent;
    int16_t            error = item->mark.error;

    marker->fan->away--;
    if (error == KP_ERR_INVALID_PRODUCER_EPOCH || error == KP_ERR_TRANSACTION_COORDINATOR_FENCED) {
        slog_warn("coord", "%.*s-%d takes no marker of producer %" PRId64 " epoch %d (%s): it has a newer one",
                  (int)marker->topic.len, (const char *)marker->topic.base, marker->partition, item->mark.producer_id,
                  item->mark.producer_epoch, kp_error_name(error));
        error = 0;
    }
    if (error == 0) {
        marker->done = true;
        marker->fan->left--;
    } else if (marker->fan->txn != NULL) {
        list_push_back(&shard->again, &marker->link);
    }
    fan_step(marker->fan);
}

static void courier_return(struct io_mail *mail, struct io_shard *to)
{
    struct txn_courier *courier = CONTAINER_OF(mail, struct txn_courier, mail);
    struct txn_shard   *shard = courier->from->txns;
    struct txn_road    *road = &shard->roads[courier->to_shard];

    CHECK(to == courier->from->shard);
    for (uint32_t i = 0; i < courier->count; i++) {
        courier_item_settle(shard, &courier->items[i]);
    }
    list_push_back(&road->idle, &courier->link);
    again_arm(shard);
    road_pump(shard, courier->to_shard);
    txn__shard_back(shard);
}

static struct txn_courier *courier_acquire(struct txn_shard *shard, uint32_t to)
{
    struct txn_road    *road = &shard->roads[to];
    struct list_node   *node = list_pop_front(&road->idle);
    struct txn_courier *courier;

    if (node != NULL) {
        return LIST_ENTRY(node, struct txn_courier, link);
    }
    if (road->couriers == TXN_COURIERS_MAX) {
        return NULL;
    }
    road->couriers++;
    courier = mem_alloc(MEM_COORD, sizeof(*courier));
    courier->from = shard->coord;
    courier->to_shard = to;
    list_init(&courier->link);
    return courier;
}

static void courier_load(struct txn_courier *courier, struct txn_marker *marker)
{
    struct txn_courier_item *item = &courier->items[courier->count++];
    const struct txn_fan    *fan = marker->fan;

    item->courier = courier;
    item->sent = marker;
    item->mark = (struct txn_mark){.topic = marker->topic,
                                   .partition = marker->partition,
                                   .producer_id = fan->producer_id,
                                   .producer_epoch = fan->producer_epoch,
                                   .version = fan->version,
                                   .coordinator_epoch = fan->coordinator_epoch,
                                   .commit = fan->commit,
                                   .done = courier_item_done};
    marker->fan->away++;
}

static void road_pump(struct txn_shard *shard, uint32_t to)
{
    struct txn_road    *road = &shard->roads[to];
    struct txn_courier *courier;

    while (!shard->coord->closing && !list_empty(&road->queue) && (courier = courier_acquire(shard, to)) != NULL) {
        struct list_node *node;

        courier->count = 0;
        while (courier->count < TXN_COURIER_ITEMS && (node = list_pop_front(&road->queue)) != NULL) {
            courier_load(courier, LIST_ENTRY(node, struct txn_marker, link));
        }
        shard->away++;
        io_shard_send(shard->coord->shard, to, &courier->mail, courier_arrive);
    }
}

void txn__roads_open(struct txn_shard *shard)
{
    uint32_t count = meta_host(shard->coord->meta)->shard_count;

    shard->roads = mem_alloc(MEM_COORD, count * sizeof(*shard->roads));
    for (uint32_t i = 0; i < count; i++) {
        list_init(&shard->roads[i].queue);
        list_init(&shard->roads[i].idle);
    }
}

void txn__roads_close(struct txn_shard *shard)
{
    for (uint32_t i = 0; i < meta_host(shard->coord->meta)->shard_count; i++) {
        struct list_node *node;

        CHECK(list_empty(&shard->roads[i].queue));
        while ((node = list_pop_front(&shard->roads[i].idle)) != NULL) {
            mem_free(MEM_COORD, LIST_ENTRY(node, struct txn_courier, link));
        }
    }
    mem_free(MEM_COORD, shard->roads);
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* Puts the marker into the queue of the shard that leads the partition now. */
static void marker_send(struct txn_shard *shard, struct txn_marker *marker)
{
    const struct meta_topic *topic = meta_topic(shard->coord->meta, marker->topic);
    uint32_t                 to;

    if (topic == NULL || marker->partition >= topic->partition_count) { /* deleted meanwhile */
        marker->done = true;
        marker->fan->left--;
    } else if (txn__leader(shard->coord, topic, marker->partition, &to)) {
        list_push_back(&shard->roads[to].queue, &marker->link);
    } else {
        list_push_back(&shard->again, &marker->link);
        again_arm(shard);
    }
}

static void roads_pump(struct txn_shard *shard)
{
    for (uint32_t i = 0; i < meta_host(shard->coord->meta)->shard_count; i++) {
        road_pump(shard, i);
    }
}

static void again_fire(struct timer *timer)
{
    struct txn_shard *shard = CONTAINER_OF(timer, struct txn_shard, again_timer);
    struct list_node  round;
    struct list_node *node;

    list_init(&round);
    list_splice_back(&round, &shard->again);
    while ((node = list_pop_front(&round)) != NULL) {
        struct txn_marker *marker = LIST_ENTRY(node, struct txn_marker, link);

        marker_send(shard, marker);
        fan_step(marker->fan);
    }
    roads_pump(shard);
}

static void again_arm(struct txn_shard *shard)
{
    if (!list_empty(&shard->again) && !timer_armed(&shard->again_timer) && !shard->coord->closing) {
        timer_arm(shard->coord->shard->timers, &shard->again_timer, coord__now_ns(shard->coord) + TXN_RETRY_NS,
                  again_fire);
    }
}

/* --- fans -------------------------------------------------------------------------------------------------------- */

static void fan_free(struct txn_fan *fan)
{
    arena_deinit(&fan->arena);
    mem_free(MEM_COORD, fan);
}

static void fan_complete(struct txn_fan *fan)
{
    struct txn         *txn = fan->txn;
    struct coord       *coord = fan->coord;
    struct txn_decision decision;
    struct txn_values   before = txn->values;

    txn__decide_complete(&before, txn__now_ms(coord), &decision);
    txn__partitions_clear(&txn->partitions);
    txn->fan = NULL;
    fan_free(fan);
    CHECK(txn__move(txn->machine, txn, txn__id(txn), &decision.values, false) == txn);
    txn__settle(txn);
    txn__completed(txn);
}

/* After each change: completes the transaction when every marker is written, frees a fan nobody waits for. */
static void fan_step(struct txn_fan *fan)
{
    if (fan->writes || fan->away > 0) {
        return;
    }
    if (fan->txn == NULL) {
        fan_free(fan);
    } else if (fan->left == 0) {
        fan_complete(fan);
    }
}

static void fan_send(struct txn_fan *fan)
{
    struct txn_shard *shard = fan->coord->txns;

    for (uint32_t i = 0; i < fan->count; i++) {
        marker_send(shard, &fan->markers[i]);
    }
    roads_pump(shard);
    fan_step(fan);
}

static void fan_durable(struct coord_write *write, int16_t error)
{
    struct txn_fan *fan = CONTAINER_OF(write, struct txn_fan, write);

    fan->writes = false;
    if (error == 0 && fan->txn != NULL) {
        fan_send(fan);
    } else if (fan->txn == NULL) { /* else the machine is about to forget it */
        fan_step(fan);
    }
}

/* The turn after a load: completing at once would write before all ids are looked at. */
static struct txn_fan *fan_create(struct txn *txn)
{
    struct txn_fan *fan = mem_alloc(MEM_COORD, sizeof(*fan));
    uint32_t        at = 0;

    fan->coord = txn->machine->slot->coord;
    fan->txn = txn;
    fan->producer_id = txn->values.producer_id;
    fan->producer_epoch = txn->values.producer_epoch;
    fan->version = txn->values.client_version;
    fan->commit = txn->values.state == TXN_PREPARE_COMMIT;
    fan->coordinator_epoch = txn__coordinator_epoch(txn->machine);
    fan->count = fan->left = txn->partitions.total;
    arena_init(&fan->arena, MEM_COORD, FAN_BLOCK_BYTES, SIZE_MAX);
    fan->markers = arena_alloc_array(&fan->arena, fan->count, sizeof(*fan->markers));
    CHECK(fan->markers != NULL);
    for (uint32_t i = 0; i < txn->partitions.topic_count; i++) {
        const struct txn_topic *topic = &txn->partitions.topics[i];
        struct view             name = arena_copy(&fan->arena, view_of(topic->name, topic->name_len));

        for (uint32_t j = 0; j < topic->partition_count; j++) {
            struct txn_marker *marker = &fan->markers[at++];

            marker->fan = fan;
            marker->topic = name;
            marker->partition = topic->partitions[j];
            list_init(&marker->link);
        }
    }
    return fan;
}

void txn__fan_out(struct txn *txn, bool durable)
{
    struct txn_fan *fan = fan_create(txn);

    CHECK(txn->fan == NULL);
    txn->fan = fan;
    fan->writes = true;
    fan->write.done = fan_durable;
    MAYBE(durable); /* then there is nothing to commit, and it ends on a later turn all the same */
    coord_log_commit(txn->machine->slot->log, &fan->write);
}

void txn__fan_forget(struct txn *txn)
{
    struct txn_fan *fan = txn->fan;

    txn->fan = NULL;
    fan->txn = NULL;
    for (uint32_t i = 0; i < fan->count; i++) {
        list_remove(&fan->markers[i].link);
    }
    fan_step(fan);
}

void txn__again_stop(struct txn_shard *shard)
{
    timer_disarm(shard->coord->shard->timers, &shard->again_timer);
}
