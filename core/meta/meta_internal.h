/* meta_internal.h: what the files of core/meta share. Private to the room.
 *
 * Every shard: an image (meta_image.c), the application of what the controller sends (meta_apply.c), values in force
 * (meta_effective.c). The controller shard, 0, besides: the log (meta_log.c) and the queue of changes (meta_change.c,
 * with what each kind of change asks of the image in meta_topics.c and meta_alter.c). Records to bytes and back:
 * meta_records.c. */
#ifndef MILLRACE_META_INTERNAL_H
#define MILLRACE_META_INTERNAL_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/slog.h"
#include "core/meta/meta.h"
#include "core/proto/kp_records.h"
#include "io/io_file.h"

#define META_CONTROLLER_SHARD 0
#define META_LOG_TOPIC        "__cluster_metadata"
/* A change is one batch of the log: these bound it. 10,000 partitions are Kafka's own limit per request, about 800 KiB
 * of records; the bytes leave room for their settings and stay below what the store takes in one frame. */
#define META_CHANGE_PARTITIONS_MAX 10000
#define META_BATCH_BYTES_MAX       ((size_t)(3 * MIB / 2))
#define META_ARENA_BYTES_MAX       ((size_t)(64 * MIB))
#define META_REPLAY_BYTES          ((size_t)(1 * MIB)) /* of the log read at a time */
#define META_SEGMENT_BYTES         (16 * MIB)          /* of the log: what snapshots let go, goes by these */
#define META_OPENS_MAX             64                  /* partitions of a shard being opened or deleted at a time */
#define META_PROGRESS_NS           NS_PER_S            /* between lines about a long start */
#define META_PRODUCER_ID_BLOCK     1000
#define META_VALUE_BYTES_MAX       INT16_MAX /* of a text in a record */
#define META_SYNONYMS_MAX          4
#define META_SAME_LEADER           (-2) /* PartitionChangeRecord: the leader stays */

/* ConfigRecord's resource types, those of DescribeConfigs. */
enum meta_resource { META_RESOURCE_TOPIC = 2, META_RESOURCE_BROKER = 4, META_RESOURCE_GROUP = 32 };

/* --- records ------------------------------------------------------------------------------------------------- */

/* One record of the metadata log, decoded. Views and arrays live as long as the batch and the arena it came from. */
struct meta_record {
    int16_t key; /* enum kp_record_key */
    int16_t version;
    union {
        struct kp_register_broker_record            register_broker;
        struct kp_unregister_broker_record          unregister_broker;
        struct kp_topic_record                      topic;
        struct kp_partition_record                  partition;
        struct kp_config_record                     config;
        struct kp_partition_change_record           partition_change;
        struct kp_remove_topic_record               remove_topic;
        struct kp_feature_level_record              feature_level;
        struct kp_producer_ids_record               producer_ids;
        struct kp_broker_registration_change_record broker_registration_change;
        struct kp_client_quota_record               client_quota;
    };
};

/* Adds a record, in frame version 1; a failure sticks to the builder. */
void meta__record_add(struct rec_builder *builder, int64_t now_ms, const struct meta_record *record);
/* ERR_CORRUPT, ERR_UNSUPPORTED (a type or version this release does not know), ERR_NO_MEMORY. */
MUST_USE int meta__record_decode(struct view value, struct arena *arena, struct meta_record *out_record);
/* A partition of a broker of this host. The views are the arguments'. */
void meta__record_of_partition(struct uuid topic_id, int32_t partition, const struct meta_broker *broker,
                               int32_t leader_epoch, int32_t partition_epoch, struct meta_record *out_record);
/* endpoints: room for META_LISTENERS_MAX, as long as the record is used. */
void meta__record_of_broker(const struct meta_broker *broker, int64_t broker_epoch,
                            struct kp_register_broker_record_end_points *endpoints, struct meta_record *out_record);
/* Takes the records that make an image, one by one. */
typedef void meta_emit_fn(void *context, const struct meta_record *record);
/* Every record of the batches, in order; control batches are passed over. Ends with the first negative result of
 * `each`. *out_last_offset: of the last batch, untouched when there is none. */
