/* The course of a storm over groups: start, load, cut, again. grouprun --help says how. */
#include "tests/sim/group_storm.h"

#include "core/coord/coord.h"

#include <stdio.h>

#define STORM_ROUNDS_MAX 6
#define STORM_STEPS      500
#define STORM_TOPIC      "river"

/* The topics, and where each group's coordinator is. False: the power went off meanwhile. */
static bool storm_prepare(struct group_storm *storm)
{
    struct rig_client *client = rig_connect(&storm->life.rig, 0);
    bool               ready = client != NULL;

    for (int32_t i = 0; ready && i < GROUP_STORM_GROUPS; i++) {
        struct kp_find_coordinator_request         request;
        const struct kp_find_coordinator_response *response = NULL;

        kp_find_coordinator_request_init(&request);
        request.key = view_text(storm->groups[i].name);
        for (int tries = 0; tries < 100; tries++) {
            int16_t made = i > 0 ? 0 : rig_create_topic(client, STORM_TOPIC, GROUP_STORM_ACTORS, NULL);

            response = rig_ask(client, KP_FIND_COORDINATOR_KEY, 2, &request);
            if (response == NULL || (response->error_code == 0 && (made == 0 || made == KP_ERR_TOPIC_ALREADY_EXISTS))) {
                break;
            }
            rig_run(&storm->life.rig, 20 * NS_PER_MS);
        }
        ready = response != NULL && response->error_code == 0;
        if (ready) {
            storm->groups[i].shard = (uint32_t)response->node_id;
        }
    }
    if (client != NULL) {
        rig_client_free(client);
    }
    if (!ready && !storm_life_is_down(&storm->life)) {
        voice_fail(&storm->life.voice, "no coordinator");
    }
    return ready;
}

static void storm_load(struct group_storm *storm)
{
    uint64_t steps = 50 + prng_below(&storm->life.prng, STORM_STEPS);

    for (uint64_t i = 0; i < steps && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        rig_run(&storm->life.rig, 1 + (int64_t)prng_below(&storm->life.prng, prng_chance(&storm->life.prng, 1, 10)
                                                                                 ? 500 * (uint64_t)NS_PER_MS
                                                                                 : 4 * (uint64_t)NS_PER_MS));
        for (int32_t k = 0; k < GROUP_STORM_ACTORS; k++) {
            group_storm_poll(&storm->actors[k]);
        }
    }
}

static void storm_hang_up(struct group_storm *storm)
{
    for (int32_t i = 0; i < GROUP_STORM_ACTORS; i++) {
        struct storm_actor *actor = &storm->actors[i];

        if (actor->client != NULL) {
            rig_client_free(actor->client);
            actor->client = NULL;
        }
        actor->op = ACTOR_NONE;
        actor->silent_until_ns = 0;
        rig_call_deinit(&actor->call);
        rig_call_init(&actor->call);
    }
}

static void storm_round(struct group_storm *storm, bool last)
{
    storm_life_boot(&storm->life);
    if (!voice_ok(&storm->life.voice)) {
        return;
    }
    if (!last && prng_chance(&storm->life.prng, 2, 3)) {
        storm_life_arm(&storm->life, 1500);
    }
    if (storm_prepare(storm)) {
        storm_load(storm);
    }
    /* The process ends before the connections: nothing that was sent on an old one arrives later. */
    storm_life_end(&storm->life);
    storm_hang_up(storm);
}

static void storm_init(struct group_storm *storm, uint64_t seed, bool verbose)
{
    static const char *const settings[] = {"offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=20",
                                           NULL};
    struct sim_options       world;
    uint32_t                 shards;

    storm->life.start_cut_part = 5;
    storm->life.end_cut_quarter = 1;
    prng_init(&storm->life.prng, seed ^ UINT64_C(0x67726f757073));
    sim_options_swarm(&world, seed, false);
    shards = 1 + (uint32_t)prng_below(&storm->life.prng, 2);
    rig_create(&storm->life.rig, seed, &world, shards, shards, settings);
    voice_begin(&storm->life.voice, storm->life.rig.sim, verbose);
    for (int32_t i = 0; i < GROUP_STORM_GROUPS; i++) {
        (void)snprintf(storm->groups[i].name, sizeof(storm->groups[i].name), "group-%d", i);
    }
    for (int32_t i = 0; i < GROUP_STORM_ACTORS; i++) {
        struct storm_actor *actor = &storm->actors[i];

        actor->storm = storm;
        actor->index = i;
        actor->group = &storm->groups[i % GROUP_STORM_GROUPS];
        actor->alone = i % GROUP_STORM_GROUPS == GROUP_STORM_GROUPS - 1;
        actor->generation = -1;
        rig_call_init(&actor->call);
    }
}

uint64_t group_storm_run(struct group_storm *storm, uint64_t seed, bool verbose)
{
    uint64_t rounds;
    uint64_t hash;

    storm_init(storm, seed, verbose);
    rounds = 2 + prng_below(&storm->life.prng, STORM_ROUNDS_MAX - 1);
    for (uint64_t i = 0; i < rounds && voice_ok(&storm->life.voice); i++) {
        storm_round(storm, i + 1 == rounds);
    }
    hash = sim_trace_hash(storm->life.rig.sim);
    storm_hang_up(storm);
    for (int32_t i = 0; i < GROUP_STORM_ACTORS; i++) {
        rig_call_deinit(&storm->actors[i].call);
    }
    rig_destroy(&storm->life.rig);
    voice_end();
    return hash;
}
