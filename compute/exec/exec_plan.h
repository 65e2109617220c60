/* exec_plan.h: a query as a graph of nodes: what compute/sql's planner makes and the operators of this room run.
 *
 * Nodes stand in plan->nodes so that inputs come before their users; a node may have several users (equal sub-queries
 * are one node). Everything lives in the plan's arena, is immutable once planned and is shared read only by all
 * workers.
 *
 * Columns. A node describes its output row (columns); expressions of a node refer to its input's columns by index; of a
 * join, to the left input's columns followed by the right's. Aggregates, keys and times refer to plain columns: the
 * planner puts a CALC before a node that needs computed ones.
 *
 * Changelogs. `changes` says which kinds of change a node may emit; INSERT alone is append-only. `key` is the upsert
 * key: the columns that name a row among all rows in force; none (has_key false) means that rows are told apart by all
 * their columns. Rules of Flink's planner; where an operator of Flink would retract and ours cannot, planning fails.
 *
 * Time. Event time reaches operators as columns (TIMESTAMP or TIMESTAMP_LTZ) and as watermarks in microseconds of the
 * same scale. A watermark of w says: no row with time <= w follows, but late ones. Windows are bounded by [start, end)
 * and fire when the watermark is at least end - 1 ms (Flink: TimeWindowUtil.isWindowFired). */
#ifndef MILLRACE_EXEC_PLAN_H
#define MILLRACE_EXEC_PLAN_H

#include "compute/expr/expr.h"

#define EXEC_NO_COLUMN UINT32_MAX

enum exec_node_kind {
    EXEC_SCAN,
    EXEC_VALUES,
    EXEC_CALC,
    EXEC_WATERMARK,
    EXEC_EXCHANGE,
    EXEC_GROUP,         /* keyed aggregation without end: a changelog, or DISTINCT */
    EXEC_WINDOW_ASSIGN, /* rows with the windows they belong to */
    EXEC_WINDOW_GROUP,  /* keyed aggregation by window: emits when windows close */
    EXEC_JOIN,          /* inner, unbounded state or TTL */
    EXEC_INTERVAL_JOIN, /* inner, bounded by times of both sides */
    EXEC_WINDOW_JOIN,   /* inner, rows of the same window, emits when it closes */
    EXEC_RANK,          /* Top-N and deduplication */
    EXEC_UNION,         /* ALL */
    EXEC_UNNEST,
    EXEC_LIMIT,
    EXEC_SINK,
    EXEC_NODE_KIND_COUNT,
};

#define EXEC_CHANGE(kind) (1U << (kind)) /* of enum vec_change */
#define EXEC_APPEND_ONLY  EXEC_CHANGE(VEC_INSERT)

/* --- parts of nodes ------------------------------------------------------------------------------------------------
 */

/* What the driver supplies for one scan, in this order. */
struct exec_scan {
    uint32_t source; /* index in the SQL plan's sources: table, topic, format */
    /* A condition over the scan's columns that every user of the scan applies again; where it is not true the row is
     * not needed, or, with `keeps_all_rows` (a watermark is taken from them), only the columns in `always` are: the
     * decoder may leave the others null there. NULL: every row and column. */
    const struct expr *needed;
    bool               keeps_all_rows;
    const bool        *always; /* by column */
};

struct exec_values {
    uint32_t            row_count;
    struct expr *const *exprs; /* row_count * column_count, constants or calls without columns */
};

/* Projection with an optional condition, evaluated first and alone, so that it guards. On a changelog: see exec_calc.c.
 */
struct exec_calc {
    const struct expr  *condition; /* or NULL */
    struct expr *const *exprs;     /* one per output column */
};

/* Passes rows through, marks time: watermark = max(expr) over the rows of a partition, then min over partitions. */
struct exec_watermark {
    uint32_t           source;
    uint32_t           time_column;
    const struct expr *expr;            /* over the input's columns; its nulls are skipped */
    int64_t            idle_timeout_ms; /* 0: partitions are never idle */
};

enum exec_distribution {
    EXEC_FORWARD,     /* stays on its worker */
    EXEC_HASH,        /* by keys */
    EXEC_ROUND_ROBIN, /* chunk by chunk */
    EXEC_BROADCAST,   /* to all */
    EXEC_SINGLE,      /* to worker 0 */
};

struct exec_exchange {
    enum exec_distribution distribution;
    uint32_t               key_count;
    const uint32_t        *keys;
};

enum exec_aggregate_kind {
    EXEC_COUNT_ROWS, /* COUNT(*) */
    EXEC_COUNT,
    EXEC_SUM,
    EXEC_MIN,
    EXEC_MAX,
    EXEC_AVG,
    EXEC_FIRST_VALUE, /* by arrival */
    EXEC_LAST_VALUE,
    EXEC_AGGREGATE_KIND_COUNT,
};

struct exec_aggregate {
    enum exec_aggregate_kind kind;
    bool                     distinct;
    uint32_t                 argument; /* column; EXEC_NO_COLUMN for COUNT(*) */
    uint32_t                 filter;   /* BOOLEAN column of FILTER (WHERE ..), or EXEC_NO_COLUMN */
    struct vec_type          type;     /* of the result */
};

