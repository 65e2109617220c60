/* The seam's wrappers: every argument is checked here, once, for both back ends. A false CHECK is a bug of the caller:
 * nothing a client sends or a disk returns reaches these arguments unchecked. */
#include "io/io.h"

#include "io/io_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#define IO_ADDRESS_IP_TEXT_BYTES 64

static const uint8_t io_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Takes the op from its owner. */
static void io_begin(struct io *io, struct io_op *op, enum io_kind kind, struct io_handle handle, io_done_fn *done)
{
    CHECK(io != NULL && op != NULL && done != NULL);
    CHECK(op->kind == IO_NONE);
    op->kind = kind;
    op->more = false;
    op->cancel_requested = false;
    op->result = 0;
    op->received = (struct span){0};
    op->received_keepable = false;
    op->done = done;
    op->handle = handle;
    op->flags = 0;
    op->offset = 0;
    op->length = 0;
    op->out_stat = NULL;
    list_init(&op->link);
}

static void io_submit(struct io *io, struct io_op *op)
{
    io->in_flight++;
    io->submitted_count++;
    io->backend->submit(io, op);
}

void io__callback(struct io *io, struct io_op *op, int32_t result, bool more)
{
    CHECK(op->kind > IO_NONE && op->kind < IO_KIND_COUNT);
    CHECK(io->in_flight > 0);
    op->result = result;
    op->more = more;
    if (!more) {
        CHECK(!list_linked(&op->link));
        op->kind = IO_NONE;
        io->in_flight--;
        io->completed_count++;
    }
    op->done(op);
}

/* --- loop ------------------------------------------------------------------------------------------------------- */

int io_run(struct io *io, int64_t deadline_ns)
{
    return io->backend->run(io, deadline_ns);
}

void io_wait(struct io *io, struct io_op *op)
{
    while (!io_op_idle(op)) {
        CHECK(io_run(io, INT64_MAX) >= 0);
    }
}

void io_wake(struct io *io)
{
    io->backend->wake(io);
}

int64_t io_now_ns(struct io *io)
{
    return io->backend->now_ns(io);
}

int64_t io_clock_ns(struct io *io)
{
    return io->backend->clock_ns == NULL ? io->backend->now_ns(io) : io->backend->clock_ns(io);
}

bool io_waiting(struct io *io)
{
    return io->backend->waiting != NULL && io->backend->waiting(io);
}

int64_t io_wall_ms(struct io *io)
{
    return io->backend->wall_ms(io);
}

void io_random(struct io *io, struct span out_bytes)
{
    io->backend->random(io, out_bytes);
}

uint64_t io_random_u64(struct io *io)
{
    uint64_t value = 0;

    io_random(io, span_of(&value, sizeof(value)));
    return value;
}

void io_post(struct io *io, struct io_op *op, io_done_fn *done)
{
    io_begin(io, op, IO_POST, IO_HANDLE_NONE, done);
    io_submit(io, op);
}

