/* cli_bench_group.c: millrace bench groups: what coordinators cost.
 *
 * Member m of every group that a broker coordinates speaks on that broker's m-th connection. First all join and take
 * their assignments (classic protocol, the versions before flexible ones); then, until the time is up, heartbeats, and
 * after them commits, go round over all members, a few unanswered on each connection. A group whose members did not
 * all come in time for one rebalance joins again. */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_bench.h"

#include <stdio.h>

#define GROUP_ID_BYTES        96
#define GROUP_NAME_BYTES      64
#define GROUP_MEMBERS_MAX     256
#define GROUP_COORDS_MAX      256
#define GROUP_JOINS_MAX       20 /* rounds of joining before we give up */
#define GROUP_JOINS_IN_FLIGHT BENCH_IN_FLIGHT_MAX
#define GROUP_SESSION_MS      1800000
#define GROUP_REBALANCE_MS    60000

enum group_phase { GROUP_JOIN, GROUP_SYNC, GROUP_BEAT, GROUP_COMMIT };

static const struct {
    int16_t     key, version_max;
    const char *what;
} group_phases[] = {
    [GROUP_JOIN] = {KP_JOIN_GROUP_KEY, 3, "joined"},
    [GROUP_SYNC] = {KP_SYNC_GROUP_KEY, 2, "synced"},
    [GROUP_BEAT] = {KP_HEARTBEAT_KEY, 2, "heartbeats"},
    [GROUP_COMMIT] = {KP_OFFSET_COMMIT_KEY, 7, "committed offsets"},
};

struct group_member {
    char    id[GROUP_ID_BYTES];
    int32_t generation;
    bool    leads;
};

struct group {
    char    name[GROUP_NAME_BYTES];
    int32_t coordinator; /* index of its broker */
    bool    joins;       /* is to join, or to join again */
    bool    failed;      /* an answer to one of its members was an error */
};

struct groups {
    struct bench        *bench;
    struct group        *groups;
    struct group_member *members; /* by group, then member */
    int32_t              group_count, member_count, offset_count;
    int32_t              nodes[GROUP_COORDS_MAX]; /* brokers that coordinate something */
    int32_t              node_count;
    int32_t             *of_node; /* groups by broker: node_count runs of group_count */
    int32_t             *of_node_count;
    enum group_phase     phase;
    uint64_t             answered, errors;
    int16_t              first_error;
    int64_t              moved_ns; /* when something was answered last */
};

static struct groups *group_current;

