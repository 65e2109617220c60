/* An input's batches to records.
 *
 * A read's slices are held while its batches are walked; records point into them, or, of compressed batches, into one
 * of two arenas: the batch that a pull leaves half done stays in its arena while the next pull inflates into the other.
 * Small batches are gathered until a vector is full or the read is through.
 *
 * Left out: control batches; records below the position (a batch is read whole); and, where committed data is read,
 * batches of transactions that were aborted. */
#include "compute/job/job_source.h"

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

/* Another may read now. */
static void read_close(struct job_input *input)
{
    struct job_sources *sources = input->sources;
    struct list_node   *node = list_pop_front(&sources->crowded);

    part_read_release(&input->read);
    CHECK(sources->reads_open > 0);
    sources->reads_open--;
    if (node != NULL) {
        job__input_turn(LIST_ENTRY(node, struct job_input, link));
    }
}

void job__input_release(struct job_input *input)
{
    if (input->has_read) {
        input->has_read = false;
        read_close(input);
        input->in_batch = false;
        input->rest = (struct view){0};
    }
}

static bool read_failed(struct job_input *input)
{
    const char *why = kp_error_name(input->read.error);

    if (input->read.error == KP_ERR_OFFSET_OUT_OF_RANGE) {
        why = "the offset is gone: retention has removed what was not read yet";
    } else if (input->read.error == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        why = "the topic has been deleted";
    } else if (input->read.error == 0) {
        why = "the partition cannot be read";
    }
    job__input_failed(input, input->next_offset, why);
    read_close(input);
    return false;
}

/* The slices are there. */
static bool read_take(struct job_input *input)
{
    if (input->read.error != 0 || input->read.store.next_offset <= input->next_offset) {
        return read_failed(input);
    }
    input->has_read = true;
    input->in_batch = false;
    input->slice = 0;
    input->rest = input->read.store.slice_count > 0 ? input->read.store.slices[0] : (struct view){0};
    return true;
}

static void read_done(struct part_read *read)
{
    struct job_input   *input = read->user;
    struct job_sources *sources = input->sources;

    if (sources->stopping) {
        read_close(input);
    } else {
        (void)read_take(input);
        job__input_turn(input);
        sources->ready(sources->context);
    }
    job__sources_home(sources);
}

/* False: the sources have failed. The input has slices, waits, or reads. */
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
        return true;
    }
    if (input->sources->reads_open >= JOB_READS_MAX) {
        input->state = JOB_INPUT_CROWDED;
        list_push_back(&input->sources->crowded, &input->link);
        return true;
    }
    input->sources->reads_open++;
    arena_reset(&input->read_arena);
    input->read = (struct part_read){.offset = input->next_offset,
                                     .bytes_max = JOB_READ_BYTES,
                                     .at_least_one = true,
                                     .committed = input->scan->committed,
                                     .arena = &input->read_arena,
                                     .done = read_done,
                                     .user = input};
    input->state = JOB_INPUT_READING;
    if (!part_read(part, &input->read)) {
        input->sources->under_way++;
        return true;
    }
    input->state = JOB_INPUT_READY;
    return read_take(input);
}

/* --- batches --------------------------------------------------------------------------------------------------------
 */

static bool is_aborted(const struct job_input *input, const struct rec_batch *batch)
{
    if (!input->scan->committed || (batch->attributes & REC_ATTR_TRANSACTIONAL) == 0) {
        return false;
    }
    for (int32_t i = 0; i < input->read.aborted_count; i++) {
        const struct part_aborted *aborted = &input->read.aborted[i];

        if (aborted->producer_id == batch->producer_id && aborted->first_offset <= batch->base_offset &&
            batch->base_offset <= aborted->last_offset) {
            return true;
        }
    }
    return false;
}

static bool batch_open(struct job_input *input, const struct rec_batch *batch, size_t *inflated_bytes)
{
    struct view records = {0};
    int         result;

    result = rec_inflate(batch, JOB_INFLATE_BYTES, &input->inflated[input->iter_arena], &records);
    if (result != ERR_OK) {
        job__input_failed(input, batch->base_offset,
                          result == ERR_LIMIT ? "the batch is longer than 64 MiB when it is inflated"
                                              : "the batch cannot be inflated");
        return false;
    }
    *inflated_bytes += batch->codec == REC_NONE ? 0 : records.len;
    rec_iter_init(&input->iter, batch, records);
    input->in_batch = true;
    return true;
}

