/* store_opening.h: one log on its way back from an unclean stop; shared by store_open.c (the order of things),
 * store_scan.c (reading) and store_rebuild.c (writing). Private to core/store. */
#ifndef MILLRACE_STORE_OPENING_H
#define MILLRACE_STORE_OPENING_H

#include "core/store/store_internal.h"
#include "core/store/store_recover.h"

enum scan_mode {
    SCAN_NOTHING, /* the rest of the file says nothing */
    SCAN_FRAMES,
    SCAN_ZEROS, /* no valid header: if the rest is zeros, it never held anything */
    SCAN_FREE,  /* taken from the spare files, no header yet: if no frame of its new life is found, there was none */
};

struct store_opening {
    struct store_task           task; /* the part in progress: scan or rebuild */
    struct store_task           copy; /* within a rebuild */
    struct list_node            link; /* store->openings */
    struct store_job           *job;  /* the opening's, from store_log_open() */
    struct store_log           *log;
    struct store               *store;
    struct store_task          *outer; /* resumed when scan or rebuild is over, with a result */
    struct store_held          *held;
    uint32_t                   *numbers; /* segment files, ascending */
    uint32_t                    number_count, number_capacity;
    uint32_t                   *dead; /* files that compaction has replaced, or had begun to make */
    uint32_t                    dead_count, dead_capacity;
    struct store_segment      **segments; /* those with a usable header, ascending */
    uint32_t                    segment_count;
    uint32_t                    unsealed_count;
    struct store_piece         *pieces;
    size_t                      piece_count, piece_capacity;
    struct store_copy          *copies;
    struct store_recover_result result;
    int64_t                     recorded_start; /* the largest that a header names */
    int64_t                     start_offset;   /* that, or above it: where segments are missing */
    uint32_t                    at;             /* loop positions that survive a stop */
    uint32_t                    number_max;
    uint64_t                    position;
    uint64_t                    window_at;
    size_t                      window_asked, window_len;
    size_t                      window_bytes; /* of the next one */
    enum scan_mode              mode;
    bool                        more, purged;
    uint32_t                    suffix;
    struct buf                 *buf;
    char                       *path;
    struct io_handle            handle, source_handle;
    size_t                      used;   /* in the frame being built */
    size_t                      copied; /* of copies */
    struct store_frame_header   header;
    struct buf                 *source;
    struct store_segment       *target;
    uint64_t                    free_id; /* SCAN_FREE: the segment id of that life */
    bool                        stale;   /* the directory belongs to a topic that was deleted */
    bool                        damaged; /* a header could not be read */
    struct store_read           read;
    int64_t                     replay_from; /* read from here */
    uint64_t                    replayed_bytes;
    int64_t                     replay_floor; /* what begins below is in the snapshot */
};

/* Reads the directory: numbers, headers, frames -> opening->pieces. Resumes opening->outer. */
void store__scan_start(struct store_opening *opening);
/* Makes the decision durable: flush, copy, new segment. Resumes opening->outer. */
void store__rebuild_start(struct store_opening *opening);
/* Snapshot and replay, then store__opening_end(). */
void store__replay_start(struct store_opening *opening);
/* The last call: the log is open, or is not. */
void store__opening_end(struct store_opening *opening, int result);
void store__opening_free(struct store_opening *opening);
void store__opening_piece(struct store_opening *opening, const struct store_piece *piece);
/* In store_compact_open.c. A file that is to be removed. */
void store__opening_dead(struct store_opening *opening, uint32_t number);
/* Once all headers were read: segments in the order of their places, without those that compaction has replaced. */
void store__opening_places(struct store_opening *opening);

#endif
