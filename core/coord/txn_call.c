/* Requests of transactional producers: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn.
 *
 * Each finds the id's machine, lets txn_state.c decide, writes what is to be written and answers when it is durable.
 * Answers that write nothing wait, too: what they show may be on its way to the disk. */
#include "core/coord/txn_machine.h"

/* Clients before these versions know the older code only. */
#define FENCED_SINCE_INIT 4
#define FENCED_SINCE      2

static int16_t older_error(int16_t error, int16_t version, int16_t fenced_since)
{
    return error == KP_ERR_PRODUCER_FENCED && version < fenced_since ? KP_ERR_INVALID_PRODUCER_EPOCH : error;
}

/* --- InitProducerId ---------------------------------------------------------------------------------------------- */

static void init_fill(struct coord_call *call, int16_t error, int64_t producer_id, int16_t epoch)
{
    struct kp_init_producer_id_response *response = call->response;

    response->error_code = older_error(error, call->version, FENCED_SINCE_INIT);
    response->producer_id = error == 0 ? producer_id : TXN_ID_NONE;
    response->producer_epoch = error == 0 ? epoch : TXN_EPOCH_NONE;
}

static void init_plain(struct coord *coord, struct coord_call *call)
{
    int64_t fresh = txn__fresh_producer_id(coord);

    if (fresh == TXN_ID_NONE) {
        txn__await_producer_id(coord, call);
        return;
    }
    coord->txns->next_producer_id++;
    init_fill(call, 0, fresh, 0);
    coord__finish(call);
}

static int16_t init_check(const struct coord *coord, const struct kp_init_producer_id_request *request)
{
    if (request->transactional_id.len == 0 ||
        (request->producer_id == TXN_ID_NONE) != (request->producer_epoch == TXN_EPOCH_NONE)) {
        return KP_ERR_INVALID_REQUEST;
    }
    if (request->transaction_timeout_ms <= 0 ||
        request->transaction_timeout_ms > meta_broker_int(coord->meta, "transaction.max.timeout.ms")) {
        return KP_ERR_INVALID_TRANSACTION_TIMEOUT;
    }
    return 0;
}

static void init_run(struct coord_slot *slot, struct coord_call *call)
{
    const struct kp_init_producer_id_request *request = call->request;
    struct coord                             *coord = slot->coord;
    struct txn_machine                       *machine = txn__machine_of(slot);
    struct txn                               *txn = txn__find(machine, request->transactional_id);
    struct txn_decision                       decision;

    txn__decide_init(txn == NULL ? NULL : &txn->values,
                     &(struct txn_init){.timeout_ms = request->transaction_timeout_ms,
                                        .producer_id = request->producer_id,
                                        .producer_epoch = request->producer_epoch,
                                        .fresh_producer_id = txn__fresh_producer_id(coord),
                                        .server_version = txn__server_version(coord),
                                        .now_ms = txn__now_ms(coord)},
                     &decision);
    if (decision.needs_producer_id) {
        txn__await_producer_id(coord, call);
        return;
    }
    init_fill(call, decision.error, decision.reply_producer_id, decision.reply_epoch);
    if (decision.append) {
        if (decision.values.state == TXN_EMPTY && txn != NULL) {
            txn__partitions_clear(&txn->partitions);
        }
        txn = txn__move(machine, txn, request->transactional_id, &decision.values, true);
        if (txn == NULL) {
            coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
            return;
        }
        txn__took_producer_id(coord, &decision.values);
        txn__settle(txn);
    }
    coord__commit(slot, call);
}

void coord_init_producer_id(struct coord *coord, struct coord_call *call)
{
    const struct kp_init_producer_id_request *request = call->request;
    struct coord_slot                        *slot;
    int16_t                                   error;

    call->coord_ = coord;
    if (request->transactional_id.base == NULL) {
        init_plain(coord, call);
        return;
    }
    error = coord->insiders.owns != NULL && coord->insiders.owns(coord->insiders.context, request->transactional_id)
                ? (int16_t)KP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                : init_check(coord, request);
    slot = error == 0 ? coord__slot(coord, COORD_TXNS, request->transactional_id, &error) : NULL;
    if (slot == NULL) {
        coord__fail(call, error);
    } else {
        init_run(slot, call);
    }
}

