/* The machine and the process on it. */
#include "tests/sim/storm.h"

#include "core/base/slog.h"

#include <stdarg.h>
#include <stdio.h>

#define STORM_PATIENCE_NS   (300 * NS_PER_S) /* virtual */
#define STORM_TURNS_MAX     2000000
#define STORM_BURIAL_TURNS  5000
#define STORM_JOURNAL_BYTES (256 * KIB)
#define STORM_CACHE_BYTES   (256 * KIB)
#define STORM_SEGMENT_BYTES (256 * KIB)
#define STORM_REUSE_BYTES   (112 * KIB) /* segments then */
#define STORM_SPARE_BYTES   (512 * KIB)
#define STORM_REUSE_MS      50 /* between looks at the retention */
#define STORM_MEMORY_BYTES  (24 * MIB)

bool storm_plant;

static struct storm *storm_current; /* whose lines these are */

static void storm_sink(enum slog_level level, const char *room, const char *text)
{
    struct storm *storm = storm_current;

    if (storm == NULL) {
        return;
    }
    storm->report_count += level >= SLOG_WARN;
    if (storm->options.verbose) {
        (void)fprintf(stderr, "    [%" PRId64 " us] %s %s\n", sim_now_ns(storm->sim) / NS_PER_US, room, text);
    }
}

void storm_fail(struct storm *storm, const char *format, ...)
{
    va_list arguments;

    if (storm->failure[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(storm->failure, sizeof(storm->failure), format, arguments);
    va_end(arguments);
}

bool storm_ok(const struct storm *storm)
{
    return storm->failure[0] == '\0';
}

void storm_create(struct storm *storm, const struct storm_options *options)
{
    *storm = (struct storm){.options = *options};
    list_init(&storm->appends);
    storm_current = storm;
    storm_plant = options->plant;
    slog_set_sink(storm_sink);
    prng_init(&storm->prng, options->seed ^ UINT64_C(0x73746f726d));
    if (options->swarm) {
        sim_options_swarm(&storm->world, options->seed, false);
    } else {
        sim_options_default(&storm->world, options->seed);
    }
    storm->world.trace = options->trace;
    storm->world.writes_lie = options->writes_lie;
    storm->world.syncs_lie = options->syncs_lie;
    storm->sim = sim_create(&storm->world);
    if (options->verbose) {
        (void)fprintf(stderr, "    world: direct I/O in %u, physical blocks of %u, %s\n",
                      storm->world.direct_align_bytes, storm->world.physical_block_bytes,
                      storm->world.fua ? "FUA" : "no FUA");
    }
    arena_init(&storm->arena, MEM_TEST, 64 * KIB, 64 * MIB);
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        storm->logs[i] = (struct storm_log){.storm = storm, .index = i, .weak = options->weak_logs && i % 2 == 1};
        model_init(&storm->logs[i].model);
    }
}

void storm_destroy(struct storm *storm)
{
    if (storm->io != NULL) {
        if (!storm_power_off(storm)) {
            sim_crash(storm->sim, 0, 1, SIM_CRASH_DROP);
        }
        storm_abandon(storm);
    }
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        model_deinit(&storm->logs[i].model);
    }
    arena_deinit(&storm->arena);
    sim_destroy(storm->sim);
    slog_set_sink(NULL);
    storm_current = NULL;
}

bool storm_power_off(const struct storm *storm)
{
    return sim_is_down(storm->sim, 0);
}

bool storm_wait(struct storm *storm, bool (*condition)(struct storm *storm))
{
    int64_t  limit_ns = sim_now_ns(storm->sim) + STORM_PATIENCE_NS;
    uint32_t turns = 0;

    while (!condition(storm)) {
        if (storm_power_off(storm) || !storm_ok(storm)) {
            return false;
        }
        if (sim_now_ns(storm->sim) > limit_ns || ++turns > STORM_TURNS_MAX) {
            storm_fail(storm,
                       "nothing comes of waiting: %" PRIu64 " operations in flight, %" PRIu64 " appends unanswered",
                       storm->io->in_flight, storm->in_flight);
            return false;
        }
        CHECK(io_core_turn(storm->core, NS_PER_S) >= 0);
    }
    return !storm_power_off(storm);
}

/* --- boot --------------------------------------------------------------------------------------- */

static void directories_done(struct io_file_op *op)
{
    MAYBE(op->result);
}

static bool make_directory(struct storm *storm)
{
    struct io_file_op op = {0};
    int               result;

    io_file_make_directories(storm->io, &op, "data", directories_done);
    result = io_file_wait(storm->io, &op);
    if (result < 0 && !storm_power_off(storm) && !storm->trouble) {
        storm_fail(storm, "the data directory cannot be made: %s", err_name(result));
    }
    return result == ERR_OK && !storm_power_off(storm);
}

