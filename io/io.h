/* io.h: the only way from this program to the kernel: disk, network, time, randomness, wake-ups.
 *
 * Two back ends implement the table below: io/uring (production; Linux 6.1 or later) and io/sim (a deterministic world
 * for tests: one seed drives time, disk, network and scheduling). Everything above this header is the same object code
 * on both.
 *
 * Rules
 *  1. A `struct io` is one core's ring. It is used from one thread only, except io_wake(), which any thread may call.
 *  2. A `struct io_op` belongs to the caller and is embedded in the object that waits. From the submitting call until
 * its last callback it belongs to the back end (checked): it must not move, be freed or be submitted again.
 *  3. A callback never runs inside a submitting call: only inside io_run(). Callbacks may submit anything.
 *  4. Both back ends may complete short (fewer bytes than asked) and with any error. io_file.h has the loops that
 * finish a read or write; callers that submit here directly handle short counts themselves.
 *  5. Memory named by an operation (spans, paths, span arrays) stays valid and, for writes and sends, unchanged until
 * the callback.
 *  6. op->result: bytes, a handle, or a negative ERR_ code. op->more: further callbacks of the same (multishot) op
 * follow.
 *  7. Operations are not ordered among each other. Whoever needs order waits for the callback.
 *
 * Durability. A completed write is not durable unless it was submitted with IO_WRITE_DURABLE (it then covers its own
 * range only: on a device with FUA nothing else is flushed) or an io_sync() that was submitted after the write
 * completed has completed. Creating, renaming and removing names is durable only after io_sync() on the directory.
 * Growing a file is metadata: allocate, then io_sync().
 *
 * Sizes: offsets and lengths of reads and writes on a file opened with IO_OPEN_DIRECT, and their memory, are multiples
 * of io_volume.direct_align_bytes. Memory inside the region given to io_register_region() is used as a registered
 * buffer. */
#ifndef MILLRACE_IO_H
#define MILLRACE_IO_H

#include "core/base/check.h"
#include "core/base/err.h"
#include "core/base/list.h"

#define IO_SPANS_MAX          512  /* per send; longer lists are sent in pieces by the caller */
#define IO_PATH_BYTES_MAX     4096 /* NUL included */
#define IO_ADDRESS_TEXT_BYTES 72   /* "[ipv6%scope]:port" and a NUL */

struct io;
struct io_op;

typedef void io_done_fn(struct io_op *op);

/* An open file, directory, listener or connection of one struct io. Not valid on another. */
struct io_handle {
    int32_t id;
};

#define IO_HANDLE_NONE ((struct io_handle){-1})

static inline bool io_handle_valid(struct io_handle handle)
{
    return handle.id >= 0;
}

enum io_kind {
    IO_NONE, /* not submitted */
    IO_POST,
    IO_OPEN,
    IO_CLOSE,
    IO_READ,
    IO_WRITE,
    IO_SYNC,
    IO_ALLOCATE,
    IO_RENAME,
    IO_UNLINK,
    IO_MKDIR,
    IO_STAT,
    IO_ACCEPT,
    IO_CONNECT,
    IO_RECV,
    IO_RECV_MULTI,
    IO_SEND,
    IO_SEND_FILE,
    IO_SHUTDOWN,
    IO_CANCEL,
    IO_KIND_COUNT,
};

enum io_open_flags {
    IO_OPEN_READ = 1 << 0,
    IO_OPEN_WRITE = 1 << 1,
    IO_OPEN_CREATE = 1 << 2,
    IO_OPEN_EXCLUSIVE = 1 << 3, /* with CREATE: ERR_EXISTS when the name is taken */
    IO_OPEN_DIRECT = 1 << 4,    /* past the page cache; alignment rules above */
    IO_OPEN_DIRECTORY = 1 << 5,
    IO_OPEN_TRUNCATE = 1 << 6,
};

enum io_write_flags {
    IO_WRITE_DURABLE = 1 << 0, /* complete only when this range is on stable storage (RWF_DSYNC) */
};

enum io_allocate_flags {
    IO_ALLOCATE_EXTEND = 0,     /* reserve space and grow the size to offset + length if it is smaller */
    IO_ALLOCATE_PUNCH = 1 << 0, /* give the range's space back; it reads as zeros; the size stays */
};

