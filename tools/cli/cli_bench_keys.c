/* cli_bench_keys.c: which keys records have.
 *
 * Even: each as often. Zipf: the k-th key with a probability in proportion to k^-s, drawn by inversion with rejection
 * (Hoermann and Derflinger 1996): no table, so there may be billions of keys. */
#include "core/base/hash.h"
#include "tools/cli/cli_bench.h"

#include <math.h>
#include <stdio.h>

#define KEYS_WEIGHED 65536 /* draws that estimate the partitions' shares */

/* The integral of x^-s from 1, and its inverse. */
static double zipf_integral(double x, double s)
{
    return fabs(s - 1) < 1e-9 ? log(x) : (pow(x, 1 - s) - 1) / (1 - s);
}

static double zipf_inverse(double u, double s)
{
    return fabs(s - 1) < 1e-9 ? exp(u) : pow(1 + u * (1 - s), 1 / (1 - s));
}

static uint64_t zipf_draw(struct prng *prng, int64_t count, double s)
{
    double low = zipf_integral(1.5, s) - 1;
    double high = zipf_integral((double)count + 0.5, s);
    double sure = 2 - zipf_inverse(zipf_integral(2.5, s) - pow(2, -s), s);

    for (;;) {
        double random = (double)(prng_next(prng) >> 11) / (double)(UINT64_C(1) << 53);
        double u = high + random * (low - high);
        double x = zipf_inverse(u, s);
        double k = MIN(MAX(floor(x + 0.5), 1), (double)count);

        if (k - x <= sure || u >= zipf_integral(k + 0.5, s) - pow(k, -s)) {
            return (uint64_t)k - 1;
        }
    }
}

uint64_t bench_key(struct bench *bench)
{
    uint64_t count = (uint64_t)bench->plan.keys;

    return bench->plan.skew > 0 ? zipf_draw(&bench->prng, bench->plan.keys, bench->plan.skew)
                                : prng_below(&bench->prng, count);
}

size_t bench_key_text(uint64_t key, char *out_text, size_t text_bytes)
{
    int len = snprintf(out_text, text_bytes, "key-%llu", (unsigned long long)key);

    CHECK(len > 0 && (size_t)len < text_bytes);
    return (size_t)len;
}

void bench_keys_weigh(struct bench *bench)
{
    uint64_t total = 0;

    bench->weights = cli_alloc_array(bench->cli, (size_t)bench->place_count, sizeof(*bench->weights));
    for (int i = 0; i < KEYS_WEIGHED; i++) {
        char   text[32];
        size_t len = bench_key_text(bench_key(bench), text, sizeof(text));

        bench->weights[(hash_murmur2(view_of(text, len)) & 0x7fffffff) % (uint32_t)bench->place_count]++;
    }
    for (int32_t i = 0; i < bench->place_count; i++) {
        total += bench->weights[i];
        bench->weights[i] = total;
    }
}

struct bench_place *bench_keys_place(struct bench *bench)
{
    uint64_t at = prng_below(&bench->prng, bench->weights[bench->place_count - 1]);
    int32_t  low = 0, high = bench->place_count - 1;

    while (low < high) { /* the first whose weight with those before it is above */
        int32_t middle = low + (high - low) / 2;

        if (bench->weights[middle] > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return &bench->places[low];
}
