/* Producing lanes and readers. */
#include "tests/sim/broker_storm.h"

#include <stdio.h>
#include <stdlib.h>

#define LANE_PRODUCE_VERSION 9
#define LANE_INIT_VERSION    4
#define READER_FETCH_VERSION 12
#define BATCH_RECORDS_MAX    12

/* --- the model ---------------------------------------------------------------------------------------------------- */

/* Offset `offset` holds this record: promised from here on. */
static void model_promise(struct broker_storm *storm, int32_t partition, int64_t offset, int32_t lane, int32_t sequence)
{
    struct storm_partition *model = &storm->partitions[partition];
    size_t                  at = (size_t)offset;

    if (at >= model->capacity) {
        size_t capacity = MAX(at + 1, model->capacity * 2 + 64);

        model->records = mem_realloc(MEM_TEST, model->records, capacity * sizeof(*model->records));
        for (size_t i = model->capacity; i < capacity; i++) {
            model->records[i] = (struct storm_record){-1, -1};
        }
        model->capacity = capacity;
    }
    if (model->records[at].lane >= 0 && (model->records[at].lane != lane || model->records[at].sequence != sequence)) {
        voice_fail(&storm->life.voice,
                   "partition %d offset %" PRId64 " was record %d of lane %d and is now record %d of lane %d",
                   partition, offset, model->records[at].sequence, model->records[at].lane, sequence, lane);
        return;
    }
    model->records[at] = (struct storm_record){lane, sequence};
    model->count = MAX(model->count, at + 1);
}

static void take_record(struct broker_storm *storm, int32_t partition, const struct rec_record *record,
                        int32_t *in_order)
{
    char    text[32] = "";
    int32_t lane = -1;
    int32_t sequence = -1;
    char   *rest;

    memcpy(text, record->value.base, MIN(record->value.len, sizeof(text) - 1));
    lane = (int32_t)strtol(text, &rest, 10);
    sequence = *rest == ':' ? (int32_t)strtol(rest + 1, &rest, 10) : -1;
    if (*rest != ';' || lane < 0 || lane >= STORM_LANES || storm->lanes[lane].partition != partition || sequence < 0 ||
        sequence >= storm->lanes[lane].next_sequence) {
        voice_fail(&storm->life.voice, "partition %d offset %" PRId64 " holds '%.20s', which nobody sent there",
                   partition, record->offset, text);
        return;
    }
    if (in_order != NULL && in_order[lane]++ != sequence) {
        voice_fail(&storm->life.voice, "partition %d offset %" PRId64 " holds record %d of lane %d where %d is due",
                   partition, record->offset, sequence, lane, in_order[lane] - 1);
        return;
    }
    model_promise(storm, partition, record->offset, lane, sequence);
}

void storm_take(struct broker_storm *storm, int32_t partition, struct view records, int64_t *offset, int32_t *in_order)
{
    struct rec_batch  batch;
    struct rec_record record = {0};

    while (voice_ok(&storm->life.voice) && rec_batch_parse(records, &batch) == ERR_OK) {
        struct rec_iter iter;

        if (!rec_batch_crc_ok(&batch) || rec_batch_last_offset(&batch) < *offset) {
            voice_fail(&storm->life.voice,
                       "partition %d: the batch at offset %" PRId64 " is damaged or not the one asked for", partition,
                       batch.base_offset);
            return;
        }
        rec_iter_init(&iter, &batch, view_of(batch.bytes.base + 61, batch.bytes.len - 61));
        while (voice_ok(&storm->life.voice) && rec_iter_next(&iter, &record) == 1) {
            if (record.offset < *offset) {
                continue;
            }
            if (record.offset != *offset) {
                voice_fail(&storm->life.voice, "partition %d: offset %" PRId64 " follows where %" PRId64 " is due",
                           partition, record.offset, *offset);
                return;
            }
            take_record(storm, partition, &record, in_order);
            (*offset)++;
        }
        records = view_of(records.base + batch.bytes.len, records.len - batch.bytes.len);
    }
}

/* --- lanes -------------------------------------------------------------------------------------------------------- */

static struct storm_slot *lane_slot(struct storm_lane *lane, uint32_t nth)
{
    return &lane->slots[(lane->first + nth) % STORM_FLIGHT];
}

/* The same bytes for the same sequence, however often it is sent. Some batches are large enough to be written directly.
 */
static struct view lane_batch(struct storm_lane *lane, const struct storm_slot *slot, struct arena *arena)
{
    uint64_t           dice = ((uint32_t)slot->sequence * 2654435761U + (uint32_t)lane->index * 40503U) >> 26;
    size_t             padding = dice == 0 ? 12000 : dice < 8 ? 1500 : 20;
    struct rec_builder builder;
    struct view        batch = {0};

