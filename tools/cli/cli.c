/* cli.c: the frame: memory, messages, exit codes, clocks, signals. */
#include "tools/cli/cli.h"

#include "core/base/check.h"
#include "core/proto/kp_error.h"
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ARENA_BLOCK_BYTES (64 * KIB)
#define ARENA_BYTES_MAX   (2 * GIB)

volatile sig_atomic_t cli_stop_asked;

/* --- memory ------------------------------------------------------------------------------------------------------ */

void *cli_alloc(struct cli *cli, size_t bytes)
{
    void *memory = arena_alloc(&cli->arena, bytes);

    if (memory == NULL) {
        cli_die(cli, CLI_FAILED, "out of memory: %zu bytes more are wanted", bytes);
    }
    return memory;
}

void *cli_alloc_array(struct cli *cli, size_t count, size_t element_bytes)
{
    size_t bytes = 0;

    if (__builtin_mul_overflow(count, element_bytes, &bytes)) {
        cli_die(cli, CLI_FAILED, "out of memory: %zu times %zu bytes are wanted", count, element_bytes);
    }
    return cli_alloc(cli, bytes);
}

char *cli_text_copy(struct cli *cli, struct view text)
{
    char *copy;

    if (text.base == NULL) {
        return NULL;
    }
    copy = cli_alloc(cli, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.base, text.len);
    }
    return copy;
}

char *cli_format(struct cli *cli, const char *format, ...)
{
    char    few[256];
    va_list arguments;
    int     len;
    char   *text;

    CHECK(format != NULL); /* or gcc with sanitizers warns of it */
    va_start(arguments, format);
    len = vsnprintf(few, sizeof(few), format, arguments);
    va_end(arguments);
    if (len < (int)sizeof(few)) {
        return cli_text_copy(cli, view_text(len < 0 ? "" : few));
    }
    text = cli_alloc(cli, (size_t)len + 1);
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static void cli_say_list(const struct cli *cli, const char *format, va_list arguments)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "millrace%s%s: ", cli->path[0] == '\0' ? "" : " ", cli->path);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

void cli_say(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_say_list(cli, format, arguments);
    va_end(arguments);
}

void cli_die(const struct cli *cli, enum cli_exit code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_say_list(cli, format, arguments);
    va_end(arguments);
    exit((int)code);
}

void cli_fail(struct cli *cli, enum cli_exit code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    cli_say_list(cli, format, arguments);
    va_end(arguments);
    if (cli->failed == 0) {
        cli->failure = code;
    }
    cli->failed++;
}

enum cli_exit cli_exit_of(int16_t kafka_code)
{
    switch (kafka_code) {
    case KP_ERR_NONE:
        return CLI_DONE;
    case KP_ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case KP_ERR_UNKNOWN_TOPIC_ID:
    case KP_ERR_GROUP_ID_NOT_FOUND:
    case KP_ERR_TRANSACTIONAL_ID_NOT_FOUND:
    case KP_ERR_RESOURCE_NOT_FOUND:
    case KP_ERR_UNKNOWN_MEMBER_ID:
        return CLI_NOT_FOUND;
    case KP_ERR_TOPIC_ALREADY_EXISTS:
        return CLI_EXISTS;
    case KP_ERR_REQUEST_TIMED_OUT:
        return CLI_TIMEOUT;
    case KP_ERR_UNKNOWN_SERVER_ERROR:
    case KP_ERR_KAFKA_STORAGE_ERROR:
        return CLI_FAILED;
    default:
        return kp_error_is_retriable(kafka_code) ? CLI_TIMEOUT : CLI_REFUSED;
    }
}

/* The broker's own words when it has some, else ours. */
static struct view cli_kafka_text(int16_t code, struct view message)
{
    return message.base != NULL && message.len > 0 ? message : view_text(kp_error_text(code));
}

void cli_fail_kafka(struct cli *cli, int16_t code, struct view message, const char *what)
{
    struct view text = cli_kafka_text(code, message);

    cli_fail(cli, cli_exit_of(code), "%s: %.*s (%s)", what, (int)text.len, (const char *)text.base,
             kp_error_name(code));
}

