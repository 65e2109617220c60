/* cli_dump_side.c: what stands beside segments: indexes, snapshots, the checkpoint. */
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/store/store_index.h"
#include "tools/cli/cli_dump.h"

#define INDEX_HEADER_BYTES      72
#define INDEX_ENTRY_BYTES       16
#define INDEX_MAGIC             0x58444e49U /* "INDX" */
#define SNAPSHOT_HEAD_BYTES     ((size_t)40)
#define SNAPSHOT_VERSIONS       2                     /* from 1 */
#define SNAPSHOT_MAGIC          0x50414e534c4c494dULL /* "MILLSNAP" */
#define STATE_MAGIC             0x5350524dU           /* "MRPS" */
#define STATE_HEAD_BYTES        ((size_t)28)
#define STATE_EPOCH_BYTES       ((size_t)12)
#define STATE_PRODUCER_BYTES    ((size_t)40)
#define STATE_BATCH_BYTES       ((size_t)32)
#define STATE_ABORTED_BYTES     ((size_t)32)
#define CHECKPOINT_MAGIC        0x504b43454c4c494dULL /* "MILLECKP" */
#define CHECKPOINT_HEAD_BYTES   ((size_t)32)
#define CHECKPOINT_LOG_BYTES    ((size_t)56)
#define CHECKPOINT_SEGMENT_MORE ((size_t)48)
#define IMAGE_MAGIC             0x50414e534154454dULL /* "METASNAP" */
#define IMAGE_HEAD_BYTES        ((size_t)40)
#define FILE_BYTES_MAX          ((uint64_t)(1 * GIB))

static struct view side_read(struct dump *dump, struct dump_source *source)
{
    const char *why = NULL;
    struct view file = {0};

    dump->counts.files++;
    if (source->size > FILE_BYTES_MAX) {
        dump_damage(dump, 0, "%" PRIu64 " bytes are too many for a file of this kind", source->size);
        return view_of("", 0);
    }
    file = dump_read(source, 0, (size_t)source->size, &why);
    if (file.len < source->size) {
        dump_damage(dump, file.len, "cannot be read: %s", why == NULL ? "it ends early" : why);
    }
    return file;
}

/* --- index ------------------------------------------------------------------------------------------------------- */

static void index_entries(struct dump *dump, struct view file, int64_t base_offset, uint32_t block, uint32_t count)
{
    for (uint32_t i = 0; i < count && !dump_stopped(dump); i++) {
        size_t at = INDEX_HEADER_BYTES + (size_t)i * INDEX_ENTRY_BYTES;

        if (at + INDEX_ENTRY_BYTES > file.len) {
            dump_damage(dump, at, "entries %u to %u are missing", i, count - 1);
            return;
        }
        dump_begin(dump, 1, "index_entry");
        dump_number(dump, "offset", (int64_t)((uint64_t)base_offset + load_le32(file.base + at)));
        dump_number(dump, "position", (int64_t)((uint64_t)load_le32(file.base + at + 4) * block));
        dump_time(dump, "max_timestamp", (int64_t)load_le64(file.base + at + 8));
        dump_end(dump);
    }
}

void dump_index(struct dump *dump, struct dump_source *source, const struct store_segment_header *segment)
{
    struct view                 file = side_read(dump, source);
    struct store_index_identity identity;
    struct store_index         *index = NULL;
    int                         result;

    if (file.len < INDEX_HEADER_BYTES || load_le32(file.base) != INDEX_MAGIC) {
        dump_damage(dump, 0, "no index");
        return;
    }
    identity = (struct store_index_identity){.segment_id = load_le64(file.base + 8),
                                             .generation = load_le32(file.base + 16),
                                             .block_bytes = load_le32(file.base + 20),
                                             .base_offset = (int64_t)load_le64(file.base + 24),
                                             .end_position = load_le64(file.base + 32),
                                             .end_offset = (int64_t)load_le64(file.base + 40)};
    dump_begin(dump, 0, "index");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "base_offset", identity.base_offset);
    dump_number(dump, "end_offset", identity.end_offset);
    dump_number(dump, "end_position", (int64_t)identity.end_position);
    dump_number(dump, "interval", load_le32(file.base + 56));
    dump_number(dump, "entries", load_le32(file.base + 60));
    dump_end(dump);
    result = store_index_decode(file, &identity, &index);
    if (result != ERR_OK) {
        dump_damage(dump, 0, "the index is not consistent: %s; it is rebuilt when it is needed", err_text(result));
    }
    store_index_destroy(index);
    if (segment != NULL &&
        (segment->segment_id != identity.segment_id || segment->generation != identity.generation ||
         segment->end_position != identity.end_position || segment->end_offset != identity.end_offset)) {
        dump_damage(dump, 0, "the index belongs to another state of the segment; it is rebuilt when it is needed");
    }
    if (dump->depth >= DUMP_FRAMES) {
        index_entries(dump, file, identity.base_offset, identity.block_bytes, load_le32(file.base + 60));
    }
}

