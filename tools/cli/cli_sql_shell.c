/* cli_sql_shell.c: statements from people: several lines until the semicolon, completion, results as they come. */
#include "core/base/mem.h"
#include "tools/cli/cli_scan.h"
#include "tools/cli/cli_sql_server.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX        512
#define TABLES_MAX       40 /* whose columns are asked for */
#define HISTORY_DIR_MODE 0700

/* What a script's text has come to at its end. */
struct shell_scan {
    char   quote;   /* inside '..', ".." or `..` */
    char   comment; /* '-' to the end of the line, '*' to its closing mark */
    bool   pending; /* something stands behind the last semicolon */
    bool   any;
    bool   in_set;   /* between BEGIN and END */
    char   word[16]; /* the last one, upper case */
    size_t word_len;
    size_t cases;
};

/* END closes a CASE or the set; only the latter is kept in `word`. */
static void scan_end_of_word(struct shell_scan *scan)
{
    scan->word[MIN(scan->word_len, sizeof(scan->word) - 1)] = '\0';
    if (strcmp(scan->word, "BEGIN") == 0) {
        scan->in_set = true;
    } else if (strcmp(scan->word, "CASE") == 0) {
        scan->cases++;
    } else if (strcmp(scan->word, "END") == 0 && scan->cases > 0) {
        scan->cases--;
        scan->word[0] = '\0';
    }
}

static void scan_plain(struct shell_scan *scan, char byte, char next)
{
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';

    if (is_letter) {
        if (scan->word_len < sizeof(scan->word) - 1) {
            scan->word[scan->word_len] = byte >= 'a' ? (char)(byte - 'a' + 'A') : byte;
        }
        scan->word_len++;
        scan->pending = scan->any = true;
        return;
    }
    if (scan->word_len > 0) {
        scan_end_of_word(scan);
    }
    if (byte == ';') {
        bool ends_set = strcmp(scan->word, "END") == 0;

        scan->in_set = scan->in_set && !ends_set;
        scan->pending = scan->in_set;
        scan->word[0] = '\0';
    } else if (byte == '\'' || byte == '"' || byte == '`') {
        scan->quote = byte;
    } else if ((byte == '-' && next == '-') || (byte == '/' && next == '*')) {
        scan->comment = byte == '-' ? '-' : '*';
    }
    if (strchr(" \t\r\n;", byte) == NULL && scan->comment == '\0') {
        scan->pending = scan->any = true;
        scan->word[0] = '\0';
    }
    scan->word_len = 0;
}

bool sql_shell_is_whole(struct view text, bool *out_empty)
{
    struct shell_scan scan = {0};

    for (size_t i = 0; i < text.len; i++) {
        char byte = (char)text.base[i], next = i + 1 < text.len ? (char)text.base[i + 1] : '\0';

        if (scan.quote != '\0') {
            scan.quote = byte == scan.quote ? '\0' : scan.quote; /* a doubled one opens again */
        } else if (scan.comment == '-') {
            scan.comment = byte == '\n' ? '\0' : '-';
        } else if (scan.comment == '*') {
            if (byte == '*' && next == '/') {
                scan.comment = '\0';
                i++;
            }
        } else {
            scan_plain(&scan, byte, next);
        }
    }
    *out_empty = !scan.any && scan.quote == '\0';
    return !scan.pending && scan.quote == '\0' && scan.comment != '*' && scan.word_len == 0;
}

/* --- completion -------------------------------------------------------------------------------------------------- */

struct shell {
    struct sql_server *server;
    struct sql_show    show;
    struct sql_line   *line;
    char              *names[NAMES_MAX]; /* of tables and columns */
    size_t             name_count;
    bool               names_known;
};

static const char *const shell_words[] = {
    "ALTER",     "AND",     "AS",       "BEGIN",    "BETWEEN",   "BY",        "CASE",       "CAST",      "COALESCE",
    "COUNT",     "CREATE",  "CROSS",    "CUMULATE", "DELETE",    "DESCRIBE",  "DESCRIPTOR", "DISTINCT",  "DROP",
    "ELSE",      "END",     "EXECUTE",  "EXISTS",   "EXPLAIN",   "FILTER",    "FROM",       "FULL",      "GROUP",
    "HAVING",    "HOP",     "INNER",    "INSERT",   "INTERVAL",  "INTO",      "JOBS",       "JOIN",      "LEFT",
    "LIKE",      "LIMIT",   "METADATA", "NOT",      "NULL",      "ON",        "OR",         "ORDER",     "OVER",
    "PARTITION", "PRIMARY", "RESET",    "RIGHT",    "SAVEPOINT", "SELECT",    "SESSION",    "SET",       "SHOW",
    "STATEMENT", "STOP",    "SUM",      "TABLE",    "TABLES",    "TEMPORARY", "THEN",       "TIMESTAMP", "TUMBLE",
    "UNION",     "UNNEST",  "VALUES",   "VIEW",     "VIEWS",     "WATERMARK", "WHEN",       "WHERE",     "WITH",
};

