/* Format raw, reading: the record is the value. */
#include "compute/format/format_internal.h"

#include "core/base/bytes.h"

static uint64_t load(const struct format_decoder *decoder, struct view record)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < record.len; i++) {
        size_t from = decoder->options.big_endian ? i : record.len - 1 - i;

        bits = bits << 8 | record.base[from];
    }
    return bits;
}

/* Flink takes what it needs from the record's front and wants no more and no less. */
static size_t width_of(enum vec_kind kind)
{
    switch (kind) {
    case VEC_BOOLEAN:
    case VEC_TINYINT:
        return 1;
    case VEC_SMALLINT:
        return 2;
    case VEC_INT:
    case VEC_FLOAT:
        return 4;
    default:
        return 8;
    }
}

enum format__result format__raw_record(struct format_decoder *decoder, struct view record)
{
    const struct format__field *field = &decoder->root.fields[0];
    enum vec_kind               kind = field->type.kind;
    union format__value         value = {.wide = 0};
    uint64_t                    bits;

    if (vec_type_layout(field->type) == VEC_LAYOUT_STRING) {
        if (record.len > UINT32_MAX) {
            return format__refused(decoder, field->name, "a record of more than 4 GiB");
        }
        value.string = vec_string_of((const char *)record.base, (uint32_t)record.len);
    } else if (record.len != width_of(kind)) {
        return format__bad(decoder, field->name, "%zu bytes were expected, the record has %zu", width_of(kind),
                           record.len);
    } else {
        bits = load(decoder, record);
        if (kind == VEC_FLOAT) {
            uint32_t half = (uint32_t)bits;

            memcpy(&value.single, &half, sizeof(half));
        } else if (kind == VEC_DOUBLE) {
            memcpy(&value.real, &bits, sizeof(bits));
        } else {
            /* Sign extended from its width. */
            unsigned shift = (unsigned)(64 - 8 * record.len);

            value.integer = kind == VEC_BOOLEAN ? bits != 0 : (int64_t)(bits << shift) >> shift;
        }
    }
    if (field->column != NULL) {
        format__column_store(field->column, decoder->row_count, &value);
    }
    format__row_add(decoder);
    return FORMAT_OK;
}
