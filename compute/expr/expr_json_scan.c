/* JSON: the scanner and the paths. */
#include "compute/expr/expr_json_scan.h"

#include <stdio.h>

#define NUMBER_BYTES_MAX 1000

struct scanner {
    struct view text;
    size_t      at;
    uint32_t    nesting;
};

/* What a value is to the path: at a step of it, or beside it. */
struct aim {
    const struct json_path *path; /* NULL: beside it */
    uint32_t                step;
};

static bool scan_value(struct scanner *scanner, struct aim aim, struct json_value *out);

static uint8_t peek(const struct scanner *scanner)
{
    return scanner->at < scanner->text.len ? scanner->text.base[scanner->at] : 0;
}

static bool take(struct scanner *scanner, uint8_t wanted)
{
    if (peek(scanner) != wanted) {
        return false;
    }
    scanner->at++;
    return true;
}

static void blanks(struct scanner *scanner)
{
    uint8_t byte = peek(scanner);

    while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
        scanner->at++;
        byte = peek(scanner);
    }
}

static int hex_value(uint8_t byte)
{
    return byte >= '0' && byte <= '9'                     ? byte - '0'
           : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f' ? (byte | 0x20) - 'a' + 10
                                                          : -1;
}

/* Behind the first quote; gives what stands up to the second. */
static bool scan_string(struct scanner *scanner, struct view *out)
{
    size_t start = scanner->at;

    while (scanner->at < scanner->text.len) {
        uint8_t byte = scanner->text.base[scanner->at++];

        if (byte == '"') {
            *out = view_of(scanner->text.base + start, scanner->at - 1 - start);
            return true;
        }
        if (byte < ' ') {
            return false;
        }
        if (byte == '\\') {
            uint8_t escape = peek(scanner);

            if (escape == 0 || strchr("\"\\/bfnrtu", escape) == NULL) {
                return false;
            }
            scanner->at++;
            for (int i = 0; escape == 'u' && i < 4; i++) {
                if (hex_value(peek(scanner)) < 0) {
                    return false;
                }
                scanner->at++;
            }
        }
    }
    return false;
}

static bool digits(struct scanner *scanner)
{
    size_t start = scanner->at;

    while (peek(scanner) >= '0' && peek(scanner) <= '9') {
        scanner->at++;
    }
    return scanner->at > start;
}

static bool scan_number(struct scanner *scanner)
{
    (void)take(scanner, '-');
    if (!take(scanner, '0') && !digits(scanner)) {
        return false;
    }
    if (take(scanner, '.') && !digits(scanner)) {
        return false;
    }
    if (take(scanner, 'e') || take(scanner, 'E')) {
        if (!take(scanner, '+')) {
            (void)take(scanner, '-');
        }
        if (!digits(scanner)) {
            return false;
        }
    }
    return true;
}

/* What may stand behind a number or a word. */
static bool ends_here(const struct scanner *scanner)
{
    uint8_t byte = peek(scanner);

    return scanner->at == scanner->text.len || byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t' ||
           byte == ',' || byte == ']' || byte == '}';
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    size_t len = strlen(word);

    if (scanner->text.len - scanner->at < len || memcmp(scanner->text.base + scanner->at, word, len) != 0) {
        return false;
    }
    scanner->at += len;
    return ends_here(scanner);
}

