/* Random transactions against a model: producers write, commit and abort beside each other and beside plain batches,
 * some without asking, some under a guard from before a marker; the durable end creeps, segments roll, the log's start
 * moves, the log fails, the broker stops and crashes.
 *
 * Checked after each step: the last stable offset passes no transaction that is open or not durably closed, and nothing
 * else holds it back. A reader of committed data that does as Kafka's clients do sees, from any offset and in any
 * portions, exactly the records that are committed. What is remembered of aborted transactions after a crash is what
 * was remembered before it. */
#include "tests/unit/part/part_fixture.h"

#include "core/base/prng.h"

#define PRODUCERS   4
#define STEPS       300
#define SEEDS       80
#define ENTRIES_MAX 300

enum kind { PLAIN, DATA, COMMIT, ABORT };

/* One batch of the log, of one record or marker. */
struct entry {
    enum kind kind;
    int64_t   producer_id;
    int16_t   epoch;
    int32_t   sequence;
};

struct producer {
    int16_t  epoch;
    int32_t  sequence; /* next */
    int64_t  first;    /* of the open transaction; -1 none */
    uint64_t guard;    /* the last one */
    bool     guarded;  /* it still lets in */
};

struct history {
    struct fixture *fixture;
    struct prng     prng;
    struct entry    log[ENTRIES_MAX]; /* by offset */
    int64_t         end;
    int64_t         start;
    struct producer producers[PRODUCERS];
    int             answers;
};

static uint32_t dice(struct history *history, uint32_t sides)
{
    return (uint32_t)prng_below(&history->prng, sides);
}

/* --- the model --------------------------------------------------------------------------------------------------- */

/* What the producers are, by the log alone. */
static void replay(struct history *history)
{
    for (int64_t id = 0; id < PRODUCERS; id++) {
        history->producers[id] = (struct producer){
            .first = -1, .guard = history->producers[id].guard, .guarded = history->producers[id].guarded};
    }
    for (int64_t at = 0; at < history->end; at++) {
        const struct entry *entry = &history->log[at];
        struct producer    *producer = &history->producers[MAX(entry->producer_id, 0)];

        if (entry->kind == PLAIN) {
            continue;
        }
        if (producer->epoch != entry->epoch) {
            producer->sequence = 0;
        }
        producer->epoch = entry->epoch;
        if (entry->kind == DATA) {
            producer->sequence = entry->sequence + 1;
            producer->first = producer->first < 0 ? at : producer->first;
        } else {
            producer->first = -1;
        }
    }
}

static void forget_guards(struct history *history)
{
    for (int64_t id = 0; id < PRODUCERS; id++) {
        history->producers[id].guarded = false;
    }
    replay(history);
}

static void add(struct history *history, const struct entry *entry)
{
    assert_true(history->end < ENTRIES_MAX);
    history->log[history->end++] = *entry;
    replay(history);
}

/* Where the transaction of the data at `at` ends: the marker's offset, or -1. */
static int64_t end_of(const struct history *history, int64_t at)
{
    for (int64_t i = at + 1; i < history->end; i++) {
        if (history->log[i].kind >= COMMIT && history->log[i].producer_id == history->log[at].producer_id) {
            return i;
        }
    }
    return -1;
}

static int64_t stable_offset(const struct history *history, int64_t durable)
{
    for (int64_t at = 0; at < durable; at++) {
        int64_t end = history->log[at].kind == DATA ? end_of(history, at) : 0;

        if (end < 0 || end >= durable) {
            return MAX(at, history->start);
        }
    }
    return durable;
}

static bool is_committed(const struct history *history, int64_t at)
{
    int64_t end;

    if (history->log[at].kind != DATA) {
        return history->log[at].kind == PLAIN;
    }
    end = end_of(history, at);
    return end >= 0 && history->log[end].kind == COMMIT;
}

/* --- a reader, as Kafka's clients are ---------------------------------------------------------------------------- */

struct reader {
    const struct part_aborted *aborted;
    int32_t                    left;
    bool                       skips[PRODUCERS];
};

/* True: the batch's records are shown. */
static bool reader_shows(struct reader *reader, const struct rec_batch *batch)
{
    struct rec_marker marker;

    while (reader->left > 0 && reader->aborted->first_offset <= rec_batch_last_offset(batch)) {
        reader->skips[reader->aborted->producer_id] = true;
        reader->aborted++;
        reader->left--;
    }
    if ((batch->attributes & REC_ATTR_CONTROL) != 0) {
        assert_int_equal(rec_marker_parse(batch, &marker), ERR_OK);
        if (marker.type == REC_CONTROL_ABORT) {
            reader->skips[batch->producer_id] = false;
        }
        return false;
    }
    return (batch->attributes & REC_ATTR_TRANSACTIONAL) == 0 || !reader->skips[batch->producer_id];
}

