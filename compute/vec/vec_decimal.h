/* vec_decimal.h: exact decimal arithmetic on unscaled 128-bit integers, with Flink's rounding.
 *
 * A DECIMAL(p, s) is an integer below 10^p in magnitude and the scale s of its type. All functions give false when the
 * result does not fit the precision: Flink's operators then give NULL (DecimalData.fromBigDecimal). Intermediate values
 * have 256 bits, so that nothing is rounded or lost before the one rounding to the result's scale, which is half up
 * (away from zero). Division rounds twice as Flink does: to 38 significant digits, then to the scale
 * (DecimalDataUtils.MC_DIVIDE). */
#ifndef MILLRACE_VEC_DECIMAL_H
#define MILLRACE_VEC_DECIMAL_H

#include "compute/vec/vec.h"

/* Sign, 38 digits, point, exponent, NUL. */
#define VEC_DECIMAL_TEXT_BYTES 96

struct vec_decimal {
    vec_int128 value; /* unscaled */
    int        scale; /* 0..38 */
};

/* 10^digits, digits 0..38. */
vec_uint128 vec_power_of_ten(int digits);
/* Number of decimal digits; 0 has none. */
int  vec_decimal_digits(vec_int128 value);
bool vec_decimal_fits(vec_int128 value, int precision);

/* To DECIMAL(precision, scale). */
MUST_USE bool vec_decimal_rescale(struct vec_decimal a, int precision, int scale, vec_int128 *out_value);
MUST_USE bool vec_decimal_add(struct vec_decimal a, struct vec_decimal b, int precision, int scale,
                              vec_int128 *out_value);
MUST_USE bool vec_decimal_subtract(struct vec_decimal a, struct vec_decimal b, int precision, int scale,
                                   vec_int128 *out_value);
MUST_USE bool vec_decimal_multiply(struct vec_decimal a, struct vec_decimal b, int precision, int scale,
                                   vec_int128 *out_value);
/* b is not 0: division by zero is the caller's error. */
MUST_USE bool vec_decimal_divide(struct vec_decimal a, struct vec_decimal b, int precision, int scale,
                                 vec_int128 *out_value);
/* The sign is the dividend's. b is not 0. */
MUST_USE bool vec_decimal_remainder(struct vec_decimal a, struct vec_decimal b, int precision, int scale,
                                    vec_int128 *out_value);
int           vec_decimal_compare(struct vec_decimal a, struct vec_decimal b);

enum vec_parse { VEC_PARSE_OK, VEC_PARSE_MALFORMED, VEC_PARSE_OVERFLOW };

/* What Java's BigDecimal(String) takes: sign, digits, point, exponent; nothing around it. */
MUST_USE enum vec_parse vec_decimal_parse(struct view text, int precision, int scale, vec_int128 *out_value);
/* "-12.30": all digits of the scale (BigDecimal.toPlainString). Returns the length. */
size_t vec_decimal_format(struct vec_decimal a, char out_text[VEC_DECIMAL_TEXT_BYTES]);
/* "-12.3", "2.27E+3", "1E-10": trailing zeros gone, then BigDecimal.toString, as Flink's JSON writes it. */
size_t vec_decimal_format_stripped(struct vec_decimal a, char out_text[VEC_DECIMAL_TEXT_BYTES]);
double vec_decimal_to_double(struct vec_decimal a);

#endif
