/* cli_main.c: main() of the program: the broker and the client are commands of one tree. */
#include "tools/cli/cli.h"

#include "net/broker/broker_main.h"

int main(int argument_count, char **arguments)
{
    if (argument_count == 2 && strcmp(arguments[1], "--version") == 0) {
        return broker_main_version(0, NULL);
    }
    return cli_run(argument_count - 1, arguments + 1);
}
