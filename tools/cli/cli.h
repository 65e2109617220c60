/* cli.h: the frame of the command-line client: one process runs one command and ends.
 *
 * A command is a row in a tree of tables (cli_command.h): name, options, help, examples, a function. The function reads
 * its arguments (cli_args.h), asks brokers (cli_client.h) or librdkafka (cli_kafka.h), fills a document (cli_out.h) and
 * returns; the frame prints the document and chooses the exit code.
 *
 * Ownership: everything a command makes lives in one arena until the process ends; nothing is freed in between, except
 * in the loops of consume and produce, which reuse buffers of their own. Threads: one.
 *
 * Errors: the first line on standard error says what failed and why, and what helps where we know it. cli_die() ends
 * the process at once; cli_fail() notes the failure of one of several things and lets the command go on. */
#ifndef MILLRACE_CLI_H
#define MILLRACE_CLI_H

#include "core/base/arena.h"
#include "core/base/err.h"

#include <signal.h>
#include <stdio.h>

/* Documented in docs/cli/README.md and `millrace --help`; stable. 3 and 4 belong to `millrace start`. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,      /* nothing below fits */
    CLI_USAGE = 2,       /* the command line is wrong; nothing was sent */
    CLI_PARTIAL = 5,     /* some of several things failed */
    CLI_NOT_FOUND = 6,   /* topic, partition, group, transaction, file, setting */
    CLI_EXISTS = 7,      /* it is there already */
    CLI_REFUSED = 8,     /* the broker understood and said no */
    CLI_UNREACHABLE = 9, /* no broker answered */
    CLI_TIMEOUT = 10,    /* it did not happen in time */
    CLI_DAMAGED = 11,    /* log dump found damage */
};

struct cli_command;
struct cli_args;
struct cli_client;
struct cli_out;

struct cli {
    const struct cli_command *command;
    char                      path[64]; /* "topic create", for messages and help */
    struct arena              arena;
    struct cli_args          *args;
    struct cli_out           *out;
    struct cli_client        *client;       /* made by the first call of cli_client() */
    uint32_t                  good, failed; /* things done and not done */
    enum cli_exit             failure;      /* of the first thing not done */
};

/* Zeroed memory from the command's arena; ends the process when there is none. */
MUST_USE void *cli_alloc(struct cli *cli, size_t bytes);
MUST_USE void *cli_alloc_array(struct cli *cli, size_t count, size_t element_bytes);
/* A copy with a NUL behind it; of a null view: NULL. */
MUST_USE char *cli_text_copy(struct cli *cli, struct view text);
MUST_USE char *cli_format(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);

/* "millrace topic create: ..." on standard error, in one line. */
void          cli_say(const struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
void NORETURN cli_die(const struct cli *cli, enum cli_exit code, const char *format, ...) PRINTF_LIKE(3, 4);
/* One of several things failed: said, counted, not final. */
void cli_fail(struct cli *cli, enum cli_exit code, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same for a Kafka error; `what` as "cannot create topic 'a'", `message` (may be null) as the broker sent it. */
void          cli_fail_kafka(struct cli *cli, int16_t code, struct view message, const char *what);
void NORETURN cli_die_kafka(struct cli *cli, int16_t code, struct view message, const char *what);
enum cli_exit cli_exit_of(int16_t kafka_code);
/* All good: 0; all failed: the first failure; else CLI_PARTIAL. */
enum cli_exit cli_result(const struct cli *cli);

/* Wall clock and a clock that never jumps, in ms; and a pause. */
int64_t cli_now_ms(void);
int64_t cli_clock_ms(void);
void    cli_sleep_ms(int64_t ms);
/* Set by SIGINT and SIGTERM once cli_catch_signals() was called: long loops end in good order. */
extern volatile sig_atomic_t cli_stop_asked;
void                         cli_catch_signals(void);

/* For main(): runs `words` (without the program's name) and returns the exit code. */
MUST_USE int cli_run(int word_count, char **words);

#endif
