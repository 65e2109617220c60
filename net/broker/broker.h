/* broker.h: one broker process put together: cores, shards, stores, metadata, listeners; its start and its stop.
 *
 * The same objects run over io/uring (broker_main.c: one thread per core) and over io/sim (tests: all cores on one
 * thread), so nothing here makes threads, reads the command line or prints.
 *
 *   broker_create   synchronous: data directory locked and formatted or checked, listeners bound
 *   broker_start    every shard: store -> metadata and partitions -> accepting; `ready` when all shards serve
 *   broker_stop     every shard, phase by phase: connections -> partitions -> store; `stopped` when all are done
 *
 * Phases are kept in step by mails to shard 0: no shard enters a phase before all have left the one before, so that
 * nobody sends mail to a shard that is gone. */
#ifndef MILLRACE_BROKER_H
#define MILLRACE_BROKER_H

#include "net/broker/broker_listeners.h"
#include "net/server/net_server.h"

#define BROKER_TEXT_BYTES 512

struct broker;
struct job_shard;

struct broker_options {
    const struct meta_static *statics;   /* outlives the broker, as all texts here do */
    broker_resolve_fn        *resolve;   /* host names of listeners */
    const char               *listeners; /* as the settings say; see broker_listeners.h */
    const char               *advertised_listeners;
    const char               *protocol_map;
    const char               *log_dirs;    /* comma-separated; shard i lives in the i-th, round robin */
    uint32_t                  shard_count; /* 0: as formatted, or the number of cores */
    uint32_t                  core_count;
    uint64_t                  memory_bytes; /* for all cores */
    /* Called once each, on shard 0's core. result: 0 or the ERR_ of the first shard that failed. */
    void (*ready)(void *context, int result);
    void (*stopped)(void *context, int result);
    void *context;
};

/* What a shard is made of, for figures. */
struct broker_rooms {
    struct io_shard   *shard;
    struct store      *store;
    struct part_table *parts;
    struct net_server *server;
};

/* What the banner shows. */
struct broker_facts {
    struct uuid      cluster_id;
    int32_t          first_node_id;
    uint32_t         shard_count;
    uint32_t         core_count;
    bool             formatted; /* this start created the data directory */
    struct io_volume volume;    /* of the first log dir */
    uint64_t         memory_bytes;
    uint64_t         hot_bytes_per_core;
    size_t           partition_count;
};

/* boot: an io used on the calling thread for the data directory's own files, done with when this returns. ios: one per
 * core, not yet run. On failure out_why names cause and cure. */
MUST_USE int broker_create(const struct broker_options *options, struct io *boot, struct io *const *ios,
                           struct broker **out_broker, struct span out_why);
/* The cores are run by the caller from now on. May be called before they run. */
void broker_start(struct broker *broker);
/* On shard 0's core. */
void broker_stop(struct broker *broker);
/* After `stopped` (or a failed `ready`) and when no core runs any more. */
void              broker_destroy(struct broker *broker);
struct io_core   *broker_core(struct broker *broker, uint32_t core);
struct job_shard *broker_jobs(const struct broker *broker, uint32_t shard);
struct io_host   *broker_host(const struct broker *broker);
/* On the shard's core. */
struct broker_rooms           broker_rooms(const struct broker *broker, uint32_t shard);
void                          broker_facts(const struct broker *broker, struct broker_facts *out_facts);
uint32_t                      broker_listener_count(const struct broker *broker);
const struct broker_listener *broker_listener(const struct broker *broker, uint32_t listener);
/* The bound address of a listener on a shard. */
const struct io_address *broker_bound(const struct broker *broker, uint32_t listener, uint32_t shard);

#endif
