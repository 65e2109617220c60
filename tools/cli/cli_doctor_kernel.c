/* cli_doctor_kernel.c: what the kernel gives this process: CPUs, memory, descriptors, and settings of the system that a
 * broker feels. */
#include "net/broker/broker_machine.h"
#include "tools/cli/cli_doctor.h"
#include "tools/cli/cli_out.h"

#include <stdlib.h>
#include <unistd.h>

#define KERNEL_WANTED     6001 /* thousands: major, rest: minor */
#define DESCRIPTORS_GOOD  65536
#define MEMORY_BYTES_GOOD ((uint64_t)(1 * GIB))
#define BROKER_PART       4 /* of the memory is the broker's, by default; 8 GiB at most */
#define BROKER_BYTES_MAX  ((uint64_t)(8 * GIB))
#define BACKLOG_GOOD      1024
#define SWAPPINESS_GOOD   10

/* The first line of a file of /proc or /sys; false when it cannot be read. */
static bool first_line(const char *path, char *out_text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    bool  good = file != NULL && fgets(out_text, (int)capacity, file) != NULL;

    if (file != NULL) {
        (void)fclose(file);
    }
    if (good) {
        out_text[strcspn(out_text, "\n")] = '\0';
    }
    return good;
}

static void find_kernel(struct doctor *doctor, const struct machine *machine)
{
    unsigned major = 0, minor = 0;
    bool     good = sscanf(machine->kernel, "%u.%u", &major, &minor) == 2 && major * 1000 + minor >= KERNEL_WANTED;

    doctor_find(doctor, "kernel", good ? DOCTOR_GOOD : DOCTOR_BROKEN,
                good ? NULL : "Linux 6.1 or later: that of Debian 12, RHEL 10, Ubuntu 24.04", "Linux %s",
                machine->kernel);
}

static void find_cpus(struct doctor *doctor, const struct machine *machine)
{
    char text[64];

    if (machine->quota_limited) {
        doctor_find(doctor, "cpus", DOCTOR_SLOWER,
                    "give whole CPUs (cpuset, --cpuset-cpus) in place of a quota (cpu.max, --cpus)",
                    "a quota of %u: threads are not pinned, and stand still when it is used up", machine->cpu_count);
    } else {
        doctor_find(doctor, "cpus", DOCTOR_GOOD, NULL, "%u, one shard on each", machine->cpu_count);
    }
    if (first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof(text)) &&
        strcmp(text, "performance") != 0) {
        doctor_find(doctor, "cpu governor", DOCTOR_SLOWER,
                    "echo performance > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
                    "%s: the clock follows the load, latencies with it", text);
    }
}

static void find_memory(struct doctor *doctor, const struct machine *machine)
{
    uint64_t wanted = MIN(machine->memory_bytes / BROKER_PART, BROKER_BYTES_MAX);
    bool     enough = machine->memory_bytes >= MEMORY_BYTES_GOOD;
    char     all[CLI_VALUE_BYTES], own[CLI_VALUE_BYTES], lockable[CLI_VALUE_BYTES];

    cli_format_bytes((int64_t)machine->memory_bytes, all);
    cli_format_bytes((int64_t)wanted, own);
    doctor_find(doctor, "memory", enough ? DOCTOR_GOOD : DOCTOR_LIMITED,
                enough ? NULL : "more memory, or a higher memory.max of the cgroup",
                "%s, of them %s for the broker (millrace.memory.bytes)", all, own);
    if (machine->lockable_bytes >= wanted || geteuid() == 0) {
        doctor_find(doctor, "locked memory", DOCTOR_GOOD, NULL, "as much as is wanted");
        return;
    }
    cli_format_bytes((int64_t)machine->lockable_bytes, lockable);
    doctor_find(doctor, "locked memory", DOCTOR_SLOWER,
                "ulimit -l unlimited; in a unit LimitMEMLOCK=infinity; in a container --ulimit memlock=-1",
                "%s may be locked: buffers stay unregistered, each read and write of the disk maps them anew",
                lockable);
}

void doctor_machine(struct doctor *doctor)
{
    static struct machine machine;

    machine_probe(&machine);
    find_kernel(doctor, &machine);
    find_cpus(doctor, &machine);
    find_memory(doctor, &machine);
    doctor_find(doctor, "descriptors", machine.descriptors_max >= DESCRIPTORS_GOOD ? DOCTOR_GOOD : DOCTOR_LIMITED,
                machine.descriptors_max >= DESCRIPTORS_GOOD
                    ? NULL
                    : "ulimit -Hn 1048576; in a unit LimitNOFILE=1048576; in a container --ulimit nofile=1048576",
                "%" PRIu64 " files and connections at once", machine.descriptors_max);
}

static void find_clock(struct doctor *doctor)
{
    static const char *const quick[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"};
    char                     text[64];

    if (!first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", text, sizeof(text))) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(quick); i++) {
        if (strcmp(text, quick[i]) == 0) {
            doctor_find(doctor, "clock", DOCTOR_GOOD, NULL, "%s", text);
            return;
        }
    }
    doctor_find(doctor, "clock", DOCTOR_SLOWER,
                "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, where it is available",
                "%s: each look at it is a system call", text);
}

static void find_swap(struct doctor *doctor)
{
    char  text[64];
    char  line[256];
    int   lines = 0;
    FILE *file = fopen("/proc/swaps", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        lines++; /* the first is a head */
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (lines > 1 && first_line("/proc/sys/vm/swappiness", text, sizeof(text)) && atoi(text) > SWAPPINESS_GOOD) {
        doctor_find(doctor, "swap", DOCTOR_SLOWER, "sysctl vm.swappiness=1, or swapoff -a",
                    "on, with vm.swappiness %s: memory that is swapped in shows in the slowest answers", text);
    }
}

static void find_huge_pages(struct doctor *doctor)
{
    char text[128];

    if (first_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) &&
        strstr(text, "[never]") != NULL) {
        doctor_find(doctor, "huge pages", DOCTOR_SLOWER, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
                    "never: buffers take a page of the translation cache for every 4 KiB");
    }
}

static void find_backlog(struct doctor *doctor)
{
    char text[64];

    if (first_line("/proc/sys/net/core/somaxconn", text, sizeof(text)) && atoi(text) < BACKLOG_GOOD) {
        doctor_find(doctor, "backlog", DOCTOR_LIMITED, "sysctl net.core.somaxconn=4096",
                    "%s connections may wait to be accepted: many at once are refused", text);
    }
}

void doctor_system(struct doctor *doctor)
{
    find_clock(doctor);
    find_swap(doctor);
    find_huge_pages(doctor);
    find_backlog(doctor);
}
