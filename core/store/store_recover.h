/* store_recover.h: what is to be kept of a log after an unclean stop, as a decision over what was read (D5). Pure,
 * private to core/store.
 *
 * The pieces of a log are, in this order: sealed segments (one piece each, trusted), frames found in unsealed segments,
 * and what the journal holds. A piece covers offsets; the kept log is the longest run without a hole from its start.
 *
 *   what was found                                                              verdict
 *   everything fits together                                                    CLEAN
 *   the run ends, and nothing says that more was durable                        CUT: a torn tail, never acknowledged
 *   the run ends below an offset that some later header calls durable           DAMAGED: reported, never cut
 *
 * Pieces that continue the run but do not stand in place (behind a torn frame, or in the journal) are to be copied
 * behind it; and so are frames that can be read but were never known to be flushed: the last ones written durably, and
 * those the journal still holds. Reading them proves nothing when a flush has failed before. */
#ifndef MILLRACE_STORE_RECOVER_H
#define MILLRACE_STORE_RECOVER_H

#include "core/store/store_frame.h"

enum store_piece_kind {
    PIECE_SEALED,  /* a sealed segment */
    PIECE_FRAME,   /* a frame in an unsealed segment */
    PIECE_JOURNAL, /* an entry of the journal */
};

struct store_piece {
    enum store_piece_kind kind;
    enum store_frame_mode mode;    /* FRAME */
    bool                  intact;  /* false: only its header could be read; it still tells what was durable */
    uint32_t              segment; /* SEALED, FRAME: index into the segments read, ascending; JOURNAL: unused */
    uint32_t              frame_bytes;
    uint32_t              payload_bytes;
    uint64_t              position;
    int64_t               first_offset;
    int64_t               last_offset;
    int64_t               durable_end;
    int64_t               max_timestamp_ms;
    const void           *entry;    /* JOURNAL */
    bool                  in_place; /* out: part of the run as it stands */
};

struct store_recover_segment {
    int64_t base_offset;
};

struct store_recover_input {
    uint64_t                            data_start;   /* of the frames in a segment file */
    int64_t                             start_offset; /* where the run must begin, at the latest */
    const struct store_recover_segment *segments;
    uint32_t                            segment_count;
    struct store_piece *pieces; /* SEALED and FRAME by (segment, position), then JOURNAL in order of writing */
    size_t              piece_count;
    int64_t             durable_end; /* known from elsewhere (the journal) */
};

enum store_verdict { VERDICT_CLEAN, VERDICT_CUT, VERDICT_DAMAGED };

struct store_copy {
    uint32_t piece;
    int64_t  from_offset; /* skip the piece's batches below */
};

struct store_recover_result {
    enum store_verdict verdict;
    int64_t            first_offset; /* where the run begins */
    int64_t            in_place_end; /* the run that stands where it should ends here (exclusive) */
    int64_t            end_offset;   /* with what is to be copied */
    int64_t            durable_end;  /* the largest that was declared */
    uint32_t           keep_from,
        keep_segments; /* segments [keep_from, keep_segments) hold the run in place, the others nothing of it */
    size_t copy_count;
};

/* `out_copies` has room for piece_count. */
void store__recover_decide(const struct store_recover_input *input, struct store_recover_result *out_result,
                           struct store_copy *out_copies);

#endif
