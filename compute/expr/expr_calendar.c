/* Units, fields of times (EXTRACT), rounding to units (FLOOR, CEIL). */
#include "compute/expr/expr_calendar.h"
#include "compute/expr/expr_pattern.h"
#include "core/base/check.h"

#define JULIAN_EPOCH    INT64_C(2440588) /* the Julian day of 1970-01-01 */
#define GREGORIAN_START INT64_C(2299160) /* the last Julian day before 1582-10-15 */

static const char *const unit_names[UNIT_COUNT] = {
    "MILLENNIUM", "CENTURY", "DECADE", "YEAR",    "QUARTER",     "MONTH",       "WEEK",
    "DAY",        "HOUR",    "MINUTE", "SECOND",  "MILLISECOND", "MICROSECOND", "NANOSECOND",
    "DOW",        "DOY",     "ISODOW", "ISOYEAR", "EPOCH",
};

enum time_unit expr__unit_of(struct expr_bind *bind, struct view name)
{
    for (int unit = 0; unit < UNIT_COUNT; unit++) {
        if (view_equal(name, view_text(unit_names[unit]))) {
            return (enum time_unit)unit;
        }
    }
    (void)expr__refuse(bind->maker, "%s: '%.*s' is no unit of time", bind->name, (int)MIN(name.len, (size_t)30),
                       (const char *)name.base);
    return UNIT_COUNT;
}

const char *expr__unit_name(enum time_unit unit)
{
    CHECK(unit < UNIT_COUNT);
    return unit_names[unit];
}

int64_t expr__unit_ms(enum time_unit unit)
{
    switch (unit) {
    case UNIT_WEEK:
        return 7 * VEC_MS_PER_DAY;
    case UNIT_DAY:
        return VEC_MS_PER_DAY;
    case UNIT_HOUR:
        return 3600000;
    case UNIT_MINUTE:
        return 60000;
    case UNIT_SECOND:
        return 1000;
    case UNIT_MILLISECOND:
        return 1;
    default:
        return 0;
    }
}

int32_t expr__unit_months(enum time_unit unit)
{
    static const int32_t months[] = {[UNIT_MILLENNIUM] = 12000, [UNIT_CENTURY] = 1200, [UNIT_DECADE] = 120,
                                     [UNIT_YEAR] = 12,          [UNIT_QUARTER] = 3,    [UNIT_MONTH] = 1};

    return unit <= UNIT_MONTH ? months[unit] : 0;
}

struct stamp expr__stamp_at(const struct vec_access *access, size_t row, struct vec_type type)
{
    size_t       at = vec_access_at(access, row);
    struct stamp stamp = {.ms = 0};

    if (type.kind == VEC_DATE) {
        stamp.ms = ((const int32_t *)access->data)[at] * VEC_MS_PER_DAY;
    } else if (vec_type_layout(type) == VEC_LAYOUT_INT64) {
        int64_t us = ((const int64_t *)access->data)[at];

        stamp.ms = vec_floor_divide(us, 1000);
        stamp.nanosecond = (int32_t)(us - stamp.ms * 1000) * 1000;
    } else {
        vec_int128 ns = ((const vec_int128 *)access->data)[at];

        stamp.ms = (int64_t)(ns / 1000000 - (ns % 1000000 < 0));
        stamp.nanosecond = (int32_t)(ns - (vec_int128)stamp.ms * 1000000);
    }
    return stamp;
}

