/* check.h: assertions as part of the program.
 *
 * CHECK is always compiled in: a false CHECK is a bug of ours, never something a client or a disk can cause, and the
 * process stops with file, line, the condition and the last lines of the trace ring. DCHECK is for checks too costly
 * for production (MILLRACE_DEBUG builds). STATIC_CHECK holds at compile time. MAYBE: both outcomes are fine. */
#ifndef MILLRACE_CHECK_H
#define MILLRACE_CHECK_H

#include "core/base/base.h"

NORETURN void check_failed(const char *file, int line, const char *condition);
/* Called once, on the failing thread, before the process aborts; must not allocate. NULL removes it. */
void check_set_reporter(void (*reporter)(void));

#define CHECK(condition)                                  \
    do {                                                  \
        if (UNLIKELY(!(condition))) {                     \
            check_failed(__FILE__, __LINE__, #condition); \
        }                                                 \
    } while (0)

#ifdef MILLRACE_DEBUG
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition)        \
    do {                         \
        (void)sizeof(condition); \
    } while (0)
#endif

#define STATIC_CHECK(condition) _Static_assert(condition, #condition)

#define MAYBE(condition) ((void)(condition))

/* a implies b. */
#define IMPLIES(a, b) (!(a) || (b))

#endif
