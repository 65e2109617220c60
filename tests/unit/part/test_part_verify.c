/* Which transactional batches of clients are let in. */
#include "tests/unit/part/part_fixture.h"

#define PID 7

/* A ticket, and what became of it. */
struct asked {
    struct part_ticket ticket;
    int                readies;
    int16_t            error;
};

static int ready_order;

static void ticket_ready(struct part_ticket *ticket, int16_t error)
{
    struct asked *asked = CONTAINER_OF(ticket, struct asked, ticket);

    asked->readies = ++ready_order;
    asked->error = error;
}

static enum part_admission admit(struct fixture *fixture, struct asked *asked, int64_t producer_id, int16_t epoch,
                                 int32_t sequence)
{
    bool adds = asked->ticket.adds;

    *asked = (struct asked){.ticket = {.producer_id = producer_id,
                                       .producer_epoch = epoch,
                                       .base_sequence = sequence,
                                       .adds = adds,
                                       .ready = ticket_ready}};
    return part_txn_admit(fixture->part, &asked->ticket);
}

static void answer(struct fixture *fixture, struct asked *asked, int16_t error)
{
    struct list_node followers;

    list_init(&followers);
    part_txn_answer(fixture->part, &asked->ticket, error, &followers);
    part_txn_wake(&followers, error);
}

/* Under the guard that was given, whatever has happened since. */
static int16_t append_with(struct fixture *fixture, uint64_t guard, struct view batch)
{
    struct try attempt;

    fixture->unverified = true;
    attempt = (struct try){0};
    fixture_begin(fixture, &attempt, (struct view){0}); /* fills it; refused */
    fixture_flush(fixture);
    attempt.answers = 0;
    attempt.append.records = batch;
    attempt.append.guard = guard;
    part_append(fixture->part, &attempt.append);
    fixture_flush(fixture);
    fixture->unverified = false;
    assert_int_equal(attempt.answers, 1);
    return attempt.append.error;
}

static void refuses_what_nobody_has_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct try      attempt;

    fixture->unverified = true;
    assert_int_equal(fixture_append(fixture, &attempt, fixture_txn_batch(fixture, PID, 0, 0)),
                     KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(append_with(fixture, 12345, fixture_txn_batch(fixture, PID, 0, 0)), KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(part_log_end(fixture->part), 0);
    /* A coordinator's own batches need nothing. */
    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_txn_batch(fixture, PID, 0, 0)), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 0);
}

static void lets_in_what_the_coordinator_knows(void **state)
{
    struct fixture *fixture = *state;
    struct asked    asked = {0};
    uint64_t        guard;

    assert_int_equal(admit(fixture, &asked, PID, 0, 0), PART_ADMIT_ASK);
    guard = asked.ticket.guard;
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, guard, fixture_txn_batch(fixture, PID, 0, 0)), 0);
    assert_int_equal(admit(fixture, &asked, PID, 0, 1), PART_ADMIT_GO);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 1)), 0);
    assert_int_equal(fixture_end(fixture, PID, 0, true), 0);
    /* The next transaction asks again. */
    assert_int_equal(admit(fixture, &asked, PID, 0, 2), PART_ADMIT_ASK);
    assert_int_not_equal(asked.ticket.guard, guard);
    answer(fixture, &asked, KP_ERR_INVALID_TXN_STATE);
}

static void late_answers_open_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct asked    asked = {0};
    struct asked    next = {0};

    /* An answer from before the marker, with and without a new question behind the marker. */
    assert_int_equal(admit(fixture, &asked, PID, 0, 0), PART_ADMIT_ASK);
    assert_int_equal(fixture_end(fixture, PID, 0, false), 0);
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)),
                     KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(admit(fixture, &asked, PID, 0, 0), PART_ADMIT_ASK);
    assert_int_equal(fixture_end(fixture, PID, 0, false), 0);
    assert_int_equal(admit(fixture, &next, PID, 0, 0), PART_ADMIT_ASK);
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)),
                     KP_ERR_INVALID_TXN_STATE);
    answer(fixture, &next, 0);
    assert_int_equal(append_with(fixture, next.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)), 0);
    /* A batch of an epoch that a marker has ended. */
    assert_int_equal(
        fixture_mark(fixture, &(struct part_marker){.producer_id = PID, .producer_epoch = 1, .version = 2}), 0);
    assert_int_equal(admit(fixture, &asked, PID, 0, 1), PART_ADMIT_REFUSED);
    assert_int_equal(append_with(fixture, next.ticket.guard, fixture_txn_batch(fixture, PID, 0, 1)),
                     KP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(part_last_stable_offset(fixture->part), part_high_watermark(fixture->part));
}