/* --- AddPartitionsToTxn ------------------------------------------------------------------------------------------ */

/* One transaction of the request, and where its results go. */
struct add_job {
    struct coord_call                                                           *call;
    struct add_jobs                                                             *all;
    struct view                                                                  id;
    int64_t                                                                      producer_id;
    int16_t                                                                      producer_epoch;
    bool                                                                         verify_only;
    const struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic   *topics;
    int32_t                                                                      topic_count;
    struct kp_add_partitions_to_txn_response_add_partitions_to_txn_topic_result *results;
    struct coord_write                                                           write;
};

struct add_jobs {
    int32_t        count;
    int32_t        left;
    struct add_job jobs[];
};

static void add_fill(struct add_job *job, int16_t error)
{
    error = older_error(error, job->call->version, FENCED_SINCE);
    for (int32_t i = 0; i < job->topic_count; i++) {
        for (int32_t j = 0; j < job->results[i].results_by_partition_count; j++) {
            job->results[i].results_by_partition[j].partition_error_code = error;
        }
    }
}

/* A partition that cannot be added spoils the others: nothing is added (OPERATION_NOT_ATTEMPTED). */
static bool add_refused(struct coord *coord, struct add_job *job)
{
    bool refused = false;

    for (int32_t i = 0; i < job->topic_count; i++) {
        struct view              name = job->topics[i].name;
        const struct meta_topic *topic = meta_topic(coord->meta, name);
        bool                     closed = job->call->version < 4 && topic != NULL && topic->internal;

        for (int32_t j = 0; j < job->topics[i].partitions_count; j++) {
            int32_t partition = job->topics[i].partitions[j];
            bool    exists = topic != NULL && partition >= 0 && partition < topic->partition_count;

            job->results[i].results_by_partition[j].partition_error_code = closed   ? KP_ERR_TOPIC_AUTHORIZATION_FAILED
                                                                           : exists ? KP_ERR_OPERATION_NOT_ATTEMPTED
                                                                                    : KP_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            refused = refused || closed || !exists;
        }
    }
    return refused;
}

static bool add_contained(const struct txn *txn, const struct add_job *job)
{
    for (int32_t i = 0; i < job->topic_count; i++) {
        for (int32_t j = 0; j < job->topics[i].partitions_count; j++) {
            if (!txn__partitions_have(&txn->partitions, job->topics[i].name, job->topics[i].partitions[j])) {
                return false;
            }
        }
    }
    return true;
}

static void add_verify_only(const struct txn *txn, struct add_job *job, struct txn_add event)
{
    for (int32_t i = 0; i < job->topic_count; i++) {
        for (int32_t j = 0; j < job->topics[i].partitions_count; j++) {
            event.contained = txn != NULL &&
                              txn__partitions_have(&txn->partitions, job->topics[i].name, job->topics[i].partitions[j]);
            job->results[i].results_by_partition[j].partition_error_code =
                txn__decide_verify(txn == NULL ? NULL : &txn->values, &event);
        }
    }
}

/* Room for the record with all of them, whether or not some stand in the set already. */
static bool add_fits(const struct txn *txn, const struct add_job *job)
{
    size_t bytes = txn__record_bytes(&txn->partitions, txn->id_len);

    for (int32_t i = 0; i < job->topic_count; i++) {
        bytes += job->topics[i].name.len + 16 + (size_t)job->topics[i].partitions_count * sizeof(int32_t);
    }
    return bytes <= TXN_RECORD_BYTES_MAX;
}

