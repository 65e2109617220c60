#include "tests/support/broker_rig.h"

#include <stdio.h>

#define RIG_BOOT_CORE    (SIM_CORES_MAX - 1)
#define RIG_PATIENCE_NS  (300 * NS_PER_S) /* virtual */
#define RIG_STEPS_MAX    4000000
#define RIG_MEMORY_BYTES ((uint64_t)(64 * MIB))

static const char *const rig_defaults[] = {"millrace.journal.bytes=4194304", "millrace.cache.bytes=1048576",
                                           "millrace.free.bytes.min=1048576", "log.segment.bytes=1048576", NULL};

/* --- the world ---------------------------------------------------------------------------------------------------- */

void rig_setting(struct broker_rig *rig, const char *assignment)
{
    const char *equals = strchr(assignment, '=');

    CHECK(equals != NULL);
    meta_config_set_put(&rig->statics.command, view_of(assignment, (size_t)(equals - assignment)),
                        view_text(equals + 1));
}

static int rig_client_turn(void *context)
{
    return io_run(((struct broker_rig *)context)->client_io, INT64_MAX);
}

void rig_create(struct broker_rig *rig, uint64_t seed, const struct sim_options *world, uint32_t shards, uint32_t cores,
                const char *const *settings)
{
    *rig = (struct broker_rig){.shard_count = shards, .core_count = cores};
    if (world == NULL) {
        sim_options_default(&rig->world, seed);
    } else {
        rig->world = *world;
    }
    list_init(&rig->clients);
    meta_config_set_init(&rig->statics.file);
    meta_config_set_init(&rig->statics.command);
    for (size_t i = 0; rig_defaults[i] != NULL; i++) {
        rig_setting(rig, rig_defaults[i]);
    }
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        rig_setting(rig, settings[i]);
    }
    rig->sim = sim_create(&rig->world);
    io_destroy(sim_io(rig->sim, 0, 0)); /* the machine exists */
    rig->client_io = sim_io(rig->sim, 1, 0);
    sim_add_turn(rig->sim, rig_client_turn, rig);
}

struct rig_watch {
    bool (*condition)(void *context);
    void    *context;
    uint32_t steps;
};

static bool rig_watch_step(void *context)
{
    struct rig_watch *watch = context;

    CHECK(++watch->steps < RIG_STEPS_MAX); /* the world moves, but not its clock */
    return watch->condition(watch->context);
}

bool rig_until(struct broker_rig *rig, bool (*condition)(void *context), void *context, int64_t max_ns)
{
    struct rig_watch watch = {condition, context, 0};

    return sim_run_until(rig->sim, rig_watch_step, &watch, max_ns);
}

static bool rig_never(void *context)
{
    MAYBE(context != NULL);
    return false;
}

void rig_run(struct broker_rig *rig, int64_t duration_ns)
{
    (void)rig_until(rig, rig_never, NULL, duration_ns);
}

/* --- the broker --------------------------------------------------------------------------------------------------- */

static void rig_ready(void *context, int result)
{
    struct broker_rig *rig = context;

    rig->ready = true;
    rig->ready_result = result;
}

static void rig_stopped(void *context, int result)
{
    struct broker_rig *rig = context;

    rig->stopped = true;
    rig->stop_result = result;
}

static bool rig_is_ready(void *context)
{
    const struct broker_rig *rig = context;

    return rig->ready || sim_is_down(rig->sim, 0);
}

static bool rig_is_stopped(void *context)
{
    return ((struct broker_rig *)context)->stopped;
}

static bool rig_resolve(struct view host, uint16_t port, struct io_address *out_address)
{
    return view_equal(host, view_text("broker")) && io_address_parse(view_text("10.0.0.1"), port, out_address);
}

static int rig_core_turn(void *context)
{
    return io_core_turn(context, INT64_MAX);
}

static void rig_turns(struct broker_rig *rig, bool turning)
{
    struct broker_facts facts;

    if (rig->turning == turning) {
        return;
    }
    rig->turning = turning;
    broker_facts(rig->broker, &facts);
    for (uint32_t i = 0; i < facts.core_count; i++) {
        if (turning) {
            sim_add_turn(rig->sim, rig_core_turn, broker_core(rig->broker, i));
        } else {
            sim_remove_turn(rig->sim, broker_core(rig->broker, i));
        }
    }
}

