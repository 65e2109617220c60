/* uring.h: the production back end of io.h, on io_uring. Linux 6.1 or later.
 *
 * Threads: uring_create may run on any thread; the thread that calls io_run() first owns the ring from then on (the
 * ring is created disabled and enabled there), and every call but io_wake() comes from it. io_register_region() and
 * io_listen() may come before that, from the creating thread.
 *
 * Features: each optional kernel feature is probed and has a fallback with the same meaning. What is in use shows in
 * io_describe(). Nothing needs privileges; with little lockable memory (RLIMIT_MEMLOCK) rings shrink and memory stays
 * unregistered.
 *
 * Cost: one io_uring_enter per turn of the loop submits, waits and reaps; a turn that only reaps enters not at all. An
 * idle ring sleeps in the kernel.
 *
 * Blocking: io_list, io_volume_*, io_lock and io_listen are plain system calls. io_send_file reads through the page
 * cache on the calling thread and waits for the disk where the cache is cold: it is for data that is likely cached. */
#ifndef MILLRACE_URING_H
#define MILLRACE_URING_H

#include "io/io.h"

enum uring_feature {
    URING_SINGLE_ISSUER = 1 << 0,    /* else the kernel locks its submission side */
    URING_DEFER_TASKRUN = 1 << 1,    /* completions run when we ask; needs SINGLE_ISSUER */
    URING_COOP_TASKRUN = 1 << 2,     /* second best: no interrupt per completion */
    URING_RING_FD = 1 << 3,          /* registered ring descriptor */
    URING_BUFFER_RING = 1 << 4,      /* received bytes land in buffers the kernel picks; else poll, then receive */
    URING_RECV_MULTISHOT = 1 << 5,   /* one submission for all of a connection's receives; needs BUFFER_RING */
    URING_ACCEPT_MULTISHOT = 1 << 6, /* one submission for all accepts */
    URING_FIXED_BUFFERS = 1 << 7,    /* io_register_region works */
    URING_DSYNC = 1 << 8,            /* RWF_DSYNC; else write, then fdatasync */
    URING_SENDFILE = 1 << 9,         /* sendfile(2); else read and send through a scratch buffer */
    URING_DIO_STATX = 1 << 10,       /* STATX_DIOALIGN; else alignments are tried out */
    URING_MIN_WAIT = 1 << 11,        /* several completions may share a wake-up; else the first wakes (Linux 6.12) */
};

#define URING_FEATURES_ALL ((uint32_t)((1 << 12) - 1))

struct uring_options {
    uint32_t entries; /* submission queue; power of two; 0 = 1,024. Not a limit: what does not fit waits in a list */
    uint32_t recv_buffer_count; /* power of two up to 32,768; 0 = 128 */
    uint32_t recv_buffer_bytes; /* 0 = 32 KiB */
    uint32_t ring_count;        /* rings this process will have; 0 = 1. They share what memory may be locked */
    uint32_t disable_features;  /* uring_feature bits not to use even if the kernel has them */
};

/* Why there is no ring: for the operator, printed at start. */
struct uring_failure {
    const char *call;      /* the system call that failed */
    int         number;    /* errno, or 0 */
    char        text[400]; /* cause and cure, one sentence each */
};

/* 0 or ERR_; *out_why is set on failure. */
MUST_USE int uring_create(const struct uring_options *options, struct io **out_io, struct uring_failure *out_why);
/* The uring_feature bits in use; some are dropped at run time when the kernel refuses them. */
uint32_t uring_features(const struct io *io);

#endif
