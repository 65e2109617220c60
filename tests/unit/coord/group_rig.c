#include "tests/unit/coord/group_rig.h"

#include "core/base/bytes.h"

#include <stdio.h>

#define PATIENCE_NS (120 * NS_PER_S)

struct group_rig rig;

static struct view text(const char *from)
{
    return from == NULL ? (struct view){0} : view_text(from);
}

static void copy(char *to, size_t size, struct view from)
{
    size_t len = MIN(from.len, size - 1);

    if (len > 0) {
        memcpy(to, from.base, len);
    }
    to[len] = '\0';
}

void group_rig_connect(void)
{
    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        rig.clients[i] = rig_connect(&rig.broker, i);
        assert_non_null(rig.clients[i]);
    }
}

void group_rig_start(uint32_t shards, const char *const *settings)
{
    memset(&rig, 0, sizeof(rig));
    rig_create(&rig.broker, 7, NULL, shards, shards, settings);
    arena_init(&rig.arena, MEM_TEST, 64 * KIB, 64 * MIB);
    assert_int_equal(rig_start(&rig.broker), ERR_OK);
    group_rig_connect();
    assert_int_equal(rig_create_topic(rig.clients[0], TOPIC, 8, NULL), 0);
    rig.at = group_rig_coordinator(GROUP);
}

void group_rig_end(void)
{
    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        rig_client_free(rig.clients[i]);
    }
    assert_int_equal(rig_stop(&rig.broker), ERR_OK);
    rig_destroy(&rig.broker);
    arena_deinit(&rig.arena);
}

void group_rig_again(bool power)
{
    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        rig_client_free(rig.clients[i]);
    }
    if (power) {
        rig_cut(&rig.broker, 11, SIM_CRASH_GARBLE);
    } else {
        rig_kill(&rig.broker, 11);
    }
    assert_int_equal(rig_start(&rig.broker), ERR_OK);
    group_rig_connect();
    rig.at = group_rig_coordinator(GROUP);
}

struct rig_client *group_rig_coordinator(const char *group)
{
    struct kp_find_coordinator_request request;
    struct view                        key = view_text(group);

    kp_find_coordinator_request_init(&request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    for (int i = 0; i < 100; i++) {
        const struct kp_find_coordinator_response *response =
            rig_ask(rig.clients[0], KP_FIND_COORDINATOR_KEY, 6, &request);

        assert_non_null(response);
        assert_int_equal(response->coordinators_count, 1);
        if (response->coordinators[0].error_code == 0) {
            return rig.clients[response->coordinators[0].node_id];
        }
        assert_true(kp_error_is_retriable(response->coordinators[0].error_code));
        rig_run(&rig.broker, 50 * NS_PER_MS);
    }
    fail_msg("there is no coordinator");
    return NULL;
}

static uint32_t coordinator_shard(const char *group)
{
    struct rig_client *at = group_rig_coordinator(group);

    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        if (rig.clients[i] == at) {
            return i;
        }
    }
    fail();
    return 0;
}

/* --- members ----------------------------------------------------------------------------------------------------- */

/* What a consumer of one topic says: version 0, the topics, no data of its own. */
static struct view subscription(const char *topic)
{
    size_t   len = strlen(topic);
    uint8_t *bytes = arena_alloc(&rig.arena, 12 + len);

    store_be16(bytes, 0);
    store_be32(bytes + 2, 1);
    store_be16(bytes + 6, (uint16_t)len);
    memcpy(bytes + 8, topic, len);
    store_be32(bytes + 8 + len, UINT32_MAX);
    return view_of(bytes, 12 + len);
}

struct rig_client *join_start(struct joined *joined, const struct joining *joining)
{
    struct kp_join_group_request           request;
    struct kp_join_group_request_protocols protocols[2];
    const char                            *group = joining->group == NULL ? GROUP : joining->group;
    struct rig_client                     *client = rig_connect(&rig.broker, coordinator_shard(group));

