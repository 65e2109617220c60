#include "core/base/err.h"

#include <errno.h>

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK:
        return "OK";
#define ERR_ROW(name, value, text) \
    case (value):                  \
        return #name;
#include "core/base/err.def"
#undef ERR_ROW
    default:
        return "UNKNOWN";
    }
}

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK:
        return "success";
#define ERR_ROW(name, value, text) \
    case (value):                  \
        return text;
#include "core/base/err.def"
#undef ERR_ROW
    default:
        return "unexpected error";
    }
}

int err_from_errno(int number)
{
    static const struct {
        int number;
        int code;
    } table[] = {
        {EIO, ERR_IO},
        {EREMOTEIO, ERR_IO},
        {ENOSPC, ERR_NO_SPACE},
        {EDQUOT, ERR_NO_SPACE},
        {ENOENT, ERR_NOT_FOUND},
        {ENOTDIR, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},
        {EBADMSG, ERR_CORRUPT},
        {ENOMEM, ERR_NO_MEMORY},
        {ECANCELED, ERR_CANCELED},
        {ECONNRESET, ERR_CLOSED},
        {EPIPE, ERR_CLOSED},
        {ECONNABORTED, ERR_CLOSED},
        {ENOTCONN, ERR_CLOSED},
        {ESHUTDOWN, ERR_CLOSED},
        {EBADF, ERR_CLOSED},
        {ETIMEDOUT, ERR_TIMEOUT},
        {ETIME, ERR_TIMEOUT},
        {EINVAL, ERR_INVALID},
        {EAGAIN, ERR_AGAIN},
        {EINTR, ERR_AGAIN},
        {EACCES, ERR_PERMISSION},
        {EPERM, ERR_PERMISSION},
        {EROFS, ERR_PERMISSION},
        {ENOSYS, ERR_UNSUPPORTED},
        {EOPNOTSUPP, ERR_UNSUPPORTED},
        {EBUSY, ERR_BUSY},
        {ETXTBSY, ERR_BUSY},
        {ENOBUFS, ERR_NO_BUFFERS},
        {EMFILE, ERR_DESCRIPTORS},
        {ENFILE, ERR_DESCRIPTORS},
        {ENOTEMPTY, ERR_NOT_EMPTY},
        {EADDRINUSE, ERR_ADDRESS_IN_USE},
    };

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].number == number) {
            return table[i].code;
        }
    }
    return ERR_UNKNOWN;
}
