/* group_modern_heartbeat.c: ConsumerGroupHeartbeat: a member joins, stays and leaves; and who may commit and fetch. */
#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/coord/group_modern.h"
#include "core/proto/kp_error.h"

static int16_t refuse(char out_reason[MODERN_REASON_BYTES], int16_t error, const char *format, ...) PRINTF_LIKE(3, 4);

static int16_t refuse(char out_reason[MODERN_REASON_BYTES], int16_t error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out_reason, MODERN_REASON_BYTES, format, args);
    va_end(args);
    return error;
}

/* For "%.*s": what fits in a sentence. */
#define SHOWN_MAX   60
#define SHOWN(text) (int)MIN((text).len, (size_t)SHOWN_MAX), (const char *)(text).base

/* --- is the request well-formed? ---------------------------------------------------------------------------------- */

static bool blank(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] > ' ') {
            return false;
        }
    }
    return true;
}

static bool given_blank(struct view text)
{
    return text.base != NULL && blank(text);
}

static bool too_many_owned(const struct kp_consumer_group_heartbeat_request *request)
{
    int64_t count = 0;

    for (int32_t t = 0; t < request->topic_partitions_count; t++) {
        count += request->topic_partitions[t].partitions_count;
    }
    return count > MODERN_OWNED_MAX;
}

static int16_t check_join(const struct kp_consumer_group_heartbeat_request *request,
                          char                                              out_reason[MODERN_REASON_BYTES])
{
    if (request->rebalance_timeout_ms == -1) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.");
    }
    if (request->topic_partitions_count != 0) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.");
    }
    if (request->subscribed_topic_names_count < 0 && request->subscribed_topic_regex.base == NULL) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST,
                      "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
    }
    return KP_ERR_NONE;
}

static int16_t check_assignor(struct view name, const struct modern_settings *settings,
                              char out_reason[MODERN_REASON_BYTES])
{
    enum assign_kind kind = ASSIGN_UNIFORM;
    char             known[64] = "";
    size_t           used = 0;

    if (name.base == NULL || (assign_find(name, &kind) && (settings->assignors & (1u << kind)) != 0)) {
        return KP_ERR_NONE;
    }
    for (int i = 0; i < ASSIGN_KIND_COUNT; i++) {
        if ((settings->assignors & (1u << i)) != 0) {
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used == 0 ? "" : ", ",
                                     assign_name((enum assign_kind)i));
        }
    }
    return refuse(out_reason, KP_ERR_UNSUPPORTED_ASSIGNOR,
                  "ServerAssignor %.*s is not supported. Supported assignors: %s.", SHOWN(name), known);
}

static int16_t check_regex(struct view text, char out_reason[MODERN_REASON_BYTES])
{
    struct group_regex *regex = NULL;
    char                clause[100] = "";

    if (text.base == NULL || text.len == 0) {
        return KP_ERR_NONE;
    }
    if (group_regex_compile(text, &regex, span_of(clause, sizeof(clause))) != ERR_OK) {
        return refuse(out_reason, KP_ERR_INVALID_REGULAR_EXPRESSION,
                      "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.", SHOWN(text), clause);
    }
    group_regex_destroy(regex);
    return KP_ERR_NONE;
}

