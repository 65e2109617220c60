/* Decisions about transactional ids.
 *
 *            InitProducerId                AddPartitions, AddOffsets, Produce 12+
 *      +---------------------- EMPTY ------------------------------+
 *      |                         |  EndTxn 5 (abort of nothing)    v
 *      |                         |                              ONGOING <-+ more partitions
 *      |                         v                               |   |
 *      |   COMPLETE_ABORT <-- PREPARE_ABORT <- abort, fence, time+   | commit
 *      +-->     |                                                    v
 *      |        +----------> ONGOING          COMPLETE_COMMIT <-- PREPARE_COMMIT
 *      +--------------------------------------------+
 *
 * Invariants of each move (txn__move_allowed): 1. it stands in the table below; 2. the producer id stays, or a new one
 * starts at epoch 0 in EMPTY or a COMPLETE state; 3. the epoch stays or grows by one; within ONGOING it stays; 4. a
 * decided transaction (PREPARE_) can only complete, with the result that was decided.
 *
 * A state that is written is in force at once, for decisions; nobody is told before it is durable. Where Kafka has a
 * pending transition and answers CONCURRENT_TRANSACTIONS, here the state stands already: only PREPARE_ states refuse.
 */
#include "core/coord/txn.h"

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned    next; /* allowed moves */
} states[TXN_STATE_COUNT] = {
    [TXN_EMPTY] = {"Empty", BIT(TXN_EMPTY) | BIT(TXN_ONGOING) | BIT(TXN_PREPARE_ABORT)},
    [TXN_ONGOING] = {"Ongoing", BIT(TXN_ONGOING) | BIT(TXN_PREPARE_COMMIT) | BIT(TXN_PREPARE_ABORT)},
    [TXN_PREPARE_COMMIT] = {"PrepareCommit", BIT(TXN_COMPLETE_COMMIT)},
    [TXN_PREPARE_ABORT] = {"PrepareAbort", BIT(TXN_COMPLETE_ABORT)},
    [TXN_COMPLETE_COMMIT] = {"CompleteCommit", BIT(TXN_EMPTY) | BIT(TXN_ONGOING) | BIT(TXN_PREPARE_ABORT)},
    [TXN_COMPLETE_ABORT] = {"CompleteAbort", BIT(TXN_EMPTY) | BIT(TXN_ONGOING) | BIT(TXN_PREPARE_ABORT)},
};

const char *txn__state_name(enum txn_state state)
{
    CHECK((unsigned)state < TXN_STATE_COUNT);
    return states[state].name;
}

bool txn__state_prepares(enum txn_state state)
{
    return state == TXN_PREPARE_COMMIT || state == TXN_PREPARE_ABORT;
}

static bool state_completed(enum txn_state state)
{
    return state == TXN_COMPLETE_COMMIT || state == TXN_COMPLETE_ABORT;
}

static bool epoch_exhausted(int16_t epoch)
{
    return epoch >= TXN_EPOCH_LAST;
}

bool txn__move_allowed(const struct txn_values *before, const struct txn_values *after)
{
    if (after->producer_id < 0 || after->producer_epoch < 0) {
        return false;
    }
    if (before == NULL) {
        return after->state == TXN_EMPTY && after->producer_epoch == 0;
    }
    if ((states[before->state].next & BIT(after->state)) == 0) {
        return false;
    }
    if (after->producer_id != before->producer_id) {
        return after->producer_epoch == 0 && (after->state == TXN_EMPTY || state_completed(after->state));
    }
    if (after->state == TXN_ONGOING || state_completed(after->state)) {
        return after->producer_epoch == before->producer_epoch;
    }
    return after->producer_epoch == before->producer_epoch || after->producer_epoch == before->producer_epoch + 1;
}

static void refuse(struct txn_decision *decision, int16_t error)
{
    *decision = (struct txn_decision){.error = error, .reply_producer_id = TXN_ID_NONE, .reply_epoch = TXN_EPOCH_NONE};
}

