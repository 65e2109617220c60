/* The commands around the broker itself. `start` makes one thread per core over io/uring, prints the banner when every
 * shard serves, and stops on SIGTERM or SIGINT; the others are short. */
#include "net/broker/broker_main.h"

#include "core/base/slog.h"
#include "core/record/rec.h"
#include "io/uring/uring.h"
#include "net/broker/broker.h"
#include "net/broker/broker_banner.h"
#include "net/broker/broker_config.h"
#include "net/broker/broker_http.h"
#include "net/broker/broker_machine.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_URING = 3, EXIT_DATA = 4 };

#define MEMORY_BYTES_MAX ((uint64_t)(8 * GIB))
#define MEMORY_BYTES_MIN ((uint64_t)(64 * MIB))

struct main_core {
    pthread_t          thread;
    struct main_state *state;
    uint32_t           index;
    int32_t            cpu; /* -1: not pinned */
};

struct main_state {
    struct broker_config config;
    struct machine       machine;
    struct broker       *broker;
    struct broker_http   http;
    struct io           *ios[IO_CORES_MAX];
    struct main_core     cores[IO_CORES_MAX];
    uint32_t             core_count;
    pthread_t            main_thread;
    int                  result;
    bool                 ready_told; /* atomics from here: between the main thread and core 0 */
    bool                 stopped;
    bool                 stop_asked;
    bool                 done;
};

/* --- threads and signals ----------------------------------------------------------------------------------------- */

static void main_tell(struct main_state *state, bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
    (void)pthread_kill(state->main_thread, SIGUSR1);
}

