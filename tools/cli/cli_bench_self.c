/* cli_bench_self.c: a broker for one run: this program again, on free ports, with its data in a folder that goes with
 * it. */
#include "tools/cli/cli_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF_START_MS   600000 /* recovery of a large log is part of it */
#define SELF_STOP_MS    30000
#define SELF_PAUSE_MS   20
#define SELF_PORT_MIN   20000
#define SELF_PORT_RANGE 10000
#define SELF_FOLDERS    16 /* open at a time while the folder is removed */

static struct bench *self_bench; /* whose broker it is, also when the process ends early */

static bool port_is_free(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return is_free;
}

/* The first of so many ports in a row. */
static int free_ports(struct bench *bench, int count)
{
    for (int tries = 0; tries < 1000; tries++) {
        int base = SELF_PORT_MIN + (int)prng_below(&bench->prng, SELF_PORT_RANGE);
        int found = 0;

        while (found < count && port_is_free(base + found)) {
            found++;
        }
        if (found == count) {
            return base;
        }
    }
    cli_die(bench->cli, CLI_FAILED, "no %d free ports in a row on loopback", count);
}

static void NORETURN self_exec(struct bench *bench, int port, int64_t shards)
{
    char *folder = cli_format(bench->cli, "log.dirs=%s/data", bench->broker_folder);
    char *listeners = cli_format(bench->cli, "listeners=PLAINTEXT://127.0.0.1:%d", port);
    char *count = cli_format(bench->cli, "millrace.shards=%lld", (long long)shards);
    char *log = cli_format(bench->cli, "%s/broker.log", bench->broker_folder);
    int   fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)setpgid(0, 0); /* the terminal's Ctrl-C ends the run, and that ends the broker */
    if (fd >= 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
    (void)execl("/proc/self/exe", "millrace", "start", "--set", folder, "--set", listeners, "--set", count,
                (char *)NULL);
    _exit(127);
}

static void self_end(void)
{
    if (self_bench != NULL) {
        bench_self_stop(self_bench);
    }
}

static bool self_answers(struct bench *bench, struct arena *arena)
{
    struct cli_socket socket;
    const char       *why = NULL;

    if (!bench_hello(bench->cli, &socket, "127.0.0.1", bench->broker_port, arena, &why)) {
        return false;
    }
    cli_net_close(&socket);
    return true;
}

/* Starts it and waits until it answers. */
static void self_run(struct bench *bench, int64_t pause_ms)
{
    int64_t      deadline_ms = cli_clock_ms() + SELF_START_MS;
    struct arena arena;

    (void)fflush(NULL);
    bench->broker = fork();
    if (bench->broker == 0) {
        self_exec(bench, bench->broker_port, cli_number(bench->cli, "shards", 1));
    }
    if (bench->broker < 0) {
        cli_die(bench->cli, CLI_FAILED, "cannot start a broker: %s", strerror(errno));
    }
    bench->watched = bench->broker;
    arena_init(&arena, MEM_CLI, 64 * KIB, 4 * MIB);
    while (!self_answers(bench, &arena)) {
        if (waitpid(bench->broker, NULL, WNOHANG) != 0 || cli_clock_ms() > deadline_ms) {
            self_bench = NULL; /* its log is wanted */
            cli_die(bench->cli, CLI_FAILED, "the broker does not start: see %s/broker.log", bench->broker_folder);
        }
        cli_sleep_ms(pause_ms);
    }
    arena_deinit(&arena);
}

const char *bench_self_start(struct bench *bench)
{
    const char *beside = cli_option(bench->cli, "dir");
    int64_t     shards = cli_number(bench->cli, "shards", 1);

    if (shards < 1 || shards > 64) {
        cli_die(bench->cli, CLI_USAGE, "--shards is 1 to 64");
    }
    bench->broker_port = free_ports(bench, (int)shards);
    bench->broker_folder = cli_format(bench->cli, "%s/millrace-bench-XXXXXX", beside == NULL ? "." : beside);
    if (mkdtemp(bench->broker_folder) == NULL) {
        cli_die(bench->cli, CLI_FAILED, "cannot make a folder in %s: %s", beside == NULL ? "." : beside,
                strerror(errno));
    }
    self_bench = bench;
    (void)atexit(self_end);
    self_run(bench, SELF_PAUSE_MS);
    return cli_format(bench->cli, "127.0.0.1:%d", bench->broker_port);
}

void bench_self_kill(struct bench *bench)
{
    (void)kill(bench->broker, SIGKILL);
    (void)waitpid(bench->broker, NULL, 0);
}

void bench_self_again(struct bench *bench)
{
    self_run(bench, 1);
}

static int self_remove(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    MAYBE(info == NULL || flag == FTW_D || where == NULL);
    return remove(path);
}

void bench_self_stop(struct bench *bench)
{
    int64_t deadline_ms = cli_clock_ms() + SELF_STOP_MS;

    self_bench = NULL;
    (void)kill(bench->broker, SIGTERM);
    while (waitpid(bench->broker, NULL, WNOHANG) == 0) {
        if (cli_clock_ms() > deadline_ms) {
            (void)kill(bench->broker, SIGKILL);
        }
        cli_sleep_ms(SELF_PAUSE_MS);
    }
    bench->broker = 0;
    (void)nftw(bench->broker_folder, self_remove, SELF_FOLDERS, FTW_DEPTH | FTW_PHYS);
}
