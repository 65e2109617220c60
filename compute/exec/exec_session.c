/* Session windows: per key a list of sessions, each [first row, last row + gap) with its aggregates.
 *
 * A row's own window is [t, t + gap). It joins sessions that it intersects or touches (a row exactly one gap behind the
 * last one still belongs to it; Flink: TimeWindow.intersects) and may join two of them into one. It is late when the
 * session it ends up in has fired, which only one of its own can have (Flink: MergingWindowProcessFunction).
 *
 * Every session has one timer at an end it once had; when that comes, the timer moves to the end it has by then. A
 * session that another took in stays as a shell until its timer comes. Sessions of a key that are alive never touch.
 *
 * Rows are added to the aggregates by the chunk; before sessions are joined, the rows that wait are added.
 *
 * Saved is, of each key that changed, the list of its sessions with their places in the order of firing, and the values
 * of DISTINCT that came and went. Shells and timers are not: a timer at a session's end does what an earlier one would.
 */
#include "compute/exec/exec_hold.h"
#include "compute/exec/exec_state.h"
#include "compute/exec/exec_timers.h"
#include "compute/exec/exec_window.h"

#include "core/base/check.h"

struct session {
    struct session *next;  /* of the key, by time, the latest first */
    void           *entry; /* NULL: a shell */
    int64_t         start_ms, end_ms;
};

#define SESSION_STATE_OFFSET 32
STATIC_CHECK(sizeof(struct session) <= SESSION_STATE_OFFSET);

#define TABLE_KEYS 1
#define TABLE_SETS 2 /* and on: values of DISTINCT */

/* Times that come from disk stay far enough from the ends of what can be counted. */
#define TIME_MS_MAX (INT64_MAX / 4)

/* In the key's entry. */
struct session_list {
    struct session *latest;
};

struct exec_sessions {
    struct exec_window_group_op *group;
    int64_t                      gap_ms;
    size_t                       session_bytes;
    bool                         keeps_changes; /* sessions then end with the sequence of their timer */
    struct exec_heap            *heap;
    struct exec_table           *table;
    struct exec_aggregate_store *store;
    struct exec_timers           timers;
    /* Of the chunk at hand: rows whose states are known but that were not added yet. */
    void    *entries[VEC_ROWS_MAX];
    uint32_t waiting;
    uint16_t waiting_rows[VEC_ROWS_MAX];
    void    *waiting_states[VEC_ROWS_MAX];
    /* While firing. */
    struct session *fired[VEC_ROWS_MAX];
};

struct exec_sessions *exec_sessions_create(struct exec_window_group_op *group)
{
    struct exec_sessions *sessions = mem_alloc(MEM_COMPUTE, sizeof(*sessions));

    sessions->group = group;
    sessions->gap_ms = group->op.node->window_group.window.size_ms;
    sessions->keeps_changes = exec__keeps_changes(&group->op);
    sessions->session_bytes = SESSION_STATE_OFFSET + exec_aggregates_bytes(group->aggregates) +
                              (sessions->keeps_changes ? sizeof(uint64_t) : 0);
    sessions->heap = exec_heap_create(&group->op);
    if (sessions->heap != NULL) {
        sessions->table = exec_table_create(sessions->heap, &group->key, sizeof(struct session_list));
        sessions->store = exec_aggregate_store_create(group->aggregates, sessions->heap);
    }
    if (sessions->table == NULL || sessions->store == NULL) {
        exec_sessions_destroy(sessions);
        return NULL;
    }
    exec_timers_init(&sessions->timers, sessions->heap);
    if (sessions->keeps_changes) {
        exec_table_track(sessions->table);
        exec_aggregate_store_track(sessions->store);
    }
    return sessions;
}

void exec_sessions_destroy(struct exec_sessions *sessions)
{
    if (sessions != NULL) {
        exec_heap_destroy(sessions->heap);
        mem_free(MEM_COMPUTE, sessions);
    }
}

static void *state_of(struct session *session)
{
    return (uint8_t *)session + SESSION_STATE_OFFSET;
}

/* NULL: it is not known. */
static uint64_t *sequence_of(const struct exec_sessions *sessions, struct session *session)
{
    return sessions->keeps_changes
               ? (uint64_t *)(void *)((uint8_t *)session + sessions->session_bytes - sizeof(uint64_t))
               : NULL;
}

