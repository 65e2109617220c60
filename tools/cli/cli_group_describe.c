/* cli_group_describe.c: millrace group describe, for groups of both protocols. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_group.h"

struct owner {
    const char *topic;
    int32_t     partition;
    struct view member, client, host;
};

struct described {
    const char         *group;
    struct cli_section *groups, *members, *positions;
    struct owner       *owners; /* who reads which partition */
    size_t              owner_count, owner_capacity;
    int64_t             lag;
};

static void described_own(struct cli *cli, struct described *d, const char *topic, int32_t partition,
                          const struct owner *owner)
{
    if (d->owner_count == d->owner_capacity) {
        size_t        capacity = MAX(2 * d->owner_capacity, (size_t)64);
        struct owner *owners = cli_alloc_array(cli, capacity, sizeof(*owners));

        if (d->owner_count > 0) {
            memcpy(owners, d->owners, d->owner_count * sizeof(*owners));
        }
        d->owners = owners;
        d->owner_capacity = capacity;
    }
    d->owners[d->owner_count] = *owner;
    d->owners[d->owner_count].topic = topic;
    d->owners[d->owner_count].partition = partition;
    d->owner_count++;
}

/* A consumer's assignment as clients write it: version, then topics with partitions. What does not parse counts as
 * nothing: the broker does not look inside either. */
static int32_t described_assignment(struct cli *cli, struct described *d, struct view bytes, const struct owner *owner)
{
    struct kp_reader reader;
    int32_t          topics, total = 0;

    if (bytes.len == 0) {
        return 0;
    }
    kp_reader_init(&reader, bytes, &cli->arena);
    (void)kp_read_int16(&reader);
    topics = kp_read_count(&reader, false, false, 6);
    for (int32_t t = 0; t < topics && reader.error == ERR_OK; t++) {
        struct view    topic = kp_read_string(&reader, false, false);
        int32_t        count = 0;
        const int32_t *partitions = kp_read_int32_array(&reader, false, false, &count);
        const char    *name = reader.error == ERR_OK ? cli_text_copy(cli, topic) : NULL;

        for (int32_t p = 0; p < count && reader.error == ERR_OK; p++) {
            described_own(cli, d, name, partitions[p], owner);
            total++;
        }
    }
    return total;
}

static void described_member(struct described *d, struct view member, struct view instance, struct view client,
                             struct view host, int32_t epoch, int32_t partitions)
{
    cli_row(d->members);
    cli_put_text(d->members, "group", d->group);
    cli_put_view(d->members, "member", member);
    cli_put_view(d->members, "instance", instance);
    cli_put_view(d->members, "client", client);
    cli_put_view(d->members, "host", host);
    if (epoch < 0) {
        cli_put_none(d->members, "epoch");
    } else {
        cli_put_number(d->members, "epoch", epoch);
    }
    cli_put_number(d->members, "partitions", partitions);
}

/* --- the two protocols ------------------------------------------------------------------------------------------- */

struct head {
    struct view state, assignor;
    const char *type;
    int32_t     members, epoch, coordinator;
};

/* False: not a group of this kind. */
static bool describe_modern(struct cli *cli, struct described *d, struct head *head)
{
    struct kp_consumer_group_describe_request *request =
        CLI_NEW(cli, kp_consumer_group_describe_request, kp_consumer_group_describe_request_init);
    const struct kp_consumer_group_describe_response        *response;
    const struct kp_consumer_group_describe_response_groups *group;
    struct view                                             *name = cli_alloc(cli, sizeof(*name));

    *name = view_text(d->group);
    request->group_ids = name;
    request->group_ids_count = 1;
    do {
        head->coordinator = cli_coordinator(cli, CLI_GROUP, d->group);
        if (cli_version(cli, head->coordinator, KP_CONSUMER_GROUP_DESCRIBE_KEY) < 0) {
            return false;
        }
        response = cli_call(cli, head->coordinator, KP_CONSUMER_GROUP_DESCRIBE_KEY, request);
    } while (response->groups_count > 0 && cli_again(cli, response->groups->error_code));
    group = response->groups;
    if (response->groups_count < 1 || group->error_code != KP_ERR_NONE) {
        return false;
    }
    *head = (struct head){.state = group->group_state,
                          .assignor = group->assignor_name,
                          .type = "consumer",
                          .members = group->members_count,
                          .epoch = group->group_epoch,
                          .coordinator = head->coordinator};
    for (int32_t m = 0; m < group->members_count; m++) {
        const struct kp_consumer_group_describe_response_groups_members *member = &group->members[m];
        struct owner owner = {.member = member->member_id, .client = member->client_id, .host = member->client_host};
        int32_t      total = 0;

        for (int32_t t = 0; t < member->assignment.topic_partitions_count; t++) {
            const char *topic = cli_text_copy(cli, member->assignment.topic_partitions[t].topic_name);

            for (int32_t p = 0; p < member->assignment.topic_partitions[t].partitions_count; p++) {
                described_own(cli, d, topic, member->assignment.topic_partitions[t].partitions[p], &owner);
                total++;
            }
        }
        described_member(d, member->member_id, member->instance_id, member->client_id, member->client_host,
                         member->member_epoch, total);
    }
    return true;
}

