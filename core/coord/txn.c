/* The transactional ids of one partition of `__transaction_state`: replay, moves, oblivion. See txn_machine.h.
 *
 * 1. An id's record is added to the log in the same turn in which its state changes; nothing in between can fail.
 * 2. An id stands in `ongoing` exactly while its state is TXN_ONGOING, and has a fan exactly while it prepares.
 * 3. After unload nothing of the machine is known to anybody but fans that are on their way, which have forgotten it.
 */
#include "core/base/slog.h"
#include "core/coord/txn_machine.h"

static void txn_replay(struct coord_machine *machine, const struct coord_record *record);
static void txn_no_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit);
static void txn_loaded(struct coord_machine *machine);
static void txn_unload(struct coord_machine *machine, int16_t error);

struct coord_machine *txn__machine_create(struct coord_slot *slot)
{
    struct txn_machine *machine = mem_alloc(MEM_COORD, sizeof(*machine));

    machine->machine = (struct coord_machine){
        .replay = txn_replay, .marker = txn_no_marker, .loaded = txn_loaded, .unload = txn_unload};
    machine->slot = slot;
    map_init(&machine->ids, MEM_COORD);
    list_init(&machine->ongoing);
    return &machine->machine;
}

void txn__machine_destroy(struct coord_machine *machine)
{
    struct txn_machine *self = CONTAINER_OF(machine, struct txn_machine, machine);

    CHECK(map_count(&self->ids) == 0);
    map_deinit(&self->ids);
    mem_free(MEM_COORD, self);
}

/* --- ids --------------------------------------------------------------------------------------------------------- */

struct txn *txn__find(const struct txn_machine *machine, struct view id)
{
    return map_get(&machine->ids, id);
}

static struct txn *txn_add(struct txn_machine *machine, struct view id)
{
    struct txn *txn = mem_alloc(MEM_COORD, sizeof(*txn) + id.len);

    txn->machine = machine;
    txn->id_len = id.len;
    memcpy(txn->id, id.base, id.len);
    list_init(&txn->ongoing_link);
    (void)map_put(&machine->ids, id, txn);
    return txn;
}

void txn__remove(struct txn *txn)
{
    if (txn->fan != NULL) {
        txn__fan_forget(txn);
    }
    list_remove(&txn->ongoing_link);
    (void)map_remove(&txn->machine->ids, txn__id(txn));
    txn__partitions_clear(&txn->partitions);
    mem_free(MEM_COORD, txn);
}

static void txn_set(struct txn *txn, const struct txn_values *values)
{
    txn->values = *values;
    list_remove(&txn->ongoing_link);
    if (values->state == TXN_ONGOING) {
        list_push_back(&txn->machine->ongoing, &txn->ongoing_link);
    }
}

int64_t txn__now_ms(const struct coord *coord)
{
    return io_wall_ms(coord->shard->io);
}

bool txn__leader(const struct coord *coord, const struct meta_topic *topic, int32_t partition, uint32_t *out_shard)
{
    const struct meta_host *host = meta_host(coord->meta);
    int64_t                 shard = (int64_t)topic->partitions[partition].leader - host->first_node_id;

    if (shard < 0 || shard >= host->shard_count) {
        return false;
    }
    *out_shard = (uint32_t)shard;
    return true;
}

int16_t txn__server_version(const struct coord *coord)
{
    return meta_feature_level(coord->meta, META_FEATURE_TRANSACTION_VERSION);
}

int32_t txn__coordinator_epoch(const struct txn_machine *machine)
{
    const struct coord_slot *slot = machine->slot;
    const struct meta_topic *topic = meta_topic_by_id(slot->coord->meta, slot->topic_id);

    return topic == NULL || slot->partition >= topic->partition_count ? 0
                                                                      : topic->partitions[slot->partition].leader_epoch;
}

/* --- moves ------------------------------------------------------------------------------------------------------- */

