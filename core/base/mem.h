/* mem.h: the only door to the allocator (mimalloc; plain malloc under sanitizers).
 *
 * Four lifetimes exist in this tree and nothing else: the request arena (arena.h), fixed object pools (pool.h),
 * ref-counted buffers (buf.h), and this: objects that live as long as a shard, a partition or a connection. Hot paths
 * do not call mem_*. Every allocation carries a tag, and the bytes per tag are counted (per process, relaxed atomics),
 * so that "where is the memory" has an answer. */
#ifndef MILLRACE_MEM_H
#define MILLRACE_MEM_H

#include "core/base/base.h"

enum mem_tag {
    MEM_BASE,
    MEM_IO,
    MEM_BUFFERS,
    MEM_PROTO,
    MEM_RECORD,
    MEM_STORE,
    MEM_PART,
    MEM_META,
    MEM_COORD,
    MEM_COMPUTE,
    MEM_JOB,
    MEM_API,
    MEM_NET,
    MEM_BROKER,
    MEM_CLI,
    MEM_TEST,
    MEM_TAG_COUNT,
};

/* Zeroed memory, or the process stops with a line that names tag and size: for start-up and for objects whose number a
 * limit bounds. size_bytes 0 is allowed and gives a unique pointer. */
MUST_USE void *mem_alloc(enum mem_tag tag, size_t size_bytes);
/* Zeroed memory or NULL: for sizes that come from outside. */
MUST_USE void *mem_try_alloc(enum mem_tag tag, size_t size_bytes);
/* The same, NOT zeroed: for large blocks that are filled bit by bit. */
MUST_USE void *mem_try_alloc_unset(enum mem_tag tag, size_t size_bytes);
/* alignment: a power of two; from 2 MiB on the kernel is asked for huge pages. Zeroed and so touched; stops the process
 * on failure. Freed with mem_free. */
MUST_USE void *mem_alloc_aligned(enum mem_tag tag, size_t size_bytes, size_t alignment);
/* Grows or shrinks; new bytes are NOT zeroed; stops the process on failure. `pointer` may be NULL. */
MUST_USE void *mem_realloc(enum mem_tag tag, void *pointer, size_t size_bytes);
/* A NUL-terminated copy. */
MUST_USE char *mem_copy_text(enum mem_tag tag, struct view text);
/* NULL is allowed. The tag must be the one it was allocated with. */
void mem_free(enum mem_tag tag, void *pointer);
/* Bytes in use under a tag, as the allocator rounds them. */
uint64_t    mem_used_bytes(enum mem_tag tag);
const char *mem_tag_name(enum mem_tag tag);
/* Tests: the n-th mem_try_alloc or _unset from now returns NULL, once. 0 switches it off. */
void mem_fail_after(uint64_t count);

#endif
