/* Pages of 4 KiB, shared between the visible image, the durable image and the unsynced changes of a file.
 *
 * A page is written only while one reference to it exists; everyone else holds a copy of the past. NULL stands for
 * zeros. */
#include "io/sim/sim_internal.h"

struct sim_page *sim__page_ref(struct sim_page *page)
{
    if (page != NULL) {
        page->refs++;
    }
    return page;
}

void sim__page_unref(struct sim_page *page)
{
    if (page != NULL && --page->refs == 0) {
        mem_free(MEM_TEST, page);
    }
}

/* A page of which only *slot has a reference, with the same content. */
static struct sim_page *page_own(struct sim_page **slot)
{
    struct sim_page *page = *slot;

    if (page == NULL || page->refs > 1) {
        struct sim_page *copy = mem_alloc(MEM_TEST, sizeof(*copy));

        if (page != NULL) {
            memcpy(copy->bytes, page->bytes, SIM_PAGE_BYTES);
        }
        copy->refs = 1;
        sim__page_unref(page);
        *slot = copy;
    }
    return *slot;
}

static bool bytes_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Replaces part of a page. Whole pages of zeros are shared: pre-written files are mostly that. */
void sim__page_write(struct sim *sim, struct sim_page **slot, size_t at, const uint8_t *bytes, size_t len)
{
    if (len == SIM_PAGE_BYTES && bytes_zero(bytes, len)) {
        sim__page_unref(*slot);
        *slot = sim__page_ref(sim->zero_page);
        return;
    }
    memcpy(page_own(slot)->bytes + at, bytes, len);
}

void sim__page_zero(struct sim_page **slot, size_t at, size_t len)
{
    if (*slot == NULL) {
        return;
    }
    if (len == SIM_PAGE_BYTES) {
        sim__page_unref(*slot);
        *slot = NULL;
        return;
    }
    memset(page_own(slot)->bytes + at, 0, len);
}

/* The part of [offset, offset + length) that lies in page `index`. */
size_t sim__page_part(uint64_t offset, uint64_t length, size_t index, size_t *out_at)
{
    uint64_t begin = MAX(offset, (uint64_t)index * SIM_PAGE_BYTES);
    uint64_t end = MIN(offset + length, ((uint64_t)index + 1) * SIM_PAGE_BYTES);

    CHECK(end > begin);
    *out_at = (size_t)(begin % SIM_PAGE_BYTES);
    return (size_t)(end - begin);
}

size_t sim__page_first(uint64_t offset)
{
    return (size_t)(offset / SIM_PAGE_BYTES);
}

size_t sim__page_end(uint64_t offset, uint64_t length)
{
    return length == 0 ? sim__page_first(offset) : (size_t)div_ceil_u64(offset + length, SIM_PAGE_BYTES);
}
