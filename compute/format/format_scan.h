/* format_scan.h: looking at many bytes at once.
 *
 * SSE2 is what every x86-64 has; elsewhere eight bytes at a time. Loads never reach beyond `end`. */
#ifndef MILLRACE_FORMAT_SCAN_H
#define MILLRACE_FORMAT_SCAN_H

#include "compute/vec/vec_time.h"
#include "core/base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCAN_ONES  UINT64_C(0x0101010101010101)
#define SCAN_HIGHS UINT64_C(0x8080808080808080)
#define SCAN_LOWS  UINT64_C(0x7f7f7f7f7f7f7f7f)

#define SCAN_TIMESTAMP_BYTES 24

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

/* True when each digit's byte of `rest` (the text xor its pattern) is 0..9 and each separator's is 0. */
static inline bool scan_is_shaped(uint64_t rest, uint64_t limits)
{
    return ((((rest & SCAN_LOWS) + limits) | rest) & SCAN_HIGHS) == 0;
}

static inline uint32_t scan_byte(uint64_t word, int at)
{
    return (uint32_t)(word >> (8 * at)) & 0xff;
}

/* Little-endian words of a text and of what its bytes may add to: 0x76 for a digit, 0x7f for a separator. */
#define SCAN_WORD(a, b, c, d, e, f, g, h)                                                                   \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | \
     (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
#define D 0x76
#define S 0x7f

/* The day that was read last, and how it stood in the text. */
struct scan_day {
    uint64_t date, day;
    int64_t  start_us;
    bool     is_known;
};

/* yyyy-MM-dd HH:mm:ss.SSS and a quote to microseconds; gives where it ends, or NULL. */
static inline const uint8_t *scan_milliseconds(const uint8_t *at, const uint8_t *end, char separator,
                                               struct scan_day *day, int64_t *out_us)
{
    uint64_t date, middle, time;
    uint32_t hour, minute, second, ms;

    if (end - at < SCAN_TIMESTAMP_BYTES) {
        return NULL;
    }
    date = load_le64(at) ^ SCAN_WORD('0', '0', '0', '0', '-', '0', '0', '-');
    middle = load_le64(at + 8) ^ SCAN_WORD('0', '0', separator, '0', '0', ':', '0', '0');
    time = load_le64(at + 16) ^ SCAN_WORD(':', '0', '0', '.', '0', '0', '0', '"');
    if (!scan_is_shaped(date, SCAN_WORD(D, D, D, D, S, D, D, S)) ||
        !scan_is_shaped(middle, SCAN_WORD(D, D, S, D, D, S, D, D)) ||
        !scan_is_shaped(time, SCAN_WORD(S, D, D, S, D, D, D, S))) {
        return NULL;
    }
    hour = scan_byte(middle, 3) * 10 + scan_byte(middle, 4);
    minute = scan_byte(middle, 6) * 10 + scan_byte(middle, 7);
    second = scan_byte(time, 1) * 10 + scan_byte(time, 2);
    ms = scan_byte(time, 4) * 100 + scan_byte(time, 5) * 10 + scan_byte(time, 6);
    if (hour > 23 || minute > 59 || second > 59) {
        return NULL;
    }
    if (UNLIKELY(date != day->date || (middle & 0xffff) != day->day || !day->is_known)) {
        int64_t year =
            scan_byte(date, 0) * 1000 + scan_byte(date, 1) * 100 + scan_byte(date, 2) * 10 + scan_byte(date, 3);
        int32_t month = (int32_t)(scan_byte(date, 5) * 10 + scan_byte(date, 6));
        int32_t number = (int32_t)(scan_byte(middle, 0) * 10 + scan_byte(middle, 1));

        if (month < 1 || month > 12 || number < 1 || number > vec_days_in_month(year, month)) {
            return NULL;
        }
        *day = (struct scan_day){.date = date,
                                 .day = middle & 0xffff,
                                 .is_known = true,
                                 .start_us = vec_days_from_civil(year, month, number) * VEC_US_PER_DAY};
    }
    *out_us = day->start_us + ((int64_t)(hour * 3600 + minute * 60 + second) * 1000 + ms) * 1000;
    return at + SCAN_TIMESTAMP_BYTES;
}

#undef SCAN_WORD
#undef D
#undef S

#endif
