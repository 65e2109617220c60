/* Records of `__millrace_jobs`; see job_record.h. */
#include "compute/job/job_record.h"

#include "core/proto/kp_entries.h"
#include "core/proto/kp_table.h"

#define VERSION 0

/* --- writing -------------------------------------------------------------------------------------------------------
 */

typedef void write_fn(struct kp_writer *writer, const void *in);

#define WRITER(name)                                                   \
    static void write_##name(struct kp_writer *writer, const void *in) \
    {                                                                  \
        kp_##name##_write(writer, VERSION, in);                        \
    }
#define KEY_WRITER(name)                                                     \
    static void write_##name##_key(struct kp_writer *writer, const void *in) \
    {                                                                        \
        kp_##name##_key_write(writer, in);                                   \
    }

KEY_WRITER(job_object)
KEY_WRITER(job_definition)
KEY_WRITER(job_commit)
KEY_WRITER(job_savepoint)
WRITER(job_object_value)
WRITER(job_definition_value)
WRITER(job_commit_value)
WRITER(job_savepoint_value)

static bool encode(struct arena *arena, write_fn *write, const void *in, struct view *out)
{
    struct kp_writer writer;
    struct span      place;

    kp_writer_init_measure(&writer);
    write(&writer, in);
    place = span_of(arena_alloc(arena, writer.bytes_total), writer.bytes_total);
    if (place.base == NULL || writer.error != ERR_OK) {
        return false;
    }
    kp_writer_init_span(&writer, place);
    write(&writer, in);
    *out = view_of(place.base, writer.bytes_total);
    return writer.error == ERR_OK;
}

static bool write_definition(struct arena *arena, const struct job_definition *definition, struct view *out)
{
    struct kp_job_definition_value value;

    kp_job_definition_value_init(&value);
    value.name = definition->name;
    value.script = definition->script;
    value.statement = definition->statement;
    value.wanted = (int8_t)definition->wanted;
    value.status = (int8_t)definition->status;
    value.worker_count = (int32_t)definition->worker_count;
    value.first_producer_id = definition->first_producer_id;
    value.producer_epoch = definition->producer_epoch;
    value.incarnation = (int32_t)definition->incarnation;
    value.restarts = (int64_t)definition->restarts;
    value.created_ms = definition->created_ms;
    value.start_ms = definition->start_ms;
    value.end_ms = definition->end_ms;
    value.failure = definition->failure;
    value.failure_ms = definition->failure_ms;
    value.from_savepoint = definition->from_savepoint;
    value.log_id = definition->log_id;
    return encode(arena, write_job_definition_value, &value, out);
}

static bool commit_rows(struct arena *arena, const struct job_share *share, struct kp_job_commit_value *value)
{
    value->sources = arena_alloc_array(arena, share->source_count, sizeof(*value->sources));
    value->states = arena_alloc_array(arena, share->state_count, sizeof(*value->states));
    value->sinks = arena_alloc_array(arena, share->sink_count, sizeof(*value->sinks));
    if (value->sources == NULL || value->states == NULL || value->sinks == NULL) {
        return false;
    }
    value->sources_count = (int32_t)share->source_count;
    value->states_count = (int32_t)share->state_count;
    value->sinks_count = (int32_t)share->sink_count;
    for (size_t i = 0; i < share->source_count; i++) {
        const struct job_source_position *from = &share->sources[i];

        value->sources[i] = (struct kp_job_commit_value_sources){.source = (int32_t)from->source,
                                                                 .topic_id = from->topic_id,
                                                                 .partition = from->partition,
                                                                 .next_offset = from->next_offset,
                                                                 .stop_offset = from->stop_offset,
                                                                 .ended = from->ended};
    }
    for (size_t i = 0; i < share->state_count; i++) {
        const struct job_state_range *from = &share->states[i];

        value->states[i] = (struct kp_job_commit_value_states){
            .worker = (int32_t)from->worker, .first = from->first, .end_offset = from->end};
    }
    for (size_t i = 0; i < share->sink_count; i++) {
        const struct job_sink_range *from = &share->sinks[i];

        value->sinks[i] = (struct kp_job_commit_value_sinks){.topic_id = from->topic_id,
                                                             .partition = from->partition,
                                                             .producer_id = from->producer_id,
                                                             .producer_epoch = from->producer_epoch,
                                                             .first_offset = from->first_offset,
                                                             .last_offset = from->last_offset};
    }
    return true;
}

