#include "tests/sim/storm_reader.h"

#include <inttypes.h>

#include "core/base/check.h"

#define INFLATED_BYTES_MAX (16 * MIB)
#define ARENA_BYTES        ((size_t)(64 * KIB))
#define ARENA_BYTES_MAX    ((size_t)(64 * MIB))

static uint32_t skipped_at(const struct storm_reader *reader, int64_t producer_id)
{
    uint32_t i = 0;

    while (i < reader->skipped_count && reader->skipped[i] != producer_id) {
        i++;
    }
    return i;
}

/* Aborted transactions that begin before the end of the batch; *next is the first that does not. */
static void enter(struct storm_reader *reader, const struct kp_fetch_response_responses_partitions *answer,
                  int32_t *next, const struct rec_batch *batch)
{
    while (*next < answer->aborted_transactions_count &&
           answer->aborted_transactions[*next].first_offset <= rec_batch_last_offset(batch)) {
        int64_t producer_id = answer->aborted_transactions[(*next)++].producer_id;

        if (skipped_at(reader, producer_id) == reader->skipped_count) {
            CHECK(reader->skipped_count < STORM_READER_SKIPPED_MAX);
            reader->skipped[reader->skipped_count++] = producer_id;
        }
    }
}

static void leave(struct storm_reader *reader, const struct rec_batch *batch)
{
    struct rec_marker marker;
    uint32_t          at = skipped_at(reader, batch->producer_id);

    if (rec_marker_parse(batch, &marker) != ERR_OK) {
        voice_fail(reader->voice, "%s-%d offset %" PRId64 " is no marker", reader->topic, reader->partition,
                   batch->base_offset);
    } else if (marker.type == REC_CONTROL_ABORT && at < reader->skipped_count) {
        reader->skipped[at] = reader->skipped[--reader->skipped_count];
    }
}

static void read_batch(struct storm_reader *reader, const struct rec_batch *batch, struct arena *arena)
{
    struct rec_record record = {0};
    struct rec_iter   iter;
    struct view       records;

    if ((batch->attributes & REC_ATTR_TRANSACTIONAL) != 0 &&
        skipped_at(reader, batch->producer_id) < reader->skipped_count) {
        reader->aborted_batches++;
        if (!reader->is_blind) {
            return;
        }
    }
    if (rec_inflate(batch, INFLATED_BYTES_MAX, arena, &records) != ERR_OK) {
        voice_fail(reader->voice, "%s-%d offset %" PRId64 " cannot be inflated", reader->topic, reader->partition,
                   batch->base_offset);
        return;
    }
    rec_iter_init(&iter, batch, records);
    while (voice_ok(reader->voice) && rec_iter_next(&iter, &record) == 1) {
        reader->take(reader->context, reader->partition, &record);
    }
}

void storm_reader_read(struct storm_reader *reader, const struct kp_fetch_response_responses_partitions *answer,
                       int64_t *offset)
{
    struct view      records = answer->records;
    int32_t          next_aborted = 0;
    struct rec_batch batch;
    struct arena     arena;

    arena_init(&arena, MEM_TEST, ARENA_BYTES, ARENA_BYTES_MAX);
    while (voice_ok(reader->voice) && rec_batch_parse(records, &batch) == ERR_OK) {
        enter(reader, answer, &next_aborted, &batch);
        if ((batch.attributes & REC_ATTR_CONTROL) != 0) {
            leave(reader, &batch);
        } else if (batch.base_offset >= *offset) {
            read_batch(reader, &batch, &arena);
        }
        *offset = rec_batch_last_offset(&batch) + 1;
        records = view_of(records.base + batch.bytes.len, records.len - batch.bytes.len);
    }
    arena_deinit(&arena);
}
