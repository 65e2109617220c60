/* The HTTP listener's setting, its start beside the cores, and what of each shard GET /metrics shows. */
#include "net/broker/broker_http.h"

#include "core/base/slog.h"
#include "core/store/store.h"

#include <stdio.h>
#include <stdlib.h>

#define SCHEME "http://"

/* In the order of broker_http_read(). */
static const struct http_figure broker_figures[] = {
    {"connections", "Kafka connections that are open.", false},
    {"connections_accepted_total", "Kafka connections accepted.", true},
    {"connections_refused_total", "Kafka connections refused by a limit.", true},
    {"requests_total", "Kafka requests.", true},
    {"requests_in_place_total", "Produce requests served where they were received, without a copy.", true},
    {"receives_total", "Completed receives from Kafka clients.", true},
    {"sends_total", "Sends to Kafka clients, each of all answers that were ready.", true},
    {"received_bytes_total", "Bytes received from Kafka clients.", true},
    {"sent_bytes_total", "Bytes sent to Kafka clients.", true},
    {"partitions", "Partitions that the shard leads.", false},
    {"segments", "Segments on disk.", false},
    {"appended_bytes_total", "Bytes of record batches appended.", true},
    {"read_hot_bytes_total", "Bytes read from memory.", true},
    {"read_cold_bytes_total", "Bytes read from disk.", true},
    {"journal_writes_total", "Durable writes of small appends, gathered.", true},
    {"journal_bytes_total", "Bytes of them.", true},
    {"direct_writes_total", "Durable writes of large appends.", true},
    {"direct_bytes_total", "Bytes of them.", true},
    {"drain_writes_total", "Plain writes that move small appends to their segments.", true},
    {"drain_bytes_total", "Bytes of them.", true},
    {"syncs_total", "Flushes of segments.", true},
    {"spare_bytes", "Bytes on disk in files that wait to become segments.", false},
    {"recycled_segments_total", "Segments made of such files.", true},
    {"recycled_bytes_total", "Bytes of these.", true},
    {"cache_bytes", "Newest batches in memory.", false},
    {"memory_bytes", "Memory of requests and batches on their way.", false},
    {"offline_partitions", "Partitions that are offline after a storage failure.", false},
    {"space_low", "1: produce is refused because the disk is full.", false},
};

static void broker_http_read(void *context, uint32_t shard, uint64_t *out_values)
{
    const struct broker_http *http = context;
    struct broker_rooms       rooms = broker_rooms(http->broker, shard);
    struct store_stats        store;
    struct net_stats          net;

    store_stats(rooms.store, &store);
    net_server_stats(rooms.server, &net);
    memcpy(out_values,
           (const uint64_t[COUNT_OF(broker_figures)]){net.connections,
                                                      net.accepted,
                                                      net.refused,
                                                      net.requests,
                                                      net.in_place,
                                                      net.receives,
                                                      net.sends,
                                                      net.received_bytes,
                                                      net.sent_bytes,
                                                      part_table_count(rooms.parts),
                                                      store.segment_count,
                                                      store.appended_bytes,
                                                      store.read_hot_bytes,
                                                      store.read_cold_bytes,
                                                      store.journal_writes,
                                                      store.journal_bytes,
                                                      store.direct_writes,
                                                      store.direct_bytes,
                                                      store.drain_writes,
                                                      store.drain_bytes,
                                                      store.syncs,
                                                      store.spare_bytes,
                                                      store.recycled_files,
                                                      store.recycled_bytes,
                                                      store.cache_bytes,
                                                      buf_pool_used_bytes(rooms.shard->bufs),
                                                      store.offline_logs,
                                                      store.space_low},
           sizeof(uint64_t) * COUNT_OF(broker_figures));
}

bool broker_http_parse(const char *setting, struct view *out_host, uint16_t *out_port)
{
    const char *colon, *host = setting;
    char       *end = NULL;
    size_t      len;
    long        port;

    *out_host = view_of("", 0);
    *out_port = 0;
    if (setting[0] == '\0' || strcmp(setting, "none") == 0) {
        return true;
    }
    if (strncmp(host, SCHEME, strlen(SCHEME)) == 0) {
        host += strlen(SCHEME);
    }
    colon = strrchr(host, ':');
    if (colon == NULL || colon == host || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    port = strtol(colon + 1, &end, 10);
    len = (size_t)(colon - host);
    if (*end != '\0' || port < 0 || port > UINT16_MAX) {
        return false;
    }
    if (host[0] == '[') {
        if (len < 3 || host[len - 1] != ']') {
            return false;
        }
        host++;
        len -= 2;
    } else if (memchr(host, ':', len) != NULL) {
        return false; /* an IPv6 address without brackets */
    }
    *out_host = view_of(host, len);
    *out_port = (uint16_t)port;
    return true;
}

void broker_http_start(struct broker_http *http, struct broker *broker, const char *setting, const char *version,
                       broker_resolve_fn *resolve)
{
    struct http_options options = {.hosted = broker_host(broker),
                                   .jobs = broker_jobs(broker, 0),
                                   .version = version,
                                   .figures = broker_figures,
                                   .figure_count = COUNT_OF(broker_figures),
                                   .read_figures = broker_http_read,
                                   .context = http};
    char                why[BROKER_TEXT_BYTES] = "";
    char                text[IO_ADDRESS_TEXT_BYTES];
    struct view         host;
    uint16_t            port;

    http->broker = broker;
    if (!broker_http_parse(setting, &host, &port)) {
        slog_warn("broker",
                  "millrace.http.listener=%s is not understood: it takes host:port or none. There is no HTTP listener",
                  setting);
        return;
    }
    if (host.len == 0) {
        return;
    }
    (void)snprintf(http->host, sizeof(http->host), "%.*s", (int)host.len, (const char *)host.base);
    options.host = http->host;
    if (!resolve(host, port, &options.address)) {
        slog_warn("broker", "millrace.http.listener: no such host: %s. There is no HTTP listener", http->host);
        return;
    }
    if (http_start(&options, &http->listener, span_of(why, sizeof(why))) < 0) {
        slog_warn("broker",
                  "%s. There is no HTTP listener: stop the program that has the port, or choose another with --set "
                  "millrace.http.listener=host:port (none switches it off)",
                  why);
        return;
    }
    options.address.port = http_port(http->listener);
    io_address_format(&options.address, text);
    (void)snprintf(http->url, sizeof(http->url), SCHEME "%s", text);
}

void broker_http_stop(struct broker_http *http)
{
    http_stop(http->listener);
    http->listener = NULL;
}
