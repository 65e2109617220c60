#include "tests/unit/expr/expr_rig.h"

#include <stdio.h>

#include "compute/sql/sql_bind.h"
#include "compute/sql/sql_parse.h"
#include "compute/vec/vec_decimal.h"
#include "compute/vec/vec_number.h"
#include "compute/vec/vec_time.h"
#include "core/base/prng.h"

#define COLUMNS      20
#define ROWS         96
#define SHAPES       12
#define SAMPLES      10
#define RIG_MEMORY   (256 * MIB)
#define SMALL_VALUES 7

/* --- values as texts ---------------------------------------------------------------------------------------------- */

struct out {
    char  *text;
    size_t len;
};

static void PRINTF_LIKE(2, 3) put(struct out *out, const char *format, ...)
{
    va_list arguments;
    int     wrote;

    va_start(arguments, format);
    wrote = vsnprintf(out->text + out->len, RIG_VALUE_BYTES - out->len, format, arguments);
    va_end(arguments);
    assert_true(wrote >= 0);
    out->len = MIN(out->len + (size_t)wrote, (size_t)RIG_VALUE_BYTES - 1);
}

static void put_text(struct out *out, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.base[i]) {
        case '\\':
            put(out, "\\\\");
            break;
        case '\t':
            put(out, "\\t");
            break;
        case '\n':
            put(out, "\\n");
            break;
        case '\r':
            put(out, "\\r");
            break;
        default:
            put(out, "%c", text.base[i]);
            break;
        }
    }
}

static vec_int128 integer_at(const void *data, size_t at, enum vec_layout layout)
{
    switch (layout) {
    case VEC_LAYOUT_BOOL:
    case VEC_LAYOUT_INT8:
        return ((const int8_t *)data)[at];
    case VEC_LAYOUT_INT16:
        return ((const int16_t *)data)[at];
    case VEC_LAYOUT_INT32:
        return ((const int32_t *)data)[at];
    case VEC_LAYOUT_INT64:
        return ((const int64_t *)data)[at];
    default:
        assert_int_equal(layout, VEC_LAYOUT_INT128);
        return ((const vec_int128 *)data)[at];
    }
}

static void put_number(struct out *out, struct vec_type type, const void *data, size_t at)
{
    vec_int128 value = integer_at(data, at, vec_type_layout(type));
    char       text[VEC_DECIMAL_TEXT_BYTES];

    switch (type.kind) {
    case VEC_BOOLEAN:
        put(out, "%s", value != 0 ? "TRUE" : "FALSE");
        return;
    case VEC_DATE:
        vec_date_format((int64_t)value, text);
        break;
    case VEC_TIME:
        vec_time_format_ms((int32_t)value, -1, text);
        break;
    case VEC_TIMESTAMP:
    case VEC_TIMESTAMP_LTZ:
        vec_timestamp_format(vec_civil_of_timestamp(value, vec_timestamp_units(type)), ' ', -1, text);
        break;
    default:
        vec_decimal_format((struct vec_decimal){value, type.kind == VEC_DECIMAL ? type.scale : 0}, text);
        break;
    }
    put(out, "%s%s", text, type.kind == VEC_TIMESTAMP_LTZ ? "Z" : "");
}

static void put_value(struct out *out, const struct vec *vec, size_t row);

static void put_row(struct out *out, const struct vec *vec, size_t at)
{
    for (uint32_t i = 0; i < vec->type.child_count; i++) {
        put(out, "%s", i == 0 ? "(" : ", ");
        put_value(out, &vec->children[i], at);
    }
    put(out, ")");
}

static void put_list(struct out *out, const struct vec *vec, struct vec_list list)
{
    put(out, "[");
    for (uint32_t i = 0; i < list.len; i++) {
        put(out, "%s", i == 0 ? "" : ", ");
        put_value(out, &vec->children[0], list.offset + i);
    }
    put(out, "]");
}

