/* cli_template.h: what `millrace consume -f` prints for a record.
 *
 *   %s %v  value          %S %V  its bytes, -1 for null      %R  the same as 4 bytes, big-endian
 *   %k     key            %K     its bytes, -1 for null
 *   %t     topic          %p     partition                   %o  offset
 *   %T     timestamp, ms  %d     timestamp, local time       %h  headers, name=value, with commas
 *   %%     a per cent sign
 *   {hex}, {base64}, {json} behind %s %v %k: encoded; {json} with its quotes
 *   \n \t \r \0 \\ \xHH
 *
 * kcat's verbs, and of rpk's those that differ in name only. Parsed once; one owner, one thread. */
#ifndef MILLRACE_CLI_TEMPLATE_H
#define MILLRACE_CLI_TEMPLATE_H

#include "tools/cli/cli.h"

struct cli_record_header {
    struct view name, value; /* value.base NULL: null */
};

/* A record as it came. Views are the consumer's, until the next. */
struct cli_record_view {
    struct view                     topic;
    int32_t                         partition;
    int64_t                         offset;
    int64_t                         timestamp_ms; /* -1: none */
    struct view                     key, value;   /* base NULL: null */
    const struct cli_record_header *headers;
    size_t                          header_count;
};

struct cli_template;

/* NULL and *out_why (static) when the text is wrong. null_text stands for null keys and values; NULL: nothing. */
struct cli_template *cli_template_parse(struct cli *cli, const char *text, const char *null_text, const char **out_why);
void cli_template_print(const struct cli_template *template_, const struct cli_record_view *record, FILE *to);
/* One line of JSON. */
void cli_record_json(const struct cli_record_view *record, FILE *to);

#endif
