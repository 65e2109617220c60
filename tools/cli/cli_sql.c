/* cli_sql.c: millrace sql: the command, its scripts and their statements. */
#include "tools/cli/cli_sql.h"

#include "compute/sql/sql_parse.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_out.h"
#include "tools/cli/cli_sql_server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRIPT_ARENA_BYTES ((size_t)(GIB))
#define ERROR_BYTES        4096
#define CLOCK_RATE_MAX     1000000000
#define SHOW_COLUMNS_MAX   16

const char cli_sql_details[] =
    "Flink SQL: at a broker, where INSERT makes a job that goes on (SET 'table.dml-sync' = 'true' waits for it) and "
    "SELECT shows\nrows as they come, until Ctrl-C; or with --local over files, here and without a broker, each "
    "statement "
    "to its end. What\nFlink has and Millrace does not is refused by name. Without -f and -e: an interactive client, "
    "or the "
    "script from a pipe.\n"
    "\n"
    "With --local:\n"
    "tables:   a table with 'connector' = 'kafka' reads and writes a topic; --input and --output-file say which file "
    "that is.\n"
    "          A record is a line; in CSV, quoted fields may hold line ends. gzip files are inflated; - is standard "
    "input.\n"
    "results:  of a SELECT as --output says; what is written to a topic as its format says, a line a record. Tables "
    "that\n"
    "          change (upsert-kafka, GROUP BY) are shown as they are at the end, by key; -o changelog shows each "
    "change.\n"
    "          'print' prints as Flink does, 'blackhole' takes everything and shows nothing (--stats counts).\n"
    "time:     processing time is the machine's; --now sets it for the run. Windows over it that are open at the end "
    "are lost.\n";

const struct cli_option cli_sql_options[] = {
    {.kind = CLI_TEXT,
     .name = "server",
     .value = "URL",
     .help = "the broker's HTTP listener; default http://127.0.0.1:8083"},
    {.letter = 'l', .name = "local", .help = "here, over files, without a broker"},
    {.letter = 'f',
     .kind = CLI_TEXT,
     .name = "file",
     .value = "FILE",
     .complete = "file",
     .help = "a script; - is standard input; may be repeated"},
    {.letter = 'e',
     .kind = CLI_TEXT,
     .name = "execute",
     .value = "SQL",
     .help = "statements, after those of -f; may be repeated"},
    {.letter = 'i',
     .kind = CLI_TEXT,
     .name = "input",
     .value = "TOPIC=FILE",
     .complete = "file",
     .help = "what a topic holds; several files are its partitions"},
    {.kind = CLI_TEXT,
     .name = "output-file",
     .value = "TOPIC=FILE",
     .complete = "file",
     .help = "where a topic is written; default: standard output"},
    {.letter = 'o',
     .kind = CLI_TEXT,
     .name = "output",
     .value = "table|json|csv|changelog",
     .choices = "table|json|csv|changelog",
     .help = "of results; default table"},
    {.letter = '0', .name = "null-data", .help = "records end with a NUL byte, not with a line"},
    {.letter = 'w', .kind = CLI_NUMBER, .name = "workers", .value = "N", .help = "threads; default 1"},
    {.kind = CLI_TEXT, .name = "memory", .value = "BYTES", .help = "for state, as 512M; default 4G"},
    {.kind = CLI_TEXT, .name = "now", .value = "TIME", .help = "what the clock shows, as 2026-11-21T16:00:00Z"},
    {.kind = CLI_NUMBER,
     .name = "clock-rate",
     .value = "N",
     .help = "with --now: the clock goes on by a second every N rows; default: it stands"},
    {.kind = CLI_NUMBER, .name = "rows", .value = "N", .help = "rows per vector; default 2048"},
    {.kind = CLI_NUMBER, .name = "flush", .value = "N", .help = "show what changed every N rows, where it shows"},
    {.kind = CLI_NUMBER, .name = "verify", .value = "SEED"}, /* every chunk is reshaped: tests */
    {.letter = 'x', .name = "explain", .help = "show plans instead of running them"},
    {.letter = 's', .name = "stats", .help = "rows, late rows and state per operator, on standard error"},
    {.name = "progress", .help = "also when standard error is no terminal"},
    {.letter = 'q', .name = "quiet", .help = "no progress, no notes"},
    CLI_OPTIONS_END,
};

/* --- the command line -------------------------------------------------------------------------------------------- */

