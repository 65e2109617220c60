/* Feeds: who takes which chunk, and which chunks are kept. See job_feed.h. */
#include "compute/job/job_source.h"

#define RECORD_BYTES 64 /* in struct job_records, about */

/* --- the shard's ----------------------------------------------------------------------------------------------------
 */

struct job_feeds *job__feeds_of(struct job_shard *jobs)
{
    if (jobs->feeds == NULL) {
        jobs->feeds = mem_alloc(MEM_JOB, sizeof(*jobs->feeds));
        jobs->feeds->jobs = jobs;
        list_init(&jobs->feeds->formats);
        list_init(&jobs->feeds->kept);
        list_init(&jobs->feeds->texts_idle);
    }
    return jobs->feeds;
}

void job__feeds_destroy(struct job_feeds *feeds)
{
    struct list_node *node;

    CHECK(list_empty(&feeds->kept));
    timer_disarm(feeds->jobs->options.shard->timers, &feeds->timer);
    while ((node = list_pop_front(&feeds->texts_idle)) != NULL) {
        struct job_text *text = LIST_ENTRY(node, struct job_text, idle);

        arena_deinit(&text->arena);
        mem_free(MEM_JOB, text);
    }
    feeds->jobs->feeds = NULL;
    mem_free(MEM_JOB, feeds);
}

/* --- chunks ---------------------------------------------------------------------------------------------------------
 */

struct job_chunk *job__chunk_get(struct job_shape *shape)
{
    struct list_node *node = list_pop_front(&shape->idle);
    struct job_chunk *chunk;

    if (node != NULL) {
        shape->idle_count--;
        chunk = LIST_ENTRY(node, struct job_chunk, link);
    } else {
        chunk = mem_alloc(MEM_JOB, sizeof(*chunk));
        list_init(&chunk->link);
        list_init(&chunk->kept);
        chunk->shape = shape;
        chunk->values = format_decoder_create(&shape->values);
        chunk->keys = shape->format->has_key ? format_decoder_create(&shape->keys) : NULL;
    }
    shape->refs++;
    chunk->refs = 1;
    chunk->records.count = 0;
    chunk->records.bytes = 0;
    chunk->rows = (struct format_rows){0};
    chunk->piece = 0;
    return chunk;
}

void job__chunk_destroy(struct job_chunk *chunk)
{
    format_decoder_destroy(chunk->values);
    format_decoder_destroy(chunk->keys);
    mem_free(MEM_JOB, chunk);
}

void job__chunk_release(struct job_chunk *chunk)
{
    struct job_shape *shape = chunk->shape;

    CHECK(chunk->refs > 0);
    if (--chunk->refs > 0) {
        return;
    }
    job__read_release(chunk->read);
    job__text_release(chunk->texts[0]);
    job__text_release(chunk->texts[1]);
    chunk->read = NULL;
    chunk->texts[0] = chunk->texts[1] = NULL;
    chunk->reader = NULL;
    if (shape->idle_count < JOB_FEED_CHUNKS_IDLE) { /* the warmest is used first */
        shape->idle_count++;
        list_push_front(&shape->idle, &chunk->link);
    } else {
        job__chunk_destroy(chunk);
    }
    job__shape_release(shape);
}

/* --- what is kept ---------------------------------------------------------------------------------------------------
 */

static void drop(struct job_feeds *feeds, struct job_chunk *chunk)
{
    list_remove(&chunk->link);
    list_remove(&chunk->kept);
    feeds->kept_bytes -= chunk->bytes;
    job__chunk_release(chunk);
}

static void arm(struct job_feeds *feeds);

static void drop_old(struct job_feeds *feeds)
{
    int64_t           now_ns = io_now_ns(job__io(feeds->jobs));
    struct list_node *node;

    while ((node = list_first(&feeds->kept)) != NULL) {
        struct job_chunk *chunk = LIST_ENTRY(node, struct job_chunk, kept);

        if (now_ns < chunk->kept_ns + JOB_FEED_KEEP_NS) {
            break;
        }
        drop(feeds, chunk);
    }
}

static void grown_old(struct timer *timer)
{
    struct job_feeds *feeds = CONTAINER_OF(timer, struct job_feeds, timer);

    drop_old(feeds);
    arm(feeds);
}

static void arm(struct job_feeds *feeds)
{
    struct list_node *node = list_first(&feeds->kept);

    if (node != NULL && !timer_armed(&feeds->timer)) {
        timer_arm(feeds->jobs->options.shard->timers, &feeds->timer,
                  LIST_ENTRY(node, struct job_chunk, kept)->kept_ns + JOB_FEED_KEEP_NS, grown_old);
    }
}

static bool is_reading(const struct job_input *input)
{
    return input->state != JOB_INPUT_STARTING && input->state != JOB_INPUT_ENDED;
}

