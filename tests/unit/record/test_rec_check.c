#include "tests/unit/record/rec_support.h"

static int setup_arena(void **state)
{
    static struct arena arena;

    arena_init(&arena, MEM_TEST, 256 * KIB, GIB);
    *state = &arena;
    return 0;
}

static int teardown_arena(void **state)
{
    arena_deinit(*state);
    return 0;
}

/* --- rules of the header ------------------------------------------------------------------------------------------ */

enum field { ATTRIBUTES, BASE_OFFSET, LAST_DELTA, COUNT, PRODUCER, SEQUENCE };

static struct rec_batch fields_with(enum field field, int64_t value)
{
    struct rec_batch fields = raw_fields(1);

    switch (field) {
    case ATTRIBUTES:
        fields.attributes = (uint16_t)value;
        break;
    case BASE_OFFSET:
        fields.base_offset = value;
        break;
    case LAST_DELTA:
        fields.last_offset_delta = (int32_t)value;
        break;
    case COUNT:
        fields.record_count = (int32_t)value;
        break;
    case PRODUCER:
        fields.producer_id = value;
        break;
    case SEQUENCE:
        fields.producer_id = 5;
        fields.producer_epoch = 0;
        fields.base_sequence = (int32_t)value;
        break;
    }
    return fields;
}

static void test_header_rules(void **state)
{
    static const struct {
        enum field       field;
        int64_t          value;
        enum rec_verdict verdict;
    } cases[] = {
        {ATTRIBUTES, 0, REC_OK},
        {ATTRIBUTES, 0x1200, REC_OK}, /* the high byte means nothing, as in Kafka */
        {ATTRIBUTES, 5, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, 6, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, 7, REC_UNSUPPORTED_COMPRESSION},
        {ATTRIBUTES, REC_ATTR_LOG_APPEND_TIME, REC_INVALID_TIMESTAMP},
        {ATTRIBUTES, REC_ATTR_TRANSACTIONAL, REC_INVALID_RECORD}, /* without a producer id */
        {ATTRIBUTES, REC_ATTR_CONTROL, REC_INVALID_RECORD},
        {ATTRIBUTES, REC_ATTR_DELETE_HORIZON, REC_INVALID_RECORD},
        {BASE_OFFSET, 1, REC_INVALID_RECORD},
        {BASE_OFFSET, -1, REC_INVALID_RECORD},
        {LAST_DELTA, 1, REC_INVALID_RECORD},
        {LAST_DELTA, -1, REC_INVALID_RECORD},
        {LAST_DELTA, INT32_MAX, REC_INVALID_RECORD},
        {LAST_DELTA, INT32_MIN, REC_INVALID_RECORD},
        {COUNT, 0, REC_INVALID_RECORD},
        {COUNT, 2, REC_INVALID_RECORD},
        {COUNT, -1, REC_INVALID_RECORD},
        {COUNT, INT32_MIN, REC_INVALID_RECORD},
        {COUNT, INT32_MAX, REC_INVALID_RECORD},
        {PRODUCER, 5, REC_INVALID_RECORD}, /* sequence is -1 */
        {PRODUCER, -2, REC_OK},
        {SEQUENCE, 0, REC_OK},
        {SEQUENCE, INT32_MAX, REC_OK},
        {SEQUENCE, -1, REC_INVALID_RECORD},
        {SEQUENCE, INT32_MIN, REC_INVALID_RECORD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rec_batch fields = fields_with(cases[i].field, cases[i].value);
        struct raw       bytes = raw_batch(&fields, view_of("\x0c\0\0\0\1\1\0", 7));
        struct rec_rules rules = lax_rules();
        struct rec_found found;

        assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), cases[i].verdict);
        raw_free(&bytes);
    }
}

static void test_size_codec_and_crc_rules(void **state)
{
    struct arena    *arena = *state;
    struct rec_batch fields = raw_fields(1);
    struct raw       bytes = raw_batch(&fields, view_of("\x0c\0\0\0\1\1\0", 7));
    struct rec_rules rules = lax_rules();
    struct rec_found found;
    struct view      zstd = recompressed(arena, raw_view(&bytes), REC_ZSTD, 0);

    rules.batch_bytes_max = 68;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    rules.batch_bytes_max = 67;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_TOO_LARGE);
    rules = lax_rules();
    assert_int_equal(verdict_of(zstd, &rules, &found), REC_OK);
    rules.zstd_allowed = false;
    assert_int_equal(verdict_of(zstd, &rules, &found), REC_UNSUPPORTED_COMPRESSION);
    bytes.bytes[18] ^= 1;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_CORRUPT);
    assert_int_equal(found.bad_record_index, -1);
    rules.crc_checked = true;
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    raw_free(&bytes);
}

/* --- rules of records --------------------------------------------------------------------------------------------- */

