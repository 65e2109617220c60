/* The listener: libmicrohttpd's thread, its connections, and the calls that a shard holds.
 *
 * Stopping: new requests are answered 503, calls under way are cancelled and waited for; only then the daemon is
 * stopped, because libmicrohttpd must not be while a connection is suspended. A shard that does not answer in time
 * loses its callers: their connections are resumed, the calls stay until the shard lets go. */
#include "core/base/mem.h"
#include "core/base/slog.h"
#include "net/http/http_internal.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STOP_WAIT_S  5
#define STOP_SEND_S  1
#define BACKLOG      64
#define BLOCK_BYTES  ((size_t)(32 * KIB)) /* asked for at a time when an answer is streamed */
#define MEMORY_BYTES ((size_t)(64 * KIB)) /* of a connection, for its head and block */

struct http_listener {
    struct http_options options;
    struct io_shard    *shard;
    struct MHD_Daemon  *daemon;
    bool                is_loopback;
    uint16_t            port;
    uint32_t            stopping; /* atomic */
    pthread_mutex_t     lock;     /* of what follows */
    pthread_cond_t      idle;
    struct http_call  **live; /* submitted and not done */
    size_t              live_count, live_capacity;
    size_t              request_count; /* begun and not completed */
    struct http_trigger triggers[HTTP_TRIGGERS_MAX];
    size_t              trigger_next;
};

const struct http_options *http__options(const struct http_listener *listener)
{
    return &listener->options;
}

struct io_shard *http__shard(const struct http_listener *listener)
{
    return listener->shard;
}

uint32_t http__shard_count(const struct http_listener *listener)
{
    return io_host_shard_count(listener->options.hosted);
}

static bool listener_is_stopping(const struct http_listener *listener)
{
    return __atomic_load_n(&listener->stopping, __ATOMIC_ACQUIRE) != 0;
}

static void listener_lock(struct http_listener *listener)
{
    CHECK(pthread_mutex_lock(&listener->lock) == 0);
}

static void listener_unlock(struct http_listener *listener)
{
    CHECK(pthread_mutex_unlock(&listener->lock) == 0);
}

/* Under the lock, so that a cancel mail never stands before the mail that brings its call. */
bool http__live_add(struct http_listener *listener, struct http_call *call, struct io_mail *mail, io_mail_fn *deliver)
{
    listener_lock(listener);
    if (listener_is_stopping(listener)) {
        listener_unlock(listener);
        return false;
    }
    if (listener->live_count == listener->live_capacity) {
        listener->live_capacity = MAX(listener->live_capacity * 2, (size_t)16);
        listener->live = mem_realloc(MEM_NET, listener->live, listener->live_capacity * sizeof(struct http_call *));
    }
    listener->live[listener->live_count++] = call;
    io_shard_inject(listener->shard, mail, deliver);
    listener_unlock(listener);
    return true;
}

void http__live_remove(struct http_listener *listener, struct http_call *call)
{
    listener_lock(listener);
    for (size_t i = 0; i < listener->live_count; i++) {
        if (listener->live[i] == call) {
            listener->live[i] = listener->live[--listener->live_count];
            break;
        }
    }
    if (listener->live_count == 0) {
        (void)pthread_cond_signal(&listener->idle);
    }
    listener_unlock(listener);
}

void http__trigger_add(struct http_listener *listener, const struct http_trigger *trigger)
{
    listener_lock(listener);
    listener->triggers[listener->trigger_next++ % HTTP_TRIGGERS_MAX] = *trigger;
    listener_unlock(listener);
}

bool http__trigger_find(struct http_listener *listener, const char *job, const char *id,
                        struct http_trigger *out_trigger)
{
    bool found = false;

    listener_lock(listener);
    for (size_t i = 0; i < HTTP_TRIGGERS_MAX && !found; i++) {
        found = strcmp(listener->triggers[i].id, id) == 0 && strcmp(listener->triggers[i].job, job) == 0;
        if (found) {
            *out_trigger = listener->triggers[i];
        }
    }
    listener_unlock(listener);
    return found;
}

