/* sql_ast.h: a parsed script: what was written, with places, nothing resolved.
 *
 * Nodes live in the parser's arena; texts are views into the script or, where quotes or escapes had to go, into the
 * arena. Lists are linked by `next` in the order of writing. */
#ifndef MILLRACE_SQL_AST_H
#define MILLRACE_SQL_AST_H

#include "compute/sql/sql_error.h"
#include "compute/vec/vec.h"

/* --- names ---------------------------------------------------------------------------------------------------------
 */

/* One part of a name; `a.b.c` is three. base "" with star: `*` or `t.*`. */
struct sql_name {
    struct sql_name *next;
    struct view      text; /* as written, quotes removed: identifiers keep their case */
    struct sql_place place;
};

/* --- expressions ---------------------------------------------------------------------------------------------------
 */

enum sql_expr_kind {
    SQL_NULL,
    SQL_BOOLEAN, /* flag */
    SQL_EXACT,   /* text: digits with at most one point */
    SQL_APPROX,  /* text: with an exponent; DOUBLE */
    SQL_STRING,  /* text */
    SQL_BYTES,   /* text: the bytes of X'..' */
    SQL_DATE,    /* text of DATE '..', TIME '..', TIMESTAMP '..' */
    SQL_TIME,
    SQL_TIMESTAMP,
    SQL_INTERVAL,  /* text, unit, unit_to, precision; flag: negative */
    SQL_SYMBOL,    /* unit as an argument: TIMESTAMPADD(HOUR, ..), FLOOR(ts TO DAY) */
    SQL_REFERENCE, /* name */
    SQL_STAR,      /* name: the qualifier, or NULL */
    SQL_UNARY,     /* op, arguments: 1 */
    SQL_BINARY,    /* op, arguments: 2 */
    SQL_BETWEEN,   /* arguments: value, low, high; flag: NOT; symmetric */
    SQL_IN,        /* arguments: value, then the list; flag: NOT */
    SQL_LIKE,      /* arguments: value, pattern [, escape]; flag: NOT; op LIKE or SIMILAR */
    SQL_IS,        /* op: what it is; arguments: 1 (2 for DISTINCT FROM); flag: NOT */
    SQL_CASE,      /* arguments: [operand,] when, then, ..., [else]; has_operand, has_else */
    SQL_CAST,      /* arguments: 1; type; flag: TRY_CAST */
    SQL_CALL,      /* name, arguments, distinct, star, filter, over */
    SQL_ROW,       /* arguments */
    SQL_ARRAY,     /* arguments */
    SQL_FIELD,     /* arguments: 1; name: of the field, after an expression in parentheses */
    SQL_ELEMENT,   /* arguments: value, index */
};

enum sql_op {
    SQL_OP_NONE,
    SQL_OP_OR,
    SQL_OP_AND,
    SQL_OP_NOT,
    SQL_OP_EQUAL,
    SQL_OP_NOT_EQUAL,
    SQL_OP_LESS,
    SQL_OP_LESS_EQUAL,
    SQL_OP_GREATER,
    SQL_OP_GREATER_EQUAL,
    SQL_OP_ADD,
    SQL_OP_SUBTRACT,
    SQL_OP_MULTIPLY,
    SQL_OP_DIVIDE,
    SQL_OP_MODULO,
    SQL_OP_CONCAT,
    SQL_OP_PLUS,  /* unary */
    SQL_OP_MINUS, /* unary */
    SQL_OP_LIKE,
    SQL_OP_SIMILAR,
    SQL_OP_IS_NULL,
    SQL_OP_IS_TRUE,
    SQL_OP_IS_FALSE,
    SQL_OP_IS_UNKNOWN,
    SQL_OP_IS_DISTINCT,
};

