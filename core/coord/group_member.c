/* Members of classic groups: who is in, what they can speak, and what all of them agree on. */
#include "core/coord/group.h"

#include "core/base/bytes.h"

static struct view *member_text(uint8_t **at, struct view *out, struct view from)
{
    if (from.base == NULL) {
        *out = (struct view){0};
        return out;
    }
    if (from.len > 0) {
        memcpy(*at, from.base, from.len);
    }
    *out = view_of(*at, from.len);
    *at += from.len;
    return out;
}

/* All four texts in one allocation. */
static void member_set_texts(struct group_member *member, struct view id, struct view instance_id,
                             struct view client_id, struct view client_host)
{
    uint8_t *texts = mem_alloc(MEM_COORD, id.len + instance_id.len + client_id.len + client_host.len + 1);
    uint8_t *at = texts;
    uint8_t *old = member->texts;

    MAYBE(member_text(&at, &member->id, id) != NULL);
    MAYBE(member_text(&at, &member->instance_id, instance_id) != NULL);
    MAYBE(member_text(&at, &member->client_id, client_id) != NULL);
    MAYBE(member_text(&at, &member->client_host, client_host) != NULL);
    member->texts = texts;
    mem_free(MEM_COORD, old);
}

struct group_member *group__member_add(struct group *group, struct view id, struct view instance_id,
                                       struct view client_id, struct view client_host)
{
    struct group_member *member = mem_alloc(MEM_COORD, sizeof(*member));

    member->group = group;
    member_set_texts(member, id, instance_id, client_id, client_host);
    list_init(&member->link);
    list_push_back(&group->members, &member->link);
    CHECK(map_put(&group->by_member_id, id, member) == NULL);
    if (instance_id.base != NULL) {
        MAYBE(map_put(&group->by_instance_id, instance_id, member) == NULL);
    }
    group->member_count++;
    if (group->leader == NULL) {
        group->leader = member;
    }
    member->is_new = true;
    return member;
}

struct group_member *group__member_add_pending(struct group *group, struct view id)
{
    struct group_member *member = mem_alloc(MEM_COORD, sizeof(*member));

    member->group = group;
    member->pending = true;
    member_set_texts(member, id, (struct view){0}, (struct view){0}, (struct view){0});
    list_init(&member->link);
    list_push_back(&group->members, &member->link);
    CHECK(map_put(&group->by_member_id, id, member) == NULL);
    group->pending_count++;
    return member;
}

void group__member_end_calls(struct group_member *member, int16_t error)
{
    struct coord_call *join = member->join_call;
    struct coord_call *sync = member->sync_call;

    member->join_call = NULL;
    member->sync_call = NULL;
    if (join != NULL) {
        coord__fail(join, error);
    }
    if (sync != NULL) {
        coord__fail(sync, error);
    }
}

static struct group_member *member_first(const struct group *group)
{
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending) {
            return member;
        }
    }
    return NULL;
}

void group__member_remove(struct group_member *member, int16_t error)
{
    struct group *group = member->group;

    group__member_end_calls(member, error);
    timer_disarm(group->groups->coord->shard->timers, &member->session);
    list_remove(&member->link);
    CHECK(map_remove(&group->by_member_id, member->id) == member);
    if (member->instance_id.base != NULL && map_get(&group->by_instance_id, member->instance_id) == member) {
        MAYBE(map_remove(&group->by_instance_id, member->instance_id) == member);
    }
    if (member->pending) {
        group->pending_count--;
    } else {
        group->member_count--;
        group->joined_count -= member->joined;
    }
    if (group->leader == member) {
        group->leader = member_first(group);
    }
    mem_free(MEM_COORD, member->texts);
    mem_free(MEM_COORD, member->protocols);
    mem_free(MEM_COORD, (void *)(uintptr_t)member->assignment.base);
    mem_free(MEM_COORD, member);
}

struct group_member *group__member_find(const struct group *group, struct view member_id)
{
    struct group_member *member = map_get(&group->by_member_id, member_id);

