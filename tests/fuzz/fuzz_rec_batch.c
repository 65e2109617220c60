/* Produced batches: parse, check in slices and whole, walk, recompress. Input: one byte of flags, then a batch. Unless
 * a flag says so, length and CRC are mended first, or hardly any mutation would get past them. */
#include "tests/support/fuzz.h"

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/record/rec.h"

#define INFLATED_BYTES_MAX ((size_t)(4 * MIB))

enum flags {
    FLAG_KEEP_CRC = 1 << 0,
    FLAG_KEYS_REQUIRED = 1 << 1,
    FLAG_APPEND_TIME = 1 << 2,
    FLAG_NO_ZSTD = 1 << 3,
    FLAG_CONTROL = 1 << 4,
};

static void mend(uint8_t *batch, size_t len)
{
    store_be32(batch + 8, (uint32_t)(len - REC_LENGTH_PREFIX_BYTES));
    store_be32(batch + 17, crc32c_update(0, batch + REC_UNCHECKED_BYTES, len - REC_UNCHECKED_BYTES));
}

static struct rec_rules rules_of(uint8_t flags)
{
    return (struct rec_rules){
        .batch_bytes_max = 1 * MIB,
        .keys_required = (flags & FLAG_KEYS_REQUIRED) != 0,
        .log_append_time = (flags & FLAG_APPEND_TIME) != 0,
        .now_ms = INT64_C(1700000000000),
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .inflated_bytes_max = INFLATED_BYTES_MAX,
        .zstd_allowed = (flags & FLAG_NO_ZSTD) == 0,
        .control_allowed = (flags & FLAG_CONTROL) != 0,
    };
}

/* What is accepted must not depend on how the check is cut into slices. (Which of two faults of a damaged stream is
 * seen first may.) */
static enum rec_verdict check_in_slices(const struct rec_batch *batch, const struct rec_rules *rules, size_t slice)
{
    struct rec_check check = {0};
    enum rec_verdict verdict = rec_check_begin(&check, batch, rules);
    int              result = verdict == REC_OK ? ERR_AGAIN : ERR_OK;

    while (result == ERR_AGAIN) {
        result = rec_check_step(&check, slice, &verdict);
    }
    CHECK(result == ERR_OK);
    rec_check_end(&check);
    return verdict;
}

/* What was accepted can be walked to its end, and another codec carries the same records. */
static void walk_accepted(const struct rec_batch *batch, struct arena *arena)
{
    struct rec_iter   iter;
    struct rec_record record;
    struct view       records;
    int32_t           count = 0;
    int               result = rec_inflate(batch, INFLATED_BYTES_MAX, arena, &records);

    if (result == ERR_NO_MEMORY) {
        return;
    }
    CHECK(result == ERR_OK);
    rec_iter_init(&iter, batch, records);
    while ((result = rec_iter_next(&iter, &record)) == 1) {
        struct rec_header_field field;
        int32_t                 fields = 0;

        while ((result = rec_headers_next(&record.headers, &field)) == 1) {
            fields++;
        }
        CHECK(result == 0 && fields == record.header_count);
        count++;
    }
    CHECK(result == 0 && count == batch->record_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct rec_batch batch;
    struct arena     arena;
    const char      *reason = NULL;
    uint8_t         *copy;
    uint8_t          flags;

    if (len < 1) {
        return 0;
    }
    flags = bytes[0];
    len--;
    arena_init(&arena, MEM_TEST, 64 * KIB, 8 * INFLATED_BYTES_MAX);
    copy = mem_alloc(MEM_TEST, len);
    memcpy(copy, bytes + 1, len);
    if (len >= REC_HEADER_BYTES && (flags & FLAG_KEEP_CRC) == 0) {
        mend(copy, len);
    }
    if (rec_produced_parse(view_of(copy, len), &batch, &reason) == REC_OK) {
        struct rec_rules rules = rules_of(flags);
        struct rec_found found = {0};
        enum rec_verdict verdict = REC_OK;

        CHECK(rec_check_whole(&batch, &rules, &found, &verdict) == ERR_OK);
        CHECK((check_in_slices(&batch, &rules, 1 + flags) == REC_OK) == (verdict == REC_OK));
        if (verdict == REC_OK) {
            walk_accepted(&batch, &arena);
        }
    }
    mem_free(MEM_TEST, copy);
    arena_deinit(&arena);
    return 0;
}

/* Inputs to start from that are refused at once would make this target blind without anyone noticing. */
static void made_is_valid(struct view bytes)
{
    struct rec_rules rules = rules_of(0);
    struct rec_batch batch;
    struct rec_found found;
    enum rec_verdict verdict = REC_OK;
    const char      *reason = NULL;

    CHECK(rec_produced_parse(bytes, &batch, &reason) == REC_OK);
    CHECK(rec_check_whole(&batch, &rules, &found, &verdict) == ERR_OK);
    CHECK(verdict == REC_OK);
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    struct rec_builder builder;
    struct arena       arena;
    struct view        batch = {0};
    size_t             len = 0;
    uint64_t           count = 1 + prng_below(prng, 12);

    arena_init(&arena, MEM_TEST, 64 * KIB, 16 * MIB);
    rec_builder_init(&builder, &arena);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t                 noise[64] = {0};
        size_t                  noise_len = (size_t)prng_below(prng, sizeof(noise));
        struct rec_header_field field = {.key = view_text("h"), .value = view_of(noise, noise_len / 2)};

        prng_fill(prng, span_of(noise, noise_len / 2 + 1));
        rec_builder_add(&builder, INT64_C(1700000000000) + (int64_t)prng_below(prng, 1000),
                        prng_chance(prng, 1, 4) ? (struct view){0} : view_of(noise, noise_len / 4),
                        view_of(noise, noise_len), &field, (int32_t)prng_below(prng, 2));
    }
    if (rec_builder_finish(&builder, (enum rec_codec)prng_below(prng, REC_CODEC_COUNT), 0, &batch) == ERR_OK &&
        batch.len < out_bytes.len) {
        out_bytes.base[0] = (uint8_t)(prng_chance(prng, 1, 4) ? prng_below(prng, 32) : 0);
        memcpy(out_bytes.base + 1, batch.base, batch.len);
        len = batch.len + 1;
        made_is_valid(batch);
    }
    arena_deinit(&arena);
    return len;
}