static void shell_forget_names(struct shell *shell)
{
    for (size_t i = 0; i < shell->name_count; i++) {
        mem_free(MEM_CLI, shell->names[i]);
    }
    shell->name_count = 0;
    shell->names_known = false;
}

/* The first column of every table in the answers. */
static void shell_take_names(struct shell *shell, const char *text, size_t len)
{
    const char *end = text + len;

    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        struct view line = view_of(text, (size_t)((lf == NULL ? end : lf) - text)), rows, row, raw;
        size_t      place = 0, column;

        while (cli_scan_member(line, "rows", &rows) && cli_scan_item(rows, &place, &row)) {
            column = 0;
            if (shell->name_count < NAMES_MAX && cli_scan_item(row, &column, &raw)) {
                char *name = mem_alloc(MEM_CLI, raw.len + 1);

                name[cli_scan_text(raw, name)] = '\0';
                shell->names[shell->name_count++] = name;
            }
        }
        text = lf == NULL ? end : lf + 1;
    }
}

/* Runs a script of our own and keeps the answer's lines. */
static void shell_ask(struct shell *shell, struct view script)
{
    struct sql_server *server = shell->server;
    struct format_text text = {0};
    const char        *why = "";
    char              *body = NULL;
    size_t             len = 0;
    FILE              *to = open_memstream(&body, &len);
    struct cli_json    json = {.to = to};
    int64_t            got;

    CHECK(to != NULL);
    cli_json_open(&json, '{');
    cli_json_key(&json, "statements");
    cli_json_view(&json, script);
    cli_json_key(&json, "session");
    cli_json_text(&json, server->session);
    cli_json_close(&json, '}');
    (void)fclose(to);
    if (cli_http_ask(&server->http, &server->url, "POST", "/v1/sql", view_of(body, len), MS_PER_S, &why) == ERR_OK) {
        do {
            got = cli_http_read(&server->http, format_text_room(&text, 4096), 4096, cli_clock_ms() + MS_PER_S);
            text.len += got > 0 ? (size_t)got : 0;
        } while (got > 0);
        shell_take_names(shell, text.base, text.len);
    }
    cli_http_close(&server->http);
    free(body);
    format_text_deinit(&text);
}

static void shell_learn_names(struct shell *shell)
{
    struct format_text script = {0};
    size_t             tables;

    shell->names_known = true;
    shell_ask(shell, view_text("SHOW TABLES; SHOW VIEWS;"));
    tables = MIN(shell->name_count, (size_t)TABLES_MAX);
    for (size_t i = 0; i < tables; i++) {
        format_text_put_string(&script, "DESCRIBE `");
        format_text_put_string(&script, shell->names[i]);
        format_text_put_string(&script, "`;");
    }
    if (script.len > 0) {
        shell_ask(shell, view_of(script.base, script.len));
    }
    format_text_deinit(&script);
}

static void shell_complete(void *context, struct sql_line *line, struct view word)
{
    struct shell *shell = context;
    bool          lower = word.len > 0 && word.base[0] >= 'a' && word.base[0] <= 'z';

    if (!shell->names_known) {
        shell_learn_names(shell);
    }
    for (size_t i = 0; i < shell->name_count; i++) {
        if (strlen(shell->names[i]) >= word.len && memcmp(shell->names[i], word.base, word.len) == 0) {
            sql_line_offer(line, shell->names[i]);
        }
    }
    for (size_t i = 0; word.len > 0 && i < COUNT_OF(shell_words); i++) {
        if (strncasecmp(shell_words[i], (const char *)word.base, word.len) == 0) {
            char   text[32];
            size_t len = strlen(shell_words[i]);

            for (size_t k = 0; k <= len; k++) {
                char byte = shell_words[i][k];

                text[k] = lower && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
            }
            sql_line_offer(line, text);
        }
    }
}

/* --- the conversation -------------------------------------------------------------------------------------------- */

static void shell_help(void)
{
    (void)puts("Statements end with a semicolon and may have several lines; Tab completes, the arrows and Ctrl-R bring "
               "back.\n"
               "  SHOW TABLES;  DESCRIBE t;  SHOW JOBS;  STOP JOB 'id';  EXPLAIN SELECT ...;\n"
               "  SELECT ...;            shows the table as it stands; Ctrl-C ends it\n"
               "  INSERT INTO ...;       makes a job; SET 'table.dml-sync' = 'true'; waits for its end\n"
               "  \\q, quit, exit         leaves (so does Ctrl-D)\n"
               "  \\?, help               this");
}

