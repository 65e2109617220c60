/* cli_sql_server.h: `millrace sql` against a broker's HTTP listener: scripts, and a client for people at a terminal. */
#ifndef MILLRACE_CLI_SQL_SERVER_H
#define MILLRACE_CLI_SQL_SERVER_H

#include "tools/cli/cli_http.h"
#include "tools/cli/cli_sql_show.h"

#define SQL_SERVER_DEFAULT "http://127.0.0.1:8083"

/* The server, and the session that the statements of one process share. */
struct sql_server {
    struct cli     *cli;
    const char     *text; /* as given */
    struct cli_url  url;
    char            session[40];
    bool            progress; /* people look: how far things are is asked for */
    struct cli_http http;
};

/* Ends the process when the URL is none. */
void sql_server_init(struct sql_server *server, struct cli *cli, const char *url);
/* One script; name: of its file, for messages. Everything but failures goes through show. CLI_DONE, or the failure,
 * which was said unless `quiet`. */
enum cli_exit sql_server_run(struct sql_server *server, struct sql_show *show, const char *name, struct view script,
                             bool quiet);
/* Ctrl-C ends what runs, not the process; told apart by this. */
bool sql_server_was_stopped(void);

/* The command: options --server, -f, -e, -o. */
enum cli_exit sql_server_command(struct cli *cli, enum sql_output output);

/* --- cli_sql_shell.c: statements from people ------------------------------------------------------------------------
 */

enum cli_exit sql_shell_run(struct sql_server *server, enum sql_output output);
/* A script may be sent: its last statement is whole, as far as quotes, comments and statement sets go. Nothing but
 * blanks and comments is whole, too. *out_empty says so. */
bool sql_shell_is_whole(struct view text, bool *out_empty);

/* --- cli_sql_line.c: lines from a terminal --------------------------------------------------------------------------
 */

struct sql_line;

/* Called for Tab: puts the words that begin as `word` does into the editor by sql_line_offer(). */
typedef void sql_line_complete_fn(void *context, struct sql_line *line, struct view word);

struct sql_line *sql_line_open(const char *history_path, sql_line_complete_fn *complete, void *context);
void             sql_line_close(struct sql_line *line);
/* A line with its end, valid until the next call; NULL at the end of the input. *out_interrupted: Ctrl-C. */
const char *sql_line_read(struct sql_line *line, const char *prompt, bool *out_interrupted);
void        sql_line_remember(struct sql_line *line, const char *statement);
void        sql_line_offer(struct sql_line *line, const char *word);

#endif
