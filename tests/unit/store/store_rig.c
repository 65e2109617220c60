/* store_rig.c: see store_rig.h. */
#include "tests/unit/store/store_rig.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"

struct store_rig rig;

/* --- machine and process ---------------------------------------------------------------------------------------------
 */

void rig_create_with(const struct sim_options *options)
{
    memset(&rig, 0, sizeof(rig));
    rig.sim = sim_create(options);
    rig.options = (struct store_options){
        .directory = "data/shard-0",
        .journal_bytes = 1 * MIB,
        .cache_bytes = 8 * MIB,
    };
}

void rig_create(uint64_t seed)
{
    struct sim_options options;

    sim_options_default(&options, seed);
    rig_create_with(&options);
}

void rig_destroy(void)
{
    assert_null(rig.store);
    sim_destroy(rig.sim);
}

bool rig_flag(void *context)
{
    return *(bool *)context || sim_is_down(rig.sim, 0);
}

void rig_until(bool (*condition)(void *context), void *context)
{
    assert_true(sim_run_until(rig.sim, condition, context, 100 * NS_PER_S));
}

void rig_run_for(int64_t duration_ns)
{
    sim_run_for(rig.sim, duration_ns);
}

void rig_done(void *context, int result)
{
    (void)context;
    rig.done = true;
    rig.result = result;
}

void rig_wait_done(void)
{
    rig_until(rig_flag, &rig.done);
    rig.done = false;
}

int rig_start(void)
{
    struct io_host_options options = {
        .core_count = 1, .shard_count = 1, .region_bytes_per_core = 16 * MIB, .budget_bytes_per_core = 64 * MIB};

    rig.io = sim_io(rig.sim, 0, 0);
    rig.host = io_host_create(&options, &rig.io);
    rig.core = io_host_core(rig.host, 0);
    rig.shard = io_host_shard(rig.host, 0);
    sim_add_host(rig.sim, rig.host);
    assert_int_equal(io_volume_probe(rig.io, ".", &rig.options.volume), ERR_OK);
    rig.store = store_create(rig.shard, &rig.options);
    rig.done = false;
    store_open(rig.store, rig_done, NULL);
    rig_wait_done();
    return rig.result;
}

void rig_bury(void)
{
    store_destroy(rig.store);
    rig.store = NULL;
    sim_remove_turn(rig.sim, rig.host);
    io_host_destroy(rig.host);
    io_destroy(rig.io);
}

void rig_stop_clean(void)
{
    rig.done = false;
    store_close(rig.store, rig_done, NULL);
    rig_wait_done();
    assert_int_equal(rig.result, ERR_OK);
    rig_bury();
}

/* What was in flight ends with errors, so that its memory comes back. */
static void rig_reap(void)
{
    sim_reap(rig.sim, 0);
    while (rig.io->in_flight > 0) {
        assert_true(io_core_turn(rig.core, 0) >= 0);
    }
}

void rig_crash(uint64_t seed, enum sim_crash_style style)
{
    sim_crash(rig.sim, 0, seed, style);
    rig_reap();
    rig_bury();
}

void rig_abandon(void)
{
    assert_true(sim_is_down(rig.sim, 0));
    rig_reap();
    rig_bury();
}

void rig_kill(uint64_t seed)
{
    sim_kill(rig.sim, 0, seed);
    rig_reap();
    rig_bury();
}

/* --- logs -------------------------------------------------------------------------------------------------------- */

static void hook_replay(void *context, const struct rec_batch *header)
{
    struct rig_log *log = context;

    assert_int_equal(header->base_offset, log->state_end);
    log->state_end = rec_batch_last_offset(header) + 1;
    log->replayed++;
}

static void hook_snapshot_write(void *context, uint8_t **out_bytes, size_t *out_len)
{
    struct rig_log *log = context;
    int64_t         end = store_log_end_offset(log->log);

    *out_len = 8;
    *out_bytes = mem_alloc(MEM_STORE, 8);
    store_le64(*out_bytes, (uint64_t)end);
    log->snapshots_written++;
}

