/* rec_codec.h: compression of the records section, one file per codec behind one table; private to core/record.
 *
 * Inflating is a pull of bytes from a stream whose whole input lies in memory; deflating is a push of pieces into a
 * buffer that holds the whole result. A codec file is the only door to its library. Contexts are costly to make and
 * cheap to reset, so each thread keeps a few idle ones of each kind; a context in use belongs to one inflater or
 * deflater. What a library allocates to inflate is bounded by its format: zstd 8 MiB (window), lz4 8 MiB (two blocks),
 * gzip 100 KiB; snappy: what a block declares, within the limit. To deflate: gzip 430 KiB, lz4 300 KiB, zstd what its
 * level and the length of the stream ask for, a window of up to 8 MiB included. */
#ifndef MILLRACE_REC_CODEC_H
#define MILLRACE_REC_CODEC_H

#include "core/record/rec.h"

/* One codec. `context` is what *_create() gave. */
struct rec_codec_table {
    void *(*inflate_create)(void); /* NULL: no memory */
    void (*inflate_destroy)(void *context);
    /* A fresh stream; looks at the head of the input. bytes_max: for codecs that cannot stream and need a buffer for
     * what comes out. 0, ERR_CORRUPT, ERR_UNSUPPORTED or ERR_NO_MEMORY. */
    int (*inflate_begin)(void *context, struct view *input, uint64_t bytes_max);
    /* Takes from input, fills `out` from its beginning, *out_len bytes of it. 1: the end of the stream is reached;
     * 0: `out` is full; ERR_CORRUPT: damaged or cut short; ERR_LIMIT, ERR_NO_MEMORY. */
    int (*inflate_pull)(void *context, struct view *input, struct span out, size_t *out_len);
    /* Before an idle context is kept: gives back what was large. May be NULL. */
    void (*inflate_end)(void *context);
    void *(*deflate_create)(void);
    void (*deflate_destroy)(void *context);
    /* No stream of `len` bytes becomes longer, cut into pieces or not. */
    size_t (*deflate_bound)(size_t len);
    /* A fresh stream of `len` bytes in all; level 0: the codec's default. Both write to `out` from its beginning,
     * *out_len bytes: 0, ERR_LIMIT (`out` may be too short), ERR_NO_MEMORY. */
    int (*deflate_begin)(void *context, int level, size_t len, struct span out, size_t *out_len);
    /* All of `piece`. Each but the last has whole REC_DEFLATE_PIECE_BYTES. What a codec keeps of it for the next
     * piece is bounded by the codec. */
    int (*deflate_push)(void *context, struct view piece, bool last, struct span out, size_t *out_len);
};

extern const struct rec_codec_table rec__gzip_table;
extern const struct rec_codec_table rec__snappy_table;
extern const struct rec_codec_table rec__lz4_table;
extern const struct rec_codec_table rec__zstd_table;

/* Not for REC_NONE. */
const struct rec_codec_table *rec__codec_table(enum rec_codec codec);

/* --- a stream being inflated ------------------------------------------------------------------------------------- */

struct rec_inflater {
    enum rec_codec codec;
    struct view    input; /* what is left of it; must stay in memory */
    void          *context;
};

/* bytes_max bounds the buffers of codecs that cannot stream; what comes out is counted by the caller. On failure
 * there is nothing to close. ERR_CORRUPT, ERR_UNSUPPORTED (a feature consumers cannot read), ERR_NO_MEMORY. */
MUST_USE int rec__inflate_open(struct rec_inflater *inflater, enum rec_codec codec, struct view input,
                               uint64_t bytes_max);
/* 1: end, all input used; 0: `out` (not empty) is full; ERR_CORRUPT also when input is left behind the end of the
 * stream; ERR_LIMIT: above bytes_max; ERR_NO_MEMORY. *out_len is always written, whole bytes that came out before an
 * error included. */
MUST_USE int rec__inflate_pull(struct rec_inflater *inflater, struct span out, size_t *out_len);
/* Harmless when not open. */
void rec__inflate_close(struct rec_inflater *inflater);

/* --- a stream being deflated ------------------------------------------------------------------------------------- */

/* Pieces are multiples of it, the last one excepted: whole blocks of every codec. */
#define REC_DEFLATE_PIECE_BYTES ((size_t)65536)

struct rec_deflater {
    enum rec_codec codec;
    struct span    out; /* what is left of it; must stay */
    void          *context;
};

/* Never below `len`. */
size_t rec__deflate_bound(enum rec_codec codec, size_t len);
/* `len` bytes will be pushed. *out_len: written already. On failure there is nothing to close. ERR_NO_MEMORY,
 * ERR_LIMIT: `out` is too short. With rec__deflate_bound(len) bytes it never is; with fewer it is when less than the
 * bound of one piece is left. */
MUST_USE int rec__deflate_open(struct rec_deflater *deflater, enum rec_codec codec, int level, size_t len,
                               struct span out, size_t *out_len);
MUST_USE int rec__deflate_push(struct rec_deflater *deflater, struct view piece, bool last, size_t *out_len);
/* Harmless when not open. */
void rec__deflate_close(struct rec_deflater *deflater);

/* Compresses in one go into the arena, `room` bytes free before it; the whole including room. ERR_NO_MEMORY, ERR_LIMIT
 * above 2 GiB. */
MUST_USE int rec__deflate(enum rec_codec codec, int level, struct view input, size_t room, struct arena *arena,
                          struct span *out_bytes);

/* --- idle contexts, per thread ----------------------------------------------------------------------------------- */

enum rec_idle_kind {
    REC_IDLE_INFLATE = 0,                 /* + codec */
    REC_IDLE_DEFLATE = REC_CODEC_COUNT,   /* + codec */
    REC_IDLE_CHECK = 2 * REC_CODEC_COUNT, /* state of a sliced check */
    REC_IDLE_KINDS,
};

/* NULL when none is idle. */
void *rec__idle_take(int kind);
/* False when enough are kept: the caller destroys it. */
bool rec__idle_keep(int kind, void *context);

#endif
