/* What others are shown of transactions: DescribeTransactions, ListTransactions; and WriteTxnMarkers, with which an
 * operator ends a transaction that its coordinator has forgotten.
 *
 * Answers are filled from the state in force and leave when all that was decided before them is durable. */
#include "core/coord/group_regex.h"
#include "core/coord/txn_machine.h"

/* Waits for the logs of all ids that are shown. */
struct show_wait {
    struct coord_call *call;
    int32_t            left;
    int16_t            error;
};

struct show_write {
    struct coord_write write;
    struct show_wait  *wait;
};

static void show_over(struct show_wait *wait, int16_t error)
{
    if (error != 0) {
        wait->error = error;
    }
    if (--wait->left > 0) {
        return;
    }
    if (wait->error != 0) {
        coord__fail(wait->call, wait->error);
    } else {
        coord__finish(wait->call);
    }
}

static void show_durable(struct coord_write *write, int16_t error)
{
    show_over(CONTAINER_OF(write, struct show_write, write)->wait, error);
}

/* Starts at one, for the caller itself. NULL: no memory. */
static struct show_wait *show_wait_begin(struct coord_call *call)
{
    struct show_wait *wait = coord__alloc(call, 1, sizeof(*wait));

    if (wait != NULL) {
        wait->call = call;
        wait->left = 1;
    }
    return wait;
}

static bool show_wait_for(struct show_wait *wait, struct coord_slot *slot)
{
    struct show_write *write = coord__alloc(wait->call, 1, sizeof(*write));

    if (write == NULL) {
        return false;
    }
    write->wait = wait;
    write->write.done = show_durable;
    wait->left++;
    coord_log_commit(slot->log, &write->write);
    return true;
}

void coord_set_insiders(struct coord *coord, const struct coord_insiders *insiders)
{
    coord->insiders = *insiders;
}

static enum txn_state insider_state(const struct coord_insider *insider)
{
    if (!insider->open) {
        return TXN_EMPTY;
    }
    return !insider->decided ? TXN_ONGOING : insider->commits ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
}

/* --- DescribeTransactions ---------------------------------------------------------------------------------------- */

static bool describe_partitions(struct coord_call *call, const struct txn_partitions *set,
                                struct kp_describe_transactions_response_transaction_states *out)
{
    out->topics = coord__alloc(call, MAX(set->topic_count, 1), sizeof(*out->topics));
    if (out->topics == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < set->topic_count; i++) {
        const struct txn_topic *topic = &set->topics[i];
        struct view             partitions;

        out->topics[i].topic = coord__text(call, view_of(topic->name, topic->name_len));
        partitions = coord__text(call, view_of(topic->partitions, topic->partition_count * sizeof(int32_t)));
        if (out->topics[i].topic.base == NULL || partitions.base == NULL) {
            return false;
        }
        out->topics[i].partitions = (const int32_t *)(const void *)partitions.base;
        out->topics[i].partitions_count = (int32_t)topic->partition_count;
    }
    out->topics_count = (int32_t)set->topic_count;
    return true;
}

struct insider_wait {
    struct coord_insider_ask                                     ask;
    struct show_wait                                            *wait;
    struct kp_describe_transactions_response_transaction_states *out;
};

/* The partitions come in any order. */
static bool insider_partitions(struct coord_call *call, const struct coord_insider *insider,
                               struct kp_describe_transactions_response_transaction_states *out)
{
    out->topics = coord__alloc(call, MAX(insider->partition_count, 1), sizeof(*out->topics));
    for (size_t i = 0; out->topics != NULL && i < insider->partition_count; i++) {
        struct kp_describe_transactions_response_transaction_states_topics *topic = out->topics;
        int32_t                                                             t = 0;

        while (t < out->topics_count && !view_equal(topic->topic, insider->partitions[i].topic)) {
            topic = &out->topics[++t];
        }
        if (t == out->topics_count) {
            int32_t *partitions = coord__alloc(call, insider->partition_count - i, sizeof(int32_t));

            topic->topic = coord__text(call, insider->partitions[i].topic);
            topic->partitions = partitions;
            if (partitions == NULL || topic->topic.base == NULL) {
                return false;
            }
            out->topics_count++;
        }
        ((int32_t *)(uintptr_t)topic->partitions)[topic->partitions_count++] = insider->partitions[i].partition;
    }
    return out->topics != NULL;
}

