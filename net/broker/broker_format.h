/* broker_format.h: the data directories: locked, formatted once, checked at each start.
 *
 * Every directory of log.dirs holds a meta.properties (Kafka's name and keys, plus ours): cluster.id, node.id,
 * millrace.shards and a directory id per shard. The number of shards is fixed here, because ports, node ids and the
 * place of every partition follow from it. */
#ifndef MILLRACE_BROKER_FORMAT_H
#define MILLRACE_BROKER_FORMAT_H

#include "core/base/arena.h"
#include "io/io_file.h"
#include "net/broker/broker_listeners.h"

#define BROKER_LOG_DIRS_MAX 64

struct broker_format {
    struct uuid cluster_id;
    int32_t     node_id;
    uint32_t    shard_count;
    struct uuid directory_ids[BROKER_SHARDS_MAX];
    bool        created; /* by this start */
};

/* log_dirs: the texts, already split. shard_count_wanted 0: as formatted, else shard_count_default. node_id -1: as
 * formatted, else 0. Runs the loop of `io` (start-up). ERR_BUSY: another broker holds a directory; ERR_INVALID,
 * ERR_CORRUPT, ERR_PERMISSION, ...: out_why says what and how to go on. */
MUST_USE int broker_format_open(struct io *io, struct buf_pool *bufs, const char *const *log_dirs,
                                uint32_t log_dir_count, int32_t node_id, uint32_t shard_count_wanted,
                                uint32_t shard_count_default, struct broker_format *out_format, struct span out_why);

#endif
