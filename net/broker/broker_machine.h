/* broker_machine.h: what this process may use of the machine: CPUs, memory, descriptors, names. The only place of the
 * broker that asks the kernel outside io/; it does so once, at start, on the main thread. */
#ifndef MILLRACE_BROKER_MACHINE_H
#define MILLRACE_BROKER_MACHINE_H

#include "io/io.h"

struct machine {
    uint32_t cpu_count;       /* usable: affinity and the cgroup's quota, rounded up */
    int32_t  cpus[1024];      /* their numbers */
    bool     quota_limited;   /* the cgroup gives less than the affinity shows */
    uint64_t memory_bytes;    /* physical, or the cgroup's limit when smaller */
    uint64_t descriptors_max; /* after the soft limit was raised to the hard one */
    uint64_t lockable_bytes;  /* RLIMIT_MEMLOCK; UINT64_MAX: no limit */
    char     kernel[66];
};

void machine_probe(struct machine *out_machine);
/* Pins the calling thread; false when the kernel refuses. */
bool machine_pin(int32_t cpu);
bool machine_resolve(struct view host, uint16_t port, struct io_address *out_address);

#endif
