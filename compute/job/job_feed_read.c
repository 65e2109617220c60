/* A reader: a partition's batches to records.
 *
 * A read's slices are held while its batches are walked; records point into them, or, of compressed batches, into
 * texts. A chunk holds what its records point at: the read, the text of the batch that the chunk before left half
 * done, and one for all batches inflated since. Small batches are gathered until a vector is full or the read is
 * through.
 *
 * Left out: control batches; records below the position (a batch is read whole); and, where committed data is read,
 * batches of transactions that were aborted. */
#include "compute/job/job_source.h"

/* --- what records point into ----------------------------------------------------------------------------------------
 */

void job__read_release(struct job_read *read)
{
    if (read != NULL && --read->refs == 0) {
        part_read_release(&read->read);
        arena_deinit(&read->arena);
        mem_free(MEM_JOB, read);
    }
}

static struct job_text *text_get(struct job_feeds *feeds)
{
    struct list_node *node = list_pop_front(&feeds->texts_idle);
    struct job_text  *text;

    if (node != NULL) {
        text = LIST_ENTRY(node, struct job_text, idle);
    } else {
        text = mem_alloc(MEM_JOB, sizeof(*text));
        text->feeds = feeds;
        list_init(&text->idle);
        arena_init(&text->arena, MEM_JOB, 64 * KIB, JOB_INFLATE_BYTES * 4);
    }
    text->refs = 1;
    return text;
}

void job__text_release(struct job_text *text)
{
    if (text != NULL && --text->refs == 0) {
        arena_reset(&text->arena);
        list_push_front(&text->feeds->texts_idle, &text->idle);
    }
}

/* --- waiting --------------------------------------------------------------------------------------------------------
 */

static void input_more(struct part_waiter *waiter)
{
    struct job_input *input = CONTAINER_OF(waiter, struct job_input, waiter);

    part_unwait(waiter);
    if (input->state == JOB_INPUT_WAITING) {
        job__input_turn(input);
        input->sources->ready(input->sources->context);
    }
}

