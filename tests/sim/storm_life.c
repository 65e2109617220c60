/* Starts and ends of a broker in a storm; see storm_life.h. */
#include "tests/sim/storm_life.h"

#define BOOT_TRIES       50
#define BOOT_CHANGES_MAX 200

bool storm_life_is_down(const struct storm_life *life)
{
    return sim_is_down(life->rig.sim, 0);
}

void storm_life_arm(struct storm_life *life, uint64_t changes_max)
{
    sim_cut_at(life->rig.sim, 0, 1 + prng_below(&life->prng, changes_max),
               (enum sim_cut_when)prng_below(&life->prng, SIM_CUT_WHEN_COUNT), prng_next(&life->prng),
               (enum sim_crash_style)prng_below(&life->prng, SIM_CRASH_STYLE_COUNT));
}

static void disarm(struct storm_life *life)
{
    sim_cut_at(life->rig.sim, 0, 0, SIM_CUT_BEFORE, 0, SIM_CRASH_MIX);
}

void storm_life_boot(struct storm_life *life)
{
    for (uint32_t tries = 0; tries < BOOT_TRIES && voice_ok(&life->voice); tries++) {
        int result;

        if (prng_chance(&life->prng, 1, life->start_cut_part)) {
            storm_life_arm(life, BOOT_CHANGES_MAX);
        }
        result = rig_start(&life->rig);
        disarm(life);
        if (result == ERR_OK && !storm_life_is_down(life)) {
            return;
        }
        if (!storm_life_is_down(life)) {
            voice_fail(&life->voice, "the broker does not start: %s %s", err_name(result), life->rig.why);
            return;
        }
        life->cuts++;
        if (life->rig.broker != NULL) {
            rig_cut(&life->rig, 0, SIM_CRASH_MIX);
        }
    }
    voice_fail(&life->voice, "the broker never came up");
}

void storm_life_end(struct storm_life *life)
{
    uint64_t dice = prng_below(&life->prng, 4);

    disarm(life);
    if (storm_life_is_down(life)) {
        rig_cut(&life->rig, 0, SIM_CRASH_MIX);
        life->cuts++;
    } else if (dice == 0) {
        rig_kill(&life->rig, prng_next(&life->prng));
    } else if (dice <= life->end_cut_quarter || life->must_crash) {
        rig_cut(&life->rig, prng_next(&life->prng),
                (enum sim_crash_style)prng_below(&life->prng, SIM_CRASH_STYLE_COUNT));
        life->cuts++;
    } else {
        int result = rig_stop(&life->rig);

        if (result < 0) {
            voice_fail(&life->voice, "the clean stop ended with %s", err_name(result));
        }
    }
}
