/* cli_completion.c: completion for shells. The scripts are two short functions that ask the program itself: it knows
 * its commands, options and values, and asks the broker for topics and groups, for a second at most. */
#include "tools/cli/cli_topic.h"

#include <stdlib.h>
#include <unistd.h>

static const char bash_text[] =
    "# source this file, or put it into /etc/bash_completion.d\n"
    "_millrace() {\n"
    "    local IFS=$'\\n' word=\"${COMP_WORDS[COMP_CWORD]}\" line\n"
    "    COMPREPLY=()\n"
    "    while read -r line; do\n"
    "        if [ \"$line\" = '@files' ]; then\n"
    "            mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$word\")\n"
    "        else\n"
    "            COMPREPLY+=(\"$line\")\n"
    "        fi\n"
    "    done < <(\"${COMP_WORDS[0]}\" completion words \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "}\n"
    "complete -F _millrace millrace\n";

static const char zsh_text[] = "#compdef millrace\n"
                               "# put this file as _millrace into a folder of $fpath, or source it after compinit\n"
                               "_millrace() {\n"
                               "    local -a found\n"
                               "    local line\n"
                               "    while read -r line; do\n"
                               "        if [[ $line == '@files' ]]; then\n"
                               "            _files\n"
                               "        else\n"
                               "            found+=(\"$line\")\n"
                               "        fi\n"
                               "    done < <(\"${words[1]}\" completion words \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
                               "    compadd -a found\n"
                               "}\n"
                               "compdef _millrace millrace\n";

static int completion_bash_run(struct cli *cli)
{
    (void)cli;
    (void)fputs(bash_text, stdout);
    return CLI_DONE;
}

static int completion_zsh_run(struct cli *cli)
{
    (void)cli;
    (void)fputs(zsh_text, stdout);
    return CLI_DONE;
}

/* --- candidates -------------------------------------------------------------------------------------------------- */

static void completion_offer(const char *candidate, const char *begun)
{
    if (strncmp(candidate, begun, strlen(begun)) == 0) {
        (void)printf("%s\n", candidate);
    }
}

static void completion_commands(const struct cli_command *children, const char *begun)
{
    for (const struct cli_command *at = children; at->name != NULL; at++) {
        if (at->summary != NULL) {
            completion_offer(at->name, begun);
        }
    }
}

static void completion_options(const struct cli_command *command, const char *begun)
{
    char word[64];

    for (int i = 0; cli_command_option(command, i) != NULL; i++) {
        const struct cli_option *option = cli_command_option(command, i);

        if (option->help != NULL) {
            (void)snprintf(word, sizeof(word), "--%s", option->name);
            completion_offer(word, begun);
        }
    }
}

static void completion_choices(const char *choices, const char *begun)
{
    char word[64];

    while (*choices != '\0') {
        size_t len = strcspn(choices, "|");

        (void)snprintf(word, sizeof(word), "%.*s", (int)len, choices);
        completion_offer(word, begun);
        choices += len + (choices[len] == '|');
    }
}

static void completion_topics(struct cli *cli, const char *begun)
{
    const struct kp_metadata_response *response = cli_topics(cli, NULL, -1);

    for (int32_t i = 0; i < response->topics_count; i++) {
        if (!response->topics[i].is_internal || begun[0] == '_') {
            completion_offer(cli_text_copy(cli, response->topics[i].name), begun);
        }
    }
}

static void completion_groups(struct cli *cli, const char *begun)
{
    int32_t                        count = 0;
    const struct cli_node         *nodes = cli_nodes(cli, &count);
    struct kp_list_groups_request *request = CLI_NEW(cli, kp_list_groups_request, kp_list_groups_request_init);

    for (int32_t i = 0; i < count; i++) {
        const struct kp_list_groups_response *response = cli_call(cli, nodes[i].id, KP_LIST_GROUPS_KEY, request);

        for (int32_t g = 0; g < response->groups_count; g++) {
            completion_offer(cli_text_copy(cli, response->groups[g].group_id), begun);
        }
    }
}

