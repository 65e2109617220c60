/* compact_verify.c: everything is read and held against the model of compact_rig.h. */
#include "tests/unit/store/compact_rig.h"

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
    char                       text[KEYED_TEXT_BYTES];
    struct view                expected = keyed_key_text(want->key, text);

    assert_true(got->offset >= reading->next);
    reading->next = got->offset + 1;
    assert_true(want->key >= 0);
    assert_int_equal(got->key.len, expected.len);
    assert_memory_equal(got->key.base, expected.base, expected.len);
    expected = keyed_value_text(want->value, text);
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
    if (!want->aborted && got->offset >= store_log_start_offset(keyed->log)) { /* clients skip the others */
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

/* From read->offset on, of any size; to be released. */
static void read_some(struct keyed_log *keyed, struct store_read *read)
{
    read->end_offset = INT64_MAX;
    read->bytes_max = 200 + prng_below(&keyed->prng, 20000);
    read->at_least_one = true;
    read->done = read_done;
    rig.done = false;
    if (!store_log_read(keyed->log, read)) {
        rig_wait_done();
    }
    assert_int_equal(read->result, ERR_OK);
}

static void read_all(struct reading *reading)
{
    struct keyed_log *keyed = reading->keyed;
    int64_t           next = store_log_start_offset(keyed->log);

    while (next < store_log_durable_offset(keyed->log)) {
        struct store_read read = {.offset = next};

        read_some(keyed, &read);
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

/* As consumers read: an answer without records, which they take for a limit that is too small, comes only where nothing
 * follows, or memory. */
static void read_as_consumer(struct keyed_log *keyed)
{
    int64_t next = store_log_start_offset(keyed->log);

    while (next < store_log_durable_offset(keyed->log)) {
        struct store_read read = {.offset = next, .pass_empty = true};

        read_some(keyed, &read);
        assert_true(read.next_offset > next);
        next = read.next_offset;
        assert_true(read.has_records || next >= read.end_offset ||
                    (keyed->log->frame_count > 0 && next >= keyed->log->frames[0]->header.first_offset));
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
    read_as_consumer(keyed);
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
    for (int64_t offset = store_log_start_offset(keyed->log); offset < store__compact_dirty(keyed->log); offset++) {
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
