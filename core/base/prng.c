#include "core/base/prng.h"

#include "core/base/check.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, int count)
{
    return (value << count) | (value >> (64 - count));
}

void prng_init(struct prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(prng->state); i++) {
        prng->state[i] = splitmix64(&seed);
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t  result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t  t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    CHECK(bound > 0);
    return (uint64_t)(((__uint128_t)prng_next(prng) * bound) >> 64);
}

bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}

void prng_fill(struct prng *prng, struct span out_bytes)
{
    for (size_t i = 0; i < out_bytes.len; i += 8) {
        uint64_t value = prng_next(prng);

        memcpy(out_bytes.base + i, &value, MIN(out_bytes.len - i, (size_t)8));
    }
}
