/* The course of a storm of jobs: start, bids, cut or kill, start again, check. */
#include "tests/sim/job_storm.h"

#include <stdio.h>

#define ROUNDS_MAX   5
#define BIDS_ROUND   40
#define JOB_TRIES    50
#define CRASHES_MIN  2
#define PATIENCE_NS  (20 * NS_PER_S)
#define PAUSE_NS_MAX (300 * NS_PER_MS)
#define FULL_NS_MAX  (6 * NS_PER_S)

#define RESERVE_BYTES (4 * MIB) /* millrace.free.bytes.min */

#define TABLE(name, columns, topic, connector)                                                   \
    "CREATE TABLE " name " (" columns ") WITH ('connector' = '" connector "', 'topic' = '" topic \
    "', 'properties.bootstrap.servers' = 'localhost:9092', "
#define BIDS(name, more, group) TABLE(name, "auction BIGINT, price BIGINT" more, "bids", "kafka") SOURCE(group)
#define SOURCE(group) \
    "'properties.group.id' = '" group "', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');"
#define ONCE(prefix) "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '" prefix "');"

#define APPENDS(name, columns) TABLE(name, columns, name, "kafka") "'format' = 'json', " ONCE(name)
#define UPSERTS(name, columns) \
    TABLE(name, columns, name, "upsert-kafka") "'key.format' = 'json', 'value.format' = 'json', " ONCE(name)

/* The name of a job ends with that of its sink. */
static const struct {
    const char *topic, *script;
} topics[STORM_TOPICS] = {
    [STORM_BIDS] = {"bids", NULL},
    [STORM_ASKS] = {"asks", NULL},
    [STORM_COPY] = {"copies",
                    BIDS("copied_bids", "", JOB_STORM_GROUP) APPENDS(
                        "copies",
                        "auction BIGINT, price BIGINT") "INSERT INTO copies SELECT auction, price FROM copied_bids;"},
    [STORM_SUMS] = {"sums", BIDS("summed_bids", "", "summing")
                                UPSERTS("sums", "auction BIGINT, n BIGINT, total BIGINT, PRIMARY KEY (auction) NOT "
                                                "ENFORCED") "INSERT INTO sums SELECT auction, COUNT(*), SUM(price) "
                                                            "FROM summed_bids GROUP BY auction;"},
    [STORM_WINDOWS] =
        {"windows",
         BIDS("timed_bids",
              ", ts AS TO_TIMESTAMP_LTZ(price * 1000, 3), WATERMARK FOR ts AS ts - "
              "INTERVAL '5' SECOND",
              "timing")
             APPENDS(
                 "windows",
                 "w BIGINT, auction BIGINT, n BIGINT, total BIGINT") "INSERT INTO windows SELECT MIN(price) / 10, "
                                                                     "auction, COUNT(*), SUM(price) FROM TABLE(TUMBLE("
                                                                     "TABLE timed_bids, DESCRIPTOR(ts), INTERVAL '10' "
                                                                     "SECOND)) "
                                                                     "GROUP BY window_start, window_end, auction;"},
    [STORM_PAIRS] = {"pairs",
                     BIDS("paired_bids", "", "pairing") TABLE("asks", "price BIGINT, seller BIGINT", "asks", "kafka")
                         SOURCE("pairing") APPENDS(
                             "pairs",
                             "auction BIGINT, price BIGINT, seller BIGINT") "INSERT INTO pairs SELECT b.auction, "
                                                                            "b.price, a.seller FROM paired_bids AS b "
                                                                            "JOIN asks AS a ON b.price = a.price;"},
    [STORM_TOPS] =
        {"tops",
         BIDS("ranked_bids", "", "ranking") UPSERTS(
             "tops",
             "auction BIGINT, rank_number BIGINT, price BIGINT, "
             "PRIMARY KEY (auction, rank_number) NOT ENFORCED") "INSERT INTO tops SELECT auction, rank_number, price "
                                                                "FROM (SELECT auction, price, ROW_NUMBER() "
                                                                "OVER (PARTITION BY auction ORDER BY price DESC) AS "
                                                                "rank_number FROM ranked_bids) "
                                                                "WHERE rank_number <= 2;"},
};
STATIC_CHECK(JOB_STORM_WINDOW == 10 && JOB_STORM_RANKS == 2); /* as the scripts say */

