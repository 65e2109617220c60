/* fake_store.h: store.h in memory, moved by hand, for unit tests of the rooms above it. Link it instead of core/store.
 *
 * The durable end moves only when the test says so; logs go offline, memory runs out and space ends on demand; a read
 * comes back in small slices, at once or from the loop. What a log held survives its close, so that a part can be
 * opened again: cleanly, with the snapshot taken at the close, or after a crash, with what was durable, the newest
 * snapshot and a replay of the batches above it. */
#ifndef MILLRACE_TESTS_FAKE_STORE_H
#define MILLRACE_TESTS_FAKE_STORE_H

#include "core/store/store.h"
#include "tests/support/fake_io.h"

#define FAKE_BATCHES_MAX 512

struct fake_batch {
    int64_t  base_offset;
    int64_t  last_offset;
    uint8_t *bytes;
    size_t   len;
};

/* What is on the fake disk for one partition. */
struct fake_disk {
    struct list_node  link;
    char             *topic;
    int32_t           partition;
    struct fake_batch batches[FAKE_BATCHES_MAX];
    size_t            batch_count;
    int64_t           start_offset;
    uint8_t          *snapshot; /* NULL: none */
    size_t            snapshot_len;
    int64_t           snapshot_offset;
    bool              unclean;
};

struct store {
    struct fake_io  *io;
    struct list_node disks;
    struct list_node memory_waiters;
    struct list_node jobs; /* callbacks the loop owes */
    struct io_op     post;
    bool             posted;
    /* the test's */
    size_t slice_bytes;      /* reads come in pieces of this size; 0: whole batches */
    bool   reads_later;      /* reads complete from the loop */
    bool   memory_low;       /* reserve and read give ERR_AGAIN */
    bool   space_low;        /* reserve gives ERR_NO_SPACE */
    size_t reserve_max;      /* above: ERR_LIMIT; 0: none */
    int    open_result;      /* of the next opens */
    bool   trusts_snapshots; /* hands out a snapshot from beyond the recovered end, as no store should */
    size_t reads_out;        /* not released yet */
    size_t log_count;
};

void fake_store_init(struct store *store, struct fake_io *io);
void fake_store_deinit(struct store *store); /* all logs closed, all reads released (checked) */
/* The log of an open partition, or NULL. */
struct store_log *fake_store_log(struct store *store, const char *topic, int32_t partition);
/* Everything below offset is durable; appends are done, in order, then the hook runs. */
void fake_store_durable(struct store_log *log, int64_t offset);
/* A write has failed: waiting appends end with ERR_OFFLINE. */
void fake_store_offline(struct store_log *log);
/* Memory is there again: waiters are called. */
void fake_store_memory_back(struct store *store);
/* A segment is rolled: the snapshot of now is kept. */
void fake_store_snapshot(struct store_log *log);
/* The next close of this log loses what is not durable and keeps no snapshot of the end. */
void              fake_store_crash_next(struct store_log *log);
struct fake_disk *fake_store_disk(struct store_log *log);

/* In force. */
const struct store_policy *fake_store_policy(const struct store_log *log);

#endif
