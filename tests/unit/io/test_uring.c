/* The conformance suite on io_uring: with everything the kernel offers, with each feature switched off, with all of
 * them off, with a tiny submission queue and few receive buffers, and as an unprivileged process with 64 KiB of
 * lockable memory. */
#define _GNU_SOURCE 1

#include "tests/support/unit.h"

#include "core/base/mem.h"
#include "io/uring/uring.h"
#include "tests/support/io_conformance.h"

#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct uring_options test_options;

static struct io *test_make(void)
{
    struct io           *io = NULL;
    struct uring_failure why = {0};
    int                  result = uring_create(&test_options, &io, &why);

    if (result < 0) {
        print_message("%s: %d: %s\n", why.call, why.number, why.text);
        return NULL;
    }
    if ((uring_features(io) & test_options.disable_features) != 0) {
        print_message("a disabled feature is in use\n");
        io_destroy(io);
        return NULL;
    }
    return io;
}

static int remove_entry(const char *path, const struct stat *found UNUSED, int kind UNUSED, struct FTW *place UNUSED)
{
    return remove(path);
}

static int run_variant(const char *name, const struct uring_options *options, const char *directory)
{
    struct io_conformance target = {.name = name, .make = test_make, .directory = directory};

    test_options = *options;
    return io_conformance_run(&target);
}

/* In a child: memory locks are counted only for those without privileges. */
static int run_unprivileged(const char *directory)
{
    struct rlimit limit = {.rlim_cur = 64 * KIB, .rlim_max = 64 * KIB};
    int           status = 0;
    pid_t         child = fork();

    if (child == 0) {
        int failed = 0;

        failed += setrlimit(RLIMIT_MEMLOCK, &limit) != 0;
        if (getuid() == 0) {
            failed +=
                setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0;
        }
        if (failed == 0) {
            failed = run_variant("64 KiB of lockable memory", &(struct uring_options){0}, directory);
        }
        (void)fflush(NULL);
        _exit(failed == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return 1;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* "even", "odd": each feature off by itself, half of them. Otherwise the rest. */
int main(int argc, char **argv)
{
    static const char *const   names[] = {"no single_issuer",    "no defer_taskrun", "no coop_taskrun",
                                          "no ring_fd",          "no buffer_ring",   "no recv_multishot",
                                          "no accept_multishot", "no fixed_buffers", "no dsync",
                                          "no sendfile",         "no dio_statx"};
    const struct uring_options small = {.entries = 32, .recv_buffer_count = 4, .recv_buffer_bytes = 1024};
    const struct uring_options bare = {.disable_features = URING_FEATURES_ALL};
    char                       directory[] = "/var/tmp/millrace-test-XXXXXX";
    int                        failed;

    if (mkdtemp(directory) == NULL || chmod(directory, 0777) != 0) {
        perror("temporary directory");
        return 1;
    }
    failed = 0;
    if (argc > 1) {
        for (size_t i = strcmp(argv[1], "odd") == 0 ? 1 : 0; i < COUNT_OF(names); i += 2) {
            struct uring_options options = {.disable_features = 1U << i};

            failed += run_variant(names[i], &options, directory);
        }
    } else {
        failed += run_variant("io_uring", &(struct uring_options){0}, directory);
        failed += run_variant("small io_uring", &small, directory);
        failed += run_variant("bare io_uring", &bare, directory);
        failed += run_unprivileged(directory);
    }
    (void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed == 0 ? 0 : 1;
}
