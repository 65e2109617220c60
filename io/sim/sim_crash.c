/* What a power cut leaves of one file, and damage done from outside.
 *
 * Each change that is not durable is kept, dropped, torn or garbled on its own, in the order of completion, and what
 * survives becomes the durable image; then everything visible is thrown away and the durable image takes its place. */
#include "io/sim/sim_internal.h"

#include <stdio.h>

/* --- from outside ----------------------------------------------------------------------------- */

void sim__inode_poke(struct sim_inode *inode, uint64_t offset, struct view bytes)
{
    uint64_t done = 0;

    sim__slots_reach(inode, sim__page_end(offset, bytes.len));
    for (size_t i = sim__page_first(offset); i < sim__page_end(offset, bytes.len); i++) {
        size_t at;
        size_t part = sim__page_part(offset, bytes.len, i, &at);

        sim__page_write(inode->disk->sim, &inode->slots[i].visible, at, bytes.base + done, part);
        sim__page_write(inode->disk->sim, &inode->slots[i].durable, at, bytes.base + done, part);
        done += part;
    }
}

void sim__inode_resize(struct sim_inode *inode, uint64_t size_bytes)
{
    if (size_bytes < inode->visible_size) {
        for (size_t i = sim__page_first(size_bytes); i < inode->slot_count; i++) {
            size_t at = i == sim__page_first(size_bytes) ? (size_t)(size_bytes % SIM_PAGE_BYTES) : 0;

            sim__page_zero(&inode->slots[i].visible, at, SIM_PAGE_BYTES - at);
            sim__page_zero(&inode->slots[i].durable, at, SIM_PAGE_BYTES - at);
        }
    }
    sim__changes_clear(inode);
    inode->visible_size = size_bytes;
    inode->durable_size = size_bytes;
}

void sim__inode_bad(struct sim_inode *inode, uint64_t offset, uint64_t length)
{
    inode->unreadable =
        mem_realloc(MEM_TEST, inode->unreadable, (inode->unreadable_count + 1) * sizeof(*inode->unreadable));
    inode->unreadable[inode->unreadable_count++] = (struct sim_range_bytes){offset, length};
}

/* --- crash ------------------------------------------------------------------------------------ */

/* One physical block of an unsynced write gets random bytes in every sector, the untouched ones included. */
static void crash_garble(struct sim_inode *inode, struct prng *prng, uint64_t block_offset, size_t block_bytes)
{
    uint8_t garbage[SIM_SECTOR_BYTES];

    sim__slots_reach(inode, sim__page_end(block_offset, block_bytes));
    for (size_t at = 0; at < block_bytes; at += SIM_SECTOR_BYTES) {
        uint64_t offset = block_offset + at;

        prng_fill(prng, span_of(garbage, sizeof(garbage)));
        sim__page_write(inode->disk->sim, &inode->slots[sim__page_first(offset)].durable,
                        (size_t)(offset % SIM_PAGE_BYTES), garbage, sizeof(garbage));
    }
}

/* Keeps the sectors that `keep` draws. Sectors are the unit a device writes whole. */
static void crash_tear(struct sim_inode *inode, const struct sim_change *change, struct prng *prng)
{
    uint64_t end = change->offset + change->length;
    uint64_t sectors = div_ceil_u64(change->length, SIM_SECTOR_BYTES) + 1;
    uint64_t cut = prng_below(prng, sectors + 1);
    uint64_t shape = prng_below(prng, 3); /* a prefix, a suffix, or sectors at random */
    uint64_t index = 0;

    for (uint64_t at = change->offset; at < end; index++) {
        uint64_t next = MIN(end, align_down(at, SIM_SECTOR_BYTES) + SIM_SECTOR_BYTES);
        bool     keep = shape == 0 ? index < cut : shape == 1 ? index >= cut : prng_chance(prng, 1, 2);

        if (keep) {
            sim__durable_write(inode, change, at, next - at);
        }
        at = next;
    }
}