    rec_builder_init(&builder, arena);
    builder.producer_id = lane->producer_id;
    builder.producer_epoch = lane->producer_epoch;
    builder.base_sequence = slot->sequence;
    for (int32_t i = 0; i < slot->count; i++) {
        char *value = arena_alloc(arena, padding + 32);
        int   len = snprintf(value, 32, "%d:%d;", lane->index, slot->sequence + i);

        memset(value + len, 'x', padding);
        rec_builder_add(&builder, INT64_C(1700000000000), (struct view){0}, view_of(value, (size_t)len + padding), NULL,
                        0);
    }
    CHECK(rec_builder_finish(&builder, REC_NONE, 0, &batch) == ERR_OK);
    return batch;
}

static void lane_send(struct storm_lane *lane, struct storm_slot *slot)
{
    struct view batch;

    arena_reset(&slot->call.arena);
    batch = lane_batch(lane, slot, &slot->call.arena);
    slot->sent = true;
    rig_call_start(lane->client, &slot->call, KP_PRODUCE_KEY, LANE_PRODUCE_VERSION,
                   rig_produce_request(&slot->call.arena, STORM_TOPIC, lane->partition, -1, batch));
}

static bool lane_error_passes(int16_t error)
{
    return error == KP_ERR_NOT_LEADER_OR_FOLLOWER || error == KP_ERR_LEADER_NOT_AVAILABLE ||
           error == KP_ERR_KAFKA_STORAGE_ERROR;
}

/* Answers in order. An error of one makes those behind it fail, too: all are sent again, once all have come back. */
static void lane_harvest(struct storm_lane *lane)
{
    struct broker_storm *storm = lane->storm;
    bool                 again = false;

    for (uint32_t i = 0; i < lane->used; i++) {
        if (lane_slot(lane, i)->sent && !lane_slot(lane, i)->call.done) {
            again = true; /* the rest is looked at when it is there */
        }
    }
    while (lane->used > 0 && lane_slot(lane, 0)->sent && lane_slot(lane, 0)->call.done &&
           voice_ok(&storm->life.voice)) {
        struct storm_slot                                              *slot = lane_slot(lane, 0);
        const struct kp_produce_response                               *response = slot->call.response;
        const struct kp_produce_response_responses_partition_responses *answer;

        if (slot->call.result == ERR_INVALID) {
            voice_fail(&storm->life.voice, "lane %d: an answer cannot be read", lane->index);
            return;
        }
        if (slot->call.result != ERR_OK) {
            break;
        }
        answer = &response->responses[0].partition_responses[0];
        if (answer->error_code != 0) {
            if (!lane_error_passes(answer->error_code)) {
                voice_fail(&storm->life.voice, "lane %d: sequence %d: %s", lane->index, slot->sequence,
                           kp_error_name(answer->error_code));
            }
            break;
        }
        for (int32_t k = 0; k < slot->count; k++) {
            model_promise(storm, lane->partition, answer->base_offset + k, lane->index, slot->sequence + k);
        }
        storm->acked_batches++;
        slot->count = 0;
        slot->sent = false;
        lane->first = (lane->first + 1) % STORM_FLIGHT;
        lane->used--;
    }
    for (uint32_t i = 0; !again && i < lane->used; i++) {
        lane_slot(lane, i)->sent = false;
    }
}

static bool lane_connect(struct storm_lane *lane)
{
    struct broker_storm *storm = lane->storm;

    if (lane->client != NULL && lane->client->closed) {
        rig_client_free(lane->client);
        lane->client = NULL;
        storm->resets++;
    }
    if (lane->client == NULL && !storm_life_is_down(&storm->life)) {
        lane->client = rig_client_open(&storm->life.rig, storm->partitions[lane->partition].shard);
    }
    return lane->client != NULL && lane->client->connected && !lane->client->closed;
}

static void lane_ask_id(struct storm_lane *lane)
{
    struct kp_init_producer_id_request         request;
    const struct kp_init_producer_id_response *response;

    kp_init_producer_id_request_init(&request);
    request.transactional_id = (struct view){0};
    response = rig_ask(lane->client, KP_INIT_PRODUCER_ID_KEY, LANE_INIT_VERSION, &request);
    if (response != NULL && response->error_code == 0) {
        for (int32_t i = 0; i < STORM_LANES; i++) {
            if (lane->storm->lanes[i].producer_id == response->producer_id) {
                voice_fail(&lane->storm->life.voice, "producer id %" PRId64 " was given twice", response->producer_id);
            }
        }
        lane->producer_id = response->producer_id;
        lane->producer_epoch = response->producer_epoch;
    }
}