static bool is_near(const struct job_input *input, int64_t offset)
{
    int64_t apart = input->next_offset - offset;

    return is_reading(input) && apart <= JOB_FEED_AHEAD && apart >= -JOB_FEED_AHEAD;
}

/* It can use the chunk now, or soon. */
static bool wants(const struct job_input *input, const struct job_chunk *chunk)
{
    return input->next_offset < chunk->next && is_near(input, chunk->first) && input->stop_offset > chunk->first &&
           job__shape_covers(chunk->shape, input->scan->shape);
}

static bool is_wanted(const struct job_feed *feed, const struct job_chunk *chunk, const struct job_input *except)
{
    LIST_EACH(&feed->inputs, node) {
        const struct job_input *input = LIST_ENTRY(node, struct job_input, feed_link);

        if (input != except && wants(input, chunk)) {
            return true;
        }
    }
    return false;
}

/* A read counts for the first chunk that points into it. */
static size_t bytes_of(const struct job_feed *feed, const struct job_chunk *chunk)
{
    struct list_node *last = list_last(&feed->chunks);
    size_t            bytes = sizeof(*chunk) - sizeof(chunk->records) + chunk->records.count * RECORD_BYTES +
                   chunk->rows.chunk.row_count * chunk->shape->row_bytes;

    if (chunk->read != NULL && (last == NULL || LIST_ENTRY(last, struct job_chunk, link)->read != chunk->read)) {
        bytes += chunk->read->read.store.bytes;
    }
    return chunk->texts[0] == NULL && chunk->texts[1] == NULL ? bytes : bytes + chunk->records.bytes;
}

/* Where somebody else is about to need it, and there is room. What nobody has taken for long makes room: who is slow
 * does not take sharing from the others. */
static void keep(struct job_chunk *chunk, const struct job_input *maker)
{
    struct job_feed  *feed = chunk->feed;
    struct job_feeds *feeds = feed->format->feeds;

    if (!is_wanted(feed, chunk, maker)) {
        return;
    }
    chunk->bytes = bytes_of(feed, chunk);
    if (feeds->kept_bytes + chunk->bytes > JOB_FEED_BYTES) {
        drop_old(feeds);
    }
    if (feeds->kept_bytes + chunk->bytes > JOB_FEED_BYTES) {
        return;
    }
    feeds->kept_bytes += chunk->bytes;
    chunk->kept_ns = io_now_ns(job__io(feeds->jobs));
    chunk->refs++;
    list_push_back(&feed->chunks, &chunk->link);
    list_push_back(&feeds->kept, &chunk->kept);
    arm(feeds);
}

void job__feed_sweep(struct job_feed *feed)
{
    LIST_EACH(&feed->chunks, node) {
        struct job_chunk *chunk = LIST_ENTRY(node, struct job_chunk, link);

        if (!is_wanted(feed, chunk, NULL)) {
            drop(feed->format->feeds, chunk);
        }
    }
}

/* --- inputs ---------------------------------------------------------------------------------------------------------
 */

void job__feed_join(struct job_input *input)
{
    struct job_format *format = input->scan->shape->format;
    struct job_feed   *feed;

    LIST_EACH(&format->partitions, node) {
        feed = LIST_ENTRY(node, struct job_feed, link);
        if (uuid_equal(feed->topic_id, input->topic_id) && feed->partition == input->partition &&
            feed->committed == input->scan->committed) {
            input->feed = feed;
        }
    }
    if (input->feed == NULL) {
        feed = mem_alloc(MEM_JOB, sizeof(*feed));
        *feed = (struct job_feed){.format = format,
                                  .topic_id = input->topic_id,
                                  .partition = input->partition,
                                  .committed = input->scan->committed};
        list_init(&feed->inputs);
        list_init(&feed->readers);
        list_init(&feed->chunks);
        list_push_back(&format->partitions, &feed->link);
        input->feed = feed;
    }
    list_push_back(&input->feed->inputs, &input->feed_link);
}

void job__feed_leave(struct job_input *input)
{
    struct job_feed *feed = input->feed;

    job__input_release(input);
    if (feed == NULL) {
        return;
    }
    list_remove(&input->feed_link);
    input->feed = NULL;
    job__feed_sweep(feed);
    if (list_empty(&feed->inputs)) {
        CHECK(list_empty(&feed->readers) && list_empty(&feed->chunks));
        list_remove(&feed->link);
        mem_free(MEM_JOB, feed);
    }
}

/* --- readers --------------------------------------------------------------------------------------------------------
 */

