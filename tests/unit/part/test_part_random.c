/* Random histories against a model: three producers send the next batch, old ones, gaps and new epochs, while the
 * durable end creeps, memory comes and goes, segments roll, the log fails and the broker stops or crashes.
 *
 * Checked: every append is answered once, as the model says, in its place in the log; no answer that waits for
 * durability comes before it; what was acknowledged is there after every restart, once. */
#include "tests/unit/part/part_fixture.h"

#include "core/base/prng.h"

#define PRODUCERS   3
#define HISTORY_MAX 400 /* batches in one history, below what the fake disk takes */
#define STEPS       400
#define SEEDS       60

struct model_batch {
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
    int32_t records;
    int64_t base_offset;
};

struct model_producer {
    bool               known;
    int16_t            epoch;
    int32_t            next_sequence;
    struct model_batch window[PART_PRODUCER_BATCHES];
    size_t             window_count;
};

struct expected {
    struct try attempt;
    bool       wait_durable;
    int16_t    error;
    int64_t    base_offset;
    int64_t    last_offset;
    bool       lost; /* a stop, crash or failure came before its answer was sure */
    bool       seen;
};

struct model {
    struct fixture       *fixture;
    struct prng           prng;
    struct model_batch    log[HISTORY_MAX];
    size_t                log_count;
    int64_t               end_offset;
    struct model_producer producers[PRODUCERS];
    struct expected       expected[STEPS];
    size_t                expected_count;
};

static uint32_t dice(struct model *model, uint32_t sides)
{
    return (uint32_t)prng_below(&model->prng, sides);
}

static void model_apply(struct model *model, const struct model_batch *batch)
{
    struct model_producer *producer = &model->producers[batch->producer_id];

    if (!producer->known || producer->epoch != batch->epoch) {
        producer->window_count = 0;
    }
    producer->known = true;
    producer->epoch = batch->epoch;
    producer->next_sequence = batch->sequence + batch->records;
    if (producer->window_count == PART_PRODUCER_BATCHES) {
        memmove(producer->window, producer->window + 1, sizeof(producer->window) - sizeof(producer->window[0]));
        producer->window_count--;
    }
    producer->window[producer->window_count++] = *batch;
}

