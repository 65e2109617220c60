/* The classic protocol's states: who may move where, when a rebalance begins and ends, whose session is over.
 *
 *              | EMPTY | PREPARING | COMPLETING | STABLE | DEAD
 *   from EMPTY |       |     x     |            |        |  x
 *    PREPARING |   x   |           |     x      |        |  x
 *   COMPLETING |       |     x     |            |   x    |  x
 *       STABLE |       |     x     |            |        |  x
 *
 * What holds in each state is checked after each event (group__verify). Session timers are lazy: a heartbeat moves a
 * deadline, the timer finds out when it fires. */
#include "core/coord/group_classic.h"

#include "core/base/slog.h"

static const bool group_moves[GROUP_STATE_COUNT][GROUP_STATE_COUNT] = {
    [GROUP_EMPTY] = {[GROUP_PREPARING] = true, [GROUP_DEAD] = true},
    [GROUP_PREPARING] = {[GROUP_EMPTY] = true, [GROUP_COMPLETING] = true, [GROUP_DEAD] = true},
    [GROUP_COMPLETING] = {[GROUP_PREPARING] = true, [GROUP_STABLE] = true, [GROUP_DEAD] = true},
    [GROUP_STABLE] = {[GROUP_PREPARING] = true, [GROUP_DEAD] = true},
};

static void classic_join_over(struct timer *timer);
static void classic_initial_over(struct timer *timer);
static void classic_sync_over(struct timer *timer);
static void classic_session_over(struct timer *timer);

static struct timer_heap *classic_timers(const struct group *group)
{
    return group->groups->coord->shard->timers;
}

static int64_t classic_after_ns(const struct group *group, int64_t delay_ms)
{
    return coord__now_ns(group->groups->coord) + delay_ms * NS_PER_MS;
}

/* --- states ------------------------------------------------------------------------------------------------------ */

void group__move(struct group *group, enum group_state state)
{
    CHECK(group_moves[group->state][state]);
    group->previous_state = group->state;
    group->state = state;
    group->state_ms = io_wall_ms(group->groups->coord->shard->io);
}

void group__verify(const struct group *group)
{
    uint32_t members = 0;
    uint32_t joined = 0;

    LIST_EACH(&group->members, node) {
        const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        members += !member->pending;
        joined += member->joined;
        CHECK(IMPLIES(member->pending, !member->joined && member->sync_call == NULL && member != group->leader));
        CHECK(IMPLIES(member->sync_call != NULL, group->state == GROUP_COMPLETING));
        CHECK(IMPLIES(member->join_call != NULL, member->joined));
    }
    CHECK(members == group->member_count && joined == group->joined_count);
    CHECK((group->leader != NULL) == (members > 0));
    CHECK(IMPLIES(group->state == GROUP_EMPTY, members == 0 && !timer_armed(&group->join_timer)));
    CHECK(IMPLIES(group->state == GROUP_PREPARING, timer_armed(&group->join_timer)));
    CHECK(IMPLIES(group->state != GROUP_PREPARING, joined == 0));
    CHECK(IMPLIES(group->state == GROUP_COMPLETING || group->state == GROUP_STABLE,
                  members > 0 && group->protocol.base != NULL && group->protocol_type.base != NULL));
}

/* --- sessions ---------------------------------------------------------------------------------------------------- */

void group__member_alive(struct group_member *member, int64_t timeout_ms)
{
    struct group *group = member->group;

    member->deadline_ns = classic_after_ns(group, timeout_ms > 0 ? timeout_ms : member->session_timeout_ms);
    if (!timer_armed(&member->session) || member->session.deadline_ns > member->deadline_ns) {
        timer_arm(classic_timers(group), &member->session, member->deadline_ns, classic_session_over);
    }
}

bool group__all_joined(const struct group *group)
{
    return group->member_count == group->joined_count && group->pending_count == 0;
}

void group__classic_lost(struct group_member *member, int16_t error, const char *reason)
{
    struct group *group = member->group;
    bool          was_pending = member->pending;

    group__member_remove(member, error);
    if (group->state == GROUP_PREPARING) {
        if (group__all_joined(group)) {
            group__complete_join(group);
        }
    } else if (!was_pending && (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)) {
        group__prepare_rebalance(group, reason);
    }
    DCHECK((group__verify(group), true));
}

