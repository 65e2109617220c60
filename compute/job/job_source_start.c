/* Which partitions a worker reads, and from where to where.
 *
 * A position of the newest commit counts before everything the table says. Else Flink's rules (KafkaDynamicSource,
 * OffsetsInitializer): a partition that the commit does not know is new and is read from its beginning; a timestamp
 * that nothing has reached yet means the end; a partition that specific offsets leave out has the group's offset, else
 * its beginning; group offsets fall back on properties.auto.offset.reset. Where a bounded scan ends is decided once,
 * when the job begins, and stands in its commits. */
#include "compute/job/job_source.h"

#include <stdio.h>

static void start_step(struct job_sources *sources);

/* --- options --------------------------------------------------------------------------------------------------------
 */

static bool option_is(const struct sql_table *table, const char *key, const char *value)
{
    struct view given = sql_table_option(table, key);

    return given.base != NULL && view_equal(given, view_text(value));
}

static bool starts_at(const struct sql_table *table, const char *mode)
{
    if (sql_table_option(table, "scan.startup.mode").base == NULL) {
        return strcmp(mode, "group-offsets") == 0;
    }
    return option_is(table, "scan.startup.mode", mode);
}

static bool stops_at(const struct sql_table *table, const char *mode)
{
    return option_is(table, "scan.bounded.mode", mode);
}

static int64_t option_number(const struct sql_table *table, const char *key)
{
    struct view text = sql_table_option(table, key);
    int64_t     number = 0;

    for (size_t i = 0; text.base != NULL && i < text.len; i++) { /* digits, checked when the table was made */
        number = number * 10 + (text.base[i] - '0');
    }
    return number;
}

/* The names of 'a;b'. */
static void list_topics(struct job_scan *scan, struct arena *arena)
{
    struct view topics = sql_table_option(scan->plan->table, "topic");
    size_t      capacity = 1;

    for (size_t i = 0; i < topics.len; i++) {
        capacity += topics.base[i] == ';';
    }
    scan->topics = arena_alloc_array(arena, capacity, sizeof(*scan->topics));
    CHECK(scan->topics != NULL);
    while (topics.base != NULL && topics.len > 0) {
        const uint8_t *end = memchr(topics.base, ';', topics.len);
        size_t         len = end == NULL ? topics.len : (size_t)(end - topics.base);

        if (len > 0) {
            scan->topics[scan->topic_count++] = view_of(topics.base, len);
        }
        len += end != NULL;
        topics = view_of(topics.base + len, topics.len - len);
    }
}

static bool check_offsets(const struct sql_table *table, const char *mode_key, const char *offsets_key, char *message,
                          size_t message_capacity)
{
    struct view text = sql_table_option(table, offsets_key);
    struct view topics = sql_table_option(table, "topic");
    int64_t     offset;

    if (!option_is(table, mode_key, "specific-offsets")) {
        return true;
    }
    if (memchr(topics.base, ';', topics.len) != NULL) {
        (void)snprintf(message, message_capacity, "table '%.*s': specific offsets need a table of one topic",
                       (int)table->name.len, (const char *)table->name.base);
        return false;
    }
    if (text.base == NULL || text.len == 0 || !sql_specific_offset(text, 0, &offset)) {
        (void)snprintf(message, message_capacity,
                       "table '%.*s': '%s' has to be of the form 'partition:0,offset:42;partition:1,offset:300'",
                       (int)table->name.len, (const char *)table->name.base, offsets_key);
        return false;
    }
    return true;
}

static bool check_modes(const struct sql_table *table, char *message, size_t message_capacity)
{
    bool needs_group = starts_at(table, "group-offsets") || stops_at(table, "group-offsets");

    if (needs_group && sql_table_option(table, "properties.group.id").base == NULL) {
        (void)snprintf(
            message, message_capacity,
            "table '%.*s': 'properties.group.id' is required to begin or end at group offsets (the default); "
            "or give 'scan.startup.mode' = 'earliest-offset'",
            (int)table->name.len, (const char *)table->name.base);
        return false;
    }
    if ((option_is(table, "scan.startup.mode", "timestamp") &&
         sql_table_option(table, "scan.startup.timestamp-millis").base == NULL) ||
        (stops_at(table, "timestamp") && sql_table_option(table, "scan.bounded.timestamp-millis").base == NULL)) {
        (void)snprintf(message, message_capacity, "table '%.*s': mode 'timestamp' needs its 'timestamp-millis'",
                       (int)table->name.len, (const char *)table->name.base);
        return false;
    }
    return check_offsets(table, "scan.startup.mode", "scan.startup.specific-offsets", message, message_capacity) &&
           check_offsets(table, "scan.bounded.mode", "scan.bounded.specific-offsets", message, message_capacity);
}