static void read_answered(struct part_read *read)
{
    *(bool *)read->user = true;
}

/* One fetch from `offset`; where the next goes on. */
static int64_t check_fetch(struct history *history, int64_t offset, size_t bytes_max)
{
    bool             done = false;
    struct part_read read = {.offset = offset,
                             .bytes_max = bytes_max,
                             .at_least_one = true,
                             .committed = true,
                             .arena = &history->fixture->arena,
                             .user = &done,
                             .done = read_answered};
    struct reader    reader;
    int64_t          next = offset;

    assert_true(part_read(history->fixture->part, &read));
    assert_int_equal(read.error, 0);
    reader = (struct reader){.aborted = read.aborted, .left = read.aborted_count};
    for (uint32_t i = 0; i < read.store.slice_count; i++) {
        struct view rest = read.store.slices[i];

        while (rest.len > 0) {
            struct rec_batch batch;

            assert_int_equal(rec_batch_parse(rest, &batch), ERR_OK);
            rest = view_of(rest.base + batch.bytes.len, rest.len - batch.bytes.len);
            assert_int_equal(batch.base_offset, next);
            assert_true(next < read.last_stable_offset);
            assert_int_equal(reader_shows(&reader, &batch), is_committed(history, next));
            next++;
        }
    }
    part_read_release(&read);
    return next;
}

static void check_reader(struct history *history)
{
    int64_t stable = part_last_stable_offset(history->fixture->part);
    int64_t offset = history->start + (int64_t)dice(history, (uint32_t)(stable - history->start) + 1);

    while (offset < stable) {
        int64_t next = check_fetch(history, offset, 1 + dice(history, 700));

        assert_true(next > offset);
        offset = next;
    }
    arena_reset(&history->fixture->arena);
}

