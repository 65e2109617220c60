/* io_uring where the world is narrow: forbidden, out of descriptors, descriptors that must not leak, a ring that
 * changes threads. */
#define _GNU_SOURCE 1

#include "tests/support/unit.h"

#include "core/base/mem.h"
#include "io/uring/uring.h"
#include "io/uring/uring_internal.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void op_done(struct io_op *op UNUSED)
{
}

static struct io *make(const struct uring_options *options)
{
    struct io           *io = NULL;
    struct uring_failure why = {0};

    assert_int_equal(uring_create(options, &io, &why), 0);
    return io;
}

static uint32_t descriptors_open(void)
{
    DIR     *directory = opendir("/proc/self/fd");
    uint32_t count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* --- refused -------------------------------------------------------------------------------------------------------
 */

static void test_failure_texts(void **state UNUSED)
{
    assert_non_null(strstr(uring__setup_failure_text(EPERM, 2), "kernel.io_uring_disabled to 0"));
    assert_non_null(strstr(uring__setup_failure_text(EPERM, 1), "kernel.io_uring_group"));
    assert_non_null(strstr(uring__setup_failure_text(EPERM, 0), "seccomp"));
    assert_non_null(strstr(uring__setup_failure_text(EPERM, -1), "seccomp"));
    assert_non_null(strstr(uring__setup_failure_text(ENOSYS, 0), "Linux 6.1"));
    assert_non_null(strstr(uring__setup_failure_text(ENOMEM, 0), "RLIMIT_MEMLOCK"));
    assert_non_null(strstr(uring__setup_failure_text(EMFILE, 0), "LimitNOFILE"));
    assert_non_null(strstr(uring__setup_failure_text(EINVAL, 0), "too old"));
    assert_non_null(uring__setup_failure_text(EIO, 0));
}

/* In a child: io_uring_setup fails with `number` from here on. */
static bool forbid_io_uring(int number)
{
    struct sock_filter filter[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_io_uring_setup},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | (uint32_t)number},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void check_forbidden(int number, int wanted, const char *wanted_text)
{
    int   status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct uring_failure why = {0};
        struct io           *io = NULL;
        bool                 right;

        if (!forbid_io_uring(number)) {
            _exit(77);
        }
        right = uring_create(&(struct uring_options){0}, &io, &why) == wanted && io == NULL && why.number == number &&
                strcmp(why.call, "io_uring_setup") == 0 && strstr(why.text, wanted_text) != NULL;
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_forbidden(void **state UNUSED)
{
    check_forbidden(EPERM, ERR_PERMISSION, "Allow io_uring_setup");
    check_forbidden(ENOSYS, ERR_UNSUPPORTED, "seccomp");
}

/* --- descriptors ---------------------------------------------------------------------------------------------------
 */

static void test_create_without_descriptors(void **state UNUSED)
{
    struct rlimit        before = {0};
    struct rlimit        limit = {0};
    struct uring_failure why = {0};
    struct io           *io = NULL;
    uint32_t             open_before = descriptors_open();

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    for (rlim_t spare = 0; spare < 2; spare++) { /* none for the ring; one for the ring and none for the event */
        limit.rlim_cur = 3 + spare;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(uring_create(&(struct uring_options){0}, &io, &why), ERR_DESCRIPTORS);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_non_null(strstr(why.text, "LimitNOFILE"));
        assert_int_equal(descriptors_open(), open_before);
    }
}

struct acceptor {
    struct io_op     op;
    uint32_t         accepted;
    int32_t          error;
    struct io_handle handles[64];
};

static void accept_done(struct io_op *op)
{
    struct acceptor *acceptor = CONTAINER_OF(op, struct acceptor, op);

    if (op->result >= 0) {
        acceptor->handles[acceptor->accepted++] = (struct io_handle){op->result};
    } else {
        assert_false(op->more);
        acceptor->error = op->result;
    }
}

/* Accepting stops with ERR_DESCRIPTORS and goes on once some are free again; none is lost. */
static void accept_without_descriptors(uint32_t disable_features)
{
    struct io          *io = make(&(struct uring_options){.disable_features = disable_features});
    struct io_address   address = {0};
    struct acceptor     acceptor = {0};
    struct io_handle    listener;
    struct io_op        op = {0};
    struct rlimit       before = {0};
    struct rlimit       limit;
    int                 clients[8];
    struct sockaddr_in6 storage = {0};
    uint32_t            length;

    assert_true(io_address_parse(view_text("127.0.0.1"), 0, &address));
    assert_int_equal(io_listen(io, &address, 64, &listener), 0);
    assert_int_equal(io_local_address(io, listener, &address), 0);
    length = uring__sockaddr(&address, &storage);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(clients[i] >= 0);
        assert_int_equal(connect(clients[i], (const struct sockaddr *)(const void *)&storage, length), 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)clients[COUNT_OF(clients) - 1] + 1 + 3; /* room for three */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    io_accept(io, &acceptor.op, listener, accept_done);
    while (acceptor.error == 0) {
        assert_true(io_run(io, INT64_MAX) >= 0);
    }
    assert_int_equal(acceptor.error, ERR_DESCRIPTORS);
    assert_int_equal(acceptor.accepted, 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    io_accept(io, &acceptor.op, listener, accept_done);
    while (acceptor.accepted < COUNT_OF(clients)) {
        assert_true(io_run(io, INT64_MAX) >= 0);
    }
    io_close(io, &op, listener, op_done);
    io_wait(io, &op);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        io_close(io, &op, acceptor.handles[i], op_done);
        io_wait(io, &op);
        (void)close(clients[i]);
    }
    io_destroy(io);
}

static void test_accept_without_descriptors(void **state UNUSED)
{
    uint32_t open_before = descriptors_open();

    accept_without_descriptors(0);
    accept_without_descriptors(URING_ACCEPT_MULTISHOT);
    assert_int_equal(descriptors_open(), open_before);
}

/* Destroying with everything open and in flight leaks nothing and calls nobody back. */
static void destroy_in_flight(uint32_t disable_features)
{
    struct io        *io = make(&(struct uring_options){.disable_features = disable_features});
    struct io_address address = {0};
    struct acceptor   acceptor = {0};
    struct io_op      connect_op = {0};
    struct io_op      recv_op = {0};
    struct io_op      post_op = {0};
    struct io_handle  listener;

    assert_true(io_address_parse(view_text("127.0.0.1"), 0, &address));
    assert_int_equal(io_listen(io, &address, 64, &listener), 0);
    assert_int_equal(io_local_address(io, listener, &address), 0);
    io_accept(io, &acceptor.op, listener, accept_done);
    io_connect(io, &connect_op, &address, op_done);
    while (acceptor.accepted == 0 || !io_op_idle(&connect_op)) {
        assert_true(io_run(io, INT64_MAX) >= 0);
    }
    io_recv_multi(io, &recv_op, acceptor.handles[0], op_done);
    assert_true(io_run(io, 0) >= 0);
    io_connect(io, &connect_op, &address, op_done); /* accepted by the kernel, never reaped */
    io_post(io, &post_op, op_done);
    io_destroy(io);
    assert_int_equal(acceptor.accepted, 1);
}

static void test_destroy_in_flight(void **state UNUSED)
{
    uint32_t open_before = descriptors_open();

    destroy_in_flight(0);
    destroy_in_flight(URING_FEATURES_ALL);
    assert_int_equal(descriptors_open(), open_before);
}

/* --- idle ----------------------------------------------------------------------------------------------------------
 */

struct idler {
    struct io   *io;
    struct io_op op, chain_op;
    int64_t      since_ns; /* of its post, or of its last turn */
    uint32_t     calls, chain_left;
    bool         others;    /* something else was posted when its turn came */
    bool         too_early; /* and it had not waited long enough for that */
};

static void idler_chain(struct io_op *op)
{
    struct idler *idler = CONTAINER_OF(op, struct idler, chain_op);

    if (--idler->chain_left > 0) {
        io_post(idler->io, op, idler_chain);
    }
}

static void idler_turn(struct io_op *op)
{
    struct idler *idler = CONTAINER_OF(op, struct idler, op);

    idler->calls++;
    idler->others = idler->chain_left > 0;
    idler->too_early = idler->others && io_clock_ns(idler->io) - idler->since_ns < IO_IDLE_WAIT_NS;
}

/* Others that have always something to do come first, but not for ever. */
static void test_idle_gives_way(void **state UNUSED)
{
    struct io   *io = make(&(struct uring_options){0});
    struct idler idler = {.io = io, .chain_left = UINT32_MAX};

    assert_false(io_waiting(io));
    idler.since_ns = io_clock_ns(io);
    io_post_idle(io, &idler.op, idler_turn);
    assert_false(io_waiting(io));
    io_post(io, &idler.chain_op, idler_chain);
    assert_true(io_waiting(io));
    while (idler.calls == 0) {
        assert_true(io_run(io, INT64_MAX) > 0);
    }
    assert_true(idler.others);
    assert_false(idler.too_early);
    idler.chain_left = 10; /* the next one has its turn behind them, or has waited long */
    idler.since_ns = io_clock_ns(io);
    io_post_idle(io, &idler.op, idler_turn);
    while (idler.calls == 1) {
        assert_true(io_run(io, INT64_MAX) > 0);
    }
    assert_false(idler.too_early);
    io_destroy(io);
}

/* --- threads -------------------------------------------------------------------------------------------------------
 */

static void *run_elsewhere(void *argument)
{
    struct io   *io = argument;
    struct io_op op = {0};

    io_post(io, &op, op_done);
    io_wait(io, &op);
    return NULL;
}

/* Created here, listening from here, run there, destroyed here. */
static void test_created_on_another_thread(void **state UNUSED)
{
    for (uint32_t disabled = 0; disabled < 2; disabled++) {
        struct io        *io = make(&(struct uring_options){.disable_features = disabled * URING_FEATURES_ALL});
        struct io_address address = {0};
        struct io_handle  listener;
        pthread_t         thread;

        assert_true(io_address_parse(view_text("127.0.0.1"), 0, &address));
        assert_int_equal(io_listen(io, &address, 1, &listener), 0);
        assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, io), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        io_destroy(io);
    }
}

static void *wake_later(void *argument)
{
    (void)usleep(20000);
    io_wake(argument);
    return NULL;
}

static void test_wake_from_another_thread(void **state UNUSED)
{
    for (uint32_t disabled = 0; disabled < 2; disabled++) {
        struct io *io = make(&(struct uring_options){.disable_features = disabled * URING_FEATURES_ALL});
        pthread_t  thread;

        for (int round = 0; round < 3; round++) {
            assert_int_equal(pthread_create(&thread, NULL, wake_later, io), 0);
            assert_int_equal(io_run(io, INT64_MAX), 0);
            assert_int_equal(pthread_join(thread, NULL), 0);
        }
        io_destroy(io);
    }
}

/* --- memory --------------------------------------------------------------------------------------------------------
 */

static void test_fixed_index(void **state UNUSED)
{
    struct uring uring = {0};
    uint8_t     *base = (uint8_t *)(uintptr_t)(64 * GIB); /* addresses only; nothing is read */

    assert_int_equal(uring__fixed_index(&uring, base, 10), -1);
    uring.fixed = span_of(base, (size_t)(2 * GIB + MIB));
    assert_int_equal(uring__fixed_index(&uring, base, 10), 0);
    assert_int_equal(uring__fixed_index(&uring, base - 1, 10), -1);
    assert_int_equal(uring__fixed_index(&uring, base + GIB - 10, 10), 0);
    assert_int_equal(uring__fixed_index(&uring, base + GIB - 10, 11), -1); /* spans two registrations */
    assert_int_equal(uring__fixed_index(&uring, base + GIB, 10), 1);
    assert_int_equal(uring__fixed_index(&uring, base + 2 * GIB, MIB), 2);
    assert_int_equal(uring__fixed_index(&uring, base + 2 * GIB, MIB + 1), -1);
    assert_int_equal(uring__fixed_index(&uring, base + 2 * GIB + MIB, 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_texts),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_create_without_descriptors),
        cmocka_unit_test(test_accept_without_descriptors),
        cmocka_unit_test(test_idle_gives_way),
        cmocka_unit_test(test_destroy_in_flight),
        cmocka_unit_test(test_created_on_another_thread),
        cmocka_unit_test(test_wake_from_another_thread),
        cmocka_unit_test(test_fixed_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
