/* cli_template.c: templates become a list of pieces, printed in order. */
#include "tools/cli/cli_template.h"

#include "core/base/bytes.h"
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_out.h"

enum piece_code { PIECE_PLAIN, PIECE_HEX, PIECE_BASE64, PIECE_JSON };

struct piece {
    char            verb; /* 0: literal */
    enum piece_code code;
    struct view     literal;
};

struct cli_template {
    struct piece *pieces;
    size_t        count;
    struct view   null_text;
};

/* "{hex}" behind a verb; *at moves past it. False: no such encoding. */
static bool template_code(const char **at, enum piece_code *out_code)
{
    static const struct {
        const char     *word;
        enum piece_code code;
    } words[] = {{"{hex}", PIECE_HEX}, {"{base64}", PIECE_BASE64}, {"{json}", PIECE_JSON}};

    *out_code = PIECE_PLAIN;
    if (**at != '{') {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strncmp(*at, words[i].word, strlen(words[i].word)) == 0) {
            *at += strlen(words[i].word);
            *out_code = words[i].code;
            return true;
        }
    }
    return false;
}

static bool template_literal(struct cli *cli, const char *from, size_t len, struct cli_template *template_)
{
    char  *text = cli_text_copy(cli, view_of(from, len));
    size_t used = 0;

    if (len == 0) {
        return true;
    }
    if (!cli_unescape(text, &used)) {
        return false;
    }
    template_->pieces[template_->count++] = (struct piece){.literal = view_of(text, used)};
    return true;
}

struct cli_template *cli_template_parse(struct cli *cli, const char *text, const char *null_text, const char **out_why)
{
    struct cli_template *out = cli_alloc(cli, sizeof(*out));
    const char          *begin = text;

    out->pieces = cli_alloc_array(cli, 2 * strlen(text) + 1, sizeof(*out->pieces));
    out->null_text = null_text == NULL ? view_text("") : view_text(null_text);
    while (true) {
        const char  *percent = strchr(begin, '%');
        size_t       len = percent == NULL ? strlen(begin) : (size_t)(percent - begin);
        struct piece piece = {0};

        if (!template_literal(cli, begin, len, out)) {
            *out_why = "a backslash stands before one of n t r 0 \\ a b f v or xHH";
            return NULL;
        }
        if (percent == NULL) {
            return out;
        }
        piece.verb = percent[1];
        if (piece.verb == '\0' || strchr("svkSVKRtpoTdh%", piece.verb) == NULL) {
            *out_why = "a % stands before one of s v k S V K R t p o T d h %";
            return NULL;
        }
        begin = percent + 2;
        if (strchr("svk", piece.verb) != NULL && !template_code(&begin, &piece.code)) {
            *out_why = "behind a verb stands {hex}, {base64} or {json}";
            return NULL;
        }
        out->pieces[out->count++] = piece;
    }
}

/* --- printing ---------------------------------------------------------------------------------------------------- */

static void print_view(struct view text, FILE *to)
{
    if (text.len > 0) {
        (void)fwrite(text.base, 1, text.len, to);
    }
}

static void print_hex(struct view bytes, FILE *to)
{
    for (size_t i = 0; i < bytes.len; i++) {
        (void)fprintf(to, "%02x", bytes.base[i]);
    }
}

static void print_bytes(const struct cli_template *template_, enum piece_code code, struct view bytes, FILE *to)
{
    struct cli_json json = {.to = to};

    if (code == PIECE_JSON) {
        cli_json_view(&json, bytes);
    } else if (bytes.base == NULL) {
        print_view(template_->null_text, to);
    } else if (code == PIECE_HEX) {
        print_hex(bytes, to);
    } else if (code == PIECE_BASE64) {
        cli_print_base64(to, bytes);
    } else {
        print_view(bytes, to);
    }
}

static long long length_of(struct view bytes)
{
    return bytes.base == NULL ? -1 : (long long)bytes.len;
}

static void print_headers(const struct cli_template *template_, const struct cli_record_view *record, FILE *to)
{
    for (size_t i = 0; i < record->header_count; i++) {
        (void)fputs(i > 0 ? "," : "", to);
        print_view(record->headers[i].name, to);
        (void)fputc('=', to);
        print_bytes(template_, PIECE_PLAIN, record->headers[i].value, to);
    }
}

static void print_piece(const struct cli_template *template_, const struct piece *piece,
                        const struct cli_record_view *record, FILE *to)
{
    char    text[CLI_VALUE_BYTES];
    uint8_t length[4];

    switch (piece->verb) {
    case 's':
    case 'v':
        print_bytes(template_, piece->code, record->value, to);
        break;
    case 'k':
        print_bytes(template_, piece->code, record->key, to);
        break;
    case 'S':
    case 'V':
        (void)fprintf(to, "%lld", length_of(record->value));
        break;
    case 'K':
        (void)fprintf(to, "%lld", length_of(record->key));
        break;
    case 'R':
        store_be32(length, (uint32_t)length_of(record->value));
        (void)fwrite(length, 1, sizeof(length), to);
        break;
    case 't':
        print_view(record->topic, to);
        break;
    case 'p':
        (void)fprintf(to, "%d", record->partition);
        break;
    case 'o':
        (void)fprintf(to, "%" PRId64, record->offset);
        break;
    case 'T':
        (void)fprintf(to, "%" PRId64, record->timestamp_ms);
        break;
    case 'd':
        cli_format_time(record->timestamp_ms, text);
        (void)fputs(text, to);
        break;
    case 'h':
        print_headers(template_, record, to);
        break;
    case '%':
        (void)fputc('%', to);
        break;
    default:
        print_view(piece->literal, to);
        break;
    }
}

void cli_template_print(const struct cli_template *template_, const struct cli_record_view *record, FILE *to)
{
    for (size_t i = 0; i < template_->count; i++) {
        print_piece(template_, &template_->pieces[i], record, to);
    }
}

void cli_record_json(const struct cli_record_view *record, FILE *to)
{
    struct cli_json json = {.to = to};

    cli_json_open(&json, '{');
    cli_json_key(&json, "topic");
    cli_json_view(&json, record->topic);
    cli_json_key(&json, "partition");
    cli_json_number(&json, record->partition);
    cli_json_key(&json, "offset");
    cli_json_number(&json, record->offset);
    cli_json_key(&json, "timestamp");
    if (record->timestamp_ms < 0) {
        cli_json_null(&json);
    } else {
        cli_json_number(&json, record->timestamp_ms);
    }
    cli_json_key(&json, "headers");
    cli_json_open(&json, '[');
    for (size_t i = 0; i < record->header_count; i++) {
        cli_json_open(&json, '{');
        cli_json_key(&json, "name");
        cli_json_view(&json, record->headers[i].name);
        cli_json_bytes(&json, "value", record->headers[i].value);
        cli_json_close(&json, '}');
    }
    cli_json_close(&json, ']');
    cli_json_bytes(&json, "key", record->key);
    cli_json_bytes(&json, "value", record->value);
    cli_json_close(&json, '}');
    (void)fputc('\n', to);
}