static void put_bytes(struct out *out, struct view bytes)
{
    put(out, "x'");
    for (size_t i = 0; i < bytes.len; i++) {
        put(out, "%02x", bytes.base[i]);
    }
    put(out, "'");
}

static void put_value(struct out *out, const struct vec *vec, size_t row)
{
    struct vec_access access = vec_access_of(vec);
    size_t            at = vec_access_at(&access, row);
    char              text[VEC_NUMBER_TEXT_BYTES];

    if (vec->type.kind == VEC_NULL || vec_is_null(vec, row)) {
        put(out, "NULL");
        return;
    }
    switch (vec->type.kind) {
    case VEC_ROW:
        put_row(out, vec, at);
        break;
    case VEC_ARRAY:
        put_list(out, vec, ((const struct vec_list *)access.data)[at]);
        break;
    case VEC_CHAR:
    case VEC_VARCHAR:
        put_text(out, vec_string_view((const struct vec_string *)access.data + at));
        break;
    case VEC_BINARY:
    case VEC_VARBINARY:
        put_bytes(out, vec_string_view((const struct vec_string *)access.data + at));
        break;
    case VEC_FLOAT:
        vec_float_format(((const float *)access.data)[at], text);
        put(out, "%s", text);
        break;
    case VEC_DOUBLE:
        vec_double_format(((const double *)access.data)[at], text);
        put(out, "%s", text);
        break;
    default:
        put_number(out, vec->type, access.data, at);
        break;
    }
}

void rig_print(const struct vec *vec, size_t row, char out_text[RIG_VALUE_BYTES])
{
    struct out out = {.text = out_text};

    out_text[0] = '\0';
    put_value(&out, vec, row);
}

/* --- one expression ----------------------------------------------------------------------------------------------- */

static struct expr *bind(const char *sql, const struct vec_field *columns, uint32_t count, struct expr_maker *maker,
                         struct sql_error *error)
{
    struct view      text = arena_copy(maker->arena, view_of(sql, strlen(sql)));
    struct sql_expr *parsed = sql_parse_expression(text, maker->arena, error);

    return parsed == NULL ? NULL : sql_bind_expression(parsed, columns, count, maker, error);
}

/* Nullability is not shown: Flink's planner knows more about constants. */
static void put_type(struct vec_type type, char out_text[RIG_TYPE_BYTES])
{
    type.nullable = true;
    (void)vec_type_format(type, out_text, RIG_TYPE_BYTES);
    for (char *found = strstr(out_text, " NOT NULL"); found != NULL; found = strstr(out_text, " NOT NULL")) {
        memmove(found, found + 9, strlen(found + 9) + 1);
    }
}

void rig_ask(const char *sql, int32_t zone_seconds, struct rig_result *out)
{
    struct arena         arena;
    struct expr_maker    maker = {.arena = &arena, .zone_seconds = zone_seconds};
    struct sql_error     error = {.kind = SQL_OK};
    struct vec_chunk     chunk = {.row_count = 1, .selected_count = 1};
    struct expr_program *program;
    struct expr         *expr;
    struct vec           result;

    arena_init(&arena, MEM_TEST, 64 * KIB, RIG_MEMORY);
    *out = (struct rig_result){.answer = RIG_REFUSED};
    expr = bind(sql, NULL, 0, &maker, &error);
    if (expr == NULL) {
        (void)snprintf(out->value, sizeof(out->value), "!%s", error.message);
    } else {
        put_type(expr->type, out->type);
        program = expr_program_create(&expr, 1);
        expr_program_set_now_ms(program, RIG_NOW_MS);
        out->answer = expr_program_run(program, &chunk, &result) ? RIG_VALUE : RIG_FAILED;
        if (out->answer == RIG_VALUE) {
            rig_print(&result, 0, out->value);
        } else {
            (void)snprintf(out->value, sizeof(out->value), "!%s", expr_program_failure(program)->message);
        }
        expr_program_destroy(program);
    }
    expr_maker_release(&maker);
    arena_deinit(&arena);
}