static void sql_take_files(struct cli *cli, const char *option, struct sql_file **out_files, size_t *out_count)
{
    size_t count = 0;

    while (cli_option_at(cli, option, (int)count) != NULL) {
        count++;
    }
    if (count > SQL_FILES_MAX) {
        cli_die(cli, CLI_USAGE, "--%s: %d files at most", option, SQL_FILES_MAX);
    }
    *out_files = cli_alloc_array(cli, count + 1, sizeof(**out_files));
    *out_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *text = cli_option_at(cli, option, (int)i);
        const char *equals = strchr(text, '=');

        if (equals == NULL || equals == text || equals[1] == '\0') {
            cli_die(cli, CLI_USAGE, "--%s takes TOPIC=FILE, not '%s'", option, text);
        }
        (*out_files)[i].topic = cli_format(cli, "%.*s", (int)(equals - text), text);
        (*out_files)[i].path = equals + 1;
    }
}

static enum sql_output sql_take_output(const struct cli *cli)
{
    static const char *const names[] = {"table", "json", "csv", "changelog"};
    const char              *text = cli_option(cli, "output");

    for (size_t i = 0; text != NULL && i < COUNT_OF(names); i++) {
        if (strcmp(names[i], text) == 0) {
            return (enum sql_output)i;
        }
    }
    return SQL_OUTPUT_TABLE;
}

static uint32_t sql_take_number(const struct cli *cli, const char *name, int64_t otherwise, int64_t min, int64_t max)
{
    int64_t value = cli_number(cli, name, otherwise);

    if (value < min || value > max) {
        cli_die(cli, CLI_USAGE, "--%s takes %lld to %lld", name, (long long)min, (long long)max);
    }
    return (uint32_t)value;
}

static void sql_take_clock(struct sql_session *session)
{
    struct cli *cli = session->cli;
    const char *now = cli_option(cli, "now");

    session->clock.rate = sql_take_number(cli, "clock-rate", 0, 0, CLOCK_RATE_MAX);
    if (now == NULL && session->clock.rate > 0) {
        cli_die(cli, CLI_USAGE, "--clock-rate goes with --now");
    }
    session->clock.injected = now != NULL;
    if (now != NULL && !cli_parse_time(now, cli_now_ms(), &session->clock.now_ms)) {
        cli_die(cli, CLI_USAGE, "--now takes a time as 2026-11-21T16:00:00Z, not '%s'", now);
    }
}

static void sql_take_options(struct sql_session *session)
{
    struct cli *cli = session->cli;
    const char *memory = cli_option(cli, "memory");
    int64_t     bytes = (int64_t)EXEC_MEMORY_DEFAULT;

    if (cli_option(cli, "server") != NULL) {
        cli_die(cli, CLI_USAGE, "--server and --local exclude each other: with --local the script runs here");
    }
    if (cli_option(cli, "file") == NULL && cli_option(cli, "execute") == NULL) {
        cli_die(cli, CLI_USAGE, "what to run? -f FILE.sql, -f - or -e 'SELECT ...'; see millrace sql --help");
    }
    if (memory != NULL && (!cli_parse_size(memory, &bytes) || bytes < (int64_t)MIB)) {
        cli_die(cli, CLI_USAGE, "--memory takes 1M or more, as 512M or 4G, not '%s'", memory);
    }
    session->memory_bytes_max = (uint64_t)bytes;
    session->output = sql_take_output(cli);
    session->worker_count = sql_take_number(cli, "workers", 1, 1, EXEC_WORKERS_MAX);
    session->rows_max = sql_take_number(cli, "rows", VEC_ROWS_MAX, 1, VEC_ROWS_MAX);
    session->flush_rows = sql_take_number(cli, "flush", 0, 0, UINT32_MAX);
    session->verify_seed = (uint64_t)cli_number(cli, "verify", 0);
    session->record_end = cli_flag(cli, "null-data") ? '\0' : '\n';
    session->stats = cli_flag(cli, "stats");
    session->explain = cli_flag(cli, "explain");
    session->quiet = cli_flag(cli, "quiet");
    session->progress = cli_flag(cli, "progress");
    sql_take_clock(session);
    sql_take_files(cli, "input", &session->inputs, &session->input_count);
    sql_take_files(cli, "output-file", &session->outputs, &session->output_count);
}

/* --- scripts ----------------------------------------------------------------------------------------------------- */

struct script {
    const char           *name; /* of the file; "-e" */
    struct view           text;
    struct sql_statement *statements;
};

static struct view script_read(struct cli *cli, const char *path)
{
    FILE              *from = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct format_text text = {0};
    struct view        copy;
    size_t             got;