static void insider_described(struct coord_insider_ask *ask, const struct coord_insider *insider)
{
    struct insider_wait                                         *waiting = CONTAINER_OF(ask, struct insider_wait, ask);
    struct kp_describe_transactions_response_transaction_states *out = waiting->out;
    bool                                                         complete = true;

    if (insider == NULL) {
        out->error_code = KP_ERR_TRANSACTIONAL_ID_NOT_FOUND;
    } else {
        out->transaction_state = view_text(txn__state_name(insider_state(insider)));
        out->transaction_timeout_ms = INT32_MAX; /* there is none */
        out->transaction_start_time_ms = insider->start_ms;
        out->producer_id = insider->producer_id;
        out->producer_epoch = insider->producer_epoch;
        complete = insider_partitions(waiting->wait->call, insider, out);
    }
    show_over(waiting->wait, complete ? 0 : KP_ERR_UNKNOWN_SERVER_ERROR);
}

/* 1: it is asked for; 0: none of theirs; -1: no memory. */
static int describe_insider(struct coord *coord, struct show_wait *wait, struct view id,
                            struct kp_describe_transactions_response_transaction_states *out)
{
    struct insider_wait *waiting;

    if (coord->insiders.describe == NULL) {
        return 0;
    }
    waiting = coord__alloc(wait->call, 1, sizeof(*waiting));
    if (waiting == NULL) {
        return -1;
    }
    *waiting = (struct insider_wait){.ask = {.id = id, .done = insider_described}, .wait = wait, .out = out};
    if (!coord->insiders.describe(coord->insiders.context, &waiting->ask)) {
        return 0;
    }
    wait->left++;
    return 1;
}

static bool describe_one(struct coord *coord, struct show_wait *wait, struct view id,
                         struct kp_describe_transactions_response_transaction_states *out)
{
    struct coord_slot *slot = NULL;
    struct txn        *txn;
    int                inside;

    out->transactional_id = id;
    out->transaction_state = view_text("");
    out->transaction_start_time_ms = 0;
    if (id.len == 0) {
        out->error_code = KP_ERR_INVALID_REQUEST;
        return true;
    }
    inside = describe_insider(coord, wait, id, out);
    if (inside != 0) {
        return inside > 0;
    }
    slot = coord__slot(coord, COORD_TXNS, id, &out->error_code);
    if (slot == NULL) {
        return true;
    }
    txn = txn__find(txn__machine_of(slot), id);
    if (txn == NULL) {
        out->error_code = KP_ERR_TRANSACTIONAL_ID_NOT_FOUND;
        return show_wait_for(wait, slot);
    }
    out->transaction_state = view_text(txn__state_name(txn->values.state));
    out->transaction_timeout_ms = txn->values.timeout_ms;
    out->transaction_start_time_ms = txn->values.start_ms;
    out->producer_id = txn->values.producer_id;
    out->producer_epoch = txn->values.producer_epoch;
    return describe_partitions(wait->call, &txn->partitions, out) && show_wait_for(wait, slot);
}

