/* fake_io.h: the least back end of io.h for unit tests above the store: posted callbacks and clocks that the test
 * moves.
 *
 * Nothing else of the seam is there: any other operation stops the test. */
#ifndef MILLRACE_TESTS_FAKE_IO_H
#define MILLRACE_TESTS_FAKE_IO_H

#include "io/io_shard.h"

struct fake_io {
    struct io         io; /* first */
    struct list_node  posted;
    int64_t           now_ns;
    int64_t           wall_ms;
    struct timer_heap timers;
    struct io_shard   shard; /* without core and pool */
};

void fake_io_init(struct fake_io *fake);
/* Nothing may be posted. */
void fake_io_deinit(struct fake_io *fake);
/* One turn: what was posted before it, no more. Returns callbacks run. */
int fake_io_turn(struct fake_io *fake);
/* Turns until nothing is posted. */
void fake_io_settle(struct fake_io *fake);
/* Both clocks move, and due timers fire. */
void fake_io_advance(struct fake_io *fake, int64_t ms);

#endif
