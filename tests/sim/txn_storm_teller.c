/* One teller: InitProducerId, records into some partitions, perhaps a group's position, EndTxn. A teller that gets no
 * answer, or one it does not understand, begins anew with InitProducerId, which ends what is open. */
#include "tests/sim/txn_storm.h"

#include <stdio.h>

#define TRIES        40
#define RETRY_NS     (20 * NS_PER_MS)
#define TIMEOUT_MS   5000
#define NO_ANSWER    INT16_MIN
#define PRODUCE_OLD  11
#define PRODUCE_NEW  12
#define END_OLD      3
#define END_NEW      5
#define OFFSETS_OLD  3
#define OFFSETS_NEW  5
#define INIT_VERSION 4
#define ADD_VERSION  3

static bool passes(int16_t error)
{
    switch (error) {
    case KP_ERR_CONCURRENT_TRANSACTIONS:
    case KP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case KP_ERR_COORDINATOR_NOT_AVAILABLE:
    case KP_ERR_NOT_COORDINATOR:
    case KP_ERR_NOT_ENOUGH_REPLICAS:
    case KP_ERR_NOT_LEADER_OR_FOLLOWER:
    case KP_ERR_LEADER_NOT_AVAILABLE:
    case KP_ERR_KAFKA_STORAGE_ERROR:
    case KP_ERR_UNKNOWN_TOPIC_OR_PARTITION:
        return true;
    default:
        return false;
    }
}

/* What a teller may be told when it is not the newest, or its transaction was ended for it: it begins anew. */
static bool ends(const struct txn_teller *teller, const char *what, int16_t error)
{
    switch (error) {
    case NO_ANSWER:
    case KP_ERR_PRODUCER_FENCED:
    case KP_ERR_INVALID_PRODUCER_EPOCH:
    case KP_ERR_INVALID_TXN_STATE:
    case KP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case KP_ERR_TRANSACTION_ABORTABLE:
    case KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
        return true;
    default:
        if (!passes(error)) {
            voice_fail(&teller->storm->life.voice, "%s: %s was answered with %s", teller->id, what,
                       kp_error_name(error));
        }
        return true;
    }
}

typedef int16_t attempt_fn(struct txn_teller *teller, void *context);

/* The answer that is not "come again"; NO_ANSWER when the connection broke or patience ended. */
static int16_t insist(struct txn_teller *teller, attempt_fn *attempt, void *context)
{
    struct txn_storm *storm = teller->storm;
    int16_t           error = NO_ANSWER;

    for (int i = 0; i < TRIES && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        error = attempt(teller, context);
        if (!passes(error)) {
            return error;
        }
        rig_run(&storm->life.rig, RETRY_NS);
    }
    return error == NO_ANSWER || passes(error) ? NO_ANSWER : error;
}

static struct rig_client *coordinator(struct txn_teller *teller, int8_t key_type, const char *id)
{
    int                shard = txn_storm_coordinator(teller->storm, key_type, id);
    struct rig_client *client = shard < 0 ? NULL : txn_storm_client(teller->storm, (uint32_t)shard);

    if (client != NULL) {
        rig_client_reset(client);
    }
    return client;
}

static int16_t init_attempt(struct txn_teller *teller, void *context)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response;
    struct rig_client                         *client = coordinator(teller, 1, teller->id);

    MAYBE(context == NULL);
    kp_init_producer_id_request_init(&request);
    request.transactional_id = view_text(teller->id);
    request.transaction_timeout_ms = TIMEOUT_MS;
    response = client == NULL ? NULL : rig_ask(client, KP_INIT_PRODUCER_ID_KEY, INIT_VERSION, &request);
    if (response == NULL) {
        return client == NULL ? (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE : NO_ANSWER;
    }
    if (response->error_code == 0) {
        if (response->producer_id == teller->producer_id && response->producer_epoch <= teller->producer_epoch) {
            voice_fail(&teller->storm->life.voice, "%s: InitProducerId gave epoch %d again", teller->id,
                       response->producer_epoch);
        }
        teller->producer_id = response->producer_id;
        teller->producer_epoch = response->producer_epoch;
        memset(teller->sequences, 0, sizeof(teller->sequences));
    }
    return response->error_code;
}

