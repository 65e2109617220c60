/* Records of `__millrace_jobs`: to bytes and back; what the disk may have made of them is refused. */
#include "tests/support/unit.h"

#include "compute/job/job_record.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, MEM_TEST, 4096, 16 * MIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct job_record back(const struct job_record *record, struct view *out_key, struct view *out_value)
{
    struct job_record out;

    assert_true(job__record_write(&arena, record, out_key, out_value));
    job__record_read(&arena, *out_key, *out_value, &out);
    assert_int_equal(out.kind, record->kind);
    assert_true(view_equal(out.key, record->key));
    assert_int_equal(out.tombstone, record->tombstone);
    return out;
}

static const struct job_record definition = {.kind = JOB_RECORD_DEFINITION,
                                             .key = {(const uint8_t *)"0123456789abcdef", 16},
                                             .definition = {.name = {(const uint8_t *)"name", 4},
                                                            .script = {(const uint8_t *)"a\0b", 3},
                                                            .statement = {(const uint8_t *)"INSERT", 6},
                                                            .wanted = JOB_WANTED_PAUSED,
                                                            .status = JOB_SUSPENDED,
                                                            .worker_count = 3,
                                                            .first_producer_id = 7000,
                                                            .producer_epoch = 12,
                                                            .incarnation = 4,
                                                            .restarts = 9,
                                                            .created_ms = 1,
                                                            .start_ms = 2,
                                                            .end_ms = 3,
                                                            .failure = {(const uint8_t *)"why", 3},
                                                            .failure_ms = 5,
                                                            .from_savepoint = {(const uint8_t *)"s", 1},
                                                            .log_id = {(const uint8_t *)"fedc", 4}}};

static struct job_source_position source = {
    .source = 1, .partition = 2, .next_offset = 30, .stop_offset = INT64_MAX, .ended = true};
static struct job_state_range states[2] = {{.worker = 0, .first = 1, .end = 5}, {.worker = 1, .first = 0, .end = 2}};
static struct job_sink_range  sink = {
     .partition = 4, .producer_id = 7001, .producer_epoch = 12, .first_offset = 100, .last_offset = 120};

static struct job_record commit_record(void)
{
    return (struct job_record){.kind = JOB_RECORD_COMMIT,
                               .key = view_text("0123"),
                               .commit = {.epoch = 77,
                                          .incarnation = 4,
                                          .commit_ms = 1000,
                                          .duration_ms = 12,
                                          .finished = true,
                                          .share = {.source_count = 1,
                                                    .state_count = 2,
                                                    .sink_count = 1,
                                                    .sources = &source,
                                                    .states = states,
                                                    .sinks = &sink}}};
}

static void test_definition(void **state)
{
    struct view       key, value;
    struct job_record out = back(&definition, &key, &value);

    (void)state;
    assert_true(view_equal(out.definition.script, definition.definition.script));
    assert_true(view_equal(out.definition.statement, definition.definition.statement));
    assert_true(view_equal(out.definition.failure, definition.definition.failure));
    assert_true(view_equal(out.definition.log_id, definition.definition.log_id));
    assert_true(view_equal(out.definition.from_savepoint, definition.definition.from_savepoint));
    assert_int_equal(out.definition.wanted, JOB_WANTED_PAUSED);
    assert_int_equal(out.definition.status, JOB_SUSPENDED);
    assert_int_equal(out.definition.worker_count, 3);
    assert_int_equal(out.definition.first_producer_id, 7000);
    assert_int_equal(out.definition.producer_epoch, 12);
    assert_int_equal(out.definition.incarnation, 4);
    assert_int_equal(out.definition.restarts, 9);
    assert_int_equal(out.definition.end_ms, 3);
}

