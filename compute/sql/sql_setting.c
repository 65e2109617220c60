/* Settings: what SET and RESET know. Flink's names and defaults; what has no meaning here is accepted where Flink runs
 * the same script, so that it runs here, too. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

enum setting_kind { SETTING_TEXT, SETTING_BOOLEAN, SETTING_NUMBER, SETTING_DURATION, SETTING_RESULT_MODE };

static const struct {
    const char       *name;
    enum setting_kind kind;
    const char       *value;
    const char       *only; /* the values that are accepted, where we have no others; NULL: any */
} settings[] = {
    {"execution.checkpointing.interval", SETTING_DURATION, "", NULL},
    {"execution.checkpointing.mode", SETTING_TEXT, "EXACTLY_ONCE", NULL},
    {"execution.runtime-mode", SETTING_TEXT, "streaming", "streaming"},
    {"execution.savepoint.path", SETTING_TEXT, "", NULL},
    {"execution.state-recovery.path", SETTING_TEXT, "", NULL},
    {"parallelism.default", SETTING_NUMBER, "1", NULL},
    {"pipeline.name", SETTING_TEXT, "", NULL},
    {"pipeline.object-reuse", SETTING_BOOLEAN, "false", NULL},
    {"pipeline.auto-watermark-interval", SETTING_DURATION, "200 ms", NULL},
    {"sql-client.execution.max-table-result.rows", SETTING_NUMBER, "1000000", NULL},
    {"sql-client.execution.result-mode", SETTING_RESULT_MODE, "table", NULL},
    {"sql-client.verbose", SETTING_BOOLEAN, "false", NULL},
    {"sql-client.display.max-column-width", SETTING_NUMBER, "30", NULL},
    {"state.backend.type", SETTING_TEXT, "hashmap", NULL},
    {"table.dml-sync", SETTING_BOOLEAN, "false", NULL},
    {"table.exec.mini-batch.enabled", SETTING_BOOLEAN, "false", NULL},
    {"table.exec.mini-batch.allow-latency", SETTING_DURATION, "0 ms", NULL},
    {"table.exec.mini-batch.size", SETTING_NUMBER, "-1", NULL},
    {"table.exec.sink.not-null-enforcer", SETTING_TEXT, "ERROR", "ERROR|DROP"},
    {"table.exec.sink.type-length-enforcer", SETTING_TEXT, "IGNORE", "IGNORE"},
    {"table.exec.sink.upsert-materialize", SETTING_TEXT, "AUTO", NULL},
    {"table.exec.source.idle-timeout", SETTING_DURATION, "0 ms", NULL},
    {"table.exec.state.ttl", SETTING_DURATION, "0 ms", NULL},
    {"table.local-time-zone", SETTING_TEXT, "UTC", "UTC"},
    {"table.optimizer.agg-phase-strategy", SETTING_TEXT, "AUTO", NULL},
    {"table.optimizer.distinct-agg.split.enabled", SETTING_BOOLEAN, "false", NULL},
    {"table.optimizer.distinct-agg.split.bucket-num", SETTING_NUMBER, "1024", NULL},
    {"table.optimizer.join-reorder-enabled", SETTING_BOOLEAN, "false", NULL},
    {"table.optimizer.multiple-input-enabled", SETTING_BOOLEAN, "true", NULL},
    {"table.optimizer.reuse-source-enabled", SETTING_BOOLEAN, "true", NULL},
    {"table.optimizer.reuse-sub-plan-enabled", SETTING_BOOLEAN, "true", NULL},
    {"table.optimizer.source.predicate-pushdown-enabled", SETTING_BOOLEAN, "true", NULL},
};

const char *sql_setting_name(size_t index)
{
    return index < COUNT_OF(settings) ? settings[index].name : NULL;
}

int sql__find_setting(struct view key)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        if (view_equal(key, view_text(settings[i].name))) {
            return (int)i;
        }
    }
    return -1;
}

const char *sql__setting_default(size_t index)
{
    return settings[index].value;
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int64_t     ns;
} duration_units[] = {
    {"D", 86400 * NS_PER_S},
    {"DAY", 86400 * NS_PER_S},
    {"DAYS", 86400 * NS_PER_S},
    {"H", 3600 * NS_PER_S},
    {"HOUR", 3600 * NS_PER_S},
    {"HOURS", 3600 * NS_PER_S},
    {"M", 60 * NS_PER_S},
    {"MIN", 60 * NS_PER_S},
    {"MINUTE", 60 * NS_PER_S},
    {"MINUTES", 60 * NS_PER_S},
    {"S", NS_PER_S},
    {"SEC", NS_PER_S},
    {"SECOND", NS_PER_S},
    {"SECONDS", NS_PER_S},
    {"SECS", NS_PER_S},
    {"MS", NS_PER_MS},
    {"MILLI", NS_PER_MS},
    {"MILLIS", NS_PER_MS},
    {"MILLISECOND", NS_PER_MS},
    {"MILLISECONDS", NS_PER_MS},
    {"US", NS_PER_US},
    {"MICRO", NS_PER_US},
    {"MICROS", NS_PER_US},
    {"MICROSECOND", NS_PER_US},
    {"MICROSECONDS", NS_PER_US},
    {"NS", 1},
    {"NANO", 1},
    {"NANOS", 1},
    {"NANOSECOND", 1},
    {"NANOSECONDS", 1},
};

