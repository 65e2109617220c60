#include "tests/unit/job/job_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_NS (60 * NS_PER_S)
#define VALUES_MAX  10000
#define ABORTED_MAX 1000

struct job_rig job_rig;

static const char *const rig_settings[] = {"millrace.job.epoch.interval.ms=100", "millrace.job.restart.min.ms=100",
                                           NULL};

static void rig_up(void)
{
    assert_int_equal(rig_start(&job_rig.broker), ERR_OK);
    job_rig.client = rig_connect(&job_rig.broker, 0);
    assert_non_null(job_rig.client);
}

void job_rig_create(uint64_t seed, uint32_t shards, const char *const *settings)
{
    rig_create(&job_rig.broker, seed, NULL, shards, shards, rig_settings);
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        rig_setting(&job_rig.broker, settings[i]);
    }
    arena_init(&job_rig.arena, MEM_TEST, 64 * KIB, 64 * MIB);
    rig_up();
}

void job_rig_destroy(void)
{
    rig_destroy(&job_rig.broker);
    arena_deinit(&job_rig.arena);
}

void job_rig_restart(uint64_t seed, bool cut_power)
{
    rig_client_free(job_rig.client);
    if (cut_power) {
        rig_cut(&job_rig.broker, seed, SIM_CRASH_MIX);
    } else {
        rig_kill(&job_rig.broker, seed);
    }
    rig_up();
}

void job_rig_stop_start(void)
{
    rig_client_free(job_rig.client);
    assert_int_equal(rig_stop(&job_rig.broker), ERR_OK);
    rig_up();
}

/* A connection to the broker that leads the partition. */
static struct rig_client *leader_of(const char *topic, int32_t partition)
{
    struct kp_metadata_request         request;
    const struct kp_metadata_response *response;
    struct kp_metadata_request_topics  row;
    struct rig_client                 *client;

    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&row);
    row.name = view_text(topic);
    request.topics = &row;
    request.topics_count = 1;
    response = rig_ask(job_rig.client, KP_METADATA_KEY, 4, &request);
    assert_non_null(response);
    assert_int_equal(response->topics[0].error_code, 0);
    for (int32_t i = 0; i < response->topics[0].partitions_count; i++) {
        if (response->topics[0].partitions[i].partition_index == partition) {
            client = rig_connect(&job_rig.broker, (uint32_t)(response->topics[0].partitions[i].leader_id -
                                                             response->brokers[0].node_id));
            assert_non_null(client);
            return client;
        }
    }
    fail_msg("no such partition");
    return NULL;
}

static int32_t partition_count(const char *topic)
{
    struct kp_metadata_request         request;
    const struct kp_metadata_response *response;
    struct kp_metadata_request_topics  row;

    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&row);
    row.name = view_text(topic);
    request.topics = &row;
    request.topics_count = 1;
    response = rig_ask(job_rig.client, KP_METADATA_KEY, 4, &request);
    assert_non_null(response);
    return response->topics[0].error_code == 0 ? response->topics[0].partitions_count : 0;
}

void job_rig_topic(const char *name, int32_t partitions)
{
    assert_int_equal(rig_create_topic(job_rig.client, name, partitions, NULL), 0);
}

void job_rig_value(const char *topic, int32_t partition, const char *value)
{
    struct rig_client *client = leader_of(topic, partition);

    arena_reset(&job_rig.arena);
    assert_int_equal(rig_produce(client, topic, partition, rig_batch(&job_rig.arena, value, 1, -1, -1, -1), NULL), 0);
    rig_client_free(client);
}

/* --- requests --------------------------------------------------------------------------------------------------------
 */

static void put(struct job_answers *answers, struct view text)
{
    assert_true(answers->text_len + text.len + 2 < sizeof(answers->text));
    memcpy(answers->text + answers->text_len, text.base, text.len);
    answers->text_len += text.len;
    if (text.len == 0 || text.base[text.len - 1] != '\n') {
        answers->text[answers->text_len++] = '\n';
    }
    answers->text[answers->text_len] = '\0';
}

static void on_statement(struct job_request *request, size_t index, bool is_table, struct view text, const char *job_id)
{
    struct job_answers *answers = CONTAINER_OF(request, struct job_answers, request);

    (void)is_table;
    assert_int_equal(index, answers->statements);
    answers->statements++;
    put(answers, text);
    if (job_id != NULL) {
        (void)snprintf(answers->job_id, sizeof(answers->job_id), "%s", job_id);
    }
}

static void on_columns(struct job_request *request, const char *const *names, const char *const *types, uint32_t count)
{
    struct job_answers *answers = CONTAINER_OF(request, struct job_answers, request);
    char                line[256];

    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(line, sizeof(line), "column %s %s", names[i], types[i]);
        put(answers, view_text(line));
    }
}

static bool on_rows(struct job_request *request, struct view lines)
{
    struct job_answers *answers = CONTAINER_OF(request, struct job_answers, request);

    put(answers, lines);
    return ++answers->rows_calls != answers->rows_max;
}

static void on_job(struct job_request *request, const struct job_facts *facts)
{
    struct job_answers *answers = CONTAINER_OF(request, struct job_answers, request);

    answers->jobs++;
    answers->facts = *facts;
    (void)snprintf(answers->facts_failure, sizeof(answers->facts_failure), "%.*s", (int)facts->failure.len,
                   (const char *)facts->failure.base);
    (void)snprintf(answers->facts_name, sizeof(answers->facts_name), "%.*s", (int)facts->name.len,
                   (const char *)facts->name.base);
}