static struct session_list *list_of(const struct exec_sessions *sessions, void *entry)
{
    return exec_table_payload(sessions->table, entry);
}

/* --- rows in -------------------------------------------------------------------------------------------------------
 */

/* Adds the waiting rows to their sessions' aggregates. */
static bool add_waiting(struct exec_sessions *sessions, const struct vec_chunk *chunk)
{
    struct vec_chunk part = *chunk;

    if (sessions->waiting == 0) {
        return true;
    }
    part.selection = sessions->waiting == chunk->row_count ? NULL : sessions->waiting_rows;
    part.selected_count = sessions->waiting;
    sessions->waiting = 0;
    return exec_aggregates_update(sessions->store, &part, sessions->waiting_states);
}

static struct session *session_new(struct exec_sessions *sessions, void *entry, int64_t time_ms)
{
    struct session *session = exec_heap_take(sessions->heap, sessions->session_bytes);

    if (session == NULL) {
        return NULL;
    }
    memset(session, 0, sessions->session_bytes);
    session->entry = entry;
    session->start_ms = time_ms;
    session->end_ms = time_ms + sessions->gap_ms;
    if (sessions->keeps_changes) {
        *sequence_of(sessions, session) = sessions->timers.next_sequence;
    }
    if (!exec_timers_add(&sessions->timers, session->end_ms, session)) {
        exec_heap_give(sessions->heap, session, sessions->session_bytes);
        return NULL;
    }
    return session;
}

/* The older session becomes part of the later one, which stands right before it in the list. */
static bool join(struct exec_sessions *sessions, const struct vec_chunk *chunk, struct session *later)
{
    struct session *older = later->next;

    if (!add_waiting(sessions, chunk)) {
        return false;
    }
    if (!exec_aggregates_merge(sessions->store, state_of(older), sessions->store, state_of(later))) {
        return false;
    }
    /* The older one goes on, so that what came first stays first; the later one becomes the shell. */
    older->end_ms = MAX(older->end_ms, later->end_ms);
    later->end_ms = older->end_ms;
    exec_aggregates_drop(sessions->store, state_of(later));
    later->entry = NULL;
    return true;
}

/* Takes the row into the session at *link, and the neighbours it now touches. */
static struct session *extend(struct exec_sessions *sessions, const struct vec_chunk *chunk, struct session **link,
                              int64_t time_ms)
{
    struct session *session = *link;

    session->start_ms = MIN(session->start_ms, time_ms);
    session->end_ms = MAX(session->end_ms, time_ms + sessions->gap_ms);
    if (session->next != NULL && session->next->end_ms >= session->start_ms) {
        struct session *older = session->next;

        if (!join(sessions, chunk, session)) {
            return NULL;
        }
        *link = older;
        session = older;
    }
    return session;
}

/* The session of a row: joined, extended or new. False: the heap is spent; *out_session NULL: the row is late. */
static bool session_of(struct exec_sessions *sessions, const struct vec_chunk *chunk, void *entry, int64_t time_ms,
                       struct session **out_session)
{
    struct session **link = &list_of(sessions, entry)->latest;
    struct session  *session;

    /* Past the sessions that begin behind the row's window. */
    while (*link != NULL && (*link)->start_ms > time_ms + sessions->gap_ms) {
        link = &(*link)->next;
    }
    if (*link != NULL && (*link)->end_ms >= time_ms) {
        *out_session = extend(sessions, chunk, link, time_ms);
        return *out_session != NULL;
    }
    if (exec_window_has_fired(time_ms + sessions->gap_ms, sessions->group->progress_ms)) {
        exec__count_late(&sessions->group->op, 1);
        *out_session = NULL;
        return true;
    }
    session = session_new(sessions, entry, time_ms);
    if (session == NULL) {
        return false;
    }
    session->next = *link;
    *link = session;
    *out_session = session;
    return true;
}

/* Entries that were made for late rows only go again. */
static void remove_empty(struct exec_sessions *sessions, uint32_t count, const bool *is_new)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_new[i] && list_of(sessions, sessions->entries[i])->latest == NULL) {
            exec_table_remove(sessions->table, sessions->entries[i]);
        }
    }
}