static struct view trim(struct view text)
{
    while (text.len > 0 && text.base[0] == ' ') {
        text = view_of(text.base + 1, text.len - 1);
    }
    while (text.len > 0 && text.base[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* "10 s", "5min", "200": milliseconds without a unit (Flink: TimeUtils.parseDuration). */
bool sql__duration_ms(struct view text, int64_t *out_ms)
{
    int64_t value = 0;
    size_t  digits = 0;

    text = trim(text);
    while (digits < text.len && text.base[digits] >= '0' && text.base[digits] <= '9') {
        if (digits >= 18) {
            return false;
        }
        value = value * 10 + (text.base[digits++] - '0');
    }
    if (digits == 0) {
        return false;
    }
    text = trim(view_of(text.base + digits, text.len - digits));
    if (text.len == 0) {
        *out_ms = value;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
        if (sql__view_is(text, duration_units[i].word)) {
            int64_t ns = duration_units[i].ns;

            if (ns >= NS_PER_MS) {
                return !__builtin_mul_overflow(value, ns / NS_PER_MS, out_ms);
            }
            *out_ms = value / (NS_PER_MS / ns);
            return true;
        }
    }
    return false;
}

static bool is_number(struct view text)
{
    size_t first = text.len > 0 && text.base[0] == '-' ? 1 : 0;

    for (size_t i = first; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return false;
        }
    }
    return text.len > first && text.len < 18;
}

static const char *value_problem(size_t index, struct view value)
{
    int64_t ms;

    switch (settings[index].kind) {
    case SETTING_BOOLEAN:
        return sql__view_is(value, "TRUE") || sql__view_is(value, "FALSE") ? NULL : "'true' or 'false'";
    case SETTING_NUMBER:
        return is_number(value) ? NULL : "a whole number";
    case SETTING_DURATION:
        return sql__duration_ms(value, &ms) ? NULL : "a duration such as '10 s', '5 min' or '1 h'";
    case SETTING_RESULT_MODE:
        return sql__view_is(value, "TABLE") || sql__view_is(value, "CHANGELOG") || sql__view_is(value, "TABLEAU")
                   ? NULL
                   : "'table', 'changelog' or 'tableau'";
    default:
        return NULL;
    }
}

/* Whether the value is one of list, which '|' separates; case does not matter. */
static bool in_list(struct view value, const char *list)
{
    while (*list != '\0') {
        size_t len = strcspn(list, "|");
        size_t i = 0;

        while (len == value.len && i < len && (value.base[i] | 0x20) == ((uint8_t)list[i] | 0x20)) {
            i++;
        }
        if (len == value.len && i == len) {
            return true;
        }
        list += len + (list[len] == '|');
    }
    return false;
}

bool sql__check_setting(const struct sql_statement *statement, struct sql_error *error)
{
    int         index = sql__find_setting(statement->key);
    const char *problem;

    if (index < 0) {
        struct view candidates[COUNT_OF(settings)];
        struct view near;

        for (size_t i = 0; i < COUNT_OF(settings); i++) {
            candidates[i] = view_text(settings[i].name);
        }
        near = sql_nearest(statement->key, candidates, COUNT_OF(settings));
        return sql_fail(error, SQL_ERROR_NAME, statement->key_place, "there is no setting '%.*s'%s%.*s%s",
                        (int)MIN(statement->key.len, 100), (const char *)statement->key.base,
                        near.base == NULL ? "" : "; did you mean '", near.base == NULL ? 0 : (int)near.len,
                        near.base == NULL ? "" : (const char *)near.base, near.base == NULL ? "" : "'?");
    }
    if (statement->kind != SQL_STATEMENT_SET) {
        return true;
    }
    problem = value_problem((size_t)index, statement->value);
    if (problem != NULL) {
        return sql_fail(error, SQL_ERROR_TYPE, statement->key_place, "'%s' wants %s", settings[index].name, problem);
    }
    if (settings[index].only != NULL && !in_list(statement->value, settings[index].only)) {
        return sql_fail(error, SQL_ERROR_UNSUPPORTED, statement->key_place,
                        "Flink has other values of '%s', Millrace not yet: %s is there", settings[index].name,
                        settings[index].only);
    }
    return true;
}
