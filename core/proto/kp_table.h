/* kp_table.h: the APIs, the records of the metadata log and the entries of internal topics, one const table each.
 *
 * Generated from the schemas (kp_table.c). Used where the API is only known at run time: dispatch, ApiVersions, the
 * command-line client, tests. Code that knows its API calls the typed functions of kp_messages.h instead.
 * Read only, so any thread may look. */
#ifndef MILLRACE_KP_TABLE_H
#define MILLRACE_KP_TABLE_H

#include "core/proto/kp_messages.h"

#define KP_NEVER_FLEXIBLE INT16_MAX

/* Who answers. */
enum kp_scope {
    KP_SCOPE_ANY,        /* any shard, from what all of them know */
    KP_SCOPE_CONTROLLER, /* one fixed shard; the others forward */
    KP_SCOPE_OWNER,      /* the shard that owns the partition, group or transactional id; others refuse */
    KP_SCOPE_OWN,        /* every shard, for its own part; admin clients ask all and merge */
};

/* One message without its type. `out` and `in` point to the message's struct of `bytes` bytes. */
struct kp_codec {
    size_t bytes;
    void (*init)(void *out);
    int (*decode)(struct kp_reader *reader, int16_t version, void *out);
    void (*encode)(struct kp_writer *writer, int16_t version, const void *in);
};

struct kp_api {
    int16_t         key;
    const char     *name;        /* Kafka's, as "ListOffsets"; NULL in a row of an API that is not known */
    int16_t         version_min; /* decoded */
    int16_t         version_max;
    int16_t         advertised_min; /* in ApiVersions; below version_min, requests are refused */
    int16_t         advertised_max;
    int16_t         flexible_from; /* KP_NEVER_FLEXIBLE */
    enum kp_scope   scope;
    bool            answered; /* net/api has a handler; without one there are codecs only, for our own clients */
    struct kp_codec request;
    struct kp_codec response;
};

struct kp_record {
    int16_t         key;
    const char     *name; /* NULL in a row without a record */
    int16_t         version_min;
    int16_t         version_max;
    struct kp_codec body;
};

/* The internal topic an entry stands in. */
enum kp_entry_log {
    KP_ENTRY_LOG_OFFSETS,      /* __consumer_offsets */
    KP_ENTRY_LOG_TRANSACTIONS, /* __transaction_state */
    KP_ENTRY_LOG_JOBS,         /* __millrace_jobs */
};

/* A keyed record of an internal topic (kp_entries.h). */
struct kp_entry {
    enum kp_entry_log log;
    int16_t           type;        /* in front of the key */
    const char       *name;        /* as "OffsetCommit" */
    int16_t           version_min; /* in front of the value */
    int16_t           version_max;
    struct kp_codec   key; /* always version 0 */
    struct kp_codec   value;
};

/* Indexed by key. */
extern const struct kp_api    kp_api_table[KP_API_KEY_COUNT];
extern const struct kp_record kp_record_table[];
extern const int32_t          kp_record_table_count;
/* By log and type. */
extern const struct kp_entry kp_entry_table[];
extern const int32_t         kp_entry_table_count;

/* NULL when this broker does not speak it. */
const struct kp_api *kp_api_find(int16_t key);
/* For clients: also what this broker does not answer. NULL when there are no codecs. */
const struct kp_api *kp_api_known(int16_t key);
/* NULL when the type is unknown in that log. */
const struct kp_entry *kp_entry_find(enum kp_entry_log log, int16_t type);
/* NULL when the type is unknown. */
const struct kp_record *kp_record_find(int16_t key);
bool                    kp_api_is_flexible(const struct kp_api *api, int16_t version);

#endif
