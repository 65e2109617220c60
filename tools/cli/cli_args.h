/* cli_args.h: options and operands of one command, parsed by getopt_long from the command's table.
 *
 * Everything is checked before anything is sent: kinds, choices and ranges of kinds here, what only the command can
 * know by the command. Options and operands may be mixed; `--` ends the options; long names may be cut where they stay
 * unique. Texts are the process's arguments and live as long as it does. */
#ifndef MILLRACE_CLI_ARGS_H
#define MILLRACE_CLI_ARGS_H

#include "tools/cli/cli.h"

enum cli_kind {
    CLI_FLAG = 0,
    CLI_TEXT,
    CLI_NUMBER,   /* 64 bits, not negative */
    CLI_DURATION, /* 500ms, 30s, 5m, 2h, 7d; a bare number counts seconds */
};

struct cli_option {
    char          letter; /* 0: long only */
    enum cli_kind kind;
    const char   *name;
    const char   *value;    /* what stands for the value in help */
    const char   *choices;  /* "table|json": the values there are */
    const char   *complete; /* for shells: "topic", "group", "file", "setting" */
    const char   *help;
};

/* Ends a table of options. */
#define CLI_OPTIONS_END \
    {                   \
        .name = NULL    \
    }

/* Takes what stands behind the command's name. Ends the process with CLI_USAGE when it is wrong. */
void cli_args_parse(struct cli *cli, int word_count, char **words);

bool        cli_flag(const struct cli *cli, const char *name);
const char *cli_option(const struct cli *cli, const char *name); /* the last one given, or NULL */
int64_t     cli_number(const struct cli *cli, const char *name, int64_t otherwise);
int64_t     cli_duration_ms(const struct cli *cli, const char *name, int64_t otherwise_ms);
/* The n-th of a repeated option, or NULL. */
const char *cli_option_at(const struct cli *cli, const char *name, int n);
int         cli_operand_count(const struct cli *cli);
const char *cli_operand(const struct cli *cli, int n);
/* Any of several options given? They exclude each other: more than one is CLI_USAGE. */
const char *cli_one_of(const struct cli *cli, const char *const *names, size_t count);

/* --- texts to values; false when they are none ---------------------------------------------------------------------
 */

MUST_USE bool cli_parse_number(const char *text, int64_t min, int64_t max, int64_t *out_value);
/* "7d", "1h", "250ms", "10" (in `bare_unit_ms` units). */
MUST_USE bool cli_parse_duration(const char *text, int64_t bare_unit_ms, int64_t *out_ms);
/* "64K", "64KiB", "1.5G": powers of 1024. */
MUST_USE bool cli_parse_size(const char *text, int64_t *out_bytes);
/* Milliseconds since 1970; "2026-11-21", "2026-11-21T16:00", "...:30.125Z", "now", "-2h" (ago), seconds or milliseconds
 * as a number. Without a zone: local time. */
MUST_USE bool cli_parse_time(const char *text, int64_t now_ms, int64_t *out_ms);
/* "0,2,5-7": ascending calls of `each`, false when malformed or above max. */
MUST_USE bool cli_parse_ranges(const char *text, int64_t max, void (*each)(void *context, int64_t value),
                               void *context);
/* A setting's value as the broker wants it: 7d for *.ms, 64M for *.bytes; everything else unchanged. */
MUST_USE const char *cli_setting_value(struct cli *cli, const char *name, const char *value);
/* \n \t \r \0 \\ \xHH in place; false on another escape. *out_len may be shorter than the text. */
MUST_USE bool cli_unescape(char *text, size_t *out_len);

#endif
