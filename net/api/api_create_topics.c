/* CreateTopics: names, counts and settings go to the controller as one change; the answer comes when every shard serves
 * what was created. */
#include "net/api/api_internal.h"

struct create_topics_state {
    struct meta_change change;
    struct api_call   *call;
};

/* Topic settings stand first in the table; those without meaning here are not shown. */
static size_t create_topics_config_count(void)
{
    size_t count = 0;

    while (count < meta_config_count() && meta_config_at(count)->kind == META_KIND_TOPIC) {
        count++;
    }
    return count;
}

static bool create_topics_configs(struct api_call *call, const struct meta_topic *topic,
                                  struct kp_create_topics_response_topics *out)
{
    size_t count = create_topics_config_count();

    out->configs = api_alloc(call, count, sizeof(*out->configs));
    if (out->configs == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct meta_config_key *key = meta_config_at(i);
        struct meta_config_value      value = meta_topic_config(call->shard->meta, topic, key);

        if (key->effect == META_EFFECT_IGNORED) {
            continue;
        }
        out->configs[out->configs_count++] = (struct kp_create_topics_response_topics_configs){
            .name = view_text(key->name), .value = api__text(call, value.text), .config_source = (int8_t)value.source};
    }
    return true;
}

static void create_topics_done(struct meta_change *change)
{
    struct create_topics_state       *state = CONTAINER_OF(change, struct create_topics_state, change);
    struct api_call                  *call = state->call;
    struct kp_create_topics_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->topics = api_alloc(call, (size_t)change->count, sizeof(*response->topics))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        const struct meta_create_topic          *created = &change->create_topics[i];
        struct kp_create_topics_response_topics *out = &response->topics[response->topics_count++];
        const struct meta_topic                 *topic = meta_topic(call->shard->meta, created->name);

        kp_create_topics_response_topics_init(out);
        out->name = created->name;
        out->error_code = change->error != 0 ? change->error : created->error;
        out->num_partitions = -1;
        out->replication_factor = -1;
        out->configs_count = -1;
        if (out->error_code != 0) {
            out->error_message =
                created->message[0] != '\0' ? view_text(created->message) : view_text(kp_error_text(out->error_code));
            continue;
        }
        out->topic_id = created->id;
        out->num_partitions = created->out_partition_count;
        out->replication_factor = created->out_replication_factor;
        out->configs_count = 0;
        if (topic != NULL && !change->validate_only && !create_topics_configs(call, topic, out)) {
            api_close(call, "no memory for the answer");
            return;
        }
    }
    api_reply(call, response);
}

/* A manual assignment must name partitions 0 .. n-1 once each, with one replica each: its leaders, or NULL with an
 * error in `out`. */
static const int32_t *create_topics_assignment(struct api_call                              *call,
                                               const struct kp_create_topics_request_topics *asked,
                                               struct meta_create_topic                     *out)
{
    int32_t *leaders = api_alloc(call, (size_t)asked->assignments_count, sizeof(*leaders));

    for (int32_t i = 0; leaders != NULL && i < asked->assignments_count; i++) {
        leaders[i] = -1;
    }
    for (int32_t i = 0; leaders != NULL && i < asked->assignments_count; i++) {
        int32_t index = asked->assignments[i].partition_index;

        if (index < 0 || index >= asked->assignments_count || leaders[index] != -1 ||
            asked->assignments[i].broker_ids_count != 1) {
            out->error = asked->assignments[i].broker_ids_count > 1 ? KP_ERR_INVALID_REPLICATION_FACTOR
                                                                    : KP_ERR_INVALID_REPLICA_ASSIGNMENT;
            return NULL;
        }
        leaders[index] = asked->assignments[i].broker_ids[0];
    }
    return leaders;
}

/* A name that stands twice is refused in both places. */
static void create_topics_refuse_twins(struct meta_create_topic *topics, int32_t count)
{
    struct map seen;

    map_init(&seen, MEM_API);
    for (int32_t i = 0; i < count; i++) {
        struct meta_create_topic *twin = NULL;

        if (topics[i].name.len <= META_TOPIC_NAME_BYTES_MAX) { /* longer ones are refused anyway */
            twin = map_put(&seen, topics[i].name, &topics[i]);
        }
        if (twin != NULL) {
            twin->error = KP_ERR_INVALID_REQUEST;
            topics[i].error = KP_ERR_INVALID_REQUEST;
        }
    }
    map_deinit(&seen);
}

static bool create_topics_take(struct api_call *call, int32_t at, struct meta_create_topic *out)
{
    const struct kp_create_topics_request        *request = call->request;
    const struct kp_create_topics_request_topics *asked = &request->topics[at];
    struct meta_config_entry *configs = api_alloc(call, (size_t)asked->configs_count, sizeof(*configs));

    if (configs == NULL) {
        return false;
    }
    for (int32_t i = 0; i < asked->configs_count; i++) {
        configs[i] = (struct meta_config_entry){.name = asked->configs[i].name, .value = asked->configs[i].value};
    }
    out->name = asked->name;
    out->partition_count = asked->num_partitions;
    out->replication_factor = asked->replication_factor;
    out->configs = configs;
    out->config_count = asked->configs_count;
    if (asked->assignments_count > 0) {
        if (asked->num_partitions != -1 || asked->replication_factor != -1) {
            out->error = KP_ERR_INVALID_REQUEST; /* either counts or an assignment */
        } else {
            out->assignment = create_topics_assignment(call, asked, out);
            out->partition_count = asked->assignments_count;
        }
    }
    return true;
}

void api_create_topics(struct api_call *call)
{
    const struct kp_create_topics_request *request = call->request;
    struct create_topics_state            *state = api_alloc(call, 1, sizeof(*state));

    if (state == NULL || (state->change.create_topics = api_alloc(call, (size_t)request->topics_count,
                                                                  sizeof(struct meta_create_topic))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    state->change.kind = META_CREATE_TOPICS;
    state->change.validate_only = request->validate_only;
    state->change.done = create_topics_done;
    state->change.count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (!create_topics_take(call, i, &state->change.create_topics[i])) {
            api_close(call, "no memory for the request");
            return;
        }
    }
    create_topics_refuse_twins(state->change.create_topics, request->topics_count);
    meta_submit(call->shard->meta, &state->change);
}
