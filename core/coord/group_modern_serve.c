/* group_modern_serve.c: ConsumerGroupHeartbeat and ConsumerGroupDescribe over the log; replay, timers, settings. */
#include "core/coord/group_modern_serve.h"

#include <stdio.h>

#include "core/base/slog.h"

/* --- surroundings ------------------------------------------------------------------------------------------------- */

static struct group_modern_host *of(struct modern_host *host)
{
    return CONTAINER_OF(host, struct group_modern_host, host);
}

static int64_t host_now_ns(struct modern_host *host)
{
    return coord__now_ns(of(host)->groups->coord);
}

static int64_t host_wall_ms(struct modern_host *host)
{
    return io_wall_ms(of(host)->groups->coord->shard->io);
}

static uint64_t host_random(struct modern_host *host)
{
    return io_random_u64(of(host)->groups->coord->shard->io);
}

static int64_t host_topics_version(struct modern_host *host)
{
    return meta_image(of(host)->groups->coord->meta)->topic_changes;
}

static bool show_topic(const struct meta_topic *topic, struct modern_topic *out_topic)
{
    if (topic == NULL) {
        return false;
    }
    *out_topic = (struct modern_topic){.name = topic->name, .id = topic->id, .partition_count = topic->partition_count};
    return true;
}

static bool host_topic_by_name(struct modern_host *host, struct view name, struct modern_topic *out_topic)
{
    return show_topic(meta_topic(of(host)->groups->coord->meta, name), out_topic);
}

static bool host_topic_by_id(struct modern_host *host, struct uuid id, struct modern_topic *out_topic)
{
    return show_topic(meta_topic_by_id(of(host)->groups->coord->meta, id), out_topic);
}

static bool host_topic_next(struct modern_host *host, size_t *position, struct modern_topic *out_topic)
{
    const struct meta_image *image = meta_image(of(host)->groups->coord->meta);
    const struct map_entry  *entry = map_next(&image->topics_by_name, position);

    return entry != NULL && show_topic(entry->value, out_topic);
}

/* "uniform,range": the first known one is the default. */
static void read_assignors(const char *list, struct modern_settings *settings)
{
    settings->assignors = 0;
    while (*list != '\0') {
        size_t           len = strcspn(list, ", ");
        enum assign_kind kind;

        if (assign_find(view_of(list, len), &kind)) {
            settings->assignor = settings->assignors == 0 ? kind : settings->assignor;
            settings->assignors |= 1u << kind;
        }
        list += len;
        list += strspn(list, ", ");
    }
    if (settings->assignors == 0) {
        settings->assignor = ASSIGN_UNIFORM;
        settings->assignors = (1u << ASSIGN_KIND_COUNT) - 1;
    }
}

static void read_settings(const struct meta *meta, struct modern_settings *settings)
{
    const char *policy = meta_broker_text(meta, "group.consumer.migration.policy");

    settings->session_timeout_ms = (int32_t)meta_broker_int(meta, "group.consumer.session.timeout.ms");
    settings->heartbeat_interval_ms = (int32_t)meta_broker_int(meta, "group.consumer.heartbeat.interval.ms");
    settings->assignment_interval_ms = (int32_t)meta_broker_int(meta, "group.consumer.assignment.interval.ms");
    settings->size_max = (int32_t)meta_broker_int(meta, "group.consumer.max.size");
    settings->classic_size_max = (int32_t)meta_broker_int(meta, "group.max.size");
    settings->upgrade = strcmp(policy, "bidirectional") == 0 || strcmp(policy, "upgrade") == 0;
    settings->downgrade = strcmp(policy, "bidirectional") == 0 || strcmp(policy, "downgrade") == 0;
    read_assignors(meta_broker_text(meta, "group.consumer.assignors"), settings);
}

static void host_settings(struct modern_host *host, struct view group_id, struct modern_settings *out_settings)
{
    struct group_modern_host *modern = of(host);
    const struct meta        *meta = modern->groups->coord->meta;

    if (modern->settings_version != meta_image(meta)->last_offset) {
        read_settings(meta, &modern->settings);
        modern->settings_version = meta_image(meta)->last_offset;
    }
    *out_settings = modern->settings;
    if (meta_group_configs(meta, group_id) != NULL) {
        out_settings->session_timeout_ms = (int32_t)meta_group_int(meta, group_id, "consumer.session.timeout.ms");
        out_settings->heartbeat_interval_ms = (int32_t)meta_group_int(meta, group_id, "consumer.heartbeat.interval.ms");
        out_settings->assignment_interval_ms =
            (int32_t)meta_group_int(meta, group_id, "consumer.assignment.interval.ms");
    }
}

