/* meta_rig.h: a broker's shards without its network, in the simulator: stores, partitions and metadata, started,
 * changed, stopped and cut off by one call each. */
#ifndef MILLRACE_TESTS_META_RIG_H
#define MILLRACE_TESTS_META_RIG_H

#include "tests/support/unit.h"

#include "core/base/arena.h"
#include "core/base/slog.h"
#include "core/meta/meta.h"
#include "io/sim/sim.h"

#define RIG_SHARDS_MAX 8
#define RIG_NODE       10 /* first node id */

struct rig_shard {
    struct io_shard   *shard;
    struct store      *store;
    struct part_table *parts;
    struct meta       *meta;
    char               directory[32];
    int                result;
    bool               done;
};

struct rig {
    struct sim        *sim;
    struct io         *ios[RIG_SHARDS_MAX];
    struct io_host    *host;
    uint32_t           core_count;
    uint32_t           shard_count;
    struct rig_shard   shards[RIG_SHARDS_MAX];
    struct meta       *metas[RIG_SHARDS_MAX];
    struct meta_broker brokers[RIG_SHARDS_MAX];
    struct meta_static statics;
    struct meta_host   meta_host;
    uint64_t           free_bytes_min;
    bool               answered;
};

extern struct rig rig;

/* One core per shard. */
void rig_create(uint32_t shard_count, uint64_t seed);
void rig_destroy(void); /* stopped or crashed */
/* Setting from the properties file; before rig_start(). */
void rig_set(const char *name, const char *value);
/* Opens all stores, then all metadata; the first failure of a shard. */
int  rig_start(void);
void rig_stop(void);
void rig_crash(uint64_t seed, enum sim_crash_style style);
void rig_until(bool (*condition)(void *context), void *context);

/* Submits on a shard and waits for the answer, which has to come from the loop. */
void rig_submit(uint32_t shard, struct meta_change *change);
/* One entry each; the result is its error, or the change's own. */
int16_t rig_create_topic(uint32_t shard, const char *name, int32_t partition_count);
int16_t rig_create_entry(uint32_t shard, struct meta_create_topic *topic);
int16_t rig_delete_topic(uint32_t shard, const char *name);
int16_t rig_add_partitions(uint32_t shard, struct meta_add_partitions *entry);
int16_t rig_alter(uint32_t shard, struct meta_alter_config *alter);
/* Sets one value; NULL deletes it. */
int16_t rig_set_config(int8_t type, const char *resource, const char *name, const char *value);

const struct meta_topic *rig_topic(uint32_t shard, const char *name);
/* The partition on the shard that leads it; NULL when there is none. */
struct part *rig_part(const char *topic, int32_t partition);
/* Appends one record and waits; its offset, or -1. */
int64_t rig_append(const char *topic, int32_t partition, const char *value);
/* Every image is the same and every shard has exactly its partitions open and online. */
void rig_assert_agree(void);
/* The whole image as text, without the offset of its last record; freed with rig_text_free(). */
char *rig_dump(uint32_t shard);
void  rig_text_free(char *text);

#endif
