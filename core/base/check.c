#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*check_reporter)(void);

void check_set_reporter(void (*reporter)(void))
{
    check_reporter = reporter;
}

void check_failed(const char *file, int line, const char *condition)
{
    void (*reporter)(void) = check_reporter;

    check_reporter = NULL; /* a reporter that fails must not call itself */
    (void)fprintf(stderr, "millrace: CHECK failed at %s:%d: %s\n", file, line, condition);
    if (reporter != NULL) {
        reporter();
    }
    abort();
}