#define IO_IDLE_WAIT_NS (500 * NS_PER_US)

enum io_post_flags {
    IO_POST_IDLE = 1 << 0, /* io_post_idle() */
};

enum io_recv_flags {
    IO_RECV_ALL = 1 << 0, /* wait until the span is full (a short count is still possible at EOF or error) */
};

enum io_send_flags {
    IO_SEND_MORE = 1 << 0, /* more follows at once: the stack may hold the last partial segment back */
};

struct io_stat {
    uint64_t size_bytes;
    uint64_t allocated_bytes;
    int64_t  modified_ms; /* wall clock */
    bool     is_directory;
};

/* The file system under a path, as probed by io_volume_probe(). */
struct io_volume {
    uint64_t total_bytes;
    uint64_t free_bytes;         /* available to this user */
    uint32_t block_bytes;        /* max(file-system block, physical block, direct alignment): the frame alignment */
    uint32_t direct_align_bytes; /* offset, length and memory alignment of direct I/O; 0 = no direct I/O here */
    bool     durable_writes;     /* a durable write and a read back were done and worked */
    bool     volatile_memory_fs; /* tmpfs and the like: nothing survives a power cut */
    char     type_name[16];      /* "ext4", "xfs", "tmpfs", ... */
};

/* IPv4 is kept as an IPv4-mapped IPv6 address. scope_id is for link-local IPv6 addresses. */
struct io_address {
    uint8_t  ip[16];
    uint16_t port;
    uint32_t scope_id;
};

struct io_op {
    struct list_node link; /* back end's while in flight */
    enum io_kind     kind; /* IO_NONE when idle */
    bool             more;
    bool             cancel_requested;
    int32_t          result;
    struct span      received;          /* IO_RECV_MULTI: the bytes of this callback; valid during the callback only */
    bool             received_keepable; /* they may stay longer: io_recv_keep() */
    io_done_fn      *done;
    struct io_handle handle;
    uint32_t         flags;
    uint64_t         offset;
    uint64_t         length;
    union {
        struct span span; /* RECV, READ */
        struct view view; /* WRITE */
        struct {
            const struct view *parts; /* SEND */
            uint32_t           count;
        } send;
        struct {
            struct io_handle file; /* SEND_FILE: from file at offset, length bytes */
        } send_file;
        struct {
            const char *path; /* OPEN, UNLINK, MKDIR, RENAME (from), STAT */
            const char *to;
        } name;
        struct io_stat   *stat;
        struct io_op     *target; /* CANCEL */
        struct io_address address;
    };
    struct io_stat *out_stat;
    uint64_t        token_[8]; /* back end's: msghdr, statx and the like live behind it */
};

/* Called for each name of a directory except "." and ".."; false stops. */
typedef bool io_list_fn(void *context, const char *name, bool is_directory);

struct io_backend {
    const char *name; /* "io_uring", "sim" */
    void (*submit)(struct io *io, struct io_op *op);
    int (*run)(struct io *io, int64_t deadline_ns);
    int64_t (*now_ns)(struct io *io);
    int64_t (*clock_ns)(struct io *io); /* NULL: as now_ns */
    int64_t (*wall_ms)(struct io *io);
    void (*random)(struct io *io, struct span out_bytes);
    void (*wake)(struct io *io);
    int (*listen)(struct io *io, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener);
    int (*local_address)(struct io *io, struct io_handle socket, struct io_address *out_address);
    int (*peer_address)(struct io *io, struct io_handle socket, struct io_address *out_address);
    int (*list)(struct io *io, const char *path, io_list_fn *each, void *context);
    int (*volume_probe)(struct io *io, const char *path, struct io_volume *out_volume);
    int (*volume_free)(struct io *io, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes);
    int (*lock)(struct io *io, const char *path);
    int (*register_region)(struct io *io, struct span region);
    void (*recv_give)(struct io *io, struct span received);
    void (*describe)(struct io *io, struct span out_text);
    void (*destroy)(struct io *io);
    bool (*waiting)(struct io *io); /* NULL: never says so */
};

