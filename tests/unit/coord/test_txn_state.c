/* Decisions about transactional ids: who is fenced when, epochs, retries, and random events against a model. */
#include "tests/support/unit.h"

#include "core/base/prng.h"
#include "core/coord/txn.h"

#define FRESH INT64_C(9000)
#define NOW   INT64_C(1000000)

static struct txn_values known(enum txn_state state, int64_t producer_id, int16_t epoch)
{
    return (struct txn_values){.state = state,
                               .timeout_ms = 60000,
                               .producer_id = producer_id,
                               .previous_producer_id = TXN_ID_NONE,
                               .next_producer_id = TXN_ID_NONE,
                               .producer_epoch = epoch,
                               .last_epoch = TXN_EPOCH_NONE,
                               .start_ms = state == TXN_EMPTY ? -1 : NOW - 10,
                               .update_ms = NOW - 5};
}

static struct txn_decision init(const struct txn_values *now, int64_t producer_id, int16_t epoch)
{
    struct txn_decision decision;

    txn__decide_init(now,
                     &(struct txn_init){.timeout_ms = 5000,
                                        .producer_id = producer_id,
                                        .producer_epoch = epoch,
                                        .fresh_producer_id = FRESH,
                                        .server_version = 2,
                                        .now_ms = NOW},
                     &decision);
    if (decision.append) {
        assert_true(txn__move_allowed(now, &decision.values));
    }
    return decision;
}

static struct txn_decision end(const struct txn_values *now, int16_t version, int64_t producer_id, int16_t epoch,
                               bool commit)
{
    struct txn_decision decision;

    txn__decide_end(now,
                    &(struct txn_end){.producer_id = producer_id,
                                      .producer_epoch = epoch,
                                      .commit = commit,
                                      .client_version = version,
                                      .fresh_producer_id = FRESH,
                                      .now_ms = NOW},
                    &decision);
    if (decision.append) {
        assert_true(txn__move_allowed(now, &decision.values));
    }
    return decision;
}

static void gives_new_ids_a_producer(void **state)
{
    struct txn_decision decision = init(NULL, TXN_ID_NONE, TXN_EPOCH_NONE);
    struct txn_init     poor = {.timeout_ms = 1, .producer_id = -1, .producer_epoch = -1, .fresh_producer_id = -1};

    (void)state;
    assert_true(decision.append);
    assert_int_equal(decision.error, 0);
    assert_int_equal(decision.reply_producer_id, FRESH);
    assert_int_equal(decision.reply_epoch, 0);
    assert_int_equal(decision.values.state, TXN_EMPTY);
    assert_int_equal(decision.values.timeout_ms, 5000);
    assert_int_equal(decision.values.start_ms, -1);
    txn__decide_init(NULL, &poor, &decision);
    assert_true(decision.needs_producer_id && !decision.append);
}

static void bumps_whoever_comes_again(void **state)
{
    struct txn_values   now = known(TXN_COMPLETE_COMMIT, 7, 3);
    struct txn_decision decision = init(&now, TXN_ID_NONE, TXN_EPOCH_NONE);

    (void)state;
    assert_int_equal(decision.reply_producer_id, 7);
    assert_int_equal(decision.reply_epoch, 4);
    assert_int_equal(decision.values.last_epoch, TXN_EPOCH_NONE);
    /* With what it believes to be (KIP-360): bumped, and the same call again is the same answer. */
    decision = init(&now, 7, 3);
    assert_int_equal(decision.reply_epoch, 4);
    assert_int_equal(decision.values.last_epoch, 3);
    now = decision.values;
    decision = init(&now, 7, 3);
    assert_int_equal(decision.error, 0);
    assert_int_equal(decision.reply_epoch, 4);
    /* Somebody else came in between: the first is fenced. */
    decision = init(&now, TXN_ID_NONE, TXN_EPOCH_NONE);
    now = decision.values;
    assert_int_equal(now.producer_epoch, 5);
    assert_int_equal(init(&now, 7, 4).error, KP_ERR_PRODUCER_FENCED);
    assert_int_equal(init(&now, 7, 3).error, KP_ERR_PRODUCER_FENCED);
    assert_int_equal(init(&now, 8, 5).error, KP_ERR_PRODUCER_FENCED);
}