static int16_t add_attempt(struct txn_teller *teller, void *context)
{
    struct kp_add_partitions_to_txn_request_add_partitions_to_txn_topic topic;
    struct kp_add_partitions_to_txn_request                             request;
    const struct kp_add_partitions_to_txn_response                     *response;
    struct rig_client                                                  *client = coordinator(teller, 1, teller->id);
    const int32_t                                                      *partition = context;

    kp_add_partitions_to_txn_request_init(&request);
    kp_add_partitions_to_txn_request_add_partitions_to_txn_topic_init(&topic);
    topic.name = view_text(TXN_TOPIC);
    topic.partitions = partition;
    topic.partitions_count = 1;
    request.v3_and_below_transactional_id = view_text(teller->id);
    request.v3_and_below_producer_id = teller->producer_id;
    request.v3_and_below_producer_epoch = teller->producer_epoch;
    request.v3_and_below_topics = &topic;
    request.v3_and_below_topics_count = 1;
    response = client == NULL ? NULL : rig_ask(client, KP_ADD_PARTITIONS_TO_TXN_KEY, ADD_VERSION, &request);
    if (response == NULL) {
        return client == NULL ? (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE : NO_ANSWER;
    }
    return response->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

struct leg {
    int32_t  partition;
    uint32_t number;
};

static struct view leg_batch(struct txn_teller *teller, const struct leg *leg, struct arena *arena)
{
    const struct txn_transfer *transfer = &teller->transfers[teller->count - 1];
    struct rec_builder         builder;
    struct view                batch = {0};
    char                       value[64];

    (void)snprintf(value, sizeof(value), "%d:%d:%u:%u", teller->index, teller->count - 1, leg->number, transfer->legs);
    rec_builder_init(&builder, arena);
    builder.attributes |= REC_ATTR_TRANSACTIONAL;
    builder.producer_id = teller->producer_id;
    builder.producer_epoch = teller->producer_epoch;
    builder.base_sequence = teller->sequences[leg->partition];
    rec_builder_add(&builder, INT64_C(1700000000000), (struct view){0}, view_text(value), NULL, 0);
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
    return batch;
}

static int16_t produce_attempt(struct txn_teller *teller, void *context)
{
    const struct leg                 *leg = context;
    struct rig_client                *client = txn_storm_client(teller->storm, teller->storm->leaders[leg->partition]);
    struct kp_produce_request        *request;
    const struct kp_produce_response *response;

    if (client == NULL) {
        return KP_ERR_LEADER_NOT_AVAILABLE;
    }
    rig_client_reset(client);
    request =
        rig_produce_request(&client->scratch, TXN_TOPIC, leg->partition, -1, leg_batch(teller, leg, &client->scratch));
    request->transactional_id = view_text(teller->id);
    response = rig_ask(client, KP_PRODUCE_KEY, teller->newer ? PRODUCE_NEW : PRODUCE_OLD, request);
    return response == NULL ? NO_ANSWER : response->responses[0].partition_responses[0].error_code;
}

static void group_name(const struct txn_teller *teller, char out_name[24])
{
    (void)snprintf(out_name, 24, "group-%d", teller->index);
}

static int16_t offsets_add_attempt(struct txn_teller *teller, void *context)
{
    struct kp_add_offsets_to_txn_request         request;
    const struct kp_add_offsets_to_txn_response *response;
    struct rig_client                           *client = coordinator(teller, 1, teller->id);
    char                                         group[24];

    MAYBE(context == NULL);
    group_name(teller, group);
    kp_add_offsets_to_txn_request_init(&request);
    request.transactional_id = view_text(teller->id);
    request.producer_id = teller->producer_id;
    request.producer_epoch = teller->producer_epoch;
    request.group_id = view_text(group);
    response = client == NULL ? NULL : rig_ask(client, KP_ADD_OFFSETS_TO_TXN_KEY, 3, &request);
    return response != NULL ? response->error_code
           : client == NULL ? (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE
                            : NO_ANSWER;
}

static int16_t offsets_attempt(struct txn_teller *teller, void *context)
{
    struct kp_txn_offset_commit_request_topics_partitions row;
    struct kp_txn_offset_commit_request_topics            topic;
    struct kp_txn_offset_commit_request                   request;
    const struct kp_txn_offset_commit_response           *response;
    struct rig_client                                    *client;
    char                                                  group[24];

    group_name(teller, group);
    client = coordinator(teller, 0, group);
    kp_txn_offset_commit_request_init(&request);
    kp_txn_offset_commit_request_topics_init(&topic);
    kp_txn_offset_commit_request_topics_partitions_init(&row);
    row.committed_offset = *(const int64_t *)context;
    row.committed_metadata = view_text("");
    topic.name = view_text(TXN_TOPIC);
    topic.partitions = &row;
    topic.partitions_count = 1;
    request.transactional_id = view_text(teller->id);
    request.group_id = view_text(group);
    request.member_id = view_text("");
    request.producer_id = teller->producer_id;
    request.producer_epoch = teller->producer_epoch;
    request.topics = &topic;
    request.topics_count = 1;
    response = client == NULL
                   ? NULL
                   : rig_ask(client, KP_TXN_OFFSET_COMMIT_KEY, teller->newer ? OFFSETS_NEW : OFFSETS_OLD, &request);
    return response != NULL ? response->topics[0].partitions[0].error_code
           : client == NULL ? (int16_t)KP_ERR_COORDINATOR_NOT_AVAILABLE
                            : NO_ANSWER;
}

struct ending {
    bool commit;
    bool unanswered; /* some attempt was */
};

static int16_t end_attempt(struct txn_teller *teller, void *context)
{
    struct ending                    *ending = context;
    struct kp_end_txn_request         request;
    const struct kp_end_txn_response *response;
    struct rig_client                *client = coordinator(teller, 1, teller->id);

    kp_end_txn_request_init(&request);
    request.transactional_id = view_text(teller->id);
    request.producer_id = teller->producer_id;
    request.producer_epoch = teller->producer_epoch;
    request.committed = ending->commit;
    if (client == NULL) {
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    response = rig_ask(client, KP_END_TXN_KEY, teller->newer ? END_NEW : END_OLD, &request);
    if (response == NULL) { /* the same again is safe, and finds out what became of it */
        ending->unanswered = true;
        return KP_ERR_COORDINATOR_NOT_AVAILABLE;
    }
    if (response->error_code == 0 && teller->newer) {
        teller->producer_id = response->producer_id;
        teller->producer_epoch = response->producer_epoch;
        memset(teller->sequences, 0, sizeof(teller->sequences));
    }
    return response->error_code;
}

/* False: the transaction cannot go on. */
static bool write_legs(struct txn_teller *teller, const struct txn_transfer *transfer)
{
    struct txn_storm *storm = teller->storm;

    for (uint32_t i = 0; i < transfer->legs; i++) {
        struct leg leg = {.partition = (int32_t)prng_below(&storm->life.prng, TXN_PARTITIONS), .number = i};
        int16_t    error = teller->newer ? (int16_t)0 : insist(teller, add_attempt, &leg.partition);

        if (error == 0) {
            error = insist(teller, produce_attempt, &leg);
        }
        if (error != 0) {
            return !ends(teller, "writing", error);
        }
        teller->sequences[leg.partition]++;
    }
    return true;
}

static bool write_position(struct txn_teller *teller, int64_t position)
{
    int16_t error = teller->newer ? (int16_t)0 : insist(teller, offsets_add_attempt, NULL);

    if (error == 0) {
        error = insist(teller, offsets_attempt, &position);
    }
    return error == 0 || !ends(teller, "a position", error);
}

static void finish(struct txn_teller *teller, struct txn_transfer *transfer, int64_t position)
{
    struct txn_storm *storm = teller->storm;
    struct ending     ending = {.commit = prng_chance(&storm->life.prng, 3, 4)};
    int16_t           error;

    if (ending.commit) {
        transfer->outcome = OUTCOME_UNKNOWN;
        teller->position_maybe = MAX(teller->position_maybe, position);
    }
    error = insist(teller, end_attempt, &ending);
    if (error == 0 && ending.commit) {
        transfer->outcome = OUTCOME_COMMITTED;
        teller->position = MAX(teller->position, position);
        storm->committed++;
    } else if (error == 0) {
        storm->aborted++;
    } else {
        if (ending.commit && !ending.unanswered && error != NO_ANSWER) {
            transfer->outcome = OUTCOME_ABORTED; /* refused: it cannot have counted */
        }
        MAYBE(ends(teller, "EndTxn", error));
        storm->unknown += transfer->outcome == OUTCOME_UNKNOWN;
        storm->refused++;
    }
    if (error != 0) {
        teller->begun = false;
    }
}

void txn_teller_transfer(struct txn_teller *teller)
{
    struct txn_storm    *storm = teller->storm;
    struct txn_transfer *transfer;
    int64_t              position = -1;

    if (!teller->begun) {
        int16_t error = insist(teller, init_attempt, NULL);

        teller->begun = error == 0;
        if (!teller->begun) {
            MAYBE(ends(teller, "InitProducerId", error));
            return;
        }
    }
    if (teller->count == TXN_TRANSFERS) {
        return;
    }
    transfer = &teller->transfers[teller->count++];
    transfer->outcome = OUTCOME_ABORTED; /* until its commit is asked for */
    transfer->legs = 1 + (uint32_t)prng_below(&storm->life.prng, TXN_LEGS_MAX);
    if (!write_legs(teller, transfer)) {
        teller->begun = false;
        return;
    }
    if (teller->grouped && prng_chance(&storm->life.prng, 1, 2)) {
        position = teller->count;
        if (!write_position(teller, position)) {
            teller->begun = false;
            return;
        }
    }
    if (prng_chance(&storm->life.prng, 1, 12)) { /* dies with it open */
        teller->begun = false;
        return;
    }
    finish(teller, transfer, position);
}
