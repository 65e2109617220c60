/* rec_support.h: an encoder of its own for record batches, able to write what is wrong, and random batches. Kept
 * apart from the code under test on purpose: it shares nothing with it but the checksum. */
#ifndef MILLRACE_TESTS_REC_SUPPORT_H
#define MILLRACE_TESTS_REC_SUPPORT_H

#include "tests/support/unit.h"

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/prng.h"
#include "core/record/rec.h"

#include <stdlib.h>

/* Growing bytes. */
struct raw {
    uint8_t *bytes;
    size_t   len;
    size_t   capacity;
};

static inline void raw_put(struct raw *raw, const void *bytes, size_t len)
{
    if (raw->len + len > raw->capacity) {
        raw->capacity = (raw->len + len) * 2 + 64;
        raw->bytes = realloc(raw->bytes, raw->capacity);
        assert_non_null(raw->bytes);
    }
    if (len > 0) {
        memcpy(raw->bytes + raw->len, bytes, len);
    }
    raw->len += len;
}

static inline void raw_byte(struct raw *raw, uint8_t byte)
{
    raw_put(raw, &byte, 1);
}

static inline void raw_big(struct raw *raw, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        raw_byte(raw, (uint8_t)(value >> (8 * i)));
    }
}

static inline void raw_var(struct raw *raw, int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    for (; zigzag >= 0x80; zigzag >>= 7) {
        raw_byte(raw, (uint8_t)(0x80 | (zigzag & 0x7f)));
    }
    raw_byte(raw, (uint8_t)zigzag);
}

static inline void raw_free(struct raw *raw)
{
    free(raw->bytes);
    *raw = (struct raw){0};
}

/* NULL base: null. */
static inline void raw_bytes(struct raw *raw, struct view bytes)
{
    raw_var(raw, bytes.base == NULL ? -1 : (int64_t)bytes.len);
    raw_put(raw, bytes.base, bytes.len);
}

static inline void raw_record(struct raw *raw, int64_t timestamp_delta, int32_t offset_delta, struct view key,
                              struct view value, const struct rec_header_field *headers, int32_t header_count)
{
    struct raw body = {0};

    raw_byte(&body, 0);
    raw_var(&body, timestamp_delta);
    raw_var(&body, offset_delta);
    raw_bytes(&body, key);
    raw_bytes(&body, value);
    raw_var(&body, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        raw_bytes(&body, headers[i].key);
        raw_bytes(&body, headers[i].value);
    }
    raw_var(raw, (int64_t)body.len);
    raw_put(raw, body.bytes, body.len);
    raw_free(&body);
}

/* Header fields with the usual values of a producer without idempotence. */
static inline struct rec_batch raw_fields(int32_t record_count)
{
    return (struct rec_batch){
        .leader_epoch = -1,
        .last_offset_delta = record_count - 1,
        .base_timestamp_ms = 1000000,
        .max_timestamp_ms = 1000000,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .record_count = record_count,
    };
}

static inline void raw_crc(struct raw *batch)
{
    store_be32(batch->bytes + 17, crc32c_update(0, batch->bytes + 21, batch->len - 21));
}

static inline struct raw raw_batch(const struct rec_batch *fields, struct view records)
{
    struct raw raw = {0};

    raw_big(&raw, (uint64_t)fields->base_offset, 8);
    raw_big(&raw, 61 - 12 + records.len, 4);
    raw_big(&raw, (uint64_t)fields->leader_epoch, 4);
    raw_byte(&raw, 2);
    raw_big(&raw, 0, 4);
    raw_big(&raw, fields->attributes, 2);
    raw_big(&raw, (uint64_t)fields->last_offset_delta, 4);
    raw_big(&raw, (uint64_t)fields->base_timestamp_ms, 8);
    raw_big(&raw, (uint64_t)fields->max_timestamp_ms, 8);
    raw_big(&raw, (uint64_t)fields->producer_id, 8);
    raw_big(&raw, (uint64_t)fields->producer_epoch, 2);
    raw_big(&raw, (uint64_t)fields->base_sequence, 4);
    raw_big(&raw, (uint64_t)fields->record_count, 4);
    raw_put(&raw, records.base, records.len);
    raw_crc(&raw);
    return raw;
}

