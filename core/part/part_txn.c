/* Transactions as far as a partition sees them: which hold back the last stable offset.
 *
 * A transaction is open from its first batch to its marker, in the log's order. Its marker frees it for new data at
 * commit, but readers are held back until the marker is durable. Nodes are reused: a part allocates as many as it ever
 * had at once. */
#include "core/part/part_internal.h"

#define PART_MARKER_ARENA_BYTES ((size_t)(4 * KIB))

void part__txn_begin(struct part *part, struct part_producer *producer, int64_t first_offset)
{
    struct list_node *node = list_pop_front(&part->free_txns);
    struct part_txn  *txn =
        node != NULL ? LIST_ENTRY(node, struct part_txn, open_link) : mem_alloc(MEM_PART, sizeof(*txn));

    CHECK(producer->txn == NULL);
    txn->producer_id = producer->producer_id;
    txn->first_offset = first_offset;
    txn->marker_offset = -1;
    list_init(&txn->close_link);
    list_init(&txn->open_link);
    producer->txn = txn;
    /* Batches come in the log's order: it is nearly always the last. A snapshot names producers in another order. */
    node = &part->txns;
    while (node->prev != &part->txns &&
           LIST_ENTRY(node->prev, struct part_txn, open_link)->first_offset > first_offset) {
        node = node->prev;
    }
    list_insert_between(&txn->open_link, node->prev, node);
}

/* Where everything behind a marker at marker_offset begins: at the first transaction that is open still. */
static int64_t txn_stable_offset(const struct part *part, int64_t marker_offset)
{
    LIST_EACH(&part->txns, node) {
        const struct part_txn *txn = LIST_ENTRY(node, struct part_txn, open_link);

        if (txn->marker_offset < 0) {
            return txn->first_offset;
        }
    }
    return marker_offset + 1;
}

void part__txn_close(struct part *part, struct part_producer *producer, int64_t marker_offset, bool commit)
{
    struct part_txn *txn = producer->txn;

    producer->txn = NULL;
    txn->marker_offset = marker_offset;
    list_push_back(&part->closing, &txn->close_link);
    if (!commit) {
        part__aborted_add(part, &(struct part_aborted){.producer_id = producer->producer_id,
                                                       .first_offset = txn->first_offset,
                                                       .last_offset = marker_offset,
                                                       .stable_offset = txn_stable_offset(part, marker_offset)});
    }
}

void part__txns_durable(struct part *part, int64_t durable_end)
{
    struct list_node *node;

    while ((node = list_first(&part->closing)) != NULL) {
        struct part_txn *txn = LIST_ENTRY(node, struct part_txn, close_link);

        if (txn->marker_offset >= durable_end) {
            break;
        }
        list_remove(&txn->close_link);
        list_remove(&txn->open_link);
        list_push_back(&part->free_txns, &txn->open_link);
    }
}

/* Producers must not be used with their transactions afterwards: the caller drops them, too. */
void part__txns_clear(struct part *part)
{
    struct list_node *node;

    list_splice_back(&part->free_txns, &part->txns);
    list_init(&part->closing);
    while ((node = list_pop_front(&part->free_txns)) != NULL) {
        mem_free(MEM_PART, LIST_ENTRY(node, struct part_txn, open_link));
    }
}

int64_t part__txn_durable_first(const struct part *part, const struct part_producer *producer, int64_t durable_end)
{
    LIST_EACH(&part->closing, node) { /* its marker is not durable */
        const struct part_txn *txn = LIST_ENTRY(node, struct part_txn, close_link);

        if (txn->producer_id == producer->producer_id && txn->first_offset < durable_end &&
            txn->marker_offset >= durable_end) {
            return txn->first_offset;
        }
    }
    return producer->txn != NULL && producer->txn->first_offset < durable_end ? producer->txn->first_offset : -1;
}

int64_t part__txn_first_unstable(const struct part *part)
{
    const struct list_node *first = list_first(&part->txns);

    return first == NULL ? INT64_MAX : LIST_ENTRY(first, struct part_txn, open_link)->first_offset;
}

/* --- markers ----------------------------------------------------------------------------------------------------- */

static void marker_done(struct part_append *append)
{
    struct part_marker *marker = CONTAINER_OF(append, struct part_marker, append_);

    marker->error = append->error;
    marker->offset = append->base_offset;
    marker->done(marker);
}

void part_append_marker(struct part *part, struct part_marker *marker)
{
    struct arena arena;
    struct view  batch = {0};

    arena_init(&arena, MEM_PART, PART_MARKER_ARENA_BYTES, PART_MARKER_ARENA_BYTES);
    CHECK(rec_build_marker(&arena, marker->producer_id, marker->producer_epoch, marker->commit,
                           marker->coordinator_epoch, io_wall_ms(part->table->shard->io), &batch) == ERR_OK);
    CHECK(batch.len <= PART_MARKER_BYTES);
    memcpy(marker->bytes_, batch.base, batch.len);
    arena_deinit(&arena);
    marker->append_ = (struct part_append){.records = view_of(marker->bytes_, batch.len),
                                           .internal = true,
                                           .wait_durable = true,
                                           .flush = marker->flush,
                                           .background = marker->background,
                                           .marker_version = marker->version,
                                           .foreign = !marker->by_owner,
                                           .done = marker_done};
    part_append(part, &marker->append_);
}