static void test_commit(void **state)
{
    struct job_record in = commit_record();
    struct view       key, value;
    struct job_record out = back(&in, &key, &value);

    (void)state;
    assert_int_equal(out.commit.epoch, 77);
    assert_int_equal(out.commit.incarnation, 4);
    assert_true(out.commit.finished);
    assert_int_equal(out.commit.share.source_count, 1);
    assert_int_equal(out.commit.share.sources[0].next_offset, 30);
    assert_int_equal(out.commit.share.sources[0].stop_offset, INT64_MAX);
    assert_true(out.commit.share.sources[0].ended);
    assert_int_equal(out.commit.share.state_count, 2);
    assert_int_equal(out.commit.share.states[1].worker, 1);
    assert_int_equal(out.commit.share.states[0].end, 5);
    assert_int_equal(out.commit.share.sink_count, 1);
    assert_int_equal(out.commit.share.sinks[0].producer_id, 7001);
    assert_int_equal(out.commit.share.sinks[0].last_offset, 120);
}

static void test_others(void **state)
{
    struct job_record object = {.kind = JOB_RECORD_OBJECT,
                                .key = view_text("bids"),
                                .object = {.position = 3, .statement = view_text("CREATE TABLE bids ()")}};
    struct job_record savepoint = {
        .kind = JOB_RECORD_SAVEPOINT,
        .key = view_text("sp"),
        .savepoint = {.id = view_text("01"), .created_ms = 5, .definition = view_text("d"), .commit = view_text("c")}};
    struct job_record gone = {.kind = JOB_RECORD_OBJECT, .tombstone = true, .key = view_text("bids")};
    struct view       key, value;
    struct job_record out;

    (void)state;
    out = back(&object, &key, &value);
    assert_int_equal(out.object.position, 3);
    assert_true(view_equal(out.object.statement, object.object.statement));
    out = back(&savepoint, &key, &value);
    assert_true(view_equal(out.savepoint.commit, view_text("c")));
    assert_true(view_equal(out.savepoint.id, view_text("01")));
    (void)back(&gone, &key, &value);
    assert_null(value.base);
}

static void test_what_is_unknown_is_left_alone(void **state)
{
    static const uint8_t type[] = {0, 99, 1, 'x'};
    struct view          key, value;
    struct job_record    out = back(&definition, &key, &value);
    uint8_t             *later = arena_alloc(&arena, value.len);

    (void)state;
    job__record_read(&arena, view_of(type, sizeof(type)), value, &out);
    assert_int_equal(out.kind, JOB_RECORD_OTHER);
    memcpy(later, value.base, value.len);
    later[1] = 1; /* the version */
    job__record_read(&arena, key, view_of(later, value.len), &out);
    assert_int_equal(out.kind, JOB_RECORD_OTHER);
}

/* Every shorter value is refused; with any byte changed it is refused or read, and its numbers are in range. */
static void test_damage(void **state)
{
    struct job_record commit = commit_record(), out;
    struct view       keys[2], values[2];

    (void)state;
    assert_true(job__record_write(&arena, &definition, &keys[0], &values[0]));
    assert_true(job__record_write(&arena, &commit, &keys[1], &values[1]));
    for (size_t which = 0; which < 2; which++) {
        uint8_t *bytes = arena_alloc(&arena, values[which].len);

        for (size_t len = 0; len < values[which].len; len++) {
            job__record_read(&arena, keys[which], view_of(values[which].base, len), &out);
            assert_int_equal(out.kind, JOB_RECORD_DAMAGED);
        }
        for (size_t at = 0; at < values[which].len; at++) {
            for (int bit = 0; bit < 8; bit++) {
                memcpy(bytes, values[which].base, values[which].len);
                bytes[at] = (uint8_t)(bytes[at] ^ (1U << bit));
                job__record_read(&arena, keys[which], view_of(bytes, values[which].len), &out);
                if (out.kind == JOB_RECORD_DEFINITION) {
                    assert_in_range(out.definition.worker_count, 1, EXEC_WORKERS_MAX);
                    assert_in_range(out.definition.status, 0, JOB_STATUS_COUNT - 1);
                } else if (out.kind == JOB_RECORD_COMMIT && out.commit.share.state_count > 0) {
                    assert_in_range(out.commit.share.states[0].worker, 0, EXEC_WORKERS_MAX - 1);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_unknown_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
