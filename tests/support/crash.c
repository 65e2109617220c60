#include "tests/support/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Writes the counts of a coverage build; other builds do not have it. */
extern void __gcov_dump(void) __attribute__((weak));

/* abort() raises the signal once more after this returns, and then the process ends. */
static void crash_handler(int signal_number)
{
    (void)signal_number;
    if (__gcov_dump != NULL) {
        __gcov_dump();
    }
}

static void crash_run_child(void (*function)(void *argument), void *argument, int error_output)
{
    const struct rlimit no_core = {0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)dup2(error_output, STDERR_FILENO);
    (void)signal(SIGABRT, crash_handler); /* cmocka's would call it a failed test */
    function(argument);
    _exit(0);
}

bool crash_aborts(void (*function)(void *argument), void *argument, char *out_text, size_t out_bytes)
{
    char    scratch[256];
    int     ends[2];
    int     status = 0;
    size_t  used = 0;
    ssize_t got;
    pid_t   child;

    if (pipe(ends) != 0) {
        return false;
    }
    child = fork();
    if (child == 0) {
        crash_run_child(function, argument, ends[1]);
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], scratch, sizeof(scratch))) > 0) {
        size_t room = out_text == NULL ? 0 : out_bytes - 1 - used;
        size_t count = MIN((size_t)got, room);

        if (count > 0) {
            memcpy(out_text + used, scratch, count);
            used += count;
        }
    }
    (void)close(ends[0]);
    if (out_text != NULL) {
        out_text[used] = '\0';
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
