/* cli_out.c: documents: filled by commands, printed once. */
#include "tools/cli/cli_out.h"

#include "core/base/check.h"
#include "tools/cli/cli_args.h"

#include <stdlib.h>
#include <unistd.h>

#define COLUMNS_MAX  24
#define SECTIONS_MAX 8
#define CELLS_FIRST  256

#define STYLE_HEAD  "\033[1m"
#define STYLE_ERROR "\033[31m"
#define STYLE_OFF   "\033[0m"

enum cell_kind {
    CELL_TEXT,
    CELL_NUMBER,
    CELL_BYTES,
    CELL_TIME,
    CELL_DURATION,
    CELL_BOOL,
    CELL_NONE,
    CELL_LIST,
    CELL_ERROR
};

struct cell {
    enum cell_kind kind;
    int32_t        count; /* CELL_LIST */
    int64_t        number;
    const int32_t *numbers;
    struct view    text;
    const char    *shown; /* what people see, made when printing */
};

struct cli_section {
    struct cli  *cli;
    const char  *name, *empty;
    bool         record, hidden;
    const char  *columns[COLUMNS_MAX];
    size_t       column_count, column_at;
    size_t       row_count;
    struct cell *cells; /* row by row */
    size_t       cell_count, cell_capacity;
};

struct cli_out {
    bool                json, colour;
    struct cli_section *sections[SECTIONS_MAX];
    size_t              section_count;
};

/* --- filling ----------------------------------------------------------------------------------------------------- */

void cli_out_init(struct cli *cli)
{
    const char *format = cli_option(cli, "output");
    const char *no_colour = getenv("NO_COLOR");

    cli->out = cli_alloc(cli, sizeof(*cli->out));
    cli->out->json = format != NULL && strcmp(format, "json") == 0;
    cli->out->colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
}

bool cli_out_is_json(const struct cli *cli)
{
    return cli->out->json;
}

static struct cli_section *cli_section_make(struct cli *cli, const char *name, const char *empty, bool record)
{
    struct cli_section *section = cli_alloc(cli, sizeof(*section));

    CHECK(cli->out->section_count < SECTIONS_MAX);
    *section = (struct cli_section){.cli = cli, .name = name, .empty = empty, .record = record};
    cli->out->sections[cli->out->section_count++] = section;
    return section;
}

struct cli_section *cli_table(struct cli *cli, const char *name, const char *empty)
{
    return cli_section_make(cli, name, empty, false);
}

struct cli_section *cli_record(struct cli *cli, const char *name)
{
    struct cli_section *section = cli_section_make(cli, name, NULL, true);

    cli_row(section);
    return section;
}

void cli_row(struct cli_section *section)
{
    CHECK(section->row_count == 0 || section->column_at == section->column_count);
    section->row_count++;
    section->column_at = 0;
}

static struct cell *cli_cell(struct cli_section *section, const char *name, enum cell_kind kind)
{
    struct cell *cell;

    CHECK(section->row_count > 0 && section->column_at < COLUMNS_MAX);
    if (section->row_count == 1) {
        section->columns[section->column_count++] = name;
    }
    CHECK(section->column_at < section->column_count && strcmp(section->columns[section->column_at], name) == 0);
    section->column_at++;
    if (section->cell_count == section->cell_capacity) {
        size_t       capacity = section->cell_capacity == 0 ? CELLS_FIRST : 2 * section->cell_capacity;
        struct cell *cells = cli_alloc_array(section->cli, capacity, sizeof(*cells));

        if (section->cell_count > 0) {
            memcpy(cells, section->cells, section->cell_count * sizeof(*cells));
        }
        section->cells = cells;
        section->cell_capacity = capacity;
    }
    cell = &section->cells[section->cell_count++];
    *cell = (struct cell){.kind = kind};
    return cell;
}

void cli_put_view(struct cli_section *section, const char *name, struct view text)
{
    cli_cell(section, name, text.base == NULL ? CELL_NONE : CELL_TEXT)->text = text;
}

