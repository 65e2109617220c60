/* The broker's life, in phases that all shards walk through together; see broker.h. */
#include "net/broker/broker.h"

#include "compute/job/job.h"
#include "core/base/slog.h"
#include "core/coord/coord.h"
#include "net/broker/broker_compact.h"
#include "net/broker/broker_format.h"

#include <stdio.h>
#include <stdlib.h>

#define BROKER_STOP_GRACE_NS    (5 * NS_PER_S)
#define BROKER_HOT_BYTES_MIN    ((size_t)(16 * MIB))
#define BROKER_HOT_BYTES_MAX    ((size_t)(96 * MIB)) /* touched at start: more would cost start-up time for nothing */
#define BROKER_CONNECTION_BYTES ((uint64_t)(64 * KIB))

enum broker_phase {
    PHASE_IDLE,
    PHASE_STORE,      /* opening the journal and the store */
    PHASE_META,       /* replaying metadata, opening partitions */
    PHASE_JOBS,       /* ending what jobs had open: nobody reads before */
    PHASE_SERVE,      /* accepting */
    PHASE_STOP_NET,   /* answering what is under way */
    PHASE_STOP_JOBS,  /* ending what runs, which still needs the coordinators */
    PHASE_STOP_COORD, /* writing what the coordinators have decided */
    PHASE_STOP_META,  /* before the partitions: a change under way may still open some */
    PHASE_STOP_PARTS,
    PHASE_STOP_STORE,
    PHASE_DONE,
};

struct broker_shard {
    struct broker     *broker;
    struct io_shard   *shard;
    struct store      *store;
    struct part_table *parts;
    struct meta       *meta;
    struct coord      *coord;
    struct job_shard  *jobs;
    struct api_shard   api;
    struct net_server *server;
    struct meta_watch  settings; /* broker settings have changed */
    char              *directory;
    struct io_address  bound[BROKER_LISTENERS_MAX];
    size_t             partition_count; /* when serving began: the banner is printed by a thread of its own */
    struct io_mail     order;           /* from shard 0: enter a phase */
    struct io_mail     report;          /* to shard 0: the phase is over */
    enum broker_phase  phase;
    int                result;

    struct broker_compact compact;
};

struct broker {
    struct broker_options   options;
    struct broker_listeners listeners;
    struct broker_format    format;
    struct io_volume        volumes[BROKER_LOG_DIRS_MAX];
    char                   *log_dirs[BROKER_LOG_DIRS_MAX];
    uint32_t                log_dir_count;
    struct io_host         *host;
    struct broker_shard    *shards;
    struct meta_host        meta_host;
    struct meta_broker     *brokers;
    struct coord          **coords; /* by shard */
    struct job_shard      **jobs;   /* by shard */
    struct arena            arena;
    uint64_t                memory_bytes;
    size_t                  hot_bytes;
    /* shard 0's */
    enum broker_phase phase;
    uint32_t          reports_missing;
    bool              stop_wanted;
    int               result;
};

/* --- phases ----------------------------------------------------------------------------------------------------------
 */

static void broker_enter(struct broker *broker, enum broker_phase phase);

static void broker_report_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct broker_shard *from = CONTAINER_OF(mail, struct broker_shard, report);
    struct broker       *broker = from->broker;
    enum broker_phase    phase = broker->phase;

    CHECK(to->index == 0 && broker->reports_missing > 0);
    if (from->result < 0 && broker->result == ERR_OK) {
        broker->result = from->result;
    }
    if (--broker->reports_missing > 0) {
        return;
    }
    if (phase == PHASE_SERVE) {
        broker->options.ready(broker->options.context, ERR_OK);
        if (broker->stop_wanted) {
            broker_enter(broker, PHASE_STOP_NET);
        }
    } else if (phase < PHASE_SERVE && broker->result < 0) {
        broker->phase = PHASE_DONE;
        broker->options.ready(broker->options.context, broker->result);
    } else if (phase == PHASE_STOP_STORE) {
        broker->phase = PHASE_DONE;
        broker->options.stopped(broker->options.context, broker->result);
    } else {
        broker_enter(broker, (enum broker_phase)(phase + 1));
    }
}

static void broker_phase_over(struct broker_shard *shard, int result)
{
    shard->result = result;
    io_shard_send(shard->shard, 0, &shard->report, broker_report_deliver);
}

static void broker_store_opened(void *context, int result)
{
    struct broker_shard *shard = context;

    if (result ==
        ERR_CORRUPT) { /* reported by the store; the logs that are named in the damage go offline, the rest serves */
        result = ERR_OK;
    }
    broker_phase_over(shard, result);
}

