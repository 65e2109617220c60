/* The cases. Each runs one life of a machine from one seed; `point` says where fate strikes. */
#include "tests/sim/storm.h"

#define LOAD_STEPS       60
#define REUSE_STEPS      300 /* enough to roll, to let go and to roll into what was let go */
#define RECOVERY_CUT_MAX 60
#define LIVES_MAX        4
#define FULL_ROUNDS      10 /* of 300 steps: 15 MiB and more on average, where 1.5 MiB are left */

static enum sim_crash_style random_style(struct prng *prng)
{
    return (enum sim_crash_style)prng_below(prng, SIM_CRASH_STYLE_COUNT);
}

/* Boots until it stays up; in every fourth attempt the power goes off during recovery. */
static bool recover(struct storm *storm)
{
    for (uint32_t attempt = 0; attempt < 5 && storm_ok(storm); attempt++) {
        if (attempt < 4 && prng_chance(&storm->prng, 1, 4)) {
            sim_cut_at(storm->sim, 0, 1 + prng_below(&storm->prng, RECOVERY_CUT_MAX),
                       (enum sim_cut_when)prng_below(&storm->prng, SIM_CUT_WHEN_COUNT), prng_next(&storm->prng),
                       random_style(&storm->prng));
        }
        if (!storm_boot(storm)) {
            continue;
        }
        storm_verify(storm);
        if (storm_power_off(storm)) {
            storm_abandon(storm);
            continue;
        }
        sim_cut_at(storm->sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_DROP);
        return storm_ok(storm);
    }
    return false;
}

static uint32_t load_steps(const struct storm *storm)
{
    return storm->options.reuse ? REUSE_STEPS : LOAD_STEPS;
}

static void work(struct storm *storm, uint32_t steps)
{
    storm_load(storm, steps);
    if (!storm_power_off(storm) && storm_ok(storm) && storm_settle(storm)) {
        (void)storm_halt(storm);
    } else if (storm->io != NULL && storm_power_off(storm)) {
        storm_abandon(storm);
    }
}

/* Append, crash, recover, append, crash again; in the end a clean stop. */
static void afterlife(struct storm *storm)
{
    for (uint32_t life = 0; life < LIVES_MAX && storm_ok(storm); life++) {
        if (!recover(storm)) {
            return;
        }
        storm_load(storm, 5 + (uint32_t)prng_below(&storm->prng, load_steps(storm) / 2));
        if (!storm_ok(storm)) {
            return;
        }
        if (life + 1 < LIVES_MAX && prng_chance(&storm->prng, 3, 4)) {
            storm_crash(storm, random_style(&storm->prng));
        } else if (!storm_settle(storm) || !storm_halt(storm)) {
            return;
        }
    }
    if (storm_ok(storm) && recover(storm)) {
        (void)storm_halt(storm);
    }
}

/* point: 0 counts; else the cut stands at change (point - 1) / 3 + 1, before, during or after it. */
static uint64_t run_cuts(struct storm *storm, uint64_t point)
{
    storm->io = sim_io(storm->sim, 0, 0); /* the host must exist before a cut can be armed */
    io_destroy(storm->io);
    storm->io = NULL;
    if (point > 0) {
        sim_cut_at(storm->sim, 0, (point - 1) / SIM_CUT_WHEN_COUNT + 1,
                   (enum sim_cut_when)((point - 1) % SIM_CUT_WHEN_COUNT), storm->options.seed ^ point,
                   (enum sim_crash_style)((point + storm->options.seed) % SIM_CRASH_STYLE_COUNT));
    }
    if (storm_boot(storm)) {
        work(storm, load_steps(storm));
    }
    if (point == 0) {
        return sim_change_count(storm->sim, 0) * SIM_CUT_WHEN_COUNT;
    }
    afterlife(storm);
    return 0;
}

