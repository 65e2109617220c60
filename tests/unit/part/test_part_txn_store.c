/* Transactions over the real store in a simulated machine: power cuts, kills, clean stops, small segments, and for
 * every other machine compaction, which takes aborted batches, then markers.
 *
 * The oracle is the log itself: after every start it is read whole, and what each transaction became is taken from its
 * markers. Checked against it: the last stable offset is the first batch of a transaction without marker, or the high
 * watermark; a reader of committed data, from any offset and in portions of any size, sees exactly the batches that are
 * plain or committed; the part describes each producer as its last batch or marker left it. */
#include "tests/unit/part/part_machine.h"

#include "core/base/slog.h"

#define SEEDS       24 /* 23: a crash brings back what compaction had forgotten */
#define ROUNDS      8
#define STEPS       60 /* in one round, at most */
#define PRODUCERS   4
#define ENTRIES_MAX 1024

enum kind { PLAIN, DATA, COMMIT, ABORT, EMPTIED /* a marker that compaction has left for its epoch */ };

struct entry {
    enum kind kind;
    int64_t   producer_id;
    int16_t   epoch;
    int32_t   last_sequence;
    int64_t   base_offset, last_offset;
    int64_t   end; /* of DATA: its marker's index; -1 open */
};

struct producer {
    int16_t epoch;
    int32_t sequence;
};

/* What is on its way; kept until the end of the round. */
struct sending {
    struct part_append append;
    struct part_marker marker;
    int                answers;
};

struct machine {
    struct part_machine on;
    struct arena        arena;
    struct entry        log[ENTRIES_MAX];
    int64_t             log_count;
    struct producer     producers[PRODUCERS];
    struct sending      sending[STEPS];
    size_t              sending_count;
    size_t              answers;
    bool                compacts;
};

static uint64_t dice(struct machine *machine, uint64_t sides)
{
    return prng_below(&machine->on.prng, sides);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* The batches back to back, in memory of the caller. */
static struct view read_some(struct machine *machine, struct part_read *read, int64_t offset, bool committed)
{
    *read = (struct part_read){.offset = offset,
                               .bytes_max = 1 + dice(machine, 60000),
                               .at_least_one = true,
                               .committed = committed,
                               .arena = &machine->arena};
    return part_machine_read(&machine->on, read);
}

static bool next_batch(struct view *rest, struct rec_batch *out_batch)
{
    if (rest->len == 0) {
        return false;
    }
    assert_int_equal(rec_batch_parse(*rest, out_batch), ERR_OK);
    *rest = view_of(rest->base + out_batch->bytes.len, rest->len - out_batch->bytes.len);
    return true;
}

static void note_batch(struct machine *machine, const struct rec_batch *batch)
{
    struct entry     *entry = &machine->log[machine->log_count];
    struct rec_marker marker = {0};

    assert_true(machine->log_count < ENTRIES_MAX);
    *entry = (struct entry){.kind = (batch->attributes & REC_ATTR_TRANSACTIONAL) != 0 ? DATA : PLAIN,
                            .producer_id = batch->producer_id,
                            .epoch = batch->producer_epoch,
                            .last_sequence = batch->base_sequence + batch->last_offset_delta,
                            .base_offset = batch->base_offset,
                            .last_offset = rec_batch_last_offset(batch),
                            .end = -1};
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        if (batch->record_count == 0) {
            entry->kind = EMPTIED;
            machine->log_count++;
            return;
        }
        assert_int_equal(rec_marker_parse(batch, &marker), ERR_OK);
        entry->kind = marker.type == REC_CONTROL_COMMIT ? COMMIT : ABORT;
        for (int64_t i = 0; i < machine->log_count; i++) {
            struct entry *other = &machine->log[i];

            if (other->kind == DATA && other->end < 0 && other->producer_id == entry->producer_id) {
                other->end = machine->log_count;
            }
        }
    }
    machine->log_count++;
}

static void read_log(struct machine *machine)
{
    struct part_read *read = mem_alloc(MEM_TEST, sizeof(*read));
    int64_t           offset = 0;

    machine->log_count = 0;
    while (offset < part_high_watermark(machine->on.part)) {
        struct view      bytes = read_some(machine, read, offset, false);
        struct view      rest = bytes;
        struct rec_batch batch;

        while (next_batch(&rest, &batch)) {
            note_batch(machine, &batch);
        }
        offset = read->store.next_offset;
        mem_free(MEM_TEST, (void *)(uintptr_t)bytes.base);
    }
    mem_free(MEM_TEST, read);
}

