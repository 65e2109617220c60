/* compact_rig.c: see compact_rig.h. */
#include "tests/unit/store/compact_rig.h"

#include "core/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the partition above ------------------------------------------------------------------------------------------ */

static void hook_replay(void *context, const struct rec_batch *header)
{
    struct keyed_log *keyed = context;

    assert_true(header->base_offset >= keyed->state_end);
    keyed->state_end = rec_batch_last_offset(header) + 1;
    keyed->replayed++;
}

static void hook_snapshot_write(void *context, uint8_t **out_bytes, size_t *out_len)
{
    struct keyed_log *keyed = context;

    *out_len = 8;
    *out_bytes = mem_alloc(MEM_STORE, 8);
    store_le64(*out_bytes, (uint64_t)store_log_end_offset(keyed->log));
}

static int hook_snapshot_read(void *context, struct view bytes, int64_t offset)
{
    struct keyed_log *keyed = context;

    assert_int_equal(load_le64(bytes.base), offset);
    keyed->state_end = offset;
    return ERR_OK;
}

static void hook_offline(void *context, int reason)
{
    struct keyed_log *keyed = context;

    (void)reason;
    keyed->offline = true;
}

static int64_t hook_limit(void *context)
{
    const struct keyed_log *keyed = context;
    int64_t                 limit = store_log_durable_offset(keyed->log);

    for (size_t i = 0; i < keyed->closing_count; i++) {
        if (keyed->closing[i].marker_offset >= store_log_durable_offset(keyed->log)) {
            limit = MIN(limit, keyed->closing[i].first_offset);
        }
    }
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) {
        if (keyed->producers[i].txn_first >= 0) {
            limit = MIN(limit, keyed->producers[i].txn_first);
        }
    }
    return limit;
}

static bool hook_needs(void *context, const struct rec_batch *batch)
{
    const struct keyed_log *keyed = context;

    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) {
        if (keyed->producers[i].id == batch->producer_id) {
            return keyed->producers[i].last_data == rec_batch_last_offset(batch);
        }
    }
    return false;
}

static bool hook_aborted_next(void *context, int64_t from, int64_t to, size_t *position,
                              struct store_aborted *out_aborted)
{
    const struct keyed_log *keyed = context;

    while (*position < keyed->aborted_count) {
        const struct store_aborted *aborted = &keyed->aborted[(*position)++];

        if (aborted->last_offset >= from && aborted->first_offset < to) {
            *out_aborted = *aborted;
            return true;
        }
    }
    return false;
}

static void hook_aborted_forget(void *context, int64_t from, int64_t to)
{
    struct keyed_log *keyed = context;
    size_t            kept = 0;

    for (size_t i = 0; i < keyed->aborted_count; i++) {
        if (keyed->aborted[i].last_offset < from || keyed->aborted[i].last_offset >= to) {
            keyed->aborted[kept++] = keyed->aborted[i];
        } else {
            keyed->forgotten++;
        }
    }
    keyed->aborted_count = kept;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

void keyed_init(struct keyed_log *keyed, const char *topic, uint64_t seed)
{
    memset(keyed, 0, sizeof(*keyed));
    keyed->topic = topic;
    prng_init(&keyed->prng, seed);
    keyed->records = mem_alloc(MEM_TEST, KEYED_RECORDS_MAX * sizeof(struct keyed_record));
    keyed->keys = 40;
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) {
        keyed->producers[i] = (struct keyed_producer){.id = 1000 + (int64_t)i, .last_data = -1, .txn_first = -1};
    }
    keyed->policy = (struct store_policy){.durable_on_append = true,
                                          .segment_bytes = 32 * KIB,
                                          .segment_ms = INT64_MAX,
                                          .index_interval_bytes = 4096,
                                          .retention_ms = -1,
                                          .retention_bytes = -1,
                                          .file_delete_delay_ms = 1000,
                                          .compact_enabled = true,
                                          .min_cleanable_ratio = 0.0,
                                          .max_compaction_lag_ms = INT64_MAX,
                                          .delete_retention_ms = 3600 * 1000};
    keyed->settings = (struct store_compact_settings){.enabled = true,
                                                      .map_bytes_max = 1 * MIB,
                                                      .load_percent = 90,
                                                      .buffer_bytes = 64 * KIB,
                                                      .bytes_per_s_max = UINT64_MAX,
                                                      .backoff_ms = 1000};
}

