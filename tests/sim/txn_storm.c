/* The course of a storm of transactions: start, tellers, cut or kill, start, check, again. */
#include "tests/sim/txn_storm.h"

#include <stdio.h>

#define ROUNDS_MAX      5
#define TRANSFERS_ROUND 60
#define FIND_VERSION    4

/* --- connections ---------------------------------------------------------------------------------------------------
 */

struct rig_client *txn_storm_client(struct txn_storm *storm, uint32_t shard)
{
    struct rig_client **place = &storm->clients[shard];

    if (*place != NULL && (*place)->closed) {
        rig_client_free(*place);
        *place = NULL;
    }
    if (*place == NULL && !storm_life_is_down(&storm->life)) {
        *place = rig_connect(&storm->life.rig, shard);
    }
    return *place;
}

void txn_storm_hang_up(struct txn_storm *storm)
{
    for (uint32_t i = 0; i < RIG_SHARDS_MAX; i++) {
        if (storm->clients[i] != NULL) {
            rig_client_free(storm->clients[i]);
            storm->clients[i] = NULL;
        }
    }
}

int txn_storm_coordinator(struct txn_storm *storm, int8_t key_type, const char *id)
{
    struct kp_find_coordinator_request         request;
    const struct kp_find_coordinator_response *response;
    struct view                                key = view_text(id);
    struct rig_client                         *client = txn_storm_client(storm, 0);

    if (client == NULL) {
        return -1;
    }
    rig_client_reset(client);
    kp_find_coordinator_request_init(&request);
    request.key_type = key_type;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    response = rig_ask(client, KP_FIND_COORDINATOR_KEY, FIND_VERSION, &request);
    return response == NULL || response->coordinators[0].error_code != 0 ? -1 : response->coordinators[0].node_id;
}

/* --- the course ----------------------------------------------------------------------------------------------------
 */

/* The topic and its leaders; not there when the power goes off meanwhile. */
static bool prepare(struct txn_storm *storm)
{
    struct kp_metadata_request         request;
    struct kp_metadata_request_topics  topic;
    const struct kp_metadata_response *response;
    struct rig_client                 *client = txn_storm_client(storm, 0);
    int16_t                            error;

    if (client == NULL) {
        return false;
    }
    error = rig_create_topic(client, TXN_TOPIC, TXN_PARTITIONS, NULL);
    if (error != 0 && error != KP_ERR_TOPIC_ALREADY_EXISTS) {
        return false;
    }
    rig_client_reset(client);
    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&topic);
    topic.name = view_text(TXN_TOPIC);
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(client, KP_METADATA_KEY, 9, &request);
    if (response == NULL || response->topics[0].error_code != 0) {
        return false;
    }
    for (int32_t i = 0; i < TXN_PARTITIONS; i++) {
        storm->leaders[response->topics[0].partitions[i].partition_index] =
            (uint32_t)response->topics[0].partitions[i].leader_id;
    }
    return true;
}

static void one_round(struct txn_storm *storm, bool last)
{
    uint64_t transfers = 1 + prng_below(&storm->life.prng, TRANSFERS_ROUND);

    storm_life_boot(&storm->life);
    if (voice_ok(&storm->life.voice) && prng_chance(&storm->life.prng, 1, 3) && storm->prepared) {
        txn_storm_check(storm);
    }
    if (!last && prng_chance(&storm->life.prng, 3, 4)) {
        storm_life_arm(&storm->life, 600);
    }
    if (voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life) && (storm->prepared || prepare(storm))) {
        storm->prepared = true;
        for (uint64_t i = 0; i < transfers && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
            txn_teller_transfer(&storm->tellers[prng_below(&storm->life.prng, TXN_TELLERS)]);
        }
    }
    if (last && voice_ok(&storm->life.voice) && storm->prepared) {
        txn_storm_check(storm);
    }
    txn_storm_hang_up(storm);
    storm_life_end(&storm->life);
}

static void init(struct txn_storm *storm, uint64_t seed, bool verbose, bool blind)
{
    static const char *const settings[] = {"offsets.topic.num.partitions=5", "transaction.state.log.num.partitions=5",
                                           "transaction.abort.timed.out.transaction.cleanup.interval.ms=500", NULL};
    struct sim_options       world;
    uint32_t                 shards;

    *storm = (struct txn_storm){.blind = blind};
    storm->life.start_cut_part = 6;
    storm->life.end_cut_quarter = 1;
    prng_init(&storm->life.prng, seed ^ UINT64_C(0x74786e));
    sim_options_swarm(&world, seed, false);
    if (prng_chance(&storm->life.prng, 1, 2)) {
        world.reset = (struct sim_ratio){1, 300 + prng_below(&storm->life.prng, 1000)};
    }
    shards = 1 + (uint32_t)prng_below(&storm->life.prng, RIG_SHARDS_MAX);
    rig_create(&storm->life.rig, seed, &world, shards, 1 + (uint32_t)prng_below(&storm->life.prng, shards), settings);
    voice_begin(&storm->life.voice, storm->life.rig.sim, verbose);
    for (int32_t i = 0; i < TXN_TELLERS; i++) {
        struct txn_teller *teller = &storm->tellers[i];

        teller->storm = storm;
        teller->index = i;
        teller->producer_id = -1;
        teller->position = teller->position_maybe = -1;
        teller->newer = prng_chance(&storm->life.prng, 1, 2);
        teller->grouped = prng_chance(&storm->life.prng, 1, 2);
        (void)snprintf(teller->id, sizeof(teller->id), "teller-%d", i);
    }
}

uint64_t txn_storm_run(struct txn_storm *storm, uint64_t seed, bool verbose, bool blind)
{
    uint64_t rounds;
    uint64_t hash;

    init(storm, seed, verbose, blind);
    rounds = 2 + prng_below(&storm->life.prng, ROUNDS_MAX - 1);
    for (uint64_t i = 0; i < rounds && voice_ok(&storm->life.voice); i++) {
        one_round(storm, i + 1 == rounds);
    }
    hash = sim_trace_hash(storm->life.rig.sim);
    txn_storm_hang_up(storm);
    rig_destroy(&storm->life.rig);
    voice_end();
    return hash;
}
