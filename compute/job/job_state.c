/* Saving: the engine's records into batches of the job log. See job_state.h. */
#include "compute/job/job_state_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* --- life -----------------------------------------------------------------------------------------------------------
 */

bool job__state_fail(struct job_state *state, const char *format, ...)
{
    va_list arguments;

    if (state->failure[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(state->failure, sizeof(state->failure), format, arguments);
        va_end(arguments);
    }
    return false;
}

const char *job__state_failure(const struct job_state *state)
{
    return state->failure[0] == '\0' ? NULL : state->failure;
}

struct job_state *job__state_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                    void (*ready)(void *context), void *context)
{
    struct job_state *state = mem_alloc(MEM_JOB, sizeof(*state));

    state->jobs = jobs;
    state->run = run;
    state->worker = worker;
    state->exec = exec_job_worker(run->exec, worker);
    state->ready = ready;
    state->context = context;
    list_init(&state->batches);
    return state;
}

void job__state_destroy(struct job_state *state)
{
    if (state == NULL) {
        return;
    }
    CHECK(job__state_idle(state) && list_empty(&state->batches));
    mem_free(MEM_JOB, state);
}

bool job__state_idle(const struct job_state *state)
{
    return state->under_way == 0;
}

static void save_taken(struct job_state *state);

/* A save that is not through ends here: it is of no use any more. */
void job__state_stop(struct job_state *state)
{
    state->stopping = true;
    if (state->saving) {
        (void)job__state_fail(state, "stopped");
        save_taken(state);
    }
}

void job__state_home(struct job_state *state)
{
    CHECK(state->under_way > 0);
    state->under_way--;
    if (state->under_way == 0 && state->stopping) {
        state->ready(state->context);
    }
}

uint64_t job__state_bytes(const struct job_state *state)
{
    return __atomic_load_n(&state->written_bytes, __ATOMIC_RELAXED);
}

struct part *job__state_part(struct job_state *state)
{
    struct part *part = part_find_id(state->jobs->options.parts, state->run->log_topic_id, (int32_t)state->worker);

    if (part == NULL || !part_ready(part) || !part_online(part)) {
        (void)job__state_fail(state, "partition %u of the job log is %s", state->worker,
                              part == NULL ? "gone" : "offline");
        return NULL;
    }
    return part;
}

/* --- batches --------------------------------------------------------------------------------------------------------
 */

struct state_batch {
    struct list_node   link;
    struct job_state  *state;
    struct arena       arena;
    struct rec_builder builder;
    struct job_pace_io pace;
    struct io_op       refused; /* the partition has gone */
    struct part_append append;
};

static void batch_free(struct state_batch *batch)
{
    list_remove(&batch->link);
    arena_deinit(&batch->arena);
    mem_free(MEM_JOB, batch);
}

static struct state_batch *batch_new(struct job_state *state)
{
    struct state_batch *batch = mem_alloc(MEM_JOB, sizeof(*batch));

    batch->state = state;
    list_init(&batch->link);
    arena_init(&batch->arena, MEM_JOB, 16 * KIB, SIZE_MAX);
    rec_builder_init(&batch->builder, &batch->arena);
    list_push_back(&state->batches, &batch->link);
    return batch;
}

static void save_over(struct job_state *state)
{
    job_state_done_fn *done = state->done;
    struct job_share  *share = state->share;
    bool               good = state->failure[0] == '\0';

    state->done = NULL;
    state->share = NULL;
    if (good && state->range.end > state->range.first) {
        share->states = mem_alloc(MEM_JOB, sizeof(*share->states));
        share->states[0] = state->range;
        share->state_count = 1;
    }
    if (good) {
        share->is_snapshot = state->is_snapshot;
    }
    done(state->context, good);
}

static void batch_appended(struct part_append *append)
{
    struct state_batch *batch = CONTAINER_OF(append, struct state_batch, append);
    struct job_state   *state = batch->state;

    job__pace_leave(&state->jobs->pace, PACE_WRITES, &batch->pace);
    if (append->error != 0) {
        (void)job__state_fail(state, "the job log cannot be written: %s%s%s", kp_error_name(append->error),
                              append->error_message == NULL ? "" : ", ",
                              append->error_message == NULL ? "" : append->error_message);
    } else {
        state->range.first = state->range.first < 0 ? append->base_offset : state->range.first;
        state->range.end = MAX(state->range.end, append->last_offset + 1);
    }
    batch_free(batch);
    state->appends--;
    if (state->saving) {
        state->ready(state->context);
    } else if (state->appends == 0) {
        save_over(state);
    }
    job__state_home(state);
}

static void batch_refused(struct io_op *op)
{
    batch_appended(&CONTAINER_OF(op, struct state_batch, refused)->append);
}

static void batch_go(struct job_pace_io *io)
{
    struct state_batch *batch = CONTAINER_OF(io, struct state_batch, pace);
    struct part        *part = job__state_part(batch->state);

    if (part == NULL) {
        batch->append.error = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        io_post(job__io(batch->state->jobs), &batch->refused, batch_refused);
        return;
    }
    part_append(part, &batch->append);
}

