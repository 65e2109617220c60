/* The options of table formats, under Flink's names and with its defaults. */
#include "compute/format/format_internal.h"

#include <stdio.h>

#define NAME_BYTES 64

bool format_options_init(struct format_options *options, struct view format_name, char *out_message)
{
    static const char *const names[] = {[FORMAT_JSON] = "json", [FORMAT_CSV] = "csv", [FORMAT_RAW] = "raw"};
    char                     piece[FORMAT_PIECE_BYTES];

    *options =
        (struct format_options){.field_delimiter = ',', .quote = '"', .array_delimiter = ';', .big_endian = true};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (view_equal(format_name, view_text(names[i]))) {
            options->kind = (enum format_kind)i;
            return true;
        }
    }
    (void)snprintf(out_message, FORMAT_MESSAGE_BYTES, "there is no format '%s'; there are json, csv and raw",
                   format__piece(format_name, piece));
    return false;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

enum value_kind {
    VALUE_BOOL,
    VALUE_MARK,      /* one character */
    VALUE_MARK_JAVA, /* one character, escapes as in Java's source */
    VALUE_TEXT,
    VALUE_STANDARD, /* SQL or ISO-8601 */
    VALUE_ENDIAN,
    VALUE_UTF8,
    VALUE_ONLY_TRUE, /* known, but only as it is by default */
    VALUE_MAP,       /* concerns MAP, which no table can have here */
    VALUE_NO_QUOTE,
};

struct option {
    enum format_kind format;
    const char      *key;
    enum value_kind  kind;
    size_t           offset; /* in struct format_options */
};

#define AT(member) offsetof(struct format_options, member)

static const struct option known[] = {
    {FORMAT_JSON, "fail-on-missing-field", VALUE_BOOL, AT(fail_on_missing_field)},
    {FORMAT_JSON, "ignore-parse-errors", VALUE_BOOL, AT(ignore_parse_errors)},
    {FORMAT_JSON, "timestamp-format.standard", VALUE_STANDARD, AT(iso_8601)},
    {FORMAT_JSON, "map-null-key.mode", VALUE_MAP, 0},
    {FORMAT_JSON, "map-null-key.literal", VALUE_MAP, 0},
    {FORMAT_JSON, "encode.decimal-as-plain-number", VALUE_BOOL, AT(decimal_as_plain)},
    {FORMAT_JSON, "encode.ignore-null-fields", VALUE_BOOL, AT(ignore_null_fields)},
    {FORMAT_JSON, "decode.json-parser.enabled", VALUE_ONLY_TRUE, 0},
    {FORMAT_CSV, "field-delimiter", VALUE_MARK_JAVA, AT(field_delimiter)},
    {FORMAT_CSV, "disable-quote-character", VALUE_NO_QUOTE, AT(quote)},
    {FORMAT_CSV, "quote-character", VALUE_MARK, AT(quote)},
    {FORMAT_CSV, "allow-comments", VALUE_BOOL, AT(allow_comments)},
    {FORMAT_CSV, "ignore-parse-errors", VALUE_BOOL, AT(ignore_parse_errors)},
    {FORMAT_CSV, "array-element-delimiter", VALUE_MARK, AT(array_delimiter)},
    {FORMAT_CSV, "escape-character", VALUE_MARK, AT(escape)},
    {FORMAT_CSV, "null-literal", VALUE_TEXT, AT(null_literal)},
    {FORMAT_CSV, "write-bigdecimal-in-scientific-notation", VALUE_BOOL, AT(scientific)},
    {FORMAT_RAW, "charset", VALUE_UTF8, 0},
    {FORMAT_RAW, "endianness", VALUE_ENDIAN, AT(big_endian)},
};

static bool is_word(struct view value, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i < len && i < value.len; i++) {
        uint8_t byte = value.base[i];

        byte = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
        if (byte != (uint8_t)word[i]) {
            return false;
        }
    }
    return value.len == len;
}

static bool say(char *out_message, const struct option *option, const char *what)
{
    (void)snprintf(out_message, FORMAT_MESSAGE_BYTES, "'%s' must be %s", option->key, what);
    return false;
}

/* "\t", "\u0001" and the like, or the character itself. */
static bool java_mark(struct view value, char *out_mark)
{
    static const char marks[] = "tnrbf\\\"'";
    static const char meant[] = "\t\n\r\b\f\\\"'";
    const char       *mark;
    unsigned          code = 0;

    if (value.len == 1) {
        *out_mark = (char)value.base[0];
        return value.base[0] < 0x80;
    }
    if (value.len == 2 && value.base[0] == '\\' && value.base[1] != '\0') {
        mark = strchr(marks, value.base[1]);
        *out_mark = mark == NULL ? '\0' : meant[mark - marks];
        return mark != NULL;
    }
    if (value.len != 6 || value.base[0] != '\\' || value.base[1] != 'u') {
        return false;
    }
    for (size_t i = 2; i < 6; i++) {
        uint8_t byte = value.base[i];
        bool    is_digit = byte >= '0' && byte <= '9';

        byte |= 0x20;
        if (!is_digit && (byte < 'a' || byte > 'f')) {
            return false;
        }
        code = code << 4 | (is_digit ? byte & 15U : (unsigned)(byte - 'a') + 10);
    }
    *out_mark = (char)code;
    return code < 0x80;
}

static bool set_bool(const struct option *option, struct view value, bool *out, char *out_message)
{
    bool is_true = is_word(value, "true");

    if (!is_true && !is_word(value, "false")) {
        return say(out_message, option, "true or false");
    }
    *out = is_true;
    return true;
}