void rig_check(const struct rig_row *rows, size_t count)
{
    static struct rig_result result;

    for (size_t i = 0; i < count; i++) {
        bool ok;

        rig_ask(rows[i].sql, 0, &result);
        if (rows[i].type == NULL) {
            ok = result.answer == RIG_REFUSED && strstr(result.value, rows[i].value) != NULL;
        } else if (rows[i].value[0] == '!') {
            ok = result.answer == RIG_FAILED && strstr(result.value, rows[i].value + 1) != NULL;
        } else {
            ok = result.answer == RIG_VALUE && strcmp(result.type, rows[i].type) == 0 &&
                 strcmp(result.value, rows[i].value) == 0;
        }
        if (!ok) {
            fail_msg("%s is %s %s, expected %s %s", rows[i].sql, result.type, result.value,
                     rows[i].type == NULL ? "a refusal:" : rows[i].type, rows[i].value);
        }
    }
}

/* --- shapes ------------------------------------------------------------------------------------------------------- */

struct board {
    struct arena     arena;
    struct vec_field fields[COLUMNS];
    struct vec_field row_fields[2], element;
    struct vec       columns[COLUMNS];
};

#define TEXTS 12
static const char *const texts[TEXTS] = {"\xff\xc3(",
                                         "broken \xe2\x82 in the middle of it",
                                         "",
                                         "a",
                                         "Hello World, of more than twelve",
                                         "  pad ",
                                         "äöüß 日本",
                                         "a,b,,c",
                                         "x=1&y=2",
                                         "2024-02-29 12:30:45",
                                         "17",
                                         "éÀ😀z"};
static const char *const documents[SAMPLES] = {"{\"a\": 1, \"b\": [1, {\"c\": \"text that is long enough\"}]}",
                                               "{\"a\": \"x\\ny\\u00e4\"}",
                                               "[1, 2]",
                                               "{bad",
                                               "\"s\"",
                                               "{}",
                                               "null",
                                               "{\"a\": null}",
                                               "{\"a\": 1.50}",
                                               "{\"b\": []}"};

static void put_random(struct board *board, struct prng *prng, struct vec *vec, size_t row)
{
    static const int64_t small[SMALL_VALUES] = {0, 1, -1, 5, 12, -7, 100};
    int64_t              number = small[prng_below(prng, SMALL_VALUES)];
    const char          *text = texts[prng_below(prng, TEXTS)];

    switch (vec_type_layout(vec->type)) {
    case VEC_LAYOUT_BOOL:
        ((uint8_t *)vec->data)[row] = number > 0;
        break;
    case VEC_LAYOUT_INT8:
        ((int8_t *)vec->data)[row] = (int8_t)number;
        break;
    case VEC_LAYOUT_INT16:
        ((int16_t *)vec->data)[row] = (int16_t)(number * 100);
        break;
    case VEC_LAYOUT_INT32:
        ((int32_t *)vec->data)[row] = vec->type.kind == VEC_TIME   ? (int32_t)prng_below(prng, 86400) * 1000
                                      : vec->type.kind == VEC_DATE ? (int32_t)prng_below(prng, 40000) - 9000
                                                                   : (int32_t)number;
        break;
    case VEC_LAYOUT_INT64:
        ((int64_t *)vec->data)[row] = vec->type.kind == VEC_BIGINT || vec->type.kind == VEC_DECIMAL
                                          ? number * 12345
                                          : ((int64_t)prng_below(prng, UINT64_C(4000000000)) - 900000000) * 1001000;
        break;
    case VEC_LAYOUT_INT128:
        ((vec_int128 *)vec->data)[row] = (vec_int128)number * INT64_C(1234567890123457);
        break;
    case VEC_LAYOUT_FLOAT:
        ((float *)vec->data)[row] = (float)number * 0.25F;
        break;
    case VEC_LAYOUT_DOUBLE:
        ((double *)vec->data)[row] = (double)number * 1.125;
        break;
    case VEC_LAYOUT_STRING:
        text = vec == &board->columns[COLUMNS - 1] ? documents[prng_below(prng, SAMPLES)]
               : vec->type.kind == VEC_CHAR        ? (number > 0 ? "abcd" : "é  z")
                                                   : text;
        ((struct vec_string *)vec->data)[row] = vec_string_of(text, (uint32_t)strlen(text));
        break;
    case VEC_LAYOUT_LIST: {
        struct vec_list *list = (struct vec_list *)vec->data + row;

        *list = (struct vec_list){.offset = vec->child_rows, .len = (uint32_t)prng_below(prng, 4)};
        if (vec->children[0].capacity == 0) {
            vec->children[0] = vec_make(&board->arena, vec->children[0].type);
        }
        for (uint32_t i = 0; i < list->len; i++) {
            put_random(board, prng, &vec->children[0], list->offset + i);
        }
        vec->child_rows += list->len;
        break;
    }
    default:
        for (uint32_t i = 0; i < vec->type.child_count; i++) {
            put_random(board, prng, &vec->children[i], row);
        }
        break;
    }
}

