/* Arithmetic of times and intervals: +, -, *, TIMESTAMPADD, TIMESTAMPDIFF. */
#include "compute/expr/expr_calendar.h"
#include "core/base/check.h"

static bool is_interval(enum vec_kind kind)
{
    return kind == VEC_INTERVAL_DAY || kind == VEC_INTERVAL_MONTH;
}

static struct stamp plus_months(struct stamp stamp, int64_t months)
{
    int64_t days = vec_floor_divide(stamp.ms, VEC_MS_PER_DAY);

    stamp.ms += (expr__add_months(days, months) - days) * VEC_MS_PER_DAY;
    return stamp;
}

/* What is added per row: an interval's value, times a factor (which is the sign for + and -). */
struct shift {
    int64_t factor;
    bool    months;
};

static int64_t amount_at(const struct vec_access *access, size_t row, enum vec_layout layout)
{
    size_t at = vec_access_at(access, row);

    switch (layout) {
    case VEC_LAYOUT_INT8:
        return ((const int8_t *)access->data)[at];
    case VEC_LAYOUT_INT16:
        return ((const int16_t *)access->data)[at];
    case VEC_LAYOUT_INT32:
        return ((const int32_t *)access->data)[at];
    default:
        return ((const int64_t *)access->data)[at];
    }
}

/* TIMESTAMP and DAY: the usual case, kept free of months. */
static bool shift_us(struct expr_call *call)
{
    struct vec_access   times = vec_access_of(&call->arguments[0]);
    struct vec_access   amounts = vec_access_of(&call->arguments[1]);
    enum vec_layout     layout = vec_type_layout(call->arguments[1].type);
    const struct shift *shift = call->state;
    int64_t            *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t   row = expr__row(call, i);
        uint64_t us = (uint64_t)((const int64_t *)times.data)[vec_access_at(&times, row)];

        result[row] = (int64_t)(us + (uint64_t)amount_at(&amounts, row, layout) * (uint64_t)shift->factor * 1000);
    }
    return true;
}

static bool shift_stamp(struct expr_call *call)
{
    struct vec_access   times = vec_access_of(&call->arguments[0]);
    struct vec_access   amounts = vec_access_of(&call->arguments[1]);
    enum vec_layout     layout = vec_type_layout(call->arguments[1].type);
    const struct shift *shift = call->state;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp stamp = expr__stamp_at(&times, row, call->arguments[0].type);
        int64_t      amount = (int64_t)((uint64_t)amount_at(&amounts, row, layout) * (uint64_t)shift->factor);

        if (shift->months) {
            stamp = plus_months(stamp, (int32_t)amount);
        } else {
            stamp.ms = (int64_t)((uint64_t)stamp.ms + (uint64_t)amount);
        }
        expr__put_stamp(call, row, stamp);
    }
    return true;
}

/* Parts of a day are lost. */
static bool shift_date(struct expr_call *call)
{
    struct vec_access   times = vec_access_of(&call->arguments[0]);
    struct vec_access   amounts = vec_access_of(&call->arguments[1]);
    enum vec_layout     layout = vec_type_layout(call->arguments[1].type);
    const struct shift *shift = call->state;
    int32_t            *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int32_t days = ((const int32_t *)times.data)[vec_access_at(&times, row)];
        int64_t amount = (int64_t)((uint64_t)amount_at(&amounts, row, layout) * (uint64_t)shift->factor);

        result[row] = shift->months ? (int32_t)expr__add_months(days, (int32_t)amount)
                                    : (int32_t)((uint32_t)days + (uint32_t)(amount / VEC_MS_PER_DAY));
    }
    return true;
}

