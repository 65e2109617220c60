/* exec_slices.h: what the files of slices share: exec_slices.c adds and fires, exec_slices_state.c saves. */
#ifndef MILLRACE_EXEC_SLICES_H
#define MILLRACE_EXEC_SLICES_H

#include "compute/exec/exec_window.h"

struct slice {
    int64_t                      start_ms, end_ms; /* WINDOWED: of the window */
    struct exec_heap            *heap;
    struct exec_table           *table;
    struct exec_aggregate_store *store;
    bool                         is_saved; /* some record speaks of it */
    uint32_t                     pending;  /* rows of the chunk at hand; then where the next of them goes */
};

struct exec_slices {
    struct exec_window_group_op *group;
    const struct exec_window    *window;
    int64_t                      slice_ms;
    struct slice                *items; /* by (end, start) */
    uint32_t                     count, capacity;
    /* While firing. */
    bool                     is_firing;
    int64_t                  fired_end_ms; /* ends up to here are through */
    void                    *at;           /* the entry that was merged or sent last, of the window at hand */
    uint32_t                 merging;      /* HOP: slices before it are in `merged` */
    struct slice             merged;
    bool                     keeps_changes;
    struct exec_window_span *gone; /* slices that records speak of, until the next save */
    size_t                   gone_count, gone_capacity, gone_saved;
    const struct slice      *saving;
    /* Of the chunk at hand. */
    uint32_t row_slice[VEC_ROWS_MAX];
    uint16_t rows[VEC_ROWS_MAX];
    void    *entries[VEC_ROWS_MAX];
};

/* The slice's place, made where it is absent; slices->count when the heap is spent. */
uint32_t exec__slices_need(struct exec_slices *slices, int64_t start_ms, int64_t end_ms);
/* The place of the first slice that is not before (end, start). */
uint32_t exec__slices_place(const struct exec_slices *slices, int64_t start_ms, int64_t end_ms);
/* Drops the slice at a place. */
void exec__slices_remove(struct exec_slices *slices, uint32_t at);

#endif