void cli_put_text(struct cli_section *section, const char *name, const char *text)
{
    cli_put_view(section, name, text == NULL ? (struct view){0} : view_text(text));
}

void cli_put_number(struct cli_section *section, const char *name, int64_t value)
{
    cli_cell(section, name, CELL_NUMBER)->number = value;
}

void cli_put_bytes(struct cli_section *section, const char *name, int64_t bytes)
{
    cli_cell(section, name, CELL_BYTES)->number = bytes;
}

void cli_put_time(struct cli_section *section, const char *name, int64_t ms)
{
    cli_cell(section, name, CELL_TIME)->number = ms;
}

void cli_put_duration(struct cli_section *section, const char *name, int64_t ms)
{
    cli_cell(section, name, CELL_DURATION)->number = ms;
}

void cli_put_bool(struct cli_section *section, const char *name, bool value)
{
    cli_cell(section, name, CELL_BOOL)->number = value;
}

void cli_put_none(struct cli_section *section, const char *name)
{
    (void)cli_cell(section, name, CELL_NONE);
}

void cli_put_numbers(struct cli_section *section, const char *name, const int32_t *values, int32_t count)
{
    struct cell *cell = cli_cell(section, name, CELL_LIST);

    cell->numbers = values;
    cell->count = MAX(count, 0);
}

void cli_put_error(struct cli_section *section, const char *name, const char *error, const char *fine)
{
    struct cell *cell = cli_cell(section, name, CELL_ERROR);

    cell->number = error != NULL;
    cell->text = view_text(error != NULL ? error : fine);
}

void cli_out_hide(struct cli_section *section)
{
    section->hidden = true;
}

/* --- ordering ---------------------------------------------------------------------------------------------------- */

static int cell_compare(const struct cell *a, const struct cell *b)
{
    if (a->kind == CELL_TEXT && b->kind == CELL_TEXT) {
        return view_compare(a->text, b->text);
    }
    if (a->kind != b->kind) {
        return a->kind == CELL_NONE ? -1 : b->kind == CELL_NONE ? 1 : (a->kind > b->kind) - (a->kind < b->kind);
    }
    return (a->number > b->number) - (a->number < b->number);
}

static int row_compare(const void *a, const void *b, void *context)
{
    const struct cli_section *section = context;
    size_t                    left = *(const size_t *)a, right = *(const size_t *)b;

    for (size_t i = 0; i < section->column_count; i++) {
        int order = cell_compare(&section->cells[left * section->column_count + i],
                                 &section->cells[right * section->column_count + i]);

        if (order != 0) {
            return order;
        }
    }
    return (left > right) - (left < right);
}

void cli_sort(struct cli_section *section)
{
    size_t       width = section->column_count;
    size_t      *order = cli_alloc_array(section->cli, section->row_count + 1, sizeof(*order));
    struct cell *cells = cli_alloc_array(section->cli, section->cell_count + 1, sizeof(*cells));

    for (size_t i = 0; i < section->row_count; i++) {
        order[i] = i;
    }
    qsort_r(order, section->row_count, sizeof(*order), row_compare, section);
    for (size_t i = 0; i < section->row_count; i++) {
        memcpy(&cells[i * width], &section->cells[order[i] * width], width * sizeof(*cells));
    }
    section->cells = cells;
    section->cell_capacity = section->cell_count;
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static void cli_json_cell(struct cli_json *json, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_TEXT:
        cli_json_view(json, cell->text);
        break;
    case CELL_BOOL:
        cli_json_bool(json, cell->number != 0);
        break;
    case CELL_NONE:
        cli_json_null(json);
        break;
    case CELL_ERROR:
        cli_json_view(json, cell->number != 0 ? cell->text : (struct view){0});
        break;
    case CELL_LIST:
        cli_json_open(json, '[');
        json->pretty = false;
        for (int32_t i = 0; i < cell->count; i++) {
            cli_json_number(json, cell->numbers[i]);
        }
        cli_json_close(json, ']');
        json->pretty = true;
        break;
    default:
        cli_json_number(json, cell->number);
        break;
    }
}