static void completion_settings(struct cli *cli, const char *begun)
{
    struct kp_describe_configs_request *request =
        CLI_NEW(cli, kp_describe_configs_request, kp_describe_configs_request_init);
    const struct kp_describe_configs_response *response;
    const struct kp_metadata_response         *topics = cli_topics(cli, NULL, -1);

    if (topics->topics_count == 0) {
        return;
    }
    request->resources = cli_alloc(cli, sizeof(*request->resources));
    request->resources_count = 1;
    request->resources->resource_type = CLI_RESOURCE_TOPIC;
    request->resources->resource_name = topics->topics[0].name;
    request->resources->configuration_keys_count = -1;
    response = cli_call(cli, CLI_NODE_ANY, KP_DESCRIBE_CONFIGS_KEY, request);
    for (int32_t i = 0; response->results_count > 0 && i < response->results->configs_count; i++) {
        struct view name = response->results->configs[i].name;

        completion_offer(cli_format(cli, "%.*s=", (int)name.len, (const char *)name.base), begun);
    }
}

static void completion_kind(struct cli *cli, const char *kind, const char *begun)
{
    if (strcmp(kind, "file") == 0) {
        (void)puts("@files");
    } else if (strcmp(kind, "topic") == 0) {
        completion_topics(cli, begun);
    } else if (strcmp(kind, "group") == 0) {
        completion_groups(cli, begun);
    } else if (strcmp(kind, "setting") == 0) {
        completion_settings(cli, begun);
    } else if (strcmp(kind, "resource") == 0) {
        completion_choices("topic|broker|group|logger|client-metrics", begun);
    }
}

/* The option that waits for a value at the end of `words`, or NULL. */
static const struct cli_option *completion_waiting(const struct cli_command *command, const char *word)
{
    for (int i = 0; cli_command_option(command, i) != NULL; i++) {
        const struct cli_option *option = cli_command_option(command, i);
        bool                     named = word[0] == '-' && word[1] == '-' && strcmp(word + 2, option->name) == 0;
        bool lettered = word[0] == '-' && option->letter != 0 && word[1] == option->letter && word[2] == '\0';

        if (option->kind != CLI_FLAG && (named || lettered)) {
            return option;
        }
    }
    return NULL;
}

/* Where the brokers are stands among the words being completed. */
static void completion_brokers(int count, char **words)
{
    for (int i = 0; i + 1 < count; i++) {
        if (strcmp(words[i], "-b") == 0 || strcmp(words[i], "--brokers") == 0) {
            (void)setenv("MILLRACE_BROKERS", words[i + 1], 1);
        }
    }
}

/* words: what stands behind "millrace", the last one being the word to complete (may be empty). */
static int completion_words_raw(int count, char **words)
{
    const struct cli_command *command = &cli_root;
    struct cli                cli = {0};
    const char               *begun = count > 0 ? words[count - 1] : "";
    const struct cli_option  *waiting;
    char                      timeout[] = "--timeout=1s";
    char                     *none[] = {timeout};
    int                       used = 0;

    while (command->children != NULL && used + 1 < count) {
        bool                      many = false;
        const struct cli_command *next = cli_command_find(command->children, words[used], &many);

        if (next == NULL) {
            break;
        }
        command = next;
        used++;
    }
    if (command->children != NULL && used + 1 >= count && begun[0] != '-') {
        completion_commands(command->children, begun);
        return CLI_DONE;
    }
    if (command->run == NULL) {
        return CLI_DONE;
    }
    waiting = count >= 2 ? completion_waiting(command, words[count - 2]) : NULL;
    if (waiting == NULL && begun[0] == '-') {
        completion_options(command, begun);
        return CLI_DONE;
    }
    if (waiting != NULL && waiting->choices != NULL) {
        completion_choices(waiting->choices, begun);
        return CLI_DONE;
    }
    completion_brokers(count, words);
    arena_init(&cli.arena, MEM_CLI, 64 * KIB, GIB);
    cli.command = &(struct cli_command){.needs = CLI_NEEDS_BROKERS, .operands_max = -1};
    cli_args_parse(&cli, 1, none);
    if (waiting != NULL && waiting->complete != NULL) {
        completion_kind(&cli, waiting->complete, begun);
    } else if (waiting == NULL && command->complete != NULL) {
        completion_kind(&cli, command->complete, begun);
    }
    arena_deinit(&cli.arena);
    return CLI_DONE;
}

const struct cli_command cli_completion_commands[] = {
    {.name = "bash",
     .summary = "the script for bash",
     .examples = "source <(millrace completion bash)\n",
     .run = completion_bash_run},
    {.name = "zsh",
     .summary = "the script for zsh",
     .examples = "millrace completion zsh > ~/.zfunc/_millrace\n",
     .run = completion_zsh_run},
    {.name = "words", .needs = CLI_RAW, .run_raw = completion_words_raw}, /* what the scripts ask */
    CLI_COMMANDS_END,
};
