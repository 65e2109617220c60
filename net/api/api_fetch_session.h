/* api_fetch_session.h: which partitions a fetch is about, and which it shows (KIP-227).
 *
 * A full fetch names all its partitions; with session epoch 0 it opens a session, whose partitions the shard then
 * remembers, so that later fetches name only what changed and later answers show only what has news. Sessions are an
 * optimisation: one may always be refused by answering with session id 0. */
#ifndef MILLRACE_API_FETCH_SESSION_H
#define MILLRACE_API_FETCH_SESSION_H

#include "net/api/api_internal.h"

struct api_fetch_result {
    int16_t            error;
    int64_t            high_watermark;
    int64_t            last_stable_offset;
    int64_t            log_start_offset;
    int32_t            leader_id; /* -1 unless another broker leads (KIP-951) */
    int32_t            leader_epoch;
    const struct view *parts; /* the records, as slices that live until the call's release */
    int32_t            parts_count;
    /* For read_committed: those that overlap the records; aborted_count -1: not asked for. */
    const struct part_aborted *aborted;
    int32_t                    aborted_count;
};

struct api_fetch_partition {
    struct view             topic; /* by name (before version 13) */
    struct uuid             topic_id;
    int32_t                 partition;
    int32_t                 current_leader_epoch;
    int64_t                 offset;
    int32_t                 bytes_max;
    struct api_fetch_result result;
};

struct api_fetch_session;

/* One call's view: in the call's arena, in the order in which partitions are to be served. */
struct api_fetch_session_view {
    struct api_fetch_partition *partitions;
    int32_t                     count;
    struct api_fetch_session   *session; /* one reference, until answered or ended; NULL: none */
    bool                        full;    /* every partition is shown */
};

/* Fills out_view. False: the call has been answered (session error) or closed. */
bool api__fetch_session_open(struct api_call *call, struct api_fetch_session_view *out_view);
/* Builds the response from the results. False: no memory. */
bool api__fetch_session_answer(struct api_call *call, struct api_fetch_session_view *view,
                               struct kp_fetch_response *response);
/* Gives the session back; needed on every way out after a successful open. */
void api__fetch_session_end(struct api_fetch_session_view *view);

struct api_sessions *api__sessions_create(void);
void                 api__sessions_destroy(struct api_sessions *sessions);

#endif
