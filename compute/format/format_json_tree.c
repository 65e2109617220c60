/* An object or array in a column of text: read as a tree and written again, as JsonNode.toString does it.
 *
 * Of two members of one name the last value stands in the first one's place. Integers are as written; fractions go
 * through double, or, where the table has a DECIMAL anywhere, keep their digits as a BigDecimal without trailing
 * zeros. */
#include "compute/format/format_json.h"

#include <math.h>
#include <stdio.h>

#include "compute/vec/vec_number.h"
#include "core/base/hash.h"

#define MEMBERS_UNINDEXED 16

struct node {
    struct node    *next;
    struct node    *first, *last; /* of an object or array */
    uint32_t        count;
    uint32_t        slot_count; /* of an object with many members: open addressing */
    struct node   **slots;
    struct view     name;
    enum json_token token;
    struct view     text;
};

struct writer {
    char  *out; /* NULL: counts only */
    size_t len;
};

size_t json_escape(uint8_t byte, char out_text[6])
{
    static const char hex[] = "0123456789ABCDEF";
    static const char marks[] = "\b\t\n\f\r\"\\";
    static const char shown[] = "btnfr\"\\";
    const char       *mark = byte == 0 ? NULL : strchr(marks, byte);

    out_text[0] = '\\';
    if (mark != NULL) {
        out_text[1] = shown[mark - marks];
        return 2;
    }
    if (byte >= ' ') {
        return 0;
    }
    memcpy(out_text + 1, "u00", 3);
    out_text[4] = hex[byte >> 4];
    out_text[5] = hex[byte & 15];
    return 6;
}

static void put(struct writer *writer, const void *bytes, size_t len)
{
    if (writer->out != NULL && len > 0) {
        memcpy(writer->out + writer->len, bytes, len);
    }
    writer->len += len;
}

static void put_string(struct writer *writer, struct view text)
{
    char escape[6];

    put(writer, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        size_t len = json_escape(text.base[i], escape);

        put(writer, len == 0 ? (const void *)(text.base + i) : escape, len == 0 ? 1 : len);
    }
    put(writer, "\"", 1);
}

/* --- fractions as BigDecimal -------------------------------------------------------------------------------------- */

/* BigDecimal.toString: digits with a point `scale` places from the right, or with an exponent. */
static void put_scaled(struct writer *writer, const char *digits, int64_t count, int64_t scale)
{
    int64_t adjusted = count - 1 - scale;
    char    exponent[32];

    if (scale >= 0 && adjusted >= -6) {
        if (scale == 0) {
            put(writer, digits, (size_t)count);
        } else if (count > scale) {
            put(writer, digits, (size_t)(count - scale));
            put(writer, ".", 1);
            put(writer, digits + (count - scale), (size_t)scale);
        } else {
            put(writer, "0.", 2);
            for (int64_t i = count; i < scale; i++) {
                put(writer, "0", 1);
            }
            put(writer, digits, (size_t)count);
        }
        return;
    }
    put(writer, digits, 1);
    if (count > 1) {
        put(writer, ".", 1);
        put(writer, digits + 1, (size_t)(count - 1));
    }
    (void)snprintf(exponent, sizeof(exponent), "E%+" PRId64, adjusted);
    put(writer, exponent, strlen(exponent));
}

static void put_big_decimal(struct writer *writer, struct view text)
{
    char    digits[JSON_NUMBER_CHARS_MAX + 1];
    int64_t count = 0, scale = 0, exponent = 0;
    bool    negative = text.base[0] == '-', seen_point = false;
    size_t  at = negative;

    for (; at < text.len && (text.base[at] | 0x20) != 'e'; at++) {
        if (text.base[at] == '.') {
            seen_point = true;
            continue;
        }
        scale += seen_point;
        if (count > 0 || text.base[at] != '0') { /* no leading zeros */
            digits[count++] = (char)text.base[at];
        }
    }
    if (at < text.len) {
        struct view rest = view_of(text.base + at + 1, text.len - at - 1);

        if (!format__parse_integer(rest, INT32_MIN, INT32_MAX, &exponent)) {
            exponent = 0; /* json_tree_text() has refused it */
        }
    }
    scale -= exponent;
    while (count > 0 && digits[count - 1] == '0') {
        count--;
        scale--;
    }
    if (count == 0) {
        put(writer, "0", 1);
        return;
    }
    put(writer, "-", negative);
    put_scaled(writer, digits, count, scale);
}

static void put_number(struct writer *writer, const struct node *node, bool big_decimals)
{
    char   text[VEC_NUMBER_TEXT_BYTES + 2];
    double real = 0;

    if (node->token == JSON_INT) {
        bool minus_zero = view_equal(node->text, view_text("-0"));

        put(writer, node->text.base + minus_zero, node->text.len - minus_zero);
        return;
    }
    if (big_decimals) {
        put_big_decimal(writer, node->text);
        return;
    }
    CHECK(format__parse_real(node->text, &real));
    if (isinf(real)) {
        put_string(writer, view_text(real < 0 ? "-Infinity" : "Infinity"));
        return;
    }
    put(writer, text, vec_double_format(real, text));
}