    assert_non_null(client);
    memset(joined, 0, sizeof(*joined));
    kp_join_group_request_init(&request);
    request.group_id = view_text(group);
    request.member_id = view_text(joining->member_id == NULL ? "" : joining->member_id);
    request.group_instance_id = text(joining->instance_id);
    request.protocol_type = view_text(joining->type == NULL ? "consumer" : joining->type);
    request.session_timeout_ms = joining->session_ms == 0 ? 10000 : joining->session_ms;
    request.rebalance_timeout_ms = joining->rebalance_ms == 0 ? 30000 : joining->rebalance_ms;
    for (int i = 0; i < 2; i++) {
        kp_join_group_request_protocols_init(&protocols[i]);
        protocols[i].metadata = joining->subscribes == NULL
                                    ? view_text(joining->metadata == NULL ? "m" : joining->metadata)
                                    : subscription(joining->subscribes);
    }
    protocols[0].name = view_text(joining->protocol == NULL ? "range" : joining->protocol);
    protocols[1].name = view_text(joining->protocol2 == NULL ? "" : joining->protocol2);
    request.protocols = protocols;
    request.protocols_count = joining->protocol2 == NULL ? 1 : 2;
    rig_call_init(&joined->call);
    rig_call_start(client, &joined->call, KP_JOIN_GROUP_KEY, joining->version == 0 ? 9 : joining->version, &request);
    return client;
}

bool join_is_done(struct joined *joined)
{
    return joined->call.done;
}

bool join_wait(struct joined *joined)
{
    const struct kp_join_group_response *response;

    if (!rig_call_wait(&joined->call)) {
        return false;
    }
    response = joined->call.response;
    joined->error = response->error_code;
    joined->generation = response->generation_id;
    copy(joined->member_id, sizeof(joined->member_id), response->member_id);
    copy(joined->leader, sizeof(joined->leader), response->leader);
    copy(joined->protocol, sizeof(joined->protocol), response->protocol_name);
    joined->skip_assignment = response->skip_assignment;
    joined->member_count = response->members_count;
    return true;
}

void join_end(struct rig_client *client, struct joined *joined)
{
    rig_call_deinit(&joined->call);
    rig_client_free(client);
}

void join(struct joined *joined, const struct joining *joining)
{
    struct rig_client *client = join_start(joined, joining);

    assert_true(join_wait(joined));
    join_end(client, joined);
}

void join_new(struct joined *joined, const struct joining *joining)
{
    struct joining again = *joining;
    char           member_id[128];

    join(joined, joining);
    if (joined->error == KP_ERR_MEMBER_ID_REQUIRED) {
        copy(member_id, sizeof(member_id), view_text(joined->member_id));
        again.member_id = member_id;
        join(joined, &again);
    }
    assert_int_equal(joined->error, 0);
}

struct synced sync_group(const struct joined *joined, const char *const *members, int32_t member_count,
                         const char *plan)
{
    struct kp_sync_group_request             request;
    struct kp_sync_group_request_assignments assignments[8];
    const struct kp_sync_group_response     *response;
    struct synced                            synced = {0};

    kp_sync_group_request_init(&request);
    request.group_id = view_text(GROUP);
    request.generation_id = joined->generation;
    request.member_id = view_text(joined->member_id);
    for (int32_t i = 0; i < member_count; i++) {
        kp_sync_group_request_assignments_init(&assignments[i]);
        assignments[i].member_id = view_text(members[i]);
        assignments[i].assignment = view_text(plan);
    }
    request.assignments = assignments;
    request.assignments_count = member_count;
    response = rig_ask(rig.at, KP_SYNC_GROUP_KEY, 5, &request);
    assert_non_null(response);
    synced.error = response->error_code;
    copy(synced.assignment, sizeof(synced.assignment), response->assignment);
    return synced;
}

int16_t heartbeat(const char *member_id, const char *instance_id, int32_t generation)
{
    struct kp_heartbeat_request         request;
    const struct kp_heartbeat_response *response;

    kp_heartbeat_request_init(&request);
    request.group_id = view_text(GROUP);
    request.member_id = view_text(member_id);
    request.group_instance_id = text(instance_id);
    request.generation_id = generation;
    response = rig_ask(rig.at, KP_HEARTBEAT_KEY, 4, &request);
    assert_non_null(response);
    return response->error_code;
}

int16_t leave(const char *member_id, const char *instance_id)
{
    struct kp_leave_group_request         request;
    struct kp_leave_group_request_members member;
    const struct kp_leave_group_response *response;

    kp_leave_group_request_init(&request);
    kp_leave_group_request_members_init(&member);
    request.group_id = view_text(GROUP);
    member.member_id = view_text(member_id);
    member.group_instance_id = text(instance_id);
    request.members = &member;
    request.members_count = 1;
    response = rig_ask(rig.at, KP_LEAVE_GROUP_KEY, 5, &request);
    assert_non_null(response);
    assert_int_equal(response->error_code, 0);
    assert_int_equal(response->members_count, 1);
    return response->members[0].error_code;
}

/* --- offsets ----------------------------------------------------------------------------------------------------- */

