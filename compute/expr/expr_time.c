/* Dates and times as texts and numbers: DATE_FORMAT, TO_TIMESTAMP, UNIX_TIMESTAMP and their siblings; the clock. */
#include "compute/expr/expr_calendar.h"
#include "compute/expr/expr_pattern.h"
#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define SQL_PATTERN "yyyy-MM-dd HH:mm:ss"

/* What Flink makes of the text that it cannot read: TO_DATE(text, pattern) takes Java's least long for milliseconds
 * and cuts the day's number; UNIX_TIMESTAMP shows it. */
#define UNREAD_SECONDS INT64_MIN
#define UNREAD_DAYS    622191233

/* TIMESTAMP_LTZ and texts are beside the session's zone. The year -1..9999 of to ms keeps every value in range. */
#define MS_MIN   INT64_C(-62167219200000)
#define MS_MAX   INT64_C(253402300799999)
#define UNIX_MAX INT64_C(9000000000000000)

static struct vec_type not_null(struct vec_type type)
{
    type.nullable = false;
    return type;
}

/* Compiles the constant text of argument `argument`, or `otherwise` when there is none, into out.state. */
static bool want_pattern(struct expr_bind *bind, uint32_t argument, const char *otherwise, enum pattern_kind kind,
                         bool reads)
{
    struct pattern *pattern = arena_alloc(bind->maker->arena, sizeof(*pattern));
    struct view     text = view_text(otherwise);

    if (pattern == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (bind->count > argument) {
        if (!expr__constant_text(bind->arguments[argument], &text)) {
            return expr__refuse(bind->maker, "%s wants its pattern as a text in quotes", bind->name);
        }
        text = arena_copy(bind->maker->arena, text);
        bind->count = argument;
    }
    bind->out.state = pattern;
    return expr__pattern_compile(bind->maker, bind->name, text, kind, reads, pattern);
}

/* --- DATE_FORMAT -------------------------------------------------------------------------------------------------- */

static int64_t bucket_of(struct stamp stamp, int64_t step)
{
    return step == 0 ? 0 : vec_floor_divide(stamp.ms, step * 1000);
}

static struct vec_civil civil_of(struct stamp stamp)
{
    return vec_civil_of_timestamp((vec_int128)stamp.ms * 1000000 + stamp.nanosecond, NS_PER_S);
}

/* As SimpleDateFormat shows it: Julian before 1582. */
static struct vec_civil historic_of(int64_t ms)
{
    struct vec_civil civil = civil_of((struct stamp){.ms = ms});
    struct vec_civil date = expr__historic_civil(vec_floor_divide(ms, VEC_MS_PER_DAY));

    civil.year = date.year;
    civil.month = date.month;
    civil.day = date.day;
    return civil;
}

/* Events come in order: most show what the one before shows. */
static bool date_format(struct expr_call *call)
{
    struct vec_access     access = vec_access_of(&call->arguments[0]);
    struct vec_type       type = call->arguments[0].type;
    const struct pattern *pattern = call->state;
    int64_t               zone_ms = type.kind == VEC_TIMESTAMP_LTZ ? expr__zone_ms(call) : 0;
    struct vec_string     last_text = {.len = 0};
    int64_t               first_ms = 0; /* what shows the last text: from here .. */
    int64_t               end_ms = 0;   /* .. to before here */

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t       row = expr__row(call, i);
        struct stamp stamp = expr__stamp_at(&access, row, type);
        char        *room;

        stamp.ms += zone_ms;
        if (stamp.ms < first_ms || stamp.ms >= end_ms || pattern->step == 0) {
            room = expr__text_room(call, row, pattern->bytes_max);
            if (room == NULL) {
                return false;
            }
            last_text = vec_string_of(room, (uint32_t)expr__pattern_print(pattern, civil_of(stamp), room));
            first_ms = bucket_of(stamp, pattern->step) * pattern->step * 1000;
            end_ms = first_ms + pattern->step * 1000;
        }
        ((struct vec_string *)call->result->data)[row] = last_text;
    }
    return true;
}

