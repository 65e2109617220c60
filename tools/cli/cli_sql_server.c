/* cli_sql_server.c: scripts to a server, its answers to people and programs. */
#include "tools/cli/cli_sql_server.h"

#include "core/base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 30000 /* until the head of an answer: the server sends it within a second */
#define CANCEL_TIMEOUT_MS 2000
#define READ_BYTES        ((size_t)(64 * KIB))
#define SCRIPT_BYTES_MAX  ((size_t)MIB)

void sql_server_init(struct sql_server *server, struct cli *cli, const char *url)
{
    *server = (struct sql_server){.cli = cli, .text = url == NULL ? SQL_SERVER_DEFAULT : url};
    if (!cli_url_parse(server->text, &server->url)) {
        cli_die(cli, CLI_USAGE, "--server takes a URL as " SQL_SERVER_DEFAULT ", not '%s'", server->text);
    }
    (void)snprintf(server->session, sizeof(server->session), "cli-%d-%" PRIx64, (int)getpid(), (uint64_t)cli_now_ms());
    server->progress = isatty(STDERR_FILENO) != 0 || isatty(STDOUT_FILENO) != 0;
}

bool sql_server_was_stopped(void)
{
    return cli_stop_asked != 0;
}

/* --- one script -------------------------------------------------------------------------------------------------- */

static void put_json_text(FILE *to, struct view text)
{
    struct cli_json json = {.to = to};

    cli_json_view(&json, text);
}

static char *server_body(const struct sql_server *server, struct view script, size_t *out_len)
{
    char *body = NULL;
    FILE *to = open_memstream(&body, out_len);

    CHECK(to != NULL);
    (void)fputs("{\"statements\":", to);
    put_json_text(to, script);
    (void)fputs(",\"session\":", to);
    put_json_text(to, view_text(server->session));
    (void)fputs(server->progress ? ",\"progress\":true}" : "}", to);
    (void)fclose(to);
    return body;
}

/* Whole lines of the body to show; false when the answer broke off. */
static int64_t server_read(struct sql_server *server, struct sql_show *show)
{
    struct format_text text = {0};
    int64_t            got;

    do {
        size_t begin = 0;

        if (!cli_http_has_some(&server->http)) {
            sql_show_idle(show);
        }
        got = cli_http_read(&server->http, format_text_room(&text, READ_BYTES), READ_BYTES, INT64_MAX);
        text.len += got > 0 ? (size_t)got : 0;
        while (begin < text.len) {
            const char *from = text.base + begin;
            const char *end = memchr(from, '\n', text.len - begin);

            if (end == NULL && got != 0) {
                break;
            }
            end = end == NULL ? text.base + text.len : end;
            if (!sql_show_line(show, view_of(from, (size_t)(end - from)))) {
                got = ERR_INVALID;
            }
            begin = (size_t)(end - text.base) + 1;
        }
        begin = MIN(begin, text.len);
        if (begin > 0) {
            memmove(text.base, text.base + begin, text.len - begin);
            text.len -= begin;
        }
    } while (got > 0 && ferror(show->to) == 0);
    format_text_deinit(&text);
    return got;
}

static enum cli_exit server_exit(int status)
{
    switch (status) {
    case 400:
    case 413:
        return CLI_USAGE;
    case 404:
        return CLI_NOT_FOUND;
    case 403:
    case 409:
        return CLI_REFUSED;
    default:
        return CLI_FAILED;
    }
}

static enum cli_exit server_unreachable(const struct sql_server *server, int result, const char *why)
{
    if (result == ERR_TIMEOUT) {
        cli_say(server->cli, "%s: %s", server->text, why);
        return CLI_TIMEOUT;
    }
    cli_say(server->cli,
            "%s: %s. A broker serves SQL there after `millrace start` (see millrace.http.listener); "
            "--server names another, --local needs none",
            server->text, why);
    return CLI_UNREACHABLE;
}

/* Ctrl-C: the query is ended there, too, and its answer read to the end, so that the session is free again. Another
 * Ctrl-C gives that up. */
static void server_cancel(struct sql_server *server)
{
    struct cli_http *other = mem_alloc(MEM_CLI, sizeof(*other));
    int64_t          deadline_ms = cli_clock_ms() + CANCEL_TIMEOUT_MS, got;
    const char      *why = "";
    char             path[64], rest[4096];

    cli_stop_asked = 0;
    (void)snprintf(path, sizeof(path), "/v1/sessions/%s", server->session);
    if (cli_http_ask(other, &server->url, "DELETE", path, view_of("", 0), CANCEL_TIMEOUT_MS, &why) == ERR_OK) {
        do {
            got = cli_http_read(&server->http, rest, sizeof(rest), deadline_ms);
        } while (got > 0);
    }
    cli_http_close(other);
    mem_free(MEM_CLI, other);
    cli_stop_asked = 1;
}

