/* SCAN: where pushed rows come in. What a decoder left out because of exec_scan.needed is sorted out by the users. */
#include "compute/exec/exec_worker.h"

struct scan {
    struct exec_operator op;
    bool                 ended;
};

static bool all_ended(const struct exec_worker *worker, uint32_t scan)
{
    for (uint32_t i = 0; i < worker->opening_count; i++) {
        if (worker->openings[i].scan == scan && !worker->openings[i].ended) {
            return false;
        }
    }
    return worker->is_opened;
}

bool exec__scan_check_end(struct exec_operator *op)
{
    struct scan *scan = CONTAINER_OF(op, struct scan, op);

    if (scan->ended || !all_ended(op->worker, op->node->id)) {
        return true;
    }
    scan->ended = true;
    return exec__emit_watermark(op, EXEC_WATERMARK_END) && exec__finish_users(op);
}

const struct exec_operator_class exec__scan_class = {.name = "scan", .bytes = sizeof(struct scan)};