static void host_expired(struct modern_host *host, struct modern_member *member)
{
    struct group *group = group__find(of(host)->groups, member->group->id);
    const char   *reason;

    modern_batch_reset(&host->batch);
    reason = modern_expire(member);
    if (reason == NULL) {
        return;
    }
    if (!group_modern__remove(group, (const struct modern_member *const[]){member}, 1, reason)) {
        /* The log takes nothing that large, and never will: the member stays, and is asked for again. */
        modern__deadline_set(member, MODERN_SESSION, MS_PER_S);
        return;
    }
    coord_log_commit(group__log(group), NULL);
}

static const struct modern_host_ops host_ops = {
    .now_ns = host_now_ns,
    .wall_ms = host_wall_ms,
    .random = host_random,
    .settings = host_settings,
    .topics_version = host_topics_version,
    .topic_by_name = host_topic_by_name,
    .topic_by_id = host_topic_by_id,
    .topic_next = host_topic_next,
    .expired = host_expired,
};

struct modern_host *group_modern__host(struct groups *groups)
{
    if (groups->modern_host == NULL) {
        groups->modern_host = mem_alloc(MEM_COORD, sizeof(*groups->modern_host));
        groups->modern_host->groups = groups;
        groups->modern_host->settings_version = -1;
        modern_host_init(&groups->modern_host->host, &host_ops, groups->coord->shard->timers);
    }
    return &groups->modern_host->host;
}

void group_modern__host_free(struct groups *groups)
{
    if (groups->modern_host != NULL) {
        modern_host_deinit(&groups->modern_host->host);
        mem_free(MEM_COORD, groups->modern_host);
        groups->modern_host = NULL;
    }
}

/* --- records ------------------------------------------------------------------------------------------------------ */

bool group_modern__write(struct group *group)
{
    struct modern_batch *batch = &group_modern__host(group->groups)->batch;
    struct coord_log    *log = group__log(group);

    for (uint32_t i = 0; i < batch->count; i++) {
        coord_log_add(log, batch->items[i].key, batch->items[i].value);
    }
    if (batch->overflow || !coord_log_fits(log)) {
        coord_log_drop(log);
        return false;
    }
    return true;
}

void group_modern__apply(struct group *group)
{
    struct modern_batch *batch = &group_modern__host(group->groups)->batch;

    for (uint32_t i = 0; i < batch->count; i++) {
        /* Made here a moment ago: what cannot be read back is memory that has run out. */
        CHECK(modern_replay(group->modern->state, batch->items[i].key, batch->items[i].value) == ERR_OK);
    }
}

void group_modern__attach(struct group *group, struct modern_group *state)
{
    CHECK(group->modern == NULL);
    group->modern = mem_alloc(MEM_COORD, sizeof(*group->modern));
    group->modern->state = state;
    group->type = GROUP_CONSUMER;
}

void group_modern__free(struct group *group, int16_t error)
{
    MAYBE(error != 0); /* no call waits for a member here */
    if (group->modern != NULL) {
        modern_group_destroy(group->modern->state);
        mem_free(MEM_COORD, group->modern);
        group->modern = NULL;
    }
}

void group_modern__drop_if_void(struct group *group)
{
    if (group->modern == NULL || !modern_group_void(group->modern->state)) {
        return;
    }
    group_modern__free(group, KP_ERR_UNKNOWN_MEMBER_ID);
    group->type = GROUP_CLASSIC;
    if (map_count(&group->offsets) == 0) {
        group__destroy(group);
    }
}

static struct group *replay_target(struct groups *groups, struct view id, bool tombstone)
{
    struct group *group = group__find(groups, id);