static int16_t add_move(struct txn_machine *machine, struct txn *txn, const struct add_job *job,
                        const struct txn_values *values)
{
    if (!add_fits(txn, job)) {
        return KP_ERR_UNKNOWN_SERVER_ERROR;
    }
    if (txn->values.state != TXN_ONGOING) {
        txn__partitions_clear(&txn->partitions);
    }
    for (int32_t i = 0; i < job->topic_count; i++) {
        for (int32_t j = 0; j < job->topics[i].partitions_count; j++) {
            txn__partitions_add(&txn->partitions, job->topics[i].name, job->topics[i].partitions[j]);
        }
    }
    CHECK(txn__move(machine, txn, txn__id(txn), values, false) == txn);
    txn__settle(txn);
    return 0;
}

static int16_t add_decide(struct coord_slot *slot, struct add_job *job)
{
    struct txn_machine *machine = txn__machine_of(slot);
    struct txn         *txn = txn__find(machine, job->id);
    struct txn_add      event = {.producer_id = job->producer_id,
                                 .producer_epoch = job->producer_epoch,
                                 .client_version = job->call->version < 4 ? 0 : TXN_VERSION_BUMP,
                                 .now_ms = txn__now_ms(slot->coord)};
    struct txn_decision decision;

    if (job->verify_only) {
        add_verify_only(txn, job, event);
        return 0;
    }
    event.contained = txn != NULL && add_contained(txn, job);
    txn__decide_add(txn == NULL ? NULL : &txn->values, &event, &decision);
    add_fill(job, decision.append ? add_move(machine, txn, job, &decision.values) : decision.error);
    return 0;
}

static void add_job_over(struct add_job *job)
{
    if (--job->all->left == 0) {
        coord__finish(job->call);
    }
}

static void add_durable(struct coord_write *write, int16_t error)
{
    struct add_job *job = CONTAINER_OF(write, struct add_job, write);

    if (error != 0) {
        add_fill(job, error);
    }
    add_job_over(job);
}

static void add_run(struct coord *coord, struct add_job *job)
{
    struct coord_slot *slot;
    int16_t            error = job->id.len == 0 ? KP_ERR_INVALID_REQUEST : 0;

    if (error == 0 && add_refused(coord, job)) {
        add_job_over(job);
        return;
    }
    slot = error == 0 ? coord__slot(coord, COORD_TXNS, job->id, &error) : NULL;
    if (slot == NULL) {
        add_fill(job, error);
        add_job_over(job);
        return;
    }
    (void)add_decide(slot, job);
    job->write.done = add_durable;
    coord_log_commit(slot->log, &job->write);
}

static bool add_results(struct coord_call *call, struct add_job *job)
{
    job->results = coord__alloc(call, (size_t)MAX(job->topic_count, 1), sizeof(*job->results));
    for (int32_t i = 0; job->results != NULL && i < job->topic_count; i++) {
        struct kp_add_partitions_to_txn_response_add_partitions_to_txn_topic_result *row = &job->results[i];

        row->name = job->topics[i].name;
        row->results_by_partition_count = job->topics[i].partitions_count;
        row->results_by_partition =
            coord__alloc(call, (size_t)MAX(row->results_by_partition_count, 1), sizeof(*row->results_by_partition));
        if (row->results_by_partition == NULL) {
            return false;
        }
        for (int32_t j = 0; j < row->results_by_partition_count; j++) {
            row->results_by_partition[j].partition_index = job->topics[i].partitions[j];
        }
    }
    return job->results != NULL;
}

static void add_job_set(struct add_job *job, const struct kp_add_partitions_to_txn_request *request, int16_t version,
                        int32_t index)
{
    if (version < 4) {
        job->id = request->v3_and_below_transactional_id;
        job->producer_id = request->v3_and_below_producer_id;
        job->producer_epoch = request->v3_and_below_producer_epoch;
        job->topics = request->v3_and_below_topics;
        job->topic_count = request->v3_and_below_topics_count;
    } else {
        job->id = request->transactions[index].transactional_id;
        job->producer_id = request->transactions[index].producer_id;
        job->producer_epoch = request->transactions[index].producer_epoch;
        job->verify_only = request->transactions[index].verify_only;
        job->topics = request->transactions[index].topics;
        job->topic_count = request->transactions[index].topics_count;
    }
}