static void put_null(struct board *board, struct vec *vec, size_t row)
{
    vec_bit_clear(vec_need_validity(vec, &board->arena), row);
    for (uint32_t i = 0; vec->type.kind == VEC_ROW && i < vec->type.child_count; i++) {
        put_null(board, &vec->children[i], row);
    }
}

static void board_types(struct board *board)
{
    static const struct {
        const char   *name;
        enum vec_kind kind;
        uint8_t       precision, scale;
    } kinds[COLUMNS] = {
        {"b", VEC_BOOLEAN, 0, 0},   {"y", VEC_TINYINT, 0, 0},       {"h", VEC_SMALLINT, 0, 0},
        {"i", VEC_INT, 0, 0},       {"l", VEC_BIGINT, 0, 0},        {"f", VEC_FLOAT, 0, 0},
        {"d", VEC_DOUBLE, 0, 0},    {"m", VEC_DECIMAL, 10, 2},      {"n", VEC_DECIMAL, 30, 5},
        {"s", VEC_VARCHAR, 0, 0},   {"c", VEC_CHAR, 0, 0},          {"x", VEC_VARBINARY, 0, 0},
        {"dt", VEC_DATE, 0, 0},     {"tm", VEC_TIME, 0, 0},         {"t", VEC_TIMESTAMP, 3, 0},
        {"u", VEC_TIMESTAMP, 9, 0}, {"z", VEC_TIMESTAMP_LTZ, 3, 0}, {"a", VEC_ARRAY, 0, 0},
        {"r", VEC_ROW, 0, 0},       {"j", VEC_VARCHAR, 0, 0},
    };

    board->row_fields[0] = (struct vec_field){view_text("p"), vec_type_of(VEC_INT)};
    board->row_fields[1] = (struct vec_field){view_text("q"), vec_type_of(VEC_VARCHAR)};
    board->element = (struct vec_field){view_text("element"), vec_type_of(VEC_INT)};
    for (size_t i = 0; i < COLUMNS; i++) {
        struct vec_type type = vec_type_of(kinds[i].kind);

        type.precision = kinds[i].precision;
        type.scale = kinds[i].scale;
        type.length = type.kind == VEC_CHAR ? 4 : type.length;
        type.child_count = type.kind == VEC_ROW ? 2 : type.kind == VEC_ARRAY ? 1 : 0;
        type.children = type.kind == VEC_ROW ? board->row_fields : type.kind == VEC_ARRAY ? &board->element : NULL;
        board->fields[i] = (struct vec_field){.name = view_text(kinds[i].name), .type = type};
        board->columns[i] = vec_make(&board->arena, type);
    }
}