void keyed_free(struct keyed_log *keyed)
{
    mem_free(MEM_TEST, keyed->records);
}

static void opened(void *context, int result)
{
    struct keyed_log *keyed = context;

    keyed->opened = true;
    keyed->open_result = result;
}

int keyed_open(struct keyed_log *keyed)
{
    struct store_log_options options = {.topic = view_text(keyed->topic), .partition = 0, .create = true};

    options.topic_id.bytes[0] = 7;
    options.policy = keyed->policy;
    options.hooks = (struct store_hooks){.context = keyed,
                                         .replay_batch = hook_replay,
                                         .snapshot_write = hook_snapshot_write,
                                         .snapshot_read = hook_snapshot_read,
                                         .offline = hook_offline,
                                         .compact_limit = hook_limit,
                                         .compact_producer_needs = hook_needs,
                                         .aborted_next = hook_aborted_next,
                                         .aborted_forget = hook_aborted_forget};
    keyed->opened = false;
    keyed->offline = false;
    keyed->state_end = 0;
    keyed->log = store_log_open(rig.store, &options, opened, keyed);
    rig_until(rig_flag, &keyed->opened);
    return keyed->open_result;
}

bool keyed_dead(const struct keyed_log *keyed)
{
    return keyed->offline || sim_is_down(rig.sim, 0);
}

/* Records of a transaction whose abort is not in the log are not aborted. */
static void unabort(struct keyed_log *keyed, const struct store_aborted *aborted)
{
    for (int64_t offset = aborted->first_offset; offset < keyed->end; offset++) {
        struct keyed_record *record = &keyed->records[offset];

        if (record->producer >= 0 && keyed->producers[(size_t)record->producer].id == aborted->producer_id) {
            record->aborted = false;
        }
    }
}

/* What the producers were when the log ended at keyed->end. */
static void recount(struct keyed_log *keyed)
{
    size_t kept = 0;

    keyed->closing_count = 0;
    for (size_t i = 0; i < keyed->aborted_count; i++) {
        if (keyed->aborted[i].last_offset >= keyed->end) {
            unabort(keyed, &keyed->aborted[i]);
        } else {
            keyed->aborted[kept++] = keyed->aborted[i];
        }
    }
    keyed->aborted_count = kept;
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) {
        keyed->producers[i] = (struct keyed_producer){.id = 1000 + (int64_t)i, .last_data = -1, .txn_first = -1};
    }
    for (int64_t offset = 0; offset < keyed->end; offset++) {
        const struct keyed_record *record = &keyed->records[offset];
        struct keyed_producer     *who = record->producer < 0 ? NULL : &keyed->producers[(size_t)record->producer];

        if (who == NULL) {
            continue;
        }
        if (record->key == KEYED_CONTROL) {
            who->txn_first = -1;
            continue;
        }
        who->last_data = offset;
        who->next_sequence = record->sequence + 1;
        who->txn_first = record->txn && who->txn_first < 0 ? offset : who->txn_first;
    }
}

void keyed_cut(struct keyed_log *keyed)
{
    int64_t end = store_log_end_offset(keyed->log);

    assert_true(end >= keyed->acked && end <= keyed->end);
    keyed->end = end;
    keyed->acked = end;
    recount(keyed);
}

/* --- appending ---------------------------------------------------------------------------------------------------- */

static void append_done(struct store_append *append)
{
    struct keyed_append *item = CONTAINER_OF(append, struct keyed_append, append);

    if (append->result == ERR_OK) {
        item->keyed->acked = MAX(item->keyed->acked, append->last_offset + 1);
    }
}

