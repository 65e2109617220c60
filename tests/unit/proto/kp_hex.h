/* kp_hex.h: bytes as hexadecimal text, for tests. Blanks are free; 'text' in quotes stands for its own bytes. */
#ifndef MILLRACE_KP_HEX_H
#define MILLRACE_KP_HEX_H

#include "core/base/base.h"
#include "core/base/check.h"

#define KP_HEX_BYTES_MAX 512

struct kp_hex {
    uint8_t bytes[KP_HEX_BYTES_MAX];
    size_t  len;
};

static inline uint8_t kp_hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = strchr(digits, digit);

    CHECK(digit != '\0' && found != NULL);
    return (uint8_t)(found - digits);
}

static inline struct kp_hex kp_unhex(const char *text)
{
    struct kp_hex out = {.len = 0};
    bool          quoted = false;

    for (const char *at = text; *at != '\0'; at++) {
        CHECK(out.len < KP_HEX_BYTES_MAX);
        if (*at == '\'') {
            quoted = !quoted;
        } else if (quoted) {
            out.bytes[out.len++] = (uint8_t)*at;
        } else if (*at != ' ') {
            out.bytes[out.len++] = (uint8_t)(kp_hex_digit(at[0]) << 4 | kp_hex_digit(at[1]));
            at++;
        }
    }
    CHECK(!quoted);
    return out;
}

static inline struct view kp_hex_view(const struct kp_hex *hex)
{
    return view_of(hex->bytes, hex->len);
}

#endif