bool exec_sessions_push(struct exec_sessions *sessions, const struct vec_chunk *chunk)
{
    struct exec_window_group_op *group = sessions->group;
    bool                         is_new[VEC_ROWS_MAX];

    if (!exec_table_find(sessions->table, group->key_vecs, chunk, group->hashes, true, sessions->entries, is_new)) {
        return false;
    }
    sessions->waiting = 0;
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        struct session *session;

        if (!session_of(sessions, chunk, sessions->entries[i], exec_floor_div(group->times_us[i], 1000), &session)) {
            return false;
        }
        if (session != NULL) {
            exec_table_touch(sessions->table, sessions->entries[i]);
            sessions->waiting_rows[sessions->waiting] = (uint16_t)vec_chunk_row(chunk, i);
            sessions->waiting_states[sessions->waiting] = state_of(session);
            sessions->waiting++;
        }
    }
    if (!add_waiting(sessions, chunk)) {
        return false;
    }
    remove_empty(sessions, chunk->selected_count, is_new);
    return true;
}

/* --- firing --------------------------------------------------------------------------------------------------------
 */

static void forget(struct exec_sessions *sessions, struct session *session)
{
    struct session_list *list = list_of(sessions, session->entry);
    struct session     **link = &list->latest;

    while (*link != session) {
        link = &(*link)->next;
    }
    *link = session->next;
    exec_table_touch(sessions->table, session->entry);
    if (list->latest == NULL) {
        exec_table_remove(sessions->table, session->entry);
    }
    exec_aggregates_drop(sessions->store, state_of(session));
    exec_heap_give(sessions->heap, session, sessions->session_bytes);
}

/* The next session that has ended, its timer taken; NULL: none. */
static struct session *next_fired(struct exec_sessions *sessions, int64_t progress_ms)
{
    for (;;) {
        const struct exec_timer *timer = exec_timers_first(&sessions->timers);
        struct session          *session;

        if (timer == NULL || !exec_window_has_fired(timer->time, progress_ms)) {
            return NULL;
        }
        session = timer->owner;
        if (session->entry == NULL) {
            exec_timers_drop_first(&sessions->timers);
            exec_heap_give(sessions->heap, session, sessions->session_bytes);
        } else if (session->end_ms > timer->time) {
            exec_timers_postpone_first(&sessions->timers, session->end_ms);
        } else {
            exec_timers_drop_first(&sessions->timers);
            return session;
        }
    }
}

static bool send_fired(struct exec_sessions *sessions)
{
    struct exec_window_output *output = &sessions->group->output;
    uint32_t                   count = output->count;

    if (!exec_window_output_send(output)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        forget(sessions, sessions->fired[i]);
    }
    return true;
}

static bool is_due(const struct exec_sessions *sessions, int64_t progress_ms)
{
    const struct exec_timer *timer = exec_timers_first(&sessions->timers);

    return timer != NULL && exec_window_has_fired(timer->time, progress_ms);
}