static void rolls_the_id_when_epochs_are_used_up(void **state)
{
    struct txn_values   now = known(TXN_COMPLETE_ABORT, 7, TXN_EPOCH_LAST);
    struct txn_decision decision = init(&now, TXN_ID_NONE, TXN_EPOCH_NONE);

    (void)state;
    assert_int_equal(decision.reply_producer_id, FRESH);
    assert_int_equal(decision.reply_epoch, 0);
    assert_int_equal(decision.values.last_epoch, TXN_EPOCH_NONE);
    assert_int_equal(decision.values.previous_producer_id, 7);
    /* The producer that used them up may repeat itself. */
    decision = init(&now, 7, TXN_EPOCH_LAST);
    now = decision.values;
    assert_int_equal(now.last_epoch, TXN_EPOCH_LAST);
    decision = init(&now, 7, TXN_EPOCH_LAST);
    assert_int_equal(decision.error, 0);
    assert_int_equal(decision.reply_producer_id, FRESH);
    assert_int_equal(decision.reply_epoch, 0);
    assert_int_equal(init(&now, 7, 100).error, KP_ERR_PRODUCER_FENCED);
}

static void aborts_what_was_open(void **state)
{
    struct txn_values   now = known(TXN_ONGOING, 7, 3);
    struct txn_decision decision = init(&now, TXN_ID_NONE, TXN_EPOCH_NONE);

    (void)state;
    assert_true(decision.append && decision.fence);
    assert_int_equal(decision.error, KP_ERR_CONCURRENT_TRANSACTIONS);
    assert_int_equal(decision.values.state, TXN_PREPARE_ABORT);
    assert_int_equal(decision.values.producer_epoch, 4);
    assert_int_equal(decision.reply_producer_id, TXN_ID_NONE);
    now = decision.values;
    assert_int_equal(init(&now, TXN_ID_NONE, TXN_EPOCH_NONE).error, KP_ERR_CONCURRENT_TRANSACTIONS);
    assert_false(init(&now, TXN_ID_NONE, TXN_EPOCH_NONE).append);
    txn__decide_complete(&now, NOW, &decision);
    now = decision.values;
    assert_int_equal(now.state, TXN_COMPLETE_ABORT);
    decision = init(&now, TXN_ID_NONE, TXN_EPOCH_NONE);
    assert_int_equal(decision.reply_epoch, 5);
    assert_int_equal(init(&now, 7, 9).error, KP_ERR_PRODUCER_FENCED);
    /* A stranger aborts nothing. */
    now = known(TXN_ONGOING, 7, 3);
    assert_int_equal(init(&now, 8, 3).error, KP_ERR_PRODUCER_FENCED);
}

static void fences_the_last_epoch_into_a_new_id(void **state)
{
    struct txn_values   now = known(TXN_ONGOING, 7, TXN_EPOCH_LAST);
    struct txn_decision decision;

    (void)state;
    txn__decide_fence(&now, 2, TXN_ID_NONE, NOW, &decision);
    assert_true(decision.needs_producer_id && !decision.append);
    txn__decide_fence(&now, 2, FRESH, NOW, &decision);
    assert_true(decision.append);
    assert_int_equal(decision.values.producer_epoch, INT16_MAX);
    assert_int_equal(decision.values.next_producer_id, FRESH);
    now = decision.values;
    txn__decide_complete(&now, NOW, &decision);
    assert_true(txn__move_allowed(&now, &decision.values));
    assert_int_equal(decision.values.producer_id, FRESH);
    assert_int_equal(decision.values.producer_epoch, 0);
    assert_int_equal(decision.values.previous_producer_id, 7);
    assert_int_equal(decision.values.next_producer_id, TXN_ID_NONE);
    /* Before transactions v2: no new id before the next InitProducerId. */
    now = known(TXN_ONGOING, 7, TXN_EPOCH_LAST);
    txn__decide_fence(&now, 0, TXN_ID_NONE, NOW, &decision);
    now = decision.values;
    txn__decide_complete(&now, NOW, &decision);
    now = decision.values;
    assert_int_equal(now.producer_epoch, INT16_MAX);
    assert_int_equal(init(&now, TXN_ID_NONE, TXN_EPOCH_NONE).reply_producer_id, FRESH);
}

