/* Random histories against a model: three producers send the next batch, old ones, gaps and new epochs, while the
 * durable end creeps, memory comes and goes, segments roll, the log fails and the broker stops or crashes.
 *
 * Checked: every append is answered once, as the model says, in its place in the log; no answer that waits for
 * durability comes before it; what was acknowledged is there after every restart, once. */
#include "tests/unit/part/part_fixture.h"
#include "tests/unit/part/part_model.h"

#define STEPS 400
#define SEEDS 60

struct expected {
    struct try attempt;
    bool       wait_durable;
    int16_t    error;
    int64_t    base_offset;
    int64_t    last_offset;
    bool       lost; /* a stop, crash or failure came before its answer was seen */
    bool       seen;
};

struct history {
    struct fixture *fixture;
    struct prng     prng;
    struct model    model;
    struct expected expected[STEPS];
    size_t          expected_count;
};

static uint32_t dice(struct history *history, uint32_t sides)
{
    return (uint32_t)prng_below(&history->prng, sides);
}

/* The log ends at `end_offset` again; what was not answered may not be there. */
static void cut(struct history *history, int64_t end_offset)
{
    model_cut(&history->model, end_offset);
    for (size_t i = 0; i < history->expected_count; i++) {
        history->expected[i].lost |= !history->expected[i].seen;
    }
}

static void check_answers(struct history *history)
{
    int64_t high_watermark = part_high_watermark(history->fixture->part);

    for (size_t i = 0; i < history->expected_count; i++) {
        struct expected          *expected = &history->expected[i];
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
static void check_log(struct history *history)
{
    const struct model *model = &history->model;

    assert_int_equal(part_log_end(history->fixture->part), model->end_offset);
    assert_int_equal(fake_store_disk(history->fixture->log)->batch_count, model->log_count);
    for (size_t i = 0; i < model->log_count; i++) {
        struct rec_batch stored = fixture_stored(history->fixture, i);

        assert_int_equal(stored.base_offset, model->log[i].base_offset);
        assert_int_equal(stored.producer_id, model->log[i].producer_id);
        assert_int_equal(stored.producer_epoch, model->log[i].epoch);
        assert_int_equal(stored.base_sequence, model->log[i].sequence);
        assert_true(rec_batch_crc_ok(&stored));
    }
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

static void step_send(struct history *history)
{
    static const enum rec_codec codecs[] = {REC_NONE, REC_NONE, REC_LZ4};
    struct fixture             *fixture = history->fixture;
    struct expected            *expected = &history->expected[history->expected_count++];
    bool                        large = dice(history, 20) == 0;
    struct model_batch          batch = model_choose(&history->model, &history->prng);
    struct batch_recipe         recipe = {.records = batch.records,
                                          .value_bytes = large ? 300000 : 20,
                                          .idempotent = true,
                                          .producer_id = batch.producer_id,
                                          .producer_epoch = batch.epoch,
                                          .base_sequence = batch.sequence,
                                          .codec = large ? REC_ZSTD : codecs[dice(history, 3)]};

    *expected = (struct expected){.wait_durable = dice(history, 5) != 0};
    expected->error = model_send(&history->model, &batch);
    expected->base_offset = batch.base_offset;
    expected->last_offset = batch.base_offset + batch.records - 1;
    fixture_begin_acks(fixture, &expected->attempt, fixture_batch(fixture, &recipe), expected->wait_durable);
}

static void step_durable(struct history *history)
{
    const struct model *model = &history->model;
    struct store_log   *log = history->fixture->log;
    int64_t             durable = store_log_durable_offset(log);
    int64_t             to = durable + dice(history, (uint32_t)(store_log_end_offset(log) - durable) + 1);

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

static void step_fail(struct history *history)
{
    struct fixture *fixture = history->fixture;
    int16_t         error = -2;

    fake_store_offline(fixture->log);
    cut(history, store_log_durable_offset(fixture->log));
    fixture->store.memory_low = false;
    fake_io_settle(&fixture->io);
    part_retry(fixture->part, retried, &error);
    fake_io_settle(&fixture->io);
    assert_int_equal(error, 0);
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
}

/* A clean stop of the fake keeps what was committed; what waits in the queue is refused. */
static void step_restart(struct history *history, bool crash)
{
    struct fixture *fixture = history->fixture;
    int64_t         end = crash ? store_log_durable_offset(fixture->log) : store_log_end_offset(fixture->log);

    fixture->store.memory_low = false;
    cut(history, end);
    fixture_restart(fixture, crash);
}

static void step(struct history *history)
{
    struct fixture *fixture = history->fixture;
    uint32_t        choice = dice(history, 100);

    if (choice < 60) {
        if (history->model.log_count < MODEL_BATCHES_MAX && history->expected_count < STEPS) {
            step_send(history);
        }
    } else if (choice < 75) {
        step_durable(history);
    } else if (choice < 88) {
        MAYBE(fake_io_turn(&fixture->io) == 0);
    } else if (choice < 91) {
        fixture->store.memory_low = true;
    } else if (choice < 95) {
        fake_store_memory_back(&fixture->store);
    } else if (choice < 97) {
        fake_store_snapshot(fixture->log);
    } else if (choice < 98) {
        step_fail(history);
    } else {
        step_restart(history, choice == 99);
    }
}

static void run_history(struct history *history, uint64_t seed)
{
    struct fixture *fixture = history->fixture;

    prng_init(&history->prng, seed);
    for (int i = 0; i < STEPS; i++) {
        step(history);
        check_answers(history);
    }
    fake_store_memory_back(&fixture->store);
    fixture_flush(fixture);
    check_answers(history);
    check_log(history);
    for (size_t i = 0; i < history->expected_count; i++) {
        assert_int_equal(history->expected[i].attempt.answers, 1);
    }
}

static void histories_match_the_model(void **state)
{
    MAYBE(state == NULL);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history *history = mem_alloc(MEM_TEST, sizeof(*history));
        void           *fixture = NULL;

        assert_int_equal(fixture_setup(&fixture), 0);
        history->fixture = fixture;
        run_history(history, seed);
        assert_int_equal(fixture_teardown(&fixture), 0);
        mem_free(MEM_TEST, history);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(histories_match_the_model)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