/* The first life ends in a crash; point: the cut stands at that change of the recovery, as in run_cuts(). */
static uint64_t run_recovery(struct storm *storm, uint64_t point)
{
    uint64_t before;

    if (!storm_boot(storm)) {
        return 0;
    }
    storm_load(storm, load_steps(storm));
    if (!storm_ok(storm)) {
        return 0;
    }
    storm_crash(storm, (enum sim_crash_style)(storm->options.seed % SIM_CRASH_STYLE_COUNT));
    before = sim_change_count(storm->sim, 0);
    if (point > 0) {
        sim_cut_at(storm->sim, 0, (point - 1) / SIM_CUT_WHEN_COUNT + 1,
                   (enum sim_cut_when)((point - 1) % SIM_CUT_WHEN_COUNT), storm->options.seed ^ point,
                   (enum sim_crash_style)(point % SIM_CRASH_STYLE_COUNT));
    }
    if (storm_boot(storm)) {
        storm_verify(storm);
        if (storm_ok(storm) && storm_halt(storm) && point == 0) {
            return (sim_change_count(storm->sim, 0) - before) * SIM_CUT_WHEN_COUNT;
        }
    }
    afterlife(storm);
    return 0;
}

/* A cut somewhere in a longer run; for seeds without number. */
static uint64_t run_lives(struct storm *storm, uint64_t point)
{
    MAYBE(point);
    if (storm_boot(storm)) {
        sim_cut_at(storm->sim, 0, 1 + prng_below(&storm->prng, 400),
                   (enum sim_cut_when)prng_below(&storm->prng, SIM_CUT_WHEN_COUNT), prng_next(&storm->prng),
                   random_style(&storm->prng));
        work(storm, 200);
    }
    afterlife(storm);
    return 0;
}

static void reopen_offline(struct storm *storm)
{
    for (uint32_t i = 0; i < STORM_LOGS && storm_ok(storm) && !storm_power_off(storm); i++) {
        struct storm_log *slog = &storm->logs[i];

        if (!store_log_online(slog->log)) {
            (void)storm_reopen_log(storm, slog);
        }
    }
}

static bool all_logs_fine(const struct storm *storm)
{
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        if (storm->logs[i].log == NULL || storm->logs[i].open_result != ERR_OK ||
            !store_log_online(storm->logs[i].log)) {
            return false;
        }
    }
    return true;
}

/* The n-th operation of any kind fails, odd points once, even points from then on; at least five appends are in flight.
 */
