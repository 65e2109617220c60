/* api.h: what a handler of a Kafka API gets, may use and must do.
 *
 * One file per API, api_<name>.c, one function `void api_<name>(struct api_call *call)`, found through the generated
 * table (api_table.c). A handler runs on the shard whose port the client connected to; the scope in its schema says
 * whether that shard has to own what is asked for (D2). It knows no sockets.
 *
 * A call: net/server has checked header and version and decoded the body into call->request (views into the frame,
 * arrays in call->arena; both live until the call ends, or the bytes until api_let_go()). The handler answers exactly
 * once, now or from a later callback on the same shard, with api_reply() (or api_reply_nothing() for acks=0,
 * api_close() when the connection cannot go on). The reply struct may live in the arena; it is encoded inside
 * api_reply(). Memory that a reply splices (records) must stay until call->release runs.
 *
 * The client may go away while a call waits: call->canceled, if set, is then called; the handler stops waiting as soon
 * as it can and still answers (the bytes are thrown away). Everything a call allocates comes from its arena, so nothing
 * has to be freed by hand except what release() gives back. */
#ifndef MILLRACE_API_H
#define MILLRACE_API_H

#include "core/meta/meta.h"
#include "core/proto/kp_error.h"
#include "core/proto/kp_messages.h"
#include "core/proto/kp_table.h"

struct api_call;
struct api_sessions;
struct coord;

typedef void api_call_fn(struct api_call *call);

/* Everything of one shard that handlers use. Made by net/broker; api_shard_init() adds the room's own state. */
struct api_shard {
    struct io_shard   *shard;
    struct meta       *meta;
    struct part_table *parts;
    struct store      *store;
    struct coord      *coord;    /* groups and transactions; NULL: none */
    const char        *log_dir;  /* as configured, for DescribeLogDirs */
    bool               stopping; /* clean stop: long polls are answered at once */
    /* the room's own */
    struct api_sessions *sessions;          /* fetch sessions */
    struct list_node     waiting;           /* calls that wait (long polls), for the stop */
    int64_t              settings_at;       /* last_offset of the image the next were read from: api__settings() */
    int64_t              fetch_bytes_max;   /* fetch.max.bytes */
    bool                 consumer_protocol; /* KIP-848 is on: group.version and group.coordinator.rebalance.protocols */
};

struct api_call {
    struct api_shard    *shard;
    const struct kp_api *api;
    int16_t              version;
    bool    version_unsupported; /* ApiVersions only: answer UNSUPPORTED_VERSION in the form of version 0 (KIP-511) */
    int32_t correlation_id;
    struct view              client_id;
    const struct io_address *peer;     /* of the connection; NULL: none (tests) */
    struct view              listener; /* name of the listener the connection came through: which endpoint to show */
    const void              *request;  /* struct kp_<name>_request */
    struct arena            *arena;
    int64_t                  received_ns;
    void                    *state; /* the handler's, from the arena */
    api_call_fn             *canceled;
    api_call_fn             *release; /* after the reply's bytes were sent or thrown away */
    struct list_node         link;    /* the handler's */
    /* net/server's: how the answer gets back, and the request's bytes */
    void (*finish)(struct api_call *call, int outcome, const void *response);
    void (*let_go)(struct api_call *call);
};

enum api_outcome { API_REPLY, API_REPLY_NOTHING, API_CLOSE };

/* response: struct kp_<name>_response of call->api. */
void api_reply(struct api_call *call, const void *response);
void api_reply_nothing(struct api_call *call);
/* Answers nothing and closes the connection, as Kafka does where the protocol has no error field. `why` goes to the
 * log. */
void api_close(struct api_call *call, const char *why);
/* Neither handler nor reply looks at the request's bytes any more (views in call->request, client_id): their memory,
 * hot in the caches, takes the next request. */
void api_let_go(struct api_call *call);
/* Memory of the call; NULL over budget: answer with the API's error or api_close(). */
MUST_USE void *api_alloc(struct api_call *call, size_t count, size_t element_bytes);

/* Life of the room's own state of a shard. */
void api_shard_init(struct api_shard *shard);
void api_shard_deinit(struct api_shard *shard);
/* Clean stop: answers everything that waits. */
void api_shard_stop(struct api_shard *shard);

/* Handler functions by API key, NULL where there is none (api_table.c, generated). */
api_call_fn *api_handler(int16_t api_key);

#endif
