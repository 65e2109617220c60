/* uring_internal.h: what the files of io/uring share. */
#ifndef MILLRACE_URING_INTERNAL_H
#define MILLRACE_URING_INTERNAL_H

#include "core/base/mem.h"
#include "io/io_internal.h"
#include "io/uring/uring.h"

#include <liburing.h>

#define URING_FIXED_BYTES_MAX ((size_t)GIB) /* kernel limit of one registered buffer */
#define URING_FIXED_MAX       64
#define URING_SCRATCH_BYTES   ((size_t)(64 * KIB))
#define URING_BUFFER_GROUP    0

/* user_data is the address of the op, or one of these. */
enum uring_tag {
    URING_TAG_WAKE = 1,
    URING_TAG_NONE = 2, /* nobody waits */
};

/* Where an op in flight is. */
enum uring_place {
    URING_RUNNING,  /* its complete function or callback runs; in no list */
    URING_QUEUED,   /* in uring.queued: waits for room in the submission queue */
    URING_POSTED,   /* in uring.posted: its step function runs on the next turn */
    URING_FINISHED, /* in uring.posted: its callback runs on the next turn with op->result */
    URING_KERNEL,   /* submitted */
};

/* One open descriptor. The id the user sees is generation and index, so that a stale handle is caught. */
struct uring_handle {
    int           fd; /* -1: free */
    uint32_t      generation;
    uint32_t      next_free;
    uint32_t      ops_in_flight; /* the closing op itself not counted */
    bool          is_socket;
    bool          is_directory;
    bool          closing;
    bool          dsync_refused; /* RWF_DSYNC does not work here: write, then fdatasync */
    bool          sendfile_refused;
    struct io_op *closer; /* waits for ops_in_flight to become 0 */
};

struct uring {
    struct io       io;
    struct io_uring ring;
    uint32_t        features;
    bool            enabled;
    bool            ring_fd_registered;
    int64_t         now_ns;
    uint64_t        callbacks;
    uint64_t        sqes_in_flight;

    /* for how long to sleep on: averages */
    uint64_t reaped, reaped_before_sleep; /* completions */
    int64_t  milli_completions_a_sleep;
    int64_t  durable_write_ns;

    struct list_node queued;
    struct list_node posted;
    struct list_node idle;         /* as posted, for turns on which nothing else waits */
    int64_t          idle_from_ns; /* since when none of them had its turn */

    int      event_fd;
    bool     wake_armed;
    uint64_t wake_value;
    uint32_t wake_pending; /* atomic; any thread */

    struct uring_handle *handles;
    uint32_t             handle_count;
    uint32_t             handle_free; /* head of the free list; UINT32_MAX = empty */

    struct io_uring_buf_ring *buffer_ring;
    size_t                    buffer_ring_bytes;
    uint8_t                  *recv_buffers;
    uint32_t                  recv_buffer_count;
    uint32_t                  recv_buffer_bytes;
    uint32_t                  recv_buffers_kept; /* by callbacks, until given back */
    uint8_t                  *scratch;           /* shared by the fallbacks; never held across callbacks' end */

    struct span fixed; /* registered region */

    int     *lock_fds;
    uint32_t lock_count;
    char     kernel_release[65];
};

struct uring_kind {
    /* Called by submit: starts the op. NULL: uring__start. */
    void (*begin)(struct uring *uring, struct io_op *op);
    /* Fills one submission entry for the op's current stage. */
    void (*prep)(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe);
    /* One completion entry: finishes the op, calls back with more to come, or starts the next stage. */
    void (*complete)(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags);
    /* Runs a posted op. */
    void (*step)(struct uring *uring, struct io_op *op);
};

static inline struct uring *uring__of(struct io *io)
{
    return CONTAINER_OF(io, struct uring, io);
}

/* token_[7] holds place and stage; token_[0..6] is the kind's. */
static inline enum uring_place uring__place(const struct io_op *op)
{
    return (enum uring_place)(op->token_[7] & 0xff);
}

static inline void uring__set_place(struct io_op *op, enum uring_place place)
{
    op->token_[7] = (op->token_[7] & ~(uint64_t)0xff) | (uint64_t)place;
}

