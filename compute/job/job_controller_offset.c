/* Where the sources of a committed epoch stand, under the group that a table names ('properties.group.id'), so that the
 * usual tools show how far a job is. Nothing is read from there but by 'scan.startup.mode' = 'group-offsets': the
 * commit record decides. So these commits follow it and the markers of its output, never wait, and one that fails is
 * made good by the next. */
#include "compute/job/job_controller.h"

#include "core/base/slog.h"

#include <stdio.h>

#define COMMIT_VERSION     8
#define COMMIT_API         8
#define OFFSETS_BLOCK      ((size_t)(4 * KIB))
#define OFFSETS_BYTES_MAX  ((size_t)(16 * MIB))
#define OFFSETS_CONFIGS    3
#define SEGMENT_TEXT_BYTES 24

struct offsets_out {
    struct io_mail                   mail;
    struct job                      *job;
    struct job_shard                *from, *at;
    struct arena                     arena;
    struct kp_offset_commit_request  request;
    struct kp_offset_commit_response response;
    struct coord_call                call;
    int16_t                          error;
    struct meta_change               change;
    struct meta_create_topic         create;
    struct meta_config_entry         configs[OFFSETS_CONFIGS];
    char                             segment_bytes[SEGMENT_TEXT_BYTES];
};

static void out_over(struct offsets_out *out)
{
    struct job *job = out->job;

    if (out->error != 0 && !job->offsets_warned) {
        job->offsets_warned = true;
        slog_warn("job", "job %s: positions are not committed under group %.*s: %s", job->id,
                  (int)MIN(out->request.group_id.len, 200), (const char *)out->request.group_id.base,
                  kp_error_name(out->error));
    }
    arena_deinit(&out->arena);
    mem_free(MEM_JOB, out);
    job->away--;
    job->offsets_out--;
    if (job->offsets_out == 0 && job->offsets_due && job->run != NULL && job->has_commit &&
        job->step != JOB_STEP_MARK) { /* else when the newest output can be read */
        job__offsets_commit(job);
    }
    job__back(job);
}

static void out_back(struct io_mail *mail, struct io_shard *to)
{
    struct offsets_out *out = CONTAINER_OF(mail, struct offsets_out, mail);

    CHECK(to == out->from->options.shard);
    out_over(out);
}

static void out_committed(struct coord_call *call)
{
    struct offsets_out *out = CONTAINER_OF(call, struct offsets_out, call);

    for (int32_t i = 0; i < out->response.topics_count; i++) {
        for (int32_t k = 0; k < out->response.topics[i].partitions_count; k++) {
            out->error = out->error != 0 ? out->error : out->response.topics[i].partitions[k].error_code;
        }
    }
    io_shard_send(out->at->options.shard, out->from->options.shard->index, &out->mail, out_back);
}

static void out_deliver(struct io_mail *mail, struct io_shard *to)
{
    struct offsets_out *out = CONTAINER_OF(mail, struct offsets_out, mail);

    CHECK(to == out->at->options.shard);
    kp_offset_commit_response_init(&out->response);
    out->call = (struct coord_call){.request = &out->request,
                                    .response = &out->response,
                                    .api_key = COMMIT_API,
                                    .version = COMMIT_VERSION,
                                    .arena = &out->arena,
                                    .done = out_committed};
    coord_offset_commit(out->at->options.coord, &out->call);
}

/* --- the topic, as the first group makes it ----------------------------------------------------------------------- */

static void topic_made(struct meta_change *change)
{
    struct offsets_out *out = CONTAINER_OF(change, struct offsets_out, change);

    out->job->offsets_due = change->error == 0 && out->create.error == 0;
    out_over(out);
}