/* The head of every back end's own struct. */
struct io {
    const struct io_backend *backend;
    uint64_t                 in_flight; /* ops between submit and their last callback */
    uint64_t                 submitted_count;
    uint64_t                 completed_count;
    bool                     received_kept; /* by the callback of a receive that runs */
};

/* --- loop ------------------------------------------------------------------------------------------------------- */

/* Runs completions: what is there at once; if nothing is, sleeps until something completes, io_wake() is called or
 * deadline_ns (io_now_ns clock) passes; deadline_ns <= now polls, INT64_MAX waits for ever. Returns callbacks run, or a
 * negative ERR_ when the ring itself failed. The cached clock is refreshed when it returns from sleep. */
int io_run(struct io *io, int64_t deadline_ns);
/* Start-up and shutdown only: runs the loop until `op` has had its last callback. */
void io_wait(struct io *io, struct io_op *op);
/* Any thread. Makes a sleeping or about-to-sleep io_run() return; several calls may collapse into one. */
void io_wake(struct io *io);

/* Monotonic; cached per turn of the loop. */
int64_t io_now_ns(struct io *io);
/* The same clock, read now: for work that is cut by time within a turn. In simulation it stands still meanwhile, so
 * such work has a limit by count as well. */
int64_t io_clock_ns(struct io *io);
/* Wall clock, for timestamps and retention only. It may jump. */
int64_t  io_wall_ms(struct io *io);
void     io_random(struct io *io, struct span out_bytes);
uint64_t io_random_u64(struct io *io);

/* Something waits for the loop: callbacks, completions, or what was submitted in this turn and has not left yet; not
 * what io_post_idle() was told. For such work, between two pieces. In simulation, where no time passes meanwhile:
 * never. */
bool io_waiting(struct io *io);

/* Calls back on the next turn of the loop; result 0. */
void io_post(struct io *io, struct io_op *op, io_done_fn *done);
/* For work that has time, in slices: calls back on the next turn on which nothing else waits (io_waiting()), or after
 * IO_IDLE_WAIT_NS without any such callback. One a turn, in order; the loop does not sleep while there is one. In
 * simulation: as io_post(). */
void io_post_idle(struct io *io, struct io_op *op, io_done_fn *done);

/* --- files ------------------------------------------------------------------------------------------------------ */

/* result: handle id. Mode 0640. The path is absolute or relative to the working directory at start. */
void io_open(struct io *io, struct io_op *op, const char *path, uint32_t flags, io_done_fn *done);
/* Closes a file or socket. Operations in flight on a socket complete first, most with an error (what was received or
 * accepted before is still reported); what is submitted on it meanwhile completes with ERR_CLOSED. A file must have
 * none in flight. */
void io_close(struct io *io, struct io_op *op, struct io_handle handle, io_done_fn *done);
void io_read(struct io *io, struct io_op *op, struct io_handle file, struct span into, uint64_t offset,
             io_done_fn *done);
void io_write(struct io *io, struct io_op *op, struct io_handle file, struct view bytes, uint64_t offset,
              uint32_t flags, io_done_fn *done);
/* fdatasync for files, fsync for directories. A failed sync is final: what it was to cover may be lost (never retry
 * it). */
void io_sync(struct io *io, struct io_op *op, struct io_handle file, io_done_fn *done);
/* ERR_UNSUPPORTED where the file system cannot. */
void io_allocate(struct io *io, struct io_op *op, struct io_handle file, uint64_t offset, uint64_t length,
                 uint32_t flags, io_done_fn *done);
/* Replaces `to` if it exists. Not durable before the directory is synced; so are the next two. */
void io_rename(struct io *io, struct io_op *op, const char *from, const char *to, io_done_fn *done);
/* Removes a file, or an empty directory. */
void io_unlink(struct io *io, struct io_op *op, const char *path, bool is_directory, io_done_fn *done);
void io_mkdir(struct io *io, struct io_op *op, const char *path, io_done_fn *done);
/* *out_stat is written before the callback when result is 0. */
void io_stat(struct io *io, struct io_op *op, const char *path, struct io_stat *out_stat, io_done_fn *done);

/* Synchronous: start-up, and directories of one topic. Names come in no particular order (the simulator shuffles them).
 */
