/* What a member does next, and what it makes of the answers. */
#include "tests/sim/group_storm.h"

#include <stdio.h>

#define TOPIC         "river"
#define SESSION_MS    6000
#define MEMBERS_MAX   GROUP_STORM_ACTORS
#define PROTOCOL      "range"
#define PROTOCOL_TYPE "consumer"

static void actor_start(struct storm_actor *actor, enum actor_op op, int16_t key, int16_t version, const void *request)
{
    actor->op = op;
    actor->newest_before = actor->group->newest;
    rig_call_deinit(&actor->call);
    rig_call_init(&actor->call);
    rig_call_start(actor->client, &actor->call, key, version, request);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void ask_join(struct storm_actor *actor)
{
    struct kp_join_group_request           request;
    struct kp_join_group_request_protocols protocol;

    kp_join_group_request_init(&request);
    kp_join_group_request_protocols_init(&protocol);
    protocol.name = view_text(PROTOCOL);
    protocol.metadata = view_text(actor->member_id);
    request.group_id = view_text(actor->group->name);
    request.member_id = view_text(actor->member_id);
    request.protocol_type = view_text(PROTOCOL_TYPE);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = 5000;
    request.protocols = &protocol;
    request.protocols_count = 1;
    actor->generation = -1;
    actor->synced = false;
    actor_start(actor, ACTOR_JOIN, KP_JOIN_GROUP_KEY, 5, &request);
}

static void plan_of(const struct storm_actor *actor, char *out, size_t size)
{
    (void)snprintf(out, size, "%d:%s", actor->generation, actor->group->leaders[actor->generation]);
}

/* The leader assigns to everybody who could be in. */
static void ask_sync(struct storm_actor *actor)
{
    struct kp_sync_group_request             request;
    struct kp_sync_group_request_assignments assignments[MEMBERS_MAX];
    char                                     plan[96];

    kp_sync_group_request_init(&request);
    plan_of(actor, plan, sizeof(plan));
    request.group_id = view_text(actor->group->name);
    request.member_id = view_text(actor->member_id);
    request.generation_id = actor->generation;
    if (strcmp(actor->member_id, actor->group->leaders[actor->generation]) == 0) {
        for (int32_t i = 0; i < MEMBERS_MAX; i++) {
            kp_sync_group_request_assignments_init(&assignments[i]);
            assignments[i].member_id = view_text(actor->storm->actors[i].member_id);
            assignments[i].assignment = view_text(plan);
        }
        request.assignments = assignments;
        request.assignments_count = MEMBERS_MAX;
    }
    actor_start(actor, ACTOR_SYNC, KP_SYNC_GROUP_KEY, 3, &request);
}

static void ask_beat(struct storm_actor *actor)
{
    struct kp_heartbeat_request request;

    kp_heartbeat_request_init(&request);
    request.group_id = view_text(actor->group->name);
    request.member_id = view_text(actor->member_id);
    request.generation_id = actor->generation;
    actor_start(actor, ACTOR_BEAT, KP_HEARTBEAT_KEY, 3, &request);
}

static void ask_commit(struct storm_actor *actor)
{
    struct kp_offset_commit_request                   request;
    struct kp_offset_commit_request_topics            topic;
    struct kp_offset_commit_request_topics_partitions place;

    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    kp_offset_commit_request_topics_partitions_init(&place);
    request.group_id = view_text(actor->group->name);
    request.member_id = view_text(actor->alone ? "" : actor->member_id);
    request.generation_id_or_member_epoch = actor->alone ? -1 : actor->generation;
    topic.name = view_text(TOPIC);
    place.partition_index = actor->index;
    place.committed_offset = ++actor->sent;
    place.committed_metadata = view_text("m");
    topic.partitions = &place;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    actor_start(actor, ACTOR_COMMIT, KP_OFFSET_COMMIT_KEY, 8, &request);
}

static void ask_fetch(struct storm_actor *actor)
{
    struct kp_offset_fetch_request        request;
    struct kp_offset_fetch_request_topics topic;
    struct storm_actor                   *whose;

    do {
        actor->target = (int32_t)prng_below(&actor->storm->life.prng, GROUP_STORM_ACTORS);
        whose = &actor->storm->actors[actor->target];
    } while (whose->group != actor->group);
    kp_offset_fetch_request_init(&request);
    kp_offset_fetch_request_topics_init(&topic);
    request.group_id = view_text(actor->group->name);
    topic.name = view_text(TOPIC);
    topic.partition_indexes = &actor->target;
    topic.partition_indexes_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    actor->known_before = whose->known;
    actor_start(actor, ACTOR_FETCH, KP_OFFSET_FETCH_KEY, 7, &request);
}

static void ask_leave(struct storm_actor *actor)
{
    struct kp_leave_group_request request;

    kp_leave_group_request_init(&request);
    request.group_id = view_text(actor->group->name);
    request.member_id = view_text(actor->member_id);
    actor_start(actor, ACTOR_LEAVE, KP_LEAVE_GROUP_KEY, 2, &request);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void actor_forget(struct storm_actor *actor)
{
    actor->member_id[0] = '\0';
    actor->generation = -1;
    actor->synced = false;
}

/* What any error means to a member. */
static void take_error(struct storm_actor *actor, int16_t error)
{
    if (error == KP_ERR_UNKNOWN_MEMBER_ID) {
        actor_forget(actor);
    } else if (error == KP_ERR_ILLEGAL_GENERATION || error == KP_ERR_REBALANCE_IN_PROGRESS) {
        actor->generation = -1;
        actor->synced = false;
    } else if (error != 0 && !kp_error_is_retriable(error)) {
        voice_fail(&actor->storm->life.voice, "actor %d is told %s (op %d)", actor->index, kp_error_name(error),
                   actor->op);
    }
}

static void take_join(struct storm_actor *actor, const struct kp_join_group_response *response)
{
    struct storm_group *group = actor->group;
    char                leader[64];

    if (response->error_code == KP_ERR_MEMBER_ID_REQUIRED) {
        (void)snprintf(actor->member_id, sizeof(actor->member_id), "%.*s", (int)response->member_id.len,
                       (const char *)response->member_id.base);
        return;
    }
    if (response->error_code != 0) {
        take_error(actor, response->error_code);
        return;
    }
    actor->generation = response->generation_id;
    if (actor->generation < 1 || actor->generation >= GROUP_STORM_GENERATIONS) {
        voice_fail(&actor->storm->life.voice, "generation %d", actor->generation);
        return;
    }
    (void)snprintf(leader, sizeof(leader), "%.*s", (int)response->leader.len, (const char *)response->leader.base);
    if (actor->generation < actor->newest_before) {
        voice_fail(&actor->storm->life.voice, "%s: generation %d after %d", group->name, actor->generation,
                   actor->newest_before);
    } else if (group->leaders[actor->generation][0] == '\0') {
        memcpy(group->leaders[actor->generation], leader, sizeof(leader));
        actor->storm->generations++;
    } else if (strcmp(group->leaders[actor->generation], leader) != 0) {
        voice_fail(&actor->storm->life.voice, "%s: generation %d has two leaders: %s and %s", group->name,
                   actor->generation, group->leaders[actor->generation], leader);
    }
    group->newest = MAX(group->newest, actor->generation);
}

static void take_sync(struct storm_actor *actor, const struct kp_sync_group_response *response)
{
    char plan[96];

    if (response->error_code != 0) {
        take_error(actor, response->error_code);
        return;
    }
    plan_of(actor, plan, sizeof(plan));
    /* The leader's plan may have been made before this member had its id told to the storm. */
    if (response->assignment.len != 0 && !view_equal(response->assignment, view_text(plan))) {
        voice_fail(&actor->storm->life.voice, "%s: generation %d: %.*s instead of %s", actor->group->name,
                   actor->generation, (int)response->assignment.len, (const char *)response->assignment.base, plan);
    }
    actor->synced = true;
}

static void take_commit(struct storm_actor *actor, const struct kp_offset_commit_response *response)
{
    int16_t error = response->topics[0].partitions[0].error_code;

    if (error == 0) {
        actor->known = actor->sent;
        actor->storm->commits++;
    } else {
        take_error(actor, error);
    }
}

static void take_fetch(struct storm_actor *actor, const struct kp_offset_fetch_response *response)
{
    const struct kp_offset_fetch_response_topics_partitions *found;
    struct storm_actor                                      *whose = &actor->storm->actors[actor->target];

    if (response->error_code != 0) {
        take_error(actor, response->error_code);
        return;
    }
    found = &response->topics[0].partitions[0];
    if (found->error_code != 0) {
        take_error(actor, found->error_code);
        return;
    }
    actor->storm->fetches++;
    if (MAX(found->committed_offset, 0) < actor->known_before || found->committed_offset > whose->sent) {
        voice_fail(&actor->storm->life.voice,
                   "%s-%d: offset %" PRId64 " is read, %" PRId64 " was acknowledged or read before, %" PRId64
                   " is the newest sent",
                   actor->group->name, whose->index, found->committed_offset, actor->known_before, whose->sent);
    }
    whose->known = MAX(whose->known, found->committed_offset);
}

static void actor_take(struct storm_actor *actor)
{
    const void *response = actor->call.response;

    if (actor->call.result != ERR_OK) { /* the connection is gone, with what was asked on it */
        rig_client_free(actor->client);
        actor->client = NULL;
    } else if (actor->op == ACTOR_JOIN) {
        take_join(actor, response);
    } else if (actor->op == ACTOR_SYNC) {
        take_sync(actor, response);
    } else if (actor->op == ACTOR_BEAT) {
        take_error(actor, ((const struct kp_heartbeat_response *)response)->error_code);
    } else if (actor->op == ACTOR_COMMIT) {
        take_commit(actor, response);
    } else if (actor->op == ACTOR_FETCH) {
        take_fetch(actor, response);
    } else {
        actor_forget(actor);
    }
    actor->op = ACTOR_NONE;
}

/* --- the next thing ----------------------------------------------------------------------------------------------- */

static void actor_ask(struct storm_actor *actor)
{
    uint64_t dice = prng_below(&actor->storm->life.prng, 100);

    if (actor->alone) {
        if (dice < 60) {
            ask_commit(actor);
        } else {
            ask_fetch(actor);
        }
    } else if (actor->generation < 0) {
        ask_join(actor);
    } else if (!actor->synced) {
        ask_sync(actor);
    } else if (dice < 45) {
        ask_commit(actor);
    } else if (dice < 65) {
        ask_fetch(actor);
    } else if (dice < 96) {
        ask_beat(actor);
    } else if (dice == 96) {
        ask_leave(actor);
    } else if (dice == 97) {
        ask_join(actor); /* a rebalance for nothing, if it leads */
    } else {
        actor->silent_until_ns =
            sim_now_ns(actor->storm->life.rig.sim) + (int64_t)prng_below(&actor->storm->life.prng, 9000) * NS_PER_MS;
    }
}

void group_storm_poll(struct storm_actor *actor)
{
    struct group_storm *storm = actor->storm;

    if (actor->op != ACTOR_NONE) {
        if (!actor->call.done) {
            return;
        }
        actor_take(actor);
    }
    if (!voice_ok(&storm->life.voice) || sim_now_ns(storm->life.rig.sim) < actor->silent_until_ns) {
        return;
    }
    if (actor->client != NULL && actor->client->closed) {
        rig_client_free(actor->client);
        actor->client = NULL;
    }
    if (actor->client == NULL) {
        actor->client = rig_client_open(&storm->life.rig, actor->group->shard);
    }
    if (actor->client != NULL && prng_chance(&storm->life.prng, 2, 3)) {
        actor_ask(actor);
    }
}
