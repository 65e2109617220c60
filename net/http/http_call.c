/* A call between the HTTP thread and a shard.
 *
 * Who touches what: until http__call_submit() everything is the HTTP thread's; from then to http__call_done() the shard
 * has everything but the wire, the part under the lock. The wire: nothing to send yet (the connection is suspended),
 * then begun, then ended; `gone` when the connection is closed, at any time.
 *
 * Invariants: 1. MHD_suspend_connection() and MHD_resume_connection() are called under the wire's lock with `suspended`
 * telling which was last, so neither comes twice. 2. `connection` is not used once `gone`. 3. The shard's reference is
 * given up in http__call_done() and nowhere else; a cancel mail has its own, so that it always finds its call. */
#include "core/base/mem.h"
#include "net/http/http_internal.h"

#include <microhttpd.h>
#include <pthread.h>

struct http_wire {
    struct http_call      *call;
    pthread_mutex_t        lock;
    struct MHD_Connection *connection;
    struct http_text       out;
    size_t                 taken; /* of out, by the connection */
    const char            *content_type;
    int                    status; /* 0: not begun */
    bool                   suspended, ended, broken, gone;
    bool                   submitted;   /* the HTTP thread's */
    uint32_t               refs;        /* atomic */
    uint32_t               cancel_sent; /* atomic */
    struct io_mail         submit, cancel;
};

struct http_call *http__call_create(struct http_listener *listener, void *connection)
{
    struct http_call *call = mem_alloc(MEM_NET, sizeof(*call));
    struct http_wire *wire = mem_alloc(MEM_NET, sizeof(*wire));

    call->listener = listener;
    call->wire_ = wire;
    wire->call = call;
    wire->connection = connection;
    wire->refs = 1;
    CHECK(pthread_mutex_init(&wire->lock, NULL) == 0);
    return call;
}

