/* cli_sql_show.c: lines of an answer to tables, JSON, CSV. */
#include "tools/cli/cli_sql_show.h"

#include "core/base/mem.h"
#include "tools/cli/cli_scan.h"

#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define PENDING_ROWS_MAX 256
#define NUMBER_WIDTH     6 /* of a column of numbers at least: later rows have larger ones */

void sql_show_init(struct sql_show *show, struct cli *cli, FILE *to, enum sql_output output)
{
    *show = (struct sql_show){.cli = cli, .to = to, .output = output, .watermark_ms = INT64_MIN};
    show->is_terminal = isatty(fileno(to)) != 0;
    sql_live_init(&show->live, SQL_LIVE_ROWS_MAX);
}

static void show_forget_columns(struct sql_show *show)
{
    for (size_t i = 0; i < show->column_count; i++) {
        mem_free(MEM_CLI, show->names[i]);
    }
    mem_free(MEM_CLI, show->names);
    mem_free(MEM_CLI, show->is_number);
    mem_free(MEM_CLI, show->widths);
    show->names = NULL;
    show->is_number = NULL;
    show->widths = NULL;
    show->column_count = 0;
}

void sql_show_deinit(struct sql_show *show)
{
    show_forget_columns(show);
    sql_live_deinit(&show->live);
    format_text_deinit(&show->pending);
    format_text_deinit(&show->message);
}