/* Transactions v2: the end is answered, the next transaction's first batch asks, the marker comes, then the answer. */
static void the_next_transaction_may_ask_before_the_marker(void **state)
{
    struct fixture *fixture = *state;
    struct asked    asked = {0};
    struct try      attempt;

    assert_int_equal(fixture_append_internal(fixture, &attempt, fixture_txn_batch(fixture, PID, 0, 0)), 0);
    assert_int_equal(admit(fixture, &asked, PID, 1, 0), PART_ADMIT_ASK);
    assert_int_equal(
        fixture_mark(fixture, &(struct part_marker){.producer_id = PID, .producer_epoch = 1, .version = 2}), 0);
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 1, 0)), 0);
}

static void waits_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct asked    first = {0};
    struct asked    second = {0};
    struct asked    third = {0};
    struct asked    other = {0};

    ready_order = 0;
    assert_int_equal(admit(fixture, &first, PID, 0, 0), PART_ADMIT_ASK);
    assert_int_equal(admit(fixture, &second, PID, 0, 1), PART_ADMIT_WAIT);
    assert_int_equal(admit(fixture, &third, PID, 0, 2), PART_ADMIT_WAIT);
    assert_int_equal(admit(fixture, &other, PID + 1, 0, 0), PART_ADMIT_ASK); /* passes */
    answer(fixture, &other, 0);
    assert_int_equal(append_with(fixture, other.ticket.guard, fixture_txn_batch(fixture, PID + 1, 0, 0)), 0);
    answer(fixture, &first, 0);
    assert_int_equal(second.readies, 1);
    assert_int_equal(third.readies, 2);
    assert_int_equal(second.error, 0);
    assert_int_equal(append_with(fixture, first.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)), 0);
    assert_int_equal(admit(fixture, &second, PID, 0, 1), PART_ADMIT_GO);
    assert_int_equal(append_with(fixture, second.ticket.guard, fixture_txn_batch(fixture, PID, 0, 1)), 0);
}

static void one_error_is_everybodys(void **state)
{
    struct fixture *fixture = *state;
    struct asked    first = {0};
    struct asked    second = {0};
    struct asked    newer = {0};

    ready_order = 0;
    assert_int_equal(admit(fixture, &first, PID, 0, 0), PART_ADMIT_ASK);
    assert_int_equal(admit(fixture, &second, PID, 0, 1), PART_ADMIT_WAIT);
    assert_int_equal(admit(fixture, &newer, PID, 1, 0), PART_ADMIT_WAIT);
    answer(fixture, &first, KP_ERR_NOT_COORDINATOR);
    assert_int_equal(second.readies, 1);
    assert_int_equal(second.error, KP_ERR_NOT_COORDINATOR);
    /* That of a newer epoch asks for itself, and an older one does not come in meanwhile. */
    assert_int_equal(newer.readies, 2);
    assert_int_equal(newer.error, 0);
    assert_int_equal(admit(fixture, &newer, PID, 1, 0), PART_ADMIT_ASK);
    assert_int_equal(admit(fixture, &first, PID, 0, 0), PART_ADMIT_REFUSED);
    answer(fixture, &newer, 0);
    assert_int_equal(append_with(fixture, newer.ticket.guard, fixture_txn_batch(fixture, PID, 1, 0)), 0);
}

