/* What must hold when all is quiet: no transaction holds readers back, and readers of committed records see each
 * transfer whole or not at all, as their tellers were told. */
#include "tests/sim/txn_storm.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/storm_reader.h"

#define QUIET_NS      (60 * NS_PER_S) /* timeouts of transactions and several looks for them */
#define LOOK_NS       (200 * NS_PER_MS)
#define FETCH_VERSION 12
#define FETCH_BYTES   200000
#define TRIES         50

static const struct kp_fetch_response_responses_partitions *fetch(struct txn_storm *storm, int32_t partition,
                                                                  int64_t offset, bool committed)
{
    struct rig_client              *client = txn_storm_client(storm, storm->leaders[partition]);
    struct kp_fetch_request        *request;
    const struct kp_fetch_response *response;

    if (client == NULL) {
        return NULL;
    }
    rig_client_reset(client);
    request = rig_fetch_request(&client->scratch, TXN_TOPIC, partition, offset, 0, 1, FETCH_BYTES);
    request->isolation_level = committed;
    response = rig_ask(client, KP_FETCH_KEY, FETCH_VERSION, request);
    return response == NULL || response->responses_count == 0 ? NULL : &response->responses[0].partitions[0];
}

static bool quiet(struct txn_storm *storm, int32_t partition)
{
    const struct kp_fetch_response_responses_partitions *answer = fetch(storm, partition, 0, true);

    return answer != NULL && answer->error_code == 0 && answer->last_stable_offset == answer->high_watermark;
}

static void wait_until_quiet(struct txn_storm *storm)
{
    int64_t deadline_ns = sim_now_ns(storm->life.rig.sim) + QUIET_NS;
    int32_t partition = 0;

    while (partition < TXN_PARTITIONS) {
        if (quiet(storm, partition)) {
            partition++;
        } else if (sim_now_ns(storm->life.rig.sim) > deadline_ns) {
            voice_fail(&storm->life.voice, "partition %d: a transaction holds readers back for ever", partition);
            return;
        } else {
            rig_run(&storm->life.rig, LOOK_NS);
        }
    }
}

/* --- the reader ----------------------------------------------------------------------------------------------------
 */

static void take(void *context, int32_t partition, const struct rec_record *record)
{
    struct txn_storm    *storm = context;
    char                 text[64] = "";
    int                  who = -1, number = -1;
    unsigned             leg = 99, legs = 0;
    struct txn_transfer *transfer;

    memcpy(text, record->value.base, MIN(record->value.len, sizeof(text) - 1));
    if (sscanf(text, "%d:%d:%u:%u", &who, &number, &leg, &legs) != 4 || who < 0 || who >= TXN_TELLERS || number < 0 ||
        number >= storm->tellers[who].count) {
        voice_fail(&storm->life.voice, "partition %d offset %" PRId64 " holds '%.20s', which nobody sent", partition,
                   record->offset, text);
        return;
    }
    transfer = &storm->tellers[who].transfers[number];
    if (leg >= transfer->legs || (transfer->seen & (1U << leg)) != 0) {
        voice_fail(&storm->life.voice, "partition %d offset %" PRId64 ": leg %u of transfer %d:%d again", partition,
                   record->offset, leg, who, number);
    }
    transfer->seen |= 1U << leg;
}

static void read_partition(struct txn_storm *storm, int32_t partition)
{
    struct storm_reader reader = {.voice = &storm->life.voice,
                                  .topic = TXN_TOPIC,
                                  .partition = partition,
                                  .is_blind = storm->blind,
                                  .take = take,
                                  .context = storm};
    int64_t             offset = 0;

    for (int tries = 0; tries < TRIES && voice_ok(&storm->life.voice);) {
        const struct kp_fetch_response_responses_partitions *answer = fetch(storm, partition, offset, true);

        if (answer == NULL || answer->error_code != 0) {
            tries++;
            rig_run(&storm->life.rig, LOOK_NS);
            continue;
        }
        if (offset >= answer->high_watermark) {
            return;
        }
        tries = 0;
        if (answer->records.len == 0) {
            voice_fail(&storm->life.voice, "partition %d: nothing to read at offset %" PRId64 " of %" PRId64, partition,
                       offset, answer->high_watermark);
        }
        storm_reader_read(&reader, answer, &offset);
    }
    if (voice_ok(&storm->life.voice)) {
        voice_fail(&storm->life.voice, "partition %d cannot be read at offset %" PRId64, partition, offset);
    }
}

