/* meta.h: the metadata of this Kafka cluster of one host: brokers, topics, partitions, settings, producer id blocks.
 *
 * The truth is a log of Kafka's own metadata records (KRaft; core/proto/schema/metadata): on one host a local log on
 * the controller shard (shard 0), in a cluster the controller quorum's log. Every shard holds its own *image*, made by
 * replaying those records, and opens, changes and deletes its partitions as records are applied. Everything above sees
 * only the image (D7).
 *
 * A change goes: any shard calls meta_submit() -> mail to the controller shard -> checked against the controller's
 * image -> records appended to the log -> durable -> sent to every shard -> each applies them and opens or deletes its
 * partitions -> all have answered -> the change's done() on the shard that asked. So whoever was told of a change finds
 * it on every shard (D2). Changes are applied in one order.
 *
 * Threading: a struct meta belongs to one shard. Pointers into the image are valid until the shard returns to its loop.
 */
#ifndef MILLRACE_META_H
#define MILLRACE_META_H

#include "core/base/map.h"
#include "core/meta/meta_config.h"
#include "core/part/part.h"

#define META_TOPIC_NAME_BYTES_MAX 249
#define META_LISTENERS_MAX        16

struct meta;

/* --- image ------------------------------------------------------------------------------------------------------- */

struct meta_endpoint {
    struct view listener; /* "PLAINTEXT" */
    struct view host;     /* advertised */
    uint16_t    port;
};

struct meta_broker {
    int32_t              node_id;
    uint32_t             shard; /* node_id - first node id */
    struct uuid          incarnation_id;
    struct uuid          directory_id;
    struct view          rack; /* base NULL = none */
    struct meta_endpoint endpoints[META_LISTENERS_MAX];
    uint32_t             endpoint_count;
};

struct meta_partition {
    int32_t leader; /* node id; also the only replica and in-sync replica on one host */
    int32_t leader_epoch;
    int32_t partition_epoch;
};

struct meta_topic {
    struct uuid            id;
    struct view            name;
    struct meta_partition *partitions;
    int32_t                partition_count;
    struct meta_config_set configs;  /* overrides of this topic */
    bool                   internal; /* __consumer_offsets, __transaction_state, __millrace_job.. */
};

/* --- features: what this cluster has agreed on ------------------------------------------------------------------- */

enum meta_feature {
    META_FEATURE_METADATA_VERSION,
    META_FEATURE_GROUP_VERSION,
    META_FEATURE_TRANSACTION_VERSION,
    META_FEATURE_KRAFT_VERSION, /* fixed: the one voter has its directory id from the first start */
    META_FEATURE_COUNT,
};

struct meta_feature_info {
    const char *name;     /* "transaction.version" */
    int16_t     min, max; /* levels this release supports */
    int16_t     initial;  /* of a new cluster; 0: not finalized */
};
const struct meta_feature_info *meta_feature_info(enum meta_feature feature);

/* --- client quotas: kept and shown; nothing is throttled yet ------------------------------------------------------ */

enum meta_quota_type { META_QUOTA_USER, META_QUOTA_CLIENT_ID, META_QUOTA_IP, META_QUOTA_TYPE_COUNT };

/* Whom a quota is for: one user, one client id, both together, or one address. */
struct meta_quota_entity {
    bool        has[META_QUOTA_TYPE_COUNT];
    struct view names[META_QUOTA_TYPE_COUNT]; /* base NULL: the default of all without one of their own */
};

#define META_QUOTA_KEYS_MAX 8

struct meta_quota {
    struct meta_quota_entity entity;
    bool                     set[META_QUOTA_KEYS_MAX]; /* by index of meta_quota_key() */
    double                   values[META_QUOTA_KEYS_MAX];
};

const char *meta_quota_type_name(enum meta_quota_type type); /* "user", "client-id", "ip" */
/* False: no such type. */
bool meta_quota_type_find(struct view name, enum meta_quota_type *out_type);
/* "producer_byte_rate"; NULL at the end. */
const char *meta_quota_key(size_t index);

struct meta_image {
    struct map topics_by_name;       /* -> struct meta_topic, in order of creation */
    struct map topics_by_id;         /* key: 16 bytes */
    struct map topics_by_fold;       /* key: the name with '.' read as '_', because Kafka allows only one of the two */
    struct meta_broker     *brokers; /* by shard */
    uint32_t                broker_count;
    struct meta_config_set  broker_default_configs; /* dynamic, resource BROKER "" */
    struct meta_config_set *broker_configs;         /* dynamic, by shard */
    int64_t                 partition_total;
    int64_t                *shard_partitions; /* how many each shard leads, by shard */
    int64_t                 next_producer_id;
    int64_t                 last_offset;    /* of the newest record applied */
    int64_t                 topic_changes;  /* counts records about topics and partitions; only to compare */
    struct map              group_configs;  /* group id -> struct meta_config_set, of groups that have overrides */
    struct map              quotas;         /* entity -> struct meta_quota, in order of appearance */
    bool                    features_known; /* the log has had a record of a feature */
    int16_t                 feature_levels[META_FEATURE_COUNT]; /* 0: not finalized */
};

