/* cli_sql_fold.h: a changelog folded into the table that it leaves.
 *
 * With a key, the last row of each key stays and a delete removes it; without one, equal rows are counted. Keys are
 * bytes that sort as their values do (format_text_put_key()). One thread at a time. */
#ifndef MILLRACE_CLI_SQL_FOLD_H
#define MILLRACE_CLI_SQL_FOLD_H

#include "compute/vec/vec.h"
#include "core/base/map.h"

struct sql_fold {
    struct map rows;
    bool       has_key;
};

void sql_fold_init(struct sql_fold *fold, bool has_key);
void sql_fold_deinit(struct sql_fold *fold);
void sql_fold_change(struct sql_fold *fold, struct view key, struct view row, enum vec_change change);
/* Every row of the table by key, as often as it is there. */
void sql_fold_each(const struct sql_fold *fold, void (*each)(void *context, struct view row), void *context);

#endif
