/* http.h: the HTTP listener: scripts and jobs for people, for `millrace sql` and for tools that know Flink's REST API;
 * figures for Prometheus. docs/http.md describes what clients see.
 *
 * libmicrohttpd parses and sends on one thread of its own; nothing else of the broker has threads beside its cores. A
 * request becomes a struct http_call. What needs the broker goes by io_shard_inject() to one shard, where it is handed
 * to compute/job; answers come back as bytes under the call's lock and wake the connection. The shard never waits: it
 * takes a lock that the HTTP thread holds for a copy of some kilobytes at most.
 *
 * Limits: HTTP_CONNECTIONS_MAX connections; HTTP_BODY_BYTES_MAX bytes of request; HTTP_IDLE_S seconds without progress;
 * answers of which a client has not taken HTTP_BACKLOG_BYTES end their query, having held it back before.
 *
 * Whom it trusts: everybody who reaches the port, as Kafka's PLAINTEXT does, so it listens on loopback unless told
 * otherwise. Web pages are kept out: a request with a foreign Origin, or for a host name that is none of this machine's
 * while the listener is on loopback, is refused. */
#ifndef MILLRACE_HTTP_H
#define MILLRACE_HTTP_H

#include "compute/job/job.h"

#define HTTP_CONNECTIONS_MAX 256
#define HTTP_BODY_BYTES_MAX  ((size_t)MIB)
#define HTTP_IDLE_S          60
#define HTTP_FULL_BYTES      ((size_t)MIB)        /* not yet sent: rows are held back */
#define HTTP_BACKLOG_BYTES   ((size_t)(16 * MIB)) /* nobody held them back: the query ends */
#define HTTP_FIGURES_MAX     64

struct http_listener;

/* One figure of the broker, once per shard: millrace_<name>{shard="0"}. */
struct http_figure {
    const char *name;
    const char *help;
    bool        is_counter; /* else a gauge */
};

/* Everything outlives the listener. */
struct http_options {
    struct io_address address; /* port 0: any */
    const char       *host;    /* as the setting names it */
    struct io_host   *hosted;  /* all shards */
    struct job_shard *jobs;    /* of shard 0, where requests go */
    const char       *version;
    /* GET /metrics: on each shard, one value per figure. */
    const struct http_figure *figures;
    size_t                    figure_count;
    void (*read_figures)(void *context, uint32_t shard, uint64_t *out_values);
    void *context;
};

/* Listens and starts the thread. ERR_ADDRESS_IN_USE, ...: out_why names cause and cure. */
MUST_USE int http_start(const struct http_options *options, struct http_listener **out_listener, struct span out_why);
/* From a thread that is no core, while the cores still run: what is under way is cancelled and answered, the thread
 * ends. NULL is allowed. */
void http_stop(struct http_listener *listener);
/* The bound port. */
uint16_t http_port(const struct http_listener *listener);

#endif
