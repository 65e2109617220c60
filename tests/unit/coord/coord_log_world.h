/* coord_log_world.h: one partition of an internal topic in a store in memory, and a machine that remembers letters. */
#ifndef MILLRACE_TESTS_COORD_LOG_WORLD_H
#define MILLRACE_TESTS_COORD_LOG_WORLD_H

#include "tests/support/unit.h"

#include "tests/support/fake_store.h"

#include "core/coord/coord_log.h"
#include "core/proto/kp_error.h"

#define WORLD_PRODUCER INT64_C(77) /* of all transactions */
#define WORLD_EPOCH    3

/* Remembers the newest value of each one-letter key. */
struct letters {
    struct coord_machine machine;
    char                 values[26]; /* '-': a tombstone; 0: nothing */
    int                  loads, unloads, replayed;
    int                  markers; /* 1 for a commit, 100 for an abort */
    int16_t              unload_error;
    char                 order[64]; /* of writes that ended */
};

struct wait {
    struct coord_write write;
    struct letters    *letters;
    char               name;
    int                ended;
    int16_t            error;
};

struct world {
    struct fake_io     io;
    struct store       store;
    struct part_table *table;
    struct part       *part;
    struct letters     letters;
    struct coord_log  *log;
    bool               closed;
};

extern struct world world;

int world_start(void **state);
int world_end(void **state);
#define WORLD_ROW(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)

/* Begins to close the log; whether that is over stands in world.closed. */
void world_close(void);
/* The same partition again, under a machine that knows nothing. */
void              world_open(void);
struct store_log *world_disk(void);
/* Everything is durable. */
void world_durable(void);
/* A record to the log's event; the machine applies it at once. */
void         world_add(char key, char value);
struct wait *world_wait(struct wait *wait, char name);
void         world_done(void *context, int16_t error); /* of core/part: without error */

#endif
