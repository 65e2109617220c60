/* Making a ring: the best flags the kernel takes, a size that fits, and in plain words why it did not work. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define URING_ENTRIES_DEFAULT    1024
#define URING_ENTRIES_MIN        32
#define URING_CQ_FACTOR          4
#define URING_RECV_COUNT_DEFAULT 128
#define URING_RECV_BYTES_DEFAULT ((uint32_t)(32 * KIB))
#define URING_RECV_COUNT_MAX     32768
#define URING_PAGES_MIN          3 /* submission entries, rings, buffer ring */
#define URING_PAGE_BYTES         4096
#define URING_FEAT_MIN_TIMEOUT   (1U << 15) /* since Linux 6.12 */
#define URING_SETUP_ATTEMPTS     300
#define URING_SETUP_PAUSE_NS     (10 * NS_PER_MS)

/* Reads a small text file of the kernel; -1 when it is not there or no number. */
static int uring_read_sysctl(const char *path)
{
    char    text[16] = "";
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return -1;
    }
    got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    return got > 0 && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : -1;
}

static int uring_fail(struct uring_failure *out_why, const char *call, int number, const char *text)
{
    *out_why = (struct uring_failure){.call = call, .number = number};
    (void)snprintf(out_why->text, sizeof(out_why->text), "%s", text);
    return number == 0 ? ERR_UNSUPPORTED : err_from_errno(number);
}

const char *uring__setup_failure_text(int number, int io_uring_disabled)
{
    switch (number) {
    case EPERM:
        if (io_uring_disabled == 2) {
            return "io_uring is switched off on this host. Set the sysctl kernel.io_uring_disabled to 0.";
        }
        if (io_uring_disabled == 1) {
            return "io_uring is allowed only to privileged processes and to the group of kernel.io_uring_group. "
                   "Add the user to that group, or set the sysctl kernel.io_uring_disabled to 0.";
        }
        return "A seccomp filter or security module forbids io_uring (the default of many container engines). "
               "Allow io_uring_setup, io_uring_enter and io_uring_register in its profile.";
    case EACCES:
        return "A security module forbids io_uring. Allow it in the policy of this program.";
    case ENOSYS:
        return "This kernel has no io_uring, or a seccomp filter hides it. "
               "Run Linux 6.1 or later and allow io_uring_setup, io_uring_enter and io_uring_register.";
    case ENOMEM:
        return "Not enough memory for the ring, or RLIMIT_MEMLOCK is too small. Raise the memory limit, or the limit "
               "of locked memory (LimitMEMLOCK= in a systemd unit, ulimit -l in a shell).";
    case EMFILE:
    case ENFILE:
        return "Out of file descriptors. Raise the open-file limit (LimitNOFILE= in a systemd unit, ulimit -n in a "
               "shell).";
    case EINVAL:
        return "This kernel is too old for the ring that is needed. Run Linux 6.1 or later.";
    default:
        return "The kernel refused to create a ring.";
    }
}

static int uring_fail_setup(struct uring_failure *out_why, int number)
{
    int disabled = uring_read_sysctl("/proc/sys/kernel/io_uring_disabled");

    return uring_fail(out_why, "io_uring_setup", number, uring__setup_failure_text(number, disabled));
}

/* Newer kernels count the memory of rings against RLIMIT_MEMLOCK (seen on 6.18), for all rings of a user together.
 * Takes a ring's share of it: shrinks *entries, and gives up the buffer ring where its page would be one too many. */
static void uring_fit_locked_memory(struct uring *uring, const struct uring_options *options, uint32_t *entries)
{
    const uint64_t entry_bytes = sizeof(struct io_uring_sqe) + sizeof(uint32_t) + URING_CQ_FACTOR * 16;
    struct rlimit  limit = {0};
    uint64_t       share_bytes;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return;
    }
    share_bytes = (uint64_t)limit.rlim_cur / MAX(options->ring_count, 1U);
    while (*entries > URING_ENTRIES_MIN && *entries * entry_bytes > share_bytes / 4 * 3) {
        *entries /= 2;
    }
    if (share_bytes < URING_PAGES_MIN * URING_PAGE_BYTES) {
        uring->features &= ~(uint32_t)URING_BUFFER_RING;
    }
}

static int uring_setup_flags(struct uring *uring, uint32_t set, uint32_t entries)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL |
                                              IORING_SETUP_R_DISABLED,
                                     .cq_entries = entries * URING_CQ_FACTOR};

    params.flags |= (set & URING_SINGLE_ISSUER) != 0 ? IORING_SETUP_SINGLE_ISSUER : 0;
    params.flags |= (set & URING_DEFER_TASKRUN) != 0 ? IORING_SETUP_DEFER_TASKRUN : 0;
    params.flags |= (set & URING_COOP_TASKRUN) != 0 ? IORING_SETUP_COOP_TASKRUN : 0;
    params.flags |= (set & (URING_COOP_TASKRUN | URING_DEFER_TASKRUN)) != 0 ? IORING_SETUP_TASKRUN_FLAG : 0;
    return io_uring_queue_init_params(entries, &uring->ring, &params);
}

