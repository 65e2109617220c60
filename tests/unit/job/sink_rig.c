#include "tests/unit/job/sink_rig.h"

#include "compute/sql/sql_parse.h"

#include <stdio.h>

#define RIG_PATIENCE_NS   (60 * NS_PER_S)
#define RIG_FETCH_VERSION 12
#define RIG_FETCH_BYTES   (1024 * 1024)
#define RIG_ABORTED_MAX   4096

/* --- life --------------------------------------------------------------------------------------------------------- */

static void refused(const struct sql_error *error, struct view script)
{
    char shown[1024];

    (void)sql_error_format(error, script, shown, sizeof(shown));
    fail_msg("%s", shown);
}

void sink_rig_plan(struct sink_rig *rig, const char *script)
{
    struct sql_error      error;
    struct sql_answer     answer;
    struct view           text = arena_copy(&rig->arena, view_text(script));
    struct sql_statement *statement = sql_parse(text, &rig->arena, &error);

    if (error.kind != SQL_OK) {
        refused(&error, text);
    }
    for (; statement != NULL; statement = statement->next) {
        if (!sql_execute(rig->catalog, statement, text, &rig->arena, &answer, &error)) {
            refused(&error, text);
        }
        if (answer.outcome == SQL_RUN) {
            assert_null(rig->plan);
            rig->plan = answer.plan;
        }
    }
}

void sink_rig_create(struct sink_rig *rig, uint64_t seed, const char *script, const char *const *settings)
{
    *rig = (struct sink_rig){.resolve_error = -1};
    arena_init(&rig->arena, MEM_TEST, 64 * KIB, 64 * MIB);
    rig->catalog = sql_catalog_create();
    sink_rig_plan(rig, script);
    rig_create(&rig->broker, seed, NULL, SINK_RIG_SHARDS, SINK_RIG_SHARDS, settings);
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        for (uint32_t p = 0; p < JOB_PRODUCERS; p++) {
            rig->producers[w][p] =
                (struct job_producer){.producer_id = SINK_RIG_FIRST_PID + w * JOB_PRODUCERS + p, .producer_epoch = -1};
        }
    }
    rig->run = (struct job_run){.id = "0123456789abcdef0123456789abcdef",
                                .plan = rig->plan,
                                .worker_count = SINK_RIG_SHARDS,
                                .producers = rig->producers,
                                .epoch = -1};
}

void sink_rig_destroy(struct sink_rig *rig)
{
    if (rig->broker.sim != NULL) { /* else the script was refused */
        rig_destroy(&rig->broker);
    }
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        mem_free(MEM_JOB, rig->workers[w].share.sinks);
    }
    if (rig->plan != NULL) {
        sql_plan_release(rig->plan);
    }
    sql_catalog_destroy(rig->catalog);
    arena_deinit(&rig->arena);
}

struct job_shard *sink_rig_jobs(struct sink_rig *rig, uint32_t shard)
{
    return broker_jobs(rig->broker.broker, shard);
}

void sink_rig_start(struct sink_rig *rig)
{
    int result = rig_start(&rig->broker);

    if (result != ERR_OK) {
        fail_msg("the broker does not start: %s", rig->broker.why);
    }
    for (uint32_t i = 0; i < SINK_RIG_SHARDS; i++) {
        rig->clients[i] = rig_connect(&rig->broker, i);
        assert_non_null(rig->clients[i]);
    }
    rig->client = rig->clients[0];
    rig->run.controller = sink_rig_jobs(rig, 0);
}