static void on_done(struct job_request *request)
{
    CONTAINER_OF(request, struct job_answers, request)->done = true;
}

void job_rig_begin(struct job_answers *answers, uint32_t shard, enum job_request_kind kind, const char *session,
                   const char *text)
{
    size_t rows_max = answers->rows_max;

    *answers = (struct job_answers){.rows_max = rows_max};
    answers->request = (struct job_request){.kind = kind,
                                            .session = view_text(session),
                                            .text = view_text(text),
                                            .statement = on_statement,
                                            .columns = on_columns,
                                            .rows = on_rows,
                                            .job = on_job,
                                            .done = on_done};
    job_submit(broker_jobs(job_rig.broker.broker, shard), &answers->request);
}

static bool is_done(void *context)
{
    return ((struct job_answers *)context)->done;
}

bool job_rig_wait(struct job_answers *answers)
{
    assert_true(rig_until(&job_rig.broker, is_done, answers, PATIENCE_NS));
    return !answers->request.failed;
}

bool job_rig_do(struct job_answers *answers, enum job_request_kind kind, const char *text)
{
    job_rig_begin(answers, 0, kind, "", text);
    return job_rig_wait(answers);
}

bool job_rig_status(const char *job_id, enum job_status status, struct job_answers *answers)
{
    for (int i = 0; i < 600; i++) {
        if (job_rig_do(answers, JOB_REQUEST_SHOW, job_id) && answers->facts.status == status) {
            return true;
        }
        rig_run(&job_rig.broker, 100 * NS_PER_MS);
    }
    return false;
}

/* --- what readers see --------------------------------------------------------------------------------------------- */

struct reading {
    char  *values[VALUES_MAX];
    size_t count;
};

static void read_batch(struct reading *reading, const struct rec_batch *batch)
{
    struct view       records;
    struct rec_iter   iter;
    struct rec_record record;

    assert_int_equal(rec_inflate(batch, 64 * MIB, &job_rig.arena, &records), ERR_OK);
    rec_iter_init(&iter, batch, records);
    while (rec_iter_next(&iter, &record) == 1) {
        assert_true(reading->count < VALUES_MAX);
        reading->values[reading->count++] =
            mem_copy_text(MEM_TEST, record.value.base == NULL ? view_text("null") : record.value);
    }
}

/* Kafka's rule: a producer's batches from an aborted transaction's first offset up to its marker are skipped. */
static void read_batches(struct reading *reading, const struct kp_fetch_response_responses_partitions *from,
                         int64_t *next)
{
    struct view      rest = from->records;
    bool             over[ABORTED_MAX] = {false};
    struct rec_batch batch;

    while (rest.len > 0 && rec_batch_parse(rest, &batch) == ERR_OK) {
        bool skip = (batch.attributes & REC_ATTR_CONTROL) != 0;

        for (int32_t i = 0; i < from->aborted_transactions_count; i++) {
            assert_true(i < ABORTED_MAX);
            if (from->aborted_transactions[i].producer_id == batch.producer_id &&
                from->aborted_transactions[i].first_offset <= batch.base_offset && !over[i] &&
                (batch.attributes & REC_ATTR_TRANSACTIONAL) != 0) {
                over[i] = (batch.attributes & REC_ATTR_CONTROL) != 0;
                skip = true;
                break;
            }
        }
        if (!skip && batch.base_offset >= *next) {
            read_batch(reading, &batch);
        }
        *next = rec_batch_last_offset(&batch) + 1;
        rest = view_of(rest.base + batch.bytes.len, rest.len - batch.bytes.len);
    }
}

static void read_partition(struct reading *reading, const char *topic, int32_t partition)
{
    struct rig_client *client = leader_of(topic, partition);
    int64_t            next = 0;

    for (;;) {
        struct kp_fetch_request        *request;
        const struct kp_fetch_response *response;
        int64_t                         before = next;

        arena_reset(&job_rig.arena);
        request = rig_fetch_request(&job_rig.arena, topic, partition, next, 0, 0, 16 * MIB);
        request->isolation_level = 1;
        response = rig_ask(client, KP_FETCH_KEY, 11, request);
        assert_non_null(response);
        assert_int_equal(response->responses[0].partitions[0].error_code, 0);
        read_batches(reading, &response->responses[0].partitions[0], &next);
        rig_client_reset(client);
        if (next == before) {
            break;
        }
    }
    rig_client_free(client);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *job_rig_committed(const char *topic)
{
    static char     text[MIB];
    struct reading *reading = mem_alloc(MEM_TEST, sizeof(*reading));
    size_t          len = 0;

    for (int32_t i = 0, count = partition_count(topic); i < count; i++) {
        read_partition(reading, topic, i);
    }
    qsort(reading->values, reading->count, sizeof(char *), compare);
    text[0] = '\0';
    for (size_t i = 0; i < reading->count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", reading->values[i]);
        mem_free(MEM_TEST, reading->values[i]);
    }
    mem_free(MEM_TEST, reading);
    return text;
}

void job_rig_expect(const char *topic, const char *expected)
{
    for (int i = 0; i < 600 && strcmp(job_rig_committed(topic), expected) != 0; i++) {
        rig_run(&job_rig.broker, 100 * NS_PER_MS);
    }
    assert_string_equal(job_rig_committed(topic), expected);
}
