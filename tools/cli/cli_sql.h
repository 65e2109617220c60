/* cli_sql.h: `millrace sql --local`: scripts of Flink SQL over files, in this process and without a broker.
 *
 * A table's topic is a set of files (--input TOPIC=FILE, each a partition), what is written to a topic is a file or
 * standard output. The script's statements run in order, each to its end. compute/sql plans, compute/exec runs,
 * compute/format reads and writes records; here are files, threads, clocks and people.
 *
 * Files: cli_sql.c the command and its statements, cli_sql_run.c one plan over workers, cli_sql_scan.c a file as a
 * partition of a scan, cli_sql_read.h bytes to records, cli_sql_sink.c where rows leave, cli_sql_out.c files and tables
 * of text, cli_sql_stats.c what was done, format_text.h values as text. */
#ifndef MILLRACE_CLI_SQL_H
#define MILLRACE_CLI_SQL_H

#include "compute/exec/exec.h"
#include "compute/format/format.h"
#include "compute/format/format_text.h"
#include "compute/sql/sql.h"
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_sql_read.h"

#include <stdatomic.h>

#define SQL_SAY_BYTES     1024
#define SQL_FILES_MAX     1024
#define SQL_FILES_DEFAULT UINT32_MAX

enum sql_output { SQL_OUTPUT_TABLE, SQL_OUTPUT_JSON, SQL_OUTPUT_CSV, SQL_OUTPUT_CHANGELOG };

/* --input TOPIC=FILE, --output-file TOPIC=FILE. */
struct sql_file {
    const char     *topic, *path;
    bool            used;
    struct sql_out *out; /* of an output, once open */
};

/* Time that does not come from the machine: it begins at now_ms and goes on by a second every `rate` rows (0: never).
 */
struct sql_clock {
    bool    injected;
    int64_t now_ms;
    int64_t rate;
};

/* What the command line asked for. */
struct sql_session {
    struct cli         *cli;
    struct sql_catalog *catalog;
    enum sql_output     output;
    struct sql_file    *inputs, *outputs;
    size_t              input_count, output_count;
    struct sql_out     *standard_output;
    uint32_t            worker_count;
    uint32_t            rows_max;   /* per chunk */
    uint64_t            flush_rows; /* changes are shown after so many rows; 0: at the end where nobody looks */
    uint64_t            memory_bytes_max;
    uint64_t            verify_seed;
    struct sql_clock    clock;
    char                record_end; /* of inputs and of what is written: LF or NUL */
    bool                stats, explain, quiet, progress;
};

/* The error with its place in the script, on standard error. */
void sql_say_error(const struct cli *cli, const char *script_name, struct view script, const struct sql_error *error);

/* --- where text goes: cli_sql_out.c --------------------------------------------------------------------------------
 */

struct sql_out;

/* path NULL: standard output. NULL: errno says why. */
struct sql_out *sql_out_open(const char *path);
/* False: it could not be written. A reader that went away is not a failure, but sql_out_is_closed() then. */
MUST_USE bool sql_out_close(struct sql_out *out);
/* Any thread; what one call writes stays together. now: at once, for people who watch. */
void sql_out_write(struct sql_out *out, struct view bytes, bool now);
bool sql_out_is_closed(const struct sql_out *out);
bool sql_out_is_terminal(const struct sql_out *out);

/* A table for people: widths are those of the first rows, the rest is printed as it comes. */
struct sql_grid;

struct sql_grid *sql_grid_create(struct sql_out *out, const struct vec_field *columns, uint32_t column_count);
void             sql_grid_destroy(struct sql_grid *grid);
/* cells: for each column its length (uint32_t, native) and bytes, as sql_grid_cells() makes them. Any thread. */
void sql_grid_add(struct sql_grid *grid, struct view cells);
/* What there is, now; widths are settled with that. */
void sql_grid_show(struct sql_grid *grid);
void sql_grid_cells(struct format_text *text, const struct vec_chunk *chunk, size_t row);

/* --- where rows leave: cli_sql_sink.c ------------------------------------------------------------------------------
 */

struct sql_sinks;

struct sql_sink_counts {
    const char *name;
    uint64_t    rows[4]; /* by enum vec_change */
};

/* NULL with a message. */
struct sql_sinks *sql_sinks_create(struct sql_session *session, const struct sql_plan *plan,
                                   char out_message[SQL_SAY_BYTES]);
void              sql_sinks_destroy(struct sql_sinks *sinks);
/* As struct exec_sink_ops wants it; context: the sinks. */
bool sql_sinks_write(void *context, uint32_t worker, uint32_t sink, const struct vec_chunk *chunk, char *message,
                     size_t message_capacity);
/* A worker's rows that wait for company: nothing more comes at the moment. */
void sql_sinks_show(struct sql_sinks *sinks, uint32_t worker);
/* What is only known at the end: tables of changes folded by key. */
void sql_sinks_finish(struct sql_sinks *sinks);
/* Somebody sees changes as they happen. */
bool sql_sinks_are_live(const struct sql_sinks *sinks);
bool sql_sinks_are_closed(const struct sql_sinks *sinks);
/* A LIMIT in front of every sink is reached: nothing more can come. Exact for one worker, else a moment old. */
bool                   sql_sinks_are_full(const struct sql_sinks *sinks);
struct sql_sink_counts sql_sinks_counts(const struct sql_sinks *sinks, uint32_t sink);

/* --- where rows come from: cli_sql_scan.c --------------------------------------------------------------------------
 */

struct sql_partition;

/* The partitions of all sources of a plan, opened; NULL with a message and an exit code. */
struct sql_partition **sql_partitions_open(struct sql_session *session, const struct sql_plan *plan, size_t *out_count,
                                           char out_message[SQL_SAY_BYTES], enum cli_exit *out_code);
void                   sql_partitions_close(struct sql_partition **partitions, size_t count);

enum sql_pulled { SQL_PULLED_ROWS, SQL_PULLED_NONE, SQL_PULLED_END, SQL_PULLED_FAILED };

/* Up to row_max records, decoded into *out_chunk (valid until the next call); rows may be fewer than records. */
enum sql_pulled sql_partition_pull(struct sql_partition *partition, size_t record_max, struct vec_chunk *out_chunk,
                                   size_t *out_record_count, char out_message[SQL_SAY_BYTES]);
uint32_t        sql_partition_scan(const struct sql_partition *partition);
uint32_t        sql_partition_number(const struct sql_partition *partition); /* within the scan */
/* "FILE, line N": where row `row` of the last chunk came from; row SIZE_MAX: all of them. */
void     sql_partition_where(const struct sql_partition *partition, size_t row, char *out_text, size_t capacity);
uint64_t sql_partition_bytes(const struct sql_partition *partition);
uint64_t sql_partition_size(const struct sql_partition *partition);

/* --- running: cli_sql_run.c ----------------------------------------------------------------------------------------
 */

/* What a run did. */
struct sql_done {
    uint64_t records, bytes;
    int64_t  elapsed_ms;
    double   cpu_seconds;
    bool     stopped; /* by the user, or because nobody reads the output */
};

/* A plan from its beginning to its end. script, script_name: for messages. */
enum cli_exit sql_run(struct sql_session *session, const struct sql_plan *plan, struct view script,
                      const char *script_name);

/* --- what was done: cli_sql_stats.c --------------------------------------------------------------------------------
 */

void sql_stats_print(const struct sql_session *session, const struct sql_plan *plan, const struct exec_job *job,
                     const struct sql_sinks *sinks, const struct sql_done *done);

#endif
