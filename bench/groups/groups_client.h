/* groups_client.h: a small blocking-setup, non-blocking-run client of the Kafka protocol for the generator beside it.
 * One thread. */
#ifndef MILLRACE_GROUPS_CLIENT_H
#define MILLRACE_GROUPS_CLIENT_H

#include "core/proto/kp_header.h"

struct groups_broker {
    int32_t  node_id;
    char     host[256];
    uint16_t port;
};

struct groups_cluster {
    struct groups_broker *brokers;
    int32_t               broker_count;
    int32_t              *leaders; /* node id by partition */
    int32_t               partition_count;
    struct uuid           topic_id;
};

/* A connected socket, or -1 with a message on standard error. */
int groups_connect(const char *host, uint16_t port);
/* One request, one answer, blocking. `request` and `response` are the structs of `key`; the response's memory is the
 * arena's. */
bool groups_call(int socket, int16_t key, int16_t version, const void *request, void *response, struct arena *arena);
/* Brokers and leaders of `topic`, which is created with `partitions` when it does not exist. */
bool groups_cluster_open(const char *host, uint16_t port, const char *topic, int32_t partitions, struct arena *arena,
                         struct groups_cluster *out_cluster);
const struct groups_broker *groups_leader(const struct groups_cluster *cluster, int32_t partition);

#endif
