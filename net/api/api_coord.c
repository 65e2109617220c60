/* Calls that a coordinator of this shard answers (core/coord/coord.h): the handler looks at nothing, the coordinator
 * finds the group or the transaction, decides and fills the response. */
#include "net/api/api_internal.h"

struct api_coord_call {
    struct coord_call coord;
    struct api_call  *call;
};

static void coord_done(struct coord_call *coord)
{
    api_reply(CONTAINER_OF(coord, struct api_coord_call, coord)->call, coord->response);
}

static void coord_canceled(struct api_call *call)
{
    struct api_coord_call *asked = call->state;

    coord_cancel(&asked->coord);
}

void api__coord_ask(struct api_call *call, void *response, api_coord_fn *ask)
{
    struct api_coord_call *asked = api_alloc(call, 1, sizeof(*asked));

    if (asked == NULL || response == NULL || call->shard->coord == NULL) {
        api_close(call, call->shard->coord == NULL ? "this shard has no coordinators" : "no memory for the answer");
        return;
    }
    asked->call = call;
    asked->coord = (struct coord_call){.request = call->request,
                                       .response = response,
                                       .api_key = call->api->key,
                                       .version = call->version,
                                       .client_id = call->client_id,
                                       .arena = call->arena,
                                       .done = coord_done};
    call->state = asked;
    call->canceled = coord_canceled;
    list_push_back(&call->shard->waiting, &call->link); /* so that a stop ends it */
    ask(call->shard->coord, &asked->coord);
}
