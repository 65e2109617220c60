/* cli_value.c: texts people type, as values: numbers, sizes, times, ranges, escapes. Pure but for the time zone. */
#include "tools/cli/cli_args.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define DECIMAL 10

bool cli_parse_number(const char *text, int64_t min, int64_t max, int64_t *out_value)
{
    char     *end = NULL;
    long long value;

    if (text[0] == '\0' || isspace((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    value = strtoll(text, &end, DECIMAL);
    if (errno != 0 || *end != '\0' || value < min || value > max) {
        return false;
    }
    *out_value = value;
    return true;
}

/* A non-negative decimal number and where it ends; false when there is none. */
static bool cli_parse_decimal(const char *text, double *out_value, const char **out_end)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0]) && text[0] != '.') {
        return false; /* strtod also takes signs, blanks, "inf" and hexadecimal */
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return false;
    }
    *out_value = strtod(text, &end);
    *out_end = end;
    return end != text;
}

static bool cli_scaled(double value, double unit, int64_t *out_value)
{
    double scaled = value * unit;

    if (!(scaled >= 0 && scaled < 9.2e18)) {
        return false;
    }
    *out_value = (int64_t)(scaled + 0.5);
    return true;
}

bool cli_parse_duration(const char *text, int64_t bare_unit_ms, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        int64_t     ms;
    } units[] = {{"ms", 1},         {"s", 1000},        {"sec", 1000},      {"m", 60000},
                 {"min", 60000},    {"h", 3600 * 1000}, {"d", 86400000},    {"w", 604800000},
                 {"day", 86400000}, {"days", 86400000}, {"hours", 3600000}, {"hour", 3600000}};
    const char *end = NULL;
    double      value = 0;

    if (!cli_parse_decimal(text, &value, &end)) {
        return false;
    }
    if (*end == '\0') {
        return cli_scaled(value, (double)bare_unit_ms, out_ms);
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            return cli_scaled(value, (double)units[i].ms, out_ms);
        }
    }
    return false;
}

bool cli_parse_size(const char *text, int64_t *out_bytes)
{
    static const char letters[] = "KMGTP";
    const char       *end = NULL;
    const char       *letter;
    double            value = 0;
    double            unit = 1;

    if (!cli_parse_decimal(text, &value, &end)) {
        return false;
    }
    letter = *end == '\0' ? NULL : strchr(letters, toupper((unsigned char)*end));
    if (letter != NULL) {
        for (const char *at = letters; at <= letter; at++) {
            unit *= (double)KIB;
        }
        end++;
        if (*end == 'i') {
            end++;
        }
    }
    if (*end == 'B' || *end == 'b') {
        end++;
    }
    return *end == '\0' && cli_scaled(value, unit, out_bytes);
}

/* --- points in time ---------------------------------------------------------------------------------------------- */

/* ".125" behind the seconds, as ms. */
static int64_t cli_parse_fraction(const char **at)
{
    int64_t ms = 0;
    int64_t unit = 100;

    if (**at != '.' && **at != ',') {
        return 0;
    }
    for ((*at)++; isdigit((unsigned char)**at); (*at)++) {
        ms += (**at - '0') * unit;
        unit /= DECIMAL;
    }
    return ms;
}

/* "Z", "+02:00", "-0330" or nothing; *out_local says nothing. */
static bool cli_parse_zone(const char *at, int *out_offset_s, bool *out_local)
{
    int hours = 0, minutes = 0, used = 0;
    int sign = *at == '-' ? -1 : 1;

    *out_offset_s = 0;
    *out_local = *at == '\0';
    if (*at == '\0' || strcmp(at, "Z") == 0 || strcmp(at, "z") == 0) {
        return true;
    }
    if (*at != '+' && *at != '-') {
        return false;
    }
    if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) < 2 &&
        sscanf(at + 1, "%2d%2d%n", &hours, &minutes, &used) < 2 && sscanf(at + 1, "%2d%n", &hours, &used) < 1) {
        return false;
    }
    *out_offset_s = sign * (hours * 3600 + minutes * 60);
    return at[1 + used] == '\0';
}