static bool one_of(const struct sql_table *table, const char *key, const char *a, const char *b, const char *c)
{
    return sql_table_option(table, key).base == NULL || option_is(table, key, a) || option_is(table, key, b) ||
           (c != NULL && option_is(table, key, c));
}

bool job__source_check(const struct sql_source_plan *plan, char *message, size_t message_capacity)
{
    const struct sql_table *table = plan->table;
    const char             *wrong = NULL;

    if (table->connector != SQL_CONNECTOR_KAFKA) {
        (void)snprintf(message, message_capacity, "table '%.*s' cannot be read: only tables of connector 'kafka' can",
                       (int)table->name.len, (const char *)table->name.base);
        return false;
    }
    if (!one_of(table, "properties.isolation.level", "read_committed", "read_uncommitted", NULL)) {
        wrong = "properties.isolation.level";
    } else if (!one_of(table, "properties.auto.offset.reset", "earliest", "latest", "none")) {
        wrong = "properties.auto.offset.reset";
    }
    if (wrong != NULL) {
        (void)snprintf(message, message_capacity, "table '%.*s': '%s' cannot be '%.*s'", (int)table->name.len,
                       (const char *)table->name.base, wrong, (int)MIN(sql_table_option(table, wrong).len, 64),
                       (const char *)sql_table_option(table, wrong).base);
        return false;
    }
    return check_modes(table, message, message_capacity);
}

/* --- inputs ---------------------------------------------------------------------------------------------------------
 */

static struct job_input *input_add(struct job_sources *sources, struct job_scan *scan, uint32_t topic_index,
                                   const struct meta_topic *topic, int32_t partition)
{
    struct job_input *input = mem_alloc(MEM_JOB, sizeof(*input));

    *input = (struct job_input){.sources = sources,
                                .scan = scan,
                                .topic = scan->topics[topic_index],
                                .topic_id = topic->id,
                                .partition = partition,
                                .number = topic_index << JOB_PARTITION_BITS | (uint32_t)partition,
                                .next_offset = -1,
                                .stop_offset = -1};
    list_init(&input->link);
    list_init(&input->feed_link);
    job__feed_join(input);
    if (sources->input_count == sources->input_capacity) {
        sources->input_capacity = MAX(8, sources->input_capacity * 2);
        sources->inputs = mem_realloc(MEM_JOB, sources->inputs, sources->input_capacity * sizeof(*sources->inputs));
    }
    sources->inputs[sources->input_count++] = input;
    return input;
}

/* A topic that the commit knows under another id was deleted and made anew: its offsets mean nothing. */
static bool topic_is_known(const struct job_run *run, const struct job_scan *scan, const struct meta_topic *topic)
{
    bool any = false, found = false;

    for (size_t i = 0; run->from != NULL && i < run->from->source_count; i++) {
        if (run->from->sources[i].source == scan->index) {
            any = true;
            found = found || uuid_equal(run->from->sources[i].topic_id, topic->id);
        }
    }
    return found || !any || scan->topic_count > 1;
}

static bool scan_add_topic(struct job_sources *sources, struct job_scan *scan, uint32_t topic_index)
{
    const struct meta       *meta = sources->jobs->options.meta;
    struct view              name = scan->topics[topic_index];
    const struct meta_topic *topic = meta_topic(meta, name);

    if (topic == NULL) {
        return job__sources_fail(sources, "topic '%.*s' of table '%.*s' does not exist", (int)name.len,
                                 (const char *)name.base, (int)job__table_name(scan).len,
                                 (const char *)job__table_name(scan).base);
    }
    if (!topic_is_known(sources->run, scan, topic)) {
        return job__sources_fail(
            sources, "topic '%.*s' of table '%.*s' was deleted and made anew since the last commit", (int)name.len,
            (const char *)name.base, (int)job__table_name(scan).len, (const char *)job__table_name(scan).base);
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].leader == meta_node_id(meta)) {
            (void)input_add(sources, scan, topic_index, topic, i);
        }
    }
    return true;
}

static bool scan_start(struct job_sources *sources, struct job_scan *scan, uint32_t index)
{
    const struct sql_source_plan *plan = &sources->run->plan->sources[index];
    char                          message[JOB_MESSAGE_BYTES];

    scan->plan = plan;
    scan->index = index;
    if (!job__source_check(plan, message, sizeof(message))) {
        return job__sources_fail(sources, "%s", message);
    }
    scan->committed = option_is(plan->table, "properties.isolation.level", "read_committed");
    scan->bounded =
        sql_table_option(plan->table, "scan.bounded.mode").base != NULL && !stops_at(plan->table, "unbounded");
    list_topics(scan, &sources->arena);
    scan->columns = arena_alloc_array(&sources->arena, plan->column_count + 1, sizeof(*scan->columns));
    scan->shape = job__shape_open(sources->jobs, plan);
    if (scan->columns == NULL || scan->shape == NULL) {
        return job__sources_fail(sources, "out of memory");
    }
    for (uint32_t i = 0; i < scan->topic_count; i++) {
        if (!scan_add_topic(sources, scan, i)) {
            return false;
        }
    }
    return true;
}