void coord_describe_transactions(struct coord *coord, struct coord_call *call)
{
    const struct kp_describe_transactions_request *request = call->request;
    struct kp_describe_transactions_response      *response = call->response;
    struct show_wait                              *wait = show_wait_begin(call);
    int32_t                                        count = MAX(request->transactional_ids_count, 0);
    bool                                           complete;

    call->coord_ = coord;
    response->transaction_states = coord__alloc(call, (size_t)MAX(count, 1), sizeof(*response->transaction_states));
    complete = wait != NULL && response->transaction_states != NULL;
    for (int32_t i = 0; complete && i < count; i++) {
        complete = describe_one(coord, wait, request->transactional_ids[i], &response->transaction_states[i]);
    }
    response->transaction_states_count = count;
    if (wait == NULL) {
        coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
    } else {
        show_over(wait, complete ? 0 : KP_ERR_UNKNOWN_SERVER_ERROR);
    }
}

static void fill_describe(struct coord_call *call, int16_t error)
{
    const struct kp_describe_transactions_request *request = call->request;
    struct kp_describe_transactions_response      *response = call->response;
    int32_t                                        count = MAX(request->transactional_ids_count, 0);

    if (response->transaction_states == NULL) {
        response->transaction_states = coord__alloc(call, (size_t)MAX(count, 1), sizeof(*response->transaction_states));
    }
    response->transaction_states_count = response->transaction_states == NULL ? 0 : count;
    for (int32_t i = 0; i < response->transaction_states_count; i++) {
        response->transaction_states[i] = (struct kp_describe_transactions_response_transaction_states){
            .error_code = error,
            .transactional_id = request->transactional_ids[i],
            .transaction_state = view_text(""),
        };
    }
}

/* --- ListTransactions -------------------------------------------------------------------------------------------- */

struct list_filter {
    const struct kp_list_transactions_request *request;
    unsigned                                   states; /* bits; of the names that are known */
    struct group_regex                        *pattern;
    int64_t                                    now_ms;
};

static bool list_takes(const struct list_filter *filter, struct view id, enum txn_state state, int64_t producer_id,
                       int64_t start_ms)
{
    const struct kp_list_transactions_request *request = filter->request;
    bool                                       producer = request->producer_id_filters_count <= 0;

    for (int32_t i = 0; i < request->producer_id_filters_count; i++) {
        producer = producer || request->producer_id_filters[i] == producer_id;
    }
    return producer && (request->state_filters_count <= 0 || (filter->states & (1U << state)) != 0) &&
           (request->duration_filter < 0 || filter->now_ms - start_ms > request->duration_filter) &&
           (filter->pattern == NULL || group_regex_match(filter->pattern, id));
}

static bool list_states(struct coord_call *call, struct list_filter *filter)
{
    const struct kp_list_transactions_request *request = call->request;
    struct kp_list_transactions_response      *response = call->response;
    int32_t                                    count = MAX(request->state_filters_count, 0);
    struct view                               *unknown = coord__alloc(call, (size_t)MAX(count, 1), sizeof(*unknown));

    if (unknown == NULL) {
        return false;
    }
    response->unknown_state_filters = unknown;
    response->unknown_state_filters_count = 0;
    for (int32_t i = 0; i < count; i++) {
        bool known =
            view_equal(request->state_filters[i], view_text("Dead")) ||
            view_equal(request->state_filters[i], view_text("PrepareEpochFence")); /* nobody is ever in these */

        for (int state = 0; state < TXN_STATE_COUNT; state++) {
            if (view_equal(request->state_filters[i], view_text(txn__state_name((enum txn_state)state)))) {
                filter->states |= 1U << state;
                known = true;
            }
        }
        if (!known) {
            unknown[response->unknown_state_filters_count++] = request->state_filters[i];
        }
    }
    return true;
}

static void list_insider_count(void *to, const struct coord_insider *insider)
{
    MAYBE(insider != NULL);
    ++*(size_t *)to;
}

static size_t list_count(struct coord *coord)
{
    int32_t            position = 0;
    size_t             count = 0;
    struct coord_slot *slot;

    while ((slot = coord__slot_next(coord, COORD_TXNS, &position)) != NULL) {
        count += map_count(&txn__machine_of(slot)->ids);
    }
    if (coord->insiders.list != NULL) {
        coord->insiders.list(coord->insiders.context, list_insider_count, &count);
    }
    return count;
}