int16_t commit(const struct committing *committing)
{
    struct kp_offset_commit_request                   request;
    struct kp_offset_commit_request_topics            topic;
    struct kp_offset_commit_request_topics_partitions place;
    const struct kp_offset_commit_response           *response;
    const char                                       *group = committing->group == NULL ? GROUP : committing->group;

    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    kp_offset_commit_request_topics_partitions_init(&place);
    request.group_id = view_text(group);
    request.member_id = view_text(committing->member_id == NULL ? "" : committing->member_id);
    request.group_instance_id = text(committing->instance_id);
    request.generation_id_or_member_epoch = committing->generation == 0 ? -1 : committing->generation;
    request.retention_time_ms = committing->retention_ms == 0 ? -1 : committing->retention_ms;
    topic.name = view_text(committing->topic == NULL ? TOPIC : committing->topic);
    place.partition_index = committing->partition;
    place.committed_offset = committing->offset;
    place.committed_metadata = text(committing->metadata);
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_OFFSET_COMMIT_KEY,
                       committing->version == 0 ? 9 : committing->version, &request);
    assert_non_null(response);
    assert_int_equal(response->topics_count, 1);
    return response->topics[0].partitions[0].error_code;
}

int16_t commit_offset(const char *group, const char *member_id, int32_t generation, int32_t partition, int64_t offset,
                      const char *metadata)
{
    return commit(&(struct committing){.group = group,
                                       .member_id = member_id,
                                       .generation = generation,
                                       .partition = partition,
                                       .offset = offset,
                                       .metadata = metadata});
}

int64_t fetch_offset_of(const char *group, const char *topic_name, int32_t partition, bool stable)
{
    struct kp_offset_fetch_request                                  request;
    struct kp_offset_fetch_request_groups                           asked;
    struct kp_offset_fetch_request_groups_topics                    topic;
    const struct kp_offset_fetch_response                          *response;
    const struct kp_offset_fetch_response_groups_topics_partitions *found;

    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_groups_init(&asked);
    kp_offset_fetch_request_groups_topics_init(&topic);
    topic.name = view_text(topic_name);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    asked.group_id = view_text(group);
    asked.topics = &topic;
    asked.topics_count = 1;
    request.groups = &asked;
    request.groups_count = 1;
    request.require_stable = stable;
    response = rig_ask(group_rig_coordinator(group), KP_OFFSET_FETCH_KEY, 9, &request);
    assert_non_null(response);
    assert_int_equal(response->groups_count, 1);
    if (response->groups[0].error_code != 0) {
        return -100 - response->groups[0].error_code;
    }
    found = &response->groups[0].topics[0].partitions[0];
    return found->error_code != 0 ? -100 - found->error_code : found->committed_offset;
}

int64_t fetch_offset(const char *group, int32_t partition, bool stable)
{
    return fetch_offset_of(group, TOPIC, partition, stable);
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

const char *describe(const char *group)
{
    static char                               shown[64];
    struct kp_describe_groups_request         request;
    const struct kp_describe_groups_response *response;
    struct view                               id = view_text(group);

    kp_describe_groups_request_init(&request);
    request.groups = &id;
    request.groups_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_DESCRIBE_GROUPS_KEY, 5, &request);
    assert_non_null(response);
    assert_int_equal(response->groups_count, 1);
    assert_int_equal(response->groups[0].error_code, 0);
    (void)snprintf(shown, sizeof(shown), "%.*s/%d", (int)response->groups[0].group_state.len,
                   (const char *)response->groups[0].group_state.base, response->groups[0].members_count);
    return shown;
}

int16_t delete_group(const char *group)
{
    struct kp_delete_groups_request         request;
    const struct kp_delete_groups_response *response;
    struct view                             id = view_text(group);

    kp_delete_groups_request_init(&request);
    request.groups_names = &id;
    request.groups_names_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_DELETE_GROUPS_KEY, 2, &request);
    assert_non_null(response);
    return response->results[0].error_code;
}

/* "id=state/type ..." of all shards. */
const char *list_groups(const char *state_filter)
{
    static char                   shown[512];
    struct kp_list_groups_request request;
    struct view                   filter = view_text(state_filter == NULL ? "" : state_filter);
    size_t                        at = 0;

    kp_list_groups_request_init(&request);
    request.states_filter = &filter;
    request.states_filter_count = state_filter == NULL ? 0 : 1;
    shown[0] = '\0';
    for (uint32_t i = 0; i < rig.broker.shard_count; i++) {
        const struct kp_list_groups_response *response = rig_ask(rig.clients[i], KP_LIST_GROUPS_KEY, 5, &request);

        assert_int_equal(response->error_code, 0);
        for (int32_t k = 0; k < response->groups_count; k++) {
            const struct kp_list_groups_response_groups *group = &response->groups[k];

            assert_true(at < sizeof(shown));
            at += (size_t)snprintf(shown + at, sizeof(shown) - at, "%.*s=%.*s/%.*s ", (int)group->group_id.len,
                                   (const char *)group->group_id.base, (int)group->group_state.len,
                                   (const char *)group->group_state.base, (int)group->group_type.len,
                                   (const char *)group->group_type.base);
        }
    }
    return shown;
}