/* The character at a place of an escaped text, and its bytes there. A lone half of a pair is '?'. */
static uint32_t unescaped(struct view text, size_t at, size_t *out_bytes)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char       *found;
    uint32_t          code = 0;

    if (text.base[at] != '\\') {
        return expr__decode(text, at, out_bytes);
    }
    *out_bytes = 2;
    if (text.base[at + 1] != 'u') {
        found = strchr(from, text.base[at + 1]);
        return found == NULL ? text.base[at + 1] : (uint8_t)to[found - from];
    }
    for (size_t i = 0; i < 4; i++) {
        code = code << 4 | (uint32_t)hex_value(text.base[at + 2 + i]);
    }
    *out_bytes = 6;
    if (code >= 0xd800 && code < 0xdc00 && at + 12 <= text.len && text.base[at + 6] == '\\' &&
        text.base[at + 7] == 'u') {
        size_t   bytes;
        uint32_t low = 0;

        for (size_t i = 0; i < 4; i++) {
            low = low << 4 | (uint32_t)hex_value(text.base[at + 8 + i]);
        }
        bytes = low >= 0xdc00 && low < 0xe000 ? 12 : 6;
        *out_bytes = bytes;
        return bytes == 12 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : '?';
    }
    return code >= 0xd800 && code < 0xe000 ? '?' : code;
}

static bool equal_unescaped(struct view escaped, struct view name)
{
    size_t bytes;
    size_t place = 0;

    if (memchr(escaped.base, '\\', escaped.len) == NULL) {
        return view_equal(escaped, name);
    }
    for (size_t at = 0; at < escaped.len; at += bytes) {
        char   encoded[4];
        size_t len = expr__encode(unescaped(escaped, at, &bytes), encoded);

        if (name.len - place < len || memcmp(name.base + place, encoded, len) != 0) {
            return false;
        }
        place += len;
    }
    return place == name.len;
}

/* The member of the name, or the item of the index, leads on; of equal names the last one counts. */
static struct aim next_aim(struct aim aim, bool in_object, struct view name, uint64_t index)
{
    const struct json_step *step;

    if (aim.path == NULL || aim.step == aim.path->step_count) {
        return (struct aim){.path = NULL};
    }
    step = &aim.path->steps[aim.step];
    if (step->is_index == in_object || (in_object ? !equal_unescaped(name, step->name) : step->index != index)) {
        return (struct aim){.path = NULL};
    }
    return (struct aim){.path = aim.path, .step = aim.step + 1};
}

static bool scan_object(struct scanner *scanner, struct aim aim, struct json_value *out)
{
    blanks(scanner);
    if (take(scanner, '}')) {
        return true;
    }
    for (;;) {
        struct view       name;
        struct json_value inner = {.kind = JSON_ABSENT};
        struct aim        next;

        blanks(scanner);
        if (!take(scanner, '"') || !scan_string(scanner, &name)) {
            return false;
        }
        blanks(scanner);
        if (!take(scanner, ':')) {
            return false;
        }
        next = next_aim(aim, true, name, 0);
        if (!scan_value(scanner, next, &inner)) {
            return false;
        }
        if (next.path != NULL) {
            *out = inner;
        }
        blanks(scanner);
        if (take(scanner, '}')) {
            return true;
        }
        if (!take(scanner, ',')) {
            return false;
        }
    }
}

static bool scan_array(struct scanner *scanner, struct aim aim, struct json_value *out)
{
    blanks(scanner);
    if (take(scanner, ']')) {
        return true;
    }
    for (uint64_t index = 0;; index++) {
        if (!scan_value(scanner, next_aim(aim, false, view_of("", 0), index), out)) {
            return false;
        }
        blanks(scanner);
        if (take(scanner, ']')) {
            return true;
        }
        if (!take(scanner, ',')) {
            return false;
        }
    }
}

static bool scan_scalar(struct scanner *scanner, enum json_kind *out_kind, struct view *out_string)
{
    switch (peek(scanner)) {
    case '"':
        *out_kind = JSON_STRING;
        scanner->at++;
        return scan_string(scanner, out_string);
    case 't':
        *out_kind = JSON_TRUE;
        return scan_word(scanner, "true");
    case 'f':
        *out_kind = JSON_FALSE;
        return scan_word(scanner, "false");
    case 'n':
        *out_kind = JSON_NULL;
        return scan_word(scanner, "null");
    default:
        *out_kind = JSON_NUMBER;
        return scan_number(scanner) && ends_here(scanner);
    }
}

