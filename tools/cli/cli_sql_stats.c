/* cli_sql_stats.c: what a run did, on standard error: a table, or JSON with --output json. */
#include "tools/cli/cli_out.h"
#include "tools/cli/cli_sql.h"

static void stats_operator_json(struct cli_json *json, const struct exec_node *node, const struct exec_stats *stats)
{
    cli_json_open(json, '{');
    cli_json_key(json, "id");
    cli_json_number(json, node->id);
    cli_json_key(json, "operator");
    cli_json_text(json, exec_node_kind_name(node->kind));
    cli_json_key(json, "rows_in");
    cli_json_number(json, (int64_t)stats->rows_in);
    cli_json_key(json, "rows_out");
    cli_json_number(json, (int64_t)stats->rows_out);
    cli_json_key(json, "late_rows");
    cli_json_number(json, (int64_t)stats->late_rows);
    cli_json_key(json, "state_rows");
    cli_json_number(json, (int64_t)stats->state_rows);
    cli_json_key(json, "state_bytes");
    cli_json_number(json, (int64_t)stats->state_bytes);
    cli_json_key(json, "watermark_us");
    if (stats->watermark_us == EXEC_WATERMARK_NONE || stats->watermark_us == EXEC_WATERMARK_END) {
        cli_json_null(json);
    } else {
        cli_json_number(json, stats->watermark_us);
    }
    cli_json_close(json, '}');
}

static void stats_sink_json(struct cli_json *json, struct sql_sink_counts counts)
{
    static const char *const names[] = {"inserted", "updated_before", "updated", "deleted"};

    cli_json_open(json, '{');
    cli_json_key(json, "table");
    cli_json_text(json, counts.name);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        cli_json_key(json, names[i]);
        cli_json_number(json, (int64_t)counts.rows[i]);
    }
    cli_json_close(json, '}');
}

static void stats_json(const struct sql_plan *plan, const struct exec_job *job, const struct sql_sinks *sinks,
                       const struct sql_done *done)
{
    struct cli_json json = {.to = stderr};

    cli_json_open(&json, '{');
    cli_json_key(&json, "rows");
    cli_json_number(&json, (int64_t)done->records);
    cli_json_key(&json, "bytes");
    cli_json_number(&json, (int64_t)done->bytes);
    cli_json_key(&json, "elapsed_ms");
    cli_json_number(&json, done->elapsed_ms);
    cli_json_key(&json, "cpu_seconds");
    cli_json_float(&json, done->cpu_seconds);
    cli_json_key(&json, "stopped");
    cli_json_bool(&json, done->stopped);
    cli_json_key(&json, "operators");
    cli_json_open(&json, '[');
    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        struct exec_stats stats;

        exec_job_stats(job, i, &stats);
        stats_operator_json(&json, plan->exec.nodes[i], &stats);
    }
    cli_json_close(&json, ']');
    cli_json_key(&json, "sinks");
    cli_json_open(&json, '[');
    for (uint32_t i = 0; i < plan->exec.sink_count; i++) {
        stats_sink_json(&json, sql_sinks_counts(sinks, i));
    }
    cli_json_close(&json, ']');
    cli_json_close(&json, '}');
    (void)fputc('\n', stderr);
}

static void stats_operator_line(const struct exec_node *node, const struct exec_stats *stats)
{
    char bytes[CLI_VALUE_BYTES], time[CLI_VALUE_BYTES] = "";

    cli_format_bytes((int64_t)stats->state_bytes, bytes);
    if (stats->watermark_us == EXEC_WATERMARK_END) {
        (void)snprintf(time, sizeof(time), "end");
    } else if (stats->watermark_us != EXEC_WATERMARK_NONE) {
        cli_format_time(stats->watermark_us / 1000, time);
    }
    (void)fprintf(stderr, "%-4u %-14s %12llu %12llu %10llu %11llu %12s  %s\n", node->id,
                  exec_node_kind_name(node->kind), (unsigned long long)stats->rows_in,
                  (unsigned long long)stats->rows_out, (unsigned long long)stats->late_rows,
                  (unsigned long long)stats->state_rows, bytes, time);
}

static void stats_table(const struct sql_plan *plan, const struct exec_job *job, const struct sql_sinks *sinks,
                        const struct sql_done *done)
{
    double seconds = (double)MAX(done->elapsed_ms, 1) / (double)MS_PER_S;
    char   bytes[CLI_VALUE_BYTES];

    cli_format_bytes((int64_t)done->bytes, bytes);
    (void)fprintf(stderr, "%llu rows, %s in %.3f s, %.3f s of CPU: %.0f rows/s%s\n\n",
                  (unsigned long long)done->records, bytes, seconds, done->cpu_seconds, (double)done->records / seconds,
                  done->stopped ? "; stopped" : "");
    (void)fprintf(stderr, "%-4s %-14s %12s %12s %10s %11s %12s  %s\n", "ID", "OPERATOR", "ROWS IN", "ROWS OUT", "LATE",
                  "STATE ROWS", "STATE", "WATERMARK");
    for (uint32_t i = 0; i < plan->exec.node_count; i++) {
        struct exec_stats stats;

        exec_job_stats(job, i, &stats);
        stats_operator_line(plan->exec.nodes[i], &stats);
    }
    (void)fputc('\n', stderr);
    for (uint32_t i = 0; i < plan->exec.sink_count; i++) {
        struct sql_sink_counts counts = sql_sinks_counts(sinks, i);

        (void)fprintf(stderr, "%s: %llu inserted, %llu updated, %llu deleted\n", counts.name,
                      (unsigned long long)counts.rows[VEC_INSERT], (unsigned long long)counts.rows[VEC_UPDATE_AFTER],
                      (unsigned long long)counts.rows[VEC_DELETE]);
    }
}

void sql_stats_print(const struct sql_session *session, const struct sql_plan *plan, const struct exec_job *job,
                     const struct sql_sinks *sinks, const struct sql_done *done)
{
    if (session->output == SQL_OUTPUT_JSON) {
        stats_json(plan, job, sinks, done);
    } else {
        stats_table(plan, job, sinks, done);
    }
}