enum sql_unit {
    SQL_UNIT_NONE,
    SQL_UNIT_YEAR,
    SQL_UNIT_QUARTER,
    SQL_UNIT_MONTH,
    SQL_UNIT_WEEK,
    SQL_UNIT_DAY,
    SQL_UNIT_HOUR,
    SQL_UNIT_MINUTE,
    SQL_UNIT_SECOND,
    SQL_UNIT_MILLISECOND,
    SQL_UNIT_MICROSECOND,
    SQL_UNIT_NANOSECOND,
    SQL_UNIT_DOW,
    SQL_UNIT_DOY,
    SQL_UNIT_ISODOW,
    SQL_UNIT_ISOYEAR,
    SQL_UNIT_EPOCH,
    SQL_UNIT_DECADE,
    SQL_UNIT_CENTURY,
    SQL_UNIT_MILLENNIUM,
    SQL_UNIT_COUNT,
};

struct sql_order {
    struct sql_order *next;
    struct sql_expr  *expr;
    bool              descending;
    bool              nulls_first; /* meaningful with nulls_given */
    bool              nulls_given;
};

struct sql_over {
    struct sql_place  place;
    struct sql_expr  *partition; /* list */
    struct sql_order *order;
    bool              has_frame; /* ROWS or RANGE was written: places for the message are enough */
};

struct sql_type {
    struct sql_place place;
    struct vec_type  type;
};

struct sql_expr {
    struct sql_expr   *next; /* in a list */
    enum sql_expr_kind kind;
    enum sql_op        op;
    struct sql_place   place;
    struct view        text;
    struct sql_name   *name;
    struct sql_expr   *arguments; /* list */
    uint32_t           argument_count;
    enum sql_unit      unit, unit_to;
    int32_t            precision; /* of an INTERVAL's leading field, -1 = not given */
    bool               flag;
    bool               has_operand, has_else;
    bool               distinct, star; /* of a call */
    struct sql_expr   *filter;
    struct sql_over   *over;
    struct sql_type    type;
};

/* --- queries ---------------------------------------------------------------------------------------------------------
 */

enum sql_source_kind { SQL_SOURCE_TABLE, SQL_SOURCE_QUERY, SQL_SOURCE_WINDOW, SQL_SOURCE_JOIN, SQL_SOURCE_UNNEST };
enum sql_join { SQL_JOIN_INNER, SQL_JOIN_LEFT, SQL_JOIN_RIGHT, SQL_JOIN_FULL, SQL_JOIN_CROSS };
enum sql_window { SQL_WINDOW_TUMBLE, SQL_WINDOW_HOP, SQL_WINDOW_CUMULATE, SQL_WINDOW_SESSION };

struct sql_query;

struct sql_hint {
    struct sql_hint *next;
    struct view      name;
    struct sql_place place;
};

struct sql_source {
    enum sql_source_kind kind;
    struct sql_place     place;
    struct sql_name     *name;  /* TABLE; WINDOW: the table it goes over */
    struct sql_query    *query; /* QUERY */
    struct sql_name     *alias; /* or NULL */
    struct sql_name     *alias_columns;
    struct sql_hint     *hints;
    struct sql_expr     *as_of; /* FOR SYSTEM_TIME AS OF */
    /* WINDOW */
    enum sql_window  window;
    struct sql_name *window_time;
    struct sql_name *window_keys;      /* SESSION .. PARTITION BY */
    struct sql_expr *window_arguments; /* intervals, in the order of writing */
    uint32_t         window_argument_count;
    /* JOIN: left and right; UNNEST: right only */
    enum sql_join      join;
    struct sql_source *left, *right;
    struct sql_expr   *on;
    struct sql_expr   *unnest;
    bool               with_ordinality;
};

struct sql_item {
    struct sql_item *next;
    struct sql_expr *expr;
    struct sql_name *alias; /* or NULL */
};

struct sql_select {
    struct sql_place   place;
    bool               distinct;
    struct sql_item   *items;
    struct sql_source *from; /* NULL: SELECT without FROM */
    struct sql_expr   *where;
    struct sql_expr   *group_by; /* list */
    bool               has_group_by;
    struct sql_expr   *having;
};

enum sql_set { SQL_SET_NONE, SQL_SET_UNION, SQL_SET_UNION_ALL };