    return member == NULL || member->pending ? NULL : member;
}

struct group_member *group__member_find_pending(const struct group *group, struct view member_id)
{
    struct group_member *member = map_get(&group->by_member_id, member_id);

    return member == NULL || !member->pending ? NULL : member;
}

struct group_member *group__member_find_static(const struct group *group, struct view instance_id)
{
    return instance_id.base == NULL ? NULL : map_get(&group->by_instance_id, instance_id);
}

void group__member_rename(struct group_member *member, struct view id)
{
    struct group *group = member->group;

    CHECK(map_remove(&group->by_member_id, member->id) == member);
    member_set_texts(member, id, member->instance_id, member->client_id, member->client_host);
    CHECK(map_put(&group->by_member_id, member->id, member) == NULL);
}

int16_t group__member_check(const struct group *group, struct view member_id, struct view instance_id)
{
    const struct group_member *owner = group__member_find_static(group, instance_id);

    if (instance_id.base != NULL && owner == NULL) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    if (owner != NULL && !view_equal(owner->id, member_id)) {
        return KP_ERR_FENCED_INSTANCE_ID;
    }
    return group__member_find(group, member_id) == NULL ? KP_ERR_UNKNOWN_MEMBER_ID : KP_ERR_NONE;
}

/* --- what a member carries --------------------------------------------------------------------------------------- */

void group__member_set_protocols(struct group_member *member, const struct group_protocol *protocols, uint32_t count)
{
    size_t                 bytes = count * sizeof(*protocols) + 1;
    struct group_protocol *copy;
    uint8_t               *at;

    for (uint32_t i = 0; i < count; i++) {
        bytes += protocols[i].name.len + protocols[i].metadata.len;
    }
    copy = mem_alloc(MEM_COORD, bytes);
    at = (uint8_t *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        MAYBE(member_text(&at, &copy[i].name, protocols[i].name) != NULL);
        MAYBE(member_text(&at, &copy[i].metadata, protocols[i].metadata) != NULL);
    }
    mem_free(MEM_COORD, member->protocols);
    member->protocols = copy;
    member->protocol_count = count;
}

void group__member_set_assignment(struct group_member *member, struct view assignment)
{
    uint8_t *copy = NULL;

    if (assignment.len > 0) {
        copy = mem_alloc(MEM_COORD, assignment.len);
        memcpy(copy, assignment.base, assignment.len);
    }
    mem_free(MEM_COORD, (void *)(uintptr_t)member->assignment.base);
    member->assignment = view_of(copy, copy == NULL ? 0 : assignment.len);
}

