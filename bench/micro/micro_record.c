/* micro_record.c: record batches: what a produced batch is checked for, the codecs in both directions. Records of 1 KiB
 * out of 512 words, which compress to about a half; `size` is the batch's, not compressed. `kind` is the codec. */
#include "bench/micro/micro.h"
#include "core/base/check.h"
#include "core/base/prng.h"
#include "core/record/rec.h"

#define RECORD_BYTES 1024
#define ARENA_BYTES  ((size_t)(256 * MIB))

struct record_state {
    struct arena     made, scratch;
    enum rec_codec   codec;
    struct rec_batch plain, batch; /* as it is, and under the codec */
    uint64_t         records_bytes;
};

static struct view record_build(struct arena *arena, size_t bytes)
{
    static const char  letters[] = "etaoinshrdlucmfw";
    struct rec_builder builder;
    struct prng        prng;
    uint8_t            value[RECORD_BYTES];
    struct view        batch = {0};

    prng_init(&prng, 1);
    rec_builder_init(&builder, arena);
    do {
        for (size_t at = 0; at < sizeof(value); at += 8) {
            uint64_t word = prng_below(&prng, 512) * UINT64_C(0x9e3779b97f4a7c15);

            for (size_t i = 0; i < 8; i++, word >>= 4) {
                value[at + i] = (uint8_t)letters[word & 15];
            }
        }
        rec_builder_add(&builder, 1700000000000, (struct view){0}, view_of(value, sizeof(value)), NULL, 0);
    } while (builder.len + RECORD_BYTES + 24 + REC_HEADER_BYTES <= bytes);
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
    return batch;
}

static void record_prepare(struct micro *micro, int64_t kind)
{
    struct record_state *state = mem_alloc(MEM_TEST, sizeof(*state));
    struct view          batch;

    arena_init(&state->made, MEM_TEST, MIB, ARENA_BYTES);
    arena_init(&state->scratch, MEM_TEST, 8 * MIB, ARENA_BYTES);
    state->codec = (enum rec_codec)kind;
    batch = record_build(&state->made, (size_t)micro->size);
    CHECK(rec_batch_parse(batch, &state->plain) == ERR_OK);
    state->records_bytes = state->plain.bytes.len - REC_HEADER_BYTES;
    if (state->codec != REC_NONE) {
        CHECK(rec_recompress_whole(&state->plain, state->codec, 0, ARENA_BYTES, &state->made, &batch) == ERR_OK);
    }
    CHECK(rec_batch_parse(batch, &state->batch) == ERR_OK);
    micro->bytes_per_turn = state->plain.bytes.len;
    micro->items_per_turn = (uint64_t)state->plain.record_count;
    micro->state = state;
}

static void record_finish(struct micro *micro)
{
    struct record_state *state = micro->state;

    arena_deinit(&state->made);
    arena_deinit(&state->scratch);
    mem_free(MEM_TEST, state);
}

/* All that a broker checks of a batch of magic 2, CRC included. */
static void check_run(struct micro *micro, uint64_t turns)
{
    struct record_state *state = micro->state;
    struct rec_rules     rules = {.batch_bytes_max = UINT32_MAX,
                                  .now_ms = 1700000000000,
                                  .timestamp_before_max_ms = INT64_MAX,
                                  .timestamp_after_max_ms = INT64_MAX,
                                  .inflated_bytes_max = ARENA_BYTES,
                                  .zstd_allowed = true};

    for (uint64_t i = 0; i < turns; i++) {
        struct rec_found found;
        enum rec_verdict verdict = REC_OK;

        CHECK(rec_check_whole(&state->batch, &rules, &found, &verdict) == ERR_OK && verdict == REC_OK);
    }
}

static void crc_ok_run(struct micro *micro, uint64_t turns)
{
    struct record_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct rec_batch batch;

        CHECK(rec_batch_parse(state->batch.bytes, &batch) == ERR_OK && rec_batch_crc_ok(&batch));
    }
}

static void inflate_run(struct micro *micro, uint64_t turns)
{
    struct record_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct view records = {0};

        CHECK(rec_inflate(&state->batch, ARENA_BYTES, &state->scratch, &records) == ERR_OK);
        CHECK(records.len == state->records_bytes);
        arena_reset(&state->scratch);
    }
}

static void compress_run(struct micro *micro, uint64_t turns)
{
    struct record_state *state = micro->state;

    for (uint64_t i = 0; i < turns; i++) {
        struct rec_recompress job = {0};
        struct view           batch = {0};

        CHECK(rec_recompress_begin(&job, &state->plain, state->records_bytes, state->codec, 0, ARENA_BYTES,
                                   &state->scratch) == ERR_OK);
        CHECK(rec_recompress_step(&job, ARENA_BYTES, &batch) == ERR_OK);
        rec_recompress_end(&job);
        arena_reset(&state->scratch);
    }
}

static void iter_run(struct micro *micro, uint64_t turns)
{
    struct record_state *state = micro->state;
    struct view          records = view_of(state->plain.bytes.base + REC_HEADER_BYTES, state->records_bytes);

    for (uint64_t i = 0; i < turns; i++) {
        struct rec_iter   iter;
        struct rec_record record;
        int32_t           count = 0;

        rec_iter_init(&iter, &state->plain, records);
        while (rec_iter_next(&iter, &record) == 1) {
            count++;
        }
        CHECK(count == state->plain.record_count);
    }
}

#define RECORD_ROW(name, codec, run)                                            \
    {                                                                           \
        name, codec, {4096, 65536, 1048576}, record_prepare, run, record_finish \
    }

const struct micro_row micro_record_rows[] = {
    RECORD_ROW("batch/parse_crc", REC_NONE, crc_ok_run),
    RECORD_ROW("batch/iterate", REC_NONE, iter_run),
    RECORD_ROW("batch/check_none", REC_NONE, check_run),
    RECORD_ROW("batch/check_gzip", REC_GZIP, check_run),
    RECORD_ROW("batch/check_snappy", REC_SNAPPY, check_run),
    RECORD_ROW("batch/check_lz4", REC_LZ4, check_run),
    RECORD_ROW("batch/check_zstd", REC_ZSTD, check_run),
    RECORD_ROW("codec/inflate_gzip", REC_GZIP, inflate_run),
    RECORD_ROW("codec/inflate_snappy", REC_SNAPPY, inflate_run),
    RECORD_ROW("codec/inflate_lz4", REC_LZ4, inflate_run),
    RECORD_ROW("codec/inflate_zstd", REC_ZSTD, inflate_run),
    RECORD_ROW("codec/compress_gzip", REC_GZIP, compress_run),
    RECORD_ROW("codec/compress_snappy", REC_SNAPPY, compress_run),
    RECORD_ROW("codec/compress_lz4", REC_LZ4, compress_run),
    RECORD_ROW("codec/compress_zstd", REC_ZSTD, compress_run),
    {NULL, 0, {0}, NULL, NULL, NULL},
};