/* The next state begins as a copy of this one. */
static struct txn_values *proceed(struct txn_decision *decision, const struct txn_values *now, enum txn_state state,
                                  int64_t now_ms)
{
    *decision = (struct txn_decision){.append = true, .values = *now};
    decision->values.state = state;
    decision->values.previous_producer_id = now->producer_id;
    decision->values.update_ms = now_ms;
    return &decision->values;
}

static void reply_producer(struct txn_decision *decision)
{
    const struct txn_values *values = &decision->values;
    bool                     rolls = values->next_producer_id != TXN_ID_NONE; /* the client goes on with the next id */

    decision->reply_producer_id = rolls ? values->next_producer_id : values->producer_id;
    decision->reply_epoch = rolls ? 0 : values->producer_epoch;
}

/* --- InitProducerId ---------------------------------------------------------------------------------------------- */

static void init_new(const struct txn_init *event, struct txn_decision *decision)
{
    if (event->fresh_producer_id == TXN_ID_NONE) {
        decision->needs_producer_id = true;
        return;
    }
    decision->append = true;
    decision->values = (struct txn_values){.state = TXN_EMPTY,
                                           .timeout_ms = event->timeout_ms,
                                           .producer_id = event->fresh_producer_id,
                                           .previous_producer_id = TXN_ID_NONE,
                                           .next_producer_id = TXN_ID_NONE,
                                           .last_epoch = TXN_EPOCH_NONE,
                                           .start_ms = -1,
                                           .update_ms = event->now_ms};
    reply_producer(decision);
}

/* A producer that says who it is must be the one we know, or retry what rolled its id (KIP-360). */
static bool init_known(const struct txn_values *now, const struct txn_init *event)
{
    return event->producer_id == now->producer_id ||
           (event->producer_id == now->previous_producer_id && epoch_exhausted(event->producer_epoch));
}

static void init_roll(const struct txn_values *now, const struct txn_init *event, struct txn_decision *decision)
{
    struct txn_values *next;

    if (event->fresh_producer_id == TXN_ID_NONE) {
        decision->needs_producer_id = true;
        return;
    }
    next = proceed(decision, now, TXN_EMPTY, event->now_ms);
    next->producer_id = event->fresh_producer_id;
    next->producer_epoch = 0;
    next->last_epoch = event->producer_id != TXN_ID_NONE ? now->producer_epoch : TXN_EPOCH_NONE;
    next->timeout_ms = event->timeout_ms;
    next->start_ms = -1;
    reply_producer(decision);
}

static void init_bump(const struct txn_values *now, const struct txn_init *event, struct txn_decision *decision)
{
    bool               named = event->producer_id != TXN_ID_NONE;
    bool               retry = named && event->producer_epoch != now->producer_epoch;
    struct txn_values *next;

    /* Another producer's InitProducerId would have forgotten the last epoch: who has it repeats its own call. */
    if (retry && (now->last_epoch == TXN_EPOCH_NONE || event->producer_epoch != now->last_epoch)) {
        refuse(decision, KP_ERR_PRODUCER_FENCED);
        return;
    }
    next = proceed(decision, now, TXN_EMPTY, event->now_ms);
    if (!retry) {
        next->last_epoch = named ? now->producer_epoch : TXN_EPOCH_NONE;
        next->producer_epoch = (int16_t)(now->producer_epoch + 1);
    }
    next->timeout_ms = event->timeout_ms;
    next->start_ms = -1;
    reply_producer(decision);
}

void txn__decide_init(const struct txn_values *now, const struct txn_init *event, struct txn_decision *out_decision)
{
    refuse(out_decision, 0);
    if (now == NULL) {
        init_new(event, out_decision);
    } else if (txn__state_prepares(now->state)) {
        out_decision->error = KP_ERR_CONCURRENT_TRANSACTIONS;
    } else if (event->producer_id != TXN_ID_NONE && !init_known(now, event)) {
        out_decision->error = KP_ERR_PRODUCER_FENCED;
    } else if (now->state == TXN_ONGOING) {
        txn__decide_fence(now, event->server_version, event->fresh_producer_id, event->now_ms, out_decision);
    } else if (!epoch_exhausted(now->producer_epoch)) {
        init_bump(now, event, out_decision);
    } else if (event->producer_id == TXN_ID_NONE || event->producer_epoch == now->producer_epoch) {
        init_roll(now, event, out_decision);
    } else {
        out_decision->error = KP_ERR_PRODUCER_FENCED;
    }
}

