/* Does this batch belong to a transaction (KIP-890)? The shard of the partition asks the shard of the coordinator by
 * mail; the same struct comes back with the answer.
 *
 * A producer whose transaction has just been decided sends the next one's first batch at once. Instead of being sent
 * away (CONCURRENT_TRANSACTIONS) it is kept for up to PARK_NS, which is longer than the markers usually take. Kafka
 * tries again for the same time (add.partitions.to.txn.retry.backoff.max.ms). */
#include "core/coord/txn_machine.h"

#define PARK_NS  (100 * NS_PER_MS)
#define PARK_MAX 1000 /* per shard; beyond it they are sent away */

static void verify_decide(struct coord *coord, struct coord_verify *verify);

/* --- the answer, on the shard that asked ---------------------------------------------------------------------------
 */

static void verify_return(struct io_mail *mail, struct io_shard *to)
{
    struct coord_verify *verify = CONTAINER_OF(mail, struct coord_verify, mail_);
    struct coord        *coord = verify->coord_;

    CHECK(to == coord->shard);
    verify->done(verify);
    txn__shard_back(coord->txns);
}

static void verify_answer(struct coord *coord, struct coord_verify *verify, int16_t error)
{
    verify->error = error;
    io_shard_send(coord->shard, verify->from_shard_, &verify->mail_, verify_return);
}

/* --- the question, on the coordinator's shard ----------------------------------------------------------------------
 */

static void verify_durable(struct coord_write *write, int16_t error)
{
    struct coord_verify *verify = CONTAINER_OF(write, struct coord_verify, write_);

    verify_answer(verify->at_, verify, error != 0 ? error : verify->error);
}

static int16_t verify_add(struct txn *txn, const struct coord_verify *verify, const struct txn_add *event)
{
    struct txn_decision decision;

    txn__decide_add(txn == NULL ? NULL : &txn->values, event, &decision);
    if (!decision.append) {
        return decision.error;
    }
    if (txn->values.state != TXN_ONGOING) {
        txn__partitions_clear(&txn->partitions);
    }
    if (txn__record_bytes(&txn->partitions, txn->id_len) + verify->topic.len + 20 > TXN_RECORD_BYTES_MAX) {
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    txn__partitions_add(&txn->partitions, verify->topic, verify->partition);
    CHECK(txn__move(txn->machine, txn, txn__id(txn), &decision.values, false) == txn);
    txn__settle(txn);
    return 0;
}

static bool verify_park(struct coord *coord, struct coord_verify *verify)
{
    struct txn_shard *shard = coord->txns;

    if (coord->closing || shard->parked_count == PARK_MAX || coord__now_ns(coord) >= verify->deadline_ns_) {
        return false;
    }
    list_push_back(&shard->parked, &verify->link_);
    shard->parked_count++;
    if (!timer_armed(&shard->parked_timer)) {
        timer_arm(coord->shard->timers, &shard->parked_timer, verify->deadline_ns_, txn__parked_timeout);
    }
    return true;
}

static void verify_decide(struct coord *coord, struct coord_verify *verify)
{
    int16_t            error = verify->transactional_id.len == 0 ? KP_ERR_INVALID_REQUEST : 0;
    struct coord_slot *slot = error == 0 ? coord__slot(coord, COORD_TXNS, verify->transactional_id, &error) : NULL;
    struct txn        *txn;
    struct txn_add     event = {.producer_id = verify->producer_id,
                                .producer_epoch = verify->producer_epoch,
                                .client_version = TXN_VERSION_BUMP,
                                .now_ms = txn__now_ms(coord)};

    if (slot == NULL) {
        verify_answer(coord, verify, error);
        return;
    }
    txn = txn__find(txn__machine_of(slot), verify->transactional_id);
    event.contained = txn != NULL && txn__partitions_have(&txn->partitions, verify->topic, verify->partition);
    error =
        verify->add ? verify_add(txn, verify, &event) : txn__decide_verify(txn == NULL ? NULL : &txn->values, &event);
    if (error == KP_ERR_CONCURRENT_TRANSACTIONS && verify_park(coord, verify)) {
        return;
    }
    verify->error = error; /* also a yes that adds nothing rests on a record that may be on its way */
    verify->write_.done = verify_durable;
    coord_log_commit(slot->log, &verify->write_);
}

static void verify_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct coord_verify *verify = CONTAINER_OF(mail, struct coord_verify, mail_);
    struct coord        *coord = verify->coord_->by_shard[to->index];

    verify->at_ = coord;
    verify->deadline_ns_ = coord__now_ns(coord) + PARK_NS;
    list_init(&verify->link_);
    verify_decide(coord, verify);
}

void coord_verify_append(struct coord *coord, struct coord_verify *verify)
{
    const struct meta_topic *topic = meta_topic(coord->meta, view_text(COORD_TXN_TOPIC));
    uint32_t                 to = coord->shard->index; /* which then answers that it is not there */

    if (topic != NULL) {
        MAYBE(txn__leader(coord, topic, coord_partition_of(verify->transactional_id, topic->partition_count), &to));
    }
    verify->coord_ = coord;
    verify->from_shard_ = coord->shard->index;
    coord->txns->away++;
    io_shard_send(coord->shard, to, &verify->mail_, verify_arrive);
}

/* --- those that wait for a transaction to be complete ---------------------------------------------------------------
 */

static void parked_take(struct txn_shard *shard, struct coord_verify *verify)
{
    list_remove(&verify->link_);
    shard->parked_count--;
}

void txn__completed(struct txn *txn)
{
    struct coord     *coord = txn->machine->slot->coord;
    struct txn_shard *shard = coord->txns;
    struct list_node  round;
    struct list_node *node;

    list_init(&round);
    LIST_EACH(&shard->parked, place) {
        struct coord_verify *verify = LIST_ENTRY(place, struct coord_verify, link_);

        if (view_equal(verify->transactional_id, txn__id(txn))) {
            parked_take(shard, verify);
            list_push_back(&round, &verify->link_);
        }
    }
    while ((node = list_pop_front(&round)) != NULL) {
        verify_decide(coord, LIST_ENTRY(node, struct coord_verify, link_));
    }
}

void txn__parked_timeout(struct timer *timer)
{
    struct txn_shard *shard = CONTAINER_OF(timer, struct txn_shard, parked_timer);
    struct list_node *node;

    while ((node = list_first(&shard->parked)) != NULL) {
        struct coord_verify *verify = LIST_ENTRY(node, struct coord_verify, link_);

        if (verify->deadline_ns_ > coord__now_ns(shard->coord)) {
            timer_arm(shard->coord->shard->timers, timer, verify->deadline_ns_, txn__parked_timeout);
            return;
        }
        parked_take(shard, verify);
        verify_decide(shard->coord, verify); /* it is late now: whatever it is, it is the answer */
    }
}

void txn__parked_close(struct txn_shard *shard)
{
    struct list_node *node;

    timer_disarm(shard->coord->shard->timers, &shard->parked_timer);
    while ((node = list_first(&shard->parked)) != NULL) {
        struct coord_verify *verify = LIST_ENTRY(node, struct coord_verify, link_);

        parked_take(shard, verify);
        verify_answer(shard->coord, verify, KP_ERR_NOT_COORDINATOR);
    }
}
