/* sql_internal.h: what binder and planner share.
 *
 * A query is bound to a tree of relations. A relation is a plan node that is still being worked on (its struct is the
 * node, so inputs point from node to node) with what only planning needs: which columns are time attributes, which
 * bound a window. Passes then rewrite the tree in place (sql_plan.c lists them), and what is left is the plan. */
#ifndef MILLRACE_SQL_INTERNAL_H
#define MILLRACE_SQL_INTERNAL_H

#include "compute/sql/sql.h"
#include "core/base/list.h"
#include "core/base/map.h"

#define SQL_EXPRESSION_DEPTH_MAX 400
#define SQL_QUERY_DEPTH_MAX      100
#define SQL_COLUMNS_MAX          4096
#define SQL_NODES_MAX            10000
#define SQL_RANK_UNBOUNDED       UINT64_MAX

/* --- the catalog ---------------------------------------------------------------------------------------------------
 */

/* A table or a view. It keeps its statement's text and what was parsed from it, so that nothing refers to a script that
 * is gone. */
struct sql_object {
    struct list_node        link;
    struct arena            arena;
    struct view             name, text;
    struct sql_table       *table; /* or */
    struct sql_create_view *view;
    bool                    temporary;
};

struct sql_catalog {
    struct list_node objects;  /* in order of creation */
    struct map       settings; /* set ones: key to a NUL-terminated text */
};

/* NULL: no table or view of that name. */
struct sql_object *sql__find_object(const struct sql_catalog *catalog, struct view name);
/* The last part of a path; error when the parts before it name another catalog or database. */
bool sql__object_name(struct sql_error *error, const struct sql_name *path, struct view *out_name);
bool sql__create(struct sql_catalog *catalog, const struct sql_statement *statement, struct view script,
                 struct sql_error *error);
bool sql__drop(struct sql_catalog *catalog, const struct sql_statement *statement, struct sql_error *error);
bool sql__no_object(const struct sql_catalog *catalog, const struct sql_name *path, const char *what,
                    struct sql_error *error);

/* sql_setting.c */
int         sql__find_setting(struct view key);
const char *sql__setting_default(size_t index);
bool        sql__check_setting(const struct sql_statement *statement, struct sql_error *error);
bool        sql__duration_ms(struct view text, int64_t *out_ms);

/* --- relations -----------------------------------------------------------------------------------------------------
 */

/* A column that follows event time, or is the clock. */
enum sql_time { SQL_TIME_NONE, SQL_TIME_ROW, SQL_TIME_PROCESSING };

/* Columns that bound the window a row belongs to: by an assigned or grouped window, carried along by projections. */
struct sql_window_columns {
    uint32_t start, end, time; /* EXEC_NO_COLUMN: not there */
    /* Which windows: joins compare this. kind EXEC_WINDOWED: none. */
    struct exec_window window;
};

struct sql_rel {
    struct exec_node          node; /* first: relations are found from their nodes */
    enum sql_time            *times;
    struct sql_window_columns windows;
    const struct sql_table   *table;           /* SCAN, WATERMARK, SINK */
    uint32_t                 *table_rows;      /* SCAN: by column, the table's column */
    uint32_t                 *session_columns; /* WINDOW_ASSIGN of SESSION: PARTITION BY */
    uint32_t                  session_count;
    uint32_t                  mark;   /* of passes over shared relations: sql__share() begins */
    enum exec_distribution    spread; /* sql__exchange(); FORWARD: as the source's partitions are */
    const uint32_t           *spread_keys;
    uint32_t                  spread_count;
};

static inline struct sql_rel *sql__rel(const struct exec_node *node)
{
    return (struct sql_rel *)(void *)(uintptr_t)node;
}

static inline struct sql_rel *sql__input(const struct sql_rel *rel, uint32_t i)
{
    return sql__rel(rel->node.inputs[i]);
}

/* --- the binder ----------------------------------------------------------------------------------------------------
 */

struct sql_with_names {
    const struct sql_with_names *outer;
    const struct sql_with       *with;
};

struct sql_binder {
    const struct sql_catalog    *catalog; /* or NULL: expressions alone */
    struct arena                *arena;
    struct expr_maker           *maker;
    struct sql_error            *error;
    const struct sql_with_names *with;
    uint32_t                     expression_depth, query_depth, node_count;
    bool                         in_view;    /* places refer to another text than the script */
    struct sql_place             view_place; /* where it is used in the script */
};

