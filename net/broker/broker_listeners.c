#include "net/broker/broker_listeners.h"

#include "core/base/check.h"

#include <stdio.h>

struct endpoint_text {
    struct view name;
    struct view host;
    uint16_t    port;
};

static int listeners_refuse(struct span out_why, const char *format, struct view about)
{
    (void)snprintf((char *)out_why.base, out_why.len, format, (int)about.len, (const char *)about.base);
    return ERR_INVALID;
}

static struct view view_trim(struct view text)
{
    while (text.len > 0 && (text.base[0] == ' ' || text.base[0] == '\t')) {
        text = view_of(text.base + 1, text.len - 1);
    }
    while (text.len > 0 && (text.base[text.len - 1] == ' ' || text.base[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* The piece before the next comma; *rest moves behind it. False at the end. */
static bool view_split(struct view *rest, struct view *out_piece)
{
    size_t at = 0;

    if (rest->len == 0) {
        return false;
    }
    while (at < rest->len && rest->base[at] != ',') {
        at++;
    }
    *out_piece = view_trim(view_of(rest->base, at));
    *rest = at < rest->len ? view_of(rest->base + at + 1, rest->len - at - 1) : view_of(rest->base + at, 0);
    return true;
}

/* NAME://host:port with an IPv6 host in brackets. */
static bool endpoint_parse(struct view text, struct endpoint_text *out)
{
    size_t   mark = 0;
    size_t   colon;
    uint32_t port = 0;

    while (mark + 3 <= text.len && memcmp(text.base + mark, "://", 3) != 0) {
        mark++;
    }
    if (mark == 0 || mark + 3 > text.len) {
        return false;
    }
    colon = text.len;
    while (colon > mark + 3 && text.base[colon - 1] != ':') {
        colon--;
    }
    if (colon == mark + 3 || colon == text.len) {
        return false;
    }
    for (size_t i = colon; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9' ||
            (port = port * 10 + (uint32_t)(text.base[i] - '0')) > UINT16_MAX) {
            return false;
        }
    }
    out->name = view_of(text.base, mark);
    out->host = view_of(text.base + mark + 3, colon - 1 - (mark + 3));
    out->port = (uint16_t)port;
    if (out->host.len >= 2 && out->host.base[0] == '[' && out->host.base[out->host.len - 1] == ']') {
        out->host = view_of(out->host.base + 1, out->host.len - 2);
    }
    return true;
}

static bool host_is_any(struct view host)
{
    return host.len == 0 || view_equal(host, view_text("0.0.0.0")) || view_equal(host, view_text("::"));
}

/* The protocol a listener name stands for: PLAINTEXT by its own name or by the map. */
static bool protocol_is_plaintext(struct view name, const char *protocol_map)
{
    struct view rest = view_text(protocol_map == NULL ? "" : protocol_map);
    struct view piece;

    while (view_split(&rest, &piece)) {
        if (piece.len > name.len && piece.base[name.len] == ':' && view_equal(view_of(piece.base, name.len), name)) {
            return view_equal(view_of(piece.base + name.len + 1, piece.len - name.len - 1), view_text("PLAINTEXT"));
        }
    }
    return view_equal(name, view_text("PLAINTEXT"));
}

static struct broker_listener *listeners_find(struct broker_listeners *listeners, struct view name)
{
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (view_equal(listeners->items[i].name, name)) {
            return &listeners->items[i];
        }
    }
    return NULL;
}

static int listeners_add(struct broker_listeners *out, struct view text, const char *protocol_map, uint32_t shard_count,
                         broker_resolve_fn *resolve, struct span out_why)
{
    struct broker_listener *item = &out->items[out->count];
    struct endpoint_text    endpoint;

    if (!endpoint_parse(text, &endpoint)) {
        return listeners_refuse(out_why, "listeners: '%.*s' is not NAME://host:port", text);
    }
    if (out->count == BROKER_LISTENERS_MAX) {
        return listeners_refuse(out_why, "listeners: '%.*s' is one too many (16 at most)", text);
    }
    if (listeners_find(out, endpoint.name) != NULL) {
        return listeners_refuse(
            out_why, "listeners: the name '%.*s' stands twice; each listener needs a name of its own", endpoint.name);
    }
    if (!protocol_is_plaintext(endpoint.name, protocol_map)) {
        return listeners_refuse(
            out_why,
            "listeners: '%.*s' is not a PLAINTEXT listener; only PLAINTEXT is served: name it PLAINTEXT or map it "
            "in listener.security.protocol.map",
            endpoint.name);
    }
    if ((uint32_t)endpoint.port + shard_count - 1 > UINT16_MAX) {
        return listeners_refuse(out_why, "listeners: '%.*s' has no room for one port per shard below 65536", text);
    }
    memset(item, 0, sizeof(*item));
    item->name = endpoint.name;
    item->bind_host = endpoint.host;
    if (host_is_any(endpoint.host)) {
        item->address.port = endpoint.port; /* :: takes IPv4, too */
        if (view_equal(endpoint.host, view_text("0.0.0.0")) &&
            !io_address_parse(endpoint.host, endpoint.port, &item->address)) {
            return listeners_refuse(out_why, "listeners: '%.*s' cannot be resolved", text);
        }
    } else if (!io_address_parse(endpoint.host, endpoint.port, &item->address) &&
               !resolve(endpoint.host, endpoint.port, &item->address)) {
        return listeners_refuse(
            out_why, "listeners: the host of '%.*s' cannot be resolved; use an address of this machine", text);
    }
    item->advertised_host = endpoint.host;
    out->count++;
    return ERR_OK;
}

static int listeners_advertise(struct broker_listeners *out, struct view text, struct span out_why)
{
    struct endpoint_text    endpoint;
    struct broker_listener *item;

    if (!endpoint_parse(text, &endpoint)) {
        return listeners_refuse(out_why, "advertised.listeners: '%.*s' is not NAME://host:port", text);
    }
    item = listeners_find(out, endpoint.name);
    if (item == NULL) {
        return listeners_refuse(out_why, "advertised.listeners: there is no listener named '%.*s' in listeners",
                                endpoint.name);
    }
    if (host_is_any(endpoint.host)) {
        return listeners_refuse(
            out_why, "advertised.listeners: clients cannot connect to '%.*s'; name a host they can reach", text);
    }
    if (item->advertised_count == BROKER_SHARDS_MAX) {
        return listeners_refuse(out_why, "advertised.listeners: more entries than shards for '%.*s'", endpoint.name);
    }
    item->advertised_hosts[item->advertised_count] = endpoint.host;
    item->advertised_ports[item->advertised_count] = endpoint.port;
    item->advertised_count++;
    return ERR_OK;
}

/* One advertised entry is the start of a range; several must be one per shard. */
static int listeners_settle(struct broker_listener *item, uint32_t shard_count, struct span out_why)
{
    if (item->advertised_count == 1) {
        item->advertised_host = item->advertised_hosts[0];
        item->advertised_port = item->advertised_ports[0];
        if (shard_count > 1) {
            item->advertised_count = 0;
        }
        if ((uint32_t)item->advertised_port + shard_count - 1 > UINT16_MAX) {
            return listeners_refuse(out_why, "advertised.listeners: no room for one port per shard for '%.*s'",
                                    item->name);
        }
    } else if (item->advertised_count > 1 && item->advertised_count != shard_count) {
        return listeners_refuse(out_why, "advertised.listeners: '%.*s' needs one entry, or one per shard", item->name);
    }
    if (item->advertised_count == 0 && host_is_any(item->advertised_host)) {
        return listeners_refuse(
            out_why,
            "listeners: '%.*s' listens on all addresses; say in advertised.listeners under which host clients reach it",
            item->name);
    }
    return ERR_OK;
}

static int listeners_overlap(const struct broker_listeners *out, uint32_t shard_count, struct span out_why)
{
    for (uint32_t i = 0; i < out->count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const struct broker_listener *a = &out->items[i];
            const struct broker_listener *b = &out->items[k];
            bool same_host = memcmp(a->address.ip, b->address.ip, sizeof(a->address.ip)) == 0 ||
                             host_is_any(a->bind_host) || host_is_any(b->bind_host);

            if (same_host && a->address.port != 0 && b->address.port != 0 &&
                a->address.port < b->address.port + shard_count && b->address.port < a->address.port + shard_count) {
                (void)snprintf((char *)out_why.base, out_why.len,
                               "listeners: the port ranges of '%.*s' (%u-%u) and '%.*s' (%u-%u) overlap: each listener "
                               "takes one port "
                               "per shard, and there are %u shards",
                               (int)b->name.len, (const char *)b->name.base, b->address.port,
                               b->address.port + shard_count - 1, (int)a->name.len, (const char *)a->name.base,
                               a->address.port, a->address.port + shard_count - 1, shard_count);
                return ERR_INVALID;
            }
        }
    }
    return ERR_OK;
}

int broker_listeners_parse(const char *listeners, const char *advertised, const char *protocol_map,
                           uint32_t shard_count, broker_resolve_fn *resolve, struct arena *arena,
                           struct broker_listeners *out_listeners, struct span out_why)
{
    struct view rest = arena_copy(arena, view_text(listeners));
    struct view piece;
    int         result = ERR_OK;

    CHECK(shard_count > 0 && shard_count <= BROKER_SHARDS_MAX);
    out_listeners->count = 0;
    while (result == ERR_OK && view_split(&rest, &piece)) {
        result = listeners_add(out_listeners, piece, protocol_map, shard_count, resolve, out_why);
    }
    if (result == ERR_OK && out_listeners->count == 0) {
        result = listeners_refuse(out_why, "listeners: '%.*s' names no listener", view_text(listeners));
    }
    rest = arena_copy(arena, view_text(advertised == NULL ? "" : advertised));
    while (result == ERR_OK && view_split(&rest, &piece)) {
        result = listeners_advertise(out_listeners, piece, out_why);
    }
    for (uint32_t i = 0; result == ERR_OK && i < out_listeners->count; i++) {
        result = listeners_settle(&out_listeners->items[i], shard_count, out_why);
    }
    return result == ERR_OK ? listeners_overlap(out_listeners, shard_count, out_why) : result;
}