void io_post_idle(struct io *io, struct io_op *op, io_done_fn *done)
{
    io_begin(io, op, IO_POST, IO_HANDLE_NONE, done);
    op->flags = IO_POST_IDLE;
    io_submit(io, op);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static void io_check_path(const char *path)
{
    CHECK(path != NULL && path[0] != '\0');
    CHECK(strnlen(path, IO_PATH_BYTES_MAX) < IO_PATH_BYTES_MAX);
}

void io_open(struct io *io, struct io_op *op, const char *path, uint32_t flags, io_done_fn *done)
{
    io_check_path(path);
    CHECK((flags & (IO_OPEN_READ | IO_OPEN_WRITE)) != 0);
    CHECK(IMPLIES((flags & IO_OPEN_EXCLUSIVE) != 0, (flags & IO_OPEN_CREATE) != 0));
    CHECK(IMPLIES((flags & (IO_OPEN_CREATE | IO_OPEN_TRUNCATE)) != 0, (flags & IO_OPEN_WRITE) != 0));
    CHECK(IMPLIES((flags & IO_OPEN_DIRECTORY) != 0, flags == (IO_OPEN_DIRECTORY | IO_OPEN_READ)));
    io_begin(io, op, IO_OPEN, IO_HANDLE_NONE, done);
    op->flags = flags;
    op->name.path = path;
    io_submit(io, op);
}

void io_close(struct io *io, struct io_op *op, struct io_handle handle, io_done_fn *done)
{
    CHECK(io_handle_valid(handle));
    io_begin(io, op, IO_CLOSE, handle, done);
    io_submit(io, op);
}

void io_read(struct io *io, struct io_op *op, struct io_handle file, struct span into, uint64_t offset,
             io_done_fn *done)
{
    CHECK(io_handle_valid(file) && into.base != NULL && into.len > 0);
    CHECK(offset <= INT64_MAX - into.len);
    io_begin(io, op, IO_READ, file, done);
    op->span = span_of(into.base, MIN(into.len, IO_TRANSFER_BYTES_MAX));
    op->offset = offset;
    op->length = op->span.len;
    io_submit(io, op);
}

void io_write(struct io *io, struct io_op *op, struct io_handle file, struct view bytes, uint64_t offset,
              uint32_t flags, io_done_fn *done)
{
    CHECK(io_handle_valid(file) && bytes.base != NULL && bytes.len > 0);
    CHECK(offset <= INT64_MAX - bytes.len);
    CHECK((flags & ~(uint32_t)IO_WRITE_DURABLE) == 0);
    io_begin(io, op, IO_WRITE, file, done);
    op->view = view_of(bytes.base, MIN(bytes.len, IO_TRANSFER_BYTES_MAX));
    op->offset = offset;
    op->length = op->view.len;
    op->flags = flags;
    io_submit(io, op);
}

void io_sync(struct io *io, struct io_op *op, struct io_handle file, io_done_fn *done)
{
    CHECK(io_handle_valid(file));
    io_begin(io, op, IO_SYNC, file, done);
    io_submit(io, op);
}

void io_allocate(struct io *io, struct io_op *op, struct io_handle file, uint64_t offset, uint64_t length,
                 uint32_t flags, io_done_fn *done)
{
    CHECK(io_handle_valid(file) && length > 0 && length <= INT64_MAX && offset <= INT64_MAX - length);
    CHECK((flags & ~(uint32_t)IO_ALLOCATE_PUNCH) == 0);
    io_begin(io, op, IO_ALLOCATE, file, done);
    op->offset = offset;
    op->length = length;
    op->flags = flags;
    io_submit(io, op);
}

void io_rename(struct io *io, struct io_op *op, const char *from, const char *to, io_done_fn *done)
{
    io_check_path(from);
    io_check_path(to);
    io_begin(io, op, IO_RENAME, IO_HANDLE_NONE, done);
    op->name.path = from;
    op->name.to = to;
    io_submit(io, op);
}

void io_unlink(struct io *io, struct io_op *op, const char *path, bool is_directory, io_done_fn *done)
{
    io_check_path(path);
    io_begin(io, op, IO_UNLINK, IO_HANDLE_NONE, done);
    op->name.path = path;
    op->flags = is_directory ? IO_OPEN_DIRECTORY : 0;
    io_submit(io, op);
}

void io_mkdir(struct io *io, struct io_op *op, const char *path, io_done_fn *done)
{
    io_check_path(path);
    io_begin(io, op, IO_MKDIR, IO_HANDLE_NONE, done);
    op->name.path = path;
    io_submit(io, op);
}

void io_stat(struct io *io, struct io_op *op, const char *path, struct io_stat *out_stat, io_done_fn *done)
{
    io_check_path(path);
    CHECK(out_stat != NULL);
    io_begin(io, op, IO_STAT, IO_HANDLE_NONE, done);
    op->name.path = path;
    op->out_stat = out_stat;
    io_submit(io, op);
}

int io_list(struct io *io, const char *path, io_list_fn *each, void *context)
{
    io_check_path(path);
    CHECK(each != NULL);
    return io->backend->list(io, path, each, context);
}

int io_volume_probe(struct io *io, const char *path, struct io_volume *out_volume)
{
    io_check_path(path);
    CHECK(out_volume != NULL);
    return io->backend->volume_probe(io, path, out_volume);
}

int io_volume_free(struct io *io, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes)
{
    io_check_path(path);
    CHECK(out_free_bytes != NULL && out_total_bytes != NULL);
    return io->backend->volume_free(io, path, out_free_bytes, out_total_bytes);
}

int io_lock(struct io *io, const char *path)
{
    io_check_path(path);
    return io->backend->lock(io, path);
}

int io_register_region(struct io *io, struct span region)
{
    CHECK(region.base != NULL && region.len > 0);
    return io->backend->register_region(io, region);
}

/* --- network ---------------------------------------------------------------------------------------------------- */

int io_listen(struct io *io, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener)
{
    CHECK(address != NULL && out_listener != NULL && backlog > 0 && backlog <= INT32_MAX);
    return io->backend->listen(io, address, backlog, out_listener);
}

int io_local_address(struct io *io, struct io_handle socket, struct io_address *out_address)
{
    CHECK(io_handle_valid(socket) && out_address != NULL);
    return io->backend->local_address(io, socket, out_address);
}

int io_peer_address(struct io *io, struct io_handle socket, struct io_address *out_address)
{
    CHECK(io_handle_valid(socket) && out_address != NULL);
    return io->backend->peer_address(io, socket, out_address);
}

void io_accept(struct io *io, struct io_op *op, struct io_handle listener, io_done_fn *done)
{
    CHECK(io_handle_valid(listener));
    io_begin(io, op, IO_ACCEPT, listener, done);
    io_submit(io, op);
}

void io_connect(struct io *io, struct io_op *op, const struct io_address *address, io_done_fn *done)
{
    CHECK(address != NULL);
    io_begin(io, op, IO_CONNECT, IO_HANDLE_NONE, done);
    op->address = *address;
    io_submit(io, op);
}

void io_recv(struct io *io, struct io_op *op, struct io_handle socket, struct span into, uint32_t flags,
             io_done_fn *done)
{
    CHECK(io_handle_valid(socket) && into.base != NULL && into.len > 0);
    CHECK((flags & ~(uint32_t)IO_RECV_ALL) == 0);
    io_begin(io, op, IO_RECV, socket, done);
    op->span = span_of(into.base, MIN(into.len, IO_TRANSFER_BYTES_MAX));
    op->length = op->span.len;
    op->flags = flags;
    io_submit(io, op);
}

void io_recv_multi(struct io *io, struct io_op *op, struct io_handle socket, io_done_fn *done)
{
    CHECK(io_handle_valid(socket));
    io_begin(io, op, IO_RECV_MULTI, socket, done);
    io_submit(io, op);
}

void io_recv_keep(struct io *io, const struct io_op *op)
{
    CHECK(op->received_keepable && op->received.len > 0);
    io->received_kept = true;
}

void io_recv_give(struct io *io, struct span received)
{
    CHECK(received.base != NULL);
    io->backend->recv_give(io, received);
}

void io_send(struct io *io, struct io_op *op, struct io_handle socket, const struct view *parts, uint32_t count,
             uint32_t flags, io_done_fn *done)
{
    CHECK(io_handle_valid(socket) && parts != NULL && count > 0 && count <= IO_SPANS_MAX);
    CHECK((flags & ~(uint32_t)IO_SEND_MORE) == 0);
    io_begin(io, op, IO_SEND, socket, done);
    op->send.parts = parts;
    op->send.count = count;
    op->flags = flags;
    io_submit(io, op);
}

void io_send_file(struct io *io, struct io_op *op, struct io_handle socket, struct io_handle file, uint64_t offset,
                  uint64_t length, io_done_fn *done)
{
    CHECK(io_handle_valid(socket) && io_handle_valid(file));
    CHECK(length > 0 && length <= INT64_MAX && offset <= INT64_MAX - length);
    io_begin(io, op, IO_SEND_FILE, socket, done);
    op->send_file.file = file;
    op->offset = offset;
    op->length = MIN(length, IO_TRANSFER_BYTES_MAX);
    io_submit(io, op);
}

void io_shutdown(struct io *io, struct io_op *op, struct io_handle socket, io_done_fn *done)
{
    CHECK(io_handle_valid(socket));
    io_begin(io, op, IO_SHUTDOWN, socket, done);
    io_submit(io, op);
}

void io_cancel(struct io *io, struct io_op *op, struct io_op *target, io_done_fn *done)
{
    CHECK(target != NULL && target != op && target->kind != IO_CANCEL && target->kind != IO_CLOSE);
    io_begin(io, op, IO_CANCEL, IO_HANDLE_NONE, done);
    op->target = target;
    io_submit(io, op);
}

/* --- text ------------------------------------------------------------------------------------------------------- */

void io_describe(struct io *io, struct span out_text)
{
    CHECK(out_text.base != NULL && out_text.len > 0);
    io->backend->describe(io, out_text);
}

void io_address_format(const struct io_address *address, char out_text[IO_ADDRESS_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    char scope[16] = "";

    if (memcmp(address->ip, io_mapped_prefix, sizeof(io_mapped_prefix)) == 0) {
        (void)inet_ntop(AF_INET, address->ip + sizeof(io_mapped_prefix), ip, sizeof(ip));
        (void)snprintf(out_text, IO_ADDRESS_TEXT_BYTES, "%s:%u", ip, (unsigned)address->port);
        return;
    }
    (void)inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
    if (address->scope_id != 0) {
        (void)snprintf(scope, sizeof(scope), "%%%" PRIu32, address->scope_id);
    }
    (void)snprintf(out_text, IO_ADDRESS_TEXT_BYTES, "[%s%s]:%u", ip, scope, (unsigned)address->port);
}

/* Decimal digits only, at least one, no overflow. */
static bool io_scope_parse(const char *text, uint32_t *out_scope_id)
{
    uint64_t value = 0;

    if (text[0] == '\0') {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > UINT32_MAX) {
            return false;
        }
    }
    *out_scope_id = (uint32_t)value;
    return true;
}

bool io_address_parse(struct view ip_text, uint16_t port, struct io_address *out_address)
{
    char              text[IO_ADDRESS_IP_TEXT_BYTES];
    struct io_address address = {.port = port};
    char             *scope;

    if (ip_text.len == 0 || ip_text.len >= sizeof(text) || memchr(ip_text.base, '\0', ip_text.len) != NULL) {
        return false;
    }
    memcpy(text, ip_text.base, ip_text.len);
    text[ip_text.len] = '\0';
    memcpy(address.ip, io_mapped_prefix, sizeof(io_mapped_prefix));
    if (inet_pton(AF_INET, text, address.ip + sizeof(io_mapped_prefix)) == 1) {
        *out_address = address;
        return true;
    }
    scope = strchr(text, '%');
    if (scope != NULL) {
        *scope = '\0';
        if (!io_scope_parse(scope + 1, &address.scope_id)) {
            return false;
        }
    }
    if (inet_pton(AF_INET6, text, address.ip) != 1) {
        return false;
    }
    *out_address = address;
    return true;
}

void io_destroy(struct io *io)
{
    if (io != NULL) {
        io->backend->destroy(io);
    }
}