/* A table, alias or query whose columns stand in a scope's row. */
struct sql_scope_item {
    struct view alias; /* base NULL: none */
    uint32_t    first, count;
};

struct sql_grouping;

/* What names mean: a row and how its parts are called. */
struct sql_scope {
    uint32_t                     column_count;
    const struct vec_field      *columns;
    const enum sql_time         *times; /* NULL: no time attributes */
    uint32_t                     item_count;
    const struct sql_scope_item *items;
    struct sql_grouping         *grouping; /* the row is an aggregation's result; see sql_bind_group.c */
};

/* sql_bind.c: errors and memory. All return NULL or false after sql_fail(). */
void *sql__alloc(struct sql_binder *binder, size_t bytes);
void *sql__alloc_array(struct sql_binder *binder, size_t count, size_t bytes);
bool  sql__fail_maker(struct sql_binder *binder, struct sql_place place);
bool  sql__fail_not_yet(struct sql_binder *binder, struct sql_place place, const char *what, const char *instead);
struct expr_place sql__expr_place(struct sql_place place);
struct view       sql__text(struct sql_binder *binder, const char *format, ...) PRINTF_LIKE(2, 3);
bool              sql__view_is(struct view text, const char *word); /* ignoring case */
struct sql_place  sql__name_place(const struct sql_name *path);
const char       *sql__unit_name(enum sql_unit unit);

/* sql_option.c, sql_table.c */
bool sql__bind_options(struct sql_binder *binder, const struct sql_create_table *create, struct sql_table *table);
struct sql_table *sql__bind_table(struct sql_binder *binder, const struct sql_create_table *create);
const char       *sql__metadata_name(enum sql_metadata metadata);
/* The type that the connector gives a metadata column. */
struct vec_type sql__metadata_type(enum sql_metadata metadata);
/* Whether INSERT writes the column. */
bool sql__is_persisted(const struct sql_table_column *column);

/* sql_bind_literal.c */
struct expr *sql__bind_literal(struct sql_binder *binder, const struct sql_expr *expr);
/* A number with a minus before it, which is one literal: -2147483648 is an INT. */
struct expr *sql__bind_negative(struct sql_binder *binder, const struct sql_expr *expr);

/* sql_bind_name.c */
struct expr *sql__bind_reference(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr);
struct expr *sql__bind_field(struct sql_binder *binder, struct expr *row, const struct sql_name *name);
/* The item a name is of; -1: none. */
int sql__find_item(const struct sql_scope *scope, struct view alias);
/* The column of that name, of any item; error at place when there is none or several. */
bool sql__find_column(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_name *name,
                      uint32_t *out_column);

/* sql_bind_expr.c, sql_bind_call.c */
struct expr *sql__bind_expr(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr);
struct expr *sql__bind_condition(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr,
                                 const char *what);
struct expr *sql__bind_call(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr);
struct expr *sql__call(struct sql_binder *binder, struct sql_place place, const char *name,
                       struct expr *const *arguments, uint32_t count);
/* A bare NULL is taken by comparisons, IN, IS NULL, COALESCE, CASE and CAST only. False: this is one. */
bool          sql__refuse_null(struct sql_binder *binder, const struct sql_expr *expr);
enum sql_time sql__time_of(const struct sql_scope *scope, const struct expr *expr);
bool          sql__function_exists(struct view name);
/* EXEC_AGGREGATE_KIND_COUNT: it is none. */
enum exec_aggregate_kind sql__aggregate_kind(const struct sql_expr *expr);
/* COUNT for both kinds of it. */
const char *sql__aggregate_name(enum exec_aggregate_kind kind);

/* --- relations, made (sql_rel.c) ------------------------------------------------------------------------------------
 */

struct sql_rel *sql__new_rel(struct sql_binder *binder, enum exec_node_kind kind, struct sql_place place,
                             uint32_t input_count);
/* One over `input` with the same columns, times and window. */
struct sql_rel *sql__new_over(struct sql_binder *binder, enum exec_node_kind kind, struct sql_place place,
                              struct sql_rel *input);
/* The inner join of two, with the columns of both; which kind of join it is comes out when its conditions are together
 * (sql_plan_join.c). */
