/* format_json_read.h: one row of JSON, the exact way. */
#ifndef MILLRACE_FORMAT_JSON_READ_H
#define MILLRACE_FORMAT_JSON_READ_H

#include "compute/format/format_json.h"

/* The ROW's fields at this position from the object that begins at the reader's token. */
enum format__result format__json_row(struct format_decoder *decoder, struct json_reader *reader,
                                     const struct format__field *row, uint32_t position);
/* The record's row at decoder->row_count, if it is plain JSON that fits; false: nothing is kept, the exact way is to
 * be taken. */
MUST_USE bool format__json_fast_row(struct format_decoder *decoder, struct view record);
/* NULL: no such field. Of two of one name the last is meant. */
const struct format__field *format__json_field(const struct format__field *row, struct view name);

#endif