    if (from == NULL) {
        cli_die(cli, errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "%s: cannot be opened: %s", path, strerror(errno));
    }
    do {
        got = fread(format_text_room(&text, 64 * KIB), 1, 64 * KIB, from);
        text.len += got;
        if (text.len > SQL_SCRIPT_BYTES_MAX) {
            cli_die(cli, CLI_USAGE, "%s: a script of more than %llu MiB", path,
                    (unsigned long long)(SQL_SCRIPT_BYTES_MAX / MIB));
        }
    } while (got > 0);
    if (ferror(from) != 0) {
        cli_die(cli, CLI_FAILED, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (from != stdin) {
        (void)fclose(from);
    }
    copy = view_of(cli_text_copy(cli, view_of(text.base, text.len)), text.len); /* the statements point into it */
    format_text_deinit(&text);
    return copy;
}

void sql_say_error(const struct cli *cli, const char *script_name, struct view script, const struct sql_error *error)
{
    char   text[ERROR_BYTES];
    size_t len;

    (void)sql_error_format(error, script, text, sizeof(text));
    len = strlen(text);
    cli_say(cli, "%s: %.*s", script_name, (int)(len > 0 && text[len - 1] == '\n' ? len - 1 : len), text);
}

/* Every script is parsed before anything runs. */
static size_t scripts_read(struct cli *cli, struct arena *arena, struct script **out_scripts)
{
    size_t file_count = 0, count = 0;

    while (cli_option_at(cli, "file", (int)file_count) != NULL) {
        file_count++;
    }
    count = file_count;
    while (cli_option_at(cli, "execute", (int)(count - file_count)) != NULL) {
        count++;
    }
    *out_scripts = cli_alloc_array(cli, count + 1, sizeof(**out_scripts));
    for (size_t i = 0; i < count; i++) {
        struct script   *script = &(*out_scripts)[i];
        struct sql_error error = {0};

        if (i < file_count) {
            const char *path = cli_option_at(cli, "file", (int)i);

            *script = (struct script){.name = strcmp(path, "-") == 0 ? "standard input" : path};
            script->text = script_read(cli, path);
        } else {
            *script = (struct script){.name = "-e"};
            script->text = view_text(cli_option_at(cli, "execute", (int)(i - file_count)));
        }
        script->statements = sql_parse(script->text, arena, &error);
        if (error.kind != SQL_OK) {
            sql_say_error(cli, script->name, script->text, &error);
            exit(CLI_USAGE);
        }
    }
    return count;
}

/* --- statements -------------------------------------------------------------------------------------------------- */

/* What stands before the next `mark`, which is taken off `text`, too. */
static struct view sql_next_part(struct view *text, char mark)
{
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->base, mark, text->len);
    struct view    part = view_of(text->base, end == NULL ? text->len : (size_t)(end - text->base));
    size_t         used = part.len + (end != NULL);

    *text = view_of(text->base + used, text->len - used);
    return part;
}

static void sql_show_line_json(struct view head, struct view line)
{
    struct cli_json json = {.to = stdout};
    char            name[128];

    cli_json_open(&json, '{');
    while (head.len > 0) {
        struct view column = sql_next_part(&head, '\t');

        (void)snprintf(name, sizeof(name), "%.*s", (int)column.len, (const char *)column.base);
        cli_json_key(&json, name);
        cli_json_view(&json, sql_next_part(&line, '\t'));
    }
    cli_json_close(&json, '}');
    (void)putchar('\n');
}

/* Lines whose columns are parted by tabs; the first line names them. */
static void sql_show_table(const struct sql_session *session, struct view text)
{
    size_t      widths[SHOW_COLUMNS_MAX] = {0};
    struct view rest = text, head = sql_next_part(&rest, '\n');

    if (session->output == SQL_OUTPUT_JSON) {
        while (rest.len > 0) {
            sql_show_line_json(head, sql_next_part(&rest, '\n'));
        }
        return;
    }
    for (rest = text; rest.len > 0;) {
        struct view line = sql_next_part(&rest, '\n');

        for (size_t i = 0; line.len > 0 && i < SHOW_COLUMNS_MAX; i++) {
            size_t width = sql_next_part(&line, '\t').len;

            widths[i] = MAX(widths[i], width);
        }
    }
    while (text.len > 0) {
        struct view line = sql_next_part(&text, '\n');

        for (size_t i = 0; i == 0 || line.len > 0; i++) {
            struct view cell = sql_next_part(&line, '\t');
            int         width = line.len > 0 && i < SHOW_COLUMNS_MAX ? (int)widths[i] : 0;

            (void)printf("%s%-*.*s", i > 0 ? "  " : "", width, (int)cell.len, (const char *)cell.base);
        }
        (void)putchar('\n');
    }
}

static void sql_show_plan(const struct sql_session *session, const struct sql_plan *plan)
{
    size_t len = sql_explain(plan, NULL, 0);
    char  *text = cli_alloc(session->cli, len + 1);

    (void)sql_explain(plan, text, len + 1);
    (void)fputs(text, stdout);
    if (len > 0 && text[len - 1] != '\n') {
        (void)putchar('\n');
    }
}

static enum cli_exit sql_do_statement(struct sql_session *session, const struct script *script,
                                      const struct sql_statement *statement, struct arena *arena)
{
    struct sql_answer answer = {0};
    struct sql_error  error = {0};
    enum cli_exit     code = CLI_DONE;

    if (!sql_execute(session->catalog, statement, script->text, arena, &answer, &error)) {
        sql_say_error(session->cli, script->name, script->text, &error);
        return CLI_USAGE;
    }
    switch (answer.outcome) {
    case SQL_DONE:
        if (answer.text.len > 0) {
            (void)printf("%.*s\n", (int)answer.text.len, (const char *)answer.text.base);
        }
        break;
    case SQL_TABLE:
        sql_show_table(session, answer.text);
        break;
    case SQL_RUN:
        if (session->explain) {
            sql_show_plan(session, answer.plan);
        } else {
            code = sql_run(session, answer.plan, script->text, script->name);
        }
        sql_plan_release(answer.plan);
        break;
    default:
        cli_say(session->cli, "%s: with --local, statements run one after the other: there are no jobs to show or stop",
                script->name);
        return CLI_USAGE;
    }
    return code;
}

static enum cli_exit sql_do_scripts(struct sql_session *session, const struct script *scripts, size_t count)
{
    enum cli_exit code = CLI_DONE;