/* Leaves what the aim found in *out. */
static bool scan_value(struct scanner *scanner, struct aim aim, struct json_value *out)
{
    enum json_kind kind = JSON_ABSENT;
    struct view    string = {0};
    size_t         start;
    bool           ok;

    blanks(scanner);
    start = scanner->at;
    if (peek(scanner) == '{' || peek(scanner) == '[') {
        kind = peek(scanner) == '{' ? JSON_OBJECT : JSON_ARRAY;
        if (scanner->nesting++ == JSON_NESTING_MAX) {
            return false;
        }
        scanner->at++;
        ok = kind == JSON_OBJECT ? scan_object(scanner, aim, out) : scan_array(scanner, aim, out);
        scanner->nesting--;
    } else {
        ok = scan_scalar(scanner, &kind, &string);
    }
    if (ok && aim.path != NULL && aim.step == aim.path->step_count) {
        *out = (struct json_value){
            .kind = kind,
            .text = kind == JSON_STRING ? string : view_of(scanner->text.base + start, scanner->at - start),
        };
    }
    return ok;
}

bool expr__json_find(const struct json_path *path, struct view text, struct json_value *out_value)
{
    struct scanner scanner = {.text = text};

    *out_value = (struct json_value){.kind = JSON_ABSENT};
    return scan_value(&scanner, (struct aim){.path = path}, out_value);
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

static bool refuse_path(struct expr_maker *maker, const char *function, struct view text)
{
    return expr__refuse(maker,
                        "%s: the path '%.*s' is not supported; names and numbers are, as in '$.a.b[0]' or '$[''c d'']'",
                        function, (int)MIN(text.len, (size_t)80), (const char *)text.base);
}

static bool take_name(struct view text, size_t *at, struct json_step *step)
{
    size_t start = *at;

    while (*at < text.len) {
        uint8_t byte = text.base[*at];

        if (byte < 0x80 && byte != '_' && byte != '-' && (byte < '0' || byte > '9') &&
            (uint8_t)((byte | 0x20) - 'a') >= 26) {
            break;
        }
        (*at)++;
    }
    step->name = view_of(text.base + start, *at - start);
    return *at > start;
}

/* [0] or ['name'], behind the bracket */
static bool take_bracket(struct view text, size_t *at, struct json_step *step)
{
    if (*at < text.len && text.base[*at] == '\'') {
        size_t start = ++*at;

        while (*at < text.len && text.base[*at] != '\'' && text.base[*at] != '\\') {
            (*at)++;
        }
        step->name = view_of(text.base + start, *at - start);
        if (*at >= text.len || text.base[(*at)++] != '\'') {
            return false;
        }
    } else {
        size_t start = *at;

        step->is_index = true;
        for (; *at < text.len && text.base[*at] >= '0' && text.base[*at] <= '9' && *at - start < 9; (*at)++) {
            step->index = step->index * 10 + (uint64_t)(text.base[*at] - '0');
        }
        if (*at == start) {
            return false;
        }
    }
    return *at < text.len && text.base[(*at)++] == ']';
}

static bool take_word(struct view text, size_t *at, const char *word)
{
    size_t len = strlen(word);

    if (text.len < len || memcmp(text.base, word, len) != 0) {
        return false;
    }
    *at = len;
    return true;
}

bool expr__json_path(struct expr_maker *maker, const char *function, struct view text, struct json_path *out_path)
{
    size_t at = 0;

    *out_path = (struct json_path){.strict = take_word(text, &at, "strict ")};
    if (!out_path->strict) {
        (void)take_word(text, &at, "lax ");
    }
    if (at >= text.len || text.base[at++] != '$') {
        return refuse_path(maker, function, text);
    }
    while (at < text.len) {
        struct json_step step = {.is_index = false};
        uint8_t          mark = text.base[at++];
        bool             ok = mark == '.' ? take_name(text, &at, &step) : mark == '[' && take_bracket(text, &at, &step);

        if (!ok || out_path->step_count == JSON_STEPS_MAX) {
            return refuse_path(maker, function, text);
        }
        out_path->steps[out_path->step_count++] = step;
    }
    return true;
}

/* --- values as texts ---------------------------------------------------------------------------------------------- */

static void build_string(struct expr_builder *builder, struct view text)
{
    size_t bytes;

    if (memchr(text.base, '\\', text.len) == NULL) {
        expr__build(builder, text.base, text.len);
        return;
    }
    for (size_t at = 0; at < text.len; at += bytes) {
        char   encoded[4];
        size_t len = expr__encode(unescaped(text, at, &bytes), encoded);

        expr__build(builder, encoded, len);
    }
}

/* Digits without leading zeros, and the power of ten of the last one. */
struct figures {
    char    digits[NUMBER_BYTES_MAX];
    size_t  count;
    int64_t scale; /* of the last digit: value = digits / 10^scale */
    bool    negative;
};

static void read_figures(struct view text, struct figures *figures)
{
    bool    point = false;
    int64_t exponent = 0;
    bool    minus = false;

    *figures = (struct figures){.negative = text.base[0] == '-'};
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.base[i];

        if ((byte | 0x20) == 'e') {
            for (i++; i < text.len; i++) {
                minus = minus || text.base[i] == '-';
                if (text.base[i] >= '0' && text.base[i] <= '9') {
                    exponent = MIN(exponent * 10 + (text.base[i] - '0'), (int64_t)1000000000);
                }
            }
        } else if (byte == '.') {
            point = true;
        } else if (byte >= '0' && byte <= '9') {
            if (figures->count > 0 || byte != '0') {
                figures->digits[figures->count++] = (char)byte;
            }
            figures->scale += point;
        }
    }
    figures->scale -= minus ? -exponent : exponent;
    if (figures->count == 0) {
        figures->digits[figures->count++] = '0';
        figures->negative = false;
    }
}

