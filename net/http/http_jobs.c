/* Jobs as Flink's REST API shows them: its names, its nesting. A job here is one vertex: every shard runs all of it, so
 * its tasks are the shards. What Flink counts and we do not is left out, not made up. */
#include "net/http/http_internal.h"

#include <stdio.h>

#define REFRESH_MS 3000

static int64_t job_duration_ms(const struct job_facts *facts, int64_t now_ms)
{
    return MAX((facts->end_ms < 0 ? now_ms : facts->end_ms) - facts->start_ms, (int64_t)0);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX));
}

/* The state of each task: all are where the job is. */
static const char *task_state(enum job_status status)
{
    switch (status) {
    case JOB_INITIALIZING:
        return "initializing";
    case JOB_CREATED:
    case JOB_RESTARTING:
        return "created";
    case JOB_RUNNING:
        return "running";
    case JOB_FAILING:
    case JOB_FAILED:
        return "failed";
    case JOB_CANCELLING:
        return "canceling";
    case JOB_CANCELED:
        return "canceled";
    case JOB_FINISHED:
    case JOB_SUSPENDED:
    case JOB_STATUS_COUNT:
        break;
    }
    return "finished";
}

static json_t *job_tasks(enum job_status status, uint32_t shards, bool with_total, bool upper)
{
    static const char *const states[] = {"created",   "scheduled", "deploying", "running",     "finished",
                                         "canceling", "canceled",  "failed",    "reconciling", "initializing"};
    json_t                  *tasks = json_object();

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        char   name[16];
        size_t len = strlen(states[i]);

        for (size_t k = 0; k <= len; k++) {
            name[k] = states[i][k];
            if (upper && k < len) {
                name[k] = (char)(name[k] - 'a' + 'A');
            }
        }
        (void)json_object_set_new(tasks, name,
                                  json_integer(strcmp(states[i], task_state(status)) == 0 ? (json_int_t)shards : 0));
    }
    if (with_total) {
        (void)json_object_set_new(tasks, "total", json_integer((json_int_t)shards));
    }
    return tasks;
}

/* --- one job in a list ------------------------------------------------------------------------------------------- */

static json_t *job_overview(const struct job_facts *facts, int64_t now_ms, uint32_t shards)
{
    return json_pack("{s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:o}", "jid", facts->id, "name", http__json_text(facts->name),
                     "state", job_status_name(facts->status), "start-time", (json_int_t)facts->start_ms, "end-time",
                     (json_int_t)facts->end_ms, "duration", (json_int_t)job_duration_ms(facts, now_ms),
                     "last-modification", (json_int_t)MAX(MAX(facts->end_ms, facts->start_ms), facts->last_commit_ms),
                     "tasks", job_tasks(facts->status, shards, true, false));
}

/* --- one job ----------------------------------------------------------------------------------------------------- */

static json_t *job_vertex(const struct job_facts *facts, int64_t now_ms, uint32_t shards)
{
    json_t *metrics = json_pack(
        "{s:o,s:b,s:o,s:b,s:o,s:b,s:o,s:b}", "read-bytes", number(facts->bytes_in), "read-bytes-complete", 1,
        "write-bytes", number(facts->bytes_out), "write-bytes-complete", 1, "read-records", number(facts->records_in),
        "read-records-complete", 1, "write-records", number(facts->records_out), "write-records-complete", 1);

    (void)json_object_set_new(metrics, "accumulated-backpressured-time", number(facts->held_ms));
    (void)json_object_set_new(metrics, "accumulated-idle-time", number(facts->idle_ms));
    (void)json_object_set_new(metrics, "accumulated-busy-time", number(facts->busy_ms));

    return json_pack("{s:s,s:o,s:I,s:I,s:s,s:I,s:I,s:I,s:o,s:o}", "id", facts->id, "name", http__json_text(facts->name),
                     "parallelism", (json_int_t)shards, "maxParallelism", (json_int_t)shards, "status",
                     job_status_name(facts->status), "start-time", (json_int_t)facts->start_ms, "end-time",
                     (json_int_t)facts->end_ms, "duration", (json_int_t)job_duration_ms(facts, now_ms), "tasks",
                     job_tasks(facts->status, shards, false, true), "metrics", metrics);
}

/* Flink describes its vertices' chains of operators; the one here has them all. */
static json_t *job_plan(const struct job_facts *facts, uint32_t shards)
{
    json_t *nodes = json_array();

    if (facts->plan.len > 0) {
        (void)json_array_append_new(nodes,
                                    json_pack("{s:s,s:I,s:s,s:s,s:o,s:{}}", "id", facts->id, "parallelism",
                                              (json_int_t)shards, "operator", "", "operator_strategy", "",
                                              "description", http__json_text(facts->plan), "optimizer_properties"));
    }
    return json_pack("{s:s,s:o,s:s,s:o}", "jid", facts->id, "name", http__json_text(facts->name), "type", "STREAMING",
                     "nodes", nodes);
}