static void check(struct history *history)
{
    struct part *part = history->fixture->part;
    int64_t      durable = store_log_durable_offset(history->fixture->log);

    if (part_online(part)) { /* else what was not durable is still counted */
        assert_int_equal(part_log_end(part), history->end);
    }
    assert_int_equal(part_last_stable_offset(part), stable_offset(history, durable));
    check_reader(history);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

/* Appends outlive the step that begins them. */
struct sending {
    struct part_append append;
    struct part_marker marker;
    struct history    *history;
};

static void sent(struct part_append *append)
{
    struct sending *sending = CONTAINER_OF(append, struct sending, append);

    sending->history->answers++;
    mem_free(MEM_TEST, sending);
}

static void marked(struct part_marker *marker)
{
    struct sending *sending = CONTAINER_OF(marker, struct sending, marker);

    sending->history->answers++;
    mem_free(MEM_TEST, sending);
}

static void send(struct history *history, const struct entry *entry, uint64_t guard)
{
    struct sending     *sending = mem_alloc(MEM_TEST, sizeof(*sending));
    struct batch_recipe recipe = {.idempotent = entry->kind == DATA,
                                  .producer_id = entry->producer_id,
                                  .producer_epoch = entry->epoch,
                                  .base_sequence = entry->sequence,
                                  .attributes = entry->kind == DATA ? REC_ATTR_TRANSACTIONAL : 0};

    sending->history = history;
    sending->append = (struct part_append){
        .records = fixture_batch(history->fixture, &recipe), .wait_durable = true, .guard = guard, .done = sent};
    part_append(history->fixture->part, &sending->append);
}

static void step_data(struct history *history)
{
    int64_t          id = dice(history, PRODUCERS);
    struct producer *producer = &history->producers[id];
    struct entry entry = {.kind = DATA, .producer_id = id, .epoch = producer->epoch, .sequence = producer->sequence};
    uint32_t     how = dice(history, 10);
    uint64_t     guard = 0;

    if (how == 0) { /* comes late, or has not asked */
        guard = dice(history, 2) == 0 ? producer->guard : 0;
        send(history, &entry, guard);
        if (producer->first < 0 && (guard == 0 || !producer->guarded)) {
            return;
        }
    } else {
        guard = fixture_guard(history->fixture, id, entry.epoch, entry.sequence);
        producer->guard = guard != 0 ? guard : producer->guard;
        producer->guarded = guard != 0;
        if (how <= 3 && guard != 0) { /* a marker may overtake it */
            return;
        }
        send(history, &entry, guard);
    }
    producer->guarded = false;
    add(history, &entry);
}

static void step_marker(struct history *history)
{
    int64_t         id = dice(history, PRODUCERS);
    bool            commit = dice(history, 2) == 0;
    bool            bumps = dice(history, 2) == 0;
    struct entry    entry = {.kind = commit ? COMMIT : ABORT,
                             .producer_id = id,
                             .epoch = (int16_t)(history->producers[id].epoch + (bumps ? 1 : 0))};
    struct sending *sending = mem_alloc(MEM_TEST, sizeof(*sending));

    sending->history = history;
    sending->marker = (struct part_marker){
        .producer_id = id, .producer_epoch = entry.epoch, .version = bumps ? 2 : 1, .commit = commit, .done = marked};
    part_append_marker(history->fixture->part, &sending->marker);
    history->producers[id].guarded = false;
    add(history, &entry);
}

static void step_durable(struct history *history)
{
    struct store_log *log = history->fixture->log;
    int64_t           durable = store_log_durable_offset(log);

    fake_store_durable(log, durable + dice(history, (uint32_t)(store_log_end_offset(log) - durable) + 1));
}

static void trimmed(void *context, int16_t error)
{
    MAYBE(context == NULL);
    assert_int_equal(error, 0);
}

static void step_trim(struct history *history)
{
    struct fixture *fixture = history->fixture;
    int64_t         durable = store_log_durable_offset(fixture->log);
    int64_t         to = history->start + dice(history, (uint32_t)(durable - history->start) / 4 + 1);

    fake_store_snapshot(fixture->log); /* what lies below the start is nowhere else */
    part_delete_records(fixture->part, to, trimmed, NULL);
    fake_io_settle(&fixture->io);
    history->start = to;
}

static void step_fail(struct history *history)
{
    struct fixture *fixture = history->fixture;

    fake_store_offline(fixture->log);
    history->end = store_log_durable_offset(fixture->log);
    forget_guards(history);
    fake_io_settle(&fixture->io);
    check(history); /* reads go on */
    part_retry(fixture->part, trimmed, NULL);
    fake_io_settle(&fixture->io);
    fixture->log = fake_store_log(&fixture->store, FIXTURE_TOPIC, 0);
}

struct remembered {
    struct part_aborted list[ENTRIES_MAX];
    size_t              count;
};

static void remember(struct history *history, struct remembered *out, int64_t end)
{
    size_t position = 0;

    memset(out, 0, sizeof(*out));
    while (part_aborted_next(history->fixture->part, history->start, end, &position, &out->list[out->count])) {
        out->count += out->list[out->count].last_offset < end;
    }
    out->list[out->count] = (struct part_aborted){0};
}

static void step_restart(struct history *history, bool crash)
{
    struct fixture   *fixture = history->fixture;
    int64_t           end = crash ? store_log_durable_offset(fixture->log) : store_log_end_offset(fixture->log);
    struct remembered before;
    struct remembered after;

    remember(history, &before, end);
    history->end = end;
    forget_guards(history);
    fixture_restart(fixture, crash);
    remember(history, &after, end);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void step(struct history *history)
{
    struct fixture *fixture = history->fixture;
    uint32_t        choice = dice(history, 100);

    if (choice < 50 && history->end < ENTRIES_MAX) {
        step_data(history);
    } else if (choice < 65 && history->end < ENTRIES_MAX) {
        step_marker(history);
    } else if (choice < 70 && history->end < ENTRIES_MAX) {
        struct entry entry = {.kind = PLAIN, .producer_id = -1};

        send(history, &entry, 0);
        add(history, &entry);
    } else if (choice < 85) {
        step_durable(history);
    } else if (choice < 92) {
        MAYBE(fake_io_turn(&fixture->io) == 0);
    } else if (choice < 94) {
        fake_store_snapshot(fixture->log);
    } else if (choice < 96) {
        step_trim(history);
    } else if (choice < 97) {
        step_fail(history);
    } else {
        step_restart(history, choice >= 98);
    }
}

static void run_history(struct history *history, uint64_t seed)
{
    prng_init(&history->prng, seed);
    replay(history);
    for (int i = 0; i < STEPS; i++) {
        step(history);
        check(history);
    }
    fixture_flush(history->fixture);
    check(history);
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
