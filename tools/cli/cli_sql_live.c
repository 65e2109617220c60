/* cli_sql_live.c: changes of a stream folded into the table that they make. */
#include "tools/cli/cli_sql_live.h"

#include "core/base/mem.h"

/* All rows of one text, the newest last. */
struct live_equal {
    struct list_node rows; /* struct live_row.same */
};

struct live_row {
    struct list_node   link, same;
    struct live_equal *equal;
    size_t             len;
    uint8_t            text[];
};

void sql_live_init(struct sql_live *live, size_t rows_max)
{
    *live = (struct sql_live){.rows_max = rows_max};
    map_init(&live->equal, MEM_CLI);
    list_init(&live->rows);
    list_init(&live->gap);
}

static void live_remove(struct sql_live *live, struct live_row *row)
{
    list_remove(&row->link);
    list_remove(&row->same);
    if (list_empty(&row->equal->rows)) {
        mem_free(MEM_CLI, map_remove(&live->equal, view_of(row->text, row->len)));
    }
    mem_free(MEM_CLI, row);
    live->count--;
}

void sql_live_deinit(struct sql_live *live)
{
    list_remove(&live->gap);
    while (!list_empty(&live->rows)) {
        live_remove(live, LIST_ENTRY(list_first(&live->rows), struct live_row, link));
    }
    map_deinit(&live->equal);
}

static void live_add(struct sql_live *live, struct view text)
{
    struct live_row   *row = mem_alloc(MEM_CLI, sizeof(*row) + text.len);
    struct live_equal *equal = map_get(&live->equal, text);

    if (equal == NULL) {
        equal = mem_alloc(MEM_CLI, sizeof(*equal));
        list_init(&equal->rows);
        (void)map_put(&live->equal, text, equal);
    }
    row->equal = equal;
    row->len = text.len;
    if (text.len > 0) {
        memcpy(row->text, text.base, text.len);
    }
    list_init(&row->link);
    list_init(&row->same);
    list_push_back(&equal->rows, &row->same);
    if (list_linked(&live->gap)) {
        list_insert_between(&row->link, live->gap.prev, &live->gap);
    } else {
        list_push_back(&live->rows, &row->link);
    }
    live->count++;
}

void sql_live_change(struct sql_live *live, enum vec_change change, struct view row)
{
    const struct live_equal *equal;

    if (change == VEC_INSERT || change == VEC_UPDATE_AFTER) {
        if (change == VEC_INSERT) {
            list_remove(&live->gap);
        }
        live_add(live, row);
        list_remove(&live->gap);
        if (live->count > live->rows_max) {
            live_remove(live, LIST_ENTRY(list_first(&live->rows), struct live_row, link));
        }
        return;
    }
    list_remove(&live->gap);
    equal = map_get(&live->equal, row);
    if (equal != NULL) {
        struct live_row *last = LIST_ENTRY(list_last(&equal->rows), struct live_row, same);

        if (change == VEC_UPDATE_BEFORE) {
            list_insert_between(&live->gap, last->link.prev, &last->link);
        }
        live_remove(live, last);
    }
}

void sql_live_last(const struct sql_live *live, size_t count, void (*each)(void *context, struct view row),
                   void *context)
{
    const struct list_node *at = &live->rows;

    for (size_t i = 0; i < count && at->prev != &live->rows; i += at != &live->gap) {
        at = at->prev;
    }
    for (at = at == &live->rows ? at->next : at; count > 0 && at != &live->rows; at = at->next) {
        if (at != &live->gap) {
            const struct live_row *row = LIST_ENTRY(at, const struct live_row, link);

            each(context, view_of(row->text, row->len));
        }
    }
}