static uint64_t run_errors(struct storm *storm, uint64_t point)
{
    if (!storm_boot(storm)) {
        return 0;
    }
    sim_fail_nth(storm->sim, 0, (point + 1) / 2, SIM_FAIL_ANY, ERR_IO, point % 2 == 0);
    storm_load(storm, load_steps(storm));
    if (point == 0) {
        uint64_t seen = sim_fail_seen(storm->sim, 0);

        (void)storm_settle(storm);
        return 2 * seen;
    }
    if (!storm_settle(storm)) {
        return 0;
    }
    sim_fail_nth(storm->sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
    reopen_offline(storm);
    if (all_logs_fine(storm)) {
        storm_verify(storm); /* what was answered with an error is there or is not; nothing acknowledged is missing */
        storm_load(storm, 20);
    }
    if (storm_ok(storm)) {
        storm_crash(storm, random_style(&storm->prng));
        afterlife(storm);
    }
    return 0;
}

/* The n-th operation of a recovery fails, as in run_errors(): it may come up in part or not at all, and must come up
 * whole and complete the next time. */
static uint64_t run_bad_boot(struct storm *storm, uint64_t point)
{
    bool up;

    if (!storm_boot(storm)) {
        return 0;
    }
    storm_load(storm, load_steps(storm));
    if (!storm_ok(storm)) {
        return 0;
    }
    storm_crash(storm, (enum sim_crash_style)(storm->options.seed % SIM_CRASH_STYLE_COUNT));
    sim_fail_nth(storm->sim, 0, (point + 1) / 2, SIM_FAIL_ANY, ERR_IO, point % 2 == 0);
    storm->trouble = point > 0;
    up = storm_boot(storm);
    if (point == 0) {
        return 2 * sim_fail_seen(storm->sim, 0);
    }
    sim_fail_nth(storm->sim, 0, 0, SIM_FAIL_ANY, ERR_IO, false);
    if (up && storm->store_result == ERR_OK && all_logs_fine(storm)) {
        storm_verify(storm);
        storm_load(storm, 10);
    }
    storm->trouble = false;
    if (storm_ok(storm)) {
        storm_crash(storm, random_style(&storm->prng));
        afterlife(storm);
    }
    return 0;
}

/* kill -9: the page cache survives, so a weaker policy loses nothing that was acknowledged. */
static uint64_t run_kill(struct storm *storm, uint64_t point)
{
    MAYBE(point);
    for (uint32_t life = 0; life < LIVES_MAX && storm_ok(storm); life++) {
        if (!storm_boot(storm)) {
            return 0;
        }
        for (uint32_t i = 0; i < STORM_LOGS; i++) {
            struct storm_log *slog = &storm->logs[i];

            if (store_log_end_offset(slog->log) < slog->model.acked_end) {
                storm_fail(storm, "log %u: LOST by kill -9: it ends at %" PRId64 ", acknowledged was up to %" PRId64, i,
                           store_log_end_offset(slog->log), slog->model.acked_end);
            }
        }
        storm_verify(storm);
        storm_load(storm, load_steps(storm));
        if (!storm_ok(storm)) {
            return 0;
        }
        sim_kill(storm->sim, 0, prng_next(&storm->prng));
        storm_abandon(storm);
    }
    if (storm_ok(storm) && storm_boot(storm)) {
        storm_verify(storm);
    }
    return 0;
}

static bool nothing_held_back(const struct storm *storm)
{
    return storm_ok(storm) && storm->in_flight == 0 && storm->refused_count == 0 && storm->failed_count == 0;
}

/* The disk runs full: appends are refused, nothing acknowledged is lost; with space again it goes on by itself. */
static uint64_t run_full(struct storm *storm, uint64_t point)
{
    uint64_t refused;

    MAYBE(point);
    if (!storm_boot(storm)) {
        return 0;
    }
    storm_load(storm, 20);
    sim_set_capacity(storm->sim, 0, sim_used_bytes(storm->sim, 0) + 512 * KIB + prng_below(&storm->prng, 1 * MIB));
    /* What was taken in before the shortage was noticed may have to wait for space. And a load may just fit: what a
     * seal gives back of the space that was reserved ahead counts, too. So it goes on until it cannot fit. */
    for (uint32_t rounds = 0; rounds == 0 || (rounds < FULL_ROUNDS && nothing_held_back(storm)); rounds++) {
        storm_load(storm, 300);
    }
    if (storm_power_off(storm) || !storm_ok(storm)) {
        return 0;
    }
    if (nothing_held_back(storm)) {
        storm_fail(storm, "the disk is full and nothing was refused");
    }
    sim_set_capacity(storm->sim, 0, storm->world.capacity_bytes);
    storm_pass(storm, 4 * NS_PER_S);
    if (!storm_settle(storm)) {
        return 0;
    }
    reopen_offline(storm);
    refused = storm->refused_count;
    for (uint32_t i = 0; i < STORM_LOGS && storm_ok(storm); i++) {
        (void)storm_append(storm, &storm->logs[i], 1000, 1);
    }
    if (storm_ok(storm) && storm->refused_count > refused) {
        storm_fail(storm, "there is space again and appends are still refused: %s", err_name(storm->refusal));
    }
    if (storm_settle(storm)) {
        storm_crash(storm, random_style(&storm->prng));
        afterlife(storm);
    }
    return 0;
}

/* --- damage ------------------------------------------------------------------------------------- */

struct victim {
    struct prng *prng;
    uint64_t     seen;
    uint64_t     size_bytes;
    char         path[IO_PATH_BYTES_MAX];
};

static void choose_file(void *context, const char *path, uint64_t size_bytes)
{
    struct victim *victim = context;

    if (size_bytes > 0 && prng_below(victim->prng, ++victim->seen) == 0) {
        victim->size_bytes = size_bytes;
        memcpy(victim->path, path, strlen(path) + 1);
    }
}

/* A byte that holds something, if a few tries find one: most of a file is reserved space. */
static void flip_somewhere(struct storm *storm, const struct victim *victim)
{
    uint64_t offset = 0;

    for (uint32_t attempt = 0; attempt < 50; attempt++) {
        uint8_t byte = 0;

        offset = prng_below(&storm->prng, victim->size_bytes);
        (void)sim_disk_peek(storm->sim, 0, victim->path, offset, span_of(&byte, 1));
        if (byte != 0) {
            break;
        }
    }
    CHECK(sim_disk_flip(storm->sim, 0, victim->path, offset, (uint8_t)(1u << prng_below(&storm->prng, 8))));
}

static void damage(struct storm *storm, bool only_flips)
{
    struct victim victim = {.prng = &storm->prng};

    sim_disk_each(storm->sim, 0, choose_file, &victim);
    if (victim.seen == 0) {
        return;
    }
    switch (only_flips ? 7 : prng_below(&storm->prng, 8)) {
    case 0:
        CHECK(sim_disk_resize(storm->sim, 0, victim.path, prng_below(&storm->prng, victim.size_bytes)));
        break;
    case 1:
        CHECK(sim_disk_unreadable(storm->sim, 0, victim.path,
                                  align_down(prng_below(&storm->prng, victim.size_bytes), 512), 4096));
        break;
    default:
        flip_somewhere(storm, &victim);
        break;
    }
}

/* Wrong bytes are found by storm_read(). Here: whatever acknowledged batch is not served must have been reported. */
static void verify_damaged(struct storm *storm, struct storm_log *slog)
{
    int64_t end = store_log_durable_offset(slog->log);
    int64_t offset = store_log_start_offset(slog->log);
    bool    reported = storm->report_count > 0 || slog->open_result != ERR_OK || storm->store_result != ERR_OK;

    if (offset > MAX(slog->model.start_asked, slog->model.start_acked) && !reported) {
        storm_fail(storm, "log %u: it starts at %" PRId64 " without a report", slog->index, offset);
    }
    while (offset < end && storm_ok(storm)) {
        int64_t next = storm_read(storm, slog, offset, 100000);

        if (next < 0 && next != ERR_CORRUPT && next != ERR_IO && next != ERR_OFFLINE && next != ERR_AGAIN) {
            storm_fail(storm, "log %u: damage is reported as %s", slog->index, err_name((int)next));
        }
        if (next < 0 && next != ERR_AGAIN) {
            if (storm->report_count == 0) {
                storm_fail(storm, "log %u: a read fails with %s, and no line says so", slog->index,
                           err_name((int)next));
            }
            storm->lost_reported++;
            return;
        }
        offset = MAX(offset, next);
    }
    if (end < slog->model.acked_end) {
        storm->lost_reported++;
        if (!reported && end < slog->mark) {
            storm_fail(storm,
                       "log %u: acknowledged up to %" PRId64 ", it ends at %" PRId64 ", and nothing was reported",
                       slog->index, slog->model.acked_end, end);
        }
    }
}

static void damaged_boot(struct storm *storm)
{
    if (!storm_boot(storm)) {
        return; /* refusing to start is an answer, too; storm_fail() has said when it is not */
    }
    for (uint32_t i = 0; i < STORM_LOGS && storm_ok(storm); i++) {
        if (store_log_online(storm->logs[i].log) || storm->logs[i].open_result == ERR_CORRUPT) {
            verify_damaged(storm, &storm->logs[i]);
        } else if (storm->report_count == 0) {
            storm_fail(storm, "log %u is offline, and no line says why", i);
        }
    }
}

/* After a clean stop one file is damaged: every kind of file gets its turn. Never a wrong byte, never a silent loss. */
static uint64_t run_rot(struct storm *storm, uint64_t point)
{
    MAYBE(point);
    if (!storm_boot(storm)) {
        return 0;
    }
    storm_load(storm, 120);
    if (!storm_settle(storm) || !storm_halt(storm)) {
        return 0;
    }
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        storm->logs[i].mark = storm->logs[i].model.acked_end;
    }
    damage(storm, false);
    damaged_boot(storm);
    return 0;
}

