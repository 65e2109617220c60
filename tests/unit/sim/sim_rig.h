/* sim_rig.h: blocking one-liners over one back end of a simulated world. */
#ifndef MILLRACE_TESTS_SIM_RIG_H
#define MILLRACE_TESTS_SIM_RIG_H

#include "tests/support/unit.h"

#include "io/sim/sim.h"

struct rig {
    struct sim *sim;
    struct io  *io;
    int         done_count;
};

void rig_open(struct rig *rig, const struct sim_options *options);
void rig_close(struct rig *rig);
/* Power cut, then a new back end on host 0. */
void rig_crash(struct rig *rig, uint64_t seed, enum sim_crash_style style);
/* The dead back end is replaced (after sim_crash or a cut). */
void rig_reboot(struct rig *rig);

int  rig_file(struct rig *rig, const char *path, uint32_t flags);
void rig_end(struct rig *rig, int handle);
int  rig_write(struct rig *rig, int handle, const void *bytes, size_t len, uint64_t offset, uint32_t flags);
int  rig_read(struct rig *rig, int handle, void *into, size_t len, uint64_t offset);
int  rig_sync(struct rig *rig, int handle);
int  rig_sync_directory(struct rig *rig, const char *path);
int  rig_allocate(struct rig *rig, int handle, uint64_t offset, uint64_t length, uint32_t flags);
int  rig_rename(struct rig *rig, const char *from, const char *to);
int  rig_unlink(struct rig *rig, const char *path);
int  rig_mkdir(struct rig *rig, const char *path);
int  rig_stat(struct rig *rig, const char *path, struct io_stat *out_stat);
/* A file at `path` that is durable with its name: `len` bytes of `fill`. */
void rig_durable_file(struct rig *rig, const char *path, uint8_t fill, size_t len);
/* The byte at an offset as the disk shows it now, or -1. */
int rig_peek(struct rig *rig, const char *path, uint64_t offset);
/* True when len bytes from `offset` all are `fill`. */
bool rig_all(struct rig *rig, const char *path, uint64_t offset, size_t len, uint8_t fill);

#define RIG_ALIGNED __attribute__((aligned(4096)))

#endif
