/* Every message in every version. Input: one byte message, one byte version, then the body. What decodes must encode,
 * and what was encoded must decode to the same bytes again. */
#include "tests/support/fuzz.h"

#include "core/base/check.h"
#include "core/proto/kp_random.h"

#define ARENA_BYTES_MAX ((size_t)(64 * MIB))

struct fuzz_kp {
    struct arena decoded;
    struct arena written;
    uint8_t      message[4096];
};

static struct fuzz_kp fuzz;

static int16_t version_of(const struct kp_random_row *row, uint8_t choice)
{
    return (int16_t)(row->version_min + choice % (row->version_max - row->version_min + 1));
}

/* The bytes of the message in fuzz.message, in one piece; base NULL when it is over the arena's budget. */
static struct view encode(const struct kp_random_row *row, int16_t version)
{
    struct kp_writer measure;
    struct kp_writer writer;
    uint8_t         *bytes;

    kp_writer_init_measure(&measure);
    row->codec.encode(&measure, version, fuzz.message);
    CHECK(measure.error == ERR_OK);
    bytes = arena_alloc(&fuzz.written, measure.bytes_total);
    if (bytes == NULL) {
        return (struct view){0};
    }
    kp_writer_init_span(&writer, span_of(bytes, measure.bytes_total));
    row->codec.encode(&writer, version, fuzz.message);
    CHECK(writer.error == ERR_OK);
    CHECK(writer.bytes_total == measure.bytes_total);
    return view_of(bytes, writer.bytes_total);
}

static int decode(const struct kp_random_row *row, int16_t version, struct view bytes)
{
    struct kp_reader reader;
    int              result;

    CHECK(row->codec.bytes <= sizeof(fuzz.message));
    kp_reader_init(&reader, bytes, &fuzz.decoded);
    result = row->codec.decode(&reader, version, fuzz.message);
    CHECK(result == reader.error);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct kp_random_row *row;
    struct view                 first;
    struct view                 second;
    int16_t                     version;

    if (len < 2) {
        return 0;
    }
    row = &kp_random_rows[bytes[0] % KP_RANDOM_ROWS_COUNT];
    version = version_of(row, bytes[1]);
    arena_init(&fuzz.decoded, MEM_TEST, 16 * KIB, ARENA_BYTES_MAX);
    arena_init(&fuzz.written, MEM_TEST, 64 * KIB, ARENA_BYTES_MAX);
    if (decode(row, version, view_of(bytes + 2, len - 2)) == ERR_OK) {
        first = encode(row, version);
        if (first.base != NULL) {
            CHECK(decode(row, version, first) == ERR_OK);
            second = encode(row, version);
            CHECK(second.base == NULL || view_equal(first, second));
        }
    }
    arena_deinit(&fuzz.decoded);
    arena_deinit(&fuzz.written);
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    uint8_t                     choice = (uint8_t)prng_below(prng, KP_RANDOM_ROWS_COUNT);
    const struct kp_random_row *row = &kp_random_rows[choice];
    uint8_t                     version = (uint8_t)prng_below(prng, 64);
    struct kp_random            random;
    struct kp_writer            writer;

    kp_random_init(&random, prng_next(prng));
    row->codec.init(fuzz.message);
    row->fill(&random, version_of(row, version), fuzz.message);
    out_bytes.base[0] = choice;
    out_bytes.base[1] = version;
    kp_writer_init_span(&writer, span_of(out_bytes.base + 2, out_bytes.len - 2));
    row->codec.encode(&writer, version_of(row, version), fuzz.message);
    kp_random_deinit(&random);
    return writer.error == ERR_OK ? 2 + writer.bytes_total : 0;
}