static void cli_json_row(struct cli_json *json, const struct cli_section *section, size_t row)
{
    cli_json_open(json, '{');
    for (size_t i = 0; i < section->column_count; i++) {
        cli_json_key(json, section->columns[i]);
        cli_json_cell(json, &section->cells[row * section->column_count + i]);
    }
    cli_json_close(json, '}');
}

static void cli_json_section(struct cli_json *json, const struct cli_section *section)
{
    if (section->record) {
        cli_json_row(json, section, 0);
        return;
    }
    cli_json_open(json, '[');
    for (size_t i = 0; i < section->row_count; i++) {
        cli_json_row(json, section, i);
    }
    cli_json_close(json, ']');
}

static void cli_print_json(const struct cli_out *out)
{
    struct cli_json json = {.to = stdout, .pretty = true};

    if (out->section_count == 1 && out->sections[0]->name == NULL) {
        cli_json_section(&json, out->sections[0]);
    } else {
        cli_json_open(&json, '{');
        for (size_t i = 0; i < out->section_count; i++) {
            cli_json_key(&json, out->sections[i]->name);
            cli_json_section(&json, out->sections[i]);
        }
        cli_json_close(&json, '}');
    }
    (void)fputc('\n', stdout);
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static const char *cell_list_text(struct cli *cli, const struct cell *cell)
{
    size_t room = (size_t)cell->count * 12 + 2;
    char  *text = cli_alloc(cli, room);
    size_t at = 0;

    for (int32_t i = 0; i < cell->count; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s%d", i > 0 ? "," : "", cell->numbers[i]);
    }
    return at == 0 ? "-" : text;
}

/* Bytes that would move the cursor become escapes. */
static const char *cell_safe_text(struct cli *cli, struct view text)
{
    size_t room = text.len * 4 + 1;
    char  *safe = cli_alloc(cli, room);
    size_t at = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.base[i];

        if (byte == '\n') {
            at += (size_t)snprintf(safe + at, room - at, "\\n");
        } else if (byte < 0x20 || byte == 0x7f) {
            at += (size_t)snprintf(safe + at, room - at, "\\x%02x", byte);
        } else {
            safe[at++] = (char)byte;
        }
    }
    return safe;
}

static const char *cell_text(struct cli *cli, const struct cell *cell)
{
    char value[CLI_VALUE_BYTES] = "";

    switch (cell->kind) {
    case CELL_TEXT:
    case CELL_ERROR:
        return cell_safe_text(cli, cell->text);
    case CELL_NONE:
        return "-";
    case CELL_BOOL:
        return cell->number != 0 ? "yes" : "no";
    case CELL_LIST:
        return cell_list_text(cli, cell);
    case CELL_NUMBER:
        return cli_format(cli, "%" PRId64, cell->number);
    case CELL_BYTES:
        cli_format_bytes(cell->number, value);
        break;
    case CELL_TIME:
        cli_format_time(cell->number, value);
        break;
    case CELL_DURATION:
        cli_format_duration(cell->number, value);
        break;
    }
    return cli_text_copy(cli, view_text(value));
}

/* Places on the screen: UTF-8 sequences count once. */
static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((uint8_t)*text & 0xc0) != 0x80;
    }
    return width;
}

static bool cell_is_number(const struct cell *cell)
{
    return cell->kind == CELL_NUMBER || cell->kind == CELL_BYTES || cell->kind == CELL_DURATION;
}

/* "leader_id" as "LEADER ID" for tables, "leader id" for records. */
static char *column_title(struct cli *cli, const char *name, bool upper)
{
    char *title = cli_text_copy(cli, view_text(name));

    for (char *at = title; *at != '\0'; at++) {
        if (*at == '_') {
            *at = ' ';
        } else if (upper && *at >= 'a' && *at <= 'z') {
            *at = (char)(*at - 'a' + 'A');
        }
    }
    return title;
}

