/* cli_args.c: getopt_long over a command's table, checks, and asking for what was given. */
#include "tools/cli/cli_args.h"

#include "tools/cli/cli_command.h"

#include <getopt.h>

#define LONG_BASE 256 /* getopt's values from here on are places in the table; below are letters */

struct cli_given {
    const struct cli_option *option;
    const char              *text;
};

struct cli_args {
    struct cli_given *given;
    int               given_count;
    char            **operands;
    int               operand_count;
};

struct cli_getopt {
    struct option *longs;
    char          *letters;
    int            count;
};

/* The table as getopt wants it. */
static struct cli_getopt cli_getopt_make(struct cli *cli)
{
    struct cli_getopt out = {0};
    size_t            at = 0;

    while (cli_command_option(cli->command, out.count) != NULL) {
        out.count++;
    }
    out.longs = cli_alloc_array(cli, (size_t)out.count + 1, sizeof(*out.longs));
    out.letters = cli_alloc(cli, 2 * (size_t)out.count + 2);
    out.letters[at++] = ':'; /* a missing value is told from an unknown option */
    for (int i = 0; i < out.count; i++) {
        const struct cli_option *option = cli_command_option(cli->command, i);
        bool                     valued = option->kind != CLI_FLAG;

        out.longs[i] = (struct option){
            .name = option->name, .has_arg = valued ? required_argument : no_argument, .val = LONG_BASE + i};
        if (option->letter != 0) {
            out.letters[at++] = option->letter;
            if (valued) {
                out.letters[at++] = ':';
            }
        }
    }
    return out;
}

static const struct cli_option *cli_getopt_option(const struct cli *cli, int value)
{
    if (value >= LONG_BASE) {
        return cli_command_option(cli->command, value - LONG_BASE);
    }
    for (int i = 0;; i++) {
        const struct cli_option *option = cli_command_option(cli->command, i);

        if (option == NULL || option->letter == value) {
            return option;
        }
    }
}

/* Is `text` one of "a|b|c"? */
static bool cli_is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *at = choices; at != NULL; at = strchr(at, '|') == NULL ? NULL : strchr(at, '|') + 1) {
        if (strncmp(at, text, len) == 0 && (at[len] == '\0' || at[len] == '|')) {
            return true;
        }
    }
    return false;
}

static void cli_check_value(const struct cli *cli, const struct cli_option *option, const char *text)
{
    int64_t value;

    if (option->choices != NULL && !cli_is_choice(option->choices, text)) {
        cli_die(cli, CLI_USAGE, "--%s takes %s, not '%s'%s", option->name, option->choices, text,
                strcmp(option->name, "output") == 0 ? "; offsets are -O" : "");
    }
    if (option->kind == CLI_NUMBER && !cli_parse_number(text, 0, INT64_MAX, &value)) {
        cli_die(cli, CLI_USAGE, "--%s takes a number, not '%s'", option->name, text);
    }
    if (option->kind == CLI_DURATION && !cli_parse_duration(text, MS_PER_S, &value)) {
        cli_die(cli, CLI_USAGE, "--%s takes a time as 500ms, 30s, 5m, 2h or 7d, not '%s'", option->name, text);
    }
}

static void cli_check_operands(const struct cli *cli)
{
    const struct cli_command *command = cli->command;
    int                       count = cli->args->operand_count;

    if (count < command->operands_min) {
        cli_die(cli, CLI_USAGE, "what on? usage: millrace %s %s; see millrace %s --help", cli->path,
                command->operands == NULL ? "" : command->operands, cli->path);
    }
    if (command->operands_max >= 0 && count > command->operands_max) {
        cli_die(cli, CLI_USAGE, "'%s' is too much; usage: millrace %s %s", cli->args->operands[command->operands_max],
                cli->path, command->operands == NULL ? "" : command->operands);
    }
}

void cli_args_parse(struct cli *cli, int word_count, char **words)
{
    struct cli_args  *args = cli_alloc(cli, sizeof(*args));
    struct cli_getopt table = cli_getopt_make(cli);
    char            **all = cli_alloc_array(cli, (size_t)word_count + 2, sizeof(*all));
    int               value;

    cli->args = args;
    args->given = cli_alloc_array(cli, (size_t)word_count + 1, sizeof(*args->given));
    all[0] = cli->path; /* where getopt expects the program */
    for (int i = 0; i < word_count; i++) {
        all[i + 1] = words[i];
    }
    optind = 0; /* a fresh scan, as glibc wants it */
    opterr = 0;
    while ((value = getopt_long(word_count + 1, all, table.letters, table.longs, NULL)) != -1) {
        const struct cli_option *option = cli_getopt_option(cli, value);

        if (value == ':') {
            cli_die(cli, CLI_USAGE, "%s needs a value; see millrace %s --help", all[optind - 1], cli->path);
        }
        if (value == '?' || option == NULL) {
            if (optopt != 0 && optopt < LONG_BASE) {
                cli_die(cli, CLI_USAGE, "-%c is no option here; see millrace %s --help", optopt, cli->path);
            }
            cli_die(cli, CLI_USAGE, "%s is no option here; see millrace %s --help", all[optind - 1], cli->path);
        }
        if (option->kind != CLI_FLAG) {
            cli_check_value(cli, option, optarg);
        }
        args->given[args->given_count++] = (struct cli_given){.option = option, .text = optarg};
    }
    args->operands = all + optind;
    args->operand_count = word_count + 1 - optind;
    cli_check_operands(cli);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

const char *cli_option_at(const struct cli *cli, const char *name, int n)
{
    for (int i = 0; i < cli->args->given_count; i++) {
        if (strcmp(cli->args->given[i].option->name, name) == 0 && n-- == 0) {
            return cli->args->given[i].text;
        }
    }
    return NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    for (int i = 0; i < cli->args->given_count; i++) {
        if (strcmp(cli->args->given[i].option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    for (int i = cli->args->given_count; i-- > 0;) {
        if (strcmp(cli->args->given[i].option->name, name) == 0) {
            return cli->args->given[i].text;
        }
    }
    return NULL;
}

int64_t cli_number(const struct cli *cli, const char *name, int64_t otherwise)
{
    const char *text = cli_option(cli, name);
    int64_t     value = otherwise;

    return text == NULL || !cli_parse_number(text, 0, INT64_MAX, &value) ? otherwise : value;
}

int64_t cli_duration_ms(const struct cli *cli, const char *name, int64_t otherwise_ms)
{
    const char *text = cli_option(cli, name);
    int64_t     value = otherwise_ms;

    return text == NULL || !cli_parse_duration(text, MS_PER_S, &value) ? otherwise_ms : value;
}

int cli_operand_count(const struct cli *cli)
{
    return cli->args->operand_count;
}

const char *cli_operand(const struct cli *cli, int n)
{
    return n < cli->args->operand_count ? cli->args->operands[n] : NULL;
}

const char *cli_one_of(const struct cli *cli, const char *const *names, size_t count)
{
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!cli_flag(cli, names[i])) {
            continue;
        }
        if (found != NULL) {
            cli_die(cli, CLI_USAGE, "--%s and --%s exclude each other", found, names[i]);
        }
        found = names[i];
    }
    return found;
}
