/* format.h: records to vectors and back: JSON, CSV and raw, as Flink's formats of the same names do it to the byte.
 *
 * A decoder is compiled from the columns that the query reads and from those that the record has: fields that nobody
 * reads are checked, not kept, because Flink converts every column of a table and fails where one does not fit.
 * docs/sql/formats.md says what becomes of records that are not what they should be.
 *
 * Texts in the result point into the records where they stand there unescaped, else into the decoder's memory: both
 * must live until the vectors are done with. An encoder appends one record per row.
 *
 * Errors. A record that does not fit fails the call with its index and a message, or is skipped or nulled and counted,
 * by the options and by Flink's rules for each.
 *
 * Threading: none here; a decoder or encoder belongs to one worker. */
#ifndef MILLRACE_FORMAT_H
#define MILLRACE_FORMAT_H

#include "compute/expr/expr.h"
#include "core/base/buf.h"

enum format_kind { FORMAT_JSON, FORMAT_CSV, FORMAT_RAW };

#define FORMAT_MESSAGE_BYTES 320
#define FORMAT_CHUNK_BYTES   ((size_t)4 * MIB) /* a chunk ends behind the record that reaches it */
#define FORMAT_NESTING_MAX   1000              /* Jackson's StreamReadConstraints: deeper JSON is malformed */

/* One `format` of a table with its options ('json.ignore-parse-errors' = 'true' ..): Flink's names without the prefix.
 */
struct format_options {
    enum format_kind kind;
    bool             ignore_parse_errors;
    /* json */
    bool fail_on_missing_field;
    bool iso_8601;           /* timestamp-format.standard */
    bool decimal_as_plain;   /* encode.decimal-as-plain-number */
    bool ignore_null_fields; /* encode.ignore-null-fields */
    /* csv */
    char        field_delimiter; /* default , */
    char        quote;           /* default "; 0: disable-quote-character */
    char        escape;          /* 0: none */
    bool        allow_comments;
    bool        has_null_literal;
    struct view null_literal;
    char        array_delimiter; /* default ; */
    bool        scientific;      /* write-bigdecimal-in-scientific-notation = true, which is not the default */
    /* raw */
    bool big_endian;
};

/* Defaults of a format. False: no such format; out_message names those there are. */
bool format_options_init(struct format_options *options, struct view format_name, char *out_message);
/* key without the prefix ("ignore-parse-errors"). False with a message: no such option, or a value that does not fit.
 */
bool format_options_set(struct format_options *options, struct view key, struct view value, char *out_message);
/* False with a message: a type that the format cannot hold (ROW in raw, two columns in raw ..). */
bool format_check_schema(const struct format_options *options, const struct vec_field *columns, uint32_t column_count,
                         char *out_message);

/* --- decoding ------------------------------------------------------------------------------------------------------
 */

struct format_decoder;

struct format_schema {
    const struct format_options *options;
    uint32_t                     column_count;
    const struct vec_field      *columns;
    /* The whole record: all physical columns of the table with their whole types (columns may have ROWs without the
     * fields that nobody reads). Flink converts all of them, so they are checked here, too. NULL: the columns are all
     * there is. positions: which field each column is; NULL: the one of its name. */
    uint32_t                field_count;
    const struct vec_field *fields;
    const uint32_t         *positions;
    /* See struct exec_scan: hints, which a decoder may leave alone (README.md says why these do). */
    const struct expr *needed;
    bool               keeps_all_rows;
    const bool        *always;
};

struct format_rows {
    struct vec_chunk chunk;        /* columns as in the schema */
    const uint32_t  *record;       /* by row: index of the record it came from (JSON arrays give several rows) */
    size_t           record_count; /* how many records were consumed */
    uint64_t         skipped;      /* records without rows, and nulled fields: ignore_parse_errors */
};

struct format_failure {
    size_t record; /* index in the call's records */
    char   message[FORMAT_MESSAGE_BYTES];
};

struct format_decoder *format_decoder_create(const struct format_schema *schema);
void                   format_decoder_destroy(struct format_decoder *decoder);
/* Decodes records[0 ..] until VEC_ROWS_MAX rows are full, FORMAT_CHUNK_BYTES are read or the records are through; the
 * next call goes on with records[record_count]: a JSON array of more rows than there was room for is not counted and
 * must be handed over again. A record whose base is NULL is a null value (tombstone): no row. The result lives until
 * the next call. False: format_decoder_failure(). */
MUST_USE bool                format_decode(struct format_decoder *decoder, const struct view *records, size_t count,
                                           struct format_rows *out_rows);
const struct format_failure *format_decoder_failure(const struct format_decoder *decoder);

/* --- encoding ------------------------------------------------------------------------------------------------------
 */

struct format_encoder;

struct format_output {
    const char     *bytes;
    const uint32_t *ends; /* by row in order of selection: where its record ends */
    uint32_t        row_count;
};

struct format_encoder *format_encoder_create(const struct format_options *options, const struct vec_field *columns,
                                             uint32_t column_count);
void                   format_encoder_destroy(struct format_encoder *encoder);
/* The columns (chosen and ordered as the encoder's) of the chunk's selected rows. The result lives until the next call.
 * False: a value that the format cannot write; format_encoder_failure(), record = place in the selection. */
MUST_USE bool format_encode(struct format_encoder *encoder, const struct vec *columns, const struct vec_chunk *chunk,
                            struct format_output *out);
const struct format_failure *format_encoder_failure(const struct format_encoder *encoder);

#endif
