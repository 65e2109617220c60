/* cli_sql_draw.c: the two ways of Flink's client beside the list of changes: the table as it stands, drawn in place on
 * a terminal ('table'), and a frame around the changes ('tableau'). */
#include "tools/cli/cli_sql_show.h"

#include "core/base/mem.h"
#include "tools/cli/cli_scan.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#define DRAW_EVERY_MS    100
#define DRAW_OTHER_LINES 2 /* the head, and how far things are */
#define DRAW_FINAL_ROWS  1000
#define WIDTH_DEFAULT    80
#define HEIGHT_DEFAULT   24
#define TABLEAU_WIDTH    30 /* Flink's sql-client.display.max-column-width */
#define NULL_WIDTH       6  /* <NULL> */
#define OP_WIDTH         2

/* --- cells -----------------------------------------------------------------------------------------------------------
 */

size_t sql_show_width(const char *text, size_t len)
{
    size_t width = 0;

    for (size_t i = 0; i < len; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return width;
}

void sql_show_cell(struct format_text *text, struct view raw)
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

void sql_show_grid(FILE *to, struct view head, struct view rows)
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

                sql_show_cell(&text, raw);
                width = sql_show_width(text.base + begin, text.len - begin);
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

/* --- the table as it stands --------------------------------------------------------------------------------------- */

static void draw_screen(const struct sql_show *show, size_t *out_width, size_t *out_height)
{
    struct winsize size = {0};

    *out_width = show->width;
    *out_height = show->height;
    if (show->width == 0 && ioctl(fileno(show->to), TIOCGWINSZ, &size) == 0) {
        *out_width = size.ws_col;
        *out_height = size.ws_row;
    }
    *out_width = *out_width == 0 ? WIDTH_DEFAULT : *out_width;
    *out_height = *out_height == 0 ? HEIGHT_DEFAULT : *out_height;
}

struct draw {
    struct sql_show   *show;
    struct format_text cell, line;
    size_t             width; /* SIZE_MAX: lines are not cut */
    bool               measures;
};

/* As much of the line as fits, so that it stays one. */
static void draw_put(struct draw *draw, const char *text, size_t len)
{
    size_t width = 0, end = 0;

    while (end < len && (((unsigned char)text[end] & 0xc0) == 0x80 || width < draw->width)) {
        width += ((unsigned char)text[end++] & 0xc0) != 0x80;
    }
    (void)fwrite(text, 1, end, draw->show->to);
    (void)fputs(draw->show->drawn_lines > 0 ? "\033[K\n" : "\n", draw->show->to);
}

static void draw_row(void *context, struct view row)
{
    struct draw     *draw = context;
    struct sql_show *show = draw->show;
    struct view      raw;
    size_t           place = 0;

    draw->line.len = 0;
    for (size_t i = 0; i < show->column_count && cli_scan_item(row, &place, &raw); i++) {
        draw->cell.len = 0;
        sql_show_cell(&draw->cell, raw);
        if (draw->measures) {
            show->widths[i] =
                MAX(show->widths[i], MIN(sql_show_width(draw->cell.base, draw->cell.len), (size_t)SQL_CELL_WIDTH_MAX));
        } else {
            sql_show_put_padded(&draw->line, show, i, draw->cell.base, draw->cell.len);
        }
    }
    if (!draw->measures) {
        draw_put(draw, draw->line.base + MIN(draw->line.len, (size_t)2),
                 draw->line.len - MIN(draw->line.len, (size_t)2));
    }
}

static void draw_head(struct draw *draw)
{
    struct sql_show *show = draw->show;

    draw->line.len = 0;
    for (size_t i = 0; i < show->column_count; i++) {
        sql_show_put_padded(&draw->line, show, i, show->names[i], strlen(show->names[i]));
    }
    draw_put(draw, draw->line.base + MIN(draw->line.len, (size_t)2), draw->line.len - MIN(draw->line.len, (size_t)2));
}

/* Columns never get narrower while the query runs: the eye has a place to rest. */
static void draw_table(struct draw *draw, size_t rows)
{
    draw->measures = true;
    sql_live_last(&draw->show->live, rows, draw_row, draw);
    draw->measures = false;
    draw_head(draw);
    sql_live_last(&draw->show->live, rows, draw_row, draw);
    format_text_deinit(&draw->cell);
    format_text_deinit(&draw->line);
}

static void draw_state(struct draw *draw, size_t rows)
{
    struct sql_show *show = draw->show;
    char             watermark[CLI_VALUE_BYTES + 16] = "", time[CLI_VALUE_BYTES], place[64] = "", line[512];

    if (show->watermark_ms != INT64_MIN) {
        cli_format_time(show->watermark_ms, time);
        (void)snprintf(watermark, sizeof(watermark), ", watermark %s", time);
    }
    if (rows < show->live.count) {
        (void)snprintf(place, sizeof(place), ", the last %zu shown", rows);
    }
    (void)snprintf(line, sizeof(line), "-- %zu row%s%s; %" PRId64 " records, %.0f/s%s; Ctrl-C ends it",
                   show->live.count, show->live.count == 1 ? "" : "s", place, show->records_in, show->records_per_s,
                   watermark);
    draw_put(draw, line, strlen(line));
}

/* Back to where the drawing began. */
static void draw_back(struct sql_show *show)
{
    if (show->drawn_lines > 0) {
        (void)fprintf(show->to, "\r\033[%zuA", show->drawn_lines);
    }
}

void sql_show_draw(struct sql_show *show)
{
    struct draw draw = {.show = show};
    size_t      width, height, rows;

    if (cli_clock_ms() - show->drawn_ms < DRAW_EVERY_MS) {
        return;
    }
    draw_screen(show, &width, &height);
    rows = MIN(show->live.count, height > DRAW_OTHER_LINES + 2 ? height - DRAW_OTHER_LINES - 1 : 1);
    draw.width = MAX(width, (size_t)2) - 1;
    draw_back(show);
    show->drawn_lines = MAX(show->drawn_lines, (size_t)1);
    draw_table(&draw, rows);
    draw_state(&draw, rows);
    (void)fputs("\033[J", show->to);
    (void)fflush(show->to);
    show->drawn_lines = rows + DRAW_OTHER_LINES;
    show->drawn_ms = cli_clock_ms();
}

void sql_show_draw_end(struct sql_show *show)
{
    struct draw draw = {.show = show, .width = SIZE_MAX};
    size_t      rows = MIN(show->live.count, (size_t)DRAW_FINAL_ROWS);

    draw_back(show);
    if (show->drawn_lines > 0) {
        (void)fputs("\033[J", show->to);
    }
    show->drawn_lines = 0;
    draw_table(&draw, rows);
    if (rows < show->live.count) {
        (void)fprintf(show->to, "-- the last %zu of %zu rows\n", rows, show->live.count);
    }
    show->row_count = show->live.count;
}

/* --- a frame around the changes ----------------------------------------------------------------------------------- */

/* The number in the type's parentheses. */
static size_t type_number(struct view type, size_t otherwise)
{
    const uint8_t *at = memchr(type.base, '(', type.len);

    return at == NULL ? otherwise : (size_t)atoi((const char *)at + 1);
}

static bool type_begins(struct view type, const char *name)
{
    size_t len = strlen(name);

    return type.len > len + 1 && memcmp(type.base + 1, name, len) == 0 && strchr("\" (", type.base[len + 1]) != NULL;
}

/* What Flink gives the type: a stream's values are not known before they come. */
static size_t tableau_width(struct view type)
{
    static const struct {
        const char *name;
        size_t      width;
    } fixed[] = {{"TINYINT", 6}, {"SMALLINT", 6}, {"INT", 11}, {"BIGINT", 20}, {"BOOLEAN", 6}, {"DATE", 10}};
    size_t digits;

    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        if (type_begins(type, fixed[i].name)) {
            return fixed[i].width;
        }
    }
    if (type_begins(type, "DECIMAL")) {
        return MAX(type_number(type, 10) + 2, (size_t)NULL_WIDTH);
    }
    digits = type_number(type, 6);
    if (type_begins(type, "TIMESTAMP") || type_begins(type, "TIMESTAMP_LTZ")) {
        return digits == 0 ? 19 : digits <= 3 ? 23 : digits <= 6 ? 26 : 29;
    }
    if (type_begins(type, "TIME")) {
        return digits == 0 ? 8 : digits + 9;
    }
    return TABLEAU_WIDTH;
}