/* A clock goes round; months do nothing to it. */
static bool shift_time(struct expr_call *call)
{
    struct vec_access   times = vec_access_of(&call->arguments[0]);
    struct vec_access   amounts = vec_access_of(&call->arguments[1]);
    enum vec_layout     layout = vec_type_layout(call->arguments[1].type);
    const struct shift *shift = call->state;
    int32_t            *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = ((const int32_t *)times.data)[vec_access_at(&times, row)];
        int64_t amount = (int64_t)((uint64_t)amount_at(&amounts, row, layout) * (uint64_t)shift->factor);

        result[row] = (int32_t)vec_floor_remainder(shift->months ? ms : ms + amount % VEC_MS_PER_DAY, VEC_MS_PER_DAY);
    }
    return true;
}

static bool set_shift(struct expr_bind *bind, int64_t factor, bool months)
{
    struct shift *shift = arena_alloc(bind->maker->arena, sizeof(*shift));
    enum vec_kind kind = bind->arguments[0]->type.kind;

    if (shift == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    *shift = (struct shift){.factor = factor, .months = months};
    bind->out.state = shift;
    bind->out.result = bind->arguments[0]->type;
    bind->out.result.nullable = false;
    if (kind == VEC_DATE) {
        bind->out.kernel = shift_date;
    } else if (kind == VEC_TIME) {
        bind->out.kernel = shift_time;
    } else if (!months && vec_type_layout(bind->out.result) == VEC_LAYOUT_INT64) {
        bind->out.kernel = shift_us;
    } else {
        bind->out.kernel = shift_stamp;
    }
    return true;
}

static bool refuse_types(struct expr_bind *bind)
{
    char left[64];
    char right[64];

    return expr__refuse(bind->maker, "%s does not go with %s and %s", bind->name,
                        expr__type_text(bind->arguments[0]->type, left),
                        expr__type_text(bind->arguments[1]->type, right));
}

bool expr__has_interval(const struct expr_bind *bind)
{
    return is_interval(bind->arguments[0]->type.kind) || is_interval(bind->arguments[1]->type.kind);
}

/* Time and interval; the interval may stand first in a sum. Intervals of one kind go with each other. */
bool expr__bind_interval_sum(struct expr_bind *bind, bool subtract)
{
    struct expr  *first = bind->arguments[0];
    enum vec_kind kind;

    if (is_interval(first->type.kind) && !subtract && !is_interval(bind->arguments[1]->type.kind)) {
        bind->arguments[0] = bind->arguments[1];
        bind->arguments[1] = first;
    }
    kind = bind->arguments[0]->type.kind;
    if (is_interval(kind)) {
        return kind == bind->arguments[1]->type.kind ? expr__bind_interval_alone(bind, subtract) : refuse_types(bind);
    }
    if (!expr__is_stamp(kind) && kind != VEC_DATE && kind != VEC_TIME) {
        return refuse_types(bind);
    }
    return set_shift(bind, subtract ? -1 : 1, bind->arguments[1]->type.kind == VEC_INTERVAL_MONTH);
}

/* --- TIMESTAMPADD, TIMESTAMPDIFF ---------------------------------------------------------------------------------- */

static bool take_unit(struct expr_bind *bind, enum time_unit *out_unit)
{
    struct view name;

    if (!expr__constant_text(bind->arguments[0], &name)) {
        return expr__refuse(bind->maker, "%s wants a unit first", bind->name);
    }
    *out_unit = expr__unit_of(bind, name);
    return *out_unit != UNIT_COUNT;
}

/* TIMESTAMPADD(unit, n, time): a DATE with a unit below days becomes a TIMESTAMP(6). */
bool expr__bind_timestamp_add(struct expr_bind *bind)
{
    enum time_unit unit = UNIT_COUNT;
    struct expr   *amount = bind->arguments[1];
    enum vec_kind  kind;
    bool           months;

    if (!take_unit(bind, &unit)) {
        return false;
    }
    months = expr__unit_months(unit) != 0;
    bind->arguments[0] = bind->arguments[2];
    bind->arguments[1] = amount;
    bind->count = 2;
    kind = bind->arguments[0]->type.kind;
    if (kind == VEC_DATE && unit > UNIT_DAY) {
        bind->arguments[0] = expr_cast(bind->maker, bind->arguments[0], vec_type_timestamp(VEC_TIMESTAMP, 6), false);
        if (bind->arguments[0] == NULL) {
            return false;
        }
    }
    if ((!expr__is_stamp(kind) && kind != VEC_DATE && kind != VEC_TIME) || !vec_kind_is_integer(amount->type.kind) ||
        unit > UNIT_SECOND || unit < UNIT_YEAR) {
        return refuse_types(bind);
    }
    return set_shift(bind, months ? expr__unit_months(unit) : expr__unit_ms(unit), months);
}

/* DateTimeUtils.subtractMonths of days: months that can be added to `from` without passing `to`, or reaching it. */
static int64_t months_of_days(int64_t to, int64_t from)
{
    struct vec_civil a;
    struct vec_civil b;
    int64_t          months;

    if (to < from) {
        return -months_of_days(from, to);
    }
    a = vec_civil_from_days(from);
    b = vec_civil_from_days(to);
    months = MAX((b.year - a.year) * 12 + b.month - a.month - 1, INT64_C(0));
    while (expr__add_months(from, months) < to && expr__add_months(from, months + 1) <= to) {
        months++;
    }
    return months;
}

static int64_t months_between(struct stamp from, struct stamp to)
{
    int64_t from_days = vec_floor_divide(from.ms, VEC_MS_PER_DAY);
    int64_t to_days = vec_floor_divide(to.ms, VEC_MS_PER_DAY);
    int64_t months = months_of_days(to_days, from_days);

    if (expr__add_months(from_days, months) == to_days &&
        vec_floor_remainder(to.ms, VEC_MS_PER_DAY) < vec_floor_remainder(from.ms, VEC_MS_PER_DAY)) {
        months--;
    }
    return months;
}

/* Weeks are made of seconds that were cut to an INT. */
static int64_t units_between(struct stamp from, struct stamp to, enum time_unit unit)
{
    int64_t ms = to.ms - from.ms;

    return unit == UNIT_WEEK ? (int32_t)(ms / 1000) / (7 * 86400) : ms / expr__unit_ms(unit);
}

static bool difference(struct expr_call *call)
{
    struct vec_access    froms = vec_access_of(&call->arguments[0]);
    struct vec_access    tos = vec_access_of(&call->arguments[1]);
    const enum time_unit unit = *(const enum time_unit *)call->state;
    int32_t             *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp from = expr__stamp_at(&froms, row, call->arguments[0].type);
        struct stamp to = expr__stamp_at(&tos, row, call->arguments[1].type);

        result[row] = (int32_t)(unit >= UNIT_WEEK ? units_between(from, to, unit)
                                                  : months_between(from, to) / expr__unit_months(unit));
    }
    return true;
}

bool expr__bind_timestamp_diff(struct expr_bind *bind)
{
    enum time_unit  unit = UNIT_COUNT;
    enum time_unit *state = arena_alloc(bind->maker->arena, sizeof(*state));

    if (state == NULL || !take_unit(bind, &unit)) {
        return false;
    }
    *state = unit;
    bind->arguments[0] = bind->arguments[1];
    bind->arguments[1] = bind->arguments[2];
    bind->count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        if (!expr__is_stamp(bind->arguments[i]->type.kind) && bind->arguments[i]->type.kind != VEC_DATE) {
            return refuse_types(bind);
        }
    }
    if ((bind->arguments[0]->type.kind == VEC_TIMESTAMP_LTZ) != (bind->arguments[1]->type.kind == VEC_TIMESTAMP_LTZ) ||
        unit > UNIT_SECOND || unit < UNIT_YEAR) {
        return refuse_types(bind);
    }
    bind->out.state = state;
    bind->out.result = vec_type_of(VEC_INT);
    bind->out.result.nullable = false;
    bind->out.kernel = difference;
    return true;
}
