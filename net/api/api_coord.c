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

/* "/127.0.0.1", as Kafka shows the host of a member; a member's alone, because it costs. */
static struct view coord_host(struct api_call *call)
{
    char   text[IO_ADDRESS_TEXT_BYTES + 1] = "/";
    char  *end;
    size_t skip = 0;

    if (call->peer == NULL ||
        (call->api->key != KP_JOIN_GROUP_KEY && call->api->key != KP_CONSUMER_GROUP_HEARTBEAT_KEY)) {
        return view_text("");
    }
    io_address_format(call->peer, text + 1);
    end = strrchr(text, ':');
    if (end != NULL) {
        *end = '\0';
    }
    if (text[1] == '[' && end != NULL && end[-1] == ']') {
        end[-1] = '\0';
        text[1] = '/';
        skip = 1;
    }
    return arena_copy(call->arena, view_text(text + skip));
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
                                       .client_host = coord_host(call),
                                       .arena = call->arena,
                                       .done = coord_done};
    call->state = asked;
    call->canceled = coord_canceled;
    list_push_back(&call->shard->waiting, &call->link); /* so that a stop ends it */
    ask(call->shard->coord, &asked->coord);
}
