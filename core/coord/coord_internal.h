/* coord_internal.h: what the files of this room share: the shard's coordinators, their partitions, how calls end.
 *
 * A *slot* is one partition of an internal topic on the shard that leads it: a log (coord_log.h) and the machine it
 * feeds. Machines are made when the partition is first needed and live until the broker stops or the topic is deleted.
 *
 * A handler's way through this room: find the slot of the id (coord__slot), its machine, decide, add records, commit
 * with the call's own write; when they are durable the answer, filled in before, leaves. */
#ifndef MILLRACE_COORD_INTERNAL_H
#define MILLRACE_COORD_INTERNAL_H

#include "core/coord/coord.h"
#include "core/proto/kp_entries.h"

enum coord_kind { COORD_GROUPS, COORD_TXNS, COORD_KIND_COUNT };

struct coord_slot {
    struct coord         *coord;
    enum coord_kind       kind;
    int32_t               partition;
    struct uuid           topic_id;
    struct coord_log     *log;
    struct coord_machine *machine;
    bool                  closing;
};

/* Broker settings in force, read again when the metadata image changes. */
struct coord_settings {
    int64_t image_offset;
    int32_t group_initial_delay_ms;
    int32_t group_min_session_ms, group_max_session_ms;
    int32_t group_max_size;
    int32_t offset_metadata_bytes_max;
    int64_t offsets_retention_ms, offsets_check_ms;
};

struct coord_scratch {
    uint8_t *base;
    size_t   capacity;
};

struct coord {
    struct io_shard      *shard;
    struct meta          *meta;
    struct part_table    *parts;
    struct coord        **by_shard;
    struct coord_slot   **slots[COORD_KIND_COUNT]; /* by partition; NULL: not opened */
    int32_t               slot_count[COORD_KIND_COUNT];
    struct list_node      finished; /* struct coord_call.link_: answered on the next turn */
    struct io_op          post;
    struct coord_settings settings;
    struct meta_watch     watch;
    struct coord_scratch  scratch[2]; /* a record's key and value while they are encoded */
    struct txn_shard     *txns;
    struct coord_insiders insiders; /* list NULL: none */
    bool                  closing;
    uint32_t              logs_open;
    void (*closed)(void *context, int result);
    void *closed_context;
};

/* --- slots ------------------------------------------------------------------------------------------------------- */

/* The slot of an id whose log is active, or NULL and the error for the client. */
struct coord_slot *coord__slot(struct coord *coord, enum coord_kind kind, struct view id, int16_t *out_error);
/* The same by partition. */
struct coord_slot *coord__slot_at(struct coord *coord, enum coord_kind kind, int32_t partition, int16_t *out_error);
/* The next opened slot at or after *position whatever the state of its log; NULL at the end. */
struct coord_slot *coord__slot_next(struct coord *coord, enum coord_kind kind, int32_t *position);
/* True while some partition of this kind on this shard is still being read. */
bool                         coord__loading(struct coord *coord, enum coord_kind kind);
const struct coord_settings *coord__settings(struct coord *coord);

static inline int64_t coord__now_ns(const struct coord *coord)
{
    return io_now_ns(coord->shard->io);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

/* Each call ends exactly once, by one of these; done() runs on a later turn. A call that waits for others names them in
 * waits_for_ and says in cancel_ how it is ended early; coord__finish() clears both. */
void coord__finish(struct coord_call *call);
/* Calls that are finished end on the next turn; so does closing, when nothing is out any more. */
void coord__post(struct coord *coord);
/* The answer shows `error`, as far as its message can. */
void coord__fail(struct coord_call *call, int16_t error);
/* Commits what was added to the slot's log (perhaps nothing) and ends the call when everything up to here is durable;
 * fails it when the log fails. */
void coord__commit(struct coord_slot *slot, struct coord_call *call);
/* Memory of the call, zeroed; NULL over its budget. */
void *coord__alloc(struct coord_call *call, size_t count, size_t bytes);
/* A copy of `text` in the call's arena; base NULL stays NULL. */
struct view coord__text(struct coord_call *call, struct view text);

/* Fills the response of its API with an error; coord__fail() chooses by call->api_key. */
void group__fill_error(struct coord_call *call, int16_t error);
void group_modern__fill_error(struct coord_call *call, int16_t error); /* ConsumerGroupHeartbeat, ...Describe */
void txn__fill_error(struct coord_call *call, int16_t error);          /* everything else */

/* A key or a value: calls kp_<entry>_key_write() and the like. */
typedef void coord_write_fn(struct kp_writer *writer, const void *in);
/* Encodes both and adds the record to the log's event. value NULL: tombstone. */
void coord__add(struct coord_slot *slot, coord_write_fn *key, const void *key_in, coord_write_fn *value,
                const void *value_in);

/* --- machines ---------------------------------------------------------------------------------------------------- */

struct coord_machine *group__machine_create(struct coord_slot *slot);
void                  group__machine_destroy(struct coord_machine *machine);
struct coord_machine *txn__machine_create(struct coord_slot *slot);
void                  txn__machine_destroy(struct coord_machine *machine);

/* A topic is gone: its committed offsets, too. */
void group__topic_removed(struct coord_machine *machine, struct view topic);

#endif