static bool set_mark(const struct option *option, struct view value, char *out, char *out_message)
{
    if (option->kind == VALUE_MARK_JAVA ? !java_mark(value, out) : value.len != 1 || value.base[0] >= 0x80) {
        return say(out_message, option, "a single ASCII character");
    }
    if (option->kind == VALUE_MARK) {
        *out = (char)value.base[0];
    }
    return true;
}

static bool set_word(const struct option *option, struct view value, bool *out, const char *when_true,
                     const char *when_false, char *out_message)
{
    char what[NAME_BYTES];

    *out = is_word(value, when_true);
    if (*out || is_word(value, when_false)) {
        return true;
    }
    (void)snprintf(what, sizeof(what), "%s or %s", when_true, when_false);
    return say(out_message, option, what);
}

static bool set(struct format_options *options, const struct option *option, struct view value, char *out_message)
{
    void *out = (char *)options + option->offset;
    bool  is_true = false;

    switch (option->kind) {
    case VALUE_BOOL:
        return set_bool(option, value, out, out_message);
    case VALUE_MARK:
    case VALUE_MARK_JAVA:
        return set_mark(option, value, out, out_message);
    case VALUE_TEXT:
        options->null_literal = value;
        options->has_null_literal = true;
        return true;
    case VALUE_STANDARD:
        return set_word(option, value, out, "iso-8601", "sql", out_message);
    case VALUE_ENDIAN:
        return set_word(option, value, out, "big-endian", "little-endian", out_message);
    case VALUE_UTF8:
        return is_word(value, "utf-8") || is_word(value, "utf8") || say(out_message, option, "UTF-8 here");
    case VALUE_ONLY_TRUE:
        return is_word(value, "true") || say(out_message, option,
                                             "true here: the other decoder of Flink gives other "
                                             "answers for odd records");
    case VALUE_NO_QUOTE:
        if (!set_bool(&(struct option){.key = option->key, .kind = VALUE_BOOL}, value, &is_true, out_message)) {
            return false;
        }
        options->quote = is_true ? '\0' : options->quote;
        return true;
    default:
        return true;
    }
}

bool format_options_set(struct format_options *options, struct view key, struct view value, char *out_message)
{
    char   piece[FORMAT_PIECE_BYTES];
    size_t used;

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (known[i].format == options->kind && view_equal(key, view_text(known[i].key))) {
            if (!set(options, &known[i], value, out_message)) {
                return false;
            }
            if (options->kind == FORMAT_JSON && options->fail_on_missing_field && options->ignore_parse_errors) {
                (void)snprintf(out_message, FORMAT_MESSAGE_BYTES,
                               "fail-on-missing-field and ignore-parse-errors shouldn't both be true");
                return false;
            }
            return true;
        }
    }
    used = (size_t)snprintf(out_message, FORMAT_MESSAGE_BYTES, "the format has no option '%s'; it has",
                            format__piece(key, piece));
    for (size_t i = 0; i < COUNT_OF(known) && used < FORMAT_MESSAGE_BYTES; i++) {
        if (known[i].format == options->kind) {
            used += (size_t)snprintf(out_message + used, FORMAT_MESSAGE_BYTES - used, " %s", known[i].key);
        }
    }
    return false;
}

/* --- schemas ------------------------------------------------------------------------------------------------------ */

static bool refuse(char *out_message, const struct vec_field *field, const char *why)
{
    char type[96];
    char piece[FORMAT_PIECE_BYTES];

    (void)vec_type_format(field->type, type, sizeof(type));
    (void)snprintf(out_message, FORMAT_MESSAGE_BYTES, "column %s: %s %s", format__piece(field->name, piece), type, why);
    return false;
}

static bool is_nested(enum vec_kind kind)
{
    return kind == VEC_ROW || kind == VEC_ARRAY;
}

static bool is_interval(enum vec_kind kind)
{
    return kind == VEC_INTERVAL_MONTH || kind == VEC_INTERVAL_DAY;
}

/* Simple values, and one level of ROW or ARRAY of simple values. */
static bool check_csv(const struct vec_field *field, char *out_message)
{
    if (is_interval(field->type.kind)) {
        return refuse(out_message, field, "cannot be written as CSV");
    }
    for (uint32_t i = 0; i < field->type.child_count; i++) {
        if (is_nested(field->type.children[i].type.kind) || is_interval(field->type.children[i].type.kind)) {
            return refuse(out_message, field, "is nested deeper than CSV can hold");
        }
    }
    return true;
}

static bool check_raw(const struct vec_field *columns, uint32_t column_count, char *out_message)
{
    if (column_count != 1) {
        (void)snprintf(out_message, FORMAT_MESSAGE_BYTES,
                       "the 'raw' format only supports a single physical column; the table has %u", column_count);
        return false;
    }
    switch (columns[0].type.kind) {
    case VEC_BOOLEAN:
    case VEC_TINYINT:
    case VEC_SMALLINT:
    case VEC_INT:
    case VEC_BIGINT:
    case VEC_FLOAT:
    case VEC_DOUBLE:
    case VEC_CHAR:
    case VEC_VARCHAR:
    case VEC_BINARY:
    case VEC_VARBINARY:
        return true;
    default:
        return refuse(out_message, &columns[0], "cannot be the value of the 'raw' format");
    }
}

bool format_check_schema(const struct format_options *options, const struct vec_field *columns, uint32_t column_count,
                         char *out_message)
{
    if (options->kind == FORMAT_RAW) {
        return check_raw(columns, column_count, out_message);
    }
    for (uint32_t i = 0; options->kind == FORMAT_CSV && i < column_count; i++) {
        if (!check_csv(&columns[i], out_message)) {
            return false;
        }
    }
    return true;
}