/* --- a partition's state ----------------------------------------------------------------------------------------- */

/* The next `bytes` of the state, or NULL. */
static const uint8_t *state_take(struct view *rest, size_t bytes)
{
    const uint8_t *from = rest->base;

    if (rest->len < bytes) {
        return NULL;
    }
    rest->base += bytes;
    rest->len -= bytes;
    return from;
}

static bool state_epochs(struct dump *dump, struct view *rest, uint32_t count)
{
    for (uint32_t i = 0; i < count && !dump_stopped(dump); i++) {
        const uint8_t *from = state_take(rest, STATE_EPOCH_BYTES);

        if (from == NULL) {
            return false;
        }
        dump_begin(dump, 1, "leader_epoch");
        dump_number(dump, "epoch", (int32_t)load_le32(from));
        dump_number(dump, "start_offset", (int64_t)load_le64(from + 4));
        dump_end(dump);
    }
    return true;
}

static bool state_producer(struct dump *dump, struct view *rest)
{
    const uint8_t *from = state_take(rest, STATE_PRODUCER_BYTES);
    uint16_t       batches = from == NULL ? 0 : load_le16(from + 38);

    if (from == NULL || rest->len < batches * STATE_BATCH_BYTES) {
        return false;
    }
    dump_begin(dump, 1, "producer");
    dump_number(dump, "producer_id", (int64_t)load_le64(from));
    dump_number(dump, "epoch", (int16_t)load_le16(from + 36));
    dump_time(dump, "last_timestamp", (int64_t)load_le64(from + 8));
    dump_time(dump, "last_append", (int64_t)load_le64(from + 16));
    dump_number(dump, "open_from", (int64_t)load_le64(from + 24));
    dump_number(dump, "coordinator_epoch", (int32_t)load_le32(from + 32));
    dump_number(dump, "batches", batches);
    dump_end(dump);
    for (uint16_t i = 0; i < batches; i++) {
        from = state_take(rest, STATE_BATCH_BYTES);
        dump_begin(dump, 2, "producer_batch");
        dump_number(dump, "first_sequence", (int32_t)load_le32(from));
        dump_number(dump, "last_sequence", (int32_t)load_le32(from + 4));
        dump_number(dump, "first_offset", (int64_t)load_le64(from + 8));
        dump_number(dump, "last_offset", (int64_t)load_le64(from + 16));
        dump_time(dump, "timestamp", (int64_t)load_le64(from + 24));
        dump_end(dump);
    }
    return true;
}

static bool state_aborted(struct dump *dump, struct view *rest, uint32_t count)
{
    for (uint32_t i = 0; i < count && !dump_stopped(dump); i++) {
        const uint8_t *from = state_take(rest, STATE_ABORTED_BYTES);

        if (from == NULL) {
            return false;
        }
        dump_begin(dump, 1, "aborted_transaction");
        dump_number(dump, "producer_id", (int64_t)load_le64(from));
        dump_number(dump, "first_offset", (int64_t)load_le64(from + 8));
        dump_number(dump, "last_offset", (int64_t)load_le64(from + 16));
        dump_number(dump, "stable_offset", (int64_t)load_le64(from + 24));
        dump_end(dump);
    }
    return true;
}

