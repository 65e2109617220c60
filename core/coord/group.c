/* The table of a partition's groups: loading and unloading, the way of calls in and out, records. See group.h. */
#include "core/coord/group.h"

#include "core/base/slog.h"
#include "core/proto/kp_header.h"

#define GROUP_REPLAY_BYTES    ((size_t)(16 * MIB)) /* of one record, decoded */
#define GROUP_EXPIRY_PAUSE_NS NS_PER_MS            /* within a round of expiry */

static void groups_replay(struct coord_machine *machine, const struct coord_record *record);
static void groups_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit);
static void groups_loaded(struct coord_machine *machine);
static void groups_unload(struct coord_machine *machine, int16_t error);
static void groups_expiry(struct timer *timer);
static void groups_expiry_arm(struct groups *groups, bool soon);

/* --- machine ----------------------------------------------------------------------------------------------------- */

struct coord_machine *group__machine_create(struct coord_slot *slot)
{
    struct groups *groups = mem_alloc(MEM_COORD, sizeof(*groups));

    groups->machine = (struct coord_machine){
        .replay = groups_replay, .marker = groups_marker, .loaded = groups_loaded, .unload = groups_unload};
    groups->slot = slot;
    groups->coord = slot->coord;
    map_init(&groups->by_id, MEM_COORD);
    map_init(&groups->pending, MEM_COORD);
    list_init(&groups->walk);
    arena_init(&groups->arena, MEM_COORD, 4 * KIB, GROUP_REPLAY_BYTES);
    return &groups->machine;
}

void group__machine_destroy(struct coord_machine *machine)
{
    struct groups *groups = CONTAINER_OF(machine, struct groups, machine);

    CHECK(map_count(&groups->by_id) == 0 && map_count(&groups->pending) == 0);
    timer_disarm(groups->coord->shard->timers, &groups->expiry);
    map_deinit(&groups->by_id);
    map_deinit(&groups->pending);
    arena_deinit(&groups->arena);
    group_modern__host_free(groups);
    mem_free(MEM_COORD, groups);
}

static void groups_loaded(struct coord_machine *machine)
{
    struct groups *groups = CONTAINER_OF(machine, struct groups, machine);

    if (map_count(&groups->by_id) > 0) { /* an empty partition is loaded before its log is known here */
        group__offset_check_topics(groups);
    }
    MAP_EACH(&groups->by_id, entry) {
        struct group *group = entry->value;

        if (group->type == GROUP_CONSUMER) {
            group_modern__loaded(group);
        } else {
            group__classic_loaded(group);
        }
    }
    groups_expiry_arm(groups, false);
}

static void groups_unload(struct coord_machine *machine, int16_t error)
{
    struct groups *groups = CONTAINER_OF(machine, struct groups, machine);

    timer_disarm(groups->coord->shard->timers, &groups->expiry);
    MAP_EACH(&groups->by_id, entry) {
        struct group *group = entry->value;

        group__classic_clear(group, error);
        group_modern__free(group, error);
        group__destroy(group);
    }
    group__offset_producers_clear(groups);
    groups->order = 0;
    groups->expiry_left = 0;
}

static void groups_expiry_arm(struct groups *groups, bool soon)
{
    struct coord *coord = groups->coord;
    int64_t       check_ms = MAX(coord__settings(coord)->offsets_check_ms, INT64_C(1));

    timer_arm(coord->shard->timers, &groups->expiry,
              coord__now_ns(coord) + (soon ? GROUP_EXPIRY_PAUSE_NS : check_ms * NS_PER_MS), groups_expiry);
}

static void groups_expiry(struct timer *timer)
{
    struct groups *groups = CONTAINER_OF(timer, struct groups, expiry);
    bool           over = true;

    if (coord_log_state(groups->slot->log) == COORD_LOG_ACTIVE) {
        over = group__offset_expire(groups, io_wall_ms(groups->coord->shard->io));
    }
    groups_expiry_arm(groups, !over);
}

static void groups_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    MAYBE(producer_epoch >= 0);
    group__offset_marker(CONTAINER_OF(machine, struct groups, machine), producer_id, commit);
}

/* --- replay ------------------------------------------------------------------------------------------------------ */

