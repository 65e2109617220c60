/* vec_time.h: dates and times as people write them, and as Flink's SQL format does.
 *
 * The proleptic Gregorian calendar without leap seconds, as java.time. Years 0001..9999 are written with four digits;
 * years outside are read and written as ISO-8601 does (+10000, -0001). */
#ifndef MILLRACE_VEC_TIME_H
#define MILLRACE_VEC_TIME_H

#include "compute/vec/vec.h"

#define VEC_TIME_TEXT_BYTES 64
#define VEC_MS_PER_DAY      INT64_C(86400000)
#define VEC_US_PER_DAY      INT64_C(86400000000)

struct vec_civil {
    int64_t year;
    int32_t month, day;           /* from 1 */
    int32_t hour, minute, second; /* from 0 */
    int32_t nanosecond;
};

/* Days since 1970-01-01. month may be outside 1..12 and is carried into the year; day is not checked. */
int64_t          vec_days_from_civil(int64_t year, int64_t month, int64_t day);
struct vec_civil vec_civil_from_days(int64_t days);
int32_t          vec_days_in_month(int64_t year, int32_t month);

/* A value of a TIMESTAMP type (microseconds or, for precision 7..9, nanoseconds) and its calendar fields. */
vec_int128       vec_timestamp_of(struct vec_civil civil, int64_t units_per_second);
struct vec_civil vec_civil_of_timestamp(vec_int128 value, int64_t units_per_second);
/* Floor division: the right one for times before 1970. */
static inline int64_t vec_floor_divide(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;

    return quotient - (value % divisor != 0 && (value < 0) != (divisor < 0));
}

static inline int64_t vec_floor_remainder(int64_t value, int64_t divisor)
{
    return value - vec_floor_divide(value, divisor) * divisor;
}

/* What a text may look like. */
struct vec_time_format {
    char separator; /* between date and time: ' ' (SQL) or 'T' (ISO-8601) */
    bool zulu;      /* a 'Z' must follow (TIMESTAMP_LTZ in SQL format) */
    bool lenient;   /* casts: one-digit fields, missing time or parts of it */
};

/* The whole text or nothing. Digits of the fraction beyond nanoseconds are refused. */
MUST_USE bool vec_timestamp_parse(struct view text, struct vec_time_format format, struct vec_civil *out_civil);
MUST_USE bool vec_date_parse(struct view text, bool lenient, int32_t *out_days);
/* HH:mm[:ss[.fraction]]; to milliseconds, the rest is cut. */
MUST_USE bool vec_time_parse(struct view text, int32_t *out_ms);

/* digits of the fraction: exactly `digits` (casts), or, with digits -1, as many as needed and none when it is zero
 * (Flink's JSON). NUL-terminated; returns the length. */
size_t vec_timestamp_format(struct vec_civil civil, char separator, int digits, char out_text[VEC_TIME_TEXT_BYTES]);
size_t vec_date_format(int64_t days, char out_text[VEC_TIME_TEXT_BYTES]);
size_t vec_time_format_ms(int32_t ms, int digits, char out_text[VEC_TIME_TEXT_BYTES]);

#endif