static bool describe_classic(struct cli *cli, struct described *d, struct head *head)
{
    struct kp_describe_groups_request *request =
        CLI_NEW(cli, kp_describe_groups_request, kp_describe_groups_request_init);
    const struct kp_describe_groups_response        *response;
    const struct kp_describe_groups_response_groups *group;
    struct view                                     *name = cli_alloc(cli, sizeof(*name));

    *name = view_text(d->group);
    request->groups = name;
    request->groups_count = 1;
    do {
        head->coordinator = cli_coordinator(cli, CLI_GROUP, d->group);
        response = cli_call(cli, head->coordinator, KP_DESCRIBE_GROUPS_KEY, request);
    } while (response->groups_count > 0 && cli_again(cli, response->groups->error_code));
    group = response->groups;
    if (response->groups_count < 1 || group->error_code != KP_ERR_NONE ||
        view_equal(group->group_state, view_text("Dead"))) { /* before version 6: not there */
        int16_t code = response->groups_count < 1 || group->error_code == KP_ERR_NONE
                           ? (int16_t)KP_ERR_GROUP_ID_NOT_FOUND
                           : group->error_code;

        cli_group_fail(cli, "describe", d->group, code, (struct view){0});
        return false;
    }
    *head = (struct head){.state = group->group_state,
                          .assignor = group->protocol_data,
                          .type = "classic",
                          .members = group->members_count,
                          .epoch = -1,
                          .coordinator = head->coordinator};
    for (int32_t m = 0; m < group->members_count; m++) {
        const struct kp_describe_groups_response_groups_members *member = &group->members[m];
        struct owner owner = {.member = member->member_id, .client = member->client_id, .host = member->client_host};
        bool         consumer = view_equal(group->protocol_type, view_text("consumer"));
        int32_t      total = consumer ? described_assignment(cli, d, member->member_assignment, &owner) : 0;

        described_member(d, member->member_id, member->group_instance_id, member->client_id, member->client_host, -1,
                         total);
    }
    return true;
}

/* --- positions --------------------------------------------------------------------------------------------------- */

static const struct owner *described_owner(const struct described *d, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < d->owner_count; i++) {
        if (d->owners[i].partition == partition && strcmp(d->owners[i].topic, topic) == 0) {
            return &d->owners[i];
        }
    }
    return NULL;
}

/* Ends of these partitions; -1 where the topic is gone. */
static int64_t *described_ends(struct cli *cli, const struct cli_committed *rows, size_t count)
{
    int64_t *ends = cli_alloc_array(cli, count + 1, sizeof(*ends));

    for (size_t i = 0; i < count;) {
        const struct kp_metadata_response *response = cli_topics(cli, &rows[i].topic, 1);
        size_t                             begin = i, all = 0;
        struct cli_place                  *places;

        for (; i < count && strcmp(rows[i].topic, rows[begin].topic) == 0; i++) {
            ends[i] = -1;
        }
        if (response->topics_count < 1 || response->topics->error_code != KP_ERR_NONE) {
            continue;
        }
        places = cli_places(cli, &rows[begin].topic, 1, NULL, &all);
        cli_resolve(cli, &(struct cli_position){.kind = CLI_AT_END}, places, all);
        for (size_t k = begin; k < i; k++) {
            for (size_t p = 0; p < all; p++) {
                ends[k] = places[p].partition == rows[k].partition ? places[p].offset : ends[k];
            }
        }
    }
    return ends;
}