static void replay_offset(struct groups *groups, int16_t type, struct kp_reader *reader,
                          const struct coord_record *record)
{
    struct kp_offset_commit_key   key;
    struct kp_offset_commit_value value;
    struct kp_reader              rest;

    MAYBE(type == KP_ENTRY_OFFSET_COMMIT); /* keys of type 0 have the same body */
    kp_offset_commit_key_init(&key);
    if (kp_offset_commit_key_decode(reader, 0, &key) != ERR_OK) {
        groups->damaged++;
        return;
    }
    kp_reader_init(&rest, record->value, &groups->arena);
    kp_offset_commit_value_init(&value);
    if (record->value.base != NULL && kp_offset_commit_value_read(&rest, &value) != ERR_OK) {
        groups->damaged++;
        return;
    }
    group__offset_replay(groups, &key, record->value.base == NULL ? NULL : &value, record);
}

static void replay_members(struct group *group, const struct kp_group_metadata_value *value)
{
    for (int32_t i = 0; i < value->members_count; i++) {
        const struct kp_group_metadata_value_member_metadata *from = &value->members[i];
        struct group_protocol protocol = {.name = group->protocol, .metadata = from->subscription};
        struct group_member  *member;

        if (group__member_find(group, from->member_id) != NULL) {
            continue;
        }
        member = group__member_add(group, from->member_id, from->group_instance_id, from->client_id, from->client_host);
        member->session_timeout_ms = from->session_timeout;
        member->rebalance_timeout_ms = from->rebalance_timeout >= 0 ? from->rebalance_timeout : from->session_timeout;
        group__member_set_protocols(member, &protocol, group->protocol.base == NULL ? 0 : 1);
        group__member_set_assignment(member, from->assignment);
        member->is_new = false;
        if (value->leader.base != NULL && view_equal(from->member_id, value->leader)) {
            group->leader = member;
        }
    }
}

