#include "core/base/crc32c.h"

#include <isa-l/crc.h>

/* A slice is read by the checksum and then by the copy while it still sits in the first-level cache. */
#define CRC32C_COPY_SLICE_BYTES ((size_t)8192)

uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = (const uint8_t *)bytes;

    crc = ~crc;
    while (len > 0) {
        int piece = (int)MIN(len, (size_t)1 << 30);

        /* ISA-L takes a non-const pointer but only reads (crc.h, 2.30). */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, piece, crc);
        at += piece;
        len -= (size_t)piece;
    }
    return ~crc;
}

uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len)
{
    uint8_t       *target = (uint8_t *)to;
    const uint8_t *source = (const uint8_t *)from;

    while (len > 0) {
        size_t piece = MIN(len, CRC32C_COPY_SLICE_BYTES);

        crc = crc32c_update(crc, source, piece);
        memcpy(target, source, piece);
        target += piece;
        source += piece;
        len -= piece;
    }
    return crc;
}
