/* store_compact_rules.h: what becomes of each batch and record in one pass of compaction. Pure, private to core/store.
 *
 * Facts: LogCleaner.scala (Cleaner, CleanedTransactionMetadata), KIP-534. Batches are shown in offset order, from the
 * log's start. What stays:
 *   record       the newest of its key (by the map), unless it is a tombstone whose batch's delete horizon has passed;
 *                everything from map_end on, of which the map knows nothing. Records without key and those of aborted
 *                transactions go.
 *   marker       as long as something of its transaction was seen; then until its own horizon, which it gets when
 *                nothing was seen for the first time.
 *   empty batch  when the producer above says that its last sequence stands in it, and the last batch of each new
 *                segment: so a segment always ends with the batch that holds its last offset, and readers never look at
 *                offsets behind which nothing comes. */
#ifndef MILLRACE_STORE_COMPACT_RULES_H
#define MILLRACE_STORE_COMPACT_RULES_H

#include "core/base/map.h"
#include "core/store/store.h"
#include "core/store/store_compact_map.h"

enum store_compact_fate {
    COMPACT_DROP,  /* nothing stays */
    COMPACT_EMPTY, /* rec_empty_batch() of it stays */
    COMPACT_LOOK,  /* record by record, with store__compact_keep() */
};

struct store_compact_rules {
    /* the caller's */
    const struct store_compact_map *map;
    int64_t                         map_end;
    int64_t                         segment_end; /* of the new segment, exclusive */
    int64_t                         now_ms;
    int64_t                         delete_retention_ms;
    struct store_aborted           *aborted; /* by first offset; seen_ when the marker was met */
    size_t                          aborted_count;
    bool (*producer_needs)(void *context, const struct rec_batch *batch); /* may be NULL */
    void *producer_context;
    /* private */
    size_t           aborted_at_;
    struct map       txns_; /* producer id -> its transaction under way */
    struct rec_batch batch_;
    bool             horizon_passed_; /* of batch_ */
    bool             retain_empty_;
    bool             horizon_wanted_;
};

/* Zero it, fill the caller's part, begin. Twice in a pass: for the map and for the copy. */
void store__compact_rules_begin(struct store_compact_rules *rules);
void store__compact_rules_end(struct store_compact_rules *rules);

/* For the map: does the batch hold records that count? Only state of transactions is looked at. */
MUST_USE bool store__compact_rules_indexed(struct store_compact_rules *rules, const struct rec_batch *batch);
/* For the copy. *out_marker_gone: a marker of an aborted transaction was dropped. */
MUST_USE enum store_compact_fate store__compact_rules_batch(struct store_compact_rules *rules,
                                                            const struct rec_batch *batch, bool *out_marker_gone);
/* A rec_keep_fn for the batch that COMPACT_LOOK was said of; context: the rules. */
bool store__compact_keep(void *context, const struct rec_record *record);
/* When nothing of that batch was kept: is an empty one to stay? */
MUST_USE bool store__compact_rules_retain_empty(const struct store_compact_rules *rules);
/* The arguments of rec_filter_end(). */
int64_t store__compact_rules_horizon(const struct store_compact_rules *rules, bool *out_wanted);

#endif
