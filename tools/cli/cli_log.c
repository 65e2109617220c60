#include "tools/cli/cli_command.h"
const struct cli_command cli_log_commands[] = {CLI_COMMANDS_END};
