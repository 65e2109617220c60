/* limits_clock.c: clocks, and whose CPU time it was. */
#define _GNU_SOURCE 1
#include "bench/limits/limits_probe.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)

void limits_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("limits: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *limits_memory(size_t bytes)
{
    size_t   all = (size_t)align_up(bytes, HUGE_BYTES) + HUGE_BYTES;
    uint8_t *memory = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        limits_die("no memory for %zu bytes", bytes);
    }
    memory = (uint8_t *)(uintptr_t)align_up((uint64_t)(uintptr_t)memory, HUGE_BYTES);
    (void)madvise(memory, (size_t)align_up(bytes, HUGE_BYTES), MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

uint8_t *limits_noise(size_t bytes)
{
    uint8_t *memory = limits_memory(bytes + 8);
    uint64_t value = 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < bytes; i += 8) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        memcpy(memory + i, &value, sizeof(value));
    }
    return memory;
}

static double clock_s(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) != 0) {
        limits_die("a process's clock cannot be read: %s", strerror(errno));
    }
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int64_t limits_now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void limits_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0) {
        return;
    }
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        limits_die("cannot run on CPU %d: %s", cpu, strerror(errno));
    }
}

/* The machine's busy and stolen time out of the first line of /proc/stat. */
static void machine_s(double *out_busy_s, double *out_stolen_s)
{
    unsigned long long user, nice, system, idle, waiting, interrupt, soft, stolen;
    FILE              *file = fopen("/proc/stat", "r");
    double             tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);

    if (file == NULL || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
                               &waiting, &interrupt, &soft, &stolen) != 8) {
        limits_die("/proc/stat cannot be read");
    }
    (void)fclose(file);
    *out_busy_s = (double)(user + nice + system + interrupt + soft) * tick_s;
    *out_stolen_s = (double)stolen * tick_s;
}

void limits_moment(struct limits_moment *out_moment, pid_t client)
{
    clockid_t clock;

    machine_s(&out_moment->machine_s, &out_moment->stolen_s);
    out_moment->client_s = 0;
    if (client != 0) {
        if (clock_getcpuclockid(client, &clock) != 0) {
            limits_die("the client is gone");
        }
        out_moment->client_s = clock_s(clock);
    }
    out_moment->own_s = clock_s(CLOCK_PROCESS_CPUTIME_ID); /* of all threads, the kernel's workers included */
    out_moment->ns = limits_now_ns();
}