static void classic_session_over(struct timer *timer)
{
    struct group_member *member = CONTAINER_OF(timer, struct group_member, session);
    struct group        *group = member->group;

    if (member->deadline_ns > coord__now_ns(group->groups->coord)) {
        timer_arm(classic_timers(group), timer, member->deadline_ns, classic_session_over);
    } else if (member->pending || member->is_new || (!member->joined && member->sync_call == NULL)) {
        slog_debug("coord", "group %.*s: the session of %.*s is over", (int)group->id.len, (const char *)group->id.base,
                   (int)member->id.len, (const char *)member->id.base);
        group__classic_lost(member, KP_ERR_UNKNOWN_MEMBER_ID, "session timeout of a member");
    }
}

/* --- the join phase ---------------------------------------------------------------------------------------------- */

void group__prepare_rebalance(struct group *group, const char *reason)
{
    bool initial = group->state == GROUP_EMPTY;

    slog_debug("coord", "group %.*s: rebalance of generation %d: %s", (int)group->id.len, (const char *)group->id.base,
               group->generation, reason);
    if (group->state == GROUP_COMPLETING) {
        group__end_syncs(group, KP_ERR_REBALANCE_IN_PROGRESS);
    }
    timer_disarm(classic_timers(group), &group->sync_timer);
    group__move(group, GROUP_PREPARING);
    group->initial = initial;
    if (initial) {
        int32_t delay_ms = coord__settings(group->groups->coord)->group_initial_delay_ms;

        group->initial_delay_ms = delay_ms;
        group->initial_left_ms = MAX(group__rebalance_timeout_ms(group) - delay_ms, 0);
        timer_arm(classic_timers(group), &group->join_timer, classic_after_ns(group, delay_ms), classic_initial_over);
    } else if (group__all_joined(group)) {
        group__complete_join(group);
    } else {
        timer_arm(classic_timers(group), &group->join_timer,
                  classic_after_ns(group, group__rebalance_timeout_ms(group)), classic_join_over);
    }
}

static void classic_initial_over(struct timer *timer)
{
    struct group *group = CONTAINER_OF(timer, struct group, join_timer);

    if (group->new_member_added && group->initial_left_ms > 0) {
        int32_t next_ms = MIN(coord__settings(group->groups->coord)->group_initial_delay_ms, group->initial_left_ms);

        group->new_member_added = false;
        group->initial_left_ms = MAX(group->initial_left_ms - group->initial_delay_ms, 0);
        group->initial_delay_ms = next_ms;
        timer_arm(classic_timers(group), timer, classic_after_ns(group, next_ms), classic_initial_over);
    } else {
        group__complete_join(group);
    }
}

static void classic_join_over(struct timer *timer)
{
    group__complete_join(CONTAINER_OF(timer, struct group, join_timer));
}

void group__maybe_complete_join(struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial && group__all_joined(group)) {
        group__complete_join(group);
    }
}

void group__rebalance_or_complete(struct group *group, const char *reason)
{
    if (group->state == GROUP_PREPARING) {
        group__maybe_complete_join(group);
    } else {
        group__prepare_rebalance(group, reason);
    }
}

/* True when the leader takes part in the next generation; another one that does takes its place. */
static bool classic_elect(struct group *group)
{
    if (group->leader != NULL && group->leader->joined) {
        return true;
    }
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (member->joined) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void classic_drop_absent(struct group *group)
{
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending && !member->joined && member->instance_id.base == NULL) {
            group__member_remove(member, KP_ERR_UNKNOWN_MEMBER_ID);
        }
    }
}

/* Everybody is told of the generation once its record is durable. */
static void classic_answer_joins(struct group *group)
{
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);
        struct coord_call   *call = member->join_call;

        if (member->pending) {
            continue;
        }
        member->joined = false;
        member->is_new = false;
        member->synced = false;
        member->join_call = NULL;
        group__member_alive(member, 0);
        if (call != NULL) {
            group__answer_join(member, call, false);
        }
    }
    group->joined_count = 0;
}

