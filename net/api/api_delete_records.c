/* DeleteRecords: moves a partition's start; answered when the new start is durable. */
#include "net/api/api_internal.h"

struct delete_records_state {
    struct api_call                   *call;
    struct kp_delete_records_response *response;
    uint32_t                           waiting;
};

struct delete_records_item {
    struct delete_records_state                         *state;
    struct part                                         *part;
    struct kp_delete_records_response_topics_partitions *answer;
    struct view                                          topic;
};

static void delete_records_done(void *context, int16_t error)
{
    struct delete_records_item *item = context;
    int16_t                     gone = 0;
    /* looked up again: the topic may have been deleted meanwhile */
    struct part *part =
        api__part(item->state->call, item->topic, (struct uuid){{0}}, item->answer->partition_index, &gone);

    item->answer->error_code = error;
    item->answer->low_watermark = error == 0 && part != NULL ? part_log_start(part) : -1;
    if (--item->state->waiting == 0) {
        api_reply(item->state->call, item->state->response);
    }
}

static void delete_records_one(struct delete_records_state *state, struct view topic,
                               const struct kp_delete_records_request_topics_partitions *asked,
                               struct delete_records_item                               *item)
{
    int16_t      error = 0;
    struct part *part = api__part(state->call, topic, (struct uuid){{0}}, asked->partition_index, &error);

    item->answer->partition_index = asked->partition_index;
    item->answer->low_watermark = -1;
    item->answer->error_code = error;
    if (part != NULL) {
        item->state = state;
        item->topic = topic;
        state->waiting++;
        part_delete_records(part, asked->offset, delete_records_done, item);
    }
}

void api_delete_records(struct api_call *call)
{
    const struct kp_delete_records_request *request = call->request;
    struct delete_records_state            *state = api_alloc(call, 1, sizeof(*state));
    struct kp_delete_records_response      *response = api_alloc(call, 1, sizeof(*response));
    struct delete_records_item             *items;
    size_t                                  total = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        total += (size_t)request->topics[i].partitions_count;
    }
    items = api_alloc(call, total, sizeof(*items));
    if (state == NULL || response == NULL || items == NULL ||
        (response->topics = api_alloc(call, (size_t)request->topics_count, sizeof(*response->topics))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < request->topics_count;
         i++) { /* all memory first: once something is under way, an answer must follow */
        response->topics[i].name = request->topics[i].name;
        response->topics[i].partitions =
            api_alloc(call, (size_t)request->topics[i].partitions_count, sizeof(*response->topics[i].partitions));
        if (response->topics[i].partitions == NULL) {
            api_close(call, "no memory for the answer");
            return;
        }
    }
    response->topics_count = request->topics_count;
    *state = (struct delete_records_state){.call = call, .response = response, .waiting = 1};
    for (int32_t i = 0; i < request->topics_count; i++) {
        for (int32_t k = 0; k < request->topics[i].partitions_count; k++, items++) {
            items->answer = &response->topics[i].partitions[response->topics[i].partitions_count++];
            delete_records_one(state, request->topics[i].name, &request->topics[i].partitions[k], items);
        }
    }
    if (--state->waiting == 0) {
        api_reply(call, response);
    }
}