static struct group_member *group_member_of(struct groups *run, int32_t group, int32_t member)
{
    return &run->members[(size_t)group * (size_t)run->member_count + (size_t)member];
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void group_make_join(struct groups *run, struct bench_conn *conn, int32_t group, int32_t member)
{
    static const uint8_t                   subscription[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct kp_join_group_request           request;
    struct kp_join_group_request_protocols protocol;

    kp_join_group_request_init(&request);
    kp_join_group_request_protocols_init(&protocol);
    protocol.name = view_text("range");
    protocol.metadata = view_of(subscription, sizeof(subscription)); /* version 0, no topics, no user data */
    request.group_id = view_text(run->groups[group].name);
    request.member_id = view_text(group_member_of(run, group, member)->id);
    request.protocol_type = view_text("consumer");
    request.session_timeout_ms = GROUP_SESSION_MS;
    request.rebalance_timeout_ms = GROUP_REBALANCE_MS;
    request.protocols = &protocol;
    request.protocols_count = 1;
    bench_make_request(conn, KP_JOIN_GROUP_KEY, &request);
}

/* The leader hands out plans of usual length. */
static void group_make_sync(struct groups *run, struct bench_conn *conn, int32_t group, int32_t member)
{
    const struct group_member               *self = group_member_of(run, group, member);
    struct kp_sync_group_request             request;
    struct kp_sync_group_request_assignments plans[GROUP_MEMBERS_MAX];

    kp_sync_group_request_init(&request);
    request.group_id = view_text(run->groups[group].name);
    request.generation_id = self->generation;
    request.member_id = view_text(self->id);
    for (int32_t i = 0; self->leads && i < run->member_count; i++) {
        kp_sync_group_request_assignments_init(&plans[i]);
        plans[i].member_id = view_text(group_member_of(run, group, i)->id);
        plans[i].assignment = view_text("thirty-six bytes, as a plan may have");
        request.assignments = plans;
        request.assignments_count = run->member_count;
    }
    bench_make_request(conn, KP_SYNC_GROUP_KEY, &request);
}

static void group_make_beat(struct groups *run, struct bench_conn *conn, int32_t group, int32_t member)
{
    const struct group_member  *self = group_member_of(run, group, member);
    struct kp_heartbeat_request request;

    kp_heartbeat_request_init(&request);
    request.group_id = view_text(run->groups[group].name);
    request.generation_id = self->generation;
    request.member_id = view_text(self->id);
    bench_make_request(conn, KP_HEARTBEAT_KEY, &request);
}

static void group_make_commit(struct groups *run, struct bench_conn *conn, int32_t group, int32_t member)
{
    const struct group_member                         *self = group_member_of(run, group, member);
    struct kp_offset_commit_request                    request;
    struct kp_offset_commit_request_topics             topic;
    struct kp_offset_commit_request_topics_partitions *places =
        arena_alloc_array(&conn->arena, (size_t)run->offset_count, sizeof(*places));

    CHECK(places != NULL);
    kp_offset_commit_request_init(&request);
    kp_offset_commit_request_topics_init(&topic);
    for (int32_t i = 0; i < run->offset_count; i++) {
        kp_offset_commit_request_topics_partitions_init(&places[i]);
        places[i].partition_index = i;
        places[i].committed_offset = (int64_t)run->answered;
        places[i].committed_metadata = view_text("");
    }
    topic.name = view_text(run->bench->plan.topic);
    topic.partitions = places;
    topic.partitions_count = run->offset_count;
    request.group_id = view_text(run->groups[group].name);
    request.generation_id_or_member_epoch = self->generation;
    request.member_id = view_text(self->id);
    request.topics = &topic;
    request.topics_count = 1;
    bench_make_request(conn, KP_OFFSET_COMMIT_KEY, &request);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static int16_t group_take_join(struct group_member *member, const struct kp_join_group_response *response)
{
    if (response->error_code == 0 || response->error_code == KP_ERR_MEMBER_ID_REQUIRED) {
        (void)snprintf(member->id, sizeof(member->id), "%.*s", (int)response->member_id.len,
                       (const char *)response->member_id.base);
        member->generation = response->generation_id;
        member->leads = view_equal(response->leader, response->member_id);
    }
    return response->error_code;
}

static int16_t group_commit_error(const struct kp_offset_commit_response *response)
{
    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            if (response->topics[t].partitions[p].error_code != 0) {
                return response->topics[t].partitions[p].error_code;
            }
        }
    }
    return 0;
}

/* The error in an answer to what stands in `flight`. */
static int16_t group_take(struct groups *run, struct bench_conn *conn, const struct bench_flight *flight,
                          struct view frame)
{
    union {
        struct kp_join_group_response    join;
        struct kp_sync_group_response    sync;
        struct kp_heartbeat_response     beat;
        struct kp_offset_commit_response commit;
    } response;
    int16_t                key = group_phases[run->phase].key;
    const struct kp_codec *codec = &kp_api_known(key)->response;
    struct kp_reader       reader;

    bench_answer_open(conn, key, frame, &reader);
    codec->init(&response);
    if (codec->decode(&reader, conn->version, &response) != ERR_OK) {
        cli_die(run->bench->cli, CLI_REFUSED, "broker %d answers with something else", conn->node);
    }
    switch (run->phase) {
    case GROUP_JOIN:
        return group_take_join(&run->members[flight->place], &response.join);
    case GROUP_SYNC:
        return response.sync.error_code;
    case GROUP_BEAT:
        return response.beat.error_code;
    case GROUP_COMMIT:
        return group_commit_error(&response.commit);
    }
    return 0;
}

static void group_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    struct groups *run = group_current;
    int16_t        error = group_take(run, conn, flight, frame);

