/* Records of JSON, CSV and raw tables. Both ways through JSON must end alike, whatever is decoded must be sound, and
 * what is written of it must be read again the same. */
#include "tests/support/fuzz.h"

#include <stdlib.h>

#include "compute/format/format_internal.h"

#define COLUMNS 7

struct pass {
    struct format_decoder *decoder;
    struct format_encoder *encoder;
    struct format_output   output;
    char                  *bytes; /* a copy of the output's */
    size_t                 len;
    bool                   ok;
};

static const struct vec_field row_fields[] = {
    {.name = {(const uint8_t *)"x", 1}, .type = {.kind = VEC_INT, .nullable = true}},
    {.name = {(const uint8_t *)"y", 1},
     .type = {.kind = VEC_VARCHAR, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
};

static const struct vec_field columns[COLUMNS] = {
    {.name = {(const uint8_t *)"l", 1}, .type = {.kind = VEC_BIGINT, .nullable = true}},
    {.name = {(const uint8_t *)"s", 1},
     .type = {.kind = VEC_VARCHAR, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
    {.name = {(const uint8_t *)"t", 1}, .type = {.kind = VEC_TIMESTAMP, .nullable = true, .precision = 3}},
    {.name = {(const uint8_t *)"d", 1}, .type = {.kind = VEC_DECIMAL, .nullable = true, .precision = 10, .scale = 3}},
    {.name = {(const uint8_t *)"r", 1},
     .type = {.kind = VEC_ROW, .nullable = true, .child_count = 2, .children = row_fields}},
    {.name = {(const uint8_t *)"a", 1},
     .type = {.kind = VEC_ARRAY, .nullable = true, .child_count = 1, .children = row_fields}},
    {.name = {(const uint8_t *)"b", 1},
     .type = {.kind = VEC_VARBINARY, .nullable = true, .length = VEC_LENGTH_UNLIMITED}},
};

static struct format_options options_of(enum format_kind kind, bool ignores)
{
    static const char *const names[] = {"json", "csv", "raw"};
    struct format_options    options;
    char                     message[FORMAT_MESSAGE_BYTES];

    CHECK(format_options_init(&options, view_text(names[kind]), message));
    options.ignore_parse_errors = ignores;
    return options;
}

static void run(struct pass *pass, const struct format_options *options, bool exact, struct view record)
{
    struct format_options json = options_of(FORMAT_JSON, false);
    uint32_t              count = options->kind == FORMAT_RAW ? 1 : COLUMNS;
    struct format_schema  schema = {.options = options, .column_count = count, .columns = columns + (count == 1)};
    struct format_rows    rows;

    *pass = (struct pass){.decoder = format_decoder_create(&schema)};
    pass->encoder = format_encoder_create(&json, schema.columns, count);
    if (exact) {
        format__decoder_exact(pass->decoder);
    }
    pass->ok = format_decode(pass->decoder, &record, 1, &rows);
    if (pass->ok && rows.chunk.row_count > 0) {
        CHECK(format_encode(pass->encoder, rows.chunk.columns, &rows.chunk, &pass->output));
        pass->len = pass->output.ends[pass->output.row_count - 1];
        pass->bytes = malloc(pass->len);
        memcpy(pass->bytes, pass->output.bytes, pass->len);
    } else if (!pass->ok) {
        CHECK(format_decoder_failure(pass->decoder)->message[0] != '\0');
    }
}

static void end(struct pass *pass)
{
    format_decoder_destroy(pass->decoder);
    format_encoder_destroy(pass->encoder);
    free(pass->bytes);
}

static void check_json(struct view record, bool ignores)
{
    struct format_options options = options_of(FORMAT_JSON, ignores);
    struct pass           fast, exact, again;

    run(&fast, &options, false, record);
    run(&exact, &options, true, record);
    CHECK(fast.ok == exact.ok && fast.len == exact.len);
    CHECK(fast.len == 0 || memcmp(fast.bytes, exact.bytes, fast.len) == 0);
    if (fast.ok && fast.output.row_count == 1) {
        run(&again, &options, false, view_of(fast.bytes, fast.len));
        CHECK(again.ok && again.len == fast.len && memcmp(again.bytes, fast.bytes, fast.len) == 0);
        end(&again);
    }
    end(&fast);
    end(&exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct view           record = view_of(len < 1 ? (const uint8_t *)"" : bytes + 1, len < 1 ? 0 : len - 1);
    bool                  ignores = len > 0 && (bytes[0] & 1) != 0;
    struct format_options options;
    struct pass           pass;

    check_json(record, ignores);
    options = options_of(FORMAT_CSV, ignores);
    options.escape = len > 0 && (bytes[0] & 2) != 0 ? '\\' : '\0';
    options.allow_comments = len > 0 && (bytes[0] & 4) != 0;
    run(&pass, &options, false, record);
    end(&pass);
    options = options_of(FORMAT_RAW, false);
    run(&pass, &options, false, record);
    CHECK(pass.ok);
    end(&pass);
    return 0;
}

size_t fuzz_make_input(struct prng *prng, struct span out_bytes)
{
    static const char *const pieces[] = {
        "0{\"l\":17,\"s\":\"a text that is not short\",\"t\":\"2026-01-01 12:34:56.789\",\"d\":1.5,\"b\":\"AP8Q\"}",
        "1{\"r\":{\"x\":1,\"y\":\"\\u00e9\\ud83d\\ude00\"},\"a\":[1,null,3],\"z\":{\"k\":[true,false,null,-1.5e3]}}",
        "0{\"s\":{\"a\":1,\"b\":[1.50,\"x\"],\"a\":2},\"l\":\"-5\",\"r\":null}",
        "1[{\"l\":1},{\"l\":2,\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}]",
        "213,\"a \"\"b\"\" c\",2026-01-01 00:00:00,1.25,1;x,1;2;3,QQ==",
        "4#comment\n13,x\\,y,,,,,",
    };
    const char *piece = pieces[prng_below(prng, COUNT_OF(pieces))];

    memcpy(out_bytes.base, piece, strlen(piece));
    return strlen(piece);
}
