/* The course of a storm: start, verify, load, cut, again; at the end everything is drained and compared. */
#include "tests/sim/broker_storm.h"

#include <stdio.h>

#define STORM_ROUNDS_MAX  5
#define STORM_STEPS       400
#define STORM_DRAIN_STEPS 20000
#define STORM_TRIES       50
#define STORM_READ_BYTES  300000
#define STORM_VICTIMS_MAX 256

/* --- start and end of a process ----------------------------------------------------------------------------------- */

/* --- verification ------------------------------------------------------------------------------------------------- */

/* One fetch; -1: no answer, else the high watermark. */
static int64_t storm_read(struct broker_storm *storm, struct rig_client *client, int32_t partition, int64_t *offset,
                          int32_t *in_order)
{
    const struct kp_fetch_response_responses_partitions *answer;
    const struct kp_fetch_response                      *response;

    rig_client_reset(client);
    response = rig_ask(client, KP_FETCH_KEY, 12,
                       rig_fetch_request(&client->scratch, STORM_TOPIC, partition, *offset, 0, 1, STORM_READ_BYTES));
    if (response == NULL) {
        return -1;
    }
    answer = &response->responses[0].partitions[0];
    if (answer->error_code != 0) {
        voice_fail(&storm->life.voice, "partition %d cannot be read at offset %" PRId64 ": %s", partition, *offset,
                   kp_error_name(answer->error_code));
        return -1;
    }
    storm_take(storm, partition, answer->records, offset, in_order);
    return answer->high_watermark;
}

static void storm_verify_partition(struct broker_storm *storm, int32_t partition)
{
    struct rig_client *client = NULL;
    int32_t            in_order[STORM_LANES] = {0};
    int64_t            offset = 0;
    int64_t            end = -1;
    uint32_t           failures = 0;

    while (voice_ok(&storm->life.voice) && (end < 0 || offset < end) && failures < STORM_TRIES) {
        int64_t before = offset;

        if (client == NULL) {
            client = rig_connect(&storm->life.rig, storm->partitions[partition].shard);
        }
        end = client == NULL ? -1 : storm_read(storm, client, partition, &offset, in_order);
        if (end < 0 || (offset == before && offset < end)) {
            failures++;
            if (client != NULL) {
                rig_client_free(client);
                client = NULL;
            }
        }
    }
    if (client != NULL) {
        rig_client_free(client);
    }
    if (voice_ok(&storm->life.voice) && (end < 0 || offset < end)) {
        voice_fail(&storm->life.voice, "partition %d: nothing to read at offset %" PRId64 " of %" PRId64, partition,
                   offset, end);
    }
    if (voice_ok(&storm->life.voice) && offset < (int64_t)storm->partitions[partition].count) {
        voice_fail(&storm->life.voice, "partition %d ends at offset %" PRId64 ", %zu were acknowledged or seen",
                   partition, offset, storm->partitions[partition].count);
    }
    for (int32_t i = 0; i < STORM_LANES && voice_ok(&storm->life.voice) && storm->draining; i++) {
        if (storm->lanes[i].partition == partition && in_order[i] != storm->lanes[i].next_sequence) {
            voice_fail(&storm->life.voice, "lane %d: %d records are there, %d were sent and acknowledged", i,
                       in_order[i], storm->lanes[i].next_sequence);
        }
    }
}

static void storm_verify(struct broker_storm *storm)
{
    storm_admin_verify(storm);
    for (int32_t i = 0; i < STORM_PARTITIONS && storm->topic_made && voice_ok(&storm->life.voice); i++) {
        storm_verify_partition(storm, i);
    }
}

/* --- sabotage ----------------------------------------------------------------------------------------------------- */

struct storm_victims {
    char     paths[STORM_VICTIMS_MAX][128];
    uint32_t count;
};

static void storm_victim(void *context, const char *path, uint64_t size_bytes)
{
    struct storm_victims *victims = context;

    MAYBE(size_bytes == 0);
    if (strstr(path, "/" STORM_TOPIC "-") != NULL && victims->count < STORM_VICTIMS_MAX) {
        (void)snprintf(victims->paths[victims->count++], sizeof(victims->paths[0]), "%s", path);
    }
}

/* Takes the partitions' files away, as a broker that never wrote them would leave it. */
static void storm_sabotage(struct broker_storm *storm)
{
    static struct storm_victims victims;

    victims.count = 0;
    sim_disk_each(storm->life.rig.sim, 0, storm_victim, &victims);
    for (uint32_t i = 0; i < victims.count; i++) {
        CHECK(sim_disk_remove(storm->life.rig.sim, 0, victims.paths[i]));
    }
}

/* --- the course --------------------------------------------------------------------------------------------------- */

