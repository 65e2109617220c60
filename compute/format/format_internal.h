/* format_internal.h: what the files of this room share: where decoded values go, and the parts of a decoder.
 *
 * A decoder has two trees. Fields are the table's columns as the text has them, all of them: Flink converts every
 * column of the table whether a query reads it or not, so what does not fit in an unread column fails the job there and
 * must here. Columns are what the query reads: memory for values, which a field points at when somebody wants it. */
#ifndef MILLRACE_FORMAT_INTERNAL_H
#define MILLRACE_FORMAT_INTERNAL_H

#include "compute/format/format.h"
#include "compute/format/format_scan.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_time.h"
#include "core/base/check.h"

#define FORMAT_ARENA_BLOCK     ((size_t)64 * KIB)
#define FORMAT_ARENA_BYTES_MAX ((size_t)1 * GIB) /* unescaped texts of one call */

/* --- columns ------------------------------------------------------------------------------------------------------ */

/* Memory of one output column, ROW field or ARRAY element. Position p of a ROW's field belongs to position p of the
 * ROW; elements of an ARRAY have positions of their own. All positions are null and zero when a chunk begins. */
struct format__column {
    struct vec_type        type;
    enum vec_layout        layout;
    void                  *data;
    uint64_t              *validity;
    uint32_t               capacity;
    uint32_t               used; /* elements of an ARRAY: positions taken */
    uint32_t               child_count;
    struct format__column *children;
};

/* Every value that a layout can hold. */
union format__value {
    int64_t           integer; /* BOOL to INT64 */
    vec_int128        wide;
    float             single;
    double            real;
    struct vec_string string;
    struct vec_list   list;
};

void format__column_init(struct format__column *column, struct vec_type type, uint32_t capacity);
void format__column_deinit(struct format__column *column);
/* Positions 0 .. count - 1 null again, elements gone. */
void format__column_clear(struct format__column *column, uint32_t count);
/* One position null, with all below it. */
void format__column_clear_at(struct format__column *column, uint32_t position);
/* The next `count` positions of an ARRAY's elements, null. */
uint32_t format__column_extend(struct format__column *elements, uint32_t count);
void     format__column_store(struct format__column *column, uint32_t position, const union format__value *value);
/* As a vector of row_count rows; children are written to `children`, which has room for all below (see count). */
struct vec format__column_show(struct format__column *column, uint32_t row_count, struct vec **children);
uint32_t   format__column_descendants(const struct format__column *column);

static inline void format__column_mark(struct format__column *column, uint32_t position)
{
    vec_bit_set(column->validity, position);
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

struct format__field {
    struct view            name;
    char                  *key; /* "name": with its quotes and the colon */
    uint32_t               key_len;
    uint64_t               key_words[2], key_masks[2]; /* the key's first 16 bytes, little-endian */
    bool                   is_plain_name; /* nothing in it that JSON escapes: `key` is how it stands in the text */
    struct vec_type        type;
    struct format__column *column; /* NULL: checked, not kept */
    uint32_t               field_count;
    struct format__field  *fields; /* ROW: its fields; ARRAY: one, the element */
};

/* --- decoders ----------------------------------------------------------------------------------------------------- */

/* What became of a value or record. */
enum format__result {
    FORMAT_OK,
    FORMAT_NULL,    /* a value that is null by Flink's rules: a DECIMAL that overflows */
    FORMAT_BAD,     /* Flink throws: the record fails, or the value is nulled, by ignore-parse-errors */
    FORMAT_REFUSED, /* Flink could, this engine cannot: fails always */
    FORMAT_FULL,    /* a record: its other rows go into the next chunk */
};

struct format_decoder {
    struct format_options  options;
    uint32_t               column_count;
    struct format__column *columns;
    struct vec            *vecs;        /* of the columns, then what stands below them */
    struct format__field   root;        /* a ROW: the table's columns */
    bool                   is_exact;    /* the quick way through JSON is not taken: for tests and measurements */
    bool                   has_decimal; /* Jackson then reads fractions of trees as BigDecimal */
    struct arena           plan;        /* fields, names */
    struct arena           texts;       /* of one call */
    uint32_t              *record_of_row;
    uint32_t               row_count;
    uint64_t               skipped;
    struct scan_day        day;
    size_t                 record;    /* the one being decoded: index in the call */
    size_t                 rows_done; /* of a record that had more rows than there was room for */
    struct format_failure  failure;
};

/* Says what is wrong with the record; returns BAD, so that `return format__bad(..)` reads well. `field` may have a NULL
 * base. The first message of a record stands. */
enum format__result format__bad(struct format_decoder *decoder, struct view field, const char *format, ...)
    PRINTF_LIKE(3, 4);
enum format__result format__refused(struct format_decoder *decoder, struct view field, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A piece of text for a message: cut, control characters replaced. NUL-terminated. */
#define FORMAT_PIECE_BYTES 48
const char *format__piece(struct view text, char out_piece[FORMAT_PIECE_BYTES]);
void       *format__alloc(struct format_decoder *decoder, size_t bytes);

/* --- values (format_value.c) -------------------------------------------------------------------------------------- */

/* Java's String.trim. */
struct view format__trim(struct view text);
/* Long.parseLong and its narrower sisters. */
bool format__parse_integer(struct view text, int64_t low, int64_t high, int64_t *out_value);
bool format__integer_range(enum vec_kind kind, int64_t *out_low, int64_t *out_high);
bool format__parse_real(struct view text, double *out_value);
bool format__parse_single(struct view text, float *out_value);

enum format__time_style {
    FORMAT_TIME_SQL, /* date, space, HH:mm:ss[.fraction] */
    FORMAT_TIME_ISO, /* date, T, HH:mm[:ss[.fraction]] */
};

/* DateTimeFormatter with resolver style SMART: 30 February is the last of the month, 24:00:00 the next day. */
bool format__parse_timestamp(struct view text, enum format__time_style style, bool zulu, struct vec_civil *out_civil);
/* ISO_LOCAL_DATE, strict. */
bool format__parse_date(struct view text, int32_t *out_days);
bool format__parse_time(struct view text, enum format__time_style style, int64_t *out_nanoseconds);
/* Of a TIMESTAMP type; REFUSED where its layout cannot hold the fraction. */
enum format__result format__timestamp_value(struct format_decoder *decoder, struct view field, struct vec_type type,
                                            struct vec_civil civil, union format__value *out_value);
enum format__result format__decimal_value(struct format_decoder *decoder, struct view field, struct vec_type type,
                                          struct view text, union format__value *out_value);

/* 0..63, or -2. */
int format__base64_bits(uint8_t mark);
/* Jackson's MIME-NO-LINEFEEDS: white space is skipped, padding is required. out has room for text.len bytes. */
bool   format__base64_decode(struct view text, uint8_t *out_bytes, size_t *out_len);
size_t format__base64_encode(struct view bytes, char *out_text);

void format__decoder_exact(struct format_decoder *decoder);

/* --- formats ------------------------------------------------------------------------------------------------------ */

/* One record: each row is filled in at decoder->row_count and added. BAD, REFUSED: failure.message is set (BAD: unless
 * errors are ignored). */
enum format__result format__json_record(struct format_decoder *decoder, struct view record);
enum format__result format__csv_record(struct format_decoder *decoder, struct view record);
enum format__result format__raw_record(struct format_decoder *decoder, struct view record);

static inline void format__row_add(struct format_decoder *decoder)
{
    decoder->record_of_row[decoder->row_count++] = (uint32_t)decoder->record;
}

#endif