struct list_insiders {
    struct coord_call        *call;
    const struct list_filter *filter;
    bool                      complete;
};

static void list_insider(void *to, const struct coord_insider *insider)
{
    struct list_insiders                                    *list = to;
    struct kp_list_transactions_response                    *response = list->call->response;
    struct kp_list_transactions_response_transaction_states *row;

    if (!list_takes(list->filter, insider->id, insider_state(insider), insider->producer_id, insider->start_ms)) {
        return;
    }
    row = &response->transaction_states[response->transaction_states_count++];
    row->transactional_id = coord__text(list->call, insider->id);
    row->producer_id = insider->producer_id;
    row->transaction_state = view_text(txn__state_name(insider_state(insider)));
    list->complete = list->complete && row->transactional_id.base != NULL;
}

static bool list_all_insiders(struct coord *coord, struct coord_call *call, const struct list_filter *filter)
{
    struct list_insiders list = {.call = call, .filter = filter, .complete = true};

    if (coord->insiders.list != NULL) {
        coord->insiders.list(coord->insiders.context, list_insider, &list);
    }
    return list.complete;
}

static bool list_slot(struct show_wait *wait, const struct list_filter *filter, struct coord_slot *slot)
{
    struct kp_list_transactions_response *response = wait->call->response;

    MAP_EACH(&txn__machine_of(slot)->ids, entry) {
        const struct txn                                        *txn = entry->value;
        struct kp_list_transactions_response_transaction_states *row;

        if (!list_takes(filter, txn__id(txn), txn->values.state, txn->values.producer_id, txn->values.start_ms)) {
            continue;
        }
        row = &response->transaction_states[response->transaction_states_count++];
        row->transactional_id = coord__text(wait->call, txn__id(txn));
        row->producer_id = txn->values.producer_id;
        row->transaction_state = view_text(txn__state_name(txn->values.state));
        if (row->transactional_id.base == NULL) {
            return false;
        }
    }
    return show_wait_for(wait, slot);
}

static bool list_all(struct coord *coord, struct show_wait *wait, struct list_filter *filter)
{
    struct kp_list_transactions_response *response = wait->call->response;
    int32_t                               position = 0;
    struct coord_slot                    *slot;
    bool                                  complete = list_states(wait->call, filter);

    response->transaction_states =
        coord__alloc(wait->call, MAX(list_count(coord), 1), sizeof(*response->transaction_states));
    complete = complete && response->transaction_states != NULL;
    while (complete && (slot = coord__slot_next(coord, COORD_TXNS, &position)) != NULL) {
        complete = coord_log_state(slot->log) != COORD_LOG_ACTIVE || list_slot(wait, filter, slot);
    }
    return complete && list_all_insiders(coord, wait->call, filter);
}