void cli_die_kafka(struct cli *cli, int16_t code, struct view message, const char *what)
{
    struct view text = cli_kafka_text(code, message);

    cli_die(cli, cli_exit_of(code), "%s: %.*s (%s)", what, (int)text.len, (const char *)text.base, kp_error_name(code));
}

enum cli_exit cli_result(const struct cli *cli)
{
    if (cli->failed == 0) {
        return CLI_DONE;
    }
    return cli->good > 0 ? CLI_PARTIAL : cli->failure;
}

/* --- time and signals -------------------------------------------------------------------------------------------- */

static int64_t cli_read_clock(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

int64_t cli_now_ms(void)
{
    return cli_read_clock(CLOCK_REALTIME);
}

int64_t cli_clock_ms(void)
{
    return cli_read_clock(CLOCK_MONOTONIC);
}

void cli_sleep_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / MS_PER_S, .tv_nsec = (ms % MS_PER_S) * NS_PER_MS};

    (void)nanosleep(&pause, NULL);
}

static void cli_signal(int number)
{
    (void)number;
    if (cli_stop_asked != 0) {
        _exit(128 + SIGINT); /* the second one: at once */
    }
    cli_stop_asked = 1;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = cli_signal};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

/* The row that the first words name; *words moves behind them. Ends the process when there is none. */
static const struct cli_command *cli_choose(struct cli *cli, int *word_count, char ***words)
{
    const struct cli_command *command = &cli_root;

    while (command->children != NULL && *word_count > 0 && (*words)[0][0] != '-') {
        bool                      many = false;
        const struct cli_command *next = cli_command_find(command->children, (*words)[0], &many);
        size_t                    used = strlen(cli->path);

        if (next == NULL && (command->run != NULL || command->run_raw != NULL)) {
            break; /* a default command with operands of its own */
        }
        if (next == NULL) {
            cli_die(cli, CLI_USAGE, "%s command '%s'; see millrace %s%s--help", many ? "ambiguous" : "unknown",
                    (*words)[0], cli->path, used > 0 ? " " : "");
        }
        (void)snprintf(cli->path + used, sizeof(cli->path) - used, "%s%s", used > 0 ? " " : "", next->name);
        command = next;
        (*word_count)--;
        (*words)++;
    }
    return command;
}

static bool cli_asks_help(int word_count, char **words)
{
    for (int i = 0; i < word_count && strcmp(words[i], "--") != 0; i++) {
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* Everything printed has reached its reader, or the reader had enough: a closed pipe is no failure. */
static int cli_finish(const struct cli *cli, int code)
{
    if (fflush(stdout) != 0 && errno != EPIPE) {
        cli_say(cli, "cannot write the output: %s", strerror(errno));
        return code == CLI_DONE ? CLI_FAILED : code;
    }
    return code;
}

int cli_run(int word_count, char **words)
{
    static char               help[] = "--help";
    struct cli                cli = {0};
    const struct cli_command *command;
    int                       code;

    arena_init(&cli.arena, MEM_CLI, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
    (void)signal(SIGPIPE, SIG_IGN);
    if (word_count > 0 && strcmp(words[0], "help") == 0) { /* help topic create: topic create --help */
        memmove(words, words + 1, (size_t)(word_count - 1) * sizeof(*words));
        words[word_count - 1] = help;
    }
    command = cli_choose(&cli, &word_count, &words);
    cli.command = command;
    if (cli_asks_help(word_count, words)) {
        cli_help(stdout, command, cli.path);
        code = cli_finish(&cli, CLI_DONE);
    } else if (command->run_raw != NULL) {
        code = command->run_raw(word_count, words);
    } else if (command->run == NULL) {
        cli_help(stderr, command, cli.path);
        code = CLI_USAGE;
    } else {
        cli_args_parse(&cli, word_count, words);
        cli_out_init(&cli);
        code = cli_finish(&cli, command->run(&cli));
    }
    arena_deinit(&cli.arena);
    return code;
}
