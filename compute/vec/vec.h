/* vec.h: types, vectors and chunks: what the query engine computes on.
 *
 * A *vector* is up to VEC_ROWS_MAX values of one type, column-wise. A *chunk* is a set of vectors of equal length, with
 * an optional selection of rows and an optional change kind per row. Both are descriptions: small structs that point at
 * memory somebody else owns, copied freely (projecting a column is a struct copy). Unless a function says otherwise,
 * what a chunk points at is valid only during the call that hands it over: whoever keeps rows copies them.
 *
 * Values. Integers, floats and int128 stand in plain arrays in native byte order, as in Arrow. BOOLEAN is a byte, 0 or
 * 1 (Arrow packs bits; kernels over bytes need no bit arithmetic, and an export packs them). Texts are 16-byte views,
 * struct vec_string: the layout of Arrow's Utf8View but for the long form, which holds a pointer instead of buffer
 * index and offset, so that vectors from several inputs can be mixed without rewriting. Nulls are a validity bitmap as
 * in Arrow (bit set = value present), NULL pointer = no nulls. The bytes behind a null are defined (zero) but mean
 * nothing.
 *
 * Forms. FLAT: row i stands at i. CONSTANT: all rows are the value at 0. DICTIONARY: row i stands at indices[i] of
 * data; used where the input repeats (decoded channels) and where joins pick rows without copying. Kernels read every
 * form through struct vec_access.
 *
 * Threading: none here. Errors: none; CHECKs only. Memory comes from arenas the caller gives. */
#ifndef MILLRACE_VEC_H
#define MILLRACE_VEC_H

#include "core/base/arena.h"

#define VEC_ROWS_MAX           2048
#define VEC_VALIDITY_WORDS     (VEC_ROWS_MAX / 64)
#define VEC_DECIMAL_DIGITS_MAX 38
#define VEC_LENGTH_UNLIMITED   INT32_MAX

/* --- types -------------------------------------------------------------------------------------------------------- */

/* Flink's logical types (LogicalTypeRoot.java), as far as the dialect has them. */
enum vec_kind {
    VEC_NULL, /* the type of a bare NULL: castable to everything */
    VEC_BOOLEAN,
    VEC_TINYINT,
    VEC_SMALLINT,
    VEC_INT,
    VEC_BIGINT,
    VEC_FLOAT,
    VEC_DOUBLE,
    VEC_DECIMAL,
    VEC_CHAR,
    VEC_VARCHAR, /* STRING is VARCHAR(2147483647) */
    VEC_BINARY,
    VEC_VARBINARY, /* BYTES */
    VEC_DATE,
    VEC_TIME,
    VEC_TIMESTAMP,
    VEC_TIMESTAMP_LTZ,
    VEC_INTERVAL_MONTH, /* YEAR TO MONTH */
    VEC_INTERVAL_DAY,   /* DAY TO SECOND */
    VEC_ROW,
    VEC_ARRAY,
    VEC_KIND_COUNT,
};

/* How the values of a type stand in memory. */
enum vec_layout {
    VEC_LAYOUT_NONE,   /* VEC_NULL; VEC_ROW, whose values are its children's */
    VEC_LAYOUT_BOOL,   /* uint8_t: BOOLEAN */
    VEC_LAYOUT_INT8,   /* TINYINT */
    VEC_LAYOUT_INT16,  /* SMALLINT */
    VEC_LAYOUT_INT32,  /* INT; DATE: days since 1970-01-01; TIME: ms of the day; INTERVAL_MONTH: months */
    VEC_LAYOUT_INT64,  /* BIGINT; DECIMAL to 18 digits, unscaled; TIMESTAMP and _LTZ to precision 6: us since the epoch,
                          also for precision 3, because Flink's decoders keep finer fractions that are in the input;
                          INTERVAL_DAY: ms */
    VEC_LAYOUT_INT128, /* DECIMAL from 19 digits, unscaled; TIMESTAMP and _LTZ of precision 7..9: ns */
    VEC_LAYOUT_FLOAT,
    VEC_LAYOUT_DOUBLE,
    VEC_LAYOUT_STRING, /* struct vec_string: CHAR, VARCHAR (UTF-8), BINARY, VARBINARY */
    VEC_LAYOUT_LIST,   /* struct vec_list: ARRAY */
    VEC_LAYOUT_COUNT,
};

struct vec_field;

/* By value; children live in the plan's arena. */
struct vec_type {
    enum vec_kind           kind;
    bool                    nullable;
    uint8_t                 precision; /* DECIMAL 1..38; TIME 0..3; TIMESTAMP 0..9 */
    uint8_t                 scale;     /* DECIMAL 0..precision */
    int32_t                 length;    /* CHAR, VARCHAR, BINARY, VARBINARY: characters or bytes */
    uint32_t                child_count;
    const struct vec_field *children; /* ROW: its fields; ARRAY: one, the element */
};

