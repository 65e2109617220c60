/* Transactions of jobs as operators see them: ListTransactions and DescribeTransactions show those of running jobs
 * under "millrace-job-<id>-<worker>-<0|1>". A job that does not run has none open.
 *
 * Worker i runs on shard i, so the shard that is asked to describe an id knows from its text where to ask. */
#include "compute/job/job_sink.h"

#include <stdio.h>

#define ID_PREFIX     "millrace-job-"
#define ID_TEXT_BYTES (sizeof(ID_PREFIX) + JOB_ID_TEXT_BYTES + 16)
#define ASK_BLOCK     ((size_t)(4 * KIB))

static void transaction_id(char out_text[ID_TEXT_BYTES], const struct job_sinks *sinks, uint32_t parity)
{
    (void)snprintf(out_text, ID_TEXT_BYTES, ID_PREFIX "%s-%u-%u", sinks->run->id, sinks->worker, parity);
}

static struct coord_insider transaction_of(const struct job_sinks *sinks, uint32_t parity)
{
    const struct sink_epoch *epoch = &sinks->epochs[parity];
    bool                     open = epoch->used && epoch->touched_count > 0;

    return (struct coord_insider){.producer_id = sinks->run->producers[sinks->worker][parity].producer_id,
                                  .producer_epoch = sinks->run->producers[sinks->worker][parity].producer_epoch,
                                  .open = open,
                                  .decided = open && epoch->marking,
                                  .commits = open && epoch->marking && epoch->commit,
                                  .start_ms = open ? epoch->start_ms : -1};
}

static bool sinks_have_transactions(const struct job_sinks *sinks)
{
    for (uint32_t i = 0; i < sinks->sink_count; i++) {
        if (sinks->sinks[i].kind == SINK_RECORDS && sinks->sinks[i].guarantee == JOB_EXACTLY_ONCE) {
            return true;
        }
    }
    return false;
}

static void transactions_list(void *context, void (*show)(void *to, const struct coord_insider *insider), void *to)
{
    const struct job_shard *jobs = context;

    LIST_EACH((struct list_node *)(uintptr_t)&jobs->sinks, node) {
        const struct job_sinks *sinks = LIST_ENTRY(node, struct job_sinks, link);

        for (uint32_t p = 0; p < JOB_PRODUCERS && sinks_have_transactions(sinks); p++) {
            struct coord_insider insider = transaction_of(sinks, p);
            char                 text[ID_TEXT_BYTES];

            transaction_id(text, sinks, p);
            insider.id = view_text(text);
            show(to, &insider);
        }
    }
}

/* --- one, wherever its worker is ---------------------------------------------------------------------------------- */

struct show_ask {
    struct io_mail            mail;
    struct coord_insider_ask *ask;
    struct job_shard         *from;
    char                      text[ID_TEXT_BYTES];
    bool                      found;
    struct coord_insider      insider;
    struct arena              arena; /* the worker's shard fills it, the asker's reads and frees it */
};

static void show_return(struct io_mail *mail, struct io_shard *to)
{
    struct show_ask *show = CONTAINER_OF(mail, struct show_ask, mail);

    CHECK(to == show->from->options.shard);
    show->ask->done(show->ask, show->found ? &show->insider : NULL);
    arena_deinit(&show->arena);
    mem_free(MEM_JOB, show);
}

static void show_fill(struct show_ask *show, const struct job_sinks *sinks, uint32_t parity)
{
    const struct sink_epoch        *epoch = &sinks->epochs[parity];
    struct coord_insider_partition *partitions =
        arena_alloc_array(&show->arena, MAX(epoch->touched_count, 1), sizeof(*partitions));

    show->found = true;
    show->insider = transaction_of(sinks, parity);
    show->insider.id = view_text(show->text);
    show->insider.partitions = partitions;
    for (size_t i = 0; show->insider.open && i < epoch->touched_count; i++) {
        partitions[i].topic = arena_copy(&show->arena, view_text(epoch->touched[i]->topic->name));
        partitions[i].partition = epoch->touched[i]->index;
        show->insider.partition_count++;
    }
}

static void show_arrive(struct io_mail *mail, struct io_shard *to)
{
    struct show_ask  *show = CONTAINER_OF(mail, struct show_ask, mail);
    struct job_shard *here = show->from->options.by_shard[to->index];

    LIST_EACH(&here->sinks, node) {
        const struct job_sinks *sinks = LIST_ENTRY(node, struct job_sinks, link);

        for (uint32_t p = 0; p < JOB_PRODUCERS && sinks_have_transactions(sinks); p++) {
            char text[ID_TEXT_BYTES];

            transaction_id(text, sinks, p);
            if (strcmp(text, show->text) == 0) {
                show_fill(show, sinks, p);
            }
        }
    }
    io_shard_send(to, show->from->options.shard->index, &show->mail, show_return);
}

/* The worker's number, or -1: no id of a job. */
static int64_t id_worker(struct view id)
{
    size_t  front = sizeof(ID_PREFIX) - 1 + JOB_ID_TEXT_BYTES; /* with the dash behind the job's id */
    int64_t worker = 0;
    size_t  at = front;

    if (id.len >= ID_TEXT_BYTES || id.len < front + 3 || memcmp(id.base, ID_PREFIX, sizeof(ID_PREFIX) - 1) != 0 ||
        id.base[front - 1] != '-') {
        return -1;
    }
    for (; at < id.len && at < front + 4 && id.base[at] >= '0' && id.base[at] <= '9'; at++) {
        worker = worker * 10 + (id.base[at] - '0');
    }
    return at > front && at + 2 == id.len && id.base[at] == '-' ? worker : -1;
}

static bool transaction_owns(void *context, struct view id)
{
    MAYBE(context != NULL);
    return id_worker(id) >= 0;
}

static bool transaction_describe(void *context, struct coord_insider_ask *ask)
{
    struct job_shard *jobs = context;
    int64_t           worker = id_worker(ask->id);
    struct show_ask  *show;

    if (worker < 0 || worker >= meta_host(jobs->options.meta)->shard_count) {
        return false;
    }
    show = mem_alloc(MEM_JOB, sizeof(*show));
    show->ask = ask;
    show->from = jobs;
    memcpy(show->text, ask->id.base, ask->id.len);
    arena_init(&show->arena, MEM_JOB, ASK_BLOCK, SIZE_MAX);
    io_shard_send(jobs->options.shard, (uint32_t)worker, &show->mail, show_arrive);
    return true;
}

void job__transactions_init(struct job_shard *jobs)
{
    list_init(&jobs->sinks);
    coord_set_insiders(jobs->options.coord, &(struct coord_insiders){.owns = transaction_owns,
                                                                     .list = transactions_list,
                                                                     .describe = transaction_describe,
                                                                     .context = jobs});
}
