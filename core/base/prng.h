/* prng.h: a small seeded generator (xoshiro256**, seeded by splitmix64). Deterministic: the same seed gives the same
 * sequence on every machine. Not for secrets; randomness that must not be guessed comes from io_random(). */
#ifndef MILLRACE_PRNG_H
#define MILLRACE_PRNG_H

#include "core/base/base.h"

struct prng {
    uint64_t state[4];
};

void     prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* True with probability numerator / denominator. */
bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator);
void prng_fill(struct prng *prng, struct span out_bytes);

#endif
