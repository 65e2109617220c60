/* test_rec_filter.c: batches that lose records keep everything else. */
#include "tests/unit/record/rec_support.h"

#define RECORDS_MAX 40

struct case_batch {
    struct random_record records[RECORDS_MAX];
    bool                 keep[RECORDS_MAX];
    int32_t              count, kept, tombstones;
    struct raw           plain;
    struct rec_batch     fields;
};

static bool keep_listed(void *context, const struct rec_record *record)
{
    const struct case_batch *made = context;

    return made->keep[record->offset - made->fields.base_offset];
}

static bool keep_all(void *context, const struct rec_record *record)
{
    (void)context;
    (void)record;
    return true;
}

static void make(struct case_batch *made, struct prng *prng, struct arena *arena, uint16_t attributes)
{
    struct raw records = {0};

    memset(made, 0, sizeof(*made));
    made->count = 1 + (int32_t)prng_below(prng, RECORDS_MAX - 1);
    made->fields = raw_fields(made->count);
    made->fields.base_offset = 5000;
    made->fields.leader_epoch = 4;
    made->fields.producer_id = 77;
    made->fields.producer_epoch = 2;
    made->fields.base_sequence = 900;
    made->fields.attributes = attributes;
    made->fields.max_timestamp_ms = -1;
    for (int32_t i = 0; i < made->count; i++) {
        struct random_record *record = &made->records[i];

        random_record(prng, arena, 60, record);
        made->keep[i] = prng_chance(prng, 1, 2);
        made->kept += made->keep[i];
        made->tombstones += made->keep[i] && record->value.base == NULL;
        raw_record(&records, record->timestamp_ms - 1000000, i, record->key, record->value, record->headers,
                   record->header_count);
        made->fields.max_timestamp_ms = MAX(made->fields.max_timestamp_ms, record->timestamp_ms);
    }
    made->plain = raw_batch(&made->fields, raw_view(&records));
    raw_free(&records);
}

static struct view filtered(struct arena *arena, struct view bytes, size_t slice_bytes, rec_keep_fn *keep,
                            void *context, int64_t horizon_ms, bool horizon_wanted)
{
    struct rec_filter filter = {0};
    struct rec_batch  batch;
    struct view       out;
    int               result;

    assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
    assert_int_equal(rec_filter_begin(&filter, &batch, 64 * MIB, arena), ERR_OK);
    while ((result = rec_filter_step(&filter, slice_bytes, keep, context)) == ERR_AGAIN) {
    }
    assert_int_equal(result, ERR_OK);
    assert_int_equal(rec_filter_end(&filter, horizon_ms, horizon_wanted, &out), ERR_OK);
    return out;
}

static void check_view(struct view got, struct view want)
{
    assert_int_equal(got.base == NULL, want.base == NULL);
    assert_int_equal(got.len, want.len);
    if (want.len > 0) {
        assert_memory_equal(got.base, want.base, want.len);
    }
}

static void check_fields(const struct rec_batch *got, const struct case_batch *made, enum rec_codec codec)
{
    assert_true(rec_batch_crc_ok(got));
    assert_int_equal(got->codec, codec);
    assert_int_equal(got->base_offset, made->fields.base_offset);
    assert_int_equal(got->last_offset_delta, made->fields.last_offset_delta);
    assert_int_equal(got->leader_epoch, 4);
    assert_int_equal(got->producer_id, 77);
    assert_int_equal(got->producer_epoch, 2);
    assert_int_equal(got->base_sequence, 900);
}

static void check_records(struct view bytes, const struct case_batch *made, enum rec_codec codec, bool all,
                          struct arena *arena)
{
    struct rec_batch  batch;
    struct rec_iter   iter;
    struct rec_record record;
    struct view       records;
    int64_t           max_ms = -1;

    assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
    check_fields(&batch, made, codec);
    assert_int_equal(batch.record_count, all ? made->count : made->kept);
    assert_int_equal(rec_inflate(&batch, 64 * MIB, arena, &records), ERR_OK);
    rec_iter_init(&iter, &batch, records);
    for (int32_t i = 0; i < made->count; i++) {
        const struct random_record *want = &made->records[i];

        if (!all && !made->keep[i]) {
            continue;
        }
        assert_int_equal(rec_iter_next(&iter, &record), 1);
        assert_int_equal(record.offset, made->fields.base_offset + i);
        assert_int_equal(record.timestamp_ms, want->timestamp_ms);
        check_view(record.key, want->key);
        check_view(record.value, want->value);
        assert_int_equal(record.header_count, want->header_count);
        for (int32_t k = 0; k < want->header_count; k++) {
            struct rec_header_field field;

            assert_int_equal(rec_headers_next(&record.headers, &field), 1);
            check_view(field.key, want->headers[k].key);
            check_view(field.value, want->headers[k].value);
        }
        max_ms = MAX(max_ms, record.timestamp_ms);
    }
    assert_int_equal(rec_iter_next(&iter, &record), 0);
    assert_int_equal(batch.max_timestamp_ms, max_ms);
}

