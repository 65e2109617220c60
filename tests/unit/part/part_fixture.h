/* part_fixture.h: one part over the store in memory, and short words for what the tests do with it. */
#ifndef MILLRACE_TESTS_PART_FIXTURE_H
#define MILLRACE_TESTS_PART_FIXTURE_H

#include "tests/support/fake_store.h"
#include "tests/support/unit.h"

#include "core/base/bytes.h"
#include "core/base/crc32c.h"
#include "core/part/part.h"

#define FIXTURE_TOPIC "orders"

struct fixture {
    struct fake_io      io;
    struct store        store;
    struct part_table  *table;
    struct part        *part;
    struct store_log   *log;
    struct part_options options;
    struct arena        arena; /* batches; reset by hand */
    int16_t             open_error;
    bool                unverified; /* transactional batches come without asking the coordinator */
};

/* What a batch is made of; zero means "as usual". */
struct batch_recipe {
    int32_t        records; /* 0: 1 */
    size_t         value_bytes;
    bool           keyless;
    bool           idempotent; /* the next three count */
    int64_t        producer_id;
    int16_t        producer_epoch;
    int32_t        base_sequence;
    uint16_t       attributes;
    int64_t        timestamp_ms; /* of the first record; the next are one ms apart; 0: the fake wall clock */
    enum rec_codec codec;
};

/* An append with the number of times it was answered. */
struct
try {
    struct part_append append;
    int                answers;
};

struct marking {
    struct part_marker marker;
    int                answers;
};

int  fixture_setup(void **state); /* one part, open, epoch 3 */
int  fixture_teardown(void **state);
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture); /* table and all */
/* Closes the table and opens the part again, as after a restart. */
void fixture_restart(struct fixture *fixture, bool crash);

struct view fixture_batch(struct fixture *fixture, const struct batch_recipe *recipe);
struct view fixture_marker(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch,
                           int32_t coordinator_epoch);
struct view fixture_abort_marker(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch);
/* That of a producer whose coordinator lets it in. 0: it needs none, or is refused. */
uint64_t fixture_guard(struct fixture *fixture, int64_t producer_id, int16_t producer_epoch, int32_t base_sequence);
/* Hands the batch over and returns; turns are the caller's. */
void fixture_begin(struct fixture *fixture, struct try *attempt, struct view batch);
void fixture_begin_acks(struct fixture *fixture, struct try *attempt, struct view batch, bool wait_durable);
void fixture_begin_internal(struct fixture *fixture, struct try *attempt, struct view batch);
/* Appends, makes everything durable, runs the loop; the answer's error. */
int16_t fixture_append(struct fixture *fixture, struct try *attempt, struct view batch);
int16_t fixture_append_recipe(struct fixture *fixture, struct try *attempt, const struct batch_recipe *recipe);
int16_t fixture_append_internal(struct fixture *fixture, struct try *attempt, struct view batch);
void    fixture_flush(struct fixture *fixture); /* all durable, loop settled */
void    fixture_set(struct fixture *fixture, const struct part_settings *settings);
/* --- transactions */

/* One record. */
struct view fixture_txn_batch(struct fixture *fixture, int64_t producer_id, int16_t epoch, int32_t sequence);
/* The same, let in and appended: the answer's error. */
int16_t fixture_send(struct fixture *fixture, int64_t producer_id, int16_t epoch, int32_t sequence);
void    fixture_begin_marker(struct fixture *fixture, struct marking *marking);
int16_t fixture_mark(struct fixture *fixture, const struct part_marker *what);
int16_t fixture_end(struct fixture *fixture, int64_t producer_id, int16_t epoch, bool commit);
/* The n-th batch on the fake disk. */
struct rec_batch fixture_stored(struct fixture *fixture, size_t index);
/* The batch was answered once, with this error. */
void expect_answer(const struct try *attempt, int16_t error);

#endif