struct sql_rel *sql__new_join(struct sql_binder *binder, struct sql_place place, struct sql_rel *left,
                              struct sql_rel *right);
/* Room for the columns of a new relation: node.columns and times, to be filled in. */
bool sql__make_columns(struct sql_binder *binder, struct sql_rel *rel, uint32_t count);
void sql__set_column(struct sql_rel *rel, uint32_t i, struct view name, struct vec_type type, enum sql_time time);
/* names: one per expression. Time attributes and window columns follow the expressions. condition may be NULL. */
struct sql_rel *sql__new_calc(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                              struct expr *condition, struct expr **exprs, const struct view *names, uint32_t count);
struct sql_rel *sql__new_filter(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                                struct expr *condition);
struct expr    *sql__column(struct sql_binder *binder, const struct sql_rel *rel, uint32_t column);
/* expr with column i replaced by map[i]. */
struct expr *sql__replace_columns(struct sql_binder *binder, struct expr *expr, struct expr *const *map);
/* expr with column numbers i replaced by map[i]. */
struct expr *sql__move_columns(struct sql_binder *binder, struct expr *expr, const uint32_t *map);
/* The columns that expr uses get true. */
void sql__used_columns(const struct expr *expr, bool *used);

/* --- queries -------------------------------------------------------------------------------------------------------
 */

/* FROM: a relation and what its columns are called. */
struct sql_from {
    struct sql_rel        *rel;
    uint32_t               item_count;
    struct sql_scope_item *items;
};

static inline struct sql_scope sql__from_scope(const struct sql_from *from)
{
    return (struct sql_scope){.column_count = from->rel == NULL ? 0 : from->rel->node.column_count,
                              .columns = from->rel == NULL ? NULL : from->rel->node.columns,
                              .times = from->rel == NULL ? NULL : from->rel->times,
                              .item_count = from->item_count,
                              .items = from->items};
}

/* A bound item of SELECT. */
struct sql_output {
    const struct sql_expr *ast; /* NULL: a column of * */
    uint32_t               column;
    struct view            name;
    struct expr           *expr;
};

struct sql_outputs {
    uint32_t           count;
    struct sql_output *outputs;
};

bool            sql__bind_from(struct sql_binder *binder, const struct sql_source *source, struct sql_from *out_from);
struct sql_rel *sql__bind_query(struct sql_binder *binder, const struct sql_query *query);
struct sql_rel *sql__bind_select(struct sql_binder *binder, const struct sql_select *select);
struct sql_rel *sql__bind_distinct(struct sql_binder *binder, struct sql_place place, struct sql_rel *input);
/* TUMBLE, HOP, CUMULATE, SESSION over a table (sql_bind_window.c). */
struct sql_rel *sql__bind_window(struct sql_binder *binder, const struct sql_source *source, struct sql_rel *input);
/* A constant INTERVAL of days to seconds above 0, in ms. */
bool sql__bind_interval_ms(struct sql_binder *binder, const struct sql_expr *expr, bool is_offset, int64_t *out_ms);
bool sql__check_hop(struct sql_binder *binder, struct sql_place place, int64_t size_ms, int64_t slide_ms,
                    const char *what);
struct sql_rel *sql__bind_grouped_select(struct sql_binder *binder, const struct sql_select *select,
                                         const struct sql_from *from, struct sql_outputs *outputs);
struct sql_rel *sql__bind_ranked_select(struct sql_binder *binder, const struct sql_select *select,
                                        const struct sql_from *from, struct sql_outputs *outputs);
/* The relation of outputs over input. */
struct sql_rel *sql__project(struct sql_binder *binder, struct sql_place place, struct sql_rel *input,
                             struct expr *condition, const struct sql_outputs *outputs);
/* Whether an aggregate stands in it. */
bool sql__has_aggregate(const struct sql_expr *expr);
/* The rows of a table: SCAN, computed columns, WATERMARK (sql_bind_scan.c). */
struct sql_rel *sql__table_rel(struct sql_binder *binder, const struct sql_table *table, struct sql_place place);
bool            sql__check_view(struct sql_binder *binder, const struct sql_create_view *view);
struct sql_rel *sql__bind_insert(struct sql_binder *binder, const struct sql_insert *insert);
/* Casts that Flink makes without being asked when rows are stored. */
bool sql__cast_stores(struct vec_type from, struct vec_type to);