/* After a power cut. Without a later frame that says so, damage in a log's last frame looks like a torn write and may
 * be cut; so only what was acknowledged before a later acknowledged append was submitted must be reported. */
static uint64_t run_rot_torn(struct storm *storm, uint64_t point)
{
    MAYBE(point);
    if (!storm_boot(storm)) {
        return 0;
    }
    storm_load(storm, 100);
    if (!storm_settle(storm)) {
        return 0;
    }
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        storm->logs[i].mark = storm->logs[i].model.acked_end;
    }
    storm_load(storm, 40);
    if (!storm_ok(storm)) {
        return 0;
    }
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        if (storm->logs[i].model.acked_end == storm->logs[i].mark) {
            storm->logs[i].mark = -1;
        }
    }
    storm_crash(storm, random_style(&storm->prng));
    damage(storm, true);
    damaged_boot(storm);
    return 0;
}

const struct storm_case storm_cases[] = {
    {"cuts",
     "a power cut before, during and after every change of a run, then crash, recover, append, crash again",
     run_cuts,
     {.in_flight_max = 8, .by_point = true}},
    {"recovery",
     "a power cut before, during and after every change of a recovery",
     run_recovery,
     {.in_flight_max = 8, .by_point = true}},
    {"errors",
     "every n-th operation fails, once or from then on, with appends in flight",
     run_errors,
     {.in_flight_min = 5, .in_flight_max = 8, .by_point = true}},
    {"badboot",
     "every n-th operation of a recovery fails, once or from then on",
     run_bad_boot,
     {.in_flight_max = 8, .by_point = true}},
    {"lives",
     "long lives in odd worlds: policies, retention, trims, cuts anywhere, also during recovery",
     run_lives,
     {.in_flight_max = 16, .weak_logs = true, .retention = true, .swarm = true}},
    {"kill",
     "kill -9: nothing acknowledged is lost, whatever the policy",
     run_kill,
     {.in_flight_max = 8, .weak_logs = true, .swarm = true}},
    {"full", "the disk runs full and is enlarged again", run_full, {.in_flight_max = 8}},
    {"rot",
     "bit flips, truncations and unreadable sectors in every kind of file",
     run_rot,
     {.in_flight_max = 8, .damage_known = true}},
    {"reuse",
     "the same as cuts, where files that leave a log become segments of others",
     run_cuts,
     {.in_flight_max = 8, .reuse = true, .by_point = true}},
    {"reboot",
     "the same as recovery, with such files",
     run_recovery,
     {.in_flight_max = 8, .reuse = true, .by_point = true}},
    {"refail",
     "the same as errors, with such files",
     run_errors,
     {.in_flight_min = 5, .in_flight_max = 8, .reuse = true, .start_doubtful = true, .by_point = true}},
    {"relives",
     "the same as lives, with such files",
     run_lives,
     {.in_flight_max = 16, .weak_logs = true, .reuse = true, .swarm = true}},
    {"rekill",
     "the same as kill, with such files",
     run_kill,
     {.in_flight_max = 8, .weak_logs = true, .reuse = true, .swarm = true}},
    {"refull", "the same as full, with such files", run_full, {.in_flight_max = 8, .reuse = true}},
    {"torn", "bit flips after a power cut", run_rot_torn, {.in_flight_max = 8, .damage_known = true}},
};
const size_t storm_case_count = COUNT_OF(storm_cases);