/* Whole numbers are written as they are, but for "-0". */
static bool is_whole(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] == '.' || (text.base[i] | 0x20) == 'e') {
            return false;
        }
    }
    return !view_equal(text, view_text("-0"));
}

/* BigDecimal.toString(): plain where the exponent is small, else with one. */
static void build_number(struct expr_builder *builder, struct view text)
{
    struct figures figures;
    int64_t        adjusted;
    char           exponent[32];

    if (text.len > NUMBER_BYTES_MAX || is_whole(text)) {
        expr__build(builder, text.base, text.len);
        return;
    }
    read_figures(text, &figures);
    adjusted = (int64_t)figures.count - 1 - figures.scale;
    expr__build(builder, "-", figures.negative);
    if (figures.scale >= 0 && adjusted >= -6) {
        int64_t whole = (int64_t)figures.count - figures.scale; /* digits before the point */

        expr__build(builder, "0", whole <= 0);
        for (int64_t i = MIN(whole, INT64_C(0)); i < (int64_t)figures.count; i++) {
            expr__build(builder, ".", i == whole);
            expr__build(builder, i < 0 ? "0" : &figures.digits[i], 1);
        }
        return;
    }
    expr__build(builder, figures.digits, 1);
    expr__build(builder, ".", figures.count > 1);
    expr__build(builder, figures.digits + 1, figures.count - 1);
    expr__build(builder, exponent, (size_t)snprintf(exponent, sizeof(exponent), "E%+" PRId64, adjusted));
}

void expr__json_build(struct expr_builder *builder, struct json_value value)
{
    if (value.kind == JSON_STRING) {
        build_string(builder, value.text);
    } else if (value.kind == JSON_NUMBER) {
        build_number(builder, value.text);
    } else {
        expr__build(builder, value.text.base, value.text.len);
    }
}
