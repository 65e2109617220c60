/* coord_log_internal.h: what the two halves of coord_log share: coord_log.c writes, coord_log_load.c reads. */
#ifndef MILLRACE_COORD_LOG_INTERNAL_H
#define MILLRACE_COORD_LOG_INTERNAL_H

#include "core/coord/coord_log.h"

#define LOG_RETRY_NS_MIN (100 * NS_PER_MS)
#define LOG_RETRY_NS_MAX (5 * NS_PER_S)
#define LOG_BLOCK_BYTES  ((size_t)(16 * KIB))

enum log_batch_kind { LOG_PLAIN, LOG_TXN, LOG_MARKER };

struct log_batch {
    struct list_node    link;
    struct coord_log   *log;
    enum log_batch_kind kind;
    bool                commit; /* LOG_MARKER */
    bool                sent;
    int64_t             producer_id;
    int16_t             producer_epoch;
    int32_t             coordinator_epoch;
    int16_t             transaction_version;
    size_t              bytes;
    struct list_node    writes; /* struct coord_write.link_, in order */
    struct arena        arena;
    struct rec_builder  builder;
    struct part_append  append;
};

struct log_event_record {
    uint32_t key_bytes;
    uint32_t value_bytes; /* UINT32_MAX: tombstone */
};

struct coord_log {
    struct io_shard         *shard;
    struct part             *part;
    struct coord_machine    *machine;
    enum coord_log_state     state;
    struct part_waiter       waiter; /* tells when the partition is deleted */
    struct list_node         batches;
    struct list_node         settled; /* writes that end on the next turn, with settled_error */
    int16_t                  failed_error;
    struct list_node         spare;
    uint32_t                 spare_count;
    uint8_t                 *event; /* records added since the last commit */
    size_t                   event_bytes;
    size_t                   event_capacity;
    uint32_t                 event_records;
    struct io_op             post;
    struct timer             retry;
    int64_t                  retry_ns;
    struct part_read         read;
    bool                     reading; /* a read or a reopening is out */
    int64_t                  next_offset;
    int64_t                  load_started_ns;
    struct coord_log_figures figures;
    bool                     closing;
    bool                     freed_machine; /* unload has been called */
    void (*closed)(void *context);
    void *closed_context;
};

/* The next turn's work. */
void coord_log__post(struct coord_log *log);
/* Tells the machine, once per loading. */
void coord_log__unload(struct coord_log *log, enum coord_log_state state, int16_t error);
/* Reads the partition from its start. */
void coord_log__load(struct coord_log *log);
void coord_log__load_step(struct coord_log *log);
void coord_log__retry_later(struct coord_log *log);

#endif
