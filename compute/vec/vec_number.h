/* vec_number.h: floating point numbers as Java writes and reads them. */
#ifndef MILLRACE_VEC_NUMBER_H
#define MILLRACE_VEC_NUMBER_H

#include "core/base/base.h"

#define VEC_NUMBER_TEXT_BYTES 32

/* Double.toString: the shortest digits that read back to the same value (as since JDK 19), plain from 1E-3 to below
 * 1E7, else with an exponent; "1.0", "1.0E-5", "NaN", "Infinity". NUL-terminated; returns the length. */
size_t vec_double_format(double value, char out_text[VEC_NUMBER_TEXT_BYTES]);
size_t vec_float_format(float value, char out_text[VEC_NUMBER_TEXT_BYTES]);
/* Double.parseDouble without the hexadecimal forms: the whole text. */
MUST_USE bool vec_double_parse(struct view text, double *out_value);

#endif
