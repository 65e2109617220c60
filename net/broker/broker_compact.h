/* broker_compact.h: the settings log.cleaner.* of one shard's store, kept as the broker's settings change. */
#ifndef MILLRACE_BROKER_COMPACT_H
#define MILLRACE_BROKER_COMPACT_H

#include "core/meta/meta.h"

struct broker_compact {
    struct meta_watch watch;
    struct meta      *meta;
    struct store     *store;
    uint32_t          shard_count; /* that share log.cleaner.dedupe.buffer.size */
};

/* Lives as long as `meta` tells of changes. */
void broker_compact_init(struct broker_compact *compact, struct meta *meta, struct store *store, uint32_t shard_count);

#endif