static inline struct view raw_view(const struct raw *raw)
{
    return view_of(raw->bytes, raw->len);
}

static inline struct rec_rules lax_rules(void)
{
    return (struct rec_rules){
        .batch_bytes_max = 256 * (uint32_t)MIB,
        .now_ms = 1000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .inflated_bytes_max = 64 * MIB,
        .zstd_allowed = true,
    };
}

/* Text that compresses about as well as logs do. */
static inline void random_text(struct prng *prng, uint8_t *to, size_t len)
{
    static const char words[] = "GET /index.html 200 user=4711 latency_ms=12 ERROR partition=7 offset=123456 ";

    for (size_t i = 0; i < len;) {
        size_t from = prng_below(prng, sizeof(words) - 1);
        size_t count = 1 + prng_below(prng, 24);

        count = MIN(MIN(count, sizeof(words) - 1 - from), len - i);
        memcpy(to + i, words + from, count);
        i += count;
    }
}

/* A view of random text (of random bytes now and then); null with chance 1 in 8 when allowed. Freed with the arena. */
static inline struct view random_bytes(struct prng *prng, struct arena *arena, size_t len_max, bool nullable)
{
    size_t   len = prng_below(prng, len_max + 1);
    uint8_t *bytes = arena_alloc(arena, len + 1);

    assert_non_null(bytes);
    if (nullable && prng_chance(prng, 1, 8)) {
        return view_of(NULL, 0);
    }
    if (prng_chance(prng, 1, 10)) {
        prng_fill(prng, span_of(bytes, len));
    } else {
        random_text(prng, bytes, len);
    }
    return view_of(bytes, len);
}

struct random_record {
    int64_t                 timestamp_ms;
    struct view             key;
    struct view             value;
    struct rec_header_field headers[3];
    int32_t                 header_count;
};

static inline void random_record(struct prng *prng, struct arena *arena, size_t value_max, struct random_record *out)
{
    *out = (struct random_record){
        .timestamp_ms = 1000000 + (int64_t)prng_below(prng, 2000) - 1000,
        .key = random_bytes(prng, arena, 20, true),
        .value = random_bytes(prng, arena, value_max, true),
        .header_count = prng_chance(prng, 1, 3) ? (int32_t)prng_below(prng, COUNT_OF(out->headers) + 1) : 0,
    };
    for (int32_t i = 0; i < out->header_count; i++) {
        out->headers[i].key = random_bytes(prng, arena, 10, false);
        out->headers[i].value = random_bytes(prng, arena, 80, true);
    }
}

/* Records for a batch, encoded by the encoder above. */
static inline struct raw random_records(struct prng *prng, struct arena *arena, int32_t count, size_t value_max,
                                        int64_t *out_max_ms)
{
    struct raw records = {0};

    *out_max_ms = INT64_MIN;
    for (int32_t i = 0; i < count; i++) {
        struct random_record record;

        random_record(prng, arena, value_max, &record);
        raw_record(&records, record.timestamp_ms - 1000000, i, record.key, record.value, record.headers,
                   record.header_count);
        *out_max_ms = MAX(*out_max_ms, record.timestamp_ms);
    }
    return records;
}

/* Under another codec, by the code under test (which test_rec_codec holds against known bytes). */
static inline struct view recompressed(struct arena *arena, struct view plain, enum rec_codec codec, int level)
{
    struct rec_batch batch;
    struct view      out;

    assert_int_equal(rec_batch_parse(plain, &batch), ERR_OK);
    assert_int_equal(rec_recompress_whole(&batch, codec, level, 256 * MIB, arena, &out), ERR_OK);
    return out;
}

static inline enum rec_verdict verdict_of(struct view bytes, const struct rec_rules *rules, struct rec_found *out_found)
{
    struct rec_batch batch;
    struct rec_found found = {0};
    enum rec_verdict verdict = rec_produced_parse(bytes, &batch, &found.reason);

    if (verdict == REC_OK) {
        assert_int_equal(rec_check_whole(&batch, rules, &found, &verdict), ERR_OK);
    }
    assert_true((verdict == REC_OK) == (found.reason == NULL));
    *out_found = found;
    return verdict;
}

#endif
