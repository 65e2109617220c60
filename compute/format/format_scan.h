/* format_scan.h: looking at many bytes at once.
 *
 * SSE2 is what every x86-64 has; elsewhere eight bytes at a time. Loads never reach beyond `end`. */
#ifndef MILLRACE_FORMAT_SCAN_H
#define MILLRACE_FORMAT_SCAN_H

#include "core/base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCAN_ONES  UINT64_C(0x0101010101010101)
#define SCAN_HIGHS UINT64_C(0x8080808080808080)
#define SCAN_LOWS  UINT64_C(0x7f7f7f7f7f7f7f7f)

/* The high bit of each byte of `word` that equals `byte`; bytes above the first hit may be wrong. */
static inline uint64_t scan_equal(uint64_t word, uint8_t byte)
{
    uint64_t rest = word ^ (SCAN_ONES * byte);

    return (rest - SCAN_ONES) & ~rest & SCAN_HIGHS;
}

/* The first quote or backslash at or behind `at`, or end. *is_ascii is cleared when there is a byte of 0x80 or more
 * before it. */
static inline const uint8_t *scan_string(const uint8_t *at, const uint8_t *end, bool *is_ascii)
{
    uint32_t wide = 0;

#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

    for (; end - at >= 16; at += 16) {
        __m128i  bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        uint32_t high = (uint32_t)_mm_movemask_epi8(bytes);
        uint32_t hits =
            (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));

        if (hits != 0) {
            wide |= high & (hits - 1) & ~hits;
            *is_ascii = *is_ascii && wide == 0;
            return at + __builtin_ctz(hits);
        }
        wide |= high;
    }
#else
    for (; end - at >= 8; at += 8) {
        uint64_t word = load_le64(at);
        uint64_t hits = scan_equal(word, '"') | scan_equal(word, '\\');

        if (hits != 0) {
            break;
        }
        wide |= (word & SCAN_HIGHS) != 0;
    }
#endif
    for (; at < end && *at != '"' && *at != '\\'; at++) {
        wide |= *at & 0x80U;
    }
    *is_ascii = *is_ascii && wide == 0;
    return at;
}

/* How many bytes from `at` on JSON takes as they are: no control characters, quotes, backslashes, and nothing from
 * 0xed on (surrogates and what lies beyond the basic plane). */
static inline size_t scan_plain(const uint8_t *at, size_t len)
{
    size_t i = 0;

#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

    for (; len - i >= 16; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
        /* Below 32 or from 0xed on: as unsigned numbers, through the largest and smallest. */
        __m128i  low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(31)), bytes);
        __m128i  high = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8((char)0xed)), bytes);
        __m128i  marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        uint32_t hits = (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, high), marks));

        if (hits != 0) {
            return i + (size_t)__builtin_ctz(hits);
        }
    }
#endif
    while (i < len && at[i] >= ' ' && at[i] != '"' && at[i] != '\\' && at[i] < 0xed) {
        i++;
    }
    return i;
}

/* Decimal digits at the front of eight bytes, the first in the lowest byte. */
static inline unsigned scan_digit_count(uint64_t word)
{
    uint64_t rest = word ^ (SCAN_ONES * '0');
    uint64_t other = (((rest & SCAN_LOWS) + SCAN_ONES * 0x76) | rest) & SCAN_HIGHS;

    return other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;
}

/* The number that the first `count` digits make; count 1..8. */
static inline uint64_t scan_digits(uint64_t word, unsigned count)
{
    word = (word - SCAN_ONES * '0') << (64 - 8 * count);
    word = word * 10 + (word >> 8);
    return ((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            ((word >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
           32;
}

#endif
