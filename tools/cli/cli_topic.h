/* cli_topic.h: what the files of topic, config, group and txn share. */
#ifndef MILLRACE_CLI_TOPIC_H
#define MILLRACE_CLI_TOPIC_H

#include "core/base/map.h"
#include "tools/cli/cli_client.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_offset.h"
#include "tools/cli/cli_out.h"

int cli_topic_describe_run(struct cli *cli);
int cli_topic_alter_run(struct cli *cli);
int cli_topic_add_run(struct cli *cli);
int cli_topic_trim_run(struct cli *cli);
int cli_topic_offsets_run(struct cli *cli);

/* Operands from the n-th on. */
const char *const *cli_operands(struct cli *cli, int from, int *out_count);
/* The same; a name with * ? or [ stands for all topics it matches, Kafka's own only when it begins with _. No match
 * ends the process. */
const char *const *cli_topic_operands(struct cli *cli, int *out_count);
void               cli_split_setting(struct cli *cli, const char *text, struct view *out_name, struct view *out_value);
void cli_topic_fail(struct cli *cli, const char *verb, struct view name, int16_t code, struct view message);
/* "order*", "a?c", "[ab]*". */
bool cli_glob(const char *pattern, const char *text);

/* One partition and what was asked about it. */
struct cli_place {
    const char *topic;
    int32_t     partition;
    int32_t     leader; /* -1: none */
    int64_t     asked;  /* a timestamp, or one of ListOffsets' sentinels */
    int64_t     offset; /* the answer; -1: none */
    int16_t     error;
};

#define CLI_ASK_LATEST   INT64_C(-1)
#define CLI_ASK_EARLIEST INT64_C(-2)

/* All partitions of these topics, or of those in `only` (NULL: all). A topic that is not there ends the process. */
struct cli_place *cli_places(struct cli *cli, const char *const *topics, int topic_count, const char *only,
                             size_t *out_count);
/* Answers `asked` of every place, from each leader. read_committed: the end is the last stable offset. */
void cli_ask_offsets(struct cli *cli, struct cli_place *places, size_t count, bool read_committed);
/* Turns a position that people wrote into an offset for each place. */
void cli_resolve(struct cli *cli, const struct cli_position *position, struct cli_place *places, size_t count);

/* Settings (cli_config.c). operation: Kafka's, 0 set, 1 delete, 2 append, 3 subtract. */
struct cli_change {
    struct view name, value;
    int8_t      operation;
};
int cli_change_settings(struct cli *cli, int8_t type, const char *resource, const struct cli_change *changes,
                        int32_t count);
int cli_collect_changes(struct cli *cli, int from, struct cli_change **out_changes);
/* Of the commands that collect changes: --delete, --append, --subtract. */
extern const struct cli_option cli_change_options[];
void cli_show_settings(struct cli *cli, int8_t type, const char *const *resources, int count, bool all);

#define CLI_RESOURCE_TOPIC          2
#define CLI_RESOURCE_BROKER         4
#define CLI_RESOURCE_LOGGER         8
#define CLI_RESOURCE_CLIENT_METRICS 16
#define CLI_RESOURCE_GROUP          32

#endif