static void a_batch_that_comes_again_goes_first(void **state)
{
    struct fixture *fixture = *state;
    struct asked    asked = {0};

    assert_int_equal(admit(fixture, &asked, PID, 0, 5), PART_ADMIT_ASK);
    answer(fixture, &asked, KP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(admit(fixture, &asked, PID, 0, 6), PART_ADMIT_ASK);
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 6)),
                     KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(admit(fixture, &asked, PID, 0, 5), PART_ADMIT_GO); /* known by now */
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 5)), 0);
    assert_int_equal(fixture_send(fixture, PID, 0, 6), 0);
    /* An error for good keeps nothing. */
    assert_int_equal(admit(fixture, &asked, PID + 1, 0, 0), PART_ADMIT_ASK);
    answer(fixture, &asked, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(fixture_send(fixture, PID + 1, 0, 3), 0);
}

/* Producers of transactions version 2 begin each epoch at 0. */
static void those_that_add_begin_at_zero(void **state)
{
    struct fixture *fixture = *state;
    struct asked    asked = {.ticket = {.adds = true}};

    assert_int_equal(admit(fixture, &asked, PID, 0, 4), PART_ADMIT_ASK);
    answer(fixture, &asked, 0);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 4)),
                     KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(admit(fixture, &asked, PID, 0, 0), PART_ADMIT_GO);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)), 0);
}

static void tickets_outlive_the_part(void **state)
{
    struct fixture  *fixture = *state;
    struct asked     first = {0};
    struct asked     second = {0};
    struct list_node followers;

    ready_order = 0;
    list_init(&followers);
    assert_int_equal(admit(fixture, &first, PID, 0, 0), PART_ADMIT_ASK);
    assert_int_equal(admit(fixture, &second, PID, 0, 1), PART_ADMIT_WAIT);
    fixture_restart(fixture, false);
    part_txn_answer(NULL, &first.ticket, 0, &followers);
    part_txn_wake(&followers, 0);
    assert_int_equal(second.readies, 1);
    /* The part that is there now knows nothing of the guard. */
    assert_int_equal(append_with(fixture, first.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)),
                     KP_ERR_INVALID_TXN_STATE);
    assert_int_equal(fixture_send(fixture, PID, 0, 0), 0);
}

static void guards_expire(void **state)
{
    struct fixture      *fixture = *state;
    struct part_settings settings = fixture->options.settings;
    struct asked         asked = {0};

    settings.producer_expiry_ms = 3600 * MS_PER_S;
    fixture_set(fixture, &settings);
    assert_int_equal(admit(fixture, &asked, PID, 0, 0), PART_ADMIT_ASK);
    answer(fixture, &asked, 0);
    fake_io_advance(&fixture->io, 3700 * MS_PER_S);
    fake_io_settle(&fixture->io);
    assert_int_equal(append_with(fixture, asked.ticket.guard, fixture_txn_batch(fixture, PID, 0, 0)),
                     KP_ERR_INVALID_TXN_STATE);
    /* Neither does a producer with an open transaction expire. */
    assert_int_equal(fixture_send(fixture, PID, 0, 0), 0);
    fake_io_advance(&fixture->io, 3700 * MS_PER_S);
    fake_io_settle(&fixture->io);
    assert_int_equal(part_last_stable_offset(fixture->part), 0);
    assert_int_equal(fixture_send(fixture, PID, 0, 2), KP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(fixture_end(fixture, PID, 0, true), 0);
    assert_int_equal(part_last_stable_offset(fixture->part), 2);
}

int main(void)
{
#define PART_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PART_TEST(refuses_what_nobody_has_asked_for),
        PART_TEST(lets_in_what_the_coordinator_knows),
        PART_TEST(late_answers_open_nothing),
        PART_TEST(the_next_transaction_may_ask_before_the_marker),
        PART_TEST(waits_in_order),
        PART_TEST(one_error_is_everybodys),
        PART_TEST(a_batch_that_comes_again_goes_first),
        PART_TEST(those_that_add_begin_at_zero),
        PART_TEST(tickets_outlive_the_part),
        PART_TEST(guards_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
