/* store_checkpoint.c: what a log leaves behind when it is closed in good order, and the file that keeps it over a clean
 * stop.
 *
 * The checkpoint lists every log with its segments and its partition's state, so that starting with thousands of
 * partitions reads one file. It is made void durably before anything is appended; a start without one reads the
 * directories (store_open.c). docs/formats/segment.md. */
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/store/store_internal.h"

#define CHECKPOINT_MAGIC      0x504b43454c4c494dULL /* "MILLECKP" */
#define CHECKPOINT_VERSION    1
#define CHECKPOINT_VOID       0 /* in place of the version: the store is in use, or was not stopped cleanly */
#define CHECKPOINT_HEAD_BYTES 32
#define KNOWN_SEGMENT_BYTES   ((size_t)STORE_SEGMENT_HEADER_BYTES + 48)
#define KNOWN_HEAD_BYTES      ((size_t)56)

/* --- one log ----------------------------------------------------------------------------------------------------- */

void store__known_free(struct store_known *known)
{
    if (known != NULL) {
        mem_free(MEM_STORE, known->name);
        mem_free(MEM_STORE, known->state);
        mem_free(MEM_STORE, known);
    }
}

void store__known_forget(struct store *store, const char *name)
{
    store__known_free(map_remove(&store->known, view_text(name)));
}

static void known_insert(struct store *store, const char *name, uint8_t *state, size_t len)
{
    struct store_known *known = mem_alloc(MEM_STORE, sizeof(*known));

    known->name = mem_copy_text(MEM_STORE, view_text(name));
    known->state = state;
    known->state_len = len;
    store__known_free(map_put(&store->known, view_text(name), known));
}

/* The next opening reads the directory. */
void store__known_unread(struct store *store, const char *name)
{
    known_insert(store, name, NULL, 0);
}

static void known_put_segment(uint8_t *at, const struct store_segment *segment)
{
    store__segment_header_encode(&segment->header, at);
    at += STORE_SEGMENT_HEADER_BYTES;
    store_le64(at, segment->end_position);
    store_le64(at + 8, (uint64_t)segment->end_offset);
    store_le64(at + 16, (uint64_t)segment->max_timestamp_ms);
    store_le64(at + 24, segment->next_sequence);
    store_le64(at + 32, segment->allocated_bytes);
    store_le64(at + 40, segment->rolled);
}

void store__known_put(struct store_log *log, struct view snapshot)
{
    uint32_t count = log->segment_count;
    size_t   len;
    uint8_t *state;

    while (count > 0 && !log->segments[count - 1]->exists) {
        count--; /* rolled to, and never made: nothing is in it */
    }
    len = KNOWN_HEAD_BYTES + count * KNOWN_SEGMENT_BYTES + snapshot.len;
    state = mem_alloc(MEM_STORE, len);

    memcpy(state, log->topic_id.bytes, sizeof(log->topic_id.bytes));
    store_le32(state + 16, (uint32_t)log->partition);
    store_le32(state + 20, count);
    store_le64(state + 24, (uint64_t)log->start_offset);
    store_le64(state + 32, (uint64_t)log->end_offset);
    store_le32(state + 40, log->next_number);
    store_le64(state + 48, (uint64_t)snapshot.len);
    for (uint32_t i = 0; i < count; i++) {
        known_put_segment(state + KNOWN_HEAD_BYTES + i * KNOWN_SEGMENT_BYTES, log->segments[i]);
    }
    if (snapshot.len > 0) {
        memcpy(state + len - snapshot.len, snapshot.base, snapshot.len);
    }
    known_insert(log->store, log->name, state, len);
}