/* --- offsets --------------------------------------------------------------------------------------------------------
 */

/* What was looked for, the beginning or the end of the input. */
static bool input_found(struct job_input *input, int64_t offset)
{
    if (input->finding_stop) {
        input->stop_offset = offset;
    } else {
        input->next_offset = offset;
    }
    return true;
}

static void lookup_come(struct job_input *input)
{
    const struct part *part = job__input_part(input);

    if (input->lookup.error != 0 || part == NULL) {
        job__input_failed(input, -1,
                          kp_error_name(part == NULL ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION : input->lookup.error));
    } else {
        (void)input_found(input, input->lookup.offset >= 0 ? input->lookup.offset : part_high_watermark(part));
    }
}

static void lookup_done(struct part_offset_lookup *lookup)
{
    struct job_input   *input = CONTAINER_OF(lookup, struct job_input, lookup);
    struct job_sources *sources = input->sources;

    lookup_come(input);
    sources->under_way--;
    start_step(sources);
}

/* True: found at once, or failed. */
static bool find_time(struct job_input *input, struct part *part, int64_t timestamp_ms)
{
    input->lookup = (struct part_offset_lookup){.timestamp_ms = timestamp_ms, .done = lookup_done};
    if (!part_find_offset(part, &input->lookup)) {
        input->sources->under_way++;
        return false;
    }
    lookup_come(input);
    return true;
}

/* The group has no offset for the partition. */
static void group_has_none(struct job_input *input, const struct part *part)
{
    const struct sql_table *table = input->scan->plan->table;
    const char             *modes = input->finding_stop ? "scan.bounded.mode" : "scan.startup.mode";
    bool                    specific = option_is(table, modes, "specific-offsets");

    if (specific || (!input->finding_stop && option_is(table, "properties.auto.offset.reset", "earliest"))) {
        (void)input_found(input, part_log_start(part));
    } else if (!input->finding_stop && option_is(table, "properties.auto.offset.reset", "latest")) {
        (void)input_found(input, part_high_watermark(part));
    } else {
        struct view group = sql_table_option(table, "properties.group.id");

        (void)job__sources_fail(input->sources,
                                "group '%.*s' has no offset for partition %d of topic '%.*s', and "
                                "'properties.auto.offset.reset' is not given",
                                (int)group.len, (const char *)group.base, input->partition, (int)input->topic.len,
                                (const char *)input->topic.base);
    }
}

static void group_done(struct job_group_ask *ask)
{
    struct job_input   *input = CONTAINER_OF(ask, struct job_input, ask);
    struct job_sources *sources = input->sources;
    const struct part  *part = job__input_part(input);

    if (ask->error != 0 || part == NULL) {
        (void)job__sources_fail(sources, "offsets of group '%.*s' cannot be read: %s", (int)ask->group.len,
                                (const char *)ask->group.base,
                                kp_error_name(part == NULL ? KP_ERR_UNKNOWN_TOPIC_OR_PARTITION : ask->error));
    } else if (ask->offset >= 0) {
        (void)input_found(input, ask->offset);
    } else {
        group_has_none(input, part);
    }
    sources->under_way--;
    start_step(sources);
}

static bool find_group(struct job_input *input, const struct part *part)
{
    struct view group = sql_table_option(input->scan->plan->table, "properties.group.id");

    if (group.base == NULL) { /* specific offsets that leave the partition out */
        group_has_none(input, part);
        return true;
    }
    input->ask = (struct job_group_ask){
        .group = group, .topic = input->topic, .partition = input->partition, .done = group_done};
    input->sources->under_way++;
    job__group_ask(input->sources->jobs, &input->ask);
    return false;
}

static bool find_specific(struct job_input *input, const struct part *part, const char *key)
{
    int64_t offset = -1;

    /* The form was checked. */
    (void)!sql_specific_offset(sql_table_option(input->scan->plan->table, key), input->partition, &offset);
    return offset >= 0 ? input_found(input, offset) : find_group(input, part);
}

/* True: found, or failed; false: it comes. */
static bool find_begin(struct job_input *input, struct part *part)
{
    const struct sql_table *table = input->scan->plan->table;

    if (input->sources->run->from != NULL && input->scan->bounded) { /* bounded scans look for no new ones */
        input->stop_offset = part_log_start(part);
        return input_found(input, input->stop_offset);
    }
    if (input->sources->run->from != NULL || starts_at(table, "earliest-offset")) {
        return input_found(input, part_log_start(part));
    }
    if (starts_at(table, "latest-offset")) {
        return input_found(input, part_high_watermark(part));
    }
    if (starts_at(table, "timestamp")) {
        return find_time(input, part, option_number(table, "scan.startup.timestamp-millis"));
    }
    return starts_at(table, "specific-offsets") ? find_specific(input, part, "scan.startup.specific-offsets")
                                                : find_group(input, part);
}