/* As Kafka's consumers: index of the next entry. */
static int64_t check_committed(struct machine *machine, struct part_read *read, int64_t at)
{
    struct view      bytes = read_some(machine, read, machine->log[at].base_offset, true);
    struct view      rest = bytes;
    struct rec_batch batch;
    bool             skips[PRODUCERS] = {0};
    int32_t          next_aborted = 0;

    while (next_batch(&rest, &batch)) {
        const struct entry *entry = &machine->log[at++];
        bool                shown;

        assert_int_equal(batch.base_offset, entry->base_offset);
        while (next_aborted < read->aborted_count &&
               read->aborted[next_aborted].first_offset <= rec_batch_last_offset(&batch)) {
            skips[read->aborted[next_aborted++].producer_id] = true;
        }
        shown = entry->kind == PLAIN || (entry->kind == DATA && !skips[entry->producer_id]);
        if (entry->kind == ABORT) {
            skips[entry->producer_id] = false;
        }
        assert_int_equal(shown,
                         entry->kind == PLAIN || (entry->kind == DATA && machine->log[entry->end].kind == COMMIT));
    }
    mem_free(MEM_TEST, (void *)(uintptr_t)bytes.base);
    return at;
}

static void check_readers(struct machine *machine)
{
    struct part_read *read = mem_alloc(MEM_TEST, sizeof(*read));
    int64_t           stable = part_high_watermark(machine->on.part);
    int64_t           stable_at = machine->log_count;

    for (int64_t i = machine->log_count - 1; i >= 0; i--) {
        if (machine->log[i].kind == DATA && machine->log[i].end < 0) {
            stable = machine->log[i].base_offset;
            stable_at = i;
        }
    }
    assert_int_equal(part_last_stable_offset(machine->on.part), stable);
    for (int64_t at = (int64_t)dice(machine, (uint64_t)stable_at + 1); at < stable_at;) {
        at = check_committed(machine, read, at);
        assert_true(at <= stable_at);
    }
    mem_free(MEM_TEST, read);
}

/* What is described is what the log says; the producers go on from there. */
static void check_producers(struct machine *machine)
{
    struct part_producer_info found[PRODUCERS];
    struct part_producer_info info;
    size_t                    position = 0;

    memset(found, 0xff, sizeof(found));
    memset(machine->producers, 0, sizeof(machine->producers));
    while (part_producer_next(machine->on.part, &position, &info)) {
        found[info.producer_id] = info;
    }
    for (int64_t id = 0; id < PRODUCERS; id++) {
        struct part_producer_info want = {.producer_id = -1};

        for (int64_t i = 0; i < machine->log_count; i++) {
            const struct entry *entry = &machine->log[i];

            if (entry->kind == PLAIN || entry->producer_id != id) {
                continue;
            }
            if (want.producer_id < 0) {
                want = (struct part_producer_info){
                    .producer_id = id, .producer_epoch = -1, .coordinator_epoch = -1, .txn_first_offset = -1};
            }
            want.last_sequence = want.producer_epoch != entry->epoch ? -1 : want.last_sequence;
            want.producer_epoch = entry->epoch;
            want.last_sequence = entry->kind == DATA ? entry->last_sequence : want.last_sequence;
            if (entry->kind == COMMIT || entry->kind == ABORT) {
                want.txn_first_offset = -1;
            } else if (entry->kind == DATA && want.txn_first_offset < 0) {
                want.txn_first_offset = entry->base_offset;
            }
        }
        assert_int_equal(found[id].producer_id, want.producer_id);
        if (want.producer_id >= 0) {
            assert_int_equal(found[id].producer_epoch, want.producer_epoch);
            assert_int_equal(found[id].last_sequence, want.last_sequence);
            assert_int_equal(found[id].txn_first_offset, want.txn_first_offset);
            machine->producers[id] =
                (struct producer){.epoch = want.producer_epoch, .sequence = want.last_sequence + 1};
        }
    }
}

