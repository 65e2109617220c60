/* The transactions of one shard: life, and what happens by the clock. See txn_machine.h.
 *
 * Timed-out transactions are looked for every transaction.abort.timed.out.transaction.cleanup.interval.ms among those
 * that are open, expired ids every transaction.remove.expired.transaction.cleanup.interval.ms among all, a bounded
 * number in one turn. Both go by the wall clock, because the times stand in the records. */
#include "core/base/slog.h"
#include "core/coord/txn_machine.h"

#define SCRATCH_BLOCK_BYTES ((size_t)4096)
#define SCRATCH_BYTES_MAX   ((size_t)(64 * MIB))
#define EXPIRED_PER_TURN    1000
#define EXPIRY_AGAIN_NS     (10 * NS_PER_MS) /* when more are waiting */
#define SCAN_NS_MIN         (10 * NS_PER_MS)

struct txn_shard *txn__shard_create(struct coord *coord)
{
    struct txn_shard *shard = mem_alloc(MEM_COORD, sizeof(*shard));

    shard->coord = coord;
    list_init(&shard->again);
    list_init(&shard->parked);
    list_init(&shard->waiting);
    arena_init(&shard->scratch, MEM_COORD, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    txn__roads_open(shard);
    return shard;
}

void txn__shard_destroy(struct txn_shard *shard)
{
    if (shard == NULL) {
        return;
    }
    CHECK(txn__shard_idle(shard));
    timer_disarm(shard->coord->shard->timers, &shard->scan_timer);
    txn__again_stop(shard);
    txn__roads_close(shard);
    arena_deinit(&shard->scratch);
    mem_free(MEM_COORD, shard);
}

bool txn__shard_idle(const struct txn_shard *shard)
{
    return shard->away == 0 && list_empty(&shard->parked) && list_empty(&shard->waiting);
}

void txn__shard_back(struct txn_shard *shard)
{
    CHECK(shard->away > 0);
    if (--shard->away == 0 && shard->coord->closing) {
        coord__post(shard->coord);
    }
}

void txn__shard_close(struct txn_shard *shard)
{
    timer_disarm(shard->coord->shard->timers, &shard->scan_timer);
    txn__again_stop(shard);
    txn__parked_close(shard);
}

/* --- by the clock ------------------------------------------------------------------------------------------------ */

static void scan_abort(struct txn *txn, int64_t now_ms)
{
    struct coord       *coord = txn->machine->slot->coord;
    struct view         id = txn__id(txn);
    struct txn_decision decision;

    txn__decide_fence(&txn->values, txn__server_version(coord), txn__fresh_producer_id(coord), now_ms, &decision);
    if (decision.needs_producer_id) { /* at the next look */
        txn__await_producer_id(coord, NULL);
        return;
    }
    if (txn__move(txn->machine, txn, id, &decision.values, true) == NULL) {
        return;
    }
    slog_info("coord", "transaction of %.*s (producer %" PRId64 ") was open for more than %d ms: aborted",
              (int)MIN(id.len, 200), (const char *)id.base, decision.values.producer_id, decision.values.timeout_ms);
    txn__took_producer_id(coord, &decision.values);
    txn__settle(txn);
}

static void scan_timeouts(struct coord *coord, int64_t now_ms)
{
    int32_t            position = 0;
    struct coord_slot *slot;

    while ((slot = coord__slot_next(coord, COORD_TXNS, &position)) != NULL) {
        struct txn_machine *machine = txn__machine_of(slot);

        if (coord_log_state(slot->log) != COORD_LOG_ACTIVE) {
            continue;
        }
        LIST_EACH(&machine->ongoing, node) {
            struct txn *txn = LIST_ENTRY(node, struct txn, ongoing_link);

            if (txn__timed_out(&txn->values, now_ms)) {
                scan_abort(txn, now_ms);
            }
        }
    }
}

/* False when there may be more. */
static bool scan_expired(struct coord *coord, int64_t now_ms)
{
    int64_t            expiration_ms = meta_broker_int(coord->meta, "transactional.id.expiration.ms");
    int32_t            position = 0;
    uint32_t           budget = EXPIRED_PER_TURN;
    struct coord_slot *slot;

    while ((slot = coord__slot_next(coord, COORD_TXNS, &position)) != NULL) {
        if (coord_log_state(slot->log) != COORD_LOG_ACTIVE) {
            continue;
        }
        MAP_EACH(&txn__machine_of(slot)->ids, entry) {
            struct txn *txn = entry->value;

            if (budget > 0 && txn__expired(&txn->values, now_ms, expiration_ms)) {
                txn__expire(txn);
                budget--;
            }
        }
    }
    return budget > 0;
}

static int64_t interval_ns(const struct coord *coord, const char *name)
{
    return MAX(SCAN_NS_MIN, meta_broker_int(coord->meta, name) * NS_PER_MS);
}

static void scan_fire(struct timer *timer)
{
    struct txn_shard *shard = CONTAINER_OF(timer, struct txn_shard, scan_timer);
    struct coord     *coord = shard->coord;
    int64_t           now_ns = coord__now_ns(coord);
    int64_t next_ns = now_ns + interval_ns(coord, "transaction.abort.timed.out.transaction.cleanup.interval.ms");

    scan_timeouts(coord, txn__now_ms(coord));
    if (now_ns >= shard->expiry_ns) {
        shard->expiry_ns =
            scan_expired(coord, txn__now_ms(coord))
                ? now_ns + interval_ns(coord, "transaction.remove.expired.transaction.cleanup.interval.ms")
                : now_ns + EXPIRY_AGAIN_NS;
    }
    timer_arm(coord->shard->timers, timer, MIN(next_ns, shard->expiry_ns), scan_fire);
}

void txn__shard_open(struct txn_shard *shard)
{
    struct coord *coord = shard->coord;
    int64_t       now_ns = coord__now_ns(coord);

    shard->expiry_ns = now_ns + interval_ns(coord, "transaction.remove.expired.transaction.cleanup.interval.ms");
    timer_arm(coord->shard->timers, &shard->scan_timer,
              now_ns + interval_ns(coord, "transaction.abort.timed.out.transaction.cleanup.interval.ms"), scan_fire);
}
