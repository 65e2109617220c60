/* Names of node kinds, and which operator runs each. */
#include "compute/exec/exec_internal.h"

#include "core/base/check.h"

static const struct {
    const char *name;
    const struct exec_operator_class *class;
} kinds[EXEC_NODE_KIND_COUNT] = {
    [EXEC_SCAN] = {"Scan", &exec__scan_class},
    [EXEC_VALUES] = {"Values", &exec__values_class},
    [EXEC_CALC] = {"Calc", &exec__calc_class},
    [EXEC_WATERMARK] = {"Watermark", &exec__watermark_class},
    [EXEC_EXCHANGE] = {"Exchange", &exec__exchange_class},
    [EXEC_GROUP] = {"GroupAggregate", &exec__group_class},
    [EXEC_WINDOW_ASSIGN] = {"WindowTableFunction", &exec__window_assign_class},
    [EXEC_WINDOW_GROUP] = {"WindowAggregate", &exec__window_group_class},
    [EXEC_JOIN] = {"Join", &exec__join_class},
    [EXEC_INTERVAL_JOIN] = {"IntervalJoin", &exec__interval_join_class},
    [EXEC_WINDOW_JOIN] = {"WindowJoin", &exec__window_join_class},
    [EXEC_RANK] = {"Rank", &exec__rank_class},
    [EXEC_UNION] = {"Union", &exec__union_class},
    [EXEC_UNNEST] = {"Unnest", &exec__unnest_class},
    [EXEC_LIMIT] = {"Limit", &exec__limit_class},
    [EXEC_SINK] = {"Sink", &exec__sink_class},
};

const struct exec_operator_class *exec__class(enum exec_node_kind kind)
{
    CHECK(kind < EXEC_NODE_KIND_COUNT);
    return kinds[kind].class;
}

const char *exec_node_kind_name(enum exec_node_kind kind)
{
    return kind < EXEC_NODE_KIND_COUNT ? kinds[kind].name : "?";
}
