/* io_conformance_internal.h: what the test files of the conformance suite share. */
#ifndef MILLRACE_TESTS_IO_CONFORMANCE_INTERNAL_H
#define MILLRACE_TESTS_IO_CONFORMANCE_INTERNAL_H

#include "tests/support/unit.h"

#include "io/io_file.h"
#include "tests/support/io_conformance.h"

#define PATH_BYTES 512

/* One operation and what came of it. */
struct probe {
    struct io_op op;
    uint32_t     calls;
    int32_t      result;       /* of the last callback */
    uint64_t     received;     /* sum of positive results */
    uint64_t    *inside_calls; /* not NULL: counts callbacks here too */
};

/* A test's world. */
struct rig {
    struct io *io;
    char       directory[PATH_BYTES];
    uint64_t   submitting; /* callbacks seen while a submitting call ran */
};

int  rig_setup(void **state);
int  rig_teardown(void **state);
void probe_done(struct io_op *op);
/* Waits for the last callback and returns its result. */
int32_t probe_wait(struct rig *rig, struct probe *probe);
/* rig's directory / name, in one of a few rotating buffers. */
const char      *rig_path(struct rig *rig, const char *name);
struct io_handle rig_open(struct rig *rig, const char *name, uint32_t flags);
void             rig_close(struct rig *rig, struct io_handle handle);
int32_t          rig_write_all(struct rig *rig, struct io_handle file, const void *bytes, size_t len, uint64_t offset);
int32_t          rig_read_full(struct rig *rig, struct io_handle file, void *into, size_t len, uint64_t offset);
void             rig_create(struct rig *rig, const char *name, const void *bytes, size_t len);
/* Runs turns until *counter >= wanted; fails the test after a long time without progress. */
void rig_run_until(struct rig *rig, const uint64_t *counter, uint64_t wanted);
/* Bytes that differ by position. */
void pattern_fill(void *base, size_t len, uint64_t seed);
bool pattern_check(const void *base, size_t len, uint64_t seed);

extern const struct CMUnitTest io_conformance_file_tests[];
extern const size_t            io_conformance_file_count;
extern const struct CMUnitTest io_conformance_net_tests[];
extern const size_t            io_conformance_net_count;

#endif
