/* compactrun: logs that are compacted while they are written, in odd worlds, over many lives that end in power cuts at
 * any change of the disk, kill -9 or a clean stop. After each of them everything is read and held against a model of
 * keys (tests/unit/store/compact_rig.c).
 *
 *   compactrun                        some seeds
 *   compactrun --seed 7 --seeds 1000  as many from 7 on; SIM_SECONDS in the environment ends it earlier, and with
 *                                     SIM_SEEDS=0 lets it go on until then
 *   compactrun --seed 7 --seeds 1 --verbose */
#include "tests/unit/store/compact_rig.h"

#include "core/base/slog.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIVES       6
#define RECORDS_MAX 14000

static struct keyed_log keyed;
static struct prng      prng;
static uint64_t         running; /* seed; 0: none */
static uint64_t         passes, cuts;

static void print_replay(void)
{
    if (running != 0) {
        (void)fprintf(stderr, "  replay: compactrun --seed %" PRIu64 " --seeds 1 --verbose\n", running);
    }
}

static void count_passes(enum slog_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    passes += strstr(text, "compacted below") != NULL;
}

static void print_lines(enum slog_level level, const char *room, const char *text)
{
    count_passes(level, room, text);
    (void)fprintf(stderr, "%d %s %s\n", (int)level, room, text);
}

static void choose_policy(void)
{
    keyed.keys = (uint32_t)(2 + prng_below(&prng, KEYED_KEYS_MAX - 2));
    keyed.policy.segment_bytes = (8 + prng_below(&prng, 60)) * KIB;
    keyed.policy.segment_ms = prng_chance(&prng, 1, 3) ? 200 : INT64_MAX;
    keyed.policy.delete_retention_ms = (int64_t)prng_below(&prng, 3000);
    keyed.policy.min_cleanable_ratio = (double)prng_below(&prng, 6) / 10;
    keyed.policy.min_compaction_lag_ms = prng_chance(&prng, 1, 4) ? 100 : 0;
    keyed.policy.max_compaction_lag_ms = prng_chance(&prng, 1, 4) ? 500 : INT64_MAX;
    keyed.policy.file_delete_delay_ms = (int64_t)prng_below(&prng, 500);
    keyed.policy.delete_enabled = prng_chance(&prng, 1, 4);
    keyed.policy.retention_ms = 2000;
}

static void choose_settings(void)
{
    keyed.settings.map_bytes_max = prng_chance(&prng, 1, 3) ? 120 * KIB : 1 * MIB;
    keyed.settings.backoff_ms = 1 + (int64_t)prng_below(&prng, 200);
    keyed.settings.bytes_per_s_max = prng_chance(&prng, 1, 3) ? 500 * KIB : UINT64_MAX;
    store_set_compaction(rig.store, &keyed.settings);
    store_set_retention_check_ms(rig.store, 100);
}

/* Writing, waiting, trimming, while it is compacted and may end at any moment. */
static void live(void)
{
    uint64_t steps = 3 + prng_below(&prng, 15);

    for (uint64_t i = 0; i < steps && !keyed_dead(&keyed); i++) {
        if (keyed.end < RECORDS_MAX) {
            keyed_load(&keyed, 1 + (int)prng_below(&prng, 25));
        }
        if (!keyed_dead(&keyed) && prng_chance(&prng, 1, 2)) {
            keyed_settle(&keyed);
        }
        rig_run_for((int64_t)prng_below(&prng, 300) * NS_PER_MS);
        if (!keyed_dead(&keyed) && prng_chance(&prng, 1, 20)) {
            store_log_trim(keyed.log, (int64_t)prng_below(&prng, (uint64_t)store_log_durable_offset(keyed.log) + 1),
                           NULL, NULL);
        }
    }
}

