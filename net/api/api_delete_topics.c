/* DeleteTopics: by name or, from version 6, by id. */
#include "net/api/api_internal.h"

struct delete_topics_state {
    struct meta_change change;
    struct api_call   *call;
};

static void delete_topics_done(struct meta_change *change)
{
    struct api_call                  *call = CONTAINER_OF(change, struct delete_topics_state, change)->call;
    struct kp_delete_topics_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->responses = api_alloc(call, (size_t)change->count, sizeof(*response->responses))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        const struct meta_delete_topic             *deleted = &change->delete_topics[i];
        struct kp_delete_topics_response_responses *out = &response->responses[response->responses_count++];
        int16_t                                     error = change->error != 0 ? change->error : deleted->error;

        kp_delete_topics_response_responses_init(out);
        out->name = deleted->name.base != NULL     ? deleted->name
                    : deleted->out_name[0] != '\0' ? view_text(deleted->out_name)
                                                   : (struct view){0};
        out->topic_id = error == 0 ? deleted->out_id : deleted->id;
        out->error_code = error;
        out->error_message = error == 0 ? (struct view){0} : view_text(kp_error_text(error));
    }
    api_reply(call, response);
}

void api_delete_topics(struct api_call *call)
{
    const struct kp_delete_topics_request *request = call->request;
    struct delete_topics_state            *state = api_alloc(call, 1, sizeof(*state));
    bool                                   old = call->version < 6;
    int32_t                                count = old ? request->topic_names_count : request->topics_count;
    bool                                   enabled = meta_broker_bool(call->shard->meta, "delete.topic.enable");

    if (state == NULL ||
        (state->change.delete_topics = api_alloc(call, (size_t)count, sizeof(struct meta_delete_topic))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    state->change.kind = META_DELETE_TOPICS;
    state->change.done = delete_topics_done;
    state->change.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct meta_delete_topic *out = &state->change.delete_topics[i];

        out->name = old ? request->topic_names[i] : request->topics[i].name;
        out->id = old ? (struct uuid){{0}} : request->topics[i].topic_id;
        if (!enabled) {
            out->error = call->version < 3 ? KP_ERR_INVALID_REQUEST : KP_ERR_TOPIC_DELETION_DISABLED;
        } else if (out->name.base != NULL && !uuid_is_zero(out->id)) {
            out->error = KP_ERR_INVALID_REQUEST; /* name or id, not both */
        }
    }
    if (enabled) {
        meta_submit(call->shard->meta, &state->change);
    } else {
        delete_topics_done(&state->change);
    }
}