typedef int  meta_record_fn(void *context, const struct meta_record *record);
MUST_USE int meta__records_each(struct view batches, struct arena *arena, meta_record_fn *each, void *context,
                                int64_t *out_last_offset);

/* --- image --------------------------------------------------------------------------------------------------- */

void meta__image_init(struct meta_image *image, int32_t first_node_id, uint32_t shard_count);
void meta__image_deinit(struct meta_image *image);
/* ERR_CORRUPT: the record contradicts the image; ERR_UNSUPPORTED: it belongs to something this release has not. The
 * image is unchanged then. */
MUST_USE int meta__image_apply(struct meta_image *image, const struct meta_record *record);
/* The shard of a node, or shard_count when no such node exists. */
uint32_t meta__image_shard(const struct meta_image *image, int32_t node_id);
/* The same by a node id as text, in the one way it is written. */
uint32_t           meta__image_shard_named(const struct meta_image *image, struct view name);
struct meta_topic *meta__image_topic(const struct meta_image *image, struct view name);
struct meta_topic *meta__image_topic_by_id(const struct meta_image *image, struct uuid id);
/* The set that a ConfigRecord of this resource changes; NULL: no such resource, or a group without overrides. */
struct meta_config_set *meta__image_configs(struct meta_image *image, int8_t resource_type, struct view resource_name);
/* `name` with '.' read as '_', for the collision check. out_fold has room for META_TOPIC_NAME_BYTES_MAX. */
struct view meta__topic_fold(struct view name, uint8_t *out_fold);

/* META_FEATURE_COUNT: not known here. */
enum meta_feature meta__feature_find(struct view name);
MUST_USE int      meta__feature_apply(struct meta_image *image, const struct kp_feature_level_record *record);
/* The levels of a new cluster; nothing when the log has had any. */
void meta__feature_bootstrap(const struct meta_image *image, struct rec_builder *builder, int64_t now_ms);

MUST_USE int meta__quota_apply(struct meta_image *image, const struct kp_client_quota_record *record);
/* The records that make what the image knows of them. */
void meta__quotas_each(const struct meta_image *image, meta_emit_fn *emit, void *context);
void meta__features_each(const struct meta_image *image, meta_emit_fn *emit, void *context);
void meta__quotas_deinit(struct meta_image *image);

/* --- application on a shard ---------------------------------------------------------------------------------- */

enum meta_publication_kind {
    META_PUBLISH_REPLAY, /* start-up: apply, open nothing yet */
    META_PUBLISH_OPEN,   /* start-up: apply, then open every partition of the shard */
    META_PUBLISH_FAIL,   /* start-up has failed: `result` says why */
    META_PUBLISH_CHANGE, /* apply, and open, delete and set what it changes */
};

struct meta_publication;

/* One shard's share of a publication: the mail that carries it there and back. */
struct meta_slot {
    struct io_mail           mail;
    struct meta             *meta; /* the receiving shard's */
    struct meta_publication *publication;
    int                      result; /* out */
};

/* Batches on their way to every shard. Belongs to the controller; at most one at a time, so that every shard goes
 * through the same images. The bytes are read-only for all until the last shard has answered. */
struct meta_publication {
    enum meta_publication_kind kind;
    struct view                batches;
    int                        result; /* META_PUBLISH_FAIL: what to say; afterwards the first failure of a shard */
    struct meta_slot          *slots;  /* by shard */
    uint32_t                   missing;
    struct meta_controller    *controller;
    void (*done)(struct meta_controller *controller, int result);
};

struct meta_work {
    struct uuid topic_id;
    int32_t     partition;
    bool        removal;
};

/* A publication being applied on this shard. */
struct meta_apply {
    struct meta_slot *slot; /* NULL: idle */
    struct arena      arena;
    struct meta_work *work;
    size_t            work_count, work_capacity, work_next;
    uint32_t          in_flight;
    bool              pumping;
    bool              all_settings; /* a broker setting has changed */
    int64_t           offline;      /* partitions that did not open */
    int64_t           told_ns;      /* when progress was last shown; 0: not yet */
};