/* DATE_FORMAT(text, pattern): the text is read as SQL_PATTERN; NULL when it is not that. */
static bool date_format_text(struct expr_call *call)
{
    const struct pattern *patterns = call->state; /* what reads, what writes */
    struct vec_access     access = vec_access_of(&call->arguments[0]);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = 0;
        char   *room;

        if (!expr__pattern_read_lenient(&patterns[0], expr__view_at(&access, row), expr__now_ms(call), &ms)) {
            expr__set_null(call, row);
            continue;
        }
        room = expr__text_room(call, row, patterns[1].bytes_max);
        if (room == NULL) {
            return false;
        }
        expr__put_room(call, row, room, expr__pattern_print(&patterns[1], historic_of(ms), room));
    }
    return true;
}

static bool bind_format_text(struct expr_bind *bind)
{
    struct pattern *patterns = arena_alloc_array(bind->maker->arena, 2, sizeof(*patterns));

    if (patterns == NULL || !want_pattern(bind, 1, SQL_PATTERN, PATTERN_SIMPLE, false)) {
        return false;
    }
    patterns[1] = *(const struct pattern *)bind->out.state;
    bind->out.state = patterns;
    expr__result(bind, vec_type_of(VEC_VARCHAR), date_format_text);
    return expr__pattern_compile(bind->maker, bind->name, view_text(SQL_PATTERN), PATTERN_SIMPLE, true, &patterns[0]);
}

bool expr__bind_date_format(struct expr_bind *bind)
{
    char text[64];

    if (vec_kind_is_text(bind->arguments[0]->type.kind)) {
        return bind_format_text(bind);
    }
    if (!expr__is_stamp(bind->arguments[0]->type.kind)) {
        return expr__refuse(bind->maker, "DATE_FORMAT wants a TIMESTAMP, not %s (use CAST)",
                            expr__type_text(bind->arguments[0]->type, text));
    }
    expr__result(bind, expr__string_type(), date_format);
    return want_pattern(bind, 1, SQL_PATTERN, PATTERN_FORMATTER, false);
}

/* --- texts to times ----------------------------------------------------------------------------------------------- */

static int64_t ms_of(struct vec_civil civil)
{
    return (int64_t)vec_timestamp_of(civil, 1000);
}

/* With a pattern the second try is that of java.sql, which keeps the whole fraction. */
static bool read_stamp(const struct pattern *pattern, struct view text, struct vec_civil *out_civil)
{
    if (pattern == NULL ? expr__read_timestamp(text, out_civil) : expr__pattern_read(pattern, text, out_civil)) {
        out_civil->nanosecond -= out_civil->nanosecond % 1000000;
        return true;
    }
    return pattern != NULL && expr__read_sql_timestamp(text, out_civil);
}

static bool to_timestamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int64_t           zone_ms = call->expr->type.kind == VEC_TIMESTAMP_LTZ ? expr__zone_ms(call) : 0;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t           row = expr__row(call, i);
        struct view      text = expr__view_at(&access, row);
        struct vec_civil civil = {.year = 1970, .month = 1, .day = 1};

        if (!read_stamp(call->state, text, &civil)) {
            if (call->state == NULL && call->expr->type.kind == VEC_TIMESTAMP_LTZ) {
                return expr__fail(call, row, "'%.*s' is no timestamp", (int)MIN(text.len, (size_t)60),
                                  (const char *)text.base);
            }
            expr__set_null(call, row);
        }
        expr__put_stamp(call, row,
                        (struct stamp){.ms = ms_of(civil) - zone_ms, .nanosecond = civil.nanosecond % 1000000});
    }
    return true;
}

bool expr__bind_to_timestamp(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0)) {
        return false;
    }
    expr__result(bind, vec_type_timestamp(VEC_TIMESTAMP, 3), to_timestamp);
    return bind->count == 1 || want_pattern(bind, 1, SQL_PATTERN, PATTERN_FORMATTER, true);
}