/* What runs in a session ends; how many. Its answers end when it has. */
static size_t listener_cancel_session(struct http_listener *listener, const char *session)
{
    size_t count = 0;

    listener_lock(listener);
    for (size_t i = 0; i < listener->live_count; i++) {
        struct http_call *call = listener->live[i];

        if (call->route.kind == HTTP_ROUTE_SQL &&
            view_equal(http__text_view(&call->body.session), view_text(session))) {
            http__call_cancel(call);
            count++;
        }
    }
    listener_unlock(listener);
    return count;
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static enum MHD_Result respond(struct MHD_Connection *connection, int status, const char *content_type,
                               struct MHD_Response *response)
{
    enum MHD_Result result;

    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, int status, const char *content_type,
                                    struct view body)
{
    return respond(connection, status, content_type,
                   MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.base, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result respond_json(struct MHD_Connection *connection, int status, json_t *document)
{
    struct http_text text = {0};
    enum MHD_Result  result;

    http__text_put_json(&text, document);
    result = respond_text(connection, status, HTTP_JSON, http__text_view(&text));
    http__text_deinit(&text);
    return result;
}

static enum MHD_Result respond_error(struct MHD_Connection *connection, int status, const char *why)
{
    return respond_json(connection, status, http__json_errors(view_text(why)));
}

/* allow: the methods that the path knows, of a 405. */
static enum MHD_Result respond_refused(struct MHD_Connection *connection, int status, const char *why,
                                       const char *allow)
{
    struct http_text     text = {0};
    struct MHD_Response *response;

    http__text_put_json(&text, http__json_errors(view_text(why)));
    response = MHD_create_response_from_buffer(text.len, text.base, MHD_RESPMEM_MUST_COPY);
    http__text_deinit(&text);
    if (response != NULL && allow != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    }
    return respond(connection, status, HTTP_JSON, response);
}

static ssize_t stream_read(void *context, uint64_t position UNUSED, char *to, size_t bytes_max)
{
    int64_t taken = http__call_take(context, to, bytes_max);

    return taken == HTTP_TAKEN_END      ? MHD_CONTENT_READER_END_OF_STREAM
           : taken == HTTP_TAKEN_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR
                                        : (ssize_t)taken;
}

/* The connection came back from its suspension. */
static enum MHD_Result respond_call(struct MHD_Connection *connection, struct http_call *call)
{
    const char *content_type;
    bool        whole;
    struct view body;
    int         status = http__call_ready(call, &content_type, &whole, &body);

    if (status == 0) {
        return MHD_YES;
    }
    if (whole) {
        return respond_text(connection, status, content_type, body);
    }
    return respond(connection, status, content_type,
                   MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read, call, NULL));
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* What is read of a request's body while it comes. */
struct http_upload {
    struct http_call *call;
    struct http_text  bytes;
    bool              is_json, too_large, submitted, answered;
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* What needs no body to be refused. 0: go on. */
static int refuse(const struct http_listener *listener, struct MHD_Connection *connection, const char *method,
                  const char *path, struct http_route *out_route, const char **out_why, const char **out_allow)
{
    struct http_guard guard = {
        .is_loopback = listener->is_loopback,
        .listener_host = listener->options.host,
        .changes = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0,
        .host = header(connection, MHD_HTTP_HEADER_HOST),
        .origin = header(connection, "Origin"),
        .site = header(connection, "Sec-Fetch-Site"),
        .content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
    };
    int status = http__guard(&guard, out_why);

    if (status != 200) {
        return status;
    }
    if (listener_is_stopping(listener)) {
        *out_why = "the broker is stopping";
        return 503;
    }
    status = http__route(method, path, out_route, out_allow);
    *out_why = status == 405 ? "this method is not known for this path" : "nothing is known under this path";
    return status == 200 ? 0 : status;
}

static enum MHD_Result request_begin(struct http_listener *listener, struct MHD_Connection *connection,
                                     const char *path, const char *method, void **state)
{
    const char         *why = "", *allow = NULL;
    const char         *type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
    struct http_route   route = {0};
    int                 status = refuse(listener, connection, method, path, &route, &why, &allow);
    struct http_upload *upload;

    upload = mem_alloc(MEM_NET, sizeof(*upload));
    upload->call = http__call_create(listener, connection);
    upload->call->route = route;
    upload->is_json = type != NULL && strncmp(type, "application/json", strlen("application/json")) == 0;
    *state = upload;
    listener_lock(listener);
    listener->request_count++;
    listener_unlock(listener);
    if (status != 0) {
        upload->answered = true;
        return respond_refused(connection, status, why, allow);
    }
    return MHD_YES;
}

static void request_take(struct http_upload *upload, const char *bytes, size_t len)
{
    if (upload->bytes.len + len > HTTP_BODY_BYTES_MAX) {
        upload->too_large = true;
    }
    if (!upload->too_large && !upload->answered) {
        http__text_put(&upload->bytes, bytes, len);
    }
}

static enum MHD_Result respond_trigger(struct http_listener *listener, struct MHD_Connection *connection,
                                       const struct http_route *route)
{
    struct http_trigger trigger;

    if (!http__trigger_find(listener, route->id, route->trigger, &trigger)) {
        return respond_error(connection, 404, "no stop and no savepoint of this job has this request id");
    }
    return respond_json(
        connection, 200,
        json_pack("{s:{s:s},s:{s:s}}", "status", "id", "COMPLETED", "operation", "location", trigger.location));
}

static enum MHD_Result request_run(struct http_listener *listener, struct MHD_Connection *connection,
                                   struct http_upload *upload)
{
    struct http_call *call = upload->call;
    char              why[256] = "";
    const char       *value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "get");
    const char       *mode = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "mode");

    if (upload->too_large) {
        return respond_error(connection, 413, "a request has 1 MiB at most");
    }
    if (!http__body_decode(call->route.kind, http__text_view(&upload->bytes), upload->is_json, &call->body,
                           span_of(why, sizeof(why)))) {
        return respond_error(connection, 400, why);
    }
    switch (call->route.kind) {
    case HTTP_ROUTE_HEALTH:
        return respond_json(connection, 200, json_pack("{s:s}", "status", "ok"));
    case HTTP_ROUTE_CONFIG:
        return respond_json(connection, 200, http__config_json(listener->options.version));
    case HTTP_ROUTE_SESSION:
        return respond_json(
            connection, 200,
            json_pack("{s:I}", "canceled", (json_int_t)listener_cancel_session(listener, call->route.id)));
    case HTTP_ROUTE_DISPOSAL_TRIGGER:
        (void)snprintf(call->route.trigger, sizeof(call->route.trigger), "%s", call->route.id);
        call->route.id[0] = '\0'; /* of no job */
        return respond_trigger(listener, connection, &call->route);
    case HTTP_ROUTE_JOB_TRIGGER:
        return respond_trigger(listener, connection, &call->route);
    case HTTP_ROUTE_JOB_CANCEL:
        if (mode != NULL && strcmp(mode, "cancel") != 0) {
            return respond_error(connection, 400, "the only mode is 'cancel'");
        }
        break;
    default:
        break;
    }
    if (value != NULL) {
        (void)snprintf(call->wanted, sizeof(call->wanted), "%s", value);
    }
    http__text_deinit(&upload->bytes);
    if (!http__call_submit(call)) {
        return respond_error(connection, 503, "the broker is stopping");
    }
    upload->submitted = true;
    return respond_call(connection, call);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version UNUSED, const char *bytes, size_t *byte_count,
                                  void **state)
{
    struct http_listener *listener = context;
    struct http_upload   *upload = *state;

    if (upload == NULL) {
        return request_begin(listener, connection, path, method, state);
    }
    if (*byte_count > 0) {
        request_take(upload, bytes, *byte_count);
        *byte_count = 0;
        return MHD_YES;
    }
    if (upload->answered) {
        return MHD_YES;
    }
    return upload->submitted ? respond_call(connection, upload->call) : request_run(listener, connection, upload);
}

static void on_completed(void *context, struct MHD_Connection *connection UNUSED, void **state,
                         enum MHD_RequestTerminationCode why UNUSED)
{
    struct http_listener *listener = context;
    struct http_upload   *upload = *state;

    if (upload == NULL) {
        return;
    }
    *state = NULL;
    http__call_gone(upload->call);
    http__call_unref(upload->call);
    http__text_deinit(&upload->bytes);
    mem_free(MEM_NET, upload);
    listener_lock(listener);
    listener->request_count--;
    (void)pthread_cond_signal(&listener->idle);
    listener_unlock(listener);
}

static void on_log(void *context UNUSED, const char *format, va_list arguments)
{
    char line[256];

    (void)vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    slog_debug("net", "%s", line);
}

/* --- start and stop ---------------------------------------------------------------------------------------------- */

static bool address_is_v4(const struct io_address *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(address->ip, mapped, sizeof(mapped)) == 0;
}

static bool address_is_loopback(const struct io_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};

    return address_is_v4(address) ? address->ip[12] == 127 : memcmp(address->ip, v6, sizeof(v6)) == 0;
}

static int listen_v4(int fd, const struct io_address *address, uint16_t *out_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    socklen_t          len = sizeof(at);

    memcpy(&at.sin_addr, address->ip + 12, 4);
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        return err_from_errno(errno);
    }
    *out_port = ntohs(at.sin_port);
    return ERR_OK;
}

