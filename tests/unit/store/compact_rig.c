/* compact_rig.c: see compact_rig.h. */
#include "tests/unit/store/compact_rig.h"

#include "core/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_BYTES_MAX 64

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

void keyed_cut(struct keyed_log *keyed)
{
    int64_t end = store_log_end_offset(keyed->log);

    assert_true(end >= keyed->acked && end <= keyed->end);
    keyed->end = end;
    keyed->acked = end;
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) { /* the tests below cut only what follows the last load */
        assert_true(keyed->producers[i].last_data < end);
    }
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
    struct keyed_append *item = &keyed->appends[keyed->append_count++];
    struct rec_batch     header;
    struct span          place;
    int                  result;

    assert_true(keyed->append_count < COUNT_OF(keyed->appends));
    assert_int_equal(rec_batch_parse(batch, &header), ERR_OK);
    while ((result = store_log_reserve(keyed->log, batch.len, &place)) == ERR_AGAIN) {
        rig_run_for(5 * NS_PER_MS);
    }
    assert_int_equal(result, ERR_OK);
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
static struct view value_text(int32_t value, char text[VALUE_BYTES_MAX])
{
    int len =
        snprintf(text, VALUE_BYTES_MAX, "value-%d-%.*s", value, value % 40, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

    return value == KEYED_TOMBSTONE ? view_of(NULL, 0) : view_of(text, (size_t)len);
}

static struct view key_text(int32_t key, char text[VALUE_BYTES_MAX])
{
    return view_of(text, (size_t)snprintf(text, VALUE_BYTES_MAX, "key-%d", key));
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
        char                 key[VALUE_BYTES_MAX], value[VALUE_BYTES_MAX];

        *record = (struct keyed_record){.key = keys != NULL ? keys[i] : (int32_t)prng_below(&keyed->prng, keyed->keys),
                                        .value = values != NULL                     ? values[i]
                                                 : prng_below(&keyed->prng, 8) == 0 ? KEYED_TOMBSTONE
                                                                                    : (int32_t)(base + i),
                                        .batch = base,
                                        .timestamp_ms = io_wall_ms(rig.io) + (int64_t)prng_below(&keyed->prng, 50),
                                        .producer = (int8_t)producer};
        rec_builder_add(&builder, record->timestamp_ms, key_text(record->key, key), value_text(record->value, value),
                        NULL, 0);
    }
    assert_int_equal(rec_builder_finish(&builder, keyed->codec, 0, &batch), ERR_OK);
    commit(keyed, batch, builder.max_timestamp_ms);
    arena_deinit(&arena);
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
    who->txn_first = -1;
    commit(keyed, batch, io_wall_ms(rig.io));
    arena_deinit(&arena);
}