static void described_position(struct described *d, const struct cli_committed *row, int64_t end)
{
    const struct owner *owner = described_owner(d, row->topic, row->partition);

    cli_row(d->positions);
    cli_put_text(d->positions, "group", d->group);
    cli_put_text(d->positions, "topic", row->topic);
    cli_put_number(d->positions, "partition", row->partition);
    if (row->offset < 0) {
        cli_put_none(d->positions, "committed");
    } else {
        cli_put_number(d->positions, "committed", row->offset);
    }
    if (end < 0) {
        cli_put_none(d->positions, "end");
    } else {
        cli_put_number(d->positions, "end", end);
    }
    if (end < 0 || row->offset < 0) {
        cli_put_none(d->positions, "lag");
    } else {
        cli_put_number(d->positions, "lag", MAX(end - row->offset, 0));
        d->lag += MAX(end - row->offset, 0);
    }
    cli_put_view(d->positions, "member", owner == NULL ? (struct view){0} : owner->member);
    cli_put_view(d->positions, "host", owner == NULL ? (struct view){0} : owner->host);
}

/* Committed positions, and partitions that are assigned without one. */
static struct cli_committed *described_rows(struct cli *cli, const struct described *d, size_t *out_count)
{
    size_t                count = 0;
    struct cli_committed *committed = cli_group_positions(cli, d->group, &count);
    struct cli_committed *rows = cli_alloc_array(cli, count + d->owner_count + 1, sizeof(*rows));

    memcpy(rows, committed, count * sizeof(*rows));
    for (size_t i = 0; i < d->owner_count; i++) {
        bool known = false;

        for (size_t k = 0; k < count && !known; k++) {
            known = rows[k].partition == d->owners[i].partition && strcmp(rows[k].topic, d->owners[i].topic) == 0;
        }
        if (!known) {
            rows[count++] =
                (struct cli_committed){.topic = d->owners[i].topic, .partition = d->owners[i].partition, .offset = -1};
        }
    }
    *out_count = count;
    return rows;
}

static void describe_one(struct cli *cli, struct described *d)
{
    struct head                 head = {0};
    const struct cli_committed *rows;
    const int64_t              *ends;
    size_t                      count = 0;

    if (!describe_modern(cli, d, &head) && !describe_classic(cli, d, &head)) {
        return;
    }
    rows = described_rows(cli, d, &count);
    ends = described_ends(cli, rows, count);
    for (size_t i = 0; i < count; i++) {
        described_position(d, &rows[i], ends[i]);
    }
    cli_row(d->groups);
    cli_put_text(d->groups, "group", d->group);
    cli_put_view(d->groups, "state", head.state);
    cli_put_text(d->groups, "type", head.type);
    cli_put_view(d->groups, "assignor", head.assignor.len == 0 ? (struct view){0} : head.assignor);
    cli_put_number(d->groups, "coordinator", head.coordinator);
    cli_put_number(d->groups, "members", head.members);
    cli_put_number(d->groups, "lag", d->lag);
    cli->good++;
}

int cli_group_describe_run(struct cli *cli)
{
    struct described d = {.groups = cli_table(cli, "groups", NULL),
                          .members = cli_table(cli, "members", NULL),
                          .positions = cli_table(cli, "positions", NULL)};

    for (int i = 0; i < cli_operand_count(cli); i++) {
        d.group = cli_operand(cli, i);
        d.lag = 0;
        d.owner_count = 0;
        describe_one(cli, &d);
    }
    cli_sort(d.positions);
    if (!cli_out_is_json(cli)) {
        bool members = cli_flag(cli, "members"), summary = cli_flag(cli, "summary");

        cli_out_hide(members || summary ? d.positions : d.members);
        if (summary && !members) {
            cli_out_hide(d.members);
        }
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}