static void broker_step_done(void *context, int result)
{
    broker_phase_over(context, result);
}

static void broker_net_stopped(void *context)
{
    broker_phase_over(context, ERR_OK);
}

static void broker_parts_closed(void *context, int16_t error)
{
    struct broker_shard *shard = context;

    if (error != 0) {
        slog_warn("broker", "shard %u: a partition could not be closed cleanly: %s", shard->shard->index,
                  kp_error_name(error));
    }
    broker_phase_over(shard, ERR_OK);
}

static int64_t broker_setting(const struct broker *broker, const char *name)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_BROKER, view_text(name));
    const char                   *text = meta_static_get(broker->options.statics, name);

    CHECK(key != NULL);
    return meta_config_to_int(key, text != NULL ? text : key->default_text);
}

static struct net_limits broker_net_limits(const struct broker *broker)
{
    struct net_limits limits = net_limits_default();

    limits.request_bytes_max = (uint32_t)broker_setting(broker, "socket.request.max.bytes");
    limits.idle_ns = broker_setting(broker, "connections.max.idle.ms") * NS_PER_MS;
    return limits;
}

/* Dynamic settings that no partition has: at the start of serving and whenever one changes. */
static void broker_apply_settings(struct meta_watch *watch)
{
    const struct broker_shard *shard = CONTAINER_OF(watch, struct broker_shard, settings);
    const struct broker       *broker = shard->broker;
    struct net_limits          limits = broker_net_limits(broker);
    uint64_t by_memory = broker->memory_bytes / broker->format.shard_count / BROKER_CONNECTION_BYTES * 2;

    limits.connections_max = (uint32_t)MIN((uint64_t)meta_broker_int(shard->meta, "max.connections"), by_memory);
    limits.connections_per_ip_max = (uint32_t)meta_broker_int(shard->meta, "max.connections.per.ip");
    net_server_set_limits(shard->server, &limits);
}

static void broker_shard_enter(struct io_mail *mail, struct io_shard *to)
{
    struct broker_shard *shard = CONTAINER_OF(mail, struct broker_shard, order);

    CHECK(to == shard->shard);
    switch (shard->phase) {
    case PHASE_STORE:
        store_open(shard->store, broker_store_opened, shard);
        break;
    case PHASE_META:
        meta_open(shard->meta, broker_step_done, shard);
        break;
    case PHASE_JOBS:
        job_shard_resolve(shard->jobs, broker_step_done, shard);
        break;
    case PHASE_SERVE:
        shard->partition_count = part_table_count(shard->parts);
        coord_open(shard->coord);
        job_shard_open(shard->jobs);
        broker_apply_settings(&shard->settings); /* what the log of metadata has said meanwhile */
        net_server_start(shard->server);
        broker_phase_over(shard, ERR_OK);
        break;
    case PHASE_STOP_NET:
        api_shard_stop(&shard->api);
        net_server_stop(shard->server, BROKER_STOP_GRACE_NS, broker_net_stopped, shard);
        break;
    case PHASE_STOP_JOBS:
        job_shard_close(shard->jobs, broker_step_done, shard);
        break;
    case PHASE_STOP_COORD:
        coord_close(shard->coord, broker_step_done, shard);
        break;
    case PHASE_STOP_PARTS:
        part_table_close(shard->parts, broker_parts_closed, shard);
        break;
    case PHASE_STOP_META:
        meta_close(shard->meta, broker_step_done, shard);
        break;
    case PHASE_STOP_STORE:
        store_close(shard->store, broker_step_done, shard);
        break;
    case PHASE_IDLE:
    case PHASE_DONE:
        CHECK(false);
    }
}

/* On shard 0. */
static void broker_enter(struct broker *broker, enum broker_phase phase)
{
    broker->phase = phase;
    broker->reports_missing = broker->format.shard_count;
    for (uint32_t i = 0; i < broker->format.shard_count; i++) {
        broker->shards[i].phase = phase;
        io_shard_send(broker->shards[0].shard, i, &broker->shards[i].order, broker_shard_enter);
    }
}

void broker_start(struct broker *broker)
{
    CHECK(broker->phase == PHASE_IDLE);
    broker_enter(broker, PHASE_STORE);
}

void broker_stop(struct broker *broker)
{
    if (broker->stop_wanted) {
        return;
    }
    broker->stop_wanted = true;
    if (broker->phase == PHASE_SERVE && broker->reports_missing == 0) {
        broker_enter(broker, PHASE_STOP_NET);
    }
}