int16_t modern_heartbeat_check(const struct kp_consumer_group_heartbeat_request *request, int16_t version,
                               const struct modern_settings *settings, char out_reason[MODERN_REASON_BYTES])
{
    int16_t error = KP_ERR_NONE;
    bool    made_here = version < 1 && request->member_epoch == MODERN_EPOCH_JOIN;

    out_reason[0] = '\0';
    if (!made_here && blank(request->member_id)) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "MemberId can't be empty.");
    }
    if (blank(request->group_id)) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "GroupId can't be empty.");
    }
    if (given_blank(request->instance_id)) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "InstanceId can't be empty.");
    }
    if (given_blank(request->rack_id)) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "RackId can't be empty.");
    }
    if (too_many_owned(request)) {
        return refuse(out_reason, KP_ERR_INVALID_REQUEST, "TopicPartitions names more than %d partitions.",
                      MODERN_OWNED_MAX);
    }
    if (request->member_epoch == MODERN_EPOCH_JOIN) {
        error = check_join(request, out_reason);
    } else if (request->member_epoch == MODERN_EPOCH_LEAVE_STATIC && request->instance_id.base == NULL) {
        error = refuse(out_reason, KP_ERR_INVALID_REQUEST, "InstanceId can't be null.");
    } else if (request->member_epoch < MODERN_EPOCH_LEAVE_STATIC) {
        error = refuse(out_reason, KP_ERR_INVALID_REQUEST, "MemberEpoch is invalid.");
    }
    if (error == KP_ERR_NONE) {
        error = check_assignor(request->server_assignor, settings, out_reason);
    }
    return error == KP_ERR_NONE ? check_regex(request->subscribed_topic_regex, out_reason) : error;
}

/* --- who is it? --------------------------------------------------------------------------------------------------- */

static int16_t check_epoch(const struct modern_member *member, int32_t epoch, const struct modern_parts *owned,
                           char out_reason[MODERN_REASON_BYTES])
{
    if (epoch == MODERN_EPOCH_JOIN || epoch == member->epoch) {
        return KP_ERR_NONE;
    }
    if (epoch > member->epoch) {
        return refuse(out_reason, KP_ERR_FENCED_MEMBER_EPOCH,
                      "The consumer group member has a greater member epoch (%" PRId32 ") than the one known by the "
                      "group coordinator (%" PRId32 "). The member must abandon all its partitions and rejoin.",
                      epoch, member->epoch);
    }
    /* The answer that raised the epoch may have been lost: then it has nothing but what it was given. */
    if (epoch == member->previous_epoch && owned != NULL && modern_parts_subset(owned, &member->assigned)) {
        return KP_ERR_NONE;
    }
    return refuse(out_reason, KP_ERR_FENCED_MEMBER_EPOCH,
                  "The consumer group member has a smaller member epoch (%" PRId32 ") than the one known by the group "
                  "coordinator (%" PRId32 "). The member must abandon all its partitions and rejoin.",
                  epoch, member->epoch);
}

static int16_t unknown_member(struct view id, const struct modern_group *group, char out_reason[MODERN_REASON_BYTES])
{
    return refuse(out_reason, KP_ERR_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %.*s.", SHOWN(id),
                  SHOWN(group->id));
}

