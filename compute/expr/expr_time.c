/* Functions over dates and times. The session's time zone is UTC. */
#include "compute/expr/expr_kernel.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"

static bool is_stamp(enum vec_kind kind)
{
    return kind == VEC_TIMESTAMP || kind == VEC_TIMESTAMP_LTZ;
}

static vec_int128 stamp_at(const struct vec_access *access, size_t row, struct vec_type type)
{
    size_t at = vec_access_at(access, row);

    if (vec_type_layout(type) == VEC_LAYOUT_INT128) {
        return ((const vec_int128 *)access->data)[at];
    }
    return ((const int64_t *)access->data)[at];
}

static struct vec_civil civil_at(const struct vec_access *access, size_t row, struct vec_type type)
{
    if (type.kind == VEC_DATE) {
        return vec_civil_from_days(((const int32_t *)access->data)[vec_access_at(access, row)]);
    }
    return vec_civil_of_timestamp(stamp_at(access, row, type), vec_timestamp_units(type));
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

enum time_field {
    FIELD_YEAR,
    FIELD_QUARTER,
    FIELD_MONTH,
    FIELD_DAY,
    FIELD_HOUR,
    FIELD_MINUTE,
    FIELD_SECOND,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};

static int64_t field_of(struct vec_civil civil, enum time_field field)
{
    switch (field) {
    case FIELD_YEAR:
        return civil.year;
    case FIELD_QUARTER:
        return (civil.month + 2) / 3;
    case FIELD_MONTH:
        return civil.month;
    case FIELD_DAY:
        return civil.day;
    case FIELD_HOUR:
        return civil.hour;
    case FIELD_MINUTE:
        return civil.minute;
    default:
        return civil.second;
    }
}

static bool extract(struct expr_call *call)
{
    struct vec_access access = vec_access_of(&call->arguments[0]);
    struct vec_type   type = call->arguments[0].type;
    enum time_field   field = *(const enum time_field *)call->state;
    int64_t          *result = call->result->data;

    /* The clock's fields need no calendar. */
    if (field >= FIELD_HOUR && vec_type_layout(type) == VEC_LAYOUT_INT64) {
        for (uint32_t i = 0; i < call->row_count; i++) {
            size_t  row = expr__row(call, i);
            int64_t us = ((const int64_t *)access.data)[vec_access_at(&access, row)];
            int64_t seconds = vec_floor_remainder(us, VEC_US_PER_DAY) / 1000000;

            result[row] = field == FIELD_HOUR     ? seconds / 3600
                          : field == FIELD_MINUTE ? seconds / 60 % 60
                                                  : seconds % 60;
        }
        return true;
    }
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t row = expr__row(call, i);

        result[row] = field_of(civil_at(&access, row, type), field);
    }
    return true;
}

static bool bind_field(struct expr_bind *bind, enum time_field field)
{
    enum time_field *state = arena_alloc(bind->maker->arena, sizeof(*state));
    char             text[64];

    if (state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (!is_stamp(bind->arguments[0]->type.kind) &&
        (bind->arguments[0]->type.kind != VEC_DATE || field >= FIELD_HOUR)) {
        return expr__refuse(bind->maker, "there is no %s in a %s", field_names[field],
                            expr__type_text(bind->arguments[0]->type, text));
    }
    *state = field;
    bind->out.state = state;
    bind->out.kernel = extract;
    bind->out.result = vec_type_of(VEC_BIGINT);
    bind->out.result.nullable = false;
    return true;
}

static bool field_by_name(struct expr_bind *bind, struct view name)
{
    for (int field = 0; field < FIELD_COUNT; field++) {
        if (view_equal(name, view_text(field_names[field]))) {
            return bind_field(bind, (enum time_field)field);
        }
    }
    return expr__refuse(bind->maker,
                        "EXTRACT of %.*s is not supported; YEAR, QUARTER, MONTH, DAY, HOUR, MINUTE and SECOND are",
                        (int)name.len, (const char *)name.base);
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
    return field_by_name(bind, unit);
}

bool expr__bind_unit(struct expr_bind *bind)
{
    return field_by_name(bind, view_text(strcmp(bind->name, "DAYOFMONTH") == 0 ? "DAY" : bind->name));
}

/* --- DATE_FORMAT -------------------------------------------------------------------------------------------------- */

/* One letter of the pattern and how often it stands there, or a text. */
struct piece {
    char        letter; /* 0: text */
    uint32_t    count;
    struct view text;
};

#define PIECES_MAX 64

struct date_format {
    struct piece pieces[PIECES_MAX];
    size_t       piece_count;
    size_t       bytes_max;
};

static bool add_piece(struct date_format *format, char letter, struct view text)
{
    if (format->piece_count == PIECES_MAX) {
        return false;
    }
    format->pieces[format->piece_count++] = (struct piece){.letter = letter, .count = (uint32_t)text.len, .text = text};
    format->bytes_max += MAX(text.len, 20) + 4;
    return true;
}

/* SimpleDateFormat's: letters repeat, '..' quotes, '' is a quote. */
static bool compile_format(struct expr_bind *bind, struct view pattern, struct date_format *format)
{
    for (size_t at = 0; at < pattern.len;) {
        uint8_t letter = pattern.base[at];
        size_t  end = at + 1;
        bool    ok;

        if (letter == '\'') {
            while (end < pattern.len && pattern.base[end] != '\'') {
                end++;
            }
            if (end == pattern.len) {
                return expr__refuse(bind->maker, "DATE_FORMAT: a quote in the pattern is not closed");
            }
            ok = end == at + 1 ? add_piece(format, 0, view_of(pattern.base + at, 1))
                               : add_piece(format, 0, view_of(pattern.base + at + 1, end - at - 1));
            end++;
        } else if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
            while (end < pattern.len && pattern.base[end] == letter) {
                end++;
            }
            if (strchr("yMdHmsS", letter) == NULL || (letter == 'M' && end - at > 2)) {
                return expr__refuse(bind->maker,
                                    "DATE_FORMAT: '%.*s' in the pattern is not supported; y M d H m s S are",
                                    (int)(end - at), (const char *)pattern.base + at);
            }
            ok = add_piece(format, (char)letter, view_of(pattern.base + at, end - at));
        } else {
            ok = add_piece(format, 0, view_of(pattern.base + at, 1));
        }
        if (!ok) {
            return expr__refuse(bind->maker, "DATE_FORMAT: the pattern has more than %d parts", PIECES_MAX);
        }
        at = end;
    }
    return true;
}