static bool write_commit(struct arena *arena, const struct job_commit *commit, struct view *out)
{
    struct kp_job_commit_value value;

    kp_job_commit_value_init(&value);
    value.epoch = commit->epoch;
    value.incarnation = (int32_t)commit->incarnation;
    value.commit_ms = commit->commit_ms;
    value.duration_ms = commit->duration_ms;
    value.finished = commit->finished;
    return commit_rows(arena, &commit->share, &value) && encode(arena, write_job_commit_value, &value, out);
}

static bool write_object(struct arena *arena, const struct job_record *record, struct view *out)
{
    struct kp_job_object_value value;

    kp_job_object_value_init(&value);
    value.position = record->object.position;
    value.statement = record->object.statement;
    return encode(arena, write_job_object_value, &value, out);
}

static bool write_savepoint(struct arena *arena, const struct job_record *record, struct view *out)
{
    struct kp_job_savepoint_value value;

    kp_job_savepoint_value_init(&value);
    value.id = record->savepoint.id;
    value.created_ms = record->savepoint.created_ms;
    value.definition = record->savepoint.definition;
    value.commit = record->savepoint.commit;
    return encode(arena, write_job_savepoint_value, &value, out);
}

bool job__record_write(struct arena *arena, const struct job_record *record, struct view *out_key,
                       struct view *out_value)
{
    struct kp_job_object_key     object = {.name = record->key};
    struct kp_job_definition_key definition = {.id = record->key};
    struct kp_job_commit_key     commit = {.id = record->key};
    struct kp_job_savepoint_key  savepoint = {.name = record->key};