/* --- one shard's metadata ---------------------------------------------------------------------------------------- */

/* Fixed at start, the same on every shard; owned by net/broker, outlives everything. */
struct meta_host {
    struct uuid               cluster_id;
    int32_t                   first_node_id;
    uint32_t                  shard_count;
    const struct meta_static *statics; /* settings from file and command line, see meta_config.h */
    const struct meta_broker *brokers; /* what the shards advertise now, by shard */
    /* Room for shard_count pointers; meta_create() writes its own, so that mail between the shards finds its way.
     * Written before any core runs, only read afterwards. */
    struct meta **shards;
};

/* parts: this shard's table; store: this shard's store (the controller shard keeps the metadata log in it). */
struct meta *meta_create(struct io_shard *shard, const struct meta_host *host, struct store *store,
                         struct part_table *parts);
void         meta_destroy(struct meta *meta);
/* Start-up. On the controller shard: opens the metadata log, replays it, registers the brokers (RegisterBrokerRecord
 * with this start's incarnation ids), sends everything to all shards. On the others: waits for that. done: 0 or ERR_
 * when every partition of this shard has been opened (a partition that is offline does not fail the start). */
typedef void meta_done_fn(void *context, int result);
void         meta_open(struct meta *meta, meta_done_fn *done, void *context);
void         meta_close(struct meta *meta, meta_done_fn *done, void *context);

/* Told on this shard, from the loop, while changes are applied; either function may be NULL. Not told of what is
 * replayed at start. Added before meta_open; the memory is the caller's until meta_destroy(). */
struct meta_watch {
    struct list_node link;
    void (*topic_removed)(struct meta_watch *watch, const struct meta_topic *topic); /* is about to leave the image */
    void (*settings_changed)(struct meta_watch *watch); /* broker settings have: those of all or of some broker */
};
void meta_watch_add(struct meta *meta, struct meta_watch *watch);

const struct meta_image *meta_image(const struct meta *meta);
const struct meta_host  *meta_host(const struct meta *meta);
int32_t                  meta_node_id(const struct meta *meta); /* this shard's */
/* The broker whose node id is written in `name`; NULL: none. */
const struct meta_broker *meta_broker_named(const struct meta *meta, struct view name);
/* NULL: unknown. */
const struct meta_topic *meta_topic(const struct meta *meta, struct view name);
const struct meta_topic *meta_topic_by_id(const struct meta *meta, struct uuid id);
/* NULL: the group has no overrides. */
const struct meta_config_set *meta_group_configs(const struct meta *meta, struct view group);
/* The finalized level; their epoch is the image's last_offset. */
int16_t meta_feature_level(const struct meta *meta, enum meta_feature feature);
/* Kafka's rule for names: 1..249 of [a-zA-Z0-9._-], not "." or "..". */
bool meta_topic_name_valid(struct view name);

/* --- changes ----------------------------------------------------------------------------------------------------- */

struct meta_config_entry {
    struct view name;
    struct view value; /* base NULL: remove the override */
};

struct meta_create_topic {
    struct view                     name;
    int32_t                         partition_count;    /* -1: num.partitions */
    int16_t                         replication_factor; /* -1: default.replication.factor */
    const int32_t                  *assignment;         /* leader per partition (manual assignment), or NULL */
    const struct meta_config_entry *configs;
    int32_t                         config_count;
    /* out */
    int16_t error; /* TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR,
                      INVALID_CONFIG, ... */
    char        message[160];
    struct uuid id;
    int32_t     out_partition_count;
    int16_t     out_replication_factor;
};

struct meta_delete_topic {
    struct view name; /* or, when base is NULL, by id */
    struct uuid id;
    /* out */
    int16_t     error;
    struct uuid out_id;
    char        out_name[META_TOPIC_NAME_BYTES_MAX + 1];
};

struct meta_add_partitions {
    struct view    name;
    int32_t        total_count;
    const int32_t *assignment; /* leaders of the new ones, or NULL */
    int32_t        assignment_count;
    /* out */
    int16_t error;
    char    message[160];
};