bool exec_sessions_advance(struct exec_sessions *sessions, int64_t progress_ms, bool *out_done)
{
    struct exec_operator      *op = &sessions->group->op;
    struct exec_window_output *output = &sessions->group->output;
    struct session            *session;

    *out_done = false;
    while (is_due(sessions, progress_ms)) {
        if (output->count == 0 && !exec__fire_has_room(op)) {
            return true;
        }
        session = next_fired(sessions, progress_ms);
        if (session == NULL) {
            break;
        }
        sessions->fired[output->count] = session;
        exec_window_output_add(output, session->entry, state_of(session),
                               (struct exec_window_span){session->start_ms, session->end_ms});
        exec__fire_spend(op, 1);
        if (exec_window_output_is_full(output)) {
            if (!send_fired(sessions)) {
                return false;
            }
            exec__pause(op);
        }
    }
    *out_done = true;
    return send_fired(sessions);
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

static void put_sessions(struct exec_operator *op, const struct exec_table *table, void *entry,
                         struct exec_bytes *bytes)
{
    const struct exec_sessions *sessions = ((const struct exec_window_group_op *)op)->sessions;
    struct session_list        *list = exec_table_payload(table, entry);

    for (struct session *session = list->latest; session != NULL; session = session->next) {
        exec_bytes_put_i64(bytes, session->start_ms);
        exec_bytes_put_i64(bytes, session->end_ms);
        exec_bytes_put_u64(bytes, sessions->keeps_changes ? *sequence_of(sessions, session) : 0);
        exec_aggregates_put(sessions->store, state_of(session), bytes);
    }
}

bool exec_sessions_save(struct exec_sessions *sessions, struct exec_save *save)
{
    return exec_save_table(save, TABLE_KEYS, view_text(""), sessions->table, put_sessions) &&
           exec_aggregate_store_save(sessions->store, save, TABLE_SETS, view_text(""));
}

static void drop_list(struct exec_sessions *sessions, struct session_list *list)
{
    while (list->latest != NULL) {
        struct session *session = list->latest;

        list->latest = session->next;
        exec_aggregates_drop(sessions->store, state_of(session));
        exec_heap_give(sessions->heap, session, sessions->session_bytes);
    }
}

/* Sessions of a key end one before the other begins. */
static bool load_session(struct exec_sessions *sessions, void *entry, struct session **link,
                         const struct session *later, struct exec_reader *value)
{
    struct exec_operator *op = &sessions->group->op;
    struct session       *session = exec_heap_take(sessions->heap, sessions->session_bytes);
    uint64_t              sequence;

    if (session == NULL) {
        return false;
    }
    memset(session, 0, sessions->session_bytes);
    session->entry = entry;
    session->start_ms = exec_reader_i64(value);
    session->end_ms = exec_reader_i64(value);
    sequence = exec_reader_u64(value);
    if (sessions->keeps_changes) {
        *sequence_of(sessions, session) = sequence;
    }
    *link = session;
    if (!exec_aggregates_take(sessions->store, value, state_of(session)) || session->start_ms < -TIME_MS_MAX ||
        session->end_ms > TIME_MS_MAX || session->start_ms >= session->end_ms ||
        (later != NULL && session->end_ms >= later->start_ms)) {
        return exec_load_damaged(op);
    }
    return true;
}

bool exec_sessions_load(struct exec_sessions *sessions, uint32_t table, struct exec_reader *key,
                        struct exec_reader *value)
{
    struct exec_operator *op = &sessions->group->op;
    struct session_list  *list;
    struct session      **link;
    struct session       *later = NULL;
    void                 *entry;
    bool                  is_new;

    if (table >= TABLE_SETS && table - TABLE_SETS < exec_aggregate_store_tables(sessions->store)) {
        return exec_aggregate_store_load(sessions->store, table - TABLE_SETS, key, value);
    }
    if (table != TABLE_KEYS) {
        return exec_load_damaged(op);
    }
    if (!exec_load_entry(op, sessions->table, key, value != NULL, &entry, &is_new)) {
        return false;
    }
    if (entry == NULL) {
        return true; /* came and went in one epoch */
    }
    list = list_of(sessions, entry);
    drop_list(sessions, list);
    if (value == NULL) {
        exec_table_remove(sessions->table, entry);
        return true;
    }
    link = &list->latest;
    do {
        if (!load_session(sessions, entry, link, later, value)) {
            return false;
        }
        later = *link;
        link = &later->next;
    } while (value->left > 0);
    return true;
}

/* One session after the other, of all keys. */
struct session_walk {
    struct exec_sessions *sessions;
    void                 *entry;
    struct session       *session;
};

static struct session *next_session(struct session_walk *walk)
{
    walk->session = walk->session == NULL ? NULL : walk->session->next;
    while (walk->session == NULL) {
        walk->entry = exec_table_next(walk->sessions->table, walk->entry);
        if (walk->entry == NULL) {
            return NULL;
        }
        walk->session = list_of(walk->sessions, walk->entry)->latest;
    }
    return walk->session;
}

static void *next_state(void *walk)
{
    struct session *session = next_session(walk);

    return session == NULL ? NULL : state_of(session);
}

bool exec_sessions_loaded(struct exec_sessions *sessions)
{
    struct session_walk walk = {.sessions = sessions};
    struct session     *session;

    while ((session = next_session(&walk)) != NULL) {
        uint64_t sequence = sessions->keeps_changes ? *sequence_of(sessions, session) : 0;

        if (!exec_timers_restore(&sessions->timers, session->end_ms, sequence, session)) {
            return false;
        }
    }
    exec_table_saved(sessions->table);
    walk = (struct session_walk){.sessions = sessions};
    return exec_aggregate_store_link(sessions->store, next_state, &walk);
}