    for (size_t i = 0; i < count && code == CLI_DONE; i++) {
        const struct sql_statement *statement = scripts[i].statements;

        for (; statement != NULL && code == CLI_DONE; statement = statement->next) {
            struct arena arena;

            arena_init(&arena, MEM_CLI, 64 * KIB, SCRIPT_ARENA_BYTES);
            code = sql_do_statement(session, &scripts[i], statement, &arena);
            arena_deinit(&arena);
        }
    }
    return code;
}

static enum cli_exit sql_close_outputs(struct sql_session *session, enum cli_exit code)
{
    for (size_t i = 0; i < session->output_count; i++) {
        if (!sql_out_close(session->outputs[i].out)) {
            cli_say(session->cli, "%s: cannot be written: %s", session->outputs[i].path, strerror(errno));
            code = CLI_FAILED;
        }
    }
    if (!sql_out_close(session->standard_output)) {
        cli_say(session->cli, "cannot write the output: %s", strerror(errno));
        code = CLI_FAILED;
    }
    return code;
}

static void sql_note_unused(const struct sql_session *session, const struct sql_file *files, size_t count,
                            const char *what)
{
    for (size_t i = 0; i < count && !session->quiet && !session->explain; i++) {
        if (!files[i].used) {
            cli_say(session->cli, "note: nothing %s topic '%s' (%s)", what, files[i].topic, files[i].path);
        }
    }
}

/* What only a run over files knows. */
static void sql_refuse_local_options(const struct cli *cli)
{
    static const char *const texts[] = {"input",      "output-file", "workers", "memory", "now",
                                        "clock-rate", "rows",        "flush",   "verify"};
    static const char *const flags[] = {"null-data", "explain", "stats"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (cli_option(cli, texts[i]) != NULL) {
            cli_die(cli, CLI_USAGE, "--%s goes with --local, where scripts run over files", texts[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (cli_flag(cli, flags[i])) {
            cli_die(cli, CLI_USAGE, "--%s goes with --local, where scripts run over files", flags[i]);
        }
    }
}

int cli_sql_run(struct cli *cli)
{
    struct sql_session session = {.cli = cli};
    struct script     *scripts = NULL;
    struct arena       arena;
    size_t             count;
    enum cli_exit      code;

    if (!cli_flag(cli, "local")) {
        sql_refuse_local_options(cli);
        return (int)sql_server_command(cli, sql_take_output(cli));
    }
    sql_take_options(&session);
    cli_catch_signals();
    arena_init(&arena, MEM_CLI, 64 * KIB, SCRIPT_ARENA_BYTES);
    count = scripts_read(cli, &arena, &scripts);
    session.catalog = sql_catalog_create();
    code = sql_do_scripts(&session, scripts, count);
    code = sql_close_outputs(&session, code);
    if (code == CLI_DONE) {
        sql_note_unused(&session, session.inputs, session.input_count, "reads");
        sql_note_unused(&session, session.outputs, session.output_count, "writes");
    }
    sql_catalog_destroy(session.catalog);
    arena_deinit(&arena);
    return (int)code;
}
