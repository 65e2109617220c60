/* broker_http.h: `millrace.http.listener`: the HTTP listener of a broker process, and the figures it shows.
 *
 * Runs beside the cores, so it belongs to broker_main.c: started once every shard serves, stopped before the broker is.
 * A listener that cannot be is a warning with the cure, not a broker that does not start: Kafka clients need none. */
#ifndef MILLRACE_BROKER_HTTP_H
#define MILLRACE_BROKER_HTTP_H

#include "net/broker/broker.h"
#include "net/http/http.h"

#define BROKER_HTTP_TEXT_BYTES 96

struct broker_http {
    struct http_listener *listener; /* NULL: switched off, or it could not be */
    struct broker        *broker;
    char                  host[256];
    char                  url[BROKER_HTTP_TEXT_BYTES]; /* "http://127.0.0.1:8083"; empty without a listener */
};

/* setting: "host:port", "[v6]:port", "http://host:port", "none". version: of the broker. */
void broker_http_start(struct broker_http *http, struct broker *broker, const char *setting, const char *version,
                       broker_resolve_fn *resolve);
void broker_http_stop(struct broker_http *http);

/* The parts of a setting; false: it is none of the forms above. port 0 and an empty host: switched off. */
MUST_USE bool broker_http_parse(const char *setting, struct view *out_host, uint16_t *out_port);

#endif