static int listen_v6(int fd, const struct io_address *address, uint16_t *out_port)
{
    struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons(address->port), .sin6_scope_id = address->scope_id};
    socklen_t len = sizeof(at);

    memcpy(&at.sin6_addr, address->ip, 16);
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        return err_from_errno(errno);
    }
    *out_port = ntohs(at.sin6_port);
    return ERR_OK;
}

static int listener_socket(const struct io_address *address, int *out_fd, uint16_t *out_port)
{
    int on = 1, result;
    int fd = socket(address_is_v4(address) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return err_from_errno(errno);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    result = address_is_v4(address) ? listen_v4(fd, address, out_port) : listen_v6(fd, address, out_port);
    if (result < 0) {
        (void)close(fd);
        return result;
    }
    *out_fd = fd;
    return ERR_OK;
}

static void listener_free(struct http_listener *listener)
{
    (void)pthread_mutex_destroy(&listener->lock);
    (void)pthread_cond_destroy(&listener->idle);
    mem_free(MEM_NET, listener->live);
    mem_free(MEM_NET, listener);
}

int http_start(const struct http_options *options, struct http_listener **out_listener, struct span out_why)
{
    struct http_listener *listener = mem_alloc(MEM_NET, sizeof(*listener));
    char                  text[IO_ADDRESS_TEXT_BYTES];
    int                   fd = -1, result;

    CHECK(options->figure_count <= HTTP_FIGURES_MAX);
    listener->options = *options;
    listener->shard = io_host_shard(options->hosted, 0);
    listener->is_loopback = address_is_loopback(&options->address);
    CHECK(pthread_mutex_init(&listener->lock, NULL) == 0 && pthread_cond_init(&listener->idle, NULL) == 0);
    io_address_format(&options->address, text);
    result = listener_socket(&options->address, &fd, &listener->port);
    if (result < 0) {
        (void)snprintf((char *)out_why.base, out_why.len, "cannot listen on %s for HTTP: %s", text, err_text(result));
        listener_free(listener);
        return result;
    }
    listener->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                         on_request, listener, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_BYTES,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener, MHD_OPTION_END);
    if (listener->daemon == NULL) {
        (void)close(fd);
        (void)snprintf((char *)out_why.base, out_why.len, "the HTTP thread for %s could not be started", text);
        listener_free(listener);
        return ERR_UNKNOWN;
    }
    *out_listener = listener;
    return ERR_OK;
}