const char *job_storm_topic(int topic)
{
    return topics[topic].topic;
}

/* --- connections ---------------------------------------------------------------------------------------------------
 */

struct rig_client *job_storm_client(struct job_storm *storm, uint32_t shard)
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

static void hang_up(struct job_storm *storm)
{
    for (uint32_t i = 0; i < RIG_SHARDS_MAX; i++) {
        if (storm->clients[i] != NULL) {
            rig_client_free(storm->clients[i]);
            storm->clients[i] = NULL;
        }
    }
}

/* --- topics --------------------------------------------------------------------------------------------------------
 */

/* Every other one is flushed later than it is acknowledged. */
static bool make_topic(struct job_storm *storm, int topic)
{
    static const char *const           relaxed[] = {"flush.ms=300", "flush.messages=1000", NULL};
    struct kp_metadata_request         request;
    struct kp_metadata_request_topics  row;
    const struct kp_metadata_response *response;
    struct rig_client                 *client = job_storm_client(storm, 0);
    int16_t                            error;

    if (client == NULL) {
        return false;
    }
    error = rig_create_topic(client, job_storm_topic(topic), JOB_STORM_PARTITIONS,
                             prng_chance(&storm->life.prng, 1, 2) ? relaxed : NULL);
    if (error != 0 && error != KP_ERR_TOPIC_ALREADY_EXISTS) {
        return false;
    }
    rig_client_reset(client);
    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&row);
    row.name = view_text(job_storm_topic(topic));
    request.topics = &row;
    request.topics_count = 1;
    response = rig_ask(client, KP_METADATA_KEY, 9, &request);
    if (response == NULL || response->topics[0].error_code != 0) {
        return false;
    }
    for (int32_t i = 0; i < JOB_STORM_PARTITIONS; i++) {
        storm->leaders[topic][response->topics[0].partitions[i].partition_index] =
            (uint32_t)response->topics[0].partitions[i].leader_id;
    }
    return true;
}

static bool prepare(struct job_storm *storm)
{
    for (int topic = 0; topic < STORM_TOPICS; topic++) {
        if (storm->is_used[topic] && !make_topic(storm, topic)) {
            return false;
        }
    }
    return true;
}

/* --- jobs ----------------------------------------------------------------------------------------------------------
 */

static void on_statement(struct job_request *request UNUSED, size_t index UNUSED, bool is_table UNUSED,
                         struct view text UNUSED, const char *job_id UNUSED)
{
}

static void on_done(struct job_request *request)
{
    CONTAINER_OF(request, struct job_storm, request)->answered = true;
}

static void on_job(struct job_request *request, const struct job_facts *facts)
{
    struct job_storm *storm = CONTAINER_OF(request, struct job_storm, request);

    for (int topic = STORM_COPY; topic < STORM_TOPICS; topic++) {
        size_t len = strlen(job_storm_topic(topic));

        if (facts->name.len >= len &&
            memcmp(facts->name.base + facts->name.len - len, job_storm_topic(topic), len) == 0) {
            storm->has_job[topic] = true;
        }
    }
    if (facts->status == JOB_FAILED) {
        voice_fail(&storm->life.voice, "a job failed: %.*s", (int)facts->failure.len,
                   (const char *)facts->failure.base);
    }
}

static bool is_over(void *context)
{
    const struct job_storm *storm = context;

    return storm->answered || storm_life_is_down(&storm->life);
}

/* True: done, and well. The request is not touched any more when the power goes off first. */
static bool ask_jobs(struct job_storm *storm, enum job_request_kind kind, const char *text)
{
    if (storm_life_is_down(&storm->life)) {
        return false;
    }
    storm->answered = false;
    storm->request = (struct job_request){.kind = kind,
                                          .session = view_text(""),
                                          .text = view_text(text),
                                          .statement = on_statement,
                                          .job = on_job,
                                          .done = on_done};
    job_submit(broker_jobs(storm->life.rig.broker, 0), &storm->request);
    if (!rig_until(&storm->life.rig, is_over, storm, PATIENCE_NS)) {
        voice_fail(&storm->life.voice, "a request for jobs is never answered");
        return false;
    }
    return storm->answered && !storm->request.failed;
}

