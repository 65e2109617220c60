/* sql_group.h: an aggregation while its SELECT is bound: what the files sql_bind_group*.c share.
 *
 * Expressions behind the aggregation refer to a row that is laid out as: keys, then start, end and time of the window
 * of GROUP BY (whether there is one or not), then aggregates in the order in which they were met. Which columns these
 * become is known when all are (sql_bind_aggregate.c). */
#ifndef MILLRACE_SQL_GROUP_H
#define MILLRACE_SQL_GROUP_H

#include "compute/sql/sql_internal.h"

enum { SQL_GROUP_START, SQL_GROUP_END, SQL_GROUP_TIME, SQL_GROUP_WINDOW_COLUMNS };

struct sql_group_call {
    enum exec_aggregate_kind kind;
    bool                     distinct;
    struct expr             *argument, *filter; /* over the input; NULL: none */
    struct vec_type          type;
};

/* TUMBLE(ts, size) and its like in GROUP BY. */
struct sql_group_window {
    bool               given;
    struct exec_window window;
    struct expr       *time; /* over the input: a column */
    enum sql_time      attribute;
    struct vec_type    time_type;
};

struct sql_grouping {
    const struct sql_scope *input;
    const struct sql_rel   *rel;
    uint32_t                key_count;
    struct expr           **keys;
    struct sql_group_window window;
    uint32_t                call_count, call_capacity;
    struct sql_group_call  *calls;
};

/* sql_bind_aggregate.c */
struct expr *sql__bind_aggregate(struct sql_binder *binder, struct sql_grouping *grouping, const struct sql_expr *expr,
                                 enum exec_aggregate_kind kind);
struct sql_rel *sql__build_group(struct sql_binder *binder, const struct sql_grouping *grouping, struct sql_place place,
                                 struct expr ***out_map);

#endif