void keyed_load(struct keyed_log *keyed, int batches)
{
    for (int i = 0; i < batches; i++) {
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

/* --- the oracle --------------------------------------------------------------------------------------------------- */

struct reading {
    struct keyed_log *keyed;
    int64_t           next;                           /* offsets rise */
    int64_t           newest[KEYED_KEYS_MAX];         /* what a reader of committed data has of each key; -1 none */
    int64_t           producers[KEYED_PRODUCERS_MAX]; /* last offset of the last batch seen */
    bool             *seen;                           /* by offset */
};

static void check_record(struct reading *reading, const struct rec_record *got)
{
    struct keyed_log          *keyed = reading->keyed;
    const struct keyed_record *want = &keyed->records[got->offset];
    char                       text[VALUE_BYTES_MAX];
    struct view                expected = key_text(want->key, text);

    assert_true(got->offset >= reading->next);
    reading->next = got->offset + 1;
    assert_true(want->key >= 0);
    assert_int_equal(got->key.len, expected.len);
    assert_memory_equal(got->key.base, expected.base, expected.len);
    expected = value_text(want->value, text);
    assert_int_equal(got->value.base == NULL, want->value == KEYED_TOMBSTONE);
    assert_int_equal(got->value.len, expected.len);
    if (expected.len > 0) {
        assert_memory_equal(got->value.base, expected.base, expected.len);
    }
    assert_int_equal(got->timestamp_ms, want->timestamp_ms);
    reading->seen[got->offset] = true;
    keyed->seen_records++;
    keyed->seen_tombstones += want->value == KEYED_TOMBSTONE;
    keyed->seen_aborted += want->aborted;
    if (!want->aborted) {
        reading->newest[want->key] = got->offset;
    }
}

static void check_batch(struct reading *reading, const struct rec_batch *batch)
{
    struct keyed_log          *keyed = reading->keyed;
    const struct keyed_record *first = &keyed->records[batch->base_offset];
    struct arena               arena;
    struct rec_iter            iter;
    struct rec_record          record;
    struct view                records;

    assert_true(batch->base_offset >= reading->next);
    reading->next = batch->base_offset;
    assert_true(rec_batch_crc_ok(batch));
    assert_int_equal(batch->leader_epoch, 3);
    assert_int_equal(first->batch, batch->base_offset); /* offsets of a batch never change */
    assert_int_equal(keyed->records[rec_batch_last_offset(batch)].batch, batch->base_offset);
    assert_true(rec_batch_last_offset(batch) + 1 == keyed->end ||
                keyed->records[rec_batch_last_offset(batch) + 1].batch == rec_batch_last_offset(batch) + 1);
    assert_int_equal(batch->producer_id, first->producer < 0 ? -1 : keyed->producers[(size_t)first->producer].id);
    assert_int_equal((batch->attributes & REC_ATTR_CONTROL) != 0, first->key == KEYED_CONTROL);
    keyed->seen_empty += batch->record_count == 0;
    if (first->key == KEYED_CONTROL) {
        keyed->seen_markers += batch->record_count;
    } else {
        arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
        assert_int_equal(rec_inflate(batch, 16 * MIB, &arena, &records), ERR_OK);
        rec_iter_init(&iter, batch, records);
        for (int32_t i = 0; i < batch->record_count; i++) {
            assert_int_equal(rec_iter_next(&iter, &record), 1);
            check_record(reading, &record);
        }
        assert_int_equal(rec_iter_next(&iter, &record), 0);
        arena_deinit(&arena);
        if (first->producer >= 0) {
            reading->producers[(size_t)first->producer] = rec_batch_last_offset(batch);
        }
    }
    reading->next = rec_batch_last_offset(batch) + 1;
}

static void read_done(struct store_read *read)
{
    (void)read;
    rig.done = true;
}

static void read_all(struct reading *reading)
{
    struct keyed_log *keyed = reading->keyed;
    int64_t           next = store_log_start_offset(keyed->log);

    while (next < store_log_durable_offset(keyed->log)) {
        struct store_read read = {.offset = next,
                                  .end_offset = INT64_MAX,
                                  .bytes_max = 200 + prng_below(&keyed->prng, 20000),
                                  .at_least_one = true,
                                  .done = read_done};

        rig.done = false;
        if (!store_log_read(keyed->log, &read)) {
            rig_wait_done();
        }
        assert_int_equal(read.result, ERR_OK);
        assert_true(read.bytes > 0); /* behind every offset below the end something comes */
        for (uint32_t i = 0; i < read.slice_count; i++) {
            struct view      rest = read.slices[i];
            struct rec_batch batch;

            while (store__batch_next(&rest, &batch)) {
                check_batch(reading, &batch);
            }
            assert_int_equal(rest.len, 0);
        }
        assert_true(read.next_offset >= reading->next);
        next = read.next_offset;
        store_read_release(&read);
    }
}

/* Where the newest record of a key stands, for readers of committed data; -1 none. */
static void model_newest(const struct keyed_log *keyed, int64_t newest[KEYED_KEYS_MAX])
{
    for (size_t i = 0; i < KEYED_KEYS_MAX; i++) {
        newest[i] = -1;
    }
    for (int64_t offset = store_log_start_offset(keyed->log); offset < keyed->acked; offset++) {
        const struct keyed_record *record = &keyed->records[offset];

        if (record->key >= 0 && !record->aborted) {
            newest[record->key] = offset;
        }
    }
}

void keyed_verify(struct keyed_log *keyed)
{
    struct reading reading = {.keyed = keyed};
    int64_t        newest[KEYED_KEYS_MAX];

    keyed->seen_records = keyed->seen_tombstones = keyed->seen_markers = keyed->seen_empty = keyed->seen_aborted = 0;
    reading.seen = mem_alloc(MEM_TEST, KEYED_RECORDS_MAX);
    for (size_t i = 0; i < KEYED_KEYS_MAX; i++) {
        reading.newest[i] = -1;
    }
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) {
        reading.producers[i] = -1;
    }
    read_all(&reading);
    model_newest(keyed, newest);
    for (size_t i = 0; i < KEYED_KEYS_MAX; i++) {
        bool gone = newest[i] >= 0 && keyed->records[newest[i]].value == KEYED_TOMBSTONE && reading.newest[i] < 0;

        if (!gone) {
            assert_int_equal(reading.newest[i], newest[i]);
        }
    }
    for (size_t i = 0; i < KEYED_PRODUCERS_MAX; i++) { /* its last sequence can still be told */
        if (keyed->producers[i].last_data >= store_log_start_offset(keyed->log) &&
            keyed->producers[i].last_data < keyed->acked) {
            assert_int_equal(reading.producers[i], keyed->producers[i].last_data);
        }
    }
    mem_free(MEM_TEST, reading.seen);
}

void keyed_verify_clean(struct keyed_log *keyed)
{
    struct reading reading = {.keyed = keyed};
    int64_t        newest[KEYED_KEYS_MAX];

    reading.seen = mem_alloc(MEM_TEST, KEYED_RECORDS_MAX);
    read_all(&reading);
    for (size_t i = 0; i < KEYED_KEYS_MAX; i++) {
        newest[i] = -1;
    }
    for (int64_t offset = 0; offset < store__compact_dirty(keyed->log); offset++) {
        const struct keyed_record *record = &keyed->records[offset];

        if (!reading.seen[offset]) {
            continue;
        }
        assert_false(record->aborted);
        assert_int_equal(newest[record->key], -1);
        newest[record->key] = offset;
    }
    mem_free(MEM_TEST, reading.seen);
}
