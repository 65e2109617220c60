/* storm_voice.h: what a storm over whole brokers has to say: the first thing found wrong, and with --verbose the
 * broker's log lines with the simulated time.
 *
 * Lines of the log have no owner, so one storm speaks at a time: voice_begin() after the world is made, voice_end()
 * before it goes. */
#ifndef MILLRACE_TESTS_SIM_STORM_VOICE_H
#define MILLRACE_TESTS_SIM_STORM_VOICE_H

#include "io/sim/sim.h"

struct storm_voice {
    struct sim *sim;
    bool        verbose;
    char        failure[512]; /* "" = fine */
};

void voice_begin(struct storm_voice *voice, struct sim *sim, bool verbose);
void voice_end(void);
/* Kept, unless something was found wrong before. */
void voice_fail(struct storm_voice *voice, const char *format, ...) PRINTF_LIKE(2, 3);

static inline bool voice_ok(const struct storm_voice *voice)
{
    return voice->failure[0] == '\0';
}

#endif
