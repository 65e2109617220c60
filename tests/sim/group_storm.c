/* The course of a storm over groups: start, load, cut, again. grouprun --help says how. */
#include "tests/sim/group_storm.h"

#include "core/coord/coord.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STORM_ROUNDS_MAX 6
#define STORM_STEPS      500
#define STORM_TRIES      50
#define STORM_TOPIC      "river"

static bool storm_is_down(const struct group_storm *storm)
{
    return sim_is_down(storm->rig.sim, 0);
}

/* The power goes off at one of the next changes of the disk. */
static void storm_arm(struct group_storm *storm, uint64_t changes_max)
{
    sim_cut_at(storm->rig.sim, 0, 1 + prng_below(&storm->prng, changes_max),
               (enum sim_cut_when)prng_below(&storm->prng, SIM_CUT_WHEN_COUNT), prng_next(&storm->prng),
               (enum sim_crash_style)prng_below(&storm->prng, SIM_CRASH_STYLE_COUNT));
}

static void storm_boot(struct group_storm *storm)
{
    for (uint32_t tries = 0; tries < STORM_TRIES; tries++) {
        int result;

        if (prng_chance(&storm->prng, 1, 5)) {
            storm_arm(storm, 150);
        }
        result = rig_start(&storm->rig);
        sim_cut_at(storm->rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
        if (result == ERR_OK && !storm_is_down(storm)) {
            return;
        }
        if (!storm_is_down(storm)) {
            voice_fail(&storm->voice, "the broker does not start: %s %s", err_name(result), storm->rig.why);
            return;
        }
        storm->cuts++;
        if (storm->rig.broker != NULL) {
            rig_cut(&storm->rig, 0, SIM_CRASH_MIX);
        }
    }
    voice_fail(&storm->voice, "the broker never came up");
}

static void storm_end_process(struct group_storm *storm)
{
    uint64_t dice = prng_below(&storm->prng, 4);

    sim_cut_at(storm->rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
    if (storm_is_down(storm) || dice == 0) {
        rig_cut(&storm->rig, prng_next(&storm->prng),
                (enum sim_crash_style)prng_below(&storm->prng, SIM_CRASH_STYLE_COUNT));
        storm->cuts++;
    } else if (dice == 1) {
        rig_kill(&storm->rig, prng_next(&storm->prng));
    } else if (rig_stop(&storm->rig) < 0) {
        voice_fail(&storm->voice, "the clean stop failed");
    }
}

/* The topics, and where each group's coordinator is. False: the power went off meanwhile. */
static bool storm_prepare(struct group_storm *storm)
{
    struct rig_client *client = rig_connect(&storm->rig, 0);
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
            rig_run(&storm->rig, 20 * NS_PER_MS);
        }
        ready = response != NULL && response->error_code == 0;
        if (ready) {
            storm->groups[i].shard = (uint32_t)response->node_id;
        }
    }
    if (client != NULL) {
        rig_client_free(client);
    }
    if (!ready && !storm_is_down(storm)) {
        voice_fail(&storm->voice, "no coordinator");
    }
    return ready;
}

static void storm_load(struct group_storm *storm)
{
    uint64_t steps = 50 + prng_below(&storm->prng, STORM_STEPS);

    for (uint64_t i = 0; i < steps && voice_ok(&storm->voice) && !storm_is_down(storm); i++) {
        rig_run(&storm->rig,
                1 + (int64_t)prng_below(&storm->prng, prng_chance(&storm->prng, 1, 10) ? 500 * (uint64_t)NS_PER_MS
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
    storm_boot(storm);
    if (!voice_ok(&storm->voice)) {
        return;
    }
    if (!last && prng_chance(&storm->prng, 2, 3)) {
        storm_arm(storm, 1500);
    }
    if (storm_prepare(storm)) {
        storm_load(storm);
    }
    /* The process ends before the connections: nothing that was sent on an old one arrives later. */
    storm_end_process(storm);
    storm_hang_up(storm);
}

static void storm_init(struct group_storm *storm, uint64_t seed, bool verbose)
{
    static const char *const settings[] = {"offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=20",
                                           NULL};
    struct sim_options       world;
    uint32_t                 shards;

    prng_init(&storm->prng, seed ^ UINT64_C(0x67726f757073));
    sim_options_swarm(&world, seed, false);
    shards = 1 + (uint32_t)prng_below(&storm->prng, 2);
    rig_create(&storm->rig, seed, &world, shards, shards, settings);
    voice_begin(&storm->voice, storm->rig.sim, verbose);
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
    rounds = 2 + prng_below(&storm->prng, STORM_ROUNDS_MAX - 1);
    for (uint64_t i = 0; i < rounds && voice_ok(&storm->voice); i++) {
        storm_round(storm, i + 1 == rounds);
    }
    hash = sim_trace_hash(storm->rig.sim);
    storm_hang_up(storm);
    for (int32_t i = 0; i < GROUP_STORM_ACTORS; i++) {
        rig_call_deinit(&storm->actors[i].call);
    }
    rig_destroy(&storm->rig);
    voice_end();
    return hash;
}

/* --- the program ---------------------------------------------------------------------------------------------------
 */

static uint64_t running_seed;

static void print_replay(void)
{
    (void)fprintf(stderr, "  replay: grouprun --seed %" PRIu64 " --seeds 1 --verbose\n", running_seed);
}

static int64_t clock_seconds(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = UINT64_MAX, seconds = 20, runs = 0, failures = 0;
    uint64_t generations = 0, commits = 0, fetches = 0, cuts = 0;
    bool     verbose = false;
    int64_t  deadline;

    seconds = getenv("SIM_SECONDS") == NULL ? seconds : strtoull(getenv("SIM_SECONDS"), NULL, 10);
    for (int i = 1; i < argc; i++) {
        bool      valued = i + 1 < argc;
        uint64_t *place = strcmp(argv[i], "--seed") == 0      ? &seed
                          : strcmp(argv[i], "--seeds") == 0   ? &seeds
                          : strcmp(argv[i], "--seconds") == 0 ? &seconds
                                                              : NULL;

        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (place != NULL && valued) {
            *place = strtoull(argv[++i], NULL, 0);
        } else {
            (void)printf("grouprun [--seed N] [--seeds N] [--seconds N] [--verbose]\n");
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    check_set_reporter(print_replay);
    deadline = clock_seconds() + (int64_t)seconds;
    for (; runs < seeds && failures < 5 && clock_seconds() < deadline; runs++, seed++) {
        struct group_storm *storm = mem_alloc(MEM_TEST, sizeof(*storm));

        running_seed = seed;
        MAYBE(group_storm_run(storm, seed, verbose) == 0);
        if (!voice_ok(&storm->voice)) {
            failures++;
            (void)fprintf(stderr, "FAIL seed %" PRIu64 ": %s\n", seed, storm->voice.failure);
            print_replay();
        }
        generations += storm->generations;
        commits += storm->commits;
        fetches += storm->fetches;
        cuts += storm->cuts;
        mem_free(MEM_TEST, storm);
    }
    (void)printf("groups: %" PRIu64 " runs, %" PRIu64 " generations, %" PRIu64 " commits, %" PRIu64 " reads, %" PRIu64
                 " power cuts, %" PRIu64 " failed\n",
                 runs, generations, commits, fetches, cuts, failures);
    return failures == 0 ? 0 : 1;
}
