/* group_modern_describe.c: a consumer group as ConsumerGroupDescribe shows it. */
#include "core/coord/group_modern.h"

enum { MEMBER_CLASSIC = 0, MEMBER_CONSUMER = 1 };

/* Topics that are gone are left out: they have no name to show. */
static bool describe_parts(const struct modern_group *group, struct arena *arena, const struct modern_parts *parts,
                           struct kp_consumer_group_describe_response_assignment *out_assignment)
{
    int32_t            *numbers = arena_alloc_array(arena, parts->count, sizeof(numbers[0]));
    uint32_t            position = 0;
    struct modern_run   run;
    struct modern_topic topic;

    out_assignment->topic_partitions =
        arena_alloc_array(arena, modern_parts_runs(parts), sizeof(out_assignment->topic_partitions[0]));
    if (numbers == NULL || out_assignment->topic_partitions == NULL) {
        return false;
    }
    while (modern_parts_next_run(parts, &position, &run)) {
        if (!group->host->ops->topic_by_id(group->host, run.topic_id, &topic)) {
            continue;
        }
        struct kp_consumer_group_describe_response_topic_partitions *out =
            &out_assignment->topic_partitions[out_assignment->topic_partitions_count++];

        out->topic_id = run.topic_id;
        out->topic_name = arena_copy(arena, topic.name);
        out->partitions = numbers;
        out->partitions_count = (int32_t)run.count;
        for (uint32_t i = 0; i < run.count; i++) {
            *numbers++ = run.items[i].partition;
        }
        if (out->topic_name.base == NULL) {
            return false;
        }
    }
    return true;
}

/* False: out of memory. A null stays null. */
static bool copy(struct arena *arena, struct view text, struct view *out_text)
{
    *out_text = text.base == NULL ? text : arena_copy(arena, text);
    return (text.base == NULL) == (out_text->base == NULL);
}

static bool describe_member(const struct modern_group *group, const struct modern_member *member, struct arena *arena,
                            struct kp_consumer_group_describe_response_groups_members *out)
{
    struct view *names = arena_alloc_array(arena, member->topic_count, sizeof(names[0]));

    kp_consumer_group_describe_response_groups_members_init(out);
    if (names == NULL || !copy(arena, member->id, &out->member_id) ||
        !copy(arena, member->instance_id, &out->instance_id) || !copy(arena, member->rack_id, &out->rack_id) ||
        !copy(arena, member->client_id, &out->client_id) || !copy(arena, member->client_host, &out->client_host) ||
        !copy(arena, member->regex.base == NULL ? view_text("") : member->regex, &out->subscribed_topic_regex)) {
        return false;
    }
    for (uint32_t i = 0; i < member->topic_count; i++) {
        if (!copy(arena, member->topics[i], &names[i])) {
            return false;
        }
    }
    out->subscribed_topic_names = names;
    out->subscribed_topic_names_count = (int32_t)member->topic_count;
    out->member_epoch = member->epoch;
    out->member_type = member->classic != NULL ? MEMBER_CLASSIC : MEMBER_CONSUMER;
    return describe_parts(group, arena, &member->assigned, &out->assignment) &&
           describe_parts(group, arena, &member->target, &out->target_assignment);
}

bool modern_describe(const struct modern_group *group, struct arena *arena,
                     struct kp_consumer_group_describe_response_groups *out_group)
{
    struct modern_settings settings;
    enum assign_kind       assignor, kind;
    uint32_t               votes[ASSIGN_KIND_COUNT] = {0};

    group->host->ops->settings(group->host, group->id, &settings);
    assignor = settings.assignor;
    out_group->members = arena_alloc_array(arena, map_count(&group->members), sizeof(out_group->members[0]));
    if (out_group->members == NULL) {
        return false;
    }
    MAP_EACH(&group->members, entry) {
        const struct modern_member *member = entry->value;

        if (!describe_member(group, member, arena, &out_group->members[out_group->members_count++])) {
            return false;
        }
        if (member->assignor.base != NULL && assign_find(member->assignor, &kind)) {
            votes[kind]++;
        }
    }
    for (int i = 0; i < ASSIGN_KIND_COUNT; i++) {
        if (votes[i] > votes[assignor] && (settings.assignors & (1u << i)) != 0) {
            assignor = (enum assign_kind)i;
        }
    }
    out_group->group_state = view_text(modern_group_state(group));
    out_group->group_epoch = group->epoch;
    out_group->assignment_epoch = group->target_epoch;
    out_group->assignor_name = view_text(assign_name(assignor));
    return true;
}