static void test_random_batches(void **state)
{
    struct prng       prng;
    struct arena      arena;
    struct case_batch made;

    (void)state;
    prng_init(&prng, 11);
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    for (int i = 0; i < 2000; i++) {
        enum rec_codec   codec = (enum rec_codec)prng_below(&prng, REC_CODEC_COUNT);
        int64_t          horizon_ms = (int64_t)prng_below(&prng, 4000000);
        size_t           slice_bytes = 1 + prng_below(&prng, 500);
        struct rec_batch batch;
        struct view      bytes, out;

        arena_reset(&arena);
        make(&made, &prng, &arena, REC_ATTR_TRANSACTIONAL);
        bytes = recompressed(&arena, raw_view(&made.plain), codec, 0);
        out = filtered(&arena, bytes, slice_bytes, keep_listed, &made, horizon_ms, false);
        if (made.kept == 0) {
            assert_null(out.base);
        } else {
            check_records(out, &made, codec, false, &arena);
            assert_int_equal(rec_batch_parse(out, &batch), ERR_OK);
            assert_int_equal((batch.attributes & REC_ATTR_DELETE_HORIZON) != 0, made.tombstones > 0);
            assert_int_equal(batch.base_timestamp_ms, made.tombstones > 0 ? horizon_ms : 1000000);
            assert_true((batch.attributes & REC_ATTR_TRANSACTIONAL) != 0);
            /* Once more with everything: it has its horizon, so nothing changes, and it is passed on as it is. */
            assert_ptr_equal(
                filtered(&arena, out, slice_bytes, keep_all, NULL, horizon_ms + 1, made.tombstones > 0).base, out.base);
        }
        raw_free(&made.plain);
    }
    arena_deinit(&arena);
}

static void test_horizon_where_it_is_wanted(void **state)
{
    struct prng       prng;
    struct arena      arena;
    struct case_batch made;
    struct rec_batch  batch;
    struct view       out;

    (void)state;
    prng_init(&prng, 12);
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    make(&made, &prng, &arena, 0);
    out = filtered(&arena, raw_view(&made.plain), 100, keep_all, NULL, INT64_MAX, true);
    check_records(out, &made, REC_NONE, true, &arena); /* times wrap around and back */
    assert_int_equal(rec_batch_parse(out, &batch), ERR_OK);
    assert_int_equal(batch.base_timestamp_ms, INT64_MAX);
    assert_true((batch.attributes & REC_ATTR_DELETE_HORIZON) != 0);
    raw_free(&made.plain);
    arena_deinit(&arena);
}

static void test_append_time_stays(void **state)
{
    struct prng       prng;
    struct arena      arena;
    struct case_batch made;
    struct rec_batch  batch;

    (void)state;
    prng_init(&prng, 13);
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    make(&made, &prng, &arena, REC_ATTR_LOG_APPEND_TIME);
    memset(made.keep, 0, sizeof(made.keep));
    made.keep[0] = true;
    assert_int_equal(rec_batch_parse(filtered(&arena, raw_view(&made.plain), 100, keep_listed, &made, 5, true), &batch),
                     ERR_OK);
    assert_int_equal(batch.record_count, 1);
    assert_int_equal(batch.max_timestamp_ms, made.fields.max_timestamp_ms); /* the time of all of them */
    raw_free(&made.plain);
    arena_deinit(&arena);
}

static void test_empty_batch(void **state)
{
    struct prng       prng;
    struct arena      arena;
    struct case_batch made;
    struct rec_batch  batch;
    uint8_t           empty[REC_HEADER_BYTES];
    struct view       bytes;

    (void)state;
    prng_init(&prng, 14);
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    make(&made, &prng, &arena, REC_ATTR_TRANSACTIONAL | REC_ATTR_DELETE_HORIZON);
    bytes = recompressed(&arena, raw_view(&made.plain), REC_ZSTD, 0);
    assert_int_equal(rec_batch_parse(bytes, &batch), ERR_OK);
    rec_empty_batch(&batch, empty);
    assert_int_equal(rec_batch_parse(view_of(empty, sizeof(empty)), &batch), ERR_OK);
    assert_int_equal(batch.bytes.len, REC_HEADER_BYTES);
    check_fields(&batch, &made, REC_NONE); /* nothing is not compressed */
    assert_int_equal(batch.record_count, 0);
    assert_int_equal(batch.base_timestamp_ms, -1);
    assert_int_equal(batch.max_timestamp_ms, made.fields.max_timestamp_ms);
    assert_int_equal(batch.attributes, REC_ATTR_TRANSACTIONAL);
    raw_free(&made.plain);
    arena_deinit(&arena);
}

static void test_what_cannot_be_taken_apart(void **state)
{
    struct arena      arena;
    struct rec_filter filter = {0};
    struct rec_batch  batch;
    struct rec_batch  fields = raw_fields(2);
    struct raw        records = {0};
    struct raw        whole;

    (void)state;
    arena_init(&arena, MEM_TEST, 64 * KIB, SIZE_MAX);
    raw_record(&records, 0, 0, view_text("k"), view_text("v"), NULL, 0);
    whole = raw_batch(&fields, raw_view(&records)); /* two are announced, one is there */
    assert_int_equal(rec_batch_parse(raw_view(&whole), &batch), ERR_OK);
    assert_int_equal(rec_filter_begin(&filter, &batch, 64 * MIB, &arena), ERR_OK);
    assert_int_equal(rec_filter_step(&filter, 1000, keep_all, NULL), ERR_CORRUPT);
    assert_int_equal(rec_filter_begin(&filter, &batch, 3, &arena), ERR_LIMIT);
    raw_free(&records);
    raw_free(&whole);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_batches),
        cmocka_unit_test(test_horizon_where_it_is_wanted),
        cmocka_unit_test(test_append_time_stays),
        cmocka_unit_test(test_empty_batch),
        cmocka_unit_test(test_what_cannot_be_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
