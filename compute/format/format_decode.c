/* Decoders: what a query reads of a table, and the walk over records. */
#include "compute/format/format_json.h"

#include <stdarg.h>
#include <stdio.h>

#define PLAN_BLOCK ((size_t)4 * KIB)

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void put_message(struct format_decoder *decoder, struct view field, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void put_message(struct format_decoder *decoder, struct view field, const char *format, va_list arguments)
{
    char  *out = decoder->failure.message;
    size_t used = 0;

    if (out[0] != '\0') {
        return;
    }
    if (field.len > 0) {
        char piece[FORMAT_PIECE_BYTES];

        used = (size_t)snprintf(out, FORMAT_MESSAGE_BYTES, "field %s: ", format__piece(field, piece));
    }
    (void)vsnprintf(out + used, FORMAT_MESSAGE_BYTES - used, format, arguments);
}

enum format__result format__bad(struct format_decoder *decoder, struct view field, const char *format, ...)
{
    va_list arguments;

    if (!decoder->options.ignore_parse_errors) {
        va_start(arguments, format);
        put_message(decoder, field, format, arguments);
        va_end(arguments);
    }
    return FORMAT_BAD;
}

enum format__result format__refused(struct format_decoder *decoder, struct view field, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_message(decoder, field, format, arguments);
    va_end(arguments);
    return FORMAT_REFUSED;
}

const char *format__piece(struct view text, char out_piece[FORMAT_PIECE_BYTES])
{
    size_t len = MIN(text.len, (size_t)FORMAT_PIECE_BYTES - 4);
    bool   is_utf8;

    /* Never half a character. */
    while (len < text.len && len > 0 && (text.base[len] & 0xc0) == 0x80) {
        len--;
    }
    is_utf8 = json_is_utf8(text.base, text.base + len);
    for (size_t i = 0; i < len; i++) {
        out_piece[i] = text.base[i] < ' ' ? ' ' : text.base[i] >= 0x80 && !is_utf8 ? '?' : (char)text.base[i];
    }
    (void)strcpy(out_piece + len, len < text.len ? "..." : "");
    return out_piece;
}

void *format__alloc(struct format_decoder *decoder, size_t bytes)
{
    void *memory = arena_alloc(&decoder->texts, bytes);

    CHECK(memory != NULL);
    return memory;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void *plan_alloc(struct format_decoder *decoder, size_t count, size_t bytes)
{
    void *memory = arena_alloc_array(&decoder->plan, count, bytes);

    CHECK(memory != NULL);
    return memory;
}

static void set_key(struct format_decoder *decoder, struct format__field *field)
{
    char *key = plan_alloc(decoder, field->name.len + 3, 1);

    key[0] = '"';
    memcpy(key + 1, field->name.base, field->name.len);
    memcpy(key + 1 + field->name.len, "\":", 2);
    field->key = key;
    field->key_len = (uint32_t)field->name.len + 3;
    field->is_plain_name = true;
    memcpy(field->key_words, key, MIN(field->key_len, sizeof(field->key_words)));
    memset(field->key_masks, 0xff, MIN(field->key_len, sizeof(field->key_masks)));
    for (size_t i = 0; i < field->name.len; i++) {
        field->is_plain_name = field->is_plain_name && field->name.base[i] >= ' ' && field->name.base[i] < 0x7f &&
                               field->name.base[i] != '"' && field->name.base[i] != '\\';
    }
}

/* The type as the table has it, the column as the query reads it: a ROW may have fewer fields there. */
static void init_field(struct format_decoder *decoder, struct format__field *field, struct view name,
                       struct vec_type type, struct format__column *column)
{
    field->name = arena_copy(&decoder->plan, name);
    CHECK(field->name.base != NULL);
    field->type = type;
    field->column = column;
    field->field_count = type.child_count;
    decoder->has_decimal = decoder->has_decimal || type.kind == VEC_DECIMAL;
    set_key(decoder, field);
    if (type.child_count == 0) {
        return;
    }
    field->fields = plan_alloc(decoder, type.child_count, sizeof(*field->fields));
    for (uint32_t i = 0; i < type.child_count; i++) {
        struct format__column *child = NULL;

        for (uint32_t j = 0; column != NULL && j < column->child_count; j++) {
            if (type.kind == VEC_ARRAY || view_equal(column->type.children[j].name, type.children[i].name)) {
                child = &column->children[j];
            }
        }
        init_field(decoder, &field->fields[i], type.children[i].name, type.children[i].type, child);
    }
}

static bool is_field(const struct format_schema *schema, uint32_t column, uint32_t field)
{
    if (schema->positions != NULL) {
        return schema->positions[column] == field;
    }
    return schema->fields == NULL ? column == field
                                  : view_equal(schema->columns[column].name, schema->fields[field].name);
}

static void init_root(struct format_decoder *decoder, const struct format_schema *schema)
{
    const struct vec_field *fields = schema->fields == NULL ? schema->columns : schema->fields;
    uint32_t                count = schema->fields == NULL ? schema->column_count : schema->field_count;

    decoder->root = (struct format__field){.name = view_of("", 0), .field_count = count};
    decoder->root.fields = plan_alloc(decoder, count, sizeof(*decoder->root.fields));
    for (uint32_t i = 0; i < count; i++) {
        struct format__column *column = NULL;

        for (uint32_t j = 0; j < schema->column_count; j++) {
            column = is_field(schema, j, i) ? &decoder->columns[j] : column;
        }
        init_field(decoder, &decoder->root.fields[i], fields[i].name, fields[i].type, column);
    }
}

struct format_decoder *format_decoder_create(const struct format_schema *schema)
{
    struct format_decoder *decoder = mem_alloc(MEM_COMPUTE, sizeof(*decoder));
    uint32_t               vec_count = schema->column_count;

    decoder->options = *schema->options;
    decoder->column_count = schema->column_count;
    arena_init(&decoder->plan, MEM_COMPUTE, PLAN_BLOCK, SIZE_MAX);
    arena_init(&decoder->texts, MEM_COMPUTE, FORMAT_ARENA_BLOCK, SIZE_MAX);
    if (decoder->options.has_null_literal) {
        decoder->options.null_literal = arena_copy(&decoder->plan, decoder->options.null_literal);
    }
    decoder->columns = mem_alloc(MEM_COMPUTE, schema->column_count * sizeof(*decoder->columns));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        format__column_init(&decoder->columns[i], schema->columns[i].type, VEC_ROWS_MAX);
        vec_count += format__column_descendants(&decoder->columns[i]);
    }
    decoder->vecs = mem_alloc(MEM_COMPUTE, vec_count * sizeof(*decoder->vecs));
    decoder->record_of_row = mem_alloc(MEM_COMPUTE, VEC_ROWS_MAX * sizeof(*decoder->record_of_row));
    init_root(decoder, schema);
    return decoder;
}

void format__decoder_exact(struct format_decoder *decoder)
{
    decoder->is_exact = true;
}

void format_decoder_destroy(struct format_decoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    for (uint32_t i = 0; i < decoder->column_count; i++) {
        format__column_deinit(&decoder->columns[i]);
    }
    mem_free(MEM_COMPUTE, decoder->columns);
    mem_free(MEM_COMPUTE, decoder->vecs);
    mem_free(MEM_COMPUTE, decoder->record_of_row);
    arena_deinit(&decoder->plan);
    arena_deinit(&decoder->texts);
    mem_free(MEM_COMPUTE, decoder);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static enum format__result decode_record(struct format_decoder *decoder, struct view record)
{
    switch (decoder->options.kind) {
    case FORMAT_CSV:
        return format__csv_record(decoder, record);
    case FORMAT_RAW:
        return format__raw_record(decoder, record);
    default:
        return format__json_record(decoder, record);
    }
}

static void begin_chunk(struct format_decoder *decoder)
{
    /* One more: a row that failed or is left out was written to before it was known. */
    uint32_t dirty = MIN(decoder->row_count + 1, VEC_ROWS_MAX);

    for (uint32_t i = 0; i < decoder->column_count; i++) {
        format__column_clear(&decoder->columns[i], dirty);
    }
    arena_reset(&decoder->texts);
    decoder->row_count = 0;
    decoder->skipped = 0;
    decoder->failure.message[0] = '\0';
}

static void show_rows(struct format_decoder *decoder, size_t record_count, struct format_rows *out_rows)
{
    struct vec *below = decoder->vecs + decoder->column_count;

    for (uint32_t i = 0; i < decoder->column_count; i++) {
        decoder->vecs[i] = format__column_show(&decoder->columns[i], decoder->row_count, &below);
    }
    *out_rows = (struct format_rows){
        .chunk = {.row_count = decoder->row_count,
                  .selected_count = decoder->row_count,
                  .column_count = decoder->column_count,
                  .columns = decoder->vecs},
        .record = decoder->record_of_row,
        .record_count = record_count,
        .skipped = decoder->skipped,
    };
}

bool format_decode(struct format_decoder *decoder, const struct view *records, size_t count,
                   struct format_rows *out_rows)
{
    size_t done = 0, bytes = 0;

    begin_chunk(decoder);
    while (done < count && decoder->row_count < VEC_ROWS_MAX && bytes < FORMAT_CHUNK_BYTES) {
        enum format__result result = FORMAT_OK;

        decoder->record = done;
        if (records[done].base != NULL) {
            bytes += records[done].len;
            result = decode_record(decoder, records[done]);
        }
        if (result == FORMAT_FULL) {
            break;
        }
        if (result == FORMAT_REFUSED || (result == FORMAT_BAD && !decoder->options.ignore_parse_errors)) {
            decoder->failure.record = done;
            return false;
        }
        decoder->skipped += result == FORMAT_BAD;
        done++;
    }
    show_rows(decoder, done, out_rows);
    return true;
}

const struct format_failure *format_decoder_failure(const struct format_decoder *decoder)
{
    return &decoder->failure;
}