/* --- construction ------------------------------------------------------------------------------------------------ */

static int broker_fail(struct span out_why, int result, const char *format, const char *what)
{
    (void)snprintf((char *)out_why.base, out_why.len, format, what, err_text(result));
    return result;
}

static int broker_split_dirs(struct broker *broker, struct span out_why)
{
    const char *at = broker->options.log_dirs;

    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        size_t skip = strspn(at, " ");

        if (len > skip) {
            if (broker->log_dir_count == BROKER_LOG_DIRS_MAX) {
                return broker_fail(out_why, ERR_LIMIT, "log.dirs names too many directories: %s: %s", at);
            }
            broker->log_dirs[broker->log_dir_count++] = mem_copy_text(MEM_BROKER, view_of(at + skip, len - skip));
        }
        at += len + (at[len] == ',');
    }
    return broker->log_dir_count > 0 ? ERR_OK
                                     : broker_fail(out_why, ERR_INVALID, "log.dirs names no directory%s: %s", "");
}

static int broker_open_dirs(struct broker *broker, struct io *boot, struct span out_why)
{
    const struct meta_static *statics = broker->options.statics;
    const char               *node_id = meta_static_get(statics, "node.id");
    struct buf_pool          *bufs = buf_pool_create(BUF_BYTES_MAX, BUF_BYTES_MAX);
    int                       result = broker_split_dirs(broker, out_why);

    if (node_id == NULL) {
        node_id = meta_static_get(statics, "broker.id");
    }
    if (result == ERR_OK) {
        result = broker_format_open(boot, bufs, (const char *const *)broker->log_dirs, broker->log_dir_count,
                                    node_id == NULL ? -1 : (int32_t)strtol(node_id, NULL, 10),
                                    broker->options.shard_count, broker->options.core_count, &broker->format, out_why);
    }
    for (uint32_t i = 0; result == ERR_OK && i < broker->log_dir_count; i++) {
        result = io_volume_probe(boot, broker->log_dirs[i], &broker->volumes[i]);
        if (result < 0) {
            return broker_fail(out_why, result,
                               "cannot use the data directory %s: %s. A test file could not be written and read back",
                               broker->log_dirs[i]);
        }
        if (broker->volumes[i].volatile_memory_fs) {
            slog_warn("broker",
                      "%s is on %s, which keeps nothing over a power cut: acknowledged records live as long as this "
                      "machine is up",
                      broker->log_dirs[i], broker->volumes[i].type_name);
        }
    }
    buf_pool_destroy(bufs);
    return result;
}

static uint16_t broker_port(uint16_t port, uint32_t shard)
{
    return port == 0 ? 0 : (uint16_t)(port + shard);
}

static int broker_listen(struct broker *broker, struct broker_shard *shard, struct span out_why)
{
    uint32_t index = shard->shard->index;

    for (uint32_t i = 0; i < broker->listeners.count; i++) {
        const struct broker_listener *listener = &broker->listeners.items[i];
        struct io_address             address = listener->address;
        struct meta_endpoint         *endpoint = &broker->brokers[index].endpoints[i];
        char                          text[IO_ADDRESS_TEXT_BYTES];
        int                           result;

        address.port = broker_port(address.port, index);
        result = net_server_listen(shard->server, &address, listener->name, &shard->bound[i]);
        if (result < 0) {
            io_address_format(&address, text);
            return broker_fail(out_why, result,
                               result == ERR_ADDRESS_IN_USE ? "cannot listen on %s: %s. Stop the program that has it, "
                                                              "or choose other ports with --set listeners=..."
                                                            : "cannot listen on %s: %s",
                               text);
        }
        endpoint->listener = listener->name;
        endpoint->host = listener->advertised_count > 0 ? listener->advertised_hosts[index] : listener->advertised_host;
        endpoint->port = listener->advertised_count > 0   ? listener->advertised_ports[index]
                         : listener->advertised_port != 0 ? broker_port(listener->advertised_port, index)
                                                          : shard->bound[i].port;
        broker->brokers[index].endpoint_count = i + 1;
    }
    return ERR_OK;
}

static void broker_describe_node(struct broker *broker, uint32_t index, struct io *boot)
{
    struct meta_broker *node = &broker->brokers[index];
    const char         *rack = meta_static_get(broker->options.statics, "broker.rack");

    node->node_id = broker->format.node_id + (int32_t)index;
    node->shard = index;
    node->directory_id = broker->format.directory_ids[index];
    node->rack = rack == NULL ? (struct view){0} : view_text(rack);
    io_random(boot, span_of(node->incarnation_id.bytes, sizeof(node->incarnation_id.bytes)));
}