    if (tombstone) {
        return group != NULL && group->modern != NULL ? group : NULL;
    }
    if (group == NULL) {
        group = group__create(groups, id);
    }
    if (group->modern == NULL) {
        group__classic_clear(group, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
        group->recorded = false;
        group_modern__attach(group, modern_group_create(group_modern__host(groups), id));
    }
    return group;
}

void group_modern__replay(struct groups *groups, int16_t type, struct kp_reader *key, const struct coord_record *record)
{
    struct view   id;
    struct group *group;

    MAYBE(key->error == ERR_OK); /* read again, with its type */
    if (!modern_key_group(record->key, &id)) {
        groups->damaged++;
        return;
    }
    group = replay_target(groups, id, record->value.base == NULL);
    if (group == NULL) {
        return;
    }
    if (modern_replay(group->modern->state, record->key, record->value) != ERR_OK) {
        groups->damaged++;
    }
    if (type == KP_ENTRY_CONSUMER_GROUP_METADATA && record->value.base == NULL) {
        group_modern__drop_if_void(group);
    }
}

void group_modern__loaded(struct group *group)
{
    if (group->modern != NULL) {
        modern_loaded(group->modern->state);
        group_modern__drop_if_void(group);
    }
}

void group_modern__add_tombstones(struct group *group)
{
    struct modern_batch *batch = &group_modern__host(group->groups)->batch;

    modern_batch_reset(batch);
    modern_emit_tombstones(group->modern->state);
    for (uint32_t i = 0; i < batch->count; i++) {
        coord_log_add(group__log(group), batch->items[i].key, batch->items[i].value);
    }
}

/* --- what other files ask ----------------------------------------------------------------------------------------- */

bool group_modern__is_empty(const struct group *group)
{
    return group->modern == NULL || modern_group_empty(group->modern->state);
}

const char *group_modern__state_name(const struct group *group)
{
    return group->modern == NULL ? "Empty" : modern_group_state(group->modern->state);
}

bool group_modern__subscribed(const struct group *group, struct view topic)
{
    return group->modern != NULL && modern_group_subscribed(group->modern->state, topic);
}

int16_t group_modern__check_commit(struct group *group, const struct kp_offset_commit_request *request, int16_t version)
{
    int32_t epoch = request->generation_id_or_member_epoch;
    bool    by_partition;
    int16_t error = modern_commit_check(group->modern->state, request->member_id, request->group_instance_id, epoch,
                                        false, version, &by_partition);

    for (int32_t i = 0; by_partition && i < request->topics_count; i++) {
        const struct kp_offset_commit_request_topics *topic = &request->topics[i];

        for (int32_t k = 0; error == KP_ERR_NONE && k < topic->partitions_count; k++) {
            error = modern_commit_partition_check(group->modern->state, request->member_id, epoch, topic->name,
                                                  topic->topic_id, topic->partitions[k].partition_index);
        }
    }
    return error;
}

int16_t group_modern__check_txn_commit(struct group *group, const struct kp_txn_offset_commit_request *request,
                                       int16_t version)
{
    bool    by_partition;
    int16_t error = modern_commit_check(group->modern->state, request->member_id, request->group_instance_id,
                                        request->generation_id, true, version, &by_partition);

    for (int32_t i = 0; by_partition && i < request->topics_count; i++) {
        const struct kp_txn_offset_commit_request_topics *topic = &request->topics[i];

        for (int32_t k = 0; error == KP_ERR_NONE && k < topic->partitions_count; k++) {
            error =
                modern_commit_partition_check(group->modern->state, request->member_id, request->generation_id,
                                              topic->name, (struct uuid){{0}}, topic->partitions[k].partition_index);
        }
    }
    return error;
}

int16_t group_modern__check_fetch(struct group *group, struct view member_id, int32_t epoch)
{
    return modern_fetch_check(group->modern->state, member_id, epoch);
}

/* --- heartbeat ---------------------------------------------------------------------------------------------------- */

static void answer_error(struct coord_call *call, int16_t error, const char *reason)
{
    struct kp_consumer_group_heartbeat_response *response = call->response;

    kp_consumer_group_heartbeat_response_init(response);
    if (reason[0] != '\0') {
        response->error_message = coord__text(call, view_text(reason));
    }
    response->error_code = error;
    coord__finish(call);
}

static void answer_not_found(struct coord_call *call, struct view group_id, const char *what)
{
    char reason[MODERN_REASON_BYTES];

    (void)snprintf(reason, sizeof(reason), "%s %.*s not found.", what, (int)MIN(group_id.len, (size_t)100),
                   (const char *)group_id.base);
    answer_error(call, KP_ERR_GROUP_ID_NOT_FOUND, reason);
}

bool group_modern__remove(struct group *group, const struct modern_member *const *leavers, uint32_t count,
                          const char *reason)
{
    struct modern_group *state = group->modern->state;

    for (uint32_t i = 0; i < count; i++) {
        slog_debug("coord", "group %.*s: member %.*s goes: %s", (int)group->id.len, (const char *)group->id.base,
                   (int)leavers[i]->id.len, (const char *)leavers[i]->id.base, reason);
    }
    if (group_modern__can_downgrade(group, leavers, count)) {
        return group_modern__downgrade(group, leavers, count);
    }
    modern_batch_reset(&state->host->batch);
    if (!modern__emit_departure(state, leavers, count)) {
        state->host->batch.overflow = true;
    }
    if (!group_modern__write(group)) {
        return false;
    }
    group_modern__apply(group);
    return true;
}

static void leave(struct group *group, struct coord_call *call)
{
    const struct kp_consumer_group_heartbeat_request *request = call->request;
    const struct modern_member                       *fenced = NULL;
    char                                              reason[MODERN_REASON_BYTES];
    bool                                              written;
    int16_t                                           error;

    modern_batch_reset(&group->modern->state->host->batch);
    error = modern_leave(group->modern->state, request, call->response, &fenced, reason);
    if (error != KP_ERR_NONE) {
        answer_error(call, error, reason);
        return;
    }
    if (fenced != NULL) {
        written = group_modern__remove(group, &fenced, 1, "it leaves");
    } else {
        written = group_modern__write(group);
        if (written) {
            group_modern__apply(group);
        }
    }
    if (!written) {
        answer_error(call, KP_ERR_UNKNOWN_SERVER_ERROR, "The group's records do not fit a batch.");
        return;
    }
    coord__commit(group->groups->slot, call);
}

static void write_classic_key(struct kp_writer *writer, const void *in)
{
    kp_group_metadata_key_write(writer, in);
}

/* The state that a joining member finds: the group's own, a new one, or the one that its classic group turns into. In
 * the last two it is not the group's yet. NULL: the group is of another kind. */
static struct modern_group *state_for_join(struct group *group)
{
    struct kp_group_metadata_key key = {.group = group->id};