enum meta_config_op { META_CONFIG_SET = 0, META_CONFIG_DELETE = 1, META_CONFIG_APPEND = 2, META_CONFIG_SUBTRACT = 3 };

struct meta_alter_entry {
    struct view         name;
    struct view         value;
    enum meta_config_op op;
};

struct meta_alter_config {
    int8_t                         resource_type; /* 2 topic, 4 broker, 32 group */
    struct view                    resource_name;
    bool                           replace_all; /* AlterConfigs: what is not named is removed */
    const struct meta_alter_entry *entries;
    int32_t                        entry_count;
    /* out */
    int16_t error;
    char    message[160];
};

enum meta_feature_upgrade {
    META_FEATURE_UPGRADE = 1,
    META_FEATURE_SAFE_DOWNGRADE = 2,
    META_FEATURE_UNSAFE_DOWNGRADE = 3
};

struct meta_update_feature {
    struct view name;
    int16_t     level;
    int8_t      upgrade_type; /* enum meta_feature_upgrade, as asked */
    /* out; the first that is refused refuses all */
    int16_t error;
    char    message[240];
};

struct meta_quota_op {
    struct view key;
    double      value;
    bool        remove;
};

struct meta_alter_quota {
    struct meta_quota_entity    entity;
    const struct meta_quota_op *ops;
    int32_t                     op_count;
    /* out */
    int16_t error;
    char    message[160];
};

enum meta_change_kind {
    META_CREATE_TOPICS,
    META_DELETE_TOPICS,
    META_ADD_PARTITIONS,
    META_ALTER_CONFIGS,
    META_ALLOCATE_PRODUCER_IDS,
    META_UPDATE_FEATURES,
    META_ALTER_QUOTAS,
};

/* An item whose `error` is already set when the change is submitted is skipped and keeps it.
 * Owned by the caller, with all it points to, until done: the controller's core reads the inputs and writes the outputs
 * meanwhile. */
struct meta_change {
    enum meta_change_kind kind;
    bool                  validate_only;
    int32_t               count;
    union {
        struct meta_create_topic   *create_topics;
        struct meta_delete_topic   *delete_topics;
        struct meta_add_partitions *add_partitions;
        struct meta_alter_config   *alter_configs;
        struct meta_update_feature *update_features;
        struct meta_alter_quota    *alter_quotas;
        struct {
            int64_t first_id; /* out */
            int32_t id_count; /* out: block size, 1000 */
        } producer_ids;
    };
    int16_t error; /* of the change as a whole: 0, or KAFKA_STORAGE_ERROR / NOT_CONTROLLER when nothing was done or its
                      fate is unknown */
    void (*done)(struct meta_change *change);
    struct io_mail   mail_;
    struct list_node link_;
    struct meta     *meta_; /* the controller's */
    uint32_t         from_shard_;
};

/* done runs on the shard that submitted, never inside this call. */
void meta_submit(struct meta *meta, struct meta_change *change);

/* --- effective settings ------------------------------------------------------------------------------------------ */

/* The value in force and where it comes from, as DescribeConfigs shows it. topic NULL: broker setting of this shard.
 * The text lives as long as the image. */
struct meta_config_value {
    const struct meta_config_key *key;
    const char                   *text; /* NULL: no value */
    enum meta_config_source       source;
};
struct meta_config_value meta_topic_config(const struct meta *meta, const struct meta_topic *topic,
                                           const struct meta_config_key *key);
struct meta_config_value meta_broker_config(const struct meta *meta, uint32_t shard, const struct meta_config_key *key);
/* Of a consumer group that may have no overrides and need not exist. */
struct meta_config_value meta_group_config(const struct meta *meta, struct view group,
                                           const struct meta_config_key *key);
/* All places where the value could come from, strongest first (synonyms of DescribeConfigs); own: the overrides of the
 * topic or the group, or NULL. Returns how many of out_values were filled. */
size_t meta_config_synonyms(const struct meta *meta, const struct meta_config_set *own, uint32_t shard,
                            const struct meta_config_key *key, struct meta_config_value *out_values, size_t capacity);
void   meta_part_settings(const struct meta *meta, const struct meta_topic *topic, struct part_settings *out_settings);
/* Typed reads of broker settings in force on this shard; the key must exist and have that type (checked). */
int64_t     meta_broker_int(const struct meta *meta, const char *name);
double      meta_broker_double(const struct meta *meta, const char *name);
bool        meta_broker_bool(const struct meta *meta, const char *name);
const char *meta_broker_text(const struct meta *meta, const char *name);
/* A group's own, else the broker's: "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms". */
int64_t meta_group_int(const struct meta *meta, struct view group, const char *name);

#endif
