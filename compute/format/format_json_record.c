/* One record of JSON: an object is a row, an array is a row for each of its elements. */
#include "compute/format/format_json_read.h"

/* Jackson takes UTF-16 and UTF-32, too, and tells them by the zeros of the first character. */
static bool is_wide_json(struct view record)
{
    static const char *const starts[] = {"\xfe\xff", "\xff\xfe"};

    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        if (record.len >= 4 && memcmp(record.base, starts[i], 2) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < 4 && record.len >= 4; i++) {
        bool is_opening = record.base[i] == '{' || record.base[i] == '[';

        if (is_opening && (i > 0 || record.base[1] == 0)) {
            return i == 0 || record.base[i - 1] == 0;
        }
        if (record.base[i] != 0) {
            return false;
        }
    }
    return false;
}

static enum format__result read_row(struct format_decoder *decoder, struct json_reader *reader)
{
    enum format__result result = FORMAT_NULL;

    if (reader->token != JSON_NULL) {
        result = format__json_row(decoder, reader, &decoder->root, decoder->row_count);
    }
    if (result == FORMAT_OK) {
        format__row_add(decoder);
        return FORMAT_OK;
    }
    for (uint32_t i = 0; i < decoder->column_count; i++) {
        format__column_clear_at(&decoder->columns[i], decoder->row_count);
    }
    if (result == FORMAT_BAD && decoder->options.ignore_parse_errors) {
        decoder->skipped++;
        result = FORMAT_NULL;
    }
    return result;
}

static enum format__result read_rows(struct format_decoder *decoder, struct json_reader *reader)
{
    size_t elements = 0;

    for (;;) {
        enum format__result result;

        if (!json_next(reader) || reader->token == JSON_NONE) {
            return format__bad(decoder, view_of(NULL, 0), "malformed JSON: %s",
                               reader->problem == NULL ? "it ends early" : reader->problem);
        }
        if (reader->token == JSON_END_ARRAY) {
            decoder->rows_done = 0;
            return FORMAT_OK;
        }
        if (decoder->row_count == VEC_ROWS_MAX) {
            decoder->rows_done = elements;
            return FORMAT_FULL;
        }
        result = read_row(decoder, reader);
        if (result != FORMAT_OK && result != FORMAT_NULL) {
            return result;
        }
        /* Rows that the chunk before this one has. */
        if (elements++ < decoder->rows_done && result == FORMAT_OK) {
            decoder->row_count--;
        }
    }
}

enum format__result format__json_record(struct format_decoder *decoder, struct view record)
{
    struct json_reader  reader;
    enum format__result result;

    if (record.len == 0) {
        return FORMAT_OK;
    }
    if (!decoder->is_exact && format__json_fast_row(decoder, record)) {
        format__row_add(decoder);
        return FORMAT_OK;
    }
    if (is_wide_json(record)) {
        return format__refused(decoder, view_of(NULL, 0), "JSON in UTF-16 or UTF-32");
    }
    json_open(&reader, record, &decoder->texts);
    if (!json_next(&reader)) {
        return format__bad(decoder, view_of(NULL, 0), "malformed JSON: %s", reader.problem);
    }
    if (reader.token == JSON_START_ARRAY) {
        return read_rows(decoder, &reader);
    }
    if (reader.token != JSON_START_OBJECT) {
        return format__bad(decoder, view_of(NULL, 0), "a JSON object was expected, found %s",
                           json_token_name(reader.token));
    }
    result = read_row(decoder, &reader);
    return result == FORMAT_NULL ? FORMAT_OK : result;
}