static void board_make(struct board *board)
{
    struct prng prng;

    arena_init(&board->arena, MEM_TEST, 256 * KIB, RIG_MEMORY);
    prng_init(&prng, 7);
    board_types(board);
    for (size_t i = 0; i < COLUMNS; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            put_random(board, &prng, &board->columns[i], row);
            if (prng_chance(&prng, 1, 6)) {
                put_null(board, &board->columns[i], row);
            }
        }
    }
}

/* What the expression is at each row, evaluated over that row alone, its columns constants. */
static void expected_values(struct board *board, struct expr *expr, char (*out_values)[RIG_VALUE_BYTES])
{
    struct expr_program *program = expr_program_create(&expr, 1);

    expr_program_set_now_ms(program, RIG_NOW_MS);
    for (size_t row = 0; row < ROWS; row++) {
        struct vec       columns[COLUMNS];
        struct vec_chunk chunk = {.row_count = 1, .selected_count = 1, .column_count = COLUMNS, .columns = columns};
        struct vec       result;

        for (size_t i = 0; i < COLUMNS; i++) {
            columns[i] = vec_make_constant(&board->arena, &board->columns[i], row);
        }
        if (!expr_program_run(program, &chunk, &result)) {
            fail_msg("%s", expr_program_failure(program)->message);
        }
        rig_print(&result, 0, out_values[row]);
    }
    expr_program_destroy(program);
}

static void check_shape(struct board *board, const char *sql, struct expr *expr, char (*values)[RIG_VALUE_BYTES],
                        uint64_t seed)
{
    struct expr_program *program = expr_program_create(&expr, 1);
    struct vec           columns[COLUMNS];
    struct vec_chunk chunk = {.row_count = ROWS, .selected_count = ROWS, .column_count = COLUMNS, .columns = columns};
    uint16_t         selection[ROWS];
    struct prng      prng;
    struct vec       result;
    static char      value[RIG_VALUE_BYTES];

    prng_init(&prng, seed);
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] = seed == 0 ? board->columns[i]
                               : vec_verify_reshape(&board->arena, &board->columns[i], ROWS, prng_next(&prng));
    }
    if (seed % 3 == 1) {
        chunk.selection = selection;
        chunk.selected_count = 0;
        for (uint16_t row = 0; row < ROWS; row++) {
            if (prng_chance(&prng, 1, 2)) {
                selection[chunk.selected_count++] = row;
            }
        }
    }
    expr_program_set_now_ms(program, RIG_NOW_MS);
    for (int run = 0; run < 2; run++) { /* a second time: what the first left behind must not matter */
        if (!expr_program_run(program, &chunk, &result)) {
            fail_msg("%s: %s", sql, expr_program_failure(program)->message);
        }
    }
    for (size_t i = 0; i < chunk.selected_count; i++) {
        size_t row = vec_chunk_row(&chunk, i);

        rig_print(&result, row, value);
        if (strcmp(value, values[row]) != 0) {
            fail_msg("%s, shape %d, row %zu: %s, alone %s", sql, (int)seed, row, value, values[row]);
        }
    }
    expr_program_destroy(program);
}

void rig_check_shapes(const char *const *expressions, size_t count)
{
    static char         values[ROWS][RIG_VALUE_BYTES];
    static struct board board;

    for (size_t i = 0; i < count; i++) {
        struct expr_maker maker = {.arena = &board.arena};
        struct sql_error  error = {.kind = SQL_OK};
        struct expr      *expr;

        board_make(&board);
        expr = bind(expressions[i], board.fields, COLUMNS, &maker, &error);
        if (expr == NULL) {
            fail_msg("%s: %s", expressions[i], error.message);
        }
        expected_values(&board, expr, values);
        for (uint64_t seed = 0; seed < SHAPES; seed++) {
            check_shape(&board, expressions[i], expr, values, seed);
        }
        expr_maker_release(&maker);
        arena_deinit(&board.arena);
    }
}
