/* cli_bench_make.c: batches, made ahead or anew, and the requests around them. */
#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "tools/cli/cli_bench.h"

#define MAKE_ARENA_BYTES ((size_t)(64 * MIB))
#define MAKE_WORD_BYTES  8 /* values are made of such words, out of 512: they compress to about a half */
#define MAKE_CLIENT      "millrace-bench"
#define MAKE_TIMEOUT_MS  30000
/* In a batch: the CRC; producer id, epoch and first sequence. */
#define MAKE_CRC_PLACE      17
#define MAKE_PRODUCER_PLACE 43
#define MAKE_PRODUCER_BYTES 14

/* --- records ----------------------------------------------------------------------------------------------------- */

static void make_value(struct prng *prng, uint8_t *to, size_t bytes)
{
    static const char letters[] = "etaoinshrdlucmfw";

    for (size_t at = 0; at < bytes; at += MAKE_WORD_BYTES) {
        uint64_t word = prng_below(prng, 512) * UINT64_C(0x9e3779b97f4a7c15);

        for (size_t i = at; i < MIN(at + MAKE_WORD_BYTES, bytes); i++, word >>= 4) {
            to[i] = (uint8_t)letters[word & 15];
        }
    }
}

static void make_record(struct bench *bench, struct rec_builder *builder, uint8_t *value)
{
    char        text[32];
    struct view key = {0};

    if (bench->plan.keys > 0) {
        key = view_of((const uint8_t *)text, bench_key_text(bench_key(bench), text, sizeof(text)));
    }
    make_value(&bench->prng, value, bench->plan.record_bytes);
    rec_builder_add(builder, cli_now_ms(), key, view_of(value, bench->plan.record_bytes), NULL, 0);
}

/* As many records as fit, one at least; before compression, as batch.size of Kafka's producer counts. */
static struct view make_batch(struct bench *bench, struct arena *arena, int32_t *out_records)
{
    struct rec_builder builder;
    struct view        batch = {0};
    uint8_t           *value = arena_alloc(arena, bench->plan.record_bytes + 1);
    size_t             record_bytes = bench->plan.record_bytes + 24; /* its length, deltas and a short key */

    rec_builder_init(&builder, arena);
    do {
        make_record(bench, &builder, value);
    } while (builder.len + record_bytes + REC_HEADER_BYTES <= bench->plan.batch_bytes);
    *out_records = builder.record_count;
    if (rec_builder_finish(&builder, bench->plan.codec, 0, &batch) != ERR_OK) {
        cli_die(bench->cli, CLI_FAILED, "no memory for a batch of %zu bytes", bench->plan.batch_bytes);
    }
    return batch;
}

void bench_stamp_producer(uint8_t *header, size_t batch_bytes, const struct bench_place *place, uint64_t sequence)
{
    uint8_t  before[MAKE_PRODUCER_BYTES], difference[MAKE_PRODUCER_BYTES];
    uint8_t *producer = header + MAKE_PRODUCER_PLACE;
    uint32_t crc = load_be32(header + MAKE_CRC_PLACE);

    memcpy(before, producer, sizeof(before));
    store_be64(producer, (uint64_t)place->producer_id);
    store_be16(producer + 8, (uint16_t)place->producer_epoch);
    store_be32(producer + 10, (uint32_t)(sequence & INT32_MAX)); /* behind the largest one comes 0 */
    for (size_t i = 0; i < sizeof(before); i++) {
        difference[i] = (uint8_t)(before[i] ^ producer[i]);
    }
    crc = crc32c_patch(crc, difference, sizeof(difference), batch_bytes - MAKE_PRODUCER_PLACE - MAKE_PRODUCER_BYTES);
    store_be32(header + MAKE_CRC_PLACE, crc);
}

void bench_make_slots(struct bench *bench)
{
    for (int i = 0; i < BENCH_SLOTS; i++) {
        arena_init(&bench->slot_arenas[i], MEM_CLI, 64 * KIB, MAKE_ARENA_BYTES);
        bench->slots[i] = make_batch(bench, &bench->slot_arenas[i], &bench->slot_records[i]);
    }
}

void bench_slots_free(struct bench *bench)
{
    for (int i = 0; i < BENCH_SLOTS; i++) {
        arena_deinit(&bench->slot_arenas[i]);
    }
}

/* One record that says which run it is of and when it was due. */
static struct view make_stamped(struct bench *bench, struct arena *arena, int64_t due_ns)
{
    struct rec_builder builder;
    struct view        batch = {0};
    size_t             bytes = MAX(bench->plan.record_bytes, (size_t)BENCH_STAMP_BYTES);
    uint8_t           *value = arena_alloc(arena, bytes);

