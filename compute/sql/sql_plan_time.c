/* Time: which columns still follow it once joins are known, and which WATERMARKs anybody needs. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

static bool is_event_time(const struct sql_rel *rel)
{
    switch (rel->node.kind) {
    case EXEC_WINDOW_ASSIGN:
        return !rel->node.window.is_processing_time;
    case EXEC_WINDOW_GROUP:
        return !rel->node.window_group.window.is_processing_time;
    case EXEC_WINDOW_JOIN:
        return !sql__input(rel, 0)->windows.window.is_processing_time;
    case EXEC_INTERVAL_JOIN:
        return sql__input(rel, 0)->times[rel->node.join.left_time] == SQL_TIME_ROW;
    default:
        return false;
    }
}

static bool is_processing_time(const struct sql_rel *rel)
{
    switch (rel->node.kind) {
    case EXEC_WINDOW_ASSIGN:
        return rel->node.window.is_processing_time;
    case EXEC_WINDOW_GROUP:
        return rel->node.window_group.window.is_processing_time;
    case EXEC_WINDOW_JOIN:
    case EXEC_INTERVAL_JOIN:
        return !is_event_time(rel);
    default:
        return false;
    }
}

/* needed: something above looks at the watermark. */
static void drop(struct sql_rel *rel, bool needed, bool *out_event, bool *out_processing)
{
    needed = needed || is_event_time(rel);
    *out_processing = *out_processing || is_processing_time(rel);
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (sql__input(rel, i)->node.kind == EXEC_WATERMARK) {
            *out_event = *out_event || needed;
            if (!needed) {
                rel->node.inputs[i] = sql__input(rel, i)->node.inputs[0];
            }
        }
        drop(sql__input(rel, i), needed, out_event, out_processing);
    }
}

bool sql__drop_watermarks(struct sql_binder *binder, struct sql_roots *roots, bool *out_event, bool *out_processing)
{
    *out_event = false;
    *out_processing = false;
    for (uint32_t i = 0; i < roots->count; i++) {
        drop(roots->rels[i], false, out_event, out_processing);
    }
    return binder->error->kind == SQL_OK;
}
