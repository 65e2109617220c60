/* DescribeCluster: the brokers, the controller, the cluster's id. */
#include "net/api/api_internal.h"

#define ENDPOINT_BROKERS 1

void api_describe_cluster(struct api_call *call)
{
    const struct kp_describe_cluster_request *request = call->request;
    struct kp_describe_cluster_response      *response = api_alloc(call, 1, sizeof(*response));
    const struct meta_image                  *image = meta_image(call->shard->meta);
    char                                      cluster_id[UUID_TEXT_BYTES];

    if (response == NULL ||
        (response->brokers = api_alloc(call, image->broker_count, sizeof(*response->brokers))) == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    uuid_format(meta_host(call->shard->meta)->cluster_id, cluster_id);
    response->cluster_id = api__text(call, cluster_id);
    response->endpoint_type = request->endpoint_type;
    response->controller_id = -1;
    response->cluster_authorized_operations = API_OPERATIONS_NOT_ASKED;
    if (call->version >= 1 &&
        request->endpoint_type != ENDPOINT_BROKERS) { /* controllers have no endpoints of their own here */
        response->error_code = KP_ERR_MISMATCHED_ENDPOINT_TYPE;
        response->error_message = view_text("this is a broker endpoint; ask for endpoint type 1");
        api_reply(call, response);
        return;
    }
    response->controller_id = image->brokers[0].node_id;
    if (request->include_cluster_authorized_operations) {
        response->cluster_authorized_operations = API_CLUSTER_OPERATIONS;
    }
    for (uint32_t i = 0; i < image->broker_count; i++) {
        const struct meta_endpoint *endpoint = api__endpoint(call, &image->brokers[i]);

        if (endpoint != NULL) {
            response->brokers[response->brokers_count++] =
                (struct kp_describe_cluster_response_brokers){.broker_id = image->brokers[i].node_id,
                                                              .host = endpoint->host,
                                                              .port = endpoint->port,
                                                              .rack = image->brokers[i].rack};
        }
    }
    api_reply(call, response);
}