    if (group->modern != NULL) {
        return group->modern->state;
    }
    if (group->state != GROUP_EMPTY) {
        return group_modern__upgrade(group);
    }
    if (group->recorded) {
        coord__add(group->groups->slot, write_classic_key, &key, NULL, NULL);
    }
    return modern_group_create(group_modern__host(group->groups), group->id);
}

static void adopt(struct group *group, struct modern_group *state)
{
    group__classic_clear(group, KP_ERR_REBALANCE_IN_PROGRESS);
    group->recorded = false;
    group_modern__attach(group, state);
    modern_loaded(state);
}

/* Makes nothing of the group's that was not there before, when it fails. */
static void beat(struct group *group, struct modern_group *state, struct coord_call *call)
{
    struct kp_consumer_group_heartbeat_response *response = call->response;
    struct modern_client client = {.id = call->client_id, .host = call->client_host, .version = call->version};
    char                 reason[MODERN_REASON_BYTES];
    bool                 attached = group->modern != NULL;
    int16_t              error;

    modern_batch_reset(&state->host->batch);
    kp_consumer_group_heartbeat_response_init(response);
    error = modern_heartbeat(state, call->request, &client, call->arena, response, reason);
    if (error == KP_ERR_NONE && !group_modern__write(group)) {
        error = KP_ERR_UNKNOWN_SERVER_ERROR;
        (void)snprintf(reason, sizeof(reason), "The group's records do not fit a batch.");
    }
    if (error != KP_ERR_NONE) {
        coord_log_drop(group__log(group));
        if (!attached) {
            modern_group_destroy(state);
        }
        answer_error(call, error, reason);
        return;
    }
    if (!attached) {
        adopt(group, state);
    }
    group_modern__apply(group);
    modern_settle(state, response->member_id);
    coord__commit(group->groups->slot, call);
}

static void join(struct groups *groups, struct group *group, struct coord_call *call)
{
    const struct kp_consumer_group_heartbeat_request *request = call->request;
    struct modern_group                              *state;

    if (group == NULL) {
        group = group__create(groups, request->group_id);
    }
    state = state_for_join(group);
    if (state == NULL) {
        answer_not_found(call, request->group_id, "Consumer group");
        return;
    }
    beat(group, state, call);
    if (group->modern == NULL && !group->recorded && map_count(&group->offsets) == 0 && group->state == GROUP_EMPTY) {
        group__destroy(group);
    }
}

void coord_consumer_group_heartbeat(struct coord *coord, struct coord_call *call)
{
    const struct kp_consumer_group_heartbeat_request *request = call->request;
    struct groups                                    *groups;
    struct group                                     *group;
    struct modern_settings                            settings;
    char                                              reason[MODERN_REASON_BYTES];
    int16_t                                           error;

    call->coord_ = coord;
    if (!group__route(coord, call, request->group_id, &groups, &group)) {
        return;
    }
    host_settings(group_modern__host(groups), request->group_id, &settings);
    error = modern_heartbeat_check(request, call->version, &settings, reason);
    if (error != KP_ERR_NONE) {
        answer_error(call, error, reason);
    } else if (request->member_epoch == MODERN_EPOCH_JOIN) {
        join(groups, group, call);
    } else if (group == NULL || group->modern == NULL) {
        answer_not_found(call, request->group_id, request->member_epoch < 0 ? "Group" : "Consumer group");
    } else if (request->member_epoch < 0) {
        leave(group, call);
    } else {
        beat(group, group->modern->state, call);
    }
}

void group_modern__fill_error(struct coord_call *call, int16_t error)
{
    if (call->api_key == KP_CONSUMER_GROUP_HEARTBEAT_KEY) {
        struct kp_consumer_group_heartbeat_response *response = call->response;

        kp_consumer_group_heartbeat_response_init(response);
        response->error_code = error;
        return;
    }
    const struct kp_consumer_group_describe_request *request = call->request;
    struct kp_consumer_group_describe_response      *response = call->response;

    response->groups = coord__alloc(call, (size_t)request->group_ids_count, sizeof(*response->groups));
    response->groups_count = response->groups == NULL ? 0 : request->group_ids_count;
    for (int32_t i = 0; i < response->groups_count; i++) {
        kp_consumer_group_describe_response_groups_init(&response->groups[i]);
        response->groups[i].group_id = request->group_ids[i];
        response->groups[i].error_code = error;
    }
}

/* --- describe ----------------------------------------------------------------------------------------------------- */

static bool describe_one(struct coord *coord, struct coord_call *call, struct view group_id,
                         struct kp_consumer_group_describe_response_groups *out_group)
{
    int16_t            error = group__check_id(group_id, false);
    struct coord_slot *slot = error == KP_ERR_NONE ? coord__slot(coord, COORD_GROUPS, group_id, &error) : NULL;
    struct group      *group =
        slot == NULL ? NULL : group__find(CONTAINER_OF(slot->machine, struct groups, machine), group_id);
    char reason[MODERN_REASON_BYTES];