    run->moved_ns = bench_now_ns();
    if (error != 0) {
        run->first_error = run->errors == 0 ? error : run->first_error;
        run->errors++;
        run->groups[flight->place / run->member_count].failed = true;
        return;
    }
    run->answered++;
    cli_histogram_add(run->bench->latency, run->moved_ns - flight->due_ns);
}

/* --- a phase ----------------------------------------------------------------------------------------------------- */

static bool group_once(const struct groups *run)
{
    return run->phase == GROUP_JOIN || run->phase == GROUP_SYNC;
}

/* The next group of the connection's broker, or -1: everybody had a turn. */
static int32_t group_next(struct groups *run, struct bench_conn *conn, int32_t node)
{
    while (conn->place_at < run->of_node_count[node]) {
        int32_t group = run->of_node[node * run->group_count + conn->place_at++];

        if (!group_once(run) || run->groups[group].joins) {
            return group;
        }
    }
    return -1;
}

static bool group_send(struct groups *run, int32_t at)
{
    static void (*const make[])(struct groups * run, struct bench_conn * conn, int32_t group, int32_t member) = {
        [GROUP_JOIN] = group_make_join,
        [GROUP_SYNC] = group_make_sync,
        [GROUP_BEAT] = group_make_beat,
        [GROUP_COMMIT] = group_make_commit,
    };
    struct bench_conn  *conn = &run->bench->conns[at];
    int32_t             node = at / run->member_count, member = at % run->member_count;
    int32_t             group = group_next(run, conn, node);
    struct bench_flight flight = {.due_ns = bench_now_ns()};

    if (group < 0 && !group_once(run) && run->of_node_count[node] > 0) {
        conn->place_at = 0;
        group = group_next(run, conn, node);
    }
    if (group < 0) {
        return false;
    }
    flight.place = group * run->member_count + member;
    arena_reset(&conn->arena);
    make[run->phase](run, conn, group, member);
    bench_conn_send(conn, &flight);
    return true;
}

/* Until all have been answered, or, where requests go round, the time is up. */
static void group_drive(struct groups *run, enum group_phase phase, int64_t end_ns)
{
    struct bench *bench = run->bench;
    int32_t       in_flight;
    bool          sends;

    run->phase = phase;
    in_flight =
        group_once(run) ? GROUP_JOINS_IN_FLIGHT : bench->plan.in_flight; /* groups wait for members side by side */
    run->answered = run->errors = 0;
    run->moved_ns = bench_now_ns();
    if (phase != GROUP_SYNC) { /* a part of joining */
        cli_histogram_reset(bench->latency);
    }
    for (int32_t c = 0; c < bench->conn_count; c++) {
        bench->conns[c].place_at = 0;
        bench->conns[c].version = MIN(cli_version(bench->cli, bench->conns[c].node, group_phases[phase].key),
                                      group_phases[phase].version_max);
    }
    for (;;) {
        bool over = (!group_once(run) && bench_now_ns() >= end_ns) || cli_stop_asked != 0;

        sends = false;
        for (int32_t c = 0; c < bench->conn_count && !over; c++) {
            while (!bench_conn_sending(&bench->conns[c]) && (int32_t)bench->conns[c].flight_count < in_flight &&
                   group_send(run, c)) {
                sends = true;
            }
        }
        if (!sends && bench_waiting(bench) == 0) {
            return;
        }
        bench_turn(bench, sends ? 0 : bench_now_ns() + NS_PER_S);
        if (bench_waiting(bench) > 0 && bench_now_ns() - run->moved_ns > cli_timeout_ms(bench->cli) * NS_PER_MS) {
            cli_die(bench->cli, CLI_TIMEOUT, "%s: no answer came in time", group_phases[phase].what);
        }
    }
}

/* --- the run ----------------------------------------------------------------------------------------------------- */