/* The process is over: nothing of it is in flight. */
static void rig_bury(struct broker_rig *rig)
{
    if (rig->broker != NULL) {
        rig_turns(rig, false);
        broker_destroy(rig->broker);
        rig->broker = NULL;
    }
    io_destroy(rig->boot);
    rig->boot = NULL;
    for (uint32_t i = 0; i < rig->core_count; i++) {
        io_destroy(rig->ios[i]);
        rig->ios[i] = NULL;
    }
}

int rig_start(struct broker_rig *rig)
{
    const char           *listeners = meta_static_get(&rig->statics, "listeners");
    struct broker_options options = {
        .statics = &rig->statics,
        .resolve = rig_resolve,
        .listeners = listeners != NULL ? listeners : "PLAINTEXT://10.0.0.1:9092",
        .advertised_listeners = meta_static_get(&rig->statics, "advertised.listeners"),
        .protocol_map = meta_static_get(&rig->statics, "listener.security.protocol.map"),
        .log_dirs = meta_static_get(&rig->statics, "log.dirs"),
        .shard_count = rig->shard_count,
        .core_count = rig->core_count,
        .memory_bytes = RIG_MEMORY_BYTES * rig->core_count,
        .ready = rig_ready,
        .stopped = rig_stopped,
        .context = rig,
    };
    int result;

    CHECK(rig->boot == NULL);
    options.log_dirs = options.log_dirs == NULL ? "data" : options.log_dirs;
    rig->ready = rig->stopped = false;
    rig->why[0] = '\0';
    rig->boot = sim_io(rig->sim, 0, RIG_BOOT_CORE);
    for (uint32_t i = 0; i < rig->core_count; i++) {
        rig->ios[i] = sim_io(rig->sim, 0, i);
    }
    result = broker_create(&options, rig->boot, rig->ios, &rig->broker, span_of(rig->why, sizeof(rig->why)));
    if (result < 0) {
        rig->broker = NULL;
        rig_bury(rig);
        return result;
    }
    rig_turns(rig, true);
    broker_start(rig->broker);
    CHECK(rig_until(rig, rig_is_ready, rig, RIG_PATIENCE_NS)); /* a start ends, well or badly */
    if (sim_is_down(rig->sim, 0)) {
        return ERR_IO;
    }
    if (rig->ready_result < 0) {
        rig_bury(rig);
        return rig->ready_result;
    }
    return ERR_OK;
}

int rig_stop(struct broker_rig *rig)
{
    broker_stop(rig->broker);
    CHECK(rig_until(rig, rig_is_stopped, rig, RIG_PATIENCE_NS)); /* a stop ends */
    rig_bury(rig);
    return rig->stop_result;
}

static bool rig_start_over(void *context)
{
    return ((struct broker_rig *)context)->ready;
}

/* The machine is down: what the process held is freed by its own ways out, on which every operation fails. */
static void rig_end(struct broker_rig *rig)
{
    sim_reap(rig->sim, 0);
    CHECK(rig_until(rig, rig_start_over, rig, RIG_PATIENCE_NS));
    if (rig->ready_result == ERR_OK) {
        broker_stop(rig->broker);
        CHECK(rig_until(rig, rig_is_stopped, rig, RIG_PATIENCE_NS));
    }
    rig_bury(rig);
}

void rig_cut(struct broker_rig *rig, uint64_t seed, enum sim_crash_style style)
{
    if (!sim_is_down(rig->sim, 0)) {
        sim_crash(rig->sim, 0, seed, style);
    }
    rig_end(rig);
}

void rig_kill(struct broker_rig *rig, uint64_t seed)
{
    if (!sim_is_down(rig->sim, 0)) {
        sim_kill(rig->sim, 0, seed);
    }
    rig_end(rig);
}

void rig_destroy(struct broker_rig *rig)
{
    while (!list_empty(&rig->clients)) {
        rig_client_free(LIST_ENTRY(list_first(&rig->clients), struct rig_client, link));
    }
    if (rig->broker != NULL) {
        if (sim_is_down(rig->sim, 0)) {
            rig_end(rig);
        } else {
            MAYBE(rig_stop(rig) < 0);
        }
    }
    sim_remove_turn(rig->sim, rig);
    io_destroy(rig->client_io);
    sim_destroy(rig->sim);
    meta_config_set_deinit(&rig->statics.file);
    meta_config_set_deinit(&rig->statics.command);
}