static int known_get_segment(struct store_log *log, const uint8_t *at, struct store_segment **out_segment)
{
    struct store_segment_header header;
    struct store_segment       *segment;

    if (store__segment_header_decode(view_of(at, STORE_SEGMENT_HEADER_BYTES), &header) != ERR_OK ||
        header.block_bytes != log->store->block_bytes) {
        return ERR_CORRUPT;
    }
    segment = store__segment_new(log, header.number);
    segment->header = header;
    segment->exists = true;
    at += STORE_SEGMENT_HEADER_BYTES;
    segment->end_position = load_le64(at);
    segment->end_offset = (int64_t)load_le64(at + 8);
    segment->max_timestamp_ms = (int64_t)load_le64(at + 16);
    segment->next_sequence = load_le64(at + 24);
    segment->allocated_bytes = load_le64(at + 32);
    segment->rolled = load_le64(at + 40) != 0 || header.state == STORE_SEGMENT_SEALED;
    *out_segment = segment;
    return ERR_OK;
}

int store__known_restore(struct store_log *log, const struct store_known *known, struct view *out_snapshot)
{
    const uint8_t *state = known->state;
    uint64_t       count, snapshot_len;

    if (known->state_len < KNOWN_HEAD_BYTES || memcmp(state, log->topic_id.bytes, sizeof(log->topic_id.bytes)) != 0 ||
        (int32_t)load_le32(state + 16) != log->partition) {
        return ERR_CORRUPT;
    }
    count = load_le32(state + 20);
    snapshot_len = load_le64(state + 48);
    if (count > (known->state_len - KNOWN_HEAD_BYTES) / KNOWN_SEGMENT_BYTES ||
        snapshot_len != known->state_len - KNOWN_HEAD_BYTES - count * KNOWN_SEGMENT_BYTES) {
        return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct store_segment *segment;

        if (known_get_segment(log, state + KNOWN_HEAD_BYTES + i * KNOWN_SEGMENT_BYTES, &segment) != ERR_OK) {
            return ERR_CORRUPT;
        }
        store__log_add_segment(log, segment);
    }
    log->start_offset = (int64_t)load_le64(state + 24);
    log->end_offset = log->durable_end = (int64_t)load_le64(state + 32);
    log->next_number = load_le32(state + 40);
    log->directory_exists = count > 0;
    *out_snapshot = view_of(state + known->state_len - snapshot_len, (size_t)snapshot_len);
    return ERR_OK;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

/* head: magic, version, crc over what follows, count, bytes; then per log: name length, state length, name, state */
static uint8_t *checkpoint_encode(struct store *store, size_t *out_len)
{
    size_t   len = CHECKPOINT_HEAD_BYTES;
    size_t   at = CHECKPOINT_HEAD_BYTES;
    uint8_t *content;

    MAP_EACH(&store->known, entry) {
        const struct store_known *known = entry->value;

        len += 8 + strlen(known->name) + known->state_len;
    }
    content = mem_alloc(MEM_STORE, len);
    MAP_EACH(&store->known, entry) {
        const struct store_known *known = entry->value;
        size_t                    name_len = strlen(known->name);

        store_le32(content + at, (uint32_t)name_len);
        store_le32(content + at + 4, (uint32_t)known->state_len);
        memcpy(content + at + 8, known->name, name_len);
        if (known->state_len > 0) {
            memcpy(content + at + 8 + name_len, known->state, known->state_len);
        }
        at += 8 + name_len + known->state_len;
    }
    store_le64(content, CHECKPOINT_MAGIC);
    store_le32(content + 8, CHECKPOINT_VERSION);
    store_le64(content + 16, map_count(&store->known));
    store_le64(content + 24, len);
    store_le32(content + 12, crc32c_update(0, content + 16, len - 16));
    *out_len = len;
    return content;
}

/* A checkpoint that says: not stopped cleanly. Into job->bytes. */
void store__checkpoint_void(struct store_job *job)
{
    job->len = CHECKPOINT_HEAD_BYTES;
    job->bytes = mem_alloc(MEM_STORE, job->len);
    store_le64(job->bytes, CHECKPOINT_MAGIC);
    store_le32(job->bytes + 8, CHECKPOINT_VOID);
}

int store__checkpoint_load(struct store *store, struct view content)
{
    size_t   at = CHECKPOINT_HEAD_BYTES;
    uint64_t count;

    if (content.len == CHECKPOINT_HEAD_BYTES && load_le64(content.base) == CHECKPOINT_MAGIC &&
        load_le32(content.base + 8) == CHECKPOINT_VOID) {
        return ERR_NOT_FOUND;
    }
    if (content.len < CHECKPOINT_HEAD_BYTES || load_le64(content.base) != CHECKPOINT_MAGIC ||
        load_le32(content.base + 8) != CHECKPOINT_VERSION || load_le64(content.base + 24) != content.len ||
        load_le32(content.base + 12) != crc32c_update(0, content.base + 16, content.len - 16)) {
        slog_warn("store", "%s/%s is damaged: every log is read back instead", store->directory, STORE_CHECKPOINT_NAME);
        return ERR_CORRUPT;
    }
    count = load_le64(content.base + 16);
    for (uint64_t i = 0; i < count; i++) {
        size_t   name_len, state_len;
        char    *name;
        uint8_t *state = NULL;

        if (content.len - at < 8) {
            return ERR_CORRUPT;
        }
        name_len = load_le32(content.base + at);
        state_len = load_le32(content.base + at + 4);
        at += 8;
        if (name_len > content.len - at || state_len > content.len - at - name_len) {
            return ERR_CORRUPT;
        }
        name = mem_copy_text(MEM_STORE, view_of(content.base + at, name_len));
        if (state_len > 0) {
            state = mem_alloc(MEM_STORE, state_len);
            memcpy(state, content.base + at + name_len, state_len);
        }
        known_insert(store, name, state, state_len);
        mem_free(MEM_STORE, name);
        at += name_len + state_len;
    }
    return ERR_OK;
}

/* --- clean stop -------------------------------------------------------------------------------------------------- */

static void close_step_done(void *context, int result)
{
    struct store_job *job = context;

    job->task.result = result;
    store__task_resume(&job->task);
}

static void close_run(struct store_task *task)
{
    struct store_job *job = CONTAINER_OF(task, struct store_job, task);
    struct store     *store = job->store;
    store_done_fn    *done = store->close_done;

    TASK_BEGIN(task);
    job->error = list_empty(&store->held_list) && store->journal_ready
                     ? ERR_OK
                     : ERR_BUSY; /* then the journal is still needed: an unclean stop */
    if (job->error == ERR_OK) {
        store__journal_release(store);
    }
    TASK_AWAIT(task, store_journal_close(store->journal, close_step_done, job));
    if (job->error == ERR_OK && task->result == ERR_OK) {
        job->bytes = checkpoint_encode(store, &job->len);
        job->path = store__path(store->directory, STORE_CHECKPOINT_NAME);
        TASK_AWAIT(task, io_file_replace(store->io, &task->file, job->path, view_of(job->bytes, job->len),
                                         store__task_file_done));
    }
    store->close_done = NULL;
    store__job_end(job);
    done(store->close_context, ERR_OK);
    return;
    TASK_END;
}

void store_close(struct store *store, store_done_fn *done, void *context)
{
    CHECK(!store->closing);
    store->closing = true;
    store->close_done = done;
    store->close_context = context;
    timer_disarm(store->shard->timers, &store->tick);
    timer_disarm(store->shard->timers, &store->retention_timer);
    timer_disarm(store->shard->timers, &store->compact_timer);
    LIST_EACH(&store->logs, node) {
        struct store_log *log = LIST_ENTRY(node, struct store_log, link);

        if (!log->closing) {
            store_log_close(log, NULL, NULL);
        }
    }
    store__doom_run(store);
    store__close_kick(store);
}

void store__close_kick(struct store *store)
{
    if (!store->closing || store->close_done == NULL || !list_empty(&store->logs) || store->side_jobs > 0 ||
        store->journal_resetting || !io_op_idle(&store->turn)) {
        return;
    }
    if (!list_empty(&store->doomed)) {
        store__doom_run(store);
        return;
    }
    store__job_start(store__job_new(store, NULL, NULL, close_run));
}