/* --- transactions ------------------------------------------------------------------------------------------------ */

static struct rig_client *txn_at;
static int64_t            producer_id;
static int16_t            producer_epoch;

void txn_begin(const char *id)
{
    struct kp_find_coordinator_request find;
    struct kp_init_producer_id_request init;
    struct view                        key = view_text(id);

    kp_find_coordinator_request_init(&find);
    find.key_type = 1;
    find.coordinator_keys = &key;
    find.coordinator_keys_count = 1;
    kp_init_producer_id_request_init(&init);
    init.transactional_id = key;
    init.transaction_timeout_ms = 60000;
    for (int i = 0; i < 100; i++) {
        const struct kp_find_coordinator_response *found = rig_ask(rig.clients[0], KP_FIND_COORDINATOR_KEY, 5, &find);
        const struct kp_init_producer_id_response *made;

        if (found->coordinators[0].error_code == 0) {
            txn_at = rig.clients[found->coordinators[0].node_id];
            made = rig_ask(txn_at, KP_INIT_PRODUCER_ID_KEY, 4, &init);
            if (made->error_code == 0) {
                producer_id = made->producer_id;
                producer_epoch = made->producer_epoch;
                return;
            }
        }
        rig_run(&rig.broker, 50 * NS_PER_MS);
    }
    fail();
}

void txn_add_group(const char *id, const char *group)
{
    struct kp_add_offsets_to_txn_request request;

    kp_add_offsets_to_txn_request_init(&request);
    request.transactional_id = view_text(id);
    request.producer_id = producer_id;
    request.producer_epoch = producer_epoch;
    request.group_id = view_text(group);
    for (int i = 0; i < 100; i++) {
        const struct kp_add_offsets_to_txn_response *response = rig_ask(txn_at, KP_ADD_OFFSETS_TO_TXN_KEY, 3, &request);

        if (response->error_code == 0) {
            return;
        }
        assert_true(kp_error_is_retriable(response->error_code));
        rig_run(&rig.broker, 50 * NS_PER_MS);
    }
    fail();
}

int16_t txn_commit(const char *id, const struct committing *committing)
{
    struct kp_txn_offset_commit_request                   request;
    struct kp_txn_offset_commit_request_topics            topic;
    struct kp_txn_offset_commit_request_topics_partitions place;
    const struct kp_txn_offset_commit_response           *response;
    const char                                           *group = committing->group == NULL ? GROUP : committing->group;

    kp_txn_offset_commit_request_init(&request);
    kp_txn_offset_commit_request_topics_init(&topic);
    kp_txn_offset_commit_request_topics_partitions_init(&place);
    request.transactional_id = view_text(id);
    request.group_id = view_text(group);
    request.producer_id = producer_id;
    request.producer_epoch = producer_epoch;
    request.generation_id = committing->generation == 0 ? -1 : committing->generation;
    request.member_id = view_text(committing->member_id == NULL ? "" : committing->member_id);
    request.group_instance_id = text(committing->instance_id);
    topic.name = view_text(committing->topic == NULL ? TOPIC : committing->topic);
    place.partition_index = committing->partition;
    place.committed_offset = committing->offset;
    place.committed_metadata = text(committing->metadata);
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_TXN_OFFSET_COMMIT_KEY, 3, &request);
    return response->topics[0].partitions[0].error_code;
}

int16_t txn_commit_offset(const char *id, const char *group, int32_t partition, int64_t offset)
{
    return txn_commit(id, &(struct committing){.group = group, .partition = partition, .offset = offset});
}

void txn_end(const char *id, bool commit)
{
    struct kp_end_txn_request         request;
    const struct kp_end_txn_response *response;

    kp_end_txn_request_init(&request);
    request.transactional_id = view_text(id);
    request.producer_id = producer_id;
    request.producer_epoch = producer_epoch;
    request.committed = commit;
    response = rig_ask(txn_at, KP_END_TXN_KEY, 3, &request);
    assert_int_equal(response->error_code, 0);
}
