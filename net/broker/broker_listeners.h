/* broker_listeners.h: `listeners`, `advertised.listeners`, `listener.security.protocol.map`: text to addresses.
 *
 * NAME://host:port, comma-separated. A listener owns the ports [port, port + shards), one per shard (D2); ranges that
 * overlap are refused with both named. advertised.listeners is either one entry per listener name (again a range, from
 * its port on) or, for a name, one entry per shard. A bind host that is empty or 0.0.0.0 / [::] must be advertised
 * under another name: clients cannot connect to it. Pure but for name resolution, which the caller passes in. */
#ifndef MILLRACE_BROKER_LISTENERS_H
#define MILLRACE_BROKER_LISTENERS_H

#include "core/base/arena.h"
#include "io/io.h"

#define BROKER_LISTENERS_MAX 16
#define BROKER_SHARDS_MAX    256

struct broker_listener {
    struct view       name;      /* "PLAINTEXT" */
    struct view       bind_host; /* as written; empty = all addresses */
    struct io_address address;   /* of shard 0; shard i listens on port + i (0: any) */
    struct view       advertised_host;
    struct view       advertised_hosts[BROKER_SHARDS_MAX]; /* per shard where the list is explicit */
    uint16_t          advertised_ports[BROKER_SHARDS_MAX];
    uint32_t          advertised_count; /* 0: a range from advertised_port */
    uint16_t          advertised_port;  /* 0: as bound */
};

struct broker_listeners {
    struct broker_listener items[BROKER_LISTENERS_MAX];
    uint32_t               count;
};

/* Resolves a host name to an address; false when it cannot. */
typedef bool broker_resolve_fn(struct view host, uint16_t port, struct io_address *out_address);

/* Texts live in the arena. ERR_OK, or ERR_INVALID with a sentence that names cause and cure in out_why. */
MUST_USE int broker_listeners_parse(const char *listeners, const char *advertised, const char *protocol_map,
                                    uint32_t shard_count, broker_resolve_fn *resolve, struct arena *arena,
                                    struct broker_listeners *out_listeners, struct span out_why);

#endif
