/* Encoders: the walk over rows and the output. */
#include "compute/format/format_write.h"

#define PLAN_BLOCK    ((size_t)4 * KIB)
#define OUTPUT_BLOCK  ((size_t)64 * KIB)
#define ROW_BYTES_MAX (UINT32_MAX / 2) /* ends are 32 bits */

char *format__grow(struct format_encoder *encoder, size_t more)
{
    encoder->capacity = MAX(encoder->capacity * 2, encoder->len + more + OUTPUT_BLOCK);
    encoder->bytes = mem_realloc(MEM_COMPUTE, encoder->bytes, encoder->capacity);
    return encoder->bytes + encoder->len;
}

int64_t format__integer_at(const struct vec *vec, size_t position)
{
    switch (vec_type_layout(vec->type)) {
    case VEC_LAYOUT_BOOL:
        return ((const uint8_t *)vec->data)[position];
    case VEC_LAYOUT_INT8:
        return ((const int8_t *)vec->data)[position];
    case VEC_LAYOUT_INT16:
        return ((const int16_t *)vec->data)[position];
    case VEC_LAYOUT_INT32:
        return ((const int32_t *)vec->data)[position];
    default:
        return ((const int64_t *)vec->data)[position];
    }
}

static vec_int128 wide_at(const struct vec *vec, size_t position)
{
    return vec_type_layout(vec->type) == VEC_LAYOUT_INT128 ? ((const vec_int128 *)vec->data)[position]
                                                           : ((const int64_t *)vec->data)[position];
}

struct vec_decimal format__decimal_at(const struct vec *vec, size_t position)
{
    return (struct vec_decimal){.value = wide_at(vec, position), .scale = vec->type.scale};
}

struct vec_civil format__civil_at(const struct vec *vec, size_t position)
{
    return vec_civil_of_timestamp(wide_at(vec, position), vec_timestamp_units(vec->type));
}

struct view format__string_at(const struct vec *vec, size_t position)
{
    return vec_string_view((const struct vec_string *)vec->data + position);
}

size_t format__digits(int64_t value, char out_text[20])
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    uint64_t          rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t            len = value < 0, digits = 1;

    for (uint64_t above = 10; rest >= above; above *= 10) {
        digits++;
        if (digits == 20) {
            break;
        }
    }
    out_text[0] = '-';
    len += digits;
    for (char *at = out_text + len; digits > 0;) {
        if (digits == 1) {
            at[-1] = (char)('0' + rest);
            break;
        }
        at -= 2;
        memcpy(at, pairs + rest % 100 * 2, 2);
        rest /= 100;
        digits -= 2;
    }
    return len;
}

static void init_target(struct format_encoder *encoder, struct format__target *target, const struct vec_field *field)
{
    *target = (struct format__target){.type = field->type, .child_count = field->type.child_count};
    target->name = arena_copy(&encoder->plan, field->name);
    CHECK(target->name.base != NULL);
    format__json_key(encoder, target);
    if (target->child_count > 0) {
        target->children = arena_alloc_array(&encoder->plan, target->child_count, sizeof(*target->children));
        CHECK(target->children != NULL);
        for (uint32_t i = 0; i < target->child_count; i++) {
            init_target(encoder, &target->children[i], &field->type.children[i]);
        }
    }
}

struct format_encoder *format_encoder_create(const struct format_options *options, const struct vec_field *columns,
                                             uint32_t column_count)
{
    struct format_encoder *encoder = mem_alloc(MEM_COMPUTE, sizeof(*encoder));

    encoder->options = *options;
    encoder->column_count = column_count;
    arena_init(&encoder->plan, MEM_COMPUTE, PLAN_BLOCK, SIZE_MAX);
    arena_init(&encoder->row, MEM_COMPUTE, PLAN_BLOCK, SIZE_MAX);
    if (options->has_null_literal) {
        encoder->options.null_literal = arena_copy(&encoder->plan, options->null_literal);
    }
    encoder->columns = arena_alloc_array(&encoder->plan, column_count, sizeof(*encoder->columns));
    CHECK(encoder->columns != NULL);
    for (uint32_t i = 0; i < column_count; i++) {
        init_target(encoder, &encoder->columns[i], &columns[i]);
    }
    return encoder;
}

void format_encoder_destroy(struct format_encoder *encoder)
{
    if (encoder == NULL) {
        return;
    }
    mem_free(MEM_COMPUTE, encoder->bytes);
    arena_deinit(&encoder->plan);
    arena_deinit(&encoder->row);
    mem_free(MEM_COMPUTE, encoder);
}

static bool write_row(struct format_encoder *encoder, const struct vec *columns, size_t row)
{
    switch (encoder->options.kind) {
    case FORMAT_CSV:
        return format__csv_write_row(encoder, columns, row);
    case FORMAT_RAW:
        return format__raw_write_row(encoder, columns, row);
    default:
        return format__json_write_row(encoder, columns, row);
    }
}

bool format_encode(struct format_encoder *encoder, const struct vec *columns, const struct vec_chunk *chunk,
                   struct format_output *out)
{
    encoder->len = 0;
    encoder->failure.message[0] = '\0';
    for (uint32_t i = 0; i < chunk->selected_count; i++) {
        if (!write_row(encoder, columns, vec_chunk_row(chunk, i)) || encoder->len > ROW_BYTES_MAX) {
            encoder->failure.record = i;
            if (encoder->failure.message[0] == '\0') {
                (void)strcpy(encoder->failure.message, "the rows of one chunk are larger than 2 GiB");
            }
            return false;
        }
        encoder->ends[i] = (uint32_t)encoder->len;
    }
    *out = (struct format_output){
        .bytes = format__room(encoder, 1), .ends = encoder->ends, .row_count = chunk->selected_count};
    out->bytes = encoder->bytes;
    return true;
}

const struct format_failure *format_encoder_failure(const struct format_encoder *encoder)
{
    return &encoder->failure;
}