static bool main_is(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void main_ready(void *context, int result)
{
    struct main_state *state = context;

    state->result = result;
    main_tell(state, &state->ready_told);
}

static void main_stopped(void *context, int result)
{
    struct main_state *state = context;

    state->result = result;
    main_tell(state, &state->stopped);
}

static void *main_core_run(void *argument)
{
    struct main_core  *core = argument;
    struct main_state *state = core->state;
    struct io_core    *io_core = broker_core(state->broker, core->index);

    if (core->cpu >= 0 && !machine_pin(core->cpu)) {
        slog_warn("broker", "core %u cannot be pinned to CPU %d", core->index, core->cpu);
    }
    if (core->index == 0) {
        broker_start(state->broker);
    }
    while (!main_is(&state->done)) {
        if (core->index == 0 && main_is(&state->stop_asked)) {
            broker_stop(state->broker);
        }
        if (io_core_turn(io_core, INT64_MAX) < 0) {
            slog_error("broker", "the ring of core %u failed: stopping at once", core->index);
            _exit(EXIT_FAILED);
        }
    }
    rec_thread_deinit();
    return NULL;
}

static void main_wake_all(struct main_state *state)
{
    for (uint32_t i = 0; i < state->core_count; i++) {
        io_wake(state->ios[i]);
    }
}

static void main_join(struct main_state *state)
{
    __atomic_store_n(&state->done, true, __ATOMIC_RELEASE);
    main_wake_all(state);
    for (uint32_t i = 0; i < state->core_count; i++) {
        (void)pthread_join(state->cores[i].thread, NULL);
    }
}

/* Waits for signals until the broker has stopped, or failed to start. */
static int main_serve(struct main_state *state, const sigset_t *signals)
{
    bool shown = false;
    int  number = 0;

    for (;;) {
        (void)sigwait(signals, &number);
        if (number == SIGTERM || number == SIGINT) {
            if (main_is(&state->stop_asked)) {
                (void)fprintf(stderr,
                              "millrace: second signal: stopping without a clean stop; the next start recovers\n");
                _exit(EXIT_FAILED);
            }
            (void)fprintf(stderr, "millrace: stopping\n");
            broker_http_stop(&state->http);
            __atomic_store_n(&state->stop_asked, true, __ATOMIC_RELEASE);
            io_wake(state->ios[0]);
        }
        if (main_is(&state->ready_told) && !shown) {
            shown = true;
            if (state->result < 0) {
                (void)fprintf(stderr, "millrace: the broker could not start: %s\n", err_text(state->result));
                return EXIT_DATA;
            }
            if (!main_is(&state->stop_asked)) {
                broker_http_start(&state->http, state->broker,
                                  broker_config_get(&state->config, "millrace.http.listener"), MILLRACE_VERSION,
                                  machine_resolve);
            }
            broker_banner_print(state->broker, state->ios[0], &state->machine, state->http.url, stdout);
        }
        if (main_is(&state->stopped)) {
            (void)fprintf(stderr, state->result < 0 ? "millrace: stopped, not cleanly: %s\n" : "millrace: stopped\n",
                          err_text(state->result));
            return state->result < 0 ? EXIT_FAILED : EXIT_GOOD;
        }
    }
}

/* --- start ------------------------------------------------------------------------------------------------------- */

static int main_rings(struct main_state *state, struct io **out_boot)
{
    const char          *disable = getenv("MILLRACE_URING_DISABLE");
    struct uring_options options = {.disable_features = disable == NULL ? 0 : (uint32_t)strtoul(disable, NULL, 0),
                                    .ring_count = state->core_count + 1};
    struct uring_failure why = {0};
    int                  result = uring_create(&options, out_boot, &why);

    for (uint32_t i = 0; result == ERR_OK && i < state->core_count; i++) {
        result = uring_create(&options, &state->ios[i], &why);
    }
    if (result < 0) {
        (void)fprintf(stderr, "millrace: io_uring cannot be used: %s\n", why.text);
        return EXIT_URING;
    }
    return EXIT_GOOD;
}

static uint64_t main_memory(const struct main_state *state)
{
    int64_t wanted = broker_config_int(&state->config, "millrace.memory.bytes");

    if (wanted > 0) {
        return MAX((uint64_t)wanted, MEMORY_BYTES_MIN);
    }
    return MAX(MIN(state->machine.memory_bytes / 4, MEMORY_BYTES_MAX), MEMORY_BYTES_MIN);
}

static int main_create(struct main_state *state, struct io *boot)
{
    char                  why[BROKER_TEXT_BYTES] = "";
    struct broker_options options = {
        .statics = &state->config.statics,
        .resolve = machine_resolve,
        .listeners = broker_config_get(&state->config, "listeners"),
        .advertised_listeners = broker_config_get(&state->config, "advertised.listeners"),
        .protocol_map = broker_config_get(&state->config, "listener.security.protocol.map"),
        .log_dirs = broker_config_get(&state->config, "log.dirs"),
        .shard_count = (uint32_t)MAX(broker_config_int(&state->config, "millrace.shards"), 0),
        .core_count = state->core_count,
        .memory_bytes = main_memory(state),
        .ready = main_ready,
        .stopped = main_stopped,
        .context = state,
    };

    if (options.log_dirs == NULL || options.log_dirs[0] == '\0') {
        options.log_dirs = broker_config_get(&state->config, "log.dir");
    }
    if (broker_create(&options, boot, state->ios, &state->broker, span_of(why, sizeof(why))) < 0) {
        (void)fprintf(stderr, "millrace: %s\n", why);
        return EXIT_DATA;
    }
    return EXIT_GOOD;
}

static uint32_t main_core_count(const struct main_state *state)
{
    int64_t wanted = broker_config_int(&state->config, "millrace.cores");
    int64_t shards = broker_config_int(&state->config, "millrace.shards");
    int64_t cores = wanted > 0 ? wanted : (int64_t)state->machine.cpu_count;

    if (shards > 0) {
        cores = MIN(cores, shards);
    }
    return (uint32_t)MIN(cores, IO_CORES_MAX);
}

static void main_threads(struct main_state *state)
{
    struct broker_facts facts;
    bool                pin = broker_config_get(&state->config, "millrace.pin") != NULL &&
               meta_config_to_bool(broker_config_get(&state->config, "millrace.pin"));

    broker_facts(state->broker, &facts);
    state->core_count = facts.core_count;
    for (uint32_t i = 0; i < state->core_count; i++) {
        state->cores[i] = (struct main_core){.state = state,
                                             .index = i,
                                             .cpu = pin && state->core_count <= state->machine.cpu_count &&
                                                            !state->machine.quota_limited
                                                        ? state->machine.cpus[i]
                                                        : -1};
        if (pthread_create(&state->cores[i].thread, NULL, main_core_run, &state->cores[i]) != 0) {
            (void)fprintf(stderr, "millrace: cannot create a thread for core %u\n", i);
            _exit(EXIT_FAILED);
        }
    }
}

static int main_start(struct main_state *state)
{
    sigset_t   signals;
    struct io *boot = NULL;
    uint32_t   ring_count;
    int        code;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    state->main_thread = pthread_self();
    machine_probe(&state->machine);
    state->core_count = main_core_count(state);
    ring_count = state->core_count;
    code = main_rings(state, &boot);
    if (code == EXIT_GOOD) {
        code = main_create(state, boot);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    main_threads(state);
    code = main_serve(state, &signals);
    main_join(state);
    if (code == EXIT_GOOD) {
        broker_destroy(state->broker);
        io_destroy(boot);
        for (uint32_t i = 0; i < ring_count; i++) {
            io_destroy(state->ios[i]);
        }
    }
    return code;
}

/* --- commands ---------------------------------------------------------------------------------------------------- */

struct main_flags {
    bool all, json, reference;
};

/* False: wrong usage, already said. */
static bool main_options(struct main_state *state, int count, char **words, struct main_flags *flags)
{
    bool good = true;

    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--config") == 0 && i + 1 < count) {
            good = broker_config_load(&state->config, words[++i], stderr) && good;
        } else if (strcmp(words[i], "--set") == 0 && i + 1 < count) {
            good = broker_config_set(&state->config, words[++i], stderr) && good;
        } else if (flags != NULL && strcmp(words[i], "--all") == 0) {
            flags->all = true;
        } else if (flags != NULL && strcmp(words[i], "--json") == 0) {
            flags->json = true;
        } else if (flags != NULL && strcmp(words[i], "--reference") == 0) {
            flags->reference = true;
        } else {
            (void)fprintf(stderr, "millrace: '%s' is not an option here, or its value is missing; see millrace help\n",
                          words[i]);
            good = false;
        }
    }
    return good;
}

