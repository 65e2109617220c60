/* Forms that evaluate their arguments on part of the rows: AND, OR, CASE, COALESCE. */
#include "compute/expr/expr_run.h"

/* AND and OR: `decisive` is the value that ends it, false for AND. A row's result is decisive if any argument is, else
 * null if any is null, else the other. */
bool expr__eval_logic(struct expr_program *program, struct step *step, struct rows rows, uint8_t decisive,
                      struct vec *out)
{
    uint8_t    *result = step->result.data;
    struct rows open = rows;

    step->result.validity = NULL;
    for (uint32_t i = 0; i < rows.count; i++) {
        result[row_at(rows, i)] = (uint8_t)!decisive;
    }
    for (uint32_t argument = 0; argument < step->expr->argument_count && open.count > 0; argument++) {
        struct vec        value;
        struct vec_access access;
        uint16_t         *list = row_list(program);
        uint32_t          count = 0;

        if (!expr__eval(program, step->arguments[argument], open, &value)) {
            return false;
        }
        access = vec_access_of(&value);
        for (uint32_t i = 0; i < open.count; i++) {
            size_t row = row_at(open, i);

            if (vec_access_null(&access, row)) {
                set_null(step, row);
            } else if (((const uint8_t *)access.data)[vec_access_at(&access, row)] == decisive) {
                result[row] = decisive;
                if (step->result.validity != NULL) {
                    vec_bit_set(step->validity, row);
                }
                continue;
            }
            list[count++] = (uint16_t)row;
        }
        open = (struct rows){.list = list, .count = count};
    }
    *out = step->result;
    return true;
}

#define COPY_ROWS(type_)                                                         \
    do {                                                                         \
        const type_ *from = access.data;                                         \
        type_       *to = step->result.data;                                     \
        for (uint32_t i = 0; i < rows.count; i++) {                              \
            to[row_at(rows, i)] = from[vec_access_at(&access, row_at(rows, i))]; \
        }                                                                        \
    } while (0)

/* Copies values of some rows into the step's result, nulls included. */
static void take_rows(struct expr_program *program, struct step *step, const struct vec *value, struct rows rows)
{
    struct vec_access access = vec_access_of(value);

    for (uint32_t i = 0; access.validity != NULL && i < rows.count; i++) {
        if (vec_access_null(&access, row_at(rows, i))) {
            set_null(step, row_at(rows, i));
        }
    }
    if (value->type.kind == VEC_NULL) {
        for (uint32_t i = 0; i < rows.count; i++) {
            set_null(step, row_at(rows, i));
        }
        return;
    }
    switch (vec_type_layout(value->type)) {
    case VEC_LAYOUT_NONE:
    case VEC_LAYOUT_LIST:
        for (uint32_t i = 0; i < rows.count; i++) {
            vec_copy_value(&program->texts, &step->result, row_at(rows, i), value, row_at(rows, i));
        }
        break;
    default:
        switch (vec_layout_bytes(vec_type_layout(value->type))) {
        case 1:
            COPY_ROWS(uint8_t);
            break;
        case 2:
            COPY_ROWS(uint16_t);
            break;
        case 4:
            COPY_ROWS(uint32_t);
            break;
        case 8:
            COPY_ROWS(uint64_t);
            break;
        default:
            COPY_ROWS(vec_uint128);
            break;
        }
        break;
    }
}

/* Splits rows by a condition: true ones, and the others. */
static bool split_rows(struct expr_program *program, struct step *condition, struct rows rows, struct rows *out_true,
                       struct rows *out_others)
{
    struct vec        value;
    struct vec_access access;
    uint16_t         *yes = row_list(program);
    uint16_t         *no = row_list(program);
    uint32_t          yes_count = 0;
    uint32_t          no_count = 0;

    if (!expr__eval(program, condition, rows, &value)) {
        return false;
    }
    access = vec_access_of(&value);
    for (uint32_t i = 0; i < rows.count; i++) {
        size_t row = row_at(rows, i);

        if (!vec_access_null(&access, row) && ((const uint8_t *)access.data)[vec_access_at(&access, row)] != 0) {
            yes[yes_count++] = (uint16_t)row;
        } else {
            no[no_count++] = (uint16_t)row;
        }
    }
    *out_true = (struct rows){yes, yes_count};
    *out_others = (struct rows){no, no_count};
    return true;
}

/* A row or array result is written value by value, so it needs fresh children for each run. */
static void renew_nested(struct expr_program *program, struct step *step)
{
    if (step->expr->type.kind == VEC_ROW || step->expr->type.kind == VEC_ARRAY) {
        step->result = vec_make(&program->texts, step->expr->type);
        if (step->expr->type.kind == VEC_ROW) { /* its nulls go through vec_copy_value, not through set_null */
            (void)vec_need_validity(&step->result, &program->texts);
            memset(step->validity, 0xff, sizeof(step->validity));
            step->result.validity = step->validity;
        }
    }
}

bool expr__eval_case(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    uint32_t   count = step->expr->argument_count;
    struct vec value;

    step->result.validity = NULL;
    renew_nested(program, step);
    for (uint32_t i = 0; i + 1 < count && rows.count > 0; i += 2) {
        struct rows taken;

        if (!split_rows(program, step->arguments[i], rows, &taken, &rows)) {
            return false;
        }
        if (taken.count > 0) {
            if (!expr__eval(program, step->arguments[i + 1], taken, &value)) {
                return false;
            }
            take_rows(program, step, &value, taken);
        }
    }
    if (rows.count > 0) {
        if (!expr__eval(program, step->arguments[count - 1], rows, &value)) {
            return false;
        }
        take_rows(program, step, &value, rows);
    }
    *out = step->result;
    return true;
}

bool expr__eval_coalesce(struct expr_program *program, struct step *step, struct rows rows, struct vec *out)
{
    step->result.validity = NULL;
    renew_nested(program, step);
    for (uint32_t argument = 0; argument < step->expr->argument_count && rows.count > 0; argument++) {
        struct vec        value;
        struct vec_access access;
        uint16_t         *list = row_list(program);
        uint16_t         *rest = row_list(program);
        uint32_t          count = 0;
        uint32_t          rest_count = 0;

        if (!expr__eval(program, step->arguments[argument], rows, &value)) {
            return false;
        }
        access = vec_access_of(&value);
        for (uint32_t i = 0; i < rows.count; i++) {
            size_t row = row_at(rows, i);

            if (value.type.kind == VEC_NULL || vec_access_null(&access, row)) {
                rest[rest_count++] = (uint16_t)row;
            } else {
                list[count++] = (uint16_t)row;
            }
        }
        take_rows(program, step, &value, (struct rows){list, count});
        rows = (struct rows){rest, rest_count};
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        set_null(step, row_at(rows, i));
    }
    *out = step->result;
    return true;
}
