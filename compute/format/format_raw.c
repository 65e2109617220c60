/* Format raw, reading: the record is the value. */
#include "compute/format/format_json.h"

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

/* Bytes of a sequence that is malformed, as many as could have begun one. */
static size_t malformed_len(const uint8_t *at, const uint8_t *end)
{
    size_t len = 1;

    /* A surrogate in three bytes is one mistake, and so is its beginning. */
    if (at[0] == 0xed && end - at >= 2 && at[1] >= 0xa0 && at[1] <= 0xbf) {
        return end - at >= 3 && (at[2] & 0xc0) == 0x80 ? 3 : 2;
    }
    while (len < 4 && len < (size_t)(end - at) && (at[len] & 0xc0) == 0x80) {
        /* A prefix that the right bytes would make whole. */
        static const uint8_t tails[][3] = {{0x80, 0x80, 0x80}, {0xbf, 0xbf, 0xbf}, {0xa0, 0x80, 0x80}};
        uint8_t              whole[4];
        bool                 can_be = false;
        size_t               wanted = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

        for (size_t i = 0; i < COUNT_OF(tails) && len + 1 < wanted; i++) {
            memcpy(whole, at, len + 1);
            memcpy(whole + len + 1, tails[i], wanted - len - 1);
            can_be = can_be || json_is_utf8(whole, whole + wanted);
        }
        if (!can_be) {
            break;
        }
        len++;
    }
    return len;
}

/* As Java's String(byte[], UTF_8): what is malformed becomes U+FFFD. */
static struct view replace_malformed(struct format_decoder *decoder, struct view text)
{
    const uint8_t *at = text.base, *end = text.base + text.len;
    uint8_t       *out;
    size_t         len = 0;

    if (json_is_utf8(at, end)) {
        return text;
    }
    out = format__alloc(decoder, text.len * 3);
    while (at < end) {
        size_t whole = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

        if ((size_t)(end - at) >= whole && json_is_utf8(at, at + whole)) {
            memcpy(out + len, at, whole);
            len += whole;
            at += whole;
        } else {
            memcpy(out + len, "\xef\xbf\xbd", 3);
            len += 3;
            at += malformed_len(at, end);
        }
    }
    return view_of(out, len);
}

enum format__result format__raw_record(struct format_decoder *decoder, struct view record)
{
    const struct format__field *field = &decoder->root.fields[0];
    enum vec_kind               kind = field->type.kind;
    union format__value         value = {.wide = 0};
    uint64_t                    bits;

    if (vec_type_layout(field->type) == VEC_LAYOUT_STRING) {
        if (record.len > UINT32_MAX / 3) {
            return format__refused(decoder, field->name, "a record of more than a GiB");
        }
        if (vec_kind_is_text(kind)) {
            record = replace_malformed(decoder, record);
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