static bool shell_word_is(const char *line, const char *word)
{
    size_t len = strlen(word);

    return strncasecmp(line, word, len) == 0 && line[len + strspn(line + len, "; \t\r\n")] == '\0';
}

enum shell_word { SHELL_STATEMENT, SHELL_DONE, SHELL_LEAVE };

static enum shell_word shell_command(const char *line)
{
    static const char *const leave[] = {"\\q", "quit", "exit"}, *const help[] = {"\\?", "\\h", "help"};

    line += strspn(line, " \t");
    for (size_t i = 0; i < COUNT_OF(leave); i++) {
        if (shell_word_is(line, leave[i])) {
            return SHELL_LEAVE;
        }
        if (shell_word_is(line, help[i])) {
            shell_help();
            return SHELL_DONE;
        }
    }
    if (shell_word_is(line, "clear")) {
        (void)fputs("\033[H\033[2J", stdout);
        return SHELL_DONE;
    }
    return SHELL_STATEMENT;
}

static void shell_run_script(struct shell *shell, struct format_text *script)
{
    int64_t  begin_ms = cli_clock_ms();
    uint64_t rows;

    while (script->len > 0 && strchr(" \t\r\n", script->base[script->len - 1]) != NULL) {
        script->len--;
    }
    format_text_put(script, "", 1);
    sql_line_remember(shell->line, script->base);
    cli_stop_asked = 0;
    if (sql_server_run(shell->server, &shell->show, "error", view_of(script->base, script->len - 1), false) ==
            CLI_DONE &&
        shell->show.column_count > 0) {
        rows = shell->show.row_count;
        (void)printf("%" PRIu64 " row%s in %.2f s%s\n", rows, rows == 1 ? "" : "s",
                     (double)(cli_clock_ms() - begin_ms) / 1000.0, cli_stop_asked != 0 ? ", stopped" : "");
    }
    cli_stop_asked = 0;
    shell_forget_names(shell);
    script->len = 0;
}

static void shell_history_path(char *path, size_t capacity)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    path[0] = '\0';
    if (state != NULL && state[0] == '/') {
        (void)snprintf(path, capacity, "%s", state);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(path, capacity, "%s/.local/state", home);
    } else {
        return;
    }
    (void)mkdir(path, HISTORY_DIR_MODE);
    (void)snprintf(path + strlen(path), capacity - strlen(path), "/millrace-sql-history");
}

static void shell_talk(struct shell *shell)
{
    struct format_text script = {0};
    bool               interrupted = false, empty = false;
    const char        *line;

    for (;;) {
        line = sql_line_read(shell->line, script.len == 0 ? "sql> " : "  -> ", &interrupted);
        if (line == NULL && (interrupted || cli_stop_asked != 0)) {
            cli_stop_asked = 0;
            script.len = 0; /* Ctrl-C drops what was typed */
            (void)putchar('\n');
            continue;
        }
        if (line == NULL) {
            (void)putchar('\n');
            break;
        }
        if (script.len == 0) {
            enum shell_word word = shell_command(line);

            if (word == SHELL_LEAVE) {
                break;
            }
            if (word == SHELL_DONE) {
                continue;
            }
        }
        format_text_put_string(&script, line);
        if (sql_shell_is_whole(view_of(script.base, script.len), &empty)) {
            if (empty) {
                script.len = 0;
            } else {
                shell_run_script(shell, &script);
            }
        }
    }
    format_text_deinit(&script);
}

enum cli_exit sql_shell_run(struct sql_server *server, enum sql_output output)
{
    struct shell *shell = cli_alloc(server->cli, sizeof(*shell));
    char          history[480];
    const char   *why = "";
    int           result;

    shell->server = server;
    sql_show_init(&shell->show, server->cli, stdout, output);
    shell->show.says_ok = true;
    cli_progress_init(&shell->show.progress, !cli_flag(server->cli, "quiet"));
    result = cli_http_ask(&server->http, &server->url, "GET", "/config", view_of("", 0), 5 * MS_PER_S, &why);
    cli_http_close(&server->http);
    if (result != ERR_OK) { /* said now, not after the first statement */
        return sql_server_run(server, &shell->show, "error", view_text(""), false);
    }
    shell_history_path(history, sizeof(history));
    shell->line = sql_line_open(history, shell_complete, shell);
    (void)printf("Millrace SQL at %s. \\? for help, \\q to leave.\n", server->text);
    shell_talk(shell);
    sql_line_close(shell->line);
    shell_forget_names(shell);
    sql_show_deinit(&shell->show);
    return CLI_DONE;
}
