/* err.h: one error vocabulary for everything below net/api.
 *
 * Functions that can fail return int: 0 or a positive result, or one of the negative codes below. Results are never
 * written on failure. A code says what happened; where it happened is added by whoever logs it. */
#ifndef MILLRACE_ERR_H
#define MILLRACE_ERR_H

#include "core/base/base.h"

enum err {
    ERR_OK = 0,
#define ERR_ROW(name, value, text) ERR_##name = (value),
#include "core/base/err.def"
#undef ERR_ROW
};

/* "NO_SPACE", for logs and JSON. */
const char *err_name(int code);
/* "no space left on the device", for people. */
const char *err_text(int code);
/* The house code for an errno (positive). Unmapped values give ERR_UNKNOWN. */
int err_from_errno(int number);

#endif
