/* io_internal.h: what the two back ends share. Private to the room io.
 *
 * The life of an operation: the wrapper in io.c checks the arguments, fills the op in and calls backend->submit, which
 * never runs a callback and never fails: what cannot be started completes with an error from run(). The back end ends
 * each callback with io__callback(): it keeps the counts and gives the op back to its owner before the owner's function
 * runs. */
#ifndef MILLRACE_IO_INTERNAL_H
#define MILLRACE_IO_INTERNAL_H

#include "io/io.h"

/* One transfer: what the kernel takes at most (it rounds INT_MAX down to a page). Longer requests complete short. */
#define IO_TRANSFER_BYTES_MAX UINT64_C(0x7ffff000)

/* Runs op->done with `result`. more == false: the op is idle and out of every list of the back end when `done` is
 * entered, and may be freed by it: the back end must not look at it afterwards. */
void io__callback(struct io *io, struct io_op *op, int32_t result, bool more);

#endif
