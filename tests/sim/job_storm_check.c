/* What must hold of jobs: by a reader of committed records, the source, and the group's positions. */
#include "tests/sim/job_storm.h"

#include <stdio.h>

#include "tests/sim/storm_reader.h"

#define WAIT_NS       (120 * NS_PER_S) /* restarts with back-off, resets of connections */
#define LOOK_NS       (200 * NS_PER_MS)
#define FETCH_VERSION 12
#define FETCH_BYTES   200000
#define FIND_VERSION  4
#define TRIES         50

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

struct taking {
    struct job_storm *storm;
    int               topic;
};

static void take(void *context, int32_t partition, const struct rec_record *record)
{
    const struct taking *taking = context;

    job_storm_row(taking->storm, taking->topic, partition, record->offset, record->value);
}

/* To the last stable offset. False: the broker went away, or does not answer. *out_is_quiet: nobody is held back. */
static bool read_partition(struct job_storm *storm, int topic, int32_t partition, bool *out_is_quiet)
{
    struct taking       taking = {.storm = storm, .topic = topic};
    struct storm_reader reader = {.voice = &storm->life.voice,
                                  .topic = job_storm_topic(topic),
                                  .partition = partition,
                                  .is_blind = storm->plant == JOB_PLANT_BLIND,
                                  .take = take,
                                  .context = &taking};
    int64_t             offset = 0;

    for (int tries = 0; tries < TRIES && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life);) {
        const struct kp_fetch_response_responses_partitions *answer = fetch(storm, topic, partition, offset);

        if (answer == NULL || answer->error_code != 0) {
            tries++;
            rig_run(&storm->life.rig, LOOK_NS);
            continue;
        }
        if (offset >= answer->last_stable_offset) {
            *out_is_quiet = *out_is_quiet && answer->last_stable_offset == answer->high_watermark;
            return true;
        }
        tries = 0;
        if (answer->records.len == 0) {
            voice_fail(&storm->life.voice, "%s-%d: nothing to read at offset %" PRId64 " of %" PRId64,
                       job_storm_topic(topic), partition, offset, answer->last_stable_offset);
        }
        reader.aborted_batches = 0;
        storm_reader_read(&reader, answer, &offset);
        storm->aborted_copies += topic == STORM_COPY ? reader.aborted_batches : 0;
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
