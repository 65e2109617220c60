/* Jobs on brokers that die at random moments of an epoch, by kill -9 and by power cuts: a read_committed reader sees
 * each result exactly once, whatever was under way. More rounds: JOB_CRASH_SEEDS in the environment. */
#include "tests/unit/job/job_rig.h"

#include "core/base/prng.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEDS      3
#define CRASHES    5
#define KEYS       5
#define BIDS_MAX   1000
#define CUT_WITHIN (400 * NS_PER_MS)

#define SOURCE                                                                                         \
    "CREATE TABLE bids (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'bids', " \
    "'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');"
#define APPEND                                                                                           \
    "CREATE TABLE dear (auction BIGINT, price BIGINT) WITH ('connector' = 'kafka', 'topic' = 'dear', "   \
    "'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json', 'sink.delivery-guarantee' = " \
    "'exactly-once', 'sink.transactional-id-prefix' = 'dear');"                                          \
    "INSERT INTO dear SELECT auction, price FROM bids;"
#define UPSERT                                                                                              \
    "CREATE TABLE sums (auction BIGINT, n BIGINT, total BIGINT, PRIMARY KEY (auction) NOT ENFORCED) WITH (" \
    "'connector' = 'upsert-kafka', 'topic' = 'sums', 'properties.bootstrap.servers' = 'localhost:9092', "   \
    "'key.format' = 'json', 'value.format' = 'json', 'sink.delivery-guarantee' = 'exactly-once', "          \
    "'sink.transactional-id-prefix' = 'sums');"                                                             \
    "INSERT INTO sums SELECT auction, COUNT(*), SUM(price) FROM bids GROUP BY auction;"

static struct {
    struct prng prng;
    char        lines[BIDS_MAX][64];
    size_t      count;
    int64_t     n[KEYS], total[KEYS];
} world;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void bid(int64_t *price)
{
    int  key = (int)(prng_next(&world.prng) % KEYS);
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"auction\":%d,\"price\":%d}", key, (int)++*price);
    job_rig_value("bids", (int32_t)(prng_next(&world.prng) % 3), text);
    assert_true(world.count < BIDS_MAX);
    memcpy(world.lines[world.count++], text, sizeof(text));
    world.n[key]++;
    world.total[key] += *price;
}

static void expect_append(void)
{
    static char expected[BIDS_MAX * 64];
    size_t      len = 0;

    expected[0] = '\0';
    qsort(world.lines, world.count, sizeof(world.lines[0]), by_text);
    for (size_t i = 0; i < world.count; i++) {
        len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s\n", world.lines[i]);
    }
    job_rig_expect("dear", expected);
}

/* The newest value of each key is right, and no change came twice: n of a key grows with each. */
static bool upserts_good(const char *text, bool *out_twice)
{
    size_t found = 0, keys = 0;
    char   last[128] = "", line[128];

    *out_twice = false;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        assert_true(len < sizeof(line));
        memcpy(line, text, len);
        line[len] = '\0';
        *out_twice = *out_twice || strcmp(line, last) == 0;
        memcpy(last, line, sizeof(last));
        for (int key = 0; key < KEYS; key++) {
            char want[128];

            (void)snprintf(want, sizeof(want), "{\"auction\":%d,\"n\":%lld,\"total\":%lld}", key,
                           (long long)world.n[key], (long long)world.total[key]);
            found += strcmp(want, line) == 0;
        }
        text += len + (text[len] == '\n');
    }
    for (int key = 0; key < KEYS; key++) {
        keys += world.n[key] > 0;
    }
    return found == keys;
}

static void expect_upsert(void)
{
    bool good = false, twice = false;

    for (int i = 0; i < 600 && !good; i++) {
        good = upserts_good(job_rig_committed("sums"), &twice);
        rig_run(&job_rig.broker, 100 * NS_PER_MS);
    }
    if (!good || twice) {
        fail_msg("%s:\n%s", twice ? "twice" : "missing", job_rig_committed("sums"));
    }
}

