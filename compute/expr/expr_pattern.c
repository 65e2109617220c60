/* Patterns: compiling and writing. */
#include "compute/expr/expr_pattern.h"
#include "core/base/check.h"

#define NAME_BYTES_MAX 12

const char *const expr__month_names[12] = {"January", "February", "March",     "April",   "May",      "June",
                                           "July",    "August",   "September", "October", "November", "December"};
const char *const expr__day_names[7] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* --- compiling ---------------------------------------------------------------------------------------------------- */

/* A letter with its longest run, as DateTimeFormatter / SimpleDateFormat take it here; 0: not. */
struct letter {
    char letter;
    char formatter_max, simple_max;
    bool reads;
};

static const struct letter letters[] = {
    {'y', 19, 9, true}, {'u', 19, 1, false}, {'M', 4, 4, true},  {'L', 2, 2, false}, {'d', 2, 9, true},
    {'D', 3, 9, true},  {'H', 2, 9, true},   {'h', 2, 9, true},  {'K', 2, 9, true},  {'k', 2, 9, true},
    {'m', 2, 9, true},  {'s', 2, 9, true},   {'S', 9, 9, true},  {'a', 1, 4, true},  {'E', 4, 4, true},
    {'Q', 3, 0, false}, {'n', 1, 0, false},  {'A', 1, 0, false}, {'G', 3, 3, false}, {'Z', 3, 3, true},
    {'X', 3, 3, true},
};

static bool letter_known(struct pattern_piece piece, enum pattern_kind kind, bool reads)
{
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        if (letters[i].letter == piece.letter) {
            uint32_t longest = (uint32_t)(kind == PATTERN_FORMATTER ? letters[i].formatter_max : letters[i].simple_max);
            bool     zone = piece.letter == 'Z' || piece.letter == 'X';

            return piece.count <= longest && (reads ? letters[i].reads : !zone);
        }
    }
    return false;
}

static bool refuse_letters(struct expr_maker *maker, const char *function, struct view run, bool reads)
{
    return expr__refuse(maker, "%s: '%.*s' in the pattern is not supported; %s are", function, (int)run.len,
                        (const char *)run.base,
                        reads ? "y M d D H h K k m s S a E Z X" : "y u M d D H h K k m s S a E Q G");
}

static uint8_t at(struct view text, size_t place)
{
    return place < text.len ? text.base[place] : 0;
}

/* '...' or '' at the start; gives its end, 0 when it is not closed. A '' inside stands for a quote: the piece ends with
 * one, and the rest begins with the other, as if it were opened anew. */
static size_t quoted(struct view rest, struct pattern_piece *piece)
{
    size_t end = 1;

    if (at(rest, 1) == '\'') {
        piece->text = view_of(rest.base, 1);
        return 2;
    }
    while (end < rest.len && rest.base[end] != '\'') {
        end++;
    }
    if (at(rest, end + 1) == '\'') {
        piece->text = view_of(rest.base + 1, end);
        return end + 1;
    }
    piece->text = view_of(rest.base + 1, end - 1);
    return end >= rest.len ? 0 : end + 1;
}

static bool is_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

static size_t next_piece(struct view rest, struct pattern_piece *piece)
{
    size_t end = 1;

    if (rest.base[0] == '\'') {
        return quoted(rest, piece);
    }
    if (!is_letter(rest.base[0])) {
        piece->text = view_of(rest.base, 1);
        return 1;
    }
    while (end < rest.len && rest.base[end] == rest.base[0]) {
        end++;
    }
    piece->letter = (char)rest.base[0];
    piece->count = (uint32_t)end;
    return end;
}

/* Brackets make parts optional: when writing all parts are there. */
static bool is_reserved(struct pattern_piece piece, enum pattern_kind kind, bool reads)
{
    uint8_t mark = piece.letter == 0 && piece.text.len == 1 ? piece.text.base[0] : 0;

    if (kind == PATTERN_SIMPLE) {
        return false;
    }
    return mark == '#' || mark == '{' || mark == '}' || (reads && (mark == '[' || mark == ']'));
}

static void add_piece(struct pattern *pattern, struct pattern_piece piece)
{
    uint8_t mark = piece.letter == 0 && piece.text.len == 1 ? piece.text.base[0] : 0;

    if (pattern->kind == PATTERN_FORMATTER && (mark == '[' || mark == ']')) {
        return;
    }
    pattern->pieces[pattern->piece_count++] = piece;
    pattern->bytes_max += MAX(piece.letter == 0 ? piece.text.len : piece.count, (size_t)20) + NAME_BYTES_MAX;
    if (piece.letter == 's' || piece.letter == 'A') {
        pattern->step = MIN(pattern->step, 1);
    }
    if (piece.letter == 'S' || piece.letter == 'n' || piece.letter == 'A') {
        pattern->step = 0;
    }
}

