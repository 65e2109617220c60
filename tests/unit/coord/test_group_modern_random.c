/* Random events against a consumer group, seen from its clients: whatever happens, no two of them hold a partition at a
 * time, epochs only rise, what is in the log is what the group is, and in the end everybody has what the assignor says.
 *
 * Clients misbehave as real ones do: answers get lost, they are slow to give up partitions, they vanish and come back
 * under the same or another id, they change their minds. The coordinator dies and is made again from its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "core/proto/kp_error.h"
#include "tests/unit/coord/modern_fixture.h"

#define CLIENTS 7
#define SEEDS   120
#define EVENTS  250

static const char *const topics[] = {"a", "b", "cc", "cd", "dd"};
static const char *const regexes[] = {"c.*", ".*d", "[ab]", "", "nothing"};
static const char *const assignors[] = {NULL, "range", "uniform"};

struct client {
    struct fixture_member member;
    bool                  here;   /* thinks that it is a member */
    bool                  unsure; /* its last answer was lost: it tells everything, takes nothing before the next */
    uint32_t              times;
};

struct world {
    struct fixture fx;
    struct prng    prng;
    struct client  clients[CLIENTS];
    int32_t        epoch;
};

static bool chance(struct world *world, uint64_t percent)
{
    return prng_chance(&world->prng, percent, 100);
}

static const char *pick(struct world *world, const char *const *from, size_t count)
{
    return from[prng_below(&world->prng, count)];
}

static void choose_subscription(struct world *world, struct fixture_member *member)
{
    member->name_count = 0;
    for (size_t t = 0; t < COUNT_OF(topics); t++) {
        if (chance(world, 40)) {
            member->names[member->name_count++] = topics[t];
        }
    }
    member->regex = chance(world, 30) ? pick(world, regexes, COUNT_OF(regexes)) : "";
    member->assignor = pick(world, assignors, COUNT_OF(assignors));
}

static void forget(struct client *client)
{
    client->here = false;
    client->member.epoch = 0;
    modern_parts_clear(&client->member.owned);
    modern_parts_clear(&client->member.told);
}

/* What no member may see: somebody else with what it holds. A client whose member is gone does not know it yet; it may
 * hold what others have now, as in Kafka. */
static bool is_member(const struct world *world, const struct client *client)
{
    const struct modern_member *member = modern_member_find(world->fx.group, view_text(client->member.id));

    return client->here && member != NULL && client->member.epoch > 0 &&
           (client->member.epoch == member->epoch || client->member.epoch == member->previous_epoch);
}

static void check_clients(struct world *world)
{
    for (size_t a = 0; a < CLIENTS; a++) {
        for (size_t b = 0; b < a; b++) {
            if (is_member(world, &world->clients[a]) && is_member(world, &world->clients[b])) {
                assert_false(modern_parts_overlap(&world->clients[a].member.owned, &world->clients[b].member.owned));
            }
        }
    }
    assert_true(world->fx.group->epoch >= world->epoch);
    world->epoch = world->fx.group->epoch;
    fixture_verify(&world->fx);
}

static void beat(struct world *world, struct client *client, bool reliable)
{
    struct fixture_member before = client->member;
    struct modern_parts   told = {0};
    int16_t               error;

    modern_parts_copy(&told, &client->member.told);
    error = !reliable && !client->unsure && chance(world, 20) && client->member.epoch != 0
                ? fixture_ping(&world->fx, &client->member)
                : fixture_heartbeat(&world->fx, &client->member, client->unsure || (!reliable && chance(world, 10)));
    switch (error) {
    case KP_ERR_NONE:
        if (!reliable && chance(world, 10) && before.epoch != 0) {
            /* The answer never came. */
            client->member.epoch = before.epoch;
            modern_parts_copy(&client->member.told, &told);
            client->unsure = true;
        } else {
            client->unsure = false;
        }
        client->here = true;
        break;
    case KP_ERR_FENCED_MEMBER_EPOCH:
    case KP_ERR_UNKNOWN_MEMBER_ID:
    case KP_ERR_FENCED_INSTANCE_ID:
        forget(client);
        break;
    case KP_ERR_UNRELEASED_INSTANCE_ID:
        break;
    default:
        fail_msg("error %d: %s", error, world->fx.reason);
    }
    modern_parts_deinit(&told);
}

static void comply(struct world *world, struct client *client)
{
    struct modern_parts keep = {0};

    if (!client->here) {
        return;
    }
    if (!client->unsure && chance(world, 70)) {
        fixture_comply(&client->member);
        return;
    }
    /* Gives up, but is not done with what is new. */
    modern_parts_intersect(&client->member.owned, &client->member.told, &keep);
    modern_parts_move(&client->member.owned, &keep);
}

static void leave(struct world *world, struct client *client)
{
    bool    returns = client->member.instance[0] != '\0' && chance(world, 60);
    int16_t error =
        fixture_leave(&world->fx, &client->member, returns ? MODERN_EPOCH_LEAVE_STATIC : MODERN_EPOCH_LEAVE);

    assert_true(error == KP_ERR_NONE || error == KP_ERR_UNKNOWN_MEMBER_ID || error == KP_ERR_FENCED_INSTANCE_ID);
    forget(client);
}

/* Comes back as somebody else. */
static void rename_client(struct client *client, size_t number)
{
    client->times++;
    (void)snprintf(client->member.id, sizeof(client->member.id), "m%zu-%u", number, client->times);
}

