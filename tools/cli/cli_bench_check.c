/* cli_bench_check.c: after a run, everything is read back and held against what was acknowledged.
 *
 * Batches that were made ahead are known by their CRC, and each partition got them in turn from one connection: so the
 * n-th batch that stands there must be the n-th that was sent. One too many, one missing or two that changed places is
 * seen at once. Batches made anew are counted and their CRCs checked. Where a batch was refused or never answered, what
 * was acknowledged must be there and no more can be said. */
#include "core/base/bytes.h"
#include "tools/cli/cli_bench.h"

#define CHECK_WAIT_MS   500
#define CHECK_CRC_PLACE 17 /* in a batch */

static struct bench_check *check_current;
static int64_t             check_moved_ns; /* when something came last */

static bool check_compares(const struct bench *bench, const struct bench_place *place)
{
    return !bench->plan.fresh && !bench->plan.stamped && !place->in_doubt;
}

/* What the CRC of the batch that stands next must be. */
static uint32_t check_crc(const struct bench_place *place, struct view sent)
{
    uint8_t header[REC_HEADER_BYTES];

    memcpy(header, sent.base, sizeof(header));
    if (place->producer_id >= 0) {
        bench_stamp_producer(header, sent.len, place, place->checked_records);
    }
    return load_be32(header + CHECK_CRC_PLACE);
}

static void check_batch(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch)
{
    struct bench_check *check = check_current;
    const struct bench *bench = conn->bench;
    struct view         sent = bench->slots[(place->first_slot + place->checked_batches) % BENCH_SLOTS];

    check->damaged += !rec_batch_crc_ok(batch);
    check->gaps += batch->base_offset != place->next_offset;
    if (check_compares(bench, place)) {
        check->strange += batch->crc != check_crc(place, sent);
    }
    check->batches++;
    check->records += (uint64_t)batch->record_count;
    check->bytes += batch->bytes.len;
    place->checked_batches++;
    place->checked_records += (uint64_t)batch->record_count;
    check_moved_ns = bench_now_ns();
}

static void check_answered(struct bench_conn *conn, const struct bench_flight *flight, struct view frame)
{
    MAYBE(flight->due_ns > 0);
    bench_take_fetch(conn, frame, check_batch);
    for (int32_t i = 0; i < conn->place_count; i++) { /* where the end is not known it is where nothing more stands */
        struct bench_place *place = conn->places[i];

        if (place->end_offset == INT64_MAX && place->high >= 0 && place->next_offset >= place->high) {
            place->end_offset = place->next_offset;
        }
    }
    bench_fetch(conn, CHECK_WAIT_MS);
}

void bench_check(struct bench *bench, struct bench_check *out_check)
{
    int64_t patience_ns = cli_timeout_ms(bench->cli) * NS_PER_MS;

    *out_check = (struct bench_check){.compared = true};
    check_current = out_check;
    check_moved_ns = bench_now_ns();
    for (int32_t i = 0; i < bench->place_count; i++) {
        struct bench_place *place = &bench->places[i];

        place->next_offset = place->from_offset;
        place->end_offset =
            place->in_doubt || place->cut ? INT64_MAX : place->from_offset + (int64_t)place->acked_records;
        place->high = -1;
        out_check->compared = out_check->compared && check_compares(bench, place);
    }
    bench_conns_close(bench);
    bench->conns = cli_alloc_array(bench->cli, (size_t)(1 + bench->place_count), sizeof(*bench->conns));
    bench->conn_count = bench_connect(bench, bench->places, 0, 1, KP_FETCH_KEY, check_answered);
    for (int32_t i = 0; i < bench->conn_count; i++) {
        bench_fetch(&bench->conns[i], CHECK_WAIT_MS);
    }
    while (bench_waiting(bench) > 0 && bench_now_ns() - check_moved_ns < patience_ns && cli_stop_asked == 0) {
        bench_turn(bench, bench_now_ns() + NS_PER_S);
    }
    for (int32_t i = 0; i < bench->place_count; i++) {
        const struct bench_place *place = &bench->places[i];

        out_check->missing +=
            place->acked_records > place->checked_records ? place->acked_records - place->checked_records : 0;
    }
    out_check->good =
        out_check->damaged == 0 && out_check->gaps == 0 && out_check->strange == 0 && out_check->missing == 0;
}