static inline uint32_t uring__stage(const struct io_op *op)
{
    return (uint32_t)(op->token_[7] >> 8);
}

static inline void uring__set_stage(struct io_op *op, uint32_t stage)
{
    op->token_[7] = (op->token_[7] & 0xff) | ((uint64_t)stage << 8);
}

static inline bool uring__has(const struct uring *uring, enum uring_feature feature)
{
    return (uring->features & (uint32_t)feature) != 0;
}

/* uring.c */
extern const struct io_backend uring__backend;
int64_t                        uring__clock_ns(int clock);
void                           uring__destroy(struct io *io);
void                           uring__start(struct uring *uring, struct io_op *op);
void                           uring__post(struct uring *uring, struct io_op *op);
/* The callback comes on the next turn; never inside submit. */
void uring__finish_later(struct uring *uring, struct io_op *op, int32_t result);
void uring__finish(struct uring *uring, struct io_op *op, int32_t result);
/* Calls back with more to come; afterwards the op is still ours. */
void uring__callback_more(struct uring *uring, struct io_op *op, int32_t result);
/* After uring__callback_more for ops that we re-arm ourselves: starts again unless canceled or closed meanwhile. */
void uring__restart(struct uring *uring, struct io_op *op);

void uring__durable_write_took(struct uring *uring, int64_t took_ns);

/* uring_setup.c */
/* Cause and cure of an errno of io_uring_setup; io_uring_disabled: that sysctl, -1 where there is none. */
const char *uring__setup_failure_text(int number, int io_uring_disabled);

/* uring_handle.c */
int                  uring__handle_add(struct uring *uring, int fd, bool is_socket, bool is_directory);
struct uring_handle *uring__handle_try(struct uring *uring, struct io_handle handle); /* NULL when stale */
struct uring_handle *uring__handle(struct uring *uring, struct io_handle handle);     /* checked */
void                 uring__handle_remove(struct uring *uring, struct io_handle handle);
/* Before an op's last callback, so that the callback may close the file; and after it, to go on with a close that
 * waited. */
void uring__handle_op_leaves(struct uring *uring, struct io_handle handle);
void uring__handle_op_left(struct uring *uring, struct io_handle handle);
void uring__close_begin(struct uring *uring, struct io_op *op);
void uring__close_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe);
void uring__close_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags);
int  uring__socket_options(int fd);

/* uring_ops.c */
extern const struct uring_kind uring__kinds[IO_KIND_COUNT];
int32_t                        uring__result(const struct io_op *op, int32_t result);

/* Gives back what an op holds beside itself when its complete function will not run; result: of the kernel, if it got
 * that far. */
void uring__abandon(const struct io_op *op, int32_t result);

/* uring_buf.c */
void uring__buffers_init(struct uring *uring);
void uring__buffers_deinit(struct uring *uring);
/* Buffer index of a run inside the registered region, or -1. */
int  uring__fixed_index(const struct uring *uring, const uint8_t *base, size_t len);
int  uring__register_region(struct io *io, struct span region);
void uring__recv_give(struct io *io, struct span received);
void uring__recv_multi_begin(struct uring *uring, struct io_op *op);
void uring__recv_multi_prep(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe);
void uring__recv_multi_complete(struct uring *uring, struct io_op *op, int32_t result, uint32_t flags);

/* uring_sync.c */
int uring__listen(struct io *io, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener);
int uring__local_address(struct io *io, struct io_handle socket, struct io_address *out_address);
int uring__peer_address(struct io *io, struct io_handle socket, struct io_address *out_address);
int uring__list(struct io *io, const char *path, io_list_fn *each, void *context);
int uring__lock(struct io *io, const char *path);
/* Fills storage of at least sizeof(struct sockaddr_in6); returns the length. IPv4-mapped addresses become AF_INET. */
uint32_t uring__sockaddr(const struct io_address *address, void *out_storage);

/* uring_volume.c */
int uring__volume_probe(struct io *io, const char *path, struct io_volume *out_volume);
int uring__volume_free(struct io *io, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes);

#endif
