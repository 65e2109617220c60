/* The sources of one worker: life, turns, positions. See job_source.h. */
#include "compute/job/job_source.h"

#include <stdarg.h>
#include <stdio.h>

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
    job__input_release(input);
    part_unwait(&input->waiter);
    part_unkeep(&input->keep);
    arena_deinit(&input->read_arena);
    arena_deinit(&input->inflated[0]);
    arena_deinit(&input->inflated[1]);
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
        job__scan_close(&sources->scans[i]);
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
    if (input->has_read) { /* what it holds is worked off first: few hold memory at a time */
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

/* Where a row that the engine could not take came from, as far as that is known. */
static void push_failed(struct job_input *input, size_t first, const uint32_t *record)
{
    const struct exec_failure *failure = exec_job_failure(input->sources->run->exec);

    if (failure == NULL) {
        (void)job__sources_fail(input->sources, "the job has failed");
    } else if (record != NULL && failure->has_row && failure->scan == input->scan->plan->scan->id &&
               failure->partition == input->number) {
        job__input_failed(input, input->sources->records.offsets[first + record[failure->row]], failure->message);
    } else {
        (void)job__sources_fail(input->sources, "%s", failure->message);
    }
}

/* All records that were gathered. */
static bool input_push(struct job_input *input)
{
    struct job_sources *sources = input->sources;
    size_t              count;

    for (size_t first = 0; first < sources->records.count; first += count) {
        struct vec_chunk chunk;
        const uint32_t  *record;

        if (!job__input_decode(input, first, &chunk, &count, &record)) {
            return false;
        }
        if (chunk.selected_count > 0 &&
            !exec_worker_push(sources->exec, input->scan->plan->scan->id, input->number, &chunk)) {
            push_failed(input, first, record);
            return false;
        }
    }
    __atomic_store_n(&sources->records_in, sources->records_in + sources->records.count, __ATOMIC_RELAXED);
    __atomic_store_n(&sources->bytes_in, sources->bytes_in + sources->records.bytes, __ATOMIC_RELAXED);
    return true;
}

static bool input_pull(struct job_input *input, size_t record_max, bool *out_did)
{
    if (!job__input_gather(input, record_max)) {
        return false;
    }
    if (input->sources->records.count > 0) {
        *out_did = true;
        if (!input_push(input)) {
            return false;
        }
    }
    job__input_let_go(input);
    if (input->state == JOB_INPUT_READY && input->next_offset >= input->stop_offset) {
        *out_did = true;
        job__input_release(input);
        if (!input_end(input)) {
            push_failed(input, 0, NULL);
            return false;
        }
    } else if (input->state == JOB_INPUT_READY) { /* also when all that was read did not count */
        *out_did = true;
        job__input_turn(input);
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