static void tableau_border(const struct sql_show *show)
{
    (void)fputs("+----+", show->to);
    for (size_t i = 0; i < show->column_count; i++) {
        for (size_t k = 0; k < show->widths[i] + 2; k++) {
            (void)fputc('-', show->to);
        }
        (void)fputc('+', show->to);
    }
    (void)fputc('\n', show->to);
}

static void tableau_cell(const struct sql_show *show, size_t column, const char *text, size_t len)
{
    size_t width = sql_show_width(text, len), most = show->widths[column], shown = width > most ? most - 3 : width;
    size_t end = 0, seen = 0;

    while (end < len && (seen < shown || ((unsigned char)text[end] & 0xc0) == 0x80)) {
        seen += ((unsigned char)text[end++] & 0xc0) != 0x80;
    }
    for (; width < most; width++) {
        (void)fputc(' ', show->to);
    }
    (void)fprintf(show->to, "%.*s%s |", (int)end, text, width > most ? "..." : "");
}

void sql_show_tableau_begin(struct sql_show *show, struct view columns)
{
    struct view column, type;
    size_t      position = 0;

    for (size_t i = 0; i < show->column_count && cli_scan_item(columns, &position, &column); i++) {
        if (cli_scan_member(column, "type", &type)) {
            show->widths[i] = MAX(sql_show_width(show->names[i], strlen(show->names[i])), tableau_width(type));
        }
    }
    tableau_border(show);
    (void)fputs("| op |", show->to);
    for (size_t i = 0; i < show->column_count; i++) {
        (void)fputc(' ', show->to);
        tableau_cell(show, i, show->names[i], strlen(show->names[i]));
    }
    (void)fputc('\n', show->to);
    tableau_border(show);
}

void sql_show_tableau_row(struct sql_show *show, struct view op, struct view row)
{
    struct format_text cell = {0};
    struct view        raw;
    size_t             place = 0;

    (void)fprintf(show->to, "| %.*s |", OP_WIDTH, (const char *)op.base + 1);
    for (size_t i = 0; i < show->column_count && cli_scan_item(row, &place, &raw); i++) {
        cell.len = 0;
        sql_show_cell(&cell, raw);
        (void)fputc(' ', show->to);
        tableau_cell(show, i, cell.base, cell.len);
    }
    (void)fputc('\n', show->to);
    format_text_deinit(&cell);
}

void sql_show_tableau_end(struct sql_show *show)
{
    if (show->row_count > 0) {
        tableau_border(show);
    }
    (void)fprintf(show->to, "%s a total of %" PRIu64 " row%s\n",
                  cli_stop_asked != 0 ? "Query terminated, received" : "Received", show->row_count,
                  show->row_count > 1 ? "s" : "");
}