void http__call_unref(struct http_call *call)
{
    struct http_wire *wire = call->wire_;

    if (__atomic_sub_fetch(&wire->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    (void)pthread_mutex_destroy(&wire->lock);
    json_decref(call->document);
    http__metrics_jobs_destroy(call->job_metrics);
    mem_free(MEM_NET, call->figures);
    http__text_deinit(&wire->out);
    http__body_deinit(&call->body);
    mem_free(MEM_NET, wire);
    mem_free(MEM_NET, call);
}

static void call_ref(struct http_call *call)
{
    (void)__atomic_add_fetch(&call->wire_->refs, 1, __ATOMIC_RELAXED);
}

static void wire_lock(struct http_wire *wire)
{
    CHECK(pthread_mutex_lock(&wire->lock) == 0);
}

static void wire_unlock(struct http_wire *wire)
{
    CHECK(pthread_mutex_unlock(&wire->lock) == 0);
}

static void wire_suspend(struct http_wire *wire)
{
    CHECK(!wire->suspended && !wire->gone);
    wire->suspended = true;
    MHD_suspend_connection(wire->connection);
}

static void wire_resume(struct http_wire *wire)
{
    if (wire->suspended) {
        wire->suspended = false;
        MHD_resume_connection(wire->connection);
    }
}

/* --- the HTTP thread's side -------------------------------------------------------------------------------------- */

static void call_start(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct http_call *call = CONTAINER_OF(mail, struct http_wire, submit)->call;

    if (call->route.kind == HTTP_ROUTE_SQL) {
        http__sql_start(call);
    } else {
        http__job_start(call);
    }
}

bool http__call_submit(struct http_call *call)
{
    struct http_wire *wire = call->wire_;

    call_ref(call);
    wire->submitted = true;
    if (!http__live_add(call->listener, call, &wire->submit, call_start)) {
        wire->submitted = false;
        http__call_unref(call);
        return false;
    }
    return true;
}

int http__call_ready(struct http_call *call, const char **out_content_type, bool *out_whole, struct view *out_body)
{
    struct http_wire *wire = call->wire_;
    int               status;

    wire_lock(wire);
    status = wire->status;
    if (status == 0 && wire->ended) {
        status = 503; /* abandoned */
    }
    if (status == 0) {
        wire_suspend(wire);
    }
    *out_content_type = wire->content_type == NULL ? HTTP_JSON : wire->content_type;
    *out_whole = wire->ended && !wire->broken;
    *out_body = http__text_view(&wire->out);
    wire_unlock(wire);
    return status;
}

int64_t http__call_take(struct http_call *call, char *to, size_t bytes_max)
{
    struct http_wire *wire = call->wire_;
    int64_t           taken;

    wire_lock(wire);
    taken = (int64_t)MIN(wire->out.len - wire->taken, bytes_max);
    if (taken > 0) {
        memcpy(to, wire->out.base + wire->taken, (size_t)taken);
        wire->taken += (size_t)taken;
        if (wire->taken == wire->out.len) {
            wire->taken = wire->out.len = 0;
        }
    } else if (wire->ended) {
        taken = wire->broken ? HTTP_TAKEN_BROKEN : HTTP_TAKEN_END;
    } else {
        wire_suspend(wire);
    }
    wire_unlock(wire);
    return taken;
}

static void call_cancel_deliver(struct io_mail *mail, struct io_shard *to UNUSED)
{
    struct http_call *call = CONTAINER_OF(mail, struct http_wire, cancel)->call;

    if (!call->done) {
        job_request_cancel(http__options(call->listener)->jobs, &call->request);
    }
    http__call_unref(call);
}

void http__call_cancel(struct http_call *call)
{
    struct http_wire *wire = call->wire_;

    if (__atomic_exchange_n(&wire->cancel_sent, 1, __ATOMIC_ACQ_REL) == 0) {
        call_ref(call);
        io_shard_inject(http__shard(call->listener), &wire->cancel, call_cancel_deliver);
    }
}

void http__call_gone(struct http_call *call)
{
    struct http_wire *wire = call->wire_;
    bool              cancel;

    wire_lock(wire);
    wire->gone = true;
    /* what changes a job goes on without its client */
    cancel = wire->submitted && !wire->ended && call->route.kind == HTTP_ROUTE_SQL;
    wire_unlock(wire);
    if (cancel) {
        http__call_cancel(call);
    }
}

void http__call_abandon(struct http_call *call)
{
    struct http_wire *wire = call->wire_;

    wire_lock(wire);
    wire->ended = wire->broken = true;
    if (!wire->gone) {
        wire_resume(wire);
    }
    wire_unlock(wire);
}

/* --- the shard's side -------------------------------------------------------------------------------------------- */

void http__call_begin(struct http_call *call, int status, const char *content_type)
{
    struct http_wire *wire = call->wire_;

    wire_lock(wire);
    CHECK(wire->status == 0);
    wire->content_type = content_type;
    wire->status = status;
    if (!wire->gone && (wire->out.len > 0 || wire->ended)) {
        wire_resume(wire);
    }
    wire_unlock(wire);
}

bool http__call_has_begun(const struct http_call *call)
{
    return call->wire_->status != 0; /* written by this shard only */
}

bool http__call_put(struct http_call *call, struct view bytes)
{
    struct http_wire *wire = call->wire_;
    bool              taken;

    wire_lock(wire);
    taken = !wire->gone && !wire->ended;
    if (taken) {
        if (wire->taken > wire->out.len / 2) { /* what was sent makes room */
            memmove(wire->out.base, wire->out.base + wire->taken, wire->out.len - wire->taken);
            wire->out.len -= wire->taken;
            wire->taken = 0;
        }
        http__text_put(&wire->out, bytes.base, bytes.len);
        if (wire->status != 0) {
            wire_resume(wire);
        }
    }
    wire_unlock(wire);
    return taken;
}

size_t http__call_backlog(struct http_call *call)
{
    struct http_wire *wire = call->wire_;
    size_t            backlog;

    wire_lock(wire);
    backlog = wire->out.len - wire->taken;
    wire_unlock(wire);
    return backlog;
}

void http__call_end(struct http_call *call, bool broken)
{
    struct http_wire *wire = call->wire_;

    wire_lock(wire);
    wire->ended = true;
    wire->broken = wire->broken || broken;
    if (!wire->gone && wire->status != 0) {
        wire_resume(wire);
    }
    wire_unlock(wire);
}

void http__call_done(struct http_call *call)
{
    CHECK(!call->done);
    call->done = true;
    http__live_remove(call->listener, call);
    http__call_unref(call);
}

int http__status_of(int error)
{
    switch (error) {
    case ERR_NOT_FOUND:
        return 404;
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        return 400;
    case ERR_BUSY:
    case ERR_EXISTS:
        return 409;
    case ERR_LIMIT:
    case ERR_NO_MEMORY:
    case ERR_AGAIN:
    case ERR_CLOSED:
    case ERR_CANCELED:
    case ERR_OFFLINE:
        return 503;
    default:
        return 500;
    }
}
