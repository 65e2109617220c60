/* The committed offset of a group, asked on the shard of its coordinator. */
#include "compute/job/job_source.h"

#include "core/proto/kp_messages.h"

#define ASK_VERSION 7 /* one group, topics by name */

static void ask_back(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_group_ask *ask = CONTAINER_OF(mail, struct job_group_ask, mail_);

    arena_deinit(&ask->arena_);
    ask->done(ask);
}

static void ask_answer(struct job_group_ask *ask)
{
    io_shard_send(ask->at->options.shard, ask->from->options.shard->index, &ask->mail_, ask_back);
}

static void ask_fetched(struct coord_call *call)
{
    struct job_group_ask                  *ask = CONTAINER_OF(call, struct job_group_ask, call_);
    const struct kp_offset_fetch_response *response = ask->response_;

    ask->error = response->error_code;
    if (ask->error == 0 && response->topics_count == 1 && response->topics[0].partitions_count == 1) {
        ask->error = response->topics[0].partitions[0].error_code;
        ask->offset = response->topics[0].partitions[0].committed_offset;
    }
    ask_answer(ask);
}

static void ask_deliver(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct job_group_ask                  *ask = CONTAINER_OF(mail, struct job_group_ask, mail_);
    struct kp_offset_fetch_request        *request = arena_alloc(&ask->arena_, sizeof(*request));
    struct kp_offset_fetch_request_topics *topic = arena_alloc(&ask->arena_, sizeof(*topic));
    struct kp_offset_fetch_response       *response = arena_alloc(&ask->arena_, sizeof(*response));

    CHECK(request != NULL && topic != NULL && response != NULL);
    kp_offset_fetch_request_init(request);
    kp_offset_fetch_request_topics_init(topic);
    kp_offset_fetch_response_init(response);
    topic->name = ask->topic;
    topic->partition_indexes = &ask->partition;
    topic->partition_indexes_count = 1;
    request->group_id = ask->group;
    request->topics = topic;
    request->topics_count = 1;
    ask->request_ = request;
    ask->response_ = response;
    ask->call_ = (struct coord_call){.request = request,
                                     .response = response,
                                     .api_key = 9,
                                     .version = ASK_VERSION,
                                     .arena = &ask->arena_,
                                     .done = ask_fetched};
    coord_offset_fetch(ask->at->options.coord, &ask->call_);
}

void job__group_ask(struct job_shard *jobs, struct job_group_ask *ask)
{
    const struct meta       *meta = jobs->options.meta;
    const struct meta_topic *topic = meta_topic(meta, view_text(COORD_OFFSETS_TOPIC));
    uint32_t                 shard = jobs->options.shard->index;

    ask->from = jobs;
    ask->error = 0;
    ask->offset = -1;
    arena_init(&ask->arena_, MEM_JOB, 4 * KIB, MIB);
    if (topic != NULL && topic->partition_count > 0) {
        int32_t partition = coord_partition_of(ask->group, topic->partition_count);

        shard = (uint32_t)(topic->partitions[partition].leader - meta_host(meta)->first_node_id);
    }
    ask->at = jobs->options.by_shard[shard];
    /* No such topic: no group has ever committed anything. */
    io_shard_send(jobs->options.shard, shard, &ask->mail_, topic == NULL ? ask_back : ask_deliver);
}