/* Each group's coordinator, each broker's connections. */
static void group_open(struct groups *run)
{
    struct bench *bench = run->bench;
    struct cli   *cli = bench->cli;

    run->groups = cli_alloc_array(cli, (size_t)run->group_count, sizeof(*run->groups));
    run->members = cli_alloc_array(cli, (size_t)run->group_count * (size_t)run->member_count, sizeof(*run->members));
    for (int32_t g = 0; g < run->group_count; g++) {
        int32_t node, at = 0;

        (void)snprintf(run->groups[g].name, GROUP_NAME_BYTES, "%s-%016llx-%d", BENCH_TOPIC,
                       (unsigned long long)bench->run_id, g);
        node = cli_coordinator(cli, CLI_GROUP, run->groups[g].name);
        while (at < run->node_count && run->nodes[at] != node) {
            at++;
        }
        if (at == GROUP_COORDS_MAX) {
            cli_die(cli, CLI_FAILED, "more than %d brokers coordinate groups", GROUP_COORDS_MAX);
        }
        run->nodes[at] = node;
        run->node_count = MAX(run->node_count, at + 1);
        run->groups[g].coordinator = at;
        run->groups[g].joins = true;
    }
    run->of_node = cli_alloc_array(cli, (size_t)run->node_count * (size_t)run->group_count, sizeof(int32_t));
    run->of_node_count = cli_alloc_array(cli, (size_t)run->node_count, sizeof(int32_t));
    for (int32_t g = 0; g < run->group_count; g++) {
        int32_t at = run->groups[g].coordinator;

        run->of_node[at * run->group_count + run->of_node_count[at]++] = g;
    }
    bench->conn_count = run->node_count * run->member_count;
    bench->conns = cli_alloc_array(cli, (size_t)bench->conn_count, sizeof(*bench->conns));
    for (int32_t c = 0; c < bench->conn_count; c++) {
        bench_conn_open(&bench->conns[c], bench, run->nodes[c / run->member_count], KP_HEARTBEAT_KEY, group_answered);
    }
}

static void group_row(struct groups *run, struct cli_section *table, double per_answer, double seconds, double cpu_s,
                      int64_t bytes)
{
    const struct cli_histogram *latency = run->bench->latency;
    double                      count = (double)run->answered * per_answer;

    cli_row(table);
    cli_put_text(table, "what", group_phases[run->phase].what);
    cli_put_number(table, "count", (int64_t)count);
    cli_put_number(table, "errors", (int64_t)run->errors);
    cli_put_number(table, "per_s", (int64_t)(count / MAX(seconds, 1e-9)));
    cli_put_number(table, "p50_us", cli_histogram_at(latency, 0.5) / 1000);
    cli_put_number(table, "p99_us", cli_histogram_at(latency, 0.99) / 1000);
    cli_put_number(table, "max_us", cli_histogram_at(latency, 1) / 1000);
    cli_put_number(table, "broker_cpu_ns_each", count > 0 ? (int64_t)(cpu_s * 1e9 / count) : 0);
    cli_put_bytes(table, "broker_bytes_each", count > 0 ? (int64_t)((double)bytes / count) : 0);
    if (run->errors > 0) {
        cli_fail(run->bench->cli, CLI_REFUSED, "%s: %llu answers were errors, the first one %s",
                 group_phases[run->phase].what, (unsigned long long)run->errors, kp_error_name(run->first_error));
    } else {
        run->bench->cli->good++;
    }
}

static void group_join_all(struct groups *run, struct cli_section *table)
{
    pid_t   watched = run->bench->watched;
    int64_t bytes = watched == 0 ? 0 : bench_rss_bytes(watched), begin_ns = bench_now_ns();
    double  cpu_s = watched == 0 ? 0 : bench_cpu_s(watched);
    int32_t left = run->group_count;

    for (int round = 0; left > 0 && cli_stop_asked == 0; round++) {
        if (round == GROUP_JOINS_MAX) {
            cli_die(run->bench->cli, CLI_FAILED, "%d groups do not become stable: the last error was %s", left,
                    kp_error_name(run->first_error));
        }
        group_drive(run, GROUP_JOIN, INT64_MAX);
        group_drive(run, GROUP_SYNC, INT64_MAX);
        left = 0;
        for (int32_t g = 0; g < run->group_count; g++) {
            run->groups[g].joins = run->groups[g].failed;
            run->groups[g].failed = false;
            left += run->groups[g].joins;
        }
    }
    run->errors = 0;
    run->phase = GROUP_JOIN;
    run->answered = (uint64_t)run->group_count * (uint64_t)run->member_count;
    group_row(run, table, 1, (double)(bench_now_ns() - begin_ns) / 1e9, watched == 0 ? 0 : bench_cpu_s(watched) - cpu_s,
              watched == 0 ? 0 : bench_rss_bytes(watched) - bytes);
}

