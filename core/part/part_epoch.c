/* Leader epochs (KIP-101, KIP-320): which epoch began at which offset, ascending in both.
 *
 * Facts: storage's LeaderEpochFileCache. An epoch is entered when the part takes it up, at the log's end; one that
 * never wrote is replaced by the next. Offsets that are not durable are never shown: ends are cut at the high
 * watermark. */
#include "core/part/part_internal.h"

#define EPOCH_CAPACITY_MIN ((size_t)4)

void part__epoch_assign(struct part *part, int32_t epoch, int64_t start_offset)
{
    if (part->epoch_count > 0 && part->epochs[part->epoch_count - 1].epoch >= epoch) {
        return;
    }
    while (part->epoch_count > 0 && part->epochs[part->epoch_count - 1].start_offset >= start_offset) {
        part->epoch_count--;
    }
    if (part->epoch_count == part->epoch_capacity) {
        part->epoch_capacity = MAX(EPOCH_CAPACITY_MIN, part->epoch_capacity * 2);
        part->epochs = mem_realloc(MEM_PART, part->epochs, part->epoch_capacity * sizeof(*part->epochs));
    }
    part->epochs[part->epoch_count++] = (struct part_epoch_entry){.epoch = epoch, .start_offset = start_offset};
}

/* The epoch that holds the new start begins there from now on. */
void part__epoch_trim_start(struct part *part, int64_t start_offset)
{
    size_t gone = 0;

    while (gone + 1 < part->epoch_count && part->epochs[gone + 1].start_offset <= start_offset) {
        gone++;
    }
    if (gone > 0) {
        part->epoch_count -= gone;
        memmove(part->epochs, part->epochs + gone, part->epoch_count * sizeof(*part->epochs));
    }
    if (part->epoch_count > 0 && part->epochs[0].start_offset < start_offset) {
        part->epochs[0].start_offset = start_offset;
    }
}

void part__epoch_trim_end(struct part *part, int64_t end_offset)
{
    while (part->epoch_count > 0 && part->epochs[part->epoch_count - 1].start_offset >= end_offset) {
        part->epoch_count--;
    }
}

void part__epochs_clear(struct part *part)
{
    mem_free(MEM_PART, part->epochs);
    part->epochs = NULL;
    part->epoch_count = 0;
    part->epoch_capacity = 0;
}

/* Entries whose epoch is <= `epoch`. Few epochs, asked about the newest: from the end. */
static size_t epochs_up_to(const struct part *part, int32_t epoch)
{
    size_t count = part->epoch_count;

    while (count > 0 && part->epochs[count - 1].epoch > epoch) {
        count--;
    }
    return count;
}

int32_t part__epoch_of(const struct part *part, int64_t offset)
{
    for (size_t i = part->epoch_count; i > 0; i--) {
        if (part->epochs[i - 1].start_offset <= offset) {
            return part->epochs[i - 1].epoch;
        }
    }
    return -1;
}

void part_epoch_end(const struct part *part, int32_t epoch, int32_t *out_epoch, int64_t *out_end_offset)
{
    int64_t high_watermark = part_high_watermark(part);
    size_t  count = epochs_up_to(part, epoch);

    *out_epoch = -1;
    *out_end_offset = -1;
    if (epoch < 0 || part->epoch_count == 0) {
        return;
    }
    if (count == part->epoch_count) {
        /* Later than any epoch this part has had: nothing is known about it. */
        if (part->epochs[count - 1].epoch == epoch) {
            *out_epoch = epoch;
            *out_end_offset = high_watermark;
        }
        return;
    }
    /* Older than what is kept: its data is gone, so it ends where the first kept one starts. */
    *out_epoch = count == 0 ? epoch : part->epochs[count - 1].epoch;
    *out_end_offset = MIN(part->epochs[count].start_offset, high_watermark);
}
