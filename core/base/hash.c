#include "core/base/hash.h"

#include "core/base/bytes.h"

uint64_t hash_u64(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t hash_bytes(struct view bytes)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ bytes.len;
    size_t   at = 0;

    for (; at + 8 <= bytes.len; at += 8) {
        hash = hash_u64(hash ^ load_le64(bytes.base + at));
    }
    if (at < bytes.len) {
        uint64_t tail = 0;

        memcpy(&tail, bytes.base + at, bytes.len - at);
        hash = hash_u64(hash ^ tail);
    }
    return hash_u64(hash);
}

uint32_t hash_murmur2(struct view bytes)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t       h = UINT32_C(0x9747b28c) ^ (uint32_t)bytes.len;
    size_t         at = 0;

    for (; at + 4 <= bytes.len; at += 4) {
        uint32_t k = load_le32(bytes.base + at);

        k *= m;
        k ^= k >> 24;
        k *= m;
        h *= m;
        h ^= k;
    }
    switch (bytes.len - at) {
    case 3:
        h ^= (uint32_t)bytes.base[at + 2] << 16;
        /* fall through */
    case 2:
        h ^= (uint32_t)bytes.base[at + 1] << 8;
        /* fall through */
    case 1:
        h ^= bytes.base[at];
        h *= m;
        break;
    default:
        break;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_rounds(struct sip *sip, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        sip->v0 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
        sip->v0 = rotate_left(sip->v0, 32);
        sip->v2 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
        sip->v0 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
        sip->v2 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
        sip->v2 = rotate_left(sip->v2, 32);
    }
}

static inline void sip_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_rounds(sip, 2);
    sip->v0 ^= word;
}

struct hash_128 hash_sip128(uint64_t key_low, uint64_t key_high, struct view bytes)
{
    struct sip      sip = {key_low ^ UINT64_C(0x736f6d6570736575), key_high ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                           key_low ^ UINT64_C(0x6c7967656e657261), key_high ^ UINT64_C(0x7465646279746573)};
    uint8_t         tail[8] = {0};
    struct hash_128 hash;
    size_t          at = 0;

    for (; at + 8 <= bytes.len; at += 8) {
        sip_word(&sip, load_le64(bytes.base + at));
    }
    if (at < bytes.len) {
        memcpy(tail, bytes.base + at, bytes.len - at);
    }
    sip_word(&sip, load_le64(tail) | (uint64_t)bytes.len << 56);
    sip.v2 ^= 0xee;
    sip_rounds(&sip, 4);
    hash.low = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    sip.v1 ^= 0xdd;
    sip_rounds(&sip, 4);
    hash.high = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    return hash;
}

int32_t hash_java_string(struct view text)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < text.len;) {
        uint32_t point = text.base[i];
        size_t   more = point < 0xc0 ? 0 : point < 0xe0 ? 1 : point < 0xf0 ? 2 : 3;

        if (more > 0 && i + more < text.len) {
            point &= 0x3fU >> more;
            for (size_t k = 1; k <= more; k++) {
                point = point << 6 | (text.base[i + k] & 0x3f);
            }
            i += more;
        }
        i++;
        if (point >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + point;
    }
    return (int32_t)hash;
}