static void check_transfers(struct txn_storm *storm)
{
    for (int who = 0; who < TXN_TELLERS && voice_ok(&storm->life.voice); who++) {
        for (int number = 0; number < storm->tellers[who].count && voice_ok(&storm->life.voice); number++) {
            const struct txn_transfer *transfer = &storm->tellers[who].transfers[number];
            uint32_t                   all = (1U << transfer->legs) - 1;

            if (transfer->seen != 0 && transfer->seen != all) {
                voice_fail(&storm->life.voice, "transfer %d:%d: legs %x of %x can be read", who, number, transfer->seen,
                           all);
            } else if (transfer->outcome == OUTCOME_COMMITTED && transfer->seen == 0) {
                voice_fail(&storm->life.voice, "transfer %d:%d was committed and cannot be read", who, number);
            } else if (transfer->outcome == OUTCOME_ABORTED && transfer->seen != 0) {
                voice_fail(&storm->life.voice, "transfer %d:%d was aborted and can be read", who, number);
            }
        }
    }
}

/* --- positions -----------------------------------------------------------------------------------------------------
 */

/* -2: no answer yet. */
static int64_t position_of(struct txn_storm *storm, const char *group)
{
    struct kp_offset_fetch_request_groups_topics topic;
    struct kp_offset_fetch_request_groups        row;
    struct kp_offset_fetch_request               request;
    const struct kp_offset_fetch_response       *response;
    const int32_t                                partition = 0;
    int                                          shard = txn_storm_coordinator(storm, 0, group);
    struct rig_client                           *client = shard < 0 ? NULL : txn_storm_client(storm, (uint32_t)shard);

    if (client == NULL) {
        return -2;
    }
    rig_client_reset(client);
    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_groups_init(&row);
    kp_offset_fetch_request_groups_topics_init(&topic);
    topic.name = view_text(TXN_TOPIC);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    row.group_id = view_text(group);
    row.topics = &topic;
    row.topics_count = 1;
    request.groups = &row;
    request.groups_count = 1;
    request.require_stable = true;
    response = rig_ask(client, KP_OFFSET_FETCH_KEY, 8, &request);
    if (response == NULL || response->groups[0].error_code != 0 ||
        response->groups[0].topics[0].partitions[0].error_code != 0) {
        return -2;
    }
    return response->groups[0].topics[0].partitions[0].committed_offset;
}

static void check_position(struct txn_storm *storm, const struct txn_teller *teller)
{
    int64_t deadline_ns = sim_now_ns(storm->life.rig.sim) + QUIET_NS;
    int64_t found = -2;
    char    group[24];

    (void)snprintf(group, sizeof(group), "group-%d", teller->index);
    while (found == -2 && sim_now_ns(storm->life.rig.sim) < deadline_ns) {
        found = position_of(storm, group);
        if (found == -2) {
            rig_run(&storm->life.rig, LOOK_NS);
        }
    }
    if (found == -2) {
        voice_fail(&storm->life.voice, "%s: the position is never told", group);
    } else if (found < teller->position || found > MAX(teller->position, teller->position_maybe)) {
        voice_fail(&storm->life.voice, "%s stands at %" PRId64 ", committed was %" PRId64 ", perhaps %" PRId64, group,
                   found, teller->position, teller->position_maybe);
    }
}

void txn_storm_check(struct txn_storm *storm)
{
    for (int who = 0; who < TXN_TELLERS; who++) {
        for (int number = 0; number < storm->tellers[who].count; number++) {
            storm->tellers[who].transfers[number].seen = 0;
        }
    }
    wait_until_quiet(storm);
    for (int32_t i = 0; i < TXN_PARTITIONS && voice_ok(&storm->life.voice); i++) {
        read_partition(storm, i);
    }
    if (voice_ok(&storm->life.voice)) {
        check_transfers(storm);
    }
    for (int who = 0; who < TXN_TELLERS && voice_ok(&storm->life.voice); who++) {
        if (storm->tellers[who].grouped && storm->tellers[who].position_maybe >= 0) {
            check_position(storm, &storm->tellers[who]);
        }
    }
}