void meta__apply_deliver(struct io_mail *mail, struct io_shard *to);

/* --- controller ---------------------------------------------------------------------------------------------- */

/* Of the image, beside the log (meta_snapshot.c). */
struct meta_snapshot {
    struct io_file_op file;
    char             *path;  /* while it is written or read */
    uint8_t          *bytes; /* while it is written */
    size_t            len;   /* of the newest one; 0: none */
    int64_t           end_offset;
    uint64_t          log_bytes; /* of the log behind the newest one */
    bool              busy;      /* being written, or the log behind it trimmed */
    struct buf       *buf;       /* start-up: the file */
    struct view       rest;      /* and what of it is not yet published */
    void (*loaded)(struct meta_controller *controller, int result);
};

struct meta_controller {
    struct meta             *meta;
    struct store_log        *log;
    struct list_node         queue; /* struct meta_change.link_, in order of arrival */
    struct meta_change      *current;
    struct arena             arena; /* the current change's records */
    struct span              batch; /* in the arena: what is being appended and then published */
    struct store_append      append;
    struct store_memory_wait memory_wait;
    struct store_read        read;
    int64_t                  replay_offset;
    uint8_t                 *replay_bytes; /* what is being published at start */
    struct meta_snapshot     snapshot;
    struct meta_publication  publication;
    bool                     serving;    /* start-up is over, changes may run */
    bool                     log_failed; /* an append's fate is unknown: no change until the next start */
    bool                     closing;    /* nothing new is begun */
    bool                     running;    /* inside meta__change_run() */
    void (*appended)(struct meta_controller *controller, int result);
};

struct meta_controller *meta__controller_create(struct meta *meta);
void                    meta__controller_destroy(struct meta_controller *controller);
void                    meta__log_open(struct meta_controller *controller);
void                    meta__log_close(struct meta_controller *controller);
/* Stamps and appends controller->batch; `appended` gets ERR_OK once it is durable, ERR_NO_SPACE or ERR_LIMIT when
 * nothing was written, ERR_OFFLINE when nobody knows. */
void meta__log_append(struct meta_controller *controller,
                      void (*appended)(struct meta_controller *controller, int result));
void meta__publish(struct meta_controller *controller, enum meta_publication_kind kind, struct view batches,
                   void (*done)(struct meta_controller *controller, int result));
/* Start-up: publishes the snapshot, if there is one; controller->snapshot.end_offset says where the log goes on.
 * `loaded` gets ERR_CORRUPT and the like when it is needed and cannot be used. */
void meta__snapshot_load(struct meta_controller *controller,
                         void (*loaded)(struct meta_controller *controller, int result));
/* Between two changes. Taken in the background; meta__change_run() is called at its end. */
bool meta__snapshot_due(const struct meta_controller *controller);
void meta__snapshot_take(struct meta_controller *controller);
/* The file's bytes, freed with mem_free(MEM_META). False: over the limits of memory. */
MUST_USE bool meta__snapshot_encode(const struct meta_image *image, int64_t now_ms, uint8_t **out_bytes,
                                    size_t *out_len);
MUST_USE int  meta__snapshot_decode(struct view file, int64_t *out_end_offset, struct view *out_batches);
/* A shard has applied its share. */
void meta__answer(struct meta_slot *slot);
/* Takes the next change up, when nothing is under way. */
void meta__change_run(struct meta_controller *controller);
/* Ends all that wait. */
void meta__change_fail_all(struct meta_controller *controller, int16_t error);

/* --- what changes become ------------------------------------------------------------------------------------- */

/* A change in the making: records so far, and what they add to the image they are checked against. */
struct meta_draft {
    const struct meta *meta;
    struct rec_builder builder;
    int64_t            now_ms;
    int64_t            partitions_added;
    int64_t           *shard_partitions; /* with those added, by shard; from the arena */
    struct map         seen; /* names and ids that this change has had; values are what had them, or the draft */
};