/* What core/part wrote. */
static void side_state(struct dump *dump, struct view state, size_t position)
{
    struct view rest;
    bool        good = true;
    uint32_t    producers;

    if (state.len < STATE_HEAD_BYTES + 4 || load_le32(state.base) != STATE_MAGIC ||
        load_le32(state.base + state.len - 4) != crc32c_update(0, state.base, state.len - 4)) {
        dump_damage(dump, position, "the partition's state is damaged; the log is read instead");
        return;
    }
    producers = load_le32(state.base + 16);
    dump_begin(dump, 1, "state");
    dump_number(dump, "version", load_le16(state.base + 4));
    dump_number(dump, "state_offset", (int64_t)load_le64(state.base + 8));
    dump_number(dump, "producers", producers);
    dump_number(dump, "leader_epochs", load_le32(state.base + 20));
    dump_end(dump);
    if (load_le16(state.base + 4) != 2 || dump->depth < DUMP_FRAMES) {
        return; /* another version is passed over by the broker, too */
    }
    rest = view_of(state.base + STATE_HEAD_BYTES, state.len - STATE_HEAD_BYTES - 4);
    good = state_epochs(dump, &rest, load_le32(state.base + 20));
    for (uint32_t i = 0; good && i < producers && !dump_stopped(dump); i++) {
        good = state_producer(dump, &rest);
    }
    if (!good || !state_aborted(dump, &rest, load_le32(state.base + 24))) {
        dump_damage(dump, position, "the partition's state ends early");
    }
}

void dump_snapshot(struct dump *dump, struct dump_source *source, const struct store_segment_header *segment)
{
    struct view file = side_read(dump, source);

    if (file.len < SNAPSHOT_HEAD_BYTES || load_le64(file.base) != SNAPSHOT_MAGIC ||
        load_le32(file.base + 12) - 1 >= SNAPSHOT_VERSIONS ||
        load_le64(file.base + 32) != file.len - SNAPSHOT_HEAD_BYTES ||
        load_le32(file.base + 8) != crc32c_update(0, file.base + 12, file.len - 12)) {
        dump_damage(dump, 0, "the snapshot is damaged; the log is read instead");
        return;
    }
    dump_begin(dump, 0, "snapshot");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "offset", (int64_t)load_le64(file.base + 24));
    dump_number(dump, "bytes", (int64_t)load_le64(file.base + 32));
    dump_end(dump);
    if (segment != NULL && segment->segment_id != load_le64(file.base + 16)) {
        dump_damage(dump, 0, "the snapshot belongs to another segment; the log is read instead");
    }
    side_state(dump, view_of(file.base + SNAPSHOT_HEAD_BYTES, file.len - SNAPSHOT_HEAD_BYTES), SNAPSHOT_HEAD_BYTES);
}

/* --- the metadata's snapshot ------------------------------------------------------------------------------------- */

void dump_image(struct dump *dump, struct dump_source *source)
{
    struct view file = side_read(dump, source);

    if (file.len < IMAGE_HEAD_BYTES || load_le64(file.base) != IMAGE_MAGIC || load_le32(file.base + 8) != 1 ||
        load_le64(file.base + 24) != file.len - IMAGE_HEAD_BYTES ||
        load_le32(file.base + 12) != crc32c_update(0, file.base + 16, file.len - 16)) {
        dump_damage(dump, 0, "the snapshot of the metadata is damaged");
        return;
    }
    dump_begin(dump, 0, "metadata_snapshot");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "end_offset", (int64_t)load_le64(file.base + 16));
    dump_number(dump, "records", (int64_t)load_le64(file.base + 32));
    dump_end(dump);
    dump_batches(dump, 1, view_of(file.base + IMAGE_HEAD_BYTES, file.len - IMAGE_HEAD_BYTES), IMAGE_HEAD_BYTES);
}

/* --- checkpoint -------------------------------------------------------------------------------------------------- */

