/* cli_doctor.h: `millrace doctor`: what of this machine is in a broker's way, and how to lift it.
 *
 * A finding is a line about one thing: how it stands, what was found, and, when it could be better, what to do. Nothing
 * is changed, but for a scratch file in the data directory that goes again. Facts about the kernel: io_uring(7),
 * proc(5), the kernel's Documentation/admin-guide. */
#ifndef MILLRACE_CLI_DOCTOR_H
#define MILLRACE_CLI_DOCTOR_H

#include "tools/cli/cli.h"

enum doctor_state {
    DOCTOR_GOOD,
    DOCTOR_LIMITED, /* less fits than could */
    DOCTOR_SLOWER,  /* it works, at a cost */
    DOCTOR_BROKEN,  /* no broker starts, or what it promises would not hold */
};

struct doctor {
    struct cli         *cli;
    struct cli_section *table;
    const char         *directory; /* where data is to be */
    uint32_t            counts[DOCTOR_BROKEN + 1];
};

/* One finding; `cure` NULL when there is nothing to do. */
void doctor_find(struct doctor *doctor, const char *check, enum doctor_state state, const char *cure,
                 const char *format, ...) PRINTF_LIKE(5, 6);

/* cli_doctor_kernel.c: CPUs, memory, limits of the process and of the system. */
void doctor_machine(struct doctor *doctor);
void doctor_system(struct doctor *doctor);

struct io;
/* cli_doctor_io.c: NULL: io_uring cannot be used. */
struct io *doctor_uring(struct doctor *doctor);
/* False: no broker can keep data there. */
bool doctor_storage(struct doctor *doctor, struct io *io);
void doctor_port(struct doctor *doctor, struct io *io);

#endif
