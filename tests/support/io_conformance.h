/* io_conformance.h: what every back end of io.h must do, as tests that run on any of them.
 *
 * A back end's own test program gives a factory and calls io_conformance_run(); each test makes a fresh struct io, uses
 * the directory, and gives everything back. Only io.h, io_file.h and the directory's path are used. */
#ifndef MILLRACE_TESTS_IO_CONFORMANCE_H
#define MILLRACE_TESTS_IO_CONFORMANCE_H

#include "io/io.h"

struct io_conformance {
    const char *name; /* of the group in the report */
    struct io *(*make)(void);
    void (*finish)(struct io *io); /* NULL: io_destroy */
    /* An existing, writable directory, or a missing one below an existing one: each test works in a new directory below
     * it. */
    const char *directory;
};

/* Runs all tests; returns how many failed. */
int io_conformance_run(const struct io_conformance *target);

#endif