static void change_topics(struct world *world)
{
    const char *name = pick(world, topics, COUNT_OF(topics));

    if (world->fx.topic_count + 2 > FIXTURE_TOPICS_MAX) {
        return;
    }
    if (chance(world, 30)) {
        fixture_topic_delete(&world->fx, name);
    } else {
        fixture_topic(&world->fx, name, 1 + (int32_t)prng_below(&world->prng, 9));
    }
}

static void restart(struct world *world)
{
    struct fixture      *fixture = &world->fx;
    struct modern_group *group = modern_group_create(&fixture->host, view_text("g"));

    for (size_t i = 0; i < fixture->log_count; i++) {
        struct view value = {0};

        if (fixture->log[i].value != NULL) {
            value = view_of(fixture->log[i].value, fixture->log[i].value_len);
        }
        assert_int_equal(modern_replay(group, view_of(fixture->log[i].key, fixture->log[i].key_len), value), ERR_OK);
    }
    fixture_groups_equal(fixture->group, group);
    modern_group_destroy(fixture->group);
    fixture->group = group;
    modern_loaded(group);
}

static void event(struct world *world)
{
    size_t         number = prng_below(&world->prng, CLIENTS);
    struct client *client = &world->clients[number];
    uint64_t       dice = prng_below(&world->prng, 100);

    if (dice < 55) {
        beat(world, client, false);
    } else if (dice < 75) {
        comply(world, client);
    } else if (dice < 80) {
        choose_subscription(world, &client->member);
        if (client->here && client->member.epoch > 0 &&
            fixture_heartbeat(&world->fx, &client->member, true) != KP_ERR_NONE) {
            forget(client);
        }
    } else if (dice < 84 && client->here) {
        leave(world, client);
        if (chance(world, 50)) {
            rename_client(client, number);
        }
    } else if (dice < 86) {
        forget(client); /* crashes */
        rename_client(client, number);
    } else if (dice < 90) {
        change_topics(world);
    } else if (dice < 92) {
        restart(world);
    } else {
        fixture_advance_ms(&world->fx, (int64_t)prng_below(&world->prng, 9000));
    }
    check_clients(world);
}

static bool reads(const struct fixture_member *member, const char *name)
{
    struct group_regex *regex = NULL;
    char                reason[100];
    bool                matches = false;

    for (int32_t i = 0; i < member->name_count; i++) {
        if (strcmp(member->names[i], name) == 0) {
            return true;
        }
    }
    if (member->regex[0] != '\0' &&
        group_regex_compile(view_text(member->regex), &regex, span_of(reason, sizeof(reason))) == ERR_OK) {
        matches = group_regex_match(regex, view_text(name));
        group_regex_destroy(regex);
    }
    return matches;
}

/* Everybody behaves, time passes: then each partition that somebody reads is held, by one who reads it. */
static void calm_down(struct world *world)
{
    for (int round = 0; round < 30; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            beat(world, &world->clients[i], true);
            if (world->clients[i].here) {
                fixture_comply(&world->clients[i].member);
            }
            check_clients(world);
        }
        fixture_advance_ms(&world->fx, 4000);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        /* The last words on subscriptions. */
        assert_int_equal(fixture_heartbeat(&world->fx, &world->clients[i].member, true), KP_ERR_NONE);
        fixture_comply(&world->clients[i].member);
    }
    for (int round = 0; round < 12; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            beat(world, &world->clients[i], true);
            fixture_comply(&world->clients[i].member);
        }
        fixture_advance_ms(&world->fx, 1000);
    }
    assert_string_equal(modern_group_state(world->fx.group), "Stable");
    for (size_t t = 0; t < world->fx.topic_count; t++) {
        const struct fixture_topic *topic = &world->fx.topics[t];

        for (int32_t p = 0; p < topic->partition_count; p++) {
            uint32_t holders = 0, readers = 0;

            for (size_t i = 0; i < CLIENTS; i++) {
                bool read = !topic->gone && reads(&world->clients[i].member, topic->name);
                bool held = modern_parts_find(&world->clients[i].member.owned, topic->id, p) != NULL;

                assert_true(IMPLIES(held, read));
                readers += read;
                holders += held;
            }
            assert_int_equal(holders, readers == 0 ? 0 : 1);
        }
    }
}

static void test_random(void **state)
{
    static struct world world;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        world = (struct world){0};
        fixture_init(&world.fx);
        prng_init(&world.prng, seed);
        world.fx.settings.assignment_interval_ms = seed % 2 == 0 ? 1000 : 0;
        for (size_t i = 0; i < CLIENTS; i++) {
            world.clients[i].member = fixture_member("", NULL);
            rename_client(&world.clients[i], i);
            if (i < 3) {
                (void)snprintf(world.clients[i].member.instance, sizeof(world.clients[i].member.instance), "i%zu", i);
            }
            choose_subscription(&world, &world.clients[i].member);
        }
        for (int i = 0; i < EVENTS; i++) {
            event(&world);
        }
        if (seed % 10 == 0) {
            fixture_verify_replay(&world.fx);
        }
        calm_down(&world);
        restart(&world);
        for (size_t i = 0; i < CLIENTS; i++) {
            fixture_member_deinit(&world.clients[i].member);
        }
        fixture_deinit(&world.fx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