/* Each gives every entry its error or its records. */
void meta__draft_create_topics(struct meta_draft *draft, struct meta_change *change);
void meta__draft_delete_topics(struct meta_draft *draft, struct meta_change *change);
void meta__draft_add_partitions(struct meta_draft *draft, struct meta_change *change);
void meta__draft_alter_configs(struct meta_draft *draft, struct meta_change *change);
void meta__draft_producer_ids(struct meta_draft *draft, struct meta_change *change);
void meta__draft_update_features(struct meta_draft *draft, struct meta_change *change);
void meta__draft_alter_quotas(struct meta_draft *draft, struct meta_change *change);
void meta__draft_add(struct meta_draft *draft, const struct meta_record *record);
/* False when this change has had `key` before. */
MUST_USE bool meta__draft_first(struct meta_draft *draft, char kind, struct view key);
/* What stood for `key` before, or NULL; `value` stands for it now. */
void *meta__draft_seen(struct meta_draft *draft, char kind, struct view key, void *value);
/* Writes a sentence into a message field and gives the error back. */
int16_t meta__refuse(char *message, size_t message_bytes, int16_t error, const char *format, ...) PRINTF_LIKE(4, 5);
/* 0, or INVALID_CONFIG with a message. */
int16_t meta__config_value_check(const struct meta_config_key *key, struct view name, struct view value,
                                 enum meta_config_kind kind, char *message, size_t message_bytes);

/* --- values in force ----------------------------------------------------------------------------------------- */

enum meta_topic_setting {
    META_SETTING_CLEANUP_POLICY,
    META_SETTING_COMPRESSION_TYPE,
    META_SETTING_COMPRESSION_GZIP_LEVEL,
    META_SETTING_COMPRESSION_LZ4_LEVEL,
    META_SETTING_COMPRESSION_ZSTD_LEVEL,
    META_SETTING_DELETE_RETENTION_MS,
    META_SETTING_FILE_DELETE_DELAY_MS,
    META_SETTING_FLUSH_MESSAGES,
    META_SETTING_FLUSH_MS,
    META_SETTING_INDEX_INTERVAL_BYTES,
    META_SETTING_MAX_COMPACTION_LAG_MS,
    META_SETTING_MAX_MESSAGE_BYTES,
    META_SETTING_TIMESTAMP_AFTER_MAX_MS,
    META_SETTING_TIMESTAMP_BEFORE_MAX_MS,
    META_SETTING_TIMESTAMP_TYPE,
    META_SETTING_MIN_CLEANABLE_RATIO,
    META_SETTING_MIN_COMPACTION_LAG_MS,
    META_SETTING_PREALLOCATE,
    META_SETTING_RETENTION_BYTES,
    META_SETTING_RETENTION_MS,
    META_SETTING_SEGMENT_BYTES,
    META_SETTING_SEGMENT_MS,
    META_SETTING_COUNT,
};

/* Keys that partitions need, looked up once, and texts made by conversion (hours to ms). */
struct meta_effective {
    const struct meta_config_key *settings[META_SETTING_COUNT];
    const struct meta_config_key *producer_expiry;
    struct meta_config_set        converted; /* topic setting -> text */
    struct part_settings          plain;     /* of a topic without overrides */
    bool                          plain_valid;
};

void meta__effective_init(struct meta_effective *effective);
void meta__effective_deinit(struct meta_effective *effective);
/* A whole number and nothing else; without limits. */
MUST_USE bool meta__config_parse_int(const char *text, int64_t *out_value);

/* --- one shard ----------------------------------------------------------------------------------------------- */

struct meta {
    struct io_shard        *shard;
    const struct meta_host *host;
    struct store           *store;
    struct part_table      *parts;
    struct meta_image       image;
    struct meta_apply       apply;
    struct meta_effective  *effective;
    struct meta_controller *controller; /* controller shard only */
    struct list_node        watches;    /* struct meta_watch.link */
    bool                    opened;     /* start-up is over on this shard */
    int                     open_result;
    meta_done_fn           *open_done;
    void                   *open_context;
    meta_done_fn           *close_done;
    void                   *close_context;
    struct io_op            post; /* of meta_open or meta_close */
};

/* Start-up is over on this shard. */
void meta__opened(struct meta *meta, int result);
/* The controller's log is closed. */
void meta__closed(struct meta *meta, int result);

#endif