/* Tries the best set of ring flags, then weaker ones. Without memory: fewer entries, and then patience, because the
 * kernel gives the memory of a ring back some time after its process has ended, which may have been our predecessor. */
static int uring_setup_ring(struct uring *uring, uint32_t entries)
{
    static const uint32_t sets[] = {
        URING_SINGLE_ISSUER | URING_DEFER_TASKRUN,
        URING_SINGLE_ISSUER | URING_COOP_TASKRUN,
        URING_COOP_TASKRUN,
        URING_SINGLE_ISSUER,
        0,
    };
    const uint32_t  mask = URING_SINGLE_ISSUER | URING_DEFER_TASKRUN | URING_COOP_TASKRUN;
    struct timespec pause = {.tv_nsec = URING_SETUP_PAUSE_NS};
    size_t          set = 0;
    int             result = -EINVAL;

    for (uint32_t attempt = 0; attempt < URING_SETUP_ATTEMPTS; attempt++) {
        while (set < COUNT_OF(sets) && (sets[set] & ~uring->features) != 0) {
            set++;
        }
        if (set == COUNT_OF(sets)) {
            break;
        }
        result = uring_setup_flags(uring, sets[set], entries);
        if (result == 0) {
            uring->features = (uring->features & ~mask) | sets[set];
            return 0;
        }
        if (result == -EINVAL) {
            set++;
        } else if (result == -ENOMEM && entries > URING_ENTRIES_MIN) {
            entries /= 2;
        } else if (result == -ENOMEM || result == -EAGAIN) {
            (void)nanosleep(&pause, NULL);
        } else {
            break;
        }
    }
    return result;
}

/* The newest operation of Linux 6.1, which came after every feature used here, stands for all of them. */
static bool uring_kernel_new_enough(struct uring *uring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
    bool                   enough = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_SENDMSG_ZC) != 0;

    if (probe != NULL) {
        io_uring_free_probe(probe);
    }
    return enough && (uring->ring.features & IORING_FEAT_EXT_ARG) != 0 &&
           (uring->ring.features & IORING_FEAT_NODROP) != 0;
}

static void uring_init(struct uring *uring, const struct uring_options *options)
{
    struct utsname name = {0};

    uring->io.backend = &uring__backend;
    uring->features = URING_FEATURES_ALL & ~options->disable_features;
    uring->recv_buffer_count = options->recv_buffer_count == 0 ? URING_RECV_COUNT_DEFAULT : options->recv_buffer_count;
    uring->recv_buffer_bytes = options->recv_buffer_bytes == 0 ? URING_RECV_BYTES_DEFAULT : options->recv_buffer_bytes;
    CHECK(is_power_of_two(uring->recv_buffer_count) && uring->recv_buffer_count <= URING_RECV_COUNT_MAX);
    CHECK(uring->recv_buffer_bytes <= INT32_MAX);
    uring->handle_free = UINT32_MAX;
    uring->event_fd = -1;
    list_init(&uring->queued);
    list_init(&uring->posted);
    list_init(&uring->idle);
    (void)uname(&name);
    (void)snprintf(uring->kernel_release, sizeof(uring->kernel_release), "%.64s", name.release);
    uring->now_ns = uring__clock_ns(CLOCK_MONOTONIC);
}

int uring_create(const struct uring_options *options, struct io **out_io, struct uring_failure *out_why)
{
    struct uring *uring = mem_alloc(MEM_IO, sizeof(*uring));
    uint32_t      entries = options->entries == 0 ? URING_ENTRIES_DEFAULT : options->entries;
    int           result;

    CHECK(is_power_of_two(entries) && entries >= URING_ENTRIES_MIN);
    uring_init(uring, options);
    uring_fit_locked_memory(uring, options, &entries);
    result = uring_setup_ring(uring, entries);
    if (result < 0) {
        mem_free(MEM_IO, uring);
        return uring_fail_setup(out_why, -result);
    }
    uring->event_fd = eventfd(0, EFD_CLOEXEC);
    if (uring->event_fd < 0) {
        result = uring_fail(out_why, "eventfd", errno, uring__setup_failure_text(errno, 0));
        uring__destroy(&uring->io);
        return result;
    }
    if (!uring_kernel_new_enough(uring)) {
        result = uring_fail(out_why, "io_uring_register", 0, uring__setup_failure_text(EINVAL, 0));
        uring__destroy(&uring->io);
        return result;
    }
    if ((uring->ring.features & URING_FEAT_MIN_TIMEOUT) == 0) {
        uring->features &= ~(uint32_t)URING_MIN_WAIT;
    }
    uring__buffers_init(uring);
    *out_io = &uring->io;
    return 0;
}
