/* Fetch: reads partitions in the order of the request, at once when enough is there, else as a long poll.
 *
 * A fetch is answered when the bytes that could be read reach min_bytes, when max_wait_ms is over, when any partition
 * has an error, or when nothing was asked for. Then the partitions are read one after the other: the first that has
 * data gives at least one whole batch even above the limits, the others respect both limits (KIP-74). The slices of the
 * reads go to the socket without a copy; they are given back when the answer is sent. Sessions (KIP-227) only decide
 * which partitions are asked for and shown: api_fetch_session.c.
 *
 *   states: CHECKING -> WAITING -> READING -> answered */
#include "net/api/api_internal.h"

#include "net/api/api_fetch_session.h"

#define FETCH_BYTES_MAX_FLOOR 1

struct fetch_item {
    struct api_fetch_partition *asked;
    struct part                *part;
    int16_t                     error;
    bool                        waiting;
    struct part_waiter          waiter;
    struct part_read           *read; /* only where there is something to read */
    struct fetch_state         *state;
};

struct fetch_state {
    struct api_call              *call;
    struct api_fetch_session_view asked;
    struct fetch_item            *items;
    int32_t                       count;
    int32_t                       reading_at;
    size_t                        bytes_left;
    size_t                        bytes_read;
    bool                          reading;
    bool                          stale; /* the loop ran meanwhile: pointers to parts have to be looked up again */
    bool                          no_memory;
    struct timer                  timer;
    struct io_op                  recheck;
    bool                          rechecking;
    bool                          expired; /* the wait is over: answer with what there is */
};

static void fetch_read_on(struct fetch_state *state);
static void fetch_check(struct fetch_state *state);

static const struct kp_fetch_request *fetch_request(const struct fetch_state *state)
{
    return state->call->request;
}

static bool fetch_committed(const struct fetch_state *state)
{
    return fetch_request(state)->isolation_level == 1;
}

static void fetch_unwait(struct fetch_state *state)
{
    for (int32_t i = 0; i < state->count; i++) {
        if (state->items[i].waiting) {
            state->items[i].waiting = false;
            part_unwait(&state->items[i].waiter);
        }
    }
    timer_disarm(state->call->shard->shard->timers, &state->timer);
    list_remove(&state->call->link);
}

static void fetch_release(struct api_call *call)
{
    struct fetch_state *state = call->state;

    for (int32_t i = 0; i < state->count; i++) {
        if (state->items[i].read != NULL) {
            part_read_release(state->items[i].read);
        }
    }
}

/* Where a partition is, and whether its offset lies in its log. */
static void fetch_resolve(struct fetch_state *state, struct fetch_item *item)
{
    struct api_call            *call = state->call;
    struct api_fetch_partition *asked = item->asked;
    bool                        by_id = call->version >= 13;

    item->part =
        api__part(call, by_id ? (struct view){0} : asked->topic, asked->topic_id, asked->partition, &item->error);
    if (item->part == NULL) {
        return;
    }
    item->error = part_check_epoch(item->part, asked->current_leader_epoch);
    if (item->error == 0 &&
        (asked->offset < part_log_start(item->part) || asked->offset > part_high_watermark(item->part))) {
        item->error = KP_ERR_OFFSET_OUT_OF_RANGE;
    }
}

/* NOT_LEADER_OR_FOLLOWER tells who leads and where that is (KIP-951). */
static void fetch_redirect(struct api_call *call, const struct api_fetch_partition *asked,
                           struct api_fetch_result *result, struct kp_fetch_response *response)
{
    const struct meta_topic    *topic = call->version >= 13 ? meta_topic_by_id(call->shard->meta, asked->topic_id)
                                                            : meta_topic(call->shard->meta, asked->topic);
    const struct meta_broker   *leader;
    const struct meta_endpoint *endpoint;

    if (topic == NULL || asked->partition < 0 || asked->partition >= topic->partition_count) {
        return;
    }
    leader = api__leader(call, topic, asked->partition);
    endpoint = leader == NULL ? NULL : api__endpoint(call, leader);
    result->leader_id = topic->partitions[asked->partition].leader;
    result->leader_epoch = topic->partitions[asked->partition].leader_epoch;
    for (int32_t i = 0; endpoint != NULL && i < response->node_endpoints_count; i++) {
        endpoint = response->node_endpoints[i].node_id == leader->node_id ? NULL : endpoint;
    }
    if (endpoint == NULL) {
        return;
    }
    if (response->node_endpoints == NULL) {
        response->node_endpoints =
            api_alloc(call, meta_image(call->shard->meta)->broker_count, sizeof(*response->node_endpoints));
    }
    if (response->node_endpoints != NULL) {
        response->node_endpoints[response->node_endpoints_count++] = (struct kp_fetch_response_node_endpoints){
            .node_id = leader->node_id, .host = endpoint->host, .port = endpoint->port, .rack = leader->rack};
    }
}

