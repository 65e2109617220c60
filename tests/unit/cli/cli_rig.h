/* cli_rig.h: a command's frame for tests, and what it prints. */
#ifndef MILLRACE_CLI_RIG_H
#define MILLRACE_CLI_RIG_H

#include "tools/cli/cli_args.h"
#include "tools/cli/cli_command.h"

/* A command with these words, parsed. `words` as one text, parted by blanks. */
void cli_rig_init(struct cli *cli, const struct cli_command *command, const char *words);
void cli_rig_deinit(struct cli *cli);
/* Runs `body` with standard output caught; the text is valid until the next call. */
const char *cli_rig_catch(void (*body)(void *context), void *context);
/* The exit code of a process of its own that runs `body`; what it prints is lost. */
int cli_rig_exit(void (*body)(void *context), void *context);

#endif
