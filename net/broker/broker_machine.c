#define _GNU_SOURCE
#include "net/broker/broker_machine.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* The value of a cgroup v2 file of this process, or of the root; false when there is none. */
static bool machine_cgroup(const char *name, char *out_text, size_t capacity)
{
    char  own[256] = "";
    char  path[512];
    FILE *file = fopen("/proc/self/cgroup", "r");

    if (file != NULL) {
        char line[256];

        while (fgets(line, sizeof(line), file) != NULL) {
            if (strncmp(line, "0::", 3) == 0) {
                line[strcspn(line, "\n")] = '\0';
                (void)snprintf(own, sizeof(own), "%s", line + 3);
            }
        }
        (void)fclose(file);
    }
    (void)snprintf(path, sizeof(path), CGROUP_ROOT "%s/%s", strcmp(own, "/") == 0 ? "" : own, name);
    file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    bool read = fgets(out_text, (int)capacity, file) != NULL;

    (void)fclose(file);
    return read;
}

static void machine_cpus(struct machine *machine)
{
    cpu_set_t          set;
    char               text[128];
    unsigned long long quota = 0;
    unsigned long long period = 0;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE && machine->cpu_count < COUNT_OF(machine->cpus); cpu++) {
            if (CPU_ISSET((size_t)cpu, &set)) {
                machine->cpus[machine->cpu_count++] = cpu;
            }
        }
    }
    machine->cpu_count = MAX(machine->cpu_count, 1U);
    if (machine_cgroup("cpu.max", text, sizeof(text)) && sscanf(text, "%llu %llu", &quota, &period) == 2 &&
        period > 0) {
        uint32_t allowed = (uint32_t)MAX(div_ceil_u64(quota, period), (uint64_t)1);

        if (allowed < machine->cpu_count) {
            machine->cpu_count = allowed;
            machine->quota_limited = true;
        }
    }
}

static void machine_memory(struct machine *machine)
{
    char               text[128];
    unsigned long long limit = 0;

    machine->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (machine_cgroup("memory.max", text, sizeof(text)) && sscanf(text, "%llu", &limit) == 1) {
        machine->memory_bytes = MIN(machine->memory_bytes, (uint64_t)limit);
    }
}

static void machine_limits(struct machine *machine)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        machine->descriptors_max = limit.rlim_cur;
    }
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        machine->lockable_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    }
}

void machine_probe(struct machine *out_machine)
{
    struct utsname name;

    memset(out_machine, 0, sizeof(*out_machine));
    machine_cpus(out_machine);
    machine_memory(out_machine);
    machine_limits(out_machine);
    if (uname(&name) == 0) {
        (void)snprintf(out_machine->kernel, sizeof(out_machine->kernel), "%s", name.release);
    }
}

bool machine_pin(int32_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool machine_resolve(struct view host, uint16_t port, struct io_address *out_address)
{
    struct addrinfo  hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char             name[256];
    bool             good = false;

    if (host.len >= sizeof(name)) {
        return false;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)host.len, (const char *)host.base);
    if (getaddrinfo(name, NULL, &hints, &found) != 0) {
        return false;
    }
    memset(out_address, 0, sizeof(*out_address));
    out_address->port = port;
    if (found->ai_family == AF_INET) {
        out_address->ip[10] = 0xff;
        out_address->ip[11] = 0xff;
        memcpy(out_address->ip + 12, &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr, 4);
        good = true;
    } else if (found->ai_family == AF_INET6) {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)(const void *)found->ai_addr;

        memcpy(out_address->ip, &address->sin6_addr, sizeof(out_address->ip));
        out_address->scope_id = address->sin6_scope_id;
        good = true;
    }
    freeaddrinfo(found);
    return good;
}
