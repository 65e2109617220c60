/* Parts over the real store in a simulated machine: power cuts, kills, failed writes, clean stops, small segments,
 * deleted records; what producers and readers were told holds afterwards.
 *
 * Checked after every start: the log is a beginning of what was sent, in its order and without a batch twice; it holds
 * all that was acknowledged; every batch comes back with its producer's fields and a CRC that matches. The producers'
 * state is then the log's: the model, cut to the log, foretells every following answer. */
#include "tests/unit/part/part_machine.h"
#include "tests/unit/part/part_model.h"

#include "core/base/slog.h"

#define SEEDS  6
#define ROUNDS 10 /* starts of one machine */
#define SENDS  30 /* in one round, at most */

struct sent {
    struct part_append append;
    int16_t            error;
    int64_t            base_offset;
    int64_t            end_offset;
    int                answers;
};

struct machine {
    struct part_machine on;
    struct arena        arena;
    struct model        model;
    struct model        doubtful; /* the model with the batches of a failed write, which may be found later */
    size_t              doubtful_after;
    struct sent         sent[SENDS];
    size_t              sent_count;
    int64_t             acknowledged_end; /* everything below was promised */
};

/* --- producing ------------------------------------------------------------------------------------------------------
 */

static void answered(struct part_append *append)
{
    CONTAINER_OF(append, struct sent, append)->answers++;
}

static struct view make_batch(struct machine *machine, const struct model_batch *batch, size_t value_bytes)
{
    struct rec_builder builder;
    struct view        bytes = {0};
    uint8_t           *value = arena_alloc(&machine->arena, value_bytes);

    memset(value, 'a' + (int)batch->producer_id, value_bytes);
    rec_builder_init(&builder, &machine->arena);
    builder.producer_id = batch->producer_id;
    builder.producer_epoch = batch->epoch;
    builder.base_sequence = batch->sequence;
    for (int32_t i = 0; i < batch->records; i++) {
        rec_builder_add(&builder, io_wall_ms(machine->on.io), view_text("key"), view_of(value, value_bytes), NULL, 0);
    }
    assert_int_equal(
        rec_builder_finish(&builder, prng_below(&machine->on.prng, 4) == 0 ? REC_LZ4 : REC_NONE, 0, &bytes), ERR_OK);
    return bytes;
}

static void send(struct machine *machine)
{
    struct sent       *sent = &machine->sent[machine->sent_count++];
    struct model_batch batch = model_choose(&machine->model, &machine->on.prng);
    size_t             value_bytes = prng_below(&machine->on.prng, 6) == 0 ? 30000 : 100;

    *sent = (struct sent){.append = {.records = make_batch(machine, &batch, value_bytes),
                                     .zstd_allowed = true,
                                     .wait_durable = true,
                                     .done = answered}};
    sent->error = model_send(&machine->model, &batch);
    sent->base_offset = batch.base_offset;
    sent->end_offset = batch.base_offset + batch.records;
    part_append(machine->on.part, &sent->append);
}

/* `sure`: nothing has gone wrong, so that every answer is the model's. */
static void check_answers(struct machine *machine, bool sure)
{
    for (size_t i = 0; i < machine->sent_count; i++) {
        const struct sent *sent = &machine->sent[i];

        if (sent->answers == 0) {
            assert_false(sure);
            continue;
        }
        assert_int_equal(sent->answers, 1);
        if (!sure && sent->append.error != sent->error) {
            assert_true(kp_error_is_retriable(sent->append.error));
            continue;
        }
        assert_int_equal(sent->append.error, sent->error);
        assert_int_equal(sent->append.base_offset, sent->base_offset);
        if (sent->error == KP_ERR_NONE) {
            machine->acknowledged_end = MAX(machine->acknowledged_end, sent->end_offset);
        }
    }
}

