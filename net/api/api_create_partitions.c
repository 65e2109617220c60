/* CreatePartitions: `count` is the new total. */
#include "net/api/api_internal.h"

struct create_partitions_state {
    struct meta_change change;
    struct api_call   *call;
};

static void create_partitions_done(struct meta_change *change)
{
    struct api_call                      *call = CONTAINER_OF(change, struct create_partitions_state, change)->call;
    struct kp_create_partitions_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL ||
        (response->results = api_alloc(call, (size_t)change->count, sizeof(*response->results))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    for (int32_t i = 0; i < change->count; i++) {
        const struct meta_add_partitions             *added = &change->add_partitions[i];
        struct kp_create_partitions_response_results *out = &response->results[response->results_count++];
        int16_t                                       error = change->error != 0 ? change->error : added->error;

        kp_create_partitions_response_results_init(out);
        out->name = added->name;
        out->error_code = error;
        if (error != 0) {
            out->error_message =
                added->message[0] != '\0' ? view_text(added->message) : view_text(kp_error_text(error));
        }
    }
    api_reply(call, response);
}

/* False: no memory. */
static bool create_partitions_take(struct api_call *call, const struct kp_create_partitions_request_topics *asked,
                                   struct meta_add_partitions *out)
{
    int32_t *leaders = NULL;

    out->name = asked->name;
    out->total_count = asked->count;
    if (asked->assignments_count < 0) {
        return true;
    }
    leaders = api_alloc(call, (size_t)asked->assignments_count, sizeof(*leaders));
    if (leaders == NULL) {
        return false;
    }
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        if (asked->assignments[i].broker_ids_count != 1) {
            out->error = KP_ERR_INVALID_REPLICA_ASSIGNMENT;
            return true;
        }
        leaders[i] = asked->assignments[i].broker_ids[0];
    }
    out->assignment = leaders;
    out->assignment_count = asked->assignments_count;
    return true;
}

void api_create_partitions(struct api_call *call)
{
    const struct kp_create_partitions_request *request = call->request;
    struct create_partitions_state            *state = api_alloc(call, 1, sizeof(*state));

    if (state == NULL || (state->change.add_partitions = api_alloc(call, (size_t)request->topics_count,
                                                                   sizeof(struct meta_add_partitions))) == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    state->change.kind = META_ADD_PARTITIONS;
    state->change.validate_only = request->validate_only;
    state->change.done = create_partitions_done;
    state->change.count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (!create_partitions_take(call, &request->topics[i], &state->change.add_partitions[i])) {
            api_close(call, "no memory for the request");
            return;
        }
    }
    meta_submit(call->shard->meta, &state->change);
}