/* --- trees -------------------------------------------------------------------------------------------------------- */

static void put_node(struct writer *writer, const struct node *node, bool big_decimals)
{
    bool is_object = node->token == JSON_START_OBJECT;

    switch (node->token) {
    case JSON_START_OBJECT:
    case JSON_START_ARRAY:
        put(writer, is_object ? "{" : "[", 1);
        for (const struct node *item = node->first; item != NULL; item = item->next) {
            put(writer, ",", item != node->first);
            if (is_object) {
                put_string(writer, item->name);
                put(writer, ":", 1);
            }
            put_node(writer, item, big_decimals);
        }
        put(writer, is_object ? "}" : "]", 1);
        break;
    case JSON_STRING:
        put_string(writer, node->text);
        break;
    case JSON_INT:
    case JSON_FLOAT:
        put_number(writer, node, big_decimals);
        break;
    default:
        put(writer, node->text.base, node->text.len);
        break;
    }
}

static uint32_t slot_of(const struct node *parent, struct view name)
{
    return (uint32_t)hash_bytes(name) & (parent->slot_count - 1);
}

/* Members by name, once there are many: slots twice their number. */
static void index_members(struct json_reader *reader, struct node *parent)
{
    parent->slot_count = parent->slot_count == 0 ? 4 * MEMBERS_UNINDEXED : parent->slot_count * 2;
    parent->slots = arena_alloc_array(reader->texts, parent->slot_count, sizeof(struct node *));
    CHECK(parent->slots != NULL);
    for (struct node *node = parent->first; node != NULL; node = node->next) {
        uint32_t slot = slot_of(parent, node->name);

        while (parent->slots[slot] != NULL) {
            slot = (slot + 1) & (parent->slot_count - 1);
        }
        parent->slots[slot] = node;
    }
}

static struct node *find_member(const struct node *parent, struct view name)
{
    struct node *node = parent->first;

    if (parent->slots == NULL) {
        while (node != NULL && !view_equal(node->name, name)) {
            node = node->next;
        }
        return node;
    }
    for (uint32_t slot = slot_of(parent, name); parent->slots[slot] != NULL;
         slot = (slot + 1) & (parent->slot_count - 1)) {
        if (view_equal(parent->slots[slot]->name, name)) {
            return parent->slots[slot];
        }
    }
    return NULL;
}

/* Where the member of this name stands, or a new one at the end; base NULL: an element. */
static struct node *place_for(struct json_reader *reader, struct node *parent, struct view name)
{
    struct node *node = name.base == NULL ? NULL : find_member(parent, name);

    if (node != NULL) { /* the value before is forgotten */
        *node = (struct node){.next = node->next, .name = name};
        return node;
    }
    node = arena_alloc(reader->texts, sizeof(*node));
    CHECK(node != NULL);
    node->name = name;
    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
    parent->count++;
    if (name.base != NULL && parent->count > MEMBERS_UNINDEXED && parent->count * 2 > parent->slot_count) {
        index_members(reader, parent);
    } else if (parent->slots != NULL) {
        uint32_t slot = slot_of(parent, name);

        while (parent->slots[slot] != NULL) {
            slot = (slot + 1) & (parent->slot_count - 1);
        }
        parent->slots[slot] = node;
    }
    return node;
}

/* BigDecimal takes exponents of 32 bits. */
static bool exponent_fits(struct view text)
{
    int64_t exponent;

    for (size_t at = 0; at < text.len; at++) {
        if ((text.base[at] | 0x20) == 'e') {
            return format__parse_integer(view_of(text.base + at + 1, text.len - at - 1), -INT32_MAX + 2000,
                                         INT32_MAX - 2000, &exponent);
        }
    }
    return true;
}

static bool read_node(struct json_reader *reader, struct node *node, bool big_decimals)
{
    bool is_object = reader->token == JSON_START_OBJECT;

    node->token = reader->token;
    if (reader->token == JSON_FLOAT && big_decimals && !exponent_fits(reader->text)) {
        reader->problem = "an exponent of more than 32 bits";
        return false;
    }
    if (!is_object && reader->token != JSON_START_ARRAY) {
        return json_text(reader, &node->text);
    }
    for (;;) {
        struct view name = view_of(NULL, 0);

        if (!json_next(reader)) {
            return false;
        }
        if (reader->token == JSON_END_OBJECT || reader->token == JSON_END_ARRAY) {
            return true;
        }
        if (is_object && (!json_text(reader, &name) || !json_next(reader))) {
            return false;
        }
        if (!read_node(reader, place_for(reader, node, name), big_decimals)) {
            return false;
        }
    }
}

bool json_tree_text(struct json_reader *reader, bool big_decimals, struct view *out_text)
{
    struct node   root = {.next = NULL};
    struct writer writer = {.out = NULL};

    if (!read_node(reader, &root, big_decimals)) {
        return false;
    }
    put_node(&writer, &root, big_decimals);
    writer.out = arena_alloc(reader->texts, writer.len);
    CHECK(writer.out != NULL);
    writer.len = 0;
    put_node(&writer, &root, big_decimals);
    *out_text = view_of(writer.out, writer.len);
    return true;
}
