/* crc32c.h: CRC-32C (Castagnoli), the checksum of Kafka's record batches and of our own frames.
 *
 * The only door to ISA-L. Values are in Kafka's convention: crc32c_update(0, ...) over the whole is the final CRC, and
 * crc32c_update(crc32c_update(0, a), b) is the CRC of a followed by b. */
#ifndef MILLRACE_CRC32C_H
#define MILLRACE_CRC32C_H

#include "core/base/base.h"

MUST_USE uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t len);
/* Copies and checksums in one pass over hot memory (in slices that stay in the first-level cache). Regions must not overlap. */
MUST_USE uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len);

#endif