void coord_list_transactions(struct coord *coord, struct coord_call *call)
{
    const struct kp_list_transactions_request *request = call->request;
    struct list_filter                         filter = {.request = request, .now_ms = txn__now_ms(coord)};
    struct show_wait                          *wait = show_wait_begin(call);
    char                                       reason[160];

    call->coord_ = coord;
    if (wait == NULL) {
        coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
    } else if (coord->closing) {
        coord__fail(call, KP_ERR_COORDINATOR_NOT_AVAILABLE);
    } else if (coord__loading(coord, COORD_TXNS)) {
        coord__fail(call, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    } else if (request->transactional_id_pattern.len > 0 &&
               group_regex_compile(request->transactional_id_pattern, &filter.pattern,
                                   span_of(reason, sizeof(reason))) != ERR_OK) {
        coord__fail(call, KP_ERR_INVALID_REGULAR_EXPRESSION);
    } else {
        show_over(wait, list_all(coord, wait, &filter) ? 0 : KP_ERR_UNKNOWN_SERVER_ERROR);
    }
    group_regex_destroy(filter.pattern);
}

/* --- WriteTxnMarkers --------------------------------------------------------------------------------------------- */

struct write_item {
    struct txn_mark                                                 mark;
    struct show_wait                                               *wait;
    struct kp_write_txn_markers_response_markers_topics_partitions *result;
};

static void write_done(struct txn_mark *mark)
{
    struct write_item *item = CONTAINER_OF(mark, struct write_item, mark);

    item->result->error_code = mark->error;
    show_over(item->wait, 0);
}

static bool write_topic(struct coord *coord, struct show_wait *wait,
                        const struct kp_write_txn_markers_request_markers        *marker,
                        const struct kp_write_txn_markers_request_markers_topics *topic,
                        struct kp_write_txn_markers_response_markers_topics      *out)
{
    size_t count = (size_t)MAX(topic->partition_indexes_count, 0);

    out->name = topic->name;
    out->partitions = coord__alloc(wait->call, MAX(count, 1), sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct write_item *item = coord__alloc(wait->call, 1, sizeof(*item));

        out->partitions[i].partition_index = topic->partition_indexes[i];
        out->partitions[i].error_code = KP_ERR_UNKNOWN_SERVER_ERROR;
        if (item == NULL) {
            return false;
        }
        item->wait = wait;
        item->result = &out->partitions[i];
        item->mark = (struct txn_mark){.topic = topic->name,
                                       .partition = topic->partition_indexes[i],
                                       .producer_id = marker->producer_id,
                                       .producer_epoch = marker->producer_epoch,
                                       .version = wait->call->version >= 2 ? marker->transaction_version : 0,
                                       .coordinator_epoch = marker->coordinator_epoch,
                                       .commit = marker->transaction_result,
                                       .done = write_done};
        wait->left++;
        txn__mark(coord, &item->mark);
    }
    return true;
}

static bool write_marker(struct coord *coord, struct show_wait *wait,
                         const struct kp_write_txn_markers_request_markers *marker,
                         struct kp_write_txn_markers_response_markers      *out)
{
    size_t count = (size_t)MAX(marker->topics_count, 0);
    bool   complete = true;

    out->producer_id = marker->producer_id;
    out->topics = coord__alloc(wait->call, MAX(count, 1), sizeof(*out->topics));
    if (out->topics == NULL) {
        return false;
    }
    for (size_t i = 0; complete && i < count; i++) {
        complete = write_topic(coord, wait, marker, &marker->topics[i], &out->topics[i]);
        out->topics_count = (int32_t)i + 1;
    }
    return complete;
}

void coord_write_txn_markers(struct coord *coord, struct coord_call *call)
{
    const struct kp_write_txn_markers_request *request = call->request;
    struct kp_write_txn_markers_response      *response = call->response;
    struct show_wait                          *wait = show_wait_begin(call);
    size_t                                     count = (size_t)MAX(request->markers_count, 0);
    bool                                       complete = true;

    call->coord_ = coord;
    response->markers = coord__alloc(call, MAX(count, 1), sizeof(*response->markers));
    if (wait == NULL || response->markers == NULL) {
        coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    for (size_t i = 0; complete && i < count; i++) {
        complete = write_marker(coord, wait, &request->markers[i], &response->markers[i]);
        response->markers_count = (int32_t)i + 1;
    }
    show_over(wait, 0); /* what found no memory says so itself */
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

void txn__show_fill_error(struct coord_call *call, int16_t error)
{
    struct kp_list_transactions_response *listed = call->response;

    switch (call->api_key) {
    case KP_DESCRIBE_TRANSACTIONS_KEY:
        fill_describe(call, error);
        break;
    case KP_LIST_TRANSACTIONS_KEY:
        listed->error_code = error;
        listed->transaction_states_count = 0;
        break;
    default:
        CHECK(call->api_key == KP_WRITE_TXN_MARKERS_KEY); /* it has no place for one */
        break;
    }
}
