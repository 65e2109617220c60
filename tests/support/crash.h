/* crash.h: tests of what must stop the process. The function runs in a child, so that the test lives on. */
#ifndef MILLRACE_TESTS_CRASH_H
#define MILLRACE_TESTS_CRASH_H

#include "core/base/base.h"

/* True when function(argument) ends the process by SIGABRT, as a failed CHECK does. What the child writes to standard
 * error goes to `out_text` (cut at out_bytes, NUL-terminated); NULL discards it. */
bool crash_aborts(void (*function)(void *argument), void *argument, char *out_text, size_t out_bytes);

#endif
