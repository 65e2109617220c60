/* net_internal.h: the room's own structs: server, connection, call. See net_server.h for the promises.
 *
 *   connection:  OPEN ---> DRAINING (no more reading, answers still leave) ---> CLOSING (socket shut, operations
 * return) ---> freed
 *
 * Reading has two shapes. A quiet or small-request connection receives by io_recv_multi into the back end's buffers and
 * holds no memory of its own. Once a large frame is under way it goes over to *bulk*: io_recv straight into the frame's
 * buffer, the next frame's buffer being sized by the last one, so that a steady stream of equal large requests is
 * received in place, one receive each. */
#ifndef MILLRACE_NET_INTERNAL_H
#define MILLRACE_NET_INTERNAL_H

#include "core/proto/kp_header.h"
#include "net/server/net_server.h"

#define NET_PREFIX_BYTES      4
#define NET_BULK_BYTES        ((size_t)(16 * KIB))  /* what must still be missing of a frame to go over to bulk */
#define NET_FRAME_FIRST_BYTES ((size_t)(256 * KIB)) /* largest buffer given on the word of a length alone */
#define NET_BULK_IDLE_NS      (NS_PER_S)            /* a bulk connection silent for so long gives its buffer back */
#define NET_ARENA_BLOCK_BYTES ((size_t)4096)
#define NET_ARENA_BYTES_MAX   ((size_t)(64 * MIB)) /* decoded arrays and reply of one call */
#define NET_CALLS_SPARE_MAX   256
#define NET_SEND_PARTS        96
#define NET_JOIN_BYTES_MAX    ((size_t)1024) /* of answers that leave in one piece of memory */
#define NET_LISTENERS_MAX     META_LISTENERS_MAX

struct net_conn;

/* A receive buffer of the back end in which calls still look at their requests. */
struct net_loan {
    struct io  *io;
    struct span received;
    uint32_t    calls;
};

struct net_call {
    struct api_call    api; /* first: handlers see this part */
    struct list_node   link;
    struct net_conn   *conn;
    struct buf        *frame; /* the request's bytes, prefix included; NULL: in the loan's, or no longer needed */
    struct net_loan   *loan;
    size_t             frame_bytes;
    struct arena       arena;
    struct kp_writer   writer;
    const struct view *segments;
    int32_t            segment_count;
    int32_t            segment_at;   /* first not wholly sent */
    size_t             segment_sent; /* bytes of it sent */
    bool               finished;
    bool               close_after;
};

enum net_conn_state { NET_OPEN, NET_DRAINING, NET_CLOSING };
enum net_read_mode { NET_READ_NONE, NET_READ_MULTI, NET_READ_BULK };

struct net_conn {
    struct list_node    link;
    struct list_node    starved_link;
    struct list_node    answer_link; /* server->answering: something may be sent */
    struct net_server  *server;
    struct io_handle    socket;
    struct io_address   peer;
    struct view         listener;
    enum net_conn_state state;
    enum net_read_mode  reading; /* the receive in flight */
    bool                bulk;    /* prefer bulk for the next receive */
    bool                paused;  /* nothing is read: no memory, or too much not yet answered */
    bool                canceling;
    bool                peer_closed;
    bool                taking;   /* inside net_take(): handlers that answer at once must not start another round */
    struct net_call    *borrower; /* dispatched on bytes of the receive that runs, and not done with them */
    bool                close_submitted;
    bool                shut;
    struct io_op        recv_op;
    struct io_op        cancel_op;
    struct io_op        send_op;
    struct io_op        close_op;
    /* the frame in the making */
    uint8_t     prefix[NET_PREFIX_BYTES];
    uint32_t    prefix_len;
    struct buf *frame;
    size_t      frame_bytes; /* whole, prefix included; 0 = not known */
    size_t      frame_got;
    size_t      frame_bytes_last;
    int64_t     frame_started_ns; /* its first byte, or the end of a pause */
    /* bytes received behind a point where reading had to pause */
    uint8_t *spill;
    size_t   spill_len;
    size_t   spill_at;
    /* calls in request order */
    struct list_node calls;
    uint32_t         call_count;
    size_t           pending_bytes;
    /* send */
    struct view  parts[NET_SEND_PARTS]; /* of the send in flight */
    bool         sending;
    int64_t      send_progress_ns;
    int64_t      active_ns; /* last byte in or out */
    struct timer timer;
};

struct net_listener {
    struct net_server *server;
    struct io_handle   socket;
    struct view        name;
    struct io_op       accept_op;
    struct io_op       close_op;
    struct timer       retry;
    bool               accepting;
    bool               warned; /* of the errors since the last connection */
};

struct net_server {
    struct api_shard   *api;
    struct io          *io;
    struct timer_heap  *timers;
    struct net_limits   limits;
    struct net_listener listeners[NET_LISTENERS_MAX];
    uint32_t            listener_count;
    struct list_node    conns;
    struct list_node    starved;   /* connections waiting for buffer memory, oldest first */
    struct list_node    answering; /* connections to look at at the end of this turn */
    struct io_op        flush_op;
    struct list_node    spare_calls;
    uint32_t            spare_call_count;
    uint32_t            conn_count;
    struct map          per_ip;           /* 16 bytes -> struct net_ip_count */
    int64_t             starved_since_ns; /* the first of them gets nothing */
    bool                feeding;          /* inside net__read_starved() */
    struct timer        starved_timer;
    struct timer        stop_timer;
    bool                stopping;
    void (*stopped)(void *context);
    void            *stop_context;
    uint32_t         closing_handles;
    struct net_stats stats;
};

/* net_listen.c */
void net__listener_start(struct net_listener *listener);
/* net_conn.c */
void net__conn_watch(struct net_conn *conn, int64_t deadline_ns);
void net__conn_open(struct net_server *server, struct io_handle socket, struct view listener);
void net__conn_close(struct net_conn *conn, const char *why);
void net__conn_drain(struct net_conn *conn);
/* Frees the connection when nothing holds it any more; it may be gone afterwards. */
void net__conn_settle(struct net_conn *conn);
void net__server_settle(struct net_server *server);
/* net_frame.c */
void net__read_next(struct net_conn *conn);
void net__read_starved(struct net_server *server);
/* A bulk connection has fallen silent: back to a receive that holds no memory. */
void net__read_idle(struct net_conn *conn);
void net__frame_drop(struct net_conn *conn);
/* net_dispatch.c */
void net__dispatch(struct net_conn *conn, struct buf *frame, size_t frame_bytes);
/* A frame where it was received. The call that still needs its bytes afterwards is conn->borrower. */
void net__dispatch_borrowed(struct net_conn *conn, const uint8_t *bytes, size_t frame_bytes);
void net__call_free(struct net_call *call);
/* Nobody will ask for more: handlers that wait are told to answer with what there is. */
void net__calls_hurry(struct net_conn *conn);
/* The connection is gone: the same, and finished answers are thrown away. */
void net__calls_cancel(struct net_conn *conn);
/* net_send.c */
void net__send_ready(struct net_conn *conn);

#endif