/* The response points to the results from the start: they are filled in while the jobs run. */
static struct add_jobs *add_prepare(struct coord_call *call)
{
    const struct kp_add_partitions_to_txn_request *request = call->request;
    struct kp_add_partitions_to_txn_response      *response = call->response;
    int32_t                                        count = call->version < 4 ? 1 : MAX(request->transactions_count, 0);
    struct add_jobs *all = arena_alloc(call->arena, sizeof(*all) + (size_t)count * sizeof(struct add_job));

    if (all == NULL) {
        return NULL;
    }
    if (call->version >= 4) {
        response->results_by_transaction =
            coord__alloc(call, (size_t)MAX(count, 1), sizeof(*response->results_by_transaction));
        if (response->results_by_transaction == NULL) {
            return NULL;
        }
        response->results_by_transaction_count = count;
    }
    all->count = all->left = count;
    for (int32_t i = 0; i < count; i++) {
        struct add_job *job = &all->jobs[i];

        job->call = call;
        job->all = all;
        add_job_set(job, request, call->version, i);
        if (!add_results(call, job)) {
            return NULL;
        }
        if (call->version < 4) {
            response->results_by_topic_v3_and_below = job->results;
            response->results_by_topic_v3_and_below_count = job->topic_count;
        } else {
            response->results_by_transaction[i].transactional_id = job->id;
            response->results_by_transaction[i].topic_results = job->results;
            response->results_by_transaction[i].topic_results_count = job->topic_count;
        }
    }
    return all;
}