uint16_t http_port(const struct http_listener *listener)
{
    return listener->port;
}

/* Cancels what is under way and waits for it; what does not answer in time is left behind. True: nothing is. Then the
 * answers get a moment to leave. */
static bool listener_drain(struct http_listener *listener)
{
    struct timespec until;
    bool            drained;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_WAIT_S;
    listener_lock(listener);
    for (size_t i = 0; i < listener->live_count; i++) {
        http__call_cancel(listener->live[i]);
    }
    while (listener->live_count > 0 && pthread_cond_timedwait(&listener->idle, &listener->lock, &until) == 0) {
    }
    drained = listener->live_count == 0;
    for (size_t i = 0; i < listener->live_count; i++) {
        http__call_abandon(listener->live[i]);
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SEND_S;
    while (listener->request_count > 0 && pthread_cond_timedwait(&listener->idle, &listener->lock, &until) == 0) {
    }
    listener_unlock(listener);
    return drained;
}

void http_stop(struct http_listener *listener)
{
    bool drained;

    if (listener == NULL) {
        return;
    }
    listener_lock(listener);
    __atomic_store_n(&listener->stopping, 1, __ATOMIC_RELEASE);
    listener_unlock(listener);
    drained = listener_drain(listener);
    MHD_stop_daemon(listener->daemon);
    if (drained) {
        listener_free(listener);
    } else {
        slog_warn("net", "some requests were not answered in %d s; their clients were disconnected", STOP_WAIT_S);
    }
}