static bool all_answered(void *context)
{
    struct machine *machine = context;

    for (size_t i = 0; i < machine->sent_count; i++) {
        if (machine->sent[i].answers == 0) {
            return false;
        }
    }
    return true;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static size_t check_stored(const struct model *model, size_t index, struct view bytes)
{
    while (bytes.len > 0) {
        struct rec_batch stored = {0};

        assert_int_equal(rec_batch_parse(bytes, &stored), ERR_OK);
        assert_true(index < model->log_count);
        assert_int_equal(stored.base_offset, model->log[index].base_offset);
        assert_int_equal(stored.producer_id, model->log[index].producer_id);
        assert_int_equal(stored.producer_epoch, model->log[index].epoch);
        assert_int_equal(stored.base_sequence, model->log[index].sequence);
        assert_int_equal(stored.record_count, model->log[index].records);
        assert_true(rec_batch_crc_ok(&stored));
        bytes.base += stored.bytes.len;
        bytes.len -= stored.bytes.len;
        index++;
    }
    return index;
}

/* Reads all there is, compares, and cuts the model to it. */
static void check_log(struct machine *machine)
{
    struct part_read *read = mem_alloc(MEM_TEST, sizeof(*read));
    struct model     *model = &machine->model;
    int64_t           offset = part_log_start(machine->on.part);
    size_t            index = 0;

    while (index < model->log_count && model->log[index].base_offset + model->log[index].records <= offset) {
        index++;
    }
    assert_true(part_high_watermark(machine->on.part) >= machine->acknowledged_end);
    if (part_high_watermark(machine->on.part) > model->end_offset && model->log_count == machine->doubtful_after) {
        *model = machine->doubtful; /* nothing has taken their offsets since */
    }
    while (offset < part_high_watermark(machine->on.part)) {
        struct view batches;

        *read = (struct part_read){
            .offset = offset, .bytes_max = 1 + prng_below(&machine->on.prng, 100000), .at_least_one = true};
        batches = part_machine_read(&machine->on, read);
        index = check_stored(model, index, batches);
        offset = read->store.next_offset;
        mem_free(MEM_TEST, (void *)(uintptr_t)batches.base);
    }
    mem_free(MEM_TEST, read);
    model_cut(model, offset);
    assert_int_equal(model->end_offset, part_log_end(machine->on.part));
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

/* Producers whose batches are deleted may be forgotten by an unclean stop: those remembered stay. */
static int64_t first_remembered(const struct machine *machine)
{
    int64_t first = machine->model.end_offset;

    for (size_t i = 0; i < MODEL_PRODUCERS; i++) {
        const struct model_producer *producer = &machine->model.producers[i];

        first = producer->window_count > 0 ? MIN(first, producer->window[0].base_offset) : first;
    }
    return first;
}

static void delete_some(struct machine *machine)
{
    int64_t start_offset = part_log_start(machine->on.part);
    int64_t end_offset = MAX(start_offset, first_remembered(machine));
    int64_t to = start_offset + (int64_t)prng_below(&machine->on.prng, (uint64_t)(end_offset - start_offset) + 1);

    part_delete_records(machine->on.part, to, part_machine_done, &machine->on);
    part_machine_wait(&machine->on);
    assert_int_equal(machine->on.result, KP_ERR_NONE);
    assert_int_equal(part_log_start(machine->on.part), to);
}

static void produce_some(struct machine *machine)
{
    size_t count = 1 + prng_below(&machine->on.prng, SENDS - 5);

    for (size_t i = 0; i < count && machine->model.log_count < MODEL_BATCHES_MAX; i++) {
        send(machine);
        if (prng_below(&machine->on.prng, 3) == 0) {
            sim_run_for(machine->on.sim, (int64_t)prng_below(&machine->on.prng, NS_PER_MS));
        }
    }
}

static bool part_is_offline(void *context)
{
    struct machine *machine = context;

    return !part_online(machine->on.part) || all_answered(machine);
}

/* A write fails: the part goes offline, refuses, and comes back by itself with what is on the disk. */
static void fail_a_write(struct machine *machine)
{
    sim_fail_nth(machine->on.sim, 0, 1, SIM_FAIL_WRITE, ERR_IO, false);
    for (int i = 0; i < 3 && machine->sent_count < SENDS; i++) {
        send(machine);
    }
    assert_true(sim_run_until(machine->on.sim, part_is_offline, machine, PATIENCE_NS));
    assert_true(sim_run_until(machine->on.sim, all_answered, machine, PATIENCE_NS));
    sim_fail_nth(machine->on.sim, 0, 0, SIM_FAIL_WRITE, ERR_IO, false);
    check_answers(machine, false);
    machine->sent_count = 0;
    machine->doubtful = machine->model;
    if (!part_online(machine->on.part)) {
        part_retry(machine->on.part, part_machine_done, &machine->on);
        part_machine_wait(&machine->on);
        if (machine->on.result !=
            KP_ERR_NONE) { /* what the journal holds is in doubt: only a restart can read it back */
            assert_int_equal(machine->on.result, KP_ERR_KAFKA_STORAGE_ERROR);
            return;
        }
    }
    check_log(machine);
    machine->doubtful_after = machine->model.log_count;
    /* A failed journal may still refuse small ones. */
    produce_some(machine);
    assert_true(sim_run_until(machine->on.sim, all_answered, machine, PATIENCE_NS));
    check_answers(machine, false);
    machine->sent_count = 0;
    model_cut(&machine->model, part_log_end(machine->on.part));
}

static void run_round(struct machine *machine)
{
    uint64_t ending = prng_below(&machine->on.prng, 5);

    machine->on.options.leader_epoch++;
    part_machine_start(&machine->on);
    check_log(machine);
    machine->sent_count = 0;
    produce_some(machine);
    if (ending <= 2) {
        sim_run_for(machine->on.sim, (int64_t)prng_below(&machine->on.prng, 300 * NS_PER_US));
        check_answers(machine, false);
        part_machine_cut(&machine->on, ending == 0);
        return;
    }
    assert_true(sim_run_until(machine->on.sim, all_answered, machine, PATIENCE_NS));
    check_answers(machine, true);
    check_log(machine);
    machine->sent_count = 0;
    if (prng_below(&machine->on.prng, 3) == 0) {
        delete_some(machine);
        check_log(machine);
    }
    if (ending == 3) {
        fail_a_write(machine);
    }
    part_machine_stop(&machine->on);
}

static void run_machine(uint64_t seed)
{
    struct machine    *machine = mem_alloc(MEM_TEST, sizeof(*machine));
    struct sim_options world;

    if (seed % 2 == 0) {
        sim_options_default(&world, seed);
    } else {
        sim_options_swarm(&world, seed, false);
    }
    machine->on.sim = sim_create(&world);
    machine->on.store_options =
        (struct store_options){.directory = "data/shard-0", .journal_bytes = MIB, .cache_bytes = 2 * MIB};
    machine->on.options = (struct part_options){
        .topic_id = {{7}},
        .topic = view_text("orders"),
        .settings = {.policy = {.durable_on_append = true,
                                .segment_bytes = seed % 3 == 0 ? 128 * KIB : 1 * MIB,
                                .index_interval_bytes = 4096,
                                .retention_ms = -1,
                                .retention_bytes = -1,
                                .delete_enabled = true},
                     .batch_bytes_max = 1048588,
                     .timestamp_before_max_ms = INT64_MAX,
                     .timestamp_after_max_ms = INT64_MAX,
                     .codec = -1,
                     .producer_expiry_ms = 86400 * MS_PER_S},
    };
    arena_init(&machine->arena, MEM_TEST, 256 * KIB, 256 * MIB);
    prng_init(&machine->on.prng, seed);
    for (int round = 0; round < ROUNDS; round++) {
        run_round(machine);
    }
    machine->on.options.leader_epoch++;
    part_machine_start(&machine->on);
    check_log(machine);
    part_machine_stop(&machine->on);
    sim_destroy(machine->on.sim);
    arena_deinit(&machine->arena);
    mem_free(MEM_TEST, machine);
}

static void sink(enum slog_level level, const char *room, const char *text)
{
    MAYBE(level == SLOG_ERROR && room != NULL && text != NULL);
}

static void promises_hold_over_power_cuts(void **state)
{
    MAYBE(state == NULL);
    slog_set_sink(sink);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_machine(seed);
    }
    slog_set_sink(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promises_hold_over_power_cuts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