void sql_show_reset(struct sql_show *show)
{
    show_forget_columns(show);
    show->pending.len = 0;
    show->pending_count = 0;
    show->has_widths = false;
    show->row_count = 0;
    show->begin_ms = cli_clock_ms();
    show->watermark_ms = INT64_MIN;
    show->records_in = 0;
    show->shows_query = false;
    show->failed = false;
    show->message.len = 0;
    show->job_id[0] = '\0';
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

static void put_csv(struct format_text *text, struct view raw)
{
    struct format_text plain = {0};
    bool               quotes = false;

    if (cli_scan_is_null(raw)) {
        return;
    }
    plain.len = cli_scan_text(raw, format_text_room(&plain, raw.len + 1));
    for (size_t i = 0; i < plain.len; i++) {
        quotes = quotes || strchr(",\"\n\r", plain.base[i]) != NULL;
    }
    if (quotes) {
        format_text_put_string(text, "\"");
    }
    for (size_t i = 0; i < plain.len; i++) {
        format_text_put(text, plain.base + i, 1);
        if (plain.base[i] == '"') {
            format_text_put_string(text, "\"");
        }
    }
    if (quotes) {
        format_text_put_string(text, "\"");
    }
    format_text_deinit(&plain);
}

static void put_json_row(struct format_text *text, const struct sql_show *show, struct view head, struct view row)
{
    struct view name = {0}, raw;
    size_t      place = 0, head_place = 0, column = 0;

    while (cli_scan_item(row, &place, &raw)) {
        format_text_put_string(text, column == 0 ? "" : ",");
        if (head.len > 0) {
            if (!cli_scan_item(head, &head_place, &name)) {
                break;
            }
            format_text_put(text, name.base, name.len);
        } else if (column < show->column_count) {
            format_text_put_string(text, show->names[column]);
        } else {
            break;
        }
        format_text_put_string(text, ":");
        format_text_put(text, raw.base, raw.len);
        column++;
    }
}

/* What SHOW and DESCRIBE answer. */
static void show_table(struct sql_show *show, struct view head, struct view rows)
{
    size_t             position = 0, place;
    struct view        row = head, raw;
    struct format_text text = {0};
    bool               more = show->output != SQL_OUTPUT_JSON || cli_scan_item(rows, &position, &row);

    if (show->output == SQL_OUTPUT_TABLE || show->output == SQL_OUTPUT_CHANGELOG) {
        sql_show_grid(show->to, head, rows);
        return;
    }
    for (; more; more = cli_scan_item(rows, &position, &row)) {
        text.len = 0;
        if (show->output == SQL_OUTPUT_JSON) {
            format_text_put_string(&text, "{");
            put_json_row(&text, show, head, row);
            format_text_put_string(&text, "}");
        } else {
            for (place = 0; cli_scan_item(row, &place, &raw);) {
                format_text_put_string(&text, text.len > 0 ? "," : "");
                put_csv(&text, raw);
            }
        }
        (void)fprintf(show->to, "%.*s\n", (int)text.len, text.base);
    }
    format_text_deinit(&text);
}

/* --- rows of a query --------------------------------------------------------------------------------------------- */

static bool type_is_number(struct view type)
{
    static const char *const names[] = {"\"TINYINT", "\"SMALLINT", "\"INT",    "\"BIGINT",
                                        "\"FLOAT",   "\"DOUBLE",   "\"DECIMAL"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t len = strlen(names[i]);

        if (type.len > len && memcmp(type.base, names[i], len) == 0 && strchr("\" (", type.base[len]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool text_is(struct view raw, const char *word)
{
    return raw.len == strlen(word) + 2 && strncasecmp((const char *)raw.base + 1, word, raw.len - 2) == 0;
}

/* -o says more than the session: only the table has Flink's modes. */
static enum sql_result result_of(const struct sql_show *show, struct view mode)
{
    if (show->output != SQL_OUTPUT_TABLE || text_is(mode, "changelog")) {
        return SQL_RESULT_CHANGES;
    }
    return text_is(mode, "tableau") ? SQL_RESULT_TABLEAU : show->is_terminal ? SQL_RESULT_LIVE : SQL_RESULT_CHANGES;
}

/* names: in CSV and tables the text, in JSON as it stands. */
static void show_columns(struct sql_show *show, struct view columns)
{
    struct view column, name, type;
    size_t      position = 0, count = 0;

    show_forget_columns(show);
    while (cli_scan_item(columns, &position, &column)) {
        count++;
    }
    show->names = mem_alloc(MEM_CLI, (count + 1) * sizeof(char *));
    show->is_number = mem_alloc(MEM_CLI, (count + 1) * sizeof(bool));
    show->widths = mem_alloc(MEM_CLI, (count + 1) * sizeof(size_t));
    for (position = 0; cli_scan_item(columns, &position, &column); show->column_count++) {
        struct format_text text = {0};

        if (!cli_scan_member(column, "name", &name) || !cli_scan_member(column, "type", &type)) {
            return;
        }
        if (show->output == SQL_OUTPUT_JSON) {
            format_text_put(&text, name.base, name.len);
        } else if (show->output == SQL_OUTPUT_CSV) {
            put_csv(&text, name);
        } else {
            sql_show_cell(&text, name);
        }
        show->names[show->column_count] = mem_copy_text(MEM_CLI, view_of(text.base, text.len));
        show->is_number[show->column_count] = type_is_number(type);
        show->widths[show->column_count] =
            MAX(sql_show_width(text.base, text.len), show->is_number[show->column_count] ? (size_t)NUMBER_WIDTH : 0);
        format_text_deinit(&text);
    }
    if (show->output == SQL_OUTPUT_CSV) {
        (void)fputs("op", show->to);
        for (size_t i = 0; i < show->column_count; i++) {
            (void)fprintf(show->to, ",%s", show->names[i]);
        }
        (void)fputc('\n', show->to);
    }
}

static void pad(struct format_text *text, size_t blanks)
{
    if (blanks > 0) {
        memset(format_text_room(text, blanks), ' ', blanks);
        text->len += blanks;
    }
}

void sql_show_put_padded(struct format_text *text, const struct sql_show *show, size_t column, const char *cell,
                         size_t len)
{
    size_t width = sql_show_width(cell, len);
    size_t blanks = width < show->widths[column] ? show->widths[column] - width : 0;

    format_text_put_string(text, "  ");
    if (show->is_number[column]) {
        pad(text, blanks);
    }
    format_text_put(text, cell, len);
    if (!show->is_number[column] && column + 1 < show->column_count) {
        pad(text, blanks);
    }
}

static bool row_parts(struct view line, struct view *out_op, struct view *out_row)
{
    return cli_scan_member(line, "op", out_op) && out_op->len == 4 && cli_scan_member(line, "row", out_row);
}

static void print_row(struct sql_show *show, struct view line)
{
    struct format_text text = {0}, cell = {0};
    struct view        op, row, raw;
    size_t             place = 0, column = 0;

    if (!row_parts(line, &op, &row)) {
        return;
    }
    if (show->result == SQL_RESULT_TABLEAU) {
        sql_show_tableau_row(show, op, row);
        return;
    }
    if (show->output == SQL_OUTPUT_JSON) {
        format_text_put_string(&text, "{\"op\":");
        format_text_put(&text, op.base, op.len);
        format_text_put_string(&text, show->column_count > 0 ? "," : "");
        put_json_row(&text, show, view_of("", 0), row);
        format_text_put_string(&text, "}");
    } else {
        format_text_put(&text, op.base + 1, 2);
        for (; cli_scan_item(row, &place, &raw) && column < show->column_count; column++) {
            if (show->output == SQL_OUTPUT_CSV) {
                format_text_put_string(&text, ",");
                put_csv(&text, raw);
            } else {
                cell.len = 0;
                sql_show_cell(&cell, raw);
                sql_show_put_padded(&text, show, column, cell.base, cell.len);
            }
        }
    }
    format_text_put_string(&text, "\n");
    (void)fwrite(text.base, 1, text.len, show->to);
    format_text_deinit(&text);
    format_text_deinit(&cell);
}

static void take_widths(struct sql_show *show, struct view line)
{
    struct format_text cell = {0};
    struct view        op, row, raw;
    size_t             place = 0;

    if (!row_parts(line, &op, &row)) {
        return;
    }
    for (size_t i = 0; i < show->column_count && cli_scan_item(row, &place, &raw); i++) {
        cell.len = 0;
        sql_show_cell(&cell, raw);
        show->widths[i] = MAX(show->widths[i], MIN(sql_show_width(cell.base, cell.len), (size_t)SQL_CELL_WIDTH_MAX));
    }
    format_text_deinit(&cell);
}

static bool next_line(struct view *rest, struct view *out_line)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->base, '\n', rest->len);

    if (end == NULL) {
        return false;
    }
    *out_line = view_of(rest->base, (size_t)(end - rest->base));
    *rest = view_of(end + 1, rest->len - out_line->len - 1);
    return true;
}

static void print_head(struct sql_show *show)
{
    struct format_text text = {0};

    format_text_put_string(&text, "op");
    for (size_t i = 0; i < show->column_count; i++) {
        sql_show_put_padded(&text, show, i, show->names[i], strlen(show->names[i]));
    }
    (void)fprintf(show->to, "%.*s\n", (int)text.len, text.base);
    format_text_deinit(&text);
}

/* The rows that wait; widths are settled with them. */
static void show_pending(struct sql_show *show)
{
    bool        table = show->output == SQL_OUTPUT_TABLE || show->output == SQL_OUTPUT_CHANGELOG;
    struct view rest = view_of(show->pending.base, show->pending.len), line;

    if (show->column_count == 0 || show->result == SQL_RESULT_LIVE || (show->pending_count == 0 && show->has_widths)) {
        return;
    }
    cli_progress_end(&show->progress);
    if (table && !show->has_widths) {
        while (next_line(&rest, &line)) {
            take_widths(show, line);
        }
        print_head(show);
    }
    show->has_widths = true;
    for (rest = view_of(show->pending.base, show->pending.len); next_line(&rest, &line);) {
        print_row(show, line);
    }
    show->pending.len = 0;
    show->pending_count = 0;
}

static void begin_query(struct sql_show *show, struct view columns, struct view mode)
{
    show_columns(show, columns);
    show->row_count = 0;
    show->shows_query = true;
    show->result = result_of(show, mode);
    show->has_widths = show->result != SQL_RESULT_CHANGES;
    if (show->result == SQL_RESULT_TABLEAU) {
        sql_show_tableau_begin(show, columns);
    } else if (show->result == SQL_RESULT_LIVE) {
        sql_live_deinit(&show->live);
        sql_live_init(&show->live, SQL_LIVE_ROWS_MAX);
        show->drawn_lines = 0;
        show->drawn_ms = 0;
        show->records_per_s = 0;
        show->rate_ms = cli_clock_ms();
        show->rate_records = 0;
    }
}

/* The statement is over, or failed. */
static void end_query(struct sql_show *show)
{
    show_pending(show);
    cli_progress_end(&show->progress);
    if (show->shows_query && show->result == SQL_RESULT_LIVE) {
        sql_show_draw_end(show);
    } else if (show->shows_query && show->result == SQL_RESULT_TABLEAU) {
        sql_show_tableau_end(show);
    }
    show->shows_query = false;
}

static void take_change(struct sql_show *show, struct view line)
{
    static const char *const names[] = {
        [VEC_INSERT] = "+I", [VEC_UPDATE_BEFORE] = "-U", [VEC_UPDATE_AFTER] = "+U", [VEC_DELETE] = "-D"};
    struct view op, row;

    for (size_t i = 0; row_parts(line, &op, &row) && i < COUNT_OF(names); i++) {
        if (text_is(op, names[i])) {
            sql_live_change(&show->live, (enum vec_change)i, row);
        }
    }
}

static void take_row(struct sql_show *show, struct view line)
{
    show->row_count++;
    if (show->shows_query && show->result == SQL_RESULT_LIVE) {
        take_change(show, line);
        return;
    }
    format_text_put(&show->pending, line.base, line.len);
    format_text_put_string(&show->pending, "\n");
    if (++show->pending_count >= PENDING_ROWS_MAX) {
        show_pending(show);
    }
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

static void show_progress(struct sql_show *show)
{
    int64_t elapsed_ms = MAX(cli_clock_ms() - show->begin_ms, (int64_t)1);
    char    watermark[CLI_VALUE_BYTES + 16] = "", time[CLI_VALUE_BYTES];

    if (show->shows_query && show->result == SQL_RESULT_LIVE) {
        sql_show_draw(show);
        return;
    }
    if (!show->progress.on) {
        return;
    }
    if (show->watermark_ms != INT64_MIN) {
        cli_format_time(show->watermark_ms, time);
        (void)snprintf(watermark, sizeof(watermark), ", watermark %s", time);
    }
    if (show->column_count > 0) {
        cli_progress_show(&show->progress, "%" PRIu64 " rows, %.0f rows/s of %" PRId64 " records%s; Ctrl-C ends it",
                          show->row_count, (double)show->row_count * 1000.0 / (double)elapsed_ms, show->records_in,
                          watermark);
    } else {
        cli_progress_show(&show->progress, "waiting: %" PRId64 " records, %.1f s%s", show->records_in,
                          (double)elapsed_ms / 1000.0, watermark);
    }
}

static void show_result(struct sql_show *show, struct view raw)
{
    struct format_text text = {0};

    text.len = cli_scan_text(raw, format_text_room(&text, raw.len + 1));
    if (show->output == SQL_OUTPUT_JSON) {
        (void)fprintf(show->to, "{\"result\":%.*s}\n", (int)raw.len, (const char *)raw.base);
    } else if (show->says_ok || text.len != 2 || memcmp(text.base, "OK", 2) != 0) {
        (void)fprintf(show->to, "%.*s\n", (int)text.len, text.base);
    }
    format_text_deinit(&text);
}

static void show_job(struct sql_show *show, struct view raw)
{
    size_t len = raw.len < sizeof(show->job_id) ? cli_scan_text(raw, show->job_id) : 0;

    show->job_id[len] = '\0';
    if (show->output == SQL_OUTPUT_JSON) {
        (void)fprintf(show->to, "{\"job\":%.*s}\n", (int)raw.len, (const char *)raw.base);
    } else {
        (void)fprintf(show->to, "Job ID: %s\n", show->job_id);
    }
}

static void take_failure(struct sql_show *show, struct view line, struct view errors)
{
    struct view raw;
    size_t      place = 0;

    show->failed = true;
    show->message.len = 0;
    while (cli_scan_item(errors, &place, &raw)) {
        format_text_put_string(&show->message, show->message.len > 0 ? "; " : "");
        show->message.len += cli_scan_text(raw, format_text_room(&show->message, raw.len));
    }
    format_text_put(&show->message, "", 1);
    if (cli_scan_member(line, "status", &raw)) {
        show->status = (int)cli_scan_number(raw, show->status);
    }
}

static void take_rate(struct sql_show *show)
{
    int64_t now_ms = cli_clock_ms();

    if (now_ms > show->rate_ms) {
        show->records_per_s =
            (double)(show->records_in - show->rate_records) * 1000.0 / (double)(now_ms - show->rate_ms);
        show->rate_ms = now_ms;
        show->rate_records = show->records_in;
    }
}

static void take_progress(struct sql_show *show, struct view progress)
{
    struct view raw;

    if (cli_scan_member(progress, "records-in", &raw)) {
        show->records_in = cli_scan_number(raw, show->records_in);
    }
    if (cli_scan_member(progress, "watermark", &raw)) {
        show->watermark_ms = cli_scan_number(raw, INT64_MIN);
    }
    take_rate(show);
    show_progress(show);
}

bool sql_show_line(struct sql_show *show, struct view line)
{
    struct view raw, rows, mode = {0};

    if (line.len == 0) {
        return true; /* the server looks whether we are there */
    }
    if (cli_scan_member(line, "op", &raw)) {
        take_row(show, line);
        return true;
    }
    if (cli_scan_member(line, "progress", &raw)) {
        take_progress(show, raw);
        return true;
    }
    end_query(show);
    if (cli_scan_member(line, "columns", &raw)) {
        begin_query(show, raw, cli_scan_member(line, "result-mode", &mode) ? mode : view_of("", 0));
    } else if (cli_scan_member(line, "table", &raw) && cli_scan_member(line, "rows", &rows)) {
        show_table(show, raw, rows);
    } else if (cli_scan_member(line, "job", &raw)) {
        show_job(show, raw);
    } else if (cli_scan_member(line, "errors", &raw)) {
        take_failure(show, line, raw);
    } else if (cli_scan_member(line, "result", &raw)) {
        show_result(show, raw);
    } else {
        return cli_scan_member(line, "statement", &raw);
    }
    return true;
}

void sql_show_idle(struct sql_show *show)
{
    if (show->pending_count > 0 || (show->shows_query && show->result == SQL_RESULT_LIVE)) {
        show_pending(show);
        show_progress(show);
    }
    (void)fflush(show->to);
}

void sql_show_end(struct sql_show *show)
{
    end_query(show);
    (void)fflush(show->to);
}
