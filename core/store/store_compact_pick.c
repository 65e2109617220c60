/* store_compact_pick.c: what is to be compacted next (LogCleanerManager.scala has Kafka's rules).
 *
 * First dirty offset: each compacted segment says up to where the keys reached that it was cleaned by; others hold
 * nothing clean. What lies below the smallest of these over the segments so far is clean. A pass that was stopped in
 * between therefore counts for nothing but the work it saves. */
#include "core/store/store_compact.h"

static bool segment_finished(const struct store_segment *segment)
{
    return segment->header.state == STORE_SEGMENT_SEALED && !segment->sealing && segment->unstored == 0;
}

static uint64_t segment_bytes(const struct store_segment *segment)
{
    return segment->end_position - store__segment_data_start(segment->header.block_bytes);
}

int64_t store__compact_dirty(const struct store_log *log)
{
    int64_t dirty = INT64_MAX;

    for (uint32_t i = 0; i < log->segment_count; i++) {
        const struct store_segment *segment = log->segments[i];

        if (segment->end_offset <= log->start_offset) {
            continue; /* on its way out, and no pass looks at it any more */
        }
        dirty = MIN(dirty, store__segment_compacted(&segment->header) ? segment->header.clean_end
                                                                      : segment->header.base_offset);
        if (dirty <= segment->header.base_offset || dirty < segment->end_offset) {
            break;
        }
    }
    return MAX(MIN(dirty, log->end_offset), log->start_offset);
}

/* The active segment, what is not decided or durable yet, and what is too young stay as they are. */
static int64_t first_uncleanable(const struct store_log *log, int64_t dirty, int64_t now_ms)
{
    int64_t limit = log->durable_end;

    if (log->hooks.compact_limit != NULL) {
        limit = MIN(limit, log->hooks.compact_limit(log->hooks.context));
    }
    for (uint32_t i = 0; i < log->segment_count; i++) {
        const struct store_segment *segment = log->segments[i];
        bool                        too_young = log->policy.min_compaction_lag_ms > 0 && segment->end_offset > dirty &&
                         segment->max_timestamp_ms > now_ms - MIN(log->policy.min_compaction_lag_ms, now_ms);

        if (i + 1 == log->segment_count || !segment_finished(segment) || too_young || segment->end_offset > limit) {
            return segment->header.base_offset;
        }
    }
    return 0;
}

bool store__compact_range(const struct store_log *log, int64_t now_ms, struct store_compact_range *out_range)
{
    struct store_compact_range range = {.start = log->start_offset};
    int64_t                    oldest_ms = INT64_MAX;

    if (log->segment_count < 2) {
        return false;
    }
    range.dirty = store__compact_dirty(log);
    range.limit = first_uncleanable(log, range.dirty, now_ms);
    for (uint32_t i = 0; i < log->segment_count && log->segments[i]->header.base_offset < range.limit; i++) {
        const struct store_segment *segment = log->segments[i];

        if (segment->end_offset <= range.dirty) {
            range.clean_bytes += segment_bytes(segment);
        } else {
            range.dirty_bytes += segment_bytes(segment);
            oldest_ms = MIN(oldest_ms, segment->header.created_ms);
        }
    }
    range.overdue = oldest_ms < now_ms - MIN(log->policy.max_compaction_lag_ms, now_ms);
    if (range.dirty >= range.limit || range.dirty_bytes == 0) {
        return false;
    }
    *out_range = range;
    return true;
}

static double range_ratio(const struct store_compact_range *range)
{
    return (double)range->dirty_bytes / (double)(range->clean_bytes + range->dirty_bytes);
}

struct store_log *store__compact_pick(struct store *store, struct store_compact_range *out_range)
{
    struct store_log *best = NULL;
    int64_t           now_ms = io_wall_ms(store->io);
    int64_t           now_ns = io_now_ns(store->io);

    LIST_EACH(&store->logs, node) {
        struct store_log          *log = LIST_ENTRY(node, struct store_log, link);
        struct store_compact_range range;

        if (!log->policy.compact_enabled || !store_log_online(log) || now_ns < log->compact_not_before_ns) {
            continue;
        }
        store__retain_roll(log);
        if (!store__compact_range(log, now_ms, &range) ||
            (!range.overdue && range_ratio(&range) <= log->policy.min_cleanable_ratio)) {
            continue;
        }
        if (best == NULL || range_ratio(&range) > range_ratio(out_range)) {
            best = log;
            *out_range = range;
        }
    }
    return best;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static void group_add(struct store_compaction *compaction, const struct store_segment *segment)
{
    if (compaction->source_count == compaction->source_capacity) {
        compaction->source_capacity = MAX(compaction->source_capacity * 2, 8U);
        compaction->source_ids =
            mem_realloc(MEM_STORE, compaction->source_ids, compaction->source_capacity * sizeof(uint64_t));
    }
    compaction->source_ids[compaction->source_count++] = segment->header.segment_id;
    compaction->group_end = segment->end_offset;
}

/* Neighbours are put together as long as they fit into one segment as they are. */
bool store__compact_group(struct store_compaction *compaction, int64_t from)
{
    const struct store_log *log = compaction->job.log;
    uint64_t                bytes = 0;

    compaction->source_count = 0;
    for (uint32_t i = 0; i + 1 < log->segment_count; i++) {
        const struct store_segment *segment = log->segments[i];

        if (segment->end_offset <= from || segment->end_offset <= log->start_offset) {
            continue;
        }
        if (segment->header.base_offset >= compaction->map_end || segment->end_offset > compaction->range.limit ||
            !segment_finished(segment) ||
            (compaction->source_count > 0 && bytes + segment_bytes(segment) > log->policy.segment_bytes)) {
            break;
        }
        if (compaction->source_count == 0) {
            compaction->group_base = segment->header.base_offset;
        }
        bytes += segment_bytes(segment);
        group_add(compaction, segment);
    }
    return compaction->source_count > 0;
}

uint32_t store__compact_place(const struct store_compaction *compaction)
{
    const struct store_log *log = compaction->job.log;
    uint32_t                place = 0;

    while (place < log->segment_count && log->segments[place]->header.segment_id != compaction->source_ids[0]) {
        place++;
    }
    for (uint32_t i = 0; i < compaction->source_count; i++) {
        if (place + i + 1 >= log->segment_count ||
            log->segments[place + i]->header.segment_id != compaction->source_ids[i]) {
            return log->segment_count;
        }
    }
    return place;
}