static void commit(struct keyed_log *keyed, struct view batch, int64_t max_timestamp_ms)
{
    struct keyed_append *item = &keyed->appends[keyed->append_count];
    struct rec_batch     header;
    struct span          place;
    int                  result;

    assert_int_equal(rec_batch_parse(batch, &header), ERR_OK);
    while ((result = store_log_reserve(keyed->log, batch.len, &place)) == ERR_AGAIN && !keyed_dead(keyed)) {
        rig_run_for(5 * NS_PER_MS);
    }
    if (keyed_dead(keyed)) {
        recount(keyed);
        return;
    }
    assert_int_equal(result, ERR_OK);
    keyed->append_count++;
    assert_true(keyed->append_count < COUNT_OF(keyed->appends));
    memcpy(place.base, batch.base, batch.len);
    rec_stamp_offset(place.base, keyed->end, 3);
    *item = (struct keyed_append){.keyed = keyed,
                                  .append = {.first_offset = keyed->end,
                                             .last_offset = keyed->end + header.last_offset_delta,
                                             .max_timestamp_ms = max_timestamp_ms,
                                             .done = append_done}};
    keyed->end = item->append.last_offset + 1;
    assert_true(keyed->end < KEYED_RECORDS_MAX);
    store_log_commit(keyed->log, &item->append, batch.len);
}