static int broker_build_shard(struct broker *broker, uint32_t index, struct io *boot, struct span out_why)
{
    struct broker_shard *shard = &broker->shards[index];
    uint32_t             dir = index % broker->log_dir_count;
    char                 path[IO_PATH_BYTES_MAX];
    struct net_limits    limits = broker_net_limits(broker);

    shard->broker = broker;
    shard->shard = io_host_shard(broker->host, index);
    shard->shard->user = shard;
    (void)snprintf(path, sizeof(path), "%s/shard-%u", broker->log_dirs[dir], index);
    shard->directory = mem_copy_text(MEM_BROKER, view_text(path));
    shard->store =
        store_create(shard->shard, &(struct store_options){
                                       .directory = shard->directory,
                                       .volume = broker->volumes[dir],
                                       .journal_bytes = (uint64_t)broker_setting(broker, "millrace.journal.bytes"),
                                       .cache_bytes = (uint64_t)broker_setting(broker, "millrace.cache.bytes"),
                                       .direct_bytes = (uint32_t)broker_setting(broker, "millrace.direct.bytes"),
                                       .free_bytes_min = (uint64_t)broker_setting(broker, "millrace.free.bytes.min"),
                                       .recycle_bytes = (uint64_t)broker_setting(broker, "millrace.recycle.bytes"),
                                   });
    store_set_retention_check_ms(shard->store, broker_setting(broker, "log.retention.check.interval.ms"));
    shard->parts = part_table_create(shard->shard, shard->store);
    shard->meta = meta_create(shard->shard, &broker->meta_host, shard->store, shard->parts);
    shard->settings.settings_changed = broker_apply_settings;
    meta_watch_add(shard->meta, &shard->settings);
    shard->coord = coord_create(shard->shard, shard->meta, shard->parts, broker->coords);
    shard->jobs = job_shard_create(&(struct job_shard_options){.shard = shard->shard,
                                                               .meta = shard->meta,
                                                               .parts = shard->parts,
                                                               .coord = shard->coord,
                                                               .by_shard = broker->jobs,
                                                               .memory_bytes_max = broker->memory_bytes / 2});
    broker_compact_init(&shard->compact, shard->meta, shard->store, broker->format.shard_count);
    shard->api = (struct api_shard){.shard = shard->shard,
                                    .coord = shard->coord,
                                    .meta = shard->meta,
                                    .parts = shard->parts,
                                    .store = shard->store,
                                    .log_dir = broker->log_dirs[dir]};
    api_shard_init(&shard->api);
    shard->server = net_server_create(&shard->api, &limits);
    broker_describe_node(broker, index, boot);
    return broker_listen(broker, shard, out_why);
}

static void broker_size_memory(struct broker *broker)
{
    size_t per_core = (size_t)(broker->options.memory_bytes / broker->options.core_count);

    broker->memory_bytes = broker->options.memory_bytes;
    broker->hot_bytes = MIN(MAX(per_core / 4, BROKER_HOT_BYTES_MIN), BROKER_HOT_BYTES_MAX);
}

int broker_create(const struct broker_options *options, struct io *boot, struct io *const *ios,
                  struct broker **out_broker, struct span out_why)
{
    struct broker *broker = mem_alloc(MEM_BROKER, sizeof(*broker));
    int            result;

