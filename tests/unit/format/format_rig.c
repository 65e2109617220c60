#include "tests/unit/format/format_rig.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute/format/format_internal.h"
#include "core/base/check.h"

/* --- types from text ---------------------------------------------------------------------------------------------- */

struct cursor {
    struct arena *arena;
    const char   *at;
};

static void skip_space(struct cursor *cursor)
{
    while (*cursor->at == ' ') {
        cursor->at++;
    }
}

static bool take(struct cursor *cursor, const char *word)
{
    size_t len = strlen(word);

    skip_space(cursor);
    if (strncmp(cursor->at, word, len) != 0 ||
        (isalnum((unsigned char)word[0]) && (isalnum((unsigned char)cursor->at[len]) || cursor->at[len] == '_'))) {
        return false;
    }
    cursor->at += len;
    return true;
}

static struct view take_name(struct cursor *cursor)
{
    const char *start;
    bool        quoted;

    skip_space(cursor);
    quoted = *cursor->at == '`';
    cursor->at += quoted;
    start = cursor->at;
    while (quoted ? *cursor->at != '`' : isalnum((unsigned char)*cursor->at) || *cursor->at == '_') {
        cursor->at++;
    }
    cursor->at += quoted;
    return arena_copy(cursor->arena, view_of(start, (size_t)(cursor->at - start) - quoted));
}

static int take_number(struct cursor *cursor, int otherwise)
{
    int value = otherwise;

    if (take(cursor, "(") || take(cursor, ",")) {
        value = atoi(cursor->at);
        while (isdigit((unsigned char)*cursor->at) || *cursor->at == ' ') {
            cursor->at++;
        }
    }
    return value;
}

static struct vec_type take_type(struct cursor *cursor);

static struct vec_type take_fields(struct cursor *cursor)
{
    struct vec_type   type = vec_type_of(VEC_ROW);
    struct vec_field *fields = arena_alloc_array(cursor->arena, 64, sizeof(*fields));

    do {
        CHECK(type.child_count < 64);
        fields[type.child_count].name = take_name(cursor);
        fields[type.child_count++].type = take_type(cursor);
    } while (take(cursor, ","));
    type.children = fields;
    return type;
}

static struct vec_type take_type(struct cursor *cursor)
{
    static const struct {
        const char   *word;
        enum vec_kind kind;
        int           number; /* when none is given; -1: takes none */
    } words[] = {
        {"BOOLEAN", VEC_BOOLEAN, -1},    {"TINYINT", VEC_TINYINT, -1},
        {"SMALLINT", VEC_SMALLINT, -1},  {"INT", VEC_INT, -1},
        {"BIGINT", VEC_BIGINT, -1},      {"FLOAT", VEC_FLOAT, -1},
        {"DOUBLE", VEC_DOUBLE, -1},      {"DECIMAL", VEC_DECIMAL, 10},
        {"CHAR", VEC_CHAR, 1},           {"VARCHAR", VEC_VARCHAR, 1},
        {"STRING", VEC_VARCHAR, -1},     {"BYTES", VEC_VARBINARY, -1},
        {"BINARY", VEC_BINARY, 1},       {"DATE", VEC_DATE, -1},
        {"TIME", VEC_TIME, 0},           {"TIMESTAMP_LTZ", VEC_TIMESTAMP_LTZ, 6},
        {"TIMESTAMP", VEC_TIMESTAMP, 6},
    };
    struct vec_type type = vec_type_of(VEC_NULL);

    if (take(cursor, "ROW")) {
        CHECK(take(cursor, "<"));
        type = take_fields(cursor);
        CHECK(take(cursor, ">"));
        return type;
    }
    if (take(cursor, "ARRAY")) {
        struct vec_field *element = arena_alloc(cursor->arena, sizeof(*element));

        CHECK(take(cursor, "<"));
        *element = (struct vec_field){.name = view_text("element"), .type = take_type(cursor)};
        CHECK(take(cursor, ">"));
        type = vec_type_of(VEC_ARRAY);
        type.child_count = 1;
        type.children = element;
        return type;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!take(cursor, words[i].word)) {
            continue;
        }
        type = vec_type_of(words[i].kind);
        if (words[i].number >= 0 && *cursor->at == '(') {
            int first = take_number(cursor, words[i].number);

            type.precision = (uint8_t)first;
            type.length = first;
            type.scale = (uint8_t)(words[i].kind == VEC_DECIMAL ? take_number(cursor, 0) : 0);
            CHECK(take(cursor, ")"));
        } else if (words[i].number >= 0) {
            type.precision = (uint8_t)words[i].number;
        }
        return type;
    }
    fail_msg("the type at %s is spelled wrong", cursor->at);
    return type;
}

struct vec_type rig_row_type(struct arena *arena, const char *text)
{
    struct cursor cursor = {.arena = arena, .at = text};

    return take_fields(&cursor);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void set_options(struct format_options *out_options, const char *options)
{
    char        message[FORMAT_MESSAGE_BYTES];
    const char *at = options;

    while (*at != '\0') {
        size_t key = strcspn(at, "=");
        size_t value = strcspn(at + key + 1, " ");

        if (!format_options_set(out_options, view_of(at, key), view_of(at + key + 1, value), message)) {
            fail_msg("%s", message);
        }
        at += key + 1 + value;
        at += *at == ' ';
    }
}

struct rig *rig_open(const char *format, const char *options, const char *columns)
{
    struct rig *rig = mem_alloc(MEM_TEST, sizeof(*rig));
    char        message[FORMAT_MESSAGE_BYTES];

