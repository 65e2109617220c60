/* cli_scan.h: JSON as a server sends it, read without being believed: values stay the bytes they are, so that no digit
 * of a number is lost. Nesting is counted, not followed. Views point into what was given. */
#ifndef MILLRACE_CLI_SCAN_H
#define MILLRACE_CLI_SCAN_H

#include "core/base/base.h"

/* The next value of `*at` as it stands, blanks around it passed over; *at goes behind it. False: there is none. */
MUST_USE bool cli_scan_value(struct view *at, struct view *out_raw);
/* A member of an object by its name (written without escapes). */
MUST_USE bool cli_scan_member(struct view object, const char *name, struct view *out_raw);
/* Elements of an array one after the other: begin with a copy of it and position 0; false at the end or where it is
 * damaged. */
MUST_USE bool cli_scan_item(struct view array, size_t *position, struct view *out_raw);
/* The text of a string without its escapes, anything else as it stands. Never longer than the value: `to` has
 * raw.len bytes. Returns the length. */
size_t cli_scan_text(struct view raw, char *to);
bool   cli_scan_is_null(struct view raw);
/* A whole number; `otherwise` when it is none. */
int64_t cli_scan_number(struct view raw, int64_t otherwise);

#endif