void coord_add_partitions_to_txn(struct coord *coord, struct coord_call *call)
{
    struct add_jobs *all;

    call->coord_ = coord;
    all = add_prepare(call);
    if (all == NULL) {
        coord__fail(call, KP_ERR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (all->count == 0) {
        coord__finish(call);
        return;
    }
    for (int32_t i = 0; i < all->count; i++) { /* an answer never comes inside: the last one over ends the call */
        add_run(coord, &all->jobs[i]);
    }
}

/* --- AddOffsetsToTxn --------------------------------------------------------------------------------------------- */

static int16_t offsets_add(struct coord_slot *slot, const struct kp_add_offsets_to_txn_request *request,
                           int32_t partition)
{
    struct txn_machine *machine = txn__machine_of(slot);
    struct txn         *txn = txn__find(machine, request->transactional_id);
    struct view         topic = view_text(COORD_OFFSETS_TOPIC);
    struct txn_decision decision;
    struct add_job      job;
    struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic row = {
        .name = topic, .partitions = &partition, .partitions_count = 1};

    txn__decide_add(
        txn == NULL ? NULL : &txn->values,
        &(struct txn_add){.producer_id = request->producer_id,
                          .producer_epoch = request->producer_epoch,
                          .contained = txn != NULL && txn__partitions_have(&txn->partitions, topic, partition),
                          .now_ms = txn__now_ms(slot->coord)},
        &decision);
    if (!decision.append) {
        return decision.error;
    }
    job = (struct add_job){.topics = &row, .topic_count = 1};
    return add_move(machine, txn, &job, &decision.values);
}

void coord_add_offsets_to_txn(struct coord *coord, struct coord_call *call)
{
    const struct kp_add_offsets_to_txn_request *request = call->request;
    struct kp_add_offsets_to_txn_response      *response = call->response;
    const struct meta_topic                    *offsets = meta_topic(coord->meta, view_text(COORD_OFFSETS_TOPIC));
    int16_t                                     error = request->transactional_id.len == 0 ? KP_ERR_INVALID_REQUEST : 0;
    struct coord_slot                          *slot;
    int64_t                                     count;

    call->coord_ = coord;
    slot = error == 0 ? coord__slot(coord, COORD_TXNS, request->transactional_id, &error) : NULL;
    if (slot == NULL) {
        coord__fail(call, error);
        return;
    }
    /* Producers ask before they look for the group's coordinator, which makes the topic, with so many partitions. */
    count = offsets != NULL ? offsets->partition_count : meta_broker_int(coord->meta, "offsets.topic.num.partitions");
    error = offsets_add(slot, request, coord_partition_of(request->group_id, (int32_t)count));
    response->error_code = older_error(error, call->version, FENCED_SINCE);
    coord__commit(slot, call);
}

/* --- EndTxn ------------------------------------------------------------------------------------------------------ */

void coord_end_txn(struct coord *coord, struct coord_call *call)
{
    const struct kp_end_txn_request *request = call->request;
    struct kp_end_txn_response      *response = call->response;
    int16_t                          error = request->transactional_id.len == 0 ? KP_ERR_INVALID_REQUEST : 0;
    struct coord_slot               *slot;
    struct txn                      *txn;
    struct txn_decision              decision;

    call->coord_ = coord;
    slot = error == 0 ? coord__slot(coord, COORD_TXNS, request->transactional_id, &error) : NULL;
    if (slot == NULL) {
        coord__fail(call, error);
        return;
    }
    txn = txn__find(txn__machine_of(slot), request->transactional_id);
    txn__decide_end(txn == NULL ? NULL : &txn->values,
                    &(struct txn_end){.producer_id = request->producer_id,
                                      .producer_epoch = request->producer_epoch,
                                      .commit = request->committed,
                                      .client_version = call->version >= 5 ? TXN_VERSION_BUMP : 0,
                                      .fresh_producer_id = txn__fresh_producer_id(coord),
                                      .now_ms = txn__now_ms(coord)},
                    &decision);
    if (decision.needs_producer_id) {
        txn__await_producer_id(coord, call);
        return;
    }
    if (decision.append) {
        if (txn->values.state != TXN_ONGOING) {
            txn__partitions_clear(&txn->partitions); /* an abort of nothing */
        }
        CHECK(txn__move(txn->machine, txn, txn__id(txn), &decision.values, false) == txn);
        txn__took_producer_id(coord, &decision.values);
        txn__settle(txn);
    }
    response->error_code = older_error(decision.error, call->version, FENCED_SINCE);
    response->producer_id = decision.reply_producer_id;
    response->producer_epoch = decision.reply_epoch;
    coord__commit(slot, call);
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

static void fill_add_partitions(struct coord_call *call, int16_t error)
{
    const struct kp_add_partitions_to_txn_request *request = call->request;
    struct kp_add_partitions_to_txn_response      *response = call->response;
    struct add_job                                 job = {.call = call};

    response->results_by_transaction_count = 0;
    if (call->version >= 4) {
        response->error_code = error;
        return;
    }
    add_job_set(&job, request, call->version, 0);
    if (add_results(call, &job)) { /* over budget there is no place for an error in this version */
        add_fill(&job, error);
        response->results_by_topic_v3_and_below = job.results;
        response->results_by_topic_v3_and_below_count = job.topic_count;
    }
}

void txn__fill_error(struct coord_call *call, int16_t error)
{
    switch (call->api_key) {
    case KP_INIT_PRODUCER_ID_KEY:
        init_fill(call, error, TXN_ID_NONE, TXN_EPOCH_NONE);
        break;
    case KP_ADD_PARTITIONS_TO_TXN_KEY:
        fill_add_partitions(call, error);
        break;
    case KP_ADD_OFFSETS_TO_TXN_KEY:
        ((struct kp_add_offsets_to_txn_response *)call->response)->error_code =
            older_error(error, call->version, FENCED_SINCE);
        break;
    case KP_END_TXN_KEY:
        kp_end_txn_response_init(call->response);
        ((struct kp_end_txn_response *)call->response)->error_code = older_error(error, call->version, FENCED_SINCE);
        break;
    default:
        txn__show_fill_error(call, error);
        break;
    }
}
