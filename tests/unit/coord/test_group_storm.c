/* Consumer groups in a world that fails: members beat, commit, come and go; the broker loses its power or is killed
 * with requests on their way. No two members hold a partition, epochs and committed offsets never go back, and in the
 * end everything is shared. Each seed is one world. */
#include "tests/unit/coord/modern_member.h"

#include <stdio.h>

#include "core/base/prng.h"

#define MEMBERS 5
#define ROUNDS  60
#define SEEDS   8
#define PARTS   8

static const char *const settings[] = {"offsets.topic.num.partitions=4", "group.consumer.assignment.interval.ms=0",
                                       NULL};

struct storm {
    struct prng   prng;
    struct member members[MEMBERS];
    char          ids[MEMBERS][16];
    bool          here[MEMBERS];
    uint32_t      times;
    int64_t       committed[PARTS];
    int32_t       epoch; /* the newest that anybody was told of */
};

static struct storm storm;

static void come(size_t i)
{
    (void)snprintf(storm.ids[i], sizeof(storm.ids[i]), "m%u", ++storm.times);
    storm.members[i] = (struct member){.id = storm.ids[i], .regex = i % 2 == 0 ? NULL : "ord.*"};
    storm.here[i] = true;
}

static void settle_error(struct member *member)
{
    switch (member->error) {
    case KP_ERR_NONE:
        assert_true(member->epoch >= 0);
        storm.epoch = MAX(storm.epoch, member->epoch);
        break;
    case KP_ERR_UNKNOWN_MEMBER_ID:
    case KP_ERR_FENCED_MEMBER_EPOCH:
    case KP_ERR_GROUP_ID_NOT_FOUND:
        member->epoch = 0;
        member->owned = 0;
        member->told = 0;
        break;
    default:
        assert_true(member->error == KP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
                    member->error == KP_ERR_COORDINATOR_NOT_AVAILABLE || member->error == KP_ERR_NOT_COORDINATOR);
    }
}

static void check_apart(void)
{
    uint32_t held = 0;

    for (size_t i = 0; i < MEMBERS; i++) {
        if (storm.here[i]) {
            assert_int_equal(held & storm.members[i].owned, 0);
            held |= storm.members[i].owned;
        }
    }
}

static void commit_some(const struct member *member)
{
    for (int32_t p = 0; p < PARTS; p++) {
        if ((member->owned & (1u << p)) != 0 && prng_chance(&storm.prng, 1, 3) &&
            commit_offset(GROUP, member->id, member->epoch, p, storm.committed[p] + 1, NULL) == 0) {
            storm.committed[p]++;
        }
    }
}

static void step(size_t i)
{
    struct member *member = &storm.members[i];

    member->owned &= member->told;
    beat(member);
    settle_error(member);
    if (member->error == 0) {
        member->owned = member->told;
        commit_some(member);
    }
    check_apart();
}

static void again(void)
{
    enum sim_crash_style style = (enum sim_crash_style)prng_below(&storm.prng, SIM_CRASH_STYLE_COUNT);

    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        rig_client_free(rig.clients[i]);
    }
    if (prng_chance(&storm.prng, 2, 3)) {
        rig_cut(&rig.broker, prng_next(&storm.prng), style);
    } else {
        rig_kill(&rig.broker, prng_next(&storm.prng));
    }
    assert_int_equal(rig_start(&rig.broker), ERR_OK);
    group_rig_connect();
    rig.at = group_rig_coordinator(GROUP);
}

/* Several heartbeats on their way, some of them in time. */
static void crash(void)
{
    struct rig_call calls[MEMBERS];

    for (size_t i = 0; i < MEMBERS; i++) {
        rig_call_init(&calls[i]);
        if (storm.here[i]) {
            storm.members[i].owned &= storm.members[i].told;
            beat_start(&calls[i], &storm.members[i]);
        }
    }
    rig_run(&rig.broker, (int64_t)prng_below(&storm.prng, 4000) * NS_PER_US);
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!storm.here[i]) {
            continue;
        }
        if (calls[i].done && calls[i].result == ERR_OK) {
            beat_take(&storm.members[i], calls[i].response);
            settle_error(&storm.members[i]);
            storm.members[i].owned &= storm.members[i].told;
        } else {
            storm.members[i].unsure = true;
        }
    }
    check_apart();
    again();
    for (size_t i = 0; i < MEMBERS; i++) {
        rig_call_deinit(&calls[i]);
    }
}

static void event(void)
{
    size_t   i = prng_below(&storm.prng, MEMBERS);
    uint64_t dice = prng_below(&storm.prng, 100);

    if (!storm.here[i]) {
        come(i);
    }
    if (dice < 70) {
        step(i);
    } else if (dice < 76) {
        MAYBE(depart(&storm.members[i]) == 0);
        storm.here[i] = false;
    } else if (dice < 80) {
        storm.here[i] = false; /* vanishes, and its session ends */
    } else if (dice < 90) {
        crash();
    } else {
        rig_run(&rig.broker, (int64_t)prng_below(&storm.prng, 3000) * NS_PER_MS);
    }
}

static void calm_down(void)
{
    uint32_t held = 0;

    for (int round = 0; round < 14; round++) { /* longer than a session: those that vanished are gone */
        for (size_t i = 0; i < MEMBERS; i++) {
            if (storm.here[i]) {
                step(i);
            }
        }
        rig_run(&rig.broker, 5 * NS_PER_S);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        held |= storm.here[i] ? storm.members[i].owned : 0;
        assert_true(!storm.here[i] || storm.members[i].epoch >= storm.epoch);
    }
    assert_int_equal(held, (1u << PARTS) - 1);
    for (int32_t p = 0; p < PARTS; p++) {
        assert_true(fetch_offset(GROUP, p, false) >= (storm.committed[p] == 0 ? -1 : storm.committed[p]));
    }
}

static void groups_live_through_it(void **state)
{
    MAYBE(state == NULL);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        storm = (struct storm){0};
        prng_init(&storm.prng, seed);
        group_rig_start(1 + (uint32_t)(seed % 3), settings);
        come(0);
        step(0);
        for (int i = 0; i < ROUNDS; i++) {
            event();
        }
        if (!storm.here[0]) {
            come(0);
        }
        calm_down();
        group_rig_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_live_through_it)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
