/* Every message in every version, filled at random: what is encoded decodes to the same, whichever kind of writer wrote
 * it; every shorter input is refused; damaged input is refused or decoded, but never read outside its bounds (the
 * sanitizers watch). */
#include "tests/support/unit.h"

#include "core/base/check.h"
#include "core/proto/kp_random.h"

#define ROUNDS            12
#define ENCODED_BYTES_MAX ((size_t)(4 * MIB))
#define ARENA_BYTES_MAX   ((size_t)(64 * MIB))

struct fixture {
    struct kp_random random;
    struct arena     decoded; /* arrays of decoded messages */
    struct arena     written; /* chunks of arena writers */
    uint8_t         *bytes;   /* what a span writer wrote */
};

static int set_up(void **state)
{
    struct fixture *fixture = mem_alloc(MEM_TEST, sizeof(*fixture));

    kp_random_init(&fixture->random, 42);
    arena_init(&fixture->decoded, MEM_TEST, 64 * KIB, ARENA_BYTES_MAX);
    arena_init(&fixture->written, MEM_TEST, 64 * KIB, ARENA_BYTES_MAX);
    fixture->bytes = mem_alloc(MEM_TEST, ENCODED_BYTES_MAX);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    kp_random_deinit(&fixture->random);
    arena_deinit(&fixture->decoded);
    arena_deinit(&fixture->written);
    mem_free(MEM_TEST, fixture->bytes);
    mem_free(MEM_TEST, fixture);
    return 0;
}

static void *fill(struct fixture *fixture, const struct kp_random_row *row, int16_t version)
{
    void *message;

    arena_reset(&fixture->random.arena);
    message = kp_random_alloc(&fixture->random, 1, row->codec.bytes);
    row->fill(&fixture->random, version, message);
    return message;
}

/* Encodes into fixture->bytes; the result is a view of it. */
static struct view encode(struct fixture *fixture, const struct kp_random_row *row, int16_t version,
                          const void *message)
{
    struct kp_writer writer;

    kp_writer_init_span(&writer, span_of(fixture->bytes, ENCODED_BYTES_MAX));
    row->codec.encode(&writer, version, message);
    assert_int_equal(writer.error, ERR_OK);
    return view_of(fixture->bytes, writer.bytes_total);
}

/* The result of decoding a copy of `bytes` that ends where its allocation ends. */
static int decode_copy(struct fixture *fixture, const struct kp_random_row *row, int16_t version, struct view bytes)
{
    uint8_t         *copy = mem_alloc(MEM_TEST, bytes.len);
    void            *message = mem_alloc(MEM_TEST, row->codec.bytes);
    struct kp_reader reader;
    int              result;

    if (bytes.len > 0) {
        memcpy(copy, bytes.base, bytes.len);
    }
    arena_reset(&fixture->decoded);
    kp_reader_init(&reader, view_of(copy, bytes.len), &fixture->decoded);
    result = row->codec.decode(&reader, version, message);
    assert_int_equal(result, reader.error);
    mem_free(MEM_TEST, message);
    mem_free(MEM_TEST, copy);
    return result;
}

static void check_round_trip(struct fixture *fixture, const struct kp_random_row *row, int16_t version)
{
    void            *message = fill(fixture, row, version);
    struct view      bytes = encode(fixture, row, version, message);
    void            *decoded = mem_alloc(MEM_TEST, row->codec.bytes);
    struct kp_reader reader;

    arena_reset(&fixture->decoded);
    kp_reader_init(&reader, bytes, &fixture->decoded);
    if (row->codec.decode(&reader, version, decoded) != ERR_OK) {
        fail_msg("%s version %d does not decode", row->name, version);
    }
    if (kp_reader_remaining(&reader) != 0 || !row->equal(message, decoded)) {
        fail_msg("%s version %d decodes to something else", row->name, version);
    }
    mem_free(MEM_TEST, decoded);
}

static void test_round_trip(void **state)
{
    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            for (int round = 0; round < ROUNDS; round++) {
                check_round_trip(*state, row, version);
            }
        }
    }
}

static void test_defaults_round_trip(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            void            *message = mem_alloc(MEM_TEST, row->codec.bytes);
            void            *decoded = mem_alloc(MEM_TEST, row->codec.bytes);
            struct kp_reader reader;

            row->codec.init(message);
            arena_reset(&fixture->decoded);
            kp_reader_init(&reader, encode(fixture, row, version, message), &fixture->decoded);
            assert_int_equal(row->codec.decode(&reader, version, decoded), ERR_OK);
            assert_int_equal(kp_reader_remaining(&reader), 0);
            assert_true(row->equal(message, decoded));
            mem_free(MEM_TEST, message);
            mem_free(MEM_TEST, decoded);
        }
    }
}

/* A zeroed struct has NULL views where null is not allowed: it must still encode to something that decodes. */
static void test_zeroed_structs_encode(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            void *message = mem_alloc(MEM_TEST, row->codec.bytes);

            assert_int_equal(decode_copy(fixture, row, version, encode(fixture, row, version, message)), ERR_OK);
            mem_free(MEM_TEST, message);
        }
    }
}