void group__complete_join(struct group *group)
{
    struct coord_log *log = group__log(group);

    timer_disarm(classic_timers(group), &group->join_timer);
    classic_drop_absent(group);
    if (!classic_elect(group) && group->member_count > 0) { /* static members only, none of them here */
        timer_arm(classic_timers(group), &group->join_timer,
                  classic_after_ns(group, group__rebalance_timeout_ms(group)), classic_join_over);
        return;
    }
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    group->initial = false;
    group->new_member_added = false;
    if (group->member_count == 0) {
        group__set_protocol(group, (struct view){0});
        group__move(group, GROUP_EMPTY);
        group__add_record(group, false);
        coord_log_commit(log, NULL);
        return;
    }
    group__set_protocol(group, group__protocol_choose(group));
    group__move(group, GROUP_COMPLETING);
    group__add_record(group, false);
    coord_log_commit(log, NULL);
    timer_arm(classic_timers(group), &group->sync_timer, classic_after_ns(group, group__rebalance_timeout_ms(group)),
              classic_sync_over);
    classic_answer_joins(group);
    DCHECK((group__verify(group), true));
}

/* --- the sync phase ---------------------------------------------------------------------------------------------- */

void group__end_syncs(struct group *group, int16_t error)
{
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);
        struct coord_call   *call = member->sync_call;

        member->synced = false;
        member->sync_call = NULL;
        group__member_set_assignment(member, (struct view){0});
        if (call != NULL) {
            group__member_alive(member, 0);
            coord__fail(call, error);
        }
    }
}

void group__sync_seen(struct group_member *member)
{
    struct group *group = member->group;

    member->synced = true;
    LIST_EACH(&group->members, node) {
        const struct group_member *other = LIST_ENTRY(node, struct group_member, link);

        if (!other->pending && !other->synced) {
            return;
        }
    }
    timer_disarm(classic_timers(group), &group->sync_timer);
}

/* Those that never asked for their assignment are out. */
static void classic_sync_over(struct timer *timer)
{
    struct group *group = CONTAINER_OF(timer, struct group, sync_timer);
    bool          dropped = false;

    CHECK(group->state == GROUP_COMPLETING || group->state == GROUP_STABLE);
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        if (!member->pending && !member->synced) {
            dropped = true;
            group__member_remove(member, KP_ERR_UNKNOWN_MEMBER_ID);
        }
    }
    if (dropped) {
        group__prepare_rebalance(group, "members that did not ask for their assignment");
    }
    DCHECK((group__verify(group), true));
}

/* --- in and out of memory ---------------------------------------------------------------------------------------- */

void group__classic_loaded(struct group *group)
{
    LIST_EACH(&group->members, node) {
        struct group_member *member = LIST_ENTRY(node, struct group_member, link);

        member->synced = true;
        group__member_alive(member, 0);
    }
    DCHECK((group__verify(group), true));
}

void group__classic_clear(struct group *group, int16_t error)
{
    struct list_node *node;

    timer_disarm(classic_timers(group), &group->join_timer);
    timer_disarm(classic_timers(group), &group->sync_timer);
    while ((node = list_first(&group->members)) != NULL) {
        group__member_remove(LIST_ENTRY(node, struct group_member, link), error);
    }
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->initial = false;
    group->new_member_added = false;
}

int16_t group__classic_check_commit(struct group *group, struct view member_id, struct view instance_id,
                                    int32_t generation, bool transactional)
{
    struct group_member *member;
    int16_t              error;

    if (generation < 0 && group->state == GROUP_EMPTY) {
        return KP_ERR_NONE;
    }
    if (generation >= 0 || member_id.len > 0 || instance_id.base != NULL) {
        error = group__member_check(group, member_id, instance_id);
        if (error != 0) {
            return error;
        }
        if (generation != group->generation) {
            return KP_ERR_ILLEGAL_GENERATION;
        }
    } else if (!transactional && group->state != GROUP_EMPTY) {
        return KP_ERR_UNKNOWN_MEMBER_ID;
    }
    if (!transactional && group->state == GROUP_COMPLETING) {
        return KP_ERR_REBALANCE_IN_PROGRESS;
    }
    member = group__member_find(group, member_id);
    if (member != NULL && (group->state == GROUP_STABLE || group->state == GROUP_PREPARING)) {
        group__member_alive(member, 0);
    }
    return KP_ERR_NONE;
}