    kp_consumer_group_describe_response_groups_init(out_group);
    out_group->group_id = group_id;
    if (slot == NULL) {
        out_group->error_code = error;
        return true;
    }
    if (group == NULL || group->modern == NULL) {
        (void)snprintf(reason, sizeof(reason), "Group %.*s %s.", (int)MIN(group_id.len, (size_t)100),
                       (const char *)group_id.base, group == NULL ? "not found" : "is not a consumer group");
        out_group->error_code = KP_ERR_GROUP_ID_NOT_FOUND;
        out_group->error_message = coord__text(call, view_text(reason));
        return true;
    }
    return modern_describe(group->modern->state, call->arena, out_group);
}

void coord_consumer_group_describe(struct coord *coord, struct coord_call *call)
{
    const struct kp_consumer_group_describe_request *request = call->request;
    struct kp_consumer_group_describe_response      *response = call->response;

    call->coord_ = coord;
    response->groups = coord__alloc(call, (size_t)request->group_ids_count, sizeof(*response->groups));
    if (response->groups == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    response->groups_count = request->group_ids_count;
    for (int32_t i = 0; i < request->group_ids_count; i++) {
        if (!describe_one(coord, call, request->group_ids[i], &response->groups[i])) {
            coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
            return;
        }
        if (request->include_authorized_operations && response->groups[i].error_code == KP_ERR_NONE) {
            response->groups[i].authorized_operations = GROUP_OPERATIONS;
        }
    }
    group__commit_all(coord, call, request->group_ids, request->group_ids_count);
}
