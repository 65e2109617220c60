/* storm_life.h: the life of a broker in a storm: started until it is up, ended by chance with a clean stop, kill -9 or
 * a power cut; the power also goes off at a chosen change of the disk, while it starts or works. */
#ifndef MILLRACE_TESTS_SIM_STORM_LIFE_H
#define MILLRACE_TESTS_SIM_STORM_LIFE_H

#include "tests/sim/storm_voice.h"
#include "tests/support/broker_rig.h"

/* What a storm consists of besides its load; the storm's own, embedded. */
struct storm_life {
    struct broker_rig  rig;
    struct prng        prng;
    struct storm_voice voice;
    uint64_t           cuts;            /* of the power */
    uint32_t           start_cut_part;  /* one start in so many is armed */
    uint32_t           end_cut_quarter; /* so many ends in four are power cuts, one is kill -9, the rest are clean */
    bool               must_crash;      /* no end is clean */
};

bool storm_life_is_down(const struct storm_life *life);
/* The power goes off at one of the next changes of the disk, or as soon as it has been acknowledged, or between. */
void storm_life_arm(struct storm_life *life, uint64_t changes_max);
/* Until the broker is up; what keeps it from that is a failure. */
void storm_life_boot(struct storm_life *life);
/* However it ends. No client is connected any more. */
void storm_life_end(struct storm_life *life);

#endif
