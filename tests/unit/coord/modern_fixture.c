/* modern_fixture.c: see modern_fixture.h. */
#include "tests/unit/coord/modern_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "core/proto/kp_error.h"

static struct fixture *of(struct modern_host *host)
{
    return CONTAINER_OF(host, struct fixture, host);
}

static int64_t now_ns(struct modern_host *host)
{
    return of(host)->now_ns;
}

static int64_t wall_ms(struct modern_host *host)
{
    return 1700000000000 + of(host)->now_ns / NS_PER_MS;
}

static uint64_t next_random(struct modern_host *host)
{
    return of(host)->random += UINT64_C(0x9e3779b97f4a7c15);
}

static void get_settings(struct modern_host *host, struct view group_id, struct modern_settings *out_settings)
{
    assert_true(group_id.len != 0);
    *out_settings = of(host)->settings;
}

static int64_t topics_version(struct modern_host *host)
{
    return of(host)->topics_version;
}

static void show(const struct fixture_topic *topic, struct modern_topic *out_topic)
{
    *out_topic = (struct modern_topic){
        .name = view_text(topic->name), .id = topic->id, .partition_count = topic->partition_count};
}

static bool topic_next(struct modern_host *host, size_t *position, struct modern_topic *out_topic)
{
    while (*position < of(host)->topic_count) {
        const struct fixture_topic *topic = &of(host)->topics[(*position)++];

        if (!topic->gone) {
            show(topic, out_topic);
            return true;
        }
    }
    return false;
}

static bool topic_by_name(struct modern_host *host, struct view name, struct modern_topic *out_topic)
{
    for (size_t at = 0; topic_next(host, &at, out_topic);) {
        if (view_equal(out_topic->name, name)) {
            return true;
        }
    }
    return false;
}

static bool topic_by_id(struct modern_host *host, struct uuid id, struct modern_topic *out_topic)
{
    for (size_t at = 0; topic_next(host, &at, out_topic);) {
        if (uuid_equal(out_topic->id, id)) {
            return true;
        }
    }
    return false;
}

static void expired(struct modern_host *host, struct modern_member *member)
{
    modern_batch_reset(&host->batch);
    if (modern_expire(member) != NULL) {
        modern_fence(member->group, member);
        of(host)->fenced++;
        fixture_apply(of(host));
    }
}

static const struct modern_host_ops ops = {
    .now_ns = now_ns,
    .wall_ms = wall_ms,
    .random = next_random,
    .settings = get_settings,
    .topics_version = topics_version,
    .topic_by_name = topic_by_name,
    .topic_by_id = topic_by_id,
    .topic_next = topic_next,
    .expired = expired,
};

void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.now_ns = NS_PER_S, .topics_version = 1};
    timer_heap_init(&fixture->timers);
    modern_host_init(&fixture->host, &ops, &fixture->timers);
    arena_init(&fixture->arena, MEM_TEST, 4096, (size_t)(16 * MIB));
    fixture->settings = (struct modern_settings){.session_timeout_ms = 45000,
                                                 .heartbeat_interval_ms = 5000,
                                                 .size_max = INT32_MAX,
                                                 .classic_size_max = INT32_MAX,
                                                 .upgrade = true,
                                                 .downgrade = true,
                                                 .assignors = 3,
                                                 .assignor = ASSIGN_UNIFORM};
    fixture->group = modern_group_create(&fixture->host, view_text("g"));
}

void fixture_deinit(struct fixture *fixture)
{
    modern_group_destroy(fixture->group);
    for (size_t i = 0; i < fixture->log_count; i++) {
        free(fixture->log[i].key);
        free(fixture->log[i].value);
    }
    free(fixture->log);
    modern_host_deinit(&fixture->host);
    timer_heap_deinit(&fixture->timers);
    arena_deinit(&fixture->arena);
}

void fixture_topic(struct fixture *fixture, const char *name, int32_t partition_count)
{
    struct fixture_topic *topic = NULL;

    for (size_t i = 0; i < fixture->topic_count; i++) {
        if (strcmp(fixture->topics[i].name, name) == 0 && !fixture->topics[i].gone) {
            topic = &fixture->topics[i];
        }
    }
    if (topic == NULL) {
        assert_true(fixture->topic_count < FIXTURE_TOPICS_MAX);
        topic = &fixture->topics[fixture->topic_count++];
        (void)snprintf(topic->name, sizeof(topic->name), "%s", name);
        /* Ids in another order than names. */
        topic->id.bytes[0] = (uint8_t)(fixture->topic_count * 37);
        topic->id.bytes[15] = (uint8_t)fixture->topic_count;
    }
    topic->partition_count = partition_count;
    fixture->topics_version++;
}

