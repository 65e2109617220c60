/* cli_unjson.h: reads what `millrace consume -o json` prints: one record a line, for `millrace produce -J`.
 *
 *   {"key": ..., "value": ..., "headers": [{"name": ..., "value": ...}], "timestamp": ms}
 *
 * All are optional, others are passed over. key and value: a string, null, or any other JSON, which is taken as it
 * stands; key_base64 and value_base64 carry bytes. Nothing is believed: lengths are those of the line, nesting is
 * counted, not followed. Views point into the line or the arena. */
#ifndef MILLRACE_CLI_UNJSON_H
#define MILLRACE_CLI_UNJSON_H

#include "tools/cli/cli_template.h"

#define CLI_UNJSON_HEADERS_MAX 64

/* False: *out_why (static) says what is wrong. */
MUST_USE bool cli_unjson_record(struct view line, struct arena *arena, struct cli_record_view *out_record,
                                const char **out_why);

#endif
