/* The sources of one worker: life, turns, positions. See job_source.h. */
#include "compute/job/job_source.h"

#include <stdarg.h>
#include <stdio.h>

#define PULL_NS          (300 * NS_PER_US) /* of a chunk that has to be decoded */
#define PULL_RECORDS_MIN 128

/* --- failure --------------------------------------------------------------------------------------------------------
 */

/* The first is kept. Returns false. */
bool job__sources_fail(struct job_sources *sources, const char *format, ...)
{
    va_list arguments;

    if (sources->failure[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(sources->failure, sizeof(sources->failure), format, arguments);
        va_end(arguments);
    }
    return false;
}

void job__input_failed(struct job_input *input, int64_t offset, const char *why)
{
    (void)job__sources_fail(input->sources, "topic %.*s, partition %d, offset %" PRId64 ": %s", (int)input->topic.len,
                            (const char *)input->topic.base, input->partition, offset, why);
}

const char *job__sources_failure(const struct job_sources *sources)
{
    return sources->failure[0] == '\0' ? NULL : sources->failure;
}

struct view job__table_name(const struct job_scan *scan)
{
    return scan->plan->table->name;
}

/* NULL: its topic has been deleted. */
struct part *job__input_part(const struct job_input *input)
{
    return part_find_id(input->sources->jobs->options.parts, input->topic_id, input->partition);
}

/* --- life -----------------------------------------------------------------------------------------------------------
 */

struct job_sources *job__sources_create(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                        void (*ready)(void *context), void *context)
{
    struct job_sources *sources = mem_alloc(MEM_JOB, sizeof(*sources));

    sources->jobs = jobs;
    sources->run = run;
    sources->worker = worker;
    sources->exec = exec_job_worker(run->exec, worker);
    sources->ready = ready;
    sources->context = context;
    list_init(&sources->turns);
    list_init(&sources->crowded);
    arena_init(&sources->arena, MEM_JOB, 16 * KIB, SIZE_MAX);
    arena_init(&sources->rows, MEM_JOB, 64 * KIB, SIZE_MAX);
    return sources;
}

static void input_destroy(struct job_input *input)
{
    list_remove(&input->link);
    job__feed_leave(input);
    part_unwait(&input->waiter);
    part_unkeep(&input->keep);
    mem_free(MEM_JOB, input);
}

void job__sources_destroy(struct job_sources *sources)
{
    if (sources == NULL) {
        return;
    }
    CHECK(sources->under_way == 0);
    for (size_t i = 0; i < sources->input_count; i++) {
        input_destroy(sources->inputs[i]);
    }
    for (uint32_t i = 0; i < sources->scan_count; i++) {
        job__shape_release(sources->scans[i].shape);
    }
    mem_free(MEM_JOB, sources->inputs);
    arena_deinit(&sources->rows);
    arena_deinit(&sources->arena);
    mem_free(MEM_JOB, sources);
}

void job__sources_stop(struct job_sources *sources)
{
    sources->stopping = true;
    for (size_t i = 0; i < sources->input_count; i++) {
        part_unwait(&sources->inputs[i]->waiter);
    }
}

bool job__sources_idle(const struct job_sources *sources)
{
    return sources->under_way == 0;
}

void job__sources_home(struct job_sources *sources)
{
    CHECK(sources->under_way > 0);
    sources->under_way--;
    if (sources->stopping && sources->under_way == 0) {
        sources->ready(sources->context);
    }
}

/* --- turns ----------------------------------------------------------------------------------------------------------
 */

void job__input_turn(struct job_input *input)
{
    input->state = JOB_INPUT_READY;
    if (input->reader != NULL &&
        input->reader->read != NULL) { /* what it holds is worked off first: few hold memory at a time */
        list_push_front(&input->sources->turns, &input->link);
    } else {
        list_push_back(&input->sources->turns, &input->link);
    }
}

void job__sources_open(struct job_sources *sources)
{
    for (size_t i = 0; i < sources->input_count; i++) {
        exec_worker_open(sources->exec, sources->inputs[i]->scan->plan->scan->id, sources->inputs[i]->number);
    }
}

static bool input_end(struct job_input *input)
{
    struct job_sources *sources = input->sources;

    input->state = JOB_INPUT_ENDED;
    sources->ended_count++;
    return exec_worker_end(sources->exec, input->scan->plan->scan->id, input->number);
}

static void input_keep(struct job_input *input, int64_t offset);

bool job__sources_end_old(struct job_sources *sources)
{
    for (size_t i = 0; i < sources->input_count; i++) {
        struct job_input *input = sources->inputs[i];

        if (input->next_offset < input->stop_offset) {
            input_keep(input, input->next_offset);
            job__input_turn(input);
        } else if (!input_end(input)) {
            return false;
        }
    }
    return true;
}

/* Where a row that the engine could not take came from, as far as that is known. base: the chunk's row that was pushed
 * as row 0. */
static void push_failed(struct job_input *input, const struct job_chunk *chunk, uint32_t base)
{
    const struct exec_failure *failure = exec_job_failure(input->sources->run->exec);

    if (failure == NULL) {
        (void)job__sources_fail(input->sources, "the job has failed");
    } else if (chunk != NULL && failure->has_row && failure->scan == input->scan->plan->scan->id &&
               failure->partition == input->number) {
        job__input_failed(input, job__chunk_offset(chunk, base + failure->row), failure->message);
    } else {
        (void)job__sources_fail(input->sources, "%s", failure->message);
    }
}

/* --- chunks ---------------------------------------------------------------------------------------------------------
 */

/* The first row at or behind the offset. */
static uint32_t row_at(const struct job_chunk *chunk, int64_t offset)
{
    uint32_t low = 0, high = chunk->rows.chunk.row_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (job__chunk_offset(chunk, middle) < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where a push of about row_max rows from `from` on ends: between two records, and, so that the next begins with a
 * word of the validity, at a multiple of 64. */
static uint32_t cut_at(const struct job_chunk *chunk, uint32_t from, uint32_t to, size_t row_max)
{
    const uint32_t *record = chunk->rows.record;

    for (uint64_t row = align_up(from + MAX(row_max, 64), 64); row + 64 < to; row += 64) {
        if (record[row] != record[row - 1]) {
            return (uint32_t)row;
        }
    }
    return to;
}

static bool rows_push(struct job_input *input, const struct job_chunk *chunk, uint32_t from, uint32_t to)
{
    struct vec_chunk rows;
    uint32_t         base;

    if (from == to) {
        return true;
    }
    job__input_rows(input, chunk, from, to, &rows, &base);
    if (rows.selected_count > 0 &&
        !exec_worker_push(input->sources->exec, input->scan->plan->scan->id, input->number, &rows)) {
        push_failed(input, chunk, base);
        return false;
    }
    return true;
}

/* Records [from, to) of the chunk have been pushed. */
static void count_records(struct job_sources *sources, const struct job_chunk *chunk, size_t from, size_t to, bool own)
{
    const struct job_records *records = &chunk->records;
    uint64_t                  bytes = from == 0 && to == records->count ? records->bytes : 0;

    for (size_t i = from; bytes == 0 && i < to; i++) {
        bytes += records->keys[i].len + records->values[i].len;
    }
    __atomic_store_n(&sources->records_in, sources->records_in + (to - from), __ATOMIC_RELAXED);
    __atomic_store_n(&sources->bytes_in, sources->bytes_in + bytes, __ATOMIC_RELAXED);
    if (!own) {
        __atomic_store_n(&sources->records_shared, sources->records_shared + (to - from), __ATOMIC_RELAXED);
    }
}

static size_t record_at(const struct job_records *records, int64_t offset)
{
    size_t low = 0, high = records->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (records->offsets[middle] < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* As much of it as the input has not had, may have and has time for. */
static bool part_push(struct job_input *input, const struct job_chunk *chunk, size_t row_max, bool own)
{
    int64_t  next = MIN(chunk->next, MAX(input->stop_offset, input->next_offset));
    uint32_t from = row_at(chunk, input->next_offset), to = row_at(chunk, next);
    size_t   first = record_at(&chunk->records, input->next_offset);
    uint32_t end = own ? to : cut_at(chunk, from, to, row_max);

    if (!rows_push(input, chunk, from, end)) {
        return false;
    }
    input->next_offset = end == to ? next : job__chunk_offset(chunk, end);
    count_records(input->sources, chunk, first, record_at(&chunk->records, input->next_offset), own);
    return true;
}

/* Records that give more rows than a chunk has room for are worked off piece by piece. */
static bool pieces_push(struct job_input *input, struct job_chunk *chunk)
{
    while (rows_push(input, chunk, 0, chunk->rows.chunk.row_count)) {
        size_t piece = chunk->piece + chunk->rows.record_count;

        if (piece >= chunk->records.count) {
            input->next_offset = chunk->next;
            count_records(input->sources, chunk, 0, chunk->records.count, true);
            return true;
        }
        if (!job__chunk_decode(chunk, piece)) {
            job__input_failed(input, chunk->records.offsets[chunk->failed_record], chunk->failure);
            return false;
        }
    }
    return false;
}

static void learn(int64_t *cost_ns, uint64_t records, int64_t took_ns)
{
    if (records >= PULL_RECORDS_MIN && took_ns > 0) {
        int64_t one_ns = took_ns / (int64_t)records + 1;

        *cost_ns = *cost_ns == 0 ? one_ns : (*cost_ns * 7 + one_ns) / 8;
    }
}

static bool chunk_push(struct job_input *input, struct job_chunk *chunk, size_t row_max, bool own)
{
    struct job_sources *sources = input->sources;
    struct io          *io = job__io(sources->jobs);
    int64_t             began_ns = io_clock_ns(io);
    uint64_t            before = sources->records_in;

    if (!(job__chunk_is_whole(chunk) ? part_push(input, chunk, row_max, own) : pieces_push(input, chunk))) {
        return false;
    }
    learn(&sources->push_ns, sources->records_in - before, io_clock_ns(io) - began_ns);
    return true;
}

/* Most chunks may be others': what one costs that is not is remembered by itself. */
static size_t own_records_max(const struct job_sources *sources, size_t record_max)
{
    int64_t cost_ns = sources->decode_ns + sources->push_ns;

    return sources->decode_ns == 0
               ? record_max
               : (size_t)MIN((int64_t)record_max, MAX(PULL_NS / cost_ns, (int64_t)PULL_RECORDS_MIN));
}

static bool input_pull(struct job_input *input, size_t record_max, bool *out_did)
{
    struct job_sources *sources = input->sources;
    struct io          *io = job__io(sources->jobs);
    int64_t             began_ns = io_clock_ns(io);
    struct job_chunk   *chunk;
    bool                own, good = true;

    if (!job__feed_take(input, own_records_max(sources, record_max), &chunk, &own)) {
        return false;
    }
    if (chunk != NULL) {
        *out_did = true;
        if (own) {
            learn(&sources->decode_ns, chunk->records.count, io_clock_ns(io) - began_ns);
        }
        good = chunk_push(input, chunk, record_max, own);
        job__chunk_release(chunk);
        job__feed_sweep(input->feed);
    }
    if (!good || input->state != JOB_INPUT_READY) {
        return good;
    }
    *out_did = true;
    if (input->next_offset < input->stop_offset) {
        job__input_turn(input);
        return true;
    }
    job__input_release(input);
    if (!input_end(input)) {
        push_failed(input, NULL, 0);
        return false;
    }
    return true;
}

enum job_pulled job__sources_pull(struct job_sources *sources, size_t record_max)
{
    struct list_node *node;
    bool              did = false;

    CHECK(record_max > 0 && record_max <= VEC_ROWS_MAX);
    while (!did && (node = list_pop_front(&sources->turns)) != NULL) {
        if (!input_pull(LIST_ENTRY(node, struct job_input, link), record_max, &did)) {
            return JOB_PULLED_FAILED;
        }
    }
    if (did) {
        return JOB_PULLED_ROWS;
    }
    if (sources->failure[0] != '\0') { /* from a read that came home */
        return JOB_PULLED_FAILED;
    }
    return sources->ended_count == sources->input_count ? JOB_PULLED_ENDED : JOB_PULLED_NOTHING;
}

/* --- what is known --------------------------------------------------------------------------------------------------
 */

void job__sources_positions(struct job_sources *sources, struct job_share *share)
{
    share->source_count = sources->input_count;
    share->sources = mem_alloc(MEM_JOB, sources->input_count * sizeof(*share->sources));
    for (size_t i = 0; i < sources->input_count; i++) {
        struct job_input *input = sources->inputs[i];

        input->barrier_offset = input->next_offset;
        share->sources[i] = (struct job_source_position){.source = input->scan->index,
                                                         .topic_id = input->topic_id,
                                                         .partition = input->partition,
                                                         .next_offset = input->next_offset,
                                                         .stop_offset = input->stop_offset,
                                                         .ended = input->state == JOB_INPUT_ENDED};
    }
}

/* Retention leaves what lies above the offset, within limits. */
static void input_keep(struct job_input *input, int64_t offset)
{
    const struct meta *meta = input->sources->jobs->options.meta;
    struct part       *part = job__input_part(input);

    if (part == NULL || input->state == JOB_INPUT_ENDED) {
        part_unkeep(&input->keep);
        return;
    }
    input->keep.bytes_max = meta_broker_int(meta, "millrace.job.hold.bytes");
    input->keep.ms_max = meta_broker_int(meta, "millrace.job.hold.ms");
    part_keep(part, &input->keep, offset);
}

void job__sources_committed(struct job_sources *sources)
{
    for (size_t i = 0; i < sources->input_count; i++) {
        input_keep(sources->inputs[i], sources->inputs[i]->barrier_offset);
    }
}

uint64_t job__sources_pending(const struct job_sources *sources)
{
    uint64_t pending = 0;

    for (size_t i = 0; i < sources->input_count; i++) {
        const struct job_input *input = sources->inputs[i];
        const struct part      *part = job__input_part(input);
        int64_t                 end = part == NULL ? 0 : MIN(part_high_watermark(part), input->stop_offset);

        pending += (uint64_t)MAX(end - input->next_offset, 0);
    }
    return pending;
}

static size_t count_inputs(const struct job_sources *sources, const struct job_scan *scan, struct uuid topic_id)
{
    size_t count = 0;

    for (size_t i = 0; i < sources->input_count; i++) {
        count += sources->inputs[i]->scan == scan && uuid_equal(sources->inputs[i]->topic_id, topic_id);
    }
    return count;
}

struct view job__sources_grown(const struct job_sources *sources)
{
    const struct meta *meta = sources->jobs->options.meta;

    for (uint32_t i = 0; i < sources->scan_count; i++) {
        const struct job_scan *scan = &sources->scans[i];

        for (uint32_t t = 0; !scan->bounded && t < scan->topic_count; t++) {
            const struct meta_topic *topic = meta_topic(meta, scan->topics[t]);
            size_t                   ours = 0;

            for (int32_t p = 0; topic != NULL && p < topic->partition_count; p++) {
                ours += topic->partitions[p].leader == meta_node_id(meta);
            }
            if (topic != NULL && ours > count_inputs(sources, scan, topic->id)) {
                return scan->topics[t];
            }
        }
    }
    return (struct view){0};
}
