/* format_json.h: JSON as a stream of tokens, the way Jackson's UTF8StreamJsonParser hands it to Flink.
 *
 * Flink's converters walk over tokens and do not always end where a value ends (a BOOLEAN column that finds an object
 * reads its opening brace as a text and leaves the rest to the loop around it). To give the same rows for such records
 * the tokens must come in the same order, texts must be read as lazily, and an error must leave the reader where
 * Jackson stands then. This is the exact path; format_json_fast.c is the quick one for records that are what they
 * should be. */
#ifndef MILLRACE_FORMAT_JSON_H
#define MILLRACE_FORMAT_JSON_H

#include "compute/format/format_internal.h"

/* StreamReadConstraints of Jackson 2.18. */
#define JSON_NAME_CHARS_MAX   50000
#define JSON_NUMBER_CHARS_MAX 1000
#define JSON_STRING_CHARS_MAX 20000000
#define JSON_WORD_BYTES_MAX   256 /* of a wrong word, how much counts as read */

#define JSON_DEPTH_WORDS ((FORMAT_NESTING_MAX + 64) / 64)

enum json_token {
    JSON_NONE, /* before the first and after the last */
    JSON_START_OBJECT,
    JSON_END_OBJECT,
    JSON_START_ARRAY,
    JSON_END_ARRAY,
    JSON_FIELD_NAME,
    JSON_STRING,
    JSON_INT,
    JSON_FLOAT,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader {
    const uint8_t  *start, *at, *end;
    enum json_token token;
    enum json_token next;          /* FIELD_NAME: the value's, which is looked at together with the name */
    bool            is_incomplete; /* STRING: `at` is behind its opening quote, nobody has read it */
    struct view     name;          /* FIELD_NAME */
    struct view     text;          /* complete STRING, INT, FLOAT */
    uint32_t        depth;
    uint64_t        in_object[JSON_DEPTH_WORDS]; /* by depth: an object, not an array */
    uint64_t        has_item[JSON_DEPTH_WORDS];  /* by depth: a comma must come before the next item */
    struct arena   *texts;
    const char     *problem;
};

void json_open(struct json_reader *reader, struct view record, struct arena *texts);
/* False: malformed; problem says what. The next call goes on behind what was wrong. */
MUST_USE bool json_next(struct json_reader *reader);
/* The token's text as JsonParser.getText gives it; base NULL for JSON_NONE. False: malformed inside. */
MUST_USE bool json_text(struct json_reader *reader, struct view *out_text);
/* From behind an opening quote (reader->at) to behind the closing one. */
MUST_USE bool json_read_string(struct json_reader *reader, struct view *out_text);
/* The STRING's bytes, decoded from base64. False: none, or no STRING. */
MUST_USE bool json_bytes(struct json_reader *reader, struct view *out_bytes);
/* From the token on to where the next item begins; what skipToNextField does. */
MUST_USE bool json_skip_field(struct json_reader *reader);
/* The object or array that begins here, as JsonNode.toString writes it; the reader ends at its last token.
 * big_decimals: fractions keep their digits instead of going through double. */
MUST_USE bool json_tree_text(struct json_reader *reader, bool big_decimals, struct view *out_text);
const char   *json_token_name(enum json_token token);

/* Length of the escape and its text for a byte that JSON does not take raw; 0: raw. */
size_t json_escape(uint8_t byte, char out_text[6]);
/* True for UTF-8 as the standard has it: no overlong forms, no surrogates. */
bool json_is_utf8(const uint8_t *at, const uint8_t *end);
/* Text in UTF-8 as loosely as Jackson takes it, made what JSON strings give. False: not even that. */
MUST_USE bool json_loose_text(struct view text, struct arena *texts, struct view *out_text);

struct json__units;

/* format_json_text.c for format_json_token.c: from behind the opening quote to behind the closing one, as a text or
 * checked only (units NULL). */
MUST_USE bool json__read_text(struct json_reader *reader, size_t chars_max, struct view *out_text);
MUST_USE bool json__read_units(struct json_reader *reader, struct json__units *units);

#endif
