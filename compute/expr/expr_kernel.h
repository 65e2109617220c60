/* expr_kernel.h: the loop templates. A kernel body is written once, for one row; the template runs it over dense rows
 * of flat or constant arguments, where the compiler vectorises, and over anything else. */
#ifndef MILLRACE_EXPR_KERNEL_H
#define MILLRACE_EXPR_KERNEL_H

#include "compute/expr/expr_internal.h"

/* Constant or flat, so that argument i of row r stands at r * stride. */
static inline bool expr__plain(const struct vec *vec)
{
    return vec->form != VEC_DICTIONARY;
}

/* A kernel of one argument: `a` is the value (type_a), the expression gives the result (type_r). */
#define EXPR_UNARY(name, type_a, type_r, expression)                     \
    static bool name(struct expr_call *call)                             \
    {                                                                    \
        struct vec_access access = vec_access_of(&call->arguments[0]);   \
        const type_a     *data = access.data;                            \
        type_r           *result = call->result->data;                   \
                                                                         \
        if (call->rows == NULL && call->arguments[0].form == VEC_FLAT) { \
            for (uint32_t i = 0; i < call->row_count; i++) {             \
                type_a a = data[i];                                      \
                result[i] = (type_r)(expression);                        \
            }                                                            \
            return true;                                                 \
        }                                                                \
        for (uint32_t i = 0; i < call->row_count; i++) {                 \
            size_t row = expr__row(call, i);                             \
            type_a a = data[vec_access_at(&access, row)];                \
            result[row] = (type_r)(expression);                          \
        }                                                                \
        return true;                                                     \
    }

/* Two arguments: `a` and `b`. */
#define EXPR_BINARY(name, type_a, type_b, type_r, expression)                                                    \
    static bool name(struct expr_call *call)                                                                     \
    {                                                                                                            \
        struct vec_access access_a = vec_access_of(&call->arguments[0]);                                         \
        struct vec_access access_b = vec_access_of(&call->arguments[1]);                                         \
        const type_a     *data_a = access_a.data;                                                                \
        const type_b     *data_b = access_b.data;                                                                \
        type_r           *result = call->result->data;                                                           \
                                                                                                                 \
        if (call->rows == NULL && expr__plain(&call->arguments[0]) && call->arguments[1].form == VEC_CONSTANT && \
            call->arguments[0].form == VEC_FLAT) {                                                               \
            type_b b = data_b[0];                                                                                \
            for (uint32_t i = 0; i < call->row_count; i++) {                                                     \
                type_a a = data_a[i];                                                                            \
                result[i] = (type_r)(expression);                                                                \
            }                                                                                                    \
            return true;                                                                                         \
        }                                                                                                        \
        if (call->rows == NULL && call->arguments[0].form == VEC_FLAT && call->arguments[1].form == VEC_FLAT) {  \
            for (uint32_t i = 0; i < call->row_count; i++) {                                                     \
                type_a a = data_a[i];                                                                            \
                type_b b = data_b[i];                                                                            \
                result[i] = (type_r)(expression);                                                                \
            }                                                                                                    \
            return true;                                                                                         \
        }                                                                                                        \
        for (uint32_t i = 0; i < call->row_count; i++) {                                                         \
            size_t row = expr__row(call, i);                                                                     \
            type_a a = data_a[vec_access_at(&access_a, row)];                                                    \
            type_b b = data_b[vec_access_at(&access_b, row)];                                                    \
            result[row] = (type_r)(expression);                                                                  \
        }                                                                                                        \
        return true;                                                                                             \
    }

#endif