static void reader_free(struct job_reader *reader)
{
    CHECK(list_empty(&reader->waiting));
    job__reader_close(reader);
    LIST_EACH(&reader->feed->chunks, node) {
        struct job_chunk *chunk = LIST_ENTRY(node, struct job_chunk, link);

        chunk->reader = chunk->reader == reader ? NULL : chunk->reader;
    }
    list_remove(&reader->link);
    job__shape_release(reader->shape);
    mem_free(MEM_JOB, reader);
}

void job__reader_release(struct job_reader *reader)
{
    CHECK(reader->refs > 0);
    if (--reader->refs == 0) {
        reader_free(reader);
    }
}

void job__input_release(struct job_input *input)
{
    struct job_reader *reader = input->reader;

    if (reader == NULL) {
        return;
    }
    input->reader = NULL;
    if (reader->opener == input) {
        job__reader_uncount(reader);
    }
    job__reader_release(reader);
}

static void adopt(struct job_input *input, struct job_reader *reader)
{
    if (input->reader != reader) {
        reader->refs++;
        job__input_release(input);
        input->reader = reader;
    }
}

/* The first that stands where the input does, so that all who stand there come together. */
static void choose_reader(struct job_input *input)
{
    struct job_feed   *feed = input->feed;
    struct job_reader *reader = NULL;

    LIST_EACH(&feed->readers, node) {
        struct job_reader *other = LIST_ENTRY(node, struct job_reader, link);

        if (reader == NULL && !other->broken && other->position == input->next_offset) {
            reader = other;
        }
    }
    if (reader == NULL) {
        reader = mem_alloc(MEM_JOB, sizeof(*reader));
        reader->feed = feed;
        reader->position = input->next_offset;
        list_init(&reader->waiting);
        list_push_back(&feed->readers, &reader->link);
    }
    adopt(input, reader);
}

/* What all who are near want: they will take the chunk. */
static void choose_shape(struct job_reader *reader, const struct job_input *input)
{
    struct job_nodes nodes = input->scan->shape->nodes;

    LIST_EACH(&reader->feed->inputs, node) {
        const struct job_input *other = LIST_ENTRY(node, struct job_input, feed_link);

        for (size_t i = 0; is_near(other, reader->position) && i < COUNT_OF(nodes.bits); i++) {
            nodes.bits[i] |= other->scan->shape->nodes.bits[i];
        }
    }
    if (reader->shape == NULL || memcmp(&reader->shape->nodes, &nodes, sizeof(nodes)) != 0) {
        struct job_shape *shape = job__shape_of(reader->feed->format, &nodes);

        job__shape_release(reader->shape);
        reader->shape = shape;
    }
}

/* --- taking ---------------------------------------------------------------------------------------------------------
 */

static struct job_chunk *find_chunk(const struct job_input *input)
{
    LIST_EACH(&input->feed->chunks, node) {
        struct job_chunk *chunk = LIST_ENTRY(node, struct job_chunk, link);

        if (chunk->first <= input->next_offset && input->next_offset < chunk->next &&
            job__shape_covers(chunk->shape, input->scan->shape)) {
            return chunk;
        }
    }
    return NULL;
}

static bool chunk_fill(struct job_input *input, size_t record_max, struct job_chunk *chunk)
{
    struct job_reader *reader = input->reader;

    chunk->feed = input->feed;
    chunk->reader = reader;
    chunk->first = reader->position;
    if (!job__reader_gather(input, record_max, chunk)) {
        return false;
    }
    chunk->next = reader->position;
    if (chunk->records.count > 0 && !job__chunk_decode(chunk, 0)) {
        job__input_failed(input, chunk->records.offsets[chunk->failed_record], chunk->failure);
        return false;
    }
    return true;
}

static bool chunk_make(struct job_input *input, size_t record_max, struct job_chunk **out_chunk)
{
    struct job_chunk *chunk;

    choose_shape(input->reader, input);
    chunk = job__chunk_get(input->reader->shape);
    if (!chunk_fill(input, record_max, chunk)) {
        input->reader->broken = true; /* whoever comes here finds out for itself */
        job__chunk_release(chunk);
        return false;
    }
    if (job__chunk_is_whole(chunk)) {
        keep(chunk, input);
    }
    *out_chunk = chunk;
    return true;
}

bool job__feed_take(struct job_input *input, size_t record_max, struct job_chunk **out_chunk, bool *out_own)
{
    struct job_chunk *chunk = find_chunk(input);
    bool              ready;

    *out_own = chunk == NULL;
    *out_chunk = chunk;
    if (chunk != NULL) {
        chunk->refs++;
        if (chunk->reader != NULL && !chunk->reader->broken) {
            adopt(input, chunk->reader);
        }
        return true;
    }
    choose_reader(input);
    if (!job__reader_ready(input, &ready)) {
        input->reader->broken = true;
        return false;
    }
    return !ready || chunk_make(input, record_max, out_chunk);
}