/* A job that is not there yet; 0: none. */
static int missing_job(const struct job_storm *storm)
{
    for (int topic = STORM_COPY; topic < STORM_TOPICS; topic++) {
        if (storm->is_used[topic] && !storm->has_job[topic]) {
            return topic;
        }
    }
    return 0;
}

/* A script whose answer was lost may have made its job, or not. */
static void need_jobs(struct job_storm *storm)
{
    for (int tries = 0; tries < JOB_TRIES && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life);
         tries++) {
        int missing;

        memset(storm->has_job, 0, sizeof(storm->has_job));
        if (!ask_jobs(storm, JOB_REQUEST_LIST, "")) {
            rig_run(&storm->life.rig, 100 * NS_PER_MS);
            continue;
        }
        missing = missing_job(storm);
        if (missing == 0) {
            return;
        }
        (void)ask_jobs(storm, JOB_REQUEST_SCRIPT, topics[missing].script);
    }
    if (voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life)) {
        voice_fail(&storm->life.voice, "the jobs cannot be made: %s", storm->request.message);
    }
}

/* --- bids ----------------------------------------------------------------------------------------------------------
 */

/* True: it is there. */
static bool put(struct job_storm *storm, int topic, int32_t partition, const char *text)
{
    struct rig_client *client = job_storm_client(storm, storm->leaders[topic][partition]);

    if (client == NULL) {
        return false;
    }
    rig_client_reset(client);
    return rig_produce(client, job_storm_topic(topic), partition, rig_batch(&client->scratch, text, 1, -1, -1, -1),
                       NULL) == 0;
}

static int32_t any_partition(struct job_storm *storm)
{
    return (int32_t)prng_below(&storm->life.prng, JOB_STORM_PARTITIONS);
}

static bool bid(struct job_storm *storm, int32_t partition)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"auction\":%d,\"price\":%d}",
                   (int)prng_below(&storm->life.prng, JOB_STORM_KEYS), ++storm->next_price);
    return put(storm, STORM_BIDS, partition, text);
}

/* For a bid that is there already, or comes later. */
static void ask(struct job_storm *storm, int price)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"price\":%d,\"seller\":%d}", price,
                   (int)prng_below(&storm->life.prng, JOB_STORM_KEYS));
    (void)put(storm, STORM_ASKS, any_partition(storm), text);
}

static void trade(struct job_storm *storm)
{
    bool asks = storm->is_used[STORM_ASKS] && prng_chance(&storm->life.prng, 1, 2);
    bool first = prng_chance(&storm->life.prng, 1, 2);

    CHECK(storm->next_price + 1 < JOB_STORM_LAST_BIDS);
    if (asks && first) {
        ask(storm, storm->next_price + 1);
    }
    (void)bid(storm, any_partition(storm));
    if (asks && !first) {
        ask(storm, storm->next_price);
    }
}

/* --- the disk ------------------------------------------------------------------------------------------------------
 */

/* Less is free than the broker keeps in reserve: nothing is appended any more. */
static void fill_disk(struct job_storm *storm)
{
    struct sim *sim = storm->life.rig.sim;

    storm->is_full = true;
    storm->fulls++;
    sim_set_capacity(sim, 0, sim_used_bytes(sim, 0) + RESERVE_BYTES - 1);
}

static void make_room(struct job_storm *storm)
{
    storm->is_full = false;
    sim_set_capacity(storm->life.rig.sim, 0, storm->life.rig.world.capacity_bytes);
}

static void trade_all(struct job_storm *storm, bool last)
{
    uint64_t bids = 1 + prng_below(&storm->life.prng, BIDS_ROUND);
    uint64_t full_at = !last && prng_chance(&storm->life.prng, 1, 5) ? prng_below(&storm->life.prng, bids) : bids;

    for (uint64_t i = 0; i < bids && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        if (i == full_at) {
            fill_disk(storm);
        }
        trade(storm);
        if (prng_chance(&storm->life.prng, 1, 4)) {
            rig_run(&storm->life.rig, (int64_t)prng_below(&storm->life.prng, PAUSE_NS_MAX));
        }
    }
    if (storm->is_full && !storm_life_is_down(&storm->life)) {
        rig_run(&storm->life.rig, (int64_t)prng_below(&storm->life.prng, FULL_NS_MAX));
        if (prng_chance(&storm->life.prng, 1, 2)) {
            make_room(storm);
            rig_run(&storm->life.rig, (int64_t)prng_below(&storm->life.prng, FULL_NS_MAX));
        }
    }
}