static bool make_store(struct storm *storm)
{
    struct io_volume volume;

    if (io_volume_probe(storm->io, "data", &volume) < 0) {
        storm_fail(storm, "the volume cannot be probed");
        return false;
    }
    storm->store = store_create(storm->shard, &(struct store_options){
                                                  .directory = STORM_DIRECTORY,
                                                  .volume = volume,
                                                  .journal_bytes = STORM_JOURNAL_BYTES,
                                                  .cache_bytes = STORM_CACHE_BYTES,
                                                  .free_bytes_min = 1 * MIB,
                                                  .recycle_bytes = storm->options.reuse ? STORM_SPARE_BYTES : 0,
                                              });
    if (storm->options.reuse) {
        store_set_retention_check_ms(storm->store, STORM_REUSE_MS);
    }
    return true;
}

static void store_opened(void *context, int result)
{
    struct storm *storm = context;

    storm->store_opening = false;
    storm->store_result = result;
}

static bool store_is_open(struct storm *storm)
{
    return !storm->store_opening;
}

bool storm_boot(struct storm *storm)
{
    storm->report_count = 0;
    storm->store_result = ERR_OK;
    storm->io = sim_io(storm->sim, 0, 0);
    storm->host = io_host_create(&(struct io_host_options){.core_count = 1,
                                                           .shard_count = 1,
                                                           .region_bytes_per_core = BUF_BYTES_MAX,
                                                           .budget_bytes_per_core = STORM_MEMORY_BYTES},
                                 &storm->io);
    storm->core = io_host_core(storm->host, 0);
    storm->shard = io_host_shard(storm->host, 0);
    if (make_directory(storm) && make_store(storm)) {
        bool up;

        storm->store_opening = true;
        store_open(storm->store, store_opened, storm);
        up = storm_wait(storm, store_is_open);
        if (up && storm->store_result != ERR_OK && !storm->options.damage_known && !storm->trouble) {
            storm_fail(storm, "the store does not open: %s", err_name(storm->store_result));
        }
        up = up && (storm->store_result == ERR_OK || storm->store_result == ERR_CORRUPT);
        for (uint32_t i = 0; up && i < STORM_LOGS && storm_ok(storm); i++) {
            up = storm_open_log(storm, &storm->logs[i]);
        }
    }
    if (storm_power_off(storm)) {
        storm_abandon(storm);
        return false;
    }
    return storm_ok(storm);
}

/* --- logs --------------------------------------------------------------------------------------- */

/* The fold is that of the batches the model has, up to its offset. */
static void trace_fold(const struct storm_log *slog, const char *what)
{
    struct model_fold wanted = model_fold_of(&slog->model, slog->fold.from_offset, slog->fold.next_offset);

    if (slog->storm->options.verbose) {
        (void)fprintf(stderr,
                      "    log %u: snapshot %s at offset %" PRId64 " from %" PRId64 ": %s the model's batches\n",
                      slog->index, what, slog->fold.next_offset, slog->fold.from_offset,
                      slog->fold.hash == wanted.hash ? "of" : "NOT of");
    }
}

static void hook_replay(void *context, const struct rec_batch *header)
{
    struct storm_log *slog = context;

    model_fold_batch(&slog->fold, header->base_offset, rec_batch_last_offset(header), header->crc);
}

static void hook_snapshot_write(void *context, uint8_t **out_bytes, size_t *out_len)
{
    const struct storm_log *slog = context;

    trace_fold(slog, "written");
    *out_bytes = mem_alloc(MEM_STORE, sizeof(slog->fold));
    memcpy(*out_bytes, &slog->fold, sizeof(slog->fold));
    *out_len = sizeof(slog->fold);
}

static int hook_snapshot_read(void *context, struct view bytes, int64_t offset)
{
    struct storm_log *slog = context;

    if (bytes.len != sizeof(slog->fold)) {
        return ERR_CORRUPT;
    }
    memcpy(&slog->fold, bytes.base, sizeof(slog->fold));
    trace_fold(slog, "read");
    if (slog->fold.next_offset == slog->fold.from_offset) {
        slog->fold = (struct model_fold){.from_offset = offset, .next_offset = offset}; /* of a log with nothing left */
    }
    if (slog->fold.next_offset != offset) {
        storm_fail(slog->storm, "log %u: a snapshot of offset %" PRId64 " is offered as one of %" PRId64, slog->index,
                   slog->fold.next_offset, offset);
    }
    return ERR_OK;
}

static void hook_durable(void *context, int64_t durable_end)
{
    struct storm_log *slog = context;

    if (durable_end < slog->shown_end) {
        storm_fail(slog->storm, "log %u: the durable end goes back from %" PRId64 " to %" PRId64, slog->index,
                   slog->shown_end, durable_end);
    }
    slog->shown_end = durable_end;
    slog->model.seen_end = MAX(slog->model.seen_end, durable_end);
}

static void hook_start_moved(void *context, int64_t start_offset)
{
    struct storm_log *slog = context;

    slog->model.start_asked = MAX(slog->model.start_asked, start_offset); /* retention asks by itself */
}