static bool cli_parse_calendar(const char *text, int64_t *out_ms)
{
    struct tm   parts = {.tm_isdst = -1};
    const char *at;
    int         used = 0, offset_s = 0;
    bool        local = true;
    int64_t     fraction_ms = 0;
    time_t      seconds;

    if (sscanf(text, "%4d-%2d-%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &used) < 3 || used < 8) {
        return false;
    }
    at = text + used;
    if (*at == 'T' || *at == ' ' || *at == 't') {
        used = 0;
        if (sscanf(at + 1, "%2d:%2d%n", &parts.tm_hour, &parts.tm_min, &used) < 2 || used == 0) {
            return false;
        }
        at += 1 + used;
        used = 0;
        if (*at == ':' && (sscanf(at + 1, "%2d%n", &parts.tm_sec, &used) < 1 || used == 0)) {
            return false;
        }
        at += used > 0 ? 1 + used : 0;
        fraction_ms = cli_parse_fraction(&at);
    }
    if (!cli_parse_zone(at, &offset_s, &local) || parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 ||
        parts.tm_mday > 31 || parts.tm_hour > 24 || parts.tm_min > 59 || parts.tm_sec > 60) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    seconds = local ? mktime(&parts) : timegm(&parts) - offset_s;
    *out_ms = (int64_t)seconds * MS_PER_S + fraction_ms;
    return true;
}

bool cli_parse_time(const char *text, int64_t now_ms, int64_t *out_ms)
{
    int64_t value = 0;

    if (strcmp(text, "now") == 0) {
        *out_ms = now_ms;
        return true;
    }
    if (text[0] == '-' && cli_parse_duration(text + 1, MS_PER_S, &value)) {
        *out_ms = MAX(now_ms - value, 0);
        return true;
    }
    if (cli_parse_number(text, 0, INT64_MAX / MS_PER_S, &value)) {
        /* Seconds stay below this until the year 5138; as milliseconds it is March 1973, before any Kafka. */
        *out_ms = value < INT64_C(100000000000) ? value * MS_PER_S : value;
        return true;
    }
    return cli_parse_calendar(text, out_ms);
}

/* --- ranges, settings, escapes ----------------------------------------------------------------------------------- */

bool cli_parse_ranges(const char *text, int64_t max, void (*each)(void *context, int64_t value), void *context)
{
    const char *at = text;

    for (;;) {
        char     *end = NULL;
        long long from, to;

        if (!isdigit((unsigned char)*at)) {
            return false;
        }
        errno = 0;
        from = to = strtoll(at, &end, DECIMAL);
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1])) {
                return false;
            }
            to = strtoll(end + 1, &end, DECIMAL);
        }
        if (errno != 0 || from > to || to > max) {
            return false;
        }
        for (long long value = from; value <= to; value++) {
            each(context, value);
        }
        if (*end == '\0') {
            return true;
        }
        if (*end != ',') {
            return false;
        }
        at = end + 1;
    }
}

static bool cli_ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

const char *cli_setting_value(struct cli *cli, const char *name, const char *value)
{
    int64_t number = 0;

    if (cli_parse_number(value, INT64_MIN, INT64_MAX, &number)) {
        return value;
    }
    if ((cli_ends_with(name, ".ms") && cli_parse_duration(value, 1, &number)) ||
        (cli_ends_with(name, ".bytes") && cli_parse_size(value, &number))) {
        return cli_format(cli, "%lld", (long long)number);
    }
    return value;
}

static int cli_hex(char digit)
{
    if (isdigit((unsigned char)digit)) {
        return digit - '0';
    }
    return isxdigit((unsigned char)digit) ? tolower((unsigned char)digit) - 'a' + DECIMAL : -1;
}

bool cli_unescape(char *text, size_t *out_len)
{
    static const char names[] = "ntr0\\abfv";
    static const char bytes[] = "\n\t\r\0\\\a\b\f\v";
    char             *to = text;

    for (const char *at = text; *at != '\0'; at++) {
        const char *name;

        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        name = *at == '\0' ? NULL : strchr(names, *at);
        if (name != NULL) {
            *to++ = bytes[name - names];
        } else if (*at == 'x' && cli_hex(at[1]) >= 0 && cli_hex(at[2]) >= 0) {
            *to++ = (char)(cli_hex(at[1]) * 16 + cli_hex(at[2]));
            at += 2;
        } else {
            return false;
        }
    }
    *to = '\0';
    *out_len = (size_t)(to - text);
    return true;
}