/* The builder is full, or the save is over. */
static bool batch_send(struct job_state *state)
{
    struct state_batch *batch = state->building;
    struct view         bytes;

    state->building = NULL;
    if (job__state_part(state) == NULL || rec_builder_finish(&batch->builder, REC_LZ4, 0, &bytes) != ERR_OK) {
        batch_free(batch);
        return job__state_fail(state, "no memory for a batch of the job log");
    }
    __atomic_store_n(&state->written_bytes, state->written_bytes + bytes.len, __ATOMIC_RELAXED);
    batch->append = (struct part_append){
        .records = bytes, .internal = true, .background = true, .wait_durable = true, .done = batch_appended};
    batch->pace = (struct job_pace_io){.bytes = bytes.len, .go = batch_go};
    state->appends++;
    state->under_way++;
    job__pace_enter(&state->jobs->pace, PACE_WRITES, &batch->pace);
    return true;
}

static bool save_record(void *context, uint32_t node, uint32_t table, struct view key, struct view value)
{
    struct job_state *state = context;
    uint8_t           head[JOB_STATE_KEY_BYTES];
    struct view       whole;
    struct arena     *arena;
    uint8_t          *copy;

    if (state->building == NULL) {
        state->building = batch_new(state);
    }
    head[0] = JOB_STATE_VERSION;
    store_le32(head + 1, node);
    store_le32(head + 5, table);
    arena = &state->scratch;
    arena_reset(arena);
    copy = arena_alloc(arena, sizeof(head) + key.len);
    if (copy == NULL) {
        return job__state_fail(state, "out of memory");
    }
    memcpy(copy, head, sizeof(head));
    if (key.len > 0) {
        memcpy(copy + sizeof(head), key.base, key.len);
    }
    whole = view_of(copy, sizeof(head) + key.len);
    rec_builder_add(&state->building->builder, state->now_ms, whole, value, NULL, 0);
    state->saved_bytes += whole.len + value.len;
    return state->building->builder.len < JOB_STATE_BATCH_BYTES || batch_send(state);
}

static bool is_due_for_snapshot(const struct job_state *state)
{
    uint64_t floor = state->run->snapshot_bytes == 0 ? JOB_STATE_SNAPSHOT_BYTES : state->run->snapshot_bytes;

    return state->increment_bytes > MAX(floor, 2 * state->snapshot_bytes);
}

static void save_posted(struct io_op *op)
{
    struct job_state *state = CONTAINER_OF(op, struct job_state, posted);

    save_over(state);
    job__state_home(state);
}

/* All has been taken from the engine, or as much as there will be. */
static void save_taken(struct job_state *state)
{
    state->saving = false;
    if (state->building != NULL && (state->failure[0] != '\0' || !batch_send(state))) {
        if (state->building != NULL) {
            batch_free(state->building);
            state->building = NULL;
        }
    }
    arena_deinit(&state->scratch);
    if (state->is_snapshot) {
        state->increment_bytes = 0;
        state->snapshot_bytes = state->saved_bytes;
    } else {
        state->increment_bytes += state->saved_bytes;
    }
    if (state->appends == 0) { /* nothing to write, or failed at once */
        state->under_way++;
        io_post(job__io(state->jobs), &state->posted, save_posted);
    }
}

enum job_state_more job__state_save_more(struct job_state *state)
{
    struct exec_saver  saver = {.write = save_record, .context = state};
    enum exec_progress progress;

    CHECK(state->saving);
    if (state->appends >= JOB_STATE_APPENDS_MAX && state->failure[0] == '\0') {
        return JOB_STATE_FULL;
    }
    progress = state->failure[0] != '\0'
                   ? EXEC_FAILED
                   : exec_worker_save_some(state->exec, state->is_snapshot, &saver, JOB_STATE_PIECE_RECORDS);
    if (progress == EXEC_BUSY) {
        return JOB_STATE_MORE;
    }
    if (progress == EXEC_FAILED && state->failure[0] == '\0') {
        const struct exec_failure *failure = exec_job_failure(state->run->exec);

        (void)job__state_fail(state, "%s", failure == NULL ? "the state cannot be saved" : failure->message);
    }
    save_taken(state);
    return JOB_STATE_ALL;
}

void job__state_save(struct job_state *state, struct job_share *share, job_state_done_fn *done)
{
    CHECK(state->done == NULL && state->building == NULL && !state->saving);
    state->done = done;
    state->share = share;
    state->saving = true;
    state->is_snapshot = is_due_for_snapshot(state);
    state->range = (struct job_state_range){.worker = state->worker, .first = -1, .end = -1};
    state->saved_bytes = 0;
    state->now_ms = io_wall_ms(job__io(state->jobs));
    arena_init(&state->scratch, MEM_JOB, 4 * KIB, SIZE_MAX);
}

/* --- the log is cut below a committed snapshot ----------------------------------------------------------------------
 */

static void cut_done(void *context, int16_t error UNUSED)
{
    struct job_state *state = context;

    state->cutting = false; /* what could not be cut now goes with the next snapshot */
    job__state_home(state);
}

void job__state_committed(struct job_state *state)
{
    struct part *part;

    if (!state->is_snapshot || state->range.first < 0 || state->cutting) {
        return;
    }
    part = part_find_id(state->jobs->options.parts, state->run->log_topic_id, (int32_t)state->worker);
    if (part != NULL && part_ready(part) && part_online(part)) {
        state->cutting = true;
        state->under_way++;
        part_delete_records(part, state->range.first, cut_done, state);
    }
}
