#include "core/proto/kp_error.h"

#include "core/base/check.h"

/* Row i holds code i - 1. */
#define KP_ERROR_FIRST (-1)

struct kp_error_row {
    const char *name;
    const char *text;
    int16_t     code;
    bool        retriable;
};

static const struct kp_error_row kp_error_rows[] = {
#define KP_ERR_ROW(name_, code_, retriable_, text_) \
    {.name = #name_, .text = (text_), .code = (code_), .retriable = (retriable_)},
#include "core/proto/kp_error.def"
#undef KP_ERR_ROW
};

/* The table has no gaps: a row's place is its code. */
enum kp_error_place {
#define KP_ERR_ROW(name, code, retriable, text) KP_ERROR_PLACE_##name,
#include "core/proto/kp_error.def"
#undef KP_ERR_ROW
};

#define KP_ERR_ROW(name, code, retriable, text) STATIC_CHECK((int)KP_ERROR_PLACE_##name + KP_ERROR_FIRST == (code));
#include "core/proto/kp_error.def"
#undef KP_ERR_ROW

static const struct kp_error_row *kp_error_row(int16_t code)
{
    int32_t place = code - KP_ERROR_FIRST;

    if (place < 0 || place >= (int32_t)COUNT_OF(kp_error_rows)) {
        place = 0;
    }
    return &kp_error_rows[place];
}

const char *kp_error_name(int16_t code)
{
    return kp_error_row(code)->name;
}

const char *kp_error_text(int16_t code)
{
    return kp_error_row(code)->text;
}

bool kp_error_is_retriable(int16_t code)
{
    return kp_error_row(code)->retriable;
}

bool kp_error_find(struct view name, int16_t *out_code)
{
    for (size_t i = 0; i < COUNT_OF(kp_error_rows); i++) {
        if (view_equal(name, view_text(kp_error_rows[i].name))) {
            *out_code = kp_error_rows[i].code;
            return true;
        }
    }
    return false;
}