void expr__put_stamp(struct expr_call *call, size_t row, struct stamp stamp)
{
    if (vec_type_layout(call->expr->type) == VEC_LAYOUT_INT64) {
        ((int64_t *)call->result->data)[row] = (int64_t)((uint64_t)stamp.ms * 1000 + (uint64_t)stamp.nanosecond / 1000);
    } else {
        ((vec_int128 *)call->result->data)[row] = (vec_int128)stamp.ms * 1000000 + stamp.nanosecond;
    }
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

/* ISO 8601: weeks begin on Monday, the first has the year's first Thursday. */
static void iso_week(int64_t days, int64_t *out_year, int64_t *out_week)
{
    int64_t thursday = days - vec_floor_remainder(days + 3, 7) + 3;

    *out_year = vec_civil_from_days(thursday).year;
    *out_week = (thursday - vec_days_from_civil(*out_year, 1, 1)) / 7 + 1;
}

static int64_t field_of_date(int64_t days, enum time_unit unit)
{
    struct vec_civil civil = vec_civil_from_days(days);
    int64_t          iso_year;
    int64_t          week;

    switch (unit) {
    case UNIT_MILLENNIUM:
        return civil.year > 0 ? (civil.year + 999) / 1000 : (civil.year - 999) / 1000;
    case UNIT_CENTURY:
        return civil.year > 0 ? (civil.year + 99) / 100 : (civil.year - 99) / 100;
    case UNIT_DECADE:
        return civil.year / 10;
    case UNIT_YEAR:
        return civil.year;
    case UNIT_QUARTER:
        return (civil.month + 2) / 3;
    case UNIT_MONTH:
        return civil.month;
    case UNIT_DAY:
        return civil.day;
    case UNIT_DOW:
        return vec_floor_remainder(days + 4, 7) + 1;
    case UNIT_ISODOW:
        return vec_floor_remainder(days + 3, 7) + 1;
    case UNIT_DOY:
        return days - vec_days_from_civil(civil.year, 1, 1) + 1;
    default:
        iso_week(days, &iso_year, &week);
        return unit == UNIT_WEEK ? week : iso_year;
    }
}

static int64_t field_of_stamp(struct stamp stamp, enum time_unit unit)
{
    switch (unit) {
    case UNIT_EPOCH:
        return stamp.ms / 1000;
    case UNIT_NANOSECOND:
        return stamp.ms % 1000 * 1000000 + stamp.nanosecond;
    case UNIT_MICROSECOND:
        return stamp.ms % 1000 * 1000 + stamp.nanosecond / 1000;
    case UNIT_MILLISECOND:
        return stamp.ms % 1000;
    case UNIT_SECOND:
        return stamp.ms % 60000 / 1000;
    case UNIT_MINUTE:
        return stamp.ms % 3600000 / 60000;
    case UNIT_HOUR:
        return stamp.ms % VEC_MS_PER_DAY / 3600000;
    default:
        return field_of_date(stamp.ms / VEC_MS_PER_DAY, unit);
    }
}

static bool extract_stamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   type = call->arguments[0].type;
    enum time_unit    unit = *(const enum time_unit *)call->state;
    int64_t           zone_ms = type.kind == VEC_TIMESTAMP_LTZ ? expr__zone_ms(call) : 0;
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp stamp = expr__stamp_at(&access, row, type);

        stamp.ms += zone_ms;
        result[row] = field_of_stamp(stamp, unit);
    }
    return true;
}

static bool extract_date(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum time_unit    unit = *(const enum time_unit *)call->state;
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t days = ((const int32_t *)access.data)[vec_access_at(&access, row)];

        result[row] = unit == UNIT_EPOCH ? days * 86400 : field_of_date(days, unit);
    }
    return true;
}

/* TIME and INTERVAL DAY are milliseconds. */
static bool extract_clock(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              wide = call->arguments[0].type.kind == VEC_INTERVAL_DAY;
    enum time_unit    unit = *(const enum time_unit *)call->state;
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        size_t  at = vec_access_at(&access, row);
        int64_t ms = wide ? ((const int64_t *)access.data)[at] : ((const int32_t *)access.data)[at];

        result[row] = unit == UNIT_DAY ? ms / VEC_MS_PER_DAY : field_of_stamp((struct stamp){.ms = ms}, unit);
    }
    return true;
}

static bool extract_months(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum time_unit    unit = *(const enum time_unit *)call->state;
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int32_t months = ((const int32_t *)access.data)[vec_access_at(&access, row)];

        result[row] = unit == UNIT_YEAR ? months / 12 : months % 12;
    }
    return true;
}

/* Which kernel, if the type has the field. */
static expr_kernel_fn *extract_kernel(enum vec_kind kind, enum time_unit unit)
{
    bool of_clock = unit >= UNIT_HOUR && unit <= UNIT_MILLISECOND;

    switch (kind) {
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        return extract_stamp;
    case VEC_DATE:
        return (unit >= UNIT_HOUR && unit <= UNIT_NANOSECOND) ? NULL : extract_date;
    case VEC_TIME:
        return of_clock ? extract_clock : NULL;
    case VEC_INTERVAL_DAY:
        return of_clock || unit == UNIT_DAY ? extract_clock : NULL;
    case VEC_INTERVAL_MONTH:
        return unit == UNIT_YEAR || unit == UNIT_MONTH ? extract_months : NULL;
    default:
        return NULL;
    }
}

