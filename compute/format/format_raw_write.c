/* Format raw, writing: the value is the record. */
#include "compute/format/format_write.h"

bool format__raw_write_row(struct format_encoder *encoder, const struct vec *columns, size_t row)
{
    const struct vec *vec = &columns[0];
    size_t            position = format__position(vec, row);
    size_t            width = vec_layout_bytes(vec_type_layout(vec->type));
    uint8_t           bytes[16] = {0};

    if (format__is_null(vec, position)) {
        return true;
    }
    if (vec_type_layout(vec->type) == VEC_LAYOUT_STRING) {
        struct view text = format__string_at(vec, position);

        format__put(encoder, text.base, text.len);
        return true;
    }
    CHECK(width <= 8);
    memcpy(bytes, (const char *)vec->data + position * width, width);
    for (size_t i = 0; encoder->options.big_endian && i < width / 2; i++) {
        uint8_t byte = bytes[i];

        bytes[i] = bytes[width - 1 - i];
        bytes[width - 1 - i] = byte;
    }
    format__put(encoder, bytes, width);
    return true;
}