static void storm_poll(struct broker_storm *storm)
{
    rig_run(&storm->life.rig, 1 + (int64_t)prng_below(&storm->life.prng, 3 * NS_PER_MS));
    for (uint32_t i = 0; i < STORM_LANES && voice_ok(&storm->life.voice); i++) {
        storm_lane_poll(&storm->lanes[i]);
    }
    for (uint32_t i = 0; i < STORM_PARTITIONS && voice_ok(&storm->life.voice); i++) {
        storm_reader_poll(storm, &storm->readers[i]);
    }
}

static void storm_load(struct broker_storm *storm)
{
    uint64_t steps = 20 + prng_below(&storm->life.prng, STORM_STEPS);

    for (uint64_t i = 0; i < steps && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        storm_poll(storm);
        if (prng_chance(&storm->life.prng, 1, 40)) {
            storm_admin_step(storm);
        }
    }
}

static bool storm_drained(const struct broker_storm *storm)
{
    for (uint32_t i = 0; i < STORM_LANES; i++) {
        if (storm->lanes[i].used > 0) {
            return false;
        }
    }
    return true;
}

static void storm_round(struct broker_storm *storm, bool last)
{
    storm_life_boot(&storm->life);
    if (voice_ok(&storm->life.voice) && storm->topic_made) {
        storm_verify(storm);
    }
    if (!last && prng_chance(&storm->life.prng, 2, 3)) {
        storm_life_arm(&storm->life, 3000);
    }
    if (voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life)) {
        storm_admin_prepare(storm);
    }
    if (storm->topic_made) {
        storm_load(storm);
    }
    if (last && voice_ok(&storm->life.voice)) {
        storm->draining = true;
        for (uint32_t i = 0; i < STORM_DRAIN_STEPS && !storm_drained(storm) && voice_ok(&storm->life.voice); i++) {
            storm_poll(storm);
        }
        if (voice_ok(&storm->life.voice) && !storm_drained(storm)) {
            voice_fail(&storm->life.voice, "some batches are never answered");
        }
        storm_verify(storm);
    }
    storm_hang_up(storm);
    storm_life_end(&storm->life);
    if (storm->sabotage && !last) {
        storm_sabotage(storm);
    }
}

static void storm_init(struct broker_storm *storm, uint64_t seed, bool verbose, bool sabotage)
{
    static const uint32_t    shard_counts[] = {1, 2, 4};
    static const char *const snapshots[] = {"metadata.log.max.record.bytes.between.snapshots=1500", NULL};
    struct sim_options       world;
    uint32_t                 shards;

    *storm = (struct broker_storm){.sabotage = sabotage};
    storm->life.start_cut_part = 4;
    storm->life.end_cut_quarter = 1;
    prng_init(&storm->life.prng, seed ^ UINT64_C(0x62726f6b6572));
    sim_options_swarm(&world, seed, false);
    if (prng_chance(&storm->life.prng, 1, 2)) {
        world.reset = (struct sim_ratio){1, 300 + prng_below(&storm->life.prng, 1000)};
    }
    shards = shard_counts[prng_below(&storm->life.prng, 3)];
    rig_create(&storm->life.rig, seed, &world, shards, 1 + (uint32_t)prng_below(&storm->life.prng, shards),
               seed % 2 == 0 ? snapshots : NULL); /* the metadata log is shortened all the time, or never */
    voice_begin(&storm->life.voice, storm->life.rig.sim, verbose);
    for (int32_t i = 0; i < STORM_LANES; i++) {
        storm->lanes[i].storm = storm;
        storm->lanes[i].index = i;
        storm->lanes[i].partition = i % STORM_PARTITIONS;
        storm->lanes[i].producer_id = -1;
        for (uint32_t k = 0; k < STORM_FLIGHT; k++) {
            rig_call_init(&storm->lanes[i].slots[k].call);
        }
    }
    for (int32_t i = 0; i < STORM_PARTITIONS; i++) {
        storm->readers[i].partition = i;
        rig_call_init(&storm->readers[i].call);
    }
}

uint64_t broker_storm_run(struct broker_storm *storm, uint64_t seed, bool verbose, bool sabotage)
{
    uint64_t rounds;
    uint64_t hash;

    storm_init(storm, seed, verbose, sabotage);
    rounds = 2 + prng_below(&storm->life.prng, STORM_ROUNDS_MAX - 1);
    for (uint64_t i = 0; i < rounds && voice_ok(&storm->life.voice); i++) {
        storm_round(storm, i + 1 == rounds);
    }
    hash = sim_trace_hash(storm->life.rig.sim);
    storm_hang_up(storm);
    for (uint32_t i = 0; i < STORM_LANES; i++) {
        for (uint32_t k = 0; k < STORM_FLIGHT; k++) {
            rig_call_deinit(&storm->lanes[i].slots[k].call);
        }
    }
    for (uint32_t i = 0; i < STORM_PARTITIONS; i++) {
        rig_call_deinit(&storm->readers[i].call);
        mem_free(MEM_TEST, storm->partitions[i].records);
    }
    rig_destroy(&storm->life.rig);
    voice_end();
    return hash;
}
