/* cli_command.h: the tree of commands. Help, shell completion and the parser read the same rows. */
#ifndef MILLRACE_CLI_COMMAND_H
#define MILLRACE_CLI_COMMAND_H

#include "tools/cli/cli_args.h"

enum cli_needs {
    CLI_NEEDS_NOTHING = 0,
    CLI_NEEDS_BROKERS = 1 << 0, /* -b, --timeout */
    CLI_NEEDS_OUTPUT = 1 << 1,  /* -o table|json */
    CLI_NEEDS_DRY_RUN = 1 << 2, /* it changes something */
    CLI_RAW = 1 << 3,           /* parses its own words */
};

struct cli_command {
    const char               *name;
    const char               *alias;    /* a shorter name, or NULL */
    const char               *summary;  /* one line, without a full stop */
    const char               *operands; /* "TOPIC..." */
    const char               *complete; /* what operands are, as in struct cli_option */
    const char               *details;  /* paragraphs below the usage line, or NULL */
    const char               *examples; /* lines */
    const struct cli_option  *options;  /* NULL: only the common ones */
    const struct cli_command *children; /* ended by a row without a name; then `run` is NULL or the default */
    unsigned                  needs;
    int                       operands_min, operands_max; /* -1: any number */
    int (*run)(struct cli *cli);
    int (*run_raw)(int word_count, char **words); /* CLI_RAW */
};

#define CLI_COMMANDS_END \
    {                    \
        .name = NULL     \
    }

extern const struct cli_command cli_root;

/* The groups of commands, one file each. */
extern const struct cli_command cli_topic_commands[];
extern const struct cli_command cli_group_commands[];
extern const struct cli_command cli_config_commands[];
extern const struct cli_command cli_txn_commands[];
extern const struct cli_command cli_log_commands[];
extern const struct cli_command cli_bench_commands[];
extern const struct cli_command cli_completion_commands[];
extern const struct cli_option  cli_consume_options[];
extern const struct cli_option  cli_produce_options[];
extern const struct cli_option  cli_sql_options[];
extern const struct cli_option  cli_nexmark_options[], cli_doctor_options[];
extern const char               cli_consume_details[], cli_produce_details[], cli_sql_details[], cli_nexmark_details[];
extern const char               cli_doctor_details[];
int                             cli_cluster_run(struct cli *cli);
int                             cli_doctor_run(struct cli *cli);
int                             cli_consume_run(struct cli *cli);
int                             cli_produce_run(struct cli *cli);
int                             cli_sql_run(struct cli *cli);
int                             cli_nexmark_run(struct cli *cli);

/* By name, alias or a beginning that fits one only; NULL, and *out_many when several fit. */
const struct cli_command *cli_command_find(const struct cli_command *among, const char *word, bool *out_many);
/* The i-th option of a command, its own first, then the common ones it needs; NULL at the end. */
const struct cli_option *cli_command_option(const struct cli_command *command, int index);
void                     cli_help(FILE *to, const struct cli_command *command, const char *path);

#endif