static void test_keys(void **state)
{
    struct arena *arena = *state;

    for (int codec = 0; codec < REC_CODEC_COUNT; codec++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(3);
        struct rec_rules rules = lax_rules();
        struct rec_found found;
        struct raw       plain;
        struct view      bytes;

        raw_record(&records, 0, 0, view_text("a"), view_text("v"), NULL, 0);
        raw_record(&records, 0, 1, view_text(""), view_of(NULL, 0), NULL, 0); /* an empty key is a key */
        raw_record(&records, 0, 2, view_of(NULL, 0), view_text("v"), NULL, 0);
        plain = raw_batch(&fields, raw_view(&records));
        bytes = recompressed(arena, raw_view(&plain), (enum rec_codec)codec, 0);
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_OK);
        rules.keys_required = true;
        assert_int_equal(verdict_of(bytes, &rules, &found), REC_INVALID_RECORD);
        assert_int_equal(found.bad_record_index, 2);
        raw_free(&plain);
        raw_free(&records);
    }
}

static void test_timestamps(void **state)
{
    static const struct {
        int64_t          base_ms;
        int64_t          delta_ms;
        int64_t          before_max_ms;
        int64_t          after_max_ms;
        bool             log_append_time;
        enum rec_verdict verdict;
    } cases[] = {
        {1000000, 0, 0, 0, false, REC_OK},
        {1000000, -1, 0, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, 1, 0, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, -500, 500, 0, false, REC_OK},
        {1000000, -501, 500, 0, false, REC_INVALID_TIMESTAMP},
        {1000000, 500, 0, 500, false, REC_OK},
        {1000000, 501, 0, 500, false, REC_INVALID_TIMESTAMP},
        {1000000, 501, 0, 500, true, REC_OK}, /* the broker's clock replaces it */
        {-1, 0, 0, 0, false, REC_OK},         /* none given */
        {1000000, -1000001, 0, 0, false, REC_OK},
        {0, INT64_MAX, INT64_MAX, INT64_MAX, false, REC_OK},
        {0, INT64_MIN, INT64_MAX, INT64_MAX, false, REC_OK},
        {0, INT64_MIN, INT64_MAX - 1, INT64_MAX, false, REC_INVALID_TIMESTAMP},
        {1, INT64_MAX, INT64_MAX, INT64_MAX, false, REC_INVALID_TIMESTAMP}, /* does not fit */
        {-2, INT64_MIN, INT64_MAX, INT64_MAX, true, REC_INVALID_TIMESTAMP},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(1);
        struct rec_rules rules = lax_rules();
        struct rec_found found;
        struct raw       bytes;

        raw_record(&records, cases[i].delta_ms, 0, view_text("k"), view_text("v"), NULL, 0);
        fields.base_timestamp_ms = cases[i].base_ms;
        bytes = raw_batch(&fields, raw_view(&records));
        rules.timestamp_before_max_ms = cases[i].before_max_ms;
        rules.timestamp_after_max_ms = cases[i].after_max_ms;
        rules.log_append_time = cases[i].log_append_time;
        assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), cases[i].verdict);
        assert_int_equal(found.bad_record_index, cases[i].verdict == REC_OK ? -1 : 0);
        raw_free(&bytes);
        raw_free(&records);
    }
}

static void test_max_timestamp_found(void **state)
{
    static const int64_t deltas[] = {5, 90, -3, 90, 89};
    struct raw           records = {0};
    struct rec_batch     fields = raw_fields(COUNT_OF(deltas));
    struct rec_rules     rules = lax_rules();
    struct rec_found     found;
    struct raw           bytes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        raw_record(&records, deltas[i], (int32_t)i, view_of(NULL, 0), view_of(NULL, 0), NULL, 0);
    }
    fields.max_timestamp_ms = 5; /* the header may lie: the caller compares and stamps */
    bytes = raw_batch(&fields, raw_view(&records));
    assert_int_equal(verdict_of(raw_view(&bytes), &rules, &found), REC_OK);
    assert_int_equal(found.max_timestamp_ms, 1000090);
    assert_int_equal(found.max_timestamp_delta, 1);
    raw_free(&bytes);
    raw_free(&records);
}

/* --- structure, under every codec -------------------------------------------------------------------------------- */

struct outcome {
    enum rec_verdict verdict;
    struct rec_found found;
};

/* slice_max 0: whole. Otherwise random slices up to it. */
static struct outcome check_in_slices(struct view bytes, const struct rec_rules *rules, struct prng *prng,
                                      size_t slice_max)
{
    struct outcome   outcome;
    struct rec_batch batch;
    struct rec_check check;
    const char      *reason = NULL;
    int              rc = ERR_OK;

    assert_int_equal(rec_produced_parse(bytes, &batch, &reason), REC_OK);
    outcome.verdict = rec_check_begin(&check, &batch, rules);
    if (outcome.verdict == REC_OK) {
        do {
            rc = rec_check_step(&check, slice_max == 0 ? GIB : 1 + prng_below(prng, slice_max), &outcome.verdict);
        } while (rc == ERR_AGAIN);
        assert_int_equal(rc, ERR_OK);
    }
    outcome.found = check.found;
    rec_check_end(&check);
    rec_check_end(&check); /* harmless */
    return outcome;
}