static void group_measure(struct groups *run, struct cli_section *table, enum group_phase phase, double per_answer)
{
    pid_t   watched = run->bench->watched;
    int64_t begin_ns = bench_now_ns();
    double  cpu_s = watched == 0 ? 0 : bench_cpu_s(watched);

    group_drive(run, phase, begin_ns + run->bench->plan.duration_ms * NS_PER_MS);
    group_row(run, table, per_answer, (double)(bench_now_ns() - begin_ns) / 1e9,
              watched == 0 ? 0 : bench_cpu_s(watched) - cpu_s, 0);
}

/* Members leave with their connections; their groups would stay until the session ends, so they are told to go. */
static void group_delete(struct groups *run)
{
    struct cli  *cli = run->bench->cli;
    struct view *names = cli_alloc_array(cli, (size_t)run->group_count, sizeof(*names));

    cli_deadline_begin(cli);
    for (int32_t g = 0; g < run->group_count; g++) {
        for (int32_t m = 0; m < run->member_count; m++) {
            struct kp_leave_group_request *leave = CLI_NEW(cli, kp_leave_group_request, kp_leave_group_request_init);
            struct kp_leave_group_request_members member;

            kp_leave_group_request_members_init(&member);
            leave->group_id = view_text(run->groups[g].name);
            leave->member_id = member.member_id = view_text(group_member_of(run, g, m)->id);
            leave->members = &member;
            leave->members_count = 1;
            MAYBE(cli_call(cli, run->nodes[run->groups[g].coordinator], KP_LEAVE_GROUP_KEY, leave) == NULL);
        }
    }
    for (int32_t n = 0; n < run->node_count; n++) {
        struct kp_delete_groups_request *request =
            CLI_NEW(cli, kp_delete_groups_request, kp_delete_groups_request_init);

        for (int32_t i = 0; i < run->of_node_count[n]; i++) {
            names[i] = view_text(run->groups[run->of_node[n * run->group_count + i]].name);
        }
        request->groups_names = names;
        request->groups_names_count = run->of_node_count[n];
        MAYBE(cli_call(cli, run->nodes[n], KP_DELETE_GROUPS_KEY, request) == NULL);
    }
}

int bench_groups_run(struct cli *cli)
{
    struct groups      *run = cli_alloc(cli, sizeof(*run));
    struct bench       *bench = bench_new(cli, BENCH_GROUPS);
    struct cli_section *table;

    group_current = run;
    run->bench = bench;
    run->group_count = (int32_t)MAX(MIN(cli_number(cli, "groups", 100), 100000), 1);
    run->member_count = (int32_t)MAX(MIN(cli_number(cli, "members", 10), GROUP_MEMBERS_MAX), 1);
    run->offset_count = (int32_t)MAX(MIN(cli_number(cli, "offsets", 10), 10000), 1);
    bench_start(bench);
    bench->plan.partitions = run->offset_count;
    bench_start_topic(bench);
    group_open(run);
    cli_catch_signals();
    table = cli_table(cli, "groups", NULL);
    group_join_all(run, table);
    group_measure(run, table, GROUP_BEAT, 1);
    group_measure(run, table, GROUP_COMMIT, run->offset_count);
    cli_stop_asked = 0;
    if (bench->broker == 0 && !cli_flag(cli, "keep")) {
        group_delete(run);
        bench_topic_delete(bench);
    }
    return bench_end(bench);
}
