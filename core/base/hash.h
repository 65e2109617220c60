/* hash.h: hashes. hash_bytes is for our own in-memory tables (not stable across versions); murmur2 and java_string_hash
 * are Kafka's, bit for bit, and decide where records and groups live. */
#ifndef MILLRACE_HASH_H
#define MILLRACE_HASH_H

#include "core/base/base.h"

MUST_USE uint64_t hash_u64(uint64_t value);
MUST_USE uint64_t hash_bytes(struct view bytes);
/* Kafka's default partitioner: (murmur2(key) & 0x7fffffff) % partitions (clients Utils.murmur2). */
MUST_USE uint32_t hash_murmur2(struct view bytes);
/* SipHash-2-4 with a result of 128 bits: where two different inputs must never be taken for one, whoever chose them.
 * The key is random and secret. */
struct hash_128 {
    uint64_t low, high;
};
MUST_USE struct hash_128 hash_sip128(uint64_t key_low, uint64_t key_high, struct view bytes);
/* Java's String.hashCode, over UTF-16 units, of a UTF-8 text; group and transactional ids: abs(hash) % partitions.
 * Bytes that end in the middle of a character count one by one. */
MUST_USE int32_t hash_java_string(struct view text);

#endif