static void input_wait(struct job_input *input, struct part *part)
{
    input->state = JOB_INPUT_WAITING;
    input->waiter.ready = input_more;
    part_wait(part, &input->waiter);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

/* Its opener has one read less: another may read now. */
void job__reader_uncount(struct job_reader *reader)
{
    struct job_sources *sources = reader->opener->sources;
    struct list_node   *node = list_pop_front(&sources->crowded);

    reader->opener = NULL;
    CHECK(sources->reads_open > 0);
    sources->reads_open--;
    if (node != NULL) {
        job__input_turn(LIST_ENTRY(node, struct job_input, link));
    }
}

void job__reader_close(struct job_reader *reader)
{
    struct job_read *read = reader->read;

    if (read == NULL) {
        return;
    }
    CHECK(!read->under_way);
    reader->read = NULL;
    reader->in_batch = false;
    reader->rest = (struct view){0};
    job__text_release(reader->text);
    reader->text = NULL;
    job__read_release(read);
    if (reader->opener != NULL) {
        job__reader_uncount(reader);
    }
}

static bool read_failed(struct job_input *input, const struct part_read *read)
{
    const char *why = kp_error_name(read->error);

    if (read->error == KP_ERR_OFFSET_OUT_OF_RANGE) {
        why = "the offset is gone: retention has removed what was not read yet";
    } else if (read->error == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        why = "the topic has been deleted";
    } else if (read->error == 0) {
        why = "the partition cannot be read";
    }
    job__input_failed(input, input->next_offset, why);
    job__reader_close(input->reader);
    return false;
}

/* The slices are there. */
static bool read_arrived(struct job_input *input)
{
    struct job_reader      *reader = input->reader;
    const struct part_read *read = &reader->read->read;

    if (read->error != 0 || read->store.next_offset <= reader->position) {
        return read_failed(input, read);
    }
    reader->arrived = true;
    reader->in_batch = false;
    reader->slice = 0;
    reader->rest = read->store.slice_count > 0 ? read->store.slices[0] : (struct view){0};
    return true;
}

static void wait_for_read(struct job_input *input)
{
    input->state = JOB_INPUT_READING;
    list_push_back(&input->reader->waiting, &input->link);
    input->sources->under_way++;
}

static struct job_pace *reader_pace(const struct job_reader *reader)
{
    return &reader->feed->format->feeds->jobs->pace;
}

/* Tells those who wait. */
static void read_over(struct job_read *read)
{
    struct job_reader *reader = read->reader;
    struct list_node  *node;

    read->under_way = false;
    reader->refs++; /* the last of those who wait may go */
    while ((node = list_pop_front(&reader->waiting)) != NULL) {
        struct job_input   *input = LIST_ENTRY(node, struct job_input, link);
        struct job_sources *sources = input->sources;

        if (!sources->stopping) {
            job__input_turn(input);
            sources->ready(sources->context);
        }
        job__sources_home(sources);
    }
    job__reader_release(reader);
}

static void read_done(struct part_read *part_read)
{
    struct job_read *read = part_read->user;

    job__pace_leave(reader_pace(read->reader), PACE_READS, &read->pace);
    read_over(read);
}

/* Its turn has come. */
static void read_go(struct job_pace_io *io)
{
    struct job_read   *read = CONTAINER_OF(io, struct job_read, pace);
    struct job_reader *reader = read->reader;
    struct job_feed   *feed = reader->feed;
    struct job_shard  *jobs = feed->format->feeds->jobs;
    struct part       *part = part_find_id(jobs->options.parts, feed->topic_id, feed->partition);

    read->read.bytes_max = job__pace_urgent(&jobs->pace) ? PACE_READ_BYTES : JOB_READ_BYTES;
    if (part != NULL && !part_read(part, &read->read)) {
        return;
    }
    if (part == NULL) {
        read->read.error = KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    job__pace_leave(&jobs->pace, PACE_READS, io);
    if (read->opening) {
        read->under_way = false;
    } else {
        read_over(read);
    }
}

static void read_open(struct job_input *input)
{
    struct job_reader *reader = input->reader;
    struct job_read   *read = mem_alloc(MEM_JOB, sizeof(*read));

    input->sources->reads_open++;
    reader->opener = input;
    reader->read = read;
    reader->arrived = false;
    read->refs = 1;
    read->reader = reader;
    arena_init(&read->arena, MEM_JOB, 4 * KIB, 16 * MIB);
    read->read = (struct part_read){.offset = reader->position,
                                    .at_least_one = true,
                                    .committed = input->scan->committed,
                                    .arena = &read->arena,
                                    .done = read_done,
                                    .user = read};
    read->under_way = true;
    read->pace = (struct job_pace_io){.bytes = JOB_READ_BYTES, .go = read_go};
    read->opening = true;
    job__pace_enter(reader_pace(reader), PACE_READS, &read->pace);
    read->opening = false;
}

/* False: the input has failed. The reader has slices, or some are on their way, or the input waits. */
static bool read_begin(struct job_input *input)
{
    struct part *part = job__input_part(input);
    int64_t      end;

    if (part == NULL) {
        job__input_failed(input, input->next_offset, "the topic has been deleted");
        return false;
    }
    end = input->scan->committed ? part_last_stable_offset(part) : part_high_watermark(part);
    if (input->next_offset >= end && part_ready(part) && part_online(part)) {
        input_wait(input, part);
    } else if (input->sources->reads_open >= JOB_READS_MAX) {
        input->state = JOB_INPUT_CROWDED;
        list_push_back(&input->sources->crowded, &input->link);
    } else {
        read_open(input);
    }
    return true;
}

bool job__reader_ready(struct job_input *input, bool *out_ready)
{
    struct job_reader *reader = input->reader;

    *out_ready = false;
    if (reader->read == NULL && input->next_offset < input->stop_offset && !read_begin(input)) {
        return false;
    }
    if (reader->read == NULL) {
        return true;
    }
    if (reader->read->under_way) {
        wait_for_read(input);
        return true;
    }
    *out_ready = true;
    return reader->arrived || read_arrived(input);
}

/* --- batches --------------------------------------------------------------------------------------------------------
 */

static bool is_aborted(const struct job_reader *reader, const struct rec_batch *batch)
{
    const struct part_read *read = &reader->read->read;

    if (!reader->feed->committed || (batch->attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return false;
    }
    for (int32_t i = 0; i < read->aborted_count; i++) {
        const struct part_aborted *aborted = &read->aborted[i];

        if (aborted->producer_id == batch->producer_id && aborted->first_offset <= batch->base_offset &&
            batch->base_offset <= aborted->last_offset) {
            return true;
        }
    }
    return false;
}

/* Records of one chunk. */
struct gathering {
    struct job_input  *input;
    struct job_reader *reader;
    struct job_chunk  *chunk;
    size_t             record_max;
    size_t             inflated_bytes;
};

static bool batch_open(struct gathering *gathering, const struct rec_batch *batch)
{
    struct job_reader *reader = gathering->reader;
    struct job_text  **text = &gathering->chunk->texts[1];
    struct view        records = {0};
    int                result;

    if (batch->codec != REC_NONE && *text == NULL) {
        *text = text_get(reader->feed->format->feeds);
    }
    result = rec_inflate(batch, JOB_INFLATE_BYTES, batch->codec == REC_NONE ? NULL : &(*text)->arena, &records);
    if (result != ERR_OK) {
        job__input_failed(gathering->input, batch->base_offset,
                          result == ERR_LIMIT ? "the batch is longer than 64 MiB when it is inflated"
                                              : "the batch cannot be inflated");
        return false;
    }
    if (batch->codec != REC_NONE) {
        gathering->inflated_bytes += records.len;
        (*text)->refs++;
        reader->text = *text;
    }
    rec_iter_init(&reader->iter, batch, records);
    reader->in_batch = true;
    return true;
}

static void batch_close(struct job_reader *reader)
{
    reader->in_batch = false;
    job__text_release(reader->text);
    reader->text = NULL;
}

/* The next batch with records that count. False: failed. None: !in_batch, and the slices are through, or what follows
 * is behind the input's end. */
static bool batch_next(struct gathering *gathering)
{
    struct job_reader       *reader = gathering->reader;
    const struct store_read *store = &reader->read->read.store;

    while (!reader->in_batch) {
        struct rec_batch batch;

        if (reader->rest.len == 0) {
            if (reader->slice + 1 >= store->slice_count) {
                return true;
            }
            reader->rest = store->slices[++reader->slice];
            continue;
        }
        if (rec_batch_parse(reader->rest, &batch) != ERR_OK) {
            job__input_failed(gathering->input, reader->position, "the batch is damaged");
            return false;
        }
        if (batch.base_offset >= gathering->input->stop_offset) {
            reader->position = gathering->input->stop_offset;
            return true;
        }
        reader->rest = view_of(reader->rest.base + batch.bytes.len, reader->rest.len - batch.bytes.len);
        if (rec_batch_last_offset(&batch) < reader->position) {
            continue;
        }
        if ((batch.attributes & REC_ATTR_CONTROL) != 0 || is_aborted(reader, &batch)) {
            reader->position = rec_batch_last_offset(&batch) + 1;
        } else if (!batch_open(gathering, &batch)) {
            return false;
        }
    }
    return true;
}

static void record_add(struct gathering *gathering, const struct rec_record *record)
{
    const struct rec_batch *batch = &gathering->reader->iter.batch;
    struct job_records     *records = &gathering->chunk->records;
    size_t                  at = records->count++;

    records->values[at] = record->value;
    records->keys[at] = record->key;
    records->offsets[at] = record->offset;
    records->timestamps_ms[at] = record->timestamp_ms;
    records->leader_epochs[at] = batch->leader_epoch;
    records->time_kinds[at] = (batch->attributes & REC_ATTR_LOG_APPEND_TIME) != 0 ? JOB_TIME_APPEND : JOB_TIME_CREATE;
    records->bytes += record->key.len + record->value.len;
}

/* As many as one chunk's decoding takes. */
static bool has_room(const struct gathering *gathering)
{
    return gathering->chunk->records.count < gathering->record_max &&
           gathering->chunk->records.bytes < FORMAT_CHUNK_BYTES &&
           gathering->reader->position < gathering->input->stop_offset;
}

/* Records of the batch at hand. One that is behind the input's end is left to others. */
static bool batch_walk(struct gathering *gathering)
{
    struct job_reader *reader = gathering->reader;

    while (has_room(gathering)) {
        struct view       rest = reader->iter.rest;
        int32_t           index = reader->iter.index;
        struct rec_record record;
        int               result = rec_iter_next(&reader->iter, &record);

        if (result < 0) {
            job__input_failed(gathering->input, reader->position, "the batch is damaged");
            return false;
        }
        if (result == 0) {
            reader->position = MAX(reader->position, rec_batch_last_offset(&reader->iter.batch) + 1);
            batch_close(reader);
            break;
        }
        if (record.offset >= gathering->input->stop_offset) {
            reader->iter.rest = rest;
            reader->iter.index = index;
            reader->position = gathering->input->stop_offset;
        } else if (record.offset >= reader->position) {
            record_add(gathering, &record);
            reader->position = record.offset + 1;
        }
    }
    return true;
}

static bool is_through(const struct job_reader *reader)
{
    return !reader->in_batch && reader->rest.len == 0 && reader->slice + 1 >= reader->read->read.store.slice_count;
}

bool job__reader_gather(struct job_input *input, size_t record_max, struct job_chunk *chunk)
{
    struct job_reader *reader = input->reader;
    struct gathering   gathering = {.input = input, .reader = reader, .chunk = chunk, .record_max = record_max};

    reader->read->refs++;
    chunk->read = reader->read;
    if (reader->text != NULL) {
        reader->text->refs++;
        chunk->texts[0] = reader->text;
    }
    if (reader->in_batch && !batch_walk(&gathering)) {
        return false;
    }
    while (has_room(&gathering) && gathering.inflated_bytes < JOB_GATHER_BYTES) {
        if (!batch_next(&gathering)) {
            return false;
        }
        if (!reader->in_batch) {
            break;
        }
        if (!batch_walk(&gathering)) {
            return false;
        }
    }
    if (is_through(reader)) {
        reader->position = MAX(reader->position, reader->read->read.store.next_offset);
        job__reader_close(reader);
    }
    return true;
}
