/* io_shard.h: cores, shards and the mailboxes between them.
 *
 * A *core* is a thread with one struct io, one timer heap and one buffer pool; it hosts one or more *shards*. A shard
 * owns partitions, connections, coordinators: whatever is owned by a shard is touched on its core only. The only way
 * from shard to shard is a mail: a small struct that the sender owns and embeds in the object that waits. Sending hands
 * it over; the receiver's callback runs on the receiver's core and usually sends the same struct back as the answer.
 *
 * Mailboxes are single-producer single-consumer rings of IO_MAILBOX_SLOTS pointers, one per ordered pair of cores; the
 * receiver is woken only when it sleeps. When a ring is full the mail waits in the sender's intrusive overflow list, in
 * order: nothing is allocated and nothing is lost; what is in flight is bounded because every mail struct belongs to a
 * bounded object. Between two shards mail arrives in sending order. Threads that are no core have a way in of their
 * own, io_shard_inject(). In simulation all cores run on one thread through io_core_turn(). */
#ifndef MILLRACE_IO_SHARD_H
#define MILLRACE_IO_SHARD_H

#include "core/base/buf.h"
#include "core/base/timer.h"
#include "io/io.h"

#define IO_MAILBOX_SLOTS 1024 /* power of two */
#define IO_CORES_MAX     256
#define IO_SHARDS_MAX    256

struct io_core;
struct io_shard;
struct io_mail;

/* Runs on the receiving shard's core, from its loop. */
typedef void io_mail_fn(struct io_mail *mail, struct io_shard *to);

struct io_mail {
    struct list_node link_; /* back end's while under way */
    uint32_t         from_shard;
    uint32_t         to_shard;
    io_mail_fn      *deliver;
};

struct io_shard {
    uint32_t           index; /* 0 .. shard count - 1, over the whole host */
    struct io_core    *core;
    struct io         *io;     /* the core's, shared by its shards */
    struct timer_heap *timers; /* the core's */
    struct buf_pool   *bufs;   /* the core's */
    void              *user;   /* net/broker's shard object */
};

/* All cores and shards of one broker process (or of one simulated broker). */
struct io_host;

struct io_host_options {
    uint32_t core_count;
    uint32_t shard_count;           /* shard i runs on core i % core_count; >= core_count */
    size_t   region_bytes_per_core; /* registered hot pool, see buf.h */
    size_t   budget_bytes_per_core;
};

/* ios[i] is core i's ring, created by the caller's back end ON THE THREAD that will run it where the back end demands
 * that (io/uring with SINGLE_ISSUER creates it in R_DISABLED state and enables it on first io_run). The host owns pools
 * and timers, not the ios. */
MUST_USE struct io_host *io_host_create(const struct io_host_options *options, struct io *const *ios);
void                     io_host_destroy(struct io_host *host);
uint32_t                 io_host_core_count(const struct io_host *host);
uint32_t                 io_host_shard_count(const struct io_host *host);
struct io_shard         *io_host_shard(struct io_host *host, uint32_t shard);
struct io_core          *io_host_core(struct io_host *host, uint32_t core);

/* The sender runs on from's core. `mail` is idle. Sending to oneself is allowed (delivered on the next turn). */
void io_shard_send(struct io_shard *from, uint32_t to_shard, struct io_mail *mail, io_mail_fn *deliver);

/* From any thread that is no core of this host (an HTTP listener, say): hands `mail` to a shard as if it came from the
 * shard itself. The mail is idle; whoever owns it does not touch it until deliver. Mails of one thread arrive in
 * sending order. The core must still run, or nothing is delivered. In simulation: the one thread. */
void io_shard_inject(struct io_shard *to, struct io_mail *mail, io_mail_fn *deliver);

/* Mail, callbacks or completions wait for the core: see io_waiting(). */
bool io_shard_waiting(const struct io_shard *shard);

/* One turn of a core's loop: due timers, mail, completions. Sleeps until the next deadline (or max_wait_ns) if no mail
 * and no posted work is pending and nothing completes: what this turn's callbacks submitted goes to the kernel in the
 * same call that sleeps. A long task bounds the sleep with max_wait_ns 0. Returns the work done (callbacks, mails,
 * timers), or a negative ERR_. */
int io_core_turn(struct io_core *core, int64_t max_wait_ns);
/* Turns until io_core_stop(). The error of a failed ring ends it. */
int io_core_run(struct io_core *core);
/* Any thread. */
void io_core_stop(struct io_core *core);

#endif