/* The next batch with records that count. False: failed. None left: !in_batch and the slices are through. */
static bool batch_next(struct job_input *input, size_t *inflated_bytes)
{
    while (!input->in_batch) {
        struct rec_batch batch;

        if (input->rest.len == 0) {
            if (input->slice + 1 >= input->read.store.slice_count) {
                input->next_offset = MAX(input->next_offset, input->read.store.next_offset);
                return true;
            }
            input->rest = input->read.store.slices[++input->slice];
            continue;
        }
        if (rec_batch_parse(input->rest, &batch) != ERR_OK) {
            job__input_failed(input, input->next_offset, "the batch is damaged");
            return false;
        }
        input->rest = view_of(input->rest.base + batch.bytes.len, input->rest.len - batch.bytes.len);
        if (rec_batch_last_offset(&batch) < input->next_offset) {
            continue;
        }
        if (batch.base_offset >= input->stop_offset) {
            input->next_offset = input->stop_offset;
            return true;
        }
        if ((batch.attributes & REC_ATTR_CONTROL) != 0 || is_aborted(input, &batch)) {
            input->next_offset = rec_batch_last_offset(&batch) + 1;
        } else if (!batch_open(input, &batch, inflated_bytes)) {
            return false;
        }
    }
    return true;
}

static void record_add(struct job_input *input, const struct rec_record *record)
{
    struct job_records *records = &input->sources->records;
    size_t              at = records->count++;

    records->values[at] = record->value;
    records->keys[at] = record->key;
    records->offsets[at] = record->offset;
    records->timestamps_ms[at] = record->timestamp_ms;
    records->leader_epochs[at] = input->iter.batch.leader_epoch;
    records->time_kinds[at] =
        (input->iter.batch.attributes & REC_ATTR_LOG_APPEND_TIME) != 0 ? JOB_TIME_APPEND : JOB_TIME_CREATE;
    records->bytes += record->key.len + record->value.len;
}

/* Records of the batch at hand, until `record_max` are gathered. */
static bool batch_walk(struct job_input *input, size_t record_max)
{
    struct job_records *records = &input->sources->records;

    while (records->count < record_max && input->next_offset < input->stop_offset) {
        struct rec_record record;
        int               result = rec_iter_next(&input->iter, &record);

        if (result < 0) {
            job__input_failed(input, input->next_offset, "the batch is damaged");
            return false;
        }
        if (result == 0) {
            input->next_offset = MAX(input->next_offset, rec_batch_last_offset(&input->iter.batch) + 1);
            input->in_batch = false;
            break;
        }
        if (record.offset >= input->stop_offset) {
            input->next_offset = input->stop_offset;
        } else if (record.offset >= input->next_offset) {
            record_add(input, &record);
            input->next_offset = record.offset + 1;
        }
    }
    return true;
}

bool job__input_gather(struct job_input *input, size_t record_max)
{
    struct job_records *records = &input->sources->records;
    size_t              inflated_bytes = 0;

    records->count = 0;
    records->bytes = 0;
    if (!input->has_read && input->next_offset < input->stop_offset && !read_begin(input)) {
        return false;
    }
    if (!input->has_read || input->state != JOB_INPUT_READY) {
        return true;
    }
    if (input->in_batch && !batch_walk(input, record_max)) {
        return false;
    }
    if (!input->in_batch) {
        input->iter_arena ^= 1;
    }
    while (records->count < record_max && inflated_bytes < JOB_GATHER_BYTES &&
           input->next_offset < input->stop_offset) {
        if (!batch_next(input, &inflated_bytes)) {
            return false;
        }
        if (!input->in_batch) {
            break;
        }
        if (!batch_walk(input, record_max)) {
            return false;
        }
    }
    return true;
}

/* The records of the last gathering are dead: so is what only they pointed to. */
void job__input_let_go(struct job_input *input)
{
    arena_reset(&input->inflated[input->iter_arena ^ 1]);
    if (!input->in_batch) {
        arena_reset(&input->inflated[input->iter_arena]);
        if (input->has_read && input->rest.len == 0 && input->slice + 1 >= input->read.store.slice_count) {
            input->next_offset = MAX(input->next_offset, input->read.store.next_offset);
            job__input_release(input);
        }
    }
}