const struct storm_found storm_found[] = {
    {"kill", 998, 0},   /* a trim recorded in a file made ahead, which recovery did not ask */
    {"kill", 7675, 0},  /* a trim beside a roll: the header that had the new start was written over with the old one */
    {"lives", 1023, 0}, /* recovery removed the only file that knew the start, and was cut itself */
    {"lives", 3434, 0}, /* the same, and an empty file behind it was taken for what is left of the log */
    {"lives", 3492, 0},  {"lives", 6641, 0}, /* the second file of a log was there before the first */
    {"lives", 6840, 0},  {"lives", 7939, 0},
    {"full", 627, 0},    /* the load just fitted: no fault */
    {"refail", 8, 1015}, /* a second flush of a file, after one that failed, was believed: the journal let its entries
                            go */
    {"lives", 575, 0},   {"full", 139, 0},
    {"kill", 929, 0}, /* a cold read that retention passed went on behind the gap */
};
const size_t storm_found_count = COUNT_OF(storm_found);

/* What must be found wrong: a checker that never fails checks nothing. */
const struct storm_case storm_self_tests[] = {
    {"early", "answers before anything is durable", run_cuts, {.in_flight_max = 8, .early_acks = true}},
    {"liar", "a device that does not honour durable writes", run_cuts, {.in_flight_max = 8, .writes_lie = true}},
    {"noflush",
     "a device that does not honour flushes",
     run_lives,
     {.in_flight_max = 16, .syncs_lie = true, .retention = true}},
    {"flushms", "flush.ms that is not kept", run_lives, {.in_flight_max = 16, .weak_logs = true, .flush_never = true}},
    {"nofree", "a spare file that does not say so", run_cuts, {.in_flight_max = 8, .reuse = true, .plant = true}},
    {"weak",
     "a weaker policy taken for the strong one",
     run_lives,
     {.in_flight_max = 16, .weak_logs = true, .weak_is_strong = true}},
};
const size_t storm_self_test_count = COUNT_OF(storm_self_tests);