static bool set_unit(struct expr_bind *bind, enum time_unit unit)
{
    enum time_unit *state = arena_alloc(bind->maker->arena, sizeof(*state));

    if (state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    *state = unit;
    bind->out.state = state;
    return true;
}

static bool bind_field(struct expr_bind *bind, struct view name)
{
    enum time_unit unit = expr__unit_of(bind, name);
    char           text[64];

    if (unit == UNIT_COUNT) {
        return false;
    }
    bind->out.kernel = extract_kernel(bind->arguments[0]->type.kind, unit);
    if (bind->out.kernel == NULL) {
        return expr__refuse(bind->maker, "there is no %s in a %s", unit_names[unit],
                            expr__type_text(bind->arguments[0]->type, text));
    }
    bind->out.result = vec_type_of(VEC_BIGINT);
    bind->out.result.nullable = false;
    return set_unit(bind, unit);
}

/* EXTRACT(unit, time): the unit comes as a text constant. */
bool expr__bind_extract(struct expr_bind *bind)
{
    struct view unit;

    if (!expr__constant_text(bind->arguments[0], &unit)) {
        return expr__refuse(bind->maker, "EXTRACT wants a unit");
    }
    bind->arguments[0] = bind->arguments[1];
    bind->count = 1;
    return bind_field(bind, unit);
}

/* YEAR(time), DAYOFWEEK(time), ... */
bool expr__bind_unit(struct expr_bind *bind)
{
    static const char *const others[][2] = {{"DAYOFMONTH", "DAY"}, {"DAYOFWEEK", "DOW"}, {"DAYOFYEAR", "DOY"}};

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(bind->name, others[i][0]) == 0) {
            return bind_field(bind, view_text(others[i][1]));
        }
    }
    return bind_field(bind, view_text(bind->name));
}

/* --- rounding ----------------------------------------------------------------------------------------------------- */

struct vec_civil expr__historic_civil(int64_t days)
{
    int64_t julian = days + JULIAN_EPOCH;
    int64_t b = 0;
    int64_t c = julian + 32082;
    int64_t d;
    int64_t e;
    int64_t m;

    if (julian > GREGORIAN_START) {
        return vec_civil_from_days(days);
    }
    d = (4 * c + 3) / 1461;
    e = c - 1461 * d / 4;
    m = (5 * e + 2) / 153;
    return (struct vec_civil){.year = b * 100 + d - 4800 + m / 10,
                              .month = (int32_t)(m + 3 - 12 * (m / 10)),
                              .day = (int32_t)(e - (153 * m + 2) / 5 + 1)};
}

int64_t expr__historic_days(int64_t year, int64_t month, int64_t day)
{
    int64_t days = vec_days_from_civil(year, month, 1) + day - 1;
    int64_t shifted;
    int64_t months = month - 3;

    if (days + JULIAN_EPOCH > GREGORIAN_START) {
        return days;
    }
    shifted = year + vec_floor_divide(months, 12) + 4800;
    return (153 * vec_floor_remainder(months, 12) + 2) / 5 + 365 * shifted + vec_floor_divide(shifted, 4) + day -
           32083 - JULIAN_EPOCH;
}

/* The first day of the unit that the day lies in, or of the next one. */
static int64_t round_date(int64_t days, enum time_unit unit, bool up)
{
    struct vec_civil civil = expr__historic_civil(days);
    int64_t          years;
    int64_t          quarter = (civil.month + 2) / 3;

    switch (unit) {
    case UNIT_MILLENNIUM:
    case UNIT_CENTURY:
        years = unit == UNIT_CENTURY ? 100 : 1000;
        years = years * ((civil.year + years - 1) / years) + (up ? 1 : 1 - years);
        return vec_days_from_civil(years, 1, 1);
    case UNIT_DECADE:
        return vec_days_from_civil(10 * (civil.year / 10 + up), 1, 1);
    case UNIT_YEAR:
        return vec_days_from_civil(civil.year + (up && (civil.month > 1 || civil.day > 1)), 1, 1);
    case UNIT_QUARTER:
        return vec_days_from_civil(civil.year, (quarter + (up && (civil.month > 1 || civil.day > 1))) * 3 - 2, 1);
    case UNIT_MONTH:
        return vec_days_from_civil(civil.year, civil.month + (up && civil.day > 1), 1);
    case UNIT_DAY:
        return vec_days_from_civil(civil.year, civil.month, civil.day) + up;
    default: /* WEEK: from Sunday */
        years = vec_floor_remainder(days + 4, 7);
        return vec_days_from_civil(civil.year, civil.month, civil.day) - years + (up && years > 0 ? 7 : 0);
    }
}

