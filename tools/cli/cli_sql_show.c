/* cli_sql_show.c: lines of an answer to tables, JSON, CSV. */
#include "tools/cli/cli_sql_show.h"

#include "core/base/mem.h"
#include "tools/cli/cli_scan.h"

#include <stdlib.h>
#include <unistd.h>

#define PENDING_ROWS_MAX 256
#define CELL_WIDTH_MAX   60 /* wider cells push their row, not the table */
#define NUMBER_WIDTH     6  /* of a column of numbers at least: later rows have larger ones */

void sql_show_init(struct sql_show *show, struct cli *cli, FILE *to, enum sql_output output)
{
    *show = (struct sql_show){.cli = cli, .to = to, .output = output, .watermark_ms = INT64_MIN};
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
    show->failed = false;
    show->message.len = 0;
    show->job_id[0] = '\0';
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

/* Characters, not bytes. */
static size_t text_width(const char *text, size_t len)
{
    size_t width = 0;

    for (size_t i = 0; i < len; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return width;
}

/* A value as people read it, appended: texts without quotes and control bytes, NULL as Flink's client shows it. */
static void put_cell(struct format_text *text, struct view raw)
{
    size_t begin = text->len;

    if (cli_scan_is_null(raw)) {
        format_text_put_string(text, "<NULL>");
        return;
    }
    text->len += cli_scan_text(raw, format_text_room(text, raw.len));
    for (size_t i = begin; i < text->len; i++) {
        if ((unsigned char)text->base[i] < 0x20 || text->base[i] == 0x7f) {
            text->base[i] = ' ';
        }
    }
}

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

/* A table of texts that is all there: widths are exact. The first row is the head. */
static void show_grid(FILE *to, struct view head, struct view rows)
{
    size_t      widths[64] = {0}, position = 0, place, column;
    struct view row = head, raw;
    bool        more = true;

    for (int pass = 0; pass < 2; pass++) {
        position = 0;
        for (row = head, more = true; more; more = cli_scan_item(rows, &position, &row)) {
            struct format_text text = {0};

            for (place = 0, column = 0; cli_scan_item(row, &place, &raw) && column < COUNT_OF(widths); column++) {
                size_t begin = text.len, width;

                put_cell(&text, raw);
                width = text_width(text.base + begin, text.len - begin);
                if (pass == 0) {
                    widths[column] = MAX(widths[column], width);
                } else {
                    (void)fprintf(to, "%s%.*s", column > 0 ? "  " : "", (int)(text.len - begin), text.base + begin);
                    for (bool last = !cli_scan_item(row, &(size_t){place}, &raw); !last && width < widths[column];
                         width++) {
                        (void)fputc(' ', to);
                    }
                }
            }
            if (pass == 1) {
                (void)fputc('\n', to);
            }
            format_text_deinit(&text);
        }
    }
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
        show_grid(show->to, head, rows);
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
            put_cell(&text, name);
        }
        show->names[show->column_count] = mem_copy_text(MEM_CLI, view_of(text.base, text.len));
        show->is_number[show->column_count] = type_is_number(type);
        show->widths[show->column_count] =
            MAX(text_width(text.base, text.len), show->is_number[show->column_count] ? (size_t)NUMBER_WIDTH : 0);
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

static void put_padded(struct format_text *text, const struct sql_show *show, size_t column, const char *cell,
                       size_t len)
{
    size_t width = text_width(cell, len);
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
                put_cell(&cell, raw);
                put_padded(&text, show, column, cell.base, cell.len);
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
        put_cell(&cell, raw);
        show->widths[i] = MAX(show->widths[i], MIN(text_width(cell.base, cell.len), (size_t)CELL_WIDTH_MAX));
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
        put_padded(&text, show, i, show->names[i], strlen(show->names[i]));
    }
    (void)fprintf(show->to, "%.*s\n", (int)text.len, text.base);
    format_text_deinit(&text);
}

/* The rows that wait; widths are settled with them. */
static void show_pending(struct sql_show *show)
{
    bool        table = show->output == SQL_OUTPUT_TABLE || show->output == SQL_OUTPUT_CHANGELOG;
    struct view rest = view_of(show->pending.base, show->pending.len), line;

    if (show->column_count == 0 || (show->pending_count == 0 && show->has_widths)) {
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

/* --- lines ------------------------------------------------------------------------------------------------------- */

static void show_progress(struct sql_show *show)
{
    int64_t elapsed_ms = MAX(cli_clock_ms() - show->begin_ms, (int64_t)1);
    char    watermark[CLI_VALUE_BYTES + 16] = "", time[CLI_VALUE_BYTES];

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

static void take_progress(struct sql_show *show, struct view progress)
{
    struct view raw;

    if (cli_scan_member(progress, "records-in", &raw)) {
        show->records_in = cli_scan_number(raw, show->records_in);
    }
    if (cli_scan_member(progress, "watermark", &raw)) {
        show->watermark_ms = cli_scan_number(raw, INT64_MIN);
    }
    show_progress(show);
}

bool sql_show_line(struct sql_show *show, struct view line)
{
    struct view raw, rows;

    if (line.len == 0) {
        return true; /* the server looks whether we are there */
    }
    if (cli_scan_member(line, "op", &raw)) {
        format_text_put(&show->pending, line.base, line.len);
        format_text_put_string(&show->pending, "\n");
        show->row_count++;
        if (++show->pending_count >= PENDING_ROWS_MAX) {
            show_pending(show);
        }
        return true;
    }
    if (cli_scan_member(line, "progress", &raw)) {
        take_progress(show, raw);
        return true;
    }
    show_pending(show);
    cli_progress_end(&show->progress);
    if (cli_scan_member(line, "columns", &raw)) {
        show_columns(show, raw);
        show->has_widths = false;
        show->row_count = 0;
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
    if (show->pending_count > 0) {
        show_pending(show);
        show_progress(show);
    }
    (void)fflush(show->to);
}

void sql_show_end(struct sql_show *show)
{
    show_pending(show);
    cli_progress_end(&show->progress);
    (void)fflush(show->to);
}