static void checkpoint_segments(struct dump *dump, struct view state, uint64_t count)
{
    for (uint64_t i = 0; i < count && !dump_stopped(dump); i++) {
        const uint8_t *at =
            state.base + CHECKPOINT_LOG_BYTES + i * (STORE_SEGMENT_HEADER_BYTES + CHECKPOINT_SEGMENT_MORE);
        struct store_segment_header header;

        if (store__segment_header_decode(view_of(at, STORE_SEGMENT_HEADER_BYTES), &header) != ERR_OK) {
            dump_damage(dump, (uint64_t)(at - state.base), "segment %" PRIu64 " of a log is not valid", i);
            continue;
        }
        dump_begin(dump, 2, "checkpoint_segment");
        dump_number(dump, "number", header.number);
        dump_number(dump, "base_offset", header.base_offset);
        dump_number(dump, "end_offset", (int64_t)load_le64(at + STORE_SEGMENT_HEADER_BYTES + 8));
        dump_number(dump, "end_position", (int64_t)load_le64(at + STORE_SEGMENT_HEADER_BYTES));
        dump_end(dump);
    }
}

static void checkpoint_log(struct dump *dump, struct view name, struct view state)
{
    uint64_t segments, snapshot_len, segment_bytes = STORE_SEGMENT_HEADER_BYTES + CHECKPOINT_SEGMENT_MORE;

    dump_begin(dump, 1, "checkpoint_log");
    dump_view(dump, "directory", name);
    if (state.len == 0) {
        dump_text(dump, "known", "no: its directory is read");
        dump_end(dump);
        return;
    }
    if (state.len < CHECKPOINT_LOG_BYTES) {
        dump_end(dump);
        dump_damage(dump, 0, "the state of a log is too short");
        return;
    }
    segments = load_le32(state.base + 20);
    snapshot_len = load_le64(state.base + 48);
    dump_number(dump, "partition", (int32_t)load_le32(state.base + 16));
    dump_number(dump, "segments", (int64_t)segments);
    dump_number(dump, "start_offset", (int64_t)load_le64(state.base + 24));
    dump_number(dump, "end_offset", (int64_t)load_le64(state.base + 32));
    dump_end(dump);
    if (segments > (state.len - CHECKPOINT_LOG_BYTES) / segment_bytes ||
        snapshot_len != state.len - CHECKPOINT_LOG_BYTES - segments * segment_bytes) {
        dump_damage(dump, 0, "the state of a log has wrong lengths");
        return;
    }
    if (dump->depth >= DUMP_FRAMES) {
        checkpoint_segments(dump, state, segments);
    }
    if (snapshot_len > 0) {
        side_state(dump, view_of(state.base + state.len - snapshot_len, (size_t)snapshot_len), 0);
    }
}

void dump_checkpoint(struct dump *dump, struct dump_source *source)
{
    struct view file = side_read(dump, source);
    size_t      at = CHECKPOINT_HEAD_BYTES;
    uint64_t    count;

    if (file.len < CHECKPOINT_HEAD_BYTES || load_le64(file.base) != CHECKPOINT_MAGIC) {
        dump_damage(dump, 0, "no checkpoint; every log is read back");
        return;
    }
    dump_begin(dump, 0, "checkpoint");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "version", load_le32(file.base + 8));
    dump_bool(dump, "clean", load_le32(file.base + 8) != 0);
    dump_number(dump, "logs", (int64_t)load_le64(file.base + 16));
    dump_end(dump);
    if (load_le32(file.base + 8) == 0) {
        return; /* in use, or not stopped cleanly */
    }
    if (load_le64(file.base + 24) != file.len ||
        load_le32(file.base + 12) != crc32c_update(0, file.base + 16, file.len - 16)) {
        dump_damage(dump, 0, "the checkpoint is damaged; every log is read back");
        return;
    }
    count = load_le64(file.base + 16);
    for (uint64_t i = 0; i < count && !dump_stopped(dump); i++) {
        size_t name_len = file.len - at < 8 ? 0 : load_le32(file.base + at);
        size_t state_len = file.len - at < 8 ? 0 : load_le32(file.base + at + 4);

        if (file.len - at < 8 || name_len > file.len - at - 8 || state_len > file.len - at - 8 - name_len) {
            dump_damage(dump, at, "log %" PRIu64 " does not fit", i);
            return;
        }
        checkpoint_log(dump, view_of(file.base + at + 8, name_len), view_of(file.base + at + 8 + name_len, state_len));
        at += 8 + name_len + state_len;
    }
}