bool group__member_matches(const struct group_member *member, const struct group_protocol *protocols, uint32_t count)
{
    if (member->protocol_count != count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!view_equal(member->protocols[i].name, protocols[i].name) ||
            !view_equal(member->protocols[i].metadata, protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

static const struct group_protocol *member_protocol(const struct group_member *member, struct view name)
{
    for (uint32_t i = 0; i < member->protocol_count; i++) {
        if (view_equal(member->protocols[i].name, name)) {
            return &member->protocols[i];
        }
    }
    return NULL;
}

struct view group__member_metadata(const struct group_member *member, struct view protocol)
{
    const struct group_protocol *found = member_protocol(member, protocol);

    return found == NULL ? view_text("") : found->metadata;
}

/* --- what the group agrees on ------------------------------------------------------------------------------------ */

static bool protocol_known_to_all(const struct group *group, struct view name)
{
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending && member_protocol(member, name) == NULL) {
            return false;
        }
    }
    return true;
}

bool group__protocols_fit(const struct group *group, struct view protocol_type, const struct group_protocol *protocols,
                          uint32_t count)
{
    if (group->state == GROUP_EMPTY) {
        return protocol_type.len > 0 && count > 0;
    }
    if (group->protocol_type.base == NULL || !view_equal(group->protocol_type, protocol_type)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (protocol_known_to_all(group, protocols[i].name)) {
            return true;
        }
    }
    return false;
}

/* The place in `first`'s list of the protocol that `member` likes best among the shared ones. */
static uint32_t protocol_vote(const struct group_member *member, const struct group_member *first, const bool *shared)
{
    for (uint32_t i = 0; i < member->protocol_count; i++) {
        for (uint32_t k = 0; k < first->protocol_count; k++) {
            if (shared[k] && view_equal(member->protocols[i].name, first->protocols[k].name)) {
                return k;
            }
        }
    }
    return UINT32_MAX;
}

/* What all members know is in the first one's list: only its protocols are counted. */
struct view group__protocol_choose(const struct group *group)
{
    const struct group_member *first = member_first(group);
    struct view                best = {0};
    uint32_t                   best_votes = 0;
    uint32_t                  *votes;
    bool                      *shared;

    if (first == NULL || first->protocol_count == 0) {
        return best;
    }
    votes = mem_alloc(MEM_COORD, first->protocol_count * sizeof(*votes));
    shared = mem_alloc(MEM_COORD, first->protocol_count * sizeof(*shared));
    for (uint32_t i = 0; i < first->protocol_count; i++) {
        shared[i] = protocol_known_to_all(group, first->protocols[i].name);
    }
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);
        uint32_t                   vote = member->pending ? UINT32_MAX : protocol_vote(member, first, shared);

        if (vote != UINT32_MAX) {
            votes[vote]++;
        }
    }
    for (uint32_t i = 0; i < first->protocol_count; i++) {
        if (votes[i] > best_votes) {
            best_votes = votes[i];
            best = first->protocols[i].name;
        }
    }
    mem_free(MEM_COORD, shared);
    mem_free(MEM_COORD, votes);
    return best;
}

static void group_set_text(struct view *place, struct view text)
{
    uint8_t *copy = NULL;

    if (text.base != NULL) {
        copy = mem_alloc(MEM_COORD, text.len + 1);
        memcpy(copy, text.base, text.len);
    }
    mem_free(MEM_COORD, (void *)(uintptr_t)place->base);
    *place = view_of(copy, copy == NULL ? 0 : text.len);
}

void group__set_protocol(struct group *group, struct view protocol)
{
    group_set_text(&group->protocol, protocol);
}

void group__set_protocol_type(struct group *group, struct view protocol_type)
{
    group_set_text(&group->protocol_type, protocol_type);
}

int32_t group__rebalance_timeout_ms(const struct group *group)
{
    int32_t longest_ms = 0;

    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        longest_ms = member->pending ? longest_ms : MAX(longest_ms, member->rebalance_timeout_ms);
    }
    return longest_ms;
}

/* The topics of a ConsumerProtocolSubscription: version, then an array of names. 1: it names `topic`; 0: it does not;
 * -1: it cannot be read. */
static int subscription_names(struct view subscription, struct view topic)
{
    const uint8_t *at = subscription.base;
    size_t         left = subscription.len;
    uint32_t       count;

    if (left < 6) {
        return -1;
    }
    count = load_be32(at + 2);
    at += 6;
    left -= 6;
    for (uint32_t i = 0; i < count; i++) {
        size_t len;

        if (left < 2 || (len = load_be16(at)) > left - 2) {
            return -1;
        }
        if (view_equal(view_of(at + 2, len), topic)) {
            return 1;
        }
        at += 2 + len;
        left -= 2 + len;
    }
    return 0;
}

bool group__classic_subscribed(const struct group *group, struct view topic, bool *out_known)
{
    *out_known = group->protocol_type.base != NULL && view_equal(group->protocol_type, view_text("consumer")) &&
                 group->protocol.base != NULL && group->member_count > 0;
    if (!*out_known) {
        return false;
    }
    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);
        int names = member->pending ? 0 : subscription_names(group__member_metadata(member, group->protocol), topic);

        if (names != 0) {
            *out_known = names > 0;
            return true;
        }
    }
    return false;
}
