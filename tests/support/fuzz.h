/* fuzz.h: what a fuzz target defines. */
#ifndef MILLRACE_TESTS_FUZZ_H
#define MILLRACE_TESTS_FUZZ_H

#include "core/base/prng.h"

#define FUZZ_INPUT_BYTES_MAX ((size_t)65536)

/* libFuzzer's entry: runs one input, returns 0. `bytes` ends where its allocation ends. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Optional: writes a valid input; its length, or 0 when it did not fit. Used by the bounded driver. */
size_t fuzz_make_input(struct prng *prng, struct span out_bytes) __attribute__((weak));

#endif
