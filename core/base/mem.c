#include "core/base/mem.h"

#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(MILLRACE_PLAIN_MALLOC)
#define MEM_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEM_PLAIN 1
#endif
#endif

#ifdef MEM_PLAIN
#include <malloc.h>
#define raw_zalloc(size)             calloc(1, size)
#define raw_realloc(pointer, size)   realloc(pointer, size)
#define raw_aligned(size, alignment) aligned_alloc(alignment, align_up(size, alignment))
#define raw_free(pointer)            free(pointer)
#define raw_usable(pointer)          malloc_usable_size(pointer)
#else
#include <mimalloc.h>
#define raw_zalloc(size)             mi_zalloc(size)
#define raw_realloc(pointer, size)   mi_realloc(pointer, size)
#define raw_aligned(size, alignment) mi_malloc_aligned(size, alignment)
#define raw_free(pointer)            mi_free(pointer)
#define raw_usable(pointer)          mi_usable_size(pointer)
#endif

#define MEM_HUGE_PAGE_BYTES ((size_t)(2 * MIB))

static uint64_t mem_used[MEM_TAG_COUNT];
static uint64_t mem_fail_countdown;

static void mem_count(enum mem_tag tag, int64_t delta_bytes)
{
    __atomic_fetch_add(&mem_used[tag], (uint64_t)delta_bytes, __ATOMIC_RELAXED);
}

static NORETURN void mem_exhausted(enum mem_tag tag, size_t size_bytes)
{
    (void)fprintf(stderr, "millrace: out of memory: %zu bytes for %s\n", size_bytes, mem_tag_name(tag));
    abort();
}

void mem_fail_after(uint64_t count)
{
    __atomic_store_n(&mem_fail_countdown, count, __ATOMIC_RELAXED);
}

static bool mem_should_fail(void)
{
    if (LIKELY(__atomic_load_n(&mem_fail_countdown, __ATOMIC_RELAXED) == 0)) {
        return false;
    }
    return __atomic_sub_fetch(&mem_fail_countdown, 1, __ATOMIC_RELAXED) == 0;
}

static void *mem_account(enum mem_tag tag, void *pointer)
{
    CHECK(tag < MEM_TAG_COUNT);
    if (pointer != NULL) {
        mem_count(tag, (int64_t)raw_usable(pointer));
    }
    return pointer;
}

void *mem_try_alloc(enum mem_tag tag, size_t size_bytes)
{
    if (mem_should_fail()) {
        return NULL;
    }
    return mem_account(tag, raw_zalloc(MAX(size_bytes, (size_t)1)));
}

void *mem_try_alloc_unset(enum mem_tag tag, size_t size_bytes)
{
    if (mem_should_fail()) {
        return NULL;
    }
    return mem_account(tag, raw_realloc(NULL, MAX(size_bytes, (size_t)1)));
}

void *mem_alloc(enum mem_tag tag, size_t size_bytes)
{
    void *pointer = mem_account(tag, raw_zalloc(MAX(size_bytes, (size_t)1)));

    if (pointer == NULL) {
        mem_exhausted(tag, size_bytes);
    }
    return pointer;
}

void *mem_alloc_aligned(enum mem_tag tag, size_t size_bytes, size_t alignment)
{
    void *pointer;

    CHECK(is_power_of_two(alignment));
    pointer = raw_aligned(MAX(size_bytes, (size_t)1), alignment);
    if (pointer == NULL) {
        mem_exhausted(tag, size_bytes);
    }
    if (alignment >= MEM_HUGE_PAGE_BYTES && size_bytes >= MEM_HUGE_PAGE_BYTES) {
        (void)madvise(pointer, size_bytes, MADV_HUGEPAGE); /* a wish: before the first touch, or it comes too late */
    }
    memset(pointer, 0, MAX(size_bytes, (size_t)1));
    return mem_account(tag, pointer);
}

void *mem_realloc(enum mem_tag tag, void *pointer, size_t size_bytes)
{
    void *moved;

    if (pointer != NULL) {
        mem_count(tag, -(int64_t)raw_usable(pointer));
    }
    moved = raw_realloc(pointer, MAX(size_bytes, (size_t)1));
    if (moved == NULL) {
        mem_exhausted(tag, size_bytes);
    }
    return mem_account(tag, moved);
}

char *mem_copy_text(enum mem_tag tag, struct view text)
{
    char *copy = mem_alloc(tag, text.len + 1);

    if (text.len > 0) {
        memcpy(copy, text.base, text.len);
    }
    return copy;
}

void mem_free(enum mem_tag tag, void *pointer)
{
    if (pointer == NULL) {
        return;
    }
    CHECK(tag < MEM_TAG_COUNT);
    mem_count(tag, -(int64_t)raw_usable(pointer));
    raw_free(pointer);
}

uint64_t mem_used_bytes(enum mem_tag tag)
{
    CHECK(tag < MEM_TAG_COUNT);
    return __atomic_load_n(&mem_used[tag], __ATOMIC_RELAXED);
}

const char *mem_tag_name(enum mem_tag tag)
{
    static const char *const names[MEM_TAG_COUNT] = {
        [MEM_BASE] = "base",     [MEM_IO] = "io",           [MEM_BUFFERS] = "buffers", [MEM_PROTO] = "proto",
        [MEM_RECORD] = "record", [MEM_STORE] = "store",     [MEM_PART] = "part",       [MEM_META] = "meta",
        [MEM_COORD] = "coord",   [MEM_COMPUTE] = "compute", [MEM_JOB] = "job",         [MEM_API] = "api",
        [MEM_NET] = "net",       [MEM_BROKER] = "broker",   [MEM_CLI] = "cli",         [MEM_TEST] = "test",
    };

    return tag < MEM_TAG_COUNT ? names[tag] : "?";
}
