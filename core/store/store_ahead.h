/* store_ahead.h: readers of what is on the disk, and what is read before they ask for it. Private to core/store.
 *
 * A reader is remembered by the offset it will ask for next. It has windows: reads of up to STORE_WINDOW_BYTES that
 * follow each other in one segment, under way or in memory, and end between two frames where the index knows such a
 * place. The first read of a reader reads what it needs; from the second one in a row on it has `depth` windows more,
 * and each time it had to wait for the disk it gets twice as many, up to STORE_AHEAD_DEPTH_MAX: as many as bandwidth
 * times delay make, and none for who never waits. All readers of a store together have store->ahead_bytes_max in
 * windows that nobody asked for yet.
 *
 * A reader that asks for nothing for STORE_AHEAD_IDLE_NS is forgotten, and sooner when memory is short. A busy one (a
 * read works with it) never is, unless its log is freed. Segments are known by their id: one that was replaced or
 * removed meanwhile makes the reader look for its place again. */
#ifndef MILLRACE_STORE_AHEAD_H
#define MILLRACE_STORE_AHEAD_H

#include "core/store/store_internal.h"

struct store_window_job;

struct store_window {
    struct list_node         link; /* ahead->windows, in the order of the file */
    struct store_ahead      *ahead;
    struct store_window_job *job; /* NULL: the read has ended */
    struct buf              *buf; /* then */
    uint64_t                 position;
    size_t                   asked, len; /* bytes; len: that came */
    int                      result;
    bool                     whole; /* ends between two frames */
};

struct store_ahead {
    struct list_node   link; /* store->aheads, the one used last at the end */
    struct store_log  *log;
    struct list_node   windows;
    struct store_task *waiter;     /* of a read: the first window is under way */
    uint64_t           segment_id; /* 0: the place is not known */
    uint64_t           position;   /* of the frame looked at next */
    uint64_t           verified;   /* frames of the first window below this were checked */
    int64_t            offset;     /* the next read begins here */
    int64_t            used_ns;
    size_t             window_bytes; /* of a window that is asked for */
    uint32_t           reads;        /* one behind the other */
    uint32_t           depth;
    bool               busy;
};

/* Whose next read begins at `offset`, not busy; NULL. */
struct store_ahead *store__ahead_find(const struct store_log *log, int64_t offset);
struct store_ahead *store__ahead_new(struct store_log *log, int64_t offset);
void                store__ahead_free(struct store_ahead *ahead);
/* A read begins; `bytes_max` is what it wants. */
void store__ahead_begin(struct store_ahead *ahead, size_t bytes_max);
/* A read has ended: the next one begins at `offset`. waited: for the disk. */
void store__ahead_end(struct store_ahead *ahead, int64_t offset, bool waited);
/* The frame at `position` of that segment is next. */
void store__ahead_seek(struct store_ahead *ahead, const struct store_segment *segment, uint64_t position);
/* Forgets what was read and begins again at `position`; the next window has `bytes` at least. */
void store__ahead_again(struct store_ahead *ahead, size_t bytes);
/* The window at ahead->position, or NULL: none was asked for. Windows before it go. */
struct store_window *store__ahead_window(struct store_ahead *ahead);
/* When the first window is not there yet: asks for it. False: no memory. */
MUST_USE bool store__ahead_demand(struct store_ahead *ahead, struct store_segment *segment);
/* Up to here frames were written to the segment: what begins there is in memory, or does not exist. */
uint64_t store__ahead_written(const struct store_log *log, const struct store_segment *segment);

#endif
