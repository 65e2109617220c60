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

int32_t hash_java_string(struct view text)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < text.len; i++) {
        hash = hash * 31 + text.base[i];
    }
    return (int32_t)hash;
}