/* The text of a value tells which it is, and is longer for some. */
struct view keyed_value_text(int32_t value, char text[KEYED_TEXT_BYTES])
{
    int len = snprintf(text, KEYED_TEXT_BYTES, "value-%d-%.*s", value, value % 40,
                       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

    return value == KEYED_TOMBSTONE ? view_of(NULL, 0) : view_of(text, (size_t)len);
}

struct view keyed_key_text(int32_t key, char text[KEYED_TEXT_BYTES])
{
    return view_of(text, (size_t)snprintf(text, KEYED_TEXT_BYTES, "key-%d", key));
}

void keyed_append(struct keyed_log *keyed, int producer, bool txn, int32_t records, const int32_t *keys,
                  const int32_t *values)
{
    struct arena           arena;
    struct rec_builder     builder;
    struct view            batch;
    struct keyed_producer *who = producer < 0 ? NULL : &keyed->producers[producer];
    int64_t                base = keyed->end;

    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    rec_builder_init(&builder, &arena);
    if (who != NULL) {
        builder.producer_id = who->id;
        builder.producer_epoch = 1;
        builder.base_sequence = who->next_sequence;
        builder.attributes = txn ? REC_ATTR_TRANSACTIONAL : 0;
        who->next_sequence += records;
        who->txn_first = txn && who->txn_first < 0 ? base : who->txn_first;
        who->last_data = base + records - 1;
    }
    for (int32_t i = 0; i < records; i++) {
        struct keyed_record *record = &keyed->records[base + i];
        char                 key[KEYED_TEXT_BYTES], value[KEYED_TEXT_BYTES];

        *record = (struct keyed_record){.key = keys != NULL ? keys[i] : (int32_t)prng_below(&keyed->prng, keyed->keys),
                                        .value = values != NULL                     ? values[i]
                                                 : prng_below(&keyed->prng, 8) == 0 ? KEYED_TOMBSTONE
                                                                                    : (int32_t)(base + i),
                                        .batch = base,
                                        .timestamp_ms = io_wall_ms(rig.io) + (int64_t)prng_below(&keyed->prng, 50),
                                        .sequence = who == NULL ? -1 : builder.base_sequence + i,
                                        .txn = txn,
                                        .producer = (int8_t)producer};
        rec_builder_add(&builder, record->timestamp_ms, keyed_key_text(record->key, key),
                        keyed_value_text(record->value, value), NULL, 0);
    }
    assert_int_equal(rec_builder_finish(&builder, keyed->codec, 0, &batch), ERR_OK);
    commit(keyed, batch, builder.max_timestamp_ms);
    arena_deinit(&arena);
}

static void closing_add(struct keyed_log *keyed, int64_t first_offset)
{
    size_t kept = 0;

    for (size_t i = 0; i < keyed->closing_count; i++) {
        if (keyed->closing[i].marker_offset >= keyed->acked) {
            keyed->closing[kept++] = keyed->closing[i];
        }
    }
    assert_true(kept < COUNT_OF(keyed->closing));
    keyed->closing[kept] = (struct keyed_closing){.first_offset = first_offset, .marker_offset = keyed->end};
    keyed->closing_count = kept + 1;
}

void keyed_marker(struct keyed_log *keyed, int producer, bool commit_it)
{
    struct keyed_producer *who = &keyed->producers[producer];
    struct arena           arena;
    struct view            batch;

    arena_init(&arena, MEM_TEST, 4 * KIB, SIZE_MAX);
    assert_int_equal(rec_build_marker(&arena, who->id, 1, commit_it, 5, io_wall_ms(rig.io), &batch), ERR_OK);
    keyed->records[keyed->end] =
        (struct keyed_record){.key = KEYED_CONTROL, .batch = keyed->end, .producer = (int8_t)producer};
    for (int64_t offset = who->txn_first; offset < keyed->end && !commit_it; offset++) {
        struct keyed_record *record = &keyed->records[offset];

        record->aborted |= record->producer == producer && record->key >= 0;
    }
    if (!commit_it) {
        assert_true(keyed->aborted_count < COUNT_OF(keyed->aborted));
        keyed->aborted[keyed->aborted_count++] =
            (struct store_aborted){.producer_id = who->id, .first_offset = who->txn_first, .last_offset = keyed->end};
    }
    closing_add(keyed, who->txn_first);
    who->txn_first = -1;
    commit(keyed, batch, io_wall_ms(rig.io));
    arena_deinit(&arena);
}

void keyed_load(struct keyed_log *keyed, int batches)
{
    for (int i = 0; i < batches && !keyed_dead(keyed); i++) {
        int     producer = (int)prng_below(&keyed->prng, KEYED_PRODUCERS_MAX + 2) - 2; /* below 0: none */
        bool    txn = producer >= KEYED_PRODUCERS_MAX / 2;
        int32_t records = 1 + (int32_t)prng_below(&keyed->prng, 12);

        producer = MAX(producer, -1);
        if (prng_below(&keyed->prng, 6) == 0) {
            keyed->codec = (enum rec_codec)prng_below(&keyed->prng, REC_CODEC_COUNT);
        }
        if (txn && keyed->producers[producer].txn_first >= 0 && prng_below(&keyed->prng, 2) == 0) {
            keyed_marker(keyed, producer, prng_below(&keyed->prng, 2) == 0);
        } else {
            keyed_append(keyed, producer, txn, records, NULL, NULL);
        }
        if (prng_below(&keyed->prng, 4) == 0) {
            rig_run_for((int64_t)prng_below(&keyed->prng, 3000) * 1000);
        }
    }
}

static bool settled(void *context)
{
    const struct keyed_log *keyed = context;

    return keyed->acked == keyed->end || keyed->offline || sim_is_down(rig.sim, 0);
}

void keyed_settle(struct keyed_log *keyed)
{
    rig_until(settled, keyed);
}

/* --- compacting --------------------------------------------------------------------------------------------------- */

static bool compacted(void *context)
{
    const struct keyed_log    *keyed = context;
    struct store_compact_range range;

    return sim_is_down(rig.sim, 0) || keyed->offline ||
           (rig.store->compaction == NULL && !store__compact_range(keyed->log, io_wall_ms(rig.io), &range));
}

void keyed_compact(struct keyed_log *keyed)
{
    store_set_compaction(rig.store, &keyed->settings);
    rig_until(compacted, keyed);
    if (!sim_is_down(rig.sim, 0)) { /* not by itself, until the next call */
        struct store_compact_settings off = keyed->settings;

        off.enabled = false;
        store_set_compaction(rig.store, &off);
    }
}