static json_t *job_details(const struct job_facts *facts, int64_t now_ms, uint32_t shards)
{
    json_t *job = json_pack(
        "{s:s,s:o,s:b,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "jid", facts->id, "name", http__json_text(facts->name),
        "isStoppable", facts->status == JOB_RUNNING ? 1 : 0, "state", job_status_name(facts->status), "job-type",
        "STREAMING", "start-time", (json_int_t)facts->start_ms, "end-time", (json_int_t)facts->end_ms, "duration",
        (json_int_t)job_duration_ms(facts, now_ms), "maxParallelism", (json_int_t)shards, "now", (json_int_t)now_ms);

    (void)json_object_set_new(job, "timestamps",
                              json_pack("{s:I}", facts->end_ms < 0 ? "CREATED" : job_status_name(facts->status),
                                        (json_int_t)(facts->end_ms < 0 ? facts->start_ms : facts->end_ms)));
    (void)json_object_set_new(job, "vertices", json_pack("[o]", job_vertex(facts, now_ms, shards)));
    (void)json_object_set_new(job, "status-counts", job_tasks(facts->status, shards, false, true));
    (void)json_object_set_new(job, "plan", job_plan(facts, shards));
    /* ours */
    (void)json_object_set_new(job, "statement", http__json_text(facts->statement));
    (void)json_object_set_new(job, "restarts", number(facts->restarts));
    (void)json_object_set_new(job, "state-rows", number(facts->state_rows));
    (void)json_object_set_new(job, "state-bytes", number(facts->state_bytes));
    (void)json_object_set_new(job, "cpu-ms", number(facts->cpu_ns / (uint64_t)NS_PER_MS));
    (void)json_object_set_new(job, "pending-records", number(facts->pending_records));
    (void)json_object_set_new(
        job, "watermark",
        facts->watermark_us == INT64_MIN ? json_null() : json_integer((json_int_t)(facts->watermark_us / NS_PER_US)));
    return job;
}

static json_t *job_checkpoint(const struct job_facts *facts, uint32_t shards)
{
    return json_pack("{s:s,s:I,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:{},s:b}", "className", "completed", "id",
                     (json_int_t)facts->epoch, "status", "COMPLETED", "is_savepoint", 0, "trigger_timestamp",
                     (json_int_t)(facts->last_commit_ms - facts->last_commit_duration_ms), "latest_ack_timestamp",
                     (json_int_t)facts->last_commit_ms, "state_size", (json_int_t)facts->state_bytes,
                     "end_to_end_duration", (json_int_t)facts->last_commit_duration_ms, "num_subtasks",
                     (json_int_t)shards, "num_acknowledged_subtasks", (json_int_t)shards, "checkpoint_type",
                     "CHECKPOINT", "tasks", "discarded", 0);
}

/* Epochs are Flink's checkpoints: each that is numbered was completed, others leave no trace. */
static json_t *job_checkpoints(const struct job_facts *facts, uint32_t shards)
{
    bool    some = facts->epoch >= 0;
    json_t *latest = json_pack("{s:o,s:n,s:n,s:n}", "completed", some ? job_checkpoint(facts, shards) : json_null(),
                               "savepoint", "failed", "restored");
    json_t *history = json_array();

    if (some) {
        (void)json_array_append_new(history, job_checkpoint(facts, shards));
    }
    return json_pack("{s:{s:o,s:I,s:I,s:I,s:I},s:o,s:o}", "counts", "restored", number(facts->restarts), "total",
                     (json_int_t)(facts->epoch + 1), "in_progress", (json_int_t)0, "completed",
                     (json_int_t)(facts->epoch + 1), "failed", (json_int_t)0, "latest", latest, "history", history);
}

static json_t *job_exceptions(const struct job_facts *facts)
{
    json_t *entries = json_array();
    bool    some = facts->failure.len > 0;

    if (some) {
        (void)json_array_append_new(entries,
                                    json_pack("{s:s,s:o,s:o,s:o,s:[]}", "exceptionName", "JobException", "stacktrace",
                                              http__json_text(facts->failure), "timestamp",
                                              facts->end_ms < 0 ? json_null() : json_integer((json_int_t)facts->end_ms),
                                              "taskName", json_null(), "concurrentExceptions"));
    }
    return json_pack("{s:o,s:o,s:[],s:b,s:{s:o,s:b}}", "root-exception",
                     some ? http__json_text(facts->failure) : json_null(), "timestamp",
                     some && facts->end_ms >= 0 ? json_integer((json_int_t)facts->end_ms) : json_null(),
                     "all-exceptions", "truncated", 0, "exceptionHistory", "entries", entries, "truncated", 0);
}

