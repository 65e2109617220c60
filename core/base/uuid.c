#include "core/base/base.h"

static const char uuid_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_format(struct uuid id, char out_text[UUID_TEXT_BYTES])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t   at = 0;

    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        bits = (bits << 8) | id.bytes[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            out_text[at++] = uuid_alphabet[(bits >> held) & 63];
        }
    }
    out_text[at++] = uuid_alphabet[(bits << (6 - held)) & 63];
    out_text[at] = '\0';
}

bool uuid_parse(struct view text, struct uuid *out_id)
{
    struct uuid id = {{0}};
    uint32_t    bits = 0;
    unsigned    held = 0;
    size_t      at = 0;

    if (text.len != UUID_TEXT_BYTES - 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.base[i] == 0 ? NULL : strchr(uuid_alphabet, text.base[i]);

        if (found == NULL) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)(found - uuid_alphabet);
        held += 6;
        if (held >= 8 && at < sizeof(id.bytes)) {
            held -= 8;
            id.bytes[at++] = (uint8_t)(bits >> held);
        }
    }
    *out_id = id;
    return true;
}
