/* sql.h: scripts to plans: the room's outside.
 *
 * A *catalog* holds tables, views and settings. A script is parsed into statements (sql_parse.h); the driver takes them
 * one by one: sql_execute() does what is the catalog's own (CREATE, DROP, SET, RESET, SHOW, DESCRIBE, EXPLAIN) and
 * hands back a plan for what has to run (INSERT, statement sets, queries). Nothing here reads a file, a topic or a
 * clock.
 *
 * Ownership. Tables, views and settings are copied into the catalog. A plan belongs to the arena given with the
 * statement, and to its maker (sql_plan_release()). Threading: none; plans are read only once made.
 *
 * Errors are struct sql_error with the place in the script: show them with sql_error_format(). */
#ifndef MILLRACE_SQL_H
#define MILLRACE_SQL_H

#include "compute/exec/exec_plan.h"
#include "compute/format/format.h"
#include "compute/sql/sql_ast.h"

struct sql_catalog;

/* --- tables --------------------------------------------------------------------------------------------------------
 */

enum sql_connector { SQL_CONNECTOR_KAFKA, SQL_CONNECTOR_UPSERT_KAFKA, SQL_CONNECTOR_BLACKHOLE, SQL_CONNECTOR_PRINT };

enum sql_metadata {
    SQL_METADATA_NONE,
    SQL_METADATA_TOPIC,
    SQL_METADATA_PARTITION,
    SQL_METADATA_OFFSET,
    SQL_METADATA_TIMESTAMP,
    SQL_METADATA_TIMESTAMP_TYPE,
    SQL_METADATA_LEADER_EPOCH,
    SQL_METADATA_HEADERS,
};

struct sql_table_column {
    struct view          name;
    struct vec_type      type;
    enum sql_column_kind kind;     /* PHYSICAL, METADATA, COMPUTED */
    enum sql_metadata    metadata; /* METADATA */
    bool                 is_virtual;
    bool                 is_key;   /* PHYSICAL: of the record's key ('key.fields', or upsert-kafka's PRIMARY KEY) */
    bool                 is_value; /* PHYSICAL: of the record's value */
    struct sql_expr     *expr;     /* COMPUTED */
};

struct sql_table_option {
    struct view key, value;
};

/* A table as declared, its options checked. */
struct sql_table {
    struct view                    name;
    enum sql_connector             connector;
    uint32_t                       column_count;
    const struct sql_table_column *columns;
    uint32_t                       option_count;
    const struct sql_table_option *options;                    /* sorted by key */
    bool                           has_format, has_key_format; /* connectors of records have a format */
    struct format_options          format, key_format;
    uint32_t                       primary_key_count;
    const uint32_t                *primary_key;      /* columns */
    uint32_t                       watermark_column; /* EXEC_NO_COLUMN: none */
    struct sql_expr               *watermark;
};

/* The option's value; base NULL when it was not given. */
struct view sql_table_option(const struct sql_table *table, const char *key);

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

/* One scan's rows: what the driver has to decode. */
struct sql_source_column {
    struct vec_field  field; /* type pruned to what is read: fields of a ROW that nobody reads are left out */
    enum sql_metadata metadata;
    uint32_t          table_column;
};

struct sql_source_plan {
    const struct sql_table         *table;
    uint32_t                        column_count;
    const struct sql_source_column *columns; /* as the SCAN node's */
    const struct exec_node         *scan;
};

struct sql_sink_plan {
    const struct sql_table *table; /* NULL: the result of a query, to be shown */
    const struct exec_node *node;  /* the SINK: its columns are the table's persisted columns, in their order */
};

struct sql_plan {
    struct exec_plan        exec;
    struct sql_source_plan *sources; /* exec.source_count */
    struct sql_sink_plan   *sinks;   /* exec.sink_count */
    struct expr_maker      *maker;
};

void sql_plan_release(struct sql_plan *plan);

/* The columns of the plan that stand in the record's value (of_key false) or only in its key, in their order, as a
 * decoder's schema. What it points to lies in the arena, the plan and the table. False: no room. */
MUST_USE bool sql_source_schema(const struct sql_source_plan *source, bool of_key, struct arena *arena,
                                struct format_schema *out_schema);
bool          sql_source_is_key(const struct sql_source_plan *source, uint32_t column);
/* 'partition:0,offset:42;partition:1,offset:300': the offset of a partition, -1 when it is not named. False: the text
 * is not of that form. */
MUST_USE bool sql_specific_offset(struct view text, int32_t partition, int64_t *out_offset);

/* --- statements ----------------------------------------------------------------------------------------------------
 */

struct sql_catalog *sql_catalog_create(void);
void                sql_catalog_destroy(struct sql_catalog *catalog);
/* A setting's value as SET gave it, else its default; base NULL: no such setting. */
struct view sql_catalog_setting(const struct sql_catalog *catalog, const char *key);

/* A setting that is a duration, in milliseconds; `otherwise` when it is not set. */
int64_t sql_catalog_duration_ms(const struct sql_catalog *catalog, const char *key, int64_t otherwise);
/* The statement with all that it needs before it, so that it means the same in an empty catalog: CREATE statements of
 * every object that it may name, in the order of creation, then the settings. base NULL: over the arena's budget. */
struct view sql_catalog_script(const struct sql_catalog *catalog, struct view statement, struct arena *arena);

enum sql_outcome {
    SQL_DONE,  /* text may say something ("OK" is left to the driver) */
    SQL_TABLE, /* text is a table to show: lines, columns separated by tabs, the first line names them */
    SQL_RUN,   /* plan */
    SQL_STOP_JOB,
    SQL_EXPLAIN_JOB, /* text: its id */
    SQL_SHOW_JOBS,
};

struct sql_answer {
    enum sql_outcome outcome;
    struct view      text; /* in the arena */
    struct sql_plan *plan;
    bool             is_query; /* the plan's only sink is to be shown */
};

/* script: what the statement's places refer to. False: out_error. */
MUST_USE bool sql_execute(struct sql_catalog *catalog, const struct sql_statement *statement, struct view script,
                          struct arena *arena, struct sql_answer *out_answer, struct sql_error *out_error);
/* The plan as EXPLAIN shows it. NUL-terminated; returns the length needed. */
size_t sql_explain(const struct sql_plan *plan, char *out_text, size_t capacity);
/* The same of a plan that runs: figures writes what a node has done, NUL-terminated, at the end of its line. */
typedef void sql_figures_fn(void *context, const struct exec_node *node, char *out_text, size_t capacity);
size_t       sql_explain_run(const struct sql_plan *plan, sql_figures_fn *figures, void *context, char *out_text,
                             size_t capacity);

/* --- tables of the documentation -----------------------------------------------------------------------------------
 */

/* Settings and options that SET and WITH know; NULL at the end. */
const char *sql_setting_name(size_t index);

#endif
