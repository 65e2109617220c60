/* cli_offset.h: positions in a log as people write them, for consume, trim and seek.
 *
 *   beginning, start, earliest, oldest    where the log begins
 *   end, latest, newest                   behind the last record
 *   1234                                  that offset
 *   -10                                   ten before the end; never before the beginning
 *   +10                                   ten behind the beginning
 *   @TIME, s@TIME                         the first record of that time or later (cli_parse_time)
 *   e@TIME                                where to end, by time; A:B, with any of the above on either side, too
 *
 * Pure. */
#ifndef MILLRACE_CLI_OFFSET_H
#define MILLRACE_CLI_OFFSET_H

#include "core/base/base.h"

enum cli_position_kind {
    CLI_AT_NONE, /* not said */
    CLI_AT_BEGINNING,
    CLI_AT_END,
    CLI_AT_OFFSET,
    CLI_AT_BEFORE_END,
    CLI_AT_AFTER_BEGINNING,
    CLI_AT_TIME,
};

struct cli_position {
    enum cli_position_kind kind;
    int64_t                value; /* offset, count or ms */
};

struct cli_interval {
    struct cli_position from, to;
};

MUST_USE bool cli_parse_position(const char *text, int64_t now_ms, struct cli_position *out_position);
/* Adds what one -O says: a beginning, an end (e@, :B), or both (A:B). */
MUST_USE bool cli_parse_interval(const char *text, int64_t now_ms, struct cli_interval *interval);

#endif