static int hook_snapshot_read(void *context, struct view bytes, int64_t offset)
{
    struct rig_log *log = context;

    assert_int_equal(bytes.len, 8);
    assert_int_equal(load_le64(bytes.base), offset);
    log->state_end = offset;
    log->snapshots_read++;
    return ERR_OK;
}

static void hook_durable(void *context, int64_t durable_end)
{
    struct rig_log *log = context;

    assert_true(durable_end > log->hook_durable);
    log->hook_durable = durable_end;
}

static void hook_start_moved(void *context, int64_t start_offset)
{
    struct rig_log *log = context;

    log->hook_start = start_offset;
}

static void hook_offline(void *context, int reason)
{
    struct rig_log *log = context;

    log->offline_reason = reason;
}

void rig_log_init(struct rig_log *log, const char *topic)
{
    rig_log_init_small(log, topic, RIG_APPENDS_MAX);
}

void rig_log_init_small(struct rig_log *log, const char *topic, size_t appends_max)
{
    memset(log, 0, sizeof(*log));
    log->topic = topic;
    log->appends_max = appends_max;
    log->appends = mem_alloc(MEM_TEST, appends_max * sizeof(struct rig_append));
    log->policy = (struct store_policy){.durable_on_append = true,
                                        .segment_bytes = 1 * GIB,
                                        .segment_ms = INT64_MAX,
                                        .index_interval_bytes = 4096,
                                        .retention_ms = -1,
                                        .retention_bytes = -1,
                                        .file_delete_delay_ms = 1000,
                                        .delete_enabled = true};
}

void rig_log_free(struct rig_log *log)
{
    mem_free(MEM_TEST, log->appends);
}

static void opened(void *context, int result)
{
    struct rig_log *log = context;

    log->opened = true;
    log->open_result = result;
}

int rig_log_open(struct rig_log *log)
{
    struct store_log_options options = {.topic = view_text(log->topic), .partition = 3, .create = true};

    options.topic_id.bytes[0] = (uint8_t)(1 + log->id_salt);
    for (size_t i = 0; log->topic[i] != 0; i++) {
        options.topic_id.bytes[1 + i % 15] = (uint8_t)(options.topic_id.bytes[1 + i % 15] * 31 + log->topic[i]);
    }
    options.policy = log->policy;
    options.hooks = (struct store_hooks){.context = log,
                                         .replay_batch = hook_replay,
                                         .snapshot_write = hook_snapshot_write,
                                         .snapshot_read = hook_snapshot_read,
                                         .durable = hook_durable,
                                         .start_moved = hook_start_moved,
                                         .offline = hook_offline};
    log->opened = false;
    log->state_end = 0;
    log->hook_durable = 0;
    log->offline_reason = 0;
    log->log = store_log_open(rig.store, &options, opened, log);
    rig_until(rig_flag, &log->opened);
    return log->open_result;
}

void rig_log_close(struct rig_log *log)
{
    rig.done = false;
    store_log_close(log->log, rig_done, NULL);
    rig_wait_done();
    log->log = NULL;
}

size_t rig_batch_bytes(size_t payload_bytes)
{
    return REC_HEADER_BYTES + payload_bytes;
}

void rig_batch_make(uint8_t *to, const struct rig_append *append)
{
    struct prng prng;
    size_t      bytes = rig_batch_bytes(append->payload_bytes);

    prng_init(&prng, append->seed);
    memset(to, 0, REC_HEADER_BYTES);
    prng_fill(&prng, span_of(to + REC_HEADER_BYTES, append->payload_bytes));
    store_be64(to, (uint64_t)append->append.first_offset);
    store_be32(to + 8, (uint32_t)(bytes - REC_LENGTH_PREFIX_BYTES));
    to[16] = 2;
    to[22] = append->log->append_time ? REC_ATTR_LOG_APPEND_TIME : 0;
    store_be32(to + 23, (uint32_t)(append->records - 1));
    store_be64(to + 27, (uint64_t)append->timestamp_ms);
    store_be64(to + 35, (uint64_t)append->timestamp_ms);
    store_be32(to + 57, (uint32_t)append->records);
    store_be32(to + 17, crc32c_update(0, to + REC_UNCHECKED_BYTES, bytes - REC_UNCHECKED_BYTES));
}