static bool to_date(struct expr_call *call)
{
    struct vec_access     access = vec_access_of(&call->arguments[0]);
    const struct pattern *pattern = call->state;
    int32_t              *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t      row = expr__row(call, i);
        struct view text = expr__view_at(&access, row);
        int64_t     ms = 0;

        if (pattern == NULL) {
            result[row] = 0;
            if (!expr__read_date(text, &result[row])) {
                expr__set_null(call, row);
            }
        } else if (expr__pattern_read_lenient(pattern, text, expr__now_ms(call), &ms)) {
            result[row] = (int32_t)vec_floor_divide(ms, VEC_MS_PER_DAY);
        } else {
            result[row] = UNREAD_DAYS;
        }
    }
    return true;
}

bool expr__bind_to_date(struct expr_bind *bind)
{
    if (!expr__want_text(bind, 0)) {
        return false;
    }
    expr__result(bind, vec_type_of(VEC_DATE), to_date);
    return bind->count == 1 || want_pattern(bind, 1, SQL_PATTERN, PATTERN_SIMPLE, true);
}

/* --- numbers and times -------------------------------------------------------------------------------------------- */

/* Seconds (precision 0) or milliseconds outside of the years 0 to 9999 are NULL. */
static void put_epoch(struct expr_call *call, size_t row, double value, int64_t ms, bool seconds)
{
    bool inside =
        seconds && value == value ? value >= (double)(MS_MIN / 1000) && value <= (double)(MS_MAX / 1000) : true;

    if (!inside || ms < MS_MIN || ms > MS_MAX) {
        expr__set_null(call, row);
        ms = 0;
    }
    expr__put_stamp(call, row, (struct stamp){.ms = ms});
}

static bool epoch_of_integer(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              seconds = *(const int64_t *)call->state == 0;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t value = ((const int64_t *)access.data)[vec_access_at(&access, row)];
        bool    fits = !seconds || (value >= MS_MIN / 1000 && value <= MS_MAX / 1000);

        put_epoch(call, row, 0, !fits ? INT64_MAX : seconds ? value * 1000 : value, false);
    }
    return true;
}

static int64_t saturated(double value)
{
    return value != value ? 0 : value >= 9.2233e18 ? INT64_MAX : value <= -9.2233e18 ? INT64_MIN : (int64_t)value;
}

static bool epoch_of_double(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    bool              seconds = *(const int64_t *)call->state == 0;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);
        double value = ((const double *)access.data)[vec_access_at(&access, row)];

        put_epoch(call, row, value, saturated(seconds ? value * 1000 : value), seconds);
    }
    return true;
}

/* TO_TIMESTAMP_LTZ(number [, 0 or 3]) or (text [, pattern]) */
bool expr__bind_to_timestamp_ltz(struct expr_bind *bind)
{
    enum vec_kind kind = bind->arguments[0]->type.kind;
    int64_t       precision = 3;
    int64_t      *state = arena_alloc(bind->maker->arena, sizeof(*state));

    if (state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (vec_kind_is_text(kind)) {
        bool ok = expr__bind_to_timestamp(bind);

        bind->out.result = vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3);
        return ok;
    }
    if (bind->count == 2 &&
        (!expr__constant_int(bind->arguments[1], &precision) || (precision != 0 && precision != 3))) {
        return expr__refuse(bind->maker, "TO_TIMESTAMP_LTZ wants 0 (seconds) or 3 (milliseconds) as its precision");
    }
    *state = precision;
    bind->count = 1;
    bind->out.state = state;
    expr__result(bind, vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3), epoch_of_integer);
    if (kind == VEC_FLOAT || kind == VEC_DOUBLE) {
        bind->out.kernel = epoch_of_double;
        return expr__coerce(bind, 0, vec_type_of(VEC_DOUBLE));
    }
    if (kind == VEC_DECIMAL) { /* cut to a whole number first */
        bind->arguments[0] = expr_cast(bind->maker, bind->arguments[0], vec_type_of(VEC_BIGINT), false);
        return bind->arguments[0] != NULL;
    }
    return expr__coerce(bind, 0, vec_type_of(VEC_BIGINT));
}