void storm_lane_poll(struct storm_lane *lane)
{
    struct broker_storm *storm = lane->storm;
    bool                 waiting = false;

    lane_harvest(lane);
    if (!lane_connect(lane) || !voice_ok(&storm->life.voice)) {
        return;
    }
    if (lane->producer_id < 0) {
        lane_ask_id(lane);
        return;
    }
    for (uint32_t i = 0; i < lane->used; i++) {
        waiting = waiting || lane_slot(lane, i)->sent;
    }
    for (uint32_t i = 0; i < lane->used && !lane->client->closed; i++) {
        struct storm_slot *slot = lane_slot(lane, i);

        if (!slot->sent && !waiting) {
            lane_send(lane, slot);
        }
    }
    while (lane->used < STORM_FLIGHT && !storm->draining && !lane->client->closed &&
           prng_chance(&storm->life.prng, 1, 2)) {
        struct storm_slot *slot = lane_slot(lane, lane->used);

        slot->sequence = lane->next_sequence;
        slot->count = 1 + (int32_t)prng_below(&storm->life.prng, BATCH_RECORDS_MAX);
        slot->sent = false;
        lane->next_sequence += slot->count;
        lane->used++;
        lane_send(lane, slot);
    }
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

static void reader_harvest(struct broker_storm *storm, struct storm_reader *reader)
{
    const struct kp_fetch_response *response = reader->call.response;
    int64_t                         before = reader->offset;

    reader->asked = false;
    if (reader->call.result == ERR_INVALID) {
        voice_fail(&storm->life.voice, "reader of partition %d: an answer cannot be read", reader->partition);
    }
    if (reader->call.result != ERR_OK) {
        return;
    }
    if (response->error_code != 0 || response->responses_count != 1) {
        voice_fail(&storm->life.voice, "reader of partition %d: fetch error %d", reader->partition,
                   response->error_code);
        return;
    }
    if (response->responses[0].partitions[0].error_code != 0) {
        int16_t error = response->responses[0].partitions[0].error_code;

        if (!lane_error_passes(error)) {
            voice_fail(&storm->life.voice, "reader of partition %d at offset %" PRId64 ": %s", reader->partition,
                       reader->offset, kp_error_name(error));
        }
        return;
    }
    storm_take(storm, reader->partition, response->responses[0].partitions[0].records, &reader->offset, NULL);
    storm->seen_records += (uint64_t)(reader->offset - before);
    if (reader->offset > response->responses[0].partitions[0].high_watermark) {
        voice_fail(&storm->life.voice, "partition %d: offset %" PRId64 " was shown above the high watermark",
                   reader->partition, reader->offset - 1);
    }
}

void storm_reader_poll(struct broker_storm *storm, struct storm_reader *reader)
{
    struct kp_fetch_request *request;

    if (reader->asked && reader->call.done) {
        reader_harvest(storm, reader);
    }
    if (reader->asked) {
        return;
    }
    if (reader->client != NULL && reader->client->closed) {
        rig_client_free(reader->client);
        reader->client = NULL;
    }
    if (reader->client == NULL && !storm_life_is_down(&storm->life)) {
        reader->client = rig_client_open(&storm->life.rig, storm->partitions[reader->partition].shard);
    }
    if (reader->client == NULL || !reader->client->connected || reader->client->closed) {
        return;
    }
    if (prng_chance(&storm->life.prng, 1, 50)) {
        reader->offset = (int64_t)prng_below(&storm->life.prng, (uint64_t)reader->offset + 1);
    }
    arena_reset(&reader->call.arena);
    request =
        rig_fetch_request(&reader->call.arena, STORM_TOPIC, reader->partition, reader->offset,
                          (int32_t)prng_below(&storm->life.prng, 500), (int32_t)prng_below(&storm->life.prng, 4000),
                          1 + (int32_t)prng_below(&storm->life.prng, 100000));
    reader->asked = true;
    rig_call_start(reader->client, &reader->call, KP_FETCH_KEY, READER_FETCH_VERSION, request);
}

void storm_hang_up(struct broker_storm *storm)
{
    for (uint32_t i = 0; i < STORM_LANES; i++) {
        if (storm->lanes[i].client != NULL) {
            rig_client_free(storm->lanes[i].client);
            storm->lanes[i].client = NULL;
        }
        lane_harvest(&storm->lanes[i]);
    }
    for (uint32_t i = 0; i < STORM_PARTITIONS; i++) {
        if (storm->readers[i].client != NULL) {
            rig_client_free(storm->readers[i].client);
            storm->readers[i].client = NULL;
        }
        if (storm->readers[i].asked) {
            reader_harvest(storm, &storm->readers[i]);
        }
    }
    if (storm->admin != NULL) {
        rig_client_free(storm->admin);
        storm->admin = NULL;
    }
}