/* What was full when the broker ended still is when it begins again. */
static void start(struct job_storm *storm)
{
    storm_life_boot(&storm->life);
    if (storm->is_full && !storm_life_is_down(&storm->life)) {
        rig_run(&storm->life.rig, (int64_t)prng_below(&storm->life.prng, FULL_NS_MAX));
    }
    make_room(storm);
}

/* --- the course ----------------------------------------------------------------------------------------------------
 */

/* Later than every window, in every partition. */
static void end_windows(struct job_storm *storm)
{
    storm->next_price = MAX(storm->next_price, JOB_STORM_LAST_BIDS);
    for (int32_t partition = 0; partition < JOB_STORM_PARTITIONS; partition++) {
        while (!bid(storm, partition) && storm->next_price + 1 < JOB_STORM_BIDS) {
            rig_run(&storm->life.rig, 100 * NS_PER_MS);
        }
    }
}

static void one_round(struct job_storm *storm, bool last)
{
    start(storm);
    if (!last && prng_chance(&storm->life.prng, 3, 4)) {
        storm_life_arm(&storm->life, 500);
    }
    if (voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life) && (storm->prepared || prepare(storm))) {
        storm->prepared = true;
        need_jobs(storm);
        trade_all(storm, last);
    }
    if (last && storm->prepared && voice_ok(&storm->life.voice)) {
        end_windows(storm);
    }
    if (storm->prepared && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life) &&
        (last || prng_chance(&storm->life.prng, 1, 2))) {
        job_storm_check(storm, last);
    }
    hang_up(storm);
    storm_life_end(&storm->life);
}

/* Copies always, and one or two of the others. */
static void choose(struct job_storm *storm)
{
    storm->is_used[STORM_BIDS] = storm->is_used[STORM_COPY] = true;
    for (int i = 0; i < 2; i++) {
        storm->is_used[STORM_SUMS + (int)prng_below(&storm->life.prng, STORM_TOPICS - STORM_SUMS)] = true;
    }
    storm->is_used[STORM_ASKS] = storm->is_used[STORM_PAIRS];
}

static void init(struct job_storm *storm, uint64_t seed, bool verbose, enum job_plant plant)
{
    static const char *const settings[] = {"offsets.topic.num.partitions=3", "millrace.job.epoch.interval.ms=100",
                                           "millrace.job.restart.min.ms=50", "millrace.free.bytes.min=4194304", NULL};
    struct sim_options       world;
    uint32_t                 shards;

    memset(storm, 0, sizeof(*storm));
    storm->plant = plant;
    storm->life.start_cut_part = 4;
    storm->life.end_cut_quarter = 2;
    prng_init(&storm->life.prng, seed ^ UINT64_C(0x6a6f6273));
    sim_options_swarm(&world, seed, false);
    shards = 1 + (uint32_t)prng_below(&storm->life.prng, 3);
    choose(storm);
    job_plant_begin(plant);
    rig_create(&storm->life.rig, seed, &world, shards, 1 + (uint32_t)prng_below(&storm->life.prng, shards), settings);
    voice_begin(&storm->life.voice, storm->life.rig.sim, verbose);
}

uint64_t job_storm_run(struct job_storm *storm, uint64_t seed, bool verbose, enum job_plant plant)
{
    uint64_t rounds;
    uint64_t hash;

    init(storm, seed, verbose, plant);
    rounds = 3 + prng_below(&storm->life.prng, ROUNDS_MAX - 2);
    for (uint64_t i = 0; i < rounds && voice_ok(&storm->life.voice); i++) {
        storm->life.must_crash = i < CRASHES_MIN;
        one_round(storm, i + 1 == rounds);
    }
    hash = sim_trace_hash(storm->life.rig.sim);
    hang_up(storm);
    rig_destroy(&storm->life.rig);
    voice_end();
    job_plant_begin(JOB_PLANT_NONE);
    return hash;
}