static void fetch_answer(struct fetch_state *state)
{
    struct api_call          *call = state->call;
    struct kp_fetch_response *response = api_alloc(call, 1, sizeof(*response));

    call->canceled = NULL;
    call->release = fetch_release;
    if (response == NULL || state->no_memory) {
        api__fetch_session_end(&state->asked);
        api_close(call, "no memory for the answer");
        return;
    }
    kp_fetch_response_init(response);
    for (int32_t i = 0; i < state->count; i++) {
        struct fetch_item      *item = &state->items[i];
        struct api_fetch_result result = {.error = item->error,
                                          .high_watermark = -1,
                                          .last_stable_offset = -1,
                                          .log_start_offset = -1,
                                          .leader_id = -1,
                                          .leader_epoch = -1,
                                          .aborted_count = -1};

        if (state->stale && item->read == NULL) {
            fetch_resolve(state, item);
            result.error = item->error;
        }
        if (item->read == NULL && item->part != NULL) {
            result.high_watermark = part_high_watermark(item->part);
            result.last_stable_offset = part_last_stable_offset(item->part);
            result.log_start_offset = part_log_start(item->part);
        }
        if (item->read != NULL && item->error == 0) {
            result.high_watermark = item->read->high_watermark;
            result.last_stable_offset = item->read->last_stable_offset;
            result.log_start_offset = item->read->log_start_offset;
            result.parts = item->read->store.slices;
            result.parts_count = (int32_t)item->read->store.slice_count;
            result.aborted = item->read->aborted;
        }
        if (result.error == 0 && fetch_committed(state)) {
            result.aborted_count = result.aborted == NULL ? 0 : item->read->aborted_count;
        }
        if (result.error == KP_ERR_NOT_LEADER_OR_FOLLOWER) {
            fetch_redirect(call, item->asked, &result, response);
        }
        item->asked->result = result;
    }
    if (!api__fetch_session_answer(call, &state->asked, response)) {
        api__fetch_session_end(&state->asked);
        api_close(call, "no memory for the answer");
        return;
    }
    api__fetch_session_end(&state->asked);
    api_reply(call, response);
}

static void fetch_read_finish(struct fetch_state *state, struct fetch_item *item)
{
    item->error = item->read->error;
    if (item->error == 0) {
        state->bytes_read += item->read->store.bytes;
        state->bytes_left -= MIN(state->bytes_left, item->read->store.bytes);
    }
}

static void fetch_read_done(struct part_read *read)
{
    struct fetch_state *state = read->user;

    state->stale = true;
    fetch_read_finish(state, &state->items[state->reading_at]);
    state->reading_at++;
    fetch_read_on(state);
}

/* True: the item needs no (further) reading. False: its read is under way. */
static bool fetch_read_item(struct fetch_state *state, struct fetch_item *item)
{
    bool first = state->bytes_read == 0;
    bool half = state->bytes_read >= state->bytes_left;

    if (state->stale) {
        fetch_resolve(state, item);
    }
    if (item->part == NULL || item->error != 0 || item->asked->offset >= part_high_watermark(item->part) ||
        (!first && state->bytes_left == 0) || state->no_memory) {
        return true;
    }
    if (!first && half && !part_at_hand(item->part, item->asked->offset)) {
        return true; /* an answer that is half full does not wait for the disk once more: the next one begins there */
    }
    item->read = api_alloc(state->call, 1, sizeof(*item->read));
    if (item->read == NULL) {
        state->no_memory = true;
        return true;
    }
    item->read->offset = item->asked->offset;
    item->read->bytes_max = MIN((size_t)MAX(item->asked->bytes_max, 0), state->bytes_left);
    item->read->at_least_one = first;
    item->read->pass_empty = true;
    item->read->committed = fetch_committed(state);
    item->read->arena = state->call->arena;
    item->read->done = fetch_read_done;
    item->read->user = state;
    if (!part_read(item->part, item->read)) {
        return false;
    }
    fetch_read_finish(state, item);
    return true;
}

