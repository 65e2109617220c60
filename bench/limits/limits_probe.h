/* limits_probe.h: what the probes share. They measure what this machine gives to a program that does nothing but what
 * any broker must do: a figure of a broker is read against theirs, from the same minute.
 *
 * limits_main.c     options, the runs, the report
 * limits_clock.c    clocks, CPU of both processes and of everybody else
 * limits_client.c   the other end of the connections: a process of its own, on a CPU of its own
 * limits_file.c     the file that is written: fresh or recycled; reading back
 * limits_ring.c     io_uring as a broker would set it up
 * limits_receive.c  receive, check and copy once, write durably, answer
 * limits_send.c     answer out of hot memory
 * limits_disk.c     durable writes, or reads, at a queue depth
 *
 * Everything ends the process with a message when the machine refuses something: a probe that half works is none. */
#ifndef MILLRACE_BENCH_LIMITS_PROBE_H
#define MILLRACE_BENCH_LIMITS_PROBE_H

#include "core/base/base.h"
#include "tools/cli/cli_histogram.h"

#include <liburing.h>
#include <sys/types.h>

#define LIMITS_SIZES_MAX       16
#define LIMITS_CONNECTIONS_MAX 256
#define LIMITS_IN_FLIGHT_MAX   64
#define LIMITS_DEPTH_MAX       64
#define LIMITS_BLOCK_BYTES     4096
#define LIMITS_WRITE_BYTES     ((size_t)1 << 20) /* one write, at most */
#define LIMITS_REQUEST_MAX     ((size_t)16 << 20)
#define LIMITS_HEAD_BYTES      16 /* of a request: length, CRC-32C of what follows the head, eight bytes of nothing */
#define LIMITS_ANSWER_BYTES    16

struct limits_options {
    size_t      bytes[LIMITS_SIZES_MAX]; /* of a request, or of a write */
    int         byte_count;
    int         depths[LIMITS_SIZES_MAX]; /* writes in flight */
    int         depth_count;
    int         connections, in_flight;
    double      seconds, warm_s;
    const char *folder;
    size_t      file_bytes;
    bool        fresh, recycled; /* files to measure on */
    bool        durable;         /* RWF_DSYNC */
    bool        reads;           /* disk: instead of writing */
    int         cpu, client_cpu; /* -1: not pinned */
    bool        json;
};

/* In memory that both processes see. */
struct limits_shared {
    int                  measuring, stop; /* __atomic */
    uint64_t             requests;        /* answered while measuring; the client's until it has ended */
    struct cli_histogram latency;
};

struct limits_file {
    int    fd;
    bool   recycled;
    size_t bytes, at; /* `at`: the next write goes there */
    char   path[4096];
};

struct limits_client {
    pid_t                 pid;
    struct limits_shared *shared;
    int                   sockets[LIMITS_CONNECTIONS_MAX]; /* our ends */
};

/* Begin or end of the measured time. */
struct limits_moment {
    int64_t ns;
    double  own_s, client_s;     /* CPU */
    double  machine_s, stolen_s; /* of all CPUs: busy, taken by the host */
};

struct limits_result {
    const char          *probe, *file; /* file: "fresh", "recycled" or NULL */
    size_t               bytes;
    int                  depth;
    uint64_t             requests, writes, device_bytes;
    struct limits_moment begin, end;
    struct cli_histogram latency;
};

void NORETURN limits_die(const char *format, ...) PRINTF_LIKE(1, 2);
void         *limits_memory(size_t bytes); /* aligned to 2 MiB, touched; zero */
uint8_t      *limits_noise(size_t bytes);  /* the same with bytes that do not compress */

/* --- limits_clock.c ---------------------------------------------------------------------------------------------- */

int64_t limits_now_ns(void);
void    limits_pin(int cpu); /* -1: nothing */
void    limits_moment(struct limits_moment *out_moment, pid_t client);

/* --- limits_client.c --------------------------------------------------------------------------------------------- */

enum limits_work { LIMITS_SENDS_BYTES, LIMITS_ASKS_FOR_BYTES };
/* Starts it with all its connections; it works until limits_client_end(). */
void limits_client_start(struct limits_client *client, const struct limits_options *options, enum limits_work work,
                         size_t bytes);
void limits_client_measure(struct limits_client *client, bool on);
void limits_client_end(struct limits_client *client, struct limits_result *result);

/* --- limits_file.c ----------------------------------------------------------------------------------------------- */

void limits_file_open(struct limits_file *file, const struct limits_options *options, bool recycled);
void limits_file_close(struct limits_file *file);
/* Room for so many bytes; false when a fresh file is used up (a recycled one begins again). */
bool limits_file_take(struct limits_file *file, size_t bytes, uint64_t *out_offset);
/* Ends the process when these bytes do not stand there. */
void limits_file_check(struct limits_file *file, const uint8_t *bytes, size_t len, uint64_t offset);

/* --- limits_ring.c ----------------------------------------------------------------------------------------------- */

#define LIMITS_RECV_BYTES ((size_t)64 << 10)
#define LIMITS_RECV_COUNT 32 /* few, so that they stay in the second-level cache */

/* A completion's user data: what it is of, and the connection or write. */
enum limits_tag { LIMITS_RECV = 1, LIMITS_SEND, LIMITS_WRITE };

struct limits_ring {
    struct io_uring           ring;
    struct io_uring_buf_ring *buffers;
    uint8_t                  *recv_memory;
};

void limits_ring_open(struct limits_ring *ring);
void limits_ring_close(struct limits_ring *ring);
/* Never NULL: submits first when the queue is full. */
struct io_uring_sqe *limits_ring_sqe(struct limits_ring *ring, enum limits_tag tag, int index);
void                 limits_ring_recv(struct limits_ring *ring, int socket, int index); /* multishot */
void                 limits_ring_give(struct limits_ring *ring, int buffer);            /* back to the kernel */
void                 limits_ring_wait(struct limits_ring *ring);                        /* submits; one completion */

static inline enum limits_tag limits_tag_of(const struct io_uring_cqe *cqe)
{
    return (enum limits_tag)(cqe->user_data >> 32);
}

static inline int limits_index_of(const struct io_uring_cqe *cqe)
{
    return (int)(uint32_t)cqe->user_data;
}

/* --- the probes -------------------------------------------------------------------------------------------------- */

void limits_receive(const struct limits_options *options, size_t bytes, int depth, struct limits_file *file,
                    struct limits_result *out_result);
void limits_send(const struct limits_options *options, size_t bytes, struct limits_result *out_result);
void limits_disk(const struct limits_options *options, size_t bytes, int depth, struct limits_file *file,
                 struct limits_result *out_result);

#endif