static bool unix_now(struct expr_call *call)
{
    int64_t *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = expr__now_ms(call) / 1000;
    }
    return true;
}

static bool unix_timestamp(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    int64_t          *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t ms = 0;

        result[row] = UNREAD_SECONDS;
        if (expr__pattern_read_lenient(call->state, expr__view_at(&access, row), expr__now_ms(call), &ms)) {
            result[row] = (ms - expr__zone_ms(call)) / 1000;
        }
    }
    return true;
}

bool expr__bind_unix_timestamp(struct expr_bind *bind)
{
    expr__result(bind, not_null(vec_type_of(VEC_BIGINT)), bind->count == 0 ? unix_now : unix_timestamp);
    return bind->count == 0 || (expr__want_text(bind, 0) && want_pattern(bind, 1, SQL_PATTERN, PATTERN_SIMPLE, true));
}

static bool from_unixtime(struct expr_call *call)
{
    struct vec_access     access = vec_access_of(&call->arguments[0]);
    const struct pattern *pattern = call->state;

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t  row = expr__row(call, i);
        int64_t seconds = ((const int64_t *)access.data)[vec_access_at(&access, row)];
        char   *room = expr__text_room(call, row, pattern->bytes_max);

        if (room == NULL) {
            return false;
        }
        if (seconds > UNIX_MAX || seconds < -UNIX_MAX) {
            return expr__fail(call, row, "FROM_UNIXTIME: %" PRId64 " is too many seconds", seconds);
        }
        seconds += expr__zone_ms(call) / 1000;
        expr__put_room(call, row, room, expr__pattern_print(pattern, historic_of(seconds * 1000), room));
    }
    return true;
}

bool expr__bind_from_unixtime(struct expr_bind *bind)
{
    expr__result(bind, expr__string_type(), from_unixtime);
    bind->out.result.nullable = true;
    return expr__coerce(bind, 0, vec_type_of(VEC_BIGINT)) && want_pattern(bind, 1, SQL_PATTERN, PATTERN_SIMPLE, false);
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

static bool now(struct expr_call *call)
{
    int64_t *result = call->result->data;
    int64_t  zone_ms = call->expr->type.kind == VEC_TIMESTAMP ? expr__zone_ms(call) : 0;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = (expr__now_ms(call) + zone_ms) * 1000;
    }
    return true;
}

bool expr__bind_now(struct expr_bind *bind)
{
    bool local = strcmp(bind->name, "LOCALTIMESTAMP") == 0;

    expr__result(bind, not_null(vec_type_timestamp(local ? VEC_TIMESTAMP : VEC_TIMESTAMP_LTZ, 3)), now);
    return true;
}

static bool today(struct expr_call *call)
{
    int32_t *result = call->result->data;
    int64_t  ms = expr__now_ms(call) + expr__zone_ms(call);
    int64_t  days = vec_floor_divide(ms, VEC_MS_PER_DAY);
    int64_t  seconds = (ms - days * VEC_MS_PER_DAY) / 1000;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = (int32_t)(call->expr->type.kind == VEC_DATE ? days : seconds * 1000);
    }
    return true;
}

/* CURRENT_DATE; CURRENT_TIME and LOCALTIME in whole seconds */
bool expr__bind_today(struct expr_bind *bind)
{
    struct vec_type time = vec_type_of(VEC_TIME);
    bool            is_date = strcmp(bind->name, "CURRENT_DATE") == 0;

    time.precision = 0;
    expr__result(bind, not_null(is_date ? vec_type_of(VEC_DATE) : time), today);
    return true;
}