static void end_life(uint64_t seed)
{
    if (sim_is_down(rig.sim, 0)) {
        cuts++;
        rig_abandon();
        return;
    }
    sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
    switch (prng_below(&prng, 3)) {
    case 0:
        rig_kill(seed);
        break;
    case 1:
        rig_crash(seed, (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
        break;
    default:
        keyed_settle(&keyed);
        rig_stop_clean();
        break;
    }
}

/* A start may be cut, too. */
static void begin_life(uint64_t seed, bool first)
{
    if (!first && prng_chance(&prng, 1, 3)) {
        sim_cut_at(rig.sim, 0, 1 + prng_below(&prng, 15), (enum sim_cut_when)prng_below(&prng, SIM_CUT_WHEN_COUNT),
                   seed, (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
        if (rig_start() == ERR_OK && !sim_is_down(rig.sim, 0)) {
            MAYBE(keyed_open(&keyed) == ERR_OK);
        }
        if (sim_is_down(rig.sim, 0)) {
            cuts++;
            rig_abandon();
        } else {
            sim_cut_at(rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
            rig_kill(seed);
        }
    }
    assert_int_equal(rig_start(), ERR_OK);
    assert_int_equal(keyed_open(&keyed), ERR_OK);
    assert_int_equal(rig.store->stats.damaged_ranges, 0);
    keyed_cut(&keyed);
    keyed_verify(&keyed);
    keyed_verify_clean(&keyed);
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;

    prng_init(&prng, seed);
    sim_options_swarm(&options, seed, false);
    rig_create_with(&options);
    rig.options.journal_bytes = 256 * KIB;
    rig.options.cache_bytes = prng_below(&prng, 3) * 64 * KIB;
    keyed_init(&keyed, "storm", seed);
    for (uint64_t i = 0; i < LIVES; i++) {
        choose_policy();
        begin_life(seed + i, i == 0);
        choose_settings();
        if (prng_chance(&prng, 2, 3)) {
            sim_cut_at(rig.sim, 0, 1 + prng_below(&prng, 300), (enum sim_cut_when)prng_below(&prng, SIM_CUT_WHEN_COUNT),
                       seed + i, (enum sim_crash_style)prng_below(&prng, SIM_CRASH_STYLE_COUNT));
        }
        live();
        end_life(seed + i);
    }
    keyed.policy.min_cleanable_ratio = 0;
    keyed.policy.min_compaction_lag_ms = 0;
    begin_life(seed, false);
    keyed_compact(&keyed);
    keyed_verify(&keyed);
    keyed_verify_clean(&keyed);
    rig_stop_clean();
    keyed_free(&keyed);
    rig_destroy();
}

static uint64_t seed_first = 1;
static uint64_t seed_count = 60;
static int64_t  seconds_max; /* 0: no limit */

static void run_seeds(void **state)
{
    time_t   begin = time(NULL);
    uint64_t done = 0;

    (void)state;
    for (; done < seed_count && (seconds_max == 0 || time(NULL) - begin < seconds_max); done++) {
        running = seed_first + done;
        run_seed(running);
    }
    running = 0;
    (void)printf("compactrun: %" PRIu64 " seeds, %" PRIu64 " passes of compaction, %" PRIu64 " power cuts\n", done,
                 passes, cuts);
    assert_true(passes > 0 && (cuts > 0 || seed_count < 10));
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(run_seeds)};
    const char             *limit = getenv("SIM_SECONDS");
    const char             *seeds = getenv("SIM_SEEDS");

    seconds_max = limit == NULL ? 0 : strtoll(limit, NULL, 10);
    if (seconds_max > 0 && seeds != NULL && strcmp(seeds, "0") == 0) { /* as simrun: no bound but the seconds */
        seed_count = UINT64_MAX / 2;
    }
    slog_set_sink(count_passes);
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--seed") == 0 && i + 1 < count) {
            seed_first = strtoull(words[++i], NULL, 10);
        } else if (strcmp(words[i], "--seeds") == 0 && i + 1 < count) {
            seed_count = strtoull(words[++i], NULL, 10);
        } else if (strcmp(words[i], "--verbose") == 0) {
            slog_set_sink(print_lines);
        } else {
            (void)fprintf(stderr, "compactrun [--seed N] [--seeds N] [--verbose]\n");
            return 2;
        }
    }
    (void)atexit(print_replay);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