static void fetch_read_on(struct fetch_state *state)
{
    while (state->reading_at < state->count) {
        if (!fetch_read_item(state, &state->items[state->reading_at])) {
            return;
        }
        state->reading_at++;
    }
    fetch_answer(state);
}

static void fetch_read_start(struct fetch_state *state)
{
    fetch_unwait(state);
    state->reading = true;
    state->call->canceled = NULL;
    fetch_read_on(state);
}

/* Bytes that could be read now; -1 when a partition has an error, so that the answer must not wait. */
static int64_t fetch_available(struct fetch_state *state)
{
    int64_t total = 0;

    for (int32_t i = 0; i < state->count; i++) {
        struct fetch_item *item = &state->items[i];

        if (item->error != 0) {
            return -1;
        }
        total += (int64_t)MIN(part_available_bytes(item->part, item->asked->offset, fetch_committed(state)),
                              (uint64_t)MAX(item->asked->bytes_max, 0));
    }
    return total;
}

static void fetch_recheck_done(struct io_op *op)
{
    struct fetch_state *state = CONTAINER_OF(op, struct fetch_state, recheck);

    state->rechecking = false;
    for (int32_t i = 0; i < state->count; i++) {
        fetch_resolve(state, &state->items[i]);
    }
    fetch_check(state);
}

/* Something moved: looked at once per turn of the loop, however many partitions moved. */
static void fetch_ready(struct part_waiter *waiter)
{
    struct fetch_state *state = CONTAINER_OF(waiter, struct fetch_item, waiter)->state;

    if (!state->rechecking && !state->reading) {
        state->rechecking = true;
        io_post(state->call->shard->shard->io, &state->recheck, fetch_recheck_done);
    }
}

static void fetch_timeout(struct timer *timer)
{
    struct fetch_state *state = CONTAINER_OF(timer, struct fetch_state, timer);

    if (state->rechecking) { /* decided on the next turn */
        state->expired = true;
        return;
    }
    fetch_read_start(state);
}

static void fetch_canceled(struct api_call *call)
{
    struct fetch_state *state = call->state;

    if (state->rechecking) {
        state->expired = true;
        return;
    }
    fetch_read_start(state);
}

static void fetch_wait(struct fetch_state *state)
{
    struct api_call *call = state->call;

    if (!timer_armed(&state->timer)) {
        for (int32_t i = 0; i < state->count; i++) {
            state->items[i].waiting = true;
            state->items[i].waiter.ready = fetch_ready;
            part_wait(state->items[i].part, &state->items[i].waiter);
        }
        timer_arm(call->shard->shard->timers, &state->timer,
                  call->received_ns + (int64_t)fetch_request(state)->max_wait_ms * NS_PER_MS, fetch_timeout);
        call->canceled = fetch_canceled;
        list_push_back(&call->shard->waiting, &call->link);
    }
}

static void fetch_check(struct fetch_state *state)
{
    const struct kp_fetch_request *request = fetch_request(state);
    int64_t                        available = fetch_available(state);

    if (available < 0 || available >= request->min_bytes || request->max_wait_ms <= 0 || state->count == 0 ||
        state->expired || state->call->shard->stopping) {
        fetch_read_start(state);
    } else {
        fetch_wait(state);
    }
}

void api_fetch(struct api_call *call)
{
    const struct kp_fetch_request *request = call->request;
    struct fetch_state            *state = api_alloc(call, 1, sizeof(*state));

    if (state == NULL) {
        api_close(call, "no memory for the request");
        return;
    }
    state->call = call;
    call->state = state;
    list_init(&call->link);
    if (!api__fetch_session_open(call, &state->asked)) { /* has answered with the session's error, or closed */
        return;
    }
    state->count = state->asked.count;
    state->bytes_left = (size_t)MIN((int64_t)MAX(request->max_bytes, FETCH_BYTES_MAX_FLOOR),
                                    api__settings(call->shard)->fetch_bytes_max);
    state->items = api_alloc(call, (size_t)state->count, sizeof(*state->items));
    if (state->items == NULL) {
        state->count = 0;
        api__fetch_session_end(&state->asked);
        api_close(call, "no memory for the request");
        return;
    }
    for (int32_t i = 0; i < state->count; i++) {
        state->items[i].state = state;
        state->items[i].asked = &state->asked.partitions[i];
        list_init(&state->items[i].waiter.link);
        fetch_resolve(state, &state->items[i]);
    }
    fetch_check(state);
}