static void check_writers_agree(struct fixture *fixture, const struct kp_random_row *row, int16_t version)
{
    void              *message = fill(fixture, row, version);
    struct view        bytes = encode(fixture, row, version, message);
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            segments_count = 0;
    size_t             at = 0;

    kp_writer_init_measure(&writer);
    row->codec.encode(&writer, version, message);
    assert_int_equal(writer.bytes_total, bytes.len);

    arena_reset(&fixture->written);
    kp_writer_init_arena(&writer, &fixture->written, 64); /* small chunks, to cross many ends */
    row->codec.encode(&writer, version, message);
    assert_int_equal(writer.error, ERR_OK);
    assert_int_equal(writer.bytes_total, bytes.len);
    segments = kp_writer_segments(&writer, &segments_count);
    for (int32_t i = 0; i < segments_count; i++) {
        assert_true(at + segments[i].len <= bytes.len);
        assert_memory_equal(segments[i].base, bytes.base + at, segments[i].len);
        at += segments[i].len;
    }
    assert_int_equal(at, bytes.len);

    if (bytes.len > 0) {
        kp_writer_init_span(&writer, span_of(fixture->bytes, bytes.len - 1));
        row->codec.encode(&writer, version, message);
        assert_int_equal(writer.error, ERR_NO_SPACE);
    }
}

static void test_writers_agree(void **state)
{
    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            for (int round = 0; round < 3; round++) {
                check_writers_agree(*state, row, version);
            }
        }
    }
}

/* All lengths of short messages, a sample of long ones. */
static void test_truncated_input(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            struct view bytes = encode(fixture, row, version, fill(fixture, row, version));
            size_t      step = bytes.len > 600 ? bytes.len / 300 : 1;

            for (size_t len = 0; len < bytes.len; len += step) {
                if (decode_copy(fixture, row, version, view_of(bytes.base, len)) != ERR_INVALID) {
                    fail_msg("%s version %d: %zu of %zu bytes are accepted", row->name, version, len, bytes.len);
                }
            }
        }
    }
}

static void test_damaged_input(void **state)
{
    struct fixture *fixture = *state;
    struct prng    *prng = &fixture->random.prng;
    int             refused = 0;

    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            struct view bytes = encode(fixture, row, version, fill(fixture, row, version));

            for (int round = 0; round < 60 && bytes.len > 0; round++) {
                size_t  at = (size_t)prng_below(prng, bytes.len);
                uint8_t old = fixture->bytes[at];
                int     result;

                fixture->bytes[at] = prng_chance(prng, 1, 3) ? 0xff : (uint8_t)prng_next(prng);
                result = decode_copy(fixture, row, version, bytes);
                assert_true(result == ERR_OK || result == ERR_INVALID || result == ERR_NO_MEMORY);
                refused += result != ERR_OK;
                fixture->bytes[at] = old;
            }
        }
    }
    assert_true(refused > 100);
}

static void test_foreign_versions(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < KP_RANDOM_ROWS_COUNT; i++) {
        const struct kp_random_row *row = &kp_random_rows[i];
        void                       *message = fill(fixture, row, row->version_max);
        struct view                 bytes = encode(fixture, row, row->version_max, message);
        struct kp_writer            writer;

        assert_int_equal(decode_copy(fixture, row, (int16_t)(row->version_max + 1), bytes), ERR_INVALID);
        assert_int_equal(decode_copy(fixture, row, (int16_t)(row->version_min - 1), bytes), ERR_INVALID);
        kp_writer_init_span(&writer, span_of(fixture->bytes, ENCODED_BYTES_MAX));
        row->codec.encode(&writer, (int16_t)(row->version_max + 1), message);
        assert_int_equal(writer.error, ERR_INVALID);
        assert_int_equal(writer.bytes_total, 0);
    }
}

static void test_arena_budget(void **state)
{
    struct kp_metadata_response_brokers brokers[200];
    struct kp_metadata_response         response;
    struct fixture                     *fixture = *state;
    struct kp_writer                    writer;
    struct kp_reader                    reader;
    struct arena                        small;

    kp_metadata_response_init(&response);
    for (size_t i = 0; i < COUNT_OF(brokers); i++) {
        kp_metadata_response_brokers_init(&brokers[i]);
    }
    response.brokers = brokers;
    response.brokers_count = (int32_t)COUNT_OF(brokers);
    kp_writer_init_span(&writer, span_of(fixture->bytes, ENCODED_BYTES_MAX));
    kp_metadata_response_encode(&writer, 9, &response);
    assert_int_equal(writer.error, ERR_OK);

    arena_init(&small, MEM_TEST, 1024, 4096);
    kp_reader_init(&reader, view_of(fixture->bytes, writer.bytes_total), &small);
    assert_int_equal(kp_metadata_response_decode(&reader, 9, &response), ERR_NO_MEMORY);
    arena_deinit(&small);

    arena_init(&small, MEM_TEST, 64, 128);
    kp_writer_init_arena(&writer, &small, 64);
    response.brokers = brokers;
    response.brokers_count = (int32_t)COUNT_OF(brokers);
    kp_metadata_response_encode(&writer, 9, &response);
    assert_int_equal(writer.error, ERR_NO_MEMORY);
    arena_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_defaults_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zeroed_structs_encode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writers_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_truncated_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arena_budget, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