bool expr__pattern_compile(struct expr_maker *maker, const char *function, struct view text, enum pattern_kind kind,
                           bool reads, struct pattern *out_pattern)
{
    *out_pattern = (struct pattern){.kind = kind, .step = 60};
    for (size_t start = 0; start < text.len;) {
        struct view          rest = view_of(text.base + start, text.len - start);
        struct pattern_piece piece = {.letter = 0};
        size_t               len = next_piece(rest, &piece);

        if (len == 0) {
            return expr__refuse(maker, "%s: a quote in the pattern is not closed", function);
        }
        if (is_reserved(piece, kind, reads) && rest.base[0] != '\'') {
            return expr__refuse(maker, "%s: '%c' in the pattern is not supported", function, rest.base[0]);
        }
        if (piece.letter != 0 && !letter_known(piece, kind, reads)) {
            return refuse_letters(maker, function, view_of(rest.base, len), reads);
        }
        if (out_pattern->piece_count == PATTERN_PIECES_MAX) {
            return expr__refuse(maker, "%s: the pattern has more than %d parts", function, PATTERN_PIECES_MAX);
        }
        add_piece(out_pattern, piece);
        start += len;
    }
    return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static char *put_padded(char *out, int64_t value, uint32_t width)
{
    char   digits[24];
    size_t count = 0;

    if (value < 0) {
        *out++ = '-';
        value = -value;
    }
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

static char *put_name(char *out, const char *name, bool full)
{
    size_t len = full ? strlen(name) : 3;

    memcpy(out, name, len);
    return out + len;
}

/* 'y' is the year of the era, 'u' counts through zero; a year longer than its letters has a sign. */
static char *put_year(char *out, const struct pattern_piece *piece, enum pattern_kind kind, struct vec_civil civil)
{
    int64_t year = piece->letter == 'y' && civil.year <= 0 ? 1 - civil.year : civil.year;

    if (piece->count == 2) {
        return put_padded(out, vec_floor_remainder(year, 100), 2);
    }
    if (kind == PATTERN_FORMATTER && piece->count >= 4 && year > 9999) {
        *out++ = '+';
    }
    return put_padded(out, year, piece->count);
}

static char *put_fraction(char *out, uint32_t count, int32_t nanosecond)
{
    for (int32_t place = 100000000; count > 0 && place > 0; count--, place /= 10) {
        *out++ = (char)('0' + nanosecond / place % 10);
    }
    return out;
}

static int64_t number_of(char letter, struct vec_civil civil)
{
    int64_t ms_of_day =
        ((civil.hour * 60 + civil.minute) * 60 + civil.second) * INT64_C(1000) + civil.nanosecond / 1000000;

    switch (letter) {
    case 'd':
        return civil.day;
    case 'D':
        return vec_days_from_civil(civil.year, civil.month, civil.day) - vec_days_from_civil(civil.year, 1, 1) + 1;
    case 'H':
        return civil.hour;
    case 'h':
        return (civil.hour + 11) % 12 + 1;
    case 'K':
        return civil.hour % 12;
    case 'k':
        return (civil.hour + 23) % 24 + 1;
    case 'm':
        return civil.minute;
    case 's':
        return civil.second;
    case 'n':
        return civil.nanosecond;
    case 'A':
        return ms_of_day;
    case 'S':
        return civil.nanosecond / 1000000;
    default:
        return civil.month;
    }
}

static char *put_piece(char *out, const struct pattern *pattern, const struct pattern_piece *piece,
                       struct vec_civil civil)
{
    int weekday;

    switch (piece->letter) {
    case 0:
        memcpy(out, piece->text.base, piece->text.len);
        return out + piece->text.len;
    case 'y':
        return put_year(out, piece, pattern->kind, civil);
    case 'u':
    case 'E':
        weekday = expr__weekday(vec_days_from_civil(civil.year, civil.month, civil.day));
        if (piece->letter == 'E') {
            return put_name(out, expr__day_names[weekday], piece->count >= 4);
        }
        return pattern->kind == PATTERN_SIMPLE ? put_padded(out, weekday + 1, piece->count)
                                               : put_year(out, piece, pattern->kind, civil);
    case 'M':
        if (piece->count >= 3) {
            return put_name(out, expr__month_names[civil.month - 1], piece->count >= 4);
        }
        break;
    case 'S':
        if (pattern->kind == PATTERN_FORMATTER) {
            return put_fraction(out, piece->count, civil.nanosecond);
        }
        break;
    case 'a':
        memcpy(out, civil.hour < 12 ? "AM" : "PM", 2);
        return out + 2;
    case 'G':
        memcpy(out, civil.year > 0 ? "AD" : "BC", 2);
        return out + 2;
    case 'Q':
        if (piece->count == 3) {
            *out++ = 'Q';
        }
        return put_padded(out, (civil.month + 2) / 3, piece->count == 3 ? 1 : piece->count);
    default:
        break;
    }
    return put_padded(out, number_of(piece->letter, civil), piece->count);
}

size_t expr__pattern_print(const struct pattern *pattern, struct vec_civil civil, char *out)
{
    char *end = out;

    for (size_t i = 0; i < pattern->piece_count; i++) {
        end = put_piece(end, pattern, &pattern->pieces[i], civil);
    }
    CHECK((size_t)(end - out) <= pattern->bytes_max);
    return (size_t)(end - out);
}
