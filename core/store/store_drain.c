/* store_drain.c: moving journalled frames to their segments, so that the ring can be reused and idle logs cost no
 * memory.
 *
 * Oldest first: what is older than STORE_DRAIN_AGE_NS, and more while the journal is more than half full. The writes
 * are plain; the flush that makes them durable follows per segment, batched by bytes or by the next tick. */
#include "core/store/store_internal.h"

/* at_once: the log is idle, one durable write settles it; else more will follow, and one flush covers many plain
 * writes. */
static void drain_log(struct store_log *log, bool at_once)
{
    struct store_frame *frame = log->open;

    if (log->offline || frame == NULL || log->reserved_bytes > 0 || log->journal_in_flight) {
        return;
    }
    if (frame->header.last_offset < log->durable_end && frame->used > STORE_FRAME_HEADER_BYTES) {
        log->frame_bytes_hint /= 2;
        frame->at_once = at_once;
        frame->draining = true;
        log->store->drains++;
        store__frame_close(log, log->policy.durable_on_append ? FRAME_DRAIN : FRAME_ACCEPT);
        store__log_pump(log);
    }
}

static bool drain_due(const struct store *store, const struct store_frame *frame, uint64_t aim_lsn)
{
    return frame->first_lsn < aim_lsn || io_now_ns(store->io) - frame->claimed_ns >= STORE_DRAIN_AGE_NS;
}

/* From the clock: also what was written plainly and waits for more is flushed now. */
static void drain_walk(struct store *store, bool sync_now)
{
    uint64_t aim_lsn = 0;

    if (store->journal_ready && store_journal_pressure_percent(store->journal) >= STORE_DRAIN_PRESSURE) {
        uint64_t head = store_journal_head(store->journal);
        uint64_t keep = store_journal_capacity(store->journal) / 4;

        aim_lsn = head > keep ? head - keep : 0;
        sync_now = true;
    }
    LIST_EACH(&store->claims, node) {
        struct store_frame *frame = LIST_ENTRY(node, struct store_frame, claim_link);

        if (!drain_due(store, frame, aim_lsn) || store->drains >= STORE_DRAINS_MAX) {
            break; /* the list is in order of age */
        }
        if (frame->state == FRAME_OPEN) {
            drain_log(frame->log, aim_lsn == 0);
        } else if (frame->state == FRAME_WRITTEN && sync_now && !frame->log->offline) {
            store__segment_want_sync(frame->segment);
        }
    }
    if (!list_empty(&store->claims)) {
        store__tick_arm(store);
    }
}

void store__drain_tick(struct store *store)
{
    drain_walk(store, true);
}

/* Something was drained, or came to the journal: more may have to go. */
void store__drain_more(struct store *store)
{
    if (list_empty(&store->claims) || store->closing) {
        return;
    }
    if (store->drains < STORE_DRAINS_MAX / 2 &&
        drain_due(store, LIST_ENTRY(list_first(&store->claims), struct store_frame, claim_link),
                  store_journal_pressure_percent(store->journal) >= STORE_DRAIN_PRESSURE ? UINT64_MAX : 0)) {
        drain_walk(store, false);
    }
}