static void main_write_reference(void *context, struct view text)
{
    (void)fwrite(text.base, 1, text.len, context);
}

static int main_config(struct main_state *state, int count, char **words)
{
    struct main_flags flags = {0};

    if (!main_options(state, count, words, &flags)) {
        return EXIT_USAGE;
    }
    if (flags.reference) {
        meta_config_reference(main_write_reference, stdout);
    } else {
        broker_config_print(&state->config, flags.all, flags.json, stdout);
    }
    return EXIT_GOOD;
}

int broker_main_start(int word_count, char **words)
{
    static struct main_state state;
    int                      code = EXIT_USAGE;

    broker_config_init(&state.config);
    if (main_options(&state, word_count, words, NULL)) {
        code = main_start(&state);
    }
    broker_config_deinit(&state.config);
    return code;
}

int broker_main_config(int word_count, char **words)
{
    static struct main_state state;
    int                      code;

    broker_config_init(&state.config);
    code = main_config(&state, word_count, words);
    broker_config_deinit(&state.config);
    return code;
}

int broker_main_version(int word_count, char **words)
{
    (void)words;
    if (word_count > 0) {
        (void)fprintf(stderr, "millrace: version takes no options\n");
        return EXIT_USAGE;
    }
    (void)printf("millrace %s\n", MILLRACE_VERSION);
    return EXIT_GOOD;
}