/* --- partitions -------------------------------------------------------------------------------------------------- */

void txn__decide_add(const struct txn_values *now, const struct txn_add *event, struct txn_decision *out_decision)
{
    struct txn_values *next;

    refuse(out_decision, 0);
    if (now == NULL) {
        out_decision->error = KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    } else if (txn__state_prepares(now->state)) {
        out_decision->error = KP_ERR_CONCURRENT_TRANSACTIONS;
    } else if (now->producer_id != event->producer_id) {
        out_decision->error = KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    } else if (now->producer_epoch != event->producer_epoch) {
        out_decision->error = KP_ERR_PRODUCER_FENCED;
    } else if (now->state != TXN_ONGOING || !event->contained) {
        next = proceed(out_decision, now, TXN_ONGOING, event->now_ms);
        next->client_version = event->client_version;
        if (now->state != TXN_ONGOING) {
            next->start_ms = event->now_ms;
        }
    }
}

int16_t txn__decide_verify(const struct txn_values *now, const struct txn_add *event)
{
    if (now == NULL || now->producer_id != event->producer_id) {
        return KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    if (now->producer_epoch != event->producer_epoch) {
        return KP_ERR_PRODUCER_FENCED;
    }
    if (txn__state_prepares(now->state)) {
        return KP_ERR_CONCURRENT_TRANSACTIONS;
    }
    return now->state == TXN_ONGOING && event->contained ? 0 : KP_ERR_TRANSACTION_ABORTABLE;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

/* With an epoch of its own for each transaction: the marker carries the next epoch, so that whatever the producer sent
 * before the end and arrives later is fenced (KIP-890). */
static void prepare_bump(const struct txn_values *now, enum txn_state state, int16_t client_version,
                         int64_t fresh_producer_id, int64_t now_ms, struct txn_decision *decision)
{
    struct txn_values *next;

    if (epoch_exhausted(now->producer_epoch) && fresh_producer_id == TXN_ID_NONE) {
        decision->needs_producer_id = true;
        return;
    }
    next = proceed(decision, now, state, now_ms);
    next->client_version = client_version;
    next->last_epoch = now->producer_epoch;
    next->next_producer_id = epoch_exhausted(now->producer_epoch) ? fresh_producer_id : TXN_ID_NONE;
    if (now->producer_epoch < INT16_MAX) {
        next->producer_epoch = (int16_t)(now->producer_epoch + 1);
    }
    if (now->state != TXN_ONGOING) { /* an abort of nothing */
        next->start_ms = now_ms;
    }
    reply_producer(decision);
}

static void end_plain(const struct txn_values *now, const struct txn_end *event, struct txn_decision *decision)
{
    struct txn_values *next;

    if (now->producer_id != event->producer_id) {
        decision->error = KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    } else if (now->producer_epoch != event->producer_epoch) {
        decision->error = KP_ERR_PRODUCER_FENCED;
    } else if (txn__state_prepares(now->state)) {
        decision->error = KP_ERR_CONCURRENT_TRANSACTIONS;
    } else if (now->state == TXN_ONGOING) {
        next = proceed(decision, now, event->commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, event->now_ms);
        next->client_version = 0;
        next->next_producer_id = TXN_ID_NONE;
        reply_producer(decision);
    } else if (now->state != (event->commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT)) {
        decision->error = KP_ERR_INVALID_TXN_STATE;
    } /* else it is asked again: done */
}

static void end_bump(const struct txn_values *now, const struct txn_end *event, struct txn_decision *decision)
{
    bool rolled = now->previous_producer_id == event->producer_id && event->producer_epoch == TXN_EPOCH_LAST &&
                  now->producer_epoch == 0;
    bool bumped = now->producer_epoch == event->producer_epoch + 1;
    bool same = now->producer_epoch == event->producer_epoch;
    bool retry = (bumped || rolled) && state_completed(now->state);

    if (txn__state_prepares(now->state)) {
        decision->error = KP_ERR_CONCURRENT_TRANSACTIONS;
    } else if (now->producer_id != event->producer_id && !rolled) {
        decision->error = KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    } else if (!same && !retry) {
        decision->error = KP_ERR_PRODUCER_FENCED;
    } else if (now->state == TXN_ONGOING) {
        prepare_bump(now, event->commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, event->client_version,
                     event->fresh_producer_id, event->now_ms, decision);
    } else if (retry) {
        if (now->state == (event->commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT)) {
            decision->reply_producer_id = now->producer_id;
            decision->reply_epoch = now->producer_epoch;
        } else {
            decision->error = KP_ERR_INVALID_TXN_STATE;
        }
    } else if (event->commit) {
        decision->error = KP_ERR_INVALID_TXN_STATE;
    } else { /* the producer does not know whether anything was added: aborting nothing is fine, and fences */
        prepare_bump(now, TXN_PREPARE_ABORT, event->client_version, event->fresh_producer_id, event->now_ms, decision);
    }
}

void txn__decide_end(const struct txn_values *now, const struct txn_end *event, struct txn_decision *out_decision)
{
    refuse(out_decision, 0);
    if (now == NULL) {
        out_decision->error = KP_ERR_INVALID_PRODUCER_ID_MAPPING;
    } else if (event->client_version >= TXN_VERSION_BUMP) {
        end_bump(now, event, out_decision);
    } else {
        end_plain(now, event, out_decision);
    }
}

void txn__decide_fence(const struct txn_values *now, int16_t server_version, int64_t fresh_producer_id, int64_t now_ms,
                       struct txn_decision *out_decision)
{
    CHECK(now->state == TXN_ONGOING);
    refuse(out_decision, 0);
    if (server_version >= TXN_VERSION_BUMP) {
        prepare_bump(now, TXN_PREPARE_ABORT, server_version, fresh_producer_id, now_ms, out_decision);
    } else {
        struct txn_values *next = proceed(out_decision, now, TXN_PREPARE_ABORT, now_ms);

        next->client_version = 0;
        next->last_epoch = TXN_EPOCH_NONE;
        next->next_producer_id = TXN_ID_NONE;
        if (now->producer_epoch < INT16_MAX) {
            next->producer_epoch = (int16_t)(now->producer_epoch + 1);
        }
    }
    if (out_decision->append) {
        out_decision->fence = true;
        out_decision->error = KP_ERR_CONCURRENT_TRANSACTIONS;
        out_decision->reply_producer_id = TXN_ID_NONE;
        out_decision->reply_epoch = TXN_EPOCH_NONE;
    }
}

void txn__decide_complete(const struct txn_values *now, int64_t now_ms, struct txn_decision *out_decision)
{
    struct txn_values *next;

    CHECK(txn__state_prepares(now->state));
    next =
        proceed(out_decision, now, now->state == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT, now_ms);
    if (now->client_version >= TXN_VERSION_BUMP && now->next_producer_id != TXN_ID_NONE) {
        next->producer_id = now->next_producer_id;
        next->producer_epoch = 0;
    }
    next->next_producer_id = TXN_ID_NONE;
}

/* --- time -------------------------------------------------------------------------------------------------------- */

bool txn__timed_out(const struct txn_values *now, int64_t now_ms)
{
    return now->state == TXN_ONGOING && now->start_ms < now_ms - now->timeout_ms;
}

bool txn__expired(const struct txn_values *now, int64_t now_ms, int64_t expiration_ms)
{
    return (now->state == TXN_EMPTY || state_completed(now->state)) && now->update_ms <= now_ms - expiration_ms;
}