static void run_seed(uint64_t seed)
{
    static struct job_answers answers;
    int64_t                   price = 0;

    memset(&world, 0, sizeof(world));
    prng_init(&world.prng, seed);
    job_rig_create(seed, 1 + (uint32_t)(seed % 3), NULL);
    job_rig_topic("bids", 3);
    job_rig_topic("dear", 2);
    job_rig_topic("sums", 2);
    assert_true(job_rig_do(&answers, JOB_REQUEST_SCRIPT, SOURCE APPEND UPSERT));
    for (int crash = 0; crash < CRASHES; crash++) {
        for (uint64_t bids = prng_next(&world.prng) % 8; bids > 0; bids--) {
            bid(&price);
        }
        rig_run(&job_rig.broker, (int64_t)(prng_next(&world.prng) % CUT_WITHIN));
        job_rig_restart(prng_next(&world.prng), prng_next(&world.prng) % 2 == 0);
        if (prng_next(&world.prng) % 2 == 0) { /* and again, perhaps before the first epoch of the new run */
            rig_run(&job_rig.broker, (int64_t)(prng_next(&world.prng) % CUT_WITHIN));
            job_rig_restart(prng_next(&world.prng), true);
        }
    }
    bid(&price);
    expect_append();
    expect_upsert();
    job_rig_destroy();
}

static void test_each_result_once(void **state)
{
    const char *seeds = getenv("JOB_CRASH_SEEDS");
    uint64_t    count = seeds == NULL ? SEEDS : strtoull(seeds, NULL, 10);

    (void)state;
    for (uint64_t seed = 1; seed <= count; seed++) {
        run_seed(seed);
    }
}

/* A job's life in the log: whatever stood there when the power went, it is in one of its states afterwards, and can be
 * brought to its end. */
static void test_a_life_is_cut_anywhere(void **state)
{
    static struct job_answers          answers, shown;
    static const enum job_request_kind verbs[] = {JOB_REQUEST_PAUSE, JOB_REQUEST_RESUME, JOB_REQUEST_STOP,
                                                  JOB_REQUEST_DELETE};
    struct prng                        prng;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char id[JOB_ID_TEXT_BYTES];

        prng_init(&prng, seed);
        job_rig_create(seed + 100, 2, NULL);
        job_rig_topic("bids", 1);
        job_rig_topic("dear", 1);
        job_rig_value("bids", 0, "{\"auction\":1,\"price\":2}");
        assert_true(job_rig_do(&answers, JOB_REQUEST_SCRIPT, SOURCE APPEND));
        memcpy(id, answers.job_id, sizeof(id));
        for (size_t i = 0; i < COUNT_OF(verbs); i++) {
            job_rig_begin(&answers, 0, verbs[i], "", id);
            rig_run(&job_rig.broker, (int64_t)(prng_next(&prng) % (300 * NS_PER_MS)));
            job_rig_restart(prng_next(&prng), true);
            assert_true(answers.done); /* with whatever it was told */
        }
        for (int i = 0; i < 100; i++) { /* whatever has become of it, it can be ended and deleted */
            (void)job_rig_do(&answers, JOB_REQUEST_CANCEL, id);
            (void)job_rig_do(&answers, JOB_REQUEST_DELETE, id);
            if (!job_rig_do(&shown, JOB_REQUEST_SHOW, id)) {
                break;
            }
            rig_run(&job_rig.broker, 100 * NS_PER_MS);
        }
        assert_false(job_rig_do(&shown, JOB_REQUEST_SHOW, id));
        assert_in_set(strlen(job_rig_committed("dear")),
                      ((const uintmax_t[]){0, strlen("{\"auction\":1,\"price\":2}\n")}), 2);
        job_rig_destroy();
    }
}

/* One write fails while the broker goes on, mostly of a journal: the shard takes no small appends until it is started
 * again, so the log of jobs, sinks and job logs fail under runs. What is under way then has no verdict until the log is
 * read again, and is still seen once. */
static void test_a_write_fails(void **state)
{
    static struct job_answers answers;

    (void)state;
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        int64_t price = 0;

        memset(&world, 0, sizeof(world));
        prng_init(&world.prng, seed);
        job_rig_create(seed + 500, 2, NULL);
        job_rig_topic("bids", 3);
        job_rig_topic("dear", 2);
        job_rig_topic("sums", 2);
        assert_true(job_rig_do(&answers, JOB_REQUEST_SCRIPT, SOURCE APPEND UPSERT));
        for (int i = 0; i < 10; i++) {
            bid(&price);
        }
        sim_fail_nth(job_rig.broker.sim, 0, 1 + prng_next(&world.prng) % 12, SIM_FAIL_WRITE, ERR_IO, false);
        rig_run(&job_rig.broker, 3 * NS_PER_S);
        job_rig_restart(prng_next(&world.prng), prng_next(&world.prng) % 2 == 0);
        expect_append();
        expect_upsert();
        job_rig_destroy();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_result_once),
        cmocka_unit_test(test_a_life_is_cut_anywhere),
        cmocka_unit_test(test_a_write_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
