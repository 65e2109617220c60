/* The codec table, streams over it, and the idle contexts of each thread. */
#include "core/record/rec_codec.h"

#include "core/base/check.h"

/* Enough for the checks that a shard has under way at a time; what goes beyond is made and destroyed. */
#define REC_IDLE_MAX 4

struct idle_contexts {
    void  *contexts[REC_IDLE_MAX];
    size_t count;
};

static _Thread_local struct idle_contexts idle[REC_IDLE_KINDS];

static const char *const codec_names[] = {
    [REC_NONE] = "none", [REC_GZIP] = "gzip", [REC_SNAPPY] = "snappy", [REC_LZ4] = "lz4", [REC_ZSTD] = "zstd",
};
STATIC_CHECK(COUNT_OF(codec_names) == REC_CODEC_COUNT);

static void context_destroy(int kind, void *context);

const char *rec_codec_name(enum rec_codec codec)
{
    CHECK((size_t)codec < COUNT_OF(codec_names));
    return codec_names[codec];
}

int rec_codec_parse(struct view name)
{
    for (size_t i = 0; i < COUNT_OF(codec_names); i++) {
        if (view_equal(name, view_text(codec_names[i]))) {
            return (int)i;
        }
    }
    return view_equal(name, view_text("uncompressed")) ? (int)REC_NONE : -1;
}

const struct rec_codec_table *rec__codec_table(enum rec_codec codec)
{
    static const struct rec_codec_table *const tables[] = {
        [REC_NONE] = NULL,           [REC_GZIP] = &rec__gzip_table, [REC_SNAPPY] = &rec__snappy_table,
        [REC_LZ4] = &rec__lz4_table, [REC_ZSTD] = &rec__zstd_table,
    };

    CHECK(codec > REC_NONE && codec < REC_CODEC_COUNT);
    return tables[codec];
}

int rec__inflate_open(struct rec_inflater *inflater, enum rec_codec codec, struct view input, uint64_t bytes_max)
{
    const struct rec_codec_table *table = rec__codec_table(codec);
    struct rec_inflater           opened = {.codec = codec, .input = input};
    int                           rc;

    opened.context = rec__idle_take(REC_IDLE_INFLATE + (int)codec);
    if (opened.context == NULL) {
        opened.context = table->inflate_create();
    }
    if (opened.context == NULL) {
        return ERR_NO_MEMORY;
    }
    rc = table->inflate_begin(opened.context, &opened.input, bytes_max);
    if (rc != ERR_OK) {
        rec__inflate_close(&opened);
        return rc;
    }
    *inflater = opened;
    return ERR_OK;
}

int rec__inflate_pull(struct rec_inflater *inflater, struct span out, size_t *out_len)
{
    int rc;

    CHECK(inflater->context != NULL && out.len > 0);
    *out_len = 0;
    rc = rec__codec_table(inflater->codec)->inflate_pull(inflater->context, &inflater->input, out, out_len);
    CHECK(*out_len <= out.len);
    DCHECK(IMPLIES(rc == 0, *out_len == out.len));
    if (rc == 1 && inflater->input.len > 0) {
        return ERR_CORRUPT;
    }
    return rc;
}

void rec__inflate_close(struct rec_inflater *inflater)
{
    int kind = REC_IDLE_INFLATE + (int)inflater->codec;

    if (inflater->context == NULL) {
        return;
    }
    if (rec__codec_table(inflater->codec)->inflate_end != NULL) {
        rec__codec_table(inflater->codec)->inflate_end(inflater->context);
    }
    if (!rec__idle_keep(kind, inflater->context)) {
        context_destroy(kind, inflater->context);
    }
    inflater->context = NULL;
}

size_t rec__deflate_bound(enum rec_codec codec, size_t len)
{
    return rec__codec_table(codec)->deflate_bound(len);
}

