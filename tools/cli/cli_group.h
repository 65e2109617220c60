/* cli_group.h: what the files of millrace group share. */
#ifndef MILLRACE_CLI_GROUP_H
#define MILLRACE_CLI_GROUP_H

#include "tools/cli/cli_topic.h"

/* A partition a group has a position in, or is to get one. */
struct cli_committed {
    const char *topic;
    int32_t     partition;
    int64_t     offset; /* committed; -1: none */
    int32_t     epoch;
    struct view metadata;
};

int cli_group_describe_run(struct cli *cli);
int cli_group_seek_run(struct cli *cli);

/* All positions of a group, by topic and partition. Ends the process when the coordinator refuses; a group without any
 * gives none. */
struct cli_committed *cli_group_positions(struct cli *cli, const char *group, size_t *out_count);
void cli_group_fail(struct cli *cli, const char *verb, const char *group, int16_t code, struct view message);
/* "TOPIC" or "TOPIC:0,2-4" of one -t; *out_partitions NULL: all. */
void cli_split_topic(struct cli *cli, const char *text, const char **out_topic, const char **out_partitions);

#endif
