/* cli_sql_out.c: files and standard output shared by workers; tables whose widths are found from their first rows. */
#include "core/base/check.h"
#include "tools/cli/cli_sql.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define GRID_ROWS_AHEAD    1000
#define GRID_WIDTH_MAX     60
#define GRID_BYTES_AT_ONCE ((size_t)65536)

struct sql_out {
    FILE           *to;
    bool            terminal;
    int             error; /* of the first write that failed */
    pthread_mutex_t lock;
};

struct sql_out *sql_out_open(const char *path)
{
    FILE           *to = path == NULL ? stdout : fopen(path, "we");
    struct sql_out *out;

    if (to == NULL) {
        return NULL;
    }
    out = mem_alloc(MEM_CLI, sizeof(*out));
    out->to = to;
    out->terminal = isatty(fileno(to)) == 1;
    CHECK(pthread_mutex_init(&out->lock, NULL) == 0);
    return out;
}

bool sql_out_close(struct sql_out *out)
{
    bool good;

    if (out == NULL) {
        return true;
    }
    if ((out->to == stdout ? fflush(stdout) : fclose(out->to)) != 0 && out->error == 0) {
        out->error = errno;
    }
    good = out->error == 0 || out->error == EPIPE;
    errno = out->error;
    (void)pthread_mutex_destroy(&out->lock);
    mem_free(MEM_CLI, out);
    return good;
}

void sql_out_write(struct sql_out *out, struct view bytes, bool now)
{
    if (bytes.len == 0) {
        return;
    }
    CHECK(pthread_mutex_lock(&out->lock) == 0);
    if (out->error == 0 &&
        (fwrite(bytes.base, 1, bytes.len, out->to) != bytes.len || ((now || out->terminal) && fflush(out->to) != 0))) {
        out->error = errno == 0 ? EIO : errno;
    }
    CHECK(pthread_mutex_unlock(&out->lock) == 0);
}

bool sql_out_is_closed(const struct sql_out *out)
{
    return out->error != 0;
}

