/* broker_rig.h: a whole broker in the simulated world, and clients that speak to it through our own codecs.
 *
 * Host 0 runs the broker, host 1 the clients. Everything happens on the caller's thread; waiting moves virtual time.
 * The broker can be stopped cleanly, cut off its power and started again on the same disk. A client is a connection:
 * calls are sent in order and answered in order; rig_ask() waits for one answer, rig_call_start() does not. */
#ifndef MILLRACE_TESTS_BROKER_RIG_H
#define MILLRACE_TESTS_BROKER_RIG_H

#include "core/proto/kp_error.h"
#include "core/proto/kp_header.h"
#include "core/record/rec.h"
#include "io/sim/sim.h"
#include "net/broker/broker.h"

#define RIG_PORT       9092
#define RIG_SHARDS_MAX 4

struct broker_rig {
    struct sim        *sim;
    struct sim_options world;
    struct meta_static statics;
    uint32_t           shard_count;
    uint32_t           core_count;
    struct io         *boot; /* NULL: the broker is not there */
    struct io         *ios[SIM_CORES_MAX];
    struct broker     *broker;
    struct io         *client_io;
    struct list_node   clients;
    bool               ready, stopped, turning;
    int                ready_result, stop_result;
    char               why[BROKER_TEXT_BYTES]; /* of a failed start */
    int32_t            correlation;
};

struct rig_call {
    struct list_node     link;
    struct rig_client   *client;
    const struct kp_api *api;
    int16_t              version;
    int32_t              correlation_id;
    bool                 no_answer; /* Produce with acks 0: over when sent */
    bool                 done;
    int                  result; /* ERR_OK, ERR_CLOSED (no answer), ERR_INVALID (one that cannot be read) */
    void                *response;
    struct arena         arena; /* request bytes and response */
    struct view          bytes;
    size_t               sent_bytes;
    void (*on_done)(struct rig_call *call);
    void *user;
};

struct rig_client {
    struct list_node   link;
    struct broker_rig *rig;
    struct io_handle   socket;
    struct io_op       connect_op, recv_op, send_op, close_op, cut_op;
    bool               connected, closed, cutting, raw;
    bool               paused; /* takes no bytes in */
    struct list_node   unsent, sent;
    struct view        raw_out;
    size_t             raw_sent;
    struct view        part; /* of the send in flight */
    uint8_t           *in;
    size_t             in_len, in_capacity;
    struct arena       scratch; /* answers of rig_ask() */
};

/* settings: "key=value" texts, NULL at the end; may be NULL. world NULL: sim_options_default(). */
void rig_create(struct broker_rig *rig, uint64_t seed, const struct sim_options *world, uint32_t shards, uint32_t cores,
                const char *const *settings);
/* Whatever state the broker is in. */
void rig_destroy(struct broker_rig *rig);
/* broker_create() and broker_start(), until ready. ERR_OK, or the error with its reason in rig->why. False power: see
 * rig_is_down(). */
MUST_USE int rig_start(struct broker_rig *rig);
/* Clean stop. */
MUST_USE int rig_stop(struct broker_rig *rig);
/* Power cut now; the old process is buried, clients find their connections closed. */
void rig_cut(struct broker_rig *rig, uint64_t seed, enum sim_crash_style style);
/* kill -9 now. */
void rig_kill(struct broker_rig *rig, uint64_t seed);
void rig_setting(struct broker_rig *rig, const char *assignment);

/* Steps the world until condition, at most max_ns of virtual time. True: it held. */
bool rig_until(struct broker_rig *rig, bool (*condition)(void *context), void *context, int64_t max_ns);
void rig_run(struct broker_rig *rig, int64_t duration_ns);

/* --- clients ------------------------------------------------------------------------------------------------------ */

/* Begins to connect; rig_connect() also waits. NULL: refused. */
struct rig_client *rig_client_open(struct broker_rig *rig, uint32_t shard);
struct rig_client *rig_connect(struct broker_rig *rig, uint32_t shard);
/* Closes, waits for it, frees. */
void rig_client_free(struct rig_client *client);
/* Breaks the connection without waiting: calls end with ERR_CLOSED. */
void rig_client_break(struct rig_client *client);
/* Forgets the answers of rig_ask(). */
void rig_client_reset(struct rig_client *client);

void rig_call_init(struct rig_call *call);
void rig_call_deinit(struct rig_call *call); /* done or never started */
/* request: struct kp_<name>_request of `key`. on_done (may be NULL) runs inside the world's turn. */
void rig_call_start(struct rig_client *client, struct rig_call *call, int16_t key, int16_t version,
                    const void *request);
bool rig_call_wait(struct rig_call *call); /* true: answered */
/* The response, or NULL when the connection was closed instead. Lives until rig_client_reset(). */
void *rig_ask(struct rig_client *client, int16_t key, int16_t version, const void *request);

/* Bytes as they are, past the calls; the client is raw from then on: what comes in stays in client->in. */
void rig_raw(struct rig_client *client, const void *bytes, size_t len);
bool rig_raw_wait(struct rig_client *client, size_t in_len); /* until so much came in; false: closed first */

/* --- frequent requests -------------------------------------------------------------------------------------------- */

/* The error code; -1: the connection was closed. configs: "name=value", NULL at the end, or NULL. */
int16_t rig_create_topic(struct rig_client *client, const char *name, int32_t partitions, const char *const *configs);
int16_t rig_delete_topic(struct rig_client *client, const char *name);
/* One batch of `count` records whose values are `value`. producer_id -1: not idempotent. */
struct view rig_batch(struct arena *arena, const char *value, int32_t count, int64_t producer_id, int16_t epoch,
                      int32_t sequence);
/* Fills a Produce request of one partition, memory from the arena. */
struct kp_produce_request *rig_produce_request(struct arena *arena, const char *topic, int32_t partition, int16_t acks,
                                               struct view records);
/* error code, or -1 closed; *out_offset the base offset (may be NULL). */
int16_t rig_produce(struct rig_client *client, const char *topic, int32_t partition, struct view records,
                    int64_t *out_offset);
/* A Fetch of one partition (by name), version < 13. */
struct kp_fetch_request *rig_fetch_request(struct arena *arena, const char *topic, int32_t partition, int64_t offset,
                                           int32_t max_wait_ms, int32_t min_bytes, int32_t max_bytes);

#endif