static void hook_offline(void *context, int reason)
{
    struct storm_log *slog = context;

    if (slog->storm->options.verbose) {
        (void)fprintf(stderr, "    log %u went offline: %s\n", slog->index, err_name(reason));
    }
}

static struct store_policy log_policy(const struct storm_log *slog)
{
    bool     flushed = slog->weak && !slog->storm->options.flush_never;
    bool     reuse = slog->storm->options.reuse;
    bool     retention = reuse || (slog->storm->options.retention && slog->index % 2 == 0);
    uint64_t segment_bytes = reuse ? STORM_REUSE_BYTES : STORM_SEGMENT_BYTES;

    return (struct store_policy){
        .durable_on_append = !slog->weak,
        .flush_messages = flushed ? 50 : INT64_MAX,
        .flush_ms = flushed ? STORM_FLUSH_MS : INT64_MAX,
        .segment_bytes = segment_bytes,
        .segment_ms = INT64_C(604800000),
        .index_interval_bytes = 4096,
        .retention_ms = -1,
        .retention_bytes = retention ? (int64_t)(reuse ? segment_bytes : 2 * segment_bytes) : -1,
        .file_delete_delay_ms = 100,
        .delete_enabled = retention,
    };
}

static void log_opened(void *context, int result)
{
    struct storm_log *slog = context;

    slog->opening = false;
    slog->open_result = result;
}

static bool logs_are_open(struct storm *storm)
{
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        if (storm->logs[i].opening) {
            return false;
        }
    }
    return true;
}

bool storm_open_log(struct storm *storm, struct storm_log *slog)
{
    static const char *const topics[STORM_LOGS] = {"orders", "clicks", "orders", "audit"};

    slog->fold = (struct model_fold){0};
    slog->opening = true;
    slog->trimming = false;
    slog->shown_end = 0;
    slog->log = store_log_open(storm->store,
                               &(struct store_log_options){
                                   .topic_id = {{(uint8_t)(slog->index == 2 ? 1 : slog->index + 1), 7}},
                                   .topic = view_text(topics[slog->index]),
                                   .partition = slog->index == 2 ? 1 : 0,
                                   .policy = log_policy(slog),
                                   .hooks = {.context = slog,
                                             .replay_batch = hook_replay,
                                             .snapshot_write = hook_snapshot_write,
                                             .snapshot_read = hook_snapshot_read,
                                             .durable = hook_durable,
                                             .start_moved = hook_start_moved,
                                             .offline = hook_offline},
                                   .create = true,
                               },
                               log_opened, slog);
    return storm_wait(storm, logs_are_open);
}

static void log_closed(void *context, int result)
{
    struct storm_log *slog = context;

    MAYBE(result);
    slog->closing = false;
}

static bool logs_are_closed(struct storm *storm)
{
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        if (storm->logs[i].closing) {
            return false;
        }
    }
    return true;
}

bool storm_reopen_log(struct storm *storm, struct storm_log *slog)
{
    slog->closing = true;
    store_log_close(slog->log, log_closed, slog);
    slog->log = NULL;
    return storm_wait(storm, logs_are_closed) && storm_open_log(storm, slog);
}

/* --- the end ------------------------------------------------------------------------------------ */

static void store_closed(void *context, int result)
{
    struct storm *storm = context;

    storm->store_opening = false;
    storm->store_result = result;
}

static void process_free(struct storm *storm)
{
    struct store_stats stats = {0};

    if (storm->store != NULL) {
        store_stats(storm->store, &stats);
    }
    storm->recycled_count += stats.recycled_files;
    for (uint32_t i = 0; i < STORM_LOGS; i++) {
        struct storm_log *slog = &storm->logs[i];

        slog->log = NULL;
        slog->opening = slog->closing = slog->trimming = false;
    }
    store_destroy(storm->store);
    storm->store = NULL;
    storm_forget_appends(storm);
    io_host_destroy(storm->host);
    io_destroy(storm->io);
    storm->host = NULL;
    storm->io = NULL;
}

bool storm_halt(struct storm *storm)
{
    storm->store_opening = true;
    store_close(storm->store, store_closed, storm);
    if (!storm_wait(storm, store_is_open)) {
        if (storm_power_off(storm)) {
            storm_abandon(storm);
        }
        return false;
    }
    process_free(storm);
    return true;
}

void storm_abandon(struct storm *storm)
{
    CHECK(storm_power_off(storm));
    storm->off_ns = sim_now_ns(storm->sim);
    sim_reap(storm->sim, 0);
    for (uint32_t turn = 0; turn < STORM_BURIAL_TURNS && storm->io->in_flight > 0; turn++) {
        (void)io_core_turn(storm->core, NS_PER_MS);
    }
    process_free(storm);
}

void storm_crash(struct storm *storm, enum sim_crash_style style)
{
    sim_crash(storm->sim, 0, prng_next(&storm->prng), style);
    storm_abandon(storm);
}