/* sql_bind_group.c: true when the expression is a key, an aggregate or a window's bound, *out then what it is in the
 * aggregation's result, or NULL after an error. */
bool sql__bind_grouped(struct sql_binder *binder, const struct sql_scope *scope, const struct sql_expr *expr,
                       struct expr **out_expr);

/* --- the planner ----------------------------------------------------------------------------------------------------
 *
 * Passes over relations, in the order of sql_plan.c. Each relation has one user until sql__share(). */

struct sql_roots {
    uint32_t         count;
    struct sql_rel **rels; /* SINKs */
};

/* A list that grows in the arena. */
struct sql_exprs {
    uint32_t      count, capacity;
    struct expr **exprs;
};

bool sql__add_expr(struct sql_binder *binder, struct sql_exprs *list, struct expr *expr);
/* The parts of a condition that AND joins; NULL gives none. */
bool sql__conjuncts(struct sql_binder *binder, const struct expr *condition, struct sql_exprs *list);
/* The condition of all; NULL when there is none. Equal ones are taken once. */
bool sql__all_of(struct sql_binder *binder, const struct sql_exprs *list, struct expr **out_condition);
/* Number of nodes, at most `most`. */
uint32_t sql__expr_size(const struct expr *expr, uint32_t most);

/* sql_plan_fold.c: constants computed, branches that cannot be taken gone. */
struct expr *sql__simplify(struct sql_binder *binder, struct expr *expr);
bool         sql__simplify_calc(struct sql_binder *binder, struct sql_rel *calc);

/* sql_plan_push.c: conditions down, CALCs together, ranks bounded. */
bool sql__push_roots(struct sql_binder *binder, struct sql_roots *roots);
/* One CALC instead of two; outer itself when the result would be too large. */
struct sql_rel *sql__merge_calc(struct sql_binder *binder, struct sql_rel *outer);

/* sql_plan_rank.c: conditions on the number become first and last. False with an error. */
bool sql__bound_rank(struct sql_binder *binder, struct sql_rel *rank, struct sql_exprs *conditions,
                     struct sql_exprs *out_rest);
bool sql__check_ranks(struct sql_binder *binder, struct sql_rel *rel);

/* sql_plan_window.c: aggregations over assigned windows without the assignment. */
bool sql__fuse_windows(struct sql_binder *binder, struct sql_rel *rel);

/* sql_plan_join.c: keys, times and windows of joins. */
bool sql__classify_joins(struct sql_binder *binder, struct sql_rel *rel);

/* sql_plan_time.c: WATERMARKs that nobody needs vanish. */
bool sql__drop_watermarks(struct sql_binder *binder, struct sql_roots *roots, bool *out_event, bool *out_processing);

/* sql_plan_need.c: sets[i] gets the columns that input i has to give; needed may be widened. */
void sql__input_needs(struct sql_binder *binder, struct sql_rel *rel, bool *needed, bool **sets);

/* sql_plan_prune.c */
bool sql__prune(struct sql_binder *binder, struct sql_roots *roots);

/* sql_plan_scan.c: one SCAN per table, with what its users read. */
bool sql__merge_scans(struct sql_binder *binder, struct sql_roots *roots);

/* sql_plan_wanted.c: the condition in the form that a decoder takes, a comparison of one column with constants; NULL:
 * it has another one. */
struct expr *sql__checkable(struct sql_binder *binder, struct expr *expr);

/* sql_plan_share.c: equal relations are one. */
bool sql__share(struct sql_binder *binder, struct sql_roots *roots);

/* sql_explain.c: "GroupAggregate", Flink's word where there is one. */
const char *sql__operator_name(const struct exec_node *node);

/* sql_plan_change.c */
/* The relation below rel that updates or deletes. */
const struct sql_rel *sql__changing(const struct sql_rel *rel);
bool                  sql__derive_changes(struct sql_binder *binder, struct sql_roots *roots);

/* sql_plan_exchange.c */
bool sql__exchange(struct sql_binder *binder, struct sql_roots *roots);

/* sql_plan.c */
struct sql_plan *sql__plan(struct sql_binder *binder, struct sql_roots *roots);
/* A place of the script from a node's. */
static inline struct sql_place sql__node_place(const struct sql_rel *rel)
{
    return (struct sql_place){.offset = rel->node.place.offset, .len = rel->node.place.len};
}

#endif