enum cli_exit sql_server_run(struct sql_server *server, struct sql_show *show, const char *name, struct view script,
                             bool quiet)
{
    const char   *why = "";
    size_t        len = 0;
    char         *body = server_body(server, script, &len);
    int64_t       result;
    enum cli_exit code = CLI_DONE;

    sql_show_reset(show);
    result = cli_http_ask(&server->http, &server->url, "POST", "/v1/sql", view_of(body, len), ANSWER_TIMEOUT_MS, &why);
    free(body);
    if (result != ERR_OK) {
        if (result == ERR_CANCELED) {
            server_cancel(server);
        }
        cli_http_close(&server->http);
        return result == ERR_CANCELED ? CLI_FAILED : server_unreachable(server, (int)result, why);
    }
    show->status = server->http.status;
    result = server_read(server, show);
    if (result == ERR_CANCELED) {
        server_cancel(server);
    }
    cli_http_close(&server->http);
    sql_show_end(show);
    if (show->failed || server->http.status >= 400) {
        code = server_exit(show->status);
        if (!quiet) {
            cli_say(server->cli, "%s: %s", name, show->failed ? show->message.base : "the server refused the request");
        }
    } else if (result < 0 && result != ERR_CANCELED) {
        cli_say(server->cli,
                result == ERR_INVALID ? "%s: the answer is not understood: is that a Millrace broker?"
                                      : "%s: the answer broke off: the server has gone",
                name);
        code = CLI_FAILED;
    }
    return code;
}

/* --- the command ------------------------------------------------------------------------------------------------- */

static struct view script_of_file(struct cli *cli, const char *path)
{
    FILE              *from = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct format_text text = {0};
    struct view        copy;
    size_t             got;

    if (from == NULL) {
        cli_die(cli, errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "%s: cannot be opened: %s", path, strerror(errno));
    }
    do {
        got = fread(format_text_room(&text, READ_BYTES), 1, READ_BYTES, from);
        text.len += got;
        if (text.len > SCRIPT_BYTES_MAX) {
            cli_die(cli, CLI_USAGE, "%s: a script of more than 1 MiB", path);
        }
    } while (got > 0);
    if (ferror(from) != 0) {
        cli_die(cli, CLI_FAILED, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (from != stdin) {
        (void)fclose(from);
    }
    copy = view_of(cli_text_copy(cli, view_of(text.base == NULL ? "" : text.base, text.len)), text.len);
    format_text_deinit(&text);
    return copy;
}

/* A pipe: all of it is one script. */
static enum cli_exit server_pipe(struct sql_server *server, struct sql_show *show)
{
    return sql_server_run(server, show, "standard input", script_of_file(server->cli, "-"), false);
}

enum cli_exit sql_server_command(struct cli *cli, enum sql_output output)
{
    struct sql_server *server = cli_alloc(cli, sizeof(*server));
    struct sql_show    show;
    enum cli_exit      code = CLI_DONE;
    const char        *text;

    sql_server_init(server, cli, cli_option(cli, "server"));
    cli_catch_signals();
    if (cli_option(cli, "file") == NULL && cli_option(cli, "execute") == NULL && isatty(STDIN_FILENO) != 0) {
        return sql_shell_run(server, output);
    }
    sql_show_init(&show, cli, stdout, output);
    cli_progress_init(&show.progress, !cli_flag(cli, "quiet"));
    if (cli_option(cli, "file") == NULL && cli_option(cli, "execute") == NULL) {
        code = server_pipe(server, &show);
    }
    for (int i = 0; code == CLI_DONE && !sql_server_was_stopped() && (text = cli_option_at(cli, "file", i)) != NULL;
         i++) {
        code = sql_server_run(server, &show, strcmp(text, "-") == 0 ? "standard input" : text,
                              script_of_file(cli, text), false);
    }
    for (int i = 0; code == CLI_DONE && !sql_server_was_stopped() && (text = cli_option_at(cli, "execute", i)) != NULL;
         i++) {
        code = sql_server_run(server, &show, "-e", view_text(text), false);
    }
    sql_show_deinit(&show);
    return code;
}