/* GROUP: output = keys, aggregates. No keys: one row, emitted from the first input row on (Flink's streaming rule). */
struct exec_group {
    uint32_t                     key_count;
    const uint32_t              *keys;
    uint32_t                     aggregate_count;
    const struct exec_aggregate *aggregates;
    int64_t                      state_ttl_ms; /* 0: forever */
};

enum exec_window_kind {
    EXEC_TUMBLE,
    EXEC_HOP,
    EXEC_CUMULATE,
    EXEC_SESSION,
    EXEC_WINDOWED, /* the input has window columns already */
};

struct exec_window {
    enum exec_window_kind kind;
    bool                  is_processing_time; /* the driver's clock; time_column is not read */
    uint32_t              time_column;
    int64_t               size_ms;  /* SESSION: the gap */
    int64_t               slide_ms; /* HOP: slide; CUMULATE: step */
    int64_t               offset_ms;
    uint32_t              start_column, end_column; /* WINDOWED: of the input, TIMESTAMP(3) */
};

/* WINDOW_ASSIGN: output = the input's columns, window_start, window_end, window_time (TIMESTAMP(3); window_time has the
 * time column's kind). A row of a HOP is put out once per window. SESSION cannot be assigned, only grouped or joined.
 */

/* WINDOW_GROUP: output = keys, aggregates, window_start, window_end, window_time. */
struct exec_window_group {
    struct exec_window           window;
    uint32_t                     key_count;
    const uint32_t              *keys;
    uint32_t                     aggregate_count;
    const struct exec_aggregate *aggregates;
};

/* Output = left columns, right columns. */
struct exec_join {
    uint32_t           key_count;
    const uint32_t    *left_keys, *right_keys; /* equal, null never */
    const struct expr *condition;              /* the rest, or NULL */
    int64_t            state_ttl_ms;
    /* INTERVAL: left.time + lower_ms <= right.time <= left.time + upper_ms is implied by the condition and bounds
     * state; WINDOW: start and end are among the keys, and name the window here. */
    uint32_t left_time, right_time;
    int64_t  lower_ms, upper_ms;
    uint32_t left_start, left_end, right_start, right_end;
};

struct exec_order {
    uint32_t column;
    bool     descending, nulls_last;
};

/* ROW_NUMBER() OVER (PARTITION BY keys ORDER BY order) in [first, last]. Output = the input's columns [, the number].
 * first = last = 1 ordered by a time attribute alone is deduplication: on descending time a row that is equally late
 * replaces the one that is there (Flink: DeduplicateFunctionHelper.shouldKeepCurrentRow). */
struct exec_rank {
    uint32_t                 key_count;
    const uint32_t          *keys;
    uint32_t                 order_count;
    const struct exec_order *orders;
    uint64_t                 first, last;
    bool                     with_number; /* BIGINT NOT NULL as the last column */
    bool                     is_deduplication;
    bool                     is_processing_time; /* deduplication by arrival: orders are not read */
    int64_t                  state_ttl_ms;
};

/* One output row per element (none for null and empty): the input's columns, then the element's (a ROW element's
 * fields, else the value), then [ordinality INT]. */
struct exec_unnest {
    uint32_t column; /* ARRAY */
    bool     with_ordinality;
    bool     keeps_unmatched; /* LEFT JOIN: a row of nulls */
};

struct exec_limit {
    uint64_t row_count;
};

/* Takes rows as they are; with a key, in the order of changes per key. */
struct exec_sink {
    uint32_t        sink; /* index in the SQL plan's sinks */
    bool            is_upsert;
    uint32_t        key_count; /* of the sink table's PRIMARY KEY */
    const uint32_t *keys;
};

/* --- the graph -----------------------------------------------------------------------------------------------------
 */

struct exec_node {
    enum exec_node_kind     kind;
    uint32_t                id; /* place in the plan */
    uint32_t                input_count;
    struct exec_node      **inputs;
    uint32_t                column_count;
    const struct vec_field *columns;
    uint32_t                changes;
    bool                    wants_before; /* its users need UPDATE_BEFORE rows, so it must emit them */
    bool                    has_key;
    uint32_t                key_count;
    const uint32_t         *key;
    struct expr_place       place; /* in the script */
    union {
        struct exec_scan         scan;
        struct exec_values       values;
        struct exec_calc         calc;
        struct exec_watermark    watermark;
        struct exec_exchange     exchange;
        struct exec_group        group;
        struct exec_window       window; /* WINDOW_ASSIGN */
        struct exec_window_group window_group;
        struct exec_join         join; /* all three */
        struct exec_rank         rank;
        struct exec_unnest       unnest;
        struct exec_limit        limit;
        struct exec_sink         sink;
    };
};

struct exec_plan {
    uint32_t           node_count;
    struct exec_node **nodes;
    uint32_t           source_count, sink_count;
    uint32_t           scan_count;
    bool               uses_event_time;
    bool               uses_processing_time;
};

const char *exec_node_kind_name(enum exec_node_kind kind);

#endif