void fixture_topic_delete(struct fixture *fixture, const char *name)
{
    for (size_t i = 0; i < fixture->topic_count; i++) {
        if (strcmp(fixture->topics[i].name, name) == 0) {
            fixture->topics[i].gone = true;
        }
    }
    fixture->topics_version++;
}

void fixture_advance_ms(struct fixture *fixture, int64_t ms)
{
    int64_t until = fixture->now_ns + ms * NS_PER_MS;

    while (timer_heap_next_ns(&fixture->timers) <= until) {
        fixture->now_ns = MAX(fixture->now_ns, timer_heap_next_ns(&fixture->timers));
        (void)timer_heap_run(&fixture->timers, fixture->now_ns);
    }
    fixture->now_ns = until;
}

static uint8_t *copy(struct view bytes)
{
    uint8_t *to = malloc(bytes.len + 1);

    memcpy(to, bytes.base, bytes.len);
    return to;
}

void fixture_apply(struct fixture *fixture)
{
    struct modern_batch *batch = &fixture->host.batch;

    assert_false(batch->overflow);
    fixture->events++;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct modern_record *record = &batch->items[i];

        if (fixture->log_count == fixture->log_capacity) {
            fixture->log_capacity = MAX((size_t)64, fixture->log_capacity * 2);
            fixture->log = realloc(fixture->log, fixture->log_capacity * sizeof(fixture->log[0]));
        }
        fixture->log[fixture->log_count++] =
            (struct fixture_record){.key = copy(record->key),
                                    .key_len = record->key.len,
                                    .value = record->value.base == NULL ? NULL : copy(record->value),
                                    .value_len = record->value.len,
                                    .event = fixture->events};
        assert_int_equal(modern_replay(fixture->group, record->key, record->value), ERR_OK);
    }
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

struct fixture_member fixture_member(const char *id, const char *first_topic)
{
    struct fixture_member member = {0};

    (void)snprintf(member.id, sizeof(member.id), "%s", id);
    if (first_topic != NULL) {
        member.names[member.name_count++] = first_topic;
    }
    return member;
}

void fixture_member_deinit(struct fixture_member *member)
{
    modern_parts_deinit(&member->owned);
    modern_parts_deinit(&member->told);
}

static void take_answer(struct fixture_member *member, const struct kp_consumer_group_heartbeat_response *response)
{
    member->epoch = response->member_epoch;
    (void)snprintf(member->id, sizeof(member->id), "%.*s", (int)response->member_id.len,
                   (const char *)response->member_id.base);
    if (response->assignment == NULL) {
        return;
    }
    modern_parts_clear(&member->told);
    for (int32_t t = 0; t < response->assignment->topic_partitions_count; t++) {
        const struct kp_consumer_group_heartbeat_response_topic_partitions *topic =
            &response->assignment->topic_partitions[t];

        for (int32_t i = 0; i < topic->partitions_count; i++) {
            modern_parts_push(&member->told, topic->topic_id, topic->partitions[i], 0);
        }
    }
    modern_parts_sort(&member->told);
}

static void say_owned(struct fixture *fixture, const struct modern_parts *owned,
                      struct kp_consumer_group_heartbeat_request *request)
{
    uint32_t          position = 0;
    struct modern_run run;

    request->topic_partitions =
        arena_alloc_array(&fixture->arena, owned->count + 1, sizeof(request->topic_partitions[0]));
    request->topic_partitions_count = 0;
    while (modern_parts_next_run(owned, &position, &run)) {
        int32_t *numbers = arena_alloc_array(&fixture->arena, run.count, sizeof(numbers[0]));

        for (uint32_t i = 0; i < run.count; i++) {
            numbers[i] = run.items[i].partition;
        }
        request->topic_partitions[request->topic_partitions_count++] =
            (struct kp_consumer_group_heartbeat_request_topic_partitions){
                .topic_id = run.topic_id, .partitions = numbers, .partitions_count = (int32_t)run.count};
    }
}

static int16_t send(struct fixture *fixture, const struct kp_consumer_group_heartbeat_request *request,
                    struct fixture_member *member)
{
    struct modern_client                        client = {.id = view_text("c"), .host = view_text("/127.0.0.1"), 1};
    struct kp_consumer_group_heartbeat_response response;
    int16_t                                     error = fixture_check(fixture, request, 1);

    if (error != KP_ERR_NONE) {
        return error;
    }
    kp_consumer_group_heartbeat_response_init(&response);
    modern_batch_reset(&fixture->host.batch);
    error = modern_heartbeat(fixture->group, request, &client, &fixture->arena, &response, fixture->reason);
    if (error == KP_ERR_NONE) {
        fixture_apply(fixture);
        modern_settle(fixture->group, response.member_id);
        take_answer(member, &response);
    }
    return error;
}