struct vec_field {
    struct view     name;
    struct vec_type type;
};

__extension__ typedef __int128          vec_int128; /* the compiler's type has no standard name */
__extension__ typedef unsigned __int128 vec_uint128;

enum vec_layout vec_type_layout(struct vec_type type);
/* Bytes of one value; 0 for VEC_LAYOUT_NONE. */
size_t vec_layout_bytes(enum vec_layout layout);
/* Everything but nullability is equal; ROW fields by name, too. */
bool vec_type_equal(struct vec_type a, struct vec_type b);
/* "DECIMAL(23, 3) NOT NULL", as Flink prints types (asSummaryString). Returns the length that was needed. */
size_t vec_type_format(struct vec_type type, char *out_text, size_t capacity);

/* A type without parameters, nullable. */
static inline struct vec_type vec_type_of(enum vec_kind kind)
{
    return (struct vec_type){
        .kind = kind,
        .nullable = true,
        .length = kind == VEC_VARCHAR || kind == VEC_VARBINARY ? VEC_LENGTH_UNLIMITED : 1,
    };
}

static inline struct vec_type vec_type_decimal(uint8_t precision, uint8_t scale)
{
    return (struct vec_type){.kind = VEC_DECIMAL, .nullable = true, .precision = precision, .scale = scale};
}

static inline struct vec_type vec_type_timestamp(enum vec_kind kind, uint8_t precision)
{
    return (struct vec_type){.kind = kind, .nullable = true, .precision = precision};
}

static inline bool vec_kind_is_text(enum vec_kind kind)
{
    return kind == VEC_CHAR || kind == VEC_VARCHAR;
}

static inline bool vec_kind_is_integer(enum vec_kind kind)
{
    return kind >= VEC_TINYINT && kind <= VEC_BIGINT;
}

static inline bool vec_kind_is_numeric(enum vec_kind kind)
{
    return kind >= VEC_TINYINT && kind <= VEC_DECIMAL;
}

/* Values of a TIMESTAMP type per second: 1,000,000 or 1,000,000,000. */
int64_t vec_timestamp_units(struct vec_type type);

/* --- texts -------------------------------------------------------------------------------------------------------- */

#define VEC_STRING_INLINE_MAX 12

/* Up to 12 bytes inline, zero padded; longer ones by pointer with the first four bytes beside the length, so that most
 * comparisons end without touching the text. */
struct vec_string {
    uint32_t len;
    union {
        char inline_[VEC_STRING_INLINE_MAX];
        struct __attribute__((packed)) {
            char        prefix[4];
            const char *base;
        } ref;
    };
};

static inline struct vec_string vec_string_of(const char *base, uint32_t len)
{
    struct vec_string string = {.len = len};

    if (len <= VEC_STRING_INLINE_MAX) {
        memset(string.inline_, 0, sizeof(string.inline_));
        memcpy(string.inline_, base, len);
    } else {
        memcpy(string.ref.prefix, base, sizeof(string.ref.prefix));
        string.ref.base = base;
    }
    return string;
}

static inline const char *vec_string_base(const struct vec_string *string)
{
    return string->len <= VEC_STRING_INLINE_MAX ? string->inline_ : string->ref.base;
}

static inline struct view vec_string_view(const struct vec_string *string)
{
    return view_of(vec_string_base(string), string->len);
}

bool vec_string_equal(const struct vec_string *a, const struct vec_string *b);
/* Bytewise, which is code point order in UTF-8: Flink's BinaryStringData.compareTo. */
int vec_string_compare(const struct vec_string *a, const struct vec_string *b);

/* --- vectors ------------------------------------------------------------------------------------------------------ */

enum vec_form { VEC_FLAT, VEC_CONSTANT, VEC_DICTIONARY };

struct vec_list {
    uint32_t offset; /* into the element vector's rows */
    uint32_t len;
};

struct vec {
    struct vec_type type;
    enum vec_form   form;
    void           *data;     /* array of the layout's values; NULL for VEC_LAYOUT_NONE */
    uint64_t       *validity; /* by position in data; NULL = no nulls */
    const uint16_t *indices;  /* DICTIONARY: row -> position in data */
    struct vec *children; /* ROW: one per field, row p of a child belongs to position p, and is null where the ROW is;
                             ARRAY: one, the elements */
    uint32_t child_rows;  /* ARRAY: rows of the element vector, which may be more than VEC_ROWS_MAX */
    uint32_t capacity;    /* positions there is room for in data and validity */
};

