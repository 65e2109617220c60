#include "tests/sim/storm_voice.h"

#include "core/base/slog.h"

#include <stdarg.h>
#include <stdio.h>

static struct storm_voice *voice_current; /* whose lines these are */

static void voice_sink(enum slog_level level, const char *room, const char *text)
{
    MAYBE(level == SLOG_ERROR);
    if (voice_current->verbose) {
        (void)fprintf(stderr, "    [%" PRId64 " us] %s %s\n", sim_now_ns(voice_current->sim) / NS_PER_US, room, text);
    }
}

void voice_begin(struct storm_voice *voice, struct sim *sim, bool verbose)
{
    *voice = (struct storm_voice){.sim = sim, .verbose = verbose};
    voice_current = voice;
    slog_set_sink(voice_sink);
}

void voice_end(void)
{
    slog_set_sink(NULL);
    voice_current = NULL;
}

void voice_fail(struct storm_voice *voice, const char *format, ...)
{
    va_list arguments;

    if (!voice_ok(voice)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(voice->failure, sizeof(voice->failure), format, arguments);
    va_end(arguments);
}