    CHECK(value != NULL);
    store_be64(value, bench->run_id);
    store_be64(value + 8, (uint64_t)due_ns);
    make_value(&bench->prng, value + BENCH_STAMP_BYTES, bytes - BENCH_STAMP_BYTES);
    rec_builder_init(&builder, arena);
    rec_builder_add(&builder, cli_now_ms(), (struct view){0}, view_of(value, bytes), NULL, 0);
    CHECK(rec_builder_finish(&builder, bench->plan.codec, 0, &batch) == ERR_OK);
    return batch;
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* The frame into conn->parts; what stands in front of the body is written here. */
void bench_make_request(struct bench_conn *conn, int16_t api_key, const void *request)
{
    struct kp_request_header header = {
        .api_key = api_key, .api_version = conn->version, .client_id = view_text(MAKE_CLIENT)};
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            count = 0;
    uint8_t           *length;

    kp_writer_init_arena(&writer, &conn->arena, 0);
    length = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    kp_api_known(api_key)->request.encode(&writer, conn->version, request);
    segments = kp_writer_segments(&writer, &count);
    if (writer.error != ERR_OK) {
        cli_die(conn->bench->cli, CLI_FAILED, "a request cannot be made: %s", err_text(writer.error));
    }
    store_be32(length, (uint32_t)(writer.bytes_total - 4));
    conn->parts = segments;
    conn->part_count = count;
    conn->part_at = 0;
    conn->part_sent = 0;
}

static struct view make_next(struct bench_conn *conn, struct bench_place *place, int64_t due_ns, int32_t *out_records)
{
    struct bench *bench = conn->bench;
    size_t        slot = (place->first_slot + place->sent) % BENCH_SLOTS;

    if (bench->plan.stamped) {
        *out_records = 1;
        return make_stamped(bench, &conn->arena, due_ns);
    }
    if (bench->plan.fresh) {
        return make_batch(bench, &conn->arena, out_records);
    }
    *out_records = bench->slot_records[slot];
    return bench->slots[slot];
}

/* Batches are shared by all connections: what only this producer's has is written into a copy of the first bytes. */
static void make_sequenced(struct bench_conn *conn, const struct bench_place *place, struct view batch,
                           struct view parts[2])
{
    uint8_t *header = arena_alloc(&conn->arena, REC_HEADER_BYTES);

    CHECK(header != NULL && batch.len > REC_HEADER_BYTES);
    memcpy(header, batch.base, REC_HEADER_BYTES);
    bench_stamp_producer(header, batch.len, place, place->sent_records);
    parts[0] = view_of(header, REC_HEADER_BYTES);
    parts[1] = view_of(batch.base + REC_HEADER_BYTES, batch.len - REC_HEADER_BYTES);
}

void bench_make_produce(struct bench_conn *conn, struct bench_place *place, int64_t due_ns,
                        struct bench_flight *out_flight)
{
    struct kp_produce_request                           request;
    struct kp_produce_request_topic_data                topic;
    struct kp_produce_request_topic_data_partition_data partition;
    struct view                                         batch, pieces[2];
    int32_t                                             records = 0;

    arena_reset(&conn->arena);
    batch = make_next(conn, place, due_ns, &records);
    kp_produce_request_init(&request);
    kp_produce_request_topic_data_init(&topic);
    kp_produce_request_topic_data_partition_data_init(&partition);
    partition.index = place->partition;
    partition.records = batch;
    if (place->producer_id >= 0) {
        make_sequenced(conn, place, batch, pieces);
        partition.records_parts = pieces;
        partition.records_parts_count = 2;
    }
    topic.name = view_text(conn->bench->plan.topic);
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = conn->bench->plan.acks;
    request.timeout_ms = MAKE_TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    bench_make_request(conn, KP_PRODUCE_KEY, &request);
    place->sent++;
    place->sent_records += (uint64_t)records;
    *out_flight = (struct bench_flight){.due_ns = due_ns,
                                        .batch_bytes = batch.len,
                                        .records = records,
                                        .place = (int32_t)(place - conn->bench->places)};
}

void bench_make_fetch(struct bench_conn *conn, int32_t wait_ms)
{
    struct kp_fetch_request                    request;
    struct kp_fetch_request_topics             topic;
    struct kp_fetch_request_topics_partitions *asked;
    int32_t                                    count = 0;

    arena_reset(&conn->arena);
    asked = arena_alloc_array(&conn->arena, (size_t)conn->place_count, sizeof(*asked));
    CHECK(asked != NULL);
    kp_fetch_request_init(&request);
    kp_fetch_request_topics_init(&topic);
    for (int32_t i = 0; i < conn->place_count; i++) { /* another one is first each time, so that none starves */
        const struct bench_place *place = conn->places[(i + conn->place_at) % conn->place_count];

        if (place->next_offset < place->end_offset) {
            kp_fetch_request_topics_partitions_init(&asked[count]);
            asked[count].partition = place->partition;
            asked[count].fetch_offset = place->next_offset;
            asked[count++].partition_max_bytes = (int32_t)conn->bench->plan.fetch_bytes;
        }
    }
    conn->place_at = (conn->place_at + 1) % conn->place_count;
    topic.topic = view_text(conn->bench->plan.topic);
    topic.partitions = asked;
    topic.partitions_count = count;
    request.replica_id = -1;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = (int32_t)conn->bench->plan.fetch_bytes;
    request.topics = &topic;
    request.topics_count = 1;
    bench_make_request(conn, KP_FETCH_KEY, &request);
}