static void crash_garble_blocks(struct sim_inode *inode, const struct sim_change *change, struct prng *prng, bool all)
{
    uint32_t block_bytes = inode->disk->sim->options.physical_block_bytes;
    uint64_t end = change->offset + change->length;

    for (uint64_t at = align_down(change->offset, block_bytes); at < end; at += block_bytes) {
        uint64_t from = MAX(at, change->offset);
        uint64_t choice = all ? 0 : prng_below(prng, 3);

        if (choice == 0) {
            crash_garble(inode, prng, at, block_bytes);
        } else if (choice == 1) {
            sim__durable_write(inode, change, from, MIN(at + block_bytes, end) - from);
        }
    }
}

enum crash_fate { FATE_KEEP, FATE_DROP, FATE_TEAR, FATE_GARBLE, FATE_COUNT };

static enum crash_fate crash_fate(const struct sim_change *change, struct prng *prng, enum sim_crash_style style)
{
    switch (style) {
    case SIM_CRASH_DROP:
        return FATE_DROP;
    case SIM_CRASH_KEEP:
        return FATE_KEEP;
    case SIM_CRASH_GARBLE:
        return change->kind == SIM_CHANGE_WRITE ? FATE_GARBLE : (enum crash_fate)prng_below(prng, 2);
    case SIM_CRASH_MIX:
    case SIM_CRASH_STYLE_COUNT:
        break;
    }
    return (enum crash_fate)prng_below(prng, change->kind == SIM_CHANGE_WRITE ? FATE_COUNT : FATE_TEAR);
}

static void crash_change(struct sim_inode *inode, const struct sim_change *change, struct prng *prng,
                         enum sim_crash_style style)
{
    enum crash_fate fate = change->durable ? FATE_KEEP : crash_fate(change, prng, style);

    if (inode->disk->sim->options.trace) {
        (void)fprintf(stderr, "      power cut: %s change %d of %" PRIu64 "+%" PRIu64 ": %s\n", inode->label,
                      (int)change->kind, change->offset, change->length,
                      (const char *const[]){"kept", "dropped", "torn", "garbled"}[fate]);
    }

    if (fate == FATE_KEEP) {
        sim__durable_apply(inode, change);
    } else if (fate == FATE_TEAR || fate == FATE_GARBLE) {
        if (fate == FATE_TEAR) {
            crash_tear(inode, change, prng);
        } else {
            crash_garble_blocks(inode, change, prng, style == SIM_CRASH_GARBLE);
        }
        if (prng_chance(prng, 1, 2)) { /* the size is metadata: it may be there without all of the data */
            inode->durable_size = MAX(inode->durable_size, change->offset + change->length);
        }
    }
}

/* Nothing is left beyond the end, so that a file that grows again shows zeros there. */
static void crash_trim(struct sim_inode *inode)
{
    for (size_t i = sim__page_first(inode->durable_size); i < inode->slot_count; i++) {
        size_t at = i == sim__page_first(inode->durable_size) ? (size_t)(inode->durable_size % SIM_PAGE_BYTES) : 0;

        sim__page_zero(&inode->slots[i].durable, at, SIM_PAGE_BYTES - at);
    }
}

void sim__inode_crash(struct sim_inode *inode, struct prng *prng, enum sim_crash_style style)
{
    bool old_generation = false; /* a truncation did not survive: nor does what came after it */

    LIST_EACH(&inode->changes, node) {
        struct sim_change *change = LIST_ENTRY(node, struct sim_change, link);

        if (change->kind == SIM_CHANGE_TRUNCATE && !change->durable && crash_fate(change, prng, style) != FATE_KEEP) {
            old_generation = true;
        } else if (change->kind == SIM_CHANGE_TRUNCATE) {
            sim__durable_apply(inode, change);
            old_generation = false;
        } else if (!old_generation || change->durable) {
            crash_change(inode, change, prng, style);
        }
    }
    sim__changes_clear(inode);
    crash_trim(inode);
    inode->visible_size = inode->durable_size;
    for (size_t i = 0; i < inode->slot_count; i++) {
        struct sim_slot *slot = &inode->slots[i];

        sim__page_unref(slot->visible);
        slot->visible = sim__page_ref(slot->durable);
        if (slot->durable != NULL && !slot->allocated) {
            slot->allocated = true; /* a punch that did not survive; the disk may be over its capacity now */
            inode->allocated_pages++;
            inode->disk->used_pages++;
        } else if ((uint64_t)i * SIM_PAGE_BYTES >= inode->durable_size) {
            sim__slot_deallocate(inode, i);
        }
    }
}