static inline bool vec_bit_get(const uint64_t *bits, size_t at)
{
    return (bits[at / 64] >> (at % 64)) & 1;
}

static inline void vec_bit_set(uint64_t *bits, size_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static inline void vec_bit_clear(uint64_t *bits, size_t at)
{
    bits[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

/* Reads any form: the value of row i stands at data[index == NULL ? i : index[i]], its bit in validity likewise. A
 * CONSTANT gets an index of zeros. */
struct vec_access {
    const void     *data;
    const uint64_t *validity;
    const uint16_t *index;
};

struct vec_access vec_access_of(const struct vec *vec);

static inline size_t vec_access_at(const struct vec_access *access, size_t row)
{
    return access->index == NULL ? row : access->index[row];
}

static inline bool vec_access_null(const struct vec_access *access, size_t row)
{
    return access->validity != NULL && !vec_bit_get(access->validity, vec_access_at(access, row));
}

/* A FLAT vector with room for VEC_ROWS_MAX values and no validity; children included. */
struct vec vec_make(struct arena *arena, struct vec_type type);
/* The same with room for row_count values: for results of known size. */
struct vec vec_make_rows(struct arena *arena, struct vec_type type, size_t row_count);
/* Its bitmap for `capacity` positions, made (all present) when there is none: call before the first null. */
uint64_t *vec_need_validity(struct vec *vec, struct arena *arena);
/* All rows null / the value at `row` of `source` for all rows. */
struct vec vec_make_null(struct arena *arena, struct vec_type type);
struct vec vec_make_constant(struct arena *arena, const struct vec *source, size_t row);
bool       vec_is_null(const struct vec *vec, size_t row);
/* The same values as FLAT, rows 0 .. row_count - 1; texts are not copied. */
struct vec vec_flatten(struct arena *arena, const struct vec *source, size_t row_count);
/* Rows rows[0 .. count - 1] of source, without copying values where the form allows it (DICTIONARY). */
struct vec vec_pick(struct arena *arena, const struct vec *source, const uint16_t *rows, size_t count);
/* Copies a value, texts included (into the arena): the target is FLAT with validity where needed. */
void vec_copy_value(struct arena *arena, struct vec *target, size_t target_row, const struct vec *source, size_t row);

/* --- chunks ------------------------------------------------------------------------------------------------------- */

/* What a row means in a changelog (Flink's RowKind, same values). */
enum vec_change { VEC_INSERT = 0, VEC_UPDATE_BEFORE = 1, VEC_UPDATE_AFTER = 2, VEC_DELETE = 3 };

struct vec_chunk {
    uint32_t        row_count;      /* of the vectors */
    uint32_t        selected_count; /* of selection; == row_count when there is none */
    const uint16_t *selection;      /* ascending row numbers; NULL = all rows */
    const uint8_t  *changes;        /* enum vec_change by row; NULL = all VEC_INSERT */
    uint32_t        column_count;
    struct vec     *columns;
};

/* The row number of the i-th selected row. */
static inline size_t vec_chunk_row(const struct vec_chunk *chunk, size_t i)
{
    return chunk->selection == NULL ? i : chunk->selection[i];
}

static inline enum vec_change vec_chunk_change(const struct vec_chunk *chunk, size_t row)
{
    return chunk->changes == NULL ? VEC_INSERT : (enum vec_change)chunk->changes[row];
}

/* A chunk of its own, selected rows only, texts copied: for whoever keeps rows or sends them to another worker. */
struct vec_chunk vec_chunk_copy(struct arena *arena, const struct vec_chunk *chunk);

/* --- hashing and order -------------------------------------------------------------------------------------------- */

/* hashes[row] for each selected row; combine = mix into what stands there (further columns of a key). Equal values
 * have equal hashes in every form; null is a value. */
void vec_hash(const struct vec *vec, const struct vec_chunk *chunk, uint64_t *hashes, bool combine);
/* <0, 0, >0; nulls are equal to each other and lower than all values (Flink's default in ORDER BY ASC is nulls first).
 * DOUBLE and FLOAT as Java's compare (-0.0 < 0.0, NaN highest). */
int vec_compare(const struct vec *a, size_t a_row, const struct vec *b, size_t b_row);

/* --- verification ------------------------------------------------------------------------------------------------- */

/* Tests: rewrites a vector into another shape that means the same (constant where all rows are equal, dictionary with
 * shuffled values, validity where none is needed, garbage behind nulls, texts moved so that their old bytes are dead).
 * Chosen by seed. */
struct vec vec_verify_reshape(struct arena *arena, const struct vec *source, size_t row_count, uint64_t seed);

#endif
