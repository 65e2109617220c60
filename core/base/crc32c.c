#include "core/base/crc32c.h"

#include <isa-l/crc.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

static uint32_t crc32c_copy_slices(uint32_t crc, uint8_t *target, const uint8_t *source, size_t len)
{
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

#if defined(__x86_64__)

/* One pass: 128 bytes at a time are loaded once, stored, and folded into four lanes of 256 bits (carry-less
 * multiplication by x^1056 and x^992, which moves a lane's halves 1024 bits on). About 1.6 times as fast as slices. */
#define CRC32C_FOLD_TARGET    __attribute__((target("avx2,pclmul,vpclmulqdq,sse4.2")))
#define CRC32C_FOLD_BYTES     ((size_t)128)
#define CRC32C_FOLD_BYTES_MIN ((size_t)512)
#define CRC32C_FOLD_ALIGN     ((size_t)32)
#define CRC32C_FOLD_NEAR      UINT64_C(0x6992cea2)
#define CRC32C_FOLD_FAR       UINT64_C(0xd3b6092)
/* From here on the target is written past the caches: it goes to the disk from memory anyway, and what it would push
 * out is needed sooner. */
#define CRC32C_STREAM_BYTES_MIN ((size_t)(64 * KIB))

static inline __attribute__((always_inline)) CRC32C_FOLD_TARGET void crc32c_store(uint8_t *to, __m256i lane,
                                                                                  bool stream)
{
    if (stream) {
        _mm256_stream_si256((__m256i *)(void *)to, lane);
    } else {
        _mm256_store_si256((__m256i *)(void *)to, lane);
    }
}

/* Whole steps of CRC32C_FOLD_BYTES, at least one; `to` is aligned. The CRC comes and goes in its inverted form. */
static inline __attribute__((always_inline)) CRC32C_FOLD_TARGET uint32_t crc32c_fold(uint32_t crc, uint8_t *to,
                                                                                     const uint8_t *from, size_t len,
                                                                                     bool stream)
{
    const __m256i by = _mm256_set_epi64x((long long)CRC32C_FOLD_FAR, (long long)CRC32C_FOLD_NEAR,
                                         (long long)CRC32C_FOLD_FAR, (long long)CRC32C_FOLD_NEAR);
    __m256i       lanes[4];
    uint8_t       rest[CRC32C_FOLD_BYTES];
    uint64_t      sum = 0;

    for (size_t i = 0; i < COUNT_OF(lanes); i++) {
        lanes[i] = _mm256_loadu_si256((const __m256i *)(const void *)(from + i * sizeof(__m256i)));
        crc32c_store(to + i * sizeof(__m256i), lanes[i], stream);
    }
    lanes[0] = _mm256_xor_si256(lanes[0], _mm256_set_epi32(0, 0, 0, 0, 0, 0, 0, (int)crc));
    for (size_t at = CRC32C_FOLD_BYTES; at < len; at += CRC32C_FOLD_BYTES) {
        for (size_t i = 0; i < COUNT_OF(lanes); i++) {
            size_t  place = at + i * sizeof(__m256i);
            __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(from + place));
            __m256i near = _mm256_clmulepi64_epi128(lanes[i], by, 0x00);
            __m256i far = _mm256_clmulepi64_epi128(lanes[i], by, 0x11);

            crc32c_store(to + place, next, stream);
            lanes[i] = _mm256_xor_si256(_mm256_xor_si256(near, far), next);
        }
    }
    memcpy(rest, lanes, sizeof(rest));
    for (size_t i = 0; i < sizeof(rest); i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, rest + i, sizeof(word));
        sum = _mm_crc32_u64(sum, word);
    }
    return (uint32_t)sum;
}

static CRC32C_FOLD_TARGET uint32_t crc32c_fold_near(uint32_t crc, uint8_t *to, const uint8_t *from, size_t len)
{
    return crc32c_fold(crc, to, from, len, false);
}

static CRC32C_FOLD_TARGET uint32_t crc32c_fold_stream(uint32_t crc, uint8_t *to, const uint8_t *from, size_t len)
{
    crc = crc32c_fold(crc, to, from, len, true);
    _mm_sfence(); /* before the device is told */
    return crc;
}

static uint32_t crc32c_copy_folded(uint32_t crc, uint8_t *to, const uint8_t *from, size_t len)
{
    size_t head = (size_t)(-(uintptr_t)to % CRC32C_FOLD_ALIGN);
    size_t whole = (size_t)align_down(len - head, CRC32C_FOLD_BYTES);

    crc = crc32c_copy_slices(crc, to, from, head);
    crc = len < CRC32C_STREAM_BYTES_MIN ? ~crc32c_fold_near(~crc, to + head, from + head, whole)
                                        : ~crc32c_fold_stream(~crc, to + head, from + head, whole);
    return crc32c_copy_slices(crc, to + head + whole, from + head + whole, len - head - whole);
}

uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len)
{
    if (len >= CRC32C_FOLD_BYTES_MIN && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq")) {
        return crc32c_copy_folded(crc, to, from, len);
    }
    return crc32c_copy_slices(crc, to, from, len);
}

#else

uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len)
{
    return crc32c_copy_slices(crc, to, from, len);
}

#endif

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
