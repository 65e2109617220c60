/* cli_rig.c: catches what commands print and how they end. */
#include "tests/support/unit.h"

#include "tests/unit/cli/cli_rig.h"

#include "tools/cli/cli_out.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX  32
#define TEXT_BYTES 65536

void cli_rig_init(struct cli *cli, const struct cli_command *command, const char *words)
{
    char **list;
    char  *state = NULL;
    int    count = 0;

    *cli = (struct cli){.command = command};
    arena_init(&cli->arena, MEM_TEST, 4096, 16 * MIB);
    list = cli_alloc_array(cli, WORDS_MAX, sizeof(*list));
    for (char *word = strtok_r(cli_text_copy(cli, view_text(words)), " ", &state); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &state)) {
        list[count++] = word;
    }
    cli_args_parse(cli, count, list);
    cli_out_init(cli);
}

void cli_rig_deinit(struct cli *cli)
{
    arena_deinit(&cli->arena);
}

const char *cli_rig_catch(void (*body)(void *context), void *context)
{
    static char text[TEXT_BYTES];
    FILE       *file = tmpfile();
    int         saved = dup(STDOUT_FILENO);
    size_t      len;

    assert_non_null(file);
    assert_int_equal(fflush(stdout), 0);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    body(context);
    assert_int_equal(fflush(stdout), 0);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    (void)fclose(file);
    return text;
}

int cli_rig_exit(void (*body)(void *context), void *context)
{
    int   status = 0;
    pid_t child;

    (void)fflush(stdout);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);

        (void)dup2(nowhere, STDOUT_FILENO);
        (void)dup2(nowhere, STDERR_FILENO);
        body(context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