void sink_rig_topic(struct sink_rig *rig, const char *name, int32_t partitions, const char *config)
{
    assert_int_equal(rig_create_topic(rig->client, name, partitions, (const char *const[]){config, NULL}), 0);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static void worker_ready(void *context)
{
    ((struct sink_worker *)context)->ready++;
}

static void worker_awaited(void *context, bool good)
{
    struct sink_worker *worker = context;

    worker->awaits++;
    worker->await_good = good;
}

static void worker_marked(void *context, bool good)
{
    struct sink_worker *worker = context;

    worker->marks++;
    worker->mark_good = good;
}

static void worker_ended(void *context)
{
    struct sink_worker *worker = context;

    worker->ends++;
    job__sinks_destroy(worker->sinks);
    worker->sinks = NULL;
}

void sink_rig_open(struct sink_rig *rig)
{
    rig->run.incarnation++;
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        struct sink_worker *worker = &rig->workers[w];

        for (uint32_t p = 0; p < JOB_PRODUCERS; p++) {
            rig->producers[w][p].producer_epoch++;
        }
        mem_free(MEM_JOB, worker->share.sinks);
        *worker = (struct sink_worker){.rig = rig};
        worker->sinks = job__sinks_create(sink_rig_jobs(rig, w), &rig->run, w, worker_ready, worker);
    }
}

static bool rig_ended(void *context)
{
    struct sink_rig *rig = context;

    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        if (rig->workers[w].sinks != NULL) {
            return false;
        }
    }
    return true;
}

void sink_rig_end_begin(struct sink_rig *rig, uint32_t worker, bool abort)
{
    job__sinks_end(rig->workers[worker].sinks, abort, worker_ended, &rig->workers[worker]);
    assert_int_equal(rig->workers[worker].ends, 0);
}

void sink_rig_end(struct sink_rig *rig, bool abort)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        sink_rig_end_begin(rig, w, abort);
    }
    assert_true(rig_until(&rig->broker, rig_ended, rig, RIG_PATIENCE_NS));
}

bool sink_rig_row(struct sink_rig *rig, uint32_t worker, uint32_t sink, const char *k, int64_t v,
                  enum vec_change change)
{
    struct arena     arena;
    struct vec       columns[2];
    uint8_t          changes[1] = {(uint8_t)change};
    struct vec_chunk chunk = {
        .row_count = 1, .selected_count = 1, .changes = changes, .column_count = 2, .columns = columns};
    bool good;

    arena_init(&arena, MEM_TEST, 64 * KIB, MIB);
    columns[0] = vec_make_rows(&arena, vec_type_of(VEC_VARCHAR), 1);
    columns[1] = vec_make_rows(&arena, vec_type_of(VEC_BIGINT), 1);
    if (k == NULL) {
        vec_bit_clear(vec_need_validity(&columns[0], &arena), 0);
    } else {
        ((struct vec_string *)columns[0].data)[0] = vec_string_of(k, (uint32_t)strlen(k));
    }
    ((int64_t *)columns[1].data)[0] = v;
    good = job__sinks_write(rig->workers[worker].sinks, sink, &chunk, rig->message, sizeof(rig->message));
    arena_deinit(&arena);
    return good;
}

void sink_rig_begin(struct sink_rig *rig, int64_t epoch)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        job__sinks_begin(rig->workers[w].sinks, epoch);
    }
}

void sink_rig_await_begin(struct sink_rig *rig, int64_t epoch)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        struct sink_worker *worker = &rig->workers[w];

        mem_free(MEM_JOB, worker->share.sinks);
        worker->share = (struct job_share){.worker = w, .epoch = epoch};
        worker->awaits = 0;
        job__sinks_await(worker->sinks, epoch, &worker->share, worker_awaited, worker);
        assert_int_equal(worker->awaits, 0);
    }
}

static bool rig_awaited(void *context)
{
    struct sink_rig *rig = context;

    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        if (rig->workers[w].awaits == 0) {
            return false;
        }
    }
    return true;
}

bool sink_rig_awaited(struct sink_rig *rig)
{
    return rig_awaited(rig);
}

bool sink_rig_await(struct sink_rig *rig, int64_t epoch)
{
    bool good = true;

    sink_rig_await_begin(rig, epoch);
    assert_true(rig_until(&rig->broker, rig_awaited, rig, RIG_PATIENCE_NS));
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        good = good && rig->workers[w].await_good;
    }
    return good;
}

