#include "tests/unit/coord/group_rig.h"

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
        protocols[i].metadata = view_text(joining->metadata == NULL ? "m" : joining->metadata);
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

int16_t commit_offset(const char *group, const char *member_id, int32_t generation, int32_t partition, int64_t offset,
                      const char *metadata)
{
    struct kp_offset_commit_request                   request;
    struct kp_offset_commit_request_topics            topic;
    struct kp_offset_commit_request_topics_partitions place;
    const struct kp_offset_commit_response           *response;

    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    kp_offset_commit_request_topics_partitions_init(&place);
    request.group_id = view_text(group);
    request.member_id = view_text(member_id);
    request.generation_id_or_member_epoch = generation;
    topic.name = view_text(TOPIC);
    place.partition_index = partition;
    place.committed_offset = offset;
    place.committed_metadata = text(metadata);
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(group_rig_coordinator(group), KP_OFFSET_COMMIT_KEY, 9, &request);
    assert_non_null(response);
    assert_int_equal(response->topics_count, 1);
    return response->topics[0].partitions[0].error_code;
}

int64_t fetch_offset(const char *group, int32_t partition, bool stable)
{
    struct kp_offset_fetch_request                                  request;
    struct kp_offset_fetch_request_groups                           asked;
    struct kp_offset_fetch_request_groups_topics                    topic;
    const struct kp_offset_fetch_response                          *response;
    const struct kp_offset_fetch_response_groups_topics_partitions *found;

    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_groups_init(&asked);
    kp_offset_fetch_request_groups_topics_init(&topic);
    topic.name = view_text(TOPIC);
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
