/* cli_sql_show.h: what the server answers to a script, as people or programs want it: tables, JSON, CSV, changes.
 *
 * Lines come as docs/http.md has them. Rows of a query are changes, so every form begins with the change, as Flink's
 * client shows them: a column "op" with +I, -U, +U or -D. */
#ifndef MILLRACE_CLI_SQL_SHOW_H
#define MILLRACE_CLI_SQL_SHOW_H

#include "compute/format/format_text.h"
#include "tools/cli/cli_out.h"
#include "tools/cli/cli_sql.h"

struct sql_show {
    struct cli         *cli;
    FILE               *to;
    enum sql_output     output;
    bool                says_ok; /* an interactive client hears that a statement is done */
    struct cli_progress progress;
    /* of a query */
    size_t             column_count;
    char             **names;
    bool              *is_number;
    size_t            *widths;
    bool               has_widths;
    struct format_text pending; /* rows that wait for the widths, as lines */
    size_t             pending_count;
    uint64_t           row_count;
    int64_t            begin_ms;
    int64_t            watermark_ms; /* INT64_MIN: none */
    int64_t            records_in;
    /* the outcome */
    bool               failed;
    int                status;  /* of the failure, as HTTP has it */
    struct format_text message; /* of the failure, with a NUL */
    char               job_id[64];
};

void sql_show_init(struct sql_show *show, struct cli *cli, FILE *to, enum sql_output output);
void sql_show_deinit(struct sql_show *show);
/* Before a script. */
void sql_show_reset(struct sql_show *show);
/* One line of the answer, without its end. False: it is none. */
MUST_USE bool sql_show_line(struct sql_show *show, struct view line);
/* Nothing more is here at the moment: what waits is shown, and how far things are. */
void sql_show_idle(struct sql_show *show);
/* The answer is over. */
void sql_show_end(struct sql_show *show);

#endif