void sink_rig_mark_begin(struct sink_rig *rig, int64_t epoch, bool commit)
{
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        rig->workers[w].marks = 0;
        job__sinks_mark(rig->workers[w].sinks, epoch, commit, worker_marked, &rig->workers[w]);
        assert_int_equal(rig->workers[w].marks, 0);
    }
}

static bool rig_marked(void *context)
{
    struct sink_rig *rig = context;

    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        if (rig->workers[w].marks == 0) {
            return false;
        }
    }
    return true;
}

bool sink_rig_marked(struct sink_rig *rig)
{
    return rig_marked(rig);
}

bool sink_rig_mark(struct sink_rig *rig, int64_t epoch, bool commit)
{
    bool good = true;

    sink_rig_mark_begin(rig, epoch, commit);
    assert_true(rig_until(&rig->broker, rig_marked, rig, RIG_PATIENCE_NS));
    for (uint32_t w = 0; w < SINK_RIG_SHARDS; w++) {
        good = good && rig->workers[w].mark_good;
    }
    return good;
}

/* --- resolution --------------------------------------------------------------------------------------------------- */

static void rig_resolved(void *context, int16_t error)
{
    struct sink_rig *rig = context;

    rig->resolved++;
    rig->resolve_error = error;
}

static bool rig_is_resolved(void *context)
{
    return ((struct sink_rig *)context)->resolved > 0;
}

int16_t sink_rig_resolve(struct sink_rig *rig, const struct job_sink_range *ranges, size_t count)
{
    struct job_verdict verdict = {.job_id = view_text(rig->run.id),
                                  .producers = rig->producers,
                                  .worker_count = SINK_RIG_SHARDS,
                                  .committed = ranges,
                                  .committed_count = count};

    rig->resolved = 0;
    job__resolve(sink_rig_jobs(rig, 0), &verdict, 1, rig_resolved, rig);
    assert_int_equal(rig->resolved, 0);
    assert_true(rig_until(&rig->broker, rig_is_resolved, rig, RIG_PATIENCE_NS));
    rig->lost = verdict.lost;
    return rig->resolve_error;
}

/* --- reading, as a client does ------------------------------------------------------------------------------------ */

struct aborted {
    int64_t producer_id, first_offset;
    bool    over;
};

struct reader {
    struct sink_reading *reading;
    struct aborted      *aborted;
    size_t               aborted_count;
    int64_t              next_offset;
    struct arena         arena;
};

static bool batch_is_aborted(const struct reader *reader, const struct rec_batch *batch)
{
    for (size_t i = 0; i < reader->aborted_count; i++) {
        const struct aborted *aborted = &reader->aborted[i];

        if (!aborted->over && aborted->producer_id == batch->producer_id &&
            aborted->first_offset <= batch->base_offset) {
            return (batch->attributes & REC_ATTR_TRANSACTIONAL) != 0;
        }
    }
    return false;
}

static void take_marker(struct reader *reader, const struct rec_batch *batch)
{
    struct rec_marker marker;

    assert_int_equal(rec_marker_parse(batch, &marker), ERR_OK);
    for (size_t i = 0; marker.type == REC_CONTROL_ABORT && i < reader->aborted_count; i++) {
        if (reader->aborted[i].producer_id == batch->producer_id &&
            reader->aborted[i].first_offset <= batch->base_offset) {
            reader->aborted[i].over = true;
        }
    }
}

static void copy_text(char out_text[SINK_RIG_TEXT], struct view text)
{
    if (text.base == NULL) {
        text = view_text("null");
    }
    assert_true(text.len < SINK_RIG_TEXT);
    memcpy(out_text, text.base, text.len);
    out_text[text.len] = '\0';
}