int rec__deflate_open(struct rec_deflater *deflater, enum rec_codec codec, int level, size_t len, struct span out,
                      size_t *out_len)
{
    const struct rec_codec_table *table = rec__codec_table(codec);
    struct rec_deflater           opened = {.codec = codec, .out = out};
    int                           rc;

    *out_len = 0;
    opened.context = rec__idle_take(REC_IDLE_DEFLATE + (int)codec);
    if (opened.context == NULL) {
        opened.context = table->deflate_create();
    }
    if (opened.context == NULL) {
        return ERR_NO_MEMORY;
    }
    rc = table->deflate_begin(opened.context, level, len, out, out_len);
    if (rc != ERR_OK) {
        rec__deflate_close(&opened);
        return rc;
    }
    CHECK(*out_len <= out.len);
    opened.out = span_of(out.base + *out_len, out.len - *out_len);
    *deflater = opened;
    return ERR_OK;
}

int rec__deflate_push(struct rec_deflater *deflater, struct view piece, bool last, size_t *out_len)
{
    int rc;

    CHECK(deflater->context != NULL && (last || piece.len % REC_DEFLATE_PIECE_BYTES == 0));
    *out_len = 0;
    rc = rec__codec_table(deflater->codec)->deflate_push(deflater->context, piece, last, deflater->out, out_len);
    CHECK(*out_len <= deflater->out.len);
    deflater->out = span_of(deflater->out.base + *out_len, deflater->out.len - *out_len);
    return rc;
}

void rec__deflate_close(struct rec_deflater *deflater)
{
    int kind = REC_IDLE_DEFLATE + (int)deflater->codec;

    if (deflater->context != NULL && !rec__idle_keep(kind, deflater->context)) {
        context_destroy(kind, deflater->context);
    }
    deflater->context = NULL;
}

int rec__deflate(enum rec_codec codec, int level, struct view input, size_t room, struct arena *arena,
                 struct span *out_bytes)
{
    struct rec_deflater deflater = {0};
    uint8_t            *out;
    size_t              head = 0;
    size_t              body = 0;
    size_t              bound;
    int                 rc;

    if (input.len > INT32_MAX - room) {
        return ERR_LIMIT;
    }
    bound = rec__deflate_bound(codec, input.len);
    out = arena_alloc(arena, room + bound);
    if (out == NULL) {
        return ERR_NO_MEMORY;
    }
    rc = rec__deflate_open(&deflater, codec, level, input.len, span_of(out + room, bound), &head);
    if (rc == ERR_OK) {
        rc = rec__deflate_push(&deflater, input, true, &body);
        rec__deflate_close(&deflater);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    if (head + body > INT32_MAX - room) {
        return ERR_LIMIT;
    }
    *out_bytes = span_of(out, room + head + body);
    return ERR_OK;
}

void *rec__idle_take(int kind)
{
    struct idle_contexts *kept = &idle[kind];

    return kept->count == 0 ? NULL : kept->contexts[--kept->count];
}

bool rec__idle_keep(int kind, void *context)
{
    struct idle_contexts *kept = &idle[kind];

    if (kept->count == REC_IDLE_MAX) {
        return false;
    }
    kept->contexts[kept->count++] = context;
    return true;
}

void rec_thread_deinit(void)
{
    for (int kind = 0; kind < REC_IDLE_KINDS; kind++) {
        void *context;

        while ((context = rec__idle_take(kind)) != NULL) {
            context_destroy(kind, context);
        }
    }
}

static void context_destroy(int kind, void *context)
{
    if (kind == REC_IDLE_CHECK) {
        mem_free(MEM_RECORD, context);
    } else if (kind < REC_IDLE_DEFLATE) {
        rec__codec_table((enum rec_codec)(kind - REC_IDLE_INFLATE))->inflate_destroy(context);
    } else {
        rec__codec_table((enum rec_codec)(kind - REC_IDLE_DEFLATE))->deflate_destroy(context);
    }
}