/* A known static member: by its instance, under the id the request says. */
static int16_t find_static(const struct modern_group *group, struct view instance_id, struct view id,
                           const struct modern_member **out_member, char out_reason[MODERN_REASON_BYTES])
{
    const struct modern_member *member = map_get(&group->instances, instance_id);

    if (member == NULL) {
        return refuse(out_reason, KP_ERR_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.", SHOWN(instance_id));
    }
    if (!view_equal(member->id, id)) {
        return refuse(out_reason, KP_ERR_FENCED_INSTANCE_ID,
                      "Static member %.*s with instance id %.*s was fenced by member %.*s.", SHOWN(id),
                      SHOWN(instance_id), SHOWN(member->id));
    }
    *out_member = member;
    return KP_ERR_NONE;
}

static int16_t find_member(const struct modern_group *group, const struct kp_consumer_group_heartbeat_request *request,
                           const struct modern_parts *owned, const struct modern_member **out_member,
                           char out_reason[MODERN_REASON_BYTES])
{
    bool    joins = request->member_epoch == MODERN_EPOCH_JOIN;
    int16_t error;

    if (request->instance_id.base == NULL) {
        *out_member = modern_member_find(group, request->member_id);
        if (*out_member == NULL) {
            return joins ? KP_ERR_NONE : unknown_member(request->member_id, group, out_reason);
        }
        return check_epoch(*out_member, request->member_epoch, owned, out_reason);
    }
    if (!joins) {
        error = find_static(group, request->instance_id, request->member_id, out_member, out_reason);
        return error != KP_ERR_NONE ? error : check_epoch(*out_member, request->member_epoch, owned, out_reason);
    }
    *out_member = map_get(&group->instances, request->instance_id);
    if (*out_member == NULL) {
        *out_member = modern_member_find(group, request->member_id);
        return KP_ERR_NONE;
    }
    if ((*out_member)->classic == NULL && (*out_member)->epoch != MODERN_EPOCH_LEAVE_STATIC) {
        return refuse(out_reason, KP_ERR_UNRELEASED_INSTANCE_ID,
                      "Static member %.*s with instance id %.*s cannot join the group because the instance id is owned "
                      "by %.*s member.",
                      SHOWN(request->member_id), SHOWN(request->instance_id), SHOWN((*out_member)->id));
    }
    return KP_ERR_NONE;
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

static void read_owned(const struct kp_consumer_group_heartbeat_request *request, struct modern_parts *out_owned)
{
    for (int32_t t = 0; t < request->topic_partitions_count; t++) {
        for (int32_t i = 0; i < request->topic_partitions[t].partitions_count; i++) {
            modern_parts_push(out_owned, request->topic_partitions[t].topic_id,
                              request->topic_partitions[t].partitions[i], 0);
        }
    }
    modern_parts_sort(out_owned);
}

/* What is not said stays. False: out of memory. */
static bool take_request(struct modern_step *step, const struct kp_consumer_group_heartbeat_request *request,
                         const struct modern_client *client)
{
    struct modern_member *next = &step->next;

    if (request->instance_id.base != NULL) {
        next->instance_id = request->instance_id;
    }
    if (request->rack_id.base != NULL) {
        next->rack_id = request->rack_id;
    }
    if (request->rebalance_timeout_ms != -1) {
        next->rebalance_timeout_ms = request->rebalance_timeout_ms;
    }
    if (request->server_assignor.base != NULL) {
        next->assignor = request->server_assignor;
    }
    if (request->subscribed_topic_regex.base != NULL) {
        next->regex = request->subscribed_topic_regex;
    }
    if (request->subscribed_topic_names_count >= 0) {
        next->topics = modern__names_sorted(&step->group->host->batch.arena, request->subscribed_topic_names,
                                            (uint32_t)request->subscribed_topic_names_count, &next->topic_count);
        if (next->topics == NULL) {
            return false;
        }
    }
    next->client_id = client->id.base == NULL ? view_text("") : client->id;
    next->client_host = client->host;
    next->classic = NULL;
    return true;
}

/* 22 characters, as Kafka prints random ids; base NULL: out of memory. */
static struct view make_member_id(struct modern_host *host, struct arena *arena)
{
    struct uuid id;
    char        text[UUID_TEXT_BYTES];

    do {
        for (size_t i = 0; i < sizeof(id.bytes); i += 8) {
            uint64_t random = host->ops->random(host);

            memcpy(id.bytes + i, &random, sizeof(random));
        }
        uuid_format(id, text);
    } while (text[0] == '-');
    return arena_copy(arena, view_text(text));
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static bool answer_assignment(const struct modern_parts *assigned, struct arena *arena,
                              struct kp_consumer_group_heartbeat_response *response)
{
    struct kp_consumer_group_heartbeat_response_assignment *out = arena_alloc(arena, sizeof(*out));
    int32_t          *numbers = arena_alloc_array(arena, assigned->count, sizeof(numbers[0]));
    uint32_t          position = 0;
    struct modern_run run;

    if (out == NULL || numbers == NULL) {
        return false;
    }
    kp_consumer_group_heartbeat_response_assignment_init(out);
    out->topic_partitions = arena_alloc_array(arena, modern_parts_runs(assigned), sizeof(out->topic_partitions[0]));
    if (out->topic_partitions == NULL) {
        return false;
    }
    while (modern_parts_next_run(assigned, &position, &run)) {
        struct kp_consumer_group_heartbeat_response_topic_partitions *topic =
            &out->topic_partitions[out->topic_partitions_count++];

        topic->topic_id = run.topic_id;
        topic->partitions = numbers;
        topic->partitions_count = (int32_t)run.count;
        for (uint32_t i = 0; i < run.count; i++) {
            *numbers++ = run.items[i].partition;
        }
    }
    response->assignment = out;
    return true;
}

/* The assignment goes along when it has changed, and when the member may have missed one: it tells everything about
 * itself, or comes with the epoch before. */
static bool answer(const struct modern_step *step, const struct kp_consumer_group_heartbeat_request *request,
                   struct arena *arena, struct kp_consumer_group_heartbeat_response *response)
{
    static const struct modern_parts nothing = {0};
    const struct modern_member      *before = step->old != NULL ? step->old : step->replaced;
    bool                             full = request->member_epoch == MODERN_EPOCH_JOIN ||
                (request->rebalance_timeout_ms != -1 && request->topic_partitions_count >= 0 &&
                 (request->subscribed_topic_names_count >= 0 || request->subscribed_topic_regex.base != NULL));

    response->member_id = arena_copy(arena, step->next.id);
    response->member_epoch = step->next.epoch;
    response->heartbeat_interval_ms = step->settings.heartbeat_interval_ms;
    if (response->member_id.base == NULL) {
        return false;
    }
    if (full || (before != NULL && request->member_epoch != before->epoch) ||
        !modern_parts_equal(before == NULL ? &nothing : &before->assigned, &step->next.assigned)) {
        return answer_assignment(&step->next.assigned, arena, response);
    }
    return true;
}

/* --- heartbeat ---------------------------------------------------------------------------------------------------- */

static int16_t decide(struct modern_step *step, const struct kp_consumer_group_heartbeat_request *request,
                      const struct modern_client *client, const struct modern_parts *owned,
                      const struct modern_member *known, struct arena *arena,
                      struct kp_consumer_group_heartbeat_response *response)
{
    struct view id = request->member_id;

    if (blank(id)) {
        id = make_member_id(step->group->host, arena);
    }
    if (id.base == NULL) {
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    modern__step_member(step, known, id);
    if (!take_request(step, request, client) || !modern__step_subscription(step) || !modern__step_target(step)) {
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    modern__step_reconcile(step, owned);
    return answer(step, request, arena, response) ? KP_ERR_NONE : KP_ERR_UNKNOWN_SERVER_ERROR;
}

int16_t modern_heartbeat(struct modern_group *group, const struct kp_consumer_group_heartbeat_request *request,
                         const struct modern_client *client, struct arena *arena,
                         struct kp_consumer_group_heartbeat_response *response, char out_reason[MODERN_REASON_BYTES])
{
    const struct modern_member *known = NULL;
    struct modern_parts         said = {0};
    const struct modern_parts  *owned = request->topic_partitions_count < 0 ? NULL : &said;
    struct modern_step          step;
    int16_t                     error;

    out_reason[0] = '\0';
    modern__step_begin(&step, group);
    read_owned(request, &said);
    if (map_count(&group->members) >= (size_t)step.settings.size_max &&
        modern_member_find(group, request->member_id) == NULL) {
        error = refuse(out_reason, KP_ERR_GROUP_MAX_SIZE_REACHED,
                       "The consumer group has reached its maximum capacity of %" PRId32 " members.",
                       step.settings.size_max);
    } else {
        error = find_member(group, request, owned, &known, out_reason);
    }
    if (error == KP_ERR_NONE && known != NULL && known->state == MODERN_UNKNOWN && (owned == NULL || said.count != 0)) {
        error = refuse(out_reason, KP_ERR_FENCED_MEMBER_EPOCH,
                       "The consumer group member is in a unknown state. The member must abandon all its partitions "
                       "and rejoin.");
    }
    if (error == KP_ERR_NONE) {
        error = decide(&step, request, client, owned, known, arena, response);
    }
    modern__step_end(&step);
    modern_parts_deinit(&said);
    if (error == KP_ERR_NONE && group->host->batch.overflow) {
        error = KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    return error;
}

/* --- leaving ------------------------------------------------------------------------------------------------------ */

int16_t modern_leave(struct modern_group *group, const struct kp_consumer_group_heartbeat_request *request,
                     struct kp_consumer_group_heartbeat_response *response, const struct modern_member **out_fenced,
                     char out_reason[MODERN_REASON_BYTES])
{
    const struct modern_member *member = NULL;
    int16_t                     error = KP_ERR_NONE;

    out_reason[0] = '\0';
    *out_fenced = NULL;
    group->topics_decided = group->topics_version;
    if (request->instance_id.base != NULL) {
        error = find_static(group, request->instance_id, request->member_id, &member, out_reason);
    } else {
        member = modern_member_find(group, request->member_id);
        error = member == NULL ? unknown_member(request->member_id, group, out_reason) : KP_ERR_NONE;
    }
    if (error != KP_ERR_NONE) {
        return error;
    }
    response->member_id = request->member_id;
    response->member_epoch = request->member_epoch;
    if (request->member_epoch != MODERN_EPOCH_LEAVE_STATIC) {
        *out_fenced = member;
        return KP_ERR_NONE;
    }
    /* It keeps its place, and what it had, until its session ends. */
    struct modern_member away = *member;
    away.epoch = MODERN_EPOCH_LEAVE_STATIC;
    away.revoking = (struct modern_parts){0};
    modern__emit_current(group, &away);
    return group->host->batch.overflow ? KP_ERR_UNKNOWN_SERVER_ERROR : KP_ERR_NONE;
}

/* --- commits and fetches ------------------------------------------------------------------------------------------ */

static int16_t stale(const struct modern_member *member)
{
    return member->classic != NULL ? KP_ERR_ILLEGAL_GENERATION : KP_ERR_STALE_MEMBER_EPOCH;
}

int16_t modern_commit_check(const struct modern_group *group, struct view member_id, struct view instance_id,
                            int32_t epoch, bool transactional, int16_t version, bool *out_by_partition)
{
    const struct modern_member *member;

    *out_by_partition = false;
    /* Tools and consumers that assign themselves commit when nobody is there. */
    if (epoch < 0 && map_count(&group->members) == 0) {
        return KP_ERR_NONE;
    }
    if (transactional && epoch == -1 && member_id.len == 0 && instance_id.base == NULL) {
        return KP_ERR_NONE;
    }
    member = modern_member_find(group, member_id);
    if (member == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    if (!transactional && member->classic == NULL && version < 9) {
        return KP_ERR_UNSUPPORTED_VERSION;
    }
    if (epoch > member->epoch) {
        return stale(member);
    }
    *out_by_partition = epoch < member->epoch;
    return KP_ERR_NONE;
}

int16_t modern_commit_partition_check(const struct modern_group *group, struct view member_id, int32_t epoch,
                                      struct view topic, struct uuid topic_id, int32_t partition)
{
    const struct modern_member *member = modern_member_find(group, member_id);
    const struct modern_part   *part;
    struct modern_topic         found;

    if (member == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    if (uuid_is_zero(topic_id)) {
        if (!group->host->ops->topic_by_name(group->host, topic, &found)) {
            return stale(member);
        }
        topic_id = found.id;
    }
    part = modern_parts_find(&member->assigned, topic_id, partition);
    if (part == NULL) {
        part = modern_parts_find(&member->revoking, topic_id, partition);
    }
    return part == NULL || part->epoch > epoch ? stale(member) : KP_ERR_NONE;
}

int16_t modern_fetch_check(const struct modern_group *group, struct view member_id, int32_t epoch)
{
    const struct modern_member *member;

    if (member_id.base == NULL && epoch < 0) {
        return KP_ERR_NONE;
    }
    member = modern_member_find(group, member_id);
    if (member == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    return member->epoch == epoch ? KP_ERR_NONE : stale(member);
}