static void take_records(struct reader *reader, const struct rec_batch *batch)
{
    struct view       records;
    struct rec_iter   iter;
    struct rec_record record;

    assert_int_equal(rec_inflate(batch, 64 * MIB, &reader->arena, &records), ERR_OK);
    rec_iter_init(&iter, batch, records);
    while (rec_iter_next(&iter, &record) == 1) {
        struct sink_record *to = &reader->reading->records[reader->reading->count++];

        assert_true(reader->reading->count < SINK_RIG_ROWS_MAX);
        copy_text(to->key, record.key);
        copy_text(to->value, record.value);
        to->offset = record.offset;
        to->timestamp_ms = record.timestamp_ms;
        to->producer_id = batch->producer_id;
        to->sequence = batch->base_sequence + (int32_t)(record.offset - batch->base_offset);
        to->codec = (int16_t)batch->codec;
        assert_int_equal(record.header_count, 0);
    }
}

static void take_batches(struct reader *reader, struct view bytes)
{
    struct rec_batch batch;

    while (rec_batch_parse(bytes, &batch) == ERR_OK) {
        bytes = view_of(bytes.base + batch.bytes.len, bytes.len - batch.bytes.len);
        if (batch.base_offset < reader->next_offset) {
            continue;
        }
        assert_true(rec_batch_crc_ok(&batch));
        if ((batch.attributes & REC_ATTR_CONTROL) != 0) {
            take_marker(reader, &batch);
        } else if (!batch_is_aborted(reader, &batch)) {
            take_records(reader, &batch);
        }
        reader->next_offset = rec_batch_last_offset(&batch) + 1;
    }
}

static void add_aborted(struct reader *reader, int64_t producer_id, int64_t first_offset)
{
    for (size_t i = 0; i < reader->aborted_count; i++) {
        if (reader->aborted[i].producer_id == producer_id && reader->aborted[i].first_offset == first_offset) {
            return;
        }
    }
    assert_true(reader->aborted_count < RIG_ABORTED_MAX);
    reader->aborted[reader->aborted_count++] =
        (struct aborted){.producer_id = producer_id, .first_offset = first_offset};
}

struct sink_reading sink_rig_read(struct sink_rig *rig, const char *topic, int32_t partition, bool committed)
{
    struct sink_reading reading = {.records =
                                       mem_try_alloc_unset(MEM_TEST, SINK_RIG_ROWS_MAX * sizeof(struct sink_record))};
    struct reader       reader = {.reading = &reading,
                                  .aborted = mem_alloc(MEM_TEST, RIG_ABORTED_MAX * sizeof(struct aborted))};
    struct meta        *meta = sink_rig_jobs(rig, 0)->options.meta;
    struct rig_client  *client =
        rig->clients[meta_topic(meta, view_text(topic))->partitions[partition].leader - meta_host(meta)->first_node_id];
    int64_t from;

    arena_init(&reader.arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    do {
        struct kp_fetch_request *request =
            rig_fetch_request(&client->scratch, topic, partition, reader.next_offset, 0, 0, RIG_FETCH_BYTES);
        const struct kp_fetch_response                      *response;
        const struct kp_fetch_response_responses_partitions *part;

        request->isolation_level = committed;
        from = reader.next_offset;
        response = rig_ask(client, KP_FETCH_KEY, RIG_FETCH_VERSION, request);
        assert_non_null(response);
        part = &response->responses[0].partitions[0];
        assert_int_equal(part->error_code, 0);
        for (int32_t i = 0; i < part->aborted_transactions_count; i++) {
            add_aborted(&reader, part->aborted_transactions[i].producer_id, part->aborted_transactions[i].first_offset);
        }
        reading.high_watermark = part->high_watermark;
        reading.last_stable_offset = part->last_stable_offset;
        take_batches(&reader, part->records);
        rig_client_reset(client);
        arena_reset(&reader.arena);
    } while (reader.next_offset > from);
    arena_deinit(&reader.arena);
    mem_free(MEM_TEST, reader.aborted);
    return reading;
}

void sink_rig_read_free(struct sink_reading *reading)
{
    mem_free(MEM_TEST, reading->records);
    reading->records = NULL;
}
