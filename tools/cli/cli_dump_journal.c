/* cli_dump_journal.c: the shard's journal: headers, frames, entries, and what a recovery would make of them. */
#include "core/store/store_journal_format.h"
#include "tools/cli/cli_dump.h"

#include <stdlib.h>

#define HEADER_COPY_AT ((uint64_t)(64 * KIB))
#define RING_AT        ((uint64_t)(128 * KIB))
#define FRAMES_FIRST   ((size_t)256)

struct journal_walk {
    struct store_journal_header header;
    struct store_journal_frame *frames;
    size_t                      count, capacity;
};

static bool journal_header(struct dump *dump, struct dump_source *source, struct store_journal_header *out_header)
{
    bool found = false;

    for (int copy = 0; copy < STORE_JOURNAL_HEADER_COPIES; copy++) {
        uint64_t                    at = (uint64_t)copy * HEADER_COPY_AT;
        struct store_journal_header header;

        if (store_journal_header_decode(dump_read(source, at, STORE_JOURNAL_HEADER_BYTES, NULL), &header) != ERR_OK) {
            dump_damage(dump, at, "copy %d of the journal's header is not valid", copy);
            continue;
        }
        if (!found || header.update > out_header->update) {
            *out_header = header;
        }
        found = true;
    }
    return found;
}

static void journal_item(struct dump *dump, const struct store_journal_header *header)
{
    dump_begin(dump, 0, "journal");
    dump_text(dump, "file", dump->file);
    dump_text(dump, "state", header->mark == STORE_JOURNAL_CLEAN ? "clean" : "active");
    dump_number(dump, "generation", (int64_t)header->generation);
    dump_number(dump, "update", (int64_t)header->update);
    dump_number(dump, "ring_bytes", (int64_t)header->ring_bytes);
    dump_number(dump, "block", header->block_bytes);
    dump_number(dump, "needed_from", (int64_t)header->needed_from);
    dump_number(dump, "durable_end", (int64_t)header->durable_end);
    dump_end(dump);
}

static void journal_keep(struct dump *dump, struct journal_walk *walk, const struct store_journal_frame *frame)
{
    if (walk->count == walk->capacity) {
        size_t                      capacity = MAX(2 * walk->capacity, FRAMES_FIRST);
        struct store_journal_frame *frames = cli_alloc_array(dump->cli, capacity, sizeof(*frames));

        if (walk->count > 0) {
            memcpy(frames, walk->frames, walk->count * sizeof(*frames));
        }
        walk->frames = frames;
        walk->capacity = capacity;
    }
    walk->frames[walk->count++] = *frame;
}

static int journal_frame_compare(const void *a, const void *b)
{
    const struct store_journal_frame *left = a, *right = b;

    return (left->lsn > right->lsn) - (left->lsn < right->lsn);
}

/* Every block is looked at, except inside whole frames; then in the order of LSNs. */
static void journal_scan(struct dump *dump, struct dump_source *source, struct journal_walk *walk)
{
    uint64_t ring = MIN(walk->header.ring_bytes, source->size > RING_AT ? source->size - RING_AT : 0);

    for (uint64_t at = 0; at < ring && !dump_stopped(dump);) {
        struct store_journal_frame frame;
        struct view                head = dump_read(source, RING_AT + at, STORE_JOURNAL_FRAME_HEADER_BYTES, NULL);

        if (!store_journal_frame_decode(&walk->header, head, at, &frame)) {
            at += walk->header.block_bytes;
            continue;
        }
        frame.whole =
            store_journal_frame_whole(&walk->header, &frame, dump_read(source, RING_AT + at, frame.frame_bytes, NULL));
        journal_keep(dump, walk, &frame);
        at += frame.whole ? frame.frame_bytes : walk->header.block_bytes;
    }
    if (walk->count > 0) {
        qsort(walk->frames, walk->count, sizeof(*walk->frames), journal_frame_compare);
    }
}

