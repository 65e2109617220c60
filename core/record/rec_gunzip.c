/* A gzip file in memory, inflated piece by piece: members one after the other, as gzip and cat make them. */
#include "core/record/rec_codec.h"

struct rec_gunzip {
    struct view input; /* what is left of it */
    void       *context;
    bool        ended;
};

struct rec_gunzip *rec_gunzip_create(struct view file)
{
    struct rec_gunzip *gunzip = mem_try_alloc(MEM_RECORD, sizeof(*gunzip));

    if (gunzip == NULL) {
        return NULL;
    }
    gunzip->input = file;
    gunzip->context = rec__gzip_table.inflate_create();
    if (gunzip->context == NULL || rec__gzip_table.inflate_begin(gunzip->context, &gunzip->input, 0) != ERR_OK) {
        rec_gunzip_destroy(gunzip);
        return NULL;
    }
    return gunzip;
}

void rec_gunzip_destroy(struct rec_gunzip *gunzip)
{
    if (gunzip != NULL) {
        if (gunzip->context != NULL) {
            rec__gzip_table.inflate_destroy(gunzip->context);
        }
        mem_free(MEM_RECORD, gunzip);
    }
}

/* The next member follows at once, or nothing does. */
static int gunzip_member_end(struct rec_gunzip *gunzip)
{
    if (gunzip->input.len == 0) {
        gunzip->ended = true;
        return ERR_OK;
    }
    return rec__gzip_table.inflate_begin(gunzip->context, &gunzip->input, 0);
}

int rec_gunzip_pull(struct rec_gunzip *gunzip, struct span out, size_t *out_len)
{
    *out_len = 0;
    while (!gunzip->ended && *out_len < out.len) {
        struct span rest = span_of(out.base + *out_len, out.len - *out_len);
        size_t      len = 0;
        int         rc = rec__gzip_table.inflate_pull(gunzip->context, &gunzip->input, rest, &len);

        *out_len += len;
        if (rc == 1) {
            rc = gunzip_member_end(gunzip);
        }
        if (rc != ERR_OK) {
            return rc;
        }
    }
    return ERR_OK;
}

size_t rec_gunzip_left(const struct rec_gunzip *gunzip)
{
    return gunzip->input.len;
}
