/* Before a run: topics that sinks write to and that are missing are made, as they are for Kafka's producer, which asks
 * for metadata with leave to create them. */
#include "compute/job/job_sink.h"

#include <stdio.h>

struct sink_preparation {
    struct job_shard *jobs;
    void (*done)(void *context, bool good, const char *message);
    void                     *context;
    bool                      good;
    char                      message[JOB_MESSAGE_BYTES];
    struct meta_create_topic *topics;
    struct meta_change        change;
    struct io_op              post;
};

static void prepare_end(struct sink_preparation *preparation)
{
    preparation->done(preparation->context, preparation->good, preparation->message);
    mem_free(MEM_JOB, preparation->topics);
    mem_free(MEM_JOB, preparation);
}

static void prepare_posted(struct io_op *op)
{
    prepare_end(CONTAINER_OF(op, struct sink_preparation, post));
}

static void prepare_refuse(struct sink_preparation *preparation, struct view topic, const char *why)
{
    preparation->good = false;
    (void)snprintf(preparation->message, sizeof(preparation->message), "topic '%.*s' %s", (int)topic.len,
                   (const char *)topic.base, why);
}

static void prepare_made(struct meta_change *change)
{
    struct sink_preparation *preparation = CONTAINER_OF(change, struct sink_preparation, change);

    for (int32_t i = 0; i < change->count && preparation->good; i++) {
        const struct meta_create_topic *topic = &preparation->topics[i];
        int16_t                         error = change->error != 0 ? change->error : topic->error;

        if (error != 0 && error != KP_ERR_TOPIC_ALREADY_EXISTS) {
            char why[256];

            (void)snprintf(why, sizeof(why), "cannot be made: %s: %s", kp_error_name(error), topic->message);
            prepare_refuse(preparation, topic->name, why);
        }
    }
    prepare_end(preparation);
}

static bool prepare_asks_already(const struct sink_preparation *preparation, struct view name)
{
    for (int32_t i = 0; i < preparation->change.count; i++) {
        if (view_equal(preparation->topics[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void prepare_topic(struct sink_preparation *preparation, struct view name)
{
    struct meta             *meta = preparation->jobs->options.meta;
    const struct meta_topic *topic = meta_topic(meta, name);

    if (topic != NULL) {
        if (topic->internal) {
            prepare_refuse(preparation, name, "is internal: jobs do not write to it");
        }
    } else if (!meta_broker_bool(meta, "auto.create.topics.enable")) {
        prepare_refuse(preparation, name, "does not exist, and auto.create.topics.enable is false");
    } else if (!prepare_asks_already(preparation, name)) {
        preparation->topics[preparation->change.count++] =
            (struct meta_create_topic){.name = name, .partition_count = -1, .replication_factor = -1};
    }
}

void job__sinks_prepare(struct job_shard *jobs, const struct sql_plan                     *plan,
                        void (*done)(void *context, bool good, const char *message), void *context)
{
    struct sink_preparation *preparation = mem_alloc(MEM_JOB, sizeof(*preparation));

    preparation->jobs = jobs;
    preparation->done = done;
    preparation->context = context;
    preparation->good = job__sinks_check(plan, preparation->message, sizeof(preparation->message));
    preparation->topics = mem_alloc(MEM_JOB, plan->exec.sink_count * sizeof(*preparation->topics));
    for (uint32_t i = 0; i < plan->exec.sink_count && preparation->good; i++) {
        const struct sql_table *table = plan->sinks[i].table;

        if (table != NULL && table->connector <= SQL_CONNECTOR_UPSERT_KAFKA) {
            prepare_topic(preparation, sql_table_option(table, "topic"));
        }
    }
    if (!preparation->good || preparation->change.count == 0) {
        io_post(job__io(jobs), &preparation->post, prepare_posted);
        return;
    }
    preparation->change.kind = META_CREATE_TOPICS;
    preparation->change.create_topics = preparation->topics;
    preparation->change.done = prepare_made;
    meta_submit(jobs->options.meta, &preparation->change);
}
