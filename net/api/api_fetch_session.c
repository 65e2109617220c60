/* Without sessions: every fetch is a full one and is answered with session id 0. */
#include "net/api/api_fetch_session.h"

bool api__fetch_session_open(struct api_call *call, struct api_fetch_session_view *out_view)
{
    const struct kp_fetch_request *request = call->request;
    size_t                         total = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        total += (size_t)request->topics[i].partitions_count;
    }
    *out_view = (struct api_fetch_session_view){.full = true};
    out_view->partitions = api_alloc(call, total, sizeof(*out_view->partitions));
    if (out_view->partitions == NULL) {
        api_close(call, "no memory for the request");
        return false;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_fetch_request_topics *topic = &request->topics[i];

        for (int32_t k = 0; k < topic->partitions_count; k++) {
            out_view->partitions[out_view->count++] = (struct api_fetch_partition){
                .topic = topic->topic,
                .topic_id = topic->topic_id,
                .partition = topic->partitions[k].partition,
                .current_leader_epoch = topic->partitions[k].current_leader_epoch,
                .offset = topic->partitions[k].fetch_offset,
                .bytes_max = topic->partitions[k].partition_max_bytes,
            };
        }
    }
    return true;
}

static bool fetch_same_topic(const struct api_call *call, const struct api_fetch_partition *a,
                             const struct api_fetch_partition *b)
{
    return call->version >= 13 ? uuid_equal(a->topic_id, b->topic_id) : view_equal(a->topic, b->topic);
}

static void fetch_fill(const struct api_fetch_partition *asked, struct kp_fetch_response_responses_partitions *out)
{
    kp_fetch_response_responses_partitions_init(out);
    out->partition_index = asked->partition;
    out->error_code = asked->result.error;
    out->high_watermark = asked->result.high_watermark;
    out->last_stable_offset = asked->result.last_stable_offset;
    out->log_start_offset = asked->result.log_start_offset;
    out->records = view_of("", 0);
    out->records_parts = asked->result.parts;
    out->records_parts_count = asked->result.parts_count;
    out->aborted_transactions_count = -1;
}

bool api__fetch_session_answer(struct api_call *call, struct api_fetch_session_view *view,
                               struct kp_fetch_response *response)
{
    struct kp_fetch_response_responses            *topic = NULL;
    struct kp_fetch_response_responses_partitions *partitions;

    response->responses = api_alloc(call, (size_t)view->count, sizeof(*response->responses));
    partitions = api_alloc(call, (size_t)view->count, sizeof(*partitions));
    if (response->responses == NULL || partitions == NULL) {
        return false;
    }
    for (int32_t i = 0; i < view->count; i++) {
        if (topic == NULL || !fetch_same_topic(call, &view->partitions[i], &view->partitions[i - 1])) {
            topic = &response->responses[response->responses_count++];
            kp_fetch_response_responses_init(topic);
            topic->topic = view->partitions[i].topic;
            topic->topic_id = view->partitions[i].topic_id;
            topic->partitions = partitions;
        }
        fetch_fill(&view->partitions[i], partitions++);
        topic->partitions_count++;
    }
    return true;
}