static void check(struct machine *machine)
{
    read_log(machine);
    check_readers(machine);
    check_producers(machine);
    arena_reset(&machine->arena);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static struct machine *answering;

static void append_answered(struct part_append *append)
{
    CONTAINER_OF(append, struct sending, append)->answers++;
    answering->answers++;
}

static void marker_answered(struct part_marker *marker)
{
    CONTAINER_OF(marker, struct sending, marker)->answers++;
    answering->answers++;
}

static bool all_answered(void *context)
{
    struct machine *machine = context;

    return machine->answers == machine->sending_count;
}

static uint64_t guard_of(struct machine *machine, int64_t id, const struct producer *producer)
{
    struct part_ticket ticket = {
        .producer_id = id, .producer_epoch = producer->epoch, .base_sequence = producer->sequence};
    struct list_node followers;

    list_init(&followers);
    if (part_txn_admit(machine->on.part, &ticket) == PART_ADMIT_ASK) {
        part_txn_answer(machine->on.part, &ticket, 0, &followers);
    }
    return ticket.guard;
}

static void send_batch(struct machine *machine, int64_t id)
{
    struct sending    *sending = &machine->sending[machine->sending_count++];
    struct producer   *producer = id < 0 ? NULL : &machine->producers[id];
    size_t             value_bytes = dice(machine, 6) == 0 ? 20000 : 100;
    uint8_t           *value = arena_alloc(&machine->arena, value_bytes);
    int32_t            records = 1 + (int32_t)dice(machine, 3);
    struct view        bytes = {0};
    struct rec_builder builder;

    rec_builder_init(&builder, &machine->arena);
    if (producer != NULL) {
        builder.attributes = REC_ATTR_TRANSACTIONAL;
        builder.producer_id = id;
        builder.producer_epoch = producer->epoch;
        builder.base_sequence = producer->sequence;
    }
    for (int32_t i = 0; i < records; i++) {
        uint8_t *key = arena_alloc(&machine->arena, 1);

        *key = (uint8_t)dice(machine, 20);
        rec_builder_add(&builder, io_wall_ms(machine->on.io), view_of(key, 1), view_of(value, value_bytes), NULL, 0);
    }
    assert_int_equal(rec_builder_finish(&builder, dice(machine, 4) == 0 ? REC_LZ4 : REC_NONE, 0, &bytes), ERR_OK);
    *sending = (struct sending){.append = {.records = bytes,
                                           .wait_durable = true,
                                           .guard = producer == NULL ? 0 : guard_of(machine, id, producer),
                                           .done = append_answered}};
    if (producer != NULL) {
        producer->sequence += records;
    }
    part_append(machine->on.part, &sending->append);
}

static void send_marker(struct machine *machine, int64_t id)
{
    struct sending  *sending = &machine->sending[machine->sending_count++];
    struct producer *producer = &machine->producers[id];

    if (dice(machine, 2) == 0) { /* as transactions of version 2 end */
        producer->epoch++;
        producer->sequence = 0;
    }
    *sending = (struct sending){.marker = {.producer_id = id,
                                           .producer_epoch = producer->epoch,
                                           .commit = dice(machine, 2) == 0,
                                           .done = marker_answered}};
    part_append_marker(machine->on.part, &sending->marker);
}

static void write_some(struct machine *machine)
{
    uint64_t count = 1 + dice(machine, STEPS - 1);

    machine->sending_count = 0;
    machine->answers = 0;
    answering = machine;
    for (uint64_t i = 0; i < count; i++) {
        int64_t id = (int64_t)dice(machine, PRODUCERS);

        switch (dice(machine, 6)) {
        case 0:
            send_batch(machine, -1);
            break;
        case 1:
        case 2:
            send_marker(machine, id);
            break;
        default:
            send_batch(machine, id);
            break;
        }
        if (dice(machine, 3) == 0) {
            sim_run_for(machine->on.sim, (int64_t)dice(machine, NS_PER_MS));
        }
    }
}

static void compact(struct machine *machine, bool enabled)
{
    struct store_compact_settings settings = {.enabled = enabled && machine->compacts,
                                              .map_bytes_max = 64 * KIB,
                                              .load_percent = 90,
                                              .buffer_bytes = 256 * KIB,
                                              .bytes_per_s_max = UINT64_MAX,
                                              .backoff_ms = 50};

    store_set_compaction(machine->on.store, &settings);
    if (machine->compacts) {
        sim_run_for(machine->on.sim, NS_PER_S / 10 + (int64_t)dice(machine, 2 * NS_PER_S));
    }
}

static void run_round(struct machine *machine)
{
    uint64_t ending = dice(machine, 4);

    part_machine_start(&machine->on);
    check(machine);
    write_some(machine);
    compact(machine, true);
    if (ending <= 1) {
        sim_run_for(machine->on.sim, (int64_t)dice(machine, 300 * NS_PER_US));
        part_machine_cut(&machine->on, ending == 0);
        assert_true(all_answered(machine));
    } else {
        assert_true(sim_run_until(machine->on.sim, all_answered, machine, PATIENCE_NS));
        for (size_t i = 0; i < machine->sending_count; i++) {
            assert_int_equal(machine->sending[i].append.error, 0);
            assert_int_equal(machine->sending[i].marker.error, 0);
        }
        compact(machine, false);
        check(machine);
        part_machine_stop(&machine->on);
    }
    arena_reset(&machine->arena);
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
    machine->compacts = seed % 4 >= 2;
    machine->on.store_options =
        (struct store_options){.directory = "data/shard-0", .journal_bytes = MIB, .cache_bytes = 2 * MIB};
    machine->on.options = (struct part_options){
        .topic_id = {{7}},
        .topic = view_text("orders"),
        .leader_epoch = 1,
        .settings = {.policy = {.durable_on_append = true,
                                .segment_bytes = seed % 3 == 0 ? 1 * MIB : 128 * KIB,
                                .index_interval_bytes = 4096,
                                .retention_ms = -1,
                                .retention_bytes = -1,
                                .segment_ms = 1000,
                                .delete_enabled = !machine->compacts,
                                .compact_enabled = machine->compacts,
                                .max_compaction_lag_ms = INT64_MAX,
                                .delete_retention_ms = 1500},
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
    part_machine_start(&machine->on);
    check(machine);
    part_machine_stop(&machine->on);
    sim_destroy(machine->on.sim);
    arena_deinit(&machine->arena);
    mem_free(MEM_TEST, machine);
}

static void sink(enum slog_level level, const char *room, const char *text)
{
    MAYBE(level == SLOG_ERROR && room != NULL && text != NULL);
}

static void transactions_hold_over_power_cuts(void **state)
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(transactions_hold_over_power_cuts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
