/* modern_member.c: see modern_member.h. */
#include "tests/unit/coord/modern_member.h"

#include <stdio.h>

static struct uuid topic_id(void)
{
    struct kp_metadata_request_topics  topic = {.name = view_text(TOPIC)};
    struct kp_metadata_request         request;
    const struct kp_metadata_response *response;

    kp_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    response = rig_ask(rig.clients[0], KP_METADATA_KEY, 12, &request);
    assert_non_null(response);
    assert_int_equal(response->topics_count, 1);
    return response->topics[0].topic_id;
}

int32_t bits_to_list(uint32_t bits, int32_t *out_list)
{
    int32_t count = 0;

    for (int32_t i = 0; i < 32; i++) {
        if ((bits & (1u << i)) != 0) {
            out_list[count++] = i;
        }
    }
    return count;
}

/* What a heartbeat needs to live until it is encoded. */
struct said {
    int32_t                                                     list[32];
    struct view                                                 name;
    struct kp_consumer_group_heartbeat_request_topic_partitions owned;
    struct kp_consumer_group_heartbeat_request                  request;
};

static void say(const struct member *member, struct said *out_said)
{
    struct kp_consumer_group_heartbeat_request *request = &out_said->request;

    kp_consumer_group_heartbeat_request_init(request);
    out_said->name = view_text(TOPIC);
    out_said->owned.topic_id = topic_id();
    out_said->owned.partitions = out_said->list;
    out_said->owned.partitions_count = bits_to_list(member->epoch == 0 ? 0 : member->owned, out_said->list);
    request->group_id = view_text(GROUP);
    request->member_id = view_text(member->id);
    request->member_epoch = member->epoch;
    if (member->epoch == 0 || member->unsure) {
        request->rebalance_timeout_ms = 60000;
        request->subscribed_topic_names = &out_said->name;
        request->subscribed_topic_names_count = member->regex == NULL ? 1 : -1;
        request->subscribed_topic_regex = member->regex == NULL ? (struct view){0} : view_text(member->regex);
    }
    request->topic_partitions = &out_said->owned;
    request->topic_partitions_count = out_said->owned.partitions_count == 0 ? 0 : 1;
}

void beat_start(struct rig_call *call, const struct member *member)
{
    struct said said;

    say(member, &said);
    rig_call_start(rig.at, call, KP_CONSUMER_GROUP_HEARTBEAT_KEY, 1, &said.request);
}

void beat_take(struct member *member, const struct kp_consumer_group_heartbeat_response *response)
{
    member->error = response->error_code;
    member->with_message = response->error_message.base != NULL;
    if (member->error != 0) {
        return;
    }
    assert_int_equal(response->heartbeat_interval_ms, 5000);
    member->epoch = response->member_epoch;
    member->unsure = false;
    if (response->assignment == NULL) {
        return;
    }
    member->told = 0;
    for (int32_t t = 0; t < response->assignment->topic_partitions_count; t++) {
        for (int32_t i = 0; i < response->assignment->topic_partitions[t].partitions_count; i++) {
            member->told |= 1u << response->assignment->topic_partitions[t].partitions[i];
        }
    }
}

void beat(struct member *member)
{
    const struct kp_consumer_group_heartbeat_response *response;
    struct said                                        said;

    if (member->epoch == 0) {
        member->owned = 0;
    }
    say(member, &said);
    response = rig_ask(rig.at, KP_CONSUMER_GROUP_HEARTBEAT_KEY, 1, &said.request);
    assert_non_null(response);
    beat_take(member, response);
}

void follow(struct member *member)
{
    beat(member);
    assert_int_equal(member->error, 0);
    member->owned = member->told;
}

int16_t depart(struct member *member)
{
    struct kp_consumer_group_heartbeat_request         request;
    const struct kp_consumer_group_heartbeat_response *response;

    kp_consumer_group_heartbeat_request_init(&request);
    request.group_id = view_text(GROUP);
    request.member_id = view_text(member->id);
    request.member_epoch = -1;
    response = rig_ask(rig.at, KP_CONSUMER_GROUP_HEARTBEAT_KEY, 1, &request);
    assert_non_null(response);
    return response->error_code;
}

const char *look(void)
{
    static char                                       text[64];
    struct view                                       id = view_text(GROUP);
    struct kp_consumer_group_describe_request         request = {.group_ids = &id, .group_ids_count = 1};
    const struct kp_consumer_group_describe_response *response =
        rig_ask(rig.at, KP_CONSUMER_GROUP_DESCRIBE_KEY, 1, &request);

    assert_non_null(response);
    assert_int_equal(response->groups_count, 1);
    if (response->groups[0].error_code != 0) {
        (void)snprintf(text, sizeof(text), "-%d", response->groups[0].error_code);
    } else {
        (void)snprintf(text, sizeof(text), "%.*s/%d", (int)response->groups[0].group_state.len,
                       (const char *)response->groups[0].group_state.base, response->groups[0].members_count);
    }
    return text;
}