/* What comes of `batch`, and the model after it. */
static int16_t model_send(struct model *model, struct model_batch *batch)
{
    struct model_producer *producer = &model->producers[batch->producer_id];

    for (size_t i = 0; i < producer->window_count; i++) {
        const struct model_batch *known = &producer->window[i];

        if (known->epoch == batch->epoch && known->sequence == batch->sequence && known->records == batch->records) {
            batch->base_offset = known->base_offset;
            return 0;
        }
    }
    batch->base_offset = -1;
    if (producer->known && batch->epoch < producer->epoch) {
        return KP_ERR_INVALID_PRODUCER_EPOCH;
    }
    if (producer->known && batch->sequence != (batch->epoch == producer->epoch ? producer->next_sequence : 0)) {
        return KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    batch->base_offset = model->end_offset;
    model->end_offset += batch->records;
    model->log[model->log_count++] = *batch;
    model_apply(model, batch);
    return 0;
}

/* The log ends at `end_offset` again; what was not sure is lost. */
static void model_cut(struct model *model, int64_t end_offset)
{
    size_t count = model->log_count;

    memset(model->producers, 0, sizeof(model->producers));
    model->log_count = 0;
    model->end_offset = 0;
    for (size_t i = 0; i < count && model->log[i].base_offset < end_offset; i++) {
        model->log_count++;
        model->end_offset = model->log[i].base_offset + model->log[i].records;
        model_apply(model, &model->log[i]);
    }
    for (size_t i = 0; i < model->expected_count; i++) {
        struct expected *expected = &model->expected[i];

        expected->lost |= !expected->seen;
    }
}

static void check_answers(struct model *model)
{
    int64_t high_watermark = part_high_watermark(model->fixture->part);

    for (size_t i = 0; i < model->expected_count; i++) {
        struct expected          *expected = &model->expected[i];
        const struct part_append *append = &expected->attempt.append;

        assert_true(expected->attempt.answers <= 1);
        if (expected->attempt.answers == 0 || expected->seen) {
            continue;
        }
        expected->seen = true;
        if (expected->lost && append->error != expected->error) {
            assert_true(append->error == KP_ERR_KAFKA_STORAGE_ERROR || append->error == KP_ERR_NOT_LEADER_OR_FOLLOWER);
            continue;
        }
        assert_int_equal(append->error, expected->error);
        assert_int_equal(append->base_offset, expected->base_offset);
        if (append->error == 0) {
            assert_int_equal(append->last_offset, expected->last_offset);
            assert_true(IMPLIES(expected->wait_durable && !expected->lost, append->last_offset < high_watermark));
        }
    }
}

/* What is on the disk is what the model holds, in its order, once. */
static void check_log(struct model *model)
{
    assert_int_equal(part_log_end(model->fixture->part), model->end_offset);
    assert_int_equal(fake_store_disk(model->fixture->log)->batch_count, model->log_count);
    for (size_t i = 0; i < model->log_count; i++) {
        struct rec_batch stored = fixture_stored(model->fixture, i);

        assert_int_equal(stored.base_offset, model->log[i].base_offset);
        assert_int_equal(stored.producer_id, model->log[i].producer_id);
        assert_int_equal(stored.producer_epoch, model->log[i].epoch);
        assert_int_equal(stored.base_sequence, model->log[i].sequence);
        assert_true(rec_batch_crc_ok(&stored));
    }
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void step_send(struct model *model)
{
    static const enum rec_codec codecs[] = {REC_NONE, REC_NONE, REC_LZ4};
    struct fixture             *fixture = model->fixture;
    struct expected            *expected = &model->expected[model->expected_count++];
    struct model_batch          batch = {.producer_id = dice(model, PRODUCERS)};
    struct model_producer      *producer = &model->producers[batch.producer_id];
    bool                        large = dice(model, 20) == 0;

    batch.records = 1 + (int32_t)dice(model, 3);
    batch.epoch = producer->epoch;
    batch.sequence = producer->next_sequence;
    switch (dice(model, 10)) {
    case 0:
    case 1:
    case 2:
        if (producer->window_count > 0) {
            batch = producer->window[dice(model, (uint32_t)producer->window_count)];
        }
        break;
    case 3:
        batch.sequence += 1 + (int32_t)dice(model, 3);
        break;
    case 4:
        batch.epoch = (int16_t)(batch.epoch + (int16_t)dice(model, 3) - 1);
        batch.epoch = MAX(batch.epoch, 0);
        batch.sequence = (int32_t)dice(model, 2) == 0 ? 0 : batch.sequence;
        break;
    default:
        break;
    }
    *expected = (struct expected){.wait_durable = dice(model, 5) != 0};
    expected->error = model_send(model, &batch);
    expected->base_offset = batch.base_offset;
    expected->last_offset = batch.base_offset + batch.records - 1;
    fixture_begin_acks(
        fixture, &expected->attempt,
        fixture_batch(fixture, &(struct batch_recipe){.records = batch.records,
                                                      .value_bytes = large ? 300000 : 20,
                                                      .idempotent = true,
                                                      .producer_id = batch.producer_id,
                                                      .producer_epoch = batch.epoch,
                                                      .base_sequence = batch.sequence,
                                                      .codec = large ? REC_ZSTD : codecs[dice(model, 3)]}),
        expected->wait_durable);
}

static void step_durable(struct model *model)
{
    struct store_log *log = model->fixture->log;
    int64_t           durable = store_log_durable_offset(log);
    int64_t           to = durable + dice(model, (uint32_t)(store_log_end_offset(log) - durable) + 1);

    for (size_t i = 0; i < model->log_count; i++) { /* whole batches */
        if (model->log[i].base_offset < to && to < model->log[i].base_offset + model->log[i].records) {
            to = model->log[i].base_offset;
        }
    }
    fake_store_durable(log, MAX(to, durable));
}

static void retried(void *context, int16_t error)
{
    int16_t *out = context;

    *out = error;
}

static void step_fail(struct model *model)
{
    struct fixture *fixture = model->fixture;
    int16_t         error = -2;

    fake_store_offline(fixture->log);
    model_cut(model, store_log_durable_offset(fixture->log));
    fixture->store.memory_low = false;
    fake_io_settle(&fixture->io);
    part_retry(fixture->part, retried, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
}

/* A clean stop of the fake keeps what was committed; what waits in the queue is refused. */
static void step_restart(struct model *model, bool crash)
{
    struct fixture *fixture = model->fixture;
    int64_t         end = crash ? store_log_durable_offset(fixture->log) : store_log_end_offset(fixture->log);

    fixture->store.memory_low = false;
    model_cut(model, end);
    fixture_restart(fixture, crash);
}

static void step(struct model *model)
{
    struct fixture *fixture = model->fixture;
    uint32_t        choice = dice(model, 100);

    if (choice < 60) {
        if (model->log_count < HISTORY_MAX && model->expected_count < STEPS) {
            step_send(model);
        }
    } else if (choice < 75) {
        step_durable(model);
    } else if (choice < 88) {
        MAYBE(fake_io_turn(&fixture->io) == 0);
    } else if (choice < 91) {
        fixture->store.memory_low = true;
    } else if (choice < 95) {
        fake_store_memory_back(&fixture->store);
    } else if (choice < 97) {
        fake_store_snapshot(fixture->log);
    } else if (choice < 98) {
        step_fail(model);
    } else {
        step_restart(model, choice == 99);
    }
}

static void run_history(struct model *model, uint64_t seed)
{
    struct fixture *fixture = model->fixture;

    prng_init(&model->prng, seed);
    for (int i = 0; i < STEPS; i++) {
        step(model);
        check_answers(model);
    }
    fake_store_memory_back(&fixture->store);
    fixture_flush(fixture);
    check_answers(model);
    check_log(model);
    for (size_t i = 0; i < model->expected_count; i++) {
        assert_int_equal(model->expected[i].attempt.answers, 1);
    }
}

static void histories_match_the_model(void **state)
{
    MAYBE(state == NULL);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct model *model = mem_alloc(MEM_TEST, sizeof(*model));
        void         *fixture = NULL;

        assert_int_equal(fixture_setup(&fixture), 0);
        model->fixture = fixture;
        run_history(model, seed);
        assert_int_equal(fixture_teardown(&fixture), 0);
        mem_free(MEM_TEST, model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(histories_match_the_model)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
