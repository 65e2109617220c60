/* exec_list.h: ARRAY values at rest: one run of bytes per value.
 *
 * uint32 element count; per element a byte, 1 = null, then, when it is not, the value: fixed widths as they are (NaN as
 * one NaN), texts and arrays as uint32 length and bytes, a ROW as its fields in the same form as elements. Equal arrays
 * have equal bytes. Native byte order, which is the order of our own disk formats: the bytes stand in saved state. */
#ifndef MILLRACE_EXEC_LIST_H
#define MILLRACE_EXEC_LIST_H

#include "compute/vec/vec.h"

/* The array at a position of an ARRAY vector's data. The bytes stand in the arena. */
struct vec_string exec_list_encode(struct arena *arena, const struct vec *list, size_t position);
/* Appends the elements to target (FLAT, ARRAY, made by vec_make()) as the value of `row`. Texts point into `encoded`.
 */
void exec_list_decode(struct arena *arena, struct vec *target, size_t row, const struct vec_string *encoded);
/* Bytes that come from disk: are they what exec_list_encode() makes of an ARRAY of this type? Decoding takes no others.
 */
bool exec_list_check(struct vec_type list, struct view encoded);

#endif