static void adds_partitions(void **state)
{
    struct txn_values   now = known(TXN_EMPTY, 7, 3);
    struct txn_add      add = {.producer_id = 7, .producer_epoch = 3, .client_version = 2, .now_ms = NOW};
    struct txn_decision decision;

    (void)state;
    txn__decide_add(NULL, &add, &decision);
    assert_int_equal(decision.error, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    txn__decide_add(&now, &add, &decision);
    assert_true(decision.append);
    assert_int_equal(decision.values.state, TXN_ONGOING);
    assert_int_equal(decision.values.start_ms, NOW);
    assert_int_equal(decision.values.client_version, 2);
    now = decision.values;
    add.now_ms++;
    txn__decide_add(&now, &add, &decision);
    assert_true(decision.append);
    assert_int_equal(decision.values.start_ms, NOW); /* it began before */
    add.contained = true;
    txn__decide_add(&now, &add, &decision);
    assert_int_equal(decision.error, 0);
    assert_false(decision.append);
    assert_int_equal(txn__decide_verify(&now, &add), 0);
    add.contained = false;
    assert_int_equal(txn__decide_verify(&now, &add), KP_ERR_TRANSACTION_ABORTABLE);
    add.producer_epoch = 2;
    assert_int_equal(txn__decide_verify(&now, &add), KP_ERR_PRODUCER_FENCED);
    txn__decide_add(&now, &add, &decision);
    assert_int_equal(decision.error, KP_ERR_PRODUCER_FENCED);
    add.producer_id = 8;
    assert_int_equal(txn__decide_verify(&now, &add), KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    txn__decide_add(&now, &add, &decision);
    assert_int_equal(decision.error, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    now = known(TXN_PREPARE_COMMIT, 7, 3);
    add = (struct txn_add){.producer_id = 7, .producer_epoch = 3, .contained = true, .now_ms = NOW};
    txn__decide_add(&now, &add, &decision);
    assert_int_equal(decision.error, KP_ERR_CONCURRENT_TRANSACTIONS);
    assert_int_equal(txn__decide_verify(&now, &add), KP_ERR_CONCURRENT_TRANSACTIONS);
    /* A late batch after the end finds nothing open, whatever the set says. */
    now = known(TXN_COMPLETE_COMMIT, 7, 3);
    assert_int_equal(txn__decide_verify(&now, &add), KP_ERR_TRANSACTION_ABORTABLE);
}

/* state, epoch sent, commit -> version 0: error, next state (-1 none) */
static void ends_without_a_bump(void **state)
{
    static const struct {
        enum txn_state at;
        int16_t        epoch;
        bool           commit;
        int16_t        error;
        int            next;
    } lines[] = {
        {TXN_ONGOING, 3, true, 0, TXN_PREPARE_COMMIT},
        {TXN_ONGOING, 3, false, 0, TXN_PREPARE_ABORT},
        {TXN_ONGOING, 2, true, KP_ERR_PRODUCER_FENCED, -1},
        {TXN_ONGOING, 4, true, KP_ERR_PRODUCER_FENCED, -1},
        {TXN_EMPTY, 3, true, KP_ERR_INVALID_TXN_STATE, -1},
        {TXN_EMPTY, 3, false, KP_ERR_INVALID_TXN_STATE, -1},
        {TXN_PREPARE_COMMIT, 3, true, KP_ERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_PREPARE_ABORT, 3, true, KP_ERR_CONCURRENT_TRANSACTIONS, -1},
        {TXN_COMPLETE_COMMIT, 3, true, 0, -1},
        {TXN_COMPLETE_COMMIT, 3, false, KP_ERR_INVALID_TXN_STATE, -1},
        {TXN_COMPLETE_ABORT, 3, false, 0, -1},
        {TXN_COMPLETE_ABORT, 3, true, KP_ERR_INVALID_TXN_STATE, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct txn_values   now = known(lines[i].at, 7, 3);
        struct txn_decision decision = end(&now, 0, 7, lines[i].epoch, lines[i].commit);

        assert_int_equal(decision.error, lines[i].error);
        assert_int_equal(decision.append, lines[i].next >= 0);
        if (decision.append) {
            assert_int_equal(decision.values.state, lines[i].next);
            assert_int_equal(decision.values.producer_epoch, 3);
        }
        assert_int_equal(end(&now, 0, 8, 3, true).error, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
    }
    assert_int_equal(end(NULL, 0, 7, 3, true).error, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
}

static void ends_with_a_bump(void **state)
{
    static const struct {
        enum txn_state at;
        int16_t        epoch; /* known is 3 */
        bool           commit;
        int16_t        error;
        int            next;
        int16_t        reply_epoch;
    } lines[] = {
        {TXN_ONGOING, 3, true, 0, TXN_PREPARE_COMMIT, 4},
        {TXN_ONGOING, 3, false, 0, TXN_PREPARE_ABORT, 4},
        {TXN_ONGOING, 2, true, KP_ERR_PRODUCER_FENCED, -1, -1},
        {TXN_EMPTY, 3, false, 0, TXN_PREPARE_ABORT, 4}, /* an abort of nothing */
        {TXN_EMPTY, 3, true, KP_ERR_INVALID_TXN_STATE, -1, -1},
        {TXN_EMPTY, 2, false, KP_ERR_PRODUCER_FENCED, -1, -1},
        {TXN_PREPARE_COMMIT, 2, true, KP_ERR_CONCURRENT_TRANSACTIONS, -1, -1},
        {TXN_COMPLETE_COMMIT, 2, true, 0, -1, 3}, /* again: what it was told */
        {TXN_COMPLETE_COMMIT, 2, false, KP_ERR_INVALID_TXN_STATE, -1, -1},
        {TXN_COMPLETE_COMMIT, 3, true, KP_ERR_INVALID_TXN_STATE, -1,
         -1}, /* the next one's commit, with nothing in it */
        {TXN_COMPLETE_COMMIT, 3, false, 0, TXN_PREPARE_ABORT, 4},
        {TXN_COMPLETE_ABORT, 2, false, 0, -1, 3},
        {TXN_COMPLETE_ABORT, 2, true, KP_ERR_INVALID_TXN_STATE, -1, -1},
        {TXN_COMPLETE_ABORT, 3, false, 0, TXN_PREPARE_ABORT, 4},
        {TXN_COMPLETE_ABORT, 3, true, KP_ERR_INVALID_TXN_STATE, -1, -1},
        {TXN_COMPLETE_ABORT, 1, false, KP_ERR_PRODUCER_FENCED, -1, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct txn_values   now = known(lines[i].at, 7, 3);
        struct txn_decision decision = end(&now, 2, 7, lines[i].epoch, lines[i].commit);

        assert_int_equal(decision.error, lines[i].error);
        assert_int_equal(decision.append, lines[i].next >= 0);
        assert_int_equal(decision.reply_epoch, lines[i].reply_epoch);
        if (decision.append) {
            assert_int_equal(decision.values.state, lines[i].next);
            assert_int_equal(decision.values.producer_epoch, 4);
            assert_int_equal(decision.values.last_epoch, 3);
            assert_true(decision.values.start_ms >= 0);
        }
    }
}

static void ends_the_last_epoch_with_a_new_id(void **state)
{
    struct txn_values   now = known(TXN_ONGOING, 7, TXN_EPOCH_LAST);
    struct txn_decision decision = end(&now, 2, 7, TXN_EPOCH_LAST, true);

    (void)state;
    assert_int_equal(decision.values.producer_id, 7); /* the markers' */
    assert_int_equal(decision.values.producer_epoch, INT16_MAX);
    assert_int_equal(decision.reply_producer_id, FRESH);
    assert_int_equal(decision.reply_epoch, 0);
    now = decision.values;
    txn__decide_complete(&now, NOW, &decision);
    now = decision.values;
    assert_int_equal(now.producer_id, FRESH);
    assert_int_equal(now.producer_epoch, 0);
    decision = end(&now, 2, 7, TXN_EPOCH_LAST, true); /* the answer was lost */
    assert_int_equal(decision.error, 0);
    assert_int_equal(decision.reply_producer_id, FRESH);
    assert_int_equal(decision.reply_epoch, 0);
    assert_int_equal(end(&now, 2, 7, 5, true).error, KP_ERR_INVALID_PRODUCER_ID_MAPPING);
}

static void knows_the_time(void **state)
{
    struct txn_values now = known(TXN_ONGOING, 7, 3);

    (void)state;
    now.start_ms = NOW - 60000;
    assert_false(txn__timed_out(&now, NOW));
    assert_true(txn__timed_out(&now, NOW + 1));
    now.state = TXN_PREPARE_ABORT;
    assert_false(txn__timed_out(&now, NOW + 1));
    assert_false(txn__expired(&now, NOW + INT64_C(100000000), 5));
    now.state = TXN_COMPLETE_ABORT;
    now.update_ms = NOW;
    assert_false(txn__expired(&now, NOW + 4, 5));
    assert_true(txn__expired(&now, NOW + 5, 5));
}

/* A producer, another one that takes over, clocks and retries, at random. The model knows only this: an epoch is never
 * given out twice, and who has been fenced gets nothing done. */
struct duel {
    struct txn_values now;
    bool              exists;
    int64_t           fresh, id[2];
    int16_t           epoch[2];
    int               owner; /* whose InitProducerId came last; -1: nobody, the coordinator has fenced */
};

static void duel_init(struct duel *duel, int who, int16_t version, int64_t now_ms, struct txn_decision *decision)
{
    txn__decide_init(duel->exists ? &duel->now : NULL,
                     &(struct txn_init){.timeout_ms = 1000,
                                        .producer_id = -1,
                                        .producer_epoch = -1,
                                        .fresh_producer_id = duel->fresh,
                                        .server_version = version,
                                        .now_ms = now_ms},
                     decision);
    if (decision->error == 0) {
        duel->owner = who;
        duel->id[who] = decision->reply_producer_id;
        duel->epoch[who] = decision->reply_epoch;
        assert_false(duel->id[who] == duel->id[!who] && duel->epoch[who] <= duel->epoch[!who]);
    }
}

static void duel_add(struct duel *duel, int who, int16_t version, int64_t now_ms, struct txn_decision *decision)
{
    txn__decide_add(&duel->now,
                    &(struct txn_add){.producer_id = duel->id[who],
                                      .producer_epoch = duel->epoch[who],
                                      .client_version = version,
                                      .now_ms = now_ms},
                    decision);
    assert_true(IMPLIES(who != duel->owner, decision->error != 0));
}

static void duel_end(struct duel *duel, int who, int16_t version, bool commit, int64_t now_ms,
                     struct txn_decision *decision)
{
    txn__decide_end(&duel->now,
                    &(struct txn_end){.producer_id = duel->id[who],
                                      .producer_epoch = duel->epoch[who],
                                      .commit = commit,
                                      .client_version = version,
                                      .fresh_producer_id = duel->fresh,
                                      .now_ms = now_ms},
                    decision);
    assert_true(IMPLIES(who != duel->owner, !decision->append));
    if (decision->append && version == 2) {
        duel->id[who] = decision->reply_producer_id;
        duel->epoch[who] = decision->reply_epoch;
    }
}

static void duel_move(struct duel *duel, const struct txn_decision *decision)
{
    assert_true(txn__move_allowed(duel->exists ? &duel->now : NULL, &decision->values));
    duel->fresh += decision->values.producer_id == duel->fresh || decision->values.next_producer_id == duel->fresh;
    duel->owner = decision->fence ? -1 : duel->owner;
    duel->now = decision->values;
    duel->exists = true;
    if (duel->now.producer_epoch == 3 && duel->now.state == TXN_EMPTY) { /* near the end, so that ids roll */
        duel->now.producer_epoch = duel->epoch[duel->owner] = TXN_EPOCH_LAST - 3;
    }
}

static void keeps_its_promises_at_random(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 20260);
    for (int run = 0; run < 300; run++) {
        struct duel duel = {.fresh = 100, .id = {-1, -1}, .epoch = {-1, -1}, .owner = -1};

        for (int step = 0; step < 200; step++) {
            int                 who = (int)prng_below(&prng, 2);
            int16_t             version = prng_below(&prng, 2) == 0 ? 0 : 2;
            uint64_t            event = prng_below(&prng, 6);
            bool                commit = prng_below(&prng, 2) == 0;
            struct txn_decision decision = {0};

            if (event == 0) {
                duel_init(&duel, who, version, NOW + step, &decision);
            } else if (!duel.exists) {
                continue;
            } else if (event <= 2) {
                duel_add(&duel, who, version, NOW + step, &decision);
            } else if (event == 3) {
                duel_end(&duel, who, version, commit, NOW + step, &decision);
            } else if (event == 4 && duel.now.state == TXN_ONGOING) {
                txn__decide_fence(&duel.now, version, duel.fresh, NOW + step, &decision);
            } else if (event == 5 && txn__state_prepares(duel.now.state)) {
                txn__decide_complete(&duel.now, NOW + step, &decision);
            }
            assert_false(decision.needs_producer_id);
            if (decision.append) {
                duel_move(&duel, &decision);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_new_ids_a_producer),
        cmocka_unit_test(bumps_whoever_comes_again),
        cmocka_unit_test(rolls_the_id_when_epochs_are_used_up),
        cmocka_unit_test(aborts_what_was_open),
        cmocka_unit_test(fences_the_last_epoch_into_a_new_id),
        cmocka_unit_test(adds_partitions),
        cmocka_unit_test(ends_without_a_bump),
        cmocka_unit_test(ends_with_a_bump),
        cmocka_unit_test(ends_the_last_epoch_with_a_new_id),
        cmocka_unit_test(knows_the_time),
        cmocka_unit_test(keeps_its_promises_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
