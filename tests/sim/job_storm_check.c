/* What must hold of jobs: by a reader of committed records, the source, and the group's positions. */
#include "tests/sim/job_storm.h"

#include <stdio.h>

#define WAIT_NS       (120 * NS_PER_S) /* restarts with back-off, resets of connections */
#define LOOK_NS       (200 * NS_PER_MS)
#define FETCH_VERSION 12
#define FETCH_BYTES   200000
#define FIND_VERSION  4
#define SKIPPED_MAX   64
#define TRIES         50

struct reader {
    struct job_storm                                    *storm;
    int                                                  topic;
    int32_t                                              partition;
    int64_t                                              skipped[SKIPPED_MAX]; /* producers */
    uint32_t                                             skipped_count;
    const struct kp_fetch_response_responses_partitions *answer;
    int32_t                                              next_aborted;
};

static const struct kp_fetch_response_responses_partitions *fetch(struct job_storm *storm, int topic, int32_t partition,
                                                                  int64_t offset)
{
    struct rig_client              *client = job_storm_client(storm, storm->leaders[topic][partition]);
    struct kp_fetch_request        *request;
    const struct kp_fetch_response *response;

    if (client == NULL) {
        return NULL;
    }
    rig_client_reset(client);
    request = rig_fetch_request(&client->scratch, job_storm_topic(topic), partition, offset, 0, 1, FETCH_BYTES);
    request->isolation_level = 1;
    response = rig_ask(client, KP_FETCH_KEY, FETCH_VERSION, request);
    return response == NULL || response->responses_count == 0 ? NULL : &response->responses[0].partitions[0];
}

/* --- the reader: as a client does it -------------------------------------------------------------------------------
 */

static uint32_t skipped_at(const struct reader *reader, int64_t producer_id)
{
    uint32_t i = 0;

    while (i < reader->skipped_count && reader->skipped[i] != producer_id) {
        i++;
    }
    return i;
}

static void reader_enter(struct reader *reader, const struct rec_batch *batch)
{
    while (reader->next_aborted < reader->answer->aborted_transactions_count &&
           reader->answer->aborted_transactions[reader->next_aborted].first_offset <= rec_batch_last_offset(batch)) {
        int64_t producer_id = reader->answer->aborted_transactions[reader->next_aborted++].producer_id;

        if (skipped_at(reader, producer_id) == reader->skipped_count) {
            CHECK(reader->skipped_count < SKIPPED_MAX);
            reader->skipped[reader->skipped_count++] = producer_id;
        }
    }
}

static void reader_leave(struct reader *reader, const struct rec_batch *batch)
{
    struct rec_marker marker;
    uint32_t          at = skipped_at(reader, batch->producer_id);

    if (rec_marker_parse(batch, &marker) != ERR_OK) {
        voice_fail(&reader->storm->life.voice, "%s-%d offset %" PRId64 " is no marker", job_storm_topic(reader->topic),
                   reader->partition, batch->base_offset);
    } else if (marker.type == REC_CONTROL_ABORT && at < reader->skipped_count) {
        reader->skipped[at] = reader->skipped[--reader->skipped_count];
    }
}

static void read_batch(struct reader *reader, const struct rec_batch *batch, struct arena *arena)
{
    struct rec_record record = {0};
    struct rec_iter   iter;
    struct view       records;
    bool              is_aborted = skipped_at(reader, batch->producer_id) < reader->skipped_count &&
                      (batch->attributes & REC_ATTR_TRANSACTIONAL) != 0;

    if (is_aborted) {
        reader->storm->aborted_copies += reader->topic == STORM_COPY;
        if (reader->storm->plant != JOB_PLANT_BLIND) {
            return;
        }
    }
    if (rec_inflate(batch, 16 * MIB, arena, &records) != ERR_OK) {
        voice_fail(&reader->storm->life.voice, "%s-%d offset %" PRId64 " cannot be inflated",
                   job_storm_topic(reader->topic), reader->partition, batch->base_offset);
        return;
    }
    rec_iter_init(&iter, batch, records);
    while (voice_ok(&reader->storm->life.voice) && rec_iter_next(&iter, &record) == 1) {
        job_storm_row(reader->storm, reader->topic, reader->partition, record.offset, record.value);
    }
}

static void read_batches(struct reader *reader, struct view records, int64_t *offset)
{
    struct rec_batch batch;
    struct arena     arena;

    arena_init(&arena, MEM_TEST, 64 * KIB, 64 * MIB);
    while (voice_ok(&reader->storm->life.voice) && rec_batch_parse(records, &batch) == ERR_OK) {
        reader_enter(reader, &batch);
        if ((batch.attributes & REC_ATTR_CONTROL) != 0) {
            reader_leave(reader, &batch);
        } else if (batch.base_offset >= *offset) {
            read_batch(reader, &batch, &arena);
        }
        *offset = rec_batch_last_offset(&batch) + 1;
        records = view_of(records.base + batch.bytes.len, records.len - batch.bytes.len);
    }
    arena_deinit(&arena);
}