static void print_padded(const char *text, size_t width, bool right, bool last)
{
    size_t pad = width - MIN(text_width(text), width);

    if (right) {
        (void)printf("%*s%s", (int)pad, "", text);
    } else {
        (void)printf("%s%*s", text, last ? 0 : (int)pad, "");
    }
    (void)fputs(last ? "" : "  ", stdout);
}

static void print_cell(const struct cli_out *out, const struct cell *cell, size_t width, bool right, bool last)
{
    bool red = out->colour && cell->kind == CELL_ERROR && cell->number != 0;

    (void)fputs(red ? STYLE_ERROR : "", stdout);
    print_padded(cell->shown, width, right, last);
    (void)fputs(red ? STYLE_OFF : "", stdout);
}

static void print_table(const struct cli_out *out, struct cli_section *section)
{
    size_t width[COLUMNS_MAX] = {0};
    bool   right[COLUMNS_MAX] = {0};
    char  *titles[COLUMNS_MAX] = {0};
    size_t columns = section->column_count;

    for (size_t i = 0; i < columns; i++) {
        titles[i] = section->cells[i].kind == CELL_ERROR ? column_title(section->cli, "result", true)
                                                         : column_title(section->cli, section->columns[i], true);
        width[i] = strlen(titles[i]);
    }
    for (size_t i = 0; i < section->cell_count; i++) {
        struct cell *cell = &section->cells[i];

        cell->shown = cell_text(section->cli, cell);
        width[i % columns] = MAX(width[i % columns], text_width(cell->shown));
        right[i % columns] = right[i % columns] || cell_is_number(cell);
    }
    (void)fputs(out->colour ? STYLE_HEAD : "", stdout);
    for (size_t i = 0; i < columns; i++) {
        print_padded(titles[i], width[i], right[i], i + 1 == columns);
    }
    (void)fputs(out->colour ? STYLE_OFF "\n" : "\n", stdout);
    for (size_t i = 0; i < section->cell_count; i++) {
        bool last = (i + 1) % columns == 0;

        print_cell(out, &section->cells[i], width[i % columns], right[i % columns], last);
        (void)fputs(last ? "\n" : "", stdout);
    }
}

static void print_record(const struct cli_out *out, struct cli_section *section)
{
    size_t width = 0;

    for (size_t i = 0; i < section->column_count; i++) {
        width = MAX(width, strlen(section->columns[i]));
    }
    for (size_t i = 0; i < section->column_count; i++) {
        struct cell *cell = &section->cells[i];

        cell->shown = cell_text(section->cli, cell);
        (void)fputs(out->colour ? STYLE_HEAD : "", stdout);
        print_padded(column_title(section->cli, section->columns[i], false), width, false, false);
        (void)fputs(out->colour ? STYLE_OFF : "", stdout);
        print_cell(out, cell, 0, false, true);
        (void)fputc('\n', stdout);
    }
}

void cli_out_print(struct cli *cli)
{
    struct cli_out *out = cli->out;
    bool            before = false;

    if (out->json) {
        cli_print_json(out);
        return;
    }
    for (size_t i = 0; i < out->section_count; i++) {
        struct cli_section *section = out->sections[i];

        if (section->row_count == 0 || section->hidden) {
            if (section->empty != NULL && !section->hidden) {
                (void)fprintf(stderr, "%s\n", section->empty);
            }
            continue;
        }
        (void)fputs(before ? "\n" : "", stdout);
        before = true;
        if (section->record) {
            print_record(out, section);
        } else {
            print_table(out, section);
        }
    }
}

void cli_out_print_bare(struct cli *cli)
{
    const struct cli_section *section = cli->out->sections[0];

    for (size_t i = 0; i < section->row_count; i++) {
        const struct cell *cell = &section->cells[i * section->column_count];

        (void)printf("%s\n", cell_text(cli, cell));
    }
}
