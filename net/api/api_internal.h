/* api_internal.h: what handlers share among themselves. */
#ifndef MILLRACE_API_INTERNAL_H
#define MILLRACE_API_INTERNAL_H

#include "core/coord/coord.h"
#include "net/api/api.h"

/* Without an authorizer every operation is allowed: the bits that Kafka shows then (AclEntry.supportedOperations). */
#define API_TOPIC_OPERATIONS     0x0df8
#define API_CLUSTER_OPERATIONS   0x1f7e
#define API_OPERATIONS_NOT_ASKED INT32_MIN

/* Types of resources that have settings (ConfigResource.Type). */
enum api_resource {
    API_RESOURCE_TOPIC = 2,
    API_RESOURCE_BROKER = 4,
    API_RESOURCE_LOGGER = 8,
    API_RESOURCE_METRICS = 16,
    API_RESOURCE_GROUP = 32,
};

/* The endpoint of `broker` that a client of this call's listener reaches; NULL when the broker does not have that
 * listener. */
const struct meta_endpoint *api__endpoint(const struct api_call *call, const struct meta_broker *broker);
/* The partition this shard serves, by name or, where topic.base is NULL, by id. NULL: *out_error is
 * UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER or LEADER_NOT_AVAILABLE. */
struct part *api__part(struct api_call *call, struct view topic, struct uuid topic_id, int32_t partition,
                       int16_t *out_error);
/* Who leads a partition of `topic`: answers send clients there (KIP-951). NULL: no broker that is known. */
const struct meta_broker *api__leader(const struct api_call *call, const struct meta_topic *topic, int32_t partition);
/* A copy of `text` that lives as long as the call; base NULL for NULL. */
struct view api__text(struct api_call *call, const char *text);

/* Asks a coordinator of this shard: call->request goes in as it is, `response` (initialised; NULL: no memory for it)
 * comes out and is sent. The call waits in shard->waiting meanwhile. */
typedef void api_coord_fn(struct coord *coord, struct coord_call *call);
void         api__coord_ask(struct api_call *call, void *response, api_coord_fn *ask);

/* The shard with what it remembers of settings (api.h), looked up again when the metadata has moved: for paths that are
 * too frequent to look for a setting by its name. */
const struct api_shard *api__settings(struct api_shard *shard);

/* A number as text; base NULL: no memory. */
struct view api__number(struct api_call *call, int64_t number);

/* Loggers of this process (api_loggers.c), by index, "root" first; NULL at the end. */
const char *api__logger_at(size_t index);
const char *api__logger_level(const char *logger); /* "INFO" */
/* All entries or none; 0, or Kafka's error with a message. */
int16_t api__loggers_alter(const struct meta_alter_entry *entries, int32_t count, bool validate_only, char *message,
                           size_t message_bytes);

#endif