/* To the last stable offset. False: the broker went away, or does not answer. *out_is_quiet: nobody is held back. */
static bool read_partition(struct job_storm *storm, int topic, int32_t partition, bool *out_is_quiet)
{
    struct reader reader = {.storm = storm, .topic = topic, .partition = partition};
    int64_t       offset = 0;

    for (int tries = 0; tries < TRIES && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life);) {
        reader.answer = fetch(storm, topic, partition, offset);
        reader.next_aborted = 0;
        if (reader.answer == NULL || reader.answer->error_code != 0) {
            tries++;
            rig_run(&storm->life.rig, LOOK_NS);
            continue;
        }
        if (offset >= reader.answer->last_stable_offset) {
            *out_is_quiet = *out_is_quiet && reader.answer->last_stable_offset == reader.answer->high_watermark;
            return true;
        }
        tries = 0;
        if (reader.answer->records.len == 0) {
            voice_fail(&storm->life.voice, "%s-%d: nothing to read at offset %" PRId64 " of %" PRId64,
                       job_storm_topic(topic), partition, offset, reader.answer->last_stable_offset);
        }
        read_batches(&reader, reader.answer->records, &offset);
    }
    return false;
}

static bool read_topic(struct job_storm *storm, int topic, bool *out_is_quiet)
{
    for (int32_t i = 0; i < JOB_STORM_PARTITIONS; i++) {
        if (!read_partition(storm, topic, i, out_is_quiet)) {
            return false;
        }
    }
    return true;
}

/* --- the group -----------------------------------------------------------------------------------------------------
 */

static int coordinator(struct job_storm *storm)
{
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;
    struct view                                key = view_text(JOB_STORM_GROUP);
    struct rig_client                         *client = job_storm_client(storm, 0);

    if (client == NULL) {
        return -1;
    }
    rig_client_reset(client);
    kp_find_coordinator_request_init(&request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    response = rig_ask(client, KP_FIND_COORDINATOR_KEY, FIND_VERSION, &request);
    return response == NULL || response->coordinators[0].error_code != 0 ? -1 : response->coordinators[0].node_id;
}

/* -1 where nothing is known. */
static void read_positions(struct job_storm *storm, int64_t *positions)
{
    struct kp_offset_fetch_request_groups_topics topic;
    struct kp_offset_fetch_request_groups        row;
    struct kp_offset_fetch_request               request;
    const struct kp_offset_fetch_response       *response;
    const int32_t                                partitions[JOB_STORM_PARTITIONS] = {0, 1, 2};
    int                                          shard = coordinator(storm);
    struct rig_client                           *client = shard < 0 ? NULL : job_storm_client(storm, (uint32_t)shard);

    for (int32_t i = 0; i < JOB_STORM_PARTITIONS; i++) {
        positions[i] = -1;
    }
    if (client == NULL) {
        return;
    }
    rig_client_reset(client);
    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_groups_init(&row);
    kp_offset_fetch_request_groups_topics_init(&topic);
    topic.name = view_text(job_storm_topic(STORM_BIDS));
    topic.partition_indexes = partitions;
    topic.partition_indexes_count = JOB_STORM_PARTITIONS;
    row.group_id = view_text(JOB_STORM_GROUP);
    row.topics = &topic;
    row.topics_count = 1;
    request.groups = &row;
    request.groups_count = 1;
    response = rig_ask(client, KP_OFFSET_FETCH_KEY, 8, &request);
    if (response == NULL || response->groups[0].error_code != 0) {
        return;
    }
    for (int32_t i = 0; i < JOB_STORM_PARTITIONS; i++) {
        positions[i] = response->groups[0].topics[0].partitions[i].committed_offset;
    }
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

/* Positions first, the sources last: what comes meanwhile is in order. False: the broker went away. */
static bool look(struct job_storm *storm, bool *out_is_quiet)
{
    int64_t positions[JOB_STORM_PARTITIONS];

    job_storm_rows_begin(storm);
    *out_is_quiet = true;
    read_positions(storm, positions);
    for (int topic = STORM_TOPICS - 1; topic >= 0; topic--) {
        if (storm->is_used[topic] && !read_topic(storm, topic, out_is_quiet)) {
            return false;
        }
    }
    storm->checks++;
    job_storm_rows_end(storm, positions);
    return true;
}

void job_storm_check(struct job_storm *storm, bool last)
{
    int64_t     deadline_ns = sim_now_ns(storm->life.rig.sim) + (last ? WAIT_NS : 0);
    const char *missing = "everything";
    bool        is_quiet = false;

    do {
        missing = look(storm, &is_quiet) ? job_storm_rows_missing(storm) : "everything";
        if (!voice_ok(&storm->life.voice) || (is_quiet && missing == NULL) || storm_life_is_down(&storm->life)) {
            break;
        }
        rig_run(&storm->life.rig, LOOK_NS);
    } while (sim_now_ns(storm->life.rig.sim) < deadline_ns);
    storm->rows = storm->found.copied_rows + storm->found.other_rows;
    if (last && !(is_quiet && missing == NULL)) {
        voice_fail(&storm->life.voice, "in the end %" PRIu64 " of %" PRIu64 " bids are copied, readers are %s, %s",
                   storm->found.copied_rows, storm->found.source_rows, is_quiet ? "free" : "held back",
                   missing == NULL ? "nothing is missing" : missing);
    }
}
