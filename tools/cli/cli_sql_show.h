/* cli_sql_show.h: what the server answers to a script, as people or programs want it: tables, JSON, CSV, changes.
 *
 * Lines come as docs/http.md has them. Rows of a query are changes, so every form begins with the change, as Flink's
 * client shows them: a column "op" with +I, -U, +U or -D. Only on a terminal the table that they make is shown instead,
 * as it stands and in place. */
#ifndef MILLRACE_CLI_SQL_SHOW_H
#define MILLRACE_CLI_SQL_SHOW_H

#include "compute/format/format_text.h"
#include "tools/cli/cli_out.h"
#include "tools/cli/cli_sql.h"
#include "tools/cli/cli_sql_live.h"

#define SQL_CELL_WIDTH_MAX 60 /* wider cells push their row, not the table */

/* How the rows of a query appear: SET 'sql-client.execution.result-mode'. */
enum sql_result {
    SQL_RESULT_CHANGES, /* 'changelog', and 'table' where nobody can see it change */
    SQL_RESULT_LIVE,    /* 'table' */
    SQL_RESULT_TABLEAU, /* changes in a frame */
};

struct sql_show {
    struct cli         *cli;
    FILE               *to;
    enum sql_output     output;
    bool                says_ok;       /* an interactive client hears that a statement is done */
    bool                is_terminal;   /* `to` can be drawn on */
    size_t              width, height; /* of it; 0: it is asked */
    struct cli_progress progress;
    /* of a query */
    bool               shows_query; /* it is under way */
    enum sql_result    result;
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
    struct sql_live    live; /* the table as it stands */
    size_t             drawn_lines;
    int64_t            drawn_ms, rate_ms, rate_records;
    double             records_per_s;
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

/* --- cli_sql_draw.c ------------------------------------------------------------------------------------------------
 */

/* Characters, not bytes. */
size_t sql_show_width(const char *text, size_t len);
/* A value as people read it, appended: texts without quotes and control bytes, NULL as Flink's client shows it. */
void sql_show_cell(struct format_text *text, struct view raw);
/* Two blanks and the cell, numbers to the right. */
void sql_show_put_padded(struct format_text *text, const struct sql_show *show, size_t column, const char *cell,
                         size_t len); /* cli_sql_show.c */
/* A table of texts that is all there: widths are exact. The first row is the head. */
void sql_show_grid(FILE *to, struct view head, struct view rows);
/* The table where it was drawn before, not more often than eyes follow. */
void sql_show_draw(struct sql_show *show);
/* Once more, as it stays. */
void sql_show_draw_end(struct sql_show *show);
void sql_show_tableau_begin(struct sql_show *show, struct view columns);
void sql_show_tableau_row(struct sql_show *show, struct view op, struct view row);
void sql_show_tableau_end(struct sql_show *show);

#endif
