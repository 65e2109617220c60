/* cli_sql_live.h: the result of a query as it stands: changes of a stream folded into the table that they make.
 *
 * Rows are texts; equal ones are counted. A row that was updated stays where it was, a new one comes last. Above
 * rows_max the oldest row is forgotten. One thread at a time. */
#ifndef MILLRACE_CLI_SQL_LIVE_H
#define MILLRACE_CLI_SQL_LIVE_H

#include "compute/vec/vec.h"
#include "core/base/list.h"
#include "core/base/map.h"

#define SQL_LIVE_ROWS_MAX 1000000 /* Flink's sql-client.execution.max-table-result.rows */

struct sql_live {
    struct map       equal; /* by the row's text -> struct live_equal */
    struct list_node rows;  /* in the order of the table, with the gap */
    struct list_node gap;   /* where a row was that is being updated */
    size_t           count, rows_max;
};

void sql_live_init(struct sql_live *live, size_t rows_max);
void sql_live_deinit(struct sql_live *live);
/* A row that is taken away and not there changes nothing. */
void sql_live_change(struct sql_live *live, enum vec_change change, struct view row);
/* The last `count` rows, in their order. */
void sql_live_last(const struct sql_live *live, size_t count, void (*each)(void *context, struct view row),
                   void *context);

#endif
