/* GET /metrics: Prometheus text, version 0.0.4. Jobs under the names that Flink's own reporter gives them, so that its
 * dashboards find them; the broker's figures as millrace_<name>. */
#include "core/base/mem.h"
#include "net/http/http_internal.h"

/* Label values: a backslash, a quote and a line end are written with a backslash. */
static void put_label(struct http_text *text, struct view value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] == '\\' || value.base[i] == '"') {
            http__text_put(text, "\\", 1);
        }
        if (value.base[i] == '\n') {
            http__text_put(text, "\\n", 2);
        } else {
            http__text_put(text, value.base + i, 1);
        }
    }
}

void http__metrics_broker(struct http_text *text, const struct http_options *options, const uint64_t *values,
                          uint32_t shards)
{
    for (size_t i = 0; i < options->figure_count; i++) {
        const struct http_figure *figure = &options->figures[i];

        http__text_print(text, "# HELP millrace_%s %s\n# TYPE millrace_%s %s\n", figure->name, figure->help,
                         figure->name, figure->is_counter ? "counter" : "gauge");
        for (uint32_t shard = 0; shard < shards; shard++) {
            http__text_print(text, "millrace_%s{shard=\"%u\"} %" PRIu64 "\n", figure->name, shard,
                             values[shard * options->figure_count + i]);
        }
    }
}

/* --- jobs -------------------------------------------------------------------------------------------------------- */

enum job_metric {
    METRIC_STATUS,
    METRIC_RESTARTS,
    METRIC_CHECKPOINTS,
    METRIC_CHECKPOINT_DURATION,
    METRIC_CHECKPOINT_SIZE,
    METRIC_RECORDS_IN,
    METRIC_RECORDS_OUT,
    METRIC_BYTES_IN,
    METRIC_BYTES_OUT,
    METRIC_WATERMARK,
    METRIC_LATE,
    METRIC_PENDING,
    METRIC_BUSY,
    METRIC_IDLE,
    METRIC_HELD,
    METRIC_STATE_ROWS,
    METRIC_STATE_BYTES,
    METRIC_SHARED,
    METRIC_CPU,
    METRIC_COUNT,
};

static const char *const metric_names[METRIC_COUNT] = {
    [METRIC_STATUS] = "flink_jobmanager_job_runningState",
    [METRIC_RESTARTS] = "flink_jobmanager_job_numRestarts",
    [METRIC_CHECKPOINTS] = "flink_jobmanager_job_numberOfCompletedCheckpoints",
    [METRIC_CHECKPOINT_DURATION] = "flink_jobmanager_job_lastCheckpointDuration",
    [METRIC_CHECKPOINT_SIZE] = "flink_jobmanager_job_lastCheckpointSize",
    [METRIC_RECORDS_IN] = "flink_taskmanager_job_task_numRecordsIn",
    [METRIC_RECORDS_OUT] = "flink_taskmanager_job_task_numRecordsOut",
    [METRIC_BYTES_IN] = "flink_taskmanager_job_task_numBytesIn",
    [METRIC_BYTES_OUT] = "flink_taskmanager_job_task_numBytesOut",
    [METRIC_WATERMARK] = "flink_taskmanager_job_task_currentInputWatermark",
    [METRIC_LATE] = "flink_taskmanager_job_task_operator_numLateRecordsDropped",
    [METRIC_PENDING] = "flink_taskmanager_job_task_operator_pendingRecords",
    [METRIC_BUSY] = "flink_taskmanager_job_task_busyTimeMsPerSecond",
    [METRIC_IDLE] = "flink_taskmanager_job_task_idleTimeMsPerSecond",
    [METRIC_HELD] = "flink_taskmanager_job_task_backPressuredTimeMsPerSecond",
    [METRIC_STATE_ROWS] = "millrace_job_state_rows",
    [METRIC_STATE_BYTES] = "millrace_job_state_bytes",
    [METRIC_SHARED] = "millrace_job_records_shared_total",
    [METRIC_CPU] = "millrace_job_cpu_seconds_total",
};

struct http_job_metrics {
    struct http_text samples[METRIC_COUNT];
};

struct http_job_metrics *http__metrics_jobs_create(void)
{
    return mem_alloc(MEM_NET, sizeof(struct http_job_metrics));
}

static struct http_text *put_head(struct http_job_metrics *metrics, enum job_metric metric,
                                  const struct job_facts *facts)
{
    struct http_text *text = &metrics->samples[metric];

    http__text_print(text, "%s{job_id=\"%s\",job_name=\"", metric_names[metric], facts->id);
    put_label(text, facts->name);
    http__text_print(text, "\"} ");
    return text;
}

void http__metrics_jobs_add(struct http_job_metrics *metrics, const struct job_facts *facts)
{
    const uint64_t values[METRIC_COUNT] = {
        [METRIC_STATUS] = facts->status == JOB_RUNNING,
        [METRIC_RESTARTS] = facts->restarts,
        [METRIC_CHECKPOINTS] = (uint64_t)(facts->epoch + 1),
        [METRIC_CHECKPOINT_DURATION] = (uint64_t)MAX(facts->last_commit_duration_ms, (int64_t)0),
        [METRIC_CHECKPOINT_SIZE] = facts->state_bytes,
        [METRIC_RECORDS_IN] = facts->records_in,
        [METRIC_RECORDS_OUT] = facts->records_out,
        [METRIC_BYTES_IN] = facts->bytes_in,
        [METRIC_BYTES_OUT] = facts->bytes_out,
        [METRIC_LATE] = facts->late_records,
        [METRIC_PENDING] = facts->pending_records,
        [METRIC_BUSY] = facts->busy_per_s_ms,
        [METRIC_IDLE] = facts->idle_per_s_ms,
        [METRIC_HELD] = facts->held_per_s_ms,
        [METRIC_STATE_ROWS] = facts->state_rows,
        [METRIC_STATE_BYTES] = facts->state_bytes,
        [METRIC_SHARED] = facts->records_shared,
    };

    for (int i = 0; i < METRIC_COUNT; i++) {
        struct http_text *text = put_head(metrics, (enum job_metric)i, facts);

        if (i == METRIC_WATERMARK) {
            /* no watermark is Long.MIN_VALUE in Flink too */
            http__text_print(text, "%" PRId64 "\n",
                             facts->watermark_us == INT64_MIN ? INT64_MIN : facts->watermark_us / NS_PER_US);
        } else if (i == METRIC_CPU) {
            http__text_print(text, "%.3f\n", (double)facts->cpu_ns / (double)NS_PER_S);
        } else {
            http__text_print(text, "%" PRIu64 "\n", values[i]);
        }
    }
}

void http__metrics_jobs_finish(struct http_job_metrics *metrics, struct http_text *text)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (metrics->samples[i].len > 0) {
            http__text_print(text, "# TYPE %s %s\n", metric_names[i], i == METRIC_CPU ? "counter" : "gauge");
            http__text_put(text, metrics->samples[i].base, metrics->samples[i].len);
        }
    }
}

void http__metrics_jobs_destroy(struct http_job_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        http__text_deinit(&metrics->samples[i]);
    }
    mem_free(MEM_NET, metrics);
}