MUST_USE int io_list(struct io *io, const char *path, io_list_fn *each, void *context);
/* Synchronous, start-up. Proves direct and durable I/O by doing it on a scratch file in `path`, a directory. */
MUST_USE int io_volume_probe(struct io *io, const char *path, struct io_volume *out_volume);
/* Synchronous, cheap: free and total bytes now. */
MUST_USE int io_volume_free(struct io *io, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes);
/* Creates `path` if need be and locks it until the io is destroyed or the process ends. ERR_BUSY when it is locked. */
MUST_USE int io_lock(struct io *io, const char *path);
/* Registers memory (buf_pool_region) for fixed reads and writes. Not needed for correctness; ERR_ when the kernel
 * refuses (RLIMIT_MEMLOCK): operations then go unregistered. */
MUST_USE int io_register_region(struct io *io, struct span region);

/* --- network ---------------------------------------------------------------------------------------------------- */

/* Synchronous, start-up. Port 0 picks one: ask io_local_address(). */
MUST_USE int io_listen(struct io *io, const struct io_address *address, uint32_t backlog,
                       struct io_handle *out_listener);
MUST_USE int io_local_address(struct io *io, struct io_handle socket, struct io_address *out_address);
MUST_USE int io_peer_address(struct io *io, struct io_handle socket, struct io_address *out_address);
/* Multishot. result: handle id of a new connection (TCP_NODELAY set), or an error; while op->more, further ones follow.
 * After an error (ERR_DESCRIPTORS, ERR_NO_MEMORY) without more, submit again when it makes sense. */
void io_accept(struct io *io, struct io_op *op, struct io_handle listener, io_done_fn *done);
/* result: handle id. */
void io_connect(struct io *io, struct io_op *op, const struct io_address *address, io_done_fn *done);
/* One receive into the caller's memory. result 0: the peer has closed. */
void io_recv(struct io *io, struct io_op *op, struct io_handle socket, struct span into, uint32_t flags,
             io_done_fn *done);
/* Receives into buffers of the back end: each callback with result > 0 shows op->received, valid during the callback
 * only, so an idle connection holds no memory. Ends (more == false) with 0 (closed), ERR_NO_BUFFERS (submit again),
 * ERR_CANCELED or another error, or after a positive result when the kernel stops for fairness (submit again). */
void io_recv_multi(struct io *io, struct io_op *op, struct io_handle socket, io_done_fn *done);
/* Inside that callback, where op->received_keepable says that the back end can do without: op->received stays valid
 * until it is given back. */
void io_recv_keep(struct io *io, const struct io_op *op);
void io_recv_give(struct io *io, struct span received);
/* Gathers; count <= IO_SPANS_MAX. result may be short. */
void io_send(struct io *io, struct io_op *op, struct io_handle socket, const struct view *parts, uint32_t count,
             uint32_t flags, io_done_fn *done);
/* From a file (not opened with IO_OPEN_DIRECT) through the page cache to the socket, without user memory. May be short.
 */
void io_send_file(struct io *io, struct io_op *op, struct io_handle socket, struct io_handle file, uint64_t offset,
                  uint64_t length, io_done_fn *done);
/* Both directions: what is in flight on the connection completes soon. */
void io_shutdown(struct io *io, struct io_op *op, struct io_handle socket, io_done_fn *done);

/* Asks to end `target` early: its own callback comes with ERR_CANCELED, or with its result if it was faster. `op`'s
 * callback (result 0, or ERR_NOT_FOUND when the target was already done) may come before or after the target's. */
void io_cancel(struct io *io, struct io_op *op, struct io_op *target, io_done_fn *done);

/* --- text ------------------------------------------------------------------------------------------------------- */

/* One line for the banner: back end, kernel, features in use and those that fell back. */
void io_describe(struct io *io, struct span out_text);
/* "127.0.0.1:9092", "[::1]:9092". */
void io_address_format(const struct io_address *address, char out_text[IO_ADDRESS_TEXT_BYTES]);
/* A literal IPv4 or IPv6 address without brackets; names are resolved by net/broker at start. */
MUST_USE bool io_address_parse(struct view ip_text, uint16_t port, struct io_address *out_address);

void io_destroy(struct io *io);

static inline bool io_op_idle(const struct io_op *op)
{
    return op->kind == IO_NONE;
}

#endif
