/* store_compact_rules.c: see store_compact_rules.h. */
#include "core/store/store_compact_rules.h"

#include "core/base/bytes.h"
#include "core/base/check.h"

#define PRODUCER_KEY_BYTES 8

/* A producer has one transaction at a time. */
struct txn {
    bool    aborted;
    bool    seen;        /* a batch of it stands in the log */
    int64_t last_offset; /* aborted: its marker's */
    size_t  at;          /* in rules->aborted */
};

static struct view txn_key(uint8_t key[PRODUCER_KEY_BYTES], int64_t producer_id)
{
    store_le64(key, (uint64_t)producer_id);
    return view_of(key, PRODUCER_KEY_BYTES);
}

void store__compact_rules_begin(struct store_compact_rules *rules)
{
    rules->aborted_at_ = 0;
    map_init(&rules->txns_, MEM_STORE);
}

void store__compact_rules_end(struct store_compact_rules *rules)
{
    MAP_EACH(&rules->txns_, entry) {
        mem_free(MEM_STORE, entry->value);
    }
    map_deinit(&rules->txns_);
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

static struct txn *txn_find(struct store_compact_rules *rules, int64_t producer_id)
{
    uint8_t key[PRODUCER_KEY_BYTES];

    return map_get(&rules->txns_, txn_key(key, producer_id));
}

static struct txn *txn_get(struct store_compact_rules *rules, int64_t producer_id)
{
    uint8_t     key[PRODUCER_KEY_BYTES];
    struct txn *txn = txn_find(rules, producer_id);

    if (txn == NULL) {
        txn = mem_alloc(MEM_STORE, sizeof(*txn));
        (void)map_put(&rules->txns_, txn_key(key, producer_id), txn);
    }
    return txn;
}

/* Aborted transactions that begin at or below the batch are under way. One whose marker was dropped in an earlier pass
 * ends by its last offset: what comes later under the same producer id is not its. */
static void txns_advance(struct store_compact_rules *rules, const struct rec_batch *batch)
{
    while (rules->aborted_at_ < rules->aborted_count &&
           rules->aborted[rules->aborted_at_].first_offset <= rec_batch_last_offset(batch)) {
        size_t                      at = rules->aborted_at_++;
        const struct store_aborted *aborted = &rules->aborted[at];

        if (aborted->last_offset >= batch->base_offset) {
            *txn_get(rules, aborted->producer_id) =
                (struct txn){.aborted = true, .last_offset = aborted->last_offset, .at = at};
        }
    }
}

static struct txn *txn_of(struct store_compact_rules *rules, const struct rec_batch *batch)
{
    struct txn *txn;

    txns_advance(rules, batch);
    txn = txn_find(rules, batch->producer_id);
    if (txn != NULL && txn->aborted && txn->last_offset < batch->base_offset) {
        *txn = (struct txn){.aborted = false};
    }
    return txn;
}

/* True: a batch of data of an aborted transaction. */
static bool txn_data(struct store_compact_rules *rules, const struct rec_batch *batch)
{
    struct txn *txn = txn_of(rules, batch);

    if ((batch->attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return false;
    }
    txn = txn == NULL ? txn_get(rules, batch->producer_id) : txn;
    txn->seen = true;
    return txn->aborted;
}

/* True: the marker's transaction has nothing left in the log. */
static bool txn_marker(struct store_compact_rules *rules, const struct rec_batch *batch, bool *out_abort)
{
    struct txn       *txn = txn_of(rules, batch);
    struct rec_marker marker;
    uint8_t           key[PRODUCER_KEY_BYTES];
    bool              unseen;

    *out_abort = false;
    if (batch->record_count == 0) {
        return true; /* cleaned before, kept for its producer */
    }
    if (rec_marker_parse(batch, &marker) != ERR_OK ||
        (marker.type != REC_CONTROL_ABORT && marker.type != REC_CONTROL_COMMIT)) {
        return false; /* none of ours: it stays */
    }
    *out_abort = marker.type == REC_CONTROL_ABORT;
    unseen = txn == NULL || !txn->seen;
    if (txn != NULL && txn->aborted) {
        rules->aborted[txn->at].seen_ = true;
    }
    mem_free(MEM_STORE, map_remove(&rules->txns_, txn_key(key, batch->producer_id)));
    return unseen;
}

bool store__compact_rules_indexed(struct store_compact_rules *rules, const struct rec_batch *batch)
{
    bool abort;

    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        MAYBE(txn_marker(rules, batch, &abort));
        return false;
    }
    return !txn_data(rules, batch) && batch->record_count > 0;
}

/* --- batches ------------------------------------------------------------------------------------------------------ */

enum store_compact_fate store__compact_rules_batch(struct store_compact_rules *rules, const struct rec_batch *batch,
                                                   bool *out_marker_gone)
{
    bool control = (batch->attributes & REC_ATTR_CONTROL) != 0;
    bool abort = false;
    bool discard;

    rules->batch_ = *batch;
    rules->horizon_passed_ =
        (batch->attributes & REC_ATTR_DELETE_HORIZON) != 0 && batch->base_timestamp_ms <= rules->now_ms;
    rules->horizon_wanted_ = false;
    if (control) {
        discard = txn_marker(rules, batch, &abort);
        rules->horizon_wanted_ = discard;
        discard = discard && (rules->horizon_passed_ || batch->record_count == 0);
    } else {
        discard = txn_data(rules, batch);
    }
    rules->retain_empty_ = (batch->producer_id >= 0 && rules->producer_needs != NULL &&
                            rules->producer_needs(rules->producer_context, batch)) ||
                           rec_batch_last_offset(batch) + 1 >= rules->segment_end;
    *out_marker_gone = discard && abort;
    if (discard || batch->record_count == 0) {
        return rules->retain_empty_ ? COMPACT_EMPTY : COMPACT_DROP;
    }
    return COMPACT_LOOK;
}

bool store__compact_keep(void *context, const struct rec_record *record)
{
    const struct store_compact_rules *rules = context;

    if (record->offset >= rules->map_end || (rules->batch_.attributes & REC_ATTR_CONTROL) != 0) {
        return true;
    }
    if (record->key.base == NULL || (record->value.base == NULL && rules->horizon_passed_)) {
        return false;
    }
    return record->offset >= store__compact_map_get(rules->map, record->key);
}

bool store__compact_rules_retain_empty(const struct store_compact_rules *rules)
{
    return rules->retain_empty_;
}

int64_t store__compact_rules_horizon(const struct store_compact_rules *rules, bool *out_wanted)
{
    int64_t horizon_ms;

    *out_wanted = rules->horizon_wanted_;
    if (__builtin_add_overflow(rules->now_ms, rules->delete_retention_ms, &horizon_ms)) {
        horizon_ms = INT64_MAX;
    }
    return horizon_ms;
}