int16_t fixture_heartbeat(struct fixture *fixture, struct fixture_member *member, bool full)
{
    struct kp_consumer_group_heartbeat_request request;
    struct view                                names[FIXTURE_NAMES_MAX];

    arena_reset(&fixture->arena);
    kp_consumer_group_heartbeat_request_init(&request);
    request.group_id = view_text("g");
    request.member_id = view_text(member->id);
    request.member_epoch = member->epoch;
    request.instance_id = member->instance[0] == '\0' ? (struct view){0} : view_text(member->instance);
    if (full || member->epoch == 0) {
        for (int32_t i = 0; i < member->name_count; i++) {
            names[i] = view_text(member->names[i]);
        }
        request.rebalance_timeout_ms = 60000;
        request.subscribed_topic_names = names;
        request.subscribed_topic_names_count = member->name_count;
        request.subscribed_topic_regex = member->regex == NULL ? (struct view){0} : view_text(member->regex);
        request.server_assignor = member->assignor == NULL ? (struct view){0} : view_text(member->assignor);
    }
    if (member->epoch == 0) {
        modern_parts_clear(&member->owned);
        modern_parts_clear(&member->told);
    }
    say_owned(fixture, &member->owned, &request);
    return send(fixture, &request, member);
}

int16_t fixture_ping(struct fixture *fixture, struct fixture_member *member)
{
    struct kp_consumer_group_heartbeat_request request;

    arena_reset(&fixture->arena);
    kp_consumer_group_heartbeat_request_init(&request);
    request.group_id = view_text("g");
    request.member_id = view_text(member->id);
    request.member_epoch = member->epoch;
    request.instance_id = member->instance[0] == '\0' ? (struct view){0} : view_text(member->instance);
    return send(fixture, &request, member);
}

void fixture_comply(struct fixture_member *member)
{
    modern_parts_copy(&member->owned, &member->told);
}

int16_t fixture_leave(struct fixture *fixture, struct fixture_member *member, int32_t epoch)
{
    struct kp_consumer_group_heartbeat_request  request;
    struct kp_consumer_group_heartbeat_response response;
    const struct modern_member                 *fenced = NULL;

    kp_consumer_group_heartbeat_request_init(&request);
    kp_consumer_group_heartbeat_response_init(&response);
    request.group_id = view_text("g");
    request.member_id = view_text(member->id);
    request.member_epoch = epoch;
    request.instance_id = member->instance[0] == '\0' ? (struct view){0} : view_text(member->instance);
    modern_batch_reset(&fixture->host.batch);
    int16_t error = modern_leave(fixture->group, &request, &response, &fenced, fixture->reason);
    if (error != KP_ERR_NONE) {
        return error;
    }
    if (fenced != NULL) {
        modern_fence(fixture->group, fenced);
    }
    fixture_apply(fixture);
    member->epoch = 0;
    return KP_ERR_NONE;
}

int16_t fixture_check(struct fixture *fixture, const struct kp_consumer_group_heartbeat_request *request,
                      int16_t version)
{
    return modern_heartbeat_check(request, version, &fixture->settings, fixture->reason);
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

static void verify_owned(const struct modern_group *group, const struct modern_member *member,
                         const struct modern_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        assert_ptr_equal(modern_owners_get(&group->owners, parts->items[i].topic_id, parts->items[i].partition),
                         member);
    }
}

static void verify_group(const struct modern_group *group)
{
    size_t owned = 0, topics = 0, counted = 0, classic = 0;

    MAP_EACH(&group->members, entry) {
        const struct modern_member *member = entry->value;

        verify_owned(group, member, &member->assigned);
        verify_owned(group, member, &member->revoking);
        assert_false(modern_parts_overlap(&member->assigned, &member->revoking));
        owned += member->assigned.count + member->revoking.count;
        topics += member->topic_count;
        classic += member->classic != NULL ? 1 : 0;
        assert_true(member->epoch <= group->target_epoch || member->epoch <= group->epoch);
        assert_true(IMPLIES(member->state == MODERN_STABLE, member->revoking.count == 0));
        assert_true(IMPLIES(member->state == MODERN_UNREVOKED && member->epoch >= 0, member->revoking.count != 0));
        if (member->instance_id.base != NULL) {
            assert_ptr_equal(map_get(&group->instances, member->instance_id), member);
        }
    }
    assert_int_equal(owned, group->owners.count);
    assert_int_equal(classic, group->classic_count);
    MAP_EACH(&group->topics, topic) {
        counted += *(const uint32_t *)topic->value;
    }
    assert_int_equal(counted, topics);
    assert_true(group->target_epoch <= group->epoch);
}

