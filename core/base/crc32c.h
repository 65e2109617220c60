/* crc32c.h: CRC-32C (Castagnoli), the checksum of Kafka's record batches and of our own frames.
 *
 * The only door to ISA-L. Values are in Kafka's convention: crc32c_update(0, ...) over the whole is the final CRC, and
 * crc32c_update(crc32c_update(0, a), b) is the CRC of a followed by b. */
#ifndef MILLRACE_CRC32C_H
#define MILLRACE_CRC32C_H

#include "core/base/base.h"

MUST_USE uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t len);
/* Copies and checksums in one pass over hot memory; large copies are written past the caches. Regions must not
 * overlap. */
MUST_USE uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len);
/* The CRC of something followed by `zero_count` zero bytes, in the linear algebra behind CRCs: without the inversions
 * at begin and end, so that crc32c_shift(a ^ b, n) == crc32c_shift(a, n) ^ crc32c_shift(b, n). Costs tens of ns per set
 * bit of zero_count. */
MUST_USE uint32_t crc32c_shift(uint32_t crc, uint64_t zero_count);
/* The CRC of a followed by b, from their CRCs and the length of b. */
MUST_USE uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);
/* The CRC of a message of which some bytes have changed: `difference` is old XOR new over the changed stretch,
 * `bytes_after` what follows it unchanged. A CRC that was wrong stays wrong: damage in the rest is never blessed. */
MUST_USE uint32_t crc32c_patch(uint32_t crc, const void *difference, size_t len, uint64_t bytes_after);

#endif