    *out_value = (struct view){0};
    switch (record->kind) {
    case JOB_RECORD_OBJECT:
        return encode(arena, write_job_object_key, &object, out_key) &&
               (record->tombstone || write_object(arena, record, out_value));
    case JOB_RECORD_DEFINITION:
        return encode(arena, write_job_definition_key, &definition, out_key) &&
               (record->tombstone || write_definition(arena, &record->definition, out_value));
    case JOB_RECORD_COMMIT:
        return encode(arena, write_job_commit_key, &commit, out_key) &&
               (record->tombstone || write_commit(arena, &record->commit, out_value));
    case JOB_RECORD_SAVEPOINT:
        return encode(arena, write_job_savepoint_key, &savepoint, out_key) &&
               (record->tombstone || write_savepoint(arena, record, out_value));
    default:
        CHECK(false);
    }
    return false;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

bool job__record_definition(struct arena *arena, struct view bytes, struct job_definition *out)
{
    struct kp_job_definition_value value;
    struct kp_reader               reader;

    kp_reader_init(&reader, bytes, arena);
    if (kp_job_definition_value_read(&reader, &value) != ERR_OK || value.wanted < 0 ||
        value.wanted >= JOB_WANTED_COUNT || value.status < 0 || value.status >= JOB_STATUS_COUNT ||
        value.worker_count < 1 || value.worker_count > EXEC_WORKERS_MAX || value.first_producer_id < 0 ||
        value.log_id.len >= JOB_ID_TEXT_BYTES || value.producer_epoch < 0 || value.incarnation < 0 ||
        value.restarts < 0) {
        return false;
    }
    *out = (struct job_definition){.name = value.name,
                                   .script = value.script,
                                   .statement = value.statement,
                                   .wanted = (enum job_wanted)value.wanted,
                                   .status = (enum job_status)value.status,
                                   .worker_count = (uint32_t)value.worker_count,
                                   .first_producer_id = value.first_producer_id,
                                   .producer_epoch = value.producer_epoch,
                                   .incarnation = (uint32_t)value.incarnation,
                                   .restarts = (uint64_t)value.restarts,
                                   .created_ms = value.created_ms,
                                   .start_ms = value.start_ms,
                                   .end_ms = value.end_ms,
                                   .failure = value.failure,
                                   .failure_ms = value.failure_ms,
                                   .from_savepoint = value.from_savepoint,
                                   .log_id = value.log_id};
    return true;
}

static bool read_sources(struct arena *arena, const struct kp_job_commit_value *value, struct job_share *share)
{
    share->source_count = (size_t)value->sources_count;
    share->sources = arena_alloc_array(arena, share->source_count, sizeof(*share->sources));
    for (size_t i = 0; share->sources != NULL && i < share->source_count; i++) {
        const struct kp_job_commit_value_sources *from = &value->sources[i];

        if (from->source < 0 || from->partition < 0 || from->next_offset < 0 || from->stop_offset < 0) {
            return false;
        }
        share->sources[i] = (struct job_source_position){.source = (uint32_t)from->source,
                                                         .topic_id = from->topic_id,
                                                         .partition = from->partition,
                                                         .next_offset = from->next_offset,
                                                         .stop_offset = from->stop_offset,
                                                         .ended = from->ended};
    }
    return share->sources != NULL;
}

static bool read_states(struct arena *arena, const struct kp_job_commit_value *value, struct job_share *share)
{
    share->state_count = (size_t)value->states_count;
    share->states = arena_alloc_array(arena, share->state_count, sizeof(*share->states));
    for (size_t i = 0; share->states != NULL && i < share->state_count; i++) {
        const struct kp_job_commit_value_states *from = &value->states[i];

        if (from->worker < 0 || from->worker >= EXEC_WORKERS_MAX || from->first < 0 || from->end_offset < from->first) {
            return false;
        }
        share->states[i] =
            (struct job_state_range){.worker = (uint32_t)from->worker, .first = from->first, .end = from->end_offset};
    }
    return share->states != NULL;
}

static bool read_sinks(struct arena *arena, const struct kp_job_commit_value *value, struct job_share *share)
{
    share->sink_count = (size_t)value->sinks_count;
    share->sinks = arena_alloc_array(arena, share->sink_count, sizeof(*share->sinks));
    for (size_t i = 0; share->sinks != NULL && i < share->sink_count; i++) {
        const struct kp_job_commit_value_sinks *from = &value->sinks[i];

        if (from->partition < 0 || from->producer_id < 0 || from->producer_epoch < 0) {
            return false;
        }
        share->sinks[i] = (struct job_sink_range){.topic_id = from->topic_id,
                                                  .partition = from->partition,
                                                  .producer_id = from->producer_id,
                                                  .producer_epoch = from->producer_epoch,
                                                  .first_offset = from->first_offset,
                                                  .last_offset = from->last_offset};
    }
    return share->sinks != NULL;
}

bool job__record_commit(struct arena *arena, struct view bytes, struct job_commit *out)
{
    struct kp_job_commit_value value;
    struct kp_reader           reader;

    kp_reader_init(&reader, bytes, arena);
    if (kp_job_commit_value_read(&reader, &value) != ERR_OK || value.epoch < 0 || value.incarnation < 0) {
        return false;
    }
    *out = (struct job_commit){.epoch = value.epoch,
                               .incarnation = (uint32_t)value.incarnation,
                               .commit_ms = value.commit_ms,
                               .duration_ms = value.duration_ms,
                               .finished = value.finished,
                               .share = {.epoch = value.epoch, .finished = value.finished}};
    return read_sources(arena, &value, &out->share) && read_states(arena, &value, &out->share) &&
           read_sinks(arena, &value, &out->share);
}

static bool read_object(struct arena *arena, struct view bytes, struct job_record *out)
{
    struct kp_job_object_value value;
    struct kp_reader           reader;

    kp_reader_init(&reader, bytes, arena);
    if (kp_job_object_value_read(&reader, &value) != ERR_OK) {
        return false;
    }
    out->object.position = value.position;
    out->object.statement = value.statement;
    return true;
}

static bool read_savepoint(struct arena *arena, struct view bytes, struct job_record *out)
{
    struct kp_job_savepoint_value value;
    struct kp_reader              reader;

    kp_reader_init(&reader, bytes, arena);
    if (kp_job_savepoint_value_read(&reader, &value) != ERR_OK) {
        return false;
    }
    out->savepoint.id = value.id;
    out->savepoint.created_ms = value.created_ms;
    out->savepoint.definition = value.definition;
    out->savepoint.commit = value.commit;
    return true;
}

/* The type is known, its key is read; the value, if any, decides. */
static bool read_value(struct arena *arena, struct view value, struct job_record *out)
{
    if (out->tombstone) {
        return true;
    }
    switch (out->kind) {
    case JOB_RECORD_OBJECT:
        return read_object(arena, value, out);
    case JOB_RECORD_DEFINITION:
        return job__record_definition(arena, value, &out->definition);
    case JOB_RECORD_COMMIT:
        return job__record_commit(arena, value, &out->commit);
    default:
        return read_savepoint(arena, value, out);
    }
}

static bool read_key(struct kp_reader *reader, int16_t type, struct job_record *out)
{
    struct kp_job_object_key key; /* all four are one text */

    static const enum job_record_kind kinds[] = {[KP_ENTRY_JOB_OBJECT] = JOB_RECORD_OBJECT,
                                                 [KP_ENTRY_JOB_DEFINITION] = JOB_RECORD_DEFINITION,
                                                 [KP_ENTRY_JOB_COMMIT] = JOB_RECORD_COMMIT,
                                                 [KP_ENTRY_JOB_SAVEPOINT] = JOB_RECORD_SAVEPOINT};

    out->kind = kinds[type];
    if (kp_job_object_key_decode(reader, 0, &key) != ERR_OK) {
        return false;
    }
    out->key = key.name;
    return key.name.len > 0 &&
           (out->kind == JOB_RECORD_OBJECT || out->kind == JOB_RECORD_SAVEPOINT || key.name.len < JOB_ID_TEXT_BYTES);
}

void job__record_read(struct arena *arena, struct view key, struct view value, struct job_record *out_record)
{
    struct kp_reader reader;
    int16_t          type, version;

    *out_record = (struct job_record){.kind = JOB_RECORD_OTHER, .tombstone = value.base == NULL};
    kp_reader_init(&reader, key, arena);
    type = kp_read_int16(&reader);
    if (reader.error == ERR_OK && kp_entry_find(KP_ENTRY_LOG_JOBS, type) == NULL) {
        return;
    }
    if (reader.error == ERR_OK && value.base != NULL && value.len >= 2) {
        struct kp_reader version_reader;

        kp_reader_init(&version_reader, value, NULL);
        version = kp_read_int16(&version_reader);
        if (version > VERSION) {
            return;
        }
    }
    if (reader.error != ERR_OK || !read_key(&reader, type, out_record) || !read_value(arena, value, out_record)) {
        out_record->kind = JOB_RECORD_DAMAGED;
    }
}

/* --- shares --------------------------------------------------------------------------------------------------------
 */

static void *copied(const void *from, size_t count, size_t bytes)
{
    void *to = count == 0 ? NULL : mem_alloc(MEM_JOB, count * bytes);

    if (count > 0) {
        memcpy(to, from, count * bytes);
    }
    return to;
}

struct job_share *job__share_copy(const struct job_share *share)
{
    struct job_share *copy = mem_alloc(MEM_JOB, sizeof(*copy));

    *copy = *share;
    copy->sources = copied(share->sources, share->source_count, sizeof(*share->sources));
    copy->states = copied(share->states, share->state_count, sizeof(*share->states));
    copy->sinks = copied(share->sinks, share->sink_count, sizeof(*share->sinks));
    return copy;
}