static int64_t round_ms(struct stamp stamp, int64_t unit_ms, bool up)
{
    int64_t floor = vec_floor_divide(stamp.ms, unit_ms) * unit_ms;

    return up && (floor != stamp.ms || (unit_ms == 1 && stamp.nanosecond > 0)) ? floor + unit_ms : floor;
}

static bool round_stamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   type = call->arguments[0].type;
    enum time_unit    unit = *(const enum time_unit *)call->state;
    int64_t           zone_ms = type.kind == VEC_TIMESTAMP_LTZ ? expr__zone_ms(call) : 0;
    bool              up = call->expr->function->name[0] == 'C';

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp stamp = expr__stamp_at(&access, row, type);

        stamp.ms += zone_ms;
        if (unit >= UNIT_DAY) {
            stamp.ms = round_ms(stamp, expr__unit_ms(unit), up);
        } else {
            stamp.ms = round_date(stamp.ms / VEC_MS_PER_DAY, unit, up) * VEC_MS_PER_DAY;
        }
        stamp.ms -= zone_ms;
        stamp.nanosecond = 0;
        expr__put_stamp(call, row, stamp);
    }
    return true;
}

static bool round_days(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    enum time_unit    unit = *(const enum time_unit *)call->state;
    bool              up = call->expr->function->name[0] == 'C';
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int32_t days = ((const int32_t *)access.data)[vec_access_at(&access, row)];

        result[row] = unit > UNIT_DAY ? days : (int32_t)round_date(days, unit, up);
    }
    return true;
}

static bool round_time(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int64_t           unit_ms = expr__unit_ms(*(const enum time_unit *)call->state);
    bool              up = call->expr->function->name[0] == 'C';
    int32_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int32_t ms = ((const int32_t *)access.data)[vec_access_at(&access, row)];

        result[row] = (int32_t)round_ms((struct stamp){.ms = ms}, unit_ms, up);
    }
    return true;
}

/* FLOOR(time TO unit), CEIL(time TO unit) */
bool expr__bind_round_time(struct expr_bind *bind)
{
    struct view    name;
    enum time_unit unit;
    enum vec_kind  kind = bind->arguments[0]->type.kind;
    char           text[64];

    if (!expr__constant_text(bind->arguments[1], &name)) {
        return expr__refuse(bind->maker, "%s(time TO unit) wants a unit", bind->name);
    }
    unit = expr__unit_of(bind, name);
    if (unit == UNIT_COUNT) {
        return false;
    }
    if ((!expr__is_stamp(kind) && kind != VEC_DATE && kind != VEC_TIME) || unit > UNIT_MILLISECOND ||
        (kind == VEC_TIME && unit < UNIT_HOUR)) {
        return expr__refuse(bind->maker, "%s of a %s to %s is not supported", bind->name,
                            expr__type_text(bind->arguments[0]->type, text), unit_names[unit]);
    }
    bind->count = 1;
    bind->out.result = bind->arguments[0]->type;
    bind->out.result.nullable = false;
    bind->out.kernel = kind == VEC_DATE ? round_days : kind == VEC_TIME ? round_time : round_stamp;
    return set_unit(bind, unit);
}

int64_t expr__add_months(int64_t days, int64_t months)
{
    struct vec_civil civil = vec_civil_from_days(days);
    struct vec_civil first = vec_civil_from_days(vec_days_from_civil(civil.year, civil.month + months, 1));

    return vec_days_from_civil(first.year, first.month, MIN(civil.day, vec_days_in_month(first.year, first.month)));
}
