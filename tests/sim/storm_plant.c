/* A fault for the self test, in the place of the store's own function (--wrap): a spare file gets no header that says
 * FREE. */
#include "core/store/store_segment.h"
#include "tests/sim/storm.h"

/* The linker's names: calls of x come to __wrap_x, and __real_x is x. */
#define PLANTED(function) __wrap_##function
#define REAL(function)    __real_##function

void REAL(store__segment_header_encode)(const struct store_segment_header *header, uint8_t *to);
void PLANTED(store__segment_header_encode)(const struct store_segment_header *header, uint8_t *to);

void PLANTED(store__segment_header_encode)(const struct store_segment_header *header, uint8_t *to)
{
    if (!storm_plant || header->state != STORE_SEGMENT_FREE) {
        REAL(store__segment_header_encode)(header, to);
    }
}