/* A SELECT, VALUES, or a UNION of two queries. */
struct sql_query {
    struct sql_place   place;
    struct sql_with   *with; /* list */
    enum sql_set       set;
    struct sql_query  *left, *right; /* of a UNION */
    struct sql_select *select;
    struct sql_expr   *values; /* list of SQL_ROW */
    struct sql_order  *order;
    struct sql_expr   *limit;
};

struct sql_with {
    struct sql_with  *next;
    struct sql_name  *name;
    struct sql_query *query;
};

/* --- statements --------------------------------------------------------------------------------------------------- */

enum sql_column_kind { SQL_COLUMN_PHYSICAL, SQL_COLUMN_METADATA, SQL_COLUMN_COMPUTED };

struct sql_column {
    struct sql_column   *next;
    enum sql_column_kind kind;
    struct sql_name     *name;
    struct sql_type      type;         /* PHYSICAL, METADATA */
    struct sql_expr     *expr;         /* COMPUTED */
    struct view          metadata_key; /* base NULL: the column's name */
    bool                 is_virtual;
    bool                 primary_key; /* written beside the column */
    struct view          comment;
};

struct sql_option {
    struct sql_option *next;
    struct view        key, value;
    struct sql_place   key_place, value_place;
};

struct sql_create_table {
    struct sql_name   *name;
    bool               temporary, if_not_exists;
    struct sql_column *columns;
    struct sql_name   *watermark_column; /* name path, or NULL */
    struct sql_expr   *watermark;
    struct sql_name   *primary_key; /* list */
    struct sql_place   primary_key_place;
    bool               primary_key_enforced; /* NOT ENFORCED was missing */
    struct sql_name   *partitioned_by;
    struct sql_option *options;
    struct view        comment;
    struct sql_query  *as; /* CREATE TABLE .. AS */
};

struct sql_create_view {
    struct sql_name  *name;
    bool              temporary, if_not_exists;
    struct sql_name  *columns;
    struct sql_query *query;
    struct view       query_text; /* for SHOW CREATE */
};

struct sql_insert {
    struct sql_insert *next; /* in a statement set */
    struct sql_place   place;
    struct sql_name   *table;
    struct sql_name   *columns;
    struct sql_query  *query;
    bool               overwrite;
};

enum sql_statement_kind {
    SQL_STATEMENT_CREATE_TABLE,
    SQL_STATEMENT_CREATE_VIEW,
    SQL_STATEMENT_DROP_TABLE,
    SQL_STATEMENT_DROP_VIEW,
    SQL_STATEMENT_INSERT,
    SQL_STATEMENT_SET_OF_INSERTS,
    SQL_STATEMENT_QUERY,
    SQL_STATEMENT_EXPLAIN,
    SQL_STATEMENT_DESCRIBE,
    SQL_STATEMENT_SHOW_TABLES,
    SQL_STATEMENT_SHOW_VIEWS,
    SQL_STATEMENT_SHOW_JOBS,
    SQL_STATEMENT_SHOW_CREATE,
    SQL_STATEMENT_SET,
    SQL_STATEMENT_RESET,
    SQL_STATEMENT_STOP_JOB,
    SQL_STATEMENT_EXPLAIN_JOB, /* ours: the plan of a job with what its operators have done; key is its id */
};

struct sql_statement {
    struct sql_statement    *next;
    enum sql_statement_kind  kind;
    struct sql_place         place; /* without the semicolon */
    struct sql_create_table *create_table;
    struct sql_create_view  *create_view;
    struct sql_name         *name;      /* DROP, DESCRIBE, SHOW CREATE */
    bool                     if_exists; /* DROP */
    bool                     temporary;
    bool                     is_view;         /* SHOW CREATE VIEW */
    struct sql_insert       *inserts;         /* INSERT: one; SET_OF_INSERTS; EXPLAIN of them */
    struct sql_query        *query;           /* QUERY, EXPLAIN */
    struct view              explain_details; /* as written between PLAN FOR or EXPLAIN and the statement */
    struct view              key, value;      /* SET, RESET; STOP JOB: key is the job's id */
    struct sql_place         key_place;
    bool                     with_savepoint, with_drain;
};

#endif