static void outcomes_equal(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->found.bad_record_index, b->found.bad_record_index);
    assert_ptr_equal(a->found.reason, b->found.reason);
    assert_int_equal(a->found.max_timestamp_ms, b->found.max_timestamp_ms);
    assert_int_equal(a->found.max_timestamp_delta, b->found.max_timestamp_delta);
}

/* The records as they are and under every codec, in slices from one byte up: one verdict. */
static void same_everywhere(struct arena *arena, struct prng *prng, struct view plain, const struct rec_rules *rules,
                            enum rec_verdict *out_verdict)
{
    struct outcome expected = check_in_slices(plain, rules, prng, 0);

    for (int codec = REC_GZIP; codec < REC_CODEC_COUNT; codec++) {
        static const size_t slices[] = {0, 1, 3, 17, 1000, 100000};
        struct view         bytes = recompressed(arena, plain, (enum rec_codec)codec, 0);

        for (size_t i = 0; i < COUNT_OF(slices); i++) {
            struct outcome outcome = check_in_slices(bytes, rules, prng, slices[i]);

            outcomes_equal(&outcome, &expected);
        }
    }
    *out_verdict = expected.verdict;
}

static void test_sliced_is_whole(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;

    prng_init(&prng, 11);
    for (int round = 0; round < 60; round++) {
        int32_t          count = 1 + (int32_t)prng_below(&prng, 40);
        int64_t          max_ms = 0;
        struct raw       records = random_records(&prng, arena, count, round % 10 == 0 ? 60000 : 200, &max_ms);
        struct rec_batch fields = raw_fields(count);
        struct rec_rules rules = lax_rules();
        struct raw       plain = raw_batch(&fields, raw_view(&records));
        enum rec_verdict verdict;

        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, REC_OK);
        rules.keys_required = true;
        rules.timestamp_before_max_ms = 990;
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        raw_free(&plain);
        raw_free(&records);
        arena_reset(arena);
    }
}

/* One byte of the records changed: whatever the verdict is, it is the same for every codec and slicing. */
static void test_damage_under_a_right_crc(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int           refused = 0;

    prng_init(&prng, 12);
    for (int round = 0; round < 400; round++) {
        int32_t          count = 1 + (int32_t)prng_below(&prng, 12);
        int64_t          max_ms = 0;
        struct raw       records = random_records(&prng, arena, count, 60, &max_ms);
        struct rec_batch fields = raw_fields(count);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        records.bytes[prng_below(&prng, records.len)] = (uint8_t)prng_next(&prng);
        plain = raw_batch(&fields, raw_view(&records));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        refused += verdict != REC_OK;
        raw_free(&plain);
        raw_free(&records);
        arena_reset(arena);
    }
    assert_true(refused > 40); /* most bytes are content and may be anything */
}

/* Cut anywhere, or with bytes behind: refused. */
static void test_records_cut_or_trailed(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;
    int64_t       max_ms = 0;
    struct raw    records;
    size_t        whole;

    prng_init(&prng, 13);
    records = random_records(&prng, arena, 4, 40, &max_ms);
    whole = records.len;
    raw_byte(&records, 0x0c);
    for (size_t len = 0; len <= records.len; len++) {
        struct rec_batch fields = raw_fields(4);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        plain = raw_batch(&fields, view_of(records.bytes, len));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, len == whole ? REC_OK : REC_INVALID_RECORD);
        raw_free(&plain);
        arena_reset(arena);
    }
    raw_free(&records);
}

static void test_offsets_and_counts(void **state)
{
    struct arena *arena = *state;
    struct prng   prng;

    prng_init(&prng, 14);
    for (int what = 0; what < 5; what++) {
        struct raw       records = {0};
        struct rec_batch fields = raw_fields(what == 1 ? 4 : what == 2 ? 6 : 5);
        struct rec_rules rules = lax_rules();
        struct raw       plain;
        enum rec_verdict verdict;

        for (int32_t i = 0; i < 5; i++) {
            int32_t delta = what == 3 && i == 3 ? 2 : what == 4 ? i + 1 : i;

            raw_record(&records, 0, delta, view_text("k"), view_text("some value"), NULL, 0);
        }
        plain = raw_batch(&fields, raw_view(&records));
        same_everywhere(arena, &prng, raw_view(&plain), &rules, &verdict);
        assert_int_equal(verdict, what == 0 ? REC_OK : REC_INVALID_RECORD);
        raw_free(&plain);
        raw_free(&records);
    }
}

static int release(void **state)
{
    (void)state;
    rec_thread_deinit();
    return mem_used_bytes(MEM_RECORD) == 0 ? 0 : -1;
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup_arena, teardown_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_rules),
        WITH_ARENA(test_size_codec_and_crc_rules),
        WITH_ARENA(test_keys),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_max_timestamp_found),
        WITH_ARENA(test_sliced_is_whole),
        WITH_ARENA(test_damage_under_a_right_crc),
        WITH_ARENA(test_records_cut_or_trailed),
        WITH_ARENA(test_offsets_and_counts),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
