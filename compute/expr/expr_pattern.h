/* expr_pattern.h: patterns of dates and times, as Java has two of them.
 *
 * DATE_FORMAT of a TIMESTAMP and TO_TIMESTAMP(text, pattern) follow java.time's DateTimeFormatter; FROM_UNIXTIME,
 * UNIX_TIMESTAMP, TO_DATE and DATE_FORMAT of a text follow SimpleDateFormat, which reads leniently: months and days
 * beyond their range roll over, what follows the pattern is ignored. Names are English, the week starts on Sunday, and
 * letters that we do not have are refused when the pattern is compiled. A compiled pattern is read only. */
#ifndef MILLRACE_EXPR_PATTERN_H
#define MILLRACE_EXPR_PATTERN_H

#include "compute/expr/expr_internal.h"
#include "compute/vec/vec_time.h"

#define PATTERN_PIECES_MAX 64

enum pattern_kind {
    PATTERN_FORMATTER, /* DateTimeFormatter */
    PATTERN_SIMPLE,    /* SimpleDateFormat */
};

/* One letter and how often it stands there, or a text. */
struct pattern_piece {
    char        letter; /* 0: text */
    uint32_t    count;
    struct view text;
};

struct pattern {
    enum pattern_kind    kind;
    struct pattern_piece pieces[PATTERN_PIECES_MAX];
    size_t               piece_count;
    size_t               bytes_max; /* of a text it makes */
    int64_t              step;      /* seconds that all look alike in it, 60 at most; 0: fractions show */
};

/* False with maker->message. The text must live as long as the pattern. */
bool expr__pattern_compile(struct expr_maker *maker, const char *function, struct view text, enum pattern_kind kind,
                           bool reads, struct pattern *out_pattern);
/* Writes at most bytes_max; returns the length. */
size_t expr__pattern_print(const struct pattern *pattern, struct vec_civil civil, char *out);

/* java.time: the whole text, fields within their ranges; missing ones are those of 1970-01-01 00:00:00. False: no. */
bool expr__pattern_read(const struct pattern *pattern, struct view text, struct vec_civil *out_civil);
/* SimpleDateFormat: ms since the epoch. now_ms decides the century of two-digit years. */
bool expr__pattern_read_lenient(const struct pattern *pattern, struct view text, int64_t now_ms, int64_t *out_ms);

/* expr_time_read.c: texts without a pattern. */
/* TO_TIMESTAMP(text), CAST(text AS TIMESTAMP): "yyyy-M-d[ H:m:s[.fraction]]". */
bool expr__read_timestamp(struct view text, struct vec_civil *out_civil);
/* What java.sql.Timestamp.valueOf and Date.valueOf read: the second try of TO_TIMESTAMP(text, pattern). */
bool expr__read_sql_timestamp(struct view text, struct vec_civil *out_civil);
/* TO_DATE(text), CAST(text AS DATE): "yyyy[-M[-d]]" up to a space. */
bool expr__read_date(struct view text, int32_t *out_days);
/* CAST(text AS TIME): "H[:m[:s[.fraction]]]" with an offset behind. */
bool expr__read_time(struct view text, int32_t *out_ms);

/* The calendar with its change of 1582: Julian dates before 1582-10-15 (SimpleDateFormat, FLOOR and CEIL). */
struct vec_civil expr__historic_civil(int64_t days);
int64_t          expr__historic_days(int64_t year, int64_t month, int64_t day);

extern const char *const expr__month_names[12];
extern const char *const expr__day_names[7]; /* from Monday */

/* 0 for Monday. */
static inline int expr__weekday(int64_t days)
{
    return (int)vec_floor_remainder(days + 3, 7);
}

#endif
