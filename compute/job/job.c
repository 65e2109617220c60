/* A shard's object for jobs: its life, and whose producer ids are known here. See job.h. */
#include "compute/job/job_controller.h"

#include "core/base/hash.h"

/* --- life ----------------------------------------------------------------------------------------------------------
 */

struct job_shard *job_shard_create(const struct job_shard_options *options)
{
    struct job_shard *jobs = mem_alloc(MEM_JOB, sizeof(*jobs));

    jobs->options = *options;
    map_init(&jobs->producers, MEM_JOB);
    job__transactions_init(jobs);
    job__pace_init(&jobs->pace, options->shard, options->parts);
    options->by_shard[options->shard->index] = jobs;
    return jobs;
}

void job_shard_destroy(struct job_shard *jobs)
{
    if (jobs == NULL) {
        return;
    }
    job__controller_destroy(jobs->controller);
    job__pace_deinit(&jobs->pace);
    MAP_EACH(&jobs->producers, entry) {
        mem_free(MEM_JOB, entry->value);
    }
    map_deinit(&jobs->producers);
    jobs->options.by_shard[jobs->options.shard->index] = NULL;
    mem_free(MEM_JOB, jobs);
}

uint32_t job__leader(const struct job_shard *jobs)
{
    const struct meta_topic *topic = meta_topic(jobs->options.meta, view_text(JOB_TOPIC));
    const struct meta_host  *host = meta_host(jobs->options.meta);
    int64_t                  shard;

    if (topic == NULL || topic->partition_count == 0) {
        return 0; /* where it will be made */
    }
    shard = (int64_t)topic->partitions[0].leader - host->first_node_id;
    return shard < 0 || shard >= host->shard_count ? 0 : (uint32_t)shard;
}

void job_shard_resolve(struct job_shard *jobs, void (*done)(void *context, int result), void *context)
{
    if (meta_topic(jobs->options.meta, view_text(JOB_TOPIC)) == NULL ||
        job__leader(jobs) != jobs->options.shard->index) {
        done(context, ERR_OK);
        return;
    }
    jobs->controller = job__controller_create(jobs);
    job__controller_resolve(jobs->controller, done, context);
}

void job_shard_open(struct job_shard *jobs)
{
    jobs->open = true;
    if (jobs->controller != NULL) {
        job__controller_open(jobs->controller);
    }
}

void job_shard_close(struct job_shard *jobs, void (*done)(void *context, int result), void *context)
{
    jobs->open = false;
    if (jobs->controller == NULL) {
        done(context, ERR_OK);
    } else {
        job__controller_close(jobs->controller, done, context);
    }
}

/* --- producers -----------------------------------------------------------------------------------------------------
 */

struct job_tell {
    struct job_shard               *from;
    const struct job_producer_name *names;
    size_t                          count;
    bool                            add;
    uint32_t                        missing;
    struct job_tell_mail           *mails;
    void (*done)(void *context);
    void *context;
};

struct job_tell_mail {
    struct io_mail   mail;
    struct job_tell *tell;
};

static struct view producer_key(const int64_t *producer_id)
{
    return view_of(producer_id, sizeof(*producer_id));
}

bool job_owns_producer(const struct job_shard *jobs, int64_t producer_id)
{
    return map_count(&jobs->producers) > 0 && map_get(&jobs->producers, producer_key(&producer_id)) != NULL;
}

const struct job_producer_name *job__producer_name(const struct job_shard *jobs, int64_t producer_id)
{
    return map_get(&jobs->producers, producer_key(&producer_id));
}

static void producers_learn(struct job_shard *jobs, const struct job_tell *tell)
{
    for (size_t i = 0; i < tell->count; i++) {
        struct view key = producer_key(&tell->names[i].producer_id);

        if (tell->add) {
            struct job_producer_name *name = mem_alloc(MEM_JOB, sizeof(*name));

            *name = tell->names[i];
            part_table_reserve(jobs->options.parts, name->producer_id);
            mem_free(MEM_JOB, map_put(&jobs->producers, key, name));
        } else {
            part_table_release(jobs->options.parts, tell->names[i].producer_id);
            mem_free(MEM_JOB, map_remove(&jobs->producers, key));
        }
    }
}

static void producers_told(struct io_mail *mail, struct io_shard *to)
{
    struct job_tell *tell = CONTAINER_OF(mail, struct job_tell_mail, mail)->tell;

    CHECK(to == tell->from->options.shard);
    if (--tell->missing == 0) {
        tell->done(tell->context);
        mem_free(MEM_JOB, tell->mails);
        mem_free(MEM_JOB, tell);
    }
}

static void producers_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct job_tell *tell = CONTAINER_OF(mail, struct job_tell_mail, mail)->tell;

    producers_learn(tell->from->options.by_shard[to->index], tell);
    io_shard_send(to, tell->from->options.shard->index, mail, producers_told);
}

void job__producers_tell(struct job_shard *jobs, const struct job_producer_name *names, size_t count, bool add,
                         void (*done)(void *context), void *context)
{
    uint32_t         shard_count = meta_host(jobs->options.meta)->shard_count;
    struct job_tell *tell = mem_alloc(MEM_JOB, sizeof(*tell));

    *tell = (struct job_tell){.from = jobs,
                              .names = names,
                              .count = count,
                              .add = add,
                              .missing = shard_count,
                              .mails = mem_alloc(MEM_JOB, shard_count * sizeof(*tell->mails)),
                              .done = done,
                              .context = context};
    for (uint32_t i = 0; i < shard_count; i++) {
        tell->mails[i].tell = tell;
        io_shard_send(jobs->options.shard, i, &tell->mails[i].mail, producers_deliver);
    }
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

const char *job_status_name(enum job_status status)
{
    static const char *const names[JOB_STATUS_COUNT] = {
        [JOB_INITIALIZING] = "INITIALIZING", [JOB_CREATED] = "CREATED",   [JOB_RUNNING] = "RUNNING",
        [JOB_FAILING] = "FAILING",           [JOB_FAILED] = "FAILED",     [JOB_CANCELLING] = "CANCELLING",
        [JOB_CANCELED] = "CANCELED",         [JOB_FINISHED] = "FINISHED", [JOB_RESTARTING] = "RESTARTING",
        [JOB_SUSPENDED] = "SUSPENDED",
    };

    return names[status];
}