    broker->options = *options;
    arena_init(&broker->arena, MEM_BROKER, 4096, 4 * MIB);
    broker_size_memory(broker);
    result = broker_open_dirs(broker, boot, out_why);
    if (result == ERR_OK) {
        result = broker_listeners_parse(options->listeners, options->advertised_listeners, options->protocol_map,
                                        broker->format.shard_count, options->resolve, &broker->arena,
                                        &broker->listeners, out_why);
    }
    if (result < 0) {
        broker_destroy(broker);
        return result;
    }
    broker->brokers = mem_alloc(MEM_BROKER, broker->format.shard_count * sizeof(*broker->brokers));
    broker->coords = mem_alloc(MEM_BROKER, broker->format.shard_count * sizeof(struct coord *));
    broker->jobs = mem_alloc(MEM_BROKER, broker->format.shard_count * sizeof(struct job_shard *));
    broker->shards = mem_alloc(MEM_BROKER, broker->format.shard_count * sizeof(*broker->shards));
    broker->meta_host =
        (struct meta_host){.cluster_id = broker->format.cluster_id,
                           .first_node_id = broker->format.node_id,
                           .shard_count = broker->format.shard_count,
                           .statics = options->statics,
                           .brokers = broker->brokers,
                           .shards = mem_alloc(MEM_BROKER, broker->format.shard_count * sizeof(struct meta *))};
    broker->host = io_host_create(
        &(struct io_host_options){.core_count = MIN(options->core_count, broker->format.shard_count),
                                  .shard_count = broker->format.shard_count,
                                  .region_bytes_per_core = broker->hot_bytes,
                                  .budget_bytes_per_core = (size_t)(broker->memory_bytes / options->core_count)},
        ios);
    for (uint32_t i = 0; result == ERR_OK && i < broker->format.shard_count; i++) {
        result = broker_build_shard(broker, i, boot, out_why);
    }
    if (result < 0) {
        broker_destroy(broker);
        return result;
    }
    *out_broker = broker;
    return ERR_OK;
}

static void broker_shard_destroy(struct broker_shard *shard)
{
    if (shard->server != NULL) {
        net_server_destroy(shard->server);
        api_shard_deinit(&shard->api);
    }
    if (shard->jobs != NULL) {
        job_shard_destroy(shard->jobs);
    }
    if (shard->coord != NULL) {
        coord_destroy(shard->coord);
    }
    if (shard->meta != NULL) {
        meta_destroy(shard->meta);
    }
    if (shard->parts != NULL) {
        part_table_destroy(shard->parts);
    }
    if (shard->store != NULL) {
        store_destroy(shard->store);
    }
    mem_free(MEM_BROKER, shard->directory);
}

void broker_destroy(struct broker *broker)
{
    if (broker == NULL) {
        return;
    }
    for (uint32_t i = 0; broker->shards != NULL && i < broker->format.shard_count; i++) {
        broker_shard_destroy(&broker->shards[i]);
    }
    if (broker->host != NULL) {
        io_host_destroy(broker->host);
    }
    for (uint32_t i = 0; i < broker->log_dir_count; i++) {
        mem_free(MEM_BROKER, broker->log_dirs[i]);
    }
    mem_free(MEM_BROKER, broker->shards);
    mem_free(MEM_BROKER, broker->brokers);
    mem_free(MEM_BROKER, broker->meta_host.shards);
    mem_free(MEM_BROKER, broker->coords);
    mem_free(MEM_BROKER, broker->jobs);
    arena_deinit(&broker->arena);
    mem_free(MEM_BROKER, broker);
}

struct io_core *broker_core(struct broker *broker, uint32_t core)
{
    return io_host_core(broker->host, core);
}

struct io_host *broker_host(const struct broker *broker)
{
    return broker->host;
}

struct broker_rooms broker_rooms(const struct broker *broker, uint32_t shard)
{
    const struct broker_shard *of = &broker->shards[shard];

    CHECK(shard < broker->format.shard_count);
    return (struct broker_rooms){.shard = of->shard, .store = of->store, .parts = of->parts, .server = of->server};
}

struct job_shard *broker_jobs(const struct broker *broker, uint32_t shard)
{
    CHECK(shard < broker->format.shard_count);
    return broker->jobs[shard];
}

void broker_facts(const struct broker *broker, struct broker_facts *out_facts)
{
    *out_facts = (struct broker_facts){
        .cluster_id = broker->format.cluster_id,
        .first_node_id = broker->format.node_id,
        .shard_count = broker->format.shard_count,
        .core_count = io_host_core_count(broker->host),
        .formatted = broker->format.created,
        .volume = broker->volumes[0],
        .memory_bytes = broker->memory_bytes,
        .hot_bytes_per_core = broker->hot_bytes,
    };
    for (uint32_t i = 0; i < broker->format.shard_count; i++) {
        out_facts->partition_count += broker->shards[i].partition_count;
    }
}

uint32_t broker_listener_count(const struct broker *broker)
{
    return broker->listeners.count;
}

const struct broker_listener *broker_listener(const struct broker *broker, uint32_t listener)
{
    CHECK(listener < broker->listeners.count);
    return &broker->listeners.items[listener];
}

const struct io_address *broker_bound(const struct broker *broker, uint32_t listener, uint32_t shard)
{
    CHECK(listener < broker->listeners.count && shard < broker->format.shard_count);
    return &broker->shards[shard].bound[listener];
}