static void journal_entry(struct dump *dump, const struct store_journal_record *record, bool intact, uint64_t position)
{
    const char *name = map_get(&dump->topics, view_of(record->topic_id.bytes, sizeof(record->topic_id.bytes)));
    bool        shown = record->last_offset >= dump->from && record->first_offset < dump->end;

    if (shown && dump->depth >= DUMP_FRAMES) {
        dump_begin(dump, 2, "journal_entry");
        dump_text(dump, "topic", name);
        dump_uuid(dump, "topic_id", record->topic_id);
        dump_number(dump, "partition", record->partition);
        dump_number(dump, "first_offset", record->first_offset);
        dump_number(dump, "last_offset", record->last_offset);
        dump_number(dump, "batches", record->batch_count);
        dump_number(dump, "bytes", (int64_t)record->bytes.len);
        dump_bool(dump, "intact", intact);
        dump_end(dump);
    }
    if (dump->depth >= DUMP_BATCHES) {
        dump_batches(dump, 3, record->bytes, position);
    }
}

static void journal_frame(struct dump *dump, struct dump_source *source, const struct journal_walk *walk,
                          const struct store_journal_frame *frame)
{
    static const char *const    verdicts[] = {"passed", "replay", "damaged", "cut"};
    uint64_t                    position = frame->lsn % walk->header.ring_bytes + RING_AT;
    struct view                 bytes = dump_read(source, position, frame->frame_bytes, NULL);
    struct store_journal_record record;
    size_t                      place = STORE_JOURNAL_FRAME_HEADER_BYTES;
    bool                        intact = true;
    int                         result = ERR_CORRUPT;

    dump->counts.frames++;
    if (dump->depth >= DUMP_FRAMES) {
        dump_begin(dump, 1, "journal_frame");
        dump_number(dump, "lsn", (int64_t)frame->lsn);
        dump_number(dump, "position", (int64_t)position);
        dump_number(dump, "frame_bytes", frame->frame_bytes);
        dump_number(dump, "entries", frame->entry_count);
        dump_number(dump, "needed_from", (int64_t)frame->needed_from);
        dump_number(dump, "durable_end", (int64_t)frame->durable_end);
        dump_text(dump, "verdict", frame->verdict < COUNT_OF(verdicts) ? verdicts[frame->verdict] : "?");
        dump_bool(dump, "whole", frame->whole);
        dump_end(dump);
    }
    if (frame->verdict == STORE_JOURNAL_DAMAGED) {
        dump_damage(dump, position, "the journal frame at LSN %" PRIu64 " was acknowledged and is not whole",
                    frame->lsn);
    }
    if (frame->gap_bytes > 0) {
        dump_damage(dump, position, "%" PRIu64 " acknowledged bytes are missing before LSN %" PRIu64, frame->gap_bytes,
                    frame->lsn);
    }
    if (bytes.len < frame->frame_bytes || (frame->verdict == STORE_JOURNAL_PASSED && !frame->whole)) {
        return; /* what a log no longer needs may be anything */
    }
    while ((result = store_journal_entry_decode(&walk->header, frame, bytes, &place, &record, &intact)) == 1) {
        journal_entry(dump, &record, intact, position + place);
    }
}

void dump_journal(struct dump *dump, struct dump_source *source)
{
    struct journal_walk       walk = {0};
    struct store_journal_plan plan = {0};

    dump->counts.files++;
    if (!journal_header(dump, source, &walk.header)) {
        dump_damage(dump, 0, "the journal has no valid header: what it holds cannot be told");
        return;
    }
    journal_item(dump, &walk.header);
    journal_scan(dump, source, &walk);
    store_journal_decide(&walk.header, walk.frames, walk.count, &plan);
    for (size_t i = 0; i < walk.count && !dump_stopped(dump); i++) {
        journal_frame(dump, source, &walk, &walk.frames[i]);
    }
    if (plan.tail_gap_bytes > 0) {
        dump_damage(dump, RING_AT + plan.end % walk.header.ring_bytes, "%" PRIu64 " acknowledged bytes are missing",
                    plan.tail_gap_bytes);
    }
    dump_begin(dump, 1, "journal_end");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "frames", (int64_t)walk.count);
    dump_number(dump, "replay", plan.replay_count);
    dump_number(dump, "damaged", plan.damaged_count);
    dump_number(dump, "cut", plan.cut_count);
    dump_number(dump, "needed_from", (int64_t)plan.needed_from);
    dump_number(dump, "end", (int64_t)plan.end);
    dump_end(dump);
}