void fixture_verify(const struct fixture *fixture)
{
    verify_group(fixture->group);
}

static void text_equal(struct view a, struct view b)
{
    assert_int_equal(a.base == NULL, b.base == NULL);
    assert_true(view_equal(a, b));
}

static void members_equal(const struct modern_member *a, const struct modern_member *b)
{
    assert_non_null(b);
    text_equal(a->instance_id, b->instance_id);
    text_equal(a->regex, b->regex);
    text_equal(a->assignor, b->assignor);
    assert_true(modern__names_equal(a->topics, a->topic_count, b->topics, b->topic_count));
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->previous_epoch, b->previous_epoch);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->rebalance_timeout_ms, b->rebalance_timeout_ms);
    assert_true(modern_parts_equal_epochs(&a->assigned, &b->assigned));
    assert_true(modern_parts_equal_epochs(&a->revoking, &b->revoking));
    assert_true(modern_parts_equal(&a->target, &b->target));
}

void fixture_groups_equal(const struct modern_group *a, const struct modern_group *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->target_epoch, b->target_epoch);
    assert_int_equal(a->target_ms, b->target_ms);
    assert_int_equal(a->metadata_hash, b->metadata_hash);
    assert_int_equal(a->persisted, b->persisted);
    assert_int_equal(map_count(&a->members), map_count(&b->members));
    assert_int_equal(a->owners.count, b->owners.count);
    MAP_EACH(&a->members, entry) {
        members_equal(entry->value, modern_member_find(b, view_of(entry->key, entry->key_len)));
    }
    MAP_EACH(&a->regexes, regex) {
        const struct modern_regex *left = regex->value;
        const struct modern_regex *right = map_get(&b->regexes, view_of(regex->key, regex->key_len));

        assert_non_null(right);
        assert_int_equal(left->resolved, right->resolved);
        assert_int_equal(left->subscribers, right->subscribers);
        assert_true(modern__names_equal(left->topics, left->topic_count, right->topics, right->topic_count));
    }
    assert_int_equal(map_count(&a->regexes), map_count(&b->regexes));
}

static struct view key_of(const struct fixture_record *record)
{
    return view_of(record->key, record->key_len);
}

static struct modern_group *replay(struct fixture *fixture, const bool *dropped)
{
    struct modern_group *group = modern_group_create(&fixture->host, view_text("g"));

    for (size_t i = 0; i < fixture->log_count; i++) {
        const struct fixture_record *record = &fixture->log[i];
        struct view                  value = {0};

        if (record->value != NULL) {
            value = view_of(record->value, record->value_len);
        }
        if (dropped == NULL || !dropped[i]) {
            assert_int_equal(modern_replay(group, key_of(record), value), ERR_OK);
        }
        /* Between two events, which stand in one batch each, everything holds. */
        if (dropped == NULL && (i + 1 == fixture->log_count || fixture->log[i + 1].event != record->event)) {
            verify_group(group);
        }
    }
    return group;
}

void fixture_verify_replay(struct fixture *fixture)
{
    struct modern_group *group = replay(fixture, NULL);
    bool                *dropped = calloc(fixture->log_count + 1, sizeof(bool));
    struct prng          prng;

    fixture_groups_equal(fixture->group, group);
    modern_group_destroy(group);
    /* Compaction may have removed any record whose key comes again later. */
    prng_init(&prng, fixture->log_count);
    for (size_t i = 0; i < fixture->log_count; i++) {
        for (size_t later = i + 1; later < fixture->log_count && !dropped[i]; later++) {
            dropped[i] = view_equal(key_of(&fixture->log[i]), key_of(&fixture->log[later])) && prng_chance(&prng, 1, 2);
        }
    }
    group = replay(fixture, dropped);
    verify_group(group);
    fixture_groups_equal(fixture->group, group);
    modern_group_destroy(group);
    free(dropped);
}

/* --- one group for a test ---------------------------------------------------------------------------------------- */

struct fixture fx;

int fixture_setup(void **state)
{
    (void)state;
    fixture_init(&fx);
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    fixture_verify(&fx);
    fixture_verify_replay(&fx);
    fixture_deinit(&fx);
    return 0;
}

void ok(int16_t error)
{
    if (error != KP_ERR_NONE) {
        fail_msg("error %d: %s", error, fx.reason);
    }
}

void settle(struct fixture_member *const *members, size_t count)
{
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < count; i++) {
            ok(fixture_heartbeat(&fx, members[i], false));
            fixture_comply(members[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(modern_parts_equal(&members[i]->owned, &members[i]->told));
    }
}