static void topic_make(struct offsets_out *out)
{
    struct meta *meta = out->from->options.meta;

    (void)snprintf(out->segment_bytes, sizeof(out->segment_bytes), "%" PRId64,
                   meta_broker_int(meta, "offsets.topic.segment.bytes"));
    out->configs[0] = (struct meta_config_entry){view_text("cleanup.policy"), view_text("compact")};
    out->configs[1] = (struct meta_config_entry){view_text("compression.type"), view_text("producer")};
    out->configs[2] = (struct meta_config_entry){view_text("segment.bytes"), view_text(out->segment_bytes)};
    out->create =
        (struct meta_create_topic){.name = view_text(COORD_OFFSETS_TOPIC),
                                   .partition_count = (int32_t)meta_broker_int(meta, "offsets.topic.num.partitions"),
                                   .replication_factor = 1,
                                   .configs = out->configs,
                                   .config_count = OFFSETS_CONFIGS};
    out->change =
        (struct meta_change){.kind = META_CREATE_TOPICS, .count = 1, .create_topics = &out->create, .done = topic_made};
    meta_submit(meta, &out->change);
}

/* --- what is committed -------------------------------------------------------------------------------------------- */

/* One row a partition: topics of one name may follow each other, the coordinator does not mind. */
static bool out_fill(struct offsets_out *out, uint32_t source)
{
    const struct job_share                 *share = &out->job->commit.share;
    struct kp_offset_commit_request_topics *topics =
        arena_alloc_array(&out->arena, share->source_count, sizeof(*topics));
    struct kp_offset_commit_request_topics_partitions *partitions =
        arena_alloc_array(&out->arena, share->source_count, sizeof(*partitions));
    int32_t count = 0;

    for (size_t i = 0; topics != NULL && partitions != NULL && i < share->source_count; i++) {
        const struct meta_topic *topic = meta_topic_by_id(out->from->options.meta, share->sources[i].topic_id);

        if (share->sources[i].source != source || topic == NULL) {
            continue;
        }
        kp_offset_commit_request_topics_init(&topics[count]);
        kp_offset_commit_request_topics_partitions_init(&partitions[count]);
        partitions[count].partition_index = share->sources[i].partition;
        partitions[count].committed_offset = share->sources[i].next_offset;
        partitions[count].committed_metadata = view_text("");
        topics[count].name = arena_copy(&out->arena, topic->name);
        topics[count].partitions = &partitions[count];
        topics[count].partitions_count = 1;
        count++;
    }
    out->request.topics = topics;
    out->request.topics_count = count;
    return count > 0;
}

static void source_commit(struct job *job, uint32_t source, struct view group)
{
    struct job_shard        *jobs = job->controller->jobs;
    const struct meta_topic *topic = meta_topic(jobs->options.meta, view_text(COORD_OFFSETS_TOPIC));
    struct offsets_out      *out = mem_alloc(MEM_JOB, sizeof(*out));
    int64_t                  shard;

    out->job = job;
    out->from = jobs;
    arena_init(&out->arena, MEM_JOB, OFFSETS_BLOCK, OFFSETS_BYTES_MAX);
    kp_offset_commit_request_init(&out->request);
    out->request.group_id = arena_copy(&out->arena, group);
    out->request.generation_id_or_member_epoch = -1;
    job->away++;
    job->offsets_out++;
    if (topic == NULL) {
        topic_make(out);
        return;
    }
    shard = (int64_t)topic->partitions[coord_partition_of(group, topic->partition_count)].leader -
            meta_host(jobs->options.meta)->first_node_id;
    CHECK(shard >= 0 && shard < meta_host(jobs->options.meta)->shard_count);
    out->at = jobs->options.by_shard[shard];
    io_shard_send(jobs->options.shard, (uint32_t)shard, &out->mail, out_fill(out, source) ? out_deliver : out_back);
}

void job__offsets_commit(struct job *job)
{
    const struct sql_plan *plan = job->run->plan;

    job->offsets_due = job->offsets_out > 0;
    if (job->offsets_due) {
        return; /* the ones before are still on their way */
    }
    for (uint32_t i = 0; i < plan->exec.source_count; i++) {
        struct view group = sql_table_option(plan->sources[i].table, "properties.group.id");

        if (group.len > 0) {
            source_commit(job, i, group);
        }
    }
}