    arena_init(&rig->arena, MEM_TEST, 4096, SIZE_MAX);
    assert_true(format_options_init(&rig->options, view_text(format), message));
    set_options(&rig->options, options);
    assert_true(format_options_init(&rig->output, view_text("json"), message));
    rig->as_lines = true;
    rig->row = rig_row_type(&rig->arena, columns);
    if (!format_check_schema(&rig->options, rig->row.children, rig->row.child_count, message)) {
        fail_msg("%s", message);
    }
    rig->schema = (struct format_schema){
        .options = &rig->options,
        .column_count = rig->row.child_count,
        .columns = rig->row.children,
        .field_count = rig->row.child_count,
        .fields = rig->row.children,
    };
    return rig;
}

void rig_close(struct rig *rig)
{
    arena_deinit(&rig->arena);
    mem_free(MEM_TEST, rig->out);
    mem_free(MEM_TEST, rig->ends);
    mem_free(MEM_TEST, rig);
}

void rig_write(struct rig *rig, const char *format, const char *options)
{
    char message[FORMAT_MESSAGE_BYTES];

    assert_true(format_options_init(&rig->output, view_text(format), message));
    set_options(&rig->output, options);
    rig->as_lines = false;
}

void rig_read(struct rig *rig, const char *columns)
{
    struct vec_type type = rig_row_type(&rig->arena, columns);

    rig->schema.column_count = type.child_count;
    rig->schema.columns = type.children;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void add_row(struct rig *rig, const char *bytes, size_t len)
{
    if (rig->out_capacity < rig->out_len + len + 2) {
        rig->out_capacity = (rig->out_len + len + 2) * 2;
        rig->out = mem_realloc(MEM_TEST, rig->out, rig->out_capacity);
    }
    if (rig->row_count == rig->row_capacity) {
        rig->row_capacity = rig->row_capacity * 2 + 16;
        rig->ends = mem_realloc(MEM_TEST, rig->ends, rig->row_capacity * sizeof(*rig->ends));
    }
    if (len > 0) {
        memcpy(rig->out + rig->out_len, bytes, len);
    }
    rig->out_len += len;
    if (rig->as_lines) {
        rig->out[rig->out_len++] = '\n';
    }
    rig->out[rig->out_len] = '\0';
    rig->ends[rig->row_count++] = (uint32_t)rig->out_len;
}

static bool show(struct rig *rig, struct format_encoder *encoder, const struct format_rows *rows)
{
    struct format_output output;
    uint32_t             start = 0;

    if (!format_encode(encoder, rows->chunk.columns, &rows->chunk, &output)) {
        rig->failure = *format_encoder_failure(encoder);
        return false;
    }
    for (uint32_t i = 0; i < output.row_count; i++) {
        add_row(rig, output.bytes + start, output.ends[i] - start);
        start = output.ends[i];
    }
    rig->skipped += rows->skipped;
    return true;
}

static bool decode_way(struct rig *rig, const struct view *records, size_t count, bool exact)
{
    struct format_decoder *decoder = format_decoder_create(&rig->schema);
    struct format_encoder *encoder = format_encoder_create(&rig->output, rig->schema.columns, rig->schema.column_count);
    struct format_rows     rows;
    bool                   ok = true;

    if (exact) {
        format__decoder_exact(decoder);
    }
    rig->out_len = 0;
    rig->row_count = 0;
    rig->skipped = 0;
    add_row(rig, "", 0); /* so that there is an empty text */
    rig->out_len = 0;
    rig->row_count = 0;
    rig->out[0] = '\0';
    for (size_t done = 0; ok && done < count; done += rows.record_count) {
        ok = format_decode(decoder, records + done, count - done, &rows);
        if (!ok) {
            rig->failure = *format_decoder_failure(decoder);
            rig->failure.record += done;
            break;
        }
        ok = show(rig, encoder, &rows);
    }
    format_decoder_destroy(decoder);
    format_encoder_destroy(encoder);
    return ok;
}

/* JSON is read both ways, which must end alike. */
bool rig_decode(struct rig *rig, const struct view *records, size_t count)
{
    bool     ok = decode_way(rig, records, count, true);
    uint32_t row_count = rig->row_count;
    uint64_t skipped = rig->skipped;
    size_t   len = rig->out_len;
    char    *out = rig->out;

    rig->out = NULL;
    rig->out_capacity = 0;
    if (decode_way(rig, records, count, false) != ok || (ok && rig->skipped != skipped) ||
        rig->row_count != row_count || rig->out_len != len || memcmp(rig->out, out, len) != 0) {
        fail_msg("the two ways through JSON differ: %s and %s", out, rig->out);
    }
    mem_free(MEM_TEST, out);
    return ok;
}

/* A copy that ends where its memory ends: reading beyond is seen by the sanitizer. */
static bool decode_one(struct rig *rig, const char *record)
{
    size_t      len = strlen(record);
    char       *copy = malloc(len + (len == 0));
    struct view view = view_of(copy, len);
    bool        ok;

    memcpy(copy, record, len);
    ok = rig_decode(rig, &view, 1);
    free(copy);
    return ok;
}

void rig_expect(struct rig *rig, const char *record, const char *lines)
{
    size_t len;

    if (!decode_one(rig, record)) {
        fail_msg("%s: %s", record, rig->failure.message);
    }
    len = strlen(rig->out);
    if (len > 0) {
        rig->out[len - 1] = '\0';
    }
    if (strcmp(rig->out, lines) != 0) {
        fail_msg("%s\n gave     %s\n expected %s", record, rig->out, lines);
    }
}

void rig_expect_failure(struct rig *rig, const char *record, const char *part)
{
    if (decode_one(rig, record)) {
        fail_msg("%s was taken and gave %s", record, rig->out);
    }
    if (strstr(rig->failure.message, part) == NULL) {
        fail_msg("%s: the message is '%s', not '%s'", record, rig->failure.message, part);
    }
}
