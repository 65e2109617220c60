/* cli_out.h: what a command found, printed as tables for people or as JSON for programs.
 *
 * A document is a list of sections; a section is a table (rows of equal columns) or a record (one row, printed as lines
 * of name and value). Columns are named by the puts of the first row, in snake_case; the later rows put the same
 * names in the same order (checked). In JSON: a lone section without a name is the document itself, an array for a
 * table and an object for a record; otherwise the document is an object with one member per section.
 *
 * JSON is stable: numbers are plain (bytes, milliseconds), what is absent is null. Tables are for eyes and may change:
 * sizes as KiB, times as local time, numbers to the right. Colour only on a terminal, and never with NO_COLOR. */
#ifndef MILLRACE_CLI_OUT_H
#define MILLRACE_CLI_OUT_H

#include "tools/cli/cli.h"

struct cli_section;

void cli_out_init(struct cli *cli);
bool cli_out_is_json(const struct cli *cli);
/* name NULL: the document is this section. empty: what people read when there are no rows; NULL: nothing. */
struct cli_section *cli_table(struct cli *cli, const char *name, const char *empty);
struct cli_section *cli_record(struct cli *cli, const char *name);
void                cli_row(struct cli_section *section);
void                cli_put_view(struct cli_section *section, const char *name, struct view text); /* null view: null */
void                cli_put_text(struct cli_section *section, const char *name, const char *text); /* NULL: null */
void                cli_put_number(struct cli_section *section, const char *name, int64_t value);
void                cli_put_bytes(struct cli_section *section, const char *name, int64_t bytes);
void                cli_put_time(struct cli_section *section, const char *name, int64_t ms);
void                cli_put_duration(struct cli_section *section, const char *name, int64_t ms);
void                cli_put_bool(struct cli_section *section, const char *name, bool value);
void                cli_put_none(struct cli_section *section, const char *name);
void cli_put_numbers(struct cli_section *section, const char *name, const int32_t *values, int32_t count);
/* An error's name, red on a terminal; NULL: null, printed as `fine`. */
void cli_put_error(struct cli_section *section, const char *name, const char *error, const char *fine);
/* Orders the rows by the text or number of the first columns. */
void cli_sort(struct cli_section *section);
/* Not for people this time; JSON has it all the same. */
void cli_out_hide(struct cli_section *section);
/* The first column of the first section, one line each, without a head: for xargs. */
void cli_out_print_bare(struct cli *cli);
/* Prints all sections. */
void cli_out_print(struct cli *cli);

/* --- one JSON writer, for documents and for streams -----------------------------------------------------------------
 */

struct cli_json {
    FILE *to;
    int   depth;
    bool  comma;  /* something stands before, at this depth */
    bool  keyed;  /* a key stands before, its value follows */
    bool  pretty; /* line breaks and indents */
};

void cli_json_open(struct cli_json *json, char bracket);
void cli_json_close(struct cli_json *json, char bracket);
void cli_json_key(struct cli_json *json, const char *name);
void cli_json_view(struct cli_json *json,
                   struct view      text); /* bytes that are not UTF-8 become U+FFFD; null view: null */
void cli_json_text(struct cli_json *json, const char *text);
void cli_json_number(struct cli_json *json, int64_t value);
void cli_json_float(struct cli_json *json, double value);
void cli_json_bool(struct cli_json *json, bool value);
void cli_json_null(struct cli_json *json);
/* `name` as text when it is UTF-8, else `name`_base64. */
void cli_json_bytes(struct cli_json *json, const char *name, struct view bytes);

bool cli_is_utf8(struct view bytes);
void cli_print_base64(FILE *to, struct view bytes);

/* --- values as people read them ------------------------------------------------------------------------------------
 */

#define CLI_VALUE_BYTES 48
void cli_format_bytes(int64_t bytes, char out_text[CLI_VALUE_BYTES]);
void cli_format_time(int64_t ms, char out_text[CLI_VALUE_BYTES]);
void cli_format_duration(int64_t ms, char out_text[CLI_VALUE_BYTES]);
/* For one line of a terminal: control bytes as escapes. */
void cli_print_safe(FILE *to, struct view text);

/* "  12,345 records, 4.5 MiB" on standard error, at most ten times a second and only when it is a terminal. */
struct cli_progress {
    int64_t shown_ms;
    bool    on, visible;
};
void cli_progress_init(struct cli_progress *progress, bool wanted);
bool cli_progress_due(struct cli_progress *progress);
void cli_progress_show(struct cli_progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);
/* Removes the line. */
void cli_progress_end(struct cli_progress *progress);

#endif