static void append_done(struct store_append *append)
{
    struct rig_append *item = CONTAINER_OF(append, struct rig_append, append);
    struct rig_log    *log = item->log;

    assert_false(item->done);
    item->done = true;
    if (append->result == ERR_OK) {
        assert_ptr_equal(item, &log->appends[log->acked]); /* in offset order */
        assert_true(store_log_durable_offset(log->log) > append->last_offset);
        log->acked++;
    }
}

int rig_append(struct rig_log *log, int32_t records, size_t payload_bytes)
{
    struct rig_append *item = &log->appends[log->append_count];
    struct span        place;
    int                result = store_log_reserve(log->log, rig_batch_bytes(payload_bytes), &place);

    assert_true(log->append_count < log->appends_max);
    if (result != ERR_OK) {
        return result;
    }
    *item = (struct rig_append){.log = log,
                                .seed = log->append_count * 77 + 5,
                                .payload_bytes = payload_bytes,
                                .records = records,
                                .timestamp_ms = 1000 + 10 * (int64_t)log->append_count};
    item->append.first_offset = store_log_end_offset(log->log);
    item->append.last_offset = item->append.first_offset + records - 1;
    item->append.max_timestamp_ms = item->timestamp_ms;
    item->append.done = append_done;
    rig_batch_make(place.base, item);
    log->append_count++;
    store_log_commit(log->log, &item->append, rig_batch_bytes(payload_bytes));
    return ERR_OK;
}

static bool all_acked(void *context)
{
    const struct rig_log *log = context;

    return log->acked == log->append_count || log->offline_reason != 0 || sim_is_down(rig.sim, 0);
}

void rig_settle(struct rig_log *log)
{
    rig_until(all_acked, log);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void read_done(struct store_read *read)
{
    (void)read;
    rig.done = true;
}

static void read_once(struct rig_log *log, struct store_read *read)
{
    rig.done = false;
    read->done = read_done;
    if (!store_log_read(log->log, read)) {
        rig_wait_done();
    }
}

static size_t find_append(const struct rig_log *log, int64_t offset)
{
    size_t at = 0;

    while (at < log->append_count && log->appends[at].append.last_offset < offset) {
        at++;
    }
    return at;
}

/* Compares what one read gave; returns the number of the append behind it. */
static size_t compare(const struct rig_log *log, const struct store_read *read, size_t at)
{
    size_t total = 0;

    for (uint32_t i = 0; i < read->slice_count; i++) {
        struct view rest = read->slices[i];

        total += rest.len;
        while (rest.len > 0) {
            const struct rig_append *item = &log->appends[at++];
            size_t                   bytes = rig_batch_bytes(item->payload_bytes);
            uint8_t                 *expected = mem_alloc(MEM_TEST, bytes);

            assert_true(bytes <= rest.len);
            rig_batch_make(expected, item);
            assert_memory_equal(rest.base, expected, bytes);
            mem_free(MEM_TEST, expected);
            rest.base += bytes;
            rest.len -= bytes;
        }
    }
    assert_int_equal(total, read->bytes);
    return at;
}

size_t rig_verify(struct rig_log *log, int64_t from, int64_t end, size_t bytes_max)
{
    size_t  reads = 0;
    size_t  at = find_append(log, from);
    int64_t next = from;

    while (next < end) {
        struct store_read read = {.offset = next, .end_offset = end, .bytes_max = bytes_max, .at_least_one = true};
        size_t            after;

        read_once(log, &read);
        assert_int_equal(read.result, ERR_OK);
        assert_true(read.bytes > 0);
        assert_int_equal(read.first_offset, log->appends[at].append.first_offset);
        after = compare(log, &read, at);
        assert_true(read.bytes <= bytes_max || after == at + 1);
        assert_int_equal(read.next_offset, log->appends[after - 1].append.last_offset + 1);
        next = read.next_offset;
        at = after;
        reads++;
        store_read_release(&read);
    }
    return reads;
}

int rig_read_result(struct rig_log *log, int64_t offset)
{
    struct store_read read = {.offset = offset, .end_offset = INT64_MAX, .bytes_max = 1, .at_least_one = true};

    read_once(log, &read);
    store_read_release(&read);
    return read.result;
}
