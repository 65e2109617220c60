/* store_journal_format.h: the journal's bytes (docs/formats/journal.md) and the decision what recovery keeps. Pure: no
 * I/O, no state.
 *
 * Private to the journal. Nothing read from the disk is trusted before its check: header and frame header by a salted
 * CRC-32C, entry headers and the first REC_UNCHECKED_BYTES of every batch by the entry's, the rest of a batch by
 * Kafka's own CRC. */
#ifndef MILLRACE_STORE_JOURNAL_FORMAT_H
#define MILLRACE_STORE_JOURNAL_FORMAT_H

#include "core/store/store_journal.h"

#define STORE_JOURNAL_HEADER_BYTES       128
#define STORE_JOURNAL_HEADER_COPIES      2
#define STORE_JOURNAL_FRAME_HEADER_BYTES ((size_t)80)
#define STORE_JOURNAL_ENTRY_HEADER_BYTES ((size_t)48)
#define STORE_JOURNAL_ENTRY_ALIGN        8

enum store_journal_mark {
    STORE_JOURNAL_ACTIVE = 1,
    STORE_JOURNAL_CLEAN = 2, /* closed with nothing needed: there is nothing to read */
};

/* The ring's header, in two copies in blocks of their own, both rewritten one after the other. The valid one with the
 * larger `update` stands. */
struct store_journal_header {
    struct uuid identity;
    uint64_t    generation;
    uint64_t    update;
    uint64_t    ring_bytes;
    uint32_t    block_bytes;
    uint64_t    needed_from;
    uint64_t    durable_end;
    uint32_t    mark;
};

/* A frame's header, and after a scan what was found behind it. */
struct store_journal_frame {
    uint64_t lsn;
    uint64_t previous_end;  /* end of the frame before: differs from lsn where the end of the lap was skipped */
    uint64_t durable_end;   /* everything below was durable when this frame was submitted */
    uint64_t needed_from;   /* nothing below was needed when this frame was submitted */
    uint32_t frame_bytes;   /* whole blocks */
    uint32_t payload_bytes; /* header and entries, without the padding */
    uint32_t entry_count;
    bool     whole;     /* every entry and batch is intact */
    uint8_t  verdict;   /* enum store_journal_verdict, by the decision */
    uint64_t gap_bytes; /* by the decision: acknowledged bytes missing before this frame */
};

enum store_journal_verdict {
    STORE_JOURNAL_PASSED, /* no longer needed */
    STORE_JOURNAL_REPLAY,
    STORE_JOURNAL_DAMAGED, /* acknowledged, not whole: what is intact in it is replayed, the rest reported */
    STORE_JOURNAL_CUT,     /* at or behind a torn tail: never acknowledged */
};

struct store_journal_plan {
    uint64_t needed_from;
    uint64_t durable_end;    /* the largest that any valid header declares */
    uint64_t end;            /* where the kept run ends */
    uint64_t tail_gap_bytes; /* acknowledged bytes missing behind the last frame found */
    uint32_t replay_count, damaged_count, cut_count, gap_count;
};

void store_journal_header_encode(const struct store_journal_header *header,
                                 uint8_t                            out_bytes[STORE_JOURNAL_HEADER_BYTES]);
/* ERR_CORRUPT unless every field can be true. */
MUST_USE int store_journal_header_decode(struct view bytes, struct store_journal_header *out_header);

/* `out_bytes` has room for STORE_JOURNAL_FRAME_HEADER_BYTES. */
void store_journal_frame_encode(const struct store_journal_header *ring, const struct store_journal_frame *frame,
                                uint8_t *out_bytes);
/* Is this block, at `position` in the ring, the head of a frame of this ring and generation? Looks at the frame header
 * only. */
MUST_USE bool store_journal_frame_decode(const struct store_journal_header *ring, struct view bytes, uint64_t position,
                                         struct store_journal_frame *out_frame);

/* Bytes an entry takes in a frame. */
size_t store_journal_entry_bytes(size_t batches_bytes);
/* Writes header and batches at `place` bytes into a frame; false when entry->bytes is not a run of whole batches. */
MUST_USE bool store_journal_entry_encode(const struct store_journal_header *ring, uint64_t lsn, uint8_t *frame,
                                         size_t place, const struct store_journal_entry *entry);
/* The entry at *place (first: STORE_JOURNAL_FRAME_HEADER_BYTES), which moves past it. 1: there, *out_intact says
 * whether its batches are; 0: no more; ERR_CORRUPT: what follows in this frame cannot be told. `bytes`: the whole
 * frame. */
MUST_USE int  store_journal_entry_decode(const struct store_journal_header *ring,
                                         const struct store_journal_frame *frame, struct view bytes, size_t *place,
                                         struct store_journal_record *out_record, bool *out_intact);
MUST_USE bool store_journal_frame_whole(const struct store_journal_header *ring,
                                        const struct store_journal_frame *frame, struct view bytes);

/* The rule of D5: sets verdict and gap_bytes of each frame. `frames` are all that the scan found, in rising lsn order.
 */
void store_journal_decide(const struct store_journal_header *ring, struct store_journal_frame *frames, size_t count,
                          struct store_journal_plan *out_plan);

#endif