struct txn *txn__move(struct txn_machine *machine, struct txn *txn, struct view id, const struct txn_values *values,
                      bool must_fit)
{
    struct coord_log *log = machine->slot->log;
    struct arena     *scratch = &machine->slot->coord->txns->scratch;
    struct view       key = txn__record_key(scratch, id);
    struct view       value = txn__record_value(scratch, values, txn == NULL ? NULL : &txn->partitions);

    CHECK(txn__move_allowed(txn == NULL ? NULL : &txn->values, values));
    if (key.base == NULL || value.base == NULL) {
        arena_reset(scratch);
        return NULL;
    }
    coord_log_add(log, key, value);
    arena_reset(scratch);
    if (must_fit && !coord_log_fits(log)) {
        coord_log_drop(log);
        return NULL;
    }
    if (txn == NULL) {
        txn = txn_add(machine, id);
    }
    txn_set(txn, values);
    return txn;
}

void txn__settle(struct txn *txn)
{
    if (txn__state_prepares(txn->values.state)) {
        txn__fan_out(txn, false);
    } else {
        coord_log_commit(txn->machine->slot->log, NULL);
    }
}

void txn__expire(struct txn *txn)
{
    struct coord_log *log = txn->machine->slot->log;
    struct arena     *scratch = &txn->machine->slot->coord->txns->scratch;
    struct view       key = txn__record_key(scratch, txn__id(txn));

    if (key.base != NULL) {
        coord_log_add(log, key, (struct view){0});
        coord_log_commit(log, NULL);
        txn__remove(txn);
    }
    arena_reset(scratch);
}

/* --- the log's ---------------------------------------------------------------------------------------------------- */

static void txn_replay(struct coord_machine *machine, const struct coord_record *record)
{
    struct txn_machine   *self = CONTAINER_OF(machine, struct txn_machine, machine);
    struct arena         *scratch = &self->slot->coord->txns->scratch;
    struct txn_values     values;
    struct txn_partitions partitions = {0};
    struct view           id = {0};
    enum txn_record_kind  kind = txn__record_read(scratch, record->key, record->value, &id, &values, &partitions);
    struct txn           *txn = id.base == NULL ? NULL : txn__find(self, id);

    if (kind == TXN_RECORD_VALUE) {
        if (txn == NULL) {
            txn = txn_add(self, id);
        }
        txn__partitions_clear(&txn->partitions);
        txn->partitions = partitions;
        txn_set(txn, &values);
    } else if (kind == TXN_RECORD_TOMBSTONE && txn != NULL) {
        txn__remove(txn);
    } else if (kind == TXN_RECORD_DAMAGED) {
        self->damaged++;
    }
    arena_reset(scratch);
}

static void txn_no_marker(struct coord_machine *machine, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    (void)machine; /* nobody writes transactions into this topic */
    (void)producer_id;
    (void)producer_epoch;
    (void)commit;
}

static void txn_loaded(struct coord_machine *machine)
{
    struct txn_machine *self = CONTAINER_OF(machine, struct txn_machine, machine);

    if (self->damaged > 0) {
        slog_error("coord", "%s-%d: %" PRIu64 " records cannot be understood and are left out", COORD_TXN_TOPIC,
                   self->slot->partition, self->damaged);
    }
    MAP_EACH(&self->ids, entry) {
        struct txn *txn = entry->value;

        if (txn__state_prepares(txn->values.state)) { /* decided before the stop: ended now */
            txn__fan_out(txn, true);
        }
    }
}

static void txn_unload(struct coord_machine *machine, int16_t error)
{
    struct txn_machine *self = CONTAINER_OF(machine, struct txn_machine, machine);

    (void)error; /* calls wait in the log, which tells them */
    MAP_EACH(&self->ids, entry) {
        txn__remove(entry->value);
    }
    self->damaged = 0;
    CHECK(list_empty(&self->ongoing));
}
