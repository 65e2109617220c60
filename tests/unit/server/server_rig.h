/* server_rig.h: net/server alone, on a simulated machine, with handlers of the test's own.
 *
 *   ApiVersions       answered at once
 *   Metadata          answered after a time that differs from call to call; controller_id is the correlation id
 *   Produce           acks 0: nothing; acks 2: closes; else, soon, base_offset is a checksum of the records; every
 * other one lets go of them first FindCoordinator   waits until it is canceled DescribeCluster   a large answer
 * (rig.answer_bytes) */
#ifndef MILLRACE_TESTS_SERVER_RIG_H
#define MILLRACE_TESTS_SERVER_RIG_H

#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "tests/support/broker_rig.h"

struct server_rig {
    struct broker_rig  world; /* its clients only */
    struct io         *io;
    struct io_host    *host;
    struct api_shard   shard;
    struct net_server *server; /* NULL: stopped */
    struct arena       arena;
    struct net_limits  limits;
    size_t             budget_bytes;
    uint32_t           waiting; /* calls that wait to be canceled */
    uint32_t           canceled;
    size_t             answer_bytes;
    bool               stopped;
};

extern struct server_rig rig;

/* Fill rig.limits and rig.budget_bytes between the two, if need be. */
void server_rig_init(void);
void server_rig_open(uint64_t seed, const struct sim_options *world);
void server_rig_close(void);
/* Until the server is stopped or max_ns is over. */
bool             server_rig_stop(int64_t grace_ns, int64_t max_ns);
struct net_stats server_rig_stats(void);
bool             server_rig_quiet(void *context); /* no connection is left */
uint64_t         server_rig_sum(struct view records);
/* A whole ApiVersions v0 frame; its length. */
size_t server_rig_frame(uint8_t *into, int32_t correlation_id);

#endif