static bool find_stop(struct job_input *input, struct part *part)
{
    const struct sql_table *table = input->scan->plan->table;

    if (!input->scan->bounded) {
        return input_found(input, JOB_STOP_NEVER);
    }
    if (stops_at(table, "latest-offset")) {
        return input_found(input, part_high_watermark(part));
    }
    if (stops_at(table, "timestamp")) {
        return find_time(input, part, option_number(table, "scan.bounded.timestamp-millis"));
    }
    return stops_at(table, "specific-offsets") ? find_specific(input, part, "scan.bounded.specific-offsets")
                                               : find_group(input, part);
}

/* --- one after the other --------------------------------------------------------------------------------------------
 */

static bool restore(struct job_input *input)
{
    const struct job_share *from = input->sources->run->from;

    for (size_t i = 0; from != NULL && i < from->source_count; i++) {
        const struct job_source_position *position = &from->sources[i];

        if (position->source == input->scan->index && uuid_equal(position->topic_id, input->topic_id) &&
            position->partition == input->partition) {
            input->restored = true;
            input->next_offset = position->next_offset;
            input->stop_offset = position->ended ? position->next_offset : position->stop_offset;
            return true;
        }
    }
    return false;
}

/* The position lies in the log, or is moved into it as auto.offset.reset would have it. */
static bool check_position(struct job_input *input, const struct part *part)
{
    if (input->next_offset >= input->stop_offset ||
        (input->next_offset >= part_log_start(part) && input->next_offset <= part_log_end(part))) {
        return true;
    }
    if (!input->restored) {
        input->next_offset = option_is(input->scan->plan->table, "scan.startup.mode", "specific-offsets") ||
                                     option_is(input->scan->plan->table, "properties.auto.offset.reset", "earliest")
                                 ? part_log_start(part)
                                 : part_high_watermark(part);
        return true;
    }
    if (input->next_offset > part_log_end(part)) {
        job__input_failed(input, input->next_offset,
                          "the log is shorter than the job's newest commit says: records were lost");
    } else {
        job__input_failed(input, input->next_offset, "the offset is gone: retention has removed what was not read yet");
    }
    return false;
}

/* True: the input knows where to begin and to end. */
static bool input_start(struct job_input *input)
{
    struct part *part = job__input_part(input);

    if (part == NULL || !part_ready(part) || !part_online(part)) {
        job__input_failed(input, input->next_offset,
                          part == NULL ? "the topic has been deleted" : "the partition is offline");
        return false;
    }
    if (input->next_offset < 0 && !restore(input) && !find_begin(input, part)) {
        return false;
    }
    input->finding_stop = true;
    if (input->next_offset >= 0 && input->stop_offset < 0 && !find_stop(input, part)) {
        return false;
    }
    return input->sources->failure[0] == '\0' && check_position(input, part);
}

static void start_over(struct job_sources *sources)
{
    void (*started)(void *context, bool good) = sources->started;

    sources->started = NULL;
    if (started != NULL) {
        started(sources->context, sources->failure[0] == '\0');
    }
}

static void start_step(struct job_sources *sources)
{
    while (!sources->stopping && sources->failure[0] == '\0' && sources->starting_at < sources->input_count &&
           input_start(sources->inputs[sources->starting_at])) {
        sources->starting_at++;
    }
    if (sources->under_way > 0) {
        return;
    }
    if (sources->stopping) {
        (void)job__sources_fail(sources, "stopped");
    }
    start_over(sources);
    if (sources->stopping) {
        sources->ready(sources->context);
    }
}

static void start_posted(struct io_op *op)
{
    struct job_sources *sources = CONTAINER_OF(op, struct job_sources, posted);

    sources->under_way--;
    start_step(sources);
}

void job__sources_start(struct job_sources *sources, void (*done)(void *context, bool good))
{
    const struct sql_plan *plan = sources->run->plan;

    sources->started = done;
    sources->scan_count = plan->exec.source_count;
    sources->scans = arena_alloc_array(&sources->arena, sources->scan_count + 1, sizeof(*sources->scans));
    CHECK(sources->scans != NULL);
    for (uint32_t i = 0; i < sources->scan_count && sources->failure[0] == '\0'; i++) {
        (void)scan_start(sources, &sources->scans[i], i);
    }
    sources->under_way++;
    io_post(job__io(sources->jobs), &sources->posted, start_posted);
}
