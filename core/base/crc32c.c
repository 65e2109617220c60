#include "core/base/crc32c.h"

#include <isa-l/crc.h>

/* A slice is read by the checksum and then by the copy while it still sits in the first-level cache. */
#define CRC32C_COPY_SLICE_BYTES ((size_t)8192)

/* CRC-32C is arithmetic of polynomials over GF(2) modulo this one (bit 31 is x^0, as the CRC is reflected). */
#define CRC32C_POLYNOMIAL 0x82f63b78U

/* x^(2^k) modulo the polynomial. The order of x divides 2^31 - 1, so that k = 31 is k = 0 again. */
static const uint32_t crc32c_powers[] = {
    0x40000000U, 0x20000000U, 0x08000000U, 0x00800000U, 0x00008000U, 0x82f63b78U, 0x6ea2d55cU, 0x18b8ea18U,
    0x510ac59aU, 0xb82be955U, 0xb8fdb1e7U, 0x88e56f72U, 0x74c360a4U, 0xe4172b16U, 0x0d65762aU, 0x35d73a62U,
    0x28461564U, 0xbf455269U, 0xe2ea32dcU, 0xfe7740e6U, 0xf946610bU, 0x3c204f8fU, 0x538586e3U, 0x59726915U,
    0x734d5309U, 0xbc1ac763U, 0x7d0722ccU, 0xd289cabeU, 0xe94ca9bcU, 0x05b74f3fU, 0xa51e1f42U,
};

static uint32_t crc32c_multiply(uint32_t a, uint32_t b);

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

uint32_t crc32c_shift(uint32_t crc, uint64_t zero_count)
{
    /* A zero byte is a multiplication by x^8, so bit k of zero_count is one by x^(2^(k + 3)). */
    for (size_t k = 3; zero_count != 0; k++, zero_count >>= 1) {
        if ((zero_count & 1) != 0) {
            crc = crc32c_multiply(crc, crc32c_powers[k % COUNT_OF(crc32c_powers)]);
        }
    }
    return crc;
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
    return crc32c_shift(crc_a, len_b) ^ crc_b;
}

uint32_t crc32c_patch(uint32_t crc, const void *difference, size_t len, uint64_t bytes_after)
{
    /* Both inversions fall out of old XOR new: what is left is the CRC of the difference from zero. */
    uint32_t change = ~crc32c_update(~(uint32_t)0, difference, len);

    return crc ^ crc32c_shift(change, bytes_after);
}

static uint32_t crc32c_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (int i = 0; i < 32; i++) {
        product ^= b & (0U - (a >> 31));
        a <<= 1;
        b = (b >> 1) ^ (CRC32C_POLYNOMIAL & (0U - (b & 1)));
    }
    return product;
}