json_t *http__job_json(enum http_route_kind kind, const struct job_facts *facts, int64_t now_ms, uint32_t shards)
{
    switch (kind) {
    case HTTP_ROUTE_JOBS:
        return json_pack("{s:s,s:s}", "id", facts->id, "status", job_status_name(facts->status));
    case HTTP_ROUTE_JOBS_OVERVIEW:
        return job_overview(facts, now_ms, shards);
    case HTTP_ROUTE_JOB_CHECKPOINTS:
        return job_checkpoints(facts, shards);
    case HTTP_ROUTE_JOB_EXCEPTIONS:
        return job_exceptions(facts);
    case HTTP_ROUTE_JOB_PLAN:
        return json_pack("{s:o}", "plan", job_plan(facts, shards));
    case HTTP_ROUTE_JOB_STATUS:
        return json_pack("{s:s}", "status", job_status_name(facts->status));
    default:
        return job_details(facts, now_ms, shards);
    }
}

/* --- figures of one job ------------------------------------------------------------------------------------------ */

static bool is_wanted(const char *wanted, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = wanted; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

json_t *http__job_metrics_json(const struct job_facts *facts, int64_t now_ms, const char *wanted)
{
    const struct {
        const char *name;
        int64_t     value;
    } rows[] = {
        {"numRecordsIn", (int64_t)facts->records_in},
        {"numRecordsOut", (int64_t)facts->records_out},
        {"numBytesIn", (int64_t)facts->bytes_in},
        {"numBytesOut", (int64_t)facts->bytes_out},
        {"numLateRecordsDropped", (int64_t)facts->late_records},
        {"pendingRecords", (int64_t)facts->pending_records},
        {"currentInputWatermark", facts->watermark_us == INT64_MIN ? INT64_MIN : facts->watermark_us / NS_PER_US},
        {"numberOfCompletedCheckpoints", facts->epoch + 1},
        {"lastCheckpointDuration", facts->last_commit_duration_ms},
        {"lastCheckpointSize", (int64_t)facts->state_bytes},
        {"numRestarts", (int64_t)facts->restarts},
        {"uptime", facts->end_ms < 0 ? job_duration_ms(facts, now_ms) : -1},
        {"busyTimeMsPerSecond", facts->busy_per_s_ms},
        {"idleTimeMsPerSecond", facts->idle_per_s_ms},
        {"backPressuredTimeMsPerSecond", facts->held_per_s_ms},
        {"accumulateBusyTimeMs", (int64_t)facts->busy_ms},
        {"accumulateIdleTimeMs", (int64_t)facts->idle_ms},
        {"accumulateBackPressuredTimeMs", (int64_t)facts->held_ms},
        {"stateRows", (int64_t)facts->state_rows},
        {"stateBytes", (int64_t)facts->state_bytes},
        {"recordsShared", (int64_t)facts->records_shared},
        {"cpuTimeMs", (int64_t)(facts->cpu_ns / (uint64_t)NS_PER_MS)},
    };
    json_t *metrics = json_array();

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[32];

        if (wanted == NULL) {
            (void)json_array_append_new(metrics, json_pack("{s:s}", "id", rows[i].name));
        } else if (is_wanted(wanted, rows[i].name)) {
            (void)snprintf(text, sizeof(text), "%" PRId64, rows[i].value);
            (void)json_array_append_new(metrics, json_pack("{s:s,s:s}", "id", rows[i].name, "value", text));
        }
    }
    return metrics;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

json_t *http__config_json(const char *version)
{
    return json_pack("{s:i,s:s,s:i,s:s,s:s,s:{s:b,s:b,s:b,s:b}}", "refresh-interval", REFRESH_MS, "timezone-name",
                     "Coordinated Universal Time", "timezone-offset", 0, "flink-version", version, "flink-revision",
                     version, "features", "web-submit", 0, "web-cancel", 1, "web-rescale", 0, "web-history", 0);
}

void http__job_count(struct http_job_counts *counts, enum job_status status)
{
    switch (status) {
    case JOB_FINISHED:
        counts->finished++;
        break;
    case JOB_CANCELED:
        counts->cancelled++;
        break;
    case JOB_FAILED:
        counts->failed++;
        break;
    case JOB_SUSPENDED: /* neither at work nor at its end: Flink counts it nowhere */
        break;
    default:
        counts->running++;
        break;
    }
}

json_t *http__overview_json(const struct http_job_counts *counts, uint32_t shards, const char *version)
{
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:s}", "taskmanagers", 1, "slots-total", (int)shards,
                     "slots-available", (int)shards, "jobs-running", (int)counts->running, "jobs-finished",
                     (int)counts->finished, "jobs-cancelled", (int)counts->cancelled, "jobs-failed",
                     (int)counts->failed, "flink-version", version, "flink-commit", version);
}