bool sql_out_is_terminal(const struct sql_out *out)
{
    return out->terminal;
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

struct sql_grid {
    struct sql_out         *out;
    uint32_t                column_count;
    const struct vec_field *columns;
    uint32_t               *widths;
    struct format_text      ahead; /* rows that came before the widths were known */
    uint64_t                row_count;
    bool                    begun;
    struct format_text      text;
    pthread_mutex_t         lock;
};

struct sql_grid *sql_grid_create(struct sql_out *out, const struct vec_field *columns, uint32_t column_count)
{
    struct sql_grid *grid = mem_alloc(MEM_CLI, sizeof(*grid));

    grid->out = out;
    grid->columns = columns;
    grid->column_count = column_count;
    grid->widths = mem_alloc(MEM_CLI, (column_count + 1) * sizeof(*grid->widths));
    CHECK(pthread_mutex_init(&grid->lock, NULL) == 0);
    return grid;
}

void sql_grid_destroy(struct sql_grid *grid)
{
    if (grid != NULL) {
        format_text_deinit(&grid->ahead);
        format_text_deinit(&grid->text);
        (void)pthread_mutex_destroy(&grid->lock);
        mem_free(MEM_CLI, grid->widths);
        mem_free(MEM_CLI, grid);
    }
}

/* For a line of a terminal: control bytes as escapes. */
static void grid_put_safe(struct format_text *text, const char *base, size_t len)
{
    size_t clean = 0;

    for (size_t i = 0; i < len; i++) {
        char few[8];
        int  few_len;

        if ((unsigned char)base[i] >= 0x20 && base[i] != 0x7f) {
            continue;
        }
        format_text_put(text, base + clean, i - clean);
        few_len = base[i] == '\n'   ? snprintf(few, sizeof(few), "\\n")
                  : base[i] == '\t' ? snprintf(few, sizeof(few), "\\t")
                                    : snprintf(few, sizeof(few), "\\x%02x", (unsigned char)base[i]);
        format_text_put(text, few, (size_t)few_len);
        clean = i + 1;
    }
    format_text_put(text, base + clean, len - clean);
}

/* Cells are escaped when they are made, so that lengths are final. */
void sql_grid_cells(struct format_text *text, const struct vec_chunk *chunk, size_t row)
{
    struct format_text raw = {0};

    for (uint32_t i = 0; i < chunk->column_count; i++) {
        size_t   head = text->len;
        uint32_t len = 0;

        raw.len = 0;
        format_text_put_value(&raw, &chunk->columns[i], row, FORMAT_STYLE_TABLE);
        format_text_put(text, &len, sizeof(len));
        grid_put_safe(text, raw.base, raw.len);
        len = (uint32_t)(text->len - head - sizeof(len));
        memcpy(text->base + head, &len, sizeof(len));
    }
    format_text_deinit(&raw);
}

/* Characters, not bytes. */
static uint32_t grid_width(struct view cell)
{
    uint32_t width = 0;

    for (size_t i = 0; i < cell.len; i++) {
        width += (cell.base[i] & 0xc0) != 0x80;
    }
    return width;
}

static struct view grid_cell(const char **at)
{
    struct view cell;
    uint32_t    len;

    memcpy(&len, *at, sizeof(len));
    cell = view_of(*at + sizeof(len), len);
    *at += sizeof(len) + len;
    return cell;
}

static void grid_put_cell(struct sql_grid *grid, uint32_t column, struct view cell)
{
    bool     right = vec_kind_is_numeric(grid->columns[column].type.kind);
    bool     last = column + 1 == grid->column_count;
    uint32_t width = grid_width(cell);
    size_t   blanks = width < grid->widths[column] ? grid->widths[column] - width : 0;

    if (blanks > 0 && right) {
        memset(format_text_room(&grid->text, blanks), ' ', blanks);
        grid->text.len += blanks;
    }
    format_text_put(&grid->text, cell.base, cell.len);
    if (blanks > 0 && !right && !last) {
        memset(format_text_room(&grid->text, blanks), ' ', blanks);
        grid->text.len += blanks;
    }
    format_text_put_string(&grid->text, last ? "\n" : "  ");
}

static void grid_write(struct sql_grid *grid, size_t len_min)
{
    if (grid->text.len >= len_min) {
        sql_out_write(grid->out, view_of(grid->text.base, grid->text.len), false);
        grid->text.len = 0;
    }
}

static const char *grid_put_row(struct sql_grid *grid, const char *cells)
{
    for (uint32_t i = 0; i < grid->column_count; i++) {
        grid_put_cell(grid, i, grid_cell(&cells));
    }
    return cells;
}

/* The head, and the rows that had to wait for it. */
static void grid_begin(struct sql_grid *grid)
{
    const char *at = grid->ahead.base, *end = at + grid->ahead.len;

    grid->begun = true;
    for (uint32_t i = 0; i < grid->column_count; i++) {
        grid->widths[i] = grid_width(grid->columns[i].name);
    }
    while (at != NULL && at < end) {
        for (uint32_t i = 0; i < grid->column_count; i++) {
            uint32_t width = grid_width(grid_cell(&at));

            grid->widths[i] = MAX(grid->widths[i], MIN(width, (uint32_t)GRID_WIDTH_MAX));
        }
    }
    for (uint32_t i = 0; i < grid->column_count; i++) {
        grid_put_cell(grid, i, grid->columns[i].name);
    }
    for (uint32_t i = 0; i < grid->column_count; i++) {
        size_t width = grid->widths[i];

        memset(format_text_room(&grid->text, width), '-', width);
        grid->text.len += width;
        format_text_put_string(&grid->text, i + 1 == grid->column_count ? "\n" : "  ");
    }
    for (at = grid->ahead.base; at != NULL && at < end;) {
        at = grid_put_row(grid, at);
        grid_write(grid, GRID_BYTES_AT_ONCE);
    }
    format_text_deinit(&grid->ahead);
}

void sql_grid_add(struct sql_grid *grid, struct view cells)
{
    CHECK(pthread_mutex_lock(&grid->lock) == 0);
    grid->row_count++;
    if (grid->begun) {
        (void)grid_put_row(grid, (const char *)cells.base);
        grid_write(grid, GRID_BYTES_AT_ONCE);
    } else {
        format_text_put(&grid->ahead, cells.base, cells.len);
        if (grid->row_count >= GRID_ROWS_AHEAD) {
            grid_begin(grid);
        }
    }
    CHECK(pthread_mutex_unlock(&grid->lock) == 0);
}

void sql_grid_show(struct sql_grid *grid)
{
    CHECK(pthread_mutex_lock(&grid->lock) == 0);
    if (!grid->begun) {
        grid_begin(grid);
    }
    grid_write(grid, 0);
    CHECK(pthread_mutex_unlock(&grid->lock) == 0);
}