static void replay_group(struct groups *groups, struct kp_reader *reader, const struct coord_record *record)
{
    struct kp_group_metadata_key   key;
    struct kp_group_metadata_value value;
    struct kp_reader               rest;
    struct group                  *group;

    kp_group_metadata_key_init(&key);
    kp_group_metadata_value_init(&value);
    kp_reader_init(&rest, record->value, &groups->arena);
    if (kp_group_metadata_key_decode(reader, 0, &key) != ERR_OK ||
        (record->value.base != NULL && kp_group_metadata_value_read(&rest, &value) != ERR_OK)) {
        groups->damaged++;
        return;
    }
    group = group__find(groups, key.group);
    if (group != NULL) {
        group__classic_clear(group, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    }
    if (record->value.base == NULL) {
        if (group != NULL && group->type == GROUP_CLASSIC) {
            group->recorded = false;
            if (map_count(&group->offsets) == 0) {
                group__destroy(group);
            }
        }
        return;
    }
    if (group == NULL) {
        group = group__create(groups, key.group);
    } else if (group->type == GROUP_CONSUMER) {
        group_modern__free(group, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
        group->type = GROUP_CLASSIC;
    }
    group->recorded = true;
    group->generation = value.generation;
    group__set_protocol_type(group, value.protocol_type.len == 0 ? (struct view){0} : value.protocol_type);
    group__set_protocol(group, value.protocol);
    replay_members(group, &value);
    group->state = group->member_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
    group->previous_state = group->state;
    group->state_ms = value.current_state_timestamp;
}

static void groups_replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct groups         *groups = CONTAINER_OF(machine, struct groups, machine);
    const struct kp_entry *entry = NULL;
    struct kp_reader       reader;

    groups->order = MAX(groups->order, record->offset + 1);
    kp_reader_init(&reader, record->key, &groups->arena);
    if (kp_entry_header_decode(&reader, KP_ENTRY_LOG_OFFSETS, &entry) != ERR_OK) {
        groups->damaged++;
    } else if (entry == NULL) {
        MAYBE(true); /* share groups and the like */
    } else if (entry->type == KP_ENTRY_GROUP_METADATA) {
        replay_group(groups, &reader, record);
    } else if (entry->type == KP_ENTRY_OFFSET_COMMIT || entry->type == KP_ENTRY_LEGACY_OFFSET_COMMIT) {
        replay_offset(groups, entry->type, &reader, record);
    } else {
        group_modern__replay(groups, entry->type, &reader, record);
    }
    arena_reset(&groups->arena);
}

/* --- table ------------------------------------------------------------------------------------------------------- */

struct group *group__find(struct groups *groups, struct view id)
{
    return map_get(&groups->by_id, id);
}

struct group *group__create(struct groups *groups, struct view id)
{
    struct group *group = mem_alloc(MEM_COORD, sizeof(*group) + id.len);

    group->groups = groups;
    memcpy(group->id_bytes_, id.base, id.len);
    group->id = view_of(group->id_bytes_, id.len);
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->state_ms = -1;
    list_init(&group->members);
    list_init(&group->pending_offsets);
    map_init(&group->by_member_id, MEM_COORD);
    map_init(&group->by_instance_id, MEM_COORD);
    map_init(&group->offsets, MEM_COORD);
    CHECK(map_put(&groups->by_id, id, group) == NULL);
    list_push_back(&groups->walk, &group->walk_link);
    return group;
}

void group__destroy(struct group *group)
{
    group__classic_clear(group, KP_ERR_UNKNOWN_MEMBER_ID);
    group_modern__free(group, KP_ERR_UNKNOWN_MEMBER_ID);
    group__offsets_clear(group);
    group__set_protocol(group, (struct view){0});
    group__set_protocol_type(group, (struct view){0});
    CHECK(map_remove(&group->groups->by_id, group->id) == group);
    list_remove(&group->walk_link);
    map_deinit(&group->by_member_id);
    map_deinit(&group->by_instance_id);
    map_deinit(&group->offsets);
    mem_free(MEM_COORD, group);
}

bool group__is_empty(const struct group *group)
{
    return group->type == GROUP_CONSUMER ? group_modern__is_empty(group) : group->state == GROUP_EMPTY;
}

void group__topic_removed(struct coord_machine *machine, struct view topic)
{
    struct groups *groups = CONTAINER_OF(machine, struct groups, machine);

    MAP_EACH(&groups->by_id, entry) {
        group__offset_topic_removed(entry->value, topic);
    }
    coord_log_commit(groups->slot->log, NULL);
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static void write_group_key(struct kp_writer *writer, const void *in)
{
    kp_group_metadata_key_write(writer, in);
}

static void write_group_value(struct kp_writer *writer, const void *in)
{
    kp_group_metadata_value_write(writer, 3, in); /* 4 adds tags only, and no broker writes it yet */
}

static void record_member(const struct group_member *member, struct kp_group_metadata_value_member_metadata *out)
{
    const struct group *group = member->group;

    out->member_id = member->id;
    out->group_instance_id = member->instance_id;
    out->client_id = member->client_id;
    out->client_host = member->client_host;
    out->rebalance_timeout = member->rebalance_timeout_ms;
    out->session_timeout = member->session_timeout_ms;
    out->subscription = group->protocol.base == NULL ? view_text("") : group__member_metadata(member, group->protocol);
    out->assignment = member->assignment.base == NULL ? view_text("") : member->assignment;
}

void group__add_record(struct group *group, bool with_members)
{
    struct kp_group_metadata_key   key = {.group = group->id};
    struct kp_group_metadata_value value;
    int32_t                        count = 0;

    kp_group_metadata_value_init(&value);
    value.protocol_type = group->protocol_type.base == NULL ? view_text("") : group->protocol_type;
    value.generation = group->generation;
    value.protocol = group->protocol;
    value.leader = with_members && group->leader != NULL ? group->leader->id : (struct view){0};
    value.current_state_timestamp = group->state_ms;
    if (with_members && group->member_count > 0) {
        value.members = mem_alloc(MEM_COORD, group->member_count * sizeof(*value.members));
        LIST_EACH(&group->members, node) {
            const struct group_member *member = LIST_ENTRY(node, struct group_member, link);

            if (!member->pending) {
                record_member(member, &value.members[count++]);
            }
        }
        value.members_count = count;
    }
    group->recorded = true;
    coord__add(group->groups->slot, write_group_key, &key, write_group_value, &value);
    mem_free(MEM_COORD, value.members);
}

void group__add_tombstones(struct group *group)
{
    struct kp_group_metadata_key key = {.group = group->id};

    group__offset_add_tombstones(group);
    if (group->type == GROUP_CONSUMER) {
        group_modern__add_tombstones(group);
    } else {
        coord__add(group->groups->slot, write_group_key, &key, NULL, NULL);
    }
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

int16_t group__check_id(struct view group_id, bool empty_allowed)
{
    return group_id.base == NULL || (group_id.len == 0 && !empty_allowed) ? KP_ERR_INVALID_GROUP_ID : KP_ERR_NONE;
}

bool group__route(struct coord *coord, struct coord_call *call, struct view group_id, struct groups **out_groups,
                  struct group **out_group)
{
    int16_t            error = KP_ERR_NONE;
    struct coord_slot *slot;

    call->coord_ = coord;
    call->waits_for_ = NULL;
    call->cancel_ = NULL;
    slot = coord__slot(coord, COORD_GROUPS, group_id, &error);
    if (slot == NULL) {
        coord__fail(call, error);
        return false;
    }
    *out_groups = CONTAINER_OF(slot->machine, struct groups, machine);
    *out_group = group__find(*out_groups, group_id);
    return true;
}

bool group__enter(struct coord *coord, struct coord_call *call, struct view group_id, bool empty_allowed,
                  struct groups **out_groups, struct group **out_group)
{
    call->coord_ = coord;
    if (group__check_id(group_id, empty_allowed) != 0) {
        coord__fail(call, KP_ERR_INVALID_GROUP_ID);
        return false;
    }
    return group__route(coord, call, group_id, out_groups, out_group);
}

struct view group__make_member_id(struct coord *coord, struct coord_call *call, struct view prefix)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t           random[16];
    uint8_t          *text = coord__alloc(call, 1, prefix.len + 1 + 36);
    size_t            at = 0;

    if (text == NULL) {
        return (struct view){0};
    }
    io_random(coord->shard->io, span_of(random, sizeof(random)));
    random[6] = (uint8_t)((random[6] & 0x0f) | 0x40);
    random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
    if (prefix.len > 0) {
        memcpy(text, prefix.base, prefix.len);
        at = prefix.len;
    }
    text[at++] = '-';
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = (uint8_t)digits[random[i] >> 4];
        text[at++] = (uint8_t)digits[random[i] & 15];
    }
    return view_of(text, at);
}

/* One wait for each group of a call. */
struct group_barrier {
    struct coord_call *call;
    int32_t            left;
    int16_t            error;
};

struct group_barrier_write {
    struct coord_write    write;
    struct group_barrier *barrier;
};

static void group_barrier_pass(struct group_barrier *barrier, int16_t error)
{
    if (error != 0 && barrier->error == 0) {
        barrier->error = error;
    }
    if (--barrier->left > 0) {
        return;
    }
    if (barrier->error != 0) {
        coord__fail(barrier->call, barrier->error);
    } else {
        coord__finish(barrier->call);
    }
}

static void group_barrier_done(struct coord_write *write, int16_t error)
{
    group_barrier_pass(CONTAINER_OF(write, struct group_barrier_write, write)->barrier, error);
}

void group__commit_all(struct coord *coord, struct coord_call *call, const struct view *group_ids, int32_t count)
{
    struct group_barrier       *barrier = coord__alloc(call, 1, sizeof(*barrier));
    struct group_barrier_write *writes = coord__alloc(call, (size_t)MAX(count, 0), sizeof(*writes));

    if (barrier == NULL || writes == NULL) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    *barrier = (struct group_barrier){.call = call, .left = 1};
    for (int32_t i = 0; i < count; i++) {
        int16_t            error;
        struct coord_slot *slot = coord__slot(coord, COORD_GROUPS, group_ids[i], &error);

        if (slot != NULL) {
            barrier->left++;
            writes[i].barrier = barrier;
            writes[i].write.done = group_barrier_done;
            coord_log_commit(slot->log, &writes[i].write);
        }
    }
    group_barrier_pass(barrier, KP_ERR_NONE);
}