static char *put_padded(char *out, int64_t value, uint32_t width)
{
    char   digits[24];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = count; i < width && i < 20; i++) {
        *out++ = '0';
    }
    while (count > 0) {
        *out++ = digits[--count];
    }
    return out;
}

static char *put_piece(char *out, const struct piece *piece, struct vec_civil civil)
{
    int64_t value;

    switch (piece->letter) {
    case 0:
        memcpy(out, piece->text.base, piece->text.len);
        return out + piece->text.len;
    case 'y':
        return piece->count == 2 ? put_padded(out, civil.year % 100, 2) : put_padded(out, civil.year, piece->count);
    case 'M':
        value = civil.month;
        break;
    case 'd':
        value = civil.day;
        break;
    case 'H':
        value = civil.hour;
        break;
    case 'm':
        value = civil.minute;
        break;
    case 's':
        value = civil.second;
        break;
    default:
        value = civil.nanosecond / 1000000;
        break;
    }
    return put_padded(out, value, piece->count);
}

static bool date_format(struct expr_call *call)
{
    struct vec_access         access = vec_access_of(&call->arguments[0]);
    struct vec_type           type = call->arguments[0].type;
    const struct date_format *format = call->state;
    vec_int128                last = 0;
    bool                      has_last = false;
    struct vec_string         last_text = {0};
    bool                      fine = false; /* does the pattern show anything finer than minutes? */
    int64_t                   step;

    for (size_t i = 0; i < format->piece_count; i++) {
        fine = fine || format->pieces[i].letter == 's' || format->pieces[i].letter == 'S';
    }
    step = fine ? 1 : 60 * vec_timestamp_units(type);
    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t     row = expr__row(call, i);
        vec_int128 stamp = stamp_at(&access, row, type);
        vec_int128 bucket = stamp / step - (stamp % step < 0);
        char       small[VEC_STRING_INLINE_MAX];
        char      *room = small;
        char      *end;

        if (has_last && bucket == last) { /* events come in order: most show what the one before shows */
            ((struct vec_string *)call->result->data)[row] = last_text;
            continue;
        }
        room = expr__text_room(call, row, format->bytes_max);
        if (room == NULL) {
            return false;
        }
        end = room;
        for (size_t piece = 0; piece < format->piece_count; piece++) {
            end = put_piece(end, &format->pieces[piece], civil_at(&access, row, type));
        }
        last_text = vec_string_of(room, (uint32_t)(end - room));
        ((struct vec_string *)call->result->data)[row] = last_text;
        last = bucket;
        has_last = true;
        (void)small;
    }
    return true;
}

bool expr__bind_date_format(struct expr_bind *bind)
{
    struct date_format *format = arena_alloc(bind->maker->arena, sizeof(*format));
    struct view         pattern;
    char                text[64];

    if (format == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    if (!is_stamp(bind->arguments[0]->type.kind)) {
        return expr__refuse(bind->maker, "DATE_FORMAT wants a TIMESTAMP, not %s (use CAST)",
                            expr__type_text(bind->arguments[0]->type, text));
    }
    if (!expr__constant_text(bind->arguments[1], &pattern)) {
        return expr__refuse(bind->maker, "DATE_FORMAT wants its pattern as a text in quotes");
    }
    bind->count = 1;
    bind->out.state = format;
    bind->out.kernel = date_format;
    bind->out.result = vec_type_of(VEC_VARCHAR);
    bind->out.result.nullable = false;
    return compile_format(bind, pattern, format);
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

static bool now(struct expr_call *call)
{
    int64_t *result = call->result->data;

    for (uint32_t i = 0; i < call->row_count; i++) {
        result[expr__row(call, i)] = expr__now_ms(call) * 1000;
    }
    return true;
}

bool expr__bind_now(struct expr_bind *bind)
{
    bind->out.result = vec_type_timestamp(VEC_TIMESTAMP_LTZ, 3);
    bind->out.result.nullable = false;
    bind->out.kernel = now;
    return true;
}
