/* expr_calendar.h: units of time, values of time types as numbers: what the kernels over times share.
 *
 * Flink counts in milliseconds and takes days of a TIMESTAMP by division towards zero, so that the fields of times
 * before 1970 that are not midnight are off (1969-12-31 23:59 has the year 1970). We show the same. */
#ifndef MILLRACE_EXPR_CALENDAR_H
#define MILLRACE_EXPR_CALENDAR_H

#include "compute/expr/expr_kernel.h"
#include "compute/vec/vec_time.h"

enum time_unit {
    UNIT_MILLENNIUM,
    UNIT_CENTURY,
    UNIT_DECADE,
    UNIT_YEAR,
    UNIT_QUARTER,
    UNIT_MONTH,
    UNIT_WEEK,
    UNIT_DAY,
    UNIT_HOUR,
    UNIT_MINUTE,
    UNIT_SECOND,
    UNIT_MILLISECOND,
    UNIT_MICROSECOND,
    UNIT_NANOSECOND,
    UNIT_DOW,
    UNIT_DOY,
    UNIT_ISODOW,
    UNIT_ISOYEAR,
    UNIT_EPOCH,
    UNIT_COUNT
};

/* UNIT_COUNT with maker->message when the text is no unit. */
enum time_unit expr__unit_of(struct expr_bind *bind, struct view name);
const char    *expr__unit_name(enum time_unit unit);
/* Milliseconds of a unit from WEEK to MILLISECOND; 0 for the others. */
int64_t expr__unit_ms(enum time_unit unit);
/* Months of a unit from MILLENNIUM to MONTH; 0 for the others. */
int32_t expr__unit_months(enum time_unit unit);

/* A TIMESTAMP or DATE as Flink holds it: milliseconds since the epoch and the rest of one. */
struct stamp {
    int64_t ms;
    int32_t nanosecond; /* 0 .. 999,999 */
};

struct stamp expr__stamp_at(const struct vec_access *access, size_t row, struct vec_type type);
void         expr__put_stamp(struct expr_call *call, size_t row, struct stamp stamp);

/* Of the session, as the statement was bound with; TIMESTAMP_LTZ shows it. */
static inline int64_t expr__zone_ms(const struct expr_call *call)
{
    return (int64_t)(int32_t)call->expr->index * 1000;
}

static inline bool expr__is_stamp(enum vec_kind kind)
{
    return kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ;
}

int64_t expr__add_months(int64_t days, int64_t months);

#endif
