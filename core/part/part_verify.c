/* Which transactional batches of clients are let in (KIP-890): the coordinator is asked before a producer's transaction
 * opens here.
 *
 * Facts: Kafka's VerificationGuard, VerificationStateEntry and AddPartitionsToTxnManager. Whoever wants in gets a guard
 * and asks; the batch is appended under it. A marker takes the guard away. So an answer from before the marker cannot
 * open a transaction behind it, which nobody would end. (Not the guard of a later epoch than that of what it ends.)
 *
 * Order: while one batch of a producer asks, the producer's next ones wait behind it, and go on in the order they came.
 * One answer is enough for all of them. Batches of other producers pass.
 *
 * The lowest sequence that wanted in is remembered until something was appended: when it has to come again, those above
 * it have to, too, instead of passing it and leaving it out of order for good. */
#include "core/part/part_internal.h"

#define VERIFY_MAX 10000 /* per part; beyond it the oldest is forgotten and has to ask again */

void part__verifications_init(struct part *part)
{
    map_init(&part->verifications, MEM_PART);
    list_init(&part->verifications_idle);
}

struct part_verification *part__verification_find(const struct part *part, int64_t producer_id)
{
    uint8_t key[PART_PRODUCER_KEY_BYTES];

    return map_count(&part->verifications) == 0 ? NULL
                                                : map_get(&part->verifications, part__producer_key(key, producer_id));
}

static void verify_free(struct part *part, struct part_verification *verification)
{
    uint8_t key[PART_PRODUCER_KEY_BYTES];

    CHECK(map_remove(&part->verifications, part__producer_key(key, verification->producer_id)) == verification);
    list_remove(&verification->link);
    mem_free(MEM_PART, verification);
}

/* The batch stands in the log. A marker of version 2 carries the epoch of the producer's next transaction: whoever asks
 * for that one already, because the end was answered before the marker came here, gets an answer from behind it. */
void part__verification_over(struct part *part, const struct rec_batch *batch, int16_t marker_version)
{
    struct part_verification *verification;

    if ((batch->attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return;
    }
    verification = part__verification_find(part, batch->producer_id);
    if (verification != NULL && ((batch->attributes & REC_ATTR_CONTROL) == 0 || marker_version < 2 ||
                                 verification->epoch < batch->producer_epoch)) {
        verify_free(part, verification);
    }
}

void part__verifications_expire(struct part *part, int64_t before_ns)
{
    LIST_EACH(&part->verifications_idle, node) {
        struct part_verification *verification = LIST_ENTRY(node, struct part_verification, link);

        if (verification->made_ns > before_ns) {
            return;
        }
        verify_free(part, verification);
    }
}

/* Those that ask find nothing when they come back, and are refused. */
void part__verifications_clear(struct part *part)
{
    struct list_node *node;

    while ((node = list_first(&part->verifications_idle)) != NULL) {
        verify_free(part, LIST_ENTRY(node, struct part_verification, link));
    }
}

static struct part_verification *verify_make(struct part *part, const struct part_ticket *ticket)
{
    struct part_verification *verification;
    uint8_t                   key[PART_PRODUCER_KEY_BYTES];

    if (map_count(&part->verifications) >= VERIFY_MAX) {
        verify_free(part, LIST_ENTRY(list_first(&part->verifications_idle), struct part_verification, link));
    }
    verification = mem_alloc(MEM_PART, sizeof(*verification));
    *verification = (struct part_verification){.producer_id = ticket->producer_id,
                                               .made_ns = part__now_ns(part),
                                               .guard = ++part->table->guards,
                                               .lowest_sequence = ticket->base_sequence,
                                               .epoch = ticket->producer_epoch};
    list_push_back(&part->verifications_idle, &verification->link);
    CHECK(map_put(&part->verifications, part__producer_key(key, ticket->producer_id), verification) == NULL);
    return verification;
}

static void verify_note(struct part_verification *verification, const struct part_ticket *ticket)
{
    if (ticket->producer_epoch > verification->epoch) {
        verification->epoch = ticket->producer_epoch;
        verification->lowest_sequence = ticket->base_sequence;
        verification->verified = false;
    } else if (ticket->producer_epoch == verification->epoch) {
        verification->lowest_sequence = MIN(verification->lowest_sequence, ticket->base_sequence);
    }
    verification->adds = ticket->adds;
}

enum part_admission part_txn_admit(struct part *part, struct part_ticket *ticket)
{
    const struct part_producer *producer = part__producer_find(part, ticket->producer_id);
    struct part_verification   *verification;

    ticket->guard = 0;
    list_init(&ticket->link_);
    list_init(&ticket->followers_);
    if (producer != NULL && ticket->producer_epoch < producer->epoch) {
        return PART_ADMIT_REFUSED;
    }
    if (producer != NULL && producer->txn != NULL && producer->epoch == ticket->producer_epoch) {
        return PART_ADMIT_GO;
    }
    verification = part__verification_find(part, ticket->producer_id);
    if (verification == NULL) {
        verification = verify_make(part, ticket);
    } else if (verification->asking != NULL && ticket->producer_epoch < verification->epoch) {
        return PART_ADMIT_REFUSED;
    }
    verify_note(verification, ticket);
    ticket->guard = verification->guard;
    if (verification->verified && verification->epoch == ticket->producer_epoch) {
        return PART_ADMIT_GO;
    }
    if (verification->asking != NULL) {
        ticket->shares_ = verification->asking->producer_epoch == ticket->producer_epoch;
        list_push_back(&verification->asking->followers_, &ticket->link_);
        return PART_ADMIT_WAIT;
    }
    verification->asking = ticket;
    return PART_ADMIT_ASK;
}

/* The client will come again with the same batch. */
static bool verify_retriable(int16_t error)
{
    switch (error) {
    case KP_ERR_CONCURRENT_TRANSACTIONS:
    case KP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case KP_ERR_COORDINATOR_NOT_AVAILABLE:
    case KP_ERR_NOT_COORDINATOR:
    case KP_ERR_NETWORK_EXCEPTION:
    case KP_ERR_NOT_ENOUGH_REPLICAS:
        return true;
    default:
        return false;
    }
}

void part_txn_answer(struct part *part, struct part_ticket *ticket, int16_t error, struct list_node *out_followers)
{
    struct part_verification *verification = part == NULL ? NULL : part__verification_find(part, ticket->producer_id);

    list_splice_back(out_followers, &ticket->followers_);
    if (verification == NULL || verification->asking != ticket) {
        return; /* a marker came meanwhile */
    }
    verification->asking = NULL;
    if (error == KP_ERR_NONE) {
        verification->verified = verification->epoch == ticket->producer_epoch;
    } else if (!verify_retriable(error)) {
        verify_free(part, verification);
    }
}

void part_txn_wake(struct list_node *followers, int16_t error)
{
    struct list_node *node;

    while ((node = list_pop_front(followers)) != NULL) {
        struct part_ticket *ticket = LIST_ENTRY(node, struct part_ticket, link_);

        ticket->ready(ticket, ticket->shares_ ? error : (int16_t)KP_ERR_NONE);
    }
}
